//! Chunks as they arrive, and the messages that they make up (RFC 4975 section 7.3.1).

use std::time::Instant;

use bytes::Bytes;

use super::binding::Addressed;
use super::session::{Incoming, Store, Verdict, Wants};
use super::{AbortReason, Acknowledge, Delivery, Endpoint, Event, SessionKey};
use crate::codec::{Continuation, Head};
use crate::connection::receive::{Assembly, Coverage, count};
use crate::connection::transaction::ReplyTo;
use crate::connection::{Inbound, InboundChunk};
use crate::header::{ByteRange, ContentType, SuccessReport};
use crate::{ConnectionId, MessageId, StatusCode};

impl Endpoint {
    pub(super) fn send_request(
        &mut self,
        key: SessionKey,
        head: &mut Head,
        addressed: &Addressed,
        reply: &ReplyTo,
    ) -> Result<Inbound, StatusCode> {
        let bad = |_| StatusCode::BAD_REQUEST;
        let transaction = head.transaction;
        let range = head.headers.byte_range().map_err(bad)?;
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
        let name = head.headers.message_id().map_err(bad)?;
        let name = name.ok_or(StatusCode::BAD_REQUEST)?;
        let session = self.sessions.get_mut(&key).ok_or(StatusCode::NO_SESSION)?;
        let (message, digest, attached);
        if let Some((known, incoming)) = session.inbox.find(name) {
            incoming.touched = self.shared.number();
            if incoming.report.as_ptr() != addressed.report.as_ptr() {
                incoming.report.clone_from(&addressed.report);
            }
            (message, digest, attached) = (incoming.id.clone(), known, false);
        } else {
            message = MessageId::received(name).map_err(|_| StatusCode::BAD_REQUEST)?;
            digest = self.shared.digest(name);
            //= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
            //# Note that acknowledgments as needed based on the
            //# Failure-Report and Success-Report settings are still necessary even
            //# for requests containing duplicate content.
            match session.inbox.received.get(digest) {
                Some(Verdict::Complete(_)) => {
                    let wants =
                        head.headers.get::<SuccessReport>().ok().flatten() == Some(SuccessReport::Yes);
                    let reports = session.config.success_reports == Acknowledge::Automatic;
                    return Ok(Inbound::Repeated {
                        session: key,
                        message,
                        transaction,
                        reply: reply.clone(),
                        offset,
                        length: 0,
                        report: (wants && reports).then(|| addressed.report.clone()),
                    });
                }
                Some(Verdict::Refused(status)) => return Err(status),
                None => {}
            }
            self.begin_message(key, (&message, digest), head, addressed, reply, range.total)?;
            attached = true;
        }
        Ok(Inbound::Chunk(InboundChunk {
            session: key,
            message,
            digest,
            transaction,
            reply: reply.clone(),
            offset,
            length: 0,
            total: range.total,
            attached,
        }))
    }

    /// Takes in the first chunk of a message.
    fn begin_message(
        &mut self,
        key: SessionKey,
        (message, digest): (&MessageId, u64),
        head: &mut Head,
        addressed: &Addressed,
        reply: &ReplyTo,
        total: Option<u64>,
    ) -> Result<(), StatusCode> {
        let limits = self.shared.config.limits;
        let bad = |_| StatusCode::BAD_REQUEST;
        let content_type = head.headers.media_type().map_err(bad)?;
        let content_type = content_type.map(|one| one.to_content_type());
        let wants = Wants {
            success: head.headers.get::<SuccessReport>().map_err(bad)? == Some(SuccessReport::Yes),
            failure: reply.failure_report,
        };
        let session = self.sessions.get_mut(&key).ok_or(StatusCode::NO_SESSION)?;
        let refusal = if total.is_some_and(|total| total > session.config.largest()) {
            Some(StatusCode::PAYLOAD_TOO_LARGE)
        } else if !accepts(session.config.accept_types.as_deref(), content_type.as_ref()) {
            Some(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        } else {
            None
        };
        if let Some(status) = refusal {
            let verdict = Verdict::Refused(status);
            session
                .inbox
                .received
                .insert(digest, verdict, limits.remembered_messages);
            return Err(status);
        }
        if session.inbox.len() >= limits.open_messages {
            let (digest, silent) = session.inbox.silent().ok_or(StatusCode::PAYLOAD_TOO_LARGE)?;
            let reason = AbortReason::Refused(StatusCode::PAYLOAD_TOO_LARGE);
            self.give_up_incoming(key, &silent, digest, reason);
        }
        let session = self.sessions.get_mut(&key).ok_or(StatusCode::NO_SESSION)?;
        let streaming = session.config.delivery == Delivery::Streaming;
        let store = if streaming {
            Store::Streaming(Coverage::default())
        } else {
            Store::Whole(Assembly::default())
        };
        let (kept_type, headers) = if streaming {
            self.shared.events.push_back(Event::MessageStarted {
                session: key,
                message: message.clone(),
                content_type,
                total,
                success_report: wants.success,
                failure_report: wants.failure,
                headers: Box::new(head.headers.detached()),
            });
            (None, None)
        } else {
            (content_type, Some(Box::new(std::mem::take(&mut head.headers))))
        };
        let incoming = Incoming {
            id: message.clone(),
            content_type: kept_type,
            headers,
            wants,
            report: addressed.report.clone(),
            total,
            fixed: None,
            store,
            owed: 0,
            complete: false,
            touched: self.shared.number(),
        };
        session.inbox.insert(digest, incoming);
        Ok(())
    }

    /// Lets the head of the chunk that is arriving not keep alive what was read from the network, since its rest may be
    /// long in coming.
    pub(super) fn detach(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let Inbound::Chunk(chunk) = &mut connection.inbound else {
            return;
        };
        if std::mem::take(&mut chunk.attached)
            && let Some(session) = self.sessions.get_mut(&chunk.session)
            && let Some(incoming) = session.inbox.get_mut(chunk.digest)
            && let Some(headers) = &mut incoming.headers
        {
            **headers = headers.detached();
        }
    }

    pub(super) fn body(&mut self, id: ConnectionId, mut octets: Bytes) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let chunk = match &mut connection.inbound {
            Inbound::Chunk(chunk) => chunk,
            Inbound::Repeated { length, .. } => {
                *length = length.saturating_add(count(octets.len()));
                return;
            }
            _ => return,
        };
        let (key, digest) = (chunk.session, chunk.digest);
        let place = chunk.offset.saturating_add(chunk.length);
        chunk.length = chunk.length.saturating_add(count(octets.len()));
        let limits = self.shared.config.limits;
        let Some(session) = self.sessions.get_mut(&key) else {
            return self.refuse_chunk(id, StatusCode::NO_SESSION);
        };
        let (largest, gathered) = (session.config.largest(), session.inbox.gathered);
        let Some(incoming) = session.inbox.get_mut(digest) else {
            // It was refused while this chunk was on its way.
            let status = match session.inbox.received.get(digest) {
                Some(Verdict::Refused(status)) => status,
                _ => StatusCode::OK,
            };
            return self.refuse_chunk(id, status);
        };
        if incoming.complete {
            return;
        }
        // What is beyond the end of the message, or beyond what can be counted, is wrong; the octets before it are not.
        let room = incoming.fixed.unwrap_or(u64::MAX).saturating_sub(place);
        let beyond = count(octets.len()) > room;
        octets.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        let end = place.saturating_add(count(octets.len()));
        let (mut kept, mut more) = (end <= largest, 0);
        match &mut incoming.store {
            _ if !kept => {}
            Store::Streaming(coverage) => {
                kept = coverage.add(place, end, limits.islands).is_ok();
                if kept && !octets.is_empty() {
                    self.shared.events.push_back(Event::BodyReceived {
                        session: key,
                        message: incoming.id.clone(),
                        offset: place,
                        data: octets,
                    });
                }
            }
            Store::Whole(assembly) => {
                let before = assembly.octets();
                let length = count(octets.len());
                let fits = gathered.saturating_add(length) <= limits.gathered_octets
                    && self.shared.gathered.saturating_add(length) <= limits.total_gathered_octets;
                kept = fits && assembly.write(place, octets, limits.islands).is_ok();
                more = assembly.octets().saturating_sub(before);
            }
        }
        session.inbox.gathered = gathered.saturating_add(more);
        self.shared.gathered = self.shared.gathered.saturating_add(more);
        if !kept {
            self.refuse_chunk(id, StatusCode::PAYLOAD_TOO_LARGE);
        } else if beyond {
            self.refuse_chunk(id, StatusCode::BAD_REQUEST);
        }
    }

    /// Gives a message up that arrives; its present chunk is answered at once, so that its sender does not go on.
    fn refuse_chunk(&mut self, id: ConnectionId, status: StatusCode) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if let Inbound::Chunk(chunk) = std::mem::take(&mut connection.inbound) {
            let reason = AbortReason::Refused(status);
            self.give_up_incoming(chunk.session, &chunk.message, chunk.digest, reason);
            self.answer(id, &chunk.reply, &chunk.transaction, status);
        }
    }

    /// Gives a message up that arrives.
    pub(super) fn give_up_incoming(
        &mut self,
        key: SessionKey,
        message: &MessageId,
        digest: u64,
        reason: AbortReason,
    ) {
        let session = self.sessions.get(&key);
        let Some(incoming) = session.and_then(|session| session.inbox.get(digest)) else {
            return;
        };
        let complete = incoming.complete;
        let verdict = match reason {
            AbortReason::Refused(status) => Some(Verdict::Refused(status)),
            // The sender may begin anew.
            _ => None,
        };
        self.forget_incoming(key, digest, verdict);
        if !complete {
            self.shared.events.push_back(Event::MessageAborted {
                session: key,
                message: message.clone(),
                reason,
            });
        }
    }

    pub(super) fn end_chunk(
        &mut self,
        id: ConnectionId,
        chunk: InboundChunk,
        continuation: Continuation,
        now: Instant,
    ) {
        let InboundChunk {
            session: key,
            message,
            digest,
            transaction,
            reply,
            offset,
            length,
            total,
            attached,
        } = chunk;
        let Some(session) = self.sessions.get_mut(&key) else {
            return self.answer(id, &reply, &transaction, StatusCode::NO_SESSION);
        };
        let manual = session.config.acknowledge == Acknowledge::Manual;
        let Some(incoming) = session.inbox.get_mut(digest) else {
            return self.answer(id, &reply, &transaction, StatusCode::OK);
        };
        let streaming = matches!(incoming.store, Store::Streaming(_));
        if continuation == Continuation::Aborted {
            self.give_up_incoming(key, &message, digest, AbortReason::Sender);
            return self.answer(id, &reply, &transaction, StatusCode::OK);
        }
        if attached
            && continuation == Continuation::More
            && let Some(headers) = &mut incoming.headers
        {
            **headers = headers.detached();
        }
        let end = offset.saturating_add(length);
        incoming.total = total.or(incoming.total);
        //= https://www.rfc-editor.org/rfc/rfc4975#section-7.3.1
        //# It is worth noting that the chunk that has a termination character of
        //# "$" defines the total length of the message.
        if continuation == Continuation::Complete && !incoming.complete {
            // A chunk without octets tells no place, so that it fixes the length only at what came.
            let total = if length > 0 {
                end
            } else {
                incoming.store.end().max(offset)
            };
            incoming.fixed = Some(total);
            if let Store::Whole(assembly) = &mut incoming.store {
                let before = assembly.octets();
                assembly.truncate(total);
                let less = before.saturating_sub(assembly.octets());
                session.inbox.gathered = session.inbox.gathered.saturating_sub(less);
                self.shared.gathered = self.shared.gathered.saturating_sub(less);
            }
        }
        let Some(incoming) = session.inbox.get_mut(digest) else {
            return;
        };
        let known = incoming.fixed.or(incoming.total);
        if manual {
            incoming.owed = incoming.owed.saturating_add(1);
            if let Err(status) = self.owe(key, transaction, reply.clone(), Some(message.clone()), now) {
                self.give_up_incoming(key, &message, digest, AbortReason::Refused(status));
                return self.answer(id, &reply, &transaction, status);
            }
        } else {
            self.answer(id, &reply, &transaction, StatusCode::OK);
        }
        let session = self.sessions.get_mut(&key);
        let Some(incoming) = session.and_then(|session| session.inbox.get_mut(digest)) else {
            return;
        };
        let complete = match incoming.fixed {
            Some(total) if !incoming.complete => incoming.store.is_complete(total),
            _ => false,
        };
        incoming.complete |= complete;
        if manual || streaming {
            let range = ByteRange {
                start: offset.saturating_add(1),
                end: Some(end),
                total: known,
            };
            self.shared.events.push_back(Event::ChunkReceived {
                session: key,
                message: message.clone(),
                transaction,
                range,
                continuation,
            });
        }
        if complete {
            self.hand_over(key, digest);
            if !manual {
                self.settle_incoming(key, digest);
            }
        }
    }

    /// Tells the parent of a message that is all here.
    fn hand_over(&mut self, key: SessionKey, digest: u64) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        let Some(incoming) = session.inbox.get_mut(digest) else {
            return;
        };
        let message = incoming.id.clone();
        match &mut incoming.store {
            Store::Streaming(_) => {
                self.shared.events.push_back(Event::MessageCompleted {
                    session: key,
                    message,
                    total: incoming.fixed.unwrap_or(0),
                });
            }
            Store::Whole(assembly) => {
                let held = assembly.octets();
                let body = std::mem::take(assembly).into_bytes();
                self.shared.events.push_back(Event::MessageReceived {
                    session: key,
                    message,
                    content_type: incoming.content_type.take(),
                    body,
                    success_report: incoming.wants.success,
                    headers: incoming.headers.take().unwrap_or_default(),
                });
                session.inbox.gathered = session.inbox.gathered.saturating_sub(held);
                self.shared.gathered = self.shared.gathered.saturating_sub(held);
            }
        }
    }
}

/// Says whether a media type is among those that are taken.
//= https://www.rfc-editor.org/rfc/rfc4975#section-7.3.1
//# If the SEND request contained a Content-Type header field indicating
//# an unsupported media-type, and the Failure-Report value is not "no",
//# the receiver MUST generate a response with a status code of 415.
fn accepts(ranges: Option<&[String]>, content_type: Option<&ContentType>) -> bool {
    match (ranges, content_type) {
        (Some(ranges), Some(content_type)) => ranges.iter().any(|range| content_type.matches(range)),
        _ => true,
    }
}
