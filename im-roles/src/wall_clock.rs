//! Dates on the wire, from a reading of the host's calendar clock.

use std::time::{Duration, Instant};

/// One reading of the host's calendar clock, from which dates at other instants follow.
///
/// The host gives one at construction and re-anchors it whenever it learns that its calendar clock was set.
///
/// ```
/// use std::time::{Duration, Instant};
/// let at = Instant::now();
/// let clock = im_roles::WallClock::new(at, Duration::from_secs(1_700_000_000));
/// assert_eq!(clock.unix(at + Duration::from_secs(5)), Duration::from_secs(1_700_000_005));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WallClock {
    at: Instant,
    unix: Duration,
}

impl WallClock {
    /// At the instant `at` it was `unix` after 1970-01-01T00:00:00Z.
    pub fn new(at: Instant, unix: Duration) -> Self {
        Self { at, unix }
    }

    /// The time since 1970-01-01T00:00:00Z at the instant `now`, which may also lie before the reading.
    pub fn unix(&self, now: Instant) -> Duration {
        match now.checked_duration_since(self.at) {
            Some(later) => self.unix.saturating_add(later),
            None => self.unix.saturating_sub(self.at.saturating_duration_since(now)),
        }
    }

    /// The instant at which it will be `unix` after 1970-01-01T00:00:00Z; the reading's own instant if that is past.
    pub fn instant(&self, unix: Duration) -> Instant {
        let ahead = unix.saturating_sub(self.unix);
        self.at.checked_add(ahead).unwrap_or(self.at)
    }
}
