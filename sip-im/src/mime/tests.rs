use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{ContentType, Entropy};

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
