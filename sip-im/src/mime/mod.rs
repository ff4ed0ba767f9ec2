//! Bodies: dispositions, several parts in one body (RFC 2046 5.1, RFC 2387, RFC 5621), and content that is somewhere else
//! (RFC 4483).

mod external;
mod multipart;
mod nested;
mod part;

pub use external::{ExternalBody, ExternalError};
pub use msrp::header::content::ContentDisposition;
pub use multipart::{Multipart, MultipartBuilder, MultipartKind, body_parts};
pub use nested::leaf_parts;
pub use part::Part;

use crate::error::ParseErrorKind;

/// The size of what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Parts of one multipart body; where parts are cut further, those of all its levels together. Default 64.
    pub parts: usize,
    /// Multipart bodies inside one another, the outermost one counted. Default 4.
    pub depth: usize,
    /// Octets of the header fields of one part. Default 16,384.
    pub head_octets: usize,
    /// Header field lines of one part. Default 32.
    pub header_lines: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            parts: 64,
            depth: 4,
            head_octets: 16_384,
            header_lines: 32,
        }
    }
}

/// Why a multipart body cannot be read or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
#[non_exhaustive]
pub struct MultipartError {
    /// What is wrong.
    pub kind: MultipartErrorKind,
    /// Octets from the start of the body.
    pub offset: usize,
}

/// What is wrong with a multipart body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MultipartErrorKind {
    /// The type is not `multipart`.
    #[error("not a multipart type")]
    NotMultipart,
    /// There is no boundary, or it is not one (RFC 2046 5.1.1).
    #[error("missing or invalid boundary")]
    Boundary,
    /// The body has no part.
    #[error("no part")]
    NoPart,
    /// The closing delimiter is missing.
    #[error("missing closing delimiter")]
    Unterminated,
    /// A header field of a part is malformed.
    #[error("{0}")]
    Header(ParseErrorKind),
    /// The root that the `start` parameter names is not there, or has not the type that `type` says (RFC 2387 3).
    #[error("no such root")]
    Root,
    /// There are more parts, or they are nested deeper, than the limits allow.
    #[error("limit exceeded")]
    LimitExceeded,
}

impl MultipartError {
    pub(crate) fn new(kind: MultipartErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }
}

#[cfg(test)]
mod tests;
