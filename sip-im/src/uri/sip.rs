//! The parts of a SIP or SIPS URI (RFC 3261 19.1.1, 25.1), found in one pass and kept as ranges of the text.

use core::num::NonZeroU32;
use core::ops::Range;
use std::collections::BTreeSet;

use super::escape::{self, HEADER, PARAMETER, PASSWORD, USER};
use super::host;
use crate::error::{ParseError, ParseErrorKind};
use crate::header::cursor::decimal_as;
use crate::header::octets::run;
use crate::header::repeats::{MAX_PARAMS, Names};

/// Where the parts are. 32 bits keep a URI small; a longer text is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Parts {
    pub(crate) user: Option<Span>,
    pub(crate) password: Option<Span>,
    pub(crate) host: Option<Span>,
    /// Without the first `;`.
    pub(crate) parameters: Option<Span>,
    /// Without the `?`.
    pub(crate) headers: Option<Span>,
    pub(crate) port: Option<u16>,
}

/// A range that does not end at the start of the text, where the scheme is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Span(u32, NonZeroU32);

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Result<Self, ParseError> {
        let too_long = ParseError::new(ParseErrorKind::LimitExceeded, start);
        let offset = |at: usize| u32::try_from(at).map_err(|_| too_long);
        Ok(Self(
            offset(start)?,
            NonZeroU32::new(offset(end)?).ok_or(too_long)?,
        ))
    }

    pub(super) fn start(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    fn end(self) -> usize {
        usize::try_from(self.1.get()).unwrap_or(usize::MAX)
    }

    pub(crate) fn of(self, text: &str) -> Option<&str> {
        text.get(self.start()..self.end())
    }

    pub(crate) fn around(self, text: &str) -> Option<(&str, &str)> {
        Some((text.get(..self.start())?, text.get(self.end()..)?))
    }
}

/// Reads what follows `sip:` at `start`, and gives where it ends: at the first octet that is no part of a URI.
pub(super) fn read(text: &str, start: usize, parts: &mut Parts) -> Result<usize, ParseError> {
    let octets = text.as_bytes();
    let mut at = start;
    // A host name is looked for first, since its octets may stand in a user part as well.
    let (name, is_name) = host::scan_name(octets, start);
    let mut end = name;
    if !matches!(octets.get(end), Some(b'@' | b'>') | None) {
        end = escape::run(octets, end, USER)?;
    }
    // No part but the user's may be followed by an `@`.
    match octets.get(end) {
        Some(b'@') if end == start => return Err(ParseError::new(ParseErrorKind::Empty, start)),
        Some(b'@') => {
            parts.user = Some(Span::new(start, end)?);
            at = end.saturating_add(1);
        }
        Some(b':') if end > start => {
            let password = end.saturating_add(1);
            let password_end = escape::run(octets, password, PASSWORD)?;
            if octets.get(password_end) == Some(&b'@') {
                parts.user = Some(Span::new(start, end)?);
                parts.password = Some(Span::new(password, password_end)?);
                at = password_end.saturating_add(1);
            }
        }
        _ => {}
    }
    let end = if at == start && is_name {
        name
    } else {
        host::read(text, at)?
    };
    parts.host = Some(Span::new(at, end)?);
    at = end;
    if octets.get(at) == Some(&b':') {
        let start = at.saturating_add(1);
        at = run(octets, start, |byte| byte.is_ascii_digit());
        if at == start {
            return Err(missing(octets, at, b";?"));
        }
        let digits = text.get(start..at).unwrap_or_default();
        parts.port = Some(decimal_as(digits).map_err(|error| error.shifted(start))?);
    }
    if octets.get(at) == Some(&b';') {
        let start = at.saturating_add(1);
        at = read_parameters(text, start)?;
        parts.parameters = Some(Span::new(start, at)?);
    }
    if octets.get(at) == Some(&b'?') {
        let start = at.saturating_add(1);
        at = read_headers(octets, start)?;
        parts.headers = Some(Span::new(start, at)?);
    }
    Ok(at)
}

/// Reads `name=value` with semicolons between them.
pub(super) fn read_parameters(text: &str, start: usize) -> Result<usize, ParseError> {
    let octets = text.as_bytes();
    let mut names = Names::default();
    let mut has_escapes = false;
    let mut at = start;
    loop {
        let mut end = escape::run(octets, at, PARAMETER)?;
        if end == at {
            return Err(missing(octets, at, b";=?"));
        }
        let name = octets.get(at..end).unwrap_or_default();
        names.add(name, at, octets, || names_before(text, start, at))?;
        has_escapes |= name.contains(&b'%');
        if octets.get(end) == Some(&b'=') {
            let value = end.saturating_add(1);
            end = escape::run(octets, value, PARAMETER)?;
            if end == value {
                return Err(missing(octets, value, b";=?"));
            }
        }
        if octets.get(end) != Some(&b';') {
            if has_escapes {
                check_unescaped(text, start, end)?;
            }
            return Ok(end);
        }
        at = end.saturating_add(1);
    }
}

/// An escaped character is the character itself (RFC 3261 19.1.4), in the name of a parameter too.
#[cold]
fn check_unescaped(text: &str, start: usize, end: usize) -> Result<(), ParseError> {
    let mut names = BTreeSet::new();
    for place in names_before(text, start, end) {
        let name = text.get(place.clone()).unwrap_or_default();
        if !names.insert(escape::canonical(name).to_ascii_lowercase()) {
            return Err(ParseError::new(ParseErrorKind::RepeatedParameter, place.start));
        }
    }
    Ok(())
}

/// Where the names of parameters that were read are.
fn names_before(text: &str, start: usize, end: usize) -> impl Iterator<Item = Range<usize>> {
    let mut at = start;
    let pieces = text.get(start..end).unwrap_or_default().split(';');
    pieces.map(move |piece| {
        let place = at;
        at = at.saturating_add(piece.len()).saturating_add(1);
        let name = piece.split('=').next().unwrap_or_default();
        place..place.saturating_add(name.len())
    })
}

/// Reads `name=value` with ampersands between them.
fn read_headers(octets: &[u8], start: usize) -> Result<usize, ParseError> {
    let mut at = start;
    for _ in 0..MAX_PARAMS {
        let end = escape::run(octets, at, HEADER)?;
        if end == at {
            return Err(missing(octets, at, b"=&"));
        }
        if octets.get(end) != Some(&b'=') {
            return Err(ParseError::new(ParseErrorKind::UnexpectedText, at));
        }
        at = escape::run(octets, end.saturating_add(1), HEADER)?;
        if octets.get(at) != Some(&b'&') {
            return Ok(at);
        }
        at = at.saturating_add(1);
    }
    Err(ParseError::new(ParseErrorKind::LimitExceeded, at))
}

/// The error for a part that is not there: it is empty, or something else stands in its place.
pub(super) fn missing(octets: &[u8], at: usize, next: &[u8]) -> ParseError {
    let is_empty = octets.get(at).is_none_or(|byte| next.contains(byte));
    let kind = if is_empty {
        ParseErrorKind::Empty
    } else {
        ParseErrorKind::UnexpectedText
    };
    ParseError::new(kind, at)
}
