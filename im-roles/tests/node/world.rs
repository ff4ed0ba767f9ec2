//! A node, its clock, its network and its stores, all in the hands of a test.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use im_roles::WallClock;
use im_roles::config::{Config, User};
use im_roles::effect::{Answer, Effect, StoredDocument};
use im_roles::flow::{Input, Protocol, Transmit};
use im_roles::node::{Event, Node};
use im_roles::xdms::{XcapId, XcapRequest, XcapResponse};
use sip_im::codec::{self, Limits};
use sip_im::digest::{Challenge, Ha1};
use sip_im::header::{HeaderName, ProxyAuthenticate, WwwAuthenticate};
use sip_im::{FlowId, Message, Request, Response, Transport, Uri};

/// 2023-11-14T22:13:20Z.
pub(crate) const EPOCH: Duration = Duration::from_secs(1_700_000_000);

/// A source of octets that repeats itself in each run.
pub(crate) fn entropy(mut state: u64) -> sip_im::Entropy {
    Box::new(move |octets| {
        for octet in octets {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *octet = state.to_be_bytes()[0];
        }
    })
}

pub(crate) fn config() -> Config {
    let mut config = Config::new("example.com").unwrap();
    for name in ["alice", "bob", "carol", "dave"] {
        let mut user = User::new(
            Uri::parse(&format!("sip:{name}@example.com")).unwrap(),
            format!("{name}-secret"),
        );
        if name == "alice" {
            user.aliases.push(Uri::parse("tel:+15551234").unwrap());
        }
        config.users.push(user);
    }
    config
}

pub(crate) struct World {
    pub(crate) node: Node,
    pub(crate) now: Instant,
    pub(crate) events: Vec<Event>,
    pub(crate) effects: VecDeque<Effect>,
    /// All octets that came out, by flow.
    pub(crate) sent: BTreeMap<u64, Vec<Bytes>>,
    inboxes: BTreeMap<u64, VecDeque<Message>>,
    pub(crate) opens: Vec<Transmit>,
    xcap: VecDeque<(XcapId, XcapResponse)>,
    /// Documents that the store has; fetches are answered from here while `answering`.
    pub(crate) documents: BTreeMap<String, StoredDocument>,
    pub(crate) answering: bool,
    serial: u32,
    next_xcap: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    pub(crate) fn with(config: Config) -> Self {
        let start = Instant::now();
        Self {
            node: Node::new(config, WallClock::new(start, EPOCH), entropy(1)),
            now: start,
            events: Vec::new(),
            effects: VecDeque::new(),
            sent: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            opens: Vec::new(),
            xcap: VecDeque::new(),
            documents: BTreeMap::new(),
            answering: true,
            serial: 0,
            next_xcap: 0,
        }
    }

    pub(crate) fn open(&mut self, flow: u64, trusted: bool) {
        let port = 6000 + u16::try_from(flow).unwrap();
        self.input(Input::Opened {
            flow: FlowId(flow),
            protocol: Protocol::Sip,
            transport: Transport::Udp,
            local: SocketAddr::from(([127, 0, 0, 1], 5060)),
            remote: SocketAddr::from(([127, 0, 0, 1], port)),
            open: None,
            trusted,
        });
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.node.handle_input(input, self.now);
        self.drain();
    }

    pub(crate) fn answer(&mut self, answer: Answer) {
        self.node.handle_answer(answer, self.now);
        self.drain();
    }

    /// Lets time pass, with every deadline acted on when it comes.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.node.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.node.handle_timeout(self.now);
            self.drain();
            assert!(
                self.node.poll_timeout().is_none_or(|next| next > self.now),
                "a deadline stays behind"
            );
        }
        self.now = end;
    }

    pub(crate) fn drain(&mut self) {
        loop {
            let mut moved = false;
            while let Some(transmit) = self.node.poll_transmit(self.now) {
                moved = true;
                match transmit {
                    Transmit::Send { flow, mut data } => {
                        let octets = data.copy_to_bytes(data.remaining());
                        self.sent.entry(flow.0).or_default().push(octets.clone());
                        let message =
                            codec::parse_datagram(octets, &Limits::default()).expect("a readable message");
                        self.inboxes.entry(flow.0).or_default().push_back(message);
                    }
                    Transmit::Xcap { id, response } => self.xcap.push_back((id, response)),
                    other => self.opens.push(other),
                }
            }
            while let Some(event) = self.node.poll_event() {
                self.events.push(event);
            }
            while let Some(effect) = self.node.poll_effect() {
                moved = true;
                match effect {
                    Effect::FetchDocument { id, selector } if self.answering => {
                        let key = format!(
                            "{}/{}/{}",
                            selector.auid,
                            selector
                                .user
                                .map_or_else(|| "global".to_owned(), |user| user.to_string()),
                            selector.document
                        );
                        let result = Ok(self.documents.get(&key).cloned());
                        self.node.handle_answer(Answer::Document { id, result }, self.now);
                    }
                    Effect::FindGroups { id, .. } if self.answering => {
                        self.node.handle_answer(
                            Answer::Groups {
                                id,
                                result: Ok(Vec::new()),
                            },
                            self.now,
                        );
                    }
                    // Nothing is kept for anybody, unless a test says otherwise.
                    Effect::ListMessages { id, .. } if self.answering => {
                        self.node.handle_answer(
                            Answer::Messages {
                                id,
                                result: Ok(Vec::new()),
                            },
                            self.now,
                        );
                    }
                    other => self.effects.push_back(other),
                }
            }
            if !moved {
                return;
            }
        }
    }

    pub(crate) fn send(&mut self, flow: u64, text: &str) {
        let data = Bytes::from(text.to_owned());
        self.input(Input::Received {
            flow: FlowId(flow),
            data,
        });
    }

    pub(crate) fn send_octets(&mut self, flow: u64, data: Bytes) {
        self.input(Input::Received {
            flow: FlowId(flow),
            data,
        });
    }

    /// The next message that the far end of a flow has got.
    pub(crate) fn get(&mut self, flow: u64) -> Option<Message> {
        self.inboxes.get_mut(&flow)?.pop_front()
    }

    pub(crate) fn get_response(&mut self, flow: u64) -> Response {
        match self.get(flow) {
            Some(Message::Response(response)) => response,
            other => panic!("no response on flow {flow} but {other:?}"),
        }
    }

    /// The next response that is final, past provisional ones.
    pub(crate) fn get_final(&mut self, flow: u64) -> Response {
        loop {
            let response = self.get_response(flow);
            if response.status().is_final() {
                return response;
            }
        }
    }

    pub(crate) fn get_request(&mut self, flow: u64) -> Request {
        match self.get(flow) {
            Some(Message::Request(request)) => request,
            other => panic!("no request on flow {flow} but {other:?}"),
        }
    }

    /// A request in full, with the head that every request has.
    pub(crate) fn text(
        &mut self,
        flow: u64,
        method: &str,
        uri: &str,
        from: &str,
        extra: &str,
        body: &str,
    ) -> String {
        self.serial += 1;
        let n = self.serial;
        let port = 6000 + flow;
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-{flow}-{n};rport\r\n\
             Max-Forwards: 70\r\nFrom: <{from}>;tag=f{n}\r\nTo: <{uri}>\r\nCall-ID: call{n}@{flow}\r\n\
             CSeq: {n} {method}\r\n{extra}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// Sends a request, answers the challenge to it, and gives the first response that is no challenge.
    pub(crate) fn ask(&mut self, flow: u64, user: &str, text: &str) -> Response {
        self.send(flow, text);
        let response = self.get_response(flow);
        if !matches!(response.status().code(), 401 | 407) {
            return response;
        }
        let text = authorized(text, user, &response);
        self.send(flow, &text);
        self.get_response(flow)
    }

    /// Like [`World::ask`], for a request whose response does not come at once.
    pub(crate) fn begin(&mut self, flow: u64, user: &str, text: &str) {
        self.send(flow, text);
        let response = self.get_response(flow);
        assert!(
            matches!(response.status().code(), 401 | 407),
            "no challenge but {}",
            response.status()
        );
        let text = authorized(text, user, &response);
        self.send(flow, &text);
    }

    pub(crate) fn register(&mut self, flow: u64, user: &str) -> Response {
        let contact = format!(
            "Contact: <sip:{user}@127.0.0.1:{}>;+g.oma.sip-im\r\nExpires: 3600\r\n",
            6000 + flow
        );
        let uri = format!("sip:{user}@example.com");
        let text = self.text(flow, "REGISTER", &uri, &uri, &contact, "").replacen(
            &format!("REGISTER {uri}"),
            "REGISTER sip:example.com",
            1,
        );
        self.ask(flow, user, &text)
    }

    pub(crate) fn message(&mut self, flow: u64, from: &str, to: &str, body: &str) -> String {
        let (from, to) = (format!("sip:{from}@example.com"), format!("sip:{to}@example.com"));
        self.text(flow, "MESSAGE", &to, &from, "Content-Type: text/plain\r\n", body)
    }

    /// Answers a request that came in on a flow.
    pub(crate) fn reply(&mut self, flow: u64, request: &Request, code: u16, extra: &[(&HeaderName, &str)]) {
        let mut response = request
            .response(sip_im::StatusCode::new(code).unwrap())
            .to_tag(&format!("t{flow}"));
        for (name, value) in extra {
            response = response.header(name, value).unwrap();
        }
        let response = response.build().unwrap();
        self.send_octets(flow, response.to_bytes());
    }

    pub(crate) fn take_effect(&mut self) -> Effect {
        self.effects.pop_front().expect("an effect")
    }

    pub(crate) fn xcap(&mut self, user: Option<&str>, request: XcapRequest) -> XcapResponse {
        let first = self.xcap_once(request.clone());
        let Some(user) = user.filter(|_| first.status == 401) else {
            return first;
        };
        let value = first
            .headers
            .iter()
            .find(|(name, _)| *name == "WWW-Authenticate")
            .unwrap()
            .1
            .clone();
        let challenge = Challenge::parse(&value).unwrap();
        let ha1 = Ha1::of_password(
            challenge.algorithm,
            user,
            "example.com",
            &format!("{user}-secret"),
        );
        let credentials = challenge.answer(
            user,
            &ha1,
            &request.method,
            &request.target,
            "cn",
            1,
            &request.body,
        );
        let mut request = request;
        request.authorization = Some(credentials.to_string());
        self.xcap_once(request)
    }

    /// Puts an XCAP request in; its response may not be there yet.
    pub(crate) fn xcap_once(&mut self, request: XcapRequest) -> XcapResponse {
        self.next_xcap += 1;
        let id = XcapId(self.next_xcap);
        self.input(Input::Xcap { id, request });
        match self.xcap.pop_front() {
            Some((answered, response)) => {
                assert_eq!(answered, id);
                response
            }
            None => XcapResponse::status(0),
        }
    }

    pub(crate) fn get_xcap(&mut self) -> XcapResponse {
        self.xcap.pop_front().expect("an answer to an xcap request").1
    }

    /// Asserts that nothing is left over once all timers have run out.
    pub(crate) fn assert_quiet(&mut self) {
        self.pass(Duration::from_secs(200));
        self.events.clear();
        assert!(self.node.is_quiet(), "left over: {:?}", self.node.load());
    }
}

/// The same request with an answer to a challenge.
pub(crate) fn authorized(text: &str, user: &str, response: &Response) -> String {
    let register = response.status().code() == 401;
    let challenges: Vec<Challenge> = if register {
        response
            .headers()
            .all::<WwwAuthenticate>()
            .filter_map(|one| one.unwrap().digest().cloned())
            .collect()
    } else {
        response
            .headers()
            .all::<ProxyAuthenticate>()
            .filter_map(|one| one.unwrap().digest().cloned())
            .collect()
    };
    let challenge = challenges.last().expect("a challenge");
    let mut words = text.split(' ');
    let (method, uri) = (words.next().unwrap(), words.next().unwrap());
    let ha1 = Ha1::of_password(
        challenge.algorithm,
        user,
        "example.com",
        &format!("{user}-secret"),
    );
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let credentials = challenge.answer(user, &ha1, method, uri, "cn", 1, body.as_bytes());
    let name = if register {
        "Authorization"
    } else {
        "Proxy-Authorization"
    };
    text.replacen("branch=z9hG4bK", "branch=z9hG4bKa", 1).replacen(
        "Max-Forwards",
        &format!("{name}: {credentials}\r\nMax-Forwards"),
        1,
    )
}
