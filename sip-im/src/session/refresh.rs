//! Session timers (RFC 4028): how long a session lives without news, and who sends the news.

use core::time::Duration;
use std::time::Instant;

use crate::error::BuildError;
use crate::header::{Headers, MinSe, Refresher, Require, SessionExpires, Supported};
use crate::message::{Request, RequestBuilder, ResponseBuilder};

/// The shortest session interval that RFC 4028 section 4 knows.
pub const SHORTEST_INTERVAL: u32 = 90;

/// What this end wants of session timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimerConfig {
    /// The session interval asked for, in seconds; none asks for no timer, and grants what the peer asks for. 1800.
    pub session_expires: Option<u32>,
    /// The shortest interval accepted, in seconds; a shorter one is answered 422. Never less than 90. 90.
    pub min_se: u32,
    /// Who is to send the refreshes when the peer leaves the choice to this end and can do so itself. The answering end.
    pub refresher: Refresher,
}

impl Default for TimerConfig {
    fn default() -> Self {
        Self {
            session_expires: Some(1800),
            min_se: SHORTEST_INTERVAL,
            refresher: Refresher::Uas,
        }
    }
}

impl TimerConfig {
    /// No timer asked for.
    #[must_use]
    pub fn off() -> Self {
        Self {
            session_expires: None,
            ..Self::default()
        }
    }

    fn min_se(&self) -> u32 {
        self.min_se.max(SHORTEST_INTERVAL)
    }
}

/// What the 2xx of a request says of the timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Granted {
    /// The session interval in seconds.
    pub seconds: u32,
    /// Who sends the refreshes.
    pub refresher: Refresher,
    /// Whether the peer has to heed it.
    pub required: bool,
}

/// The session interval asked for is too short: a 422 with this minimum in `Min-SE`, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session interval is shorter than {0} s")]
#[expect(clippy::exhaustive_structs, reason = "a 422 says this number and no more")]
pub struct IntervalTooSmall(pub u32);

/// Who sends the refreshes, by table 2 of RFC 4028 section 9: whether the UAC supports timers, whom it names, and whom this end
/// would have. `None` where the table has "NA".
///
//= https://www.rfc-editor.org/rfc/rfc4028#section-9
//# However, as the table
//# indicates, the UAS cannot override the UAC's choice of refresher, if
//# it made one.
pub fn refresher(supported: bool, named: Option<Refresher>, wanted: Refresher) -> Option<Refresher> {
    match (supported, named) {
        (false, None) => Some(Refresher::Uas),
        (false, Some(_)) => None,
        (true, None) => Some(wanted),
        (true, Some(named)) => Some(named),
    }
}

/// The timer of one session at one end: plain state, for a host or a role that keeps its own dialogs, and for
/// [`Endpoint`](crate::endpoint::Endpoint) sessions.
///
/// ```
/// use std::time::{Duration, Instant};
/// use sip_im::session::{SessionTimer, TimerConfig};
/// use sip_im::{Method, Request, StatusCode, Uri};
///
/// let bob = Uri::parse("sip:bob@b.test")?;
/// let config = TimerConfig::default();
/// let (mut ours, mut theirs) = (SessionTimer::default(), SessionTimer::default());
/// let invite = Request::builder(Method::Invite, bob.clone())
///     .from(&Uri::parse("sip:alice@a.test")?, None, "a1").to(&bob, None).call_id("c1").cseq(1);
/// let invite = ours.ask(invite, &config).build()?;
/// let granted = theirs.grant(invite.headers(), &config)?;
/// let ok = SessionTimer::answer(invite.response(StatusCode::OK), granted).to_tag("b1").build()?;
/// let now = Instant::now();
/// theirs.answered(granted, now);
/// ours.accepted(ok.headers(), now);
/// assert_eq!(theirs.refresh_at(), Some(now + Duration::from_secs(900)));
/// assert_eq!((ours.refresh_at(), ours.ends_at()), (None, Some(now + Duration::from_secs(1768))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionTimer {
    /// The largest `Min-SE` seen; 0 for none.
    pub(crate) min_se: u32,
    /// The interval; 0 for none.
    pub(crate) seconds: u32,
    /// Whether this end refreshes.
    pub(crate) ours: bool,
    pub(crate) refresh_at: Option<Instant>,
    pub(crate) ends_at: Option<Instant>,
    /// The interval that the request under way asks for; 0 for none.
    asked: u32,
}

impl SessionTimer {
    /// The session interval in seconds, if there is a timer.
    pub fn interval(&self) -> Option<u32> {
        (self.seconds > 0).then_some(self.seconds)
    }

    /// Whether this end sends the refreshes.
    pub fn is_ours(&self) -> bool {
        self.seconds > 0 && self.ours
    }

    /// When a refresh is due from this end.
    pub fn refresh_at(&self) -> Option<Instant> {
        self.refresh_at
    }

    /// When the session is to be ended with a BYE, since no refresh has succeeded.
    pub fn ends_at(&self) -> Option<Instant> {
        self.ends_at
    }

    /// Adds what an INVITE or UPDATE of this end says of the timer: the first asks for one, the later ones keep it.
    ///
    //= https://www.rfc-editor.org/rfc/rfc4028#section-7.4
    //# When present, it SHOULD be equal to the maximum of the Min-SE header
    //# field (recall that its default value when not present is 90 seconds)
    //# and the current session interval.
    //= https://www.rfc-editor.org/rfc/rfc4028#section-7.4
    //# it is
    //# RECOMMENDED that the refresher parameter be set to 'uac' if the
    //# element sending the request is currently performing refreshes, and to
    //# 'uas' if its peer is performing the refreshes.
    pub fn ask(&mut self, builder: RequestBuilder, config: &TimerConfig) -> RequestBuilder {
        let (min_se, expires) = self.wish(config);
        let mut builder = builder;
        if let Some(min_se) = min_se {
            builder = builder.header_typed(&min_se);
        }
        if let Some(expires) = expires {
            builder = builder.header_typed(&expires);
        }
        builder
    }

    /// Has a request that was [too brief](Self::too_small) for somebody ask for more.
    ///
    /// # Errors
    ///
    /// Fails when the request can't carry it.
    pub fn ask_again(&mut self, request: &mut Request, config: &TimerConfig) -> Result<(), BuildError> {
        let (min_se, expires) = self.wish(config);
        if let Some(min_se) = min_se {
            request.headers_mut().set_typed(&min_se)?;
        }
        if let Some(expires) = expires {
            request.headers_mut().set_typed(&expires)?;
        }
        Ok(())
    }

    fn wish(&mut self, config: &TimerConfig) -> (Option<MinSe>, Option<SessionExpires>) {
        let (wanted, side) = match self.interval() {
            Some(seconds) if self.ours => (Some(seconds), Some(Refresher::Uac)),
            Some(seconds) => (Some(seconds), Some(Refresher::Uas)),
            None => (config.session_expires, None),
        };
        let min_se = if self.min_se > 0 {
            self.min_se.max(config.min_se())
        } else {
            config.min_se()
        };
        //= https://www.rfc-editor.org/rfc/rfc4028#section-7.4
        //# The UAC MUST insert the Min-SE header field into a session refresh
        //# request for a particular dialog if it has ever received a 422
        //# response to a previous session refresh request on the same dialog, or
        //# if it has received a session refresh request on that dialog that
        //# contained a Min-SE header field.
        let least = (self.min_se > 0 || min_se > SHORTEST_INTERVAL).then(|| MinSe::new(min_se));
        self.asked = wanted.map_or(0, |wanted| wanted.max(min_se));
        (least, wanted.map(|_| SessionExpires::new(self.asked, side)))
    }

    /// Takes a 422: the next request asks for no less than it says. `false` when it says nothing new, so that there is no use in
    /// asking again.
    pub fn too_small(&mut self, headers: &Headers) -> bool {
        let Ok(Some(min_se)) = headers.get::<MinSe>() else {
            return false;
        };
        let grows = min_se.seconds > self.min_se.max(self.asked);
        self.min_se = self.min_se.max(min_se.seconds);
        grows
    }

    /// Takes the 2xx to an INVITE or UPDATE of this end.
    ///
    //= https://www.rfc-editor.org/rfc/rfc4028#section-7.2
    //# In this case, if the UAC still wishes to use the
    //# session timer (which is purely for its benefit alone), it has to
    //# perform them.
    pub fn accepted(&mut self, headers: &Headers, now: Instant) {
        let asked = core::mem::take(&mut self.asked);
        let granted = headers.get::<SessionExpires>().ok().flatten();
        let granted = granted.map_or((asked, None), |granted| (granted.seconds, granted.refresher));
        self.ours = granted.1 != Some(Refresher::Uas);
        self.start(granted.0, now);
    }

    /// Decides on an INVITE or UPDATE of the peer: what its 2xx is to say, if anything.
    ///
    /// # Errors
    ///
    /// Fails with the minimum that a 422 tells.
    ///
    //= https://www.rfc-editor.org/rfc/rfc4028#section-9
    //# If an incoming request contains a Supported header field with a value
    //# 'timer' and a Session Expires header field, the UAS MAY reject the
    //# INVITE request with a 422 (Session Interval Too Small) response if
    //# the session interval in the Session-Expires header field is smaller
    //# than the minimum interval defined by the UAS' local policy.
    pub fn grant(
        &mut self,
        headers: &Headers,
        config: &TimerConfig,
    ) -> Result<Option<Granted>, IntervalTooSmall> {
        let supported = has_token::<Supported>(headers) || has_token::<Require>(headers);
        let least = headers
            .get::<MinSe>()
            .ok()
            .flatten()
            .map_or(0, |min_se| min_se.seconds);
        let asked = headers.get::<SessionExpires>().ok().flatten();
        let named = asked.as_ref().and_then(|asked| asked.refresher);
        let floor = least.max(SHORTEST_INTERVAL);
        let seconds = match asked {
            Some(asked) if supported && asked.seconds < config.min_se() => {
                return Err(IntervalTooSmall(config.min_se()));
            }
            // Nobody could be told, and less than the least there is makes no timer.
            Some(asked) if asked.seconds < SHORTEST_INTERVAL => None,
            //= https://www.rfc-editor.org/rfc/rfc4028#section-9
            //# The UAS MUST
            //# NOT increase the value of the Session-Expires header field.
            Some(asked) => Some(config.session_expires.map_or(asked.seconds, |own| {
                asked.seconds.min(own.max(floor).max(config.min_se()))
            })),
            None => config.session_expires.map(|own| own.max(floor)),
        };
        self.min_se = self.min_se.max(least);
        let side = refresher(supported, named, config.refresher).unwrap_or(Refresher::Uas);
        Ok(seconds.map(|seconds| Granted {
            seconds,
            refresher: side,
            required: supported,
        }))
    }

    /// Adds what a 2xx of this end says of the timer.
    ///
    //= https://www.rfc-editor.org/rfc/rfc4028#section-9
    //# If the refresher parameter in the Session-Expires header field in the
    //# 2xx response has a value of 'uac', the UAS MUST place a Require
    //# header field into the response with the value 'timer'.
    pub fn answer(builder: ResponseBuilder, granted: Option<Granted>) -> ResponseBuilder {
        let Some(granted) = granted else { return builder };
        let builder = builder.header_typed(&SessionExpires::new(granted.seconds, Some(granted.refresher)));
        if granted.required || granted.refresher == Refresher::Uac {
            builder.header_typed(&Require::new([TIMER]))
        } else {
            builder
        }
    }

    /// Notes that the 2xx has gone out.
    pub fn answered(&mut self, granted: Option<Granted>, now: Instant) {
        self.ours = granted.is_some_and(|granted| granted.refresher == Refresher::Uas);
        self.start(granted.map_or(0, |granted| granted.seconds), now);
    }

    /// Puts a refresh off that could not be made or has failed: to half of the time that is left. No more refreshes are made once
    /// there is too little of it.
    pub fn postpone(&mut self, now: Instant) {
        let left = self.ends_at.map(|ends| ends.saturating_duration_since(now));
        self.refresh_at = left
            .filter(|left| self.ours && *left > LEAST_PAUSE * 2)
            .and_then(|left| now.checked_add(left / 2));
    }

    /// Takes the due refresh: it is under way, and due no more.
    pub fn refreshing(&mut self) {
        self.refresh_at = None;
    }

    /// Ends the timer.
    pub fn stop(&mut self) {
        *self = Self {
            min_se: self.min_se,
            ..Self::default()
        };
    }

    /// A timer that was running elsewhere.
    pub(crate) fn resume(min_se: u32, seconds: u32, ours: bool) -> Self {
        Self {
            min_se,
            seconds,
            ours,
            ..Self::default()
        }
    }

    /// Starts the interval anew.
    ///
    //= https://www.rfc-editor.org/rfc/rfc4028#section-10
    //# Similarly, if the side not performing refreshes does not receive a
    //# session refresh request before the session expiration, it SHOULD send
    //# a BYE to terminate the session, slightly before the session
    //# expiration.  The minimum of 32 seconds and one third of the session
    //# interval is RECOMMENDED.
    fn start(&mut self, seconds: u32, now: Instant) {
        self.seconds = seconds;
        if seconds == 0 {
            self.refresh_at = None;
            self.ends_at = None;
            return;
        }
        // A peer that names less than the least there is can't make this end send faster than that asks for.
        let whole = Duration::from_secs(u64::from(seconds.max(SHORTEST_INTERVAL)));
        let margin = (whole / 3).min(Duration::from_secs(32));
        self.ends_at = now.checked_add(whole.saturating_sub(margin));
        //= https://www.rfc-editor.org/rfc/rfc4028#section-7.2
        //# It is
        //# RECOMMENDED that this refresh be sent once half the session interval
        //# has elapsed.
        self.refresh_at = if self.ours {
            now.checked_add(whole / 2)
        } else {
            None
        };
    }
}

/// The option tag of RFC 4028.
pub(crate) const TIMER: &str = "timer";

/// The least time between two attempts at a refresh.
const LEAST_PAUSE: Duration = Duration::from_secs(5);

/// Header fields that list option tags.
trait Options: crate::header::Header {
    fn has(&self, tag: &str) -> bool;
}

impl Options for Supported {
    fn has(&self, tag: &str) -> bool {
        self.contains(tag)
    }
}

impl Options for Require {
    fn has(&self, tag: &str) -> bool {
        self.contains(tag)
    }
}

fn has_token<H: Options>(headers: &Headers) -> bool {
    headers
        .get::<H>()
        .ok()
        .flatten()
        .is_some_and(|list| list.has(TIMER))
}
