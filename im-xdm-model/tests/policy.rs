//! What rules decide.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use im_xdm_model::document::{
    Action, AllowInvite, Condition, Except, Group, IdentityMatch, Rule, Ruleset, SubHandling, Validity,
};
use im_xdm_model::policy::{Decision, GroupVerdict, Query, RuleIds, evaluate, evaluate_group};
use im_xdm_model::xml::Limits;
use proptest::prelude::*;
use sip_im::{Aliases, Identity, Uri};

const NOW: Duration = Duration::from_secs(1_072_282_500); // 2003-12-24T17:15:00+01:00

fn id(uri: &str) -> Identity {
    Uri::parse(uri).unwrap().identity()
}

fn rules(text: &[u8]) -> Ruleset {
    Ruleset::parse(text, &Limits::default()).unwrap()
}

fn matching(rules: &Ruleset, who: &str) -> RuleIds {
    let asked = [id(who)];
    evaluate(rules, &Query::new(&asked, NOW)).rule_ids
}

fn rule(id: &str, conditions: Vec<Condition>, actions: Vec<Action>) -> Rule {
    let mut rule = Rule::new(id);
    (rule.conditions, rule.actions) = (conditions, actions);
    rule
}

fn one(id: &str) -> Condition {
    Condition::Identity(vec![IdentityMatch::One { id: id.into() }])
}

fn invite(handling: AllowInvite) -> Action {
    Action::AllowInvite(handling)
}

#[test]
fn identities_match_in_every_spelling() {
    let rules = rules(include_bytes!("data/rfc/rfc4745-01-ruleset.xml"));
    for who in [
        "sip:alice@example.com",
        "sip:alice@EXAMPLE.COM:5060;transport=tcp",
        "sips:%61lice@example.com",
        "im:alice@example.com",
        "tel:+12125551234",
        "sip:+1-212-555-1234@gw.example.net;user=phone",
    ] {
        assert_eq!(matching(&rules, who), ["f3g44r1"], "{who}");
    }
    for who in [
        "sip:Alice@example.com",
        "sip:alice@example.com.evil.example",
        "sip:alice@sub.example.com",
        "tel:+12125551235",
    ] {
        assert!(matching(&rules, who).is_empty(), "{who}");
    }
}

#[test]
fn aliases_evade_no_rule() {
    let mut aliases = Aliases::default();
    aliases.insert(
        &Uri::parse("tel:+15551234").unwrap(),
        &Uri::parse("sip:spam@example.com").unwrap(),
    );
    let decide = |rules: &Ruleset, who: &str| {
        let who = [id(who)];
        let mut query = Query::new(&who, NOW);
        query.aliases = Some(&aliases);
        evaluate(rules, &query).decision
    };
    for listed in ["tel:+1-555-1234", "sip:spam@example.com"] {
        let blocked = Ruleset::of(vec![rule(
            "b",
            vec![one(listed)],
            vec![invite(AllowInvite::Reject)],
        )]);
        for who in [
            "tel:+15551234",
            "sip:spam@example.com:5060",
            "sip:+15551234@example.net",
        ] {
            assert_eq!(decide(&blocked, who), Decision::Block, "{listed} {who}");
        }
    }
    let but = IdentityMatch::Many {
        domain: None,
        except: vec![Except::id("sip:spam@example.com")],
    };
    let all_but = Ruleset::of(vec![rule(
        "a",
        vec![Condition::Identity(vec![but])],
        vec![invite(AllowInvite::Pass)],
    )]);
    let who = [id("tel:+15551234")];
    let mut query = Query::new(&who, NOW);
    query.aliases = Some(&aliases);
    query.default = Decision::Block;
    assert_eq!(evaluate(&all_but, &query).decision, Decision::Block);
}

#[test]
fn exceptions_of_the_rfc_hold() {
    let except = rules(include_bytes!("data/rfc/rfc4745-03-ruleset.xml"));
    let text = String::from_utf8(include_bytes!("data/rfc/rfc4745-03-ruleset.xml").to_vec()).unwrap();
    assert!(text.contains("except"));
    let at_work = |who: &str| {
        let who = [id(who)];
        let mut query = Query::new(&who, NOW);
        query.sphere = Some("WORK");
        !evaluate(&except, &query).rule_ids.is_empty()
    };
    assert!(at_work("sip:carol@example.net"));
    for who in [
        "sip:x@example.com",
        "sip:y@example.org",
        "sip:alice@bad.example.net",
        "sip:bob@good.example.net",
        "tel:+12125551234",
    ] {
        assert!(!at_work(who), "{who}");
    }
    let domain = rules(include_bytes!("data/rfc/rfc4745-04-ruleset.xml"));
    assert_eq!(matching(&domain, "sip:carol@example.com"), ["f3g44r1"]);
    assert!(matching(&domain, "sip:bob@example.com").is_empty());
    assert!(matching(&domain, "sip:carol@example.net").is_empty());
}

#[test]
fn spheres_are_compared_token_by_token() {
    let rules = rules(include_bytes!("data/rfc/rfc4745-05-ruleset.xml"));
    let john = |sphere: Option<&str>| {
        let who = [id("sip:john@doe.example.com")];
        let mut query = Query::new(&who, NOW);
        query.sphere = sphere;
        evaluate(&rules, &query).rule_ids
    };
    assert_eq!(john(Some("work")), ["z6y55r2"]);
    assert_eq!(john(Some("Home")), ["z6y55r2"]);
    assert!(john(Some("travel")).is_empty());
    assert!(john(None).is_empty());
}

#[test]
fn intervals_hold_from_their_first_instant_to_before_their_last() {
    //= https://www.rfc-editor.org/rfc/rfc4745#section-7.4
    //= type=test
    //# The validity condition is
    //# TRUE if the current time is greater than or equal to at least one
    //# <from> child, but less than the <until> child after it.
    let interval = Validity::new(
        "1970-01-01T00:01:40Z".parse().unwrap(),
        "1970-01-01T00:03:20Z".parse().unwrap(),
    );
    let rules = Ruleset::of(vec![rule("v", vec![Condition::Validity(vec![interval])], vec![])]);
    for (now, holds) in [(99, false), (100, true), (199, true), (200, false)] {
        let query = Query::anonymous(Duration::from_secs(now));
        assert_eq!(!evaluate(&rules, &query).rule_ids.is_empty(), holds, "{now}");
    }
}

#[test]
fn an_anonymous_request_matches_no_identity_even_if_it_is_known() {
    let rules = rules(include_bytes!("data/authored/access-rules.xml"));
    let who = [id("sip:bob@example.com")];
    let mut query = Query::new(&who, NOW);
    assert_eq!(evaluate(&rules, &query).rule_ids, ["offline-storage"]);
    query.anonymous = true;
    let verdict = evaluate(&rules, &query);
    assert_eq!(verdict.decision, Decision::Block);
    assert_eq!(verdict.rule_ids, ["anonymous"]);
}

#[test]
fn others_are_those_whom_no_rule_names() {
    let rules = rules(include_bytes!("data/authored/access-rules.xml"));
    assert_eq!(matching(&rules, "sip:eve@example.net"), ["rest"]);
    assert_eq!(matching(&rules, "sip:bob@example.com"), ["offline-storage"]);
    let on_list = |anchor: &str, who: &Identity| {
        anchor.contains("oma_blockedcontacts") && *who == id("sip:eve@example.net")
    };
    let who = [id("sip:eve@example.net")];
    let mut query = Query::new(&who, NOW);
    query.is_on_list = &on_list;
    let verdict = evaluate(&rules, &query);
    assert_eq!(verdict.decision, Decision::Block);
    assert_eq!(verdict.rule_ids, ["blocked"]);
}

#[test]
fn nobody_matches_without_an_identity() {
    let query = Query::new(&[], NOW);
    let many = Condition::Identity(vec![IdentityMatch::Many {
        domain: None,
        except: vec![],
    }]);
    let rules = Ruleset::of(vec![
        rule("many", vec![many], vec![]),
        rule("other", vec![Condition::OtherIdentity], vec![]),
        rule("always", vec![], vec![]),
    ]);
    assert_eq!(evaluate(&rules, &query).rule_ids, ["always"]);
}

//= R-5.3.3-06
//= type=test
#[test]
fn the_strongest_handling_counts_and_silence_is_the_default() {
    use AllowInvite::{Accept, Pass, Reject};
    let decide = |actions: Vec<Vec<Action>>| {
        let rules = actions
            .into_iter()
            .map(|actions| rule("r", vec![], actions))
            .collect();
        let verdict = evaluate(&Ruleset::of(rules), &Query::anonymous(NOW));
        (
            verdict.decision,
            verdict.default,
            verdict.offline_storage,
            verdict.automatic,
        )
    };
    assert_eq!(decide(vec![]), (Decision::Deliver, true, None, false));
    assert_eq!(decide(vec![vec![]]), (Decision::Deliver, true, None, false));
    assert_eq!(
        decide(vec![vec![invite(Reject)]]),
        (Decision::Block, false, None, false)
    );
    assert_eq!(
        decide(vec![vec![invite(Reject)], vec![invite(Pass)]]),
        (Decision::Deliver, false, None, false)
    );
    assert_eq!(
        decide(vec![vec![invite(Pass)], vec![invite(Accept)]]),
        (Decision::Deliver, false, None, true)
    );
    let polite = Action::SubHandling(SubHandling::PoliteBlock);
    assert_eq!(
        decide(vec![vec![invite(Reject)], vec![polite]]).0,
        Decision::PoliteBlock
    );
    let storage = Action::AllowOfflineStorage;
    assert_eq!(
        decide(vec![vec![storage(true)]]),
        (Decision::Defer, false, Some(true), false)
    );
    assert_eq!(
        decide(vec![vec![storage(false)]]),
        (Decision::Deliver, true, Some(false), false)
    );
    assert_eq!(
        decide(vec![vec![invite(Reject), storage(true)]]),
        (Decision::Block, false, Some(true), false)
    );
    assert_eq!(
        decide(vec![vec![storage(false)], vec![storage(true), invite(Pass)]]).2,
        Some(true)
    );
}

#[test]
fn conditions_that_are_not_known_do_not_hold() {
    let rules = rules(
        br#"<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:x="urn:x"><rule id="c"><conditions><x:moon/></conditions></rule>
        <rule id="i"><conditions><identity><x:group/></identity></conditions></rule>
        <rule id="o"><conditions><identity><one id="sip:a@b"><x:only-on-mondays/></one></identity></conditions></rule></ruleset>"#,
    );
    assert!(matching(&rules, "sip:a@b").is_empty());
}

#[test]
fn services_and_media_are_compared() {
    let rules = rules(
        br#"<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:o="urn:oma:xml:xdm:extensions">
        <rule id="im"><conditions><o:service-list><o:service enabler="+g.oma.sip-im"/></o:service-list></conditions></rule>
        <rule id="not-files"><conditions><o:media-list><o:all-media-except><o:file-transfer/></o:all-media-except></o:media-list></conditions></rule>
        </ruleset>"#,
    );
    let ids = |service: Option<&str>, media: Option<&str>| {
        let mut query = Query::anonymous(NOW);
        (query.service, query.media) = (service, media);
        evaluate(&rules, &query).rule_ids
    };
    assert_eq!(
        ids(Some("+G.oma.sip-im"), Some("message-session")),
        ["im", "not-files"]
    );
    assert!(ids(Some("other"), Some("file-transfer")).is_empty());
}

#[test]
fn members_may_do_what_the_group_grants_them() {
    let group = Group::parse(
        include_bytes!("data/authored/group-prearranged.xml"),
        &Limits::default(),
    )
    .unwrap();
    let members: Vec<Identity> = group.members.iter().map(|m| id(&m.uri)).collect();
    let is_member = |who: &Identity| members.contains(who);
    let decide = |who: &str| {
        let who = [id(who)];
        let mut query = Query::new(&who, NOW);
        query.is_member = &is_member;
        evaluate_group(group.ruleset.as_ref().unwrap(), &query)
    };
    let bob = decide("sip:bob@example.com");
    assert!(bob.join && bob.initiate && bob.conference_state && bob.invite_dynamically && bob.private);
    assert!(!bob.anonymity && !bob.expel);
    let alice = decide("sip:alice@example.com");
    assert!(alice.expel && !alice.join);
    assert_eq!(decide("sip:eve@example.com"), GroupVerdict::default());
}

#[test]
fn an_open_room_lets_the_anonymous_in() {
    let group = Group::parse(
        include_bytes!("data/authored/group-chat-open.xml"),
        &Limits::default(),
    )
    .unwrap();
    let rules = group.ruleset.unwrap();
    let anonymous = evaluate_group(&rules, &Query::anonymous(NOW));
    assert!(anonymous.join && anonymous.anonymity && !anonymous.conference_state);
    let who = [id("sip:anyone@example.net")];
    assert!(evaluate_group(&rules, &Query::new(&who, NOW)).conference_state);
}

proptest! {
    /// A further rule never weakens what the others decide.
    #[test]
    fn rules_only_add(handlings in proptest::collection::vec(0..3_usize, 1..8)) {
        let handling = |at: usize| [AllowInvite::Reject, AllowInvite::Pass, AllowInvite::Accept][at];
        let mut rules = Ruleset::default();
        let mut last: Option<Decision> = None;
        for at in handlings {
            rules.rules.push(rule("r", vec![], vec![invite(handling(at))]));
            let decision = evaluate(&rules, &Query::anonymous(NOW)).decision;
            prop_assert!(last.is_none_or(|last| decision >= last));
            last = Some(decision);
        }
    }
}
