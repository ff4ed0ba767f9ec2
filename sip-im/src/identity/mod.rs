//! Who sent a request, and what of that may be told to whom (RFC 3323, 3325, 5876).
//!
//! [`asserted_identity`] and [`asserted_by_authentication`] are the only readers of who a request is from. From, Remote-Party-ID
//! and the like are never taken for an identity: where two elements read one message differently, someone else can be
//! impersonated.

mod asserted;
mod privacy;
mod service;

pub use asserted::{IdentityError, Originator, Trust, asserted_by_authentication, asserted_identity};
pub use privacy::{anonymise, cross_boundary, cross_boundary_response, wants_anonymity};
pub use service::{PrivacyError, serve_privacy};

#[cfg(test)]
mod tests;
