//! Digest authentication over SIP (RFC 3261 section 22, RFC 7616, RFC 8760): the state that both ends keep.
//!
//! The grammar and the computation are [`crate::digest`]'s. [`Authenticator`] challenges and checks, for SIP as for HTTP;
//! [`Authentication`] answers challenges.

mod authenticator;
mod client;

pub use authenticator::{Authenticator, Config, Refusal, Verdict};
pub use client::{Authentication, AuthenticationError};
