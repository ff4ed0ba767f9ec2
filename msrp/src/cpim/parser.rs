//! The two header blocks, read piece by piece.

use bytes::{BufMut, BytesMut};

use super::{CpimError, CpimErrorKind, Head, Limits};

/// Reads the two header blocks from an envelope that arrives in pieces.
///
/// ```
/// use msrp::cpim::{HeadParser, Limits, Progress};
///
/// let mut parser = HeadParser::new(Limits::default());
/// assert!(matches!(parser.push(b"From: <sip:a@example.com>\r\n\r\nContent-Ty")?, Progress::NeedMore));
/// let Progress::Done { head, consumed } = parser.push(b"pe: text/plain\r\n\r\nHi")? else { unreachable!() };
/// assert_eq!(consumed, 18, "octets of the last piece that belong to the head");
/// assert!(head.content_type().is("text", "plain"));
/// # Ok::<(), msrp::cpim::CpimError>(())
/// ```
#[derive(Debug)]
pub struct HeadParser {
    limits: Limits,
    kept: BytesMut,
    /// Where the line begins that is not complete yet.
    line_start: usize,
    /// How far that line has been searched for its end.
    searched: usize,
    /// Whether the first block has ended.
    in_content_block: bool,
    lines: Vec<Line>,
    done: bool,
}

/// What came of a piece.
#[derive(Debug)]
#[non_exhaustive]
pub enum Progress {
    /// The head is not complete; the whole piece was taken.
    NeedMore,
    /// The head is complete.
    Done {
        /// The head.
        head: Box<Head>,
        /// How many octets of the last piece belong to it; the content follows.
        consumed: usize,
    },
}

/// A line of a header block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) content_block: bool,
}

impl HeadParser {
    /// Nothing read yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            kept: BytesMut::new(),
            line_start: 0,
            searched: 0,
            in_content_block: false,
            lines: Vec::new(),
            done: false,
        }
    }

    /// Takes the next piece. After [`Progress::Done`] or an error there is nothing more to push.
    ///
    /// # Errors
    ///
    /// Fails when a block is malformed or larger than the limits.
    pub fn push(&mut self, piece: &[u8]) -> Result<Progress, CpimError> {
        if self.done {
            return Err(CpimError {
                kind: CpimErrorKind::Field,
                offset: self.line_start,
            });
        }
        let before = self.kept.len();
        let room = self.limits.head_octets.saturating_sub(before);
        let taken = piece.get(..room.min(piece.len())).unwrap_or_default();
        self.kept.put_slice(taken);
        while let Some(end) = self.line_end()? {
            let line = Line {
                start: self.line_start,
                end,
                content_block: self.in_content_block,
            };
            self.line_start = end.saturating_add(2);
            self.searched = self.line_start;
            if line.start < line.end {
                if self.lines.len() >= self.limits.fields {
                    return Err(CpimError {
                        kind: CpimErrorKind::TooMany,
                        offset: line.start,
                    });
                }
                self.lines.push(line);
            } else if self.in_content_block {
                self.done = true;
                let octets = self.kept.split_to(self.line_start.min(self.kept.len())).freeze();
                let consumed = octets.len().saturating_sub(before);
                return Ok(Progress::Done {
                    head: Box::new(Head::read(&octets, &self.lines)?),
                    consumed,
                });
            } else {
                self.in_content_block = true;
            }
        }
        if taken.len() < piece.len() {
            return Err(CpimError {
                kind: CpimErrorKind::TooLarge,
                offset: self.kept.len(),
            });
        }
        Ok(Progress::NeedMore)
    }

    /// The end of the current line, before its CRLF, once that is there.
    fn line_end(&mut self) -> Result<Option<usize>, CpimError> {
        let unsearched = self.kept.get(self.searched..).unwrap_or_default();
        let Some(found) = memchr::memchr2(b'\r', b'\n', unsearched) else {
            self.searched = self.kept.len();
            return Ok(None);
        };
        let at = self.searched.saturating_add(found);
        self.searched = at;
        match (self.kept.get(at), self.kept.get(at.saturating_add(1))) {
            (Some(b'\r'), None) => Ok(None),
            (Some(b'\r'), Some(b'\n')) => Ok(Some(at)),
            _ => Err(CpimError {
                kind: CpimErrorKind::Control,
                offset: at,
            }),
        }
    }
}
