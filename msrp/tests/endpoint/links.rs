//! Who connects to whom and how, and connections that go quiet.

use std::time::Duration;

use msrp::ConnectionId;
use msrp::codec::WEBSOCKET_SUBPROTOCOL;
use msrp::endpoint::{
    Acknowledge, CloseReason, Config, ConnectError, Delivery, EndReason, Endpoint, Event, Input, Matching,
    Role, SessionConfig, Transmit,
};
use msrp::tls::{ExpectedCertificate, Fingerprint};

use crate::hand::{OWN, PEER, Peer, chunk, request, response, send, uri};
use crate::pair::{Pair, entropy, epoch, messages, text};

fn active(change: impl Fn(&mut SessionConfig)) -> (Endpoint, Option<Transmit>) {
    let now = epoch();
    let mut endpoint = Endpoint::new(Config::default(), entropy(5));
    let mut session = SessionConfig::new(uri(OWN), vec![uri(PEER)], Role::Active);
    change(&mut session);
    endpoint.open_session(session, now).unwrap();
    let open = endpoint.poll_transmit(now);
    (endpoint, open)
}

#[test]
fn the_active_end_connects_to_the_connection_line_behind_a_border_controller() {
    let (_, open) = active(|session| session.connect_to = Some(("192.0.2.9".to_owned(), 4000)));
    let Some(Transmit::Open {
        host,
        port,
        certificate,
        websocket,
        ..
    }) = open
    else {
        panic!()
    };
    assert_eq!(
        (host.as_str(), port, certificate, websocket),
        ("192.0.2.9", 4000, None, false)
    );
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-14.4
//= type=test
//# The endpoint MUST use the certificate fingerprint
//# attribute as specified in [18] and MUST include this in the SDP.
#[test]
fn the_host_is_told_what_certificate_to_expect() {
    let fingerprint = Fingerprint::new("sha-256", &[7; 32]).unwrap();
    let (_, open) = active(|session| {
        session.local = uri("msrps://own.example:2855/ours;tcp");
        session.remote_path = vec![uri("msrps://Peer.example:7654/theirs;tcp")];
        session.connect_to = Some(("192.0.2.9".to_owned(), 4000));
        session.fingerprints = vec![fingerprint.clone()];
    });
    let Some(Transmit::Open {
        secure: true,
        certificate: Some(certificate),
        ..
    }) = open
    else {
        panic!()
    };
    let ExpectedCertificate {
        name, fingerprints, ..
    } = certificate;
    assert_eq!((name.as_str(), fingerprints), ("peer.example", vec![fingerprint]));
}

#[test]
fn sessions_that_expect_other_certificates_do_not_share_a_connection() {
    let now = epoch();
    let mut endpoint = Endpoint::new(Config::default(), entropy(5));
    for number in [1, 2, 2] {
        let local = endpoint.mint_uri(true, "own.example", 2855);
        let mut session = SessionConfig::new(local, vec![uri("msrps://peer.example:1/x;tcp")], Role::Active);
        session.fingerprints = vec![Fingerprint::new("sha-256", &[number; 32]).unwrap()];
        endpoint.open_session(session, now).unwrap();
    }
    assert_eq!(endpoint.connections(), 2);
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-14.4
//= type=test
//# The
//# certificate presented during the TLS handshake needs to match the
//# fingerprint exchanged via the SDP, and if the fingerprint does not
//# match the hashed certificate then the endpoint MUST tear down the
//# media session immediately.
#[test]
fn a_peer_with_another_certificate_does_not_get_the_session() {
    let right = Fingerprint::new("sha-256", &[7; 32]).unwrap();
    let wrong = Fingerprint::new("sha-256", &[8; 32]).unwrap();
    for (presented, late, status) in [
        (&right, false, "200 OK"),
        (&wrong, false, "403 Forbidden"),
        (&wrong, true, "200 OK"),
    ] {
        let mut session = SessionConfig::new(uri(OWN), vec![uri(PEER)], Role::Passive);
        session.fingerprints = vec![right.clone()];
        let mut peer = Peer::of(Config::default(), session);
        let certificate = Input::Certificate {
            connection: ConnectionId(1),
            fingerprints: vec![presented.clone()],
        };
        if !late {
            peer.endpoint.handle_input(certificate.clone(), peer.now);
        }
        let answer = peer.says(&send("tid1", "Message-ID: bind\r\n", None, '$'));
        assert!(answer.starts_with(&format!("MSRP tid1 {status}")), "{answer}");
        if late {
            peer.endpoint.handle_input(certificate, peer.now);
        }
        let ended = peer.takes_events().iter().any(|event| {
            matches!(
                event,
                Event::SessionEnded {
                    reason: EndReason::WrongCertificate,
                    ..
                }
            )
        });
        assert_eq!(ended, presented == &wrong);
    }
}

#[test]
fn behind_a_border_controller_sessions_are_found_by_their_identifier() {
    let rewritten = "msrp://sbc.example:9999/";
    for (matching, status) in [(Matching::Uri, "481"), (Matching::SessionId, "200")] {
        let mut config = Config::default();
        config.matching = matching;
        let mut peer = Peer::with(config, Delivery::Whole { max: 100 }, Acknowledge::Automatic);
        let send = chunk("tid1", "1-5/5", "hello", '$')
            .replace("msrp://own.example:2855/", rewritten)
            .replace("msrp://peer.example:7654/", rewritten);
        let answer = peer.says(&send);
        assert!(answer.starts_with(&format!("MSRP tid1 {status}")), "{answer}");
        // It is answered as it was addressed.
        assert!(
            answer.contains("From-Path: msrp://sbc.example:9999/ours;tcp\r\n"),
            "{answer}"
        );
        let stranger = send
            .replace("/theirs", "/another")
            .replace("12345678", "abcdefgh");
        assert!(peer.says(&stranger).starts_with("MSRP tid1 481"));
    }
}

//= https://www.rfc-editor.org/rfc/rfc6135#section-4.2.2
//= type=test
//# Once the active UA has established the MSRP transport connection, the
//# UA must immediately send an MSRP SEND request, as defined in
//# [RFC4975].
#[test]
fn an_offer_of_either_role_connects_when_the_peer_says_that_it_will_not() {
    let mut pair = Pair::new();
    let now = pair.now;
    let a = pair.ends[0].endpoint.mint_uri(false, "a.example", 2855);
    let b = pair.ends[1].endpoint.mint_uri(false, "b.example", 2855);
    let offer = SessionConfig::new(a.clone(), Vec::new(), Role::Actpass);
    let offer = pair.ends[0].endpoint.open_session(offer, now).unwrap();
    let answer = SessionConfig::new(b.clone(), vec![a], Role::Passive);
    pair.ends[1].endpoint.open_session(answer, now).unwrap();
    pair.settle();
    assert_eq!(
        pair.ends[0].endpoint.connect(offer, now),
        Err(ConnectError::NoAddress)
    );
    pair.ends[0]
        .endpoint
        .set_remote_path(offer, vec![b], now)
        .unwrap();
    pair.ends[0].endpoint.connect(offer, now).unwrap();
    pair.ends[0].endpoint.send(offer, text("hello"), now).unwrap();
    pair.settle();
    assert_eq!(messages(&pair.events(1)), ["hello"]);
    assert_eq!(
        pair.ends[0].endpoint.connect(offer, now),
        Ok(()),
        "it is bound already"
    );
}

#[test]
fn an_offer_of_either_role_takes_the_peer_that_connects() {
    let mut session = SessionConfig::new(uri(OWN), vec![uri(PEER)], Role::Actpass);
    session.delivery = Delivery::Whole { max: 100 };
    let mut peer = Peer::of(Config::default(), session);
    // It was to connect itself, but the peer is faster.
    peer.endpoint.connect(peer.session, peer.now).unwrap();
    let Some(Transmit::Open { open, .. }) = peer.endpoint.poll_transmit(peer.now) else {
        panic!()
    };
    assert!(
        peer.says(&chunk("tid1", "1-5/5", "hello", '$'))
            .starts_with("MSRP tid1 200")
    );
    let opened = Input::Opened {
        connection: ConnectionId(2),
        open: Some(open),
        secure: false,
    };
    peer.endpoint.handle_input(opened, peer.now);
    assert_eq!(peer.answers(), "");
    assert!(peer.closed, "nobody needs what was opened");
    assert_eq!(peer.endpoint.sessions(), 1);
}

#[test]
fn both_ends_may_begin_with_an_empty_send() {
    let mut pair = Pair::new();
    let keys = pair.bound(Delivery::Whole { max: 100 }, Acknowledge::Automatic);
    let mut empty = text("");
    empty.content_type = None;
    let now = pair.now;
    for (end, key) in keys.into_iter().enumerate() {
        pair.ends[end].endpoint.send(key, empty.clone(), now).unwrap();
    }
    pair.settle();
    for end in 0..2 {
        assert!(matches!(pair.events(end)[..], [Event::MessageSent { .. }]));
    }
    // Before its own was answered, too.
    let now = epoch();
    let (mut endpoint, open) = active(|_| {});
    let Some(Transmit::Open { open, .. }) = open else {
        panic!()
    };
    let connection = ConnectionId(1);
    let opened = Input::Opened {
        connection,
        open: Some(open),
        secure: false,
    };
    endpoint.handle_input(opened, now);
    let data = send("tid1", "Message-ID: bind\r\n", None, '$').into();
    endpoint.handle_input(Input::Received { connection, data }, now);
    let mut sent = Vec::new();
    while let Some(Transmit::Send { data, .. }) = endpoint.poll_transmit(now) {
        sent.extend_from_slice(&data.to_bytes());
    }
    let sent = String::from_utf8(sent).unwrap();
    assert!(
        sent.contains(" SEND\r\n") && sent.contains("MSRP tid1 200 OK\r\n"),
        "{sent}"
    );
}

#[test]
fn a_connection_that_takes_nothing_is_given_up() {
    let mut peer = Peer::new();
    peer.binds();
    let connection = ConnectionId(1);
    let (id, _) = peer.begins(text(vec![b'x'; 50_000]));
    peer.endpoint
        .handle_input(Input::Blocked { connection }, peer.now);
    for _ in 0..100 {
        // What the peer says meanwhile makes nothing grow beyond its limits.
        peer.says(&chunk("tid1", "1-5/5", "hello", '$'));
        let _ = peer
            .endpoint
            .send(peer.session, text(vec![b'x'; 500_000]), peer.now);
    }
    assert!(peer.endpoint.queued(peer.session) < 2 << 20);
    peer.takes_events();
    let mut waits = 0;
    while let Some(due) = peer.endpoint.poll_timeout() {
        assert!(due > peer.now && waits < 10);
        waits += 1;
        peer.now = due;
        peer.endpoint.handle_timeout(due);
        assert_eq!(peer.answers(), "");
    }
    assert!(peer.closed);
    let events = peer.takes_events();
    assert!(events.iter().any(|event| event.message() == Some(&id)));
    assert!(matches!(
        events[events.len() - 2..],
        [
            Event::SessionEnded {
                reason: EndReason::ConnectionLost,
                ..
            },
            Event::ConnectionClosed {
                reason: CloseReason::NotReading,
                ..
            },
        ]
    ));
    assert!(peer.endpoint.is_drained());
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.1
//= type=test
//# If a 200 response to the transaction is
//# not received within 30 seconds from the time the last byte of the
//# transaction is sent, or submitted to the operating system for
//# sending, the element MUST inform the user that the request probably
//# failed.
#[test]
fn time_in_which_nothing_goes_out_does_not_count() {
    let mut peer = Peer::new();
    peer.binds();
    let connection = ConnectionId(1);
    let start = peer.now;
    let (id, _) = peer.begins(text("hello"));
    let seconds = Duration::from_secs;
    for (at, input) in [
        (10, Input::Blocked { connection }),
        (35, Input::Writable { connection }),
        (36, Input::Blocked { connection }),
        (46, Input::Writable { connection }),
    ] {
        let at = start + seconds(at);
        while let Some(due) = peer.endpoint.poll_timeout().filter(|due| *due <= at) {
            peer.endpoint.handle_timeout(due);
        }
        peer.endpoint.handle_input(input, at);
    }
    assert_eq!(peer.takes_events().len(), 0);
    peer.endpoint
        .handle_timeout(start + Duration::from_millis(64_999));
    assert_eq!(peer.takes_events().len(), 0);
    assert_eq!(peer.endpoint.poll_timeout(), Some(start + seconds(65)));
    peer.endpoint.handle_timeout(start + seconds(65));
    let events = peer.takes_events();
    let [
        Event::MessageFailed {
            message,
            status: None,
            ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(message, &id);
}

#[test]
fn signs_of_life_are_sent_while_nothing_else_is_and_their_absence_is_noticed() {
    let mut config = Config::default();
    config.keep_alive = Some(Duration::from_secs(20));
    let mut peer = Peer::with(config, Delivery::Streaming, Acknowledge::Automatic);
    peer.binds();
    let at = |peer: &mut Peer, seconds| {
        peer.now += Duration::from_secs(seconds);
        peer.endpoint.handle_timeout(peer.now);
        peer.answers()
    };
    assert_eq!(at(&mut peer, 15), "");
    peer.says(&send("tid1", "Message-ID: 1234\r\n", None, '$'));
    assert_eq!(at(&mut peer, 15), "", "something was said 15 seconds ago");
    let sign = at(&mut peer, 5);
    assert!(
        sign.contains(" SEND\r\n") && sign.contains("Byte-Range: 1-0/0\r\n-------"),
        "{sign}"
    );
    peer.says(&response(&sign, "200 OK"));
    let sign = at(&mut peer, 20);
    assert!(sign.contains(" SEND\r\n"), "{sign}");
    at(&mut peer, 30);
    assert!(peer.closed);
    assert!(matches!(
        peer.takes_events()[..],
        [
            Event::SessionEnded { .. },
            Event::ConnectionClosed {
                reason: CloseReason::Silent,
                ..
            }
        ]
    ));
    assert_eq!(peer.endpoint.poll_timeout(), None);
}

#[test]
fn idle_sessions_ask_for_no_wake_up() {
    let mut pair = Pair::new();
    for _ in 0..100 {
        pair.bound(Delivery::Streaming, Acknowledge::Automatic);
    }
    for end in &pair.ends {
        assert_eq!(end.endpoint.poll_timeout(), None);
    }
}

/// A peer whose connection is a WebSocket.
fn websocket() -> Peer {
    let mut peer = Peer::new();
    let opened = Input::OpenedWebSocket {
        connection: ConnectionId(2),
        open: None,
        secure: true,
    };
    peer.endpoint.handle_input(opened, peer.now);
    peer
}

//= https://www.rfc-editor.org/rfc/rfc7977#section-5.1
//= type=test
//# Each MSRP chunk MUST be carried within a single WebSocket message,
//# and a WebSocket message MUST NOT contain more than one MSRP chunk.
#[test]
fn a_websocket_message_is_a_chunk() {
    assert_eq!(WEBSOCKET_SUBPROTOCOL, "msrp");
    let mut peer = websocket();
    let answer = peer.says_on(2, &chunk("tid1", "1-5/5", "hello", '$'));
    assert!(answer.starts_with("MSRP tid1 200 OK"), "{answer}");
    assert_eq!(peer.says_on(2, "\r\n"), "", "a blank line keeps NATs open");
    peer.takes_events();
    // What is sent is whole in each transmit.
    peer.endpoint
        .send(peer.session, text(vec![b'x'; 5000]), peer.now)
        .unwrap();
    let mut ranges = Vec::new();
    while let Some(Transmit::Send { data, .. }) = peer.endpoint.poll_transmit(peer.now) {
        let message = String::from_utf8(data.to_bytes().to_vec()).unwrap();
        let id = message.split(' ').nth(1).unwrap();
        assert!(
            message.ends_with(&format!("-------{id}+\r\n"))
                || message.ends_with(&format!("-------{id}$\r\n"))
        );
        let range = message.split("Byte-Range: ").nth(1).unwrap();
        ranges.push(range.split("\r\n").next().unwrap().to_owned());
    }
    assert_eq!(ranges, ["1-2048/5000", "2049-4096/5000", "4097-5000/5000"]);
    let two = [chunk("tid2", "1-1/1", "a", '$'), chunk("tid3", "1-1/1", "b", '$')].concat();
    let whole = chunk("tid2", "1-1/1", "a", '$');
    for wrong in [
        two.as_str(),
        whole.trim_end_matches("$\r\n"),
        &format!("{whole}MSRP tid"),
    ] {
        let mut peer = websocket();
        peer.says_on(2, wrong);
        assert!(peer.closed, "{wrong}");
        assert!(matches!(
            peer.takes_events().last(),
            Some(Event::ConnectionClosed {
                reason: CloseReason::WebSocketMessage,
                ..
            })
        ));
    }
}

#[test]
fn a_path_over_websocket_is_opened_as_one() {
    let (mut endpoint, open) = active(|session| {
        session.remote_path = vec![uri("msrps://relay.example:443/a;ws"), uri(PEER)];
    });
    let Some(Transmit::Open {
        open,
        websocket: true,
        port: 443,
        ..
    }) = open
    else {
        panic!()
    };
    let opened = Input::OpenedWebSocket {
        connection: ConnectionId(1),
        open: Some(open),
        secure: true,
    };
    endpoint.handle_input(opened, epoch());
    let Some(Transmit::Send { data, .. }) = endpoint.poll_transmit(epoch()) else {
        panic!()
    };
    assert!(data.to_bytes().ends_with(b"$\r\n"));
}

#[test]
fn media_types_that_are_not_taken_are_refused_and_stay_so() {
    let mut session = SessionConfig::new(uri(OWN), vec![uri(PEER)], Role::Passive);
    session.accept_types = Some(vec!["message/cpim".to_owned(), "image/*".to_owned()]);
    let mut peer = Peer::of(Config::default(), session);
    let text = chunk("tid1", "1-*/9", "hello", '+');
    for (octets, status) in [
        (text.clone(), 415),
        (chunk("tid1", "6-9/9", "away", '$'), 415),
        (
            text.replace("text/plain", "image/png").replace("5678", "9999"),
            200,
        ),
        (
            text.replace("text/plain", "Message/CPIM").replace("5678", "8888"),
            200,
        ),
    ] {
        let answer = peer.says(&octets);
        assert!(answer.starts_with(&format!("MSRP tid1 {status}")), "{answer}");
    }
    let unknown = peer.says(&request("EXPLODE", "tid2", "", Some("x"), '$'));
    assert!(unknown.starts_with("MSRP tid2 501") && !peer.closed, "{unknown}");
}
