//! The envelope of a message: whose it is, whom it is for, and what goes out in its place.

use bytes::Bytes;
use msrp::StatusCode;
use msrp::cpim::{Address, Head};
use sip_im::Uri;

use super::Room;
use crate::controlling::roster::{Participant, ParticipantKey, pseudonym_uri};
use crate::signal::MediaId;

/// An envelope's head, and the octets it came in.
pub(super) struct Envelope {
    pub(super) head: Head,
    pub(super) pieces: Vec<Bytes>,
    /// What of the content came with its end.
    pub(super) rest: Bytes,
    pub(super) total: Option<u64>,
}

impl Envelope {
    /// What goes out in place of the head, and the octets of the whole message then.
    //= R-6.3-07
    pub(super) fn outgoing(self, sender: &Participant) -> Result<(Vec<Bytes>, Option<u64>), StatusCode> {
        let Some(number) = sender.pseudonym else {
            return Ok((self.pieces, self.total));
        };
        let name = format!("Anonymous {number}");
        let from = Address::new(Some(&name), &pseudonym_uri(number)).map_err(|_| StatusCode::BAD_REQUEST)?;
        let head = self.head.with_from(&from).to_bytes();
        let before = self.pieces.iter().try_fold(0_u64, |sum, piece| {
            sum.checked_add(u64::try_from(piece.len()).ok()?)
        });
        let after = u64::try_from(head.len()).ok();
        let total = self
            .total
            .and_then(|total| total.checked_sub(before?)?.checked_add(after?));
        Ok((vec![head], total))
    }
}

/// The From of the envelope must be the sender's own.
//= https://www.rfc-editor.org/rfc/rfc7701#section-6.3
//# If the MSRP switch receives an MSRP SEND request where the URI
//# included in the From header field of the Message/CPIM wrapper is not
//# valid, (e.g., because it does not "belong" to the sender of the
//# message or is not a valid participant of the chat room), the MSRP
//# switch MUST reject the request with a 403 response.
pub(super) fn check_from(room: &Room<'_>, sender: &Participant, head: &Head) -> Result<(), StatusCode> {
    let from = head
        .from()
        .and_then(|address| Uri::parse(address.uri.as_str()).ok())
        .ok_or(StatusCode::FORBIDDEN)?;
    let folded = room.aliases.fold(&from.identity());
    if sender.may_sign(&from, &folded) {
        Ok(())
    } else {
        Err(StatusCode::FORBIDDEN)
    }
}

/// The media sessions that get the message, and whether it is private.
pub(super) fn recipients(
    room: &Room<'_>,
    sender: ParticipantKey,
    head: &Head,
) -> Result<(Vec<MediaId>, bool), StatusCode> {
    //= https://www.rfc-editor.org/rfc/rfc7701#section-6.2
    //# If the MSRP switch receives a message containing
    //# several To header fields in the Message/CPIM wrapper, the MSRP switch
    //# MUST reject the request with a 403 response
    let to = match head.to() {
        [] => return Err(StatusCode::NOT_FOUND),
        [to] => Uri::parse(to.uri.as_str()).map_err(|_| StatusCode::NOT_FOUND)?,
        _ => return Err(StatusCode::FORBIDDEN),
    };
    let folded = room.aliases.fold(&to.identity());
    if folded == *room.identity {
        //= https://www.rfc-editor.org/rfc/rfc7701#section-6.1
        //# If the MSRP switch is aware that the media type of the wrapped
        //# content is not acceptable to the recipient, the MSRP switch SHOULD
        //# NOT forward this message to that endpoint.
        let all = room
            .roster
            .iter()
            .filter(|(key, other)| {
                *key != sender && other.is_connected() && other.capabilities.accepts(head.content_type())
            })
            .map(|(_, other)| other.media)
            .collect();
        return Ok((all, false));
    }
    if !room
        .roster
        .get(sender)
        .is_some_and(|participant| participant.may_whisper)
    {
        return Err(StatusCode::NO_PRIVATE_MESSAGES);
    }
    //= https://www.rfc-editor.org/rfc/rfc7701#section-6.2
    //# If this To header field does not
    //# contain the URI of a participant of the chat room or if the To header
    //# field cannot be resolved (e.g., caused by a mistyped URI), the MSRP
    //# switch MUST reject the request with a 404 response.
    let known: Vec<_> = room
        .roster
        .known_as(&to, &folded)
        .into_iter()
        .filter(|key| *key != sender)
        .filter_map(|key| room.roster.get(key))
        .collect();
    if known.is_empty() {
        return Err(StatusCode::NOT_FOUND);
    }
    //= https://www.rfc-editor.org/rfc/rfc7701#section-6.2
    //# If the recipient does not support private messages, the
    //# MSRP switch MUST reject the request with a 428 response.
    let able: Vec<_> = known
        .into_iter()
        .filter(|other| other.capabilities.private)
        .collect();
    if able.is_empty() {
        return Err(StatusCode::NO_PRIVATE_MESSAGES);
    }
    let taking: Vec<_> = able
        .into_iter()
        .filter(|other| other.capabilities.accepts(head.content_type()))
        .map(|other| other.media)
        .collect();
    if taking.is_empty() {
        Err(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    } else {
        Ok((taking, true))
    }
}
