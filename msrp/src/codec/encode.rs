//! Frames to octets. Nothing lenient is ever written.

use std::fmt::Write;

use bytes::{BufMut, BytesMut};

use super::{Continuation, DASHES};
use crate::header::Header;
use crate::{Method, StatusCode, TransactionId};

/// Writes the first line of a request.
///
/// ```
/// use bytes::BytesMut;
/// use msrp::codec::{self, Continuation};
/// use msrp::header::{FromPath, Header, ToPath};
/// use msrp::{Method, TransactionId};
///
/// let id = TransactionId::new("d93kswow")?;
/// let mut out = BytesMut::new();
/// codec::request_line(&mut out, &id, &Method::Send);
/// codec::header(&mut out, &ToPath::parse("msrp://bob.example.com:8888/9di4eae923wzd;tcp")?);
/// codec::header(&mut out, &FromPath::parse("msrp://alice.example.com:7777/iau39soe2843z;tcp")?);
/// codec::end_line(&mut out, &id, Continuation::Complete);
/// assert!(out.starts_with(b"MSRP d93kswow SEND\r\nTo-Path: msrp://bob"));
/// assert!(out.ends_with(b"\r\n-------d93kswow$\r\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn request_line(out: &mut BytesMut, transaction: &TransactionId, method: &Method) {
    between(out, b"MSRP ", transaction, b"");
    put(out, &[" ", method.as_str(), "\r\n"]);
}

/// Writes the first line of a response, with the usual comment.
pub fn response_line(out: &mut BytesMut, transaction: &TransactionId, status: StatusCode) {
    if status == StatusCode::OK {
        return between(out, b"MSRP ", transaction, b" 200 OK\r\n");
    }
    between(out, b"MSRP ", transaction, b"");
    // Writing to a buffer that grows does not fail.
    let _ = write!(out, " {status}");
    if !status.default_comment().is_empty() {
        put(out, &[" ", status.default_comment()]);
    }
    put(out, &["\r\n"]);
}

/// Writes a header; nothing if its value cannot be written.
pub fn header<H: Header>(out: &mut BytesMut, header: &H) {
    let start = out.len();
    put(out, &[H::NAME, ": "]);
    match header.write(out) {
        Ok(()) => put(out, &["\r\n"]),
        Err(_) => out.truncate(start),
    }
}

/// Writes a header whose value is known to be well formed.
pub(crate) fn raw_header(out: &mut BytesMut, name: &str, value: &str) {
    put(out, &[name, ": ", value, "\r\n"]);
}

/// Writes an end-line. After a body it has to be preceded by a line end that is not part of the body.
pub fn end_line(out: &mut BytesMut, transaction: &TransactionId, continuation: Continuation) {
    match continuation {
        Continuation::Complete => between(out, DASHES, transaction, b"$\r\n"),
        Continuation::More => between(out, DASHES, transaction, b"+\r\n"),
        Continuation::Aborted => between(out, DASHES, transaction, b"#\r\n"),
    }
}

/// Writes the line end that is no part of the body before it, and the end-line.
pub(crate) fn end_line_after_body(
    out: &mut BytesMut,
    transaction: &TransactionId,
    continuation: Continuation,
) {
    let dashes = b"\r\n-------";
    match continuation {
        Continuation::Complete => between(out, dashes, transaction, b"$\r\n"),
        Continuation::More => between(out, dashes, transaction, b"+\r\n"),
        Continuation::Aborted => between(out, dashes, transaction, b"#\r\n"),
    }
}

/// The most octets that are written together with an identifier.
const AROUND: usize = 9;

/// Writes an identifier between texts of constant length, all at once: each write for itself costs more than it copies.
#[inline]
pub(crate) fn between<const BEFORE: usize, const BEHIND: usize>(
    out: &mut BytesMut,
    before: &[u8; BEFORE],
    transaction: &TransactionId,
    behind: &[u8; BEHIND],
) {
    const { assert!(BEFORE <= AROUND && BEHIND <= AROUND, "there is room for it") };
    let mut text = [0; AROUND + TransactionId::MAX + AROUND];
    let (octets, length) = transaction.padded();
    let mut end = BEFORE;
    if let Some((first, rest)) = text.split_first_chunk_mut() {
        *first = *before;
        if let Some(place) = rest.first_chunk_mut() {
            *place = *octets;
        }
        if let Some(place) = rest.get_mut(length..).and_then(<[u8]>::first_chunk_mut) {
            *place = *behind;
        }
        end = BEFORE.saturating_add(length).saturating_add(BEHIND);
    }
    out.put_slice(text.get(..end).unwrap_or_default());
}

fn put(out: &mut BytesMut, parts: &[&str]) {
    for part in parts {
        out.put_slice(part.as_bytes());
    }
}
