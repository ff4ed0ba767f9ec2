//! A message that is cut into its lines, in room that is used again.

use bytes::{BufMut, Bytes, BytesMut};

use super::error::{MessageError, MessageErrorKind, Place};
use super::head::{Head, content_length};
use super::limits::Limits;
use super::lines::Scanner;
use super::salvage;
use crate::header::Headers;
use crate::message::Message;

/// A message that is cut into its lines, and not read further.
///
/// For hosts that look at a message and pass it on: start line, header fields and body are found, every octet of the head is
/// checked, and nothing is allocated once a frame has seen a few messages. What the header fields say is read on demand,
/// with [`Headers::view`] in place. [`Frame::into_message`] reads what every message must have.
///
/// ```
/// use bytes::Bytes;
/// use sip_im::codec::{Frame, Limits};
/// use sip_im::header::{CSeq, Via};
/// let mut frame = Frame::new();
/// let octets = Bytes::from_static(
///     b"OPTIONS sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\nCSeq: 1 OPTIONS\r\nl: 0\r\n\r\n",
/// );
/// frame.read(octets, &Limits::default())?;
/// assert_eq!(frame.start_line(), "OPTIONS sip:bob@example.com SIP/2.0");
/// assert_eq!(frame.headers().view::<CSeq>()?.map(|cseq| cseq.seq), Some(1));
/// assert_eq!(frame.headers().views::<Via>().count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Frame {
    head: Head,
}

impl Frame {
    /// A frame with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cuts the message of a datagram into its lines, in place of what the frame had.
    ///
    /// Octets after the body that `Content-Length` gives are dropped; without that field the body goes to the end.
    ///
    /// # Errors
    ///
    /// Fails with what is wrong, where, and with the answer that a request is given. The frame is empty then.
    pub fn read(&mut self, mut datagram: Bytes, limits: &Limits) -> Result<(), MessageError> {
        let headers = &mut self.head.headers;
        let table = headers.clear();
        table.reserve(limits.header_lines.min(32));
        let mut scanner = Scanner::default();
        let start = match scanner.advance(&datagram, table, limits) {
            Ok(Some(start)) => start,
            result => {
                self.clear();
                let kind = MessageErrorKind::Incomplete;
                result.map_err(|error| salvage::with_reply(&datagram, error, limits))?;
                return Err(MessageError::new(kind, Place::HeaderLine, datagram.len()));
            }
        };
        let length = content_length(table, &datagram);
        let fail = |kind, at| Err(MessageError::new(kind, Place::Body, at));
        let available = datagram.len().saturating_sub(start);
        let length = match length {
            Ok(None) if available > limits.body_octets => fail(MessageErrorKind::BodyTooLarge, start),
            Ok(None) => Ok(available),
            Ok(Some(length)) => match usize::try_from(length) {
                Ok(length) if length > limits.body_octets => fail(MessageErrorKind::BodyTooLarge, start),
                Ok(length) if length <= available => Ok(length),
                //= https://www.rfc-editor.org/rfc/rfc3261#section-18.3
                //# If the transport packet ends before the end of the message body, this is
                //# considered an error.
                _ => fail(MessageErrorKind::Incomplete, datagram.len()),
            },
            Err(error) => Err(error),
        };
        let end = start.saturating_add(*length.as_ref().unwrap_or(&0));
        datagram.truncate(end);
        headers.set_block(datagram);
        (self.head.start, self.head.body) = (scanner.start(), start);
        match length {
            Ok(_) => Ok(()),
            Err(error) => {
                let error = self.head.with_reply(error);
                self.clear();
                Err(error)
            }
        }
    }

    /// An error of the message with the answer to it.
    pub(super) fn refused(&self, error: MessageError) -> MessageError {
        self.head.with_reply(error)
    }

    /// Lets go of the message, and keeps the room.
    pub fn clear(&mut self) {
        self.head.headers.clear();
        (self.head.start, self.head.body) = (0, 0);
    }

    /// Takes the room of a message that is done with.
    pub fn reuse(&mut self, message: Message) {
        self.head.headers = message.into_headers();
        self.clear();
    }

    /// The request line or status line.
    pub fn start_line(&self) -> &str {
        self.head.start_line()
    }

    /// The header fields.
    pub fn headers(&self) -> &Headers {
        &self.head.headers
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        self.octets().get(self.head.body..).unwrap_or_default()
    }

    /// All octets of the message, as they came in.
    pub fn octets(&self) -> &Bytes {
        self.head.headers.block()
    }

    /// Appends the message as it came in.
    pub fn write(&self, out: &mut BytesMut) {
        out.put_slice(self.octets());
    }

    /// Reads what every message must have, and makes the message.
    ///
    /// # Errors
    ///
    /// As [`parse_datagram`](super::parse_datagram).
    pub fn into_message(self) -> Result<Message, MessageError> {
        self.head.into_message()
    }
}
