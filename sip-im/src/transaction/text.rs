//! The text of a key, without an allocation while it is of the usual length.

use core::fmt;

/// Parts of a message put together.
#[derive(Clone)]
pub(crate) struct Text(Repr);

#[derive(Clone)]
enum Repr {
    Short(u8, [u8; SHORT]),
    Long(Box<[u8]>),
}

/// Enough for a branch and a host name of some thirty octets each; a key takes eighty octets with it.
const SHORT: usize = 78;

impl Text {
    /// Puts the parts together, those that compare without case before the others.
    pub(crate) fn new(caseless: &[&str], exact: &[&[u8]]) -> Self {
        let caseless = caseless.iter().map(|part| part.as_bytes());
        let length = |sum: usize, part: &[u8]| sum.saturating_add(part.len());
        let folded = caseless.clone().fold(0, length);
        let whole = exact.iter().fold(folded, |sum, part| length(sum, part));
        let parts = caseless.chain(exact.iter().copied());
        let mut octets = [0; SHORT];
        let short = u8::try_from(whole).ok().filter(|_| whole <= SHORT);
        let repr = if let Some(short) = short {
            let mut at: usize = 0;
            for part in parts {
                let end = at.saturating_add(part.len());
                if let Some(here) = octets.get_mut(at..end) {
                    here.copy_from_slice(part);
                }
                at = end;
            }
            fold(&mut octets, folded);
            Repr::Short(short, octets)
        } else {
            let mut octets = parts.collect::<Vec<_>>().concat();
            fold(&mut octets, folded);
            Repr::Long(octets.into())
        };
        Self(repr)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Short(length, octets) => octets.get(..usize::from(*length)).unwrap_or_default(),
            Repr::Long(octets) => octets,
        }
    }
}

fn fold(octets: &mut [u8], length: usize) {
    if let Some(octets) = octets.get_mut(..length) {
        octets.make_ascii_lowercase();
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(self.as_bytes()), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_texts_are_equal_by_their_octets_and_the_case_of_some() {
        let long = "X".repeat(SHORT);
        for parts in [&["z9hG4bK", "", "A"][..], &[&long], &[&long, "Y"]] {
            let plain = parts.concat();
            let text = Text::new(parts, &[b"INVITE"]);
            assert_eq!(
                text.as_bytes(),
                format!("{}INVITE", plain.to_ascii_lowercase()).as_bytes()
            );
            assert_eq!(text, Text::new(&[&plain.to_ascii_lowercase()], &[b"INV", b"ITE"]));
            assert_ne!(text, Text::new(&[&plain], &[b"invite"]));
            assert_ne!(text, Text::new(&[&plain, " "], &[b"INVITE"]));
        }
    }
}
