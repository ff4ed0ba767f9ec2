//! Messages that are interrupted, given up, resumed, or sent again.

use std::time::Duration;

use bytes::Bytes;
use msrp::endpoint::{
    AbortReason, Acknowledge, Config, Delivery, EndReason, Event, Input, OpenSessionError, OutgoingBody,
    Role, SendError, SessionConfig, SessionKey,
};
use msrp::{ConnectionId, MessageId, StatusCode};

use crate::hand::{OWN, PEER, Peer, chunk, request, response, transaction, uri};
use crate::pair::{Pair, messages, stream, streamed, text};

//= https://www.rfc-editor.org/rfc/rfc4975#section-7.1
//= type=test
//# If the sender is aborting an incomplete
//# message, and intends to send no further chunks in that message, the
//# flag MUST be a "#".
#[test]
fn whatever_breaks_a_message_off_the_receiver_sees_it() {
    type Break = fn(&mut Peer, &MessageId, &str) -> String;
    let ways: [(&str, Break); 7] = [
        ("by command", |peer, id, _| {
            peer.endpoint.abort(peer.session, id, peer.now);
            peer.answers()
        }),
        ("by an answer", |peer, _, sent| peer.says(&response(sent, "413"))),
        ("by a report", |peer, id, _| {
            let report = format!("Message-ID: {id}\r\nStatus: 000 403\r\n");
            peer.says(&request("REPORT", "tid1", &report, None, '$'))
        }),
        ("by closing", |peer, _, _| {
            peer.endpoint.close_session(peer.session, peer.now);
            peer.answers()
        }),
        ("by the end of the session", |peer, _, sent| {
            peer.says(&response(sent, "481"))
        }),
        ("by finishing short of the total", |peer, id, _| {
            peer.endpoint.finish(peer.session, id, peer.now);
            peer.answers()
        }),
        ("by an answer while blocked", |peer, _, sent| {
            let connection = ConnectionId(1);
            peer.endpoint
                .handle_input(Input::Blocked { connection }, peer.now);
            assert_eq!(peer.says(&response(sent, "413")), "");
            peer.endpoint
                .handle_input(Input::Writable { connection }, peer.now);
            peer.answers()
        }),
    ];
    for (way, breaks) in ways {
        // The chunk is open, and its octets have all gone out; or some still wait.
        for octets in [1000, 5000] {
            let mut peer = Peer::new();
            peer.binds();
            let (id, nothing) = {
                let id = peer
                    .endpoint
                    .send(peer.session, stream(Some(9000)), peer.now)
                    .unwrap();
                (id, peer.endpoint.poll_transmit(peer.now))
            };
            assert!(nothing.is_none());
            let data = Bytes::from(vec![b'x'; octets]);
            peer.endpoint.append(peer.session, &id, data, peer.now).unwrap();
            let sent = peer.pull();
            if octets == 1000 {
                assert_eq!(peer.answers(), "");
            }
            let rest = breaks(&mut peer, &id, &sent);
            let end = format!("\r\n-------{}#\r\n", transaction(&sent));
            assert!(rest.contains(&end), "{way}: {rest}");
            assert!(peer.endpoint.poll_transmit(peer.now).is_none());
        }
    }
}

#[test]
fn a_message_between_two_chunks_is_broken_off_with_an_empty_one() {
    let mut peer = Peer::new();
    peer.binds();
    let (id, mut sent) = peer.begins(text(vec![b'x'; 40_000]));
    while !sent.contains("+\r\n") {
        sent.push_str(&peer.pull());
    }
    peer.endpoint.abort(peer.session, &id, peer.now);
    let rest = peer.answers();
    let tid = transaction(&rest);
    assert_ne!(tid, transaction(&sent));
    assert!(
        rest.contains(&format!("Message-ID: {id}\r\nByte-Range: 1-0/40000\r\n")),
        "{rest}"
    );
    assert!(
        rest.ends_with(&format!("\r\n\r\n\r\n-------{tid}#\r\n")),
        "{rest}"
    );
}

#[test]
fn a_message_that_its_sender_gave_up_may_begin_anew() {
    let mut peer = Peer::new();
    peer.binds();
    peer.says(&chunk("tid1", "1-*/9", "hello", '#'));
    assert!(matches!(
        peer.takes_events()[..],
        [Event::MessageAborted {
            reason: AbortReason::Sender,
            ..
        }]
    ));
    let answer = peer.says(&chunk("tid2", "1-5/5", "hello", '$'));
    assert!(answer.starts_with("MSRP tid2 200"));
    assert_eq!(messages(&peer.takes_events()), ["hello"]);
}

/// Two endpoints whose second session may be resumed, and the configuration of the next.
fn resumable(delivery: Delivery) -> (Pair, [SessionKey; 2]) {
    let mut pair = Pair::new();
    pair.resumable = true;
    let keys = pair.bound(delivery, Acknowledge::Automatic);
    (pair, keys)
}

fn lose(pair: &mut Pair, connection: u64) {
    for end in 0..2 {
        let connection = ConnectionId(connection);
        pair.input(end, Input::Closed { connection });
        pair.drain(end);
    }
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
//= type=test
//# If it does this, the Message-ID values for the
//# resent messages MUST match those used in the initial attempts.
#[test]
fn a_transfer_that_broke_goes_on_in_another_session() {
    let body: Bytes = (0..60_000_u32)
        .map(|at| (at % 251) as u8)
        .collect::<Vec<_>>()
        .into();
    for delivery in [Delivery::Whole { max: 1 << 20 }, Delivery::Streaming] {
        let (mut pair, keys) = resumable(delivery);
        let now = pair.now;
        let id = pair.ends[0]
            .endpoint
            .send(keys[0], text(body.clone()), now)
            .unwrap();
        for _ in 0..10 {
            pair.pull(0);
        }
        pair.settle_one();
        pair.drain(1);
        pair.settle_one();
        lose(&mut pair, 1);
        let acknowledged = pair.events(0).into_iter().find_map(|event| match event {
            Event::MessageFailed {
                message,
                acknowledged,
                ..
            } if message == id => Some(acknowledged),
            _ => None,
        });
        let acknowledged = acknowledged.unwrap();
        assert_eq!(acknowledged, 16_384, "one chunk was answered");
        let mut events = pair.events(1);
        assert!(matches!(
            events.last(),
            Some(Event::SessionEnded {
                reason: EndReason::ConnectionLost,
                ..
            })
        ));
        pair.resumes = Some(keys[1]);
        let again = pair.bound(delivery, Acknowledge::Automatic);
        let mut rest = text(body.slice(16_384..));
        rest.offset = acknowledged;
        rest.message_id = Some(id.clone());
        pair.ends[0].endpoint.send(again[0], rest, pair.now).unwrap();
        pair.settle();
        assert!(matches!(pair.events(0)[..], [Event::MessageSent { .. }]));
        events.extend(pair.events(1));
        match delivery {
            Delivery::Streaming => {
                // What had arrived behind the last answer comes once more, over what was there.
                let mut whole = vec![0; body.len()];
                for event in &events {
                    if let Event::BodyReceived { offset, data, .. } = event {
                        let offset = usize::try_from(*offset).unwrap();
                        whole[offset..offset + data.len()].copy_from_slice(data);
                    }
                }
                assert_eq!(whole, body);
                let completed =
                    |event: &Event| matches!(event, Event::MessageCompleted { total: 60_000, .. });
                assert!(events.iter().any(completed));
                let started = |event: &&Event| matches!(event, Event::MessageStarted { .. });
                assert_eq!(events.iter().filter(started).count(), 1);
            }
            _ => assert_eq!(messages(&events), std::slice::from_ref(&body)),
        }
    }
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
//= type=test
//# If
//# the receiving endpoint receives more than one message with the same
//# Message-ID, it SHOULD assume that the messages are duplicates.
#[test]
fn a_whole_message_that_comes_again_in_another_session_is_not_delivered_again() {
    let (mut pair, keys) = resumable(Delivery::Whole { max: 1 << 20 });
    let mut message = text("hello");
    message.success_report = true;
    message.message_id = Some(MessageId::new("12345678").unwrap());
    pair.ends[0]
        .endpoint
        .send(keys[0], message.clone(), pair.now)
        .unwrap();
    pair.drain(0);
    pair.settle_one();
    lose(&mut pair, 1);
    assert_eq!(messages(&pair.events(1)), ["hello"]);
    pair.events(0);
    pair.resumes = Some(keys[1]);
    let again = pair.bound(Delivery::Whole { max: 1 << 20 }, Acknowledge::Automatic);
    pair.ends[0].endpoint.send(again[0], message, pair.now).unwrap();
    pair.settle();
    assert_eq!(pair.events(1).len(), 0);
    assert!(matches!(
        pair.events(0)[..],
        [Event::MessageSent { .. }, Event::ReportReceived { .. }]
    ));
}

#[test]
fn what_an_interrupted_session_has_left_is_kept_for_a_while_only() {
    let (mut pair, keys) = resumable(Delivery::Streaming);
    pair.ends[0]
        .endpoint
        .send(keys[0], stream(Some(100)), pair.now)
        .unwrap();
    let id = pair.ends[0]
        .endpoint
        .send(keys[0], text(vec![b'x'; 5000]), pair.now)
        .unwrap();
    pair.pull(0);
    pair.settle_one();
    lose(&mut pair, 1);
    assert_eq!(streamed(&pair.events(1)).len(), 2048);
    pair.events(0);
    assert!(!pair.ends[1].endpoint.is_drained());
    pair.pass(Duration::from_secs(120));
    let events = pair.events(1);
    let [
        Event::MessageAborted {
            session,
            message,
            reason: AbortReason::SessionEnded,
        },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((*session, message), (keys[1], &id));
    assert!(pair.ends[1].endpoint.is_drained());
    let b = pair.ends[1].endpoint.mint_uri(false, "b.example", 2855);
    let mut config = SessionConfig::new(b, Vec::new(), Role::Passive);
    config.resumes = Some(keys[1]);
    let refused = pair.ends[1].endpoint.open_session(config, pair.now);
    assert_eq!(refused, Err(OpenSessionError::NothingToResume));
}

#[test]
fn interrupted_sessions_are_bounded_in_number() {
    let mut config = Config::default();
    config.limits.interrupted_sessions = 2;
    let mut pair = Pair::with(Config::default(), config);
    pair.resumable = true;
    let mut keys = Vec::new();
    for connection in 1..=3 {
        let [from, to] = pair.bound(Delivery::Streaming, Acknowledge::Automatic);
        pair.ends[0]
            .endpoint
            .send(from, text(vec![b'x'; 5000]), pair.now)
            .unwrap();
        pair.pull(0);
        pair.settle_one();
        lose(&mut pair, connection);
        keys.push(to);
    }
    let aborted: Vec<_> = pair
        .events(1)
        .iter()
        .filter(|event| matches!(event, Event::MessageAborted { .. }))
        .filter_map(Event::session)
        .collect();
    assert_eq!(aborted, [keys[0]]);
}

#[test]
fn a_session_may_be_resumed_before_its_loss_is_noticed() {
    let (mut pair, keys) = resumable(Delivery::Whole { max: 1 << 20 });
    let id = pair.ends[0]
        .endpoint
        .send(keys[0], text(vec![b'x'; 5000]), pair.now)
        .unwrap();
    pair.pull(0);
    pair.settle_one();
    pair.input(
        0,
        Input::Closed {
            connection: ConnectionId(1),
        },
    );
    pair.drain(0);
    pair.events(0);
    pair.resumes = Some(keys[1]);
    let again = pair.session(Delivery::Whole { max: 1 << 20 }, Acknowledge::Automatic);
    let mut whole = text(vec![b'y'; 5000]);
    whole.message_id = Some(id);
    pair.ends[0].endpoint.send(again[0], whole, pair.now).unwrap();
    pair.settle();
    let events = pair.events(1);
    let resumed = |event: &Event| matches!(event, Event::SessionEnded { session, reason: EndReason::Resumed } if *session == keys[1]);
    assert!(events.iter().any(resumed), "{events:?}");
    // What comes later counts.
    assert_eq!(messages(&events), [vec![b'y'; 5000]]);
}

#[test]
fn an_offset_behind_the_end_is_refused() {
    let (mut pair, keys) = resumable(Delivery::Streaming);
    for (body, offset) in [
        (OutgoingBody::Streamed { total: Some(10) }, 11),
        (OutgoingBody::Streamed { total: None }, u64::MAX),
        (OutgoingBody::Whole(Bytes::from("xx")), u64::MAX - 1),
    ] {
        let mut message = text("");
        message.body = body;
        message.offset = offset;
        let refused = pair.ends[0].endpoint.send(keys[0], message, pair.now);
        assert_eq!(refused, Err(SendError::Offset));
    }
}

#[test]
fn what_the_peer_acknowledges_is_counted_in_whatever_order_it_answers() {
    let mut peer = Peer::new();
    peer.binds();
    let (id, mut sent) = peer.begins(text(vec![b'x'; 60_000]));
    sent.push_str(&peer.answers());
    let requests: Vec<&str> = sent.split("MSRP ").skip(1).collect();
    assert_eq!(requests.len(), 4);
    for at in [2, 0, 1] {
        peer.says(&response(&format!("MSRP {}", requests[at]), "200 OK"));
    }
    peer.says(&response(&format!("MSRP {}", requests[3]), "408"));
    let events = peer.takes_events();
    let [
        Event::MessageFailed {
            message,
            status,
            acknowledged,
            ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(message, &id);
    assert_eq!(
        (*status, *acknowledged),
        (Some(StatusCode::REQUEST_TIMEOUT), 49_152)
    );
}

#[test]
fn a_forged_total_costs_nothing_and_a_wrong_one_means_nothing() {
    let mut session = SessionConfig::new(uri(OWN), vec![uri(PEER)], Role::Passive);
    session.delivery = Delivery::Streaming;
    session.own_max_size = Some(1000);
    let mut peer = Peer::of(Config::default(), session);
    let answer = peer.says(&chunk("tid1", "1-*/1000000000000000", "hello", '+'));
    assert!(answer.starts_with("MSRP tid1 413"), "{answer}");
    // One that says nothing is stopped where it becomes too large.
    let other = |text: String| text.replace("12345678", "abcdefgh");
    let answer = peer.says(&other(chunk("tid2", "1-*/*", &"x".repeat(1000), '+')));
    assert!(answer.starts_with("MSRP tid2 200"), "{answer}");
    let answer = peer.says(&other(chunk("tid3", "1001-*/*", "x", '$')));
    assert!(answer.starts_with("MSRP tid3 413"), "{answer}");
}
