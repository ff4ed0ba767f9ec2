//! The lines of a head.

use super::Leniency;
use crate::header::Known;
use crate::header::content::is_token_octet;

/// What a line of a head is.
pub(super) enum Line {
    /// A header that is well formed, up to that place.
    Field { end: usize },
    /// What is here may become a header.
    Incomplete,
    /// An empty line.
    Blank,
    /// Anything else: an end-line, or what is no header.
    Other,
}

/// The headers that nearly every message has, spelt as the RFC does with one space behind the colon, and where the value
/// begins; others are told by [`name`].
#[inline]
pub(super) fn usual_name(line: &[u8]) -> Option<(Known, usize)> {
    let (name, known): (&[u8], Known) = match line.first()? {
        b'T' => (b"To-Path: ", Known::ToPath),
        b'F' if line.starts_with(b"From") => (b"From-Path: ", Known::FromPath),
        b'F' => (b"Failure-Report: ", Known::FailureReport),
        b'M' => (b"Message-ID: ", Known::MessageId),
        b'B' => (b"Byte-Range: ", Known::ByteRange),
        b'C' if line.get(8) == Some(&b'D') => (b"Content-Disposition: ", Known::Other),
        b'C' => (b"Content-Type: ", Known::ContentType),
        b'S' if line.starts_with(b"Success") => (b"Success-Report: ", Known::SuccessReport),
        b'S' => (b"Status: ", Known::Status),
        _ => return None,
    };
    line.starts_with(name).then_some((known, name.len()))
}

/// The header that a line names, where the name ends, and where the value may begin.
pub(super) fn name(line: &[u8], leniency: Leniency) -> Result<(Known, usize, usize), Line> {
    let Some(length) = line.iter().position(|&octet| !is_token_octet(octet)) else {
        return Err(Line::Incomplete);
    };
    let name = line.get(..length).unwrap_or_default();
    if line.get(length) != Some(&b':') || !name.first().is_some_and(u8::is_ascii_alphabetic) {
        return Err(Line::Other);
    }
    let mut value = length.saturating_add(1);
    if line.get(value) == Some(&b' ') {
        value = value.saturating_add(1);
    } else if !leniency.header_space {
        return Err(Line::Other);
    }
    Ok((Known::of(name), length, value))
}

/// How long the value is at the beginning of `octets`, if it is well formed and its line end is here.
#[inline]
pub(super) fn value_length(octets: &[u8]) -> Result<usize, Line> {
    let Control { at, is_ascii } = control(octets);
    match (octets.get(at), octets.get(at.saturating_add(1))) {
        (Some(b'\r'), Some(b'\n')) => {}
        (None, _) | (Some(b'\r'), None) => return Err(Line::Incomplete),
        _ => return Err(Line::Other),
    }
    if !is_ascii && std::str::from_utf8(octets.get(..at).unwrap_or_default()).is_err() {
        return Err(Line::Other);
    }
    Ok(at)
}

/// How long the value at the beginning of `octets` is, if it is visible ASCII up to its line end.
#[inline]
pub(super) fn visible_length(octets: &[u8]) -> Option<usize> {
    let mut at = 0_usize;
    while let Some(block) = octets.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*block);
        let marked = (below(word, 0x21) | equal(word, 0x7f) | word) & HIGH;
        if marked != 0 {
            at = at.saturating_add(first_marked(marked));
            break;
        }
        at = at.saturating_add(8);
    }
    let rest = octets.get(at..)?;
    let length = rest.iter().position(|octet| !octet.is_ascii_graphic())?;
    let at = at.saturating_add(length);
    (at > 0 && rest.get(length..)?.starts_with(b"\r\n")).then_some(at)
}

/// Where the line that begins at `from` ends, and where the next begins. A bare line feed ends no line.
pub(super) fn line_end(text: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    loop {
        at = at.saturating_add(control(text.get(at..)?).at);
        match (text.get(at), text.get(at.saturating_add(1))) {
            (Some(b'\r'), Some(b'\n')) => return Some((at, at.saturating_add(2))),
            (None, _) | (Some(b'\r'), None) => return None,
            _ => at = at.saturating_add(1),
        }
    }
}

struct Control {
    /// Where the first control character other than a tab is; the length if there is none.
    at: usize,
    /// Whether all before it is ASCII.
    is_ascii: bool,
}

/// Looks for a control character, eight octets at a time by arithmetic: most values are too short for a search that
/// needs to be set up.
#[inline]
fn control(octets: &[u8]) -> Control {
    let mut at = 0_usize;
    let mut seen = 0_u64;
    while let Some(block) = octets.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*block);
        let marked = (below(word, 0x20) | equal(word, 0x7f)) & HIGH;
        if marked == 0 {
            seen |= word;
            at = at.saturating_add(8);
            continue;
        }
        seen |= word & !(u64::MAX << marked.trailing_zeros().saturating_sub(7));
        at = at.saturating_add(first_marked(marked));
        if octets.get(at) != Some(&b'\t') {
            return Control {
                at,
                is_ascii: seen & HIGH == 0,
            };
        }
        at = at.saturating_add(1);
    }
    let rest = octets.get(at..).unwrap_or_default();
    let length = rest
        .iter()
        .position(|&octet| octet != b'\t' && octet.is_ascii_control());
    let rest = rest.get(..length.unwrap_or(rest.len())).unwrap_or_default();
    Control {
        at: at.saturating_add(rest.len()),
        is_ascii: seen & HIGH == 0 && rest.is_ascii(),
    }
}

const ONES: u64 = u64::MAX / 0xff;
const HIGH: u64 = ONES * 0x80;

/// Marks, in their highest bits, the octets of a word that are ASCII and below a limit. A borrow may mark octets wrongly,
/// but only behind one that is marked rightly.
#[inline]
const fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(ONES.wrapping_mul(limit as u64)) & !word
}

/// Marks the octets of a word that equal another, in the same way.
#[inline]
const fn equal(word: u64, octet: u8) -> u64 {
    let difference = word ^ ONES.wrapping_mul(octet as u64);
    difference.wrapping_sub(ONES) & !difference
}

/// Which octet is the first that is marked.
#[inline]
fn first_marked(marked: u64) -> usize {
    usize::try_from(marked.trailing_zeros() / 8).unwrap_or_default()
}
