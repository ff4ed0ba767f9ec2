//! What is refused, with which status and reason, and that nothing is fanned out then.

use std::time::Duration;

use im_roles::effect::Answer;

use super::{Focus, OFFER, with_list};

const TO_BOB: &str = "<entry uri=\"sip:bob@example.com\"/>";

//= R-5.3.2.1.3-04
//= type=test
//= R-5.3.2.1.3-05
//= type=test
//= R-5.3.2.1.3-06
//= type=test
//= R-5.3.2.1.3-07
//= type=test
//= R-5.3.2.1.3-08
//= type=test
#[test]
fn groups_do_not_nest_in_whatever_form_they_come() {
    let (session_fields, session) = with_list("recipient-list-invite", "application/sdp", OFFER, TO_BOB);
    let (message_fields, message) = with_list("recipient-list-message", "text/plain", "hello", TO_BOB);
    let room =
        "<entry uri=\"sip:bob@example.com\"/><entry uri=\"sip:ROOM@example.com:5060\"/>".to_ascii_lowercase();
    let (_, list_of_room) = with_list("recipient-list-message", "text/plain", "hello", &room);
    let (_, session_of_room) = with_list("recipient-list-invite", "application/sdp", OFFER, &room);
    let focus_contact = session_fields.replace("transport=tcp>", "transport=tcp>;isfocus");
    let history = message.replace(
        "hello\r\n",
        "hello\r\n--b\r\nContent-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list-history\r\n\r\n<x/>\r\n",
    );
    let sdp = "Contact: <sip:conf@192.0.2.1>;isfocus\nContent-Type: application/sdp";
    for (what, start, fields, body) in [
        (
            "a session that has a focus",
            "INVITE sip:conference@example.com",
            focus_contact.as_str(),
            session.as_str(),
        ),
        ("the same to a group", "INVITE sip:room@example.com", sdp, OFFER),
        (
            "a marked message",
            "MESSAGE sip:exploder@example.com",
            &format!("X-IM-Controlling: x\n{message_fields}"),
            &message,
        ),
        (
            "a marked message to a group",
            "MESSAGE sip:room@example.com",
            "X-IM-Controlling: x\nContent-Type: text/plain",
            "hi",
        ),
        (
            "a message with a history",
            "MESSAGE sip:exploder@example.com",
            &message_fields,
            &history,
        ),
        (
            "a list with a group in it",
            "MESSAGE sip:exploder@example.com",
            &message_fields,
            &list_of_room,
        ),
        (
            "a session with a group in its list",
            "INVITE sip:conference@example.com",
            &session_fields,
            &session_of_room,
        ),
    ] {
        let mut focus = Focus::new();
        let id = focus.ask("alice", start, fields, body);
        assert_eq!(focus.status(id), Some(403), "{what}");
        assert!(
            focus.warning(id).contains("isfocus already assigned"),
            "{what}: {}",
            focus.warning(id)
        );
        assert!(
            focus.requests.is_empty() && focus.effects.is_empty(),
            "{what} is fanned out"
        );
        assert!(focus.controlling.is_drained(), "{what} leaves something behind");
    }
}

#[test]
fn a_group_that_only_the_store_knows_is_refused_before_anything_is_fanned_out() {
    for (start, extension, kind, content) in [
        (
            "INVITE sip:conference@example.com",
            "recipient-list-invite",
            "application/sdp",
            OFFER,
        ),
        (
            "MESSAGE sip:exploder@example.com",
            "recipient-list-message",
            "text/plain",
            "hello",
        ),
    ] {
        let mut focus = Focus::new();
        let (fields, body) = with_list(extension, kind, content, TO_BOB);
        let id = focus.ask("alice", start, &fields, &body);
        assert_eq!(focus.status(id), None, "the store is asked first");
        focus.groups_are(&["sip:bob@example.com"]);
        assert_eq!(focus.status(id), Some(403));
        assert!(focus.warning(id).contains("isfocus already assigned"));
        assert!(focus.requests.is_empty());
    }
}

#[test]
fn each_refusal_has_its_status() {
    let (invite, session) = with_list("recipient-list-invite", "application/sdp", OFFER, TO_BOB);
    let (_, message) = with_list("recipient-list-message", "text/plain", "hello", TO_BOB);
    let many: Vec<String> = (0..101)
        .map(|number| format!("<entry uri=\"sip:u{number}@example.com\"/>"))
        .collect();
    let (_, too_many) = with_list("recipient-list-invite", "application/sdp", OFFER, &many.concat());
    let sdp = "Contact: <sip:alice@192.0.2.1>\nContent-Type: application/sdp";
    let no_require = invite.replace("Require: recipient-list-invite\n", "");
    let hidden = format!("Privacy: id\n{sdp}");
    let unknown = format!("Require: nonsense\n{sdp}");
    for (what, start, fields, body, status, warning) in [
        (
            "too many",
            "INVITE sip:conference@example.com",
            invite.as_str(),
            too_many.as_str(),
            486,
            "102",
        ),
        (
            "a list without its extension",
            "INVITE sip:conference@example.com",
            &no_require,
            &session,
            421,
            "",
        ),
        (
            "the same in a message",
            "MESSAGE sip:exploder@example.com",
            &no_require,
            &message,
            421,
            "",
        ),
        (
            "a message without a list",
            "MESSAGE sip:exploder@example.com",
            "Content-Type: text/plain",
            "hello",
            400,
            "",
        ),
        (
            "an unknown extension",
            "INVITE sip:conference@example.com",
            &unknown,
            OFFER,
            420,
            "",
        ),
        (
            "anonymity where it is not allowed",
            "INVITE sip:room@example.com",
            &hidden,
            OFFER,
            403,
            "119 Anonymity not allowed",
        ),
        (
            "a conference that is over",
            "INVITE sip:conf-00000000000000000000000000000000@example.com",
            sdp,
            OFFER,
            404,
            "",
        ),
        (
            "a method without a place",
            "PUBLISH sip:conference@example.com",
            "",
            "",
            405,
            "",
        ),
        (
            "an unknown method",
            "NONSENSE sip:conference@example.com",
            "",
            "",
            501,
            "",
        ),
    ] {
        let mut focus = Focus::new();
        let id = focus.ask("alice", start, fields, body);
        assert_eq!(focus.status(id), Some(status), "{what}");
        assert!(
            focus.warning(id).contains(warning),
            "{what}: {}",
            focus.warning(id)
        );
        assert!(focus.requests.is_empty(), "{what} is fanned out");
    }
}

#[test]
fn a_store_that_does_not_answer_in_time_is_told_as_504_and_its_late_answer_ignored() {
    let mut focus = Focus::new();
    let (fields, body) = with_list("recipient-list-message", "text/plain", "hello", TO_BOB);
    let id = focus.ask("alice", "MESSAGE sip:exploder@example.com", &fields, &body);
    let effect = focus.effects.pop().unwrap().id();
    focus.after(Duration::from_secs(9));
    assert_eq!(focus.status(id), None);
    focus.after(Duration::from_secs(2));
    assert_eq!(focus.status(id), Some(504));
    let late = Answer::Groups {
        id: effect,
        result: Ok(Vec::new()),
    };
    focus.controlling.handle_answer(late, focus.now);
    focus.drain();
    assert!(focus.requests.is_empty());
    assert_eq!(focus.responses.len(), 1);
    assert!(focus.controlling.is_drained());
}
