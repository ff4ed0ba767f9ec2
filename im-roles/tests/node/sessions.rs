//! INVITE and the dialog it makes, between two users.

use std::time::Duration;

use sip_im::header::{Allow, Contact, HeaderName, RecordRoute};
use sip_im::{Method, Request};

use crate::world::{World, authorized};

fn two_users() -> World {
    let mut world = World::new();
    world.open(1, false);
    world.open(2, false);
    world.register(1, "alice");
    world.register(2, "bob");
    world
}

const CONTACT: &str = "Contact: <sip:alice@127.0.0.1:6001>\r\n";

fn invite(world: &mut World) -> (String, Request) {
    let text = world.text(
        1,
        "INVITE",
        "sip:bob@example.com",
        "sip:alice@example.com",
        CONTACT,
        "",
    );
    world.send(1, &text);
    let challenge = loop {
        let response = world.get_response(1);
        if response.status().is_final() {
            break response;
        }
    };
    // A final response to an INVITE is acknowledged.
    let ack = text.replace("INVITE", "ACK").replacen(
        "To: <sip:bob@example.com>",
        &format!("To: {}", challenge.headers().value(&HeaderName::TO).unwrap()),
        1,
    );
    world.send(1, &ack);
    let text = authorized(&text, "alice", &challenge);
    world.send(1, &text);
    let request = world.get_request(2);
    (text, request)
}

fn routes(values: impl Iterator<Item = RecordRoute>) -> String {
    values.fold(String::new(), |lines, route| {
        lines + "Route: <" + &route.uri().to_string() + ">\r\n"
    })
}

#[test]
fn an_invite_is_answered_acknowledged_and_ended_through_the_server() {
    let mut world = two_users();
    let (_, request) = invite(&mut world);
    assert_eq!(
        request.headers().all::<RecordRoute>().count(),
        2,
        "once for each of the two flows"
    );
    let contact = request.headers().get::<Contact>().unwrap().unwrap();
    assert_eq!(
        contact.uri().unwrap().to_string(),
        "sip:alice@127.0.0.1:6001",
        "the far end's contact stays"
    );
    let record_routes: Vec<_> = request
        .headers()
        .all::<RecordRoute>()
        .map(Result::unwrap)
        .collect();
    let written: Vec<_> = record_routes
        .iter()
        .map(|route| format!("<{}>", route.uri()))
        .collect();
    let extra = [
        (&HeaderName::CONTACT, "<sip:bob@127.0.0.1:6002>"),
        (&HeaderName::RECORD_ROUTE, &written.join(", ")),
    ];
    world.reply(2, &request, 180, &extra);
    world.reply(2, &request, 200, &extra);
    let ok = world.get_final(1);
    assert_eq!(ok.status().code(), 200);
    let to = ok.headers().value(&HeaderName::TO).unwrap();

    let back = routes(record_routes.iter().rev().cloned());
    let head = |method: &str, branch: &str, number: u32| {
        format!(
            "{method} sip:bob@127.0.0.1:6002 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:6001;branch=z9hG4bK{branch}\r\n\
             Max-Forwards: 70\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {number} {method}\r\n{back}\
             Content-Length: 0\r\n\r\n",
            ok.headers().value(&HeaderName::FROM).unwrap(),
            ok.headers().value(&HeaderName::CALL_ID).unwrap(),
        )
    };
    let number = ok.cseq().unwrap().seq;
    world.send(1, &head("ACK", "ack", number));
    let ack = world.get_request(2);
    assert_eq!(ack.method().as_str(), "ACK");
    assert!(!ack.headers().contains(&HeaderName::ROUTE));

    // The 2xx comes again, since its ACK was lost on the way; so does the ACK.
    world.reply(2, &request, 200, &extra);
    assert_eq!(world.get_final(1).status().code(), 200);
    world.send(1, &head("ACK", "ack2", number));
    assert_eq!(world.get_request(2).method().as_str(), "ACK");

    // A subscription that shares the dialog, such as a REFER's, ends without it.
    let forth = routes(record_routes.iter().cloned());
    let notify = format!(
        "NOTIFY sip:alice@127.0.0.1:6001 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:6002;branch=z9hG4bKnotify\r\n\
         Max-Forwards: 70\r\nFrom: {to}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 NOTIFY\r\n{forth}Event: refer\r\n\
         Subscription-State: terminated;reason=noresource\r\nContent-Length: 0\r\n\r\n",
        ok.headers().value(&HeaderName::FROM).unwrap(),
        ok.headers().value(&HeaderName::CALL_ID).unwrap(),
    );
    world.begin(2, "bob", &notify);
    let request = world.get_request(1);
    assert_eq!(request.method().as_str(), "NOTIFY");
    world.reply(1, &request, 200, &[]);
    assert_eq!(world.get_response(2).status().code(), 200);

    // The callee ends the session.
    let bye = format!(
        "BYE sip:alice@127.0.0.1:6001 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:6002;branch=z9hG4bKbye\r\n\
         Max-Forwards: 70\r\nFrom: {to}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 3 BYE\r\n{forth}Content-Length: 0\r\n\r\n",
        ok.headers().value(&HeaderName::FROM).unwrap(),
        ok.headers().value(&HeaderName::CALL_ID).unwrap(),
    );
    world.begin(2, "bob", &bye);
    let request = world.get_request(1);
    assert_eq!(request.method().as_str(), "BYE");
    world.reply(1, &request, 200, &[]);
    assert_eq!(world.get_response(2).status().code(), 200);

    // The dialog is no way to each other any more.
    let late = bye
        .replace("branch=z9hG4bKbye", "branch=z9hG4bKlate")
        .replace("CSeq: 3", "CSeq: 5");
    assert_eq!(world.ask(2, "bob", &late).status().code(), 481);
    assert!(world.get(1).is_none());
    world.assert_quiet();
}

#[test]
fn an_ack_whose_route_names_only_the_flow_it_comes_in_on_goes_to_the_callee() {
    let mut world = two_users();
    let (_, request) = invite(&mut world);
    // Where the callee is reached over a flow that was not open yet, the caller's is the only one that is recorded.
    let route = request
        .headers()
        .all::<RecordRoute>()
        .map(Result::unwrap)
        .last()
        .unwrap();
    let extra = [
        (&HeaderName::CONTACT, "<sip:bob@127.0.0.1:6002>"),
        (&HeaderName::RECORD_ROUTE, &*format!("<{}>", route.uri())),
    ];
    world.reply(2, &request, 200, &extra);
    let ok = world.get_final(1);
    let ack = format!(
        "ACK sip:bob@127.0.0.1:6002 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:6001;branch=z9hG4bKack\r\nMax-Forwards: 70\r\n\
         From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} ACK\r\nRoute: <{}>\r\nContent-Length: 0\r\n\r\n",
        ok.headers().value(&HeaderName::FROM).unwrap(),
        ok.headers().value(&HeaderName::TO).unwrap(),
        ok.headers().value(&HeaderName::CALL_ID).unwrap(),
        ok.cseq().unwrap().seq,
        route.uri(),
    );
    world.send(1, &ack);
    assert_eq!(world.get_request(2).method().as_str(), "ACK");
}

#[test]
fn a_to_tag_is_no_way_round_the_rules() {
    let mut world = two_users();
    let text = world.message(2, "bob", "alice", "hi").replacen(
        "To: <sip:alice@example.com>",
        "To: <sip:alice@example.com>;tag=made-up",
        1,
    );
    assert_eq!(world.ask(2, "bob", &text).status().code(), 481);
    assert!(world.get(1).is_none());
}

#[test]
fn a_cancelled_invite_is_cancelled_at_the_other_end() {
    let mut world = two_users();
    let (text, request) = invite(&mut world);
    world.reply(2, &request, 180, &[]);
    let cancel = text
        .replacen("INVITE", "CANCEL", 1)
        .replace(" INVITE\r\n", " CANCEL\r\n");
    world.send(1, &cancel);
    let cancel = world.get_request(2);
    assert_eq!(cancel.method().as_str(), "CANCEL");
    world.reply(2, &cancel, 200, &[]);
    world.reply(2, &request, 487, &[]);
    let codes: Vec<_> = std::iter::from_fn(|| world.get(1))
        .filter_map(|message| match message {
            sip_im::Message::Response(response) if response.status().is_final() => {
                Some(response.status().code())
            }
            _ => None,
        })
        .collect();
    assert_eq!(codes, [200, 487], "the CANCEL's answer and the INVITE's");
    world.assert_quiet();
}

#[test]
fn an_invite_to_someone_who_is_away_is_480() {
    let mut world = two_users();
    let text = world.text(
        1,
        "INVITE",
        "sip:dave@example.com",
        "sip:alice@example.com",
        CONTACT,
        "",
    );
    world.send(1, &text);
    let challenge = world.get_final(1);
    world.send(1, &authorized(&text, "alice", &challenge));
    assert_eq!(world.get_final(1).status().code(), 480);
    assert!(world.effects.is_empty(), "a session is not stored");
}

#[test]
fn an_invite_that_nobody_answers_is_given_up() {
    let mut world = two_users();
    let (_, request) = invite(&mut world);
    world.reply(2, &request, 180, &[]);
    world.pass(Duration::from_secs(181));
    assert_eq!(world.get_request(2).method().as_str(), "CANCEL");
    assert_eq!(world.get_final(1).status().code(), 408);
    world.assert_quiet();
}

#[test]
fn who_hides_in_the_invite_is_hidden_in_the_bye() {
    let mut world = two_users();
    let text = world.text(
        1,
        "INVITE",
        "sip:bob@example.com",
        "sip:alice@example.com",
        "Contact: <sip:x@127.0.0.1:6001>\r\nPrivacy: id\r\n",
        "",
    );
    world.send(1, &text);
    let challenge = world.get_final(1);
    world.send(1, &authorized(&text, "alice", &challenge));
    let request = world.get_request(2);
    let record_routes: Vec<_> = request
        .headers()
        .all::<RecordRoute>()
        .map(Result::unwrap)
        .collect();
    let written: Vec<_> = record_routes
        .iter()
        .map(|route| format!("<{}>", route.uri()))
        .collect();
    world.reply(
        2,
        &request,
        200,
        &[
            (&HeaderName::CONTACT, "<sip:bob@127.0.0.1:6002>"),
            (&HeaderName::RECORD_ROUTE, &written.join(", ")),
        ],
    );
    let ok = world.get_final(1);
    let bye = format!(
        "BYE sip:bob@127.0.0.1:6002 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:6001;branch=z9hG4bKbye\r\nMax-Forwards: 70\r\n\
         From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 900 BYE\r\n{}Content-Length: 0\r\n\r\n",
        ok.headers().value(&HeaderName::FROM).unwrap(),
        ok.headers().value(&HeaderName::TO).unwrap(),
        ok.headers().value(&HeaderName::CALL_ID).unwrap(),
        routes(record_routes.iter().rev().cloned()),
    );
    world.begin(1, "alice", &bye);
    for octets in world.sent.get(&2).unwrap() {
        assert!(
            !octets.windows(5).any(|window| window == b"alice"),
            "{}",
            String::from_utf8_lossy(octets)
        );
    }
    assert_eq!(world.get_request(2).method().as_str(), "BYE");
}

#[test]
fn the_server_as_such_takes_options_only_and_says_so() {
    let mut world = World::new();
    world.open(1, false);
    let text = world.text(1, "MESSAGE", "sip:example.com", "sip:alice@example.com", "", "");
    world.begin(1, "alice", &text);
    let response = world.get_response(1);
    //= https://www.rfc-editor.org/rfc/rfc3261#section-8.2.1
    //= type=test
    //# The response MUST also include an Allow header field
    //# listing methods supported by the UAS.
    assert_eq!(response.status().code(), 405);
    let allow = response.headers().get::<Allow>().unwrap().unwrap();
    assert!(allow.contains(&Method::Options) && !allow.contains(&Method::Message));
}

#[test]
fn a_scheme_that_leads_nowhere_is_416() {
    let mut world = World::new();
    world.open(1, false);
    for uri in ["http://example.com/", "urn:service:sos", "cid:a@example.com"] {
        let text = world.text(1, "MESSAGE", uri, "sip:alice@example.com", "", "");
        world.begin(1, "alice", &text);
        //= https://www.rfc-editor.org/rfc/rfc3261#section-16.3
        //= type=test
        //# If the Request-URI has a URI whose scheme is not understood by the
        //# proxy, the proxy SHOULD reject the request with a 416 (Unsupported
        //# URI Scheme) response.
        assert_eq!(world.get_response(1).status().code(), 416, "{uri}");
    }
}

#[test]
fn options_to_the_domain_are_answered_by_the_server() {
    let mut world = two_users();
    let text = world.text(1, "OPTIONS", "sip:example.com", "sip:alice@example.com", "", "");
    let response = world.ask(1, "alice", &text);
    assert_eq!(response.status().code(), 200);
    assert!(
        response
            .headers()
            .value(&HeaderName::ALLOW)
            .unwrap()
            .contains("MESSAGE")
    );
}

#[test]
fn a_registration_ends_with_its_time_and_with_unregistering() {
    let mut world = two_users();
    world.pass(Duration::from_secs(3601));
    world.events.clear();
    let text = world.message(1, "alice", "bob", "hi");
    world.begin(1, "alice", &text);
    assert!(matches!(
        world.take_effect(),
        im_roles::effect::Effect::StoreMessage { .. }
    ));
}
