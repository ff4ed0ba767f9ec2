//! A node as its host sees it: octets and answers in, octets, effects and events out, in virtual time.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; one reading of the clock is the epoch of virtual time"
)]

mod authentication;
mod deferral;
mod delivery;
mod documents;
mod laws;
mod network;
mod presence;
mod sessions;
mod world;
