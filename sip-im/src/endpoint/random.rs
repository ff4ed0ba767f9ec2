//! What is made of the host's randomness.

use core::fmt::Write as _;

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
    let mut buffer = vec![0; octets];
    entropy(&mut buffer);
    buffer.iter().fold(
        String::with_capacity(octets.saturating_mul(2)),
        |mut text, octet| {
            let _ = write!(text, "{octet:02x}");
            text
        },
    )
}
