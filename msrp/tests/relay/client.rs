//! Endpoints that have relays.

use std::time::Duration;

use bytes::Bytes;
use msrp::endpoint::{
    Delivery, EndReason, Event, OpenSessionError, OutgoingBody, OutgoingMessage, RelayKey, Role,
    SessionConfig, SessionKey,
};
use msrp::header::content::ContentType;
use msrp::relay::{Access, Failure};
use msrp::{StatusCode, Uri};

use super::net::Net;
use super::world::PASSWORD;

fn relay(host: &str) -> Uri {
    Uri::parse(&format!("msrp://{host};tcp")).unwrap()
}

fn access(hosts: &[&str]) -> Access {
    Access::new(hosts.iter().map(|host| relay(host)).collect(), "alice", PASSWORD)
}

/// Asks for a path, and gives this end's URI too.
fn enlist(net: &mut Net, node: usize, access: Access) -> (Uri, RelayKey) {
    let host = net.nodes[node].0.clone();
    let now = net.now;
    let local = net.at(node).mint_uri(false, &host, 9);
    let key = net.at(node).enlist(access, local.clone(), now).unwrap();
    net.settle();
    (local, key)
}

/// What goes into SDP.
fn described(path: &[Uri], local: &Uri) -> Vec<Uri> {
    path.iter().rev().chain([local]).cloned().collect()
}

/// Opens a session through whatever relays the two have, the first one active.
fn session(
    net: &mut Net,
    a: (usize, &Uri, Option<RelayKey>),
    b: (usize, &Uri, Option<RelayKey>),
) -> [SessionKey; 2] {
    let paths = [a, b].map(|(node, local, key)| {
        let path = key.map(|key| net.path(node, key)).unwrap_or_default();
        described(&path, local)
    });
    let now = net.now;
    let mut open = |(node, local, relay): (usize, &Uri, Option<RelayKey>), remote: &[Uri], role| {
        let mut config = SessionConfig::new(local.clone(), remote.to_vec(), role);
        config.relay = relay;
        config.delivery = Delivery::Whole { max: 10 << 20 };
        net.at(node).open_session(config, now).unwrap()
    };
    let passive = open(b, &paths[0], Role::Passive);
    let active = open(a, &paths[1], Role::Active);
    net.settle();
    [active, passive]
}

fn say(net: &mut Net, node: usize, session: SessionKey, body: impl Into<Bytes>) {
    let now = net.now;
    let mut message = OutgoingMessage::new(ContentType::text_plain(), OutgoingBody::Whole(body.into()));
    message.success_report = true;
    net.at(node).send(session, message, now).unwrap();
    net.settle();
}

fn talk(net: &mut Net, a: usize, b: usize, [active, passive]: [SessionKey; 2]) {
    let body = |length: usize, seed: u8| -> Bytes {
        (0..length)
            .map(|at| u8::try_from(at % 251).unwrap().wrapping_mul(seed))
            .collect()
    };
    for (from, to, session, seed) in [(a, b, active, 3), (b, a, passive, 5)] {
        for length in [5, 64 * 1024, 1 << 20] {
            say(net, from, session, body(length, seed));
            assert_eq!(net.messages(to).last(), Some(&body(length, seed)), "{length}");
        }
        assert_eq!(
            net.count(from, |event| matches!(event, Event::MessageSent { .. })),
            3
        );
        let reported = |event: &Event| matches!(event, Event::ReportReceived { status, .. } if status.code == StatusCode::OK);
        assert_eq!(
            net.count(from, reported),
            3,
            "reports come back through the relays"
        );
    }
}

#[test]
fn two_clients_talk_through_one_relay() {
    let mut net = Net::new();
    let r = net.relay("relay.example", |_| {});
    let (a, b) = (net.endpoint("a.example"), net.endpoint("b.example"));
    let (alice, from) = enlist(&mut net, a, access(&["relay.example"]));
    let (bob, to) = enlist(&mut net, b, access(&["relay.example"]));
    let keys = session(&mut net, (a, &alice, Some(from)), (b, &bob, Some(to)));
    talk(&mut net, a, b, keys);
    assert_eq!(
        net.connections(r).len(),
        2,
        "the sessions go over the connections of AUTH"
    );
    assert_eq!(net.relay_at(r).unanswered(), 0);
}

//= https://www.rfc-editor.org/rfc/rfc4976#section-5.1
//= type=test
//# To form the To-Path header for outgoing
//# requests, the client takes the list of URIs in the Use-Path header
//# after the outermost authentication and appends the list of URIs
//# provided in the path attribute in the peer's session description.
#[test]
fn the_figure_of_the_rfc_with_four_relays() {
    let mut net = Net::new();
    let relays = ["b.example", "c.example", "d.example", "e.example"].map(|host| net.relay(host, |_| {}));
    let (a, f) = (net.endpoint("a.example"), net.endpoint("f.example"));
    let (alice, left) = enlist(&mut net, a, access(&["b.example", "c.example"]));
    let (frank, right) = enlist(&mut net, f, access(&["e.example", "d.example"]));
    let hosts = |path: &[Uri]| path.iter().map(|uri| uri.host().to_owned()).collect::<Vec<_>>();
    assert_eq!(hosts(&net.path(a, left)), ["b.example", "c.example"]);
    assert_eq!(
        hosts(&described(&net.path(f, right), &frank)),
        ["d.example", "e.example", "f.example"]
    );
    let keys = session(&mut net, (a, &alice, Some(left)), (f, &frank, Some(right)));
    talk(&mut net, a, f, keys);
    for relay in relays {
        assert_eq!(net.relay_at(relay).unanswered(), 0);
        assert_eq!(net.connections(relay).len(), 2);
    }
}

#[test]
fn a_client_with_a_relay_talks_to_one_without_whoever_connects() {
    for with_relay_is_active in [true, false] {
        let mut net = Net::new();
        net.relay("relay.example", |_| {});
        let (a, b) = (net.endpoint("a.example"), net.endpoint("b.example"));
        let (alice, key) = enlist(&mut net, a, access(&["relay.example"]));
        let now_uri = net.at(b).mint_uri(false, "b.example", 7001);
        let with = (a, &alice, Some(key));
        let without = (b, &now_uri, None);
        if with_relay_is_active {
            let keys = session(&mut net, with, without);
            talk(&mut net, a, b, keys);
        } else {
            let keys = session(&mut net, without, with);
            talk(&mut net, b, a, keys);
        }
    }
}

#[test]
fn wrong_passwords_and_relays_that_are_not_there_are_told() {
    let mut net = Net::new();
    net.relay("relay.example", |_| {});
    net.relay("strict.example", |config| config.plain_auth = false);
    let a = net.endpoint("a.example");
    let mut wrong = access(&["relay.example"]);
    wrong.password = "wrong".to_owned();
    let mut other_realm = access(&["relay.example"]);
    other_realm.realm = Some("elsewhere".to_owned());
    for (access, reason) in [
        (wrong, Failure::WrongPassword),
        (other_realm, Failure::Challenge),
        (access(&["nowhere.example"]), Failure::OpenFailed),
        (
            access(&["strict.example"]),
            Failure::Refused(StatusCode::FORBIDDEN),
        ),
        (
            access(&["relay.example", "nowhere.example"]),
            Failure::Refused(StatusCode::REQUEST_TIMEOUT),
        ),
    ] {
        net.events.clear();
        let (local, key) = enlist(&mut net, a, access);
        let Some(Event::RelayFailed { relay, reason: told }) = net.outcome(a) else {
            panic!("{:?}", net.events);
        };
        assert_eq!((*relay, *told), (key, reason));
        let mut config = SessionConfig::new(local.clone(), vec![local], Role::Active);
        config.relay = Some(key);
        let now = net.now;
        assert_eq!(
            net.at(a).open_session(config, now),
            Err(OpenSessionError::NoRelay)
        );
    }
    net.pass(Duration::from_secs(60));
    assert!(net.at(a).is_drained(), "{:?}", net.nodes.len());
}

#[test]
fn a_relay_that_says_nothing_is_not_waited_for() {
    let mut net = Net::new();
    // An endpoint, which answers AUTH with 501, and a place where nobody answers.
    net.endpoint("b.example");
    let a = net.endpoint("a.example");
    enlist(&mut net, a, access(&["b.example"]));
    let refused = Failure::Refused(StatusCode::UNKNOWN_METHOD);
    assert!(matches!(net.outcome(a), Some(Event::RelayFailed { reason, .. }) if *reason == refused));
    net.events.clear();
    net.relay("relay.example", |config| {
        config.password_timeout = Duration::from_secs(300);
    });
    let (_, key) = enlist(&mut net, a, access(&["relay.example"]));
    assert!(matches!(net.outcome(a), Some(Event::RelayReady { relay, .. }) if *relay == key));
}

#[test]
fn lifetimes_out_of_bounds_are_asked_for_again_within_them() {
    let mut net = Net::new();
    net.relay("relay.example", |config| {
        config.max_expires = Duration::from_secs(900);
    });
    let a = net.endpoint("a.example");
    for (asked, given) in [(7200, 900), (1, 60), (300, 300)] {
        let mut access = access(&["relay.example"]);
        access.expires = Some(Duration::from_secs(asked));
        enlist(&mut net, a, access);
        let Some(Event::RelayReady { lifetime, .. }) = net.outcome(a) else {
            panic!("{:?}", net.events);
        };
        assert_eq!(*lifetime, Some(Duration::from_secs(given)));
    }
}

#[test]
fn a_path_is_renewed_before_it_expires_and_the_session_goes_on() {
    let mut net = Net::new();
    let r = net.relay("relay.example", |config| {
        config.nonce_lifetime = Duration::from_secs(10);
    });
    let (a, b) = (net.endpoint("a.example"), net.endpoint("b.example"));
    let mut access = access(&["relay.example"]);
    access.expires = Some(Duration::from_secs(300));
    let (alice, from) = enlist(&mut net, a, access.clone());
    let (bob, to) = enlist(&mut net, b, access);
    let keys = session(&mut net, (a, &alice, Some(from)), (b, &bob, Some(to)));
    let before = net.path(a, from);
    net.pass(Duration::from_secs(269));
    assert_eq!(net.path(a, from), before);
    net.pass(Duration::from_secs(2));
    let after = net.path(a, from);
    assert_ne!(after, before);
    assert_eq!(net.count(a, |event| matches!(event, Event::RelayReady { .. })), 2);
    assert_eq!(net.relay_at(r).uris(), 4, "old and new are good for a while");
    // What the peer was told is good until it expires; what this end sends has the new path already.
    say(&mut net, a, keys[0], "still here");
    say(&mut net, b, keys[1], "so am I");
    assert_eq!((net.messages(b).len(), net.messages(a).len()), (1, 1));
    net.pass(Duration::from_secs(40));
    assert_eq!(net.relay_at(r).uris(), 2);
    // After that the peer has to have been told.
    say(&mut net, b, keys[1], "lost");
    assert_eq!(net.messages(a).len(), 1);
}

#[test]
fn a_lost_connection_ends_path_and_session() {
    let mut net = Net::new();
    let r = net.relay("relay.example", |_| {});
    let (a, b) = (net.endpoint("a.example"), net.endpoint("b.example"));
    let (alice, from) = enlist(&mut net, a, access(&["relay.example"]));
    let (bob, to) = enlist(&mut net, b, access(&["relay.example"]));
    session(&mut net, (a, &alice, Some(from)), (b, &bob, Some(to)));
    let connection = net.connections(a)[0];
    net.cut(connection);
    assert!(matches!(
        net.outcome(a),
        Some(Event::RelayFailed {
            reason: Failure::ConnectionLost,
            ..
        })
    ));
    let lost = |event: &Event| {
        matches!(
            event,
            Event::SessionEnded {
                reason: EndReason::ConnectionLost,
                ..
            }
        )
    };
    assert_eq!(net.count(a, lost), 1);
    assert_eq!(net.relay_at(r).uris(), 1);
}

#[test]
fn a_path_that_is_dismissed_frees_its_connection() {
    let mut net = Net::new();
    let r = net.relay("relay.example", |_| {});
    let a = net.endpoint("a.example");
    let (_, first) = enlist(&mut net, a, access(&["relay.example"]));
    let (_, second) = enlist(&mut net, a, access(&["relay.example"]));
    assert_eq!(
        net.connections(a).len(),
        1,
        "one connection for all paths to one relay"
    );
    let now = net.now;
    net.at(a).dismiss(first, now);
    net.settle();
    assert_eq!(net.connections(a).len(), 1);
    net.at(a).dismiss(second, now);
    net.settle();
    assert!(net.connections(a).is_empty());
    assert_eq!(net.relay_at(r).uris(), 0);
    assert!(net.at(a).is_drained() || net.outcome(a).is_some());
}

#[test]
fn a_proof_that_is_missing_is_told_where_it_is_demanded() {
    let mut net = Net::new();
    net.relay("relay.example", |_| {});
    let a = net.endpoint("a.example");
    let mut strict = access(&["relay.example"]);
    strict.require_proof = true;
    enlist(&mut net, a, strict);
    assert!(
        matches!(net.outcome(a), Some(Event::RelayReady { .. })),
        "this relay proves it"
    );
}
