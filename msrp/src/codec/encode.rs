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
    out.put_slice(b"MSRP ");
    out.put_slice(transaction.as_bytes());
    put(out, &[" ", method.as_str(), "\r\n"]);
}

/// Writes the first line of a response, with the usual comment.
pub fn response_line(out: &mut BytesMut, transaction: &TransactionId, status: StatusCode) {
    out.put_slice(b"MSRP ");
    out.put_slice(transaction.as_bytes());
    if status == StatusCode::OK {
        return out.put_slice(b" 200 OK\r\n");
    }
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
    out.put_slice(DASHES);
    out.put_slice(transaction.as_bytes());
    out.put_slice(match continuation {
        Continuation::Complete => b"$\r\n",
        Continuation::More => b"+\r\n",
        Continuation::Aborted => b"#\r\n",
    });
}

fn put(out: &mut BytesMut, parts: &[&str]) {
    for part in parts {
        out.put_slice(part.as_bytes());
    }
}
