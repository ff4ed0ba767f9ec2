use super::*;
use crate::header::content::ContentType;

/// The example of RFC 3862 5.1.
const EXAMPLE: &str = "From: MR SANDERS <im:piglet@100akerwood.com>\r\n\
    To: Depressed Donkey <im:eeyore@100akerwood.com>\r\n\
    DateTime: 2000-12-13T13:40:00-08:00\r\n\
    Subject: the weather will be fine today\r\n\
    Subject:;lang=fr beau temps prevu pour aujourd'hui\r\n\
    NS: MyFeatures <mid:MessageFeatures@id.foo.com>\r\n\
    Require: MyFeatures.VitalMessageOption\r\n\
    MyFeatures.VitalMessageOption: Confirmation-requested\r\n\
    MyFeatures.WackyMessageOption: Use-silly-font\r\n\
    \r\n\
    Content-type: text/xml; charset=utf-8\r\n\
    Content-ID: <1234567890@foo.com>\r\n\
    \r\n\
    <body>\r\nHere is the text of my message.\r\n</body>\r\n";

fn parse(text: &str) -> Result<Message, CpimError> {
    Message::parse(&Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn the_example_of_rfc_3862_is_read_and_written_back_octet_for_octet() {
    let message = parse(EXAMPLE).unwrap();
    let from = message.from().unwrap();
    assert_eq!(
        (from.name.as_deref(), from.uri.as_str()),
        (Some("MR SANDERS"), "im:piglet@100akerwood.com")
    );
    assert_eq!(message.to().len(), 1);
    assert_eq!(message.date_time().unwrap().unix_seconds(), 976_743_600);
    let subjects = message.subjects();
    assert_eq!(subjects[0], Subject::new(None, "the weather will be fine today"));
    assert_eq!(
        subjects[1],
        Subject::new(Some("fr"), "beau temps prevu pour aujourd'hui")
    );
    assert_eq!(message.require(), ["MyFeatures.VitalMessageOption"]);
    let own = message
        .named("mid:MessageFeatures@id.foo.com", "WackyMessageOption")
        .next()
        .unwrap();
    assert_eq!(own.value, "Use-silly-font");
    assert!(message.content_type().is("text", "xml"));
    assert_eq!(message.content_field("content-id"), Some("<1234567890@foo.com>"));
    assert!(message.content().starts_with(b"<body>"));
    assert_eq!(message.to_bytes(), EXAMPLE.as_bytes());
}

#[test]
fn a_head_is_the_same_however_it_is_cut() {
    let whole = parse(EXAMPLE).unwrap();
    for step in 1..40 {
        let mut parser = HeadParser::new(Limits::default());
        let mut offset = 0;
        let (head, content_starts) = loop {
            let piece = &EXAMPLE.as_bytes()[offset..(offset + step).min(EXAMPLE.len())];
            match parser.push(piece).unwrap() {
                Progress::NeedMore => offset += piece.len(),
                Progress::Done { head, consumed } => break (head, offset + consumed),
            }
        };
        assert_eq!(*head, *whole.head(), "pieces of {step}");
        assert_eq!(
            &EXAMPLE.as_bytes()[content_starts..],
            whole.content(),
            "pieces of {step}"
        );
    }
}

#[test]
fn an_envelope_without_message_fields_has_a_blank_line_first() {
    let message = parse("\r\nContent-Type: text/plain\r\n\r\nHi").unwrap();
    assert!(message.from().is_none() && message.fields().is_empty());
    assert_eq!(
        message.to_bytes().as_ref(),
        b"\r\nContent-Type: text/plain\r\n\r\nHi"
    );
    let address = Address::new(None, "sip:a@example.com").unwrap();
    assert_eq!(
        message.with_from(&address).to_bytes().as_ref(),
        b"From: <sip:a@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\n"
    );
}

#[test]
fn what_is_malformed_is_refused_with_its_kind() {
    for (text, kind) in [
        ("From: <sip:a@b>\r\n\r\n", CpimErrorKind::Incomplete),
        ("From: <sip:a@b>\r\n\r\n\r\n", CpimErrorKind::NoContentType),
        (
            "From <sip:a@b>\r\n\r\nContent-Type: a/b\r\n\r\n",
            CpimErrorKind::Field,
        ),
        (
            "From: sip:a@b\r\n\r\nContent-Type: a/b\r\n\r\n",
            CpimErrorKind::Value,
        ),
        (
            "From: <sip:a@b>\r\nFrom: <sip:c@b>\r\n\r\nContent-Type: a/b\r\n\r\n",
            CpimErrorKind::Repeated,
        ),
        (
            "From: <nothing>\r\n\r\nContent-Type: a/b\r\n\r\n",
            CpimErrorKind::Value,
        ),
        ("x.Y: 1\r\n\r\nContent-Type: a/b\r\n\r\n", CpimErrorKind::Prefix),
        (
            "From: <sip:a@b>\nTo: <sip:c@d>\r\n\r\nContent-Type: a/b\r\n\r\n",
            CpimErrorKind::Control,
        ),
        (
            "Subject: a\0b\r\n\r\nContent-Type: a/b\r\n\r\n",
            CpimErrorKind::Control,
        ),
        (
            "Subject: x\r\n\r\nContent-Type: none\r\n\r\n",
            CpimErrorKind::Value,
        ),
        (
            "DateTime: yesterday\r\n\r\nContent-Type: a/b\r\n\r\n",
            CpimErrorKind::Value,
        ),
    ] {
        assert_eq!(
            parse(text).map_err(|error| error.kind).err(),
            Some(kind),
            "{text:?}"
        );
    }
}

#[test]
fn the_head_is_bounded_in_octets_and_fields() {
    let mut long = HeadParser::new(Limits::default());
    let line = format!("Subject: {}", "x".repeat(20_000));
    assert_eq!(
        long.push(line.as_bytes()).unwrap_err().kind,
        CpimErrorKind::TooLarge
    );
    let many = "Subject: x\r\n".repeat(129);
    assert_eq!(
        HeadParser::new(Limits::default())
            .push(many.as_bytes())
            .unwrap_err()
            .kind,
        CpimErrorKind::TooMany
    );
}

#[test]
fn imdn_fields_are_found_by_namespace_whatever_the_prefix() {
    let message = parse(
        "From: <sip:a@b>\r\nNS: x <urn:ietf:params:imdn>\r\nx.Message-ID: 34jk324j\r\n\
         x.Disposition-Notification: positive-delivery, display;a=b, own\r\nx.Original-To: <sip:c@d>\r\n\r\n\
         Content-Type: text/plain\r\nContent-Disposition: notification\r\n\r\n",
    )
    .unwrap();
    assert_eq!(message.imdn_message_id(), Some("34jk324j"));
    assert_eq!(
        message.disposition_notification(),
        [
            DispositionNotification::PositiveDelivery,
            DispositionNotification::Display,
            DispositionNotification::Other("own".into())
        ]
    );
    assert_eq!(message.original_to().unwrap().uri, "sip:c@d");
    assert!(message.content_disposition().unwrap().is("notification"));
    let undeclared = parse("imdn.Message-ID: 1\r\n\r\nContent-Type: text/plain\r\n\r\n").unwrap();
    assert_eq!(undeclared.imdn_message_id(), Some("1"));
}

#[test]
fn what_is_built_is_read_back_and_cannot_break_out_of_its_field() {
    let name = "Evil\" <sip:x@y>\r\nTo: <sip:z@y>\u{7}";
    let built = Message::builder()
        .from(Some(name), "sip:alice@example.com")
        .to(None, "sip:bob@example.com")
        .cc(Some("C"), "sip:carol@example.com")
        .date_time(DateTime::from_unix(std::time::Duration::from_secs(1)))
        .subject(Some("en"), "line\r\nbreak \\ here")
        .imdn_message_id("abc123")
        .disposition_notification(DispositionNotification::PositiveDelivery)
        .disposition_notification(DispositionNotification::Display)
        .original_to(None, "sip:bob@example.com")
        .content(ContentType::text_plain(), Bytes::from_static(b"\0\r\n\r\n"))
        .build()
        .unwrap();
    let read = Message::parse(&built.to_bytes()).unwrap();
    assert_eq!(read, built);
    assert_eq!(read.from().unwrap().name.as_deref(), Some(name));
    assert_eq!(read.to().len(), 1);
    assert_eq!(
        read.subjects(),
        [Subject::new(Some("en"), "line\r\nbreak \\ here")]
    );
    assert_eq!(read.disposition_notification().len(), 2);
    assert_eq!(read.content().as_ref(), b"\0\r\n\r\n");
    for uri in ["bob", "sip:a b", "sip:a>b", "sip:a\r\nb", ":x", "sip:"] {
        let content = Message::builder()
            .from(None, uri)
            .content(ContentType::text_plain(), Bytes::new());
        assert_eq!(content.build().unwrap_err().kind, CpimErrorKind::Value, "{uri:?}");
    }
    assert_eq!(
        Message::builder().build().unwrap_err().kind,
        CpimErrorKind::NoContentType
    );
}

#[test]
fn another_sender_changes_only_that_line() {
    let message = parse(EXAMPLE).unwrap();
    let pseudonym = Address::new(Some("Anonymous 1"), "sip:anonymous1@anonymous.invalid").unwrap();
    let head = message.with_from(&pseudonym);
    let wanted = EXAMPLE.replace(
        "From: MR SANDERS <im:piglet@100akerwood.com>",
        "From: \"Anonymous 1\" <sip:anonymous1@anonymous.invalid>",
    );
    let written = head.to_bytes();
    assert_eq!(written, &wanted.as_bytes()[..written.len()]);
    assert_eq!(head.from(), Some(&pseudonym));
}

#[test]
fn dates_are_those_of_the_calendar() {
    for (text, seconds) in [
        ("1970-01-01T00:00:00Z", 0),
        ("2001-02-01T12:16:49-05:00", 981_047_809),
        ("2024-02-29T23:59:60Z", 1_709_251_199),
        ("1969-12-31T23:59:59Z", -1),
        ("9999-12-31T23:59:59Z", 253_402_300_799),
    ] {
        let date = DateTime::parse(text).unwrap();
        assert_eq!(date.unix_seconds(), seconds, "{text}");
        assert_eq!(DateTime::parse(&date.to_string()), Ok(date));
    }
    assert_eq!(
        DateTime::parse("2001-02-01T12:16:49.250+05:30")
            .unwrap()
            .to_string(),
        "2001-02-01T12:16:49.25+05:30"
    );
    for text in [
        "",
        "2023-02-29T00:00:00Z",
        "2023-13-01T00:00:00Z",
        "2023-01-01T24:00:00Z",
        "2023-01-01T00:00:00",
        "2023-01-01T00:00:00.Z",
        "2023-01-01T00:00:00+5:00",
        "2023-01-01T00:00:0\u{e9}Z",
    ] {
        assert!(DateTime::parse(text).is_err(), "{text}");
    }
}

#[test]
fn dates_of_documents_may_leave_the_zone_out_and_end_a_day_at_24() {
    for (text, seconds) in [
        ("2003-12-24T17:00:00+01:00", 1_072_281_600),
        (" 2003-12-24T16:00:00\n", 1_072_281_600),
        ("2003-12-24T24:00:00Z", 1_072_310_400),
        ("2003-12-24T24:00:00.000+01:00", 1_072_306_800),
        ("2003-08-15T10:20:00.000-05:00", 1_060_960_800),
    ] {
        let date: DateTime = text.parse().unwrap();
        assert_eq!(date.unix_seconds(), seconds, "{text}");
        assert_eq!(date.to_string().parse(), Ok(date));
    }
    for text in [
        "",
        "2005-02-29T00:00:00Z",
        "2005-13-01T00:00:00Z",
        "2005-1-01T00:00:00Z",
        "2005-01-01 00:00:00Z",
        "2005-01-01T24:00:01Z",
        "2005-01-01T24:00:00.1Z",
        "2005-01-01T24:00:00.Z",
        "2005-01-01T00:60:00Z",
        "2005-01-01T00:00:00+15:00",
        "2005-01-01T00:00:00.Z",
        "2005-01-01T00:00Z",
        "0000-01-01T00:00:00Z",
        "2005-01-01T00:00:00Zx",
        "+005-01-01T00:00:00Z",
        "9999-12-31T24:00:00Z",
    ] {
        assert!(text.parse::<DateTime>().is_err(), "{text}");
    }
    let dates: [DateTime; 2] =
        ["2005-03-04T20:00:00Z", "2005-03-04T21:00:01+01:00"].map(|text| text.parse().unwrap());
    assert!(dates[0] < dates[1]);
}

//= https://www.rfc-editor.org/rfc/rfc3862#section-2.3.1
//= type=test
//# Any unrecognized escape sequence SHOULD be treated
//# as an instance of the character following the backslash character.
#[test]
fn escapes_are_resolved_wherever_they_are() {
    for (written, text) in [
        (r#"a\\b\"c\'d"#, "a\\b\"c'd"),
        (r"\b\t\n\r", "\u{8}\t\n\r"),
        (r"\u00e9\u00E9", "éé"),
        (r"\uD83D\uDE00!", "😀!"),
        (r"\uD83D!", "\u{FFFD}!"),
        (r"\uD83D\u0041", "\u{FFFD}A"),
        (r"\u12", "u12"),
        (r"\u+123", "u+123"),
        (r"\x\", "x"),
    ] {
        let message = parse(&format!(
            "Subject: {written}\r\n\r\nContent-Type: text/plain\r\n\r\n"
        ))
        .unwrap();
        assert_eq!(message.subjects()[0].text, text, "{written}");
    }
}

#[test]
fn parameters_may_be_strings_with_anything_in_them() {
    let text = "Subject:;x=\"a; lang=xx \\\" b\";lang=fr-CA beau temps\r\nSubject:;LANG=de  schön\r\nX:;y=1\r\n\r\n\
                Content-Type: text/plain\r\n\r\n";
    let message = parse(text).unwrap();
    let subjects = message.subjects();
    assert_eq!(subjects[0].language.as_deref(), Some("fr-CA"));
    assert_eq!(subjects[0].text, "beau temps");
    assert_eq!(
        (subjects[1].language.as_deref(), subjects[1].text.as_str()),
        (Some("de"), " schön")
    );
    assert_eq!(
        message.fields()[0].parameter("x").as_deref(),
        Some("a; lang=xx \" b")
    );
    assert_eq!(message.fields()[2].value, "");
    assert_eq!(message.to_bytes(), text);
}

//= https://www.rfc-editor.org/rfc/rfc3862#section-3.5
//= type=test
//# By using the
//# mandatory-to-recognize indicator, a sender is notifying the recipient
//# that it MUST understand the named header or feature in order to
//# properly understand the message.
#[test]
fn what_is_required_is_told_by_namespace() {
    let with = |fields: &str| parse(&format!("{fields}\r\nContent-Type: text/plain\r\n\r\n")).unwrap();
    let message = with("NS: My <urn:a>\r\nRequire: My.Vital, Subject\r\nNS: <urn:b>\r\nOther: x\r\n");
    assert_eq!(
        message.requirements().unwrap(),
        [
            ("urn:a".into(), "Vital".into()),
            (CPIM_NAMESPACE.into(), "Subject".into())
        ]
    );
    assert_eq!(message.named("urn:b", "Other").count(), 1);
    assert_eq!(
        with("Require: No.Vital\r\n").requirements(),
        Err(CpimErrorKind::Prefix)
    );
    assert_eq!(with("Require: a b\r\n").requirements(), Err(CpimErrorKind::Field));
}

#[test]
fn notifications_go_back_the_way_that_is_recorded() {
    let message = Message::builder()
        .from(None, "sip:a@example.com")
        .imdn_record_route(Some("Second"), "sip:r2@example.com")
        .imdn_record_route(None, "sip:r1@example.com")
        .content(ContentType::text_plain(), Bytes::from_static(b"Hi"))
        .build()
        .unwrap();
    let message = Message::parse(&message.to_bytes()).unwrap();
    let mut notification = Message::builder().content(ContentType::text_plain(), Bytes::new());
    for route in message.imdn_record_routes() {
        notification = notification.imdn_route(route.name.as_deref(), &route.uri);
    }
    let notification = notification.build().unwrap();
    let routes: Vec<String> = notification
        .imdn_routes()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        routes,
        ["\"Second\" <sip:r2@example.com>", "<sip:r1@example.com>"]
    );
    let broken = Message::builder()
        .imdn_route(None, "sip:r@example.com>\r\nFrom: <sip:b@example.com")
        .content(ContentType::text_plain(), Bytes::new());
    assert!(broken.build().is_err());
}

#[test]
fn an_error_tells_the_line_of_its_field() {
    for (envelope, kind, offset) in [
        ("From: <sip:a@b>\r\nTo: sip:c@d\r\n", CpimErrorKind::Value, 17),
        (
            "From: <sip:a@b>\r\nDateTime: 2000-02-30T00:00:00Z\r\n",
            CpimErrorKind::Value,
            17,
        ),
        (
            "X: y\r\nFrom: <sip:a@b>\r\nFrom: <sip:a@b>\r\n",
            CpimErrorKind::Repeated,
            23,
        ),
    ] {
        let octets = Bytes::from(format!("{envelope}\r\nContent-Type: text/plain\r\n\r\nHi"));
        assert_eq!(Message::parse(&octets).unwrap_err(), CpimError { kind, offset });
    }
    let octets = Bytes::from("From: <sip:a@b>\r\n\r\nContent-ID: <a>\r\nContent-Type: bad\r\n\r\nHi");
    assert_eq!(Message::parse(&octets).unwrap_err().offset, 36);
}
