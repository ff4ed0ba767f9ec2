//! Setting sessions up: INVITE out and in (RFC 3261 13), and what may come within their dialogs.

use std::time::Instant;

use bytes::Bytes;
use sip_im::dialog::{Dialog, DialogId};
use sip_im::endpoint::{ClientTransaction, ServerTransaction, Target};
use sip_im::header::{Contact, Headers, ReferredBy, Require, Subject};
use sip_im::mime::{Multipart, Part, leaf_parts};
use sip_im::{ContentType, Method, Request, Response, StatusCode, Uri, sdp};

use super::event::{Event, Failure, Party, SessionKey};
use super::media::Media;
use super::reception::visible;
use super::requests::{Purpose, failure_of};
use super::session::{Session, Stage};
use super::wire::Link;
use super::{Client, CommandError};

impl Client {
    pub(super) fn send_invite(&mut self, session: SessionKey, now: Instant) {
        if !self.sessions.table.contains_key(&session) {
            return;
        }
        match self.has_path(session, now) {
            Some(true) => {}
            Some(false) => return,
            None => return self.never_came(session, Failure::local("no relay can be asked"), now),
        }
        match self.build_invite(session, now) {
            Some(request) => self.transmit(request, Purpose::Invite { session }, now),
            None => self.never_came(session, Failure::local("the invitation cannot be written"), now),
        }
    }

    fn build_invite(&mut self, session: SessionKey, now: Instant) -> Option<Request> {
        let (conference, privacy) = self
            .sessions
            .table
            .get(&session)
            .map(|entry| (entry.conference, entry.privacy))?;
        let media = self.offer_media(session, conference, now)?;
        let entry = self.sessions.table.get_mut(&session)?;
        let offer = media.local_sdp.clone()?;
        entry.media = media;
        let (peer, subject, members) = (
            entry.peer.clone(),
            entry.subject.clone(),
            std::mem::take(&mut entry.members),
        );
        let sdp_type = ContentType::application_sdp();
        let mut builder = Self::accept_contact(self.fresh(Method::Invite, &peer, privacy))
            .header_typed(&self.contact(privacy)?)
            .header_typed(&allow());
        if let Some(subject) = &subject {
            builder = builder.header_typed(&Subject::new(subject));
        }
        if members.is_empty() {
            return builder.body(&sdp_type, offer).build().ok();
        }
        //= https://www.rfc-editor.org/rfc/rfc5366#section-4
        // The factory must not take the list for something it may leave aside.
        let (multipart, body) = self.with_list(Part::new(sdp_type).with_body(offer), members)?;
        builder
            .header_typed(&Require::new(["recipient-list-invite"]))
            .body(&multipart, body)
            .build()
            .ok()
    }

    /// An INVITE is out, for the first time or with credentials.
    pub(super) fn calling(&mut self, session: SessionKey, transaction: ClientTransaction) {
        if let Some(entry) = self.sessions.table.get_mut(&session) {
            let cancelled = matches!(entry.stage, Stage::Calling { cancelled: true, .. });
            entry.stage = Stage::Calling {
                transaction,
                provisional: false,
                cancelled,
            };
        }
    }

    pub(super) fn provisional(&mut self, session: SessionKey, now: Instant) {
        let Some(entry) = self.sessions.table.get_mut(&session) else {
            return;
        };
        if let Stage::Calling {
            transaction,
            provisional,
            cancelled,
        } = &mut entry.stage
        {
            let first = !std::mem::replace(provisional, true);
            let transaction = *transaction;
            if first && *cancelled {
                let _ = self.wire.sip.cancel(transaction, now);
            }
        }
    }

    pub(super) fn invite_answered(
        &mut self,
        session: SessionKey,
        transaction: ClientTransaction,
        request: &Request,
        response: &Response,
        now: Instant,
    ) {
        if !(200..300).contains(&response.status().code()) {
            return self.invite_failed(session, failure_of(response), now);
        }
        let Some(mut dialog) = self.acknowledge(transaction, request, response, now) else {
            return self.never_came(session, Failure::local("the answer makes no dialog"), now);
        };
        let focus = focus(response.headers());
        let answer = response_sdp(response);
        let Some(entry) = self.sessions.table.get_mut(&session) else {
            // It was given up before it could be cancelled.
            return self.end_dialog(&mut dialog, now);
        };
        let cancelled = matches!(entry.stage, Stage::Calling { cancelled: true, .. });
        if let Some(focus) = focus {
            entry.conference = true;
            entry.peer = focus;
        }
        let id = dialog.id().clone();
        entry.stage = Stage::Up {
            dialog: Box::new(dialog),
        };
        self.sessions.by_dialog.insert(id, session);
        self.sessions
            .by_invite
            .insert(transaction, (session, Box::new(request.clone())));
        let bound = answer.is_some_and(|answer| self.answered_media(session, &answer, now));
        if cancelled || !bound {
            let Some(entry) = self.sessions.table.get_mut(&session) else {
                return;
            };
            if !cancelled {
                entry.lost = Some("the answer offers no session that can be used");
            }
            let ending = entry.ending;
            return self.send_bye(session, ending, now);
        }
        self.started(session);
    }

    /// Acknowledges a 2xx; gives the dialog that it makes.
    fn acknowledge(
        &mut self,
        transaction: ClientTransaction,
        request: &Request,
        response: &Response,
        now: Instant,
    ) -> Option<Dialog> {
        let dialog = Dialog::from_uac(request, response).ok()?;
        let sequence = request.cseq().ok()?.seq;
        let mut ack = dialog.ack(sequence).build().ok()?;
        self.authentication.repeat(request, &mut ack);
        if let Link::Up { flow, .. } = self.wire.link() {
            // Should it fail, the peer repeats its 2xx.
            let _ = self
                .wire
                .sip
                .acknowledge(transaction, ack, Target::Flow(flow), now);
        }
        Some(dialog)
    }

    fn end_dialog(&mut self, dialog: &mut Dialog, now: Instant) {
        if let Ok(bye) = dialog.request(Method::Bye).build() {
            self.transmit(bye, Purpose::Nothing, now);
        }
    }

    /// A 2xx of another branch of a forked INVITE: its dialog is ended at once.
    pub(super) fn on_stray_response(
        &mut self,
        transaction: ClientTransaction,
        response: &Response,
        now: Instant,
    ) {
        if !(200..300).contains(&response.status().code()) {
            return;
        }
        let Some((_, request)) = self.sessions.by_invite.get(&transaction) else {
            return;
        };
        let request = request.clone();
        if let Some(mut dialog) = self.acknowledge(transaction, &request, response, now) {
            self.end_dialog(&mut dialog, now);
        }
    }

    pub(super) fn invite_failed(&mut self, session: SessionKey, failure: Failure, now: Instant) {
        let Some(entry) = self.sessions.table.get(&session) else {
            return;
        };
        if let Stage::Calling { cancelled: true, .. } = entry.stage {
            return self.left(session, None, now);
        }
        self.never_came(session, failure, now);
    }

    /// Tells that a session is there, once it is both agreed and connected.
    pub(super) fn started(&mut self, session: SessionKey) {
        let Some(entry) = self.sessions.table.get_mut(&session) else {
            return;
        };
        if entry.started || !entry.media.bound || !matches!(entry.stage, Stage::Up { .. }) {
            return;
        }
        entry.started = true;
        let (command, peer, conference) = (entry.command, entry.peer.clone(), entry.conference);
        self.push_event(Event::SessionStarted {
            session,
            command,
            peer,
            conference,
        });
    }

    /// An INVITE outside of a dialog.
    pub(super) fn on_invite(&mut self, transaction: ServerTransaction, request: &Request, now: Instant) {
        let refusal = if self.shutting_down
            || self.sessions.table.len() >= self.config.limits.max_sessions
            || self.is_crowded()
        {
            Some(StatusCode::BUSY_HERE)
        } else if request_sdp(request).is_none() {
            Some(StatusCode::NOT_ACCEPTABLE_HERE)
        } else {
            None
        };
        if let Some(status) = refusal {
            return self.answer(transaction, request, status, now);
        }
        let focus = focus(request.headers());
        let originator = sip_im::identity::asserted_identity(request, sip_im::identity::Trust::Trusted).ok();
        let from = inviter(request);
        let asserted = originator.and_then(|originator| originator.identities.into_iter().next());
        let peer = focus.clone().or(asserted).or_else(|| Uri::parse(&from.uri).ok());
        let Some(peer) = peer else {
            return self.answer(transaction, request, StatusCode::BAD_REQUEST, now);
        };
        let subject = request
            .headers()
            .value(&sip_im::header::HeaderName::SUBJECT)
            .map(|subject| subject.to_string());
        let recipients = invited_list(request);
        let ringing = request.response(StatusCode::RINGING);
        let stage = Stage::Invited {
            transaction,
            invite: Box::new(request.clone()),
        };
        let mut entry = Session::new(peer, focus.is_some(), stage, Media::default());
        entry.privacy = self.privacy;
        entry.subject.clone_from(&subject);
        let session = self.sessions.add(entry);
        self.sessions.by_incoming.insert(transaction, session);
        self.push_event(Event::Invited {
            session,
            from,
            conference: focus,
            subject,
            recipients,
        });
        if self.config.auto_accept {
            // A failure has answered the INVITE and is told as the session's end.
            let _ = self.accept_invite(session, now);
        } else {
            self.respond(transaction, ringing, now);
        }
    }

    pub(super) fn accept_invite(&mut self, session: SessionKey, now: Instant) -> Result<(), CommandError> {
        let entry = self.sessions.table.get(&session).ok_or(CommandError::NoSession)?;
        let Stage::Invited { transaction, invite } = &entry.stage else {
            return Err(CommandError::WrongState);
        };
        let (transaction, invite, privacy) = (*transaction, invite.clone(), entry.privacy);
        match self.has_path(session, now) {
            Some(true) => {}
            Some(false) => return Ok(()),
            None => {
                self.answer(transaction, &invite, StatusCode::TEMPORARILY_UNAVAILABLE, now);
                self.left(session, Some("no relay can be asked".to_owned()), now);
                return Err(CommandError::NotAccepted);
            }
        }
        let prepared = request_sdp(&invite).and_then(|offer| self.answer_media(session, &offer, now));
        let Some(answer) = prepared else {
            self.answer(transaction, &invite, StatusCode::NOT_ACCEPTABLE_HERE, now);
            self.left(session, Some("the offer cannot be answered".to_owned()), now);
            return Err(CommandError::NotAccepted);
        };
        let response = self.build_accept(&invite, answer, privacy);
        let dialog = response
            .as_ref()
            .and_then(|response| Dialog::from_uas(&invite, response).ok());
        let (Some(response), Some(dialog)) = (response, dialog) else {
            self.answer(transaction, &invite, StatusCode::BAD_REQUEST, now);
            self.left(session, Some("the invitation makes no dialog".to_owned()), now);
            return Err(CommandError::Unwritable);
        };
        if self.wire.sip.respond(transaction, response, now).is_err() {
            self.left(session, Some("the invitation is over".to_owned()), now);
            return Err(CommandError::WrongState);
        }
        self.sessions.by_dialog.insert(dialog.id().clone(), session);
        if let Some(entry) = self.sessions.table.get_mut(&session) {
            entry.stage = Stage::Up {
                dialog: Box::new(dialog),
            };
        }
        self.started(session);
        Ok(())
    }

    fn build_accept(&self, invite: &Request, answer: Bytes, privacy: bool) -> Option<Response> {
        let mut builder = invite
            .response(StatusCode::OK)
            .to_tag(&self.shared.token())
            .header_typed(&self.contact(privacy)?)
            .header_typed(&allow());
        if privacy {
            builder = builder.header_typed(&sip_im::header::Privacy(vec![sip_im::header::PrivacyValue::Id]));
        }
        builder.body(&ContentType::application_sdp(), answer).build().ok()
    }

    /// The caller does not want it any more.
    pub(super) fn on_cancel(&mut self, transaction: ServerTransaction, now: Instant) {
        let Some(session) = self.sessions.by_incoming.get(&transaction).copied() else {
            return;
        };
        let Some(entry) = self.sessions.table.get(&session) else {
            return;
        };
        let Stage::Invited { invite, .. } = &entry.stage else {
            return;
        };
        let invite = invite.clone();
        self.answer(transaction, &invite, StatusCode::REQUEST_TERMINATED, now);
        self.left(session, Some("cancelled".to_owned()), now);
    }

    /// A request within a dialog of a session.
    pub(super) fn on_session_request(
        &mut self,
        session: SessionKey,
        transaction: ServerTransaction,
        request: &Request,
        now: Instant,
    ) {
        let Some(entry) = self.sessions.table.get_mut(&session) else {
            return;
        };
        let local = entry.media.local_sdp.clone();
        if let Some(dialog) = entry.dialog()
            && dialog.accept_request(request).is_err()
        {
            //= https://www.rfc-editor.org/rfc/rfc3261#section-12.2.2
            //# If the remote sequence number was not empty, but the sequence number
            //# of the request is lower than the remote sequence number, the request
            //# is out of order and MUST be rejected with a 500 (Server Internal
            //# Error) response.
            return self.answer(transaction, request, StatusCode::SERVER_INTERNAL_ERROR, now);
        }
        match request.method() {
            Method::Bye => {
                self.answer(transaction, request, StatusCode::OK, now);
                let reason = request
                    .headers()
                    .value(&sip_im::header::HeaderName::REASON)
                    .map(|reason| reason.to_string());
                self.left(
                    session,
                    Some(reason.unwrap_or_else(|| "the other side has ended it".to_owned())),
                    now,
                );
            }
            // The media stays as it was agreed; what a new offer asks for beyond that is not taken up.
            Method::Invite | Method::Update => {
                let contact = self.contact(false);
                let body = local.map(|local| (ContentType::application_sdp(), local));
                let Some((contact, (content_type, body))) = contact.zip(body) else {
                    return self.answer(transaction, request, StatusCode::NOT_ACCEPTABLE_HERE, now);
                };
                let response = request
                    .response(StatusCode::OK)
                    .header_typed(&contact)
                    .body(&content_type, body);
                self.respond(transaction, response, now);
            }
            Method::Info | Method::Options => self.answer(transaction, request, StatusCode::OK, now),
            // A focus that does not know `Refer-Sub: false` tells how a REFER went on (RFC 3515 2.4.4).
            Method::Notify => {
                let package = request.headers().get::<sip_im::header::Event>().ok().flatten();
                let refer = package.is_some_and(|event| event.package.eq_ignore_ascii_case("refer"));
                let status = if refer {
                    StatusCode::OK
                } else {
                    StatusCode::BAD_EVENT
                };
                self.answer(transaction, request, status, now);
            }
            Method::Message => self.on_message(transaction, request, now),
            _ => self.refuse_method(transaction, request, now),
        }
    }

    /// No ACK came: there is no session (RFC 3261 13.3.1.4).
    pub(super) fn on_ack_timeout(&mut self, transaction: ServerTransaction, now: Instant) {
        if let Some(session) = self.sessions.by_incoming.get(&transaction).copied() {
            self.hang_up(session, None, now);
        }
    }

    pub(super) fn session_of(&self, request: &Request) -> Option<SessionKey> {
        let id = DialogId::of_incoming_request(request)?;
        self.sessions.by_dialog.get(&id).copied()
    }
}

/// Who invites: in a conference not the focus but whom it acts for.
fn inviter(request: &Request) -> Party {
    let referred = request
        .headers()
        .get::<ReferredBy>()
        .ok()
        .flatten()
        .map(|referred| referred.name_addr);
    let header = request.from().ok().map(|from| from.name_addr);
    referred.or(header).map_or_else(
        || Party::new("sip:anonymous@anonymous.invalid", None),
        |address| {
            Party::new(
                address.uri.to_string(),
                address.display.map(|name| name.to_string()),
            )
        },
    )
}

/// The conference, if the far end is one (RFC 4579 4.2).
fn focus(headers: &Headers) -> Option<Uri> {
    let contact = headers.get::<Contact>().ok().flatten()?;
    contact
        .has_feature("isfocus")
        .then(|| contact.uri().cloned())
        .flatten()
}

fn response_sdp(response: &Response) -> Option<sdp::Session> {
    find_sdp(response.headers(), response.body())
}

fn request_sdp(request: &Request) -> Option<sdp::Session> {
    find_sdp(request.headers(), request.body())
}

/// The session description, which may stand beside a list of recipients or have the picture of a file with it.
fn find_sdp(headers: &Headers, body: &Bytes) -> Option<sdp::Session> {
    let parts = leaf_parts(headers, body, &sip_im::mime::Limits::default()).ok()?;
    let part = parts
        .iter()
        .find(|part| part.content_type().is("application", "sdp"))?;
    sdp::Session::parse(part.body()).ok()
}

fn invited_list(request: &Request) -> Vec<String> {
    let Ok(Some(content_type)) = request.content_type() else {
        return Vec::new();
    };
    let limits = sip_im::mime::Limits::default();
    let Ok(multipart) = Multipart::parse(&content_type, request.body(), &limits) else {
        return Vec::new();
    };
    let list = multipart
        .parts()
        .iter()
        .find(|part| part.content_type().is("application", "resource-lists+xml"));
    list.map(visible).unwrap_or_default()
}

/// The methods that this client takes.
pub(super) fn allow() -> sip_im::header::Allow {
    sip_im::header::Allow::new(METHODS)
}

const METHODS: [Method; 9] = [
    Method::Invite,
    Method::Ack,
    Method::Bye,
    Method::Cancel,
    Method::Options,
    Method::Message,
    Method::Notify,
    Method::Update,
    Method::Info,
];
