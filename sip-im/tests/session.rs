//! Sessions between two endpoints in virtual time: offers and answers in every place, and what is lost on the way.
#![cfg(test)]

mod machines;

use std::time::Duration;

use machines::calls::{
    accept, accepted, acknowledged, agreed, answer_offer, assert_agreed, call, ended, established, finish,
    invitation, invite, media, news, offered, pair, port, progress, reply, state, taken,
};
use machines::talk::{SECOND, methods};
use machines::{FINE, Pair, Weather};
use sip_im::header::{HeaderName, Require, Supported};
use sip_im::sdp::Session as Description;
use sip_im::session::{EndReason, Negotiation, OfferPlace, Reply, SessionError, SessionEvent, SessionState};
use sip_im::{Message, StatusCode};

/// Ringing, to be acknowledged.
fn ringing(description: Option<Description>) -> Reply {
    let mut reply = Reply::new(StatusCode::RINGING).reliably();
    reply.description = description;
    reply
}

/// What stands in the last message of this kind that an end has sent.
fn last_body(pair: &Pair, at: usize, kind: &str) -> Option<u16> {
    let message = pair.ends[at]
        .sent
        .iter()
        .rev()
        .find(|message| methods(std::slice::from_ref(*message)) == [kind])
        .unwrap_or_else(|| panic!("end {at} has sent no {kind}"));
    let body = message.body();
    (!body.is_empty()).then(|| port(&Description::parse(body).expect("a description")))
}

#[test]
fn an_offer_in_the_invite_is_answered_in_the_2xx() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.3.1.4
    //= type=test
    //# If the INVITE request contained an offer, and the UAS had not yet
    //# sent an answer, the 2xx MUST contain an answer.  If the INVITE did
    //# not contain an offer, the 2xx MUST contain an offer if the UAS had
    //# not yet sent an offer.
    let mut pair = pair(FINE, 1);
    call(&mut pair, Some(&media(1000)));
    let theirs = taken(&mut pair).expect("an invite");
    let (session, place, offer) = pair.wait(1, SECOND, offered).expect("an offer");
    assert_eq!((session, place, port(&offer)), (theirs, OfferPlace::Invite, 1000));
    let now = pair.now;
    let missing = pair.ends[1]
        .endpoint
        .answer_invite(theirs, Reply::new(StatusCode::OK), now);
    assert_eq!(missing, Err(SessionError::DescriptionMissing));
    accept(&mut pair, theirs, &media(2000));
    let ours = pair.wait(0, SECOND, accepted).expect("accepted");
    let (session, answer) = pair.wait(0, SECOND, agreed).expect("an answer");
    assert_eq!((session, port(&answer)), (ours, 2000));
    assert_eq!(pair.wait(1, SECOND, acknowledged), Some(theirs));
    assert_eq!(methods(&pair.ends[0].sent), ["INVITE", "ACK"]);
    assert_eq!(methods(&pair.ends[1].sent), ["200"]);
    assert_eq!(last_body(&pair, 0, "ACK"), None);
    for (at, session) in [ours, theirs].into_iter().enumerate() {
        assert_eq!(state(&pair, at, session), Some(SessionState::Established));
    }
    assert_agreed(&pair, [ours, theirs], [1000, 2000]);
    finish(&mut pair, [ours, theirs]);
    assert_eq!(methods(&pair.ends[0].sent), ["INVITE", "ACK", "BYE"]);
}

#[test]
fn an_offer_in_the_2xx_is_answered_in_the_ack() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.2.4
    //= type=test
    //# If
    //# the 2xx contains an offer (based on the rules above), the ACK MUST
    //# carry an answer in its body.
    let mut pair = pair(FINE, 2);
    call(&mut pair, None);
    let theirs = taken(&mut pair).expect("an invite");
    accept(&mut pair, theirs, &media(2000));
    let ours = pair.wait(0, SECOND, accepted).expect("accepted");
    let (session, place, offer) = pair.wait(0, SECOND, offered).expect("an offer");
    assert_eq!((session, place, port(&offer)), (ours, OfferPlace::Success, 2000));
    // The 2xx is repeated meanwhile, and the answer is waited for.
    pair.run_for(2 * SECOND);
    assert_eq!(methods(&pair.ends[0].sent), ["INVITE"]);
    assert_eq!(state(&pair, 0, ours), Some(SessionState::Moratorium));
    answer_offer(&mut pair, 0, ours, &media(1000));
    let (session, answer) = pair.wait(1, SECOND, agreed).expect("an answer");
    assert_eq!((session, port(&answer)), (theirs, 1000));
    assert_eq!(last_body(&pair, 0, "ACK"), Some(1000));
    assert_agreed(&pair, [ours, theirs], [1000, 2000]);
    finish(&mut pair, [ours, theirs]);
}

#[test]
fn an_offer_in_the_invite_is_answered_in_a_reliable_response_and_in_no_later_one() {
    //= https://www.rfc-editor.org/rfc/rfc3262#section-4
    //= type=test
    //# Assuming the response is to be transmitted reliably, the UAC MUST
    //# create a new request with method PRACK.
    let mut pair = pair(FINE, 3);
    call(&mut pair, Some(&media(1000)));
    let theirs = taken(&mut pair).expect("an invite");
    reply(&mut pair, theirs, ringing(Some(media(2000))));
    let ours = pair.wait(0, SECOND, progress).expect("an early dialog");
    let (_, answer) = pair.wait(0, SECOND, agreed).expect("an answer");
    assert_eq!(port(&answer), 2000);
    pair.run_for(SECOND);
    assert_eq!(methods(&pair.ends[0].sent), ["INVITE", "PRACK"]);
    assert_eq!(methods(&pair.ends[1].sent), ["180", "200"]);
    assert_eq!(state(&pair, 0, ours), Some(SessionState::Early));
    assert_agreed(&pair, [ours, theirs], [1000, 2000]);
    let now = pair.now;
    let second = pair.ends[1]
        .endpoint
        .answer_invite(theirs, Reply::with(StatusCode::OK, media(2001)), now);
    assert_eq!(second, Err(SessionError::DescriptionUnwanted));
    reply(&mut pair, theirs, Reply::new(StatusCode::OK));
    assert_eq!(pair.wait(0, SECOND, accepted), Some(ours));
    assert_eq!(last_body(&pair, 1, "200"), None);
    pair.wait(1, SECOND, acknowledged).expect("acknowledged");
    finish(&mut pair, [ours, theirs]);
}

#[test]
fn an_offer_in_a_reliable_response_is_answered_in_the_prack() {
    //= https://www.rfc-editor.org/rfc/rfc3262#section-5
    //= type=test
    //# Similarly, if a reliable provisional
    //# response is the first reliable message sent back to the UAC, and the
    //# INVITE did not contain an offer, one MUST appear in that reliable
    //# provisional response.
    let mut pair = pair(FINE, 4);
    call(&mut pair, None);
    let theirs = taken(&mut pair).expect("an invite");
    let now = pair.now;
    let bare = pair.ends[1].endpoint.answer_invite(theirs, ringing(None), now);
    assert_eq!(bare, Err(SessionError::DescriptionMissing));
    reply(&mut pair, theirs, ringing(Some(media(2000))));
    //= https://www.rfc-editor.org/rfc/rfc3262#section-5
    //= type=test
    //# If the UAC receives a reliable provisional response with an offer
    //# (this would occur if the UAC sent an INVITE without an offer, in
    //# which case the first reliable provisional response will contain the
    //# offer), it MUST generate an answer in the PRACK.
    let (ours, place, _) = pair.wait(0, SECOND, offered).expect("an offer");
    assert_eq!(place, OfferPlace::Provisional);
    pair.run_for(SECOND);
    assert_eq!(
        methods(&pair.ends[0].sent),
        ["INVITE"],
        "the PRACK waits for the answer"
    );
    answer_offer(&mut pair, 0, ours, &media(1000));
    let (_, answer) = pair.wait(1, SECOND, agreed).expect("an answer");
    assert_eq!(port(&answer), 1000);
    assert_eq!(last_body(&pair, 0, "PRACK"), Some(1000));
    reply(&mut pair, theirs, Reply::new(StatusCode::OK));
    assert_eq!(pair.wait(0, SECOND, accepted), Some(ours));
    assert_eq!(last_body(&pair, 0, "ACK"), None);
    pair.wait(1, SECOND, acknowledged).expect("acknowledged");
    assert_agreed(&pair, [ours, theirs], [1000, 2000]);
    finish(&mut pair, [ours, theirs]);
}

#[test]
fn an_offer_in_a_prack_is_answered_in_its_2xx() {
    //= https://www.rfc-editor.org/rfc/rfc3262#section-5
    //= type=test
    //# If the UAS receives a PRACK with an
    //# offer, it MUST place the answer in the 2xx to the PRACK.
    let manual = || {
        let mut config = machines::calls::untimed();
        config.sessions.automatic_prack = false;
        config
    };
    for refused in [false, true] {
        let mut pair = Pair::with(manual, FINE, 5);
        call(&mut pair, Some(&media(1000)));
        let theirs = taken(&mut pair).expect("an invite");
        reply(&mut pair, theirs, ringing(Some(media(2000))));
        let ours = pair.wait(0, SECOND, progress).expect("an early dialog");
        pair.run_for(SECOND);
        assert_eq!(methods(&pair.ends[0].sent), ["INVITE"]);
        pair.ends[1].events.clear();
        let now = pair.now;
        pair.ends[0]
            .endpoint
            .acknowledge_progress(ours, Some(&media(1001)), now)
            .expect("acknowledged");
        let (_, place, offer) = pair.wait(1, SECOND, offered).expect("an offer");
        assert_eq!((place, port(&offer)), (OfferPlace::Prack, 1001));
        let now = pair.now;
        if refused {
            pair.ends[1]
                .endpoint
                .refuse_offer(theirs, StatusCode::NOT_ACCEPTABLE_HERE, now)
                .expect("refused");
            pair.run_for(SECOND);
            assert_eq!(
                last_body(&pair, 1, "200"),
                Some(0),
                "an answer that takes nothing"
            );
        } else {
            answer_offer(&mut pair, 1, theirs, &media(2001));
            pair.ends[0].events.retain(|event| agreed(event).is_none());
            let (_, answer) = pair.wait(0, SECOND, agreed).expect("an answer");
            assert_eq!(port(&answer), 2001);
            assert_agreed(&pair, [ours, theirs], [1001, 2001]);
        }
        reply(&mut pair, theirs, Reply::new(StatusCode::OK));
        assert_eq!(pair.wait(0, SECOND, accepted), Some(ours));
        pair.wait(1, SECOND, acknowledged).expect("acknowledged");
        finish(&mut pair, [ours, theirs]);
    }
}

#[test]
fn an_update_offers_before_and_after_the_session_is_established() {
    let mut pair = pair(FINE, 6);
    call(&mut pair, Some(&media(1000)));
    let theirs = taken(&mut pair).expect("an invite");
    reply(&mut pair, theirs, Reply::new(StatusCode::RINGING));
    let ours = pair.wait(0, SECOND, progress).expect("an early dialog");
    let now = pair.now;
    //= https://www.rfc-editor.org/rfc/rfc3311#section-5.1
    //= type=test
    //# If the UPDATE is being sent before the completion of the INVITE
    //# transaction, and the initial INVITE contained an offer, the
    //# UPDATE cannot be sent with an offer unless the callee has
    //# generated an answer in a reliable provisional response, has
    //# received a PRACK for that reliable provisional response, has
    //# not received any requests (PRACK or UPDATE) with offers that it
    //# has not answered, and has not sent any UPDATE requests
    //# containing offers that have not been answered.
    for (at, session) in [ours, theirs].into_iter().enumerate() {
        let early = pair.ends[at].endpoint.offer(session, &media(1001), true, now);
        assert_eq!(early, Err(SessionError::Pending), "end {at}");
    }
    reply(&mut pair, theirs, ringing(Some(media(2000))));
    let now = pair.now;
    let unheard = pair.ends[1].endpoint.offer(theirs, &media(2001), true, now);
    assert_eq!(
        unheard,
        Err(SessionError::Pending),
        "its answer is not acknowledged"
    );
    pair.run_for(SECOND);
    pair.ends[0].events.clear();
    pair.ends[1].events.clear();
    // RFC 3311, figure 1.
    for (at, sessions, ports) in [
        (0, [ours, theirs], [1001, 2000]),
        (1, [ours, theirs], [1001, 2002]),
    ] {
        let now = pair.now;
        pair.ends[at]
            .endpoint
            .offer(sessions[at], &media(ports[at]), false, now)
            .expect("offered");
        let (session, place, _) = pair.wait(1 - at, SECOND, offered).expect("an offer");
        assert_eq!((session, place), (sessions[1 - at], OfferPlace::Update));
        answer_offer(&mut pair, 1 - at, session, &media(ports[1 - at]));
        let (_, answer) = pair.wait(at, SECOND, agreed).expect("an answer");
        assert_eq!(port(&answer), ports[1 - at]);
        assert_agreed(&pair, sessions, ports);
    }
    reply(&mut pair, theirs, Reply::new(StatusCode::OK));
    assert_eq!(pair.wait(0, SECOND, accepted), Some(ours));
    pair.wait(1, SECOND, acknowledged).expect("acknowledged");
    let now = pair.now;
    pair.ends[1]
        .endpoint
        .offer(theirs, &media(2003), true, now)
        .expect("offered");
    pair.wait(0, SECOND, offered).expect("an offer");
    //= https://www.rfc-editor.org/rfc/rfc3311#section-5.3
    //= type=test
    //# If a UA receives a non-2xx final response to a UPDATE, the session
    //# parameters MUST remain unchanged, as if no UPDATE had been issued.
    let now = pair.now;
    pair.ends[0]
        .endpoint
        .refuse_offer(ours, StatusCode::NOT_ACCEPTABLE_HERE, now)
        .expect("refused");
    pair.wait(1, SECOND, machines::calls::refused).expect("refused");
    assert_agreed(&pair, [ours, theirs], [1001, 2002]);
    finish(&mut pair, [ours, theirs]);
}

#[test]
fn a_reinvite_changes_the_session_from_either_end_with_an_offer_or_without() {
    //= https://www.rfc-editor.org/rfc/rfc3264#section-8
    //= type=test
    //# When issuing an offer that modifies the session,
    //# the "o=" line of the new SDP MUST be identical to that in the
    //# previous SDP, except that the version in the origin field MUST
    //# increment by one from the previous SDP.
    let mut pair = pair(FINE, 7);
    let sessions = established(&mut pair);
    let now = pair.now;
    pair.ends[0]
        .endpoint
        .offer(sessions[0], &media(1001), false, now)
        .expect("offered");
    let (_, place, offer) = pair.wait(1, SECOND, offered).expect("an offer");
    assert_eq!(
        (
            place,
            offer.origin.version.as_str(),
            offer.origin.address.as_str()
        ),
        (OfferPlace::Invite, "2", "192.0.2.0")
    );
    accept(&mut pair, sessions[1], &media(2000));
    let (_, answer) = pair.wait(0, SECOND, agreed).expect("an answer");
    assert_eq!(answer.origin.version.as_str(), "1", "it has not changed");
    pair.run_for(SECOND);
    assert_agreed(&pair, sessions, [1001, 2000]);

    let now = pair.now;
    pair.ends[1]
        .endpoint
        .solicit_offer(sessions[1], now)
        .expect("asked");
    let wanted = news(|event| match event {
        SessionEvent::OfferWanted { session } => Some(*session),
        _ => None,
    });
    assert_eq!(pair.wait(0, SECOND, wanted), Some(sessions[0]));
    let now = pair.now;
    pair.ends[0]
        .endpoint
        .answer_invite(sessions[0], Reply::with(StatusCode::OK, media(1002)), now)
        .expect("offered");
    let (_, place, _) = pair.wait(1, SECOND, offered).expect("an offer");
    assert_eq!(place, OfferPlace::Success);
    answer_offer(&mut pair, 1, sessions[1], &media(2001));
    pair.run_for(SECOND);
    assert_agreed(&pair, sessions, [1002, 2001]);

    //= https://www.rfc-editor.org/rfc/rfc3264#section-8
    //= type=test
    //# In other words, if the previous SDP had N "m="
    //# lines, the new SDP MUST have at least N "m=" lines.
    let mut nothing = media(1003);
    nothing.media.clear();
    let now = pair.now;
    assert!(matches!(
        pair.ends[0].endpoint.offer(sessions[0], &nothing, false, now),
        Err(SessionError::Description(_))
    ));
    finish(&mut pair, sessions);
}

#[test]
fn a_refused_reinvite_leaves_the_session_as_it_was() {
    //= https://www.rfc-editor.org/rfc/rfc3264#section-4
    //= type=test
    //# The offer/answer exchange is atomic; if
    //# the answer is rejected, the session reverts to the state prior to the
    //# offer (which may be absence of a session).
    let mut pair = pair(FINE, 8);
    let sessions = established(&mut pair);
    let now = pair.now;
    pair.ends[0]
        .endpoint
        .offer(sessions[0], &media(1001), false, now)
        .expect("offered");
    pair.wait(1, SECOND, offered).expect("an offer");
    reply(
        &mut pair,
        sessions[1],
        Reply::new(StatusCode::NOT_ACCEPTABLE_HERE),
    );
    pair.wait(0, SECOND, machines::calls::refused).expect("refused");
    assert_agreed(&pair, sessions, [1000, 2000]);
    assert_eq!(state(&pair, 1, sessions[1]), Some(SessionState::Established));
    finish(&mut pair, sessions);
}

#[test]
fn what_an_unreliable_response_describes_is_the_answer_for_the_media_and_repeated_in_the_2xx() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.1
    //= type=test
    //# The UAC MUST treat the first session
    //# description it receives as the answer, and MUST ignore any
    //# session descriptions in subsequent responses to the initial
    //# INVITE.
    let mut pair = pair(FINE, 9);
    call(&mut pair, Some(&media(1000)));
    let theirs = taken(&mut pair).expect("an invite");
    reply(
        &mut pair,
        theirs,
        Reply::with(StatusCode::SESSION_PROGRESS, media(2000)),
    );
    let early = news(|event| match event {
        SessionEvent::Answer {
            session,
            reliable: false,
            ..
        } => Some(*session),
        _ => None,
    });
    let ours = pair.wait(0, SECOND, early).expect("early media");
    assert_eq!(
        pair.ends[0].endpoint.session_negotiation(ours),
        Some(Negotiation::Offered(OfferPlace::Invite))
    );
    let now = pair.now;
    let other = pair.ends[1]
        .endpoint
        .answer_invite(theirs, Reply::with(StatusCode::OK, media(2001)), now);
    assert_eq!(other, Err(SessionError::DescriptionUnwanted));
    reply(&mut pair, theirs, Reply::new(StatusCode::OK));
    pair.wait(1, SECOND, acknowledged).expect("acknowledged");
    assert_eq!(last_body(&pair, 1, "200"), Some(2000));
    assert_agreed(&pair, [ours, theirs], [1000, 2000]);
    finish(&mut pair, [ours, theirs]);
}

/// Goes through a call with everything in it; `None` when the weather has ended it.
fn everything(pair: &mut Pair) -> Option<()> {
    let limit = 70 * SECOND;
    call(pair, Some(&media(1000)));
    let theirs = taken(pair)?;
    reply(pair, theirs, ringing(Some(media(2000))));
    let ours = pair.wait(0, limit, progress)?;
    pair.wait(0, limit, agreed)?;
    pair.ends[1].events.clear();
    reply(pair, theirs, Reply::new(StatusCode::OK));
    pair.wait(0, limit, accepted)?;
    pair.wait(1, limit, acknowledged)?;
    let sessions = [ours, theirs];
    for (at, ports, by_update) in [
        (0, [1001, 2000], false),
        (1, [1001, 2001], true),
        (1, [1001, 2002], false),
    ] {
        // An acknowledgement may still be on its way.
        for _ in 0..40 {
            let now = pair.now;
            match pair.ends[at]
                .endpoint
                .offer(sessions[at], &media(ports[at]), by_update, now)
            {
                Err(SessionError::Pending) => pair.run_for(SECOND),
                Ok(()) => break,
                Err(_) => return None,
            }
        }
        let (_, place, _) = pair.wait(1 - at, limit, offered)?;
        if place == OfferPlace::Invite {
            let now = pair.now;
            pair.ends[1 - at]
                .endpoint
                .answer_invite(
                    sessions[1 - at],
                    Reply::with(StatusCode::OK, media(ports[1 - at])),
                    now,
                )
                .ok()?;
        } else {
            answer_offer(pair, 1 - at, sessions[1 - at], &media(ports[1 - at]));
        }
        pair.wait(at, limit, agreed)?;
        assert_agreed(pair, sessions, ports);
    }
    pair.run_for(SECOND);
    let now = pair.now;
    pair.ends[0].endpoint.end_session(ours, None, now).ok()?;
    pair.wait(1, limit, ended)?;
    Some(())
}

#[test]
fn a_whole_call_survives_the_loss_of_any_one_message() {
    let mut fine = pair(FINE, 10);
    everything(&mut fine).expect("a call");
    let all = fine.datagrams;
    fine.assert_nothing_left();
    assert!(all > 15, "{all}");
    for lost in 0..all {
        let mut pair = pair(FINE, 10);
        pair.lost.insert(lost);
        assert!(everything(&mut pair).is_some(), "without message {lost}");
        pair.assert_nothing_left();
    }
}

#[test]
fn whatever_the_weather_a_call_leaves_nothing_behind() {
    let mut whole = 0;
    for seed in 0..60 {
        let weather = Weather {
            loss: 20,
            repeat: 15,
            latency: Duration::from_millis(30),
            jitter: Duration::from_millis(300),
        };
        let mut pair = pair(weather, seed);
        whole += usize::from(everything(&mut pair).is_some());
        // Whoever still has a session hangs up.
        pair.weather = FINE;
        pair.run_for(200 * SECOND);
        hang_up(&mut pair);
        pair.assert_nothing_left();
    }
    assert!(whole >= 50, "{whole} of 60 calls went all the way");
}

fn hang_up(pair: &mut Pair) {
    let now = pair.now;
    for at in 0..2 {
        for event in std::mem::take(&mut pair.ends[at].events) {
            let sip_im::endpoint::Event::Session(
                SessionEvent::Accepted { session, .. } | SessionEvent::Acknowledged { session },
            ) = event
            else {
                continue;
            };
            let _ = pair.ends[at].endpoint.end_session(session, None, now);
        }
    }
}

#[test]
fn a_reliable_response_is_repeated_until_its_prack_and_given_up_after_that() {
    //= https://www.rfc-editor.org/rfc/rfc3262#section-3
    //= type=test
    //# The reliable provisional response is passed to the transaction layer
    //# periodically with an interval that starts at T1 seconds and doubles
    //# for each retransmission (T1 is defined in Section 17 of RFC 3261).
    //= https://www.rfc-editor.org/rfc/rfc3262#section-3
    //= type=test
    //# If a reliable provisional response is retransmitted for 64*T1 seconds
    //# without reception of a corresponding PRACK, the UAS SHOULD reject the
    //# original request with a 5xx response.
    let mut pair = pair(FINE, 11);
    call(&mut pair, Some(&media(1000)));
    let theirs = taken(&mut pair).expect("an invite");
    pair.weather.loss = 100;
    let begun = pair.elapsed();
    reply(&mut pair, theirs, ringing(Some(media(2000))));
    let mut times = Vec::new();
    loop {
        pair.settle();
        let sent = pair.ends[1].sent.len();
        times.resize(sent, pair.elapsed().saturating_sub(begun).as_millis());
        if pair.ends[1].events.iter().any(|event| ended(event).is_some()) {
            break;
        }
        assert!(pair.step());
    }
    assert_eq!(times, [0, 500, 1500, 3500, 7500, 15500, 31500, 32000]);
    assert_eq!(
        methods(&pair.ends[1].sent).last().map(String::as_str),
        Some("504")
    );
    let (_, reason) = pair.wait(1, SECOND, ended).expect("ended");
    assert!(matches!(reason, EndReason::NoPrack));
    pair.weather = FINE;
    pair.assert_nothing_left();
}

#[test]
fn reliable_responses_go_out_one_after_the_other_and_the_2xx_behind_what_they_describe() {
    //= https://www.rfc-editor.org/rfc/rfc3262#section-3
    //= type=test
    //# The UAS MUST NOT send a second reliable provisional
    //# response until the first is acknowledged.
    //= https://www.rfc-editor.org/rfc/rfc3262#section-5
    //= type=test
    //# If the UAS had placed a session description in any reliable
    //# provisional response that is unacknowledged when the INVITE is
    //# accepted, the UAS MUST delay sending the 2xx until the provisional
    //# response is acknowledged.
    let mut pair = pair(FINE, 12);
    call(&mut pair, Some(&media(1000)));
    let theirs = taken(&mut pair).expect("an invite");
    reply(&mut pair, theirs, ringing(None));
    reply(&mut pair, theirs, ringing(Some(media(2000))));
    reply(&mut pair, theirs, Reply::new(StatusCode::OK));
    pair.settle();
    assert_eq!(methods(&pair.ends[1].sent), ["180"]);
    pair.wait(1, SECOND, acknowledged).expect("acknowledged");
    assert_eq!(methods(&pair.ends[1].sent), ["180", "200", "180", "200", "200"]);
    let numbers: Vec<u32> = pair.ends[1]
        .sent
        .iter()
        .filter_map(|message| message.headers().get::<sip_im::header::RSeq>().expect("RSeq"))
        .map(|number| number.0)
        .collect();
    assert_eq!(numbers.len(), 2);
    assert_eq!(numbers[1], numbers[0] + 1);
    assert!(numbers[0] < 1 << 31 && numbers[0] > 0);
}

#[test]
fn who_requires_reliable_responses_gets_no_others() {
    //= https://www.rfc-editor.org/rfc/rfc3262#section-3
    //= type=test
    //# The UAS MUST send any non-100 provisional response reliably if the
    //# initial request contained a Require header field with the option tag
    //# 100rel.
    let mut pair = pair(FINE, 13);
    let mut required = invitation("c", Some(&media(1000)));
    required
        .headers_mut()
        .push_typed(&Require::new(["100rel"]))
        .expect("Require");
    invite(&mut pair, required);
    let theirs = taken(&mut pair).expect("an invite");
    reply(&mut pair, theirs, Reply::new(StatusCode::RINGING));
    pair.run_for(SECOND);
    assert_eq!(methods(&pair.ends[0].sent), ["INVITE", "PRACK"]);
    reply(&mut pair, theirs, Reply::new(StatusCode::BUSY_HERE));
    pair.assert_nothing_left();

    let mut pair = self::pair(FINE, 14);
    pair.ends[1].endpoint = sip_im::endpoint::Endpoint::new(machines::calls::untimed(), machines::entropy(9));
    let plain = invitation("c", Some(&media(1000)));
    let client = machines::talk::send(&mut pair, plain, sip_im::Transport::Udp);
    let theirs = taken(&mut pair).expect("an invite");
    let now = pair.now;
    assert_eq!(
        pair.ends[1].endpoint.answer_invite(theirs, ringing(None), now),
        Err(SessionError::NotReliable)
    );
    reply(&mut pair, theirs, Reply::new(StatusCode::BUSY_HERE));
    pair.wait(0, SECOND, machines::talk::answered).expect("answered");
    let _ = client;
    pair.assert_nothing_left();
}

#[test]
fn an_invite_names_what_its_sender_can_do() {
    let mut pair = pair(FINE, 15);
    call(&mut pair, Some(&media(1000)));
    let theirs = taken(&mut pair).expect("an invite");
    let Some(Message::Request(sent)) = pair.ends[0].sent.first() else {
        panic!("nothing sent")
    };
    let supported = sent.headers().require::<Supported>().expect("Supported");
    assert!(supported.contains("timer") && supported.contains("100rel"));
    assert!(sent.headers().contains(&HeaderName::ALLOW));
    reply(&mut pair, theirs, Reply::new(StatusCode::DECLINE));
    let (_, reason) = pair.wait(1, SECOND, ended).expect("ended");
    assert!(matches!(reason, EndReason::Rejected(StatusCode::DECLINE)));
    pair.wait(0, SECOND, machines::calls::invite_failed)
        .expect("failed");
    pair.assert_nothing_left();
}
