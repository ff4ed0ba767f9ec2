//! What is taken back of what waits: because its sender is gone, or the connection is.

use bytes::Bytes;

use super::{Outbox, Urgent};
use crate::codec::Continuation;
use crate::relay::LinkKey;
use crate::relay::lane::{Item, PartHead};
use crate::relay::transaction::{Forwarded, Transactions};

/// What was given up of a lane.
#[derive(Debug, Default)]
pub(in crate::relay) struct GivenUp {
    /// The parts that have not gone out whole, and how much of each has.
    pub(in crate::relay) parts: Vec<(PartHead, u64)>,
    /// How much less waits.
    pub(in crate::relay) freed: usize,
}

/// What waited for a connection that is gone.
#[derive(Debug, Default)]
pub(in crate::relay) struct Drained {
    /// Messages, by the connection that they came on.
    pub(in crate::relay) lanes: Vec<(LinkKey, GivenUp)>,
    /// What other requests cost to keep, by the connection that they came on.
    pub(in crate::relay) requests: Vec<(LinkKey, usize)>,
    /// What responses and reports of this relay's own cost to keep.
    pub(in crate::relay) own: usize,
    /// What the requests were.
    pub(in crate::relay) unsent: Vec<Forwarded>,
}

impl Outbox {
    /// Empties a lane. A message of which a part has gone out is ended with `#`.
    pub(in crate::relay) fn give_up(&mut self, from: LinkKey) -> GivenUp {
        let Some(lane) = self.lanes.get_mut(&from) else {
            return GivenUp::default();
        };
        let mut parts = Vec::new();
        let mut freed = 0;
        let speaking = self.speaking == Some(from);
        if let Some(current) = &lane.current {
            parts.push((current.head.clone(), current.sent));
        }
        while let Some(item) = lane.pop(&mut freed) {
            if let Item::Head(head) = item {
                parts.push((head, 0));
            }
        }
        lane.held = Bytes::new();
        if lane.current.is_some() {
            // The receiver has a part of it, and learns that no more follows.
            let cost = lane.push(Item::End(Continuation::Aborted));
            freed = freed.saturating_sub(cost);
            if !speaking && !lane.in_turn {
                lane.in_turn = true;
                self.turns.push_back(from);
            }
        }
        GivenUp { parts, freed }
    }

    /// Forgets a lane in which nothing waits: says whether that is so.
    pub(in crate::relay) fn forget(&mut self, from: LinkKey) -> bool {
        let idle = self.speaking != Some(from)
            && self
                .lanes
                .get(&from)
                .is_none_or(|lane| lane.items.is_empty() && lane.current.is_none() && lane.held.is_empty());
        if idle {
            self.lanes.remove(&from);
        }
        idle
    }

    /// Notes that the connection of a lane is gone.
    pub(in crate::relay) fn orphan(&mut self, from: LinkKey) {
        if !self.forget(from)
            && let Some(lane) = self.lanes.get_mut(&from)
        {
            lane.orphan = true;
        }
    }

    /// Whose messages wait, or have begun.
    pub(in crate::relay) fn lanes(&self) -> Vec<LinkKey> {
        self.lanes.keys().copied().collect()
    }

    /// Takes everything that waits, when the connection is gone.
    pub(in crate::relay) fn drain(&mut self, transactions: &mut Transactions) -> Drained {
        let mut drained = Drained::default();
        for from in self.lanes() {
            let chunk = self
                .lanes
                .get(&from)
                .and_then(|lane| lane.current.as_ref()?.chunk.as_ref());
            if let Some(chunk) = chunk {
                transactions.give_up(&chunk.transaction);
            }
            let mut given_up = self.give_up(from);
            let rest = self.lanes.get(&from).map_or(0, |lane| lane.octets);
            given_up.freed = given_up.freed.saturating_add(rest);
            drained.lanes.push((from, given_up));
        }
        self.speaking = None;
        self.lanes.clear();
        self.turns.clear();
        for urgent in self.urgent.drain(..) {
            let cost = urgent.octets.len().saturating_add(size_of::<Urgent>());
            match urgent.from {
                Some(from) => drained.requests.push((from, cost)),
                None => drained.own = drained.own.saturating_add(cost),
            }
            if let Some(forwarded) = urgent.asks.and_then(|id| transactions.give_up(&id)) {
                drained.unsent.push(forwarded);
            }
        }
        self.urgent_octets = 0;
        drained
    }
}
