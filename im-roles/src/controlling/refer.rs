//! REFER: participants have the focus invite and expel (RFC 4579 5.5, 5.11).

use std::time::Instant;

use bytes::Bytes;
use sip_im::dialog::Dialog;
use sip_im::header::{Event as EventHeader, HeaderName, ReferSub, ReferTo, SubscriptionState};
use sip_im::{ContentType, Method, Request, StatusCode};

use super::dial_out::{Invitation, request_uri};
use super::event::Departure;
use super::nesting::Step;
use super::policy::Member;
use super::reply::{EXTENSIONS, Refusal, focus_contact, unsupported};
use super::roster::{Caller, ParticipantKey};
use super::sent::Sent;
use super::{ConferenceKey, Controlling};
use crate::ServiceWarning;
use crate::signal::IncomingId;

/// A user is to be brought into a conference.
#[derive(Debug)]
pub(super) struct Addition {
    pub(super) id: IncomingId,
    pub(super) request: Request,
    pub(super) caller: Caller,
    conference: ConferenceKey,
    member: Member,
}

impl Controlling {
    /// A REFER to a conference, in a dialog or outside.
    pub(super) fn refer(
        &mut self,
        key: ConferenceKey,
        id: IncomingId,
        request: &Request,
        caller: &Caller,
        now: Instant,
    ) {
        if let Err(refusal) = self.try_refer(key, id, request, caller, now) {
            self.refuse(id, request, Some(&caller.identity), refusal);
        }
    }

    fn try_refer(
        &mut self,
        key: ConferenceKey,
        id: IncomingId,
        request: &Request,
        caller: &Caller,
        now: Instant,
    ) -> Result<(), Refusal> {
        unsupported(request, EXTENSIONS)?;
        //= https://www.rfc-editor.org/rfc/rfc3515#section-2.4.2
        //# An agent responding to a REFER method MUST return a 400 (Bad Request)
        //# if the request contained zero or more than one Refer-To header field
        //# values.
        if request.headers().values(&HeaderName::REFER_TO).count() > 1 {
            return Err(StatusCode::BAD_REQUEST.into());
        }
        let refer_to = request
            .headers()
            .require::<ReferTo>()
            .map_err(|error| error.status())?;
        let uri = refer_to.uri();
        let permissions = self.permissions(key, caller, now).ok_or(StatusCode::NOT_FOUND)?;
        let method = uri.parameter("method").flatten().unwrap_or("INVITE").to_owned();
        let target = request_uri(uri);
        let folded = self.aliases.fold(&target.identity());
        let conference = self.conferences.get(&key).ok_or(StatusCode::NOT_FOUND)?;
        if !conference.roster.is_participant(&caller.identity) {
            return Err(Refusal::forbidden(ServiceWarning::ServiceNotAuthorised));
        }
        match method.as_str() {
            "INVITE" => {
                if !permissions.add {
                    return Err(Refusal::forbidden(ServiceWarning::FunctionNotAllowed));
                }
                if !matches!(
                    target.scheme(),
                    sip_im::Scheme::Sip | sip_im::Scheme::Sips | sip_im::Scheme::Tel | sip_im::Scheme::Im
                ) {
                    return Err(StatusCode::UNSUPPORTED_URI_SCHEME.into());
                }
                if conference.roster.len() >= conference.rules.max_participants {
                    return Err(Refusal::too_many());
                }
                let member = Member::new(target, &self.aliases);
                self.check_members(std::slice::from_ref(&member))?;
                let addresses = vec![member.identity.clone()];
                let addition = Addition {
                    id,
                    request: request.clone(),
                    caller: caller.clone(),
                    conference: key,
                    member,
                };
                self.find_groups(addresses, Step::Add(Box::new(addition)), now);
                Ok(())
            }
            "BYE" => {
                // To leave is everybody's right, by whatever means.
                if !permissions.expel && folded != caller.identity {
                    return Err(Refusal::forbidden(ServiceWarning::FunctionNotAllowed));
                }
                let victims = conference.roster.known_as(&target, &folded);
                if victims.is_empty() {
                    return Err(StatusCode::NOT_FOUND.into());
                }
                self.refer_accepted(key, id, request, StatusCode::OK);
                self.expel(key, &victims, now);
                Ok(())
            }
            _ => Err(Refusal::forbidden(ServiceWarning::FunctionNotAllowed)),
        }
    }

    /// The store has not found the user to be a group.
    pub(super) fn add(&mut self, addition: Addition, now: Instant) {
        let Addition {
            id,
            request,
            caller,
            conference: key,
            member,
        } = addition;
        let Some(conference) = self.conferences.get_mut(&key) else {
            return self.refuse(id, &request, Some(&caller.identity), StatusCode::NOT_FOUND.into());
        };
        if conference.roster.len() >= conference.rules.max_participants {
            return self.refuse(id, &request, Some(&caller.identity), Refusal::too_many());
        }
        conference.rules.invite(&member.identity);
        let there = !conference.roster.sessions_of(&member.identity).is_empty();
        self.refer_accepted(key, id, &request, StatusCode::OK);
        if there {
            return;
        }
        let invitation = Invitation {
            referred_by: (!caller.anonymous).then_some(caller.uri),
            history: None,
        };
        self.dial(key, &member, &invitation, now);
        self.arm(key);
    }

    /// Makes participants leave.
    fn expel(&mut self, key: ConferenceKey, victims: &[ParticipantKey], now: Instant) {
        for victim in victims {
            if let Some(conference) = self.conferences.get_mut(&key)
                && let Some(identity) = conference.roster.get(*victim).map(|found| found.identity.clone())
            {
                conference.rules.bar(&identity);
            }
            self.drop_participant(key, *victim, Departure::Booted, true, now);
        }
    }

    /// Accepts a REFER. Without `Refer-Sub: false` its sender is owed a notification, which says that the focus sees to it:
    /// how it ends is told by the conference's state (RFC 4579 5.5).
    fn refer_accepted(&mut self, key: ConferenceKey, id: IncomingId, request: &Request, result: StatusCode) {
        let Some(uri) = self
            .conferences
            .get(&key)
            .map(|conference| conference.uri.clone())
        else {
            return;
        };
        let unsubscribed = matches!(request.headers().get::<ReferSub>(), Ok(Some(ReferSub(false))));
        let mut builder = self
            .reply(request, StatusCode::ACCEPTED)
            .contact(&focus_contact(&uri));
        //= https://www.rfc-editor.org/rfc/rfc4488#section-4
        //# If the REFER-Recipient supports the extension and is willing to
        //# process the REFER transaction without establishing an implicit
        //# subscription, it MUST insert the "Refer-Sub" header field set to
        //# "false" in the 2xx response to the REFER-Issuer.
        if unsubscribed {
            builder = builder.header_typed(&ReferSub(false));
        }
        let Some(response) = self.send_reply(id, builder) else {
            return;
        };
        if !unsubscribed {
            self.notify_referrer(request, &response, result);
        }
    }

    /// Sends the one notification of an implicit subscription (RFC 3515 2.4.4).
    fn notify_referrer(&mut self, request: &Request, response: &sip_im::Response, result: StatusCode) {
        let notify = |dialog: &mut Dialog| {
            dialog
                .request(Method::Notify)
                .header_typed(&EventHeader::new("refer"))
                .header_typed(&SubscriptionState::terminated("noresource"))
                .body(
                    &ContentType::new("message", "sipfrag").ok()?,
                    Bytes::from(format!(
                        "SIP/2.0 {} {}\r\n",
                        result.code(),
                        result.default_reason()
                    )),
                )
                .build()
                .ok()
        };
        let notification = match sip_im::dialog::DialogId::of_incoming_request(request) {
            Some(within) => self.session_dialog(&within).and_then(notify),
            None => Dialog::from_uas(request, response).ok().as_mut().and_then(notify),
        };
        if let Some(notification) = notification {
            let id = self.mint.outgoing();
            self.sent.insert(id, Sent::Unwatched);
            self.out.request(id, notification);
        }
    }
}
