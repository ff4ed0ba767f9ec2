//! What is for a user: his rules, then all his contacts, then the Deferred Messaging function.

use std::time::Instant;

use im_xdm_model::document::access_rules;
use im_xdm_model::policy::{self, Decision};
use im_xdm_model::xml;
use sip_im::endpoint::RequestFailure;
use sip_im::header::HeaderName;
use sip_im::{Identity, Method, Request, Response, StatusCode};

use super::fork::{Outcome, Purpose, Target};
use super::{Event, Exchange, Participating, Step};
use crate::ServiceWarning;
use crate::effect::{DocumentSelector, Effect, StoreError, StoredDocument};
use crate::message;
use crate::signal::{Destination, IncomingId, Location, Origin, OutgoingId, RoleKind, Transmit};

impl Participating {
    pub(super) fn terminate(&mut self, id: IncomingId, request: Request, origin: Origin, now: Instant) {
        self.ask_rules(id, request, origin, 0, now);
    }

    /// Asks for the document of the `usage`-th configured usage; with none left, there are no rules.
    fn ask_rules(&mut self, id: IncomingId, request: Request, origin: Origin, usage: usize, now: Instant) {
        let Some(auid) = self.config.rules.get(usage) else {
            self.apply(id, request, origin, Decision::Deliver, now);
            return;
        };
        let document = auid.rsplit('.').next().unwrap_or(auid);
        let selector = DocumentSelector::of_user(auid.clone(), message::target(&request), document);
        let effect = self.ids.effect();
        self.questions.insert(effect, id);
        self.effects
            .push_back(Effect::FetchDocument { id: effect, selector });
        let deadline = message::after(now, self.config.limits.effect_timeout);
        self.open(
            id,
            Exchange {
                request,
                origin,
                step: Step::Rules { effect, usage },
                deadline,
            },
        );
    }

    pub(super) fn take_rules(
        &mut self,
        id: IncomingId,
        result: Result<Option<StoredDocument>, StoreError>,
        now: Instant,
    ) {
        let Some(Exchange {
            step: Step::Rules { usage, .. },
            ..
        }) = self.exchanges.get(&id)
        else {
            return;
        };
        let next = usage.saturating_add(1);
        match result {
            // Rules that cannot be read might forbid: nothing is delivered past them.
            Err(_) => self.refuse(id, StatusCode::SERVER_INTERNAL_ERROR, None),
            Ok(None) => {
                if let Some(Exchange { request, origin, .. }) = self.close(id) {
                    self.ask_rules(id, request, origin, next, now);
                }
            }
            Ok(Some(stored)) => match access_rules::Ruleset::parse(&stored.text, &xml::Limits::default()) {
                Err(_) => self.refuse(id, StatusCode::SERVER_INTERNAL_ERROR, None),
                Ok(rules) => {
                    if let Some(Exchange { request, origin, .. }) = self.close(id) {
                        let decision = self.decide(&rules, &origin, now);
                        self.apply(id, request, origin, decision, now);
                    }
                }
            },
        }
    }

    fn decide(&self, rules: &access_rules::Ruleset, origin: &Origin, now: Instant) -> Decision {
        let asserted: Vec<Identity> = match &origin.user {
            Some(user) => vec![user.clone()],
            None => origin
                .originator
                .identities
                .iter()
                .map(sip_im::Uri::identity)
                .collect(),
        };
        let mut query = policy::Query::new(&asserted, self.clock.unix(now));
        query.anonymous = origin.originator.anonymous;
        query.aliases = Some(&self.aliases);
        policy::evaluate(rules, &query).decision
    }

    fn apply(&mut self, id: IncomingId, request: Request, origin: Origin, decision: Decision, now: Instant) {
        match decision {
            Decision::Deliver => {
                let question = self.ids.outgoing();
                self.branches.insert(question, id);
                self.transmits.push_back(Transmit::Locate {
                    id: question,
                    user: message::target(&request),
                });
                let deadline = message::after(now, self.config.limits.effect_timeout);
                self.open(
                    id,
                    Exchange {
                        request,
                        origin,
                        step: Step::Contacts { question },
                        deadline,
                    },
                );
            }
            Decision::Defer => self.defer(id, request, origin, now),
            Decision::PoliteBlock => {
                let status =
                    StatusCode::new(self.config.polite_block).unwrap_or(StatusCode::TEMPORARILY_UNAVAILABLE);
                self.turn_away(id, &request, &origin, status, None);
            }
            _ => {
                let warning = Some(ServiceWarning::ServiceNotAuthorised);
                self.turn_away(id, &request, &origin, StatusCode::FORBIDDEN, warning);
            }
        }
    }

    pub(super) fn take_contacts(&mut self, question: OutgoingId, contacts: Vec<Location>, now: Instant) {
        let Some(id) = self.branches.get(&question).copied() else {
            return;
        };
        let Some(Exchange { request, origin, .. }) = self.close(id) else {
            return;
        };
        if contacts.is_empty() {
            self.defer(id, request, origin, now);
            return;
        }
        let targets = contacts
            .into_iter()
            .map(|location| {
                let destination = location.flow.map_or(Destination::Contact, Destination::Flow);
                (
                    Some(Target {
                        uri: location.contact,
                        path: location.path,
                    }),
                    destination,
                )
            })
            .collect();
        self.forward(id, request, origin, Purpose::Delivery, targets, now);
    }

    /// Hands a message for someone who is away to the Deferred Messaging function; nothing else can wait.
    fn defer(&mut self, id: IncomingId, request: Request, origin: Origin, now: Instant) {
        //= R-5.3.2.1.2-03
        if may_wait(&request, &origin) {
            let onwards = vec![(None, Destination::Function(RoleKind::Deferred))];
            self.forward(id, request, origin, Purpose::Onwards, onwards, now);
        } else {
            self.turn_away(id, &request, &origin, StatusCode::TEMPORARILY_UNAVAILABLE, None);
        }
    }

    fn turn_away(
        &mut self,
        id: IncomingId,
        request: &Request,
        origin: &Origin,
        status: StatusCode,
        warning: Option<ServiceWarning>,
    ) {
        self.events.push_back(Event::Refused {
            from: origin.user.clone(),
            to: message::target(request),
            status,
            warning,
        });
        self.respond(
            id,
            message::refusal(request, status, warning, &self.config.domain),
        );
    }

    pub(super) fn take_response(&mut self, branch: OutgoingId, response: Response, now: Instant) {
        let Some(id) = self.branches.get(&branch).copied() else {
            return;
        };
        let Some(Exchange {
            step: Step::Responses(fork),
            ..
        }) = self.exchanges.get_mut(&id)
        else {
            return;
        };
        let outcome = fork.take_response(branch, response);
        self.take_outcome(id, outcome, now);
    }

    pub(super) fn take_failure(&mut self, branch: OutgoingId, reason: RequestFailure, now: Instant) {
        let Some(id) = self.branches.get(&branch).copied() else {
            return;
        };
        let Some(Exchange {
            step: Step::Responses(fork),
            ..
        }) = self.exchanges.get_mut(&id)
        else {
            return;
        };
        let status = match reason {
            RequestFailure::TimedOut if fork.is_invite() => StatusCode::REQUEST_TIMEOUT,
            RequestFailure::TimedOut => StatusCode::SERVER_TIMEOUT,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        let outcome = fork.take_failure(branch, status);
        self.take_outcome(id, outcome, now);
    }

    fn take_outcome(&mut self, id: IncomingId, outcome: Outcome, now: Instant) {
        let Some(request) = self.exchanges.get(&id).map(|exchange| exchange.request.clone()) else {
            return;
        };
        match outcome {
            Outcome::Wait => self.cancel_if_declined(id),
            Outcome::PassOn(response, cancelled) => {
                for branch in cancelled {
                    self.transmits.push_back(Transmit::Cancel { id: branch });
                }
                if response.status().code() >= 200 {
                    self.answered(id, now);
                } else {
                    let patience = self.config.limits.ringing;
                    self.extend(id, message::after(now, patience));
                }
                self.pass_on(id, &request, response);
            }
            Outcome::Ended(result) => self.conclude(id, result, now),
        }
    }

    fn cancel_if_declined(&mut self, id: IncomingId) {
        let Some(Exchange {
            step: Step::Responses(fork),
            ..
        }) = self.exchanges.get_mut(&id)
        else {
            return;
        };
        if fork.is_declined() {
            for branch in fork.cancel() {
                self.transmits.push_back(Transmit::Cancel { id: branch });
            }
        }
    }

    /// Passes a response on under the names that the sender has used: his own may have been taken out on the way.
    fn pass_on(&mut self, id: IncomingId, request: &Request, mut response: Response) {
        let name = HeaderName::FROM;
        if let Some(from) = request.headers().value(&name)
            && response.headers().value(&name).as_ref() != Some(&from)
        {
            let _ = response.headers_mut().set(&name, &from);
        }
        self.transmits.push_back(Transmit::PassOn { id, response });
    }

    /// A 2xx is passed on: an INVITE's may come again, or others from other branches; anything else is done.
    fn answered(&mut self, id: IncomingId, now: Instant) {
        let Some(exchange) = self.exchanges.get(&id) else {
            return;
        };
        if *exchange.request.method() == Method::Invite {
            self.extend(id, message::after(now, message::LINGER));
            return;
        }
        let Some(exchange) = self.close(id) else { return };
        self.dialogs.end(&exchange.request);
        if *exchange.request.method() == Method::Message && is_delivery(&exchange) {
            self.events.push_back(Event::Delivered {
                from: exchange.origin.user.clone(),
                to: message::target(&exchange.request),
            });
        }
    }

    fn extend(&mut self, id: IncomingId, deadline: Instant) {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            if *exchange.request.method() != Method::Invite {
                return;
            }
            self.deadlines.remove(&(exchange.deadline, id));
            exchange.deadline = deadline;
            self.deadlines.insert((deadline, id));
        }
    }

    /// All branches have ended without a 2xx.
    pub(super) fn conclude(&mut self, id: IncomingId, result: Result<Response, StatusCode>, now: Instant) {
        let Some(exchange) = self.close(id) else { return };
        let code = result
            .as_ref()
            .map_or_else(|status| status.code(), |response| response.status().code());
        let in_dialog = message::to_tag(&exchange.request).is_some();
        let delivery = matches!(&exchange.step, Step::Responses(fork) if fork.is_delivery());
        //= R-5.3.2.1.2-03
        if delivery && !in_dialog && is_temporary(code) && may_wait(&exchange.request, &exchange.origin) {
            self.defer(id, exchange.request, exchange.origin, now);
            return;
        }
        if in_dialog {
            self.dialogs.end(&exchange.request);
        } else if matches!(&exchange.step, Step::Responses(fork) if fork.opened_dialog) {
            self.dialogs.forget(&exchange.request);
        }
        match result {
            // RFC 4320 4.1: nobody waits for this answer any more, and it would say that the user agent did not.
            Ok(response)
                if response.status() == StatusCode::REQUEST_TIMEOUT
                    && *exchange.request.method() != Method::Invite =>
            {
                self.respond(
                    id,
                    message::refusal(
                        &exchange.request,
                        StatusCode::SERVER_TIMEOUT,
                        None,
                        &self.config.domain,
                    ),
                );
            }
            Ok(response) => self.pass_on(id, &exchange.request, response),
            Err(status) => self.respond(
                id,
                message::refusal(&exchange.request, status, None, &self.config.domain),
            ),
        }
    }
}

fn is_delivery(exchange: &Exchange) -> bool {
    matches!(&exchange.step, Step::Responses(fork) if fork.is_delivery())
}

/// Whether a request may be stored for later: a MESSAGE that has not been stored before, and that makes sense later.
fn may_wait(request: &Request, origin: &Origin) -> bool {
    *request.method() == Method::Message
        && origin.role != Some(RoleKind::Deferred)
        && message::to_tag(request).is_none()
        && !message::is_composing(request)
}

/// Whether a failure says that the user cannot be reached now, rather than that the message is not wanted.
fn is_temporary(code: u16) -> bool {
    matches!(code, 408 | 430 | 480 | 500 | 503 | 504)
}
