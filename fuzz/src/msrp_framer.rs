//! However a stream is cut, the decoder gives the same frames, and ends in the same state.

use bytes::Bytes;
use msrp::codec::{Decoder, Frame, Leniency, Limits};

use crate::pieces;

/// The first octet says how long the pieces are, the rest is the stream.
pub fn msrp_framer(data: &[u8]) {
    let Some((stream, step)) = pieces(data) else {
        return;
    };
    let whole = read(std::iter::once(stream.clone()));
    let mut offset = 0;
    let cut = read(std::iter::from_fn(|| {
        let end = stream.len().min(offset + step);
        let piece = (offset < end).then(|| stream.slice(offset..end));
        offset = end;
        piece
    }));
    assert_eq!(whole, cut, "cutting into pieces of {step} changes what is read");
}

/// The frames as text, adjacent body pieces joined, and how the stream ended.
fn read(stream: impl Iterator<Item = Bytes>) -> Vec<String> {
    let mut decoder = Decoder::new(Limits::default(), Leniency::default());
    let mut seen = Vec::new();
    let mut body = Vec::new();
    for piece in stream {
        decoder.push(piece);
        loop {
            match decoder.next() {
                Ok(Some(Frame::Body(octets))) => body.extend_from_slice(&octets),
                Ok(Some(frame)) => {
                    flush(&mut body, &mut seen);
                    seen.push(format!("{frame:?}"));
                }
                Ok(None) => break,
                Err(error) => {
                    flush(&mut body, &mut seen);
                    seen.push(format!("{error:?}"));
                    return seen;
                }
            }
        }
    }
    flush(&mut body, &mut seen);
    seen.push(format!("incomplete {}", decoder.is_inside()));
    seen
}

fn flush(body: &mut Vec<u8>, seen: &mut Vec<String>) {
    if !body.is_empty() {
        seen.push(format!("body {body:?}"));
        body.clear();
    }
}
