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
    parts: [Bytes; 3],
}

impl Octets {
    /// Puts pieces together.
    pub fn new(parts: [Bytes; 3]) -> Self {
        Self { parts }
    }

    /// Returns all that is left as one piece; copies unless there is but one.
    pub fn to_bytes(mut self) -> Bytes {
        let length = self.remaining();
        self.copy_to_bytes(length)
    }

    /// Returns the pieces.
    pub fn into_parts(self) -> [Bytes; 3] {
        self.parts
    }
}

impl Buf for Octets {
    fn remaining(&self) -> usize {
        self.parts.iter().map(Bytes::len).fold(0, usize::saturating_add)
    }

    fn chunk(&self) -> &[u8] {
        self.parts
            .iter()
            .find(|part| !part.is_empty())
            .map_or(&[], |part| part)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        for (slice, part) in slices
            .iter_mut()
            .zip(self.parts.iter().filter(|part| !part.is_empty()))
        {
            *slice = IoSlice::new(part);
            count += 1;
        }
        count
    }

    // `Buf` demands a panic beyond the end; stopping there is kinder.
    fn advance(&mut self, count: usize) {
        let mut left = count;
        for part in &mut self.parts {
            let step = left.min(part.len());
            part.advance(step);
            left = left.saturating_sub(step);
        }
    }

    fn copy_to_bytes(&mut self, length: usize) -> Bytes {
        for part in &mut self.parts {
            if part.is_empty() {
                continue;
            }
            if part.len() >= length {
                return part.split_to(length);
            }
            break;
        }
        let mut gathered = Vec::with_capacity(length.min(self.remaining()));
        let mut left = length;
        for part in &mut self.parts {
            let piece = part.split_to(left.min(part.len()));
            left = left.saturating_sub(piece.len());
            gathered.extend_from_slice(&piece);
        }
        gathered.into()
    }
}

impl From<Bytes> for Octets {
    fn from(octets: Bytes) -> Self {
        Self::new([octets, Bytes::new(), Bytes::new()])
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
        let make = || Octets::new([Bytes::from("ab"), Bytes::new(), Bytes::from("cde")]);
        for at in 0..=5 {
            let mut octets = make();
            let first = octets.copy_to_bytes(at);
            assert_eq!([first, octets.to_bytes()].concat(), b"abcde");
            let mut octets = make();
            octets.advance(at);
            assert_eq!(octets.remaining(), 5 - at);
        }
        let octets = make();
        let mut slices = [IoSlice::new(&[]); 4];
        assert_eq!(octets.chunks_vectored(&mut slices), 2);
        assert_eq!(&*slices[1], b"cde");
    }
}
