//! Requests in the dialogs of participants: ACK, re-INVITE, BYE, REFER and the rest.

use std::time::Instant;

use sip_im::dialog::{Dialog, DialogId};
use sip_im::session::SessionTimer;
use sip_im::{ContentType, Method, Request, StatusCode};

use super::bodies::Bodies;
use super::event::Departure;
use super::invite::refused_method;
use super::media::{Peer, negotiate};
use super::reply::{EXTENSIONS, FOCUS_METHODS, Refusal, describe, focus_contact, unsupported};
use super::roster::{Caller, ParticipantKey, Phase};
use super::{ConferenceKey, Controlling, Usage};
use crate::ServiceWarning;
use crate::signal::{IncomingId, MediaCommand};

impl Controlling {
    /// A request in a dialog.
    pub(super) fn request_in_dialog(
        &mut self,
        id: IncomingId,
        request: &Request,
        caller: Caller,
        now: Instant,
    ) {
        let usage =
            DialogId::of_incoming_request(request).and_then(|dialog| self.dialogs.get(&dialog).copied());
        let result = match usage {
            Some(Usage::Session(key, participant)) => {
                self.in_session(key, participant, id, request, caller, now)
            }
            Some(Usage::Subscription(key, subscription)) => {
                self.in_subscription(key, subscription, id, request, now)
            }
            None => Err(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST.into()),
        };
        if let Err(refusal) = result {
            self.refuse(id, request, None, refusal);
        }
    }

    fn in_session(
        &mut self,
        key: ConferenceKey,
        participant: ParticipantKey,
        id: IncomingId,
        request: &Request,
        mut caller: Caller,
        now: Instant,
    ) -> Result<(), Refusal> {
        let gone = Refusal::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST);
        let dialog = self.dialog_of(key, participant).ok_or(gone.clone())?;
        dialog.accept_request(request).map_err(|error| error.status())?;
        // In his own dialog a participant is who he was when it began, hidden or not.
        let found = self
            .conferences
            .get(&key)
            .and_then(|conference| conference.roster.get(participant))
            .ok_or(gone)?;
        caller.identity = found.identity.clone();
        caller.identities = found.identities.clone();
        caller.anonymous = found.pseudonym.is_some();
        match request.method() {
            Method::Bye => {
                let builder = self.reply(request, StatusCode::OK);
                self.send_reply(id, builder);
                self.drop_participant(key, participant, Departure::Departed, false, now);
                Ok(())
            }
            Method::Invite => self.reinvite(key, participant, id, request, now),
            Method::Update => self.update(key, participant, id, request, now),
            Method::Refer => {
                self.refer(key, id, request, &caller, now);
                Ok(())
            }
            Method::Options => {
                let uri = self
                    .conferences
                    .get(&key)
                    .map(|conference| conference.uri.clone());
                self.options(id, request, FOCUS_METHODS, EXTENSIONS, uri.as_ref());
                Ok(())
            }
            // A second usage of the dialog would outlive its session; subscribers make a dialog of their own.
            Method::Subscribe => Err(Refusal::forbidden(ServiceWarning::FunctionNotAllowed)),
            method => Err(refused_method(method, FOCUS_METHODS)),
        }
    }

    /// A re-INVITE gets the session as it is.
    fn reinvite(
        &mut self,
        key: ConferenceKey,
        participant: ParticipantKey,
        id: IncomingId,
        request: &Request,
        now: Instant,
    ) -> Result<(), Refusal> {
        //= https://www.rfc-editor.org/rfc/rfc5366#section-5.1
        //# Therefore, a conference server receiving a re-INVITE
        //# request with a 'recipient-list' body and, consequently, a
        //# 'recipient-list-invite' option-tag, following standard SIP
        //# procedures, rejects it with a 420 (Bad Extension), which carries an
        //# Unsupported header field listing the 'recipient-list-invite' option-
        //# tag.
        unsupported(request, EXTENSIONS)?;
        let bodies = Bodies::of(request)?;
        let gone = Refusal::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST);
        let conference = self.conferences.get(&key).ok_or(gone.clone())?;
        let found = conference.roster.get(participant).ok_or(gone.clone())?;
        //= https://www.rfc-editor.org/rfc/rfc3261#section-14.2
        //# A UAS that receives an INVITE on a dialog while an INVITE it had sent
        //# on that dialog is in progress MUST return a 491 (Request Pending)
        //# response to the received INVITE.
        if found.timing.refreshing {
            return Err(StatusCode::REQUEST_PENDING.into());
        }
        let (uri, media, mut timing) = (conference.uri.clone(), found.media, found.timing);
        let (body, peer) = negotiate(bodies.sdp.as_ref(), &found.local)?;
        let answer_in_ack = peer.is_none();
        let granted = self.grant(&mut timing.timer, request)?;
        timing.note(request.headers());
        timing.timer.answered(granted, now);
        let builder = self.reply(request, StatusCode::OK).contact(&focus_contact(&uri));
        let builder = SessionTimer::answer(describe(builder, FOCUS_METHODS, EXTENSIONS), granted)
            .body(&ContentType::application_sdp(), body);
        self.send_reply(id, builder);
        let found = self
            .conferences
            .get_mut(&key)
            .and_then(|conference| conference.roster.get_mut(participant));
        let Some(found) = found else { return Ok(()) };
        found.timing = timing;
        if let Some(dialog) = DialogId::of_incoming_request(request) {
            if let Some(before) = found.unacknowledged.replace(id) {
                self.unacknowledged.remove(&before);
            }
            self.unacknowledged.insert(id, dialog);
        }
        if let Phase::Connected {
            answer_in_ack: expected,
            ..
        } = &mut found.phase
        {
            *expected = answer_in_ack;
        }
        if let Some(peer) = peer {
            found.capabilities = peer.capabilities;
            if found.remote != peer.path {
                found.remote.clone_from(&peer.path);
                self.out.media(media, MediaCommand::SetRemotePath(peer.path));
            }
        }
        self.time_session(key, participant);
        Ok(())
    }

    /// The ACK to a 2xx, which brings the answer if the 2xx brought the offer.
    pub(super) fn ack(&mut self, request: &Request, now: Instant) {
        let Some(id) = DialogId::of_incoming_request(request) else {
            return;
        };
        let Some(Usage::Session(key, participant)) = self.dialogs.get(&id).copied() else {
            return;
        };
        let conference = self.conferences.get_mut(&key);
        let Some(found) = conference.and_then(|conference| conference.roster.get_mut(participant)) else {
            return;
        };
        if let Some(invite) = found.unacknowledged.take() {
            self.unacknowledged.remove(&invite);
        }
        let Phase::Connected { answer_in_ack, .. } = &mut found.phase else {
            return;
        };
        if !std::mem::take(answer_in_ack) {
            return;
        }
        let media = found.media;
        let answer = Bodies::of(request)
            .ok()
            .and_then(|bodies| Peer::of_answer(&bodies.sdp?).ok());
        let Some(peer) = answer else {
            return self.drop_participant(key, participant, Departure::Failed, true, now);
        };
        let conference = self.conferences.get_mut(&key);
        if let Some(found) = conference.and_then(|conference| conference.roster.get_mut(participant)) {
            found.capabilities = peer.capabilities;
            if found.remote == peer.path {
                return;
            }
            found.remote.clone_from(&peer.path);
        }
        self.out.media(media, MediaCommand::SetRemotePath(peer.path));
    }

    /// No ACK has come to a 2xx.
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.3.1.4
    //# If the server retransmits the 2xx response for 64*T1 seconds without
    //# receiving an ACK, the dialog is confirmed, but the session SHOULD be
    //# terminated.
    pub(super) fn ack_timed_out(&mut self, id: IncomingId, now: Instant) {
        let Some(dialog) = self.unacknowledged.remove(&id) else {
            return;
        };
        if let Some(Usage::Session(key, participant)) = self.dialogs.get(&dialog).copied() {
            self.drop_participant(key, participant, Departure::Failed, true, now);
        }
    }

    /// The dialog of a participant's session.
    pub(super) fn session_dialog(&mut self, id: &DialogId) -> Option<&mut Dialog> {
        match self.dialogs.get(id).copied()? {
            Usage::Session(key, participant) => self.dialog_of(key, participant),
            Usage::Subscription(..) => None,
        }
    }

    fn dialog_of(&mut self, key: ConferenceKey, participant: ParticipantKey) -> Option<&mut Dialog> {
        let found = self.conferences.get_mut(&key)?.roster.get_mut(participant)?;
        match &mut found.phase {
            Phase::Connected { dialog, .. } => Some(dialog),
            Phase::Dialing { .. } => None,
        }
    }
}
