//! What reading costs, counted in octets and lines that are looked at, not in time.

use bytes::Bytes;

use super::{Frame, Limits, StreamDecoder};
use crate::header::octets::work;
use crate::header::{CSeq, CallId, Contact, From, RecordRoute, Route, To, Via};

const START: &str = "MESSAGE sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/TCP a.example;branch=z9hG4bK1\r\n\
                     From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: x@example.com\r\n\
                     CSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\n";

fn message(lines: &str) -> Bytes {
    Bytes::from(format!("{START}{lines}Content-Length: 0\r\n\r\n"))
}

fn limits() -> Limits {
    Limits {
        head_octets: 200_000,
        header_lines: 10_000,
        ..Limits::default()
    }
}

fn typed(octets: &Bytes) {
    let mut frame = Frame::new();
    if frame.read(octets.clone(), &limits()).is_err() {
        return;
    }
    let headers = frame.headers();
    let _ = headers.views::<Via>().count();
    let _ = headers.views::<Route>().count();
    let _ = headers.views::<RecordRoute>().count();
    let _ = headers.views::<Contact>().count();
    let _ = (headers.view::<From>(), headers.view::<To>());
    let _ = (headers.view::<CallId>(), headers.view::<CSeq>());
    let _ = frame.into_message();
}

#[test]
fn a_line_of_three_thousand_costs_no_more_than_one_of_thirty() {
    for line in [
        "X-Other: some text\r\n",
        "Subject: some text\r\n",
        "Accept: text/plain\r\n",
        "X-Folded: a\r\n b\r\n",
    ] {
        let of = |count: usize| {
            let octets = message(&line.repeat(count));
            work::of(|| typed(&octets))
        };
        let base = of(0);
        let (few, many) = (of(30) - base, of(3_000) - base);
        assert!(few > 0, "{line:?} is counted");
        assert!(many <= few * 101, "{line:?}: {few} for 30, {many} for 3,000");
    }
}

#[test]
fn any_64_kilobytes_are_read_in_time_linear_in_their_length() {
    let names: Vec<String> = (0..64).map(|index| format!(";a{index:0>900}z=1")).collect();
    let names = names.concat();
    for lines in [
        "Via: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n".repeat(1_000),
        format!("Via: {}SIP/2.0/UDP a\r\n", "SIP/2.0/UDP a,".repeat(4_500)),
        format!("Route: {}<sip:a;lr>\r\n", "<sip:a;lr>,".repeat(5_800)),
        format!("Route: {}\r\n", "<".repeat(64_000)),
        format!("Contact: {}\r\n", "\"\\\"".repeat(21_000)),
        format!("Contact: {}\r\n", "a ".repeat(32_000)),
        format!("Contact: {}\r\n", "<sip:a>;,".repeat(7_000)),
        format!("Contact: <sip:a@b>{names}\r\n"),
        format!("Contact: <sip:a@b{names}>\r\n"),
        format!("Contact: <sip:{}@b>\r\n", "%41".repeat(21_000)),
        format!("Contact: <sip:{}\r\n", "a:".repeat(32_000)),
        format!("Contact: <sip:b?{}a=b>\r\n", "a=b&".repeat(16_000)),
        format!("Subject:{}x\r\n", " ".repeat(64_000)),
        format!("Subject: x{}\r\n", " ".repeat(64_000)),
        format!("Subject: {}x\r\n", "a\r\n ".repeat(16_000)),
        "a:\r\n".repeat(9_000),
    ] {
        let octets = message(&lines);
        let looked_at = work::of(|| typed(&octets));
        let shape = lines.get(..40).unwrap_or_default();
        assert!(
            looked_at > 0 && looked_at <= 24 * octets.len(),
            "{shape:?}: {looked_at}"
        );
    }
}

#[test]
fn a_stream_that_comes_octet_by_octet_is_looked_at_a_few_times() {
    let octets = message(&format!("Subject: {}\r\n", "a b ".repeat(10_000)));
    let looked_at = work::of(|| {
        let mut decoder = StreamDecoder::new(limits());
        let mut messages = 0;
        for octet in &octets {
            decoder.push(Bytes::copy_from_slice(&[*octet]));
            while let Ok(Some(_)) = decoder.next() {
                messages += 1;
            }
        }
        assert_eq!(messages, 1);
    });
    assert!(looked_at <= 24 * octets.len(), "{looked_at}");
}
