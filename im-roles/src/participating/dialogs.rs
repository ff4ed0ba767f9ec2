//! The dialogs that pass through, so that nobody sends inside one that is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sip_im::Request;

use crate::message;

/// A dialog by its Call-ID and the tag of the one who opened it, which both directions carry.
type Key = (String, String);

/// Bounded memory of open dialogs.
#[derive(Debug)]
pub(super) struct Dialogs {
    max: usize,
    expiries: BTreeMap<Key, Instant>,
    deadlines: BTreeSet<(Instant, Key)>,
}

impl Dialogs {
    pub(super) fn new(max: usize) -> Self {
        Self { max, expiries: BTreeMap::new(), deadlines: BTreeSet::new() }
    }

    /// Remembers the dialog that a request is about to form; `false` when there is no room.
    pub(super) fn open(&mut self, request: &Request, now: Instant, idle: Duration) -> bool {
        let Some(key) = opener(request) else { return false };
        if !self.expiries.contains_key(&key) && self.expiries.len() >= self.max {
            return false;
        }
        self.touch(key, message::after(now, idle));
        true
    }

    /// Whether a request belongs to a known dialog, which then is remembered for longer.
    pub(super) fn admit(&mut self, request: &Request, now: Instant, idle: Duration) -> bool {
        let Some(key) = self.find(request) else { return false };
        self.touch(key, message::after(now, idle));
        true
    }

    /// Forgets the dialog that a request belongs to or would have formed.
    pub(super) fn forget(&mut self, request: &Request) {
        if let Some(key) = self.find(request)
            && let Some(at) = self.expiries.remove(&key)
        {
            self.deadlines.remove(&(at, key));
        }
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((at, key)) = self.deadlines.pop_first() {
            if at > now {
                self.deadlines.insert((at, key));
                break;
            }
            self.expiries.remove(&key);
        }
    }

    fn find(&self, request: &Request) -> Option<Key> {
        let call_id = message::call_id(request)?;
        [message::from_tag(request), message::to_tag(request)]
            .into_iter()
            .flatten()
            .map(|tag| (call_id.clone(), tag))
            .find(|key| self.expiries.contains_key(key))
    }

    fn touch(&mut self, key: Key, at: Instant) {
        if let Some(before) = self.expiries.insert(key.clone(), at) {
            self.deadlines.remove(&(before, key.clone()));
        }
        self.deadlines.insert((at, key));
    }
}

fn opener(request: &Request) -> Option<Key> {
    Some((message::call_id(request)?, message::from_tag(request)?))
}
