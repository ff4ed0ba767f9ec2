//! An INVITE of the focus that is sent a second time, since somebody on its way wants longer sessions (RFC 4028 section 7.3).

use std::time::Instant;

use sip_im::header::CSeq;
use sip_im::{Request, Response};

use super::roster::{ParticipantKey, Phase};
use super::{ConferenceKey, Controlling};

impl Controlling {
    /// Invites a user again after a 422, with the interval that it asks for; says whether there was any use in it.
    ///
    //= https://www.rfc-editor.org/rfc/rfc4028#section-7.3
    //# If the response to a session refresh request is a 422 (Session
    //# Interval Too Small) response message, then the UAC MAY retry the
    //# request.
    pub(super) fn invite_for_longer(
        &mut self,
        (key, participant): (ConferenceKey, ParticipantKey),
        request: &Request,
        response: &Response,
        now: Instant,
    ) -> bool {
        let config = self.timer_config();
        let conference = self.conferences.get_mut(&key);
        let Some(found) = conference.and_then(|conference| conference.roster.get_mut(participant)) else {
            return false;
        };
        let Ok(sequence) = request.cseq() else {
            return false;
        };
        // Once: who wants ever more is not asked forever.
        if sequence.seq != 1 || !found.timing.timer.too_small(response.headers()) {
            return false;
        }
        let mut again = request.clone();
        let numbered = again.headers_mut().set_typed(&CSeq::new(2, sequence.method));
        if numbered.is_err() || found.timing.timer.ask_again(&mut again, &config).is_err() {
            return false;
        }
        let invite = self.mint.outgoing();
        found.phase = Phase::Dialing { invite };
        self.send_invite((key, participant), invite, again, now);
        true
    }
}
