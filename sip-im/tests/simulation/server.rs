//! The user, or server, who is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use sip_im::auth::{self, Authenticator, Verdict};
use sip_im::dialog::{Dialog, DialogId};
use sip_im::digest::Ha1;
use sip_im::endpoint::{ClientTransaction, Event, ServerTransaction, Target};
use sip_im::header::{Authorization, WwwAuthenticate};
use sip_im::publication::{self, Compositor, Package};
use sip_im::refer::{self, Recipient};
use sip_im::registration::{self, Registrar};
use sip_im::subscription::{Notifier, NotifierConfig};
use sip_im::{FlowId, Method, Request, Response, StatusCode, Transport};

use super::{Ledger, respond};
use crate::machines::{Pair, entropy, uri};

/// Who is told of something.
enum Watcher {
    Subscription(Box<Notifier>),
    Reference(Box<Recipient>),
}

pub(crate) struct Server {
    pub(super) ledger: Ledger,
    target: Target,
    authenticator: Authenticator,
    registrar: Registrar,
    compositor: Compositor,
    watchers: BTreeMap<u32, Watcher>,
    next_watcher: u32,
    /// NOTIFYs that are under way: whose.
    notifying: BTreeMap<ClientTransaction, u32>,
    dialogs: BTreeMap<DialogId, Dialog>,
    calls: BTreeMap<ServerTransaction, DialogId>,
    /// What was taken in, by Call-ID and number.
    taken: BTreeSet<String>,
}

impl Server {
    pub(super) fn new(seed: u64, pair: &Pair) -> Self {
        let mut config = publication::Config::default();
        config.packages = vec![Package::new("presence", ["application/pidf+xml"])];
        Self {
            ledger: Ledger::default(),
            target: pair.target(0, Transport::Udp),
            authenticator: Authenticator::new(auth::Config::new("a.test"), entropy(seed ^ 1)),
            registrar: Registrar::new(registration::Config::default()),
            compositor: Compositor::new(config, entropy(seed ^ 2)),
            watchers: BTreeMap::new(),
            next_watcher: 0,
            notifying: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            calls: BTreeMap::new(),
            taken: BTreeSet::new(),
        }
    }

    pub(super) fn on(&mut self, event: &Event, pair: &mut Pair) {
        match event {
            Event::RequestReceived {
                transaction, request, ..
            } => self.asked(*transaction, request, pair),
            // The caller has not heard of it, or has gone: the session ends.
            Event::AckTimedOut { transaction } => {
                let dialog = self
                    .calls
                    .remove(transaction)
                    .and_then(|id| self.dialogs.remove(&id));
                if let Some(mut dialog) = dialog {
                    let bye = dialog.request(Method::Bye).build().expect("a bye");
                    self.ledger
                        .send(&mut pair.ends[1].endpoint, bye, &self.target, pair.now);
                }
            }
            _ => {
                let Some((id, response)) = self.ledger.end(event) else {
                    return;
                };
                if let Some(key) = self.notifying.remove(&id) {
                    match self.watchers.get_mut(&key) {
                        Some(Watcher::Subscription(notifier)) => notifier.handle_response(response.as_ref()),
                        Some(Watcher::Reference(recipient)) => recipient.handle_response(response.as_ref()),
                        None => {}
                    }
                    self.tell(pair);
                }
            }
        }
    }

    fn asked(&mut self, id: ServerTransaction, request: &Request, pair: &mut Pair) {
        let now = pair.now;
        let sequence = request.cseq().expect("CSeq").seq;
        let name = format!("{} {sequence}", request.call_id().expect("Call-ID").as_str());
        let new = self.taken.insert(format!("{name} {}", request.method()));
        assert!(new, "{name} {} was taken twice", request.method());
        let ok = |status: StatusCode| {
            let contact = sip_im::header::Contact::new(uri("sip:bob@192.0.2.2"));
            let response = request.response(status).to_tag("bob-tag").contact(&contact);
            response.build().expect("a response")
        };
        let response = match request.method() {
            Method::Register => self.register(request, now),
            Method::Message => ok(StatusCode::OK),
            Method::Invite => {
                respond(&mut pair.ends[1].endpoint, id, ok(StatusCode::RINGING), now);
                let response = ok(StatusCode::OK);
                let dialog = Dialog::from_uas(request, &response).expect("a dialog");
                self.calls.insert(id, dialog.id().clone());
                self.dialogs.insert(dialog.id().clone(), dialog);
                response
            }
            Method::Bye => {
                let known = DialogId::of_incoming_request(request).and_then(|id| self.dialogs.remove(&id));
                ok(if known.is_some() {
                    StatusCode::OK
                } else {
                    StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST
                })
            }
            Method::Subscribe => self.subscribe(request, now),
            Method::Publish => {
                let outcome = self.compositor.publish(request, request.uri().identity(), now);
                outcome.response(request, "bob-tag").expect("a response")
            }
            Method::Refer => self.refer(request, now),
            _ => ok(StatusCode::NOT_IMPLEMENTED),
        };
        respond(&mut pair.ends[1].endpoint, id, response, now);
        self.tell(pair);
    }

    fn register(&mut self, request: &Request, now: Instant) -> Response {
        let credentials = request.headers().all::<Authorization>().flatten();
        let verdict = credentials
            .filter_map(|one| one.digest().cloned())
            .map(|credentials| {
                let secret = |user: &str, algorithm| {
                    (user == "alice").then(|| Ha1::of_password(algorithm, user, "a.test", "secret"))
                };
                self.authenticator
                    .check("REGISTER", &credentials, secret, b"", now)
            });
        let verdict = verdict.last();
        if matches!(verdict, Some(Verdict::Accepted { .. })) {
            let outcome = self
                .registrar
                .register(request, &uri("sip:alice@a.test"), FlowId(1), now);
            return outcome.response(request, "bob-tag").expect("a response");
        }
        let mut response = request.response(StatusCode::UNAUTHORIZED).to_tag("bob-tag");
        for challenge in self
            .authenticator
            .challenges(verdict == Some(Verdict::Stale), now)
        {
            response = response.header_typed(&WwwAuthenticate::digest_of(challenge));
        }
        response.build().expect("a response")
    }

    fn subscribe(&mut self, request: &Request, now: Instant) -> Response {
        let known = DialogId::of_incoming_request(request);
        if let Some(known) = known {
            let watcher = self.watchers.values_mut().find_map(|watcher| match watcher {
                Watcher::Subscription(notifier) if *notifier.id() == known => Some(notifier),
                _ => None,
            });
            let refreshed = watcher.map(|notifier| notifier.refresh(request, now));
            return match refreshed {
                Some(Ok(response)) => response,
                Some(Err(refused)) => refused.response(request).build().expect("a response"),
                None => {
                    let gone = request.response(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST);
                    gone.build().expect("a response")
                }
            };
        }
        let room = uri("sip:bob@192.0.2.2");
        match Notifier::accept(request, "bob-tag", &room, &NotifierConfig::default(), now) {
            Ok((notifier, response)) => {
                self.watch(Watcher::Subscription(Box::new(notifier)));
                response
            }
            Err(refused) => refused.response(request).build().expect("a response"),
        }
    }

    fn refer(&mut self, request: &Request, now: Instant) -> Response {
        let (mut recipient, _) = Recipient::read(request, &refer::Config::default()).expect("read");
        let room = uri("sip:bob@192.0.2.2");
        let response = recipient
            .accept(request, "bob-tag", &room, None, now)
            .expect("accepted");
        self.watch(Watcher::Reference(Box::new(recipient)));
        response
    }

    fn watch(&mut self, watcher: Watcher) {
        self.watchers.insert(self.next_watcher, watcher);
        self.next_watcher += 1;
    }

    /// Tells each watcher what it is owed, one NOTIFY at a time.
    fn tell(&mut self, pair: &mut Pair) {
        let keys: Vec<u32> = self.watchers.keys().copied().collect();
        for key in keys {
            if self.notifying.values().any(|busy| *busy == key) {
                continue;
            }
            let Some(watcher) = self.watchers.get_mut(&key) else {
                continue;
            };
            let notify = match watcher {
                Watcher::Subscription(notifier) if notifier.is_notify_due() => {
                    notifier.notify(None, pair.now)
                }
                Watcher::Reference(recipient) if recipient.is_notify_due() => {
                    let notify = recipient.notify(None, pair.now);
                    // What was referred to is done while that is on its way.
                    recipient.report(StatusCode::OK);
                    notify
                }
                Watcher::Subscription(notifier) if notifier.is_drained() => {
                    self.watchers.remove(&key);
                    continue;
                }
                Watcher::Reference(recipient) if recipient.is_drained() => {
                    self.watchers.remove(&key);
                    continue;
                }
                _ => continue,
            };
            let notify = notify.expect("a notify");
            let id = self
                .ledger
                .send(&mut pair.ends[1].endpoint, notify, &self.target, pair.now);
            self.notifying.insert(id, key);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let watchers = self.watchers.values().filter_map(|watcher| match watcher {
            Watcher::Subscription(notifier) => notifier.poll_timeout(),
            Watcher::Reference(recipient) => recipient.poll_timeout(),
        });
        let others = [self.registrar.poll_timeout(), self.compositor.poll_timeout()];
        watchers.chain(others.into_iter().flatten()).min()
    }

    pub(super) fn handle_timeout(&mut self, pair: &mut Pair) {
        for watcher in self.watchers.values_mut() {
            match watcher {
                Watcher::Subscription(notifier) => notifier.handle_timeout(pair.now),
                Watcher::Reference(recipient) => recipient.handle_timeout(pair.now),
            }
        }
        self.registrar.handle_timeout(pair.now);
        self.compositor.handle_timeout(pair.now);
        self.tell(pair);
    }

    pub(super) fn assert_nothing_left(&self, place: &str) {
        assert!(
            self.watchers.is_empty() && self.notifying.is_empty(),
            "{place}: watchers"
        );
        assert!(
            self.registrar.is_empty() && self.compositor.is_empty(),
            "{place}: stored"
        );
        assert!(self.poll_timeout().is_none(), "{place}: a timer of the server");
    }

    /// Everything that the client was told of as done was taken in.
    pub(super) fn assert_delivered(&self, confirmed: &[String], place: &str) {
        for name in confirmed {
            assert!(
                self.taken.iter().any(|taken| taken.starts_with(name.as_str())),
                "{place}: {name} was never taken in"
            );
        }
    }
}
