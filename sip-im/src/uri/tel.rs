//! `tel` URIs (RFC 3966 3): a number, and parameters.

use super::sip::{Parts, Span, check_parameters};
use crate::error::{ParseError, ParseErrorKind};

/// Reads what follows `tel:`; `start` is where it stands in the URI.
pub(super) fn parse(text: &str, start: usize) -> Result<Parts, ParseError> {
    let number = text.split(';').next().unwrap_or_default();
    check_number(number, start)?;
    let mut parts = Parts {
        user: Some(Span::new(start, number.len())?),
        ..Parts::default()
    };
    if let Some(parameters) = text.get(number.len()..).and_then(|rest| rest.strip_prefix(';')) {
        let at = start.saturating_add(number.len()).saturating_add(1);
        check_parameters(parameters, at)?;
        parts.parameters = Some(Span::new(at, parameters.len())?);
    }
    if !number.starts_with('+') && !has_context(text) {
        //= https://www.rfc-editor.org/rfc/rfc3966#section-5.1.5
        //# Local numbers MUST have a 'phone-context' parameter that identifies
        //# the scope of their validity.
        return Err(ParseError::new(
            ParseErrorKind::MissingParameter,
            start.saturating_add(text.len()),
        ));
    }
    Ok(parts)
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

fn has_context(text: &str) -> bool {
    text.split(';').skip(1).any(|piece| {
        piece
            .split('=')
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("phone-context"))
    })
}

fn is_separator(character: char) -> bool {
    matches!(character, '-' | '.' | '(' | ')')
}

fn check_number(number: &str, start: usize) -> Result<(), ParseError> {
    if number.is_empty() {
        return Err(ParseError::new(ParseErrorKind::Empty, start));
    }
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
