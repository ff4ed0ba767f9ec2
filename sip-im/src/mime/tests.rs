use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::header::Headers;
use crate::{ContentType, Entropy, Uri};

fn read(boundary: &str, body: &str) -> Result<Vec<(String, String)>, MultipartErrorKind> {
    let content_type = ContentType::parse(&format!("multipart/mixed;boundary={boundary}")).unwrap();
    let parsed = Multipart::parse(&content_type, &Bytes::from(body.to_owned()), &Limits::default());
    parsed.map_err(|error| error.kind).map(|multipart| {
        let text = |part: &Part| String::from_utf8(part.body().to_vec()).unwrap();
        multipart
            .parts()
            .iter()
            .map(|part| (part.content_type().to_string(), text(part)))
            .collect()
    })
}

fn plain(text: &str) -> (String, String) {
    ("text/plain".to_owned(), text.to_owned())
}

fn counting() -> Entropy {
    let mut count = 0;
    Box::new(move |out| {
        count += 1;
        out.fill(count);
    })
}

#[test]
fn the_example_of_rfc_2046_is_read() {
    let body = "This is the preamble.\r\n--simple boundary\r\n\r\nimplicitly typed\r\nno end\r\n--simple boundary\r\n\
                Content-type: text/plain; charset=us-ascii\r\n\r\nends in a line end\r\n\r\n--simple boundary--\r\n\r\nepilogue";
    assert_eq!(
        read("\"simple boundary\"", body),
        Ok(vec![
            plain("implicitly typed\r\nno end"),
            (
                "text/plain;charset=us-ascii".to_owned(),
                "ends in a line end\r\n".to_owned()
            )
        ])
    );
}

#[test]
fn a_part_may_be_empty() {
    for body in [
        "--b\r\n\r\n\r\n--b--",
        "--b\r\n\r\n--b--",
        "--b\r\n--b--",
        "--b  \r\n\r\n--b--\t\r\n",
    ] {
        assert_eq!(read("b", body), Ok(vec![plain("")]), "{body:?}");
    }
    assert_eq!(
        read("b", "--b\r\nContent-Type: a/b\r\n--b--"),
        Ok(vec![("a/b".to_owned(), String::new())])
    );
}

#[test]
fn a_boundary_that_starts_another_is_not_taken_for_it() {
    let body = "--b\r\n\r\n--bb\r\n--b-\r\n--b--x\r\n--b--";
    assert_eq!(read("b", body), Ok(vec![plain("--bb\r\n--b-\r\n--b--x")]));
}

#[test]
fn what_is_not_whole_is_refused() {
    assert_eq!(read("b", ""), Err(MultipartErrorKind::NoPart));
    assert_eq!(read("b", "no delimiter"), Err(MultipartErrorKind::NoPart));
    assert_eq!(read("b", "--b--"), Err(MultipartErrorKind::NoPart));
    assert_eq!(read("b", "--b\r\n\r\nx"), Err(MultipartErrorKind::Unterminated));
    assert_eq!(
        read("b", "--b\r\n\r\nx\r\n--b\r\n\r\ny"),
        Err(MultipartErrorKind::Unterminated)
    );
    assert_eq!(read("b", "--b\n\nx\n--b--"), Err(MultipartErrorKind::NoPart));
    assert!(matches!(
        read("b", "--b\r\nno colon\r\n\r\n\r\n--b--"),
        Err(MultipartErrorKind::Header(_))
    ));
    assert!(matches!(
        read("b", "--b\r\nContent-Type: x\r\n\r\n\r\n--b--"),
        Err(MultipartErrorKind::Header(_))
    ));
    assert_eq!(read("\" \"", "-- \r\n"), Err(MultipartErrorKind::Boundary));
    assert_eq!(read(&"x".repeat(71), "x"), Err(MultipartErrorKind::Boundary));
}

#[test]
fn parts_are_bounded() {
    let body = format!("{}--b--", "--b\r\n\r\n\r\n".repeat(65));
    assert_eq!(read("b", &body), Err(MultipartErrorKind::LimitExceeded));
}

#[test]
fn every_truncation_is_survived() {
    let body = "--b\r\nContent-Type: text/plain\r\nContent-ID: <a@b>\r\n\r\nHi\r\n--b\r\n\r\n\r\n--b--";
    for end in 0..body.len() {
        assert!(read("b", body.get(..end).unwrap()).is_err(), "{end}");
    }
}

#[test]
fn no_part_makes_no_body() {
    assert!(Multipart::builder().build(&mut counting()).is_err());
}

#[test]
fn a_header_of_a_part_cannot_end_its_line() {
    let part = Part::new(ContentType::text_plain());
    assert!(part.clone().with_content_id("a>\r\nX: y").is_err());
    assert!(
        part.clone()
            .with_header(&crate::header::HeaderName::CONTENT_LANGUAGE, "en\r\n\r\nx")
            .is_err()
    );
    assert_eq!(
        part.with_content_id("a@b").unwrap().content_id().as_deref(),
        Some("a@b")
    );
}

#[test]
fn the_boundary_occurs_in_no_part() {
    let first = "01".repeat(16);
    let part = Part::new(ContentType::text_plain()).with_body(Bytes::from(format!("\r\n--{first}\r\n")));
    let (content_type, body) = Multipart::builder()
        .part(part.clone())
        .build(&mut counting())
        .unwrap();
    let parsed = Multipart::parse(&content_type, &body, &Limits::default()).unwrap();
    assert_eq!(parsed.parts().len(), 1);
    assert_eq!(parsed.parts()[0].body(), part.body());
    let mut stuck: Entropy = Box::new(|out| out.fill(1));
    assert!(Multipart::builder().part(part).build(&mut stuck).is_ok());
}

proptest! {
    #[test]
    fn what_is_built_is_read_back(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..5)) {
        let builder = bodies.iter().fold(Multipart::builder(), |builder, body| {
            builder.part(Part::new(ContentType::text_plain()).with_body(Bytes::from(body.clone())))
        });
        let (content_type, body) = builder.build(&mut counting()).unwrap();
        let parsed = Multipart::parse(&content_type, &body, &Limits::default()).unwrap();
        let read: Vec<Vec<u8>> = parsed.parts().iter().map(|part| part.body().to_vec()).collect();
        prop_assert_eq!(read, bodies);
    }

    #[test]
    fn anything_is_read_or_refused(body in "(--b(--)?|\r\n|[ab:]|Content-Type: ){0,20}") {
        let _ = read("b", &body);
    }
}

fn parsed(content_type: &str, body: &str) -> Multipart {
    let content_type = ContentType::parse(content_type).unwrap();
    Multipart::parse(&content_type, &Bytes::from(body.to_owned()), &Limits::default()).unwrap()
}

const TWO: &str = "--b\r\nContent-ID: <1@a>\r\n\r\none\r\n--b\r\nContent-ID: <2%@a>\r\nContent-Type: application/sdp\r\n\r\ntwo\r\n--b--";

//= https://www.rfc-editor.org/rfc/rfc2387#section-3.2
//= type=test
//# The start parameter, if given, is the content-ID of the compound
//# object's "root".  If not present the "root" is the first body part in
//# the Multipart/Related entity.
#[test]
fn the_root_is_the_first_part_or_the_one_that_is_named() {
    for (parameters, root) in [
        ("", Some("one")),
        (";start=\"<2%@a>\"", Some("two")),
        (";start=\"2%@a\"", Some("two")),
        (";start=\"<2%@a>\";type=\"application/SDP\"", Some("two")),
        (";type=\"text/plain\"", Some("one")),
        (";type=\"application/sdp\"", None),
        (";start=\"<3@a>\"", None),
        (";start=\"\"", None),
    ] {
        let body = parsed(&format!("multipart/related;boundary=b{parameters}"), TWO);
        assert_eq!(body.kind(), MultipartKind::Related);
        let found = body.root().ok().map(|part| part.body().as_ref());
        assert_eq!(found, root.map(str::as_bytes), "{parameters}");
    }
    // What is not related has no root but its first part.
    assert_eq!(
        parsed("multipart/mixed;boundary=b;start=x", TWO)
            .root()
            .unwrap()
            .body()
            .as_ref(),
        b"one"
    );
}

#[test]
fn a_cid_points_at_its_part() {
    let body = parsed("multipart/mixed;boundary=b", TWO);
    let named = |uri: &str| {
        body.named(&Uri::parse(uri).unwrap())
            .map(|part| part.body().as_ref())
    };
    assert_eq!(named("cid:1@a"), Some(&b"one"[..]));
    assert_eq!(named("cid:%31%40a"), Some(&b"one"[..]));
    assert_eq!(named("cid:2%25@a"), Some(&b"two"[..]));
    assert_eq!(named("cid:2@a"), None);
    assert_eq!(named("urn:1@a"), None);
}

//= https://www.rfc-editor.org/rfc/rfc2046#section-5.1.4
//= type=test
//# In general, user agents that compose
//# "multipart/alternative" entities must place the body parts in
//# increasing order of preference, that is, with the preferred format
//# last.
#[test]
fn of_alternatives_the_last_that_is_understood_is_taken() {
    let body = parsed("multipart/alternative;boundary=b", TWO);
    let best = |range: &str| {
        body.best(|part| part.content_type().matches(range))
            .map(|part| part.body().as_ref())
    };
    assert_eq!(best("*"), Some(&b"two"[..]));
    assert_eq!(best("text/*"), Some(&b"one"[..]));
    assert_eq!(best("image/*"), None);
    assert!(parsed("multipart/mixed;boundary=b", TWO).best(|_| true).is_none());
}

#[test]
fn a_related_body_is_built_with_the_type_of_its_root() {
    let root = Part::new(ContentType::application_sdp()).with_body(Bytes::from_static(b"v=0"));
    let icon = Part::new(ContentType::parse("image/png").unwrap())
        .with_content_id("i@a")
        .unwrap();
    let (content_type, body) = Multipart::builder()
        .part(root)
        .part(icon)
        .related()
        .build(&mut counting())
        .unwrap();
    assert_eq!(content_type.parameter("type").as_deref(), Some("application/sdp"));
    let read = Multipart::parse(&content_type, &body, &Limits::default()).unwrap();
    assert_eq!(read.root().unwrap().body().as_ref(), b"v=0");
    assert_eq!(
        read.named(&Uri::parse("cid:i@a").unwrap())
            .unwrap()
            .content_type()
            .subtype(),
        "png"
    );
    let (content_type, _) = Multipart::builder()
        .part(Part::new(ContentType::text_plain()))
        .alternative()
        .build(&mut counting())
        .unwrap();
    assert_eq!(content_type.subtype(), "alternative");
}

/// A body in a body, this many times.
fn nested(depth: usize) -> (Headers, Bytes) {
    let mut body = String::from("Hi");
    let mut content_type = String::from("text/plain");
    for level in 0..depth {
        body = format!("--b{level}\r\nContent-Type: {content_type}\r\n\r\n{body}\r\n--b{level}--");
        content_type = format!("multipart/mixed;boundary=b{level}");
    }
    let mut headers = Headers::new();
    headers
        .push_typed(&ContentType::parse(&content_type).unwrap())
        .unwrap();
    (headers, Bytes::from(body))
}

#[test]
fn nesting_is_bounded() {
    let limits = Limits::default();
    let leaves = |depth| {
        let (headers, body) = nested(depth);
        leaf_parts(&headers, &body, &limits).map(|parts| parts.len())
    };
    for depth in 0..=limits.depth {
        assert_eq!(leaves(depth), Ok(1), "{depth}");
    }
    assert_eq!(
        leaves(limits.depth + 1).unwrap_err().kind,
        MultipartErrorKind::LimitExceeded
    );
    // Few enough parts in each body, and too many in all.
    let inner = format!("{}--i--", "--i\r\n\r\n\r\n".repeat(20));
    let part = format!("--o\r\nContent-Type: multipart/mixed;boundary=i\r\n\r\n{inner}\r\n");
    let mut headers = Headers::new();
    headers
        .push_typed(&ContentType::parse("multipart/mixed;boundary=o").unwrap())
        .unwrap();
    let many = Bytes::from(format!("{}--o--", part.repeat(4)));
    assert_eq!(
        leaf_parts(&headers, &many, &limits).unwrap_err().kind,
        MultipartErrorKind::LimitExceeded
    );
    assert_eq!(leaf_parts(&headers, &Bytes::new(), &limits).unwrap().len(), 0);
}

#[test]
fn octets_of_a_part_are_slices_of_the_body() {
    let body: Vec<u8> = [
        b"--b\r\n\r\n".as_slice(),
        &[0, 255, 13, 10, 45, 45, 98, 120, 10],
        b"\r\n--b--",
    ]
    .concat();
    let body = Bytes::from(body);
    let content_type = ContentType::parse("multipart/mixed;boundary=b").unwrap();
    let read = Multipart::parse(&content_type, &body, &Limits::default()).unwrap();
    let part = read.parts()[0].body();
    assert_eq!(part.as_ref(), [0, 255, 13, 10, 45, 45, 98, 120, 10]);
    assert_eq!(part.as_ptr(), body[7..].as_ptr());
}

fn external(parameters: &str, fields: &str) -> Result<ExternalBody, ExternalError> {
    let content_type = ContentType::parse(&format!("message/external-body;{parameters}")).unwrap();
    let part = Part::new(content_type).with_body(Bytes::from(fields.to_owned()));
    ExternalBody::read(&part, &Limits::default())
}

const FIELDS: &str = "Content-Type: image/png\r\nContent-ID: <9535035333@example.net>\r\nContent-Disposition: render\r\n\
    Content-Description: Kevin getting dunked in the wading pool\r\n\r\n";

//= https://www.rfc-editor.org/rfc/rfc4483#section-5.7
//= type=test
//# This is a mandatory parameter.
//= https://www.rfc-editor.org/rfc/rfc4483#section-5.10
//= type=test
//# A Content-Disposition entity header MUST be present for all indirect
//# content.
#[test]
fn a_reference_says_where_the_content_is_and_until_when() {
    let good = "ACCESS-TYPE=URL;expiration=\"Mon, 24 June 2002 09:00:00 GMT\";URL=\"http://www.example.net/a b\";size=234422;hash=10AB568E91245681AC1B";
    let image = external(good, FIELDS).unwrap();
    assert_eq!(image.uri.as_str(), "http://www.example.net/ab");
    assert_eq!(image.expiration.since_epoch().as_secs(), 1_024_909_200);
    assert_eq!(
        (image.size, image.hash.as_ref().unwrap().len()),
        (Some(234_422), 10)
    );
    assert_eq!(image.content_type.as_ref().unwrap().subtype(), "png");
    assert_eq!(image.content_id.as_deref(), Some("9535035333@example.net"));
    assert!(image.disposition.is("render") && image.description.as_ref().unwrap().starts_with("Kevin"));
    // Whoever reads the part finds the end of its fields with or without the empty line.
    for end in ["\r\n", "\r\n\r\n", ""] {
        assert_eq!(
            external(good, &format!("{}{end}", FIELDS.trim_end())).as_ref(),
            Ok(&image),
            "{end:?}"
        );
    }
    let again = ExternalBody::read(&image.to_part().unwrap(), &Limits::default());
    assert_eq!(again.unwrap(), image);
    let with = |from: &str, to: &str| external(&good.replace(from, to), FIELDS).unwrap_err();
    assert_eq!(
        with("ACCESS-TYPE=URL", "access-type=tftp"),
        ExternalError::AccessType
    );
    assert_eq!(
        with("ACCESS-TYPE=URL", "x=y"),
        ExternalError::Missing("access-type")
    );
    assert_eq!(with("URL=\"http", "x=\"http"), ExternalError::Missing("url"));
    assert_eq!(with("http:", "<http:"), ExternalError::Malformed("url"));
    assert_eq!(with("expiration", "x"), ExternalError::Missing("expiration"));
    assert_eq!(with("GMT", "EST"), ExternalError::Malformed("expiration"));
    assert_eq!(with("size=2", "size=-2"), ExternalError::Malformed("size"));
    for bad in ["10A", "1G", "\"\"", "\"+1\""] {
        assert_eq!(
            with("10AB568E91245681AC1B", bad),
            ExternalError::Malformed("hash"),
            "{bad}"
        );
    }
    assert_eq!(
        external(good, "Content-Type: image/png\r\n\r\n").unwrap_err(),
        ExternalError::Missing("Content-Disposition")
    );
    assert!(matches!(
        external(good, "x\r\n\r\n"),
        Err(ExternalError::Headers(_))
    ));
    let other = Part::new(ContentType::text_plain());
    assert_eq!(
        ExternalBody::read(&other, &Limits::default()),
        Err(ExternalError::OtherType)
    );
}

#[test]
fn a_reference_without_type_does_not_name_one() {
    let date = crate::header::Date::from_unix(core::time::Duration::from_secs(0));
    let disposition = ContentDisposition::parse("session").unwrap();
    let mut reference = ExternalBody::new(Uri::parse("https://a.example/x").unwrap(), date, disposition);
    let part = reference.to_part().unwrap();
    assert!(!part.body().windows(12).any(|window| window == b"Content-Type"));
    assert_eq!(ExternalBody::read(&part, &Limits::default()).unwrap(), reference);
    reference.content_id = Some("a\r\nb".to_owned());
    assert!(reference.to_part().is_err());
}
