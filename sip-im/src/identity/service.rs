//! What a privacy service does (RFC 3323 5).

use super::history::{History, hide_history};
use super::privacy::{anonymise_user_level, remove_all};
use crate::error::{BuildError, HeaderError};
use crate::header::{HeaderName, Privacy, PrivacyValue, ProxyRequire};
use crate::{Request, StatusCode};

/// What tells about the sender and is of no use for the signalling (RFC 3323 5.1).
const OPTIONAL: &[HeaderName] = &[
    HeaderName::CALL_INFO,
    HeaderName::SERVER,
    HeaderName::ORGANIZATION,
    HeaderName::USER_AGENT,
];

/// Why a privacy service does not let a request pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrivacyError {
    /// Privacy is malformed, so that nobody can tell what is asked for.
    #[error("{0}")]
    Malformed(HeaderError),
    /// From cannot be made anonymous.
    #[error("{0}")]
    From(BuildError),
    /// The sender would rather have the request fail than have it go without these.
    #[error("privacy that is critical is not provided")]
    NotProvided(Vec<PrivacyValue>),
}

impl PrivacyError {
    /// What the request is answered.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::From(_) => StatusCode::BAD_REQUEST,
            Self::NotProvided(_) => StatusCode::SERVER_INTERNAL_ERROR,
        }
    }

    /// The reason phrase of the answer, which names what is not provided.
    pub fn reason(&self) -> String {
        match self {
            Self::NotProvided(values) => {
                let names: Vec<&str> = values.iter().map(PrivacyValue::as_str).collect();
                format!("Privacy Failure: {}", names.join(", "))
            }
            Self::Malformed(_) | Self::From(_) => StatusCode::BAD_REQUEST.default_reason().to_owned(),
        }
    }
}

/// Does for a request what its Privacy header field asks of a privacy service, and takes from that field what is done.
///
/// `user` and `history` are done here. `header` and `session` need a back-to-back user agent in the way of the whole dialog and
/// of its media; a caller that is one says so in `provided`, and does the rest itself: one Via, its own Contact and Record-Route
/// (RFC 3323 5.1), its own media (5.2). `id` is for the edge of the trust domain, see
/// [`cross_boundary`](super::cross_boundary), and stays.
///
/// Returns what was done, so that a caller knows which of its own parts to play; with `none` alone that is nothing.
///
/// # Errors
///
/// Fails, and changes nothing, when Privacy is malformed, or when it has `critical` and something else that nobody provides.
pub fn serve_privacy(
    request: &mut Request,
    provided: &[PrivacyValue],
) -> Result<Vec<PrivacyValue>, PrivacyError> {
    let headers = request.headers();
    let Some(Privacy(asked)) = headers.get::<Privacy>().map_err(PrivacyError::Malformed)? else {
        return Ok(Vec::new());
    };
    //= https://www.rfc-editor.org/rfc/rfc3323#section-5
    //# However, if the Privacy header value of
    //# 'none' is specified in a message, privacy services MUST NOT perform
    //# any privacy function and MUST NOT remove or modify the Privacy
    //# header.
    if asked == [PrivacyValue::None] {
        return Ok(Vec::new());
    }
    let is_done = |value: &&PrivacyValue| is_provided(value, provided);
    let wishes = || asked.iter().filter(|value| is_wish(value));
    check(&asked, provided)?;
    let done: Vec<PrivacyValue> = wishes().filter(is_done).cloned().collect();
    if done.contains(&PrivacyValue::User) {
        anonymise_user_level(request).map_err(PrivacyError::From)?;
    }
    let headers = request.headers_mut();
    if done.contains(&PrivacyValue::Header) {
        remove_all(headers, OPTIONAL);
    }
    // RFC 7044 10.1.2: header privacy covers the history as well.
    if [PrivacyValue::History, PrivacyValue::Header]
        .iter()
        .any(|value| done.contains(value))
    {
        hide_history(headers, History::OfAll);
    }
    let left: Vec<PrivacyValue> = asked
        .iter()
        .filter(|value| !done.contains(value))
        .cloned()
        .collect();
    settle(request, &done, left);
    Ok(done)
}

/// Whether a request may go on to where nobody provides more privacy than `provided`, and this library `user`, `id` and
/// `history`: a sender may rather have it fail.
///
/// # Errors
///
/// As [`serve_privacy`].
pub fn check_privacy(request: &Request, provided: &[PrivacyValue]) -> Result<(), PrivacyError> {
    match request.headers().get::<Privacy>() {
        Ok(Some(Privacy(asked))) => check(&asked, provided),
        Ok(None) => Ok(()),
        Err(error) => Err(PrivacyError::Malformed(error)),
    }
}

//= https://www.rfc-editor.org/rfc/rfc3323#section-5
//# If the
//# 'critical' privacy level is present in the Privacy header of a
//# request, then if the privacy service is incapable of performing all
//# of the levels of privacy specified in the Privacy header then it MUST
//# fail the request with a 500 (Server Error) response code.
fn check(asked: &[PrivacyValue], provided: &[PrivacyValue]) -> Result<(), PrivacyError> {
    let missing: Vec<PrivacyValue> = asked
        .iter()
        .filter(|value| is_wish(value) && **value != PrivacyValue::Id && !is_provided(value, provided))
        .cloned()
        .collect();
    if !missing.is_empty() && asked.contains(&PrivacyValue::Critical) {
        return Err(PrivacyError::NotProvided(missing));
    }
    Ok(())
}

fn is_wish(value: &PrivacyValue) -> bool {
    !matches!(value, PrivacyValue::Critical | PrivacyValue::None)
}

fn is_provided(value: &PrivacyValue, provided: &[PrivacyValue]) -> bool {
    match value {
        PrivacyValue::User | PrivacyValue::History => true,
        PrivacyValue::Id => false,
        other => provided.contains(other),
    }
}

//= https://www.rfc-editor.org/rfc/rfc3323#section-5
//# When the last priv-value (not counting 'critical') has
//# been removed from the Privacy header, the entire Privacy header MUST
//# be removed from a message.
fn settle(request: &mut Request, done: &[PrivacyValue], left: Vec<PrivacyValue>) {
    if done.is_empty() {
        return;
    }
    let headers = request.headers_mut();
    if left
        .iter()
        .any(|value| !matches!(value, PrivacyValue::Critical | PrivacyValue::None))
    {
        // The values were read from this field, so they can be written to it.
        let _ = headers.set_typed(&Privacy(left));
        return;
    }
    headers.remove(&HeaderName::PRIVACY);
    let Ok(Some(ProxyRequire(mut tags))) = headers.get::<ProxyRequire>() else {
        return;
    };
    let before = tags.len();
    tags.retain(|tag| !tag.eq_ignore_ascii_case("privacy"));
    if tags.is_empty() {
        headers.remove(&HeaderName::PROXY_REQUIRE);
    } else if tags.len() < before {
        let _ = headers.set_typed(&ProxyRequire(tags));
    }
}
