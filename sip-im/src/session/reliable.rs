//! Reliable provisional responses (RFC 3262): numbers, order, repetition.

use core::time::Duration;
use std::collections::VecDeque;
use std::time::Instant;

use crate::header::{CSeq, RAck, RSeq, Require, Supported};
use crate::message::{Request, Response};
use crate::{Entropy, Method};

/// The option tag of RFC 3262.
pub(crate) const REL100: &str = "100rel";

/// Whether an INVITE's sender takes reliable provisional responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reliability {
    /// No.
    Unsupported,
    /// Yes.
    Supported,
    /// Yes, and no others.
    Required,
}

impl Reliability {
    /// What an INVITE says.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3262#section-3
    //# The UAS MUST send any non-100 provisional response reliably if the
    //# initial request contained a Require header field with the option tag
    //# 100rel.
    pub fn of(invite: &Request) -> Self {
        let headers = invite.headers();
        if headers
            .get::<Require>()
            .ok()
            .flatten()
            .is_some_and(|tags| tags.contains(REL100))
        {
            Self::Required
        } else if headers
            .get::<Supported>()
            .ok()
            .flatten()
            .is_some_and(|tags| tags.contains(REL100))
        {
            Self::Supported
        } else {
            Self::Unsupported
        }
    }
}

/// The `RSeq` of a response that is to be acknowledged.
///
//= https://www.rfc-editor.org/rfc/rfc3262#section-4
//# If the response is
//# a 100 (Trying) (as opposed to 101 to 199), this option tag MUST be
//# ignored, and the procedures below MUST NOT be used.
pub(crate) fn number(response: &Response) -> Option<u32> {
    let reliable = (101..200).contains(&response.status().code())
        && response
            .headers()
            .get::<Require>()
            .ok()
            .flatten()
            .is_some_and(|tags| tags.contains(REL100));
    let number = response.headers().get::<RSeq>().ok().flatten()?.0;
    (reliable && number > 0).then_some(number)
}

/// What becomes of a reliable provisional response that comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// It is the next one, and to be acknowledged.
    Next,
    /// It came before.
    Repeated,
    /// One before it is missing.
    Early,
}

/// The receiver's count, for one INVITE and one dialog.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Received {
    latest: Option<u32>,
}

impl Received {
    //= https://www.rfc-editor.org/rfc/rfc3262#section-4
    //# As a result, if the UAC receives another reliable provisional
    //# response to the same request, and its RSeq value is not one higher
    //# than the value of the sequence number, that response MUST NOT be
    //# acknowledged with a PRACK, and MUST NOT be processed further by the
    //# UAC.
    pub(crate) fn take(&mut self, number: u32) -> Order {
        match self.latest {
            Some(latest) if number <= latest => Order::Repeated,
            Some(latest) if latest.checked_add(1) != Some(number) => Order::Early,
            _ => {
                self.latest = Some(number);
                Order::Next
            }
        }
    }
}

/// A response that is repeated until its PRACK comes.
#[derive(Debug)]
struct Outstanding {
    number: u32,
    response: Response,
    interval: Duration,
    repeat_at: Option<Instant>,
    give_up_at: Option<Instant>,
}

/// The sender's side, for one INVITE.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// The latest number; 0 before the first.
    latest: u32,
    outstanding: Option<Outstanding>,
    /// Responses that wait for the one before to be acknowledged, without number yet.
    waiting: VecDeque<Response>,
    /// What was unacknowledged when the final response went out: a PRACK for it is still answered.
    stopped: Option<u32>,
}

/// What is due.
#[derive(Debug)]
pub(crate) enum Due {
    /// This is to be sent again.
    Repeat(Box<Response>),
    /// No PRACK has come.
    GiveUp,
}

impl Sent {
    /// Takes a response to be sent, with `Require: 100rel` and without `RSeq`; gives it back when it is to be sent now.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3262#section-3
    //# The UAS MUST NOT send a second reliable provisional
    //# response until the first is acknowledged.
    pub(crate) fn send(
        &mut self,
        response: Response,
        (t1, patience): (Duration, Duration),
        entropy: &mut Entropy,
        now: Instant,
    ) -> Option<Response> {
        if self.outstanding.is_some() {
            self.waiting.push_back(response);
            return None;
        }
        //= https://www.rfc-editor.org/rfc/rfc3262#section-3
        //# The value
        //# of the header field for the first reliable provisional response in a
        //# transaction MUST be between 1 and 2**31 - 1.
        if self.latest == 0 {
            let mut octets = [0; 4];
            entropy(&mut octets);
            self.latest = (u32::from_be_bytes(octets) >> 1).clamp(1, (1 << 31) - 1);
        } else {
            self.latest = self.latest.saturating_add(1);
        }
        let mut response = response;
        // A number is always a header value.
        let _ = response.headers_mut().set_typed(&RSeq(self.latest));
        self.outstanding = Some(Outstanding {
            number: self.latest,
            response: response.clone(),
            interval: t1,
            repeat_at: now.checked_add(t1),
            give_up_at: now.checked_add(patience),
        });
        Some(response)
    }

    /// How many wait or are unacknowledged.
    pub(crate) fn len(&self) -> usize {
        self.waiting
            .len()
            .saturating_add(usize::from(self.outstanding.is_some()))
    }

    /// Whether one with a session description is not acknowledged, so that no 2xx may go out.
    pub(crate) fn holds_back(&self) -> bool {
        self.outstanding
            .iter()
            .map(|outstanding| &outstanding.response)
            .chain(&self.waiting)
            .any(|response| !response.body().is_empty())
    }

    /// Takes a PRACK: `false` when it acknowledges nothing.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3262#section-3
    //# If a PRACK request is received by the UA core that does not match any
    //# unacknowledged reliable provisional response, the UAS MUST respond to
    //# the PRACK with a 481 response.
    pub(crate) fn acknowledge(&mut self, rack: &RAck, invite: u32) -> bool {
        if rack.cseq != CSeq::new(invite, Method::Invite) {
            return false;
        }
        if self.stopped == Some(rack.rseq) {
            self.stopped = None;
            return true;
        }
        let matches = self
            .outstanding
            .as_ref()
            .is_some_and(|outstanding| outstanding.number == rack.rseq);
        if matches {
            self.outstanding = None;
        }
        matches
    }

    /// The next one that may go now.
    pub(crate) fn next_waiting(&mut self) -> Option<Response> {
        if self.outstanding.is_some() {
            return None;
        }
        self.waiting.pop_front()
    }

    /// The final response goes out.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3262#section-3
    //# If the UAS does send a
    //# final response when reliable responses are still unacknowledged, it
    //# SHOULD NOT continue to retransmit the unacknowledged reliable
    //# provisional responses, but it MUST be prepared to process PRACK
    //# requests for those outstanding responses.
    pub(crate) fn stop(&mut self) {
        self.stopped = self.outstanding.take().map(|outstanding| outstanding.number);
        self.waiting.clear();
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let outstanding = self.outstanding.as_ref()?;
        [outstanding.repeat_at, outstanding.give_up_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Gives what is due.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3262#section-3
    //# The reliable provisional response is passed to the transaction layer
    //# periodically with an interval that starts at T1 seconds and doubles
    //# for each retransmission (T1 is defined in Section 17 of RFC 3261).
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<Due> {
        let outstanding = self.outstanding.as_mut()?;
        if outstanding.give_up_at.is_some_and(|at| at <= now) {
            self.stop();
            return Some(Due::GiveUp);
        }
        if outstanding.repeat_at.is_some_and(|at| at <= now) {
            outstanding.interval = outstanding
                .interval
                .saturating_mul(2)
                .max(Duration::from_millis(1));
            outstanding.repeat_at = now.checked_add(outstanding.interval);
            return Some(Due::Repeat(Box::new(outstanding.response.clone())));
        }
        None
    }
}
