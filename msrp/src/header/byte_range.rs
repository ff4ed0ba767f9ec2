//! `Byte-Range` (RFC 4975 section 7.1.1).

use std::fmt;

use super::{Header, ParseError, ParseErrorKind, leading_decimal};

/// Which octets of a message a chunk carries or a report is about; the first octet is octet 1.
///
/// ```
/// use msrp::header::ByteRange;
///
/// let range = ByteRange { start: 1, end: None, total: Some(145) };
/// assert_eq!(range.to_string(), "1-*/145");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the header has these three parts")]
pub struct ByteRange {
    /// The first octet, from 1.
    pub start: u64,
    /// The last octet; none (`*`) while it is not known. One before `start` if there are no octets.
    pub end: Option<u64>,
    /// The length of the message; none (`*`) while it is not known.
    pub total: Option<u64>,
}

impl ByteRange {
    /// The range of a whole message of that length; `1-0/0` if it is empty.
    pub const fn whole(total: u64) -> Self {
        Self {
            start: 1,
            end: Some(total),
            total: Some(total),
        }
    }

    pub(super) fn of_octets(octets: &[u8]) -> Result<Self, ParseError> {
        let (start, at) = number(octets, 0)?;
        let at = behind(octets, at, b'-')?;
        let (end, at) = number_or_star(octets, at)?;
        let at = behind(octets, at, b'/')?;
        let (total, at) = number_or_star(octets, at)?;
        if at < octets.len() {
            return Err(unexpected(at));
        }
        if start == 0 {
            return Err(unexpected(0));
        }
        Ok(Self { start, end, total })
    }
}

#[cold]
fn unexpected(offset: usize) -> ParseError {
    ParseError::new(ParseErrorKind::Unexpected, offset)
}

/// The number at that place, and where it ends.
#[inline]
fn number(octets: &[u8], at: usize) -> Result<(u64, usize), ParseError> {
    let (number, length) = leading_decimal(octets.get(at..).unwrap_or_default(), at)?;
    Ok((number, at.saturating_add(length)))
}

#[inline]
fn number_or_star(octets: &[u8], at: usize) -> Result<(Option<u64>, usize), ParseError> {
    if octets.get(at) == Some(&b'*') {
        return Ok((None, at.saturating_add(1)));
    }
    let (number, at) = number(octets, at)?;
    Ok((Some(number), at))
}

#[inline]
fn behind(octets: &[u8], at: usize, octet: u8) -> Result<usize, ParseError> {
    if octets.get(at) == Some(&octet) {
        Ok(at.saturating_add(1))
    } else {
        Err(unexpected(at))
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", self.start)?;
        match self.end {
            Some(end) => write!(f, "{end}/")?,
            None => f.write_str("*/")?,
        }
        match self.total {
            Some(total) => write!(f, "{total}"),
            None => f.write_str("*"),
        }
    }
}

impl Header for ByteRange {
    const NAME: &'static str = "Byte-Range";

    /// Takes ends and totals that contradict each other, since some peers count characters; the octets that arrive
    /// are measured anyway.
    fn parse(text: &str) -> Result<Self, ParseError> {
        Self::of_octets(text.as_bytes())
    }

    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        write!(out, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ByteRange, ParseError> {
        Header::parse(text)
    }

    #[test]
    fn ranges_are_read_and_written() {
        for (text, start, end, total) in [
            ("1-39/39", 1, Some(39), Some(39)),
            ("1-*/*", 1, None, None),
            ("1-0/0", 1, Some(0), Some(0)),
            ("1-224/221", 1, Some(224), Some(221)),
            (
                "18446744073709551615-*/18446744073709551615",
                u64::MAX,
                None,
                Some(u64::MAX),
            ),
        ] {
            assert_eq!(parse(text), Ok(ByteRange { start, end, total }));
            assert_eq!(ByteRange { start, end, total }.to_string(), text);
        }
    }

    #[test]
    fn malformed_ranges_are_refused() {
        for (text, offset) in [
            ("", 0),
            ("0-1/1", 0),
            ("*-1/1", 0),
            ("1-2", 3),
            ("1 -2/2", 1),
            ("1-2/x", 4),
            ("1--2/2", 2),
            ("1-18446744073709551616/*", 2),
        ] {
            assert_eq!(parse(text).unwrap_err().offset, offset, "{text}");
        }
    }
}
