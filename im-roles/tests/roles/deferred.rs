//! The Deferred Messaging function beside a model of what it promises.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use im_roles::config::Config;
use im_roles::deferred::Deferred;
use im_roles::effect::{Answer, DeferredMessage, Effect, EffectId, StoreError};
use im_roles::signal::{IncomingId, Input, OutgoingId, RoleKind, SessionCase, Transmit};
use proptest::prelude::*;
use sip_im::{Method, Request, StatusCode, Uri};

use crate::{check_deadline, clock, origin, request};

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    /// A message for one of two users.
    Arrive(u8),
    /// A user comes back.
    Available(u8),
    /// The n-th outstanding effect is done.
    Do(usize),
    /// The n-th outstanding effect fails.
    Fail(usize),
    /// The n-th outstanding effect is done, but its answer is lost.
    Swallow(usize),
    /// The n-th message on its way gets this answer.
    Answer(usize, u16),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u8..2).prop_map(Step::Arrive),
        3 => (0_u8..2).prop_map(Step::Available),
        6 => (0_usize..4).prop_map(Step::Do),
        1 => (0_usize..4).prop_map(Step::Fail),
        1 => (0_usize..4).prop_map(Step::Swallow),
        5 => ((0_usize..4), prop::sample::select(vec![200, 202, 404, 408, 480, 503, 603]))
            .prop_map(|(n, code)| Step::Answer(n, code)),
        1 => (0_u64..15_000).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..60)
}

/// A store, and what the world outside has seen.
struct Model {
    deferred: Deferred,
    now: Instant,
    store: BTreeMap<(String, String), DeferredMessage>,
    effects: VecDeque<Effect>,
    asked: BTreeMap<EffectId, Instant>,
    on_their_way: VecDeque<(OutgoingId, Request)>,
    /// Bodies of messages that were answered 202, and those answered otherwise.
    accepted: BTreeSet<String>,
    refused: BTreeSet<String>,
    incoming: BTreeMap<IncomingId, String>,
    delivered: Vec<String>,
    unwanted: Vec<String>,
    serial: u32,
}

impl Model {
    fn new() -> Self {
        let now = Instant::now();
        let config = Config::new("example.com").unwrap();
        Self {
            deferred: Deferred::new(Arc::new(config), clock(now)),
            now,
            store: BTreeMap::new(),
            effects: VecDeque::new(),
            asked: BTreeMap::new(),
            on_their_way: VecDeque::new(),
            accepted: BTreeSet::new(),
            refused: BTreeSet::new(),
            incoming: BTreeMap::new(),
            delivered: Vec::new(),
            unwanted: Vec::new(),
            serial: 0,
        }
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.deferred.poll_transmit(self.now) {
            match transmit {
                Transmit::Respond { id, response } => {
                    let body = self.incoming.remove(&id).expect("one answer to each message");
                    if response.status() == StatusCode::ACCEPTED {
                        self.accepted.insert(body);
                    } else {
                        self.refused.insert(body);
                    }
                }
                Transmit::Request { id, request, .. } => self.on_their_way.push_back((id, request)),
                other => panic!("unexpected {other:?}"),
            }
        }
        while let Some(effect) = self.deferred.poll_effect() {
            self.asked.insert(effect.id(), self.now);
            self.effects.push_back(effect);
        }
        while self.deferred.poll_event().is_some() {}
    }

    fn arrive(&mut self, user: u8) {
        self.serial += 1;
        let body = format!("message {}", self.serial);
        let request = request(
            Method::Message,
            &format!("sip:user{user}@example.com"),
            self.serial,
            &body,
        );
        let origin = origin(&request, Some(RoleKind::Participating), SessionCase::Terminating);
        let id = IncomingId::new(u64::from(self.serial));
        self.incoming.insert(id, body);
        self.deferred
            .handle_input(Input::Request { id, request, origin }, self.now);
    }

    fn perform(&mut self, effect: &Effect) -> Answer {
        match effect {
            Effect::StoreMessage { id, message, .. } => {
                let key = (message.user.to_string(), message.reference.clone());
                assert!(
                    self.store.insert(key, message.clone()).is_none(),
                    "a name is used twice"
                );
                Answer::Written {
                    id: *id,
                    result: Ok(()),
                }
            }
            Effect::DeleteMessage { id, user, reference } => {
                self.store.remove(&(user.to_string(), reference.clone()));
                Answer::Written {
                    id: *id,
                    result: Ok(()),
                }
            }
            Effect::ListMessages { id, user, limit } => {
                let user = user.to_string();
                let messages = self.store.iter().filter(|((owner, _), _)| *owner == user);
                Answer::Messages {
                    id: *id,
                    result: Ok(messages
                        .map(|(_, message)| message.clone())
                        .take(*limit)
                        .collect()),
                }
            }
            other => panic!("unexpected {other:?}"),
        }
    }

    fn take(&mut self, number: usize) -> Option<Effect> {
        let number = number.checked_rem(self.effects.len())?;
        self.effects.remove(number)
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Arrive(user) => self.arrive(*user),
            Step::Available(user) => {
                let user = Uri::parse(&format!("sip:user{user}@example.com"))
                    .unwrap()
                    .identity();
                self.deferred
                    .handle_input(Input::UserAvailable { user }, self.now);
            }
            Step::Do(number) => {
                if let Some(effect) = self.take(*number) {
                    let answer = self.perform(&effect);
                    self.deferred.handle_answer(answer.clone(), self.now);
                    self.drain();
                    self.deferred.handle_answer(answer, self.now);
                }
            }
            Step::Fail(number) => {
                if let Some(effect) = self.take(*number) {
                    self.deferred.handle_answer(failure(&effect), self.now);
                }
            }
            Step::Swallow(number) => {
                if let Some(effect) = self.take(*number) {
                    self.perform(&effect);
                }
            }
            Step::Answer(number, code) => {
                let Some(number) = number.checked_rem(self.on_their_way.len()) else {
                    return;
                };
                let Some((id, request)) = self.on_their_way.remove(number) else {
                    return;
                };
                let body = String::from_utf8(request.body().to_vec()).unwrap();
                match code {
                    200..300 => self.delivered.push(body),
                    404 | 603 => self.unwanted.push(body),
                    _ => {}
                }
                let response = request.response(StatusCode::new(*code).unwrap()).build().unwrap();
                self.deferred
                    .handle_input(Input::Response { id, response }, self.now);
            }
            Step::Pass(time) => {
                self.now += Duration::from_millis(*time);
                check_deadline(&mut self.deferred, self.now);
            }
        }
        self.drain();
        self.check_writes();
    }

    /// Of each mailbox, at most one change and one listing are wanted of the store at a time.
    fn check_writes(&self) {
        let late = self.now.checked_sub(Duration::from_secs(10)).unwrap_or(self.now);
        for user in ["sip:user0@example.com", "sip:user1@example.com"] {
            let writes = self.effects.iter().filter(|effect| match effect {
                Effect::StoreMessage { message, .. } => message.user.to_string() == user,
                Effect::DeleteMessage { user: owner, .. } => owner.to_string() == user,
                _ => false,
            });
            // One that has run out of time may still be with the store.
            let patient = writes
                .filter(|effect| self.asked.get(&effect.id()).is_some_and(|at| *at > late))
                .count();
            assert!(patient <= 1, "{patient} changes to one mailbox at a time");
            let flying = self
                .on_their_way
                .iter()
                .filter(|(_, request)| request.uri().to_string() == user)
                .count();
            assert!(flying <= 1, "{flying} messages at a time");
        }
    }
}

fn failure(effect: &Effect) -> Answer {
    let id = effect.id();
    match effect {
        Effect::ListMessages { .. } => Answer::Messages {
            id,
            result: Err(StoreError::Unavailable),
        },
        _ => Answer::Written {
            id,
            result: Err(StoreError::Unavailable),
        },
    }
}

proptest! {
    #[test]
    fn what_was_accepted_is_delivered_or_kept_and_nothing_is_left_over(steps in steps()) {
        let mut model = Model::new();
        for step in &steps {
            model.step(step);
        }
        // A store that answers, and clients that take what they get.
        for _ in 0..3 {
            for user in 0..2 {
                model.step(&Step::Available(user));
            }
            while !model.effects.is_empty() || !model.on_their_way.is_empty() {
                model.step(&Step::Do(0));
                model.step(&Step::Answer(0, 200));
            }
            model.step(&Step::Pass(20_000));
        }
        prop_assert!(model.deferred.is_drained());
        prop_assert!(model.deferred.poll_timeout().is_none());
        prop_assert!(model.incoming.is_empty(), "each sender has an answer");
        for body in &model.accepted {
            let seen = model.delivered.contains(body) || model.unwanted.contains(body);
            prop_assert!(seen, "{} was accepted and is lost", body);
        }
        // In order, as long as nothing came twice because its deletion failed.
        let mut unique = model.delivered.clone();
        unique.sort();
        unique.dedup();
        if steps.iter().all(|step| !matches!(step, Step::Fail(_) | Step::Swallow(_) | Step::Pass(_))) {
            prop_assert_eq!(unique.len(), model.delivered.len(), "something came twice");
            prop_assert!(model.store.is_empty());
        }
    }
}

#[test]
fn what_arrives_while_the_user_comes_back_is_pushed_as_well() {
    let mut model = Model::new();
    model.step(&Step::Arrive(0));
    model.step(&Step::Available(0));
    assert_eq!(model.effects.len(), 1, "the message is stored first");
    model.step(&Step::Do(0));
    model.step(&Step::Do(0));
    model.step(&Step::Answer(0, 200));
    model.step(&Step::Do(0));
    assert_eq!(model.delivered, ["message 1"]);
    assert!(model.deferred.is_drained());
}

#[test]
fn without_pushing_nothing_is_listed() {
    let mut config = Config::new("example.com").unwrap();
    config.push_deferred = false;
    let now = Instant::now();
    let mut deferred = Deferred::new(Arc::new(config), clock(now));
    let user = Uri::parse("sip:user0@example.com").unwrap().identity();
    deferred.handle_input(Input::UserAvailable { user }, now);
    assert!(deferred.poll_effect().is_none());
    assert!(deferred.is_drained());
}

#[test]
fn beyond_the_limit_messages_are_refused() {
    let mut config = Config::new("example.com").unwrap();
    config.limits.max_pending_requests = 2;
    let mut model = Model::new();
    model.deferred = Deferred::new(Arc::new(config), clock(model.now));
    for _ in 0..4 {
        model.step(&Step::Arrive(0));
    }
    assert_eq!(model.refused.len(), 2);
}
