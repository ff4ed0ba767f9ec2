//! Responses and REPORT requests (RFC 4975 sections 7.1.2 to 7.2).

use bytes::{Bytes, BytesMut};

use super::transaction::ReplyTo;
use crate::codec::{self, Continuation};
use crate::header::{ByteRange, FailureReport, FromPath, MessageIdHeader, Status, ToPath};
use crate::{MessageId, Method, StatusCode, TransactionId, Uri};

/// Writes the `To-Path` and `From-Path` lines.
pub(crate) fn write_paths(out: &mut BytesMut, to: &[Uri], from: &Uri) {
    if let (Some(to), Some(from)) = (ToPath::new(to.to_vec()), FromPath::new(vec![from.clone()])) {
        codec::header(out, &to);
        codec::header(out, &from);
    }
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
    write_paths(out, &reply.to, &reply.from);
    codec::end_line(out, transaction, Continuation::Complete);
    Some(out.split().freeze())
}

/// Writes a report of success for a whole message.
//= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.3
//# When generating a REPORT request, the endpoint inserts a To-Path
//# header field containing the From-Path value from the original
//# request, and a From-Path header field containing the URI identifying
//# itself in the session.
pub(crate) fn success_report(
    out: &mut BytesMut,
    to: &[Uri],
    from: &Uri,
    transaction: &TransactionId,
    message: &MessageId,
    total: u64,
) -> Bytes {
    codec::request_line(out, transaction, &Method::Report);
    write_paths(out, to, from);
    codec::header(out, &MessageIdHeader(message.clone()));
    codec::header(out, &ByteRange::whole(total));
    codec::header(out, &Status::of(StatusCode::OK));
    codec::end_line(out, transaction, Continuation::Complete);
    out.split().freeze()
}
