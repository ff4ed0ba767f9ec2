//! What a client or server of IMS does beyond plain SIP, as procedures: the host has the keys, the SIM and the compressor.
//!
//! | file | what |
//! |---|---|
//! | `aka` | digest with AKA (RFC 3310, RFC 4169) |
//! | `security` | the agreement on a security mechanism (RFC 3329) |
//! | `case` | whom a request is served for, and in which case (RFC 5502) |
//! | `compression` | what is to be compressed (RFC 3486) |
//! | `feature` | which services a contact or a request names (RFC 3840, RFC 6050) |

mod aka;
mod base64;
mod case;
mod compression;
mod feature;
mod security;

pub use aka::{AkaChallenge, AkaError, AkaKeys, AkaResult, AkaVector, AkaVerdict};
pub use case::{ServedUser, SessionCase, served_user};
pub use compression::{Compressor, DecompressError, ask_for_compression, asks_for_compression};
pub use feature::Services;
pub use security::{SecurityAgreement, SecurityCheck, SecurityError, SecurityPolicy};
