//! Via (RFC 3261 20.42, RFC 3581).

use core::net::IpAddr;

use super::{ParamsView, Viewed, value};
use crate::error::{ParseError, ParseErrorKind};
use crate::header::Via;
use crate::header::cursor::{Cursor, decimal_as};
use crate::header::params::{self, Value, is_named};
use crate::uri::{self, Host};

/// One hop of the way that the response takes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ViaView<'a> {
    /// Name and version of the protocol as they are written, with the white space that may be in between.
    pub protocol: &'a str,
    /// The transport; it compares without case.
    pub transport: &'a str,
    /// The host of sent-by, an IPv6 address with brackets.
    pub host: &'a str,
    /// The port of sent-by.
    pub port: Option<u16>,
    /// The branch, the transaction's id.
    pub branch: Option<&'a str>,
    /// The source address that the next hop saw, with or without brackets.
    pub received: Option<&'a str>,
    /// RFC 3581: `Some(None)` asks for the source port, `Some(Some(port))` tells it.
    pub rport: Option<Option<u16>>,
    /// All parameters.
    pub params: ParamsView<'a>,
}

impl<'a> ViaView<'a> {
    #[inline]
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        let protocol = read_protocol(cursor)?;
        let transport = cursor.token()?;
        if !cursor.space() {
            return cursor.unexpected();
        }
        let start = cursor.position();
        let end = uri::read_host(cursor.text(), start)?;
        cursor.move_to(end);
        let port = if cursor.separator(b':') {
            Some(cursor.number()?)
        } else {
            None
        };
        let mut via = Self {
            protocol,
            transport,
            host: cursor.text_between(start, end),
            port,
            branch: None,
            received: None,
            rport: None,
            params: ParamsView::default(),
        };
        if cursor.separator(b';') {
            let text = params::read(cursor, b';', |name, value, at| via.place(name, value, at))?;
            via.params = ParamsView::new(text);
        }
        Ok(via)
    }

    /// Takes note of a parameter that has a place of its own.
    #[inline]
    fn place(&mut self, name: &[u8], value: Option<Value<'a>>, at: usize) -> Result<(), ParseError> {
        if is_named(name, "branch") {
            self.branch = value.and_then(Value::token);
            if self.branch.is_none() {
                return Err(ParseError::new(ParseErrorKind::UnexpectedText, at));
            }
        } else if is_named(name, "received") {
            self.received = value.map(Value::text).filter(|text| is_address(text));
            if self.received.is_none() {
                return Err(ParseError::new(ParseErrorKind::InvalidHost, at));
            }
        } else if is_named(name, "rport") {
            let port = value.map(|value| decimal_as(value.text())).transpose();
            self.rport = Some(port.map_err(|error| error.shifted(at))?);
        }
        Ok(())
    }
}

/// Reads `SIP/2.0/` with white space where the grammar allows it, and gives it without the last slash.
#[inline]
fn read_protocol<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, ParseError> {
    let start = cursor.position();
    // As nearly all write it.
    if cursor.octets_from(start).starts_with(b"SIP/2.0/") {
        let end = start.saturating_add(7);
        cursor.move_to(end.saturating_add(1));
        cursor.space();
        return Ok(cursor.text_between(start, end));
    }
    cursor.token()?;
    cursor.expect_separator(b'/')?;
    cursor.token()?;
    let end = cursor.position();
    cursor.expect_separator(b'/')?;
    Ok(cursor.text_between(start, end))
}

/// RFC 5118 4.5: both `received=2001:db8::1` and `received=[2001:db8::1]` are in use.
fn is_address(text: &str) -> bool {
    is_v4(text.as_bytes())
        || text.parse::<IpAddr>().is_ok()
        || Host::parse(text).is_ok_and(|host| host.address().is_some())
}

/// Is it four numbers of one to three digits, without zeros in front, up to 255?
fn is_v4(text: &[u8]) -> bool {
    let mut parts: usize = 0;
    for part in text.split(|byte| *byte == b'.') {
        parts = parts.saturating_add(1);
        let is_number = match part {
            [a] | [b'1'..=b'9', a] | [b'2', b'0'..=b'4', a] => a.is_ascii_digit(),
            [b'1', a, b] => a.is_ascii_digit() && b.is_ascii_digit(),
            [b'2', b'5', b'0'..=b'5'] => true,
            _ => false,
        };
        if !is_number {
            return false;
        }
    }
    parts == 4
}

impl Viewed for Via {
    type View<'a> = ViaView<'a>;

    #[inline]
    fn view(text: &str, at: usize) -> Result<(ViaView<'_>, usize), ParseError> {
        value::<Self, _>(text, at, ViaView::read)
    }
}
