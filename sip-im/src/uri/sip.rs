//! The parts of a SIP or SIPS URI (RFC 3261 19.1.1, 25.1), found in one pass and kept as ranges of the text.

use super::{escape, host::Host, parse_port};
use crate::error::{ParseError, ParseErrorKind};

/// How many parameters, and how many headers, a URI may have. More is no address; and since a repeated name is
/// refused, it also bounds the work of looking for one.
const MAX_PARAMETERS: usize = 64;

/// Where the parts are. 32 bits keep a URI small; a longer text is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Parts {
    pub(super) user: Option<Span>,
    pub(super) password: Option<Span>,
    pub(super) host: Option<Span>,
    pub(super) port: Option<u16>,
    /// Without the first `;`.
    pub(super) parameters: Option<Span>,
    /// Without the `?`.
    pub(super) headers: Option<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Span(u32, u32);

impl Span {
    pub(super) fn new(start: usize, length: usize) -> Result<Self, ParseError> {
        let too_long = ParseError::new(ParseErrorKind::LimitExceeded, start);
        let end = start.checked_add(length).ok_or(too_long)?;
        Ok(Self(
            u32::try_from(start).map_err(|_| too_long)?,
            u32::try_from(end).map_err(|_| too_long)?,
        ))
    }

    pub(super) fn start(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    fn end(self) -> usize {
        usize::try_from(self.1).unwrap_or(usize::MAX)
    }

    pub(super) fn of(self, text: &str) -> Option<&str> {
        text.get(self.start()..self.end())
    }

    pub(super) fn around(self, text: &str) -> Option<(&str, &str)> {
        Some((text.get(..self.start())?, text.get(self.end()..)?))
    }
}

impl Parts {
    pub(super) fn opaque(_start: usize) -> Self {
        Self::default()
    }
}

/// Reads what follows `sip:`; `start` is where it stands in the URI.
pub(super) fn parse(text: &str, start: usize) -> Result<Parts, ParseError> {
    let mut parts = Parts::default();
    let (mut rest, mut at) = (text, start);
    // No part but the user's may hold an `@` that is not escaped, so the first one ends it.
    if let Some((userinfo, after)) = text.split_once('@') {
        parse_userinfo(userinfo, start, &mut parts)?;
        rest = after;
        at = start.saturating_add(userinfo.len()).saturating_add(1);
    }
    let hostport = rest.split([';', '?']).next().unwrap_or_default();
    parse_hostport(hostport, at, &mut parts)?;
    at = at.saturating_add(hostport.len());
    rest = rest.get(hostport.len()..).unwrap_or_default();
    if let Some(after) = rest.strip_prefix(';') {
        at = at.saturating_add(1);
        let parameters = after.split('?').next().unwrap_or_default();
        check_parameters(parameters, at)?;
        parts.parameters = Some(Span::new(at, parameters.len())?);
        at = at.saturating_add(parameters.len());
        rest = after.get(parameters.len()..).unwrap_or_default();
    }
    if let Some(headers) = rest.strip_prefix('?') {
        at = at.saturating_add(1);
        check_headers(headers, at)?;
        parts.headers = Some(Span::new(at, headers.len())?);
    }
    Ok(parts)
}

fn parse_userinfo(text: &str, start: usize, parts: &mut Parts) -> Result<(), ParseError> {
    let user = text.split(':').next().unwrap_or_default();
    if user.is_empty() {
        return Err(ParseError::new(ParseErrorKind::Empty, start));
    }
    escape::check(user, start, escape::is_user)?;
    parts.user = Some(Span::new(start, user.len())?);
    if let Some(password) = text.get(user.len()..).and_then(|rest| rest.strip_prefix(':')) {
        let start = start.saturating_add(user.len()).saturating_add(1);
        escape::check(password, start, escape::is_password)?;
        parts.password = Some(Span::new(start, password.len())?);
    }
    Ok(())
}

fn parse_hostport(text: &str, start: usize, parts: &mut Parts) -> Result<(), ParseError> {
    let host = if text.starts_with('[') {
        match text.split_once(']') {
            Some((inner, _)) => text.get(..inner.len().saturating_add(1)).unwrap_or_default(),
            None => return Err(ParseError::new(ParseErrorKind::Unbalanced, start)),
        }
    } else {
        text.split(':').next().unwrap_or_default()
    };
    check_host(host, start)?;
    parts.host = Some(Span::new(start, host.len())?);
    let rest = text.get(host.len()..).unwrap_or_default();
    if rest.is_empty() {
        return Ok(());
    }
    let at = start.saturating_add(host.len());
    let port = rest
        .strip_prefix(':')
        .ok_or(ParseError::new(ParseErrorKind::UnexpectedText, at))?;
    parts.port = Some(parse_port(port, at.saturating_add(1))?);
    Ok(())
}

/// Checks a host without keeping it.
pub(crate) fn check_host(text: &str, start: usize) -> Result<(), ParseError> {
    let is_name = !text.starts_with('[') && super::host::check_name(text).is_ok();
    if is_name {
        Ok(())
    } else {
        Host::parse(text).map(drop).map_err(|error| error.shifted(start))
    }
}

pub(super) fn check_parameters(text: &str, start: usize) -> Result<(), ParseError> {
    let mut at = start;
    for (count, piece) in text.split(';').enumerate() {
        if count >= MAX_PARAMETERS {
            return Err(ParseError::new(ParseErrorKind::LimitExceeded, at));
        }
        let (name, value) = match piece.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (piece, None),
        };
        if name.is_empty() || value.is_some_and(str::is_empty) {
            return Err(ParseError::new(ParseErrorKind::Empty, at));
        }
        escape::check(name, at, escape::is_parameter)?;
        let repeated = text.split(';').take(count).any(|earlier| {
            earlier
                .split('=')
                .next()
                .is_some_and(|earlier| earlier.eq_ignore_ascii_case(name))
        });
        if repeated {
            return Err(ParseError::new(ParseErrorKind::RepeatedParameter, at));
        }
        if let Some(value) = value {
            escape::check(
                value,
                at.saturating_add(name.len()).saturating_add(1),
                escape::is_parameter,
            )?;
        }
        at = at.saturating_add(piece.len()).saturating_add(1);
    }
    Ok(())
}

fn check_headers(text: &str, start: usize) -> Result<(), ParseError> {
    let mut at = start;
    for (count, piece) in text.split('&').enumerate() {
        if count >= MAX_PARAMETERS {
            return Err(ParseError::new(ParseErrorKind::LimitExceeded, at));
        }
        let Some((name, value)) = piece.split_once('=') else {
            return Err(ParseError::new(ParseErrorKind::UnexpectedText, at));
        };
        if name.is_empty() {
            return Err(ParseError::new(ParseErrorKind::Empty, at));
        }
        escape::check(name, at, escape::is_header)?;
        escape::check(
            value,
            at.saturating_add(name.len()).saturating_add(1),
            escape::is_header,
        )?;
        at = at.saturating_add(piece.len()).saturating_add(1);
    }
    Ok(())
}
