//! One publication at its source: what to send, and when to send it again.

use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use crate::error::BuildError;
use crate::header::{CSeq, Event, Expires, MinExpires, RetryAfter, SipEtag, SipIfMatch};
use crate::message::{Request, Response};
use crate::uri::Uri;
use crate::{ByteStr, ContentType, Method, StatusCode};

/// How far a publication has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicationState {
    /// Nothing is published.
    Idle,
    /// Published until then, unless it is renewed.
    Published {
        /// When the compositor forgets it.
        until: Instant,
    },
    /// Refused, and not tried again by itself.
    Refused(StatusCode),
}

/// News of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicationEvent {
    /// A request is due: send what [`Publication::next_request`] gives.
    Due,
    /// The state last given is published.
    Published,
    /// Nothing is published any more, as was asked.
    Removed,
    /// The state could not be published; what was published before is still there if its time is not over.
    Failed {
        /// The status that said so; none when no answer came.
        status: Option<StatusCode>,
    },
    /// The time of what was published is over, and it could not be renewed.
    Expired,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Initial,
    Modify,
    Refresh,
    Remove,
}

/// What is to be done when no request is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Nothing,
    Refresh,
    Publish,
    Remove,
}

/// Keeps one piece of event state published.
///
/// The host sends what [`Self::next_request`] gives, and tells what came of it with [`Self::handle_response`]; there is never more
/// than one request under way. A request that was answered to a challenge is told with [`Self::sent`].
///
/// ```
/// use std::time::Instant;
/// use bytes::Bytes;
/// use sip_im::header::{Event, Expires, SipEtag, SipIfMatch};
/// use sip_im::publication::Publication;
/// use sip_im::{ContentType, StatusCode, Uri};
///
/// let alice = Uri::parse("sip:alice@example.com")?;
/// let mut publication = Publication::new(alice, Event::new("presence"), "c1", "t1", 3600);
/// let pidf = ContentType::parse("application/pidf+xml")?;
/// publication.publish(&pidf, Bytes::from_static(b"<presence/>"));
/// let request = publication.next_request()?.ok_or("a first request")?;
/// let response = request
///     .response(StatusCode::OK)
///     .to_tag("e")
///     .header_typed(&Expires(1800))
///     .header_typed(&SipEtag::new("dx200xyz"))
///     .build()?;
/// let now = Instant::now();
/// publication.handle_response(Some(&response), now);
///
/// publication.handle_timeout(publication.poll_timeout().ok_or("a time to renew")?);
/// let refresh = publication.next_request()?.ok_or("a refresh")?;
/// assert_eq!(refresh.headers().require::<SipIfMatch>()?.as_str(), "dx200xyz");
/// assert!(refresh.body().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Publication {
    resource: Uri,
    event: Event,
    call_id: String,
    tag: String,
    sequence: u32,
    /// Seconds that are asked for.
    expires: u32,
    etag: Option<ByteStr>,
    content: Option<(ContentType, Bytes)>,
    wish: Wish,
    /// The content could not be published, and is to be tried again when that is due.
    unpublished: bool,
    pending: Option<Operation>,
    state: PublicationState,
    due: Option<Instant>,
    ends: Option<Instant>,
    events: VecDeque<PublicationEvent>,
}

impl Publication {
    /// Describes what is to be published for a resource; `call_id` and `tag` are random, `expires` is the number of seconds asked for.
    pub fn new(resource: Uri, event: Event, call_id: &str, tag: &str, expires: u32) -> Self {
        Self {
            resource,
            event,
            call_id: call_id.to_owned(),
            tag: tag.to_owned(),
            sequence: 0,
            expires: expires.clamp(1, LONGEST),
            etag: None,
            content: None,
            wish: Wish::Nothing,
            unpublished: false,
            pending: None,
            state: PublicationState::Idle,
            due: None,
            ends: None,
            events: VecDeque::new(),
        }
    }

    /// How far it has come.
    pub fn state(&self) -> PublicationState {
        self.state
    }

    /// The entity-tag of what is published.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_ref().map(ByteStr::as_str)
    }

    /// Publishes a state in place of the one before. If several are given while a request is under way, the latest counts.
    pub fn publish(&mut self, content_type: &ContentType, body: Bytes) {
        self.content = Some((content_type.clone(), body));
        self.wish = Wish::Publish;
        self.say_due();
    }

    /// Removes what is published.
    pub fn remove(&mut self) {
        let wanted = self.content.take().is_some();
        self.unpublished = false;
        self.wish = if self.etag.is_some() || self.pending.is_some() {
            Wish::Remove
        } else {
            // Nor is anything to be tried again. The compositor may have lost meanwhile what the owner takes for published.
            self.due = None;
            if wanted {
                self.events.push_back(PublicationEvent::Removed);
            }
            Wish::Nothing
        };
        self.say_due();
    }

    /// Makes the request that is due, if one is and none is under way.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3903#section-4
    //# EPAs MUST NOT send a new PUBLISH request (not a re-transmission) for
    //# the same Request-URI, until they have received a final response from
    //# the ESC for the previous one or the previous PUBLISH request has
    //# timed out.
    ///
    /// # Errors
    ///
    /// Fails when an address or the content's type can't be written.
    pub fn next_request(&mut self) -> Result<Option<Request>, BuildError> {
        let Some(operation) = self.operation() else {
            return Ok(None);
        };
        let expires = if operation == Operation::Remove {
            0
        } else {
            self.expires
        };
        let sequence = self.sequence.saturating_add(1);
        let mut builder = Request::builder(Method::Publish, self.resource.clone())
            .from(&self.resource, None, &self.tag)
            .to(&self.resource, None)
            .call_id(&self.call_id)
            .cseq(sequence)
            .header_typed(&self.event)
            .header_typed(&Expires(expires));
        //= https://www.rfc-editor.org/rfc/rfc3903#section-4.1
        //# When updating previously published event state, PUBLISH requests MUST
        //# contain a single SIP-If-Match header field identifying the specific
        //# event state that the request is refreshing, modifying or removing.
        if let (Some(etag), true) = (&self.etag, operation != Operation::Initial) {
            builder = builder.header_typed(&SipIfMatch(etag.clone()));
        }
        //= https://www.rfc-editor.org/rfc/rfc3903#section-4.3
        //# Therefore, a PUBLISH request that refreshes event state
        //# MUST NOT have a body.
        if let (Some((content_type, body)), Operation::Initial | Operation::Modify) =
            (&self.content, operation)
        {
            builder = builder.body(content_type, body.clone());
        }
        let request = builder.build()?;
        self.sequence = sequence;
        self.wish = Wish::Nothing;
        self.due = None;
        self.pending = Some(operation);
        Ok(Some(request))
    }

    /// Notes the number of a request that was sent in place of one of ours.
    pub fn sent(&mut self, request: &Request) {
        if let Ok(Some(cseq)) = request.headers().get::<CSeq>() {
            self.sequence = self.sequence.max(cseq.seq);
        }
    }

    /// Takes the final response to the request under way, or its absence. A 401 or 407 is for the owner to answer, who tells of it
    /// with [`Self::sent`].
    pub fn handle_response(&mut self, response: Option<&Response>, now: Instant) {
        let status = response.map(Response::status);
        if status.is_some_and(|status| status.is_provisional() || matches!(status.code(), 401 | 407)) {
            return;
        }
        let Some(operation) = self.pending.take() else {
            return;
        };
        match response {
            Some(response) if response.status().is_success() => self.succeeded(operation, response, now),
            Some(response) => self.refused(operation, response, now),
            None => self.failed(operation, None, None, now),
        }
        if self.operation().is_some() {
            self.say_due();
        }
    }

    /// Does what is due. A call that comes early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.ends.is_some_and(|at| at <= now) {
            self.forget();
            self.due = None;
            self.events.push_back(PublicationEvent::Expired);
            // The state is still to be known, so it begins anew.
            self.wish = if self.content.is_some() {
                Wish::Publish
            } else {
                Wish::Nothing
            };
            self.say_due();
        }
        if self.due.is_some_and(|at| at <= now) {
            self.due = None;
            if self.wish == Wish::Nothing {
                self.wish = if self.unpublished {
                    Wish::Publish
                } else {
                    Wish::Refresh
                };
            }
            self.say_due();
        }
    }

    /// When [`Self::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.due, self.ends].into_iter().flatten().min()
    }

    /// Gives the next piece of news.
    pub fn poll_event(&mut self) -> Option<PublicationEvent> {
        self.events.pop_front()
    }

    /// Whether nothing is published, under way or due.
    pub fn is_drained(&self) -> bool {
        self.pending.is_none()
            && self.etag.is_none()
            && self.operation().is_none()
            && self.due.is_none()
            && self.events.is_empty()
    }

    fn operation(&self) -> Option<Operation> {
        if self.pending.is_some() {
            return None;
        }
        match (self.wish, self.etag.is_some()) {
            (Wish::Remove, true) => Some(Operation::Remove),
            (Wish::Refresh, true) => Some(Operation::Refresh),
            (Wish::Publish, known) if self.content.is_some() => Some(if known {
                Operation::Modify
            } else {
                Operation::Initial
            }),
            _ => None,
        }
    }

    fn say_due(&mut self) {
        if self.operation().is_some() && self.events.back() != Some(&PublicationEvent::Due) {
            self.events.push_back(PublicationEvent::Due);
        }
    }

    fn forget(&mut self) {
        self.etag = None;
        self.ends = None;
        self.state = PublicationState::Idle;
    }

    fn succeeded(&mut self, operation: Operation, response: &Response, now: Instant) {
        let headers = response.headers();
        if operation == Operation::Remove {
            self.forget();
            self.events.push_back(PublicationEvent::Removed);
            return;
        }
        let expires = headers.get::<Expires>().ok().flatten();
        // What the compositor grants is never longer than what was asked for.
        let granted = expires.map_or(self.expires, |expires| expires.0.min(self.expires));
        //= https://www.rfc-editor.org/rfc/rfc3903#section-4.3
        //# The EPA MUST store this entity-tag, replacing
        //# any existing entity-tag for the refreshed event state.
        let Some(etag) = headers.get::<SipEtag>().ok().flatten().filter(|_| granted > 0) else {
            // Without a tag nothing can be renewed; what was published ends by itself.
            self.forget();
            self.events.push_back(PublicationEvent::Failed {
                status: Some(response.status()),
            });
            return;
        };
        self.etag = Some(etag.0.detached());
        let whole = Duration::from_secs(u64::from(granted));
        // Early enough for a renewal that fails once to be tried again.
        let early = (whole / 4).clamp(Duration::from_millis(500), Duration::from_secs(300));
        self.due = now.checked_add(whole.saturating_sub(early));
        self.ends = now.checked_add(whole);
        if let Some(until) = self.ends {
            self.state = PublicationState::Published { until };
        }
        if operation != Operation::Refresh {
            self.unpublished = false;
            self.events.push_back(PublicationEvent::Published);
        }
    }

    fn refused(&mut self, operation: Operation, response: &Response, now: Instant) {
        let status = response.status();
        let again = match status.code() {
            //= https://www.rfc-editor.org/rfc/rfc3903#section-5
            //# Instead, to publish event
            //# state, the EPA SHOULD perform an initial publication, i.e., a PUBLISH
            //# request without a SIP-If-Match header field, as described in Section
            //# 4.2.  The EPA MUST also discard the entity-tag that produced this
            //# error response.
            412 if operation == Operation::Remove => {
                self.forget();
                self.events.push_back(PublicationEvent::Removed);
                return;
            }
            412 if operation != Operation::Initial => {
                self.forget();
                self.due = None;
                self.content.is_some()
            }
            //= https://www.rfc-editor.org/rfc/rfc3903#section-5
            //# If an EPA receives a 423 (Interval Too Brief) response to a PUBLISH
            //# request, it MAY retry the publication after changing the expiration
            //# interval in the Expires header field to be equal to or greater than
            //# the expiration interval within the Min-Expires header field of the
            //# 423 (Interval Too Brief) response.
            423 if operation != Operation::Remove => match response.headers().get::<MinExpires>() {
                Ok(Some(MinExpires(least))) if least > self.expires && least <= LONGEST => {
                    self.expires = least;
                    true
                }
                _ => false,
            },
            _ => false,
        };
        if again {
            // What was asked for in the meantime comes first.
            if self.wish == Wish::Nothing {
                self.wish = match operation {
                    Operation::Refresh if self.etag.is_some() => Wish::Refresh,
                    _ => Wish::Publish,
                };
            }
            return;
        }
        let wait = response.headers().get::<RetryAfter>().ok().flatten();
        self.failed(operation, Some(status), wait.map(|wait| wait.seconds), now);
    }

    /// A request came to nothing: what can be tried again is, at the time that was named or halfway to the end.
    fn failed(&mut self, operation: Operation, status: Option<StatusCode>, wait: Option<u32>, now: Instant) {
        self.events.push_back(PublicationEvent::Failed { status });
        if operation == Operation::Remove {
            self.forget();
            self.due = None;
            return;
        }
        self.unpublished |= operation != Operation::Refresh && self.content.is_some();
        if !self.unpublished && self.etag.is_none() {
            // What was to be published is not wanted any more, and nothing else is there to be renewed.
            if self.wish == Wish::Remove {
                self.events.push_back(PublicationEvent::Removed);
            }
            self.wish = Wish::Nothing;
            return;
        }
        let left = self.ends.map(|ends| ends.saturating_duration_since(now));
        let pause = match (wait, left) {
            (Some(seconds), _) => Some(Duration::from_secs(u64::from(seconds.clamp(1, LONGEST)))),
            (None, Some(left)) if left >= Duration::from_secs(2) => Some(left / 2),
            _ => None,
        };
        match pause.and_then(|pause| now.checked_add(pause)) {
            Some(at) if status.is_none_or(|status| wait.is_some() || status.code() >= 500) => {
                self.due = Some(at);
            }
            _ => {
                self.due = None;
                if let (Some(status), None) = (status, self.ends) {
                    self.state = PublicationState::Refused(status);
                }
            }
        }
    }
}

impl fmt::Debug for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publication")
            .field("resource", &self.resource)
            .field("event", &self.event)
            .field("etag", &self.etag)
            .field("state", &self.state)
            .field("body_octets", &self.content.as_ref().map(|(_, body)| body.len()))
            .finish_non_exhaustive()
    }
}

/// The longest duration, in seconds, that is asked for or believed: one day.
const LONGEST: u32 = 86_400;
