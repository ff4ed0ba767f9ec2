//! Messages to be sent.

use std::fmt;

use bytes::Bytes;

use crate::MessageId;
use crate::header::content::ContentType;
use crate::header::{FailureReport, Headers};

/// A message to be sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OutgoingMessage {
    /// Its identifier; one is made if there is none.
    pub message_id: Option<MessageId>,
    /// Its media type; without one the message has no body and is not more than a sign of life.
    pub content_type: Option<ContentType>,
    /// Further headers of each of its chunks.
    pub headers: Headers,
    /// The octets, from [`offset`](Self::offset) on.
    pub body: OutgoingBody,
    /// The place of the first octet of the body, from 0 (default 0). A message that was interrupted by the loss of a
    /// connection goes on from there in another session, with the same identifier (RFC 4975 section 5.4).
    pub offset: u64,
    /// Whether a report of success is wanted (default no).
    pub success_report: bool,
    /// Whether a report of failure is wanted (default yes).
    pub failure_report: FailureReport,
}

impl OutgoingMessage {
    /// Makes a message of which failures but not successes are reported.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use msrp::endpoint::{OutgoingBody, OutgoingMessage};
    /// use msrp::header::content::ContentType;
    ///
    /// let mut message = OutgoingMessage::new(ContentType::text_plain(), OutgoingBody::Whole(Bytes::from("Hi!")));
    /// message.success_report = true;
    /// ```
    pub fn new(content_type: ContentType, body: OutgoingBody) -> Self {
        Self {
            message_id: None,
            content_type: Some(content_type),
            headers: Headers::default(),
            body,
            offset: 0,
            success_report: false,
            failure_report: FailureReport::Yes,
        }
    }
}

/// The octets of a message to be sent. Its `Debug` tells lengths, not contents.
#[derive(Clone)]
#[non_exhaustive]
pub enum OutgoingBody {
    /// All of them.
    Whole(Bytes),
    /// They follow by [`Endpoint::append`](super::Endpoint::append).
    Streamed {
        /// How many octets the whole message has, if that is known.
        total: Option<u64>,
    },
}

impl fmt::Debug for OutgoingBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(body) => write!(f, "Whole({} octets)", body.len()),
            Self::Streamed { total } => f.debug_struct("Streamed").field("total", total).finish(),
        }
    }
}
