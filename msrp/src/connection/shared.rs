//! What all connections and sessions of an endpoint have in common.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasherDefault, DefaultHasher, Hasher};
use std::time::Instant;

use bytes::BytesMut;
use memchr::memmem::Finder;

use crate::codec::DASHES;
use crate::endpoint::{Config, Event, RelayKey, SessionKey};
use crate::{ConnectionId, Entropy, MessageId, SessionId, TransactionId, id};

/// What all connections and sessions of an endpoint have in common.
pub(crate) struct Shared {
    pub(crate) config: Config,
    entropy: Entropy,
    /// Random octets that are not used yet: asking the host for each identifier would cost more than making it.
    random: [u8; RANDOM],
    random_left: usize,
    /// What makes digests of message identifiers unguessable.
    secret: [u8; 16],
    minted: u64,
    /// Heads and end-lines are written here, and split off; the memory is used again once the host has sent them.
    buffer: BytesMut,
    /// Finds what end-lines begin with.
    pub(crate) dashes: Finder<'static>,
    pub(crate) events: VecDeque<Event>,
    pub(crate) deadlines: BTreeSet<(Instant, Timer)>,
    /// Octets of incomplete messages, of all sessions.
    pub(crate) gathered: u64,
}

/// How many random octets are asked for at a time.
const RANDOM: usize = 48 * id::RANDOM;

/// How much the buffer takes at a time, and the room that is left before it takes that again. A head that is longer makes
/// it larger.
const BUFFER: usize = 16 << 10;
const HEAD: usize = 1 << 10;

/// What is to be done at an instant.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Timer {
    /// End a session that is not bound.
    Bind(SessionKey),
    /// Close a connection that no session uses.
    Unbound(ConnectionId),
    /// Close a connection that has taken nothing for long.
    Blocked(ConnectionId),
    /// Say something on a connection on which nothing was said for a while.
    KeepAlive(ConnectionId),
    /// Give up waiting for the peer's answer to the oldest transaction (RFC 4975 section 7.1.1).
    Answer(ConnectionId),
    /// Give up waiting for the parent's answer to the oldest request.
    Owed(SessionKey),
    /// Give up what an interrupted session has left.
    Interrupted(SessionKey),
    /// Ask for a path through relays again.
    Renew(RelayKey),
}

impl Shared {
    pub(crate) fn new(config: Config, mut entropy: Entropy) -> Self {
        let mut secret = [0; 16];
        entropy(&mut secret);
        Self {
            config,
            entropy,
            random: [0; RANDOM],
            random_left: 0,
            secret,
            minted: 0,
            buffer: BytesMut::new(),
            dashes: Finder::new(DASHES),
            events: VecDeque::new(),
            deadlines: BTreeSet::new(),
            gathered: 0,
        }
    }

    pub(crate) fn mint_transaction(&mut self) -> TransactionId {
        let number = self.number();
        TransactionId::mint(self.random(), number)
    }

    pub(crate) fn mint_message(&mut self) -> MessageId {
        let number = self.number();
        MessageId::mint(self.random(), number)
    }

    pub(crate) fn mint_session(&mut self) -> SessionId {
        let number = self.number();
        SessionId::mint(self.random(), number)
    }

    /// The buffer to write into, with room for a head.
    pub(crate) fn room(&mut self) -> &mut BytesMut {
        if self.buffer.capacity().saturating_sub(self.buffer.len()) < HEAD {
            self.buffer.reserve(BUFFER);
        }
        &mut self.buffer
    }

    /// Gives a number that is not given again.
    pub(crate) fn number(&mut self) -> u64 {
        self.minted = self.minted.wrapping_add(1);
        self.minted
    }

    pub(crate) fn random(&mut self) -> [u8; id::RANDOM] {
        if self.random_left < id::RANDOM {
            (self.entropy)(&mut self.random);
            self.random_left = RANDOM;
        }
        let (rest, taken) = self
            .random
            .get(..self.random_left)
            .and_then(<[u8]>::split_last_chunk)
            .unwrap_or((&[], &[0; id::RANDOM]));
        let taken = *taken;
        self.random_left = rest.len();
        taken
    }

    /// Stands for a message identifier where many are remembered; a peer cannot find two that stand alike.
    pub(crate) fn digest(&self, message: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write(&self.secret);
        hasher.write(message.as_bytes());
        hasher.finish()
    }

    pub(crate) fn set(&mut self, at: Instant, timer: Timer) {
        self.deadlines.insert((at, timer));
    }

    pub(crate) fn unset(&mut self, at: Option<Instant>, timer: Timer) {
        if let Some(at) = at {
            self.deadlines.remove(&(at, timer));
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("events", &self.events.len())
            .finish_non_exhaustive()
    }
}

/// A table by numbers that this end or its host has chosen, so that nobody can make them collide.
pub(crate) type Numbered<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.write_u64(u64::from(*octet));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number ^ (number >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }
}
