//! Endpoints and relays in one network, which are reached by their host names.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use msrp::digest::Ha1;
use msrp::endpoint::{
    Config as EndpointConfig, Endpoint, Event, Input as EndpointInput, OpenId, Transmit as EndpointTransmit,
};
use msrp::relay::{Address, Answer, Config, Effect, Input, Password, Peer, Relay, Transmit};
use msrp::{ConnectionId, endpoint};

use super::world::{PASSWORD, entropy, epoch};

pub(crate) enum Node {
    Endpoint(Box<Endpoint>),
    Relay(Box<Relay>),
}

enum Doing {
    Opened(ConnectionId, Option<OpenId>),
    NotOpened(OpenId),
    Received(ConnectionId, Bytes),
    Closed(ConnectionId),
}

pub(crate) struct Net {
    pub(crate) now: Instant,
    pub(crate) nodes: Vec<(String, Node)>,
    /// The two ends of each connection.
    ends: BTreeMap<ConnectionId, [usize; 2]>,
    wire: VecDeque<(usize, Doing)>,
    pub(crate) events: Vec<(usize, Event)>,
    next: u64,
    /// How many octets each node has sent.
    pub(crate) sent: BTreeMap<usize, usize>,
    /// Octets in the longest piece that arrives.
    pub(crate) piece: usize,
}

impl Net {
    pub(crate) fn new() -> Self {
        Self {
            now: epoch(),
            nodes: Vec::new(),
            ends: BTreeMap::new(),
            wire: VecDeque::new(),
            events: Vec::new(),
            next: 0,
            sent: BTreeMap::new(),
            piece: 4000,
        }
    }

    pub(crate) fn endpoint(&mut self, host: &str) -> usize {
        let seed = u64::try_from(self.nodes.len()).unwrap() + 1;
        let endpoint = Endpoint::new(EndpointConfig::default(), entropy(seed));
        self.nodes
            .push((host.to_owned(), Node::Endpoint(Box::new(endpoint))));
        self.nodes.len() - 1
    }

    pub(crate) fn relay(&mut self, host: &str, change: impl Fn(&mut Config)) -> usize {
        let seed = u64::try_from(self.nodes.len()).unwrap() + 1;
        let mut config = Config::new(Address::new(false, host, 2855));
        config.plain_auth = true;
        change(&mut config);
        let relay = Relay::new(config, entropy(seed));
        self.nodes.push((host.to_owned(), Node::Relay(Box::new(relay))));
        self.nodes.len() - 1
    }

    pub(crate) fn at(&mut self, node: usize) -> &mut Endpoint {
        match &mut self.nodes[node].1 {
            Node::Endpoint(endpoint) => endpoint,
            Node::Relay(_) => panic!(),
        }
    }

    pub(crate) fn relay_at(&mut self, node: usize) -> &mut Relay {
        match &mut self.nodes[node].1 {
            Node::Relay(relay) => relay,
            Node::Endpoint(_) => panic!(),
        }
    }

    /// The connections of a node.
    pub(crate) fn connections(&self, node: usize) -> Vec<ConnectionId> {
        let of = |(id, ends): (&ConnectionId, &[usize; 2])| ends.contains(&node).then_some(*id);
        self.ends.iter().filter_map(of).collect()
    }

    /// Cuts a connection.
    pub(crate) fn cut(&mut self, connection: ConnectionId) {
        for end in self.ends.remove(&connection).unwrap() {
            self.wire.push_back((end, Doing::Closed(connection)));
        }
        self.settle();
    }

    fn open(&mut self, from: usize, open: OpenId, host: &str) {
        let Some(to) = self.nodes.iter().position(|(name, _)| name == host) else {
            return self.wire.push_back((from, Doing::NotOpened(open)));
        };
        self.next += 1;
        let connection = ConnectionId(self.next);
        self.ends.insert(connection, [from, to]);
        self.wire.push_back((to, Doing::Opened(connection, None)));
        self.wire.push_back((from, Doing::Opened(connection, Some(open))));
    }

    fn send(&mut self, from: usize, connection: ConnectionId, mut data: Bytes) {
        *self.sent.entry(from).or_default() += data.len();
        if let Some(ends) = self.ends.get(&connection) {
            let to = if ends[0] == from { ends[1] } else { ends[0] };
            while !data.is_empty() {
                let piece = data.split_to(data.len().min(self.piece));
                self.wire.push_back((to, Doing::Received(connection, piece)));
            }
        }
    }

    fn close(&mut self, from: usize, connection: ConnectionId) {
        if let Some(ends) = self.ends.remove(&connection) {
            let to = if ends[0] == from { ends[1] } else { ends[0] };
            self.wire.push_back((to, Doing::Closed(connection)));
        }
    }

    fn drain(&mut self, at: usize) {
        loop {
            let now = self.now;
            match &mut self.nodes[at].1 {
                Node::Endpoint(endpoint) => match endpoint.poll_transmit(now) {
                    Some(EndpointTransmit::Open { open, host, .. }) => self.open(at, open, &host),
                    Some(EndpointTransmit::Send { connection, data }) => {
                        self.send(at, connection, data.to_bytes());
                    }
                    Some(EndpointTransmit::Close { connection }) => self.close(at, connection),
                    None => break,
                },
                Node::Relay(relay) => {
                    while let Some(Effect::FindPassword {
                        id,
                        username,
                        realm,
                        algorithm,
                    }) = relay.poll_effect()
                    {
                        let ha1 = Ha1::of_password(algorithm, &username, &realm, PASSWORD);
                        relay.handle_answer(
                            Answer::Password {
                                id,
                                password: Password::Known(ha1),
                            },
                            now,
                        );
                    }
                    match relay.poll_transmit(now) {
                        Some(Transmit::Open { open, host, .. }) => self.open(at, open, &host),
                        Some(Transmit::Send { connection, data, .. }) => {
                            self.send(at, connection, data.to_bytes());
                        }
                        Some(Transmit::Close { connection }) => self.close(at, connection),
                        Some(Transmit::Pause { .. } | Transmit::Resume { .. }) => {}
                        None => break,
                    }
                }
            }
        }
        match &mut self.nodes[at].1 {
            Node::Endpoint(endpoint) => {
                while let Some(event) = endpoint.poll_event() {
                    self.events.push((at, event));
                }
            }
            Node::Relay(relay) => while relay.poll_event().is_some() {},
        }
    }

    /// Runs until nothing is on its way; timers do not run out.
    pub(crate) fn settle(&mut self) {
        loop {
            for at in 0..self.nodes.len() {
                self.drain(at);
            }
            let Some((at, doing)) = self.wire.pop_front() else {
                return;
            };
            self.give(at, doing);
        }
    }

    fn give(&mut self, at: usize, doing: Doing) {
        let now = self.now;
        match &mut self.nodes[at].1 {
            Node::Endpoint(endpoint) => {
                let input = match doing {
                    Doing::Opened(connection, open) => EndpointInput::Opened {
                        connection,
                        open,
                        secure: false,
                    },
                    Doing::NotOpened(open) => EndpointInput::OpenFailed { open },
                    Doing::Received(connection, data) => EndpointInput::Received { connection, data },
                    Doing::Closed(connection) => EndpointInput::Closed { connection },
                };
                endpoint.handle_input(input, now);
            }
            Node::Relay(relay) => {
                let input = match doing {
                    Doing::Opened(connection, open) => Input::Opened {
                        connection,
                        open,
                        secure: false,
                        peer: Peer::Unknown,
                    },
                    Doing::NotOpened(open) => Input::OpenFailed { open },
                    Doing::Received(connection, data) => Input::Received { connection, data },
                    Doing::Closed(connection) => Input::Closed { connection },
                };
                relay.handle_input(input, now);
            }
        }
    }

    /// Lets time pass; what is due on the way happens.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.settle();
        loop {
            let due = |node: &(String, Node)| match &node.1 {
                Node::Endpoint(endpoint) => endpoint.poll_timeout(),
                Node::Relay(relay) => relay.poll_timeout(),
            };
            let Some(due) = self.nodes.iter().filter_map(due).min().filter(|due| *due <= end) else {
                break;
            };
            self.now = self.now.max(due);
            for (_, node) in &mut self.nodes {
                match node {
                    Node::Endpoint(endpoint) => endpoint.handle_timeout(due),
                    Node::Relay(relay) => relay.handle_timeout(due),
                }
            }
            self.settle();
        }
        self.now = end;
    }

    /// The messages that an endpoint has received as a whole.
    pub(crate) fn messages(&self, node: usize) -> Vec<Bytes> {
        let body = |(at, event): &(usize, Event)| match event {
            Event::MessageReceived { body, .. } if *at == node => Some(body.clone()),
            _ => None,
        };
        self.events.iter().filter_map(body).collect()
    }

    pub(crate) fn count(&self, node: usize, which: impl Fn(&Event) -> bool) -> usize {
        self.events
            .iter()
            .filter(|(at, event)| *at == node && which(event))
            .count()
    }

    /// What became of a path through relays.
    pub(crate) fn outcome(&self, node: usize) -> Option<&Event> {
        let is_it = |event: &&Event| matches!(event, Event::RelayReady { .. } | Event::RelayFailed { .. });
        self.events
            .iter()
            .filter(|(at, _)| *at == node)
            .map(|(_, event)| event)
            .rfind(is_it)
    }

    pub(crate) fn path(&mut self, node: usize, relay: endpoint::RelayKey) -> Vec<msrp::Uri> {
        self.at(node).relay_path(relay).to_vec()
    }
}
