//! What a client answers: `Authorization`, `Proxy-Authorization`.

use std::fmt;

use super::challenge::quoted;
use super::{Algorithm, AuthParams, Computation, DigestError, Ha1, Qop, equal_in_constant_time};

/// Digest credentials (RFC 7616 3.4).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The protection space.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// The URI that the response is computed with; MSRP leaves it out (RFC 4976 9.1).
    pub uri: Option<String>,
    /// The response, in hexadecimal digits; empty where an IMS client tells who it is before it is challenged.
    pub response: String,
    /// The algorithm; MD5 where none is given.
    pub algorithm: Option<Algorithm>,
    /// The client's nonce.
    pub cnonce: Option<String>,
    /// The quality of protection; none: as in RFC 2069.
    pub qop: Option<Qop>,
    /// How many requests were made with the nonce, this one included.
    pub nc: Option<u32>,
    /// The server's text, given back.
    pub opaque: Option<String>,
    /// Whether the user name is hashed.
    pub userhash: bool,
    /// The AUTS of AKA in base64, where the client's counter is not that of the server (RFC 3310 3.4).
    pub auts: Option<String>,
}

impl Credentials {
    /// Reads a header field value.
    ///
    /// # Errors
    ///
    /// Fails when the scheme is another one, a parameter that has to be there is not, or one has a value that it
    /// cannot have.
    pub fn parse(value: &str) -> Result<Self, DigestError> {
        let params = AuthParams::digest(value)?;
        let text = |name: &str| params.get(name).map(std::borrow::Cow::into_owned);
        let algorithm = match params.get("algorithm") {
            Some(name) => Some(Algorithm::parse(&name).ok_or(DigestError::UnknownAlgorithm)?),
            None => None,
        };
        let qop = match params.get("qop") {
            Some(name) => Some(Qop::parse(&name).ok_or(DigestError::Value { name: "qop" })?),
            None => None,
        };
        let nc = match params.get("nc") {
            Some(digits) => Some(nonce_count(&digits).ok_or(DigestError::Value { name: "nc" })?),
            None => None,
        };
        let response = params.required("response")?.into_owned();
        let nonce = params.required("nonce")?.into_owned();
        // 3GPP TS 24.229 5.1.1.2: the first REGISTER has neither nonce nor response, and no right answer either.
        let is_unchallenged = response.is_empty() && nonce.is_empty();
        let is_hash = !response.is_empty()
            && response.len() <= 64
            && response.bytes().all(|octet| octet.is_ascii_hexdigit());
        if !is_hash && !is_unchallenged {
            return Err(DigestError::Value { name: "response" });
        }
        let credentials = Self {
            username: username(&params)?,
            realm: params.required("realm")?.into_owned(),
            nonce,
            uri: text("uri"),
            response,
            algorithm,
            cnonce: text("cnonce"),
            qop,
            nc,
            opaque: text("opaque"),
            userhash: params
                .get("userhash")
                .is_some_and(|value| value.eq_ignore_ascii_case("true")),
            auts: text("auts"),
        };
        let session = credentials.algorithm.is_some_and(Algorithm::is_session);
        if credentials.cnonce.is_none() && (qop.is_some() || session) {
            return Err(DigestError::Missing { name: "cnonce" });
        }
        if qop.is_some() && nc.is_none() {
            return Err(DigestError::Missing { name: "nc" });
        }
        Ok(credentials)
    }

    /// Whether the response is right for the password's hash, the method and, with `auth-int`, the body.
    ///
    /// The URI is the one of the credentials. Whether it names what was asked for is the caller's to judge; that the
    /// nonce is the server's own and its count new is the caller's to check, before and after this.
    pub fn verify(&self, ha1: &Ha1, method: &str, body: &[u8]) -> bool {
        self.verify_uri(ha1, method, self.uri.as_deref().unwrap_or_default(), body)
    }

    /// As [`verify`](Self::verify), with the URI that the protocol prescribes: in MSRP the rightmost of To-Path.
    pub fn verify_uri(&self, ha1: &Ha1, method: &str, uri: &str, body: &[u8]) -> bool {
        let expected = self.computation(method, uri, body).response(ha1);
        equal_in_constant_time(expected.as_bytes(), self.response.to_ascii_lowercase().as_bytes())
    }

    /// Whether they are those of this user, who may have hashed his name.
    ///
    //= https://www.rfc-editor.org/rfc/rfc7616#section-3.4.4
    //# username = H( unq(username) ":" unq(realm) )
    pub fn is_of(&self, username: &str) -> bool {
        if !self.userhash {
            return self.username == username;
        }
        let algorithm = self.algorithm.unwrap_or_default();
        let hashed = algorithm.hash(&[username.as_bytes(), self.realm.as_bytes()]);
        equal_in_constant_time(hashed.as_bytes(), self.username.to_ascii_lowercase().as_bytes())
    }

    pub(super) fn computation<'a>(
        &'a self,
        method: &'a str,
        uri: &'a str,
        body: &'a [u8],
    ) -> Computation<'a> {
        Computation {
            algorithm: self.algorithm.unwrap_or_default(),
            nonce: &self.nonce,
            method,
            uri,
            qop: self.qop,
            cnonce: self.cnonce.as_deref().unwrap_or_default(),
            nc: self.nc.unwrap_or_default(),
            body,
        }
    }
}

/// Writes the header field value; control characters in a text are left out.
impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Digest username={}, realm={}, nonce={}",
            quoted(&self.username),
            quoted(&self.realm),
            quoted(&self.nonce)
        )?;
        if let Some(uri) = &self.uri {
            write!(f, ", uri={}", quoted(uri))?;
        }
        write!(f, ", response={}", quoted(&self.response))?;
        if let Some(algorithm) = self.algorithm {
            write!(f, ", algorithm={algorithm}")?;
        }
        if let Some(cnonce) = &self.cnonce {
            write!(f, ", cnonce={}", quoted(cnonce))?;
        }
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", quoted(opaque))?;
        }
        if let Some(qop) = self.qop {
            write!(f, ", qop={}", qop.as_str())?;
        }
        if let Some(nc) = self.nc {
            write!(f, ", nc={nc:08x}")?;
        }
        if self.userhash {
            f.write_str(", userhash=true")?;
        }
        if let Some(auts) = &self.auts {
            write!(f, ", auts={}", quoted(auts))?;
        }
        Ok(())
    }
}

/// The user's name, in either of its forms.
///
//= https://www.rfc-editor.org/rfc/rfc7616#section-3.4
//# Sending both username and username* in the same header
//# option MUST be treated as an error.
fn username(params: &AuthParams<'_>) -> Result<String, DigestError> {
    let Some(extended) = params.get("username*") else {
        return Ok(params.required("username")?.into_owned());
    };
    let is_hashed = params
        .get("userhash")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if params.get("username").is_some() || is_hashed {
        return Err(DigestError::Value { name: "username*" });
    }
    extended_value(&extended).ok_or(DigestError::Value { name: "username*" })
}

/// A value in the notation of RFC 5987: character set, language, and text with escapes.
fn extended_value(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, text) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("UTF-8") {
        return None;
    }
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let value = digit()?.checked_mul(16)?.checked_add(digit()?)?;
        octets.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(octets).ok()
}

//= https://www.rfc-editor.org/rfc/rfc2617#section-3.2.2
//# nc-value         = 8LHEX
pub(super) fn nonce_count(digits: &str) -> Option<u32> {
    if digits.len() != 8 || !digits.bytes().all(|octet| octet.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, 16).ok()
}
