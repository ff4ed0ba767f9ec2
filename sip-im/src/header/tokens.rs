//! Header fields that list tokens: Allow, Allow-Events, Supported, Require, Proxy-Require, Unsupported, Content-Encoding,
//! Content-Language, Request-Disposition.

use core::fmt;

use super::cursor::{Cursor, list_element, piece};
use super::octets::is_token_byte;
use super::{Header, HeaderName, Shape};
use crate::error::{ParseError, ParseErrorKind};
use crate::{ByteStr, Method};

macro_rules! tokens {
    ($(#[$doc:meta])* $type:ident, $name:ident, $may_be_empty:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[expect(clippy::exhaustive_structs, reason = "the header field is this list and no more")]
        pub struct $type(pub Vec<ByteStr>);

        impl $type {
            /// A list of these.
            pub fn new<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Self {
                Self(tokens.into_iter().map(|token| ByteStr::from(token.to_owned())).collect())
            }

            /// Is this one in it? Tokens compare without case.
            pub fn contains(&self, token: &str) -> bool {
                self.0.iter().any(|found| found.eq_ignore_ascii_case(token))
            }

            /// All, in order.
            pub fn iter(&self) -> impl Iterator<Item = &str> {
                self.0.iter().map(ByteStr::as_str)
            }
        }

        impl Header for $type {
            const NAME: HeaderName = HeaderName::$name;
            const SHAPE: Shape = Shape::Whole;

            fn parse(value: &ByteStr) -> Result<Self, ParseError> {
                parse(value, $may_be_empty).map(Self)
            }

            fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
                write(out, self.iter())
            }
        }
    };
}

tokens! {
    /// Extensions that the sender supports (RFC 3261 20.37).
    Supported, SUPPORTED, true
}
tokens! {
    /// Extensions that the recipient has to support (RFC 3261 20.32).
    Require, REQUIRE, false
}
tokens! {
    /// Extensions that proxies have to support (RFC 3261 20.29).
    ProxyRequire, PROXY_REQUIRE, false
}
tokens! {
    /// Extensions that the responder does not support (RFC 3261 20.40).
    Unsupported, UNSUPPORTED, false
}
tokens! {
    /// Event packages that the sender supports (RFC 6665 8.2.2).
    AllowEvents, ALLOW_EVENTS, false
}
tokens! {
    /// What the body was coded with, in the order in which it was (RFC 3261 20.12).
    ContentEncoding, CONTENT_ENCODING, false
}
tokens! {
    /// The languages of the body (RFC 3261 20.13).
    ContentLanguage, CONTENT_LANGUAGE, false
}
tokens! {
    /// What the sender wants proxies to do: `no-fork`, `parallel` and others (RFC 3841 9.1).
    RequestDisposition, REQUEST_DISPOSITION, false
}

/// The methods that the sender supports (RFC 3261 20.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the header field is this list and no more"
)]
pub struct Allow(pub Vec<Method>);

impl Allow {
    /// A list of these.
    pub fn new(methods: impl IntoIterator<Item = Method>) -> Self {
        Self(methods.into_iter().collect())
    }

    /// Is this one in it?
    pub fn contains(&self, method: &Method) -> bool {
        self.0.contains(method)
    }
}

impl Header for Allow {
    const NAME: HeaderName = HeaderName::ALLOW;
    const SHAPE: Shape = Shape::Whole;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        parse(value, true)?
            .iter()
            .map(|token| Method::parse(token))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write(out, self.0.iter().map(Method::as_str))
    }
}

fn parse(value: &ByteStr, may_be_empty: bool) -> Result<Vec<ByteStr>, ParseError> {
    let text = value.as_str();
    if text.trim_matches([' ', '\t']).is_empty() {
        let empty = ParseError::new(ParseErrorKind::Empty, 0);
        return if may_be_empty { Ok(Vec::new()) } else { Err(empty) };
    }
    let mut tokens = Vec::new();
    let mut start = Some(0);
    while let Some(at) = start {
        let (range, next) = list_element(text, at);
        let offset = range.start;
        let token = piece(value, range);
        if token.is_empty() {
            // An empty line among several is a list of none, and so takes nothing away from the others.
            if !may_be_empty {
                return Err(ParseError::new(ParseErrorKind::Empty, offset));
            }
        } else if let Some(at) = token.bytes().position(|byte| !is_token_byte(byte)) {
            return Err(ParseError::new(
                ParseErrorKind::UnexpectedText,
                offset.saturating_add(at),
            ));
        } else {
            tokens.push(token);
        }
        start = next;
    }
    Ok(tokens)
}

fn write<'a>(out: &mut dyn fmt::Write, tokens: impl Iterator<Item = &'a str>) -> fmt::Result {
    for (index, token) in tokens.enumerate() {
        if index > 0 {
            out.write_str(", ")?;
        }
        out.write_str(token)?;
    }
    Ok(())
}

/// Reads a token that fills the text.
pub(super) fn parse_token(value: &ByteStr) -> Result<ByteStr, ParseError> {
    let mut cursor = Cursor::new(value);
    cursor.space();
    let start = cursor.position();
    cursor.token()?;
    let token = cursor.since(start);
    cursor.finish()?;
    Ok(token)
}
