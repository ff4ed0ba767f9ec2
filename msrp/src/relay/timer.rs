//! What is to be done at an instant.

use std::time::Instant;

use super::answer::range_of;
use super::life::Link;
use super::token::TokenKey;
use super::transaction::Forwarded;
use super::{CloseReason, LinkKey, QuestionId, Relay};
use crate::StatusCode;
use crate::header::FailureReport;

/// What is to be done at an instant.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Timer {
    /// Close a connection that has not had a successful request (RFC 4976 section 6.1).
    Probation(LinkKey),
    /// Close a connection that has not been used (RFC 4976 section 6.5), or look again when it will be due.
    Idle(LinkKey),
    /// Close a connection that takes nothing.
    Stall(LinkKey),
    /// Give up what keeps a sender from being read for the sake of one receiver among several.
    Pause(LinkKey),
    /// Give up a connection that the host was asked for.
    Opening(LinkKey),
    /// End a URI (RFC 4976 section 6.3).
    Token(TokenKey),
    /// Give up a question to the host.
    Question(QuestionId),
}

impl Relay {
    /// Does what is due. A call that comes early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((forwarded, out)) = self.transactions.due(now) {
            self.settled(&forwarded, out);
            self.timed_out(forwarded);
        }
        while let Some((at, timer)) = self.deadlines.first().copied() {
            if at > now {
                break;
            }
            self.deadlines.pop_first();
            match timer {
                //= https://www.rfc-editor.org/rfc/rfc4976#section-6.1
                //# If no successful
                //# requests are sent during this probationary period, the server closes
                //# the connection.
                Timer::Probation(key) => {
                    if self.links.get(&key).is_some_and(|link| !link.succeeded) {
                        self.close(key, CloseReason::Probation);
                    }
                }
                Timer::Idle(key) => self.idle_due(key, now),
                Timer::Stall(key) => {
                    if let Some(link) = self.links.get_mut(&key) {
                        link.stall = None;
                        self.close(key, CloseReason::NotReading);
                    }
                }
                Timer::Pause(key) => self.pause_due(key),
                Timer::Opening(key) => self.drop_link(key),
                Timer::Token(key) => self.end_token(key),
                Timer::Question(id) => self.question_due(id),
            }
        }
    }

    fn idle_due(&mut self, key: LinkKey, now: Instant) {
        let Some(link) = self.links.get_mut(&key) else {
            return;
        };
        let due = link.used + self.config.idle_timeout;
        if due > now || !link.tokens.is_empty() {
            let at = due.max(now + self.config.idle_timeout / 2);
            link.idle = Some(at);
            self.deadlines.insert((at, Timer::Idle(key)));
        } else {
            link.idle = None;
            self.close(key, CloseReason::Idle);
        }
    }

    /// Gives up what waits for the slowest receivers of a sender that has others too.
    fn pause_due(&mut self, key: LinkKey) {
        let low = self.low();
        let Some(link) = self.links.get_mut(&key) else {
            return;
        };
        link.pause_deadline = None;
        let feeds = link.feeds.clone();
        if feeds.len() < 2 {
            return;
        }
        for out in feeds {
            let waiting = self
                .links
                .get(&out)
                .map_or(0, |link| link.outbox.waiting_from(key));
            if waiting > low / 2 {
                self.give_up_lane(out, key, StatusCode::PAYLOAD_TOO_LARGE);
            }
        }
    }

    /// Takes note that connections are used, at the latest when they would be closed otherwise.
    pub(super) fn start_idle(&mut self, key: LinkKey, now: Instant) {
        let at = now + self.config.idle_timeout;
        if let Some(link) = self.links.get_mut(&key) {
            link.idle = Some(at);
            self.deadlines.insert((at, Timer::Idle(key)));
        }
    }

    pub(super) fn clear_timers(&mut self, key: LinkKey, link: &Link) {
        let timers = [
            (link.probation, Timer::Probation(key)),
            (link.idle, Timer::Idle(key)),
            (link.stall, Timer::Stall(key)),
            (link.pause_deadline, Timer::Pause(key)),
            (link.opening, Timer::Opening(key)),
        ];
        for (at, timer) in timers {
            if let Some(at) = at {
                self.deadlines.remove(&(at, timer));
            }
        }
    }

    /// The connection takes no more.
    pub(super) fn blocked(&mut self, key: LinkKey, now: Instant) {
        let at = now + self.config.stall_timeout;
        if let Some(link) = self.links.get_mut(&key) {
            link.outbox.blocked = true;
            if link.stall.is_none() {
                link.stall = Some(at);
                self.deadlines.insert((at, Timer::Stall(key)));
            }
        }
    }

    /// The connection takes more again.
    pub(super) fn writable(&mut self, key: LinkKey) {
        if let Some(link) = self.links.get_mut(&key) {
            link.outbox.blocked = false;
            if let Some(at) = link.stall.take() {
                self.deadlines.remove(&(at, Timer::Stall(key)));
            }
            self.wake(key);
        }
    }

    /// No answer has come to a request that was forwarded.
    //= https://www.rfc-editor.org/rfc/rfc4976#section-6.4.1
    //# If after 30 seconds the next hop has not sent any response,
    //# then the relay MUST construct a REPORT with a status code of 408 to
    //# indicate a timeout error happened sending the message, and send the
    //# REPORT to the original sender of the message.
    pub(super) fn timed_out(&mut self, forwarded: Forwarded) {
        match forwarded {
            Forwarded::Chunk {
                origin,
                message,
                failure_report: FailureReport::Yes,
                start,
                octets,
                total,
            } => {
                let range = Some(range_of(start, octets, total));
                self.report(&origin, message.as_str(), range, StatusCode::REQUEST_TIMEOUT);
            }
            Forwarded::Request {
                original,
                on_timeout: Some(origin),
                ..
            } => self.answer_whole(&origin, &original, StatusCode::REQUEST_TIMEOUT),
            _ => {}
        }
    }
}
