//! What a user's presence rules say of those who watch (RFC 5025).

use std::time::Instant;

use im_xdm_model::document::access_rules::{Ruleset, SubHandling};
use im_xdm_model::policy::{self, View};
use im_xdm_model::xml;
use sip_im::{Identity, Request, StatusCode};

use super::subscribe::Watcher;
use super::{Key, Presence, Timer};
use crate::effect::{DocumentSelector, Effect, StoreError, StoredDocument};
use crate::message;
use crate::signal::{IncomingId, Origin};

/// Rules that are being fetched.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) question: Question,
    /// Whose rules.
    pub(super) user: Identity,
    /// Which of the configured documents.
    document: usize,
    pub(super) deadline: Instant,
}

/// What the rules are wanted for.
#[derive(Debug)]
pub(super) enum Question {
    /// A SUBSCRIBE that waits for them.
    Subscribe(Box<Subscribe>),
    /// Whether those who watch still may: the rules have changed.
    Again,
    /// Whether one who renews still may.
    Renewed(Key),
}

/// A SUBSCRIBE that waits.
#[derive(Debug)]
pub(super) struct Subscribe {
    pub(super) id: IncomingId,
    pub(super) request: Request,
    pub(super) origin: Origin,
    pub(super) watcher: Watcher,
}

/// What rules say of a watcher.
#[derive(Clone, Debug)]
pub(super) struct Ruling {
    pub(super) handling: SubHandling,
    pub(super) view: View,
}

impl Ruling {
    /// A user sees all of himself.
    pub(super) fn own() -> Self {
        Self {
            handling: SubHandling::Allow,
            view: View::everything(),
        }
    }
}

impl Presence {
    /// Takes note that a user's rules were changed.
    pub fn rules_changed(&mut self, user: &Identity, now: Instant) {
        if let Some(once_more) = self.asking.get_mut(user) {
            // The answer that is under way may be of before the change.
            *once_more = true;
        } else if self.watched.contains_key(user) {
            self.asking.insert(user.clone(), false);
            self.ask(Question::Again, user.clone(), 0, now);
        }
    }

    /// Whether a document holds presence rules.
    pub fn is_rules(&self, auid: &str) -> bool {
        self.config.presence_rules.iter().any(|rules| rules.auid == auid)
    }

    /// Asks for the rules in the configured documents, the first that there is; without any, the default holds.
    pub(super) fn ask(&mut self, question: Question, user: Identity, document: usize, now: Instant) {
        let Some(rules) = self.config.presence_rules.get(document) else {
            return self.decide(question, &user, None, now);
        };
        let effect = self.ids.effect();
        let selector = DocumentSelector::of_user(rules.auid.clone(), user.clone(), rules.document.clone());
        self.effects
            .push_back(Effect::FetchDocument { id: effect, selector });
        let deadline = message::after(now, self.config.limits.effect_timeout);
        self.timers.insert((deadline, Timer::Effect(effect)));
        self.asked.insert(
            effect,
            Asked {
                question,
                user,
                document,
                deadline,
            },
        );
    }

    pub(super) fn take_rules(
        &mut self,
        asked: Asked,
        result: Result<Option<StoredDocument>, StoreError>,
        now: Instant,
    ) {
        match result {
            Ok(None) => self.ask(asked.question, asked.user, asked.document.saturating_add(1), now),
            Ok(Some(stored)) => match Ruleset::parse(&stored.text, &xml::Limits::default()) {
                Ok(rules) => self.decide(asked.question, &asked.user, Some(&rules), now),
                // Rules that cannot be read might forbid: nobody is let past them.
                Err(_) => self.rules_unknown(asked, StatusCode::SERVER_INTERNAL_ERROR, now),
            },
            Err(_) => self.rules_unknown(asked, StatusCode::SERVER_INTERNAL_ERROR, now),
        }
    }

    /// The rules cannot be told. Whoever has been let in stays; whoever asks is not let in.
    pub(super) fn rules_unknown(&mut self, asked: Asked, status: StatusCode, now: Instant) {
        match asked.question {
            Question::Subscribe(subscribe) => {
                self.refuse(subscribe.id, &subscribe.request, &subscribe.origin, status);
            }
            Question::Again => self.asked_again(&asked.user, now),
            Question::Renewed(_) => {}
        }
    }

    /// A question about changed rules is over; they may have changed once more meanwhile.
    fn asked_again(&mut self, user: &Identity, now: Instant) {
        if self.asking.remove(user) == Some(true) {
            self.rules_changed(user, now);
        }
    }

    fn decide(&mut self, question: Question, user: &Identity, rules: Option<&Ruleset>, now: Instant) {
        match question {
            Question::Subscribe(subscribe) => {
                let ruling = self.ruling(rules, &subscribe.watcher, now);
                self.admit(*subscribe, user, ruling, now);
            }
            Question::Again => {
                let all: Vec<Key> = self.watched.get(user).into_iter().flatten().copied().collect();
                for key in all {
                    self.rule_again(key, rules, now);
                }
                self.asked_again(user, now);
            }
            Question::Renewed(key) => self.rule_again(key, rules, now),
        }
    }

    fn rule_again(&mut self, key: Key, rules: Option<&Ruleset>, now: Instant) {
        let Some(found) = self.subscriptions.get(&key).filter(|found| !found.is_own()) else {
            return;
        };
        let ruling = self.ruling(rules, &found.watcher, now);
        self.take_ruling(key, ruling, now);
    }

    fn ruling(&self, rules: Option<&Ruleset>, watcher: &Watcher, now: Instant) -> Ruling {
        let Some(rules) = rules else {
            return Ruling {
                handling: self.config.presence_default,
                view: View::everything(),
            };
        };
        let mut query = policy::Query::new(&watcher.identities, self.clock.unix(now));
        query.anonymous = watcher.anonymous;
        query.aliases = Some(&self.aliases);
        let verdict = policy::evaluate(rules, &query);
        Ruling {
            //= https://www.rfc-editor.org/rfc/rfc5025#section-3.2.1
            //# It has the value of zero, and it represents the
            //# default value.
            handling: verdict.subscription.unwrap_or(SubHandling::Block),
            view: View::granted(rules, &verdict.rule_ids),
        }
    }
}
