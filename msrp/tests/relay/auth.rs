//! AUTH: challenges, credentials, lifetimes, and what the URIs are good for.

use std::time::Duration;

use msrp::ConnectionId;
use msrp::digest::{AuthenticationInfo, Credentials, Ha1, Qop};
use msrp::relay::{Address, CloseReason, Event, Input, Peer};

use super::world::{ALICE, BOB, PASSWORD, RELAY, World, auth, config, credentials, request, send};

//= https://www.rfc-editor.org/rfc/rfc4976#section-5.1
//= type=test
//# In response to an AUTH request
//# that does not contain an Authorization header, a relay MUST respond
//# with a "401 Unauthorized" response containing a WWW-Authenticate
//# header.
#[test]
fn who_says_nothing_is_challenged() {
    let mut world = World::new();
    let connection = world.accept();
    let challenge = world.challenge(connection, ALICE);
    assert_eq!(challenge.realm, "relay.example");
    //= https://www.rfc-editor.org/rfc/rfc4976#section-9.1
    //= type=test
    //# Clients and relays MUST include a qop parameter in all "WWW-
    //# Authenticate" and "Authorization" headers.
    assert_eq!(challenge.qop, [Qop::Auth]);
    assert!(
        challenge.opaque.is_some(),
        "a client of AG Projects cannot do without"
    );
    assert_eq!((challenge.stale, challenge.domain), (false, None));
    assert!(world.effects.is_empty() && world.relay.uris() == 0);
}

#[test]
fn a_client_is_given_a_path_that_cannot_be_guessed() {
    let mut world = World::new();
    let connection = world.accept();
    let answer = world.authenticate(connection, "alice", ALICE, "Expires: 900\r\n");
    assert_eq!(answer.start(), "200");
    assert_eq!(answer.header("Expires"), "900");
    assert_eq!(
        (answer.header("To-Path"), answer.header("From-Path")),
        (ALICE, RELAY)
    );
    let uri = msrp::Uri::parse(answer.header("Use-Path")).unwrap();
    assert_eq!((uri.host(), uri.port()), ("relay.example", Some(2855)));
    //= https://www.rfc-editor.org/rfc/rfc4976#section-6.3
    //= type=test
    //# The URI MUST
    //# contain at least 64 bits of cryptographically random material so that
    //# it is not guessable by attackers.
    assert_eq!(uri.session_id().unwrap().len(), 32, "160 bits, five a character");
    let other = world.enlist(connection, "alice", ALICE);
    assert_ne!(other, uri.as_str());
    assert!(matches!(&world.events[0], Event::UriGiven { username, .. } if username == "alice"));
}

//= https://www.rfc-editor.org/rfc/rfc4976#section-9.1
//= type=test
//# Relays MUST include rspauth, cnonce, nc, and qop parameters in a
//# "Authentication-Info" header for all "200 OK" responses to an AUTH
//# request.
#[test]
fn the_relay_proves_that_it_knows_the_password_and_gives_the_next_nonce() {
    let mut world = World::new();
    let connection = world.accept();
    let mut challenge = world.challenge(connection, ALICE);
    let first = credentials(&challenge, "alice", PASSWORD, 1);
    world.give(connection, auth(ALICE, &format!("Authorization: {first}\r\n")));
    let answer = world.message(connection);
    let info = AuthenticationInfo::parse(answer.header("Authentication-Info")).unwrap();
    let ha1 = Ha1::of_password(challenge.algorithm, "alice", &challenge.realm, PASSWORD);
    let first = Credentials::parse(&first).unwrap();
    assert!(info.proves(&first, &ha1, RELAY));
    assert!(info.cnonce.is_some() && info.nc == Some(1) && info.qop == Some(Qop::Auth));
    challenge.nonce = info.nextnonce.unwrap();
    let second = credentials(&challenge, "alice", PASSWORD, 1);
    world.give(connection, auth(ALICE, &format!("Authorization: {second}\r\n")));
    assert_eq!(world.message(connection).start(), "200");
}

#[test]
fn credentials_are_good_once() {
    let mut world = World::new();
    let connection = world.accept();
    let challenge = world.challenge(connection, ALICE);
    let mut answers = Vec::new();
    for count in [1, 1, 2, 2, 1, 7, 3] {
        let credentials = credentials(&challenge, "alice", PASSWORD, count);
        world.give(
            connection,
            auth(ALICE, &format!("Authorization: {credentials}\r\n")),
        );
        let answer = world.message(connection);
        let stale = answer.header("WWW-Authenticate").contains("stale=true");
        answers.push((answer.start(), stale));
    }
    let (yes, no) = (("200".to_owned(), false), ("401".to_owned(), true));
    assert_eq!(answers, [&yes, &no, &yes, &no, &no, &yes, &yes].map(Clone::clone));
}

#[test]
fn an_old_or_foreign_nonce_is_stale_to_who_knows_the_password_and_wrong_to_others() {
    let mut world = World::new();
    let connection = world.accept();
    let challenge = world.challenge(connection, ALICE);
    let mut foreign = challenge.clone();
    foreign.nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093".to_owned();
    world.pass(Duration::from_secs(20));
    for (challenge, password, after, stale) in [
        (&foreign, PASSWORD, 0, true),
        (&foreign, "wrong", 0, false),
        (&challenge, PASSWORD, 301, true),
    ] {
        let connection = world.accept();
        let user = if password == PASSWORD { "alice" } else { "bob" };
        let credentials = credentials(challenge, user, password, 1);
        world.pass(Duration::from_secs(after));
        let connection = if after > 0 { world.accept() } else { connection };
        world.give(
            connection,
            auth(ALICE, &format!("Authorization: {credentials}\r\n")),
        );
        let answer = world.message(connection);
        assert_eq!(answer.start(), "401");
        assert_eq!(answer.header("WWW-Authenticate").contains("stale=true"), stale);
    }
    assert_eq!(world.relay.uris(), 0);
}

#[test]
fn who_does_not_prove_it_is_nobody() {
    let mut world = World::new();
    let connection = world.accept();
    let challenge = world.challenge(connection, ALICE);
    let good = credentials(&challenge, "alice", PASSWORD, 1);
    let mut other_realm = challenge.clone();
    other_realm.realm = "elsewhere".to_owned();
    let mut session = challenge.clone();
    session.algorithm = msrp::digest::Algorithm::Md5Sess;
    let mut unprotected = challenge.clone();
    unprotected.qop = Vec::new();
    let mut integrity = challenge.clone();
    integrity.qop = vec![Qop::AuthInt];
    let cases = [
        (credentials(&challenge, "alice", "wrong", 1), "401"),
        (credentials(&challenge, "nobody", PASSWORD, 1), "401"),
        (credentials(&other_realm, "alice", PASSWORD, 1), "401"),
        (credentials(&session, "alice", PASSWORD, 1), "401"),
        (credentials(&unprotected, "alice", PASSWORD, 1), "401"),
        (credentials(&integrity, "alice", PASSWORD, 1), "401"),
        ("Basic YWxpY2U6c2VjcmV0".to_owned(), "401"),
        ("Digest".to_owned(), "400"),
        (good.replace("nc=00000001", "nc=1"), "400"),
        (good.replace("Digest ", "Digest username=\"bob\", "), "400"),
        (credentials(&challenge, "mallory", PASSWORD, 1), "403"),
    ];
    for (credentials, status) in cases {
        let connection = world.accept();
        world.give(
            connection,
            auth(ALICE, &format!("Authorization: {credentials}\r\n")),
        );
        let answer = world.message(connection);
        assert_eq!(answer.start(), status, "{credentials}");
        assert_eq!(answer.header("Use-Path"), "");
    }
    assert_eq!(world.relay.uris(), 0);
}

#[test]
fn the_uri_of_credentials_plays_no_part() {
    // RFC 4976 9.1 leaves it out; RFC 7977 8.1.2 has it.
    let mut world = World::new();
    let connection = world.accept();
    let challenge = world.challenge(connection, ALICE);
    let good = credentials(&challenge, "alice", PASSWORD, 1);
    let without = good.replace(&format!(", uri=\"{RELAY}\""), "");
    assert_ne!(good, without);
    world.give(connection, auth(ALICE, &format!("Authorization: {without}\r\n")));
    assert_eq!(world.message(connection).start(), "200");
}

//= https://www.rfc-editor.org/rfc/rfc4976#section-6.3
//= type=test
//# If a relay receives several unsuccessful AUTH requests from a client
//# that is directly connected to it via TLS, the relay SHOULD terminate
//# the corresponding connection.
#[test]
fn who_guesses_is_sent_away() {
    let mut world = World::new();
    let connection = world.accept();
    let challenge = world.challenge(connection, ALICE);
    for count in 1..=5 {
        assert!(!world.closed.contains(&connection));
        let credentials = credentials(&challenge, "alice", "guess", count);
        world.give(
            connection,
            auth(ALICE, &format!("Authorization: {credentials}\r\n")),
        );
        assert_eq!(world.message(connection).start(), "401");
    }
    assert!(world.closed.contains(&connection));
    let reason = CloseReason::FailedRequests;
    assert!(
        world
            .events
            .contains(&Event::ConnectionClosed { connection, reason })
    );
}

#[test]
fn lifetimes_have_bounds() {
    let mut world = World::new();
    for (asked, status, header, value) in [
        ("59", "423", "Min-Expires", "60"),
        ("86401", "423", "Max-Expires", "86400"),
        ("18446744073709551615", "423", "Max-Expires", "86400"),
        ("18446744073709551616", "400", "Max-Expires", ""),
        ("-1", "400", "Max-Expires", ""),
        ("60", "200", "Expires", "60"),
        ("86400", "200", "Expires", "86400"),
    ] {
        let connection = world.accept();
        let answer = world.authenticate(connection, "alice", ALICE, &format!("Expires: {asked}\r\n"));
        assert_eq!(
            (answer.start().as_str(), answer.header(header)),
            (status, value),
            "{asked}"
        );
    }
    let connection = world.accept();
    let answer = world.authenticate(connection, "alice", ALICE, "");
    assert_eq!(answer.header("Expires"), "3600");
}

//= https://www.rfc-editor.org/rfc/rfc4976#section-6.3
//= type=test
//# If the AUTH request contains an Expires header, the relay MUST ensure
//# that the URI is invalidated after the expiry time.
#[test]
fn a_uri_dies_when_its_time_is_over() {
    let mut world = World::new();
    let alice = world.accept();
    let answer = world.authenticate(alice, "alice", ALICE, "Expires: 60\r\n");
    let uri = answer.header("Use-Path").to_owned();
    let path = format!("{uri} {ALICE}");
    let peer = world.accept();
    world.seconds(59);
    let peer = if world.closed.contains(&peer) {
        world.accept()
    } else {
        peer
    };
    world.give(peer, send(&path, BOB, "", "hello"));
    assert_eq!(world.message(peer).start(), "200");
    assert_eq!(world.message(alice).body, b"hello");
    world.seconds(1);
    world.give(peer, send(&path, BOB, "", "hello"));
    assert_eq!(world.message(peer).start(), "481");
    assert!(world.sent(alice).is_empty());
    assert_eq!(world.relay.uris(), 0);
    assert!(
        world
            .events
            .iter()
            .any(|event| matches!(event, Event::UriExpired { .. }))
    );
}

//= https://www.rfc-editor.org/rfc/rfc4976#section-6.3
//= type=test
//# If the client's connection is closed and then reopened,
//# the URI MUST be invalidated.
#[test]
fn a_uri_dies_with_its_connection() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    world.input(Input::Closed { connection: alice });
    let again = world.accept();
    world.enlist(again, "alice", ALICE);
    let peer = world.accept();
    world.give(peer, send(&format!("{uri} {ALICE}"), BOB, "", "hello"));
    assert_eq!(world.message(peer).start(), "481");
    assert!(world.sent(again).is_empty());
}

//= https://www.rfc-editor.org/rfc/rfc4976#section-8
//= type=test
//# Note that AUTH requests MUST only be
//# sent over a TLS-protected channel.
#[test]
fn without_tls_nobody_authenticates_unless_the_host_wants_it() {
    let mut config = config();
    config.plain_auth = false;
    config.addresses.push(Address::new(true, "relay.example", 2856));
    let mut world = World::with(config);
    let plain = world.accept();
    world.give(plain, auth(ALICE, ""));
    assert_eq!(world.message(plain).start(), "403");
    let secure = world.accept_as(true, Peer::Unknown);
    let uri = world.enlist(secure, "alice", ALICE);
    assert!(uri.starts_with("msrps://relay.example:2856/"), "{uri}");
    //= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
    //= type=test
    //# Connections using the "msrps" scheme MUST use TLS.
    world.give(plain, send(&format!("{uri} {ALICE}"), BOB, "", "hello"));
    assert_eq!(world.message(plain).start(), "403");
}

//= https://www.rfc-editor.org/rfc/rfc4976#section-6.2
//= type=test
//# If
//# the request is not addressed to the relay, the relay immediately
//# drops the corresponding connection over which the request was
//# received.
#[test]
fn what_is_for_somebody_else_ends_the_connection() {
    for octets in [
        request("AUTH", "msrp://other.example:2855;tcp", ALICE, ""),
        send("msrp://other.example:2855/x;tcp", BOB, "", "hello"),
        request(
            "REPORT",
            &format!("msrp://other.example:2855/x;tcp {RELAY}"),
            BOB,
            "",
        ),
    ] {
        let mut world = World::new();
        let connection = world.accept();
        world.give(connection, octets);
        assert!(world.closed.contains(&connection));
        assert!(world.sent(connection).is_empty());
        assert!(world.relay.is_drained());
    }
}

#[test]
fn a_relay_answers_to_its_other_names() {
    let mut config = config();
    config.names = vec![".example.com".to_owned()];
    let mut world = World::with(config);
    let connection = world.accept();
    for own in ["msrp://alice@a.example.com;tcp", "msrps://A.example.com:443;ws"] {
        world.give(connection, request("AUTH", own, ALICE, ""));
        assert_eq!(world.message(connection).header("From-Path"), own);
    }
}

#[test]
fn a_user_whom_the_host_knows_is_not_challenged() {
    // RFC 7977 8.1.1.
    let mut world = World::new();
    let connection = world.accept_as(true, Peer::User("alice".to_owned()));
    let client = "msrps://df7jal23ls0d.invalid:2855/98cjs;ws";
    world.give(connection, request("AUTH", RELAY, client, ""));
    let answer = world.message(connection);
    assert_eq!(
        (answer.start().as_str(), answer.header("To-Path")),
        ("200", client)
    );
    let uri = answer.header("Use-Path").to_owned();
    let peer = world.accept();
    world.give(peer, send(&format!("{uri} {client}"), BOB, "", "hello"));
    assert_eq!(world.message(connection).header("To-Path"), client);
}

#[test]
fn the_host_may_take_its_time_but_not_forever() {
    let mut world = World::new();
    world.tells = false;
    let connection = world.accept();
    let challenge = world.challenge(connection, ALICE);
    let first = credentials(&challenge, "alice", PASSWORD, 1);
    world.give(connection, auth(ALICE, &format!("Authorization: {first}\r\n")));
    assert!(world.sent(connection).is_empty());
    world.seconds(10);
    assert_eq!(world.message(connection).start(), "408");
    let question = world.effects.remove(0);
    world.tell(&question);
    world.drain();
    assert!(world.sent(connection).is_empty(), "a late answer is ignored");
    assert_eq!(world.relay.uris(), 0);

    let second = credentials(&challenge, "alice", PASSWORD, 2);
    world.give(connection, auth(ALICE, &format!("Authorization: {second}\r\n")));
    let question = world.effects.remove(0);
    world.tell(&question);
    world.tell(&question);
    world.drain();
    assert_eq!(world.message(connection).start(), "200");
    assert_eq!(world.relay.uris(), 1, "an answer counts once");
}

#[test]
fn a_client_that_leaves_before_the_answer_is_forgotten() {
    let mut world = World::new();
    world.tells = false;
    let connection = world.accept();
    let challenge = world.challenge(connection, ALICE);
    let credentials = credentials(&challenge, "alice", PASSWORD, 1);
    world.give(
        connection,
        auth(ALICE, &format!("Authorization: {credentials}\r\n")),
    );
    world.input(Input::Closed { connection });
    let question = world.effects.remove(0);
    world.tell(&question);
    world.drain();
    assert_eq!(world.relay.uris(), 0);
    assert!(world.relay.is_drained());
    assert_eq!(world.relay.poll_timeout(), None);
}

#[test]
fn the_path_through_relays_is_given_in_the_order_of_to_path() {
    // RFC 4976 5.1: the second relay's answer has the first relay's URI in front.
    let mut world = World::new();
    let connection = world.accept();
    let from = "msrp://second.example:1/b;tcp msrp://first.example:1/a;tcp msrp://alice.example:1/x;tcp";
    let answer = world.authenticate(connection, "alice", from, "");
    let path = answer.header("Use-Path");
    assert!(
        path.starts_with(
            "msrp://first.example:1/a;tcp msrp://second.example:1/b;tcp msrp://relay.example:2855/"
        ),
        "{path}"
    );
    assert_eq!(answer.header("To-Path"), from);
}

//= https://www.rfc-editor.org/rfc/rfc4976#section-6.3
//= type=test
//# If the previous hop was a
//# relay authenticated by mutual TLS, then the URI MUST be valid to
//# route across any connection the relay has to the previous hop relay.
#[test]
fn the_uri_of_a_client_behind_a_relay_is_good_on_each_connection_to_that_relay() {
    let mut config = config();
    config.addresses = vec![Address::new(true, "relay.example", 2855)];
    let mut world = World::with(config);
    let name = || Peer::Relay(vec!["Other.example".to_owned(), "first.example".to_owned()]);
    let first = world.accept_as(true, name());
    let via = "msrps://FIRST.example:9/a;tcp";
    let uri = world.enlist(first, "alice", &format!("{via} {ALICE}"));
    let uri = uri.split(' ').next_back().unwrap().to_owned();
    let second = world.accept_as(true, name());
    world.input(Input::Closed { connection: first });
    let peer = world.accept_as(true, Peer::Unknown);
    world.give(peer, send(&format!("{uri} {via} {ALICE}"), BOB, "", "hello"));
    assert_eq!(world.message(second).body, b"hello");
    world.give(
        second,
        send(&format!("{uri} {BOB}"), &format!("{via} {ALICE}"), "", "back"),
    );
    assert_eq!(world.messages(peer).last().unwrap().body, b"back");

    let stranger = world.accept_as(true, Peer::Relay(vec!["third.example".to_owned()]));
    let answer = world.authenticate(stranger, "alice", &format!("{via} {ALICE}"), "");
    assert_eq!(answer.start(), "403", "its certificate names another");
}

#[test]
fn several_algorithms_are_offered_in_order() {
    let mut config = config();
    config.algorithms = vec![
        msrp::digest::Algorithm::Sha256,
        msrp::digest::Algorithm::Md5Sess,
        msrp::digest::Algorithm::Md5,
    ];
    let mut world = World::with(config);
    let connection = world.accept();
    world.give(connection, auth(ALICE, ""));
    let answer = world.message(connection);
    let offered: Vec<_> = answer.head.headers.values("WWW-Authenticate").collect();
    assert_eq!(offered.len(), 2, "no session variant (RFC 4976 9.1)");
    let challenge = msrp::digest::Challenge::parse(offered[0]).unwrap();
    assert_eq!(challenge.algorithm, msrp::digest::Algorithm::Sha256);
    let credentials = credentials(&challenge, "alice", PASSWORD, 1);
    world.give(
        connection,
        auth(ALICE, &format!("Authorization: {credentials}\r\n")),
    );
    assert_eq!(world.message(connection).start(), "200");
    assert_eq!(world.relay.connections(), 1);
    let _: ConnectionId = connection;
}
