//! What arrives on a connection.

use std::time::Instant;

use bytes::Bytes;

use super::{CloseReason, Endpoint, Event, SessionKey};
use crate::codec::{Continuation, Frame, Head, StartLine};
use crate::connection::report;
use crate::connection::shared::Timer;
use crate::connection::transaction::{Owed, ReplyTo};
use crate::connection::{Inbound, Repeat};
use crate::header::{ByteRange, FailureReport, FromPath, MessageIdHeader, Status, ToPath, UseNickname};
use crate::{ConnectionId, MessageId, Method, StatusCode, TransactionId, Uri};

impl Endpoint {
    pub(super) fn received(&mut self, id: ConnectionId, data: Bytes, now: Instant) {
        let Some(connection) = self
            .connections
            .get_mut(&id)
            .filter(|connection| !connection.closing)
        else {
            return;
        };
        connection.decoder.push(data);
        loop {
            // A frame may have closed the connection.
            let Some(connection) = self.connections.get_mut(&id) else {
                return;
            };
            match connection.decoder.next() {
                Ok(None) => break,
                Ok(Some(Frame::Head(head))) => self.head(id, &head, now),
                Ok(Some(Frame::Body(octets))) => self.body(id, octets),
                Ok(Some(Frame::End(continuation))) => self.end(id, continuation, now),
                Err(error) => return self.close_connection(id, CloseReason::Malformed(error), now),
            }
        }
        let most = self.shared.config.limits.urgent_octets;
        if self
            .connections
            .get(&id)
            .is_some_and(|connection| connection.urgent_octets() > most)
        {
            self.close_connection(id, CloseReason::NotReading, now);
        }
    }

    fn head(&mut self, id: ConnectionId, head: &Head, now: Instant) {
        let inbound = match &head.start {
            StartLine::Response { status, .. } => {
                self.answered(id, &head.transaction, *status, now);
                Inbound::Skipped
            }
            StartLine::Request(method) => self.request(id, method, head, now),
        };
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.inbound = inbound;
        }
    }

    fn request(&mut self, id: ConnectionId, method: &Method, head: &Head, now: Instant) -> Inbound {
        let (Ok(to), Ok(from)) = (
            head.headers.require::<ToPath>(),
            head.headers.require::<FromPath>(),
        ) else {
            // There is nobody to answer.
            return Inbound::Skipped;
        };
        let Some(own) = to.uris().first().cloned() else {
            return Inbound::Skipped;
        };
        let failure_report = head
            .headers
            .get::<FailureReport>()
            .ok()
            .flatten()
            .unwrap_or_default();
        let mut reply = ReplyTo {
            to: from.uris().to_vec(),
            from: own,
            failure_report,
        };
        match method {
            Method::Report => {
                self.report(id, head, &reply.from, now);
                return Inbound::Skipped;
            }
            //= https://www.rfc-editor.org/rfc/rfc4975#section-7.2
            //# If
            //# the request triggering the response was a SEND request, the To-Path
            //# header field is formed by copying the first (leftmost) URI in the
            //# From-Path header field of the request.
            Method::Send => reply.to.truncate(1),
            _ => reply.failure_report = FailureReport::Yes,
        }
        let transaction = head.transaction;
        let answered = |reply, status| Inbound::Answered {
            transaction,
            reply,
            status,
        };
        let readable = head.headers.get::<FailureReport>().is_ok();
        if head.defect.is_some() || !readable || from.uris().len() > self.shared.config.limits.path {
            return answered(reply, StatusCode::BAD_REQUEST);
        }
        //= https://www.rfc-editor.org/rfc/rfc4975#section-7.3
        //# When the
        //# request is received, the To-Path will have exactly one URI, which
        //# MUST map to an existing session that is associated with the
        //# connection on which the request arrived.  If this is not true, then
        //# the receiver MUST generate a 481 error and ignore the request.
        let session = if let [own] = to.uris() {
            self.session_of(own)
        } else {
            None
        };
        let result = match (method, session) {
            (Method::Send | Method::Nickname, None) => Err(StatusCode::NO_SESSION),
            (Method::Send, Some(session)) => self.send_request(id, session, head, &from, &reply),
            (Method::Nickname, Some(session)) => self.nickname_request(id, session, head, &from, &reply),
            //= https://www.rfc-editor.org/rfc/rfc4975#section-10.9
            //# A 501 response indicates that the recipient does not understand the
            //# request method.
            _ => Err(StatusCode::UNKNOWN_METHOD),
        };
        match result {
            Ok(inbound) => inbound,
            // The sender learns at once that there is no use in going on.
            Err(StatusCode::PAYLOAD_TOO_LARGE) => {
                self.answer(id, &reply, &transaction, StatusCode::PAYLOAD_TOO_LARGE);
                Inbound::Skipped
            }
            Err(status) => answered(reply, status),
        }
    }

    fn session_of(&self, own: &Uri) -> Option<SessionKey> {
        let key = *self.by_id.get(own.session_id()?)?;
        self.sessions
            .get(&key)
            .filter(|session| session.config.local.equivalent(own))
            .map(|_| key)
    }

    fn nickname_request(
        &mut self,
        id: ConnectionId,
        session: SessionKey,
        head: &Head,
        from: &FromPath,
        reply: &ReplyTo,
    ) -> Result<Inbound, StatusCode> {
        self.accept_binding(session, id, from.uris())?;
        let nickname = head
            .headers
            .require::<UseNickname>()
            .map_err(|_| StatusCode::MALFORMED_NICKNAME)?
            .0;
        Ok(Inbound::Nickname {
            session,
            transaction: head.transaction,
            reply: reply.clone(),
            nickname,
        })
    }

    fn end(&mut self, id: ConnectionId, continuation: Continuation, now: Instant) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        match std::mem::take(&mut connection.inbound) {
            Inbound::Skipped => {}
            Inbound::Answered {
                transaction,
                reply,
                status,
            } => self.answer(id, &reply, &transaction, status),
            Inbound::Repeated {
                session,
                message,
                transaction,
                reply,
                report,
            } => {
                self.answer(id, &reply, &transaction, StatusCode::OK);
                if let Some(Repeat { to, total }) = report.filter(|_| continuation == Continuation::Complete)
                {
                    self.report_success(session, &to, &message, total);
                }
            }
            Inbound::Nickname {
                session,
                transaction,
                reply,
                nickname,
            } => {
                if self.owe(session, transaction, reply.clone(), None, now) {
                    self.shared.events.push_back(Event::NicknameRequested {
                        session,
                        transaction,
                        nickname,
                    });
                } else {
                    self.answer(id, &reply, &transaction, StatusCode::BAD_REQUEST);
                }
            }
            Inbound::Chunk(chunk) => self.end_chunk(id, chunk, continuation, now),
        }
    }

    pub(super) fn answer(
        &mut self,
        id: ConnectionId,
        reply: &ReplyTo,
        transaction: &TransactionId,
        status: StatusCode,
    ) {
        if let Some(octets) = report::response(&mut self.shared.buffer, reply, transaction, status) {
            self.push(id, octets, None);
        }
    }

    /// Notes a request that the parent has to answer; not if too many wait already.
    pub(super) fn owe(
        &mut self,
        key: SessionKey,
        transaction: TransactionId,
        reply: ReplyTo,
        message: Option<MessageId>,
        now: Instant,
    ) -> bool {
        let most = self.shared.config.limits.owed_responses;
        let Some(session) = self.sessions.get_mut(&key) else {
            return false;
        };
        if session.owed.len() >= most || session.owed.contains_key(&transaction) {
            return false;
        }
        let deadline = now + self.shared.config.response_timeout;
        session.owed.insert(
            transaction,
            Owed {
                reply,
                message,
                deadline,
            },
        );
        self.shared
            .deadlines
            .insert((deadline, Timer::Owed(key, transaction)));
        true
    }

    /// The peer reports on a message of ours.
    fn report(&mut self, id: ConnectionId, head: &Head, own: &Uri, now: Instant) {
        let Some(session) = self.session_of(own) else {
            return;
        };
        let is_here = self
            .sessions
            .get(&session)
            .is_some_and(|session| session.link.connection() == Some(id));
        let (Ok(message), Ok(status)) = (
            head.headers.require::<MessageIdHeader>(),
            head.headers.require::<Status>(),
        ) else {
            return;
        };
        if !is_here || head.defect.is_some() {
            return;
        }
        // A range whose end lies beyond its total, as some peers write, says nothing, but the rest does.
        let range = head.headers.get::<ByteRange>().ok().flatten();
        let (code, namespace, message) = (status.code, status.namespace, message.0);
        let number = self
            .sessions
            .get(&session)
            .and_then(|session| session.number_of(&message));
        self.shared.events.push_back(Event::ReportReceived {
            session,
            message,
            range,
            status,
        });
        //= https://www.rfc-editor.org/rfc/rfc4975#section-7.3.2
        //# It is possible to receive a failure report or a failure transaction
        //# response for a chunk that is currently being delivered.  In this
        //# case, the entire message corresponding to that chunk SHOULD be
        //# aborted, by including the "#" character in the continuation field of
        //# the end-line.
        if let Some(number) = number.filter(|_| namespace == 0 && !code.is_success()) {
            self.message_failed(session, number, Some(code), now);
        }
    }
}
