//! Messages to lists and groups.

use sip_im::header::{HeaderName, Privacy, PrivacyValue};

use super::{Focus, contains, with_list};

//= R-5.3.2.1.1-12
//= type=test
//= R-5.3.2.3.2-09
//= type=test
#[test]
fn each_recipient_gets_one_message_and_nobody_learns_of_a_blind_copy() {
    let mut focus = Focus::new();
    let entries = "<entry uri=\"sip:bob@example.com\" cp:copyControl=\"to\"/>\
                   <entry uri=\"sip:BOB@EXAMPLE.com:5060;transport=tcp\"/>\
                   <entry uri=\"sip:carol@example.com\" cp:copyControl=\"bcc\"/>\
                   <entry uri=\"sip:dave@example.com\" cp:copyControl=\"cc\"/>\
                   <entry uri=\"sip:erin@example.com\" cp:copyControl=\"cc\" cp:anonymize=\"true\"/>"
        .replace("BOB", "bob");
    let (fields, body) = with_list("recipient-list-message", "text/plain", "to all of you", &entries);
    let id = focus.ask("alice", "MESSAGE sip:exploder@example.com", &fields, &body);
    assert_eq!(
        (focus.status(id), focus.requests.len()),
        (None, 0),
        "nothing before the store has answered"
    );
    focus.groups_are(&[]);
    assert_eq!(focus.status(id), Some(202));
    let mut to: Vec<String> = focus
        .requests
        .iter()
        .map(|(_, request)| request.uri().identity().to_string())
        .collect();
    to.sort();
    assert_eq!(
        to,
        [
            "sip:bob@example.com",
            "sip:carol@example.com",
            "sip:dave@example.com",
            "sip:erin@example.com"
        ]
    );
    for (_, request) in &focus.requests {
        let octets = request.to_bytes();
        assert!(contains(&octets, "to all of you"));
        for hidden in ["carol", "erin"] {
            let own = request.uri().user() == Some(hidden);
            assert!(
                own || !contains(&octets, hidden),
                "{} learns of {hidden}",
                request.uri()
            );
        }
        assert!(
            request
                .headers()
                .value(&HeaderName::parse("X-IM-Controlling").unwrap())
                .is_some(),
            "it is marked"
        );
        assert!(
            request
                .headers()
                .value(&HeaderName::P_ASSERTED_IDENTITY)
                .unwrap()
                .contains("alice@example.com")
        );
    }
}

//= R-5.3.2.1.1-11
//= type=test
#[test]
fn a_message_to_a_group_goes_to_its_members_but_not_back_to_its_sender() {
    let mut focus = Focus::with(|config| {
        let members = ["alice", "bob", "carol"].map(|user| sip_im::Uri::sip(user, "example.com").unwrap());
        config.groups[0].members = members.to_vec();
    });
    let id = focus.ask(
        "alice",
        "MESSAGE sip:room@example.com",
        "Content-Type: text/plain",
        "hello members",
    );
    if focus.status(id).is_none() {
        focus.groups_are(&[]);
    }
    assert_eq!(focus.status(id), Some(202));
    let mut to: Vec<_> = focus
        .requests
        .iter()
        .filter_map(|(_, request)| request.uri().user().map(str::to_owned))
        .collect();
    to.sort();
    assert_eq!(to, ["bob", "carol"]);
}

#[test]
fn who_hides_is_not_named_to_recipients() {
    let mut focus = Focus::new();
    let (fields, body) = with_list(
        "recipient-list-message",
        "text/plain",
        "from nobody",
        "<entry uri=\"sip:bob@example.com\"/>",
    );
    focus.ask(
        "alice",
        "MESSAGE sip:exploder@example.com",
        &format!("Privacy: id\n{fields}"),
        &body,
    );
    focus.groups_are(&[]);
    let (_, request) = focus.requests.first().expect("one request");
    let from = request.headers().value(&HeaderName::FROM).unwrap();
    assert!(!from.contains("alice"), "{from}");
    // Inside the trust domain the identity goes along, with the wish that it stay there.
    let privacy = request.headers().get::<Privacy>().unwrap();
    let named = request
        .headers()
        .value(&HeaderName::P_ASSERTED_IDENTITY)
        .is_some_and(|value| value.contains("alice"));
    assert!(!named || privacy.is_some_and(|privacy| privacy.contains(&PrivacyValue::Id)));
}
