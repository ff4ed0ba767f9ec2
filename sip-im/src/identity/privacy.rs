//! What is taken out of a message on its way.

use core::cell::Cell;
use core::fmt::Write as _;

use super::asserted::{Trust, is_expected};
use crate::error::BuildError;
use crate::header::{
    From, Header, HeaderName, Headers, HistoryInfo, PAssertedIdentity, Privacy, PrivacyValue,
};
use crate::{ByteStr, Method, Request, Response, Uri};

/// Believed only from inside the trust domain: from outside they are removed, so that nobody later takes them for said by us.
const ASSERTIONS: &[HeaderName] = &[
    HeaderName::P_ASSERTED_IDENTITY,
    HeaderName::P_ASSERTED_SERVICE,
    HeaderName::P_SERVED_USER,
    HeaderName::P_CALLED_PARTY_ID,
    HeaderName::P_CHARGING_VECTOR,
    HeaderName::P_CHARGING_FUNCTION_ADDRESSES,
    HeaderName::P_VISITED_NETWORK_ID,
    HeaderName::P_USER_DATABASE,
    HeaderName::P_PROFILE_KEY,
    HeaderName::REMOTE_PARTY_ID,
];

/// Never told outside the trust domain (RFC 5502, 6050, 7315).
const INTERNAL: &[HeaderName] = &[
    HeaderName::P_ASSERTED_SERVICE,
    HeaderName::P_SERVED_USER,
    HeaderName::P_CHARGING_VECTOR,
    HeaderName::P_CHARGING_FUNCTION_ADDRESSES,
    HeaderName::P_ACCESS_NETWORK_INFO,
    HeaderName::P_VISITED_NETWORK_ID,
    HeaderName::P_USER_DATABASE,
    HeaderName::P_PROFILE_KEY,
    HeaderName::REMOTE_PARTY_ID,
];

/// What tells about the sender besides From (RFC 3323 4.1 and 5.3), and is not needed to reach them.
const REVEALING: &[HeaderName] = &[
    HeaderName::P_ASSERTED_IDENTITY,
    HeaderName::P_PREFERRED_IDENTITY,
    HeaderName::REMOTE_PARTY_ID,
    HeaderName::P_ACCESS_NETWORK_INFO,
    HeaderName::P_ASSOCIATED_URI,
    HeaderName::P_SERVED_USER,
    HeaderName::IDENTITY,
    HeaderName::IDENTITY_INFO,
    HeaderName::CALL_INFO,
    HeaderName::ORGANIZATION,
    HeaderName::SUBJECT,
    HeaderName::REPLY_TO,
    HeaderName::USER_AGENT,
    HeaderName::SERVER,
    HeaderName::IN_REPLY_TO,
    HeaderName::GEOLOCATION,
    HeaderName::REFERRED_BY,
    HeaderName::AUTHORIZATION,
    HeaderName::PROXY_AUTHORIZATION,
];

/// Takes out of a request what must not cross from one neighbour to the next.
///
/// From an untrusted neighbour no assertion is passed on. To an untrusted one the asserted identity goes unless Privacy has
/// `id` (with `none` it always stays), and network-internal fields never go. P-Preferred-Identity is for the first trusted
/// server and ends there. ACK and CANCEL carry no identity at all (RFC 5876 4).
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
    headers.remove(&HeaderName::P_PREFERRED_IDENTITY);
    if from == Trust::Untrusted {
        remove_all(headers, ASSERTIONS);
        // A user agent tells the access network that it sees; only the network tells what it knows (RFC 7315 5.4).
        headers.remove_values(&HeaderName::P_ACCESS_NETWORK_INFO, |value| {
            value.to_ascii_lowercase().contains("network-provided")
        });
    } else {
        keep_expected_identities(headers);
    }
    if to == Trust::Trusted {
        return;
    }
    remove_all(headers, INTERNAL);
    //= https://www.rfc-editor.org/rfc/rfc3325#section-7
    //# If this token is present, proxies MUST remove all the P-Asserted-
    //# Identity header fields before forwarding messages to elements that
    //# are not trusted.  If the Privacy header field value is set to "none"
    //# then the proxy MUST NOT remove the P-Asserted-Identity header fields.
    let (hides_identity, hides_history) = match privacy {
        // Nobody can tell what was asked for, so the stricter reading holds.
        None => (true, true),
        // `none` beside other values contradicts them (RFC 3323 4.2), and then they hold.
        Some(privacy) => (
            privacy.contains(&PrivacyValue::Id),
            [PrivacyValue::History, PrivacyValue::Header]
                .iter()
                .any(|value| privacy.contains(value)),
        ),
    };
    if hides_identity {
        headers.remove(&HeaderName::P_ASSERTED_IDENTITY);
    }
    hide_history(headers, hides_history);
}

/// Makes the entries of the history anonymous that want it themselves, or all of them, also those of other domains: which they
/// are is not known here. A history that cannot be read goes as a whole.
pub(super) fn hide_history(headers: &mut Headers, all: bool) {
    let entries: Result<Vec<HistoryInfo>, _> = headers.all().collect();
    let Ok(entries) = entries else {
        headers.remove(&HeaderName::HISTORY_INFO);
        return;
    };
    if !entries.iter().any(|entry| all || entry.wants_privacy()) {
        return;
    }
    let mut values = String::new();
    for entry in &entries {
        let separator = if values.is_empty() { "" } else { ", " };
        let hidden = if all || entry.wants_privacy() {
            entry.anonymised()
        } else {
            entry.clone()
        };
        // Writing to a String does not fail.
        let _ = write!(values, "{separator}{}", hidden.name_addr);
    }
    // What was read from a message has no line end in it.
    if headers.set(&HeaderName::HISTORY_INFO, &values).is_err() {
        headers.remove(&HeaderName::HISTORY_INFO);
    }
}

/// Does the sender want to be unknown to the recipient? True as well when Privacy cannot be read.
pub fn wants_anonymity(headers: &Headers) -> bool {
    wanted_privacy(headers).is_none_or(|privacy| asks_anonymity(&privacy))
}

/// Values beside `none` contradict it (RFC 3323 4.2), and then they hold: who asked for privacy in error loses less than who
/// asked for none in error.
pub(super) fn asks_anonymity(privacy: &Privacy) -> bool {
    [PrivacyValue::Id, PrivacyValue::User, PrivacyValue::Header]
        .iter()
        .any(|value| privacy.contains(value))
}

/// Makes a request that does not tell who sent it: From in its anonymous form with its tag kept, since the tag is part of the
/// dialog, and the fields gone that tell the same.
///
/// Via, Contact, Record-Route and Call-ID are the business of whoever sends the request on, as its back-to-back user agent.
///
/// # Errors
///
/// Fails, and changes nothing, when From is malformed or repeated.
pub fn anonymise(request: &mut Request) -> Result<(), BuildError> {
    let from = request
        .headers()
        .require::<From>()
        .map_err(|error| BuildError::Missing(error.name))?;
    let anonymous = Uri::parse("sip:anonymous@anonymous.invalid")
        .map_err(|error| BuildError::Invalid(HeaderName::FROM, error))?;
    let mut hidden = From::new(anonymous).with_display("Anonymous");
    hidden.tag = from.tag;
    request.headers_mut().set_typed(&hidden)?;
    remove_all(request.headers_mut(), REVEALING);
    Ok(())
}

/// `None` when Privacy is there and cannot be read.
fn wanted_privacy(headers: &Headers) -> Option<Privacy> {
    headers.get::<Privacy>().ok().map(Option::unwrap_or_default)
}

pub(super) fn remove_all(headers: &mut Headers, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
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
