//! Parameters of header fields: `;name=value` (RFC 3261 25.1, generic-param).

use core::fmt;

use super::cursor::{Cursor, is_token_byte, unquote, write_quoted};
use crate::ByteStr;
use crate::error::{ParseError, ParseErrorKind};

/// How many parameters a value may have; since a repeated name is refused, it also bounds the work of looking for one.
const MAX_PARAMS: usize = 64;

/// The parameters of a header field value, in order, unknown ones included.
///
/// ```
/// use sip_im::header::Params;
/// let mut params = Params::new();
/// params.set("handling", Some("required"))?;
/// params.set("filename", Some("a b;c"))?;
/// assert_eq!(params.to_string(), ";handling=required;filename=\"a b;c\"");
/// assert_eq!(params.unquoted("filename").as_deref(), Some("a b;c"));
/// # Ok::<(), sip_im::error::ParseError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<Param>);

/// One parameter. The value is as it stands in the message, with its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Param {
    name: ByteStr,
    value: Option<ByteStr>,
}

impl Params {
    /// No parameters.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Reads `;name=value` until the text goes on otherwise. A name that occurs twice is refused, since two readers
    /// would not take the same value.
    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let mut params = Self::new();
        while cursor.separator(b';') {
            params.parse_one(cursor)?;
        }
        Ok(params)
    }

    pub(crate) fn parse_one(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
        let start = cursor.position();
        cursor.token()?;
        let name = cursor.since(start);
        if self.0.len() >= MAX_PARAMS {
            return Err(ParseError::new(ParseErrorKind::LimitExceeded, start));
        }
        if self.contains(&name) {
            return Err(ParseError::new(ParseErrorKind::RepeatedParameter, start));
        }
        let mut value = None;
        if cursor.separator(b'=') {
            let start = cursor.position();
            if cursor.peek() == Some(b'"') {
                cursor.quoted_string()?;
            } else if cursor.take_while(is_value_byte).is_empty() {
                return cursor.unexpected();
            }
            value = Some(cursor.since(start));
        }
        self.0.push(Param { name, value });
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Is there one of that name? Names compare without case.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The value as it is written: `Some(None)` for a parameter without value.
    pub fn get(&self, name: &str) -> Option<Option<&str>> {
        self.0
            .iter()
            .find(|param| param.name.eq_ignore_ascii_case(name))
            .map(|param| param.value.as_ref().map(ByteStr::as_str))
    }

    /// The value without quotes and escapes; `None` if there is no such parameter, or none with a value.
    pub fn unquoted(&self, name: &str) -> Option<String> {
        self.get(name).flatten().map(unquote)
    }

    /// All, in order: name, and value as it is written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0
            .iter()
            .map(|param| (param.name.as_str(), param.value.as_ref().map(ByteStr::as_str)))
    }

    /// Sets a parameter in its place, or appends it. The value is plain text, and is quoted if it is not a token.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when the name is not a token, the value has a line end in it, or there are 64 parameters.
    pub fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), ParseError> {
        if name.is_empty() {
            return Err(ParseError::new(ParseErrorKind::Empty, 0));
        }
        if let Some(offset) = name.bytes().position(|byte| !is_token_byte(byte)) {
            return Err(ParseError::new(ParseErrorKind::UnexpectedText, offset));
        }
        let value = match value {
            None => None,
            Some(text) => {
                if let Some(offset) = text.bytes().position(|byte| byte == b'\r' || byte == b'\n') {
                    return Err(ParseError::new(ParseErrorKind::ControlCharacter, offset));
                }
                Some(if !text.is_empty() && text.bytes().all(is_value_byte) {
                    ByteStr::from(text.to_owned())
                } else {
                    let mut quoted = String::with_capacity(text.len().saturating_add(2));
                    // Writing to a String does not fail.
                    let _ = write_quoted(&mut quoted, text);
                    ByteStr::from(quoted)
                })
            }
        };
        if self.0.len() >= MAX_PARAMS && !self.contains(name) {
            return Err(ParseError::new(ParseErrorKind::LimitExceeded, 0));
        }
        match self
            .0
            .iter_mut()
            .find(|param| param.name.eq_ignore_ascii_case(name))
        {
            Some(param) => param.value = value,
            None => self.0.push(Param {
                name: ByteStr::from(name.to_owned()),
                value,
            }),
        }
        Ok(())
    }

    /// Removes a parameter and tells whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|param| !param.name.eq_ignore_ascii_case(name));
        self.0.len() != before
    }

    /// Takes a parameter whose value is wanted as a slice of the message.
    #[expect(
        clippy::option_option,
        reason = "absent, without value and with one are three things"
    )]
    pub(crate) fn take(&mut self, name: &str) -> Option<Option<ByteStr>> {
        let at = self
            .0
            .iter()
            .position(|param| param.name.eq_ignore_ascii_case(name))?;
        Some(self.0.remove(at).value)
    }

    /// Sets a parameter that is quoted even if it is a token. A line end in the value becomes a space.
    pub(crate) fn set_quoted(&mut self, name: &'static str, value: &str) {
        let mut quoted = String::with_capacity(value.len().saturating_add(2));
        // Writing to a String does not fail.
        let _ = write_quoted(&mut quoted, value);
        self.remove(name);
        self.0.push(Param {
            name: ByteStr::from_static(name),
            value: Some(ByteStr::from(quoted)),
        });
    }

    pub(crate) fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        if !self.is_empty() {
            out.write_char(';')?;
        }
        self.write_separated(out, ";")
    }

    pub(crate) fn write_separated(&self, out: &mut dyn fmt::Write, separator: &str) -> fmt::Result {
        for (index, param) in self.0.iter().enumerate() {
            out.write_str(if index > 0 { separator } else { "" })?;
            out.write_str(&param.name)?;
            if let Some(value) = &param.value {
                write!(out, "={}", value.as_str())?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

/// gen-value is a token, a host or a quoted string; a host may be an IPv6 address, with or without brackets
/// (RFC 5118 4.5 asks to accept both).
fn is_value_byte(byte: u8) -> bool {
    is_token_byte(byte) || matches!(byte, b'[' | b']' | b':')
}
