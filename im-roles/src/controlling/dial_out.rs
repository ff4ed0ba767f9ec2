//! What the focus sends by itself: INVITEs to those it brings in, and what ends them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use msrp::endpoint::{Acknowledge, Delivery, Role, SessionConfig};
use sip_im::dialog::Dialog;
use sip_im::endpoint::RequestFailure;
use sip_im::header::{
    AcceptContact, Allow, AllowEvents, HeaderName, PAssertedIdentity, ReferredBy, Subject, Supported,
};
use sip_im::identity::wants_anonymity;
use sip_im::mime::{ContentDisposition, Multipart, Part};
use sip_im::sdp::LocalMedia;
use sip_im::{ContentType, Identity, Method, Request, Response, StatusCode, Uri};

use super::event::Event;
use super::media::Peer;
use super::policy::Member;
use super::reply::{CONFERENCE, EXTENSIONS, FOCUS_METHODS, IM_FEATURE, focus_contact};
use super::roster::{Capabilities, Participant, ParticipantKey, Phase};
use super::timer::Timing;
use super::{ConferenceKey, Controlling, SubscriptionKey, Timer, Usage};
use crate::signal::{MediaCommand, OutgoingId};

/// A request that the function has sent, and what its response is for.
#[derive(Debug)]
pub(super) enum Sent {
    /// An INVITE to a user who is brought in.
    Invite {
        conference: ConferenceKey,
        participant: ParticipantKey,
        request: Box<Request>,
        /// When it is given up.
        deadline: Instant,
        /// Whether a provisional response has come, before which there is nothing to cancel.
        ringing: bool,
    },
    /// An INVITE that is done with. A 2xx that still comes makes a dialog that nobody wants.
    Spent {
        request: Box<Request>,
        /// When none can come any more.
        deadline: Instant,
        /// The dialog that is wanted, if there is one.
        wanted: Option<Box<sip_im::dialog::DialogId>>,
        /// Whether it is still to be cancelled, once it can be.
        cancel: bool,
    },
    /// A notification.
    Notify {
        conference: ConferenceKey,
        subscription: SubscriptionKey,
    },
    /// One of the requests made of a MESSAGE.
    Exploded { sender: Identity, recipient: Identity },
    /// A refresh of a participant's session.
    Refresh {
        conference: ConferenceKey,
        participant: ParticipantKey,
        /// Of the request, for the ACK.
        sequence: u32,
        /// Whether it is an INVITE, and to be acknowledged.
        invite: bool,
    },
    /// A request whose response changes nothing.
    Unwatched,
}

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
        let deadline = now + RINGING;
        self.timers.insert((deadline, Timer::Sent(invite)));
        self.sent.insert(
            invite,
            Sent::Invite {
                conference: key,
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

    /// A response to a request of the function's.
    pub(super) fn response(&mut self, id: OutgoingId, response: &Response, now: Instant) {
        let status = response.status();
        if status.is_provisional() {
            return self.provisional(id);
        }
        match self.sent.remove(&id) {
            Some(Sent::Invite {
                conference,
                participant,
                request,
                deadline,
                ..
            }) => {
                self.timers.remove(&(deadline, Timer::Sent(id)));
                if status.is_success() {
                    self.answered(id, (conference, participant), request, response, now);
                } else {
                    let of = (conference, participant);
                    let again = status == StatusCode::SESSION_INTERVAL_TOO_SMALL
                        && self.invite_for_longer(of, &request, response, now);
                    if !again {
                        self.not_coming(of, status, now);
                    }
                }
            }
            Some(Sent::Spent {
                request,
                deadline,
                wanted,
                cancel,
            }) => {
                if status.is_success() {
                    let unwanted = sip_im::dialog::DialogId::of_response(response);
                    if unwanted.as_ref() != wanted.as_deref() {
                        self.acknowledge_and_end(id, &request, response);
                    }
                    self.sent.insert(
                        id,
                        Sent::Spent {
                            request,
                            deadline,
                            wanted,
                            cancel,
                        },
                    );
                } else {
                    self.timers.remove(&(deadline, Timer::Sent(id)));
                }
            }
            Some(Sent::Notify {
                conference,
                subscription,
            }) => self.notified(conference, subscription, Some(response)),
            Some(Sent::Refresh {
                conference,
                participant,
                sequence,
                invite,
            }) => {
                let acknowledge = invite.then_some(sequence);
                self.refreshed(id, (conference, participant), acknowledge, Some(response), now);
            }
            Some(Sent::Exploded { sender, recipient }) => self.exploded(sender, recipient, status),
            _ => {}
        }
    }

    /// A request of the function's got no response.
    pub(super) fn failed(&mut self, id: OutgoingId, reason: RequestFailure, now: Instant) {
        let status = match reason {
            RequestFailure::TimedOut => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        match self.sent.remove(&id) {
            Some(Sent::Invite {
                conference,
                participant,
                deadline,
                ..
            }) => {
                self.timers.remove(&(deadline, Timer::Sent(id)));
                self.not_coming((conference, participant), status, now);
            }
            Some(Sent::Spent { deadline, .. }) => {
                self.timers.remove(&(deadline, Timer::Sent(id)));
            }
            Some(Sent::Notify {
                conference,
                subscription,
            }) => self.notified(conference, subscription, None),
            Some(Sent::Refresh {
                conference,
                participant,
                ..
            }) => self.refreshed(id, (conference, participant), None, None, now),
            Some(Sent::Exploded { sender, recipient }) => self.exploded(sender, recipient, status),
            Some(Sent::Unwatched) | None => {}
        }
    }

    fn provisional(&mut self, id: OutgoingId) {
        match self.sent.get_mut(&id) {
            Some(Sent::Invite { ringing, .. }) => *ringing = true,
            Some(Sent::Spent { cancel, .. }) if *cancel => {
                *cancel = false;
                self.out.cancel(id);
            }
            _ => {}
        }
    }

    /// The time of an INVITE is over.
    pub(super) fn sent_is_over(&mut self, id: OutgoingId, now: Instant) {
        if let Some(Sent::Invite {
            conference,
            participant,
            ..
        }) = self.sent.get(&id)
        {
            let of = (*conference, *participant);
            self.not_coming(of, StatusCode::REQUEST_TIMEOUT, now);
        } else {
            self.sent.remove(&id);
        }
    }

    /// The focus does not want an invited user any more.
    pub(super) fn give_up_invite(&mut self, id: OutgoingId, now: Instant) {
        let Some(Sent::Invite {
            request,
            deadline,
            ringing,
            ..
        }) = self.sent.remove(&id)
        else {
            return;
        };
        //= https://www.rfc-editor.org/rfc/rfc3261#section-9.1
        //# If no provisional response has been received, the CANCEL request MUST
        //# NOT be sent; rather, the client MUST wait for the arrival of a
        //# provisional response before sending the request.
        if ringing {
            self.out.cancel(id);
        }
        self.timers.remove(&(deadline, Timer::Sent(id)));
        let deadline = now + LATE_RESPONSES;
        self.timers.insert((deadline, Timer::Sent(id)));
        self.sent.insert(
            id,
            Sent::Spent {
                request,
                deadline,
                wanted: None,
                cancel: !ringing,
            },
        );
    }

    /// An invited user has accepted.
    fn answered(
        &mut self,
        id: OutgoingId,
        (key, participant): (ConferenceKey, ParticipantKey),
        request: Box<Request>,
        response: &Response,
        now: Instant,
    ) {
        let deadline = now + LATE_RESPONSES;
        self.timers.insert((deadline, Timer::Sent(id)));
        // A Privacy field that cannot be read is taken for a wish to hide: disclosing is what cannot be undone.
        let hides = wants_anonymity(response.headers());
        let accepted = Dialog::from_uac(&request, response)
            .map_err(|_| StatusCode::BAD_REQUEST)
            .and_then(|dialog| Ok((dialog, Peer::of_response(response)?)))
            .and_then(|accepted| {
                //= R-6.3-09
                if hides && !self.may_hide((key, participant), now) {
                    Err(StatusCode::FORBIDDEN)
                } else {
                    Ok(accepted)
                }
            });
        let (dialog, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(status) => {
                self.acknowledge_and_end(id, &request, response);
                self.sent.insert(
                    id,
                    Sent::Spent {
                        request,
                        deadline,
                        wanted: None,
                        cancel: false,
                    },
                );
                return self.not_coming((key, participant), status, now);
            }
        };
        let wanted = Some(Box::new(dialog.id().clone()));
        self.acknowledge(id, &dialog);
        self.sent.insert(
            id,
            Sent::Spent {
                request,
                deadline,
                wanted,
                cancel: false,
            },
        );
        let limit = self.config.limits.max_participants;
        let Some(conference) = self.conferences.get_mut(&key) else {
            return;
        };
        let Some(identity) = conference
            .roster
            .get(participant)
            .map(|found| found.identity.clone())
        else {
            return;
        };
        //= R-6.3-03
        let pseudonym = hides.then(|| conference.roster.pseudonym(&identity, limit));
        if let Some(found) = conference.roster.get_mut(participant) {
            found.pseudonym = found.pseudonym.or(pseudonym);
            found.capabilities = peer.capabilities;
            found.remote.clone_from(&peer.path);
            found.timing.note(response.headers());
            // A client that says nothing of timers is left alone: what it makes of a re-INVITE would not tell whether it is there.
            if response.headers().contains(&HeaderName::SESSION_EXPIRES) {
                found.timing.timer.accepted(response.headers(), now);
            }
        }
        self.dialogs
            .insert(dialog.id().clone(), Usage::Session(key, participant));
        let Some(joined) = conference.roster.connect(participant, Box::new(dialog)) else {
            return;
        };
        self.out
            .media(joined.media, MediaCommand::SetRemotePath(peer.path));
        self.out.event(Event::ParticipantJoined {
            conference: conference.uri.clone(),
            user: joined.identity.clone(),
            anonymous: joined.pseudonym.is_some(),
        });
        self.time_session(key, participant);
        self.changed(key, now);
    }

    /// An invited user does not come.
    fn not_coming(
        &mut self,
        (key, participant): (ConferenceKey, ParticipantKey),
        status: StatusCode,
        now: Instant,
    ) {
        let limit = self.config.limits.max_participants;
        let Some(conference) = self.conferences.get_mut(&key) else {
            return;
        };
        let Some(found) = conference.roster.remove(participant) else {
            return;
        };
        self.media.remove(&found.media);
        self.out.media(found.media, MediaCommand::Close);
        let busy = matches!(status.code(), 486 | 600 | 603);
        conference.roster.note_absence(&found, busy, limit);
        self.out.event(Event::InvitationFailed {
            conference: conference.uri.clone(),
            user: found.identity,
            status,
        });
        if let Phase::Dialing { invite } = found.phase {
            self.give_up_invite(invite, now);
        }
        self.changed(key, now);
    }

    /// Do the rules let a participant hide?
    fn may_hide(&self, (key, participant): (ConferenceKey, ParticipantKey), now: Instant) -> bool {
        let Some(conference) = self.conferences.get(&key) else {
            return false;
        };
        let Some(found) = conference.roster.get(participant) else {
            return false;
        };
        let identities = std::slice::from_ref(&found.identity);
        conference
            .rules
            .permissions(identities, self.clock.unix(now))
            .anonymity
    }

    fn acknowledge(&mut self, id: OutgoingId, dialog: &Dialog) {
        if let Ok(ack) = dialog.ack(1).build() {
            self.out.acknowledge(id, ack);
        }
    }

    /// A 2xx that nobody wants is acknowledged, and its dialog ended.
    fn acknowledge_and_end(&mut self, id: OutgoingId, request: &Request, response: &Response) {
        if let Ok(mut dialog) = Dialog::from_uac(request, response) {
            self.acknowledge(id, &dialog);
            self.send_in_dialog(&mut dialog, Method::Bye);
        }
    }

    /// Sends a request without a body in a dialog; what comes of it changes nothing.
    pub(super) fn send_in_dialog(&mut self, dialog: &mut Dialog, method: Method) {
        if let Ok(request) = dialog.request(method).build() {
            let id = self.mint.outgoing();
            self.sent.insert(id, Sent::Unwatched);
            self.out.request(id, request);
        }
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
pub(super) const RINGING: Duration = Duration::from_secs(180);
/// 64*T1: how long further responses of an INVITE may come (RFC 3261 13.2.2.4).
const LATE_RESPONSES: Duration = Duration::from_secs(32);
