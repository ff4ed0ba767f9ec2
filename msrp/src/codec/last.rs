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

    /// Notes the headers of the same lines, if they are at that place, and says how long the lines are.
    #[inline]
    pub(super) fn read(&self, text: &[u8], at: usize, fields: &mut Fields) -> Option<usize> {
        if self.lines.is_empty() || !text.get(at..)?.starts_with(&self.lines) {
            return None;
        }
        let [to, from] = self.fields;
        fields.push(Known::ToPath, to.moved(at));
        fields.push(Known::FromPath, from.moved(at));
        [fields.to_path, fields.from_path] = self.parts;
        Some(self.lines.len())
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

/// The two media types that were read last: a text and its wrapper, or a message and its reports.
#[derive(Default)]
pub(super) struct LastTypes([LastType; 2]);

#[derive(Default)]
struct LastType {
    /// With its line end; empty if nothing is known.
    line: Vec<u8>,
    parts: Option<MediaTypeParts>,
}

impl LastTypes {
    /// What is longer changes with each message, as a boundary does, and is not kept.
    const LONGEST: usize = 64;

    /// Reads the media type at the beginning of `octets`, and says how long it is.
    #[inline]
    pub(super) fn read(&mut self, octets: &[u8], parts: &mut Option<MediaTypeParts>) -> Option<usize> {
        let is_here = |last: &&LastType| !last.line.is_empty() && octets.starts_with(&last.line);
        if let Some(last) = self.0.iter().find(is_here) {
            *parts = last.parts;
            return last.line.len().checked_sub(2);
        }
        let length = value_length(octets).ok()?;
        let line = octets.get(..length.checked_add(2)?)?;
        *parts = octets
            .get(..length)
            .and_then(|value| MediaTypeParts::read(std::str::from_utf8(value).ok()?));
        if parts.is_some() && length <= Self::LONGEST {
            self.0.swap(0, 1);
            let [last, _] = &mut self.0;
            last.line.clear();
            last.line.extend_from_slice(line);
            last.parts = *parts;
        }
        Some(length)
    }
}
