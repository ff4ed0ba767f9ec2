//! Whatever peers do, a relay forwards for its clients only, holds no more than its limits say, and comes to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use msrp::codec::{Decoder, Frame, Leniency, Limits, StartLine};
use msrp::digest::Ha1;
use msrp::relay::{Address, Answer, Config, Effect, Event, Input, OpenId, Password, Peer, Relay, Transmit};
use msrp::{ConnectionId, Entropy};

/// Two clients, and two strangers.
const CLIENTS: u8 = 2;
const PEERS: u8 = 4;

/// Each octet pair is what somebody does.
pub fn msrp_relay(data: &[u8]) {
    let mut world = World::new();
    for pair in data.chunks_exact(2).take(48) {
        if let [what, how] = pair {
            world.step(*what, *how);
        }
    }
    world.end();
}

struct World {
    relay: Relay,
    now: Instant,
    uris: Vec<String>,
    opens: Vec<OpenId>,
    /// What has been sent where, to be read as a peer would.
    read: BTreeMap<ConnectionId, Decoder>,
    /// What asks for an answer, by the connection that it was sent on: identifier and paths.
    asked: Vec<(ConnectionId, String, String, String)>,
    gone: BTreeSet<ConnectionId>,
    inside: BTreeSet<ConnectionId>,
    last: u64,
}

impl World {
    fn new() -> Self {
        let mut config = Config::new(Address::new(false, "r.example", 2855));
        config.plain_auth = true;
        config.limits.connections = 8;
        config.limits.uris = 8;
        config.limits.waiting_per_connection = 2 * 1024;
        config.limits.waiting = 6 * 1024;
        config.limits.urgent_octets = 4 * 1024;
        config.limits.unanswered_per_connection = 4;
        config.limits.unanswered = 16;
        config.chunk_size = std::num::NonZeroUsize::MIN.saturating_add(99);
        let mut world = Self {
            relay: Relay::new(config, entropy()),
            now: Instant::now(),
            uris: Vec::new(),
            opens: Vec::new(),
            read: BTreeMap::new(),
            asked: Vec::new(),
            gone: BTreeSet::new(),
            inside: BTreeSet::new(),
            last: u64::from(PEERS),
        };
        for peer in 0..PEERS {
            let peer_kind = if peer < CLIENTS {
                Peer::User(format!("user{peer}"))
            } else {
                Peer::Unknown
            };
            let connection = ConnectionId(u64::from(peer));
            world.input(Input::Opened {
                connection,
                open: None,
                secure: false,
                peer: peer_kind,
            });
            if peer < CLIENTS {
                world.auth(peer);
            }
        }
        world
    }

    fn own(peer: u8) -> String {
        format!("msrp://p{peer}.example:{}/own{peer};tcp", 7000 + u16::from(peer))
    }

    fn auth(&mut self, peer: u8) {
        let own = Self::own(peer);
        let text = format!(
            "MSRP auth AUTH\r\nTo-Path: msrp://r.example;tcp\r\nFrom-Path: {own}\r\n-------auth$\r\n"
        );
        self.give(peer, text);
    }

    fn path(&self, how: u8) -> String {
        let uri = |at: usize| {
            self.uris
                .get(at)
                .cloned()
                .unwrap_or_else(|| "msrp://r.example:2855/x;tcp".to_owned())
        };
        match how % 8 {
            0 => format!("{} {}", uri(0), Self::own(0)),
            1 => format!("{} {}", uri(1), Self::own(1)),
            2 => format!("{} {} {}", uri(0), uri(1), Self::own(1)),
            3 => format!("{} {}", uri(0), Self::own(2)),
            4 => format!("{} {}", uri(1), Self::own(3)),
            5 => format!("{} msrp://elsewhere.example:1/e;tcp", uri(0)),
            6 => uri(1),
            _ => format!("{} {}", uri(self.uris.len().saturating_sub(1)), Self::own(0)),
        }
    }

    fn give(&mut self, peer: u8, text: impl Into<Bytes>) {
        let connection = ConnectionId(u64::from(peer));
        let mut data: Bytes = text.into();
        while !data.is_empty() {
            let data = data.split_to(data.len().min(350));
            self.input(Input::Received { connection, data });
        }
    }

    fn step(&mut self, what: u8, how: u8) {
        let peer = what & 3;
        let connection = ConnectionId(u64::from(peer));
        let (own, path) = (Self::own(peer), self.path(how));
        let head = |method: &str| {
            format!(
                "MSRP tid1 {method}\r\nTo-Path: {path}\r\nFrom-Path: {own}\r\nX-Origin: {peer}\r\nMessage-ID: m{how:04}\r\n"
            )
        };
        match what >> 2 {
            0..=9 => {
                let wants = ["yes", "no", "partial"]
                    .get(usize::from(how >> 6))
                    .copied()
                    .unwrap_or("yes");
                let body = "x".repeat(usize::from(how) * 3);
                let flag = ["$", "+", "#"].get(usize::from(how % 3)).copied().unwrap_or("$");
                let head = head("SEND");
                self.finish(peer);
                self.give(peer, format!("{head}Failure-Report: {wants}\r\nByte-Range: 1-*/*\r\nContent-Type: a/b\r\n\r\n{body}\r\n-------tid1{flag}\r\n"));
            }
            10..=14 => {
                let head = head("SEND");
                self.finish(peer);
                self.inside.insert(connection);
                self.give(
                    peer,
                    format!("{head}Byte-Range: 1-*/*\r\nContent-Type: a/b\r\n\r\nbegin"),
                );
            }
            15..=20 => {
                if self.inside.contains(&connection) {
                    self.give(peer, "y".repeat(1 + usize::from(how)));
                }
            }
            21..=23 => self.finish(peer),
            24..=29 => {
                let method = ["REPORT", "NICKNAME", "AUTH", "PING"]
                    .get(usize::from(how >> 6))
                    .copied()
                    .unwrap_or("PING");
                let head = head(method);
                self.finish(peer);
                self.give(peer, format!("{head}-------tid1$\r\n"));
            }
            30..=41 => self.answer(how),
            42..=45 => {
                if let Some(open) = self.opens.pop() {
                    if how & 1 == 0 {
                        self.last += 1;
                        let connection = ConnectionId(self.last);
                        self.input(Input::Opened {
                            connection,
                            open: Some(open),
                            secure: false,
                            peer: Peer::Unknown,
                        });
                    } else {
                        self.input(Input::OpenFailed { open });
                    }
                }
            }
            46..=49 => self.input(Input::Blocked { connection }),
            50..=53 => self.input(Input::Writable { connection }),
            54..=56 => {
                self.now += Duration::from_secs(u64::from(how));
                self.relay.handle_timeout(self.now);
                self.drain();
                assert!(
                    self.relay.poll_timeout().is_none_or(|next| next > self.now),
                    "a host would spin"
                );
            }
            57 => {
                self.gone.insert(connection);
                self.input(Input::Closed { connection });
            }
            58 => self.give(peer, vec![how; 3]),
            _ => self.auth(peer),
        }
        assert!(self.relay.waiting() < 32 * 1024, "{:?}", self.relay);
        assert!(self.relay.unanswered() <= 16 && self.relay.uris() <= 8 && self.relay.connections() <= 8);
    }

    fn finish(&mut self, peer: u8) {
        if self.inside.remove(&ConnectionId(u64::from(peer))) {
            self.give(peer, "\r\n-------tid1$\r\n");
        }
    }

    fn answer(&mut self, how: u8) {
        if self.asked.is_empty() {
            return;
        }
        let (connection, id, to, from) = self.asked.swap_remove(usize::from(how) % self.asked.len());
        if self.inside.contains(&connection) {
            return;
        }
        let status = if how.is_multiple_of(4) { 413 } else { 200 };
        let text =
            format!("MSRP {id} {status} comment\r\nTo-Path: {from}\r\nFrom-Path: {to}\r\n-------{id}$\r\n");
        self.input(Input::Received {
            connection,
            data: text.into(),
        });
    }

    fn input(&mut self, input: Input) {
        self.relay.handle_input(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            while let Some(effect) = self.relay.poll_effect() {
                let Effect::FindPassword {
                    id,
                    username,
                    realm,
                    algorithm,
                } = effect;
                let ha1 = Ha1::of_password(algorithm, &username, &realm, "secret");
                self.relay.handle_answer(
                    Answer::Password {
                        id,
                        password: Password::Known(ha1),
                    },
                    self.now,
                );
            }
            while let Some(event) = self.relay.poll_event() {
                if let Event::UriGiven { uri, .. } = event {
                    self.uris.push(uri.to_string());
                }
            }
            match self.relay.poll_transmit(self.now) {
                Some(Transmit::Open { open, .. }) => self.opens.push(open),
                Some(Transmit::Send { connection, data, .. }) => self.sent(connection, data.to_bytes()),
                Some(Transmit::Close { connection }) => {
                    self.gone.insert(connection);
                }
                Some(_) => {}
                None => return,
            }
        }
    }

    /// Reads what was sent as strictly as the grammar is.
    fn sent(&mut self, connection: ConnectionId, data: Bytes) {
        assert!(
            !self.gone.contains(&connection),
            "nothing is sent on a connection that is gone"
        );
        let decoder = self
            .read
            .entry(connection)
            .or_insert_with(|| Decoder::new(Limits::default(), Leniency::STRICT));
        decoder.push(data);
        loop {
            match decoder.next() {
                Ok(None) => return,
                Ok(Some(Frame::Head(head))) => {
                    let value = |name: &str| head.headers.value(name).unwrap_or_default().to_owned();
                    let origin = value("X-Origin");
                    let from_client = origin == "0" || origin == "1";
                    let is_request = matches!(head.start, StartLine::Request(_));
                    let to_client = connection.0 < u64::from(CLIENTS);
                    assert!(
                        !is_request || origin.is_empty() || from_client || to_client,
                        "what comes from a stranger goes to clients only"
                    );
                    if is_request && self.asked.len() < 64 {
                        let first = value("From-Path")
                            .split(' ')
                            .next()
                            .unwrap_or_default()
                            .to_owned();
                        self.asked
                            .push((connection, head.transaction.to_string(), value("To-Path"), first));
                    }
                }
                Ok(Some(_)) => {}
                Err(error) => panic!("what is sent cannot be read: {error}"),
            }
        }
    }

    fn end(&mut self) {
        for connection in 0..=self.last {
            self.input(Input::Closed {
                connection: ConnectionId(connection),
            });
        }
        while let Some(open) = self.opens.pop() {
            self.input(Input::OpenFailed { open });
        }
        self.now += Duration::from_secs(100_000);
        while self.relay.poll_timeout().is_some_and(|due| due <= self.now) {
            self.relay.handle_timeout(self.now);
            self.drain();
        }
        assert!(self.relay.is_drained(), "{:?}", self.relay);
        assert_eq!(
            (self.relay.waiting(), self.relay.unanswered(), self.relay.uris()),
            (0, 0, 0)
        );
        assert_eq!(self.relay.poll_timeout(), None);
    }
}

/// Randomness that is the same each time.
fn entropy() -> Entropy {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    Box::new(move |octets| {
        for octet in octets {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *octet = u8::try_from(state & 0xff).unwrap_or(0);
        }
    })
}
