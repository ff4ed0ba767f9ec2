//! A MESSAGE server transaction from octets to octets to timer J, and a client transaction to timer K, with 100 000 live, against
//! sipx-sip; and what asking for and moving on one timer costs among a thousand and among a million.

use core::hint::black_box;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;
use std::time::Instant;

use benches::Comparison;
use bytes::Bytes;
use sip_im::endpoint::{Config, Endpoint, Event, Input, Target, Transmit};
use sip_im::{ContentType, Entropy, FlowId, Method, Request, StatusCode, Transport, Uri};
use sipx_sip::transaction::{Dispatch, Output, Reliability, Timer, Timers, TransactionKey, TransactionLayer};
use sipx_sip::{HeaderName, Limits, Message, ResponseBuilder, parse_datagram};

const LIVE: u64 = 100_000;

/// Between two messages, so that as many are live at a time as timer J allows.
const STEP: Duration = Duration::from_micros(320);

/// So with timer K.
const CLIENT_STEP: Duration = Duration::from_micros(50);

const FLOW: FlowId = FlowId(1);

const REQUEST: &str = "MESSAGE sip:bob@biloxi.example SIP/2.0\r\n\
    Via: SIP/2.0/UDP desk.atlanta.example:5060;branch=z9hG4bK77ef4c23################\r\n\
    Max-Forwards: 70\r\nFrom: <sip:alice@atlanta.example>;tag=a73kszlfl\r\nTo: <sip:bob@biloxi.example>\r\n\
    Call-ID: 1j9FpLxk3uxtm8tn################@192.0.2.7\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\n\
    Content-Length: 17\r\n\r\nIs the door open?";

/// Requests as a socket gives them, each in a buffer of its own and with numbers of its own.
struct Datagrams {
    octets: Vec<u8>,
    places: Vec<usize>,
    next: u64,
}

impl Datagrams {
    fn new() -> Self {
        Self {
            octets: REQUEST.as_bytes().to_vec(),
            places: REQUEST
                .match_indices("################")
                .map(|(at, _)| at)
                .collect(),
            next: 0,
        }
    }

    fn next(&mut self) -> Bytes {
        self.next += 1;
        for place in &self.places {
            let digits = self.octets.iter_mut().skip(*place).take(16);
            for (at, digit) in (0_u32..).zip(digits) {
                let nibble = self.next >> (4 * at) & 15;
                *digit = b'a' + u8::try_from(nibble).unwrap_or_default();
            }
        }
        Bytes::copy_from_slice(&self.octets)
    }
}

fn entropy() -> Entropy {
    let mut state = 1_u64;
    Box::new(move |buffer: &mut [u8]| {
        for octets in buffer.chunks_mut(8) {
            // SplitMix64.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            for (octet, made) in octets.iter_mut().zip((mixed ^ mixed >> 31).to_be_bytes()) {
                *octet = made;
            }
        }
    })
}

fn open(endpoint: &mut Endpoint, flow: FlowId, now: Instant) {
    let [.., a, b, c] = flow.0.to_be_bytes();
    let input = Input::Opened {
        flow,
        transport: Transport::Udp,
        local: SocketAddr::from(([192, 0, 2, 9], 5060)),
        remote: SocketAddr::from(([10, a, b, c], 5060)),
        open: None,
        trusted: true,
    };
    endpoint.handle_input(input, now);
    while endpoint.poll_event().is_some() {}
}

fn endpoint(now: Instant) -> Endpoint {
    let mut config = Config::default();
    config.max_server_transactions = 200_000;
    config.max_client_transactions = 200_000;
    let mut endpoint = Endpoint::new(config, entropy());
    open(&mut endpoint, FLOW, now);
    endpoint
}

struct Server {
    endpoint: Endpoint,
    now: Instant,
    datagrams: Datagrams,
}

impl Server {
    fn new() -> Self {
        let now = Instant::now();
        let mut made = Self {
            endpoint: endpoint(now),
            now,
            datagrams: Datagrams::new(),
        };
        for _ in 0..LIVE {
            made.serve();
        }
        made
    }

    fn serve(&mut self) -> usize {
        self.now += STEP;
        let data = self.datagrams.next();
        self.endpoint.handle_timeout(self.now);
        self.endpoint
            .handle_input(Input::Received { flow: FLOW, data }, self.now);
        while let Some(event) = self.endpoint.poll_event() {
            if let Event::RequestReceived {
                transaction, request, ..
            } = event
                && let Ok(response) = request.response(StatusCode::OK).to_tag("b5qt9xl3").build()
            {
                let _ = self.endpoint.respond(transaction, response, self.now);
            }
        }
        sent(&mut self.endpoint, self.now).map_or(0, |data| data.len())
    }
}

fn sent(endpoint: &mut Endpoint, now: Instant) -> Option<Bytes> {
    match endpoint.poll_transmit(now) {
        Some(Transmit::Send { data, .. }) => Some(data),
        _ => None,
    }
}

struct TheirServer {
    layer: TransactionLayer,
    /// Their timers are the host's: in the order in which they are due, since each lasts equally long.
    due: VecDeque<TransactionKey>,
    datagrams: Datagrams,
}

impl TheirServer {
    fn new() -> Self {
        let mut made = Self {
            layer: TransactionLayer::new(Timers::default()),
            due: VecDeque::new(),
            datagrams: Datagrams::new(),
        };
        for _ in 0..LIVE {
            made.serve();
        }
        made
    }

    fn serve(&mut self) -> usize {
        let data = self.datagrams.next();
        if self.due.len() >= usize::try_from(LIVE).unwrap_or(usize::MAX)
            && let Some(key) = self.due.pop_front()
        {
            black_box(self.layer.on_timer(&key, Timer::J));
        }
        let Ok(message) = parse_datagram(data, &Limits::datagram()) else {
            return 0;
        };
        let Dispatch::Created { key, .. } = self.layer.receive(message, Reliability::Unreliable) else {
            return 0;
        };
        let response = self.layer.server_request(&key).and_then(|request| {
            let status = sipx_sip::StatusCode::new(200)?;
            let builder = ResponseBuilder::to_request(request, status, "OK").ok()?;
            let tagged = builder.set_header(&HeaderName::To, "<sip:bob@biloxi.example>;tag=b5qt9xl3");
            Some(tagged.ok()?.build())
        });
        let Some(response) = response else { return 0 };
        let outputs = self.layer.send_response(&key, response);
        self.due.push_back(key);
        outputs
            .iter()
            .map(|output| match output {
                Output::Send(message) => message.to_bytes().len(),
                _ => 0,
            })
            .sum()
    }
}

/// The response to a request of ours or of theirs, made from its lines.
fn response(request: &[u8], out: &mut Vec<u8>) -> Bytes {
    out.clear();
    out.extend_from_slice(b"SIP/2.0 200 OK\r\n");
    for line in request.split_inclusive(|octet| *octet == b'\n').skip(1) {
        if line == b"\r\n" {
            break;
        }
        if [&b"Via"[..], b"From", b"To", b"Call-ID", b"CSeq"]
            .iter()
            .any(|name| line.starts_with(name))
        {
            out.extend_from_slice(line);
        }
    }
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    Bytes::copy_from_slice(out)
}

struct Client {
    endpoint: Endpoint,
    now: Instant,
    request: Request,
    scratch: Vec<u8>,
}

impl Client {
    fn new() -> Option<Self> {
        let (now, bob) = (Instant::now(), Uri::parse("sip:bob@biloxi.example").ok()?);
        let request = Request::builder(Method::Message, bob.clone())
            .from(&Uri::parse("sip:alice@atlanta.example").ok()?, None, "a73kszlfl")
            .to(&bob, None)
            .call_id("1j9FpLxk3uxtm8tn@192.0.2.7")
            .cseq(1)
            .body(
                &ContentType::text_plain(),
                Bytes::from_static(b"Is the door open?"),
            )
            .build()
            .ok()?;
        let mut made = Self {
            endpoint: endpoint(now),
            now,
            request,
            scratch: Vec::new(),
        };
        for _ in 0..LIVE {
            made.ask();
        }
        Some(made)
    }

    fn ask(&mut self) -> usize {
        self.now += CLIENT_STEP;
        self.endpoint.handle_timeout(self.now);
        let request = self.request.clone();
        let _ = self.endpoint.send(request, Target::Flow(FLOW), self.now);
        let Some(octets) = sent(&mut self.endpoint, self.now) else {
            return 0;
        };
        let data = response(&octets, &mut self.scratch);
        self.endpoint
            .handle_input(Input::Received { flow: FLOW, data }, self.now);
        let mut octets = 0;
        while let Some(event) = self.endpoint.poll_event() {
            if let Event::ResponseReceived { response, .. } = event {
                octets += response.headers().len();
            }
        }
        octets
    }
}

struct TheirClient {
    layer: TransactionLayer,
    due: VecDeque<TransactionKey>,
    datagrams: Datagrams,
    scratch: Vec<u8>,
}

impl TheirClient {
    fn new() -> Self {
        let mut made = Self {
            layer: TransactionLayer::new(Timers::default()),
            due: VecDeque::new(),
            datagrams: Datagrams::new(),
            scratch: Vec::new(),
        };
        for _ in 0..LIVE {
            made.ask();
        }
        made
    }

    /// Their requests come with a Via that the host has written; reading it is not part of what is measured of ours, and neither
    /// is writing ours of theirs, which costs about as much.
    fn ask(&mut self) -> usize {
        if self.due.len() >= usize::try_from(LIVE).unwrap_or(usize::MAX)
            && let Some(key) = self.due.pop_front()
        {
            black_box(self.layer.on_timer(&key, Timer::K));
        }
        let Ok(Message::Request(request)) = parse_datagram(self.datagrams.next(), &Limits::datagram()) else {
            return 0;
        };
        let Some((key, outputs)) = self.layer.send_request(request, Reliability::Unreliable) else {
            return 0;
        };
        self.due.push_back(key);
        let octets = outputs.iter().find_map(|output| match output {
            Output::Send(message) => Some(message.to_bytes()),
            _ => None,
        });
        let data = response(&octets.unwrap_or_default(), &mut self.scratch);
        match parse_datagram(data, &Limits::datagram()) {
            Ok(message) => match self.layer.receive(message, Reliability::Unreliable) {
                Dispatch::Matched { outputs, .. } => outputs.len(),
                _ => 0,
            },
            Err(_) => 0,
        }
    }
}

/// So many flows, each of which is to be kept alive at times of its own.
struct Armed {
    endpoint: Endpoint,
    now: Instant,
}

impl Armed {
    fn new(flows: u64) -> Self {
        let now = Instant::now();
        let mut config = Config::default();
        config.max_flows = 2_000_000;
        config.flow_idle = Duration::from_secs(1 << 32);
        let mut endpoint = Endpoint::new(config, entropy());
        for flow in 1..=flows {
            open(&mut endpoint, FlowId(flow), now);
            // Between 24 and 29 seconds from now on, at random.
            endpoint.keep_alive(FlowId(flow), Duration::from_secs(29), now);
        }
        Self { endpoint, now }
    }

    /// Asks for the next deadline.
    fn poll(&self) -> Option<Instant> {
        let mut last = None;
        for _ in 0..100 {
            last = black_box(self.endpoint.poll_timeout());
        }
        last
    }

    /// Goes on to the next deadline and lets its timer be armed anew, a hundred times.
    fn advance(&mut self) -> usize {
        let mut due = 0;
        while due < 100 {
            self.now = self.endpoint.poll_timeout().unwrap_or(self.now);
            self.endpoint.handle_timeout(self.now);
            while self.endpoint.poll_event().is_some() {
                due += 1;
            }
        }
        due
    }
}

fn main() {
    let octets = REQUEST.len();
    if benches::is_wanted(SERVER) {
        let (mut ours, mut theirs) = (Server::new(), TheirServer::new());
        assert!(ours.serve() > 200 && theirs.serve() > 200, "both answer");
        Comparison::new(SERVER, octets, 1).run(|| ours.serve(), "sipx-sip", || theirs.serve());
    }
    if benches::is_wanted(CLIENT)
        && let Some(mut ours) = Client::new()
    {
        let mut theirs = TheirClient::new();
        assert!(ours.ask() > 0 && theirs.ask() > 0, "both are answered");
        Comparison::new(CLIENT, octets, 1).run(|| ours.ask(), "sipx-sip", || theirs.ask());
    }
    if benches::is_wanted(POLL) || benches::is_wanted(ADVANCE) {
        let (mut many, mut few) = (Armed::new(1_000_000), Armed::new(1000));
        Comparison::new(POLL, 0, 100).run(|| many.poll(), "among 1000", || few.poll());
        Comparison::new(ADVANCE, 0, 100).run(|| many.advance(), "among 1000", || few.advance());
    }
}

const SERVER: &str = "a MESSAGE to timer J, 100 000 live";
const CLIENT: &str = "a MESSAGE of ours to timer K, 100 000 live";
const POLL: &str = "asking for the next of 1 000 000 timers";
const ADVANCE: &str = "moving on one of 1 000 000 timers";
