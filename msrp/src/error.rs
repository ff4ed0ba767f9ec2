//! Errors of the crate's basic types.

use thiserror::Error;

/// Why a text is not an identifier.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum IdError {
    /// It has too few octets.
    #[error("identifier is too short")]
    TooShort,
    /// It has too many octets.
    #[error("identifier is too long")]
    TooLong,
    /// It has an octet that is not allowed there.
    #[error("unexpected octet at {offset} in identifier")]
    Unexpected {
        /// Where.
        offset: usize,
    },
}

/// Why a text is not an MSRP URI.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("{kind} at octet {offset} of MSRP URI")]
#[non_exhaustive]
pub struct UriError {
    /// What is wrong.
    pub kind: UriErrorKind,
    /// Where.
    pub offset: usize,
}

/// What is wrong with an MSRP URI.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum UriErrorKind {
    /// The scheme is neither `msrp` nor `msrps`.
    #[error("unknown scheme")]
    Scheme,
    /// The part before `@` is not well formed.
    #[error("malformed user information")]
    User,
    /// The host is missing or not well formed.
    #[error("malformed host")]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("malformed port")]
    Port,
    /// The session identifier is not well formed.
    #[error("malformed session identifier")]
    SessionId,
    /// The transport parameter is missing.
    #[error("missing transport")]
    MissingTransport,
    /// A parameter is not well formed.
    #[error("malformed parameter")]
    Parameter,
    /// It is longer than [`Uri::MAX`](crate::Uri::MAX).
    #[error("too many octets")]
    TooLong,
}
