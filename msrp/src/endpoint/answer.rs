//! What becomes of our requests.

use std::time::Instant;

use super::{EndReason, Endpoint, Event, SessionKey};
use crate::connection::outgoing::OutgoingState;
use crate::connection::transaction::Asked;
use crate::{ConnectionId, StatusCode, TransactionId};

impl Endpoint {
    /// The peer has not answered in time.
    pub(super) fn unanswered(&mut self, id: ConnectionId, transaction: &TransactionId, now: Instant) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let Some(what) = connection.answered(transaction, &mut self.shared) else {
            return;
        };
        match what {
            Asked::Bind(key) => self.end_session(key, EndReason::Timeout, now),
            Asked::Nickname(key) => self.nickname_answered(key, *transaction, StatusCode::REQUEST_TIMEOUT),
            // RFC 4975 7.1.1: without an answer the request has probably failed, unless none was to come.
            Asked::Chunk {
                session,
                number,
                counted: true,
            } => self.message_failed(session, number, None, now),
            Asked::Chunk { .. } => {}
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
        if let Some(outgoing) = session.forget(number) {
            let event = Event::MessageFailed {
                session: key,
                message: outgoing.id,
                status,
            };
            self.shared.events.push_back(event);
        }
        self.end_if_idle(key, now);
    }

    /// The peer has answered.
    pub(super) fn answered(
        &mut self,
        id: ConnectionId,
        transaction: &TransactionId,
        status: StatusCode,
        now: Instant,
    ) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let Some(what) = connection.answered(transaction, &mut self.shared) else {
            return;
        };
        // There may be room for another chunk now.
        self.list(id);
        match what {
            Asked::Bind(key) if status.is_success() => self.bound(key, id),
            Asked::Bind(key) => self.end_session(key, EndReason::Refused(status), now),
            Asked::Nickname(key) => self.nickname_answered(key, *transaction, status),
            Asked::Chunk {
                session,
                number,
                counted,
            } if status.is_success() => {
                self.chunk_answered(session, number, counted, now);
            }
            Asked::Chunk { session, number, .. } => {
                self.message_failed(session, number, Some(status), now);
                //= https://www.rfc-editor.org/rfc/rfc4975#section-10.8
                //# A 481 response indicates that the indicated session does not exist.
                //# The sender should terminate the session.
                if matches!(status, StatusCode::NO_SESSION | StatusCode::SESSION_ALREADY_BOUND) {
                    self.end_session(session, EndReason::Refused(status), now);
                }
            }
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

    fn chunk_answered(&mut self, key: SessionKey, number: u64, counted: bool, now: Instant) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        let Some(outgoing) = session.outgoing.get_mut(&number) else {
            return;
        };
        outgoing.unanswered = outgoing.unanswered.saturating_sub(usize::from(counted));
        if outgoing.state == OutgoingState::Ended && outgoing.unanswered == 0 {
            let message = outgoing.id.clone();
            self.shared.events.push_back(Event::MessageSent {
                session: key,
                message,
            });
            session.forget(number);
            self.end_if_idle(key, now);
        }
    }
}
