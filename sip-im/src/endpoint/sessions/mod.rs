//! Sessions of an endpoint: which requests and responses are theirs, and what they have done.
//!
//! Every piece of news passes [`Endpoint::emit`]. What belongs to a session goes to its inbox, which is emptied before the call that
//! filled it returns, and not to the host.

mod command;
mod invitation;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::event::{ClientTransaction, Event, RequestFailure, ServerTransaction, Target};
use super::schedule::Key;
use super::{Endpoint, SHORTEST};
use crate::auth::Authentication;
use crate::dialog::DialogId;
use crate::header::CSeq;
use crate::message::{Request, Response};
use crate::session::{Action, Context, Failure, InviteId, Purpose, Session, SessionId};

use invitation::Invitation;

/// Whose a request of this end is.
#[derive(Clone, Copy, Debug)]
enum Owner {
    Invite(InviteId),
    Session(SessionId),
}

/// A request of a session, until its transaction is over.
#[derive(Debug)]
struct Ongoing {
    owner: Owner,
    purpose: Purpose,
    /// As it was sent, without Via.
    request: Request,
}

/// What a session has not been told yet.
#[derive(Debug)]
enum Letter {
    /// News of the peer's request.
    Server(SessionId, Box<Event>),
    /// News of this end's.
    Client(ClientTransaction, Box<Event>),
    /// The transaction is over.
    Over(ClientTransaction),
}

/// The sessions of an endpoint.
#[derive(Default)]
pub(super) struct Sessions {
    /// Boxed, since a tree has room for more than it holds.
    table: BTreeMap<SessionId, Box<Session>>,
    by_dialog: BTreeMap<DialogId, SessionId>,
    invitations: BTreeMap<InviteId, Invitation>,
    by_server: BTreeMap<ServerTransaction, SessionId>,
    requests: BTreeMap<ClientTransaction, Ongoing>,
    inbox: VecDeque<Letter>,
    next_session: u64,
    next_invite: u64,
    credentials: Option<Authentication>,
}

impl Sessions {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    fn get(&self, id: SessionId) -> Option<&Session> {
        self.table.get(&id).map(Box::as_ref)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
            && self.by_dialog.is_empty()
            && self.invitations.is_empty()
            && self.by_server.is_empty()
            && self.requests.is_empty()
            && self.inbox.is_empty()
    }

    /// A server transaction is over.
    pub(super) fn forget_server(&mut self, transaction: ServerTransaction) {
        self.by_server.remove(&transaction);
    }

    /// A client transaction is over.
    pub(super) fn forget_client(&mut self, transaction: ClientTransaction) {
        if self.requests.contains_key(&transaction) {
            self.inbox.push_back(Letter::Over(transaction));
        }
    }

    /// The session that a piece of news is for.
    fn session_of(&self, event: &Event) -> Option<SessionId> {
        match event {
            //= https://www.rfc-editor.org/rfc/rfc3261#section-12.2.2
            //# If the
            //# request has a tag in the To header field, the UAS core computes the
            //# dialog identifier corresponding to the request and compares it with
            //# existing dialogs.
            Event::RequestReceived { request, .. } if !self.by_dialog.is_empty() => {
                let id = DialogId::of_incoming_request(request)?;
                self.by_dialog.get(&id).copied()
            }
            Event::AckReceived {
                transaction: Some(transaction),
                ..
            }
            | Event::CancelReceived { transaction }
            | Event::AckTimedOut { transaction }
            | Event::TransactionFailed { transaction } => self.by_server.get(transaction).copied(),
            _ => None,
        }
    }
}

impl Endpoint {
    /// Tells the host, or the session that it is about.
    pub(super) fn emit(&mut self, event: Event) {
        let client = match &event {
            Event::ResponseReceived { transaction, .. } | Event::RequestFailed { transaction, .. } => {
                Some(*transaction).filter(|id| self.sessions.requests.contains_key(id))
            }
            _ => None,
        };
        if let Some(transaction) = client {
            self.sessions
                .inbox
                .push_back(Letter::Client(transaction, Box::new(event)));
        } else if let Some(session) = self.sessions.session_of(&event) {
            if let Event::RequestReceived { transaction, .. } = &event {
                self.sessions.by_server.insert(*transaction, session);
            }
            self.sessions
                .inbox
                .push_back(Letter::Server(session, Box::new(event)));
        } else {
            self.events.push_back(event);
        }
    }

    /// Tells sessions what there is for them.
    pub(super) fn tell_sessions(&mut self, now: Instant) {
        while let Some(letter) = self.sessions.inbox.pop_front() {
            match letter {
                Letter::Server(session, event) => self.server_news(session, *event, now),
                Letter::Client(transaction, event) => self.client_news(transaction, *event, now),
                Letter::Over(transaction) => self.client_over(transaction, now),
            }
        }
    }

    fn server_news(&mut self, session: SessionId, event: Event, now: Instant) {
        if let Event::RequestReceived {
            transaction,
            request,
            flow,
            ..
        } = event
        {
            let Some(found) = self.sessions.table.get_mut(&session) else {
                // It ended a moment ago.
                let gone = crate::StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
                if let Ok(response) = request.response(gone).build() {
                    let _ = self.respond(transaction, response, now);
                }
                return;
            };
            // The way that requests come is the way that they go, as long as it is open.
            if matches!(found.hop, Some(Target::Flow(_))) {
                found.hop = Some(Target::Flow(flow));
            }
            self.with_session(session, now, |session, cx| {
                session.handle_request(cx, transaction, request);
            });
            return;
        }
        if let Event::TransactionFailed { transaction } = event {
            let known = self.with_session(session, now, |session, cx| session.unreachable(cx, transaction));
            if known == Some(false) {
                self.events.push_back(event);
            }
            return;
        }
        self.with_session(session, now, |session, cx| match event {
            Event::AckReceived {
                transaction: Some(transaction),
                request,
                ..
            } => session.acknowledged(cx, transaction, &request),
            Event::CancelReceived { transaction } => session.cancelled(cx, transaction),
            Event::AckTimedOut { transaction } => session.ack_missing(cx, transaction),
            _ => {}
        });
    }

    fn client_news(&mut self, transaction: ClientTransaction, event: Event, now: Instant) {
        let Some(ongoing) = self.sessions.requests.get(&transaction) else {
            return;
        };
        let (owner, purpose) = (ongoing.owner, ongoing.purpose);
        if purpose == Purpose::Other {
            // The application has sent it, and hears of it as of any other.
            self.events.push_back(event.clone());
        }
        let outcome = match event {
            Event::ResponseReceived { response, .. } => Ok(response),
            Event::RequestFailed { reason, .. } => Err(match reason {
                RequestFailure::TimedOut => Failure::TimedOut,
                _ => Failure::TransportFailed,
            }),
            _ => return,
        };
        if purpose != Purpose::Other
            && let Ok(response) = &outcome
            && matches!(response.status().code(), 401 | 407)
            && self.answer_challenge(transaction, response, now)
        {
            return;
        }
        match owner {
            Owner::Invite(invite) => self.invite_news(invite, transaction, outcome, now),
            Owner::Session(session) => {
                self.with_session(session, now, |session, cx| {
                    session.handle_response(cx, purpose, transaction, outcome);
                });
            }
        }
    }

    fn client_over(&mut self, transaction: ClientTransaction, now: Instant) {
        if let Some(Ongoing {
            owner: Owner::Invite(invite),
            ..
        }) = self.sessions.requests.remove(&transaction)
        {
            self.invite_over(invite, transaction, now);
        }
    }

    /// Sends a request again with credentials, if there are any for the challenge.
    fn answer_challenge(
        &mut self,
        transaction: ClientTransaction,
        response: &Response,
        now: Instant,
    ) -> bool {
        let Some(ongoing) = self.sessions.requests.get(&transaction) else {
            return false;
        };
        let Some(credentials) = &mut self.sessions.credentials else {
            return false;
        };
        let Ok(mut again) = credentials.answer(&ongoing.request, response) else {
            return false;
        };
        let (owner, purpose) = (ongoing.owner, ongoing.purpose);
        match owner {
            Owner::Invite(invite) => self.send_invite(invite, again, now).is_ok(),
            Owner::Session(id) => {
                let Some(session) = self.sessions.get(id) else {
                    return false;
                };
                // Other requests may have gone out in the meantime.
                let next = session.dialog.local_sequence().unwrap_or(0).saturating_add(1);
                let cseq = CSeq::new(next, again.method().clone());
                again.headers_mut().set_typed(&cseq).is_ok() && self.send_as(id, purpose, again, now).is_ok()
            }
        }
    }

    /// Does something with a session, and then what it asks for. `None` when there is no such session.
    fn with_session<R>(
        &mut self,
        id: SessionId,
        now: Instant,
        work: impl FnOnce(&mut Session, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let session = self.sessions.table.get_mut(&id)?;
        let mut out = Vec::new();
        let mut cx = Context {
            id,
            config: &self.config.sessions,
            timers: &self.config.timers,
            entropy: &mut self.entropy,
            out: &mut out,
            now,
        };
        let result = work(session, &mut cx);
        for action in out {
            self.perform(id, action, now);
        }
        self.settle_session(id, now);
        Some(result)
    }

    fn perform(&mut self, id: SessionId, action: Action, now: Instant) {
        match action {
            Action::Tell(event) => self.events.push_back(Event::Session(event)),
            // The transaction may be over, or the peer out of reach; then it is told so by the transaction.
            Action::Respond(transaction, response) => drop(self.respond(transaction, response, now)),
            Action::Acknowledge(transaction, ack) => {
                if let Some(target) = self.session_target(id) {
                    // The peer repeats a 2xx whose ACK could not be sent.
                    let _ = self.acknowledge(transaction, ack, target, now);
                }
            }
            Action::Send(purpose, request) => {
                let mut request = request;
                if let Some(credentials) = &mut self.sessions.credentials {
                    credentials.authorize(&mut request);
                }
                if self.send_as(id, purpose, request, now).is_err() {
                    self.not_sent(id, purpose, now);
                }
            }
        }
    }

    /// Tells a session that a request could not be sent. What it does then sends nothing.
    fn not_sent(&mut self, id: SessionId, purpose: Purpose, now: Instant) {
        let nobody = ClientTransaction(u64::MAX);
        self.with_session(id, now, |session, cx| {
            session.mark_unsent(purpose, nobody);
            session.handle_response(cx, purpose, nobody, Err(Failure::TransportFailed));
        });
    }

    fn send_as(
        &mut self,
        id: SessionId,
        purpose: Purpose,
        request: Request,
        now: Instant,
    ) -> Result<ClientTransaction, super::SendError> {
        let target = self.session_target(id).ok_or(super::SendError::UnknownFlow)?;
        let transaction = self.send(request.clone(), target, now)?;
        if let Some(session) = self.sessions.table.get_mut(&id) {
            session.sent(purpose, transaction, &request);
        }
        self.sessions.requests.insert(
            transaction,
            Ongoing {
                owner: Owner::Session(id),
                purpose,
                request,
            },
        );
        Ok(transaction)
    }

    /// Where the requests of a session go: the flow that it lives on while that is open, the next hop of its dialog otherwise.
    fn session_target(&self, id: SessionId) -> Option<Target> {
        let session = self.sessions.get(id)?;
        Some(match &session.hop {
            Some(Target::Flow(flow)) if self.flows.get(*flow).is_none() => {
                Target::Uri(session.dialog.next_hop())
            }
            Some(target) => target.clone(),
            None => Target::Uri(session.dialog.next_hop()),
        })
    }

    /// Keeps the indexes and the timer of a session right; forgets it when it is done.
    fn settle_session(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.sessions.table.get_mut(&id) else {
            return;
        };
        session.tidy();
        if session.is_done() {
            let dialog = session.dialog.id().clone();
            self.sessions.by_dialog.remove(&dialog);
            self.sessions.table.remove(&id);
            self.schedule.disarm(Key::Session(id));
            return;
        }
        match session.poll_timeout() {
            Some(at) => {
                let wait = at.saturating_duration_since(now).max(SHORTEST);
                self.schedule.arm(Key::Session(id), now, wait);
            }
            None => self.schedule.disarm(Key::Session(id)),
        }
    }

    pub(super) fn session_timeout(&mut self, id: SessionId, now: Instant) {
        self.with_session(id, now, Session::handle_timeout);
    }

    /// Takes a session in.
    fn add_session(&mut self, session: Session) -> SessionId {
        let id = SessionId(self.sessions.next_session);
        self.sessions.next_session = self.sessions.next_session.saturating_add(1);
        self.sessions.by_dialog.insert(session.dialog.id().clone(), id);
        self.sessions.table.insert(id, Box::new(session));
        id
    }
}
