//! A message that is being written: each line is put down once, where it goes out from.

use core::fmt;

use bytes::Bytes;

use crate::codec::view::{self, Viewed};
use crate::error::{BuildError, HeaderError, ParseError, ParseErrorKind};
use crate::header::{HeaderName, Headers, Line, Origin, RawLine, Table};

/// The start line and the header fields of a message, as far as they are written.
#[derive(Clone, Default)]
pub(super) struct Draft {
    octets: Vec<u8>,
    /// The length of the start line.
    start: usize,
    /// The lines, as ranges of the octets and in their order.
    table: Table,
}

/// A message that is written.
pub(super) struct Written {
    pub(super) start: usize,
    pub(super) headers: Headers,
    pub(super) body: Bytes,
}

impl Draft {
    /// Starts with the pieces of a start line, and with room for so many octets and lines.
    pub(super) fn new(start_line: &[&[u8]], octets: usize, lines: usize) -> Self {
        let mut draft = Self {
            octets: Vec::with_capacity(octets),
            start: 0,
            table: Table::default(),
        };
        draft.table.reserve(lines);
        for piece in start_line {
            draft.octets.extend_from_slice(piece);
        }
        draft.start = draft.octets.len();
        draft.octets.extend_from_slice(b"\r\n");
        draft
    }

    /// Replaces the start line.
    pub(super) fn set_start(&mut self, start_line: &str) {
        let old = self.start.min(self.octets.len());
        put(&mut self.octets, 0, old, &[start_line]);
        self.start = start_line.len();
        self.table.shift(0, old, self.start);
    }

    pub(super) fn view<H: Viewed>(&self) -> Result<Option<H::View<'_>>, HeaderError> {
        view::get::<H>(&self.table, &self.octets)
    }

    /// The value of the first field of that name.
    pub(super) fn text(&self, name: &HeaderName) -> Option<&str> {
        let line = self.table.get(self.table.first(&self.octets, name)?)?;
        Some(self.table.value(&self.octets, line))
    }

    /// Appends a line with a value that no line ends in.
    pub(super) fn push(&mut self, name: &HeaderName, value: &str) -> Result<(), BuildError> {
        self.push_octets(name, value.as_bytes())
    }

    #[inline]
    fn push_octets(&mut self, name: &HeaderName, value: &[u8]) -> Result<(), BuildError> {
        let start = self.octets.len();
        let line = line_of(start, name, value.len())?;
        self.octets.extend_from_slice(name.as_str().as_bytes());
        self.octets.extend_from_slice(b": ");
        self.octets.extend_from_slice(value);
        self.octets.extend_from_slice(b"\r\n");
        self.table.push(line);
        Ok(())
    }

    /// Replaces all fields of that name by this one, in the place of the first.
    pub(super) fn set(&mut self, name: &HeaderName, value: &str) -> Result<(), BuildError> {
        let Some(first) = self.table.first(&self.octets, name) else {
            return self.push(name, value);
        };
        while let Some(next) = self.table.after(&self.octets, name, first) {
            let Some(line) = self.table.get(next).copied() else {
                break;
            };
            let (start, end) = line.range();
            put(&mut self.octets, start, end, &[]);
            self.table.cut(next);
            self.table.shift(next, end, start);
        }
        let Some(old) = self.table.get(first).copied() else {
            return Ok(());
        };
        let (start, end) = old.range();
        let line = line_of(start, name, value.len())?;
        put(
            &mut self.octets,
            start,
            end,
            &[name.as_str(), ": ", value, "\r\n"],
        );
        self.table.exchange(first, line);
        self.table.shift(first.saturating_add(1), end, line.range().1);
        Ok(())
    }

    /// Appends to the value of the first field of that name.
    pub(super) fn extend_value(&mut self, name: &HeaderName, more: [&str; 2]) -> Result<(), BuildError> {
        let Some(at) = self.table.first(&self.octets, name) else {
            return Ok(());
        };
        let Some(old) = self.table.get(at).copied() else {
            return Ok(());
        };
        let value = self.table.value(&self.octets, &old).len();
        let grown = more
            .iter()
            .fold(value, |sum, part| sum.saturating_add(part.len()));
        let (start, end) = old.range();
        let line = line_of(start, name, grown)?;
        let place = end.saturating_sub(2);
        put(&mut self.octets, place, place, &more);
        self.table.exchange(at, line);
        self.table.shift(at.saturating_add(1), end, line.range().1);
        Ok(())
    }

    /// Appends all fields of that name of another message, as they were written there.
    pub(super) fn copy(&mut self, from: &Headers, name: &HeaderName) -> Result<(), BuildError> {
        for RawLine { line, value } in from.raw(name) {
            // As we write it, so that it is copied at once.
            let spelled = line.and_then(|line| line.strip_prefix(name.as_str().as_bytes()));
            let plain = spelled.and_then(|rest| rest.strip_prefix(b": "));
            match (line, plain) {
                (Some(line), Some(rest)) if rest.len() == value.len().saturating_add(2) => {
                    let place = line_of(self.octets.len(), name, value.len())?;
                    self.octets.extend_from_slice(line);
                    self.table.push(place);
                }
                _ => self.push_octets(name, value)?,
            }
        }
        Ok(())
    }

    /// Ends the head of a message that goes out as it is.
    pub(super) fn finish(mut self, body: &[u8]) -> Result<Written, BuildError> {
        self.end_head(body.len())?;
        let head = self.octets.len();
        self.octets.reserve_exact(body.len());
        self.octets.extend_from_slice(body);
        let block = Bytes::from(self.octets);
        let body = match body.len() {
            0 => Bytes::new(),
            _ => block.slice(head..),
        };
        Ok(Written {
            start: self.start,
            headers: Headers::received(block, self.table),
            body,
        })
    }

    /// Ends the head of a message that is written once more before it goes out, and its body only then.
    pub(super) fn finish_head(mut self, body: Bytes) -> Result<Written, BuildError> {
        self.end_head(body.len())?;
        let mut headers = Headers::received(Bytes::from(self.octets), self.table);
        headers.mark_edited();
        Ok(Written {
            start: self.start,
            headers,
            body,
        })
    }

    fn end_head(&mut self, body: usize) -> Result<(), BuildError> {
        if body == 0 {
            self.push(&HeaderName::CONTENT_LENGTH, "0")?;
        } else {
            self.push(&HeaderName::CONTENT_LENGTH, &body.to_string())?;
        }
        self.octets.extend_from_slice(b"\r\n");
        Ok(())
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Header fields hold credentials.
        f.debug_struct("Draft")
            .field("lines", &self.table.len())
            .finish_non_exhaustive()
    }
}

/// The line that starts there and has a value of that length.
fn line_of(start: usize, name: &HeaderName, value: usize) -> Result<Line, BuildError> {
    let name_end = start.saturating_add(name.as_str().len());
    let value_start = name_end.saturating_add(2);
    let value_end = value_start.saturating_add(value);
    let end = value_end.saturating_add(2);
    let too_large = |_| BuildError::Invalid(name.clone(), ParseError::new(ParseErrorKind::LimitExceeded, 0));
    let end = u32::try_from(end).map_err(too_large)?;
    // Nothing is behind the end.
    let offset = |at: usize| u32::try_from(at).unwrap_or(end);
    Ok(Line {
        known: name.known(),
        origin: Origin::Received,
        start: offset(start),
        name_end: offset(name_end),
        value: offset(value_start),
        value_end: offset(value_end),
        end,
    })
}

/// Puts text in the place of some octets, which are there.
fn put(octets: &mut Vec<u8>, start: usize, end: usize, parts: &[&str]) {
    let added = parts
        .iter()
        .fold(0_usize, |sum, part| sum.saturating_add(part.len()));
    let (length, behind) = (octets.len(), start.saturating_add(added));
    let grown = length
        .saturating_add(added)
        .saturating_sub(end.saturating_sub(start));
    if grown > length {
        octets.resize(grown, 0);
    }
    octets.copy_within(end.min(length)..length, behind);
    octets.truncate(grown);
    let mut at = start;
    for part in parts {
        let next = at.saturating_add(part.len());
        if let Some(place) = octets.get_mut(at..next) {
            place.copy_from_slice(part.as_bytes());
        }
        at = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(draft: Draft) -> String {
        let Written { headers, .. } = draft.finish(b"body").unwrap();
        String::from_utf8(headers.block().to_vec()).unwrap()
    }

    #[test]
    fn lines_are_exchanged_where_they_stand() {
        let mut draft = Draft::new(&[b"A"], 0, 0);
        let (subject, other) = (HeaderName::SUBJECT, HeaderName::parse("X-Other").unwrap());
        for (name, value) in [
            (&subject, "1"),
            (&other, "2"),
            (&subject, "3"),
            (&HeaderName::SERVER, "4"),
        ] {
            draft.push(name, value).unwrap();
        }
        draft.set(&subject, "longer").unwrap();
        draft.set(&HeaderName::SERVER, "").unwrap();
        draft.extend_value(&other, [";", "more"]).unwrap();
        draft.set_start("SIP/2.0 200 OK");
        let values = [&subject, &other, &HeaderName::SERVER].map(|name| draft.text(name));
        assert_eq!(values, [Some("longer"), Some("2;more"), Some("")]);
        draft.set_start("");
        draft.set(&subject, "s").unwrap();
        draft.set(&HeaderName::ORGANIZATION, "o").unwrap();
        assert_eq!(draft.text(&other), Some("2;more"));
        assert_eq!(
            text(draft),
            "\r\nSubject: s\r\nX-Other: 2;more\r\nServer: \r\nOrganization: o\r\nContent-Length: 4\r\n\r\nbody"
        );
    }
}
