//! Sessions between two endpoints.
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::pair::{Pair, messages, stream, streamed, text};
use bytes::Bytes;
use msrp::StatusCode;
use msrp::codec::Continuation;
use msrp::endpoint::{
    AbortReason, Acknowledge, AppendError, Config, Delivery, EndReason, Event, Input, OpenSessionError,
    RespondError, Role, SendError, SessionConfig, SetRemotePathError,
};
use msrp::header::{ByteRange, FailureReport};

const WHOLE: Delivery = Delivery::Whole { max: 64 << 20 };

fn noise(octets: usize) -> Bytes {
    let mut state = 1_u32;
    (0..octets)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_le_bytes()[3]
        })
        .collect::<Vec<u8>>()
        .into()
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
//= type=test
//# Likewise, the active endpoint MUST immediately issue a SEND request.
#[test]
fn the_active_end_binds_the_session_with_an_empty_send() {
    let mut pair = Pair::new();
    pair.session(WHOLE, Acknowledge::Automatic);
    pair.settle();
    let first = pair.sent(0);
    assert!(first.contains(" SEND\r\nTo-Path: msrp://b.example:2855/"));
    assert!(first.contains("\r\nByte-Range: 1-0/0\r\n-------"));
    assert!(!first.contains("Content-Type"));
    assert!(
        pair.sent(1)
            .contains(" 200 OK\r\nTo-Path: msrp://a.example:2855/")
    );
    for end in 0..2 {
        assert!(matches!(pair.events(end)[..], [Event::SessionBound { .. }]));
    }
}

#[test]
fn messages_go_both_ways() {
    let mut pair = Pair::new();
    let keys = pair.session(WHOLE, Acknowledge::Automatic);
    for end in 0..2 {
        let id = pair.ends[end]
            .endpoint
            .send(keys[end], text("hello"), pair.now)
            .unwrap();
        pair.settle();
        assert!(pair.ends[end].events.iter().any(|event| {
            matches!(event, Event::MessageSent { session, message } if *session == keys[end] && *message == id)
        }));
        let events = pair.events(1 - end);
        assert_eq!(messages(&events), ["hello"]);
        assert!(events.iter().all(|event| event.session() == Some(keys[1 - end])));
    }
}

#[test]
fn large_messages_arrive_however_they_are_cut() {
    let body = noise(300_000);
    for pieces in [vec![], vec![1, 700, 3], vec![4096], vec![17, 60_000]] {
        let mut pair = Pair::new();
        pair.pieces = pieces;
        let keys = pair.bound(WHOLE, Acknowledge::Automatic);
        for (end, key) in pair.ends.iter_mut().zip(keys) {
            end.endpoint.send(key, text(body.clone()), pair.now).unwrap();
        }
        pair.settle();
        for end in 0..2 {
            assert!(messages(&pair.events(end)) == [body.clone()]);
        }
    }
}

#[test]
fn a_message_that_holds_every_end_line_arrives() {
    let mut pair = Pair::new();
    // Identifiers are then but a number behind letters that are known.
    let same = || -> msrp::Entropy { Box::new(|octets| octets.fill(7)) };
    pair.ends[0].endpoint = msrp::endpoint::Endpoint::new(Config::default(), same());
    let keys = pair.bound(WHOLE, Acknowledge::Automatic);
    let mut body = Vec::new();
    for first in b"abcdefghijkmnpqrstuvwxyz23456789" {
        body.extend_from_slice(b"\r\n-------hhhhhhhhhhhhhhhh");
        body.push(*first);
        body.extend_from_slice(b"$\r\n");
    }
    let body = Bytes::from(body.repeat(100));
    pair.ends[0]
        .endpoint
        .send(keys[0], text(body.clone()), pair.now)
        .unwrap();
    pair.settle();
    assert!(messages(&pair.events(1)) == [body]);
}

#[test]
fn messages_stream_through_without_being_gathered() {
    for total in [None, Some(100_000)] {
        let mut pair = Pair::new();
        let keys = pair.bound(Delivery::Streaming, Acknowledge::Automatic);
        let body = noise(100_000);
        let id = pair.ends[0]
            .endpoint
            .send(keys[0], stream(total), pair.now)
            .unwrap();
        for piece in body.chunks(7000) {
            let data = Bytes::copy_from_slice(piece);
            pair.ends[0]
                .endpoint
                .append(keys[0], &id, data, pair.now)
                .unwrap();
            pair.settle();
        }
        pair.ends[0].endpoint.finish(keys[0], &id, pair.now);
        pair.settle();
        let events = pair.events(1);
        assert!(streamed(&events) == body);
        assert!(
            matches!(&events[0], Event::MessageStarted { message, total: t, .. } if *message == id && *t == total)
        );
        assert!(matches!(
            events.last(),
            Some(Event::MessageCompleted { total: 100_000, .. })
        ));
        assert!(matches!(pair.events(0)[..], [Event::MessageSent { .. }]));
        assert_eq!(pair.ends[0].endpoint.queued(keys[0]), 0);
    }
}

#[test]
fn an_empty_message_is_delivered() {
    let mut pair = Pair::new();
    let keys = pair.bound(WHOLE, Acknowledge::Automatic);
    pair.ends[0].endpoint.send(keys[0], text(""), pair.now).unwrap();
    let id = pair.ends[0]
        .endpoint
        .send(keys[0], stream(None), pair.now)
        .unwrap();
    pair.ends[0].endpoint.finish(keys[0], &id, pair.now);
    pair.settle();
    assert_eq!(messages(&pair.events(1)), ["", ""]);
    assert_eq!(pair.sent(0).matches("Byte-Range: 1-0/0\r\n").count(), 2);
}

#[test]
fn a_message_that_is_given_up_ends_with_its_flag() {
    for short in [false, true] {
        let mut pair = Pair::new();
        let keys = pair.bound(Delivery::Streaming, Acknowledge::Automatic);
        let id = pair.ends[0]
            .endpoint
            .send(keys[0], stream(Some(100)), pair.now)
            .unwrap();
        pair.ends[0]
            .endpoint
            .append(keys[0], &id, noise(50), pair.now)
            .unwrap();
        pair.settle();
        if short {
            pair.ends[0].endpoint.finish(keys[0], &id, pair.now);
        } else {
            pair.ends[0].endpoint.abort(keys[0], &id, pair.now);
        }
        pair.settle();
        assert!(pair.sent(0).ends_with("#\r\n"));
        let events = pair.events(1);
        assert!(
            matches!(
                events.last(),
                Some(Event::MessageAborted {
                    reason: AbortReason::Sender,
                    ..
                })
            ),
            "{events:?}"
        );
        assert_eq!(
            matches!(pair.events(0)[..], [Event::MessageFailed { status: None, .. }]),
            short
        );
        assert_eq!(
            pair.ends[0]
                .endpoint
                .send(keys[0], text("next"), pair.now)
                .map(|_| ()),
            Ok(())
        );
    }
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.3
//= type=test
//# When generating a REPORT request, the endpoint inserts a To-Path
//# header field containing the From-Path value from the original
//# request, and a From-Path header field containing the URI identifying
//# itself in the session.
#[test]
fn success_is_reported_when_it_is_asked_for() {
    let mut pair = Pair::new();
    let keys = pair.bound(WHOLE, Acknowledge::Automatic);
    let mut message = text(noise(40_000));
    message.success_report = true;
    let id = pair.ends[0].endpoint.send(keys[0], message, pair.now).unwrap();
    pair.settle();
    let events = pair.events(0);
    let reports: Vec<_> = events
        .iter()
        .filter(|event| matches!(event, Event::ReportReceived { .. }))
        .collect();
    let [
        Event::ReportReceived {
            message,
            range,
            status,
            ..
        },
    ] = reports[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(
        (message, *range, status.code),
        (&id, Some(ByteRange::whole(40_000)), StatusCode::OK)
    );
    assert!(!pair.sent(0).contains("REPORT"), "nobody answers a report");
}

#[test]
fn with_manual_acknowledgement_nothing_is_answered_before_the_parent_does() {
    let mut pair = Pair::new();
    let keys = pair.bound(Delivery::Streaming, Acknowledge::Manual);
    let mut message = text("hello");
    message.success_report = true;
    pair.ends[0].endpoint.send(keys[0], message, pair.now).unwrap();
    pair.settle();
    assert_eq!(pair.sent(1), "");
    let events = pair.events(1);
    let [
        Event::MessageStarted { .. },
        Event::BodyReceived { .. },
        Event::ChunkReceived {
            transaction,
            range,
            continuation,
            ..
        },
        Event::MessageCompleted { .. },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(
        (*range, *continuation),
        (ByteRange::whole(5), Continuation::Complete)
    );
    pair.ends[1]
        .endpoint
        .respond(keys[1], transaction, StatusCode::OK, pair.now)
        .unwrap();
    assert_eq!(
        pair.ends[1]
            .endpoint
            .respond(keys[1], transaction, StatusCode::OK, pair.now),
        Err(RespondError::NoTransaction)
    );
    pair.settle();
    let sent = pair.sent(1);
    assert!(sent.find("200 OK").unwrap() < sent.find("REPORT").unwrap());
    let events = pair.events(0);
    assert!(
        matches!(
            events[..],
            [Event::MessageSent { .. }, Event::ReportReceived { .. }]
        ),
        "{events:?}"
    );
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-10.5
//= type=test
//# If a message sender receives a 413 in a response, or in a REPORT
//# request, it MUST NOT send any further chunks in the message, that is,
//# any further chunks with the same Message-ID value.
#[test]
fn a_refused_message_stops() {
    let mut pair = Pair::new();
    let keys = pair.bound(Delivery::Streaming, Acknowledge::Manual);
    let mut message = text(noise(1_000_000));
    message.success_report = true;
    pair.ends[0].endpoint.send(keys[0], message, pair.now).unwrap();
    // The first chunk arrives, and is refused while the next is on its way.
    let transaction = loop {
        assert!(pair.pull(0));
        let data = pair.ends[0].sent.clone();
        if data.ends_with(b"+\r\n") {
            pair.settle_one();
            let events = pair.events(1);
            let found = events.iter().find_map(|event| match event {
                Event::ChunkReceived { transaction, .. } => Some(*transaction),
                _ => None,
            });
            break found.unwrap();
        }
    };
    assert!(pair.pull(0));
    pair.ends[1]
        .endpoint
        .respond(keys[1], &transaction, StatusCode::PAYLOAD_TOO_LARGE, pair.now)
        .unwrap();
    pair.drain(1);
    pair.settle_one();
    pair.settle();
    assert!(pair.sent(0).ends_with("#\r\n"));
    let events = pair.events(0);
    let failed = |event: &Event| {
        matches!(
            event,
            Event::MessageFailed {
                status: Some(StatusCode::PAYLOAD_TOO_LARGE),
                ..
            }
        )
    };
    assert!(events.iter().any(failed), "{events:?}");
    assert!(!pair.sent(1).contains("REPORT"));
    assert_eq!(pair.ends[0].endpoint.queued(keys[0]), 0);
}

#[test]
fn a_message_beyond_the_size_that_is_taken_is_refused_at_once() {
    let mut pair = Pair::new();
    let keys = pair.bound(Delivery::Whole { max: 50_000 }, Acknowledge::Automatic);
    pair.ends[0]
        .endpoint
        .send(keys[0], text(noise(50_001)), pair.now)
        .unwrap();
    pair.settle();
    let failed = pair.events(0);
    assert!(
        matches!(
            failed[..],
            [Event::MessageFailed {
                status: Some(StatusCode::PAYLOAD_TOO_LARGE),
                ..
            }]
        ),
        "{failed:?}"
    );
    let id = pair.ends[0]
        .endpoint
        .send(keys[0], stream(None), pair.now)
        .unwrap();
    pair.ends[0]
        .endpoint
        .append(keys[0], &id, noise(60_000), pair.now)
        .unwrap();
    pair.settle();
    let failed = pair.events(0);
    assert!(
        matches!(
            failed[..],
            [Event::MessageFailed {
                status: Some(StatusCode::PAYLOAD_TOO_LARGE),
                ..
            }]
        ),
        "{failed:?}"
    );
    assert_eq!(messages(&pair.events(1)).len(), 0);
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.4
//= type=test
//# If the endpoint receives a SEND request with a Failure-Report header
//# field value of "no", then it MUST NOT send a failure REPORT request,
//# and MUST NOT send a transaction response.
#[test]
fn no_answer_is_sent_where_none_is_wanted() {
    for report in [FailureReport::No, FailureReport::Partial] {
        let mut pair = Pair::new();
        let keys = pair.bound(WHOLE, Acknowledge::Automatic);
        let mut message = text("hello");
        message.failure_report = report;
        pair.ends[0].endpoint.send(keys[0], message, pair.now).unwrap();
        pair.pass(Duration::from_secs(100));
        assert_eq!(pair.sent(1), "");
        assert!(matches!(pair.events(0)[..], [Event::MessageSent { .. }]));
        assert_eq!(messages(&pair.events(1)), ["hello"]);
    }
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.1
//= type=test
//# SEND requests larger than 2048 octets MUST be interrupted if the
//# sender needs to send pending responses or REPORT requests.
#[test]
fn responses_overtake_bodies() {
    let mut pair = Pair::new();
    let keys = pair.bound(WHOLE, Acknowledge::Automatic);
    pair.ends[1]
        .endpoint
        .send(keys[1], text(noise(500_000)), pair.now)
        .unwrap();
    assert!(pair.pull(1) && pair.pull(1));
    pair.ends[0]
        .endpoint
        .send(keys[0], text("hello"), pair.now)
        .unwrap();
    pair.drain(0);
    pair.settle_one();
    let before = pair.ends[1].sent.len();
    assert!(pair.pull(1) && pair.pull(1));
    let sent = String::from_utf8_lossy(&pair.ends[1].sent[before..]).into_owned();
    assert!(
        sent.contains("+\r\nMSRP ") && sent.contains(" 200 OK\r\n"),
        "{sent}"
    );
    assert!(sent.len() < 3000);
    pair.settle();
    assert_eq!(messages(&pair.events(0)).len(), 1);
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
//= type=test
//# If the sender already has such a connection, that is, one associated
//# with the same host, port, and URI scheme, then it SHOULD reuse that
//# connection.
#[test]
fn sessions_share_a_connection_and_take_turns() {
    let mut pair = Pair::new();
    let first = pair.bound(WHOLE, Acknowledge::Automatic);
    let second = pair.bound(WHOLE, Acknowledge::Automatic);
    assert_eq!(pair.ends[0].endpoint.connections(), 1);
    pair.ends[0]
        .endpoint
        .send(first[0], text(noise(400_000)), pair.now)
        .unwrap();
    assert!(pair.pull(0));
    pair.ends[0]
        .endpoint
        .send(second[0], text("small"), pair.now)
        .unwrap();
    for _ in 0..12 {
        pair.pull(0);
    }
    assert!(String::from_utf8_lossy(&pair.ends[0].sent).contains("small"));
    pair.settle();
    assert_eq!(messages(&pair.events(1)).len(), 2);
    pair.ends[0].endpoint.close_session(first[0], pair.now);
    pair.settle();
    assert_eq!(pair.closed.len(), 0, "the other session is still there");
    pair.ends[0].endpoint.close_session(second[0], pair.now);
    pair.settle();
    assert_eq!(pair.closed.len(), 1);
}

#[test]
fn closing_lets_out_what_is_queued() {
    for early in [false, true] {
        let mut pair = Pair::new();
        let keys = if early {
            pair.session(WHOLE, Acknowledge::Automatic)
        } else {
            pair.bound(WHOLE, Acknowledge::Automatic)
        };
        pair.ends[0]
            .endpoint
            .send(keys[0], text(noise(100_000)), pair.now)
            .unwrap();
        pair.ends[0].endpoint.close_session(keys[0], pair.now);
        assert_eq!(
            pair.ends[0].endpoint.send(keys[0], text(""), pair.now),
            Err(SendError::NoSession)
        );
        pair.settle();
        let events = pair.events(0);
        let [
            ..,
            Event::MessageSent { .. },
            Event::SessionEnded {
                reason: EndReason::Closed,
                ..
            },
        ] = &events[..]
        else {
            panic!("{events:?}")
        };
        let events = pair.events(1);
        assert_eq!(messages(&events).len(), 1);
        assert!(matches!(
            events.last(),
            Some(Event::SessionEnded {
                reason: EndReason::ConnectionLost,
                ..
            })
        ));
        for end in &pair.ends {
            assert!(end.endpoint.is_drained());
            assert_eq!(end.endpoint.poll_timeout(), None);
        }
    }
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
//= type=test
//# If a connection fails for any reason, then an MSRP endpoint MUST
//# consider any sessions associated with the connection as also having
//# failed.
#[test]
fn a_lost_connection_fails_what_it_carried() {
    let mut pair = Pair::new();
    let keys = pair.bound(Delivery::Streaming, Acknowledge::Automatic);
    let id = pair.ends[0]
        .endpoint
        .send(keys[0], stream(None), pair.now)
        .unwrap();
    pair.ends[0]
        .endpoint
        .append(keys[0], &id, noise(100), pair.now)
        .unwrap();
    pair.settle();
    for end in 0..2 {
        pair.input(
            end,
            Input::Closed {
                connection: msrp::ConnectionId(1),
            },
        );
    }
    pair.settle();
    let events = pair.events(0);
    let [
        Event::MessageFailed { status: None, .. },
        Event::SessionEnded {
            reason: EndReason::ConnectionLost,
            ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    let events = pair.events(1);
    let [
        ..,
        Event::MessageAborted {
            reason: AbortReason::SessionEnded,
            ..
        },
        Event::SessionEnded { .. },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert!(
        pair.ends
            .iter()
            .all(|end| end.endpoint.is_drained() && end.endpoint.poll_timeout().is_none())
    );
}

#[test]
fn a_connection_that_cannot_be_opened_ends_the_session() {
    let mut pair = Pair::new();
    pair.refuses = true;
    pair.session(WHOLE, Acknowledge::Automatic);
    pair.settle();
    assert!(matches!(
        pair.events(0)[..],
        [Event::SessionEnded {
            reason: EndReason::OpenFailed,
            ..
        }]
    ));
    pair.pass(Duration::from_secs(31));
    assert!(matches!(
        pair.events(1)[..],
        [Event::SessionEnded {
            reason: EndReason::Timeout,
            ..
        }]
    ));
}

#[test]
fn a_session_that_is_not_bound_in_time_ends() {
    let mut pair = Pair::new();
    pair.silent = true;
    let [active, _] = pair.session(WHOLE, Acknowledge::Automatic);
    pair.ends[0]
        .endpoint
        .send(active, text("hello"), pair.now)
        .unwrap();
    pair.pass(Duration::from_secs(29));
    assert_eq!(pair.events(0).len(), 0);
    pair.pass(Duration::from_secs(2));
    let events = pair.events(0);
    let [
        Event::MessageFailed { .. },
        Event::SessionEnded {
            reason: EndReason::Timeout,
            ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    pair.pass(Duration::from_secs(60));
    assert!(
        pair.ends
            .iter()
            .all(|end| end.endpoint.is_drained() && end.endpoint.poll_timeout().is_none())
    );
}

#[test]
fn a_passive_session_may_learn_its_peer_later() {
    let mut pair = Pair::new();
    let a = pair.ends[0].endpoint.mint_uri(false, "a.example", 2855);
    let b = pair.ends[1].endpoint.mint_uri(false, "b.example", 2855);
    let passive = SessionConfig::new(b.clone(), Vec::new(), Role::Passive);
    let passive = pair.ends[1].endpoint.open_session(passive, pair.now).unwrap();
    // The telephone rings for a long time.
    pair.pass(Duration::from_secs(300));
    assert_eq!(
        pair.ends[1].endpoint.set_remote_path(passive, vec![], pair.now),
        Err(SetRemotePathError::Empty)
    );
    pair.ends[1]
        .endpoint
        .set_remote_path(passive, vec![a.clone()], pair.now)
        .unwrap();
    assert_eq!(
        pair.ends[1]
            .endpoint
            .set_remote_path(passive, vec![a.clone()], pair.now),
        Err(SetRemotePathError::Known)
    );
    pair.ends[1]
        .endpoint
        .send(passive, text("hello"), pair.now)
        .unwrap();
    pair.ends[0]
        .endpoint
        .open_session(SessionConfig::new(a, vec![b], Role::Active), pair.now)
        .unwrap();
    pair.settle();
    assert_eq!(messages(&pair.events(0)), ["hello"]);
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.1
//= type=test
//# If a 200 response to the transaction is
//# not received within 30 seconds from the time the last byte of the
//# transaction is sent, or submitted to the operating system for
//# sending, the element MUST inform the user that the request probably
//# failed.
#[test]
fn the_time_for_an_answer_runs_from_the_last_octet_on() {
    let mut pair = Pair::new();
    let keys = pair.bound(WHOLE, Acknowledge::Automatic);
    pair.silent = true;
    pair.ends[0]
        .endpoint
        .send(keys[0], text(noise(10_000)), pair.now)
        .unwrap();
    assert!(pair.pull(0));
    pair.input(
        0,
        Input::Blocked {
            connection: msrp::ConnectionId(1),
        },
    );
    pair.pass(Duration::from_secs(100));
    assert_eq!(pair.events(0).len(), 0);
    pair.input(
        0,
        Input::Writable {
            connection: msrp::ConnectionId(1),
        },
    );
    pair.settle();
    pair.pass(Duration::from_millis(29_900));
    assert_eq!(pair.events(0).len(), 0);
    pair.pass(Duration::from_millis(200));
    assert!(matches!(
        pair.events(0)[..],
        [Event::MessageFailed { status: None, .. }]
    ));
}

#[test]
fn a_blocked_connection_gives_nothing() {
    let mut pair = Pair::new();
    let keys = pair.bound(WHOLE, Acknowledge::Automatic);
    pair.input(
        0,
        Input::Blocked {
            connection: msrp::ConnectionId(1),
        },
    );
    pair.ends[0]
        .endpoint
        .send(keys[0], text("hello"), pair.now)
        .unwrap();
    assert!(!pair.pull(0));
    pair.input(
        0,
        Input::Writable {
            connection: msrp::ConnectionId(1),
        },
    );
    pair.settle();
    assert_eq!(messages(&pair.events(1)), ["hello"]);
}

#[test]
fn nicknames_are_asked_for_and_answered() {
    let mut pair = Pair::new();
    let keys = pair.bound(WHOLE, Acknowledge::Automatic);
    let asked = pair.ends[0]
        .endpoint
        .nickname(keys[0], "Alice \"the\" great", pair.now)
        .unwrap();
    pair.settle();
    let events = pair.events(1);
    let [
        Event::NicknameRequested {
            transaction,
            nickname,
            ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(nickname.as_str(), "Alice \"the\" great");
    pair.ends[1]
        .endpoint
        .respond(keys[1], transaction, StatusCode::NICKNAME_IN_USE, pair.now)
        .unwrap();
    pair.settle();
    let events = pair.events(0);
    let [
        Event::NicknameAnswered {
            transaction, status, ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((*transaction, *status), (asked, StatusCode::NICKNAME_IN_USE));
    assert!(
        pair.ends[0]
            .endpoint
            .nickname(keys[0], &"a".repeat(1024), pair.now)
            .is_err()
    );
    // A room that never answers.
    pair.silent = true;
    pair.ends[0].endpoint.nickname(keys[0], "", pair.now).unwrap();
    pair.pass(Duration::from_secs(31));
    let events = pair.events(0);
    assert!(
        matches!(
            events[..],
            [Event::NicknameAnswered {
                status: StatusCode::REQUEST_TIMEOUT,
                ..
            }]
        ),
        "{events:?}"
    );
}

#[test]
fn what_waits_to_be_sent_is_bounded() {
    let mut config = Config::default();
    config.limits.queued_octets = 1000;
    config.limits.queued_messages = 3;
    let mut pair = Pair::with(config, Config::default());
    let keys = pair.session(WHOLE, Acknowledge::Automatic);
    let endpoint = &mut pair.ends[0].endpoint;
    let id = endpoint.send(keys[0], stream(Some(3000)), pair.now).unwrap();
    endpoint.append(keys[0], &id, noise(1001), pair.now).unwrap();
    assert_eq!(
        endpoint.append(keys[0], &id, noise(1), pair.now),
        Err(AppendError::QueueFull)
    );
    assert_eq!(
        endpoint.send(keys[0], text("x"), pair.now),
        Err(SendError::QueueFull)
    );
    assert_eq!(endpoint.queued(keys[0]), 1001);
    pair.settle();
    let endpoint = &mut pair.ends[0].endpoint;
    assert_eq!(
        endpoint.append(keys[0], &id, noise(2000), pair.now),
        Err(AppendError::TooLong)
    );
    endpoint.append(keys[0], &id, noise(1999), pair.now).unwrap();
    pair.settle();
    let endpoint = &mut pair.ends[0].endpoint;
    assert_eq!(
        endpoint.append(keys[0], &id, noise(1), pair.now),
        Err(AppendError::NoMessage)
    );
    for _ in 0..3 {
        endpoint.send(keys[0], text("x"), pair.now).unwrap();
    }
    assert_eq!(
        endpoint.send(keys[0], text("x"), pair.now),
        Err(SendError::QueueFull)
    );
}

#[test]
fn sessions_and_connections_are_bounded() {
    let mut config = Config::default();
    config.limits.sessions = 2;
    config.limits.connections = 1;
    let mut pair = Pair::with(config, Config::default());
    let endpoint = &mut pair.ends[0].endpoint;
    let uris: Vec<_> = (0..4).map(|_| endpoint.mint_uri(false, "a.example", 1)).collect();
    let peers: Vec<_> = (1..5)
        .map(|port| endpoint.mint_uri(false, "b.example", port))
        .collect();
    let active = |at: usize| SessionConfig::new(uris[at].clone(), vec![peers[at].clone()], Role::Active);
    endpoint.open_session(active(0), pair.now).unwrap();
    assert_eq!(
        endpoint.open_session(active(0), pair.now),
        Err(OpenSessionError::Duplicate)
    );
    assert_eq!(
        endpoint.open_session(active(1), pair.now),
        Err(OpenSessionError::TooMany)
    );
    let passive = |at: usize| SessionConfig::new(uris[at].clone(), Vec::new(), Role::Passive);
    endpoint.open_session(passive(1), pair.now).unwrap();
    assert_eq!(
        endpoint.open_session(passive(2), pair.now),
        Err(OpenSessionError::TooMany)
    );
}

#[test]
fn messages_that_do_not_fit_are_not_taken() {
    let mut pair = Pair::new();
    let a = pair.ends[0].endpoint.mint_uri(false, "a.example", 2855);
    let b = pair.ends[1].endpoint.mint_uri(false, "b.example", 2855);
    let mut config = SessionConfig::new(a, vec![b], Role::Active);
    config.max_size = Some(10);
    let key = pair.ends[0].endpoint.open_session(config, pair.now).unwrap();
    let endpoint = &mut pair.ends[0].endpoint;
    assert_eq!(
        endpoint.send(key, text("eleven octe"), pair.now),
        Err(SendError::TooLarge)
    );
    let id = endpoint.send(key, stream(None), pair.now).unwrap();
    assert_eq!(
        endpoint.append(key, &id, noise(11), pair.now),
        Err(AppendError::TooLong)
    );
    let mut message = text("x");
    message.message_id = Some(id);
    assert_eq!(endpoint.send(key, message, pair.now), Err(SendError::Duplicate));
    let mut message = text("x");
    message.content_type = None;
    assert_eq!(
        endpoint.send(key, message, pair.now),
        Err(SendError::NoContentType)
    );
    let mut message = text("x");
    message.headers.push("to-path", "msrp://h:1/s;tcp").unwrap();
    assert_eq!(
        endpoint.send(key, message, pair.now),
        Err(SendError::ReservedHeader)
    );
}

#[test]
fn chunks_keep_to_the_configured_sizes() {
    let mut config = Config::default();
    config.chunk_size = NonZeroUsize::new(5000).unwrap();
    config.interrupt_size = NonZeroUsize::new(700).unwrap();
    let mut pair = Pair::with(config, Config::default());
    let keys = pair.bound(Delivery::Streaming, Acknowledge::Automatic);
    pair.ends[0]
        .endpoint
        .send(keys[0], text(noise(12_345)), pair.now)
        .unwrap();
    pair.settle();
    let ranges: Vec<_> = pair
        .events(1)
        .iter()
        .filter_map(|event| match event {
            Event::ChunkReceived { range, .. } => Some((range.start, range.end)),
            _ => None,
        })
        .collect();
    assert_eq!(
        ranges,
        [(1, Some(5000)), (5001, Some(10_000)), (10_001, Some(12_345))]
    );
    assert!(pair.sent(0).contains("Byte-Range: 1-*/12345\r\n"));
}

#[test]
fn large_files_arrive_whole_and_as_a_stream() {
    for delivery in [WHOLE, Delivery::Streaming] {
        let mut pair = Pair::new();
        pair.pieces = vec![65_536];
        let keys = pair.bound(delivery, Acknowledge::Automatic);
        let body = noise(5 << 20);
        pair.ends[0]
            .endpoint
            .send(keys[0], text(body.clone()), pair.now)
            .unwrap();
        pair.settle();
        let events = pair.events(1);
        let whole = if delivery == WHOLE {
            messages(&events).concat()
        } else {
            streamed(&events)
        };
        assert!(whole == body);
    }
}
