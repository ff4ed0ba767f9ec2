//! Digest access authentication: the one implementation, for SIP, MSRP and HTTP (RFC 7616, 8760, 4976 9.1).
//!
//! Values in, values out; [`Nonces`] is what whoever challenges keeps of nonces and their counts.
//!
//! ```
//! use msrp::digest::{Algorithm, Challenge, Credentials, Ha1};
//!
//! let challenge = Challenge::parse(r#"Digest realm="example.com", nonce="n1", qop="auth", algorithm=SHA-256"#)?;
//! let ha1 = Ha1::of_password(Algorithm::Sha256, "alice", "example.com", "secret");
//! let credentials = challenge.answer("alice", &ha1, "REGISTER", "sip:example.com", "c1", 1, b"");
//!
//! let received = Credentials::parse(&credentials.to_string())?;
//! assert!(received.verify(&ha1, "REGISTER", b""));
//! assert!(!received.verify(&ha1, "MESSAGE", b""));
//! # Ok::<(), msrp::digest::DigestError>(())
//! ```

mod challenge;
mod credentials;
mod info;
mod nonce;
mod params;

use std::fmt;

use md5::Md5;
use sha2::{Sha256, Sha512_256};

pub use challenge::Challenge;
pub use credentials::Credentials;
pub use info::AuthenticationInfo;
pub use nonce::{Issued, Nonces};
pub use params::{AuthParams, DigestError};

/// The digest algorithm (RFC 7616 3.3, RFC 8760 2.1), each with its session variant.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Algorithm {
    /// `MD5`, which is also meant where no algorithm is given.
    #[default]
    Md5,
    /// `MD5-sess`.
    Md5Sess,
    /// `SHA-256`.
    Sha256,
    /// `SHA-256-sess`.
    Sha256Sess,
    /// `SHA-512-256`.
    Sha512T256,
    /// `SHA-512-256-sess`.
    Sha512T256Sess,
    /// `AKAv1-MD5` (RFC 3310): the password is the RES of the AKA challenge that the nonce carries.
    AkaV1Md5,
    /// `AKAv2-MD5` (RFC 4169): the password is made of RES, IK and CK.
    AkaV2Md5,
    /// `AKAv2-SHA-256`, the same with another hash.
    AkaV2Sha256,
}

impl Algorithm {
    /// The algorithm of this name, without regard to case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name))
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
            Self::Sha512T256 => "SHA-512-256",
            Self::Sha512T256Sess => "SHA-512-256-sess",
            Self::AkaV1Md5 => "AKAv1-MD5",
            Self::AkaV2Md5 => "AKAv2-MD5",
            Self::AkaV2Sha256 => "AKAv2-SHA-256",
        }
    }

    /// Whether the hash of the password is bound to one nonce and client nonce.
    pub fn is_session(self) -> bool {
        matches!(self, Self::Md5Sess | Self::Sha256Sess | Self::Sha512T256Sess)
    }

    /// The algorithm whose hash this one uses.
    #[must_use]
    pub fn without_session(self) -> Self {
        match self {
            Self::Md5 | Self::Md5Sess | Self::AkaV1Md5 | Self::AkaV2Md5 => Self::Md5,
            Self::Sha256 | Self::Sha256Sess | Self::AkaV2Sha256 => Self::Sha256,
            Self::Sha512T256 | Self::Sha512T256Sess => Self::Sha512T256,
        }
    }

    /// Whether the secret comes from a SIM and not from a person, new for each nonce.
    pub fn is_aka(self) -> bool {
        matches!(self, Self::AkaV1Md5 | Self::AkaV2Md5 | Self::AkaV2Sha256)
    }

    /// How strong it is, for a client that chooses among several challenges; more is stronger.
    pub fn strength(self) -> u8 {
        match self.without_session() {
            Self::Sha512T256 => 3,
            Self::Sha256 => 2,
            _ => 1,
        }
    }

    /// The keyed hash (RFC 2104) over the algorithm's hash, from which AKA version 2 makes passwords and keys (RFC 4169).
    pub fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        match self.without_session() {
            Self::Sha512T256 => hmac_with::<Sha512_256>(128, key, data),
            Self::Sha256 | Self::AkaV2Sha256 => hmac_with::<Sha256>(64, key, data),
            _ => hmac_with::<Md5>(64, key, data),
        }
    }

    const ALL: [Self; 9] = [
        Self::Md5,
        Self::Md5Sess,
        Self::Sha256,
        Self::Sha256Sess,
        Self::Sha512T256,
        Self::Sha512T256Sess,
        Self::AkaV1Md5,
        Self::AkaV2Md5,
        Self::AkaV2Sha256,
    ];

    /// The hash of the parts with a colon between them, in lower-case hexadecimal digits.
    fn hash(self, parts: &[&[u8]]) -> String {
        match self.without_session() {
            Self::Sha512T256 => hash_with::<Sha512_256>(parts),
            Self::Sha256 => hash_with::<Sha256>(parts),
            _ => hash_with::<Md5>(parts),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The quality of protection.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Qop {
    /// `auth`: method and URI are protected.
    Auth,
    /// `auth-int`: the body too.
    AuthInt,
}

impl Qop {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }

    /// The value of this name, without regard to case.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Auth, Self::AuthInt]
            .into_iter()
            .find(|qop| qop.as_str().eq_ignore_ascii_case(name))
    }
}

/// The hash of user name, realm and password: as good as the password within its realm, so never shown.
#[derive(Clone, Eq, PartialEq)]
pub struct Ha1(String);

impl Ha1 {
    /// The hash for an algorithm; a session variant has the same one as its base.
    pub fn of_password(algorithm: Algorithm, username: &str, realm: &str, password: &str) -> Self {
        Self(algorithm.hash(&[username.as_bytes(), realm.as_bytes(), password.as_bytes()]))
    }

    /// The hash for a secret that is no text: the RES of AKA (RFC 3310 3.3), or what RFC 4169 3 makes of it. It is empty in
    /// credentials with `auts`, which only tell that the counters differ.
    pub fn of_secret(algorithm: Algorithm, username: &str, realm: &str, secret: &[u8]) -> Self {
        Self(algorithm.hash(&[username.as_bytes(), realm.as_bytes(), secret]))
    }

    /// The hash as a credential store keeps it, in hexadecimal digits.
    ///
    /// # Errors
    ///
    /// Fails when it is not of 32 or 64 hexadecimal digits.
    pub fn from_hex(digits: &str) -> Result<Self, DigestError> {
        if !matches!(digits.len(), 32 | 64) || !digits.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            return Err(DigestError::Value { name: "H(A1)" });
        }
        Ok(Self(digits.to_ascii_lowercase()))
    }

    fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(..)")
    }
}

/// What the response is computed from, besides the password.
struct Computation<'a> {
    algorithm: Algorithm,
    nonce: &'a str,
    method: &'a str,
    uri: &'a str,
    qop: Option<Qop>,
    cnonce: &'a str,
    nc: u32,
    body: &'a [u8],
}

impl Computation<'_> {
    //= https://www.rfc-editor.org/rfc/rfc7616#section-3.4.1
    //# If the qop value is "auth" or "auth-int":
    fn response(&self, ha1: &Ha1) -> String {
        let algorithm = self.algorithm;
        let session;
        let secret = if algorithm.is_session() {
            session = algorithm.hash(&[
                ha1.as_str().as_bytes(),
                self.nonce.as_bytes(),
                self.cnonce.as_bytes(),
            ]);
            session.as_str()
        } else {
            ha1.as_str()
        };
        let ha2 = match self.qop {
            Some(Qop::AuthInt) => {
                let body = algorithm.hash(&[self.body]);
                algorithm.hash(&[self.method.as_bytes(), self.uri.as_bytes(), body.as_bytes()])
            }
            _ => algorithm.hash(&[self.method.as_bytes(), self.uri.as_bytes()]),
        };
        match self.qop {
            Some(qop) => {
                let nc = format!("{:08x}", self.nc);
                algorithm.hash(&[
                    secret.as_bytes(),
                    self.nonce.as_bytes(),
                    nc.as_bytes(),
                    self.cnonce.as_bytes(),
                    qop.as_str().as_bytes(),
                    ha2.as_bytes(),
                ])
            }
            None => algorithm.hash(&[secret.as_bytes(), self.nonce.as_bytes(), ha2.as_bytes()]),
        }
    }
}

fn hash_with<D: sha2::Digest>(parts: &[&[u8]]) -> String {
    let mut hash = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hash.update(b":");
        }
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .fold(String::with_capacity(64), |mut digits, octet| {
            for nibble in [octet >> 4, octet & 0xf] {
                digits.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
            digits
        })
}

/// Compares without telling by its duration how much agrees.
fn hmac_with<D: sha2::Digest>(block: usize, key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut padded = if key.len() > block {
        D::digest(key).to_vec()
    } else {
        key.to_vec()
    };
    padded.resize(block, 0);
    let pad = |mask: u8| padded.iter().map(|octet| octet ^ mask).collect::<Vec<u8>>();
    let inner = D::new().chain_update(pad(0x36)).chain_update(data).finalize();
    D::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}

fn equal_in_constant_time(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .fold(0u8, |difference, (a, b)| difference | (a ^ b))
            == 0
}

#[cfg(test)]
mod tests;
