//! Connections and what binds sessions to them (RFC 4975 section 5.4).

use std::time::Instant;

use super::session::{Link, Store};
use super::{AbortReason, CloseReason, Endpoint, EndReason, Event, OpenId, SessionKey, Transmit};
use crate::codec::{self, Continuation};
use crate::connection::shared::Timer;
use crate::connection::transaction::Asked;
use crate::connection::{Authority, Connection};
use crate::header::ByteRange;
use crate::{ConnectionId, Method};
use bytes::BufMut;

/// A connection that is being opened.
#[derive(Debug)]
pub(super) struct Opening {
    authority: Authority,
    sessions: Vec<SessionKey>,
}

/// The connection to an authority.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Opening(OpenId),
    Open(ConnectionId),
}

impl Endpoint {
    /// Finds or opens the connection of an active session.
    pub(super) fn connect(&mut self, key: SessionKey, authority: Authority, now: Instant) {
        match self.authorities.get(&authority).copied() {
            Some(Way::Open(connection)) => self.bind(key, connection, now),
            Some(Way::Opening(open)) => {
                if let Some(opening) = self.openings.get_mut(&open) {
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
                self.authorities.insert(authority.clone(), Way::Opening(open));
                self.openings.insert(open, Opening { authority, sessions: vec![key] });
            }
        }
    }

    pub(super) fn opened(&mut self, id: ConnectionId, open: Option<OpenId>, secure: bool, now: Instant) {
        let opening = open.and_then(|open| self.openings.remove(&open));
        if self.connections.contains_key(&id) {
            return;
        }
        if opening.is_none() && self.connections.len().saturating_add(self.openings.len()) >= self.limits().connections {
            self.transmits.push_back(Transmit::Close { connection: id });
            let event = Event::ConnectionClosed { connection: id, reason: CloseReason::TooMany };
            self.shared.events.push_back(event);
            return;
        }
        let (authority, sessions) = match opening {
            Some(opening) => (Some(opening.authority), opening.sessions),
            None => (None, Vec::new()),
        };
        if let Some(authority) = &authority {
            self.authorities.insert(authority.clone(), Way::Open(id));
        }
        let connection = Connection::new(id, secure, authority, &self.shared);
        self.connections.insert(id, connection);
        for session in sessions {
            self.bind(session, id, now);
        }
        self.watch_unused(id, now);
    }

    pub(super) fn open_failed(&mut self, open: OpenId) {
        let Some(opening) = self.openings.remove(&open) else { return };
        self.authorities.remove(&opening.authority);
        for session in opening.sessions {
            self.end_session(session, EndReason::OpenFailed);
        }
    }

    /// Asks the peer to bind a session to a connection.
    //= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
    //# Likewise, the active endpoint MUST immediately issue a SEND request.
    //# This initial SEND request MAY have a body if the sender has content
    //# to send, or it MAY have no body at all.
    fn bind(&mut self, key: SessionKey, id: ConnectionId, _now: Instant) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        session.link = Link::Binding(id);
        let transaction = self.shared.mint_transaction();
        let message = self.shared.mint_message();
        let out = &mut self.shared.buffer;
        codec::request_line(out, &transaction, &Method::Send);
        out.put_slice(&session.paths);
        codec::header(out, &crate::header::MessageIdHeader(message));
        codec::header(out, &ByteRange::whole(0));
        codec::end_line(out, &transaction, Continuation::Complete);
        let octets = out.split().freeze();
        connection.push_urgent(octets, Some((transaction, Asked::Bind(key))));
        self.attach(key, id);
    }

    /// Notes that a session goes over a connection.
    fn attach(&mut self, key: SessionKey, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.closing = false;
        connection.sessions.insert(key);
        if let Some(at) = connection.unbound.take() {
            self.shared.deadlines.remove(&(at, Timer::Unbound(id)));
        }
        self.wake_session(key);
        self.wake(id);
    }

    /// Notes that both ends know a session to be bound.
    pub(super) fn bound(&mut self, key: SessionKey, id: ConnectionId) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        if session.link == Link::Bound(id) {
            return;
        }
        session.link = Link::Bound(id);
        if let Some(at) = session.bind_deadline.take() {
            self.shared.deadlines.remove(&(at, Timer::Bind(key)));
        }
        self.shared.events.push_back(Event::SessionBound { session: key, connection: id });
        self.attach(key, id);
    }

    /// Lets a connection without sessions end: at once if this end has opened it, after a while otherwise, since the
    /// peer may have another session to bind to it.
    fn watch_unused(&mut self, id: ConnectionId, now: Instant) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if !connection.sessions.is_empty() || connection.unbound.is_some() {
            return;
        }
        if let Some(authority) = &connection.authority {
            self.authorities.remove(authority);
            connection.closing = true;
            self.wake(id);
        } else {
            let at = now + self.shared.config.bind_timeout;
            connection.unbound = Some(at);
            self.shared.deadlines.insert((at, Timer::Unbound(id)));
        }
    }

    /// Puts a connection into the list of those that may have something to send.
    pub(super) fn wake(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id)
            && !connection.listed
            && !connection.blocked
        {
            connection.listed = true;
            self.ready.push_back(id);
        }
    }

    /// Gives a session a turn, if it has something to send.
    pub(super) fn wake_session(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let Some(id) = session.link.connection() else { return };
        if !session.ready.is_empty()
            && !session.in_turn
            && let Some(connection) = self.connections.get_mut(&id)
        {
            session.in_turn = true;
            connection.turn.push_back(key);
        }
        self.wake(id);
    }

    /// Closes a connection for what its peer does.
    pub(super) fn give_up(&mut self, id: ConnectionId, reason: CloseReason) {
        if self.connections.contains_key(&id) {
            self.transmits.push_back(Transmit::Close { connection: id });
            self.shared.events.push_back(Event::ConnectionClosed { connection: id, reason });
            self.lost(id);
        }
    }

    /// Ends a connection that is gone, and its sessions.
    //= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
    //# If a connection fails for any reason, then an MSRP endpoint MUST
    //# consider any sessions associated with the connection as also having
    //# failed.
    pub(super) fn lost(&mut self, id: ConnectionId) {
        let Some(mut connection) = self.connections.remove(&id) else { return };
        if let Some(authority) = &connection.authority
            && matches!(self.authorities.get(authority), Some(Way::Open(open)) if *open == id)
        {
            self.authorities.remove(authority);
        }
        connection.clear_timers(&mut self.shared);
        for session in std::mem::take(&mut connection.sessions) {
            self.end_session(session, EndReason::ConnectionLost);
        }
    }

    /// Ends a session that is being closed, once nothing keeps it.
    pub(super) fn end_if_idle(&mut self, key: SessionKey, now: Instant) {
        if self.sessions.get(&key).is_some_and(|session| session.closing && session.is_idle()) {
            self.end_session_on(key, EndReason::Closed, now);
        }
    }

    /// Ends a session, and its connection if no other session uses it.
    pub(super) fn end_session_on(&mut self, key: SessionKey, reason: EndReason, now: Instant) {
        let connection = self.sessions.get(&key).and_then(|session| session.link.connection());
        self.end_session(key, reason);
        if let Some(id) = connection {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.sessions.remove(&key);
            }
            self.watch_unused(id, now);
            self.wake(id);
        }
    }

    /// Ends a session, and says what becomes of its messages.
    fn end_session(&mut self, key: SessionKey, reason: EndReason) {
        let Some(session) = self.sessions.remove(&key) else { return };
        if let Some(id) = session.config.local.session_id() {
            self.locals.remove(id);
        }
        if let Some(at) = session.bind_deadline {
            self.shared.deadlines.remove(&(at, Timer::Bind(key)));
        }
        for (transaction, owed) in &session.owed {
            self.shared.deadlines.remove(&(owed.deadline, Timer::Owed(key, *transaction)));
        }
        self.shared.gathered = self.shared.gathered.saturating_sub(session.gathered);
        for (message, incoming) in session.incoming {
            if matches!(incoming.store, Store::Streaming(_)) && !incoming.complete {
                let reason = AbortReason::SessionEnded;
                self.shared.events.push_back(Event::MessageAborted { session: key, message, reason });
            }
        }
        for message in session.outgoing.into_values() {
            let event = Event::MessageFailed { session: key, message: message.id, status: None };
            self.shared.events.push_back(event);
        }
        self.shared.events.push_back(Event::SessionEnded { session: key, reason });
    }

    /// The timer [`Timer::Bind`].
    pub(super) fn bind_timed_out(&mut self, key: SessionKey, now: Instant) {
        if let Some(session) = self.sessions.get_mut(&key) {
            session.bind_deadline = None;
            self.end_session_on(key, EndReason::Timeout, now);
        }
    }

    /// The timer [`Timer::Unbound`].
    pub(super) fn unbound_timed_out(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.unbound = None;
        self.give_up(id, CloseReason::Unbound);
    }

    /// Gives the next thing for the network.
    pub(super) fn next_transmit(&mut self, now: Instant) -> Option<Transmit> {
        if let Some(transmit) = self.transmits.pop_front() {
            return Some(transmit);
        }
        while let Some(id) = self.ready.pop_front() {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            connection.listed = false;
            if let Some(produced) = connection.produce(&mut self.sessions, &mut self.shared, now) {
                self.wake(id);
                if let Some(session) = produced.session {
                    self.end_if_idle(session, now);
                }
                return Some(Transmit::Send { connection: id, data: produced.octets });
            }
            if connection.closing && connection.sessions.is_empty() && connection.is_flushed() {
                self.lost(id);
                return Some(Transmit::Close { connection: id });
            }
        }
        None
    }
}
