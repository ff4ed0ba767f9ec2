//! Taking a message in: the request as it will be sent on later, durable before it is acknowledged.

use std::time::{Duration, Instant};

use sip_im::header::{HeaderName, Via};
use sip_im::pager::Validity;
use sip_im::{Identity, Method, Request, StatusCode};

use super::{Arrival, Change, Deferred, Event};
use crate::effect::{DeferredMessage, Effect, MailboxQuota, StoreError};
use crate::message;
use crate::signal::{IncomingId, Origin};

impl Deferred {
    pub(super) fn take_message(&mut self, id: IncomingId, request: Request, origin: &Origin, now: Instant) {
        if *request.method() != Method::Message {
            self.refuse(id, &request, StatusCode::METHOD_NOT_ALLOWED);
            return;
        }
        if message::target(&request) == self.config.deferred.identity() {
            self.refuse(id, &request, StatusCode::NOT_IMPLEMENTED);
            return;
        }
        // Only what this server's own functions hand over has passed the user's rules.
        if origin.role.is_none() {
            self.refuse(id, &request, StatusCode::FORBIDDEN);
            return;
        }
        if self.waiting >= self.config.limits.max_pending_requests {
            self.refuse(id, &request, StatusCode::SERVICE_UNAVAILABLE);
            return;
        }
        let octets = u64::try_from(request.body().len()).unwrap_or(u64::MAX);
        if octets > self.config.limits.max_message_size {
            self.refuse(id, &request, StatusCode::REQUEST_ENTITY_TOO_LARGE);
            return;
        }
        let user = message::target(&request);
        let Some(stored) = self.prepare(&user, &request, now) else {
            self.refuse(id, &request, StatusCode::SERVER_INTERNAL_ERROR);
            return;
        };
        self.waiting = self.waiting.saturating_add(1);
        self.mailboxes
            .entry(user.clone())
            .or_default()
            .arrivals
            .push_back(Arrival {
                id,
                request,
                message: stored,
            });
        self.proceed(&user, now);
    }

    fn refuse(&mut self, id: IncomingId, request: &Request, status: StatusCode) {
        self.events.push_back(Event::NotStored {
            user: message::target(request),
            status,
        });
        let response = message::refusal(request, status, None, &self.config.domain);
        self.respond(id, response);
    }

    fn prepare(&mut self, user: &Identity, request: &Request, now: Instant) -> Option<DeferredMessage> {
        let arrived = self.clock.unix(now);
        let mut kept = request.clone();
        for name in [HeaderName::ROUTE, HeaderName::RECORD_ROUTE] {
            kept.headers_mut().remove(&name);
        }
        // The hops of the past are over; without any Via it would be no request.
        let reference = self.reference(arrived);
        kept.headers_mut()
            .set_typed(&Via::new(
                "TCP",
                &self.config.domain,
                None,
                &format!("z9hG4bK{reference}"),
            ))
            .ok()?;
        if !kept.headers().contains(&HeaderName::DATE) {
            kept.headers_mut().push_typed(&message::date(arrived)).ok()?;
        }
        let latest = arrived.saturating_add(self.config.limits.deferred_max_age);
        let expires = Validity::of(request, arrived)
            .ends()
            .map_or(latest, |ends| ends.min(latest));
        Some(DeferredMessage::new(
            user.clone(),
            reference,
            kept.to_bytes(),
            arrived,
            expires,
        ))
    }

    /// Names in the order of arrival, also when the calendar clock is set back.
    fn reference(&mut self, arrived: Duration) -> String {
        if arrived > self.last_reference {
            self.last_reference = arrived;
            self.serial = 0;
        } else {
            self.serial = self.serial.wrapping_add(1);
        }
        format!("{:020}-{:010}", self.last_reference.as_nanos(), self.serial)
    }

    pub(super) fn start_store(&mut self, user: &Identity, now: Instant) {
        let limits = &self.config.limits;
        let quota = MailboxQuota::new(limits.max_deferred_per_user, limits.max_deferred_octets);
        let (effect, deadline) = self.ask(user, now);
        let Some(mailbox) = self.mailboxes.get_mut(user) else {
            return;
        };
        let Some(first) = mailbox.arrivals.front() else {
            return;
        };
        mailbox.change = Some(Change::Store(effect, deadline));
        self.effects.push_back(Effect::StoreMessage {
            id: effect,
            message: first.message.clone(),
            quota,
        });
    }

    pub(super) fn take_written(
        &mut self,
        effect: crate::effect::EffectId,
        user: &Identity,
        result: Result<(), StoreError>,
        now: Instant,
    ) {
        let Some(mailbox) = self.mailboxes.get(user) else {
            return;
        };
        match &mailbox.change {
            Some(Change::Store(id, _)) if *id == effect => {
                let result = result.map_err(|error| match error {
                    StoreError::QuotaExceeded => StatusCode::TEMPORARILY_UNAVAILABLE,
                    _ => StatusCode::SERVER_INTERNAL_ERROR,
                });
                self.stored(user, result, now);
            }
            Some(Change::Delete(id, _)) if *id == effect => self.deleted(user, result.is_ok(), now),
            _ => {}
        }
    }

    /// The first arrival is durable, or is not.
    pub(super) fn stored(&mut self, user: &Identity, result: Result<(), StatusCode>, now: Instant) {
        let Some(mailbox) = self.mailboxes.get_mut(user) else {
            return;
        };
        mailbox.change = None;
        let Some(arrival) = mailbox.arrivals.pop_front() else {
            return;
        };
        self.waiting = self.waiting.saturating_sub(1);
        match result {
            Ok(()) => {
                //= https://www.rfc-editor.org/rfc/rfc3428#section-7
                //# A UAS which is, in fact, a message relay, storing the message and
                //# forwarding it later on, or forwarding it into a non-SIP domain,
                //# SHOULD return a 202 (Accepted) [5] response indicating that the
                //# message was accepted, but end to end delivery has not been
                //# guaranteed.
                let accepted = arrival.request.response(StatusCode::ACCEPTED).build().ok();
                self.events.push_back(Event::Deferred {
                    user: user.clone(),
                    reference: arrival.message.reference,
                });
                self.respond(arrival.id, accepted);
            }
            Err(status) => self.refuse(arrival.id, &arrival.request, status),
        }
        self.proceed(user, now);
    }
}
