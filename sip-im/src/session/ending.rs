//! BYE (RFC 3261 section 15), and what is left of a session then.

use super::{
    Context, EndReason, Failure, Purpose, Session, SessionError, SessionEvent, SessionInput, SessionState,
    Side, ends_dialog,
};
use crate::endpoint::ServerTransaction;
use crate::header::Reason;
use crate::message::{Request, Response};
use crate::{Method, StatusCode};

impl Session {
    /// Ends the session as the application wants: with a BYE, for the callee not before the ACK.
    pub(crate) fn end(&mut self, cx: &mut Context<'_>, reason: Option<&Reason>) -> Result<(), SessionError> {
        let early_callee = self.side == Side::Callee && !self.state.is_confirmed();
        if self.state.is_over() || early_callee || self.state == SessionState::Preparative {
            return Err(SessionError::State);
        }
        self.leave(cx, EndReason::ByeSent, reason);
        Ok(())
    }

    /// Ends the session from this end, by what is allowed in its state.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-15
    //# However, the callee's UA MUST NOT send a BYE on a confirmed dialog
    //# until it has received an ACK for its 2xx response or until the server
    //# transaction times out.
    pub(super) fn finish(&mut self, cx: &mut Context<'_>, reason: EndReason) {
        self.leave(cx, reason, None);
    }

    fn leave(&mut self, cx: &mut Context<'_>, reason: EndReason, why: Option<&Reason>) {
        if self.state.is_over() {
            return;
        }
        if self.side == Side::Callee && !self.state.is_confirmed() {
            let status = match reason {
                EndReason::NoAnswer => StatusCode::NOT_ACCEPTABLE_HERE,
                _ => StatusCode::SERVER_INTERNAL_ERROR,
            };
            return self.refuse(cx, status, reason);
        }
        if self
            .work
            .as_ref()
            .is_some_and(|work| !work.unacknowledged.is_empty())
        {
            self.work().bye = Some(reason);
            return;
        }
        self.refuse_in_ack(cx);
        self.refuse_pending(cx);
        let mut builder = self.request(Method::Bye, cx.config);
        if let Some(why) = why {
            builder = builder.header_typed(why);
        }
        self.advance(SessionInput::ByeSent);
        self.stop();
        if let Ok(request) = builder.build() {
            self.send(cx, Purpose::Bye, request);
        } else {
            self.state = SessionState::Morgue;
        }
        //= https://www.rfc-editor.org/rfc/rfc3261#section-15.1.1
        //# The UAC MUST
        //# consider the session terminated (and therefore stop sending or
        //# listening for media) as soon as the BYE request is passed to the
        //# client transaction.
        cx.tell(SessionEvent::Ended {
            session: cx.id,
            reason,
        });
    }

    /// Sends the BYE that has waited for the ACK.
    pub(super) fn bye_if_wanted(&mut self, cx: &mut Context<'_>) {
        if let Some(reason) = self.work().bye.take() {
            self.finish(cx, reason);
        }
    }

    fn stop(&mut self) {
        self.timer.stop();
        let work = self.work();
        work.retry = None;
        work.bye = None;
        work.answer_by = None;
        work.late_prack = None;
    }

    /// Refuses the requests of the peer that have no response yet.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-15.1.2
    //# The UAS MUST still respond to any pending requests received for that
    //# dialog.  It is RECOMMENDED that a 487 (Request Terminated) response
    //# be generated to those pending requests.
    fn refuse_pending(&mut self, cx: &mut Context<'_>) {
        self.refuse(cx, StatusCode::REQUEST_TERMINATED, EndReason::Cancelled);
        let _ = self.refuse_owed(cx);
    }

    fn refuse_owed(&mut self, cx: &mut Context<'_>) -> Result<(), SessionError> {
        if self.work().owed.is_some() {
            self.refuse_offer(cx, StatusCode::REQUEST_TERMINATED)?;
        }
        Ok(())
    }

    /// Takes a BYE.
    pub(super) fn bye_received(
        &mut self,
        cx: &mut Context<'_>,
        transaction: ServerTransaction,
        request: Request,
    ) {
        if let Ok(response) = request.response(StatusCode::OK).build() {
            cx.respond(transaction, response);
        }
        let _ = self.refuse_owed(cx);
        // The figure has no arrow for a BYE that the caller's early dialog gets, since the callee must not send one; it ends the
        // dialog all the same.
        self.advance(SessionInput::ByeReceived);
        self.state = SessionState::Mortal;
        if let Some(incoming) = self.incoming() {
            let waiting = incoming.transaction;
            if let Ok(response) = incoming.terminated(self.dialog.id()) {
                cx.respond(waiting, response);
            }
        }
        self.stop();
        let linger = cx.after(cx.timers.transaction());
        let work = self.work();
        work.incoming = None;
        work.linger = linger;
        cx.tell(SessionEvent::Ended {
            session: cx.id,
            reason: EndReason::ByeReceived(Box::new(request)),
        });
    }

    /// The transaction of a BYE has ended, one way or the other.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-15.1.1
    //# If the response for the BYE is a 481
    //# (Call/Transaction Does Not Exist) or a 408 (Request Timeout) or no
    //# response at all is received for the BYE (that is, a timeout is
    //# returned by the client transaction), the UAC MUST consider the
    //# session and the dialog terminated.
    pub(super) fn bye_answered(&mut self) {
        self.advance(SessionInput::Timeout);
    }

    /// A request of the application has its final response.
    pub(super) fn other_answered(&mut self, cx: &mut Context<'_>, outcome: &Result<Response, Failure>) {
        match outcome {
            Ok(response) if ends_dialog(response.status()) => {
                self.finish(cx, EndReason::Gone(response.status()));
            }
            Err(Failure::TimedOut) => self.finish(cx, EndReason::TimedOut),
            Ok(_) | Err(_) => {}
        }
    }
}
