//! Dialogs (RFC 3261 section 12).
#![cfg(test)]

mod machines;

use machines::{request, uri};
use sip_im::dialog::{Dialog, DialogError, DialogId, DialogState, MAX_ROUTES, SequenceError};
use sip_im::header::{Contact, HeaderName, RecordRoute, Route, SubscriptionState};
use sip_im::{Method, Request, Response, StatusCode};

/// An INVITE that came through two proxies, and its response.
fn invite(routes: &[&str]) -> Request {
    let mut invite = request(Method::Invite, "c");
    for route in routes {
        invite
            .headers_mut()
            .push_typed(&RecordRoute::new(uri(route)))
            .expect("Record-Route");
    }
    invite
}

fn response(request: &Request, status: StatusCode, contact: &str) -> Response {
    request
        .response(status)
        .to_tag("b")
        .contact(&Contact::new(uri(contact)))
        .build()
        .expect("a response")
}

fn routes(request: &Request) -> Vec<String> {
    request
        .headers()
        .all::<Route>()
        .map(|route| route.expect("Route").uri().to_string())
        .collect()
}

#[test]
fn the_route_set_is_taken_in_order_by_one_end_and_in_reverse_by_the_other() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-12.1.1
    //= type=test
    //# The route set MUST be set to the list of URIs in the Record-Route
    //# header field from the request, taken in order and preserving all URI
    //# parameters.
    //= https://www.rfc-editor.org/rfc/rfc3261#section-12.1.2
    //= type=test
    //# The route set MUST be set to the list of URIs in the Record-Route
    //# header field from the response, taken in reverse order and preserving
    //# all URI parameters.
    let invite = invite(&["sip:p2.test;lr;x=1", "sip:p1.test;lr"]);
    let ok = response(&invite, StatusCode::OK, "sip:bob@192.0.2.2");
    let mut ours = Dialog::from_uac(&invite, &ok).expect("a dialog");
    let mut theirs = Dialog::from_uas(&invite, &ok).expect("a dialog");
    assert_eq!(ours.id().reversed(), *theirs.id());
    assert_eq!(DialogId::of_response(&ok).as_ref(), Some(ours.id()));

    let bye = ours.request(Method::Bye).build().expect("a request");
    assert_eq!(bye.uri().as_str(), "sip:bob@192.0.2.2");
    assert_eq!(routes(&bye), ["sip:p1.test;lr", "sip:p2.test;lr;x=1"]);
    assert_eq!(ours.next_hop().as_str(), "sip:p1.test;lr");
    assert_eq!(bye.cseq().expect("CSeq").seq, 2);
    assert_eq!(DialogId::of_incoming_request(&bye).as_ref(), Some(theirs.id()));

    let bye = theirs.request(Method::Bye).build().expect("a request");
    assert_eq!(bye.uri().as_str(), "sip:alice@192.0.2.1");
    assert_eq!(routes(&bye), ["sip:p2.test;lr;x=1", "sip:p1.test;lr"]);
    assert_eq!(bye.from().expect("From").tag(), Some("b"));
    assert_eq!(bye.to().expect("To").tag(), Some("alice-tag"));
    assert_eq!(DialogId::of_incoming_request(&bye).as_ref(), Some(ours.id()));
}

#[test]
fn a_strict_router_gets_its_own_address_as_request_uri() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-12.2.1.1
    //= type=test
    //# If the route set is not empty, and its first URI does not contain the
    //# lr parameter, the UAC MUST place the first URI from the route set
    //# into the Request-URI, stripping any parameters that are not allowed
    //# in a Request-URI.
    let invite = invite(&["sip:proxy4", "sip:proxy3;lr", "sip:proxy2", "sip:proxy1"]);
    let ok = response(&invite, StatusCode::OK, "sip:user@remoteua");
    let mut dialog = Dialog::from_uac(&invite, &ok).expect("a dialog");
    let request = dialog.request(Method::Info).build().expect("a request");
    assert_eq!(request.uri().as_str(), "sip:proxy1");
    assert_eq!(
        routes(&request),
        ["sip:proxy2", "sip:proxy3;lr", "sip:proxy4", "sip:user@remoteua"]
    );
}

#[test]
fn the_ack_has_the_number_of_its_invite_and_leaves_the_count_alone() {
    let invite = invite(&[]);
    let ok = response(&invite, StatusCode::OK, "sip:bob@192.0.2.2");
    let mut dialog = Dialog::from_uac(&invite, &ok).expect("a dialog");
    assert_eq!(
        dialog.ack(1).build().expect("an ack").cseq().expect("CSeq").seq,
        1
    );
    assert_eq!(
        dialog
            .request(Method::Bye)
            .build()
            .expect("a bye")
            .cseq()
            .expect("CSeq")
            .seq,
        2
    );
    dialog.advance(7);
    assert_eq!(
        dialog
            .request(Method::Bye)
            .build()
            .expect("a bye")
            .cseq()
            .expect("CSeq")
            .seq,
        8
    );
}

#[test]
fn requests_out_of_order_are_refused_and_change_nothing() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-12.2.2
    //= type=test
    //# If the remote sequence number was not empty, but the sequence number
    //# of the request is lower than the remote sequence number, the request
    //# is out of order and MUST be rejected with a 500 (Server Internal
    //# Error) response.
    let invite = invite(&[]);
    let ok = response(&invite, StatusCode::OK, "sip:bob@192.0.2.2");
    let mut ours = Dialog::from_uac(&invite, &ok).expect("a dialog");
    let mut theirs = Dialog::from_uas(&invite, &ok).expect("a dialog");
    let moved = |dialog: &mut Dialog, method, to: &str| {
        dialog
            .request(method)
            .contact(&Contact::new(uri(to)))
            .build()
            .expect("a request")
    };
    let first = moved(&mut ours, Method::Invite, "sip:alice@192.0.2.7");
    let second = moved(&mut ours, Method::Message, "sip:alice@192.0.2.8");
    assert_eq!(theirs.accept_request(&second), Ok(()));
    assert_eq!(
        theirs.remote_target().as_str(),
        "sip:alice@192.0.2.1",
        "a MESSAGE does not move the target"
    );
    let late = theirs.accept_request(&first);
    assert_eq!(late, Err(SequenceError::OutOfOrder));
    assert_eq!(
        late.map_err(|error| error.status()),
        Err(StatusCode::SERVER_INTERNAL_ERROR)
    );
    assert_eq!(theirs.remote_target().as_str(), "sip:alice@192.0.2.1");
    let third = moved(&mut ours, Method::Invite, "sip:alice@192.0.2.9");
    assert_eq!(theirs.accept_request(&third), Ok(()));
    assert_eq!(theirs.remote_target().as_str(), "sip:alice@192.0.2.9");
    //= https://www.rfc-editor.org/rfc/rfc3261#section-12.2.1.2
    //= type=test
    //# When a UAC receives a 2xx response to a target refresh request, it
    //# MUST replace the dialog's remote target URI with the URI from the
    //# Contact header field in that response, if present.
    ours.refresh_target(&response(&third, StatusCode::OK, "sip:bob@192.0.2.10"));
    assert_eq!(ours.remote_target().as_str(), "sip:bob@192.0.2.10");
}

#[test]
fn the_route_set_is_frozen_except_that_a_2xx_confirms_an_early_dialog() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.2.4
    //= type=test
    //# If the dialog identifier in the 2xx response matches the dialog
    //# identifier of an existing dialog, the dialog MUST be transitioned to
    //# the "confirmed" state, and the route set for the dialog MUST be
    //# recomputed based on the 2xx response using the procedures of Section
    //# 12.2.1.2.
    let early = invite(&["sip:p1.test;lr"]);
    let mut dialog =
        Dialog::from_uac(&early, &response(&early, StatusCode::RINGING, "sip:b1@b.test")).expect("a dialog");
    assert_eq!(dialog.state(), DialogState::Early);
    let ok = response(&invite(&["sip:p2.test;lr"]), StatusCode::OK, "sip:b2@b.test");
    dialog.confirm(&ok).expect("confirmed");
    assert_eq!(dialog.state(), DialogState::Confirmed);
    assert_eq!(
        (dialog.next_hop().as_str(), dialog.remote_target().as_str()),
        ("sip:p2.test;lr", "sip:b2@b.test")
    );
    let again = response(&invite(&["sip:p3.test;lr"]), StatusCode::OK, "sip:b3@b.test");
    dialog.confirm(&again).expect("taken");
    assert_eq!(dialog.next_hop().as_str(), "sip:p2.test;lr");
}

#[test]
fn what_makes_no_dialog_is_refused() {
    let bare = invite(&[]);
    let no_contact = bare
        .response(StatusCode::OK)
        .to_tag("b")
        .build()
        .expect("a response");
    assert_eq!(
        Dialog::from_uac(&bare, &no_contact).err(),
        Some(DialogError::NoContact)
    );
    let busy = response(&bare, StatusCode::BUSY_HERE, "sip:b@b.test");
    assert_eq!(Dialog::from_uac(&bare, &busy).err(), Some(DialogError::Status));
    let untagged = bare
        .response(StatusCode::OK)
        .contact(&Contact::new(uri("sip:b@b.test")))
        .build()
        .expect("a response");
    assert_eq!(Dialog::from_uas(&bare, &untagged).err(), Some(DialogError::NoTag));
    let many: Vec<_> = (0..=MAX_ROUTES).map(|at| format!("sip:p{at}.test;lr")).collect();
    let many = invite(&many.iter().map(String::as_str).collect::<Vec<_>>());
    let ok = response(&many, StatusCode::OK, "sip:b@b.test");
    assert_eq!(
        Dialog::from_uas(&many, &ok).err(),
        Some(DialogError::TooManyRoutes)
    );
}

#[test]
fn a_notify_makes_the_subscribers_dialog() {
    //= https://www.rfc-editor.org/rfc/rfc6665#section-4.4.1
    //= type=test
    //# Because the dialog usage is established by the NOTIFY request, the
    //# route set at the subscriber is taken from the NOTIFY request itself,
    let subscribe = request(Method::Subscribe, "c");
    let ok = response(&subscribe, StatusCode::OK, "sip:bob@192.0.2.2");
    let mut notifier = Dialog::from_uas(&subscribe, &ok).expect("a dialog");
    let mut notify = notifier
        .request(Method::Notify)
        .contact(&Contact::new(uri("sip:bob@192.0.2.3")))
        .header_typed(&SubscriptionState::active(60))
        .build()
        .expect("a request");
    notify
        .headers_mut()
        .push_typed(&RecordRoute::new(uri("sip:p9.test;lr")))
        .expect("Record-Route");
    let mut dialog = Dialog::from_notify(&subscribe, &notify).expect("a dialog");
    assert_eq!(dialog.id().reversed(), *notifier.id());
    let refresh = dialog.request(Method::Subscribe).build().expect("a request");
    assert_eq!(
        (refresh.cseq().expect("CSeq").seq, refresh.uri().as_str()),
        (2, "sip:bob@192.0.2.3")
    );
    assert_eq!(routes(&refresh), ["sip:p9.test;lr"]);
    assert!(refresh.headers().value(&HeaderName::MAX_FORWARDS).is_some());
}
