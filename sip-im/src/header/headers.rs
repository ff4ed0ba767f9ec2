//! The header fields of a message: an ordered list of raw lines. Editing them is in `edit.rs`.

use core::fmt;
use core::marker::PhantomData;

use bytes::{BufMut, Bytes, BytesMut};

use super::cursor::{list_element, piece};
use super::line::{Line, Origin, Table, to_usize};
use super::{Header, HeaderName, Known, Shape};
use crate::ByteStr;
use crate::codec::view::{self, Viewed};
use crate::error::{HeaderError, HeaderErrorKind};

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
    /// The message as it was received, as far as it is read; lines that were not edited are ranges of it.
    pub(super) block: Bytes,
    pub(super) table: Table,
    pub(super) edited: bool,
}

impl Headers {
    /// No header fields.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn received(block: Bytes, table: Table) -> Self {
        Self {
            block,
            table,
            edited: false,
        }
    }

    /// Forgets all, and keeps the room for lines.
    pub(crate) fn clear(&mut self) -> &mut Table {
        self.block = Bytes::new();
        self.edited = false;
        self.table.clear();
        &mut self.table
    }

    /// Sets what the lines of the table are ranges of.
    pub(crate) fn set_block(&mut self, block: Bytes) {
        self.block = block;
    }

    /// The octets that the lines were read from.
    pub(crate) fn block(&self) -> &Bytes {
        &self.block
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    pub(crate) fn is_edited(&self) -> bool {
        self.edited
    }

    pub(crate) fn mark_edited(&mut self) {
        self.edited = true;
    }

    /// Is there a field of that name?
    pub fn contains(&self, name: &HeaderName) -> bool {
        self.first(name).is_some()
    }

    /// The value of the first field of that name. The whole line's value: a comma list is not split.
    pub fn value(&self, name: &HeaderName) -> Option<ByteStr> {
        self.lines(name).next().map(|line| self.value_of(line))
    }

    /// As [`Headers::value`], borrowed.
    pub fn text(&self, name: &HeaderName) -> Option<&str> {
        self.first(name)
            .and_then(|at| self.table.get(at))
            .map(|line| self.text_of(line))
    }

    /// The values of all fields of that name, line by line.
    pub fn values(&self, name: &HeaderName) -> impl Iterator<Item = ByteStr> {
        let name = name.clone();
        let mut next = self.first(&name);
        core::iter::from_fn(move || {
            let at = next?;
            next = self.table.after(&self.block, &name, at);
            self.table.get(at).map(|line| self.value_of(line))
        })
    }

    /// The lines of that name with their values, as octets in place.
    pub(crate) fn raw<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = RawLine<'a>> {
        self.lines(name).map(|line| RawLine {
            line: match line.origin {
                Origin::Received => self.block.get(to_usize(line.start)..to_usize(line.end)),
                Origin::Folded | Origin::Written => None,
            },
            value: self.table.octets(&self.block, line),
        })
    }

    /// About how long the lines of some well-known names are.
    pub(crate) fn octets_of(&self, names: &[HeaderName]) -> usize {
        let known = |name: &HeaderName| name.known().and_then(Known::bit);
        let wanted = names.iter().filter_map(known).fold(0, |all, bit| all | bit);
        let lines = self.table.lines().iter();
        lines
            .filter(|line| {
                line.known
                    .and_then(Known::bit)
                    .is_some_and(|bit| wanted & bit != 0)
            })
            .map(|line| match line.origin {
                Origin::Received => to_usize(line.end.saturating_sub(line.start)),
                Origin::Folded | Origin::Written => {
                    self.table.octets(&self.block, line).len().saturating_add(16)
                }
            })
            .fold(0, usize::saturating_add)
    }

    /// Name as it is spelled, and value, of each line in order. Folded values are unfolded.
    pub fn iter(&self) -> impl Iterator<Item = (ByteStr, ByteStr)> {
        self.table.lines().iter().map(|line| {
            let name = match line.origin {
                Origin::Received | Origin::Folded => self.shared(self.table.name(&self.block, line)),
                Origin::Written => ByteStr::from(self.table.name(&self.block, line)),
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
        let name = H::NAME;
        let mut lines = self.lines(&name);
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
            Shape::Whole => match lines.next() {
                None => H::parse(&value).map_err(malformed).map(Some),
                Some(second) => {
                    let mut joined = String::from(value.as_str());
                    for line in core::iter::once(second).chain(lines) {
                        joined.push_str(", ");
                        joined.push_str(self.text_of(line));
                    }
                    H::parse(&ByteStr::from(joined)).map_err(malformed).map(Some)
                }
            },
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
            line: self.first(&H::NAME),
            list: None,
            header: PhantomData,
        }
    }

    /// As [`Headers::get`], borrowed: every octet is checked in the same way, and nothing is shared, copied or allocated.
    ///
    /// # Errors
    ///
    /// As [`Headers::get`].
    #[inline]
    pub fn view<H: Viewed>(&self) -> Result<Option<H::View<'_>>, HeaderError> {
        view::get::<H>(&self.table, &self.block)
    }

    /// As [`Headers::all`], borrowed.
    #[inline]
    pub fn views<H: Viewed>(&self) -> view::Views<'_, H> {
        view::Views::new(&self.table, &self.block)
    }

    /// Where in the received head the value of the first line of that name starts.
    pub(crate) fn offset_of(&self, name: &HeaderName) -> Option<usize> {
        let line = self.table.get(self.first(name)?)?;
        (line.origin != Origin::Written).then(|| to_usize(line.value))
    }

    /// About how long the lines are when they are written, and not less.
    pub(crate) fn octets(&self) -> usize {
        let written = |line: &Line| match line.origin {
            Origin::Received | Origin::Folded => to_usize(line.end.saturating_sub(line.start)),
            Origin::Written => self
                .table
                .name(&self.block, line)
                .len()
                .saturating_add(self.table.value(&self.block, line).len())
                .saturating_add(4),
        };
        let lines = self.table.lines().iter();
        lines.map(written).fold(0, usize::saturating_add)
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        for line in self.table.lines() {
            if line.origin == Origin::Written {
                out.put_slice(self.table.name(&self.block, line).as_bytes());
                out.put_slice(b": ");
                out.put_slice(self.table.value(&self.block, line).as_bytes());
                out.put_slice(b"\r\n");
            } else {
                let octets = self.block.get(to_usize(line.start)..to_usize(line.end));
                out.put_slice(octets.unwrap_or_default());
            }
        }
    }

    pub(super) fn first(&self, name: &HeaderName) -> Option<usize> {
        self.table.first(&self.block, name)
    }

    fn lines<'a>(&'a self, name: &'a HeaderName) -> Lines<'a> {
        Lines {
            headers: self,
            name,
            next: self.first(name),
        }
    }

    pub(super) fn text_of(&self, line: &Line) -> &str {
        self.table.value(&self.block, line)
    }

    pub(super) fn value_of(&self, line: &Line) -> ByteStr {
        match self.table.kept_value(line) {
            Some(value) => value.clone(),
            None => self.shared(self.table.value(&self.block, line)),
        }
    }

    /// A piece of the block as a slice of it. It was found to be UTF-8.
    fn shared(&self, text: &str) -> ByteStr {
        if text.is_empty() {
            return ByteStr::new();
        }
        ByteStr::try_from(self.block.slice_ref(text.as_bytes())).unwrap_or_default()
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

/// A line as octets.
pub(crate) struct RawLine<'a> {
    /// The whole of it, if it was received in one piece.
    pub(crate) line: Option<&'a [u8]>,
    pub(crate) value: &'a [u8],
}

/// The lines of one name.
struct Lines<'a> {
    headers: &'a Headers,
    name: &'a HeaderName,
    next: Option<usize>,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a Line;

    fn next(&mut self) -> Option<&'a Line> {
        let at = self.next?;
        let headers = self.headers;
        self.next = headers.table.after(&headers.block, self.name, at);
        headers.table.get(at)
    }
}

/// The typed values of one name; see [`Headers::all`].
#[derive(Debug)]
pub struct All<'a, H> {
    headers: &'a Headers,
    /// The line to read next.
    line: Option<usize>,
    list: Option<(ByteStr, usize)>,
    header: PhantomData<fn() -> H>,
}

impl<H: Header> Iterator for All<'_, H> {
    type Item = Result<H, HeaderError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((value, start)) = self.list.take() {
            return Some(self.element(value, start));
        }
        let at = self.line?;
        let value = self.headers.value_of(self.headers.table.get(at)?);
        self.line = self.headers.table.after(&self.headers.block, &H::NAME, at);
        Some(match H::SHAPE {
            Shape::List => self.element(value, 0),
            _ => H::parse(&value).map_err(|error| HeaderError::malformed(H::NAME, error)),
        })
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
