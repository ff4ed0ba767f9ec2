//! Content-Type and its kin: the one grammar of MIME header fields, which SIP uses too (RFC 2045 5.1, RFC 2183 2).
//!
//! Tokens, quoted strings and parameters are read here and nowhere else. Values are kept as they were written, so that
//! what nobody changes is written back as it came.

mod disposition;
mod media_type;
mod parameters;
mod scanner;

use std::borrow::Cow;

pub use disposition::ContentDisposition;
pub(crate) use media_type::MediaTypeParts;
pub use media_type::{ContentType, MediaTypeRef};
pub use parameters::Parameters;

use crate::ByteStr;

/// Why a media type, disposition or parameter list could not be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
#[non_exhaustive]
pub struct ContentError {
    /// What is wrong.
    pub kind: ContentErrorKind,
    /// Where, in octets from the start of the value.
    pub offset: usize,
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentErrorKind {
    /// A token was expected.
    #[error("expected a token")]
    Token,
    /// A slash between type and subtype was expected.
    #[error("expected a slash")]
    Slash,
    /// A parameter value was expected.
    #[error("expected a parameter value")]
    Value,
    /// A quoted string does not end, or holds a control character.
    #[error("malformed quoted string")]
    QuotedString,
    /// Something follows where a semicolon or the end was expected.
    #[error("unexpected text")]
    Unexpected,
    /// A parameter is there twice.
    #[error("repeated parameter")]
    Repeated,
    /// There are more parameters than anyone needs.
    #[error("too many parameters")]
    TooMany,
}

/// The most parameters a value may have.
pub const MAX_PARAMETERS: usize = 64;

/// Whether `text` is a token of RFC 2045, which is also one of RFC 3261 where both matter.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_octet)
}

pub(crate) fn is_token_octet(octet: u8) -> bool {
    // A table, since this is asked for each octet of the name of each header.
    static TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut rest: &mut [bool] = &mut table;
        let mut octet = 0_u8;
        while let Some((is_token, others)) = rest.split_first_mut() {
            *is_token = octet.is_ascii_alphanumeric()
                || matches!(
                    octet,
                    b'!' | b'#'
                        | b'$'
                        | b'%'
                        | b'&'
                        | b'\''
                        | b'*'
                        | b'+'
                        | b'-'
                        | b'.'
                        | b'^'
                        | b'_'
                        | b'`'
                        | b'|'
                        | b'~'
                );
            rest = others;
            octet = octet.wrapping_add(1);
        }
        table
    };
    TOKEN.get(usize::from(octet)).copied().unwrap_or_default()
}

/// Says whether a value has a control character other than a tab, which would break the line that it is in.
pub(crate) fn has_control(value: &[u8]) -> bool {
    // All octets are looked at, which the compiler turns into a few wide comparisons.
    value.iter().fold(false, |found, octet| {
        found | (*octet != b'\t') & octet.is_ascii_control()
    })
}

/// The text of a quoted string; a token stays as it is.
pub fn unquote(written: &str) -> Cow<'_, str> {
    let Some(inner) = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(written);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut escaped = false;
    for character in inner.chars() {
        if character == '\\' && !escaped {
            escaped = true;
        } else {
            text.push(character);
            escaped = false;
        }
    }
    Cow::Owned(text)
}

/// A token as it is, anything else as a quoted string.
///
/// # Errors
///
/// Fails when `text` holds a control character other than a tab.
pub fn quote(text: &str) -> Result<ByteStr, ContentError> {
    if is_token(text) {
        return Ok(text.into());
    }
    quoted_string(text).map(ByteStr::from)
}

/// The text as a quoted string, always with quotes.
///
/// # Errors
///
/// Fails when `text` holds a control character other than a tab.
pub fn quoted_string(text: &str) -> Result<String, ContentError> {
    let mut written = String::with_capacity(text.len().saturating_add(2));
    written.push('"');
    for (offset, character) in text.char_indices() {
        if character.is_ascii_control() && character != '\t' {
            return Err(ContentError {
                kind: ContentErrorKind::QuotedString,
                offset,
            });
        }
        if character == '"' || character == '\\' {
            written.push('\\');
        }
        written.push(character);
    }
    written.push('"');
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_written_as_it_was_read() {
        for value in [
            "text/plain",
            "text/plain;charset=UTF-8",
            "multipart/mixed;boundary=\"a;b\\\"c\"",
        ] {
            assert_eq!(ContentType::parse(value).unwrap().to_string(), value);
        }
    }

    #[test]
    fn what_is_not_a_media_type_is_refused_with_its_place() {
        for (value, kind, offset) in [
            ("", ContentErrorKind::Token, 0),
            ("text", ContentErrorKind::Slash, 4),
            ("text/", ContentErrorKind::Token, 5),
            ("text/plain charset", ContentErrorKind::Unexpected, 11),
            ("text/plain;a", ContentErrorKind::Value, 12),
            ("text/plain;a=\"b", ContentErrorKind::QuotedString, 13),
            ("text/plain;a=b;A=c", ContentErrorKind::Repeated, 15),
        ] {
            assert_eq!(
                ContentType::parse(value),
                Err(ContentError { kind, offset }),
                "{value}"
            );
        }
    }

    #[test]
    fn ranges_match_what_they_cover() {
        let plain = ContentType::parse("Text/Plain;charset=utf-8").unwrap();
        assert!(
            plain.matches("*")
                && plain.matches("text/*")
                && plain.matches("text/plain")
                && plain.matches("*/*")
        );
        assert!(!plain.matches("text/html") && !plain.matches("image/*") && !plain.matches("text"));
    }

    #[test]
    fn a_value_that_is_not_a_token_is_quoted_and_read_back() {
        let written = ContentType::text_plain()
            .with_parameter("name", "a \"b\" \\c")
            .unwrap()
            .to_string();
        let read = ContentType::parse(&written).unwrap();
        assert_eq!(read.parameter("NAME").as_deref(), Some("a \"b\" \\c"));
        assert!(
            ContentType::text_plain()
                .with_parameter("name", "a\r\nX: y")
                .is_err()
        );
    }

    #[test]
    fn parameters_are_bounded() {
        let parameters: Vec<String> = (0..=MAX_PARAMETERS)
            .map(|number| format!(";p{number}=1"))
            .collect();
        let value = format!("text/plain{}", parameters.concat());
        assert_eq!(
            ContentType::parse(&value).unwrap_err().kind,
            ContentErrorKind::TooMany
        );
    }
}
