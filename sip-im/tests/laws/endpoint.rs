//! Endpoints that are given operations in any order.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use sip_im::dialog::Dialog;
use sip_im::endpoint::{
    ClientTransaction, Config, Endpoint, Event, Input, OpenId, ServerTransaction, Target, Transmit,
};
use sip_im::{FlowId, Method, Request, StatusCode, Transport};

use crate::machines::{answer, entropy, epoch, request, uri};

/// Something done to an endpoint.
#[derive(Clone, Debug)]
enum Operation {
    Open {
        transport: Transport,
    },
    Close {
        flow: u8,
    },
    Block {
        flow: u8,
    },
    Unblock {
        flow: u8,
    },
    /// A request comes in: which method, which of a few branches.
    Request {
        flow: u8,
        method: u8,
        branch: u8,
        tag: bool,
    },
    /// The octets of a message, or noise, come in up to a cut.
    Noise {
        flow: u8,
        octets: Vec<u8>,
    },
    Send {
        method: u8,
        to: u8,
    },
    Respond {
        which: u8,
        status: u16,
        own: bool,
    },
    /// The peer answers a request of ours.
    Response {
        which: u8,
        status: u16,
        tag: u8,
    },
    Acknowledge {
        which: u8,
    },
    Cancel {
        which: u8,
    },
    OpenAnswer {
        which: u8,
        works: bool,
    },
    Wait {
        milliseconds: u32,
    },
    /// To the very next deadline.
    Timeout,
    Shut {
        flow: u8,
    },
}

fn operation() -> impl Strategy<Value = Operation> {
    let status = prop_oneof![
        Just(100_u16),
        Just(180),
        Just(200),
        Just(202),
        Just(302),
        Just(408),
        Just(486),
        Just(603)
    ];
    let transport = prop_oneof![Just(Transport::Udp), Just(Transport::Tcp), Just(Transport::Ws)];
    prop_oneof![
        2 => transport.prop_map(|transport| Operation::Open { transport }),
        1 => any::<u8>().prop_map(|flow| Operation::Close { flow }),
        1 => any::<u8>().prop_map(|flow| Operation::Block { flow }),
        1 => any::<u8>().prop_map(|flow| Operation::Unblock { flow }),
        6 => (any::<u8>(), any::<u8>(), 0..6_u8, any::<bool>())
            .prop_map(|(flow, method, branch, tag)| Operation::Request { flow, method, branch, tag }),
        1 => (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40)).prop_map(|(flow, octets)| Operation::Noise { flow, octets }),
        4 => (any::<u8>(), any::<u8>()).prop_map(|(method, to)| Operation::Send { method, to }),
        4 => (any::<u8>(), status.clone(), any::<bool>()).prop_map(|(which, status, own)| Operation::Respond { which, status, own }),
        4 => (any::<u8>(), status, 0..3_u8).prop_map(|(which, status, tag)| Operation::Response { which, status, tag }),
        2 => any::<u8>().prop_map(|which| Operation::Acknowledge { which }),
        1 => any::<u8>().prop_map(|which| Operation::Cancel { which }),
        3 => (any::<u8>(), any::<bool>()).prop_map(|(which, works)| Operation::OpenAnswer { which, works }),
        3 => (0..40_000_u32).prop_map(|milliseconds| Operation::Wait { milliseconds }),
        4 => Just(Operation::Timeout),
        1 => any::<u8>().prop_map(|flow| Operation::Shut { flow }),
    ]
}

/// A host that drives one endpoint and remembers what it was told.
struct Host {
    endpoint: Endpoint,
    now: Instant,
    flows: Vec<FlowId>,
    next_flow: u64,
    opens: Vec<(OpenId, Transport)>,
    requests: Vec<(ServerTransaction, Request)>,
    clients: Vec<ClientTransaction>,
    /// What the endpoint sent as requests, to be answered.
    sent: Vec<(FlowId, Request)>,
    log: Vec<String>,
    drain_each_time: bool,
}

fn pick<T>(items: &[T], which: u8) -> Option<&T> {
    items.get(usize::from(which).checked_rem(items.len())?)
}

impl Host {
    fn new(start: Instant, drain_each_time: bool) -> Self {
        let mut config = Config::default();
        config.max_server_transactions = 6;
        config.max_client_transactions = 6;
        config.max_flows = 5;
        config.max_waiting = 4;
        config.max_queued_octets = 8_000;
        Self {
            endpoint: Endpoint::new(config, entropy(5)),
            now: start,
            flows: Vec::new(),
            next_flow: 1,
            opens: Vec::new(),
            requests: Vec::new(),
            clients: Vec::new(),
            sent: Vec::new(),
            log: Vec::new(),
            drain_each_time,
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each operation")]
    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Open { transport } => self.opened(*transport, None),
            Operation::Close { flow } => self.on_flow(*flow, |flow| Input::Closed { flow }),
            Operation::Block { flow } => self.on_flow(*flow, |flow| Input::Blocked { flow }),
            Operation::Unblock { flow } => self.on_flow(*flow, |flow| Input::Writable { flow }),
            Operation::Request {
                flow,
                method,
                branch,
                tag,
            } => {
                let data = incoming(*method, *branch, *tag);
                self.on_flow(*flow, |flow| Input::Received { flow, data });
            }
            Operation::Noise { flow, octets } => {
                let data = Bytes::from(octets.clone());
                self.on_flow(*flow, |flow| Input::Received { flow, data });
            }
            Operation::Send { method, to } => {
                let method =
                    [Method::Invite, Method::Message, Method::Options][usize::from(method % 3)].clone();
                let request = request(method, &format!("c{to}"));
                let transport = if to % 2 == 0 {
                    Transport::Udp
                } else {
                    Transport::Tcp
                };
                let target = match pick(&self.flows, *to) {
                    Some(flow) if to % 3 == 0 => Target::Flow(*flow),
                    _ => Target::Address {
                        transport,
                        host: "192.0.2.2".to_owned(),
                        port: 5060 + u16::from(to % 4),
                    },
                };
                if let Ok(id) = self.endpoint.send(request, target, self.now) {
                    self.clients.push(id);
                }
            }
            Operation::Respond { which, status, own } => {
                let Some((id, request)) = pick(&self.requests, *which).cloned() else {
                    return;
                };
                let Some(status) = StatusCode::new(*status) else {
                    return;
                };
                let response = answer(&request, status);
                let result = if *own {
                    self.endpoint.respond(id, response, self.now)
                } else {
                    self.endpoint.forward_response(id, response, self.now)
                };
                self.log.push(format!("respond {result:?}"));
            }
            Operation::Response { which, status, tag } => {
                let Some((flow, request)) = pick(&self.sent, *which).cloned() else {
                    return;
                };
                let Some(status) = StatusCode::new(*status) else {
                    return;
                };
                let contact = sip_im::header::Contact::new(uri("sip:bob@192.0.2.2"));
                let response = request
                    .response(status)
                    .to_tag(&format!("t{tag}"))
                    .contact(&contact)
                    .build();
                let data = response.expect("a response").to_bytes();
                self.endpoint
                    .handle_input(Input::Received { flow, data }, self.now);
            }
            Operation::Acknowledge { which } => {
                let Some(id) = pick(&self.clients, *which).copied() else {
                    return;
                };
                let invite = request(Method::Invite, "c0");
                let Ok(dialog) = Dialog::from_uac(&invite, &answer(&invite, StatusCode::OK)) else {
                    return;
                };
                let target = Target::Address {
                    transport: Transport::Udp,
                    host: "192.0.2.2".to_owned(),
                    port: 5060,
                };
                let result =
                    self.endpoint
                        .acknowledge(id, dialog.ack(1).build().expect("an ack"), target, self.now);
                self.log.push(format!("acknowledge {result:?}"));
            }
            Operation::Cancel { which } => {
                let Some(id) = pick(&self.clients, *which).copied() else {
                    return;
                };
                let result = self.endpoint.cancel(id, self.now);
                self.log.push(format!("cancel {result:?}"));
            }
            Operation::OpenAnswer { which, works } => {
                let Some(at) = usize::from(*which).checked_rem(self.opens.len()) else {
                    return;
                };
                let (open, transport) = self.opens.remove(at);
                if *works {
                    self.opened(transport, Some(open));
                } else {
                    self.endpoint.handle_input(Input::OpenFailed { open }, self.now);
                }
            }
            Operation::Wait { milliseconds } => {
                self.now += Duration::from_millis(u64::from(*milliseconds));
                self.endpoint.handle_timeout(self.now);
                self.check_law_3();
            }
            Operation::Timeout => {
                let Some(next) = self.endpoint.poll_timeout() else {
                    return;
                };
                self.now = self.now.max(next);
                self.endpoint.handle_timeout(self.now);
                self.check_law_3();
            }
            Operation::Shut { flow } => {
                if let Some(flow) = pick(&self.flows, *flow) {
                    self.endpoint.close(*flow, self.now);
                }
            }
        }
        self.check_law_6();
        if self.drain_each_time {
            self.drain();
        }
    }

    fn on_flow(&mut self, flow: u8, input: impl FnOnce(FlowId) -> Input) {
        if let Some(flow) = pick(&self.flows, flow).copied() {
            let input = input(flow);
            if matches!(input, Input::Closed { .. }) {
                self.flows.retain(|known| *known != flow);
            }
            self.endpoint.handle_input(input, self.now);
        }
    }

    fn opened(&mut self, transport: Transport, open: Option<OpenId>) {
        let flow = FlowId(self.next_flow);
        self.next_flow += 1;
        self.flows.push(flow);
        let local: SocketAddr = "192.0.2.1:5060".parse().expect("an address");
        let port = 5060 + u16::try_from(self.next_flow % 50).unwrap_or(0);
        let remote = SocketAddr::new("192.0.2.2".parse().expect("an address"), port);
        let input = Input::Opened {
            flow,
            transport,
            local,
            remote,
            open,
            trusted: false,
        };
        self.endpoint.handle_input(input, self.now);
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.endpoint.poll_transmit(self.now) {
            self.log.push(match &transmit {
                Transmit::Send { flow, data } => format!("{flow}: {}", String::from_utf8_lossy(data)),
                other => format!("{other:?}"),
            });
            match transmit {
                Transmit::Open { open, transport, .. } => self.opens.push((open, transport)),
                Transmit::Send { flow, data } => {
                    let message = sip_im::codec::parse_datagram(data, &sip_im::codec::Limits::default());
                    if let Ok(sip_im::Message::Request(request)) = message {
                        self.sent.push((flow, request));
                    }
                }
                Transmit::Close { flow } => self.flows.retain(|known| *known != flow),
            }
        }
        while let Some(event) = self.endpoint.poll_event() {
            self.log.push(format!("{event:?}"));
            if let Event::RequestReceived {
                transaction, request, ..
            } = event
            {
                self.requests.push((transaction, request));
            }
        }
    }

    fn check_law_3(&self) {
        let next = self.endpoint.poll_timeout();
        assert!(
            next.is_none_or(|next| next > self.now),
            "a timeout that does not go away"
        );
    }

    fn check_law_6(&self) {
        assert!(self.endpoint.server_transactions() <= 6);
        // A CANCEL of ours is one more for each INVITE.
        assert!(self.endpoint.client_transactions() <= 12);
        assert!(self.endpoint.open_flows() <= 5);
        let things = self.endpoint.client_transactions()
            + self.endpoint.server_transactions()
            + self.endpoint.open_flows();
        assert!(self.endpoint.armed_timers() <= 4 * things);
    }

    /// To the end of everything.
    fn finish(&mut self) {
        for (open, _) in std::mem::take(&mut self.opens) {
            self.endpoint.handle_input(Input::OpenFailed { open }, self.now);
        }
        for _ in 0..2 {
            self.drain();
            // The user owes each request an answer.
            for (id, request) in std::mem::take(&mut self.requests) {
                let _ = self
                    .endpoint
                    .respond(id, answer(&request, StatusCode::BUSY_HERE), self.now);
            }
            for flow in self.flows.clone() {
                self.endpoint.handle_input(Input::Writable { flow }, self.now);
            }
            for _ in 0..1000 {
                self.drain();
                for (open, _) in std::mem::take(&mut self.opens) {
                    self.endpoint.handle_input(Input::OpenFailed { open }, self.now);
                }
                let Some(next) = self.endpoint.poll_timeout() else {
                    break;
                };
                if next > self.now + Duration::from_secs(300) {
                    break;
                }
                self.now = self.now.max(next);
                self.endpoint.handle_timeout(self.now);
            }
            self.drain();
        }
    }
}

fn incoming(method: u8, branch: u8, tag: bool) -> Bytes {
    let method = ["INVITE", "ACK", "CANCEL", "MESSAGE", "BYE"][usize::from(method % 5)];
    let tag = if tag { ";tag=bob-tag" } else { "" };
    // The first branches are those of a client of RFC 2543.
    let cookie = if branch < 2 { "" } else { "z9hG4bK" };
    Bytes::from(format!(
        "{method} sip:bob@b.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5061;branch={cookie}{branch};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@a.test>;tag=a\r\nTo: <sip:bob@b.test>{tag}\r\nCall-ID: c{branch}\r\n\
         CSeq: 1 {method}\r\nContact: <sip:alice@192.0.2.2>\r\nContent-Length: 0\r\n\r\n"
    ))
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn same_inputs_give_same_outputs_and_nothing_is_left(operations in proptest::collection::vec(operation(), 0..80)) {
        let start = epoch();
        let run = || {
            let mut host = Host::new(start, true);
            for operation in &operations {
                host.apply(operation);
            }
            host.finish();
            host
        };
        let (one, two) = (run(), run());
        prop_assert_eq!(&one.log, &two.log);
        prop_assert_eq!(one.endpoint.client_transactions(), 0, "{:?}", one.endpoint);
        prop_assert_eq!(one.endpoint.server_transactions(), 0, "{:?}", one.endpoint);
        prop_assert!(one.endpoint.is_drained(), "{:?}", one.endpoint);
        prop_assert!(one.endpoint.armed_timers() <= one.endpoint.open_flows());
    }

    #[test]
    fn polling_late_loses_nothing(requests in proptest::collection::vec((0..3_u8, 2..200_u8), 0..6)) {
        let start = epoch();
        let run = |drain_each_time| {
            let mut host = Host::new(start, drain_each_time);
            host.apply(&Operation::Open { transport: Transport::Udp });
            for (method, branch) in &requests {
                host.apply(&Operation::Request { flow: 0, method: *method, branch: *branch, tag: false });
                host.apply(&Operation::Send { method: *method, to: 0 });
            }
            host.drain();
            host.log.sort();
            host.log
        };
        prop_assert_eq!(run(true), run(false));
    }

    #[test]
    fn a_timeout_before_its_time_changes_nothing(operations in proptest::collection::vec(operation(), 0..60), early in 1..1000_u64) {
        let start = epoch();
        let (mut one, mut two) = (Host::new(start, true), Host::new(start, true));
        for operation in &operations {
            if let Some(next) = two.endpoint.poll_timeout() {
                let before = next.checked_sub(Duration::from_millis(early)).filter(|at| *at >= two.now);
                two.endpoint.handle_timeout(before.unwrap_or(two.now));
                prop_assert_eq!(two.endpoint.poll_timeout(), Some(next));
                let at = two.log.len();
                two.drain();
                prop_assert_eq!(two.log.len(), at);
            }
            one.apply(operation);
            two.apply(operation);
        }
        prop_assert_eq!(one.log, two.log);
    }

    #[test]
    fn no_cut_of_a_stream_matters(
        messages in proptest::collection::vec((any::<u8>(), 2..9_u8, any::<bool>(), 0..3_usize), 1..8),
        cuts in proptest::collection::vec(0..4000_usize, 0..30),
    ) {
        let mut octets = Vec::new();
        for (method, branch, tag, pings) in &messages {
            octets.extend_from_slice(&incoming(*method, *branch, *tag));
            for _ in 0..*pings {
                octets.extend_from_slice(b"\r\n\r\n");
            }
        }
        let start = epoch();
        let run = |cuts: &[usize]| {
            let mut host = Host::new(start, true);
            host.apply(&Operation::Open { transport: Transport::Tcp });
            let mut at = 0;
            for cut in cuts.iter().chain([&octets.len()]) {
                let end = (*cut).clamp(at, octets.len());
                let data = Bytes::copy_from_slice(&octets[at..end]);
                host.on_flow(0, |flow| Input::Received { flow, data });
                host.drain();
                at = end;
            }
            // Order among outputs of one kind counts, order between the kinds is the host's.
            let (sent, told): (Vec<_>, Vec<_>) = host.log.into_iter().partition(|line| line.starts_with("flow"));
            (sent, told)
        };
        let mut cuts = cuts;
        cuts.sort_unstable();
        prop_assert_eq!(run(&[]), run(&cuts));
    }
}
