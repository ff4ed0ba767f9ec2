//! Rules decide together as each does alone, and in whatever spelling somebody asks.

use std::time::Duration;

use im_xdm_model::document::{Condition, Ruleset};
use im_xdm_model::policy::{Decision, Index, Query, evaluate};
use im_xdm_model::xml::Limits;
use sip_im::{Identity, Uri};

use crate::xdm_document::round;

/// The address of who asks, a line end, and the rules.
pub fn policy_evaluate(data: &[u8]) {
    let mut parts = data.splitn(2, |octet| *octet == b'\n');
    let (who, text) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    round(text, Ruleset::parse, Ruleset::write);
    let Ok(rules) = Ruleset::parse(text, &Limits::default()) else {
        return;
    };
    let uri = std::str::from_utf8(who).ok().and_then(|who| Uri::parse(who).ok());
    let who: Vec<Identity> = uri.iter().map(Uri::identity).collect();
    let mut query = Query::new(&who, Duration::from_secs(1_072_282_500));
    query.sphere = Some("work");
    query.service = Some("+g.oma.sip-im");
    query.default = Decision::Block;
    let index = Index::new(&rules, None);
    let verdict = index.evaluate(&query);
    assert_eq!(verdict.rule_ids.len(), verdict.rule_ids.iter().count());
    assert!(
        verdict.default || verdict.deciding().next().is_some(),
        "a decision without a rule"
    );
    if rules
        .rules
        .iter()
        .flat_map(|rule| &rule.conditions)
        .all(|one| *one != Condition::OtherIdentity)
    {
        let alone: Vec<String> = rules
            .rules
            .iter()
            .filter(|rule| {
                !evaluate(&Ruleset::of(vec![(*rule).clone()]), &query)
                    .rule_ids
                    .is_empty()
            })
            .map(|rule| rule.id.clone())
            .collect();
        assert!(
            verdict.rule_ids.iter().eq(alone.iter().map(String::as_str)),
            "{verdict:?} {alone:?}"
        );
    }
    let mut anonymous = query;
    anonymous.anonymous = true;
    let mut nobody = query;
    (nobody.anonymous, nobody.asserted) = (true, &[]);
    assert_eq!(
        index.evaluate(&anonymous),
        index.evaluate(&nobody),
        "the server's knowledge leaks into the decision"
    );
}
