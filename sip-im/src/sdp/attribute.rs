//! Attributes that MSRP shares with other media: who connects, which way content goes, whose certificate it is.

use core::fmt;

use ::msrp::header::content::is_token;

use super::{Line, find_attribute};
use crate::ByteStr;

/// Who connects (RFC 4145 4, RFC 6135 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Setup {
    /// This end connects.
    Active,
    /// This end waits.
    Passive,
    /// This end can do both.
    ActPass,
    /// No connection for now.
    HoldConn,
}

impl Setup {
    /// The attribute's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        }
    }

    pub(super) fn parse(value: &str) -> Option<Self> {
        [Self::Active, Self::Passive, Self::ActPass, Self::HoldConn]
            .into_iter()
            .find(|setup| setup.as_str() == value)
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which way messages go (RFC 4975 8.9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// From this end only.
    SendOnly,
    /// To this end only.
    RecvOnly,
    /// Neither way.
    Inactive,
}

impl Direction {
    const ALL: [Self; 4] = [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive];

    /// The attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// What the other end does where this end does this.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            other => other,
        }
    }

    /// Does this end send?
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Does this end receive?
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// What is left of it where the other end does this: what an answer says to an offer (RFC 3264 6.1).
    #[must_use]
    pub fn answering(self, offered: Self) -> Self {
        let theirs = offered.reversed();
        match (
            self.sends() && theirs.sends(),
            self.receives() && theirs.receives(),
        ) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// The direction among the attributes of a medium or of the session; the last one if there are several.
    pub(super) fn among(lines: &[Line]) -> Option<Self> {
        lines
            .iter()
            .rev()
            .filter(|line| line.letter == 'a')
            .find_map(|line| {
                Self::ALL
                    .into_iter()
                    .find(|direction| line.value.eq_ignore_ascii_case(direction.as_str()))
            })
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The fingerprint of a certificate (RFC 8122 5).
///
/// ```
/// use sip_im::sdp::Fingerprint;
/// let fingerprint = Fingerprint::new("sha-256", &[0xab; 32]).ok_or("no fingerprint")?;
/// assert!(fingerprint.to_string().starts_with("sha-256 AB:AB:"));
/// assert!(fingerprint.matches(&[0xab; 32]) && !fingerprint.matches(&[0xac; 32]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fingerprint {
    /// The hash function in lower case: `sha-256`.
    pub hash: ByteStr,
    /// The hash: pairs of hexadecimal digits with colons between them.
    pub value: ByteStr,
}

/// Hash functions with the octets of their result, the preferred ones first. Those of no use come last.
const HASHES: [(&str, usize); 7] = [
    ("sha-512", 64),
    ("sha-384", 48),
    ("sha-256", 32),
    ("sha-224", 28),
    ("sha-1", 20),
    ("md5", 16),
    ("md2", 16),
];

impl Fingerprint {
    /// The fingerprint that this hash of a certificate makes; `None` for a function that is not to be used, and where the
    /// hash has not the function's length.
    pub fn new(hash: &str, octets: &[u8]) -> Option<Self> {
        let fingerprint = Self {
            hash: ByteStr::from(hash.to_ascii_lowercase()),
            value: ByteStr::from(write_hash(octets)),
        };
        (fingerprint.strength() > 0 && fingerprint.is_of_its_length()).then_some(fingerprint)
    }

    /// Reads the attribute's value. Digits in lower case, which some endpoints write, are taken.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let (hash, digits) = value.trim().split_once(' ')?;
        let fingerprint = Self {
            hash: ByteStr::from(hash.to_ascii_lowercase()),
            value: ByteStr::from(digits),
        };
        (is_token(hash) && read_hash(digits).is_some() && fingerprint.is_of_its_length())
            .then_some(fingerprint)
    }

    /// Does this hash of a certificate, made with the same function, agree with it?
    pub fn matches(&self, octets: &[u8]) -> bool {
        self.strength() > 0 && read_hash(&self.value).is_some_and(|own| own == octets)
    }

    /// How good the hash function is; 0 for one that must not be used or is not known.
    //= https://www.rfc-editor.org/rfc/rfc8122#section-5
    //# Implementations compliant with this specification MUST NOT use the
    //# MD2 and MD5 hash functions to calculate fingerprints or to verify
    //# received fingerprints that have been calculated using them.
    pub fn strength(&self) -> usize {
        match self.expected_length() {
            Some(length) if length > 16 => length,
            _ => 0,
        }
    }

    /// Those to verify with: all that use the best function of them.
    //= https://www.rfc-editor.org/rfc/rfc8122#section-5.1
    //# An endpoint MUST select the set of fingerprints that use its most
    //# preferred hash function (out of those offered by the peer) and verify
    //# that each certificate used matches one fingerprint out of that set.
    pub fn best(of: &[Self]) -> Vec<&Self> {
        let best = of.iter().map(Self::strength).max().unwrap_or(0);
        of.iter()
            .filter(|fingerprint| best > 0 && fingerprint.strength() == best)
            .collect()
    }

    fn expected_length(&self) -> Option<usize> {
        HASHES
            .iter()
            .find(|(name, _)| *name == self.hash.as_str())
            .map(|(_, length)| *length)
    }

    fn is_of_its_length(&self) -> bool {
        let pairs = self.value.split(':').count();
        self.expected_length().is_none_or(|length| length == pairs)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.hash, self.value)
    }
}

/// Pairs of hexadecimal digits with colons between them, as RFC 8122 and RFC 5547 write a hash.
pub(super) fn read_hash(text: &str) -> Option<Vec<u8>> {
    text.split(':')
        .map(|pair| {
            let is_pair = pair.len() == 2 && pair.bytes().all(|octet| octet.is_ascii_hexdigit());
            is_pair.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
        })
        .collect()
}

/// The inverse of [`read_hash`].
pub(super) fn write_hash(octets: &[u8]) -> String {
    let pairs: Vec<String> = octets.iter().map(|octet| format!("{octet:02X}")).collect();
    pairs.join(":")
}

/// The certificates' fingerprints of a medium: its own, or else those of the session.
pub(super) fn fingerprints(session: &[Line], media: &[Line]) -> Option<Vec<Fingerprint>> {
    let values = |lines: &[Line]| -> Vec<ByteStr> {
        lines
            .iter()
            .filter_map(|line| find_attribute(std::slice::from_ref(line), "fingerprint").map(ByteStr::from))
            .collect()
    };
    let mut found = values(media);
    if found.is_empty() {
        found = values(session);
    }
    found.iter().map(|value| Fingerprint::parse(value)).collect()
}
