//! The server's side: challenges, and the check of what comes back.

use core::fmt;
use core::time::Duration;
use std::time::Instant;

use crate::Entropy;
use crate::digest::{Algorithm, Challenge, Credentials, Ha1, Nonces};

/// What an [`Authenticator`] asks for and holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The protection space.
    pub realm: String,
    /// The algorithms offered, the preferred one first (RFC 8760 section 2.3). SHA-256, then MD5 for those who know no other.
    pub algorithms: Vec<Algorithm>,
    /// How long a nonce may be used. 5 min.
    pub nonce_lifetime: Duration,
    /// Nonces whose used counts are remembered; beyond, the oldest become stale. 100 000.
    pub max_nonces: usize,
}

impl Config {
    /// The defaults, for a realm.
    pub fn new(realm: &str) -> Self {
        Self {
            realm: realm.to_owned(),
            ..Self::default()
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            realm: String::from("localhost"),
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            nonce_lifetime: Duration::from_secs(300),
            max_nonces: 100_000,
        }
    }
}

/// What the check of credentials says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// They are right, and used for the first time.
    Accepted {
        /// Whose they are.
        username: String,
    },
    /// The password is right, but the nonce is too old or its count was used already: challenge again with `stale`.
    Stale,
    /// They are wrong. Why is for the log; the peer is challenged again, or told 403, alike for each reason.
    Refused(Refusal),
}

/// Why credentials are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// They are for another realm.
    Realm,
    /// Their algorithm was not offered.
    Algorithm,
    /// They have no count of uses, so that they could be replayed.
    NoCount,
    /// Nobody has that name.
    UnknownUser,
    /// The response does not fit the password.
    WrongResponse,
}

/// Challenges requests and checks what comes back.
///
/// Nothing is remembered of a challenge, and nothing changes before a response has proved right.
///
/// ```
/// use std::time::Instant;
/// use sip_im::auth::{Authenticator, Config, Verdict};
/// use sip_im::digest::Ha1;
///
/// let mut authenticator = Authenticator::new(Config::new("example.com"), Box::new(|b: &mut [u8]| b.fill(7)));
/// let now = Instant::now();
/// let challenge = authenticator.challenges(false, now).remove(0);
/// let ha1 = Ha1::of_password(challenge.algorithm, "alice", "example.com", "secret");
/// let credentials = challenge.answer("alice", &ha1, "REGISTER", "sip:example.com", "c", 1, b"");
/// let mut check = || authenticator.check("REGISTER", &credentials, |_, _| Some(ha1.clone()), b"", now);
/// assert_eq!(check(), Verdict::Accepted { username: "alice".to_owned() });
/// assert_eq!(check(), Verdict::Stale, "the same credentials count once");
/// ```
pub struct Authenticator {
    config: Config,
    nonces: Nonces,
    entropy: Entropy,
}

impl Authenticator {
    /// Makes an authenticator with a secret of its own.
    pub fn new(config: Config, mut entropy: Entropy) -> Self {
        let nonces = Nonces::new(config.nonce_lifetime, config.max_nonces, &mut entropy);
        Self {
            config,
            nonces,
            entropy,
        }
    }

    /// The protection space.
    pub fn realm(&self) -> &str {
        &self.config.realm
    }

    /// Makes one challenge for each algorithm, to be sent in this order.
    ///
    //= https://www.rfc-editor.org/rfc/rfc8760#section-2.3
    //# The UAS
    //# MUST add these header fields to the response in the order in which it
    //# would prefer to see them used, starting with the most preferred
    //# algorithm at the top.
    pub fn challenges(&mut self, stale: bool, now: Instant) -> Vec<Challenge> {
        let nonce = self.nonces.mint(&mut self.entropy, now);
        self.config
            .algorithms
            .iter()
            .map(|algorithm| {
                let mut challenge = Challenge::new(self.config.realm.clone(), nonce.clone(), *algorithm);
                challenge.stale = stale;
                challenge
            })
            .collect()
    }

    /// Checks credentials against the request that they came with.
    ///
    /// `ha1` gives the secret of a user for an algorithm, or nothing when there is no such user. That the `uri` of the credentials
    /// fits the request is the caller's to see, since a proxy may have changed the latter (RFC 3261 section 22.4).
    pub fn check(
        &mut self,
        method: &str,
        credentials: &Credentials,
        ha1: impl Fn(&str, Algorithm) -> Option<Ha1>,
        body: &[u8],
        now: Instant,
    ) -> Verdict {
        if credentials.realm != self.config.realm {
            return Verdict::Refused(Refusal::Realm);
        }
        let algorithm = credentials.algorithm.unwrap_or_default();
        if !self.config.algorithms.contains(&algorithm) {
            return Verdict::Refused(Refusal::Algorithm);
        }
        // A response without a count can be replayed as long as its nonce lives.
        let Some(count) = credentials.nc.filter(|_| credentials.qop.is_some()) else {
            return Verdict::Refused(Refusal::NoCount);
        };
        let Some(ha1) = ha1(&credentials.username, algorithm) else {
            return Verdict::Refused(Refusal::UnknownUser);
        };
        if !credentials.verify(&ha1, method, body) {
            return Verdict::Refused(Refusal::WrongResponse);
        }
        //= https://www.rfc-editor.org/rfc/rfc7616#section-3.3
        //# The server SHOULD only set stale to
        //# true if it receives a request for which the nonce is invalid.
        let fresh = self
            .nonces
            .recognise(&credentials.nonce)
            .filter(|nonce| self.nonces.is_fresh(*nonce, now));
        match fresh {
            Some(nonce) if self.nonces.accept(nonce, count, now) => Verdict::Accepted {
                username: credentials.username.clone(),
            },
            _ => Verdict::Stale,
        }
    }

    /// Nonces that something is remembered of.
    pub fn remembered_nonces(&self) -> usize {
        self.nonces.remembered()
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("realm", &self.config.realm)
            .field("remembered_nonces", &self.nonces.remembered())
            .finish_non_exhaustive()
    }
}
