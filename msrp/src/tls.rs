//! What a host needs to know to check a peer's certificate (RFC 4975 sections 5.4 and 14.4, RFC 8122).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The certificate that the peer of a connection has to present.
///
/// One whose fingerprint is among [`fingerprints`](Self::fingerprints) is right, whoever signed it. Without fingerprints
/// it has to be valid for [`name`](Self::name), and signed by an authority that the host trusts.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ExpectedCertificate {
    /// The host of the URI that is connected to, which the certificate's subjectAltName has to match. It is not always
    /// what is connected to: that may be a border controller.
    pub name: String,
    /// The fingerprints that the peer has told, if it has.
    pub fingerprints: Vec<Fingerprint>,
}

/// The fingerprint of a certificate (RFC 8122 section 5).
///
/// ```
/// use msrp::tls::Fingerprint;
///
/// let fingerprint: Fingerprint = "SHA-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB".parse()?;
/// assert_eq!((fingerprint.hash(), fingerprint.octets()[0]), ("sha-1", 0x4A));
/// # Ok::<(), msrp::tls::FingerprintError>(())
/// ```
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Fingerprint {
    hash: String,
    octets: Vec<u8>,
}

/// Why a text is no fingerprint.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum FingerprintError {
    /// There is no name of a hash function.
    #[error("no hash function")]
    Hash,
    /// The value is not pairs of hexadecimal digits with colons between them.
    #[error("malformed fingerprint")]
    Value,
    /// The value has not as many octets as its hash function gives.
    #[error("wrong length of fingerprint")]
    Length,
}

impl Fingerprint {
    /// Makes a fingerprint of a hash.
    ///
    /// # Errors
    ///
    /// Fails when the hash function gives another number of octets, or its name is not one.
    pub fn new(hash: &str, octets: &[u8]) -> Result<Self, FingerprintError> {
        let is_name = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
        if hash.is_empty() || !hash.bytes().all(is_name) {
            return Err(FingerprintError::Hash);
        }
        let hash = hash.to_ascii_lowercase();
        let length = match hash.as_str() {
            "md2" | "md5" => 16,
            "sha-1" => 20,
            "sha-224" => 28,
            "sha-256" => 32,
            "sha-384" => 48,
            "sha-512" => 64,
            _ => octets.len(),
        };
        if octets.len() != length || octets.is_empty() {
            return Err(FingerprintError::Length);
        }
        Ok(Self {
            hash,
            octets: octets.to_vec(),
        })
    }

    /// Returns the name of the hash function, in lower case.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Returns the hash.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Says whether a certificate, of which the host tells the fingerprints by those hash functions that it has, is one
    /// of those that are expected. One that was hashed by none of the functions in question is not.
    //= https://www.rfc-editor.org/rfc/rfc4975#section-14.4
    //# The
    //# certificate presented during the TLS handshake needs to match the
    //# fingerprint exchanged via the SDP, and if the fingerprint does not
    //# match the hashed certificate then the endpoint MUST tear down the
    //# media session immediately.
    pub fn matches(expected: &[Self], presented: &[Self]) -> bool {
        expected.iter().any(|one| presented.contains(one))
    }
}

/// Reads the value of an `a=fingerprint` attribute.
impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let (hash, value) = text.split_once(' ').ok_or(FingerprintError::Value)?;
        let mut octets = Vec::new();
        for pair in value.trim_matches(' ').split(':') {
            let is_pair = pair.len() == 2 && pair.bytes().all(|octet| octet.is_ascii_hexdigit());
            let octet = u8::from_str_radix(pair, 16).ok().filter(|_| is_pair);
            octets.push(octet.ok_or(FingerprintError::Value)?);
        }
        Self::new(hash, &octets)
    }
}

/// Writes the value of an `a=fingerprint` attribute.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.hash)?;
        for (at, octet) in self.octets.iter().enumerate() {
            let colon = if at > 0 { ":" } else { "" };
            write!(f, "{colon}{octet:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_and_written() {
        let text = format!("sha-256 {}", vec!["0A"; 32].join(":"));
        let fingerprint: Fingerprint = text.parse().unwrap();
        assert_eq!(fingerprint.to_string(), text);
        assert_eq!(
            text.replace("sha", "SHA").replace('A', "a").parse(),
            Ok(fingerprint)
        );
        for (text, error) in [
            ("sha-256", FingerprintError::Value),
            ("sha-256 0A:0", FingerprintError::Value),
            ("sha-256 0A:+1", FingerprintError::Value),
            ("sha-256 0A:0B", FingerprintError::Length),
            (" 0A:0B", FingerprintError::Hash),
            ("x_y 0A", FingerprintError::Hash),
        ] {
            assert_eq!(text.parse::<Fingerprint>(), Err(error), "{text}");
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc4975#section-14.4
    //= type=test
    //# The
    //# certificate presented during the TLS handshake needs to match the
    //# fingerprint exchanged via the SDP, and if the fingerprint does not
    //# match the hashed certificate then the endpoint MUST tear down the
    //# media session immediately.
    #[test]
    fn a_certificate_matches_by_any_hash_function_that_both_have() {
        let of = |hash, octet| Fingerprint::new(hash, &[octet; 4]).unwrap();
        assert!(Fingerprint::matches(
            &[of("a", 1), of("b", 2)],
            &[of("b", 2), of("c", 3)]
        ));
        assert!(!Fingerprint::matches(&[of("a", 1)], &[of("b", 1)]));
        assert!(!Fingerprint::matches(&[of("a", 1)], &[of("a", 2)]));
    }
}
