//! The edge proxy: clients are reached over the flows that they have opened, which tokens name (RFC 5626 section 5).
#![cfg(test)]

mod machines;

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use machines::{entropy, epoch, uri};
use sip_im::endpoint::{Input, Target, Transmit};
use sip_im::header::{Path, RecordRoute, Route};
use sip_im::proxy::{Branch, Config, Event, Proxy};
use sip_im::{FlowId, Message, Request, StatusCode, Transport, Uri};

const ALICE: FlowId = FlowId(1);
const CORE: FlowId = FlowId(2);
const BOB: FlowId = FlowId(3);

struct World {
    proxy: Proxy,
    now: Instant,
    out: BTreeMap<FlowId, Vec<Message>>,
    serial: u32,
}

impl World {
    fn new(key: [u8; 20]) -> Self {
        let mut config = Config::default();
        config.addresses = vec![uri("sip:edge.test")];
        config.edge = true;
        config.flow_key = Some(key);
        let mut world = Self {
            proxy: Proxy::new(config, entropy(6)),
            now: epoch(),
            out: BTreeMap::new(),
            serial: 0,
        };
        for flow in [ALICE, CORE, BOB] {
            world.open(flow, 5060);
        }
        world
    }

    fn open(&mut self, flow: FlowId, port: u16) {
        let input = Input::Opened {
            flow,
            transport: Transport::Tcp,
            local: "192.0.2.9:5060".parse().expect("an address"),
            remote: format!("192.0.2.{}:{port}", flow.0).parse().expect("an address"),
            open: None,
            trusted: false,
        };
        self.proxy.handle_input(input, self.now);
    }

    fn settle(&mut self) {
        while let Some(transmit) = self.proxy.poll_transmit(self.now) {
            match transmit {
                Transmit::Send { flow, data } => {
                    let message = sip_im::codec::parse_datagram(data, &sip_im::codec::Limits::default());
                    self.out
                        .entry(flow)
                        .or_default()
                        .push(message.expect("a message"));
                }
                Transmit::Open { open, .. } => self.proxy.handle_input(Input::OpenFailed { open }, self.now),
                Transmit::Close { .. } => {}
            }
        }
    }

    /// A request comes in, and is passed on to where the proxy says, or else over `onward`.
    fn pass(&mut self, from: FlowId, method: &str, fields: &str, onward: FlowId) {
        self.serial += 1;
        let serial = self.serial;
        let text = format!(
            "{method} sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.{};branch=z9hG4bK{serial}\r\nMax-Forwards: 70\r\n\
             From: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>\r\nCall-ID: c{serial}\r\nCSeq: 1 {method}\r\n\
             {fields}Content-Length: 0\r\n\r\n",
            from.0
        );
        let data = Bytes::from(text);
        self.proxy
            .handle_input(Input::Received { flow: from, data }, self.now);
        while let Some(event) = self.proxy.poll_event() {
            if let Event::RequestReceived {
                transaction,
                request,
                next,
                ..
            } = event
            {
                let over = Target::Flow(next.unwrap_or(onward));
                let branch = Branch::to(request.uri().clone()).over(over);
                self.proxy
                    .forward(transaction, vec![vec![branch]], self.now)
                    .expect("passed on");
            }
        }
        self.settle();
    }

    fn request(&mut self, flow: FlowId) -> Request {
        match self.out.get_mut(&flow).and_then(Vec::pop) {
            Some(Message::Request(request)) => request,
            other => panic!("no request but {other:?}"),
        }
    }

    fn refusal(&mut self, flow: FlowId) -> StatusCode {
        let mut responses = self
            .out
            .remove(&flow)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|message| {
                if let Message::Response(response) = message {
                    Some(response.status())
                } else {
                    None
                }
            });
        responses.find(|status| status.is_final()).expect("a response")
    }

    /// What alice registers with.
    fn path(&mut self) -> Uri {
        let contact = "Contact: <sip:alice@192.0.2.1;ob>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"\r\n";
        self.pass(ALICE, "REGISTER", contact, CORE);
        let request = self.request(CORE);
        request.headers().require::<Path>().expect("a Path").uri().clone()
    }
}

fn routes(request: &Request) -> Vec<Uri> {
    let recorded = request.headers().all::<RecordRoute>().flatten();
    recorded.map(|route| route.uri().clone()).collect()
}

fn route(routes: &[Uri]) -> String {
    routes
        .iter()
        .map(|uri| format!("Route: <{uri}>\r\n"))
        .collect::<Vec<_>>()
        .concat()
}

//= https://www.rfc-editor.org/rfc/rfc5626#section-5.1
//= type=test
//# In addition, the first node MUST include an
//# "ob" URI parameter in its Path header field value.  If the edge proxy
//# is not the first SIP node after the UAC it MUST NOT place an "ob" URI
//# parameter in a Path header field value.
#[test]
fn a_registered_client_is_reached_over_its_flow() {
    let mut world = World::new([1; 20]);
    let path = world.path();
    assert!(path.parameter("ob").is_some() && path.parameter("lr").is_some());
    assert_eq!(path.host(), Some("edge.test"));
    assert!(path.user().is_some_and(|token| token.len() == 52));
    // The registrar sends what is for alice by it.
    world.pass(CORE, "INVITE", &route(std::slice::from_ref(&path)), CORE);
    let invite = world.request(ALICE);
    assert_eq!(invite.headers().all::<Route>().count(), 0);
    let recorded = routes(&invite);
    assert_eq!(recorded.len(), 1);
    assert_eq!(
        recorded[0].user(),
        path.user(),
        "what follows goes over the same flow"
    );
    assert!(recorded[0].parameter("ob").is_none());
    // One that comes by another proxy first, or without a flow of its own, gets no token.
    let contact =
        "Via: SIP/2.0/TCP 192.0.2.77;branch=z9hG4bKx\r\nContact: <sip:alice@192.0.2.1>;reg-id=1\r\n";
    world.pass(ALICE, "REGISTER", contact, CORE);
    assert!(
        !world
            .request(CORE)
            .headers()
            .contains(&sip_im::header::HeaderName::PATH)
    );
    world.pass(ALICE, "REGISTER", "Contact: <sip:alice@192.0.2.1>\r\n", CORE);
    assert!(
        !world
            .request(CORE)
            .headers()
            .contains(&sip_im::header::HeaderName::PATH)
    );
}

//= https://www.rfc-editor.org/rfc/rfc5626#section-5.3
//= type=test
//# If the flow in the flow token identified by the topmost Route header
//# field value matches the source IP address and port of the request,
//# the request is an "outgoing" request; otherwise, it is an "incoming"
//# request.
#[test]
fn a_dialog_between_two_clients_goes_over_the_flows_of_both() {
    let mut world = World::new([1; 20]);
    world.pass(ALICE, "INVITE", "Contact: <sip:alice@192.0.2.1;ob>\r\n", BOB);
    let recorded = routes(&world.request(BOB));
    assert_eq!(recorded.len(), 2);
    assert_ne!(recorded[0].user(), recorded[1].user());
    // Bob has them in order, alice in reverse.
    world.pass(BOB, "BYE", &route(&recorded), CORE);
    assert_eq!(world.request(ALICE).headers().all::<Route>().count(), 0);
    let reversed: Vec<_> = recorded.iter().rev().cloned().collect();
    world.pass(ALICE, "BYE", &route(&reversed), CORE);
    assert_eq!(world.request(BOB).headers().all::<Route>().count(), 0);
    // And so has the ACK, which no transaction follows.
    world.pass(ALICE, "ACK", &route(&reversed), CORE);
    assert_eq!(world.request(BOB).method().as_str(), "ACK");
}

//= https://www.rfc-editor.org/rfc/rfc5626#section-5.3.1
//= type=test
//# If the flow token has been tampered with, the proxy SHOULD send a 403
//# (Forbidden) response.  If the flow no longer exists, the proxy SHOULD
//# send a 430 (Flow Failed) response to the request.
#[test]
fn nobody_makes_a_token_and_none_outlives_its_flow() {
    let mut world = World::new([1; 20]);
    let path = world.path();
    let token = path.user().expect("a token").to_owned();
    let with = |token: &str| format!("Route: <sip:{token}@edge.test;lr>\r\n");
    for at in 0..token.len() {
        let mut forged = token.clone().into_bytes();
        forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
        let forged = String::from_utf8(forged).expect("text");
        world.pass(CORE, "MESSAGE", &with(&forged), BOB);
        assert_eq!(world.refusal(CORE), StatusCode::FORBIDDEN, "{forged}");
    }
    for forged in ["alice", "0", token.split_at(50).0, &format!("{token}00"), "%00"] {
        world.pass(CORE, "MESSAGE", &with(forged), BOB);
        assert_eq!(world.refusal(CORE), StatusCode::FORBIDDEN, "{forged}");
    }
    assert!(!world.out.contains_key(&ALICE) && !world.out.contains_key(&BOB));
    world.proxy.handle_input(Input::Closed { flow: ALICE }, world.now);
    world.pass(CORE, "MESSAGE", &with(&token), BOB);
    assert_eq!(world.refusal(CORE), StatusCode::FLOW_FAILED);
    // After a restart with the same key a flow may have the number, but it has other ends.
    let mut world = World::new([1; 20]);
    world.proxy.handle_input(Input::Closed { flow: ALICE }, world.now);
    world.open(ALICE, 40_000);
    world.pass(CORE, "MESSAGE", &with(&token), BOB);
    assert_eq!(world.refusal(CORE), StatusCode::FLOW_FAILED);
    // With another key it is one that was not made here.
    let mut world = World::new([2; 20]);
    world.pass(CORE, "MESSAGE", &with(&token), BOB);
    assert_eq!(world.refusal(CORE), StatusCode::FORBIDDEN);
}
