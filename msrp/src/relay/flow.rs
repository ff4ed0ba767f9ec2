//! How much of what connections send may wait, and what becomes of it when it is too much.

use std::time::Instant;

use super::inbound::Inbound;
use super::lane::{Item, PartHead};
use super::timer::Timer;
use super::transaction::Forwarded;
use super::{LinkKey, Relay, Transmit};
use crate::StatusCode;
use crate::header::{ByteRange, FailureReport};

impl Relay {
    /// Below how much waiting a sender is read again.
    pub(super) fn low(&self) -> usize {
        self.config.limits.waiting_per_connection / 4
    }

    /// Queues a piece of what `from` sends to `out`.
    pub(super) fn enqueue(&mut self, out: LinkKey, from: LinkKey, item: Item) {
        let Some(link) = self.links.get_mut(&out) else {
            return;
        };
        let (cost, new) = link.outbox.push(from, item);
        if new {
            self.feed(from, out);
        }
        self.charge(from, cost);
        self.wake(out);
    }

    /// Notes that a connection sends to another; lanes in which nothing waits are let go of now and then.
    fn feed(&mut self, from: LinkKey, out: LinkKey) {
        let Some(sender) = self.links.get_mut(&from) else {
            return;
        };
        let mut feeds = std::mem::take(&mut sender.feeds);
        if feeds.len() >= sender.feeds_swept_at {
            feeds.retain(|other| {
                let receiver = self.links.get_mut(other);
                receiver.is_some_and(|link| !link.outbox.forget(from))
            });
        }
        if !feeds.contains(&out) {
            feeds.push(out);
        }
        if let Some(sender) = self.links.get_mut(&from) {
            sender.feeds_swept_at = FEEDS.max(feeds.len().saturating_mul(2));
            sender.feeds = feeds;
        }
    }

    /// Notes that more of what a connection has sent waits.
    pub(super) fn charge(&mut self, from: LinkKey, cost: usize) {
        self.waiting = self.waiting.saturating_add(cost);
        if let Some(link) = self.links.get_mut(&from) {
            link.waiting = link.waiting.saturating_add(cost);
        }
    }

    /// Stops reading from a connection of which too much waits.
    pub(super) fn pause_if_needed(&mut self, from: LinkKey, now: Instant) {
        let limits = self.config.limits;
        let crowded = self.waiting > limits.waiting / 2;
        let low = self.low();
        let Some(link) = self.links.get_mut(&from) else {
            return;
        };
        let most = if crowded {
            low
        } else {
            limits.waiting_per_connection
        };
        if link.waiting > most
            && !link.paused
            && let Some(connection) = link.connection
        {
            link.paused = true;
            self.transmits.push_back(Transmit::Pause { connection });
            let at = now + self.config.pause_timeout;
            if link.pause_deadline.is_none() {
                link.pause_deadline = Some(at);
                self.deadlines.insert((at, Timer::Pause(from)));
            }
        }
    }

    /// Whether so much waits that no more of a connection's messages can be taken.
    pub(super) fn is_overfull(&self, from: LinkKey) -> bool {
        let limits = &self.config.limits;
        self.waiting > limits.waiting
            || self
                .links
                .get(&from)
                .is_some_and(|link| link.waiting > limits.waiting_per_connection.saturating_mul(4))
    }

    /// Notes that less of what a connection has sent waits.
    pub(super) fn freed(&mut self, from: Option<LinkKey>, octets: usize) {
        self.waiting = self.waiting.saturating_sub(octets);
        let low = self.low();
        let Some((from, link)) = from.and_then(|from| Some((from, self.links.get_mut(&from)?))) else {
            return;
        };
        link.waiting = link.waiting.saturating_sub(octets);
        if link.paused
            && link.waiting <= low
            && let Some(connection) = link.connection
        {
            link.paused = false;
            if let Some(at) = link.pause_deadline.take() {
                self.deadlines.remove(&(at, Timer::Pause(from)));
            }
            self.transmits.push_back(Transmit::Resume { connection });
        }
    }

    /// Gives up what `from` has sent to `out` and what has not gone out.
    pub(super) fn give_up_lane(&mut self, out: LinkKey, from: LinkKey, status: StatusCode) {
        let Some(link) = self.links.get_mut(&out) else {
            return;
        };
        let given_up = link.outbox.give_up(from);
        self.freed(Some(from), given_up.freed);
        self.fail(from, out, given_up.parts, status);
        self.wake(out);
    }

    /// Tells the senders of messages that these have failed.
    //= https://www.rfc-editor.org/rfc/rfc4976#section-6.4.1
    //# If the Failure-Report header is "yes" or "partial", and if there is a
    //# problem processing the SEND request or if an error response is
    //# received for that SEND request, then the relay MUST respond with an
    //# appropriate error response in a REPORT back to the original source of
    //# the message.
    pub(super) fn fail(
        &mut self,
        from: LinkKey,
        out: LinkKey,
        parts: Vec<(PartHead, u64)>,
        status: StatusCode,
    ) {
        let mut last: Option<PartHead> = None;
        for (head, sent) in parts {
            let told = last.as_ref().is_some_and(|last| {
                last.message.as_str() == head.message.as_str() && last.origin == head.origin
            });
            if head.failure_report != FailureReport::No && !told {
                let range = head.range.map(|range| ByteRange {
                    start: range.start.saturating_add(sent),
                    end: range.end,
                    total: range.total,
                });
                self.report(&head.origin, head.message.as_str(), range, status);
            }
            last = Some(head);
        }
        // The message that is arriving is answered as well: its sender waits for that.
        if let Some(link) = self.links.get_mut(&from)
            && let Inbound::Forward { out: own, .. } = &link.inbound
            && *own == out
            && let Inbound::Forward {
                transaction, wants, ..
            } = std::mem::take(&mut link.inbound)
            && let Some(origin) = link.origin.clone()
        {
            self.answer(&origin, &transaction, wants, status);
        }
    }

    /// Notes that a forwarded request is not waited for any more.
    pub(super) fn settled(&mut self, forwarded: &Forwarded, out: LinkKey) {
        if let Some(link) = self.links.get_mut(&out) {
            link.outbox.settled(forwarded);
            self.wake(out);
        }
    }
}

/// To how many others a connection sends until it is looked at in which lanes nothing waits.
pub(super) const FEEDS: usize = 16;
