//! One subscription at the client that is notified.

use core::time::Duration;
use std::collections::VecDeque;
use std::time::Instant;

use super::ends_usage;
use super::notifier::same_event;
use super::template::Template;
use crate::dialog::{Dialog, DialogId};
use crate::error::BuildError;
use crate::header::{Event, Expires, HeaderName, MinExpires, SubscriptionState, SubscriptionStateValue};
use crate::message::{Request, Response};
use crate::{ByteStr, Method, StatusCode};

/// A state of a subscription at the subscriber, as in the figure of RFC 6665 section 4.1.2.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscriberState {
    /// The SUBSCRIBE is sent, no NOTIFY has come.
    NotifyWait,
    /// Somebody has yet to allow it.
    Pending,
    /// Allowed.
    Active,
    /// Over.
    Terminated,
}

/// News of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscriberEvent {
    /// It is to be renewed: send what [`Subscriber::refresh`] gives.
    RefreshDue,
    /// It is over.
    Terminated {
        /// Why, if the notifier said so (RFC 6665 section 4.1.3).
        reason: Option<ByteStr>,
        /// How many seconds to wait before subscribing anew, if the notifier said so.
        retry_after: Option<u32>,
        /// Whether to subscribe anew, with what [`Subscriber::anew`] gives.
        again: Again,
    },
    /// The notifier grants only longer durations; the next request has one: what [`Subscriber::refresh`] gives, or
    /// [`Subscriber::anew`] if there was no subscription yet.
    TooBrief,
}

/// Whether to subscribe anew after a subscription is over (RFC 6665 section 4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Again {
    /// At once.
    Now,
    /// At the earliest after this time.
    After(Duration),
    /// At some later time, if the state is still of interest then.
    Later,
    /// At any time.
    AtWill,
    /// Not at all.
    Never,
}

impl Again {
    /// What a reason and a `retry-after` mean.
    ///
    //= https://www.rfc-editor.org/rfc/rfc6665#section-4.1.3
    //# If no reason code or an unknown
    //# reason code is present, the client MAY attempt to re-subscribe at any
    //# time (unless a "retry-after" parameter is present, in which case the
    //# client SHOULD NOT attempt re-subscription until after the number of
    //# seconds specified by the "retry-after" parameter).
    pub fn of(reason: Option<&str>, retry_after: Option<u32>) -> Self {
        let after = retry_after.map(|seconds| Self::After(Duration::from_secs(u64::from(seconds))));
        match reason {
            Some("deactivated" | "timeout") => Self::Now,
            Some("probation") => after.unwrap_or(Self::Later),
            Some("rejected" | "noresource" | "invariant") => Self::Never,
            _ => after.unwrap_or(Self::AtWill),
        }
    }
}

/// One subscription, from its SUBSCRIBE to the NOTIFY that ends it.
#[derive(Clone, Debug)]
pub struct Subscriber {
    pub(super) template: Template,
    /// The Call-ID and the tag of this end, until the dialog has them.
    pub(super) call: Option<(ByteStr, ByteStr)>,
    pub(super) dialog: Option<Dialog>,
    pub(super) state: SubscriberState,
    pub(super) timer_n: Duration,
    pub(super) expires: u32,
    /// Timer N: by then a NOTIFY has to come.
    pub(super) notify_by: Option<Instant>,
    pub(super) refresh_at: Option<Instant>,
    pub(super) ends_at: Option<Instant>,
    pub(super) events: VecDeque<SubscriberEvent>,
    /// Until then, NOTIFYs from elsewhere are of further subscriptions.
    pub(super) forks_until: Option<Instant>,
}

impl Subscriber {
    /// Begins with the SUBSCRIBE that is sent now; `timer_n` is 64*T1, 32 s.
    ///
    /// # Errors
    ///
    /// Fails when the request lacks Event or a From tag.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a request that goes out is given to what follows it"
    )]
    pub fn new(
        subscribe: Request,
        timer_n: Duration,
        now: Instant,
    ) -> Result<Self, crate::error::HeaderError> {
        let template = Template::of(&subscribe)?;
        let call_id = subscribe.call_id()?.0.detached();
        let local_tag = subscribe.from()?.tag().unwrap_or_default().to_owned();
        let expires = subscribe
            .headers()
            .get::<Expires>()?
            .map_or(3600, |expires| expires.0);
        Ok(Self {
            template,
            call: Some((call_id, ByteStr::from(local_tag))),
            dialog: None,
            state: SubscriberState::NotifyWait,
            timer_n,
            expires,
            notify_by: now.checked_add(timer_n),
            refresh_at: None,
            ends_at: None,
            events: VecDeque::new(),
            forks_until: now.checked_add(timer_n),
        })
    }

    /// Notes that the SUBSCRIBE went out again with another number, since it was challenged.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a request that goes out is given to what follows it"
    )]
    pub fn resent(&mut self, subscribe: Request, now: Instant) {
        if let (Some(dialog), Ok(cseq)) = (&mut self.dialog, subscribe.cseq()) {
            dialog.advance(cseq.seq);
        }
        if self.dialog.is_none()
            && let Ok(template) = Template::of(&subscribe)
        {
            self.template = template;
        }
        self.notify_by = now.checked_add(self.timer_n);
        if self.state == SubscriberState::NotifyWait {
            self.forks_until = self.notify_by;
        }
    }

    /// Its state.
    pub fn state(&self) -> &SubscriberState {
        &self.state
    }

    /// The dialog it lives in, once there is one.
    pub fn dialog(&self) -> Option<&Dialog> {
        self.dialog.as_ref()
    }

    /// Whether a NOTIFY belongs to this subscription.
    ///
    //= https://www.rfc-editor.org/rfc/rfc6665#section-4.4.1
    //# NOTIFY requests are matched to such SUBSCRIBE requests if they
    //# contain the same "Call-ID", a "To" header field "tag" parameter that
    //# matches the "From" header field "tag" parameter of the SUBSCRIBE
    //# request, and the same "Event" header field.
    pub fn is_for_us(&self, notify: &Request) -> bool {
        let Some(id) = DialogId::of_incoming_request(notify) else {
            return false;
        };
        let ours = match (&self.dialog, &self.call) {
            (Some(dialog), _) => *dialog.id() == id,
            (None, Some((call_id, local_tag))) => id.local_tag == *local_tag && id.call_id == *call_id,
            (None, None) => false,
        };
        ours && notify
            .headers()
            .get::<Event>()
            .ok()
            .flatten()
            .is_some_and(|event| same_event(&event, &self.template.event))
    }

    /// Takes a NOTIFY, and gives the status to answer; on 200 its body is news.
    pub fn handle_notify(&mut self, notify: &Request, now: Instant) -> StatusCode {
        let unknown = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        if !self.is_for_us(notify) || self.state == SubscriberState::Terminated {
            return unknown;
        }
        let state = match notify.headers().require::<SubscriptionState>() {
            Ok(state) => state,
            Err(error) => return error.status(),
        };
        match &mut self.dialog {
            Some(dialog) => {
                if let Err(error) = dialog.accept_request(notify) {
                    return error.status();
                }
            }
            None => match Dialog::of_notify(self.template.sequence, notify) {
                Ok(dialog) => {
                    self.dialog = Some(dialog);
                    self.call = None;
                }
                Err(_) => return StatusCode::BAD_REQUEST,
            },
        }
        self.notify_by = None;
        match state.state {
            SubscriptionStateValue::Terminated => {
                let reason = state.reason().map(|reason| ByteStr::from(reason.to_owned()));
                self.end(reason, state.retry_after());
                return StatusCode::OK;
            }
            SubscriptionStateValue::Pending => self.state = SubscriberState::Pending,
            _ => self.state = SubscriberState::Active,
        }
        //= https://www.rfc-editor.org/rfc/rfc6665#section-4.1.3
        //# If the header field also contains an "expires"
        //# parameter, the subscriber SHOULD take it as the authoritative
        //# subscription duration and adjust accordingly.
        if let Some(seconds) = state.expires() {
            self.granted(seconds, now);
        } else if self.ends_at.is_none() {
            self.granted(self.expires, now);
        }
        StatusCode::OK
    }

    /// Takes the final response to a SUBSCRIBE, or its absence.
    pub fn handle_response(&mut self, response: Option<&Response>, now: Instant) {
        let initial = self.state == SubscriberState::NotifyWait;
        match response {
            // The state is unchanged, and no NOTIFY follows (RFC 5839).
            Some(response) if response.status().code() == 204 && !initial => self.notify_by = None,
            Some(response) if response.status().is_success() => {
                if let Ok(Some(Expires(seconds))) = response.headers().get::<Expires>()
                    && self.state != SubscriberState::Terminated
                {
                    self.granted(seconds.min(self.expires), now);
                }
            }
            // To be answered by the owner, who tells of it with `resent`.
            Some(response) if matches!(response.status().code(), 401 | 407) => {}
            //= https://www.rfc-editor.org/rfc/rfc6665#section-4.1.2.2
            //# If a SUBSCRIBE request to refresh a subscription receives a 404, 405,
            //# 410, 416, 480-485, 489, 501, or 604 response, the subscriber MUST
            //# consider the subscription terminated.
            Some(response) if ends_usage(response.status()) => self.end(None, None),
            Some(response) if self.lengthen(response) => {
                if initial {
                    self.end(None, None);
                }
                self.notify_by = None;
                self.events.push_back(SubscriberEvent::TooBrief);
            }
            _ if initial => self.end(None, None),
            //= https://www.rfc-editor.org/rfc/rfc6665#section-4.1.2.2
            //# If a SUBSCRIBE request to refresh a subscription fails with any error
            //# code other than those listed above, the original subscription is
            //# still considered valid for the duration of the most recently known
            //# "Expires" value as negotiated by the most recent successful SUBSCRIBE
            //# transaction, or as communicated by a NOTIFY request in its
            //# "Subscription-State" header field "expires" parameter.
            _ => {
                self.notify_by = None;
                let left = self.ends_at.map(|at| at.saturating_duration_since(now));
                // Again halfway to the end, as long as there is time for an answer.
                self.refresh_at = left
                    .filter(|left| *left >= Duration::from_secs(2))
                    .and_then(|left| now.checked_add(left / 2));
            }
        }
    }

    /// Whether a NOTIFY comes from another end that the SUBSCRIBE was forked to, and if so the subscription there, to which the NOTIFY
    /// is to be given; up to timer N after the SUBSCRIBE.
    ///
    //= https://www.rfc-editor.org/rfc/rfc6665#section-4.1.2.4
    //# Until Timer N expires, several NOTIFY requests may arrive from
    //# different destinations (see Section 4.4.1).  Each of these requests
    //# establishes a new dialog usage and a new subscription.
    pub fn fork(&self, notify: &Request, now: Instant) -> Option<Self> {
        let open = self.forks_until.is_some_and(|until| now < until);
        let mine = self.dialog.as_ref()?;
        let id = DialogId::of_incoming_request(notify)?;
        if !open || *mine.id() == id {
            return None;
        }
        let other = Self {
            call: Some((mine.id().call_id.clone(), mine.id().local_tag.clone())),
            dialog: None,
            state: SubscriberState::NotifyWait,
            notify_by: self.forks_until,
            refresh_at: None,
            ends_at: None,
            events: VecDeque::new(),
            // Each of them is known here, and none of them has forks of its own.
            forks_until: None,
            ..self.clone()
        };
        other.is_for_us(notify).then_some(other)
    }

    /// Makes a SUBSCRIBE like the first one, for another subscription: with another Call-ID and From tag.
    ///
    //= https://www.rfc-editor.org/rfc/rfc6665#section-4.1.2.2
    //# If the subscriber
    //# wishes to re-subscribe to the state, he does so by composing an
    //# unrelated initial SUBSCRIBE request with a freshly generated Call-ID
    //# and a new, unique "From" tag (see Section 4.1.2.1).
    ///
    /// # Errors
    ///
    /// Fails when the Call-ID or the tag can't be written.
    pub fn anew(&self, call_id: &str, tag: &str) -> Result<Request, BuildError> {
        self.template.request(call_id, tag, self.expires)
    }

    /// Makes the SUBSCRIBE that renews the subscription.
    ///
    /// # Errors
    ///
    /// Fails when there is no dialog yet, or an address can't be written.
    pub fn refresh(&mut self, now: Instant) -> Result<Request, BuildError> {
        let request = self.request(self.expires)?;
        self.notify_by = now.checked_add(self.timer_n);
        Ok(request)
    }

    /// Makes the SUBSCRIBE that ends the subscription; a last NOTIFY follows.
    ///
    /// # Errors
    ///
    /// Fails when there is no dialog yet, or an address can't be written.
    pub fn unsubscribe(&mut self, now: Instant) -> Result<Request, BuildError> {
        let request = self.request(0)?;
        self.refresh_at = None;
        self.notify_by = now.checked_add(self.timer_n);
        Ok(request)
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.refresh_at) {
            self.refresh_at = None;
            self.events.push_back(SubscriberEvent::RefreshDue);
        }
        if due(self.notify_by) || due(self.ends_at) {
            self.end(None, None);
        }
    }

    /// When [`Self::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.notify_by, self.refresh_at, self.ends_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Gives the next piece of news.
    pub fn poll_event(&mut self) -> Option<SubscriberEvent> {
        self.events.pop_front()
    }

    fn request(&mut self, expires: u32) -> Result<Request, BuildError> {
        let missing = BuildError::Missing(HeaderName::TO);
        let dialog = self.dialog.as_mut().ok_or(missing)?;
        let mut builder = dialog
            .request(Method::Subscribe)
            .header_typed(&self.template.event)
            .header_typed(&Expires(expires));
        for (name, value) in self.template.fields() {
            if name == HeaderName::CONTACT || name == HeaderName::ACCEPT {
                builder = builder.header(&name, value)?;
            }
        }
        builder.build()
    }

    /// Whether a 423 asks for a duration that can be had.
    fn lengthen(&mut self, response: &Response) -> bool {
        let least = response.headers().get::<MinExpires>().ok().flatten();
        match least {
            Some(MinExpires(least))
                if response.status() == StatusCode::INTERVAL_TOO_BRIEF
                    && least > self.expires
                    && least <= LONGEST =>
            {
                self.expires = least;
                true
            }
            _ => false,
        }
    }

    fn granted(&mut self, seconds: u32, now: Instant) {
        let whole = Duration::from_secs(u64::from(seconds));
        self.ends_at = now.checked_add(whole);
        // Early enough for a renewal that fails once to be tried again.
        self.refresh_at = if seconds == 0 {
            None
        } else {
            now.checked_add(whole.saturating_sub((whole / 4).min(Duration::from_secs(300))))
        };
    }

    fn end(&mut self, reason: Option<ByteStr>, retry_after: Option<u32>) {
        if self.state != SubscriberState::Terminated {
            self.state = SubscriberState::Terminated;
            let again = Again::of(reason.as_deref(), retry_after);
            self.events.push_back(SubscriberEvent::Terminated {
                reason,
                retry_after,
                again,
            });
        }
        self.notify_by = None;
        self.refresh_at = None;
        self.ends_at = None;
    }
}

/// The longest duration, in seconds, that is asked for since a notifier wants it so: thirty days.
const LONGEST: u32 = 2_592_000;
