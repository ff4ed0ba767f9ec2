//! What tests of sessions do and hear.

use std::time::Duration;

use sip_im::endpoint::{Config, Event, ServerTransaction};
use sip_im::header::Contact;
use sip_im::sdp::{self, LocalMedia};
use sip_im::session::{
    EndReason, Failure, InviteId, Negotiation, OfferPlace, Reply, SessionEvent, SessionId, SessionState,
    TimerConfig,
};
use sip_im::{ContentType, Method, Request, StatusCode, Transport};

use super::talk::{SECOND, received};
use super::{Pair, Weather, request, uri};

/// Sessions without timers, so that a test of something else ends.
pub(crate) fn untimed() -> Config {
    let mut config = Config::default();
    config.sessions.timer = TimerConfig::off();
    config
}

pub(crate) fn pair(weather: Weather, seed: u64) -> Pair {
    Pair::with(untimed, weather, seed)
}

/// A description whose port tells it from others.
pub(crate) fn media(port: u16) -> sdp::Session {
    let path = format!("msrp://192.0.2.{}:{port}/s{port};tcp", port % 200);
    sdp::offer(&LocalMedia::new(msrp::Uri::parse(&path).expect("a uri")))
}

pub(crate) fn port(description: &sdp::Session) -> u16 {
    description.media.first().map_or(0, |media| media.port)
}

/// An INVITE from the first end to the second.
pub(crate) fn invitation(call: &str, offer: Option<&sdp::Session>) -> Request {
    let mut invite = request(Method::Invite, call);
    if let Some(offer) = offer {
        invite
            .set_body(&ContentType::application_sdp(), offer.write())
            .expect("a body");
    }
    invite
}

pub(crate) fn invite(pair: &mut Pair, request: Request) -> InviteId {
    let target = pair.target(1, Transport::Udp);
    pair.ends[0]
        .endpoint
        .invite(request, target, pair.now)
        .expect("invited")
}

pub(crate) fn call(pair: &mut Pair, offer: Option<&sdp::Session>) -> InviteId {
    invite(pair, invitation("c", offer))
}

pub(crate) fn contact(at: usize) -> Contact {
    Contact::new(uri(["sip:alice@192.0.2.1", "sip:bob@192.0.2.2"][at]))
}

/// The second end takes the INVITE.
pub(crate) fn taken(pair: &mut Pair) -> Option<SessionId> {
    let (transaction, request) = pair.wait(1, 40 * SECOND, received)?;
    assert_eq!(*request.method(), Method::Invite);
    Some(take(pair, transaction, &request))
}

pub(crate) fn take(pair: &mut Pair, transaction: ServerTransaction, request: &Request) -> SessionId {
    let now = pair.now;
    pair.ends[1]
        .endpoint
        .take_invite(transaction, request, &contact(1), now)
        .expect("taken")
}

pub(crate) fn reply(pair: &mut Pair, session: SessionId, reply: Reply) {
    let now = pair.now;
    pair.ends[1]
        .endpoint
        .answer_invite(session, reply, now)
        .expect("answered");
}

pub(crate) fn accept(pair: &mut Pair, session: SessionId, description: &sdp::Session) {
    reply(pair, session, Reply::with(StatusCode::OK, description.clone()));
}

pub(crate) fn answer_offer(pair: &mut Pair, at: usize, session: SessionId, answer: &sdp::Session) {
    let now = pair.now;
    pair.ends[at]
        .endpoint
        .answer_offer(session, answer, now)
        .expect("answered");
}

/// An event of a session.
pub(crate) fn news<T>(pick: impl Fn(&SessionEvent) -> Option<T>) -> impl Fn(&Event) -> Option<T> {
    move |event| match event {
        Event::Session(event) => pick(event),
        _ => None,
    }
}

pub(crate) fn accepted(event: &Event) -> Option<SessionId> {
    news(|event| match event {
        SessionEvent::Accepted { session, .. } => Some(*session),
        _ => None,
    })(event)
}

pub(crate) fn acknowledged(event: &Event) -> Option<SessionId> {
    news(|event| match event {
        SessionEvent::Acknowledged { session } => Some(*session),
        _ => None,
    })(event)
}

/// A response that made or belongs to an early dialog.
pub(crate) fn progress(event: &Event) -> Option<SessionId> {
    news(|event| match event {
        SessionEvent::Progress { session, .. } => *session,
        _ => None,
    })(event)
}

pub(crate) fn offered(event: &Event) -> Option<(SessionId, OfferPlace, sdp::Session)> {
    news(|event| match event {
        SessionEvent::Offer {
            session,
            place,
            description,
        } => Some((*session, *place, (**description).clone())),
        _ => None,
    })(event)
}

/// An answer for good.
pub(crate) fn agreed(event: &Event) -> Option<(SessionId, sdp::Session)> {
    news(|event| match event {
        SessionEvent::Answer {
            session,
            description,
            reliable: true,
        } => Some((*session, (**description).clone())),
        _ => None,
    })(event)
}

pub(crate) fn ended(event: &Event) -> Option<(SessionId, EndReason)> {
    news(|event| match event {
        SessionEvent::Ended { session, reason } => Some((*session, reason.clone())),
        _ => None,
    })(event)
}

pub(crate) fn refreshed(event: &Event) -> Option<SessionId> {
    news(|event| match event {
        SessionEvent::Refreshed { session } => Some(*session),
        _ => None,
    })(event)
}

pub(crate) fn refused(event: &Event) -> Option<(SessionId, Failure)> {
    news(|event| match event {
        SessionEvent::OfferFailed { session, failure } => Some((*session, failure.clone())),
        _ => None,
    })(event)
}

pub(crate) fn invite_failed(event: &Event) -> Option<(InviteId, Failure)> {
    news(|event| match event {
        SessionEvent::InviteFailed { invite, failure, .. } => Some((*invite, failure.clone())),
        _ => None,
    })(event)
}

/// Two ends with a session, the first of which has offered port 1000 and the second answered with 2000.
pub(crate) fn established(pair: &mut Pair) -> [SessionId; 2] {
    call(pair, Some(&media(1000)));
    let theirs = taken(pair).expect("an invite");
    accept(pair, theirs, &media(2000));
    let ours = pair.wait(0, 40 * SECOND, accepted).expect("accepted");
    pair.wait(1, 40 * SECOND, acknowledged).expect("acknowledged");
    pair.run_for(Duration::from_millis(100));
    pair.ends[0].events.clear();
    pair.ends[1].events.clear();
    [ours, theirs]
}

pub(crate) fn state(pair: &Pair, at: usize, session: SessionId) -> Option<SessionState> {
    pair.ends[at].endpoint.session_state(session)
}

/// Asserts that both ends agree on these ports.
pub(crate) fn assert_agreed(pair: &Pair, sessions: [SessionId; 2], ports: [u16; 2]) {
    for at in 0..2 {
        let endpoint = &pair.ends[at].endpoint;
        assert_eq!(
            endpoint.session_negotiation(sessions[at]),
            Some(Negotiation::Idle),
            "end {at}"
        );
        let local = endpoint.session_description(sessions[at]).expect("a description");
        let local = sdp::Session::parse(local).expect("a description");
        assert_eq!(port(&local), ports[at], "end {at}");
    }
}

pub(crate) fn end(pair: &mut Pair, at: usize, session: SessionId) {
    let now = pair.now;
    pair.ends[at]
        .endpoint
        .end_session(session, None, now)
        .expect("ended");
}

/// Ends the session and asserts that nothing is left.
pub(crate) fn finish(pair: &mut Pair, sessions: [SessionId; 2]) {
    end(pair, 0, sessions[0]);
    let (session, reason) = pair.wait(1, 40 * SECOND, ended).expect("ended");
    assert_eq!(session, sessions[1]);
    assert!(matches!(reason, EndReason::ByeReceived(_)), "{reason:?}");
    pair.assert_nothing_left();
}
