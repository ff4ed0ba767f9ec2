//! Cuts what is seen of a stream into messages.
//!
//! It believes what it sees and holds no more than a head: it serves diagrams, not peers.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;

/// One direction of a stream.
#[derive(Debug)]
pub(super) struct Splitter {
    sip: bool,
    buffer: BytesMut,
    state: State,
}

#[derive(Debug)]
enum State {
    /// At the start of a message.
    Head,
    /// So many octets of a SIP message are still to come, those of the head in the buffer included.
    Message(usize),
    /// Within an MSRP message that ends with `end`. Its head goes out in one piece, since what reads a capture finds a
    /// message by its first line.
    Chunk { end: Vec<u8>, head_is_out: bool },
    /// This is neither; every piece is shown as it comes.
    Unknown,
}

impl Splitter {
    pub(super) fn new(sip: bool) -> Self {
        Self {
            sip,
            buffer: BytesMut::new(),
            state: State::Head,
        }
    }

    pub(super) fn push(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    /// The next piece of a message, and whether the message ends with it.
    pub(super) fn next(&mut self) -> Option<(Bytes, bool)> {
        loop {
            if self.buffer.is_empty() {
                return None;
            }
            match &mut self.state {
                State::Head => {
                    if self.sip && self.buffer.starts_with(b"\r\n") {
                        let blank = self
                            .buffer
                            .iter()
                            .take_while(|octet| matches!(octet, b'\r' | b'\n'))
                            .count();
                        return Some((self.take(blank), true));
                    }
                    self.state = self.enter()?;
                }
                State::Message(rest) => {
                    let count = (*rest).min(self.buffer.len());
                    *rest = rest.saturating_sub(count);
                    let end = *rest == 0;
                    if end {
                        self.state = State::Head;
                    }
                    return Some((self.take(count), end));
                }
                State::Chunk { end, head_is_out } => {
                    // The flag and the line's end follow.
                    let tail = end.len().saturating_add(3);
                    if let Some(at) = memmem::find(&self.buffer, end) {
                        let count = at.saturating_add(tail);
                        if self.buffer.len() < count {
                            return None;
                        }
                        self.state = State::Head;
                        return Some((self.take(count), true));
                    }
                    let count = self.buffer.len().checked_sub(tail).filter(|count| *count > 0)?;
                    let seen = self.buffer.get(..count).unwrap_or_default();
                    if !*head_is_out && count < HEAD_LIMIT && memmem::find(seen, b"\r\n\r\n").is_none() {
                        return None;
                    }
                    *head_is_out = true;
                    return Some((self.take(count), false));
                }
                State::Unknown => return Some((self.take(usize::MAX), true)),
            }
        }
    }

    /// What is left of a message that never ended.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        (!self.buffer.is_empty()).then(|| self.take(usize::MAX))
    }

    fn enter(&self) -> Option<State> {
        if self.sip {
            let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") else {
                return (self.buffer.len() > HEAD_LIMIT).then_some(State::Unknown);
            };
            let head = self.buffer.get(..end).unwrap_or_default();
            return Some(State::Message(
                end.saturating_add(4).saturating_add(content_length(head)),
            ));
        }
        let Some(line_end) = memmem::find(&self.buffer, b"\r\n") else {
            return (self.buffer.len() > HEAD_LIMIT).then_some(State::Unknown);
        };
        let mut words = self
            .buffer
            .get(..line_end)
            .unwrap_or_default()
            .split(|octet| *octet == b' ');
        Some(match (words.next(), words.next()) {
            (Some(b"MSRP"), Some(transaction)) if !transaction.is_empty() => State::Chunk {
                end: [b"\r\n-------", transaction].concat(),
                head_is_out: false,
            },
            _ => State::Unknown,
        })
    }

    fn take(&mut self, count: usize) -> Bytes {
        let count = count.min(self.buffer.len());
        self.buffer.copy_to_bytes(count)
    }
}

fn content_length(head: &[u8]) -> usize {
    head.split(|octet| *octet == b'\n')
        .find_map(|line| {
            let line = std::str::from_utf8(line).ok()?;
            let (name, value) = line.split_once(':')?;
            let name = name.trim();
            let matches = name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("l");
            matches.then(|| value.trim().parse().ok()).flatten()
        })
        .unwrap_or(0)
}

const HEAD_LIMIT: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(sip: bool, octets: &[u8], cut: usize) -> Vec<Vec<u8>> {
        let mut splitter = Splitter::new(sip);
        let mut messages = vec![Vec::new()];
        for part in octets.chunks(cut) {
            splitter.push(part);
            while let Some((piece, end)) = splitter.next() {
                messages.last_mut().unwrap().extend_from_slice(&piece);
                if end {
                    messages.push(Vec::new());
                }
            }
        }
        assert_eq!(messages.pop().unwrap(), b"");
        messages
    }

    #[test]
    fn a_head_goes_out_in_one_piece() {
        let body = "x".repeat(100);
        let message = format!(
            "MSRP a1 SEND\r\nTo-Path: somewhere\r\nContent-Type: a/b\r\n\r\n{body}\r\n-------a1$\r\n"
        );
        for cut in 1..message.len() {
            let mut splitter = Splitter::new(false);
            let mut first = None;
            for part in message.as_bytes().chunks(cut) {
                splitter.push(part);
                while let Some((piece, _)) = splitter.next() {
                    first.get_or_insert(piece);
                }
            }
            assert!(
                memmem::find(&first.unwrap(), b"\r\n\r\n").is_some(),
                "cut into {cut}"
            );
        }
    }

    #[test]
    fn cuts_make_no_difference() {
        let sip: [&[u8]; 3] = [
            b"MESSAGE sip:b@x SIP/2.0\r\nContent-Length: 5\r\n\r\nhello",
            b"\r\n\r\n",
            b"SIP/2.0 200 OK\r\nl: 0\r\n\r\n",
        ];
        let msrp: [&[u8]; 2] = [
            b"MSRP a1 SEND\r\nTo-Path: x\r\n\r\n-------a\r\n-------b$\r\n-------a1$\r\n",
            b"MSRP a2 200 OK\r\nTo-Path: x\r\n-------a2$\r\n",
        ];
        for cut in 1..120 {
            assert_eq!(messages(true, &[sip[0], sip[2]].concat(), cut), [sip[0], sip[2]]);
            assert_eq!(messages(false, &msrp.concat(), cut), msrp);
        }
        assert_eq!(messages(true, &sip.concat(), 1000), sip);
    }
}
