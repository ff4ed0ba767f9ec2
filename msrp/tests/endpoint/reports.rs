//! Reports in both directions, and errors that come late.

use std::time::Duration;

use msrp::StatusCode;
use msrp::codec::Leniency;
use msrp::endpoint::{Acknowledge, Config, Delivery, EndReason, Event, ReportError, Role, SessionConfig};
use msrp::header::{ByteRange, FailureReport};

use crate::hand::{OWN, PEER, Peer, chunk, request, response, send, transaction, uri};
use crate::pair::text;

//= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.2
//= type=test
//# MSRP nodes MUST NOT send MSRP responses
//# to REPORT requests.
#[test]
fn reports_are_never_answered() {
    let mut peer = Peer::new();
    peer.binds();
    let mut message = text("hello");
    message.message_id = Some(msrp::MessageId::new("12345678").unwrap());
    message.success_report = true;
    let (_, sent) = peer.begins(message);
    peer.says(&response(&sent, "200 OK"));
    peer.takes_events();
    for report in [
        "Message-ID: 12345678\r\nByte-Range: 1-224/221\r\nStatus: 000 200 OK\r\n",
        "Message-ID: 12345678\r\nStatus: 000 413\r\n",
        "Message-ID: 12345678\r\n",
        "Status: 000 200 OK\r\n",
        "nonsense\r\n",
    ] {
        assert_eq!(peer.says(&request("REPORT", "tid1", report, None, '$')), "");
    }
    assert_eq!(
        peer.says(&request("REPORT", "tid1", "", None, '$').replace("/ours", "/others")),
        ""
    );
    assert_eq!(peer.events.len(), 2);
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.1
//= type=test
//# If an MSRP endpoint receives a REPORT for a Message-ID it
//# does not recognize, it SHOULD silently ignore the REPORT.
#[test]
fn reports_about_messages_that_were_never_sent_are_ignored() {
    let mut peer = Peer::new();
    peer.binds();
    let report = "Message-ID: 12345678\r\nStatus: 000 200 OK\r\n";
    assert_eq!(peer.says(&request("REPORT", "tid1", report, None, '$')), "");
    let mut silent = text("hello");
    silent.message_id = Some(msrp::MessageId::new("12345678").unwrap());
    silent.failure_report = FailureReport::No;
    peer.begins(silent);
    peer.takes_events();
    peer.says(&request("REPORT", "tid1", report, None, '$'));
    assert_eq!(peer.takes_events().len(), 0);
}

#[test]
fn a_range_that_ends_behind_the_total_is_a_leniency() {
    for (leniency, expected) in [(Leniency::default(), 1), (Leniency::STRICT, 0)] {
        let mut config = Config::default();
        config.leniency = leniency;
        let mut peer = Peer::with(config, Delivery::Streaming, Acknowledge::Automatic);
        peer.binds();
        let (id, sent) = peer.begins(text("hello"));
        peer.says(&response(&sent, "200 OK"));
        peer.takes_events();
        let report = format!("Message-ID: {id}\r\nByte-Range: 1-224/221\r\nStatus: 000 200 OK\r\n");
        peer.says(&request("REPORT", "tid1", &report, None, '$'));
        let ranges: Vec<_> = peer
            .takes_events()
            .into_iter()
            .filter_map(|event| match event {
                Event::ReportReceived { range, .. } => range.and_then(|range| range.end),
                _ => None,
            })
            .collect();
        assert_eq!(ranges, vec![224; expected]);
    }
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-7.3.2
//= type=test
//# An endpoint that receives a REPORT request containing a Status header
//# field with a namespace field of "000" MUST interpret the report in
//# exactly the same way it would interpret an MSRP transaction response
//# with a response code matching the status-code field.
#[test]
fn a_report_that_there_is_no_session_ends_it() {
    let mut peer = Peer::new();
    peer.binds();
    let (id, _) = peer.begins(text("hello"));
    let of_another_kind = format!("Message-ID: {id}\r\nStatus: 001 481\r\n");
    peer.says(&request("REPORT", "tid1", &of_another_kind, None, '$'));
    assert!(matches!(peer.takes_events()[..], [Event::ReportReceived { .. }]));
    let report = format!("Message-ID: {id}\r\nStatus: 000 481\r\n");
    peer.says(&request("REPORT", "tid1", &report, None, '$'));
    assert!(matches!(
        peer.takes_events()[..],
        [
            Event::ReportReceived { .. },
            Event::MessageFailed {
                status: Some(StatusCode::NO_SESSION),
                ..
            },
            Event::SessionEnded {
                reason: EndReason::Refused(StatusCode::NO_SESSION),
                ..
            },
        ]
    ));
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.1
//= type=test
//# If the value is set to "partial", then the element sending
//# the transaction does not have to run a timer, but MUST inform the
//# user if it receives a non-recoverable error response to the
//# transaction.
#[test]
fn an_error_after_a_message_was_sent_is_told_where_only_failures_are_answered() {
    let mut peer = Peer::new();
    peer.binds();
    let mut message = text(vec![b'x'; 20_000]);
    message.failure_report = FailureReport::Partial;
    let id = peer.endpoint.send(peer.session, message, peer.now).unwrap();
    let sent = peer.answers();
    let chunks: Vec<&str> = sent.split_inclusive("MSRP ").skip(1).collect();
    assert_eq!(chunks.len(), 2);
    assert!(matches!(peer.takes_events()[..], [Event::MessageSent { .. }]));
    peer.says(&response(&format!("MSRP {}", chunks[1]), "413"));
    let events = peer.takes_events();
    let [
        Event::ReportReceived {
            message,
            range,
            status,
            ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((message, status.code), (&id, StatusCode::PAYLOAD_TOO_LARGE));
    let range = range.unwrap();
    assert_eq!(
        (range.start, range.end, range.total),
        (16_385, Some(20_000), Some(20_000))
    );
    // Once nobody waits for an answer any more, none is taken; that time has run out is not a failure.
    peer.now += Duration::from_secs(30);
    peer.endpoint.handle_timeout(peer.now);
    peer.says(&response(&format!("MSRP {}", chunks[0]), "413"));
    assert_eq!(peer.takes_events().len(), 0);
    assert_eq!(peer.endpoint.poll_timeout(), None);
}

#[test]
fn closing_does_not_wait_for_failures_that_may_never_come() {
    let mut peer = Peer::new();
    peer.binds();
    let mut message = text("hello");
    message.failure_report = FailureReport::Partial;
    peer.begins(message);
    peer.endpoint.close_session(peer.session, peer.now);
    let events = peer.takes_events();
    assert!(matches!(
        events[..],
        [
            Event::MessageSent { .. },
            Event::SessionEnded {
                reason: EndReason::Closed,
                ..
            }
        ]
    ));
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.4
//= type=test
//# In this situation, it
//# MAY send a 200 OK response to the request, and then send a failure
//# REPORT request when the error is detected.
#[test]
fn a_failure_that_is_known_late_is_reported() {
    let mut peer = Peer::new();
    peer.binds();
    peer.says(&chunk("tid1", "1-5/5", "hello", '$'));
    let id = msrp::MessageId::new("12345678").unwrap();
    let range = ByteRange::whole(5);
    let (status, now) = (StatusCode::REQUEST_TIMEOUT, peer.now);
    peer.endpoint
        .report(peer.session, &id, range, status, now)
        .unwrap();
    let report = peer.answers();
    let tid = transaction(&report);
    assert_eq!(
        report,
        format!(
            "MSRP {tid} REPORT\r\nTo-Path: {PEER}\r\nFrom-Path: {OWN}\r\nMessage-ID: 12345678\r\n\
             Byte-Range: 1-5/5\r\nStatus: 000 408 Request Timeout\r\n-------{tid}$\r\n"
        )
    );
    // Its sender did not ask for success.
    let refused = peer
        .endpoint
        .report(peer.session, &id, range, StatusCode::OK, now);
    assert_eq!(refused, Err(ReportError::NotWanted));
    let other = msrp::MessageId::new("87654321").unwrap();
    let refused = peer.endpoint.report(peer.session, &other, range, status, now);
    assert_eq!(refused, Err(ReportError::NoMessage));
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.4
//= type=test
//# If the endpoint receives a SEND request with a Failure-Report header
//# field value of "no", then it MUST NOT send a failure REPORT request,
//# and MUST NOT send a transaction response.  If the value is "partial",
//# it MUST NOT send a 200 transaction response to the request, but
//# SHOULD send an appropriate non-200 class response if a failure
//# occurs.
#[test]
fn who_does_not_want_to_know_of_failures_is_not_told() {
    for (wanted, answers, reported) in [
        ("no", ["", ""], Err(ReportError::NotWanted)),
        ("partial", ["", "MSRP tid2 415"], Ok(())),
        ("yes", ["MSRP tid1 200", "MSRP tid2 415"], Ok(())),
    ] {
        let mut session = SessionConfig::new(uri(OWN), vec![uri(PEER)], Role::Passive);
        session.accept_types = Some(vec!["text/*".to_owned()]);
        let mut peer = Peer::of(Config::default(), session);
        let headers = format!("Message-ID: 12345678\r\nFailure-Report: {wanted}\r\nByte-Range: 1-5/5\r\n");
        let good = peer.says(&send("tid1", &headers, Some("hello"), '$'));
        let bad = send("tid2", &headers.replace("1234", "4321"), Some("hello"), '$');
        let bad = peer.says(&bad.replace("text/plain", "image/png"));
        assert!(
            good.starts_with(answers[0]) && good.is_empty() == answers[0].is_empty(),
            "{good}"
        );
        assert!(
            bad.starts_with(answers[1]) && bad.is_empty() == answers[1].is_empty(),
            "{bad}"
        );
        let id = msrp::MessageId::new("12345678").unwrap();
        let status = StatusCode::FORBIDDEN;
        let done = peer
            .endpoint
            .report(peer.session, &id, ByteRange::whole(5), status, peer.now);
        assert_eq!(done, reported);
    }
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.3
//= type=test
//# Alternately, it MAY generate incremental success REPORTs as the
//# chunks are received.
#[test]
fn success_may_be_reported_by_the_parent_as_it_comes() {
    let mut session = SessionConfig::new(uri(OWN), vec![uri(PEER)], Role::Passive);
    session.delivery = Delivery::Streaming;
    session.success_reports = Acknowledge::Manual;
    let mut peer = Peer::of(Config::default(), session);
    let id = msrp::MessageId::new("12345678").unwrap();
    let headers = "Message-ID: 12345678\r\nSuccess-Report: yes\r\nByte-Range: 1-5/9\r\n";
    for (headers, body, flag, range) in [
        (headers.to_owned(), "hello", '+', (1, 5)),
        (headers.replace("1-5", "6-9"), "away", '$', (6, 9)),
    ] {
        let answer = peer.says(&send("tid1", &headers, Some(body), flag));
        assert!(
            answer.starts_with("MSRP tid1 200") && !answer.contains("REPORT"),
            "{answer}"
        );
        let range = ByteRange {
            start: range.0,
            end: Some(range.1),
            total: Some(9),
        };
        peer.endpoint
            .report(peer.session, &id, range, StatusCode::OK, peer.now)
            .unwrap();
        let report = peer.answers();
        assert!(
            report.contains(&format!("Byte-Range: {range}\r\nStatus: 000 200 OK\r\n")),
            "{report}"
        );
    }
}
