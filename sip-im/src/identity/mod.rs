//! Who sent a request, and what of that may be told to whom (RFC 3323, 3325, 5876).
//!
//! [`asserted_identity`] and [`asserted_by_authentication`] are the only readers of who a request is from. From, Remote-Party-ID
//! and the like are never taken for an identity: where two elements read one message differently, someone else can be
//! impersonated.

mod asserted;
mod boundary;
mod history;
mod preferred;
mod privacy;
mod service;

pub use asserted::{IdentityError, Originator, Trust, asserted_by_authentication, asserted_identity};
pub use boundary::{Crossing, cross_boundary, cross_boundary_response, crossing};
pub use preferred::{identities_to_assert, preferred_identities};
pub use privacy::{anonymise, anonymous_from, anonymous_uri, is_anonymous_form, wants_anonymity};
pub use service::{PrivacyError, check_privacy, serve_privacy};

#[cfg(test)]
mod tests;
