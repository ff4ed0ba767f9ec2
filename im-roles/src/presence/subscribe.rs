//! SUBSCRIBE: who watches whom, and whether he may (RFC 3856, 3857).

use std::time::Instant;

use im_xdm_model::document::access_rules::SubHandling;
use im_xdm_model::document::watcherinfo::WatcherEvent;
use sip_im::dialog::DialogId;
use sip_im::header::{Accept, AcceptEncoding, Event as EventHeader, RetryAfter};
use sip_im::identity::anonymous_uri;
use sip_im::subscription::{Notifier, NotifierConfig};
use sip_im::{Identity, Method, Request, StatusCode, Uri};

use super::rules::{Question, Ruling, Subscribe};
use super::{Event, Key, Package, Presence, Timer, is_coded};
use crate::message;
use crate::signal::{IncomingId, Origin, OutgoingId};

/// One subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) notifier: Notifier,
    pub(super) package: Package,
    /// Who is watched.
    pub(super) user: Identity,
    /// The address that was subscribed to, which the documents are about.
    pub(super) resource: String,
    pub(super) watcher: Watcher,
    pub(super) ruling: Ruling,
    /// What the watchers' watchers know it by.
    pub(super) id: String,
    /// What brought it where it is.
    pub(super) because: WatcherEvent,
    pub(super) since: Instant,
    /// The version of the next document about watchers.
    pub(super) version: u64,
    /// The NOTIFY under way; there is one at a time, so that they arrive in order.
    pub(super) sent: Option<OutgoingId>,
    /// Its timer.
    pub(super) armed: Option<Instant>,
}

impl Subscription {
    /// Whether somebody watches himself.
    pub(super) fn is_own(&self) -> bool {
        self.watcher.is(&self.user)
    }

    /// Whether the user has yet to say whether he wants to be watched.
    pub(super) fn is_pending(&self) -> bool {
        self.ruling.handling == SubHandling::Confirm
    }
}

/// Who watches.
#[derive(Clone, Debug)]
pub(super) struct Watcher {
    /// All his addresses that are vouched for.
    pub(super) identities: Vec<Identity>,
    /// What others are shown.
    pub(super) uri: String,
    pub(super) anonymous: bool,
}

impl Watcher {
    fn of(origin: &Origin) -> Self {
        let originator = &origin.originator;
        let identities = match &origin.user {
            Some(user) => vec![user.clone()],
            None => originator.identities.iter().map(Uri::identity).collect(),
        };
        let uri = match originator.uri() {
            Some(uri) if !originator.anonymous => uri.to_string(),
            _ => anonymous_uri().to_string(),
        };
        Self {
            identities,
            uri,
            anonymous: originator.anonymous,
        }
    }

    fn is(&self, user: &Identity) -> bool {
        self.identities.contains(user)
    }
}

impl Presence {
    /// A SUBSCRIBE that begins a subscription.
    pub(super) fn subscribe(&mut self, id: IncomingId, request: Request, origin: &Origin, now: Instant) {
        let package = match request.headers().get::<EventHeader>() {
            Err(error) => return self.refuse(id, &request, origin, error.status()),
            Ok(_) => Package::of(&request),
        };
        let Some(package) = package else {
            return self.refuse(id, &request, origin, StatusCode::BAD_EVENT);
        };
        match request.headers().get::<Accept>() {
            Err(error) => return self.refuse(id, &request, origin, error.status()),
            Ok(Some(accept)) if !accept.accepts_type("application", package.subtype()) => {
                return self.refuse(id, &request, origin, StatusCode::NOT_ACCEPTABLE);
            }
            Ok(_) => {}
        }
        if is_coded(&request) {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return self.refuse_with(id, &request, origin, status, |builder| {
                builder.header_typed(&AcceptEncoding::new(["identity"]))
            });
        }
        let user = self.aliases.fold(&message::target(&request));
        let of_user = self.watched.get(&user).map_or(0, std::collections::BTreeSet::len);
        if self.shutting_down
            || self.subscriptions.len() >= self.config.limits.max_presence_subscriptions
            || of_user >= self.config.limits.max_watchers
        {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return self.refuse_with(id, &request, origin, status, |builder| {
                builder.header_typed(&RetryAfter::new(RETRY_AFTER))
            });
        }
        let watcher = Watcher::of(origin);
        let own = watcher.is(&user);
        let subscribe = Subscribe {
            id,
            request,
            origin: origin.clone(),
            watcher,
        };
        match package {
            _ if own => self.admit(subscribe, &user, Ruling::own(), now),
            Package::Presence => self.ask(Question::Subscribe(Box::new(subscribe)), user, 0, now),
            //= https://www.rfc-editor.org/rfc/rfc3857#section-4.6
            //# It is RECOMMENDED that user A be allowed to subscribe to their own
            //# watcher information for any package.
            Package::Watchers => self.refuse(
                subscribe.id,
                &subscribe.request,
                &subscribe.origin,
                StatusCode::FORBIDDEN,
            ),
        }
    }

    /// Lets somebody watch, as far as the rules say.
    pub(super) fn admit(&mut self, subscribe: Subscribe, user: &Identity, ruling: Ruling, now: Instant) {
        let Subscribe {
            id,
            request,
            origin,
            watcher,
        } = subscribe;
        let Some(package) = Package::of(&request).filter(|_| ruling.handling != SubHandling::Block) else {
            return self.refuse(id, &request, &origin, StatusCode::FORBIDDEN);
        };
        let mut config = NotifierConfig::default();
        config.min_interval = self.config.limits.notify_interval;
        let tag = self.token();
        let (mut notifier, response) = match Notifier::accept(&request, &tag, &self.contact(), &config, now) {
            Ok(accepted) => accepted,
            Err(refused) => {
                self.tell(Event::Refused {
                    from: origin.user.clone(),
                    user: user.clone(),
                    status: refused.status,
                });
                return self.respond(id, refused.response(&request).to_tag(&tag).build().ok());
            }
        };
        let pending = ruling.handling == SubHandling::Confirm;
        if pending {
            notifier.set_pending();
        }
        self.respond(id, Some(response));
        self.tell(Event::Watched {
            user: user.clone(),
            watcher: watcher.uri.clone(),
            package: package.name(),
            pending,
        });
        self.last_key = self.last_key.wrapping_add(1);
        let key = Key(self.last_key);
        self.dialogs.insert(notifier.id().clone(), key);
        self.watched.entry(user.clone()).or_default().insert(key);
        let because = if pending || ruling.handling == SubHandling::PoliteBlock {
            WatcherEvent::Subscribe
        } else {
            WatcherEvent::Approved
        };
        let name = self.token();
        self.subscriptions.insert(
            key,
            Subscription {
                notifier,
                package,
                user: user.clone(),
                resource: request.uri().without_parameters().to_string(),
                watcher,
                ruling,
                id: name,
                because,
                since: now,
                version: 0,
                sent: None,
                armed: None,
            },
        );
        self.follow(key, now);
        if package == Package::Presence {
            self.state_changed(user, Package::Watchers, now);
        }
    }

    /// A request in the dialog of a subscription.
    pub(super) fn take_in_dialog(&mut self, id: IncomingId, request: &Request, now: Instant) {
        let key =
            DialogId::of_incoming_request(request).and_then(|dialog| self.dialogs.get(&dialog).copied());
        let found = key.and_then(|key| Some((key, self.subscriptions.get_mut(&key)?)));
        let Some((key, found)) = found else {
            let status = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
            return self.respond(id, message::refusal(request, status, None, &self.config.domain));
        };
        if *request.method() != Method::Subscribe {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            let allow = sip_im::header::Allow::new([Method::Subscribe]);
            return self.respond(id, request.response(status).header_typed(&allow).build().ok());
        }
        match found.notifier.refresh(request, now) {
            Ok(response) => {
                let user = found.user.clone();
                let asks = found.package == Package::Presence && !found.is_own();
                self.respond(id, Some(response));
                self.follow(key, now);
                if asks && self.subscriptions.contains_key(&key) {
                    // What the rules say may depend on the time.
                    self.ask(Question::Renewed(key), user, 0, now);
                }
            }
            Err(refused) => {
                let response = refused.response(request).build();
                self.respond(id, response.ok());
            }
        }
    }

    /// What the rules say of one who watches already.
    ///
    //= https://www.rfc-editor.org/rfc/rfc5025#section-3.2.1
    //# If the <sub-handling> permission changes value to "block", this
    //# causes a "rejected" event to be generated into the subscription state
    //# machine for all affected subscriptions.
    pub(super) fn take_ruling(&mut self, key: Key, ruling: Ruling, now: Instant) {
        if ruling.handling == SubHandling::Block {
            return self.end(key, "rejected", now);
        }
        let Some(found) = self.subscriptions.get_mut(&key) else {
            return;
        };
        let before = std::mem::replace(&mut found.ruling, ruling);
        let (was_pending, is_pending) = (before.handling == SubHandling::Confirm, found.is_pending());
        if was_pending == is_pending {
            if before.handling != found.ruling.handling || before.view != found.ruling.view {
                found.notifier.state_changed(now);
            }
        } else if is_pending {
            found.because = WatcherEvent::Subscribe;
            found.notifier.set_pending();
            found.notifier.state_changed(now);
        } else {
            found.because = WatcherEvent::Approved;
            found.notifier.activate();
        }
        if was_pending != is_pending {
            let news = Event::Watched {
                user: found.user.clone(),
                watcher: found.watcher.uri.clone(),
                package: found.package.name(),
                pending: is_pending,
            };
            let user = found.user.clone();
            self.tell(news);
            self.state_changed(&user, Package::Watchers, now);
        }
        self.follow(key, now);
    }

    /// Ends a subscription for a reason of RFC 6665 section 4.1.3.
    pub(super) fn end(&mut self, key: Key, reason: &'static str, now: Instant) {
        if let Some(found) = self.subscriptions.get_mut(&key) {
            found.notifier.terminate(reason);
            self.follow(key, now);
        }
    }

    /// Forgets a subscription that is over.
    pub(super) fn forget(&mut self, key: Key, now: Instant) {
        let Some(found) = self.subscriptions.remove(&key) else {
            return;
        };
        self.dialogs.remove(found.notifier.id());
        if let Some(at) = found.armed {
            self.timers.remove(&(at, Timer::Subscription(key)));
        }
        if let Some(keys) = self.watched.get_mut(&found.user) {
            keys.remove(&key);
            if keys.is_empty() {
                self.watched.remove(&found.user);
            }
        }
        self.tell(Event::Left {
            user: found.user.clone(),
            watcher: found.watcher.uri.clone(),
            package: found.package.name(),
        });
        if found.package == Package::Presence {
            self.state_changed(&found.user, Package::Watchers, now);
        }
    }
}

/// What a 503 asks a watcher to wait, in seconds.
const RETRY_AFTER: u32 = 30;
