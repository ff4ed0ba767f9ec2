//! An INVITE of this end: the responses of one branch, their acknowledgement, and the answers in them.

use bytes::Bytes;

use super::offer_answer::{Negotiation, OfferPlace, description};
use super::reliable::{self, Order, Received};
use super::{
    Action, Change, Context, EndReason, Failure, InviteId, Purpose, Session, SessionEvent, SessionInput,
    SessionState, SessionTimer, Side,
};
use crate::dialog::{Dialog, DialogError};
use crate::endpoint::ClientTransaction;
use crate::header::{CSeq, HeaderName, RAck};
use crate::message::{Request, Response};
use crate::{ByteStr, ContentType, Method, sdp};

/// What an offer of the peer is to be answered in.
#[derive(Debug)]
pub(super) enum Acknowledgement {
    Prack(RAck),
    Ack,
}

/// An INVITE of this end, as one dialog sees it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// Known once it is sent.
    pub(super) transaction: Option<ClientTransaction>,
    sequence: u32,
    /// What the ACK repeats.
    credentials: Vec<(HeaderName, ByteStr)>,
    /// Whether it has an offer.
    offered: bool,
    /// Whether its exchange has begun in the peer's responses, reliably.
    pub(super) exchanged: bool,
    /// The first description that came unreliably.
    preview: Option<Box<sdp::Session>>,
    received: Received,
    /// The 2xx has come.
    answered: bool,
    /// What waits for the application, and the peer's offer if that is what it waits for.
    pub(super) owed: Option<(Acknowledgement, Option<Box<sdp::Session>>)>,
    /// What it is for, unless it is the first.
    change: Option<Change>,
}

impl Outgoing {
    pub(super) fn new(request: &Request, offered: bool, change: Option<Change>) -> Self {
        let headers = request.headers();
        let credentials = [HeaderName::AUTHORIZATION, HeaderName::PROXY_AUTHORIZATION]
            .into_iter()
            .flat_map(|name| {
                let values: Vec<_> = headers.values(&name).map(|value| value.detached()).collect();
                values.into_iter().map(move |value| (name.clone(), value))
            })
            .collect();
        Self {
            transaction: None,
            sequence: request.cseq().map_or(0, |cseq| cseq.seq),
            credentials,
            offered,
            exchanged: false,
            preview: None,
            received: Received::default(),
            answered: false,
            owed: None,
            change,
        }
    }

    /// Whether the 2xx waits for the application's answer.
    pub(super) fn owes_ack(&self) -> bool {
        matches!(self.owed, Some((Acknowledgement::Ack, _)))
    }
}

impl Session {
    /// The session of a response to an INVITE of this end, from a branch that was not heard of before.
    pub(crate) fn branch(
        invite: &Request,
        transaction: ClientTransaction,
        offer: Option<&Bytes>,
        timer: SessionTimer,
        response: &Response,
    ) -> Result<Self, DialogError> {
        let dialog = Dialog::from_uac(invite, response)?;
        let contact = invite.headers().value(&HeaderName::CONTACT).unwrap_or_default();
        let mut session = Self::new(Side::Caller, dialog, contact.detached());
        session.timer = timer;
        if let Some(offer) = offer {
            // It was read before it was sent.
            let _ = session.media.offer(OfferPlace::Invite, offer.clone());
        }
        let mut outgoing = Outgoing::new(invite, offer.is_some(), None);
        outgoing.transaction = Some(transaction);
        session.work().outgoing = Some(outgoing);
        session.opened();
        Ok(session)
    }

    /// Whether a final response to this INVITE is news.
    pub(super) fn awaits(&self, transaction: ClientTransaction) -> bool {
        self.outgoing()
            .is_some_and(|outgoing| outgoing.transaction == Some(transaction) && !outgoing.answered)
    }

    /// The endpoint has sent a request.
    pub(crate) fn sent(&mut self, purpose: Purpose, transaction: ClientTransaction, request: &Request) {
        if purpose == Purpose::Reinvite
            && let Some(outgoing) = self.work.as_mut().and_then(|work| work.outgoing.as_mut())
        {
            // With credentials it goes out with another number.
            let change = outgoing.change.take();
            *outgoing = Outgoing::new(request, outgoing.offered, change);
            outgoing.transaction = Some(transaction);
        }
        if let Ok(cseq) = request.cseq() {
            self.dialog.advance(cseq.seq);
        }
    }

    /// The endpoint could not send an INVITE: whatever ends its transaction is taken for its end.
    pub(crate) fn mark_unsent(&mut self, purpose: Purpose, transaction: ClientTransaction) {
        if purpose == Purpose::Reinvite
            && let Some(outgoing) = self.outgoing_mut()
        {
            outgoing.transaction = Some(transaction);
        }
    }

    pub(super) fn outgoing(&self) -> Option<&Outgoing> {
        self.work.as_ref().and_then(|work| work.outgoing.as_ref())
    }

    pub(super) fn outgoing_mut(&mut self) -> Option<&mut Outgoing> {
        self.work.as_mut().and_then(|work| work.outgoing.as_mut())
    }

    pub(super) fn invite_answered(
        &mut self,
        cx: &mut Context<'_>,
        purpose: Purpose,
        transaction: ClientTransaction,
        outcome: Result<Response, Failure>,
    ) {
        let initial = match purpose {
            Purpose::Invite(invite) => Some(invite),
            _ => None,
        };
        // A 2xx that comes again is acknowledged by the endpoint, or waits for the answer that its ACK is to have.
        if !self.awaits(transaction) {
            return;
        }
        match outcome {
            Ok(response) if response.status().is_provisional() => {
                self.invite_progress(cx, initial, response);
            }
            Ok(response) if response.status().is_success() => self.invite_accepted(cx, initial, response),
            outcome => self.invite_refused(cx, initial, outcome),
        }
    }

    fn invite_progress(&mut self, cx: &mut Context<'_>, initial: Option<InviteId>, response: Response) {
        if response.status().code() == 100 || self.state.is_over() {
            return;
        }
        let number = reliable::number(&response);
        let Some(outgoing) = self.outgoing_mut() else {
            return;
        };
        if let Some(number) = number
            && outgoing.received.take(number) != Order::Next
        {
            return;
        }
        let (offered, exchanged, sequence) = (outgoing.offered, outgoing.exchanged, outgoing.sequence);
        self.note_peer(response.headers());
        self.advance(SessionInput::Provisional);
        let found = description(response.headers(), response.body());
        if let Some(invite) = initial {
            cx.tell(SessionEvent::Progress {
                invite,
                session: Some(cx.id),
                response,
            });
        }
        let mut broken = false;
        let mut offer = None;
        match (found, number) {
            (Ok(Some(found)), Some(_)) if offered && !exchanged => {
                broken = !self.answered_with(cx, found, true);
            }
            (Ok(Some(found)), None) if offered && !exchanged => self.preview(cx, found),
            //= https://www.rfc-editor.org/rfc/rfc3262#section-5
            //# If the UAC receives a reliable provisional response with an offer
            //# (this would occur if the UAC sent an INVITE without an offer, in
            //# which case the first reliable provisional response will contain the
            //# offer), it MUST generate an answer in the PRACK.
            (Ok(Some(found)), Some(_)) if !offered && !exchanged => {
                match self.media.take_offer(OfferPlace::Provisional, &found) {
                    Ok(()) => offer = Some(Box::new(found)),
                    Err(_) => broken = true,
                }
            }
            (Err(_), Some(_)) => broken = !exchanged,
            _ => {}
        }
        let Some(number) = number else { return };
        let rack = RAck::new(number, CSeq::new(sequence, Method::Invite));
        let automatic = cx.config.automatic_prack;
        if let Some(outgoing) = self.outgoing_mut() {
            outgoing.exchanged |= offer.is_some();
        }
        match offer {
            Some(offer) => {
                self.owe(cx, Acknowledgement::Prack(rack), Some(offer.clone()));
                cx.tell(SessionEvent::Offer {
                    session: cx.id,
                    place: OfferPlace::Provisional,
                    description: offer,
                });
            }
            None if automatic || broken => self.prack(cx, &rack, None),
            None => self.owe(cx, Acknowledgement::Prack(rack), None),
        }
        if broken {
            self.finish(cx, EndReason::NoAnswer);
        }
    }

    /// The first description that comes is the answer, as far as the media go.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.1
    //# The UAC MUST treat the first session
    //# description it receives as the answer, and MUST ignore any
    //# session descriptions in subsequent responses to the initial
    //# INVITE.
    fn preview(&mut self, cx: &mut Context<'_>, found: sdp::Session) {
        if self.media.fits_offer(&found).is_err() {
            return;
        }
        let Some(outgoing) = self.outgoing_mut() else {
            return;
        };
        if outgoing.preview.is_none() {
            outgoing.preview = Some(Box::new(found.clone()));
            cx.tell(SessionEvent::Answer {
                session: cx.id,
                description: Box::new(found),
                reliable: false,
            });
        }
    }

    /// Takes the answer to the offer of the INVITE; `false` when it cannot be used.
    fn answered_with(&mut self, cx: &mut Context<'_>, found: sdp::Session, tell_always: bool) -> bool {
        let known = self.media.is_known(&found);
        let Some(outgoing) = self.outgoing_mut() else {
            return false;
        };
        let found = outgoing.preview.take().map_or(found, |first| *first);
        outgoing.exchanged = true;
        if self.media.state != Negotiation::Offered(OfferPlace::Invite)
            || self.media.take_answer(&found).is_err()
        {
            return false;
        }
        if tell_always || !known {
            cx.tell(SessionEvent::Answer {
                session: cx.id,
                description: Box::new(found),
                reliable: true,
            });
        }
        true
    }

    fn owe(&mut self, cx: &Context<'_>, what: Acknowledgement, offer: Option<Box<sdp::Session>>) {
        let patience = cx.after(cx.timers.transaction());
        let work = self.work();
        work.answer_by = patience;
        if let Some(outgoing) = &mut work.outgoing {
            outgoing.owed = Some((what, offer));
        }
    }

    fn invite_accepted(&mut self, cx: &mut Context<'_>, initial: Option<InviteId>, response: Response) {
        self.note_peer(response.headers());
        if initial.is_some() {
            // What was readable when the dialog was made is readable now, or stays as it was.
            let _ = self.dialog.confirm(&response);
        } else {
            self.dialog.refresh_target(&response);
        }
        let Some(outgoing) = self.outgoing_mut() else {
            return;
        };
        outgoing.answered = true;
        let (offered, exchanged) = (outgoing.offered, outgoing.exchanged);
        let refreshes = outgoing.change.as_ref().is_some_and(Change::is_refresh);
        let preview = outgoing.preview.take();
        if self.state.is_over() {
            // RFC 5407 figure 1: a 2xx after the BYE is acknowledged.
            return self.ack(cx, None);
        }
        self.timer.accepted(response.headers(), cx.now);
        self.advance(SessionInput::Success);
        let found = description(response.headers(), response.body());
        if let Some(invite) = initial {
            cx.tell(SessionEvent::Accepted {
                invite,
                session: cx.id,
                response,
            });
        } else if refreshes {
            cx.tell(SessionEvent::Refreshed { session: cx.id });
        }
        let found = match (preview, found) {
            (Some(first), _) => Ok(Some(*first)),
            (None, found) => found,
        };
        match (offered, exchanged, found) {
            (_, true, _) => {
                // A PRACK of this end that was never answered leaves its offer behind.
                self.ack(cx, None);
            }
            (true, false, Ok(Some(found))) => {
                let usable = self.answered_with(cx, found, !refreshes);
                self.ack(cx, None);
                if !usable {
                    self.finish(cx, EndReason::NoAnswer);
                }
            }
            //= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.2.4
            //# If
            //# the 2xx contains an offer (based on the rules above), the ACK MUST
            //# carry an answer in its body.
            (false, false, Ok(Some(found)))
                if self.media.take_offer(OfferPlace::Success, &found).is_ok()
                    && self.media.state == Negotiation::Asked(OfferPlace::Success) =>
            {
                self.owe(cx, Acknowledgement::Ack, Some(Box::new(found.clone())));
                cx.tell(SessionEvent::Offer {
                    session: cx.id,
                    place: OfferPlace::Success,
                    description: Box::new(found),
                });
            }
            _ => {
                self.media.reject();
                self.ack(cx, None);
                self.finish(cx, EndReason::NoAnswer);
            }
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.2.4
    //# The UAC core MUST generate an ACK request for each 2xx received from
    //# the transaction layer.
    pub(super) fn ack(&mut self, cx: &mut Context<'_>, text: Option<Bytes>) {
        let Some(outgoing) = self.work().outgoing.take() else {
            return;
        };
        self.work().answer_by = None;
        let mut builder = self.dialog.ack(outgoing.sequence);
        //= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.2.4
        //# The ACK MUST contain the same credentials as the INVITE.
        for (name, value) in &outgoing.credentials {
            let Ok(with) = builder.clone().header(name, value) else {
                continue;
            };
            builder = with;
        }
        if let Some(text) = text {
            builder = builder.body(&ContentType::application_sdp(), text);
        }
        if let (Ok(ack), Some(transaction)) = (builder.build(), outgoing.transaction) {
            cx.out.push(Action::Acknowledge(transaction, ack));
        }
        self.advance(SessionInput::Ack);
    }

    fn invite_refused(
        &mut self,
        cx: &mut Context<'_>,
        initial: Option<InviteId>,
        outcome: Result<Response, Failure>,
    ) {
        let outgoing = self.work().outgoing.take();
        self.work().answer_by = None;
        if self.state.is_over() {
            return;
        }
        self.media.reject();
        if initial.is_some() {
            //= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.2.3
            //# All early dialogs are considered terminated upon reception of the
            //# non-2xx final response.
            self.state = SessionState::Morgue;
            self.timer.stop();
            let reason = match outcome {
                Err(Failure::Ended) => EndReason::NotAccepted,
                _ => EndReason::InviteFailed,
            };
            cx.tell(SessionEvent::Ended {
                session: cx.id,
                reason,
            });
        } else if let Some(change) = outgoing.and_then(|outgoing| outgoing.change) {
            self.change_failed(cx, change, outcome);
        }
    }
}
