//! Session timers of participants (RFC 4028).

use std::time::Duration;

use im_roles::signal::Input;
use sip_im::header::{Allow, Contact, HeaderName, MinSe, Refresher, Require, SessionExpires, Supported};
use sip_im::{Method, Request, StatusCode, Uri};

use super::{Focus, OFFER, with_list};

const ROOM: &str = "sip:room@example.com";
const TIMED: &str = "Contact: <sip:someone@192.0.2.1;transport=tcp>\nContent-Type: application/sdp\n\
                     Supported: timer\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE";
const SECOND: Duration = Duration::from_secs(1);

fn granted(focus: &Focus, id: im_roles::signal::IncomingId) -> Option<(u32, Option<Refresher>)> {
    let response = focus.response(id).unwrap();
    let expires = response.headers().get::<SessionExpires>().unwrap()?;
    Some((expires.seconds, expires.refresher))
}

#[test]
fn a_client_that_knows_of_timers_is_to_refresh_and_taken_out_when_it_does_not() {
    //= https://www.rfc-editor.org/rfc/rfc4028#section-10
    //= type=test
    //# Similarly, if the side not performing refreshes does not receive a
    //# session refresh request before the session expiration, it SHOULD send
    //# a BYE to terminate the session, slightly before the session
    //# expiration.
    let mut focus = Focus::with(|config| config.limits.session_expires = 120 * SECOND);
    let id = focus.ask("alice", &format!("INVITE {ROOM}"), TIMED, OFFER);
    assert_eq!(granted(&focus, id), Some((120, Some(Refresher::Uac))));
    let response = focus.response(id).unwrap().clone();
    assert!(response.headers().require::<Require>().unwrap().contains("timer"));
    assert!(
        response
            .headers()
            .require::<Supported>()
            .unwrap()
            .contains("timer")
    );
    let mut seat = focus.join_timed("bob");

    // Bob refreshes, Alice does not.
    focus.after(60 * SECOND);
    let update = seat
        .request(Method::Update)
        .contact(&Contact::new(Uri::parse("sip:bob@192.0.2.7").unwrap()))
        .header_typed(&Supported::new(["timer"]))
        .header_typed(&SessionExpires::new(120, Some(Refresher::Uac)))
        .build()
        .unwrap();
    let id = focus.hand_over("bob", update);
    assert_eq!(focus.status(id), Some(200));
    assert_eq!(granted(&focus, id), Some((120, Some(Refresher::Uac))));
    focus.requests.clear();
    focus.after(27 * SECOND);
    assert!(focus.requests.is_empty());
    focus.after(2 * SECOND);
    let byes: Vec<_> = focus
        .requests
        .iter()
        .filter(|(_, request)| *request.method() == Method::Bye)
        .collect();
    assert_eq!(byes.len(), 1, "88 s after she came, 32 s before the end");
    focus.requests.clear();
    focus.after(60 * SECOND);
    let byes = focus
        .requests
        .iter()
        .filter(|(_, request)| *request.method() == Method::Bye);
    assert_eq!(byes.count(), 1, "and Bob after 88 s more");
}

#[test]
fn the_focus_refreshes_where_it_is_told_to_by_what_the_client_takes() {
    //= https://www.rfc-editor.org/rfc/rfc4028#section-7.4
    //= type=test
    //# If a UAC knows that its peer supports the UPDATE method, it is
    //# RECOMMENDED that UPDATE be used instead of a re-INVITE.
    for updates in [true, false] {
        let mut focus = Focus::with(|config| config.limits.session_expires = 120 * SECOND);
        let fields = TIMED.replace(", UPDATE", if updates { ", UPDATE" } else { "" });
        let fields = format!("{fields}\nSession-Expires: 100;refresher=uas");
        let id = focus.ask("alice", &format!("INVITE {ROOM}"), &fields, OFFER);
        assert_eq!(granted(&focus, id), Some((100, Some(Refresher::Uas))));
        focus.acknowledge(id);
        for _ in 0..3 {
            focus.requests.clear();
            focus.after(51 * SECOND);
            let (id, request) = focus.requests.pop().expect("a refresh");
            let method = if updates { Method::Update } else { Method::Invite };
            assert_eq!(*request.method(), method);
            assert_eq!(request.body().is_empty(), updates);
            let asked = request.headers().require::<SessionExpires>().unwrap();
            assert_eq!((asked.seconds, asked.refresher), (100, Some(Refresher::Uac)));
            let response = request
                .response(StatusCode::OK)
                .contact(&Contact::new(Uri::parse("sip:alice@192.0.2.1").unwrap()))
                .header_typed(&SessionExpires::new(100, Some(Refresher::Uac)))
                .header_typed(&Allow::new(updates.then_some(Method::Update)))
                .build()
                .unwrap();
            focus.input(Input::Response { id, response });
        }
        // The client has lost the dialog.
        focus.requests.clear();
        focus.after(51 * SECOND);
        let (id, request) = focus.requests.pop().expect("a refresh");
        let gone = request
            .response(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST)
            .build()
            .unwrap();
        focus.input(Input::Response { id, response: gone });
        let methods: Vec<&Method> = focus
            .requests
            .iter()
            .map(|(_, request)| request.method())
            .collect();
        assert_eq!(methods, [&Method::Bye]);
    }
}

#[test]
fn who_knows_of_no_timers_is_left_alone_and_who_asks_for_too_little_is_told() {
    let mut focus = Focus::with(|config| config.limits.session_expires = 120 * SECOND);
    let plain = TIMED.replace("Supported: timer\n", "");
    let id = focus.ask("alice", &format!("INVITE {ROOM}"), &plain, OFFER);
    assert_eq!((focus.status(id), granted(&focus, id)), (Some(200), None));
    let brief = format!("{TIMED}\nSession-Expires: 30");
    let id = focus.ask("bob", &format!("INVITE {ROOM}"), &brief, OFFER);
    let response = focus.response(id).unwrap();
    assert_eq!(response.status(), StatusCode::SESSION_INTERVAL_TOO_SMALL);
    assert_eq!(response.headers().require::<MinSe>().unwrap().seconds, 90);
    let required = format!("{TIMED}\nRequire: timer");
    let id = focus.ask("bob", &format!("INVITE {ROOM}"), &required, OFFER);
    assert_eq!(focus.status(id), Some(200));

    let mut focus = Focus::with(|config| config.limits.session_expires = Duration::ZERO);
    let id = focus.ask("alice", &format!("INVITE {ROOM}"), TIMED, OFFER);
    assert_eq!((focus.status(id), granted(&focus, id)), (Some(200), None));
}

#[test]
fn a_user_whose_side_wants_longer_sessions_is_invited_once_more() {
    //= https://www.rfc-editor.org/rfc/rfc4028#section-7.3
    //= type=test
    //# This new request constitutes a new transaction and SHOULD have the
    //# same value as the Call-ID, To, and From of the previous request, but
    //# the CSeq should contain a new sequence number that is one higher than
    //# the previous.
    let mut focus = Focus::with(|config| config.limits.session_expires = 120 * SECOND);
    let entries = "<entry uri=\"sip:bob@example.com\"/>";
    let (fields, body) = with_list("recipient-list-invite", "application/sdp", OFFER, entries);
    focus.ask("alice", "INVITE sip:conference@example.com", &fields, &body);
    focus.groups_are(&[]);
    let too_brief = |request: &Request, least: u32| {
        request
            .response(StatusCode::SESSION_INTERVAL_TOO_SMALL)
            .to_tag("proxy")
            .header_typed(&MinSe::new(least))
            .build()
            .unwrap()
    };
    let (id, first) = focus.requests.pop().expect("an INVITE");
    let response = too_brief(&first, 600);
    focus.input(Input::Response { id, response });
    let (id, again) = focus.requests.pop().expect("another INVITE");
    assert_eq!(again.cseq().unwrap().seq, 2);
    assert_eq!(again.call_id().unwrap(), first.call_id().unwrap());
    assert_eq!(again.from().unwrap(), first.from().unwrap());
    assert_eq!(again.to().unwrap(), first.to().unwrap());
    assert_eq!(again.body(), first.body());
    assert_eq!(again.headers().require::<SessionExpires>().unwrap().seconds, 600);
    assert_eq!(again.headers().require::<MinSe>().unwrap().seconds, 600);
    // Who wants ever more is not asked forever.
    let response = too_brief(&again, 6_000);
    focus.input(Input::Response { id, response });
    assert!(focus.requests.is_empty());
}

impl Focus {
    fn join_timed(&mut self, user: &str) -> sip_im::dialog::Dialog {
        let id = self.ask(user, &format!("INVITE {ROOM}"), TIMED, OFFER);
        self.acknowledge(id)
    }

    /// Acknowledges a 200, and gives the client's dialog.
    fn acknowledge(&mut self, id: im_roles::signal::IncomingId) -> sip_im::dialog::Dialog {
        let response = self.response(id).unwrap().clone();
        let to = response.to().unwrap();
        let invite = Request::builder(Method::Invite, to.uri().clone())
            .from(
                response.from().unwrap().uri(),
                None,
                response.from().unwrap().tag().unwrap(),
            )
            .to(to.uri(), None)
            .call_id(&response.call_id().unwrap().0)
            .cseq(1)
            .build()
            .unwrap();
        assert!(response.headers().contains(&HeaderName::CONTACT));
        let dialog = sip_im::dialog::Dialog::from_uac(&invite, &response).unwrap();
        let ack = dialog.ack(1).build().unwrap();
        self.input(Input::Ack { request: ack });
        dialog
    }
}
