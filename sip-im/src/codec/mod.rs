//! From octets to messages.
//!
//! [`parse_datagram`] reads what came in one datagram, [`parse_websocket`] what came in one WebSocket message;
//! [`StreamDecoder`] finds the messages of a
//! byte stream. Both take a head apart with the same code and the same strictness: lines end in CRLF and in nothing else, a
//! message has one `Content-Length`, the fields that every transaction needs are there once and well formed. What else a
//! message carries is checked when it is read as a type.
//!
//! Reading has two levels, for hosts that count nanoseconds. A [`Frame`] is cut into lines in one pass and no further;
//! [`view`] has the header fields of every hop as borrowed values. Neither allocates.

mod datagram;
mod error;
mod frame;
mod head;
mod limits;
mod lines;
mod salvage;
mod stream;
#[cfg(test)]
mod tests;
pub mod view;

pub use datagram::{parse_datagram, parse_websocket};
pub use error::{MessageError, MessageErrorKind, Place};
pub use frame::Frame;
pub(crate) use head::scan_fields;
pub use limits::Limits;
pub use stream::{DecodeError, StreamDecoder, StreamItem};
