//! Responses and REPORT requests (RFC 4975 sections 7.1.2 to 7.2).

use bytes::{BufMut, Bytes, BytesMut};

use super::transaction::ReplyTo;
use crate::codec::{self, Continuation};
use crate::header::{ByteRange, FailureReport, MessageIdHeader, Status};
use crate::{MessageId, Method, StatusCode, TransactionId, Uri};

/// Returns the `To-Path` and `From-Path` lines, in no more memory than they need: each session keeps them.
pub(crate) fn path_lines(to: &[Uri], from: &Uri) -> Bytes {
    if to.is_empty() {
        return Bytes::new();
    }
    let mut parts = vec!["To-Path:"];
    for uri in to {
        parts.extend([" ", uri.as_str()]);
    }
    parts.extend(["\r\nFrom-Path: ", from.as_str(), "\r\n"]);
    parts.concat().into()
}

/// Writes a response, if one is wanted.
//= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.4
//# If the endpoint receives a SEND request with a Failure-Report header
//# field value of "no", then it MUST NOT send a failure REPORT request,
//# and MUST NOT send a transaction response.  If the value is "partial",
//# it MUST NOT send a 200 transaction response to the request, but
//# SHOULD send an appropriate non-200 class response if a failure
//# occurs.
pub(crate) fn response(
    out: &mut BytesMut,
    reply: &ReplyTo,
    transaction: &TransactionId,
    status: StatusCode,
) -> Option<Bytes> {
    match reply.failure_report {
        FailureReport::Yes => {}
        FailureReport::Partial if !status.is_success() => {}
        FailureReport::Partial | FailureReport::No => return None,
    }
    codec::response_line(out, transaction, status);
    out.put_slice(&reply.paths);
    codec::end_line(out, transaction, Continuation::Complete);
    Some(out.split().freeze())
}

/// Writes a report.
//= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.3
//# When generating a REPORT request, the endpoint inserts a To-Path
//# header field containing the From-Path value from the original
//# request, and a From-Path header field containing the URI identifying
//# itself in the session.
pub(crate) fn report(
    out: &mut BytesMut,
    paths: &[u8],
    transaction: &TransactionId,
    message: &MessageId,
    range: &ByteRange,
    status: StatusCode,
) -> Bytes {
    codec::request_line(out, transaction, &Method::Report);
    out.put_slice(paths);
    codec::header(out, &MessageIdHeader(message.clone()));
    codec::header(out, range);
    codec::header(out, &Status::of(status));
    codec::end_line(out, transaction, Continuation::Complete);
    out.split().freeze()
}
