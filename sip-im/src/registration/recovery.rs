//! How long to wait before a flow that failed is formed again (RFC 5626 section 4.5).

use core::time::Duration;

use crate::Entropy;

/// The times of RFC 5626 section 4.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryConfig {
    /// `base-time` if all flows have failed. 30 s.
    pub base_all_failed: Duration,
    /// `base-time` if some flow has not failed. 90 s.
    pub base_some_left: Duration,
    /// `max-time`. 1800 s.
    pub longest: Duration,
}

impl Default for RecoveryConfig {
    fn default() -> Self {
        Self {
            base_all_failed: Duration::from_secs(30),
            base_some_left: Duration::from_secs(90),
            longest: Duration::from_secs(1800),
        }
    }
}

/// Counts the failures of one flow, and tells how long to wait after each.
///
/// ```
/// use std::time::Duration;
/// use sip_im::registration::{Recovery, RecoveryConfig};
/// let mut entropy: sip_im::Entropy = Box::new(|octets: &mut [u8]| octets.fill(255));
/// let mut recovery = Recovery::new(RecoveryConfig::default());
/// let wait = recovery.failed(true, None, &mut entropy);
/// assert!(wait >= Duration::from_secs(30) && wait <= Duration::from_secs(60));
/// recovery.succeeded();
/// assert_eq!(recovery.failures(), 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    config: RecoveryConfig,
    failures: u32,
}

impl Recovery {
    /// Begins without a failure.
    pub fn new(config: RecoveryConfig) -> Self {
        Self { config, failures: 0 }
    }

    /// Consecutive failures.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The flow is registered, and has answered a keep-alive if any are sent.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// The flow could not be formed or registered, or has failed; `retry_after` is what a 503 asked for. Gives how long to wait.
    ///
    //= https://www.rfc-editor.org/rfc/rfc5626#section-4.5
    //# W = min (max-time, (base-time * (2 ^ consecutive-failures)))
    //= https://www.rfc-editor.org/rfc/rfc5626#section-4.5
    //# The actual amount of time the UA waits before retrying
    //# registration (the retry delay time) is computed by selecting a
    //# uniform random time between 50 and 100% of the upper-bound wait time.
    pub fn failed(&mut self, all: bool, retry_after: Option<Duration>, entropy: &mut Entropy) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let base = if all {
            self.config.base_all_failed
        } else {
            self.config.base_some_left
        };
        let bound = 1_u32
            .checked_shl(self.failures)
            .map_or(self.config.longest, |factor| base.saturating_mul(factor))
            .min(self.config.longest);
        let wait = spread(bound, 50, entropy);
        retry_after.map_or(wait, |asked| asked.max(wait))
    }
}

/// A time between a percentage of another and the whole of it.
pub(crate) fn spread(whole: Duration, percent: u32, entropy: &mut Entropy) -> Duration {
    let least = whole.saturating_mul(percent.min(100)) / 100;
    let mut octets = [0; 8];
    entropy(&mut octets);
    let range = u64::try_from(whole.saturating_sub(least).as_millis()).unwrap_or(u64::MAX);
    let more = u64::from_be_bytes(octets)
        .checked_rem(range.saturating_add(1))
        .unwrap_or(0);
    least.saturating_add(Duration::from_millis(more))
}
