//! The subscription to a conference's state (RFC 4575, 6665).

use std::time::{Duration, Instant};

use im_xdm_model::document::conference_info::ConferenceInfo;
use sip_im::endpoint::ServerTransaction;
use sip_im::header::{Accept, Event as EventHeader, Expires};
use sip_im::subscription::{Subscriber, SubscriberEvent};
use sip_im::{Method, Request, Response, StatusCode};

use super::event::{CommandId, Event, Failure, SessionKey};
use super::requests::{Purpose, failure_of};
use super::roster::Merge;
use super::session::Stage;
use super::timers::Timer;
use super::{Client, CommandError, Job, Work};

/// A subscription to a conference's state.
#[derive(Debug)]
pub(super) struct Subscription {
    /// The command that asked for it and has not had its answer.
    command: Option<CommandId>,
    pub(super) machine: Subscriber,
    /// Whether a request of it is under way.
    busy: bool,
}

impl Client {
    /// Asks who takes part in a conference; changes are told from then on.
    ///
    /// # Errors
    ///
    /// Fails when the session is not there or not a conference, or too much waits.
    pub fn roster(&mut self, session: SessionKey, now: Instant) -> Result<CommandId, CommandError> {
        self.admit()?;
        let entry = self.sessions.table.get(&session).ok_or(CommandError::NoSession)?;
        if !entry.conference {
            return Err(CommandError::NotAConference);
        }
        if !matches!(entry.stage, Stage::Up { .. }) {
            return Err(CommandError::WrongState);
        }
        let known = entry.subscription.is_some() && entry.roster.is_known();
        let command = self.mint_command();
        if known {
            self.tell_roster(session, Some(command));
        } else {
            self.start(Job {
                command: Some(command),
                work: Work::Subscribe(session),
            });
        }
        self.settle(now);
        Ok(command)
    }

    fn tell_roster(&mut self, session: SessionKey, command: Option<CommandId>) {
        let Some(entry) = self.sessions.table.get(&session) else {
            return;
        };
        let users = entry.roster.entries(&self.config.user.identity());
        self.push_event(Event::Roster {
            session,
            command,
            users,
        });
    }

    /// Sends a SUBSCRIBE: the first one, or within the dialog one that renews.
    pub(super) fn send_subscribe(&mut self, session: SessionKey, command: Option<CommandId>, now: Instant) {
        let Some(entry) = self.sessions.table.get_mut(&session) else {
            return self.failed(command, Failure::local("the session has ended"));
        };
        let request = match &mut entry.subscription {
            Some(subscription) => {
                if command.is_some() {
                    subscription.command = command;
                }
                if subscription.busy || subscription.machine.dialog().is_none() {
                    // What is under way answers it as well.
                    return;
                }
                subscription.busy = true;
                subscription.machine.refresh(now).ok()
            }
            None => self.subscribe_anew(session, command, now),
        };
        match request {
            Some(request) => self.transmit(request, Purpose::Subscribe { session }, now),
            None => self.end_subscription(session, Failure::local("the SUBSCRIBE request cannot be written")),
        }
    }

    fn subscribe_anew(
        &mut self,
        session: SessionKey,
        command: Option<CommandId>,
        now: Instant,
    ) -> Option<Request> {
        let entry = self.sessions.table.get(&session)?;
        let (privacy, peer) = (entry.privacy, entry.peer.clone());
        let expires = u32::try_from(self.config.subscribe_expires.as_secs()).unwrap_or(u32::MAX);
        let request = Self::accept_contact(self.fresh(Method::Subscribe, &peer, privacy))
            .contact(&self.contact(privacy)?)
            .header_typed(&EventHeader::new("conference"))
            .header_typed(&Accept::new(["application/conference-info+xml"]))
            .header_typed(&Expires(expires))
            .build()
            .ok()?;
        let machine = Subscriber::new(request.clone(), TIMER_N, now).ok()?;
        let call_id = request.call_id().ok()?.0.to_string();
        let entry = self.sessions.table.get_mut(&session)?;
        entry.roster.restart();
        entry.subscription = Some(Subscription {
            command,
            machine,
            busy: true,
        });
        self.sessions.by_subscription.insert(call_id, session);
        Some(request)
    }

    /// A SUBSCRIBE request was sent again with credentials.
    pub(super) fn subscribe_sent(&mut self, session: SessionKey, request: &Request, now: Instant) {
        let entry = self.sessions.table.get_mut(&session);
        if let Some(subscription) = entry.and_then(|entry| entry.subscription.as_mut()) {
            subscription.machine.resent(request.clone(), now);
        }
    }

    pub(super) fn subscribe_answered(&mut self, session: SessionKey, response: &Response, now: Instant) {
        let entry = self.sessions.table.get_mut(&session);
        let Some(subscription) = entry.and_then(|entry| entry.subscription.as_mut()) else {
            return;
        };
        subscription.busy = false;
        subscription.machine.handle_response(Some(response), now);
        if !response.status().is_success()
            && let Some(command) = subscription.command.take()
        {
            self.failed_in(session, command, None, failure_of(response));
        }
        self.follow_subscription(session, now);
    }

    pub(super) fn subscribe_failed(&mut self, session: SessionKey, failure: Failure, now: Instant) {
        let entry = self.sessions.table.get_mut(&session);
        let Some(subscription) = entry.and_then(|entry| entry.subscription.as_mut()) else {
            return;
        };
        subscription.busy = false;
        subscription.machine.handle_response(None, now);
        if let Some(command) = subscription.command.take() {
            self.failed_in(session, command, None, failure);
        }
        self.follow_subscription(session, now);
    }

    /// A timer of the subscription is due.
    pub(super) fn subscription_due(&mut self, session: SessionKey, now: Instant) {
        let entry = self.sessions.table.get_mut(&session);
        match entry.map(|entry| entry.subscription.as_mut()) {
            Some(Some(subscription)) => {
                subscription.machine.handle_timeout(now);
                self.follow_subscription(session, now);
            }
            Some(None) => self.start(Job {
                command: None,
                work: Work::Subscribe(session),
            }),
            None => {}
        }
    }

    /// Does what has become due, and sets the timer anew.
    fn follow_subscription(&mut self, session: SessionKey, now: Instant) {
        loop {
            let entry = self.sessions.table.get_mut(&session);
            let Some(subscription) = entry.and_then(|entry| entry.subscription.as_mut()) else {
                return;
            };
            match subscription.machine.poll_event() {
                Some(SubscriberEvent::RefreshDue) => {
                    self.start(Job {
                        command: None,
                        work: Work::Subscribe(session),
                    });
                }
                Some(SubscriberEvent::Terminated {
                    reason, retry_after, ..
                }) => {
                    self.end_subscription(session, Failure::local("the subscription has ended"));
                    let after = match reason.as_deref() {
                        Some("deactivated" | "timeout") => Some(AGAIN),
                        Some("probation" | "giveup") => {
                            Some(retry_after.map_or(LATER, |seconds| Duration::from_secs(u64::from(seconds))))
                        }
                        _ => None,
                    };
                    if let Some(after) = after {
                        self.timers.set(Timer::Subscription(session), after, now);
                    }
                    return;
                }
                Some(_) => {}
                None => break,
            }
        }
        let entry = self.sessions.table.get(&session);
        let subscription = entry.and_then(|entry| entry.subscription.as_ref());
        match subscription.and_then(|subscription| subscription.machine.poll_timeout()) {
            Some(at) => self.timers.set(
                Timer::Subscription(session),
                at.saturating_duration_since(now),
                now,
            ),
            None => self.timers.clear(Timer::Subscription(session)),
        }
    }

    fn end_subscription(&mut self, session: SessionKey, failure: Failure) {
        self.timers.clear(Timer::Subscription(session));
        self.sessions
            .by_subscription
            .retain(|_, subscribed| *subscribed != session);
        let Some(entry) = self.sessions.table.get_mut(&session) else {
            return;
        };
        let subscription = entry.subscription.take();
        if let Some(command) = subscription.and_then(|subscription| subscription.command) {
            self.failed_in(session, command, None, failure);
        }
    }

    /// A NOTIFY request.
    pub(super) fn on_notify(&mut self, transaction: ServerTransaction, request: &Request, now: Instant) {
        let call_id = request
            .call_id()
            .map(|call_id| call_id.0.to_string())
            .unwrap_or_default();
        let session = self.sessions.by_subscription.get(&call_id).copied();
        let entry = session.and_then(|session| self.sessions.table.get_mut(&session));
        let subscription = entry.and_then(|entry| entry.subscription.as_mut());
        let (Some(session), Some(subscription)) = (session, subscription) else {
            if self.on_watch_notify(transaction, request, now) {
                return;
            }
            return self.answer(
                transaction,
                request,
                StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
                now,
            );
        };
        let status = subscription.machine.handle_notify(request, now);
        self.answer(transaction, request, status, now);
        if status.is_success() {
            self.merge_notify(session, request);
            self.follow_subscription(session, now);
        }
    }

    fn merge_notify(&mut self, session: SessionKey, request: &Request) {
        let most = self.config.limits.max_roster;
        let Some(entry) = self.sessions.table.get_mut(&session) else {
            return;
        };
        // A focus that has nothing to tell yet sends no body.
        if request.body().is_empty() {
            return;
        }
        let limits = im_xdm_model::xml::Limits::default();
        let merged =
            ConferenceInfo::parse(request.body(), &limits).map(|document| entry.roster.merge(document, most));
        match merged {
            Ok(Merge::Changed) => {
                let command = entry
                    .subscription
                    .as_mut()
                    .and_then(|subscription| subscription.command.take());
                self.tell_roster(session, command);
            }
            //= https://www.rfc-editor.org/rfc/rfc4575#section-4.6
            //# the subscriber MUST
            //# generate a subscription refresh request to trigger a full state
            //# notification.
            Ok(Merge::Gap) => self.start(Job {
                command: None,
                work: Work::Subscribe(session),
            }),
            Ok(Merge::Stale | Merge::Ended) | Err(_) => {}
        }
    }
}

/// 64*T1 (RFC 6665 4.1.2): how long to wait for the first NOTIFY.
const TIMER_N: Duration = Duration::from_secs(32);
/// When to subscribe anew at once; not in the same instant, so that two sides that disagree do not spin.
const AGAIN: Duration = Duration::from_secs(1);
/// When to subscribe anew, if the notifier does not say.
const LATER: Duration = Duration::from_secs(60);
