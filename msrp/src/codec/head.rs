//! Start lines and headers.

use bytes::Bytes;
use thiserror::Error;

use super::{Leniency, Limits};
use crate::header::Headers;
use crate::header::content::{has_control, is_token_octet};
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
    let end = memchr::memchr(b' ', rest)?;
    let (transaction, rest) = rest.split_at_checked(end)?;
    let transaction = TransactionId::new(std::str::from_utf8(transaction).ok()?).ok()?;
    Some((transaction, rest.get(1..)?))
}

/// Reads a head, without its blank line or end-line.
pub(super) fn parse(
    text: &Bytes,
    transaction: TransactionId,
    has_body: bool,
    limits: &Limits,
    leniency: Leniency,
) -> Head {
    let mut headers = Headers::over(text.clone());
    let mut defect = None;
    let mut start = None;
    let mut at = 0_usize;
    // Checking all at once is the fast way; line by line only when that fails.
    let whole_is_text = std::str::from_utf8(text).is_ok();
    let mut number = 0_usize;
    for line_feed in memchr::memchr_iter(b'\n', text) {
        // A bare line feed ends no line.
        let Some(line) = text.get(at..line_feed).and_then(|line| line.strip_suffix(b"\r")) else {
            continue;
        };
        let end = at.saturating_add(line.len());
        number = number.saturating_add(1);
        if number == 1 {
            start = parse_start(text, line, &transaction, leniency);
            if start.is_none() {
                defect = Some(Defect::StartLine);
            }
        } else if headers.len() >= limits.headers {
            defect = defect.or(Some(Defect::TooManyHeaders));
            break;
        } else {
            let field = if whole_is_text || std::str::from_utf8(line).is_ok() {
                split_field(line, leniency)
            } else {
                None
            };
            match field {
                Some((name, value)) => {
                    let value_start = end.saturating_sub(value);
                    headers.push_ranges((at, at.saturating_add(name)), (value_start, end));
                }
                None => defect = defect.or(Some(Defect::Header { line: number })),
            }
        }
        at = end.saturating_add(2);
    }
    if defect.is_none() && !leniency.path_order && !paths_come_first(&headers) {
        defect = Some(Defect::PathOrder);
    }
    let start = start.unwrap_or(StartLine::Request(Method::Other(ByteStr::new())));
    Head {
        transaction,
        start,
        headers,
        has_body,
        defect,
    }
}

/// Returns the lengths of name and value.
fn split_field(line: &[u8], leniency: Leniency) -> Option<(usize, usize)> {
    let colon = memchr::memchr(b':', line)?;
    let (name, rest) = line.split_at_checked(colon)?;
    if !name.first().is_some_and(u8::is_ascii_alphabetic) || !name.iter().copied().all(is_token_octet) {
        return None;
    }
    let mut value = rest.get(1..)?;
    if leniency.header_space {
        value = value.trim_ascii_start();
    } else {
        value = value.strip_prefix(b" ")?;
    }
    if has_control(value) {
        return None;
    }
    Some((name.len(), value.len()))
}

fn parse_start(
    text: &Bytes,
    line: &[u8],
    transaction: &TransactionId,
    leniency: Leniency,
) -> Option<StartLine> {
    // Framing has read the beginning already.
    let rest = line
        .strip_prefix(b"MSRP ")?
        .strip_prefix(transaction.as_bytes())?;
    let rest = std::str::from_utf8(rest.strip_prefix(b" ")?).ok()?;
    let is_digit = |octet: u8| octet.is_ascii_digit();
    if rest.bytes().next().is_some_and(is_digit) {
        let (digits, comment) = match rest.split_once(' ') {
            Some((digits, comment)) => (digits, Some(comment)),
            None => (rest, None),
        };
        let code = if digits.len() == 3 && digits.bytes().all(is_digit) {
            digits.parse().ok()?
        } else {
            return None;
        };
        let comment = comment.filter(|comment| !comment.is_empty());
        if comment.is_some_and(|text| has_control(text.as_bytes())) {
            return None;
        }
        let comment = match comment {
            Some(comment) => Some(ByteStr::try_from(text.slice_ref(comment.as_bytes())).ok()?),
            None => None,
        };
        return Some(StartLine::Response {
            status: StatusCode::new(code)?,
            comment,
        });
    }
    if let Some(method) = Method::of(rest) {
        return Some(StartLine::Request(method));
    }
    let fits = |octet: u8| {
        octet.is_ascii_uppercase()
            || (leniency.method_characters && (octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-')))
    };
    if rest.is_empty() || !rest.bytes().all(fits) {
        return None;
    }
    let name = ByteStr::try_from(text.slice_ref(rest.as_bytes())).ok()?;
    Some(StartLine::Request(Method::Other(name)))
}

fn paths_come_first(headers: &Headers) -> bool {
    let mut names = headers.iter().map(|(name, _)| name);
    names
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case("To-Path"))
        && names
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("From-Path"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str, leniency: Leniency) -> Head {
        let text = Bytes::from_static(text.as_bytes());
        let id = TransactionId::new("abcd").unwrap();
        parse(&text, id, false, &Limits::default(), leniency)
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
        let text = Bytes::from_static(
            b"MSRP abcd SEND\r\nTo-Path: a\r\nbad\r\nX: \xff\r\nY : 1\r\nFrom-Path: b\r\n",
        );
        let id = TransactionId::new("abcd").unwrap();
        let head = parse(&text, id, false, &Limits::default(), Leniency::default());
        assert_eq!(head.defect, Some(Defect::Header { line: 3 }));
        assert_eq!(
            head.headers.iter().collect::<Vec<_>>(),
            [("To-Path", "a"), ("From-Path", "b")]
        );
    }

    #[test]
    fn headers_are_counted() {
        let text = Bytes::from(format!("MSRP abcd SEND\r\n{}", "X: y\r\n".repeat(65)));
        let id = TransactionId::new("abcd").unwrap();
        let head = parse(&text, id, false, &Limits::default(), Leniency::default());
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
