//! One message in one datagram, or in one WebSocket message (RFC 7118).

use bytes::Bytes;

use super::error::MessageError;
use super::frame::Frame;
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
    let mut frame = Frame::new();
    frame.read(datagram, limits)?;
    frame.into_message()
}
