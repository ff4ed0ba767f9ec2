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
