//! INVITEs of the focus to those it brings in.

use std::time::{Duration, Instant};

use bytes::Bytes;
use msrp::endpoint::{Acknowledge, Delivery, Role, SessionConfig};
use sip_im::header::{AcceptContact, Allow, AllowEvents, PAssertedIdentity, ReferredBy, Subject, Supported};
use sip_im::mime::{ContentDisposition, Multipart, Part};
use sip_im::sdp::LocalMedia;
use sip_im::{ContentType, Method, Request, StatusCode, Uri};

use super::event::Event;
use super::policy::Member;
use super::reply::{CONFERENCE, EXTENSIONS, FOCUS_METHODS, IM_FEATURE, focus_contact};
use super::roster::{Capabilities, Participant, ParticipantKey, Phase};
use super::sent::Sent;
use super::timer::Timing;
use super::{ConferenceKey, Controlling, Timer};
use crate::signal::{MediaCommand, OutgoingId};

/// What an invitation says besides who invites.
#[derive(Clone, Debug, Default)]
pub(super) struct Invitation {
    /// Who asked for it, unless he hides.
    pub(super) referred_by: Option<Uri>,
    /// The list of those invited, as this user may see it.
    pub(super) history: Option<Bytes>,
}

impl Controlling {
    /// Invites a user into a conference.
    pub(super) fn dial(
        &mut self,
        key: ConferenceKey,
        member: &Member,
        invitation: &Invitation,
        now: Instant,
    ) {
        let full = self.sent.len() >= self.config.limits.max_pending_requests;
        let Some(conference) = self.conferences.get(&key) else {
            return;
        };
        let own = std::slice::from_ref(&member.identity);
        let may_whisper = conference.rules.permissions(own, self.clock.unix(now)).private;
        let local = self.local_media(may_whisper);
        let Some(conference) = self.conferences.get_mut(&key) else {
            return;
        };
        let pseudonym = member.hidden.then(|| {
            conference
                .roster
                .pseudonym(&member.identity, self.config.limits.max_participants)
        });
        let (uri, subject, display) = (
            conference.uri.clone(),
            conference.subject.clone(),
            conference.rules.display.clone(),
        );
        let mut timing = Timing::default();
        let request = match (full, local) {
            (false, Some(local)) => {
                let offer = sip_im::sdp::offer(&local).write();
                self.invitation(
                    &uri,
                    member,
                    subject.as_ref(),
                    display.as_deref(),
                    offer,
                    invitation,
                    &mut timing,
                )
                .and_then(|request| Some((request, passive_session(&local)?, local)))
            }
            _ => None,
        };
        let Some((request, session, local)) = request else {
            self.out.event(Event::InvitationFailed {
                conference: uri,
                user: member.identity.clone(),
                status: StatusCode::SERVICE_UNAVAILABLE,
            });
            return;
        };
        let (participant, media, invite) = (self.mint.participant(), self.mint.media(), self.mint.outgoing());
        if let Some(conference) = self.conferences.get_mut(&key) {
            conference.roster.insert(
                participant,
                Participant {
                    identity: member.identity.clone(),
                    identities: Vec::new(),
                    uri: member.uri.clone(),
                    display: member.display.clone(),
                    pseudonym,
                    nickname: None,
                    media,
                    local,
                    remote: Vec::new(),
                    may_whisper,
                    unacknowledged: None,
                    capabilities: Capabilities::default(),
                    timing,
                    phase: Phase::Dialing { invite },
                    dialed_in: false,
                },
            );
        }
        self.media.insert(media, (key, participant));
        self.out.media(media, MediaCommand::Open(session));
        self.send_invite((key, participant), invite, request, now);
    }

    /// Sends an INVITE, and waits for its answer.
    pub(super) fn send_invite(
        &mut self,
        (conference, participant): (ConferenceKey, ParticipantKey),
        invite: OutgoingId,
        request: Request,
        now: Instant,
    ) {
        let deadline = now + RINGING;
        self.timers.insert((deadline, Timer::Sent(invite)));
        self.sent.insert(
            invite,
            Sent::Invite {
                conference,
                participant,
                request: Box::new(request.clone()),
                deadline,
                ringing: false,
            },
        );
        self.out.request(invite, request);
    }

    /// Builds an INVITE. Nothing in it names whoever hides.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one part of the request, from another place"
    )]
    fn invitation(
        &mut self,
        conference: &Uri,
        member: &Member,
        subject: Option<&Subject>,
        display: Option<&str>,
        offer: Bytes,
        invitation: &Invitation,
        timing: &mut Timing,
    ) -> Option<Request> {
        let (tag, call_id) = (self.mint.token(), self.mint.token());
        let target = request_uri(&member.uri);
        let mut builder = Request::builder(Method::Invite, target.clone())
            .from(conference, display, &tag)
            .to(&target, None)
            .call_id(&call_id)
            .cseq(1)
            .contact(&focus_contact(conference))
            .header_typed(&PAssertedIdentity::new(conference.clone()))
            .header_typed(&AcceptContact::features([IM_FEATURE]))
            .header_typed(&Allow::new(FOCUS_METHODS.iter().cloned()))
            .header_typed(&AllowEvents::new([CONFERENCE]))
            .header_typed(&Supported::new(EXTENSIONS.iter().copied()));
        builder = timing.timer.ask(builder, &self.timer_config());
        if let Some(subject) = subject {
            builder = builder.header_typed(subject);
        }
        if let Some(inviter) = &invitation.referred_by {
            builder = builder.header_typed(&ReferredBy::new(inviter.clone()));
        }
        let sdp = ContentType::application_sdp();
        let (content_type, body) = match &invitation.history {
            None => (sdp, offer),
            Some(history) => Multipart::builder()
                .part(Part::new(sdp).with_body(offer))
                .part(history_part(history.clone())?)
                .build(self.mint.entropy())
                .ok()?,
        };
        builder.body(&content_type, body).build().ok()
    }
}

/// Where a request for somebody goes: his address without what only a list may say about it.
//= https://www.rfc-editor.org/rfc/rfc5365#section-7.3
//# MESSAGE URI-list
//# services MUST ignore the "method" parameter in each
//# of the URIs present in the URI list.
pub(super) fn request_uri(uri: &Uri) -> Uri {
    if uri.parameter("method").is_none() && uri.headers().next().is_none() {
        return uri.clone();
    }
    let mut text = uri.without_parameters().to_string();
    for (name, value) in uri
        .parameters()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("method"))
    {
        text.push(';');
        text.push_str(name);
        if let Some(value) = value {
            text.push('=');
            text.push_str(value);
        }
    }
    Uri::parse(&text).unwrap_or_else(|_| uri.without_parameters())
}

/// The list of recipients as one of them may see it.
//= https://www.rfc-editor.org/rfc/rfc5366#section-5
//# If the conference server includes a URI list in an outgoing INVITE
//# request, it MUST include a Content-Disposition header field (which is
//# specified in [RFC2183]) with the value set to 'recipient-list-
//# history' and a 'handling' parameter (as specified in [RFC3204]) set
//# to "optional".
pub(super) fn history_part(history: Bytes) -> Option<Part> {
    let disposition = ContentDisposition::new("recipient-list-history")
        .ok()?
        .with_parameter("handling", "optional")
        .ok()?;
    let content_type = ContentType::new("application", "resource-lists+xml").ok()?;
    Some(
        Part::new(content_type)
            .with_disposition(disposition)
            .with_body(history),
    )
}

/// The media session to a participant: he connects, and messages are answered once the switch has read their envelope.
pub(super) fn passive_session(local: &LocalMedia) -> Option<SessionConfig> {
    let mut config = SessionConfig::new(local.path.first().cloned()?, Vec::new(), Role::Passive);
    config.delivery = Delivery::Streaming;
    config.acknowledge = Acknowledge::Manual;
    Some(config)
}

/// How long an invited user may take to answer.
const RINGING: Duration = Duration::from_secs(180);
