//! Requests to a URI: looked up, and sent to the next destination when one fails.
#![cfg(test)]

mod machines;

use std::collections::BTreeMap;
use std::time::Instant;

use machines::talk::SECOND;
use machines::{entropy, epoch, request, uri};
use sip_im::dialog::Dialog;
use sip_im::endpoint::{Config, Endpoint, Event, Input, RequestFailure, SendError, Target, Transmit};
use sip_im::header::RetryAfter;
use sip_im::resolve::{Answer, Destination, QueryError, Record, RecordType, ResolveError, Srv};
use sip_im::{FlowId, Message, Method, Request, StatusCode, Transport};

/// A host whose sockets lead to servers that do what the test says.
struct Host {
    endpoint: Endpoint,
    now: Instant,
    next_flow: u64,
    hosts: BTreeMap<FlowId, String>,
    /// Addresses that can't be reached.
    dead: Vec<&'static str>,
    /// What was sent, to whom.
    sent: Vec<(String, FlowId, Request)>,
    domains: Vec<Option<String>>,
    events: Vec<Event>,
}

impl Host {
    fn new(dead: &[&'static str]) -> Self {
        Self {
            endpoint: Endpoint::new(Config::default(), entropy(9)),
            now: epoch(),
            next_flow: 1,
            hosts: BTreeMap::new(),
            dead: dead.to_vec(),
            sent: Vec::new(),
            domains: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Answers what is asked, opens what is to be opened.
    fn settle(&mut self) {
        loop {
            let mut moved = false;
            while let Some(query) = self.endpoint.poll_effect() {
                moved = true;
                let (kind, name) = (query.question.record, query.question.name.as_str());
                let records = match (kind, name) {
                    (RecordType::Srv, "_sip._tcp.b.test") => (1..4)
                        .map(|priority| {
                            Record::Srv(Srv {
                                priority,
                                weight: 0,
                                port: 5060,
                                target: format!("s{priority}.b.test"),
                            })
                        })
                        .collect(),
                    (RecordType::A, _) if name.ends_with(".b.test") => {
                        let last = name.trim_start_matches('s').trim_end_matches(".b.test");
                        vec![Record::Address(
                            format!("192.0.2.{last}").parse().expect("an address"),
                        )]
                    }
                    _ => Vec::new(),
                };
                let result = if name == "broken.test" {
                    Err(QueryError::Failed)
                } else {
                    Ok(records)
                };
                self.endpoint
                    .handle_answer(Answer { id: query.id, result }, self.now);
            }
            while let Some(transmit) = self.endpoint.poll_transmit(self.now) {
                moved = true;
                match transmit {
                    Transmit::Open {
                        open,
                        transport,
                        host,
                        port,
                        domain,
                    } => {
                        self.domains.push(domain);
                        if self.dead.contains(&host.as_str()) {
                            self.endpoint.handle_input(Input::OpenFailed { open }, self.now);
                            continue;
                        }
                        let flow = FlowId(self.next_flow);
                        self.next_flow += 1;
                        self.hosts.insert(flow, host.clone());
                        let input = Input::Opened {
                            flow,
                            transport,
                            local: "192.0.2.200:5060".parse().expect("an address"),
                            remote: format!("{host}:{port}").parse().expect("an address"),
                            open: Some(open),
                            trusted: false,
                        };
                        self.endpoint.handle_input(input, self.now);
                    }
                    Transmit::Send { flow, data } => {
                        let message = sip_im::codec::parse_datagram(data, &sip_im::codec::Limits::default());
                        if let Ok(Message::Request(request)) = message {
                            self.sent.push((self.hosts[&flow].clone(), flow, request));
                        }
                    }
                    Transmit::Close { .. } => {}
                }
            }
            while let Some(event) = self.endpoint.poll_event() {
                self.events.push(event);
            }
            if !moved {
                return;
            }
        }
    }

    fn send(&mut self, method: Method, to: &str) {
        let target = Target::Uri(uri(to));
        self.endpoint
            .send(request(method, "c"), target, self.now)
            .expect("sent");
        self.settle();
    }

    /// The server that was asked last answers.
    fn answer(&mut self, status: StatusCode, retry_after: Option<u32>) {
        let (_, flow, request) = self.sent.last().cloned().expect("a request");
        let mut response = request.response(status).to_tag("s");
        if let Some(seconds) = retry_after {
            response = response.header_typed(&RetryAfter::new(seconds));
        }
        let response = response
            .contact(&sip_im::header::Contact::new(uri("sip:bob@192.0.2.2")))
            .build()
            .expect("a response");
        let data = response.to_bytes();
        self.endpoint
            .handle_input(Input::Received { flow, data }, self.now);
        self.settle();
    }

    fn run_to(&mut self, at: Instant) {
        while let Some(next) = self.endpoint.poll_timeout().filter(|next| *next <= at) {
            self.now = next.max(self.now);
            self.endpoint.handle_timeout(self.now);
            self.settle();
        }
        self.now = at;
    }

    fn hosts_asked(&self) -> Vec<&str> {
        let mut hosts: Vec<&str> = self.sent.iter().map(|(host, ..)| host.as_str()).collect();
        hosts.dedup();
        hosts
    }

    fn outcome(&self) -> Option<Result<u16, RequestFailure>> {
        let mut outcomes = self.events.iter().filter_map(|event| match event {
            Event::ResponseReceived { response, .. } => Some(Ok(response.status().code())),
            Event::RequestFailed { reason, .. } => Some(Err(*reason)),
            _ => None,
        });
        let outcome = outcomes.next();
        assert!(outcomes.next().is_none(), "one end for each request");
        outcome
    }

    fn assert_nothing_left(&mut self) {
        self.events.clear();
        self.run_to(self.now + 300 * SECOND);
        self.settle();
        self.events.clear();
        assert!(self.endpoint.is_drained(), "{:?}", self.endpoint);
        assert_eq!(self.endpoint.armed_timers(), self.endpoint.open_flows());
    }
}

#[test]
fn a_request_goes_to_the_next_destination_when_one_cannot_be_reached() {
    //= https://www.rfc-editor.org/rfc/rfc3263#section-4.3
    //= type=test
    //# If a failure occurs, the client
    //# SHOULD create a new request, which is identical to the previous, but
    //# has a different value of the Via branch ID than the previous (and
    //# therefore constitutes a new SIP transaction).
    let mut host = Host::new(&["192.0.2.1"]);
    host.send(Method::Message, "sip:bob@b.test;transport=tcp");
    assert_eq!(host.hosts_asked(), ["192.0.2.2"]);
    host.answer(StatusCode::SERVICE_UNAVAILABLE, Some(60));
    assert_eq!(host.hosts_asked(), ["192.0.2.2", "192.0.2.3"]);
    let branches: Vec<_> = host
        .sent
        .iter()
        .map(|(_, _, request)| request.top_via().expect("Via").branch().map(str::to_owned))
        .collect();
    assert_ne!(branches[0], branches[1]);
    assert_eq!(
        host.sent[0].2.call_id().expect("Call-ID"),
        host.sent[1].2.call_id().expect("Call-ID")
    );
    assert_eq!(host.outcome(), None, "nobody is told of the first two");
    host.answer(StatusCode::ACCEPTED, None);
    assert_eq!(host.outcome(), Some(Ok(202)));
    // The one that asked for peace has it, the one that could not be reached comes last.
    host.events.clear();
    host.sent.clear();
    host.send(Method::Message, "sip:bob@b.test;transport=tcp");
    assert_eq!(host.hosts_asked(), ["192.0.2.3"]);
    host.answer(StatusCode::SERVICE_UNAVAILABLE, None);
    let failed = RequestFailure::TransportFailed;
    assert_eq!(
        host.outcome(),
        Some(Err(failed)),
        "the end is what the last one came to"
    );
    host.assert_nothing_left();
}

#[test]
fn a_request_that_nobody_answers_is_tried_everywhere_and_then_given_up() {
    let mut host = Host::new(&[]);
    host.send(Method::Message, "sip:bob@b.test;transport=tcp");
    let start = host.now;
    host.run_to(start + 95 * SECOND);
    assert_eq!(host.hosts_asked(), ["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    assert_eq!(host.outcome(), None);
    host.run_to(start + 97 * SECOND);
    assert_eq!(host.outcome(), Some(Err(RequestFailure::TimedOut)));
    host.assert_nothing_left();
}

#[test]
fn a_request_that_was_taken_on_stays_where_it_is() {
    let mut host = Host::new(&[]);
    host.send(Method::Message, "sip:bob@b.test;transport=tcp");
    host.answer(StatusCode::TRYING, None);
    host.events.clear();
    host.run_to(host.now + 40 * SECOND);
    assert_eq!(host.hosts_asked(), ["192.0.2.1"]);
    assert_eq!(host.outcome(), Some(Err(RequestFailure::TimedOut)));
    host.assert_nothing_left();
}

#[test]
fn a_connection_that_breaks_is_a_failure() {
    let mut host = Host::new(&[]);
    host.send(Method::Message, "sip:bob@b.test;transport=tcp");
    let flow = host.sent[0].1;
    host.endpoint.handle_input(Input::Closed { flow }, host.now);
    host.settle();
    assert_eq!(host.hosts_asked(), ["192.0.2.1", "192.0.2.2"]);
    host.answer(StatusCode::OK, None);
    assert_eq!(host.outcome(), Some(Ok(200)));
    host.assert_nothing_left();
}

#[test]
fn a_503_to_an_invite_is_acknowledged_though_the_invite_goes_elsewhere() {
    let mut host = Host::new(&[]);
    let hops = [1, 2].map(|last| Destination::new(Transport::Udp, &format!("192.0.2.{last}"), 5060));
    assert!(
        host.endpoint
            .resolver_mut()
            .set_next_hops("b.test", hops.to_vec())
    );
    host.send(Method::Invite, "sip:bob@b.test");
    let first = host.sent[0].clone();
    host.answer(StatusCode::SERVICE_UNAVAILABLE, None);
    let methods: Vec<_> = host
        .sent
        .iter()
        .map(|(to, _, r)| format!("{} {to}", r.method()))
        .collect();
    assert_eq!(methods, ["INVITE 192.0.2.1", "ACK 192.0.2.1", "INVITE 192.0.2.2"]);
    let again = host.sent[2].clone();
    host.sent.push(first);
    host.answer(StatusCode::SERVICE_UNAVAILABLE, None);
    let methods: Vec<_> = host
        .sent
        .iter()
        .map(|(to, _, r)| format!("{} {to}", r.method()))
        .collect();
    assert_eq!(
        methods.last().map(String::as_str),
        Some("ACK 192.0.2.1"),
        "each time that it comes"
    );
    host.sent.push(again);
    host.answer(StatusCode::OK, None);
    assert_eq!(host.outcome(), Some(Ok(200)));
    host.assert_nothing_left();
}

#[test]
fn an_ack_follows_its_uri_as_well() {
    let mut host = Host::new(&[]);
    host.send(Method::Invite, "sip:bob@b.test;transport=tcp");
    host.answer(StatusCode::OK, None);
    let Some((id, ok)) = host.events.iter().find_map(machines::talk::answered) else {
        panic!("answered")
    };
    let dialog = Dialog::from_uac(&request(Method::Invite, "c"), &ok).expect("a dialog");
    let ack = dialog.ack(1).build().expect("an ack");
    let target = Target::Uri(uri("sip:bob@s2.b.test:5060;transport=tcp"));
    host.endpoint
        .acknowledge(id, ack, target, host.now)
        .expect("sent");
    host.settle();
    assert_eq!(host.hosts_asked(), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(*host.sent[1].2.method(), Method::Ack);
    host.assert_nothing_left();
}

#[test]
fn tls_to_a_domain_has_to_be_proved_and_is_not_shared_with_another() {
    let mut host = Host::new(&[]);
    host.send(Method::Message, "sips:s1.b.test:5061");
    host.send(Method::Message, "sips:192.0.2.1:5061");
    host.send(Method::Message, "sips:s1.b.test:5061");
    assert_eq!(
        host.domains,
        [Some("s1.b.test".to_owned()), Some("192.0.2.1".to_owned())],
        "one connection for each name"
    );
}

#[test]
fn a_uri_that_leads_nowhere_fails_the_request() {
    let mut host = Host::new(&[]);
    let refused = host.endpoint.send(
        request(Method::Message, "c"),
        Target::Uri(uri("tel:+15551234")),
        host.now,
    );
    assert_eq!(refused, Err(SendError::NotResolved(ResolveError::NoHost)));
    assert!(host.endpoint.is_drained());
    host.send(Method::Message, "sip:nobody.test");
    let failed = RequestFailure::NotResolved(ResolveError::NotFound);
    assert_eq!(host.outcome(), Some(Err(failed)));
    host.events.clear();
    host.send(Method::Message, "sip:broken.test:5060");
    let failed = RequestFailure::NotResolved(ResolveError::TimedOut);
    assert_eq!(host.outcome(), Some(Err(failed)));
    host.assert_nothing_left();
}
