//! What the roles read from SIP messages, each in one place.

use std::time::{Duration, Instant};

use sip_im::header::{CallId, Date, From, SubscriptionState, SubscriptionStateValue, To, Warning};
use sip_im::{Identity, Method, Request, Response, StatusCode};

use crate::ServiceWarning;

/// How long a 2xx to an INVITE may come again (RFC 3261 13.3.1.4, 64*T1).
pub(crate) const LINGER: Duration = Duration::from_secs(32);

pub(crate) fn call_id(request: &Request) -> Option<String> {
    request
        .headers()
        .get::<CallId>()
        .ok()
        .flatten()
        .map(|id| id.as_str().to_owned())
}

pub(crate) fn from_tag(request: &Request) -> Option<String> {
    request
        .headers()
        .get::<From>()
        .ok()
        .flatten()?
        .tag()
        .map(str::to_owned)
}

pub(crate) fn to_tag(request: &Request) -> Option<String> {
    request
        .headers()
        .get::<To>()
        .ok()
        .flatten()?
        .tag()
        .map(str::to_owned)
}

/// Whom a request is for, without alias folding.
pub(crate) fn target(request: &Request) -> Identity {
    request.uri().identity()
}

/// Whether a request outside a dialog forms one (RFC 3261 12.1, 6665 4.1, 3515 2.4.4).
pub(crate) fn forms_dialog(request: &Request) -> bool {
    matches!(
        request.method(),
        Method::Invite | Method::Subscribe | Method::Refer
    ) && to_tag(request).is_none()
}

/// Whether a request is one by which an end learns the way for those that follow.
///
//= https://www.rfc-editor.org/rfc/rfc6665#section-4.3
//# If a proxy
//# wishes to see all of the SUBSCRIBE and NOTIFY requests for a given
//# dialog, it MUST add a "Record-Route" header field to the initial
//# SUBSCRIBE request and all NOTIFY requests.
pub(crate) fn takes_record_route(request: &Request) -> bool {
    forms_dialog(request) || *request.method() == Method::Notify
}

/// Whether a request inside a dialog ends it, once it is answered.
pub(crate) fn ends_dialog(request: &Request) -> bool {
    match request.method() {
        Method::Bye => true,
        Method::Notify => matches!(
            request.headers().get::<SubscriptionState>(),
            Ok(Some(state)) if state.state == SubscriptionStateValue::Terminated
        ),
        _ => false,
    }
}

/// Whether a request only says that someone is typing (RFC 3994), which is worth nothing later.
pub(crate) fn is_composing(request: &Request) -> bool {
    matches!(request.content_type(), Ok(Some(kind)) if kind.is("application", "im-iscomposing+xml"))
}

/// The `Date` header field for a calendar time.
pub(crate) fn date(unix: Duration) -> Date {
    Date::from_unix(unix)
}

/// A refusal of the service's own. `None` only for a request that no response can be made to.
pub(crate) fn refusal(
    request: &Request,
    status: StatusCode,
    warning: Option<ServiceWarning>,
    agent: &str,
) -> Option<Response> {
    let mut response = request.response(status);
    if let Some(warning) = warning {
        response = response.header_typed(&Warning::new(399, agent, warning.text()));
    }
    response.build().ok()
}

/// A later instant, however far: what cannot be counted never comes.
pub(crate) fn after(now: Instant, wait: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    now.checked_add(wait)
        .or_else(|| now.checked_add(YEAR))
        .unwrap_or(now)
}
