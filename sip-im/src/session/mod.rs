//! Sessions (RFC 3261 sections 13 to 15): their states at either end, and their timers.

mod figure;
mod refresh;

pub use figure::{SessionInput, SessionState, Side};
pub use refresh::{Granted, IntervalTooSmall, SHORTEST_INTERVAL, SessionTimer, TimerConfig, refresher};
