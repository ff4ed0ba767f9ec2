//! Framing: examples of RFC 4975, and that cuts do not matter.
#![cfg(test)]

use bytes::{Bytes, BytesMut};
use msrp::codec::{self, Continuation, DecodeError, Decoder, Defect, Frame, Leniency, Limits, StartLine};
use msrp::header::{
    ByteRange, FailureReport, FromPath, Header, MessageIdHeader, Status, SuccessReport, ToPath,
};
use msrp::{Method, StatusCode, TransactionId};
use proptest::prelude::*;

/// The frames of a stream that arrives in pieces, adjacent pieces of bodies joined.
fn frames(pieces: &[&[u8]], leniency: Leniency) -> (Vec<Frame>, Option<DecodeError>) {
    let mut decoder = Decoder::new(Limits::default(), leniency);
    let mut frames: Vec<Frame> = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        loop {
            match decoder.next() {
                Ok(Some(Frame::Body(body))) => {
                    assert!(!body.is_empty());
                    if let Some(Frame::Body(before)) = frames.last_mut() {
                        *before = [&before[..], &body[..]].concat().into();
                    } else {
                        frames.push(Frame::Body(body));
                    }
                }
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

fn cut<'a>(stream: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(stream.len());
    let mut start = 0;
    cuts.iter()
        .map(|&end| &stream[std::mem::replace(&mut start, end)..end])
        .collect()
}

fn assert_cuts_do_not_matter(stream: &[u8], leniency: Leniency) {
    let whole = frames(&[stream], leniency);
    let octets: Vec<_> = stream.chunks(1).collect();
    assert_eq!(frames(&octets, leniency), whole);
    for at in 0..=stream.len() {
        assert_eq!(
            frames(&[&stream[..at], &stream[at..]], leniency),
            whole,
            "cut at {at}"
        );
    }
}

const FIRST: &str = "MSRP a786hjs2 SEND\r\n\
    To-Path: msrp://biloxi.example.com:12763/kjhd37s2s20w2a;tcp\r\n\
    From-Path: msrp://atlanta.example.com:7654/jshA7weztas;tcp\r\n\
    Message-ID: 87652491\r\n\
    Byte-Range: 1-25/25\r\n\
    Content-Type: text/plain\r\n\
    \r\n\
    Hey Bob, are you there?\r\n\
    -------a786hjs2$\r\n";
const RESPONSE: &str = "MSRP a786hjs2 200 OK\r\n\
    To-Path: msrp://atlanta.example.com:7654/jshA7weztas;tcp\r\n\
    From-Path: msrp://biloxi.example.com:12763/kjhd37s2s20w2a;tcp\r\n\
    -------a786hjs2$\r\n";
const REPORT: &str = "MSRP dkei38sd REPORT\r\n\
    To-Path: msrp://alicepc.example.com:7777/iau39soe2843z;tcp\r\n\
    From-Path: msrp://bob.example.com:8888/9di4eae923wzd;tcp\r\n\
    Message-ID: 12339sdqwer\r\n\
    Byte-Range: 1-106/106\r\n\
    Status: 000 200 OK\r\n\
    -------dkei38sd$\r\n";

#[test]
fn a_request_of_the_rfc_is_read() {
    let (frames, error) = frames(&[FIRST.as_bytes()], Leniency::STRICT);
    assert_eq!(error, None);
    let [Frame::Head(head), Frame::Body(body), Frame::End(end)] = &frames[..] else {
        panic!("{frames:?}")
    };
    assert_eq!(head.start, StartLine::Request(Method::Send));
    assert_eq!(head.transaction.as_str(), "a786hjs2");
    assert!(head.has_body && head.defect.is_none());
    assert_eq!(
        head.headers.require::<ToPath>().unwrap().uris()[0].host(),
        "biloxi.example.com"
    );
    assert_eq!(
        head.headers.require::<FromPath>().unwrap().uris()[0].session_id(),
        Some("jshA7weztas")
    );
    assert_eq!(
        head.headers.require::<MessageIdHeader>().unwrap().0.as_str(),
        "87652491"
    );
    assert_eq!(head.headers.require::<ByteRange>(), Ok(ByteRange::whole(25)));
    assert_eq!(head.headers.get::<SuccessReport>(), Ok(None));
    assert_eq!(head.headers.get::<FailureReport>(), Ok(None));
    assert_eq!(body, "Hey Bob, are you there?");
    assert_eq!(*end, Continuation::Complete);
}

#[test]
fn responses_and_reports_of_the_rfc_are_read() {
    let (frames, error) = frames(&[RESPONSE.as_bytes(), REPORT.as_bytes()], Leniency::STRICT);
    assert_eq!(error, None);
    let [
        Frame::Head(response),
        Frame::End(_),
        Frame::Head(report),
        Frame::End(_),
    ] = &frames[..]
    else {
        panic!("{frames:?}")
    };
    assert_eq!(
        response.start,
        StartLine::Response {
            status: StatusCode::OK,
            comment: Some("OK".into())
        }
    );
    assert!(!response.has_body);
    assert_eq!(report.start, StartLine::Request(Method::Report));
    assert_eq!(report.headers.require::<Status>(), Ok(Status::of(StatusCode::OK)));
}

#[test]
fn cuts_do_not_matter_to_the_examples() {
    assert_cuts_do_not_matter(format!("{FIRST}{RESPONSE}{REPORT}").as_bytes(), Leniency::STRICT);
    assert_cuts_do_not_matter(
        format!("\r\n{FIRST}\r\n\r\n{REPORT}\r\n").as_bytes(),
        Leniency::default(),
    );
}

#[test]
fn only_the_very_end_line_ends_a_body() {
    for body in [
        "-------a786hjs2$\r\n",
        "\r\n-------a786hjs2$\r",
        "\r\n-------a786hjs2$\r\r\n-------a786hjs2",
        "\r\n-------a786hjs2?\r\n",
        "\r\n-------a786hjs$\r\n",
        "\r\n-------a786hjs2$x",
        "\r\n------\r\n-------\r\n-------a786hjs\r\n-------a786hjs3$\r\n",
        "\r\r\n\r\n--------a786hjs2$\r\n",
        "\r",
        "\r\n",
        "",
    ] {
        let stream = FIRST.replace("Hey Bob, are you there?", body);
        let (frames, error) = frames(&[stream.as_bytes()], Leniency::STRICT);
        assert_eq!(error, None);
        let seen = frames.iter().find_map(|frame| {
            if let Frame::Body(body) = frame {
                Some(&body[..])
            } else {
                None
            }
        });
        assert_eq!(seen.unwrap_or_default(), body.as_bytes());
        assert!(matches!(frames.last(), Some(Frame::End(Continuation::Complete))));
        assert_cuts_do_not_matter(stream.as_bytes(), Leniency::STRICT);
    }
}

#[test]
fn an_empty_body_is_not_no_body() {
    let empty = FIRST.replace("Hey Bob, are you there?", "");
    let none = RESPONSE.replace("200 OK", "SEND");
    for (stream, has_body) in [(empty, true), (none, false)] {
        let (frames, _) = frames(&[stream.as_bytes()], Leniency::STRICT);
        let [Frame::Head(head), Frame::End(_)] = &frames[..] else {
            panic!("{frames:?}")
        };
        assert_eq!(head.has_body, has_body);
    }
}

#[test]
fn a_bad_head_costs_its_own_message_only() {
    let stream = format!("{}{RESPONSE}", FIRST.replace("Byte-Range: 1-25/25", "nonsense"));
    let (frames, error) = frames(&[stream.as_bytes()], Leniency::STRICT);
    assert_eq!(error, None);
    let [
        Frame::Head(bad),
        Frame::Body(_),
        Frame::End(_),
        Frame::Head(good),
        Frame::End(_),
    ] = &frames[..]
    else {
        panic!("{frames:?}")
    };
    assert_eq!(bad.defect, Some(Defect::Header { line: 5 }));
    assert_eq!(good.defect, None);
    assert_cuts_do_not_matter(stream.as_bytes(), Leniency::STRICT);
}

#[test]
fn what_is_not_msrp_fails_at_once_and_for_good() {
    for (stream, leniency) in [
        ("GET / HTTP/1.1\r\n", Leniency::default()),
        ("MSRX", Leniency::default()),
        ("\r\nMSRP", Leniency::STRICT),
        ("MSRP abc SEND\r\n", Leniency::default()),
        (
            "MSRP abcdefghijklmnopqrstuvwxyz0123456 SEND\r\n",
            Leniency::default(),
        ),
        ("MSRP ab@d SEND\r\n", Leniency::default()),
        ("MSRP abcd\r\n", Leniency::default()),
    ] {
        let (frames_of_it, error) = frames(&[stream.as_bytes()], leniency);
        assert_eq!(
            (frames_of_it.len(), error),
            (0, Some(DecodeError::StartLine)),
            "{stream}"
        );
        assert_cuts_do_not_matter(stream.as_bytes(), leniency);
    }
    let mut decoder = Decoder::new(Limits::default(), Leniency::default());
    decoder.push(Bytes::from("nonsense"));
    assert_eq!(decoder.next(), Err(DecodeError::StartLine));
    decoder.push(Bytes::from(FIRST));
    assert_eq!(decoder.next(), Err(DecodeError::StartLine));
}

#[test]
fn heads_are_bounded() {
    let stream = format!("MSRP abcd SEND\r\nX: {}", "a".repeat(9000));
    let (frames_of_it, error) = frames(&[stream.as_bytes()], Leniency::default());
    assert_eq!((frames_of_it.len(), error), (0, Some(DecodeError::HeadTooLong)));
    assert_cuts_do_not_matter(&stream.as_bytes()[..8300], Leniency::default());
}

#[test]
fn a_header_beyond_the_most_says_nothing_of_the_one_that_is_kept() {
    let most = Limits::default().headers;
    let mut stream = String::from("MSRP abcd SEND\r\nTo-Path: msrp://h\r\n");
    stream.push_str(&"X: y\r\n".repeat(most));
    stream.push_str("To-Path: msrp://a:1/b;tcp msrp://c:2/d;tcp\r\n-------abcd$\r\n");
    let (read, error) = frames(&[stream.as_bytes()], Leniency::default());
    assert_eq!(error, None);
    let Some(Frame::Head(head)) = read.first() else {
        panic!("no head: {read:?}")
    };
    assert_eq!(head.defect, Some(Defect::TooManyHeaders));
    assert!(head.headers.get::<ToPath>().is_err());
    assert!(head.headers.to_path().is_err());
}

fn identifier() -> impl Strategy<Value = TransactionId> {
    "[a-zA-Z0-9][a-zA-Z0-9.+%=-]{3,31}".prop_map(|text| TransactionId::new(&text).unwrap())
}

fn body(id: TransactionId) -> impl Strategy<Value = Vec<u8>> {
    let parts = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        Just(b"\r\n-------".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"$\r\n".to_vec()),
        Just(id.as_bytes().to_vec()),
        Just(format!("\r\n-------{id}").into_bytes()),
    ];
    prop::collection::vec(parts, 0..12)
        .prop_map(|parts| parts.concat())
        .prop_filter("ends the chunk", move |body| {
            let whole = [&body[..], b"\r\n"].concat();
            ["$", "+", "#"].iter().all(|flag| {
                let end = format!("\r\n-------{id}{flag}\r\n");
                !whole.windows(end.len()).any(|window| window == end.as_bytes())
            })
        })
}

proptest! {
    #[test]
    fn what_is_written_is_read_however_it_is_cut(
        (id, body) in identifier().prop_flat_map(|id| (Just(id), body(id))),
        cuts in prop::collection::vec(any::<usize>(), 0..10),
        flag in prop_oneof![Just(Continuation::Complete), Just(Continuation::More), Just(Continuation::Aborted)],
    ) {
        let mut out = BytesMut::new();
        codec::request_line(&mut out, &id, &Method::Send);
        let path = ToPath::parse("msrp://a:1/b;tcp").unwrap();
        codec::header(&mut out, &path);
        codec::header(&mut out, &FromPath::parse("msrp://c:1/d;tcp").unwrap());
        out.extend_from_slice(b"Content-Type: a/b\r\n\r\n");
        out.extend_from_slice(&body);
        out.extend_from_slice(b"\r\n");
        codec::end_line(&mut out, &id, flag);
        let two = [&out[..], REPORT.as_bytes()].concat();
        let whole = frames(&[&two], Leniency::STRICT);
        prop_assert_eq!(&frames(&cut(&two, &cuts), Leniency::STRICT), &whole);
        let mut seen = whole.0.into_iter();
        let Some(Frame::Head(head)) = seen.next() else { panic!() };
        prop_assert_eq!(head.transaction, id);
        prop_assert_eq!(head.headers.require::<ToPath>().unwrap(), path);
        let mut next = seen.next();
        if let Some(Frame::Body(read)) = &next {
            prop_assert_eq!(&read[..], &body[..]);
            next = seen.next();
        } else {
            prop_assert!(body.is_empty());
        }
        prop_assert_eq!(next, Some(Frame::End(flag)));
        prop_assert_eq!(seen.count(), 2);
    }

    #[test]
    fn cuts_do_not_matter_to_nonsense(
        parts in prop::collection::vec(prop_oneof![
            Just(FIRST.as_bytes().to_vec()),
            Just(RESPONSE.as_bytes().to_vec()),
            Just(b"MSRP ".to_vec()),
            Just(b"abcd SEND\r\n".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"-------abcd$\r\n".to_vec()),
            prop::collection::vec(any::<u8>(), 0..10),
        ], 0..8),
        cuts in prop::collection::vec(any::<usize>(), 0..10),
    ) {
        let stream = parts.concat();
        for leniency in [Leniency::default(), Leniency::STRICT] {
            prop_assert_eq!(frames(&cut(&stream, &cuts), leniency), frames(&[&stream], leniency));
        }
    }
}
