//! Chunks, made when they are pulled (RFC 4975 sections 7.1 and 7.1.1).

use std::collections::HashMap;
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memmem;

use super::Connection;
use super::outgoing::{Outgoing, OutgoingState};
use super::receive::count;
use super::shared::Shared;
use super::transaction::Asked;
use crate::codec::{self, Continuation};
use crate::endpoint::session::Session;
use crate::endpoint::{Event, Octets, SessionKey};
use crate::header::{ByteRange, FailureReport};
use crate::{Method, TransactionId};

/// The chunk that is being sent.
#[derive(Debug)]
pub(crate) struct Chunk {
    session: SessionKey,
    number: u64,
    transaction: TransactionId,
    octets: usize,
    /// Whether the peer has answered it already.
    answered: bool,
    /// The last octets, in which an end-line might have begun.
    tail: Tail,
}

/// The last octets of a chunk, as many as may be the beginning of an end-line.
#[derive(Debug)]
struct Tail {
    octets: [u8; PATTERN],
    length: usize,
}

/// What one pull gave.
#[derive(Debug)]
pub(crate) struct Produced {
    pub(crate) octets: Octets,
    /// The session whose message it was, if it was one.
    pub(crate) session: Option<SessionKey>,
}

type Sessions = HashMap<SessionKey, Session>;

impl Connection {
    /// Makes what goes out next; none if there is nothing or it has to wait.
    pub(crate) fn produce(
        &mut self,
        sessions: &mut Sessions,
        shared: &mut Shared,
        now: Instant,
    ) -> Option<Produced> {
        if self.blocked {
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
            while let Some(number) = session.ready.pop_front() {
                if session.outgoing.get(&number).is_some_and(Outgoing::is_ready) {
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
        let chunk_size = shared.config.chunk_size.get();
        let most = shared.config.interrupt_size.get().min(chunk_size);
        let message = session.outgoing.get_mut(&number)?;
        let aborting = message.state == OutgoingState::Aborting;
        let mut piece = if aborting {
            Bytes::new()
        } else {
            message.peek(most)
        };
        //= https://www.rfc-editor.org/rfc/rfc4975#section-7.1
        //# If the end-line is present in the
        //# body, the sender MUST choose a new transaction identifier that is not
        //# present in the body
        let mut transaction = shared.mint_transaction();
        for _ in 0..3 {
            if collision(&transaction, &[], &piece).is_none() {
                break;
            }
            transaction = shared.mint_transaction();
        }
        let cut = shorten(&mut piece, &transaction, &[]);
        let start = message.sent().saturating_add(1);
        message.advance(piece.len());
        session.queued = session.queued.saturating_sub(count(piece.len()));

        let total = if message.is_at_end() {
            Some(message.sent())
        } else {
            message.total
        };
        //= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.1
        //# To ensure fairness over a connection, senders MUST NOT send chunks
        //# with a body larger than 2048 octets unless they are prepared to
        //# interrupt them (meaning that any chunk with a body of greater than
        //# 2048 octets will have a "*" character in the range-end field).
        let range = if piece.is_empty() {
            ByteRange {
                start: 1,
                end: Some(0),
                total: if aborting { message.total } else { total },
            }
        } else {
            let end = if message.is_at_end() {
                Some(message.sent())
            } else {
                None
            };
            ByteRange { start, end, total }
        };
        let out = &mut shared.buffer;
        codec::request_line(out, &transaction, &Method::Send);
        out.put_slice(&session.paths);
        out.put_slice(&message.fixed);
        codec::header(out, &range);
        let Some(content) = &message.content else {
            codec::end_line(out, &transaction, Continuation::Complete);
            let head = out.split().freeze();
            let chunk = Chunk {
                session: key,
                number,
                transaction,
                octets: 0,
                answered: false,
                tail: Tail::new(),
            };
            self.end(&chunk, Continuation::Complete, session, shared, now);
            return Some(Produced {
                octets: head.into(),
                session: Some(key),
            });
        };
        out.put_slice(content);
        out.put_slice(b"\r\n");
        let head = out.split().freeze();
        let chunk = Chunk {
            session: key,
            number,
            transaction,
            octets: 0,
            answered: false,
            tail: Tail::new(),
        };
        let parts = [head, piece, Bytes::new()];
        Some(self.settle(chunk, parts, cut, session, shared, now))
    }

    /// Goes on with a chunk, or ends it.
    fn go_on(
        &mut self,
        chunk: Chunk,
        sessions: &mut Sessions,
        shared: &mut Shared,
        now: Instant,
    ) -> Option<Produced> {
        let Some(session) = sessions.get_mut(&chunk.session) else {
            let tail = end_line(&mut shared.buffer, &chunk.transaction, Continuation::Aborted);
            return Some(Produced {
                octets: tail.into(),
                session: None,
            });
        };
        let most = shared.config.interrupt_size.get();
        let most = most.min(shared.config.chunk_size.get().saturating_sub(chunk.octets));
        let message = session.outgoing.get_mut(&chunk.number);
        let (mut piece, aborting) = match &message {
            Some(message) if message.state == OutgoingState::Open => (message.peek(most), false),
            _ => (Bytes::new(), true),
        };
        //= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.1
        //# SEND requests larger than 2048 octets MUST be interrupted if the
        //# sender needs to send pending responses or REPORT requests.
        let interrupted = !self.urgent.is_empty();
        let mut cut = interrupted;
        if aborting || interrupted {
            piece = Bytes::new();
        } else {
            if piece.is_empty() && self.turn.is_empty() && session.ready.is_empty() {
                // Nothing to send, and nobody else waits: more octets may go into this chunk.
                self.chunk = Some(chunk);
                return None;
            }
            cut = shorten(&mut piece, &chunk.transaction, chunk.tail.octets());
        }
        if let Some(message) = message {
            message.advance(piece.len());
            session.queued = session.queued.saturating_sub(count(piece.len()));
        }
        Some(self.settle(
            chunk,
            [Bytes::new(), piece, Bytes::new()],
            cut,
            session,
            shared,
            now,
        ))
    }

    /// Decides whether a chunk ends behind a piece.
    fn settle(
        &mut self,
        mut chunk: Chunk,
        [head, piece, _]: [Bytes; 3],
        cut: bool,
        session: &mut Session,
        shared: &mut Shared,
        now: Instant,
    ) -> Produced {
        chunk.octets = chunk.octets.saturating_add(piece.len());
        let message = session.outgoing.get(&chunk.number);
        let end = match message.map(|message| (message.state, message)) {
            None | Some((OutgoingState::Aborting | OutgoingState::Ended, _)) => Some(Continuation::Aborted),
            Some((OutgoingState::Open, message)) if message.is_at_end() => Some(Continuation::Complete),
            Some((OutgoingState::Open, message)) => {
                let dry = !message.is_ready();
                let others = !self.turn.is_empty() || !session.ready.is_empty();
                let ends = cut
                    || chunk.octets >= shared.config.chunk_size.get()
                    || !self.urgent.is_empty()
                    || (dry && others);
                if ends { Some(Continuation::More) } else { None }
            }
        };
        let key = chunk.session;
        let tail = if let Some(end) = end {
            self.end(&chunk, end, session, shared, now);
            end_line(&mut shared.buffer, &chunk.transaction, end)
        } else {
            chunk.tail.push(&piece);
            self.chunk = Some(chunk);
            Bytes::new()
        };
        Produced {
            octets: Octets::new([head, piece, tail]),
            session: Some(key),
        }
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
        if let Some(message) = session.outgoing.get_mut(&chunk.number) {
            let counted = message.failure_report == FailureReport::Yes;
            let most = shared.config.limits.unanswered_chunks;
            let expects = match message.failure_report {
                _ if chunk.answered => false,
                FailureReport::Yes => true,
                // Its failure is told if it comes, but nothing waits for it.
                FailureReport::Partial => self.pending.len() < most,
                FailureReport::No => false,
            };
            if end != Continuation::Aborted && expects {
                message.unanswered = message.unanswered.saturating_add(usize::from(counted));
                self.awaited = self.awaited.saturating_add(usize::from(counted));
                let what = Asked::Chunk {
                    session: chunk.session,
                    number: chunk.number,
                    counted,
                };
                self.expect_answer(chunk.transaction, what, shared, now);
            }
            match end {
                Continuation::Aborted => {
                    session.forget(chunk.number);
                }
                Continuation::Complete => {
                    message.state = OutgoingState::Ended;
                    if message.unanswered == 0 {
                        let event = Event::MessageSent {
                            session: chunk.session,
                            message: message.id.clone(),
                        };
                        shared.events.push_back(event);
                        session.forget(chunk.number);
                    }
                }
                Continuation::More => {
                    if message.is_ready() {
                        session.ready.push_back(chunk.number);
                    }
                }
            }
        }
        if !session.ready.is_empty() && !session.in_turn {
            session.in_turn = true;
            self.turn.push_back(chunk.session);
        }
    }

    /// Takes the answer to the chunk that is going out, if it is that; gives its session and message.
    pub(crate) fn answered_early(&mut self, transaction: &TransactionId) -> Option<(SessionKey, u64)> {
        let chunk = self
            .chunk
            .as_mut()
            .filter(|chunk| chunk.transaction == *transaction && !chunk.answered)?;
        chunk.answered = true;
        Some((chunk.session, chunk.number))
    }

    /// Says whether a chunk of that message is going out.
    pub(crate) fn is_sending(&self, number: u64) -> bool {
        self.chunk.as_ref().is_some_and(|chunk| chunk.number == number)
    }
}

impl Tail {
    const fn new() -> Self {
        Self {
            octets: [0; PATTERN],
            length: 0,
        }
    }

    fn octets(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }

    /// Notes octets behind those that are here.
    fn push(&mut self, piece: &[u8]) {
        let piece = piece
            .get(piece.len().saturating_sub(PATTERN)..)
            .unwrap_or_default();
        let excess = self.length.saturating_add(piece.len()).saturating_sub(PATTERN);
        self.octets.copy_within(excess.min(self.length)..self.length, 0);
        self.length = self.length.saturating_sub(excess);
        let end = self.length.saturating_add(piece.len());
        if let Some(place) = self.octets.get_mut(self.length..end) {
            place.copy_from_slice(piece);
            self.length = end;
        }
    }
}

/// One octet less than the longest end-line has without its flag.
const PATTERN: usize = 7 + TransactionId::MAX - 1;

/// Shortens a piece so that the chunk's own end-line is not in its body; says whether it had to.
//= https://www.rfc-editor.org/rfc/rfc4975#section-7.1
//# If the request contains a body, the sender MUST ensure that the end-
//# line (seven hyphens, the transaction identifier, and a continuation
//# flag) is not present in the body.
fn shorten(piece: &mut Bytes, transaction: &TransactionId, tail: &[u8]) -> bool {
    match collision(transaction, tail, piece) {
        // The hyphens may be there, as long as what makes them an end-line is in the next chunk.
        Some(at) => {
            piece.truncate(at);
            true
        }
        None => false,
    }
}

/// Returns how many octets of a piece may go out; all if none.
fn collision(transaction: &TransactionId, tail: &[u8], piece: &[u8]) -> Option<usize> {
    let mut pattern = [b'-'; PATTERN + 1];
    let id = transaction.as_bytes();
    let length = id.len().saturating_add(7);
    pattern.get_mut(7..length)?.copy_from_slice(id);
    let pattern = pattern.get(..length)?;
    if !tail.is_empty() {
        let mut seam = [0; PATTERN + PATTERN];
        let begin = piece.get(..piece.len().min(PATTERN)).unwrap_or_default();
        let end = tail.len().saturating_add(begin.len());
        seam.get_mut(..tail.len())?.copy_from_slice(tail);
        seam.get_mut(tail.len()..end)?.copy_from_slice(begin);
        let seam = seam.get(..end)?;
        if memmem::find(seam, pattern).is_some() {
            return Some(0);
        }
    }
    memmem::find(piece, pattern).map(|at| at.saturating_add(1))
}

/// Writes the end-line of a chunk with a body.
//= https://www.rfc-editor.org/rfc/rfc4975#section-7.1
//# If a body is present, the end-line MUST
//# be preceded by a CRLF that is not part of the body.
fn end_line(out: &mut BytesMut, transaction: &TransactionId, end: Continuation) -> Bytes {
    out.put_slice(b"\r\n");
    codec::end_line(out, transaction, end);
    out.split().freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_what_came_last() {
        for lengths in [
            &[1_usize, 2, 3][..],
            &[38],
            &[37, 2],
            &[10, 40],
            &[100],
            &[20, 20, 20],
        ] {
            let mut tail = Tail::new();
            let mut all = Vec::new();
            for length in lengths {
                let piece: Vec<u8> = (0_u8..).skip(all.len()).take(*length).collect();
                tail.push(&piece);
                all.extend(piece);
            }
            assert_eq!(tail.octets(), &all[all.len().saturating_sub(PATTERN)..]);
        }
    }

    #[test]
    fn collisions_are_found_within_a_piece_and_across_two() {
        let id = TransactionId::new("abcd").unwrap();
        assert_eq!(collision(&id, &[], b"xx-------abcd$"), Some(3));
        assert_eq!(collision(&id, &[], b"xx-------abce$"), None);
        assert_eq!(collision(&id, b"xx-------a", b"bcd$"), Some(0));
        assert_eq!(collision(&id, b"xx-------a", b"bcx$"), None);
    }
}
