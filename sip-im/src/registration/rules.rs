//! What a registrar sees of a REGISTER before it looks at its bindings.

use crate::StatusCode;
use crate::header::{Contact, Path, Supported, Via};
use crate::message::Request;

/// Whether the contacts are flows (RFC 5626), or the status to answer.
///
//= https://www.rfc-editor.org/rfc/rfc5626#section-6
//# If the Path header field is missing or it exists but
//# the first URI does not have an "ob" URI parameter, then outbound
//# processing MUST NOT be applied to the registration.
pub(super) fn outbound(request: &Request, contacts: &[Contact], path: &[Path]) -> Result<bool, StatusCode> {
    let is_flow = |contact: &&Contact| {
        contact
            .params()
            .is_some_and(|params| params.contains("reg-id") && params.contains("+sip.instance"))
    };
    if contacts.iter().find(is_flow).is_none() {
        return Ok(false);
    }
    let supported = supports(request, "outbound");
    let first_hop = request.headers().all::<Via>().count() == 1;
    let through_edge = path
        .first()
        .is_some_and(|path| path.uri().parameter("ob").is_some());
    if !first_hop && !through_edge {
        return if supported {
            Err(StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT)
        } else {
            Ok(false)
        };
    }
    //= https://www.rfc-editor.org/rfc/rfc5626#section-6
    //# Therefore, if the Contact header field contains
    //# more than one header field value with a non-zero expiration and any
    //# of these header field values contain a "reg-id" Contact header field
    //# parameter, the entire registration SHOULD be rejected with a 400 (Bad
    //# Request) response.
    if contacts
        .iter()
        .filter(|contact| contact.expires() != Some(0))
        .count()
        > 1
    {
        return Err(StatusCode::BAD_REQUEST);
    }
    Ok(supported)
}

pub(super) fn supports_path(request: &Request) -> bool {
    supports(request, "path")
}

pub(super) fn supports(request: &Request, option: &str) -> bool {
    request
        .headers()
        .get::<Supported>()
        .ok()
        .flatten()
        .is_some_and(|supported| supported.contains(option))
}
