//! What the focus has sent by itself, and what becomes of it: answers to its INVITEs, and what ends them.

use std::time::{Duration, Instant};

use sip_im::dialog::Dialog;
use sip_im::endpoint::RequestFailure;
use sip_im::header::HeaderName;
use sip_im::identity::wants_anonymity;
use sip_im::{Identity, Method, Request, Response, StatusCode};

use super::event::Event;
use super::media::Peer;
use super::roster::{ParticipantKey, Phase};
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

impl Controlling {
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

/// 64*T1: how long further responses of an INVITE may come (RFC 3261 13.2.2.4).
const LATE_RESPONSES: Duration = Duration::from_secs(32);
