//! An endpoint and a peer that is written by hand, and does what no endpoint of ours would do.

use std::time::Duration;

use crate::hand::{OWN, PEER, Peer, chunk, request, send, uri};
use crate::pair::{entropy, epoch, messages, streamed, text};
use msrp::codec::DecodeError;
use msrp::endpoint::{
    AbortReason, Acknowledge, CloseReason, Config, Delivery, EndReason, Endpoint, Event, Input, Role,
    SessionConfig, Transmit,
};
use msrp::{ConnectionId, StatusCode};

//= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
//= type=test
//# The first SEND request serves to bind a connection to an MSRP
//# session from the perspective of the passive endpoint.
#[test]
fn the_first_send_binds_even_with_a_body() {
    let mut peer = Peer::new();
    let answer = peer.says(&chunk("tid1", "1-5/5", "hello", '$'));
    assert_eq!(
        answer,
        format!("MSRP tid1 200 OK\r\nTo-Path: {PEER}\r\nFrom-Path: {OWN}\r\n-------tid1$\r\n")
    );
    assert!(matches!(
        peer.events[..],
        [Event::SessionBound { .. }, Event::MessageReceived { .. }]
    ));
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-7.3
//= type=test
//# If this is not true, then
//# the receiver MUST generate a 481 error and ignore the request.
#[test]
fn strangers_are_told_that_there_is_no_session() {
    let mut peer = Peer::new();
    for (from, to) in [
        (OWN, "msrp://own.example:2855/others;tcp"),
        (OWN, "msrp://own.example:2855;tcp"),
        (OWN, "msrp://own.example:2856/ours;tcp"),
        (OWN, "msrps://own.example:2855/ours;tcp"),
        (OWN, &format!("{OWN} msrp://next.example:1/x;tcp")),
        (PEER, "msrp://stranger.example:1/x;tcp"),
    ] {
        let answer = peer.says(&chunk("tid1", "1-5/5", "hello", '$').replace(from, to));
        assert!(
            answer.starts_with("MSRP tid1 481 No Such Session\r\n"),
            "{to}: {answer}"
        );
    }
    assert_eq!(
        peer.says(&send("tid2", "Failure-Report: no\r\n", None, '$').replace("/ours", "/others")),
        ""
    );
    assert_eq!(peer.events.len(), 0);
    assert!(!peer.closed);
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
//= type=test
//# If the session is already in use, it MUST
//# reject the request with a 506 response.
#[test]
fn a_session_cannot_be_taken_over_from_another_connection() {
    let mut peer = Peer::new();
    peer.binds();
    let connection = ConnectionId(2);
    peer.endpoint.handle_input(
        Input::Opened {
            connection,
            open: None,
            secure: false,
        },
        peer.now,
    );
    let answer = peer.says_on(2, &chunk("tid1", "1-5/5", "hello", '$'));
    assert!(answer.starts_with("MSRP tid1 506 Session Already Bound\r\n"));
    assert_eq!(peer.events.len(), 0);
}

#[test]
fn a_secure_session_needs_a_secure_connection() {
    let own = OWN.replace("msrp:", "msrps:");
    let mut peer = Peer::new();
    peer.endpoint.close_session(peer.session, peer.now);
    let config = SessionConfig::new(uri(&own), vec![uri(PEER)], Role::Passive);
    peer.endpoint.open_session(config, peer.now).unwrap();
    let request = send("tid1", "", None, '$').replace(OWN, &own);
    assert!(peer.says(&request).starts_with("MSRP tid1 481"));
    let connection = ConnectionId(2);
    peer.endpoint.handle_input(
        Input::Opened {
            connection,
            open: None,
            secure: true,
        },
        peer.now,
    );
    assert!(peer.says_on(2, &request).starts_with("MSRP tid1 200"));
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
//= type=test
//# Connections using the "msrps" scheme MUST use TLS.
#[test]
fn nothing_is_said_on_an_open_connection_that_was_to_be_secure() {
    let now = epoch();
    let mut endpoint = Endpoint::new(Config::default(), entropy(1));
    let (own, peer) = (OWN.replace("msrp:", "msrps:"), PEER.replace("msrp:", "msrps:"));
    let config = SessionConfig::new(uri(&own), vec![uri(&peer)], Role::Active);
    let session = endpoint.open_session(config, now).unwrap();
    let Some(Transmit::Open {
        open, secure: true, ..
    }) = endpoint.poll_transmit(now)
    else {
        panic!()
    };
    let connection = ConnectionId(1);
    let input = Input::Opened {
        connection,
        open: Some(open),
        secure: false,
    };
    endpoint.handle_input(input, now);
    assert!(matches!(
        endpoint.poll_transmit(now),
        Some(Transmit::Close {
            connection: ConnectionId(1)
        })
    ));
    let Some(Event::SessionEnded {
        session: ended,
        reason,
    }) = endpoint.poll_event()
    else {
        panic!()
    };
    assert_eq!((ended, reason), (session, EndReason::OpenFailed));
    assert!(endpoint.poll_transmit(now).is_none() && endpoint.is_drained());
    assert_eq!(endpoint.poll_timeout(), None);
}

#[test]
fn a_border_controller_may_send_from_another_address_where_that_is_configured() {
    let mut config = Config::default();
    config.check_sender = false;
    let mut peer = Peer::with(config, Delivery::Streaming, Acknowledge::Automatic);
    assert!(
        peer.says(&send("tid1", "", None, '$').replace("peer", "border"))
            .starts_with("MSRP tid1 200")
    );
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-7.3.1
//= type=test
//# Receivers MUST not assume that the chunks will be delivered in order
//# or that they will receive all the chunks with "+" flags before they
//# receive the chunk with the "$" flag.
#[test]
fn chunks_may_come_in_any_order() {
    let mut peer = Peer::new();
    peer.binds();
    assert!(
        peer.says(&chunk("tid1", "11-15/15", "klmno", '$'))
            .contains("200 OK")
    );
    assert!(
        peer.says(&chunk("tid2", "1-*/15", "abcde", '+'))
            .contains("200 OK")
    );
    assert_eq!(messages(&peer.events).len(), 0);
    assert!(
        peer.says(&chunk("tid3", "6-10/15", "fghij", '+'))
            .contains("200 OK")
    );
    assert_eq!(messages(&peer.events), ["abcdefghijklmno"]);
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-7.3.1
//= type=test
//# If chunk
//# data is received that overlaps already received data for the same
//# message, the last chunk received SHOULD take precedence
#[test]
fn the_last_chunk_wins() {
    let mut peer = Peer::new();
    peer.binds();
    peer.says(&chunk("tid1", "1-10/15", "aaaaaaaaaa", '+'));
    peer.says(&chunk("tid2", "6-15/15", "bbbbbbbbbb", '$'));
    assert_eq!(messages(&peer.events), ["aaaaabbbbbbbbbb"]);
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-7.3.1
//= type=test
//# It is worth noting that the chunk that has a termination character of
//# "$" defines the total length of the message.
#[test]
fn what_a_range_says_is_not_believed() {
    for range in [
        "1-3/3",
        "1-999/999",
        "1-*/*",
        "1-224/221",
        "1-1000000000000000/1000",
    ] {
        let mut peer = Peer::new();
        peer.binds();
        peer.says(&chunk("tid1", range, "hello", '+'));
        assert_eq!(messages(&peer.events).len(), 0, "{range}");
        peer.says(&chunk("tid2", "6-*/3", "world", '$'));
        assert_eq!(messages(&peer.events), ["helloworld"], "{range}");
    }
    let mut peer = Peer::new();
    peer.binds();
    peer.says(&send("tid1", "Message-ID: 12345678\r\n", Some("no range"), '$'));
    assert_eq!(messages(&peer.events), ["no range"]);
}

#[test]
fn an_empty_last_chunk_ends_the_message_where_it_is() {
    for range in ["6-5/5", "1-0/0", "6-*/*"] {
        let mut peer = Peer::new();
        peer.binds();
        peer.says(&chunk("tid1", "1-*/*", "hello", '+'));
        peer.says(&chunk("tid2", range, "", '$'));
        assert_eq!(messages(&peer.events), ["hello"], "{range}");
    }
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
//= type=test
//# If
//# the receiving endpoint receives more than one message with the same
//# Message-ID, it SHOULD assume that the messages are duplicates.
#[test]
fn a_message_that_comes_again_is_acknowledged_and_reported_but_not_delivered() {
    let mut peer = Peer::new();
    peer.binds();
    for id in ["tid1", "tid2"] {
        let again = send(
            id,
            "Message-ID: 12345678\r\nSuccess-Report: yes\r\n",
            Some("hello"),
            '$',
        );
        let answer = peer.says(&again);
        assert!(answer.contains(&format!("MSRP {id} 200 OK")));
        assert!(
            answer.contains(" REPORT\r\n") && answer.contains("Byte-Range: 1-5/5\r\nStatus: 000 200 OK\r\n")
        );
    }
    assert_eq!(messages(&peer.events), ["hello"]);
}

#[test]
fn ranges_that_cannot_be_are_refused() {
    let mut peer = Peer::new();
    peer.binds();
    for range in [
        "0-4/5",
        "x",
        "18446744073709551615-*/*",
        "99999999999999999999-*/*",
    ] {
        let answer = peer.says(&chunk("tid1", range, "hello", '$'));
        assert!(answer.starts_with("MSRP tid1 4"), "{range}: {answer}");
    }
    peer.says(&send(
        "tid1",
        "Message-ID: 87654321\r\nByte-Range: 1-5/5\r\n",
        Some("hello"),
        '$',
    ));
    assert_eq!(messages(&peer.events), ["hello"]);
}

#[test]
fn methods_that_are_not_known_are_refused() {
    let mut peer = Peer::new();
    peer.binds();
    for method in ["AUTH", "FILE_OFFSET", "NEW"] {
        let answer = peer.says(&request(method, "tid1", "Failure-Report: no\r\n", None, '$'));
        assert!(answer.starts_with("MSRP tid1 501 Unknown Method\r\n"), "{answer}");
    }
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-10.8
//= type=test
//# A 481 response indicates that the indicated session does not exist.
//# The sender should terminate the session.
#[test]
fn a_peer_that_does_not_know_the_session_ends_it() {
    let mut peer = Peer::new();
    peer.binds();
    peer.endpoint.send(peer.session, text("hello"), peer.now).unwrap();
    let sent = peer.answers();
    let id = sent.split(' ').nth(1).unwrap();
    peer.says(&format!(
        "MSRP {id} 481\r\nTo-Path: {OWN}\r\nFrom-Path: {PEER}\r\n-------{id}$\r\n"
    ));
    let [
        Event::MessageFailed { .. },
        Event::SessionEnded {
            reason: EndReason::Refused(status),
            ..
        },
    ] = &peer.events[..]
    else {
        panic!("{:?}", peer.events)
    };
    assert_eq!(*status, StatusCode::NO_SESSION);
}

#[test]
fn heads_that_cannot_be_read_are_answered_with_400_if_they_can_be_answered() {
    let mut peer = Peer::new();
    peer.binds();
    for head in [
        "nonsense\r\n",
        "Failure-Report: maybe\r\n",
        "Message-ID: a b\r\n",
        "Failure-Report: no\r\nFailure-Report: yes\r\n",
    ] {
        let answer = peer.says(&send("tid1", head, Some("hello"), '$'));
        assert!(
            answer.starts_with("MSRP tid1 400 Bad Request\r\n"),
            "{head}: {answer}"
        );
    }
    assert_eq!(
        peer.says(&send("tid1", "", Some("hello"), '$').replace(PEER, "nobody")),
        ""
    );
    assert_eq!(peer.events.len(), 0);
    assert!(!peer.closed);
}

#[test]
fn what_is_not_msrp_closes_the_connection() {
    let mut peer = Peer::new();
    peer.binds();
    peer.says("GET / HTTP/1.1\r\n");
    assert!(peer.closed);
    let closed = Event::ConnectionClosed {
        connection: ConnectionId(1),
        reason: CloseReason::Malformed(DecodeError::StartLine),
    };
    assert_eq!(format!("{:?}", peer.events.last()), format!("{:?}", Some(closed)));
    assert!(peer.endpoint.is_drained());
    assert_eq!(peer.says(&send("tid1", "", None, '$')), "");
}

#[test]
fn what_came_before_a_fault_is_answered_before_the_connection_is_closed() {
    let mut peer = Peer::new();
    peer.binds();
    let good = chunk("tid1", "1-5/5", "hello", '$');
    let answer = peer.says(&format!("{good}this is no message\r\n"));
    assert!(answer.starts_with("MSRP tid1 200 OK\r\n"), "{answer}");
    assert!(peer.closed);
    assert!(peer.endpoint.is_drained());
}

#[test]
fn a_peer_that_does_not_read_is_left() {
    let mut config = Config::default();
    config.limits.urgent_octets = 10_000;
    let mut peer = Peer::with(config, Delivery::Streaming, Acknowledge::Automatic);
    peer.binds();
    peer.endpoint.handle_input(
        Input::Blocked {
            connection: ConnectionId(1),
        },
        peer.now,
    );
    let mut said = 0;
    while !peer.closed {
        peer.says(&send("tid1", "Message-ID: bind1\r\n", None, '$'));
        said += 1;
        assert!(said < 100);
    }
    assert!(peer.events.iter().any(|event| matches!(
        event,
        Event::ConnectionClosed {
            reason: CloseReason::NotReading,
            ..
        }
    )));
}

#[test]
fn a_connection_that_nobody_binds_is_closed() {
    let mut peer = Peer::new();
    peer.endpoint.close_session(peer.session, peer.now);
    peer.says("MSRP tid1 SEND\r\nTo-Pa");
    let due = peer.endpoint.poll_timeout().unwrap();
    assert_eq!(due, peer.now + Duration::from_secs(30));
    peer.endpoint
        .handle_timeout(due.checked_sub(Duration::from_millis(1)).unwrap());
    peer.answers();
    assert!(!peer.closed);
    peer.endpoint.handle_timeout(due);
    peer.answers();
    assert!(peer.closed && peer.endpoint.is_drained());
}

#[test]
fn open_messages_are_bounded_and_the_silent_one_goes() {
    let mut config = Config::default();
    config.limits.open_messages = 2;
    let mut peer = Peer::with(config, Delivery::Streaming, Acknowledge::Automatic);
    peer.binds();
    let of = |id: &str, range: &str, flag| {
        send(
            "tid1",
            &format!("Message-ID: {id}\r\nByte-Range: {range}\r\n"),
            Some("hello"),
            flag,
        )
    };
    for (id, range) in [
        ("first", "1-*/*"),
        ("second", "1-*/*"),
        ("first", "6-*/*"),
        ("third", "1-*/*"),
    ] {
        peer.says(&of(id, range, '+'));
    }
    let aborted: Vec<_> = peer
        .events
        .iter()
        .filter_map(|event| match event {
            Event::MessageAborted {
                message,
                reason: AbortReason::Refused(_),
                ..
            } => Some(message.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(aborted, ["second"]);
    assert!(
        peer.says(&of("second", "6-*/*", '$'))
            .starts_with("MSRP tid1 413")
    );
    assert!(
        peer.says(&of("first", "11-*/*", '$'))
            .starts_with("MSRP tid1 200")
    );
}

#[test]
fn pieces_of_a_message_are_bounded() {
    for delivery in [Delivery::Whole { max: 1 << 20 }, Delivery::Streaming] {
        let mut config = Config::default();
        config.limits.islands = 3;
        let mut peer = Peer::with(config, delivery, Acknowledge::Automatic);
        peer.binds();
        for at in [1, 11, 21, 31] {
            let answer = peer.says(&chunk("tid1", &format!("{at}-*/*"), "x", '+'));
            let expected = if at < 31 { "MSRP tid1 200" } else { "MSRP tid1 413" };
            assert!(answer.starts_with(expected), "{at}: {answer}");
        }
    }
}

#[test]
fn gathered_octets_are_bounded_in_sum() {
    for total in [false, true] {
        let mut config = Config::default();
        *(if total {
            &mut config.limits.total_gathered_octets
        } else {
            &mut config.limits.gathered_octets
        }) = 1000;
        let mut peer = Peer::with(config, Delivery::Whole { max: 10_000 }, Acknowledge::Automatic);
        peer.binds();
        let part = "x".repeat(600);
        let of = |id: &str, flag| {
            send(
                "tid1",
                &format!("Message-ID: {id}\r\nByte-Range: 1-*/*\r\n"),
                Some(&part),
                flag,
            )
        };
        assert!(peer.says(&of("first", '+')).starts_with("MSRP tid1 200"));
        assert!(peer.says(&of("second", '+')).starts_with("MSRP tid1 413"));
        assert!(
            peer.says(&send(
                "tid1",
                "Message-ID: first\r\nByte-Range: 601-*/*\r\n",
                Some("x"),
                '$'
            ))
            .starts_with("MSRP tid1 200")
        );
        assert!(
            peer.says(&of("third", '+')).starts_with("MSRP tid1 200"),
            "what was handed over is not held"
        );
    }
}

#[test]
fn answers_that_the_parent_owes_are_bounded_in_number_and_time() {
    let mut config = Config::default();
    config.limits.owed_responses = 2;
    let mut peer = Peer::with(config, Delivery::Streaming, Acknowledge::Manual);
    peer.binds();
    assert_eq!(peer.says(&chunk("tid1", "1-*/*", "x", '+')), "");
    assert_eq!(peer.says(&chunk("tid2", "2-*/*", "x", '+')), "");
    assert!(
        peer.says(&chunk("tid3", "3-*/*", "x", '+'))
            .starts_with("MSRP tid3 413")
    );
    let due = peer.now + Duration::from_secs(30);
    peer.endpoint.handle_timeout(due);
    assert_eq!(peer.endpoint.poll_timeout(), None);
    assert_eq!(peer.answers(), "", "nobody waits any more");
}

#[test]
fn a_transaction_that_comes_twice_breaks_its_message_off() {
    let mut peer = Peer::with(Config::default(), Delivery::Streaming, Acknowledge::Manual);
    peer.binds();
    assert_eq!(peer.says(&chunk("tid1", "1-*/*", "hello", '+')), "");
    let answer = peer.says(&chunk("tid1", "6-*/*", "away", '$'));
    assert!(answer.starts_with("MSRP tid1 400"), "{answer}");
    let reason = AbortReason::Refused(StatusCode::BAD_REQUEST);
    let aborted =
        |event: &Event| matches!(event, Event::MessageAborted { reason: own, .. } if *own == reason);
    assert!(peer.events.iter().any(aborted), "{:?}", peer.events);
}

#[test]
fn the_identifiers_of_messages_are_remembered_up_to_a_bound() {
    let mut config = Config::default();
    config.limits.remembered_messages = 1;
    let mut peer = Peer::with(config, Delivery::Whole { max: 10 }, Acknowledge::Automatic);
    peer.binds();
    for id in ["first", "first", "second", "first"] {
        peer.says(&send("tid1", &format!("Message-ID: {id}\r\n"), Some(id), '$'));
    }
    assert_eq!(messages(&peer.events), ["first", "second", "first"]);
}

#[test]
fn a_stream_is_handed_over_as_it_arrives() {
    let mut peer = Peer::with(Config::default(), Delivery::Streaming, Acknowledge::Automatic);
    peer.binds();
    let whole = chunk("tid1", "1-*/*", "hello", '+');
    let (first, rest) = whole.split_at(whole.find("llo").unwrap());
    peer.says(first);
    assert_eq!(streamed(&peer.events), b"he");
    peer.endpoint.handle_input(
        Input::Closed {
            connection: ConnectionId(1),
        },
        peer.now,
    );
    peer.says(rest);
    assert!(matches!(
        peer.events[..],
        [.., Event::MessageAborted { .. }, Event::SessionEnded { .. }]
    ));
}

#[test]
fn events_do_not_print_what_people_write() {
    let mut peer = Peer::new();
    peer.says(&send(
        "tid1",
        "Message-ID: 12345678\r\nSubject: secret\r\n",
        Some("secret"),
        '$',
    ));
    assert!(!format!("{:?}", peer.events).contains("secret"));
}
