//! The client's deadlines.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::event::SessionKey;
use super::publishing::PublicationKey;
use super::watching::WatchKey;

/// What is due.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Timer {
    /// The registration is to be renewed (RFC 3261 10.2.4), or tried again.
    Register,
    /// The stream is to be kept alive (RFC 5626 4.4.1).
    KeepAlive,
    /// The connection is to be opened again (RFC 5626 4.5).
    Reconnect,
    /// The subscription to a conference's state is to be renewed (RFC 6665 4.1.2.2), or made again.
    Subscription(SessionKey),
    /// What is published is to be renewed, or published again.
    Publication(PublicationKey),
    /// A subscription is to be renewed, or made again.
    Watch(WatchKey),
}

/// One ordered set of deadlines, at most one for each timer.
#[derive(Debug, Default)]
pub(super) struct Timers {
    ordered: BTreeSet<(Instant, Timer)>,
    set: BTreeMap<Timer, Instant>,
}

impl Timers {
    /// Sets a timer, in place of what it was set to. One beyond the end of time is not set.
    pub(super) fn set(&mut self, timer: Timer, after: Duration, now: Instant) {
        self.clear(timer);
        if let Some(at) = now.checked_add(after) {
            self.ordered.insert((at, timer));
            self.set.insert(timer, at);
        }
    }

    pub(super) fn clear(&mut self, timer: Timer) {
        if let Some(at) = self.set.remove(&timer) {
            self.ordered.remove(&(at, timer));
        }
    }

    pub(super) fn clear_all(&mut self) {
        self.ordered.clear();
        self.set.clear();
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.ordered.first().map(|(at, _)| *at)
    }

    /// Takes a timer that is due.
    pub(super) fn due(&mut self, now: Instant) -> Option<Timer> {
        let (at, timer) = *self.ordered.first()?;
        if at > now {
            return None;
        }
        self.clear(timer);
        Some(timer)
    }
}
