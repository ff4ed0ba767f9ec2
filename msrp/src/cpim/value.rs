//! Values of header fields: addresses, subjects, notification requests, escapes.

use std::fmt::{self, Write as _};

use super::CpimErrorKind;
use crate::ByteStr;
use crate::header::content::is_token;

/// Somebody's address: `Formal Name <uri>`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Address {
    /// The formal name, without quotes and escapes.
    pub name: Option<ByteStr>,
    /// The URI, as written.
    pub uri: ByteStr,
}

impl Address {
    /// An address for a field.
    ///
    /// # Errors
    ///
    /// Fails when `uri` has no scheme, or holds white space, a control character or an angle bracket.
    pub fn new(name: Option<&str>, uri: &str) -> Result<Self, CpimErrorKind> {
        let is_plain = |character: char| {
            !character.is_whitespace() && !character.is_control() && !matches!(character, '<' | '>')
        };
        let has_scheme = uri
            .split_once(':')
            .is_some_and(|(scheme, rest)| is_token(scheme) && !rest.is_empty());
        if !has_scheme || !uri.chars().all(is_plain) {
            return Err(CpimErrorKind::Value);
        }
        Ok(Self {
            name: name.map(ByteStr::from),
            uri: uri.into(),
        })
    }

    /// Reads a field's value.
    pub(super) fn parse(value: &str) -> Result<Self, CpimErrorKind> {
        let (name, rest) = if value.starts_with('"') {
            let end = string_end(value).ok_or(CpimErrorKind::Value)?;
            let (quoted, rest) = value.split_at_checked(end).ok_or(CpimErrorKind::Value)?;
            let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
            (Some(unescape(inner)), rest)
        } else {
            let (name, _) = value.split_once('<').ok_or(CpimErrorKind::Value)?;
            let rest = value.get(name.len()..).unwrap_or_default();
            let name = name.trim_matches(' ');
            ((!name.is_empty()).then(|| unescape(name)), rest)
        };
        let uri = rest
            .trim_matches(' ')
            .strip_prefix('<')
            .and_then(|rest| rest.strip_suffix('>'));
        let mut address = Self::new(None, uri.ok_or(CpimErrorKind::Value)?)?;
        address.name = name.map(ByteStr::from);
        Ok(address)
    }
}

/// Writes the field's value.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{} ", quoted(name))?;
        }
        write!(f, "<{}>", self.uri)
    }
}

/// A subject, in one language.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Subject {
    /// The language tag, where one is given.
    pub language: Option<ByteStr>,
    /// The text, without escapes.
    pub text: ByteStr,
}

impl Subject {
    /// A subject for a field.
    pub fn new(language: Option<&str>, text: &str) -> Self {
        Self {
            language: language.map(ByteStr::from),
            text: text.into(),
        }
    }
}

/// A notification that the sender asks for (RFC 5438 6.2).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum DispositionNotification {
    /// The message was delivered.
    PositiveDelivery,
    /// The message was not delivered.
    NegativeDelivery,
    /// The message was displayed, or not.
    Display,
    /// The message is on its way, or stored.
    Processing,
    /// Any other token.
    Other(ByteStr),
}

impl DispositionNotification {
    /// Its token.
    pub fn as_str(&self) -> &str {
        match self {
            Self::PositiveDelivery => "positive-delivery",
            Self::NegativeDelivery => "negative-delivery",
            Self::Display => "display",
            Self::Processing => "processing",
            Self::Other(token) => token,
        }
    }

    pub(super) fn parse(token: &str) -> Self {
        match token {
            "positive-delivery" => Self::PositiveDelivery,
            "negative-delivery" => Self::NegativeDelivery,
            "display" => Self::Display,
            "processing" => Self::Processing,
            other => Self::Other(other.into()),
        }
    }
}

/// The text of a value, its escapes resolved (RFC 3862 2.3.1).
//= https://www.rfc-editor.org/rfc/rfc3862#section-2.3.1
//# Any unrecognized escape sequence SHOULD be treated
//# as an instance of the character following the backslash character.
pub(super) fn unescape(written: &str) -> String {
    let mut text = String::with_capacity(written.len());
    let mut characters = written.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('b') => text.push('\u{8}'),
            Some('t') => text.push('\t'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('u') => match code_unit(characters.as_str()) {
                Some((first, rest)) => {
                    // A character beyond the first 65 536 is two units of UTF-16.
                    let second = rest.strip_prefix("\\u").and_then(code_unit);
                    let units = second.map_or([first, 0], |(second, _)| [first, second]);
                    let (point, rest) = match (char::decode_utf16(units).next(), second) {
                        (Some(Ok(point)), Some((_, rest))) if point.len_utf16() == 2 => (point, rest),
                        (Some(Ok(point)), _) => (point, rest),
                        _ => (char::REPLACEMENT_CHARACTER, rest),
                    };
                    text.push(point);
                    characters = rest.chars();
                }
                None => text.push('u'),
            },
            Some(other) => text.push(other),
            None => {}
        }
    }
    text
}

/// Reads four hexadecimal digits.
fn code_unit(text: &str) -> Option<(u16, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let unit = u16::from_str_radix(digits, 16).ok().filter(|_| are_digits)?;
    Some((unit, rest))
}

/// A text as a value: control characters and backslashes escaped, so that it cannot end its line.
pub(super) fn escape(text: &str) -> String {
    escape_with(text, false)
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escape_with(text, true))
}

fn escape_with(text: &str, in_string: bool) -> String {
    let mut written = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => written.push_str("\\\\"),
            '"' if in_string => written.push_str("\\\""),
            '\u{8}' => written.push_str("\\b"),
            '\t' => written.push_str("\\t"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            _ if character.is_control() => {
                let _ = write!(written, "\\u{:04X}", u32::from(character));
            }
            _ => written.push(character),
        }
    }
    written
}

/// The length of the quoted string that `text` begins with.
fn string_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (index, octet) in text.bytes().enumerate().skip(1) {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index.checked_add(1),
            _ => {}
        }
    }
    None
}
