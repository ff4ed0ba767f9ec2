//! One source of randomness for several machines.

use std::sync::{Arc, Mutex, PoisonError};

use msrp::Entropy;

/// Hands out sources that all draw from one.
pub(super) struct Shared(Arc<Mutex<Entropy>>);

impl Shared {
    pub(super) fn new(entropy: Entropy) -> Self {
        Self(Arc::new(Mutex::new(entropy)))
    }

    pub(super) fn source(&self) -> Entropy {
        let shared = Arc::clone(&self.0);
        Box::new(move |octets: &mut [u8]| {
            let mut entropy = shared.lock().unwrap_or_else(PoisonError::into_inner);
            entropy(octets);
        })
    }

    /// A random number of 32 bits.
    pub(super) fn number(&self) -> u64 {
        let mut octets = [0_u8; 4];
        let mut entropy = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entropy(&mut octets);
        u64::from(u32::from_be_bytes(octets))
    }

    /// A random token of lower-case hexadecimal digits, for tags, Call-IDs and the like: 96 bits.
    pub(super) fn token(&self) -> String {
        let mut octets = [0_u8; 12];
        let mut entropy = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entropy(&mut octets);
        octets.iter().fold(String::with_capacity(24), |mut token, octet| {
            token.push(digit(octet >> 4));
            token.push(digit(octet & 15));
            token
        })
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

fn digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0')
}
