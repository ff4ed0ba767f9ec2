//! One subscription at the server that notifies.

use core::time::Duration;
use std::time::Instant;

use bytes::Bytes;

use crate::dialog::{Dialog, DialogId};
use crate::error::BuildError;
use crate::header::{Contact, Event, Expires, MinExpires, SubscriptionState};
use crate::message::{Request, Response, ResponseBuilder};
use crate::uri::Uri;
use crate::{ByteStr, ContentType, Method, StatusCode};

/// What a notifier grants.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NotifierConfig {
    /// The shortest duration granted, in seconds; a shorter wish is answered 423. 60.
    pub min_expires: u32,
    /// The duration granted when none is wished for, in seconds. 3600.
    pub default_expires: u32,
    /// The longest duration granted, in seconds. 7200.
    pub max_expires: u32,
    /// The shortest time between two NOTIFYs that only changes of the state are the reason for; a subscriber can ask for a longer
    /// one (`max-rate`, RFC 6446). 0.
    pub min_interval: Duration,
}

impl Default for NotifierConfig {
    fn default() -> Self {
        Self {
            min_expires: 60,
            default_expires: 3600,
            max_expires: 7200,
            min_interval: Duration::ZERO,
        }
    }
}

/// A state of a subscription at the notifier, as in the figure of RFC 6665 section 4.2.2 (`resp_wait` lasts no longer than the
/// call that accepts the SUBSCRIBE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotifierState {
    /// Somebody has yet to allow it.
    Pending,
    /// Allowed.
    Active,
    /// Over, for this reason (RFC 6665 section 4.1.3); one last NOTIFY says so.
    Terminated(&'static str),
    /// Over, and nobody is to be told.
    Gone,
}

/// Why a SUBSCRIBE is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscribeRefused {
    /// The status to answer.
    pub status: StatusCode,
    /// What a 423 tells.
    pub min_expires: Option<u32>,
}

impl SubscribeRefused {
    fn with(status: StatusCode) -> Self {
        Self {
            status,
            min_expires: None,
        }
    }

    /// Begins the response.
    pub fn response(&self, request: &Request) -> ResponseBuilder {
        let builder = request.response(self.status);
        match self.min_expires {
            Some(seconds) => builder.header_typed(&MinExpires(seconds)),
            None => builder,
        }
    }
}

/// One subscription, from the SUBSCRIBE that made it to its last NOTIFY.
///
/// ```
/// use std::time::Instant;
/// use sip_im::header::{Contact, Event, SubscriptionState};
/// use sip_im::subscription::{Notifier, NotifierConfig};
/// use sip_im::{Method, Request, Uri};
///
/// let room = Uri::parse("sip:room@example.com")?;
/// let subscribe = Request::builder(Method::Subscribe, room.clone())
///     .from(&Uri::parse("sip:alice@example.com")?, None, "a1")
///     .to(&room, None)
///     .call_id("c1")
///     .cseq(1)
///     .contact(&Contact::new(Uri::parse("sip:alice@192.0.2.1")?))
///     .header_typed(&Event::new("conference"))
///     .build()?;
/// let now = Instant::now();
/// let (mut notifier, response) = Notifier::accept(&subscribe, "r1", &room, &NotifierConfig::default(), now)?;
/// assert_eq!(response.status().code(), 200);
/// let notify = notifier.notify(None, now)?;
/// assert_eq!(notify.headers().require::<SubscriptionState>()?.expires(), Some(3600));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Notifier {
    pub(super) dialog: Dialog,
    pub(super) event: Event,
    pub(super) contact: Uri,
    pub(super) config: NotifierConfig,
    pub(super) expires: Option<Instant>,
    pub(super) state: NotifierState,
    /// The last NOTIFY has been made.
    pub(super) said_so: bool,
    pub(super) news: News,
    /// When the latest NOTIFY was made.
    pub(super) last: Option<Instant>,
    /// What the subscriber asked for with `max-rate`.
    pub(super) asked_interval: Option<(ByteStr, Duration)>,
}

/// What the subscriber has not been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    None,
    /// The state has changed; it is told when it may be.
    Later,
    /// A NOTIFY is due.
    Now,
}

impl Notifier {
    /// Takes a SUBSCRIBE that makes a dialog, and makes its 200; a NOTIFY is owed at once. A wish of no time at all fetches the
    /// state once: the subscription is over from the start.
    ///
    /// That the package is known and the subscriber allowed is for the caller to see; see [`Self::set_pending`].
    ///
    /// # Errors
    ///
    /// Fails with what to answer.
    pub fn accept(
        request: &Request,
        local_tag: &str,
        contact: &Uri,
        config: &NotifierConfig,
        now: Instant,
    ) -> Result<(Self, Response), SubscribeRefused> {
        let event = event_of(request)?.detached();
        let seconds = granted(request, config)?;
        let response = response(request, local_tag, contact, seconds)?;
        let bad = |_| SubscribeRefused::with(StatusCode::BAD_REQUEST);
        let dialog = Dialog::from_uas(request, &response).map_err(bad)?;
        let mut notifier = Self {
            dialog,
            event,
            contact: contact.clone(),
            config: *config,
            expires: None,
            state: NotifierState::Active,
            said_so: false,
            news: News::Now,
            last: None,
            asked_interval: None,
        };
        notifier.asked_interval = interval_of(&notifier.event);
        notifier.set_expires(seconds, now);
        Ok((notifier, response))
    }

    /// Takes a SUBSCRIBE inside the dialog, which renews or ends the subscription, and makes its 200; a NOTIFY is owed at once.
    ///
    /// # Errors
    ///
    /// Fails with what to answer, and changes nothing.
    pub fn refresh(&mut self, request: &Request, now: Instant) -> Result<Response, SubscribeRefused> {
        let gone = SubscribeRefused::with(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST);
        let event = event_of(request)?.detached();
        if self.is_over() || !same_event(&self.event, &event) {
            return Err(gone);
        }
        let seconds = granted(request, &self.config)?;
        let response = response(request, &self.dialog.id().local_tag, &self.contact, seconds)?;
        self.dialog
            .accept_request(request)
            .map_err(|error| SubscribeRefused::with(error.status()))?;
        self.asked_interval = interval_of(&event);
        self.news = News::Now;
        self.set_expires(seconds, now);
        Ok(response)
    }

    /// Takes note that the state has changed; the subscriber is to be told once [`Self::is_notify_due`].
    ///
    //= https://www.rfc-editor.org/rfc/rfc6446#section-5.2
    //# A compliant notifier MUST NOT generate a notification if the interval
    //# since the most recent notification is less than the reciprocal value
    //# of the "max-rate" parameter, except when generating the notification
    //# either upon receipt of a SUBSCRIBE request, when the subscription
    //# state is changing from "pending" to "active" state, or upon
    //# termination of the subscription (the last notification).
    pub fn state_changed(&mut self, now: Instant) {
        if !self.is_over() && self.news == News::None {
            self.news = News::Later;
        }
        self.settle(now);
    }

    /// Whether a NOTIFY is due, made with [`Self::notify`]: after each SUBSCRIBE at once, when the subscription is allowed or ends, and
    /// when the state has changed and the latest NOTIFY is long enough ago.
    ///
    //= https://www.rfc-editor.org/rfc/rfc6665#section-4.2.2
    //# When a SUBSCRIBE request is answered with a 200-class response, the
    //# notifier MUST immediately construct and send a NOTIFY request to the
    //# subscriber.
    pub fn is_notify_due(&self) -> bool {
        self.news == News::Now && !self.is_drained()
    }

    /// Makes a NOTIFY with what there is to say; the one for a subscription that is over says so.
    ///
    /// # Errors
    ///
    /// Fails when an address can't be written.
    pub fn notify(
        &mut self,
        content: Option<(&ContentType, Bytes)>,
        now: Instant,
    ) -> Result<Request, BuildError> {
        let left = self
            .expires
            .map_or(0, |expires| expires.saturating_duration_since(now).as_secs());
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        //= https://www.rfc-editor.org/rfc/rfc6665#section-4.2.2
        //# NOTIFY requests MUST contain a "Subscription-State" header field with
        //# a value of "active", "pending", or "terminated".
        let mut state = match self.state {
            NotifierState::Active => SubscriptionState::active(left),
            NotifierState::Pending => SubscriptionState::pending(left),
            NotifierState::Terminated(reason) => SubscriptionState::terminated(reason),
            NotifierState::Gone => SubscriptionState::terminated("noresource"),
        };
        //= https://www.rfc-editor.org/rfc/rfc6446#section-5.2
        //# A compliant notifier MUST reflect back the possibly adjusted maximum
        //# rate of notifications in a "max-rate" Subscription-State header field
        //# parameter of the subsequent NOTIFY requests.
        if let (Some((rate, _)), false) = (&self.asked_interval, self.is_over()) {
            let _ = state.params.set("max-rate", Some(rate.as_str()));
        }
        self.said_so |= self.is_over();
        self.news = News::None;
        self.last = Some(now);
        let mut builder = self
            .dialog
            .request(Method::Notify)
            .contact(&Contact::new(self.contact.clone()))
            .header_typed(&self.event)
            .header_typed(&state);
        if let Some((content_type, body)) = content {
            builder = builder.body(content_type, body);
        }
        builder.build()
    }

    /// Takes the final response to a NOTIFY, or its absence.
    ///
    //= https://www.rfc-editor.org/rfc/rfc6665#section-4.2.2
    //# If the NOTIFY request fails due to expiration of SIP Timer F
    //# (transaction timeout), the notifier SHOULD remove the subscription.
    //= https://www.rfc-editor.org/rfc/rfc6665#section-4.2.2
    //# If the NOTIFY transaction fails due to the receipt of a 404, 405,
    //# 410, 416, 480-485, 489, 501, or 604 response to the NOTIFY request,
    //# the notifier MUST remove the corresponding subscription.
    pub fn handle_response(&mut self, response: Option<&Response>) {
        let failed = match response {
            None => true,
            Some(response) => ends_usage(response.status()),
        };
        if failed {
            self.state = NotifierState::Gone;
            self.expires = None;
        }
    }

    /// Says that somebody has yet to allow the subscription.
    pub fn set_pending(&mut self) {
        if self.state == NotifierState::Active {
            self.state = NotifierState::Pending;
        }
    }

    /// Allows the subscription; a NOTIFY is owed.
    pub fn activate(&mut self) {
        if self.state == NotifierState::Pending {
            self.state = NotifierState::Active;
            self.news = News::Now;
        }
    }

    /// Ends the subscription for a reason of RFC 6665 section 4.1.3; one last NOTIFY is owed.
    pub fn terminate(&mut self, reason: &'static str) {
        if !self.is_over() {
            self.state = NotifierState::Terminated(reason);
            self.expires = None;
            self.news = News::Now;
        }
    }

    /// Ends the subscription when its time is over; one last NOTIFY is owed then.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.expires.is_some_and(|expires| expires <= now) {
            self.terminate("timeout");
        }
        self.settle(now);
    }

    /// When [`Self::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let news = self.earliest().filter(|_| self.news == News::Later);
        [self.expires, news].into_iter().flatten().min()
    }

    /// Whether nothing more is to be said.
    pub fn is_drained(&self) -> bool {
        self.state == NotifierState::Gone || self.said_so
    }

    /// Its state.
    pub fn state(&self) -> NotifierState {
        self.state
    }

    /// The dialog it lives in.
    pub fn id(&self) -> &DialogId {
        self.dialog.id()
    }

    /// The dialog it lives in, for where to send the NOTIFYs.
    pub fn dialog(&self) -> &Dialog {
        &self.dialog
    }

    /// What it is about.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// When a change may be told.
    fn earliest(&self) -> Option<Instant> {
        let asked = self
            .asked_interval
            .as_ref()
            .map_or(Duration::ZERO, |(_, asked)| *asked);
        self.last?.checked_add(asked.max(self.config.min_interval))
    }

    fn settle(&mut self, now: Instant) {
        if self.news == News::Later && self.earliest().is_none_or(|at| at <= now) {
            self.news = News::Now;
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.state, NotifierState::Terminated(_) | NotifierState::Gone)
    }

    fn set_expires(&mut self, seconds: u32, now: Instant) {
        if seconds == 0 {
            self.terminate("timeout");
        } else {
            self.expires = now.checked_add(Duration::from_secs(u64::from(seconds)));
        }
    }
}

/// The statuses that end a subscription wherever they answer one of its requests (RFC 6665 sections 4.1.2.2 and 4.2.2).
pub(crate) fn ends_usage(status: StatusCode) -> bool {
    matches!(status.code(), 404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 604)
}

/// The time between notifications that a `max-rate` stands for (RFC 6446 section 9.2), and its text.
pub(super) fn interval_of(event: &Event) -> Option<(ByteStr, Duration)> {
    let text = event.params.get("max-rate").flatten()?;
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit())
    };
    if !digits(whole, 2) || !digits(part, 10) {
        return None;
    }
    // In units of 10^-10 notifications per second.
    let rate: u64 = format!("{whole}{part:0<10}").parse().ok()?;
    let nanoseconds = 10_000_000_000_000_000_000_u64.checked_div(rate)?;
    Some((ByteStr::from(text.to_owned()), Duration::from_nanos(nanoseconds)))
}

fn event_of(request: &Request) -> Result<Event, SubscribeRefused> {
    match request.headers().get::<Event>() {
        Ok(Some(event)) => Ok(event),
        Ok(None) => Err(SubscribeRefused::with(StatusCode::BAD_EVENT)),
        Err(error) => Err(SubscribeRefused::with(error.status())),
    }
}

/// Whether two Event fields are of one subscription (RFC 6665 section 4.1.2.2: package and id).
pub(super) fn same_event(one: &Event, other: &Event) -> bool {
    one.package == other.package && one.id() == other.id()
}

fn granted(request: &Request, config: &NotifierConfig) -> Result<u32, SubscribeRefused> {
    let wished = request
        .headers()
        .get::<Expires>()
        .map_err(|error| SubscribeRefused::with(error.status()))?;
    let wished = wished.map_or(config.default_expires, |expires| expires.0);
    //= https://www.rfc-editor.org/rfc/rfc6665#section-4.2.1.1
    //# If and only if the expiration interval is
    //# greater than zero AND smaller than one hour AND less than a notifier-
    //# configured minimum, the notifier MAY return a 423 (Interval Too
    //# Brief) error that contains a "Min-Expires" header field.
    if wished > 0 && wished < 3600 && wished < config.min_expires {
        return Err(SubscribeRefused {
            status: StatusCode::INTERVAL_TOO_BRIEF,
            min_expires: Some(config.min_expires),
        });
    }
    Ok(wished.min(config.max_expires))
}

fn response(request: &Request, tag: &str, contact: &Uri, seconds: u32) -> Result<Response, SubscribeRefused> {
    request
        .response(StatusCode::OK)
        .to_tag(tag)
        .contact(&Contact::new(contact.clone()))
        .header_typed(&Expires(seconds))
        .build()
        .map_err(|_| SubscribeRefused::with(StatusCode::BAD_REQUEST))
}

impl std::error::Error for SubscribeRefused {}

impl core::fmt::Display for SubscribeRefused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "the subscription is refused with {}", self.status.code())
    }
}
