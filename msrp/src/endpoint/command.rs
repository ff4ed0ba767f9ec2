//! The commands.

use std::time::Instant;

use bytes::{BufMut, Bytes};

use super::session::{Link, Session, Verdict};
use super::{
    AbortReason, AppendError, Endpoint, Event, NicknameError, OpenSessionError, OutgoingBody,
    OutgoingMessage, RespondError, Role, SendError, SessionConfig, SessionKey, SetRemotePathError,
};
use crate::codec::{self, Continuation};
use crate::connection::Authority;
use crate::connection::outgoing::{Outgoing, OutgoingState};
use crate::connection::receive::count;
use crate::connection::report;
use crate::connection::shared::Timer;
use crate::connection::transaction::{Asked, Owed};
use crate::header::UseNickname;
use crate::{MessageId, Method, StatusCode, TransactionId, Uri};

/// Headers that the endpoint writes itself.
const RESERVED: [&str; 9] = [
    "To-Path",
    "From-Path",
    "Message-ID",
    "Byte-Range",
    "Success-Report",
    "Failure-Report",
    "Status",
    "Content-Type",
    "Use-Nickname",
];

impl Endpoint {
    /// Opens a session.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when the configuration contradicts itself, or there are too many sessions.
    pub fn open_session(
        &mut self,
        config: SessionConfig,
        now: Instant,
    ) -> Result<SessionKey, OpenSessionError> {
        let limits = self.shared.config.limits;
        let id = config
            .local
            .session_id()
            .ok_or(OpenSessionError::NoSessionId)?
            .to_owned();
        if self.by_id.contains_key(&id) {
            return Err(OpenSessionError::Duplicate);
        }
        if config.remote_path.len() > limits.path {
            return Err(OpenSessionError::PathTooLong);
        }
        if self.sessions.len() >= limits.sessions {
            return Err(OpenSessionError::TooMany);
        }
        let authority = match config.role {
            Role::Active => {
                let first = config.remote_path.first().and_then(Authority::of);
                Some(first.ok_or(OpenSessionError::NoAddress)?)
            }
            Role::Passive => None,
        };
        if let Some(authority) = &authority
            && !self.by_authority.contains_key(authority)
            && self.connections() >= limits.connections
        {
            return Err(OpenSessionError::TooMany);
        }
        let key = SessionKey(self.shared.number());
        let link = if authority.is_some() {
            Link::Opening
        } else {
            Link::Awaited
        };
        let has_path = !config.remote_path.is_empty();
        self.by_id.insert(id, key);
        self.sessions.insert(key, Session::new(config, link));
        if has_path {
            self.start_bind_timer(key, now);
        }
        if let Some(authority) = authority {
            self.connect(key, authority, now);
        }
        Ok(key)
    }

    /// Tells a passive session the path of its peer.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when there is a path already.
    pub fn set_remote_path(
        &mut self,
        session: SessionKey,
        path: Vec<Uri>,
        now: Instant,
    ) -> Result<(), SetRemotePathError> {
        let most = self.shared.config.limits.path;
        let own = self
            .sessions
            .get_mut(&session)
            .ok_or(SetRemotePathError::NoSession)?;
        if own.path_told {
            return Err(SetRemotePathError::Known);
        }
        if path.is_empty() {
            return Err(SetRemotePathError::Empty);
        }
        if path.len() > most {
            return Err(SetRemotePathError::PathTooLong);
        }
        own.path_told = true;
        own.set_remote_path(path);
        if own.link == Link::Awaited {
            self.start_bind_timer(session, now);
        }
        Ok(())
    }

    /// Sends a message. It waits until the session is bound.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when the message cannot be sent in this session.
    pub fn send(
        &mut self,
        session: SessionKey,
        message: OutgoingMessage,
        _now: Instant,
    ) -> Result<MessageId, SendError> {
        let limits = self.shared.config.limits;
        let own = self
            .sessions
            .get(&session)
            .filter(|own| !own.closing)
            .ok_or(SendError::NoSession)?;
        let total = match &message.body {
            OutgoingBody::Whole(body) => Some(count(body.len())),
            OutgoingBody::Streamed { total } => *total,
        };
        if own
            .config
            .max_size
            .is_some_and(|most| total.is_some_and(|total| total > most))
        {
            return Err(SendError::TooLarge);
        }
        if message.content_type.is_none() && total != Some(0) {
            return Err(SendError::NoContentType);
        }
        let is_reserved = |name: &str| {
            RESERVED
                .iter()
                .any(|reserved| reserved.eq_ignore_ascii_case(name))
        };
        if message.headers.iter().any(|(name, _)| is_reserved(name)) {
            return Err(SendError::ReservedHeader);
        }
        if message.message_id.as_ref().is_some_and(|id| own.has_message(id)) {
            return Err(SendError::Duplicate);
        }
        if own.outgoing.len() >= limits.queued_messages || own.queued > limits.queued_octets {
            return Err(SendError::QueueFull);
        }
        let id = message
            .message_id
            .clone()
            .unwrap_or_else(|| self.shared.mint_message());
        let number = self.shared.number();
        if let Some(own) = self.sessions.get_mut(&session) {
            own.insert(number, Outgoing::new(id.clone(), message));
        }
        self.message_changed(session, number);
        Ok(id)
    }

    /// Appends octets to a streamed message.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when too much waits already or the message is not one that grows.
    pub fn append(
        &mut self,
        session: SessionKey,
        message: &MessageId,
        data: Bytes,
        _now: Instant,
    ) -> Result<(), AppendError> {
        let most = self.shared.config.limits.queued_octets;
        let own = self.sessions.get_mut(&session).ok_or(AppendError::NoMessage)?;
        let number = own.number_of(message).ok_or(AppendError::NoMessage)?;
        let outgoing = own
            .outgoing
            .get_mut(&number)
            .filter(|own| own.grows())
            .ok_or(AppendError::NoMessage)?;
        let length = outgoing.length_so_far().saturating_add(count(data.len()));
        let announced = outgoing.total.or(own.config.max_size);
        if announced.is_some_and(|announced| length > announced) {
            return Err(AppendError::TooLong);
        }
        if own.queued > most {
            return Err(AppendError::QueueFull);
        }
        own.queued = own.queued.saturating_add(count(data.len()));
        outgoing.append(data);
        self.message_changed(session, number);
        Ok(())
    }

    /// Says that a streamed message has no more octets. One that is shorter than was announced fails.
    pub fn finish(&mut self, session: SessionKey, message: &MessageId, now: Instant) {
        let Some(own) = self.sessions.get_mut(&session) else {
            return;
        };
        let Some(number) = own.number_of(message) else {
            return;
        };
        let Some(outgoing) = own.outgoing.get_mut(&number).filter(|own| own.grows()) else {
            return;
        };
        if outgoing.finish() {
            self.message_changed(session, number);
        } else {
            let message = message.clone();
            let event = Event::MessageFailed {
                session,
                message: message.clone(),
                status: None,
            };
            self.shared.events.push_back(event);
            self.abort(session, &message, now);
        }
    }

    /// Gives a message that may have something to send a turn.
    fn message_changed(&mut self, key: SessionKey, number: u64) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        let connection = session.link.connection().and_then(|id| self.connections.get(&id));
        // The chunk that is going out takes more octets by itself.
        let going_out = connection.is_some_and(|connection| connection.is_sending(number));
        let ready = session.outgoing.get(&number).is_some_and(Outgoing::is_ready);
        if ready && !going_out && !session.ready.contains(&number) {
            session.ready.push_back(number);
        }
        self.wake(key);
    }

    /// Gives a message up: what has not gone out is dropped, and the peer told so with `#` if it has seen any of it.
    pub fn abort(&mut self, session: SessionKey, message: &MessageId, now: Instant) {
        let Some(own) = self.sessions.get_mut(&session) else {
            return;
        };
        let Some(number) = own.number_of(message) else {
            return;
        };
        let Some(outgoing) = own.outgoing.get_mut(&number) else {
            return;
        };
        match outgoing.state {
            OutgoingState::Open if outgoing.sent() == 0 => {
                own.forget(number);
            }
            OutgoingState::Open => {
                own.queued = own.queued.saturating_sub(outgoing.clear());
                outgoing.state = OutgoingState::Aborting;
            }
            OutgoingState::Aborting | OutgoingState::Ended => {}
        }
        self.message_changed(session, number);
        self.end_if_idle(session, now);
    }

    /// Answers a chunk or a request for a nickname.
    ///
    /// # Errors
    ///
    /// Fails when the request does not wait for an answer.
    pub fn respond(
        &mut self,
        session: SessionKey,
        transaction: &TransactionId,
        status: StatusCode,
        now: Instant,
    ) -> Result<(), RespondError> {
        let own = self.sessions.get_mut(&session).ok_or(RespondError::NoSession)?;
        let owed = own.owed.remove(transaction).ok_or(RespondError::NoTransaction)?;
        self.shared
            .deadlines
            .remove(&(owed.deadline, Timer::Owed(session, *transaction)));
        self.answer_owed(session, transaction, &owed, status);
        self.end_if_idle(session, now);
        Ok(())
    }

    /// Answers a request that has waited for the parent.
    pub(super) fn answer_owed(
        &mut self,
        session: SessionKey,
        transaction: &TransactionId,
        owed: &Owed,
        status: StatusCode,
    ) {
        let Some(own) = self.sessions.get_mut(&session) else {
            return;
        };
        let Some(connection) = own.link.connection() else {
            return;
        };
        let response = report::response(&mut self.shared.buffer, &owed.reply, transaction, status);
        if let Some(response) = response {
            self.push(connection, response, None);
        }
        self.settle_owed(session, owed, status);
    }

    /// Draws the consequences of an answer.
    pub(super) fn settle_owed(&mut self, session: SessionKey, owed: &Owed, status: StatusCode) {
        let Some(message) = &owed.message else { return };
        let Some(own) = self.sessions.get_mut(&session) else {
            return;
        };
        let Some(incoming) = own.incoming.get_mut(message) else {
            return;
        };
        incoming.owed = incoming.owed.saturating_sub(1);
        if !status.is_success() {
            let complete = incoming.complete;
            self.forget_incoming(session, message, Verdict::Refused(status));
            if !complete {
                let reason = AbortReason::Refused(status);
                self.shared.events.push_back(Event::MessageAborted {
                    session,
                    message: message.clone(),
                    reason,
                });
            }
        } else if incoming.complete && incoming.owed == 0 {
            self.settle_incoming(session, message);
        }
    }

    /// Asks the peer for a nickname; an empty one gives the present one up (RFC 7701 section 7).
    ///
    /// # Errors
    ///
    /// Fails when the session is not bound, or the nickname is not well formed.
    pub fn nickname(
        &mut self,
        session: SessionKey,
        nickname: &str,
        _now: Instant,
    ) -> Result<TransactionId, NicknameError> {
        let own = self
            .sessions
            .get(&session)
            .filter(|own| !own.closing)
            .ok_or(NicknameError::NoSession)?;
        let Link::Bound(connection) = own.link else {
            return Err(NicknameError::NotBound);
        };
        if nickname.len() > 1023 || nickname.chars().any(char::is_control) {
            return Err(NicknameError::Malformed);
        }
        let header = UseNickname(nickname.into());
        let paths = own.paths.clone();
        let transaction = self.shared.mint_transaction();
        let out = &mut self.shared.buffer;
        codec::request_line(out, &transaction, &Method::Nickname);
        out.put_slice(&paths);
        codec::header(out, &header);
        codec::end_line(out, &transaction, Continuation::Complete);
        let octets = out.split().freeze();
        self.push(connection, octets, Some((transaction, Asked::Nickname(session))));
        Ok(transaction)
    }

    /// Closes a session, once what is queued has gone out and is answered. Streamed messages that are not finished fail.
    pub fn close_session(&mut self, session: SessionKey, now: Instant) {
        let Some(own) = self.sessions.get_mut(&session) else {
            return;
        };
        let growing = own.outgoing.values().filter(|outgoing| outgoing.grows());
        let growing: Vec<MessageId> = growing.map(|outgoing| outgoing.id.clone()).collect();
        for message in growing {
            self.shared.events.push_back(Event::MessageFailed {
                session,
                message: message.clone(),
                status: None,
            });
            self.abort(session, &message, now);
        }
        if let Some(own) = self.sessions.get_mut(&session) {
            own.closing = true;
        }
        self.end_if_idle(session, now);
    }
}
