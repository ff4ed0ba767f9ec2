//! What a server asks for: `WWW-Authenticate`, `Proxy-Authenticate`.

use std::fmt;

use super::{Algorithm, AuthParams, Computation, Credentials, DigestError, Ha1, Qop};
use crate::header::content::quoted_string;

/// A digest challenge (RFC 7616 3.3).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Challenge {
    /// The protection space.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The qualities of protection on offer, in the server's order; none: as in RFC 2069.
    pub qop: Vec<Qop>,
    /// A text to give back as it is.
    pub opaque: Option<String>,
    /// Whether only the nonce was too old, so that the same password will do.
    pub stale: bool,
    /// The URIs of the protection space, as written.
    pub domain: Option<String>,
    /// Whether the server takes a hashed user name.
    pub userhash: bool,
}

impl Challenge {
    /// A challenge with `qop="auth"`.
    pub fn new(realm: impl Into<String>, nonce: impl Into<String>, algorithm: Algorithm) -> Self {
        Self {
            realm: realm.into(),
            nonce: nonce.into(),
            algorithm,
            qop: vec![Qop::Auth],
            ..Self::default()
        }
    }

    /// Reads a header field value.
    ///
    /// # Errors
    ///
    /// Fails when the scheme is another one, the algorithm is unknown, or realm or nonce are missing.
    pub fn parse(value: &str) -> Result<Self, DigestError> {
        let params = AuthParams::digest(value)?;
        let algorithm = match params.get("algorithm") {
            Some(name) => Algorithm::parse(&name).ok_or(DigestError::UnknownAlgorithm)?,
            None => Algorithm::Md5,
        };
        let is_true = |name: &str| {
            params
                .get(name)
                .is_some_and(|value| value.eq_ignore_ascii_case("true"))
        };
        //= https://www.rfc-editor.org/rfc/rfc7616#section-3.3
        //# Unrecognized options MUST be ignored.
        let qop = match params.get("qop") {
            Some(list) => {
                let known: Vec<Qop> = list
                    .split(',')
                    .filter_map(|name| Qop::parse(name.trim()))
                    .collect();
                if known.is_empty() && !list.trim().is_empty() {
                    return Err(DigestError::Value { name: "qop" });
                }
                known
            }
            None => Vec::new(),
        };
        Ok(Self {
            realm: params.required("realm")?.into_owned(),
            nonce: params.required("nonce")?.into_owned(),
            algorithm,
            qop,
            opaque: params.get("opaque").map(std::borrow::Cow::into_owned),
            stale: is_true("stale"),
            domain: params.get("domain").map(std::borrow::Cow::into_owned),
            userhash: is_true("userhash"),
        })
    }

    /// The credentials for a request: with `qop=auth` where it is on offer, else `auth-int`, else as in RFC 2069.
    ///
    /// `nc` counts the requests made with this nonce, from 1; `cnonce` is fresh random text of the client.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is an input of the formula in RFC 7616 3.4.1"
    )]
    pub fn answer(
        &self,
        username: &str,
        ha1: &Ha1,
        method: &str,
        uri: &str,
        cnonce: &str,
        nc: u32,
        body: &[u8],
    ) -> Credentials {
        let qop = if self.qop.contains(&Qop::Auth) {
            Some(Qop::Auth)
        } else {
            self.qop.first().copied()
        };
        let computation = Computation {
            algorithm: self.algorithm,
            nonce: &self.nonce,
            method,
            uri,
            qop,
            cnonce,
            nc,
            body,
        };
        let response = computation.response(ha1);
        let with_cnonce = qop.is_some() || self.algorithm.is_session();
        //= https://www.rfc-editor.org/rfc/rfc7616#section-3.4.4
        //# then the client MUST calculate a hash of the username after
        //# any other hash calculation and include the userhash parameter with
        //# the value of "true" in the Authorization header field.
        let username = if self.userhash {
            self.algorithm.hash(&[username.as_bytes(), self.realm.as_bytes()])
        } else {
            username.to_owned()
        };
        Credentials {
            username,
            realm: self.realm.clone(),
            nonce: self.nonce.clone(),
            uri: Some(uri.to_owned()),
            response,
            algorithm: Some(self.algorithm),
            cnonce: with_cnonce.then(|| cnonce.to_owned()),
            qop,
            nc: qop.map(|_| nc),
            opaque: self.opaque.clone(),
            userhash: self.userhash,
            auts: None,
        }
    }
}

/// Writes the header field value; control characters in a text are left out.
impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest realm={}", quoted(&self.realm))?;
        if let Some(domain) = &self.domain {
            write!(f, ", domain={}", quoted(domain))?;
        }
        write!(f, ", nonce={}", quoted(&self.nonce))?;
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", quoted(opaque))?;
        }
        if self.stale {
            f.write_str(", stale=true")?;
        }
        write!(f, ", algorithm={}", self.algorithm)?;
        if !self.qop.is_empty() {
            let names: Vec<&str> = self.qop.iter().map(|qop| qop.as_str()).collect();
            write!(f, ", qop=\"{}\"", names.join(","))?;
        }
        if self.userhash {
            f.write_str(", userhash=true")?;
        }
        Ok(())
    }
}

/// A quoted string that cannot break out of its line, whatever `text` holds.
pub(super) fn quoted(text: &str) -> String {
    quoted_string(text).unwrap_or_else(|_| {
        let clean: String = text
            .chars()
            .filter(|character| !character.is_ascii_control())
            .collect();
        quoted_string(&clean).unwrap_or_default()
    })
}
