//! The asserted identity of a request.

use super::privacy::{asks_anonymity, is_anonymous_form};
use crate::error::HeaderError;
use crate::header::{From, PAssertedIdentity, Privacy, PrivacyValue};
use crate::{ByteStr, Identity, Method, Request, Scheme, StatusCode, Uri};

/// Is the neighbour that a message comes from, or goes to, inside the trust domain (RFC 3324)?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "trust is given or not; a third state would be decided twice"
)]
pub enum Trust {
    /// Its assertions are believed, and identities may be told to it.
    Trusted,
    /// Neither.
    Untrusted,
}

/// Who a request is from, and what they asked to be kept private.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Originator {
    /// At most one SIP or SIPS URI and one `tel` URI; empty if nobody trusted has said anything.
    pub identities: Vec<Uri>,
    /// The display name that was asserted with the first of them.
    pub display: Option<ByteStr>,
    /// Does the sender want to be unknown to the recipient?
    pub anonymous: bool,
    /// What Privacy asks for.
    pub privacy: Vec<PrivacyValue>,
}

impl Originator {
    /// The first asserted URI.
    pub fn uri(&self) -> Option<&Uri> {
        self.identities.first()
    }

    /// The canonical identities of all asserted URIs, for rules and lists.
    pub fn canonical(&self) -> impl Iterator<Item = Identity> {
        self.identities.iter().map(Uri::identity)
    }
}

/// Why the sender of a request cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// From is missing, repeated or malformed.
    #[error("{0}")]
    From(HeaderError),
    /// P-Asserted-Identity, from a trusted neighbour, is malformed.
    #[error("{0}")]
    AssertedIdentity(HeaderError),
    /// Privacy is malformed, so that it is not known what may be told.
    #[error("{0}")]
    Privacy(HeaderError),
}

impl IdentityError {
    /// What the request is answered.
    pub fn status(&self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }
}

/// Tells who a request is from, as far as a trusted neighbour asserts it.
///
/// From an untrusted neighbour nothing is believed: `identities` is empty until the user is authenticated, see
/// [`asserted_by_authentication`]. ACK and CANCEL assert nothing (RFC 5876 4).
///
/// # Errors
///
/// Fails when From is not there exactly once, or when From, P-Asserted-Identity or Privacy is malformed.
pub fn asserted_identity(request: &Request, trust: Trust) -> Result<Originator, IdentityError> {
    let headers = request.headers();
    let mut originator = without_identity(request)?;
    //= https://www.rfc-editor.org/rfc/rfc3325#section-8
    //# However, if a User Agent Server receives a message from a previous
    //# element that it does not trust, it MUST NOT use the P-Asserted-
    //# Identity header field in any way.
    if trust == Trust::Untrusted || matches!(request.method(), Method::Ack | Method::Cancel) {
        return Ok(originator);
    }
    for value in headers.all::<PAssertedIdentity>() {
        let name_addr = value.map_err(IdentityError::AssertedIdentity)?.name_addr;
        if is_anonymous_form(&name_addr.uri) {
            // The network asserts that nobody is to know who it is.
            originator.anonymous = true;
            continue;
        }
        if is_expected(&originator.identities, &name_addr.uri) {
            if originator.identities.is_empty() {
                originator.display = name_addr.display;
            }
            originator.identities.push(name_addr.uri);
        }
    }
    Ok(originator)
}

/// Tells who a request is from when the user has proved to be `aor`; what the request says about it counts for nothing.
///
/// # Errors
///
/// As [`asserted_identity`].
pub fn asserted_by_authentication(request: &Request, aor: &Uri) -> Result<Originator, IdentityError> {
    let mut originator = without_identity(request)?;
    originator.identities.push(aor.clone());
    Ok(originator)
}

fn without_identity(request: &Request) -> Result<Originator, IdentityError> {
    let headers = request.headers();
    let from: From = headers.require().map_err(IdentityError::From)?;
    let privacy = headers
        .get::<Privacy>()
        .map_err(IdentityError::Privacy)?
        .unwrap_or_default();
    let hides = is_anonymous_form(from.uri());
    Ok(Originator {
        identities: Vec::new(),
        display: None,
        anonymous: asks_anonymity(&privacy) || hides,
        privacy: privacy.0,
    })
}

//= https://www.rfc-editor.org/rfc/rfc5876#section-4.5
//# o  ignore any URI with a scheme other than SIP, SIPS, or TEL;
//#
//# o  ignore a second or subsequent SIP URI, a second or subsequent SIPS
//#    URI, or a second or subsequent TEL URI; and
//#
//# o  ignore a SIP URI if a SIPS URI occurred earlier in the header
//#    field and vice versa.
pub(super) fn is_expected(earlier: &[Uri], uri: &Uri) -> bool {
    match uri.scheme() {
        Scheme::Sip | Scheme::Sips => !earlier.iter().any(Uri::is_sip),
        Scheme::Tel => !earlier.iter().any(|uri| uri.scheme() == Scheme::Tel),
        _ => false,
    }
}
