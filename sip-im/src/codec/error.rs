//! Why a message is refused: what, where, and what is answered.

use core::fmt;

use crate::StatusCode;
use crate::error::{HeaderError, ParseErrorKind};
use crate::header::HeaderName;
use crate::message::Response;

/// Why a message is refused.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{place}: {kind} at byte {offset}")]
#[non_exhaustive]
pub struct MessageError {
    /// What is wrong.
    pub kind: MessageErrorKind,
    /// The part of the message that it is wrong with.
    pub place: Place,
    /// Octets from the start of the message. Inside a folded value it counts as if the value were on one line.
    pub offset: usize,
    /// Not inline, since errors are returned by value.
    pub(super) reply: Option<Box<Response>>,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageErrorKind {
    /// Text that the grammar does not allow.
    #[error("{0}")]
    Syntax(ParseErrorKind),
    /// The version of the protocol is not 2.0.
    #[error("unsupported version")]
    Version,
    /// A header field that must be there is not.
    #[error("missing")]
    Missing,
    /// A header field that may occur once occurs again.
    #[error("repeated")]
    Repeated,
    /// The method of the start line and that of `CSeq` differ.
    #[error("method differs from the request line")]
    MethodMismatch,
    /// The method of the start line is unknown, and that of `CSeq` is another one. RFC 4475 3.1.2.18 wants this told from
    /// [`MessageErrorKind::MethodMismatch`] by its answer.
    #[error("unknown method differs from CSeq")]
    UnknownMethodMismatch,
    /// The message ends before its head does, or before as many octets of body as `Content-Length` says.
    #[error("incomplete")]
    Incomplete,
    /// Start line and header fields are longer than [`Limits::head_octets`](super::Limits::head_octets), or more than
    /// [`Limits::header_lines`](super::Limits::header_lines).
    #[error("head too large")]
    HeadTooLarge,
    /// The body is longer than [`Limits::body_octets`](super::Limits::body_octets).
    #[error("body too large")]
    BodyTooLarge,
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// The request line or status line.
    StartLine,
    /// A line among the header fields that is not one.
    HeaderLine,
    /// This header field.
    Header(HeaderName),
    /// The body.
    Body,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartLine => f.write_str("start line"),
            Self::HeaderLine => f.write_str("header line"),
            Self::Header(name) => fmt::Display::fmt(name, f),
            Self::Body => f.write_str("body"),
        }
    }
}

impl MessageError {
    pub(super) fn new(kind: MessageErrorKind, place: Place, offset: usize) -> Self {
        Self {
            kind,
            place,
            offset,
            reply: None,
        }
    }

    pub(super) fn of_header(error: HeaderError, value_at: Option<usize>) -> Self {
        use crate::error::HeaderErrorKind as Kind;
        let at = value_at.unwrap_or(0);
        let (kind, offset) = match error.kind {
            Kind::Missing => (MessageErrorKind::Missing, 0),
            Kind::Repeated => (MessageErrorKind::Repeated, at),
            Kind::Malformed(fault) => (
                MessageErrorKind::Syntax(fault.kind),
                at.saturating_add(fault.offset),
            ),
        };
        Self::new(kind, Place::Header(error.name), offset)
    }

    /// What a request with this fault is answered; a response with it is dropped.
    pub fn status(&self) -> StatusCode {
        match self.kind {
            MessageErrorKind::Version => StatusCode::VERSION_NOT_SUPPORTED,
            MessageErrorKind::UnknownMethodMismatch => StatusCode::NOT_IMPLEMENTED,
            MessageErrorKind::HeadTooLarge => StatusCode::MESSAGE_TOO_LARGE,
            MessageErrorKind::BodyTooLarge => StatusCode::REQUEST_ENTITY_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The answer, if the message is a request other than ACK with enough of it readable to be answered.
    pub fn reply(&self) -> Option<&Response> {
        self.reply.as_deref()
    }

    /// As [`MessageError::reply`], by value.
    pub fn into_reply(self) -> Option<Response> {
        self.reply.map(|reply| *reply)
    }
}
