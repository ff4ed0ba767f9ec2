//! Which of its identities a user wants to be known by (RFC 3325 6, 9.2).

use super::asserted::is_expected;
use crate::header::PPreferredIdentity;
use crate::{Request, Uri};

/// The identities that the user asks to be asserted: at most one SIP or SIPS URI and one `tel` URI.
///
/// It is a hint and nothing more: what becomes of it is for [`identities_to_assert`] to say. A header field that cannot be read
/// hints at nothing. It is read before the request crosses the boundary of the trust domain, where it is taken off.
pub fn preferred_identities(request: &Request) -> Vec<Uri> {
    let mut preferred = Vec::new();
    for value in request.headers().all::<PPreferredIdentity>() {
        let Ok(value) = value else { return Vec::new() };
        if is_expected(&preferred, value.uri()) {
            preferred.push(value.name_addr.uri);
        }
    }
    preferred
}

/// Which of the identities that are `valid` for the authenticated user are asserted: those that the user prefers, or the first if
/// none of these is the user's. They are given as they are known here, not as the user has written them.
///
/// ```
/// use sip_im::Uri;
/// use sip_im::identity::identities_to_assert;
/// let valid = [Uri::parse("sip:alice@example.com")?, Uri::parse("tel:+15551234")?];
/// let preferred = [Uri::parse("tel:+1-555-1234")?];
/// assert_eq!(identities_to_assert(&valid, &preferred), [Uri::parse("tel:+15551234")?]);
/// let another = [Uri::parse("sip:bob@example.com")?];
/// assert_eq!(identities_to_assert(&valid, &another), [Uri::parse("sip:alice@example.com")?]);
/// # Ok::<(), sip_im::error::ParseError>(())
/// ```
//= https://www.rfc-editor.org/rfc/rfc3325#section-6
//# If a P-Preferred-Identity header field is present in the message that
//# a proxy receives from an entity that it does not trust, the proxy MAY
//# use this information as a hint suggesting which of multiple valid
//# identities for the authenticated user should be asserted.
pub fn identities_to_assert(valid: &[Uri], preferred: &[Uri]) -> Vec<Uri> {
    let mut asserted: Vec<Uri> = Vec::new();
    for hint in preferred {
        let wanted = hint.identity();
        if let Some(uri) = valid.iter().find(|uri| uri.identity() == wanted)
            && is_expected(&asserted, uri)
        {
            asserted.push(uri.clone());
        }
    }
    if asserted.is_empty() {
        asserted.extend(valid.first().cloned());
    }
    asserted
}
