//! Content codings of what comes (RFC 3261 20.12): undone by the host's decoder and bounded here, or refused.

use std::time::Instant;

use bytes::Bytes;
use sip_im::endpoint::ServerTransaction;
use sip_im::header::{AcceptEncoding, ContentEncoding, HeaderName};
use sip_im::{ContentType, Request, StatusCode};

use super::Client;

/// Undoes content codings for a [`Client`], which knows none itself: peers exist that deflate what they send.
///
/// ```
/// use im_roles::client::{Decoder, DecodeError};
///
/// // A coding that turns the octets round.
/// let decoder = Decoder::new(["x-reversed"], |_coding, octets, most| {
///     if octets.len() > most {
///         return Err(DecodeError::TooLarge);
///     }
///     Ok(octets.iter().rev().copied().collect::<Vec<u8>>().into())
/// });
/// assert!(decoder.knows("X-Reversed"));
/// ```
pub struct Decoder {
    codings: Vec<String>,
    decode: Box<Decode>,
}

type Decode = dyn FnMut(&str, &[u8], usize) -> Result<Bytes, DecodeError> + Send;

impl Decoder {
    /// A decoder of these codings. The function is given one of them in lower case, the coded octets, and how many octets it may give
    /// back; it must not allocate much more than that.
    pub fn new<'a>(
        codings: impl IntoIterator<Item = &'a str>,
        decode: impl FnMut(&str, &[u8], usize) -> Result<Bytes, DecodeError> + Send + 'static,
    ) -> Self {
        Self {
            codings: codings.into_iter().map(str::to_ascii_lowercase).collect(),
            decode: Box::new(decode),
        }
    }

    /// A decoder that knows no coding.
    pub(super) fn none() -> Self {
        Self::new([], |_, _, _| Err(DecodeError::Malformed))
    }

    /// Whether it undoes this coding.
    pub fn knows(&self, coding: &str) -> bool {
        self.codings
            .iter()
            .any(|known| known.eq_ignore_ascii_case(coding))
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("codings", &self.codings)
            .finish_non_exhaustive()
    }
}

/// Why a body cannot be decoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The octets are not what the coding gives.
    #[error("the body is not what its coding gives")]
    Malformed,
    /// The body is larger than allowed.
    #[error("the decoded body is too large")]
    TooLarge,
}

impl DecodeError {
    fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::REQUEST_ENTITY_TOO_LARGE,
        }
    }
}

impl Client {
    /// Lets the host undo content codings; without it, what is coded is refused, and the sender told so.
    pub fn set_decoder(&mut self, decoder: Decoder) {
        self.decoder = decoder;
    }

    /// The request without content codings, if it has any. The error is what to answer.
    pub(super) fn decoded(&mut self, request: &Request) -> Result<Option<Request>, StatusCode> {
        if !request.headers().contains(&HeaderName::CONTENT_ENCODING) {
            return Ok(None);
        }
        let mut codings = Vec::new();
        for header in request.headers().all::<ContentEncoding>() {
            let header = header.map_err(|error| error.status())?;
            codings.extend(header.0);
        }
        codings.retain(|coding| !coding.eq_ignore_ascii_case("identity"));
        if codings.len() > MOST_CODINGS || codings.iter().any(|coding| !self.decoder.knows(coding)) {
            return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        let mut body = request.body().clone();
        //= https://www.rfc-editor.org/rfc/rfc3261#section-20.12
        //# If multiple encodings have been applied to an entity-body, the
        //# content codings MUST be listed in the order in which they were
        //# applied.
        for coding in codings.iter().rev() {
            let most = self.config.limits.max_decoded_octets;
            body = (self.decoder.decode)(&coding.to_ascii_lowercase(), &body, most)
                .and_then(|body| {
                    if body.len() > most {
                        Err(DecodeError::TooLarge)
                    } else {
                        Ok(body)
                    }
                })
                .map_err(DecodeError::status)?;
        }
        let content_type = match request.content_type() {
            Ok(content_type) => content_type.unwrap_or_else(ContentType::text_plain),
            Err(error) => return Err(error.status()),
        };
        let mut plain = request.clone();
        plain.headers_mut().remove(&HeaderName::CONTENT_ENCODING);
        plain
            .set_body(&content_type, body)
            .map_err(|_| StatusCode::BAD_REQUEST)?;
        Ok(Some(plain))
    }

    /// Refuses a body whose coding cannot be undone.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-8.2.3
    //# If the request contained content encodings not understood
    //# by the UAS, the response MUST contain an Accept-Encoding header field
    //# listing the encodings understood by the UAS.
    pub(super) fn refuse_coding(
        &mut self,
        transaction: ServerTransaction,
        request: &Request,
        status: StatusCode,
        now: Instant,
    ) {
        let mut response = request.response(status);
        if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            let codings = self.decoder.codings.iter().map(String::as_str);
            response = response.header_typed(&AcceptEncoding::new(["identity"].into_iter().chain(codings)));
        }
        self.respond(transaction, response, now);
    }
}

/// How often a body may be coded over; nobody does it more than once.
const MOST_CODINGS: usize = 2;
