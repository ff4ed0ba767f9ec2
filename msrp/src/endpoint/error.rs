//! Why commands are refused.

use thiserror::Error;

/// Why a session is not opened.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum OpenSessionError {
    /// There are too many sessions or connections.
    #[error("too many sessions")]
    TooMany,
    /// This end's URI has no session identifier.
    #[error("local uri has no session identifier")]
    NoSessionId,
    /// Another session has the same URI.
    #[error("local uri is in use")]
    Duplicate,
    /// The session that is to be resumed is not there any more, or was not resumable.
    #[error("no session to resume")]
    NothingToResume,
    /// The peer's path is empty although this end is to connect, or its first URI has no port.
    #[error("remote path gives no address")]
    NoAddress,
    /// The peer's path is too long.
    #[error("remote path is too long")]
    PathTooLong,
    /// The path through relays is not there.
    #[error("no path through relays")]
    NoRelay,
}

/// Why a session does not connect.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The session does not exist, or is not one that may connect.
    #[error("no such session")]
    NoSession,
    /// The peer's path is not known, or gives no address.
    #[error("remote path gives no address")]
    NoAddress,
    /// There are too many connections.
    #[error("too many connections")]
    TooMany,
}

/// Why a report is not sent.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ReportError {
    /// The session does not exist.
    #[error("no such session")]
    NoSession,
    /// No such message has arrived, or too many after it.
    #[error("no such message")]
    NoMessage,
    /// The sender does not want to know.
    #[error("report is not wanted")]
    NotWanted,
}

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SendError {
    /// The session does not exist, or is being closed.
    #[error("no such session")]
    NoSession,
    /// Too much waits to be sent.
    #[error("queue is full")]
    QueueFull,
    /// The message is larger than the peer takes.
    #[error("message is too large for the peer")]
    TooLarge,
    /// A message with this identifier is being sent.
    #[error("message identifier is in use")]
    Duplicate,
    /// A further header has a name that the protocol reserves for itself.
    #[error("reserved header")]
    ReservedHeader,
    /// There are octets, but no media type.
    #[error("body without content type")]
    NoContentType,
    /// The place of the first octet lies behind the end, or cannot be counted.
    #[error("offset is beyond the end")]
    Offset,
}

/// Why octets of a streamed message are not taken.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum AppendError {
    /// The session or the message does not exist, or the message is finished.
    #[error("no such message")]
    NoMessage,
    /// Too much waits to be sent; try again later.
    #[error("queue is full")]
    QueueFull,
    /// The message becomes longer than was announced, or than the peer takes.
    #[error("message becomes too long")]
    TooLong,
}

/// Why a response is not sent.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum RespondError {
    /// The session does not exist.
    #[error("no such session")]
    NoSession,
    /// No such request waits for a response: it was answered, or its time has run out.
    #[error("no such transaction")]
    NoTransaction,
}

/// Why a peer's path is not taken.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SetRemotePathError {
    /// The session does not exist.
    #[error("no such session")]
    NoSession,
    /// The session has a path already.
    #[error("remote path is known already")]
    Known,
    /// The path is empty.
    #[error("remote path is empty")]
    Empty,
    /// The path is too long.
    #[error("remote path is too long")]
    PathTooLong,
}

/// Why a nickname is not asked for.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum NicknameError {
    /// The session does not exist, or is being closed.
    #[error("no such session")]
    NoSession,
    /// The session is not bound yet.
    #[error("session is not bound")]
    NotBound,
    /// The nickname is longer than 1023 octets or has a control character.
    #[error("malformed nickname")]
    Malformed,
}
