//! PRACK, and what the application puts into it or into the ACK (RFC 3262 sections 4 and 5).

use bytes::Bytes;

use super::inviting::Acknowledgement;
use super::offer_answer::{OfferPlace, description, refusal};
use super::{Context, EndReason, Failure, Purpose, Session, SessionError, SessionEvent, ends_dialog};
use crate::header::RAck;
use crate::message::Response;
use crate::{ContentType, Method, sdp};

impl Session {
    //= https://www.rfc-editor.org/rfc/rfc3262#section-4
    //# Assuming the response is to be transmitted reliably, the UAC MUST
    //# create a new request with method PRACK.
    pub(super) fn prack(&mut self, cx: &mut Context<'_>, rack: &RAck, text: Option<Bytes>) {
        let mut builder = self.request(Method::Prack, cx.config).header_typed(rack);
        if let Some(text) = text {
            builder = builder.body(&ContentType::application_sdp(), text);
        }
        if let Ok(request) = builder.build() {
            self.send(cx, Purpose::Prack, request);
        }
    }

    /// Acknowledges a provisional response that was left to the application, with an offer or without.
    pub(crate) fn acknowledge_progress(
        &mut self,
        cx: &mut Context<'_>,
        offer: Option<&sdp::Session>,
    ) -> Result<(), SessionError> {
        let outgoing = self.outgoing().ok_or(SessionError::State)?;
        let Some((Acknowledgement::Prack(rack), None)) = &outgoing.owed else {
            return Err(SessionError::State);
        };
        let rack = rack.clone();
        let text = match offer {
            //= https://www.rfc-editor.org/rfc/rfc3262#section-5
            //# If the UAC receives
            //# a reliable provisional response with an answer, it MAY generate an
            //# additional offer in the PRACK.
            Some(offer) if self.media.is_idle() && self.media.is_agreed() => Some(self.media.fit(offer)?),
            Some(_) => return Err(SessionError::Pending),
            None => None,
        };
        if let Some(text) = &text {
            self.media.offer(OfferPlace::Prack, text.clone())?;
            self.work().offering_prack = true;
        }
        self.settled();
        self.prack(cx, &rack, text);
        Ok(())
    }

    fn settled(&mut self) {
        let work = self.work();
        work.answer_by = None;
        if let Some(outgoing) = &mut work.outgoing {
            outgoing.owed = None;
        }
    }

    pub(super) fn prack_answered(&mut self, cx: &mut Context<'_>, outcome: Result<Response, Failure>) {
        let offering = core::mem::take(&mut self.work().offering_prack);
        if self.state.is_over() {
            return;
        }
        let failure = match outcome {
            Ok(response) if response.status().is_success() => {
                if !offering {
                    return;
                }
                match description(response.headers(), response.body()) {
                    Ok(Some(found)) if self.media.take_answer(&found).is_ok() => {
                        cx.tell(SessionEvent::Answer {
                            session: cx.id,
                            description: Box::new(found),
                            reliable: true,
                        });
                        return;
                    }
                    _ => Failure::Description,
                }
            }
            Ok(response) if ends_dialog(response.status()) => {
                return self.finish(cx, EndReason::Gone(response.status()));
            }
            Ok(response) => Failure::Response(Box::new(response)),
            Err(Failure::TimedOut) => return self.finish(cx, EndReason::TimedOut),
            Err(failure) => failure,
        };
        if offering {
            self.media.reject();
            cx.tell(SessionEvent::OfferFailed {
                session: cx.id,
                failure,
            });
        }
    }

    /// Answers the offer in a provisional response or in a 2xx.
    pub(super) fn answer_in_acknowledgement(
        &mut self,
        cx: &mut Context<'_>,
        answer: &sdp::Session,
    ) -> Result<(), SessionError> {
        self.media.fits_offer(answer)?;
        let text = self.media.fit(answer)?;
        let Some(outgoing) = self.outgoing_mut() else {
            return Err(SessionError::State);
        };
        let Some((what, Some(_))) = outgoing.owed.take() else {
            return Err(SessionError::State);
        };
        outgoing.exchanged = true;
        self.settled();
        self.media.answer(text.clone());
        match what {
            Acknowledgement::Prack(rack) => self.prack(cx, &rack, Some(text)),
            Acknowledgement::Ack => self.ack(cx, Some(text)),
        }
        Ok(())
    }

    /// Gives the ACK that is owed, with an answer that takes nothing, since the session is about to end.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.2.2.4
    //# If the offer in the 2xx response is not
    //# acceptable, the UAC core MUST generate a valid answer in the ACK and
    //# then send a BYE immediately.
    pub(super) fn refuse_in_ack(&mut self, cx: &mut Context<'_>) {
        let Some(outgoing) = self.outgoing_mut() else {
            return;
        };
        if !outgoing.owes_ack() {
            return;
        }
        if let Some((_, Some(offer))) = outgoing.owed.take() {
            self.media.reject();
            self.ack(cx, Some(refusal(&offer).write()));
        }
    }
}
