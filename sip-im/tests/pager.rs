//! Messages in pager mode: turns, sizes, outcomes, and the laws of every machine.
#![cfg(test)]

mod machines;

use std::time::{Duration, Instant};

use machines::{FINE, Pair, Weather, answer, epoch, request, uri};
use proptest::prelude::*;
use sip_im::dialog::Dialog;
use sip_im::digest::{Algorithm, Challenge, Ha1};
use sip_im::endpoint::{Event as SipEvent, RequestFailure};
use sip_im::header::{Date, Expires, HeaderName, RetryAfter};
use sip_im::pager::{Config, Draft, Event, Failure, MessageKey, Overlap, Pager, SendError, Validity};
use sip_im::{Method, Request, StatusCode, Transport};

const UNIX: Duration = Duration::from_secs(1_700_000_000);

fn begun(to: &str, call: &str) -> sip_im::RequestBuilder {
    Request::builder(Method::Message, uri(to))
        .from(&uri("sip:alice@a.test"), None, "alice-tag")
        .to(&uri(to), None)
        .call_id(call)
        .cseq(1)
}

fn message(to: &str, text: &str) -> Request {
    Draft::text(text)
        .request(begun(to, "c1"), UNIX)
        .expect("a request")
}

fn to_bob(text: &str) -> Request {
    message("sip:bob@b.test", text)
}

/// The text of the request whose turn it is.
fn turn(pager: &mut Pager, now: Instant) -> Option<(MessageKey, String)> {
    let transmit = pager.poll_transmit(now)?;
    let text = String::from_utf8(transmit.request.body().to_vec()).expect("text");
    Some((transmit.message, text))
}

fn respond(pager: &mut Pager, message: MessageKey, status: StatusCode, now: Instant) {
    let request = pager
        .unfinished()
        .find(|(key, _)| *key == message)
        .map(|(_, request)| request.clone());
    let response = request.expect("under way").response(status).to_tag("b").build();
    pager.handle_response(message, &response.expect("a response"), now);
}

fn failure(pager: &mut Pager) -> Failure {
    match pager.poll_event() {
        Some(Event::Failed { failure, .. }) => failure,
        other => panic!("no failure but {other:?}"),
    }
}

fn dialog() -> Dialog {
    let invite = request(Method::Invite, "dialog");
    Dialog::from_uac(&invite, &answer(&invite, StatusCode::OK)).expect("a dialog")
}

fn in_dialog(dialog: &mut Dialog, text: &str) -> Request {
    Draft::text(text)
        .request(dialog.request(Method::Message), UNIX)
        .expect("a request")
}

//= https://www.rfc-editor.org/rfc/rfc3428#section-8
//= type=test
//# A UAC MUST NOT initiate a new out-of-dialog MESSAGE transaction to a
//# given URI if there is a previous out-of-dialog transaction pending
//# for the same URI.
#[test]
fn messages_to_one_address_take_turns_and_others_do_not_wait() {
    let (mut pager, now) = (Pager::new(Config::default()), epoch());
    let first = pager.send(to_bob("one"), now).expect("taken");
    // The same address, written differently.
    pager
        .send(message("sip:bob@B.TEST;transport=tcp", "two"), now)
        .expect("taken");
    pager
        .send(message("sip:carol@b.test", "three"), now)
        .expect("taken");
    assert_eq!(turn(&mut pager, now), Some((first, "one".to_owned())));
    assert_eq!(
        turn(&mut pager, now).map(|(_, text)| text).as_deref(),
        Some("three")
    );
    assert_eq!(turn(&mut pager, now), None, "the second waits for the first");
    respond(&mut pager, first, StatusCode::OK, now);
    assert_eq!(
        turn(&mut pager, now).map(|(_, text)| text).as_deref(),
        Some("two")
    );
}

#[test]
fn a_second_message_may_be_refused_or_let_through_instead() {
    let now = epoch();
    let mut config = Config::default();
    config.overlap = Overlap::Refuse;
    let mut pager = Pager::new(config);
    let first = pager.send(to_bob("one"), now).expect("taken");
    assert_eq!(pager.send(to_bob("two"), now), Err(SendError::Busy));
    turn(&mut pager, now).expect("a turn");
    respond(&mut pager, first, StatusCode::OK, now);
    assert!(pager.send(to_bob("two"), now).is_ok());

    let mut config = Config::default();
    config.overlap = Overlap::Allow;
    let mut pager = Pager::new(config);
    pager.send(to_bob("one"), now).expect("taken");
    pager.send(to_bob("two"), now).expect("taken");
    assert!(turn(&mut pager, now).is_some() && turn(&mut pager, now).is_some());
}

//= https://www.rfc-editor.org/rfc/rfc3428#section-8
//= type=test
//# Similarly, A UAC SHOULD NOT initiate overlapping
//# MESSAGE transactions inside a dialog, and MUST NOT do so unless the
//# route set for that dialog uses a congestion-controlled transport at
//# every hop.
#[test]
fn messages_inside_a_dialog_take_turns_and_the_numbers_of_their_turns() {
    let (mut pager, now, mut dialog) = (Pager::new(Config::default()), epoch(), dialog());
    let id = dialog.id().clone();
    let (one, two) = (in_dialog(&mut dialog, "one"), in_dialog(&mut dialog, "two"));
    let first = pager.send_in_dialog(one, id.clone(), now).expect("taken");
    pager.send_in_dialog(two, id.clone(), now).expect("taken");
    // Outside of the dialog it is another recipient.
    pager.send(to_bob("three"), now).expect("taken");
    assert_eq!(
        turn(&mut pager, now).map(|(_, text)| text).as_deref(),
        Some("one")
    );
    assert_eq!(
        turn(&mut pager, now).map(|(_, text)| text).as_deref(),
        Some("three")
    );
    assert_eq!(turn(&mut pager, now), None);
    // Meanwhile the dialog goes on.
    let info = dialog.request(Method::Info).build().expect("a request");
    respond(&mut pager, first, StatusCode::OK, now);
    let mut transmit = pager.poll_transmit(now).expect("the second");
    assert_eq!(transmit.dialog.as_ref(), Some(&id));
    dialog.renumber(&mut transmit.request).expect("a number");
    let (number, before) = (
        transmit.request.cseq().expect("a number"),
        info.cseq().expect("a number"),
    );
    assert_eq!(number.seq, before.seq + 1);
    assert_eq!(number.method, Method::Message);
}

#[test]
fn the_end_of_a_dialog_is_the_end_of_what_waits_in_it() {
    let (mut pager, now, mut dialog) = (Pager::new(Config::default()), epoch(), dialog());
    let id = dialog.id().clone();
    let first = pager
        .send_in_dialog(in_dialog(&mut dialog, "one"), id.clone(), now)
        .expect("taken");
    pager
        .send_in_dialog(in_dialog(&mut dialog, "two"), id.clone(), now)
        .expect("taken");
    turn(&mut pager, now).expect("a turn");
    respond(
        &mut pager,
        first,
        StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
        now,
    );
    assert!(matches!(failure(&mut pager), Failure::Refused(_)));
    assert!(matches!(failure(&mut pager), Failure::DialogEnded));
    assert_eq!(turn(&mut pager, now), None);
    assert!(pager.is_drained() && pager.poll_timeout().is_none());
    // So is one that its host ends.
    pager
        .send_in_dialog(in_dialog(&mut dialog, "three"), id.clone(), now)
        .expect("taken");
    pager.dialog_ended(&id);
    assert!(matches!(failure(&mut pager), Failure::DialogEnded));
    assert!(pager.is_drained() && pager.poll_timeout().is_none());
}

//= https://www.rfc-editor.org/rfc/rfc3428#section-4
//= type=test
//# If the UAC receives a 200 OK response to a MESSAGE request, it may
//# assume the message has been delivered to the final destination.
//= https://www.rfc-editor.org/rfc/rfc3428#section-4
//= type=test
//# In this case,
//# the UAC MUST NOT assume the message has been delivered to the final
//# destination.
#[test]
fn every_message_has_one_outcome_that_says_what_is_known() {
    let (mut pager, now) = (Pager::new(Config::default()), epoch());
    let outcome = |pager: &mut Pager, status: StatusCode| {
        let key = pager.send(to_bob("text"), now).expect("taken");
        turn(pager, now).expect("a turn");
        respond(pager, key, StatusCode::TRYING, now);
        assert!(
            pager.poll_event().is_none(),
            "a provisional response says nothing"
        );
        respond(pager, key, status, now);
        let event = pager.poll_event().expect("an outcome");
        assert_eq!(event.message(), key);
        assert!(pager.is_drained());
        event
    };
    assert!(matches!(
        outcome(&mut pager, StatusCode::OK),
        Event::Delivered { .. }
    ));
    assert!(matches!(
        outcome(&mut pager, StatusCode::ACCEPTED),
        Event::Accepted { .. }
    ));
    for status in [
        StatusCode::BUSY_HERE,
        StatusCode::DECLINE,
        StatusCode::UNAUTHORIZED,
    ] {
        let Event::Failed { failure, .. } = outcome(&mut pager, status) else {
            panic!("{status} is a failure")
        };
        assert_eq!(failure.status(), Some(status));
        assert!(!failure.wants_session());
    }
    for (reason, status) in [
        (RequestFailure::TimedOut, StatusCode::REQUEST_TIMEOUT),
        (RequestFailure::TransportFailed, StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let key = pager.send(to_bob("text"), now).expect("taken");
        turn(&mut pager, now).expect("a turn");
        pager.handle_failure(key, reason);
        // What comes afterwards is about nothing.
        pager.handle_failure(key, reason);
        assert_eq!(failure(&mut pager).status(), Some(status));
        assert!(pager.is_drained());
    }
}

#[test]
fn what_has_not_been_sent_has_no_answer_and_can_be_taken_back() {
    let (mut pager, now) = (Pager::new(Config::default()), epoch());
    let key = pager.send(to_bob("one"), now).expect("taken");
    respond(&mut pager, key, StatusCode::OK, now);
    pager.handle_failure(key, RequestFailure::TimedOut);
    assert!(pager.poll_event().is_none());
    assert!(pager.withdraw(key));
    assert!(matches!(failure(&mut pager), Failure::Withdrawn));
    assert!(!pager.withdraw(key));
    let key = pager.send(to_bob("two"), now).expect("taken");
    turn(&mut pager, now).expect("a turn");
    assert!(!pager.withdraw(key), "it is on its way");
}

//= https://www.rfc-editor.org/rfc/rfc3428#section-8
//= type=test
//# The size of MESSAGE requests outside of a media session MUST NOT
//# exceed 1300 bytes, unless the UAC has positive knowledge that the
//# message will not traverse a congestion-unsafe link at any hop,
#[test]
fn a_message_fits_on_every_hop_or_is_told_to_use_a_session() {
    let (config, now) = (Config::default(), epoch());
    let mut pager = Pager::new(config.clone());
    let of_size = |octets: usize| {
        let bare = to_bob("").to_bytes().len();
        // The longer body makes Content-Length longer, by as many digits.
        let body = "x".repeat(octets - bare - 2);
        let begun = begun("sip:bob@b.test", "c1");
        Draft::text(body).request(begun, UNIX).expect("a request")
    };
    let largest = config.max_octets - config.own_octets - config.later_octets;
    let fits = of_size(largest);
    assert_eq!(fits.to_bytes().len(), largest);
    assert!(pager.send(fits, now).is_ok());
    let Err(SendError::TooLarge(error)) = pager.send(of_size(largest + 1), now) else {
        panic!("one octet too many")
    };
    assert_eq!((error.limit, error.excess()), (1300, 1));
    assert!(error.to_string().contains("session"));
    assert!(Failure::TooLarge(error).wants_session());
    // Who knows the way may send more.
    assert!(pager.send_within(of_size(largest + 1), 65_536, now).is_ok());
}

#[test]
fn credentials_for_the_first_server_go_no_further_than_to_it() {
    let mut config = Config::default();
    config.realm = Some("a.test".to_owned());
    let (mut pager, now) = (Pager::new(config.clone()), epoch());
    let key = pager.send(to_bob(&"x".repeat(600)), now).expect("taken");
    let plain = pager.poll_transmit(now).expect("a turn").request;
    let with = |name: &HeaderName, realm: &str, octets: usize| {
        let mut request = plain.clone();
        let challenge = Challenge::new(realm, "n", Algorithm::Sha256);
        let ha1 = Ha1::of_password(Algorithm::Sha256, "alice", realm, "secret");
        let cnonce = "c".repeat(octets);
        let credentials = challenge.answer("alice", &ha1, "MESSAGE", "sip:bob@b.test", &cnonce, 1, b"");
        let value = credentials.to_string();
        request.headers_mut().push(name, &value).expect("a value");
        pager.check_size(key, &request)
    };
    let left = config.max_octets - config.own_octets - config.later_octets - plain.to_bytes().len();
    for (name, realm, fits) in [
        (HeaderName::AUTHORIZATION, "a.test", true),
        (HeaderName::AUTHORIZATION, "b.test", false),
        (HeaderName::PROXY_AUTHORIZATION, "b.test", true),
    ] {
        assert_eq!(with(&name, realm, 0).is_ok(), fits, "{name} of {realm}");
        assert!(
            with(&name, realm, left + config.later_octets).is_err(),
            "too large for the first hop"
        );
    }
}

//= https://www.rfc-editor.org/rfc/rfc3428#section-4
//= type=test
//# User Agents MUST NOT
//# insert Contact header fields into MESSAGE requests.
#[test]
fn what_is_no_message_is_not_taken() {
    let (mut pager, now) = (Pager::new(Config::default()), epoch());
    let with_contact = request(Method::Message, "c1");
    assert_eq!(pager.send(with_contact, now), Err(SendError::Contact));
    let options = Request::builder(Method::Options, uri("sip:bob@b.test"))
        .from(&uri("sip:alice@a.test"), None, "a")
        .to(&uri("sip:bob@b.test"), None)
        .call_id("c")
        .cseq(1);
    assert_eq!(
        pager.send(options.build().expect("a request"), now),
        Err(SendError::Method)
    );
    let mut dialog = dialog();
    assert_eq!(
        pager.send(in_dialog(&mut dialog, "one"), now),
        Err(SendError::Tag)
    );
    let id = dialog.id().clone();
    assert_eq!(pager.send_in_dialog(to_bob("one"), id, now), Err(SendError::Tag));
    assert!(pager.is_drained() && !pager.has_transmits());
}

//= https://www.rfc-editor.org/rfc/rfc3261#section-21.5.4
//= type=test
//# It SHOULD NOT forward any other requests to that server for
//# the duration specified in the Retry-After header field, if present.
#[test]
fn a_server_that_asks_to_be_left_alone_is_left_alone() {
    let (mut pager, now) = (Pager::new(Config::default()), epoch());
    let first = pager.send(to_bob("one"), now).expect("taken");
    pager.send(to_bob("two"), now).expect("taken");
    let sent = pager.poll_transmit(now).expect("a turn").request;
    let response = sent
        .response(StatusCode::SERVICE_UNAVAILABLE)
        .header_typed(&RetryAfter::new(10))
        .build()
        .expect("a response");
    pager.handle_response(first, &response, now);
    assert_eq!(failure(&mut pager).retry_after(), Some(Duration::from_secs(10)));
    pager.send(to_bob("three"), now).expect("taken");
    assert_eq!(turn(&mut pager, now), None);
    let at = pager.poll_timeout().expect("the end of the wait");
    assert_eq!(at, now + Duration::from_secs(10));
    pager.handle_timeout(at);
    assert_eq!(turn(&mut pager, at).map(|(_, text)| text).as_deref(), Some("two"));
    assert_eq!(turn(&mut pager, at), None);
}

#[test]
fn a_peer_cannot_silence_a_recipient_for_longer_than_the_configuration_says() {
    let (mut pager, now) = (Pager::new(Config::default()), epoch());
    let key = pager.send(to_bob("one"), now).expect("taken");
    let sent = pager.poll_transmit(now).expect("a turn").request;
    let response = sent
        .response(StatusCode::SERVICE_UNAVAILABLE)
        .header_typed(&RetryAfter::new(u32::MAX))
        .build()
        .expect("a response");
    pager.handle_response(key, &response, now);
    let at = now + Config::default().max_hold;
    assert_eq!(pager.poll_timeout(), Some(at));
    pager.handle_timeout(at);
    failure(&mut pager);
    assert!(pager.is_drained() && pager.poll_timeout().is_none());
}

#[test]
fn a_message_is_not_sent_when_its_time_has_passed() {
    let (mut pager, now) = (Pager::new(Config::default()), epoch());
    let first = pager.send(to_bob("one"), now).expect("taken");
    let brief = Draft::text("two")
        .expires(Duration::from_secs(5))
        .request(begun("sip:bob@b.test", "c2"), UNIX)
        .expect("a request");
    pager.send(brief, now).expect("taken");
    pager.send(to_bob("three"), now).expect("taken");
    turn(&mut pager, now).expect("a turn");
    pager.handle_timeout(now + Duration::from_secs(5));
    assert!(matches!(failure(&mut pager), Failure::Expired));
    let later = now + Duration::from_secs(6);
    respond(&mut pager, first, StatusCode::OK, later);
    assert_eq!(
        turn(&mut pager, later).map(|(_, text)| text).as_deref(),
        Some("three")
    );
    // One that nobody asks about for too long is given up as well.
    pager.send(to_bob("four"), later).expect("taken");
    pager.poll_event();
    pager.handle_timeout(later + Config::default().max_wait);
    assert!(matches!(failure(&mut pager), Failure::WaitedTooLong));
}

#[test]
fn what_waits_is_bounded_for_one_recipient_and_for_all() {
    let now = epoch();
    let mut config = Config::default();
    (config.max_messages, config.max_waiting) = (4, 1);
    let mut pager = Pager::new(config);
    let first = pager.send(to_bob("one"), now).expect("under way");
    pager.send(to_bob("two"), now).expect("waiting");
    assert_eq!(pager.send(to_bob("three"), now), Err(SendError::QueueFull));
    for name in ["carol", "dave"] {
        pager
            .send(message(&format!("sip:{name}@b.test"), name), now)
            .expect("taken");
    }
    assert_eq!(
        pager.send(message("sip:eve@b.test", "eve"), now),
        Err(SendError::TooMany)
    );
    assert_eq!(pager.unsent(), 4);
    turn(&mut pager, now).expect("a turn");
    respond(&mut pager, first, StatusCode::OK, now);
    assert_eq!(
        pager.send(message("sip:eve@b.test", "eve"), now),
        Err(SendError::TooMany),
        "an outcome that is not polled counts"
    );
    pager.poll_event().expect("an outcome");
    assert!(pager.send(message("sip:eve@b.test", "eve"), now).is_ok());
}

//= https://www.rfc-editor.org/rfc/rfc3428#section-7
//= type=test
//# MESSAGE requests without an Expires header
//# field do not expire.  If the MESSAGE request containing an Expires
//# header field also contains a Date header field, the UAS SHOULD
//# interpret the Expires header field value as delta time from the Date
//# header field value.  If the request does not contain a Date header
//# field, the UAS SHOULD interpret the Expires header value as delta
//# time from the time the UAS received the request.
#[test]
fn a_message_that_came_late_is_known_to_be_late() {
    let request = |expires: Option<u32>, date: Option<Duration>| {
        let mut builder = begun("sip:bob@b.test", "c");
        if let Some(expires) = expires {
            builder = builder.header_typed(&Expires(expires));
        }
        if let Some(date) = date {
            builder = builder.header_typed(&Date::from_unix(date));
        }
        builder.build().expect("a request")
    };
    let second = Duration::from_secs(1);
    let received = UNIX + 50 * second;
    assert_eq!(Validity::of(&request(None, Some(UNIX)), received).ends(), None);
    let dated = Validity::of(&request(Some(60), Some(UNIX)), received);
    assert_eq!(
        (dated.sent(), dated.ends()),
        (Some(UNIX), Some(UNIX + 60 * second))
    );
    assert!(!dated.is_expired(UNIX + 60 * second) && dated.is_expired(UNIX + 61 * second));
    let undated = Validity::of(&request(Some(60), None), received);
    assert_eq!(undated.ends(), Some(received + 60 * second));
    let stale = Validity::of(&request(Some(0), Some(UNIX)), received);
    assert!(stale.is_expired(received));
    let mut odd = request(Some(60), None);
    odd.headers_mut()
        .push(&HeaderName::DATE, "yesterday")
        .expect("a value");
    assert_eq!(Validity::of(&odd, received), undated);
}

/// Alice's messages to bob over a network; how many were delivered and how many failed.
fn conversation(weather: Weather, seed: u64) -> (usize, usize) {
    let mut pair = Pair::new(weather, seed);
    let mut pager = Pager::new(Config::default());
    let mut keys = std::collections::BTreeMap::new();
    for number in 0..6 {
        pager
            .send(to_bob(&format!("text {number}")), pair.now)
            .expect("taken");
    }
    let (mut delivered, mut failed) = (0, 0);
    let mut arrived: Vec<String> = Vec::new();
    for _ in 0..100_000 {
        while let Some(transmit) = pager.poll_transmit(pair.now) {
            let target = pair.target(1, Transport::Udp);
            let now = pair.now;
            let id = pair.ends[0]
                .endpoint
                .send(transmit.request, target, now)
                .expect("sent");
            assert!(keys.insert(id, transmit.message).is_none());
            assert_eq!(keys.len(), 1, "one at a time");
        }
        pair.settle();
        let now = pair.now;
        for event in std::mem::take(&mut pair.ends[0].events) {
            match event {
                SipEvent::ResponseReceived {
                    transaction,
                    response,
                } => {
                    if let Some(key) = keys.get(&transaction) {
                        pager.handle_response(*key, &response, now);
                    }
                    if response.status().is_final() {
                        keys.remove(&transaction);
                    }
                }
                SipEvent::RequestFailed { transaction, reason } => {
                    if let Some(key) = keys.remove(&transaction) {
                        pager.handle_failure(key, reason);
                    }
                }
                _ => {}
            }
        }
        for event in std::mem::take(&mut pair.ends[1].events) {
            if let SipEvent::RequestReceived {
                transaction, request, ..
            } = event
            {
                arrived.push(String::from_utf8_lossy(request.body()).into_owned());
                let response = request
                    .response(StatusCode::OK)
                    .to_tag("b")
                    .build()
                    .expect("a response");
                pair.ends[1]
                    .endpoint
                    .respond(transaction, response, now)
                    .expect("answered");
            }
        }
        while let Some(event) = pager.poll_event() {
            match event {
                Event::Delivered { .. } => delivered += 1,
                _ => failed += 1,
            }
        }
        if !pager.has_transmits() && !pair.step() {
            break;
        }
    }
    assert!(pager.is_drained() && pager.poll_timeout().is_none());
    let mut sorted = arrived.clone();
    sorted.sort();
    assert_eq!(
        arrived, sorted,
        "they come in the order in which they were sent, each once"
    );
    pair.assert_nothing_left();
    (delivered, failed)
}

#[test]
fn whatever_is_lost_every_message_has_one_outcome_and_nothing_is_left() {
    assert_eq!(conversation(FINE, 1), (6, 0));
    let mut delivered = 0;
    for seed in 0..60 {
        let weather = Weather {
            loss: seed % 51,
            repeat: 10,
            jitter: Duration::from_millis(50),
            ..FINE
        };
        let (arrived, failed) = conversation(weather, seed);
        assert_eq!(arrived + failed, 6);
        delivered += arrived;
    }
    assert!(delivered > 60 * 6 / 2, "{delivered}");
    assert_eq!(conversation(Weather { loss: 100, ..FINE }, 1), (0, 6));
}

/// Something done to a pager.
#[derive(Clone, Debug)]
enum Operation {
    Send {
        to: u8,
        expires: Option<u8>,
    },
    SendInDialog,
    Turn,
    Respond {
        which: u8,
        status: u16,
        after: Option<u8>,
    },
    Fail {
        which: u8,
    },
    Withdraw {
        which: u8,
    },
    DialogEnded,
    Wait {
        seconds: u8,
    },
    Timeout,
    Poll,
}

fn operation() -> impl Strategy<Value = Operation> {
    let status = prop_oneof![
        Just(100_u16),
        Just(200),
        Just(202),
        Just(404),
        Just(481),
        Just(503)
    ];
    prop_oneof![
        4 => (0..3_u8, proptest::option::of(0..40_u8)).prop_map(|(to, expires)| Operation::Send { to, expires }),
        1 => Just(Operation::SendInDialog),
        4 => Just(Operation::Turn),
        4 => (any::<u8>(), status, proptest::option::of(0..90_u8))
            .prop_map(|(which, status, after)| Operation::Respond { which, status, after }),
        1 => any::<u8>().prop_map(|which| Operation::Fail { which }),
        1 => any::<u8>().prop_map(|which| Operation::Withdraw { which }),
        1 => Just(Operation::DialogEnded),
        2 => (0..100_u8).prop_map(|seconds| Operation::Wait { seconds }),
        2 => Just(Operation::Timeout),
        1 => Just(Operation::Poll),
    ]
}

struct Host {
    pager: Pager,
    dialog: Dialog,
    now: Instant,
    taken: Vec<MessageKey>,
    sent: Vec<(MessageKey, Request)>,
    outcomes: Vec<MessageKey>,
    log: Vec<String>,
    eager: bool,
}

impl Host {
    fn new(start: Instant, overlap: Overlap, eager: bool) -> Self {
        let mut config = Config::default();
        (config.max_messages, config.max_waiting) = (12, 3);
        (config.overlap, config.overlap_in_dialog) = (overlap, overlap);
        Self {
            pager: Pager::new(config),
            dialog: dialog(),
            now: start,
            taken: Vec::new(),
            sent: Vec::new(),
            outcomes: Vec::new(),
            log: Vec::new(),
            eager,
        }
    }

    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Send { to, expires } => {
                let mut draft = Draft::text("text");
                if let Some(seconds) = expires {
                    draft = draft.expires(Duration::from_secs(u64::from(*seconds)));
                }
                let begun = begun(&format!("sip:user{to}@b.test"), "c");
                let taken = self
                    .pager
                    .send(draft.request(begun, UNIX).expect("a request"), self.now);
                self.take(taken);
            }
            Operation::SendInDialog => {
                let request = in_dialog(&mut self.dialog, "text");
                let taken = self
                    .pager
                    .send_in_dialog(request, self.dialog.id().clone(), self.now);
                self.take(taken);
            }
            Operation::Turn => {
                if let Some(transmit) = self.pager.poll_transmit(self.now) {
                    self.log.push(format!("{transmit:?}"));
                    self.sent.push((transmit.message, transmit.request));
                }
            }
            Operation::Respond { which, status, after } => {
                let Some(at) = usize::from(*which).checked_rem(self.sent.len()) else {
                    return;
                };
                let (message, request) = &self.sent[at];
                let mut builder = request
                    .response(StatusCode::new(*status).expect("a status"))
                    .to_tag("b");
                if let Some(seconds) = after {
                    builder = builder.header_typed(&RetryAfter::new(u32::from(*seconds)));
                }
                let response = builder.build().expect("a response");
                self.pager.handle_response(*message, &response, self.now);
            }
            Operation::Fail { which } => {
                if let Some(at) = usize::from(*which).checked_rem(self.sent.len()) {
                    self.pager
                        .handle_failure(self.sent[at].0, RequestFailure::TimedOut);
                }
            }
            Operation::Withdraw { which } => {
                if let Some(at) = usize::from(*which).checked_rem(self.taken.len()) {
                    let done = self.pager.withdraw(self.taken[at]);
                    self.log.push(format!("withdrawn {done}"));
                }
            }
            Operation::DialogEnded => self.pager.dialog_ended(&self.dialog.id().clone()),
            Operation::Wait { seconds } => {
                let later = self.now + Duration::from_secs(u64::from(*seconds));
                let early = self.pager.poll_timeout().is_none_or(|at| at > later);
                let before = format!("{:?}", self.pager);
                self.now = later;
                self.pager.handle_timeout(later);
                assert!(
                    !early || before == format!("{:?}", self.pager),
                    "an early timeout did something"
                );
                self.check_ahead();
            }
            Operation::Timeout => {
                if let Some(at) = self.pager.poll_timeout() {
                    self.now = self.now.max(at);
                    self.pager.handle_timeout(self.now);
                    self.check_ahead();
                }
            }
            Operation::Poll => self.poll(),
        }
        assert!(self.pager.unfinished().count() <= 12, "more than the limit");
        if self.eager {
            self.poll();
        }
    }

    fn take(&mut self, taken: Result<MessageKey, SendError>) {
        self.log.push(format!("{taken:?}"));
        self.taken.extend(taken);
    }

    fn poll(&mut self) {
        while let Some(event) = self.pager.poll_event() {
            self.log.push(format!("{event:?}"));
            self.outcomes.push(event.message());
        }
    }

    fn check_ahead(&self) {
        let next = self.pager.poll_timeout();
        assert!(
            next.is_none_or(|next| next > self.now),
            "a timeout that does not go away"
        );
    }

    /// Answers everything.
    fn finish(&mut self) {
        for _ in 0..200 {
            self.apply(&Operation::Turn);
            for (message, request) in std::mem::take(&mut self.sent) {
                let response = request
                    .response(StatusCode::OK)
                    .to_tag("b")
                    .build()
                    .expect("a response");
                self.pager.handle_response(message, &response, self.now);
            }
            self.poll();
            if !self.pager.has_transmits() {
                self.apply(&Operation::Timeout);
            }
        }
        self.poll();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_pager_keeps_the_laws(operations in proptest::collection::vec(operation(), 0..80), which in 0..3_usize) {
        let overlap = [Overlap::Wait, Overlap::Refuse, Overlap::Allow][which];
        let start = epoch();
        let run = |eager: bool| {
            let mut host = Host::new(start, overlap, eager);
            for operation in &operations {
                host.apply(operation);
            }
            host.finish();
            host
        };
        let (one, again) = (run(true), run(true));
        prop_assert_eq!(&one.log, &again.log);
        for host in [one, run(false)] {
            prop_assert!(host.pager.is_drained(), "{:?}", host.pager);
            prop_assert_eq!(host.pager.poll_timeout(), None);
            prop_assert_eq!(host.pager.unsent(), 0);
            let mut outcomes = host.outcomes.clone();
            outcomes.sort();
            prop_assert_eq!(outcomes, host.taken, "each message ends once");
        }
    }
}
