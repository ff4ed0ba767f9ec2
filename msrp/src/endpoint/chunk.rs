//! Chunks as they arrive, and the messages that they make up (RFC 4975 section 7.3.1).

use std::time::Instant;

use bytes::Bytes;

use super::session::{Incoming, Store, Verdict};
use super::{AbortReason, Acknowledge, Delivery, Endpoint, Event, SessionKey};
use crate::codec::{Continuation, Head};
use crate::connection::receive::{Assembly, Coverage, count};
use crate::connection::transaction::ReplyTo;
use crate::connection::{Inbound, InboundChunk, Repeat};
use crate::header::{ByteRange, ContentType, FailureReport, FromPath, MessageIdHeader, SuccessReport};
use crate::{ConnectionId, MessageId, StatusCode};

impl Endpoint {
    pub(super) fn send_request(
        &mut self,
        id: ConnectionId,
        key: SessionKey,
        head: &Head,
        from: &FromPath,
        reply: &ReplyTo,
    ) -> Result<Inbound, StatusCode> {
        self.accept_binding(key, id, from.uris())?;
        let transaction = head.transaction;
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
        let message = head
            .headers
            .require::<MessageIdHeader>()
            .map_err(|_| StatusCode::BAD_REQUEST)?
            .0;
        let offset = range.start.checked_sub(1).ok_or(StatusCode::BAD_REQUEST)?;
        let Some(session) = self.sessions.get_mut(&key) else {
            return Err(StatusCode::NO_SESSION);
        };
        //= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
        //# Note that acknowledgments as needed based on the
        //# Failure-Report and Success-Report settings are still necessary even
        //# for requests containing duplicate content.
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
        let touched = self.shared.number();
        if let Some(incoming) = session.incoming.get_mut(&message) {
            incoming.touched = touched;
            incoming.from_path = from.uris().to_vec();
        } else {
            self.begin_message(key, &message, head, from, range.total, touched)?;
        }
        Ok(Inbound::Chunk(InboundChunk {
            session: key,
            message,
            transaction,
            reply: reply.clone(),
            offset,
            length: 0,
            total: range.total,
        }))
    }

    /// Takes in the first chunk of a message.
    fn begin_message(
        &mut self,
        key: SessionKey,
        message: &MessageId,
        head: &Head,
        from: &FromPath,
        total: Option<u64>,
        touched: u64,
    ) -> Result<(), StatusCode> {
        let limits = self.shared.config.limits;
        let bad = |_| StatusCode::BAD_REQUEST;
        let content_type = head.headers.get::<ContentType>().map_err(bad)?;
        let success_report = head.headers.get::<SuccessReport>().map_err(bad)? == Some(SuccessReport::Yes);
        let failure_report = head
            .headers
            .get::<FailureReport>()
            .map_err(bad)?
            .unwrap_or_default();
        let session = self.sessions.get_mut(&key).ok_or(StatusCode::NO_SESSION)?;
        let (most, store) = match session.config.delivery {
            Delivery::Whole { max } => (max, Store::Whole(Assembly::default())),
            Delivery::Streaming => (u64::MAX, Store::Streaming(Coverage::default())),
        };
        if total.is_some_and(|total| total > most) {
            let verdict = Verdict::Refused(StatusCode::PAYLOAD_TOO_LARGE);
            session
                .remembered
                .insert(message.clone(), verdict, limits.remembered_messages);
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        if session.incoming.len() >= limits.open_messages {
            let waiting = session.incoming.iter().filter(|(_, incoming)| !incoming.complete);
            let silent = waiting.min_by_key(|(_, incoming)| incoming.touched);
            let silent = silent
                .map(|(silent, _)| silent.clone())
                .ok_or(StatusCode::PAYLOAD_TOO_LARGE)?;
            self.give_up_incoming(key, &silent, AbortReason::Refused(StatusCode::PAYLOAD_TOO_LARGE));
        }
        let streaming = matches!(store, Store::Streaming(_));
        let headers = head.headers.detached();
        let incoming = Incoming {
            content_type: content_type.clone(),
            headers: headers.clone(),
            success_report,
            from_path: from.uris().to_vec(),
            total,
            fixed: None,
            store,
            owed: 0,
            complete: false,
            touched,
        };
        let session = self.sessions.get_mut(&key).ok_or(StatusCode::NO_SESSION)?;
        session.incoming.insert(message.clone(), incoming);
        if streaming {
            self.shared.events.push_back(Event::MessageStarted {
                session: key,
                message: message.clone(),
                content_type,
                total,
                success_report,
                failure_report,
                headers,
            });
        }
        Ok(())
    }

    pub(super) fn body(&mut self, id: ConnectionId, mut octets: Bytes) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let Inbound::Chunk(chunk) = &mut connection.inbound else {
            return;
        };
        let (key, message) = (chunk.session, chunk.message.clone());
        let place = chunk.offset.saturating_add(chunk.length);
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
        // What is beyond the end of the message, or beyond what can be counted, is wrong; the octets before it are not.
        let room = incoming.fixed.unwrap_or(u64::MAX).saturating_sub(place);
        let beyond = count(octets.len()) > room;
        octets.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        let end = place.saturating_add(count(octets.len()));
        let kept = match &mut incoming.store {
            Store::Streaming(coverage) => {
                let kept = coverage.add(place, end, limits.islands).is_ok();
                if kept && !octets.is_empty() {
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
        } else if beyond {
            self.refuse_chunk(id, key, &message, StatusCode::BAD_REQUEST);
        }
    }

    /// Gives a message up that arrives; its present chunk is answered at once, so that its sender does not go on.
    fn refuse_chunk(&mut self, id: ConnectionId, key: SessionKey, message: &MessageId, status: StatusCode) {
        self.give_up_incoming(key, message, AbortReason::Refused(status));
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if let Inbound::Chunk(chunk) = std::mem::take(&mut connection.inbound) {
            self.answer(id, &chunk.reply, &chunk.transaction, status);
        }
    }

    /// Gives a message up that arrives.
    pub(super) fn give_up_incoming(&mut self, key: SessionKey, message: &MessageId, reason: AbortReason) {
        let session = self.sessions.get(&key);
        let Some(incoming) = session.and_then(|session| session.incoming.get(message)) else {
            return;
        };
        let complete = incoming.complete;
        let status = match reason {
            AbortReason::Refused(status) => status,
            _ => StatusCode::PAYLOAD_TOO_LARGE,
        };
        self.forget_incoming(key, message, Verdict::Refused(status));
        if !complete {
            let message = message.clone();
            self.shared.events.push_back(Event::MessageAborted {
                session: key,
                message,
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
            self.give_up_incoming(key, &message, AbortReason::Sender);
            return self.answer(id, &reply, &transaction, StatusCode::OK);
        }
        let end = offset.saturating_add(length);
        incoming.total = total.or(incoming.total);
        //= https://www.rfc-editor.org/rfc/rfc4975#section-7.3.1
        //# It is worth noting that the chunk that has a termination character of
        //# "$" defines the total length of the message.
        if continuation == Continuation::Complete && !incoming.complete {
            // A chunk without octets tells no place, so that it fixes the length only at what came.
            incoming.fixed = Some(if length > 0 {
                end
            } else {
                incoming.store.end().max(offset)
            });
        }
        let mut complete = false;
        if let Some(total) = incoming.fixed {
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
        let (known, total) = (incoming.fixed.or(incoming.total), incoming.fixed.unwrap_or(0));
        if manual {
            incoming.owed = incoming.owed.saturating_add(1);
        }
        if manual && !self.owe(key, transaction, reply.clone(), Some(message.clone()), now) {
            self.give_up_incoming(key, &message, AbortReason::Refused(StatusCode::PAYLOAD_TOO_LARGE));
            return self.answer(id, &reply, &transaction, StatusCode::PAYLOAD_TOO_LARGE);
        }
        if !manual {
            self.answer(id, &reply, &transaction, StatusCode::OK);
        }
        if manual || streaming {
            let range = ByteRange {
                start: offset.saturating_add(1),
                end: Some(end),
                total: known,
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
}
