//! What is to be said, and the request that says it (RFC 3428 section 4).

use core::fmt;
use core::time::Duration;

use bytes::Bytes;

use crate::ContentType;
use crate::error::BuildError;
use crate::header::{Date, Expires, Subject};
use crate::message::{Request, RequestBuilder};

/// A message that is to become a MESSAGE request.
///
/// ```
/// use std::time::Duration;
/// use sip_im::header::{Date, Expires};
/// use sip_im::pager::Draft;
/// use sip_im::{Method, Request, Uri};
///
/// let (alice, bob) = (Uri::parse("sip:alice@a.test")?, Uri::parse("sip:bob@b.test")?);
/// let begun = Request::builder(Method::Message, bob.clone()).from(&alice, None, "a1").to(&bob, None).call_id("c1").cseq(1);
/// let request = Draft::text("Watson, come here.")
///     .expires(Duration::from_secs(60))
///     .request(begun, Duration::from_secs(1_289_690_940))?;
/// assert_eq!(request.headers().require::<Expires>()?, Expires(60));
/// assert_eq!(request.headers().require::<Date>()?.since_epoch(), Duration::from_secs(1_289_690_940));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Draft {
    content_type: ContentType,
    body: Bytes,
    subject: Option<String>,
    expires: Option<Duration>,
}

impl Draft {
    /// Content of any type.
    pub fn new(content_type: ContentType, body: Bytes) -> Self {
        Self {
            content_type,
            body,
            subject: None,
            expires: None,
        }
    }

    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(ContentType::text_plain(), Bytes::from(text.into()))
    }

    /// What it is about.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// How long it is worth reading, in whole seconds.
    #[must_use]
    pub fn expires(mut self, after: Duration) -> Self {
        self.expires = Some(after);
        self
    }

    /// Makes the request from one that was begun, inside a dialog or outside; `unix` is the time since 1970.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3428#section-4
    //# If the UAC adds an Expires header field with a
    //# non-zero value, it SHOULD also add a Date header field containing the
    //# time the message is sent.
    ///
    /// # Errors
    ///
    /// Fails when something can't be written.
    pub fn request(self, begun: RequestBuilder, unix: Duration) -> Result<Request, BuildError> {
        let mut builder = begun.header_typed(&Date::from_unix(unix));
        if let Some(expires) = self.expires {
            let seconds = u32::try_from(expires.as_secs()).unwrap_or(u32::MAX);
            builder = builder.header_typed(&Expires(seconds));
        }
        if let Some(subject) = &self.subject {
            builder = builder.header_typed(&Subject::new(subject));
        }
        builder.body(&self.content_type, self.body).build()
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("content_type", &self.content_type)
            .field("octets", &self.body.len())
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
