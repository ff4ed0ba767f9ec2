//! PUBLISH: users say how they can be reached (RFC 3903).

use std::time::Instant;

use im_xdm_model::document::pidf;
use im_xdm_model::xml;
use sip_im::header::AcceptEncoding;
use sip_im::{Request, StatusCode};

use super::{Presence, is_coded};
use crate::message;
use crate::signal::{IncomingId, Origin};

impl Presence {
    pub(super) fn publish(&mut self, id: IncomingId, request: &Request, origin: &Origin, now: Instant) {
        let user = self.aliases.fold(&message::target(request));
        //= https://www.rfc-editor.org/rfc/rfc3903#section-14.1
        //# The state agent SHOULD authenticate the EPA, and SHOULD apply its
        //# authorization policies (e.g., based on access control lists) to all
        //# requests.
        if origin.user.as_ref() != Some(&user) {
            return self.refuse(id, request, origin, StatusCode::FORBIDDEN);
        }
        if self.shutting_down {
            return self.refuse(id, request, origin, StatusCode::SERVICE_UNAVAILABLE);
        }
        if is_coded(request) {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return self.refuse_with(id, request, origin, status, |builder| {
                builder.header_typed(&AcceptEncoding::new(["identity"]))
            });
        }
        if is_unreadable(request) {
            return self.refuse(id, request, origin, StatusCode::BAD_REQUEST);
        }
        let outcome = self.compositor.publish(request, user, now);
        if !outcome.status.is_success() {
            self.tell(super::Event::Refused {
                from: origin.user.clone(),
                user: message::target(request),
                status: outcome.status,
            });
        }
        let tag = self.token();
        self.respond(id, outcome.response(request, &tag).ok());
        self.publications_changed(now);
    }
}

/// Whether a body says that it is presence and is not; what watchers could not read is not taken.
fn is_unreadable(request: &Request) -> bool {
    matches!(request.content_type(), Ok(Some(kind)) if kind.is("application", "pidf+xml"))
        && !request.body().is_empty()
        && pidf::Presence::parse(request.body(), &xml::Limits::default()).is_err()
}
