//! One registration at a client: what to send, and when to send it again.

use core::time::Duration;
use std::time::Instant;

use crate::error::{BuildError, ParseError};
use crate::header::{
    CSeq, Contact, Expires, FlowTimer, HeaderName, MinExpires, NameAddr, PAssociatedUri, Require, Route,
    ServiceRoute, Supported,
};
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
    /// The first hop can't keep the flow (439, RFC 5626 section 11.6); the next request asks for a contact without one.
    NoOutbound,
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
    until: Option<Instant>,
    /// Routes that the REGISTER takes.
    routes: Vec<Uri>,
    learnt: Learnt,
}

/// What the registrar has told with its latest 2xx.
#[derive(Clone, Debug, Default)]
struct Learnt {
    service_route: Vec<Uri>,
    associated: Vec<Uri>,
    public_gruu: Option<Uri>,
    temporary_gruu: Option<Uri>,
    flow_timer: Option<u32>,
    outbound: bool,
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
            until: None,
            routes: Vec::new(),
            learnt: Learnt::default(),
        }
    }

    /// Names the instance that registers, by a URN such as `urn:uuid:…` (RFC 5626 section 4.1), so that it gets GRUUs.
    ///
    /// # Errors
    ///
    /// Fails when the URN can't be written.
    pub fn with_instance(mut self, urn: &str) -> Result<Self, ParseError> {
        self.contact
            .params
            .set("+sip.instance", Some(&format!("<{urn}>")))?;
        Ok(self)
    }

    /// Registers the flow that the REGISTER is sent over, as one of those of the instance (RFC 5626 section 4.2.1): each has another
    /// number, the same each time the instance starts.
    ///
    /// # Errors
    ///
    /// Does not fail for any number.
    pub fn with_flow(mut self, reg_id: u32) -> Result<Self, ParseError> {
        self.contact.params.set("reg-id", Some(&reg_id.to_string()))?;
        Ok(self)
    }

    /// Adds a media feature tag to the contact (RFC 3840), such as `+g.oma.sip-im`, with a value or as a flag.
    ///
    /// # Errors
    ///
    /// Fails when the tag can't be written.
    pub fn with_feature(mut self, tag: &str, value: Option<&str>) -> Result<Self, ParseError> {
        self.contact.params.set(tag, value)?;
        Ok(self)
    }

    /// Sends the REGISTER through these first: an outbound proxy, or the P-CSCF.
    #[must_use]
    pub fn with_routes(mut self, routes: Vec<Uri>) -> Self {
        self.routes = routes;
        self
    }

    /// Until when the binding is there, even if the latest renewal was refused.
    pub fn registered_until(&self) -> Option<Instant> {
        self.until
    }

    /// The routes that requests of the user take from now on (RFC 3608), in their order.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3608#section-6.1
    //# The UA MUST preserve the order, in case there is more than one
    //# Service-Route header field or header field value.
    pub fn service_route(&self) -> &[Uri] {
        &self.learnt.service_route
    }

    /// The identities that were registered along with the user's (RFC 7315); the first is the default one.
    pub fn associated_uris(&self) -> &[Uri] {
        &self.learnt.associated
    }

    /// The address that leads to this instance (RFC 5627), to be used as Contact while registered.
    pub fn public_gruu(&self) -> Option<&Uri> {
        self.learnt.public_gruu.as_ref()
    }

    /// An address that leads to this instance and does not tell whose it is.
    pub fn temporary_gruu(&self) -> Option<&Uri> {
        self.learnt.temporary_gruu.as_ref()
    }

    /// How long the server waits for keep-alives, in seconds, if it said so (RFC 5626 section 10).
    pub fn flow_timer(&self) -> Option<u32> {
        self.learnt.flow_timer
    }

    /// Whether the flow is registered, and so is to be kept alive.
    ///
    //= https://www.rfc-editor.org/rfc/rfc5626#section-4.2.1
    //# If outbound registration succeeded, as indicated by the presence of
    //# the outbound option-tag in the Require header field of a successful
    //# registration response, the UA begins sending keep-alives as described
    //# in Section 4.4.
    pub fn is_outbound(&self) -> bool {
        self.learnt.outbound
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
            //= https://www.rfc-editor.org/rfc/rfc5626#section-4.2.1
            //# If the registering UA receives a 439 (First Hop Lacks Outbound
            //# Support) response to a REGISTER request, it MAY re-attempt
            //# registration without using the outbound mechanism (subject to local
            //# policy at the client).
            StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT if self.contact.params.remove("reg-id") => {
                RegistrationState::NoOutbound
            }
            _ if status.is_success() => self.granted(response, now),
            _ => RegistrationState::Refused(status),
        };
        self.state
    }

    /// When the binding is to be renewed, unless a REGISTER is under way.
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
            .find(|contact| self.is_ours(contact));
        self.until = None;
        self.learn(response, ours.as_ref());
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
        self.until = now.checked_add(granted);
        self.until
            .map_or(RegistrationState::Idle, |until| RegistrationState::Registered {
                until,
            })
    }

    /// Whether a contact in the response is the one that was registered: by instance and flow if it has them.
    fn is_ours(&self, contact: &Contact) -> bool {
        let same = |name: &str| {
            let theirs = contact.params().and_then(|params| params.unquoted(name));
            self.contact.params.unquoted(name) == theirs
        };
        let named = self.contact.params.contains("+sip.instance") && self.contact.params.contains("reg-id");
        (named && same("+sip.instance") && same("reg-id"))
            || contact.uri().is_some_and(|uri| uri.equivalent(&self.contact.uri))
    }

    fn learn(&mut self, response: &Response, ours: Option<&Contact>) {
        let headers = response.headers();
        let copy = |uri: &Uri| Uri::parse(uri.as_str()).unwrap_or_else(|_| uri.clone());
        let gruu = |name: &str| {
            let text = ours.and_then(Contact::params)?.unquoted(name)?;
            Uri::parse(&text).ok()
        };
        let required = headers.get::<Require>().ok().flatten();
        let flow_timer = headers.get::<FlowTimer>().ok().flatten();
        self.learnt = Learnt {
            service_route: headers
                .all::<ServiceRoute>()
                .flatten()
                .take(MAX_LEARNT)
                .map(|route| copy(route.uri()))
                .collect(),
            associated: headers
                .all::<PAssociatedUri>()
                .flatten()
                .take(MAX_LEARNT)
                .map(|one| copy(one.uri()))
                .collect(),
            public_gruu: gruu("pub-gruu"),
            temporary_gruu: gruu("temp-gruu"),
            flow_timer: flow_timer.map(|timer| timer.0),
            outbound: required.is_some_and(|list| list.contains("outbound")),
        };
    }

    fn request(&mut self, expires: u32) -> Result<Request, BuildError> {
        let sequence = self.sequence.saturating_add(1);
        let mut supported = vec!["path", "gruu"];
        //= https://www.rfc-editor.org/rfc/rfc5626#section-4.2.1
        //# UAs that support this
        //# specification MUST include the outbound option tag in a Supported
        //# header field in a REGISTER request.
        if self.contact.params.contains("reg-id") {
            supported.push("outbound");
        }
        let mut builder = Request::builder(Method::Register, self.registrar.clone());
        for route in &self.routes {
            builder = builder.header(
                &HeaderName::ROUTE,
                &Route::new(route.clone()).name_addr.to_string(),
            )?;
        }
        let request = builder
            .header_typed(&Supported::new(supported))
            .from(&self.aor, None, &self.tag)
            .to(&self.aor, None)
            .call_id(&self.call_id)
            .cseq(sequence)
            .contact(&Contact::Addr(self.contact.clone()))
            .header_typed(&Expires(expires))
            .build()?;
        self.sequence = sequence;
        // The response tells when the next is due.
        self.renew = None;
        Ok(request)
    }
}

/// Routes and identities that are learnt from one response.
const MAX_LEARNT: usize = 32;

/// The longest duration, in seconds, that a registrar is believed to mean: one day.
const LONGEST: u32 = 86_400;
