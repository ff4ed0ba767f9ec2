use bytes::Bytes;

mod boundary;

use super::*;
use crate::codec::{Limits, parse_datagram};
use crate::header::{HeaderName, PrivacyValue};
use crate::{Message, Request};

fn request(fields: &str) -> Request {
    let text = format!(
        "MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n\
         From: \"Alice\" <sip:alice@example.com>;tag=a1\r\nTo: <sip:bob@example.com>\r\nCall-ID: x\r\nCSeq: 1 MESSAGE\r\n\
         {fields}Content-Length: 0\r\n\r\n"
    );
    match parse_datagram(Bytes::from(text), &Limits::default()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => unreachable!(),
    }
}

fn identities(fields: &str, trust: Trust) -> Vec<String> {
    let originator = asserted_identity(&request(fields), trust).unwrap();
    originator.identities.iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_is_believed_from_an_untrusted_neighbour() {
    let fields = "P-Asserted-Identity: <sip:eve@example.com>\r\nRemote-Party-ID: <sip:eve@example.com>\r\n\
                  P-Preferred-Identity: <sip:eve@example.com>\r\n";
    assert!(identities(fields, Trust::Untrusted).is_empty());
    assert!(identities("Remote-Party-ID: <sip:eve@example.com>\r\n", Trust::Trusted).is_empty());
}

//= https://www.rfc-editor.org/rfc/rfc5876#section-4.5
//= type=test
//# o  ignore any URI with a scheme other than SIP, SIPS, or TEL;
#[test]
fn one_sip_and_one_tel_identity_are_taken() {
    let fields = "P-Asserted-Identity: <urn:x:y>, \"A, B\" <sip:a@example.com>\r\n\
                  p-asserted-identity : <sips:b@example.com>, tel:+1555, <tel:+1666>\r\n";
    assert_eq!(
        identities(fields, Trust::Trusted),
        ["sip:a@example.com", "tel:+1555"]
    );
    let mut forwarded = request(fields);
    cross_boundary(&mut forwarded, Trust::Trusted, Trust::Trusted);
    let values: Vec<String> = forwarded
        .headers()
        .values(&HeaderName::P_ASSERTED_IDENTITY)
        .map(|value| value.to_string())
        .collect();
    assert_eq!(values, ["\"A, B\" <sip:a@example.com>", "tel:+1555"]);
}

#[test]
fn a_malformed_assertion_is_no_identity() {
    for bad in [
        "",
        "</>",
        "<sip:a@example.com",
        "<sip:a@example.com>;x=y",
        "sip:a@b,",
        "\"x",
    ] {
        let bad = request(&format!("P-Asserted-Identity: {bad}\r\n"));
        let error = asserted_identity(&bad, Trust::Trusted).unwrap_err();
        assert!(matches!(error, IdentityError::AssertedIdentity(_)));
    }
}

#[test]
fn a_second_from_is_refused_also_when_it_was_added_later() {
    let mut twice = request("");
    twice
        .headers_mut()
        .push(&HeaderName::FROM, "<sip:eve@example.com>;tag=2")
        .unwrap();
    assert!(matches!(
        asserted_identity(&twice, Trust::Trusted),
        Err(IdentityError::From(_))
    ));
}

#[test]
fn who_wants_to_be_anonymous_is() {
    for (fields, anonymous) in [
        ("", false),
        ("Privacy: id\r\n", true),
        ("Privacy: header;critical\r\n", true),
        ("Privacy: none\r\n", false),
        ("Privacy: session\r\n", false),
        ("Privacy: critical\r\nPrivacy: ID\r\n", true),
        ("Privacy: critical, user\r\n", true),
    ] {
        assert_eq!(
            asserted_identity(&request(fields), Trust::Trusted)
                .unwrap()
                .anonymous,
            anonymous,
            "{fields}"
        );
    }
    let mut hidden = request("");
    hidden
        .headers_mut()
        .set(&HeaderName::FROM, "<sip:x@ANONYMOUS.invalid>;tag=1")
        .unwrap();
    assert!(asserted_identity(&hidden, Trust::Untrusted).unwrap().anonymous);
    assert!(asserted_identity(&request("Privacy: ;\r\n"), Trust::Trusted).is_err());
}

#[test]
fn authentication_decides_alone() {
    let aor = crate::Uri::parse("sip:real@example.com").unwrap();
    let request = request("P-Asserted-Identity: <sip:eve@example.com>\r\nPrivacy: id\r\n");
    let originator = asserted_by_authentication(&request, &aor).unwrap();
    assert_eq!(originator.identities, [aor]);
    assert_eq!(originator.privacy, [PrivacyValue::Id]);
}

#[test]
fn what_crosses_the_boundary_depends_on_both_sides_and_on_privacy() {
    let has_identity = |privacy: &str, from, to| {
        let mut crossing = request(&format!(
            "P-Asserted-Identity: <sip:alice@example.com>\r\n{privacy}"
        ));
        cross_boundary(&mut crossing, from, to);
        crossing.headers().contains(&HeaderName::P_ASSERTED_IDENTITY)
    };
    let (trusted, untrusted) = (Trust::Trusted, Trust::Untrusted);
    assert!(has_identity("Privacy: id\r\n", trusted, trusted));
    assert!(!has_identity("Privacy: id\r\n", trusted, untrusted));
    assert!(!has_identity("Privacy: header;id\r\n", trusted, untrusted));
    assert!(!has_identity("Privacy: ???\r\n", trusted, untrusted));
    assert!(has_identity("Privacy: none\r\n", trusted, untrusted));
    assert!(has_identity("", trusted, untrusted));
    assert!(!has_identity("", untrusted, trusted));
    assert!(!has_identity("Privacy: none\r\n", untrusted, untrusted));
}

#[test]
fn no_spelling_of_a_name_smuggles_an_assertion() {
    for name in [
        "P-Asserted-Identity",
        "p-asserted-IDENTITY",
        "P-Asserted-Identity ",
        "P-Asserted-Identity\t \t",
    ] {
        let mut crossing = request(&format!("{name}: <sip:eve@example.com>\r\n"));
        cross_boundary(&mut crossing, Trust::Untrusted, Trust::Trusted);
        let written = String::from_utf8(crossing.to_bytes().to_vec()).unwrap();
        assert!(!written.contains("eve"), "{written}");
    }
}

#[test]
fn an_anonymous_request_keeps_its_tag_and_tells_nothing() {
    let mut hidden = request(
        "P-Asserted-Identity: <sip:alice@example.com>\r\nCall-Info: <http://alice.example.com>\r\nb: <sip:alice@example.com>\r\n\
         User-Agent: alice-phone\r\n",
    );
    anonymise(&mut hidden).unwrap();
    let written = String::from_utf8(hidden.to_bytes().to_vec()).unwrap();
    assert!(!written.to_ascii_lowercase().contains("alice"), "{written}");
    assert_eq!(hidden.from().unwrap().tag(), Some("a1"));
    assert_eq!(
        hidden.from().unwrap().uri().as_str(),
        "sip:anonymous@anonymous.invalid"
    );
}

//= https://www.rfc-editor.org/rfc/rfc5876#section-4
//= type=test
//# by allowing a P-Asserted-Identity or P-Preferred-Identity header
//# field to appear in any request except ACK or CANCEL.
#[test]
fn ack_and_cancel_assert_nothing() {
    for method in ["ACK", "CANCEL"] {
        let text = request("P-Asserted-Identity: <sip:eve@example.com>\r\n").to_bytes();
        let text = String::from_utf8(text.to_vec())
            .unwrap()
            .replace("MESSAGE", method);
        let Message::Request(mut request) = parse_datagram(Bytes::from(text), &Limits::default()).unwrap()
        else {
            panic!("{method} is a request")
        };
        assert!(
            asserted_identity(&request, Trust::Trusted)
                .unwrap()
                .identities
                .is_empty()
        );
        cross_boundary(&mut request, Trust::Trusted, Trust::Trusted);
        assert!(!request.headers().contains(&HeaderName::P_ASSERTED_IDENTITY));
    }
}

#[test]
fn an_identity_that_is_there_twice_is_forwarded_once() {
    let mut twice = request("P-Asserted-Identity: <sip:a@example.com>, <sip:a@example.com>, <tel:+1>\r\n");
    cross_boundary(&mut twice, Trust::Trusted, Trust::Trusted);
    let value = twice.headers().value(&HeaderName::P_ASSERTED_IDENTITY).unwrap();
    assert_eq!(value, "<sip:a@example.com>, <tel:+1>");
}

#[test]
fn a_contradiction_is_read_as_a_wish_for_privacy() {
    let fields = "P-Asserted-Identity: <sip:alice@example.com>\r\nPrivacy: none;id\r\n";
    let mut crossing = request(fields);
    assert!(wants_anonymity(crossing.headers()));
    cross_boundary(&mut crossing, Trust::Trusted, Trust::Untrusted);
    assert!(!crossing.headers().contains(&HeaderName::P_ASSERTED_IDENTITY));
    assert!(
        asserted_identity(&request(fields), Trust::Trusted)
            .unwrap()
            .anonymous
    );
}

#[test]
fn a_response_crosses_the_boundary_by_the_same_rules() {
    use Trust::{Trusted, Untrusted};
    let crossed = |privacy: &str, from, to| {
        let fields = format!(
            "SIP/2.0 200 OK\r\nP-Asserted-Identity: <sip:bob@example.com>\r\n{privacy}P-Charging-Vector: icid-value=1\r\n"
        );
        let text = String::from_utf8(request("").to_bytes().to_vec()).unwrap();
        let text = text.replace("MESSAGE sip:bob@example.com SIP/2.0\r\n", &fields);
        let Message::Response(mut response) = parse_datagram(Bytes::from(text), &Limits::default()).unwrap()
        else {
            panic!("it is a response")
        };
        cross_boundary_response(&mut response, from, to);
        let has = |name: &HeaderName| response.headers().contains(name);
        (
            has(&HeaderName::P_ASSERTED_IDENTITY),
            has(&HeaderName::P_CHARGING_VECTOR),
        )
    };
    assert_eq!(crossed("", Trusted, Trusted), (true, true));
    assert_eq!(crossed("", Trusted, Untrusted), (true, false));
    assert_eq!(crossed("Privacy: id\r\n", Trusted, Trusted), (true, true));
    assert_eq!(crossed("Privacy: id\r\n", Trusted, Untrusted), (false, false));
    assert_eq!(crossed("", Untrusted, Trusted), (false, false));
}

#[test]
fn only_the_network_tells_what_the_network_knows() {
    let mut crossing = request(
        "P-Access-Network-Info: IEEE-802.11;i-wlan-node-id=1, 3GPP-UTRAN;network-provided\r\nP-Called-Party-ID: <sip:x@example.com>\r\n",
    );
    cross_boundary(&mut crossing, Trust::Untrusted, Trust::Trusted);
    let value = crossing
        .headers()
        .value(&HeaderName::P_ACCESS_NETWORK_INFO)
        .unwrap();
    assert_eq!(value, "IEEE-802.11;i-wlan-node-id=1");
    assert!(!crossing.headers().contains(&HeaderName::P_CALLED_PARTY_ID));
}

fn served(fields: &str, provided: &[PrivacyValue]) -> Result<(Vec<PrivacyValue>, Request), PrivacyError> {
    let mut request = request(fields);
    serve_privacy(&mut request, provided).map(|done| (done, request))
}

//= https://www.rfc-editor.org/rfc/rfc3323#section-5
//= type=test
//# When a privacy service performs one of the functions corresponding to
//# a privacy level listed in the Privacy header, it SHOULD remove the
//# corresponding priv-value from the Privacy header
#[test]
fn what_a_privacy_service_does_it_takes_from_the_list() {
    let fields = "Privacy: user;header;id;critical\r\nSubject: Alice\r\nOrganization: alice\r\nProxy-Require: privacy, x\r\n";
    let (done, request) = served(fields, &[PrivacyValue::Header]).unwrap();
    assert_eq!(done, [PrivacyValue::User, PrivacyValue::Header]);
    assert_eq!(
        request.headers().value(&HeaderName::PRIVACY).unwrap(),
        "id;critical"
    );
    assert_eq!(
        request.headers().value(&HeaderName::PROXY_REQUIRE).unwrap(),
        "privacy, x"
    );
    let written = String::from_utf8(request.to_bytes().to_vec()).unwrap();
    assert!(!written.to_ascii_lowercase().contains("alice"), "{written}");

    let (_, request) = served("Privacy: user;critical\r\nProxy-Require: privacy, x\r\n", &[]).unwrap();
    assert!(!request.headers().contains(&HeaderName::PRIVACY));
    assert_eq!(request.headers().value(&HeaderName::PROXY_REQUIRE).unwrap(), "x");
    let (_, request) = served("Privacy: user\r\nProxy-Require: Privacy\r\n", &[]).unwrap();
    assert!(!request.headers().contains(&HeaderName::PROXY_REQUIRE));
}

//= https://www.rfc-editor.org/rfc/rfc3323#section-5
//= type=test
//# if the privacy service is incapable of performing all
//# of the levels of privacy specified in the Privacy header then it MUST
//# fail the request with a 500 (Server Error) response code.
#[test]
fn critical_privacy_is_provided_or_the_request_fails() {
    let error = served(
        "Privacy: user;session;x-own;critical\r\n",
        &[PrivacyValue::Header],
    )
    .unwrap_err();
    assert_eq!(error.status(), crate::StatusCode::SERVER_INTERNAL_ERROR);
    assert_eq!(error.reason(), "Privacy Failure: session, x-own");
    let (done, request) = served("Privacy: user;session\r\n", &[]).unwrap();
    assert_eq!(done, [PrivacyValue::User]);
    assert_eq!(request.headers().value(&HeaderName::PRIVACY).unwrap(), "session");
    assert_eq!(
        served("Privacy: ;\r\n", &[]).unwrap_err().status(),
        crate::StatusCode::BAD_REQUEST
    );
}

//= https://www.rfc-editor.org/rfc/rfc3323#section-5
//= type=test
//# However, if the Privacy header value of
//# 'none' is specified in a message, privacy services MUST NOT perform
//# any privacy function and MUST NOT remove or modify the Privacy
//# header.
#[test]
fn who_wants_no_privacy_is_left_alone() {
    for fields in ["", "Privacy: none\r\n", "Privacy: id\r\n"] {
        let (done, served) = served(fields, &[PrivacyValue::Header, PrivacyValue::Session]).unwrap();
        assert!(done.is_empty());
        assert_eq!(served.to_bytes(), request(fields).to_bytes(), "{fields}");
    }
}

//= https://www.rfc-editor.org/rfc/rfc7044#section-10.1.2
//= type=test
//# The Privacy Service MUST change any
//# hi-targeted-to-uris in these hi-entries that have not been anonymized
//# (evidenced by their domain not being "anonymous.invalid") to
//# anonymous URIs containing a domain of anonymous.invalid
#[test]
fn the_history_is_hidden_where_it_wants_to_be() {
    let history = |privacy: &str, entries: &str, to| {
        let mut crossing = request(&format!("{privacy}History-Info: {entries}\r\n"));
        cross_boundary(&mut crossing, Trust::Trusted, to);
        crossing
            .headers()
            .value(&HeaderName::HISTORY_INFO)
            .map(|value| value.to_string())
    };
    let entries = "<sip:a@example.com>;index=1,<sip:b@example.com?Privacy=history>;index=1.1";
    let hidden = "<sip:anonymous@anonymous.invalid>;index=1, <sip:anonymous@anonymous.invalid>;index=1.1";
    for privacy in [
        "Privacy: history\r\n",
        "Privacy: header;id\r\n",
        "Privacy: ???\r\n",
    ] {
        assert_eq!(
            history(privacy, entries, Trust::Untrusted).as_deref(),
            Some(hidden),
            "{privacy}"
        );
        assert_eq!(
            history(privacy, entries, Trust::Trusted).as_deref(),
            Some(entries),
            "{privacy}"
        );
    }
    assert_eq!(
        history("", entries, Trust::Untrusted).as_deref(),
        Some("<sip:a@example.com>;index=1, <sip:anonymous@anonymous.invalid>;index=1.1")
    );
    assert_eq!(
        history("Privacy: history\r\n", "nonsense", Trust::Untrusted),
        None
    );
    let (done, request) = served(
        "Privacy: history\r\nHistory-Info: <sip:a@example.com>;index=1\r\n",
        &[],
    )
    .unwrap();
    assert_eq!(done, [PrivacyValue::History]);
    assert!(!request.headers().contains(&HeaderName::PRIVACY));
    assert!(
        request
            .headers()
            .value(&HeaderName::HISTORY_INFO)
            .unwrap()
            .contains("anonymous.invalid")
    );
}

//= https://www.rfc-editor.org/rfc/rfc3325#section-6
//= type=test
//# If a P-Preferred-Identity header field is present in the message that
//# a proxy receives from an entity that it does not trust, the proxy MAY
//# use this information as a hint suggesting which of multiple valid
//# identities for the authenticated user should be asserted.
#[test]
fn a_hint_chooses_among_the_valid_identities_and_makes_none() {
    let uri = |text: &str| crate::Uri::parse(text).unwrap();
    let valid = [
        uri("sip:alice@example.com"),
        uri("sip:a.smith@example.com"),
        uri("tel:+15551234"),
    ];
    for (fields, expected) in [
        ("", "sip:alice@example.com"),
        (
            "P-Preferred-Identity: <sip:A.Smith@example.com>\r\n",
            "sip:alice@example.com",
        ),
        (
            "P-Preferred-Identity: \"A\" <sip:a.smith@EXAMPLE.com;transport=tcp>\r\n",
            "sip:a.smith@example.com",
        ),
        ("P-Preferred-Identity: tel:+1-555-1234\r\n", "tel:+15551234"),
        (
            "P-Preferred-Identity: <sip:a.smith@example.com>\r\nP-Preferred-Identity: <tel:+15551234>\r\n",
            "sip:a.smith@example.com tel:+15551234",
        ),
        (
            "P-Preferred-Identity: <sip:eve@example.com>, <tel:+15551234>\r\n",
            "tel:+15551234",
        ),
        (
            "P-Preferred-Identity: <sip:alice@example.com>, <sip:a.smith@example.com>\r\n",
            "sip:alice@example.com",
        ),
        ("P-Preferred-Identity: <urn:x:y>\r\n", "sip:alice@example.com"),
        (
            "P-Preferred-Identity: <tel:+15551234>, </>\r\n",
            "sip:alice@example.com",
        ),
    ] {
        let asserted = identities_to_assert(&valid, &preferred_identities(&request(fields)));
        let texts: Vec<&str> = asserted.iter().map(crate::Uri::as_str).collect();
        assert_eq!(texts.join(" "), expected, "{fields}");
    }
    assert!(identities_to_assert(&[], &valid).is_empty());
}
