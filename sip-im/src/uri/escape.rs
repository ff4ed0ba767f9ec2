//! Escapes and the character sets of the parts of a URI (RFC 3261 25.1).

use crate::error::{ParseError, ParseErrorKind};

// unreserved = alphanum / mark
pub(super) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')'
        )
}

/// unreserved / user-unreserved
pub(super) const fn is_user(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/')
}

pub(super) const fn is_password(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'&' | b'=' | b'+' | b'$' | b',')
}

/// unreserved / param-unreserved
pub(super) const fn is_parameter(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'[' | b']' | b'/' | b':' | b'&' | b'+' | b'$')
}

/// unreserved / hnv-unreserved
pub(super) const fn is_header(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'[' | b']' | b'/' | b'?' | b':' | b'+' | b'$')
}

/// uric of RFC 2396, with the brackets that RFC 2732 adds.
pub(super) const fn is_uric(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b';' | b'/' | b'?' | b':' | b'@' | b'&' | b'=' | b'+' | b'$' | b',' | b'[' | b']'
        )
}

pub(super) const USER: u8 = 1;
pub(super) const PASSWORD: u8 = 2;
pub(super) const PARAMETER: u8 = 4;
pub(super) const HEADER: u8 = 8;
pub(super) const URIC: u8 = 16;

/// The sets that each octet is in.
const SETS: [u8; 256] = {
    let mut sets = [0; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        #[expect(clippy::indexing_slicing, reason = "an octet is less than 256")]
        {
            sets[byte as usize] = (is_user(byte) as u8 * USER)
                | (is_password(byte) as u8 * PASSWORD)
                | (is_parameter(byte) as u8 * PARAMETER)
                | (is_header(byte) as u8 * HEADER)
                | (is_uric(byte) as u8 * URIC);
        }
        byte += 1;
    }
    sets
};

/// Where the run of characters of this set and of whole escapes that starts at `at` ends.
#[inline]
pub(super) fn run(text: &[u8], at: usize, set: u8) -> Result<usize, ParseError> {
    let is_in = |byte: u8| SETS.get(usize::from(byte)).is_some_and(|sets| sets & set != 0);
    let mut at = at;
    loop {
        at = crate::header::octets::run(text, at, is_in);
        if text.get(at) != Some(&b'%') {
            return Ok(at);
        }
        match text.get(at..) {
            Some([_, a, b, ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                at = at.saturating_add(3);
            }
            _ => return Err(ParseError::new(ParseErrorKind::InvalidEscape, at)),
        }
    }
}

/// Iterates over the octets of a checked text in a form where two texts are equal exactly if RFC 3261 19.1.4 says so:
/// an escape of an unreserved character is that character, any other escape has upper-case digits.
pub(super) fn canonical(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some((byte, after)) = escaped_octet(rest) {
            if is_unreserved(byte) {
                out.push(char::from(byte));
            } else {
                out.push('%');
                out.push(hex_digit(byte >> 4));
                out.push(hex_digit(byte & 15));
            }
            rest = after;
        } else {
            out.push(character);
            rest = rest.get(character.len_utf8()..).unwrap_or_default();
        }
    }
    out
}

fn escaped_octet(text: &str) -> Option<(u8, &str)> {
    let digits = text.strip_prefix('%')?;
    let (pair, after) = digits.split_at_checked(2)?;
    if !pair.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(pair, 16).ok().map(|byte| (byte, after))
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16)
        .unwrap_or('0')
        .to_ascii_uppercase()
}
