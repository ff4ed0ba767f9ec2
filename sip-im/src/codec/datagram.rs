//! One message in one datagram, or in one WebSocket message (RFC 7118).

use bytes::Bytes;

use super::error::{MessageError, MessageErrorKind, Place};
use super::head;
use super::limits::Limits;
use crate::message::Message;

/// Reads the message of a datagram.
///
/// Octets after the body that `Content-Length` gives are dropped; without that field the body goes to the end.
///
/// ```
/// use bytes::Bytes;
/// use sip_im::codec::{Limits, parse_datagram};
/// use sip_im::{Message, Method};
/// let octets = Bytes::from_static(
///     b"MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n\
///       From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: x\r\nCSeq: 1 MESSAGE\r\n\
///       Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nHi",
/// );
/// let Message::Request(request) = parse_datagram(octets.clone(), &Limits::default())? else { panic!() };
/// assert_eq!(request.method(), &Method::Message);
/// assert_eq!(request.to_bytes(), octets);
/// # Ok::<(), sip_im::codec::MessageError>(())
/// ```
///
/// # Errors
///
/// Fails with what is wrong, where, and with the answer that a request is given.
pub fn parse_datagram(datagram: Bytes, limits: &Limits) -> Result<Message, MessageError> {
    let Some(end) = head::find_end(&datagram).map(|at| at.saturating_add(4)) else {
        let too_large = datagram.len() > limits.head_octets;
        let kind = if too_large {
            MessageErrorKind::HeadTooLarge
        } else {
            MessageErrorKind::Incomplete
        };
        return Err(MessageError::new(kind, Place::HeaderLine, datagram.len()));
    };
    let mut body = datagram;
    let head = body.split_to(end.min(body.len()));
    let start = head.len();
    let head = head::scan(&head, limits)?;
    let available = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let length = match head.content_length() {
        Ok(length) => length.unwrap_or(available),
        Err(error) => return Err(head.with_reply(error)),
    };
    //= https://www.rfc-editor.org/rfc/rfc3261#section-18.3
    //# If the transport packet ends before the end of the message body, this is
    //# considered an error.
    let body = match usize::try_from(length) {
        Ok(length) if length > limits.body_octets => {
            return Err(head.with_reply(MessageError::new(
                MessageErrorKind::BodyTooLarge,
                Place::Body,
                start,
            )));
        }
        Ok(length) if length <= body.len() => body.slice(..length),
        _ => {
            let error = MessageError::new(
                MessageErrorKind::Incomplete,
                Place::Body,
                start.saturating_add(body.len()),
            );
            return Err(head.with_reply(error));
        }
    };
    head.into_message(body)
}
