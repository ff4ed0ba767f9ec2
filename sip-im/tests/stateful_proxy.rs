//! The stateful proxy: what it passes on and back (RFC 3261 section 16, RFC 5393).
#![cfg(test)]

mod machines;

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use machines::talk::SECOND;
use machines::{Dice, entropy, epoch, uri};
use sip_im::endpoint::{Input, ServerTransaction, Target, Transmit};
use sip_im::header::{HeaderName, MaxBreadth, MaxForwards, RecordRoute, Route, Via};
use sip_im::proxy::{Branch, Config, Event, ForwardError, Proxy};
use sip_im::{FlowId, Message, Request, Response, StatusCode, Transport};

/// A proxy with peers on streams, each flow a peer: 1 calls, the others are called.
struct World {
    proxy: Proxy,
    now: Instant,
    next_flow: u64,
    /// What came out on each flow and was not looked at.
    out: BTreeMap<u64, Vec<Message>>,
    events: Vec<Event>,
}

impl World {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.addresses = vec![uri("sip:proxy.test")];
        change(&mut config);
        let mut world = Self {
            proxy: Proxy::new(config, entropy(6)),
            now: epoch(),
            next_flow: 1,
            out: BTreeMap::new(),
            events: Vec::new(),
        };
        for _ in 0..4 {
            world.open(None);
        }
        world
    }

    fn open(&mut self, open: Option<sip_im::endpoint::OpenId>) -> u64 {
        let flow = self.next_flow;
        self.next_flow += 1;
        let input = Input::Opened {
            flow: FlowId(flow),
            transport: Transport::Tcp,
            local: "192.0.2.9:5060".parse().expect("an address"),
            remote: format!("192.0.2.{flow}:5060").parse().expect("an address"),
            open,
            trusted: false,
        };
        self.proxy.handle_input(input, self.now);
        flow
    }

    fn settle(&mut self) {
        while let Some(transmit) = self.proxy.poll_transmit(self.now) {
            match transmit {
                Transmit::Send { flow, data } => {
                    let message = sip_im::codec::parse_datagram(data, &sip_im::codec::Limits::default());
                    self.out
                        .entry(flow.0)
                        .or_default()
                        .push(message.expect("a message"));
                }
                Transmit::Open { open, .. } => {
                    self.proxy.handle_input(Input::OpenFailed { open }, self.now);
                }
                Transmit::Close { .. } => {}
            }
        }
        while let Some(event) = self.proxy.poll_event() {
            if !matches!(event, Event::Endpoint(_)) {
                self.events.push(event);
            }
        }
    }

    fn give(&mut self, flow: u64, data: Bytes) {
        let flow = FlowId(flow);
        self.proxy.handle_input(Input::Received { flow, data }, self.now);
        self.settle();
    }

    /// A request of the caller comes in; gives it as the host sees it.
    fn receive(&mut self, text: &str) -> (ServerTransaction, Request, Option<sip_im::Uri>) {
        self.give(1, Bytes::from(text.to_owned()));
        let at = self
            .events
            .iter()
            .position(|event| matches!(event, Event::RequestReceived { .. }));
        match self.events.remove(at.expect("a request")) {
            Event::RequestReceived {
                transaction,
                request,
                route,
                ..
            } => (transaction, request, route),
            other => panic!("{other:?}"),
        }
    }

    fn forward(&mut self, id: ServerTransaction, groups: &[&[u64]]) -> Result<(), ForwardError> {
        let groups = groups
            .iter()
            .map(|group| group.iter().map(|flow| branch(*flow)).collect());
        let result = self.proxy.forward(id, groups.collect(), self.now);
        self.settle();
        result
    }

    fn take(&mut self, flow: u64) -> Vec<Message> {
        self.out.remove(&flow).unwrap_or_default()
    }

    fn requests(&mut self, flow: u64) -> Vec<Request> {
        let messages = self.take(flow);
        messages
            .into_iter()
            .filter_map(|message| match message {
                Message::Request(request) => Some(request),
                Message::Response(_) => None,
            })
            .collect()
    }

    fn responses(&mut self) -> Vec<Response> {
        let messages = self.take(1);
        messages
            .into_iter()
            .filter_map(|message| match message {
                Message::Response(response) => Some(response),
                Message::Request(_) => None,
            })
            .collect()
    }

    fn codes(&mut self) -> Vec<u16> {
        self.responses()
            .iter()
            .map(|response| response.status().code())
            .collect()
    }

    fn answer(&mut self, flow: u64, request: &Request, status: u16, tag: &str) {
        let response = request
            .response(StatusCode::new(status).expect("a status"))
            .to_tag(tag)
            .contact(&sip_im::header::Contact::new(uri(&format!(
                "sip:bob@192.0.2.{flow}"
            ))));
        let response = match status {
            401 => response.header(
                &HeaderName::WWW_AUTHENTICATE,
                &format!("Digest realm=\"{flow}\", nonce=\"n\""),
            ),
            407 => response.header(
                &HeaderName::PROXY_AUTHENTICATE,
                &format!("Digest realm=\"{flow}\", nonce=\"n\""),
            ),
            _ => Ok(response),
        };
        let response = response
            .and_then(sip_im::ResponseBuilder::build)
            .expect("a response");
        self.give(flow, response.to_bytes());
    }

    fn run_to_the_end(&mut self) {
        while let Some(at) = self
            .proxy
            .poll_timeout()
            .filter(|at| *at < self.now + 600 * SECOND)
        {
            assert!(
                at > self.now || self.proxy.poll_timeout() != Some(self.now),
                "no spinning"
            );
            self.now = at.max(self.now);
            self.proxy.handle_timeout(self.now);
            self.settle();
        }
    }

    fn assert_nothing_left(&mut self) {
        self.run_to_the_end();
        assert_eq!(self.proxy.contexts(), 0);
        assert!(self.proxy.is_drained(), "{:?}", self.proxy);
    }
}

fn branch(flow: u64) -> Branch {
    Branch::to(uri(&format!("sip:bob@192.0.2.{flow}"))).over(Target::Flow(FlowId(flow)))
}

fn request(method: &str, branch: &str, more: &str) -> String {
    format!(
        "{method} sip:bob@b.test SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@a.test>;tag=a\r\nTo: <sip:bob@b.test>\r\nCall-ID: c{branch}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:alice@192.0.2.1>\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

#[test]
fn a_request_goes_on_and_its_response_comes_back() {
    let mut world = World::new(|_| {});
    let (id, ..) = world.receive(&request("MESSAGE", "1", ""));
    world.forward(id, &[&[2]]).expect("passed on");
    let sent = world.requests(2).remove(0);
    assert_eq!(sent.uri(), &uri("sip:bob@192.0.2.2"));
    assert_eq!(
        sent.headers().require::<MaxForwards>().expect("Max-Forwards"),
        MaxForwards(69)
    );
    //= https://www.rfc-editor.org/rfc/rfc5393#section-5.3.3
    //= type=test
    //# All proxied requests MUST contain a single Max-Breadth header field
    //# value.
    assert_eq!(
        sent.headers().require::<MaxBreadth>().expect("Max-Breadth"),
        MaxBreadth(60)
    );
    assert_eq!(sent.headers().all::<Via>().count(), 2);
    assert!(
        !sent.headers().contains(&HeaderName::RECORD_ROUTE),
        "a MESSAGE makes no dialog"
    );
    world.answer(2, &sent, 200, "b");
    let back = world.responses();
    assert_eq!(back.len(), 1);
    assert_eq!(back[0].headers().all::<Via>().count(), 1);
    assert!(matches!(
        world.events.pop(),
        Some(Event::Answered {
            status: StatusCode::OK,
            ..
        })
    ));
    assert_eq!(world.proxy.contexts(), 0, "over at once");
    world.assert_nothing_left();
}

#[test]
fn an_invite_forks_and_the_first_2xx_ends_the_others() {
    let mut world = World::new(|_| {});
    let (id, ..) = world.receive(&request("INVITE", "1", ""));
    world.forward(id, &[&[2, 3]]).expect("passed on");
    let (two, three) = (world.requests(2).remove(0), world.requests(3).remove(0));
    let breadths = [&two, &three].map(|sent| sent.headers().require::<MaxBreadth>().expect("Max-Breadth").0);
    assert_eq!(breadths, [30, 30]);
    let own = two.headers().require::<RecordRoute>().expect("Record-Route");
    assert_eq!(own.uri(), &uri("sip:proxy.test;lr"));
    world.answer(2, &two, 180, "b2");
    world.answer(3, &three, 100, "b3");
    world.answer(3, &three, 183, "b3");
    assert_eq!(world.codes(), [180, 183], "each but the 100");
    world.answer(2, &two, 200, "b2");
    assert_eq!(world.codes(), [200]);
    let cancel = world.requests(3);
    assert_eq!(
        cancel
            .iter()
            .map(|sent| sent.method().as_str())
            .collect::<Vec<_>>(),
        ["CANCEL"]
    );
    world.answer(3, &cancel[0], 200, "b3");
    //= https://www.rfc-editor.org/rfc/rfc3261#section-16.7
    //= type=test
    //# After a final response has been sent on the server transaction,
    //# the following responses MUST be forwarded immediately:
    world.answer(3, &three, 200, "b3");
    assert_eq!(world.codes(), [200], "another dialog");
    world.answer(2, &two, 200, "b2");
    assert_eq!(world.codes(), [200], "and each repetition");
    // The ACK of a 2xx follows its routes.
    let ack = request("ACK", "9", "Route: <sip:proxy.test;lr>\r\n")
        .replace("sip:bob@b.test SIP", "sip:bob@192.0.2.2;transport=tcp SIP");
    world.give(
        1,
        Bytes::from(ack.replace("To: <sip:bob@b.test>", "To: <sip:bob@b.test>;tag=b2")),
    );
    let acks = world.requests(2);
    assert_eq!(acks.len(), 1);
    assert!(!acks[0].headers().contains(&HeaderName::ROUTE));
    assert_eq!(world.proxy.contexts(), 1, "further 2xx may come");
    world.assert_nothing_left();
}

#[test]
fn groups_are_tried_one_after_the_other() {
    let mut world = World::new(|_| {});
    let (id, ..) = world.receive(&request("INVITE", "1", ""));
    world.forward(id, &[&[2], &[3, 4]]).expect("passed on");
    let two = world.requests(2).remove(0);
    assert!(world.requests(3).is_empty());
    assert_eq!(
        two.headers().require::<MaxBreadth>().expect("Max-Breadth"),
        MaxBreadth(60)
    );
    world.answer(2, &two, 486, "b2");
    assert!(world.codes().is_empty());
    let (three, four) = (world.requests(3).remove(0), world.requests(4).remove(0));
    world.answer(3, &three, 480, "b3");
    world.answer(4, &four, 404, "b4");
    let back = world.responses();
    assert_eq!(back.len(), 1);
    assert_eq!(back[0].status().code() / 100, 4);
    world.assert_nothing_left();
}

#[test]
fn the_best_response_goes_back() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-16.7
    //= type=test
    //# It MUST choose from the 6xx
    //# class responses if any exist in the context.
    for (statuses, expected) in [
        ([404, 503, 501], 404),
        ([503, 407, 501], 407),
        ([500, 503, 302], 302),
        ([603, 404, 302], 603),
        ([503, 503, 503], 500),
        ([401, 407, 404], 401),
    ] {
        let mut world = World::new(|_| {});
        let (id, ..) = world.receive(&request("INVITE", "1", ""));
        world.forward(id, &[&[2, 3, 4]]).expect("passed on");
        let sent: Vec<_> = (2..5).map(|flow| world.requests(flow).remove(0)).collect();
        for (at, status) in statuses.iter().enumerate() {
            world.answer(at as u64 + 2, &sent[at], *status, "b");
        }
        let back = world.responses();
        assert_eq!(
            back.iter().map(|r| r.status().code()).collect::<Vec<_>>(),
            [expected],
            "{statuses:?}"
        );
        //= https://www.rfc-editor.org/rfc/rfc3261#section-16.7
        //= type=test
        //# If the selected response is a 401 (Unauthorized) or 407 (Proxy
        //# Authentication Required), the proxy MUST collect any WWW-
        //# Authenticate and Proxy-Authenticate header field values from
        //# all other 401 (Unauthorized) and 407 (Proxy Authentication
        //# Required) responses received so far in this response context
        //# and add them to this response without modification before
        //# forwarding.
        if statuses == [401, 407, 404] {
            assert_eq!(back[0].headers().values(&HeaderName::WWW_AUTHENTICATE).count(), 1);
            assert_eq!(
                back[0].headers().values(&HeaderName::PROXY_AUTHENTICATE).count(),
                1
            );
        }
        world.assert_nothing_left();
    }
}

#[test]
fn a_6xx_stops_the_search() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-16.7
    //= type=test
    //# If a 6xx response is received, it is not immediately forwarded,
    //# but the stateful proxy SHOULD cancel all client pending
    //# transactions as described in Section 10, and it MUST NOT create
    //# any new branches in this context.
    let mut world = World::new(|_| {});
    let (id, ..) = world.receive(&request("INVITE", "1", ""));
    world.forward(id, &[&[2, 3], &[4]]).expect("passed on");
    let (two, three) = (world.requests(2).remove(0), world.requests(3).remove(0));
    world.answer(3, &three, 180, "b3");
    world.answer(2, &two, 603, "b2");
    assert_eq!(world.codes(), [180]);
    assert_eq!(world.requests(3)[0].method().as_str(), "CANCEL");
    world.answer(3, &three, 487, "b3");
    assert_eq!(world.codes(), [603]);
    assert!(world.requests(4).is_empty());
    world.assert_nothing_left();
}

#[test]
fn a_cancel_is_passed_on_and_a_silence_ends() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-16.10
    //= type=test
    //# A proxy MUST cancel any
    //# pending client transactions associated with a response context when
    //# it receives a matching CANCEL request.
    let mut world = World::new(|_| {});
    let (id, ..) = world.receive(&request("INVITE", "1", ""));
    world.forward(id, &[&[2], &[3]]).expect("passed on");
    let two = world.requests(2).remove(0);
    world.answer(2, &two, 180, "b2");
    world.give(1, Bytes::from(request("CANCEL", "1", "")));
    assert_eq!(world.codes(), [180, 200]);
    assert_eq!(world.requests(2)[0].method().as_str(), "CANCEL");
    world.answer(2, &two, 487, "b2");
    assert_eq!(world.codes(), [487]);
    assert!(world.requests(3).is_empty(), "nobody else is called");
    world.assert_nothing_left();
    // One that nobody was told of is answered here.
    let _ = world.receive(&request("INVITE", "2", ""));
    world.give(1, Bytes::from(request("CANCEL", "2", "")));
    assert_eq!(world.codes(), [200, 487]);
    world.assert_nothing_left();
    //= https://www.rfc-editor.org/rfc/rfc3261#section-16.7
    //= type=test
    //# If there are no final responses in the context, the proxy MUST
    //# send a 408 (Request Timeout) response to the server
    //# transaction.
    let (id, ..) = world.receive(&request("INVITE", "3", ""));
    world.forward(id, &[&[2]]).expect("passed on");
    world.run_to_the_end();
    assert_eq!(world.codes(), [100, 408]);
    world.assert_nothing_left();
    // Nobody waits for a 408 to anything else (RFC 4320).
    let (id, ..) = world.receive(&request("MESSAGE", "4", ""));
    world.forward(id, &[&[2]]).expect("passed on");
    world.run_to_the_end();
    assert_eq!(world.codes(), [100]);
    world.assert_nothing_left();
}

#[test]
fn a_broken_branch_counts_as_one_that_failed() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-16.9
    //= type=test
    //# If the transport layer notifies a proxy of an error when it tries to
    //# forward a request (see Section 18.4), the proxy MUST behave as if the
    //# forwarded request received a 503 (Service Unavailable) response.
    let mut world = World::new(|_| {});
    let (id, ..) = world.receive(&request("MESSAGE", "1", ""));
    world.forward(id, &[&[99, 2]]).expect("passed on to one of them");
    let two = world.requests(2).remove(0);
    world.answer(2, &two, 404, "b2");
    assert_eq!(world.codes(), [404]);
    let (id, ..) = world.receive(&request("MESSAGE", "2", ""));
    world.forward(id, &[&[2]]).expect("passed on");
    world
        .proxy
        .handle_input(Input::Closed { flow: FlowId(2) }, world.now);
    world.settle();
    assert_eq!(world.codes(), [500]);
    let (id, ..) = world.receive(&request("MESSAGE", "3", ""));
    world.forward(id, &[&[98], &[99]]).expect("tried");
    assert_eq!(world.codes(), [503]);
    world.assert_nothing_left();
}

#[test]
fn routes_that_lead_here_are_taken_off_and_strict_ones_obeyed() {
    let mut world = World::new(|_| {});
    let routes = "Route: <sip:proxy.test;lr;x=1>, <sip:192.0.2.3;transport=tcp>\r\n";
    let (id, request_seen, route) = world.receive(&request("BYE", "1", routes));
    assert_eq!(route, Some(uri("sip:proxy.test;lr;x=1")));
    assert_eq!(request_seen.headers().all::<Route>().count(), 1);
    let onward = Branch::to(request_seen.uri().clone());
    world
        .proxy
        .forward(id, vec![vec![onward]], world.now)
        .expect("passed on");
    world.settle();
    let sent = world.requests(3).remove(0);
    assert_eq!(
        sent.uri(),
        &uri("sip:192.0.2.3;transport=tcp"),
        "as a strict router wants it"
    );
    let last = sent.headers().require::<Route>().expect("Route");
    assert_eq!(last.uri(), &uri("sip:bob@b.test"));
    world.answer(3, &sent, 200, "b");
    // What a strict router did is undone.
    let strict = request("BYE", "2", "Route: <sip:bob@192.0.2.2;transport=tcp>\r\n")
        .replace("sip:bob@b.test SIP", "sip:proxy.test;lr SIP");
    let (id, seen, _) = world.receive(&strict);
    assert_eq!(seen.uri(), &uri("sip:bob@192.0.2.2;transport=tcp"));
    let onward = Branch::to(seen.uri().clone()).through(vec![uri("sip:192.0.2.4;transport=tcp;lr")]);
    world
        .proxy
        .forward(id, vec![vec![onward]], world.now)
        .expect("passed on");
    world.settle();
    let sent = world.requests(4).remove(0);
    assert_eq!(sent.uri(), &uri("sip:bob@192.0.2.2;transport=tcp"));
    world.answer(4, &sent, 200, "b");
    world.assert_nothing_left();
}

#[test]
fn what_has_come_back_unchanged_or_is_too_broad_is_refused() {
    //= https://www.rfc-editor.org/rfc/rfc5393#section-4.2.2
    //= type=test
    //# If these values are equal,
    //# the request has looped and the proxy MUST reject the request with a
    //# 482 (Loop Detected) response.
    let mut world = World::new(|c| c.serialise = false);
    let (id, ..) = world.receive(&request("MESSAGE", "1", ""));
    let unchanged = |to: &str| vec![vec![Branch::to(uri(to)).over(Target::Flow(FlowId(2)))]];
    world
        .proxy
        .forward(id, unchanged("sip:bob@b.test"), world.now)
        .expect("passed on");
    world.settle();
    let sent = world.requests(2).remove(0);
    let (id, ..) = world.receive(core::str::from_utf8(&sent.to_bytes()).expect("text"));
    assert_eq!(
        world.proxy.forward(id, unchanged("sip:bob@b.test"), world.now),
        Err(ForwardError::Loop)
    );
    // A spiral is no loop: the Request-URI is another.
    let mut spiral = sent.clone();
    spiral.set_uri(uri("sip:carol@b.test"));
    let via = Via::new("TCP", "192.0.2.2", None, "z9hG4bKother");
    spiral.headers_mut().push_front_typed(&via).expect("a via");
    let (id, ..) = world.receive(core::str::from_utf8(&spiral.to_bytes()).expect("text"));
    assert_eq!(
        world.proxy.forward(id, unchanged("sip:carol@c.test"), world.now),
        Ok(())
    );
    //= https://www.rfc-editor.org/rfc/rfc5393#section-5.3.3
    //= type=test
    //# If a SIP proxy determines a response context has insufficient
    //# Incoming Max-Breadth to carry out a desired parallel fork, and the
    //# proxy is unwilling/unable to compensate by forking serially or
    //# sending a redirect, that proxy MUST return a 440 (Max-Breadth
    //# Exceeded) response.
    let (id, ..) = world.receive(&request("MESSAGE", "2", "Max-Breadth: 1\r\n"));
    let refused = world.forward(id, &[&[2, 3]]).expect_err("too broad");
    assert_eq!(
        (refused.clone(), refused.status().code()),
        (ForwardError::TooBroad, 440)
    );
    let (id, seen, _) =
        world.receive(&request("MESSAGE", "3", "").replace("Max-Forwards: 70", "Max-Forwards: 0"));
    let refused = world.forward(id, &[&[2]]).expect_err("no hop left");
    let response = refused.response(&seen, "t").expect("a response");
    assert_eq!(response.status(), StatusCode::TOO_MANY_HOPS);
    assert!(world.proxy.respond(id, response, world.now).is_ok());
    let (id, seen, _) = world.receive(&request("MESSAGE", "4", ""));
    assert_eq!(world.forward(id, &[]), Err(ForwardError::Targets));
    let many: Vec<u64> = (0..61).map(|_| 2).collect();
    assert_eq!(world.forward(id, &[&many]), Err(ForwardError::Targets));
    let response = ForwardError::Targets.response(&seen, "t").expect("a response");
    assert!(world.proxy.respond(id, response, world.now).is_ok());
    // With too little breadth, one after the other.
    let mut world = World::new(|_| {});
    let (id, ..) = world.receive(&request("INVITE", "5", "Max-Breadth: 1\r\n"));
    world.forward(id, &[&[2, 3]]).expect("passed on");
    let two = world.requests(2).remove(0);
    assert!(world.requests(3).is_empty());
    world.answer(2, &two, 486, "b");
    let three = world.requests(3).remove(0);
    assert_eq!(
        three.headers().require::<MaxBreadth>().expect("Max-Breadth"),
        MaxBreadth(1)
    );
    world.answer(3, &three, 486, "b");
    world.assert_nothing_left();
}

#[test]
fn two_users_who_forward_to_each_other_cost_no_more_than_the_breadth() {
    // RFC 5393 section 3: each of two addresses has the other and itself as contacts, all at this proxy.
    let mut world = World::new(|_| {});
    let mut sent = 0;
    let mut refused = [0_u32; 2];
    let first = request("INVITE", "1", "").replace("Contact", "X");
    let mut queue = vec![first];
    while let Some(text) = queue.pop() {
        sent += 1;
        assert!(sent <= 200, "it goes on and on");
        let (id, seen, _) = world.receive(&text);
        let group = ["a", "b"]
            .map(|user| Branch::to(uri(&format!("sip:{user}@b.test"))).over(Target::Flow(FlowId(2))))
            .to_vec();
        if let Err(error) = world.proxy.forward(id, vec![group], world.now) {
            refused[usize::from(error == ForwardError::Loop)] += 1;
            let response = error.response(&seen, "t").expect("a response");
            let _ = world.proxy.respond(id, response, world.now);
        }
        world.settle();
        for copy in world.requests(2) {
            if copy.method().as_str() == "INVITE" {
                queue.push(String::from_utf8(copy.to_bytes().to_vec()).expect("text"));
            }
        }
        world.take(1);
    }
    assert!(refused[1] > 0, "loops are seen");
    assert!(sent <= 60, "{sent} requests");
}

#[test]
fn whatever_happens_nothing_is_left_and_one_final_response_goes_back() {
    for seed in 0..300 {
        let run = || {
            let mut dice = Dice::new(seed);
            let mut world = World::new(|_| {});
            let mut log = Vec::new();
            let mut open: Vec<(u64, Request)> = Vec::new();
            let mut finals: BTreeMap<String, u32> = BTreeMap::new();
            let (mut calls, mut successes) = (Vec::new(), std::collections::BTreeSet::new());
            for step in 0..40_u32 {
                match dice.below(8) {
                    0 | 1 => {
                        let method = if dice.percent(60) { "INVITE" } else { "MESSAGE" };
                        let name = step.to_string();
                        let (id, ..) = world.receive(&request(method, &name, ""));
                        let groups: [&[u64]; 3] = [&[2, 3], &[4], &[99]];
                        let first = usize::try_from(dice.below(3)).expect("small");
                        let passed = world.forward(id, &groups[first..]);
                        assert_eq!(passed, Ok(()), "passed on, or failed by itself");
                        calls.push((name, method == "INVITE"));
                    }
                    2 if !calls.is_empty() => {
                        let at = usize::try_from(dice.below(calls.len() as u64)).expect("small");
                        if calls[at].1 {
                            world.give(1, Bytes::from(request("CANCEL", &calls[at].0, "")));
                        }
                    }
                    3 => {
                        world.now += SECOND * u32::try_from(dice.below(40)).expect("small");
                        world.proxy.handle_timeout(world.now);
                        world.settle();
                        assert!(world.proxy.poll_timeout().is_none_or(|at| at > world.now));
                    }
                    _ if !open.is_empty() => {
                        let at = usize::try_from(dice.below(open.len() as u64)).expect("small");
                        let (flow, sent) = open[at].clone();
                        let status = [100, 180, 200, 200, 302, 404, 486, 503, 603, 407]
                            [usize::try_from(dice.below(10)).expect("small")];
                        world.answer(flow, &sent, status, &format!("t{at}"));
                    }
                    _ => {}
                }
                for flow in 2..5 {
                    for sent in world.requests(flow) {
                        log.push(format!("{flow} {}", sent.method()));
                        if matches!(sent.method().as_str(), "INVITE" | "MESSAGE") {
                            open.push((flow, sent));
                        }
                    }
                }
                count(&mut world, &mut finals, &mut successes, &mut log);
            }
            world.run_to_the_end();
            count(&mut world, &mut finals, &mut successes, &mut log);
            world.events.clear();
            assert!(
                world.proxy.is_drained() && world.proxy.contexts() == 0,
                "seed {seed}: {:?}",
                world.proxy
            );
            for (call, invite) in calls {
                let count = finals.get(&call).copied().unwrap_or(0);
                assert!(count <= 1, "seed {seed}: {count} failures for {call}");
                if invite {
                    assert!(
                        count == 1 || successes.contains(&call),
                        "seed {seed}: no end for {call}"
                    );
                }
                assert!(
                    count == 0 || !successes.contains(&call),
                    "seed {seed}: two ends for {call}"
                );
            }
            log
        };
        assert_eq!(run(), run(), "seed {seed}");
    }
}

fn count(
    world: &mut World,
    finals: &mut BTreeMap<String, u32>,
    successes: &mut std::collections::BTreeSet<String>,
    log: &mut Vec<String>,
) {
    for response in world.responses() {
        log.push(response.status().to_string());
        let cseq = response.cseq().expect("CSeq");
        if cseq.method.as_str() == "CANCEL" {
            continue;
        }
        let call = response
            .call_id()
            .expect("Call-ID")
            .as_str()
            .trim_start_matches('c')
            .to_owned();
        if response.status().is_success() {
            successes.insert(call);
        } else if response.status().is_final() {
            *finals.entry(call).or_default() += 1;
        }
    }
}
