//! What crosses on the way: offers, BYE, CANCEL, and the responses of a forked INVITE (RFC 5407 and the RFCs that it explains).
#![cfg(test)]

mod machines;

use std::time::Duration;

use bytes::Bytes;
use machines::calls::{
    accept, accepted, agreed, answer_offer, assert_agreed, call, end, ended, established, finish, invitation,
    invite, invite_failed, media, news, offered, pair, progress, refused, reply, state, taken,
};
use machines::talk::{SECOND, methods, received};
use machines::{FINE, Pair, answer, contact_of, request, uri};
use sip_im::dialog::Dialog;
use sip_im::endpoint::{Event, Input};
use sip_im::header::{CSeq, HeaderName, RAck, RSeq, Require, RetryAfter};
use sip_im::session::{
    EndReason, Failure, OfferPlace, Reply, SessionError, SessionEvent, SessionId, SessionState, ends_dialog,
};
use sip_im::{ContentType, Message, Method, Request, Response, StatusCode};

/// An end makes an offer.
fn offer(pair: &mut Pair, at: usize, session: SessionId, port: u16, by_update: bool) {
    let now = pair.now;
    pair.ends[at]
        .endpoint
        .offer(session, &media(port), by_update, now)
        .expect("offered");
}

/// Each end takes what it is offered.
fn take_offers_now(pair: &mut Pair, answers: [u16; 2]) {
    pair.settle();
    for (at, answer) in answers.into_iter().enumerate() {
        let found = pair.ends[at]
            .events
            .iter()
            .position(|event| offered(event).is_some());
        let Some(found) = found else { continue };
        let event = pair.ends[at].events.remove(found);
        let (session, place, _) = offered(&event).expect("an offer");
        let now = pair.now;
        if place == OfferPlace::Invite {
            let reply = Reply::with(StatusCode::OK, media(answer));
            pair.ends[at]
                .endpoint
                .answer_invite(session, reply, now)
                .expect("answered");
        } else {
            answer_offer(pair, at, session, &media(answer));
        }
    }
}

fn take_offers(pair: &mut Pair, limit: Duration, answers: [u16; 2]) {
    let until = pair.now + limit;
    while pair.now < until {
        pair.run_for(Duration::from_millis(20));
        take_offers_now(pair, answers);
    }
}

/// When an end has sent requests of a method.
fn sent_at(pair: &mut Pair, method: &str, limit: Duration) -> [Vec<Duration>; 2] {
    let mut times = [Vec::new(), Vec::new()];
    let mut seen = [pair.ends[0].sent.len(), pair.ends[1].sent.len()];
    let until = pair.elapsed() + limit;
    loop {
        take_offers_now(pair, [1001, 2001]);
        pair.settle();
        for at in 0..2 {
            for name in methods(&pair.ends[at].sent[seen[at]..]) {
                if name == method {
                    times[at].push(pair.elapsed());
                }
            }
            seen[at] = pair.ends[at].sent.len();
        }
        if pair.elapsed() >= until || !pair.step() {
            return times;
        }
    }
}

#[test]
fn offers_that_cross_are_refused_and_made_again_the_callees_first() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-14.2
    //= type=test
    //# A UAS that receives an INVITE on a dialog while an INVITE it had sent
    //# on that dialog is in progress MUST return a 491 (Request Pending)
    //# response to the received INVITE.
    //= https://www.rfc-editor.org/rfc/rfc3311#section-5.2
    //= type=test
    //# If an UPDATE is received that contains an offer, and the UAS has
    //# generated an offer (in an UPDATE, PRACK or INVITE) to which it has
    //# not yet received an answer, the UAS MUST reject the UPDATE with a 491
    //# response.
    for by_update in [[false, false], [true, true], [false, true], [true, false]] {
        for seed in 0..10 {
            let mut pair = pair(FINE, seed);
            let sessions = established(&mut pair);
            pair.ends[0].sent.clear();
            pair.ends[1].sent.clear();
            offer(&mut pair, 0, sessions[0], 1001, by_update[0]);
            offer(&mut pair, 1, sessions[1], 2001, by_update[1]);
            pair.run_for(Duration::from_millis(50));
            for (at, session) in sessions.into_iter().enumerate() {
                let sent = methods(&pair.ends[at].sent);
                assert!(sent.contains(&"491".to_owned()), "end {at}: {sent:?}");
                let now = pair.now;
                let again = pair.ends[at].endpoint.offer(session, &media(9), false, now);
                assert_eq!(
                    again,
                    Err(SessionError::Pending),
                    "the first is made again by itself"
                );
            }
            take_offers(&mut pair, 8 * SECOND, [1001, 2001]);
            assert_agreed(&pair, sessions, [1001, 2001]);
            finish(&mut pair, sessions);
        }
    }
}

#[test]
fn how_long_a_crossed_offer_waits_depends_on_who_owns_the_call_id() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-14.1
    //= type=test
    //# 1. If the UAC is the owner of the Call-ID of the dialog ID
    //# (meaning it generated the value), T has a randomly chosen value
    //# between 2.1 and 4 seconds in units of 10 ms.
    //= https://www.rfc-editor.org/rfc/rfc3261#section-14.1
    //= type=test
    //# 2. If the UAC is not the owner of the Call-ID of the dialog ID, T
    //# has a randomly chosen value of between 0 and 2 seconds in units
    //# of 10 ms.
    let latency = FINE.latency;
    let mut waits = [Vec::new(), Vec::new()];
    for seed in 0..20 {
        let mut pair = pair(FINE, seed);
        let sessions = established(&mut pair);
        pair.settle();
        let begun = pair.elapsed();
        offer(&mut pair, 0, sessions[0], 1001, true);
        offer(&mut pair, 1, sessions[1], 2001, true);
        let times = sent_at(&mut pair, "UPDATE", 5 * SECOND);
        for at in 0..2 {
            // The refusal takes a round trip.
            let second = times[at].iter().find(|time| **time > begun).expect("made again");
            waits[at].push(second.saturating_sub(begun + latency * 2));
        }
    }
    let millis = Duration::from_millis;
    assert!(
        waits[0]
            .iter()
            .all(|wait| (millis(2100)..=millis(4000)).contains(wait)),
        "{:?}",
        waits[0]
    );
    assert!(
        waits[1].iter().all(|wait| *wait <= millis(2001)),
        "{:?}",
        waits[1]
    );
    for waits in &mut waits {
        waits.sort_unstable();
        waits.dedup();
        assert!(waits.len() > 10, "chosen at random");
    }
}

#[test]
fn refreshes_without_offer_cross_unharmed() {
    let mut pair = pair(FINE, 3);
    let sessions = established(&mut pair);
    let now = pair.now;
    for (at, session) in sessions.into_iter().enumerate() {
        pair.ends[at]
            .endpoint
            .refresh_session(session, now)
            .expect("refreshed");
    }
    pair.run_for(SECOND);
    for end in &pair.ends {
        assert!(!methods(&end.sent).contains(&"491".to_owned()));
    }
    finish(&mut pair, sessions);
}

/// What the first end's dialog sends next, past the machine.
fn raw(pair: &Pair, session: SessionId, method: Method, sequence: u32, body: Option<u16>) -> Request {
    let mut dialog = pair.ends[0]
        .endpoint
        .session_dialog(session)
        .expect("a dialog")
        .clone();
    dialog.advance(sequence - 1);
    let mut request = dialog
        .request(method)
        .contact(&contact_of("sip:alice@192.0.2.1"))
        .build()
        .expect("a request");
    if let Some(port) = body {
        let mut description = media(port);
        description.origin.version = sequence.to_string().into();
        request
            .set_body(&ContentType::application_sdp(), description.write())
            .expect("a body");
    }
    request
}

fn send_raw(pair: &mut Pair, request: Request) -> Option<Response> {
    let client = machines::talk::send(pair, request, sip_im::Transport::Udp);
    pair.wait(0, 40 * SECOND, |event| match event {
        Event::ResponseReceived {
            transaction,
            response,
        } if *transaction == client && response.status().is_final() => Some(response.clone()),
        _ => None,
    })
}

#[test]
fn a_second_invite_or_update_before_the_answer_to_the_first_is_put_off() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-14.2
    //= type=test
    //# A UAS that receives a second INVITE before it sends the final
    //# response to a first INVITE with a lower CSeq sequence number on the
    //# same dialog MUST return a 500 (Server Internal Error) response to the
    //# second INVITE and MUST include a Retry-After header field with a
    //# randomly chosen value of between 0 and 10 seconds.
    //= https://www.rfc-editor.org/rfc/rfc3311#section-5.2
    //= type=test
    //# A UAS that receives an UPDATE before it has generated a final
    //# response to a previous UPDATE on the same dialog MUST return a 500
    //# response to the new UPDATE, and MUST include a Retry-After header
    //# field with a randomly chosen value between 0 and 10 seconds.
    for (first, second) in [
        (Method::Invite, Method::Invite),
        (Method::Invite, Method::Update),
        (Method::Update, Method::Update),
        (Method::Update, Method::Invite),
    ] {
        let mut pair = pair(FINE, 4);
        let sessions = established(&mut pair);
        let one = raw(&pair, sessions[0], first, 10, Some(1001));
        machines::talk::send(&mut pair, one, sip_im::Transport::Udp);
        pair.wait(1, SECOND, offered).expect("an offer");
        let two = raw(&pair, sessions[0], second, 11, Some(1002));
        let put_off = send_raw(&mut pair, two).expect("a response");
        assert_eq!(put_off.status(), StatusCode::SERVER_INTERNAL_ERROR);
        let after = put_off.headers().require::<RetryAfter>().expect("Retry-After");
        assert!(after.seconds <= 10);
        end(&mut pair, 1, sessions[1]);
        pair.wait(0, SECOND, ended).expect("ended");
        pair.assert_nothing_left();
    }
}

#[test]
fn what_is_out_of_order_or_unknown_or_requires_too_much_is_refused_and_changes_nothing() {
    let mut pair = pair(FINE, 5);
    let sessions = established(&mut pair);
    let status =
        |pair: &mut Pair, request: Request| send_raw(pair, request).expect("a response").status().code();
    //= https://www.rfc-editor.org/rfc/rfc3261#section-12.2.2
    //= type=test
    //# If the request is rejected, none
    //# of the state changes are performed.
    let mut moved = raw(&pair, sessions[0], Method::Update, 20, Some(1001));
    moved
        .headers_mut()
        .set_typed(&contact_of("sip:elsewhere@192.0.2.77"))
        .expect("Contact");
    moved
        .headers_mut()
        .push_typed(&Require::new(["unheard-of"]))
        .expect("Require");
    let refusal = send_raw(&mut pair, moved).expect("a response");
    assert_eq!(refusal.status(), StatusCode::BAD_EXTENSION);
    assert_eq!(
        refusal
            .headers()
            .value(&HeaderName::UNSUPPORTED)
            .expect("Unsupported")
            .as_str(),
        "unheard-of"
    );
    let target = |pair: &Pair| {
        let dialog = pair.ends[1]
            .endpoint
            .session_dialog(sessions[1])
            .expect("a dialog");
        dialog.remote_target().to_string()
    };
    assert_eq!(target(&pair), "sip:alice@192.0.2.1");
    let late = raw(&pair, sessions[0], Method::Update, 19, Some(1001));
    assert_eq!(status(&mut pair, late), 500, "a lower number");
    //= https://www.rfc-editor.org/rfc/rfc3262#section-3
    //= type=test
    //# If a PRACK request is received by the UA core that does not match any
    //# unacknowledged reliable provisional response, the UAS MUST respond to
    //# the PRACK with a 481 response.
    let mut prack = raw(&pair, sessions[0], Method::Prack, 21, None);
    prack
        .headers_mut()
        .push_typed(&RAck::new(7, CSeq::new(1, Method::Invite)))
        .expect("RAck");
    assert_eq!(status(&mut pair, prack), 481);
    let prack = raw(&pair, sessions[0], Method::Prack, 22, None);
    assert_eq!(status(&mut pair, prack), 400, "without RAck");
    let mut broken = raw(&pair, sessions[0], Method::Update, 23, Some(1001));
    broken
        .set_body(&ContentType::application_sdp(), Bytes::from_static(b"v=0\r\nx"))
        .expect("a body");
    let refusal = send_raw(&mut pair, broken).expect("a response");
    assert_eq!(refusal.status(), StatusCode::NOT_ACCEPTABLE_HERE);
    assert!(refusal.headers().contains(&HeaderName::WARNING));
    assert_agreed(&pair, sessions, [1000, 2000]);
    // The next one is fine, and moves the target.
    let mut moved = raw(&pair, sessions[0], Method::Update, 24, None);
    moved
        .headers_mut()
        .set_typed(&contact_of("sip:alice2@192.0.2.1"))
        .expect("Contact");
    assert_eq!(status(&mut pair, moved), 200);
    assert_eq!(target(&pair), "sip:alice2@192.0.2.1");
}

#[test]
fn requests_of_other_kinds_pass_through_in_both_directions() {
    let mut pair = pair(FINE, 6);
    let sessions = established(&mut pair);
    let inside = news(|event| match event {
        SessionEvent::Request {
            session,
            transaction,
            request,
        } => Some((*session, *transaction, request.clone())),
        _ => None,
    });
    for (at, method) in [(0, Method::Message), (1, Method::Info)] {
        let now = pair.now;
        let client = pair.ends[at]
            .endpoint
            .send_in_session(
                sessions[at],
                method.clone(),
                &[(HeaderName::SUBJECT, "hello")],
                Some((&ContentType::text_plain(), Bytes::from_static(b"Hi"))),
                now,
            )
            .expect("sent");
        let (session, transaction, request) = pair.wait(1 - at, SECOND, &inside).expect("received");
        assert_eq!((session, request.method()), (sessions[1 - at], &method));
        assert_eq!(request.body().as_ref(), b"Hi");
        let response = request.response(StatusCode::OK).build().expect("a response");
        let now = pair.now;
        pair.ends[1 - at]
            .endpoint
            .respond(transaction, response, now)
            .expect("answered");
        let (transaction, _) = pair.wait(at, SECOND, machines::talk::answered).expect("answered");
        assert_eq!(transaction, client);
    }
    let now = pair.now;
    let kept = pair.ends[0]
        .endpoint
        .send_in_session(sessions[0], Method::Bye, &[], None, now);
    assert_eq!(kept, Err(SessionError::Request));
    // RFC 5057: the peer has lost the dialog.
    let now = pair.now;
    pair.ends[0]
        .endpoint
        .send_in_session(sessions[0], Method::Info, &[], None, now)
        .expect("sent");
    let (_, transaction, request) = pair.wait(1, SECOND, &inside).expect("received");
    let gone = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
    let response = request.response(gone).build().expect("a response");
    let now = pair.now;
    pair.ends[1]
        .endpoint
        .respond(transaction, response, now)
        .expect("answered");
    let (_, reason) = pair.wait(0, SECOND, ended).expect("ended");
    assert!(matches!(reason, EndReason::Gone(status) if status == gone));
    pair.wait(1, SECOND, ended).expect("a BYE was sent");
    pair.assert_nothing_left();
}

#[test]
fn a_refusal_ends_the_dialog_for_the_statuses_that_rfc_5057_names() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-12.2.1.2
    //= type=test
    //# If the response for a request within a dialog is a 481
    //# (Call/Transaction Does Not Exist) or a 408 (Request Timeout), the UAC
    //# SHOULD terminate the dialog.
    let destroys_dialog = [404, 410, 416, 482, 483, 484, 485, 502, 604];
    for code in 300..700 {
        let status = StatusCode::new(code).expect("a status");
        let expected = destroys_dialog.contains(&code) || matches!(code, 408 | 481);
        assert_eq!(ends_dialog(status), expected, "{code}");
    }
}

#[test]
fn byes_that_cross_are_both_answered_200() {
    let mut pair = pair(FINE, 7);
    let sessions = established(&mut pair);
    end(&mut pair, 0, sessions[0]);
    end(&mut pair, 1, sessions[1]);
    pair.run_for(SECOND);
    for at in 0..2 {
        let (_, reason) = pair.ends[at].events.iter().find_map(ended).expect("ended");
        assert!(matches!(reason, EndReason::ByeSent));
        assert_eq!(
            methods(&pair.ends[at].sent).last().map(String::as_str),
            Some("200")
        );
    }
    pair.assert_nothing_left();
}

#[test]
fn a_reinvite_that_crosses_a_bye_is_refused_and_what_waits_for_an_answer_too() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-15.1.2
    //= type=test
    //# The UAS MUST still respond to any pending requests received for that
    //# dialog.  It is RECOMMENDED that a 487 (Request Terminated) response
    //# be generated to those pending requests.
    let mut pair = pair(FINE, 8);
    let sessions = established(&mut pair);
    offer(&mut pair, 0, sessions[0], 1001, false);
    end(&mut pair, 1, sessions[1]);
    pair.run_for(SECOND);
    assert!(methods(&pair.ends[1].sent).contains(&"481".to_owned()));
    let failures = pair.ends[0].events.iter().filter_map(refused).count();
    assert_eq!(failures, 0, "the session's end says it all");
    pair.assert_nothing_left();

    for by_update in [false, true] {
        let mut pair = self::pair(FINE, 9);
        let sessions = established(&mut pair);
        offer(&mut pair, 0, sessions[0], 1001, by_update);
        pair.wait(1, SECOND, offered).expect("an offer");
        end(&mut pair, 0, sessions[0]);
        pair.run_for(SECOND);
        assert!(methods(&pair.ends[1].sent).contains(&"487".to_owned()));
        pair.assert_nothing_left();
    }
}

#[test]
fn the_callees_bye_waits_for_the_ack() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-15
    //= type=test
    //# However, the callee's UA MUST NOT send a BYE on a confirmed dialog
    //# until it has received an ACK for its 2xx response or until the server
    //# transaction times out.
    for acknowledged in [true, false] {
        let mut pair = pair(FINE, 10);
        call(&mut pair, Some(&media(1000)));
        let theirs = taken(&mut pair).expect("an invite");
        let now = pair.now;
        let early = pair.ends[1].endpoint.end_session(theirs, None, now);
        assert_eq!(early, Err(SessionError::State));
        pair.weather.loss = 100;
        accept(&mut pair, theirs, &media(2000));
        end(&mut pair, 1, theirs);
        pair.run_for(10 * SECOND);
        assert!(!methods(&pair.ends[1].sent).contains(&"BYE".to_owned()));
        assert_eq!(state(&pair, 1, theirs), Some(SessionState::Moratorium));
        if acknowledged {
            pair.weather.loss = 0;
            pair.wait(0, 5 * SECOND, accepted).expect("accepted");
            let (_, reason) = pair.wait(0, SECOND, ended).expect("ended");
            assert!(matches!(reason, EndReason::ByeReceived(_)));
        } else {
            let (_, reason) = pair.wait(1, 40 * SECOND, ended).expect("ended");
            assert!(matches!(reason, EndReason::ByeSent));
            assert!(methods(&pair.ends[1].sent).contains(&"BYE".to_owned()));
        }
        pair.assert_nothing_left();
    }
}

#[test]
fn without_an_ack_the_session_ends_with_a_bye() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.3.1.4
    //= type=test
    //# If the server retransmits the 2xx response for 64*T1 seconds without
    //# receiving an ACK, the dialog is confirmed, but the session SHOULD be
    //# terminated.
    let mut pair = pair(FINE, 11);
    call(&mut pair, None);
    let theirs = taken(&mut pair).expect("an invite");
    accept(&mut pair, theirs, &media(2000));
    // The first end has an offer to answer, and does not.
    let ours = pair.wait(0, SECOND, accepted).expect("accepted");
    let (_, reason) = pair.wait(1, 60 * SECOND, ended).expect("ended");
    assert!(matches!(reason, EndReason::NoAck), "{reason:?}");
    pair.run_for(SECOND);
    assert!(state(&pair, 0, ours).is_none_or(SessionState::is_over));
    pair.assert_nothing_left();
}

#[test]
fn an_offer_in_a_2xx_that_is_refused_is_answered_with_nothing_and_the_session_ended() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.2.4
    //= type=test
    //# If the offer in the 2xx response is not
    //# acceptable, the UAC core MUST generate a valid answer in the ACK and
    //# then send a BYE immediately.
    let mut pair = pair(FINE, 12);
    call(&mut pair, None);
    let theirs = taken(&mut pair).expect("an invite");
    accept(&mut pair, theirs, &media(2000));
    let (ours, ..) = pair.wait(0, SECOND, offered).expect("an offer");
    let now = pair.now;
    pair.ends[0]
        .endpoint
        .refuse_offer(ours, StatusCode::NOT_ACCEPTABLE_HERE, now)
        .expect("refused");
    pair.run_for(SECOND);
    assert_eq!(methods(&pair.ends[0].sent), ["INVITE", "ACK", "BYE"]);
    let answer = pair.ends[0].sent[1].body();
    let answer = sip_im::sdp::Session::parse(answer).expect("a description");
    assert_eq!((answer.media.len(), answer.media[0].port), (1, 0));
    pair.assert_nothing_left();
}

#[test]
fn a_cancel_that_crosses_the_2xx_ends_the_session_and_one_in_time_prevents_it() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-15
    //= type=test
    //# If the INVITE results in 2xx final response(s)
    //# to the INVITE, this means that a UAS accepted the invitation while
    //# the CANCEL was in progress.  The UAC MAY continue with the sessions
    //# established by any 2xx responses, or MAY terminate them with BYE.
    for crossing in [true, false] {
        let mut pair = pair(FINE, 13);
        let invite = call(&mut pair, Some(&media(1000)));
        let theirs = taken(&mut pair).expect("an invite");
        reply(&mut pair, theirs, Reply::new(StatusCode::RINGING));
        pair.wait(0, SECOND, progress).expect("ringing");
        if crossing {
            accept(&mut pair, theirs, &media(2000));
        }
        let now = pair.now;
        pair.ends[0]
            .endpoint
            .cancel_invite(invite, now)
            .expect("cancelled");
        let (_, reason) = pair.wait(1, SECOND, ended).expect("ended");
        if crossing {
            assert!(matches!(reason, EndReason::ByeReceived(_)), "{reason:?}");
            assert_eq!(methods(&pair.ends[0].sent), ["INVITE", "CANCEL", "ACK", "BYE"]);
        } else {
            assert!(matches!(reason, EndReason::Cancelled), "{reason:?}");
            let (_, failure) = pair.wait(0, SECOND, invite_failed).expect("failed");
            assert!(matches!(failure, Failure::Response(response) if response.status().code() == 487));
        }
        pair.assert_nothing_left();
    }
}

#[test]
fn the_caller_may_end_one_early_dialog_with_a_bye() {
    let mut pair = pair(FINE, 14);
    call(&mut pair, Some(&media(1000)));
    let theirs = taken(&mut pair).expect("an invite");
    reply(&mut pair, theirs, Reply::new(StatusCode::RINGING));
    let ours = pair.wait(0, SECOND, progress).expect("ringing");
    end(&mut pair, 0, ours);
    let (_, reason) = pair.wait(1, SECOND, ended).expect("ended");
    assert!(matches!(reason, EndReason::ByeReceived(_)));
    pair.run_for(SECOND);
    // RFC 5407 figure 2: "BYE/487(INV)".
    assert_eq!(methods(&pair.ends[1].sent), ["180", "200", "487"]);
    pair.assert_nothing_left();
}

#[test]
fn an_invitation_ends_when_its_time_is_over() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.1
    //= type=test
    //# If the time indicated in the Expires
    //# header field is reached and no final answer for the INVITE has been
    //# received, the UAC core SHOULD generate a CANCEL request for the
    //# INVITE, as per Section 9.
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.3.1
    //= type=test
    //# If the invitation
    //# expires before the UAS has generated a final response, a 487
    //# (Request Terminated) response SHOULD be generated.
    for deaf in [true, false] {
        let mut pair = pair(FINE, 15);
        let mut request = invitation("c", Some(&media(1000)));
        request
            .headers_mut()
            .push_typed(&sip_im::header::Expires(30))
            .expect("Expires");
        invite(&mut pair, request);
        let theirs = taken(&mut pair).expect("an invite");
        reply(&mut pair, theirs, Reply::new(StatusCode::RINGING));
        pair.run_for(SECOND);
        if deaf {
            pair.weather.loss = 100;
        }
        let (_, reason) = pair.wait(1, 40 * SECOND, ended).expect("ended");
        let expired = matches!(reason, EndReason::InvitationExpired);
        assert!(
            expired || (!deaf && matches!(reason, EndReason::Cancelled)),
            "{reason:?}"
        );
        assert!(methods(&pair.ends[1].sent).contains(&"487".to_owned()));
        pair.weather.loss = 0;
        pair.wait(0, 60 * SECOND, invite_failed).expect("failed");
        pair.assert_nothing_left();
    }
}

#[test]
fn an_invite_that_rings_for_long_is_heard_of_every_minute() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.3.1.1
    //= type=test
    //# To prevent cancellation, the UAS MUST send a non-100
    //# provisional response at every minute, to handle the possibility of
    //# lost provisional responses.
    let mut pair = pair(FINE, 16);
    call(&mut pair, Some(&media(1000)));
    let theirs = taken(&mut pair).expect("an invite");
    reply(&mut pair, theirs, Reply::new(StatusCode::RINGING));
    pair.run_for(250 * SECOND);
    assert_eq!(methods(&pair.ends[1].sent), ["180"; 5]);
    reply(&mut pair, theirs, Reply::new(StatusCode::BUSY_HERE));
    pair.assert_nothing_left();
}

/// Feeds the first end a response as another branch of its INVITE gives it.
fn branch(pair: &mut Pair, invite: &Request, tag: &str, status: StatusCode, edit: impl Fn(&mut Response)) {
    let mut response = invite
        .response(status)
        .to_tag(tag)
        .contact(&contact_of("sip:bob@192.0.2.2"))
        .build()
        .expect("a response");
    edit(&mut response);
    let flow = pair.datagram_flow(0);
    let now = pair.now;
    pair.ends[0].endpoint.handle_input(
        Input::Received {
            flow,
            data: response.to_bytes(),
        },
        now,
    );
    pair.settle();
}

fn with_sdp(port: u16) -> impl Fn(&mut Response) {
    move |response| {
        response
            .set_body(&ContentType::application_sdp(), media(port).write())
            .expect("a body");
    }
}

/// The INVITE as it went out.
fn sent_invite(pair: &mut Pair) -> Request {
    pair.wait(1, SECOND, received).expect("received");
    match pair.ends[0].sent.first() {
        Some(Message::Request(request)) => request.clone(),
        _ => panic!("no request"),
    }
}

#[test]
fn each_branch_of_a_forked_invite_is_a_session_of_its_own() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.2.4
    //= type=test
    //# The UAC core MUST generate an ACK request for each 2xx received from
    //# the transaction layer.
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.2.4
    //= type=test
    //# The UAC core considers the INVITE transaction completed 64*T1 seconds
    //# after the reception of the first 2xx response.  At this point all the
    //# early dialogs that have not transitioned to established dialogs are
    //# terminated.
    let mut pair = pair(FINE, 17);
    call(&mut pair, Some(&media(1000)));
    let sent = sent_invite(&mut pair);
    branch(&mut pair, &sent, "b1", StatusCode::RINGING, |_| {});
    branch(&mut pair, &sent, "b2", StatusCode::RINGING, |_| {});
    branch(&mut pair, &sent, "b3", StatusCode::RINGING, |_| {});
    branch(&mut pair, &sent, "b1", StatusCode::RINGING, |_| {});
    let mut early: Vec<_> = pair.ends[0].events.iter().filter_map(progress).collect();
    assert_eq!(early.len(), 4);
    assert_eq!(early.pop(), Some(early[0]));
    branch(&mut pair, &sent, "b2", StatusCode::OK, with_sdp(2002));
    branch(&mut pair, &sent, "b4", StatusCode::OK, with_sdp(2004));
    branch(&mut pair, &sent, "b2", StatusCode::OK, with_sdp(2002));
    let up: Vec<_> = pair.ends[0].events.iter().filter_map(accepted).collect();
    assert_eq!(up.len(), 2, "a 2xx that comes again is no session");
    assert_eq!(up[0], early[1]);
    assert_eq!(methods(&pair.ends[0].sent), ["INVITE", "ACK", "ACK", "ACK"]);
    let tags: Vec<_> = pair.ends[0].sent[1..]
        .iter()
        .map(|ack| machines::tags(ack.headers()).1.expect("a tag"))
        .collect();
    assert_eq!(tags, ["b2", "b4", "b2"]);
    let ports: Vec<_> = pair.ends[0]
        .events
        .iter()
        .filter_map(agreed)
        .map(|(_, a)| a.media[0].port)
        .collect();
    assert_eq!(ports, [2002, 2004]);
    // The application wants one.
    end(&mut pair, 0, up[1]);
    pair.run_for(33 * SECOND);
    let over: Vec<_> = pair.ends[0].events.iter().filter_map(ended).collect();
    let unanswered = over
        .iter()
        .filter(|(session, reason)| {
            matches!(reason, EndReason::NotAccepted) && (*session == early[0] || *session == early[2])
        })
        .count();
    assert_eq!((over.len(), unanswered), (3, 2));
    assert_eq!(state(&pair, 0, up[0]), Some(SessionState::Established));
    let now = pair.now;
    assert_eq!(pair.ends[0].endpoint.sessions(), 1);
    pair.ends[0]
        .endpoint
        .end_session(up[0], None, now)
        .expect("ended");
    pair.run_for(100 * SECOND);
    assert_eq!(pair.ends[0].endpoint.sessions(), 0);
}

#[test]
fn an_early_dialog_that_is_ended_is_gone_even_when_another_branch_is_accepted() {
    let mut pair = pair(FINE, 23);
    call(&mut pair, Some(&media(1000)));
    let sent = sent_invite(&mut pair);
    branch(&mut pair, &sent, "b1", StatusCode::RINGING, |_| {});
    let early = pair.ends[0].events.iter().find_map(progress).expect("early");
    branch(&mut pair, &sent, "b2", StatusCode::OK, with_sdp(2002));
    let up = pair.ends[0].events.iter().find_map(accepted).expect("accepted");
    end(&mut pair, 0, early);
    end(&mut pair, 0, up);
    pair.run_for(100 * SECOND);
    assert_eq!(pair.ends[0].endpoint.sessions(), 0);
}

#[test]
fn a_refusal_ends_every_early_dialog_and_the_dialogs_are_bounded() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.2.3
    //= type=test
    //# All early dialogs are considered terminated upon reception of the
    //# non-2xx final response.
    let config = || {
        let mut config = machines::calls::untimed();
        config.sessions.max_branches = 3;
        config
    };
    let mut pair = Pair::with(config, FINE, 18);
    call(&mut pair, Some(&media(1000)));
    let sent = sent_invite(&mut pair);
    for tag in 0..20 {
        branch(&mut pair, &sent, &format!("b{tag}"), StatusCode::RINGING, |_| {});
    }
    assert_eq!(pair.ends[0].endpoint.sessions(), 3);
    branch(&mut pair, &sent, "b1", StatusCode::BUSY_HERE, |_| {});
    let over = pair.ends[0].events.iter().filter_map(ended);
    assert_eq!(
        over.filter(|(_, reason)| matches!(reason, EndReason::InviteFailed))
            .count(),
        3
    );
    assert!(
        pair.ends[0]
            .events
            .iter()
            .any(|event| invite_failed(event).is_some())
    );
    assert_eq!(pair.ends[0].endpoint.sessions(), 0);
}

#[test]
fn reliable_responses_are_taken_in_order_once_per_branch() {
    //= https://www.rfc-editor.org/rfc/rfc3262#section-4
    //= type=test
    //# As a result, if the UAC receives another reliable provisional
    //# response to the same request, and its RSeq value is not one higher
    //# than the value of the sequence number, that response MUST NOT be
    //# acknowledged with a PRACK, and MUST NOT be processed further by the
    //# UAC.
    let mut pair = pair(FINE, 19);
    call(&mut pair, Some(&media(1000)));
    let sent = sent_invite(&mut pair);
    let numbered = |number: u32| {
        move |response: &mut Response| {
            let headers = response.headers_mut();
            headers.push_typed(&RSeq(number)).expect("RSeq");
            headers.push_typed(&Require::new(["100rel"])).expect("Require");
        }
    };
    for (tag, number) in [
        ("b1", 5),
        ("b1", 5),
        ("b1", 7),
        ("b2", 100),
        ("b1", 6),
        ("b1", 5),
        ("b1", 7),
    ] {
        branch(&mut pair, &sent, tag, StatusCode::RINGING, numbered(number));
    }
    let racks: Vec<_> = pair.ends[0]
        .sent
        .iter()
        .filter_map(|message| {
            let rack = message.headers().get::<RAck>().expect("RAck")?;
            let tag = machines::tags(message.headers()).1.expect("a tag");
            Some((tag, rack.rseq, rack.cseq))
        })
        .collect();
    let invite = CSeq::new(1, Method::Invite);
    let expected = [("b1", 5), ("b2", 100), ("b1", 6), ("b1", 7)];
    assert_eq!(
        racks,
        expected.map(|(tag, number)| (tag.to_owned(), number, invite.clone()))
    );
    //= https://www.rfc-editor.org/rfc/rfc3262#section-4
    //= type=test
    //# If the response is
    //# a 100 (Trying) (as opposed to 101 to 199), this option tag MUST be
    //# ignored, and the procedures below MUST NOT be used.
    branch(&mut pair, &sent, "b1", StatusCode::TRYING, numbered(8));
    assert_eq!(
        methods(&pair.ends[0].sent)
            .iter()
            .filter(|name| *name == "PRACK")
            .count(),
        4
    );
    branch(&mut pair, &sent, "b1", StatusCode::BUSY_HERE, |_| {});
}

#[test]
fn a_2xx_that_describes_nothing_usable_is_acknowledged_and_ended() {
    for (offer, body) in [
        (Some(1000), None),
        (None, None),
        (
            Some(1000),
            Some("v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nt=0 0\r\n"),
        ),
    ] {
        let mut pair = pair(FINE, 20);
        call(&mut pair, offer.map(media).as_ref());
        let sent = sent_invite(&mut pair);
        branch(&mut pair, &sent, "b1", StatusCode::OK, |response| {
            if let Some(body) = body {
                response
                    .set_body(
                        &ContentType::application_sdp(),
                        Bytes::from_static(body.as_bytes()),
                    )
                    .expect("a body");
            }
        });
        assert_eq!(methods(&pair.ends[0].sent), ["INVITE", "ACK", "BYE"]);
        let (_, reason) = pair.ends[0].events.iter().find_map(ended).expect("ended");
        assert!(matches!(reason, EndReason::NoAnswer));
    }
}

#[test]
fn the_route_set_is_that_of_the_2xx_and_stays() {
    let mut pair = pair(FINE, 21);
    call(&mut pair, Some(&media(1000)));
    let sent = sent_invite(&mut pair);
    let routed = |proxy: &'static str| {
        move |response: &mut Response| {
            let route = sip_im::header::RecordRoute::new(uri(proxy));
            response.headers_mut().push_typed(&route).expect("Record-Route");
        }
    };
    branch(
        &mut pair,
        &sent,
        "b1",
        StatusCode::RINGING,
        routed("sip:192.0.2.2:5060;lr;x=1"),
    );
    let ours = pair.ends[0].events.iter().find_map(progress).expect("early");
    let known = |pair: &Pair| -> Vec<String> {
        let dialog = pair.ends[0].endpoint.session_dialog(ours).expect("a dialog");
        dialog.route_set().map(|route| route.to_string()).collect()
    };
    assert_eq!(known(&pair), ["sip:192.0.2.2:5060;lr;x=1"]);
    branch(&mut pair, &sent, "b1", StatusCode::OK, |response| {
        routed("sip:192.0.2.2:5060;lr;x=2")(response);
        with_sdp(2000)(response);
    });
    assert_eq!(known(&pair), ["sip:192.0.2.2:5060;lr;x=2"]);
}

#[test]
fn an_endpoint_that_keeps_its_own_dialogs_is_left_alone() {
    let mut pair = pair(FINE, 22);
    let invite = request(Method::Invite, "c");
    machines::talk::send(&mut pair, invite.clone(), sip_im::Transport::Udp);
    let (server, request) = pair.wait(1, SECOND, received).expect("received");
    machines::talk::respond(&mut pair, server, &request, StatusCode::OK);
    let (client, ok) = pair.wait(0, SECOND, machines::talk::answered).expect("answered");
    let mut dialog = Dialog::from_uac(&invite, &ok).expect("a dialog");
    let target = pair.target(1, sip_im::Transport::Udp);
    let now = pair.now;
    let ack = dialog.ack(1).build().expect("an ack");
    pair.ends[0]
        .endpoint
        .acknowledge(client, ack, target.clone(), now)
        .expect("acknowledged");
    pair.wait(1, SECOND, machines::talk::acked).expect("acknowledged");
    let bye = dialog.request(Method::Bye).build().expect("a bye");
    pair.ends[0].endpoint.send(bye, target, now).expect("sent");
    let (server, bye) = pair.wait(1, SECOND, received).expect("received");
    pair.ends[1]
        .endpoint
        .respond(server, answer(&bye, StatusCode::OK), now)
        .expect("answered");
    assert_eq!(
        pair.ends[0].endpoint.sessions() + pair.ends[1].endpoint.sessions(),
        0
    );
    pair.assert_nothing_left();
}
