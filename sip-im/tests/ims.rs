//! What IMS adds: the security agreement, AKA, session cases, services.
#![cfg(test)]

mod machines;

use machines::{request, uri};
use sip_im::digest::Algorithm;
use sip_im::header::{
    Contact, HeaderName, NameAddr, ProxyRequire, Require, SecurityClient, SecurityServer, SecurityVerify,
    Supported, Via,
};
use sip_im::ims::{
    AkaChallenge, AkaError, AkaResult, AkaVector, AkaVerdict, SecurityAgreement, SecurityCheck,
    SecurityError, SecurityPolicy, Services, SessionCase, ask_for_compression, asks_for_compression,
    served_user,
};
use sip_im::{Method, Request, StatusCode};

const ALGORITHMS: [Algorithm; 3] = [Algorithm::AkaV1Md5, Algorithm::AkaV2Md5, Algorithm::AkaV2Sha256];

fn vector() -> AkaVector {
    AkaVector::new([1; 16], [2; 16], vec![0xff, 0, 0x80, 3], [4; 16], [5; 16])
}

#[test]
fn whoever_has_the_keys_is_accepted_and_both_ends_have_the_same() {
    //= https://www.rfc-editor.org/rfc/rfc4169#section-2.1
    //= type=test
    //# The client shall use base64 encoded [1] parameters PRF(RES||IK||CK,
    //# "http-digest-akav2-password") as a "password" when calculating the
    //# HTTP Digest response directive for AKAv2.
    //= https://www.rfc-editor.org/rfc/rfc4169#section-2.2
    //= type=test
    //# However, the original session keys IK and CK MUST NOT be directly
    //# re-used for such additional security in "AKAv2".
    for algorithm in ALGORITHMS {
        let server = vector();
        let challenge = server.challenge("ims.test", algorithm, b"more");
        let asked = AkaChallenge::of(&challenge).expect("a challenge of aka");
        assert_eq!((asked.rand, asked.autn), ([1; 16], [2; 16]));
        let answer = |result: &AkaResult, body: &[u8]| {
            asked.answer(result, "alice@ims.test", "REGISTER", "sip:ims.test", "c", 1, body)
        };
        let right = asked.response(vec![0xff, 0, 0x80, 3], [4; 16], [5; 16]);
        let AkaVerdict::Accepted(keys) = server.check(&answer(&right, b""), algorithm, "REGISTER", b"")
        else {
            panic!("refused: {algorithm:?}")
        };
        assert_eq!(Some(&keys), asked.keys(&right).as_ref());
        assert_eq!(keys.integrity == vec![4; 16], algorithm == Algorithm::AkaV1Md5);
        for wrong in [
            asked.response(vec![0xff, 0, 0x80, 4], [4; 16], [5; 16]),
            asked.response(Vec::new(), [4; 16], [5; 16]),
        ] {
            assert_eq!(
                server.check(&answer(&wrong, b""), algorithm, "REGISTER", b""),
                AkaVerdict::Refused
            );
        }
        assert_eq!(
            server.check(&answer(&right, b""), algorithm, "MESSAGE", b""),
            AkaVerdict::Refused
        );
        for other in ALGORITHMS.into_iter().filter(|other| *other != algorithm) {
            assert_eq!(
                server.check(&answer(&right, b""), other, "REGISTER", b""),
                AkaVerdict::Refused
            );
        }
        //= https://www.rfc-editor.org/rfc/rfc3310#section-3.4
        //= type=test
        //# Instead, the client MUST calculate
        //# its credentials using an empty password (password of "").
        let resync = AkaResult::Resynchronise([9; 14]);
        let credentials = answer(&resync, b"");
        assert_eq!(
            server.check(&credentials, algorithm, "REGISTER", b""),
            AkaVerdict::Resynchronise([9; 14])
        );
        assert!(asked.keys(&resync).is_none());
        let mut stripped = credentials.clone();
        stripped.auts = None;
        assert_eq!(
            server.check(&stripped, algorithm, "REGISTER", b""),
            AkaVerdict::Refused
        );
        let mut spoilt = credentials;
        spoilt.auts = Some("AAAA".to_owned());
        assert_eq!(
            server.check(&spoilt, algorithm, "REGISTER", b""),
            AkaVerdict::Refused
        );
        assert!(
            !format!("{server:?} {right:?} {keys:?}").contains('4'),
            "no secret is shown"
        );
    }
    let plain = sip_im::digest::Challenge::new("r", "n", Algorithm::Md5);
    assert_eq!(AkaChallenge::of(&plain), Err(AkaError::Algorithm));
    let short = sip_im::digest::Challenge::new("r", "AAAA", Algorithm::AkaV1Md5);
    assert_eq!(AkaChallenge::of(&short), Err(AkaError::Nonce));
}

fn offered(mechanism: &str, q: &str) -> SecurityServer {
    let mut one = SecurityServer::new(mechanism);
    one.params.set("q", Some(q)).expect("a parameter");
    one
}

fn first_hop() -> Request {
    let mut made = request(Method::Register, "c");
    let via = Via::new("UDP", "192.0.2.1", None, "z9hG4bK1");
    made.headers_mut().push_front_typed(&via).expect("a via");
    made
}

#[test]
fn both_agree_on_the_best_mechanism_and_notice_what_was_changed() {
    //= https://www.rfc-editor.org/rfc/rfc3329#section-2.3.1
    //= type=test
    //# When the client receives a response with a Security-Server header
    //# field, it MUST choose the security mechanism in the server's list
    //# with the highest "q" value among all the mechanisms that are known to
    //# the client.
    let policy = SecurityPolicy::new(
        vec![
            offered("digest", "0.1"),
            offered("ipsec-3gpp", "0.3"),
            offered("tls", "0.2"),
        ],
        true,
    );
    let mut client = SecurityAgreement::new(vec![
        SecurityClient::new("tls"),
        SecurityClient::new("IPsec-3gpp"),
    ]);
    let mut plain = first_hop();
    assert_eq!(
        policy.check(&mut plain, false),
        SecurityCheck::Refused(StatusCode::EXTENSION_REQUIRED)
    );
    plain
        .headers_mut()
        .push_typed(&Supported::new(["sec-agree"]))
        .expect("Supported");
    let refused = SecurityCheck::Refused(StatusCode::SECURITY_AGREEMENT_REQUIRED);
    assert_eq!(policy.check(&mut plain, false), refused);
    let mut first = first_hop();
    client.prepare(&mut first).expect("prepared");
    assert!(
        first
            .headers()
            .require::<Require>()
            .expect("Require")
            .contains("sec-agree")
    );
    assert!(
        first
            .headers()
            .require::<ProxyRequire>()
            .expect("Proxy-Require")
            .contains("sec-agree")
    );
    assert_eq!(first.headers().all::<SecurityClient>().count(), 2);
    assert_eq!(policy.check(&mut first, false), refused);
    let response = policy
        .refuse(&first, StatusCode::SECURITY_AGREEMENT_REQUIRED)
        .build()
        .expect("a response");
    let chosen = client.agree(&response).expect("agreed");
    assert_eq!(chosen.mechanism.as_str(), "ipsec-3gpp");
    let mut second = first_hop();
    client.prepare(&mut second).expect("prepared");
    assert_eq!(
        policy.check(&mut second.clone(), false),
        refused,
        "not over what was agreed on"
    );
    //= https://www.rfc-editor.org/rfc/rfc3329#section-2.3.1
    //= type=test
    //# The server can proceed processing a particular request if, and only
    //# if, the list was not modified.
    let mut changed = second.clone();
    let weaker = SecurityVerify::new("digest");
    changed.headers_mut().set_typed(&weaker).expect("a line");
    assert_eq!(policy.check(&mut changed, true), refused);
    assert_eq!(policy.check(&mut second, true), SecurityCheck::Agreed);
    //= https://www.rfc-editor.org/rfc/rfc3329#section-2.3.1
    //= type=test
    //# If the
    //# list was not modified, and the server is a proxy, it MUST remove the
    //# "sec-agree" value from both the Require and Proxy-Require header
    //# fields, and then remove the header fields if no values remain.
    for name in [
        HeaderName::REQUIRE,
        HeaderName::PROXY_REQUIRE,
        HeaderName::SECURITY_VERIFY,
    ] {
        assert!(!second.headers().contains(&name), "{name:?}");
    }
    let mut far = first_hop();
    let via = Via::new("UDP", "192.0.2.7", None, "z9hG4bK2");
    far.headers_mut().push_front_typed(&via).expect("a via");
    assert_eq!(
        policy.check(&mut far, true),
        SecurityCheck::Refused(StatusCode::BAD_GATEWAY)
    );
    let mut stranger = SecurityAgreement::new(vec![SecurityClient::new("other")]);
    assert_eq!(stranger.agree(&response), Err(SecurityError::NoCommonMechanism));
    let nothing = first.response(StatusCode::OK).build().expect("a response");
    assert_eq!(stranger.agree(&nothing), Err(SecurityError::NothingOffered));
    assert!(!stranger.is_agreed() && client.is_agreed());
    let lenient = SecurityPolicy::new(vec![offered("tls", "0.2")], false);
    assert_eq!(lenient.check(&mut first_hop(), false), SecurityCheck::Absent);
}

#[test]
fn the_core_says_whom_a_request_is_served_for() {
    let route = uri("sip:as.test;lr;orig");
    for (value, route, case) in [
        (None, None, SessionCase::Terminating),
        (None, Some(&route), SessionCase::Originating),
        (
            Some("<sip:bob@b.test>;sescase=term;regstate=reg"),
            Some(&route),
            SessionCase::Terminating,
        ),
        (
            Some("<sip:bob@b.test>;sescase=orig;regstate=unreg"),
            None,
            SessionCase::Originating,
        ),
        (
            Some("<sip:bob@b.test>;sescase=term;regstate=unreg"),
            None,
            SessionCase::TerminatingUnregistered,
        ),
        (Some("<sip:bob@b.test>"), Some(&route), SessionCase::Originating),
    ] {
        let mut made = request(Method::Message, "c");
        if let Some(value) = value {
            made.headers_mut()
                .push(&HeaderName::P_SERVED_USER, value)
                .expect("a line");
        }
        let served = served_user(&made, route).expect("read");
        assert_eq!(served.case, case, "{value:?}");
        assert_eq!(served.user.is_some(), value.is_some());
    }
}

#[test]
fn a_service_is_known_by_what_is_configured() {
    let mut services = Services::default();
    services
        .tags
        .push(("+g.3gpp.icsi-ref".to_owned(), Some("urn%3Aim".to_owned())));
    services.identifiers.push("urn:urn-7:3gpp-service.im".to_owned());
    let contact = |text: &str| Contact::Addr(NameAddr::parse(&text.to_owned().into()).expect("an address"));
    for (text, offered) in [
        ("<sip:a@192.0.2.1>;+g.oma.SIP-IM", true),
        ("<sip:a@192.0.2.1>;+g.oma.sip-im=\"FALSE\"", false),
        (
            "<sip:a@192.0.2.1>;+g.3gpp.icsi-ref=\"urn%3Aother,urn%3Aim\"",
            true,
        ),
        ("<sip:a@192.0.2.1>;+g.3gpp.icsi-ref=\"urn%3Aother\"", false),
        ("<sip:a@192.0.2.1>", false),
    ] {
        assert_eq!(services.is_offered_by(&contact(text)), offered, "{text}");
    }
    for (name, value, asked) in [
        (HeaderName::P_ASSERTED_SERVICE, "urn:urn-7:3gpp-service.im", true),
        (
            HeaderName::P_PREFERRED_SERVICE,
            "urn:urn-7:3gpp-service.im.text",
            true,
        ),
        (
            HeaderName::P_PREFERRED_SERVICE,
            "urn:urn-7:3gpp-service.voice",
            false,
        ),
        (HeaderName::ACCEPT_CONTACT, "*;+g.oma.sip-im;require", true),
        (HeaderName::ACCEPT_CONTACT, "*;audio", false),
    ] {
        let mut made = request(Method::Message, "c");
        made.headers_mut().push(&name, value).expect("a line");
        assert_eq!(services.is_asked_for_by(&made), Ok(asked), "{value}");
    }
}

#[test]
fn what_is_to_be_compressed_says_so() {
    //= https://www.rfc-editor.org/rfc/rfc3486#section-4
    //= type=test
    //# If the next-hop URI contains the parameter comp=sigcomp, the client
    //# SHOULD compress the request using SigComp as defined in [2].
    let plain = uri("sip:edge.test;lr");
    let asking = ask_for_compression(&plain).expect("a parameter");
    assert_eq!(asking, uri("sip:edge.test;lr;comp=sigcomp"));
    assert!(asks_for_compression(&asking) && !asks_for_compression(&plain));
    assert!(!asks_for_compression(&uri("sip:edge.test;comp=other")));
}
