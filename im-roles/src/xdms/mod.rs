//! The XDM server: XCAP requests in, as values.

use bytes::Bytes;

/// The host's name for an XCAP request.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct XcapId(pub u64);

/// An XCAP request as an HTTP server takes it in (RFC 4825 7, 8).
#[derive(Clone)]
#[non_exhaustive]
pub struct XcapRequest {
    /// The HTTP method.
    pub method: String,
    /// The request target, path and query, still percent-encoded: `/xcap-root/resource-lists/users/...`.
    pub target: String,
    /// The `Authorization` header field's value.
    pub authorization: Option<String>,
    /// The `Content-Type` header field's value.
    pub content_type: Option<String>,
    /// The `If-Match` header field's value.
    pub if_match: Option<String>,
    /// The `If-None-Match` header field's value.
    pub if_none_match: Option<String>,
    /// The body.
    pub body: Bytes,
}

impl XcapRequest {
    /// A request without body and conditions.
    pub fn new(method: impl Into<String>, target: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            authorization: None,
            content_type: None,
            if_match: None,
            if_none_match: None,
            body: Bytes::new(),
        }
    }
}

impl std::fmt::Debug for XcapRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("XcapRequest")
            .field("method", &self.method)
            .field("target", &self.target)
            .field("octets", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The answer for the HTTP client.
#[derive(Clone)]
#[non_exhaustive]
pub struct XcapResponse {
    /// The HTTP status.
    pub status: u16,
    /// Header fields: `ETag`, `Content-Type`, `Allow`, `WWW-Authenticate` as they apply.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
}

impl std::fmt::Debug for XcapResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("XcapResponse").field("status", &self.status).field("octets", &self.body.len()).finish_non_exhaustive()
    }
}
