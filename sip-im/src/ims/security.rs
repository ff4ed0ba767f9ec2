//! The agreement on a security mechanism between a client and its first hop (RFC 3329).

use thiserror::Error;

use crate::ByteStr;
use crate::StatusCode;
use crate::error::{BuildError, HeaderError};
use crate::header::{
    HeaderName, ProxyRequire, Require, SecurityClient, SecurityServer, SecurityVerify, Supported, Via,
};
use crate::message::{Request, Response, ResponseBuilder};

/// Why there is no agreement.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SecurityError {
    /// The server knows no mechanism that the client knows.
    #[error("no mechanism is known to both")]
    NoCommonMechanism,
    /// The server has offered nothing.
    #[error("the server offers no mechanism")]
    NothingOffered,
    /// A header field is malformed.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A header field can't be written.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// The client's side: what it supports, and what was agreed on.
///
/// ```
/// use sip_im::header::{SecurityClient, SecurityServer, SecurityVerify};
/// use sip_im::ims::SecurityAgreement;
/// use sip_im::{Method, Request, StatusCode, Uri};
///
/// let mut agreement = SecurityAgreement::new(vec![SecurityClient::new("tls"), SecurityClient::new("ipsec-3gpp")]);
/// let aor = Uri::parse("sip:alice@example.com")?;
/// let mut register = Request::builder(Method::Register, Uri::parse("sip:example.com")?)
///     .from(&aor, None, "t")
///     .to(&aor, None)
///     .call_id("c")
///     .cseq(1)
///     .build()?;
/// agreement.prepare(&mut register)?;
/// let mut offered = SecurityServer::new("ipsec-3gpp");
/// offered.params.set("q", Some("0.1"))?;
/// let refusal = register.response(StatusCode::SECURITY_AGREEMENT_REQUIRED).header_typed(&offered).build()?;
/// let chosen = agreement.agree(&refusal)?;
/// assert_eq!(chosen.mechanism.as_str(), "ipsec-3gpp");
/// agreement.prepare(&mut register)?;
/// assert_eq!(register.headers().require::<SecurityVerify>()?.mechanism.as_str(), "ipsec-3gpp");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SecurityAgreement {
    supported: Vec<SecurityClient>,
    offered: Vec<SecurityServer>,
}

impl SecurityAgreement {
    /// Takes what the client supports, without preferences.
    pub fn new(supported: Vec<SecurityClient>) -> Self {
        Self {
            supported,
            offered: Vec::new(),
        }
    }

    /// Gives a request to the first hop what the agreement asks for: what is supported until a server has told its list, which is
    /// mirrored from then on.
    ///
    /// # Errors
    ///
    /// Fails when a mechanism can't be written.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3329#section-2.3.1
    //# The client MUST add both a
    //# Require and Proxy-Require header field with the value "sec-agree" to
    //# its request.
    //= https://www.rfc-editor.org/rfc/rfc3329#section-2.3.1
    //# These requests MUST contain a Security-Verify header field
    //# that mirrors the server's list received previously in the Security-
    //# Server header field.
    pub fn prepare(&self, request: &mut Request) -> Result<(), SecurityError> {
        let headers = request.headers_mut();
        headers.remove(&HeaderName::SECURITY_CLIENT);
        headers.remove(&HeaderName::SECURITY_VERIFY);
        for mechanism in &self.supported {
            headers.push_typed(mechanism)?;
        }
        for offered in &self.offered {
            let mut mirrored = SecurityVerify::new(&offered.mechanism);
            mirrored.params = offered.params.clone();
            headers.push_typed(&mirrored)?;
        }
        let mut require = headers.get::<Require>()?.unwrap_or_default();
        if !require.contains(SEC_AGREE) {
            require.0.push(ByteStr::from_static(SEC_AGREE));
        }
        headers.set_typed(&require)?;
        let mut require = headers.get::<ProxyRequire>()?.unwrap_or_default();
        if !require.contains(SEC_AGREE) {
            require.0.push(ByteStr::from_static(SEC_AGREE));
        }
        headers.set_typed(&require)?;
        Ok(())
    }

    /// Takes the server's list from a response, and gives the mechanism to initiate, with the server's parameters.
    ///
    /// # Errors
    ///
    /// Fails when there is no list or no common mechanism.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3329#section-2.3.1
    //# When the client receives a response with a Security-Server header
    //# field, it MUST choose the security mechanism in the server's list
    //# with the highest "q" value among all the mechanisms that are known to
    //# the client.
    pub fn agree(&mut self, response: &Response) -> Result<SecurityServer, SecurityError> {
        let offered = response
            .headers()
            .all::<SecurityServer>()
            .take(MAX_MECHANISMS)
            .collect::<Result<Vec<_>, _>>()?;
        if offered.is_empty() {
            return Err(SecurityError::NothingOffered);
        }
        let known = |one: &&SecurityServer| {
            self.supported
                .iter()
                .any(|ours| ours.mechanism.eq_ignore_ascii_case(&one.mechanism))
        };
        let mut chosen: Option<&SecurityServer> = None;
        for one in offered.iter().filter(known) {
            // Among equals the first.
            if chosen.is_none_or(|best| one.q() > best.q()) {
                chosen = Some(one);
            }
        }
        let chosen = chosen.cloned().ok_or(SecurityError::NoCommonMechanism)?;
        self.offered = offered;
        Ok(chosen)
    }

    /// Whether a server's list is mirrored from now on.
    pub fn is_agreed(&self) -> bool {
        !self.offered.is_empty()
    }
}

/// What the server's check of a request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecurityCheck {
    /// It mirrors the list: go on; what was for this hop alone is taken off.
    Agreed,
    /// It has no part in an agreement.
    Absent,
    /// It is to be answered with this status, as [`SecurityPolicy::refuse`] does.
    Refused(StatusCode),
}

/// The server's side: what it supports, the same for everybody.
#[derive(Clone, Debug)]
pub struct SecurityPolicy {
    supported: Vec<SecurityServer>,
    required: bool,
}

impl SecurityPolicy {
    /// Takes what the server supports, with preferences, and whether every client has to agree.
    pub fn new(supported: Vec<SecurityServer>, required: bool) -> Self {
        Self { supported, required }
    }

    /// Checks a request that came in; `protected` tells whether it came over what was agreed on.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3329#section-2.3.1
    //# The server can proceed processing a particular request if, and only
    //# if, the list was not modified.
    //= https://www.rfc-editor.org/rfc/rfc3329#section-2.3.2
    //# If there are
    //# several Via entries, the server is not the first-hop SIP entity, and
    //# it MUST NOT use this mechanism.  For such a request, the server must
    //# return a 502 (Bad Gateway) response.
    pub fn check(&self, request: &mut Request, protected: bool) -> SecurityCheck {
        let headers = request.headers();
        let lists = (
            headers.get::<Require>(),
            headers.get::<ProxyRequire>(),
            headers.get::<Supported>(),
        );
        let (Ok(require), Ok(proxy_require), Ok(supported)) = lists else {
            return SecurityCheck::Refused(StatusCode::BAD_REQUEST);
        };
        let asked = require.is_some_and(|list| list.contains(SEC_AGREE))
            || proxy_require.is_some_and(|list| list.contains(SEC_AGREE));
        if !asked && !self.required {
            return SecurityCheck::Absent;
        }
        if headers.all::<Via>().count() > 1 {
            return SecurityCheck::Refused(StatusCode::BAD_GATEWAY);
        }
        if !asked {
            let knows = supported.is_some_and(|list| list.contains(SEC_AGREE));
            return SecurityCheck::Refused(if knows {
                StatusCode::SECURITY_AGREEMENT_REQUIRED
            } else {
                StatusCode::EXTENSION_REQUIRED
            });
        }
        let mirrored = headers.all::<SecurityVerify>().collect::<Result<Vec<_>, _>>();
        let same = mirrored.is_ok_and(|mirrored| {
            mirrored.len() == self.supported.len()
                && mirrored.iter().zip(&self.supported).all(|(theirs, ours)| {
                    theirs.mechanism.eq_ignore_ascii_case(&ours.mechanism) && theirs.params == ours.params
                })
        });
        if !protected || !same {
            return SecurityCheck::Refused(StatusCode::SECURITY_AGREEMENT_REQUIRED);
        }
        clear(request);
        SecurityCheck::Agreed
    }

    /// Begins the response that refuses a request, with the server's list.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3329#section-2.3.1
    //# The
    //# server MUST add a Security-Server header field to this response
    //# listing the security mechanisms that the server supports.
    pub fn refuse(&self, request: &Request, status: StatusCode) -> ResponseBuilder {
        let mut builder = request.response(status);
        if matches!(
            status,
            StatusCode::SECURITY_AGREEMENT_REQUIRED | StatusCode::EXTENSION_REQUIRED
        ) {
            for mechanism in &self.supported {
                builder = builder.header_typed(mechanism);
            }
            builder = builder.header_typed(&Require::new([SEC_AGREE]));
        }
        builder
    }
}

//= https://www.rfc-editor.org/rfc/rfc3329#section-2.3.1
//# If the
//# list was not modified, and the server is a proxy, it MUST remove the
//# "sec-agree" value from both the Require and Proxy-Require header
//# fields, and then remove the header fields if no values remain.
fn clear(request: &mut Request) {
    let headers = request.headers_mut();
    for name in [HeaderName::REQUIRE, HeaderName::PROXY_REQUIRE] {
        headers.remove_values(&name, |value| value.trim().eq_ignore_ascii_case(SEC_AGREE));
    }
    for name in [HeaderName::SECURITY_CLIENT, HeaderName::SECURITY_VERIFY] {
        headers.remove(&name);
    }
}

const SEC_AGREE: &str = "sec-agree";

/// Mechanisms that are read of one list.
const MAX_MECHANISMS: usize = 16;
