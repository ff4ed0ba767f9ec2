//! Re-INVITE and UPDATE of this end (RFC 3261 section 14.1, RFC 3311), and when they are made again.

use core::time::Duration;
use std::time::Instant;

use bytes::Bytes;

use super::offer_answer::{OfferPlace, description};
use super::{
    Context, EndReason, Failure, Outgoing, Purpose, Session, SessionError, SessionEvent, SessionState, Side,
    ends_dialog,
};
use crate::header::RetryAfter;
use crate::message::Response;
use crate::{ContentType, Method, sdp};

/// What a request is to change.
#[derive(Clone, Debug)]
enum Kind {
    /// The session, to this.
    Offer(Bytes),
    /// The session, to what the peer offers.
    Solicit,
    /// Nothing: it says that this end is there.
    Refresh,
}

/// A change of the session that this end wants.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    kind: Kind,
    by_update: bool,
    /// How often it was tried.
    tries: u8,
}

impl Change {
    pub(super) fn is_refresh(&self) -> bool {
        matches!(self.kind, Kind::Refresh)
    }
}

/// An UPDATE under way.
#[derive(Debug)]
pub(super) struct Updating {
    change: Change,
}

/// A change that is to be made again.
#[derive(Debug)]
pub(super) struct Retry {
    pub(super) at: Option<Instant>,
    change: Change,
}

impl Session {
    /// Offers: with UPDATE before the session is established or where that is asked for, with a re-INVITE otherwise.
    pub(crate) fn offer(
        &mut self,
        cx: &mut Context<'_>,
        offer: &sdp::Session,
        by_update: bool,
    ) -> Result<(), SessionError> {
        let change = Change {
            kind: Kind::Offer(self.media.fit(offer)?),
            by_update: by_update || !self.state.is_confirmed(),
            tries: 0,
        };
        self.make_new(cx, change)
    }

    /// Asks the peer for an offer, with a re-INVITE that has none.
    pub(crate) fn solicit(&mut self, cx: &mut Context<'_>) -> Result<(), SessionError> {
        let change = Change {
            kind: Kind::Solicit,
            by_update: false,
            tries: 0,
        };
        self.make_new(cx, change)
    }

    /// Refreshes the session.
    pub(crate) fn refresh(&mut self, cx: &mut Context<'_>) -> Result<(), SessionError> {
        let change = self.refreshing();
        self.make_new(cx, change)
    }

    //= https://www.rfc-editor.org/rfc/rfc4028#section-7.4
    //# If a UAC knows that its peer supports the UPDATE method, it is
    //# RECOMMENDED that UPDATE be used instead of a re-INVITE.
    fn refreshing(&self) -> Change {
        Change {
            kind: Kind::Refresh,
            by_update: self.peer_updates,
            tries: 0,
        }
    }

    pub(super) fn refresh_due(&mut self, cx: &mut Context<'_>) {
        self.timer.refreshing();
        let change = self.refreshing();
        if self.make_new(cx, change).is_err() {
            self.timer.postpone(cx.now);
        }
    }

    fn make_new(&mut self, cx: &mut Context<'_>, change: Change) -> Result<(), SessionError> {
        if self.work.as_ref().is_some_and(|work| work.retry.is_some()) {
            return Err(SessionError::Pending);
        }
        self.check(&change)?;
        self.make(cx, change)
    }

    /// Whether a change may be made now.
    fn check(&self, change: &Change) -> Result<(), SessionError> {
        let work = self.work.as_deref();
        if self.state.is_over()
            || self.state == SessionState::Preparative
            || work.is_some_and(|work| work.bye.is_some())
        {
            return Err(SessionError::State);
        }
        let incoming = work.and_then(|work| work.incoming.as_ref());
        let inviting = incoming.is_some() || work.is_some_and(|work| work.outgoing.is_some());
        if work.is_some_and(|work| work.updating.is_some() || work.owed.is_some()) {
            return Err(SessionError::Pending);
        }
        if !change.by_update {
            if self.state != SessionState::Established {
                return Err(SessionError::State);
            }
            //= https://www.rfc-editor.org/rfc/rfc3261#section-14.1
            //# Note that a UAC MUST NOT initiate a new INVITE transaction within a
            //# dialog while another INVITE transaction is in progress in either
            //# direction.
            let unacknowledged = work.is_some_and(|work| !work.unacknowledged.is_empty());
            if inviting || unacknowledged || !self.media.is_idle() {
                return Err(SessionError::Pending);
            }
            return Ok(());
        }
        if !self.peer_updates {
            return Err(SessionError::NoUpdate);
        }
        if !matches!(change.kind, Kind::Offer(_)) {
            return Ok(());
        }
        //= https://www.rfc-editor.org/rfc/rfc3311#section-5.1
        //# If the UPDATE is being sent after the completion of the initial
        //# INVITE transaction, it cannot contain an offer if the caller
        //# has generated or received offers in a re-INVITE or UPDATE which
        //# have not been answered.
        if !self.media.is_idle() || (self.state.is_confirmed() && inviting) {
            return Err(SessionError::Pending);
        }
        //= https://www.rfc-editor.org/rfc/rfc3311#section-5.1
        //# If the UPDATE is being sent before the completion of the INVITE
        //# transaction, and the initial INVITE contained an offer, the
        //# UPDATE cannot be sent with an offer unless the callee has
        //# generated an answer in a reliable provisional response, has
        //# received a PRACK for that reliable provisional response, has
        //# not received any requests (PRACK or UPDATE) with offers that it
        //# has not answered, and has not sent any UPDATE requests
        //# containing offers that have not been answered.
        let unheard = incoming.is_some_and(super::Incoming::holds_back);
        if self.state == SessionState::Early && (!self.media.is_agreed() || unheard) {
            return Err(SessionError::Pending);
        }
        Ok(())
    }

    fn make(&mut self, cx: &mut Context<'_>, change: Change) -> Result<(), SessionError> {
        let (method, place) = if change.by_update {
            (Method::Update, OfferPlace::Update)
        } else {
            (Method::Invite, OfferPlace::Invite)
        };
        let mut change = change;
        let text = match &mut change.kind {
            Kind::Offer(text) => {
                // The session may have changed since it was wished for.
                *text = self
                    .media
                    .fit(&sdp::Session::parse(text).map_err(super::DescriptionError::from)?)?;
                Some(text.clone())
            }
            Kind::Refresh if !change.by_update => self.media.local.clone(),
            Kind::Refresh | Kind::Solicit => None,
        };
        let mut builder = self.request(method, cx.config);
        builder = self.timer.ask(builder, &cx.config.timer);
        if let Some(text) = &text {
            builder = builder.body(&ContentType::application_sdp(), text.clone());
        }
        let request = builder.build()?;
        let offered = text.is_some();
        if let Some(text) = text {
            self.media.offer(place, text)?;
        }
        if change.by_update {
            self.work().updating = Some(Updating { change });
            self.send(cx, Purpose::Update, request);
        } else {
            self.work().outgoing = Some(Outgoing::new(&request, offered, Some(change)));
            self.send(cx, Purpose::Reinvite, request);
        }
        Ok(())
    }

    pub(super) fn update_answered(&mut self, cx: &mut Context<'_>, outcome: Result<Response, Failure>) {
        let Some(Updating { change }) = self.work().updating.take() else {
            return;
        };
        if self.state.is_over() {
            return;
        }
        let offered = matches!(change.kind, Kind::Offer(_));
        let response = match outcome {
            Ok(response) if response.status().is_success() => response,
            outcome => {
                //= https://www.rfc-editor.org/rfc/rfc3311#section-5.3
                //# If a UA receives a non-2xx final response to a UPDATE, the session
                //# parameters MUST remain unchanged, as if no UPDATE had been issued.
                if offered {
                    self.media.reject();
                }
                return self.change_failed(cx, change, outcome);
            }
        };
        self.note_peer(response.headers());
        self.dialog.refresh_target(&response);
        self.timer.accepted(response.headers(), cx.now);
        if !offered {
            return cx.tell(SessionEvent::Refreshed { session: cx.id });
        }
        match description(response.headers(), response.body()) {
            Ok(Some(found)) if self.media.take_answer(&found).is_ok() => cx.tell(SessionEvent::Answer {
                session: cx.id,
                description: Box::new(found),
                reliable: true,
            }),
            _ => {
                self.media.reject();
                cx.tell(SessionEvent::OfferFailed {
                    session: cx.id,
                    failure: Failure::Description,
                });
            }
        }
    }

    /// A re-INVITE or UPDATE was refused or got lost.
    pub(super) fn change_failed(
        &mut self,
        cx: &mut Context<'_>,
        change: Change,
        outcome: Result<Response, Failure>,
    ) {
        let failure = match outcome {
            Ok(response) if ends_dialog(response.status()) => {
                return self.finish(cx, EndReason::Gone(response.status()));
            }
            //= https://www.rfc-editor.org/rfc/rfc3261#section-14.1
            //# Note that, as stated in Section 12.2.1.2, if the non-2xx final
            //# response is a 481 (Call/Transaction Does Not Exist), or a 408
            //# (Request Timeout), or no response at all is received for the re-
            //# INVITE (that is, a timeout is returned by the INVITE client
            //# transaction), the UAC will terminate the dialog.
            Err(Failure::TimedOut) => return self.finish(cx, EndReason::TimedOut),
            Ok(response) => Failure::Response(Box::new(response)),
            Err(failure) => failure,
        };
        let mut change = change;
        let wait = match &failure {
            Failure::Response(response) => self.wait(cx, &mut change, response),
            _ => None,
        };
        if let Some(wait) = wait
            && change.tries < cx.config.max_retries
        {
            change.tries = change.tries.saturating_add(1);
            let at = cx.after(wait);
            self.work().retry = Some(Retry { at, change });
        } else {
            self.give_up(cx, &change, failure);
        }
    }

    fn give_up(&mut self, cx: &mut Context<'_>, change: &Change, failure: Failure) {
        if change.is_refresh() {
            self.timer.postpone(cx.now);
        }
        cx.tell(SessionEvent::OfferFailed {
            session: cx.id,
            failure,
        });
    }

    /// How long to wait before a change is made again, if there is any use in that.
    fn wait(&mut self, cx: &mut Context<'_>, change: &mut Change, response: &Response) -> Option<Duration> {
        match response.status().code() {
            491 => Some(self.glare_wait(cx)),
            500 => {
                let after = response.headers().get::<RetryAfter>().ok().flatten()?;
                (after.seconds <= LONGEST_WAIT).then(|| Duration::from_secs(u64::from(after.seconds)))
            }
            422 => self.timer.too_small(response.headers()).then_some(Duration::ZERO),
            // The peer has said that it takes UPDATE, and it doesn't: a re-INVITE does the same.
            405 | 501 if change.by_update && self.state == SessionState::Established => {
                self.peer_updates = false;
                change.by_update = false;
                Some(Duration::ZERO)
            }
            _ => None,
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc3261#section-14.1
    //# 1. If the UAC is the owner of the Call-ID of the dialog ID
    //# (meaning it generated the value), T has a randomly chosen value
    //# between 2.1 and 4 seconds in units of 10 ms.
    //= https://www.rfc-editor.org/rfc/rfc3261#section-14.1
    //# 2. If the UAC is not the owner of the Call-ID of the dialog ID, T
    //# has a randomly chosen value of between 0 and 2 seconds in units
    //# of 10 ms.
    fn glare_wait(&self, cx: &mut Context<'_>) -> Duration {
        let units = match self.side {
            Side::Caller => cx.between(210, 400),
            Side::Callee => cx.between(0, 200),
        };
        Duration::from_millis(u64::from(units).saturating_mul(10))
    }

    /// Makes a change again.
    pub(super) fn try_again(&mut self, cx: &mut Context<'_>) {
        let Some(Retry { change, .. }) = self.work().retry.take() else {
            return;
        };
        match self.check(&change) {
            Ok(()) => {
                let wanted = change.clone();
                if self.make(cx, change).is_err() {
                    self.give_up(cx, &wanted, Failure::Description);
                }
            }
            Err(SessionError::Pending) if change.tries < cx.config.max_retries => {
                let wait = self.glare_wait(cx).max(Duration::from_millis(10));
                let at = cx.after(wait);
                let tries = change.tries.saturating_add(1);
                self.work().retry = Some(Retry {
                    at,
                    change: Change { tries, ..change },
                });
            }
            Err(_) => self.give_up(cx, &change, Failure::Ended),
        }
    }
}

/// A peer that asks for more patience than RFC 3261 section 14.2 has for glare, in seconds, is not in a glare.
const LONGEST_WAIT: u32 = 10;
