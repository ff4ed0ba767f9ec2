//! What becomes of header fields where a message crosses the boundary of a trust domain (RFC 3324).

use core::cell::Cell;

use super::asserted::{Trust, is_expected};
use super::history::{History, hide_history};
use super::privacy::wanted_privacy;
use crate::header::{
    Header, HeaderName, Headers, PAccessNetworkInfo, PAssertedIdentity, Privacy, PrivacyValue,
};
use crate::{ByteStr, Method, Request, Response, Uri};

/// What becomes of a header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Crossing {
    /// It passes.
    Kept,
    /// It is taken out.
    Removed,
    /// Those of its values pass that may be said and understood; see the field's own rules.
    Reduced,
    /// It passes without telling who is in it.
    Anonymised,
}

/// Believed only from inside the trust domain: from outside they are removed, so that nobody later takes them for said by us.
const ASSERTIONS: &[HeaderName] = &[
    HeaderName::P_ASSERTED_IDENTITY,
    HeaderName::P_ASSERTED_SERVICE,
    HeaderName::P_ASSOCIATED_URI,
    HeaderName::P_CALLED_PARTY_ID,
    HeaderName::P_CHARGING_FUNCTION_ADDRESSES,
    HeaderName::P_CHARGING_VECTOR,
    HeaderName::P_EARLY_MEDIA,
    HeaderName::P_PRIVATE_NETWORK_INDICATION,
    HeaderName::P_PROFILE_KEY,
    HeaderName::P_SERVED_USER,
    HeaderName::P_USER_DATABASE,
    HeaderName::P_VISITED_NETWORK_ID,
    HeaderName::REMOTE_PARTY_ID,
];

/// Never told outside the trust domain (RFC 5009, 5502, 6050, 7315, 7316).
const INTERNAL: &[HeaderName] = &[
    HeaderName::CELLULAR_NETWORK_INFO,
    HeaderName::P_ACCESS_NETWORK_INFO,
    HeaderName::P_ASSERTED_SERVICE,
    HeaderName::P_CHARGING_FUNCTION_ADDRESSES,
    HeaderName::P_CHARGING_VECTOR,
    HeaderName::P_EARLY_MEDIA,
    HeaderName::P_PREFERRED_SERVICE,
    HeaderName::P_PRIVATE_NETWORK_INDICATION,
    HeaderName::P_PROFILE_KEY,
    HeaderName::P_SERVED_USER,
    HeaderName::P_USER_DATABASE,
    HeaderName::P_VISITED_NETWORK_ID,
    HeaderName::REMOTE_PARTY_ID,
];

/// Tells what becomes of a header field on its way from one neighbour to the next, given what the sender asks to be kept
/// private; `None` where nobody can read what that is, and then the stricter answer holds.
///
/// ```
/// use sip_im::header::{HeaderName, Privacy, PrivacyValue};
/// use sip_im::identity::{Crossing, Trust, crossing};
/// let (inside, outside) = (Trust::Trusted, Trust::Untrusted);
/// let asks = Privacy(vec![PrivacyValue::Id]);
/// let of = |from, to| crossing(&HeaderName::P_ASSERTED_IDENTITY, from, to, Some(&asks));
/// assert_eq!(of(inside, outside), Crossing::Removed);
/// assert_eq!(of(inside, inside), Crossing::Reduced);
/// assert_eq!(of(outside, inside), Crossing::Removed);
/// ```
pub fn crossing(name: &HeaderName, from: Trust, to: Trust, privacy: Option<&Privacy>) -> Crossing {
    let (leaves, enters) = (to == Trust::Untrusted, from == Trust::Untrusted);
    // Nobody can tell what was asked for, so it is all.
    let asks = |value: PrivacyValue| privacy.is_none_or(|privacy| privacy.contains(&value));
    if *name == HeaderName::P_PREFERRED_IDENTITY {
        //= https://www.rfc-editor.org/rfc/rfc3325#section-6
        //# The proxy MUST remove the user-provided P-Preferred-
        //# Identity header from any message it forwards.
        return Crossing::Removed;
    }
    if (enters && ASSERTIONS.contains(name)) || (leaves && INTERNAL.contains(name)) {
        return Crossing::Removed;
    }
    if *name == HeaderName::P_ASSERTED_IDENTITY {
        //= https://www.rfc-editor.org/rfc/rfc3325#section-7
        //# If this token is present, proxies MUST remove all the P-Asserted-
        //# Identity header fields before forwarding messages to elements that
        //# are not trusted.  If the Privacy header field value is set to "none"
        //# then the proxy MUST NOT remove the P-Asserted-Identity header fields.
        return if leaves && asks(PrivacyValue::Id) {
            Crossing::Removed
        } else {
            Crossing::Reduced
        };
    }
    if *name == HeaderName::P_ACCESS_NETWORK_INFO && enters {
        return Crossing::Reduced;
    }
    if *name == HeaderName::HISTORY_INFO && leaves {
        return if asks(PrivacyValue::History) || asks(PrivacyValue::Header) {
            Crossing::Anonymised
        } else {
            Crossing::Reduced
        };
    }
    if *name == HeaderName::PRIVACY && leaves && asks(PrivacyValue::History) {
        return Crossing::Reduced;
    }
    Crossing::Kept
}

/// Takes out of a request what must not cross from one neighbour to the next, by [`crossing`].
///
/// From an untrusted neighbour no assertion is passed on. To an untrusted one the asserted identity goes unless Privacy has
/// `id` (with `none` alone it always stays), and network-internal fields never go. P-Preferred-Identity is for the first
/// trusted server and ends there. ACK and CANCEL carry no identity at all (RFC 5876 4).
pub fn cross_boundary(request: &mut Request, from: Trust, to: Trust) {
    let has_none = matches!(request.method(), Method::Ack | Method::Cancel);
    let headers = request.headers_mut();
    if has_none {
        headers.remove(&HeaderName::P_ASSERTED_IDENTITY);
    }
    cross(headers, from, to);
}

/// Takes out of a response what must not cross from one neighbour to the next, as [`cross_boundary`] does from a request:
/// who answers is told by the same fields (RFC 3325 5).
pub fn cross_boundary_response(response: &mut Response, from: Trust, to: Trust) {
    cross(response.headers_mut(), from, to);
}

fn cross(headers: &mut Headers, from: Trust, to: Trust) {
    let privacy = wanted_privacy(headers);
    let own = [
        HeaderName::P_PREFERRED_IDENTITY,
        HeaderName::HISTORY_INFO,
        // The last one, since the others go by what it says.
        HeaderName::PRIVACY,
    ];
    for name in ASSERTIONS.iter().chain(INTERNAL).chain(&own) {
        if !headers.contains(name) {
            continue;
        }
        match crossing(name, from, to, privacy.as_ref()) {
            Crossing::Kept => {}
            Crossing::Removed => {
                headers.remove(name);
            }
            Crossing::Reduced if *name == HeaderName::P_ASSERTED_IDENTITY => {
                keep_expected_identities(headers);
            }
            Crossing::Reduced if *name == HeaderName::P_ACCESS_NETWORK_INFO => keep_own_network(headers),
            Crossing::Reduced if *name == HeaderName::PRIVACY => history_is_done(headers, privacy.as_ref()),
            Crossing::Reduced => hide_history(headers, History::OfThoseWhoAsk),
            Crossing::Anonymised => hide_history(headers, History::OfAll),
        }
    }
}

/// A user agent tells the access network that it sees; only the network tells what it knows (RFC 7315 5.4).
fn keep_own_network(headers: &mut Headers) {
    headers.remove_values(&HeaderName::P_ACCESS_NETWORK_INFO, |value| {
        PAccessNetworkInfo::parse(&ByteStr::from(value.to_owned()))
            .map_or(true, |info| info.is_network_provided())
    });
}

//= https://www.rfc-editor.org/rfc/rfc7044#section-10.1.2
//# Once all the appropriate hi-entries have been anonymized,
//# the Privacy Service MUST remove the priv-value of "history" from the
//# Privacy header field in the message header of the request or
//# response.
fn history_is_done(headers: &mut Headers, privacy: Option<&Privacy>) {
    // What cannot be read is passed on as it is, for others who may read it.
    let Some(Privacy(values)) = privacy else { return };
    let left: Vec<PrivacyValue> = values
        .iter()
        .filter(|value| **value != PrivacyValue::History)
        .cloned()
        .collect();
    let asks = |value: &PrivacyValue| !matches!(value, PrivacyValue::Critical);
    if left.iter().any(asks) {
        // The values were read from this field, so they can be written to it.
        let _ = headers.set_typed(&Privacy(left));
    } else {
        headers.remove(&HeaderName::PRIVACY);
    }
}

//= https://www.rfc-editor.org/rfc/rfc5876#section-4.5
//# A proxy MUST NOT forward a URI when forwarding a request if that URI
//# is to be ignored in accordance with the requirement above.
fn keep_expected_identities(headers: &mut Headers) {
    let mut kept: Vec<Uri> = Vec::new();
    let mut is_ignored: Vec<bool> = Vec::new();
    let values: Vec<ByteStr> = headers.values(&HeaderName::P_ASSERTED_IDENTITY).collect();
    for value in &values {
        for range in crate::header::cursor::split_list(value) {
            let element = value.slice_of(value.get(range).unwrap_or_default());
            match PAssertedIdentity::parse(&element) {
                Ok(parsed) if is_expected(&kept, parsed.uri()) => {
                    kept.push(parsed.name_addr.uri);
                    is_ignored.push(false);
                }
                _ => is_ignored.push(true),
            }
        }
    }
    if is_ignored.contains(&true) {
        // By place and not by text, since a value may be there twice and is to stay once.
        let place = Cell::new(0_usize);
        headers.remove_values(&HeaderName::P_ASSERTED_IDENTITY, |_| {
            let at = place.replace(place.get().saturating_add(1));
            is_ignored.get(at).copied().unwrap_or(true)
        });
    }
}
