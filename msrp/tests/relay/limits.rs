//! What hostile peers can make grow, and how slow ones are kept from hurting others.

use std::time::Duration;

use msrp::relay::{CloseReason, Event, Input, Limits, Peer};

use super::world::{ALICE, BOB, PASSWORD, World, auth, config, credentials, request, send};

fn limited(change: impl Fn(&mut Limits)) -> World {
    let mut config = config();
    change(&mut config.limits);
    World::with(config)
}

#[test]
fn a_slow_receiver_keeps_its_sender_from_being_read() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let peer = world.accept();
    world.input(Input::Blocked { connection: alice });
    let path = format!("{uri} {ALICE}");
    let body = "x".repeat(60_000);
    let mut given = 0;
    while !world.paused.contains(&peer) {
        world.give(peer, send(&path, BOB, "", &body));
        given += 1;
        assert!(given < 10);
    }
    assert!(world.relay.waiting() > 256 * 1024 && world.relay.waiting() < 512 * 1024);
    world.input(Input::Writable { connection: alice });
    world.drain();
    assert!(world.paused.is_empty());
    assert_eq!(world.relay.waiting(), 0);
    let received: usize = world
        .messages(alice)
        .iter()
        .map(|message| message.body.len())
        .sum();
    assert_eq!(received, given * body.len());
}

#[test]
fn a_host_that_reads_on_makes_nothing_grow() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let peer = world.accept();
    world.input(Input::Blocked { connection: alice });
    let path = format!("{uri} {ALICE}");
    for size in [60_000, 100, 0] {
        for _ in 0..3000 {
            world.give(peer, send(&path, BOB, "", &"x".repeat(size)));
        }
        // One message without an end, in pieces of one octet.
        world.give(peer, send(&path, BOB, "", "").replace("\r\n-------tid1$\r\n", ""));
        for _ in 0..20_000 {
            world.give(peer, "x");
        }
        world.give(peer, "\r\n-------tid1$\r\n");
        assert!(world.relay.waiting() < 1_300_000, "{}", world.relay.waiting());
    }
    let refused = world.messages(peer);
    assert!(refused.iter().any(|message| message.start() == "413"));
    assert!(world.relay.unanswered() <= 256);
    world.input(Input::Writable { connection: alice });
    world.drain();
    for chunk in world.messages(alice) {
        world.give(alice, chunk.answer(200));
    }
    world.seconds(120);
    assert_eq!((world.relay.waiting(), world.relay.unanswered()), (0, 0));
}

#[test]
fn a_receiver_that_takes_nothing_is_given_up() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let peer = world.accept();
    world.input(Input::Blocked { connection: alice });
    world.give(peer, send(&format!("{uri} {ALICE}"), BOB, "", "hello"));
    world.sent(peer);
    world.seconds(60);
    assert!(world.closed.contains(&alice));
    assert_eq!(world.message(peer).header("Status"), "000 408 Request Timeout");
    let reason = CloseReason::NotReading;
    assert!(world.events.contains(&Event::ConnectionClosed {
        connection: alice,
        reason
    }));
    assert_eq!(world.relay.waiting(), 0);
}

#[test]
fn one_slow_receiver_does_not_hold_up_the_others_of_a_sender_for_long() {
    let mut world = World::new();
    let ((alice, a), (bob, b)) = (world.alice(), world.bob());
    let relay = world.accept();
    world.input(Input::Blocked { connection: alice });
    let carol = "msrp://carol.example:1/c;tcp";
    while !world.paused.contains(&relay) {
        world.give(
            relay,
            send(&format!("{a} {ALICE}"), carol, "", &"x".repeat(60_000)),
        );
        world.give(relay, send(&format!("{b} {BOB}"), carol, "", "hello"));
    }
    world.messages(bob);
    world.sent(relay);
    // The receiver takes a little now and then.
    for _ in 0..3 {
        world.seconds(3);
        world.input(Input::Writable { connection: alice });
        world.input(Input::Blocked { connection: alice });
        assert!(world.paused.len() <= 1);
    }
    world.seconds(2);
    assert!(world.paused.is_empty(), "it is read again");
    world.give(relay, send(&format!("{b} {BOB}"), carol, "", "hello"));
    assert_eq!(world.message(bob).body, b"hello");
}

#[test]
fn lanes_take_turns() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let path = format!("{uri} {ALICE}");
    let (big, small) = (world.accept(), world.accept());
    world.input(Input::Blocked { connection: alice });
    for _ in 0..3 {
        world.give(big, send(&path, BOB, "", &"x".repeat(60_000)));
    }
    world.give(small, send(&path, "msrp://carol.example:1/c;tcp", "", "small"));
    world.input(Input::Writable { connection: alice });
    world.drain();
    let messages = world.messages(alice);
    let place = messages.iter().position(|message| message.body == b"small");
    assert_eq!(place, Some(1), "after one chunk of the other sender");
}

#[test]
fn a_receiver_that_answers_nothing_gets_no_more_than_so_many_chunks() {
    let mut world = limited(|limits| limits.unanswered_per_connection = 4);
    let (alice, uri) = world.alice();
    let peer = world.accept();
    for _ in 0..10 {
        world.give(peer, send(&format!("{uri} {ALICE}"), BOB, "", "hello"));
    }
    assert_eq!(world.messages(peer).len(), 10);
    let first = world.messages(alice);
    assert_eq!((first.len(), world.relay.unanswered()), (4, 4));
    world.give(alice, first[0].answer(200));
    assert_eq!(world.messages(alice).len(), 1);
    world.seconds(30);
    assert_eq!(
        world.messages(alice).len(),
        4,
        "those that were not answered are reported"
    );
    assert_eq!(world.messages(peer).len(), 4);
    // Who wants to hear of failures only does not wait.
    for _ in 0..10 {
        let headers = "Failure-Report: partial\r\n";
        world.give(peer, send(&format!("{uri} {ALICE}"), BOB, headers, "hello"));
    }
    world.seconds(30);
    world.seconds(30);
    assert_eq!(world.messages(alice).len(), 11);
    assert_eq!(world.relay.unanswered(), 0);
}

#[test]
fn watched_requests_are_bounded_in_sum() {
    let mut world = limited(|limits| limits.unanswered = 3);
    let (alice, uri) = world.alice();
    let peer = world.accept();
    for _ in 0..10 {
        world.give(peer, send(&format!("{uri} {ALICE}"), BOB, "", "hello"));
    }
    assert_eq!(world.messages(alice).len(), 10, "they go out all the same");
    assert_eq!(world.relay.unanswered(), 3);
    world.seconds(30);
    assert_eq!(world.relay.unanswered(), 0);
}

#[test]
fn uris_are_bounded_per_connection_and_in_sum() {
    let mut world = limited(|limits| (limits.uris, limits.uris_per_connection) = (5, 3));
    let first = world.accept();
    let second = world.accept();
    let mut statuses = Vec::new();
    for (connection, count) in [(first, 4), (second, 4)] {
        for _ in 0..count {
            statuses.push(world.authenticate(connection, "alice", ALICE, "").start());
        }
    }
    assert_eq!(statuses, ["200", "200", "200", "403", "200", "200", "403", "403"]);
    assert_eq!(world.relay.uris(), 5);
    world.input(Input::Closed { connection: first });
    assert_eq!(world.relay.uris(), 2);
}

#[test]
fn questions_to_the_host_are_bounded() {
    let mut world = limited(|limits| (limits.auths, limits.auths_per_connection) = (3, 2));
    world.tells = false;
    let first = world.accept();
    let second = world.accept();
    let challenge = world.challenge(first, ALICE);
    let mut count = 0;
    for connection in [first, second] {
        for _ in 0..3 {
            count += 1;
            let credentials = credentials(&challenge, "alice", PASSWORD, count);
            world.give(
                connection,
                auth(ALICE, &format!("Authorization: {credentials}\r\n")),
            );
        }
    }
    assert_eq!(world.effects.len(), 3);
    assert_eq!(
        (world.messages(first).len(), world.messages(second).len()),
        (1, 2)
    );
}

#[test]
fn connections_are_bounded_and_the_unused_make_room() {
    let mut world = limited(|limits| limits.connections = 3);
    let (alice, _) = world.alice();
    let idle = world.accept();
    let (bob, uri) = world.bob();
    let refused = world.accept();
    assert!(world.closed.contains(&refused), "nobody has been idle for long");
    world.seconds(29);
    world.give(idle, send(&format!("{uri} {BOB}"), ALICE, "", "hello"));
    world.sent(idle);
    let forwarded = world.message(bob);
    world.give(bob, forwarded.answer(200));
    world.seconds(100);
    let welcome = world.accept();
    assert!(world.closed.contains(&idle) && !world.closed.contains(&welcome));
    assert!(!world.closed.contains(&alice) && !world.closed.contains(&bob));
    assert_eq!(world.relay.connections(), 3);
    // Nor is a hop connected to when there are too many.
    world.give(
        bob,
        send(&format!("{uri} msrp://x.example:1/x;tcp"), BOB, "", "hello"),
    );
    assert_eq!(world.message(bob).start(), "408");
    assert!(world.opens.is_empty());
}

//= https://www.rfc-editor.org/rfc/rfc4976#section-6.1
//= type=test
//# If no successful
//# requests are sent during this probationary period, the server closes
//# the connection.
#[test]
fn who_achieves_nothing_in_thirty_seconds_is_sent_away() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let (silent, trickling, challenged, peer) =
        (world.accept(), world.accept(), world.accept(), world.accept());
    world.give(challenged, auth(ALICE, ""));
    world.give(peer, send(&format!("{uri} {ALICE}"), BOB, "", "hello"));
    let trickle = send(&format!("{uri} {ALICE}"), BOB, "", "hello");
    for octet in trickle.bytes().take(60) {
        world.give(trickling, vec![octet]);
        world.seconds(1);
        if world.closed.contains(&trickling) {
            break;
        }
    }
    assert_eq!(
        [silent, trickling, challenged, peer, alice].map(|connection| world.closed.contains(&connection)),
        [true, true, true, false, false]
    );
}

//= https://www.rfc-editor.org/rfc/rfc4976#section-6.1
//= type=test
//# Likewise, if several unsuccessful requests are sent
//# during the probation period and no requests are sent successfully,
//# the server SHOULD close the connection.
#[test]
fn who_only_fails_is_sent_away() {
    let mut world = World::new();
    let stranger = world.accept();
    for _ in 0..5 {
        assert!(!world.closed.contains(&stranger));
        world.give(
            stranger,
            send(
                "msrp://relay.example:2855/none;tcp msrp://x.example:1/x;tcp",
                BOB,
                "",
                "hello",
            ),
        );
    }
    assert!(world.closed.contains(&stranger));
    assert_eq!(world.messages(stranger).len(), 5);
    // A client whose peer is gone is not.
    let (alice, uri) = world.alice();
    for _ in 0..20 {
        world.give(
            alice,
            send(
                &format!("{uri} msrp://relay.example:2855/none;tcp"),
                ALICE,
                "",
                "hello",
            ),
        );
    }
    assert!(!world.closed.contains(&alice));
}

#[test]
fn what_nobody_uses_is_closed_after_an_hour_and_clients_are_not() {
    let mut world = World::new();
    let alice = world.accept();
    let answer = world.authenticate(alice, "alice", ALICE, "Expires: 20000\r\n");
    let uri = answer.header("Use-Path").to_owned();
    let peer = world.accept();
    world.give(peer, send(&format!("{uri} {ALICE}"), BOB, "", "hello"));
    world.seconds(3599);
    assert!(world.closed.is_empty());
    world.pass(Duration::from_secs(1));
    assert!(world.closed.contains(&peer) && !world.closed.contains(&alice));
    world.seconds(30_000);
    assert!(world.closed.contains(&alice), "its URI has expired");
    assert!(world.relay.is_drained());
    assert_eq!(world.relay.poll_timeout(), None);
}

#[test]
fn what_is_not_read_ends_the_connection() {
    let mut world = World::new();
    let connection = world.accept();
    world.input(Input::Blocked { connection });
    for _ in 0..2000 {
        world.give(connection, auth(ALICE, ""));
        if world.closed.contains(&connection) {
            break;
        }
    }
    assert!(world.closed.contains(&connection));
    assert_eq!((world.relay.connections(), world.relay.waiting()), (0, 0));
}

#[test]
fn other_requests_are_gathered_up_to_a_limit() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let peer = world.accept();
    let with_body = |method: &str, length: usize| {
        request(method, &format!("{uri} {ALICE}"), BOB, "Content-Type: a/b\r\n").replace(
            "-------tid2$",
            &format!("\r\n{}\r\n-------tid2$", "x".repeat(length)),
        )
    };
    world.give(peer, with_body("NICKNAME", 10_240));
    assert_eq!(world.message(alice).body.len(), 10_240);
    world.give(peer, with_body("NICKNAME", 10_241));
    assert_eq!(world.message(peer).start(), "413");
    world.give(peer, with_body("REPORT", 10_241));
    assert!(world.sent(peer).is_empty() && world.sent(alice).is_empty());
}

#[test]
fn octets_that_are_not_msrp_end_the_connection() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    world.give(alice, "GET / HTTP/1.1\r\n\r\n");
    assert!(world.closed.contains(&alice));
    let peer = world.accept();
    world.give(peer, send(&format!("{uri} {ALICE}"), BOB, "", "hello"));
    assert_eq!(world.message(peer).start(), "481");
    let secure = world.accept_as(true, Peer::Unknown);
    assert!(!world.closed.contains(&secure));
}

#[test]
fn a_connection_that_was_asked_for_too_late_is_closed() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    world.give(alice, send(&format!("{uri} {BOB}"), ALICE, "", "hello"));
    world.sent(alice);
    world.seconds(30);
    assert_eq!(world.message(alice).header("Status"), "000 408 Request Timeout");
    let late = world.open();
    assert!(world.closed.contains(&late));
    assert_eq!(world.relay.waiting(), 0);
}

#[test]
fn many_receivers_leave_nothing_behind() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    for number in 0..200 {
        let peer = format!("msrp://peer{number}.example:1/p;tcp");
        world.give(
            alice,
            send(&format!("{uri} {peer}"), ALICE, "Failure-Report: no\r\n", "hello"),
        );
        let connection = world.open();
        assert_eq!(world.messages(connection).len(), 1);
    }
    world.seconds(10_000);
    assert!(world.relay.is_drained());
    assert_eq!((world.relay.waiting(), world.relay.poll_timeout()), (0, None));
}
