//! The end that refers: what becomes of the reference.

use core::time::Duration;
use std::collections::VecDeque;
use std::time::Instant;

use super::sipfrag_status;
use crate::dialog::{Dialog, DialogId};
use crate::error::{BuildError, HeaderError};
use crate::header::{CSeq, Contact, Event, Expires, ReferSub, SubscriptionState, SubscriptionStateValue};
use crate::message::{Request, Response};
use crate::{ByteStr, Method, StatusCode};

/// How far a reference has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssuerState {
    /// The REFER is sent; no final response has come.
    Sent,
    /// It was accepted, and its progress is told in NOTIFYs.
    Following,
    /// Over.
    Finished,
}

/// News of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssuerEvent {
    /// The recipient has taken it on.
    Accepted {
        /// Whether it tells of the progress.
        followed: bool,
    },
    /// The reference has got this provisional response.
    Progress(StatusCode),
    /// The reference has got this final response.
    Finished(StatusCode),
    /// The REFER was refused, or not answered.
    Refused(Option<StatusCode>),
    /// Nothing more is heard of the reference, which may be under way still.
    Lost,
}

/// Follows one REFER.
///
/// The REFER may be inside a dialog: that belongs to its session, so NOTIFYs are to be checked against its sequence by the session, and
/// [`Self::handle_notify`] only reads them. A REFER outside a dialog makes one of its own, which lives here.
#[derive(Clone, Debug)]
pub struct Issuer {
    refer: Request,
    call_id: ByteStr,
    local_tag: ByteStr,
    /// Of a REFER inside a dialog.
    remote_tag: Option<ByteStr>,
    sequence: u32,
    dialog: Option<Dialog>,
    state: IssuerState,
    deadline: Option<Instant>,
    timer_n: Duration,
    events: VecDeque<IssuerEvent>,
}

impl Issuer {
    /// Begins with the REFER that is sent now; `timer_n` is 64*T1, 32 s.
    ///
    /// # Errors
    ///
    /// Fails when the request lacks what it is known by.
    pub fn new(refer: Request, timer_n: Duration, now: Instant) -> Result<Self, HeaderError> {
        let text = |text: Option<&str>| ByteStr::from(text.unwrap_or_default().to_owned());
        let to = refer.to()?;
        Ok(Self {
            call_id: text(Some(refer.call_id()?.as_str())),
            local_tag: text(refer.from()?.tag()),
            remote_tag: to.tag().map(|tag| text(Some(tag))),
            sequence: refer.headers().require::<CSeq>()?.seq,
            refer,
            dialog: None,
            state: IssuerState::Sent,
            deadline: now.checked_add(timer_n),
            timer_n,
            events: VecDeque::new(),
        })
    }

    /// How far it has come.
    pub fn state(&self) -> IssuerState {
        self.state
    }

    /// The dialog that the REFER has made, if it was outside of one.
    pub fn dialog(&self) -> Option<&Dialog> {
        self.dialog.as_ref()
    }

    /// Notes that the REFER went out again with another number, since it was challenged. One that is over stays so.
    pub fn resent(&mut self, refer: Request, now: Instant) {
        if self.state == IssuerState::Finished {
            return;
        }
        if let Ok(Some(cseq)) = refer.headers().get::<CSeq>() {
            self.sequence = cseq.seq;
        }
        self.refer = refer;
        self.deadline = now.checked_add(self.timer_n);
    }

    /// Whether a NOTIFY is about this reference.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3515#section-2.4.6
    //# Thus, for the second and subsequent REFER requests a UA receives in a
    //# given dialog, it MUST include an id parameter[2] in the Event header
    //# field of each NOTIFY containing the sequence number (the number from
    //# the CSeq header field value) of the REFER this NOTIFY is associated
    //# with.
    pub fn is_for_us(&self, notify: &Request) -> bool {
        let Some(id) = DialogId::of_incoming_request(notify) else {
            return false;
        };
        let remote = self.dialog.as_ref().map(|dialog| &dialog.id().remote_tag);
        let remote = remote.or(self.remote_tag.as_ref());
        let dialog = id.call_id == self.call_id
            && id.local_tag == self.local_tag
            && remote.is_none_or(|remote| *remote == id.remote_tag);
        let event = notify.headers().get::<Event>().ok().flatten();
        dialog
            && event.is_some_and(|event| {
                event.package.as_str() == "refer"
                    && event.id().is_none_or(|id| id.parse() == Ok(self.sequence))
            })
    }

    /// Takes the final response to the REFER, or its absence. A 401 or 407 is for the owner to answer, who tells of it with
    /// [`Self::resent`].
    pub fn handle_response(&mut self, response: Option<&Response>, now: Instant) {
        let status = response.map(Response::status);
        if status.is_some_and(|status| status.is_provisional() || matches!(status.code(), 401 | 407)) {
            return;
        }
        match response {
            // It was given up, or a NOTIFY has shown that it was accepted, whatever became of the response.
            _ if self.state != IssuerState::Sent => {}
            Some(response) if response.status().is_success() => self.accepted(response, now),
            _ => {
                self.events.push_back(IssuerEvent::Refused(status));
                self.end();
            }
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc4488#section-4
    //# If the REFER-Issuer inserts the "Refer-Sub" header field set to
    //# "false", but the REFER-Recipient doesn't grant the suggestion (i.e.,
    //# either does not include the "Refer-Sub" header field or includes the
    //# "Refer-Sub" header field set to "true" in the 2xx response), an
    //# implicit subscription is created as in the default case.
    fn accepted(&mut self, response: &Response, now: Instant) {
        let granted = response.headers().get::<ReferSub>();
        let followed = !matches!(granted, Ok(Some(ReferSub(false))));
        self.events.push_back(IssuerEvent::Accepted { followed });
        if !followed {
            self.end();
            return;
        }
        self.state = IssuerState::Following;
        self.deadline = now.checked_add(self.timer_n);
    }

    /// Takes a NOTIFY, which may come before the response to the REFER, and gives the status to answer.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3515#section-2.4.4
    //# Analogous to the case for SUBSCRIBE described in
    //# that document, the agent that issued the REFER MUST be prepared to
    //# receive a NOTIFY before the REFER transaction completes.
    pub fn handle_notify(&mut self, notify: &Request, now: Instant) -> StatusCode {
        if !self.is_for_us(notify) || self.state == IssuerState::Finished {
            return StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        }
        let state = match notify.headers().require::<SubscriptionState>() {
            Ok(state) => state,
            Err(error) => return error.status(),
        };
        if self.remote_tag.is_none() {
            match &mut self.dialog {
                Some(dialog) => {
                    if let Err(error) = dialog.accept_request(notify) {
                        return error.status();
                    }
                }
                None => match Dialog::from_notify(&self.refer, notify) {
                    Ok(dialog) => self.dialog = Some(dialog),
                    Err(_) => return StatusCode::BAD_REQUEST,
                },
            }
        }
        if self.state == IssuerState::Sent {
            self.events.push_back(IssuerEvent::Accepted { followed: true });
            self.state = IssuerState::Following;
        }
        let status = sipfrag_status(notify.body());
        match status {
            Some(status) if status.is_final() => {
                self.events.push_back(IssuerEvent::Finished(status));
                self.end();
                return StatusCode::OK;
            }
            Some(status) => self.events.push_back(IssuerEvent::Progress(status)),
            None => {}
        }
        if state.state == SubscriptionStateValue::Terminated {
            self.events.push_back(IssuerEvent::Lost);
            self.end();
        } else {
            let seconds = state.expires().unwrap_or(DEFAULT_EXPIRES);
            self.deadline = now.checked_add(Duration::from_secs(u64::from(seconds)));
        }
        StatusCode::OK
    }

    /// Makes the SUBSCRIBE that asks to be told no more, or longer: in the dialog of the session, or else in its own.
    ///
    /// # Errors
    ///
    /// Fails when there is no dialog yet.
    pub fn subscribe(&mut self, session: Option<&mut Dialog>, expires: u32) -> Result<Request, BuildError> {
        let missing = BuildError::Missing(crate::header::HeaderName::TO);
        let dialog = session.or(self.dialog.as_mut()).ok_or(missing)?;
        let mut event = Event::new("refer");
        // The id is known to fit, and the peer expects it from the second REFER on.
        let _ = event.params.set("id", Some(&self.sequence.to_string()));
        let mut builder = dialog
            .request(Method::Subscribe)
            .header_typed(&event)
            .header_typed(&Expires(expires));
        if let Ok(Some(contact)) = self.refer.headers().get::<Contact>() {
            builder = builder.contact(&contact);
        }
        builder.build()
    }

    /// Gives up what has taken too long. A call that comes early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_some_and(|at| at <= now) {
            self.events.push_back(IssuerEvent::Lost);
            self.end();
        }
    }

    /// When [`Self::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// Gives the next piece of news.
    pub fn poll_event(&mut self) -> Option<IssuerEvent> {
        self.events.pop_front()
    }

    /// Whether it is over and told.
    pub fn is_drained(&self) -> bool {
        self.state == IssuerState::Finished && self.events.is_empty()
    }

    fn end(&mut self) {
        self.state = IssuerState::Finished;
        self.deadline = None;
    }
}

/// How long a subscription lasts whose NOTIFY doesn't say: what `refer` takes where nothing is said, in seconds.
const DEFAULT_EXPIRES: u32 = 180;
