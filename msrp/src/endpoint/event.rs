//! What goes in and what comes out.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::{Octets, RelayKey};
use crate::codec::Continuation;
use crate::header::content::ContentType;
use crate::header::{ByteRange, FailureReport, Headers, Status};
use crate::relay::Failure;
use crate::tls::{ExpectedCertificate, Fingerprint};
use crate::{ByteStr, ConnectionId, MessageId, StatusCode, TransactionId, Uri};

/// Names a session of an [`Endpoint`](super::Endpoint); never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionKey(pub(crate) u64);

/// Names a connection that an [`Endpoint`](super::Endpoint) has asked for; never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_structs, reason = "it is a number")]
pub struct OpenId(pub u64);

/// What comes from the network.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Input {
    /// A connection is there: accepted, or opened on request.
    Opened {
        /// Its name, which the host chooses and does not use again.
        connection: ConnectionId,
        /// The request to open it, if it was opened on request.
        open: Option<OpenId>,
        /// Whether it is protected with TLS.
        secure: bool,
    },
    /// A WebSocket connection with the subprotocol [`WEBSOCKET_SUBPROTOCOL`](crate::codec::WEBSOCKET_SUBPROTOCOL) is
    /// there, accepted or opened on request (RFC 7977). Each [`Input::Received`] on it is one WebSocket message, and so
    /// is each [`Transmit::Send`].
    OpenedWebSocket {
        /// Its name, which the host chooses and does not use again.
        connection: ConnectionId,
        /// The request to open it, if it was opened on request.
        open: Option<OpenId>,
        /// Whether it is protected with TLS.
        secure: bool,
    },
    /// The peer of a connection has presented a certificate. Sessions whose peer has told other fingerprints end.
    Certificate {
        /// The connection.
        connection: ConnectionId,
        /// Its fingerprints, by each hash function that the host has.
        fingerprints: Vec<Fingerprint>,
    },
    /// A connection could not be opened.
    OpenFailed {
        /// The request.
        open: OpenId,
    },
    /// Octets have arrived.
    Received {
        /// Where.
        connection: ConnectionId,
        /// What.
        data: Bytes,
    },
    /// The connection takes no more for now.
    Blocked {
        /// Which.
        connection: ConnectionId,
    },
    /// The connection takes more again.
    Writable {
        /// Which.
        connection: ConnectionId,
    },
    /// The connection is gone.
    Closed {
        /// Which.
        connection: ConnectionId,
    },
}

/// What goes to the network.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a host that does not know one of these does not work"
)]
pub enum Transmit {
    /// Open a connection; answered by [`Input::Opened`] or [`Input::OpenFailed`] with the same `open`.
    Open {
        /// The request's name.
        open: OpenId,
        /// Whether with TLS.
        secure: bool,
        /// A host name or an address, IPv6 without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Whether as a WebSocket connection (RFC 7977); answered by [`Input::OpenedWebSocket`] then.
        websocket: bool,
        /// What certificate the peer has to present, if the connection is protected with TLS.
        certificate: Option<ExpectedCertificate>,
    },
    /// Send these octets.
    Send {
        /// Where.
        connection: ConnectionId,
        /// What.
        data: Octets,
    },
    /// Close the connection after all that was given for it has been sent. [`Input::Closed`] need not follow.
    Close {
        /// Which.
        connection: ConnectionId,
    },
}

/// News of an [`Endpoint`](super::Endpoint). Its `Debug` tells lengths, not contents.
#[derive(Clone)]
#[non_exhaustive]
pub enum Event {
    /// A session is bound to a connection and usable in both directions.
    SessionBound {
        /// Which.
        session: SessionKey,
        /// The connection.
        connection: ConnectionId,
    },
    /// A session has ended; nothing more is said about it, unless it is [resumable](super::SessionConfig::resumable):
    /// then messages that have begun to arrive may still be given up under its name.
    SessionEnded {
        /// Which.
        session: SessionKey,
        /// Why.
        reason: EndReason,
    },
    /// With [`Delivery::Streaming`](super::Delivery::Streaming): a message begins to arrive.
    MessageStarted {
        /// The session.
        session: SessionKey,
        /// The message.
        message: MessageId,
        /// Its media type; none if the peer sent none.
        content_type: Option<ContentType>,
        /// Its length in octets, as far as the peer says.
        total: Option<u64>,
        /// Whether the peer wants a report of success.
        success_report: bool,
        /// Whether the peer wants a report of failure.
        failure_report: FailureReport,
        /// The head of its first chunk.
        headers: Box<Headers>,
    },
    /// With [`Delivery::Streaming`](super::Delivery::Streaming): octets of a message. What comes later replaces what
    /// came earlier for the same place.
    BodyReceived {
        /// The session.
        session: SessionKey,
        /// The message.
        message: MessageId,
        /// The place of the first octet, from 0.
        offset: u64,
        /// The octets.
        data: Bytes,
    },
    /// A chunk has ended. With [`Acknowledge::Manual`](super::Acknowledge::Manual) the parent owes a call of
    /// [`Endpoint::respond`](super::Endpoint::respond).
    ChunkReceived {
        /// The session.
        session: SessionKey,
        /// The message.
        message: MessageId,
        /// The chunk's transaction.
        transaction: TransactionId,
        /// The octets that it carried, measured: the end is never unknown.
        range: ByteRange,
        /// Whether more follows.
        continuation: Continuation,
    },
    /// With [`Delivery::Streaming`](super::Delivery::Streaming): every octet of a message is here.
    MessageCompleted {
        /// The session.
        session: SessionKey,
        /// The message.
        message: MessageId,
        /// Its length in octets.
        total: u64,
    },
    /// With [`Delivery::Whole`](super::Delivery::Whole): a message.
    MessageReceived {
        /// The session.
        session: SessionKey,
        /// Its identifier.
        message: MessageId,
        /// Its media type; none if the peer sent none.
        content_type: Option<ContentType>,
        /// The octets.
        body: Bytes,
        /// Whether the peer wants a report of success.
        success_report: bool,
        /// The head of the chunk that came first.
        headers: Box<Headers>,
    },
    /// A message that has begun to arrive will not be complete.
    MessageAborted {
        /// The session.
        session: SessionKey,
        /// The message.
        message: MessageId,
        /// Why.
        reason: AbortReason,
    },
    /// A peer reports on a message of ours that is, or was not long ago, sent in this session; or it answers a chunk
    /// with an error after [`Event::MessageSent`], which it may where only failures are answered
    /// ([`FailureReport::Partial`]).
    ReportReceived {
        /// The session.
        session: SessionKey,
        /// The message.
        message: MessageId,
        /// The octets it is about.
        range: Option<ByteRange>,
        /// What became of them.
        status: Status,
    },
    /// All octets of a message of ours were answered with 200, or have gone out and no answer is wanted.
    MessageSent {
        /// The session.
        session: SessionKey,
        /// The message.
        message: MessageId,
    },
    /// A message of ours has failed.
    MessageFailed {
        /// The session.
        session: SessionKey,
        /// The message.
        message: MessageId,
        /// What the peer answered; none if it did not.
        status: Option<StatusCode>,
        /// How many octets from the first on the peer has answered with 200. A message may be
        /// [resumed](super::OutgoingMessage::offset) there in another session.
        acknowledged: u64,
    },
    /// The peer asks for a nickname (RFC 7701 section 7). The parent owes a call of
    /// [`Endpoint::respond`](super::Endpoint::respond).
    NicknameRequested {
        /// The session.
        session: SessionKey,
        /// The request.
        transaction: TransactionId,
        /// The nickname, unquoted; empty to give it up.
        nickname: ByteStr,
    },
    /// The peer has answered a request for a nickname.
    NicknameAnswered {
        /// The session.
        session: SessionKey,
        /// The request.
        transaction: TransactionId,
        /// What it answered; 408 if it did not.
        status: StatusCode,
    },
    /// Relays have given this end a path, or renewed it (RFC 4976). After a renewal the peer is to be told the new path in
    /// an offer: what it was told before expires.
    RelayReady {
        /// Which.
        relay: RelayKey,
        /// The path as `To-Path` has it, the nearest relay first. SDP has it in the opposite order, and this end's URI
        /// behind it.
        path: Vec<Uri>,
        /// For how long it is good; none if the relays have not said.
        lifetime: Option<Duration>,
    },
    /// Relays have given this end no path, have not renewed it, or the connection to them is gone.
    RelayFailed {
        /// Which.
        relay: RelayKey,
        /// Why.
        reason: Failure,
    },
    /// A connection was closed for what its peer sent or for not reading.
    ConnectionClosed {
        /// Which.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
}

impl Event {
    /// Returns the session that it is about, if it is about one.
    pub fn session(&self) -> Option<SessionKey> {
        match self {
            Self::SessionBound { session, .. }
            | Self::SessionEnded { session, .. }
            | Self::MessageStarted { session, .. }
            | Self::BodyReceived { session, .. }
            | Self::ChunkReceived { session, .. }
            | Self::MessageCompleted { session, .. }
            | Self::MessageReceived { session, .. }
            | Self::MessageAborted { session, .. }
            | Self::ReportReceived { session, .. }
            | Self::MessageSent { session, .. }
            | Self::MessageFailed { session, .. }
            | Self::NicknameRequested { session, .. }
            | Self::NicknameAnswered { session, .. } => Some(*session),
            Self::RelayReady { .. } | Self::RelayFailed { .. } | Self::ConnectionClosed { .. } => None,
        }
    }

    /// Returns the message that it is about, if it is about one.
    pub fn message(&self) -> Option<&MessageId> {
        match self {
            Self::MessageStarted { message, .. }
            | Self::BodyReceived { message, .. }
            | Self::ChunkReceived { message, .. }
            | Self::MessageCompleted { message, .. }
            | Self::MessageReceived { message, .. }
            | Self::MessageAborted { message, .. }
            | Self::ReportReceived { message, .. }
            | Self::MessageSent { message, .. }
            | Self::MessageFailed { message, .. } => Some(message),
            _ => None,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::SessionBound { .. } => "SessionBound",
            Self::SessionEnded { .. } => "SessionEnded",
            Self::MessageStarted { .. } => "MessageStarted",
            Self::BodyReceived { .. } => "BodyReceived",
            Self::ChunkReceived { .. } => "ChunkReceived",
            Self::MessageCompleted { .. } => "MessageCompleted",
            Self::MessageReceived { .. } => "MessageReceived",
            Self::MessageAborted { .. } => "MessageAborted",
            Self::ReportReceived { .. } => "ReportReceived",
            Self::MessageSent { .. } => "MessageSent",
            Self::MessageFailed { .. } => "MessageFailed",
            Self::NicknameRequested { .. } => "NicknameRequested",
            Self::NicknameAnswered { .. } => "NicknameAnswered",
            Self::RelayReady { .. } => "RelayReady",
            Self::RelayFailed { .. } => "RelayFailed",
            Self::ConnectionClosed { .. } => "ConnectionClosed",
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct(self.name());
        if let Some(session) = self.session() {
            out.field("session", &session.0);
        }
        if let Some(message) = self.message() {
            out.field("message", &message.as_str());
        }
        match self {
            Self::SessionBound { connection, .. } => out.field("connection", connection),
            Self::SessionEnded { reason, .. } => out.field("reason", reason),
            Self::MessageStarted {
                total,
                success_report,
                ..
            } => out.field("total", total).field("success_report", success_report),
            Self::BodyReceived { offset, data, .. } => {
                out.field("offset", offset).field("octets", &data.len())
            }
            Self::ChunkReceived {
                transaction,
                range,
                continuation,
                ..
            } => out
                .field("transaction", transaction)
                .field("range", range)
                .field("continuation", continuation),
            Self::MessageCompleted { total, .. } => out.field("total", total),
            Self::MessageReceived { body, .. } => out.field("octets", &body.len()),
            Self::MessageAborted { reason, .. } => out.field("reason", reason),
            Self::ReportReceived { range, status, .. } => out.field("range", range).field("status", status),
            Self::MessageSent { .. } => &mut out,
            Self::MessageFailed {
                status, acknowledged, ..
            } => out.field("status", status).field("acknowledged", acknowledged),
            Self::NicknameRequested { transaction, .. } => out.field("transaction", transaction),
            Self::NicknameAnswered {
                transaction, status, ..
            } => out.field("transaction", transaction).field("status", status),
            Self::RelayReady { relay, lifetime, .. } => {
                out.field("relay", &relay.0).field("lifetime", lifetime)
            }
            Self::RelayFailed { relay, reason } => out.field("relay", &relay.0).field("reason", reason),
            Self::ConnectionClosed { connection, reason } => {
                out.field("connection", connection).field("reason", reason)
            }
        }
        .finish()
    }
}

/// Why a session has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum EndReason {
    /// Its connection is gone.
    ConnectionLost,
    /// Its connection could not be opened.
    OpenFailed,
    /// It was not bound in time.
    Timeout,
    /// The peer refused to bind it, or says that it does not know it.
    Refused(StatusCode),
    /// It was closed by command.
    Closed,
    /// Another session has come in its place.
    Resumed,
    /// The peer's certificate has none of the fingerprints that were told.
    WrongCertificate,
}

/// Why a message that has begun to arrive will not be complete.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AbortReason {
    /// The sender has given it up.
    Sender,
    /// The session has ended.
    SessionEnded,
    /// It does not keep to the limits, or contradicts itself.
    Refused(StatusCode),
}

/// Why a connection was closed by the endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CloseReason {
    /// What arrived is not MSRP.
    Malformed(crate::codec::DecodeError),
    /// The peer does not read: more responses wait for it than the limits allow, or the connection has taken nothing for
    /// [`Config::blocked_timeout`](super::Config::blocked_timeout).
    NotReading,
    /// The peer has not answered a sign of life.
    Silent,
    /// A WebSocket message did not hold one chunk, and nothing else (RFC 7977 section 5.1).
    WebSocketMessage,
    /// No session was bound in time.
    Unbound,
    /// There are too many connections.
    TooMany,
}
