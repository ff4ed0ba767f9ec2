//! One connection: what has arrived and what goes out, for all its sessions.

pub(crate) mod end_line;
pub(crate) mod outgoing;
pub(crate) mod receive;
pub(crate) mod report;
pub(crate) mod send;
pub(crate) mod shared;
pub(crate) mod transaction;

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use self::send::Chunk;
use self::shared::{Shared, Timer};
use self::transaction::{Asked, ReplyTo, SentChunk, Transactions};
use crate::codec::Decoder;
use crate::endpoint::SessionKey;
use crate::tls::Fingerprint;
use crate::{ConnectionId, MessageId, StatusCode, TransactionId};

/// One connection.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) secure: bool,
    /// Whether each transmission is one WebSocket message, and so each chunk.
    pub(crate) websocket: bool,
    /// Where it goes to, if this end has opened it; sessions to the same place share it.
    pub(crate) authority: Option<Authority>,
    /// The fingerprints of the peer's certificate, as far as the host has told them.
    pub(crate) certificate: Option<Vec<Fingerprint>>,
    pub(crate) decoder: Decoder,
    pub(crate) inbound: Inbound,
    /// The session that the last request was for.
    pub(crate) last: Option<SessionKey>,
    pub(crate) sessions: BTreeSet<SessionKey>,
    /// Sessions with something to send, in the order of their turns.
    pub(crate) turn: VecDeque<SessionKey>,
    /// Responses and reports, which go before bodies.
    urgent: VecDeque<Urgent>,
    urgent_octets: usize,
    /// The chunk that is being sent.
    chunk: Option<Chunk>,
    pub(crate) transactions: Transactions,
    /// Chunks whose answers are waited for.
    awaited: usize,
    /// Since when it takes nothing.
    blocked_since: Option<Instant>,
    /// For how long it has taken nothing before.
    blocked_before: Duration,
    blocked_timer: Option<Instant>,
    /// When something was handed over last.
    pub(crate) said: Instant,
    pub(crate) keep_alive: Option<Instant>,
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
    pub(crate) websocket: bool,
    /// The name in the peer's certificate, where that matters.
    pub(crate) name: String,
    pub(crate) fingerprints: Vec<Fingerprint>,
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
        /// The place of its first octet, from 0.
        offset: u64,
        length: u64,
        /// The path lines of a report of success, if that is wanted.
        report: Option<Bytes>,
    },
    /// A request for a nickname.
    Nickname {
        session: SessionKey,
        transaction: TransactionId,
        reply: ReplyTo,
        nickname: crate::ByteStr,
    },
}

/// A chunk that is arriving.
#[derive(Debug)]
pub(crate) struct InboundChunk {
    pub(crate) session: SessionKey,
    pub(crate) message: MessageId,
    /// What stands for the message's identifier.
    pub(crate) digest: u64,
    pub(crate) transaction: TransactionId,
    pub(crate) reply: ReplyTo,
    /// The place of its first octet, from 0.
    pub(crate) offset: u64,
    /// How many octets have arrived.
    pub(crate) length: u64,
    /// The length of the message as this chunk tells it.
    pub(crate) total: Option<u64>,
    /// Whether its head is still part of what was read from the network.
    pub(crate) attached: bool,
}

#[derive(Debug)]
struct Urgent {
    octets: Bytes,
    /// The request that this is, if the peer is to answer.
    asks: Option<Box<(TransactionId, Asked)>>,
}

/// The most room that the queue of what is urgent keeps while it is empty.
const KEPT: usize = 32;

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        (secure, websocket): (bool, bool),
        authority: Option<Authority>,
        shared: &Shared,
        now: Instant,
    ) -> Self {
        Self {
            id,
            secure,
            websocket,
            authority,
            certificate: None,
            decoder: Decoder::new(shared.config.codec, shared.config.leniency),
            inbound: Inbound::Skipped,
            last: None,
            sessions: BTreeSet::new(),
            turn: VecDeque::new(),
            urgent: VecDeque::new(),
            urgent_octets: 0,
            chunk: None,
            transactions: Transactions::default(),
            awaited: 0,
            blocked_since: None,
            blocked_before: Duration::ZERO,
            blocked_timer: None,
            said: now,
            keep_alive: None,
            listed: false,
            closing: false,
            unbound: None,
        }
    }

    /// Queues a response or a report.
    pub(crate) fn push_urgent(&mut self, octets: Bytes, asks: Option<(TransactionId, Asked)>) {
        self.urgent_octets = self.urgent_octets.saturating_add(octets.len());
        self.urgent.push_back(Urgent {
            octets,
            asks: asks.map(Box::new),
        });
    }

    /// Returns how many octets of responses and reports wait.
    pub(crate) fn urgent_octets(&self) -> usize {
        self.urgent_octets
    }

    fn pop_urgent(&mut self, shared: &mut Shared, now: Instant) -> Option<Bytes> {
        let urgent = self.urgent.pop_front()?;
        self.urgent_octets = self.urgent_octets.saturating_sub(urgent.octets.len());
        if self.urgent.is_empty() && self.urgent.capacity() > KEPT {
            self.urgent = VecDeque::new();
        }
        if let Some(asks) = urgent.asks {
            let (transaction, what) = *asks;
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
        let blocked = self.blocked_for(now);
        self.transactions.push(transaction, what, deadline, blocked);
        if self.transactions.timer.is_none() {
            self.watch_answers(shared, now);
        }
    }

    /// Takes the request that a response is for.
    pub(crate) fn answered(
        &mut self,
        transaction: &TransactionId,
        shared: &mut Shared,
        now: Instant,
    ) -> Option<Asked> {
        let Some(what) = self.transactions.take(transaction) else {
            return self.answered_early(transaction).map(Asked::Chunk);
        };
        self.settled(&what);
        if self.transactions.len() == 0 {
            self.watch_answers(shared, now);
        }
        Some(what)
    }

    /// Takes a request that was not answered in time. The timer has run out.
    pub(crate) fn unanswered(&mut self, shared: &mut Shared, now: Instant) -> Option<(TransactionId, Asked)> {
        let expired = self.transactions.expired(now, self.blocked_for(now));
        match &expired {
            Some((_, what)) => self.settled(what),
            None => self.watch_answers(shared, now),
        }
        expired
    }

    fn settled(&mut self, what: &Asked) {
        if let Asked::Chunk(SentChunk { counted: true, .. }) = what {
            self.awaited = self.awaited.saturating_sub(1);
        }
    }

    /// Sets the timer to the oldest request.
    fn watch_answers(&mut self, shared: &mut Shared, now: Instant) {
        let timer = Timer::Answer(self.id);
        shared.unset(self.transactions.timer.take(), timer);
        if let Some(due) = self.transactions.due(self.blocked_for(now)) {
            self.transactions.timer = Some(due);
            shared.set(due, timer);
        }
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked_since.is_some()
    }

    /// The connection takes nothing for now.
    pub(crate) fn block(&mut self, shared: &mut Shared, now: Instant) {
        if self.blocked_since.is_none() {
            self.blocked_since = Some(now);
            let at = now + shared.config.blocked_timeout;
            self.blocked_timer = Some(at);
            shared.set(at, Timer::Blocked(self.id));
        }
    }

    /// The connection takes something again.
    pub(crate) fn unblock(&mut self, shared: &mut Shared, now: Instant) {
        self.blocked_before = self.blocked_for(now);
        self.blocked_since = None;
        shared.unset(self.blocked_timer.take(), Timer::Blocked(self.id));
    }

    fn blocked_for(&self, now: Instant) -> Duration {
        let present = self.blocked_since.map_or(Duration::ZERO, |since| {
            now.checked_duration_since(since).unwrap_or_default()
        });
        self.blocked_before.saturating_add(present)
    }

    /// Says whether everything has gone out.
    pub(crate) fn is_flushed(&self) -> bool {
        self.urgent.is_empty() && self.chunk.is_none()
    }

    /// Forgets all its timers, before it is dropped.
    pub(crate) fn clear_timers(&mut self, shared: &mut Shared) {
        shared.unset(self.unbound.take(), Timer::Unbound(self.id));
        shared.unset(self.blocked_timer.take(), Timer::Blocked(self.id));
        shared.unset(self.keep_alive.take(), Timer::KeepAlive(self.id));
        shared.unset(self.transactions.timer.take(), Timer::Answer(self.id));
    }
}
