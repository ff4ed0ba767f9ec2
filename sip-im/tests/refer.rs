//! REFER at both ends (RFC 3515, 4488, 4538, 5368).
#![cfg(test)]

mod machines;

use bytes::Bytes;
use machines::talk::SECOND;
use machines::{answer, epoch, request, uri};
use sip_im::dialog::Dialog;
use sip_im::header::{
    Contact, Event, Expires, HeaderName, ReferSub, ReferTo, Require, SubscriptionState,
    SubscriptionStateValue, TargetDialog, Unsupported,
};
use sip_im::refer::{Config, Issuer, IssuerEvent, IssuerState, Recipient, Refer, sipfrag_status};
use sip_im::{ContentType, Method, Request, StatusCode};

fn outside(refer: Refer) -> Request {
    let (alice, room) = (uri("sip:alice@a.test"), uri("sip:room@b.test"));
    let begun = Request::builder(Method::Refer, room.clone())
        .from(&alice, None, "a")
        .to(&room, None)
        .call_id("c")
        .cseq(7);
    refer
        .request(begun, &Contact::new(uri("sip:alice@192.0.2.1")))
        .expect("a refer")
}

fn bob() -> Refer {
    Refer::to(uri("sip:bob@b.test;method=BYE"))
}

fn events(issuer: &mut Issuer) -> Vec<IssuerEvent> {
    std::iter::from_fn(|| issuer.poll_event()).collect()
}

#[test]
fn the_progress_of_a_reference_is_told() {
    //= https://www.rfc-editor.org/rfc/rfc3515#section-2.4.4
    //= type=test
    //# Each NOTIFY MUST contain a body of type "message/sipfrag" [3].
    //= https://www.rfc-editor.org/rfc/rfc3515#section-2.4.7
    //= type=test
    //# The final NOTIFY sent in response to a REFER MUST indicate
    //# the subscription has been "terminated" with a reason of "noresource".
    let now = epoch();
    let refer = outside(bob().referred_by(uri("sip:alice@a.test")));
    let mut issuer = Issuer::new(refer.clone(), 32 * SECOND, now).expect("an issuer");
    let (mut recipient, reference) = Recipient::read(&refer, &Config::default()).expect("read");
    assert_eq!(reference.method, Method::Bye);
    assert_eq!(reference.uri.user(), Some("bob"));
    assert!(reference.referred_by.is_some() && reference.list.is_none());
    assert!(!recipient.is_notify_due());
    let room = uri("sip:room@192.0.2.2");
    let response = recipient.accept(&refer, "r", &room, None, now).expect("accepted");
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    //= https://www.rfc-editor.org/rfc/rfc3515#section-2.4.4
    //= type=test
    //# Analogous to the case for SUBSCRIBE described in
    //# that document, the agent that issued the REFER MUST be prepared to
    //# receive a NOTIFY before the REFER transaction completes.
    assert!(recipient.is_notify_due(), "at once");
    let first = recipient.notify(None, now).expect("a notify");
    assert_eq!(first.body().as_ref(), b"SIP/2.0 100 Trying\r\n");
    assert!(
        first
            .content_type()
            .expect("a type")
            .is_some_and(|found| found.matches("message/sipfrag"))
    );
    assert_eq!(issuer.handle_notify(&first, now), StatusCode::OK);
    issuer.handle_response(Some(&response), now);
    assert_eq!(
        events(&mut issuer),
        [
            IssuerEvent::Accepted { followed: true },
            IssuerEvent::Progress(StatusCode::TRYING)
        ]
    );
    assert!(!recipient.is_notify_due());
    recipient.report(StatusCode::RINGING);
    recipient.report(StatusCode::RINGING);
    let second = recipient.notify(None, now).expect("a notify");
    assert!(!recipient.is_notify_due());
    assert_eq!(issuer.handle_notify(&second, now), StatusCode::OK);
    assert_eq!(issuer.handle_notify(&first, now).code(), 500, "it is older");
    recipient.report(StatusCode::BUSY_HERE);
    let last = recipient.notify(None, now).expect("a notify");
    let state = last.headers().require::<SubscriptionState>().expect("a state");
    assert_eq!(state.state, SubscriptionStateValue::Terminated);
    assert_eq!(state.reason(), Some("noresource"));
    assert!(recipient.is_drained() && recipient.poll_timeout().is_none());
    assert_eq!(issuer.handle_notify(&last, now), StatusCode::OK);
    assert_eq!(
        events(&mut issuer),
        [
            IssuerEvent::Progress(StatusCode::RINGING),
            IssuerEvent::Finished(StatusCode::BUSY_HERE)
        ]
    );
    assert!(issuer.is_drained() && issuer.poll_timeout().is_none());
    assert_eq!(issuer.handle_notify(&last, now).code(), 481);
}

#[test]
fn a_reference_that_nobody_wants_to_hear_of_makes_no_subscription() {
    //= https://www.rfc-editor.org/rfc/rfc4488#section-4
    //= type=test
    //# If the REFER-Recipient supports the extension and is willing to
    //# process the REFER transaction without establishing an implicit
    //# subscription, it MUST insert the "Refer-Sub" header field set to
    //# "false" in the 2xx response to the REFER-Issuer.
    let now = epoch();
    let refer = outside(bob().without_subscription());
    let mut issuer = Issuer::new(refer.clone(), 32 * SECOND, now).expect("an issuer");
    let (mut recipient, _) = Recipient::read(&refer, &Config::default()).expect("read");
    let room = uri("sip:room@192.0.2.2");
    let response = recipient.accept(&refer, "r", &room, None, now).expect("accepted");
    assert_eq!(
        response.headers().require::<ReferSub>().expect("Refer-Sub"),
        ReferSub(false)
    );
    assert!(recipient.is_drained() && !recipient.is_notify_due());
    issuer.handle_response(Some(&response), now);
    assert_eq!(events(&mut issuer), [IssuerEvent::Accepted { followed: false }]);
    assert!(issuer.is_drained());
    //= https://www.rfc-editor.org/rfc/rfc4488#section-4
    //= type=test
    //# If the REFER-Issuer inserts the "Refer-Sub" header field set to
    //# "false", but the REFER-Recipient doesn't grant the suggestion (i.e.,
    //# either does not include the "Refer-Sub" header field or includes the
    //# "Refer-Sub" header field set to "true" in the 2xx response), an
    //# implicit subscription is created as in the default case.
    let mut issuer = Issuer::new(refer.clone(), 32 * SECOND, now).expect("an issuer");
    issuer.handle_response(Some(&answer(&refer, StatusCode::ACCEPTED)), now);
    assert_eq!(events(&mut issuer), [IssuerEvent::Accepted { followed: true }]);
    assert_eq!(issuer.state(), IssuerState::Following);
    issuer.handle_timeout(now + 32 * SECOND);
    assert_eq!(events(&mut issuer), [IssuerEvent::Lost], "and nothing came");
}

#[test]
fn two_references_in_one_dialog_are_told_apart() {
    //= https://www.rfc-editor.org/rfc/rfc3515#section-2.4.6
    //= type=test
    //# Thus, for the second and subsequent REFER requests a UA receives in a
    //# given dialog, it MUST include an id parameter[2] in the Event header
    //# field of each NOTIFY containing the sequence number (the number from
    //# the CSeq header field value) of the REFER this NOTIFY is associated
    //# with.
    let now = epoch();
    let invite = request(Method::Invite, "c");
    let ok = answer(&invite, StatusCode::OK);
    let mut ours = Dialog::from_uac(&invite, &ok).expect("a dialog");
    let mut theirs = Dialog::from_uas(&invite, &ok).expect("a dialog");
    let contact = Contact::new(uri("sip:alice@192.0.2.1"));
    let refers = [0, 1].map(|_| {
        bob()
            .request(ours.request(Method::Refer), &contact)
            .expect("a refer")
    });
    let mut issuers = refers
        .clone()
        .map(|refer| Issuer::new(refer, 32 * SECOND, now).expect("an issuer"));
    let room = uri("sip:room@192.0.2.2");
    let mut recipients = refers.map(|refer| {
        theirs.accept_request(&refer).expect("in order");
        let (mut recipient, _) = Recipient::read(&refer, &Config::default()).expect("read");
        recipient
            .accept(&refer, "unused", &room, Some(&theirs), now)
            .expect("accepted");
        recipient
    });
    recipients[0].report(StatusCode::OK);
    recipients[1].report(StatusCode::DECLINE);
    for (at, expected) in [(1, StatusCode::DECLINE), (0, StatusCode::OK)] {
        let notify = recipients[at].notify(Some(&mut theirs), now).expect("a notify");
        ours.accept_request(&notify).expect("one sequence for all");
        assert!(issuers[at].is_for_us(&notify) && !issuers[1 - at].is_for_us(&notify));
        assert_eq!(issuers[at].handle_notify(&notify, now), StatusCode::OK);
        assert_eq!(
            events(&mut issuers[at]).last(),
            Some(&IssuerEvent::Finished(expected))
        );
    }
}

#[test]
fn a_reference_is_refused_where_it_has_to_be() {
    //= https://www.rfc-editor.org/rfc/rfc3515#section-2.4.2
    //= type=test
    //# An agent responding to a REFER method MUST return a 400 (Bad Request)
    //# if the request contained zero or more than one Refer-To header field
    //# values.
    let read = |request: &Request| {
        let refused = Recipient::read(request, &Config::default()).expect_err("refused");
        (
            refused.status.code(),
            refused.response(request).build().expect("a response"),
        )
    };
    let mut none = outside(bob());
    none.headers_mut().remove(&HeaderName::REFER_TO);
    assert_eq!(read(&none).0, 400);
    let mut two = outside(bob());
    two.headers_mut()
        .push_typed(&ReferTo::new(uri("sip:carol@b.test")))
        .expect("Refer-To");
    assert_eq!(read(&two).0, 400);
    let many = outside(many());
    let (status, response) = read(&many);
    let unsupported = response.headers().require::<Unsupported>().expect("Unsupported");
    assert_eq!((status, unsupported), (420, Unsupported::new(["multiple-refer"])));
    assert_eq!(
        read(&outside(Refer::to(uri("cid:x@y")))).0,
        400,
        "a pointer to nothing"
    );
}

fn many() -> Refer {
    let lists = ContentType::parse("application/resource-lists+xml").expect("a type");
    Refer::to_many(lists, Bytes::from_static(b"<resource-lists/>"), "r1@a.test")
}

#[test]
fn many_are_referred_to_by_a_list() {
    //= https://www.rfc-editor.org/rfc/rfc5368#section-7
    //= type=test
    //# The Refer-To header field of a REFER request with multiple REFER-
    //# Targets MUST contain a pointer (i.e., a Content-ID Uniform Resource
    //# Locator (URL) as per RFC 2392 [RFC2392]) that points to the body part
    //# that carries the URI list.
    let mut config = Config::default();
    config.many = true;
    let refer = outside(many());
    let required = refer.headers().require::<Require>().expect("Require");
    assert!(required.contains("multiple-refer") && required.contains("norefersub"));
    assert_eq!(
        refer.headers().require::<ReferSub>().expect("Refer-Sub"),
        ReferSub(false)
    );
    let (_, reference) = Recipient::read(&refer, &config).expect("read");
    assert_eq!(reference.uri.as_str(), "cid:r1@a.test");
    let (content_type, list) = reference.list.expect("a list");
    assert!(content_type.matches("application/resource-lists+xml"));
    assert_eq!(list.as_ref(), b"<resource-lists/>");
    let mut elsewhere = refer.clone();
    elsewhere
        .headers_mut()
        .set(&HeaderName::CONTENT_ID, "<other@a.test>")
        .expect("a line");
    assert_eq!(
        Recipient::read(&elsewhere, &config)
            .expect_err("refused")
            .status
            .code(),
        400
    );
    config.max_list = 3;
    assert_eq!(
        Recipient::read(&refer, &config)
            .expect_err("refused")
            .status
            .code(),
        413
    );
}

#[test]
fn a_known_dialog_is_shown_as_its_owner_sees_it() {
    //= https://www.rfc-editor.org/rfc/rfc4538#section-3
    //= type=test
    //# The request sent by the UAC SHOULD include a Require header field
    //# that includes the tdialog option tag.
    let refer = outside(bob().about(TargetDialog::new("call", "local", "remote")));
    assert!(
        refer
            .headers()
            .require::<Require>()
            .expect("Require")
            .contains("tdialog")
    );
    let (_, reference) = Recipient::read(&refer, &Config::default()).expect("read");
    let dialog = reference.target_dialog.expect("a dialog");
    assert_eq!(dialog.to_string(), "call;local;remote");
}

#[test]
fn the_telling_is_prolonged_ended_and_ends_in_time() {
    let start = epoch();
    let refer = outside(bob());
    let mut issuer = Issuer::new(refer.clone(), 32 * SECOND, start).expect("an issuer");
    let (mut recipient, _) = Recipient::read(&refer, &Config::default()).expect("read");
    let room = uri("sip:room@192.0.2.2");
    let response = recipient
        .accept(&refer, "r", &room, None, start)
        .expect("accepted");
    issuer.handle_response(Some(&response), start);
    let notify = recipient.notify(None, start).expect("a notify");
    assert_eq!(issuer.handle_notify(&notify, start), StatusCode::OK);
    assert_eq!(issuer.poll_timeout(), Some(start + 180 * SECOND));
    let longer = issuer.subscribe(None, 600).expect("a subscribe");
    assert_eq!(
        longer.headers().require::<Event>().expect("Event").id(),
        Some("7")
    );
    let ok = recipient.subscribed(&longer, start).expect("prolonged");
    assert_eq!(ok.headers().require::<Expires>().expect("Expires"), Expires(600));
    let notify = recipient.notify(None, start).expect("a notify");
    assert_eq!(issuer.handle_notify(&notify, start), StatusCode::OK);
    recipient.handle_timeout(start + 599 * SECOND);
    assert!(!recipient.is_notify_due());
    let mut other = recipient.clone();
    other.handle_timeout(start + 600 * SECOND);
    assert!(other.is_notify_due());
    let last = other.notify(None, start).expect("a notify");
    assert_eq!(issuer.clone().handle_notify(&last, start), StatusCode::OK);
    let enough = issuer.subscribe(None, 0).expect("a subscribe");
    assert!(recipient.subscribed(&enough, start).is_ok());
    let last = recipient.notify(None, start).expect("a notify");
    assert!(recipient.is_drained());
    assert_eq!(issuer.handle_notify(&last, start), StatusCode::OK);
    assert_eq!(
        events(&mut issuer).last(),
        Some(&IssuerEvent::Lost),
        "the end of the reference is not known"
    );
    assert_eq!(
        recipient
            .subscribed(&enough, start)
            .expect_err("over")
            .status
            .code(),
        481
    );
    let mut silent = other;
    silent.handle_response(None);
    assert!(silent.is_drained());
}

#[test]
fn a_refused_refer_ends_at_once_and_a_challenge_does_not() {
    let now = epoch();
    let refer = outside(bob());
    let mut issuer = Issuer::new(refer.clone(), 32 * SECOND, now).expect("an issuer");
    issuer.handle_response(Some(&answer(&refer, StatusCode::UNAUTHORIZED)), now);
    assert_eq!(issuer.state(), IssuerState::Sent);
    issuer.handle_response(Some(&answer(&refer, StatusCode::FORBIDDEN)), now);
    assert_eq!(
        events(&mut issuer),
        [IssuerEvent::Refused(Some(StatusCode::FORBIDDEN))]
    );
    assert!(issuer.is_drained());
    for (body, expected) in [
        (&b"SIP/2.0 200"[..], Some(200)),
        (b"SIP/2.0 200\r\nContact: <sip:x>\r\n", Some(200)),
        (b"SIP/2.0 2000 OK", None),
        (b"SIP/2.0 099 OK", None),
        (b"SIP/2.0 +20 OK", None),
        (b"SIP/3.0 200 OK", None),
        (b"", None),
    ] {
        assert_eq!(
            sipfrag_status(body).map(StatusCode::code),
            expected,
            "{}",
            String::from_utf8_lossy(body)
        );
    }
}
