//! One registration at a client: what to send, and when to send it again.

use core::time::Duration;
use std::time::Instant;

use crate::error::BuildError;
use crate::header::{CSeq, Contact, Expires, MinExpires, NameAddr};
use crate::message::{Request, Response};
use crate::uri::Uri;
use crate::{Method, StatusCode};

/// How far a registration has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistrationState {
    /// Not registered.
    Idle,
    /// Registered until then, unless it is renewed.
    Registered {
        /// When the registrar forgets it.
        until: Instant,
    },
    /// The registrar asked for a longer duration; the next request has it.
    TooBrief,
    /// The registrar wants credentials; to be answered with [`Authentication`](crate::auth::Authentication).
    Challenged,
    /// Refused.
    Refused(StatusCode),
}

/// Keeps one contact registered.
///
/// The host sends what [`Self::register`] gives and hands the response to [`Self::handle_response`]; when
/// [`Self::poll_timeout`] is due it begins again. A request that was answered to a challenge is told with
/// [`Self::sent`], since it has a number of its own.
#[derive(Clone, Debug)]
pub struct Registration {
    aor: Uri,
    registrar: Uri,
    contact: NameAddr,
    call_id: String,
    tag: String,
    sequence: u32,
    expires: u32,
    state: RegistrationState,
    renew: Option<Instant>,
}

impl Registration {
    /// Describes what is to be registered: `call_id` and `tag` are random and stay the same (RFC 3261 section 10.2.4).
    pub fn new(aor: Uri, registrar: Uri, contact: NameAddr, call_id: &str, tag: &str, expires: u32) -> Self {
        Self {
            aor,
            registrar,
            contact,
            call_id: call_id.to_owned(),
            tag: tag.to_owned(),
            sequence: 0,
            expires,
            state: RegistrationState::Idle,
            renew: None,
        }
    }

    /// How far it has come.
    pub fn state(&self) -> RegistrationState {
        self.state
    }

    /// Makes the REGISTER that makes or renews the binding.
    ///
    /// # Errors
    ///
    /// Fails when an address can't be written.
    pub fn register(&mut self) -> Result<Request, BuildError> {
        self.request(self.expires)
    }

    /// Makes the REGISTER that removes the binding.
    ///
    /// # Errors
    ///
    /// Fails when an address can't be written.
    pub fn unregister(&mut self) -> Result<Request, BuildError> {
        self.renew = None;
        self.request(0)
    }

    /// Notes the number of a request that was sent in place of one of ours.
    pub fn sent(&mut self, request: &Request) {
        if let Ok(Some(cseq)) = request.headers().get::<CSeq>() {
            self.sequence = self.sequence.max(cseq.seq);
        }
    }

    /// Takes the response to a REGISTER.
    pub fn handle_response(&mut self, response: &Response, now: Instant) -> RegistrationState {
        let status = response.status();
        if status.is_provisional() {
            return self.state;
        }
        self.renew = None;
        self.state = match status {
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                RegistrationState::Challenged
            }
            //= https://www.rfc-editor.org/rfc/rfc3261#section-10.2.8
            //# If a UA receives a 423 (Interval Too Brief) response, it MAY retry
            //# the registration after making the expiration interval of all contact
            //# addresses in the REGISTER request equal to or greater than the
            //# expiration interval within the Min-Expires header field of the 423
            //# (Interval Too Brief) response.
            StatusCode::INTERVAL_TOO_BRIEF => match response.headers().get::<MinExpires>() {
                Ok(Some(MinExpires(least))) if least > self.expires && least <= LONGEST => {
                    self.expires = least;
                    RegistrationState::TooBrief
                }
                _ => RegistrationState::Refused(status),
            },
            _ if status.is_success() => self.granted(response, now),
            _ => RegistrationState::Refused(status),
        };
        self.state
    }

    /// When the binding is to be renewed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.renew
    }

    fn granted(&mut self, response: &Response, now: Instant) -> RegistrationState {
        //= https://www.rfc-editor.org/rfc/rfc3261#section-10.2.4
        //# The 200 (OK) response from the registrar contains a list of Contact
        //# fields enumerating all current bindings.
        let ours = response
            .headers()
            .all::<Contact>()
            .flatten()
            .find(|contact| contact.uri().is_some_and(|uri| uri.equivalent(&self.contact.uri)));
        let Some(ours) = ours else {
            return RegistrationState::Idle;
        };
        let of_message = response
            .headers()
            .get::<Expires>()
            .ok()
            .flatten()
            .map(|expires| expires.0);
        let seconds = ours.expires().or(of_message).unwrap_or(self.expires).min(LONGEST);
        if seconds == 0 {
            return RegistrationState::Idle;
        }
        let granted = Duration::from_secs(u64::from(seconds));
        // Early enough for a renewal that fails once to be tried again: half of a short time, ten minutes before the end of a
        // long one.
        let early = (granted / 2).min(Duration::from_secs(600));
        self.renew = now.checked_add(granted.saturating_sub(early));
        now.checked_add(granted)
            .map_or(RegistrationState::Idle, |until| RegistrationState::Registered {
                until,
            })
    }

    fn request(&mut self, expires: u32) -> Result<Request, BuildError> {
        self.sequence = self.sequence.saturating_add(1);
        Request::builder(Method::Register, self.registrar.clone())
            .from(&self.aor, None, &self.tag)
            .to(&self.aor, None)
            .call_id(&self.call_id)
            .cseq(self.sequence)
            .contact(&Contact::Addr(self.contact.clone()))
            .header_typed(&Expires(expires))
            .build()
    }
}

/// The longest duration, in seconds, that a registrar is believed to mean: one day.
const LONGEST: u32 = 86_400;
