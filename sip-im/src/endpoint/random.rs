//! What is made of the host's randomness.

use crate::Entropy;

/// Randomness for choices that nobody gains from guessing: which of several equal servers comes first.
pub(super) fn derived(entropy: &mut Entropy) -> Entropy {
    let mut seed = [0; 8];
    entropy(&mut seed);
    let mut state = u64::from_be_bytes(seed);
    Box::new(move |buffer| {
        for octet in buffer {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *octet = state.to_be_bytes()[0];
        }
    })
}

/// Random octets as text.
pub(crate) fn random_hex(entropy: &mut Entropy, octets: usize) -> String {
    let mut text = String::with_capacity(octets.saturating_mul(2));
    let mut buffer = [0; 16];
    let mut left = octets;
    while left > 0 {
        let taken = left.min(buffer.len());
        push_random_hex(entropy, buffer.get_mut(..taken).unwrap_or_default(), &mut text);
        left = left.saturating_sub(taken);
    }
    text
}

/// Fills a buffer with randomness and appends it as text.
pub(super) fn push_random_hex(entropy: &mut Entropy, buffer: &mut [u8], text: &mut String) {
    entropy(buffer);
    for octet in buffer {
        for digit in [*octet >> 4, *octet & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or_default());
        }
    }
}
