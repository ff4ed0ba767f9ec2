//! The index decides as a plain reading of the rules does, one rule after the other.

use std::time::Duration;

use im_xdm_model::document::{
    Action, AllowInvite, Condition, Except, IdentityMatch, Permission, Rule, Ruleset, SubHandling, Validity,
};
use im_xdm_model::policy::{Decision, Index, Query};
use im_xdm_model::xml::DateTime;
use proptest::prelude::*;
use sip_im::{Aliases, Identity, Uri};

/// Spellings, several of which name one user.
const URIS: &[&str] = &[
    "sip:a@x.example",
    "sip:a@X.EXAMPLE:5060;p=q",
    "sip:b@x.example",
    "sips:b@x.example.",
    "sip:a@y.example",
    "tel:+1-555",
    "sip:+1555@y.example;user=phone",
    "sip:alias@z.example",
    "no uri",
];
const DOMAINS: &[&str] = &["x.example", "X.Example.", "y.example", "z.example", "%78.example"];

fn aliases() -> Aliases {
    let mut aliases = Aliases::new();
    if let (Ok(alias), Ok(of)) = (Uri::parse("sip:alias@z.example"), Uri::parse("sip:a@x.example")) {
        aliases.insert(&alias, &of);
    }
    aliases
}

fn identity(uri: &str) -> Option<Identity> {
    Uri::parse(uri).ok().map(|uri| uri.identity())
}

struct Model<'a> {
    aliases: &'a Aliases,
    asserted: &'a [Identity],
    anonymous: bool,
    now: u64,
}

impl Model<'_> {
    fn who(&self) -> Vec<Identity> {
        let known = if self.anonymous { &[][..] } else { self.asserted };
        known.iter().map(|one| self.aliases.fold(one)).collect()
    }

    fn is(&self, id: &str) -> bool {
        identity(id).is_some_and(|id| self.who().contains(&self.aliases.fold(&id)))
    }

    fn is_in(&self, domain: &str) -> bool {
        let wanted = domain.replace("%78", "x").to_lowercase();
        let known = if self.anonymous { &[][..] } else { self.asserted };
        known
            .iter()
            .chain(&self.who())
            .any(|one| one.domain() == Some(wanted.trim_end_matches('.')))
    }

    fn holds(&self, condition: &Condition, others: bool) -> bool {
        match condition {
            Condition::Identity(matches) => matches.iter().any(|one| match one {
                IdentityMatch::One { id } => self.is(id),
                IdentityMatch::Many { domain, except } => {
                    let inside = match domain {
                        Some(domain) => self.is_in(domain),
                        None => !self.who().is_empty(),
                    };
                    inside
                        && !except.iter().any(|except| {
                            except.id.as_deref().is_some_and(|id| self.is(id))
                                || except.domain.as_deref().is_some_and(|domain| self.is_in(domain))
                        })
                }
                _ => false,
            }),
            Condition::Validity(intervals) => intervals.iter().any(|one| {
                let now = i64::try_from(self.now).unwrap_or(i64::MAX);
                one.from.unix_seconds() <= now && now < one.until.unix_seconds()
            }),
            Condition::AnonymousRequest => self.anonymous,
            Condition::OtherIdentity => others && !self.who().is_empty(),
            _ => false,
        }
    }

    fn matching<'r>(&self, rules: &'r Ruleset) -> Vec<&'r Rule> {
        let is_naming = |rule: &Rule| {
            let mut naming = rule
                .conditions
                .iter()
                .filter(|c| matches!(c, Condition::Identity(_)))
                .peekable();
            naming.peek().is_some() && naming.all(|condition| self.holds(condition, false))
        };
        let others = !rules.rules.iter().any(is_naming);
        rules
            .rules
            .iter()
            .filter(|rule| {
                rule.conditions
                    .iter()
                    .all(|condition| self.holds(condition, others))
            })
            .collect()
    }
}

/// The strongest decision of all rules that apply.
fn decision(matching: &[&Rule]) -> Option<Decision> {
    let actions = || matching.iter().flat_map(|rule| &rule.actions);
    let said = actions()
        .filter_map(|action| match action {
            Action::AllowInvite(AllowInvite::Reject) | Action::SubHandling(SubHandling::Block) => {
                Some(Decision::Block)
            }
            Action::SubHandling(SubHandling::PoliteBlock) => Some(Decision::PoliteBlock),
            Action::AllowInvite(_) => Some(Decision::Deliver),
            _ => None,
        })
        .max();
    let defers = actions().any(|action| *action == Action::AllowOfflineStorage(true));
    said.or(defers.then_some(Decision::Defer))
}

fn uri() -> impl Strategy<Value = String> {
    proptest::sample::select(URIS).prop_map(str::to_owned)
}

fn domain() -> impl Strategy<Value = String> {
    proptest::sample::select(DOMAINS).prop_map(str::to_owned)
}

fn identity_match() -> impl Strategy<Value = IdentityMatch> {
    let except = prop_oneof![uri().prop_map(Except::id), domain().prop_map(Except::domain)];
    prop_oneof![
        3 => uri().prop_map(|id| IdentityMatch::One { id }),
        1 => (proptest::option::of(domain()), proptest::collection::vec(except, 0..3))
            .prop_map(|(domain, except)| IdentityMatch::Many { domain, except }),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let instant = || (0..10_u64).prop_map(|at| DateTime::from_unix(Duration::from_secs(at)));
    prop_oneof![
        4 => proptest::collection::vec(identity_match(), 0..3).prop_map(Condition::Identity),
        1 => proptest::collection::vec((instant(), instant()).prop_map(|(from, until)| Validity::new(from, until)), 1..3)
            .prop_map(Condition::Validity),
        1 => Just(Condition::AnonymousRequest),
        1 => Just(Condition::OtherIdentity),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        proptest::sample::select(&[AllowInvite::Reject, AllowInvite::Pass, AllowInvite::Accept][..])
            .prop_map(Action::AllowInvite),
        Just(Action::SubHandling(SubHandling::PoliteBlock)),
        any::<bool>().prop_map(Action::AllowOfflineStorage),
        any::<bool>().prop_map(|granted| Action::Permission(Permission::AllowExpelling, granted)),
    ]
}

fn rules() -> impl Strategy<Value = Ruleset> {
    let parts = (
        proptest::collection::vec(condition(), 0..3),
        proptest::collection::vec(action(), 0..3),
    );
    proptest::collection::vec(parts, 0..12).prop_map(|rules| {
        let made = (0..).zip(rules).map(|(number, (conditions, actions))| {
            let mut rule = Rule::new(format!("r{number}"));
            (rule.conditions, rule.actions) = (conditions, actions);
            rule
        });
        Ruleset::of(made.collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_index_decides_as_the_rules_say(
        rules in rules(),
        who in proptest::collection::vec(uri(), 0..3),
        anonymous in proptest::bool::weighted(0.2),
        now in 0..10_u64,
    ) {
        let aliases = aliases();
        let asserted: Vec<Identity> = who.iter().filter_map(|uri| identity(uri)).collect();
        let model = Model { aliases: &aliases, asserted: &asserted, anonymous, now };
        let matching = model.matching(&rules);
        let mut query = Query::new(&asserted, Duration::from_secs(now));
        (query.anonymous, query.aliases) = (anonymous, Some(&aliases));
        let index = Index::new(&rules, Some(&aliases));
        let verdict = index.evaluate(&query);
        let wanted: Vec<&str> = matching.iter().map(|rule| rule.id.as_str()).collect();
        prop_assert_eq!(verdict.rule_ids.iter().collect::<Vec<_>>(), wanted);
        prop_assert_eq!(verdict.rule_ids.len(), matching.len());
        let said = decision(&matching);
        prop_assert_eq!((verdict.decision, verdict.default), (said.unwrap_or(Decision::Deliver), said.is_none()));
        // Those who decide are enough to decide.
        let deciding: Vec<&Rule> = rules.rules.iter().filter(|rule| verdict.deciding().any(|id| id == rule.id)).collect();
        prop_assert_eq!(decision(&deciding), said);
        let grants = matching.iter().any(|rule| rule.actions.contains(&Action::Permission(Permission::AllowExpelling, true)));
        prop_assert_eq!(index.evaluate_group(&query).expel, grants);
    }
}
