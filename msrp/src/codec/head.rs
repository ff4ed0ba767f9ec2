//! Start lines and headers.

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

use super::last::{LastPaths, LastTypes};
use super::line::{Line, line_end, name, usual_name, value_length, visible_length};
use super::{Continuation, DASHES, DecodeError, Leniency, Limits};
use crate::header::content::has_control;
use crate::header::{Field, Fields, Headers, Known};
use crate::text::ByteStr;
use crate::{MessageId, Method, StatusCode, TransactionId};

/// The first line of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the grammar has these two")]
pub enum StartLine {
    /// Of a request.
    Request(Method),
    /// Of a response.
    Response {
        /// The code.
        status: StatusCode,
        /// Words for a person.
        comment: Option<ByteStr>,
    },
}

/// The head of a message: start line and headers.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Head {
    /// The transaction.
    pub transaction: TransactionId,
    /// The first line.
    pub start: StartLine,
    /// The headers.
    pub headers: Headers,
    /// Whether a body follows, perhaps an empty one.
    pub has_body: bool,
    /// What is wrong with the head, if anything is; a request with it deserves 400. Headers that could not be read are
    /// left out.
    pub defect: Option<Defect>,
}

/// What is wrong with a head.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Defect {
    /// The method, or the code and comment, cannot be read.
    #[error("malformed start line")]
    StartLine,
    /// A line is not a header.
    #[error("malformed header in line {line}")]
    Header {
        /// Which line; the first header is in line 2.
        line: usize,
    },
    /// There are more headers than the limits allow.
    #[error("too many headers")]
    TooManyHeaders,
    /// `To-Path` and `From-Path` are not the first headers, in this order.
    #[error("to-path and from-path do not come first")]
    PathOrder,
}

/// The first line, as far as framing needs it: transaction, and what is behind it.
pub(super) fn split_start_line(line: &[u8]) -> Option<(TransactionId, &[u8])> {
    let rest = line.strip_prefix(b"MSRP ")?;
    let (transaction, length) = TransactionId::at_start_of(rest)?;
    Some((transaction, rest.get(length..)?.strip_prefix(b" ")?))
}

/// A head found in the octets of a connection, not yet cut out of them. A decoder has one that it finds each head with:
/// what is found is written where it stays until the head is made.
pub(super) struct Found {
    /// The length of the head without blank line or end-line.
    pub(super) length: usize,
    /// The length with it.
    pub(super) consumed: usize,
    /// How the message ends, if no body follows.
    pub(super) end: Option<Continuation>,
    pub(super) transaction: TransactionId,
    start: Start,
    fields: Fields,
    defect: Option<Defect>,
    last_paths: [LastPaths; 2],
    last_types: LastTypes,
}

#[derive(Clone, Copy)]
enum Start {
    Unreadable,
    Send,
    Report,
    Auth,
    Nickname,
    OtherMethod {
        from: usize,
    },
    Status {
        status: StatusCode,
        comment: Option<usize>,
    },
}

impl Found {
    pub(super) fn new() -> Self {
        Self {
            length: 0,
            consumed: 0,
            end: None,
            transaction: TransactionId::EMPTY,
            start: Start::Unreadable,
            fields: Fields::default(),
            defect: None,
            last_paths: Default::default(),
            last_types: LastTypes::default(),
        }
    }

    /// Reads a head, if all of it is there, and says whether it is. Each octet is looked at once: what ends a value is
    /// the same comparison that finds what must not be in it.
    pub(super) fn find(
        &mut self,
        text: &[u8],
        limits: &Limits,
        leniency: Leniency,
    ) -> Result<bool, DecodeError> {
        let mut at = if let Some((transaction, start, next)) = usual_start(text) {
            (self.transaction, self.start) = (transaction, start);
            next
        } else {
            let Some((end, next)) = line_end(text, 0) else {
                return Ok(false);
            };
            let line = text.get(..end).unwrap_or_default();
            let (transaction, rest) = split_start_line(line).ok_or(DecodeError::StartLine)?;
            self.transaction = transaction;
            self.start = read_start(rest, end, leniency);
            next
        };
        self.defect = matches!(self.start, Start::Unreadable).then_some(Defect::StartLine);
        self.fields.clear();
        let mut number = 1_usize;
        let paths = at;
        let known = self
            .last_paths
            .iter()
            .filter(|_| limits.headers >= 2)
            .find_map(|last| last.read(text, paths, &mut self.fields));
        if let Some(length) = known {
            at = at.saturating_add(length);
            number = 3;
        }
        loop {
            number = number.saturating_add(1);
            match self.read_line(text, at, limits, leniency) {
                Line::Field { end } => at = end.saturating_add(2),
                Line::Incomplete => return Ok(false),
                Line::Blank => {
                    self.length = at;
                    self.consumed = at.saturating_add(2);
                    self.end = None;
                    break;
                }
                Line::Other => {
                    let Some((end, next)) = line_end(text, at) else {
                        return Ok(false);
                    };
                    let line = text.get(at..end).unwrap_or_default();
                    let flag = end_of(line, &self.transaction);
                    if flag.is_some() {
                        self.length = at;
                        self.consumed = next;
                        self.end = flag;
                        break;
                    }
                    self.defect = self.defect.or(Some(Defect::Header { line: number }));
                    at = next;
                }
            }
        }
        if known.is_none() {
            // Two paths take turns where requests and responses do.
            self.last_paths.swap(0, 1);
            let [last, _] = &mut self.last_paths;
            last.note(text, paths, &self.fields);
        }
        if !leniency.path_order
            && self.defect.is_none()
            && !self.fields.begin_with([Known::ToPath, Known::FromPath])
        {
            self.defect = Some(Defect::PathOrder);
        }
        Ok(true)
    }

    /// Reads the line that begins at `at`.
    #[inline]
    fn read_line(&mut self, text: &[u8], at: usize, limits: &Limits, leniency: Leniency) -> Line {
        let rest = text.get(at..).unwrap_or_default();
        match rest.first() {
            Some(b'\r') if rest.starts_with(b"\r\n") => return Line::Blank,
            Some(b'\r' | b'-') => return Line::Other,
            _ => {}
        }
        let (known, name, mut value) = match usual_name(rest) {
            Some((known, value)) => (known, value.saturating_sub(": ".len()), value),
            None => match name(rest, leniency) {
                Ok(name) => name,
                Err(line) => return line,
            },
        };
        if leniency.header_space {
            while rest.get(value).is_some_and(|octet| matches!(octet, b' ' | b'\t')) {
                value = value.saturating_add(1);
            }
        }
        let octets = rest.get(value..).unwrap_or_default();
        let is_kept = self.fields.len() < limits.headers;
        // What most heads have is read on the way; of any other value only the end is looked for, and of one that is not
        // kept nothing may be known.
        let read = match known {
            _ if !is_kept => None,
            Known::ToPath => self.fields.to_path.read_in_line(octets),
            Known::FromPath => self.fields.from_path.read_in_line(octets),
            Known::ContentType => self.last_types.read(octets, &mut self.fields.media_type),
            Known::MessageId => {
                let length = visible_length(octets);
                self.fields.message_id = length.is_some_and(|length| length <= MessageId::MAX_RECEIVED);
                length
            }
            _ => None,
        };
        let length = match read {
            Some(length) => length,
            None => match value_length(octets) {
                Ok(length) => length,
                Err(line) => return line,
            },
        };
        let end = value.saturating_add(length);
        if is_kept {
            let field = Field::new(0..name, value..end).moved(at);
            self.fields.push(known, field);
        } else {
            self.defect = self.defect.or(Some(Defect::TooManyHeaders));
        }
        Line::Field {
            end: at.saturating_add(end),
        }
    }

    /// Makes the head of what was found; `text` is the octets that it was found in, as far as its length.
    #[inline]
    pub(super) fn take(&mut self, text: Bytes) -> Head {
        Head {
            transaction: self.transaction,
            start: self.start.in_text(&text),
            has_body: self.end.is_none(),
            defect: self.defect,
            headers: Headers::of_fields(self.fields.take(), text),
        }
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found").finish_non_exhaustive()
    }
}

impl Start {
    #[inline]
    fn in_text(self, text: &Bytes) -> StartLine {
        match self {
            Self::Send => StartLine::Request(Method::Send),
            Self::Report => StartLine::Request(Method::Report),
            Self::Auth => StartLine::Request(Method::Auth),
            Self::Nickname => StartLine::Request(Method::Nickname),
            Self::Unreadable => StartLine::Request(Method::Other(ByteStr::new())),
            Self::OtherMethod { from } => StartLine::Request(Method::Other(to_line_end(text, from))),
            Self::Status { status, comment } => StartLine::Response {
                status,
                comment: comment.map(|from| {
                    let usual = status.default_comment();
                    let rest = text.get(from..).unwrap_or_default();
                    // The usual comment need not keep the buffer alive.
                    match rest.strip_prefix(usual.as_bytes()) {
                        Some(rest) if rest.starts_with(b"\r\n") => ByteStr::from_static(usual),
                        _ => to_line_end(text, from),
                    }
                }),
            },
        }
    }
}

fn to_line_end(text: &Bytes, from: usize) -> ByteStr {
    let end = line_end(text, from).map_or(text.len(), |(end, _)| end);
    let octets = text
        .get(from..end)
        .map_or_else(Bytes::new, |part| text.slice_ref(part));
    ByteStr::try_from(octets).unwrap_or_default()
}

/// How the line of a body-less message says that it ends.
pub(super) fn end_of(line: &[u8], transaction: &TransactionId) -> Option<Continuation> {
    let flag = line.strip_prefix(DASHES)?.strip_prefix(transaction.as_bytes())?;
    match flag {
        [flag] => Continuation::of(*flag),
        _ => None,
    }
}

/// Reads the first line if it is one of those that most messages have, and says where the next begins.
#[inline]
fn usual_start(text: &[u8]) -> Option<(TransactionId, Start, usize)> {
    let rest = text.strip_prefix(b"MSRP ")?;
    let (transaction, length) = TransactionId::at_start_of(rest)?;
    let behind = rest.get(length..)?;
    let from = text.len().saturating_sub(behind.len());
    let (line, start): (&[u8], Start) = match behind.get(1)? {
        b'S' => (b" SEND\r\n", Start::Send),
        b'R' => (b" REPORT\r\n", Start::Report),
        b'2' => {
            let (status, comment) = (StatusCode::OK, Some(from.saturating_add(" 200 ".len())));
            (b" 200 OK\r\n", Start::Status { status, comment })
        }
        _ => return None,
    };
    let next = from.saturating_add(line.len());
    behind.starts_with(line).then_some((transaction, start, next))
}

/// Reads what follows the transaction in the first line, which ends at `end`.
fn read_start(rest: &[u8], end: usize, leniency: Leniency) -> Start {
    match rest {
        b"SEND" => Start::Send,
        b"REPORT" => Start::Report,
        b"AUTH" => Start::Auth,
        b"NICKNAME" => Start::Nickname,
        _ => read_other_start(rest, end, leniency).unwrap_or(Start::Unreadable),
    }
}

fn read_other_start(rest: &[u8], end: usize, leniency: Leniency) -> Option<Start> {
    let from = end.saturating_sub(rest.len());
    if let Some((digits, behind)) = rest.split_first_chunk::<3>()
        && digits.iter().all(u8::is_ascii_digit)
    {
        let code = digits
            .iter()
            .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        let comment = match behind.split_first() {
            None | Some((b' ', [])) => None,
            Some((b' ', comment)) if !has_control(comment) && std::str::from_utf8(comment).is_ok() => {
                Some(end.saturating_sub(comment.len()))
            }
            Some(_) => return None,
        };
        return Some(Start::Status {
            status: StatusCode::new(code)?,
            comment,
        });
    }
    let fits = |octet: u8| {
        octet.is_ascii_uppercase()
            || (leniency.method_characters && (octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-')))
    };
    let is_method = rest.first().is_some_and(u8::is_ascii_alphabetic) && rest.iter().copied().all(fits);
    is_method.then_some(Start::OtherMethod { from })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str, leniency: Leniency) -> Head {
        of(text.as_bytes(), leniency)
    }

    fn of(text: &[u8], leniency: Leniency) -> Head {
        let whole = Bytes::from([text, b"\r\n"].concat());
        let mut found = Found::new();
        assert_eq!(found.find(&whole, &Limits::default(), leniency), Ok(true));
        assert_eq!((found.length, found.consumed), (text.len(), whole.len()));
        found.take(whole.slice(..text.len()))
    }

    #[test]
    fn responses_may_lack_a_comment() {
        for (text, expected) in [
            ("MSRP abcd 200 OK then\r\n", Some("OK then")),
            ("MSRP abcd 200\r\n", None),
            ("MSRP abcd 200 \r\n", None),
        ] {
            let head = read(text, Leniency::STRICT.with_any_order());
            assert_eq!(head.defect, None);
            let StartLine::Response { status, comment } = head.start else {
                panic!()
            };
            assert_eq!((status, comment.as_deref()), (StatusCode::OK, expected));
        }
        for text in ["MSRP abcd 20\r\n", "MSRP abcd 2000\r\n", "MSRP abcd 2x0\r\n"] {
            assert_eq!(read(text, Leniency::default()).defect, Some(Defect::StartLine));
        }
    }

    #[test]
    fn the_methods_of_one_client_have_an_underscore() {
        let text = "MSRP abcd FILE_OFFSET\r\n";
        assert_eq!(read(text, Leniency::default()).defect, None);
        assert_eq!(read(text, Leniency::STRICT).defect, Some(Defect::StartLine));
    }

    #[test]
    fn space_after_the_colon_is_counted_only_when_strict() {
        let text = "MSRP abcd SEND\r\nTo-Path: a\r\nFrom-Path: b\r\nX:y\r\nZ:   z\r\n";
        let head = read(text, Leniency::default());
        assert_eq!(
            (head.headers.value("X"), head.headers.value("z")),
            (Some("y"), Some("z"))
        );
        assert_eq!(
            read(text, Leniency::STRICT).defect,
            Some(Defect::Header { line: 4 })
        );
    }

    #[test]
    fn paths_come_first_when_strict() {
        let text = "MSRP abcd SEND\r\nX: y\r\nTo-Path: a\r\nFrom-Path: b\r\n";
        assert_eq!(read(text, Leniency::default()).defect, None);
        assert_eq!(read(text, Leniency::STRICT).defect, Some(Defect::PathOrder));
    }

    #[test]
    fn a_bad_line_costs_itself() {
        let text = b"MSRP abcd SEND\r\nTo-Path: a\r\nbad\r\nX: \xff\r\nY : 1\r\nFrom-Path: b\r\n";
        let head = of(text, Leniency::default());
        assert_eq!(head.defect, Some(Defect::Header { line: 3 }));
        assert_eq!(
            head.headers.iter().collect::<Vec<_>>(),
            [("To-Path", "a"), ("From-Path", "b")]
        );
    }

    #[test]
    fn headers_are_counted() {
        let text = format!("MSRP abcd SEND\r\n{}", "X: y\r\n".repeat(65));
        let head = of(text.as_bytes(), Leniency::default());
        assert_eq!(
            (head.defect, head.headers.len()),
            (Some(Defect::TooManyHeaders), 64)
        );
    }

    impl Leniency {
        fn with_any_order(self) -> Self {
            Self {
                path_order: true,
                ..self
            }
        }
    }
}
