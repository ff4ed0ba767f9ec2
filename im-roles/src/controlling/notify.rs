//! Conference state for participants (RFC 4575): full at first, then what has changed, no more often than configured.

use std::time::Instant;

use bytes::Bytes;
use im_xdm_model::document::ConferenceInfo;
use im_xdm_model::document::conference_info::{
    ConferenceState, Description, DisconnectionMethod, Endpoint, EndpointStatus, JoiningMethod, State, User,
};
use sip_im::header::{Accept, Event as EventHeader};
use sip_im::subscription::{Notifier, NotifierConfig, NotifierState};
use sip_im::{ContentType, Identity, Method, Request, Response, StatusCode};

use super::conference::Conference;
use super::reply::{CONFERENCE, Refusal};
use super::roster::Caller;
use super::sent::Sent;
use super::{ConferenceKey, Controlling, SubscriptionKey, Usage};
use crate::signal::IncomingId;

/// One participant's subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    notifier: Notifier,
    subscriber: Identity,
    /// The version of the last document.
    version: u32,
    /// The revision of the roster that the subscriber knows.
    seen: u64,
    /// When he was told last.
    told: Option<Instant>,
}

/// What a notification holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Full,
    Changes,
    /// The conference is over.
    End,
    /// Nothing; the subscriber may not know any more.
    Nothing,
}

impl Controlling {
    /// A SUBSCRIBE to a conference's state.
    pub(super) fn subscribe(
        &mut self,
        key: ConferenceKey,
        id: IncomingId,
        request: &Request,
        caller: &Caller,
        now: Instant,
    ) -> Result<(), Refusal> {
        let event = request
            .headers()
            .get::<EventHeader>()
            .map_err(|error| error.status())?;
        if event.is_none_or(|event| event.package.as_str() != CONFERENCE) {
            return Err(Refusal::event_package());
        }
        let accept = request
            .headers()
            .get::<Accept>()
            .map_err(|error| error.status())?;
        if accept.is_some_and(|accept| !accept.accepts_type("application", "conference-info+xml")) {
            return Err(StatusCode::NOT_ACCEPTABLE.into());
        }
        let permissions = self.permissions(key, caller, now).ok_or(StatusCode::NOT_FOUND)?;
        let conference = self.conferences.get(&key).ok_or(StatusCode::NOT_FOUND)?;
        if !permissions.state || !conference.roster.is_participant(&caller.identity) {
            return Err(Refusal::state_not_allowed());
        }
        if conference.subscriptions.len() >= self.config.limits.max_subscriptions {
            return Err(Refusal::overloaded());
        }
        let tag = self.mint.token();
        let (notifier, response) =
            match Notifier::accept(request, &tag, &conference.uri, &NotifierConfig::default(), now) {
                Ok(accepted) => accepted,
                Err(refused) => {
                    let builder = refused.response(request).to_tag(&tag);
                    self.send_reply(id, builder);
                    return Ok(());
                }
            };
        self.out.respond(id, response);
        let subscription = SubscriptionKey(self.mint.key());
        self.dialogs
            .insert(notifier.id().clone(), Usage::Subscription(key, subscription));
        let expires = notifier.poll_timeout();
        if let Some(conference) = self.conferences.get_mut(&key) {
            conference.expiries.extend(expires.map(|at| (at, subscription)));
            conference.subscriptions.insert(
                subscription,
                Subscription {
                    notifier,
                    subscriber: caller.identity.clone(),
                    version: 0,
                    seen: 0,
                    told: None,
                },
            );
        }
        self.tell(key, subscription, Content::Full, now);
        self.arm(key);
        Ok(())
    }

    /// A request in the dialog of a subscription.
    pub(super) fn in_subscription(
        &mut self,
        key: ConferenceKey,
        subscription: SubscriptionKey,
        id: IncomingId,
        request: &Request,
        now: Instant,
    ) -> Result<(), Refusal> {
        let gone = Refusal::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST);
        let conference = self.conferences.get_mut(&key).ok_or(gone.clone())?;
        let found = conference.subscriptions.get_mut(&subscription).ok_or(gone)?;
        if *request.method() != Method::Subscribe {
            return Err(super::invite::refused_method(
                request.method(),
                &[Method::Subscribe],
            ));
        }
        let before = found.notifier.poll_timeout();
        match found.notifier.refresh(request, now) {
            Ok(response) => {
                conference
                    .expiries
                    .remove_if_any(before.map(|at| (at, subscription)));
                conference
                    .expiries
                    .extend(found.notifier.poll_timeout().map(|at| (at, subscription)));
                self.out.respond(id, response);
                self.tell(key, subscription, Content::Full, now);
                self.arm(key);
            }
            Err(refused) => {
                let tag = self.mint.token();
                self.send_reply(id, refused.response(request).to_tag(&tag));
            }
        }
        Ok(())
    }

    /// The roster has changed: subscribers are told, now or when enough time has passed.
    pub(super) fn changed(&mut self, key: ConferenceKey, now: Instant) {
        if let Some(conference) = self.conferences.get_mut(&key) {
            conference.notify_at = Some(now);
        }
        self.flush(key, now);
        self.arm(key);
    }

    /// Tells those whom it is time to tell.
    pub(super) fn flush(&mut self, key: ConferenceKey, now: Instant) {
        let (interval, limit) = (
            self.config.limits.notify_interval,
            self.config.limits.max_participants,
        );
        let Some(conference) = self.conferences.get_mut(&key) else {
            return;
        };
        if conference.notify_at.is_none_or(|at| at > now) {
            return;
        }
        let revision = conference.roster.changes.revision();
        let mut next: Option<Instant> = None;
        let mut due = Vec::new();
        for (subscription, found) in conference
            .subscriptions
            .iter()
            .filter(|(_, found)| found.seen < revision)
        {
            match found.told.map(|told| told + interval).filter(|at| *at > now) {
                Some(at) => next = Some(next.map_or(at, |before| before.min(at))),
                None => due.push(*subscription),
            }
        }
        conference.notify_at = next;
        for subscription in due {
            self.tell(key, subscription, Content::Changes, now);
        }
        if let Some(conference) = self.conferences.get_mut(&key) {
            let seen_by_all = conference
                .subscriptions
                .values()
                .map(|found| found.seen)
                .min()
                .unwrap_or(revision);
            conference
                .roster
                .changes
                .forget(seen_by_all, limit.saturating_mul(2));
        }
    }

    /// Ends subscriptions whose time is over.
    pub(super) fn expire_subscriptions(&mut self, key: ConferenceKey, now: Instant) {
        while let Some(conference) = self.conferences.get_mut(&key)
            && let Some((at, subscription)) = conference.expiries.first().copied()
            && at <= now
        {
            conference.expiries.remove(&(at, subscription));
            if let Some(found) = conference.subscriptions.get_mut(&subscription) {
                found.notifier.handle_timeout(now);
                self.tell(key, subscription, Content::Changes, now);
            }
        }
    }

    /// A conference is over, and so are all subscriptions.
    pub(super) fn end_subscriptions(&mut self, key: ConferenceKey, now: Instant) {
        let Some(conference) = self.conferences.get_mut(&key) else {
            return;
        };
        let all: Vec<_> = conference.subscriptions.keys().copied().collect();
        for subscription in all {
            self.end_subscription(key, subscription, "noresource", Content::End, now);
        }
    }

    /// Who has left learns no more.
    pub(super) fn end_subscriptions_of(&mut self, key: ConferenceKey, user: &Identity, now: Instant) {
        let Some(conference) = self.conferences.get(&key) else {
            return;
        };
        if conference.roster.is_participant(user) {
            return;
        }
        let theirs: Vec<_> = conference
            .subscriptions
            .iter()
            .filter(|(_, found)| found.subscriber == *user)
            .map(|(subscription, _)| *subscription)
            .collect();
        for subscription in theirs {
            self.end_subscription(key, subscription, "rejected", Content::Nothing, now);
        }
    }

    fn end_subscription(
        &mut self,
        key: ConferenceKey,
        subscription: SubscriptionKey,
        reason: &'static str,
        content: Content,
        now: Instant,
    ) {
        let Some(conference) = self.conferences.get_mut(&key) else {
            return;
        };
        if let Some(found) = conference.subscriptions.get_mut(&subscription) {
            let expires = found.notifier.poll_timeout().map(|at| (at, subscription));
            found.notifier.terminate(reason);
            conference.expiries.remove_if_any(expires);
            self.tell(key, subscription, content, now);
        }
    }

    /// A notification got this answer, or none.
    pub(super) fn notified(
        &mut self,
        key: ConferenceKey,
        subscription: SubscriptionKey,
        response: Option<&Response>,
    ) {
        let Some(conference) = self.conferences.get_mut(&key) else {
            return;
        };
        let Some(found) = conference.subscriptions.get_mut(&subscription) else {
            return;
        };
        let expires = found.notifier.poll_timeout().map(|at| (at, subscription));
        found.notifier.handle_response(response);
        if found.notifier.state() == NotifierState::Gone {
            self.dialogs.remove(found.notifier.id());
            conference.subscriptions.remove(&subscription);
            conference.expiries.remove_if_any(expires);
            self.arm(key);
        }
    }

    /// Sends a notification, and forgets a subscription that it ends.
    fn tell(&mut self, key: ConferenceKey, subscription: SubscriptionKey, content: Content, now: Instant) {
        let Some(conference) = self.conferences.get_mut(&key) else {
            return;
        };
        let Some(mut found) = conference.subscriptions.remove(&subscription) else {
            return;
        };
        let body = document(conference, &mut found, content);
        found.told = Some(now);
        let content_type = ContentType::new("application", "conference-info+xml");
        let content = content_type.as_ref().ok().zip(body);
        if let Ok(notification) = found.notifier.notify(content, now) {
            let id = self.mint.outgoing();
            self.sent.insert(
                id,
                Sent::Notify {
                    conference: key,
                    subscription,
                },
            );
            self.out.request(id, notification);
        }
        if found.notifier.is_drained() {
            self.dialogs.remove(found.notifier.id());
        } else {
            conference.subscriptions.insert(subscription, found);
        }
    }
}

/// Writes what a subscriber is told.
//= https://www.rfc-editor.org/rfc/rfc4575#section-5.1
//# version number MUST be increased by one
fn document(conference: &Conference, subscription: &mut Subscription, content: Content) -> Option<Bytes> {
    if content == Content::Nothing {
        return None;
    }
    let roster = &conference.roster;
    let version = subscription.version;
    subscription.version = version.wrapping_add(1);
    let seen = std::mem::replace(&mut subscription.seen, roster.changes.revision());
    let mut info = ConferenceInfo::new(conference.uri.to_string(), version);
    let own: Vec<String> = roster
        .sessions_of(&subscription.subscriber)
        .into_iter()
        .filter_map(|key| Some(roster.get(key)?.shown_uri()))
        .collect();
    if content == Content::End {
        info.state = State::Deleted;
        info.users_state = None;
        return Some(info.write());
    }
    let mut state = ConferenceState::default();
    state.user_count = u32::try_from(roster.shown_count()).ok();
    info.conference_state = Some(state);
    if let Some(changed) = roster.changes.since(seen).filter(|_| content == Content::Changes) {
        info.state = State::Partial;
        info.users_state = Some(State::Partial);
        info.users = changed.map(|entity| user(conference, entity, &own)).collect();
    } else {
        let mut description = Description::default();
        description.display_text.clone_from(&conference.rules.display);
        description.subject = conference
            .subject
            .as_ref()
            .map(|subject| subject.as_str().to_owned());
        description.maximum_user_count = u32::try_from(conference.rules.max_participants).ok();
        info.description = Some(description);
        info.users = roster
            .entities()
            .map(|entity| user(conference, entity, &own))
            .collect();
    }
    Some(info.write())
}

/// What the others see of a user: a pseudonym where he hides.
//= R-6.3-06
fn user(conference: &Conference, entity: &str, own: &[String]) -> User {
    let roster = &conference.roster;
    let mut user = User::new(entity);
    for key in roster.shown(entity) {
        let Some(participant) = roster.get(key) else {
            continue;
        };
        user.display_text = user.display_text.or_else(|| participant.shown_name());
        user.nickname = user.nickname.or_else(|| {
            participant
                .nickname
                .as_ref()
                .map(|nickname| nickname.as_str().to_owned())
        });
        let mut endpoint = Endpoint::new(format!("{entity};session={}", key.0));
        endpoint.status = Some(EndpointStatus::Connected);
        let joined = if participant.dialed_in {
            JoiningMethod::DialedIn
        } else {
            JoiningMethod::DialedOut
        };
        endpoint.joining_method = Some(joined);
        user.endpoints.push(endpoint);
    }
    if user.endpoints.is_empty() {
        match roster.absence(entity) {
            Some(absence) => {
                user.display_text.clone_from(&absence.display);
                let mut endpoint = Endpoint::new(entity);
                endpoint.status = Some(EndpointStatus::Disconnected);
                endpoint.disconnection_method = Some(if absence.busy {
                    DisconnectionMethod::Busy
                } else {
                    DisconnectionMethod::Failed
                });
                user.endpoints.push(endpoint);
            }
            None => user.state = State::Deleted,
        }
    }
    if own.iter().any(|own| own == entity) {
        user.own = Some(true);
    }
    user
}

/// Removes an element that may be there.
trait RemoveIfAny<T> {
    fn remove_if_any(&mut self, element: Option<T>);
}

impl<T: Ord> RemoveIfAny<T> for std::collections::BTreeSet<T> {
    fn remove_if_any(&mut self, element: Option<T>) {
        if let Some(element) = element {
            self.remove(&element);
        }
    }
}
