//! Octets on their way out, in up to three pieces.

use std::fmt;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// Octets for the network: a head, a slice of the application's body, and an end-line, each where it already is.
///
/// It is a [`Buf`], so that a host writes the pieces with one vectored write and copies none.
///
/// ```
/// use bytes::{Buf, Bytes};
/// use msrp::endpoint::Octets;
///
/// let mut octets = Octets::new([Bytes::from("head"), Bytes::from("body"), Bytes::new()]);
/// assert_eq!(octets.remaining(), 8);
/// octets.advance(6);
/// assert_eq!(octets.chunk(), b"dy");
/// assert_eq!(Octets::from(Bytes::from("x")).to_bytes(), "x");
/// ```
#[derive(Clone, Default)]
pub struct Octets {
    /// Head and end-line, which were written one after the other.
    frame: Bytes,
    /// How many octets of it come before the body.
    before: usize,
    body: Bytes,
    /// What follows all that.
    tail: Bytes,
}

impl Octets {
    /// Puts pieces together.
    pub fn new([head, body, tail]: [Bytes; 3]) -> Self {
        Self {
            before: head.len(),
            frame: head,
            body,
            tail,
        }
    }

    /// Puts a body into a frame, behind so many octets of it.
    pub(crate) fn around(frame: Bytes, before: usize, body: Bytes) -> Self {
        Self {
            before: before.min(frame.len()),
            frame,
            body,
            tail: Bytes::new(),
        }
    }

    /// Returns all that is left as one piece; copies unless there is but one.
    pub fn to_bytes(mut self) -> Bytes {
        let length = self.remaining();
        self.copy_to_bytes(length)
    }

    /// Returns the pieces: what comes before the body, the body, and what follows it.
    pub fn into_parts(self) -> [Bytes; 3] {
        let Self {
            mut frame,
            before,
            body,
            tail,
        } = self;
        let head = frame.split_to(before.min(frame.len()));
        if tail.is_empty() {
            return [head, body, frame];
        }
        if frame.is_empty() {
            return [head, body, tail];
        }
        [head, body, [frame, tail].concat().into()]
    }

    fn pieces(&self) -> [&[u8]; 4] {
        let (head, end) = self.frame.split_at_checked(self.before).unwrap_or_default();
        [head, &self.body, end, &self.tail]
    }
}

impl Buf for Octets {
    fn remaining(&self) -> usize {
        let length = self.frame.len().saturating_add(self.body.len());
        length.saturating_add(self.tail.len())
    }

    fn chunk(&self) -> &[u8] {
        self.pieces()
            .into_iter()
            .find(|piece| !piece.is_empty())
            .unwrap_or_default()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        let pieces = self.pieces().into_iter().filter(|piece| !piece.is_empty());
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        count
    }

    // `Buf` demands a panic beyond the end; stopping there is kinder.
    fn advance(&mut self, count: usize) {
        let head = count.min(self.before);
        self.frame.advance(head);
        self.before = self.before.saturating_sub(head);
        let mut left = count.saturating_sub(head);
        if left == 0 {
            return;
        }
        // The head is gone, so that what is left of the frame is the end.
        for piece in [&mut self.body, &mut self.frame, &mut self.tail] {
            let step = left.min(piece.len());
            piece.advance(step);
            left = left.saturating_sub(step);
        }
    }

    fn copy_to_bytes(&mut self, length: usize) -> Bytes {
        let first = self.chunk();
        if first.len() >= length {
            let first = if self.before > 0 || self.body.is_empty() && !self.frame.is_empty() {
                self.frame.slice(..length)
            } else if self.body.is_empty() {
                self.tail.slice(..length)
            } else {
                self.body.slice(..length)
            };
            self.advance(length);
            return first;
        }
        let length = length.min(self.remaining());
        let mut gathered = Vec::with_capacity(length);
        while gathered.len() < length {
            let piece = self.chunk();
            let step = piece.len().min(length.saturating_sub(gathered.len()));
            gathered.extend_from_slice(piece.get(..step).unwrap_or_default());
            self.advance(step);
        }
        gathered.into()
    }
}

impl From<Bytes> for Octets {
    fn from(octets: Bytes) -> Self {
        Self::around(octets, 0, Bytes::new())
    }
}

/// Tells the number of octets, not the octets.
impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Octets({})", self.remaining())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_read_as_one() {
        let (ab, cde) = (Bytes::from("ab"), Bytes::from("cde"));
        let mut mixed = Octets::around(Bytes::from("abe"), 2, Bytes::from("c"));
        mixed.body = Bytes::from("cd");
        let all = [
            Octets::new([ab.clone(), Bytes::new(), cde.clone()]),
            Octets::new([ab, cde.slice(..1), cde.slice(1..)]),
            Octets::new([Bytes::new(), Bytes::new(), Bytes::from("abcde")]),
            Octets::new([Bytes::new(), Bytes::from("abcde"), Bytes::new()]),
            Octets::from(Bytes::from("abcde")),
            mixed,
        ];
        for made in all {
            for at in 0..=5 {
                let mut octets = made.clone();
                let first = octets.copy_to_bytes(at);
                assert_eq!([first, octets.to_bytes()].concat(), b"abcde");
                let mut octets = made.clone();
                octets.advance(at);
                assert_eq!(octets.remaining(), 5 - at);
                let mut seen = Vec::new();
                while octets.has_remaining() {
                    seen.extend_from_slice(octets.chunk());
                    octets.advance(octets.chunk().len());
                }
                assert_eq!(seen, b"abcde"[at..]);
            }
            assert_eq!(made.into_parts().concat(), b"abcde");
        }
        let octets = Octets::new([Bytes::from("ab"), Bytes::new(), Bytes::from("cde")]);
        let mut slices = [IoSlice::new(&[]); 4];
        assert_eq!(octets.chunks_vectored(&mut slices), 2);
        assert_eq!(&*slices[1], b"cde");
    }
}
