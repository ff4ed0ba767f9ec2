//! Rules made ready to be asked often: an index by whom they name, so that the others cost nothing.

use std::collections::HashMap;
use std::sync::Arc;

use sip_im::Aliases;

use super::condition::{Asker, Check, Names};
use super::verdict::{RuleIds, Summary, Table};
use super::{GroupVerdict, Query, Verdict};
use crate::document::Ruleset;

/// A rule set that is asked again and again.
///
/// To ask costs as much as there are rules that may apply to who asks, however many rules there are for others, and however
/// many identities each names. Rules that ask for nothing but an identity are combined beforehand.
///
/// # Examples
///
/// ```
/// use im_xdm_model::document::{Action, AllowInvite, Condition, IdentityMatch, Rule, Ruleset};
/// use im_xdm_model::policy::{Decision, Index, Query};
/// use sip_im::Uri;
/// use std::time::Duration;
///
/// let mut rule = Rule::new("spam");
/// rule.conditions = vec![Condition::Identity(vec![IdentityMatch::One { id: "sip:spam@example.com".into() }])];
/// rule.actions = vec![Action::AllowInvite(AllowInvite::Reject)];
/// let index = Index::new(&Ruleset::of(vec![rule]), None);
/// let who = [Uri::parse("sip:spam@example.com:5060")?.identity()];
/// assert_eq!(index.evaluate(&Query::new(&who, Duration::ZERO)).decision, Decision::Block);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Index {
    table: Arc<Table>,
    rules: Vec<Vec<Check>>,
    names: Names,
    /// By the number of an identity.
    of_name: Vec<Posting>,
    of_domain: HashMap<Box<str>, Vec<u32>>,
    /// Rules that no identity or domain leads to.
    always: Vec<u32>,
    /// Whether a rule wants to know if another one names who asks.
    asks_for_others: bool,
}

/// The rules that name an identity.
#[derive(Debug, Clone)]
struct Posting {
    /// Those that apply whatever else is asked.
    sure: Arc<[u32]>,
    /// What those say together.
    summary: Summary,
    /// Those with further conditions.
    others: Vec<u32>,
}

/// The rules that apply, and what they say together.
struct Matched {
    sure: Arc<[u32]>,
    others: Vec<u32>,
    summary: Summary,
}

impl Index {
    /// Makes an index. The aliases are those that queries will come with.
    pub fn new(rules: &Ruleset, aliases: Option<&Aliases>) -> Self {
        let mut names = Names::default();
        let checks: Vec<Vec<Check>> = rules
            .rules
            .iter()
            .map(|rule| {
                rule.conditions
                    .iter()
                    .map(|condition| Check::new(condition, &mut names, aliases))
                    .collect()
            })
            .collect();
        let table = Table {
            ids: rules
                .rules
                .iter()
                .map(|rule| Arc::from(rule.id.as_str()))
                .collect(),
            summaries: rules.rules.iter().map(Summary::of).collect(),
        };
        let mut sure = vec![Vec::new(); names.len()];
        let mut others = vec![Vec::new(); names.len()];
        let mut of_domain: HashMap<Box<str>, Vec<u32>> = HashMap::new();
        let mut always = Vec::new();
        for (rule, checks) in (0_u32..).zip(&checks) {
            // One condition on identities is enough to find the rule by.
            let matcher = checks.iter().find_map(|check| match check {
                Check::Identity(matcher) => Some(matcher),
                _ => None,
            });
            let Some(matcher) = matcher else {
                always.push(rule);
                continue;
            };
            let postings = if checks.len() == 1 { &mut sure } else { &mut others };
            #[expect(
                clippy::iter_over_hash_type,
                reason = "each number leads to a list of its own, and gets the rule once"
            )]
            for number in &matcher.ones {
                if let Some(posting) = usize::try_from(*number).ok().and_then(|at| postings.get_mut(at)) {
                    posting.push(rule);
                }
            }
            for many in &matcher.many {
                match &many.domain {
                    Some(domain) => of_domain.entry(domain.clone()).or_default().push(rule),
                    None => always.push(rule),
                }
            }
        }
        let postings = sure.into_iter().zip(others).map(|(sure, others)| Posting {
            summary: table.combined(&sure),
            sure: sure.into(),
            others,
        });
        Self {
            of_name: postings.collect(),
            asks_for_others: checks
                .iter()
                .flatten()
                .any(|check| matches!(check, Check::OtherIdentity)),
            table: Arc::new(table),
            rules: checks,
            names,
            of_domain,
            always,
        }
    }

    /// Decides what happens to a message or an invitation.
    ///
    /// The strongest handling of all rules that apply counts. A rule that only lets messages be kept, and says nothing about
    /// letting them through, defers.
    pub fn evaluate(&self, query: &Query<'_>) -> Verdict {
        //= R-5.3.3-06
        let matched = self.matched(query);
        let said = matched.summary.decision();
        Verdict {
            decision: said.unwrap_or(query.default),
            default: said.is_none(),
            automatic: matched.summary.automatic,
            offline_storage: matched.summary.offline_storage,
            subscription: matched.summary.subscription,
            rule_ids: RuleIds::new(&self.table, matched.sure, matched.others),
        }
    }

    /// Decides what a user may do in a group.
    pub fn evaluate_group(&self, query: &Query<'_>) -> GroupVerdict {
        let matched = self.matched(query);
        let mut verdict = GroupVerdict::from(matched.summary);
        verdict.rule_ids = RuleIds::new(&self.table, matched.sure, matched.others);
        verdict
    }

    /// Finds the rules that apply.
    fn matched(&self, query: &Query<'_>) -> Matched {
        let mut asker = Asker::new(query, &self.names);
        let mut matched = self.sure(&asker);
        let mut candidates: Vec<u32> = self.always.clone();
        for posting in self.postings(&asker) {
            candidates.extend(&posting.others);
        }
        if !self.of_domain.is_empty() {
            for domain in asker.domains() {
                candidates.extend(self.of_domain.get(domain).into_iter().flatten());
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        candidates.retain(|rule| matched.sure.binary_search(rule).is_err());
        let checks = |rule: u32| {
            let checks = usize::try_from(rule).ok().and_then(|at| self.rules.get(at));
            checks.map(Vec::as_slice).unwrap_or_default()
        };
        if self.asks_for_others {
            let names = |rule: &u32| {
                let mut naming = checks(*rule).iter().filter(|check| check.is_naming()).peekable();
                naming.peek().is_some() && naming.all(|check| check.holds(&asker))
            };
            asker.named = !matched.sure.is_empty() || candidates.iter().any(names);
        }
        candidates.retain(|rule| checks(*rule).iter().all(|check| check.holds(&asker)));
        matched.summary = matched.summary.and(self.table.combined(&candidates));
        matched.others = candidates;
        matched
    }

    /// The rules that apply because they name who asks, and have no other condition.
    fn sure(&self, asker: &Asker<'_, '_>) -> Matched {
        let mut postings = self.postings(asker).filter(|posting| !posting.sure.is_empty());
        let (sure, summary) = match (postings.next(), postings.next()) {
            (None, _) => (Arc::default(), Summary::default()),
            (Some(only), None) => (Arc::clone(&only.sure), only.summary),
            (Some(first), Some(second)) => {
                let all = [first, second].into_iter().chain(postings);
                let mut sure: Vec<u32> = all.flat_map(|posting| posting.sure.iter().copied()).collect();
                sure.sort_unstable();
                sure.dedup();
                let summary = self.table.combined(&sure);
                (sure.into(), summary)
            }
        };
        Matched {
            sure,
            others: Vec::new(),
            summary,
        }
    }

    fn postings(&self, asker: &Asker<'_, '_>) -> impl Iterator<Item = &Posting> {
        let numbers = asker.numbers.iter();
        numbers.filter_map(|number| self.of_name.get(usize::try_from(*number).ok()?))
    }
}

/// Decides what happens to a message or an invitation, with rules that are asked once. See [`Index::evaluate`].
pub fn evaluate(rules: &Ruleset, query: &Query<'_>) -> Verdict {
    Index::new(rules, query.aliases).evaluate(query)
}

/// Decides what a user may do in a group, with rules that are asked once.
///
/// # Examples
///
/// ```
/// use im_xdm_model::document::Ruleset;
/// use im_xdm_model::policy::{Query, evaluate_group};
/// use std::time::Duration;
///
/// let verdict = evaluate_group(&Ruleset::default(), &Query::anonymous(Duration::ZERO));
/// assert!(!verdict.join);
/// ```
pub fn evaluate_group(rules: &Ruleset, query: &Query<'_>) -> GroupVerdict {
    Index::new(rules, query.aliases).evaluate_group(query)
}
