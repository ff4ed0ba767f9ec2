//! The behaviour of an instant messaging service, sans-IO: Participating, Controlling, Deferred, XDMS and Client roles,
//! and the node that composes them.
#![forbid(unsafe_code)]

pub mod config;
pub mod effect;
pub mod flow;
pub mod machine;
pub mod signal;
mod wall_clock;
mod warning;

pub use wall_clock::WallClock;
pub use warning::ServiceWarning;
