//! The relay of RFC 4976, which is also what WebSocket clients talk to (RFC 7977).
//!
//! A client behind a relay authenticates with AUTH and is given a URI to put into its path. A message is forwarded only
//! if it comes from the client that was given the first URI in its `To-Path`, or goes to that client; everything else
//! is refused, so that a relay is never an open one. Octets stream through: a chunk goes out while it comes in, and
//! what a slow receiver leaves waiting keeps its senders from being read.
//!
//! A [`Relay`] is driven like every machine here, with an effect more: it asks for the passwords of users.
//!
//! ```
//! use std::time::Instant;
//!
//! use bytes::Bytes;
//! use msrp::ConnectionId;
//! use msrp::digest::{Algorithm, Challenge, Ha1};
//! use msrp::relay::{Address, Answer, Config, Effect, Event, Input, Password, Peer, Relay, Transmit};
//!
//! let now = Instant::now();
//! let mut config = Config::new(Address::new(false, "relay.example.com", 2855));
//! config.plain_auth = true;
//! let mut relay = Relay::new(config, Box::new(|octets| octets.fill(7)));
//!
//! let connection = ConnectionId(1);
//! relay.handle_input(Input::Opened { connection, open: None, secure: false, peer: Peer::Unknown }, now);
//! let auth = |authorization: &str| Bytes::from(format!(
//!     "MSRP 49fh AUTH\r\nTo-Path: msrp://relay.example.com:2855;tcp\r\n\
//!      From-Path: msrp://alice.example.com:9892/98cjs;tcp\r\n{authorization}-------49fh$\r\n"
//! ));
//! relay.handle_input(Input::Received { connection, data: auth("") }, now);
//! let Some(Transmit::Send { data, .. }) = relay.poll_transmit(now) else { panic!("no answer") };
//! let answer = String::from_utf8(data.to_bytes().to_vec())?;
//! let challenge = answer.split_once("WWW-Authenticate: ").and_then(|(_, rest)| rest.lines().next()).ok_or("none")?;
//!
//! let ha1 = Ha1::of_password(Algorithm::Md5, "alice", "relay.example.com", "secret");
//! let credentials = Challenge::parse(challenge)?
//!     .answer("alice", &ha1, "AUTH", "msrp://relay.example.com:2855;tcp", "0a4f113b", 1, b"");
//! relay.handle_input(Input::Received { connection, data: auth(&format!("Authorization: {credentials}\r\n")) }, now);
//! let Some(Effect::FindPassword { id, .. }) = relay.poll_effect() else { panic!("no question") };
//! relay.handle_answer(Answer::Password { id, password: Password::Known(ha1) }, now);
//! assert!(matches!(relay.poll_event(), Some(Event::UriGiven { username, .. }) if username == "alice"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod auth;
pub(crate) mod client;
mod config;
mod event;
mod flow;
mod forward;
mod inbound;
mod lane;
mod life;
mod outbox;
mod route;
mod timer;
mod token;
mod transaction;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::time::Instant;

use bytes::BytesMut;
use memchr::memmem::Finder;

pub use crate::endpoint::OpenId;
pub use client::{Access, Failure};
pub use config::{Address, Config, Limits};
pub use event::{Answer, CloseReason, Effect, Event, Input, Password, Peer, QuestionId, Transmit};

use self::auth::Question;
use self::life::Link;
use self::outbox::Tools;
use self::timer::Timer;
use self::token::Tokens;
use self::transaction::Transactions;
use crate::codec::DASHES;
use crate::digest::Nonces;
use crate::{ConnectionId, Entropy};

/// Names a connection inside, from the moment at which it is asked for; never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct LinkKey(u64);

/// What a connection goes to; it is used for everything that goes to the same place.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Hop {
    secure: bool,
    /// In lower case.
    host: String,
    port: u16,
}

/// A relay: many connections, and what goes from one to another.
pub struct Relay {
    config: Config,
    entropy: Entropy,
    nonces: Nonces,
    /// The text that each challenge carries along, for clients that cannot do without.
    opaque: String,
    /// The last number that was given; none is given again.
    minted: u64,
    /// Heads and end-lines are written here, and split off; the memory is used again once the host has sent them.
    buffer: BytesMut,
    /// Finds what end-lines begin with.
    dashes: Finder<'static>,
    links: HashMap<LinkKey, Link>,
    by_connection: HashMap<ConnectionId, LinkKey>,
    by_open: HashMap<OpenId, LinkKey>,
    /// Connections that were opened from here.
    by_hop: BTreeMap<Hop, LinkKey>,
    /// Connections of relays, by the names in their certificates.
    named: BTreeMap<String, BTreeSet<LinkKey>>,
    tokens: Tokens,
    transactions: Transactions,
    questions: BTreeMap<QuestionId, Question>,
    deadlines: BTreeSet<(Instant, Timer)>,
    /// Octets that wait to be sent, all connections together.
    waiting: usize,
    /// Connections that may have something to send, in the order of their turns.
    active: VecDeque<LinkKey>,
    transmits: VecDeque<Transmit>,
    effects: VecDeque<Effect>,
    events: VecDeque<Event>,
}

impl Relay {
    /// Creates a relay without connections.
    pub fn new(config: Config, entropy: Entropy) -> Self {
        let mut entropy = pooled(entropy);
        let nonces = Nonces::new(config.nonce_lifetime, config.limits.nonces, &mut entropy);
        let opaque = crate::SessionId::random(&mut entropy).as_str().to_owned();
        Self {
            nonces,
            opaque,
            entropy,
            minted: 0,
            buffer: BytesMut::new(),
            dashes: Finder::new(DASHES),
            links: HashMap::new(),
            by_connection: HashMap::new(),
            by_open: HashMap::new(),
            by_hop: BTreeMap::new(),
            named: BTreeMap::new(),
            tokens: Tokens::default(),
            transactions: Transactions::new(config.limits.unanswered),
            questions: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            waiting: 0,
            active: VecDeque::new(),
            transmits: VecDeque::new(),
            effects: VecDeque::new(),
            events: VecDeque::new(),
            config,
        }
    }

    /// Takes one input.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Opened {
                connection,
                open,
                secure,
                peer,
            } => self.opened(connection, open, life::Nature { secure, peer }, now),
            Input::OpenFailed { open } => {
                if let Some(link) = self.by_open.get(&open).copied() {
                    self.drop_link(link);
                }
            }
            Input::Received { connection, data } => {
                if let Some(link) = self.by_connection.get(&connection).copied() {
                    self.received(link, data, now);
                }
            }
            Input::Blocked { connection } => {
                if let Some(link) = self.by_connection.get(&connection).copied() {
                    self.blocked(link, now);
                }
            }
            Input::Writable { connection } => {
                if let Some(link) = self.by_connection.get(&connection).copied() {
                    self.writable(link);
                }
            }
            Input::Closed { connection } => {
                if let Some(link) = self.by_connection.get(&connection).copied() {
                    self.drop_link(link);
                }
            }
        }
    }

    /// Takes what the host has found.
    pub fn handle_answer(&mut self, answer: Answer, now: Instant) {
        match answer {
            Answer::Password { id, password } => self.password_told(id, password, now),
        }
    }

    /// Gives the next thing for the network. Chunks are made here and not earlier, so that they can be interrupted for
    /// what is more urgent, and time runs from the moment at which their last octet is handed over.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        loop {
            if let Some(transmit) = self.transmits.pop_front() {
                return Some(transmit);
            }
            let key = self.active.pop_front()?;
            let Some(link) = self.links.get_mut(&key) else {
                continue;
            };
            let Some(connection) = link.connection else {
                link.outbox.listed = false;
                continue;
            };
            let mut tools = Tools {
                config: &self.config,
                dashes: &self.dashes,
                buffer: roomy(&mut self.buffer),
                entropy: &mut self.entropy,
                transactions: &mut self.transactions,
            };
            if let Some(produced) = link.outbox.produce(key, &mut tools, now) {
                self.active.push_back(key);
                self.freed(produced.from, produced.freed);
                return Some(Transmit::Send {
                    connection,
                    data: produced.octets,
                    ends: produced.ends,
                });
            }
            link.outbox.listed = false;
            if link.closing && link.outbox.is_flushed() {
                self.drop_link(key);
                self.transmits.push_back(Transmit::Close { connection });
            }
        }
    }

    /// Gives the next question to the host.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Gives the next piece of news.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The instant at which [`Relay::handle_timeout`] wants to be called, if any.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timer = self.deadlines.first().map(|(at, _)| *at);
        [timer, self.transactions.next_due()].into_iter().flatten().min()
    }

    /// Whether there are no connections and nothing to be polled.
    pub fn is_drained(&self) -> bool {
        self.links.is_empty()
            && self.transmits.is_empty()
            && self.effects.is_empty()
            && self.events.is_empty()
    }

    /// How many connections there are, those included that the host was asked for.
    pub fn connections(&self) -> usize {
        self.links.len()
    }

    /// How many URIs are handed out.
    pub fn uris(&self) -> usize {
        self.tokens.len()
    }

    /// How many forwarded requests wait for an answer.
    pub fn unanswered(&self) -> usize {
        self.transactions.len()
    }

    /// What waits to be sent, in octets, with what keeping it costs.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Gives a number that is not given again.
    fn number(&mut self) -> u64 {
        self.minted = self.minted.wrapping_add(1);
        self.minted
    }

    /// Puts a connection into the list of those that may have something to send.
    fn wake(&mut self, key: LinkKey) {
        if let Some(link) = self.links.get_mut(&key)
            && !link.outbox.listed
        {
            link.outbox.listed = true;
            self.active.push_back(key);
        }
    }
}

/// A buffer with room for a head. It is made in large pieces, whose memory is used again once what was split off has gone.
fn roomy(buffer: &mut BytesMut) -> &mut BytesMut {
    if buffer.capacity() < LEAST_ROOM {
        buffer.reserve(ROOM);
    }
    buffer
}

const LEAST_ROOM: usize = 4 * 1024;
const ROOM: usize = 128 * 1024;

/// Draws from a source some hundred octets at a time: asking an operating system for each identifier would cost more
/// than forwarding what it is for.
fn pooled(mut source: Entropy) -> Entropy {
    let mut pool = [0; 512];
    let mut rest = 0_usize;
    Box::new(move |octets| {
        for octet in octets {
            if rest == 0 {
                source(&mut pool);
                rest = pool.len();
            }
            rest = rest.saturating_sub(1);
            // What was given is not kept.
            *octet = pool.get_mut(rest).map(std::mem::take).unwrap_or_default();
        }
    })
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("connections", &self.links.len())
            .field("uris", &self.tokens.len())
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}
