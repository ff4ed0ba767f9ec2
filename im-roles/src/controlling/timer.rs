//! Session timers of participants (RFC 4028): whoever is not heard of for a session's interval is taken out.
//!
//! The focus leaves the refreshes to the client where that knows of timers and names nobody, so that a room of a thousand does not
//! send a thousand requests; it refreshes itself where it is told to.

use std::time::Instant;

use sip_im::header::{Allow, Headers, Refresher, SessionExpires, Supported};
use sip_im::session::{Granted, SessionTimer, TimerConfig};
use sip_im::{ContentType, Method, Request, Response, StatusCode, sdp};

use super::bodies::Bodies;
use super::event::Departure;
use super::media::negotiate;
use super::reply::{EXTENSIONS, FOCUS_METHODS, Refusal, describe, focus_contact, unsupported};
use super::roster::{ParticipantKey, Phase};
use super::sent::Sent;
use super::{ConferenceKey, Controlling};
use crate::signal::{IncomingId, MediaCommand, OutgoingId};

/// The timer of one participant's session.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timing {
    pub(super) timer: SessionTimer,
    /// Whether the client takes UPDATE.
    updates: bool,
    /// A refresh of the focus is under way.
    pub(super) refreshing: bool,
    /// When the conference's set of deadlines has it.
    pub(super) armed: Option<Instant>,
}

impl Timing {
    /// Notes what a message of the client says that it can do.
    pub(super) fn note(&mut self, headers: &Headers) {
        if let Ok(Some(allow)) = headers.get::<Allow>() {
            self.updates = allow.contains(&Method::Update);
        }
    }

    fn next(&self) -> Option<Instant> {
        [self.timer.refresh_at(), self.timer.ends_at()]
            .into_iter()
            .flatten()
            .min()
    }
}

impl Controlling {
    pub(super) fn timer_config(&self) -> TimerConfig {
        let wanted = self.config.limits.session_expires.as_secs();
        let mut config = TimerConfig::off();
        config.session_expires = u32::try_from(wanted).ok().filter(|seconds| *seconds > 0);
        config.refresher = Refresher::Uac;
        config
    }

    /// What the 2xx to a client's INVITE or UPDATE says of the timer. A client that knows of none, and whose proxies ask for none, is
    /// left alone.
    pub(super) fn grant(
        &self,
        timer: &mut SessionTimer,
        request: &Request,
    ) -> Result<Option<Granted>, Refusal> {
        let headers = request.headers();
        let knows = headers
            .get::<Supported>()
            .is_ok_and(|tags| tags.is_some_and(|tags| tags.contains("timer")));
        let asks = headers.get::<SessionExpires>().is_ok_and(|asked| asked.is_some());
        if !knows && !asks {
            return Ok(None);
        }
        timer
            .grant(headers, &self.timer_config())
            .map_err(|too_small| Refusal::too_brief(too_small.0))
    }

    /// Puts the next deadline of a participant's session into his conference's.
    pub(super) fn time_session(&mut self, key: ConferenceKey, participant: ParticipantKey) {
        let Some(conference) = self.conferences.get_mut(&key) else {
            return;
        };
        let Some(found) = conference.roster.get_mut(participant) else {
            return;
        };
        let next = found.timing.next();
        let before = std::mem::replace(&mut found.timing.armed, next);
        if before != next {
            if let Some(at) = before {
                conference.sessions.remove(&(at, participant));
            }
            if let Some(at) = next {
                conference.sessions.insert((at, participant));
            }
        }
        self.arm(key);
    }

    /// What is due in the sessions of a conference.
    pub(super) fn sessions_due(&mut self, key: ConferenceKey, now: Instant) {
        while let Some(conference) = self.conferences.get_mut(&key)
            && let Some((at, participant)) = conference.sessions.first().copied()
            && at <= now
        {
            conference.sessions.remove(&(at, participant));
            let Some(found) = conference.roster.get_mut(participant) else {
                continue;
            };
            found.timing.armed = None;
            if found.timing.timer.ends_at().is_some_and(|at| at <= now) {
                //= https://www.rfc-editor.org/rfc/rfc4028#section-10
                //# Similarly, if the side not performing refreshes does not receive a
                //# session refresh request before the session expiration, it SHOULD send
                //# a BYE to terminate the session, slightly before the session
                //# expiration.
                self.drop_participant(key, participant, Departure::Failed, true, now);
                continue;
            }
            self.refresh(key, participant, now);
            self.time_session(key, participant);
        }
    }

    fn refresh(&mut self, key: ConferenceKey, participant: ParticipantKey, now: Instant) {
        let config = self.timer_config();
        let Some(conference) = self.conferences.get_mut(&key) else {
            return;
        };
        let uri = conference.uri.clone();
        let Some(found) = conference.roster.get_mut(participant) else {
            return;
        };
        let waits = found.timing.refreshing || found.unacknowledged.is_some();
        let Phase::Connected { dialog, .. } = &mut found.phase else {
            return;
        };
        if waits {
            return found.timing.timer.postpone(now);
        }
        let method = if found.timing.updates {
            Method::Update
        } else {
            Method::Invite
        };
        let mut builder = dialog
            .request(method.clone())
            .contact(&focus_contact(&uri))
            .header_typed(&Allow::new(FOCUS_METHODS.iter().cloned()))
            .header_typed(&Supported::new(EXTENSIONS.iter().copied()));
        builder = found.timing.timer.ask(builder, &config);
        if method == Method::Invite {
            let offer = sdp::offer(&found.local).write();
            builder = builder.body(&ContentType::application_sdp(), offer);
        }
        found.timing.timer.refreshing();
        let Ok(request) = builder.build() else { return };
        found.timing.refreshing = true;
        let id = self.mint.outgoing();
        self.sent.insert(
            id,
            Sent::Refresh {
                conference: key,
                participant,
                sequence: request.cseq().ok().map_or(0, |cseq| cseq.seq),
                invite: method == Method::Invite,
            },
        );
        self.out.request(id, request);
    }

    /// A refresh of the focus has its response, or none.
    pub(super) fn refreshed(
        &mut self,
        id: OutgoingId,
        (key, participant): (ConferenceKey, ParticipantKey),
        acknowledge: Option<u32>,
        response: Option<&Response>,
        now: Instant,
    ) {
        let Some(found) = self
            .conferences
            .get_mut(&key)
            .and_then(|conference| conference.roster.get_mut(participant))
        else {
            return;
        };
        found.timing.refreshing = false;
        let status = response.map_or(StatusCode::REQUEST_TIMEOUT, Response::status);
        if sip_im::session::ends_dialog(status) {
            return self.drop_participant(key, participant, Departure::Failed, true, now);
        }
        if let (Some(response), true) = (response, status.is_success()) {
            found.timing.note(response.headers());
            found.timing.timer.accepted(response.headers(), now);
            let Phase::Connected { dialog, .. } = &mut found.phase else {
                return;
            };
            dialog.refresh_target(response);
            let ack = acknowledge.and_then(|sequence| dialog.ack(sequence).build().ok());
            if let Some(ack) = ack {
                self.out.acknowledge(id, ack);
            }
        } else {
            found.timing.timer.postpone(now);
        }
        self.time_session(key, participant);
    }

    /// An UPDATE gets the session as it is, as a re-INVITE does.
    //= https://www.rfc-editor.org/rfc/rfc3311#section-5.2
    pub(super) fn update(
        &mut self,
        key: ConferenceKey,
        participant: ParticipantKey,
        id: IncomingId,
        request: &Request,
        now: Instant,
    ) -> Result<(), Refusal> {
        unsupported(request, EXTENSIONS)?;
        let bodies = Bodies::of(request)?;
        let gone = Refusal::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST);
        let conference = self.conferences.get(&key).ok_or(gone.clone())?;
        let found = conference.roster.get(participant).ok_or(gone)?;
        let (uri, media, mut timing) = (conference.uri.clone(), found.media, found.timing);
        let described = match &bodies.sdp {
            Some(offer) => Some(negotiate(Some(offer), &found.local)?),
            None => None,
        };
        let granted = self.grant(&mut timing.timer, request)?;
        timing.note(request.headers());
        timing.timer.answered(granted, now);
        let builder = self.reply(request, StatusCode::OK).contact(&focus_contact(&uri));
        let mut builder = SessionTimer::answer(describe(builder, FOCUS_METHODS, EXTENSIONS), granted);
        let peer = described.and_then(|(body, peer)| {
            builder = builder.clone().body(&ContentType::application_sdp(), body);
            peer
        });
        self.send_reply(id, builder);
        if let Some(found) = self
            .conferences
            .get_mut(&key)
            .and_then(|conference| conference.roster.get_mut(participant))
        {
            found.timing = timing;
            if let Some(peer) = peer {
                found.capabilities = peer.capabilities;
                if found.remote != peer.path {
                    found.remote.clone_from(&peer.path);
                    self.out.media(media, MediaCommand::SetRemotePath(peer.path));
                }
            }
        }
        self.time_session(key, participant);
        Ok(())
    }
}
