//! What names a dialog.

use core::fmt;

use crate::ByteStr;
use crate::header::{CallId, From, To};
use crate::message::{Request, Response};

/// The name of a dialog at one of its ends: the Call-ID, the tag of this end and that of the other (RFC 3261 section 12).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct DialogId {
    /// The Call-ID.
    pub call_id: ByteStr,
    /// The tag of this end.
    pub local_tag: ByteStr,
    /// The tag of the other end; empty if that is an element of RFC 2543, which has none.
    pub remote_tag: ByteStr,
}

impl DialogId {
    /// Puts a name together.
    pub fn new(
        call_id: impl Into<ByteStr>,
        local_tag: impl Into<ByteStr>,
        remote_tag: impl Into<ByteStr>,
    ) -> Self {
        Self {
            call_id: call_id.into(),
            local_tag: local_tag.into(),
            remote_tag: remote_tag.into(),
        }
    }

    /// The dialog that a request from the other end belongs to: it has a To tag, which is ours.
    pub fn of_incoming_request(request: &Request) -> Option<Self> {
        let headers = request.headers();
        let to = headers.get::<To>().ok()??;
        let from = headers.get::<From>().ok()??;
        let call_id = headers.get::<CallId>().ok()??;
        Some(Self::new(
            copy(call_id.as_str()),
            copy(to.tag()?),
            from.tag().map(copy).unwrap_or_default(),
        ))
    }

    /// The dialog that a response to a request of ours makes or belongs to: our tag is in From.
    pub fn of_response(response: &Response) -> Option<Self> {
        let headers = response.headers();
        let to = headers.get::<To>().ok()??;
        let from = headers.get::<From>().ok()??;
        let call_id = headers.get::<CallId>().ok()??;
        Some(Self::new(
            copy(call_id.as_str()),
            copy(from.tag()?),
            to.tag().map(copy).unwrap_or_default(),
        ))
    }

    /// The name that the other end knows the dialog by.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self {
            call_id: self.call_id.clone(),
            local_tag: self.remote_tag.clone(),
            remote_tag: self.local_tag.clone(),
        }
    }
}

impl fmt::Display for DialogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};{};{}", self.call_id, self.local_tag, self.remote_tag)
    }
}

/// A name outlives the message it was read from, so it doesn't share that one's buffer.
fn copy(text: &str) -> ByteStr {
    ByteStr::from(text.to_owned())
}
