//! The one ordered set of deadlines.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::event::{ClientTransaction, ServerTransaction};
use crate::flow::FlowId;
use crate::session::{InviteId, SessionId};

/// The timers of a client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ClientTimer {
    /// Timer A or E: the request is sent again (RFC 3261 section 17.1).
    Repeat,
    /// Timer B or F: no answer came (RFC 3261 section 17.1).
    Timeout,
    /// Timer D, K or M: nothing more is awaited (RFC 3261 section 17.1, RFC 6026).
    Linger,
    /// Timer C (RFC 3261 section 16.6), then 64*T1 after a CANCEL (section 9.1).
    Patience,
}

/// The timers of a server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ServerTimer {
    /// The user is slow, so a 100 (Trying) is due (RFC 3261 section 17.2.1, RFC 4320 section 4.1).
    Trying,
    /// Timer G, or the next repetition of a 2xx (RFC 3261 section 13.3.1.4): the response is sent again.
    Repeat,
    /// Timer H, or 64*T1 after a 2xx: no ACK came.
    Acknowledge,
    /// Timer I, J or L, or 64*T1 without a response to a non-INVITE request: nothing more is awaited.
    Linger,
}

/// The timers of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FlowTimer {
    /// `Config::flow_idle`.
    Idle,
    /// `Config::message_timeout`.
    Message,
    /// The next keep-alive (RFC 5626 section 4.4).
    KeepAlive,
    /// `Config::pong_timeout`.
    Pong,
}

/// What a deadline is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Client(ClientTransaction, ClientTimer),
    Server(ServerTransaction, ServerTimer),
    Flow(FlowId, FlowTimer),
    /// The earliest of a session.
    Session(SessionId),
    /// The Expires of an INVITE.
    Invite(InviteId),
}

impl Key {
    const fn all_of_client(id: ClientTransaction) -> [Self; 4] {
        [
            Self::Client(id, ClientTimer::Repeat),
            Self::Client(id, ClientTimer::Timeout),
            Self::Client(id, ClientTimer::Linger),
            Self::Client(id, ClientTimer::Patience),
        ]
    }

    const fn all_of_server(id: ServerTransaction) -> [Self; 4] {
        [
            Self::Server(id, ServerTimer::Trying),
            Self::Server(id, ServerTimer::Repeat),
            Self::Server(id, ServerTimer::Acknowledge),
            Self::Server(id, ServerTimer::Linger),
        ]
    }
}

/// Every deadline of an endpoint, in order.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    order: BTreeSet<(Instant, Key)>,
    at: BTreeMap<Key, Instant>,
}

impl Schedule {
    /// Arms a timer, anew if it is armed. One whose end lies beyond what an `Instant` can tell never fires.
    pub(super) fn arm(&mut self, key: Key, now: Instant, after: Duration) {
        self.disarm(key);
        if let Some(at) = now.checked_add(after) {
            self.order.insert((at, key));
            self.at.insert(key, at);
        }
    }

    pub(super) fn disarm(&mut self, key: Key) {
        if let Some(at) = self.at.remove(&key) {
            self.order.remove(&(at, key));
        }
    }

    pub(super) fn is_armed(&self, key: Key) -> bool {
        self.at.contains_key(&key)
    }

    pub(super) fn disarm_client(&mut self, id: ClientTransaction) {
        for key in Key::all_of_client(id) {
            self.disarm(key);
        }
    }

    pub(super) fn disarm_server(&mut self, id: ServerTransaction) {
        for key in Key::all_of_server(id) {
            self.disarm(key);
        }
    }

    pub(super) fn disarm_flow(&mut self, flow: FlowId) {
        self.disarm(Key::Flow(flow, FlowTimer::Idle));
        self.disarm(Key::Flow(flow, FlowTimer::Message));
        self.disarm(Key::Flow(flow, FlowTimer::KeepAlive));
        self.disarm(Key::Flow(flow, FlowTimer::Pong));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes the first timer that is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Key> {
        let (at, key) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.order.remove(&(at, key));
        self.at.remove(&key);
        Some(key)
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}
