//! What a pager gives out: requests whose turn it is, and what became of them.

use core::fmt;
use core::time::Duration;

use thiserror::Error;

use super::TooLarge;
use crate::StatusCode;
use crate::dialog::DialogId;
use crate::endpoint::RequestFailure;
use crate::header::RetryAfter;
use crate::message::{Request, Response};
use crate::resolve::ResolveError;

/// A message given to a [`Pager`](super::Pager); never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageKey(pub(super) u64);

impl fmt::Display for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {}", self.0)
    }
}

/// A request whose turn it is.
#[derive(Clone)]
#[non_exhaustive]
pub struct Transmit {
    /// Which message it is, for what becomes of it.
    pub message: MessageKey,
    /// The request, for the endpoint to send. One inside a dialog takes the dialog's next number first
    /// ([`Dialog::renumber`](crate::dialog::Dialog::renumber)), since others may have gone out while it waited.
    pub request: Request,
    /// The dialog that it belongs to.
    pub dialog: Option<DialogId>,
}

impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transmit")
            .field("message", &self.message)
            .field("dialog", &self.dialog)
            .finish_non_exhaustive()
    }
}

/// What became of a message; one for each.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// It was delivered, to one user agent at least. Whether anybody has read it is not known.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3428#section-4
    //# If the UAC receives a 200 OK response to a MESSAGE request, it may
    //# assume the message has been delivered to the final destination.
    Delivered {
        /// Which.
        message: MessageKey,
        /// What says so.
        response: Response,
    },
    /// Somebody in between has taken it, and may deliver it some time.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3428#section-4
    //# In this case,
    //# the UAC MUST NOT assume the message has been delivered to the final
    //# destination.
    Accepted {
        /// Which.
        message: MessageKey,
        /// What says so.
        response: Response,
    },
    /// It was not delivered, or is not known to have been.
    Failed {
        /// Which.
        message: MessageKey,
        /// Why.
        failure: Failure,
    },
}

impl Event {
    /// Which message it is about.
    pub fn message(&self) -> MessageKey {
        match self {
            Self::Delivered { message, .. }
            | Self::Accepted { message, .. }
            | Self::Failed { message, .. } => *message,
        }
    }
}

/// Why a message was not delivered.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum Failure {
    /// A final response says so. A 6xx says that the recipient has got it and does not want it.
    #[error("refused with {}", .0.status())]
    Refused(Box<Response>),
    /// No final response came in time; it may have been delivered all the same.
    #[error("no response came in time")]
    TimedOut,
    /// It could not be sent, or the connection broke before the response.
    #[error("the request could not be sent")]
    TransportFailed,
    /// Its URI leads nowhere.
    #[error("the uri leads nowhere: {0}")]
    NotResolved(ResolveError),
    /// Its time had passed before its turn came; it was never sent.
    #[error("the message expired before its turn came")]
    Expired,
    /// Its turn did not come within [`Config::max_wait`](super::Config::max_wait); it was never sent.
    #[error("the message has waited too long")]
    WaitedTooLong,
    /// The dialog that it belongs to is over; it was never sent.
    #[error("the dialog is over")]
    DialogEnded,
    /// With the credentials that were asked for it is too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// It was taken back; it was never sent.
    #[error("the message was taken back")]
    Withdrawn,
}

impl Failure {
    /// The status that says so or that it counts as (RFC 3261 section 8.1.3.1); none for what failed here.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-8.1.3.1
    //# When a
    //# timeout error is received from the transaction layer, it MUST be
    //# treated as if a 408 (Request Timeout) status code has been received.
    //# If a fatal transport error is reported by the transport layer
    //# (generally, due to fatal ICMP errors in UDP or connection failures in
    //# TCP), the condition MUST be treated as a 503 (Service Unavailable)
    //# status code.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused(response) => Some(response.status()),
            Self::TimedOut => Some(StatusCode::REQUEST_TIMEOUT),
            Self::TransportFailed | Self::NotResolved(_) => Some(StatusCode::SERVICE_UNAVAILABLE),
            Self::DialogEnded => Some(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST),
            Self::Expired | Self::WaitedTooLong | Self::TooLarge(_) | Self::Withdrawn => None,
        }
    }

    /// When the message may be tried again, if the refusal says so (RFC 3261 section 20.33).
    pub fn retry_after(&self) -> Option<Duration> {
        let Self::Refused(response) = self else {
            return None;
        };
        retry_after(response)
    }

    /// Whether the message is too large for a MESSAGE request and is to be sent in a session.
    pub fn wants_session(&self) -> bool {
        match self {
            Self::TooLarge(_) => true,
            Self::Refused(response) => matches!(response.status().code(), 413 | 513),
            _ => false,
        }
    }
}

impl From<RequestFailure> for Failure {
    fn from(reason: RequestFailure) -> Self {
        match reason {
            RequestFailure::TimedOut => Self::TimedOut,
            RequestFailure::TransportFailed => Self::TransportFailed,
            RequestFailure::NotResolved(error) => Self::NotResolved(error),
        }
    }
}

/// Why a message was not taken; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// It is no MESSAGE request.
    #[error("the request is no message")]
    Method,
    /// It has a Contact, which a MESSAGE request must not have.
    #[error("a message has no contact")]
    Contact,
    /// Its To has no tag although it belongs to a dialog, or has one although it does not.
    #[error("the tag of the recipient does not fit")]
    Tag,
    /// It is too large; it is to be sent in a session.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// Another message to the same recipient is under way, and none may wait.
    #[error("another message to the recipient is under way")]
    Busy,
    /// As many messages wait for the recipient as [`Config::max_waiting`](super::Config::max_waiting) allows.
    #[error("too many messages wait for the recipient")]
    QueueFull,
    /// As many messages are unfinished as [`Config::max_messages`](super::Config::max_messages) allows.
    #[error("too many messages are unfinished")]
    TooMany,
}

pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let wait = response.headers().get::<RetryAfter>().ok().flatten()?;
    Some(Duration::from_secs(u64::from(wait.seconds)))
}
