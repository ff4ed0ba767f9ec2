//! The character classes of XML 1.0 (fifth edition) and the references it predefines.

/// Tells whether a character may occur in a document at all (production `Char`).
pub(crate) const fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

/// Tells whether a character is white space (production `S`).
pub(crate) const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Finds the first character that no document may hold. UTF-8 has been checked, so surrogates cannot be there.
pub(super) fn first_forbidden(text: &str) -> Option<usize> {
    const STEP: usize = 64;
    let octets = text.as_bytes();
    for (index, chunk) in octets.chunks(STEP).enumerate() {
        // Without branches, so that many octets are looked at in one step.
        let suspect = chunk.iter().fold(0_u8, |seen, &octet| {
            seen | u8::from(octet < 0x20 && octet != b'\t' && octet != b'\n' && octet != b'\r')
                | u8::from(octet == 0xEF)
        });
        if suspect == 0 {
            continue;
        }
        let start = index.saturating_mul(STEP);
        for (inner, octet) in chunk.iter().enumerate() {
            let at = start.saturating_add(inner);
            let forbidden = match octet {
                0xEF => matches!(octets.get(at..), Some([0xEF, 0xBF, 0xBE | 0xBF, ..])),
                b'\t' | b'\n' | b'\r' => false,
                control => *control < 0x20,
            };
            if forbidden {
                return Some(at);
            }
        }
    }
    None
}

/// An octet that may be part of a name without colon; whether others than ASCII are is decided by character.
pub(super) const CLASS_NAME: u8 = 1;
/// White space.
pub(super) const CLASS_SPACE: u8 = 2;
/// An octet of an attribute value that ends it or has to be looked at.
pub(super) const CLASS_VALUE: u8 = 4;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::indexing_slicing,
            reason = "the loop ends at 256, at compile time"
        )]
        {
            classes[octet] = match octet as u8 {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | 0x80..=0xFF => CLASS_NAME,
                b' ' => CLASS_SPACE,
                b'\t' | b'\n' | b'\r' => CLASS_SPACE | CLASS_VALUE,
                b'"' | b'\'' | b'<' | b'&' => CLASS_VALUE,
                _ => 0,
            };
        }
        octet += 1;
    }
    classes
};

/// The classes of an octet.
pub(super) fn class(octet: u8) -> u8 {
    CLASSES.get(usize::from(octet)).copied().unwrap_or_default()
}

/// Tells whether a character may begin a name that holds no colon (production `NCName`).
pub(crate) const fn is_name_start(c: char) -> bool {
    matches!(c,
        'A'..='Z' | '_' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

/// Tells whether a character may go on a name that holds no colon.
pub(crate) const fn is_name_char(c: char) -> bool {
    is_name_start(c)
        || matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// Tells whether a text is a name without colon (`NCName`).
pub(crate) fn is_ncname(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

/// Splits a qualified name into prefix and local part; `None` when it is not a `QName`.
pub(crate) fn split_qname(name: &str) -> Option<(Option<&str>, &str)> {
    let (prefix, local) = match name.split_once(':') {
        Some((prefix, local)) => (Some(prefix), local),
        None => (None, name),
    };
    (prefix.is_none_or(is_ncname) && is_ncname(local)).then_some((prefix, local))
}

/// Resolves the content of a reference, the part between `&` and `;`.
///
/// Only character references and the five predefined entities exist, since document types are refused.
pub(crate) fn resolve_reference(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let value = match number.strip_prefix('x') {
            Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16).ok()?,
            None if number.bytes().all(|b| b.is_ascii_digit()) => number.parse().ok()?,
            _ => return None,
        };
        return char::from_u32(value).filter(|c| is_char(*c));
    }
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => None,
    }
}

/// Normalises the raw text between the quotes of an attribute (XML 1.0 section 3.3.3).
///
/// The error is the offset of the first octet that may not stand there.
pub(crate) fn attribute_value(raw: &str) -> Result<String, usize> {
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        let at = raw.len().saturating_sub(rest.len());
        let mut taken = c.len_utf8();
        match c {
            '<' => return Err(at),
            '&' => {
                let (name, _) = rest.strip_prefix('&').and_then(|r| r.split_once(';')).ok_or(at)?;
                value.push(resolve_reference(name).ok_or(at)?);
                taken = name.len().saturating_add(2);
            }
            '\r' => {
                // A line end is one character however it is written.
                value.push(' ');
                if rest.starts_with("\r\n") {
                    taken = 2;
                }
            }
            '\t' | '\n' => value.push(' '),
            _ if !is_char(c) => return Err(at),
            _ => value.push(c),
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_resolve_to_characters_that_may_occur() {
        assert_eq!(resolve_reference("#x41"), Some('A'));
        assert_eq!(resolve_reference("#65"), Some('A'));
        for bad in [
            "#0",
            "#xFFFE",
            "#xD800",
            "#X41",
            "#",
            "#x",
            "#+1",
            "nbsp",
            "",
            "#1114112",
            "#99999999999",
        ] {
            assert_eq!(resolve_reference(bad), None, "{bad}");
        }
    }

    #[test]
    fn attribute_values_are_normalised() {
        assert_eq!(
            attribute_value("a\r\nb\tc&#10;d&amp;").as_deref(),
            Ok("a b c\nd&")
        );
        assert_eq!(attribute_value("a<b"), Err(1));
        assert_eq!(attribute_value("ab&c"), Err(2));
        assert_eq!(attribute_value("a\u{1}"), Err(1));
    }
}
