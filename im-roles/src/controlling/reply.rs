//! Responses: refusals with the service's reasons, and what a focus says of itself.

use sip_im::header::{
    Accept, Allow, AllowEvents, Contact, MinSe, Require, RetryAfter, Supported, Unsupported, Warning,
};
use sip_im::{Identity, Method, Request, Response, ResponseBuilder, StatusCode, Uri};

use super::Controlling;
use super::event::Event;
use crate::ServiceWarning;
use crate::signal::IncomingId;

/// Why a request is refused.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) warning: Option<ServiceWarning>,
    detail: Detail,
}

/// What else a refusal says.
#[derive(Clone, Debug)]
enum Detail {
    Nothing,
    /// The service's reason, in words that [`ServiceWarning`] does not have.
    Text(&'static str),
    /// Which methods are allowed.
    Allow(&'static [Method]),
    /// Which extensions are not supported.
    Unsupported(Vec<String>),
    /// Which extension is needed.
    Require(&'static str),
    /// Which event packages are supported.
    AllowEvents,
    /// When to try again, in seconds.
    RetryAfter(u32),
    /// The shortest session interval, in seconds.
    MinSe(u32),
}

impl Refusal {
    pub(super) fn new(status: StatusCode) -> Self {
        Self {
            status,
            warning: None,
            detail: Detail::Nothing,
        }
    }

    /// 403 with one of the service's reasons.
    pub(super) fn forbidden(warning: ServiceWarning) -> Self {
        Self {
            warning: Some(warning),
            ..Self::new(StatusCode::FORBIDDEN)
        }
    }

    /// The group is, or would be, larger than allowed.
    //= R-5.3.2.2-05
    pub(super) fn too_many() -> Self {
        Self {
            warning: Some(ServiceWarning::TooManyParticipants),
            ..Self::new(StatusCode::BUSY_HERE)
        }
    }

    /// A Controlling function is there already.
    pub(super) fn nested() -> Self {
        Self::forbidden(ServiceWarning::IsfocusAlreadyAssigned)
    }

    /// The user may not see who is in the conference.
    pub(super) fn state_not_allowed() -> Self {
        Self {
            detail: Detail::Text("101 Subscription of conference state not allowed"),
            ..Self::new(StatusCode::FORBIDDEN)
        }
    }

    pub(super) fn method(allowed: &'static [Method]) -> Self {
        Self {
            detail: Detail::Allow(allowed),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED)
        }
    }

    pub(super) fn extensions(unsupported: Vec<String>) -> Self {
        Self {
            detail: Detail::Unsupported(unsupported),
            ..Self::new(StatusCode::BAD_EXTENSION)
        }
    }

    pub(super) fn needs(extension: &'static str) -> Self {
        Self {
            detail: Detail::Require(extension),
            ..Self::new(StatusCode::EXTENSION_REQUIRED)
        }
    }

    /// The session interval asked for is too short (RFC 4028 6).
    pub(super) fn too_brief(seconds: u32) -> Self {
        Self {
            detail: Detail::MinSe(seconds),
            ..Self::new(StatusCode::SESSION_INTERVAL_TOO_SMALL)
        }
    }

    pub(super) fn event_package() -> Self {
        Self {
            detail: Detail::AllowEvents,
            ..Self::new(StatusCode::BAD_EVENT)
        }
    }

    /// The function has its hands full, or is being shut down.
    pub(super) fn overloaded() -> Self {
        Self {
            detail: Detail::RetryAfter(RETRY_AFTER),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

impl From<StatusCode> for Refusal {
    fn from(status: StatusCode) -> Self {
        Self::new(status)
    }
}

/// Seconds after which a client may try again.
const RETRY_AFTER: u32 = 10;

/// Methods that the conference factory answers.
pub(super) const FACTORY_METHODS: &[Method] = &[Method::Invite, Method::Ack, Method::Cancel, Method::Options];
/// Methods that the exploder answers.
pub(super) const EXPLODER_METHODS: &[Method] = &[Method::Message, Method::Options];
/// Methods that a conference answers.
pub(super) const FOCUS_METHODS: &[Method] = &[
    Method::Invite,
    Method::Ack,
    Method::Bye,
    Method::Cancel,
    Method::Options,
    Method::Refer,
    Method::Subscribe,
    Method::Update,
];
/// Extensions that a conference has.
pub(super) const EXTENSIONS: &[&str] = &["norefersub", "timer"];
/// Methods that a group answers.
pub(super) const GROUP_METHODS: &[Method] = &[
    Method::Invite,
    Method::Ack,
    Method::Bye,
    Method::Cancel,
    Method::Options,
    Method::Refer,
    Method::Subscribe,
    Method::Message,
];

/// The feature tag of instant messaging.
pub(super) const IM_FEATURE: &str = "+g.oma.sip-im";
/// The feature parameter of a focus (RFC 4579 4).
pub(super) const ISFOCUS: &str = "isfocus";
/// The event package of RFC 4575.
pub(super) const CONFERENCE: &str = "conference";

/// The Contact of a focus.
//= https://www.rfc-editor.org/rfc/rfc4579#section-4.2
//# In session establishment, a focus MUST include the 'isfocus' feature
//# parameter in the Contact header field unless the focus wishes to hide
//# the fact that it is a focus.
pub(super) fn focus_contact(conference: &Uri) -> Contact {
    let mut contact = Contact::new(conference.clone());
    if let Contact::Addr(address) = &mut contact {
        for feature in [ISFOCUS, IM_FEATURE] {
            // Both are tokens without value, which a parameter list takes.
            let _ = address.params.set(feature, None);
        }
    }
    contact
}

/// Has the peer said that it is a focus?
pub(super) fn is_focus(request: &Request) -> bool {
    request
        .headers()
        .all::<Contact>()
        .flatten()
        .any(|contact| contact.has_feature(ISFOCUS))
}

/// The extensions that the request requires and the function does not have here.
//= https://www.rfc-editor.org/rfc/rfc3261#section-8.2.2.3
pub(super) fn unsupported(request: &Request, supported: &[&str]) -> Result<(), Refusal> {
    let required = request
        .headers()
        .get::<Require>()
        .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST))?;
    let missing: Vec<String> = required
        .iter()
        .flat_map(Require::iter)
        .filter(|tag| !supported.iter().any(|known| known.eq_ignore_ascii_case(tag)))
        .map(str::to_owned)
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Refusal::extensions(missing))
    }
}

/// Does the request require the extension?
pub(super) fn requires(request: &Request, tag: &str) -> bool {
    request
        .headers()
        .get::<Require>()
        .ok()
        .flatten()
        .is_some_and(|require| require.contains(tag))
}

/// Adds what a focus says of itself in every response that makes a dialog, and in one to OPTIONS.
pub(super) fn describe(builder: ResponseBuilder, methods: &[Method], extensions: &[&str]) -> ResponseBuilder {
    builder
        .header_typed(&Allow::new(methods.iter().cloned()))
        .header_typed(&AllowEvents::new([CONFERENCE]))
        .header_typed(&Supported::new(extensions.iter().copied()))
        .header_typed(&Accept::new(["application/sdp", "multipart/mixed"]))
}

impl Controlling {
    /// A response with this status, and a tag of this end.
    pub(super) fn reply(&mut self, request: &Request, status: StatusCode) -> ResponseBuilder {
        request.response(status).to_tag(&self.mint.token())
    }

    /// Sends a response. One that cannot be built is not sent: its request was not one that a parser lets through.
    pub(super) fn send_reply(&mut self, id: IncomingId, builder: ResponseBuilder) -> Option<Response> {
        let response = builder.build().ok()?;
        self.out.respond(id, response.clone());
        Some(response)
    }

    /// Refuses a request.
    pub(super) fn refuse(
        &mut self,
        id: IncomingId,
        request: &Request,
        user: Option<&Identity>,
        refusal: Refusal,
    ) {
        let mut builder = self.reply(request, refusal.status);
        if let Some(warning) = refusal.warning {
            builder = builder.header_typed(&Warning::new(WARN_CODE, &self.config.domain, warning.text()));
        }
        builder = match refusal.detail {
            Detail::Nothing => builder,
            Detail::Text(text) => builder.header_typed(&Warning::new(WARN_CODE, &self.config.domain, text)),
            Detail::Allow(methods) => builder.header_typed(&Allow::new(methods.iter().cloned())),
            Detail::Unsupported(tags) => {
                builder.header_typed(&Unsupported::new(tags.iter().map(String::as_str)))
            }
            Detail::Require(tag) => builder.header_typed(&Require::new([tag])),
            Detail::AllowEvents => builder.header_typed(&AllowEvents::new([CONFERENCE])),
            Detail::RetryAfter(seconds) => builder.header_typed(&RetryAfter::new(seconds)),
            Detail::MinSe(seconds) => builder.header_typed(&MinSe::new(seconds)),
        };
        self.send_reply(id, builder);
        self.out.event(Event::Refused {
            user: user.cloned(),
            status: refusal.status,
            warning: refusal.warning,
        });
    }
}

/// RFC 3261 20.43: a warning to be shown to a person; the service's own number is in its text.
const WARN_CODE: u16 = 399;
