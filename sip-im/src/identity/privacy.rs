//! What is taken out of a message on its way.

use super::asserted::{Trust, is_expected};
use crate::error::BuildError;
use crate::header::{From, Header, HeaderName, Headers, PAssertedIdentity, Privacy, PrivacyValue};
use crate::{ByteStr, Request, Uri};

/// Believed only from inside the trust domain: from outside they are removed, so that nobody later takes them for said by us.
const ASSERTIONS: &[HeaderName] = &[
    HeaderName::P_ASSERTED_IDENTITY,
    HeaderName::P_ASSERTED_SERVICE,
    HeaderName::P_SERVED_USER,
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
/// server and ends there.
pub fn cross_boundary(request: &mut Request, from: Trust, to: Trust) {
    let privacy = wanted_privacy(request.headers());
    let headers = request.headers_mut();
    headers.remove(&HeaderName::P_PREFERRED_IDENTITY);
    if from == Trust::Untrusted {
        remove_all(headers, ASSERTIONS);
    } else {
        keep_expected_identities(headers);
    }
    if to == Trust::Trusted {
        return;
    }
    remove_all(headers, INTERNAL);
    //= https://www.rfc-editor.org/rfc/rfc3325#section-7
    //# When a proxy forwards a message to another node, it must first
    //# determine whether it trusts that node or not.
    match privacy {
        // Nobody can tell what was asked for, so the stricter reading holds.
        None => {
            headers.remove(&HeaderName::P_ASSERTED_IDENTITY);
            headers.remove(&HeaderName::HISTORY_INFO);
        }
        Some(privacy) if privacy.contains(&PrivacyValue::None) => {}
        Some(privacy) => {
            if privacy.contains(&PrivacyValue::Id) {
                headers.remove(&HeaderName::P_ASSERTED_IDENTITY);
            }
            if [PrivacyValue::History, PrivacyValue::Header]
                .iter()
                .any(|value| privacy.contains(value))
            {
                headers.remove(&HeaderName::HISTORY_INFO);
            }
        }
    }
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

fn remove_all(headers: &mut Headers, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}

//= https://www.rfc-editor.org/rfc/rfc5876#section-4.5
//# A proxy MUST NOT forward a URI when forwarding a request if that URI
//# is to be ignored in accordance with the requirement above.
fn keep_expected_identities(headers: &mut Headers) {
    let mut kept: Vec<Uri> = Vec::new();
    let mut ignored: Vec<String> = Vec::new();
    let values: Vec<ByteStr> = headers.values(&HeaderName::P_ASSERTED_IDENTITY).collect();
    for value in &values {
        for range in crate::header::cursor::split_list(value) {
            let element = value.slice_of(value.get(range).unwrap_or_default());
            match PAssertedIdentity::parse(&element) {
                Ok(parsed) if is_expected(&kept, parsed.uri()) => kept.push(parsed.name_addr.uri),
                _ => ignored.push(element.to_string()),
            }
        }
    }
    if !ignored.is_empty() {
        headers.remove_values(&HeaderName::P_ASSERTED_IDENTITY, |element| {
            ignored.iter().any(|text| text == element)
        });
    }
}
