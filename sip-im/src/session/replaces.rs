//! The session that an INVITE with Replaces (RFC 3891) or Join (RFC 3911) names.

use super::{SessionId, SessionState, Side};
use crate::Method;
use crate::StatusCode;
use crate::dialog::DialogId;
use crate::header::{Header, Join, Replaces};
use crate::message::Request;

/// A session that an INVITE is to take the place of, or to join. Whether its sender may do that is for the application to see
/// before it accepts; then it ends the session replaced, with a BYE where it is confirmed and a CANCEL where it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Matched {
    /// Which.
    pub session: SessionId,
    /// Whether it is confirmed.
    pub confirmed: bool,
}

/// What is known of a dialog.
pub(crate) type Found = (SessionId, SessionState, Side);

/// The dialog that a request's header field names, of which there may be one.
///
//= https://www.rfc-editor.org/rfc/rfc3891#section-3
//# If more than one Replaces header field is present in an INVITE, or if
//# a Replaces header field is present in a request other than INVITE,
//# the UAS MUST reject the request with a 400 Bad Request response.
fn named<H: Header>(
    request: &Request,
    id: impl Fn(&H) -> DialogId,
) -> Result<Option<(H, DialogId)>, StatusCode> {
    let found = request
        .headers()
        .get::<H>()
        .map_err(|_| StatusCode::BAD_REQUEST)?;
    let Some(found) = found else { return Ok(None) };
    let both = request.headers().contains(&Replaces::NAME) && request.headers().contains(&Join::NAME);
    if *request.method() != Method::Invite || both {
        return Err(StatusCode::BAD_REQUEST);
    }
    let id = id(&found);
    Ok(Some((found, id)))
}

/// The session that Replaces names.
///
//= https://www.rfc-editor.org/rfc/rfc3891#section-3
//# If the Replaces header field matches an early dialog that was not
//# initiated by this UA, it returns a 481 (Call/Transaction Does Not
//# Exist) response to the new INVITE, and leaves the matched dialog
//# unchanged.
pub(crate) fn replaced(
    request: &Request,
    find: impl Fn(&DialogId) -> Option<Found>,
) -> Result<Option<Matched>, StatusCode> {
    let id = |found: &Replaces| {
        DialogId::new(
            found.call_id.clone(),
            found.to_tag.clone(),
            found.from_tag.clone(),
        )
    };
    let Some((replaces, id)) = named::<Replaces>(request, id)? else {
        return Ok(None);
    };
    let unknown = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
    let (session, state, side) = find(&id).ok_or(unknown)?;
    match state {
        SessionState::Mortal | SessionState::Morgue => Err(StatusCode::DECLINE),
        SessionState::Preparative | SessionState::Early if side == Side::Callee => Err(unknown),
        SessionState::Preparative | SessionState::Early => Ok(Some(Matched {
            session,
            confirmed: false,
        })),
        //= https://www.rfc-editor.org/rfc/rfc3891#section-3
        //# If the flag is
        //# present, the UA rejects the request with a 486 Busy response.
        SessionState::Moratorium | SessionState::Established if replaces.early_only() => {
            Err(StatusCode::BUSY_HERE)
        }
        SessionState::Moratorium | SessionState::Established => Ok(Some(Matched {
            session,
            confirmed: true,
        })),
    }
}

/// The session that Join names.
///
//= https://www.rfc-editor.org/rfc/rfc3911#section-4
//# If no match is found, but the Request-URI in the INVITE corresponds
//# to a conference URI, the UAS MUST ignore the Join header and continue
//# processing the INVITE as if the Join header did not exist.
pub(crate) fn joined(
    request: &Request,
    to_conference: bool,
    find: impl Fn(&DialogId) -> Option<Found>,
) -> Result<Option<Matched>, StatusCode> {
    let id = |found: &Join| {
        DialogId::new(
            found.call_id.clone(),
            found.to_tag.clone(),
            found.from_tag.clone(),
        )
    };
    let Some((_, id)) = named::<Join>(request, id)? else {
        return Ok(None);
    };
    match find(&id) {
        None if to_conference => Ok(None),
        None => Err(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST),
        //= https://www.rfc-editor.org/rfc/rfc3911#section-4
        //# If the Join header field matches a dialog which has already
        //# terminated, the UA SHOULD decline the request with a 603 Declined
        //# response.
        Some((_, SessionState::Mortal | SessionState::Morgue, _)) => Err(StatusCode::DECLINE),
        Some((session, state, _)) => Ok(Some(Matched {
            session,
            confirmed: state.is_confirmed(),
        })),
    }
}
