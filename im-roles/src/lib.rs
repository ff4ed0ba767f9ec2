//! The behaviour of an instant messaging service, sans-IO: Participating, Controlling, Deferred, XDMS and Client roles,
//! and the node that composes them.
#![forbid(unsafe_code)]

pub mod client;
pub mod config;
pub mod controlling;
pub mod deferred;
#[cfg(feature = "driver")]
pub mod driver;
pub mod effect;
pub mod flow;
pub mod machine;
mod message;
pub mod node;
pub mod participating;
pub mod signal;
mod wall_clock;
mod warning;
pub mod xdms;

pub use wall_clock::WallClock;
pub use warning::ServiceWarning;
