//! Digest with AKA (RFC 3310, RFC 4169): the challenge that carries RAND and AUTN, the password made of RES, and the resynchronisation.
//!
//! The keys are the host's: at the client an ISIM answers a RAND, at the server an authentication centre gives a vector.

use core::fmt;

use thiserror::Error;

use super::base64;
use crate::digest::{Algorithm, Challenge, Credentials, Ha1};

/// Why a challenge or credentials are not ones of AKA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AkaError {
    /// The algorithm is not one of AKA.
    #[error("the algorithm is not one of aka")]
    Algorithm,
    /// The nonce has no RAND and AUTN in it.
    #[error("the nonce has no rand and autn")]
    Nonce,
}

/// What the client's ISIM makes of a challenge.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AkaResult {
    /// The network is the right one.
    Response {
        /// RES.
        res: Vec<u8>,
        /// The integrity key, IK.
        integrity: [u8; 16],
        /// The cipher key, CK.
        cipher: [u8; 16],
    },
    /// The network's counter is not the client's: AUTS.
    Resynchronise([u8; 14]),
}

impl fmt::Debug for AkaResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Response { .. } => "Response(..)",
            Self::Resynchronise(_) => "Resynchronise(..)",
        })
    }
}

/// The keys of a security association that an authentication gives.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AkaKeys {
    /// IK, or IK' with version 2.
    pub integrity: Vec<u8>,
    /// CK, or CK' with version 2.
    pub cipher: Vec<u8>,
}

impl fmt::Debug for AkaKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AkaKeys(..)")
    }
}

/// A challenge, as the client's ISIM needs it.
///
/// ```
/// use sip_im::digest::Algorithm;
/// use sip_im::ims::{AkaChallenge, AkaResult, AkaVector, AkaVerdict};
///
/// let vector = AkaVector::new([1; 16], [2; 16], vec![3; 8], [4; 16], [5; 16]);
/// let challenge = vector.challenge("ims.example.com", Algorithm::AkaV1Md5, b"");
/// let asked = AkaChallenge::of(&challenge)?;
/// assert_eq!((asked.rand, asked.autn), ([1; 16], [2; 16]));
/// let made = asked.response(vec![3; 8], [4; 16], [5; 16]);
/// let uri = "sip:ims.example.com";
/// let credentials = asked.answer(&made, "alice@ims.example.com", "REGISTER", uri, "c", 1, b"");
/// let verdict = vector.check(&credentials, Algorithm::AkaV1Md5, "REGISTER", b"");
/// assert!(matches!(verdict, AkaVerdict::Accepted(_)));
/// # Ok::<(), sip_im::ims::AkaError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AkaChallenge {
    /// RAND.
    pub rand: [u8; 16],
    /// AUTN.
    pub autn: [u8; 16],
    challenge: Challenge,
}

impl AkaChallenge {
    /// Reads a challenge.
    ///
    /// # Errors
    ///
    /// Fails when it is not one of AKA.
    pub fn of(challenge: &Challenge) -> Result<Self, AkaError> {
        if !challenge.algorithm.is_aka() {
            return Err(AkaError::Algorithm);
        }
        let octets = base64::decode(&challenge.nonce).ok_or(AkaError::Nonce)?;
        let (rand, rest) = octets.split_first_chunk::<16>().ok_or(AkaError::Nonce)?;
        let (autn, _) = rest.split_first_chunk::<16>().ok_or(AkaError::Nonce)?;
        Ok(Self {
            rand: *rand,
            autn: *autn,
            challenge: challenge.clone(),
        })
    }

    /// What the ISIM gave, as a result.
    pub fn response(&self, res: Vec<u8>, integrity: [u8; 16], cipher: [u8; 16]) -> AkaResult {
        AkaResult::Response {
            res,
            integrity,
            cipher,
        }
    }

    /// Makes the credentials for a request.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3310#section-3.4
    //# Instead, the client MUST calculate
    //# its credentials using an empty password (password of "").
    #[expect(
        clippy::too_many_arguments,
        reason = "each is an input of the formula in RFC 7616 3.4.1"
    )]
    pub fn answer(
        &self,
        result: &AkaResult,
        username: &str,
        method: &str,
        uri: &str,
        cnonce: &str,
        nc: u32,
        body: &[u8],
    ) -> Credentials {
        let (algorithm, realm) = (self.challenge.algorithm, &self.challenge.realm);
        let secret = match result {
            AkaResult::Response {
                res,
                integrity,
                cipher,
            } => password(algorithm, res, integrity, cipher),
            AkaResult::Resynchronise(_) => Vec::new(),
        };
        let ha1 = Ha1::of_secret(algorithm, username, realm, &secret);
        let mut credentials = self
            .challenge
            .answer(username, &ha1, method, uri, cnonce, nc, body);
        if let AkaResult::Resynchronise(auts) = result {
            credentials.auts = Some(base64::encode(auts));
        }
        credentials
    }

    /// The keys that an answer gives; none for a resynchronisation.
    pub fn keys(&self, result: &AkaResult) -> Option<AkaKeys> {
        match result {
            AkaResult::Response {
                integrity, cipher, ..
            } => Some(keys(self.challenge.algorithm, integrity, cipher)),
            AkaResult::Resynchronise(_) => None,
        }
    }
}

/// What the check of credentials says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AkaVerdict {
    /// They are right, and these are the keys.
    Accepted(AkaKeys),
    /// The client's counter is another: give the authentication centre RAND and this AUTS, and challenge with the vector that it makes.
    Resynchronise([u8; 14]),
    /// They are wrong.
    Refused,
}

/// What an authentication centre gives for one authentication.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AkaVector {
    rand: [u8; 16],
    autn: [u8; 16],
    xres: Vec<u8>,
    integrity: [u8; 16],
    cipher: [u8; 16],
}

impl AkaVector {
    /// RAND, AUTN, XRES, IK and CK.
    pub fn new(rand: [u8; 16], autn: [u8; 16], xres: Vec<u8>, integrity: [u8; 16], cipher: [u8; 16]) -> Self {
        Self {
            rand,
            autn,
            xres,
            integrity,
            cipher,
        }
    }

    /// RAND, which the authentication centre wants back with an AUTS.
    pub fn rand(&self) -> &[u8; 16] {
        &self.rand
    }

    /// Makes the challenge.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3310#section-3.2
    //# A parameter, which is populated with the Base64 [4] encoding of
    //# the concatenation of the AKA authentication challenge RAND, the
    //# AKA AUTN token, and optionally some server specific data, as in
    //# Figure 1.
    pub fn challenge(&self, realm: &str, algorithm: Algorithm, server_data: &[u8]) -> Challenge {
        let mut octets = self.rand.to_vec();
        octets.extend(self.autn);
        octets.extend(server_data);
        Challenge::new(realm.to_owned(), base64::encode(&octets), algorithm)
    }

    /// Checks the credentials that answer the challenge; that their nonce is the challenge's is for the caller to see, and that a vector
    /// serves once.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3310#section-3.2
    //# Note that when the AUTS is present, the included "response"
    //# parameter is calculated using an empty password (password of ""),
    //# instead of a RES.
    pub fn check(
        &self,
        credentials: &Credentials,
        algorithm: Algorithm,
        method: &str,
        body: &[u8],
    ) -> AkaVerdict {
        if credentials.algorithm != Some(algorithm) {
            return AkaVerdict::Refused;
        }
        let proves = |secret: &[u8]| {
            let ha1 = Ha1::of_secret(algorithm, &credentials.username, &credentials.realm, secret);
            credentials.verify(&ha1, method, body)
        };
        if let Some(auts) = &credentials.auts {
            let auts = base64::decode(auts).and_then(|auts| <[u8; 14]>::try_from(auts).ok());
            return match auts {
                Some(auts) if proves(b"") => AkaVerdict::Resynchronise(auts),
                _ => AkaVerdict::Refused,
            };
        }
        if proves(&password(algorithm, &self.xres, &self.integrity, &self.cipher)) {
            AkaVerdict::Accepted(keys(algorithm, &self.integrity, &self.cipher))
        } else {
            AkaVerdict::Refused
        }
    }
}

impl fmt::Debug for AkaVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AkaVector(..)")
    }
}

/// What takes the place of a password.
///
//= https://www.rfc-editor.org/rfc/rfc4169#section-2.1
//# The client shall use base64 encoded [1] parameters PRF(RES||IK||CK,
//# "http-digest-akav2-password") as a "password" when calculating the
//# HTTP Digest response directive for AKAv2.
fn password(algorithm: Algorithm, res: &[u8], integrity: &[u8], cipher: &[u8]) -> Vec<u8> {
    if is_version_2(algorithm) {
        let key = [res, integrity, cipher].concat();
        base64::encode(&algorithm.hmac(&key, b"http-digest-akav2-password")).into_bytes()
    } else {
        res.to_vec()
    }
}

//= https://www.rfc-editor.org/rfc/rfc4169#section-2.2
//# However, the original session keys IK and CK MUST NOT be directly
//# re-used for such additional security in "AKAv2".
fn keys(algorithm: Algorithm, integrity: &[u8], cipher: &[u8]) -> AkaKeys {
    if is_version_2(algorithm) {
        AkaKeys {
            integrity: algorithm.hmac(integrity, b"http-digest-akav2-integritykey"),
            cipher: algorithm.hmac(cipher, b"http-digest-akav2-cipherkey"),
        }
    } else {
        AkaKeys {
            integrity: integrity.to_vec(),
            cipher: cipher.to_vec(),
        }
    }
}

fn is_version_2(algorithm: Algorithm) -> bool {
    algorithm.is_aka() && algorithm != Algorithm::AkaV1Md5
}
