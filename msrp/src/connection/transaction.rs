//! Transactions of ours, and requests of the peer that wait for the parent.

use std::time::Instant;

use crate::endpoint::SessionKey;
use crate::header::FailureReport;
use crate::{MessageId, Uri};

/// A request of ours that has gone out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    pub(crate) what: Asked,
    pub(crate) deadline: Instant,
}

/// What a request of ours was for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Asked {
    /// To bind a session.
    Bind(SessionKey),
    /// To deliver a chunk of a session's message. `counted` if the message waits for the answer.
    Chunk {
        session: SessionKey,
        number: u64,
        counted: bool,
    },
    /// For a nickname.
    Nickname(SessionKey),
}

/// Where the response to a request goes.
#[derive(Clone, Debug)]
pub(crate) struct ReplyTo {
    /// The `To-Path` of the response.
    pub(crate) to: Vec<Uri>,
    /// The URI that the request was for.
    pub(crate) from: Uri,
    pub(crate) failure_report: FailureReport,
}

/// A request of the peer that waits for the parent.
#[derive(Clone, Debug)]
pub(crate) struct Owed {
    pub(crate) reply: ReplyTo,
    /// The message whose chunk it was; none if it was for a nickname.
    pub(crate) message: Option<MessageId>,
    pub(crate) deadline: Instant,
}
