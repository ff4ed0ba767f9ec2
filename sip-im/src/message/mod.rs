//! Messages: requests, responses, and the builders that make only well-formed ones.

mod build;
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

    /// The message as octets; one that was received and not edited comes out as it came in.
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

/// Writes a message. One that was edited gets the `Content-Length` of its body.
fn write(start: &str, headers: &Headers, body: &Bytes) -> Bytes {
    let line_ends = 32;
    let capacity = [start.len(), headers.octets(), body.len(), line_ends]
        .into_iter()
        .fold(0, usize::saturating_add);
    let mut out = BytesMut::with_capacity(capacity);
    out.put_slice(start.as_bytes());
    out.put_slice(b"\r\n");
    let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let is_right = || {
        let found = headers.get::<ContentLength>();
        found.is_ok_and(|found| found == Some(ContentLength(length)))
    };
    if headers.is_edited() && !is_right() {
        let mut headers = headers.clone();
        headers.set_reserved(&HeaderName::CONTENT_LENGTH, length.to_string());
        headers.write(&mut out);
    } else {
        headers.write(&mut out);
    }
    out.put_slice(b"\r\n");
    out.put_slice(body);
    out.freeze()
}
