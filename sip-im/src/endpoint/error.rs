//! Why a command was refused.

use thiserror::Error;

use crate::resolve::ResolveError;

/// Why a request was not sent; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// As many client transactions are open as [`Config::max_client_transactions`](super::Config::max_client_transactions) allows.
    #[error("too many client transactions are open")]
    TableFull,
    /// As many messages wait for flows to open as [`Config::max_waiting`](super::Config::max_waiting) allows.
    #[error("too many messages wait for a flow to open")]
    WaitingFull,
    /// The target's flow is not open.
    #[error("the flow is not open")]
    UnknownFlow,
    /// As many flows are open as [`Config::max_flows`](super::Config::max_flows) allows.
    #[error("too many flows are open")]
    TooManyFlows,
    /// The message doesn't fit into a datagram.
    #[error("the message is too large for a datagram")]
    TooLarge,
    /// The URI leads nowhere.
    #[error("the uri leads nowhere: {0}")]
    NotResolved(ResolveError),
    /// The method is not one for this command: ACK and CANCEL have commands of their own.
    #[error("the request's method is not sent with this command")]
    Method,
}

/// Why a response was not sent; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RespondError {
    /// The transaction is over, or never was.
    #[error("the transaction is over")]
    UnknownTransaction,
    /// A final response was given already.
    #[error("a final response was given already")]
    AlreadyAnswered,
    /// RFC 4320 forbids the status to anything but an INVITE: 101 to 199, and 408.
    #[error("the status is not allowed for a request other than INVITE")]
    StatusNotAllowed,
    /// The response doesn't fit into a datagram.
    #[error("the message is too large for a datagram")]
    TooLarge,
}

/// Why a request was not cancelled; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CancelError {
    /// The transaction is over, or never was.
    #[error("the transaction is over")]
    UnknownTransaction,
    /// Only an INVITE is cancelled.
    #[error("only an invite can be cancelled")]
    NotAnInvite,
    /// The final response is there already.
    #[error("the final response has come already")]
    AlreadyAnswered,
}
