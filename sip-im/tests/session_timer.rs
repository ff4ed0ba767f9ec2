//! Session timers, snapshots, Replaces and Join, credentials, and what a session weighs.
#![cfg(test)]

mod machines;

use std::time::Duration;

use machines::calls::{
    accept, accepted, acknowledged, agreed, assert_agreed, call, contact, end, ended, established, finish,
    invitation, invite, invite_failed, media, news, offered, pair, progress, refreshed, reply, state, take,
    taken, untimed,
};
use machines::talk::{SECOND, methods, received};
use machines::{FINE, Pair, entropy, uri};
use sip_im::auth::Authentication;
use sip_im::endpoint::{Config, Endpoint, Event, Target};
use sip_im::header::{Allow, Contact, HeaderName, Join, MinSe, Replaces, SessionExpires};
use sip_im::session::{EndReason, Failure, Reply, SessionEvent, SessionId, SessionSnapshot, SessionState};
use sip_im::snapshot::SnapshotError;
use sip_im::{Message, Method, Request, StatusCode, Transport};

/// Ends with a timer of this many seconds.
fn timed(seconds: u32) -> impl Fn() -> Config {
    move || {
        let mut config = Config::default();
        config.sessions.timer.session_expires = Some(seconds);
        config
    }
}

/// Established, with nothing cleared away.
fn timed_call(pair: &mut Pair) -> [SessionId; 2] {
    established(pair)
}

#[test]
fn a_session_is_refreshed_by_update_where_the_peer_takes_it_and_by_reinvite_where_not() {
    //= https://www.rfc-editor.org/rfc/rfc4028#section-7.4
    //= type=test
    //# If a UAC knows that its peer supports the UPDATE method, it is
    //# RECOMMENDED that UPDATE be used instead of a re-INVITE.
    //= https://www.rfc-editor.org/rfc/rfc4028#section-7.4
    //= type=test
    //# When present, it SHOULD be equal to the maximum of the Min-SE header
    //# field (recall that its default value when not present is 90 seconds)
    //# and the current session interval.
    for updates in [true, false] {
        let config = || {
            let mut config = timed(120)();
            if !updates {
                config.sessions.allow.retain(|method| *method != Method::Update);
            }
            config
        };
        let mut pair = Pair::with(config, FINE, 1);
        let sessions = timed_call(&mut pair);
        for at in 0..2 {
            pair.ends[at].sent.clear();
        }
        pair.run_for(150 * SECOND);
        let method = if updates { "UPDATE" } else { "INVITE" };
        // The answering end refreshes at half of the interval, twice.
        let sent = methods(&pair.ends[1].sent);
        assert_eq!(sent.iter().filter(|name| *name == method).count(), 2, "{sent:?}");
        let Some(Message::Request(refresh)) = pair.ends[1].sent.first() else {
            panic!("nothing sent")
        };
        let expires = refresh
            .headers()
            .require::<SessionExpires>()
            .expect("Session-Expires");
        assert_eq!(
            (expires.seconds, expires.refresher),
            (120, Some(sip_im::header::Refresher::Uac))
        );
        //= https://www.rfc-editor.org/rfc/rfc4028#section-7.4
        //= type=test
        //# It is RECOMMENDED that the UPDATE request not contain an
        //# offer [4], but a re-INVITE SHOULD contain one, even if the details of
        //# the session have not changed.
        assert_eq!(refresh.body().is_empty(), updates);
        for at in 0..2 {
            let told = pair.ends[at]
                .events
                .iter()
                .filter(|event| refreshed(event).is_some());
            assert!(told.count() >= 2, "end {at}");
            let asked = pair.ends[at].events.iter().any(|event| offered(event).is_some());
            assert!(!asked, "nothing has changed, so nobody is asked");
        }
        assert_agreed(&pair, sessions, [1000, 2000]);
        finish(&mut pair, sessions);
    }
}

#[test]
fn a_session_that_nobody_refreshes_ends_at_both_ends() {
    //= https://www.rfc-editor.org/rfc/rfc4028#section-10
    //= type=test
    //# Similarly, if the side not performing refreshes does not receive a
    //# session refresh request before the session expiration, it SHOULD send
    //# a BYE to terminate the session, slightly before the session
    //# expiration.
    let mut pair = Pair::with(timed(120), FINE, 2);
    let sessions = timed_call(&mut pair);
    let begun = pair.elapsed();
    pair.weather.loss = 100;
    let (_, reason) = pair.wait(0, 200 * SECOND, ended).expect("ended");
    assert!(matches!(reason, EndReason::Expired), "{reason:?}");
    let lasted = pair.elapsed().saturating_sub(begun);
    assert!(
        lasted <= 88 * SECOND && lasted > 87 * SECOND,
        "120 s less 32 s: {lasted:?}"
    );
    // The refresh at 60 s gets no answer either.
    let (_, reason) = pair.wait(1, 200 * SECOND, ended).expect("ended");
    assert!(
        matches!(reason, EndReason::TimedOut | EndReason::Expired),
        "{reason:?}"
    );
    assert_eq!(state(&pair, 0, sessions[0]), Some(SessionState::Mortal));
    pair.assert_nothing_left();
}

#[test]
fn an_interval_that_is_too_short_is_asked_for_again_with_the_minimum() {
    //= https://www.rfc-editor.org/rfc/rfc4028#section-7.3
    //= type=test
    //# This new request constitutes a new transaction and SHOULD have the
    //# same value as the Call-ID, To, and From of the previous request, but
    //# the CSeq should contain a new sequence number that is one higher than
    //# the previous.
    //= https://www.rfc-editor.org/rfc/rfc4028#section-6
    //= type=test
    //# The 422 response MUST contain a Min-SE
    //# header field with the minimum timer for that server.
    let mut pair = Pair::with(timed(120), FINE, 3);
    let mut strict = timed(600)();
    strict.sessions.timer.min_se = 300;
    pair.ends[1].endpoint = Endpoint::new(strict, entropy(4));
    call(&mut pair, Some(&media(1000)));
    let (transaction, request) = pair.wait(1, SECOND, received).expect("received");
    let now = pair.now;
    let refused = pair.ends[1]
        .endpoint
        .take_invite(transaction, &request, &contact(1), now)
        .expect_err("too short");
    let response = refused
        .response(&request)
        .to_tag("x")
        .build()
        .expect("a response");
    assert_eq!(response.status(), StatusCode::SESSION_INTERVAL_TOO_SMALL);
    assert_eq!(
        response.headers().require::<MinSe>().expect("Min-SE").seconds,
        300
    );
    pair.ends[1]
        .endpoint
        .respond(transaction, response, now)
        .expect("answered");
    let (transaction, again) = pair.wait(1, SECOND, received).expect("received");
    assert_eq!(again.cseq().expect("CSeq").seq, 2);
    assert_eq!(
        again.call_id().expect("Call-ID"),
        request.call_id().expect("Call-ID")
    );
    assert_eq!(again.body(), request.body());
    let expires = again
        .headers()
        .require::<SessionExpires>()
        .expect("Session-Expires");
    let least = again.headers().require::<MinSe>().expect("Min-SE");
    assert_eq!((expires.seconds, least.seconds), (300, 300));
    let theirs = take(&mut pair, transaction, &again);
    accept(&mut pair, theirs, &media(2000));
    let ours = pair.wait(0, SECOND, accepted).expect("accepted");
    pair.wait(1, SECOND, acknowledged).expect("acknowledged");
    let timer = pair.ends[0].endpoint.session_timer(ours).expect("a timer");
    assert_eq!((timer.interval(), timer.is_ours()), (Some(300), false));
    finish(&mut pair, [ours, theirs]);
}

#[test]
fn a_peer_that_knows_no_timers_is_watched_by_this_end_alone() {
    //= https://www.rfc-editor.org/rfc/rfc4028#section-7.2
    //= type=test
    //# In this case, if the UAC still wishes to use the
    //# session timer (which is purely for its benefit alone), it has to
    //# perform them.
    let mut pair = Pair::with(timed(120), FINE, 4);
    call(&mut pair, Some(&media(1000)));
    let (transaction, request) = pair.wait(1, SECOND, received).expect("received");
    // An end that answers by hand, without a word of timers or UPDATE.
    let mut ok = machines::answer(&request, StatusCode::OK);
    ok.set_body(&sip_im::ContentType::application_sdp(), media(2000).write())
        .expect("a body");
    let now = pair.now;
    pair.ends[1]
        .endpoint
        .respond(transaction, ok, now)
        .expect("answered");
    let ours = pair.wait(0, SECOND, accepted).expect("accepted");
    let timer = *pair.ends[0].endpoint.session_timer(ours).expect("a timer");
    assert!(timer.is_ours());
    let (transaction, refresh) = pair.wait(1, 70 * SECOND, received).expect("a refresh");
    assert_eq!(
        *refresh.method(),
        Method::Invite,
        "it has not said that it takes UPDATE"
    );
    let mut busy = machines::answer(&refresh, StatusCode::SERVICE_UNAVAILABLE);
    busy.headers_mut()
        .push_typed(&Allow::new([Method::Invite]))
        .expect("Allow");
    let now = pair.now;
    pair.ends[1]
        .endpoint
        .respond(transaction, busy, now)
        .expect("answered");
    // It is tried again before the end, which comes all the same.
    let (_, again) = pair.wait(1, 40 * SECOND, received).expect("another");
    assert_eq!(*again.method(), Method::Invite);
    pair.ends[1].events.clear();
    let (_, reason) = pair.wait(0, 60 * SECOND, ended).expect("ended");
    assert!(matches!(reason, EndReason::Expired), "{reason:?}");
}

#[test]
fn an_established_session_goes_on_in_another_process() {
    for caller in [true, false] {
        let mut pair = Pair::with(timed(120), FINE, 5);
        let sessions = timed_call(&mut pair);
        let at = usize::from(!caller);
        let (ours, theirs) = (sessions[at], sessions[1 - at]);
        pair.run_for(20 * SECOND);
        // Mid-way in another exchange nothing can be handed over.
        let now = pair.now;
        pair.ends[1 - at]
            .endpoint
            .offer(theirs, &media(3000), false, now)
            .expect("offered");
        pair.wait(at, SECOND, offered).expect("an offer");
        let now = pair.now;
        assert!(pair.ends[at].endpoint.snapshot_session(ours, now).is_err());
        pair.ends[at]
            .endpoint
            .answer_invite(ours, Reply::with(StatusCode::OK, media(3001)), now)
            .expect("answered");
        pair.wait(1 - at, SECOND, agreed).expect("agreed");
        pair.run_for(SECOND);
        let now = pair.now;
        let snapshot = pair.ends[at]
            .endpoint
            .snapshot_session(ours, now)
            .expect("a snapshot");
        let text = snapshot.write();
        let read = SessionSnapshot::read(&text).expect("a snapshot");
        assert_eq!(read, snapshot);

        let before = *pair.ends[at].endpoint.session_timer(ours).expect("a timer");
        pair.restart(at, timed(120)());
        let now = pair.now;
        let restored = pair.ends[at]
            .endpoint
            .restore_session(&read, now)
            .expect("restored");
        assert_eq!(
            pair.ends[at].endpoint.restore_session(&read, now),
            Err(SnapshotError::Value("call-id")),
            "it is open already"
        );
        let after = *pair.ends[at].endpoint.session_timer(restored).expect("a timer");
        assert_eq!(after.interval(), before.interval());
        let millis = Duration::from_millis(1);
        assert!(before.ends_at().expect("an end") - after.ends_at().expect("an end") <= millis);
        let mut both = sessions;
        both[at] = restored;
        let mut ports = [0; 2];
        ports[at] = 3001;
        ports[1 - at] = 3000;
        assert_agreed(&pair, both, ports);
        // Refreshes go on, offers of either end too, and their versions count on.
        pair.run_for(100 * SECOND);
        assert_eq!(state(&pair, at, restored), Some(SessionState::Established));
        let now = pair.now;
        pair.ends[at]
            .endpoint
            .offer(restored, &media(3002), true, now)
            .expect("offered");
        let (_, _, offer) = pair.wait(1 - at, SECOND, offered).expect("an offer");
        let version: u64 = offer.origin.version.parse().expect("a number");
        assert!(version > 2, "{version}");
        machines::calls::answer_offer(&mut pair, 1 - at, theirs, &media(3003));
        pair.wait(at, SECOND, agreed).expect("agreed");
        finish(&mut pair, both);
    }
}

#[test]
fn what_is_no_session_is_not_restored() {
    let mut pair = pair(FINE, 6);
    let sessions = established(&mut pair);
    let now = pair.now;
    let snapshot = pair.ends[0]
        .endpoint
        .snapshot_session(sessions[0], now)
        .expect("a snapshot");
    let mut other = Endpoint::new(untimed(), entropy(1));
    let changed = |change: &dyn Fn(&mut SessionSnapshot)| {
        let mut changed = snapshot.clone();
        change(&mut changed);
        changed
    };
    for (key, changed) in [
        ("confirmed", changed(&|s| s.dialog.confirmed = false)),
        (
            "contact",
            changed(&|s| "<sip:a@b>, <sip:c@d".clone_into(&mut s.contact)),
        ),
        (
            "local-description",
            changed(&|s| s.local = Some("v=7".to_owned())),
        ),
        (
            "remote-description",
            changed(&|s| s.remote = Some([1, 2, 3, u64::MAX])),
        ),
    ] {
        assert_eq!(
            other.restore_session(&changed, now),
            Err(SnapshotError::Value(key))
        );
    }
    assert_eq!(other.sessions(), 0);
    let text = snapshot.write();
    for cut in 0..text.len() {
        let short = text.get(..cut).unwrap_or_default();
        assert!(
            SessionSnapshot::read(short).is_err() || short.ends_with('\n'),
            "cut at {cut}"
        );
    }
    finish(&mut pair, sessions);
}

/// An INVITE of a third party that names a session of the second end.
fn naming(pair: &Pair, session: SessionId, replaces: bool, params: &str) -> Request {
    let id = pair.ends[1]
        .endpoint
        .session_dialog(session)
        .expect("a dialog")
        .id()
        .clone();
    let mut request = invitation("another", Some(&media(4000)));
    let value = format!(
        "{};to-tag={};from-tag={}{params}",
        id.call_id, id.local_tag, id.remote_tag
    );
    let name = if replaces {
        HeaderName::REPLACES
    } else {
        HeaderName::JOIN
    };
    request.headers_mut().push(&name, &value).expect("a header field");
    request
}

#[test]
fn replaces_and_join_name_sessions_as_their_rfcs_say() {
    //= https://www.rfc-editor.org/rfc/rfc3891#section-3
    //= type=test
    //# If the flag is
    //# present, the UA rejects the request with a 486 Busy response.
    //= https://www.rfc-editor.org/rfc/rfc3891#section-3
    //= type=test
    //# If the Replaces header field matches an early dialog that was not
    //# initiated by this UA, it returns a 481 (Call/Transaction Does Not
    //# Exist) response to the new INVITE, and leaves the matched dialog
    //# unchanged.
    let mut pair = pair(FINE, 7);
    call(&mut pair, Some(&media(1000)));
    let theirs = taken(&mut pair).expect("an invite");
    reply(&mut pair, theirs, Reply::new(StatusCode::RINGING));
    let ours = pair.wait(0, SECOND, progress).expect("ringing");
    let unknown = Err(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST);
    let replaced = |pair: &Pair, at: usize, request: &Request| {
        let matched = pair.ends[at].endpoint.replaced_session(request);
        matched.map(|found| found.map(|found| (found.session, found.confirmed)))
    };
    let joined = |pair: &Pair, at: usize, request: &Request, conference| {
        let matched = pair.ends[at].endpoint.joined_session(request, conference);
        matched.map(|found| found.map(|found| (found.session, found.confirmed)))
    };
    let early = naming(&pair, theirs, true, "");
    assert_eq!(
        replaced(&pair, 1, &early),
        unknown,
        "an early one that it did not begin"
    );
    let id = pair.ends[0]
        .endpoint
        .session_dialog(ours)
        .expect("a dialog")
        .id()
        .clone();
    let mut own = invitation("x", None);
    own.headers_mut()
        .push_typed(&Replaces::new(&id.call_id, &id.local_tag, &id.remote_tag))
        .expect("Replaces");
    assert_eq!(replaced(&pair, 0, &own), Ok(Some((ours, false))));
    let join = naming(&pair, theirs, false, "");
    assert_eq!(joined(&pair, 1, &join, false), Ok(Some((theirs, false))));

    accept(&mut pair, theirs, &media(2000));
    pair.wait(1, SECOND, acknowledged).expect("acknowledged");
    let plain = naming(&pair, theirs, true, "");
    assert_eq!(replaced(&pair, 1, &plain), Ok(Some((theirs, true))));
    let only_early = naming(&pair, theirs, true, ";early-only");
    assert_eq!(replaced(&pair, 1, &only_early), Err(StatusCode::BUSY_HERE));
    assert_eq!(replaced(&pair, 1, &invitation("y", None)), Ok(None));
    assert_eq!(
        replaced(&pair, 0, &plain),
        unknown,
        "the tags are seen from the other end"
    );
    //= https://www.rfc-editor.org/rfc/rfc3891#section-3
    //= type=test
    //# If more than one Replaces header field is present in an INVITE, or if
    //# a Replaces header field is present in a request other than INVITE,
    //# the UAS MUST reject the request with a 400 Bad Request response.
    let mut twice = plain.clone();
    let value = plain.headers().value(&HeaderName::REPLACES).expect("Replaces");
    twice
        .headers_mut()
        .push(&HeaderName::REPLACES, &value)
        .expect("Replaces");
    assert_eq!(replaced(&pair, 1, &twice), Err(StatusCode::BAD_REQUEST));
    let mut both = plain.clone();
    both.headers_mut()
        .push_typed(&Join::new("c", "a", "b"))
        .expect("Join");
    assert_eq!(replaced(&pair, 1, &both), Err(StatusCode::BAD_REQUEST));
    assert_eq!(joined(&pair, 1, &both, true), Err(StatusCode::BAD_REQUEST));
    //= https://www.rfc-editor.org/rfc/rfc3911#section-4
    //= type=test
    //# If no match is found, but the Request-URI in the INVITE corresponds
    //# to a conference URI, the UAS MUST ignore the Join header and continue
    //# processing the INVITE as if the Join header did not exist.
    let mut stray = invitation("z", None);
    stray
        .headers_mut()
        .push_typed(&Join::new("c", "a", "b"))
        .expect("Join");
    assert_eq!(joined(&pair, 1, &stray, true), Ok(None));
    assert_eq!(joined(&pair, 1, &stray, false), unknown);

    let join = naming(&pair, theirs, false, "");
    end(&mut pair, 1, theirs);
    assert_eq!(
        replaced(&pair, 1, &plain),
        Err(StatusCode::DECLINE),
        "it has just ended"
    );
    assert_eq!(joined(&pair, 1, &join, false), Err(StatusCode::DECLINE));
    pair.assert_nothing_left();
}

#[test]
fn challenges_within_a_session_are_answered_and_the_ack_repeats_the_credentials() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.2.4
    //= type=test
    //# The ACK MUST contain the same credentials as the INVITE.
    let mut pair = pair(FINE, 8);
    let credentials = Authentication::new("alice", "secret", None, entropy(3));
    pair.ends[0].endpoint.authenticate_sessions(Some(credentials));
    let challenge = |pair: &mut Pair, realm_nonce: &str| {
        let (transaction, request) = pair.wait(1, SECOND, received).expect("received");
        let value =
            format!("Digest realm=\"b.test\", nonce=\"{realm_nonce}\", algorithm=SHA-256, qop=\"auth\"");
        let response = request
            .response(StatusCode::PROXY_AUTHENTICATION_REQUIRED)
            .to_tag("proxy")
            .header(&HeaderName::PROXY_AUTHENTICATE, &value)
            .expect("a header field")
            .build()
            .expect("a response");
        let now = pair.now;
        pair.ends[1]
            .endpoint
            .respond(transaction, response, now)
            .expect("answered");
    };
    call(&mut pair, Some(&media(1000)));
    challenge(&mut pair, "n1");
    let (transaction, request) = pair.wait(1, SECOND, received).expect("received");
    assert_eq!(request.cseq().expect("CSeq").seq, 2);
    let sent = request
        .headers()
        .value(&HeaderName::PROXY_AUTHORIZATION)
        .expect("credentials");
    let theirs = take(&mut pair, transaction, &request);
    accept(&mut pair, theirs, &media(2000));
    let ours = pair.wait(0, SECOND, accepted).expect("accepted");
    pair.wait(1, SECOND, acknowledged).expect("acknowledged");
    let ack = pair.ends[0].sent.last().expect("an ack");
    assert_eq!(methods(std::slice::from_ref(ack)), ["ACK"]);
    assert_eq!(ack.headers().value(&HeaderName::PROXY_AUTHORIZATION), Some(sent));
    // What follows carries credentials from the start.
    end(&mut pair, 0, ours);
    pair.run_for(SECOND);
    let bye = pair.ends[0].sent.last().expect("a bye");
    assert!(bye.headers().contains(&HeaderName::PROXY_AUTHORIZATION));
    pair.assert_nothing_left();

    // Those sent ahead may be refused for their nonce, those sent in answer are refused for good.
    call(&mut pair, Some(&media(1000)));
    challenge(&mut pair, "n2");
    challenge(&mut pair, "n3");
    let (_, failure) = pair.wait(0, SECOND, invite_failed).expect("failed");
    assert!(matches!(failure, Failure::Response(response) if response.status().code() == 407));
}

#[test]
fn a_session_follows_its_flow_or_the_next_hop_of_its_dialog() {
    let mut pair = pair(FINE, 9);
    let target = pair.target(1, Transport::Tcp);
    let mut request = invitation("c", Some(&media(1000)));
    let tcp = Contact::new(uri("sip:alice@192.0.2.1;transport=tcp"));
    request.headers_mut().set_typed(&tcp).expect("Contact");
    let now = pair.now;
    pair.ends[0]
        .endpoint
        .invite(request, target, now)
        .expect("invited");
    let theirs = taken(&mut pair).expect("an invite");
    accept(&mut pair, theirs, &media(2000));
    let ours = pair.wait(0, SECOND, accepted).expect("accepted");
    pair.wait(1, SECOND, acknowledged).expect("acknowledged");
    // The stream breaks, and the callee reaches the caller by its Contact.
    let (flow, _) = pair.flows(1)[0];
    pair.break_stream(1, flow);
    pair.run_for(SECOND);
    end(&mut pair, 1, theirs);
    let (session, reason) = pair.wait(0, 5 * SECOND, ended).expect("ended");
    assert_eq!(session, ours);
    assert!(matches!(reason, EndReason::ByeReceived(_)));
    pair.assert_nothing_left();

    let sessions = established(&mut pair);
    let now = pair.now;
    let nowhere = Target::Flow(sip_im::FlowId(999));
    pair.ends[0]
        .endpoint
        .route_session(sessions[0], Some(nowhere))
        .expect("routed");
    pair.ends[0]
        .endpoint
        .refresh_session(sessions[0], now)
        .expect("a flow that is not open is no way to go");
    pair.run_for(SECOND);
    finish(&mut pair, sessions);
}

#[test]
fn sessions_are_bounded() {
    let config = || {
        let mut config = untimed();
        config.sessions.max_sessions = 2;
        config
    };
    let mut pair = Pair::with(config, FINE, 10);
    for call in ["a", "b"] {
        invite(&mut pair, invitation(call, Some(&media(1000))));
        taken(&mut pair).expect("an invite");
    }
    let target = pair.target(1, Transport::Udp);
    let now = pair.now;
    let third = pair.ends[0]
        .endpoint
        .invite(invitation("c", None), target.clone(), now);
    assert!(third.is_err());
    pair.ends[0]
        .endpoint
        .send(invitation("d", None), target, now)
        .expect("sent");
    let (transaction, request) = pair.wait(1, SECOND, received).expect("received");
    let now = pair.now;
    let refused = pair.ends[1]
        .endpoint
        .take_invite(transaction, &request, &contact(1), now)
        .expect_err("full");
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    let told = news(|event| match event {
        SessionEvent::Offer { session, .. } => Some(*session),
        _ => None,
    });
    assert_eq!(
        pair.ends[1]
            .events
            .iter()
            .filter(|event: &&Event| told(event).is_some())
            .count(),
        2
    );
}
