//! What a participant asks of a conference: adding and expelling (RFC 4579 5.5, 5.11), and its state (RFC 4575).

use std::time::{Duration, Instant};

use im_xdm_model::document::conference_info::ConferenceInfo;
use sip_im::dialog::{Dialog, DialogId};
use sip_im::endpoint::ServerTransaction;
use sip_im::header::{
    Accept, Expires, ReferSub, ReferTo, SubscriptionState, SubscriptionStateValue, Event as EventHeader,
};
use sip_im::{Method, Request, Response, StatusCode, Uri};

use super::event::{CommandId, Event, Failure, SessionKey};
use super::requests::{Purpose, failure_of};
use super::roster::{Merge, Subscription};
use super::session::Stage;
use super::timers::Timer;
use super::{Client, CommandError, Job, Work};

impl Client {
    /// Asks a conference to invite a user.
    ///
    /// # Errors
    ///
    /// Fails when the session is not there or not a conference, or too much waits.
    pub fn add(&mut self, session: SessionKey, user: &Uri, now: Instant) -> Result<CommandId, CommandError> {
        self.refer(session, user, None, now)
    }

    /// Asks a conference to expel a participant.
    ///
    /// # Errors
    ///
    /// As for [`add`](Self::add).
    pub fn expel(&mut self, session: SessionKey, user: &Uri, now: Instant) -> Result<CommandId, CommandError> {
        self.refer(session, user, Some(Method::Bye), now)
    }

    pub(super) fn refer(
        &mut self,
        session: SessionKey,
        user: &Uri,
        method: Option<Method>,
        now: Instant,
    ) -> Result<CommandId, CommandError> {
        self.admit()?;
        let entry = self.sessions.table.get(&session).ok_or(CommandError::NoSession)?;
        if !entry.conference {
            return Err(CommandError::NotAConference);
        }
        if !matches!(entry.stage, Stage::Up { .. }) {
            return Err(CommandError::WrongState);
        }
        let mut target = user.without_parameters();
        if let Some(method) = method {
            target = target.with_parameter("method", Some(method.as_str())).map_err(|_| CommandError::Unwritable)?;
        }
        let command = self.mint_command();
        self.start(Job { command: Some(command), work: Work::Refer { session, target } }, now);
        self.settle(now);
        Ok(command)
    }

    pub(super) fn send_refer(&mut self, session: SessionKey, command: CommandId, target: Uri, now: Instant) {
        let contact = self.contact(self.sessions.table.get(&session).is_some_and(|entry| entry.privacy));
        let dialog = self.sessions.table.get_mut(&session).and_then(super::session::Session::dialog);
        let request = dialog.zip(contact).and_then(|(dialog, contact)| {
            dialog
                .request(Method::Refer)
                .header_typed(&contact)
                .header_typed(&ReferTo::new(target))
                .header_typed(&ReferSub(false))
                .build()
                .ok()
        });
        match request {
            Some(request) => self.transmit(request, Purpose::Refer { session, command }, now),
            None => self.failed_in(session, command, None, Failure::local("the session has ended")),
        }
    }

    pub(super) fn refer_accepted(&mut self, session: SessionKey, command: CommandId, response: &Response) {
        let status = response.status().code();
        self.push_event(Event::Sent { command, session: Some(session), message_id: None, status });
    }

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
            self.start(Job { command: Some(command), work: Work::Subscribe(session) }, now);
        }
        self.settle(now);
        Ok(command)
    }

    fn tell_roster(&mut self, session: SessionKey, command: Option<CommandId>) {
        let Some(entry) = self.sessions.table.get(&session) else { return };
        let users = entry.roster.entries(&self.config.user.identity());
        self.push_event(Event::Roster { session, command, users });
    }

    /// Sends a SUBSCRIBE: the first one, or within the dialog one that renews.
    pub(super) fn send_subscribe(&mut self, session: SessionKey, command: Option<CommandId>, now: Instant) {
        let Some(entry) = self.sessions.table.get(&session) else { return };
        if entry.subscription.as_ref().is_some_and(|subscription| subscription.busy) {
            if let Some(command) = command {
                let known = self.sessions.table.get_mut(&session).and_then(|entry| entry.subscription.as_mut());
                if let Some(subscription) = known {
                    subscription.command.get_or_insert(command);
                }
            }
            return;
        }
        let Some(request) = self.build_subscribe(session, command) else {
            if let Some(command) = command {
                self.failed_in(session, command, None, Failure::local("the SUBSCRIBE request cannot be written"));
            }
            return;
        };
        self.transmit(request, Purpose::Subscribe { session }, now);
    }

    fn build_subscribe(&mut self, session: SessionKey, command: Option<CommandId>) -> Option<Request> {
        let entry = self.sessions.table.get(&session)?;
        let (privacy, peer) = (entry.privacy, entry.peer.clone());
        let contact = self.contact(privacy)?;
        let expires = u32::try_from(self.config.subscribe_expires.as_secs()).unwrap_or(u32::MAX);
        let fresh = Self::accept_contact(self.fresh(Method::Subscribe, &peer, privacy));
        let entry = self.sessions.table.get_mut(&session)?;
        let inside = entry.subscription.as_mut().and_then(|subscription| {
            let dialog = subscription.dialog.as_mut()?;
            subscription.busy = true;
            if command.is_some() {
                subscription.command = command;
            }
            Some(dialog.request(Method::Subscribe))
        });
        let first = inside.is_none();
        let request = inside
            .unwrap_or(fresh)
            .header_typed(&contact)
            .header_typed(&EventHeader::new("conference"))
            .header_typed(&Accept::new(["application/conference-info+xml"]))
            .header_typed(&Expires(expires))
            .build()
            .ok()?;
        if first {
            let call_id = request.headers().value(&sip_im::header::HeaderName::CALL_ID)?.to_string();
            let local_tag = request.from().ok()?.tag?.to_string();
            entry.roster.restart();
            entry.subscription = Some(Subscription {
                command,
                local_tag,
                request: Some(Box::new(request.clone())),
                dialog: None,
                busy: true,
            });
            self.sessions.by_subscription.retain(|_, subscribed| *subscribed != session);
            self.sessions.by_subscription.insert(call_id, session);
        }
        Some(request)
    }

    pub(super) fn subscribe_answered(
        &mut self,
        session: SessionKey,
        request: &Request,
        response: &Response,
        now: Instant,
    ) {
        if !(200..300).contains(&response.status().code()) {
            return self.subscribe_failed(session, failure_of(response), now);
        }
        let Some(entry) = self.sessions.table.get_mut(&session) else { return };
        let Some(subscription) = &mut entry.subscription else { return };
        subscription.busy = false;
        if subscription.dialog.is_none() {
            subscription.dialog = Dialog::from_uac(request, response).ok().map(Box::new);
        }
        let granted = response.headers().get::<Expires>().ok().flatten().map(|expires| expires.0);
        let granted = granted.map_or(self.config.subscribe_expires, |seconds| Duration::from_secs(u64::from(seconds)));
        self.renew_subscription(session, granted, now);
    }

    pub(super) fn subscribe_failed(&mut self, session: SessionKey, failure: Failure, now: Instant) {
        let Some(entry) = self.sessions.table.get_mut(&session) else { return };
        let subscription = entry.subscription.take();
        self.timers.clear(Timer::Subscription(session));
        self.sessions.by_subscription.retain(|_, subscribed| *subscribed != session);
        if let Some(command) = subscription.and_then(|subscription| subscription.command) {
            self.failed_in(session, command, None, failure);
        } else if failure.status == Some(481) {
            // The notifier has lost it: it is made anew.
            self.timers.set(Timer::Subscription(session), AGAIN, now);
        }
    }

    fn renew_subscription(&mut self, session: SessionKey, granted: Duration, now: Instant) {
        let after = granted.saturating_sub(granted / 10).max(Duration::from_secs(1));
        self.timers.set(Timer::Subscription(session), after, now);
    }

    /// A NOTIFY request.
    pub(super) fn on_notify(&mut self, transaction: ServerTransaction, request: &Request, now: Instant) {
        let found = request.headers().value(&sip_im::header::HeaderName::CALL_ID).and_then(|call_id| {
            self.sessions.by_subscription.get(call_id.as_str()).copied()
        });
        let Some(session) = found else {
            return self.answer(transaction, request, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST, now);
        };
        let status = self.take_notify(session, request);
        self.answer(transaction, request, status.unwrap_or(StatusCode::OK), now);
        if status.is_some() {
            return;
        }
        let merged = self.merge_notify(session, request);
        self.follow_state(session, request, now);
        match merged {
            Some(Merge::Changed) => {
                let entry = self.sessions.table.get_mut(&session);
                let command = entry.and_then(|entry| entry.subscription.as_mut()).and_then(|known| known.command.take());
                self.tell_roster(session, command);
            }
            Some(Merge::Gap) => self.start(Job { command: None, work: Work::Subscribe(session) }, now),
            Some(Merge::Stale | Merge::Ended) | None => {}
        }
    }

    /// Whether the request belongs to the subscription; if not, with what to refuse it.
    fn take_notify(&mut self, session: SessionKey, request: &Request) -> Option<StatusCode> {
        let Some(entry) = self.sessions.table.get_mut(&session) else { return Some(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST) };
        let Some(subscription) = &mut entry.subscription else { return Some(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST) };
        let Some(id) = DialogId::of_incoming_request(request) else { return Some(StatusCode::BAD_REQUEST) };
        if id.local_tag.as_str() != subscription.local_tag {
            return Some(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST);
        }
        let package = request.headers().get::<EventHeader>().ok().flatten();
        if !package.is_some_and(|event| event.package.eq_ignore_ascii_case("conference")) {
            return Some(StatusCode::BAD_EVENT);
        }
        match &mut subscription.dialog {
            Some(dialog) if *dialog.id() == id => {
                dialog.accept_request(request).is_err().then_some(StatusCode::SERVER_INTERNAL_ERROR)
            }
            Some(_) => Some(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST),
            None => {
                //= https://www.rfc-editor.org/rfc/rfc6665#section-4.4.1
                //# Dialogs usages are created upon completion of a NOTIFY transaction
                //# for a new subscription, unless the NOTIFY request contains a
                //# "Subscription-State" of "terminated."
                let subscribe = subscription.request.as_ref()?;
                match Dialog::from_notify(subscribe, request) {
                    Ok(dialog) => {
                        subscription.dialog = Some(Box::new(dialog));
                        None
                    }
                    Err(_) => Some(StatusCode::BAD_REQUEST),
                }
            }
        }
    }

    fn merge_notify(&mut self, session: SessionKey, request: &Request) -> Option<Merge> {
        if request.body().is_empty() {
            return None;
        }
        let document = ConferenceInfo::parse(request.body(), &im_xdm_model::xml::Limits::default()).ok()?;
        let most = self.config.limits.max_roster;
        Some(self.sessions.table.get_mut(&session)?.roster.merge(document, most))
    }

    /// Does what the Subscription-State header field asks for (RFC 6665 4.1.3).
    fn follow_state(&mut self, session: SessionKey, request: &Request, now: Instant) {
        let Ok(Some(state)) = request.headers().get::<SubscriptionState>() else { return };
        if state.state != SubscriptionStateValue::Terminated {
            if let Some(expires) = state.expires() {
                self.renew_subscription(session, Duration::from_secs(u64::from(expires)), now);
            }
            return;
        }
        self.timers.clear(Timer::Subscription(session));
        if let Some(entry) = self.sessions.table.get_mut(&session) {
            entry.subscription = None;
        }
        self.sessions.by_subscription.retain(|_, subscribed| *subscribed != session);
        let reason = state.reason().unwrap_or_default().to_owned();
        let after = match reason.as_str() {
            "deactivated" | "timeout" => Some(AGAIN),
            "probation" | "giveup" => {
                Some(state.retry_after().map_or(LATER, |seconds| Duration::from_secs(u64::from(seconds))))
            }
            _ => None,
        };
        if let Some(after) = after {
            self.timers.set(Timer::Subscription(session), after, now);
        }
    }
}

/// When to subscribe anew at once; not in the same instant, so that two sides that disagree do not spin.
const AGAIN: Duration = Duration::from_secs(1);
/// When to subscribe anew, if the notifier does not say.
const LATER: Duration = Duration::from_secs(60);
