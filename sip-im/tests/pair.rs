//! Two endpoints over a network that loses, repeats and reorders datagrams, in virtual time: transactions.
#![cfg(test)]

mod machines;

use std::time::Duration;

use bytes::Bytes;
use machines::talk::{SECOND, acked, answered, failed, methods, received, respond, send, wire};
use machines::{FINE, Pair, Weather, answer, request, uri};
use sip_im::endpoint::{
    CancelError, Config, Endpoint, Event, Input, RequestFailure, RespondError, SendError, Target,
};
use sip_im::header::{CSeq, HeaderName, Via};
use sip_im::{FlowId, Message, Method, StatusCode, Transport};

#[test]
fn a_message_is_delivered_once_and_answered_once_whatever_the_weather() {
    for seed in 0..60 {
        let weather = Weather {
            loss: 30,
            repeat: 20,
            latency: Duration::from_millis(30),
            jitter: Duration::from_millis(400),
        };
        let mut pair = Pair::new(weather, seed);
        let id = send(&mut pair, request(Method::Message, "c"), Transport::Udp);
        if let Some((server, request)) = pair.wait(1, 32 * SECOND, received) {
            respond(&mut pair, server, &request, StatusCode::OK);
        }
        // Delivered or reported failed.
        pair.run_for(40 * SECOND);
        let outcomes: Vec<_> = pair.ends[0]
            .events
            .iter()
            .filter(|e| answered(e).is_some() || failed(e).is_some())
            .collect();
        assert_eq!(outcomes.len(), 1, "seed {seed}: {outcomes:?}");
        assert!(
            outcomes
                .iter()
                .all(|e| answered(e).map(|a| a.0).or(failed(e).map(|f| f.0)) == Some(id))
        );
        let again = pair.ends[1]
            .events
            .iter()
            .filter(|event| received(event).is_some())
            .count();
        assert_eq!(again, 0, "seed {seed}: a repetition got through");
        pair.assert_nothing_left();
    }
}

#[test]
fn a_session_is_set_up_and_ended_whatever_the_weather() {
    let mut ended = 0;
    for seed in 0..60 {
        let weather = Weather {
            loss: 25,
            repeat: 20,
            latency: Duration::from_millis(30),
            jitter: Duration::from_millis(300),
        };
        let mut pair = Pair::new(weather, seed);
        let invite = request(Method::Invite, "c");
        let client = send(&mut pair, invite.clone(), Transport::Udp);
        let Some((server, received_invite)) = pair.wait(1, 32 * SECOND, received) else {
            continue;
        };
        respond(&mut pair, server, &received_invite, StatusCode::RINGING);
        respond(&mut pair, server, &received_invite, StatusCode::OK);
        let Some((_, ok)) = pair.wait(0, 32 * SECOND, answered) else {
            continue;
        };
        let mut dialog = sip_im::dialog::Dialog::from_uac(&invite, &ok).expect("a dialog");
        let ack = dialog.ack(1).build().expect("an ack");
        let target = pair.target(1, Transport::Udp);
        pair.ends[0]
            .endpoint
            .acknowledge(client, ack, target.clone(), pair.now)
            .expect("acknowledged");
        let acknowledged = pair
            .wait(1, 32 * SECOND, acked)
            .expect("the ack gets through, since it is repeated");
        assert_eq!(acknowledged, Some(server), "seed {seed}");
        let again = pair.ends[0]
            .events
            .iter()
            .filter(|event| answered(event).is_some())
            .count();
        assert_eq!(again, 0, "a 2xx whose ack is known is not reported again");
        let bye = dialog.request(Method::Bye).build().expect("a bye");
        pair.ends[0].endpoint.send(bye, target, pair.now).expect("sent");
        if let Some((server, bye)) = pair.wait(1, 32 * SECOND, received) {
            assert_eq!(*bye.method(), Method::Bye);
            respond(&mut pair, server, &bye, StatusCode::OK);
            ended += 1;
        }
        pair.assert_nothing_left();
    }
    assert!(
        ended >= 55,
        "with seven repetitions hardly a request gets lost, but {ended} of 60 sessions were ended"
    );
}

#[test]
fn an_unanswered_request_is_repeated_at_the_intervals_of_section_17_and_then_given_up() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-17.1.1.2
    //= type=test
    //# This process MUST continue so that the request is
    //# retransmitted with intervals that double after each transmission.
    let silence = Weather { loss: 100, ..FINE };
    for (method, expected) in [
        (Method::Invite, vec![0, 500, 1500, 3500, 7500, 15500, 31500]),
        (
            Method::Message,
            vec![0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500],
        ),
    ] {
        let mut pair = Pair::new(silence, 1);
        pair.datagram_flow(0);
        let id = send(&mut pair, request(method, "c"), Transport::Udp);
        let mut times = Vec::new();
        let mut seen = 0;
        loop {
            pair.settle();
            for _ in seen..pair.ends[0].sent.len() {
                times.push(pair.elapsed().as_millis());
            }
            seen = pair.ends[0].sent.len();
            if pair.ends[0].events.iter().any(|event| failed(event).is_some()) {
                break;
            }
            assert!(pair.step());
        }
        assert_eq!(times, expected);
        assert_eq!(pair.elapsed(), 32 * SECOND);
        assert_eq!(
            pair.ends[0].events.iter().find_map(failed),
            Some((id, RequestFailure::TimedOut))
        );
        pair.assert_nothing_left();
    }
}

#[test]
fn a_2xx_without_ack_is_repeated_up_to_t2_and_then_reported() {
    //= https://www.rfc-editor.org/rfc/rfc6026#section-8.1
    //= type=test
    //# The
    //# 2xx response is passed to the transport with an interval that
    //# starts at T1 seconds and doubles for each retransmission until it
    //# reaches T2 seconds (T1 and T2 are defined in Section 17).
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut pair = Pair::new(FINE, 2);
        send(&mut pair, request(Method::Invite, "c"), transport);
        let (server, invite) = pair.wait(1, SECOND, received).expect("received");
        respond(&mut pair, server, &invite, StatusCode::OK);
        let timed_out = |event: &Event| match event {
            Event::AckTimedOut { transaction } => Some(*transaction),
            _ => None,
        };
        assert_eq!(pair.wait(1, 40 * SECOND, timed_out), Some(server));
        let sent = pair.ends[1].sent.len();
        assert_eq!(
            sent, 11,
            "at 0, 0.5, 1.5, 3.5, 7.5 s and then every 4 s, over {transport} as well"
        );
        pair.assert_nothing_left();
    }
}

#[test]
fn a_refusal_is_acknowledged_by_the_transaction_and_repeated_on_datagrams_only() {
    for (transport, loss) in [(Transport::Udp, 40), (Transport::Tcp, 0)] {
        for seed in 0..20 {
            let mut pair = Pair::new(Weather { loss, ..FINE }, seed);
            send(&mut pair, request(Method::Invite, "c"), transport);
            let Some((server, invite)) = pair.wait(1, 32 * SECOND, received) else {
                continue;
            };
            respond(&mut pair, server, &invite, StatusCode::BUSY_HERE);
            let Some((_, busy)) = pair.wait(0, 32 * SECOND, answered) else {
                continue;
            };
            assert_eq!(busy.status(), StatusCode::BUSY_HERE);
            assert!(
                busy.headers().get::<Via>().expect("no malformed Via").is_none(),
                "our Via is taken off"
            );
            pair.run_for(40 * SECOND);
            let Some(Message::Request(ack)) = pair.ends[0]
                .sent
                .iter()
                .rfind(|m| matches!(m, Message::Request(_)))
            else {
                panic!("nothing sent")
            };
            //= https://www.rfc-editor.org/rfc/rfc3261#section-17.1.1.3
            //= type=test
            //# The ACK MUST contain a single Via header field, and
            //# this MUST be equal to the top Via header field of the original
            //# request.
            let Some(Message::Request(first)) = pair.ends[0].sent.first() else {
                panic!("nothing sent")
            };
            assert_eq!(*ack.method(), Method::Ack);
            assert_eq!(ack.top_via().expect("Via"), first.top_via().expect("Via"));
            assert_eq!(ack.cseq().expect("CSeq"), CSeq::new(1, Method::Ack));
            assert_eq!(ack.to().expect("To").tag(), Some("bob-tag"));
            assert_eq!(ack.headers().values(&HeaderName::VIA).count(), 1);
            assert!(
                !pair.ends[1].events.iter().any(|event| acked(event).is_some()),
                "it is nobody else's business"
            );
            pair.assert_nothing_left();
        }
    }
}

#[test]
fn an_invite_is_cancelled_only_after_a_provisional_response() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-9.1
    //= type=test
    //# If no provisional response has been received, the CANCEL request MUST
    //# NOT be sent; rather, the client MUST wait for the arrival of a
    //# provisional response before sending the request.
    let mut pair = Pair::new(FINE, 3);
    let client = send(&mut pair, request(Method::Invite, "c"), Transport::Udp);
    assert_eq!(pair.ends[0].endpoint.cancel(client, pair.now), Ok(()));
    let (server, invite) = pair.wait(1, SECOND, received).expect("received");
    pair.settle();
    assert_eq!(methods(&pair.ends[0].sent), ["INVITE"]);
    respond(&mut pair, server, &invite, StatusCode::RINGING);
    let cancelled = |event: &Event| match event {
        Event::CancelReceived { transaction } => Some(*transaction),
        _ => None,
    };
    assert_eq!(pair.wait(1, SECOND, cancelled), Some(server));
    respond(&mut pair, server, &invite, StatusCode::REQUEST_TERMINATED);
    let (_, response) = pair.wait(0, SECOND, answered).expect("answered");
    assert_eq!(response.status(), StatusCode::REQUEST_TERMINATED);
    pair.run_for(SECOND);
    assert_eq!(methods(&pair.ends[0].sent), ["INVITE", "CANCEL", "ACK"]);
    assert_eq!(methods(&pair.ends[1].sent), ["180", "200", "487"]);
    //= https://www.rfc-editor.org/rfc/rfc3261#section-9.1
    //= type=test
    //# The Request-URI, Call-ID, To, the numeric part of CSeq, and From header
    //# fields in the CANCEL request MUST be identical to those in the
    //# request being cancelled, including tags.
    let (Message::Request(invite), Message::Request(cancel)) = (&pair.ends[0].sent[0], &pair.ends[0].sent[1])
    else {
        panic!("requests")
    };
    assert_eq!(cancel.uri(), invite.uri());
    assert_eq!(cancel.top_via().expect("Via"), invite.top_via().expect("Via"));
    for name in [HeaderName::FROM, HeaderName::TO, HeaderName::CALL_ID] {
        assert_eq!(cancel.headers().value(&name), invite.headers().value(&name));
    }
    assert_eq!(
        pair.ends[0].endpoint.cancel(client, pair.now),
        Err(CancelError::AlreadyAnswered)
    );
    pair.assert_nothing_left();
}

#[test]
fn a_cancel_without_its_invite_is_answered_481() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-9.2
    //= type=test
    //# If the UAS did not find a matching transaction for the CANCEL
    //# according to the procedure above, it SHOULD respond to the CANCEL
    //# with a 481 (Call Leg/Transaction Does Not Exist).
    let mut pair = Pair::new(FINE, 4);
    let flow = pair.datagram_flow(1);
    let now = pair.now;
    pair.ends[1].endpoint.handle_input(
        Input::Received {
            flow,
            data: wire("CANCEL", "z9hG4bKx", "192.0.2.1:5060;rport"),
        },
        now,
    );
    pair.settle();
    assert_eq!(methods(&pair.ends[1].sent), ["481"]);
    assert!(
        pair.ends[1]
            .events
            .iter()
            .all(|event| matches!(event, Event::FlowOpened { .. }))
    );
    pair.assert_nothing_left();
}

#[test]
fn an_invite_that_nobody_answers_is_cancelled_by_timer_c_and_given_up() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-9.1
    //= type=test
    //# If there is no final response for the original
    //# request in 64*T1 seconds (T1 is defined in Section 17.1.1.1), the
    //# client SHOULD then consider the original transaction cancelled and
    //# SHOULD destroy the client transaction handling the original request.
    let mut pair = Pair::new(FINE, 5);
    let client = send(&mut pair, request(Method::Invite, "c"), Transport::Udp);
    let (server, invite) = pair.wait(1, SECOND, received).expect("received");
    respond(&mut pair, server, &invite, StatusCode::RINGING);
    assert_eq!(
        pair.wait(0, 400 * SECOND, failed),
        Some((client, RequestFailure::TimedOut))
    );
    assert!(pair.elapsed() >= (181 + 32) * SECOND && pair.elapsed() < (181 + 33) * SECOND);
    assert_eq!(methods(&pair.ends[0].sent), ["INVITE", "CANCEL"]);
    respond(&mut pair, server, &invite, StatusCode::REQUEST_TERMINATED);
    pair.assert_nothing_left();
}

#[test]
fn a_slow_user_is_covered_by_a_100_which_other_requests_get_late() {
    let mut pair = Pair::new(FINE, 6);
    send(&mut pair, request(Method::Invite, "c"), Transport::Udp);
    let (invite_id, invite) = pair.wait(1, SECOND, received).expect("received");
    pair.run_for(Duration::from_millis(199));
    assert_eq!(methods(&pair.ends[1].sent), [""; 0]);
    pair.run_for(Duration::from_millis(2));
    assert_eq!(methods(&pair.ends[1].sent), ["100"]);
    respond(&mut pair, invite_id, &invite, StatusCode::BUSY_HERE);
    pair.run_for(60 * SECOND);
    pair.ends[1].sent.clear();

    //= https://www.rfc-editor.org/rfc/rfc4320#section-4.1
    //= type=test
    //# Without regard to transport, an SIP element MUST respond to a non-
    //# INVITE request with a Status-Code of 100 if it has not otherwise
    //# responded after the amount of time it takes a client transaction's
    //# Timer E to be reset to T2.
    send(&mut pair, request(Method::Message, "d"), Transport::Udp);
    let (id, message) = pair.wait(1, SECOND, received).expect("received");
    let early = pair.ends[1]
        .endpoint
        .respond(id, answer(&message, StatusCode::TRYING), pair.now);
    assert_eq!(early, Ok(()), "taken, but not sent before its time");
    pair.run_for(Duration::from_millis(3499));
    assert_eq!(methods(&pair.ends[1].sent), [""; 0]);
    pair.run_for(Duration::from_millis(2));
    assert_eq!(methods(&pair.ends[1].sent), ["100"]);
    //= https://www.rfc-editor.org/rfc/rfc4320#section-4.1
    //= type=test
    //# An SIP element MUST NOT send any provisional response with a Status-
    //# Code other than 100 to a non-INVITE request.
    let ringing = pair.ends[1]
        .endpoint
        .respond(id, answer(&message, StatusCode::RINGING), pair.now);
    assert_eq!(ringing, Err(RespondError::StatusNotAllowed));
    //= https://www.rfc-editor.org/rfc/rfc4320#section-4.2
    //= type=test
    //# A transaction-stateful SIP element MUST NOT send a response with
    //# Status-Code of 408 to a non-INVITE request.
    let timeout = pair.ends[1]
        .endpoint
        .respond(id, answer(&message, StatusCode::REQUEST_TIMEOUT), pair.now);
    assert_eq!(timeout, Err(RespondError::StatusNotAllowed));
    respond(&mut pair, id, &message, StatusCode::OK);
    let twice = pair.ends[1]
        .endpoint
        .respond(id, answer(&message, StatusCode::OK), pair.now);
    assert_eq!(twice, Err(RespondError::AlreadyAnswered));
    pair.assert_nothing_left();
}

#[test]
fn a_request_that_the_user_forgets_ends_by_itself() {
    //= https://www.rfc-editor.org/rfc/rfc4320#section-4.2
    //= type=test
    //# As a consequence, an
    //# element that cannot respond before the transaction expires will not
    //# send a final response at all.
    let mut pair = Pair::new(FINE, 7);
    send(&mut pair, request(Method::Message, "c"), Transport::Tcp);
    let (id, message) = pair.wait(1, SECOND, received).expect("received");
    let gone = |event: &Event| match event {
        Event::TransactionFailed { transaction } => Some(*transaction),
        _ => None,
    };
    assert_eq!(pair.wait(1, 33 * SECOND, gone), Some(id));
    let late = pair.ends[1]
        .endpoint
        .respond(id, answer(&message, StatusCode::OK), pair.now);
    assert_eq!(late, Err(RespondError::UnknownTransaction));
    pair.assert_nothing_left();
}

#[test]
fn a_proxy_passes_each_2xx_and_each_ack() {
    let mut pair = Pair::new(FINE, 15);
    let client = send(&mut pair, request(Method::Invite, "c"), Transport::Udp);
    let (server, invite) = pair.wait(1, SECOND, received).expect("received");
    let ok = answer(&invite, StatusCode::OK);
    for _ in 0..2 {
        pair.ends[1]
            .endpoint
            .forward_response(server, ok.clone(), pair.now)
            .expect("passed on");
        assert_eq!(pair.wait(0, SECOND, answered).map(|(id, _)| id), Some(client));
    }
    pair.run_for(10 * SECOND);
    assert_eq!(
        methods(&pair.ends[1].sent),
        ["200", "200"],
        "only the far end repeats it"
    );
    let dialog = sip_im::dialog::Dialog::from_uac(&request(Method::Invite, "c"), &ok).expect("a dialog");
    let target = pair.target(1, Transport::Udp);
    for _ in 0..2 {
        let ack = dialog.ack(1).build().expect("an ack");
        pair.ends[0]
            .endpoint
            .forward(ack, target.clone(), pair.now)
            .expect("passed on");
        assert_eq!(pair.wait(1, SECOND, acked), Some(None));
    }
    pair.assert_nothing_left();
}

#[test]
fn several_2xx_are_several_dialogs_each_with_its_ack() {
    let mut pair = Pair::new(FINE, 16);
    let invite = request(Method::Invite, "c");
    let client = send(&mut pair, invite.clone(), Transport::Udp);
    let (server, at_server) = pair.wait(1, SECOND, received).expect("received");
    let forks: Vec<_> = ["one", "two"]
        .iter()
        .map(|tag| {
            let contact = sip_im::header::Contact::new(uri(&format!("sip:{tag}@192.0.2.2")));
            at_server
                .response(StatusCode::OK)
                .to_tag(tag)
                .contact(&contact)
                .build()
                .expect("a response")
        })
        .collect();
    for fork in &forks {
        pair.ends[1]
            .endpoint
            .forward_response(server, fork.clone(), pair.now)
            .expect("passed on");
        let (_, ok) = pair.wait(0, SECOND, answered).expect("reported");
        let ack = sip_im::dialog::Dialog::from_uac(&invite, &ok)
            .expect("a dialog")
            .ack(1)
            .build()
            .expect("an ack");
        let target = pair.target(1, Transport::Udp);
        pair.ends[0]
            .endpoint
            .acknowledge(client, ack, target, pair.now)
            .expect("acknowledged");
    }
    pair.run_for(SECOND);
    pair.ends[0].sent.clear();
    for fork in &forks {
        pair.ends[1]
            .endpoint
            .forward_response(server, fork.clone(), pair.now)
            .expect("passed on");
    }
    pair.run_for(SECOND);
    assert_eq!(
        methods(&pair.ends[0].sent),
        ["ACK", "ACK"],
        "repeated without a word"
    );
    assert!(pair.ends[0].events.iter().all(|event| answered(event).is_none()));
    pair.assert_nothing_left();
}

#[test]
fn requests_of_old_clients_are_matched_by_their_headers() {
    let mut pair = Pair::new(FINE, 13);
    let flow = pair.datagram_flow(1);
    let now = pair.now;
    let give = |pair: &mut Pair, data: Bytes| {
        pair.ends[1]
            .endpoint
            .handle_input(Input::Received { flow, data }, now);
        pair.settle();
    };
    give(&mut pair, wire("INVITE", "1", "192.0.2.1:5060"));
    let (id, invite) = pair.wait(1, Duration::ZERO, received).expect("received");
    give(&mut pair, wire("INVITE", "1", "192.0.2.1:5060"));
    assert!(pair.wait(1, Duration::ZERO, received).is_none(), "a repetition");
    respond(&mut pair, id, &invite, StatusCode::BUSY_HERE);
    pair.settle();
    let busy = pair.ends[1].sent.len();
    //= https://www.rfc-editor.org/rfc/rfc3261#section-17.2.3
    //= type=test
    //# and the To tag of the ACK matches the To tag of the
    //# response sent by the server transaction.
    let ack = String::from_utf8(wire("ACK", "1", "192.0.2.1:5060").to_vec()).expect("text");
    give(
        &mut pair,
        Bytes::from(ack.replace("To: <sip:bob@b.test>", "To: <sip:bob@b.test>;tag=bob-tag")),
    );
    assert!(
        !pair.ends[1].events.iter().any(|event| acked(event).is_some()),
        "absorbed"
    );
    pair.run_for(10 * SECOND);
    assert_eq!(pair.ends[1].sent.len(), busy, "acknowledged, so not repeated");
    pair.assert_nothing_left();
}

#[test]
fn responses_that_belong_to_nothing_are_dropped() {
    //= https://www.rfc-editor.org/rfc/rfc6026#section-8.9
    //= type=test
    //# If there is a match, the response MUST be passed to
    //# that transaction.  Otherwise, any element other than a stateless
    //# proxy MUST silently discard the response.
    //= https://www.rfc-editor.org/rfc/rfc3261#section-18.1.2
    //= type=test
    //# If the value of the "sent-by" parameter in
    //# that header field value does not correspond to a value that the
    //# client transport is configured to insert into requests, the response
    //# MUST be silently discarded.
    let mut pair = Pair::new(FINE, 17);
    let flow = pair.datagram_flow(0);
    send(&mut pair, request(Method::Message, "c"), Transport::Udp);
    pair.settle();
    let Some(Message::Request(sent)) = pair.ends[0].sent.first().cloned() else {
        panic!("nothing sent")
    };
    let ok = String::from_utf8(answer(&sent, StatusCode::OK).to_bytes().to_vec()).expect("text");
    let branch = sent
        .top_via()
        .expect("Via")
        .branch()
        .expect("a branch")
        .to_owned();
    let now = pair.now;
    for forged in [
        ok.replace(&branch, "z9hG4bKother"),
        ok.replace("UDP 192.0.2.1", "UDP 192.0.2.9"),
        ok.replace("CSeq: 1 MESSAGE", "CSeq: 1 INVITE"),
    ] {
        assert_ne!(forged, ok);
        pair.ends[0].endpoint.handle_input(
            Input::Received {
                flow,
                data: Bytes::from(forged),
            },
            now,
        );
        pair.settle();
        assert!(pair.ends[0].events.iter().all(|event| answered(event).is_none()));
    }
    pair.ends[0].endpoint.handle_input(
        Input::Received {
            flow,
            data: Bytes::from(ok),
        },
        now,
    );
    assert!(pair.wait(0, Duration::ZERO, answered).is_some());
}

#[test]
fn commands_that_cannot_be_done_change_nothing() {
    let config = || {
        let mut config = Config::default();
        config.max_client_transactions = 1;
        config.max_waiting = 1;
        config
    };
    let mut pair = Pair::with(config, FINE, 21);
    let now = pair.now;
    let target = pair.target(1, Transport::Udp);
    let endpoint = &mut pair.ends[0].endpoint;
    let refused = |endpoint: &mut Endpoint, method, target| endpoint.send(request(method, "c"), target, now);
    assert_eq!(
        refused(endpoint, Method::Ack, target.clone()),
        Err(SendError::Method)
    );
    assert_eq!(
        refused(endpoint, Method::Message, Target::Flow(FlowId(9))),
        Err(SendError::UnknownFlow)
    );
    assert!(endpoint.is_drained() && endpoint.armed_timers() == 0);
    let id = refused(endpoint, Method::Message, target.clone()).expect("sent");
    assert_eq!(
        refused(endpoint, Method::Message, target.clone()),
        Err(SendError::TableFull)
    );
    let ack = request(Method::Ack, "c");
    assert_eq!(endpoint.forward(ack, target, now), Err(SendError::WaitingFull));
    assert_eq!(endpoint.cancel(id, now), Err(CancelError::NotAnInvite));
    assert_eq!(endpoint.client_transactions(), 1);
}
