//! Decoding SENDs with their headers read, against a framer that finds end-lines and copies bodies without reading a
//! header, and against a copy of the octets.

use benches::Comparison;
use bytes::{Bytes, BytesMut};
use memchr::memmem;
use msrp::codec::{Decoder, Frame, Leniency, Limits};
use msrp::header::{ByteRange, FromPath, MessageIdHeader, ToPath};

fn main() {
    for (name, body) in [
        ("small SENDs", 64),
        ("2 KiB chunks", 2048),
        ("64 KiB chunks", 65536),
    ] {
        let count = (1 << 20) / (body + 300) + 1;
        let stream = stream(count, body);
        let comparison = format!("msrp_decode/{name}");
        let comparison = Comparison::new(&comparison, stream.len(), count);
        let mut decoder = Decoder::new(Limits::default(), Leniency::default());
        comparison.run(
            || decode(&mut decoder, &stream),
            "a framer with body copy",
            || frame(&stream),
        );
        comparison.run(|| decode(&mut decoder, &stream), "memcpy", || stream.to_vec());
    }
}

fn stream(count: usize, body: usize) -> Bytes {
    let mut stream = BytesMut::new();
    for number in 0..count {
        let head = format!(
            "MSRP {number:016x} SEND\r\nTo-Path: msrp://biloxi.example.com:12763/kjhd37s2s20w2a;tcp\r\n\
             From-Path: msrp://atlanta.example.com:7654/jshA7weztas;tcp\r\nMessage-ID: 8765{number:08}\r\n\
             Byte-Range: 1-{body}/{body}\r\nContent-Type: text/plain\r\n\r\n"
        );
        stream.extend_from_slice(head.as_bytes());
        stream.resize(stream.len() + body, b'x');
        stream.extend_from_slice(format!("\r\n-------{number:016x}$\r\n").as_bytes());
    }
    stream.freeze()
}

fn decode(decoder: &mut Decoder, stream: &Bytes) -> u64 {
    let mut sum = 0;
    decoder.push(stream.clone());
    while let Ok(Some(frame)) = decoder.next() {
        match frame {
            Frame::Head(head) => {
                sum += u64::from(head.headers.get::<ToPath>().is_ok());
                sum += u64::from(head.headers.get::<FromPath>().is_ok());
                sum += u64::from(head.headers.get::<MessageIdHeader>().is_ok());
                sum += head
                    .headers
                    .get::<ByteRange>()
                    .ok()
                    .flatten()
                    .map_or(0, |range| range.start);
            }
            Frame::Body(octets) => sum += octets.len() as u64,
            _ => {}
        }
    }
    sum
}

fn frame(stream: &Bytes) -> usize {
    let mut rest: &[u8] = stream;
    let mut copied = 0;
    while let Some(tid) = rest
        .strip_prefix(b"MSRP ")
        .and_then(|rest| rest.split(|&octet| octet == b' ').next())
    {
        let end_line = [b"\r\n-------", tid].concat();
        let Some(head) = memmem::find(rest, b"\r\n\r\n") else {
            break;
        };
        let Some(end) = memmem::find(rest, &end_line) else {
            break;
        };
        copied += rest.get(head + 4..end).unwrap_or_default().to_vec().len();
        rest = rest.get(end + end_line.len() + 3..).unwrap_or_default();
    }
    copied
}
