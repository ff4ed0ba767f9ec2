//! Requests of the peer within the dialog (RFC 3261 sections 12.2.2 and 14.2, RFC 3262, RFC 3311).

use super::offer_answer::{Negotiation, OfferPlace, description, refusal};
use super::{
    Context, DescriptionError, EndReason, Granted, Incoming, InviteRefused, Reply, Session, SessionError,
    SessionEvent, SessionState, SessionTimer,
};
use crate::endpoint::ServerTransaction;
use crate::header::{HeaderName, RAck, RetryAfter};
use crate::message::Request;
use crate::{ContentType, Method, StatusCode, sdp};

/// A request of the peer whose offer the application has yet to answer.
#[derive(Debug)]
pub(super) struct Owed {
    pub(super) transaction: ServerTransaction,
    /// Without body.
    request: Box<Request>,
    granted: Option<Granted>,
    /// Kept where refusing it means answering it.
    offer: Option<Box<sdp::Session>>,
}

impl Session {
    /// Takes a request within the dialog that is neither ACK nor CANCEL.
    pub(crate) fn handle_request(
        &mut self,
        cx: &mut Context<'_>,
        transaction: ServerTransaction,
        request: Request,
    ) {
        if self.state.is_over() {
            //= https://www.rfc-editor.org/rfc/rfc5407#section-2
            //# In the Mortal state, BYE
            //# can be accepted, and the other messages in the INVITE dialog usage
            //# are responded to with an error.
            let status = if *request.method() == Method::Bye && self.state == SessionState::Mortal {
                StatusCode::OK
            } else {
                StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST
            };
            return cx.reply(transaction, &request, status);
        }
        if let Err(error) = self.dialog.accept_sequence(&request) {
            return cx.reply(transaction, &request, error.status());
        }
        let unsupported = cx.config.unsupported(request.headers());
        if !unsupported.is_empty() {
            let refused = InviteRefused {
                unsupported,
                ..InviteRefused::with(StatusCode::BAD_EXTENSION)
            };
            return cx.refuse_with(transaction, &request, &refused);
        }
        match request.method() {
            Method::Invite => self.reinvite(cx, transaction, &request),
            Method::Update => self.update(cx, transaction, &request),
            Method::Prack => self.take_prack(cx, transaction, &request),
            Method::Bye => self.bye_received(cx, transaction, request),
            _ => {
                self.dialog.take_target(&request);
                cx.tell(SessionEvent::Request {
                    session: cx.id,
                    transaction,
                    request,
                });
            }
        }
    }

    fn reinvite(&mut self, cx: &mut Context<'_>, transaction: ServerTransaction, request: &Request) {
        let work = self.work.as_deref();
        let waiting = work.map_or(0, |work| work.unacknowledged.len());
        if work.is_some_and(|work| work.outgoing.is_some()) {
            return cx.pending(transaction, request);
        }
        if self.incoming().is_some() || waiting >= MAX_UNACKNOWLEDGED {
            return cx.not_yet(transaction, request);
        }
        match self.media.state {
            Negotiation::Idle => {}
            // RFC 5407 section 3.1.5, when it is the 2xx that has the offer.
            Negotiation::Offered(_) => return cx.pending(transaction, request),
            Negotiation::Asked(_) => return cx.not_yet(transaction, request),
        }
        let granted = match self.timer.grant(request.headers(), &cx.config.timer) {
            Ok(granted) => granted,
            Err(too_small) => {
                let refused = InviteRefused {
                    min_se: Some(too_small.0),
                    ..InviteRefused::with(StatusCode::SESSION_INTERVAL_TOO_SMALL)
                };
                return cx.refuse_with(transaction, request, &refused);
            }
        };
        let offer = match self.read_offer(request, OfferPlace::Invite) {
            Ok(offer) => offer,
            Err(error) => {
                let refused = InviteRefused::description(error);
                return cx.refuse_with(transaction, request, &refused);
            }
        };
        self.note_peer(request.headers());
        let incoming = Incoming::new(transaction, request, offer.is_some(), granted, cx.now);
        self.work().incoming = Some(incoming);
        match offer {
            None => cx.tell(SessionEvent::OfferWanted { session: cx.id }),
            Some((offer, known)) => {
                if let Some(ours) = self.latest().filter(|_| known && cx.config.automatic_refresh)
                    && self.answer_invite(cx, Reply::with(StatusCode::OK, ours)).is_ok()
                {
                    return;
                }
                cx.tell(SessionEvent::Offer {
                    session: cx.id,
                    place: OfferPlace::Invite,
                    description: Box::new(offer),
                });
            }
        }
    }

    /// Takes the offer of a request, if it has one, and says whether it is nothing new.
    fn read_offer(
        &mut self,
        request: &Request,
        place: OfferPlace,
    ) -> Result<Option<(sdp::Session, bool)>, DescriptionError> {
        let Some(offer) = description(request.headers(), request.body())? else {
            return Ok(None);
        };
        let known = self.media.is_known(&offer);
        self.media.take_offer(place, &offer)?;
        Ok(Some((offer, known)))
    }

    /// This end's latest description.
    fn latest(&self) -> Option<sdp::Session> {
        self.media
            .local
            .as_ref()
            .and_then(|text| sdp::Session::parse(text).ok())
    }

    fn update(&mut self, cx: &mut Context<'_>, transaction: ServerTransaction, request: &Request) {
        //= https://www.rfc-editor.org/rfc/rfc3311#section-5.2
        //# A UAS that receives an UPDATE before it has generated a final
        //# response to a previous UPDATE on the same dialog MUST return a 500
        //# response to the new UPDATE, and MUST include a Retry-After header
        //# field with a randomly chosen value between 0 and 10 seconds.
        if self.work.as_ref().is_some_and(|work| work.owed.is_some()) {
            return cx.not_yet(transaction, request);
        }
        let found = match description(request.headers(), request.body()) {
            Ok(found) => found,
            Err(error) => {
                let refused = InviteRefused::description(error);
                return cx.refuse_with(transaction, request, &refused);
            }
        };
        if found.is_some() {
            //= https://www.rfc-editor.org/rfc/rfc3311#section-5.2
            //# If an UPDATE is received that contains an offer, and the UAS has
            //# generated an offer (in an UPDATE, PRACK or INVITE) to which it has
            //# not yet received an answer, the UAS MUST reject the UPDATE with a 491
            //# response.
            match self.media.state {
                Negotiation::Offered(_) => return cx.pending(transaction, request),
                Negotiation::Asked(_) => return cx.not_yet(transaction, request),
                // Before the first exchange there is nothing that an UPDATE could change (RFC 3311 section 5.1).
                Negotiation::Idle if !self.media.is_agreed() => {
                    return cx.not_yet(transaction, request);
                }
                Negotiation::Idle => {}
            }
        }
        let granted = match self.timer.grant(request.headers(), &cx.config.timer) {
            Ok(granted) => granted,
            Err(too_small) => {
                let refused = InviteRefused {
                    min_se: Some(too_small.0),
                    ..InviteRefused::with(StatusCode::SESSION_INTERVAL_TOO_SMALL)
                };
                return cx.refuse_with(transaction, request, &refused);
            }
        };
        let offer = match self.read_offer(request, OfferPlace::Update) {
            Ok(offer) => offer,
            Err(error) => {
                let refused = InviteRefused::description(error);
                return cx.refuse_with(transaction, request, &refused);
            }
        };
        self.note_peer(request.headers());
        let mut head = request.clone();
        head.remove_body();
        let owed = Owed {
            transaction,
            request: Box::new(head),
            granted,
            offer: None,
        };
        let Some((offer, known)) = offer else {
            return self.accept_update(cx, &owed, None);
        };
        if let Some(ours) = self.latest().filter(|_| known && cx.config.automatic_refresh)
            && self.media.fits_offer(&ours).is_ok()
        {
            return self.accept_update(cx, &owed, Some(&ours));
        }
        self.wait_for_answer(cx, owed, OfferPlace::Update, offer);
    }

    fn wait_for_answer(&mut self, cx: &mut Context<'_>, owed: Owed, place: OfferPlace, offer: sdp::Session) {
        // The peer's transaction ends after 64*T1; an answer has to be there before.
        let answer_by = cx.after(cx.timers.transaction() / 2);
        let work = self.work();
        work.owed = Some(owed);
        work.answer_by = answer_by;
        cx.tell(SessionEvent::Offer {
            session: cx.id,
            place,
            description: Box::new(offer),
        });
    }

    fn accept_update(&mut self, cx: &mut Context<'_>, owed: &Owed, answer: Option<&sdp::Session>) {
        let mut builder = owed.request.response(StatusCode::OK);
        if let Ok(with) = builder.clone().header(&HeaderName::CONTACT, &self.contact) {
            builder = with
                .header_typed(&cx.config.allow())
                .header_typed(&cx.config.supported());
        }
        let text = answer.and_then(|answer| self.media.fit(answer).ok());
        if let Some(text) = &text {
            builder = builder.body(&ContentType::application_sdp(), text.clone());
        }
        let Ok(response) = SessionTimer::answer(builder, owed.granted).build() else {
            return;
        };
        let refreshes = text.is_none();
        if let Some(text) = text {
            self.media.answer(text);
        }
        self.dialog.take_target(&owed.request);
        // Before the 2xx of the INVITE there is no session to be timed.
        if self.state.is_confirmed() {
            self.timer.answered(owed.granted, cx.now);
        }
        cx.respond(owed.transaction, response);
        if refreshes {
            cx.tell(SessionEvent::Refreshed { session: cx.id });
        }
    }

    fn take_prack(&mut self, cx: &mut Context<'_>, transaction: ServerTransaction, request: &Request) {
        let rack = match request.headers().require::<RAck>() {
            Ok(rack) => rack,
            Err(error) => return cx.reply(transaction, request, error.status()),
        };
        if !self.take_rack(&rack) {
            let unknown = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
            return cx.reply(transaction, request, unknown);
        }
        let found = description(request.headers(), request.body());
        match (self.media.state, found) {
            (Negotiation::Offered(OfferPlace::Provisional), found) => {
                cx.reply(transaction, request, StatusCode::OK);
                let answered = match found {
                    Ok(Some(found)) if self.media.take_answer(&found).is_ok() => Some(found),
                    _ => None,
                };
                let Some(answer) = answered else {
                    self.media.reject();
                    return self.finish(cx, EndReason::NoAnswer);
                };
                cx.tell(SessionEvent::Answer {
                    session: cx.id,
                    description: Box::new(answer),
                    reliable: true,
                });
            }
            //= https://www.rfc-editor.org/rfc/rfc3262#section-5
            //# If the UAS receives a PRACK with an
            //# offer, it MUST place the answer in the 2xx to the PRACK.
            (Negotiation::Idle, Ok(Some(offer)))
                if self.media.is_agreed() && self.media.take_offer(OfferPlace::Prack, &offer).is_ok() =>
            {
                let mut head = request.clone();
                head.remove_body();
                let owed = Owed {
                    transaction,
                    request: Box::new(head),
                    granted: None,
                    offer: Some(Box::new(offer.clone())),
                };
                return self.wait_for_answer(cx, owed, OfferPlace::Prack, offer);
            }
            _ => cx.reply(transaction, request, StatusCode::OK),
        }
        self.after_prack(cx);
    }

    /// Answers the peer's offer, wherever it stands but in an INVITE.
    pub(crate) fn answer_offer(
        &mut self,
        cx: &mut Context<'_>,
        answer: &sdp::Session,
    ) -> Result<(), SessionError> {
        match self.media.state {
            Negotiation::Asked(OfferPlace::Provisional | OfferPlace::Success) => {
                self.answer_in_acknowledgement(cx, answer)
            }
            Negotiation::Asked(OfferPlace::Update | OfferPlace::Prack) => {
                self.media.fits_offer(answer)?;
                let text = self.media.fit(answer)?;
                let work = self.work();
                let owed = work.owed.take().ok_or(SessionError::State)?;
                work.answer_by = None;
                if self.media.state == Negotiation::Asked(OfferPlace::Update) {
                    self.accept_update(cx, &owed, Some(answer));
                    return Ok(());
                }
                let response = owed
                    .request
                    .response(StatusCode::OK)
                    .body(&ContentType::application_sdp(), text.clone())
                    .build();
                self.media.answer(text);
                if let Ok(response) = response {
                    cx.respond(owed.transaction, response);
                }
                self.after_prack(cx);
                Ok(())
            }
            _ => Err(SessionError::State),
        }
    }

    /// Refuses the peer's offer, wherever it stands but in an INVITE: an UPDATE is refused with a status, a PRACK answered with an
    /// answer that takes nothing, and after an offer in a response to this end's INVITE the session ends.
    pub(crate) fn refuse_offer(
        &mut self,
        cx: &mut Context<'_>,
        status: StatusCode,
    ) -> Result<(), SessionError> {
        if status.code() < 300 {
            return Err(SessionError::Status);
        }
        match self.media.state {
            Negotiation::Asked(OfferPlace::Provisional | OfferPlace::Success) => {
                self.finish(cx, EndReason::ByeSent);
                Ok(())
            }
            Negotiation::Asked(OfferPlace::Update) => {
                let work = self.work();
                let owed = work.owed.take().ok_or(SessionError::State)?;
                work.answer_by = None;
                self.media.reject();
                cx.reply(owed.transaction, &owed.request, status);
                Ok(())
            }
            Negotiation::Asked(OfferPlace::Prack) => {
                let offer = self.work.as_ref().and_then(|work| work.owed.as_ref());
                let offer = offer
                    .and_then(|owed| owed.offer.clone())
                    .ok_or(SessionError::State)?;
                self.answer_offer(cx, &refusal(&offer))
            }
            _ => Err(SessionError::State),
        }
    }

    /// The application has not answered in time.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3311#section-5.2
    //# If the UAS cannot change
    //# the session parameters without prompting the user, it SHOULD reject
    //# the request with a 504 response.
    pub(super) fn answer_overdue(&mut self, cx: &mut Context<'_>) {
        self.work().answer_by = None;
        match self.media.state {
            Negotiation::Asked(OfferPlace::Update | OfferPlace::Prack) => {
                let _ = self.refuse_offer(cx, StatusCode::SERVER_TIMEOUT);
            }
            _ => self.finish(cx, EndReason::NoAnswer),
        }
    }
}

impl Context<'_> {
    fn reply(&mut self, transaction: ServerTransaction, request: &Request, status: StatusCode) {
        if let Ok(response) = request.response(status).build() {
            self.respond(transaction, response);
        }
    }

    fn refuse_with(&mut self, transaction: ServerTransaction, request: &Request, refused: &InviteRefused) {
        if let Ok(response) = refused.response(request).build() {
            self.respond(transaction, response);
        }
    }

    /// Refuses what comes before something else is finished.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-14.2
    //# A UAS that receives a second INVITE before it sends the final
    //# response to a first INVITE with a lower CSeq sequence number on the
    //# same dialog MUST return a 500 (Server Internal Error) response to the
    //# second INVITE and MUST include a Retry-After header field with a
    //# randomly chosen value of between 0 and 10 seconds.
    fn not_yet(&mut self, transaction: ServerTransaction, request: &Request) {
        let seconds = self.between(0, 10);
        let response = request
            .response(StatusCode::SERVER_INTERNAL_ERROR)
            .header_typed(&RetryAfter::new(seconds))
            .build();
        if let Ok(response) = response {
            self.respond(transaction, response);
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc3261#section-14.2
    //# A UAS that receives an INVITE on a dialog while an INVITE it had sent
    //# on that dialog is in progress MUST return a 491 (Request Pending)
    //# response to the received INVITE.
    fn pending(&mut self, transaction: ServerTransaction, request: &Request) {
        self.reply(transaction, request, StatusCode::REQUEST_PENDING);
    }
}

/// INVITEs of the peer that were accepted and whose ACK has not come, before a further one is put off (RFC 5407 section 3.1.4).
const MAX_UNACKNOWLEDGED: usize = 2;
