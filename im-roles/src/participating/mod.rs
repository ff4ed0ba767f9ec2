//! The service point of one user: policy, privacy and delivery, as a transparent back-to-back user agent.
//!
//! Requests keep their Call-ID, tags and Contact, so that SUBSCRIBE, REFER, Replaces and Join work through it unchanged.
//! What comes *from* a user is checked and sent on; what is *for* a user passes his rules, is delivered to all his
//! contacts in parallel, and goes to the Deferred Messaging function when he is away.

mod dialogs;
mod fork;
mod originating;
mod terminating;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use sip_im::header::{Privacy, PrivacyValue};
use sip_im::{Aliases, Request, Response, StatusCode};

use self::dialogs::Dialogs;
use self::fork::{Fork, Purpose};
use crate::config::Config;
use crate::effect::{Answer, Effect, EffectId};
use crate::message;
use crate::signal::{
    Destination, Ids, IncomingId, Input, Origin, OutgoingId, RoleKind, SessionCase, Transmit,
};
use crate::{ServiceWarning, WallClock};

/// News of the Participating function.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A request was refused on behalf of a user.
    Refused {
        /// Whom it was from, if that is known.
        from: Option<sip_im::Identity>,
        /// Whom it was for.
        to: sip_im::Identity,
        /// The answer.
        status: StatusCode,
        /// The service's reason.
        warning: Option<ServiceWarning>,
    },
    /// A MESSAGE reached a client.
    Delivered {
        /// Whom it was from, if that is known.
        from: Option<sip_im::Identity>,
        /// Whom it was for.
        to: sip_im::Identity,
    },
}

/// The Participating function of all users of a server.
///
/// One value serves every user: what belongs to a user is in the requests and in his documents, not in here.
#[derive(Debug)]
pub struct Participating {
    config: Arc<Config>,
    clock: WallClock,
    ids: Ids,
    exchanges: BTreeMap<IncomingId, Exchange>,
    branches: BTreeMap<OutgoingId, IncomingId>,
    questions: BTreeMap<EffectId, IncomingId>,
    deadlines: BTreeSet<(Instant, IncomingId)>,
    dialogs: Dialogs,
    aliases: Aliases,
    transmits: VecDeque<Transmit>,
    effects: VecDeque<Effect>,
    events: VecDeque<Event>,
}

crate::impl_machine!(role Participating: Input => Transmit, Event; Effect => Answer);

/// A request that is owed an answer, or an INVITE whose 2xx may come again.
#[derive(Debug)]
struct Exchange {
    request: Request,
    origin: Origin,
    step: Step,
    deadline: Instant,
}

/// What an exchange waits for.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all that wait, and wait long, wait for responses"
)]
enum Step {
    /// The served user's rules are being fetched; the number says from which usage.
    Rules { effect: EffectId, usage: usize },
    /// The served user's contacts are being looked up.
    Contacts { question: OutgoingId },
    /// The request is on its way.
    Responses(Fork),
}

impl Participating {
    /// A function that serves the users of a server.
    pub fn new(config: Arc<Config>, clock: WallClock) -> Self {
        let dialogs = Dialogs::new(config.limits.max_dialogs);
        Self {
            config,
            clock,
            ids: Ids::new(RoleKind::Participating),
            exchanges: BTreeMap::new(),
            branches: BTreeMap::new(),
            questions: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            dialogs,
            aliases: Aliases::new(),
            transmits: VecDeque::new(),
            effects: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes a new reading of the calendar clock.
    pub fn set_wall_clock(&mut self, clock: WallClock) {
        self.clock = clock;
    }

    /// Takes the alias sets, when users were added or removed.
    pub fn set_aliases(&mut self, aliases: Aliases) {
        self.aliases = aliases;
    }

    /// Whether a request belongs to a dialog that passes through here.
    pub(crate) fn knows(&self, request: &Request) -> bool {
        self.dialogs.has(request)
    }

    /// Takes one input.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Request { id, request, origin } => self.take_request(id, request, origin, now),
            Input::Cancel { id } => self.cancel(id),
            Input::Response { id, response } => self.take_response(id, response, now),
            Input::Failed { id, reason } => self.take_failure(id, reason, now),
            Input::Located { id, contacts } => self.take_contacts(id, contacts, now),
            Input::Ack { .. }
            | Input::AckTimedOut { .. }
            | Input::Media { .. }
            | Input::MediaRefused { .. }
            | Input::UserAvailable { .. } => {}
        }
    }

    /// Acts on every deadline up to `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(at, id)) = self.deadlines.first() {
            if at > now {
                break;
            }
            self.deadlines.pop_first();
            self.expire(id, now);
        }
        self.dialogs.expire(now);
    }

    /// Gives the next thing to send.
    pub fn poll_transmit(&mut self, _now: Instant) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// Gives the next piece of news.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Gives the next piece of work for the host.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The next deadline.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let exchange = self.deadlines.first().map(|(at, _)| *at);
        [exchange, self.dialogs.next_expiry()].into_iter().flatten().min()
    }

    /// Whether no exchange is open and nothing waits to be polled. Remembered dialogs do not count.
    pub fn is_drained(&self) -> bool {
        self.exchanges.is_empty()
            && self.transmits.is_empty()
            && self.effects.is_empty()
            && self.events.is_empty()
    }

    /// Takes an answer; one that is late, or comes again, is ignored.
    pub fn handle_answer(&mut self, answer: Answer, now: Instant) {
        let Some(id) = self.questions.remove(&answer.id()) else {
            return;
        };
        if let Answer::Document { result, .. } = answer {
            self.take_rules(id, result, now);
        }
    }

    fn take_request(&mut self, id: IncomingId, request: Request, origin: Origin, now: Instant) {
        if self.exchanges.len() >= self.config.limits.max_pending_requests {
            self.respond(
                id,
                message::refusal(
                    &request,
                    StatusCode::SERVICE_UNAVAILABLE,
                    None,
                    &self.config.domain,
                ),
            );
            return;
        }
        if message::to_tag(&request).is_some() {
            self.take_request_in_dialog(id, request, origin, now);
        } else {
            match origin.case {
                SessionCase::Originating => self.originate(id, request, origin, now),
                SessionCase::Terminating => self.terminate(id, request, origin, now),
            }
        }
    }

    /// A request inside a dialog goes where the dialog goes; rules were applied when it was made. One outside all known
    /// dialogs is refused, so that a To tag is no way round a user's rules.
    fn take_request_in_dialog(&mut self, id: IncomingId, mut request: Request, origin: Origin, now: Instant) {
        let Some(admission) = self.dialogs.admit(&request, now, self.config.limits.dialog_idle) else {
            let status = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
            self.respond(id, message::refusal(&request, status, None, &self.config.domain));
            return;
        };
        if admission.hidden && !origin.originator.anonymous {
            // Replaced whole: what was asked for at the start of the dialog holds to its end.
            let _ = request.headers_mut().set_typed(&Privacy(vec![PrivacyValue::Id]));
        }
        let destination = match origin.next {
            Some(flow) => Destination::Flow(flow),
            None => Destination::Route {
                case: SessionCase::Terminating,
            },
        };
        self.forward(
            id,
            request,
            origin,
            Purpose::Onwards,
            vec![(None, destination)],
            now,
        );
    }

    /// Sends a request on, to each of `targets`: with another Request-URI and the Path to it, if given.
    fn forward(
        &mut self,
        id: IncomingId,
        request: Request,
        origin: Origin,
        purpose: Purpose,
        targets: Vec<(Option<fork::Target>, Destination)>,
        now: Instant,
    ) {
        let limits = &self.config.limits;
        let mut fork = Fork::new(request.method(), purpose);
        let mut requests = Vec::new();
        for (target, destination) in targets.into_iter().take(limits.max_branches) {
            match fork::branch_request(&request, target.as_ref()) {
                Ok(copy) => {
                    let branch = self.ids.outgoing();
                    fork.add(branch);
                    requests.push((branch, copy, destination));
                }
                Err(error) => {
                    self.respond(id, error.response(&request).build().ok());
                    return;
                }
            }
        }
        let hidden = origin.originator.anonymous;
        let opened = if message::forms_dialog(&request) {
            self.dialogs.open(&request, hidden, now, limits.dialog_idle)
        } else {
            Some(false)
        };
        if let Some(opened) = opened {
            fork.opened_dialog = opened;
        } else {
            self.respond(
                id,
                message::refusal(
                    &request,
                    StatusCode::SERVICE_UNAVAILABLE,
                    None,
                    &self.config.domain,
                ),
            );
            return;
        }
        let patience = if fork.is_invite() {
            limits.ringing
        } else {
            limits.answer_timeout
        };
        for (branch, request, destination) in requests {
            self.branches.insert(branch, id);
            self.transmits.push_back(Transmit::Request {
                id: branch,
                request,
                destination,
            });
        }
        self.open(
            id,
            Exchange {
                request,
                origin,
                step: Step::Responses(fork),
                deadline: message::after(now, patience),
            },
        );
    }

    fn open(&mut self, id: IncomingId, exchange: Exchange) {
        self.deadlines.insert((exchange.deadline, id));
        self.exchanges.insert(id, exchange);
    }

    /// Takes an exchange out with all that refers to it.
    fn close(&mut self, id: IncomingId) -> Option<Exchange> {
        let exchange = self.exchanges.remove(&id)?;
        self.deadlines.remove(&(exchange.deadline, id));
        match &exchange.step {
            Step::Rules { effect, .. } => {
                self.questions.remove(effect);
            }
            Step::Contacts { question } => {
                self.branches.remove(question);
            }
            Step::Responses(fork) => {
                for branch in fork.branches() {
                    self.branches.remove(&branch);
                }
            }
        }
        Some(exchange)
    }

    fn respond(&mut self, id: IncomingId, response: Option<Response>) {
        if let Some(response) = response {
            self.transmits.push_back(Transmit::Respond { id, response });
        }
    }

    /// Refuses an open exchange.
    fn refuse(&mut self, id: IncomingId, status: StatusCode, warning: Option<ServiceWarning>) {
        let Some(exchange) = self.close(id) else { return };
        self.events.push_back(Event::Refused {
            from: exchange.origin.user.clone(),
            to: message::target(&exchange.request),
            status,
            warning,
        });
        self.respond(
            id,
            message::refusal(&exchange.request, status, warning, &self.config.domain),
        );
    }

    fn cancel(&mut self, id: IncomingId) {
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return;
        };
        match &mut exchange.step {
            Step::Responses(fork) => {
                for branch in fork.cancel() {
                    self.transmits.push_back(Transmit::Cancel { id: branch });
                }
            }
            Step::Rules { .. } | Step::Contacts { .. } => {
                self.refuse(id, StatusCode::REQUEST_TERMINATED, None);
            }
        }
    }

    fn expire(&mut self, id: IncomingId, now: Instant) {
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return;
        };
        match &mut exchange.step {
            Step::Rules { .. } | Step::Contacts { .. } => {
                self.refuse(id, StatusCode::SERVER_TIMEOUT, None);
            }
            Step::Responses(fork) if fork.is_answered() => {
                self.close(id);
            }
            Step::Responses(fork) => {
                for branch in fork.cancel() {
                    self.transmits.push_back(Transmit::Cancel { id: branch });
                }
                let status = if fork.is_invite() {
                    StatusCode::REQUEST_TIMEOUT
                } else {
                    StatusCode::SERVER_TIMEOUT
                };
                self.conclude(id, Err(status), now);
            }
        }
    }
}
