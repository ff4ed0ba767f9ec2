//! Via (RFC 3261 20.42, RFC 3581).

use core::fmt;

use super::cursor::{Cursor, decimal_as, is_token_byte};
use super::{Header, HeaderName, Params, Shape};
use crate::ByteStr;
use crate::error::{ParseError, ParseErrorKind};
use crate::uri::Host;

/// One hop of the way that the response takes back.
///
/// ```
/// use sip_im::ByteStr;
/// use sip_im::header::{Header, Via};
/// let via = Via::parse(&ByteStr::from("SIP / 2.0 / UDP host.example : 5070;branch=z9hG4bK1;rport"))?;
/// assert_eq!((via.host.as_str(), via.port, via.rport), ("host.example", Some(5070), Some(None)));
/// # Ok::<(), sip_im::error::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Via {
    /// Name and version of the protocol, `SIP/2.0`.
    pub protocol: ByteStr,
    /// The transport, in the sender's spelling; it compares without case.
    pub transport: ByteStr,
    /// The host of sent-by, an IPv6 address with brackets.
    pub host: ByteStr,
    /// The port of sent-by.
    pub port: Option<u16>,
    /// The branch, the transaction's id.
    pub branch: Option<ByteStr>,
    /// The source address that the next hop saw, with or without brackets as it was written.
    pub received: Option<ByteStr>,
    /// RFC 3581: `Some(None)` asks for the source port, `Some(Some(port))` tells it.
    pub rport: Option<Option<u16>>,
    /// The other parameters.
    pub params: Params,
}

impl Via {
    /// A hop of this host. The transport is a token such as `TCP`.
    pub fn new(transport: &str, host: &str, port: Option<u16>, branch: &str) -> Self {
        Self {
            protocol: ByteStr::from_static("SIP/2.0"),
            transport: ByteStr::from(transport.to_owned()),
            host: ByteStr::from(host.to_owned()),
            port,
            branch: Some(ByteStr::from(branch.to_owned())),
            received: None,
            rport: None,
            params: Params::new(),
        }
    }

    /// The branch.
    pub fn branch(&self) -> Option<&str> {
        self.branch.as_ref().map(ByteStr::as_str)
    }
}

impl Header for Via {
    const NAME: HeaderName = HeaderName::VIA;
    const SHAPE: Shape = Shape::List;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.space();
        let protocol = parse_protocol(&mut cursor)?;
        cursor.expect_separator(b'/')?;
        let start = cursor.position();
        cursor.token()?;
        let transport = cursor.since(start);
        if !cursor.space() {
            return cursor.unexpected();
        }
        let host = parse_host(&mut cursor)?;
        let port = if cursor.separator(b':') {
            Some(cursor.number()?)
        } else {
            None
        };
        let mut params = Params::parse(&mut cursor)?;
        let fault = ParseError::new(ParseErrorKind::UnexpectedText, value.len());
        cursor.finish()?;
        let branch = match params.take("branch") {
            None => None,
            Some(Some(branch)) if branch.bytes().all(is_token_byte) => Some(branch),
            Some(_) => return Err(fault),
        };
        let received = match params.take("received") {
            None => None,
            Some(Some(address)) if is_address(&address) => Some(address),
            Some(_) => return Err(ParseError::new(ParseErrorKind::InvalidHost, value.len())),
        };
        let rport = match params.take("rport") {
            None => None,
            Some(None) => Some(None),
            Some(Some(port)) => Some(Some(
                decimal_as(&port).map_err(|error| ParseError::new(error.kind, value.len()))?,
            )),
        };
        Ok(Self {
            protocol,
            transport,
            host,
            port,
            branch,
            received,
            rport,
            params,
        })
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(
            out,
            "{}/{} {}",
            self.protocol.as_str(),
            self.transport.as_str(),
            self.host.as_str()
        )?;
        if let Some(port) = self.port {
            write!(out, ":{port}")?;
        }
        if let Some(branch) = &self.branch {
            write!(out, ";branch={}", branch.as_str())?;
        }
        if let Some(received) = &self.received {
            write!(out, ";received={}", received.as_str())?;
        }
        match self.rport {
            None => {}
            Some(None) => out.write_str(";rport")?,
            Some(Some(port)) => write!(out, ";rport={port}")?,
        }
        self.params.write(out)
    }
}

/// `SIP / 2.0` with white space where the grammar allows it; without it the slice of the message is taken.
fn parse_protocol(cursor: &mut Cursor<'_>) -> Result<ByteStr, ParseError> {
    let start = cursor.position();
    let name = cursor.token()?;
    cursor.expect_separator(b'/')?;
    let version = cursor.token()?;
    let written = cursor.since(start);
    let is_compact = written.len() == name.len().saturating_add(version.len()).saturating_add(1);
    Ok(if is_compact {
        written
    } else {
        ByteStr::from(format!("{name}/{version}"))
    })
}

fn parse_host(cursor: &mut Cursor<'_>) -> Result<ByteStr, ParseError> {
    let start = cursor.position();
    if cursor.peek() == Some(b'[') {
        cursor.take_while(|byte| byte != b']');
        if !cursor.eat(b']') {
            return Err(ParseError::new(ParseErrorKind::Unbalanced, start));
        }
    } else {
        cursor.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    }
    let host = cursor.since(start);
    if host.is_empty() {
        return cursor.unexpected();
    }
    crate::uri::check_host(&host, start)?;
    Ok(host)
}

/// RFC 5118 4.5: both `received=2001:db8::1` and `received=[2001:db8::1]` are in use.
fn is_address(text: &str) -> bool {
    text.parse::<core::net::IpAddr>().is_ok() || Host::parse(text).is_ok_and(|host| host.address().is_some())
}
