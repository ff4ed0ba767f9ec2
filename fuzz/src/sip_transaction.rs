//! Two endpoints, and a network that does with their datagrams what the input says: delivers, repeats, loses, spoils. Every request ends
//! once; when all is over nothing is left at either end.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use sip_im::endpoint::{
    ClientTransaction, Config, Endpoint, Event, Input, ServerTransaction, Target, Transmit,
};
use sip_im::header::Contact;
use sip_im::{Entropy, FlowId, Method, Request, StatusCode, Transport, Uri};

/// Reads the input octet by octet; when it is over it reads on as zeros.
pub(crate) struct Source<'a>(pub(crate) &'a [u8]);

impl Source<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn octet(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }

    /// One of so many.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.octet()).checked_rem(bound).unwrap_or(0)
    }
}

/// Octets that never repeat, the same each time.
pub(crate) fn entropy(seed: u64) -> Entropy {
    let mut state = seed | 1;
    Box::new(move |buffer: &mut [u8]| {
        for octet in buffer {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *octet = state.to_be_bytes()[0];
        }
    })
}

pub(crate) fn request(method: Method, number: usize) -> Option<Request> {
    let bob = Uri::parse("sip:bob@b.test").ok()?;
    Request::builder(method, bob.clone())
        .from(&Uri::parse("sip:alice@a.test").ok()?, None, "a")
        .to(&bob, None)
        .call_id(&format!("c{number}"))
        .cseq(1)
        .contact(&Contact::new(Uri::parse("sip:alice@192.0.2.1").ok()?))
        .build()
        .ok()
}

pub(crate) const STATUSES: [u16; 10] = [100, 180, 200, 202, 302, 401, 408, 486, 503, 603];

struct End {
    endpoint: Endpoint,
    asked: Vec<(ServerTransaction, Request)>,
    sent: BTreeMap<ClientTransaction, u32>,
}

struct World {
    ends: [End; 2],
    now: Instant,
    wire: Vec<(usize, Bytes)>,
}

/// Each octet is an operation, or its operand.
pub fn sip_transaction(data: &[u8]) {
    let mut source = Source(data.get(..data.len().min(250)).unwrap_or_default());
    let now = Instant::now();
    let mut world = World {
        ends: [1, 2].map(|seed| end(seed, now)),
        now,
        wire: Vec::new(),
    };
    let mut count = 0;
    while !source.is_empty() {
        let at = usize::from(source.octet() & 1);
        match source.below(8) {
            0 => {
                count += 1;
                let methods = [
                    Method::Message,
                    Method::Invite,
                    Method::Options,
                    Method::Subscribe,
                ];
                let method = methods.get(source.below(4)).cloned().unwrap_or(Method::Message);
                world.send(at, method, count);
            }
            1 | 2 => {
                let which = source.below(world.wire.len().max(1));
                if which < world.wire.len() {
                    let (to, octets) = world.wire.remove(which);
                    world.deliver(to, octets);
                }
            }
            3 => {
                let which = source.below(world.wire.len().max(1));
                if let Some((to, octets)) = world.wire.get(which).cloned() {
                    let mut spoilt = octets.to_vec();
                    let place = source.below(spoilt.len().max(1));
                    if let Some(octet) = spoilt.get_mut(place) {
                        *octet ^= source.octet();
                    }
                    world.deliver(to, Bytes::from(spoilt));
                }
            }
            4 => {
                world.wire.clear();
            }
            5 => {
                let which = source.below(world.wire.len().max(1));
                if let Some((to, octets)) = world.wire.get(which).cloned() {
                    world.deliver(to, octets);
                }
            }
            6 => world.respond(at, &mut source),
            _ => world.pass(u64::from(source.octet()) * u64::from(source.octet())),
        }
        world.drain();
    }
    world.finish();
}

fn end(seed: u64, now: Instant) -> End {
    let mut config = Config::default();
    config.max_server_transactions = 16;
    config.max_client_transactions = 16;
    let mut endpoint = Endpoint::new(config, entropy(seed));
    let address = |last: u64| SocketAddr::from(([192, 0, 2, u8::try_from(last).unwrap_or(0)], 5060));
    endpoint.handle_input(
        Input::Opened {
            flow: FlowId(1),
            transport: Transport::Udp,
            local: address(seed),
            remote: address(3 - seed),
            open: None,
            trusted: false,
        },
        now,
    );
    End {
        endpoint,
        asked: Vec::new(),
        sent: BTreeMap::new(),
    }
}

impl World {
    fn send(&mut self, at: usize, method: Method, number: usize) {
        let (Some(end), Some(request)) = (self.ends.get_mut(at), request(method, number)) else {
            return;
        };
        if let Ok(id) = end.endpoint.send(request, Target::Flow(FlowId(1)), self.now) {
            end.sent.insert(id, 0);
        }
    }

    fn deliver(&mut self, to: usize, data: Bytes) {
        if let Some(end) = self.ends.get_mut(to) {
            let flow = FlowId(1);
            end.endpoint
                .handle_input(Input::Received { flow, data }, self.now);
        }
    }

    fn respond(&mut self, at: usize, source: &mut Source<'_>) {
        let Some(end) = self.ends.get_mut(at) else { return };
        let which = source.below(end.asked.len().max(1));
        let status = STATUSES
            .get(source.below(STATUSES.len()))
            .copied()
            .and_then(StatusCode::new);
        let (Some((id, request)), Some(status)) = (end.asked.get(which), status) else {
            return;
        };
        if let Ok(response) = request.response(status).to_tag("b").build() {
            let _ = if source.octet() & 1 == 0 {
                end.endpoint.respond(*id, response, self.now)
            } else {
                end.endpoint.forward_response(*id, response, self.now)
            };
        }
    }

    /// Time goes by; no timer may be due afterwards.
    fn pass(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
        for end in &mut self.ends {
            end.endpoint.handle_timeout(self.now);
            let next = end.endpoint.poll_timeout();
            assert!(
                next.is_none_or(|at| at > self.now),
                "a timer that does not go away"
            );
        }
    }

    fn drain(&mut self) {
        for (at, end) in self.ends.iter_mut().enumerate() {
            while let Some(transmit) = end.endpoint.poll_transmit(self.now) {
                if let Transmit::Send { data, .. } = transmit
                    && self.wire.len() < 64
                {
                    self.wire.push((1 - at, data));
                }
            }
            while let Some(event) = end.endpoint.poll_event() {
                match event {
                    Event::RequestReceived {
                        transaction, request, ..
                    } => end.asked.push((transaction, request)),
                    Event::ResponseReceived {
                        transaction,
                        response,
                    } if response.status().is_final() => {
                        let Some(ended) = end.sent.get_mut(&transaction) else {
                            panic!("a response to nothing")
                        };
                        // Further 2xx of an INVITE are reported each.
                        let may_repeat = response.status().is_success()
                            && response.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
                        assert!(*ended == 0 || may_repeat, "a second end");
                        *ended = 1;
                    }
                    Event::RequestFailed { transaction, .. } => {
                        let Some(ended) = end.sent.get_mut(&transaction) else {
                            panic!("the failure of nothing")
                        };
                        assert_eq!(*ended, 0, "a second end");
                        *ended = 1;
                    }
                    _ => {}
                }
            }
            assert!(end.endpoint.server_transactions() <= 16);
        }
    }

    fn finish(&mut self) {
        self.wire.clear();
        for end in &mut self.ends {
            for (id, request) in core::mem::take(&mut end.asked) {
                if let Ok(response) = request.response(StatusCode::BUSY_HERE).to_tag("b").build() {
                    let _ = end.endpoint.respond(id, response, self.now);
                }
            }
        }
        for _ in 0..2000 {
            self.drain();
            self.wire.clear();
            let next = self
                .ends
                .iter()
                .filter_map(|end| end.endpoint.poll_timeout())
                .min();
            let Some(next) = next.filter(|next| *next < self.now + Duration::from_secs(600)) else {
                break;
            };
            self.now = next.max(self.now);
            self.pass(0);
        }
        self.drain();
        for end in &self.ends {
            assert_eq!(
                end.endpoint.client_transactions(),
                0,
                "client transactions are left"
            );
            assert_eq!(
                end.endpoint.server_transactions(),
                0,
                "server transactions are left"
            );
            assert!(end.endpoint.is_drained(), "something is left: {:?}", end.endpoint);
            assert!(
                end.sent.values().all(|ended| *ended == 1),
                "a request without end"
            );
        }
    }
}
