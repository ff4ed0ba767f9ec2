//! Octets to frames and back.

mod limits;

pub use limits::{Leniency, Limits};

use bytes::Bytes;
use thiserror::Error;

use crate::header::Headers;
use crate::{ByteStr, Method, StatusCode, TransactionId};

/// What follows a chunk (RFC 4975 section 7.1).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the grammar has these flags")]
pub enum Continuation {
    /// `$`: nothing; the message ends here.
    Complete,
    /// `+`: more of the message.
    More,
    /// `#`: nothing; the sender gives the message up.
    Aborted,
}

/// Why a stream cannot be read on; the connection is of no more use.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum DecodeError {
    /// What should begin a message does not.
    #[error("no start line")]
    StartLine,
    /// A head is longer than the limits allow.
    #[error("head is too long")]
    HeadTooLong,
}

/// The first line of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the grammar has these two")]
pub enum StartLine {
    /// Of a request.
    Request(Method),
    /// Of a response.
    Response {
        /// The code.
        status: StatusCode,
        /// Words for a person.
        comment: Option<ByteStr>,
    },
}

/// The head of a message: start line and headers.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Head {
    /// The transaction.
    pub transaction: TransactionId,
    /// The first line.
    pub start: StartLine,
    /// The headers.
    pub headers: Headers,
    /// Whether a body follows, perhaps an empty one.
    pub has_body: bool,
}

/// A piece of a stream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Frame {
    /// A message begins.
    Head(Head),
    /// Octets of its body.
    Body(Bytes),
    /// It ends.
    End(Continuation),
}
