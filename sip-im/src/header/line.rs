//! The lines of a head: where each is in the received octets, or what it was edited to, and which names are there.

use super::{HeaderName, Known};
use crate::ByteStr;
use crate::error::{ParseError, ParseErrorKind};

/// One line. It holds no octets of its own, so that a table of lines is filled, copied and dropped at the cost of its size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) known: Option<Known>,
    pub(crate) origin: Origin,
    /// Where the line starts, and so its name.
    pub(crate) start: u32,
    pub(crate) name_end: u32,
    pub(crate) value: u32,
    /// The end of the value; where the text is kept, its place there.
    pub(crate) value_end: u32,
    /// To the end of the CRLF.
    pub(crate) end: u32,
}

impl Line {
    /// Where the line is, with its end.
    pub(crate) fn range(&self) -> (usize, usize) {
        (to_usize(self.start), to_usize(self.end))
    }
}

/// Where the text of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Name and value are ranges of the received head.
    Received,
    /// As `Received`, but the value went over several lines and is kept in one piece.
    Folded,
    /// Name and value are kept.
    Written,
}

/// What a line has that is not in the received head.
#[derive(Clone, Debug)]
struct Kept {
    /// Of a line that was written.
    name: Option<HeaderName>,
    value: ByteStr,
}

/// All lines of a head. The head itself is given to each call, since it may still be growing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    lines: Vec<Line>,
    kept: Vec<Option<Kept>>,
    /// Places of `kept` that are free again.
    free: Vec<u32>,
    index: Index,
}

/// Which of the names that come first in the table of names are there, and where: a message is asked for a few of them again
/// and again.
#[derive(Clone, Copy, Debug, Default)]
struct Index {
    /// Lines were moved, and the rest of this no longer holds.
    is_stale: bool,
    /// A bit for each name.
    present: u64,
    repeated: u64,
    /// The first line of a name.
    first: [u16; FIRST],
    /// The last line of a name.
    last: [u16; FIRST],
}

const FIRST: usize = 16;

impl Index {
    fn add(&mut self, known: Option<Known>, at: usize) {
        let Some((known, bit)) = known.and_then(|known| Some((known, known.bit()?))) else {
            return;
        };
        self.repeated |= self.present & bit;
        if let (Some(first), Some(last)) = (
            self.first.get_mut(known.index()),
            self.last.get_mut(known.index()),
        ) {
            let Ok(at) = u16::try_from(at) else {
                self.is_stale = true;
                return;
            };
            *last = at;
            if self.present & bit == 0 {
                *first = at;
            }
        }
        self.present |= bit;
    }
}

impl Table {
    /// Forgets the lines, and keeps the room for them.
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        self.kept.clear();
        self.free.clear();
        self.index = Index::default();
    }

    pub(crate) fn reserve(&mut self, lines: usize) {
        self.lines.reserve(lines);
    }

    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Appends a received line.
    pub(crate) fn push(&mut self, line: Line) {
        self.index.add(line.known, self.lines.len());
        self.lines.push(line);
    }

    pub(crate) fn last_mut(&mut self) -> Option<&mut Line> {
        self.lines.last_mut()
    }

    /// Keeps the value of a folded line, which starts at `start`, in one piece.
    pub(crate) fn unfold(&mut self, at: usize, start: u32, value: String) {
        let place = self.keep(None, ByteStr::from(value));
        if let Some(line) = self.lines.get_mut(at) {
            (line.value, line.value_end) = (start, place);
        }
    }

    /// Puts a line that is written by us.
    pub(super) fn insert(&mut self, at: usize, name: &HeaderName, value: ByteStr) {
        self.index.is_stale = true;
        let place = self.keep(Some(name.clone()), value);
        let line = Line {
            known: name.known(),
            origin: Origin::Written,
            start: 0,
            name_end: 0,
            value: 0,
            value_end: place,
            end: 0,
        };
        self.lines.insert(at.min(self.lines.len()), line);
    }

    /// Gives the line at a place another text. Its name stays, so that it is found as before.
    pub(super) fn rewrite(&mut self, at: usize, value: ByteStr) {
        let Some(mut line) = self.lines.get(at).copied() else {
            return;
        };
        let name = line.known.map(HeaderName::of_known);
        let Some(name) = name else { return };
        self.let_go(line);
        line.value_end = self.keep(Some(name), value);
        line.origin = Origin::Written;
        self.exchange(at, line);
    }

    /// Puts another line of the same name in the place of one.
    pub(crate) fn exchange(&mut self, at: usize, line: Line) {
        if let Some(old) = self.lines.get_mut(at) {
            *old = line;
        }
    }

    /// Takes out a received line.
    pub(crate) fn cut(&mut self, at: usize) {
        self.remove(at);
    }

    /// Moves the lines from `at` on, which are received ones: what ended at `old` now ends at `new`.
    pub(crate) fn shift(&mut self, at: usize, old: usize, new: usize) {
        // Whoever made room for a line has found that the offsets fit.
        let by = |offset: &mut u32| {
            let moved = to_usize(*offset).saturating_add(new).saturating_sub(old);
            *offset = u32::try_from(moved).unwrap_or(u32::MAX);
        };
        for line in self.lines.iter_mut().skip(at) {
            by(&mut line.start);
            by(&mut line.name_end);
            by(&mut line.value);
            by(&mut line.value_end);
            by(&mut line.end);
        }
    }

    pub(super) fn remove(&mut self, at: usize) {
        self.index.is_stale = true;
        if at < self.lines.len() {
            let line = self.lines.remove(at);
            self.let_go(line);
        }
    }

    /// Drops the lines that `keep` is false for. It may give a line another text.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Self, Line) -> Retained) {
        let mut lines = core::mem::take(&mut self.lines);
        let mut is_changed = false;
        lines.retain_mut(|line| match keep(self, *line) {
            Retained::Kept => true,
            Retained::Dropped => {
                is_changed = true;
                self.let_go(*line);
                false
            }
            Retained::Rewritten(name, value) => {
                self.let_go(*line);
                line.value_end = self.keep(Some(name), value);
                line.origin = Origin::Written;
                true
            }
        });
        self.index.is_stale |= is_changed;
        self.lines = lines;
    }

    fn keep(&mut self, name: Option<HeaderName>, value: ByteStr) -> u32 {
        let kept = Some(Kept { name, value });
        if let Some(place) = self.free.pop() {
            if let Some(free) = self.kept.get_mut(to_usize(place)) {
                *free = kept;
            }
            return place;
        }
        self.kept.push(kept);
        u32::try_from(self.kept.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    fn let_go(&mut self, line: Line) {
        if line.origin != Origin::Received
            && let Some(kept) = self.kept.get_mut(to_usize(line.value_end))
        {
            *kept = None;
            self.free.push(line.value_end);
        }
    }

    fn kept(&self, line: &Line) -> Option<&Kept> {
        self.kept.get(to_usize(line.value_end))?.as_ref()
    }

    /// The first line of that name.
    #[inline]
    pub(crate) fn first(&self, head: &[u8], name: &HeaderName) -> Option<usize> {
        if !self.index.is_stale
            && let Some(known) = name.known()
            && let Some(bit) = known.bit()
        {
            if self.index.present & bit == 0 {
                return None;
            }
            if let Some(first) = self.index.first.get(known.index()) {
                return Some(usize::from(*first));
            }
        }
        self.search(head, name, 0)
    }

    /// The next line of that name after one that was found.
    #[inline]
    pub(crate) fn after(&self, head: &[u8], name: &HeaderName, found: usize) -> Option<usize> {
        if !self.index.is_stale
            && let Some(known) = name.known()
            && let Some(bit) = known.bit()
        {
            let last = self.index.last.get(known.index());
            if self.index.repeated & bit == 0 || last.is_some_and(|last| usize::from(*last) <= found) {
                return None;
            }
        }
        self.search(head, name, found.saturating_add(1))
    }

    fn search(&self, head: &[u8], name: &HeaderName, from: usize) -> Option<usize> {
        let lines = self.lines.get(from..)?;
        let at = match name.known() {
            Some(known) => lines.iter().position(|line| line.known == Some(known)),
            None => lines.iter().position(|line| self.is_named(head, line, name)),
        };
        #[cfg(test)]
        super::octets::work::add(at.map_or(lines.len(), |at| at + 1));
        at.map(|at| from.saturating_add(at))
    }

    #[inline]
    pub(crate) fn get(&self, at: usize) -> Option<&Line> {
        self.lines.get(at)
    }

    pub(crate) fn is_named(&self, head: &[u8], line: &Line, name: &HeaderName) -> bool {
        match (line.known, name.known()) {
            (None, None) => self.name(head, line).eq_ignore_ascii_case(name.as_str()),
            (found, wanted) => found == wanted,
        }
    }

    /// The name as it is spelled.
    pub(crate) fn name<'a>(&'a self, head: &'a [u8], line: &Line) -> &'a str {
        match line.origin {
            Origin::Received | Origin::Folded => text(head, line.start, line.name_end),
            Origin::Written => self
                .kept(line)
                .and_then(|kept| kept.name.as_ref())
                .map_or("", HeaderName::as_str),
        }
    }

    /// The value in one piece.
    #[inline]
    pub(crate) fn value<'a>(&'a self, head: &'a [u8], line: &Line) -> &'a str {
        match line.origin {
            Origin::Received => text(head, line.value, line.value_end),
            Origin::Folded | Origin::Written => self.kept(line).map_or("", |kept| kept.value.as_str()),
        }
    }

    /// The octets of the value in one piece.
    #[inline]
    pub(crate) fn octets<'a>(&'a self, head: &'a [u8], line: &Line) -> &'a [u8] {
        match line.origin {
            Origin::Received => {
                let range = to_usize(line.value)..to_usize(line.value_end);
                head.get(range).unwrap_or_default()
            }
            Origin::Folded | Origin::Written => self.kept(line).map_or(&[], |kept| kept.value.as_bytes()),
        }
    }

    /// The value, if it is kept and so shared already.
    pub(crate) fn kept_value(&self, line: &Line) -> Option<&ByteStr> {
        match line.origin {
            Origin::Received => None,
            Origin::Folded | Origin::Written => self.kept(line).map(|kept| &kept.value),
        }
    }
}

/// What becomes of a line.
pub(super) enum Retained {
    Kept,
    Dropped,
    Rewritten(HeaderName, ByteStr),
}

/// Scanning has found the head to be UTF-8, and the offsets to be in it.
#[inline]
fn text(head: &[u8], start: u32, end: u32) -> &str {
    let octets = head.get(to_usize(start)..to_usize(end)).unwrap_or_default();
    core::str::from_utf8(octets).unwrap_or_default()
}

#[inline]
pub(crate) fn to_usize(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// A fold, with all white space at its start and end, is one space (RFC 3261 7.3.1).
pub(crate) fn unfold(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for (index, line) in value.split("\r\n").enumerate() {
        if index == 0 {
            out.push_str(line);
            continue;
        }
        out.truncate(out.trim_end_matches([' ', '\t']).len());
        out.push(' ');
        out.push_str(line.trim_start_matches([' ', '\t']));
    }
    out
}

/// Checks text that is to stand in a header field on one line.
///
/// A control character is legal as the second half of a quoted-pair only (RFC 4475 3.1.1.2 has NUL and DEL there), and no
/// line end is.
pub(crate) fn check_text(text: &[u8]) -> Result<(), ParseError> {
    let is_plain = |byte: &u8| !byte.is_ascii_control() || *byte == b'\t';
    // Without an early end the loop takes many octets at once.
    if !text.iter().fold(false, |found, byte| found | !is_plain(byte)) {
        return Ok(());
    }
    let (mut quoted, mut escaped) = (false, false);
    for (offset, byte) in text.iter().enumerate() {
        let is_pair = quoted && escaped && !matches!(byte, b'\r' | b'\n');
        if !is_plain(byte) && !is_pair {
            return Err(ParseError::new(ParseErrorKind::ControlCharacter, offset));
        }
        if escaped {
            escaped = false;
        } else if *byte == b'"' {
            quoted = !quoted;
        } else {
            escaped = quoted && *byte == b'\\';
        }
    }
    Ok(())
}
