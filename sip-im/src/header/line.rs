//! One line among the header fields: where it is in the received head, or what it was edited to.

use core::ops::Range;

use bytes::Bytes;

use super::{HeaderName, Known};
use crate::ByteStr;
use crate::error::{ParseError, ParseErrorKind};

#[derive(Clone, Debug)]
pub(crate) enum Line {
    /// A line of the block.
    Received {
        known: Option<Known>,
        name: (u32, u32),
        value: (u32, u32),
        /// To the end of the CRLF.
        end: u32,
    },
    Written {
        name: HeaderName,
        value: ByteStr,
    },
}

pub(super) fn is_named(block: &Bytes, line: &Line, wanted: &HeaderName) -> bool {
    match line {
        Line::Received {
            known: Some(known), ..
        } => wanted.known() == Some(*known),
        Line::Received {
            known: None, name, ..
        } => {
            wanted.known().is_none()
                && block
                    .get(bounded(block, *name))
                    .is_some_and(|name| name.eq_ignore_ascii_case(wanted.as_str().as_bytes()))
        }
        Line::Written { name, .. } => name == wanted,
    }
}

pub(super) fn value_of(block: &Bytes, line: &Line) -> ByteStr {
    match line {
        Line::Received { value, .. } => unfold(text_of(block.slice(bounded(block, *value)))),
        Line::Written { value, .. } => value.clone(),
    }
}

/// The range of a span, which scanning the block has produced.
pub(super) fn bounded(block: &Bytes, span: (u32, u32)) -> Range<usize> {
    let end = usize::try_from(span.1).unwrap_or(usize::MAX).min(block.len());
    usize::try_from(span.0).unwrap_or(usize::MAX).min(end)..end
}

/// Scanning has checked that the block is UTF-8.
pub(super) fn text_of(bytes: Bytes) -> ByteStr {
    ByteStr::try_from(bytes).unwrap_or_default()
}

/// A fold, with all white space at its start and end, is one space (RFC 3261 7.3.1).
fn unfold(value: ByteStr) -> ByteStr {
    if !value.as_bytes().contains(&b'\r') {
        return value;
    }
    let mut out = String::with_capacity(value.len());
    for (index, line) in value.as_str().split("\r\n").enumerate() {
        if index == 0 {
            out.push_str(line);
            continue;
        }
        out.truncate(out.trim_end_matches([' ', '\t']).len());
        out.push(' ');
        out.push_str(line.trim_start_matches([' ', '\t']));
    }
    ByteStr::from(out)
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
