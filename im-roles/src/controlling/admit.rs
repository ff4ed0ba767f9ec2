//! How somebody comes into a conference: whether he may, and what he gets.

use std::time::Instant;

use sip_im::dialog::Dialog;
use sip_im::session::SessionTimer;
use sip_im::{ContentType, Request, StatusCode};

use super::bodies::Bodies;
use super::dial_out::passive_session;
use super::event::Event;
use super::media::{Peer, negotiate};
use super::policy::Permissions;
use super::reply::{EXTENSIONS, FOCUS_METHODS, Refusal, describe, focus_contact, is_focus, unsupported};
use super::roster::{Caller, Capabilities, Participant, Phase};
use super::timer::Timing;
use super::{ConferenceKey, Controlling, Usage};
use crate::ServiceWarning;
use crate::signal::{IncomingId, MediaCommand};

impl Controlling {
    /// Somebody joins a conference that is going on.
    pub(super) fn join(
        &mut self,
        key: ConferenceKey,
        id: IncomingId,
        request: &Request,
        caller: &Caller,
        now: Instant,
    ) -> Result<(), Refusal> {
        if is_focus(request) {
            return Err(Refusal::nested());
        }
        unsupported(request, EXTENSIONS)?;
        let permissions = self.permissions(key, caller, now).ok_or(StatusCode::NOT_FOUND)?;
        check_entry(permissions, permissions.join, caller)?;
        self.admit(key, id, request, caller, now)?;
        self.changed(key, now);
        Ok(())
    }

    /// What somebody may do in a conference.
    pub(super) fn permissions(
        &self,
        key: ConferenceKey,
        caller: &Caller,
        now: Instant,
    ) -> Option<Permissions> {
        let conference = self.conferences.get(&key)?;
        let unix = self.clock.unix(now);
        Some(conference.rules.permissions(&caller.identities_with_own(), unix))
    }

    /// Takes the sender of an INVITE in: the 200 with the focus's session description, a dialog, a media session.
    pub(super) fn admit(
        &mut self,
        key: ConferenceKey,
        id: IncomingId,
        request: &Request,
        caller: &Caller,
        now: Instant,
    ) -> Result<(), Refusal> {
        let limit = self.config.limits.max_participants;
        let conference = self.conferences.get_mut(&key).ok_or(StatusCode::NOT_FOUND)?;
        if conference.roster.len() >= conference.rules.max_participants.min(limit) {
            return Err(Refusal::too_many());
        }
        let uri = conference.uri.clone();
        let private = conference
            .rules
            .permissions(&caller.identities_with_own(), self.clock.unix(now))
            .private;
        let bodies = Bodies::of(request)?;
        let local = self
            .local_media(private)
            .ok_or(StatusCode::SERVER_INTERNAL_ERROR)?;
        let (body, peer) = negotiate(bodies.sdp.as_ref(), &local)?;
        let answer_in_ack = peer.is_none();
        let mut timing = Timing::default();
        let granted = self.grant(&mut timing.timer, request)?;
        timing.note(request.headers());
        timing.timer.answered(granted, now);
        let builder = self.reply(request, StatusCode::OK).contact(&focus_contact(&uri));
        let response = SessionTimer::answer(describe(builder, FOCUS_METHODS, EXTENSIONS), granted)
            .body(&ContentType::application_sdp(), body)
            .build()
            .map_err(|_| StatusCode::BAD_REQUEST)?;
        let dialog = Dialog::from_uas(request, &response).map_err(|_| StatusCode::BAD_REQUEST)?;
        let (participant, media) = (self.mint.participant(), self.mint.media());
        let Some(conference) = self.conferences.get_mut(&key) else {
            return Err(StatusCode::NOT_FOUND.into());
        };
        //= R-6.3-03
        let pseudonym = caller
            .anonymous
            .then(|| conference.roster.pseudonym(&caller.identity, limit));
        let mut session = passive_session(&local).ok_or(StatusCode::SERVER_INTERNAL_ERROR)?;
        let mut capabilities = Capabilities::default();
        if let Some(Peer {
            path,
            max_size,
            capabilities: of_peer,
        }) = peer
        {
            (session.remote_path, session.max_size, capabilities) = (path, max_size, of_peer);
        }
        let remote = session.remote_path.clone();
        let dialog_id = dialog.id().clone();
        conference.roster.insert(
            participant,
            Participant {
                identity: caller.identity.clone(),
                identities: caller.identities.clone(),
                uri: caller.uri.clone(),
                display: caller.display.clone(),
                pseudonym,
                nickname: None,
                media,
                local,
                remote,
                may_whisper: private,
                capabilities,
                unacknowledged: Some(id),
                timing,
                phase: Phase::Connected {
                    dialog: Box::new(dialog),
                    answer_in_ack,
                },
                dialed_in: true,
            },
        );
        self.out.media(media, MediaCommand::Open(session));
        self.out.respond(id, response);
        self.out.event(Event::ParticipantJoined {
            conference: uri,
            user: caller.identity.clone(),
            anonymous: pseudonym.is_some(),
        });
        self.media.insert(media, (key, participant));
        self.dialogs
            .insert(dialog_id.clone(), Usage::Session(key, participant));
        self.unacknowledged.insert(id, dialog_id);
        self.time_session(key, participant);
        Ok(())
    }
}

/// May the caller come in, and as he wishes to?
pub(super) fn check_entry(permissions: Permissions, entry: bool, caller: &Caller) -> Result<(), Refusal> {
    if !entry {
        return Err(Refusal::forbidden(ServiceWarning::ServiceNotAuthorised));
    }
    //= R-6.3-09
    if caller.anonymous && !permissions.anonymity {
        return Err(Refusal::forbidden(ServiceWarning::AnonymityNotAllowed));
    }
    Ok(())
}
