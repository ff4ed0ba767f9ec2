//! One session.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::{Config, Limits, SessionConfig};
use crate::connection::outgoing::{Outbox, Outgoing, OutgoingState};
use crate::connection::receive::{Assembly, Coverage};
use crate::connection::report::path_lines;
use crate::connection::transaction::Owed;
use crate::header::content::ContentType;
use crate::header::{FailureReport, Headers};
use crate::{ConnectionId, MessageId, StatusCode, Uri};

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) config: SessionConfig,
    /// The path through this end's relays.
    pub(crate) relay_path: Vec<Uri>,
    /// Whether the peer's path was told, not only inferred from what it sends.
    pub(crate) path_told: bool,
    pub(crate) link: Link,
    pub(crate) bind_deadline: Option<Instant>,
    /// Whether it ends once everything has gone out and is answered.
    pub(crate) closing: bool,
    /// The `To-Path` and `From-Path` lines of its requests.
    pub(crate) paths: Bytes,
    /// Who has sent last.
    pub(crate) sender: Option<Box<Sender>>,
    /// Messages on their way out.
    pub(crate) outbox: Outbox,
    /// Whether the session is in the list of turns of its connection.
    pub(crate) in_turn: bool,
    /// Octets that wait to be sent.
    pub(crate) queued: u64,
    pub(crate) inbox: Inbox,
    /// Requests that wait for the parent, the oldest first.
    pub(crate) owed: VecDeque<Owed>,
    pub(crate) owed_timer: Option<Instant>,
}

/// What a session has received and sent, as far as one that comes in its place goes on with it.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// Messages that have begun to arrive, each with what stands for its identifier.
    open: Vec<(u64, Box<Incoming>)>,
    /// Octets of them that are held here.
    pub(crate) gathered: u64,
    pub(crate) received: Remembered,
    /// The messages that were sent last, so that reports on them are recognised.
    sent: Remembered,
}

/// Who sends in a session: what does not change from request to request.
#[derive(Debug)]
pub(crate) struct Sender {
    /// Its `From-Path`, as written; none if that is written like the path that was told.
    pub(crate) from: Option<Box<[Uri]>>,
    /// The path lines of responses to its SEND requests.
    pub(crate) response: Bytes,
    /// The path lines of what goes all the way back to it.
    pub(crate) report: Bytes,
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
    pub(crate) id: MessageId,
    pub(crate) content_type: Option<ContentType>,
    /// Its first head, until the parent is given it.
    pub(crate) headers: Option<Box<Headers>>,
    pub(crate) wants: Wants,
    /// The path lines of a report to its sender.
    pub(crate) report: Bytes,
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

/// What the sender of a message wants to know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Wants {
    pub(crate) success: bool,
    pub(crate) failure: FailureReport,
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
    Complete(Wants),
    Refused(StatusCode),
}

/// The messages that have arrived last, so that chunks that come again are recognised.
#[derive(Debug, Default)]
pub(crate) struct Remembered(Option<Box<Ring>>);

/// What is remembered; most idle sessions have nothing of it.
#[derive(Debug, Default)]
struct Ring {
    /// What stands for their identifiers, and for each a status and what its sender wants to know. Once there are as many
    /// as may be, the oldest gives way.
    digests: Vec<u64>,
    notes: Vec<u16>,
    oldest: usize,
    /// Digests with the same last bits make a chain: for each of those where the newest of them is, counted from 1, and for
    /// each digest where the next older one is.
    newest: Vec<u32>,
    older: Vec<u32>,
}

const SUCCESS: u16 = 1 << 10;
const FAILURE: u16 = 1 << 11;

impl Remembered {
    pub(crate) fn get(&self, digest: u64) -> Option<Verdict> {
        let ring = self.0.as_ref()?;
        let note = *ring.notes.get(ring.place_of(digest)?)?;
        let status = StatusCode::new(note & (SUCCESS - 1))?;
        if status != StatusCode::OK {
            return Some(Verdict::Refused(status));
        }
        let failure = if note & FAILURE == 0 {
            FailureReport::No
        } else {
            FailureReport::Yes
        };
        Some(Verdict::Complete(Wants {
            success: note & SUCCESS != 0,
            failure,
        }))
    }

    /// Notes what became of a message that is not here yet.
    pub(crate) fn insert(&mut self, digest: u64, verdict: Verdict, most: usize) {
        let note = match verdict {
            // A message that is refused with a success is complete for its sender.
            Verdict::Refused(status) => status.code(),
            Verdict::Complete(wants) => {
                let success = if wants.success { SUCCESS } else { 0 };
                let failure = if wants.failure == FailureReport::No {
                    0
                } else {
                    FAILURE
                };
                StatusCode::OK.code() | success | failure
            }
        };
        let ring = self.0.get_or_insert_default();
        if ring.digests.len() < most.max(1) {
            ring.digests.push(digest);
            ring.notes.push(note);
            ring.older.push(0);
            if ring.digests.len() > ring.newest.len() {
                ring.index();
            } else {
                ring.link(ring.digests.len().saturating_sub(1));
            }
            return;
        }
        if ring.oldest >= ring.digests.len() {
            ring.oldest = 0;
        }
        ring.unlink(ring.oldest);
        if let (Some(own), Some(own_note)) =
            (ring.digests.get_mut(ring.oldest), ring.notes.get_mut(ring.oldest))
        {
            (*own, *own_note) = (digest, note);
        }
        ring.link(ring.oldest);
        ring.oldest = ring.oldest.saturating_add(1);
    }
}

impl Ring {
    /// Which chain a digest belongs to. Nobody can choose the last bits of digests, so that chains are short.
    fn chain(&self, digest: u64) -> usize {
        let last = self.newest.len().saturating_sub(1);
        usize::try_from(digest & u64::try_from(last).unwrap_or(0)).unwrap_or(0)
    }

    fn place_of(&self, digest: u64) -> Option<usize> {
        let mut at = *self.newest.get(self.chain(digest))?;
        while let Some(place) = place(at) {
            if *self.digests.get(place)? == digest {
                return Some(place);
            }
            at = *self.older.get(place)?;
        }
        None
    }

    /// Makes the newest of its chain of a digest.
    fn link(&mut self, place: usize) {
        let chain = self.digests.get(place).map_or(0, |digest| self.chain(*digest));
        if let (Some(newest), Some(older)) = (self.newest.get_mut(chain), self.older.get_mut(place)) {
            *older = *newest;
            *newest = u32::try_from(place).map_or(0, |place| place.saturating_add(1));
        }
    }

    /// Takes the oldest of all out of its chain, where it is the last.
    fn unlink(&mut self, oldest: usize) {
        let chain = self.digests.get(oldest).map_or(0, |digest| self.chain(*digest));
        let mut link = self.newest.get_mut(chain);
        while let Some(at) = link {
            match place(*at) {
                Some(place) if place != oldest => link = self.older.get_mut(place),
                _ => {
                    *at = 0;
                    return;
                }
            }
        }
    }

    /// Makes chains for twice as many, and puts all digests into them, the oldest first.
    fn index(&mut self) {
        self.newest = vec![0; self.digests.len().saturating_mul(2).next_power_of_two()];
        for place in 0..self.digests.len() {
            self.link(place);
        }
    }
}

/// Where a digest is of which it is told counted from 1.
fn place(at: u32) -> Option<usize> {
    usize::try_from(at).ok()?.checked_sub(1)
}

impl Inbox {
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn get(&self, digest: u64) -> Option<&Incoming> {
        self.open
            .iter()
            .find(|(own, _)| *own == digest)
            .map(|(_, incoming)| &**incoming)
    }

    pub(crate) fn get_mut(&mut self, digest: u64) -> Option<&mut Incoming> {
        self.open
            .iter_mut()
            .find(|(own, _)| *own == digest)
            .map(|(_, incoming)| &mut **incoming)
    }

    /// Finds a message by its identifier.
    pub(crate) fn find(&mut self, id: &str) -> Option<(u64, &mut Incoming)> {
        self.open
            .iter_mut()
            .find(|(_, incoming)| incoming.id.as_bytes() == id.as_bytes())
            .map(|(digest, incoming)| (*digest, &mut **incoming))
    }

    pub(crate) fn insert(&mut self, digest: u64, incoming: Incoming) {
        self.open.push((digest, Box::new(incoming)));
    }

    /// Takes a message out; returns how many octets of it were held.
    pub(crate) fn remove(&mut self, digest: u64) -> u64 {
        let Some(place) = self.open.iter().position(|(own, _)| *own == digest) else {
            return 0;
        };
        let (_, incoming) = self.open.swap_remove(place);
        if self.open.is_empty() && self.open.capacity() > 8 {
            self.open = Vec::new();
        }
        let held = incoming.store.octets();
        self.gathered = self.gathered.saturating_sub(held);
        held
    }

    /// Returns the message that has been silent longest among those that still arrive.
    pub(crate) fn silent(&self) -> Option<(u64, MessageId)> {
        self.open
            .iter()
            .filter(|(_, incoming)| !incoming.complete)
            .min_by_key(|(_, incoming)| incoming.touched)
            .map(|(digest, incoming)| (*digest, incoming.id.clone()))
    }

    /// Gives all messages that have not arrived, in the order of their last chunks.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = MessageId> {
        let mut open = std::mem::take(&mut self.open);
        self.gathered = 0;
        open.sort_unstable_by_key(|(_, incoming)| incoming.touched);
        open.into_iter()
            .filter(|(_, incoming)| !incoming.complete)
            .map(|(_, incoming)| incoming.id.clone())
    }

    /// Forgets the requests that can no longer be answered. What the parent has been given is not to come again, even if
    /// it has not said yet what it makes of it.
    pub(crate) fn interrupt(&mut self, most: usize) {
        for (digest, mut incoming) in std::mem::take(&mut self.open) {
            if incoming.complete {
                let verdict = Verdict::Complete(incoming.wants);
                self.received.insert(digest, verdict, most);
            } else {
                incoming.owed = 0;
                self.open.push((digest, incoming));
            }
        }
    }

    pub(crate) fn has_sent(&self, digest: u64) -> bool {
        self.sent.get(digest).is_some()
    }

    fn note_sent(&mut self, digest: u64, most: usize) {
        let wants = Wants {
            success: true,
            failure: FailureReport::Yes,
        };
        self.sent.insert(digest, Verdict::Complete(wants), most);
    }
}

impl Session {
    pub(crate) fn new(config: SessionConfig, link: Link, inbox: Inbox) -> Self {
        let mut session = Self {
            path_told: !config.remote_path.is_empty(),
            relay_path: Vec::new(),
            config,
            link,
            bind_deadline: None,
            closing: false,
            paths: Bytes::new(),
            sender: None,
            outbox: Outbox::default(),
            in_turn: false,
            queued: 0,
            inbox,
            owed: VecDeque::new(),
            owed_timer: None,
        };
        session.write_paths();
        session
    }

    /// Sets the relays on the way to the peer.
    pub(crate) fn set_relay_path(&mut self, path: Vec<Uri>) {
        self.relay_path = path;
        self.write_paths();
    }

    /// The most octets of a body in one chunk.
    pub(crate) fn chunk_size(&self, config: &Config) -> usize {
        let size = config.chunk_size.get();
        if self.relay_path.is_empty() && self.config.remote_path.len() < 2 {
            size
        } else {
            size.min(config.relayed_chunk_size.get())
        }
    }

    /// Sets the way to the peer.
    pub(crate) fn set_remote_path(&mut self, path: Vec<Uri>) {
        self.config.remote_path = path;
        self.write_paths();
    }

    fn write_paths(&mut self) {
        //= https://www.rfc-editor.org/rfc/rfc4976#section-5.1
        //# To form the To-Path header for outgoing
        //# requests, the client takes the list of URIs in the Use-Path header
        //# after the outermost authentication and appends the list of URIs
        //# provided in the path attribute in the peer's session description.
        let to = [&*self.relay_path, &*self.config.remote_path].concat();
        self.paths = path_lines(&to, &self.config.local);
    }

    pub(crate) fn insert(&mut self, number: u64, digest: u64, message: Outgoing) {
        self.queued = self.queued.saturating_add(message.queued());
        self.outbox.insert(number, digest, message);
    }

    /// Drops a message on its way out. Reports on it are still recognised.
    pub(crate) fn retire(&mut self, number: u64, limits: &Limits) -> Option<Outgoing> {
        let (digest, message) = self.outbox.remove(number)?;
        self.queued = self.queued.saturating_sub(message.queued());
        let may_be_reported = message.success_report || message.failure_report != FailureReport::No;
        if message.begun && may_be_reported {
            self.inbox.note_sent(digest, limits.remembered_messages);
        }
        Some(message)
    }

    /// Notes that a message has gone out and nothing more decides about it; it is dropped once nothing more is heard.
    pub(crate) fn sent(&mut self, number: u64, limits: &Limits) {
        match self.outbox.get_mut(number) {
            Some(message) if message.unheard > 0 => message.state = OutgoingState::Sent,
            _ => {
                self.retire(number, limits);
            }
        }
    }

    /// Says whether nothing keeps it from ending.
    pub(crate) fn is_idle(&self) -> bool {
        self.outbox.is_settled() && self.owed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_that_came_are_remembered() {
        for most in [1, 2, 7, 64] {
            let mut remembered = Remembered::default();
            // Few chains, so that many digests share one.
            let digest = |number: u64| (number % 3) | (number << 32);
            for number in 0..300 {
                assert_eq!(remembered.get(digest(number)), None);
                let verdict = Verdict::Refused(StatusCode::BAD_REQUEST);
                remembered.insert(digest(number), verdict, most);
                for other in 0..=number {
                    let is_here = usize::try_from(number - other).unwrap() < most;
                    assert_eq!(remembered.get(digest(other)), is_here.then_some(verdict));
                }
            }
        }
    }
}
