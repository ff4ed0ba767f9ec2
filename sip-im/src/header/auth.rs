//! Challenges and credentials (RFC 3261 20.7, 20.27, 20.28, 20.44), with the digest grammar of `msrp`.

use core::fmt;

use super::{Header, HeaderName, Shape};
use crate::ByteStr;
use crate::digest::{Challenge, Credentials};
use crate::error::{ParseError, ParseErrorKind};
use crate::header::cursor::is_token_byte;

/// A value of an authentication field: Digest, or a scheme that is carried as it is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthScheme<T> {
    /// `Digest`.
    Digest(T),
    /// Another scheme with its parameters.
    Other(ByteStr),
}

impl<T: fmt::Debug> fmt::Debug for AuthScheme<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(digest) => f.debug_tuple("Digest").field(digest).finish(),
            Self::Other(text) => f
                .debug_tuple("Other")
                .field(&text.split(' ').next().unwrap_or_default())
                .finish(),
        }
    }
}

macro_rules! auth {
    ($(#[$doc:meta])* $type:ident($inner:ident), $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[expect(clippy::exhaustive_structs, reason = "the header field is this value and no more")]
        pub struct $type(pub AuthScheme<$inner>);

        impl $type {
            /// A digest.
            pub fn digest_of(digest: $inner) -> Self {
                Self(AuthScheme::Digest(digest))
            }

            /// The digest, if the scheme is that.
            pub fn digest(&self) -> Option<&$inner> {
                match &self.0 {
                    AuthScheme::Digest(digest) => Some(digest),
                    AuthScheme::Other(_) => None,
                }
            }
        }

        impl Header for $type {
            const NAME: HeaderName = HeaderName::$name;
            const SHAPE: Shape = Shape::Rows;

            fn parse(value: &ByteStr) -> Result<Self, ParseError> {
                if !is_digest(value)? {
                    return Ok(Self(AuthScheme::Other(value.clone())));
                }
                let malformed = |_| ParseError::new(ParseErrorKind::UnexpectedText, 0);
                $inner::parse(value).map(Self::digest_of).map_err(malformed)
            }

            fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
                match &self.0 {
                    AuthScheme::Digest(digest) => write!(out, "{digest}"),
                    AuthScheme::Other(text) => out.write_str(text),
                }
            }
        }
    };
}

auth! {
    /// Credentials for a user agent server.
    Authorization(Credentials), AUTHORIZATION
}
auth! {
    /// Credentials for a proxy.
    ProxyAuthorization(Credentials), PROXY_AUTHORIZATION
}
auth! {
    /// The challenge of a user agent server.
    WwwAuthenticate(Challenge), WWW_AUTHENTICATE
}
auth! {
    /// The challenge of a proxy.
    ProxyAuthenticate(Challenge), PROXY_AUTHENTICATE
}

/// Schemes are tokens and compare without case.
fn is_digest(value: &str) -> Result<bool, ParseError> {
    let scheme = value.split([' ', '\t']).next().unwrap_or_default();
    if scheme.is_empty() || !scheme.bytes().all(is_token_byte) {
        return Err(ParseError::new(ParseErrorKind::UnexpectedText, 0));
    }
    Ok(scheme.eq_ignore_ascii_case("Digest"))
}
