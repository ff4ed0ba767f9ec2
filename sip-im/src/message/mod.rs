//! Messages: requests, responses, and the builders that make only well-formed ones.

mod build;
mod draft;
mod request;
mod response;

use bytes::{BufMut, Bytes, BytesMut};

pub use build::{RequestBuilder, ResponseBuilder};
pub use request::Request;
pub use response::Response;

use crate::header::{ContentLength, HeaderName, Headers};

/// A request or a response.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "RFC 3261 7: a message is either of the two"
)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// The header fields.
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => request.headers(),
            Self::Response(response) => response.headers(),
        }
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        match self {
            Self::Request(request) => request.body(),
            Self::Response(response) => response.body(),
        }
    }

    /// Appends the message as [`Message::to_bytes`] makes it.
    pub fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Request(request) => request.write(out),
            Self::Response(response) => response.write(out),
        }
    }

    pub(crate) fn into_headers(self) -> Headers {
        match self {
            Self::Request(request) => request.into_headers(),
            Self::Response(response) => response.into_headers(),
        }
    }

    /// The message as octets; one that was received and not edited comes out as it came in, in the same memory.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

/// The octets that a message came in, if they still hold.
fn unchanged(start: Option<usize>, headers: &Headers) -> Option<&Bytes> {
    (start.is_some() && !headers.is_edited()).then(|| headers.block())
}

fn to_bytes(write: impl FnOnce(&mut BytesMut), headers: &Headers, body: &Bytes) -> Bytes {
    // Enough for most start lines and for a Content-Length.
    let more = 160;
    let capacity = headers.octets().saturating_add(body.len()).saturating_add(more);
    let mut out = BytesMut::with_capacity(capacity);
    write(&mut out);
    out.freeze()
}

/// Whether `Content-Length` is that of the body.
fn has_length(headers: &Headers, body: usize) -> bool {
    let length = u64::try_from(body).unwrap_or(u64::MAX);
    let found = headers.view::<ContentLength>();
    found.is_ok_and(|found| found == Some(ContentLength(length)))
}

/// Writes what follows the start line. A message that was edited gets the `Content-Length` of its body.
fn write_rest(headers: &Headers, body: &Bytes, out: &mut BytesMut) {
    out.put_slice(b"\r\n");
    if headers.is_edited() && !has_length(headers, body.len()) {
        let mut headers = headers.clone();
        headers.set_reserved(&HeaderName::CONTENT_LENGTH, body.len().to_string());
        headers.write(out);
    } else {
        headers.write(out);
    }
    out.put_slice(b"\r\n");
    out.put_slice(body);
}
