//! Whom a request is served for, and in which case (RFC 5502).

use crate::error::HeaderError;
use crate::header::{PServedUser, Route};
use crate::message::Request;
use crate::uri::Uri;

/// Whose services a request is to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionCase {
    /// Those of the user who sends it.
    Originating,
    /// Those of the user whom it is for, who is registered.
    Terminating,
    /// Those of the user whom it is for, who is not registered.
    TerminatingUnregistered,
}

/// What the core says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServedUser {
    /// The user, if the core names one.
    pub user: Option<Uri>,
    /// The case.
    pub case: SessionCase,
}

/// Reads whom a request from a trusted core is served for: P-Served-User, and the `orig` parameter of the Route that led here, which the
/// caller has taken off the request, or of the first one that is still there.
///
/// A request that says neither is terminating. From a peer that is not trusted, nothing of it is to be believed.
///
/// ```
/// use sip_im::ims::{SessionCase, served_user};
/// use sip_im::{Method, Request, Uri};
///
/// let bob = Uri::parse("sip:bob@example.com")?;
/// let request = Request::builder(Method::Message, bob.clone())
///     .from(&Uri::parse("sip:alice@example.com")?, None, "a")
///     .to(&bob, None)
///     .call_id("c")
///     .cseq(1)
///     .build()?;
/// let route = Uri::parse("sip:im-as.example.com;lr;orig")?;
/// assert_eq!(served_user(&request, Some(&route))?.case, SessionCase::Originating);
/// assert_eq!(served_user(&request, None)?.case, SessionCase::Terminating);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Fails when a header field is malformed.
pub fn served_user(request: &Request, route: Option<&Uri>) -> Result<ServedUser, HeaderError> {
    let served = request.headers().get::<PServedUser>()?;
    let first = request.headers().get::<Route>()?;
    let orig = |uri: &Uri| uri.parameter("orig").is_some();
    let marked = route.is_some_and(orig) || (route.is_none() && first.is_some_and(|first| orig(first.uri())));
    let unregistered = served
        .as_ref()
        .and_then(PServedUser::registration_state)
        .is_some_and(|state| state.eq_ignore_ascii_case("unreg"));
    let named = served.as_ref().and_then(PServedUser::session_case);
    let originating = match named {
        Some(case) if case.eq_ignore_ascii_case("orig") => true,
        Some(case) if case.eq_ignore_ascii_case("term") => false,
        _ => marked,
    };
    Ok(ServedUser {
        user: served.map(|served| served.uri().clone()),
        case: match (originating, unregistered) {
            (true, _) => SessionCase::Originating,
            (false, false) => SessionCase::Terminating,
            (false, true) => SessionCase::TerminatingUnregistered,
        },
    })
}
