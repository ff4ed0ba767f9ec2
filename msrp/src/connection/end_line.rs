//! The end-line of a chunk must not be in its body (RFC 4975 section 7.1).

use memchr::memmem::Finder;

use crate::TransactionId;
use crate::codec::DASHES;

/// The last octets of a chunk, as many as may be the beginning of an end-line.
#[derive(Debug)]
pub(crate) struct Tail {
    octets: [u8; PATTERN],
    length: usize,
}

impl Tail {
    pub(crate) const fn new() -> Self {
        Self {
            octets: [0; PATTERN],
            length: 0,
        }
    }

    pub(crate) fn octets(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }

    /// Notes octets behind those that are here.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        let piece = piece
            .get(piece.len().saturating_sub(PATTERN)..)
            .unwrap_or_default();
        let excess = self.length.saturating_add(piece.len()).saturating_sub(PATTERN);
        self.octets.copy_within(excess.min(self.length)..self.length, 0);
        self.length = self.length.saturating_sub(excess);
        let end = self.length.saturating_add(piece.len());
        if let Some(place) = self.octets.get_mut(self.length..end) {
            place.copy_from_slice(piece);
            self.length = end;
        }
    }
}

/// One octet less than the longest end-line has without its flag.
const PATTERN: usize = DASHES.len() + TransactionId::MAX - 1;

/// Returns how many octets of a piece may go out so that the chunk's own end-line is not in its body.
//= https://www.rfc-editor.org/rfc/rfc4975#section-7.1
//# If the request contains a body, the sender MUST ensure that the end-
//# line (seven hyphens, the transaction identifier, and a continuation
//# flag) is not present in the body.
pub(crate) fn without_end_line(
    dashes: &Finder<'_>,
    transaction: &TransactionId,
    tail: &[u8],
    piece: &[u8],
) -> usize {
    if !tail.is_empty() {
        let mut seam = [0; PATTERN + PATTERN];
        let begin = piece.get(..piece.len().min(PATTERN)).unwrap_or_default();
        let end = tail.len().saturating_add(begin.len());
        if let Some(place) = seam.get_mut(..tail.len()) {
            place.copy_from_slice(tail);
        }
        if let Some(place) = seam.get_mut(tail.len()..end) {
            place.copy_from_slice(begin);
        }
        if end_line_in(dashes, transaction, seam.get(..end).unwrap_or_default()).is_some() {
            return 0;
        }
    }
    match end_line_in(dashes, transaction, piece) {
        // The hyphens may be there, as long as what makes them an end-line is in the next chunk.
        Some(at) => at.saturating_add(1),
        None => piece.len(),
    }
}

/// Returns where hyphens and transaction identifier are; each octet is looked at a few times at the most.
fn end_line_in(dashes: &Finder<'_>, transaction: &TransactionId, octets: &[u8]) -> Option<usize> {
    let mut from = 0_usize;
    while let Some(at) = octets.get(from..).and_then(|rest| dashes.find(rest)) {
        let behind = from.saturating_add(at).saturating_add(DASHES.len());
        let rest = octets.get(behind..)?;
        // An identifier begins with no hyphen, so that it is behind the last of a row.
        let more = rest.iter().position(|octet| *octet != b'-')?;
        if rest.get(more..)?.starts_with(transaction.as_bytes()) {
            return behind.saturating_add(more).checked_sub(DASHES.len());
        }
        from = behind.saturating_add(more);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_what_came_last() {
        for lengths in [
            &[1_usize, 2, 3][..],
            &[38],
            &[37, 2],
            &[10, 40],
            &[100],
            &[20, 20, 20],
        ] {
            let mut tail = Tail::new();
            let mut all = Vec::new();
            for length in lengths {
                let piece: Vec<u8> = (0_u8..).skip(all.len()).take(*length).collect();
                tail.push(&piece);
                all.extend(piece);
            }
            assert_eq!(tail.octets(), &all[all.len().saturating_sub(PATTERN)..]);
        }
    }

    #[test]
    fn end_lines_are_found_within_a_piece_and_across_two() {
        let id = TransactionId::new("abcd").unwrap();
        let dashes = Finder::new(DASHES);
        for (tail, piece, expected) in [
            ("", "xx-------abcd$", 3),
            ("", "xx---------abcd$", 5),
            ("", "-------abcd", 1),
            ("", "xx-------abce$", 14),
            ("", "------abcd", 10),
            ("", "-------------------ab-------abcd", 22),
            ("xx-------a", "bcd$", 0),
            ("xx----", "---abcd$", 0),
            ("xx-------a", "bcx$", 4),
        ] {
            let found = without_end_line(&dashes, &id, tail.as_bytes(), piece.as_bytes());
            assert_eq!(found, expected, "{tail} {piece}");
        }
    }
}
