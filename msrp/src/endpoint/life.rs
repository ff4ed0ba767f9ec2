//! How connections and sessions come and go, and what the timers do.

use std::time::Instant;

use bytes::{BufMut, Bytes};

use super::session::{Link, Verdict};
use super::{
    AbortReason, CloseReason, EndReason, Endpoint, Event, OpenId, Opening, Role, Route, SessionKey, Transmit,
};
use crate::codec::{self, Continuation};
use crate::connection::outgoing::OutgoingState;
use crate::connection::shared::Timer;
use crate::connection::transaction::Asked;
use crate::connection::{Authority, Connection, report};
use crate::header::{ByteRange, MessageIdHeader};
use crate::{ConnectionId, MessageId, Method, StatusCode, TransactionId, Uri};

impl Authority {
    /// What a connection to this URI goes to.
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        let host = uri
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_ascii_lowercase();
        Some(Self {
            secure: uri.is_secure(),
            host,
            port: uri.port()?,
        })
    }
}

impl Endpoint {
    /// Finds or asks for a connection for an active session.
    pub(super) fn connect(&mut self, key: SessionKey, authority: Authority, now: Instant) {
        match self.by_authority.get(&authority) {
            Some(Route::Open(connection)) => {
                let connection = *connection;
                self.bind(key, connection, now);
            }
            Some(Route::Opening(open)) => {
                if let Some(opening) = self.opening.get_mut(open) {
                    opening.sessions.push(key);
                }
            }
            None => {
                let open = OpenId(self.shared.number());
                self.transmits.push_back(Transmit::Open {
                    open,
                    secure: authority.secure,
                    host: authority.host.clone(),
                    port: authority.port,
                });
                self.by_authority.insert(authority.clone(), Route::Opening(open));
                self.opening.insert(
                    open,
                    Opening {
                        authority,
                        sessions: vec![key],
                    },
                );
            }
        }
    }

    pub(super) fn opened(&mut self, id: ConnectionId, open: Option<OpenId>, secure: bool, now: Instant) {
        if self.connections.contains_key(&id) {
            return;
        }
        let opening = open.and_then(|open| self.opening.remove(&open));
        // A connection that was asked for counts already.
        if opening.is_none() && self.connections() >= self.shared.config.limits.connections {
            self.transmits.push_back(Transmit::Close { connection: id });
            self.shared.events.push_back(Event::ConnectionClosed {
                connection: id,
                reason: CloseReason::TooMany,
            });
            return;
        }
        //= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
        //# Connections using the "msrps" scheme MUST use TLS.
        if let Some(opening) = opening
            .as_ref()
            .filter(|opening| opening.authority.secure && !secure)
        {
            // Nothing may be said on it, not even to whom its sessions talk.
            self.transmits.push_back(Transmit::Close { connection: id });
            self.by_authority.remove(&opening.authority);
            for key in opening.sessions.clone() {
                self.end_session(key, EndReason::OpenFailed, now);
            }
            return;
        }
        let authority = opening.as_ref().map(|opening| opening.authority.clone());
        let connection = Connection::new(id, secure, authority.clone(), &self.shared);
        self.connections.insert(id, connection);
        if let Some(authority) = authority {
            self.by_authority.insert(authority, Route::Open(id));
        }
        for key in opening.map(|opening| opening.sessions).unwrap_or_default() {
            self.bind(key, id, now);
        }
        self.watch_unused(id, now);
    }

    pub(super) fn open_failed(&mut self, open: OpenId, now: Instant) {
        let Some(opening) = self.opening.remove(&open) else {
            return;
        };
        self.by_authority.remove(&opening.authority);
        for key in opening.sessions {
            self.end_session(key, EndReason::OpenFailed, now);
        }
    }

    /// Asks the peer to bind an active session, with a SEND that has no body.
    //= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
    //# Likewise, the active endpoint MUST immediately issue a SEND request.
    //# This initial SEND request MAY have a body if the sender has content
    //# to send, or it MAY have no body at all.
    fn bind(&mut self, key: SessionKey, id: ConnectionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        session.link = Link::Binding(id);
        connection.sessions.insert(key);
        let paths = session.paths.clone();
        let (transaction, message) = (self.shared.mint_transaction(), self.shared.mint_message());
        let out = &mut self.shared.buffer;
        codec::request_line(out, &transaction, &Method::Send);
        out.put_slice(&paths);
        codec::header(out, &MessageIdHeader(message));
        codec::header(out, &ByteRange::whole(0));
        codec::end_line(out, &transaction, Continuation::Complete);
        let octets = out.split().freeze();
        self.push(id, octets, Some((transaction, Asked::Bind(key))));
        self.watch_unused(id, now);
    }

    /// A session is usable.
    pub(super) fn bound(&mut self, key: SessionKey, id: ConnectionId) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        if session.link == Link::Bound(id) {
            return;
        }
        session.link = Link::Bound(id);
        if let Some(at) = session.bind_deadline.take() {
            self.shared.deadlines.remove(&(at, Timer::Bind(key)));
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.sessions.insert(key);
            if let Some(at) = connection.unbound.take() {
                self.shared.deadlines.remove(&(at, Timer::Unbound(id)));
            }
        }
        self.shared.events.push_back(Event::SessionBound {
            session: key,
            connection: id,
        });
        self.wake(key);
    }

    /// Queues a response or a request that goes before bodies.
    pub(super) fn push(&mut self, id: ConnectionId, octets: Bytes, asks: Option<(TransactionId, Asked)>) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.push_urgent(octets, asks);
            self.list(id);
        }
    }

    pub(super) fn start_bind_timer(&mut self, key: SessionKey, now: Instant) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        let at = now + self.shared.config.bind_timeout;
        if let Some(before) = session.bind_deadline.replace(at) {
            self.shared.deadlines.remove(&(before, Timer::Bind(key)));
        }
        self.shared.deadlines.insert((at, Timer::Bind(key)));
    }

    /// Starts or stops the time for which a connection may be without a session. One that this end has opened is closed
    /// at once, since nobody but this end opens sessions on it.
    fn watch_unused(&mut self, id: ConnectionId, now: Instant) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection.sessions.is_empty() && connection.authority.is_some() {
            connection.closing = true;
            self.forget_route(id);
            self.list(id);
        }
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        match (connection.sessions.is_empty(), connection.unbound) {
            (true, None) => {
                let at = now + self.shared.config.bind_timeout;
                connection.unbound = Some(at);
                self.shared.deadlines.insert((at, Timer::Unbound(id)));
            }
            (false, Some(at)) => {
                connection.unbound = None;
                self.shared.deadlines.remove(&(at, Timer::Unbound(id)));
            }
            _ => {}
        }
    }

    /// Ends a session that is being closed and has nothing left to do.
    pub(super) fn end_if_idle(&mut self, key: SessionKey, now: Instant) {
        let Some(session) = self.sessions.get(&key).filter(|session| session.closing) else {
            return;
        };
        // Nobody knows whether the peer of a passive session will ever come.
        if session.is_idle() || session.link == Link::Awaited {
            self.end_session(key, EndReason::Closed, now);
        }
    }

    pub(super) fn end_session(&mut self, key: SessionKey, reason: EndReason, now: Instant) {
        let Some(mut session) = self.sessions.remove(&key) else {
            return;
        };
        if let Some(id) = session.config.local.session_id() {
            self.by_id.remove(id);
        }
        if let Some(at) = session.bind_deadline.take() {
            self.shared.deadlines.remove(&(at, Timer::Bind(key)));
        }
        for (transaction, owed) in std::mem::take(&mut session.owed) {
            self.shared
                .deadlines
                .remove(&(owed.deadline, Timer::Owed(key, transaction)));
        }
        self.shared.gathered = self.shared.gathered.saturating_sub(session.gathered);
        for (message, incoming) in std::mem::take(&mut session.incoming) {
            if !incoming.complete {
                let reason = AbortReason::SessionEnded;
                self.shared.events.push_back(Event::MessageAborted {
                    session: key,
                    message,
                    reason,
                });
            }
        }
        for outgoing in std::mem::take(&mut session.outgoing).into_values() {
            // The parent knows already of one that it has given up.
            if outgoing.state == OutgoingState::Aborting {
                continue;
            }
            let event = Event::MessageFailed {
                session: key,
                message: outgoing.id,
                status: None,
            };
            self.shared.events.push_back(event);
        }
        self.shared
            .events
            .push_back(Event::SessionEnded { session: key, reason });
        if let Some(id) = session.link.connection()
            && let Some(connection) = self.connections.get_mut(&id)
        {
            connection.sessions.remove(&key);
            self.watch_unused(id, now);
            // Its chunk that is going out has to end.
            self.list(id);
        }
    }

    /// Lets no more sessions share a connection.
    fn forget_route(&mut self, id: ConnectionId) {
        let Some(authority) = self
            .connections
            .get(&id)
            .and_then(|connection| connection.authority.as_ref())
        else {
            return;
        };
        if matches!(self.by_authority.get(authority), Some(Route::Open(own)) if *own == id) {
            self.by_authority.remove(authority);
        }
    }

    /// Forgets a connection, and ends its sessions.
    pub(super) fn drop_connection(&mut self, id: ConnectionId, now: Instant) {
        self.forget_route(id);
        let Some(mut connection) = self.connections.remove(&id) else {
            return;
        };
        connection.clear_timers(&mut self.shared);
        for key in connection.sessions {
            self.end_session(key, EndReason::ConnectionLost, now);
        }
    }

    /// Closes a connection for what its peer did.
    pub(super) fn close_connection(&mut self, id: ConnectionId, reason: CloseReason, now: Instant) {
        self.drop_connection(id, now);
        self.transmits.push_back(Transmit::Close { connection: id });
        self.shared.events.push_back(Event::ConnectionClosed {
            connection: id,
            reason,
        });
    }

    /// Acts on every deadline up to `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(at, timer)) = self.shared.deadlines.first().filter(|(at, _)| *at <= now) {
            self.shared.deadlines.remove(&(at, timer));
            match timer {
                Timer::Bind(key) => {
                    if let Some(session) = self.sessions.get_mut(&key) {
                        session.bind_deadline = None;
                    }
                    self.end_session(key, EndReason::Timeout, now);
                }
                Timer::Unbound(id) => {
                    if let Some(connection) = self.connections.get_mut(&id) {
                        connection.unbound = None;
                        self.close_connection(id, CloseReason::Unbound, now);
                    }
                }
                Timer::Answer(id, transaction) => self.unanswered(id, &transaction, now),
                Timer::Owed(key, transaction) => {
                    let owed = self
                        .sessions
                        .get_mut(&key)
                        .and_then(|session| session.owed.remove(&transaction));
                    if let Some(owed) = owed {
                        // The peer no longer waits for an answer.
                        self.settle_owed(key, &owed, StatusCode::REQUEST_TIMEOUT);
                        self.end_if_idle(key, now);
                    }
                }
            }
        }
    }

    /// Lets go of a message that arrives, and remembers what became of it.
    pub(super) fn forget_incoming(&mut self, key: SessionKey, message: &MessageId, verdict: Verdict) {
        let most = self.shared.config.limits.remembered_messages;
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        if let Some(incoming) = session.incoming.remove(message) {
            let held = incoming.store.octets();
            session.gathered = session.gathered.saturating_sub(held);
            self.shared.gathered = self.shared.gathered.saturating_sub(held);
        }
        session.remembered.insert(message.clone(), verdict, most);
    }

    /// A message is here and acknowledged: it is reported, if that is wanted.
    pub(super) fn settle_incoming(&mut self, key: SessionKey, message: &MessageId) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        let Some(incoming) = session.incoming.get(message) else {
            return;
        };
        let total = incoming.fixed.unwrap_or(0);
        let report = incoming.success_report.then(|| incoming.from_path.clone());
        self.forget_incoming(key, message, Verdict::Complete { total });
        if let Some(to) = report {
            self.report_success(key, &to, message, total);
        }
    }

    pub(super) fn report_success(&mut self, key: SessionKey, to: &[Uri], message: &MessageId, total: u64) {
        let transaction = self.shared.mint_transaction();
        let Some(session) = self.sessions.get(&key) else {
            return;
        };
        let Some(connection) = session.link.connection() else {
            return;
        };
        let local = &session.config.local;
        let octets = report::success_report(&mut self.shared.buffer, to, local, &transaction, message, total);
        self.push(connection, octets, None);
    }

    /// Whether a session may be used by what came over a connection; the status to answer with where not.
    pub(super) fn accept_binding(
        &mut self,
        key: SessionKey,
        id: ConnectionId,
        from: &[Uri],
    ) -> Result<(), StatusCode> {
        let check = self.shared.config.check_sender;
        let session = self.sessions.get_mut(&key).ok_or(StatusCode::NO_SESSION)?;
        let secure = self
            .connections
            .get(&id)
            .is_some_and(|connection| connection.secure);
        //= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
        //# Connections using the "msrps" scheme MUST use TLS.
        if session.closing || (session.config.local.is_secure() && !secure) {
            return Err(StatusCode::NO_SESSION);
        }
        match session.link {
            Link::Bound(own) | Link::Binding(own) if own == id => {}
            //= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
            //# If the session is already in use, it MUST
            //# reject the request with a 506 response.
            Link::Bound(_) | Link::Binding(_) => return Err(StatusCode::SESSION_ALREADY_BOUND),
            Link::Awaited if session.config.role == Role::Passive => {}
            Link::Awaited | Link::Opening => return Err(StatusCode::NO_SESSION),
        }
        let peer = session.config.remote_path.last();
        match (peer, from.last()) {
            (Some(peer), Some(from)) if check && !peer.equivalent(from) => {
                return Err(StatusCode::NO_SESSION);
            }
            (None, Some(_)) => session.set_remote_path(from.to_vec()),
            (_, None) => return Err(StatusCode::BAD_REQUEST),
            _ => {}
        }
        if session.link == Link::Awaited {
            self.bound(key, id);
        }
        Ok(())
    }
}
