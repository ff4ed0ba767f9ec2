//! Chunks, made when they are pulled (RFC 4975 sections 7.1 and 7.1.1).

use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};

use super::Connection;
use super::end_line::{Tail, without_end_line};
use super::outgoing::{Outgoing, OutgoingState};
use super::receive::count;
use super::shared::{Numbered, Shared};
use super::transaction::{Asked, SentChunk};
use crate::TransactionId;
use crate::codec::{self, Continuation};
use crate::endpoint::session::Session;
use crate::endpoint::{Config, Event, Octets, SessionKey};
use crate::header::FailureReport;

/// The chunk that is being sent.
#[derive(Debug)]
pub(crate) struct Chunk {
    session: SessionKey,
    number: u64,
    transaction: TransactionId,
    /// The place of its first octet, from 0.
    start: u64,
    octets: usize,
    /// Whether the peer has answered it already.
    answered: bool,
    /// The last octets, in which an end-line might have begun.
    tail: Tail,
}

/// What one pull gave.
#[derive(Debug)]
pub(crate) struct Produced {
    pub(crate) octets: Octets,
    /// The session whose message it was, if it was one.
    pub(crate) session: Option<SessionKey>,
}

pub(crate) type Sessions = Numbered<SessionKey, Box<Session>>;

/// The longest body of a chunk that need not be interruptible, and so may tell where it ends.
const UNINTERRUPTED: usize = 2048;

impl Connection {
    /// Makes what goes out next; none if there is nothing or it has to wait.
    pub(crate) fn produce(
        &mut self,
        sessions: &mut Sessions,
        shared: &mut Shared,
        now: Instant,
    ) -> Option<Produced> {
        if self.is_blocked() {
            return None;
        }
        if let Some(chunk) = self.chunk.take() {
            return self.go_on(chunk, sessions, shared, now);
        }
        if let Some(octets) = self.pop_urgent(shared, now) {
            return Some(Produced {
                octets: octets.into(),
                session: None,
            });
        }
        if self.awaited >= shared.config.limits.unanswered_chunks {
            return None;
        }
        while let Some(key) = self.turn.pop_front() {
            let Some(session) = sessions.get_mut(&key) else {
                continue;
            };
            session.in_turn = false;
            while let Some(number) = session.outbox.ready.pop_front() {
                if session.outbox.get(number).is_some_and(Outgoing::is_ready) {
                    return self.begin(key, number, session, shared, now);
                }
            }
        }
        None
    }

    /// Begins a chunk.
    fn begin(
        &mut self,
        key: SessionKey,
        number: u64,
        session: &mut Session,
        shared: &mut Shared,
        now: Instant,
    ) -> Option<Produced> {
        let chunk_size = session.chunk_size(&shared.config);
        let most = shared.config.interrupt_size.get().min(chunk_size);
        let message = session.outbox.get_mut(number)?;
        let aborting = message.state == OutgoingState::Aborting;
        let mut transaction = shared.mint_transaction();
        let (mut length, mut cut) = (0, false);
        if !aborting {
            let piece = message.peek(most);
            length = without_end_line(&shared.dashes, &transaction, &[], piece);
            //= https://www.rfc-editor.org/rfc/rfc4975#section-7.1
            //# If the end-line is present in the
            //# body, the sender MUST choose a new transaction identifier that is not
            //# present in the body
            for _ in 0..3 {
                if length == piece.len() {
                    break;
                }
                transaction = shared.mint_transaction();
                length = without_end_line(&shared.dashes, &transaction, &[], piece);
            }
            cut = length < piece.len();
        }
        let start = message.sent();
        message.begun = true;
        let piece = message.take(length);
        session.queued = session.queued.saturating_sub(count(length));
        let at_end = message.is_at_end();
        let total = if at_end && !aborting {
            Some(message.sent())
        } else {
            message.total
        };
        let has_body = message.has_body;
        let mut chunk = Chunk {
            session: key,
            number,
            transaction,
            start,
            octets: length,
            answered: false,
            tail: Tail::new(),
        };
        let end = if has_body {
            self.ending(&chunk, cut, session, &shared.config)
        } else {
            Some(Continuation::Complete)
        };
        let message = session.outbox.get_mut(number)?;
        let before_range = message.before_range(&session.paths);
        let out = shared.room();
        codec::between(out, b"MSRP ", &transaction, b" SEND\r\n");
        out.put_slice(before_range);
        //= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.1
        //# To ensure fairness over a connection, senders MUST NOT send chunks
        //# with a body larger than 2048 octets unless they are prepared to
        //# interrupt them (meaning that any chunk with a body of greater than
        //# 2048 octets will have a "*" character in the range-end field).
        let range_end = match end {
            _ if length == 0 => Some(0),
            Some(_) if length <= UNINTERRUPTED => Some(start.saturating_add(count(length))),
            _ => None,
        };
        //= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.1
        //# For the sake of consistency, a Byte-Range header
        //# field referring to nonexistent or zero-length content MUST still have
        //# a range-start value of 1.
        let range_start = if length == 0 { 1 } else { start.saturating_add(1) };
        put_places(out, range_start, range_end);
        if total.is_some() && total == message.total {
            out.put_slice(&message.behind_range);
        } else {
            put_total(out, total);
            out.put_slice(message.behind_total());
        }
        let head = out.len();
        if let Some(end) = end {
            put_end_line(out, &transaction, end, has_body);
        }
        let frame = out.split().freeze();
        if let Some(end) = end {
            self.end(&chunk, end, session, shared, now);
        } else {
            chunk.tail.push(&piece);
            self.chunk = Some(chunk);
        }
        Some(Produced {
            octets: Octets::around(frame, head, piece),
            session: Some(key),
        })
    }

    /// Goes on with a chunk, or ends it.
    fn go_on(
        &mut self,
        mut chunk: Chunk,
        sessions: &mut Sessions,
        shared: &mut Shared,
        now: Instant,
    ) -> Option<Produced> {
        let Some(session) = sessions.get_mut(&chunk.session) else {
            put_end_line(shared.room(), &chunk.transaction, Continuation::Aborted, true);
            return Some(Produced {
                octets: shared.room().split().freeze().into(),
                session: None,
            });
        };
        let most = shared.config.interrupt_size.get();
        let most = most.min(session.chunk_size(&shared.config).saturating_sub(chunk.octets));
        //= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.1
        //# SEND requests larger than 2048 octets MUST be interrupted if the
        //# sender needs to send pending responses or REPORT requests.
        let interrupted = !self.urgent.is_empty();
        let (mut piece, mut cut) = (Bytes::new(), interrupted);
        let others = !self.turn.is_empty() || !session.outbox.ready.is_empty();
        if let Some(message) = session.outbox.get_mut(chunk.number)
            && message.state == OutgoingState::Open
            && !interrupted
        {
            let next = message.peek(most);
            if next.is_empty() && !others {
                // Nothing to send, and nobody else waits: more octets may go into this chunk.
                self.chunk = Some(chunk);
                return None;
            }
            let length = without_end_line(&shared.dashes, &chunk.transaction, chunk.tail.octets(), next);
            cut = length < next.len();
            piece = message.take(length);
            session.queued = session.queued.saturating_sub(count(length));
            chunk.octets = chunk.octets.saturating_add(length);
        }
        let end = self.ending(&chunk, cut, session, &shared.config);
        let tail = if let Some(end) = end {
            self.end(&chunk, end, session, shared, now);
            put_end_line(shared.room(), &chunk.transaction, end, true);
            shared.room().split().freeze()
        } else {
            chunk.tail.push(&piece);
            Bytes::new()
        };
        let key = chunk.session;
        if end.is_none() {
            self.chunk = Some(chunk);
        }
        Some(Produced {
            octets: Octets::new([Bytes::new(), piece, tail]),
            session: Some(key),
        })
    }

    /// Says whether a chunk ends where it is, and how.
    fn ending(&self, chunk: &Chunk, cut: bool, session: &Session, config: &Config) -> Option<Continuation> {
        let message = session.outbox.get(chunk.number);
        let Some(message) = message.filter(|message| message.state == OutgoingState::Open) else {
            return Some(Continuation::Aborted);
        };
        if message.is_at_end() {
            return Some(Continuation::Complete);
        }
        let others = !self.turn.is_empty() || !session.outbox.ready.is_empty();
        let ends = cut
            || self.websocket
            || chunk.octets >= session.chunk_size(config)
            || !self.urgent.is_empty()
            || (others && !message.is_ready());
        ends.then_some(Continuation::More)
    }

    /// Notes that the last octet of a chunk has been handed over.
    fn end(
        &mut self,
        chunk: &Chunk,
        end: Continuation,
        session: &mut Session,
        shared: &mut Shared,
        now: Instant,
    ) {
        if let Some(message) = session.outbox.get_mut(chunk.number) {
            let counted = message.failure_report == FailureReport::Yes;
            let expects = match message.failure_report {
                _ if chunk.answered || end == Continuation::Aborted => false,
                FailureReport::Yes => true,
                // Its failure is told if it comes, but nothing waits for it.
                FailureReport::Partial => self.transactions.len() < shared.config.limits.unanswered_chunks,
                FailureReport::No => false,
            };
            if expects {
                let waiting = if counted {
                    self.awaited = self.awaited.saturating_add(1);
                    &mut message.unanswered
                } else {
                    &mut message.unheard
                };
                *waiting = waiting.saturating_add(1);
                let what = Asked::Chunk(SentChunk {
                    session: chunk.session,
                    number: chunk.number,
                    start: chunk.start,
                    end: chunk.start.saturating_add(count(chunk.octets)),
                    counted,
                });
                self.expect_answer(chunk.transaction, what, shared, now);
            }
            match end {
                Continuation::Aborted => {
                    session.retire(chunk.number, &shared.config.limits);
                }
                Continuation::Complete => {
                    message.state = OutgoingState::Ended;
                    if message.unanswered == 0 {
                        shared.events.push_back(Event::MessageSent {
                            session: chunk.session,
                            message: message.id.clone(),
                        });
                        session.sent(chunk.number, &shared.config.limits);
                    }
                }
                Continuation::More => {
                    if message.is_ready() {
                        session.outbox.ready.push_back(chunk.number);
                    }
                }
            }
        }
        if !session.outbox.ready.is_empty() && !session.in_turn {
            session.in_turn = true;
            self.turn.push_back(chunk.session);
        }
    }

    /// Takes the answer to the chunk that is going out, if it is that.
    pub(crate) fn answered_early(&mut self, transaction: &TransactionId) -> Option<SentChunk> {
        let chunk = self
            .chunk
            .as_mut()
            .filter(|chunk| chunk.transaction == *transaction && !chunk.answered)?;
        chunk.answered = true;
        Some(SentChunk {
            session: chunk.session,
            number: chunk.number,
            start: chunk.start,
            // Nobody knows how much of it the peer means.
            end: chunk.start,
            counted: false,
        })
    }

    /// Says whether a chunk of that message is going out.
    pub(crate) fn is_sending(&self, number: u64) -> bool {
        self.chunk.as_ref().is_some_and(|chunk| chunk.number == number)
    }
}

/// Writes the value of a `Byte-Range`.
pub(crate) fn put_range(out: &mut BytesMut, start: u64, end: Option<u64>, total: Option<u64>) {
    put_places(out, start, end);
    put_total(out, total);
}

/// Writes the first places of a `Byte-Range`.
fn put_places(out: &mut BytesMut, start: u64, end: Option<u64>) {
    let mut text = [b'*'; DIGITS + 1 + DIGITS];
    let mut at = put_digits(&mut text, 0, start);
    at = put_octet(&mut text, at, b'-');
    at = match end {
        Some(end) => put_digits(&mut text, at, end),
        None => put_octet(&mut text, at, b'*'),
    };
    out.put_slice(text.get(..at).unwrap_or_default());
}

/// Writes the total of a `Byte-Range`, and what is before it.
pub(crate) fn put_total(out: &mut BytesMut, total: Option<u64>) {
    let mut text = [b'*'; 1 + DIGITS];
    let mut at = put_octet(&mut text, 0, b'/');
    at = match total {
        Some(total) => put_digits(&mut text, at, total),
        None => put_octet(&mut text, at, b'*'),
    };
    out.put_slice(text.get(..at).unwrap_or_default());
}

/// The room that a number needs: its digits are written eight at a time.
const DIGITS: usize = 24;

fn put_octet(text: &mut [u8], at: usize, octet: u8) -> usize {
    if let Some(place) = text.get_mut(at) {
        *place = octet;
    }
    at.saturating_add(1)
}

/// Writes a number into a text; returns the place behind it.
fn put_digits(text: &mut [u8], at: usize, number: u64) -> usize {
    let (front, digits) = (number / 100_000_000, eight_digits(number % 100_000_000));
    let (at, leading) = if front > 0 {
        (put_digits(text, at, front), 0)
    } else {
        // The least octet has the first digit; there is one at least.
        (at, digits.trailing_zeros().min(56) / 8)
    };
    let digits = (digits | 0x3030_3030_3030_3030) >> (8 * leading);
    if let Some(place) = text.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *place = digits.to_le_bytes();
    }
    at.saturating_add(8)
        .saturating_sub(usize::try_from(leading).unwrap_or(0))
}

/// Gives the digits of a number below 10^8, each in an octet, the first in the least: halved three times, each time all
/// parts at once. Products with a power of two in them stand for quotients.
const fn eight_digits(number: u64) -> u64 {
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | ((fours - 100 * hundreds) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((twos - 10 * tens) << 8)
}

/// Writes the end-line of a chunk.
//= https://www.rfc-editor.org/rfc/rfc4975#section-7.1
//# If a body is present, the end-line MUST
//# be preceded by a CRLF that is not part of the body.
pub(crate) fn put_end_line(
    out: &mut BytesMut,
    transaction: &TransactionId,
    end: Continuation,
    has_body: bool,
) {
    if has_body {
        codec::end_line_after_body(out, transaction, end);
    } else {
        codec::end_line(out, transaction, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::ByteRange;

    #[test]
    fn ranges_are_written_as_the_header_writes_them() {
        for (start, end, total) in [
            (1, Some(0), Some(0)),
            (1, None, None),
            (2049, Some(4096), Some(u64::MAX)),
            (u64::MAX, Some(10), Some(109)),
            (9, Some(99), Some(100)),
            (u64::MAX, Some(u64::MAX), None),
            (1000, Some(10_000), Some(100_005)),
            (99_999_999, Some(100_000_000), Some(10_000_000_000_000_000)),
        ] {
            assert_written(start, end, total);
        }
        // Each of the parts that are written together.
        for number in 0..10_000 {
            assert_written(number, Some(number * 10_001), Some(number * 100_000_007));
        }
    }

    fn assert_written(start: u64, end: Option<u64>, total: Option<u64>) {
        let mut out = BytesMut::new();
        put_range(&mut out, start, end, total);
        assert_eq!(out, ByteRange { start, end, total }.to_string());
    }
}
