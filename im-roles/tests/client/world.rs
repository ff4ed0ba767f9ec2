//! A client, a server made of the protocol endpoints, and the network between them.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use im_roles::WallClock;
use im_roles::client::{Client, Config, Event};
use im_roles::config::NextHop;
use im_roles::flow::{FlowId, Input, Protocol, Transmit, Transport};
use msrp::ConnectionId;
use sip_im::endpoint::{ClientTransaction, ServerTransaction, Target};
use sip_im::header::Contact;
use sip_im::{Method, Request, Response, ResponseBuilder, StatusCode, Uri};

/// What a test sees and does.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) client: Client,
    pub(crate) sip: sip_im::endpoint::Endpoint,
    pub(crate) msrp: msrp::endpoint::Endpoint,
    /// The requests that have come to the server and are not answered.
    pub(crate) requests: VecDeque<(ServerTransaction, Request)>,
    pub(crate) acks: Vec<Request>,
    pub(crate) responses: VecDeque<(ClientTransaction, Response)>,
    pub(crate) media: VecDeque<msrp::endpoint::Event>,
    pub(crate) events: Vec<Event>,
    /// Everything the client has sent over SIP.
    pub(crate) sent: Vec<u8>,
    pub(crate) opened: Vec<(Protocol, Transport, String, u16)>,
    flows: BTreeMap<FlowId, Protocol>,
    next_flow: u64,
    /// The SIP connection.
    pub(crate) link: FlowId,
    /// Whether connections are refused.
    pub(crate) refusing: bool,
    /// The lengths into which octets for the client are cut, in turn; none for whole pieces.
    pub(crate) cuts: Vec<usize>,
    cut: usize,
    tags: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let server = NextHop::new(Transport::Tcp, "192.0.2.1", 5060);
        let mut config = Config::new(uri("sip:alice@example.com"), "secret", server).unwrap();
        change(&mut config);
        let now = epoch();
        let clock = WallClock::new(now, Duration::from_secs(1_700_000_000));
        Self {
            now,
            client: Client::new(config, clock, entropy(1)),
            sip: sip_im::endpoint::Endpoint::new(sip_im::endpoint::Config::default(), entropy(2)),
            msrp: msrp::endpoint::Endpoint::new(msrp::endpoint::Config::default(), entropy(3)),
            requests: VecDeque::new(),
            acks: Vec::new(),
            responses: VecDeque::new(),
            media: VecDeque::new(),
            events: Vec::new(),
            sent: Vec::new(),
            opened: Vec::new(),
            flows: BTreeMap::new(),
            next_flow: 0,
            link: FlowId(0),
            refusing: false,
            cuts: Vec::new(),
            cut: 0,
            tags: 0,
        }
    }

    /// Moves octets until nobody has any, and listens to the client.
    pub(crate) fn run(&mut self) {
        loop {
            self.shift();
            let mut heard = false;
            while let Some(event) = self.client.poll_event() {
                heard = true;
                self.events.push(event);
            }
            if !heard {
                return;
            }
        }
    }

    /// Sends a request to the client without listening to what it tells.
    pub(crate) fn deliver_unheard(&mut self, request: Request) {
        self.sip.send(request, Target::Flow(self.link), self.now).unwrap();
        self.shift();
    }

    fn shift(&mut self) {
        loop {
            let mut moved = false;
            while let Some(transmit) = self.client.poll_transmit(self.now) {
                moved = true;
                self.take_transmit(transmit);
            }
            while let Some(transmit) = self.sip.poll_transmit(self.now) {
                moved = true;
                match transmit {
                    sip_im::endpoint::Transmit::Send { flow, data } => self.deliver(flow, &data),
                    sip_im::endpoint::Transmit::Close { flow } => self.close(flow),
                    sip_im::endpoint::Transmit::Open { .. } => panic!("the server opens no flow"),
                }
            }
            while let Some(transmit) = self.msrp.poll_transmit(self.now) {
                moved = true;
                match transmit {
                    msrp::endpoint::Transmit::Send { connection, data } => {
                        self.deliver(FlowId(connection.0), &data.to_bytes());
                    }
                    msrp::endpoint::Transmit::Close { connection } => self.close(FlowId(connection.0)),
                    msrp::endpoint::Transmit::Open { open, .. } => {
                        // The client listens.
                        let flow = self.mint_flow(Protocol::Msrp);
                        let connection = ConnectionId(flow.0);
                        let input = msrp::endpoint::Input::Opened {
                            connection,
                            open: Some(open),
                            secure: false,
                        };
                        self.msrp.handle_input(input, self.now);
                        self.client
                            .handle_input(opened(flow, Protocol::Msrp, None), self.now);
                    }
                }
            }
            while let Some(event) = self.sip.poll_event() {
                moved = true;
                match event {
                    sip_im::endpoint::Event::RequestReceived {
                        transaction, request, ..
                    } => {
                        self.requests.push_back((transaction, request));
                    }
                    sip_im::endpoint::Event::AckReceived { request, .. } => self.acks.push(request),
                    sip_im::endpoint::Event::ResponseReceived {
                        transaction,
                        response,
                    } => {
                        self.responses.push_back((transaction, response));
                    }
                    _ => {}
                }
            }
            while let Some(event) = self.msrp.poll_event() {
                moved = true;
                self.media.push_back(event);
            }
            if !moved {
                return;
            }
        }
    }

    fn take_transmit(&mut self, transmit: Transmit) {
        match transmit {
            Transmit::Open {
                open,
                protocol,
                transport,
                host,
                port,
                ..
            } => {
                self.opened.push((protocol, transport, host, port));
                if self.refusing {
                    return self.client.handle_input(Input::OpenFailed { open }, self.now);
                }
                let flow = self.mint_flow(protocol);
                if protocol == Protocol::Sip {
                    self.link = flow;
                    let input = sip_im::endpoint::Input::Opened {
                        flow,
                        transport: Transport::Tcp,
                        local: address("192.0.2.1:5060"),
                        remote: address("192.0.2.7:40000"),
                        open: None,
                        trusted: false,
                    };
                    self.sip.handle_input(input, self.now);
                } else {
                    let connection = ConnectionId(flow.0);
                    let input = msrp::endpoint::Input::Opened {
                        connection,
                        open: None,
                        secure: false,
                    };
                    self.msrp.handle_input(input, self.now);
                }
                self.client
                    .handle_input(opened(flow, protocol, Some(open)), self.now);
            }
            Transmit::Send { flow, mut data } => {
                let data = data.copy_to_bytes(data.remaining());
                match self.flows.get(&flow) {
                    Some(Protocol::Sip) => {
                        self.sent.extend_from_slice(&data);
                        self.sip
                            .handle_input(sip_im::endpoint::Input::Received { flow, data }, self.now);
                    }
                    Some(_) => {
                        let connection = ConnectionId(flow.0);
                        self.msrp
                            .handle_input(msrp::endpoint::Input::Received { connection, data }, self.now);
                    }
                    None => panic!("octets for a flow that is closed"),
                }
            }
            Transmit::Close { flow } => {
                if let Some(protocol) = self.flows.remove(&flow) {
                    self.closed(protocol, flow);
                }
            }
            other => panic!("{other:?}"),
        }
    }

    fn deliver(&mut self, flow: FlowId, data: &Bytes) {
        let mut rest = data.clone();
        while !rest.is_empty() {
            let length = if self.cuts.is_empty() {
                rest.len()
            } else {
                self.cut += 1;
                self.cuts[self.cut % self.cuts.len()].clamp(1, rest.len())
            };
            let data = rest.split_to(length);
            self.client.handle_input(Input::Received { flow, data }, self.now);
        }
    }

    /// The server closes a connection, or the network breaks it.
    pub(crate) fn close(&mut self, flow: FlowId) {
        if let Some(protocol) = self.flows.remove(&flow) {
            self.closed(protocol, flow);
            self.client.handle_input(Input::Closed { flow }, self.now);
        }
    }

    /// The server's side learns that a connection is gone.
    fn closed(&mut self, protocol: Protocol, flow: FlowId) {
        if protocol == Protocol::Sip {
            self.sip
                .handle_input(sip_im::endpoint::Input::Closed { flow }, self.now);
        } else {
            let connection = ConnectionId(flow.0);
            self.msrp
                .handle_input(msrp::endpoint::Input::Closed { connection }, self.now);
        }
    }

    /// The latest connection of MSRP.
    pub(crate) fn media_flow(&self) -> FlowId {
        let media = self
            .flows
            .iter()
            .rev()
            .find(|(_, protocol)| **protocol == Protocol::Msrp);
        *media.expect("a connection").0
    }

    fn mint_flow(&mut self, protocol: Protocol) -> FlowId {
        self.next_flow += 1;
        let flow = FlowId(self.next_flow);
        self.flows.insert(flow, protocol);
        flow
    }

    /// Lets time pass, deadline by deadline.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.run();
        loop {
            let next = [
                self.client.poll_timeout(),
                self.sip.poll_timeout(),
                self.msrp.poll_timeout(),
            ];
            let next = next.into_iter().flatten().min().filter(|next| *next <= end);
            self.now = next.unwrap_or(end).max(self.now);
            self.client.handle_timeout(self.now);
            self.sip.handle_timeout(self.now);
            self.msrp.handle_timeout(self.now);
            self.run();
            // No host can be made to spin.
            assert!(self.client.poll_timeout().is_none_or(|at| at > self.now));
            if next.is_none() {
                return;
            }
        }
    }

    /// The next request at the server, which must be of that method.
    #[track_caller]
    pub(crate) fn request(&mut self, method: &Method) -> (ServerTransaction, Request) {
        self.run();
        let (transaction, request) = self.requests.pop_front().expect("a request");
        assert_eq!(request.method(), method);
        (transaction, request)
    }

    pub(crate) fn tag(&mut self) -> String {
        self.tags += 1;
        format!("server{}", self.tags)
    }

    /// Answers a request, and lets the answer arrive.
    pub(crate) fn answer(&mut self, transaction: ServerTransaction, response: ResponseBuilder) {
        let tag = self.tag();
        let response = response.to_tag(&tag).build().unwrap();
        self.sip.respond(transaction, response, self.now).unwrap();
        self.run();
    }

    /// Takes the next request and answers it with a status.
    #[track_caller]
    pub(crate) fn answer_next(&mut self, method: &Method, status: StatusCode) -> Request {
        let (transaction, request) = self.request(method);
        let response = request.response(status);
        self.answer(transaction, response);
        request
    }

    /// Registers without asking for a password.
    #[track_caller]
    pub(crate) fn register(&mut self) {
        self.client.register(self.now).unwrap();
        let (transaction, request) = self.request(&Method::Register);
        let contact: Contact = request.headers().get().unwrap().unwrap();
        let response = request.response(StatusCode::OK).contact(&contact);
        self.answer(transaction, response);
        assert!(self.client.is_registered());
        self.events.clear();
    }

    /// Sends a request to the client.
    pub(crate) fn send(&mut self, request: Request) -> ClientTransaction {
        let transaction = self.sip.send(request, Target::Flow(self.link), self.now).unwrap();
        self.run();
        transaction
    }

    /// A request of somebody else's to the client.
    pub(crate) fn incoming(&mut self, method: Method, from: &str) -> sip_im::RequestBuilder {
        let (tag, call_id) = (self.tag(), self.tag());
        Request::builder(method, uri("sip:alice@192.0.2.7:40000;transport=tcp"))
            .from(&uri(from), None, &tag)
            .to(&uri("sip:alice@example.com"), None)
            .call_id(&call_id)
            .cseq(1)
    }

    /// The status of the next response at the server.
    #[track_caller]
    pub(crate) fn status(&mut self) -> u16 {
        self.run();
        self.responses.pop_front().expect("a response").1.status().code()
    }
}

pub(crate) fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn opened(flow: FlowId, protocol: Protocol, open: Option<im_roles::flow::OpenId>) -> Input {
    Input::Opened {
        flow,
        protocol,
        transport: Transport::Tcp,
        local: address("192.0.2.7:40000"),
        remote: address("192.0.2.1:5060"),
        open,
        trusted: true,
    }
}

/// The one reading of a clock: only differences from it matter.
#[expect(clippy::disallowed_methods, reason = "an opaque epoch")]
pub(crate) fn epoch() -> Instant {
    static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

/// A sequence of octets that depends on its seed alone.
pub(crate) fn entropy(seed: u64) -> msrp::Entropy {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    Box::new(move |octets: &mut [u8]| {
        for octet in octets {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *octet = state.to_be_bytes()[3];
        }
    })
}
