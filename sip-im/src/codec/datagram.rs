//! One message in one datagram, or in one WebSocket message (RFC 7118).

use bytes::Bytes;

use super::error::{MessageError, MessageErrorKind, Place};
use super::frame::Frame;
use super::limits::Limits;
use crate::error::ParseErrorKind;
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
    let mut frame = Frame::new();
    frame.read(datagram, limits)?;
    frame.into_message()
}

/// Reads the message of a WebSocket message (RFC 7118 5).
///
/// It is read as a datagram is, but that nothing may follow it: where the length of the WebSocket message and that of the SIP
/// message differ, two readers could see different messages.
///
/// ```
/// use bytes::Bytes;
/// use sip_im::codec::{Limits, parse_websocket};
/// let octets = Bytes::from_static(
///     b"MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK1\r\n\
///       From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: x\r\nCSeq: 1 MESSAGE\r\n\r\nHi",
/// );
/// assert_eq!(parse_websocket(octets, &Limits::default())?.body().as_ref(), b"Hi");
/// # Ok::<(), sip_im::codec::MessageError>(())
/// ```
///
/// # Errors
///
/// As [`parse_datagram`], and with [`ParseErrorKind::TrailingText`] when the body ends before the WebSocket message does.
//= https://www.rfc-editor.org/rfc/rfc7118#section-5
//# Each SIP message MUST be carried within a single WebSocket message,
//# and a WebSocket message MUST NOT contain more than one SIP message.
pub fn parse_websocket(message: Bytes, limits: &Limits) -> Result<Message, MessageError> {
    let mut frame = Frame::new();
    let end = message.len();
    frame.read(message, limits)?;
    if frame.octets().len() < end {
        let kind = MessageErrorKind::Syntax(ParseErrorKind::TrailingText);
        return Err(frame.refused(MessageError::new(kind, Place::Body, frame.octets().len())));
    }
    frame.into_message()
}
