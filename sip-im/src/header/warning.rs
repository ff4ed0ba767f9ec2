//! Warning (RFC 3261 20.43) and Reason (RFC 3326).

use core::fmt;

use super::cursor::{Cursor, write_quoted};
use super::event::token_and_params;
use super::octets::is_token_byte;
use super::{Header, HeaderName, Params, Shape};
use crate::ByteStr;
use crate::error::{ParseError, ParseErrorKind};

/// What else there is to say about the status of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// Three digits; 399 is a warning to be shown.
    pub code: u16,
    /// The host, with or without port, or a pseudonym.
    pub agent: ByteStr,
    /// The text without quotes.
    pub text: ByteStr,
}

impl Warning {
    /// A warning of this agent.
    pub fn new(code: u16, agent: &str, text: &str) -> Self {
        Self {
            code,
            agent: ByteStr::from(agent.to_owned()),
            text: ByteStr::from(text.to_owned()),
        }
    }
}

impl Header for Warning {
    const NAME: HeaderName = HeaderName::WARNING;
    const SHAPE: Shape = Shape::List;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.space();
        let start = cursor.position();
        let code = cursor.number()?;
        if cursor.position().saturating_sub(start) != 3 {
            return Err(ParseError::new(ParseErrorKind::NumberOutOfRange, start));
        }
        if !cursor.space() {
            return cursor.unexpected();
        }
        let start = cursor.position();
        if cursor
            .take_while(|byte| is_token_byte(byte) || matches!(byte, b'[' | b']' | b':'))
            .is_empty()
        {
            return cursor.unexpected();
        }
        let agent = cursor.since(start);
        if !cursor.space() {
            return cursor.unexpected();
        }
        let text = cursor.unquoted_string()?;
        cursor.finish()?;
        Ok(Self { code, agent, text })
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{:03} {} ", self.code, self.agent.as_str())?;
        write_quoted(out, &self.text)
    }
}

/// Why a request is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reason {
    /// `SIP`, `Q.850` or another one.
    pub protocol: ByteStr,
    /// All parameters: `cause`, `text` and others.
    pub params: Params,
}

impl Reason {
    /// The reason that a SIP response was, or would have been. A line end in the text becomes a space.
    pub fn sip(status: crate::StatusCode, text: &str) -> Self {
        let mut params = Params::new();
        // The names are tokens, and the values have no line end.
        let _ = params.set("cause", Some(&status.to_string()));
        let _ = params.set("text", Some(&text.replace(['\r', '\n'], " ")));
        Self {
            protocol: ByteStr::from("SIP"),
            params,
        }
    }

    /// The cause.
    pub fn cause(&self) -> Option<u16> {
        self.params
            .get("cause")
            .flatten()
            .and_then(|cause| super::cursor::decimal_as(cause).ok())
    }

    /// The text without quotes.
    pub fn text(&self) -> Option<String> {
        self.params.unquoted("text")
    }
}

impl Header for Reason {
    const NAME: HeaderName = HeaderName::REASON;
    const SHAPE: Shape = Shape::List;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        let (protocol, params) = token_and_params(&mut cursor)?;
        cursor.finish()?;
        Ok(Self { protocol, params })
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(&self.protocol)?;
        self.params.write(out)
    }
}
