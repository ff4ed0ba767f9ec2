//! Transactions of ours, and requests of the peer that wait for the parent.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::endpoint::{RelayKey, SessionKey};
use crate::header::FailureReport;
use crate::{MessageId, TransactionId};

/// A request of ours that has gone out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    transaction: TransactionId,
    /// What it was for; none once that has been settled.
    what: Option<Asked>,
    deadline: Instant,
    /// How long the connection had been blocked by then, since it was opened.
    blocked: Duration,
}

/// What a request of ours was for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Asked {
    /// To bind a session.
    Bind(SessionKey),
    /// To deliver a chunk of a session's message.
    Chunk(SentChunk),
    /// For a nickname.
    Nickname(SessionKey),
    /// For a sign of life, in a session of the connection.
    KeepAlive(SessionKey),
    /// For a path through relays.
    Auth(RelayKey),
}

/// A chunk that has gone out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SentChunk {
    pub(crate) session: SessionKey,
    /// The message.
    pub(crate) number: u64,
    /// The place of its first octet, from 0, and the one behind its last.
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Whether the message waits for the answer.
    pub(crate) counted: bool,
}

/// Requests of ours that are not answered yet, in the order in which they went out.
///
/// Answers nearly always come in that order, and the time for all is the same, so that only the first is looked at.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    queue: VecDeque<Pending>,
    /// When the timer runs out, if it is set.
    pub(crate) timer: Option<Instant>,
}

/// The most room that a queue keeps while it is empty.
const KEPT: usize = 16;

impl Transactions {
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn push(
        &mut self,
        transaction: TransactionId,
        what: Asked,
        deadline: Instant,
        blocked: Duration,
    ) {
        self.queue.push_back(Pending {
            transaction,
            what: Some(what),
            deadline,
            blocked,
        });
    }

    /// Takes the request that an answer is for.
    pub(crate) fn take(&mut self, transaction: &TransactionId) -> Option<Asked> {
        let found = self
            .queue
            .iter_mut()
            .find(|pending| pending.transaction == *transaction)?;
        let what = found.what.take()?;
        self.trim();
        Some(what)
    }

    /// Takes the oldest request, if its time has run out. Time in which the connection was blocked does not count.
    pub(crate) fn expired(&mut self, now: Instant, blocked: Duration) -> Option<(TransactionId, Asked)> {
        let oldest = self.queue.front().filter(|oldest| oldest.due(blocked) <= now)?;
        let expired = (oldest.transaction, oldest.what?);
        self.queue.pop_front();
        self.trim();
        Some(expired)
    }

    /// When the time of the oldest request runs out.
    pub(crate) fn due(&self, blocked: Duration) -> Option<Instant> {
        self.queue.front().map(|oldest| oldest.due(blocked))
    }

    fn trim(&mut self) {
        while self.queue.front().is_some_and(|oldest| oldest.what.is_none()) {
            self.queue.pop_front();
        }
        if self.queue.is_empty() && self.queue.capacity() > KEPT {
            self.queue = VecDeque::new();
        }
    }
}

impl Pending {
    fn due(&self, blocked: Duration) -> Instant {
        self.deadline + blocked.saturating_sub(self.blocked)
    }
}

/// Where the response to a request goes.
#[derive(Clone, Debug)]
pub(crate) struct ReplyTo {
    /// The lines `To-Path` and `From-Path` of the response.
    pub(crate) paths: Bytes,
    pub(crate) failure_report: FailureReport,
}

/// A request of the peer that waits for the parent.
#[derive(Clone, Debug)]
pub(crate) struct Owed {
    pub(crate) transaction: TransactionId,
    pub(crate) reply: ReplyTo,
    /// The message whose chunk it was; none if it was for a nickname.
    pub(crate) message: Option<MessageId>,
    pub(crate) deadline: Instant,
}
