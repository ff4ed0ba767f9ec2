//! The bodies of a request: a session description, a list of recipients, and content.

use bytes::Bytes;
use sip_im::mime::{self, Part};
use sip_im::{ContentType, Request, StatusCode};

use super::reply::Refusal;

/// The bodies that the function understands, and the rest.
pub(super) struct Bodies {
    pub(super) sdp: Option<Bytes>,
    pub(super) list: Option<Part>,
    /// Whether the message was made from a list already.
    pub(super) has_history: bool,
    pub(super) rest: Vec<Part>,
}

impl Bodies {
    /// Takes a body apart.
    pub(super) fn of(request: &Request) -> Result<Self, Refusal> {
        let mut bodies = Self {
            sdp: None,
            list: None,
            has_history: false,
            rest: Vec::new(),
        };
        let parts = mime::body_parts(request.headers(), request.body(), &mime::Limits::default())
            .map_err(|_| StatusCode::BAD_REQUEST)?;
        for part in parts {
            if part.is_disposed("recipient-list") {
                if bodies.list.is_some() || !part.content_type().is("application", "resource-lists+xml") {
                    return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into());
                }
                bodies.list = Some(part);
            } else if part.is_disposed("recipient-list-history") {
                bodies.has_history = true;
                bodies.rest.push(part);
            } else if bodies.sdp.is_none() && part.content_type().is("application", "sdp") {
                bodies.sdp = Some(part.body().clone());
            } else {
                bodies.rest.push(part);
            }
        }
        Ok(bodies)
    }

    /// What a message says, without the list of whom it is for.
    pub(super) fn content(self) -> Vec<Part> {
        let sdp = self
            .sdp
            .map(|body| Part::new(ContentType::application_sdp()).with_body(body));
        sdp.into_iter().chain(self.rest).collect()
    }
}
