//! Requests.

use core::fmt::{self, Write as _};

use bytes::{BufMut, Bytes, BytesMut};

use super::build::{RequestBuilder, ResponseBuilder};
use crate::error::{BuildError, HeaderError};
use crate::header::{CSeq, CallId, From, HeaderName, Headers, To, Via};
use crate::{ContentType, Method, StatusCode, Uri};

/// A request.
///
/// ```
/// use bytes::Bytes;
/// use sip_im::{ContentType, Method, Request, StatusCode, Uri};
/// let bob = Uri::parse("sip:bob@example.com")?;
/// let request = Request::builder(Method::Message, bob.clone())
///     .from(&Uri::parse("sip:alice@example.com")?, Some("Alice"), "a1")
///     .to(&bob, None)
///     .call_id("c1@example.com")
///     .cseq(1)
///     .body(&ContentType::text_plain(), Bytes::from_static(b"Hi"))
///     .build()?;
/// let response = request.response(StatusCode::ACCEPTED).to_tag("b1").build()?;
/// assert_eq!(response.reason(), "Accepted");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Request {
    method: Method,
    uri: Uri,
    /// The length of the request line as it was received, while it still holds.
    start: Option<usize>,
    headers: Headers,
    body: Bytes,
}

impl Request {
    /// Starts a request.
    pub fn builder(method: Method, uri: Uri) -> RequestBuilder {
        RequestBuilder::new(method, uri)
    }

    pub(crate) fn received(method: Method, uri: Uri, start: usize, headers: Headers, body: Bytes) -> Self {
        Self {
            method,
            uri,
            start: Some(start),
            headers,
            body,
        }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The Request-URI.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Sends the request elsewhere.
    pub fn set_uri(&mut self, uri: Uri) {
        self.uri = uri;
        self.start = None;
        self.headers.mark_edited();
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
        remove_body_fields(&mut self.headers);
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
    /// As [`Request::top_via`].
    pub fn from(&self) -> Result<From, HeaderError> {
        self.headers.require()
    }

    /// To.
    ///
    /// # Errors
    ///
    /// As [`Request::top_via`].
    pub fn to(&self) -> Result<To, HeaderError> {
        self.headers.require()
    }

    /// Call-ID.
    ///
    /// # Errors
    ///
    /// As [`Request::top_via`].
    pub fn call_id(&self) -> Result<CallId, HeaderError> {
        self.headers.require()
    }

    /// `CSeq`.
    ///
    /// # Errors
    ///
    /// As [`Request::top_via`].
    pub fn cseq(&self) -> Result<CSeq, HeaderError> {
        self.headers.require()
    }

    /// Starts a response to this request: Via, From, To, Call-ID and `CSeq` are copied, and Record-Route when the response
    /// may make a dialog (RFC 3261 8.2.6.2, 12.1.1).
    pub fn response(&self, status: StatusCode) -> ResponseBuilder {
        ResponseBuilder::of_request(self, status)
    }

    /// The request as octets; one that was received and not edited comes out as it came in.
    pub fn to_bytes(&self) -> Bytes {
        match super::unchanged(self.start, &self.headers) {
            Some(octets) => octets.clone(),
            None => super::to_bytes(|out| self.write(out), &self.headers, &self.body),
        }
    }

    /// How many octets [`Request::to_bytes`] gives.
    pub(crate) fn octets(&self) -> usize {
        if let Some(octets) = super::unchanged(self.start, &self.headers) {
            return octets.len();
        }
        if !super::has_length(&self.headers, self.body.len()) {
            return self.to_bytes().len();
        }
        let start = self.start.unwrap_or_else(|| {
            let (method, uri) = (self.method.as_str(), self.uri.as_str());
            [method, " ", uri, " SIP/2.0"]
                .iter()
                .fold(0, |sum, part| sum.saturating_add(part.len()))
        });
        start
            .saturating_add(self.headers.octets())
            .saturating_add(self.body.len())
            .saturating_add(4)
    }

    /// Appends the request as [`Request::to_bytes`] makes it.
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
                let _ = write!(out, "{} {} SIP/2.0", self.method, self.uri);
            }
        }
        super::write_rest(&self.headers, &self.body, out);
    }

    pub(crate) fn into_headers(self) -> Headers {
        self.headers
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("uri", &self.uri)
            .field("headers", &self.headers)
            .field("body_octets", &self.body.len())
            .finish_non_exhaustive()
    }
}

pub(super) fn remove_body_fields(headers: &mut Headers) {
    for name in [
        HeaderName::CONTENT_TYPE,
        HeaderName::CONTENT_DISPOSITION,
        HeaderName::CONTENT_ENCODING,
        HeaderName::CONTENT_LANGUAGE,
        HeaderName::CONTENT_ID,
        HeaderName::CONTENT_TRANSFER_ENCODING,
    ] {
        headers.remove(&name);
    }
    headers.mark_edited();
}
