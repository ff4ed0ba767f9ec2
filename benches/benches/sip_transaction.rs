//! A MESSAGE server transaction from octets to octets to timer J with 100 000 live, against sipx-sip; and what one timer costs among a
//! thousand and among a million.

use core::hint::black_box;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;
use std::time::Instant;

use benches::Comparison;
use bytes::Bytes;
use sip_im::endpoint::{Config, Endpoint, Event, Input, Transmit};
use sip_im::{Entropy, FlowId, StatusCode, Transport};
use sipx_sip::transaction::{Dispatch, Output, Reliability, Timer, Timers, TransactionKey, TransactionLayer};
use sipx_sip::{HeaderName, Limits, ResponseBuilder, parse_datagram};

const LIVE: u64 = 100_000;

/// Between two messages, so that as many are live at a time.
const STEP: Duration = Duration::from_micros(320);

fn message(number: u64) -> Bytes {
    Bytes::from(format!(
        "MESSAGE sip:bob@biloxi.example SIP/2.0\r\n\
         Via: SIP/2.0/UDP desk.atlanta.example:5060;branch=z9hG4bK77ef4c23{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@atlanta.example>;tag=a73kszlfl\r\nTo: <sip:bob@biloxi.example>\r\n\
         Call-ID: 1j9FpLxk3uxtm8tn{number}@192.0.2.7\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\n\
         Content-Length: 17\r\n\r\nIs the door open?"
    ))
}

fn entropy() -> Entropy {
    let mut state = 1_u64;
    Box::new(move |buffer: &mut [u8]| {
        for octet in buffer {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *octet = state.to_be_bytes()[0];
        }
    })
}

struct Ours {
    endpoint: Endpoint,
    now: Instant,
    next: u64,
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

impl Ours {
    fn new() -> Self {
        let now = Instant::now();
        let mut config = Config::default();
        config.max_server_transactions = 200_000;
        let mut endpoint = Endpoint::new(config, entropy());
        open(&mut endpoint, FlowId(1), now);
        let mut made = Self {
            endpoint,
            now,
            next: 0,
        };
        for _ in 0..LIVE {
            made.serve();
        }
        made
    }

    fn serve(&mut self) -> usize {
        self.now += STEP;
        self.next += 1;
        let data = message(self.next);
        self.endpoint.handle_timeout(self.now);
        let flow = FlowId(1);
        self.endpoint
            .handle_input(Input::Received { flow, data }, self.now);
        while let Some(event) = self.endpoint.poll_event() {
            if let Event::RequestReceived {
                transaction, request, ..
            } = event
                && let Ok(response) = request.response(StatusCode::OK).to_tag("b5qt9xl3").build()
            {
                let _ = self.endpoint.respond(transaction, response, self.now);
            }
        }
        match self.endpoint.poll_transmit(self.now) {
            Some(Transmit::Send { data, .. }) => data.len(),
            _ => 0,
        }
    }
}

struct Theirs {
    layer: TransactionLayer,
    /// Their timers are the host's: in the order in which they are due, since each lasts equally long.
    due: VecDeque<TransactionKey>,
    next: u64,
}

impl Theirs {
    fn new() -> Self {
        let mut made = Self {
            layer: TransactionLayer::new(Timers::default()),
            due: VecDeque::new(),
            next: 0,
        };
        for _ in 0..LIVE {
            made.serve();
        }
        made
    }

    fn serve(&mut self) -> usize {
        self.next += 1;
        let data = message(self.next);
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

/// So many flows, each with a timer, of which one after the other is armed anew.
struct Armed {
    endpoint: Endpoint,
    now: Instant,
    flows: u64,
    next: u64,
}

impl Armed {
    fn new(flows: u64) -> Self {
        let now = Instant::now();
        let mut config = Config::default();
        config.max_flows = 2_000_000;
        let mut endpoint = Endpoint::new(config, entropy());
        for flow in 1..=flows {
            open(&mut endpoint, FlowId(flow), now);
        }
        Self {
            endpoint,
            now,
            flows,
            next: 0,
        }
    }

    fn again(&mut self) -> Option<Instant> {
        for _ in 0..100 {
            // Far apart, as deadlines of different peers are.
            self.next = (self.next + 7_919) % self.flows;
            let wait = Duration::from_secs(3600 + self.next % 1000);
            self.endpoint.keep_alive(FlowId(self.next + 1), wait, self.now);
            self.now += Duration::from_micros(1);
            self.endpoint.handle_timeout(self.now);
        }
        self.endpoint.poll_timeout()
    }
}

fn main() {
    let octets = message(1).len();
    let (mut ours, mut theirs) = (Ours::new(), Theirs::new());
    assert!(ours.serve() > 200 && theirs.serve() > 200, "both answer");
    Comparison::new("a MESSAGE to timer J, 100 000 live", octets, 1).run(
        || ours.serve(),
        "sipx-sip",
        || theirs.serve(),
    );
    drop((ours, theirs));
    let (mut many, mut few) = (Armed::new(1_000_000), Armed::new(1000));
    Comparison::new("a timer among 1 000 000", 0, 100).run(|| many.again(), "among 1000", || few.again());
}
