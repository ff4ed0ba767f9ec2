//! Pushing what waits to a user who has come back: oldest first, one after the other, each deleted once it is delivered.

use std::collections::VecDeque;
use std::time::Instant;

use sip_im::header::HeaderName;
use sip_im::{Identity, Message, Request, StatusCode, codec};

use super::{Change, Deferred, Event, Push};
use crate::effect::{DeferredMessage, Effect, EffectId};
use crate::signal::{Destination, OutgoingId, SessionCase, Transmit};

impl Deferred {
    //= R-5.3.2.1.2-06
    pub(super) fn come_back(&mut self, user: &Identity, now: Instant) {
        if !self.config.push_deferred {
            return;
        }
        if self.mailboxes.len() >= self.config.limits.max_pending_requests
            && !self.mailboxes.contains_key(user)
        {
            return;
        }
        self.mailboxes.entry(user.clone()).or_default().again = true;
        self.proceed(user, now);
    }

    pub(super) fn start_list(&mut self, user: &Identity, now: Instant) {
        let (effect, deadline) = self.ask(user, now);
        let Some(mailbox) = self.mailboxes.get_mut(user) else {
            return;
        };
        mailbox.again = false;
        mailbox.push = Push::Listing(effect, deadline);
        let limit = self.config.limits.deferred_page;
        self.effects.push_back(Effect::ListMessages {
            id: effect,
            user: user.clone(),
            limit,
        });
    }

    pub(super) fn take_list(
        &mut self,
        effect: EffectId,
        user: &Identity,
        mut messages: Vec<DeferredMessage>,
        now: Instant,
    ) {
        let Some(mailbox) = self.mailboxes.get_mut(user) else {
            return;
        };
        if !matches!(&mailbox.push, Push::Listing(id, _) if *id == effect) {
            return;
        }
        mailbox.push = Push::Idle;
        // A full page may have more behind it.
        mailbox.again |= !messages.is_empty() && messages.len() >= self.config.limits.deferred_page;
        messages.retain(|message| message.user == *user);
        messages.sort_by(|a, b| a.reference.cmp(&b.reference));
        self.deliver_next(user, messages.into(), now);
    }

    fn deliver_next(&mut self, user: &Identity, mut rest: VecDeque<DeferredMessage>, now: Instant) {
        let unix = self.clock.unix(now);
        let Some(mailbox) = self.mailboxes.get_mut(user) else {
            return;
        };
        let Some(next) = rest.pop_front() else {
            mailbox.push = Push::Idle;
            self.proceed(user, now);
            return;
        };
        if let Some(request) = (next.expires > unix).then(|| restore(&next)).flatten() {
            let id = self.ids.outgoing();
            self.deliveries.insert(id, user.clone());
            mailbox.push = Push::Delivering(next, rest);
            let destination = Destination::Route {
                case: SessionCase::Terminating,
            };
            self.transmits.push_back(Transmit::Request {
                id,
                request,
                destination,
            });
        } else {
            let news = Event::Dropped {
                user: user.clone(),
                reference: next.reference.clone(),
                status: None,
            };
            mailbox.push = Push::Deleting(next, news, rest);
        }
        self.proceed(user, now);
    }

    pub(super) fn take_delivery(&mut self, id: OutgoingId, status: StatusCode, now: Instant) {
        let Some(user) = self.deliveries.remove(&id) else {
            return;
        };
        let Some(mailbox) = self.mailboxes.get_mut(&user) else {
            return;
        };
        match std::mem::take(&mut mailbox.push) {
            Push::Delivering(message, rest) => match status.code() {
                200..300 => {
                    let news = Event::Delivered {
                        user: user.clone(),
                        reference: message.reference.clone(),
                    };
                    mailbox.push = Push::Deleting(message, news, rest);
                }
                // Not now: what waits goes on waiting, until the user is heard of again.
                401 | 407 | 408 | 430 | 480 | 486 | 487 | 491 | 500..600 => mailbox.again = false,
                _ => {
                    let reference = message.reference.clone();
                    let news = Event::Dropped {
                        user: user.clone(),
                        reference,
                        status: Some(status),
                    };
                    mailbox.push = Push::Deleting(message, news, rest);
                }
            },
            other => mailbox.push = other,
        }
        self.proceed(&user, now);
    }

    pub(super) fn start_delete(&mut self, user: &Identity, now: Instant) {
        let (effect, deadline) = self.ask(user, now);
        let Some(mailbox) = self.mailboxes.get_mut(user) else {
            return;
        };
        let Push::Deleting(message, _, _) = &mailbox.push else {
            return;
        };
        mailbox.change = Some(Change::Delete(effect, deadline));
        let reference = message.reference.clone();
        self.effects.push_back(Effect::DeleteMessage {
            id: effect,
            user: user.clone(),
            reference,
        });
    }

    /// The message of the push's step is deleted, or may not be. If not, the push ends: going on would list it again.
    pub(super) fn deleted(&mut self, user: &Identity, done: bool, now: Instant) {
        let Some(mailbox) = self.mailboxes.get_mut(user) else {
            return;
        };
        mailbox.change = None;
        match std::mem::take(&mut mailbox.push) {
            Push::Deleting(_, news, rest) if done => {
                self.events.push_back(news);
                self.deliver_next(user, rest, now);
            }
            Push::Deleting(..) => {
                mailbox.again = false;
                self.proceed(user, now);
            }
            other => {
                mailbox.push = other;
                self.proceed(user, now);
            }
        }
    }
}

/// The request as it was stored.
fn restore(message: &DeferredMessage) -> Option<Request> {
    match codec::parse_datagram(message.request.clone(), &codec::Limits::default()) {
        Ok(Message::Request(mut request)) => {
            request.headers_mut().remove(&HeaderName::VIA);
            Some(request)
        }
        _ => None,
    }
}
