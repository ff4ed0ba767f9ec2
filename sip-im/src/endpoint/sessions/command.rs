//! What a host does with the sessions of its endpoint.

use std::time::Instant;

use bytes::Bytes;

use super::{Ongoing, Owner};
use crate::auth::Authentication;
use crate::dialog::Dialog;
use crate::endpoint::Endpoint;
use crate::endpoint::event::{ClientTransaction, Event, ServerTransaction, Target};
use crate::header::{Contact, HeaderName, Reason};
use crate::message::Request;
use crate::session::{
    InviteRefused, Matched, Negotiation, OfferPlace, Purpose, Reply, Session, SessionError, SessionEvent,
    SessionId, SessionSnapshot, SessionState, SessionTimer, Side, joined, replaced,
};
use crate::snapshot::SnapshotError;
use crate::{ContentType, Method, StatusCode, sdp};

impl Endpoint {
    /// Makes a session of an INVITE that came in outside of a dialog. Its offer is told as an event;
    /// [`answer_invite`](Self::answer_invite) answers it.
    ///
    /// # Errors
    ///
    /// Fails with what to answer, and changes nothing.
    pub fn take_invite(
        &mut self,
        transaction: ServerTransaction,
        request: &Request,
        contact: &Contact,
        now: Instant,
    ) -> Result<SessionId, InviteRefused> {
        let Some(server) = self.servers.get(transaction.0) else {
            return Err(InviteRefused::with(
                StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
            ));
        };
        if server.is_cancelled() {
            return Err(InviteRefused::with(StatusCode::REQUEST_TERMINATED));
        }
        let outside = request.to().is_ok_and(|to| to.tag().is_none());
        if *request.method() != Method::Invite || !outside {
            return Err(InviteRefused::with(StatusCode::BAD_REQUEST));
        }
        if self.sessions.table.len() >= self.config.sessions.max_sessions {
            return Err(InviteRefused::with(StatusCode::SERVICE_UNAVAILABLE));
        }
        // A stream leads back to its peer, whatever address that claims; a datagram's source need not be where the peer listens.
        let hop = server.stream_flow().map(Target::Flow);
        let tag = self.mint_tag();
        let (mut session, offer) =
            Session::invited(transaction, request, &tag, contact, &self.config.sessions, now)?;
        session.hop = hop;
        let id = self.add_session(session);
        self.sessions.by_server.insert(transaction, id);
        if let Some(offer) = offer {
            self.events.push_back(Event::Session(SessionEvent::Offer {
                session: id,
                place: OfferPlace::Invite,
                description: Box::new(offer),
            }));
        }
        self.settle_session(id, now);
        Ok(id)
    }

    /// Answers the INVITE of a session, the first or a later one: 101 to 199 say how it goes on, a 2xx accepts it, anything else
    /// refuses it. A 2xx waits for the PRACK of what was described before it (RFC 3262 section 5).
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when there is no INVITE to answer, or when the description has no place there or is missing.
    pub fn answer_invite(
        &mut self,
        session: SessionId,
        reply: Reply,
        now: Instant,
    ) -> Result<(), SessionError> {
        self.command(session, now, |session, cx| session.answer_invite(cx, reply))
    }

    /// Answers an offer that does not stand in an INVITE.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when there is none, or when the answer does not fit it.
    pub fn answer_offer(
        &mut self,
        session: SessionId,
        answer: &sdp::Session,
        now: Instant,
    ) -> Result<(), SessionError> {
        self.command(session, now, |session, cx| session.answer_offer(cx, answer))
    }

    /// Refuses an offer that does not stand in an INVITE: one in an UPDATE with the status, one in a PRACK with an answer that takes
    /// nothing; after one in a response to this end's INVITE the session ends, as SIP has no other way.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when there is none.
    pub fn refuse_offer(
        &mut self,
        session: SessionId,
        status: StatusCode,
        now: Instant,
    ) -> Result<(), SessionError> {
        self.command(session, now, |session, cx| session.refuse_offer(cx, status))
    }

    /// Acknowledges a reliable provisional response, where [`automatic_prack`](crate::session::Config::automatic_prack) leaves that to
    /// the host: with an offer, or without.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when there is none, or when no offer may be made.
    pub fn acknowledge_progress(
        &mut self,
        session: SessionId,
        offer: Option<&sdp::Session>,
        now: Instant,
    ) -> Result<(), SessionError> {
        self.command(session, now, |session, cx| {
            session.acknowledge_progress(cx, offer)
        })
    }

    /// Offers a change of the session: with a re-INVITE, or with an UPDATE if asked to or where nothing else is allowed. Where the
    /// description stands beside the one before, origin and version are set by RFC 3264 section 8. A glare is resolved by
    /// waiting and trying again (RFC 3261 section 14.1); the outcome is an event.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when no offer may be made now, or when the description drops media.
    pub fn offer(
        &mut self,
        session: SessionId,
        offer: &sdp::Session,
        by_update: bool,
        now: Instant,
    ) -> Result<(), SessionError> {
        self.command(session, now, |session, cx| session.offer(cx, offer, by_update))
    }

    /// Asks the peer for an offer, with a re-INVITE that has none.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when no INVITE may be sent now.
    pub fn solicit_offer(&mut self, session: SessionId, now: Instant) -> Result<(), SessionError> {
        self.command(session, now, Session::solicit)
    }

    /// Refreshes the session before that is due (RFC 4028).
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when that cannot be done now.
    pub fn refresh_session(&mut self, session: SessionId, now: Instant) -> Result<(), SessionError> {
        self.command(session, now, Session::refresh)
    }

    /// Ends a session with a BYE; the callee's waits for the ACK. An early session of the caller is ended alone; all of an INVITE's
    /// are with [`cancel_invite`](Self::cancel_invite). The callee refuses an early one with [`answer_invite`](Self::answer_invite).
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when the session is over, or early at the callee.
    pub fn end_session(
        &mut self,
        session: SessionId,
        reason: Option<&Reason>,
        now: Instant,
    ) -> Result<(), SessionError> {
        self.command(session, now, |session, cx| session.end(cx, reason))
    }

    /// Sends a request of another kind within the dialog of a session: MESSAGE, INFO and others. Its responses are told as those of
    /// any request; one that ends the dialog ends the session.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing but the dialog's count, for a method that sessions keep to themselves, when the session is over, or
    /// as [`send`](Self::send).
    pub fn send_in_session(
        &mut self,
        session: SessionId,
        method: Method,
        headers: &[(HeaderName, &str)],
        content: Option<(&ContentType, Bytes)>,
        now: Instant,
    ) -> Result<ClientTransaction, SessionError> {
        if matches!(
            method,
            Method::Invite | Method::Ack | Method::Cancel | Method::Bye | Method::Update | Method::Prack
        ) {
            return Err(SessionError::Request);
        }
        let found = self
            .sessions
            .table
            .get_mut(&session)
            .ok_or(SessionError::Unknown)?;
        if found.state().is_over() || found.state() == SessionState::Preparative {
            return Err(SessionError::State);
        }
        let mut builder = found.request(method, &self.config.sessions);
        for (name, value) in headers {
            builder = builder.header(name, value)?;
        }
        if let Some((content_type, body)) = content {
            builder = builder.body(content_type, body);
        }
        let mut request = builder.build()?;
        if let Some(credentials) = &mut self.sessions.credentials {
            credentials.authorize(&mut request);
        }
        let target = self
            .session_target(session)
            .ok_or(crate::endpoint::SendError::UnknownFlow)?;
        let transaction = self.send(request.clone(), target, now)?;
        if let Some(found) = self.sessions.table.get_mut(&session) {
            found.opened();
        }
        self.sessions.requests.insert(
            transaction,
            Ongoing {
                owner: Owner::Session(session),
                purpose: Purpose::Other,
                request,
            },
        );
        self.tell_sessions(now);
        Ok(transaction)
    }

    /// Answers challenges to the requests of sessions and to INVITEs with a user's password, and sends credentials ahead.
    pub fn authenticate_sessions(&mut self, credentials: Option<Authentication>) {
        self.sessions.credentials = credentials;
    }

    /// Sends what follows within a session somewhere else than to the next hop of its dialog, or there again.
    ///
    /// # Errors
    ///
    /// Fails when there is no such session.
    pub fn route_session(&mut self, session: SessionId, target: Option<Target>) -> Result<(), SessionError> {
        let found = self
            .sessions
            .table
            .get_mut(&session)
            .ok_or(SessionError::Unknown)?;
        found.hop = target;
        Ok(())
    }

    /// The session that an INVITE's Replaces names, if it has one.
    ///
    /// # Errors
    ///
    /// Fails with the status to answer, when it names none or one that cannot be replaced.
    pub fn replaced_session(&self, request: &Request) -> Result<Option<Matched>, StatusCode> {
        replaced(request, |dialog| self.find_session(dialog))
    }

    /// The session that an INVITE's Join names, if it has one; `to_conference` says whether the Request-URI is that of a conference.
    ///
    /// # Errors
    ///
    /// Fails with the status to answer, when it names none.
    pub fn joined_session(
        &self,
        request: &Request,
        to_conference: bool,
    ) -> Result<Option<Matched>, StatusCode> {
        joined(request, to_conference, |dialog| self.find_session(dialog))
    }

    fn find_session(&self, dialog: &crate::dialog::DialogId) -> Option<(SessionId, SessionState, Side)> {
        let id = self.sessions.by_dialog.get(dialog)?;
        let session = self.sessions.get(*id)?;
        Some((*id, session.state(), session.side()))
    }

    /// Sessions that are not over, or whose end is still under way.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// The state of a session.
    pub fn session_state(&self, session: SessionId) -> Option<SessionState> {
        self.sessions.get(session).map(Session::state)
    }

    /// The dialog of a session.
    pub fn session_dialog(&self, session: SessionId) -> Option<&Dialog> {
        self.sessions.get(session).map(|session| &session.dialog)
    }

    /// Whose turn it is in a session to describe the media.
    pub fn session_negotiation(&self, session: SessionId) -> Option<Negotiation> {
        self.sessions.get(session).map(Session::negotiation)
    }

    /// This end's description as it was agreed on.
    pub fn session_description(&self, session: SessionId) -> Option<&Bytes> {
        self.sessions.get(session)?.local()
    }

    /// The timer of a session.
    pub fn session_timer(&self, session: SessionId) -> Option<&SessionTimer> {
        self.sessions.get(session).map(Session::timer)
    }

    /// What to keep of a session to go on with it after a restart or elsewhere.
    ///
    /// # Errors
    ///
    /// Fails when there is no such session, or when it is not established or a request or response of either end is under way.
    pub fn snapshot_session(
        &self,
        session: SessionId,
        now: Instant,
    ) -> Result<SessionSnapshot, SessionError> {
        let found = self.sessions.get(session).ok_or(SessionError::Unknown)?;
        found.snapshot(now).ok_or(SessionError::Pending)
    }

    /// Goes on with a session. Its requests go to the next hop of its dialog, unless they are
    /// [sent elsewhere](Self::route_session).
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, with the first value that no session can have, when its dialog is open already, or at the limit of
    /// sessions.
    pub fn restore_session(
        &mut self,
        snapshot: &SessionSnapshot,
        now: Instant,
    ) -> Result<SessionId, SnapshotError> {
        if self.sessions.table.len() >= self.config.sessions.max_sessions {
            return Err(SnapshotError::TooMany);
        }
        let session = Session::restore(snapshot, now)?;
        if self.sessions.by_dialog.contains_key(session.dialog.id()) {
            return Err(SnapshotError::Value("call-id"));
        }
        let id = self.add_session(session);
        self.settle_session(id, now);
        Ok(id)
    }

    fn command(
        &mut self,
        session: SessionId,
        now: Instant,
        work: impl FnOnce(&mut Session, &mut crate::session::Context<'_>) -> Result<(), SessionError>,
    ) -> Result<(), SessionError> {
        let result = self.with_session(session, now, work);
        self.tell_sessions(now);
        result.unwrap_or(Err(SessionError::Unknown))
    }
}
