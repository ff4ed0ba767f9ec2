//! The host's clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use im_roles::WallClock;

/// Reads the calendar clock; a clock set before 1970 counts as 1970.
pub fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// One reading of the calendar clock, as the library takes it.
pub fn wall_clock() -> WallClock {
    WallClock::new(Instant::now(), unix_now())
}
