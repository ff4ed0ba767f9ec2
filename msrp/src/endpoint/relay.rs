//! Relays that act for this end (RFC 4976): paths through them, and the connections that carry their sessions.

use std::time::{Duration, Instant};

use thiserror::Error;

use super::{Endpoint, Event, OpenId, SessionKey};
use crate::codec::Head;
use crate::connection::Authority;
use crate::connection::shared::Timer;
use crate::connection::transaction::Asked;
use crate::relay::client::{Access, Enlisting, Failure, Progress};
use crate::{ConnectionId, StatusCode, Uri};

/// Names a path through relays; never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RelayKey(pub(crate) u64);

/// Why no relay is asked.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum EnlistError {
    /// There are too many connections, or paths through relays.
    #[error("too many relays")]
    TooMany,
    /// There is no relay to ask.
    #[error("no relay")]
    NoRelay,
}

/// A path through relays, while it is asked for and while it is there.
#[derive(Debug)]
pub(super) struct Enlisted {
    client: Enlisting,
    pub(super) link: RelayLink,
    /// The path, once it is there.
    pub(super) path: Vec<Uri>,
    /// The sessions that take it.
    sessions: Vec<SessionKey>,
    /// When it is renewed.
    renewal: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RelayLink {
    Opening(OpenId),
    Open(ConnectionId),
}

impl Endpoint {
    /// Asks relays for a path of this end's; [`Event::RelayReady`] or [`Event::RelayFailed`] follows. `local` is the URI
    /// of the session that the path is for, as [`Endpoint::mint_uri`] makes it: each path is for one session.
    ///
    /// The path is renewed before it expires, for as long as it is not [dismissed](Endpoint::dismiss).
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when there is no relay to ask, or there is too much already.
    pub fn enlist(&mut self, access: Access, local: Uri, now: Instant) -> Result<RelayKey, EnlistError> {
        let first = access.relays.first().ok_or(EnlistError::NoRelay)?;
        let authority = Authority::of_relay(first);
        let limits = self.shared.config.limits;
        if self.relays.len() >= limits.sessions || !self.may_connect(&authority) {
            return Err(EnlistError::TooMany);
        }
        let key = RelayKey(self.shared.number());
        let link = self.connect_relay(authority);
        let enlisted = Enlisted {
            client: Enlisting::new(access, local),
            link,
            path: Vec::new(),
            sessions: Vec::new(),
            renewal: None,
        };
        self.relays.insert(key, enlisted);
        if let RelayLink::Open(connection) = link {
            self.watch_unused(connection, now);
            self.ask_relay(key);
        }
        Ok(key)
    }

    /// Lets go of a path; sessions that use it lose their way.
    pub fn dismiss(&mut self, relay: RelayKey, now: Instant) {
        if let Some(enlisted) = self.relays.remove(&relay) {
            self.let_go(&enlisted, relay, now);
        }
    }

    /// The path through relays as `To-Path` has it, the nearest first; empty while it is not there.
    ///
    /// What goes into SDP is the same in the opposite order, and this end's URI behind it.
    pub fn relay_path(&self, relay: RelayKey) -> &[Uri] {
        self.relays.get(&relay).map_or(&[], |enlisted| &enlisted.path)
    }

    /// Whether a connection was asked for on account of relays.
    pub(super) fn relays_wait_for(&self, open: OpenId) -> bool {
        !self.relays_on(RelayLink::Opening(open)).is_empty()
    }

    /// A connection that was asked for is there.
    pub(super) fn relays_opened(&mut self, open: OpenId, id: ConnectionId) {
        for key in self.relays_on(RelayLink::Opening(open)) {
            if let Some(enlisted) = self.relays.get_mut(&key) {
                enlisted.link = RelayLink::Open(id);
            }
            self.ask_relay(key);
        }
    }

    pub(super) fn relays_not_opened(&mut self, open: OpenId, now: Instant) {
        for key in self.relays_on(RelayLink::Opening(open)) {
            self.relay_failed(key, Failure::OpenFailed, now);
        }
    }

    pub(super) fn relays_lost(&mut self, id: ConnectionId, now: Instant) {
        for key in self.relays_on(RelayLink::Open(id)) {
            self.relay_failed(key, Failure::ConnectionLost, now);
        }
    }

    /// Whether anything of a connection's is for relays.
    pub(super) fn is_for_relay(&self, id: ConnectionId) -> bool {
        self.relays
            .values()
            .any(|enlisted| enlisted.link == RelayLink::Open(id))
    }

    fn relays_on(&self, link: RelayLink) -> Vec<RelayKey> {
        let here = self.relays.iter().filter(|(_, enlisted)| enlisted.link == link);
        here.map(|(key, _)| *key).collect()
    }

    /// Asks the relay whose turn it is.
    pub(super) fn ask_relay(&mut self, key: RelayKey) {
        let transaction = self.shared.mint_transaction();
        let random = self.shared.random();
        let Some(enlisted) = self.relays.get_mut(&key) else {
            return;
        };
        let RelayLink::Open(connection) = enlisted.link else {
            return;
        };
        let request = enlisted.client.request(self.shared.room(), &transaction, random);
        if let Some(octets) = request {
            self.push(connection, octets, Some((transaction, Asked::Auth(key))));
        }
    }

    /// A relay has answered.
    pub(super) fn relay_answered(&mut self, key: RelayKey, head: &Head, status: StatusCode, now: Instant) {
        let Some(enlisted) = self.relays.get_mut(&key) else {
            return;
        };
        let limit = self.shared.config.limits.path;
        match enlisted.client.answered(head, status) {
            Progress::Again => self.ask_relay(key),
            Progress::Failed(failure) => self.relay_failed(key, failure, now),
            Progress::Done if enlisted.client.path().len() > limit => {
                self.relay_failed(key, Failure::Malformed, now);
            }
            Progress::Done => {
                enlisted.path = enlisted.client.path().to_vec();
                let path = enlisted.path.clone();
                let lifetime = enlisted.client.lifetime();
                if let Some(lifetime) = lifetime {
                    let at = now + renewed_after(lifetime);
                    enlisted.renewal = Some(at);
                    self.shared.set(at, Timer::Renew(key));
                }
                // What was given before is good for a while yet, but what is sent from now on has the longer life.
                let sessions = &mut self.sessions;
                enlisted
                    .sessions
                    .retain(|session| match sessions.get_mut(session) {
                        Some(session) => {
                            session.set_relay_path(path.clone());
                            true
                        }
                        None => false,
                    });
                self.shared.events.push_back(Event::RelayReady {
                    relay: key,
                    path,
                    lifetime,
                });
            }
        }
    }

    /// A relay has not answered.
    pub(super) fn relay_silent(&mut self, key: RelayKey, now: Instant) {
        self.relay_failed(key, Failure::Timeout, now);
    }

    /// Asks for a path again, before it expires.
    pub(super) fn renew(&mut self, key: RelayKey) {
        if let Some(enlisted) = self.relays.get_mut(&key) {
            enlisted.renewal = None;
            enlisted.client.restart();
            self.ask_relay(key);
        }
    }

    fn relay_failed(&mut self, key: RelayKey, reason: Failure, now: Instant) {
        if let Some(enlisted) = self.relays.remove(&key) {
            self.let_go(&enlisted, key, now);
            self.shared
                .events
                .push_back(Event::RelayFailed { relay: key, reason });
        }
    }

    fn let_go(&mut self, enlisted: &Enlisted, key: RelayKey, now: Instant) {
        self.shared.unset(enlisted.renewal, Timer::Renew(key));
        if let RelayLink::Open(connection) = enlisted.link {
            self.watch_unused(connection, now);
        }
    }

    /// The connection of a path that is there.
    pub(super) fn usable_relay(&self, key: RelayKey) -> Option<ConnectionId> {
        let enlisted = self
            .relays
            .get(&key)
            .filter(|enlisted| !enlisted.path.is_empty())?;
        match enlisted.link {
            RelayLink::Open(connection) => Some(connection),
            RelayLink::Opening(_) => None,
        }
    }

    /// Lets a session take a path.
    pub(super) fn use_relay(&mut self, session: SessionKey, key: RelayKey) {
        if let Some(enlisted) = self.relays.get_mut(&key)
            && let Some(own) = self.sessions.get_mut(&session)
        {
            enlisted.sessions.retain(|other| *other != session);
            enlisted.sessions.push(session);
            own.set_relay_path(enlisted.path.clone());
        }
    }
}

/// After how much of its lifetime a path is renewed.
fn renewed_after(lifetime: Duration) -> Duration {
    let margin = (lifetime / 10).max(Duration::from_secs(30)).min(lifetime / 2);
    lifetime.saturating_sub(margin)
}
