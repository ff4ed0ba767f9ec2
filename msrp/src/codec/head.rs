//! Start lines and headers.

use bytes::Bytes;
use smallvec::SmallVec;
use thiserror::Error;

use super::{Continuation, DASHES, DecodeError, Leniency, Limits};
use crate::header::content::{has_control, is_token_octet};
use crate::header::{Field, Headers, Known};
use crate::text::ByteStr;
use crate::{Method, StatusCode, TransactionId};

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
    let end = rest.iter().position(|&octet| octet == b' ')?;
    let (transaction, rest) = rest.split_at_checked(end)?;
    let transaction = TransactionId::new(std::str::from_utf8(transaction).ok()?).ok()?;
    Some((transaction, rest.get(1..)?))
}

/// A head found in the octets of a connection, not yet cut out of them.
pub(super) struct Found {
    /// The length of the head without blank line or end-line.
    pub(super) length: usize,
    /// The length with it.
    pub(super) consumed: usize,
    /// How the message ends, if no body follows.
    pub(super) end: Option<Continuation>,
    pub(super) transaction: TransactionId,
    start: Option<Start>,
    fields: SmallVec<[Field; 12]>,
    defect: Option<Defect>,
}

enum Start {
    Method(Method),
    OtherMethod {
        from: usize,
    },
    Status {
        status: StatusCode,
        comment: Option<usize>,
    },
}

/// Reads a head, if all of it is there. Each octet is looked at once: what ends a value is the same comparison that
/// finds what must not be in it.
pub(super) fn find(text: &[u8], limits: &Limits, leniency: Leniency) -> Result<Option<Found>, DecodeError> {
    let Some(mut found) = scan(text, limits, leniency, false)? else {
        return Ok(None);
    };
    // Checking all at once is the fast way; line by line only when that fails.
    if std::str::from_utf8(text.get(..found.length).unwrap_or_default()).is_err() {
        match scan(text, limits, leniency, true)? {
            Some(checked) => found = checked,
            None => return Ok(None),
        }
    }
    if found.defect.is_none() && !leniency.path_order && !paths_come_first(&found.fields) {
        found.defect = Some(Defect::PathOrder);
    }
    Ok(Some(found))
}

fn scan(
    text: &[u8],
    limits: &Limits,
    leniency: Leniency,
    check_lines: bool,
) -> Result<Option<Found>, DecodeError> {
    let Some((first_end, mut at)) = line_end(text, 0) else {
        return Ok(None);
    };
    let line = text.get(..first_end).unwrap_or_default();
    let (transaction, rest) = split_start_line(line).ok_or(DecodeError::StartLine)?;
    let start = read_start(rest, first_end, leniency);
    let mut found = Found {
        length: 0,
        consumed: 0,
        end: None,
        transaction,
        defect: start.is_none().then_some(Defect::StartLine),
        start,
        fields: SmallVec::new(),
    };
    let mut number = 1_usize;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        number = number.saturating_add(1);
        match read_line(rest, leniency) {
            Line::Incomplete => return Ok(None),
            Line::Field {
                known,
                name,
                value,
                end,
            } => {
                let line = rest.get(..end).unwrap_or_default();
                if check_lines && std::str::from_utf8(line).is_err() {
                    found.defect = found.defect.or(Some(Defect::Header { line: number }));
                } else if found.fields.len() >= limits.headers {
                    found.defect = found.defect.or(Some(Defect::TooManyHeaders));
                } else {
                    let place = |octet: usize| u16::try_from(at.saturating_add(octet)).unwrap_or(u16::MAX);
                    found.fields.push(Field {
                        known,
                        name: (place(0), place(name)),
                        value: (place(value), place(end)),
                    });
                }
                at = at.saturating_add(end).saturating_add(2);
            }
            Line::Other => {
                let Some((end, next)) = line_end(text, at) else {
                    return Ok(None);
                };
                let line = text.get(at..end).unwrap_or_default();
                if line.is_empty() || line.starts_with(b"-") {
                    let flag = end_of(line, &transaction);
                    if line.is_empty() || flag.is_some() {
                        found.length = at;
                        found.consumed = next;
                        found.end = flag;
                        return Ok(Some(found));
                    }
                }
                found.defect = found.defect.or(Some(Defect::Header { line: number }));
                at = next;
            }
        }
    }
}

enum Line {
    /// A header that is well formed; the numbers are where name, value and line end, or begin.
    Field {
        known: Known,
        name: usize,
        value: usize,
        end: usize,
    },
    /// What is here may become a header.
    Incomplete,
    /// Anything else: a blank line, an end-line, or what is no header.
    Other,
}

fn read_line(rest: &[u8], leniency: Leniency) -> Line {
    let (known, name) = match known_name(rest) {
        Some(found) => found,
        None => match rest.iter().position(|&octet| !is_token_octet(octet)) {
            None => return Line::Incomplete,
            Some(length) => {
                let name = rest.get(..length).unwrap_or_default();
                if rest.get(length) != Some(&b':') || !name.first().is_some_and(u8::is_ascii_alphabetic) {
                    return Line::Other;
                }
                (Known::of(name), length)
            }
        },
    };
    let mut value = name.saturating_add(1);
    if leniency.header_space {
        while rest.get(value).is_some_and(|octet| matches!(octet, b' ' | b'\t')) {
            value = value.saturating_add(1);
        }
    } else if rest.get(value) == Some(&b' ') {
        value = value.saturating_add(1);
    } else {
        return Line::Other;
    }
    let Some(end) = control_from(rest, value) else {
        return Line::Incomplete;
    };
    match (rest.get(end), rest.get(end.saturating_add(1))) {
        (Some(b'\r'), Some(b'\n')) => Line::Field {
            known,
            name,
            value,
            end,
        },
        (Some(b'\r'), None) => Line::Incomplete,
        _ => Line::Other,
    }
}

/// The headers that nearly every message has, spelt as the RFC does; others are told by the general way.
fn known_name(line: &[u8]) -> Option<(Known, usize)> {
    let (name, known): (&[u8], Known) = match line.first()? {
        b'T' => (b"To-Path:", Known::ToPath),
        b'F' if line.starts_with(b"From") => (b"From-Path:", Known::FromPath),
        b'F' => (b"Failure-Report:", Known::FailureReport),
        b'M' => (b"Message-ID:", Known::MessageId),
        b'B' => (b"Byte-Range:", Known::ByteRange),
        b'C' => (b"Content-Type:", Known::ContentType),
        b'S' if line.starts_with(b"Success") => (b"Success-Report:", Known::SuccessReport),
        b'S' => (b"Status:", Known::Status),
        _ => return None,
    };
    line.starts_with(name).then_some((known, name.len() - 1))
}

/// Where the first control character other than a tab is, from a place on.
fn control_from(octets: &[u8], from: usize) -> Option<usize> {
    let is_control = |octet: u8| (octet != b'\t') & octet.is_ascii_control();
    let mut at = from;
    // Sixteen at a time, all of them, which the compiler turns into a few wide comparisons.
    while let Some(block) = octets.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        if block.iter().fold(false, |any, &octet| any | is_control(octet)) {
            break;
        }
        at = at.saturating_add(16);
    }
    let rest = octets.get(at..)?;
    let offset = rest.iter().position(|&octet| is_control(octet))?;
    at.checked_add(offset)
}

/// Where the line that begins at `from` ends, and where the next begins. A bare line feed ends no line.
fn line_end(text: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    loop {
        at = control_from(text, at)?;
        match (text.get(at), text.get(at.saturating_add(1))) {
            (Some(b'\r'), Some(b'\n')) => return Some((at, at.saturating_add(2))),
            (Some(b'\r'), None) => return None,
            _ => at = at.saturating_add(1),
        }
    }
}

/// How the line of a body-less message says that it ends.
pub(super) fn end_of(line: &[u8], transaction: &TransactionId) -> Option<Continuation> {
    let flag = line.strip_prefix(DASHES)?.strip_prefix(transaction.as_bytes())?;
    match flag {
        [flag] => Continuation::of(*flag),
        _ => None,
    }
}

impl Found {
    /// Makes the head of what was found; `text` is the octets that it was found in, as far as its length.
    pub(super) fn into_head(self, text: Bytes) -> Head {
        let part = |from: usize, to: usize| {
            ByteStr::try_from(
                text.get(from..to)
                    .map_or_else(Bytes::new, |part| text.slice_ref(part)),
            )
            .unwrap_or_default()
        };
        let first_line = |from: usize| line_end(&text, from).map_or(text.len(), |(end, _)| end);
        let start = match self.start {
            None => StartLine::Request(Method::Other(ByteStr::new())),
            Some(Start::Method(method)) => StartLine::Request(method),
            Some(Start::OtherMethod { from }) => {
                StartLine::Request(Method::Other(part(from, first_line(from))))
            }
            Some(Start::Status { status, comment }) => StartLine::Response {
                status,
                comment: comment.map(|from| {
                    let octets = text.get(from..first_line(from)).unwrap_or_default();
                    // The usual comment need not keep the buffer alive.
                    if octets == status.default_comment().as_bytes() {
                        ByteStr::from_static(status.default_comment())
                    } else {
                        part(from, first_line(from))
                    }
                }),
            },
        };
        Head {
            transaction: self.transaction,
            start,
            headers: Headers::of_fields(text, self.fields),
            has_body: self.end.is_none(),
            defect: self.defect,
        }
    }
}

/// Reads what follows the transaction in the first line, which ends at `end`.
fn read_start(rest: &[u8], end: usize, leniency: Leniency) -> Option<Start> {
    let from = end.saturating_sub(rest.len());
    let rest = std::str::from_utf8(rest).ok()?;
    if rest.bytes().next().is_some_and(|octet| octet.is_ascii_digit()) {
        let (digits, comment) = match rest.split_once(' ') {
            Some((digits, comment)) => (digits, Some(comment)),
            None => (rest, None),
        };
        let code = if digits.len() == 3 && digits.bytes().all(|octet| octet.is_ascii_digit()) {
            digits.parse().ok()?
        } else {
            return None;
        };
        let comment = comment.filter(|comment| !comment.is_empty());
        if comment.is_some_and(|text| has_control(text.as_bytes())) {
            return None;
        }
        return Some(Start::Status {
            status: StatusCode::new(code)?,
            comment: comment.map(|comment| end.saturating_sub(comment.len())),
        });
    }
    if let Some(method) = Method::of(rest) {
        return Some(Start::Method(method));
    }
    let fits = |octet: u8| {
        octet.is_ascii_uppercase()
            || (leniency.method_characters && (octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-')))
    };
    if rest.is_empty() || !rest.bytes().all(fits) {
        return None;
    }
    Some(Start::OtherMethod { from })
}

fn paths_come_first(fields: &[Field]) -> bool {
    let mut known = fields.iter().map(|field| field.known);
    known.next() == Some(Known::ToPath) && known.next() == Some(Known::FromPath)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str, leniency: Leniency) -> Head {
        of(text.as_bytes(), leniency)
    }

    fn of(text: &[u8], leniency: Leniency) -> Head {
        let whole = Bytes::from([text, b"\r\n"].concat());
        let found = find(&whole, &Limits::default(), leniency).unwrap().unwrap();
        assert_eq!((found.length, found.consumed), (text.len(), whole.len()));
        found.into_head(whole.slice(..text.len()))
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
