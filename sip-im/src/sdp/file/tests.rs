use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::ContentType;
use crate::sdp::{AnswerError, Direction, LocalMedia, MessageMedia, Session, answer, offer};

/// The description of RFC 5547, figure 2.
const FIGURE: &str = "v=0\r\no=alice 2890844526 2890844526 IN IP4 host.atlanta.example.com\r\ns=\r\n\
    c=IN IP4 host.atlanta.example.com\r\nt=0 0\r\nm=message 7654 TCP/MSRP *\r\ni=This is my latest picture\r\na=sendonly\r\n\
    a=accept-types:message/cpim\r\na=accept-wrapped-types:*\r\na=path:msrp://atlanta.example.com:7654/jshA7we;tcp\r\n\
    a=file-selector:name:\"My cool picture.jpg\" type:image/jpeg size:32349 \
    hash:sha-1:72:24:5F:E8:65:3D:DA:F3:71:36:2F:86:D4:71:91:3E:E4:A2:CE:2E\r\na=file-transfer-id:vBnG916bdberum2fFEABR1FR3ExZMUrd\r\n\
    a=file-disposition:attachment\r\na=file-date:creation:\"Mon, 15 May 2006 15:01:31 +0300\"\r\n\
    a=file-icon:cid:id2@alicepc.example.com\r\na=file-range:1-32349\r\n";

fn parse(text: &str) -> Session {
    Session::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn read(text: &str) -> Result<MessageMedia, MediaError> {
    let session = parse(text);
    MessageMedia::read(&session, &session.media[0])
}

fn local() -> LocalMedia {
    LocalMedia::new(::msrp::Uri::parse("msrp://192.0.2.2:2856/f1;tcp").unwrap())
}

fn picture() -> FileSelector {
    FileSelector {
        name: Some("My cool picture.jpg".to_owned()),
        size: Some(32_349),
        media_type: Some(ContentType::parse("image/jpeg").unwrap()),
        hashes: vec![FileHash::new(
            "SHA-1",
            &[
                0x72, 0x24, 0x5f, 0xe8, 0x65, 0x3d, 0xda, 0xf3, 0x71, 0x36, 0x2f, 0x86, 0xd4, 0x71, 0x91,
                0x3e, 0xe4, 0xa2, 0xce, 0x2e,
            ],
        )],
    }
}

#[test]
fn the_figure_of_the_rfc_is_read() {
    let file = read(FIGURE).unwrap().file.unwrap();
    assert_eq!(file.selector, picture());
    assert_eq!(
        file.transfer_id.as_deref(),
        Some("vBnG916bdberum2fFEABR1FR3ExZMUrd")
    );
    assert_eq!(file.disposition.as_deref(), Some("attachment"));
    assert_eq!(
        file.dates.creation.as_deref(),
        Some("Mon, 15 May 2006 15:01:31 +0300")
    );
    assert_eq!(file.icon.unwrap().as_str(), "cid:id2@alicepc.example.com");
    assert_eq!(file.range, FileRange::new(1, Some(32_349)));
}

#[test]
fn what_is_offered_is_read_back() {
    let mut file = FileDescription::new(picture(), "t1");
    file.disposition = Some(ByteStr::from_static("render"));
    file.dates.read = Some(ByteStr::from_static("1 Jan 2024 00:00 -0000"));
    file.icon = Some(Uri::parse("cid:icon@a.example").unwrap());
    file.range = FileRange::new(1, None);
    let mut own = local();
    own.direction = Direction::SendOnly;
    own.file = Some(file.clone());
    assert_eq!(read(&offer(&own).to_string()).unwrap().file, Some(file));
}

//= https://www.rfc-editor.org/rfc/rfc5547#section-8.3.1
//= type=test
//# If the offer contains 'name', 'type', or 'size'
//# selectors in the 'file-selector' attribute, the answerer MUST copy
//# them into the answer.
//= https://www.rfc-editor.org/rfc/rfc5547#section-8.3.1
//= type=test
//# The file receiver
//# MUST NOT include 'file-icon', 'file-disposition', or 'file-date'
//# attributes in the SDP answer.
#[test]
fn a_file_that_is_taken_is_named_in_the_answer_and_no_more() {
    let answer = answer(&parse(FIGURE), &local()).unwrap();
    let media = &answer.session.media[0];
    let said = MessageMedia::read(&answer.session, media).unwrap();
    assert_eq!(said.direction, Direction::RecvOnly);
    let file = said.file.unwrap();
    let mut selector = picture();
    selector.hashes.clear();
    assert_eq!(file.selector, selector);
    assert_eq!(
        file.transfer_id.as_deref(),
        Some("vBnG916bdberum2fFEABR1FR3ExZMUrd")
    );
    assert_eq!(file.range, FileRange::new(1, Some(32_349)));
    assert!(file.disposition.is_none() && file.dates.is_empty() && file.icon.is_none());
}

//= https://www.rfc-editor.org/rfc/rfc5547#section-8.3
//= type=test
//# The rejected answer
//# MUST contained a 'file-selector' and 'file-transfer-id' attributes
//# whose values mirror the corresponding values of the SDP offer.
#[test]
fn messages_come_before_a_file_whose_refusal_names_it() {
    let both = format!(
        "{FIGURE}m=message 7655 TCP/MSRP *\r\na=accept-types:text/plain\r\na=path:msrp://atlanta.example.com:7655/chat;tcp\r\n"
    );
    let answer = answer(&parse(&both), &local()).unwrap();
    assert_eq!(answer.chosen, 1);
    let refused = &answer.session.media[0];
    assert_eq!(refused.port, 0);
    assert_eq!(refused.lines.len(), 2);
    let offered = parse(FIGURE);
    for name in ["file-selector", "file-transfer-id"] {
        assert_eq!(
            refused.attribute(name),
            offered.media[0].attribute(name),
            "{name}"
        );
    }
}

#[test]
fn a_file_that_is_asked_for_is_given_if_it_is_the_one() {
    let asked = FIGURE
        .replace("a=sendonly", "a=recvonly")
        .replace("name:\"My cool picture.jpg\" ", "");
    let refusal = |own: &LocalMedia| answer(&parse(&asked), own).unwrap_err();
    assert_eq!(refusal(&local()), AnswerError::NoFile);
    let mut own = local();
    let mut file = FileDescription::new(picture(), "mine");
    file.selector.size = Some(1);
    own.file = Some(file.clone());
    assert_eq!(refusal(&own), AnswerError::NoFile);
    file.selector = picture();
    own.file = Some(file);
    let answer = answer(&parse(&asked), &own).unwrap();
    let said = answer.session.message_media().unwrap();
    assert_eq!(said.direction, Direction::SendOnly);
    let file = said.file.unwrap();
    assert_eq!(
        file.transfer_id.as_deref(),
        Some("vBnG916bdberum2fFEABR1FR3ExZMUrd")
    );
    assert_eq!(
        (file.selector, file.range),
        (picture(), FileRange::new(1, Some(32_349)))
    );
}

//= https://www.rfc-editor.org/rfc/rfc5547#section-8.5
//= type=test
//# The 'file-selector' media attribute MUST be empty, i.e., it
//# MUST NOT contain any selector.  The endpoint MUST NOT add any of the
//# other file attributes defined in this specification.
#[test]
fn an_empty_selector_only_tells_what_is_known() {
    let mut own = local();
    own.file = Some(FileDescription {
        disposition: Some(ByteStr::from_static("render")),
        ..FileDescription::default()
    });
    let written = offer(&own);
    assert_eq!(written.media[0].attribute("file-selector"), Some(""));
    assert_eq!(written.media[0].attribute("file-disposition"), None);
    let media = written.message_media().unwrap();
    assert!(media.file.as_ref().unwrap().is_capability() && media.transfer().is_none());
    assert!(
        answer(&written, &local()).unwrap().session.media[0]
            .attribute("file-selector")
            .is_none()
    );
}

#[test]
fn selectors_are_read_with_care() {
    let text = |value: &str| FileSelector::parse(value).map(|selector| selector.to_string());
    for (value, written) in [
        ("name:\"a b\"", "name:\"a b\""),
        ("size:0  name:\"\u{e9}%25\"", "name:\"\u{e9}%25\" size:0"),
        ("name:\"a%2fb:c\"", "name:\"a%2Fb%3Ac\""),
        (
            "type:text/plain;charset=\"utf-8\";x=\"a%22b\"",
            "type:text/plain;charset=\"utf-8\";x=\"a%22b\"",
        ),
        (
            "type:text/plain;charset=utf-8",
            "type:text/plain;charset=\"utf-8\"",
        ),
        (
            "hash:sha-1:ab:CD hash:sha-256:01",
            "hash:sha-1:AB:CD hash:sha-256:01",
        ),
        ("size:1 other:thing", "size:1"),
        ("", ""),
    ] {
        assert_eq!(text(value).as_deref(), Some(written), "{value}");
    }
    for bad in [
        "name",
        "name:",
        "name:a",
        "name:\"\"",
        "name:\"a",
        "name:\"a%2\"",
        "name:\"a%zz\"",
        "name:\"%ff\"",
        "name:\"a\"b",
        "size:",
        "size:x",
        "size:+1",
        "size:-1",
        "size:99999999999999999999",
        "size:1 size:1",
        "type:text",
        "type:text/",
        "type:text/plain;",
        "type:text/plain;x",
        "type:text/plain;x=\"a\"y",
        "type:a/b;x=\"1\";X=\"2\"",
        "hash:sha-1",
        "hash:sha-1:",
        "hash:sha-1:A",
        "hash:sha-1:AG",
        "hash:sha-1:AB:",
        "hash::AB",
        ":x",
        "a b:c",
    ] {
        assert_eq!(text(bad), None, "{bad}");
    }
    assert_eq!(text(&"hash:sha-1:AB ".repeat(17)), None);
}

//= https://www.rfc-editor.org/rfc/rfc5547#section-6
//= type=test
//# implementations are responsible for
//# sanitizing the input received from the remote endpoint before
//# doing a local operation in the local file system,
#[test]
fn no_name_leads_out_of_a_folder() {
    let local = |value: &str| FileSelector::parse(value).unwrap().local_name();
    for (value, wanted) in [
        ("name:\"photo.jpg\"", Some("photo.jpg")),
        ("name:\"../../etc/passwd\"", Some("_.._etc_passwd")),
        ("name:\"%2e%2e%2f%2Fx\"", Some("__x")),
        ("name:\"C:\\\\con\"", Some("C___con")),
        ("name:\"..\"", None),
        ("name:\" . \"", None),
        ("name:\"a%00b%0D%0A\"", Some("a_b__")),
        ("size:1", None),
    ] {
        assert_eq!(local(value).as_deref(), wanted, "{value}");
    }
    let long = local(&format!("name:\"{}\"", "\u{e9}".repeat(300))).unwrap();
    assert_eq!(long.len(), 254);
}

#[test]
fn a_range_has_octets_and_counts_from_one() {
    for (value, wanted) in [
        ("1-*", FileRange::new(1, None)),
        ("5-5", FileRange::new(5, Some(5))),
        ("0-5", None),
        ("6-5", None),
        ("1", None),
        ("1-", None),
        ("*-1", None),
        ("1-+5", None),
        ("1-99999999999999999999", None),
    ] {
        assert_eq!(FileRange::parse(value), wanted, "{value}");
    }
}

#[test]
fn a_malformed_description_of_a_file_costs_only_itself() {
    for (from, to, fault) in [
        (
            "15 May 2006 15:01:31 +0300",
            "2006-05-15T15:01:31+03:00",
            "file-date",
        ),
        ("+0300", "GMT", "file-date"),
        ("Mon, 15", "Mon, 32", "file-date"),
        (
            "creation:\"Mon",
            "creation:\"Mon, 15 May 2006 15:01:31 +0300\" creation:\"Mon",
            "file-date",
        ),
        ("cid:id2", "http:id2", "file-icon"),
        (
            "disposition:attachment",
            "disposition:at tachment",
            "file-disposition",
        ),
    ] {
        let text = FIGURE.replace(from, to);
        let session = parse(&text);
        let (media, faults) = MessageMedia::examine(&session, &session.media[0]).unwrap();
        assert_eq!(faults, [MediaError::Malformed(fault)], "{to}");
        assert!(media.transfer().is_some());
        assert!(read(&text).is_ok());
    }
    for (from, to, fault) in [
        ("size:32349", "size:many", MediaError::Malformed("file-selector")),
        ("range:1-", "range:0-", MediaError::Malformed("file-range")),
        (
            "transfer-id:v",
            "transfer-id: v",
            MediaError::Malformed("file-transfer-id"),
        ),
        (
            "a=file-range",
            "a=file-selector:size:1\r\na=file-range",
            MediaError::Repeated("file-selector"),
        ),
    ] {
        assert_eq!(read(&FIGURE.replace(from, to)).unwrap_err(), fault);
    }
}

#[test]
fn every_fault_is_told_at_once() {
    let text = FIGURE
        .replace("size:32349", "size:many")
        .replace("accept-types:message/cpim", "accept-types:message")
        .replace(
            "a=sendonly",
            "a=sendonly\r\na=recvonly\r\na=setup:soon\r\na=max-size:x",
        );
    let session = parse(&text);
    let (_, faults) = MessageMedia::examine(&session, &session.media[0]).unwrap();
    let names: Vec<&str> = faults.iter().map(|fault| fault.attribute()).collect();
    assert_eq!(
        names,
        ["recvonly", "accept-types", "max-size", "setup", "file-selector"]
    );
}

proptest! {
    #[test]
    fn a_selector_is_read_back(
        name in proptest::option::of("\\PC{1,20}"),
        size in proptest::option::of(any::<u64>()),
        value in proptest::option::of("[ -~]{0,12}"),
        hash in proptest::option::of(prop::collection::vec(any::<u8>(), 1..40)),
    ) {
        let media_type = value.map(|value| ContentType::parse("a/b").unwrap().with_parameter("x", &value).unwrap());
        let hashes = hash.map(|octets| FileHash::new("sha-256", &octets)).into_iter().collect();
        let selector = FileSelector { name, size, media_type, hashes };
        let read = FileSelector::parse(&selector.to_string()).unwrap();
        prop_assert_eq!(read.to_string(), selector.to_string());
        prop_assert_eq!(read, selector);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "((name|size|type|hash|creation):|[\" %a-z0-9/;=-]){0,30}") {
        if let Some(read) = FileSelector::parse(&text) {
            prop_assert_eq!(FileSelector::parse(&read.to_string()), Some(read));
        }
        let _ = FileDates::parse(&text);
        let _ = FileRange::parse(&text);
    }
}
