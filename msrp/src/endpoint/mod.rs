//! Many connections and sessions of one host in one machine.

mod config;
mod error;
mod event;
mod message;
mod octets;

use std::fmt;
use std::time::Instant;

use bytes::Bytes;

pub use config::{Acknowledge, Config, Delivery, Limits, Role, SessionConfig};
pub use error::{AppendError, NicknameError, OpenSessionError, RespondError, SendError, SetRemotePathError};
pub use event::{AbortReason, CloseReason, EndReason, Event, Input, OpenId, SessionKey, Transmit};
pub use message::{OutgoingBody, OutgoingMessage};
pub use octets::Octets;

use crate::{Entropy, MessageId, SessionId, StatusCode, TransactionId, Uri};

/// Many connections and sessions of one host in one machine.
pub struct Endpoint {
    config: Config,
    entropy: Entropy,
    minted: u64,
}

impl Endpoint {
    /// Creates an endpoint without connections or sessions.
    pub fn new(config: Config, entropy: Entropy) -> Self {
        Self {
            config,
            entropy,
            minted: 0,
        }
    }

    /// Makes the URI of a new session, with an identifier that cannot be guessed.
    ///
    /// A host that cannot stand in a URI is replaced by `invalid.invalid`, which nobody reaches, and port 0 by 2855.
    pub fn mint_uri(&mut self, secure: bool, host: &str, port: u16) -> Uri {
        self.minted = self.minted.wrapping_add(1);
        let id = SessionId::mint(&mut self.entropy, self.minted);
        Uri::of_session(secure, host, port, &id)
    }

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
        let _ = (config, now, &self.config);
        Err(OpenSessionError::TooMany)
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
        let _ = (session, path, now);
        Err(SetRemotePathError::NoSession)
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when the message cannot be sent in this session.
    pub fn send(
        &mut self,
        session: SessionKey,
        message: OutgoingMessage,
        now: Instant,
    ) -> Result<MessageId, SendError> {
        let _ = (session, message, now);
        Err(SendError::NoSession)
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
        now: Instant,
    ) -> Result<(), AppendError> {
        let _ = (session, message, data, now);
        Err(AppendError::NoMessage)
    }

    /// Says that a streamed message has no more octets.
    pub fn finish(&mut self, session: SessionKey, message: &MessageId, now: Instant) {
        let _ = (session, message, now);
    }

    /// Gives a message up.
    pub fn abort(&mut self, session: SessionKey, message: &MessageId, now: Instant) {
        let _ = (session, message, now);
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
        let _ = (session, transaction, status, now);
        Err(RespondError::NoSession)
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
        now: Instant,
    ) -> Result<TransactionId, NicknameError> {
        let _ = (session, nickname, now);
        Err(NicknameError::NoSession)
    }

    /// Returns the number of octets of a session that wait to be sent.
    pub fn queued(&self, session: SessionKey) -> u64 {
        let _ = session;
        0
    }

    /// Closes a session, once what is queued has gone out and is answered.
    pub fn close_session(&mut self, session: SessionKey, now: Instant) {
        let _ = (session, now);
    }

    /// Takes one input.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        let _ = (input, now);
    }

    /// Acts on every deadline up to `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// Gives the next thing for the network.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        let _ = now;
        None
    }

    /// Gives the next piece of news.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// The instant at which [`Endpoint::handle_timeout`] wants to be called, if any.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Whether there is neither a session nor a connection, and nothing to be polled.
    pub fn is_drained(&self) -> bool {
        true
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").finish_non_exhaustive()
    }
}
