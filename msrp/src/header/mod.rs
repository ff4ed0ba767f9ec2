//! Headers: raw in the order of the wire, and typed on demand.

mod auth;
mod byte_range;
pub mod content;
mod fields;
mod known;
mod nickname;
mod path;
mod report;
mod status;
mod usual;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use thiserror::Error;

pub use auth::{
    AuthenticationInfo, Authorization, Expires, MaxExpires, MinExpires, UsePath, WwwAuthenticate,
};
pub use byte_range::ByteRange;
pub(crate) use content::MediaTypeParts;
pub use content::{ContentDisposition, ContentType, MediaTypeRef};
pub(crate) use fields::{Field, Fields};
#[doc(hidden)]
pub use known::Known;
pub use nickname::UseNickname;
pub(crate) use path::PathParts;
pub use path::{FromPath, PathRef, ToPath};
pub use report::{FailureReport, MessageIdHeader, SuccessReport};
pub use status::Status;

/// A header with a meaning.
pub trait Header: Sized {
    /// Its name, in the spelling of its RFC.
    const NAME: &'static str;

    /// Which of the headers that a head knows by number this is; found out once, by the compiler.
    #[doc(hidden)]
    const KNOWN: Known = Known::of(Self::NAME.as_bytes());

    /// Reads the value.
    ///
    /// # Errors
    ///
    /// Fails, saying what and where, when the value is not of the header's form.
    fn parse(value: &str) -> Result<Self, ParseError>;

    /// Writes the value.
    ///
    /// # Errors
    ///
    /// Fails when `out` does.
    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result;
}

/// Why a header is not readable.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("{name}: {source}")]
#[non_exhaustive]
pub struct HeaderError {
    /// The header.
    pub name: &'static str,
    /// What is wrong with it.
    pub source: ParseError,
}

impl HeaderError {
    #[cold]
    fn of(name: &'static str, source: ParseError) -> Self {
        Self { name, source }
    }
}

/// Why a value is not readable.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("{kind} at octet {offset}")]
#[non_exhaustive]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// Where, in the value.
    pub offset: usize,
}

impl ParseError {
    pub(crate) const fn new(kind: ParseErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The header is needed, but not there.
    #[error("missing header")]
    Missing,
    /// The header may be there once only.
    #[error("repeated header")]
    Repeated,
    /// Something else than the grammar allows.
    #[error("unexpected text")]
    Unexpected,
    /// A number that is too large.
    #[error("number is too large")]
    TooLarge,
    /// Not an MSRP URI.
    #[error("malformed uri")]
    Uri,
}

/// The headers of a message, in order, as they were written. Clones share one buffer.
///
/// ```
/// use msrp::header::{ByteRange, Headers};
///
/// let mut headers = Headers::default();
/// headers.push("Byte-Range", "1-25/25")?;
/// headers.push("X-Custom", "kept as it is")?;
/// assert_eq!(headers.value("byte-range"), Some("1-25/25"));
/// assert_eq!(headers.get::<ByteRange>()?.map(|range| range.start), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Headers {
    text: Bytes,
    fields: Fields,
}

/// Why a header cannot be added.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum PushError {
    /// The name is not a token.
    #[error("malformed header name")]
    Name,
    /// The value has a control character.
    #[error("malformed header value")]
    Value,
    /// The headers become longer than 64 KiB.
    #[error("too many headers")]
    TooLong,
}

impl Headers {
    /// The most octets that names and values have together, or a head on the wire.
    pub(crate) const MAX_OCTETS: usize = 65_535;

    /// Makes what was found in `text`; that is UTF-8 at least where the headers stand.
    #[inline]
    pub(crate) fn of_fields(fields: Fields, text: Bytes) -> Self {
        Self { text, fields }
    }

    /// Adds a header at the end.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when the header would break the message that it is in.
    pub fn push(&mut self, name: &str, value: &str) -> Result<(), PushError> {
        if !content::is_token(name) {
            return Err(PushError::Name);
        }
        if content::has_control(value.as_bytes()) {
            return Err(PushError::Value);
        }
        let start = self.text.len();
        let middle = start.saturating_add(name.len());
        let end = middle.saturating_add(value.len());
        if end > Self::MAX_OCTETS {
            return Err(PushError::TooLong);
        }
        self.text = [&*self.text, name.as_bytes(), value.as_bytes()].concat().into();
        let known = Known::of(name.as_bytes());
        self.fields.push(known, Field::new(start..middle, middle..end));
        Ok(())
    }

    /// Adds a typed header at the end.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when the header would break the message that it is in.
    pub fn push_typed<H: Header>(&mut self, header: &H) -> Result<(), PushError> {
        let mut value = String::new();
        header.write(&mut value).map_err(|_| PushError::Value)?;
        self.push(H::NAME, &value)
    }

    /// Iterates over names, in the sender's spelling, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .all
            .iter()
            .map(|field| (self.part(field.name()), self.part(field.value())))
    }

    /// Returns the value of the first header of a name, whatever its case.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// Iterates over the values of all headers of a name, whatever its case.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = move |field: &&Field| self.octets(field.name()).eq_ignore_ascii_case(name.as_bytes());
        self.fields
            .all
            .iter()
            .filter(named)
            .map(|field| self.part(field.value()))
    }

    /// Returns a typed header; none if it is not there.
    ///
    /// # Errors
    ///
    /// Fails when the header is not readable, or there more than once.
    pub fn get<H: Header>(&self) -> Result<Option<H>, HeaderError> {
        let fail = |source| HeaderError {
            name: H::NAME,
            source,
        };
        match self.single(H::NAME, H::KNOWN).map_err(fail)? {
            Some(value) => H::parse(value).map(Some).map_err(fail),
            None => Ok(None),
        }
    }

    /// Returns the only value of a name; none if it is not there.
    #[inline]
    fn single(&self, name: &'static str, known: Known) -> Result<Option<&str>, ParseError> {
        if known != Known::Other {
            return match self.single_known(known) {
                Ok(Some(value)) => Ok(Some(std::str::from_utf8(value).unwrap_or_default())),
                Ok(None) => Ok(None),
                Err(error) => Err(error),
            };
        }
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(ParseError::new(ParseErrorKind::Repeated, 0)),
        }
    }

    #[inline]
    fn single_known(&self, known: Known) -> Result<Option<&[u8]>, ParseError> {
        match self.fields.known(known) {
            (None, false) => Ok(None),
            (Some(field), false) => Ok(Some(self.octets(field.value()))),
            (_, true) => Err(ParseError::new(ParseErrorKind::Repeated, 0)),
        }
    }

    /// Returns a typed header that has to be there.
    ///
    /// # Errors
    ///
    /// Fails when the header is not there, not readable, or there more than once.
    pub fn require<H: Header>(&self) -> Result<H, HeaderError> {
        self.get()?.ok_or(HeaderError {
            name: H::NAME,
            source: ParseError::new(ParseErrorKind::Missing, 0),
        })
    }

    /// Returns a copy that keeps no other octets alive.
    pub(crate) fn detached(&self) -> Self {
        Self {
            text: Bytes::copy_from_slice(&self.text),
            fields: self.fields.clone(),
        }
    }

    /// Returns the number of headers.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fields.all.is_empty()
    }

    fn part(&self, place: Range<usize>) -> &str {
        std::str::from_utf8(self.octets(place)).unwrap_or_default()
    }

    fn octets(&self, place: Range<usize>) -> &[u8] {
        self.text.get(place).unwrap_or_default()
    }
}

/// Headers are equal when the same names and values come in the same order.
impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

/// Tells the names; values may carry addresses and credentials.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

/// Reads a decimal number: digits only, checked against overflow.
pub(crate) fn decimal(text: &str, offset: usize) -> Result<u64, ParseError> {
    let (number, length) = leading_decimal(text.as_bytes(), offset)?;
    if length < text.len() {
        let at = offset.saturating_add(length);
        return Err(ParseError::new(ParseErrorKind::Unexpected, at));
    }
    Ok(number)
}

/// Reads the decimal number at the beginning, and says how long it is. Errors tell the place from `offset` on.
#[inline]
pub(crate) fn leading_decimal(octets: &[u8], offset: usize) -> Result<(u64, usize), ParseError> {
    /// So many digits are no number that is too large.
    const SAFE: usize = 19;
    let mut number = 0_u64;
    let mut length = 0_usize;
    for &octet in octets {
        let digit = octet.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        if length < SAFE {
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        } else {
            number = number
                .checked_mul(10)
                .and_then(|number| number.checked_add(u64::from(digit)))
                .ok_or(ParseError::new(ParseErrorKind::TooLarge, offset))?;
        }
        length = length.saturating_add(1);
    }
    if length == 0 {
        return Err(ParseError::new(ParseErrorKind::Unexpected, offset));
    }
    Ok((number, length))
}

/// The grammar of [`content`] serves other protocols too, which name the header themselves.
impl Header for ContentType {
    const NAME: &'static str = "Content-Type";

    fn parse(value: &str) -> Result<Self, ParseError> {
        Self::parse(value).map_err(|error| ParseError::new(ParseErrorKind::Unexpected, error.offset))
    }

    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        write!(out, "{self}")
    }
}

impl Header for ContentDisposition {
    const NAME: &'static str = "Content-Disposition";

    fn parse(value: &str) -> Result<Self, ParseError> {
        Self::parse(value).map_err(|error| ParseError::new(ParseErrorKind::Unexpected, error.offset))
    }

    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        write!(out, "{self}")
    }
}

/// Undoes `quoted-string`, if the text is one; keeps it otherwise.
pub(crate) fn unquoted(text: &str) -> Cow<'_, str> {
    content::unquote(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_spelling_and_unknown_headers_survive() {
        let mut headers = Headers::default();
        for (name, value) in [("x-b", "1"), ("X-A", "two words"), ("X-B", ""), ("Wort", "grün")] {
            headers.push(name, value).unwrap();
        }
        let all: Vec<_> = headers.iter().collect();
        assert_eq!(
            all,
            [("x-b", "1"), ("X-A", "two words"), ("X-B", ""), ("Wort", "grün")]
        );
        assert_eq!(headers.values("X-b").collect::<Vec<_>>(), ["1", ""]);
    }

    #[test]
    fn values_cannot_break_out_of_their_line() {
        let mut headers = Headers::default();
        for value in ["a\r\nb", "a\n", "\0", "\r"] {
            assert_eq!(headers.push("X", value), Err(PushError::Value));
        }
        for name in ["", "a b", "a:", "a\r\n"] {
            assert_eq!(headers.push(name, ""), Err(PushError::Name));
        }
        assert_eq!(headers.push("X", &"a".repeat(70_000)), Err(PushError::TooLong));
        assert!(headers.is_empty());
    }

    #[test]
    fn a_repeated_header_is_an_error_and_so_is_a_missing_one_that_is_needed() {
        let mut headers = Headers::default();
        assert_eq!(headers.get::<ByteRange>(), Ok(None));
        assert_eq!(
            headers.require::<ByteRange>().unwrap_err().to_string(),
            "Byte-Range: missing header at octet 0"
        );
        headers.push("Byte-Range", "1-2/2").unwrap();
        headers.push("byte-range", "1-2/2").unwrap();
        assert_eq!(
            headers.get::<ByteRange>().unwrap_err().source.kind,
            ParseErrorKind::Repeated
        );
    }

    #[test]
    fn decimal_numbers_are_checked() {
        assert_eq!(decimal("18446744073709551615", 0), Ok(u64::MAX));
        assert_eq!(
            decimal("18446744073709551616", 3),
            Err(ParseError::new(ParseErrorKind::TooLarge, 3))
        );
        for text in ["", "+1", "-1", "1 ", "0x1"] {
            assert_eq!(
                decimal(text, 0).unwrap_err().kind,
                ParseErrorKind::Unexpected,
                "{text}"
            );
        }
    }
}
