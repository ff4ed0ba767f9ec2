//! Two endpoints and the network between them, in virtual time.
#![expect(dead_code, reason = "each test file uses its part")]

pub(crate) mod calls;
pub(crate) mod talk;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_im::endpoint::{Config, Endpoint, Event, Input, OpenId, Target, Transmit};
use sip_im::header::{Contact, From, To};
use sip_im::{Entropy, FlowId, Message, Method, Request, Response, StatusCode, Transport, Uri};

/// Reproducible octets that never repeat.
pub(crate) fn entropy(seed: u64) -> Entropy {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    Box::new(move |buffer: &mut [u8]| {
        for octet in buffer {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *octet = state.to_be_bytes()[0];
        }
    })
}

/// A source of choices.
pub(crate) struct Dice(Entropy);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(entropy(seed ^ 0x5555))
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let mut octets = [0; 8];
        (self.0)(&mut octets);
        u64::from_be_bytes(octets) % bound.max(1)
    }

    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// How the network treats what is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) loss: u64,
    pub(crate) repeat: u64,
    pub(crate) latency: Duration,
    pub(crate) jitter: Duration,
}

pub(crate) const FINE: Weather = Weather {
    loss: 0,
    repeat: 0,
    latency: Duration::from_millis(10),
    jitter: Duration::ZERO,
};

/// One end.
pub(crate) struct End {
    pub(crate) endpoint: Endpoint,
    pub(crate) address: SocketAddr,
    pub(crate) events: Vec<Event>,
    /// Messages sent, in order.
    pub(crate) sent: Vec<Message>,
    next_flow: u64,
    datagrams: BTreeMap<SocketAddr, FlowId>,
    flows: BTreeMap<FlowId, (Transport, SocketAddr)>,
}

/// Two ends.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) start: Instant,
    pub(crate) ends: [End; 2],
    pub(crate) weather: Weather,
    /// Streams can be opened.
    pub(crate) streams: bool,
    pub(crate) dice: Dice,
    /// Which datagrams get lost, counted from the first of all.
    pub(crate) lost: BTreeSet<u64>,
    /// Datagrams sent.
    pub(crate) datagrams: u64,
    /// For each stream, the flow at the other end.
    peers: BTreeMap<(usize, FlowId), FlowId>,
    /// Streams deliver in order: when the latest octets of each arrive.
    arrival: BTreeMap<(usize, FlowId), Instant>,
    wire: BTreeSet<(Instant, u64)>,
    letters: BTreeMap<u64, Letter>,
    next_letter: u64,
}

enum Letter {
    Datagram {
        to: usize,
        from: SocketAddr,
        data: Bytes,
    },
    Stream {
        to: usize,
        flow: FlowId,
        data: Bytes,
    },
    Opened {
        to: usize,
        open: OpenId,
        transport: Transport,
    },
    OpenFailed {
        to: usize,
        open: OpenId,
    },
    Closed {
        to: usize,
        flow: FlowId,
    },
}

impl Pair {
    pub(crate) fn new(weather: Weather, seed: u64) -> Self {
        Self::with(Config::default, weather, seed)
    }

    pub(crate) fn with(config: impl Fn() -> Config, weather: Weather, seed: u64) -> Self {
        let now = epoch();
        let end = |host: &str, seed| End {
            endpoint: Endpoint::new(config(), entropy(seed)),
            address: host.parse().expect("an address"),
            events: Vec::new(),
            sent: Vec::new(),
            next_flow: 1,
            datagrams: BTreeMap::new(),
            flows: BTreeMap::new(),
        };
        Self {
            now,
            start: now,
            ends: [
                end("192.0.2.1:5060", seed.wrapping_add(11)),
                end("192.0.2.2:5060", seed.wrapping_add(77)),
            ],
            weather,
            streams: true,
            dice: Dice::new(seed),
            lost: BTreeSet::new(),
            datagrams: 0,
            peers: BTreeMap::new(),
            arrival: BTreeMap::new(),
            wire: BTreeSet::new(),
            letters: BTreeMap::new(),
            next_letter: 0,
        }
    }

    /// When something happens next.
    pub(crate) fn next(&self) -> Option<Instant> {
        let ends = self.ends.iter().filter_map(|end| end.endpoint.poll_timeout());
        ends.chain(self.wire.first().map(|(at, _)| *at)).min()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Where end `to` is reached.
    pub(crate) fn target(&self, to: usize, transport: Transport) -> Target {
        let address = self.ends[to].address;
        Target::Address {
            transport,
            host: address.ip().to_string(),
            port: address.port(),
        }
    }

    /// Does everything that happens up to now, then goes to the next instant at which something does. `false` when nothing will.
    pub(crate) fn step(&mut self) -> bool {
        self.settle();
        let next = self
            .ends
            .iter()
            .filter_map(|end| end.endpoint.poll_timeout())
            .chain(self.wire.first().map(|(at, _)| *at))
            .min();
        let Some(next) = next else { return false };
        assert!(
            next > self.now || self.wire.first().is_some_and(|(at, _)| *at <= self.now),
            "a timer that spins"
        );
        self.now = next.max(self.now);
        while let Some((at, letter)) = self.wire.first().copied() {
            if at > self.now {
                break;
            }
            self.wire.remove(&(at, letter));
            let letter = self.letters.remove(&letter).expect("a letter");
            self.deliver(letter);
        }
        for end in &mut self.ends {
            end.endpoint.handle_timeout(self.now);
        }
        self.settle();
        true
    }

    /// Goes on until `until`, or until nothing is left to happen.
    pub(crate) fn run_for(&mut self, duration: Duration) {
        let until = self.now + duration;
        self.settle();
        loop {
            let next = self
                .ends
                .iter()
                .filter_map(|end| end.endpoint.poll_timeout())
                .chain(self.wire.first().map(|(at, _)| *at))
                .min();
            match next {
                Some(next) if next <= until => {
                    self.step();
                }
                _ => break,
            }
        }
        self.now = until;
    }

    /// Goes on until an end has an event that matches, or `limit` is over.
    pub(crate) fn wait<T>(
        &mut self,
        end: usize,
        limit: Duration,
        pick: impl Fn(&Event) -> Option<T>,
    ) -> Option<T> {
        let until = self.now + limit;
        loop {
            self.settle();
            if let Some(at) = self.ends[end]
                .events
                .iter()
                .position(|event| pick(event).is_some())
            {
                return pick(&self.ends[end].events.remove(at));
            }
            if self.now >= until || !self.step() {
                return None;
            }
        }
    }

    /// Hands over what the endpoints have to send and to say.
    pub(crate) fn settle(&mut self) {
        for at in 0..2 {
            while let Some(transmit) = self.ends[at].endpoint.poll_transmit(self.now) {
                self.transmit(at, transmit);
            }
            while let Some(event) = self.ends[at].endpoint.poll_event() {
                self.ends[at].events.push(event);
            }
        }
    }

    /// Opens the flow of datagrams from one end to the other, as a host does when the first datagram comes.
    pub(crate) fn datagram_flow(&mut self, at: usize) -> FlowId {
        let remote = self.ends[1 - at].address;
        if let Some(flow) = self.ends[at].datagrams.get(&remote) {
            return *flow;
        }
        let flow = self.open(at, Transport::Udp, remote, None);
        self.ends[at].datagrams.insert(remote, flow);
        flow
    }

    /// An end is replaced by a new one, which knows nothing. Datagrams reach it, streams are gone.
    pub(crate) fn restart(&mut self, at: usize, config: Config) {
        let seed = self.next_letter;
        let end = &mut self.ends[at];
        end.endpoint = Endpoint::new(config, entropy(seed));
        end.events.clear();
        end.datagrams.clear();
        end.flows.clear();
    }

    /// A stream between the ends breaks.
    pub(crate) fn break_stream(&mut self, at: usize, flow: FlowId) {
        if let Some(peer) = self.peers.remove(&(at, flow)) {
            self.peers.remove(&(1 - at, peer));
            self.ends[1 - at]
                .endpoint
                .handle_input(Input::Closed { flow: peer }, self.now);
        }
        self.ends[at]
            .endpoint
            .handle_input(Input::Closed { flow }, self.now);
    }

    pub(crate) fn flows(&self, at: usize) -> Vec<(FlowId, Transport)> {
        self.ends[at]
            .flows
            .iter()
            .map(|(flow, (transport, _))| (*flow, *transport))
            .collect()
    }

    fn open(&mut self, at: usize, transport: Transport, remote: SocketAddr, open: Option<OpenId>) -> FlowId {
        let end = &mut self.ends[at];
        let flow = FlowId(end.next_flow);
        end.next_flow += 1;
        end.flows.insert(flow, (transport, remote));
        let local = end.address;
        let input = Input::Opened {
            flow,
            transport,
            local,
            remote,
            open,
            trusted: false,
        };
        end.endpoint.handle_input(input, self.now);
        flow
    }

    fn transmit(&mut self, at: usize, transmit: Transmit) {
        let other = 1 - at;
        match transmit {
            Transmit::Open {
                open,
                transport,
                host,
                port,
                ..
            } => {
                let reached =
                    SocketAddr::new(host.parse().expect("an address"), port) == self.ends[other].address;
                let possible = reached && (self.streams || transport == Transport::Udp);
                let letter = if possible {
                    Letter::Opened {
                        to: at,
                        open,
                        transport,
                    }
                } else {
                    Letter::OpenFailed { to: at, open }
                };
                self.post(self.now + self.weather.latency * 2, letter);
            }
            Transmit::Send { flow, data } => {
                if let Ok(message) =
                    sip_im::codec::parse_datagram(data.clone(), &sip_im::codec::Limits::default())
                {
                    self.ends[at].sent.push(message);
                }
                let Some((transport, _)) = self.ends[at].flows.get(&flow).copied() else {
                    panic!("{flow} is not open")
                };
                if transport == Transport::Udp {
                    let copies = u32::from(!self.dice.percent(self.weather.loss));
                    let copies = copies + u32::from(self.dice.percent(self.weather.repeat));
                    let copies = if self.lost.contains(&self.datagrams) {
                        0
                    } else {
                        copies
                    };
                    self.datagrams += 1;
                    for _ in 0..copies {
                        let jitter = u64::try_from(self.weather.jitter.as_micros()).unwrap_or(0);
                        let delay = self.weather.latency + Duration::from_micros(self.dice.below(jitter + 1));
                        let from = self.ends[at].address;
                        self.post(
                            self.now + delay,
                            Letter::Datagram {
                                to: other,
                                from,
                                data: data.clone(),
                            },
                        );
                    }
                } else if let Some(peer) = self.peers.get(&(at, flow)).copied() {
                    // Streams are cut anywhere.
                    let mut data = data;
                    while !data.is_empty() {
                        let cut =
                            usize::try_from(self.dice.below(u64::try_from(data.len()).unwrap_or(1)) + 1)
                                .unwrap_or(1);
                        let piece = data.split_to(cut);
                        let earliest = self.arrival.get(&(at, flow)).copied().unwrap_or(self.now);
                        let arrives = (self.now + self.weather.latency).max(earliest);
                        self.arrival.insert((at, flow), arrives);
                        self.post(
                            arrives,
                            Letter::Stream {
                                to: other,
                                flow: peer,
                                data: piece,
                            },
                        );
                    }
                }
            }
            Transmit::Close { flow } => {
                self.ends[at].flows.remove(&flow);
                self.ends[at].datagrams.retain(|_, known| *known != flow);
                if let Some(peer) = self.peers.remove(&(at, flow)) {
                    self.peers.remove(&(other, peer));
                    self.post(
                        self.now + self.weather.latency,
                        Letter::Closed {
                            to: other,
                            flow: peer,
                        },
                    );
                }
            }
        }
    }

    fn post(&mut self, at: Instant, letter: Letter) {
        self.wire.insert((at, self.next_letter));
        self.letters.insert(self.next_letter, letter);
        self.next_letter += 1;
    }

    fn deliver(&mut self, letter: Letter) {
        match letter {
            Letter::Datagram { to, from, data } => {
                assert_eq!(from, self.ends[1 - to].address);
                let flow = self.datagram_flow(to);
                self.ends[to]
                    .endpoint
                    .handle_input(Input::Received { flow, data }, self.now);
            }
            Letter::Stream { to, flow, data } => {
                self.ends[to]
                    .endpoint
                    .handle_input(Input::Received { flow, data }, self.now);
            }
            Letter::Opened { to, open, transport } => {
                let remote = self.ends[1 - to].address;
                if transport == Transport::Udp {
                    let flow = self.open(to, transport, remote, Some(open));
                    self.ends[to].datagrams.insert(remote, flow);
                    return;
                }
                // The end that accepts sees a port of the moment.
                let port = 40_000 + u16::try_from(self.next_letter % 10_000).unwrap_or(0);
                let from = SocketAddr::new(self.ends[to].address.ip(), port);
                let ours = self.open(to, transport, remote, Some(open));
                let theirs = self.open(1 - to, transport, from, None);
                self.peers.insert((to, ours), theirs);
                self.peers.insert((1 - to, theirs), ours);
                self.settle();
            }
            Letter::OpenFailed { to, open } => {
                self.ends[to]
                    .endpoint
                    .handle_input(Input::OpenFailed { open }, self.now);
            }
            Letter::Closed { to, flow } => {
                self.ends[to].flows.remove(&flow);
                self.ends[to]
                    .endpoint
                    .handle_input(Input::Closed { flow }, self.now);
            }
        }
    }

    /// Asserts that nothing is left of any transaction.
    pub(crate) fn assert_nothing_left(&mut self) {
        self.run_for(Duration::from_secs(200));
        for (at, end) in self.ends.iter_mut().enumerate() {
            end.events.clear();
            assert_eq!(
                end.endpoint.client_transactions(),
                0,
                "client transactions of end {at}"
            );
            assert_eq!(
                end.endpoint.server_transactions(),
                0,
                "server transactions of end {at}"
            );
            assert!(end.endpoint.is_drained(), "end {at}: {:?}", end.endpoint);
            // One timer, of idleness, for each flow.
            assert_eq!(
                end.endpoint.armed_timers(),
                end.endpoint.open_flows(),
                "timers of end {at}"
            );
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "an opaque epoch for virtual time")]
pub(crate) fn epoch() -> Instant {
    Instant::now()
}

/// A request from one user to another.
pub(crate) fn request(method: Method, call: &str) -> Request {
    let (alice, bob) = (uri("sip:alice@a.test"), uri("sip:bob@b.test"));
    Request::builder(method, bob.clone())
        .from(&alice, None, "alice-tag")
        .to(&bob, None)
        .call_id(call)
        .cseq(1)
        .contact(&Contact::new(uri("sip:alice@192.0.2.1")))
        .build()
        .expect("a request")
}

pub(crate) fn answer(request: &Request, status: StatusCode) -> Response {
    request
        .response(status)
        .to_tag("bob-tag")
        .contact(&Contact::new(uri("sip:bob@192.0.2.2")))
        .build()
        .expect("a response")
}

pub(crate) fn contact_of(text: &str) -> Contact {
    Contact::new(uri(text))
}

pub(crate) fn uri(text: &str) -> Uri {
    Uri::parse(text).expect("a uri")
}

pub(crate) fn tags(headers: &sip_im::header::Headers) -> (Option<String>, Option<String>) {
    let from = headers.require::<From>().expect("From");
    let to = headers.require::<To>().expect("To");
    (from.tag().map(str::to_owned), to.tag().map(str::to_owned))
}
