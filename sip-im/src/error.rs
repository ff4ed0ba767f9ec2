//! Errors of reading and building SIP values: what is wrong, and where.

use core::fmt;

use crate::StatusCode;
use crate::header::HeaderName;

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The value ends before it is complete.
    UnexpectedEnd,
    /// Text that the grammar does not allow here.
    UnexpectedText,
    /// The value is complete, and something follows.
    TrailingText,
    /// A value or component is empty that must not be.
    Empty,
    /// A number does not fit its range.
    NumberOutOfRange,
    /// A quoted string or an angle bracket is never closed.
    Unbalanced,
    /// A URI has no scheme.
    MissingScheme,
    /// A `%` is not followed by two hexadecimal digits.
    InvalidEscape,
    /// An IP address or a host name is not one.
    InvalidHost,
    /// A URI with `,`, `;` or `?` stands outside angle brackets (RFC 8217).
    NeedsBrackets,
    /// A control character, a bare CR or a bare LF.
    ControlCharacter,
    /// Octets that are not UTF-8 where text is required.
    NotUtf8,
    /// A parameter that may occur once occurs again.
    RepeatedParameter,
    /// A required parameter is absent.
    MissingParameter,
    /// More, longer or deeper than the limits allow.
    LimitExceeded,
}

impl fmt::Display for ParseErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnexpectedEnd => "unexpected end",
            Self::UnexpectedText => "unexpected text",
            Self::TrailingText => "text after the end of the value",
            Self::Empty => "empty value",
            Self::NumberOutOfRange => "number out of range",
            Self::Unbalanced => "unbalanced quote or bracket",
            Self::MissingScheme => "uri without scheme",
            Self::InvalidEscape => "invalid escape",
            Self::InvalidHost => "invalid host",
            Self::NeedsBrackets => "uri needs angle brackets",
            Self::ControlCharacter => "control character",
            Self::NotUtf8 => "not utf-8",
            Self::RepeatedParameter => "repeated parameter",
            Self::MissingParameter => "missing parameter",
            Self::LimitExceeded => "limit exceeded",
        })
    }
}

/// Why a single value (a URI, a header field value, an SDP line) is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{kind} at byte {offset}")]
#[non_exhaustive]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// Octets from the start of the value to the fault.
    pub offset: usize,
}

impl ParseError {
    /// Names a fault at `offset` octets into the value.
    pub const fn new(kind: ParseErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }

    /// The same fault seen from a value that starts `by` octets earlier.
    #[must_use]
    pub const fn shifted(self, by: usize) -> Self {
        Self {
            kind: self.kind,
            offset: self.offset.saturating_add(by),
        }
    }
}

/// What is wrong with a header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderErrorKind {
    /// The message does not have it.
    #[error("missing")]
    Missing,
    /// It may occur once, and occurs again.
    #[error("repeated")]
    Repeated,
    /// Its value is malformed.
    #[error("{0}")]
    Malformed(ParseError),
}

/// Why a header field cannot be used: its name and the fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {kind}")]
#[non_exhaustive]
pub struct HeaderError {
    /// The header field.
    pub name: HeaderName,
    /// The fault.
    pub kind: HeaderErrorKind,
}

impl HeaderError {
    pub(crate) fn new(name: HeaderName, kind: HeaderErrorKind) -> Self {
        Self { name, kind }
    }

    pub(crate) fn malformed(name: HeaderName, error: ParseError) -> Self {
        Self {
            name,
            kind: HeaderErrorKind::Malformed(error),
        }
    }

    /// What a request with this fault is answered.
    pub fn status(&self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }
}

/// Why a message or a header field cannot be built. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A header field that the message must have was not given.
    #[error("{0} is missing")]
    Missing(HeaderName),
    /// A value would not be read back as it was given: a line end, a control character, wrong syntax.
    #[error("{0}: {1}")]
    Invalid(HeaderName, ParseError),
    /// A header field name is not a token.
    #[error("invalid header field name")]
    InvalidName,
    /// The reason phrase has a character that it cannot have.
    #[error("invalid reason phrase")]
    InvalidReason,
    /// The method of the request and of `CSeq` differ.
    #[error("method and CSeq differ")]
    MethodMismatch,
    /// A header field is set by the library alone (`Content-Length`).
    #[error("{0} is set by the library")]
    Reserved(HeaderName),
}
