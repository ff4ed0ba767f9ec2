//! Forwarding: who may, where to, and what is told of it.

use msrp::ConnectionId;
use msrp::codec::Continuation;
use msrp::relay::{Event, Input, Peer};

use super::world::{ALICE, BOB, PASSWORD, World, config, credentials, request, send};

#[test]
fn a_peer_reaches_the_client_and_the_client_the_peer() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let peer = world.accept();
    world.give(
        peer,
        send(
            &format!("{uri} {ALICE}"),
            BOB,
            "Success-Report: yes\r\nX-Own: kept\r\n",
            "hello",
        ),
    );
    //= https://www.rfc-editor.org/rfc/rfc4976#section-6.4.1
    //= type=test
    //# The
    //# final response to the SEND MUST be sent only to the previous hop,
    //# which could be an MSRP relay or the original sender of the SEND
    //# request.
    let answer = world.message(peer);
    assert_eq!((answer.start().as_str(), answer.id()), ("200", "tid1"));
    assert_eq!(
        (answer.header("To-Path"), answer.header("From-Path")),
        (BOB, uri.as_str())
    );

    let forwarded = world.message(alice);
    assert_eq!(forwarded.header("To-Path"), ALICE);
    assert_eq!(forwarded.header("From-Path"), format!("{uri} {BOB}"));
    //= https://www.rfc-editor.org/rfc/rfc4976#section-6.4
    //= type=test
    //# Since transact-id values are not allowed to conflict on a given
    //# connection, a relay will generally need to construct a new transact-
    //# id value for any request that it forwards.
    assert_ne!(forwarded.id(), "tid1");
    let names: Vec<_> = forwarded.head.headers.iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "To-Path",
            "From-Path",
            "Message-ID",
            "Success-Report",
            "X-Own",
            "Byte-Range",
            "Content-Type"
        ]
    );
    assert_eq!(forwarded.header("Byte-Range"), "1-5/5");
    assert_eq!(
        (forwarded.body.as_slice(), forwarded.end),
        (&b"hello"[..], Continuation::Complete)
    );
    world.give(alice, forwarded.answer(200));
    assert_eq!(world.relay.unanswered(), 0);

    // The peer has no port that could be connected to: it is where it spoke from.
    world.give(alice, send(&format!("{uri} {BOB}"), ALICE, "", "hi"));
    assert!(world.opens.is_empty());
    assert_eq!(world.message(alice).start(), "200");
    let forwarded = world.message(peer);
    assert_eq!(
        (forwarded.header("To-Path"), forwarded.body.as_slice()),
        (BOB, &b"hi"[..])
    );
    assert_eq!(forwarded.header("From-Path"), format!("{uri} {ALICE}"));
}

#[test]
fn the_client_reaches_a_peer_that_is_not_there_yet() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    for _ in 0..2 {
        world.give(alice, send(&format!("{uri} {BOB}"), ALICE, "", "hello"));
        assert_eq!(world.message(alice).start(), "200");
    }
    assert_eq!(world.opens.len(), 1, "one connection for all");
    let (_, host, port, secure) = world.opens[0].clone();
    assert_eq!((host.as_str(), port, secure), ("bob.example", Some(7001), false));
    let bob = world.open();
    assert_eq!(world.messages(bob).len(), 2);
    // Another session of another client to the same place.
    let other = world.accept();
    let other_uri = world.enlist(other, "bob", "msrp://carol.example:1/x;tcp");
    world.give(
        other,
        send(
            &format!("{other_uri} msrp://BOB.example:7001/other;tcp"),
            ALICE,
            "",
            "hello",
        ),
    );
    assert!(world.opens.is_empty());
    assert_eq!(world.messages(bob).len(), 1);
}

#[test]
fn two_clients_of_one_relay_meet_in_it() {
    let mut world = World::new();
    let ((alice, a), (bob, b)) = (world.alice(), world.bob());
    for (from, to, path, own) in [
        (alice, bob, format!("{a} {b} {BOB}"), ALICE),
        (bob, alice, format!("{b} {a} {ALICE}"), BOB),
    ] {
        world.give(from, send(&path, own, "", "hello"));
        assert_eq!(world.message(from).start(), "200");
        let forwarded = world.message(to);
        let (first, second) = path.split_once(' ').unwrap();
        let second = second.split(' ').next().unwrap();
        assert_eq!(forwarded.header("From-Path"), format!("{second} {first} {own}"));
        world.give(to, forwarded.answer(200));
        let report = request(
            "REPORT",
            forwarded.header("From-Path"),
            forwarded.header("To-Path"),
            "Message-ID: 12345\r\nStatus: 000 200 OK\r\n",
        );
        world.give(to, report);
        let report = world.message(from);
        assert_eq!(
            (report.start().as_str(), report.header("To-Path")),
            ("REPORT", own)
        );
    }
    assert!(world.opens.is_empty());
    assert_eq!(world.relay.unanswered(), 0);
}

//= https://www.rfc-editor.org/rfc/rfc4976#section-6.4
//= type=test
//# Before any request is forwarded, the relay MUST check that the first
//# URI in the To-Path header corresponds to a URI that this relay has
//# created and handed out in the Use-Path header of an AUTH request.
//# Next it verifies that either 1) the next hop is the next hop back
//# toward the client that obtained this URI, or 2) the previous hop was
//# the correct previous hop coming from the client that obtained this
//# URI.
#[test]
fn nobody_else_is_served() {
    let mut world = World::new();
    let ((alice, a), (bob, b)) = (world.alice(), world.bob());
    let stranger = ConnectionId(0);
    let forged = a.replace("2855/", "2855/x");
    let elsewhere = "msrp://victim.example:80/x;tcp";
    for (from, path, status) in [
        (stranger, format!("{a} {elsewhere}"), "403"),
        (stranger, format!("{a} {b} {BOB}"), "403"),
        (stranger, format!("{a} {a} {ALICE}"), "403"),
        (stranger, format!("{forged} {ALICE}"), "481"),
        (stranger, format!("msrp://relay.example:2855/;tcp {ALICE}"), ""),
        (stranger, format!("msrp://relay.example:2855;tcp {ALICE}"), "481"),
        (stranger, a.clone(), "481"),
        (bob, format!("{a} {elsewhere}"), "403"),
        (bob, format!("{b} {a} {elsewhere}"), "403"),
        (
            bob,
            format!("{b} msrp://relay.example:2855/none;tcp {BOB}"),
            "481",
        ),
        (bob, format!("{b} msrp://bob.example;tcp"), "400"),
        (bob, format!("{b} msrp://browser.invalid:1/x;ws"), "481"),
    ] {
        for method in ["SEND", "NICKNAME"] {
            let octets = match method {
                "SEND" => send(&path, BOB, "", "hello"),
                method => request(method, &path, BOB, ""),
            };
            let from = if from == stranger { world.accept() } else { from };
            world.give(from, octets);
            let answers = world.messages(from);
            let answer = answers
                .first()
                .map(super::world::Message::start)
                .unwrap_or_default();
            assert_eq!(answer, status, "{method} {path}");
        }
        for other in [alice, bob] {
            assert!(world.messages(other).is_empty(), "{path}");
        }
    }
    assert!(world.opens.is_empty());
}

#[test]
fn a_client_cannot_be_robbed_of_its_peer() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let (peer, thief) = (world.accept(), world.accept());
    world.give(peer, send(&format!("{uri} {ALICE}"), BOB, "", "hello"));
    world.give(thief, send(&format!("{uri} {ALICE}"), BOB, "", "hello"));
    world.sent(peer);
    world.sent(thief);
    world.give(alice, send(&format!("{uri} {BOB}"), ALICE, "", "secret"));
    assert_eq!(world.message(peer).body, b"secret");
    assert!(world.sent(thief).is_empty());
}

#[test]
fn private_addresses_may_be_alike() {
    // Both behind translators, both at 192.168.0.2:9.
    let mut world = World::new();
    let (one, other) = ("msrp://192.168.0.2:9/one;tcp", "msrp://192.168.0.2:9/other;tcp");
    let client = world.accept();
    let uri = world.enlist(client, "alice", one);
    let peer = world.accept();
    world.give(peer, send(&format!("{uri} {one}"), other, "", "hello"));
    world.sent(peer);
    assert_eq!(world.message(client).body, b"hello");
    world.give(client, send(&format!("{uri} {other}"), one, "", "back"));
    assert_eq!(world.message(peer).body, b"back");
}

//= https://www.rfc-editor.org/rfc/rfc4976#section-6.4.1
//= type=test
//# If after 30 seconds the next hop has not sent any response,
//# then the relay MUST construct a REPORT with a status code of 408 to
//# indicate a timeout error happened sending the message, and send the
//# REPORT to the original sender of the message.
#[test]
fn silence_is_reported_after_thirty_seconds() {
    for (wants, reported) in [("yes", true), ("partial", false), ("no", false)] {
        let mut world = World::new();
        let (alice, uri) = world.alice();
        let peer = world.accept();
        let headers = format!("Failure-Report: {wants}\r\n");
        world.give(peer, send(&format!("{uri} {ALICE}"), BOB, &headers, "hello"));
        assert_eq!(world.messages(peer).len(), usize::from(reported), "{wants}");
        assert_eq!(world.messages(alice).len(), 1);
        world.seconds(29);
        assert!(world.messages(peer).is_empty());
        world.seconds(1);
        let reports = world.messages(peer);
        assert_eq!(reports.len(), usize::from(reported), "{wants}");
        if let Some(report) = reports.first() {
            assert_eq!(report.start(), "REPORT");
            assert_eq!(
                (report.header("To-Path"), report.header("From-Path")),
                (BOB, uri.as_str())
            );
            assert_eq!(report.header("Status"), "000 408 Request Timeout");
            assert_eq!(
                (report.header("Message-ID"), report.header("Byte-Range")),
                ("12345", "1-5/5")
            );
        }
        assert_eq!(world.relay.unanswered(), 0);
    }
}

#[test]
fn time_runs_from_the_last_octet_handed_over() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let peer = world.accept();
    world.input(Input::Blocked { connection: alice });
    world.give(peer, send(&format!("{uri} {ALICE}"), BOB, "", "hello"));
    assert_eq!(world.message(peer).start(), "200");
    world.seconds(29);
    assert!(world.sent(alice).is_empty());
    world.input(Input::Writable { connection: alice });
    world.drain();
    let forwarded = world.message(alice);
    world.seconds(29);
    assert!(world.messages(peer).is_empty());
    world.give(alice, forwarded.answer(200));
    world.seconds(60);
    assert!(world.messages(peer).is_empty());
}

//= https://www.rfc-editor.org/rfc/rfc4976#section-6.4.3
//= type=test
//# If the response is a non 200 response, and the original request was a
//# SEND request that had a Failure-Report header with a value other than
//# "no", then the relay MUST send a REPORT indicating the nature of the
//# failure.
#[test]
fn a_refusal_further_on_is_reported() {
    for (wants, reported) in [("yes", 1), ("partial", 1), ("no", 0)] {
        let mut world = World::new();
        let (alice, uri) = world.alice();
        let peer = world.accept();
        let headers = format!("Failure-Report: {wants}\r\n");
        world.give(peer, send(&format!("{uri} {ALICE}"), BOB, &headers, "hello"));
        world.sent(peer);
        let answer = world.message(alice).answer(413);
        world.give(alice, answer.clone());
        world.give(alice, answer);
        let reports = world.messages(peer);
        assert_eq!(reports.len(), reported, "{wants}");
        for report in reports {
            assert_eq!(report.header("Status"), "000 413 Message Too Large");
            assert_eq!(report.header("Byte-Range"), "1-5/5");
        }
    }
}

#[test]
fn an_answer_counts_on_its_own_connection_only() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let peer = world.accept();
    world.give(peer, send(&format!("{uri} {ALICE}"), BOB, "", "hello"));
    world.sent(peer);
    let forwarded = world.message(alice);
    world.give(peer, forwarded.answer(413));
    world.give(
        alice,
        forwarded
            .answer(413)
            .replace(&uri, "msrp://other.example:1/x;tcp"),
    );
    assert!(world.messages(peer).is_empty());
    assert_eq!(world.relay.unanswered(), 1);
}

#[test]
fn chunks_stream_through() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let peer = world.accept();
    let whole =
        send(&format!("{uri} {ALICE}"), BOB, "", &"x".repeat(1000)).replace("1-1000/1000", "1-*/1000");
    let (first, rest) = whole.split_at(whole.len() - 500);
    world.give(peer, first.to_owned());
    assert!(world.sent(alice).len() > 500, "it goes out before it is here");
    assert!(world.sent(peer).is_empty());
    world.give(peer, rest.to_owned());
    assert_eq!(world.message(peer).start(), "200");
    assert!(world.sent(alice).ends_with(b"$\r\n"));
}

#[test]
fn a_large_chunk_is_cut_and_each_part_knows_its_place() {
    let mut config = config();
    config.chunk_size = 1000.try_into().unwrap();
    let mut world = World::with(config);
    let (alice, uri) = world.alice();
    let peer = world.accept();
    let body: String = (0..3500)
        .map(|at| char::from(b'a' + u8::try_from(at % 23).unwrap()))
        .collect();
    let whole = send(&format!("{uri} {ALICE}"), BOB, "", &body).replace("1-3500/3500", "101-*/9000");
    world.give(peer, whole.replace("tid1$", "tid1+"));
    assert_eq!(world.message(peer).start(), "200", "one answer for one chunk");
    let chunks = world.messages(alice);
    let ranges: Vec<_> = chunks
        .iter()
        .map(|chunk| chunk.header("Byte-Range").to_owned())
        .collect();
    assert_eq!(
        ranges,
        ["101-*/9000", "1101-*/9000", "2101-*/9000", "3101-3600/9000"]
    );
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk.end == Continuation::More && chunk.header("Message-ID") == "12345")
    );
    let joined: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.body.clone()).collect();
    assert_eq!(joined, body.as_bytes());
    let mut ids: Vec<_> = chunks.iter().map(|chunk| chunk.id().to_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    for chunk in &chunks[..3] {
        world.give(alice, chunk.answer(200));
    }
    world.give(alice, chunks[3].answer(400));
    assert_eq!(world.message(peer).header("Byte-Range"), "3101-3600/9000");
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.1
//= type=test
//# SEND requests larger than 2048 octets MUST be interrupted if the
//# sender needs to send pending responses or REPORT requests.
#[test]
fn a_chunk_is_interrupted_for_what_is_more_urgent() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let (peer, other) = (world.accept(), world.accept());
    let path = format!("{uri} {ALICE}");
    let whole = send(&path, BOB, "", &"x".repeat(5000)).replace("1-5000/5000", "1-*/5000");
    let (first, rest) = whole.split_at(whole.len() - 2000);
    world.give(peer, first.to_owned());
    // The client's own message is answered meanwhile, and somebody else's goes out.
    world.give(alice, send(&format!("{uri} {BOB}"), ALICE, "", "hi"));
    world.give(other, send(&path, "msrp://carol.example:1/c;tcp", "", "short"));
    world.give(peer, rest.to_owned());
    let messages = world.messages(alice);
    let seen: Vec<_> = messages
        .iter()
        .map(|message| {
            (
                message.start(),
                message.header("Byte-Range").to_owned(),
                message.end.flag(),
            )
        })
        .collect();
    assert_eq!(seen[0].0, "SEND");
    assert_eq!((seen[0].1.as_str(), seen[0].2), ("1-*/5000", '+'));
    assert_eq!(seen[1].0, "200");
    assert_eq!(seen[2].1, "1-5/5");
    assert_eq!(seen.last().unwrap().2, '$');
    let body: usize = messages
        .iter()
        .filter(|message| message.header("Byte-Range").ends_with("/5000"))
        .map(|message| message.body.len())
        .sum();
    assert_eq!(body, 5000);
    assert_eq!(messages.len(), 4);
}

//= https://www.rfc-editor.org/rfc/rfc4976#section-6.4.1
//= type=test
//# The MSRP relay MUST NOT combine message fragments from SEND requests
//# with different values in the Message-ID header.
#[test]
fn fragments_are_never_joined() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let peer = world.accept();
    let path = format!("{uri} {ALICE}");
    let both = [
        send(&path, BOB, "", "one").replace("12345", "11111"),
        send(&path, BOB, "", "two").replace("12345", "22222"),
    ];
    world.give(peer, both.concat());
    let seen: Vec<_> = world
        .messages(alice)
        .iter()
        .map(|message| (message.header("Message-ID").to_owned(), message.body.clone()))
        .collect();
    assert_eq!(
        seen,
        [
            ("11111".to_owned(), b"one".to_vec()),
            ("22222".to_owned(), b"two".to_vec())
        ]
    );
}

#[test]
fn bodies_that_look_like_ends_and_messages_without_bodies_pass() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let peer = world.accept();
    let path = format!("{uri} {ALICE}");
    for body in [
        "",
        "\r\n",
        "-------tid2$\r\n",
        "\r\n-------tid1",
        "\r\n-------tid1x\r\n-------",
        "x\r\n-------t",
    ] {
        world.give(peer, send(&path, BOB, "", body));
        assert_eq!(world.message(peer).start(), "200");
        assert_eq!(world.message(alice).body, body.as_bytes(), "{body:?}");
    }
    let keep_alive = request("SEND", &path, BOB, "Message-ID: 12345\r\nByte-Range: 1-0/0\r\n");
    world.give(peer, keep_alive);
    let forwarded = world.message(alice);
    assert_eq!(
        (forwarded.header("Byte-Range"), forwarded.head.has_body),
        ("1-0/0", false)
    );
    for end in ['+', '#'] {
        world.give(
            peer,
            send(&path, BOB, "", "part").replace("tid1$", &format!("tid1{end}")),
        );
        assert_eq!(world.message(alice).end.flag(), end);
    }
}

#[test]
fn the_end_line_of_a_chunk_is_never_in_its_body() {
    // A receiver tells an accomplice the identifier of the chunk that it is receiving.
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let peer = world.accept();
    let path = format!("{uri} {ALICE}");
    world.give(peer, format!("MSRP tid1 SEND\r\nTo-Path: {path}\r\nFrom-Path: {BOB}\r\nMessage-ID: 12345\r\nByte-Range: 1-*/*\r\nContent-Type: text/plain\r\n\r\nbegin"));
    let begun = world.sent(alice);
    let id = String::from_utf8_lossy(&begun)
        .split(' ')
        .nth(1)
        .unwrap()
        .to_owned();
    let smuggled = format!("\r\n-------{id}$\r\nMSRP evil REPORT\r\nTo-Path: x\r\n-------evil$\r\n");
    for piece in smuggled.as_bytes().chunks(3) {
        world.give(peer, piece.to_vec());
    }
    world.give(peer, "\r\n-------tid1$\r\n");
    let all = [begun, world.sent(alice)].concat();
    let messages = super::world::messages(all);
    assert!(messages.iter().all(|message| message.start() == "SEND"));
    let joined: Vec<u8> = messages.iter().flat_map(|message| message.body.clone()).collect();
    assert_eq!(joined, format!("begin{smuggled}").as_bytes());
    assert_eq!(messages[0].end, Continuation::More);
}

#[test]
fn a_message_that_says_nothing_readable_is_refused() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let (_, other) = world.bob();
    let path = format!("{uri} {ALICE}");
    let good = send(&path, BOB, "", "hello");
    for bad in [
        good.replace("Message-ID: 12345\r\n", ""),
        good.replace("Byte-Range: 1-", "Byte-Range: 0-"),
        good.replace("Byte-Range", "Failure-Report: maybe\r\nByte-Range"),
        good.replace("Byte-Range", "Byte-Range: 1-5/5\r\nByte-Range"),
        good.replace("Byte-Range", "no header\r\nByte-Range"),
    ] {
        let peer = world.accept();
        world.give(peer, bad.clone());
        assert_eq!(world.message(peer).start(), "400", "{bad}");
    }
    for bad in [
        good.replace("From-Path", "To-Path: x\r\nFrom-Path"),
        good.replace("From-Path", &format!("To-Path: {other} {BOB}\r\nFrom-Path")),
        good.replace("From-Path: ", "From-Path: nobody "),
        good.replace(&format!("From-Path: {BOB}\r\n"), ""),
        good.replace(BOB, &[BOB; 20].join(" ")),
    ] {
        let peer = world.accept();
        world.give(peer, bad.clone());
        assert!(world.sent(peer).is_empty(), "nobody could be answered: {bad}");
    }
    assert!(world.sent(alice).is_empty());
}

#[test]
fn reports_go_their_way_and_are_never_answered() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let peer = world.accept();
    let headers = "Message-ID: 12345\r\nByte-Range: 1-5/5\r\nStatus: 000 200 OK\r\n";
    world.give(peer, request("REPORT", &format!("{uri} {ALICE}"), BOB, headers));
    let report = world.message(alice);
    assert_eq!(
        (report.start().as_str(), report.header("Status")),
        ("REPORT", "000 200 OK")
    );
    assert!(world.sent(peer).is_empty());
    for bad in ["msrp://relay.example:2855/none;tcp", &uri] {
        world.give(
            peer,
            request("REPORT", &format!("{bad} msrp://x.example:1/x;tcp"), BOB, headers),
        );
        assert!(world.sent(peer).is_empty() && world.sent(alice).is_empty());
    }
    assert_eq!(world.relay.unanswered(), 0);
}

#[test]
fn an_auth_for_the_next_relay_goes_through_and_its_answer_comes_back() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let next = "msrp://extra.example;tcp";
    world.give(
        alice,
        request("AUTH", &format!("{uri} {next}"), ALICE, "Expires: 900\r\n"),
    );
    assert!(world.sent(alice).is_empty());
    let (_, host, port, _) = world.opens[0].clone();
    assert_eq!((host.as_str(), port), ("extra.example", None), "to be looked up");
    let extra = world.open();
    let forwarded = world.message(extra);
    assert_eq!(
        (forwarded.header("To-Path"), forwarded.header("Expires")),
        (next, "900")
    );
    assert_eq!(forwarded.header("From-Path"), format!("{uri} {ALICE}"));
    let path = format!("{uri} msrp://extra.example:2855/y;tcp");
    world.give(
        extra,
        forwarded.answer_whole(200, &format!("Use-Path: {path}\r\nExpires: 800\r\n")),
    );
    let answer = world.message(alice);
    assert_eq!((answer.start().as_str(), answer.id()), ("200", "tid2"));
    assert_eq!(
        (answer.header("To-Path"), answer.header("From-Path")),
        (ALICE, format!("{uri} {next}").as_str())
    );
    assert_eq!(
        (answer.header("Use-Path"), answer.header("Expires")),
        (path.as_str(), "800")
    );
    assert_eq!(world.relay.unanswered(), 0);
    // A session through both.
    world.give(alice, send(&format!("{path} {BOB}"), ALICE, "", "hello"));
    assert!(world.opens.is_empty());
    assert_eq!(
        world.message(extra).header("To-Path"),
        format!("msrp://extra.example:2855/y;tcp {BOB}")
    );
    world.give(
        extra,
        send(
            &format!("{uri} {ALICE}"),
            &format!("msrp://extra.example:2855/y;tcp {BOB}"),
            "",
            "back",
        ),
    );
    assert_eq!(world.messages(alice).last().unwrap().body, b"back");
}

#[test]
fn an_auth_that_is_not_answered_is_answered_by_the_relay() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let next = "msrp://extra.example;tcp";
    world.give(alice, request("AUTH", &format!("{uri} {next}"), ALICE, ""));
    let (open, ..) = world.opens.pop().unwrap();
    world.input(Input::OpenFailed { open });
    let answer = world.message(alice);
    assert_eq!(
        (answer.start().as_str(), answer.id(), answer.header("To-Path")),
        ("408", "tid2", ALICE)
    );
    world.give(alice, request("AUTH", &format!("{uri} {next}"), ALICE, ""));
    world.open();
    world.seconds(30);
    assert_eq!(world.message(alice).start(), "408");
    assert_eq!(world.relay.unanswered(), 0);
}

//= https://www.rfc-editor.org/rfc/rfc4976#section-6.3
//= type=test
//# Similarly, if a relay forwards several
//# failed AUTH requests to the same destination that originate from a
//# client that is directly connected to it via TLS, the relay SHOULD
//# terminate the corresponding connection.
#[test]
fn who_guesses_at_another_relay_is_sent_away_too() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let next = "msrp://extra.example;tcp";
    let challenge = msrp::digest::Challenge::new("extra.example", "n1", msrp::digest::Algorithm::Md5);
    let mut extra = None;
    for (count, stale) in [
        (1, true),
        (2, true),
        (3, false),
        (4, false),
        (5, false),
        (6, false),
        (7, false),
    ] {
        assert!(!world.closed.contains(&alice), "{count}");
        let headers = format!(
            "Authorization: {}\r\n",
            credentials(&challenge, "alice", PASSWORD, count)
        );
        world.give(alice, request("AUTH", &format!("{uri} {next}"), ALICE, &headers));
        let extra = *extra.get_or_insert_with(|| world.open());
        let mut again = challenge.clone();
        again.stale = stale;
        let answer = world
            .message(extra)
            .answer_whole(401, &format!("WWW-Authenticate: {again}\r\n"));
        world.give(extra, answer);
        assert_eq!(world.message(alice).start(), "401");
    }
    assert!(world.closed.contains(&alice));
}

#[test]
fn other_methods_pass_with_their_bodies() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let peer = world.accept();
    let body = "a\r\n-------tid3$ is text";
    world.give(
        peer,
        format!("MSRP tid2 FILE_OFFSET\r\nTo-Path: {uri} {ALICE}\r\nFrom-Path: {BOB}\r\nContent-Type: a/b\r\n\r\n{body}\r\n-------tid2$\r\n"),
    );
    let octets = world.sent(alice);
    let text = String::from_utf8(octets).unwrap();
    assert!(text.contains(" FILE_OFFSET\r\n") && text.contains(body), "{text}");
    let id = text.split(' ').nth(1).unwrap();
    world.give(
        alice,
        format!("MSRP {id} 200\r\nTo-Path: {uri} {BOB}\r\nFrom-Path: {ALICE}\r\n-------{id}$\r\n"),
    );
    assert!(
        String::from_utf8(world.sent(peer))
            .unwrap()
            .starts_with("MSRP tid2 200\r\nTo-Path: msrp://bob")
    );

    let mut config = config();
    config.unknown_methods = false;
    let mut world = World::with(config);
    let (alice, uri) = world.alice();
    let peer = world.accept();
    for (method, status) in [("PING", Some("501")), ("NICKNAME", None)] {
        world.give(peer, request(method, &format!("{uri} {ALICE}"), BOB, ""));
        assert_eq!(
            world
                .messages(peer)
                .first()
                .map(super::world::Message::start)
                .as_deref(),
            status
        );
    }
    assert_eq!(world.message(alice).start(), "NICKNAME");
}

#[test]
fn an_empty_send_to_the_relay_itself_keeps_alive() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    world.give(
        alice,
        request("SEND", &uri, ALICE, "Message-ID: 12345\r\nByte-Range: 1-0/0\r\n"),
    );
    assert_eq!(world.message(alice).start(), "200");
}

#[test]
fn what_waits_for_a_connection_that_is_lost_is_reported() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let path = format!("{uri} {BOB}");
    let second = send(&path, ALICE, "", "two").replace("12345", "22222");
    world.give(
        alice,
        [
            send(&path, ALICE, "", "one"),
            send(&path, ALICE, "", "more"),
            second,
        ]
        .concat(),
    );
    assert_eq!(world.messages(alice).len(), 3);
    let unfinished = send(&path, ALICE, "", "three")
        .replace("12345", "33333")
        .replace("tid1", "tid9");
    let (first, rest) = unfinished.split_at(unfinished.len() - 15);
    world.give(alice, first.to_owned());
    let (open, ..) = world.opens.pop().unwrap();
    world.input(Input::OpenFailed { open });
    let seen: Vec<_> = world
        .messages(alice)
        .iter()
        .map(|message| {
            (
                message.start(),
                message.header("Message-ID").to_owned(),
                message.header("Status").to_owned(),
            )
        })
        .collect();
    let report = |id: &str| {
        (
            "REPORT".to_owned(),
            id.to_owned(),
            "000 408 Request Timeout".to_owned(),
        )
    };
    assert_eq!(
        seen,
        [
            report("12345"),
            report("22222"),
            report("33333"),
            ("408".to_owned(), String::new(), String::new())
        ],
        "each message once; the one that is arriving is answered too"
    );
    world.give(alice, rest.to_owned());
    assert!(world.sent(alice).is_empty());
    assert_eq!(world.relay.waiting(), 0);
    // The next one asks again.
    world.give(alice, send(&path, ALICE, "", "again"));
    assert_eq!(world.opens.len(), 1);
}

#[test]
fn a_sender_that_is_lost_leaves_whole_chunks() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    let peer = world.accept();
    let whole = send(&format!("{uri} {ALICE}"), BOB, "", "hello, and more").replace("1-15/15", "1-*/15");
    let (first, _) = whole.split_at(whole.len() - 20);
    world.give(peer, first.to_owned());
    world.input(Input::Closed { connection: peer });
    world.drain();
    let chunk = world.message(alice);
    assert_eq!(chunk.end, Continuation::More, "the rest may come another way");
    assert!(b"hello, and more".starts_with(&chunk.body));
    assert_eq!(world.relay.waiting(), 0);
}

#[test]
fn a_secure_hop_is_reached_with_tls_or_not_at_all() {
    let mut world = World::new();
    let (alice, uri) = world.alice();
    world.give(
        alice,
        send(
            &format!("{uri} msrps://bob.example:7001/bob;tcp"),
            ALICE,
            "",
            "hello",
        ),
    );
    let (open, _, _, secure) = world.opens.pop().unwrap();
    assert!(secure);
    let connection = ConnectionId(99);
    world.input(Input::Opened {
        connection,
        open: Some(open),
        secure: false,
        peer: Peer::Unknown,
    });
    assert!(world.closed.contains(&connection));
    assert!(world.sent(connection).is_empty(), "nothing is said without TLS");
    assert_eq!(
        world.messages(alice).last().unwrap().header("Status"),
        "000 408 Request Timeout"
    );
    assert!(
        !world
            .events
            .iter()
            .any(|event| matches!(event, Event::UriExpired { .. }))
    );
}
