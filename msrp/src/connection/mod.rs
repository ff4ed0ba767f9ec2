//! One connection: what has arrived and what goes out, for all its sessions.

pub(crate) mod outgoing;
pub(crate) mod receive;
pub(crate) mod report;
pub(crate) mod send;
pub(crate) mod shared;
pub(crate) mod transaction;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use bytes::Bytes;

use self::send::Chunk;
use self::shared::{Shared, Timer};
use self::transaction::{Asked, Pending, ReplyTo};
use crate::codec::Decoder;
use crate::endpoint::SessionKey;
use crate::{ConnectionId, MessageId, StatusCode, TransactionId};

/// One connection.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) secure: bool,
    /// Where it goes to, if this end has opened it; sessions to the same place share it.
    pub(crate) authority: Option<Authority>,
    pub(crate) decoder: Decoder,
    pub(crate) inbound: Inbound,
    pub(crate) sessions: BTreeSet<SessionKey>,
    /// Sessions with something to send, in the order of their turns.
    pub(crate) turn: VecDeque<SessionKey>,
    /// Responses and reports, which go before bodies.
    urgent: VecDeque<Urgent>,
    urgent_octets: usize,
    /// The chunk that is being sent.
    chunk: Option<Chunk>,
    pending: BTreeMap<TransactionId, Pending>,
    /// Chunks whose answers are waited for.
    awaited: usize,
    pub(crate) blocked: bool,
    /// Whether it is in the list of connections that may have something to send.
    pub(crate) listed: bool,
    /// Whether it is to be closed once everything has gone out.
    pub(crate) closing: bool,
    /// When it is closed unless a session uses it by then.
    pub(crate) unbound: Option<Instant>,
}

/// What a connection goes to; those to the same authority are shared (RFC 4975 section 5.4).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Authority {
    pub(crate) secure: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// The message that is arriving.
#[derive(Debug, Default)]
pub(crate) enum Inbound {
    /// None, or one whose rest means nothing.
    #[default]
    Skipped,
    /// A request that is answered when it has ended.
    Answered {
        transaction: TransactionId,
        reply: ReplyTo,
        status: StatusCode,
    },
    /// A chunk.
    Chunk(InboundChunk),
    /// A chunk of a message that is here already: it is acknowledged, and reported again if it was the last.
    Repeated {
        session: SessionKey,
        message: MessageId,
        transaction: TransactionId,
        reply: ReplyTo,
        report: Option<Repeat>,
    },
    /// A request for a nickname.
    Nickname {
        session: SessionKey,
        transaction: TransactionId,
        reply: ReplyTo,
        nickname: crate::ByteStr,
    },
}

/// What a report of success for a message that comes again needs.
#[derive(Clone, Debug)]
pub(crate) struct Repeat {
    pub(crate) to: Vec<crate::Uri>,
    pub(crate) total: u64,
}

/// A chunk that is arriving.
#[derive(Debug)]
pub(crate) struct InboundChunk {
    pub(crate) session: SessionKey,
    pub(crate) message: MessageId,
    pub(crate) transaction: TransactionId,
    pub(crate) reply: ReplyTo,
    /// The place of its first octet, from 0.
    pub(crate) offset: u64,
    /// How many octets have arrived.
    pub(crate) length: u64,
    /// The length of the message as this chunk tells it.
    pub(crate) total: Option<u64>,
}

#[derive(Debug)]
struct Urgent {
    octets: Bytes,
    /// The request that this is, if the peer is to answer.
    asks: Option<(TransactionId, Asked)>,
}

impl Connection {
    pub(crate) fn new(id: ConnectionId, secure: bool, authority: Option<Authority>, shared: &Shared) -> Self {
        Self {
            id,
            secure,
            authority,
            decoder: Decoder::new(shared.config.codec, shared.config.leniency),
            inbound: Inbound::Skipped,
            sessions: BTreeSet::new(),
            turn: VecDeque::new(),
            urgent: VecDeque::new(),
            urgent_octets: 0,
            chunk: None,
            pending: BTreeMap::new(),
            awaited: 0,
            blocked: false,
            listed: false,
            closing: false,
            unbound: None,
        }
    }

    /// Queues a response or a report.
    pub(crate) fn push_urgent(&mut self, octets: Bytes, asks: Option<(TransactionId, Asked)>) {
        self.urgent_octets = self.urgent_octets.saturating_add(octets.len());
        self.urgent.push_back(Urgent { octets, asks });
    }

    /// Returns how many octets of responses and reports wait.
    pub(crate) fn urgent_octets(&self) -> usize {
        self.urgent_octets
    }

    fn pop_urgent(&mut self, shared: &mut Shared, now: Instant) -> Option<Bytes> {
        let urgent = self.urgent.pop_front()?;
        self.urgent_octets = self.urgent_octets.saturating_sub(urgent.octets.len());
        if let Some((transaction, what)) = urgent.asks {
            self.expect_answer(transaction, what, shared, now);
        }
        Some(urgent.octets)
    }

    /// Starts the timer of a request whose last octet has been handed over.
    //= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.1
    //# If a 200 response to the transaction is
    //# not received within 30 seconds from the time the last byte of the
    //# transaction is sent, or submitted to the operating system for
    //# sending, the element MUST inform the user that the request probably
    //# failed.
    fn expect_answer(&mut self, transaction: TransactionId, what: Asked, shared: &mut Shared, now: Instant) {
        let deadline = now + shared.config.response_timeout;
        shared
            .deadlines
            .insert((deadline, Timer::Answer(self.id, transaction)));
        self.pending.insert(transaction, Pending { what, deadline });
    }

    /// Takes the request that a response is for.
    pub(crate) fn answered(&mut self, transaction: &TransactionId, shared: &mut Shared) -> Option<Asked> {
        let Some(pending) = self.pending.remove(transaction) else {
            let (session, number) = self.answered_early(transaction)?;
            return Some(Asked::Chunk {
                session,
                number,
                counted: false,
            });
        };
        shared
            .deadlines
            .remove(&(pending.deadline, Timer::Answer(self.id, *transaction)));
        if let Asked::Chunk { counted: true, .. } = pending.what {
            self.awaited = self.awaited.saturating_sub(1);
        }
        Some(pending.what)
    }

    /// Says whether everything has gone out.
    pub(crate) fn is_flushed(&self) -> bool {
        self.urgent.is_empty() && self.chunk.is_none()
    }

    /// Forgets all its timers, before it is dropped. Transactions that still wait are found here only.
    pub(crate) fn clear_timers(&mut self, shared: &mut Shared) {
        if let Some(at) = self.unbound.take() {
            shared.deadlines.remove(&(at, Timer::Unbound(self.id)));
        }
        for (transaction, pending) in std::mem::take(&mut self.pending) {
            shared
                .deadlines
                .remove(&(pending.deadline, Timer::Answer(self.id, transaction)));
        }
    }
}
