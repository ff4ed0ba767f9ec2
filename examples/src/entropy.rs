//! Randomness from the operating system.

/// A fresh source of random octets for a machine.
///
/// # Panics
///
/// The source panics when the operating system has no randomness to give: identifiers that can be guessed are worse
/// than no service.
///
/// ```
/// let mut entropy = examples::entropy::os();
/// let mut octets = [0; 16];
/// entropy(&mut octets);
/// assert_ne!(octets, [0; 16]);
/// ```
pub fn os() -> msrp::Entropy {
    Box::new(fill)
}

/// Fills a slice with random octets.
///
/// # Panics
///
/// As [`os`].
#[expect(
    clippy::expect_used,
    reason = "identifiers that can be guessed are worse than no service"
)]
pub fn fill(octets: &mut [u8]) {
    getrandom::fill(octets).expect("the operating system gives randomness");
}
