//! Decoding with the headers located, typed and checked, against a framer that finds end-lines and copies bodies without
//! reading a header, and against a copy of the octets. The streams are larger than a cache, and arrive in reads of
//! 64 KiB as from a socket.

use std::hint::black_box;

use benches::Comparison;
use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;
use msrp::codec::{Decoder, Frame, Leniency, Limits};
use msrp::header::{FailureReport, Status, SuccessReport};

const VOLUME: usize = 64 << 20;
const READ: usize = 64 << 10;

fn main() {
    let streams = [
        ("small SENDs", sends(64, b'x')),
        ("2 KiB chunks", sends(2048, b'x')),
        ("64 KiB chunks", sends(65536, b'x')),
        ("messages of mixed shape", mixed()),
        ("bodies of near end-lines", near_end_lines()),
    ];
    for (name, (stream, count)) in streams {
        let name = format!("msrp_decode/{name}");
        let comparison = Comparison::new(&name, stream.len(), count);
        let mut decoder = Decoder::new(Limits::default(), Leniency::default());
        let mut copied = Vec::with_capacity(READ * 2);
        comparison.run(
            || decode(&mut decoder, &stream),
            "a framer with body copy",
            || frame(&stream, &mut copied),
        );
        let mut target = vec![0; stream.len()];
        comparison.run(
            || decode(&mut decoder, &stream),
            "memcpy",
            || black_box(&mut target).copy_from_slice(black_box(&stream)),
        );
    }
}

/// SENDs with a body of one length, and how many they are.
fn sends(body: usize, octet: u8) -> (Bytes, usize) {
    let body = vec![octet; body];
    let mut stream = BytesMut::with_capacity(VOLUME + body.len() + 1024);
    let mut count = 0;
    while stream.len() < VOLUME {
        send(&mut stream, count, &body);
        count += 1;
    }
    (stream.freeze(), count)
}

fn send(stream: &mut BytesMut, number: usize, body: &[u8]) {
    let head = format!(
        "MSRP {number:016x} SEND\r\nTo-Path: msrp://biloxi.example.com:12763/kjhd37s2s20w2a;tcp\r\n\
         From-Path: msrp://atlanta.example.com:7654/jshA7weztas;tcp\r\nMessage-ID: 8765{number:08}\r\n\
         Byte-Range: 1-{length}/{length}\r\nContent-Type: text/plain\r\n\r\n",
        length = body.len()
    );
    stream.extend_from_slice(head.as_bytes());
    stream.extend_from_slice(body);
    stream.extend_from_slice(format!("\r\n-------{number:016x}$\r\n").as_bytes());
}

/// SENDs through a relay that ask for reports, their responses, and the reports.
fn mixed() -> (Bytes, usize) {
    let mut stream = BytesMut::with_capacity(VOLUME + 4096);
    let mut count = 0;
    while stream.len() < VOLUME {
        send(&mut stream, count, &[b'x'; 200]);
        let (relay, alice) = (
            "msrps://relay.example.com:9000/jui787s2f;tcp",
            "msrp://alice.example.com:7965/bar;tcp",
        );
        let text = format!(
            "MSRP a{count:015x} 200 OK\r\nTo-Path: {relay} {alice}\r\nFrom-Path: {alice}\r\n-------a{count:015x}$\r\n\
             MSRP b{count:015x} SEND\r\nTo-Path: {relay} {alice}\r\nFrom-Path: {alice}\r\nMessage-ID: 5678{count:08}\r\n\
             Byte-Range: 1-*/*\r\nSuccess-Report: yes\r\nFailure-Report: partial\r\nContent-Disposition: inline\r\n\
             Content-Type: message/cpim\r\n\r\n{body:300}\r\n-------b{count:015x}+\r\n\
             MSRP c{count:015x} REPORT\r\nTo-Path: {relay} {alice}\r\nFrom-Path: {alice}\r\nMessage-ID: 5678{count:08}\r\n\
             Byte-Range: 1-300/300\r\nStatus: 000 200 OK\r\n-------c{count:015x}$\r\n",
            body = "y"
        );
        stream.extend_from_slice(text.as_bytes());
        count += 4;
    }
    (stream.freeze(), count)
}

/// Bodies that a search for end-lines stumbles over all the time.
fn near_end_lines() -> (Bytes, usize) {
    let body = b"\r\n-------0000000000000000\r\n------\r\n\r\n-------".repeat(1300);
    let mut stream = BytesMut::with_capacity(VOLUME + body.len() + 1024);
    let mut count = 0;
    while stream.len() < VOLUME {
        send(&mut stream, count + 1, &body);
        count += 1;
    }
    (stream.freeze(), count)
}

fn decode(decoder: &mut Decoder, stream: &Bytes) -> usize {
    let mut sum = 0;
    let mut at = 0;
    while at < stream.len() {
        let end = stream.len().min(at + READ);
        decoder.push(stream.slice(at..end));
        at = end;
        while let Ok(Some(frame)) = decoder.next() {
            match frame {
                Frame::Head(head) => {
                    let headers = &head.headers;
                    sum += headers.to_path().map_or(0, msrp::header::PathRef::len);
                    sum += headers.from_path().map_or(0, msrp::header::PathRef::len);
                    sum += headers.message_id().ok().flatten().map_or(0, str::len);
                    sum += usize::from(matches!(headers.byte_range(), Ok(Some(range)) if range.start == 1));
                    sum += usize::from(headers.get::<FailureReport>().is_ok());
                    sum += usize::from(headers.get::<SuccessReport>().is_ok());
                    sum += usize::from(headers.get::<Status>().is_ok());
                    sum += usize::from(headers.media_type().is_ok());
                }
                Frame::Body(octets) => sum += octets.len(),
                _ => {}
            }
        }
    }
    sum
}

/// Knows the end of a head by its blank line, and takes what has none for a message without a body.
fn frame(stream: &Bytes, copied: &mut Vec<u8>) -> usize {
    let (blank, start) = (Finder::new(b"\r\n\r\n"), Finder::new(b"\r\n-------"));
    let mut rest: &[u8] = stream;
    let mut sum = 0;
    while let Some(id) = rest.get(5..21) {
        let mut from = 0;
        let end = loop {
            let Some(at) = start.find(rest.get(from..).unwrap_or_default()) else {
                return sum;
            };
            let after = from + at + 9;
            if rest.get(after..after + 16) == Some(id) {
                break from + at;
            }
            from = after;
        };
        let message = rest.get(..end).unwrap_or_default();
        if let Some(head) = blank.find(message) {
            copied.clear();
            copied.extend_from_slice(message.get(head + 4..).unwrap_or_default());
            sum += black_box(&*copied).len();
        }
        rest = rest.get(end + 28..).unwrap_or_default();
    }
    sum
}
