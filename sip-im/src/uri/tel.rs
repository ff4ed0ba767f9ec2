//! `tel` URIs (RFC 3966 3): a number, and parameters.

use super::sip::{Parts, Span, missing, read_parameters};
use crate::error::{ParseError, ParseErrorKind};
use crate::header::octets::run;

/// Reads what follows `tel:` at `start`, and gives where it ends.
pub(super) fn read(text: &str, start: usize, parts: &mut Parts) -> Result<usize, ParseError> {
    let octets = text.as_bytes();
    let end = run(octets, start, |byte| {
        byte.is_ascii_hexdigit() || matches!(byte, b'+' | b'*' | b'#' | b'-' | b'.' | b'(' | b')')
    });
    if end == start {
        return Err(missing(octets, start, b";"));
    }
    let number = text.get(start..end).unwrap_or_default();
    check_number(number, start)?;
    parts.user = Some(Span::new(start, end)?);
    let mut at = end;
    let mut parameters = "";
    if octets.get(at) == Some(&b';') {
        let start = at.saturating_add(1);
        at = read_parameters(text, start)?;
        parameters = text.get(start..at).unwrap_or_default();
        parts.parameters = Some(Span::new(start, at)?);
        check_parameters(parameters, start)?;
    }
    if !number.starts_with('+') && !has_context(parameters) {
        //= https://www.rfc-editor.org/rfc/rfc3966#section-5.1.5
        //# Local numbers MUST have a 'phone-context' parameter that identifies
        //# the scope of their validity.
        return Err(ParseError::new(ParseErrorKind::MissingParameter, at));
    }
    Ok(at)
}

/// The number without `-`, `.`, `(` and `)`.
pub(super) fn without_separators(number: &str) -> String {
    number
        .chars()
        .filter(|character| !is_separator(*character))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// Is it a global number: `+`, digits, separators, and at least one digit?
pub(super) fn is_global(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|rest| {
        rest.bytes().any(|byte| byte.is_ascii_digit())
            && rest
                .chars()
                .all(|character| character.is_ascii_digit() || is_separator(character))
    })
}

fn has_context(parameters: &str) -> bool {
    parameters.split(';').any(|piece| {
        piece
            .split('=')
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("phone-context"))
    })
}

/// `ext` is a number, and `phone-context` a global number or a domain name; both are part of whom the URI names.
fn check_parameters(parameters: &str, start: usize) -> Result<(), ParseError> {
    let mut at = start;
    for piece in parameters.split(';') {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        let is_good = if name.eq_ignore_ascii_case("ext") {
            is_extension(value)
        } else {
            !name.eq_ignore_ascii_case("phone-context") || is_context(value)
        };
        if !is_good {
            return Err(ParseError::new(ParseErrorKind::UnexpectedText, at));
        }
        at = at.saturating_add(piece.len()).saturating_add(1);
    }
    Ok(())
}

/// Is it a local number (RFC 3966 section 5.1.5): hexadecimal digits, `*`, `#`, separators, and at least one that is none?
pub(super) fn is_local(number: &str) -> bool {
    let is_digit = |character: char| character.is_ascii_hexdigit() || matches!(character, '*' | '#');
    number.chars().any(is_digit)
        && number
            .chars()
            .all(|character| is_digit(character) || is_separator(character))
}

/// Digits and separators, and at least one digit.
pub(super) fn is_extension(value: &str) -> bool {
    value.bytes().any(|byte| byte.is_ascii_digit())
        && value
            .chars()
            .all(|character| character.is_ascii_digit() || is_separator(character))
}

/// A global number or a domain name.
pub(super) fn is_context(value: &str) -> bool {
    is_global(value)
        || (!value.is_empty()
            && value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')))
}

fn is_separator(character: char) -> bool {
    matches!(character, '-' | '.' | '(' | ')')
}

fn check_number(number: &str, start: usize) -> Result<(), ParseError> {
    let global = number.strip_prefix('+');
    let allowed = |character: char| {
        is_separator(character)
            || character.is_ascii_digit()
            || (global.is_none() && (character.is_ascii_hexdigit() || matches!(character, '*' | '#')))
    };
    let digits = global.unwrap_or(number);
    let skipped = number.len().saturating_sub(digits.len());
    if let Some((offset, _)) = digits.char_indices().find(|(_, character)| !allowed(*character)) {
        let offset = start.saturating_add(skipped).saturating_add(offset);
        return Err(ParseError::new(ParseErrorKind::UnexpectedText, offset));
    }
    if digits.chars().all(is_separator) {
        return Err(ParseError::new(ParseErrorKind::Empty, start));
    }
    Ok(())
}
