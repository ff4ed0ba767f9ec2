//! One part of a multipart body, or a whole body that is not multipart.

use core::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::ContentDisposition;
use crate::error::{BuildError, HeaderError};
use crate::header::{ContentId, ContentTransferEncoding, HeaderName, Headers};
use crate::{ContentType, Scheme, Uri};

/// A part: its header fields and its octets.
#[derive(Clone)]
pub struct Part {
    content_type: ContentType,
    disposition: Option<ContentDisposition>,
    headers: Headers,
    body: Bytes,
}

impl Part {
    /// A part of this type, without body.
    pub fn new(content_type: ContentType) -> Self {
        let mut headers = Headers::new();
        headers.set_reserved(&HeaderName::CONTENT_TYPE, content_type.to_string());
        Self {
            content_type,
            disposition: None,
            headers,
            body: Bytes::new(),
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc2046#section-5.1
    //# In such a case, the absence of a
    //# Content-Type header usually indicates that the corresponding body has
    pub(super) fn read(headers: Headers, body: Bytes) -> Result<Self, HeaderError> {
        let content_type = headers
            .get::<ContentType>()?
            .unwrap_or_else(ContentType::text_plain);
        let disposition = headers.get::<ContentDisposition>()?;
        Ok(Self {
            content_type,
            disposition,
            headers,
            body,
        })
    }

    /// The same part without saying its type.
    pub(super) fn untyped(mut self) -> Self {
        self.headers.remove(&HeaderName::CONTENT_TYPE);
        self
    }

    /// Sets the octets.
    #[must_use]
    pub fn with_body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }

    /// Sets what the part is for.
    #[must_use]
    pub fn with_disposition(mut self, disposition: ContentDisposition) -> Self {
        self.headers
            .set_reserved(&HeaderName::CONTENT_DISPOSITION, disposition.to_string());
        self.disposition = Some(disposition);
        self
    }

    /// Names the part, without angle brackets, so that a `cid` URI can point at it (RFC 2392).
    ///
    /// # Errors
    ///
    /// Fails when the id has white space, an angle bracket or a control character in it.
    pub fn with_content_id(self, id: &str) -> Result<Self, BuildError> {
        let is_plain = !id.is_empty()
            && id
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'<' && byte != b'>');
        if !is_plain {
            let error = crate::error::ParseError::new(crate::error::ParseErrorKind::UnexpectedText, 0);
            return Err(BuildError::Invalid(HeaderName::CONTENT_ID, error));
        }
        self.with_header(&HeaderName::CONTENT_ID, &format!("<{id}>"))
    }

    /// Sets another header field of the part.
    ///
    /// # Errors
    ///
    /// Fails when the value has a line end or another control character in it, or when the field has a method of its own.
    pub fn with_header(mut self, name: &HeaderName, value: &str) -> Result<Self, BuildError> {
        if *name == HeaderName::CONTENT_TYPE || *name == HeaderName::CONTENT_DISPOSITION {
            return Err(BuildError::Reserved(name.clone()));
        }
        self.headers.set(name, value)?;
        Ok(self)
    }

    /// The type; `text/plain` if the part does not say.
    pub fn content_type(&self) -> &ContentType {
        &self.content_type
    }

    /// What the part is for.
    pub fn disposition(&self) -> Option<&ContentDisposition> {
        self.disposition.as_ref()
    }

    /// Is that its disposition? Compares without case.
    pub fn is_disposed(&self, disposition: &str) -> bool {
        self.disposition
            .as_ref()
            .is_some_and(|found| found.is(disposition))
    }

    /// The name of the part without angle brackets; a malformed one is none.
    pub fn content_id(&self) -> Option<String> {
        let id = self.headers.get::<ContentId>().ok()??;
        Some(id.id().to_owned())
    }

    /// Does a `cid` URI point at the part (RFC 2392)?
    pub fn is_named(&self, uri: &Uri) -> bool {
        uri.scheme() == Scheme::Cid
            && self
                .content_id()
                .is_some_and(|id| decoded(uri.opaque()) == id.as_bytes())
    }

    /// How the octets are encoded. SIP carries them as they are, which is also what a part without the field says.
    pub fn transfer_encoding(&self) -> Option<ContentTransferEncoding> {
        self.headers.get().ok().flatten()
    }

    /// Is it a multipart body itself?
    pub fn is_multipart(&self) -> bool {
        self.content_type.type_().eq_ignore_ascii_case("multipart")
    }

    /// The header fields.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The octets, as they stand in the message.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        self.headers.write(out);
        out.put_slice(b"\r\n");
        out.put_slice(&self.body);
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("headers", &self.headers)
            .field("body_octets", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Undoes the escapes of a URI part that was checked when it was read.
fn decoded(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = after.split_at_checked(2).filter(|_| *first == b'%');
        let octet = escaped.and_then(|(pair, after)| {
            let pair = core::str::from_utf8(pair).ok()?;
            Some((u8::from_str_radix(pair, 16).ok()?, after))
        });
        let (octet, after) = octet.unwrap_or((*first, after));
        octets.push(octet);
        rest = after;
    }
    octets
}
