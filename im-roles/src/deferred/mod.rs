//! The Deferred Messaging function: keeps messages for users who are away, and pushes them when they come back.
//!
//! A sender is told 202 only once the store has answered that the message is durable. Of each mailbox there is at most
//! one change outstanding, so a host may carry out effects in any order.

mod delivery;
mod store;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sip_im::{Identity, Request, Response, StatusCode};

use crate::WallClock;
use crate::config::Config;
use crate::effect::{Answer, DeferredMessage, Effect, EffectId};
use crate::message;
use crate::signal::{Ids, IncomingId, Input, OutgoingId, RoleKind, Transmit};

/// News of the Deferred Messaging function.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A message waits, durably.
    Deferred {
        /// Whose it is.
        user: Identity,
        /// Its name in the mailbox.
        reference: String,
    },
    /// A message that waited has reached its user, and is gone from the mailbox.
    Delivered {
        /// Whose it is.
        user: Identity,
        /// Its name in the mailbox.
        reference: String,
    },
    /// A message that waited is given up: it expired, or the user's clients do not want it.
    Dropped {
        /// Whose it is.
        user: Identity,
        /// Its name in the mailbox.
        reference: String,
        /// The answer of the user's client; `None`: it expired or could not be read.
        status: Option<StatusCode>,
    },
    /// A message could not be stored; its sender was told.
    NotStored {
        /// Whose it would have been.
        user: Identity,
        /// What the sender was told.
        status: StatusCode,
    },
}

/// The Deferred Messaging function of all users of a server.
#[derive(Debug)]
pub struct Deferred {
    config: Arc<Config>,
    clock: WallClock,
    ids: Ids,
    mailboxes: BTreeMap<Identity, Mailbox>,
    waiting: usize,
    effects_open: BTreeMap<EffectId, Identity>,
    deliveries: BTreeMap<OutgoingId, Identity>,
    deadlines: BTreeSet<(Instant, EffectId)>,
    last_reference: Duration,
    serial: u32,
    transmits: VecDeque<Transmit>,
    effects: VecDeque<Effect>,
    events: VecDeque<Event>,
}

crate::impl_machine!(role Deferred: Input => Transmit, Event; Effect => Answer);

/// What goes on with one user's mailbox; there is none while nothing does.
#[derive(Debug, Default)]
struct Mailbox {
    /// Messages to store, the first of them perhaps on its way.
    arrivals: VecDeque<Arrival>,
    /// The change that is outstanding.
    change: Option<Change>,
    /// The push of what waits.
    push: Push,
    /// The user has come back since the push last looked.
    again: bool,
}

/// A message that is owed an answer.
#[derive(Debug)]
struct Arrival {
    id: IncomingId,
    request: Request,
    message: DeferredMessage,
}

/// The outstanding change of a mailbox.
#[derive(Debug)]
enum Change {
    /// The first arrival is being stored.
    Store(EffectId, Instant),
    /// The message of the push's step is being deleted.
    Delete(EffectId, Instant),
}

/// How far the push of a mailbox has come.
#[derive(Debug, Default)]
enum Push {
    /// Nothing is pushed.
    #[default]
    Idle,
    /// The oldest messages are asked for.
    Listing(EffectId, Instant),
    /// A message is on its way.
    Delivering(DeferredMessage, VecDeque<DeferredMessage>),
    /// A message is to be deleted, with the news to give when that is done.
    Deleting(DeferredMessage, Event, VecDeque<DeferredMessage>),
}

impl Deferred {
    /// A function that serves the users of a server.
    pub fn new(config: Arc<Config>, clock: WallClock) -> Self {
        Self {
            config,
            clock,
            ids: Ids::new(RoleKind::Deferred),
            mailboxes: BTreeMap::new(),
            waiting: 0,
            effects_open: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            last_reference: Duration::ZERO,
            serial: 0,
            transmits: VecDeque::new(),
            effects: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes a new reading of the calendar clock.
    pub fn set_wall_clock(&mut self, clock: WallClock) {
        self.clock = clock;
    }

    /// Takes one input.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Request { id, request, origin } => self.take_message(id, request, &origin, now),
            Input::UserAvailable { user } => self.come_back(&user, now),
            Input::Response { id, response } if response.status().code() >= 200 => {
                self.take_delivery(id, response.status(), now);
            }
            Input::Failed { id, .. } => self.take_delivery(id, StatusCode::REQUEST_TIMEOUT, now),
            _ => {}
        }
    }

    /// Acts on every deadline up to `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(at, effect)) = self.deadlines.first() {
            if at > now {
                break;
            }
            self.deadlines.pop_first();
            if let Some(user) = self.effects_open.remove(&effect) {
                self.give_up(effect, &user, now);
            }
        }
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
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Whether nothing is outstanding and nothing waits to be polled.
    pub fn is_drained(&self) -> bool {
        self.mailboxes.is_empty()
            && self.transmits.is_empty()
            && self.effects.is_empty()
            && self.events.is_empty()
    }

    /// Takes an answer; one that is late, or comes again, is ignored.
    pub fn handle_answer(&mut self, answer: Answer, now: Instant) {
        let effect = answer.id();
        let Some(user) = self.effects_open.remove(&effect) else {
            return;
        };
        self.settle_deadline(effect, &user);
        match answer {
            Answer::Written { result, .. } => self.take_written(effect, &user, result, now),
            Answer::Messages { result, .. } => self.take_list(effect, &user, result.unwrap_or_default(), now),
            // An answer of another kind is none: the work counts as undone.
            Answer::Document { .. } | Answer::Documents { .. } | Answer::Groups { .. } => {
                self.give_up(effect, &user, now);
            }
        }
    }

    /// Notes that an effect is outstanding for a user's mailbox.
    fn ask(&mut self, user: &Identity, now: Instant) -> (EffectId, Instant) {
        let effect = self.ids.effect();
        let deadline = message::after(now, self.config.limits.effect_timeout);
        self.effects_open.insert(effect, user.clone());
        self.deadlines.insert((deadline, effect));
        (effect, deadline)
    }

    fn settle_deadline(&mut self, effect: EffectId, user: &Identity) {
        let Some(mailbox) = self.mailboxes.get(user) else {
            return;
        };
        let at = match (&mailbox.change, &mailbox.push) {
            (Some(Change::Store(id, at) | Change::Delete(id, at)), _) if *id == effect => *at,
            (_, Push::Listing(id, at)) if *id == effect => *at,
            _ => return,
        };
        self.deadlines.remove(&(at, effect));
    }

    /// An effect has run out of time.
    fn give_up(&mut self, effect: EffectId, user: &Identity, now: Instant) {
        let Some(mailbox) = self.mailboxes.get_mut(user) else {
            return;
        };
        match &mailbox.change {
            Some(Change::Store(id, _)) if *id == effect => {
                self.stored(user, Err(StatusCode::SERVER_TIMEOUT), now);
            }
            Some(Change::Delete(id, _)) if *id == effect => self.deleted(user, false, now),
            _ if matches!(&mailbox.push, Push::Listing(id, _) if *id == effect) => {
                mailbox.push = Push::Idle;
                mailbox.again = false;
                self.proceed(user, now);
            }
            _ => {}
        }
    }

    /// Starts what can be started of a mailbox, and forgets the mailbox when nothing goes on.
    fn proceed(&mut self, user: &Identity, now: Instant) {
        let Some(mailbox) = self.mailboxes.get(user) else {
            return;
        };
        if mailbox.change.is_none() {
            if matches!(mailbox.push, Push::Deleting(..)) {
                self.start_delete(user, now);
            } else if !mailbox.arrivals.is_empty() {
                self.start_store(user, now);
            }
        }
        let Some(mailbox) = self.mailboxes.get(user) else {
            return;
        };
        if matches!(mailbox.push, Push::Idle) && mailbox.change.is_none() {
            if mailbox.again {
                self.start_list(user, now);
            } else if mailbox.arrivals.is_empty() {
                self.mailboxes.remove(user);
            }
        }
    }

    fn respond(&mut self, id: IncomingId, response: Option<Response>) {
        if let Some(response) = response {
            self.transmits.push_back(Transmit::Respond { id, response });
        }
    }
}
