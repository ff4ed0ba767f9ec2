//! The base timers of RFC 3261 table 4, and the durations derived from them.

use core::time::Duration;

/// The base values from which every duration of a transaction is derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timers {
    /// T1, the estimate of the round-trip time; 500 ms.
    pub t1: Duration,
    /// T2, the longest interval between repetitions of a non-INVITE request or an INVITE response; 4 s.
    pub t2: Duration,
    /// T4, how long a message stays in the network; 5 s.
    pub t4: Duration,
    /// Timer C, how long an INVITE may stay without a final response after its latest provisional one; 181 s.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-16.6
    //# The timer MUST be larger than 3 minutes.
    pub c: Duration,
    /// How long the transaction user may think before a 100 (Trying) is sent to an INVITE on its behalf; 200 ms.
    pub trying: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            c: Duration::from_secs(181),
            trying: Duration::from_millis(200),
        }
    }
}

impl Timers {
    /// 64*T1: timers B, F, H, J, L and M.
    pub fn transaction(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// Timer D: repetitions of a final response are awaited for at least 32 s where they can occur.
    ///
    //= https://www.rfc-editor.org/rfc/rfc6026#section-8.4
    //# The client transaction MUST start Timer D when it enters the
    //# "Completed" state for any reason, with a value of at least 32
    //# seconds for unreliable transports, and a value of zero seconds for
    //# reliable transports.
    pub fn d(&self, reliable: bool) -> Duration {
        if reliable {
            Duration::ZERO
        } else {
            self.transaction().max(Duration::from_secs(32))
        }
    }

    /// Timers I and K.
    pub fn network(&self, reliable: bool) -> Duration {
        if reliable { Duration::ZERO } else { self.t4 }
    }

    /// Timer J.
    pub fn j(&self, reliable: bool) -> Duration {
        if reliable {
            Duration::ZERO
        } else {
            self.transaction()
        }
    }

    /// The interval after `interval` for timers E and G and for repetitions of a 2xx: doubled, at most T2.
    pub fn doubled(&self, interval: Duration) -> Duration {
        interval.saturating_mul(2).min(self.t2)
    }

    /// When timer E of the peer's client transaction has reached T2: from then on a non-INVITE request owes a 100 (Trying).
    ///
    //= https://www.rfc-editor.org/rfc/rfc4320#section-4.1
    //# Without regard to transport, an SIP element MUST respond to a non-
    //# INVITE request with a Status-Code of 100 if it has not otherwise
    //# responded after the amount of time it takes a client transaction's
    //# Timer E to be reset to T2.
    pub fn non_invite_trying(&self) -> Duration {
        let mut interval = self.t1;
        let mut total = Duration::ZERO;
        while interval < self.t2 && !interval.is_zero() {
            total = total.saturating_add(interval);
            interval = interval.saturating_mul(2);
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_derived_durations_are_those_of_table_4() {
        let timers = Timers::default();
        assert_eq!(timers.transaction(), Duration::from_secs(32));
        assert_eq!(timers.d(false), Duration::from_secs(32));
        assert_eq!(timers.d(true), Duration::ZERO);
        assert_eq!(timers.network(false), Duration::from_secs(5));
        assert_eq!(timers.j(true), Duration::ZERO);
        assert_eq!(timers.non_invite_trying(), Duration::from_millis(3500));
        let intervals: Vec<_> = core::iter::successors(Some(timers.t1), |i| Some(timers.doubled(*i)))
            .take(5)
            .map(|i| i.as_millis())
            .collect();
        assert_eq!(intervals, [500, 1000, 2000, 4000, 4000]);
    }
}
