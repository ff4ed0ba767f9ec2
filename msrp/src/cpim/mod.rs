//! The CPIM envelope, `message/cpim` (RFC 3862), and the IMDN header fields that ride in it (RFC 5438 10).
//!
//! An envelope is a block of message header fields, a block of MIME header fields, and the content. Fields keep their
//! order and spelling, so that what nobody changes is written back octet for octet. Names are case-sensitive here, as
//! RFC 3862 3 demands, but those of the MIME block are not.
//!
//! ```
//! use bytes::Bytes;
//! use msrp::cpim::Message;
//! use msrp::header::content::ContentType;
//!
//! let message = Message::builder()
//!     .from(Some("Alice"), "sip:alice@example.com")
//!     .to(None, "sip:bob@example.com")
//!     .content(ContentType::text_plain(), Bytes::from_static(b"Hello"))
//!     .build()?;
//! let read = Message::parse(&message.to_bytes())?;
//! assert_eq!(read.from().map(|address| address.uri.to_string()).as_deref(), Some("sip:alice@example.com"));
//! assert_eq!(read.content(), &Bytes::from_static(b"Hello"));
//! # Ok::<(), msrp::cpim::CpimError>(())
//! ```

mod build;
mod datetime;
mod field;
mod head;
mod parser;
mod value;

use std::fmt;
use std::ops::Deref;

use bytes::{BufMut, Bytes, BytesMut};

pub use build::Builder;
pub use datetime::{DateTime, DateTimeError};
pub use field::Field;
pub use head::Head;
pub use parser::{HeadParser, Progress};
pub use value::{Address, DispositionNotification, Subject};

/// The namespace of the header fields of RFC 3862.
pub const CPIM_NAMESPACE: &str = "urn:ietf:params:cpim-headers:";
/// The namespace of the header fields of RFC 5438.
pub const IMDN_NAMESPACE: &str = "urn:ietf:params:imdn";

/// Bounds on the two header blocks; the content is bounded by what carries the envelope.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Octets of both header blocks together. Default: 16 KiB.
    pub head_octets: usize,
    /// Fields of both header blocks together. Default: 128.
    pub fields: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_octets: 16 * 1024,
            fields: 128,
        }
    }
}

/// Why an envelope could not be read or built.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
#[non_exhaustive]
pub struct CpimError {
    /// What is wrong.
    pub kind: CpimErrorKind,
    /// Where, in octets from the start of the envelope; 0 when it was to be built.
    pub offset: usize,
}

/// What is wrong with an envelope.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CpimErrorKind {
    /// The octets end within a header block.
    #[error("incomplete header block")]
    Incomplete,
    /// The header blocks are larger than the limit.
    #[error("header block too large")]
    TooLarge,
    /// There are more fields than the limit.
    #[error("too many header fields")]
    TooMany,
    /// A line is not a header field.
    #[error("malformed header field")]
    Field,
    /// A line has a control character, or a bare CR or LF, in it.
    #[error("control character")]
    Control,
    /// A line is not UTF-8.
    #[error("not utf-8")]
    Encoding,
    /// A prefix is used before it is declared.
    #[error("undeclared namespace prefix")]
    Prefix,
    /// A field's value is not of its form.
    #[error("malformed header field value")]
    Value,
    /// A field that may be there once is there twice.
    #[error("repeated header field")]
    Repeated,
    /// The content has no media type.
    #[error("no content type")]
    NoContentType,
}

/// An envelope with its content.
#[derive(Clone, Eq, PartialEq)]
pub struct Message {
    head: Head,
    content: Bytes,
}

impl Message {
    /// Starts an envelope that cannot come out malformed.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Reads a whole envelope, with the default [`Limits`].
    ///
    /// # Errors
    ///
    /// Fails when a header block is malformed, incomplete or too large, or the content has no media type.
    pub fn parse(octets: &Bytes) -> Result<Self, CpimError> {
        Self::parse_with(octets, Limits::default())
    }

    /// Reads a whole envelope.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse).
    pub fn parse_with(octets: &Bytes, limits: Limits) -> Result<Self, CpimError> {
        let mut parser = HeadParser::new(limits);
        match parser.push(octets)? {
            Progress::Done { head, consumed } => Ok(Self {
                head: *head,
                content: octets.slice(consumed.min(octets.len())..),
            }),
            Progress::NeedMore => Err(CpimError {
                kind: CpimErrorKind::Incomplete,
                offset: octets.len(),
            }),
        }
    }

    pub(super) fn new(head: Head, content: Bytes) -> Self {
        Self { head, content }
    }

    /// The two header blocks.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The content, as it is.
    pub fn content(&self) -> &Bytes {
        &self.content
    }

    /// The envelope as octets; those that were read, if it was read and not changed.
    pub fn to_bytes(&self) -> Bytes {
        let head = self.head.to_bytes();
        let mut octets = BytesMut::with_capacity(head.len().saturating_add(self.content.len()));
        octets.put(head);
        octets.put_slice(&self.content);
        octets.freeze()
    }
}

/// The fields are those of the head.
impl Deref for Message {
    type Target = Head;
    fn deref(&self) -> &Head {
        &self.head
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("head", &self.head)
            .field("content_octets", &self.content.len())
            .finish()
    }
}

#[cfg(test)]
mod tests;
