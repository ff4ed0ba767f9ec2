//! Parameters of header fields: `;name=value` (RFC 3261 25.1, generic-param).

use core::fmt;
use core::ops::Range;

use super::cursor::{Cursor, unquote, write_quoted};
use super::octets::{is_token_byte, is_value_byte, run, skip_blank};
use super::repeats::{MAX_PARAMS, Names};
use crate::ByteStr;
use crate::codec::view::ParamsView;
use crate::error::{ParseError, ParseErrorKind};

/// Parameters that some header field has a place of its own for.
const PLACED: [&str; 9] = [
    "tag",
    "branch",
    "received",
    "rport",
    "to-tag",
    "from-tag",
    "local-tag",
    "remote-tag",
    "refresher",
];

/// The parameters of a header field value, in order, unknown ones included.
///
/// They are kept as the text that they were read from, checked once and taken apart on demand, so that reading a header field
/// allocates nothing.
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
#[derive(Clone, Default)]
pub struct Params {
    /// Without the separator before the first.
    text: ByteStr,
    /// Those of [`PLACED`] that are there and that the header field has a place of its own for, a bit each.
    taken: u16,
}

impl Params {
    /// No parameters.
    pub const fn new() -> Self {
        Self {
            text: ByteStr::new(),
            taken: 0,
        }
    }

    /// Reads `;name=value` until the text goes on otherwise. A name that occurs twice is refused, since two readers
    /// would not take the same value.
    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        if cursor.separator(b';') {
            Self::parse_list(cursor, b';')
        } else {
            Ok(Self::new())
        }
    }

    /// Reads `name=value`, at least one, with this separator between them.
    pub(crate) fn parse_list(cursor: &mut Cursor<'_>, separator: u8) -> Result<Self, ParseError> {
        let text = read(cursor, separator, |_, _, _| Ok(()))?;
        Ok(Self::read(cursor.share(text)))
    }

    /// Parameters that were checked when they were read.
    pub(crate) const fn read(text: ByteStr) -> Self {
        Self { text, taken: 0 }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Is there one of that name? Names compare without case.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The value as it is written: `Some(None)` for a parameter without value.
    pub fn get(&self, name: &str) -> Option<Option<&str>> {
        self.iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The value without quotes and escapes; `None` if there is no such parameter, or none with a value.
    pub fn unquoted(&self, name: &str) -> Option<String> {
        self.get(name).flatten().map(unquote)
    }

    /// All, in order: name, and value as it is written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let all = ParamsView::new(self.text.as_str()).iter();
        all.filter(|(name, _)| !self.is_taken(name))
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
        if let Some(offset) =
            value.and_then(|text| text.bytes().position(|byte| matches!(byte, b'\r' | b'\n')))
        {
            return Err(ParseError::new(ParseErrorKind::ControlCharacter, offset));
        }
        if self.len() >= MAX_PARAMS && !self.contains(name) {
            return Err(ParseError::new(ParseErrorKind::LimitExceeded, 0));
        }
        let value = value.map(|text| {
            if !text.is_empty() && text.bytes().all(is_value_byte) {
                text.to_owned()
            } else {
                quoted(text)
            }
        });
        self.put(name, value.as_deref());
        Ok(())
    }

    /// Removes a parameter and tells whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let is_there = self.contains(name);
        if is_there {
            let mut text = String::with_capacity(self.text.len());
            for (found, value) in self.iter().filter(|(found, _)| !found.eq_ignore_ascii_case(name)) {
                append(&mut text, found, value);
            }
            self.replace(text);
        }
        is_there
    }

    /// Marks a parameter of [`PLACED`] as one that the header field has a place of its own for.
    pub(crate) fn place(&mut self, name: &'static str) {
        if let Some(place) = PLACED.iter().position(|placed| *placed == name) {
            self.taken |= 1 << place;
        }
    }

    /// Takes a parameter that the header field has a place of its own for, as a slice of the message.
    #[expect(
        clippy::option_option,
        reason = "absent, without value and with one are three things"
    )]
    pub(crate) fn take(&mut self, name: &'static str) -> Option<Option<ByteStr>> {
        let value = self.get(name)?.map(|value| self.text.slice_of(value));
        match PLACED.iter().position(|placed| *placed == name) {
            Some(place) => self.taken |= 1 << place,
            None => {
                self.remove(name);
            }
        }
        Some(value)
    }

    /// Sets a parameter that is quoted even if it is a token. A line end in the value becomes a space.
    pub(crate) fn set_quoted(&mut self, name: &'static str, value: &str) {
        self.put(name, Some(&quoted(value)));
    }

    pub(crate) fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        if !self.is_empty() {
            out.write_char(';')?;
        }
        self.write_separated(out, ";")
    }

    pub(crate) fn write_separated(&self, out: &mut dyn fmt::Write, separator: &str) -> fmt::Result {
        for (index, (name, value)) in self.iter().enumerate() {
            out.write_str(if index > 0 { separator } else { "" })?;
            out.write_str(name)?;
            if let Some(value) = value {
                out.write_char('=')?;
                out.write_str(value)?;
            }
        }
        Ok(())
    }

    fn is_taken(&self, name: &str) -> bool {
        self.taken != 0
            && PLACED
                .iter()
                .enumerate()
                .any(|(place, placed)| self.taken & (1 << place) != 0 && placed.eq_ignore_ascii_case(name))
    }

    fn put(&mut self, name: &str, value: Option<&str>) {
        let mut text = String::with_capacity(self.text.len().saturating_add(name.len()).saturating_add(8));
        let mut is_set = false;
        for (found, old) in self.iter() {
            if found.eq_ignore_ascii_case(name) {
                append(&mut text, found, value);
                is_set = true;
            } else {
                append(&mut text, found, old);
            }
        }
        if !is_set {
            append(&mut text, name, value);
        }
        self.replace(text);
    }

    fn replace(&mut self, text: String) {
        *self = Self {
            text: ByteStr::from(text),
            taken: 0,
        };
    }
}

impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Params {}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

/// The value of a parameter as it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'a> {
    whole: &'a str,
    start: usize,
    end: usize,
    is_token: bool,
}

impl<'a> Value<'a> {
    #[inline]
    pub(crate) fn text(self) -> &'a str {
        self.whole.get(self.start..self.end).unwrap_or_default()
    }

    /// The text, if it is a token.
    #[inline]
    pub(crate) fn token(self) -> Option<&'a str> {
        self.is_token.then(|| self.text())
    }
}

/// Is it that name? Most senders write it as its RFC does, and that is told sooner.
#[inline]
pub(crate) fn is_named(name: &[u8], wanted: &str) -> bool {
    let wanted = wanted.as_bytes();
    name.len() == wanted.len() && (name == wanted || name.eq_ignore_ascii_case(wanted))
}

/// Reads `name=value`, at least one, with this separator between them, and gives their text. `visit` is told each, and where its
/// value is. A name that occurs twice is refused, since two readers would not take the same value.
#[inline]
pub(crate) fn read<'a>(
    cursor: &mut Cursor<'a>,
    separator: u8,
    mut visit: impl FnMut(&[u8], Option<Value<'a>>, usize) -> Result<(), ParseError>,
) -> Result<&'a str, ParseError> {
    let whole = cursor.text();
    let octets = whole.as_bytes();
    let start = cursor.position();
    let mut names = Names::default();
    let mut at = start;
    loop {
        let name_at = at;
        at = run(octets, name_at, is_token_byte);
        if at == name_at {
            cursor.move_to(at);
            return cursor.unexpected();
        }
        let name = octets.get(name_at..at).unwrap_or_default();
        names.add(name, name_at, octets, || names_before(whole, start, name_at))?;
        let (mut value, mut value_at) = (None, at);
        let sign = skip_blank(octets, at);
        if octets.get(sign) == Some(&b'=') {
            value_at = skip_blank(octets, sign.saturating_add(1));
            let is_token;
            (at, is_token) = read_value(cursor, octets, value_at)?;
            value = Some(Value {
                whole,
                start: value_at,
                end: at,
                is_token,
            });
        }
        visit(name, value, value_at)?;
        let next = skip_blank(octets, at);
        if octets.get(next) != Some(&separator) {
            cursor.move_to(at);
            return Ok(cursor.text_between(start, at));
        }
        at = skip_blank(octets, next.saturating_add(1));
    }
}

/// Where the value at `at` ends, and whether it is a token.
#[inline]
fn read_value(cursor: &mut Cursor<'_>, octets: &[u8], at: usize) -> Result<(usize, bool), ParseError> {
    let end = run(octets, at, is_token_byte);
    match octets.get(end) {
        Some(b'"') if end == at => {
            cursor.move_to(at);
            cursor.quoted_string()?;
            Ok((cursor.position(), false))
        }
        Some(b'[' | b']' | b':') => Ok((run(octets, end, is_value_byte), false)),
        _ if end == at => {
            cursor.move_to(at);
            cursor.unexpected()
        }
        _ => Ok((end, true)),
    }
}

/// Where the names of parameters that were read are.
fn names_before(whole: &str, start: usize, end: usize) -> impl Iterator<Item = Range<usize>> {
    let earlier = whole.get(start..end).unwrap_or_default();
    let base = earlier.as_ptr().addr();
    let iter = Iter { rest: earlier };
    iter.map(move |(name, _)| {
        let at = start.saturating_add(name.as_ptr().addr().saturating_sub(base));
        at..at.saturating_add(name.len())
    })
}

/// Takes apart text that was checked when it was read.
#[derive(Clone, Debug)]
pub(crate) struct Iter<'a> {
    rest: &'a str,
}

impl<'a> Iter<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, Option<&'a str>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = split_run(self.rest, is_token_byte);
        if name.is_empty() {
            return None;
        }
        let mut rest = trim_start(rest);
        let mut value = None;
        if let Some(after) = rest.strip_prefix('=') {
            let after = trim_start(after);
            let (found, after) = if after.starts_with('"') {
                after
                    .split_at_checked(quoted_length(after))
                    .unwrap_or((after, ""))
            } else {
                split_run(after, is_value_byte)
            };
            value = Some(found);
            rest = trim_start(after);
        }
        self.rest = trim_start(rest.strip_prefix([';', ',']).unwrap_or_default());
        Some((name, value))
    }
}

fn split_run(text: &str, is_in: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|byte| !is_in(byte)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or_default()
}

fn trim_start(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

/// How long the quoted string at the start is, with its quotes.
fn quoted_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| match byte {
        _ if escaped => {
            escaped = false;
            false
        }
        b'\\' => {
            escaped = true;
            false
        }
        byte => byte == b'"',
    });
    end.map_or(text.len(), |end| end.saturating_add(2))
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len().saturating_add(2));
    // Writing to a String does not fail.
    let _ = write_quoted(&mut quoted, text);
    quoted
}

fn append(text: &mut String, name: &str, value: Option<&str>) {
    if !text.is_empty() {
        text.push(';');
    }
    text.push_str(name);
    if let Some(value) = value {
        text.push('=');
        text.push_str(value);
    }
}
