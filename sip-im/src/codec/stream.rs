//! The messages of a byte stream (RFC 3261 18.3, RFC 5626 4.4.1).

use bytes::{Bytes, BytesMut};

use super::error::{MessageError, MessageErrorKind, Place};
use super::head::{Head, content_length};
use super::limits::Limits;
use super::lines::Scanner;
use crate::header::{HeaderName, Headers, Table};
use crate::message::{Message, Response};

/// Finds the messages of a byte stream, however it was cut.
///
/// A malformed message costs that message only, as long as its end is known. Where it is not (a bare CR or LF among the
/// header lines, no or no single `Content-Length`, too large), nothing after it can be trusted: the decoder fails for good, and
/// the connection has to be closed.
///
/// ```
/// use bytes::Bytes;
/// use sip_im::codec::{Limits, StreamDecoder, StreamItem};
/// let mut decoder = StreamDecoder::new(Limits::default());
/// decoder.push(Bytes::from_static(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP a.example;branch=z9hG4bK1\r\nFrom: <sip:a@a>;tag=1\r\n"));
/// assert!(decoder.next()?.is_none());
/// decoder.push(Bytes::from_static(b"To: <sip:b@b>;tag=2\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"));
/// assert!(matches!(decoder.next()?, Some(StreamItem::Message(_))));
/// # Ok::<(), sip_im::codec::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct StreamDecoder {
    limits: Limits,
    buffer: BytesMut,
    /// How far the head of the next message is read, and its lines.
    scanner: Scanner,
    table: Table,
    /// The length of the head, once it is whole, and of its message.
    waiting: Option<(usize, usize)>,
    /// The last thing that was read is one CRLF.
    after_crlf: bool,
    failed: Option<MessageError>,
}

/// What a stream carries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StreamItem {
    /// A message.
    Message(Message),
    /// A message that is refused; the next one follows.
    Malformed {
        /// What is wrong.
        error: MessageError,
        /// The answer, if the message is a request that can be answered.
        reply: Option<Response>,
    },
    /// The second of two CRLFs on end: a keep-alive that wants a single CRLF as answer.
    Ping,
    /// A CRLF between messages. It is the answer to a keep-alive, or the first half of one: the two cannot be told apart before
    /// more octets come, and waiting for them would make an answer late.
    Pong,
}

/// Why a stream can no longer be read; close the connection.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{error}")]
#[non_exhaustive]
pub struct DecodeError {
    /// What is wrong, with the last answer to give before closing.
    pub error: MessageError,
}

impl StreamDecoder {
    /// A decoder at the start of a stream.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            buffer: BytesMut::new(),
            scanner: Scanner::default(),
            table: Table::default(),
            waiting: None,
            after_crlf: false,
            failed: None,
        }
    }

    /// Takes what was read.
    pub fn push(&mut self, data: Bytes) {
        if self.failed.is_some() {
            return;
        }
        if self.buffer.is_empty() {
            // Octets that nobody else holds are taken over without a copy.
            self.buffer = data
                .try_into_mut()
                .unwrap_or_else(|data| BytesMut::from(data.as_ref()));
        } else {
            self.buffer.extend_from_slice(&data);
        }
    }

    /// The next message. `None` asks for more octets.
    ///
    /// # Errors
    ///
    /// Fails when the stream cannot be read on; each later call fails as well.
    #[expect(
        clippy::should_implement_trait,
        reason = "`None` asks for more, and does not end the stream"
    )]
    pub fn next(&mut self) -> Result<Option<StreamItem>, DecodeError> {
        if let Some(error) = &self.failed {
            return Err(DecodeError { error: error.clone() });
        }
        match self.advance() {
            Ok(item) => Ok(item),
            Err(error) => {
                self.failed = Some(error.clone());
                self.buffer = BytesMut::new();
                self.table = Table::default();
                self.waiting = None;
                Err(DecodeError { error })
            }
        }
    }

    /// Has a message begun that is not complete?
    pub fn is_incomplete(&self) -> bool {
        self.failed.is_none() && !self.buffer.is_empty()
    }

    /// How many octets wait for the rest of their message, those of a whole head not counted; bounded by the limits and by what one `push` brought.
    pub fn buffered(&self) -> usize {
        let head = self.waiting.map_or(0, |(head, _)| head);
        self.buffer.len().saturating_sub(head)
    }

    fn advance(&mut self) -> Result<Option<StreamItem>, MessageError> {
        let (head, total) = if let Some(waiting) = self.waiting {
            waiting
        } else {
            //= https://www.rfc-editor.org/rfc/rfc3261#section-7.5
            //# Implementations processing SIP messages over stream-oriented
            //# transports MUST ignore any CRLF appearing before the start-line
            if self.buffer.starts_with(b"\r\n") {
                let _ = self.buffer.split_to(2);
                self.after_crlf = !self.after_crlf;
                return Ok(Some(if self.after_crlf {
                    StreamItem::Pong
                } else {
                    StreamItem::Ping
                }));
            }
            match self.find_head()? {
                Some(found) => found,
                None => return Ok(None),
            }
        };
        if self.buffer.len() < total {
            self.waiting = Some((head, total));
            return Ok(None);
        }
        self.after_crlf = false;
        let head = self.take(head, total);
        Ok(Some(match head.into_message() {
            Ok(message) => StreamItem::Message(message),
            Err(error) => StreamItem::Malformed {
                reply: error.reply().cloned(),
                error,
            },
        }))
    }

    fn find_head(&mut self) -> Result<Option<(usize, usize)>, MessageError> {
        // A lone CR may be the first half of a keep-alive.
        if self.buffer.is_empty() || self.buffer.as_ref() == b"\r" {
            return Ok(None);
        }
        self.table.reserve(self.limits.header_lines.min(32));
        let Some(length) = self
            .scanner
            .advance(&self.buffer, &mut self.table, &self.limits)?
        else {
            return Ok(None);
        };
        let body = match content_length(&self.table, &self.buffer) {
            Ok(Some(body)) => body,
            //= https://www.rfc-editor.org/rfc/rfc3261#section-20.14
            //# If a stream-based protocol (such as TCP) is used as
            //# transport, the header field MUST be used.
            Ok(None) => {
                let place = Place::Header(HeaderName::CONTENT_LENGTH);
                let error = MessageError::new(MessageErrorKind::Missing, place, length);
                return Err(self.take(length, length).with_reply(error));
            }
            Err(error) => return Err(self.take(length, length).with_reply(error)),
        };
        match usize::try_from(body) {
            Ok(body) if body <= self.limits.body_octets => Ok(Some((length, length.saturating_add(body)))),
            _ => {
                let error = MessageError::new(MessageErrorKind::BodyTooLarge, Place::Body, length);
                Err(self.take(length, length).with_reply(error))
            }
        }
    }

    /// Takes the message of this length off the buffer.
    fn take(&mut self, head: usize, total: usize) -> Head {
        let octets = self.buffer.split_to(total.min(self.buffer.len())).freeze();
        let start = self.scanner.start();
        (self.scanner, self.waiting) = (Scanner::default(), None);
        Head {
            start,
            body: head,
            headers: Headers::received(octets, core::mem::take(&mut self.table)),
        }
    }
}
