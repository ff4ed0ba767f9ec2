//! NOTIFY: what watchers are told, one request at a time, and no more often than configured.

use std::time::Instant;

use bytes::Bytes;
use im_xdm_model::document::access_rules::SubHandling;
use im_xdm_model::document::watcherinfo::{self, WatcherList, WatcherStatus, Watcherinfo};
use sip_im::header::HeaderName;
use sip_im::publication::Resource;
use sip_im::subscription::NotifierState;
use sip_im::{ContentType, Identity, Response, StatusCode};

use super::compose::{compose, unavailable};
use super::subscribe::Subscription;
use super::{Key, PIDF, PRESENCE, Package, Presence, Timer};
use crate::signal::{Destination, OutgoingId, SessionCase, Transmit};

impl Package {
    /// The subtype of the documents.
    pub(super) fn subtype(self) -> &'static str {
        match self {
            Self::Presence => "pidf+xml",
            Self::Watchers => "watcherinfo+xml",
        }
    }
}

impl Presence {
    /// What is watched is another: those who watch it are told, now or when enough time has passed.
    pub(super) fn state_changed(&mut self, user: &Identity, package: Package, now: Instant) {
        let all: Vec<Key> = self.watched.get(user).into_iter().flatten().copied().collect();
        for key in all {
            let Some(found) = self.subscriptions.get_mut(&key) else {
                continue;
            };
            // Those who are put off or turned away politely see no change.
            let sees = matches!(found.ruling.handling, SubHandling::Allow);
            if found.package == package && sees {
                found.notifier.state_changed(now);
                self.follow(key, now);
            }
        }
    }

    /// The time of a subscription has come.
    pub(super) fn subscription_due(&mut self, key: Key, now: Instant) {
        if let Some(found) = self.subscriptions.get_mut(&key) {
            found.armed = None;
            found.notifier.handle_timeout(now);
            self.follow(key, now);
        }
    }

    /// Sends what is due, sets the timer, and forgets what is over.
    pub(super) fn follow(&mut self, key: Key, now: Instant) {
        let Some(found) = self.subscriptions.get(&key) else {
            return;
        };
        if found.notifier.is_notify_due() && found.sent.is_none() {
            self.notify(key, now);
        }
        let Some(found) = self.subscriptions.get_mut(&key) else {
            return;
        };
        if found.notifier.is_drained() {
            return self.forget(key, now);
        }
        let next = found.notifier.poll_timeout();
        if next != found.armed {
            if let Some(before) = found.armed {
                self.timers.remove(&(before, Timer::Subscription(key)));
            }
            if let Some(at) = next {
                self.timers.insert((at, Timer::Subscription(key)));
            }
            found.armed = next;
        }
    }

    fn notify(&mut self, key: Key, now: Instant) {
        let content = self.content(key, now);
        let Some(found) = self.subscriptions.get_mut(&key) else {
            return;
        };
        found.version = found.version.saturating_add(1);
        let content = content.as_ref().map(|(kind, body)| (kind, body.clone()));
        let Ok(request) = found.notifier.notify(content, now) else {
            // An address that cannot be written is no way to tell anybody anything.
            found.notifier.handle_response(None);
            return;
        };
        let id = self.ids.outgoing();
        found.sent = Some(id);
        self.sent.insert(id, key);
        self.transmits.push_back(Transmit::Request {
            id,
            request,
            destination: Destination::Route {
                case: SessionCase::Terminating,
            },
        });
    }

    /// A notification got this answer, or none.
    pub(super) fn notified(&mut self, id: OutgoingId, response: Option<&Response>, now: Instant) {
        let Some(key) = self.sent.remove(&id) else { return };
        // What did not get through on the way is told by whoever was on it, in the place of the watcher's silence.
        let response = response.filter(|response| match response.status() {
            StatusCode::REQUEST_TIMEOUT | StatusCode::SERVER_TIMEOUT => false,
            StatusCode::SERVICE_UNAVAILABLE => response.headers().contains(&HeaderName::RETRY_AFTER),
            _ => true,
        });
        if let Some(found) = self.subscriptions.get_mut(&key) {
            found.sent = None;
            found.notifier.handle_response(response);
            self.follow(key, now);
        }
    }

    /// What a watcher may know now.
    fn content(&self, key: Key, now: Instant) -> Option<(ContentType, Bytes)> {
        let found = self.subscriptions.get(&key)?;
        // RFC 5025 3.2.1: who waits, and who is shown out, is shown no document.
        if found.is_pending() || found.notifier.state() == NotifierState::Terminated("rejected") {
            return None;
        }
        match found.package {
            Package::Presence => {
                let document = if found.ruling.handling == SubHandling::Allow {
                    let resource = Resource::new(found.user.clone(), PRESENCE);
                    let mut published = self.compositor.published(&resource).peekable();
                    if published.peek().is_some() {
                        found.ruling.view.of_presence(compose(&found.resource, published))
                    } else {
                        unavailable(&found.resource)
                    }
                } else {
                    unavailable(&found.resource)
                };
                Some((ContentType::parse(PIDF).ok()?, document.write()))
            }
            Package::Watchers => {
                let kind = ContentType::new("application", found.package.subtype()).ok()?;
                Some((kind, self.watchers(found, now).write()))
            }
        }
    }

    /// Who watches, in full: a document that does not name a watcher says that there is none.
    fn watchers(&self, subscription: &Subscription, now: Instant) -> Watcherinfo {
        let mut list = WatcherList::new(subscription.resource.clone(), PRESENCE);
        let keys = self.watched.get(&subscription.user).into_iter().flatten();
        for found in keys.filter_map(|key| self.subscriptions.get(key)) {
            if found.package != Package::Presence {
                continue;
            }
            let status = if found.is_pending() {
                WatcherStatus::Pending
            } else {
                WatcherStatus::Active
            };
            let mut watcher =
                watcherinfo::Watcher::new(found.id.clone(), found.watcher.uri.clone(), status, found.because);
            watcher.duration_subscribed = Some(now.saturating_duration_since(found.since).as_secs());
            list.watchers.push(watcher);
        }
        let mut info = Watcherinfo::new(subscription.version);
        info.lists.push(list);
        info
    }
}
