//! Messages: what is refused and how it is answered, edits that touch one line, builders that no value breaks out of.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use proptest::prelude::*;
use sip_im::codec::{
    Limits, MessageError, MessageErrorKind, Place, StreamDecoder, StreamItem, parse_datagram,
};
use sip_im::error::BuildError;
use sip_im::header::{CSeq, Contact, From, HeaderName, Route, Subject, To, Via, Warning};
use sip_im::{ContentType, Message, Method, Request, Response, StatusCode, Uri};

const HEAD: &str = "Via: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\nFrom: <sip:alice@example.com>;tag=a1\r\n\
                    To: <sip:bob@example.com>\r\nCall-ID: x\r\nCSeq: 1 MESSAGE\r\n";

fn datagram(text: &str) -> Result<Message, MessageError> {
    parse_datagram(Bytes::from(text.to_owned()), &Limits::default())
}

fn with(fields: &str, body: &str) -> Result<Message, MessageError> {
    datagram(&format!(
        "MESSAGE sip:bob@example.com SIP/2.0\r\n{HEAD}{fields}\r\n{body}"
    ))
}

fn request(fields: &str, body: &str) -> Request {
    match with(fields, body).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => unreachable!(),
    }
}

fn text(octets: &Bytes) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

#[test]
fn a_length_is_one_number_and_no_other_spelling() {
    for length in [
        "+2",
        "-2",
        "2x",
        "0x2",
        "2.0",
        "",
        "18446744073709551616",
        "18446744073709551618",
        "4294967298",
        "3",
        "2, 2",
        "\"2\"",
        "2147483609",
    ] {
        assert!(
            with(&format!("Content-Length: {length}\r\n"), "Hi").is_err(),
            "{length}"
        );
    }
    for fields in [
        "Content-Length: 2\r\nContent-Length: 1\r\n",
        "Content-Length: 2\r\nl: 2\r\n",
    ] {
        assert_eq!(with(fields, "Hi").unwrap_err().kind, MessageErrorKind::Repeated);
    }
    for fields in [
        "Content-Length: 2\r\n",
        "l : 0002\r\n",
        "CONTENT-LENGTH\t:\r\n  2\r\n",
    ] {
        assert_eq!(with(fields, "Hi, dropped").unwrap().body().as_ref(), b"Hi");
    }
    assert_eq!(with("", "Hi").unwrap().body().as_ref(), b"Hi");
    let error = with("Content-Length: 2000000\r\n", "Hi").unwrap_err();
    assert_eq!(error.status(), StatusCode::REQUEST_ENTITY_TOO_LARGE);
}

#[test]
fn a_line_ends_in_crlf_and_in_nothing_else() {
    for fields in [
        "Subject: a\nEvil: b\r\n",
        "Subject: a\rEvil: b\r\n",
        "Subject: a\r\r\n",
        "Subject: a\r\n b\r\r\n",
        "Subject: a\r\n \r \r\n",
        "Subject: a\n b\r\n",
        "\n\r\n",
    ] {
        assert!(with(fields, "").is_err(), "{fields:?}");
    }
    assert!(datagram(&format!("MESSAGE sip:bob@example.com SIP/2.0\n{HEAD}\r\n")).is_err());
}

#[test]
fn a_control_character_is_legal_in_a_quoted_pair_only() {
    for fields in [
        "Subject: a\0b\r\n",
        "Subject: \"a\0\"\r\n",
        "Subject: \\\0\r\n",
        "Subject: a\x07\r\n",
        "Sub\0ject: a\r\n",
    ] {
        assert!(with(fields, "").is_err(), "{fields:?}");
    }
    assert!(with("Contact: \"a\\\0b\" <sip:a@b.example>\r\n", "").is_ok());
    assert!(with("Subject: \"a\\\r\n \0\"\r\n", "").is_err());
}

#[test]
fn what_a_message_must_have_is_there_once() {
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let fields: String = HEAD
            .split_inclusive("\r\n")
            .filter(|line| !line.starts_with(name))
            .collect();
        let error = datagram(&format!("MESSAGE sip:bob@example.com SIP/2.0\r\n{fields}\r\n")).unwrap_err();
        assert_eq!(error.kind, MessageErrorKind::Missing);
        assert_eq!(error.place, Place::Header(HeaderName::parse(name).unwrap()));
    }
    for extra in [
        "f: <sip:eve@example.com>;tag=2\r\n",
        "to : <sip:b@b>\r\n",
        "i: y\r\n",
        "cseq: 1 MESSAGE\r\n",
    ] {
        assert_eq!(
            with(extra, "").unwrap_err().kind,
            MessageErrorKind::Repeated,
            "{extra}"
        );
    }
}

#[test]
fn an_error_says_what_and_where_and_has_the_answer() {
    let octets = "MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\nFrom: </>;tag=a1\r\n\
                  To: <sip:bob@example.com>\r\nCall-ID: x\r\nCSeq: 1 MESSAGE\r\n\r\n";
    let error = datagram(octets).unwrap_err();
    assert_eq!(error.place, Place::Header(HeaderName::FROM));
    assert_eq!(octets.get(error.offset..).unwrap().get(..2), Some("/>"));
    assert_eq!(
        error.to_string(),
        format!("From: uri without scheme at byte {}", error.offset)
    );
    let reply = error.into_reply().unwrap();
    assert_eq!(reply.status(), StatusCode::BAD_REQUEST);
    let reply = text(&reply.to_bytes());
    assert!(reply.starts_with(
        "SIP/2.0 400 Bad Request: From uri without scheme\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\nFrom: </>;tag=a1\r\n"
    ));
    assert!(
        reply.contains("\r\nTo: <sip:bob@example.com>;tag=") && reply.ends_with("Content-Length: 0\r\n\r\n"),
        "{reply}"
    );
    assert!(!reply.contains("\r\nTo: <sip:bob@example.com>\r\n"));
}

#[test]
fn a_response_and_an_ack_are_never_answered() {
    let response =
        datagram("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n\r\n").unwrap_err();
    assert!(response.reply().is_none());
    let ack =
        datagram("ACK sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n\r\n").unwrap_err();
    assert!(ack.reply().is_none());
}

#[test]
fn the_start_line_decides_the_status() {
    let status = |line: &str| {
        datagram(&format!("{line}\r\n{HEAD}\r\n"))
            .map_err(|error| error.status().code())
            .err()
    };
    assert_eq!(status("MESSAGE sip:bob@example.com SIP/2.0"), None);
    assert_eq!(status("MESSAGE sip:bob@example.com sip/2.0"), None);
    assert_eq!(status("MESSAGE sip:bob@example.com SIP/3.0"), Some(505));
    for line in [
        "MESSAGE sip:bob@example.com HTTP/1.1",
        "MESSAGE sip:bob@example.com",
        "MESSAGE  sip:bob@example.com SIP/2.0",
        "MESSAGE sip:bob@example.com SIP/2.0 ",
        "MESSAGE\tsip:bob@example.com SIP/2.0",
        " MESSAGE sip:b@b SIP/2.0",
        "MES(SAGE sip:bob@example.com SIP/2.0",
        "OPTIONS sip:bob@example.com SIP/2.0",
        "MESSAGE bob SIP/2.0",
        "",
        "SIP/2.0",
        "SIP/2.0 200",
        "SIP/2.0 99 Low",
        "SIP/2.0 700 High",
        "SIP/2.0 0200 OK",
        "SIP/2.0 +20 OK",
    ] {
        assert_eq!(status(line), Some(400), "{line}");
    }
}

#[test]
fn the_limits_hold() {
    let limits = Limits::default();
    let many = "X: y\r\n".repeat(limits.header_lines);
    assert_eq!(
        with(&many, "").unwrap_err().status(),
        StatusCode::MESSAGE_TOO_LARGE
    );
    let long = format!("X: {}\r\n", "y".repeat(limits.head_octets));
    assert_eq!(
        with(&long, "").unwrap_err().status(),
        StatusCode::MESSAGE_TOO_LARGE
    );
    let mut decoder = StreamDecoder::new(limits);
    let mut pushed = 0;
    while decoder.next().is_ok() {
        decoder.push(Bytes::from_static(&[b'x'; 1000]));
        pushed += 1000;
        assert!(pushed < limits.head_octets + 3000);
    }
    assert_eq!(decoder.buffered(), 0);
}

#[test]
fn a_stream_goes_on_after_a_bad_message_and_ends_where_its_framing_is_lost() {
    let good = format!("MESSAGE sip:bob@example.com SIP/2.0\r\n{HEAD}Content-Length: 2\r\n\r\nHi");
    let bad = good.replace("sip:bob@example.com SIP", "bob SIP");
    let mut decoder = StreamDecoder::new(Limits::default());
    decoder.push(Bytes::from(format!("{bad}{good}\r\n\r\n")));
    match decoder.next().unwrap().unwrap() {
        StreamItem::Malformed { error, reply } => {
            assert_eq!(error.place, Place::StartLine);
            assert_eq!(reply.unwrap().status(), StatusCode::BAD_REQUEST);
        }
        item => panic!("{item:?}"),
    }
    assert!(matches!(decoder.next().unwrap(), Some(StreamItem::Message(_))));
    assert!(matches!(decoder.next().unwrap(), Some(StreamItem::Pong)));
    assert!(matches!(decoder.next().unwrap(), Some(StreamItem::Ping)));
    assert!(decoder.next().unwrap().is_none() && !decoder.is_incomplete());
    for lost in [
        good.replace("Content-Length: 2\r\n", ""),
        good.replace("Length: 2", "Length: 2x"),
        good.replace("Length: 2", "Length: 2\r\nl: 2"),
        good.replace("Length: 2", "Length: 99999999999"),
        good.replace("Call-ID: x\r\n", "Call-ID: x\n"),
    ] {
        let mut decoder = StreamDecoder::new(Limits::default());
        decoder.push(Bytes::from(format!("{lost}{good}")));
        assert!(decoder.next().is_err(), "{lost}");
        decoder.push(Bytes::from(good.clone()));
        assert!(decoder.next().is_err());
    }
}

#[test]
fn an_edit_touches_its_own_line() {
    let fields = "Max-Forwards :  70\r\nRoute: <sip:p1;lr> , \"P, 2\"<sip:p2;lr>\r\nX-Odd:a\r\n  folded  \r\ns:hello\r\nl: 2\r\n";
    let mut edited = request(fields, "Hi");
    assert_eq!(
        edited
            .headers()
            .value(&HeaderName::parse("x-odd").unwrap())
            .unwrap(),
        "a folded"
    );
    edited.headers_mut().remove_first(&HeaderName::ROUTE);
    edited
        .headers_mut()
        .push_front_typed(&Via::new("TCP", "p.example", Some(5070), "z9hG4bK2"))
        .unwrap();
    edited.set_uri(Uri::parse("sip:bob@192.0.2.1").unwrap());
    let expected = format!(
        "MESSAGE sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/TCP p.example:5070;branch=z9hG4bK2\r\n{HEAD}Max-Forwards :  70\r\n\
         Route: \"P, 2\"<sip:p2;lr>\r\nX-Odd:a\r\n  folded  \r\ns:hello\r\nl: 2\r\n\r\nHi"
    );
    assert_eq!(text(&edited.to_bytes()), expected);
    edited
        .set_body(&ContentType::text_plain(), Bytes::from_static(b"longer"))
        .unwrap();
    let again = parse_datagram(edited.to_bytes(), &Limits::default()).unwrap();
    assert_eq!(again.body().as_ref(), b"longer");
}

#[test]
fn an_edited_message_has_the_length_of_its_body() {
    let mut edited = request("", "Hi");
    assert!(!text(&edited.to_bytes()).contains("Content-Length"));
    edited.headers_mut().push(&HeaderName::SUBJECT, "x").unwrap();
    assert!(text(&edited.to_bytes()).contains("\r\nContent-Length: 2\r\n"));
    assert!(matches!(
        edited.headers_mut().push(&HeaderName::CONTENT_LENGTH, "1"),
        Err(BuildError::Reserved(_))
    ));
}

#[test]
fn lists_are_read_over_lines_and_commas() {
    let read = request(
        "Route: <sip:a;lr>, \"x, <y\" <sip:b;lr>\r\nRoute: <sip:c,d@e;lr>\r\n",
        "",
    );
    let hosts: Vec<String> = read
        .headers()
        .all::<Route>()
        .map(|route| route.unwrap().uri().to_string())
        .collect();
    assert_eq!(hosts, ["sip:a;lr", "sip:b;lr", "sip:c,d@e;lr"]);
    let read = request(
        "Contact: sip:a@b.example;x=y, <sip:c@d.example;x=y>;q=0.5\r\n",
        "",
    );
    let contacts: Vec<Contact> = read.headers().all::<Contact>().map(Result::unwrap).collect();
    assert_eq!(contacts[0].uri().unwrap().as_str(), "sip:a@b.example");
    assert_eq!(contacts[0].params().unwrap().get("x"), Some(Some("y")));
    assert_eq!(contacts[1].uri().unwrap().parameter("x"), Some(Some("y")));
    assert_eq!(contacts[1].q(), Some(500));
    let bad = request("Contact: sip:a@b.example?x=y\r\n", "");
    assert!(bad.headers().get::<Contact>().is_err());
}

fn build(change: impl Fn(Request) -> Result<Request, BuildError>) -> Result<Request, BuildError> {
    let bob = Uri::parse("sip:bob@example.com").unwrap();
    change(
        Request::builder(Method::Message, bob.clone())
            .from(&Uri::parse("sip:alice@example.com").unwrap(), None, "a1")
            .to(&bob, None)
            .call_id("c1")
            .cseq(1)
            .body(&ContentType::text_plain(), Bytes::from_static(b"Hi"))
            .build()?,
    )
}

fn header_count(request: &Request) -> usize {
    let mut sent = request.clone();
    sent.headers_mut()
        .push_front_typed(&Via::new("UDP", "a.example", None, "z9hG4bK1"))
        .unwrap();
    parse_datagram(sent.to_bytes(), &Limits::default())
        .unwrap()
        .headers()
        .len()
}

#[test]
fn a_builder_makes_no_message_that_is_not_one() {
    let uri = Uri::parse("sip:bob@example.com").unwrap();
    let bare = || Request::builder(Method::Message, uri.clone());
    assert!(matches!(bare().build(), Err(BuildError::Missing(_))));
    let whole = |method: Method| {
        Request::builder(method, uri.clone())
            .from(&uri, None, "1")
            .to(&uri, None)
            .call_id("c")
    };
    assert!(whole(Method::Message).cseq(1 << 31).build().is_err());
    assert!(whole(Method::Other("A B".into())).cseq(1).build().is_err());
    assert!(
        whole(Method::Message)
            .header_typed(&CSeq::new(1, Method::Bye))
            .build()
            .is_err()
    );
    assert!(
        whole(Method::Message)
            .cseq(1)
            .header_typed(&From::new(uri.clone()))
            .build()
            .is_err()
    );
    assert!(whole(Method::Message).cseq(1).call_id("a b").build().is_err());
    assert!(
        whole(Method::Message)
            .cseq(1)
            .from(&uri, None, "a;b")
            .build()
            .is_err()
    );
    assert!(whole(Method::Message).cseq(1).build().is_ok());
}

#[test]
fn a_response_copies_what_it_must_and_tags_to() {
    let invite = HEAD
        .replace("MESSAGE", "INVITE")
        .replace("To: <sip:bob@example.com>", "t: \"B\"  <sip:bob@example.com>;x=y");
    let octets = format!(
        "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP p.example;branch=z9hG4bK0\r\n{invite}\
         Record-Route: <sip:p2;lr>, <sip:p1;lr>\r\nTimestamp: 5\r\n\r\n"
    );
    let Message::Request(invite) = datagram(&octets).unwrap() else {
        unreachable!()
    };
    let ok = invite.response(StatusCode::OK).to_tag("b1").build().unwrap();
    assert_eq!(ok.headers().all::<Via>().count(), 2);
    assert_eq!(
        ok.headers().value(&HeaderName::TO).unwrap(),
        "\"B\"  <sip:bob@example.com>;x=y;tag=b1"
    );
    assert_eq!(
        ok.headers().value(&HeaderName::RECORD_ROUTE).unwrap(),
        "<sip:p2;lr>, <sip:p1;lr>"
    );
    let busy = invite
        .response(StatusCode::BUSY_HERE)
        .to_tag("b1")
        .to_tag("b2")
        .build()
        .unwrap();
    assert!(!busy.headers().contains(&HeaderName::RECORD_ROUTE));
    assert_eq!(busy.to().unwrap().tag(), Some("b1"));
    assert!(
        invite
            .response(StatusCode::OK)
            .reason("a\r\nEvil: b")
            .build()
            .is_err()
    );
    assert!(invite.response(StatusCode::OK).to_tag("a\r\nb").build().is_err());
    let warned = Warning::new(399, "a.example", "127 \"no\"\r\nEvil: x");
    assert!(
        invite
            .response(StatusCode::FORBIDDEN)
            .header_typed(&warned)
            .build()
            .is_err()
    );
}

#[test]
fn secrets_and_bodies_are_not_in_the_debug_text() {
    let shown = format!(
        "{:?}",
        request(
            "Authorization: Digest username=\"a\", response=\"cafe\"\r\n",
            "private"
        )
    );
    assert!(!shown.contains("cafe") && !shown.contains("private"), "{shown}");
}

proptest! {
    #[test]
    fn no_display_name_breaks_out(display in any::<String>()) {
        let built = build(|mut request| {
            request.headers_mut().set_typed(&From::new(Uri::parse("sip:a@b.example").unwrap()).with_display(&display).with_tag("1"))?;
            Ok(request)
        });
        if let Ok(built) = built {
            prop_assert_eq!(header_count(&built), 8);
            let from = built.from().unwrap();
            prop_assert_eq!(from.display(), Some(display.as_str()));
        } else {
            prop_assert!(display.contains(['\r', '\n']));
        }
    }

    #[test]
    fn no_text_breaks_out(text in any::<String>()) {
        for name in [HeaderName::SUBJECT, HeaderName::USER_AGENT, HeaderName::parse("X-Any").unwrap()] {
            if let Ok(built) = build(|mut request| request.headers_mut().push(&name, &text).map(|()| request)) {
                prop_assert_eq!(header_count(&built), 9);
            }
        }
        if let Ok(built) = build(|mut request| request.headers_mut().push_typed(&Subject::new(&text)).map(|()| request)) {
            prop_assert_eq!(built.headers().require::<Subject>().unwrap(), Subject::new(&text));
        }
        if let Ok(built) = build(|mut request| request.headers_mut().set_typed(&To::new(Uri::sip("b", "b.example").unwrap()).with_tag(&text)).map(|()| request)) {
            prop_assert_eq!(header_count(&built), 8);
            let to = built.to().unwrap();
            prop_assert_eq!(to.tag(), Some(text.as_str()));
        }
        if let Ok(method) = Method::parse(&text) {
            prop_assert_eq!(method.as_str(), text.as_str());
        }
    }

    #[test]
    fn any_name_is_found_however_it_is_spelled(upper in prop::collection::vec(any::<bool>(), 7), space in "[ \t]{0,3}") {
        let name: String = "subject"
            .chars()
            .zip(&upper)
            .map(|(letter, upper)| if *upper { letter.to_ascii_uppercase() } else { letter })
            .collect();
        let mut read = request(&format!("{name}{space}: one\r\ns{space}:two\r\n"), "");
        prop_assert_eq!(read.headers().values(&HeaderName::SUBJECT).count(), 2);
        prop_assert!(read.headers_mut().remove(&HeaderName::SUBJECT));
        let written = text(&read.to_bytes());
        prop_assert!(!written.contains("one") && !written.contains("two"));
    }

    #[test]
    fn anything_is_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_datagram(Bytes::from(octets), &Limits::default());
    }

    #[test]
    fn what_is_read_is_written_and_read_again(lines in prop::collection::vec("[A-Za-z-]{1,8}[ \t]?:[ \t]?[ -~]{0,20}(\r\n [ -~]{0,10})?", 0..6)) {
        let fields: String = lines.iter().map(|line| line.clone() + "\r\n").collect();
        if let Ok(read) = with(&fields, "body") {
            let written = read.to_bytes();
            let again = parse_datagram(written.clone(), &Limits::default()).unwrap();
            prop_assert_eq!(again.to_bytes(), written);
        }
    }

    #[test]
    fn a_response_is_read_back(code in 100_u16..700, reason in "[ -~]{0,20}") {
        let status = StatusCode::new(code).unwrap();
        if let Ok(built) = request("", "").response(status).to_tag("b").reason(&reason).build() {
            let Message::Response(read) = parse_datagram(built.to_bytes(), &Limits::default()).unwrap() else { unreachable!() };
            let read: Response = read;
            prop_assert_eq!((read.status(), read.reason()), (status, reason.as_str()));
        }
    }
}
