//! The dialogs that pass through, so that nobody sends inside one that is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sip_im::{Method, Request};

use crate::message;

/// A dialog by its Call-ID and the tag of the one who opened it, which both directions carry.
type Key = (String, String);

/// What is remembered of a dialog.
#[derive(Clone, Copy, Debug)]
struct Entry {
    until: Instant,
    /// Whether the one who opened it does not want to be named.
    hidden: bool,
    /// Whether an INVITE opened it: then a subscription inside it is not all that it is for.
    session: bool,
}

/// A request that belongs to a known dialog.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Admission {
    /// Whether its sender does not want to be named, without saying so again in each request.
    pub(super) hidden: bool,
}

/// Bounded memory of open dialogs.
#[derive(Debug)]
pub(super) struct Dialogs {
    max: usize,
    entries: BTreeMap<Key, Entry>,
    deadlines: BTreeSet<(Instant, Key)>,
}

impl Dialogs {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            entries: BTreeMap::new(),
            deadlines: BTreeSet::new(),
        }
    }

    /// Remembers the dialog that a request is about to form; `None` when there is no room, or else whether it was not known before.
    /// One side may use a Call-ID and a tag for several dialogs, which are remembered as one.
    pub(super) fn open(
        &mut self,
        request: &Request,
        hidden: bool,
        now: Instant,
        idle: Duration,
    ) -> Option<bool> {
        let key = opener(request)?;
        let before = self.entries.get(&key).copied();
        if before.is_none() && self.entries.len() >= self.max {
            return None;
        }
        let session = before.is_some_and(|entry| entry.session) || *request.method() == Method::Invite;
        self.put(
            key,
            Entry {
                until: message::after(now, idle),
                hidden,
                session,
            },
        );
        Some(before.is_none())
    }

    /// Finds the dialog that a request belongs to, which then is remembered for longer.
    pub(super) fn admit(&mut self, request: &Request, now: Instant, idle: Duration) -> Option<Admission> {
        let key = self.find(request)?;
        let Entry { hidden, session, .. } = *self.entries.get(&key)?;
        let by_opener = message::from_tag(request).as_deref() == Some(key.1.as_str());
        self.put(
            key,
            Entry {
                until: message::after(now, idle),
                hidden,
                session,
            },
        );
        Some(Admission {
            hidden: hidden && by_opener,
        })
    }

    /// Forgets the dialog that a request ends, now that it is answered. The end of a subscription that shares the dialog of a session,
    /// as a REFER inside it makes, is not the session's (RFC 5057 4.1).
    pub(super) fn end(&mut self, request: &Request) {
        let session = self
            .find(request)
            .and_then(|key| self.entries.get(&key))
            .is_some_and(|entry| entry.session);
        if message::ends_dialog(request) && (*request.method() == Method::Bye || !session) {
            self.forget(request);
        }
    }

    /// Forgets the dialog that a request belongs to or would have formed.
    pub(super) fn forget(&mut self, request: &Request) {
        if let Some(key) = self.find(request)
            && let Some(entry) = self.entries.remove(&key)
        {
            self.deadlines.remove(&(entry.until, key));
        }
    }

    /// Whether a request belongs to a dialog that is remembered.
    pub(super) fn has(&self, request: &Request) -> bool {
        self.find(request).is_some()
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
            self.entries.remove(&key);
        }
    }

    fn find(&self, request: &Request) -> Option<Key> {
        let call_id = message::call_id(request)?;
        [message::from_tag(request), message::to_tag(request)]
            .into_iter()
            .flatten()
            .map(|tag| (call_id.clone(), tag))
            .find(|key| self.entries.contains_key(key))
    }

    fn put(&mut self, key: Key, entry: Entry) {
        if let Some(before) = self.entries.insert(key.clone(), entry) {
            self.deadlines.remove(&(before.until, key.clone()));
        }
        self.deadlines.insert((entry.until, key));
    }
}

fn opener(request: &Request) -> Option<Key> {
    Some((message::call_id(request)?, message::from_tag(request)?))
}
