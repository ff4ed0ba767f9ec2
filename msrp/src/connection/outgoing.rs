//! A message on its way out.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::receive::count;
use crate::MessageId;
use crate::codec;
use crate::endpoint::{OutgoingBody, OutgoingMessage};
use crate::header::{FailureReport, MessageIdHeader, SuccessReport};

/// A message on its way out.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) id: MessageId,
    /// The headers that each chunk has before its `Byte-Range`.
    pub(crate) fixed: Bytes,
    /// The headers behind it, to the last one; none if the message has no body.
    pub(crate) content: Option<Bytes>,
    pub(crate) failure_report: FailureReport,
    pub(crate) total: Option<u64>,
    /// What is not handed over yet.
    segments: VecDeque<Bytes>,
    queued: u64,
    /// How much is.
    sent: u64,
    /// Whether nothing more will be appended.
    finished: bool,
    pub(crate) state: OutgoingState,
    /// Chunks that the peer has not answered.
    pub(crate) unanswered: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OutgoingState {
    /// Chunks go out.
    Open,
    /// The receiver is to be told, with `#`, that no more follows.
    Aborting,
    /// The last octet has gone out; answers are waited for.
    Ended,
}

impl Outgoing {
    pub(crate) fn new(id: MessageId, message: OutgoingMessage) -> Self {
        let mut buffer = BytesMut::with_capacity(256);
        codec::header(&mut buffer, &MessageIdHeader(id.clone()));
        if message.success_report {
            codec::header(&mut buffer, &SuccessReport::Yes);
        }
        if message.failure_report != FailureReport::Yes {
            codec::header(&mut buffer, &message.failure_report);
        }
        let fixed = buffer.split().freeze();
        for (name, value) in message.headers.iter() {
            codec::raw_header(&mut buffer, name, value);
        }
        let content = message.content_type.map(|content_type| {
            codec::header(&mut buffer, &content_type);
            buffer.split().freeze()
        });
        // A message without a body has no headers of MIME, but may have others.
        let fixed = if buffer.is_empty() {
            fixed
        } else {
            [&fixed[..], &buffer[..]].concat().into()
        };
        let (segments, total, finished) = match message.body {
            OutgoingBody::Whole(body) => {
                let total = Some(count(body.len()));
                (
                    if body.is_empty() {
                        VecDeque::new()
                    } else {
                        VecDeque::from([body])
                    },
                    total,
                    true,
                )
            }
            OutgoingBody::Streamed { total } => (VecDeque::new(), total, false),
        };
        let queued = segments
            .iter()
            .map(|segment| count(segment.len()))
            .fold(0, u64::saturating_add);
        Self {
            id,
            fixed,
            content,
            failure_report: message.failure_report,
            total,
            segments,
            queued,
            sent: 0,
            finished,
            state: OutgoingState::Open,
            unanswered: 0,
        }
    }

    pub(crate) fn queued(&self) -> u64 {
        self.queued
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent
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
            self.segments.push_back(data);
        }
    }

    /// Notes that no more octets come; says whether those there are make up what was announced.
    pub(crate) fn finish(&mut self) -> bool {
        self.finished = true;
        self.total.is_none_or(|total| total == self.length_so_far())
    }

    /// Forgets what is not handed over; returns how much that was.
    pub(crate) fn clear(&mut self) -> u64 {
        self.segments.clear();
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
            OutgoingState::Ended => false,
        }
    }

    /// Returns the next octets that lie together, at most `most`, without taking them.
    pub(crate) fn peek(&self, most: usize) -> Bytes {
        let most = most.min(usize::try_from(self.available()).unwrap_or(usize::MAX));
        self.segments
            .front()
            .map(|segment| segment.slice(..segment.len().min(most)))
            .unwrap_or_default()
    }

    /// Takes octets that were peeked at.
    pub(crate) fn advance(&mut self, octets: usize) {
        let Some(segment) = self.segments.front_mut() else {
            return;
        };
        let taken = segment.split_to(octets.min(segment.len())).len();
        if segment.is_empty() {
            self.segments.pop_front();
        }
        self.queued = self.queued.saturating_sub(count(taken));
        self.sent = self.sent.saturating_add(count(taken));
    }
}
