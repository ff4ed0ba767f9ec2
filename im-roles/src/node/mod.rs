//! A whole server in one machine: registrar, proxy core and the roles, over one SIP and one MSRP endpoint.
//!
//! Roles hold no reference to each other. What one sends to another goes through a queue in here as the same values that
//! would go on the wire, so that collocation changes nothing that a role can see.

mod ack;
mod authenticate;
mod dispatch;
mod event;
mod exchanges;
mod flows;
mod ingress;
mod media;
mod registering;
mod routing;
mod users;
mod xcap;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use sip_im::auth::{self, Authenticator};
use sip_im::registration::{self as registrations, Registrar};
use sip_im::{Entropy, Identity};

pub use self::event::Event;
use self::exchanges::Exchanges;
use self::flows::{Flows, Opening};
use self::media::Media;
use self::users::Users;
use crate::WallClock;
use crate::config::{Config, User};
use crate::controlling::Controlling;
use crate::deferred::Deferred;
use crate::effect::{Answer, Effect};
use crate::flow::{Input, Protocol, Transmit};
use crate::participating::Participating;
use crate::presence::Presence;
use crate::signal::{self, RoleKind};
use crate::xdms::Xdms;

/// A server: octets and answers in, octets, effects and events out.
///
/// ```
/// use std::time::{Duration, Instant};
/// use im_roles::{WallClock, config::{Config, User}, node::Node};
/// use sip_im::Uri;
///
/// let now = Instant::now();
/// let mut config = Config::new("example.com")?;
/// config.users.push(User::new(Uri::parse("sip:alice@example.com")?, "secret"));
/// let mut seed = 0_u8;
/// let entropy = Box::new(move |octets: &mut [u8]| {
///     for octet in octets {
///         seed = seed.wrapping_mul(29).wrapping_add(17);
///         *octet = seed;
///     }
/// });
/// let mut node = Node::new(config, WallClock::new(now, Duration::from_secs(1_700_000_000)), entropy);
/// assert!(node.poll_transmit(now).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Node {
    config: Arc<Config>,
    clock: WallClock,
    entropy: Entropy,
    sip: sip_im::endpoint::Endpoint,
    msrp: msrp::endpoint::Endpoint,
    registrar: Registrar,
    authenticator: Authenticator,
    users: Users,
    flows: Flows,
    exchanges: Exchanges,
    media: Media,
    participating: Participating,
    controlling: Controlling,
    deferred: Deferred,
    presence: Presence,
    xdms: Xdms,
    /// What the roles are to be given, in order.
    bus: VecDeque<(RoleKind, signal::Input)>,
    transmits: VecDeque<Transmit>,
    effects: VecDeque<Effect>,
    events: VecDeque<Event>,
    stopping: bool,
}

crate::impl_machine!(role Node: Input => Transmit, Event; Effect => Answer);

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("domain", &self.config.domain)
            .field("stopping", &self.stopping)
            .finish_non_exhaustive()
    }
}

impl Node {
    /// A server without flows.
    pub fn new(config: Config, clock: WallClock, entropy: Entropy) -> Self {
        let config = Arc::new(config);
        let share = share(entropy);
        let mut msrp_config = msrp::endpoint::Config::default();
        // One slow participant is given as much room as the limit says, and loses his copy beyond it.
        msrp_config.limits.queued_octets = config.limits.max_queued_per_participant;
        let mut sip_config = sip_im::endpoint::Config::default();
        sip_config.max_server_transactions = config.limits.max_pending_requests;
        sip_config.max_client_transactions = config.limits.max_pending_requests.saturating_mul(2);
        let mut auth_config = auth::Config::new(&config.realm);
        auth_config.algorithms.clone_from(&config.algorithms);
        let users = Users::new(&config.users);
        let mut participating = Participating::new(Arc::clone(&config), clock);
        participating.set_aliases(users.aliases().clone());
        let mut presence = Presence::new(Arc::clone(&config), clock, || share());
        presence.set_aliases(users.aliases().clone());
        Self {
            clock,
            entropy: share(),
            sip: sip_im::endpoint::Endpoint::new(sip_config, share()),
            msrp: msrp::endpoint::Endpoint::new(msrp_config, share()),
            registrar: Registrar::new(registrations::Config::default()),
            authenticator: Authenticator::new(auth_config, share()),
            users,
            flows: Flows::default(),
            exchanges: Exchanges::default(),
            media: Media::default(),
            participating,
            controlling: Controlling::new(Config::clone(&config), clock, share()),
            deferred: Deferred::new(Arc::clone(&config), clock),
            presence,
            xdms: Xdms::new(Arc::clone(&config)),
            bus: VecDeque::new(),
            transmits: VecDeque::new(),
            effects: VecDeque::new(),
            events: VecDeque::new(),
            stopping: false,
            config,
        }
    }

    /// Tells that the host's calendar clock was set: at `now` it is `unix` after 1970-01-01T00:00:00Z.
    pub fn set_wall_clock(&mut self, now: Instant, unix: std::time::Duration) {
        self.clock = WallClock::new(now, unix);
        self.participating.set_wall_clock(self.clock);
        self.controlling.set_wall_clock(self.clock);
        self.deferred.set_wall_clock(self.clock);
        self.presence.set_wall_clock(self.clock);
    }

    /// Serves another user from now on, or an existing one with other data.
    pub fn provision_user(&mut self, user: User) {
        self.users.insert(user);
        self.share_aliases();
    }

    /// Serves a user no longer. His contacts stay registered until they expire, but nothing is delivered to them.
    pub fn remove_user(&mut self, user: &Identity) {
        self.users.remove(user);
        self.share_aliases();
    }

    fn share_aliases(&mut self) {
        self.participating.set_aliases(self.users.aliases().clone());
        self.controlling.set_aliases(self.users.aliases().clone());
        self.presence.set_aliases(self.users.aliases().clone());
    }

    /// Ends politely: no new requests are taken, conferences are ended, and what was accepted is finished.
    /// [`Node::is_drained`] tells when that is done.
    pub fn shut_down(&mut self, now: Instant) {
        self.stopping = true;
        self.controlling.shut_down(now);
        self.presence.shut_down(now);
        self.settle(now);
    }

    /// Takes one input.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Opened {
                flow,
                protocol,
                transport,
                local,
                remote,
                open,
                trusted,
            } => {
                let opening = open.and_then(|open| self.flows.opened(open));
                let trusted = trusted || matches!(opening, Some(Opening::Sip(_, true)));
                self.flows
                    .insert(flow, protocol, transport, local, trusted, &mut self.entropy);
                match protocol {
                    Protocol::Sip => {
                        let open = match opening {
                            Some(Opening::Sip(open, _)) => Some(open),
                            _ => None,
                        };
                        let input = sip_im::endpoint::Input::Opened {
                            flow,
                            transport,
                            local,
                            remote,
                            open,
                            trusted,
                        };
                        self.sip.handle_input(input, now);
                    }
                    Protocol::Msrp => {
                        let open = match opening {
                            Some(Opening::Msrp(open)) => Some(open),
                            _ => None,
                        };
                        let connection = msrp::ConnectionId(flow.0);
                        let input = msrp::endpoint::Input::Opened {
                            connection,
                            open,
                            secure: transport.is_secure(),
                        };
                        self.msrp.handle_input(input, now);
                    }
                }
            }
            Input::OpenFailed { open } => match self.flows.opened(open) {
                Some(Opening::Sip(open, _)) => {
                    self.sip
                        .handle_input(sip_im::endpoint::Input::OpenFailed { open }, now);
                }
                Some(Opening::Msrp(open)) => self
                    .msrp
                    .handle_input(msrp::endpoint::Input::OpenFailed { open }, now),
                None => {}
            },
            Input::Received { flow, data } => match self.flows.get(flow).map(|flow| flow.protocol) {
                Some(Protocol::Sip) => self
                    .sip
                    .handle_input(sip_im::endpoint::Input::Received { flow, data }, now),
                Some(Protocol::Msrp) => {
                    let connection = msrp::ConnectionId(flow.0);
                    self.msrp
                        .handle_input(msrp::endpoint::Input::Received { connection, data }, now);
                }
                None => {}
            },
            Input::Blocked { flow } => match self.flows.get(flow).map(|flow| flow.protocol) {
                Some(Protocol::Sip) => self
                    .sip
                    .handle_input(sip_im::endpoint::Input::Blocked { flow }, now),
                Some(Protocol::Msrp) => {
                    let connection = msrp::ConnectionId(flow.0);
                    self.msrp
                        .handle_input(msrp::endpoint::Input::Blocked { connection }, now);
                }
                None => {}
            },
            Input::Writable { flow } => match self.flows.get(flow).map(|flow| flow.protocol) {
                Some(Protocol::Sip) => self
                    .sip
                    .handle_input(sip_im::endpoint::Input::Writable { flow }, now),
                Some(Protocol::Msrp) => {
                    let connection = msrp::ConnectionId(flow.0);
                    self.msrp
                        .handle_input(msrp::endpoint::Input::Writable { connection }, now);
                }
                None => {}
            },
            Input::Closed { flow } => self.flow_closed(flow, now),
            Input::Xcap { id, request } => self.take_xcap(id, request, now),
        }
        self.settle(now);
    }

    fn flow_closed(&mut self, id: sip_im::FlowId, now: Instant) {
        let Some(flow) = self.flows.remove(id) else { return };
        match flow.protocol {
            Protocol::Sip => {
                self.sip
                    .handle_input(sip_im::endpoint::Input::Closed { flow: id }, now);
                self.registrations_lost(id);
            }
            Protocol::Msrp => {
                let connection = msrp::ConnectionId(id.0);
                self.msrp
                    .handle_input(msrp::endpoint::Input::Closed { connection }, now);
            }
        }
    }

    /// Acts on every deadline up to `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.sip.handle_timeout(now);
        self.msrp.handle_timeout(now);
        self.expire_registrations(now);
        self.participating.handle_timeout(now);
        self.controlling.handle_timeout(now);
        self.deferred.handle_timeout(now);
        self.presence.handle_timeout(now);
        self.xdms.handle_timeout(now);
        self.exchanges.expire(now);
        self.settle(now);
    }

    /// Gives the next thing for the network.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        if let Some(transmit) = self.transmits.pop_front() {
            return Some(transmit);
        }
        if let Some(transmit) = self.sip.poll_transmit(now) {
            return Some(self.translate_sip(transmit));
        }
        let transmit = self.msrp.poll_transmit(now);
        // Handing octets over may finish a message, which is news for the role that sends it.
        self.settle(now);
        transmit.map(|transmit| self.translate_msrp(transmit))
    }

    /// Gives the next piece of news.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Gives the next piece of work for the host.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Takes an answer; one that is late, or comes again, is ignored.
    pub fn handle_answer(&mut self, answer: Answer, now: Instant) {
        self.answer_role(answer, now);
        self.settle(now);
    }

    /// The next deadline.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [
            self.sip.poll_timeout(),
            self.msrp.poll_timeout(),
            self.registrar.poll_timeout(),
            self.participating.poll_timeout(),
            self.controlling.poll_timeout(),
            self.deferred.poll_timeout(),
            self.presence.poll_timeout(),
            self.xdms.poll_timeout(),
            self.exchanges.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether the node was shut down and all that it had accepted is finished.
    pub fn is_drained(&self) -> bool {
        self.stopping && self.is_quiet()
    }

    /// Whether nothing is under way: no transaction, no session, nothing to poll. Flows and registrations may be there.
    pub fn is_quiet(&self) -> bool {
        self.sip.is_drained()
            && self.msrp.is_drained()
            && self.flows.openings() == 0
            && self.participating.is_drained()
            && self.controlling.is_drained()
            && self.deferred.is_drained()
            && self.presence.is_drained()
            && self.xdms.is_drained()
            && self.exchanges.open() == 0
            && self.bus.is_empty()
            && self.transmits.is_empty()
            && self.effects.is_empty()
            && self.events.is_empty()
    }

    /// What is under way, for the host's metrics.
    pub fn load(&self) -> Load {
        Load {
            requests: self.exchanges.open(),
            server_transactions: self.sip.server_transactions(),
            client_transactions: self.sip.client_transactions(),
            flows: self.flows.len(),
            openings: self.flows.openings(),
            media_sessions: self.media.len(),
            registered_users: self.registrar.len(),
            publications: self.presence.publications(),
            watchers: self.presence.subscriptions(),
        }
    }

    fn translate_sip(&mut self, transmit: sip_im::endpoint::Transmit) -> Transmit {
        match transmit {
            sip_im::endpoint::Transmit::Open {
                open,
                transport,
                host,
                port,
                domain,
            } => {
                let trusted = self.trusts_address(&host, port);
                let open = self.flows.start_opening(Opening::Sip(open, trusted));
                Transmit::Open {
                    open,
                    protocol: Protocol::Sip,
                    transport,
                    host,
                    port,
                    domain,
                }
            }
            sip_im::endpoint::Transmit::Send { flow, data } => Transmit::Send {
                flow,
                data: data.into(),
            },
            sip_im::endpoint::Transmit::Close { flow } => {
                self.flows.remove(flow);
                self.registrations_lost(flow);
                Transmit::Close { flow }
            }
        }
    }

    fn translate_msrp(&mut self, transmit: msrp::endpoint::Transmit) -> Transmit {
        match transmit {
            msrp::endpoint::Transmit::Open {
                open,
                secure,
                host,
                port,
                ..
            } => {
                let open = self.flows.start_opening(Opening::Msrp(open));
                let transport = if secure {
                    sip_im::Transport::Tls
                } else {
                    sip_im::Transport::Tcp
                };
                Transmit::Open {
                    open,
                    protocol: Protocol::Msrp,
                    transport,
                    host,
                    port,
                    domain: None,
                }
            }
            msrp::endpoint::Transmit::Send { connection, data } => Transmit::Send {
                flow: sip_im::FlowId(connection.0),
                data,
            },
            msrp::endpoint::Transmit::Close { connection } => {
                let flow = sip_im::FlowId(connection.0);
                self.flows.remove(flow);
                Transmit::Close { flow }
            }
        }
    }
}

/// What is under way in a [`Node`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Load {
    /// Requests in the hands of the roles, with INVITEs whose 2xx may come again.
    pub requests: usize,
    /// SIP server transactions.
    pub server_transactions: usize,
    /// SIP client transactions.
    pub client_transactions: usize,
    /// Flows that are open.
    pub flows: usize,
    /// Flows that are being opened.
    pub openings: usize,
    /// Media sessions.
    pub media_sessions: usize,
    /// Users with a contact.
    pub registered_users: usize,
    /// Publications of presence.
    pub publications: usize,
    /// Subscriptions to presence and its watchers.
    pub watchers: usize,
}

/// One source of randomness for several machines, drawn from in the order in which they ask.
fn share(entropy: Entropy) -> impl Fn() -> Entropy {
    let shared = Arc::new(Mutex::new(entropy));
    move || {
        let shared = Arc::clone(&shared);
        Box::new(move |octets: &mut [u8]| {
            let mut entropy = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            entropy(octets);
        })
    }
}
