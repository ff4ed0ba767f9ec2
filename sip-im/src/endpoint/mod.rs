//! The endpoint: flows and transactions of one host in one machine (RFC 3261 sections 17 and 18).
//!
//! The host tells it what happens on its sockets and does what it asks; the transaction user (a role, a proxy, a user agent) is told
//! of requests and responses and gives its own. What the RFC leaves to the transaction layer and to the transport layer happens
//! inside: repetitions and their absorption, the ACK of a final response other than 2xx, the 100 (Trying), the answer to CANCEL, the
//! way that a response takes, the switch of large requests to a stream, the keep-alive of RFC 5626.
//!
//! Inside, too, are the two things about a 2xx to an INVITE that the RFC leaves to the core, since every core does them alike:
//! [`Endpoint::respond`] repeats the 2xx until its ACK comes, [`Endpoint::acknowledge`] repeats the ACK whenever the 2xx comes. A
//! proxy, which does neither, answers with [`Endpoint::forward_response`].
//!
//! | file | what |
//! |---|---|
//! | `client` | client transactions |
//! | `server` | server transactions, ACK and CANCEL |
//! | `flows` | flows, and what waits on them |
//! | `keep_alive` | keep-alives of flows |
//! | `via` | what the endpoint reads and writes of a Via |
//! | `compression` | the host's compressor on the flows that are marked |
//! | `sessions` | sessions, as [`crate::session`] has them: optional, for a host that does not keep its dialogs itself |
//! | `schedule` | the timers |
//!
//! Not done: `maddr` and multicast (a response goes back to where its request came from, never to an address that the request
//! names), and the periodic repetition of an INVITE that RFC 3581 suggests.

mod client;
mod compression;
mod config;
mod error;
mod event;
mod flows;
mod keep_alive;
mod random;
mod schedule;
mod server;
mod sessions;
mod via;

use core::fmt;
use core::hash::BuildHasherDefault;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;

use self::client::{Client, Ends, Looking};
use self::compression::Compression;
use self::flows::{Flows, Waiting};
use self::random::derived;
use self::schedule::{FlowTimer, Key, Schedule};
use self::server::Server;
use self::sessions::Sessions;
use crate::Entropy;
use crate::codec::{self, StreamDecoder, StreamItem};
use crate::flow::{FlowId, Transport};
use crate::message::Message;
use crate::resolve::{LookupId, Resolver};
use crate::transaction::{DialogKey, Legacy, MergeKey, NumberHasher, Table};

pub(crate) use client::MARK;
pub use config::Config;
pub use error::{CancelError, RespondError, SendError};
pub use event::{
    ClientTransaction, Event, FlowInfo, Input, OpenId, RequestFailure, ServerTransaction, Target, Transmit,
};
pub(crate) use random::random_hex;

/// Flows and transactions of one host.
///
/// The host polls until `None` after each input, and waits for the next one no longer than [`Self::poll_timeout`] says:
///
/// ```
/// use std::time::Instant;
/// use sip_im::endpoint::{Config, Endpoint, Event, Input, Transmit};
/// use sip_im::{FlowId, StatusCode, Transport};
///
/// let mut endpoint = Endpoint::new(Config::default(), Box::new(|octets: &mut [u8]| octets.fill(7)));
/// let now = Instant::now();
/// let flow = FlowId(1);
/// let (local, remote) = ("192.0.2.2:5060".parse()?, "192.0.2.1:5060".parse()?);
/// endpoint.handle_input(
///     Input::Opened { flow, transport: Transport::Udp, local, remote, open: None, trusted: false },
///     now,
/// );
/// let data = "OPTIONS sip:b.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
///             From: <sip:a@a.test>;tag=1\r\nTo: <sip:b.test>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n";
/// endpoint.handle_input(Input::Received { flow, data: data.into() }, now);
///
/// while let Some(event) = endpoint.poll_event() {
///     if let Event::RequestReceived { transaction, request, .. } = event {
///         let response = request.response(StatusCode::OK).to_tag("2").build()?;
///         endpoint.respond(transaction, response, now)?;
///     }
/// }
/// let Some(Transmit::Send { data, .. }) = endpoint.poll_transmit(now) else { return Err("nothing to send".into()) };
/// assert!(data.starts_with(b"SIP/2.0 200 OK\r\n"));
/// assert!(endpoint.poll_timeout().is_some(), "the response is kept for repetitions of the request");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Endpoint {
    config: Config,
    entropy: Entropy,
    flows: Flows,
    clients: Table<Client>,
    /// Which client transactions fail when a flow does.
    client_flows: HashMap<FlowId, Ends, BuildHasherDefault<NumberHasher>>,
    servers: Table<Server>,
    /// The transactions of RFC 2543 clients.
    legacy: BTreeMap<Legacy, ServerTransaction>,
    /// The 2xx of ours that an ACK is awaited for.
    dialogs: BTreeMap<DialogKey, ServerTransaction>,
    /// The requests outside dialogs that are under way, if merged ones are refused.
    merging: BTreeMap<MergeKey, ServerTransaction>,
    resolver: Resolver,
    looking: BTreeMap<LookupId, Looking>,
    sessions: Sessions,
    compression: Compression,
    schedule: Schedule,
    events: VecDeque<Event>,
    /// The To tag of responses that leave no state behind, by which their ACKs are recognised.
    stateless_tag: String,
}

impl Endpoint {
    /// Makes an endpoint without any flow.
    pub fn new(config: Config, mut entropy: Entropy) -> Self {
        let stateless_tag = random_hex(&mut entropy, 8);
        let resolver = Resolver::new(config.resolve.clone(), derived(&mut entropy));
        let schedule = Schedule::new(&config);
        let (clients, servers) = (Table::new(&mut entropy), Table::new(&mut entropy));
        Self {
            config,
            resolver,
            looking: BTreeMap::new(),
            entropy,
            flows: Flows::default(),
            clients,
            client_flows: HashMap::default(),
            servers,
            legacy: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            sessions: Sessions::default(),
            compression: Compression::default(),
            merging: BTreeMap::new(),
            schedule,
            events: VecDeque::new(),
            stateless_tag,
        }
    }

    /// Takes what happened on a socket.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Opened {
                flow,
                transport,
                local,
                remote,
                open,
                trusted,
            } => {
                let info = FlowInfo {
                    transport,
                    local,
                    remote,
                    trusted,
                };
                self.opened(flow, info, open, now);
            }
            Input::OpenFailed { open } => self.open_failed(open, now),
            Input::Received { flow, data } => self.received(flow, data, now),
            Input::Blocked { flow } => self.flows.block(flow),
            Input::Writable { flow } => self.flows.unblock(flow),
            Input::Closed { flow } => {
                self.schedule.disarm_flow(flow);
                if self.flows.remove(flow) {
                    self.flow_gone(flow, now);
                }
            }
        }
        self.tell_sessions(now);
    }

    /// Does what is due. A call that comes early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(key) = self.schedule.pop_due(now) {
            match key {
                Key::Client(id, timer) => self.client_timeout(id, timer, now),
                Key::Server(id, timer) => self.server_timeout(id, timer, now),
                Key::Flow(flow, timer) => self.flow_timeout(flow, timer, now),
                Key::Session(id) => self.session_timeout(id, now),
                Key::Invite(id) => self.invite_timeout(id, now),
            }
        }
        self.resolver.handle_timeout(now);
        self.take_resolved(now);
        self.tell_sessions(now);
    }

    /// Gives the next thing that the host is to do.
    pub fn poll_transmit(&mut self, _now: Instant) -> Option<Transmit> {
        let transmit = self.flows.poll()?;
        if let Transmit::Close { flow } = &transmit {
            self.schedule.disarm_flow(*flow);
        }
        Some(transmit)
    }

    /// Gives the next piece of news.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.schedule.next(), self.resolver.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether nothing is under way: no transaction, no session, nothing to send, nothing to tell. Flows may be open.
    pub fn is_drained(&self) -> bool {
        self.clients.is_empty()
            && self.clients.has_no_keys()
            && self.client_flows.is_empty()
            && self.servers.is_empty()
            && self.servers.has_no_keys()
            && self.legacy.is_empty()
            && self.dialogs.is_empty()
            && self.merging.is_empty()
            && self.looking.is_empty()
            && self.resolver.is_drained()
            && self.sessions.is_empty()
            && self.events.is_empty()
            && self.flows.is_quiet()
    }

    /// Closes a flow behind what is queued for it. Client transactions on it fail.
    pub fn close(&mut self, flow: FlowId, now: Instant) {
        if self.flows.close(flow) {
            self.schedule.disarm_flow(flow);
            self.schedule.arm(
                Key::Flow(flow, FlowTimer::Message),
                now,
                self.config.message_timeout,
            );
            self.flow_gone(flow, now);
        }
        self.tell_sessions(now);
    }

    /// What is known of a flow that is open.
    pub fn flow_info(&self, flow: FlowId) -> Option<&FlowInfo> {
        self.flows.get(flow).map(|flow| &flow.info)
    }

    /// Client transactions that are not yet over.
    pub fn client_transactions(&self) -> usize {
        self.clients.len()
    }

    /// Server transactions that are not yet over.
    pub fn server_transactions(&self) -> usize {
        self.servers.len()
    }

    /// Flows that are open.
    pub fn open_flows(&self) -> usize {
        self.flows.len()
    }

    /// Timers that are armed.
    pub fn armed_timers(&self) -> usize {
        self.schedule.len()
    }

    /// Makes a tag for a From or To header field.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-19.3
    //# When a tag is generated by a UA for insertion into a request or
    //# response, it MUST be globally unique and cryptographically random
    //# with at least 32 bits of randomness.
    pub fn mint_tag(&mut self) -> String {
        random_hex(&mut self.entropy, 8)
    }

    /// Makes a Call-ID.
    pub fn mint_call_id(&mut self) -> String {
        random_hex(&mut self.entropy, 16)
    }

    /// Randomness for ids that the transaction user makes itself.
    pub fn entropy(&mut self) -> &mut Entropy {
        &mut self.entropy
    }

    fn opened(&mut self, flow: FlowId, info: FlowInfo, open: Option<OpenId>, now: Instant) {
        if self.flows.get(flow).is_some() {
            return;
        }
        let asked_for = open.is_some_and(|open| self.flows.is_asked_for(open));
        if !asked_for && self.flows.committed() >= self.config.max_flows {
            self.flows.refuse(flow);
            return;
        }
        let decoder = info
            .transport
            .is_stream()
            .then(|| StreamDecoder::new(self.config.limits));
        let sent_by = self.local_name(info.local, info.transport);
        let waiting = self.flows.insert(flow, info, sent_by, decoder, open, now);
        self.schedule
            .arm(Key::Flow(flow, FlowTimer::Idle), now, self.config.flow_idle);
        self.events.push_back(Event::FlowOpened { flow });
        for what in waiting {
            match what {
                Waiting::Client(id) => self.client_opened(id, flow, open, now),
                Waiting::Request(request, remember) => self.send_stateless(*request, flow, remember, now),
                Waiting::Response(id, response) => self.response_opened(id, response, flow, now),
            }
        }
    }

    fn open_failed(&mut self, open: OpenId, now: Instant) {
        let Some(waiting) = self.flows.fail(open) else {
            return;
        };
        for what in waiting {
            match what {
                Waiting::Client(id) => self.client_unreachable(id, open, now),
                Waiting::Request(..) => {}
                Waiting::Response(id, _) => self.response_failed(id),
            }
        }
    }

    fn received(&mut self, flow: FlowId, data: Bytes, now: Instant) {
        let Some(entry) = self.flows.get_mut(flow) else {
            return;
        };
        entry.active = now;
        let Some(data) = self.decompressed(flow, data, now) else {
            return;
        };
        let Some(entry) = self.flows.get_mut(flow) else {
            return;
        };
        let Some(decoder) = &mut entry.decoder else {
            self.received_message(flow, data, now);
            return;
        };
        decoder.push(data);
        let mut progressed = false;
        loop {
            // A message may have led to the flow's end.
            let Some(decoder) = self.flows.get_mut(flow).and_then(|entry| entry.decoder.as_mut()) else {
                return;
            };
            match decoder.next() {
                Ok(Some(StreamItem::Message(message))) => self.message(flow, message, now),
                Ok(Some(StreamItem::Malformed { reply, .. })) => {
                    if let Some(reply) = reply {
                        self.transmit(flow, reply.to_bytes(), now);
                    }
                }
                //= https://www.rfc-editor.org/rfc/rfc5626#section-4.4.1
                //# When a server receives a double CRLF sequence between SIP messages on
                //# a connection-oriented transport such as TCP or SCTP, it MUST
                //# immediately respond with a single CRLF over the same connection.
                Ok(Some(StreamItem::Pong)) => self.schedule.disarm(Key::Flow(flow, FlowTimer::Pong)),
                // Two pongs with nothing in between look like a ping, so one that is awaited may be this; the answer that it
                // gets is a single CRLF, which asks for nothing.
                Ok(Some(StreamItem::Ping)) => {
                    self.schedule.disarm(Key::Flow(flow, FlowTimer::Pong));
                    self.transmit(flow, Bytes::from_static(b"\r\n"), now);
                }
                Ok(None) => break,
                Err(error) => {
                    if let Some(reply) = error.error.into_reply() {
                        self.transmit(flow, reply.to_bytes(), now);
                    }
                    self.close(flow, now);
                    return;
                }
            }
            progressed = true;
        }
        let partial = self
            .flows
            .get(flow)
            .and_then(|entry| entry.decoder.as_ref())
            .is_some_and(StreamDecoder::is_incomplete);
        let key = Key::Flow(flow, FlowTimer::Message);
        if progressed || !partial {
            self.schedule.disarm(key);
        }
        if partial && !self.schedule.is_armed(key) {
            self.schedule.arm(key, now, self.config.message_timeout);
        }
    }

    fn received_message(&mut self, flow: FlowId, data: Bytes, now: Instant) {
        // Keep-alives of peers behind address translators.
        if data.iter().all(|octet| matches!(octet, b'\r' | b'\n' | 0)) {
            return;
        }
        let is_websocket = self
            .flows
            .get(flow)
            .is_some_and(|entry| matches!(entry.info.transport, Transport::Ws | Transport::Wss));
        let read = if is_websocket {
            codec::parse_websocket(data, &self.config.limits)
        } else {
            codec::parse_datagram(data, &self.config.limits)
        };
        match read {
            Ok(message) => self.message(flow, message, now),
            Err(error) => {
                if let Some(reply) = error.reply() {
                    self.transmit(flow, reply.to_bytes(), now);
                }
            }
        }
    }

    fn message(&mut self, flow: FlowId, message: Message, now: Instant) {
        match message {
            Message::Request(request) => self.request(flow, request, now),
            Message::Response(response) => self.response(response, now),
        }
        // The next message of a stream may already belong to the session that this one makes.
        self.tell_sessions(now);
    }

    fn flow_timeout(&mut self, flow: FlowId, timer: FlowTimer, now: Instant) {
        match timer {
            FlowTimer::Idle => {
                let Some(entry) = self.flows.get(flow) else { return };
                let silent = now.saturating_duration_since(entry.active);
                let needed = entry.servers > 0 || self.has_clients(flow);
                if silent >= self.config.flow_idle && !needed {
                    self.close(flow, now);
                } else {
                    let rest = self.config.flow_idle.saturating_sub(silent);
                    let rest = if rest.is_zero() {
                        self.config.flow_idle
                    } else {
                        rest
                    };
                    self.schedule
                        .arm(Key::Flow(flow, FlowTimer::Idle), now, rest.max(SHORTEST));
                }
            }
            FlowTimer::Message => self.fail_flow(flow, now),
            FlowTimer::KeepAlive => self.send_keep_alive(flow, now),
            FlowTimer::Pong => self.pong_missed(flow, now),
        }
    }

    /// Whether a client transaction would fail with the flow.
    fn has_clients(&self, flow: FlowId) -> bool {
        self.client_flows.contains_key(&flow)
    }

    /// Queues octets on a flow, and ends the flow if its peer does not read.
    fn transmit(&mut self, flow: FlowId, data: Bytes, now: Instant) {
        let data = self.compressed(flow, data);
        if !self.flows.enqueue(flow, data, self.config.max_queued_octets, now) {
            self.close(flow, now);
            self.flows.abandon(flow);
        }
    }

    fn flow_gone(&mut self, flow: FlowId, now: Instant) {
        self.compression.forget(flow);
        self.emit(Event::FlowClosed { flow });
        for id in self.clients_of(flow) {
            self.client_failed(id, now);
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("flows", &self.flows.len())
            .field("waiting", &self.flows.waiting())
            .field("client_transactions", &self.clients.len())
            .field("server_transactions", &self.servers.len())
            .field("events", &self.events.len())
            .field("timers", &self.schedule.len())
            .finish_non_exhaustive()
    }
}

/// No timer is armed for less, so that a configuration of zeros can't make a host spin.
const SHORTEST: core::time::Duration = core::time::Duration::from_millis(1);
