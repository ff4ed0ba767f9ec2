//! Which destinations are left alone for a while: those that asked for it, and those that did not answer.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::{Config, Destination, Outcome, order};
use crate::Entropy;

/// How a destination is to be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// As any other.
    Good,
    /// After the others: it failed lately.
    Doubtful(Instant),
    /// Not at all: it asked for that.
    Closed(Instant),
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    until: Instant,
    asked: bool,
    failures: u32,
}

/// What is remembered of destinations that did not serve.
#[derive(Debug, Default)]
pub(super) struct Availability {
    marks: BTreeMap<Destination, Mark>,
    /// In the order in which they end.
    order: BTreeSet<(Instant, Destination)>,
}

impl Availability {
    pub(super) fn standing(&self, destination: &Destination, now: Instant) -> Standing {
        match self.marks.get(destination) {
            Some(mark) if mark.until > now && mark.asked => Standing::Closed(mark.until),
            Some(mark) if mark.until > now => Standing::Doubtful(mark.until),
            _ => Standing::Good,
        }
    }

    /// Takes note of how a destination served.
    pub(super) fn report(
        &mut self,
        destination: &Destination,
        outcome: Outcome,
        config: &Config,
        entropy: &mut Entropy,
        now: Instant,
    ) {
        let failures = self.marks.get(destination).map_or(0, |mark| mark.failures);
        let (wait, asked, failures) = match outcome {
            Outcome::Served => {
                self.forget(destination);
                return;
            }
            //= https://www.rfc-editor.org/rfc/rfc3261#section-21.5.4
            //# A client (proxy or UAC) receiving a 503 (Service Unavailable) SHOULD
            //# attempt to forward the request to an alternate server.  It SHOULD NOT
            //# forward any other requests to that server for the duration specified
            //# in the Retry-After header field, if present.
            Outcome::Overloaded(Some(wait)) => (wait.min(config.longest_retry_after), true, failures),
            Outcome::Overloaded(None) | Outcome::Failed => {
                let failures = failures.saturating_add(1);
                let doubled = 1_u32
                    .checked_shl(failures.saturating_sub(1))
                    .map_or(config.longest_back_off, |factor| {
                        config.back_off.saturating_mul(factor)
                    });
                (
                    jittered(doubled.min(config.longest_back_off), entropy),
                    false,
                    failures,
                )
            }
        };
        self.forget(destination);
        let Some(until) = now.checked_add(wait).filter(|_| config.max_marks > 0) else {
            return;
        };
        if self.marks.len() >= config.max_marks
            && let Some((_, soonest)) = self.order.pop_first()
        {
            self.marks.remove(&soonest);
        }
        self.order.insert((until, destination.clone()));
        self.marks.insert(
            destination.clone(),
            Mark {
                until,
                asked,
                failures,
            },
        );
    }

    /// Forgets what ended long enough ago that its number of failures says nothing any more.
    pub(super) fn expire(&mut self, memory: Duration, now: Instant) {
        while let Some((until, destination)) = self.order.first() {
            if until.checked_add(memory).is_none_or(|end| end > now) {
                return;
            }
            let destination = destination.clone();
            self.forget(&destination);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.marks.len()
    }

    fn forget(&mut self, destination: &Destination) {
        if let Some(mark) = self.marks.remove(destination) {
            self.order.remove(&(mark.until, destination.clone()));
        }
    }
}

/// Between half and the whole of a wait, so that many who failed together don't come back together.
fn jittered(wait: Duration, entropy: &mut Entropy) -> Duration {
    let half = wait / 2;
    let spread = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
    half.saturating_add(Duration::from_millis(order::below(
        spread.saturating_add(1),
        entropy,
    )))
}
