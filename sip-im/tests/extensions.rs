//! Header fields of IMS, of privacy's companions and of other extensions: what is read, what is refused, and that writing and
//! reading are inverse.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use proptest::prelude::*;
use sip_im::digest::Qop;
use sip_im::error::HeaderErrorKind;
use sip_im::header::*;
use sip_im::{ByteStr, Method, Uri};

/// Reads, writes, and reads again; `None` if it is refused.
fn through<H: Header>(text: &str) -> Option<H> {
    let first = H::parse(&ByteStr::from(text)).ok()?;
    let mut written = String::new();
    first.write(&mut written).unwrap();
    let second = H::parse(&ByteStr::from(written.clone()));
    let second = second.unwrap_or_else(|error| panic!("{text} becomes {written}: {error}"));
    assert!(first == second, "{text} becomes {written}");
    let mut headers = Headers::new();
    headers
        .push_typed(&first)
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    Some(first)
}

macro_rules! values {
    ($test:ident: $($type:ident good [$($good:literal)*] bad [$($bad:literal)*])+) => {
        #[test]
        fn $test() {
            $(
                $( assert!(through::<$type>($good).is_some(), "{}: {} is refused", $type::NAME, $good); )*
                $( assert!(through::<$type>($bad).is_none(), "{}: {} is accepted", $type::NAME, $bad); )*
            )+
        }
    };
}

values! { the_rest_of_rfc_3261_is_read:
    AcceptEncoding good ["" "gzip" "compress;q=0.5, gzip;q=1.0, *;q=0"] bad ["gzip,," "gzip;q=2" "a b" ","]
    AcceptLanguage good ["" "da, en-gb;q=0.8, en;q=0.7" "*"] bad ["en;q=x" "en;" "\"en\""]
    AlertInfo good ["<http://www.example.com/sounds/moo.wav>" "<cid:a@b.example>;x=y"] bad ["" "http://a.example/" "\"A\" <http://a.example/>" "<>"]
    CallInfo good ["<http://wwww.example.com/alice/photo.jpg> ;purpose=icon"] bad ["<http://a.example/>;" "<http://a.example/"]
    ErrorInfo good ["<sip:not-in-service-recording@atlanta.com>"] bad ["sip:a@b.example" "<a>"]
    ContentEncoding good ["gzip" "gzip, tar"] bad ["" "gzip," "a/b"]
    ContentLanguage good ["fr" "en, de-AT"] bad ["" "fr;q=1"]
    InReplyTo good ["70710@saturn.bell-tel.com"] bad ["" "a b" "@"]
    MimeVersion good ["1.0"] bad ["" "1" "1." "1.0 x" "-1.0"]
    Organization good ["Boxes by Bob" ""] bad []
    Priority good ["emergency" "x-own"] bad ["" "very urgent"]
    ReplyTo good ["Bob <sip:bob@biloxi.com>" "sip:bob@biloxi.com;x=y"] bad ["" "<sip:bob@biloxi.com"]
    Timestamp good ["54" "54." "54.21" "54.21 0.2" "54 .5" "54 1."] bad ["" ".5" "x" "54 x" "54 1 2" "5 4.1.2"]
}

values! { extensions_are_read:
    RAck good ["776656 1 INVITE" "1  2\tPRACK"] bad ["" "1" "1 2" "1 INVITE" "1 2 INVITE 3" "4294967296 1 INVITE" "1 2147483648 INVITE"]
    MaxBreadth good ["60" "0"] bad ["" "-1" "4294967296"]
    FlowTimer good ["126"] bad ["" "1.5"]
    RequestDisposition good ["proxy, no-fork" "queue"] bad ["" "proxy;x"]
    SecurityClient good ["digest" "tls;q=0.2" "ipsec-3gpp;alg=hmac-sha-1-96;spi-c=1111;spi-s=2222;port-c=3333;port-s=4444"] bad ["" "tls;q=5" "tls;"]
    SecurityServer good ["tls;q=0.2" "digest;d-alg=MD5;d-qop=auth;d-ver=\"0000000000000000000000000000a013\""] bad [";q=1"]
    SecurityVerify good ["tls;q=0.2"] bad ["\"tls\""]
    ContributionId good ["abcdef-1234-5678-90ab-cdef01234567" "f81d4fae-7dec-11d0@example.com"] bad ["" "a b"]
    ConversationId good ["f81d4fae-7dec-11d0-a765-00a0c91e6bf6"] bad ["" "a,b"]
    ContentId good ["<a1@example.com>" "<c.1>"] bad ["" "a1@example.com" "<a1" "<>" "<a b>" "<a><b>"]
    ContentTransferEncoding good ["binary" "base64"] bad ["" "a b"]
    HistoryInfo good [
        "<sip:bob@example.com>;index=1" "\"Bob\" <sip:bob@example.com?Reason=SIP%3Bcause%3D302>;index=1.1;rc=1;x" "<sip:192.0.2.7>;index=1.2.30"
    ] bad ["" "<sip:bob@example.com>" "sip:bob@example.com;index=1" "<sip:bob@example.com>;index=" "<sip:bob@example.com>;index=1." "<sip:bob@example.com>;index=a"]
    AuthenticationInfo good ["nextnonce=\"47364c23432d2e131a5fb210812c\"" "qop=auth, rspauth=\"a\", cnonce=\"b\", nc=00000001"] bad ["" "qop=auth," "qop=auth;x" "\"x\""]
    ProxyAuthenticationInfo good ["nextnonce=\"a,b\""] bad ["nextnonce=\"a"]
}

values! { header_fields_of_ims_are_read:
    PAssociatedUri good ["<sip:a@example.com>" "\"A, B\" <tel:+1555>;x=y"] bad ["" "</>" "<sip:a@example.com>;"]
    PCalledPartyId good ["<sip:user1-business@example.com>" "sip:a@example.com"] bad ["" "\"A\""]
    PRefusedUriList good ["sip:friends-list@example.com;members=\"<cid:an3bt8jf03@example.com>\"" "<sip:a@example.com>"] bad ["" "<sip:a@example.com>;members=\"a" "<sip:a@example.com>;members=x" "<sip:a@example.com>;members=<sip:a@b>" "<sip:a@example.com>;members=<cid:a>;members=<cid:b>"]
    PAssertedService good ["urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg" "URN:URN-7:a"] bad ["" "urn:urn-7:" "urn:urn-7:a..b" "urn:urn-7:a_b" "urn:x:a" "urn:urn-7:aaaaaaaaaaaaaaaaaaaaaaaaaaaa.b"]
    PPreferredService good ["urn:urn-7:3gpp-service.exampleservice"] bad ["3gpp-service"]
    PAccessNetworkInfo good ["3GPP-UTRAN-TDD; utran-cell-id-3gpp=234151D0FCE11" "IEEE-802.11b" "3GPP-E-UTRAN;utran-cell-id-3gpp=\"x\";network-provided"] bad ["" ";x" "\"x\""]
    PVisitedNetworkId good ["other.net" "\"Visited network number 1\"" "\"a\\\"b\";x"] bad ["" "a b" "\"a"]
    PChargingFunctionAddresses good ["ccf=192.0.8.1; ecf=192.0.8.3" "ccf=\"[2001:db8::1]\";ccf-2=b.example"] bad ["" ";ccf=a" "ccf=a;"]
}

#[test]
fn what_is_read_can_be_asked_for() {
    let languages: AcceptLanguage = through("da, en-gb;q=0.8").unwrap();
    let preferences: Vec<(&str, u16)> = languages
        .0
        .iter()
        .map(|one| (one.value.as_str(), one.q()))
        .collect();
    assert_eq!(preferences, [("da", 1000), ("en-gb", 800)]);
    let ack: RAck = through("776656 1 INVITE").unwrap();
    assert_eq!(
        (ack.rseq, ack.cseq.seq, ack.cseq.method),
        (776_656, 1, Method::Invite)
    );
    assert_eq!(
        through::<CallInfo>("<http://a.example/>;purpose=icon")
            .unwrap()
            .purpose(),
        Some("icon")
    );
    assert_eq!(
        through::<ContentId>("<a1@example.com>").unwrap().id(),
        "a1@example.com"
    );
    assert_eq!(through::<SecurityServer>("tls;q=0.2").unwrap().q(), Some(200));
    assert!(
        through::<PAccessNetworkInfo>("3GPP-GERAN;Network-Provided")
            .unwrap()
            .is_network_provided()
    );
    let refused: PRefusedUriList = through("sip:l@example.com;members=\"<cid:a@example.com>\"").unwrap();
    assert_eq!(refused.members.unwrap().as_str(), "cid:a@example.com");
    let bare: PRefusedUriList =
        through("<sip:l@example.com;x=y>; a=\"b;c\" ;members=<cid:a@example.com>;z").unwrap();
    assert_eq!(bare.members.unwrap().as_str(), "cid:a@example.com");
    assert_eq!(bare.name_addr.params.unquoted("a").as_deref(), Some("b;c"));
    assert!(bare.name_addr.params.contains("z"));
    let charging: PChargingFunctionAddresses = through("ccf=192.0.8.1; ecf=\"b.example\"").unwrap();
    assert_eq!(
        (charging.collection().as_deref(), charging.event().as_deref()),
        (Some("192.0.8.1"), Some("b.example"))
    );
    let service: PAssertedService = through("urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg").unwrap();
    assert!(
        service.is_within("URN:urn-7:3gpp-service.ims.icsi")
            && !service.is_within("urn:urn-7:3gpp-service.ims.ics")
    );
}

#[test]
fn right_credentials_are_answered_with_a_proof_and_the_next_nonce() {
    let info = AuthenticationInfo::next_nonce("n\"1\r\n").with_proof(Qop::Auth, "abc", "xyz", 17);
    let mut headers = Headers::new();
    headers.push_typed(&info).unwrap();
    assert_eq!(
        headers.value(&HeaderName::AUTHENTICATION_INFO).unwrap(),
        "nextnonce=\"n\\\"1  \", qop=auth, rspauth=\"abc\", cnonce=\"xyz\", nc=00000011"
    );
    assert_eq!(info.get("NC").as_deref(), Some("00000011"));
}

#[test]
fn lists_are_read_over_lines_and_commas() {
    let mut headers = Headers::new();
    for value in [
        "<sip:a@example.com>;index=1, <sip:b@example.com>;index=1.1",
        "<sip:c@example.com>;index=1.2",
    ] {
        headers.push(&HeaderName::HISTORY_INFO, value).unwrap();
    }
    let indexes: Vec<String> = headers
        .all::<HistoryInfo>()
        .map(|entry| entry.unwrap().index().to_owned())
        .collect();
    assert_eq!(indexes, ["1", "1.1", "1.2"]);
    headers.push(&HeaderName::ACCEPT_ENCODING, "").unwrap();
    assert_eq!(
        headers.get::<AcceptEncoding>().unwrap(),
        Some(AcceptEncoding::default())
    );
    headers.push(&HeaderName::MIME_VERSION, "1.0").unwrap();
    headers.push(&HeaderName::MIME_VERSION, "1.0").unwrap();
    assert_eq!(
        headers.get::<MimeVersion>().unwrap_err().kind,
        HeaderErrorKind::Repeated
    );
}

#[test]
fn what_would_not_be_read_back_is_not_written() {
    let uri = Uri::parse("sip:a@example.com").unwrap();
    let mut headers = Headers::new();
    assert!(headers.push_typed(&HistoryInfo::new(uri.clone(), "1.x")).is_err());
    assert!(
        headers
            .push_typed(&HistoryInfo::new(uri.clone(), "1\r\nEvil: x"))
            .is_err()
    );
    assert!(headers.push_typed(&SecurityClient::new("tls, digest")).is_err());
    assert!(headers.push_typed(&AcceptLanguage::new(["en, de"])).is_err());
    assert!(
        headers
            .push_typed(&PAssertedService::new("urn:urn-7:a\r\nb"))
            .is_err()
    );
    assert!(headers.push_typed(&ContentId::new("<a>\r\nEvil: <b>")).is_err());
    assert!(headers.push_typed(&Priority::new("a b")).is_err());
    assert!(headers.is_empty());
    headers.push_typed(&HistoryInfo::new(uri, "1.2")).unwrap();
    headers
        .push_typed(&PVisitedNetworkId::new("Visited \"network\", number 1"))
        .unwrap();
    assert_eq!(headers.len(), 2);
}

#[test]
fn a_hidden_entry_keeps_its_place_in_the_history() {
    let entry: HistoryInfo =
        through("\"Bob\" <sip:bob@example.com?Privacy=history%3Bx>;index=1.1;rc=1").unwrap();
    assert!(entry.wants_privacy());
    let mut written = String::new();
    entry.anonymised().write(&mut written).unwrap();
    assert_eq!(written, "<sip:anonymous@anonymous.invalid>;index=1.1;rc=1");
    assert!(!entry.anonymised().wants_privacy());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[ -~]{0,40}") {
        macro_rules! each {
            ($($type:ident)+) => { $( let _ = through::<$type>(&text); )+ };
        }
        each! {
            AcceptEncoding AcceptLanguage AlertInfo CallInfo ErrorInfo ContentEncoding ContentLanguage InReplyTo MimeVersion Priority
            ReplyTo Timestamp RAck MaxBreadth FlowTimer RequestDisposition SecurityClient ContributionId ContentId HistoryInfo
            AuthenticationInfo PAssociatedUri PAssertedService PAccessNetworkInfo PVisitedNetworkId PChargingFunctionAddresses
        }
    }

    #[test]
    fn any_network_name_is_read_back(network in "[^\r\n]{0,30}") {
        let value = PVisitedNetworkId::new(&network);
        let mut headers = Headers::new();
        headers.push_typed(&value).unwrap();
        prop_assert_eq!(headers.get::<PVisitedNetworkId>().unwrap(), Some(value));
    }

    #[test]
    fn any_nonce_is_read_back(nonce in "[^\r\n]{0,30}") {
        let value = AuthenticationInfo::next_nonce(&nonce);
        let mut headers = Headers::new();
        headers.push_typed(&value).unwrap();
        let read = headers.get::<AuthenticationInfo>().unwrap();
        prop_assert_eq!(read.and_then(|read| read.get("nextnonce")), Some(nonce));
    }
}
