//! Base64 (RFC 4648 section 4), as nonces and AUTS have it.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn encode(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len().div_ceil(3).saturating_mul(4));
    for chunk in octets.chunks(3) {
        let group = chunk
            .iter()
            .chain(core::iter::repeat(&0))
            .take(3)
            .fold(0_u32, |group, octet| (group << 8) | u32::from(*octet));
        for place in 0..4_usize {
            let digit = (group >> (18_usize.saturating_sub(place.saturating_mul(6)))) & 63;
            let digit = usize::try_from(digit).ok().and_then(|digit| DIGITS.get(digit));
            text.push(match digit {
                Some(digit) if place <= chunk.len() => char::from(*digit),
                _ => '=',
            });
        }
    }
    text
}

/// Reads what [`encode`] writes, with or without its padding.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if text.len().checked_sub(digits.len())? > 2 || digits.len() % 4 == 1 {
        return None;
    }
    let mut octets = Vec::with_capacity(digits.len());
    for chunk in digits.as_bytes().chunks(4) {
        let mut group = 0_u32;
        for digit in chunk {
            let value = DIGITS.iter().position(|known| known == digit)?;
            group = (group << 6) | u32::try_from(value).ok()?;
        }
        let missing = 4_usize.saturating_sub(chunk.len());
        group <<= missing.saturating_mul(6);
        let [_, bytes @ ..] = group.to_be_bytes();
        octets.extend(bytes.iter().take(3_usize.saturating_sub(missing)));
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_rfc_4648() {
        for (octets, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(octets.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(octets.as_bytes()));
        }
        for text in ["A", "AAAAA", "Zg===", "Z!==", "é"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(decode(&encode(&octets)), Some(octets));
        }

        #[test]
        fn anything_may_be_read(text in ".{0,40}") {
            let _ = decode(&text);
        }
    }
}
