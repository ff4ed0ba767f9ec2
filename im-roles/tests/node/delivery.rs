//! MESSAGE from one user to another.

use im_roles::effect::{Effect, StoredDocument};
use im_roles::node::Event;
use sip_im::header::{HeaderName, MaxForwards};
use std::time::Duration;

use crate::world::World;

const RULES: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<cr:ruleset xmlns:cr="urn:ietf:params:xml:ns:common-policy" xmlns:poc="urn:oma:xml:poc:poc-rules">
  <cr:rule id="a"><cr:conditions><cr:identity><cr:one id="sip:alice@example.com"/></cr:identity></cr:conditions>
  <cr:actions><poc:allow-invite>ACTION</poc:allow-invite></cr:actions></cr:rule>
</cr:ruleset>"#;

fn rules(world: &mut World, text: &str) {
    let key = "org.openmobilealliance.access-rules/sip:bob@example.com/access-rules".to_owned();
    world
        .documents
        .insert(key, StoredDocument::new("e", text.to_owned().into()));
}

fn two_users() -> World {
    let mut world = World::new();
    world.open(1, false);
    world.open(2, false);
    assert_eq!(world.register(1, "alice").status().code(), 200);
    assert_eq!(world.register(2, "bob").status().code(), 200);
    world
}

#[test]
fn a_message_reaches_the_other_and_the_answer_comes_back() {
    let mut world = two_users();
    let text = world.message(1, "alice", "bob", "Hello, Bob");
    world.begin(1, "alice", &text);
    let request = world.get_request(2);
    assert_eq!(request.uri().to_string(), "sip:bob@127.0.0.1:6002");
    assert_eq!(request.body().as_ref(), b"Hello, Bob");
    assert_eq!(request.from().unwrap().uri().to_string(), "sip:alice@example.com");
    assert!(
        !request.headers().contains(&HeaderName::RECORD_ROUTE),
        "a message forms no dialog"
    );
    assert_eq!(
        request.headers().get::<MaxForwards>().unwrap(),
        Some(MaxForwards(68)),
        "one hop for each side"
    );
    world.reply(2, &request, 200, &[]);
    let response = world.get_response(1);
    assert_eq!(response.status().code(), 200);
    assert_eq!(response.headers().values(&HeaderName::VIA).count(), 1);
    assert!(world.events.iter().any(|event| matches!(
        event,
        Event::Participating(im_roles::participating::Event::Delivered { .. })
    )));
    world.assert_quiet();
}

#[test]
fn a_retransmission_is_delivered_once() {
    let mut world = two_users();
    let text = world.message(1, "alice", "bob", "once");
    world.send(1, &text);
    let challenge = world.get_response(1);
    let text = crate::world::authorized(&text, "alice", &challenge);
    world.send(1, &text);
    world.send(1, &text);
    let request = world.get_request(2);
    assert!(world.get(2).is_none());
    world.reply(2, &request, 200, &[]);
    world.send(1, &text);
    assert_eq!(world.get_response(1).status().code(), 200);
    assert_eq!(world.get_response(1).status().code(), 200);
    assert!(world.get(2).is_none());
}

#[test]
fn all_contacts_get_a_message_and_the_first_answer_counts() {
    let mut world = two_users();
    world.open(3, false);
    world.register(3, "bob");
    let text = world.message(1, "alice", "bob", "both");
    world.begin(1, "alice", &text);
    let (first, second) = (world.get_request(2), world.get_request(3));
    world.reply(2, &first, 486, &[]);
    assert!(world.get(1).is_none());
    world.reply(3, &second, 200, &[]);
    assert_eq!(world.get_response(1).status().code(), 200);
    assert!(world.get(1).is_none());
    world.assert_quiet();
}

//= R-5.3.2.3.1-07
//= type=test
#[test]
fn who_is_blocked_is_told_403_with_the_warning() {
    let mut world = two_users();
    rules(&mut world, &RULES.replace("ACTION", "reject"));
    let text = world.message(1, "alice", "bob", "hi");
    let response = world.ask(1, "alice", &text);
    assert_eq!(response.status().code(), 403);
    assert!(
        response
            .headers()
            .value(&HeaderName::WARNING)
            .unwrap()
            .contains("127 Service not authorised")
    );
    assert!(world.get(2).is_none());
    rules(&mut world, &RULES.replace("ACTION", "accept"));
    let text = world.message(1, "alice", "bob", "hi");
    world.begin(1, "alice", &text);
    assert_eq!(world.get_request(2).body().as_ref(), b"hi");
}

#[test]
fn another_spelling_of_the_address_evades_no_rule() {
    let mut world = two_users();
    rules(&mut world, &RULES.replace("ACTION", "reject"));
    for to in [
        "sip:bob@EXAMPLE.com",
        "sip:%62ob@example.com;x=y",
        "sips:bob@example.com",
        "im:bob@example.com",
    ] {
        let text = world.text(
            1,
            "MESSAGE",
            to,
            "sip:alice@example.com",
            "Content-Type: text/plain\r\n",
            "hi",
        );
        assert_eq!(world.ask(1, "alice", &text).status().code(), 403, "{to}");
    }
    rules(
        &mut world,
        &RULES
            .replace("ACTION", "reject")
            .replace("sip:alice@example.com", "tel:+15551234"),
    );
    let text = world.message(1, "alice", "bob", "hi");
    assert_eq!(
        world.ask(1, "alice", &text).status().code(),
        403,
        "the alias is blocked"
    );
}

#[test]
fn unreadable_rules_let_nothing_through() {
    let mut world = two_users();
    rules(&mut world, "<cr:ruleset");
    let text = world.message(1, "alice", "bob", "hi");
    assert_eq!(world.ask(1, "alice", &text).status().code(), 500);
    assert!(world.get(2).is_none());
}

#[test]
fn a_store_that_does_not_answer_costs_504_and_its_late_answer_nothing() {
    let mut world = two_users();
    world.answering = false;
    let text = world.message(1, "alice", "bob", "hi");
    world.begin(1, "alice", &text);
    let Effect::FetchDocument { id, .. } = world.take_effect() else {
        panic!("no fetch")
    };
    world.pass(Duration::from_secs(10));
    assert_eq!(world.get_final(1).status().code(), 504);
    let late = im_roles::effect::Answer::Document { id, result: Ok(None) };
    world.answer(late.clone());
    world.answer(late);
    assert!(world.get(2).is_none());
    world.assert_quiet();
}

#[test]
fn unknown_addresses_are_not_found() {
    let mut world = two_users();
    for to in ["sip:nobody@example.com", "sip:bob@elsewhere.test", "tel:+4930123"] {
        let text = world.text(
            1,
            "MESSAGE",
            to,
            "sip:alice@example.com",
            "Content-Type: text/plain\r\n",
            "hi",
        );
        assert_eq!(world.ask(1, "alice", &text).status().code(), 404, "{to}");
    }
    world.assert_quiet();
}

#[test]
fn a_message_that_is_too_large_is_refused_with_the_limits_warning() {
    let mut config = crate::world::config();
    config.limits.max_message_size = 100;
    let mut world = World::with(config);
    world.open(1, false);
    let text = world.message(1, "alice", "bob", &"x".repeat(101));
    let response = world.ask(1, "alice", &text);
    assert_eq!(response.status().code(), 413);
    assert!(
        response
            .headers()
            .value(&HeaderName::WARNING)
            .unwrap()
            .contains("133 Size exceeded")
    );
}

#[test]
fn a_request_without_hops_left_is_refused() {
    let mut world = two_users();
    let text = world
        .message(1, "alice", "bob", "hi")
        .replace("Max-Forwards: 70", "Max-Forwards: 0");
    world.send(1, &text);
    assert_eq!(world.get_response(1).status().code(), 483);
    let text = world
        .message(1, "alice", "bob", "hi")
        .replace("Max-Forwards: 70", "Max-Forwards: 1");
    assert_eq!(world.ask(1, "alice", &text).status().code(), 483);
    assert!(world.get(2).is_none());
}

//= R-5.3.2.3.1-05
//= type=test
#[test]
fn who_asks_for_privacy_is_not_named_to_the_other() {
    let mut world = two_users();
    for privacy in ["id", "user", "header;id", "none;id"] {
        let text = world.message(1, "alice", "bob", "guess").replacen(
            "Max-Forwards",
            &format!("Privacy: {privacy}\r\nP-Preferred-Identity: <sip:alice@example.com>\r\nMax-Forwards"),
            1,
        );
        world.begin(1, "alice", &text);
        let request = world.get_request(2);
        let octets = request.to_bytes();
        assert!(
            !contains(&octets, b"alice"),
            "{privacy}: {}",
            String::from_utf8_lossy(&octets)
        );
        world.reply(2, &request, 200, &[]);
        let response = world.get_response(1);
        assert_eq!(
            response.from().unwrap().uri().to_string(),
            "sip:alice@example.com",
            "her own view is as she wrote it"
        );
    }
}

//= https://www.rfc-editor.org/rfc/rfc3323#section-5
//= type=test
//# If the
//# 'critical' privacy level is present in the Privacy header of a
//# request, then if the privacy service is incapable of performing all
//# of the levels of privacy specified in the Privacy header then it MUST
//# fail the request with a 500 (Server Error) response code.
#[test]
fn critical_privacy_that_nobody_provides_fails_the_request() {
    let mut world = two_users();
    for (privacy, sent) in [
        ("session;critical", false),
        ("critical;header;id", false),
        ("id;user;critical", true),
        ("session", true),
    ] {
        let text = world.message(1, "alice", "bob", "guess").replacen(
            "Max-Forwards",
            &format!("Privacy: {privacy}\r\nMax-Forwards"),
            1,
        );
        world.begin(1, "alice", &text);
        if sent {
            let request = world.get_request(2);
            world.reply(2, &request, 200, &[]);
            assert_eq!(world.get_response(1).status().code(), 200, "{privacy}");
        } else {
            let response = world.get_response(1);
            assert_eq!(response.status().code(), 500, "{privacy}");
            assert!(response.reason().starts_with("Privacy Failure: "), "{privacy}");
        }
    }
}

#[test]
fn an_anonymous_request_carries_the_users_own_rules() {
    let mut world = two_users();
    let text = world
        .message(1, "alice", "bob", "guess")
        .replace(
            "From: <sip:alice@example.com>",
            "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>",
        )
        .replacen("Max-Forwards", "Privacy: id\r\nMax-Forwards", 1);
    world.begin(1, "alice", &text);
    assert!(!contains(&world.get_request(2).to_bytes(), b"alice"));
}

#[test]
fn without_privacy_the_asserted_identity_is_shown() {
    let mut world = two_users();
    let text = world.message(1, "alice", "bob", "hi");
    world.begin(1, "alice", &text);
    assert!(
        world
            .get_request(2)
            .headers()
            .contains(&HeaderName::P_ASSERTED_IDENTITY)
    );
}

#[test]
fn beyond_the_limit_requests_are_refused_with_503() {
    let mut config = crate::world::config();
    config.limits.max_pending_requests = 3;
    let mut world = World::with(config);
    world.open(1, true);
    world.answering = false;
    let mut codes = Vec::new();
    for _ in 0..10 {
        let text = world.message(1, "alice", "bob", "hi").replacen(
            "Max-Forwards",
            "P-Asserted-Identity: <sip:alice@b.test>\r\nMax-Forwards",
            1,
        );
        world.send(1, &text);
        while let Some(sip_im::Message::Response(response)) = world.get(1) {
            codes.push(response.status().code());
        }
    }
    assert!(
        codes.len() >= 7 && codes.iter().all(|code| *code == 503),
        "{codes:?}"
    );
    world.answering = true;
    world.assert_quiet();
}

fn contains(octets: &[u8], needle: &[u8]) -> bool {
    octets
        .windows(needle.len())
        .any(|window| window.eq_ignore_ascii_case(needle))
}
