//! What a server says after it has taken credentials: `Authentication-Info`.

use std::fmt;

use super::challenge::quoted;
use super::credentials::nonce_count;
use super::{AuthParams, Credentials, DigestError, Ha1, Qop, equal_in_constant_time};

/// What a server says after it has taken credentials (RFC 7616 3.5): the proof that it knows the password too, and
/// perhaps the nonce to use next.
///
/// ```
/// use msrp::digest::{Algorithm, AuthenticationInfo, Challenge, Ha1};
///
/// let challenge = Challenge::new("example.com", "n1", Algorithm::Md5);
/// let ha1 = Ha1::of_password(Algorithm::Md5, "alice", "example.com", "secret");
/// let credentials = challenge.answer("alice", &ha1, "AUTH", "msrps://example.com;tcp", "c1", 1, b"");
/// let info = AuthenticationInfo::answering(&credentials, &ha1, "msrps://example.com;tcp");
///
/// let received = AuthenticationInfo::parse(&info.to_string())?;
/// assert!(received.proves(&credentials, &ha1, "msrps://example.com;tcp"));
/// assert!(!received.proves(&credentials, &ha1, "msrps://example.org;tcp"));
/// # Ok::<(), msrp::digest::DigestError>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct AuthenticationInfo {
    /// The nonce to use next.
    pub nextnonce: Option<String>,
    /// The quality of protection.
    pub qop: Option<Qop>,
    /// The proof, in hexadecimal digits.
    pub rspauth: Option<String>,
    /// The client's nonce that it is for.
    pub cnonce: Option<String>,
    /// The count that it is for.
    pub nc: Option<u32>,
}

impl AuthenticationInfo {
    /// The proof for credentials that were found right.
    pub fn answering(credentials: &Credentials, ha1: &Ha1, uri: &str) -> Self {
        Self {
            nextnonce: None,
            qop: credentials.qop,
            rspauth: Some(credentials.computation("", uri, b"").response(ha1)),
            cnonce: credentials.cnonce.clone(),
            nc: credentials.nc,
        }
    }

    /// Reads a header field value.
    ///
    /// # Errors
    ///
    /// Fails when it is not a list of parameters, or one has a value that it cannot have.
    pub fn parse(value: &str) -> Result<Self, DigestError> {
        // It has the parameters of credentials, but no scheme in front.
        let value = format!("Digest {value}");
        let params = AuthParams::digest(&value)?;
        let text = |name: &str| params.get(name).map(std::borrow::Cow::into_owned);
        let qop = match params.get("qop") {
            Some(name) => Some(Qop::parse(&name).ok_or(DigestError::Value { name: "qop" })?),
            None => None,
        };
        let nc = match params.get("nc") {
            Some(digits) => Some(nonce_count(&digits).ok_or(DigestError::Value { name: "nc" })?),
            None => None,
        };
        Ok(Self {
            nextnonce: text("nextnonce"),
            qop,
            rspauth: text("rspauth"),
            cnonce: text("cnonce"),
            nc,
        })
    }

    /// Whether whoever sent it knows the password: the proof is there, right, and for these credentials.
    pub fn proves(&self, credentials: &Credentials, ha1: &Ha1, uri: &str) -> bool {
        let same = |one: Option<&str>, other: Option<&str>| one.is_none_or(|one| Some(one) == other);
        let Some(rspauth) = &self.rspauth else {
            return false;
        };
        let expected = credentials.computation("", uri, b"").response(ha1);
        same(self.cnonce.as_deref(), credentials.cnonce.as_deref())
            && self.nc.is_none_or(|nc| Some(nc) == credentials.nc)
            && equal_in_constant_time(expected.as_bytes(), rspauth.to_ascii_lowercase().as_bytes())
    }
}

/// Writes the header field value; control characters in a text are left out.
//= https://www.rfc-editor.org/rfc/rfc4976#section-9.1
//# the value of
//# the qop parameter in an "Authorization" header or
//# "Authentication-Info" header is not quoted.
impl fmt::Display for AuthenticationInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::with_capacity(5);
        if let Some(nonce) = &self.nextnonce {
            parts.push(format!("nextnonce={}", quoted(nonce)));
        }
        if let Some(proof) = &self.rspauth {
            parts.push(format!("rspauth={}", quoted(proof)));
        }
        if let Some(cnonce) = &self.cnonce {
            parts.push(format!("cnonce={}", quoted(cnonce)));
        }
        if let Some(nc) = self.nc {
            parts.push(format!("nc={nc:08x}"));
        }
        if let Some(qop) = self.qop {
            parts.push(format!("qop={}", qop.as_str()));
        }
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        // RFC 4976 5.1.
        let text = r#"nextnonce="40f2e879449675f288476d772627370a",rspauth="7327570c586207eca2afae94fc20903d", cnonce="0a4f113b", nc=00000001, qop=auth"#;
        let info = AuthenticationInfo::parse(text).unwrap();
        assert_eq!(
            (info.nc, info.qop, info.cnonce.as_deref()),
            (Some(1), Some(Qop::Auth), Some("0a4f113b"))
        );
        assert_eq!(AuthenticationInfo::parse(&info.to_string()), Ok(info));
        for bad in ["qop=none", "nc=1", "a", "nextnonce=\"x"] {
            assert!(AuthenticationInfo::parse(bad).is_err(), "{bad}");
        }
    }
}
