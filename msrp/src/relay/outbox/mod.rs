//! What waits to be sent on one connection, and the chunks that it becomes when it is pulled.
//!
//! What one connection has sent for another waits in a lane of its own, in order. Lanes take turns, a chunk each, so
//! that no sender waits for another one's large message; a chunk is interrupted for responses and reports, and when
//! its sender has nothing more at hand while others have. A part that is cut goes on in a chunk of its own, with the
//! byte range that is its.

mod withdraw;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memmem::Finder;

use super::LinkKey;
use super::config::Config;
use super::lane::{Chunk, Current, Item, Lane};
use super::transaction::{Forwarded, Transactions};
use crate::codec::{self, Continuation};
use crate::connection::end_line::{Tail, without_end_line};
use crate::connection::receive::count;
use crate::connection::send::{put_end_line, put_range};
use crate::endpoint::Octets;
use crate::header::FailureReport;
use crate::{Entropy, Method, TransactionId};

/// What goes out on one connection.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    urgent: VecDeque<Urgent>,
    urgent_octets: usize,
    lanes: BTreeMap<LinkKey, Lane>,
    /// Lanes with something to send, in the order of their turns.
    turns: VecDeque<LinkKey>,
    /// The lane whose chunk is being sent.
    speaking: Option<LinkKey>,
    /// Chunks that wait for a 200.
    awaited: usize,
    /// Chunks that only a failure is answered of.
    partial: usize,
    pub(super) blocked: bool,
    /// Whether it is in the list of those that may have something to send.
    pub(super) listed: bool,
}

/// A response, a report or another whole request.
#[derive(Debug)]
struct Urgent {
    octets: Bytes,
    /// Whose it is, if it was forwarded.
    from: Option<LinkKey>,
    /// The request that it is, if an answer is waited for.
    asks: Option<TransactionId>,
}

/// What one pull gave.
#[derive(Debug)]
pub(super) struct Produced {
    pub(super) octets: Octets,
    /// Whether a message ends here.
    pub(super) ends: bool,
    /// Whose octets these were, if they were forwarded.
    pub(super) from: Option<LinkKey>,
    /// How much less waits.
    pub(super) freed: usize,
}

/// What is needed to make octets, beside what waits.
pub(super) struct Tools<'a> {
    pub(super) config: &'a Config,
    /// Finds what end-lines begin with.
    pub(super) dashes: &'a Finder<'static>,
    pub(super) buffer: &'a mut BytesMut,
    pub(super) entropy: &'a mut Entropy,
    pub(super) transactions: &'a mut Transactions,
}

impl Outbox {
    /// Queues a response, a report or another whole request.
    pub(super) fn push_urgent(
        &mut self,
        octets: Bytes,
        from: Option<LinkKey>,
        asks: Option<TransactionId>,
    ) -> usize {
        let cost = octets.len().saturating_add(size_of::<Urgent>());
        self.urgent_octets = self.urgent_octets.saturating_add(cost);
        self.urgent.push_back(Urgent { octets, from, asks });
        cost
    }

    /// How many octets of responses, reports and whole requests wait.
    pub(super) fn urgent_octets(&self) -> usize {
        self.urgent_octets
    }

    /// Queues a piece of what `from` sends here; says what it costs to keep it, and whether the lane is new.
    pub(super) fn push(&mut self, from: LinkKey, item: Item) -> (usize, bool) {
        let new = !self.lanes.contains_key(&from);
        let speaking = self.speaking == Some(from);
        let lane = self.lanes.entry(from).or_default();
        let cost = lane.push(item);
        if !lane.in_turn && !speaking && lane.is_ready() {
            lane.in_turn = true;
            self.turns.push_back(from);
        }
        (cost, new)
    }

    /// How many octets of what `from` has sent wait here.
    pub(super) fn waiting_from(&self, from: LinkKey) -> usize {
        self.lanes.get(&from).map_or(0, |lane| lane.octets)
    }

    /// Whether enough waits for pieces to be copied out of the buffers in which they came.
    pub(super) fn is_backed_up(&self, from: LinkKey) -> bool {
        self.blocked
            || self
                .lanes
                .get(&from)
                .is_some_and(|lane| lane.items.len() > LANE_KEEPS)
    }

    /// Whether nothing waits that was sent on this connection's own account, or could be.
    pub(super) fn is_flushed(&self) -> bool {
        self.urgent.is_empty() && self.speaking.is_none() && self.turns.is_empty()
    }

    /// Whether anything waits at all.
    pub(super) fn has_waiting(&self) -> bool {
        !self.is_flushed()
    }

    /// Notes that an answer has come, or will not come any more.
    pub(super) fn settled(&mut self, what: &Forwarded) {
        if let Forwarded::Chunk { failure_report, .. } = what {
            let counter = if *failure_report == FailureReport::Yes {
                &mut self.awaited
            } else {
                &mut self.partial
            };
            *counter = counter.saturating_sub(1);
        }
    }

    /// Makes what goes out next; none if there is nothing or it has to wait.
    pub(super) fn produce(&mut self, out: LinkKey, tools: &mut Tools<'_>, now: Instant) -> Option<Produced> {
        if self.blocked {
            return None;
        }
        if let Some(from) = self.speaking {
            return self.go_on(from, tools, now);
        }
        if let Some(urgent) = self.urgent.pop_front() {
            let cost = urgent.octets.len().saturating_add(size_of::<Urgent>());
            self.urgent_octets = self.urgent_octets.saturating_sub(cost);
            if let Some(id) = urgent.asks {
                tools
                    .transactions
                    .sent(&id, 0, now + tools.config.response_timeout);
            }
            return Some(Produced {
                octets: urgent.octets.into(),
                ends: true,
                from: urgent.from,
                freed: cost,
            });
        }
        if self.awaited >= tools.config.limits.unanswered_per_connection {
            return None;
        }
        while let Some(from) = self.turns.pop_front() {
            let Some(lane) = self.lanes.get_mut(&from) else {
                continue;
            };
            lane.in_turn = false;
            if lane.is_ready() {
                return self.begin(from, out, tools, now);
            }
        }
        None
    }

    /// Begins a chunk.
    fn begin(
        &mut self,
        from: LinkKey,
        out: LinkKey,
        tools: &mut Tools<'_>,
        now: Instant,
    ) -> Option<Produced> {
        let lane = self.lanes.get_mut(&from)?;
        let mut freed = 0;
        if lane.current.is_none() {
            let Some(Item::Head(head)) = lane.pop(&mut freed) else {
                return None;
            };
            lane.current = Some(Current {
                head,
                sent: 0,
                chunk: None,
            });
        }
        let most = tools
            .config
            .interrupt_size
            .get()
            .min(tools.config.chunk_size.get());
        let known = lane.known_length(most);
        let current = lane.current.as_mut()?;
        let head = &current.head;
        //= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.1
        //# For the sake of consistency, a Byte-Range header
        //# field referring to nonexistent or zero-length content MUST still have
        //# a range-start value of 1.
        let start = match known {
            Some(0) => 1,
            _ => head
                .range
                .map_or(1, |range| range.start)
                .saturating_add(current.sent),
        };
        let total = head.range.and_then(|range| range.total);
        let watches = match head.failure_report {
            FailureReport::Yes => true,
            FailureReport::Partial => self.partial < tools.config.limits.unanswered_per_connection,
            FailureReport::No => false,
        };
        let what = watches.then(|| Forwarded::Chunk {
            origin: head.origin.clone(),
            message: head.message.clone(),
            failure_report: head.failure_report,
            start,
            octets: 0,
            total,
        });
        //= https://www.rfc-editor.org/rfc/rfc4976#section-6.4
        //# Since transact-id values are not allowed to conflict on a given
        //# connection, a relay will generally need to construct a new transact-
        //# id value for any request that it forwards.
        let (transaction, _) = tools.transactions.begin(what, out, tools.entropy);
        let buffer = &mut *tools.buffer;
        codec::request_line(buffer, &transaction, &Method::Send);
        let (before, behind) = head
            .text
            .split_at_checked(head.split)
            .unwrap_or((&head.text, &[]));
        buffer.put_slice(before);
        //= https://www.rfc-editor.org/rfc/rfc4976#section-6.4.1
        //# If the MSRP relay has knowledge of the byte range that it will
        //# transmit to the next hop, it SHOULD update the Byte-Range header in
        //# the SEND request appropriately.
        if head.has_body {
            let end = known.map(|length| start.saturating_add(count(length)).saturating_sub(1));
            buffer.put_slice(b"Byte-Range: ");
            put_range(buffer, start, end, total);
            buffer.put_slice(b"\r\n");
        } else if let Some(range) = &head.range {
            codec::header(buffer, range);
        }
        buffer.put_slice(behind);
        current.chunk = Some(Chunk {
            transaction,
            octets: 0,
            tail: Tail::new(),
        });
        if head.has_body {
            buffer.put_slice(b"\r\n");
        }
        let text = buffer.split().freeze();
        self.speaking = Some(from);
        self.piece(from, text, freed, tools, now)
    }

    /// Goes on with a chunk, or ends it.
    fn go_on(&mut self, from: LinkKey, tools: &mut Tools<'_>, now: Instant) -> Option<Produced> {
        let Some(lane) = self.lanes.get(&from) else {
            self.speaking = None;
            return None;
        };
        let dry = lane.items.is_empty();
        if dry && self.urgent.is_empty() && self.turns.is_empty() {
            return None;
        }
        self.piece(from, Bytes::new(), 0, tools, now)
    }

    /// Gives the next piece of the chunk that is being sent, behind its head if that goes out now, and its end-line if
    /// it ends here.
    fn piece(
        &mut self,
        from: LinkKey,
        head: Bytes,
        mut freed: usize,
        tools: &mut Tools<'_>,
        now: Instant,
    ) -> Option<Produced> {
        let others = !self.urgent.is_empty() || !self.turns.is_empty();
        //= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.1
        //# SEND requests larger than 2048 octets MUST be interrupted if the
        //# sender needs to send pending responses or REPORT requests.
        let interrupted = head.is_empty() && !self.urgent.is_empty();
        let lane = self.lanes.get_mut(&from)?;
        let mut current = lane.current.take()?;
        let mut chunk = current.chunk.take()?;
        let room = tools.config.chunk_size.get().saturating_sub(chunk.octets);
        let most = if interrupted || !current.head.has_body {
            0
        } else {
            tools.config.interrupt_size.get().min(room)
        };
        let mut body = if most > 0 {
            lane.take_body(most, &mut freed)
        } else {
            Bytes::new()
        };
        let length = without_end_line(tools.dashes, &chunk.transaction, chunk.tail.octets(), &body);
        let cut = length < body.len();
        if cut {
            lane.put_back(body.split_off(length), &mut freed);
        }
        chunk.octets = chunk.octets.saturating_add(body.len());
        current.sent = current.sent.saturating_add(count(body.len()));
        let end = match lane.items.front() {
            Some(Item::End(end)) if !cut => Some((*end, true)),
            Some(_) if cut || interrupted || chunk.octets >= tools.config.chunk_size.get() => {
                Some((Continuation::More, false))
            }
            // The sender has nothing at hand, others have.
            None if others || chunk.octets >= tools.config.chunk_size.get() => {
                Some((Continuation::More, false))
            }
            _ => None,
        };
        let Some((end, complete)) = end else {
            chunk.tail.push(&body);
            current.chunk = Some(chunk);
            lane.current = Some(current);
            return Some(Produced {
                octets: Octets::new([head, body, Bytes::new()]),
                ends: false,
                from: Some(from),
                freed,
            });
        };
        let has_body = current.head.has_body;
        let failure_report = current.head.failure_report;
        if complete {
            lane.pop(&mut freed);
        } else {
            lane.current = Some(current);
        }
        let again = lane.is_ready();
        lane.in_turn = again;
        if lane.orphan && lane.items.is_empty() {
            self.lanes.remove(&from);
        } else if again {
            self.turns.push_back(from);
        } else if lane.items.is_empty() && lane.items.capacity() > LANE_KEEPS {
            lane.items = VecDeque::new();
        }
        self.speaking = None;
        if end == Continuation::Aborted {
            tools.transactions.give_up(&chunk.transaction);
        } else {
            let due = now + tools.config.response_timeout;
            if tools
                .transactions
                .sent(&chunk.transaction, count(chunk.octets), due)
            {
                let counter = if failure_report == FailureReport::Yes {
                    &mut self.awaited
                } else {
                    &mut self.partial
                };
                *counter = counter.saturating_add(1);
            }
        }
        put_end_line(tools.buffer, &chunk.transaction, end, has_body);
        let tail = tools.buffer.split().freeze();
        Some(Produced {
            octets: Octets::new([head, body, tail]),
            ends: true,
            from: Some(from),
            freed,
        })
    }
}

/// How many pieces an empty lane keeps memory for.
const LANE_KEEPS: usize = 256;
