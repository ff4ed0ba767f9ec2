//! What arrives on a connection.

use std::time::Instant;

use bytes::Bytes;

use super::binding::Addressed;
use super::{CloseReason, Endpoint, Event, SessionKey};
use crate::codec::{Continuation, Frame, Head, StartLine};
use crate::connection::shared::Timer;
use crate::connection::transaction::{Owed, ReplyTo};
use crate::connection::{Inbound, report};
use crate::header::{FailureReport, UseNickname};
use crate::{ConnectionId, MessageId, Method, StatusCode, TransactionId};

impl Endpoint {
    pub(super) fn received(&mut self, id: ConnectionId, data: Bytes, now: Instant) {
        let Some(connection) = self
            .connections
            .get_mut(&id)
            .filter(|connection| !connection.closing)
        else {
            return;
        };
        let websocket = connection.websocket;
        connection.decoder.push(data);
        let (mut begun, mut ended) = (0_usize, 0_usize);
        loop {
            // A frame may have closed the connection.
            let Some(connection) = self.connections.get_mut(&id) else {
                return;
            };
            match connection.decoder.next() {
                Ok(None) => break,
                Ok(Some(Frame::Head(mut head))) => {
                    begun = begun.saturating_add(1);
                    self.head(id, &mut head, now);
                }
                Ok(Some(Frame::Body(octets))) => self.body(id, octets),
                Ok(Some(Frame::End(continuation))) => {
                    ended = ended.saturating_add(1);
                    self.end(id, continuation, now);
                }
                Err(error) => return self.close_connection(id, CloseReason::Malformed(error), now),
            }
        }
        let most = self.shared.config.limits.urgent_octets;
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        if connection.urgent_octets() > most {
            return self.close_connection(id, CloseReason::NotReading, now);
        }
        //= https://www.rfc-editor.org/rfc/rfc7977#section-5.1
        //# Each MSRP chunk MUST be carried within a single WebSocket message,
        //# and a WebSocket message MUST NOT contain more than one MSRP chunk.
        if websocket && (connection.decoder.is_inside() || begun != ended || begun > 1) {
            return self.close_connection(id, CloseReason::WebSocketMessage, now);
        }
        self.detach(id);
    }

    fn head(&mut self, id: ConnectionId, head: &mut Head, now: Instant) {
        let inbound = match head.start.clone() {
            StartLine::Response { status, .. } => {
                self.answered(id, head, status, now);
                Inbound::Skipped
            }
            StartLine::Request(method) => self.request(id, &method, head, now),
        };
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.inbound = inbound;
        }
    }

    fn request(&mut self, id: ConnectionId, method: &Method, head: &mut Head, now: Instant) -> Inbound {
        // Where the paths cannot be read there is nobody to answer.
        let Some(addressed) = self.addressed(id, head) else {
            return Inbound::Skipped;
        };
        if *method == Method::Report {
            self.report_received(id, &addressed, head, now);
            return Inbound::Skipped;
        }
        let failure_report = head.headers.get::<FailureReport>();
        let is_send = *method == Method::Send;
        let reply = ReplyTo {
            //= https://www.rfc-editor.org/rfc/rfc4975#section-7.2
            //# If
            //# the request triggering the response was a SEND request, the To-Path
            //# header field is formed by copying the first (leftmost) URI in the
            //# From-Path header field of the request.
            paths: if is_send {
                addressed.response.clone()
            } else {
                addressed.report.clone()
            },
            failure_report: match &failure_report {
                Ok(Some(wanted)) if is_send => *wanted,
                _ => FailureReport::Yes,
            },
        };
        let transaction = head.transaction;
        let result = if head.defect.is_some() || failure_report.is_err() || !addressed.is_acceptable {
            Err(StatusCode::BAD_REQUEST)
        } else {
            self.take_request(id, method, head, &addressed, &reply, now)
        };
        match result {
            Ok(inbound) => inbound,
            // The sender learns at once that there is no use in going on.
            Err(StatusCode::PAYLOAD_TOO_LARGE) => {
                self.answer(id, &reply, &transaction, StatusCode::PAYLOAD_TOO_LARGE);
                Inbound::Skipped
            }
            Err(status) => Inbound::Answered {
                transaction,
                reply,
                status,
            },
        }
    }

    fn take_request(
        &mut self,
        id: ConnectionId,
        method: &Method,
        head: &mut Head,
        addressed: &Addressed,
        reply: &ReplyTo,
        now: Instant,
    ) -> Result<Inbound, StatusCode> {
        match method {
            Method::Send => {
                let session = self.accept_binding(id, addressed, head, now)?;
                self.send_request(session, head, addressed, reply)
            }
            Method::Nickname => {
                let session = self.accept_binding(id, addressed, head, now)?;
                let nickname = head.headers.require::<UseNickname>();
                Ok(Inbound::Nickname {
                    session,
                    transaction: head.transaction,
                    reply: reply.clone(),
                    nickname: nickname.map_err(|_| StatusCode::MALFORMED_NICKNAME)?.0,
                })
            }
            //= https://www.rfc-editor.org/rfc/rfc4975#section-10.9
            //# A 501 response indicates that the recipient does not understand the
            //# request method.
            _ => Err(StatusCode::UNKNOWN_METHOD),
        }
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
                offset,
                length,
                report,
            } => {
                self.answer(id, &reply, &transaction, StatusCode::OK);
                if let Some(paths) = report.filter(|_| continuation == Continuation::Complete) {
                    let total = offset.saturating_add(length);
                    self.report_success(session, &paths, &message, total);
                }
            }
            Inbound::Nickname {
                session,
                transaction,
                reply,
                nickname,
            } => match self.owe(session, transaction, reply.clone(), None, now) {
                Ok(()) => self.shared.events.push_back(Event::NicknameRequested {
                    session,
                    transaction,
                    nickname,
                }),
                Err(status) => self.answer(id, &reply, &transaction, status),
            },
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
        if let Some(octets) = report::response(self.shared.room(), reply, transaction, status) {
            self.push(id, octets, None);
        }
    }

    /// Notes a request that the parent has to answer; not if too many wait already, or another of the same name.
    pub(super) fn owe(
        &mut self,
        key: SessionKey,
        transaction: TransactionId,
        reply: ReplyTo,
        message: Option<MessageId>,
        now: Instant,
    ) -> Result<(), StatusCode> {
        let most = self.shared.config.limits.owed_responses;
        let session = self.sessions.get_mut(&key).ok_or(StatusCode::NO_SESSION)?;
        if session.owed.iter().any(|owed| owed.transaction == transaction) {
            return Err(StatusCode::BAD_REQUEST);
        }
        if session.owed.len() >= most {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let deadline = now + self.shared.config.response_timeout;
        session.owed.push_back(Owed {
            transaction,
            reply,
            message,
            deadline,
        });
        if session.owed_timer.is_none() {
            session.owed_timer = Some(deadline);
            self.shared.set(deadline, Timer::Owed(key));
        }
        Ok(())
    }
}
