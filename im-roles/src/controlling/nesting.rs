//! Groups do not nest: which addresses are groups is found out before anything is fanned out.
//!
//! Addresses that this function knows itself are refused at once; for the rest a store is asked, with one lookup for a
//! whole list. What a remote server finds to be a group it refuses with 403, which fails that entry alone.

use std::time::Instant;

use sip_im::{Identity, Request, StatusCode, Uri};

use super::exploder::Explosion;
use super::invite::Creation;
use super::policy::{Member, Rules};
use super::refer::Addition;
use super::reply::Refusal;
use super::roster::Caller;
use super::{Controlling, Timer};
use crate::ServiceWarning;
use crate::effect::{Answer, Effect, EffectId, StoredDocument};
use crate::signal::IncomingId;

/// A request that waits for a store.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) deadline: Instant,
    pub(super) step: Step,
}

/// What goes on once the store has answered.
#[derive(Debug)]
pub(super) enum Step {
    /// The request is for an address that may be a group.
    FindGroup(Box<Addressed>),
    /// Are any of those to be invited groups?
    Create(Box<Creation>),
    /// Is any recipient a group?
    Explode(Box<Explosion>),
    /// Is the user to be added a group?
    Add(Box<Addition>),
}

/// A request for an address that may be a group.
#[derive(Debug)]
pub(super) struct Addressed {
    pub(super) id: IncomingId,
    pub(super) request: Request,
    pub(super) caller: Caller,
    pub(super) group: Identity,
}

impl Waiting {
    /// The request that waits.
    pub(super) fn incoming(&self) -> IncomingId {
        self.step.asker().0
    }
}

impl Step {
    fn asker(&self) -> (IncomingId, &Request, &Caller) {
        match self {
            Self::FindGroup(of) => (of.id, &of.request, &of.caller),
            Self::Create(of) => (of.id, &of.request, &of.caller),
            Self::Explode(of) => (of.id, &of.request, &of.caller),
            Self::Add(of) => (of.id, &of.request, &of.caller),
        }
    }
}

impl Controlling {
    /// Is it an address that this function knows to be a group, a factory, an exploder or a conference?
    //= R-5.3.2.1.3-05
    pub(super) fn is_group(&self, uri: &Uri, folded: &Identity) -> bool {
        *folded == self.factory
            || *folded == self.exploder
            || self.groups.contains_key(folded)
            || self.by_identity.contains_key(folded)
            || self.is_minted(uri)
    }

    /// Refuses a list that names a group this function knows.
    //= R-5.3.2.1.3-04
    pub(super) fn check_members(&self, members: &[Member]) -> Result<(), Refusal> {
        if members
            .iter()
            .any(|member| self.is_group(&member.uri, &member.identity))
        {
            return Err(Refusal::nested());
        }
        Ok(())
    }

    /// Asks the store which of the addresses are groups, and goes on with `step` when it has answered.
    pub(super) fn find_groups(&mut self, addresses: Vec<Identity>, step: Step, now: Instant) {
        if self.waiting.len() >= self.config.limits.max_pending_requests {
            self.refuse_step(&step, Refusal::overloaded());
            return;
        }
        let id = self.mint.effect();
        let deadline = now + self.config.limits.effect_timeout;
        self.timers.insert((deadline, Timer::Effect(id)));
        self.undecided.insert(step.asker().0, id);
        self.waiting.insert(id, Waiting { deadline, step });
        self.out.effects.push_back(Effect::FindGroups { id, addresses });
    }

    /// The store has answered.
    pub(super) fn found(&mut self, step: Step, answer: Answer, now: Instant) {
        let Answer::Groups {
            result: Ok(groups), ..
        } = answer
        else {
            return self.refuse_step(&step, Refusal::new(StatusCode::SERVER_TIMEOUT));
        };
        match step {
            Step::FindGroup(of) => match groups.into_iter().find(|(group, _)| *group == of.group) {
                Some((_, document)) => self.found_group(&of, &document, now),
                None => self.refuse(
                    of.id,
                    &of.request,
                    Some(&of.caller.identity),
                    StatusCode::NOT_FOUND.into(),
                ),
            },
            //= R-5.3.2.1.3-08
            step if !groups.is_empty() => self.refuse_step(&step, Refusal::nested()),
            Step::Create(creation) => self.create(*creation, now),
            Step::Explode(explosion) => self.explode(*explosion),
            Step::Add(addition) => self.add(*addition, now),
        }
    }

    fn found_group(&mut self, of: &Addressed, document: &StoredDocument, now: Instant) {
        match Rules::of_document(document, &of.group, &self.aliases, &self.config.limits) {
            Ok(rules) => self.group_request(of.id, &of.request, &of.caller, rules, now),
            Err(refusal) => self.refuse(of.id, &of.request, Some(&of.caller.identity), refusal),
        }
    }

    /// The store has not answered in time.
    pub(super) fn store_is_silent(&mut self, id: EffectId) {
        if let Some(waiting) = self.waiting.remove(&id) {
            self.undecided.remove(&waiting.incoming());
            self.refuse_step(&waiting.step, Refusal::new(StatusCode::SERVER_TIMEOUT));
        }
    }

    /// The INVITE was cancelled; unless it waits for a store, it has its final response.
    pub(super) fn cancel(&mut self, id: IncomingId) {
        let waiting = self.undecided.remove(&id).and_then(|effect| {
            let waiting = self.waiting.remove(&effect)?;
            self.timers.remove(&(waiting.deadline, Timer::Effect(effect)));
            Some(waiting)
        });
        if let Some(waiting) = waiting {
            self.refuse_step(&waiting.step, Refusal::new(StatusCode::REQUEST_TERMINATED));
        }
    }

    fn refuse_step(&mut self, step: &Step, refusal: Refusal) {
        let (id, request, caller) = step.asker();
        self.refuse(id, request, Some(&caller.identity), refusal);
    }

    /// No address is left to send to.
    pub(super) fn no_destinations() -> Refusal {
        Refusal::forbidden(ServiceWarning::NoDestinations)
    }
}
