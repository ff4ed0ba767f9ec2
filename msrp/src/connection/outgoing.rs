//! A message on its way out, and those of one session.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::receive::{Coverage, count};
use super::send::put_total;
use crate::MessageId;
use crate::codec;
use crate::endpoint::{OutgoingBody, OutgoingMessage};
use crate::header::{ByteRange, FailureReport, Header, MessageIdHeader, SuccessReport};

/// A message on its way out.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub(crate) struct Outgoing {
    pub(crate) id: MessageId,
    /// What the head of each chunk has between its first line and the value of its `Byte-Range`; without the paths,
    /// which may not be known yet, until the first chunk is made.
    before_range: Bytes,
    has_paths: bool,
    /// What follows the place of the last octet in that value: the total, if it is known from the beginning, and what
    /// comes behind it; of a message without a body nothing but a line end.
    pub(crate) behind_range: Bytes,
    /// Where in it that is what comes behind the total.
    total_ends: usize,
    pub(crate) has_body: bool,
    pub(crate) success_report: bool,
    pub(crate) failure_report: FailureReport,
    pub(crate) total: Option<u64>,
    /// What is not handed over yet: the octets that come next, and pieces behind them.
    next: Bytes,
    segments: VecDeque<Bytes>,
    queued: u64,
    /// How much is, or was over another session.
    sent: u64,
    /// Whether a chunk has gone out in this session.
    pub(crate) begun: bool,
    /// Octets from the first on that the peer has answered with 200, and further ones behind a gap.
    acknowledged: u64,
    beyond: Coverage,
    /// Whether nothing more will be appended.
    finished: bool,
    pub(crate) state: OutgoingState,
    /// Chunks that the peer has not answered, and whose answers decide about the message.
    pub(crate) unanswered: usize,
    /// Chunks that the peer answers only if they fail, as long as their time runs.
    pub(crate) unheard: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OutgoingState {
    /// Chunks go out.
    Open,
    /// The receiver is to be told, with `#`, that no more follows.
    Aborting,
    /// The last octet has gone out; answers are waited for.
    Ended,
    /// The parent was told that it is sent, but failures may still be heard of.
    Sent,
}

/// More pieces than this behind gaps are not told apart: only a peer that answers in strange order makes them.
const GAPS: usize = 64;

impl Outgoing {
    pub(crate) fn new(id: MessageId, message: OutgoingMessage) -> Self {
        let mut before = BytesMut::with_capacity(128);
        codec::header(&mut before, &MessageIdHeader(id.clone()));
        if message.success_report {
            codec::header(&mut before, &SuccessReport::Yes);
        }
        if message.failure_report != FailureReport::Yes {
            codec::header(&mut before, &message.failure_report);
        }
        let mut behind = BytesMut::with_capacity(64);
        let total = match &message.body {
            OutgoingBody::Whole(body) => Some(message.offset.saturating_add(count(body.len()))),
            OutgoingBody::Streamed { total } => *total,
        };
        put_total(&mut behind, total);
        let total_ends = behind.len();
        behind.extend_from_slice(b"\r\n");
        let has_body = message.content_type.is_some();
        for (name, value) in message.headers.iter() {
            // A message without a body has no headers of MIME, but may have others.
            let place = if has_body { &mut behind } else { &mut before };
            codec::raw_header(place, name, value);
        }
        before.extend_from_slice(ByteRange::NAME.as_bytes());
        before.extend_from_slice(b": ");
        if let Some(content_type) = message.content_type {
            codec::header(&mut behind, &content_type);
            behind.extend_from_slice(b"\r\n");
        }
        let offset = message.offset;
        let (next, finished) = match message.body {
            OutgoingBody::Whole(body) => (body, true),
            OutgoingBody::Streamed { .. } => (Bytes::new(), false),
        };
        Self {
            id,
            before_range: before.freeze(),
            has_paths: false,
            behind_range: behind.freeze(),
            total_ends,
            has_body,
            success_report: message.success_report,
            failure_report: message.failure_report,
            total,
            queued: count(next.len()),
            next,
            segments: VecDeque::new(),
            sent: offset,
            begun: false,
            acknowledged: offset,
            beyond: Coverage::default(),
            finished,
            state: OutgoingState::Open,
            unanswered: 0,
            unheard: 0,
        }
    }

    /// Returns what the head of each chunk has between its first line and the value of its `Byte-Range`.
    pub(crate) fn before_range(&mut self, paths: &[u8]) -> &[u8] {
        if !self.has_paths {
            self.has_paths = true;
            self.before_range = [paths, &self.before_range].concat().into();
        }
        &self.before_range
    }

    /// Returns what comes behind the total in the head of each chunk.
    pub(crate) fn behind_total(&self) -> &[u8] {
        self.behind_range.get(self.total_ends..).unwrap_or_default()
    }

    pub(crate) fn queued(&self) -> u64 {
        self.queued
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Notes that the peer has answered a chunk with 200.
    pub(crate) fn acknowledge(&mut self, start: u64, end: u64) {
        if start > self.acknowledged {
            // What is forgotten here is sent again where the message is resumed.
            let _ = self.beyond.add(start, end, GAPS);
            return;
        }
        self.acknowledged = self.acknowledged.max(end);
        if let Some(end) = self.beyond.reach(self.acknowledged) {
            self.acknowledged = end;
        }
    }

    /// Returns how many octets from the first on the peer has answered with 200.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Returns the length that the message has when all that is queued has gone out.
    pub(crate) fn length_so_far(&self) -> u64 {
        self.sent.saturating_add(self.queued)
    }

    /// Says whether octets may be appended.
    pub(crate) fn grows(&self) -> bool {
        self.state == OutgoingState::Open && !self.finished
    }

    pub(crate) fn append(&mut self, data: Bytes) {
        if !data.is_empty() {
            self.queued = self.queued.saturating_add(count(data.len()));
            if self.next.is_empty() {
                self.next = data;
            } else {
                self.segments.push_back(data);
            }
        }
    }

    /// Notes that no more octets come; says whether those there are make up what was announced.
    pub(crate) fn finish(&mut self) -> bool {
        self.finished = true;
        self.total.is_none_or(|total| total == self.length_so_far())
    }

    /// Forgets what is not handed over; returns how much that was.
    pub(crate) fn clear(&mut self) -> u64 {
        self.next = Bytes::new();
        self.segments = VecDeque::new();
        std::mem::take(&mut self.queued)
    }

    /// Returns how many octets may go out now.
    ///
    /// While nobody knows whether more comes, the last octet stays here: it has to be in the chunk that says `$`, since
    /// an empty chunk tells no place in the message.
    //= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.1
    //# For the sake of consistency, a Byte-Range header
    //# field referring to nonexistent or zero-length content MUST still have
    //# a range-start value of 1.
    fn available(&self) -> u64 {
        if self.finished || self.total.is_some() {
            self.queued
        } else {
            self.queued.saturating_sub(1)
        }
    }

    /// Says whether all octets have gone out, and no more comes.
    pub(crate) fn is_at_end(&self) -> bool {
        self.queued == 0 && (self.finished || self.total == Some(self.sent))
    }

    /// Says whether there is something to send now.
    pub(crate) fn is_ready(&self) -> bool {
        match self.state {
            OutgoingState::Open => self.available() > 0 || self.is_at_end(),
            OutgoingState::Aborting => true,
            OutgoingState::Ended | OutgoingState::Sent => false,
        }
    }

    /// Returns the next octets that lie together, at most `most`, without taking them.
    pub(crate) fn peek(&self, most: usize) -> &[u8] {
        let most = match usize::try_from(self.available()) {
            Ok(available) => most.min(available).min(self.next.len()),
            Err(_) => most.min(self.next.len()),
        };
        self.next.get(..most).unwrap_or_default()
    }

    /// Takes octets that were peeked at.
    pub(crate) fn take(&mut self, octets: usize) -> Bytes {
        let taken = self.next.split_to(octets.min(self.next.len()));
        if self.next.is_empty() {
            self.next = self.segments.pop_front().unwrap_or_default();
        }
        self.queued = self.queued.saturating_sub(count(taken.len()));
        self.sent = self.sent.saturating_add(count(taken.len()));
        taken
    }
}

/// The messages of one session that are on their way out.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// In the order in which they were given, and so of their numbers.
    messages: Vec<Entry>,
    /// Those with something to send, in the order of their turns.
    pub(crate) ready: VecDeque<u64>,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    digest: u64,
    message: Box<Outgoing>,
}

impl Outbox {
    pub(crate) fn insert(&mut self, number: u64, digest: u64, message: Outgoing) {
        self.messages.push(Entry {
            number,
            digest,
            message: Box::new(message),
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    fn place(&self, number: u64) -> Option<usize> {
        // Nearly always there are few, and the first is meant.
        match self.messages.first() {
            Some(first) if first.number == number => Some(0),
            _ => self
                .messages
                .binary_search_by_key(&number, |entry| entry.number)
                .ok(),
        }
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Outgoing> {
        self.messages
            .get(self.place(number)?)
            .map(|entry| &*entry.message)
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Outgoing> {
        let place = self.place(number)?;
        self.messages.get_mut(place).map(|entry| &mut *entry.message)
    }

    /// Returns the number of the message with that identifier.
    pub(crate) fn number_of(&self, digest: u64) -> Option<u64> {
        let newest = self.messages.iter().rev();
        newest
            .filter(|entry| entry.message.state != OutgoingState::Sent)
            .find(|entry| entry.digest == digest)
            .map(|entry| entry.number)
    }

    /// Takes a message out, with what stands for its identifier.
    pub(crate) fn remove(&mut self, number: u64) -> Option<(u64, Outgoing)> {
        let place = self.place(number)?;
        let Entry { digest, message, .. } = self.messages.remove(place);
        if self.messages.is_empty() {
            // A session that is idle is to be small.
            if self.messages.capacity() > 8 {
                self.messages = Vec::new();
            }
            if self.ready.capacity() > 16 {
                self.ready = VecDeque::new();
            } else {
                self.ready.clear();
            }
        }
        Some((digest, *message))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Outgoing> {
        self.messages.iter().map(|entry| &*entry.message)
    }

    /// Says whether the message with that identifier is going out, or failures of it may still be heard of.
    pub(crate) fn knows(&self, digest: u64) -> bool {
        self.messages.iter().any(|entry| entry.digest == digest)
    }

    /// Gives all that are left.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Outgoing> {
        self.ready.clear();
        std::mem::take(&mut self.messages)
            .into_iter()
            .map(|entry| *entry.message)
    }

    /// Says whether nothing is to be sent or answered any more.
    pub(crate) fn is_settled(&self) -> bool {
        self.iter().all(|message| message.state == OutgoingState::Sent)
    }
}
