//! What becomes of our requests.

use std::time::Instant;

use super::{CloseReason, EndReason, Endpoint, Event, SessionKey};
use crate::codec::Head;
use crate::connection::outgoing::OutgoingState;
use crate::connection::transaction::{Asked, SentChunk};
use crate::header::{ByteRange, Status};
use crate::{ConnectionId, StatusCode, TransactionId};

impl Endpoint {
    /// The peer may not have answered some requests in time.
    pub(super) fn unanswered(&mut self, id: ConnectionId, now: Instant) {
        while let Some(connection) = self.connections.get_mut(&id)
            && let Some((transaction, what)) = connection.unanswered(&mut self.shared, now)
        {
            match what {
                Asked::Bind(key) => self.end_session(key, EndReason::Timeout, now),
                Asked::Nickname(key) => {
                    self.nickname_answered(key, transaction, StatusCode::REQUEST_TIMEOUT);
                }
                Asked::KeepAlive(_) => self.close_connection(id, CloseReason::Silent, now),
                // RFC 4975 7.1.1: without an answer the request has probably failed, unless none was to come.
                Asked::Chunk(chunk) if chunk.counted => {
                    self.message_failed(chunk.session, chunk.number, None, now);
                }
                Asked::Chunk(chunk) => self.nothing_heard(&chunk),
                Asked::Auth(key) => self.relay_silent(key, now),
            }
        }
        self.list(id);
    }

    /// A message of ours has failed.
    pub(super) fn message_failed(
        &mut self,
        key: SessionKey,
        number: u64,
        status: Option<StatusCode>,
        now: Instant,
    ) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        if let Some(outgoing) = session.retire(number, &self.shared.config.limits) {
            // Of one that is being given up the parent knows already.
            if outgoing.state != OutgoingState::Aborting {
                self.shared.events.push_back(Event::MessageFailed {
                    session: key,
                    acknowledged: outgoing.acknowledged(),
                    message: outgoing.id,
                    status,
                });
            }
            // Its chunk that is going out has to end.
            if let Some(id) = session.link.connection() {
                self.list(id);
            }
        }
        self.end_if_idle(key, now);
    }

    /// The peer has answered.
    pub(super) fn answered(&mut self, id: ConnectionId, head: &Head, status: StatusCode, now: Instant) {
        let transaction = &head.transaction;
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let Some(what) = connection.answered(transaction, &mut self.shared, now) else {
            return;
        };
        // There may be room for another chunk now.
        self.list(id);
        match what {
            Asked::Bind(key) if status.is_success() => self.bound(key, id, now),
            Asked::Bind(key) => self.end_session(key, EndReason::Refused(status), now),
            Asked::Nickname(key) => self.nickname_answered(key, *transaction, status),
            Asked::KeepAlive(key) => self.end_if_refused(key, status, now),
            Asked::Auth(key) => self.relay_answered(key, head, status, now),
            Asked::Chunk(chunk) if status.is_success() => self.chunk_acknowledged(&chunk, now),
            Asked::Chunk(chunk) => {
                self.chunk_failed(&chunk, status, now);
                self.end_if_refused(chunk.session, status, now);
            }
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc4975#section-10.8
    //# A 481 response indicates that the indicated session does not exist.
    //# The sender should terminate the session.
    pub(super) fn end_if_refused(&mut self, key: SessionKey, status: StatusCode, now: Instant) {
        if matches!(status, StatusCode::NO_SESSION | StatusCode::SESSION_ALREADY_BOUND) {
            self.end_session(key, EndReason::Refused(status), now);
        }
    }

    fn nickname_answered(&mut self, session: SessionKey, transaction: TransactionId, status: StatusCode) {
        if self.sessions.contains_key(&session) {
            self.shared.events.push_back(Event::NicknameAnswered {
                session,
                transaction,
                status,
            });
        }
    }

    fn chunk_acknowledged(&mut self, chunk: &SentChunk, now: Instant) {
        let key = chunk.session;
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        let Some(outgoing) = session.outbox.get_mut(chunk.number) else {
            return;
        };
        outgoing.acknowledge(chunk.start, chunk.end);
        if !chunk.counted {
            return self.nothing_heard(chunk);
        }
        outgoing.unanswered = outgoing.unanswered.saturating_sub(1);
        if outgoing.state == OutgoingState::Ended && outgoing.unanswered == 0 {
            self.shared.events.push_back(Event::MessageSent {
                session: key,
                message: outgoing.id.clone(),
            });
            session.sent(chunk.number, &self.shared.config.limits);
            self.end_if_idle(key, now);
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.1
    //# If the value is set to "partial", then the element sending
    //# the transaction does not have to run a timer, but MUST inform the
    //# user if it receives a non-recoverable error response to the
    //# transaction.
    fn chunk_failed(&mut self, chunk: &SentChunk, status: StatusCode, now: Instant) {
        let Some(session) = self.sessions.get_mut(&chunk.session) else {
            return;
        };
        match session.outbox.get(chunk.number) {
            // It was said to be sent before this was heard.
            Some(outgoing) if outgoing.state == OutgoingState::Sent => {
                self.shared.events.push_back(Event::ReportReceived {
                    session: chunk.session,
                    message: outgoing.id.clone(),
                    range: Some(ByteRange {
                        start: chunk.start.saturating_add(1),
                        end: Some(chunk.end),
                        total: outgoing.total,
                    }),
                    status: Status::of(status),
                });
                self.nothing_heard(chunk);
            }
            Some(_) => self.message_failed(chunk.session, chunk.number, Some(status), now),
            None => {}
        }
    }

    /// Nothing more is to be heard of a chunk that is answered only if it fails.
    fn nothing_heard(&mut self, chunk: &SentChunk) {
        let Some(session) = self.sessions.get_mut(&chunk.session) else {
            return;
        };
        let Some(outgoing) = session.outbox.get_mut(chunk.number) else {
            return;
        };
        outgoing.unheard = outgoing.unheard.saturating_sub(1);
        if outgoing.state == OutgoingState::Sent && outgoing.unheard == 0 {
            session.retire(chunk.number, &self.shared.config.limits);
        }
    }
}
