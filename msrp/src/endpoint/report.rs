//! Reports, in both directions (RFC 4975 sections 7.1.2 to 7.1.4 and 7.3.2).

use std::time::Instant;

use bytes::Bytes;

use super::binding::Addressed;
use super::session::Verdict;
use super::{Endpoint, Event, ReportError, SessionKey};
use crate::codec::Head;
use crate::connection::report;
use crate::header::{ByteRange, FailureReport, MessageIdHeader, Status};
use crate::{ConnectionId, MessageId, StatusCode};

impl Endpoint {
    /// Reports on octets of a message that has arrived or still does: success as it comes, or a failure that became known
    /// only after its chunks were answered with 200, as happens at gateways.
    ///
    /// # Errors
    ///
    /// Fails when the message is not known, or its sender does not want to know this.
    //= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.4
    //# In this situation, it
    //# MAY send a 200 OK response to the request, and then send a failure
    //# REPORT request when the error is detected.
    pub fn report(
        &mut self,
        session: SessionKey,
        message: &MessageId,
        range: ByteRange,
        status: StatusCode,
        _now: Instant,
    ) -> Result<(), ReportError> {
        let digest = self.shared.digest(message.as_str());
        let own = self.sessions.get(&session).ok_or(ReportError::NoSession)?;
        let sender = own.sender.as_ref().map(|sender| sender.report.clone());
        let (wants, paths) = match own.inbox.get(digest) {
            Some(incoming) => (incoming.wants, Some(incoming.report.clone())),
            None => match own.inbox.received.get(digest) {
                Some(Verdict::Complete(wants)) => (wants, sender),
                _ => return Err(ReportError::NoMessage),
            },
        };
        let is_wanted = if status.is_success() {
            //= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.3
            //# The endpoint MUST NOT send a success report for a SEND request that
            //# either contained no Success-Report header field or contained such a
            //# field with a value of "no".
            wants.success
        } else {
            wants.failure != FailureReport::No
        };
        if !is_wanted {
            return Err(ReportError::NotWanted);
        }
        let paths = paths.ok_or(ReportError::NoMessage)?;
        self.push_report(session, &paths, message, &range, status);
        Ok(())
    }

    /// Reports that a whole message has arrived.
    pub(super) fn report_success(&mut self, key: SessionKey, paths: &Bytes, message: &MessageId, total: u64) {
        self.push_report(key, paths, message, &ByteRange::whole(total), StatusCode::OK);
    }

    fn push_report(
        &mut self,
        key: SessionKey,
        paths: &Bytes,
        message: &MessageId,
        range: &ByteRange,
        status: StatusCode,
    ) {
        let session = self.sessions.get(&key);
        let Some(connection) = session.and_then(|session| session.link.connection()) else {
            return;
        };
        let transaction = self.shared.mint_transaction();
        let octets = report::report(self.shared.room(), paths, &transaction, message, range, status);
        self.push(connection, octets, None);
    }

    /// The peer reports on a message of ours.
    pub(super) fn report_received(
        &mut self,
        id: ConnectionId,
        addressed: &Addressed,
        head: &Head,
        now: Instant,
    ) {
        let Some(key) = addressed.session else { return };
        let Some(session) = self
            .sessions
            .get(&key)
            .filter(|session| session.link.connection() == Some(id))
        else {
            return;
        };
        let (Ok(message), Ok(status)) = (
            head.headers.require::<MessageIdHeader>(),
            head.headers.require::<Status>(),
        ) else {
            return;
        };
        if head.defect.is_some() {
            return;
        }
        let message = message.0;
        let digest = self.shared.digest(message.as_str());
        //= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.1
        //# If an MSRP endpoint receives a REPORT for a Message-ID it
        //# does not recognize, it SHOULD silently ignore the REPORT.
        if !session.outbox.knows(digest) && !session.inbox.has_sent(digest) {
            return;
        }
        let range = head.headers.byte_range().ok().flatten();
        let tolerant = self.shared.config.leniency.report_range;
        if range.is_some_and(|range| !tolerant && !is_possible(&range)) {
            return;
        }
        let (code, namespace) = (status.code, status.namespace);
        let number = session.outbox.number_of(digest);
        self.shared.events.push_back(Event::ReportReceived {
            session: key,
            message,
            range,
            status,
        });
        //= https://www.rfc-editor.org/rfc/rfc4975#section-7.3.2
        //# An endpoint that receives a REPORT request containing a Status header
        //# field with a namespace field of "000" MUST interpret the report in
        //# exactly the same way it would interpret an MSRP transaction response
        //# with a response code matching the status-code field.
        if namespace != 0 || code.is_success() {
            return;
        }
        //= https://www.rfc-editor.org/rfc/rfc4975#section-7.3.2
        //# It is possible to receive a failure report or a failure transaction
        //# response for a chunk that is currently being delivered.  In this
        //# case, the entire message corresponding to that chunk SHOULD be
        //# aborted, by including the "#" character in the continuation field of
        //# the end-line.
        if let Some(number) = number {
            self.message_failed(key, number, Some(code), now);
        }
        //= https://www.rfc-editor.org/rfc/rfc4975#section-7.3.2
        //= type=exception
        //= reason=A 413 in a report stops one message (section 10.5), and switches report 408 for one that was not completed (RFC 7701 section 6.1); only what says that the session is not there ends it.
        //# When an endpoint that sent a SEND request receives a failure REPORT
        //# indicating that a particular byte range was not received, it MUST
        //# treat the session as failed.
        self.end_if_refused(key, code, now);
    }
}

/// Says whether a range lies within its message.
fn is_possible(range: &ByteRange) -> bool {
    match (range.end, range.total) {
        (Some(end), Some(total)) => end <= total && range.start <= end.saturating_add(1),
        _ => true,
    }
}
