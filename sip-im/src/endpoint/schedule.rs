//! Every deadline of an endpoint.
//!
//! The timers of transactions have few different durations, so those of one duration stand in a queue in the order in which they are
//! due: arming one puts it at the end, and the first to be due is at the front of one of a dozen queues. Whatever does not fit (the
//! expiry of a session, a keep-alive at a random interval) is in a heap.
//!
//! A timer that is disarmed stays in its queue, since most would have to be looked for, and is passed over when it comes to the
//! front; what stands at a front is always armed. When more than two thirds are disarmed ones, they are swept out.

use core::cmp::Reverse;
use core::hash::BuildHasherDefault;
use core::time::Duration;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Instant;

use super::Config;
use super::event::{ClientTransaction, ServerTransaction};
use crate::flow::FlowId;
use crate::session::{InviteId, SessionId};
use crate::transaction::NumberHasher;

/// The timers of a client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum ClientTimer {
    /// Timer A or E: the request is sent again (RFC 3261 section 17.1).
    Repeat,
    /// Timer B or F: no answer came (RFC 3261 section 17.1).
    Timeout,
    /// Timer D, K or M: nothing more is awaited (RFC 3261 section 17.1, RFC 6026).
    Linger,
    /// Timer C (RFC 3261 section 16.6), then 64*T1 after a CANCEL (section 9.1).
    Patience,
}

/// The timers of a server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum ServerTimer {
    /// The user is slow, so a 100 (Trying) is due (RFC 3261 section 17.2.1, RFC 4320 section 4.1).
    Trying,
    /// Timer G, or the next repetition of a 2xx (RFC 3261 section 13.3.1.4): the response is sent again.
    Repeat,
    /// Timer H, or 64*T1 after a 2xx: no ACK came.
    Acknowledge,
    /// Timer I, J or L, or 64*T1 without a response to a non-INVITE request: nothing more is awaited.
    Linger,
}

/// The timers of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum FlowTimer {
    /// `Config::flow_idle`.
    Idle,
    /// `Config::message_timeout`.
    Message,
    /// The next keep-alive (RFC 5626 section 4.4).
    KeepAlive,
    /// `Config::pong_timeout`.
    Pong,
}

/// What a deadline is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Key {
    Client(ClientTransaction, ClientTimer),
    Server(ServerTransaction, ServerTimer),
    Flow(FlowId, FlowTimer),
    /// The earliest of a session.
    Session(SessionId),
    /// The Expires of an INVITE.
    Invite(InviteId),
}

/// Nanoseconds since the first timer was armed; the last one that there is stands for never.
type Ticks = u64;

const NEVER: Ticks = u64::MAX;

/// One timer, armed or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: Ticks,
    key: Key,
}

/// When a timer is due, and in which queue it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    at: Ticks,
    lane: u8,
}

impl Due {
    const NEVER: Self = Self { at: NEVER, lane: 0 };
}

/// The four timers of a transaction.
#[derive(Clone, Copy, Debug)]
struct Timers {
    at: [Ticks; 4],
    lane: [u8; 4],
    /// Which of those that have had the place it belongs to.
    generation: u32,
}

impl Timers {
    const NONE: Self = Self {
        at: [NEVER; 4],
        lane: [0; 4],
        generation: 0,
    };
}

/// Queues, with the heap behind them.
const LANES: usize = 16;
const HEAP: usize = LANES - 1;

/// So many disarmed timers may stand about whatever the number of armed ones is.
const SLACK: usize = 1024;

/// Every deadline of an endpoint, in order.
#[derive(Debug)]
pub(super) struct Schedule {
    epoch: Option<Instant>,
    /// The duration of each queue.
    waits: [Ticks; HEAP],
    /// When the first of each queue and of the heap is due.
    fronts: [Ticks; LANES],
    queues: [VecDeque<Entry>; HEAP],
    heap: BinaryHeap<Reverse<Entry>>,
    /// By the place of the transaction in its table.
    clients: Vec<Timers>,
    servers: Vec<Timers>,
    others: HashMap<Key, Due, BuildHasherDefault<NumberHasher>>,
    armed: usize,
    disarmed: usize,
}

impl Schedule {
    pub(super) fn new(config: &Config) -> Self {
        let timers = &config.timers;
        let mut waits = [NEVER; HEAP];
        let doubled = core::iter::successors(Some(timers.t1), |wait| Some(wait.saturating_mul(2)));
        let durations = [
            timers.transaction(),
            timers.d(false),
            timers.network(false),
            timers.non_invite_trying(),
            timers.trying,
            timers.t2,
        ];
        let others = [
            config.flow_idle,
            config.message_timeout,
            config.pong_timeout,
            timers.c,
        ];
        let durations = durations
            .into_iter()
            .chain(doubled.take(6))
            .chain(others)
            .filter_map(nanos);
        for wait in durations {
            if !waits.contains(&wait)
                && let Some(place) = waits.iter_mut().find(|place| **place == NEVER)
            {
                *place = wait;
            }
        }
        Self {
            epoch: None,
            waits,
            fronts: [NEVER; LANES],
            queues: Default::default(),
            heap: BinaryHeap::new(),
            clients: Vec::new(),
            servers: Vec::new(),
            others: HashMap::default(),
            armed: 0,
            disarmed: 0,
        }
    }

    /// Arms a timer, anew if it is armed. One whose end lies beyond what the endpoint can tell, in 584 years, never fires.
    pub(super) fn arm(&mut self, key: Key, now: Instant, after: Duration) {
        let at = self.ticks(now, after);
        let old = self.due(key);
        if old.at == at {
            return;
        }
        self.drop_due(key, old);
        if at == NEVER {
            return;
        }
        let wait = nanos(after).unwrap_or(NEVER);
        let entry = Entry { at, key };
        let lane = self.waits.iter().position(|lane| *lane == wait);
        // A host whose clock goes back gets its timers all the same.
        let queue = lane
            .and_then(|lane| Some((lane, self.queues.get_mut(lane)?)))
            .filter(|(_, queue)| queue.back().is_none_or(|last| last.at <= at));
        let lane = if let Some((lane, queue)) = queue {
            queue.push_back(entry);
            lane
        } else {
            self.heap.push(Reverse(entry));
            HEAP
        };
        if let Some(front) = self.fronts.get_mut(lane) {
            *front = at.min(*front);
        }
        let lane = u8::try_from(lane).unwrap_or(u8::MAX);
        self.set(key, Due { at, lane });
        self.armed = self.armed.saturating_add(1);
    }

    pub(super) fn disarm(&mut self, key: Key) {
        let due = self.due(key);
        self.drop_due(key, due);
    }

    fn drop_due(&mut self, key: Key, due: Due) {
        if due.at == NEVER {
            return;
        }
        self.set(key, Due::NEVER);
        self.armed = self.armed.saturating_sub(1);
        self.disarmed = self.disarmed.saturating_add(1);
        let lane = usize::from(due.lane);
        if self.fronts.get(lane).is_some_and(|front| *front == due.at) {
            self.tidy(lane);
        }
        if self.disarmed > self.armed.saturating_mul(2).saturating_add(SLACK) {
            self.sweep();
        }
    }

    pub(super) fn is_armed(&self, key: Key) -> bool {
        self.due(key).at != NEVER
    }

    pub(super) fn disarm_client(&mut self, id: ClientTransaction) {
        for timer in [
            ClientTimer::Repeat,
            ClientTimer::Timeout,
            ClientTimer::Linger,
            ClientTimer::Patience,
        ] {
            self.disarm(Key::Client(id, timer));
        }
    }

    pub(super) fn disarm_server(&mut self, id: ServerTransaction) {
        for timer in [
            ServerTimer::Trying,
            ServerTimer::Repeat,
            ServerTimer::Acknowledge,
            ServerTimer::Linger,
        ] {
            self.disarm(Key::Server(id, timer));
        }
    }

    pub(super) fn disarm_flow(&mut self, flow: FlowId) {
        for timer in [
            FlowTimer::Idle,
            FlowTimer::Message,
            FlowTimer::KeepAlive,
            FlowTimer::Pong,
        ] {
            self.disarm(Key::Flow(flow, timer));
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        let at = self.first();
        if at == NEVER {
            return None;
        }
        self.epoch?.checked_add(Duration::from_nanos(at))
    }

    /// Takes the first timer that is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Key> {
        let at = self.first();
        if at == NEVER || self.epoch.is_none_or(|epoch| now < epoch) || at > self.ticks(now, Duration::ZERO) {
            return None;
        }
        let lane = self.fronts.iter().position(|front| *front == at)?;
        let entry = if lane == HEAP {
            self.heap.pop().map(|Reverse(entry)| entry)
        } else {
            self.queues.get_mut(lane)?.pop_front()
        };
        let key = entry?.key;
        self.set(key, Due::NEVER);
        self.armed = self.armed.saturating_sub(1);
        self.tidy(lane);
        Some(key)
    }

    pub(super) fn len(&self) -> usize {
        self.armed
    }

    /// Drops the disarmed timers at the front of a queue.
    fn tidy(&mut self, lane: usize) {
        let front = loop {
            let front = match self.queues.get(lane) {
                Some(queue) => queue.front(),
                None => self.heap.peek().map(|Reverse(entry)| entry),
            };
            match front.copied() {
                None => break NEVER,
                Some(entry) if self.is_live(entry, lane) => break entry.at,
                Some(_) => {}
            }
            match self.queues.get_mut(lane) {
                Some(queue) => {
                    queue.pop_front();
                }
                None => {
                    self.heap.pop();
                }
            }
            self.disarmed = self.disarmed.saturating_sub(1);
        };
        if let Some(place) = self.fronts.get_mut(lane) {
            *place = front;
        }
    }

    /// Drops all disarmed timers.
    fn sweep(&mut self) {
        let mut queues = core::mem::take(&mut self.queues);
        for (lane, queue) in queues.iter_mut().enumerate() {
            queue.retain(|entry| self.is_live(*entry, lane));
            queue.shrink_to(queue.len().saturating_mul(2).max(SLACK));
        }
        let mut heap = core::mem::take(&mut self.heap);
        heap.retain(|Reverse(entry)| self.is_live(*entry, HEAP));
        let kept = queues
            .iter()
            .map(VecDeque::len)
            .fold(heap.len(), usize::saturating_add);
        (self.queues, self.heap) = (queues, heap);
        self.disarmed = kept.saturating_sub(self.armed);
    }

    fn is_live(&self, entry: Entry, lane: usize) -> bool {
        let due = self.due(entry.key);
        due.at == entry.at && usize::from(due.lane) == lane
    }

    fn first(&self) -> Ticks {
        self.fronts.iter().copied().fold(NEVER, Ticks::min)
    }

    fn due(&self, key: Key) -> Due {
        let of = |table: &[Timers], place: usize, generation: u32, timer: usize| {
            let timers = table
                .get(place)
                .filter(|timers| timers.generation == generation)?;
            Some(Due {
                at: *timers.at.get(timer)?,
                lane: *timers.lane.get(timer)?,
            })
        };
        let due = match key {
            Key::Client(id, timer) => of(&self.clients, id.place(), id.generation(), timer as usize),
            Key::Server(id, timer) => of(&self.servers, id.place(), id.generation(), timer as usize),
            other => self.others.get(&other).copied(),
        };
        due.unwrap_or(Due::NEVER)
    }

    fn set(&mut self, key: Key, due: Due) {
        let (table, place, generation, timer) = match key {
            Key::Client(id, timer) => (&mut self.clients, id.place(), id.generation(), timer as usize),
            Key::Server(id, timer) => (&mut self.servers, id.place(), id.generation(), timer as usize),
            other if due.at == NEVER => {
                self.others.remove(&other);
                return;
            }
            other => {
                self.others.insert(other, due);
                return;
            }
        };
        if place >= table.len() {
            table.resize(place.saturating_add(1), Timers::NONE);
        }
        let Some(timers) = table.get_mut(place) else {
            return;
        };
        if timers.generation != generation {
            // Whoever had the place before has disarmed its timers.
            *timers = Timers {
                generation,
                ..Timers::NONE
            };
        }
        if let (Some(at), Some(lane)) = (timers.at.get_mut(timer), timers.lane.get_mut(timer)) {
            (*at, *lane) = (due.at, due.lane);
        }
    }

    fn ticks(&mut self, now: Instant, after: Duration) -> Ticks {
        let epoch = *self.epoch.get_or_insert(now);
        match now.checked_duration_since(epoch) {
            Some(since) => since.checked_add(after).and_then(nanos).unwrap_or(NEVER),
            // The host's clock went back behind the first timer.
            None => nanos(after.saturating_sub(epoch.saturating_duration_since(now))).unwrap_or(NEVER),
        }
    }
}

fn nanos(duration: Duration) -> Option<Ticks> {
    let seconds = duration.as_secs().checked_mul(1_000_000_000)?;
    let nanos = seconds.checked_add(u64::from(duration.subsec_nanos()))?;
    (nanos < NEVER).then_some(nanos)
}

#[cfg(test)]
mod tests;
