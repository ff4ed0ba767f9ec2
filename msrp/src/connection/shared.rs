//! What all connections and sessions of an endpoint have in common.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::time::Instant;

use bytes::BytesMut;

use crate::endpoint::{Config, Event, SessionKey};
use crate::{ConnectionId, Entropy, MessageId, SessionId, TransactionId};

/// What all connections and sessions of an endpoint have in common.
pub(crate) struct Shared {
    pub(crate) config: Config,
    entropy: Entropy,
    minted: u64,
    /// Heads and end-lines are written here, and split off; the memory is used again once the host has sent them.
    pub(crate) buffer: BytesMut,
    pub(crate) events: VecDeque<Event>,
    pub(crate) deadlines: BTreeSet<(Instant, Timer)>,
    /// Octets of incomplete messages, of all sessions.
    pub(crate) gathered: u64,
}

/// What is to be done at an instant.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Timer {
    /// End a session that is not bound.
    Bind(SessionKey),
    /// Close a connection that no session uses.
    Unbound(ConnectionId),
    /// Give up waiting for the peer's answer (RFC 4975 section 7.1.1).
    Answer(ConnectionId, TransactionId),
    /// Give up waiting for the parent's answer.
    Owed(SessionKey, TransactionId),
}

impl Shared {
    pub(crate) fn new(config: Config, entropy: Entropy) -> Self {
        Self {
            config,
            entropy,
            minted: 0,
            buffer: BytesMut::new(),
            events: VecDeque::new(),
            deadlines: BTreeSet::new(),
            gathered: 0,
        }
    }

    pub(crate) fn mint_transaction(&mut self) -> TransactionId {
        let number = self.number();
        TransactionId::mint(&mut self.entropy, number)
    }

    pub(crate) fn mint_message(&mut self) -> MessageId {
        let number = self.number();
        MessageId::mint(&mut self.entropy, number)
    }

    pub(crate) fn mint_session(&mut self) -> SessionId {
        let number = self.number();
        SessionId::mint(&mut self.entropy, number)
    }

    /// Gives a number that is not given again.
    pub(crate) fn number(&mut self) -> u64 {
        self.minted = self.minted.wrapping_add(1);
        self.minted
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("events", &self.events.len())
            .finish_non_exhaustive()
    }
}
