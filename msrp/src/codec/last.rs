//! What the last head had in it. Chunk follows chunk with the same paths and media type; to see that they are the same is
//! much cheaper than to read them again.

use super::line::value_length;
use crate::header::{Field, Fields, Known, MediaTypeParts, PathParts};

/// The paths that were read last, if they came first.
#[derive(Default)]
pub(super) struct LastPaths {
    /// Both lines; empty if nothing is known.
    lines: Vec<u8>,
    /// Where they are in the lines.
    fields: [Field; 2],
    parts: [PathParts; 2],
}

impl LastPaths {
    /// Longer paths are not kept, so that an idle connection stays small.
    const LONGEST: usize = 1024;

    /// Says whether the same lines are at that place, and notes their headers if they are.
    #[inline]
    pub(super) fn read(&self, text: &[u8], at: usize, fields: &mut Fields) -> bool {
        if self.lines.is_empty() || !text.get(at..).is_some_and(|rest| rest.starts_with(&self.lines)) {
            return false;
        }
        let [to, from] = self.fields;
        fields.push(Known::ToPath, to.moved(at));
        fields.push(Known::FromPath, from.moved(at));
        [fields.to_path, fields.from_path] = self.parts;
        true
    }

    /// How long the lines are.
    pub(super) fn length(&self) -> usize {
        self.lines.len()
    }

    /// Keeps the paths of a head whose headers begin at that place, if they are plain and come first.
    pub(super) fn note(&mut self, text: &[u8], at: usize, fields: &Fields) {
        self.lines.clear();
        let parts = [fields.to_path, fields.from_path];
        if !parts.iter().all(PathParts::is_known) {
            return;
        }
        let Some([to, from]) = fields.beginning([Known::ToPath, Known::FromPath]) else {
            return;
        };
        let end = from.value().end.saturating_add(2);
        // What is between the lines may be one that is no header.
        let is_near = to.name().start == at && to.value().end.saturating_add(2) == from.name().start;
        if let Some(lines) = text.get(at..end)
            && is_near
            && lines.len() <= Self::LONGEST
        {
            self.lines.extend_from_slice(lines);
            self.fields = [to.moved_back(at), from.moved_back(at)];
            self.parts = parts;
        }
    }
}

/// The media type that was read last.
#[derive(Default)]
pub(super) struct LastType {
    /// With its line end.
    line: Vec<u8>,
    parts: Option<MediaTypeParts>,
}

impl LastType {
    /// What is longer changes with each message, as a boundary does, and is not kept.
    const LONGEST: usize = 64;

    /// Reads the media type at the beginning of `octets`, and says how long its line is.
    #[inline]
    pub(super) fn read(&mut self, octets: &[u8], parts: &mut Option<MediaTypeParts>) -> Option<usize> {
        if self.parts.is_some() && octets.starts_with(&self.line) {
            *parts = self.parts;
            return self.line.len().checked_sub(2);
        }
        let length = value_length(octets).ok()?;
        self.parts = None;
        if length <= Self::LONGEST {
            self.note(octets.get(..length.checked_add(2)?)?);
        }
        *parts = self.parts;
        Some(length)
    }

    fn note(&mut self, line: &[u8]) {
        self.line.clear();
        self.line.extend_from_slice(line);
        let value = line.strip_suffix(b"\r\n").unwrap_or_default();
        self.parts = std::str::from_utf8(value).ok().and_then(MediaTypeParts::read);
    }
}
