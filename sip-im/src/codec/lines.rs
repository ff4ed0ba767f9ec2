//! From octets to lines, in one pass: where the start line ends, where each header field has its name and its value, and
//! where the head ends.
//!
//! The pass may stop at any octet and go on when more have come, so a stream that comes octet by octet is read once. What
//! the octets of the values are is looked at once the head is whole: most heads are plain text, and that is told of many
//! octets at a time.

use super::error::{MessageError, MessageErrorKind, Place};
use super::limits::Limits;
use crate::error::ParseErrorKind;
#[cfg(test)]
use crate::header::octets::work;
use crate::header::octets::{is_token_byte, run};
use crate::header::{Known, Line, Origin, Table, check_text, to_usize, unfold};

/// How far the lines of a head are read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scanner {
    /// Where the line that is read next starts.
    at: usize,
    /// Up to here there is no line end after `at`.
    searched: usize,
    /// The length of the start line, once it is known.
    start: Option<usize>,
    /// Line ends so far.
    breaks: usize,
    has_folds: bool,
}

impl Scanner {
    /// A scanner of header lines without a start line, those of a body part.
    pub(super) fn of_fields() -> Self {
        Self {
            start: Some(0),
            ..Self::default()
        }
    }

    /// The length of the start line.
    pub(super) fn start(&self) -> usize {
        self.start.unwrap_or(0)
    }

    /// Reads on, and gives the length of the head when it is whole.
    ///
    /// Whatever fails here leaves no sure end of the message, since two readers could see different lines.
    pub(super) fn advance(
        &mut self,
        octets: &[u8],
        table: &mut Table,
        limits: &Limits,
    ) -> Result<Option<usize>, MessageError> {
        let head = octets.get(..limits.head_octets).unwrap_or(octets);
        if u32::try_from(head.len()).is_err() {
            // Offsets are kept in 32 bits, which limits in use never reach.
            return Err(syntax(ParseErrorKind::LimitExceeded, 0));
        }
        // A copy of its own stays in the registers.
        let mut scanner = *self;
        let lines = scanner.read_lines(head, table, limits.header_lines);
        *self = scanner;
        match lines {
            Ok(Some(end)) => {
                let head = head.get(..end).unwrap_or_default();
                self.finish(head, table)?;
                Ok(Some(end))
            }
            Ok(None) if octets.len() > limits.head_octets => Err(MessageError::new(
                MessageErrorKind::HeadTooLarge,
                Place::HeaderLine,
                limits.head_octets,
            )),
            Ok(None) => Ok(None),
            Err(Fault { kind, at }) => Err(MessageError::new(kind, Place::HeaderLine, at)),
        }
    }

    /// Reads header lines that end with the octets, or with an empty line.
    pub(super) fn read_all(
        &mut self,
        octets: &[u8],
        table: &mut Table,
        limits: &Limits,
    ) -> Result<(), MessageError> {
        if self.advance(octets, table, limits)?.is_some() {
            return Ok(());
        }
        if self.at == octets.len() {
            return self.finish(octets, table);
        }
        let kind = MessageErrorKind::Incomplete;
        Err(MessageError::new(kind, Place::HeaderLine, octets.len()))
    }

    /// Reads lines up to the empty one; without it the octets end inside the head.
    #[inline]
    fn read_lines(&mut self, head: &[u8], table: &mut Table, limit: usize) -> Result<Option<usize>, Fault> {
        #[cfg(test)]
        if self.searched > self.at {
            work::add(head.len().saturating_sub(self.searched));
        }
        if self.searched > self.at && memchr::memchr(b'\n', from(head, self.searched)).is_none() {
            self.searched = head.len();
            return Ok(None);
        }
        if self.start.is_none() {
            let Some(end) = self.line_end(head, 0)? else {
                return Ok(None);
            };
            self.start = Some(end);
            self.next_line(end);
        }
        loop {
            match from(head, self.at) {
                [b'\r', b'\n', ..] => {
                    self.next_line(self.at);
                    return Ok(Some(self.at));
                }
                [] | [b'\r'] => return Ok(None),
                [b'\r', ..] => return Err(Fault::control_character(self.at)),
                [b' ' | b'\t', ..] => {
                    let Some(end) = self.line_end(head, self.at)? else {
                        return Ok(None);
                    };
                    let Some(line) = table.last_mut() else {
                        return Err(Fault::syntax(ParseErrorKind::UnexpectedText, self.at));
                    };
                    self.next_line(end);
                    line.origin = Origin::Folded;
                    line.end = to_offset(self.at);
                    self.has_folds = true;
                }
                _ => {
                    let start = self.at;
                    let Some(line) = self.read_field(head)? else {
                        return Ok(None);
                    };
                    if table.len() >= limit {
                        let kind = MessageErrorKind::HeadTooLarge;
                        return Err(Fault { kind, at: start });
                    }
                    table.push(line);
                }
            }
        }
    }

    /// Where the line that goes on at `at` ends: at its CRLF, if that is there.
    #[inline]
    fn line_end(&mut self, head: &[u8], at: usize) -> Result<Option<usize>, Fault> {
        let found = memchr::memchr(b'\n', from(head, at));
        #[cfg(test)]
        work::add(found.unwrap_or(from(head, at).len()));
        let Some(length) = found else {
            self.searched = head.len();
            return Ok(None);
        };
        let feed = at.saturating_add(length);
        let end = feed.saturating_sub(1);
        // A bare LF ends a line for some readers and not for others. A bare CR is found with the other control characters.
        if length > 0 && head.get(end) == Some(&b'\r') {
            Ok(Some(end))
        } else {
            Err(Fault::control_character(feed))
        }
    }

    #[inline]
    fn next_line(&mut self, end: usize) {
        self.at = end.saturating_add(2);
        self.searched = self.at;
        self.breaks = self.breaks.saturating_add(1);
    }

    /// Reads the header field at `self.at`, if its line is whole.
    #[inline]
    fn read_field(&mut self, head: &[u8]) -> Result<Option<Line>, Fault> {
        let start = self.at;
        let name_end = run(head, start, is_token_byte);
        let mut colon = name_end;
        if head.get(colon) != Some(&b':') {
            colon = run(head, name_end, is_blank);
            if let Some(fault) = colon_fault(from(head, colon), colon) {
                return self.whole_line(head, colon, fault);
            }
        }
        if name_end == start {
            return self.whole_line(head, start, Fault::syntax(ParseErrorKind::Empty, start));
        }
        let value = run(head, colon.saturating_add(1), is_blank);
        // From the octet before on, since the CR is looked for there.
        let Some(end) = self.line_end(head, value.saturating_sub(1))? else {
            return Ok(None);
        };
        let name = head.get(start..name_end).unwrap_or_default();
        let mut value_end = end;
        while value_end > value
            && head
                .get(value_end.saturating_sub(1))
                .is_some_and(|byte| is_blank(*byte))
        {
            value_end = value_end.saturating_sub(1);
        }
        self.next_line(end);
        Ok(Some(Line {
            known: Known::find(name),
            origin: Origin::Received,
            start: to_offset(start),
            name_end: to_offset(name_end),
            value: to_offset(value),
            value_end: to_offset(value_end),
            end: to_offset(self.at),
        }))
    }

    /// A line is at fault once it is whole, and not before: the same octets are the same stream, however they are cut.
    fn whole_line(&mut self, head: &[u8], at: usize, fault: Fault) -> Result<Option<Line>, Fault> {
        if memchr::memchr(b'\n', from(head, at)).is_some() {
            return Err(fault);
        }
        self.searched = head.len();
        Ok(None)
    }

    /// Checks the octets of a whole head, and puts folded values together.
    fn finish(&mut self, head: &[u8], table: &mut Table) -> Result<(), MessageError> {
        if !self.has_folds && is_plain(head, self.breaks) {
            return Ok(());
        }
        let text = core::str::from_utf8(head)
            .map_err(|error| syntax(ParseErrorKind::NotUtf8, error.valid_up_to()))?;
        // Folding takes line ends off, and must not take off what only some readers hold for one.
        let mut returns = memchr::memchr_iter(b'\r', head);
        if let Some(bare) = returns.find(|at| head.get(at.saturating_add(1)) != Some(&b'\n')) {
            return Err(control_character(bare));
        }
        let start = text.get(..self.start()).unwrap_or_default();
        check_text(start.as_bytes()).map_err(|error| {
            let kind = MessageErrorKind::Syntax(error.kind);
            MessageError::new(kind, Place::StartLine, error.offset)
        })?;
        for at in 0..table.len() {
            let Some(line) = table.get(at).copied() else {
                break;
            };
            let start = to_usize(line.value);
            if line.origin == Origin::Folded {
                let end = to_usize(line.end).saturating_sub(2);
                let whole = text.get(start..end).unwrap_or_default();
                // A value whose first line is empty starts in the fold.
                let value = whole.trim_start_matches([' ', '\t', '\r', '\n']);
                let start = end.saturating_sub(value.len());
                let value = value.trim_end_matches([' ', '\t', '\r', '\n']);
                // A quoted string goes on over the fold, so the value is checked as one.
                check(&value.replace("\r\n", ""), start)?;
                table.unfold(at, to_offset(start), unfold(value));
            } else {
                check(
                    text.get(start..to_usize(line.value_end)).unwrap_or_default(),
                    start,
                )?;
            }
        }
        Ok(())
    }
}

/// Is there nothing to look at more closely: no octet above 126, and no control character but the CRs and LFs of the line ends?
///
/// Each line end has two octets that are no text, so that as many tell that there are no others.
fn is_plain(head: &[u8], breaks: usize) -> bool {
    // Without branches, and in pieces of a fixed size, many octets are looked at at once. To sum up a piece costs as much as
    // looking at some twenty octets, so that the pieces are large, and those of the rest are not.
    let (pieces, rest) = head.as_chunks::<128>();
    let mut odd = count_odd(pieces);
    let (pieces, rest) = rest.as_chunks::<32>();
    odd = odd.saturating_add(count_odd(pieces));
    let mut last = [b' '; 32];
    if let Some(place) = last.get_mut(..rest.len()) {
        place.copy_from_slice(rest);
    }
    odd.saturating_add(count_odd(&[last])) == breaks.saturating_mul(2)
}

/// How many octets are no text?
#[inline]
fn count_odd<const LENGTH: usize>(pieces: &[[u8; LENGTH]]) -> usize {
    let mut odd: usize = 0;
    for piece in pieces {
        // A piece has less than 256 octets.
        let mut count: u8 = 0;
        for byte in piece {
            count = count.wrapping_add(u8::from(byte.wrapping_sub(b' ') >= 0x5f));
        }
        odd = odd.saturating_add(usize::from(count));
    }
    odd
}

/// What is wrong with what follows a name, if it is not the colon.
// HCOLON = *( SP / HTAB ) ":" SWS: white space before the colon is not part of the name.
#[cold]
fn colon_fault(rest: &[u8], at: usize) -> Option<Fault> {
    match rest {
        [b':', ..] => None,
        [b'\r', b'\n', ..] => Some(Fault::syntax(ParseErrorKind::UnexpectedEnd, at)),
        [b'\r' | b'\n', ..] => Some(Fault::control_character(at)),
        _ => Some(Fault::syntax(ParseErrorKind::UnexpectedText, at)),
    }
}

#[inline]
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// What is wrong with the lines, small enough to be returned at no cost.
#[derive(Debug)]
struct Fault {
    kind: MessageErrorKind,
    at: usize,
}

impl Fault {
    fn syntax(kind: ParseErrorKind, at: usize) -> Self {
        let kind = MessageErrorKind::Syntax(kind);
        Self { kind, at }
    }

    fn control_character(at: usize) -> Self {
        Self::syntax(ParseErrorKind::ControlCharacter, at)
    }
}

fn check(text: &str, start: usize) -> Result<(), MessageError> {
    check_text(text.as_bytes()).map_err(|error| syntax(error.kind, start.saturating_add(error.offset)))
}

fn from(head: &[u8], at: usize) -> &[u8] {
    head.get(at..).unwrap_or_default()
}

fn syntax(kind: ParseErrorKind, at: usize) -> MessageError {
    MessageError::new(MessageErrorKind::Syntax(kind), Place::HeaderLine, at)
}

fn control_character(at: usize) -> MessageError {
    syntax(ParseErrorKind::ControlCharacter, at)
}

/// The offset in a head whose length fits 32 bits.
#[inline]
fn to_offset(octets: usize) -> u32 {
    u32::try_from(octets).unwrap_or(u32::MAX)
}
