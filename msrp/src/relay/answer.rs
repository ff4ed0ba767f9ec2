//! Responses and reports of the relay's own.

use bytes::{BufMut, Bytes};

use super::transaction::{Origin, draw};
use super::{CloseReason, LinkKey, Relay, roomy};
use crate::codec::{self, Continuation};
use crate::header::{ByteRange, FailureReport, Status};
use crate::{Method, StatusCode, TransactionId};

impl Relay {
    /// Answers a SEND, if an answer is wanted: to the previous hop only.
    //= https://www.rfc-editor.org/rfc/rfc4976#section-6.4.1
    //# The
    //# final response to the SEND MUST be sent only to the previous hop,
    //# which could be an MSRP relay or the original sender of the SEND
    //# request.
    pub(super) fn answer(
        &mut self,
        origin: &Origin,
        transaction: &TransactionId,
        wants: FailureReport,
        status: StatusCode,
    ) {
        let wanted = match wants {
            FailureReport::Yes => true,
            FailureReport::Partial => !status.is_success(),
            FailureReport::No => false,
        };
        if wanted {
            let first = first_of(&origin.from_path);
            let octets = self.response(transaction, status, first, &origin.own, &[]);
            self.push_own(origin.link, octets);
        }
    }

    /// Answers another request: along the whole path.
    pub(super) fn answer_whole(&mut self, origin: &Origin, transaction: &TransactionId, status: StatusCode) {
        let octets = self.response(transaction, status, &origin.from_path, &origin.own, &[]);
        self.push_own(origin.link, octets);
    }

    /// Writes a response.
    pub(super) fn response(
        &mut self,
        transaction: &TransactionId,
        status: StatusCode,
        to: &str,
        from: &str,
        headers: &[(&str, &str)],
    ) -> Bytes {
        let out = roomy(&mut self.buffer);
        codec::response_line(out, transaction, status);
        let paths = [("To-Path", to), ("From-Path", from)];
        for (name, value) in paths.iter().chain(headers) {
            codec::raw_header(out, name, value);
        }
        codec::end_line(out, transaction, Continuation::Complete);
        out.split().freeze()
    }

    /// Tells the sender of a message that it has failed, over the connection that it came on and no other: where else
    /// its path leads is the sender's word.
    pub(super) fn report(
        &mut self,
        origin: &Origin,
        message: &str,
        range: Option<ByteRange>,
        status: StatusCode,
    ) {
        let transaction = TransactionId::mint(draw(&mut self.entropy), 0);
        let out = roomy(&mut self.buffer);
        codec::request_line(out, &transaction, &Method::Report);
        codec::raw_header(out, "To-Path", &origin.from_path);
        codec::raw_header(out, "From-Path", &origin.own);
        codec::raw_header(out, "Message-ID", message);
        if let Some(range) = range {
            codec::header(out, &range);
        }
        codec::header(out, &Status::of(status));
        codec::end_line(out, &transaction, Continuation::Complete);
        let octets = out.split().freeze();
        self.push_own(origin.link, octets);
    }

    /// Queues a response or a report of the relay's own.
    pub(super) fn push_own(&mut self, key: LinkKey, octets: Bytes) {
        let Some(link) = self.links.get_mut(&key) else {
            return;
        };
        self.waiting = self
            .waiting
            .saturating_add(link.outbox.push_urgent(octets, None, None));
        self.wake(key);
    }

    /// A request has failed; a connection on which none ever succeeds is not kept.
    //= https://www.rfc-editor.org/rfc/rfc4976#section-6.1
    //# Likewise, if several unsuccessful requests are sent
    //# during the probation period and no requests are sent successfully,
    //# the server SHOULD close the connection.
    pub(super) fn request_failed(&mut self, key: LinkKey) {
        let most = self.config.failed_requests;
        if let Some(link) = self.links.get_mut(&key)
            && !link.succeeded
        {
            link.failed = link.failed.saturating_add(1);
            if link.failed >= most {
                self.close(key, CloseReason::FailedRequests);
            }
        }
    }
}

/// The range of octets that have gone out; `1-0` if there were none.
pub(super) fn range_of(start: u64, octets: u64, total: Option<u64>) -> ByteRange {
    ByteRange {
        start,
        end: Some(start.saturating_add(octets).saturating_sub(1)),
        total,
    }
}

/// The first URI of a path.
pub(super) fn first_of(path: &str) -> &str {
    uris(path).next().unwrap_or_default()
}

/// The URIs of a path; a few peers write more than one space between them.
pub(super) fn uris(path: &str) -> impl Iterator<Item = &str> {
    path.split(' ').filter(|uri| !uri.is_empty())
}

/// Writes the paths of a message that is forwarded, with the first URIs of `To-Path` moved to the front of `From-Path`.
//= https://www.rfc-editor.org/rfc/rfc4976#section-6.4.2
//# Then the relay
//# moves its URI from the beginning of the To-Path headers to the
//# beginning of the From-Path header and forwards the request on to the
//# next hop.
pub(super) fn write_paths(out: &mut bytes::BytesMut, to: &str, from: &str, moved: usize) {
    out.put_slice(b"To-Path:");
    for uri in uris(to).skip(moved) {
        out.put_slice(b" ");
        out.put_slice(uri.as_bytes());
    }
    out.put_slice(b"\r\nFrom-Path:");
    for at in (0..moved).rev() {
        if let Some(uri) = uris(to).nth(at) {
            out.put_slice(b" ");
            out.put_slice(uri.as_bytes());
        }
    }
    for uri in uris(from) {
        out.put_slice(b" ");
        out.put_slice(uri.as_bytes());
    }
    out.put_slice(b"\r\n");
}
