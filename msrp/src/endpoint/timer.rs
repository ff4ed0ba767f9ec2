//! What the timers do.

use std::time::Instant;

use bytes::{BufMut, Bytes};

use super::{CloseReason, EndReason, Endpoint, SessionKey};
use crate::codec::{self, Continuation};
use crate::connection::shared::Timer;
use crate::connection::transaction::Asked;
use crate::header::{ByteRange, MessageIdHeader};
use crate::{ConnectionId, Method, StatusCode, TransactionId};

impl Endpoint {
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
                Timer::Blocked(id) => self.close_connection(id, CloseReason::NotReading, now),
                Timer::KeepAlive(id) => self.keep_alive(id, now),
                Timer::Answer(id) => self.unanswered(id, now),
                Timer::Owed(key) => self.parent_is_late(key, now),
                Timer::Interrupted(key) => self.not_resumed(key),
                Timer::Renew(key) => self.renew(key),
            }
        }
    }

    /// The peer no longer waits for the parent's answers.
    fn parent_is_late(&mut self, key: SessionKey, now: Instant) {
        while let Some(session) = self.sessions.get_mut(&key) {
            session.owed_timer = None;
            let Some(oldest) = session.owed.front() else {
                break;
            };
            if oldest.deadline > now {
                session.owed_timer = Some(oldest.deadline);
                self.shared.set(oldest.deadline, Timer::Owed(key));
                break;
            }
            if let Some(owed) = session.owed.pop_front() {
                self.settle_owed(key, &owed, StatusCode::REQUEST_TIMEOUT);
            }
        }
        self.end_if_idle(key, now);
    }

    /// Says something on a connection, unless something was said not long ago or nobody uses it.
    fn keep_alive(&mut self, id: ConnectionId, now: Instant) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.keep_alive = None;
        let (Some(interval), Some(key)) = (
            self.shared.config.keep_alive,
            connection.sessions.first().copied(),
        ) else {
            return;
        };
        let quiet_until = connection.said + interval;
        let is_due = quiet_until <= now && !connection.is_blocked();
        let at = if quiet_until > now {
            quiet_until
        } else {
            now + interval
        };
        // An interval of nothing at all would never let the machine rest.
        if at > now {
            connection.keep_alive = Some(at);
            self.shared.set(at, Timer::KeepAlive(id));
        }
        if is_due {
            self.empty_send(key, id, Asked::KeepAlive(key));
        }
    }

    /// Sends a SEND request without a body, which carries no message.
    pub(super) fn empty_send(&mut self, key: SessionKey, id: ConnectionId, what: Asked) {
        let Some(session) = self.sessions.get(&key) else {
            return;
        };
        let paths = session.paths.clone();
        let (transaction, message) = (self.shared.mint_transaction(), self.shared.mint_message());
        let out = self.shared.room();
        codec::request_line(out, &transaction, &Method::Send);
        out.put_slice(&paths);
        codec::header(out, &MessageIdHeader(message));
        codec::header(out, &ByteRange::whole(0));
        codec::end_line(out, &transaction, Continuation::Complete);
        let octets = out.split().freeze();
        self.push(id, octets, Some((transaction, what)));
    }

    /// Queues a response or a request that goes before bodies.
    pub(super) fn push(&mut self, id: ConnectionId, octets: Bytes, asks: Option<(TransactionId, Asked)>) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.push_urgent(octets, asks);
            self.list(id);
        }
    }
}
