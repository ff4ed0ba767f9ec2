//! Registration, at both ends (RFC 3261 section 10, RFC 3327, RFC 5626).
//!
//! [`Registrar`] keeps the bindings of many addresses of record; [`Registration`] keeps one alive at a client.

mod binding;
mod client;
mod registrar;

pub use binding::{Binding, RegisterOutcome};
pub use client::{Registration, RegistrationState};
pub use registrar::{Config, Registrar, RegistrarEvent};
