//! The parties, the connections between them, and a store.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use im_roles::WallClock;
use im_roles::client::{self, Client};
use im_roles::config::{Config, NextHop, User};
use im_roles::effect::{Answer, DeferredMessage, Effect};
use im_roles::flow::{FlowId, Input, OpenId, Protocol, Transmit, Transport};
use im_roles::machine::Machine;
use im_roles::node::Node;
use sip_im::Uri;

/// Who is at an end of a connection.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Party {
    Server,
    Client(usize),
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) node: Node,
    pub(crate) clients: Vec<Client>,
    pub(crate) events: Vec<Vec<client::Event>>,
    /// The far end of each end of a connection.
    links: BTreeMap<(Party, FlowId), (Party, FlowId)>,
    next_flow: u64,
    /// What waits, by user and name; it outlives the server.
    pub(crate) mailbox: BTreeMap<(String, String), DeferredMessage>,
    /// All octets that each client has got.
    pub(crate) received: Vec<Vec<u8>>,
}

pub(crate) fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

pub(crate) fn user(number: usize) -> &'static str {
    ["alice", "bob", "carol", "dave"].get(number).expect("four users")
}

pub(crate) fn entropy(mut state: u64) -> sip_im::Entropy {
    Box::new(move |octets| {
        for octet in octets {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *octet = state.to_be_bytes()[0];
        }
    })
}

fn server(now: Instant, since: Duration, seed: u64) -> Node {
    let mut config = Config::new("example.com").unwrap();
    config
        .addresses
        .push(NextHop::new(Transport::Tcp, "192.0.2.1", 5060));
    for number in 0..4 {
        let name = user(number);
        config.users.push(User::new(
            uri(&format!("sip:{name}@example.com")),
            format!("{name}-secret"),
        ));
    }
    Node::new(
        config,
        WallClock::new(now, Duration::from_secs(1_700_000_000) + since),
        entropy(seed),
    )
}

impl World {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let clients: Vec<_> = (0..4)
            .map(|number| {
                let name = user(number);
                let hop = NextHop::new(Transport::Tcp, "192.0.2.1", 5060);
                let config = client::Config::new(
                    uri(&format!("sip:{name}@example.com")),
                    format!("{name}-secret"),
                    hop,
                )
                .unwrap();
                let clock = WallClock::new(now, Duration::from_secs(1_700_000_000));
                Client::new(config, clock, entropy(100 + u64::try_from(number).unwrap()))
            })
            .collect();
        Self {
            now,
            node: server(now, Duration::ZERO, 1),
            events: clients.iter().map(|_| Vec::new()).collect(),
            received: clients.iter().map(|_| Vec::new()).collect(),
            clients,
            links: BTreeMap::new(),
            next_flow: 0,
            mailbox: BTreeMap::new(),
        }
    }

    /// The server ends without a word, and another one begins with what is stored.
    pub(crate) fn kill_and_restart(&mut self) {
        let links: Vec<_> = self
            .links
            .keys()
            .copied()
            .filter(|(party, _)| *party == Party::Server)
            .collect();
        for near in links {
            if let Some((far, flow)) = self.unlink(near) {
                self.input(far, Input::Closed { flow });
            }
        }
        self.node = server(self.now, Duration::from_secs(60), 2);
    }

    pub(crate) fn client(&mut self, number: usize) -> &mut Client {
        self.clients.get_mut(number).expect("a client")
    }

    pub(crate) fn register(&mut self, number: usize) {
        let now = self.now;
        self.client(number).register(now).unwrap();
        self.run();
        assert!(
            self.client(number).is_registered(),
            "{:?}",
            self.events.get(number)
        );
    }

    /// What a client has told since the last time.
    pub(crate) fn heard(&mut self, number: usize) -> Vec<client::Event> {
        std::mem::take(self.events.get_mut(number).expect("a client"))
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let deadlines = self
                .clients
                .iter()
                .map(Client::poll_timeout)
                .chain([self.node.poll_timeout()]);
            let Some(at) = deadlines.flatten().min().filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            self.node.handle_timeout(self.now);
            for client in &mut self.clients {
                client.handle_timeout(self.now);
            }
            self.run();
        }
        self.now = end;
    }

    /// Moves octets until nobody has any.
    pub(crate) fn run(&mut self) {
        loop {
            let mut moved = false;
            while let Some(effect) = self.node.poll_effect() {
                moved = true;
                let answer = self.perform(&effect);
                self.node.handle_answer(answer, self.now);
            }
            while self.node.poll_event().is_some() {}
            let mut transmits = VecDeque::new();
            while let Some(transmit) = self.node.poll_transmit(self.now) {
                transmits.push_back((Party::Server, transmit));
            }
            for (number, client) in self.clients.iter_mut().enumerate() {
                while let Some(transmit) = client.poll_transmit(self.now) {
                    transmits.push_back((Party::Client(number), transmit));
                }
                while let Some(event) = client.poll_event() {
                    self.events.get_mut(number).expect("a client").push(event);
                }
            }
            moved |= !transmits.is_empty();
            for (party, transmit) in transmits {
                self.carry(party, transmit);
            }
            if !moved {
                return;
            }
        }
    }

    fn carry(&mut self, from: Party, transmit: Transmit) {
        match transmit {
            Transmit::Open {
                open,
                protocol,
                transport,
                host,
                port,
                ..
            } => {
                if (host.as_str(), port) == ("192.0.2.1", 5060) && from != Party::Server {
                    self.connect(from, open, protocol, transport);
                } else {
                    self.input(from, Input::OpenFailed { open });
                }
            }
            Transmit::Send { flow, mut data } => {
                let data = data.copy_to_bytes(data.remaining());
                if let Some((to, flow)) = self.links.get(&(from, flow)).copied() {
                    self.note(to, &data);
                    self.input(to, Input::Received { flow, data });
                }
            }
            Transmit::Close { flow } => {
                if let Some((to, flow)) = self.unlink((from, flow)) {
                    self.input(to, Input::Closed { flow });
                }
            }
            other => panic!("unexpected {other:?}"),
        }
    }

    fn note(&mut self, to: Party, data: &Bytes) {
        if let Party::Client(number) = to {
            self.received
                .get_mut(number)
                .expect("a client")
                .extend_from_slice(data);
        }
    }

    fn connect(&mut self, from: Party, open: OpenId, protocol: Protocol, transport: Transport) {
        self.next_flow += 2;
        let (near, far) = (FlowId(self.next_flow), FlowId(self.next_flow + 1));
        self.links.insert((from, near), (Party::Server, far));
        self.links.insert((Party::Server, far), (from, near));
        let server = SocketAddr::from(([192, 0, 2, 1], 5060));
        let client = SocketAddr::from(([192, 0, 2, 99], 40_000 + u16::try_from(self.next_flow).unwrap()));
        let opened = |flow, local, remote, open| Input::Opened {
            flow,
            protocol,
            transport,
            local,
            remote,
            open,
            trusted: false,
        };
        self.input(Party::Server, opened(far, server, client, None));
        self.input(from, opened(near, client, server, Some(open)));
    }

    fn unlink(&mut self, near: (Party, FlowId)) -> Option<(Party, FlowId)> {
        let far = self.links.remove(&near)?;
        self.links.remove(&far);
        Some(far)
    }

    fn input(&mut self, to: Party, input: Input) {
        match to {
            Party::Server => Machine::handle_input(&mut self.node, input, self.now),
            Party::Client(number) => {
                let now = self.now;
                self.client(number).handle_input(input, now);
            }
        }
    }

    fn perform(&mut self, effect: &Effect) -> Answer {
        match effect {
            Effect::FetchDocument { id, .. } => Answer::Document {
                id: *id,
                result: Ok(None),
            },
            Effect::ListDocuments { id, .. } => Answer::Documents {
                id: *id,
                result: Ok(Vec::new()),
            },
            Effect::FindGroups { id, .. } => Answer::Groups {
                id: *id,
                result: Ok(Vec::new()),
            },
            Effect::StoreMessage { id, message, .. } => {
                self.mailbox.insert(
                    (message.user.to_string(), message.reference.clone()),
                    message.clone(),
                );
                Answer::Written {
                    id: *id,
                    result: Ok(()),
                }
            }
            Effect::ListMessages { id, user, limit } => {
                let user = user.to_string();
                let messages = self.mailbox.iter().filter(|((owner, _), _)| *owner == user);
                let messages = messages
                    .map(|(_, message)| message.clone())
                    .take(*limit)
                    .collect();
                Answer::Messages {
                    id: *id,
                    result: Ok(messages),
                }
            }
            Effect::DeleteMessage { id, user, reference } => {
                self.mailbox.remove(&(user.to_string(), reference.clone()));
                Answer::Written {
                    id: *id,
                    result: Ok(()),
                }
            }
            Effect::StoreDocument { id, .. } | Effect::DeleteDocument { id, .. } => Answer::Written {
                id: *id,
                result: Ok(()),
            },
        }
    }
}
