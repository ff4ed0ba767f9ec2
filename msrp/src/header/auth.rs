//! Headers of the dialogue with a relay (RFC 4976 section 6.1): on the wire only.

use std::fmt;

use super::{Header, ParseError, ParseErrorKind, decimal, path};
use crate::Uri;
use crate::digest::{Challenge, Credentials, DigestError};
use crate::text::ByteStr;

/// `Use-Path`: the URIs that a client puts before its own, first hop last.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UsePath(Vec<Uri>);

impl UsePath {
    /// Makes a path of URIs, if there is one at least.
    pub fn new(uris: Vec<Uri>) -> Option<Self> {
        if uris.is_empty() { None } else { Some(Self(uris)) }
    }

    /// Returns the URIs.
    pub fn uris(&self) -> &[Uri] {
        &self.0
    }
}

impl Header for UsePath {
    const NAME: &'static str = "Use-Path";

    fn parse(value: &str) -> Result<Self, ParseError> {
        path::parse(value).map(Self)
    }

    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        path::write(&self.0, out)
    }
}

macro_rules! seconds {
    ($(#[$doc:meta])* $type:ident, $name:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[expect(clippy::exhaustive_structs, reason = "the header is this")]
        pub struct $type(pub u64);

        impl Header for $type {
            const NAME: &'static str = $name;

            fn parse(value: &str) -> Result<Self, ParseError> {
                decimal(value, 0).map(Self)
            }

            fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
                write!(out, "{}", self.0)
            }
        }
    };
}

seconds! {
    /// `Expires`: how long a relay's URI is valid, in seconds.
    Expires, "Expires"
}
seconds! {
    /// `Min-Expires`: the shortest validity that a relay gives, in seconds.
    MinExpires, "Min-Expires"
}
seconds! {
    /// `Max-Expires`: the longest validity that a relay gives, in seconds.
    MaxExpires, "Max-Expires"
}

/// `WWW-Authenticate`: a relay's challenge.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the header is this")]
pub struct WwwAuthenticate(pub Challenge);

impl Header for WwwAuthenticate {
    const NAME: &'static str = "WWW-Authenticate";

    fn parse(value: &str) -> Result<Self, ParseError> {
        Challenge::parse(value).map(Self).map_err(malformed)
    }

    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

/// `Authorization`: a client's answer to a challenge.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the header is this")]
pub struct Authorization(pub Credentials);

impl Header for Authorization {
    const NAME: &'static str = "Authorization";

    fn parse(value: &str) -> Result<Self, ParseError> {
        Credentials::parse(value).map(Self).map_err(malformed)
    }

    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

/// `Authentication-Info`: a relay's proof that it knows the password too.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the header is this")]
pub struct AuthenticationInfo(pub ByteStr);

impl Header for AuthenticationInfo {
    const NAME: &'static str = "Authentication-Info";

    fn parse(value: &str) -> Result<Self, ParseError> {
        Ok(Self(value.into()))
    }

    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        out.write_str(self.0.as_str())
    }
}

fn malformed(_: DigestError) -> ParseError {
    ParseError::new(ParseErrorKind::Unexpected, 0)
}
