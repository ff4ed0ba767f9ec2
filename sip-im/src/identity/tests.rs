use bytes::Bytes;

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
