//! An INVITE of the peer: the responses of this end, and the PRACK, ACK and CANCEL that they meet with.

use core::time::Duration;
use std::time::Instant;

use bytes::Bytes;

use super::offer_answer::{Negotiation, OfferPlace, description};
use super::reliable::{REL100, Reliability, Sent};
use super::{
    Config, Context, DescriptionError, EndReason, Granted, InviteRefused, Reply, Session, SessionError,
    SessionEvent, SessionInput, SessionState, SessionTimer, Side,
};
use crate::dialog::{Dialog, DialogId};
use crate::endpoint::ServerTransaction;
use crate::header::{Contact, Expires, HeaderName, Require};
use crate::message::{Request, Response, ResponseBuilder};
use crate::{ByteStr, ContentType, StatusCode, sdp};

/// An INVITE of the peer without final response.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(super) transaction: ServerTransaction,
    /// Without body.
    request: Box<Request>,
    pub(super) sequence: u32,
    pub(super) reliability: Reliability,
    pub(super) sent: Sent,
    granted: Option<Granted>,
    /// Whether it has an offer.
    offered: bool,
    /// Whether its exchange has begun in a reliable response of this end.
    exchanged: bool,
    /// The answer as an unreliable response had it.
    preview: Option<Bytes>,
    /// The 2xx, while it has to wait for a PRACK.
    pub(super) held: Option<Box<Reply>>,
    /// The latest provisional response.
    pub(super) latest: Option<Box<Response>>,
    pub(super) repeat_at: Option<Instant>,
    pub(super) expires_at: Option<Instant>,
}

impl Incoming {
    pub(super) fn new(
        transaction: ServerTransaction,
        request: &Request,
        offered: bool,
        granted: Option<Granted>,
        now: Instant,
    ) -> Self {
        let mut head = request.clone();
        head.remove_body();
        let expires = request.headers().get::<Expires>().ok().flatten();
        Self {
            transaction,
            request: Box::new(head),
            sequence: request.cseq().map_or(0, |cseq| cseq.seq),
            reliability: Reliability::of(request),
            sent: Sent::default(),
            granted,
            offered,
            exchanged: false,
            preview: None,
            held: None,
            latest: None,
            repeat_at: None,
            //= https://www.rfc-editor.org/rfc/rfc3261#section-13.3.1
            //# If the invitation
            //# expires before the UAS has generated a final response, a 487
            //# (Request Terminated) response SHOULD be generated.
            expires_at: expires
                .and_then(|expires| now.checked_add(Duration::from_secs(u64::from(expires.0)))),
        }
    }

    /// Whether a description of this end is not acknowledged.
    pub(super) fn holds_back(&self) -> bool {
        self.sent.holds_back()
    }

    /// The response to an INVITE whose session has ended.
    pub(super) fn terminated(&self, dialog: &DialogId) -> Result<Response, crate::error::BuildError> {
        self.request
            .response(StatusCode::REQUEST_TERMINATED)
            .to_tag(&dialog.local_tag)
            .build()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.sent.poll_timeout(), self.repeat_at, self.expires_at]
            .into_iter()
            .flatten()
            .min()
    }
}

impl Session {
    /// The session of an INVITE outside of a dialog, and its offer.
    pub(crate) fn invited(
        transaction: ServerTransaction,
        request: &Request,
        tag: &str,
        contact: &Contact,
        config: &Config,
        now: Instant,
    ) -> Result<(Self, Option<sdp::Session>), InviteRefused> {
        let bad = || InviteRefused::with(StatusCode::BAD_REQUEST);
        //= https://www.rfc-editor.org/rfc/rfc3262#section-3
        //# If the UAS is unwilling to do so, it MUST reject the initial
        //# request with a 420 (Bad Extension) and include an Unsupported header
        //# field containing the option tag 100rel.
        let unsupported = config.unsupported(request.headers());
        if !unsupported.is_empty() {
            return Err(InviteRefused {
                unsupported,
                ..InviteRefused::with(StatusCode::BAD_EXTENSION)
            });
        }
        let offer = description(request.headers(), request.body()).map_err(InviteRefused::description)?;
        let mut timer = SessionTimer::default();
        let granted = timer
            .grant(request.headers(), &config.timer)
            .map_err(|too_small| InviteRefused {
                min_se: Some(too_small.0),
                ..InviteRefused::with(StatusCode::SESSION_INTERVAL_TOO_SMALL)
            })?;
        let early = request
            .response(StatusCode::RINGING)
            .to_tag(tag)
            .build()
            .map_err(|_| bad())?;
        let dialog = Dialog::from_uas(request, &early).map_err(|_| bad())?;
        let mut written = String::new();
        crate::header::Header::write(contact, &mut written).map_err(|_| bad())?;
        let mut session = Self::new(Side::Callee, dialog, ByteStr::from(written));
        session.timer = timer;
        session.note_peer(request.headers());
        if let Some(offer) = &offer {
            session
                .media
                .take_offer(OfferPlace::Invite, offer)
                .map_err(InviteRefused::description)?;
        }
        session.work().incoming = Some(Incoming::new(transaction, request, offer.is_some(), granted, now));
        Ok((session, offer))
    }

    pub(super) fn incoming(&self) -> Option<&Incoming> {
        self.work.as_ref().and_then(|work| work.incoming.as_ref())
    }

    pub(super) fn incoming_mut(&mut self) -> Option<&mut Incoming> {
        self.work.as_mut().and_then(|work| work.incoming.as_mut())
    }

    /// Whether the INVITE under way is the one that began the session.
    pub(super) fn is_initial(&self) -> bool {
        matches!(self.state, SessionState::Preparative | SessionState::Early)
    }

    /// Answers the INVITE.
    pub(crate) fn answer_invite(&mut self, cx: &mut Context<'_>, reply: Reply) -> Result<(), SessionError> {
        let incoming = self.incoming().ok_or(SessionError::State)?;
        let code = reply.status.code();
        if incoming.held.is_some() && code < 300 {
            return Err(SessionError::State);
        }
        match code {
            101..=199 => self.progress(cx, &reply),
            200..=299 => self.accept(cx, reply),
            300..=699 => self.reject(cx, &reply),
            _ => Err(SessionError::Status),
        }
    }

    fn progress(&mut self, cx: &mut Context<'_>, reply: &Reply) -> Result<(), SessionError> {
        let incoming = self.incoming().ok_or(SessionError::State)?;
        let reliable = match (incoming.reliability, reply.reliable) {
            (Reliability::Required, _) | (Reliability::Supported, true) => true,
            (Reliability::Unsupported, true) => return Err(SessionError::NotReliable),
            (_, false) => false,
        };
        if reliable && incoming.sent.len() >= cx.config.max_provisional {
            return Err(SessionError::TooManyProvisional);
        }
        let text = self.provisional_description(incoming, reply.description.as_ref(), reliable)?;
        let mut builder = self.response(cx.config, reply, incoming, text.as_ref())?;
        if reliable {
            builder = builder.header_typed(&Require::new([REL100]));
        }
        let response = builder.build()?;
        let offered = incoming.offered;
        self.describe(offered, OfferPlace::Provisional, text, reliable)?;
        self.advance(SessionInput::Provisional);
        self.send_provisional(cx, response, reliable);
        Ok(())
    }

    pub(super) fn send_provisional(&mut self, cx: &mut Context<'_>, response: Response, reliable: bool) {
        let pause = if reliable { RELIABLE_PAUSE } else { PAUSE };
        let repeat_at = cx.after(pause);
        let (t1, patience, now) = (cx.timers.t1, cx.timers.transaction(), cx.now);
        let Some(incoming) = self.incoming_mut() else {
            return;
        };
        let transaction = incoming.transaction;
        let mut plain = response.clone();
        plain.remove_body();
        plain.headers_mut().remove(&HeaderName::RSEQ);
        incoming.latest = Some(Box::new(plain));
        incoming.repeat_at = repeat_at;
        let response = if reliable {
            incoming.sent.send(response, (t1, patience), cx.entropy, now)
        } else {
            Some(response)
        };
        if let Some(response) = response {
            cx.respond(transaction, response);
        }
    }

    /// What may be described in a provisional response.
    //= https://www.rfc-editor.org/rfc/rfc3262#section-5
    //# Similarly, if a reliable provisional
    //# response is the first reliable message sent back to the UAC, and the
    //# INVITE did not contain an offer, one MUST appear in that reliable
    //# provisional response.
    fn provisional_description(
        &self,
        incoming: &Incoming,
        given: Option<&sdp::Session>,
        reliable: bool,
    ) -> Result<Option<Bytes>, SessionError> {
        let Some(given) = given else {
            let owed = reliable && !incoming.offered && !incoming.exchanged;
            return if owed {
                Err(SessionError::DescriptionMissing)
            } else {
                Ok(None)
            };
        };
        if incoming.exchanged || (!incoming.offered && !reliable) {
            return Err(SessionError::DescriptionUnwanted);
        }
        if incoming.offered {
            self.media.fits_offer(given)?;
        } else if !self.media.is_idle() {
            return Err(SessionError::Pending);
        }
        let text = self.media.fit(given)?;
        if incoming.preview.as_ref().is_some_and(|preview| *preview != text) {
            return Err(SessionError::DescriptionUnwanted);
        }
        Ok(Some(text))
    }

    /// What the 2xx has to describe.
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.3.1.4
    //# If the INVITE request contained an offer, and the UAS had not yet
    //# sent an answer, the 2xx MUST contain an answer.  If the INVITE did
    //# not contain an offer, the 2xx MUST contain an offer if the UAS had
    //# not yet sent an offer.
    fn final_description(
        &self,
        incoming: &Incoming,
        given: Option<&sdp::Session>,
    ) -> Result<Option<Bytes>, SessionError> {
        if incoming.exchanged {
            return match given {
                Some(_) => Err(SessionError::DescriptionUnwanted),
                None => Ok(None),
            };
        }
        let text = match given {
            Some(given) => {
                if incoming.offered {
                    self.media.fits_offer(given)?;
                }
                self.media.fit(given)?
            }
            None => incoming.preview.clone().ok_or(SessionError::DescriptionMissing)?,
        };
        if incoming.preview.as_ref().is_some_and(|preview| *preview != text) {
            return Err(SessionError::DescriptionUnwanted);
        }
        let expected = if incoming.offered {
            Negotiation::Asked(OfferPlace::Invite)
        } else {
            Negotiation::Idle
        };
        if self.media.state == expected {
            Ok(Some(text))
        } else {
            Err(SessionError::Pending)
        }
    }

    /// Notes that a description goes out.
    fn describe(
        &mut self,
        offered: bool,
        place: OfferPlace,
        text: Option<Bytes>,
        reliable: bool,
    ) -> Result<(), DescriptionError> {
        let Some(text) = text else { return Ok(()) };
        if !reliable {
            if let Some(incoming) = self.incoming_mut() {
                incoming.preview = Some(text);
            }
            return Ok(());
        }
        if offered {
            self.media.answer(text);
        } else {
            self.media.offer(place, text)?;
        }
        if let Some(incoming) = self.incoming_mut() {
            incoming.exchanged = true;
        }
        Ok(())
    }

    pub(super) fn accept(&mut self, cx: &mut Context<'_>, reply: Reply) -> Result<(), SessionError> {
        let incoming = self.incoming().ok_or(SessionError::State)?;
        let text = self.final_description(incoming, reply.description.as_ref())?;
        //= https://www.rfc-editor.org/rfc/rfc3262#section-5
        //# If the UAS had placed a session description in any reliable
        //# provisional response that is unacknowledged when the INVITE is
        //# accepted, the UAS MUST delay sending the 2xx until the provisional
        //# response is acknowledged.
        let waits = incoming.holds_back() || self.work.as_ref().is_some_and(|work| work.owed.is_some());
        if waits {
            if let Some(incoming) = self.incoming_mut() {
                incoming.held = Some(Box::new(reply));
            }
            return Ok(());
        }
        let builder = self.response(cx.config, &reply, incoming, text.as_ref())?;
        let response = SessionTimer::answer(builder, incoming.granted).build()?;
        let (transaction, granted, offered) = (incoming.transaction, incoming.granted, incoming.offered);
        self.describe(offered, OfferPlace::Success, text, true)?;
        let now = cx.now;
        let initial = self.is_initial();
        let work = self.work();
        if let Some(mut incoming) = work.incoming.take() {
            incoming.sent.stop();
            work.late_prack = Some((incoming.sequence, incoming.sent));
            self.dialog.take_target(&incoming.request);
        }
        self.work().unacknowledged.push(transaction);
        self.dialog.confirm_uas();
        self.timer.answered(granted, now);
        self.advance(SessionInput::Success);
        cx.respond(transaction, response);
        if !initial && granted.is_some() {
            cx.tell(SessionEvent::Refreshed { session: cx.id });
        }
        Ok(())
    }

    fn reject(&mut self, cx: &mut Context<'_>, reply: &Reply) -> Result<(), SessionError> {
        let incoming = self.incoming().ok_or(SessionError::State)?;
        let response = self.plain_response(reply, incoming).build()?;
        cx.respond(incoming.transaction, response);
        self.invite_over(cx, EndReason::Rejected(reply.status));
        Ok(())
    }

    /// Refuses the INVITE without being asked to.
    pub(super) fn refuse(&mut self, cx: &mut Context<'_>, status: StatusCode, reason: EndReason) {
        let Some(incoming) = self.incoming() else { return };
        if let Ok(response) = self.plain_response(&Reply::new(status), incoming).build() {
            cx.respond(incoming.transaction, response);
        }
        self.invite_over(cx, reason);
    }

    /// The INVITE has its final response, and it is no 2xx.
    pub(super) fn invite_over(&mut self, cx: &mut Context<'_>, reason: EndReason) {
        let initial = self.is_initial();
        let work = self.work();
        if let Some(mut incoming) = work.incoming.take() {
            incoming.sent.stop();
            work.late_prack = Some((incoming.sequence, incoming.sent));
        }
        if initial {
            self.advance(SessionInput::Failure);
            self.timer.stop();
            cx.tell(SessionEvent::Ended {
                session: cx.id,
                reason,
            });
        } else if matches!(self.media.state, Negotiation::Asked(OfferPlace::Invite)) {
            self.media.reject();
        }
    }

    fn plain_response(&self, reply: &Reply, incoming: &Incoming) -> ResponseBuilder {
        let mut builder = incoming
            .request
            .response(reply.status)
            .to_tag(&self.dialog.id().local_tag);
        for (name, value) in &reply.headers {
            if let Ok(with) = builder.clone().header(name, value) {
                builder = with;
            }
        }
        builder
    }

    fn response(
        &self,
        config: &Config,
        reply: &Reply,
        incoming: &Incoming,
        text: Option<&Bytes>,
    ) -> Result<ResponseBuilder, SessionError> {
        let mut builder = self
            .plain_response(reply, incoming)
            .header(&HeaderName::CONTACT, &self.contact)?
            .header_typed(&config.allow())
            .header_typed(&config.supported());
        if let Some(text) = text {
            builder = builder.body(&ContentType::application_sdp(), text.clone());
        }
        Ok(builder)
    }
}

/// How often an INVITE without final response is heard of.
const PAUSE: Duration = Duration::from_secs(60);

/// The same where that is acknowledged (RFC 3262 section 3).
const RELIABLE_PAUSE: Duration = Duration::from_secs(150);
