//! The Message Session Relay Protocol, sans-IO: wire format, connections, sessions and the CPIM envelope.
//!
//! Nothing here opens a socket, reads a clock or makes a random number: a host gives octets, instants and entropy, and
//! takes octets, events and deadlines.
//!
//! | what | module | where it is specified |
//! |---|---|---|
//! | URIs of sessions | [`Uri`] | RFC 4975 section 6 |
//! | framing, heads, end-lines | [`codec`] | RFC 4975 sections 5, 7 and 9 |
//! | headers | [`header`] | RFC 4975 section 7, RFC 4976 section 6, RFC 7701 section 7 |
//! | connections and sessions | [`endpoint`] | RFC 4975 sections 5.4, 7.1 to 7.3, RFC 6135, 6714, 7977 |
//! | relays | [`relay`] | RFC 4976, RFC 7977 |
//! | the envelope of messages in rooms | [`cpim`] | RFC 3862, RFC 5438 |
//! | certificates of peers | [`tls`] | RFC 4975 sections 5.4 and 14.4, RFC 8122 |
//! | digest authentication, which SIP and HTTP use too | [`digest`] | RFC 7616 |
//!
//! [`endpoint::Endpoint`] is the machine; its documentation shows how a host drives it.
#![forbid(unsafe_code)]

pub mod codec;
mod connection;
pub mod cpim;
pub mod digest;
pub mod endpoint;
mod error;
pub mod header;
mod id;
mod method;
pub mod relay;
mod status;
mod text;
pub mod tls;
mod uri;

pub use error::{IdError, UriError, UriErrorKind};
pub use id::{MessageId, SessionId, TransactionId};
pub use method::Method;
pub use status::StatusCode;
pub use text::ByteStr;
pub use uri::{Uri, UriRef};

/// A source of randomness: fills what it is given with octets that cannot be guessed.
pub type Entropy = Box<dyn FnMut(&mut [u8]) + Send>;

/// Names a connection; the host chooses the number, and does not use it again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_structs, reason = "it is a number")]
pub struct ConnectionId(pub u64);
