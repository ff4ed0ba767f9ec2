//! How long a message that has come is worth reading (RFC 3428 section 7).

use core::time::Duration;

use crate::header::{Date, Expires};
use crate::message::Request;

/// Until when a message counts, as times since 1970.
///
/// ```
/// use std::time::Duration;
/// use sip_im::header::{Date, Expires};
/// use sip_im::pager::Validity;
/// use sip_im::{Method, Request, Uri};
///
/// let (alice, bob) = (Uri::parse("sip:alice@a.test")?, Uri::parse("sip:bob@b.test")?);
/// let (sent, received) = (Duration::from_secs(1_000), Duration::from_secs(1_050));
/// let request = Request::builder(Method::Message, bob.clone())
///     .from(&alice, None, "a1")
///     .to(&bob, None)
///     .call_id("c1")
///     .cseq(1)
///     .header_typed(&Date::from_unix(sent))
///     .header_typed(&Expires(60))
///     .build()?;
/// let validity = Validity::of(&request, received);
/// assert!(!validity.is_expired(received));
/// assert!(validity.is_expired(Duration::from_secs(1_061)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    sent: Option<Duration>,
    ends: Option<Duration>,
}

impl Validity {
    /// Reads a request that came at `received`. What can't be read of Date or Expires counts as absent.
    pub fn of(request: &Request, received: Duration) -> Self {
        let headers = request.headers();
        let sent = headers.get::<Date>().ok().flatten().map(Date::since_epoch);
        //= https://www.rfc-editor.org/rfc/rfc3428#section-7
        //# MESSAGE requests without an Expires header
        //# field do not expire.  If the MESSAGE request containing an Expires
        //# header field also contains a Date header field, the UAS SHOULD
        //# interpret the Expires header field value as delta time from the Date
        //# header field value.  If the request does not contain a Date header
        //# field, the UAS SHOULD interpret the Expires header value as delta
        //# time from the time the UAS received the request.
        let ends = headers.get::<Expires>().ok().flatten().map(|Expires(seconds)| {
            sent.unwrap_or(received)
                .saturating_add(Duration::from_secs(u64::from(seconds)))
        });
        Self { sent, ends }
    }

    /// When its sender says to have sent it.
    pub fn sent(self) -> Option<Duration> {
        self.sent
    }

    /// When it expires, if ever.
    pub fn ends(self) -> Option<Duration> {
        self.ends
    }

    /// Whether its time has passed.
    pub fn is_expired(self, unix: Duration) -> bool {
        self.ends.is_some_and(|ends| ends < unix)
    }
}
