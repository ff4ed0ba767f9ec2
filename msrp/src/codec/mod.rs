//! Octets to frames and back.
//!
//! A [`Decoder`] cuts a stream into heads, pieces of bodies, and ends. It never gathers a chunk: pieces are slices of
//! what was pushed. Framing stands by itself: a head that is not well formed costs its own message only, and what a
//! head says about lengths plays no part in where a message ends.

mod encode;
mod framer;
mod head;
mod last;
mod limits;
mod line;

pub(crate) use encode::{between, end_line_after_body, raw_header};
pub use encode::{end_line, header, request_line, response_line};
pub use framer::{DecodeError, Decoder, Frame};
pub use head::{Defect, Head, StartLine};
pub use limits::{Leniency, Limits};

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

impl Continuation {
    /// Returns the flag as it is written.
    pub const fn flag(self) -> char {
        match self {
            Self::Complete => '$',
            Self::More => '+',
            Self::Aborted => '#',
        }
    }

    const fn of(octet: u8) -> Option<Self> {
        match octet {
            b'$' => Some(Self::Complete),
            b'+' => Some(Self::More),
            b'#' => Some(Self::Aborted),
            _ => None,
        }
    }
}

/// The name of the WebSocket subprotocol (RFC 7977 section 4.1), which the host negotiates in the handshake.
//= https://www.rfc-editor.org/rfc/rfc7977#section-4.1
//# The Client MUST
//# include the value "msrp" in the Sec-WebSocket-Protocol header in its
//# handshake request.
pub const WEBSOCKET_SUBPROTOCOL: &str = "msrp";

/// Seven of these begin an end-line.
pub(crate) const DASHES: &[u8; 7] = b"-------";
