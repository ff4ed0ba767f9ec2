//! Framing: what a datagram and a stream take, that cuts do not matter, and what each limit holds back.

use bytes::Bytes;
use proptest::prelude::*;
use sip_im::StatusCode;
use sip_im::codec::{
    Limits, MessageErrorKind, Place, StreamDecoder, StreamItem, parse_datagram, parse_websocket,
};
use sip_im::error::ParseErrorKind;
use sip_im::header::{CSeq, HeaderName};

const FIELDS: &str = "Via: SIP/2.0/TCP a.example;branch=z9hG4bK1\r\nFrom: <sip:a@example.com>;tag=1\r\n\
                      To: <sip:b@example.com>\r\nCall-ID: x@example.com\r\nCSeq: 1 MESSAGE\r\n";

/// A MESSAGE with these lines after the ones that it needs, and this body.
fn message(lines: &str, body: &str) -> Bytes {
    Bytes::from(format!(
        "MESSAGE sip:b@example.com SIP/2.0\r\n{FIELDS}{lines}\r\n{body}"
    ))
}

fn with_length(body: &str) -> Bytes {
    message(
        &format!("Content-Type: text/plain\r\nContent-Length: {}\r\n", body.len()),
        body,
    )
}

fn limits() -> Limits {
    Limits::default()
}

/// All that a stream gives when it comes in these pieces.
fn read<'a>(limits: Limits, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut decoder = StreamDecoder::new(limits);
    let mut seen = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        loop {
            match decoder.next() {
                Ok(Some(StreamItem::Message(message))) => seen.push(format!("{:?}", message.to_bytes())),
                Ok(Some(StreamItem::Malformed { error, reply })) => {
                    seen.push(format!("{error} {:?}", reply.map(|reply| reply.to_bytes())));
                }
                Ok(Some(item)) => seen.push(format!("{item:?}")),
                Ok(None) => break,
                Err(error) => {
                    assert!(decoder.next().is_err(), "a failed decoder stays failed");
                    seen.push(format!("closed: {error}"));
                    return seen;
                }
            }
        }
    }
    seen.push(format!("incomplete: {}", decoder.is_incomplete()));
    seen
}

/// What may come along a stream: messages, keep-alives, malformed messages, and now and then what ends it.
fn piece_of_stream() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-z \r\n]{0,40}".prop_map(|body| with_length(&body).to_vec()),
        1 => Just(b"\r\n".to_vec()),
        1 => Just(b"\r\n\r\n".to_vec()),
        1 => Just(b"SIP/2.0 200 OK\r\nl: 0\r\n\r\n".to_vec()),
        1 => Just(message("l: 2\r\nMax-Forwards: 300\r\n", "Hi").to_vec()),
        1 => Just(message("l: 0\r\n Subject: folded\r\n", "").to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ]
}

proptest! {
    #[test]
    fn a_stream_is_the_same_however_it_is_cut(
        pieces in prop::collection::vec(piece_of_stream(), 0..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let octets = pieces.concat();
        let whole = read(limits(), [octets.as_slice()]);
        prop_assert_eq!(&whole, &read(limits(), octets.chunks(1)));
        let mut bounds: Vec<usize> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
        bounds.push(octets.len());
        bounds.sort_unstable();
        let mut rest = octets.as_slice();
        let mut parts = Vec::new();
        let mut start = 0;
        for bound in bounds {
            let (part, after) = rest.split_at(bound - start);
            parts.push(part);
            (rest, start) = (after, bound);
        }
        prop_assert_eq!(&whole, &read(limits(), parts));
    }

    #[test]
    fn a_small_limit_refuses_the_same_however_the_stream_is_cut(
        subject in 0_usize..200, body in 0_usize..200, step in 1_usize..50,
    ) {
        let mut limits = limits();
        (limits.head_octets, limits.body_octets) = (320, 100);
        let octets = message(&format!("s: {}\r\nl: {body}\r\n", "x".repeat(subject)), &"y".repeat(body));
        let whole = read(limits, [octets.as_ref()]);
        let cut = read(limits, octets.chunks(step));
        let closed = |seen: &[String]| seen.iter().any(|seen| seen.starts_with("closed"));
        prop_assert_eq!(closed(&whole), closed(&cut));
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn a_changed_octet_is_read_or_refused(at in any::<prop::sample::Index>(), octet in any::<u8>()) {
        let mut octets = with_length("Hello").to_vec();
        let at = at.index(octets.len());
        octets[at] = octet;
        if let Ok(message) = parse_datagram(Bytes::from(octets.clone()), &limits()) {
            let written = message.to_bytes();
            prop_assert!(octets.starts_with(&written));
        }
    }

    #[test]
    fn a_method_of_any_length_is_written_as_it_was_read(method in "[A-Za-z0-9.!%*_+`'~-]{1,300}") {
        let text = FIELDS.replace("1 MESSAGE", &format!("1 {method}"));
        let octets = Bytes::from(format!("{method} sip:b@example.com SIP/2.0\r\n{text}Content-Length: 0\r\n\r\n"));
        let parsed = parse_datagram(octets.clone(), &limits()).unwrap();
        prop_assert_eq!(parsed.to_bytes(), octets);
        let cseq: CSeq = parsed.headers().require().unwrap();
        prop_assert_eq!(cseq.method.as_str(), method);
    }
}

//= https://www.rfc-editor.org/rfc/rfc3261#section-18.3
//= type=test
//# If the transport packet ends before the end of the message body, this is
//# considered an error.
#[test]
fn datagram_and_stream_read_one_length() {
    let refused = [
        "",
        "+2",
        "-2",
        "-1",
        "2x",
        "0x2",
        "2 2",
        "2,2",
        "2;2",
        "2.0",
        "18446744073709551616",
        "18446744073709551618",
        "٢",
    ];
    for length in refused {
        let octets = message(&format!("Content-Length: {length}\r\n"), "Hi");
        let error = parse_datagram(octets.clone(), &limits()).unwrap_err();
        assert_eq!(error.place, Place::Header(HeaderName::CONTENT_LENGTH), "{length}");
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
        assert!(
            read(limits(), [octets.as_ref()])[0].starts_with("closed: Content-Length"),
            "{length}"
        );
    }
    for length in [
        "2147483647",
        "2147483648",
        "4294967298",
        "18446744073709551615",
        "9223372036854775807",
    ] {
        let octets = message(&format!("Content-Length: {length}\r\n"), "Hi");
        let error = parse_datagram(octets.clone(), &limits()).unwrap_err();
        assert_eq!(
            (error.kind, error.place.clone()),
            (MessageErrorKind::BodyTooLarge, Place::Body),
            "{length}"
        );
        assert_eq!(error.status(), StatusCode::REQUEST_ENTITY_TOO_LARGE);
        assert!(
            read(limits(), [octets.as_ref()])[0].starts_with("closed: body"),
            "{length}"
        );
    }
    for length in ["2", "02", " 2", "2\t", "\r\n 2", "000000000000000000000000000002"] {
        let octets = message(&format!("Content-Length:{length}\r\n"), "Hi");
        assert_eq!(
            parse_datagram(octets.clone(), &limits()).unwrap().body().as_ref(),
            b"Hi",
            "{length:?}"
        );
        assert_eq!(read(limits(), [octets.as_ref()]).len(), 2, "{length:?}");
    }
}

#[test]
fn two_lengths_are_refused_in_every_spelling_and_equal_ones_too() {
    for lines in [
        "Content-Length: 2\r\nl: 0\r\n",
        "l: 2\r\nL : 2\r\n",
        "content-length: 0\r\nCONTENT-LENGTH\t: 2\r\n",
    ] {
        let octets = message(lines, "Hi");
        let error = parse_datagram(octets.clone(), &limits()).unwrap_err();
        assert_eq!(error.kind, MessageErrorKind::Repeated, "{lines:?}");
        assert!(
            read(limits(), [octets.as_ref()])[0].starts_with("closed"),
            "{lines:?}"
        );
    }
}

#[test]
fn a_length_belongs_to_every_message_of_a_stream() {
    let octets = message("", "Hi");
    assert_eq!(
        parse_datagram(octets.clone(), &limits()).unwrap().body().as_ref(),
        b"Hi"
    );
    assert_eq!(
        read(limits(), [octets.as_ref()]),
        ["closed: Content-Length: missing at byte 180"]
    );
}

/// A change to a message, the field that is refused because of it, and why.
const FAULTS: &[(&str, &str, &str, MessageErrorKind)] = &[
    (
        "Via: SIP/2.0/TCP a.example;branch=z9hG4bK1\r\n",
        "",
        "Via",
        MessageErrorKind::Missing,
    ),
    (
        "a.example;branch",
        "a_example;branch",
        "Via",
        MessageErrorKind::Syntax(ParseErrorKind::TrailingText),
    ),
    (
        "From: <sip:a@example.com>;tag=1\r\n",
        "",
        "From",
        MessageErrorKind::Missing,
    ),
    (
        "From:",
        "f: <sip:e@example.com>;tag=2\r\nFrom:",
        "From",
        MessageErrorKind::Repeated,
    ),
    (
        "<sip:a@example.com>",
        "</>",
        "From",
        MessageErrorKind::Syntax(ParseErrorKind::MissingScheme),
    ),
    (
        "<sip:a@example.com>",
        "<>",
        "From",
        MessageErrorKind::Syntax(ParseErrorKind::MissingScheme),
    ),
    (
        "<sip:a@example.com>",
        "\"a\\",
        "From",
        MessageErrorKind::Syntax(ParseErrorKind::Unbalanced),
    ),
    (
        "<sip:a@example.com>",
        "\"a\\\" <sip:a@example.com>",
        "From",
        MessageErrorKind::Syntax(ParseErrorKind::Unbalanced),
    ),
    (
        "<sip:a@example.com>",
        "<sip:a%@example.com>",
        "From",
        MessageErrorKind::Syntax(ParseErrorKind::InvalidEscape),
    ),
    (
        "<sip:a@example.com>",
        "<sip:a@example.com%4>",
        "From",
        MessageErrorKind::Syntax(ParseErrorKind::UnexpectedText),
    ),
    (
        ";tag=1",
        ";tag=",
        "From",
        MessageErrorKind::Syntax(ParseErrorKind::UnexpectedEnd),
    ),
    (
        ";tag=1",
        ";tag=1;tag=2",
        "From",
        MessageErrorKind::Syntax(ParseErrorKind::RepeatedParameter),
    ),
    (
        "To: <sip:b@example.com>\r\n",
        "To: <sip:b@example.com>;tag=\r\nt: <sip:b@example.com>;tag=\r\n",
        "To",
        MessageErrorKind::Repeated,
    ),
    (
        "Call-ID: x@example.com\r\n",
        "",
        "Call-ID",
        MessageErrorKind::Missing,
    ),
    (
        "x@example.com\r\n",
        "\r\n",
        "Call-ID",
        MessageErrorKind::Syntax(ParseErrorKind::UnexpectedEnd),
    ),
    ("CSeq: 1 MESSAGE\r\n", "", "CSeq", MessageErrorKind::Missing),
    (
        "1 MESSAGE",
        "2147483648 MESSAGE",
        "CSeq",
        MessageErrorKind::Syntax(ParseErrorKind::NumberOutOfRange),
    ),
    ("1 MESSAGE", "1 INVITE", "CSeq", MessageErrorKind::MethodMismatch),
];

#[test]
fn the_fields_of_every_message_are_there_once_and_well_formed() {
    for &(old, new, name, kind) in FAULTS {
        let text = String::from_utf8(with_length("").to_vec()).unwrap();
        let octets = Bytes::from(text.replacen(old, new, 1));
        let error = parse_datagram(octets.clone(), &limits()).unwrap_err();
        assert_eq!(
            (error.place.to_string().as_str(), error.kind),
            (name, kind),
            "{new:?}"
        );
        assert!(
            read(limits(), [octets.as_ref()])
                .iter()
                .all(|seen| !seen.starts_with("closed")),
            "{new:?}"
        );
    }
}

#[test]
fn the_offset_of_an_error_points_at_the_octet() {
    for (new, marked) in [
        ("To: <sip:b@exa_mple.com>", "_mple"),
        ("To: \"B\" <sip:b@example.com>;x=@", "@\r\nCall"),
        ("Max-Forwards: 7x\r\nTo: <sip:b@example.com>", "x\r\nTo"),
    ] {
        let text = String::from_utf8(with_length("").to_vec())
            .unwrap()
            .replace("To: <sip:b@example.com>", new);
        let error = parse_datagram(Bytes::from(text.clone()), &limits()).unwrap_err();
        assert_eq!(text.find(marked), Some(error.offset), "{new} {error}");
    }
}

#[test]
fn heads_are_bounded_in_octets_and_in_lines_of_all_names_together() {
    let mut limits = limits();
    limits.header_lines = 10;
    let lines = |count: usize| "Service-Route: <sip:a.example;lr>\r\nAccept: text/plain\r\n".repeat(count);
    assert!(parse_datagram(message(&format!("{}l: 0\r\n", lines(2)), ""), &limits).is_ok());
    let many = message(&format!("{}l: 0\r\n", lines(3)), "");
    let error = parse_datagram(many.clone(), &limits).unwrap_err();
    assert_eq!(
        (error.kind, error.status()),
        (MessageErrorKind::HeadTooLarge, StatusCode::MESSAGE_TOO_LARGE)
    );
    assert!(read(limits, [many.as_ref()])[0].starts_with("closed"));

    let (mut limits, octets) = (self::limits(), with_length("Hi"));
    limits.head_octets = octets.len() - 2;
    assert!(parse_datagram(octets.clone(), &limits).is_ok());
    limits.head_octets -= 1;
    assert_eq!(
        parse_datagram(octets.clone(), &limits).unwrap_err().kind,
        MessageErrorKind::HeadTooLarge
    );
    assert!(read(limits, octets.chunks(1))[0].starts_with("closed"));
}

#[test]
fn a_number_on_the_wire_allocates_nothing() {
    let mut decoder = StreamDecoder::new(limits());
    decoder.push(message("Content-Length: 1048576\r\n", "start"));
    assert!(decoder.next().unwrap().is_none());
    assert!(decoder.is_incomplete());
    assert_eq!(decoder.buffered(), 5);
}

#[test]
fn a_head_that_never_ends_is_given_up_at_the_limit() {
    let mut decoder = StreamDecoder::new(limits());
    let mut pushed = 0;
    decoder.push(Bytes::from_static(b"MESSAGE sip:b@example.com SIP/2.0\r\n"));
    while decoder.next().is_ok() {
        assert!(decoder.buffered() <= limits().head_octets + 1_000);
        decoder.push(Bytes::from(vec![b'x'; 1_000]));
        pushed += 1;
        assert!(pushed < 100);
    }
    assert_eq!(decoder.buffered(), 0);
}

//= https://www.rfc-editor.org/rfc/rfc3261#section-7.5
//= type=test
//# Implementations processing SIP messages over stream-oriented
//# transports MUST ignore any CRLF appearing before the start-line
#[test]
fn line_ends_between_messages_are_keep_alives() {
    let one = with_length("Hi");
    let octets = [b"\r\n\r\n".as_ref(), &one, b"\r\n", &one, b"\r\n\r\n\r\n"].concat();
    let seen = read(limits(), octets.chunks(1));
    let kinds: Vec<&str> = seen.iter().map(|seen| seen.get(..4).unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "Pong", "Ping", "b\"ME", "Pong", "b\"ME", "Pong", "Ping", "Pong", "inco"
        ]
    );
}

#[test]
fn reading_is_linear_in_the_length() {
    // Not a clock but the shapes that are quadratic in careless readers; a quadratic one would not end within the test's time.
    let folds = message(&format!("Subject: {}\r\nl: 0\r\n", "a\r\n ".repeat(15_000)), "");
    let commas = message(&format!("Route: {}\r\nl: 0\r\n", "<sip:a;lr>,".repeat(5_000)), "");
    let blanks = message(&format!("Subject:{}x\r\nl: 0\r\n", " ".repeat(60_000)), "");
    let quotes = message(&format!("Contact: {}\r\nl: 0\r\n", "\"\\\"".repeat(20_000)), "");
    for octets in [folds, commas, blanks, quotes] {
        if let Ok(parsed) = parse_datagram(octets.clone(), &limits()) {
            let _ = parsed.headers().all::<sip_im::header::Route>().count();
            let _ = parsed.headers().all::<sip_im::header::Contact>().count();
            assert_eq!(parsed.to_bytes(), octets);
        }
        let _ = read(limits(), octets.chunks(16));
    }
}

/// The reply to a datagram with these lines in front of a request's own.
#[expect(clippy::unwrap_used, reason = "a helper of tests")]
fn answer_to(lines: &str) -> Option<String> {
    let text = format!(
        "MESSAGE sip:bob@example.com SIP/2.0\r\n{lines}Via: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n\
         From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: x\r\nCSeq: 1 MESSAGE\r\n\r\n"
    );
    let error = parse_datagram(Bytes::from(text), &Limits::default()).unwrap_err();
    let reply = error.reply()?;
    assert_eq!(reply.status(), error.status());
    Some(String::from_utf8(reply.to_bytes().to_vec()).unwrap())
}

//= https://www.rfc-editor.org/rfc/rfc3261#section-21.4.1
//= type=test
//# The Reason-Phrase SHOULD identify the syntax problem in more
//# detail, for example, "Missing Call-ID header field".
#[test]
fn a_request_with_a_line_that_is_none_is_told_so_if_it_can_be() {
    for (lines, reason) in [
        ("no colon\r\n", "header line unexpected text"),
        ("X: a\0b\r\n", "header line control character"),
        ("X: a\nY: b\r\n", "header line control character"),
        ("X: a\rY: b\r\n", "header line control character"),
        (": x\r\n", "header line empty value"),
        (" folded into nothing\r\n", "header line unexpected text"),
        ("bad name: x\r\n continued\r\n", "header line unexpected text"),
        ("Max-Forwards: many\r\n", "Max-Forwards unexpected text"),
        ("Content-Length: 1, 2\r\n", "Content-Length text after"),
        ("Via: nonsense\r\n", ""),
    ] {
        let reply = answer_to(lines);
        if reason.is_empty() {
            assert!(reply.is_none(), "{lines:?}: nobody knows where the answer goes");
            continue;
        }
        let reply = reply.unwrap_or_else(|| panic!("{lines:?} is not answered"));
        assert!(
            reply.starts_with(&format!("SIP/2.0 400 Bad Request: {reason}")),
            "{lines:?}: {reply}"
        );
        for part in [
            "Via: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n",
            "From: <sip:alice@example.com>;tag=1\r\n",
            "To: <sip:bob@example.com>;tag=",
            "Call-ID: x\r\n",
            "CSeq: 1 MESSAGE\r\n",
        ] {
            assert_eq!(reply.matches(part).count(), 1, "{lines:?}: {reply}");
        }
    }
    let many = "X: y\r\n".repeat(400);
    assert!(answer_to(&many).is_none_or(|reply| reply.starts_with("SIP/2.0 513 ")));
}

#[test]
fn what_cannot_be_answered_is_not() {
    let refused = |text: &str| parse_datagram(Bytes::from(text.to_owned()), &Limits::default()).unwrap_err();
    let whole = "Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: x\r\nCSeq: 1 X\r\nbad\r\n\r\n";
    assert!(refused(&format!("X sip:b SIP/2.0\r\n{whole}")).reply().is_some());
    assert!(
        refused(&format!("ACK sip:b SIP/2.0\r\n{whole}"))
            .reply()
            .is_none()
    );
    assert!(refused(&format!("SIP/2.0 200 OK\r\n{whole}")).reply().is_none());
    for line in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let without = whole.replace(&format!("{line}:"), "X:");
        assert!(
            refused(&format!("X sip:b SIP/2.0\r\n{without}"))
                .reply()
                .is_none(),
            "{line}"
        );
        let broken = whole.replace(&format!("{line}: "), &format!("{line}: \0"));
        assert!(
            refused(&format!("X sip:b SIP/2.0\r\n{broken}")).reply().is_none(),
            "{line}"
        );
    }
}

//= https://www.rfc-editor.org/rfc/rfc7118#section-5
//= type=test
//# Each SIP message MUST be carried within a single WebSocket message,
//# and a WebSocket message MUST NOT contain more than one SIP message.
#[test]
fn a_websocket_message_is_one_sip_message() {
    let read = |octets: &Bytes| parse_websocket(octets.clone(), &Limits::default());
    let one = with_length("Hi");
    assert_eq!(read(&one).unwrap().to_bytes(), one);
    let unsaid = message("", "Hi, and no length\r\n\r\nMESSAGE");
    assert_eq!(read(&unsaid).unwrap().to_bytes(), unsaid);
    let two = Bytes::from([one.as_ref(), one.as_ref()].concat());
    let error = read(&two).unwrap_err();
    assert_eq!((error.offset, error.status().code()), (one.len(), 400));
    assert!(error.reply().is_some());
    assert!(parse_datagram(two, &Limits::default()).is_ok());
    assert!(read(&one.slice(..one.len() - 1)).is_err());
    assert!(read(&Bytes::new()).is_err());
}
