//! What the parent wants to be sent.

use std::time::Instant;

use bytes::{BufMut, Bytes};

use super::session::Link;
use super::{AppendError, Endpoint, EndReason, Event, NicknameError, OutgoingBody, OutgoingMessage, SendError, SessionKey};
use crate::codec::{self, Continuation};
use crate::connection::outgoing::{Outgoing, OutgoingState};
use crate::connection::receive::count;
use crate::connection::transaction::Asked;
use crate::header::UseNickname;
use crate::{ByteStr, ConnectionId, MessageId, Method, StatusCode, TransactionId};

/// Headers that the endpoint writes itself.
const RESERVED: [&str; 9] = [
    "To-Path",
    "From-Path",
    "Message-ID",
    "Success-Report",
    "Failure-Report",
    "Byte-Range",
    "Status",
    "Content-Type",
    "Use-Nickname",
];

impl Endpoint {
    pub(super) fn queue_message(
        &mut self,
        key: SessionKey,
        message: OutgoingMessage,
    ) -> Result<MessageId, SendError> {
        let limits = self.limits();
        let session = self.sessions.get_mut(&key).filter(|session| !session.closing).ok_or(SendError::NoSession)?;
        if session.outgoing.len() >= limits.queued_messages || session.queued > limits.queued_octets {
            return Err(SendError::QueueFull);
        }
        let (length, streamed) = match &message.body {
            OutgoingBody::Whole(body) => (count(body.len()), false),
            OutgoingBody::Streamed { total } => (total.unwrap_or(0), true),
        };
        if session.config.max_size.is_some_and(|max| length > max) {
            return Err(SendError::TooLarge);
        }
        if message.content_type.is_none() && (length > 0 || streamed) {
            return Err(SendError::NoContentType);
        }
        if message.headers.iter().any(|(name, _)| RESERVED.iter().any(|other| other.eq_ignore_ascii_case(name))) {
            return Err(SendError::ReservedHeader);
        }
        let id = match &message.message_id {
            Some(id) if session.has_message(id) => return Err(SendError::Duplicate),
            Some(id) => id.clone(),
            None => self.shared.mint_message(),
        };
        let number = self.shared.number();
        session.insert(number, Outgoing::new(id.clone(), message));
        self.message_changed(key, number);
        Ok(id)
    }

    pub(super) fn append_octets(
        &mut self,
        key: SessionKey,
        message: &MessageId,
        data: Bytes,
    ) -> Result<(), AppendError> {
        let most = self.limits().queued_octets;
        let session = self.sessions.get_mut(&key).ok_or(AppendError::NoMessage)?;
        let number = session.number_of(message).ok_or(AppendError::NoMessage)?;
        let outgoing = session.outgoing.get_mut(&number).filter(|outgoing| outgoing.grows());
        let outgoing = outgoing.ok_or(AppendError::NoMessage)?;
        let more = count(data.len());
        let length = outgoing.length_so_far().checked_add(more).ok_or(AppendError::TooLong)?;
        let max = [outgoing.total, session.config.max_size].into_iter().flatten().min();
        if max.is_some_and(|max| length > max) {
            return Err(AppendError::TooLong);
        }
        if session.queued > most {
            return Err(AppendError::QueueFull);
        }
        outgoing.append(data);
        session.queued = session.queued.saturating_add(more);
        self.message_changed(key, number);
        Ok(())
    }

    pub(super) fn finish_message(&mut self, key: SessionKey, message: &MessageId, now: Instant) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let Some(number) = session.number_of(message) else { return };
        let Some(outgoing) = session.outgoing.get_mut(&number) else { return };
        if !outgoing.grows() {
            return;
        }
        if outgoing.finish() {
            self.message_changed(key, number);
        } else {
            // What was announced will not come.
            self.fail_message(key, number, None, now);
        }
    }

    /// Gives a message up: the receiver is told with `#`, if it has seen any of it.
    pub(super) fn abort_message(&mut self, key: SessionKey, message: &MessageId, now: Instant) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let Some(number) = session.number_of(message) else { return };
        let Some(outgoing) = session.outgoing.get_mut(&number) else { return };
        if outgoing.state == OutgoingState::Open && outgoing.sent() > 0 {
            session.queued = session.queued.saturating_sub(outgoing.clear());
            outgoing.state = OutgoingState::Aborting;
            self.message_changed(key, number);
        } else if outgoing.state != OutgoingState::Aborting {
            session.forget(number);
            self.end_if_idle(key, now);
        }
    }

    /// Ends a message that has failed. No more chunks of it begin; one that is going out ends with `#`.
    //= https://www.rfc-editor.org/rfc/rfc4975#section-10.5
    //# If a message sender receives a 413 in a response, or in a REPORT
    //# request, it MUST NOT send any further chunks in the message, that is,
    //# any further chunks with the same Message-ID value.  If the sender
    //# receives the 413 while in the process of sending a chunk, and the
    //# chunk is interruptible, the sender MUST interrupt it.
    pub(super) fn fail_message(
        &mut self,
        key: SessionKey,
        number: u64,
        status: Option<StatusCode>,
        now: Instant,
    ) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let Some(message) = session.forget(number) else { return };
        let event = Event::MessageFailed { session: key, message: message.id, status };
        self.shared.events.push_back(event);
        if let Some(connection) = session.link.connection() {
            self.wake(connection);
        }
        self.end_if_idle(key, now);
    }

    /// Notes that a message may have something to send now.
    fn message_changed(&mut self, key: SessionKey, number: u64) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let ready = session.outgoing.get(&number).is_some_and(Outgoing::is_ready);
        let going_out = session
            .link
            .connection()
            .and_then(|id| self.connections.get(&id))
            .is_some_and(|connection| connection.is_sending(number));
        if ready && !going_out && !session.ready.contains(&number) {
            session.ready.push_back(number);
        }
        self.wake_session(key);
    }

    pub(super) fn ask_nickname(
        &mut self,
        key: SessionKey,
        nickname: &str,
    ) -> Result<TransactionId, NicknameError> {
        let session = self.sessions.get(&key).filter(|session| !session.closing).ok_or(NicknameError::NoSession)?;
        let Link::Bound(id) = session.link else { return Err(NicknameError::NotBound) };
        //= https://www.rfc-editor.org/rfc/rfc7701#section-7
        //= type=exception
        //= reason=the preparation of RFC 7700 is left to the chat room, which compares nicknames
        if nickname.len() > 1023 || nickname.chars().any(char::is_control) {
            return Err(NicknameError::Malformed);
        }
        let connection = self.connections.get_mut(&id).ok_or(NicknameError::NotBound)?;
        let transaction = self.shared.mint_transaction();
        let out = &mut self.shared.buffer;
        codec::request_line(out, &transaction, &Method::Nickname);
        out.put_slice(&session.paths);
        codec::header(out, &UseNickname(ByteStr::from(nickname)));
        codec::end_line(out, &transaction, Continuation::Complete);
        connection.push_urgent(out.split().freeze(), Some((transaction, Asked::Nickname(key))));
        self.wake(id);
        Ok(transaction)
    }

    /// A response has come, or none (`None`).
    pub(super) fn answer(&mut self, id: ConnectionId, transaction: &TransactionId, status: Option<StatusCode>, now: Instant) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(asked) = connection.answered(transaction, &mut self.shared) else { return };
        // There may be room for one more chunk now.
        self.wake(id);
        match asked {
            Asked::Bind(key) => match status {
                Some(status) if status.is_success() => self.bound(key, id),
                Some(status) => self.end_session_on(key, EndReason::Refused(status), now),
                None => self.end_session_on(key, EndReason::Timeout, now),
            },
            Asked::Nickname(session) => {
                if self.sessions.contains_key(&session) {
                    let status = status.unwrap_or(StatusCode::REQUEST_TIMEOUT);
                    let transaction = *transaction;
                    self.shared.events.push_back(Event::NicknameAnswered { session, transaction, status });
                }
            }
            Asked::Chunk { session, number, counted } => self.chunk_answered(session, number, counted, status, now),
        }
    }

    fn chunk_answered(
        &mut self,
        key: SessionKey,
        number: u64,
        counted: bool,
        status: Option<StatusCode>,
        now: Instant,
    ) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        match status {
            // Nobody waits for the answer to a chunk of which only failures are reported.
            None if !counted => return,
            Some(status) if status.is_success() => {}
            Some(status @ (StatusCode::NO_SESSION | StatusCode::SESSION_ALREADY_BOUND)) => {
                //= https://www.rfc-editor.org/rfc/rfc4975#section-10.8
                //# A 481 response indicates that the indicated session does not exist.
                //# The sender should terminate the session.
                self.fail_message(key, number, Some(status), now);
                self.end_session_on(key, EndReason::Refused(status), now);
                return;
            }
            _ => {
                if session.outgoing.contains_key(&number) {
                    self.fail_message(key, number, status, now);
                }
                return;
            }
        }
        let Some(message) = session.outgoing.get_mut(&number) else { return };
        if counted {
            message.unanswered = message.unanswered.saturating_sub(1);
        }
        if message.state == OutgoingState::Ended && message.unanswered == 0 {
            let event = Event::MessageSent { session: key, message: message.id.clone() };
            self.shared.events.push_back(event);
            session.forget(number);
            self.end_if_idle(key, now);
        }
    }
}
