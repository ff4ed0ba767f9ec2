//! One subscription at the client that is notified.

use core::time::Duration;
use std::collections::VecDeque;
use std::time::Instant;

use super::notifier::same_event;
use crate::dialog::{Dialog, DialogId};
use crate::error::BuildError;
use crate::header::{Contact, Event, Expires, HeaderName, SubscriptionState, SubscriptionStateValue};
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
    },
}

/// One subscription, from its SUBSCRIBE to the NOTIFY that ends it.
#[derive(Clone, Debug)]
pub struct Subscriber {
    subscribe: Request,
    event: Event,
    local_tag: ByteStr,
    dialog: Option<Dialog>,
    state: SubscriberState,
    timer_n: Duration,
    expires: u32,
    /// Timer N: by then a NOTIFY has to come.
    notify_by: Option<Instant>,
    refresh_at: Option<Instant>,
    ends_at: Option<Instant>,
    events: VecDeque<SubscriberEvent>,
}

impl Subscriber {
    /// Begins with the SUBSCRIBE that is sent now; `timer_n` is 64*T1, 32 s.
    ///
    /// # Errors
    ///
    /// Fails when the request lacks Event or a From tag.
    pub fn new(
        subscribe: Request,
        timer_n: Duration,
        now: Instant,
    ) -> Result<Self, crate::error::HeaderError> {
        let event = subscribe.headers().require::<Event>()?;
        let local_tag = subscribe.from()?.tag().unwrap_or_default().to_owned();
        let expires = subscribe
            .headers()
            .get::<Expires>()?
            .map_or(3600, |expires| expires.0);
        Ok(Self {
            subscribe,
            event,
            local_tag: ByteStr::from(local_tag),
            dialog: None,
            state: SubscriberState::NotifyWait,
            timer_n,
            expires,
            notify_by: now.checked_add(timer_n),
            refresh_at: None,
            ends_at: None,
            events: VecDeque::new(),
        })
    }

    /// Notes that the SUBSCRIBE went out again with another number, since it was challenged.
    pub fn resent(&mut self, subscribe: Request, now: Instant) {
        if let (Some(dialog), Ok(cseq)) = (&mut self.dialog, subscribe.cseq()) {
            dialog.advance(cseq.seq);
        }
        self.subscribe = subscribe;
        self.notify_by = now.checked_add(self.timer_n);
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
        let ours = match &self.dialog {
            Some(dialog) => *dialog.id() == id,
            None => {
                id.local_tag == self.local_tag
                    && self
                        .subscribe
                        .call_id()
                        .is_ok_and(|call_id| call_id.as_str() == id.call_id.as_str())
            }
        };
        ours && notify
            .headers()
            .get::<Event>()
            .ok()
            .flatten()
            .is_some_and(|event| same_event(&event, &self.event))
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
            None => match Dialog::from_notify(&self.subscribe, notify) {
                Ok(dialog) => self.dialog = Some(dialog),
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
            Some(response) => {
                if initial
                    || matches!(
                        response.status().code(),
                        404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 604
                    )
                {
                    self.end(None, None);
                }
            }
            None => self.end(None, None),
        }
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
        let contact = self.subscribe.headers().get::<Contact>().ok().flatten();
        let dialog = self.dialog.as_mut().ok_or(missing)?;
        let mut builder = dialog
            .request(Method::Subscribe)
            .header_typed(&self.event)
            .header_typed(&Expires(expires));
        if let Some(contact) = &contact {
            builder = builder.contact(contact);
        }
        for value in self.subscribe.headers().values(&HeaderName::ACCEPT) {
            builder = builder.header(&HeaderName::ACCEPT, &value)?;
        }
        builder.build()
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
            self.events
                .push_back(SubscriberEvent::Terminated { reason, retry_after });
        }
        self.notify_by = None;
        self.refresh_at = None;
        self.ends_at = None;
    }
}
