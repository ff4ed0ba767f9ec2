//! One endpoint that is told anything: flows that come and go, octets cut anywhere, requests to flows, addresses and URIs, answers late or
//! never, time. It never spins, stays within its limits, and is empty when all is over.

use core::net::SocketAddr;
use core::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use sip_im::endpoint::{
    ClientTransaction, Config, Endpoint, Event, Input, OpenId, ServerTransaction, Target, Transmit,
};
use sip_im::resolve::{Answer, Naptr, Query, QueryError, Record, RecordType, Srv};
use sip_im::{FlowId, Method, Request, StatusCode, Transport, Uri};

use crate::sip_transaction::{STATUSES, Source, entropy, request};

const TRANSPORTS: [Transport; 4] = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws];

const TARGETS: [&str; 6] = [
    "sip:b.test",
    "sips:b.test",
    "sip:192.0.2.2;transport=tcp",
    "sip:c.test:5070",
    "sip:192.0.2.2",
    "sip:d.test;transport=tcp",
];

const LINES: [&str; 5] = ["INVITE", "MESSAGE", "ACK", "CANCEL", "BYE"];

struct World {
    endpoint: Endpoint,
    now: Instant,
    flows: Vec<FlowId>,
    next_flow: u64,
    opens: Vec<(OpenId, Transport)>,
    queries: Vec<Query>,
    asked: Vec<(ServerTransaction, Request)>,
    sent: Vec<(FlowId, Bytes)>,
    clients: Vec<ClientTransaction>,
}

/// Each octet is an operation, or its operand.
pub fn sip_endpoint(data: &[u8]) {
    let mut source = Source(data.get(..data.len().min(300)).unwrap_or_default());
    let mut config = Config::default();
    config.max_server_transactions = 8;
    config.max_client_transactions = 8;
    config.max_flows = 6;
    config.max_waiting = 6;
    config.max_queued_octets = 8000;
    config.resolve.max_lookups = 4;
    config.refuse_merged = source.octet() & 1 == 1;
    let mut world = World {
        endpoint: Endpoint::new(config, entropy(7)),
        now: Instant::now(),
        flows: Vec::new(),
        next_flow: 1,
        opens: Vec::new(),
        queries: Vec::new(),
        asked: Vec::new(),
        sent: Vec::new(),
        clients: Vec::new(),
    };
    while !source.is_empty() {
        world.step(&mut source);
        world.drain();
        assert!(world.endpoint.server_transactions() <= 8);
        // A CANCEL, and what acknowledges a 503, is one more for each INVITE.
        assert!(world.endpoint.client_transactions() <= 16);
        assert!(world.endpoint.open_flows() <= 6);
    }
    world.finish();
}

impl World {
    fn step(&mut self, source: &mut Source<'_>) {
        let flow = self.flows.get(source.below(self.flows.len().max(1))).copied();
        match (source.below(14), flow) {
            (0, _) => {
                let transport = TRANSPORTS.get(source.below(4)).copied().unwrap_or(Transport::Udp);
                self.open(transport, None);
            }
            (1, Some(flow)) => {
                self.flows.retain(|known| *known != flow);
                self.endpoint.handle_input(Input::Closed { flow }, self.now);
            }
            (2, Some(flow)) => self.endpoint.handle_input(Input::Blocked { flow }, self.now),
            (3, Some(flow)) => self.endpoint.handle_input(Input::Writable { flow }, self.now),
            (4 | 5, Some(flow)) => {
                let data = incoming(source);
                self.endpoint
                    .handle_input(Input::Received { flow, data }, self.now);
            }
            (6, Some(flow)) => {
                let octets: Vec<u8> = (0..source.below(12)).map(|_| source.octet()).collect();
                let data = Bytes::from(octets);
                self.endpoint
                    .handle_input(Input::Received { flow, data }, self.now);
            }
            (7, _) => self.send(flow, source),
            (8, _) => self.answer_open(source),
            (9, _) => self.answer_query(source),
            (10, _) => self.respond(source),
            (11, _) => self.answer_request(source),
            (12, Some(flow)) => match source.below(3) {
                0 => self.endpoint.close(flow, self.now),
                1 => {
                    let interval = Duration::from_secs(u64::from(source.octet()));
                    self.endpoint.keep_alive(flow, interval, self.now);
                }
                _ => self.endpoint.stop_keep_alive(flow),
            },
            _ => {
                if let (Some(id), 0) = (
                    self.clients.get(source.below(self.clients.len().max(1))),
                    source.below(4),
                ) {
                    let _ = self.endpoint.cancel(*id, self.now);
                }
                self.pass(u64::from(source.octet()) * u64::from(source.octet()));
            }
        }
    }

    fn open(&mut self, transport: Transport, open: Option<OpenId>) {
        let flow = FlowId(self.next_flow);
        self.next_flow += 1;
        self.flows.push(flow);
        let address =
            |last: u64| SocketAddr::from(([192, 0, 2, u8::try_from(last % 200).unwrap_or(0)], 5060));
        let (local, remote) = (address(1), address(self.next_flow));
        let input = Input::Opened {
            flow,
            transport,
            local,
            remote,
            open,
            trusted: self.next_flow.is_multiple_of(3),
        };
        self.endpoint.handle_input(input, self.now);
    }

    fn send(&mut self, flow: Option<FlowId>, source: &mut Source<'_>) {
        let methods = [Method::Message, Method::Invite, Method::Options];
        let method = methods.get(source.below(3)).cloned().unwrap_or(Method::Message);
        let target = match (source.below(3), flow) {
            (0, Some(flow)) => Target::Flow(flow),
            (1, _) => Target::Address {
                transport: Transport::Udp,
                host: "192.0.2.2".to_owned(),
                port: 5060,
            },
            _ => match TARGETS
                .get(source.below(TARGETS.len()))
                .map(|text| Uri::parse(text))
            {
                Some(Ok(uri)) => Target::Uri(uri),
                _ => return,
            },
        };
        if let Some(request) = request(method, self.clients.len())
            && let Ok(id) = self.endpoint.send(request, target, self.now)
        {
            self.clients.push(id);
        }
    }

    fn answer_open(&mut self, source: &mut Source<'_>) {
        let at = source.below(self.opens.len().max(1));
        if at >= self.opens.len() {
            return;
        }
        let (open, transport) = self.opens.remove(at);
        if source.octet() & 1 == 0 {
            self.open(transport, Some(open));
        } else {
            self.endpoint.handle_input(Input::OpenFailed { open }, self.now);
        }
    }

    fn answer_query(&mut self, source: &mut Source<'_>) {
        let Some(query) = self.queries.get(source.below(self.queries.len().max(1))).cloned() else {
            return;
        };
        if source.octet() & 3 != 0 {
            self.queries.retain(|known| known.id != query.id);
        }
        let mut records = Vec::new();
        for _ in 0..source.below(4) {
            records.push(match query.question.record {
                RecordType::Naptr => Record::Naptr(Naptr {
                    order: u16::from(source.octet()),
                    preference: u16::from(source.octet()),
                    flags: "s".to_owned(),
                    service: if source.octet() & 1 == 0 {
                        "SIP+D2T"
                    } else {
                        "SIPS+D2T"
                    }
                    .to_owned(),
                    replacement: "_sip._tcp.b.test".to_owned(),
                }),
                RecordType::Srv => Record::Srv(Srv {
                    priority: u16::from(source.octet()),
                    weight: u16::from(source.octet()),
                    port: 5060,
                    target: format!("s{}.b.test", source.below(3)),
                }),
                _ => Record::Address([192, 0, 2, source.octet()].into()),
            });
        }
        let result = if source.below(8) == 0 {
            Err(QueryError::Failed)
        } else {
            Ok(records)
        };
        self.endpoint
            .handle_answer(Answer { id: query.id, result }, self.now);
    }

    fn respond(&mut self, source: &mut Source<'_>) {
        let status = STATUSES
            .get(source.below(STATUSES.len()))
            .copied()
            .and_then(StatusCode::new);
        let which = source.below(self.asked.len().max(1));
        if let (Some((id, request)), Some(status)) = (self.asked.get(which), status)
            && let Ok(response) = request.response(status).to_tag("b").build()
        {
            let _ = self.endpoint.respond(*id, response, self.now);
        }
    }

    /// The peer answers what it was sent.
    fn answer_request(&mut self, source: &mut Source<'_>) {
        let status = STATUSES
            .get(source.below(STATUSES.len()))
            .copied()
            .and_then(StatusCode::new);
        let which = source.below(self.sent.len().max(1));
        let (Some((flow, data)), Some(status)) = (self.sent.get(which).cloned(), status) else {
            return;
        };
        let parsed = sip_im::codec::parse_datagram(data, &sip_im::codec::Limits::default());
        if let Ok(sip_im::Message::Request(request)) = parsed
            && let Ok(response) = request.response(status).to_tag("x").build()
        {
            let data = response.to_bytes();
            self.endpoint
                .handle_input(Input::Received { flow, data }, self.now);
        }
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
        self.endpoint.handle_timeout(self.now);
        let next = self.endpoint.poll_timeout();
        assert!(
            next.is_none_or(|at| at > self.now),
            "a timer that does not go away"
        );
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.endpoint.poll_transmit(self.now) {
            match transmit {
                Transmit::Open { open, transport, .. } => self.opens.push((open, transport)),
                Transmit::Send { flow, data } => {
                    if self.sent.len() < 64 {
                        self.sent.push((flow, data));
                    }
                }
                Transmit::Close { flow } => self.flows.retain(|known| *known != flow),
            }
        }
        while let Some(query) = self.endpoint.poll_effect() {
            self.queries.push(query);
        }
        while let Some(event) = self.endpoint.poll_event() {
            if let Event::RequestReceived {
                transaction, request, ..
            } = event
            {
                self.asked.push((transaction, request));
            }
        }
    }

    fn finish(&mut self) {
        for _ in 0..3000 {
            self.drain();
            for (open, _) in core::mem::take(&mut self.opens) {
                self.endpoint.handle_input(Input::OpenFailed { open }, self.now);
            }
            for (id, request) in core::mem::take(&mut self.asked) {
                if let Ok(response) = request.response(StatusCode::BUSY_HERE).to_tag("b").build() {
                    let _ = self.endpoint.respond(id, response, self.now);
                }
            }
            for flow in self.flows.clone() {
                self.endpoint.stop_keep_alive(flow);
                self.endpoint.handle_input(Input::Writable { flow }, self.now);
            }
            self.drain();
            // What is asked for is answered before the end.
            if !self.opens.is_empty() || !self.asked.is_empty() {
                continue;
            }
            let next = self.endpoint.poll_timeout();
            let Some(next) = next.filter(|next| *next < self.now + Duration::from_secs(600)) else {
                break;
            };
            self.now = next.max(self.now);
            self.pass(0);
        }
        self.drain();
        assert_eq!(
            self.endpoint.client_transactions(),
            0,
            "client transactions are left"
        );
        assert_eq!(
            self.endpoint.server_transactions(),
            0,
            "server transactions are left"
        );
        assert!(
            self.endpoint.is_drained(),
            "something is left: {:?}",
            self.endpoint
        );
        assert!(
            self.endpoint.armed_timers() <= self.endpoint.open_flows(),
            "timers are left"
        );
    }
}

/// A request of a few transactions, perhaps cut.
fn incoming(source: &mut Source<'_>) -> Bytes {
    let method = LINES.get(source.below(LINES.len())).copied().unwrap_or("MESSAGE");
    let (branch, tag) = (source.below(6), source.octet());
    let cookie = if branch < 2 { "" } else { "z9hG4bK" };
    let tag = if tag & 1 == 0 { "" } else { ";tag=b" };
    let text = format!(
        "{method} sip:bob@b.test SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.9:5061;branch={cookie}{branch};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@a.test>;tag=a\r\nTo: <sip:bob@b.test>{tag}\r\nCall-ID: c{}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:alice@192.0.2.9>\r\nContent-Length: 0\r\n\r\n",
        branch / 2
    );
    let mut octets = Bytes::from(text);
    if source.below(16) == 0 {
        octets.truncate(usize::from(source.octet()));
    }
    octets
}
