//! Registration, at both ends (RFC 3261 section 10, RFC 3327, RFC 3608, RFC 5626, RFC 5627).
//!
//! [`Registrar`] keeps the bindings of many addresses of record; [`Registration`] keeps one alive at a client.

mod binding;
mod client;
mod config;
mod gruu;
mod instances;
mod recovery;
mod registrar;
mod rules;

pub use binding::{Binding, RegisterOutcome};
pub use client::{Registration, RegistrationState};
pub use config::{Config, ContactChange, RegistrarEvent};
pub(crate) use recovery::spread;
pub use recovery::{Recovery, RecoveryConfig};
pub use registrar::Registrar;
