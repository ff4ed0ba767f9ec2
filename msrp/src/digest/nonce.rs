//! Nonces that need no memory until somebody has answered one rightly.
//!
//! A nonce tells when it was made and proves that this server made it, so that a flood of requests without credentials leaves
//! nothing behind. Only after a right answer is it remembered which of its counts were used.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use crate::Entropy;

/// Octets of time, randomness and proof in a nonce.
const TIME: usize = 8;
const RANDOM: usize = 8;
const PROOF: usize = 16;

/// A nonce that this server made: when, and what makes it unlike the others of that moment.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Issued {
    /// Milliseconds since the first one.
    at: u64,
    random: [u8; RANDOM],
}

/// Makes and recognises nonces, and accepts each count of each once.
///
/// ```
/// use std::time::{Duration, Instant};
/// use msrp::digest::Nonces;
///
/// let mut entropy: msrp::Entropy = Box::new(|octets| octets.fill(7));
/// let now = Instant::now();
/// let mut nonces = Nonces::new(Duration::from_secs(300), 1000, &mut entropy);
/// let text = nonces.mint(&mut entropy, now);
/// let nonce = nonces.recognise(&text).ok_or("foreign")?;
/// assert!(nonces.is_fresh(nonce, now));
/// assert!(nonces.accept(nonce, 1, now));
/// assert!(!nonces.accept(nonce, 1, now), "a count is good once");
/// # Ok::<(), &str>(())
/// ```
pub struct Nonces {
    secret: [u8; 32],
    epoch: Option<Instant>,
    lifetime: Duration,
    max_used: usize,
    used: BTreeMap<Issued, Window>,
    /// Every nonce from before this is stale, since what was known of one has been dropped.
    floor: u64,
}

/// Which counts were used: the highest, and the 64 below it.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    highest: u32,
    below: u64,
}

impl Nonces {
    /// Takes how long a nonce may be used, and of how many the used counts are remembered at the most: of those beyond,
    /// the oldest become stale.
    pub fn new(lifetime: Duration, max_used: usize, entropy: &mut Entropy) -> Self {
        let mut secret = [0; 32];
        entropy(&mut secret);
        Self {
            secret,
            epoch: None,
            lifetime,
            max_used,
            used: BTreeMap::new(),
            floor: 0,
        }
    }

    /// Makes a nonce.
    pub fn mint(&mut self, entropy: &mut Entropy, now: Instant) -> String {
        let at = self.elapsed(now).max(self.floor);
        let mut random = [0; RANDOM];
        entropy(&mut random);
        let mut text = String::with_capacity(2 * (TIME + RANDOM + PROOF));
        push_hex(&mut text, &at.to_be_bytes());
        push_hex(&mut text, &random);
        push_hex(&mut text, &self.proof(at, random));
        text
    }

    /// Recognises a nonce of this server, of whatever age.
    pub fn recognise(&self, text: &str) -> Option<Issued> {
        let octets = from_hex::<{ TIME + RANDOM + PROOF }>(text)?;
        let (at, rest) = octets.split_first_chunk::<TIME>()?;
        let (random, proof) = rest.split_first_chunk::<RANDOM>()?;
        let at = u64::from_be_bytes(*at);
        // Comparing without an early end tells nothing about how much was right.
        let difference = self
            .proof(at, *random)
            .iter()
            .zip(proof)
            .fold(0, |sum, (a, b)| sum | (a ^ b));
        (difference == 0).then_some(Issued { at, random: *random })
    }

    /// Whether a nonce may still be used.
    pub fn is_fresh(&self, nonce: Issued, now: Instant) -> bool {
        let age = self.since_epoch(now).saturating_sub(nonce.at);
        nonce.at >= self.floor && u128::from(age) <= self.lifetime.as_millis()
    }

    /// Whether a count was not used yet, which it is from now on.
    ///
    /// Only to be asked once the response is known to be right.
    pub fn accept(&mut self, nonce: Issued, count: u32, now: Instant) -> bool {
        let oldest = self
            .since_epoch(now)
            .saturating_sub(u64::try_from(self.lifetime.as_millis()).unwrap_or(u64::MAX));
        while self
            .used
            .first_key_value()
            .is_some_and(|(first, _)| first.at < oldest)
        {
            self.used.pop_first();
        }
        if !self.used.contains_key(&nonce) && self.used.len() >= self.max_used {
            if let Some((dropped, _)) = self.used.pop_first() {
                self.floor = self.floor.max(dropped.at.saturating_add(1));
            }
            while self
                .used
                .first_key_value()
                .is_some_and(|(first, _)| first.at < self.floor)
            {
                self.used.pop_first();
            }
            if nonce.at < self.floor {
                return false;
            }
        }
        self.used.entry(nonce).or_default().accept(count)
    }

    /// How many nonces something is remembered of.
    pub fn remembered(&self) -> usize {
        self.used.len()
    }

    fn elapsed(&mut self, now: Instant) -> u64 {
        self.epoch.get_or_insert(now);
        self.since_epoch(now)
    }

    fn since_epoch(&self, now: Instant) -> u64 {
        let elapsed = self
            .epoch
            .map_or(Duration::ZERO, |epoch| now.saturating_duration_since(epoch));
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    /// HMAC-SHA-256 (RFC 2104), cut to half.
    fn proof(&self, at: u64, random: [u8; RANDOM]) -> [u8; PROOF] {
        let pad = |octet: u8| {
            let mut block = [octet; 64];
            for (octet, secret) in block.iter_mut().zip(self.secret) {
                *octet ^= secret;
            }
            block
        };
        let inner = Sha256::new()
            .chain_update(pad(0x36))
            .chain_update(at.to_be_bytes())
            .chain_update(random)
            .finalize();
        let outer = Sha256::new()
            .chain_update(pad(0x5c))
            .chain_update(inner)
            .finalize();
        let mut proof = [0; PROOF];
        for (octet, from) in proof.iter_mut().zip(outer) {
            *octet = from;
        }
        proof
    }
}

impl Window {
    fn accept(&mut self, count: u32) -> bool {
        if count > self.highest {
            let step = count.saturating_sub(self.highest);
            let kept = self.below.checked_shl(step).unwrap_or(0);
            // What was the highest is now `step` below the new one.
            let mark = if self.highest == 0 {
                0
            } else {
                1_u64.checked_shl(step.saturating_sub(1)).unwrap_or(0)
            };
            self.below = kept | mark;
            self.highest = count;
            return true;
        }
        let distance = self.highest.saturating_sub(count);
        let Some(mark) = distance.checked_sub(1).and_then(|place| 1_u64.checked_shl(place)) else {
            return false;
        };
        if count == 0 || self.below & mark != 0 {
            return false;
        }
        self.below |= mark;
        true
    }
}

/// Tells nothing of the secret.
impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces")
            .field("remembered", &self.used.len())
            .finish_non_exhaustive()
    }
}

fn push_hex(text: &mut String, octets: &[u8]) {
    for octet in octets {
        for nibble in [octet >> 4, octet & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != N.checked_mul(2)? {
        return None;
    }
    let mut octets = [0; N];
    for (octet, pair) in octets.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        for digit in pair {
            let value = char::from(*digit).to_digit(16)?;
            *octet = (*octet << 4) | u8::try_from(value).ok()?;
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn entropy() -> Entropy {
        let mut next = 0_u8;
        Box::new(move |buffer| {
            for octet in buffer {
                next = next.wrapping_mul(5).wrapping_add(113);
                *octet = next;
            }
        })
    }

    #[expect(clippy::disallowed_methods, reason = "an opaque epoch for virtual time")]
    fn epoch() -> Instant {
        Instant::now()
    }

    #[test]
    fn only_a_nonce_of_this_server_is_recognised() {
        let (now, mut random) = (epoch(), entropy());
        let mut nonces = Nonces::new(Duration::from_secs(60), 8, &mut random);
        let mut other = Nonces::new(Duration::from_secs(60), 8, &mut random);
        let nonce = nonces.mint(&mut random, now);
        assert!(nonces.recognise(&nonce).is_some());
        assert!(other.recognise(&nonce).is_none());
        let foreign = other.mint(&mut random, now);
        assert!(nonces.recognise(&foreign).is_none());
        for cut in 0..nonce.len() {
            assert!(nonces.recognise(nonce.get(..cut).unwrap()).is_none());
            let mut forged = nonce.clone().into_bytes();
            forged[cut] = if forged[cut] == b'0' { b'1' } else { b'0' };
            assert!(nonces.recognise(std::str::from_utf8(&forged).unwrap()).is_none());
        }
    }

    #[test]
    fn a_nonce_ages() {
        let (now, mut random) = (epoch(), entropy());
        let mut nonces = Nonces::new(Duration::from_secs(60), 8, &mut random);
        let nonce = nonces.mint(&mut random, now);
        let nonce = nonces.recognise(&nonce).unwrap();
        assert!(nonces.is_fresh(nonce, now + Duration::from_secs(60)));
        assert!(!nonces.is_fresh(nonce, now + Duration::from_millis(60_001)));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_what_is_dropped_is_stale() {
        let (now, mut random) = (epoch(), entropy());
        let mut nonces = Nonces::new(Duration::from_secs(3600), 4, &mut random);
        let mut issued = Vec::new();
        for second in 0..10 {
            let at = now + Duration::from_secs(second);
            let nonce = nonces.mint(&mut random, at);
            let nonce = nonces.recognise(&nonce).unwrap();
            assert!(nonces.accept(nonce, 1, at));
            assert!(nonces.remembered() <= 4);
            issued.push(nonce);
        }
        let at = now + Duration::from_secs(10);
        let fresh: Vec<_> = issued.iter().map(|nonce| nonces.is_fresh(*nonce, at)).collect();
        assert_eq!(
            fresh,
            [false, false, false, false, false, false, true, true, true, true]
        );
        assert!(
            issued
                .iter()
                .filter(|nonce| nonces.is_fresh(**nonce, at))
                .all(|nonce| !nonces.clone_window(*nonce).accept(1))
        );
    }

    impl Nonces {
        fn clone_window(&self, nonce: Issued) -> Window {
            self.used.get(&nonce).copied().unwrap_or_default()
        }
    }

    proptest! {
        #[test]
        fn each_count_is_accepted_once(counts in proptest::collection::vec(1_u32..200, 0..300)) {
            let mut window = Window::default();
            let mut seen = BTreeSet::new();
            let mut highest = 0;
            for count in counts {
                let accepted = window.accept(count);
                let new = seen.insert(count);
                highest = highest.max(count);
                prop_assert!(!accepted || new, "count {count} was accepted twice");
                if new && highest - count <= 64 {
                    prop_assert!(accepted, "count {count} below {highest} was refused");
                }
            }
        }
    }
}
