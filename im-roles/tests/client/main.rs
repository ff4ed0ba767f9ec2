//! The client against a scripted server: SIP and MSRP as octets, in virtual time.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod coding;
mod laws;
mod messages;
mod registration;
mod roster;
mod sessions;
mod watching;
mod world;
