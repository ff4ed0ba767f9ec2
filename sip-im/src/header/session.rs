//! Session-Expires and Min-SE (RFC 4028).

use core::fmt;

use super::cursor::Cursor;
use super::{Header, HeaderName, Params};
use crate::ByteStr;
use crate::error::{ParseError, ParseErrorKind};

/// The interval of a session in which it has to be refreshed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionExpires {
    /// In seconds.
    pub seconds: u32,
    /// Who refreshes.
    pub refresher: Option<Refresher>,
    /// The other parameters.
    pub params: Params,
}

/// The side of the INVITE or UPDATE that refreshes the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a transaction has two sides")]
pub enum Refresher {
    /// The one that sent the request.
    Uac,
    /// The one that answered it.
    Uas,
}

impl SessionExpires {
    /// An interval.
    pub fn new(seconds: u32, refresher: Option<Refresher>) -> Self {
        Self {
            seconds,
            refresher,
            params: Params::new(),
        }
    }
}

impl Header for SessionExpires {
    const NAME: HeaderName = HeaderName::SESSION_EXPIRES;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let (seconds, mut params) = parse(value)?;
        let refresher = match params.take("refresher") {
            None => None,
            Some(Some(side)) if side.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(Some(side)) if side.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            Some(_) => return Err(ParseError::new(ParseErrorKind::UnexpectedText, value.len())),
        };
        Ok(Self {
            seconds,
            refresher,
            params,
        })
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{}", self.seconds)?;
        match self.refresher {
            None => {}
            Some(Refresher::Uac) => out.write_str(";refresher=uac")?,
            Some(Refresher::Uas) => out.write_str(";refresher=uas")?,
        }
        self.params.write(out)
    }
}

/// The shortest session interval that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MinSe {
    /// In seconds.
    pub seconds: u32,
    /// Parameters that extensions may add.
    pub params: Params,
}

impl MinSe {
    /// An interval.
    pub fn new(seconds: u32) -> Self {
        Self {
            seconds,
            params: Params::new(),
        }
    }
}

impl Header for MinSe {
    const NAME: HeaderName = HeaderName::MIN_SE;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        parse(value).map(|(seconds, params)| Self { seconds, params })
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{}", self.seconds)?;
        self.params.write(out)
    }
}

fn parse(value: &ByteStr) -> Result<(u32, Params), ParseError> {
    let mut cursor = Cursor::new(value);
    cursor.space();
    let seconds = cursor.number()?;
    let params = Params::parse(&mut cursor)?;
    cursor.finish()?;
    Ok((seconds, params))
}
