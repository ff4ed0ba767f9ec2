//! Responses.

use core::fmt::{self, Write as _};

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::{BuildError, HeaderError};
use crate::header::{CSeq, CallId, From, Headers, To, Via};
use crate::{ByteStr, ContentType, StatusCode};

/// A response; [`Request::response`](super::Request::response) makes one.
#[derive(Clone)]
pub struct Response {
    status: StatusCode,
    reason: ByteStr,
    /// The length of the status line as it was received.
    start: Option<usize>,
    headers: Headers,
    body: Bytes,
}

impl Response {
    pub(crate) fn received(
        status: StatusCode,
        reason: ByteStr,
        start: usize,
        headers: Headers,
        body: Bytes,
    ) -> Self {
        Self {
            status,
            reason,
            start: Some(start),
            headers,
            body,
        }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The reason phrase, for people.
    pub fn reason(&self) -> &str {
        self.reason.as_str()
    }

    /// The header fields.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The header fields, to be edited.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Replaces the body and its type.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when the type would not be read back as it is.
    pub fn set_body(&mut self, content_type: &ContentType, body: Bytes) -> Result<(), BuildError> {
        self.headers.set_typed(content_type)?;
        self.body = body;
        Ok(())
    }

    /// Removes the body and the header fields that describe it.
    pub fn remove_body(&mut self) {
        super::request::remove_body_fields(&mut self.headers);
        self.body = Bytes::new();
    }

    /// The type of the body.
    ///
    /// # Errors
    ///
    /// Fails when the field is malformed or repeated.
    pub fn content_type(&self) -> Result<Option<ContentType>, HeaderError> {
        self.headers.get()
    }

    /// The top Via.
    ///
    /// # Errors
    ///
    /// Fails when there is none, or it is malformed; a received message has one.
    pub fn top_via(&self) -> Result<Via, HeaderError> {
        self.headers.require()
    }

    /// From.
    ///
    /// # Errors
    ///
    /// As [`Response::top_via`].
    pub fn from(&self) -> Result<From, HeaderError> {
        self.headers.require()
    }

    /// To.
    ///
    /// # Errors
    ///
    /// As [`Response::top_via`].
    pub fn to(&self) -> Result<To, HeaderError> {
        self.headers.require()
    }

    /// Call-ID.
    ///
    /// # Errors
    ///
    /// As [`Response::top_via`].
    pub fn call_id(&self) -> Result<CallId, HeaderError> {
        self.headers.require()
    }

    /// `CSeq`.
    ///
    /// # Errors
    ///
    /// As [`Response::top_via`].
    pub fn cseq(&self) -> Result<CSeq, HeaderError> {
        self.headers.require()
    }

    /// The response as octets; one that was received and not edited comes out as it came in.
    pub fn to_bytes(&self) -> Bytes {
        match super::unchanged(self.start, &self.headers) {
            Some(octets) => octets.clone(),
            None => super::to_bytes(|out| self.write(out), &self.headers, &self.body),
        }
    }

    /// Appends the response as [`Response::to_bytes`] makes it.
    pub fn write(&self, out: &mut BytesMut) {
        if let Some(octets) = super::unchanged(self.start, &self.headers) {
            out.put_slice(octets);
            return;
        }
        match self.start {
            Some(length) => {
                let octets = self.headers.block().get(..length);
                out.put_slice(octets.unwrap_or_default());
            }
            // Writing to a buffer that grows does not fail.
            None => {
                let _ = write!(out, "SIP/2.0 {} {}", self.status, self.reason);
            }
        }
        super::write_rest(&self.headers, &self.body, out);
    }

    pub(crate) fn into_headers(self) -> Headers {
        self.headers
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("reason", &self.reason)
            .field("headers", &self.headers)
            .field("body_octets", &self.body.len())
            .finish_non_exhaustive()
    }
}
