//! Watching others: their presence, who watches the user, or any other event package (RFC 6665).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use im_xdm_model::document::pidf::Presence;
use sip_im::endpoint::ServerTransaction;
use sip_im::header::{Accept, Event as EventHeader, Expires, SubscriptionState};
use sip_im::subscription::{Again, Subscriber, SubscriberEvent, SubscriberState};
use sip_im::{Identity, Method, Request, Response, Uri};

use super::event::{CommandId, Failure, WatchNotice};
use super::publishing::{PIDF, is_package};
use super::requests::{Purpose, failure_of};
use super::timers::Timer;
use super::wire::Link;
use super::{Client, CommandError, Event, Job, Work};

/// What is watched.
#[derive(Debug, Default)]
pub(super) struct Watches {
    pub(super) table: BTreeMap<WatchKey, Watch>,
    /// By Call-ID.
    by_call: BTreeMap<String, WatchKey>,
    by_subject: BTreeMap<(String, Identity), WatchKey>,
    last: u64,
}

/// Names one subscription; never used again.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct WatchKey(u64);

/// One subscription, which outlives the dialogs that it is made of.
#[derive(Debug)]
pub(super) struct Watch {
    package: String,
    to: Uri,
    /// The command that has not had its answer.
    command: Option<CommandId>,
    /// The subscription at present; none while it waits to be made anew.
    machine: Option<(String, Subscriber)>,
    /// Whether a request of it is under way.
    busy: bool,
    /// Whether it is to be ended.
    ending: bool,
    /// What is asked for, in seconds; 0 is a look.
    expires: u32,
}

impl Client {
    /// Watches somebody's state in an event package from now on, or for as long as wished; no time at all is one look, or ends
    /// what was watched before.
    ///
    /// # Errors
    ///
    /// Fails when the package's name is none, when more is watched than [`Limits::max_watches`](super::Limits::max_watches), when too
    /// much waits already, or when the client is shutting down.
    pub fn subscribe(
        &mut self,
        package: &str,
        to: &Uri,
        time: Option<Duration>,
        now: Instant,
    ) -> Result<CommandId, CommandError> {
        //= R-5.3.1-10
        self.admit()?;
        if !is_package(package) {
            return Err(CommandError::Unwritable);
        }
        let time = time.unwrap_or(self.config.subscribe_expires);
        let expires = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let subject = (package.to_owned(), to.identity());
        let key = match self.watches.by_subject.get(&subject) {
            Some(key) => *key,
            None if self.watches.table.len() >= self.config.limits.max_watches => {
                return Err(CommandError::TooMany);
            }
            None => {
                self.watches.last = self.watches.last.wrapping_add(1);
                let key = WatchKey(self.watches.last);
                self.watches.by_subject.insert(subject, key);
                let watch = Watch {
                    package: package.to_owned(),
                    to: to.clone(),
                    command: None,
                    machine: None,
                    busy: false,
                    ending: false,
                    expires,
                };
                self.watches.table.insert(key, watch);
                key
            }
        };
        let command = self.mint_command();
        let superseded = self.watches.table.get_mut(&key).and_then(|watch| {
            watch.ending = expires == 0 && watch.machine.is_some();
            watch.expires = expires;
            watch.command.replace(command)
        });
        if let Some(superseded) = superseded {
            self.failed(Some(superseded), Failure::local("replaced by a later command"));
        }
        self.start(Job {
            command: None,
            work: Work::Watch(key),
        });
        self.settle(now);
        Ok(command)
    }

    /// Sends the SUBSCRIBE that has its turn.
    pub(super) fn send_watch(&mut self, key: WatchKey, now: Instant) {
        let Some(watch) = self.watches.table.get_mut(&key) else {
            return;
        };
        if watch.busy {
            // Its turn comes with the answer to what is under way.
            return;
        }
        let request = match &mut watch.machine {
            Some((_, machine)) if machine.dialog().is_some() => {
                if watch.ending {
                    machine.unsubscribe(now).ok()
                } else {
                    machine.refresh(now).ok()
                }
            }
            // It is answered, and the NOTIFY is on its way.
            Some(_) => return,
            None if watch.ending => return self.forget_watch(key),
            None => self.watch_anew(key, now),
        };
        if let Some(request) = request {
            if let Some(watch) = self.watches.table.get_mut(&key) {
                watch.busy = true;
            }
            self.transmit(request, Purpose::Watch(key), now);
        } else {
            self.watch_failed_with(key, Failure::local("the SUBSCRIBE request cannot be written"));
            self.forget_watch(key);
        }
    }

    fn watch_anew(&mut self, key: WatchKey, now: Instant) -> Option<Request> {
        let watch = self.watches.table.get(&key)?;
        let mut builder = self
            .fresh(Method::Subscribe, &watch.to, self.privacy)
            .contact(&self.contact(self.privacy)?)
            .header_typed(&EventHeader::new(&watch.package))
            .header_typed(&Expires(watch.expires));
        if let Some(kind) = document_of(&watch.package) {
            builder = builder.header_typed(&Accept::new([kind]));
        }
        let request = builder.build().ok()?;
        let machine = Subscriber::new(request.clone(), TIMER_N, now).ok()?;
        let call_id = request.call_id().ok()?.0.to_string();
        self.watches.by_call.insert(call_id.clone(), key);
        self.watches.table.get_mut(&key)?.machine = Some((call_id, machine));
        Some(request)
    }

    /// A SUBSCRIBE was sent again with credentials.
    pub(super) fn watch_sent(&mut self, key: WatchKey, request: &Request, now: Instant) {
        if let Some((_, machine)) = self.watching(key) {
            machine.resent(request.clone(), now);
        }
    }

    fn watching(&mut self, key: WatchKey) -> Option<&mut (String, Subscriber)> {
        self.watches.table.get_mut(&key)?.machine.as_mut()
    }

    pub(super) fn watch_answered(&mut self, key: WatchKey, response: &Response, now: Instant) {
        let Some(watch) = self.watches.table.get_mut(&key) else {
            return;
        };
        watch.busy = false;
        let refused = matches!(response.status().code(), 401 | 407);
        if let Some((_, machine)) = &mut watch.machine {
            // Credentials were given and did not help: no answer leads on from there.
            machine.handle_response(Some(response).filter(|_| !refused), now);
        }
        if response.status().is_success() {
            let status = response.status().code();
            if let Some(command) = watch.command.take() {
                self.push_event(Event::Sent {
                    command,
                    session: None,
                    message_id: None,
                    status,
                });
            }
        } else {
            self.watch_failed_with(key, failure_of(response));
        }
        self.follow_watch(key, now);
    }

    pub(super) fn watch_failed(&mut self, key: WatchKey, failure: Failure, now: Instant) {
        let Some(watch) = self.watches.table.get_mut(&key) else {
            return;
        };
        watch.busy = false;
        if let Some((_, machine)) = &mut watch.machine {
            machine.handle_response(None, now);
        }
        let asked = watch.command.is_some();
        self.watch_failed_with(key, failure);
        if asked && self.watching(key).is_none() {
            // It never came to a subscription; one that is lost is made again with the connection.
            return self.forget_watch(key);
        }
        self.follow_watch(key, now);
    }

    fn watch_failed_with(&mut self, key: WatchKey, failure: Failure) {
        let watch = self.watches.table.get_mut(&key);
        let command = watch.and_then(|watch| watch.command.take());
        self.failed(command, failure);
    }

    pub(super) fn watch_due(&mut self, key: WatchKey, now: Instant) {
        if self.watching(key).is_none() {
            self.start(Job {
                command: None,
                work: Work::Watch(key),
            });
            return;
        }
        if let Some((_, machine)) = self.watching(key) {
            machine.handle_timeout(now);
        }
        self.follow_watch(key, now);
    }

    fn follow_watch(&mut self, key: WatchKey, now: Instant) {
        while let Some((_, machine)) = self.watching(key)
            && let Some(event) = machine.poll_event()
        {
            match event {
                SubscriberEvent::RefreshDue => self.start(Job {
                    command: None,
                    work: Work::Watch(key),
                }),
                SubscriberEvent::Terminated { reason, again, .. } => {
                    self.watch_over(key, reason.as_deref(), again, now);
                    return;
                }
                _ => {}
            }
        }
        let Some(watch) = self.watches.table.get(&key) else {
            return;
        };
        match watch
            .machine
            .as_ref()
            .and_then(|(_, machine)| machine.poll_timeout())
        {
            Some(at) => {
                let after = at.saturating_duration_since(now);
                self.timers.set(Timer::Watch(key), after, now);
            }
            None => self.timers.clear(Timer::Watch(key)),
        }
    }

    /// A subscription has ended; another one follows if that makes sense.
    fn watch_over(&mut self, key: WatchKey, reason: Option<&str>, again: Again, now: Instant) {
        let Some(watch) = self.watches.table.get_mut(&key) else {
            return;
        };
        if let Some((call_id, machine)) = watch.machine.take() {
            self.watches.by_call.remove(&call_id);
            let told = machine.dialog().is_some();
            let wanted = !watch.ending && watch.expires > 0 && !self.shutting_down;
            let after = match again {
                Again::Now => Some(AGAIN),
                Again::After(after) => Some(after),
                Again::Later => Some(LATER),
                // A notifier that has forgotten a subscription has restarted.
                Again::AtWill if told => Some(AGAIN),
                _ => None,
            };
            if let Some(after) = after.filter(|_| wanted) {
                self.timers.set(Timer::Watch(key), after, now);
                return;
            }
            let (package, to) = (watch.package.clone(), watch.to.clone());
            let reason = reason.map(str::to_owned);
            self.forget_watch(key);
            if told {
                self.tell(Event::WatchEnded { package, to, reason });
            }
        }
    }

    /// Forgets a subscription that is over.
    pub(super) fn forget_watch(&mut self, key: WatchKey) {
        self.timers.clear(Timer::Watch(key));
        let Some(watch) = self.watches.table.remove(&key) else {
            return;
        };
        self.watches
            .by_subject
            .remove(&(watch.package, watch.to.identity()));
        if let Some((call_id, _)) = watch.machine {
            self.watches.by_call.remove(&call_id);
        }
        if let Some(command) = watch.command {
            // Nobody is watched any more, as was asked.
            self.push_event(Event::Sent {
                command,
                session: None,
                message_id: None,
                status: 200,
            });
        }
    }

    /// The connection is gone, and with it the address that notifications came to.
    pub(super) fn watches_lost(&mut self) {
        self.watches.by_call.clear();
        for (key, watch) in &mut self.watches.table {
            watch.machine = None;
            watch.busy = false;
            self.timers.clear(Timer::Watch(*key));
        }
    }

    /// The connection is there again: what is watched is, from its other address.
    pub(super) fn resume_watches(&mut self) {
        for key in self.watches.table.keys() {
            let underway = self
                .jobs
                .iter()
                .any(|job| matches!(job.work, Work::Watch(waiting) if waiting == *key));
            if !underway {
                self.jobs.push_back(Job {
                    command: None,
                    work: Work::Watch(*key),
                });
            }
        }
    }

    /// Ends all that is watched.
    pub(super) fn end_watches(&mut self) {
        if self.wire.link() == Link::Down {
            self.watches = Watches::default();
        }
        for (key, watch) in &mut self.watches.table {
            watch.ending = true;
            self.timers.clear(Timer::Watch(*key));
            self.jobs.push_back(Job {
                command: None,
                work: Work::Watch(*key),
            });
        }
    }

    /// A NOTIFY; false if it belongs to nothing that is watched here.
    pub(super) fn on_watch_notify(
        &mut self,
        transaction: ServerTransaction,
        request: &Request,
        now: Instant,
    ) -> bool {
        let call_id = request.call_id().map(|call_id| call_id.0.to_string());
        let key = call_id
            .ok()
            .and_then(|call_id| self.watches.by_call.get(&call_id).copied());
        let Some(key) = key else { return false };
        let Some((_, machine)) = self.watching(key) else {
            return false;
        };
        let status = machine.handle_notify(request, now);
        self.answer(transaction, request, status, now);
        if status.is_success() {
            self.tell_notify(key, request);
            self.follow_watch(key, now);
        }
        true
    }

    fn tell_notify(&mut self, key: WatchKey, request: &Request) {
        let Some(watch) = self.watches.table.get(&key) else {
            return;
        };
        let state = request.headers().get::<SubscriptionState>().ok().flatten();
        let reason = state.as_ref().and_then(|state| state.reason().map(str::to_owned));
        let state = match watch.machine.as_ref().map(|(_, machine)| machine.state()) {
            Some(SubscriberState::Pending) => "pending",
            Some(SubscriberState::Terminated) | None => "terminated",
            Some(_) => "active",
        };
        // What it was copied from is a buffer of the connection's.
        let body = Bytes::copy_from_slice(request.body());
        let content_type = request.content_type().ok().flatten().map(|kind| kind.to_string());
        let is_presence = watch.package == "presence" && content_type.as_deref() == Some(PIDF);
        let document = is_presence
            .then(|| Presence::parse(&body, &im_xdm_model::xml::Limits::default()).ok())
            .flatten();
        let notice = WatchNotice {
            package: watch.package.clone(),
            of: watch.to.clone(),
            state,
            reason,
            content_type,
            body,
        };
        self.tell(Event::Notified(notice));
        if let Some(document) = document {
            self.tell(Event::Presence(Box::new(document)));
        }
    }
}

/// The type of the documents of a package, where this client knows it.
fn document_of(package: &str) -> Option<&'static str> {
    Some(match package {
        "presence" => PIDF,
        "presence.winfo" => "application/watcherinfo+xml",
        "conference" => "application/conference-info+xml",
        "reg" => "application/reginfo+xml",
        "message-summary" => "application/simple-message-summary",
        "xcap-diff" => "application/xcap-diff+xml",
        _ => return None,
    })
}

/// 64*T1 (RFC 6665 4.1.2): how long to wait for the first NOTIFY.
const TIMER_N: Duration = Duration::from_secs(32);
/// When to subscribe anew at once; not in the same instant, so that two sides that disagree do not spin.
const AGAIN: Duration = Duration::from_secs(1);
/// When to subscribe anew, if the notifier does not say.
const LATER: Duration = Duration::from_secs(60);
