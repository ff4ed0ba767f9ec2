use super::*;

/// A description as a vendor's server writes it: CRLF, several media, unknown attributes.
const OFFER: &str = "v=0\r\no=alice 2890844526 2890844527 IN IP4 192.0.2.1\r\ns= -\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    a=session-own\r\nm=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n\
    m=message 2855 TCP/MSRP *\r\na=accept-types:* message/CPIM\r\na=accept-wrapped-types:text/plain image/*\r\n\
    a=path:msrp://192.0.2.1:2855/01t1pks4m2;tcp\r\na=setup:actpass\r\na=max-size:4096\r\na=chatroom:nickname private-messages\r\n\
    a=own:x y\r\na=sendonly\r\n";

fn parse(text: &str) -> Result<Session, SdpError> {
    Session::parse(&Bytes::copy_from_slice(text.as_bytes()))
}

fn local(setup: Option<Setup>) -> LocalMedia {
    let mut local = LocalMedia::new(::msrp::Uri::parse("msrp://192.0.2.2:2856/f1;tcp").unwrap());
    local.setup = setup;
    local
}

#[test]
fn a_description_is_written_back_line_by_line() {
    let session = parse(OFFER).unwrap();
    assert_eq!(session.to_string(), OFFER);
    assert_eq!(session.attribute("session-own"), Some(""));
    let bare = OFFER.replace("\r\n", "\n");
    assert_eq!(parse(&bare).unwrap(), session);
}

#[test]
fn what_a_message_medium_says_is_read() {
    let media = parse(OFFER).unwrap().message_media().unwrap();
    assert_eq!(media.port, 2855);
    assert_eq!(media.path[0].session_id(), Some("01t1pks4m2"));
    assert_eq!(media.accept_wrapped_types, ["text/plain", "image/*"]);
    assert_eq!(
        (media.max_size, media.setup, media.direction),
        (Some(4096), Some(Setup::ActPass), Direction::SendOnly)
    );
    assert_eq!(media.chatroom.unwrap(), ["nickname", "private-messages"]);
    assert_eq!(media.address.unwrap(), "192.0.2.1");
}

//= https://www.rfc-editor.org/rfc/rfc3264#section-6
//= type=test
//# For each "m=" line in the offer, there MUST be a corresponding "m="
//# line in the answer.
#[test]
fn an_answer_has_every_medium_in_its_place_and_refuses_the_others() {
    let answer = answer(&parse(OFFER).unwrap(), &local(None)).unwrap();
    assert_eq!(answer.chosen, 1);
    assert_eq!(answer.session.media.len(), 2);
    assert_eq!(
        (
            answer.session.media[0].media.as_str(),
            answer.session.media[0].port
        ),
        ("audio", 0)
    );
    let media = answer.session.message_media().unwrap();
    assert_eq!(
        (media.port, media.direction, media.setup),
        (2856, Direction::RecvOnly, Some(Setup::Passive))
    );
}

//= https://www.rfc-editor.org/rfc/rfc6135#section-4.2
//= type=test
//# If an SDP offer includes an a=setup "actpass" attribute value, the
//# SDP answerer MAY include an a=setup "active" attribute value in the
//# SDP answer, but SHOULD include an a=setup "passive" attribute value
#[test]
fn exactly_one_end_connects() {
    use Setup::{ActPass, Active, Passive};
    for (offered, own, wanted) in [
        (Some(ActPass), None, Ok(Some(Passive))),
        (Some(ActPass), Some(Active), Ok(Some(Active))),
        (Some(ActPass), Some(Passive), Ok(Some(Passive))),
        (Some(Active), None, Ok(Some(Passive))),
        (Some(Active), Some(Active), Err(AnswerError::Setup)),
        (Some(Passive), None, Ok(Some(Active))),
        (Some(Passive), Some(Passive), Err(AnswerError::Setup)),
        (None, Some(Passive), Ok(None)),
        (None, Some(Active), Err(AnswerError::Setup)),
    ] {
        let offer = parse(&offer(&local(offered)).to_string()).unwrap();
        let got = answer(&offer, &local(own)).map(|answer| answer.session.message_media().unwrap().setup);
        assert_eq!(got, wanted, "{offered:?} {own:?}");
    }
}

//= https://www.rfc-editor.org/rfc/rfc4975#section-8.6
//= type=test
//# in
//# SIP, it SHOULD return a SIP 488 response.
#[test]
fn an_offer_that_cannot_be_used_is_refused_with_488() {
    for (text, error) in [
        (OFFER.replace("TCP/MSRP", "TCP/TLS/MSRP"), AnswerError::NoMedia),
        (
            OFFER.replace("m=message 2855", "m=message 0"),
            AnswerError::NoMedia,
        ),
        (
            OFFER.replace("* message/CPIM", "text/html"),
            AnswerError::NoCommonType,
        ),
        (
            OFFER.replace("a=path:msrp://192.0.2.1:2855/01t1pks4m2;tcp\r\n", ""),
            AnswerError::Malformed(MediaError::Missing("path")),
        ),
        (
            OFFER.replace("msrp://192", "sip://192"),
            AnswerError::Malformed(MediaError::Malformed("path")),
        ),
        (
            OFFER.replace("max-size:4096", "max-size:+1"),
            AnswerError::Malformed(MediaError::Malformed("max-size")),
        ),
        (
            OFFER.replace("setup:actpass", "setup:maybe"),
            AnswerError::Malformed(MediaError::Malformed("setup")),
        ),
    ] {
        let got = answer(&parse(&text).unwrap(), &local(None)).unwrap_err();
        assert_eq!(got, error);
        assert_eq!(got.status(), crate::StatusCode::NOT_ACCEPTABLE_HERE);
    }
}

#[test]
fn what_is_no_description_is_refused() {
    for (text, kind) in [
        ("", SdpErrorKind::Line),
        ("v=1\r\n", SdpErrorKind::Version),
        ("v=0\r\n", SdpErrorKind::Missing),
        ("v=0\r\no=- 1 IN IP4 a\r\n", SdpErrorKind::Origin),
        ("v=0\r\no=- 1 1 IN IP4 a\r\ns=-\r\n", SdpErrorKind::Missing),
        (
            "v=0\r\no=- 1 1 IN IP4 a\r\ns=-\r\nt=0 0\r\nm=message x TCP/MSRP *\r\n",
            SdpErrorKind::Media,
        ),
        (
            "v=0\r\no=- 1 1 IN IP4 a\r\ns=-\r\nt=0 0\r\nm=message 99999 TCP/MSRP *\r\n",
            SdpErrorKind::Media,
        ),
        (
            "v=0\r\no=- 1 1 IN IP4 a\r\ns=-\r\nt=0 0\r\nv=0\r\n",
            SdpErrorKind::Order,
        ),
        (
            "v=0\r\no=- 1 1 IN IP4 a\r\na=x\r\ns=-\r\nt=0 0\r\n",
            SdpErrorKind::Order,
        ),
        (
            "v=0\r\no=- 1 1 IN IP4 a\r\ns=-\r\nt=0 0\r\nnonsense\r\n",
            SdpErrorKind::Line,
        ),
        (
            "v=0\r\no=- 1 1 IN IP4 a\r\ns=a\rb\r\nt=0 0\r\n",
            SdpErrorKind::Line,
        ),
    ] {
        assert_eq!(parse(text).unwrap_err().kind, kind, "{text:?}");
    }
    let many = format!(
        "v=0\r\no=- 1 1 IN IP4 a\r\ns=-\r\nt=0 0\r\n{}",
        "a=x\r\n".repeat(1_000)
    );
    assert_eq!(parse(&many).unwrap_err().kind, SdpErrorKind::TooLarge);
}

#[test]
fn every_cut_of_a_description_is_read_or_refused() {
    for end in 0..OFFER.len() {
        let _ = parse(OFFER.get(..end).unwrap()).map(|session| session.message_media());
    }
}

#[test]
fn a_line_of_fixed_form_has_that_form() {
    let start = "v=0\r\no=- 1 1 IN IP4 a\r\ns=\r\n";
    for (lines, good) in [
        ("c=IN IP6 2001:db8::1\r\nt=0 0\r\n", true),
        (
            "c=IN IP4 224.2.1.1/127/3\r\nb=AS:64\r\nt=3034423619 3042462419\r\nr=604800 3600 0 90000\r\na=recvonly\r\n",
            true,
        ),
        ("c=IN IP4\r\nt=0 0\r\n", false),
        ("c=IN IP4 \r\nt=0 0\r\n", false),
        ("c=IN  IP4 a\r\nt=0 0\r\n", false),
        ("t=0\r\n", false),
        ("t=0 x\r\n", false),
        ("b=64\r\nt=0 0\r\n", false),
        ("b=AS:x\r\nt=0 0\r\n", false),
        ("t=0 0\r\na=\r\n", false),
        ("t=0 0\r\na=:x\r\n", false),
        ("t=0 0\r\nm=mess age 1 TCP/MSRP *\r\n", false),
        ("t=0 0\r\nm=message 1 TCP//MSRP *\r\n", false),
    ] {
        assert_eq!(parse(&format!("{start}{lines}")).is_ok(), good, "{lines:?}");
    }
}

//= https://www.rfc-editor.org/rfc/rfc8122#section-5.1
//= type=test
//# An endpoint MUST select the set of fingerprints that use its most
//# preferred hash function (out of those offered by the peer) and verify
//# that each certificate used matches one fingerprint out of that set.
//= https://www.rfc-editor.org/rfc/rfc8122#section-5
//= type=test
//# Implementations compliant with this specification MUST NOT use the
//# MD2 and MD5 hash functions to calculate fingerprints or to verify
//# received fingerprints that have been calculated using them.
#[test]
fn fingerprints_are_those_of_the_medium_and_the_best_hash_decides() {
    let hash = |digits: &str, count: usize| vec![digits; count].join(":");
    let session = OFFER
        .replace("a=session-own", &format!("a=fingerprint:sha-1 {}", hash("01", 20)))
        .replace(
            "a=own:x y",
            &format!(
                "a=fingerprint:SHA-256 {}\r\na=fingerprint:md5 {}\r\na=fingerprint:sha-256 {}\r\na=fingerprint:new 01",
                hash("AB", 32),
                hash("cd", 16),
                hash("ef", 32)
            ),
        );
    let media = parse(&session).unwrap().message_media().unwrap();
    assert_eq!(media.fingerprints.len(), 4);
    let best = Fingerprint::best(&media.fingerprints);
    assert_eq!(best.len(), 2);
    assert!(best[0].matches(&[0xab; 32]) && best[1].matches(&[0xef; 32]));
    assert!(!media.fingerprints[1].matches(&[0xcd; 16]) && !media.fingerprints[3].matches(&[1]));
    assert!(Fingerprint::best(&media.fingerprints[3..]).is_empty());
    let outside = OFFER.replace(
        "a=session-own",
        &format!("a=fingerprint:sha-1 {}", hash("01", 20)),
    );
    assert_eq!(
        parse(&outside)
            .unwrap()
            .message_media()
            .unwrap()
            .fingerprints
            .len(),
        1
    );
    for bad in [
        "sha-1",
        "sha-1 01",
        "sha-256 AB:A",
        "sha-256 G0",
        " 01",
        "sha-256",
        "s(a 01",
    ] {
        let text = OFFER.replace("a=own:x y", &format!("a=fingerprint:{bad}"));
        assert!(parse(&text).unwrap().message_media().is_none(), "{bad}");
    }
    assert!(Fingerprint::new("md5", &[1; 16]).is_none() && Fingerprint::new("sha-1", &[1; 19]).is_none());
}

#[test]
fn an_end_with_tls_tells_its_fingerprint() {
    let mut own = LocalMedia::new(::msrp::Uri::parse("msrps://192.0.2.2:2856/f1;tcp").unwrap());
    own.fingerprints.extend(Fingerprint::new("sha-256", &[7; 32]));
    let offered = offer(&own);
    assert_eq!(offered.message_media().unwrap().fingerprints, own.fingerprints);
    let answered = answer(&offered, &own).unwrap().session;
    assert_eq!(answered.message_media().unwrap().fingerprints, own.fingerprints);
    own.path = local(None).path;
    assert!(offer(&own).media[0].attribute("fingerprint").is_none());
}

//= https://www.rfc-editor.org/rfc/rfc6135#section-4.4
//= type=test
//# MSRP UAs MUST NOT use the SDP a=connection attribute.
#[test]
fn the_connection_attribute_is_ignored_and_never_written() {
    let with = OFFER.replace("a=own:x y", "a=connection:existing");
    let answered = answer(&parse(&with).unwrap(), &local(None)).unwrap().session;
    assert!(answered.media[1].attribute("connection").is_none());
    assert!(
        offer(&local(Some(Setup::ActPass))).media[0]
            .attribute("connection")
            .is_none()
    );
}

/// An offer of an end that knows RFC 6714, with a middlebox at the connection line.
fn through_a_middlebox(cema: bool, setup: Option<Setup>, path: &[&str]) -> Session {
    let mut own = LocalMedia::new(::msrp::Uri::parse("msrp://192.0.2.1:2855/a;tcp").unwrap());
    own.path = path.iter().map(|uri| ::msrp::Uri::parse(uri).unwrap()).collect();
    own.cema = cema;
    own.setup = setup;
    let text = offer(&own)
        .to_string()
        .replace("c=IN IP4 192.0.2.1", "c=IN IP4 198.51.100.1");
    parse(&text).unwrap()
}

//= https://www.rfc-editor.org/rfc/rfc6714#section-4.3
//= type=test
//# If the MSRP media description of the SDP offer does not contain an
//# SDP 'msrp-cema' attribute, and the SDP c/m-line address information
//# associated with the MSRP media description does not match the
//# information in the MSRP URI of the 'path' attribute(s), the
//# answerer MUST either reject the offered MSRP connection
#[test]
fn a_middlebox_is_reached_where_both_ends_know_of_it() {
    let alone = ["msrp://192.0.2.1:2855/a;tcp"];
    let mut own = local(None);
    own.cema = true;
    let got = answer(&through_a_middlebox(true, None, &alone), &own).unwrap();
    assert!(got.cema && got.session.message_media().unwrap().cema);
    assert_eq!(got.remote.setup, Some(Setup::ActPass));
    assert_eq!(
        got.remote.connect_to(true),
        Some(("198.51.100.1".to_owned(), 2855))
    );
    assert_eq!(got.remote.connect_to(false), Some(("192.0.2.1".to_owned(), 2855)));

    let unaware = through_a_middlebox(false, None, &alone);
    assert_eq!(answer(&unaware, &own).unwrap_err(), AnswerError::Middlebox);
    let got = answer(&unaware, &local(None)).unwrap();
    assert!(!got.cema && !got.session.message_media().unwrap().cema);
    let plain = offer(&local(None));
    assert_eq!(plain.message_media().unwrap().is_address_in_path(), Some(true));
    assert!(answer(&plain, &own).is_ok());
    let named = plain
        .to_string()
        .replace("msrp://192.0.2.2", "msrp://host.example");
    assert_eq!(
        parse(&named)
            .unwrap()
            .message_media()
            .unwrap()
            .is_address_in_path(),
        None
    );
}

//= https://www.rfc-editor.org/rfc/rfc6714#section-4.3
//= type=test
//# The answerer MUST NOT insert an SDP 'msrp-cema' attribute in the MSRP media
//# description of the SDP answer.
#[test]
fn relays_at_both_ends_or_an_active_end_behind_one_fall_back() {
    let relayed = ["msrp://198.51.100.9:2855/r;tcp", "msrp://192.0.2.1:2855/a;tcp"];
    let mut own = local(None);
    own.cema = true;
    let got = answer(&through_a_middlebox(true, None, &relayed), &own).unwrap();
    assert!(got.cema);
    let active = through_a_middlebox(true, None, &relayed)
        .to_string()
        .replace("actpass", "active");
    assert!(!answer(&parse(&active).unwrap(), &own).unwrap().cema);
    own.path
        .insert(0, ::msrp::Uri::parse("msrp://203.0.113.1:2855/r;tcp").unwrap());
    assert!(
        !answer(&through_a_middlebox(true, None, &relayed), &own)
            .unwrap()
            .cema
    );
    let alone = ["msrp://192.0.2.1:2855/a;tcp"];
    let got = answer(&through_a_middlebox(true, None, &alone), &own).unwrap();
    let said = got.session.message_media().unwrap();
    assert_eq!((got.cema, said.setup), (true, Some(Setup::Passive)));
    assert_eq!(said.address.unwrap(), "203.0.113.1");
}

#[test]
fn the_largest_size_and_quoted_parameters_are_read() {
    let text = OFFER
        .replace("max-size:4096", "max-size:99999999999999999999999")
        .replace("accept-types:* ", "accept-types:text/plain;x=\"a b\" ");
    let media = parse(&text).unwrap().message_media().unwrap();
    assert_eq!(media.max_size, Some(u64::MAX));
    assert_eq!(media.accept_types, ["text/plain;x=\"a b\"", "message/CPIM"]);
}
