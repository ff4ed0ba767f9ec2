//! A stream of messages is the same however it is cut, and what is read of it was in it.

use bytes::Bytes;
use sip_im::codec::{Limits, StreamDecoder, StreamItem};

/// The first octet says how the stream is cut: pieces of that length, and pieces whose lengths change.
pub fn sip_stream(data: &[u8]) {
    let Some((&step, rest)) = data.split_first() else {
        return;
    };
    let octets = Bytes::copy_from_slice(rest);
    let mut limits = Limits::default();
    // Small enough to be met by small inputs.
    (limits.head_octets, limits.header_lines, limits.body_octets) = (2_000, 24, 1_000);
    let whole = read(&octets, &limits, |_| usize::MAX);
    let step = usize::from(step).max(1);
    let even = read(&octets, &limits, |_| step);
    assert_eq!(whole, even, "cutting into pieces of {step} changes what is read");
    let uneven = read(&octets, &limits, |count| (count * 7 + step) % 23 + 1);
    assert_eq!(whole, uneven, "cutting unevenly changes what is read");
}

fn read(octets: &Bytes, limits: &Limits, length: impl Fn(usize) -> usize) -> Vec<String> {
    let mut decoder = StreamDecoder::new(*limits);
    let (mut seen, mut at, mut taken) = (Vec::new(), 0, 0);
    for count in 0.. {
        if at >= octets.len() {
            break;
        }
        let end = octets.len().min(at.saturating_add(length(count)));
        let piece = octets.slice(at..end);
        let longest = piece.len() + limits.head_octets + limits.body_octets;
        decoder.push(piece);
        at = end;
        loop {
            match decoder.next() {
                Ok(Some(StreamItem::Message(message))) => {
                    let written = message.to_bytes();
                    taken += written.len();
                    let found = octets.windows(written.len()).any(|window| window == written);
                    assert!(found, "a message that was not in the stream");
                    seen.push(format!("{written:?}"));
                }
                Ok(Some(StreamItem::Malformed { error, reply })) => {
                    seen.push(format!(
                        "malformed {error} {:?}",
                        reply.map(|reply| reply.to_bytes())
                    ));
                }
                Ok(Some(item)) => seen.push(format!("{item:?}")),
                Ok(None) => break,
                Err(error) => {
                    assert!(decoder.next().is_err(), "what has failed goes on");
                    seen.push(format!("closed {error}"));
                    return seen;
                }
            }
        }
        assert!(
            decoder.buffered() <= longest,
            "more is kept than the limits allow"
        );
    }
    assert!(taken <= octets.len(), "more messages than octets");
    seen.push(format!("incomplete {}", decoder.is_incomplete()));
    seen
}
