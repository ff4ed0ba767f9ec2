//! What arrives on a connection.

use std::time::Instant;

use bytes::Bytes;

use super::session::{Incoming, Store, Verdict};
use super::{AbortReason, Acknowledge, CloseReason, Delivery, Endpoint, Event, SessionKey};
use crate::codec::{Continuation, Frame, Head, StartLine};
use crate::connection::receive::{Assembly, Coverage, count};
use crate::connection::report;
use crate::connection::shared::Timer;
use crate::connection::transaction::{Owed, ReplyTo};
use crate::connection::{Inbound, InboundChunk, Repeat};
use crate::header::{
    ByteRange, ContentType, FailureReport, FromPath, MessageIdHeader, Status, SuccessReport, ToPath,
    UseNickname,
};
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
            StartLine::Request(method) => self.request(id, method, head),
        };
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.inbound = inbound;
        }
    }

    fn request(&mut self, id: ConnectionId, method: &Method, head: &Head) -> Inbound {
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
                self.report(id, head, &reply.from);
                return Inbound::Skipped;
            }
            //= https://www.rfc-editor.org/rfc/rfc4975#section-7.2
            //# If the request is a SEND request, the To-Path header
            //# field of the response is the first URI of the From-Path
            Method::Send => reply.to.truncate(1),
            _ => reply.failure_report = FailureReport::Yes,
        }
        let transaction = head.transaction;
        let answered = |reply, status| Inbound::Answered {
            transaction,
            reply,
            status,
        };
        if head.defect.is_some() {
            return answered(reply, StatusCode::BAD_REQUEST);
        }
        let session = to.uris().last().and_then(|own| self.session_of(own));
        let result = match (method, session) {
            (Method::Send | Method::Nickname, None) => Err(StatusCode::NO_SESSION),
            (Method::Send, Some(session)) => self.send_request(id, session, head, &from, &reply),
            (Method::Nickname, Some(session)) => self.nickname_request(id, session, head, &from, &reply),
            //= https://www.rfc-editor.org/rfc/rfc4975#section-10.9
            //# A 501 response indicates that the recipient does not understand the
            //# request method.
            _ => Err(StatusCode::UNKNOWN_METHOD),
        };
        result.unwrap_or_else(|status| answered(reply, status))
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

    fn send_request(
        &mut self,
        id: ConnectionId,
        key: SessionKey,
        head: &Head,
        from: &FromPath,
        reply: &ReplyTo,
    ) -> Result<Inbound, StatusCode> {
        self.accept_binding(key, id, from.uris())?;
        let transaction = head.transaction;
        let message = head
            .headers
            .require::<MessageIdHeader>()
            .map_err(|_| StatusCode::BAD_REQUEST)?
            .0;
        let range = head
            .headers
            .get::<ByteRange>()
            .map_err(|_| StatusCode::BAD_REQUEST)?;
        let range = range.unwrap_or(ByteRange {
            start: 1,
            end: None,
            total: None,
        });
        if !head.has_body {
            // A sign of life, or one that binds: it carries no message.
            return Ok(Inbound::Answered {
                transaction,
                reply: reply.clone(),
                status: StatusCode::OK,
            });
        }
        let offset = range.start.checked_sub(1).ok_or(StatusCode::BAD_REQUEST)?;
        let limits = self.shared.config.limits;
        let Some(session) = self.sessions.get_mut(&key) else {
            return Err(StatusCode::NO_SESSION);
        };
        //= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
        //# the receiver MUST be prepared to receive
        match session.remembered.get(&message) {
            Some(Verdict::Complete { total }) => {
                let wants = head.headers.get::<SuccessReport>().ok().flatten() == Some(SuccessReport::Yes);
                let report = wants.then(|| Repeat {
                    to: from.uris().to_vec(),
                    total,
                });
                let reply = reply.clone();
                return Ok(Inbound::Repeated {
                    session: key,
                    message,
                    transaction,
                    reply,
                    report,
                });
            }
            Some(Verdict::Refused(status)) => return Err(status),
            None => {}
        }
        let total = range.total;
        let chunk = InboundChunk {
            session: key,
            message: message.clone(),
            transaction,
            reply: reply.clone(),
            offset,
            length: 0,
            total,
        };
        if session.incoming.contains_key(&message) {
            return Ok(Inbound::Chunk(chunk));
        }
        let most = match session.config.delivery {
            Delivery::Whole { max } => max,
            Delivery::Streaming => u64::MAX,
        };
        if session.incoming.len() >= limits.open_messages || total.is_some_and(|total| total > most) {
            session.remembered.insert(
                message,
                Verdict::Refused(StatusCode::PAYLOAD_TOO_LARGE),
                limits.remembered_messages,
            );
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let content_type = head
            .headers
            .get::<ContentType>()
            .map_err(|_| StatusCode::BAD_REQUEST)?;
        let success_report = head
            .headers
            .get::<SuccessReport>()
            .map_err(|_| StatusCode::BAD_REQUEST)?
            == Some(SuccessReport::Yes);
        let streaming = session.config.delivery == Delivery::Streaming;
        let store = if streaming {
            Store::Streaming(Coverage::default())
        } else {
            Store::Whole(Assembly::default())
        };
        session.incoming.insert(
            message.clone(),
            Incoming {
                content_type: content_type.clone(),
                headers: head.headers.clone(),
                success_report,
                from_path: from.uris().to_vec(),
                total,
                store,
                owed: 0,
                complete: false,
            },
        );
        if streaming {
            self.shared.events.push_back(Event::MessageStarted {
                session: key,
                message,
                content_type,
                total,
                success_report,
                failure_report: reply.failure_report,
                headers: head.headers.clone(),
            });
        }
        Ok(Inbound::Chunk(chunk))
    }

    fn body(&mut self, id: ConnectionId, octets: Bytes) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let Inbound::Chunk(chunk) = &mut connection.inbound else {
            return;
        };
        let (key, message) = (chunk.session, chunk.message.clone());
        let place = chunk.offset.checked_add(chunk.length);
        let end = place.and_then(|place| place.checked_add(count(octets.len())));
        let (Some(place), Some(end)) = (place, end) else {
            return self.refuse_chunk(id, key, &message, StatusCode::BAD_REQUEST);
        };
        chunk.length = chunk.length.saturating_add(count(octets.len()));
        let limits = self.shared.config.limits;
        let Some(session) = self.sessions.get_mut(&key) else {
            return self.refuse_chunk(id, key, &message, StatusCode::NO_SESSION);
        };
        let Some(incoming) = session.incoming.get_mut(&message) else {
            // It was refused while this chunk was on its way.
            let status = match session.remembered.get(&message) {
                Some(Verdict::Refused(status)) => status,
                _ => StatusCode::OK,
            };
            return self.refuse_chunk(id, key, &message, status);
        };
        if incoming.complete {
            return;
        }
        let kept = match &mut incoming.store {
            Store::Streaming(coverage) => {
                let kept = coverage.add(place, end, limits.islands).is_ok();
                if kept {
                    let message = message.clone();
                    self.shared.events.push_back(Event::BodyReceived {
                        session: key,
                        message,
                        offset: place,
                        data: octets,
                    });
                }
                kept
            }
            Store::Whole(assembly) => {
                let most = match session.config.delivery {
                    Delivery::Whole { max } => max,
                    Delivery::Streaming => u64::MAX,
                };
                let before = assembly.octets();
                let fits = |more: u64| {
                    end <= most
                        && session.gathered.saturating_add(more) <= limits.gathered_octets
                        && self.shared.gathered.saturating_add(more) <= limits.total_gathered_octets
                };
                let kept = fits(count(octets.len())) && assembly.write(place, octets, limits.islands).is_ok();
                let more = assembly.octets().saturating_sub(before);
                session.gathered = session.gathered.saturating_add(more);
                self.shared.gathered = self.shared.gathered.saturating_add(more);
                kept
            }
        };
        if !kept {
            self.refuse_chunk(id, key, &message, StatusCode::PAYLOAD_TOO_LARGE);
        }
    }

    /// Gives a message up that arrives; its present chunk is answered with `status` when it has ended.
    fn refuse_chunk(&mut self, id: ConnectionId, key: SessionKey, message: &MessageId, status: StatusCode) {
        if self
            .sessions
            .get(&key)
            .is_some_and(|session| session.incoming.contains_key(message))
        {
            self.forget_incoming(key, message, Verdict::Refused(status));
            let reason = AbortReason::Refused(status);
            self.shared.events.push_back(Event::MessageAborted {
                session: key,
                message: message.clone(),
                reason,
            });
        }
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if let Inbound::Chunk(chunk) = std::mem::take(&mut connection.inbound) {
            connection.inbound = Inbound::Answered {
                transaction: chunk.transaction,
                reply: chunk.reply,
                status,
            };
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

    fn answer(&mut self, id: ConnectionId, reply: &ReplyTo, transaction: &TransactionId, status: StatusCode) {
        if let Some(octets) = report::response(&mut self.shared.buffer, reply, transaction, status) {
            self.push(id, octets, None);
        }
    }

    /// Notes a request that the parent has to answer; not if too many wait already.
    fn owe(
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

    fn end_chunk(&mut self, id: ConnectionId, chunk: InboundChunk, continuation: Continuation, now: Instant) {
        let InboundChunk {
            session: key,
            message,
            transaction,
            reply,
            offset,
            length,
            total,
        } = chunk;
        let Some(session) = self.sessions.get_mut(&key) else {
            return self.answer(id, &reply, &transaction, StatusCode::NO_SESSION);
        };
        let (streaming, manual) = (
            session.config.delivery == Delivery::Streaming,
            session.config.acknowledge == Acknowledge::Manual,
        );
        let Some(incoming) = session.incoming.get_mut(&message) else {
            return self.answer(id, &reply, &transaction, StatusCode::OK);
        };
        if continuation == Continuation::Aborted {
            let complete = incoming.complete;
            self.forget_incoming(key, &message, Verdict::Refused(StatusCode::PAYLOAD_TOO_LARGE));
            if !complete {
                let reason = AbortReason::Sender;
                self.shared.events.push_back(Event::MessageAborted {
                    session: key,
                    message,
                    reason,
                });
            }
            return self.answer(id, &reply, &transaction, StatusCode::OK);
        }
        let end = offset.saturating_add(length);
        //= https://www.rfc-editor.org/rfc/rfc4975#section-7.3.1
        //# If the last chunk has a "$" continuation flag, the
        incoming.total = match continuation {
            // The flag fixes the length; a chunk without octets tells no place, so that it fixes it only at what came.
            Continuation::Complete if length > 0 => Some(end),
            Continuation::Complete => incoming.total.or(total).or(Some(incoming.store.end())),
            _ => total.or(incoming.total),
        };
        let mut complete = false;
        if let Some(total) = incoming.total {
            if let (Store::Whole(assembly), Continuation::Complete) = (&mut incoming.store, continuation) {
                let before = assembly.octets();
                assembly.truncate(total);
                let less = before.saturating_sub(assembly.octets());
                session.gathered = session.gathered.saturating_sub(less);
                self.shared.gathered = self.shared.gathered.saturating_sub(less);
            }
            complete = !incoming.complete && incoming.store.is_complete(total);
            incoming.complete |= complete;
        }
        let total = incoming.total.unwrap_or(0);
        if manual {
            incoming.owed = incoming.owed.saturating_add(1);
        }
        if manual && !self.owe(key, transaction, reply.clone(), Some(message.clone()), now) {
            self.forget_incoming(key, &message, Verdict::Refused(StatusCode::PAYLOAD_TOO_LARGE));
            let reason = AbortReason::Refused(StatusCode::PAYLOAD_TOO_LARGE);
            self.shared.events.push_back(Event::MessageAborted {
                session: key,
                message,
                reason,
            });
            return self.answer(id, &reply, &transaction, StatusCode::PAYLOAD_TOO_LARGE);
        }
        if !manual {
            self.answer(id, &reply, &transaction, StatusCode::OK);
        }
        if manual || streaming {
            let range = ByteRange {
                start: offset.saturating_add(1),
                end: Some(end),
                total: Some(total).filter(|_| complete),
            };
            let message = message.clone();
            self.shared.events.push_back(Event::ChunkReceived {
                session: key,
                message,
                transaction,
                range,
                continuation,
            });
        }
        if complete {
            self.hand_over(key, &message, total);
            if !manual {
                self.settle_incoming(key, &message);
            }
        }
    }

    /// Tells the parent of a message that is all here.
    fn hand_over(&mut self, key: SessionKey, message: &MessageId, total: u64) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        let Some(incoming) = session.incoming.get_mut(message) else {
            return;
        };
        let message = message.clone();
        match &mut incoming.store {
            Store::Streaming(_) => {
                self.shared.events.push_back(Event::MessageCompleted {
                    session: key,
                    message,
                    total,
                });
            }
            Store::Whole(assembly) => {
                let held = assembly.octets();
                let body = std::mem::take(assembly).into_bytes();
                session.gathered = session.gathered.saturating_sub(held);
                self.shared.gathered = self.shared.gathered.saturating_sub(held);
                self.shared.events.push_back(Event::MessageReceived {
                    session: key,
                    message,
                    content_type: incoming.content_type.clone(),
                    body,
                    success_report: incoming.success_report,
                    headers: incoming.headers.clone(),
                });
            }
        }
    }

    /// The peer reports on a message of ours.
    fn report(&mut self, id: ConnectionId, head: &Head, own: &Uri) {
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
        self.shared.events.push_back(Event::ReportReceived {
            session,
            message: message.0,
            range,
            status,
        });
    }
}
