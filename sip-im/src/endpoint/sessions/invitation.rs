//! INVITEs of this end outside of a dialog, and the branches that they lead to.

use core::time::Duration;
use std::time::Instant;

use bytes::Bytes;

use super::{Ongoing, Owner};
use crate::dialog::DialogId;
use crate::endpoint::event::{ClientTransaction, Event, Target};
use crate::endpoint::schedule::Key;
use crate::endpoint::{Endpoint, SHORTEST};
use crate::header::{Allow, CSeq, Contact, Expires, HeaderName, MinSe, SessionExpires, Supported, To};
use crate::message::{Request, RequestBuilder, Response};
use crate::session::{
    self, Failure, InviteId, Purpose, Session, SessionError, SessionEvent, SessionId, SessionTimer,
};
use crate::{ByteStr, Method};

/// An INVITE of this end.
#[derive(Debug)]
pub(super) struct Invitation {
    /// As the application gave it, with this end's abilities.
    request: Request,
    target: Target,
    transaction: Option<ClientTransaction>,
    offer: Option<Bytes>,
    timer: SessionTimer,
    branches: Vec<SessionId>,
    /// The application does not want it any more.
    cancelled: bool,
    /// A 2xx has come.
    answered: bool,
    tries: u8,
}

impl Endpoint {
    /// Sends an INVITE outside of a dialog, and makes a session of each dialog that it leads to (RFC 3261 section 13.2). Its body
    /// may have an offer, alone or as one part of several; Allow, Supported and the session timer are added where they are missing.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when it is no INVITE outside of a dialog with a Contact, when its description is malformed, or as
    /// [`send`](Self::send).
    pub fn invite(
        &mut self,
        request: Request,
        target: Target,
        now: Instant,
    ) -> Result<InviteId, SessionError> {
        let headers = request.headers();
        let outside = headers
            .get::<To>()
            .is_ok_and(|to| to.is_some_and(|to| to.tag().is_none()));
        let contact = headers
            .get::<Contact>()
            .ok()
            .flatten()
            .is_some_and(|contact| contact.uri().is_some());
        if *request.method() != Method::Invite || !outside || !contact {
            return Err(SessionError::Request);
        }
        if self.sessions.table.len() >= self.config.sessions.max_sessions
            || self.sessions.invitations.len() >= self.config.sessions.max_sessions
        {
            return Err(SessionError::TooMany);
        }
        let offer = session::description(headers, request.body())?.map(|offer| offer.write());
        let mut request = request;
        self.complete(&mut request)?;
        let id = InviteId(self.sessions.next_invite);
        self.sessions.invitations.insert(
            id,
            Invitation {
                request: request.clone(),
                target,
                transaction: None,
                offer,
                timer: SessionTimer::default(),
                branches: Vec::new(),
                cancelled: false,
                answered: false,
                tries: 0,
            },
        );
        let sent = self
            .time(id, request)
            .and_then(|request| self.send_invite(id, request, now).map_err(SessionError::from));
        if let Err(error) = sent {
            self.sessions.invitations.remove(&id);
            return Err(error);
        }
        self.sessions.next_invite = self.sessions.next_invite.saturating_add(1);
        self.limit(id, now);
        Ok(id)
    }

    /// Gives an INVITE up: with a CANCEL while it has no final response. A 2xx that crosses it is acknowledged and its session
    /// ended at once.
    ///
    /// # Errors
    ///
    /// Fails when it has a final response.
    pub fn cancel_invite(&mut self, invite: InviteId, now: Instant) -> Result<(), SessionError> {
        let invitation = self
            .sessions
            .invitations
            .get_mut(&invite)
            .ok_or(SessionError::Unknown)?;
        if invitation.answered {
            return Err(SessionError::State);
        }
        invitation.cancelled = true;
        if let Some(transaction) = invitation.transaction {
            // Once a final response is there, it decides.
            let _ = self.cancel(transaction, now);
        }
        self.tell_sessions(now);
        Ok(())
    }

    /// Names what this end can do, where the application has not.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.1
    //# An Allow header field (Section 20.5) SHOULD be present in the INVITE.
    //= https://www.rfc-editor.org/rfc/rfc3262#section-4
    //# The UAC SHOULD include this in all INVITE
    //# requests.
    fn complete(&self, request: &mut Request) -> Result<(), SessionError> {
        let config = &self.config.sessions;
        let headers = request.headers_mut();
        if !headers.contains(&HeaderName::ALLOW) {
            headers.push_typed(&Allow::new(config.allow.iter().cloned()))?;
        }
        let mut supported = headers.get::<Supported>().ok().flatten().unwrap_or_default();
        for tag in &config.supported {
            if !supported.contains(tag) {
                supported.0.push(ByteStr::from_static(tag));
            }
        }
        if !supported.0.is_empty() {
            headers.remove(&HeaderName::SUPPORTED);
            headers.push_typed(&supported)?;
        }
        Ok(())
    }

    /// Puts the session timer in.
    fn time(&mut self, id: InviteId, request: Request) -> Result<Request, SessionError> {
        let Some(invitation) = self.sessions.invitations.get_mut(&id) else {
            return Err(SessionError::Unknown);
        };
        // The header fields are those that any request would get.
        let asking: RequestBuilder = invitation.timer.ask(
            Request::builder(Method::Invite, request.uri().clone()),
            &self.config.sessions.timer,
        );
        let asking = asking
            .from(request.uri(), None, "x")
            .to(request.uri(), None)
            .call_id("x")
            .cseq(1)
            .build()?;
        let mut request = request;
        if let Ok(Some(asked)) = asking.headers().get::<SessionExpires>() {
            request.headers_mut().set_typed(&asked)?;
        }
        if let Ok(Some(least)) = asking.headers().get::<MinSe>() {
            request.headers_mut().set_typed(&least)?;
        }
        Ok(request)
    }

    pub(super) fn send_invite(
        &mut self,
        id: InviteId,
        request: Request,
        now: Instant,
    ) -> Result<(), crate::endpoint::SendError> {
        let Some(invitation) = self.sessions.invitations.get(&id) else {
            return Ok(());
        };
        let mut request = request;
        if let Some(credentials) = &mut self.sessions.credentials
            && !request.headers().contains(&HeaderName::AUTHORIZATION)
            && !request.headers().contains(&HeaderName::PROXY_AUTHORIZATION)
        {
            credentials.authorize(&mut request);
        }
        let target = invitation.target.clone();
        let transaction = self.send(request.clone(), target, now)?;
        let Some(invitation) = self.sessions.invitations.get_mut(&id) else {
            return Ok(());
        };
        invitation.transaction = Some(transaction);
        invitation.request = request.clone();
        let cancelled = invitation.cancelled;
        self.sessions.requests.insert(
            transaction,
            Ongoing {
                owner: Owner::Invite(id),
                purpose: Purpose::Invite(id),
                request,
            },
        );
        if cancelled {
            let _ = self.cancel(transaction, now);
        }
        Ok(())
    }

    /// Starts the time that the invitation is valid for.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.1
    //# If the time indicated in the Expires
    //# header field is reached and no final answer for the INVITE has been
    //# received, the UAC core SHOULD generate a CANCEL request for the
    //# INVITE, as per Section 9.
    fn limit(&mut self, id: InviteId, now: Instant) {
        let expires = self
            .sessions
            .invitations
            .get(&id)
            .and_then(|invitation| invitation.request.headers().get::<Expires>().ok().flatten());
        if let Some(Expires(seconds)) = expires {
            let wait = Duration::from_secs(u64::from(seconds)).max(SHORTEST);
            self.schedule.arm(Key::Invite(id), now, wait);
        }
    }

    pub(in crate::endpoint) fn invite_timeout(&mut self, id: InviteId, now: Instant) {
        // It may have been answered.
        let _ = self.cancel_invite(id, now);
    }

    pub(super) fn invite_news(
        &mut self,
        id: InviteId,
        transaction: ClientTransaction,
        outcome: Result<Response, Failure>,
        now: Instant,
    ) {
        match outcome {
            Ok(response) if response.status().code() == 100 => {}
            Ok(response) if response.status().is_provisional() => {
                match self.branch_of(id, transaction, &response) {
                    Some(session) => self.branch_news(session, id, transaction, Ok(response), now),
                    None => self.events.push_back(Event::Session(SessionEvent::Progress {
                        invite: id,
                        session: None,
                        response,
                    })),
                }
            }
            Ok(response) if response.status().is_success() => {
                self.invite_success(id, transaction, response, now);
            }
            outcome => self.invite_failure(id, transaction, outcome, now),
        }
    }

    fn branch_news(
        &mut self,
        session: SessionId,
        invite: InviteId,
        transaction: ClientTransaction,
        outcome: Result<Response, Failure>,
        now: Instant,
    ) {
        self.with_session(session, now, |session, cx| {
            session.handle_response(cx, Purpose::Invite(invite), transaction, outcome);
        });
    }

    /// The session of a response with a tag: the one of its dialog, or a new one.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.2.1
    //# If a provisional response
    //# has a tag in the To field, and if the dialog ID of the response does
    //# not match an existing dialog, one is constructed using the procedures
    //# defined in Section 12.1.2.
    fn branch_of(
        &mut self,
        id: InviteId,
        transaction: ClientTransaction,
        response: &Response,
    ) -> Option<SessionId> {
        let dialog = DialogId::of_response(response)?;
        if let Some(session) = self.sessions.by_dialog.get(&dialog) {
            return Some(*session);
        }
        let provisional = response.status().is_provisional();
        if provisional && dialog.remote_tag.is_empty() {
            return None;
        }
        let invitation = self.sessions.invitations.get(&id)?;
        let config = &self.config.sessions;
        if invitation.branches.len() >= config.max_branches
            || self.sessions.table.len() >= config.max_sessions
        {
            return None;
        }
        let mut session = Session::branch(
            &invitation.request,
            transaction,
            invitation.offer.as_ref(),
            invitation.timer,
            response,
        )
        .ok()?;
        // A flow is chosen on purpose; an address says where this one request goes, and the dialog knows where the others do.
        session.hop = match &invitation.target {
            Target::Flow(flow) => Some(Target::Flow(*flow)),
            _ => None,
        };
        let session = self.add_session(session);
        if let Some(invitation) = self.sessions.invitations.get_mut(&id) {
            invitation.branches.push(session);
        }
        Some(session)
    }

    fn invite_success(
        &mut self,
        id: InviteId,
        transaction: ClientTransaction,
        response: Response,
        now: Instant,
    ) {
        self.schedule.disarm(Key::Invite(id));
        let session = self.branch_of(id, transaction, &response);
        let Some(invitation) = self.sessions.invitations.get_mut(&id) else {
            return;
        };
        let cancelled = invitation.cancelled;
        match session {
            Some(session) => {
                invitation.answered = true;
                self.branch_news(session, id, transaction, Ok(response), now);
                //= https://www.rfc-editor.org/rfc/rfc3261#section-15
                //# If the INVITE results in 2xx final response(s)
                //# to the INVITE, this means that a UAS accepted the invitation while
                //# the CANCEL was in progress.  The UAC MAY continue with the sessions
                //# established by any 2xx responses, or MAY terminate them with BYE.
                if cancelled {
                    self.with_session(session, now, |session, cx| drop(session.end(cx, None)));
                }
            }
            None if !invitation.answered => self.fail_invite(id, Failure::NoDialog),
            None => {}
        }
    }

    fn invite_failure(
        &mut self,
        id: InviteId,
        transaction: ClientTransaction,
        outcome: Result<Response, Failure>,
        now: Instant,
    ) {
        let Some(invitation) = self.sessions.invitations.get_mut(&id) else {
            return;
        };
        let branches = core::mem::take(&mut invitation.branches);
        let again = match &outcome {
            Ok(response) if response.status().code() == 422 && !invitation.cancelled => {
                invitation.tries = invitation.tries.saturating_add(1);
                invitation.tries <= self.config.sessions.max_retries
                    && invitation.timer.too_small(response.headers())
            }
            _ => false,
        };
        for session in branches {
            let outcome = match &outcome {
                Ok(response) => Ok(response.clone()),
                Err(_) => Err(Failure::TimedOut),
            };
            self.branch_news(session, id, transaction, outcome, now);
        }
        if again && self.ask_for_longer(id, now) {
            return;
        }
        let failure = match outcome {
            Ok(response) => Failure::Response(Box::new(response)),
            Err(failure) => failure,
        };
        self.fail_invite(id, failure);
    }

    /// Sends the INVITE again with a longer session interval.
    ///
    //= https://www.rfc-editor.org/rfc/rfc4028#section-7.3
    //# This new request constitutes a new transaction and SHOULD have the
    //# same value as the Call-ID, To, and From of the previous request, but
    //# the CSeq should contain a new sequence number that is one higher than
    //# the previous.
    fn ask_for_longer(&mut self, id: InviteId, now: Instant) -> bool {
        let Some(invitation) = self.sessions.invitations.get(&id) else {
            return false;
        };
        let mut request = invitation.request.clone();
        let Ok(cseq) = request.cseq() else { return false };
        let next = CSeq::new(cseq.seq.saturating_add(1), Method::Invite);
        if request.headers_mut().set_typed(&next).is_err() {
            return false;
        }
        self.time(id, request)
            .is_ok_and(|request| self.send_invite(id, request, now).is_ok())
    }

    fn fail_invite(&mut self, id: InviteId, failure: Failure) {
        self.schedule.disarm(Key::Invite(id));
        if let Some(invitation) = self.sessions.invitations.remove(&id) {
            self.events.push_back(Event::Session(SessionEvent::InviteFailed {
                invite: id,
                request: invitation.request,
                failure,
            }));
        }
    }

    /// The transaction of an INVITE is over.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.2.4
    //# The UAC core considers the INVITE transaction completed 64*T1 seconds
    //# after the reception of the first 2xx response.  At this point all the
    //# early dialogs that have not transitioned to established dialogs are
    //# terminated.
    pub(super) fn invite_over(&mut self, id: InviteId, transaction: ClientTransaction, now: Instant) {
        let current = self
            .sessions
            .invitations
            .get(&id)
            .is_some_and(|invitation| invitation.transaction == Some(transaction));
        if !current {
            return;
        }
        self.schedule.disarm(Key::Invite(id));
        let Some(invitation) = self.sessions.invitations.remove(&id) else {
            return;
        };
        // Those that have their 2xx take no notice.
        for session in invitation.branches {
            self.branch_news(session, id, transaction, Err(Failure::Ended), now);
        }
        if !invitation.answered {
            self.events.push_back(Event::Session(SessionEvent::InviteFailed {
                invite: id,
                request: invitation.request,
                failure: Failure::Ended,
            }));
        }
    }
}
