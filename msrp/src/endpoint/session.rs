//! One session.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::SessionConfig;
use crate::connection::outgoing::Outgoing;
use crate::connection::receive::{Assembly, Coverage};
use crate::connection::report::write_paths;
use crate::connection::transaction::Owed;
use crate::header::Headers;
use crate::header::content::ContentType;
use crate::{ConnectionId, MessageId, StatusCode, TransactionId, Uri};

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) config: SessionConfig,
    /// Whether the peer's path was told, not only inferred from what it sends.
    pub(crate) path_told: bool,
    pub(crate) link: Link,
    pub(crate) bind_deadline: Option<Instant>,
    /// Whether it ends once everything has gone out and is answered.
    pub(crate) closing: bool,
    /// The `To-Path` and `From-Path` lines of its requests.
    pub(crate) paths: Bytes,
    /// Messages on their way out, in the order in which they were given.
    pub(crate) outgoing: BTreeMap<u64, Outgoing>,
    names: HashMap<MessageId, u64>,
    /// Messages with something to send, in the order of their turns.
    pub(crate) ready: VecDeque<u64>,
    /// Whether the session is in the list of turns of its connection.
    pub(crate) in_turn: bool,
    /// Octets that wait to be sent.
    pub(crate) queued: u64,
    /// Messages that have begun to arrive.
    pub(crate) incoming: BTreeMap<MessageId, Incoming>,
    /// Octets of them that are held here.
    pub(crate) gathered: u64,
    pub(crate) remembered: Remembered,
    /// Requests that wait for the parent.
    pub(crate) owed: BTreeMap<TransactionId, Owed>,
}

/// What a session goes over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Link {
    /// The peer is to connect.
    Awaited,
    /// A connection is being opened.
    Opening,
    /// The peer was asked to bind it.
    Binding(ConnectionId),
    /// It is bound.
    Bound(ConnectionId),
}

impl Link {
    pub(crate) fn connection(self) -> Option<ConnectionId> {
        match self {
            Self::Awaited | Self::Opening => None,
            Self::Binding(connection) | Self::Bound(connection) => Some(connection),
        }
    }
}

/// A message that has begun to arrive.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) content_type: Option<ContentType>,
    pub(crate) headers: Headers,
    pub(crate) success_report: bool,
    /// The way back to its sender.
    pub(crate) from_path: Vec<Uri>,
    /// Its length as its chunks tell it; some senders count characters.
    pub(crate) total: Option<u64>,
    /// Its length as the chunk with `$` has fixed it.
    pub(crate) fixed: Option<u64>,
    pub(crate) store: Store,
    /// Chunks that wait for the parent's answer.
    pub(crate) owed: usize,
    /// Whether every octet has come, and has been handed over.
    pub(crate) complete: bool,
    /// Grows with each chunk, so that the message that has been silent longest is known.
    pub(crate) touched: u64,
}

/// What is kept of the octets of a message that arrives.
#[derive(Debug)]
pub(crate) enum Store {
    Whole(Assembly),
    Streaming(Coverage),
}

impl Store {
    pub(crate) fn end(&self) -> u64 {
        match self {
            Self::Whole(assembly) => assembly.end(),
            Self::Streaming(coverage) => coverage.end(),
        }
    }

    pub(crate) fn octets(&self) -> u64 {
        match self {
            Self::Whole(assembly) => assembly.octets(),
            Self::Streaming(_) => 0,
        }
    }

    pub(crate) fn is_complete(&self, total: u64) -> bool {
        match self {
            Self::Whole(assembly) => assembly.is_complete(total),
            Self::Streaming(coverage) => coverage.is_complete(total),
        }
    }
}

/// What became of a message that no longer arrives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Complete { total: u64 },
    Refused(StatusCode),
}

/// The messages that have arrived last, so that chunks that come again are recognised.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    order: VecDeque<MessageId>,
    verdicts: HashMap<MessageId, Verdict>,
}

impl Remembered {
    pub(crate) fn get(&self, message: &MessageId) -> Option<Verdict> {
        self.verdicts.get(message).copied()
    }

    pub(crate) fn insert(&mut self, message: MessageId, verdict: Verdict, most: usize) {
        if self.verdicts.insert(message.clone(), verdict).is_none() {
            self.order.push_back(message);
        }
        while self.order.len() > most {
            if let Some(oldest) = self.order.pop_front() {
                self.verdicts.remove(&oldest);
            }
        }
    }
}

impl Session {
    pub(crate) fn new(config: SessionConfig, link: Link) -> Self {
        let mut session = Self {
            path_told: !config.remote_path.is_empty(),
            config,
            link,
            bind_deadline: None,
            closing: false,
            paths: Bytes::new(),
            outgoing: BTreeMap::new(),
            names: HashMap::new(),
            ready: VecDeque::new(),
            in_turn: false,
            queued: 0,
            incoming: BTreeMap::new(),
            gathered: 0,
            remembered: Remembered::default(),
            owed: BTreeMap::new(),
        };
        session.write_paths();
        session
    }

    /// Sets the way to the peer.
    pub(crate) fn set_remote_path(&mut self, path: Vec<Uri>) {
        self.config.remote_path = path;
        self.write_paths();
    }

    fn write_paths(&mut self) {
        let mut out = BytesMut::new();
        write_paths(&mut out, &self.config.remote_path, &self.config.local);
        self.paths = out.freeze();
    }

    pub(crate) fn has_message(&self, message: &MessageId) -> bool {
        self.names.contains_key(message)
    }

    pub(crate) fn number_of(&self, message: &MessageId) -> Option<u64> {
        self.names.get(message).copied()
    }

    pub(crate) fn insert(&mut self, number: u64, message: Outgoing) {
        self.queued = self.queued.saturating_add(message.queued());
        self.names.insert(message.id.clone(), number);
        self.outgoing.insert(number, message);
    }

    /// Drops a message on its way out.
    pub(crate) fn forget(&mut self, number: u64) -> Option<Outgoing> {
        let message = self.outgoing.remove(&number)?;
        self.queued = self.queued.saturating_sub(message.queued());
        self.names.remove(&message.id);
        Some(message)
    }

    /// Says whether nothing keeps it from ending.
    pub(crate) fn is_idle(&self) -> bool {
        self.outgoing.is_empty() && self.owed.is_empty()
    }
}
