//! A node and real clients, with nothing between them but a network of octets in virtual time.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; one reading of the clock is the epoch of virtual time"
)]

mod messages;
mod world;
