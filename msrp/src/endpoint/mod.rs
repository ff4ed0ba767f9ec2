//! Many connections and sessions of one host in one machine.
//!
//! An [`Endpoint`] is driven like every machine here: inputs in, transmits and events out, deadlines in between. A
//! session is opened by command; an active one asks for a connection to its peer and binds itself with an empty SEND, a
//! passive one waits for its peer's first SEND, on whichever connection it comes (RFC 4975 5.4, RFC 6135).
//!
//! ```
//! use std::collections::VecDeque;
//! use std::time::Instant;
//!
//! use bytes::{Buf, Bytes};
//! use msrp::ConnectionId;
//! use msrp::endpoint::{Config, Endpoint, Event, Input, OutgoingBody, OutgoingMessage, Role, SessionConfig, Transmit};
//! use msrp::header::content::ContentType;
//!
//! let now = Instant::now();
//! let entropy = |seed: u8| Box::new(move |octets: &mut [u8]| octets.fill(seed)) as msrp::Entropy;
//! let (mut alice, mut bob) = (Endpoint::new(Config::default(), entropy(1)), Endpoint::new(Config::default(), entropy(2)));
//! let (a, b) = (alice.mint_uri(false, "192.0.2.1", 9), bob.mint_uri(false, "192.0.2.2", 2855));
//! bob.open_session(SessionConfig::new(b.clone(), vec![a.clone()], Role::Passive), now)?;
//! let session = alice.open_session(SessionConfig::new(a, vec![b], Role::Active), now)?;
//! alice.send(session, OutgoingMessage::new(ContentType::text_plain(), OutgoingBody::Whole(Bytes::from("Hi"))), now)?;
//!
//! // The network: one connection, which both ends call 1.
//! let one = ConnectionId(1);
//! let mut received = Vec::new();
//! for _ in 0..4 {
//!     while let Some(transmit) = alice.poll_transmit(now) {
//!         match transmit {
//!             Transmit::Open { open, .. } => {
//!                 alice.handle_input(Input::Opened { connection: one, open: Some(open), secure: false }, now);
//!                 bob.handle_input(Input::Opened { connection: one, open: None, secure: false }, now);
//!             }
//!             Transmit::Send { data, .. } => bob.handle_input(Input::Received { connection: one, data: data.to_bytes() }, now),
//!             Transmit::Close { .. } => {}
//!         }
//!     }
//!     while let Some(Transmit::Send { data, .. }) = bob.poll_transmit(now) {
//!         alice.handle_input(Input::Received { connection: one, data: data.to_bytes() }, now);
//!     }
//!     while let Some(event) = bob.poll_event() {
//!         if let Event::MessageReceived { body, .. } = event { received.push(body) }
//!     }
//! }
//! assert_eq!(received, [Bytes::from("Hi")]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod binding;
mod chunk;
mod command;
mod config;
mod error;
mod event;
mod inbound;
mod life;
mod message;
mod octets;
mod relay;
mod report;
mod resume;
pub(crate) mod session;
mod timer;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::time::Instant;

pub use config::{Acknowledge, Config, Delivery, Limits, Matching, Role, SessionConfig};
pub use error::{
    AppendError, ConnectError, NicknameError, OpenSessionError, ReportError, RespondError, SendError,
    SetRemotePathError,
};
pub use event::{AbortReason, CloseReason, EndReason, Event, Input, OpenId, SessionKey, Transmit};
pub use message::{OutgoingBody, OutgoingMessage};
pub use octets::Octets;
pub use relay::{EnlistError, RelayKey};

use self::relay::Enlisted;
use self::resume::Interrupted;
use crate::connection::send::Sessions;
use crate::connection::shared::{Numbered, Shared};
use crate::connection::{Authority, Connection};
use crate::{ConnectionId, Entropy, Uri};

/// Many connections and sessions of one host in one machine.
pub struct Endpoint {
    shared: Shared,
    sessions: Sessions,
    /// Sessions by the identifier in this end's URI.
    by_id: HashMap<Box<str>, SessionKey>,
    /// What sessions have left behind whose connections were lost.
    interrupted: BTreeMap<SessionKey, Interrupted>,
    connections: Numbered<ConnectionId, Box<Connection>>,
    /// Connections that the host was asked for.
    opening: BTreeMap<OpenId, Opening>,
    by_authority: BTreeMap<Authority, Route>,
    /// Paths through relays.
    relays: BTreeMap<RelayKey, Enlisted>,
    /// What goes out before anything else: requests to open and to close.
    transmits: VecDeque<Transmit>,
    /// Connections that may have something to send, in the order of their turns.
    active: VecDeque<ConnectionId>,
}

/// A connection that the host was asked for.
#[derive(Debug)]
struct Opening {
    authority: Authority,
    sessions: Vec<SessionKey>,
}

/// How sessions to the same authority share a connection.
#[derive(Clone, Copy, Debug)]
enum Route {
    Opening(OpenId),
    Open(ConnectionId),
}

impl Endpoint {
    /// Creates an endpoint without connections or sessions.
    pub fn new(config: Config, entropy: Entropy) -> Self {
        Self {
            shared: Shared::new(config, entropy),
            sessions: Sessions::default(),
            by_id: HashMap::new(),
            interrupted: BTreeMap::new(),
            connections: Numbered::default(),
            opening: BTreeMap::new(),
            by_authority: BTreeMap::new(),
            relays: BTreeMap::new(),
            transmits: VecDeque::new(),
            active: VecDeque::new(),
        }
    }

    /// Makes the URI of a new session, with an identifier that cannot be guessed.
    ///
    /// A host that cannot stand in a URI is replaced by `invalid.invalid`, which nobody reaches, and port 0 by 2855.
    pub fn mint_uri(&mut self, secure: bool, host: &str, port: u16) -> Uri {
        let id = self.shared.mint_session();
        Uri::of_session(secure, host, port, &id)
    }

    /// Returns the number of octets of a session that wait to be sent.
    pub fn queued(&self, session: SessionKey) -> u64 {
        self.sessions.get(&session).map_or(0, |session| session.queued)
    }

    /// Returns how many sessions there are.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Returns how many connections there are, those included that the host was asked for.
    pub fn connections(&self) -> usize {
        self.connections.len().saturating_add(self.opening.len())
    }

    /// Takes one input.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Opened {
                connection,
                open,
                secure,
            } => self.opened(connection, open, (secure, false), now),
            Input::OpenedWebSocket {
                connection,
                open,
                secure,
            } => self.opened(connection, open, (secure, true), now),
            Input::Certificate {
                connection,
                fingerprints,
            } => self.certified(connection, fingerprints, now),
            Input::OpenFailed { open } => self.open_failed(open, now),
            Input::Received { connection, data } => self.received(connection, data, now),
            Input::Blocked { connection } => {
                if let Some(own) = self.connections.get_mut(&connection) {
                    own.block(&mut self.shared, now);
                }
            }
            Input::Writable { connection } => {
                if let Some(own) = self.connections.get_mut(&connection) {
                    own.unblock(&mut self.shared, now);
                    self.list(connection);
                }
            }
            Input::Closed { connection } => self.drop_connection(connection, now),
        }
    }

    /// Gives the next thing for the network.
    ///
    /// Chunks are made here and not earlier, so that a body can be interrupted for what is more urgent, and the time of
    /// a transaction runs from the moment at which its last octet is handed over.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        if let Some(transmit) = self.transmits.pop_front() {
            return Some(transmit);
        }
        while let Some(id) = self.active.pop_front() {
            let Some(connection) = self.connections.get_mut(&id) else {
                continue;
            };
            if let Some(produced) = connection.produce(&mut self.sessions, &mut self.shared, now) {
                connection.said = now;
                self.active.push_back(id);
                if let Some(session) = produced.session {
                    self.end_if_idle(session, now);
                }
                return Some(Transmit::Send {
                    connection: id,
                    data: produced.octets,
                });
            }
            connection.listed = false;
            if connection.closing && connection.is_flushed() && !connection.is_blocked() {
                self.drop_connection(id, now);
                return Some(Transmit::Close { connection: id });
            }
        }
        None
    }

    /// Gives the next piece of news.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.shared.events.pop_front()
    }

    /// The instant at which [`Endpoint::handle_timeout`] wants to be called, if any.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.shared.deadlines.first().map(|(at, _)| *at)
    }

    /// Whether there is neither a session nor a connection, and nothing to be polled.
    pub fn is_drained(&self) -> bool {
        self.sessions.is_empty()
            && self.connections.is_empty()
            && self.opening.is_empty()
            && self.interrupted.is_empty()
            && self.transmits.is_empty()
            && self.shared.events.is_empty()
    }

    /// Puts a connection into the list of those that may have something to send.
    fn list(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id)
            && !connection.listed
        {
            connection.listed = true;
            self.active.push_back(id);
        }
    }

    /// Puts a session that has something to send into the turns of its connection.
    fn wake(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        let session::Link::Bound(id) = session.link else {
            return;
        };
        if !session.outbox.ready.is_empty()
            && !session.in_turn
            && let Some(connection) = self.connections.get_mut(&id)
        {
            session.in_turn = true;
            connection.turn.push_back(key);
        }
        self.list(id);
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("sessions", &self.sessions.len())
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}
