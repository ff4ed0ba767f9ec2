//! Evaluating a thousand rules with a thousand identities, against ten of them.

use std::time::Duration;

use benches::Comparison;
use im_xdm_model::document::{Action, AllowInvite, Condition, IdentityMatch, Rule, Ruleset, Validity};
use im_xdm_model::policy::{Decision, Index, Query};
use sip_im::{Identity, Uri};

const NOW: Duration = Duration::from_secs(1_700_000_000);

fn main() {
    // Each rule names one user, each names as many users as there are rules, and all rules name the same users.
    compare("a user a rule", |rule, rules| vec![rule * rules]);
    compare("users of its own in each rule", |rule, rules| {
        (0..rules).map(|user| rule * rules + user).collect()
    });
    compare("the same users in all rules", |_, rules| (0..rules).collect());
}

fn compare(name: &str, users: impl Fn(usize, usize) -> Vec<usize>) {
    let (thousand, ten) = (index(1000, &users), index(10, &users));
    let named = [identity(0)];
    let other = [identity(usize::MAX)];
    let label = format!("xdm_policy/1000 rules, {name}");
    for (case, who, decision) in [
        ("named", &named, Decision::Block),
        ("not named", &other, Decision::Deliver),
    ] {
        let query = Query::new(who, NOW);
        assert_eq!(thousand.evaluate(&query).decision, decision);
        Comparison::new(&format!("{label}, who asks is {case}"), 0, 1).run(
            || thousand.evaluate(&query),
            "10 rules",
            || ten.evaluate(&query),
        );
    }
}

fn index(rules: usize, users: &impl Fn(usize, usize) -> Vec<usize>) -> Index {
    let made = (0..rules).map(|number| {
        let mut rule = Rule::new(format!("rule-{number}"));
        let one = |user| IdentityMatch::One { id: address(user) };
        rule.conditions.push(Condition::Identity(
            users(number, rules).into_iter().map(one).collect(),
        ));
        rule.actions.push(Action::AllowInvite(AllowInvite::Reject));
        rule
    });
    let mut made: Vec<Rule> = made.collect();
    // One rule that has to be looked at each time.
    if let (Ok(from), Ok(until)) = ("2020-01-01T00:00:00Z".parse(), "2020-02-01T00:00:00Z".parse()) {
        let mut holidays = Rule::new("holidays");
        holidays
            .conditions
            .push(Condition::Validity(vec![Validity::new(from, until)]));
        made.push(holidays);
    }
    Index::new(&Ruleset::of(made), None)
}

fn address(user: usize) -> String {
    format!("sip:user{user}@example.com")
}

#[expect(clippy::panic, reason = "a benchmark ends where it cannot go on")]
fn identity(user: usize) -> Identity {
    match Uri::parse(&address(user)) {
        Ok(uri) => uri.identity(),
        Err(error) => panic!("{error}"),
    }
}
