//! What an INVITE of the peer meets with after it came: ACK, PRACK, CANCEL, and the time that passes.

use std::time::Instant;

use super::offer_answer::{Negotiation, OfferPlace, description};
use super::reliable::{Due, Reliability};
use super::{Context, EndReason, Session, SessionEvent, SessionInput, SessionState};
use crate::StatusCode;
use crate::endpoint::ServerTransaction;
use crate::header::{HeaderName, RAck};
use crate::message::Request;

impl Session {
    /// Takes an ACK for a 2xx of this end.
    pub(crate) fn acknowledged(
        &mut self,
        cx: &mut Context<'_>,
        transaction: ServerTransaction,
        ack: &Request,
    ) {
        let work = self.work();
        let before = work.unacknowledged.len();
        work.unacknowledged.retain(|known| *known != transaction);
        if work.unacknowledged.len() == before || self.state.is_over() {
            return;
        }
        self.work().late_prack = None;
        let first = self.state == SessionState::Moratorium;
        self.advance(SessionInput::Ack);
        if first {
            cx.tell(SessionEvent::Acknowledged { session: cx.id });
        }
        if self.media.state == Negotiation::Offered(OfferPlace::Success) {
            match description(ack.headers(), ack.body()) {
                Ok(Some(found)) if self.media.take_answer(&found).is_ok() => {
                    cx.tell(SessionEvent::Answer {
                        session: cx.id,
                        description: Box::new(found),
                        reliable: true,
                    });
                }
                _ => {
                    self.media.reject();
                    return self.finish(cx, EndReason::NoAnswer);
                }
            }
        }
        self.bye_if_wanted(cx);
    }

    /// No ACK has come.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.3.1.4
    //# If the server retransmits the 2xx response for 64*T1 seconds without
    //# receiving an ACK, the dialog is confirmed, but the session SHOULD be
    //# terminated.
    pub(crate) fn ack_missing(&mut self, cx: &mut Context<'_>, transaction: ServerTransaction) {
        self.work().unacknowledged.retain(|known| *known != transaction);
        if !self.state.is_over() {
            self.advance(SessionInput::Ack);
            let reason = self.work().bye.take().unwrap_or(EndReason::NoAck);
            self.finish(cx, reason);
        }
    }

    /// A CANCEL has come for the INVITE.
    //= https://www.rfc-editor.org/rfc/rfc3261#section-9.2
    //# If the original request was an INVITE, the UAS
    //# SHOULD immediately respond to the INVITE with a 487 (Request
    //# Terminated).
    pub(crate) fn cancelled(&mut self, cx: &mut Context<'_>, transaction: ServerTransaction) {
        if self
            .incoming()
            .is_none_or(|incoming| incoming.transaction != transaction)
        {
            return;
        }
        let initial = self.is_initial();
        self.refuse(cx, StatusCode::REQUEST_TERMINATED, EndReason::Cancelled);
        if !initial {
            cx.tell(SessionEvent::Withdrawn { session: cx.id });
        }
    }

    /// A response cannot be delivered any more; `false` when it is one that the application owes.
    pub(crate) fn unreachable(&mut self, cx: &mut Context<'_>, transaction: ServerTransaction) -> bool {
        if self
            .incoming()
            .is_some_and(|incoming| incoming.transaction == transaction)
        {
            self.invite_over(cx, EndReason::TimedOut);
            return true;
        }
        let work = self.work();
        let owed = work.owed.as_ref();
        if owed.is_some_and(|owed| owed.transaction == transaction) {
            work.owed = None;
            work.answer_by = None;
            self.media.reject();
            return true;
        }
        false
    }

    /// What a PRACK acknowledges: `false` when it is nothing.
    pub(super) fn take_rack(&mut self, rack: &RAck) -> bool {
        let work = self.work();
        if let Some(incoming) = &mut work.incoming
            && incoming.sent.acknowledge(rack, incoming.sequence)
        {
            return true;
        }
        match &mut work.late_prack {
            Some((sequence, sent)) => sent.acknowledge(rack, *sequence),
            None => false,
        }
    }

    /// A PRACK is answered: what waited for it may go.
    pub(super) fn after_prack(&mut self, cx: &mut Context<'_>) {
        if let Some(next) = self
            .incoming_mut()
            .and_then(|incoming| incoming.sent.next_waiting())
        {
            self.send_provisional(cx, next, true);
        }
        let held = match self.incoming_mut() {
            Some(incoming) if !incoming.holds_back() => incoming.held.take(),
            _ => None,
        };
        if let Some(held) = held {
            // It was found fit when it was held back.
            let _ = self.accept(cx, *held);
        }
    }

    pub(super) fn invited_timeout(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        loop {
            let Some(incoming) = self.incoming_mut() else {
                return;
            };
            let transaction = incoming.transaction;
            match incoming.sent.handle_timeout(now) {
                Some(Due::Repeat(response)) => cx.respond(transaction, *response),
                //= https://www.rfc-editor.org/rfc/rfc3262#section-3
                //# If a reliable provisional response is retransmitted for 64*T1 seconds
                //# without reception of a corresponding PRACK, the UAS SHOULD reject the
                //# original request with a 5xx response.
                Some(Due::GiveUp) => {
                    self.refuse(cx, StatusCode::SERVER_TIMEOUT, EndReason::NoPrack);
                }
                None => break,
            }
        }
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let Some(incoming) = self.incoming() else { return };
        if due(incoming.expires_at) {
            self.refuse(cx, StatusCode::REQUEST_TERMINATED, EndReason::InvitationExpired);
        } else if due(incoming.repeat_at) {
            self.extend(cx);
        }
    }

    /// Says again that the INVITE is being worked on.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-13.3.1.1
    //# To prevent cancellation, the UAS MUST send a non-100
    //# provisional response at every minute, to handle the possibility of
    //# lost provisional responses.
    fn extend(&mut self, cx: &mut Context<'_>) {
        let Some(incoming) = self.incoming_mut() else {
            return;
        };
        incoming.repeat_at = None;
        let reliable = incoming.reliability == Reliability::Required;
        if let Some(latest) = incoming.latest.clone() {
            // One after the other, so that a silent peer is not sent more and more of them.
            if !reliable || incoming.sent.len() == 0 {
                let mut response = *latest;
                if !reliable {
                    response.headers_mut().remove(&HeaderName::REQUIRE);
                }
                self.send_provisional(cx, response, reliable);
            }
        }
    }
}
