//! Proxies (RFC 3261 section 16).
//!
//! [`Proxy`] passes requests on and their responses back; where to is the host's to say. What it does to a message is here as functions
//! without state, for hosts that keep the state themselves, such as a back-to-back user agent.
//!
//! ```
//! use sip_im::proxy;
//! use sip_im::{Method, Request, Uri};
//!
//! let bob = Uri::parse("sip:bob@b.test")?;
//! let request = Request::builder(Method::Invite, bob.clone())
//!     .from(&Uri::parse("sip:alice@a.test")?, None, "a1")
//!     .to(&bob, None)
//!     .call_id("c1")
//!     .cseq(1)
//!     .build()?;
//! let mut onwards = proxy::forward_request(&request)?;
//! proxy::add_record_route(&mut onwards, &Uri::parse("sip:p1.test;lr")?)?;
//! assert_eq!(proxy::next_hop(&onwards)?, bob);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod context;
mod edge;
mod flow_token;
mod forward;
mod stateful;

use thiserror::Error;

use crate::dialog::is_loose;
use crate::error::{BuildError, HeaderError};
use crate::header::{HeaderName, MaxForwards, ProxyRequire, RecordRoute, Route, Unsupported};
use crate::message::{Request, Response, ResponseBuilder};
use crate::uri::Uri;
use crate::{ByteStr, StatusCode};

pub use config::{Config, Event, ForwardError};
pub use context::Branch;
pub use flow_token::{FlowTokenError, FlowTokens};
pub use stateful::Proxy;

/// Why a request is not passed on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// It has been passed on as often as it may be.
    #[error("the request has no hop left")]
    TooManyHops,
    /// It asks of proxies what this one does not know.
    #[error("the request requires an extension that is not known")]
    UnknownExtension(Vec<ByteStr>),
    /// A header field is malformed.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The result can't be written.
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl ProxyError {
    /// What to answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooManyHops => StatusCode::TOO_MANY_HOPS,
            Self::UnknownExtension(_) => StatusCode::BAD_EXTENSION,
            Self::Header(error) => error.status(),
            Self::Build(_) => StatusCode::SERVER_INTERNAL_ERROR,
        }
    }

    /// Begins the response that refuses the request.
    pub fn response(&self, request: &Request) -> ResponseBuilder {
        let builder = request.response(self.status());
        match self {
            Self::UnknownExtension(names) => builder.header_typed(&Unsupported(names.clone())),
            _ => builder,
        }
    }
}

/// Makes the copy of a request that is passed on, with one hop less to go.
///
/// # Errors
///
/// Fails when no hop is left, when the request requires something of proxies, or when what has to be read is malformed.
///
//= https://www.rfc-editor.org/rfc/rfc3261#section-16.3
//# If the request contains a Max-Forwards header field with a field
//# value of zero (0), the element MUST NOT forward the request.
//= https://www.rfc-editor.org/rfc/rfc3261#section-16.6
//# If the copy contains a Max-Forwards header field, the proxy
//# MUST decrement its value by one (1).
pub fn forward_request(request: &Request) -> Result<Request, ProxyError> {
    let headers = request.headers();
    let left = match headers.get::<MaxForwards>()? {
        Some(MaxForwards(left)) => left.checked_sub(1).ok_or(ProxyError::TooManyHops)?,
        //= https://www.rfc-editor.org/rfc/rfc3261#section-16.6
        //# If the copy does not contain a Max-Forwards header field, the
        //# proxy MUST add one with a field value, which SHOULD be 70.
        None => 70,
    };
    //= https://www.rfc-editor.org/rfc/rfc3261#section-16.3
    //# If the request contains a Proxy-Require header field (Section
    //# 20.29) with one or more option-tags this element does not
    //# understand, the element MUST return a 420 (Bad Extension)
    //# response.
    if let Some(ProxyRequire(names)) = headers.get::<ProxyRequire>()?
        && !names.is_empty()
    {
        return Err(ProxyError::UnknownExtension(names));
    }
    let mut copy = request.clone();
    copy.headers_mut().set_typed(&MaxForwards(left))?;
    Ok(copy)
}

/// Undoes what a strict router did, and takes this proxy's own Route off; gives the one taken off.
///
/// `is_ours` tells whether a URI is one that this proxy has put into Record-Route or handed out otherwise.
///
/// # Errors
///
/// Fails when the Route header field is malformed.
///
//= https://www.rfc-editor.org/rfc/rfc3261#section-16.4
//# The proxy MUST inspect the Request-URI of the request.  If the
//# Request-URI of the request contains a value this proxy previously
//# placed into a Record-Route header field (see Section 16.6 item 4),
//# the proxy MUST replace the Request-URI in the request with the last
//# value from the Route header field, and remove that value from the
//# Route header field.
//= https://www.rfc-editor.org/rfc/rfc3261#section-16.4
//# If the first value in the Route header field indicates this proxy,
//# the proxy MUST remove that value from the request.
pub fn take_own_route(
    request: &mut Request,
    is_ours: impl Fn(&Uri) -> bool,
) -> Result<Option<Uri>, ProxyError> {
    let mut routes = routes(request)?;
    if is_loose(request.uri())
        && is_ours(request.uri())
        && let Some(last) = routes.pop()
    {
        request.set_uri(last.uri().clone());
        set_routes(request, &routes)?;
    }
    let own = routes
        .first()
        .map(|route| route.uri().clone())
        .filter(|uri| is_ours(uri));
    if own.is_some() {
        request.headers_mut().remove_first(&HeaderName::ROUTE);
    }
    Ok(own)
}

/// Asks for later requests of the dialog to come this way as well.
///
/// # Errors
///
/// Fails when the URI can't be written.
///
//= https://www.rfc-editor.org/rfc/rfc3261#section-16.6
//# The URI placed in the Record-Route header field value MUST be a
//# SIP or SIPS URI.  This URI MUST contain an lr parameter (see
//# Section 19.1.1).
pub fn add_record_route(request: &mut Request, uri: &Uri) -> Result<(), ProxyError> {
    let loose = if is_loose(uri) {
        uri.clone()
    } else {
        let invalid = |error| BuildError::Invalid(HeaderName::RECORD_ROUTE, error);
        uri.with_parameter("lr", None).map_err(invalid)?
    };
    request.headers_mut().push_front_typed(&RecordRoute::new(loose))?;
    Ok(())
}

/// Prepares a request for a next hop that routes strictly.
///
/// # Errors
///
/// Fails when the Route header field is malformed.
///
//= https://www.rfc-editor.org/rfc/rfc3261#section-16.6
//# If the copy contains a Route header field, the proxy MUST
//# inspect the URI in its first value.  If that URI does not
//# contain an lr parameter, the proxy MUST modify the copy as
//# follows:
pub fn prepare_strict_route(request: &mut Request) -> Result<(), ProxyError> {
    let mut routes = routes(request)?;
    if routes.first().is_none_or(|first| is_loose(first.uri())) {
        return Ok(());
    }
    let first = routes.remove(0);
    routes.push(Route::new(request.uri().clone()));
    set_routes(request, &routes)?;
    request.set_uri(first.uri().clone());
    Ok(())
}

/// Where a request goes next: its first Route, or its Request-URI.
///
/// # Errors
///
/// Fails when the Route header field is malformed.
pub fn next_hop(request: &Request) -> Result<Uri, ProxyError> {
    let route = request.headers().get::<Route>()?;
    Ok(route.map_or_else(|| request.uri().clone(), |route| route.uri().clone()))
}

/// Chooses which of the final responses to a forked request is passed on, when none of them was a 2xx.
///
//= https://www.rfc-editor.org/rfc/rfc3261#section-16.7
//# It MUST choose from the 6xx class responses if any exist in the
//# context.  If no 6xx class responses are present, the proxy
//# SHOULD choose from the lowest response class stored in the
//# response context.
pub fn best_response<'a>(responses: impl IntoIterator<Item = &'a Response>) -> Option<&'a Response> {
    responses.into_iter().min_by_key(|response| {
        let code = response.status().code();
        let class = code / 100;
        let rank = if class == 6 { 0 } else { class };
        // Those that tell the client what to do differently.
        let useful = matches!(code, 401 | 407 | 415 | 420 | 484);
        // A 503 says something of the server that gave it, not of the request.
        (rank, !useful, code == 503, code)
    })
}

fn routes(request: &Request) -> Result<Vec<Route>, ProxyError> {
    Ok(request.headers().all::<Route>().collect::<Result<_, _>>()?)
}

fn set_routes(request: &mut Request, routes: &[Route]) -> Result<(), ProxyError> {
    request.headers_mut().remove(&HeaderName::ROUTE);
    for route in routes {
        request.headers_mut().push_typed(route)?;
    }
    Ok(())
}
