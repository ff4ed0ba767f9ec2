//! The end that is referred: what it is asked, and what it tells of the progress.

use core::time::Duration;
use std::time::Instant;

use bytes::Bytes;

use super::{is_recipient_list, sipfrag, sipfrag_type};
use crate::dialog::{Dialog, DialogId};
use crate::error::BuildError;
use crate::header::{
    CSeq, Contact, Event, Expires, ReferSub, ReferTo, ReferredBy, Require, SubscriptionState, TargetDialog,
    Unsupported,
};
use crate::message::{Request, Response, ResponseBuilder};
use crate::uri::{Scheme, Uri};
use crate::{ByteStr, ContentType, Method, StatusCode};

/// What a recipient grants.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How long the progress is told, in seconds, unless the issuer asks for longer. 180.
    pub expires: u32,
    /// The longest time that an issuer can ask for, in seconds. 3600.
    pub max_expires: u32,
    /// Whether it may be asked to contact the entries of a list (RFC 5368). No.
    pub many: bool,
    /// Octets of such a list; a longer one is answered 413. 64 KiB.
    pub max_list: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            expires: 180,
            max_expires: 3600,
            many: false,
            max_list: 64 << 10,
        }
    }
}

/// What a REFER asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reference {
    /// Whom to contact; the pointer to the list if there is one.
    pub uri: Uri,
    /// With which method: the one that the URI names, INVITE otherwise.
    pub method: Method,
    /// The list of whom to contact instead, and its type.
    pub list: Option<(ContentType, Bytes)>,
    /// On whose behalf.
    pub referred_by: Option<ReferredBy>,
    /// The dialog, as this end sees it, that the issuer shows to know of (RFC 4538).
    pub target_dialog: Option<DialogId>,
}

/// Why a REFER is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReferRefused {
    /// The status to answer.
    pub status: StatusCode,
    unsupported: Vec<ByteStr>,
}

impl ReferRefused {
    fn with(status: StatusCode) -> Self {
        Self {
            status,
            unsupported: Vec::new(),
        }
    }

    /// Begins the response.
    pub fn response(&self, request: &Request) -> ResponseBuilder {
        let builder = request.response(self.status);
        if self.unsupported.is_empty() {
            builder
        } else {
            builder.header_typed(&Unsupported(self.unsupported.clone()))
        }
    }
}

/// Serves one REFER.
///
/// ```
/// use std::time::Instant;
/// use sip_im::header::Contact;
/// use sip_im::refer::{Config, Issuer, IssuerEvent, Recipient, Refer};
/// use sip_im::{Method, Request, StatusCode, Uri};
///
/// let (alice, room) = (Uri::parse("sip:alice@example.com")?, Uri::parse("sip:room@example.com")?);
/// let begun = Request::builder(Method::Refer, room.clone())
///     .from(&alice, None, "a1")
///     .to(&room, None)
///     .call_id("c1")
///     .cseq(1);
/// let contact = Contact::new(Uri::parse("sip:alice@192.0.2.1")?);
/// let refer = Refer::to(Uri::parse("sip:bob@example.com")?).request(begun, &contact)?;
/// let now = Instant::now();
/// let mut issuer = Issuer::new(refer.clone(), core::time::Duration::from_secs(32), now)?;
///
/// let (mut recipient, reference) = Recipient::read(&refer, &Config::default())?;
/// assert_eq!(reference.method, Method::Invite);
/// let response = recipient.accept(&refer, "r1", &room, None, now)?;
/// issuer.handle_response(Some(&response), now);
/// recipient.report(StatusCode::OK);
/// issuer.handle_notify(&recipient.notify(None, now)?, now);
/// assert_eq!(issuer.poll_event(), Some(IssuerEvent::Accepted { followed: true }));
/// assert_eq!(issuer.poll_event(), Some(IssuerEvent::Finished(StatusCode::OK)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Recipient {
    config: Config,
    event: Event,
    contact: Option<Uri>,
    dialog: Option<Dialog>,
    /// What the issuer wants: to be told, or not.
    subscribe: bool,
    status: StatusCode,
    step: Step,
    is_due: bool,
    expires: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Neither accepted nor refused.
    Read,
    /// The issuer is told of the progress.
    Told,
    /// The issuer is to be told for the last time, for this reason.
    Ending(&'static str),
    Over,
}

impl Recipient {
    /// Reads a REFER. Whether its issuer may ask for that is for the caller to see, who then accepts it or answers otherwise.
    ///
    /// # Errors
    ///
    /// Fails with what to answer.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3515#section-2.4.2
    //# An agent responding to a REFER method MUST return a 400 (Bad Request)
    //# if the request contained zero or more than one Refer-To header field
    //# values.
    pub fn read(request: &Request, config: &Config) -> Result<(Self, Reference), ReferRefused> {
        let headers = request.headers();
        let bad = |error: crate::error::HeaderError| ReferRefused::with(error.status());
        let refer_to = headers.require::<ReferTo>().map_err(bad)?;
        let required = headers.get::<Require>().map_err(bad)?;
        let many = required
            .as_ref()
            .is_some_and(|list| list.contains("multiple-refer"));
        let known = |option: &str| {
            matches!(option, "norefersub" | "tdialog") || (option == "multiple-refer" && config.many)
        };
        let unknown: Vec<ByteStr> = required
            .iter()
            .flat_map(|list| list.0.iter())
            .filter(|option| !known(&option.to_ascii_lowercase()))
            .cloned()
            .collect();
        if !unknown.is_empty() {
            return Err(ReferRefused {
                status: StatusCode::BAD_EXTENSION,
                unsupported: unknown,
            });
        }
        let uri = refer_to.uri().clone();
        let list = Self::list(request, &uri, many, config)?;
        let wish = headers.get::<ReferSub>().map_err(bad)?;
        let target_dialog = headers.get::<TargetDialog>().map_err(bad)?;
        let sequence = headers.require::<CSeq>().map_err(bad)?.seq;
        let mut event = Event::new("refer");
        let _ = event.params.set("id", Some(&sequence.to_string()));
        let method = match uri.parameter("method").flatten() {
            Some(name) => Method::parse(name).map_err(|_| ReferRefused::with(StatusCode::BAD_REQUEST))?,
            None => Method::Invite,
        };
        let reference = Reference {
            method,
            list,
            referred_by: headers.get::<ReferredBy>().map_err(bad)?,
            target_dialog: target_dialog.map(|dialog| {
                DialogId::new(
                    dialog.call_id.detached(),
                    dialog.local_tag.detached(),
                    dialog.remote_tag.detached(),
                )
            }),
            uri,
        };
        let recipient = Self {
            config: *config,
            event,
            contact: None,
            dialog: None,
            subscribe: wish != Some(ReferSub(false)),
            status: StatusCode::TRYING,
            step: Step::Read,
            is_due: false,
            expires: None,
        };
        Ok((recipient, reference))
    }

    fn list(
        request: &Request,
        uri: &Uri,
        many: bool,
        config: &Config,
    ) -> Result<Option<(ContentType, Bytes)>, ReferRefused> {
        if !many {
            return if uri.scheme() == Scheme::Cid {
                Err(ReferRefused::with(StatusCode::BAD_REQUEST))
            } else {
                Ok(None)
            };
        }
        if request.body().len() > config.max_list {
            return Err(ReferRefused::with(StatusCode::REQUEST_ENTITY_TOO_LARGE));
        }
        let id = request.headers().get::<crate::header::ContentId>();
        let points = matches!(id, Ok(Some(id)) if uri.scheme() == Scheme::Cid && id.id() == uri.opaque());
        // A list inside a multipart body is found there by the caller, by the same pointer.
        let inside = matches!(request.content_type(), Ok(Some(found)) if found.matches("multipart/*"));
        match request.content_type() {
            Ok(Some(content_type)) if inside || (points && is_recipient_list(request)) => {
                Ok(Some((content_type, request.body().clone())))
            }
            _ => Err(ReferRefused::with(StatusCode::BAD_REQUEST)),
        }
    }

    /// Accepts the REFER and makes the response. A NOTIFY is due at once, unless the issuer didn't want any; without `session`, the
    /// dialog that the REFER came in, they are sent in a dialog of their own.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when the request lacks what makes a dialog.
    ///
    //= https://www.rfc-editor.org/rfc/rfc4488#section-4
    //# If the REFER-Recipient supports the extension and is willing to
    //# process the REFER transaction without establishing an implicit
    //# subscription, it MUST insert the "Refer-Sub" header field set to
    //# "false" in the 2xx response to the REFER-Issuer.
    pub fn accept(
        &mut self,
        request: &Request,
        local_tag: &str,
        contact: &Uri,
        session: Option<&Dialog>,
        now: Instant,
    ) -> Result<Response, ReferRefused> {
        let bad = || ReferRefused::with(StatusCode::BAD_REQUEST);
        let status = if self.subscribe {
            StatusCode::ACCEPTED
        } else {
            StatusCode::OK
        };
        let mut builder = request
            .response(status)
            .to_tag(local_tag)
            .contact(&Contact::new(contact.clone()));
        if !self.subscribe {
            builder = builder.header_typed(&ReferSub(false));
        }
        let response = builder.build().map_err(|_| bad())?;
        if !self.subscribe {
            self.step = Step::Over;
            return Ok(response);
        }
        if session.is_none() {
            self.dialog = Some(Dialog::from_uas(request, &response).map_err(|_| bad())?);
        }
        self.contact = Some(contact.clone());
        self.step = Step::Told;
        self.is_due = true;
        self.expires = now.checked_add(Duration::from_secs(u64::from(self.config.expires)));
        Ok(response)
    }

    /// Takes a SUBSCRIBE that prolongs or ends the telling, once the dialog has taken it, and makes its response.
    ///
    /// # Errors
    ///
    /// Fails with what to answer, and changes nothing.
    pub fn subscribed(&mut self, request: &Request, now: Instant) -> Result<Response, ReferRefused> {
        let bad = |error: crate::error::HeaderError| ReferRefused::with(error.status());
        let event = request.headers().get::<Event>().map_err(bad)?;
        let ours = event.is_some_and(|event| {
            event.package == self.event.package && event.id().is_none_or(|id| Some(id) == self.event.id())
        });
        if !ours || self.step != Step::Told {
            return Err(ReferRefused::with(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST));
        }
        let wished = request.headers().get::<Expires>().map_err(bad)?;
        let seconds = wished.map_or(self.config.expires, |wished| {
            wished.0.min(self.config.max_expires)
        });
        let mut builder = request.response(StatusCode::OK).header_typed(&Expires(seconds));
        if let Some(contact) = &self.contact {
            builder = builder.contact(&Contact::new(contact.clone()));
        }
        let response = builder
            .build()
            .map_err(|_| ReferRefused::with(StatusCode::BAD_REQUEST))?;
        if let Some(dialog) = &mut self.dialog {
            dialog
                .accept_request(request)
                .map_err(|error| ReferRefused::with(error.status()))?;
        }
        self.is_due = true;
        if seconds == 0 {
            self.finish("timeout");
        } else {
            self.expires = now.checked_add(Duration::from_secs(u64::from(seconds)));
        }
        Ok(response)
    }

    /// Takes note of a response that the reference has got; a final one ends the telling.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3515#section-2.4.7
    //# The final NOTIFY sent in response to a REFER MUST indicate
    //# the subscription has been "terminated" with a reason of "noresource".
    pub fn report(&mut self, status: StatusCode) {
        // The last NOTIFY tells the latest as well, as long as it is not made.
        if self.status.is_final() || !matches!(self.step, Step::Told | Step::Ending(_)) {
            return;
        }
        self.is_due |= status != self.status;
        self.status = status;
        if status.is_final() {
            self.finish("noresource");
        }
    }

    /// Whether a NOTIFY is due, made with [`Self::notify`].
    pub fn is_notify_due(&self) -> bool {
        self.is_due && matches!(self.step, Step::Told | Step::Ending(_))
    }

    /// Makes a NOTIFY: in the dialog of the session that the REFER came in, or else in its own.
    ///
    /// # Errors
    ///
    /// Fails when there is no dialog, or when an address can't be written.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3515#section-2.4.4
    //# Each NOTIFY MUST contain a body of type "message/sipfrag" [3].
    pub fn notify(&mut self, session: Option<&mut Dialog>, now: Instant) -> Result<Request, BuildError> {
        let missing = BuildError::Missing(crate::header::HeaderName::TO);
        let left = self
            .expires
            .map_or(0, |at| at.saturating_duration_since(now).as_secs());
        let state = match self.step {
            Step::Ending(reason) => SubscriptionState::terminated(reason),
            Step::Over => SubscriptionState::terminated("noresource"),
            Step::Read | Step::Told => SubscriptionState::active(u32::try_from(left).unwrap_or(u32::MAX)),
        };
        let dialog = session.or(self.dialog.as_mut()).ok_or(missing)?;
        let mut builder = dialog
            .request(Method::Notify)
            .header_typed(&self.event)
            .header_typed(&state);
        if let Some(contact) = &self.contact {
            builder = builder.contact(&Contact::new(contact.clone()));
        }
        if let Some(content_type) = sipfrag_type() {
            builder = builder.body(&content_type, sipfrag(self.status));
        }
        let request = builder.build()?;
        self.is_due = false;
        if matches!(self.step, Step::Ending(_)) {
            self.step = Step::Over;
        }
        Ok(request)
    }

    /// Takes the final response to a NOTIFY, or its absence: an issuer that can't be told is told no more.
    pub fn handle_response(&mut self, response: Option<&Response>) {
        let ends = response.is_none_or(|response| crate::subscription::ends_usage(response.status()));
        if ends {
            self.step = Step::Over;
            self.expires = None;
        }
    }

    /// Ends the telling when its time is over. A call that comes early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.expires.is_some_and(|at| at <= now) {
            self.finish("timeout");
        }
    }

    /// When [`Self::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.expires
    }

    /// Whether nothing more is to be told.
    pub fn is_drained(&self) -> bool {
        self.step == Step::Over
    }

    /// The dialog that it lives in, if the REFER was outside of one.
    pub fn dialog(&self) -> Option<&Dialog> {
        self.dialog.as_ref()
    }

    fn finish(&mut self, reason: &'static str) {
        self.expires = None;
        self.is_due = true;
        self.step = Step::Ending(reason);
    }
}

impl std::error::Error for ReferRefused {}

impl core::fmt::Display for ReferRefused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "the reference is refused with {}", self.status.code())
    }
}
