//! Sessions (RFC 3261 sections 13 to 15): what an INVITE makes, from its first message to its last.
//!
//! A session is one dialog with the INVITE usage in it: its state (figures 1 and 2 of RFC 5407), the offer or answer that is owed
//! (RFC 3264), the provisional responses to be acknowledged (RFC 3262), the timer that ends it when nothing is heard (RFC 4028), and
//! the requests under way. An [`Endpoint`](crate::endpoint::Endpoint) owns its sessions: `invite` and `take_invite` begin them,
//! requests and responses within their dialogs reach them instead of the host, and what they have to tell comes as
//! [`SessionEvent`]s. A host that keeps its dialogs itself begins none, and notices nothing of all this.
//!
//! | file | what |
//! |---|---|
//! | `figure` | the states |
//! | `offer_answer` | whose turn it is to describe |
//! | `reliable` | provisional responses that are acknowledged |
//! | `refresh` | the session timer; usable alone |
//! | `inviting`, `acknowledging` | an INVITE of this end: its responses, PRACK, ACK |
//! | `invited`, `acknowledged` | an INVITE of the peer: its responses, PRACK, ACK, CANCEL |
//! | `change` | re-INVITE and UPDATE of this end, and when they are made again |
//! | `within` | requests of the peer within the dialog |
//! | `ending` | BYE, and what is left then |
//! | `replaces` | dialogs that Replaces and Join name (RFC 3891, RFC 3911) |
//! | `snapshot` | a session as a value |
//!
//! ```
//! use std::time::Instant;
//! use sip_im::endpoint::{Config, Endpoint, Event, Input, Transmit};
//! use sip_im::header::Contact;
//! use sip_im::sdp::{self, LocalMedia, Setup};
//! use sip_im::session::{Reply, SessionEvent};
//! use sip_im::{FlowId, StatusCode, Transport, Uri};
//!
//! let mut endpoint = Endpoint::new(Config::default(), Box::new(|octets: &mut [u8]| octets.fill(7)));
//! let (now, flow) = (Instant::now(), FlowId(1));
//! let (local, remote) = ("192.0.2.2:5060".parse()?, "192.0.2.1:5060".parse()?);
//! endpoint.handle_input(
//!     Input::Opened { flow, transport: Transport::Udp, local, remote, open: None, trusted: false },
//!     now,
//! );
//! let offer = sdp::offer(&LocalMedia::new(msrp::Uri::parse("msrp://192.0.2.1:9/a1;tcp")?));
//! let data = format!(
//!     "INVITE sip:bob@b.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
//!      From: <sip:alice@a.test>;tag=1\r\nTo: <sip:bob@b.test>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
//!      Contact: <sip:alice@192.0.2.1>\r\nSupported: timer\r\nContent-Type: application/sdp\r\n\r\n{offer}"
//! );
//! endpoint.handle_input(Input::Received { flow, data: data.into() }, now);
//!
//! let mut ours = LocalMedia::new(msrp::Uri::parse("msrp://192.0.2.2:2855/b1;tcp")?);
//! ours.setup = Some(Setup::Passive);
//! while let Some(event) = endpoint.poll_event() {
//!     match event {
//!         Event::RequestReceived { transaction, request, .. } => {
//!             let contact = Contact::new(Uri::parse("sip:bob@192.0.2.2")?);
//!             endpoint.take_invite(transaction, &request, &contact, now)?;
//!         }
//!         Event::Session(SessionEvent::Offer { session, description, .. }) => {
//!             let answer = sdp::answer(&description, &ours)?;
//!             endpoint.answer_invite(session, Reply::with(StatusCode::OK, answer.session), now)?;
//!         }
//!         _ => {}
//!     }
//! }
//! let Some(Transmit::Send { data, .. }) = endpoint.poll_transmit(now) else { return Err("nothing to send".into()) };
//! assert!(data.starts_with(b"SIP/2.0 200 OK\r\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What the machine decides by itself: when a request may be made, what glares, what is made again and when, what ends a session.
//! What is left to the application: whether to accept, with which description, and which of several sessions to keep.

mod acknowledged;
mod acknowledging;
mod change;
mod ending;
mod event;
mod figure;
mod invited;
mod inviting;
mod offer_answer;
mod refresh;
mod reliable;
mod replaces;
mod snapshot;
mod within;

use core::time::Duration;
use std::time::Instant;

use crate::dialog::Dialog;
use crate::endpoint::{ClientTransaction, ServerTransaction, Target};
use crate::header::{Allow, Headers, Require, Supported};
use crate::message::{Request, RequestBuilder, Response};
use crate::transaction::Timers;
use crate::{ByteStr, Entropy, Method, StatusCode};

pub use event::{EndReason, Failure, InviteId, InviteRefused, Reply, SessionError, SessionEvent, SessionId};
pub use figure::{SessionInput, SessionState, Side};
pub use offer_answer::{DescriptionError, Negotiation, NegotiationInput, OfferPlace};
pub use refresh::{Granted, IntervalTooSmall, SHORTEST_INTERVAL, SessionTimer, TimerConfig, refresher};
pub use reliable::Reliability;
pub use replaces::Matched;
pub use snapshot::SessionSnapshot;

pub(crate) use replaces::{joined, replaced};

use change::Change;
pub(crate) use invited::Incoming;
pub(crate) use inviting::Outgoing;
pub(crate) use offer_answer::{OfferAnswer, description};

use change::{Retry, Updating};
use refresh::TIMER;
use reliable::REL100;
use within::Owed;

/// What an endpoint's sessions do by themselves, and their limits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Session timers.
    pub timer: TimerConfig,
    /// Sessions that are open, early ones included. 100 000.
    pub max_sessions: usize,
    /// Early and confirmed dialogs that one INVITE may lead to; responses of further ones are not heeded. 16.
    pub max_branches: usize,
    /// Provisional responses of one INVITE that wait for the acknowledgement of the one before. 8.
    pub max_provisional: usize,
    /// How often a request that meets with another (491, or 500 with Retry-After), or with a 422, is made again. 5.
    pub max_retries: u8,
    /// Whether a reliable provisional response without an offer is acknowledged at once; otherwise
    /// [`acknowledge_progress`](crate::endpoint::Endpoint::acknowledge_progress) does it, and may offer. Yes.
    pub automatic_prack: bool,
    /// Whether a re-INVITE or UPDATE that repeats the peer's description is answered with this end's latest. Yes.
    pub automatic_refresh: bool,
    /// The option tags named in Supported; a request that requires another one is answered 420. `timer`, `100rel`.
    pub supported: Vec<&'static str>,
    /// The methods named in Allow.
    pub allow: Vec<Method>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timer: TimerConfig::default(),
            max_sessions: 100_000,
            max_branches: 16,
            max_provisional: 8,
            max_retries: 5,
            automatic_prack: true,
            automatic_refresh: true,
            supported: vec![TIMER, REL100],
            allow: vec![
                Method::Invite,
                Method::Ack,
                Method::Cancel,
                Method::Bye,
                Method::Options,
                Method::Prack,
                Method::Update,
                Method::Message,
                Method::Info,
            ],
        }
    }
}

impl Config {
    fn allow(&self) -> Allow {
        Allow::new(self.allow.iter().cloned())
    }

    fn supported(&self) -> Supported {
        Supported::new(self.supported.iter().copied())
    }

    /// The option tags that a request requires and this end does not know.
    pub(crate) fn unsupported(&self, headers: &Headers) -> Vec<String> {
        let known = |tag: &str| self.supported.iter().any(|known| known.eq_ignore_ascii_case(tag));
        headers
            .get::<Require>()
            .ok()
            .flatten()
            .iter()
            .flat_map(Require::iter)
            .filter(|tag| !known(tag))
            .map(str::to_owned)
            .collect()
    }
}

/// What a session works with in one call.
pub(crate) struct Context<'a> {
    pub(crate) id: SessionId,
    pub(crate) config: &'a Config,
    pub(crate) timers: &'a Timers,
    pub(crate) entropy: &'a mut Entropy,
    pub(crate) out: &'a mut Vec<Action>,
    pub(crate) now: Instant,
}

impl Context<'_> {
    fn tell(&mut self, event: SessionEvent) {
        self.out.push(Action::Tell(event));
    }

    fn respond(&mut self, transaction: ServerTransaction, response: Response) {
        self.out.push(Action::Respond(transaction, response));
    }

    /// A number from `low` to `high`.
    fn between(&mut self, low: u32, high: u32) -> u32 {
        let mut octets = [0; 4];
        (self.entropy)(&mut octets);
        let span = high.saturating_sub(low).saturating_add(1).max(1);
        low.saturating_add(u32::from_be_bytes(octets).checked_rem(span).unwrap_or(0))
    }

    fn after(&self, wait: Duration) -> Option<Instant> {
        self.now.checked_add(wait)
    }
}

/// What a session has done by its endpoint.
#[derive(Debug)]
pub(crate) enum Action {
    /// A request within the dialog.
    Send(Purpose, Request),
    /// The ACK for a 2xx.
    Acknowledge(ClientTransaction, Request),
    /// A response.
    Respond(ServerTransaction, Response),
    /// News.
    Tell(SessionEvent),
}

/// What a request of a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An INVITE outside of a dialog.
    Invite(InviteId),
    /// An INVITE within it.
    Reinvite,
    Update,
    Prack,
    Bye,
    /// Made by the application.
    Other,
}

/// What there is only while something is under way.
#[derive(Debug, Default)]
struct Work {
    /// An INVITE of the peer without final response.
    incoming: Option<Incoming>,
    /// The INVITEs of the peer whose 2xx is not acknowledged.
    unacknowledged: Vec<ServerTransaction>,
    /// The number of the latest INVITE of the peer, and of its response that was not acknowledged when the final one went out.
    late_prack: Option<(u32, reliable::Sent)>,
    /// An INVITE of this end that is not finished.
    outgoing: Option<Outgoing>,
    /// An UPDATE or PRACK of the peer whose offer is not answered.
    owed: Option<Owed>,
    /// An UPDATE of this end.
    updating: Option<Updating>,
    /// The PRACK under way has an offer.
    offering_prack: bool,
    /// What is to be made again.
    retry: Option<Retry>,
    /// A BYE that has to wait for the ACK.
    bye: Option<EndReason>,
    /// By then the application has to answer.
    answer_by: Option<Instant>,
    /// After a BYE of the peer: until then its dialog is answered for.
    linger: Option<Instant>,
    /// Client transactions without final response.
    open: u32,
}

impl Work {
    fn is_empty(&self) -> bool {
        self.incoming.is_none()
            && self.unacknowledged.is_empty()
            && self.late_prack.is_none()
            && self.outgoing.is_none()
            && self.owed.is_none()
            && self.updating.is_none()
            && !self.offering_prack
            && self.retry.is_none()
            && self.bye.is_none()
            && self.answer_by.is_none()
            && self.linger.is_none()
            && self.open == 0
    }
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    side: Side,
    state: SessionState,
    pub(crate) dialog: Dialog,
    /// This end's Contact, as written.
    contact: ByteStr,
    media: OfferAnswer,
    timer: SessionTimer,
    /// Whether the peer takes UPDATE.
    peer_updates: bool,
    /// Where requests go, if not by the dialog's routes.
    pub(crate) hop: Option<Target>,
    work: Option<Box<Work>>,
}

impl Session {
    fn new(side: Side, dialog: Dialog, contact: ByteStr) -> Self {
        Self {
            side,
            state: SessionState::Preparative,
            dialog,
            contact,
            media: OfferAnswer::new(),
            timer: SessionTimer::default(),
            peer_updates: false,
            hop: None,
            work: None,
        }
    }

    pub(crate) fn state(&self) -> SessionState {
        self.state
    }

    pub(crate) fn side(&self) -> Side {
        self.side
    }

    pub(crate) fn negotiation(&self) -> Negotiation {
        self.media.state
    }

    pub(crate) fn local(&self) -> Option<&bytes::Bytes> {
        self.media.local.as_ref()
    }

    pub(crate) fn timer(&self) -> &SessionTimer {
        &self.timer
    }

    /// Whether nothing is left to be done.
    pub(crate) fn is_done(&self) -> bool {
        match self.state {
            SessionState::Morgue => self.work.as_ref().is_none_or(|work| work.open == 0),
            SessionState::Mortal => self
                .work
                .as_ref()
                .is_none_or(|work| work.open == 0 && work.linger.is_none()),
            _ => false,
        }
    }

    /// Whether no request of either end is under way.
    fn is_quiet(&self) -> bool {
        self.work.is_none()
    }

    fn advance(&mut self, input: SessionInput) {
        if let Some(next) = self.state.next(self.side, input) {
            self.state = next;
        }
    }

    fn work(&mut self) -> &mut Work {
        self.work.get_or_insert_default()
    }

    /// To be called last: an idle session holds no room for what is under way.
    pub(crate) fn tidy(&mut self) {
        if self.work.as_ref().is_some_and(|work| work.is_empty()) {
            self.work = None;
        }
    }

    /// Begins a request within the dialog.
    ///
    //= https://www.rfc-editor.org/rfc/rfc4028#section-7.1
    //# A UAC that supports the session timer extension defined here MUST
    //# include a Supported header field in each request (except ACK),
    //# listing the option tag 'timer' [2].
    pub(crate) fn request(&mut self, method: Method, config: &Config) -> RequestBuilder {
        //= https://www.rfc-editor.org/rfc/rfc3261#section-12.2.1.1
        //# A UAC SHOULD include a Contact header field in any target refresh
        //# requests within a dialog, and unless there is a need to change it,
        //# the URI SHOULD be the same as used in previous requests within the
        //# dialog.
        let refreshes = matches!(method, Method::Invite | Method::Update);
        let builder = self.dialog.request(method).header_typed(&config.supported());
        if !refreshes {
            return builder;
        }
        match builder
            .clone()
            .header(&crate::header::HeaderName::CONTACT, &self.contact)
        {
            Ok(with) => with.header_typed(&config.allow()),
            Err(_) => builder,
        }
    }

    fn send(&mut self, cx: &mut Context<'_>, purpose: Purpose, request: Request) {
        let work = self.work();
        work.open = work.open.saturating_add(1);
        cx.out.push(Action::Send(purpose, request));
    }

    /// A client transaction has ended.
    fn closed(&mut self) {
        let work = self.work();
        work.open = work.open.saturating_sub(1);
    }

    /// The application has sent a request of its own.
    pub(crate) fn opened(&mut self) {
        let work = self.work();
        work.open = work.open.saturating_add(1);
    }

    /// Notes what a message of the peer says that it can do.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3311#section-4
    //# If the response contains an Allow header field containing the value
    //# "UPDATE", the UAC knows that the callee supports UPDATE, and the UAC
    //# is allowed to follow the procedures of Section 5.1.
    fn note_peer(&mut self, headers: &Headers) {
        if let Ok(Some(allow)) = headers.get::<Allow>() {
            self.peer_updates = allow.contains(&Method::Update);
        }
    }

    /// Takes the final response to a request of this end, or its absence.
    pub(crate) fn handle_response(
        &mut self,
        cx: &mut Context<'_>,
        purpose: Purpose,
        transaction: ClientTransaction,
        outcome: Result<Response, Failure>,
    ) {
        let is_final = outcome
            .as_ref()
            .map_or(true, |response| response.status().is_final());
        let repeated = matches!(purpose, Purpose::Invite(_) | Purpose::Reinvite) && !self.awaits(transaction);
        if is_final && !repeated {
            self.closed();
        }
        match (purpose, outcome) {
            (Purpose::Invite(_) | Purpose::Reinvite, outcome) => {
                self.invite_answered(cx, purpose, transaction, outcome);
            }
            (_, Ok(response)) if !response.status().is_final() => {}
            (Purpose::Update, outcome) => self.update_answered(cx, outcome),
            (Purpose::Prack, outcome) => self.prack_answered(cx, outcome),
            (Purpose::Bye, _) => self.bye_answered(),
            (Purpose::Other, outcome) => self.other_answered(cx, &outcome),
        }
    }

    /// When [`Self::handle_timeout`] is to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let work = self.work.as_ref();
        let incoming = work.and_then(|work| work.incoming.as_ref());
        [
            self.timer.refresh_at,
            self.timer.ends_at,
            incoming.and_then(Incoming::poll_timeout),
            work.and_then(|work| work.retry.as_ref())
                .and_then(|retry| retry.at),
            work.and_then(|work| work.answer_by),
            work.and_then(|work| work.linger),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= cx.now);
        let (ends, refresh) = (due(self.timer.ends_at), due(self.timer.refresh_at));
        let (mut retries, mut answer) = (false, false);
        if let Some(work) = &mut self.work {
            if due(work.linger) {
                work.linger = None;
                self.state = SessionState::Morgue;
            }
            retries = work.retry.as_ref().is_some_and(|retry| due(retry.at));
            answer = due(work.answer_by);
        }
        self.invited_timeout(cx);
        if self.state.is_over() {
            self.timer.stop();
            return;
        }
        if ends {
            self.finish(cx, EndReason::Expired);
        } else if answer {
            self.answer_overdue(cx);
        } else {
            if retries {
                self.try_again(cx);
            }
            if refresh {
                self.refresh_due(cx);
            }
        }
    }
}

/// Whether a final response other than 2xx to a request within a dialog ends it, whatever the request was: table 1 of RFC 5057, the
/// column of what destroys the dialog, and what RFC 3261 section 12.2.1.2 adds.
///
//= https://www.rfc-editor.org/rfc/rfc3261#section-12.2.1.2
//# If the response for a request within a dialog is a 481
//# (Call/Transaction Does Not Exist) or a 408 (Request Timeout), the UAC
//# SHOULD terminate the dialog.
pub fn ends_dialog(status: StatusCode) -> bool {
    matches!(
        status.code(),
        404 | 408 | 410 | 416 | 481 | 482 | 483 | 484 | 485 | 502 | 604
    )
}
