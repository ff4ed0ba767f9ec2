//! Challenges and credentials (RFC 3261 20.7, 20.27, 20.28, 20.44), with the digest grammar of `msrp`, and what a server says to
//! credentials that are right (RFC 7616 3.5).

use core::fmt;

use super::{Header, HeaderName, Shape};
use crate::ByteStr;
use crate::digest::{Challenge, Credentials, Qop};
use crate::error::{ParseError, ParseErrorKind};
use crate::header::Params;
use crate::header::cursor::Cursor;
use crate::header::octets::is_token_byte;

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

macro_rules! information {
    ($(#[$doc:meta])* $type:ident, $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $type {
            /// All parameters.
            pub params: Params,
        }

        impl $type {
            /// Tells the nonce to use from now on. A line end in it becomes a space.
            pub fn next_nonce(nonce: &str) -> Self {
                let mut params = Params::new();
                params.set_quoted("nextnonce", nonce);
                Self { params }
            }

            /// Tells with what the server proves that it knows the password as well.
            #[must_use]
            pub fn with_proof(mut self, qop: Qop, response: &str, cnonce: &str, nonce_count: u32) -> Self {
                // The names are tokens, and the values have no line end.
                let _ = self.params.set("qop", Some(qop.as_str()));
                self.params.set_quoted("rspauth", response);
                self.params.set_quoted("cnonce", cnonce);
                let _ = self.params.set("nc", Some(&format!("{nonce_count:08x}")));
                self
            }

            /// A parameter without quotes.
            pub fn get(&self, name: &str) -> Option<String> {
                self.params.unquoted(name)
            }
        }

        impl Header for $type {
            const NAME: HeaderName = HeaderName::$name;
            const SHAPE: Shape = Shape::Rows;

            fn parse(value: &ByteStr) -> Result<Self, ParseError> {
                let mut cursor = Cursor::new(value);
                cursor.space();
                let params = Params::parse_list(&mut cursor, b',')?;
                cursor.finish()?;
                Ok(Self { params })
            }

            fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
                self.params.write_separated(out, ", ")
            }
        }
    };
}

information! {
    /// What a user agent server says to right credentials.
    AuthenticationInfo, AUTHENTICATION_INFO
}
information! {
    /// What a proxy says to right credentials.
    ProxyAuthenticationInfo, PROXY_AUTHENTICATION_INFO
}
