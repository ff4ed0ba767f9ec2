//! What a pager is told at the start, and the rule of sizes.

use core::time::Duration;

use thiserror::Error;

use crate::digest::Credentials;
use crate::header::HeaderName;
use crate::message::Request;

/// What becomes of a message while another to the same recipient, or in the same dialog, is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overlap {
    /// It waits for its turn.
    Wait,
    /// It is refused with [`SendError::Busy`](super::SendError::Busy).
    Refuse,
    /// It goes out at once. Only for whoever knows that every hop is congestion-controlled.
    Allow,
}

/// How a [`Pager`](super::Pager) behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// What becomes of a second message to the same URI, outside of dialogs. It waits.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3428#section-8
    //# A UAC MUST NOT initiate a new out-of-dialog MESSAGE transaction to a
    //# given URI if there is a previous out-of-dialog transaction pending
    //# for the same URI.
    pub overlap: Overlap,
    /// What becomes of a second message inside the same dialog. It waits.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3428#section-8
    //# Similarly, A UAC SHOULD NOT initiate overlapping
    //# MESSAGE transactions inside a dialog, and MUST NOT do so unless the
    //# route set for that dialog uses a congestion-controlled transport at
    //# every hop.
    pub overlap_in_dialog: Overlap,
    /// Octets that a request may have on any hop. 1300.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3428#section-8
    //# The size of MESSAGE requests outside of a media session MUST NOT
    //# exceed 1300 bytes, unless the UAC has positive knowledge that the
    //# message will not traverse a congestion-unsafe link at any hop,
    pub max_octets: usize,
    /// Octets that this host's endpoint adds to a request: its Via, and the User-Agent. 110.
    pub own_octets: usize,
    /// Octets that later hops add to a request, as far as can be told: two of them, each with a Via of about 100 octets and what it
    /// completes in the one below, the first with a P-Asserted-Identity. 240.
    pub later_octets: usize,
    /// The realm of the server that requests go to, if that is a server of the user's: credentials for it go no further, so that
    /// they make room for what is added. Those for proxies never do. None.
    pub realm: Option<String>,
    /// Messages that have no outcome yet, or whose outcome was not polled. 10 000.
    pub max_messages: usize,
    /// Messages that wait for one and the same recipient or dialog. 100.
    pub max_waiting: usize,
    /// How long a message may wait for its turn. 3 min.
    pub max_wait: Duration,
    /// The longest time for which a recipient is left alone when a 503 asks for it with Retry-After. 60 s.
    pub max_hold: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            overlap: Overlap::Wait,
            overlap_in_dialog: Overlap::Wait,
            max_octets: 1300,
            own_octets: 110,
            later_octets: 240,
            realm: None,
            max_messages: 10_000,
            max_waiting: 100,
            max_wait: Duration::from_secs(180),
            max_hold: Duration::from_secs(60),
        }
    }
}

/// A request is too large for MESSAGE: its content belongs into a session (RFC 4975), or behind a reference (RFC 4483).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too large for a message request ({octets} octets on its way, of {limit}): it needs a session")]
#[non_exhaustive]
pub struct TooLarge {
    /// Octets that the request has on its largest hop, as far as can be told.
    pub octets: usize,
    /// Octets that it may have.
    pub limit: usize,
}

impl TooLarge {
    /// Octets by which the content would have to be smaller.
    pub fn excess(self) -> usize {
        self.octets.saturating_sub(self.limit)
    }
}

impl Config {
    /// Whether a request, as it is handed to the endpoint, stays within the limit on every hop; `known` is a limit that holds for its
    /// way instead, if that is known.
    ///
    /// # Errors
    ///
    /// Fails when it does not.
    pub fn check_size(&self, request: &Request, known: Option<usize>) -> Result<(), TooLarge> {
        let limit = known.unwrap_or(self.max_octets);
        let sent = request.to_bytes().len().saturating_add(self.own_octets);
        let headers = request.headers();
        let ours = headers
            .values(&HeaderName::AUTHORIZATION)
            .filter(|value| self.is_for_us(value));
        let consumed = headers
            .values(&HeaderName::PROXY_AUTHORIZATION)
            .chain(ours)
            .map(|value| value.as_str().len().saturating_add(LINE))
            .fold(0, usize::saturating_add);
        let later = sent.saturating_sub(consumed).saturating_add(self.later_octets);
        let octets = sent.max(later);
        if octets > limit {
            return Err(TooLarge { octets, limit });
        }
        Ok(())
    }

    /// Whether credentials are for the first server.
    fn is_for_us(&self, value: &str) -> bool {
        self.realm.as_ref().is_some_and(|realm| {
            Credentials::parse(value).is_ok_and(|credentials| credentials.realm == *realm)
        })
    }
}

/// The rest of a line of Authorization: name, colon, space and end.
const LINE: usize = 17;
