//! What a client SDK links: one user's registration, messages and sessions, in one machine.
//!
//! The host drives a [`Client`] with the same inputs and transmits as a server's node: it opens flows when asked, hands
//! over what arrives and asks for what to send. The application gives commands and reads [`Event`]s; a command that
//! leads to something later returns a [`CommandId`], which the events that answer it carry.
//!
//! Every request goes to [`Config::server`] over one connection, which is opened when the first command needs it and
//! opened again when it is lost while the user is registered.
//!
//! | file | what |
//! |---|---|
//! | `registration` | REGISTER, renewal, end |
//! | `requests` | identity and privacy of requests, digest, whose answer a response is |
//! | `pager` | MESSAGE, to one and to a list |
//! | `coding` | content codings of what comes, undone by the host |
//! | `reception` | MESSAGE that comes |
//! | `delivery` | notifications of delivery and display (RFC 5438) |
//! | `session` | sessions and their commands |
//! | `invite` | INVITE out and in, requests within a session |
//! | `media` | offers and answers for MSRP, its news |
//! | `talk` | what is said in sessions, nicknames, is-composing |
//! | `group` | adding, expelling |
//! | `subscription` | the subscription to a conference's state |
//! | `publishing` | the user's presence and other published state (RFC 3903) |
//! | `watching` | subscriptions to presence and other packages (RFC 6665) |
//! | `roster` | participants out of full and partial documents |
//! | `wire` | flows and endpoints |
//!
//! A session is offered with `a=setup:active`, since a client rarely can be connected to; with
//! [`Config::media_listen`] one-to-one sessions are offered `actpass`. What asks for more than MESSAGE may carry is
//! refused with an [`Event::Failed`]; nothing is cut.

mod coding;
mod config;
mod delivery;
mod entropy;
mod error;
mod event;
mod group;
mod invite;
mod jobs;
mod media;
mod message;
mod pager;
mod publishing;
mod reception;
mod registration;
mod relay;
mod remembered;
mod requests;
mod roster;
mod session;
mod subscription;
mod talk;
mod timers;
mod watching;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use msrp::Entropy;
use sip_im::auth::Authentication;
use sip_im::endpoint::{ClientTransaction, Event as SipEvent, ServerTransaction};
use sip_im::{Identity, Method, Request, StatusCode};

use self::delivery::Notice;
use self::entropy::Shared;
use self::jobs::{Job, Work};
use self::pager::Pages;
use self::publishing::Publications;
use self::registration::{Registered, Step};
use self::remembered::Remembered;
use self::requests::Pending;
use self::session::{Sessions, Stage};
use self::timers::{Timer, Timers};
use self::watching::Watches;
use self::wire::{Link, LinkChange, Wire};
use crate::WallClock;
use crate::flow::{Input, Transmit};

pub use coding::{DecodeError, Decoder};
pub use config::{Config, ConfigError, Limits};
pub use error::CommandError;
pub use event::{CommandId, Event, Failure, Party, ReceivedMessage, RosterEntry, SessionKey, WatchNotice};
pub use message::{Content, ListEntry, MessageRequest, Notifications};

/// One user's client.
///
/// ```
/// use std::time::{Duration, Instant};
/// use im_roles::WallClock;
/// use im_roles::client::{Client, Config};
/// use im_roles::config::NextHop;
/// use im_roles::flow::Transmit;
/// use sip_im::{Transport, Uri};
///
/// let server = NextHop::new(Transport::Tcp, "192.0.2.1", 5060);
/// let config = Config::new(Uri::parse("sip:alice@example.com")?, "secret", server)?;
/// let now = Instant::now();
/// let clock = WallClock::new(now, Duration::from_secs(1_700_000_000));
/// let mut client = Client::new(config, clock, Box::new(|octets| octets.fill(7)));
///
/// client.register(now)?;
/// assert!(matches!(client.poll_transmit(now), Some(Transmit::Open { port: 5060, .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Client {
    config: Config,
    clock: WallClock,
    shared: Shared,
    wire: Wire,
    authentication: Authentication,
    registration: Registered,
    pending: BTreeMap<ClientTransaction, Pending>,
    /// What is to be done, in order, once the link is up.
    jobs: VecDeque<Job>,
    pages: Pages,
    sessions: Sessions,
    publications: Publications,
    watches: Watches,
    /// The messages that came: sender and key.
    seen: Remembered<(Identity, String), ()>,
    /// What the senders of received messages want to be told.
    notices: Remembered<String, Notice>,
    /// The messages sent that asked for notifications.
    sent: Remembered<String, CommandId>,
    timers: Timers,
    events: VecDeque<Event>,
    privacy: bool,
    decoder: Decoder,
    reconnects: u32,
    shutting_down: bool,
    last_command: u64,
}

impl Client {
    /// A client that has done nothing yet.
    pub fn new(config: Config, clock: WallClock, entropy: Entropy) -> Self {
        let shared = Shared::new(entropy);
        let mut sip_config = sip_im::endpoint::Config::default();
        sip_config.user_agent = Some(config.user_agent.clone());
        sip_config.max_server_transactions = config.limits.max_pending;
        sip_config.max_client_transactions = config.limits.max_pending.saturating_mul(2);
        let sip = sip_im::endpoint::Endpoint::new(sip_config, shared.source());
        let msrp = msrp::endpoint::Endpoint::new(msrp::endpoint::Config::default(), shared.source());
        let name = config.user.user().unwrap_or_default().to_owned();
        let realm = Some(config.realm.clone());
        let authentication = Authentication::new(name, config.password.clone(), realm, shared.source());
        let most = config.limits.max_remembered;
        let mut pager = config.pager.clone();
        let limits = &config.limits;
        pager.realm.get_or_insert_with(|| config.realm.clone());
        pager.max_waiting = pager.max_waiting.min(limits.max_waiting);
        pager.max_messages = limits.max_waiting.saturating_add(limits.max_pending);
        Self {
            clock,
            wire: Wire::new(sip, msrp, config.server.clone()),
            authentication,
            registration: Registered::new(),
            pending: BTreeMap::new(),
            jobs: VecDeque::new(),
            pages: Pages::new(pager),
            sessions: Sessions::default(),
            publications: Publications::default(),
            watches: Watches::default(),
            seen: Remembered::new(most),
            notices: Remembered::new(most),
            sent: Remembered::new(most),
            timers: Timers::default(),
            events: VecDeque::new(),
            privacy: config.privacy,
            decoder: Decoder::none(),
            reconnects: 0,
            shutting_down: false,
            last_command: 0,
            shared,
            config,
        }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Anchors dates to a new reading of the host's calendar clock.
    pub fn set_wall_clock(&mut self, now: Instant, unix: Duration) {
        self.clock = WallClock::new(now, unix);
    }

    /// Says whether requests and sessions from now on hide the user's address (RFC 3323).
    pub fn privacy(&mut self, on: bool) {
        //= R-6.3-01
        self.privacy = on;
    }

    /// Whether the user is registered.
    pub fn is_registered(&self) -> bool {
        self.registration.step == Step::Registered
    }

    /// The sessions there are, invitations included.
    pub fn sessions(&self) -> impl Iterator<Item = SessionKey> + '_ {
        self.sessions.table.keys().copied()
    }

    /// Closes every connection, as if the network had; the client comes back by itself.
    pub fn drop_connection(&mut self, now: Instant) {
        if let Some(change) = self.wire.drop_all(now) {
            self.on_link(change, now);
        }
        self.settle(now);
    }

    /// Ends everything politely: sessions, then the registration. [`is_drained`](Self::is_drained) tells when it is done.
    pub fn shut_down(&mut self, now: Instant) {
        if std::mem::replace(&mut self.shutting_down, true) {
            return;
        }
        let sessions: Vec<SessionKey> = self.sessions.table.keys().copied().collect();
        for session in sessions {
            // It may be ending already.
            let _ = self.leave(session, now);
        }
        self.end_watches();
        self.end_publications(now);
        if self.registration.step == Step::Idle {
            self.timers.clear(Timer::Register);
        } else {
            self.stop_registration(None);
        }
        self.settle(now);
    }

    /// Takes what happened on the network.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        if let Some(change) = self.wire.handle_input(input, now) {
            self.on_link(change, now);
        }
        self.settle(now);
    }

    /// Does what is due. A call that comes early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.wire.sip.handle_timeout(now);
        self.wire.msrp.handle_timeout(now);
        self.pages.pager.handle_timeout(now);
        self.turn_pages();
        while let Some(timer) = self.timers.due(now) {
            match timer {
                Timer::Register => self.start(Job {
                    command: None,
                    work: Work::Register,
                }),
                Timer::KeepAlive => {
                    self.wire.ping();
                    self.timers.set(Timer::KeepAlive, self.config.keep_alive, now);
                }
                Timer::Reconnect => self.wire.open_link(),
                Timer::Subscription(session) => self.subscription_due(session, now),
                Timer::Publication(key) => self.publication_due(key, now),
                Timer::Watch(key) => self.watch_due(key, now),
            }
        }
        self.settle(now);
    }

    /// Gives the next thing for the network.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        let transmit = self.wire.poll_transmit(now);
        if let Some(change) = self.wire.poll_link() {
            self.on_link(change, now);
        }
        self.settle(now);
        transmit
    }

    /// Gives the next piece of news.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let pager = self.pages.pager.poll_timeout();
        [self.wire.poll_timeout(), self.timers.next(), pager]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether the client was [shut down](Self::shut_down) and has nothing left to do.
    pub fn is_drained(&self) -> bool {
        self.shutting_down
            && self.pending.is_empty()
            && self.jobs.is_empty()
            && self.pages.pager.is_drained()
            && self.sessions.table.is_empty()
            && self.events.is_empty()
            && self.wire.is_drained()
    }

    fn mint_command(&mut self) -> CommandId {
        self.last_command = self.last_command.wrapping_add(1);
        CommandId(self.last_command)
    }

    /// Whether one more thing may be started.
    fn admit(&self) -> Result<(), CommandError> {
        if self.shutting_down {
            return Err(CommandError::ShuttingDown);
        }
        if self.waiting() >= self.config.limits.max_waiting {
            return Err(CommandError::TooMany);
        }
        Ok(())
    }

    /// Whether the application is too far behind for news of peers to be taken.
    fn is_crowded(&self) -> bool {
        self.events.len() >= self.config.limits.max_events
    }

    fn push_event(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// News of peers, of which there may be any amount; what the application is too far behind for is dropped.
    fn tell(&mut self, event: Event) {
        if !self.is_crowded() {
            self.push_event(event);
        }
    }

    fn failed(&mut self, command: Option<CommandId>, failure: Failure) {
        if command.is_some() {
            self.push_event(Event::Failed {
                command,
                session: None,
                message_id: None,
                failure,
            });
        }
    }

    fn failed_in(
        &mut self,
        session: SessionKey,
        command: CommandId,
        message_id: Option<String>,
        failure: Failure,
    ) {
        self.push_event(Event::Failed {
            command: Some(command),
            session: Some(session),
            message_id,
            failure,
        });
    }

    /// Does what can be done, and takes the news of both endpoints, until there is nothing left.
    fn settle(&mut self, now: Instant) {
        loop {
            if let Some(event) = self.wire.sip.poll_event() {
                self.on_sip(event, now);
            } else if let Some(event) = self.wire.msrp.poll_event() {
                self.on_media(event, now);
            } else if matches!(self.wire.link(), Link::Up { .. })
                && let Some(job) = self.jobs.pop_front()
            {
                self.run(job, now);
            } else if !self.tell_pages() {
                break;
            }
        }
        let idle = self.pending.is_empty() && self.jobs.is_empty() && self.sessions.table.is_empty();
        if self.shutting_down && idle {
            self.timers.clear_all();
            self.wire.close_link(now);
        }
    }

    fn on_link(&mut self, change: LinkChange, now: Instant) {
        match change {
            LinkChange::Up => {
                self.push_event(Event::Connected);
                self.timers.set(Timer::KeepAlive, self.config.keep_alive, now);
                if self.registration.step != Step::Idle {
                    // The server knows the user by the connection that is gone.
                    let underway = self.jobs.iter().any(|job| matches!(job.work, Work::Register));
                    if !underway {
                        self.jobs.push_front(Job {
                            command: None,
                            work: Work::Register,
                        });
                    }
                }
                self.resume_publications();
                self.resume_watches();
            }
            LinkChange::Down => {
                self.push_event(Event::Disconnected);
                self.timers.clear(Timer::KeepAlive);
                self.registration.link_lost();
                self.watches_lost();
                let jobs = std::mem::take(&mut self.jobs);
                for job in jobs {
                    self.give_up(job, now);
                }
                if self.registration.step != Step::Idle && !self.shutting_down {
                    self.timers.clear(Timer::Register);
                    let after = self.back_off();
                    self.timers.set(Timer::Reconnect, after, now);
                }
            }
        }
    }

    /// How long to wait before the next attempt (RFC 5626 4.5).
    fn back_off(&mut self) -> Duration {
        let factor = 1_u32.checked_shl(self.reconnects.min(5)).unwrap_or(32);
        self.reconnects = self.reconnects.saturating_add(1);
        self.config.reconnect.saturating_mul(factor)
    }

    fn on_sip(&mut self, event: SipEvent, now: Instant) {
        match event {
            SipEvent::RequestReceived {
                transaction, request, ..
            } => self.on_request(transaction, &request, now),
            SipEvent::CancelReceived { transaction } => self.on_cancel(transaction, now),
            SipEvent::ResponseReceived {
                transaction,
                response,
            } => self.on_response(transaction, &response, now),
            SipEvent::RequestFailed { transaction, reason } => self.on_failure(transaction, reason, now),
            SipEvent::AckTimedOut { transaction } => self.on_ack_timeout(transaction, now),
            SipEvent::TransactionFailed { transaction } => {
                if let Some(session) = self.sessions.by_incoming.get(&transaction).copied()
                    && let Some(Stage::Invited { .. }) =
                        self.sessions.table.get(&session).map(|entry| &entry.stage)
                {
                    self.left(session, Some("the caller is gone".to_owned()), now);
                }
            }
            _ => {}
        }
    }

    fn on_request(&mut self, transaction: ServerTransaction, request: &Request, now: Instant) {
        if let Some(options) = requests::required(request) {
            return self.refuse_options(transaction, request, &options, now);
        }
        if self.is_crowded() && !matches!(request.method(), Method::Bye) {
            return self.answer(transaction, request, StatusCode::SERVICE_UNAVAILABLE, now);
        }
        match self.decoded(request) {
            Ok(None) => self.on_plain_request(transaction, request, now),
            Ok(Some(plain)) => self.on_plain_request(transaction, &plain, now),
            Err(status) => self.refuse_coding(transaction, request, status, now),
        }
    }

    fn on_plain_request(&mut self, transaction: ServerTransaction, request: &Request, now: Instant) {
        if let Some(session) = self.session_of(request) {
            return self.on_session_request(session, transaction, request, now);
        }
        match request.method() {
            Method::Notify => self.on_notify(transaction, request, now),
            Method::Options => self.answer(transaction, request, StatusCode::OK, now),
            Method::Message | Method::Invite if requests::in_dialog(request) => {
                self.answer(
                    transaction,
                    request,
                    StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
                    now,
                );
            }
            Method::Message => self.on_message(transaction, request, now),
            Method::Invite => self.on_invite(transaction, request, now),
            Method::Bye | Method::Update | Method::Info => {
                self.answer(
                    transaction,
                    request,
                    StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
                    now,
                );
            }
            _ => self.refuse_method(transaction, request, now),
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("user", &self.config.user)
            .field("registration", &self.registration.step)
            .field("sessions", &self.sessions.table.len())
            .field("pending", &self.pending.len())
            .finish_non_exhaustive()
    }
}

crate::impl_machine!(Client: Input => Transmit, Event);
