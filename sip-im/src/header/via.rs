//! Via (RFC 3261 20.42, RFC 3581).

use core::fmt;

use super::cursor::Cursor;
use super::{Header, HeaderName, Params, Shape};
use crate::ByteStr;
use crate::codec::view::ViaView;
use crate::error::ParseError;

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
        let view = ViaView::read(&mut cursor)?;
        let mut params = Params::read(cursor.share(view.params.as_str()));
        for placed in ["branch", "received", "rport"] {
            if view.params.get(placed).is_some() {
                params.place(placed);
            }
        }
        let share = |text| cursor.share(text);
        let via = Self {
            protocol: protocol(share(view.protocol)),
            transport: share(view.transport),
            host: share(view.host),
            port: view.port,
            branch: view.branch.map(share),
            received: view.received.map(share),
            rport: view.rport,
            params,
        };
        cursor.finish()?;
        Ok(via)
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

/// A protocol without the white space that may stand in it.
fn protocol(written: ByteStr) -> ByteStr {
    if written.bytes().any(|byte| matches!(byte, b' ' | b'\t')) {
        ByteStr::from(written.split([' ', '\t']).collect::<String>())
    } else {
        written
    }
}
