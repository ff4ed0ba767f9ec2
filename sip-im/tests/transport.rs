//! Two endpoints in virtual time: which way messages take, and what a peer may cost.
#![cfg(test)]

mod machines;

use bytes::Bytes;
use machines::talk::{SECOND, acked, answered, failed, methods, received, respond, send, wire, with_body};
use machines::{FINE, Pair, answer, request};
use sip_im::endpoint::{Config, Event, Input, RequestFailure, Transmit};
use sip_im::header::{HeaderName, Via};
use sip_im::{Message, Method, StatusCode, Transport};

#[test]
fn a_large_request_goes_over_a_stream() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-18.1.1
    //= type=test
    //# If a request is within 200 bytes of the path MTU, or if it is larger
    //# than 1300 bytes and the path MTU is unknown, the request MUST be sent
    //# using an RFC 2914 [43] congestion controlled transport protocol, such
    //# as TCP.
    for octets in 700..1100 {
        let mut pair = Pair::new(FINE, 8);
        let message = with_body(request(Method::Message, "c"), octets);
        send(&mut pair, message, Transport::Udp);
        let (id, message) = pair.wait(1, SECOND, received).expect("received");
        let via = message.top_via().expect("Via");
        let Some(Message::Request(sent)) = pair.ends[0].sent.first() else {
            panic!("nothing sent")
        };
        let size = sent.to_bytes().len();
        if size > 1300 {
            assert_eq!(via.transport.as_str(), "TCP", "{size} octets");
        } else if size <= 1250 {
            assert_eq!(via.transport.as_str(), "UDP", "{size} octets");
        }
        respond(&mut pair, id, &message, StatusCode::OK);
        assert!(pair.wait(0, SECOND, answered).is_some());
    }
}

#[test]
fn a_large_request_falls_back_to_datagrams_unless_it_is_a_message() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-18.1.1
    //= type=test
    //# if the attempt to establish the connection generates either an
    //# ICMP Protocol Not Supported, or results in a TCP reset, the element
    //# SHOULD retry the request, using UDP.
    let mut pair = Pair::new(FINE, 9);
    pair.streams = false;
    send(
        &mut pair,
        with_body(request(Method::Invite, "c"), 2000),
        Transport::Udp,
    );
    let (id, invite) = pair.wait(1, SECOND, received).expect("received");
    assert_eq!(invite.top_via().expect("Via").transport.as_str(), "UDP");
    respond(&mut pair, id, &invite, StatusCode::BUSY_HERE);
    pair.run_for(SECOND);

    //= https://www.rfc-editor.org/rfc/rfc3428#section-8
    //= type=test
    //# The size of MESSAGE requests outside of a media session MUST NOT
    //# exceed 1300 bytes, unless the UAC has positive knowledge that the
    //# message will not traverse a congestion-unsafe link at any hop,
    let message = send(
        &mut pair,
        with_body(request(Method::Message, "d"), 2000),
        Transport::Udp,
    );
    assert_eq!(
        pair.wait(0, SECOND, failed),
        Some((message, RequestFailure::TransportFailed))
    );
    pair.assert_nothing_left();
}

#[test]
fn streams_carry_many_requests_on_one_connection_however_they_are_cut() {
    for seed in 0..20 {
        let mut pair = Pair::new(FINE, seed);
        for call in 0..10 {
            send(
                &mut pair,
                with_body(request(Method::Message, &format!("c{call}")), 300),
                Transport::Tcp,
            );
        }
        for _ in 0..10 {
            let (id, message) = pair.wait(1, SECOND, received).expect("received");
            respond(&mut pair, id, &message, StatusCode::ACCEPTED);
        }
        for _ in 0..10 {
            assert!(pair.wait(0, SECOND, answered).is_some());
        }
        assert_eq!(pair.ends[0].endpoint.open_flows(), 1, "the connection is shared");
        assert_eq!(
            pair.ends[0].endpoint.client_transactions(),
            0,
            "over a stream nothing lingers"
        );
        for end in &pair.ends {
            assert_eq!(
                end.endpoint.armed_timers(),
                end.endpoint.open_flows(),
                "nor does a timer"
            );
        }
        pair.assert_nothing_left();
    }
}

#[test]
fn the_response_to_a_connection_that_broke_goes_to_the_address_of_the_via() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-18.2.2
    //= type=test
    //# If that
    //# connection is no longer open, the server SHOULD open a
    //# connection to the IP address in the "received" parameter, if
    //# present, using the port in the "sent-by" value, or the default
    //# port for that transport, if no port is specified.
    let mut pair = Pair::new(FINE, 10);
    send(&mut pair, request(Method::Invite, "c"), Transport::Tcp);
    let (id, invite) = pair.wait(1, SECOND, received).expect("received");
    respond(&mut pair, id, &invite, StatusCode::RINGING);
    pair.run_for(SECOND);
    let (flow, _) = pair.flows(1)[0];
    pair.break_stream(1, flow);
    respond(&mut pair, id, &invite, StatusCode::BUSY_HERE);
    let (_, busy) = pair
        .wait(0, SECOND, answered)
        .expect("the response finds its way");
    assert_eq!(busy.status(), StatusCode::BUSY_HERE);
    pair.assert_nothing_left();
}

#[test]
fn a_broken_connection_fails_the_requests_on_it() {
    let mut pair = Pair::new(FINE, 11);
    let client = send(&mut pair, request(Method::Message, "c"), Transport::Tcp);
    pair.wait(1, SECOND, received).expect("received");
    let (flow, _) = pair.flows(0)[0];
    pair.break_stream(0, flow);
    assert_eq!(
        pair.wait(0, SECOND, failed),
        Some((client, RequestFailure::TransportFailed))
    );
    assert!(
        pair.ends[0]
            .events
            .iter()
            .any(|event| matches!(event, Event::FlowClosed { flow: gone } if *gone == flow))
    );
    pair.assert_nothing_left();
}

/// What an endpoint sends after a request from 192.0.2.1:5060, and where.
fn replies(sent_by: &str) -> (Via, Vec<String>) {
    let mut pair = Pair::new(FINE, 12);
    let flow = pair.datagram_flow(1);
    let now = pair.now;
    let endpoint = &mut pair.ends[1].endpoint;
    endpoint.handle_input(
        Input::Received {
            flow,
            data: wire("MESSAGE", "z9hG4bKx", sent_by),
        },
        now,
    );
    let (id, message) = std::iter::from_fn(|| endpoint.poll_event())
        .find_map(|event| received(&event))
        .expect("received");
    endpoint
        .respond(id, answer(&message, StatusCode::OK), now)
        .expect("answered");
    let what = std::iter::from_fn(|| endpoint.poll_transmit(now))
        .map(|transmit| match transmit {
            Transmit::Open {
                transport,
                host,
                port,
                ..
            } => format!("open {transport} {host}:{port}"),
            Transmit::Send { flow: on, .. } => {
                format!("send {}", if on == flow { "back" } else { "elsewhere" })
            }
            Transmit::Close { .. } => "close".to_owned(),
        })
        .collect();
    (message.top_via().expect("Via"), what)
}

#[test]
fn responses_to_datagrams_go_where_rport_or_the_via_says() {
    //= https://www.rfc-editor.org/rfc/rfc3581#section-4
    //= type=test
    //# If this Via header field value contains an "rport" parameter
    //# with no value, it MUST set the value of the parameter to the source
    //# port of the request.
    let (via, what) = replies("10.0.0.9:6000;rport");
    assert_eq!(
        (via.received.as_deref(), via.rport),
        (Some("192.0.2.1"), Some(Some(5060)))
    );
    assert_eq!(what, ["send back"]);

    let (via, what) = replies("192.0.2.1:5060;rport");
    assert_eq!(
        via.received.as_deref(),
        Some("192.0.2.1"),
        "even if it is identical"
    );
    assert_eq!(what, ["send back"]);

    //= https://www.rfc-editor.org/rfc/rfc3261#section-18.2.1
    //= type=test
    //# If the host portion of the "sent-by" parameter
    //# contains a domain name, or if it contains an IP address that differs
    //# from the packet source address, the server MUST add a "received"
    //# parameter to that Via header field value.
    let (via, what) = replies("a.test:6000");
    assert_eq!((via.received.as_deref(), via.rport), (Some("192.0.2.1"), None));
    assert_eq!(what, ["open UDP 192.0.2.1:6000"]);

    let (via, what) = replies("192.0.2.1");
    assert_eq!(via.received, None);
    assert_eq!(what, ["send back"], "5060 is the default port");

    let (via, what) = replies("10.0.0.9;received=203.0.113.9");
    assert_eq!(
        via.received.as_deref(),
        Some("192.0.2.1"),
        "what the request claims does not count"
    );
    assert_eq!(what, ["send back"]);
}

#[test]
fn beyond_the_limit_requests_are_refused_without_a_trace() {
    let config = || {
        let mut config = Config::default();
        config.max_server_transactions = 20;
        config
    };
    let mut pair = Pair::with(config, FINE, 14);
    let flow = pair.datagram_flow(1);
    let now = pair.now;
    for at in 0..10_000 {
        let branch = format!("z9hG4bK{at}");
        pair.ends[1].endpoint.handle_input(
            Input::Received {
                flow,
                data: wire("INVITE", &branch, "192.0.2.1:5060"),
            },
            now,
        );
        pair.settle();
        assert!(pair.ends[1].endpoint.server_transactions() <= 20);
    }
    assert_eq!(
        pair.ends[1]
            .events
            .iter()
            .filter(|event| received(event).is_some())
            .count(),
        20
    );
    let Some(Message::Response(refusal)) = pair.ends[1].sent.last().cloned() else {
        panic!("a refusal")
    };
    assert_eq!(refusal.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        refusal.headers().value(&HeaderName::RETRY_AFTER).as_deref(),
        Some("5")
    );
    // Its ACK is recognised, though nothing is known of it.
    let tag = refusal.to().expect("To").tag().expect("a tag").to_owned();
    let ack = String::from_utf8(wire("ACK", "z9hG4bK9999", "192.0.2.1:5060").to_vec()).expect("text");
    let ack = ack.replace("To: <sip:bob@b.test>", &format!("To: <sip:bob@b.test>;tag={tag}"));
    pair.ends[1].endpoint.handle_input(
        Input::Received {
            flow,
            data: Bytes::from(ack),
        },
        now,
    );
    pair.settle();
    assert!(!pair.ends[1].events.iter().any(|event| acked(event).is_some()));
}

#[test]
fn a_peer_that_dawdles_over_a_message_is_cut_off() {
    let mut pair = Pair::new(FINE, 18);
    send(&mut pair, request(Method::Message, "c"), Transport::Tcp);
    let (id, message) = pair.wait(1, SECOND, received).expect("received");
    respond(&mut pair, id, &message, StatusCode::OK);
    pair.run_for(SECOND);
    let (flow, _) = pair.flows(1)[0];
    let began = pair.now;
    for octet in wire("MESSAGE", "z9hG4bKslow", "192.0.2.1") {
        let now = pair.now;
        pair.ends[1].endpoint.handle_input(
            Input::Received {
                flow,
                data: Bytes::copy_from_slice(&[octet]),
            },
            now,
        );
        pair.run_for(SECOND);
        if pair.flows(1).is_empty() {
            break;
        }
    }
    assert!(pair.flows(1).is_empty(), "closed");
    assert!(pair.now - began <= 11 * SECOND);
    pair.assert_nothing_left();
}

#[test]
fn a_peer_that_does_not_read_is_cut_off() {
    let config = || {
        let mut config = Config::default();
        config.max_queued_octets = 10_000;
        config
    };
    let mut pair = Pair::with(config, FINE, 19);
    send(&mut pair, request(Method::Message, "c"), Transport::Tcp);
    pair.wait(1, SECOND, received).expect("received");
    let (flow, _) = pair.flows(1)[0];
    let now = pair.now;
    pair.ends[1].endpoint.handle_input(Input::Blocked { flow }, now);
    for _ in 0..1000 {
        pair.ends[1].endpoint.handle_input(
            Input::Received {
                flow,
                data: Bytes::from_static(b"\r\n\r\n"),
            },
            now,
        );
        pair.settle();
    }
    assert!(pair.flows(1).is_empty(), "closed");
    assert!(pair.ends[1].sent.is_empty());
    pair.assert_nothing_left();
}

#[test]
fn a_ping_gets_its_pong() {
    //= https://www.rfc-editor.org/rfc/rfc5626#section-4.4.1
    //= type=test
    //# When a server receives a double CRLF sequence between SIP messages on
    //# a connection-oriented transport such as TCP or SCTP, it MUST
    //# immediately respond with a single CRLF over the same connection.
    let mut pair = Pair::new(FINE, 20);
    send(&mut pair, request(Method::Message, "c"), Transport::Tcp);
    pair.wait(1, SECOND, received).expect("received");
    let (flow, _) = pair.flows(1)[0];
    let now = pair.now;
    let endpoint = &mut pair.ends[1].endpoint;
    endpoint.handle_input(
        Input::Received {
            flow,
            data: Bytes::from_static(b"\r\n\r\n"),
        },
        now,
    );
    let pong = Transmit::Send {
        flow,
        data: Bytes::from_static(b"\r\n"),
    };
    assert_eq!(endpoint.poll_transmit(now), Some(pong));
    assert_eq!(endpoint.poll_transmit(now), None);
}

#[test]
fn a_request_that_came_on_two_ways_is_taken_once() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-8.2.2.2
    //= type=test
    //# If the From tag,
    //# Call-ID, and CSeq exactly match those associated with an ongoing
    //# transaction, but the request does not match that transaction (based
    //# on the matching rules in Section 17.2.3), the UAS core SHOULD
    //# generate a 482 (Loop Detected) response and pass it to the server
    //# transaction.
    for (refuses, expected) in [(true, vec!["482"]), (false, vec![])] {
        let config = move || {
            let mut config = Config::default();
            config.refuse_merged = refuses;
            config
        };
        let mut pair = Pair::with(config, FINE, 31);
        let flow = pair.datagram_flow(1);
        let now = pair.now;
        for branch in ["z9hG4bKone", "z9hG4bKone", "z9hG4bKtwo"] {
            let data = wire("MESSAGE", branch, "192.0.2.1:5060;rport");
            pair.ends[1]
                .endpoint
                .handle_input(Input::Received { flow, data }, now);
            pair.settle();
        }
        assert_eq!(methods(&pair.ends[1].sent), expected);
        let (id, request) = pair
            .wait(1, core::time::Duration::ZERO, received)
            .expect("received");
        respond(&mut pair, id, &request, StatusCode::OK);
        // Inside a dialog the sequence of requests tells.
        let data = String::from_utf8(wire("BYE", "z9hG4bKthree", "192.0.2.1:5060;rport").to_vec());
        let data = data
            .expect("text")
            .replace("To: <sip:bob@b.test>", "To: <sip:bob@b.test>;tag=b");
        for branch in ["z9hG4bKthree", "z9hG4bKfour"] {
            let data = Bytes::from(data.replace("z9hG4bKthree", branch));
            pair.ends[1]
                .endpoint
                .handle_input(Input::Received { flow, data }, now);
        }
        pair.settle();
        let refused = methods(&pair.ends[1].sent);
        assert_eq!(
            refused.iter().filter(|code| *code == "482").count(),
            expected.len()
        );
        pair.assert_nothing_left();
    }
}

#[test]
fn a_datagram_with_a_line_that_is_none_is_answered_with_the_fault() {
    let mut pair = Pair::new(FINE, 77);
    let data = String::from_utf8(wire("MESSAGE", "z9hG4bKodd", "192.0.2.1:5060").to_vec()).expect("text");
    let flow = {
        send(&mut pair, request(Method::Message, "first"), Transport::Udp);
        pair.wait(1, SECOND, received).expect("received");
        pair.flows(1).first().expect("a flow").0
    };
    let now = pair.now;
    let endpoint = &mut pair.ends[1].endpoint;
    while endpoint.poll_transmit(now).is_some() {}
    endpoint.handle_input(
        Input::Received {
            flow,
            data: Bytes::from(data.replacen("Via:", "no colon in this\r\nVia:", 1)),
        },
        now,
    );
    assert!(std::iter::from_fn(|| endpoint.poll_event()).all(|event| received(&event).is_none()));
    let answers: Vec<Bytes> = std::iter::from_fn(|| endpoint.poll_transmit(now))
        .filter_map(|transmit| match transmit {
            Transmit::Send { data, .. } => Some(data),
            _ => None,
        })
        .collect();
    assert_eq!(answers.len(), 1);
    assert!(
        answers[0].starts_with(b"SIP/2.0 400 Bad Request: header line "),
        "{:?}",
        answers[0]
    );
}
