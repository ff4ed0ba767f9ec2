//! The commands.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::{BufMut, Bytes};

use super::session::{Link, Session, Verdict};
use super::{
    AbortReason, AppendError, ConnectError, Endpoint, Event, NicknameError, OpenSessionError, OutgoingBody,
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
        if self.by_id.contains_key(id.as_str()) {
            return Err(OpenSessionError::Duplicate);
        }
        if config.remote_path.len() > limits.path {
            return Err(OpenSessionError::PathTooLong);
        }
        if self.sessions.len() >= limits.sessions {
            return Err(OpenSessionError::TooMany);
        }
        self.may_resume(config.resumes)?;
        let relay = match config.relay {
            Some(relay) => Some(self.usable_relay(relay).ok_or(OpenSessionError::NoRelay)?),
            None => None,
        };
        let authority = match (config.role, relay) {
            (Role::Active, Some(_)) if config.remote_path.is_empty() => {
                return Err(OpenSessionError::NoAddress);
            }
            (Role::Active, None) => Some(Authority::of(&config).ok_or(OpenSessionError::NoAddress)?),
            _ => None,
        };
        if authority
            .as_ref()
            .is_some_and(|authority| !self.may_connect(authority))
        {
            return Err(OpenSessionError::TooMany);
        }
        let inbox = self.resume(config.resumes, now);
        let key = SessionKey(self.shared.number());
        let active = config.role == Role::Active;
        let link = if active { Link::Opening } else { Link::Awaited };
        let used = config.relay;
        let has_path = !config.remote_path.is_empty();
        self.by_id.insert(id.into(), key);
        self.sessions
            .insert(key, Box::new(Session::new(config, link, inbox)));
        if has_path {
            self.start_bind_timer(key, now);
        }
        if let Some(authority) = authority {
            self.connect_to(key, authority, now);
        }
        if let (Some(relay), Some(connection)) = (used, relay) {
            self.use_relay(key, relay);
            if active {
                self.bind(key, connection, now);
            }
        }
        Ok(key)
    }

    /// Lets a session that waits for its peer connect itself, since the peer has said that it will not: an offer of
    /// `a=setup:actpass` was answered with `passive` (RFC 6135 section 4.2). Nothing is left to do where the peer has
    /// connected all the same.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when the session was not opened as [`Role::Actpass`], or its peer's address is not
    /// known.
    pub fn connect(&mut self, session: SessionKey, now: Instant) -> Result<(), ConnectError> {
        let own = self
            .sessions
            .get(&session)
            .filter(|own| own.config.role == Role::Actpass && !own.closing)
            .ok_or(ConnectError::NoSession)?;
        if own.link != Link::Awaited {
            return Ok(());
        }
        if let Some(relay) = own.config.relay {
            let connection = self
                .usable_relay(relay)
                .filter(|_| !own.config.remote_path.is_empty());
            let connection = connection.ok_or(ConnectError::NoAddress)?;
            if let Some(own) = self.sessions.get_mut(&session) {
                own.link = Link::Opening;
            }
            self.start_bind_timer(session, now);
            self.bind(session, connection, now);
            return Ok(());
        }
        let authority = Authority::of(&own.config).ok_or(ConnectError::NoAddress)?;
        if !self.may_connect(&authority) {
            return Err(ConnectError::TooMany);
        }
        if let Some(own) = self.sessions.get_mut(&session) {
            own.link = Link::Opening;
        }
        self.start_bind_timer(session, now);
        self.connect_to(session, authority, now);
        Ok(())
    }

    pub(super) fn may_connect(&self, authority: &Authority) -> bool {
        self.by_authority.contains_key(authority)
            || self.connections() < self.shared.config.limits.connections
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
            OutgoingBody::Whole(body) => {
                let end = message.offset.checked_add(count(body.len()));
                Some(end.ok_or(SendError::Offset)?)
            }
            OutgoingBody::Streamed { total } => *total,
        };
        if total.is_some_and(|total| message.offset > total)
            || (total.is_none() && message.offset == u64::MAX)
        {
            return Err(SendError::Offset);
        }
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
        let digest = message
            .message_id
            .as_ref()
            .map(|id| self.shared.digest(id.as_str()));
        if digest.is_some_and(|digest| own.outbox.number_of(digest).is_some()) {
            return Err(SendError::Duplicate);
        }
        if own.outbox.len() >= limits.queued_messages || own.queued > limits.queued_octets {
            return Err(SendError::QueueFull);
        }
        let id = message
            .message_id
            .clone()
            .unwrap_or_else(|| self.shared.mint_message());
        let digest = digest.unwrap_or_else(|| self.shared.digest(id.as_str()));
        let number = self.shared.number();
        if let Some(own) = self.sessions.get_mut(&session) {
            own.insert(number, digest, Outgoing::new(id.clone(), message));
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
        let number = self.number_of(session, message).ok_or(AppendError::NoMessage)?;
        let own = self.sessions.get_mut(&session).ok_or(AppendError::NoMessage)?;
        let outgoing = own
            .outbox
            .get_mut(number)
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
        let Some(number) = self.number_of(session, message) else {
            return;
        };
        let Some(own) = self.sessions.get_mut(&session) else {
            return;
        };
        let Some(outgoing) = own.outbox.get_mut(number).filter(|own| own.grows()) else {
            return;
        };
        if outgoing.finish() {
            self.message_changed(session, number);
        } else {
            self.shared.events.push_back(Event::MessageFailed {
                session,
                message: message.clone(),
                status: None,
                acknowledged: outgoing.acknowledged(),
            });
            self.abort(session, message, now);
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
        let ready = session.outbox.get(number).is_some_and(Outgoing::is_ready);
        if ready && !going_out && !session.outbox.ready.contains(&number) {
            session.outbox.ready.push_back(number);
        }
        self.wake(key);
    }

    fn number_of(&self, session: SessionKey, message: &MessageId) -> Option<u64> {
        let digest = self.shared.digest(message.as_str());
        self.sessions.get(&session)?.outbox.number_of(digest)
    }

    /// Gives a message up: what has not gone out is dropped, and the peer told so with `#` if it has seen any of it.
    pub fn abort(&mut self, session: SessionKey, message: &MessageId, now: Instant) {
        let Some(number) = self.number_of(session, message) else {
            return;
        };
        let Some(own) = self.sessions.get_mut(&session) else {
            return;
        };
        let Some(outgoing) = own.outbox.get_mut(number) else {
            return;
        };
        match outgoing.state {
            OutgoingState::Open if outgoing.begun => {
                own.queued = own.queued.saturating_sub(outgoing.clear());
                outgoing.state = OutgoingState::Aborting;
            }
            OutgoingState::Open => {
                own.retire(number, &self.shared.config.limits);
            }
            OutgoingState::Aborting | OutgoingState::Ended | OutgoingState::Sent => {}
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
        let place = own.owed.iter().position(|owed| owed.transaction == *transaction);
        let owed = place.and_then(|place| own.owed.remove(place));
        let owed = owed.ok_or(RespondError::NoTransaction)?;
        if own.owed.is_empty() {
            self.shared.unset(own.owed_timer.take(), Timer::Owed(session));
            if own.owed.capacity() > 16 {
                own.owed = VecDeque::new();
            }
        }
        self.answer_owed(session, &owed, status);
        self.end_if_idle(session, now);
        Ok(())
    }

    /// Answers a request that has waited for the parent.
    pub(super) fn answer_owed(&mut self, session: SessionKey, owed: &Owed, status: StatusCode) {
        let Some(own) = self.sessions.get_mut(&session) else {
            return;
        };
        let Some(connection) = own.link.connection() else {
            return;
        };
        let response = report::response(self.shared.room(), &owed.reply, &owed.transaction, status);
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
        let digest = self.shared.digest(message.as_str());
        let Some(incoming) = own.inbox.get_mut(digest) else {
            return;
        };
        incoming.owed = incoming.owed.saturating_sub(1);
        if !status.is_success() {
            let complete = incoming.complete;
            self.forget_incoming(session, digest, Some(Verdict::Refused(status)));
            if !complete {
                let reason = AbortReason::Refused(status);
                self.shared.events.push_back(Event::MessageAborted {
                    session,
                    message: message.clone(),
                    reason,
                });
            }
        } else if incoming.complete && incoming.owed == 0 {
            self.settle_incoming(session, digest);
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
        let out = self.shared.room();
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
        let growing = own.outbox.iter().filter(|outgoing| outgoing.grows());
        let growing: Vec<(MessageId, u64)> = growing
            .map(|outgoing| (outgoing.id.clone(), outgoing.acknowledged()))
            .collect();
        for (message, acknowledged) in growing {
            self.shared.events.push_back(Event::MessageFailed {
                session,
                message: message.clone(),
                status: None,
                acknowledged,
            });
            self.abort(session, &message, now);
        }
        if let Some(own) = self.sessions.get_mut(&session) {
            own.closing = true;
        }
        self.end_if_idle(session, now);
    }
}
