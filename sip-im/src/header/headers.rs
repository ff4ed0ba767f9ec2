//! The header fields of a message: an ordered list of raw lines, edited line by line.

use core::fmt;
use core::marker::PhantomData;
use core::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::cursor::{list_element, piece, split_list};
use super::line::{Line, bounded, check_text, is_named, text_of, value_of};
use super::{Header, HeaderName, Shape};
use crate::ByteStr;
use crate::error::{BuildError, HeaderError, HeaderErrorKind, ParseError, ParseErrorKind};

/// The header fields of a message, in order.
///
/// A field that was received is written back octet for octet, folded lines and compact names included, until it is edited;
/// an edit touches its own line only. Looking a field up ignores case and knows compact forms.
///
/// ```
/// use sip_im::header::{CSeq, HeaderName, Headers, Require, Route};
/// use sip_im::Method;
/// let mut headers = Headers::new();
/// headers.push(&HeaderName::CSEQ, "7 MESSAGE")?;
/// headers.push(&HeaderName::ROUTE, "<sip:a.example;lr>, <sip:b.example;lr>")?;
/// let cseq = headers.require::<CSeq>()?;
/// assert_eq!((cseq.seq, cseq.method), (7, Method::Message));
/// assert_eq!(headers.all::<Route>().count(), 2);
/// assert!(headers.get::<Require>()?.is_none());
/// headers.remove_first(&HeaderName::ROUTE);
/// assert_eq!(headers.value(&HeaderName::ROUTE).as_deref(), Some("<sip:b.example;lr>"));
/// assert!(headers.push(&HeaderName::SUBJECT, "a\r\nEvil: b").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Headers {
    /// The head as it was received; lines that were not edited are ranges of it.
    block: Bytes,
    lines: Vec<Line>,
    edited: bool,
}

impl Headers {
    /// No header fields.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn received(block: Bytes, lines: Vec<Line>) -> Self {
        Self {
            block,
            lines,
            edited: false,
        }
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(crate) fn is_edited(&self) -> bool {
        self.edited
    }

    pub(crate) fn mark_edited(&mut self) {
        self.edited = true;
    }

    /// Is there a field of that name?
    pub fn contains(&self, name: &HeaderName) -> bool {
        self.lines.iter().any(|line| self.is_named(line, name))
    }

    /// The value of the first field of that name. The whole line's value: a comma list is not split.
    pub fn value(&self, name: &HeaderName) -> Option<ByteStr> {
        self.values(name).next()
    }

    /// The values of all fields of that name, line by line.
    pub fn values(&self, name: &HeaderName) -> impl Iterator<Item = ByteStr> {
        self.lines
            .iter()
            .filter(move |line| self.is_named(line, name))
            .map(|line| self.value_of(line))
    }

    /// Name as it is spelled, and value, of each line in order. Folded values are unfolded.
    pub fn iter(&self) -> impl Iterator<Item = (ByteStr, ByteStr)> {
        self.lines.iter().map(|line| {
            let name = match line {
                Line::Received { name, .. } => text_of(self.block.slice(self.bounded(*name))),
                Line::Written { name, .. } => ByteStr::from(name),
            };
            (name, self.value_of(line))
        })
    }

    /// The typed value; absent is `None`. Of a list it is the first value.
    ///
    /// # Errors
    ///
    /// Fails when the value is malformed, or when the field may occur once and occurs again.
    pub fn get<H: Header>(&self) -> Result<Option<H>, HeaderError> {
        let mut lines = self.lines.iter().filter(|line| self.is_named(line, &H::NAME));
        let Some(first) = lines.next() else {
            return Ok(None);
        };
        let value = self.value_of(first);
        let malformed = |error| HeaderError::malformed(H::NAME, error);
        match H::SHAPE {
            Shape::List => {
                let (range, _) = list_element(value.as_str(), 0);
                let start = range.start;
                H::parse(&piece(&value, range))
                    .map_err(|error| malformed(error.shifted(start)))
                    .map(Some)
            }
            Shape::Rows => H::parse(&value).map_err(malformed).map(Some),
            Shape::Whole => {
                let mut joined = value;
                for line in lines {
                    joined = ByteStr::from(format!("{}, {}", joined.as_str(), self.value_of(line).as_str()));
                }
                H::parse(&joined).map_err(malformed).map(Some)
            }
            Shape::Single => {
                if lines.next().is_some() {
                    return Err(HeaderError::new(H::NAME, HeaderErrorKind::Repeated));
                }
                H::parse(&value).map_err(malformed).map(Some)
            }
        }
    }

    /// The typed value of a field that must be there.
    ///
    /// # Errors
    ///
    /// As [`Headers::get`], and when the field is missing.
    pub fn require<H: Header>(&self) -> Result<H, HeaderError> {
        self.get()?
            .ok_or_else(|| HeaderError::new(H::NAME, HeaderErrorKind::Missing))
    }

    /// All typed values, over repeated fields and over comma lists, in order.
    pub fn all<H: Header>(&self) -> All<'_, H> {
        All {
            headers: self,
            line: 0,
            list: None,
            header: PhantomData,
        }
    }

    /// Appends a line.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when the value has a line end or another control character in it, or when the field is
    /// `Content-Length`, which the message itself writes.
    pub fn push(&mut self, name: &HeaderName, value: &str) -> Result<(), BuildError> {
        let line = Self::line(name, value)?;
        self.insert(self.lines.len(), line);
        Ok(())
    }

    /// Appends a typed value.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when the value would not be read back as it is.
    pub fn push_typed<H: Header>(&mut self, header: &H) -> Result<(), BuildError> {
        self.push(&H::NAME, &Self::written(header)?)
    }

    /// Puts a typed value before all others of its name; a first one is put at the top.
    ///
    /// # Errors
    ///
    /// As [`Headers::push_typed`].
    pub fn push_front_typed<H: Header>(&mut self, header: &H) -> Result<(), BuildError> {
        let line = Self::line(&H::NAME, &Self::written(header)?)?;
        let at = self
            .lines
            .iter()
            .position(|line| self.is_named(line, &H::NAME))
            .unwrap_or(0);
        self.insert(at, line);
        Ok(())
    }

    /// Replaces all fields of that name by this one, in the place of the first.
    ///
    /// # Errors
    ///
    /// As [`Headers::push_typed`].
    pub fn set_typed<H: Header>(&mut self, header: &H) -> Result<(), BuildError> {
        self.set(&H::NAME, &Self::written(header)?)
    }

    /// Replaces all fields of that name by this line, in the place of the first.
    ///
    /// # Errors
    ///
    /// As [`Headers::push`].
    pub fn set(&mut self, name: &HeaderName, value: &str) -> Result<(), BuildError> {
        let line = Self::line(name, value)?;
        self.replace(name, line);
        Ok(())
    }

    /// Replaces the first value only: of a comma list the first element.
    ///
    /// # Errors
    ///
    /// As [`Headers::push_typed`].
    pub fn set_first_typed<H: Header>(&mut self, header: &H) -> Result<(), BuildError> {
        let line = Self::line(&H::NAME, &Self::written(header)?)?;
        let at = self
            .lines
            .iter()
            .position(|line| self.is_named(line, &H::NAME))
            .unwrap_or(0);
        self.remove_first(&H::NAME);
        self.insert(at.min(self.lines.len()), line);
        Ok(())
    }

    /// Where in the received head the value of the first line of that name starts.
    pub(crate) fn offset_of(&self, name: &HeaderName) -> Option<usize> {
        self.lines
            .iter()
            .find(|line| self.is_named(line, name))
            .and_then(|line| match line {
                Line::Received { value, .. } => usize::try_from(value.0).ok(),
                Line::Written { .. } => None,
            })
    }

    /// Removes all fields of that name, in whatever spelling, and tells whether there were any.
    pub fn remove(&mut self, name: &HeaderName) -> bool {
        let block = &self.block;
        let before = self.lines.len();
        self.lines.retain(|line| !is_named(block, line, name));
        let removed = self.lines.len() != before;
        self.edited |= removed;
        removed
    }

    /// Removes the first value of that name: the line, or the first element of its comma list.
    pub fn remove_first(&mut self, name: &HeaderName) -> bool {
        let Some(at) = self.lines.iter().position(|line| self.is_named(line, name)) else {
            return false;
        };
        self.edited = true;
        let Some(line) = self.lines.get_mut(at) else {
            return false;
        };
        let value = value_of(&self.block, line);
        match list_element(value.as_str(), 0) {
            (_, Some(next)) if is_comma_list(name) => {
                let rest = value
                    .as_str()
                    .get(next..)
                    .unwrap_or_default()
                    .trim_matches([' ', '\t']);
                *line = Line::Written {
                    name: name.clone(),
                    value: ByteStr::from(rest.to_owned()),
                };
            }
            _ => {
                self.lines.remove(at);
            }
        }
        true
    }

    /// Removes each value (of a comma list: each element) for which `drop` holds.
    pub fn remove_values(&mut self, name: &HeaderName, drop: impl Fn(&str) -> bool) -> bool {
        let mut changed = false;
        let mut at = 0;
        while let Some(line) = self.lines.get(at) {
            if self.is_named(line, name) {
                let value = self.value_of(line);
                let text = value.as_str();
                let elements: Vec<&str> = if is_comma_list(name) {
                    split_list(text).filter_map(|range| text.get(range)).collect()
                } else {
                    vec![text]
                };
                let kept: Vec<&str> = elements
                    .iter()
                    .copied()
                    .filter(|element| !drop(element))
                    .collect();
                if kept.is_empty() {
                    self.lines.remove(at);
                    changed = true;
                    continue;
                }
                if kept.len() < elements.len() {
                    let line = Line::Written {
                        name: name.clone(),
                        value: ByteStr::from(kept.join(", ")),
                    };
                    if let Some(place) = self.lines.get_mut(at) {
                        *place = line;
                    }
                    changed = true;
                }
            }
            at = at.saturating_add(1);
        }
        self.edited |= changed;
        changed
    }

    /// Appends all lines of that name of another message, as they were written there.
    pub(crate) fn copy_from(&mut self, other: &Self, name: &HeaderName) {
        for value in other.values(name) {
            self.edited = true;
            self.lines.push(Line::Written {
                name: name.clone(),
                value,
            });
        }
    }

    /// Sets a field that only the library sets, with a value that it made.
    pub(crate) fn set_reserved(&mut self, name: &HeaderName, value: String) {
        let line = Line::Written {
            name: name.clone(),
            value: ByteStr::from(value),
        };
        self.replace(name, line);
    }

    /// About how long the lines are when they are written, and not less.
    pub(crate) fn octets(&self) -> usize {
        let written = |line: &Line| match line {
            Line::Received { .. } => 0,
            Line::Written { name, value } => name
                .as_str()
                .len()
                .saturating_add(value.as_bytes().len())
                .saturating_add(4),
        };
        self.lines
            .iter()
            .map(written)
            .fold(self.block.len(), usize::saturating_add)
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        if let (false, Some(Line::Received { name, .. }), Some(Line::Received { end, .. })) =
            (self.edited, self.lines.first(), self.lines.last())
        {
            // Nothing has been moved, so the lines are one piece.
            out.put_slice(self.block.get(self.bounded((name.0, *end))).unwrap_or_default());
            return;
        }
        for line in &self.lines {
            match line {
                Line::Received { name, end, .. } => {
                    out.put_slice(self.block.get(self.bounded((name.0, *end))).unwrap_or_default());
                }
                Line::Written { name, value } => {
                    out.put_slice(name.as_str().as_bytes());
                    out.put_slice(b": ");
                    out.put_slice(value.as_str().as_bytes());
                    out.put_slice(b"\r\n");
                }
            }
        }
    }

    fn written<H: Header>(header: &H) -> Result<String, BuildError> {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = header.write(&mut text);
        let invalid = |error| BuildError::Invalid(H::NAME, error);
        check_text(text.as_bytes()).map_err(invalid)?;
        // As the value is read back: without the white space that the line takes off.
        let value = ByteStr::from(text.trim_matches([' ', '\t']));
        if H::SHAPE == Shape::List
            && let (_, Some(next)) = list_element(&text, 0)
        {
            return Err(invalid(ParseError::new(ParseErrorKind::TrailingText, next)));
        }
        if H::parse(&value).map_err(invalid)? == *header {
            Ok(text)
        } else {
            Err(invalid(ParseError::new(ParseErrorKind::UnexpectedText, 0)))
        }
    }

    fn line(name: &HeaderName, value: &str) -> Result<Line, BuildError> {
        if *name == HeaderName::CONTENT_LENGTH {
            return Err(BuildError::Reserved(name.clone()));
        }
        let value = value.trim_matches([' ', '\t']);
        check_text(value.as_bytes()).map_err(|error| BuildError::Invalid(name.clone(), error))?;
        Ok(Line::Written {
            name: name.clone(),
            value: ByteStr::from(value.to_owned()),
        })
    }

    fn insert(&mut self, at: usize, line: Line) {
        self.lines.insert(at, line);
        self.edited = true;
    }

    fn replace(&mut self, name: &HeaderName, line: Line) {
        let at = self.lines.iter().position(|line| self.is_named(line, name));
        self.remove(name);
        self.insert(at.unwrap_or(self.lines.len()), line);
    }

    fn is_named(&self, line: &Line, name: &HeaderName) -> bool {
        is_named(&self.block, line, name)
    }

    fn value_of(&self, line: &Line) -> ByteStr {
        value_of(&self.block, line)
    }

    fn bounded(&self, span: (u32, u32)) -> Range<usize> {
        bounded(&self.block, span)
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = [
            HeaderName::AUTHORIZATION,
            HeaderName::PROXY_AUTHORIZATION,
            HeaderName::WWW_AUTHENTICATE,
            HeaderName::PROXY_AUTHENTICATE,
        ];
        let mut map = f.debug_map();
        for (name, value) in self.iter() {
            let is_secret = HeaderName::parse(&name).is_ok_and(|name| secret.contains(&name));
            map.entry(
                &name.as_str(),
                &if is_secret { "[redacted]" } else { value.as_str() },
            );
        }
        map.finish()
    }
}

/// The typed values of one name; see [`Headers::all`].
#[derive(Debug)]
pub struct All<'a, H> {
    headers: &'a Headers,
    line: usize,
    list: Option<(ByteStr, usize)>,
    header: PhantomData<fn() -> H>,
}

impl<H: Header> Iterator for All<'_, H> {
    type Item = Result<H, HeaderError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((value, start)) = self.list.take() {
            return Some(self.element(value, start));
        }
        loop {
            let line = self.headers.lines.get(self.line)?;
            self.line = self.line.saturating_add(1);
            if !self.headers.is_named(line, &H::NAME) {
                continue;
            }
            let value = self.headers.value_of(line);
            return Some(match H::SHAPE {
                Shape::List => self.element(value, 0),
                _ => H::parse(&value).map_err(|error| HeaderError::malformed(H::NAME, error)),
            });
        }
    }
}

impl<H: Header> All<'_, H> {
    fn element(&mut self, value: ByteStr, start: usize) -> Result<H, HeaderError> {
        let (range, next) = list_element(value.as_str(), start);
        let start = range.start;
        let parsed = H::parse(&piece(&value, range));
        self.list = next.map(|next| (value, next));
        parsed.map_err(|error| HeaderError::malformed(H::NAME, error.shifted(start)))
    }
}

/// Does a comma separate values of this field? (RFC 3261 7.3.1 and 20; not in dates, digests and free text.)
fn is_comma_list(name: &HeaderName) -> bool {
    const LISTS: &[HeaderName] = &[
        HeaderName::VIA,
        HeaderName::ROUTE,
        HeaderName::RECORD_ROUTE,
        HeaderName::PATH,
        HeaderName::SERVICE_ROUTE,
        HeaderName::CONTACT,
        HeaderName::P_ASSERTED_IDENTITY,
        HeaderName::P_PREFERRED_IDENTITY,
        HeaderName::P_ASSOCIATED_URI,
        HeaderName::P_ASSERTED_SERVICE,
        HeaderName::P_PREFERRED_SERVICE,
        HeaderName::P_ACCESS_NETWORK_INFO,
        HeaderName::P_VISITED_NETWORK_ID,
        HeaderName::P_REFUSED_URI_LIST,
        HeaderName::HISTORY_INFO,
        HeaderName::SECURITY_CLIENT,
        HeaderName::SECURITY_SERVER,
        HeaderName::SECURITY_VERIFY,
        HeaderName::ALERT_INFO,
        HeaderName::CALL_INFO,
        HeaderName::ERROR_INFO,
        HeaderName::CONTENT_ENCODING,
        HeaderName::CONTENT_LANGUAGE,
        HeaderName::IN_REPLY_TO,
        HeaderName::REQUEST_DISPOSITION,
        HeaderName::ACCEPT,
        HeaderName::ACCEPT_CONTACT,
        HeaderName::REJECT_CONTACT,
        HeaderName::ACCEPT_ENCODING,
        HeaderName::ACCEPT_LANGUAGE,
        HeaderName::ALLOW,
        HeaderName::ALLOW_EVENTS,
        HeaderName::SUPPORTED,
        HeaderName::REQUIRE,
        HeaderName::PROXY_REQUIRE,
        HeaderName::UNSUPPORTED,
        HeaderName::WARNING,
        HeaderName::REASON,
        HeaderName::REMOTE_PARTY_ID,
    ];
    LISTS.contains(name)
}
