//! What an application gives to be sent.

use std::time::Duration;

use bytes::Bytes;
use im_xdm_model::document::resource_lists::CopyControl;
use sip_im::{ContentType, Uri};

/// Content of any type.
#[derive(Clone)]
#[non_exhaustive]
pub struct Content {
    /// Its type.
    pub content_type: ContentType,
    /// Its octets.
    pub body: Bytes,
}

impl Content {
    /// Content of any type.
    pub fn new(content_type: ContentType, body: Bytes) -> Self {
        Self { content_type, body }
    }

    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            content_type: ContentType::text_plain(),
            body: Bytes::from(text.into()),
        }
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content")
            .field("content_type", &self.content_type)
            .field("octets", &self.body.len())
            .finish()
    }
}

/// Which notifications on a message its sender wants (RFC 5438).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the four are asked for independently of one another"
)]
#[non_exhaustive]
pub struct Notifications {
    /// When it has reached the recipient.
    pub positive_delivery: bool,
    /// When it will not reach the recipient.
    pub negative_delivery: bool,
    /// When it is shown to the recipient.
    pub display: bool,
    /// When a server has processed it, by storing it for instance.
    pub processing: bool,
}

impl Notifications {
    /// None.
    pub fn none() -> Self {
        Self::default()
    }

    /// All of delivery and display.
    pub fn delivery_and_display() -> Self {
        Self {
            positive_delivery: true,
            negative_delivery: true,
            display: true,
            processing: false,
        }
    }

    /// Whether any is wanted.
    pub fn any(self) -> bool {
        self.positive_delivery || self.negative_delivery || self.display || self.processing
    }
}

/// A message to one user or group, by MESSAGE.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MessageRequest {
    /// To whom.
    pub to: Uri,
    /// What.
    pub content: Content,
    /// What it is about.
    pub subject: Option<String>,
    /// Which notifications are wanted.
    pub notifications: Notifications,
    /// How long it is worth delivering.
    pub expires: Option<Duration>,
    /// Whether the user's address is to be hidden, whatever the client's setting.
    pub privacy: bool,
}

impl MessageRequest {
    /// A text, without anything special.
    pub fn text(to: Uri, text: impl Into<String>) -> Self {
        Self {
            to,
            content: Content::text(text),
            subject: None,
            notifications: Notifications::none(),
            expires: None,
            privacy: false,
        }
    }
}

/// One entry of a URI list.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListEntry {
    /// The recipient.
    pub uri: Uri,
    /// Whether the other recipients learn of him (RFC 5364). Default: `to`.
    pub copy_control: CopyControl,
    /// Whether the other recipients learn that he is there, but not who he is.
    pub anonymize: bool,
}

impl ListEntry {
    /// A visible recipient.
    pub fn to(uri: Uri) -> Self {
        Self {
            uri,
            copy_control: CopyControl::To,
            anonymize: false,
        }
    }

    /// A recipient of whom the others do not learn.
    pub fn bcc(uri: Uri) -> Self {
        Self {
            uri,
            copy_control: CopyControl::Bcc,
            anonymize: false,
        }
    }
}
