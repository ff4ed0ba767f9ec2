//! Whether the sender of a message wants to be unknown, and the forms of a request that does not tell who sent it.

use crate::error::BuildError;
use crate::header::{From, HeaderName, Headers, Privacy, PrivacyValue};
use crate::{ByteStr, Request, Uri};

/// What tells about the sender besides From and is not needed by anyone on the way (RFC 3323 4.1 and 5.3).
const USER_LEVEL: &[HeaderName] = &[
    HeaderName::CALL_INFO,
    HeaderName::GEOLOCATION,
    HeaderName::GEOLOCATION_ERROR,
    HeaderName::GEOLOCATION_ROUTING,
    // They sign the From that is no longer there.
    HeaderName::IDENTITY,
    HeaderName::IDENTITY_INFO,
    HeaderName::IN_REPLY_TO,
    HeaderName::ORGANIZATION,
    HeaderName::P_PREFERRED_IDENTITY,
    HeaderName::REFERRED_BY,
    HeaderName::REMOTE_PARTY_ID,
    HeaderName::REPLY_TO,
    HeaderName::SERVER,
    HeaderName::SUBJECT,
    HeaderName::USER_AGENT,
];

/// What the network, or the sender to the network, tells about the sender, and no recipient needs.
const NETWORK_LEVEL: &[HeaderName] = &[
    HeaderName::AUTHORIZATION,
    HeaderName::P_ACCESS_NETWORK_INFO,
    HeaderName::P_ASSERTED_IDENTITY,
    HeaderName::P_ASSOCIATED_URI,
    HeaderName::P_SERVED_USER,
    HeaderName::PROXY_AUTHORIZATION,
];

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

/// The address of nobody: what stands in From for a sender who is not to be known (RFC 3323 4.1.1.3).
#[expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "the text is fixed and is a SIP URI"
)]
pub fn anonymous_uri() -> Uri {
    Uri::parse("sip:anonymous@anonymous.invalid").expect("a SIP URI")
}

/// The From of a sender who is not to be known, with this tag.
pub fn anonymous_from(tag: Option<&str>) -> From {
    let mut from = From::new(anonymous_uri()).with_display("Anonymous");
    from.tag = tag.map(ByteStr::from);
    from
}

/// Is it an address of nobody? Besides `anonymous.invalid` that is every host in the domain `invalid`, which nobody can own
/// (RFC 2606 2) and where networks put addresses such as `unavailable@unknown.invalid`.
pub fn is_anonymous_form(uri: &Uri) -> bool {
    uri.host().is_some_and(|host| {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        host == "invalid" || host.ends_with(".invalid")
    })
}

/// Makes a request that does not tell its recipient who sent it: From in its anonymous form with its tag kept, since the tag is
/// part of the dialog, and the fields gone that tell the same.
///
/// Via, Contact, Record-Route and Call-ID are the business of whoever sends the request on, as its back-to-back user agent.
///
/// # Errors
///
/// Fails, and changes nothing, when From is malformed or repeated.
pub fn anonymise(request: &mut Request) -> Result<(), BuildError> {
    anonymise_user_level(request)?;
    remove_all(request.headers_mut(), NETWORK_LEVEL);
    Ok(())
}

/// The same for what the user agent has written alone: inside the trust domain the network goes on to know who it is.
pub(super) fn anonymise_user_level(request: &mut Request) -> Result<(), BuildError> {
    let from = request
        .headers()
        .require::<From>()
        .map_err(|error| BuildError::Missing(error.name))?;
    let mut hidden = anonymous_from(None);
    hidden.tag = from.tag;
    request.headers_mut().set_typed(&hidden)?;
    remove_all(request.headers_mut(), USER_LEVEL);
    Ok(())
}

/// `None` when Privacy is there and cannot be read.
pub(super) fn wanted_privacy(headers: &Headers) -> Option<Privacy> {
    headers.get::<Privacy>().ok().map(Option::unwrap_or_default)
}

pub(super) fn remove_all(headers: &mut Headers, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}
