//! Why a command was not taken.

/// Why a command was not taken; nothing has changed then.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// There is no such session, or not any more.
    #[error("no such session")]
    NoSession,
    /// The session is not in a state in which this can be done.
    #[error("not possible in the session's present state")]
    WrongState,
    /// The session is not a conference.
    #[error("not a conference")]
    NotAConference,
    /// No such message was received, or not any more, or its sender has not asked to be told.
    #[error("no such message")]
    NoMessage,
    /// Too many commands, requests or sessions are under way (see [`Limits`](super::Limits)).
    #[error("too much is under way")]
    TooMany,
    /// The list of recipients is empty or too long.
    #[error("the list of recipients is empty or too long")]
    Recipients,
    /// What was given cannot be put into a message.
    #[error("the content cannot be written")]
    Unwritable,
    /// The peer does not take this kind of content, or not of this size.
    #[error("the peer does not take this content")]
    NotAccepted,
    /// The client is shutting down.
    #[error("shutting down")]
    ShuttingDown,
}
