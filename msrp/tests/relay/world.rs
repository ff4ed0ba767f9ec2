//! A relay whose connections are in the test's hands.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use msrp::codec::{Continuation, Decoder, Frame, Head, Leniency, Limits, StartLine};
use msrp::digest::{Challenge, Ha1};
use msrp::header::{Header, WwwAuthenticate};
use msrp::relay::{Address, Answer, Config, Effect, Event, Input, OpenId, Password, Peer, Relay, Transmit};
use msrp::{ConnectionId, Entropy};

pub(crate) const RELAY: &str = "msrp://relay.example:2855;tcp";
pub(crate) const ALICE: &str = "msrp://alice.example:7000/alice;tcp";
pub(crate) const BOB: &str = "msrp://bob.example:7001/bob;tcp";
pub(crate) const PASSWORD: &str = "secret";

/// Randomness that is the same each time.
pub(crate) fn entropy(seed: u64) -> Entropy {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    Box::new(move |octets| {
        for octet in octets {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *octet = state.to_le_bytes()[3];
        }
    })
}

/// An instant to begin at.
#[expect(clippy::disallowed_methods, reason = "instants have no other beginning")]
pub(crate) fn epoch() -> Instant {
    Instant::now()
}

pub(crate) fn config() -> Config {
    let mut config = Config::new(Address::new(false, "relay.example", 2855));
    config.plain_auth = true;
    config
}

/// A message that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    pub(crate) end: Continuation,
}

impl Message {
    /// `SEND`, or `200`.
    pub(crate) fn start(&self) -> String {
        match &self.head.start {
            StartLine::Request(method) => method.to_string(),
            StartLine::Response { status, .. } => status.to_string(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.head.headers.value(name).unwrap_or_default()
    }

    pub(crate) fn id(&self) -> &str {
        self.head.transaction.as_str()
    }

    /// A response of the receiver: to the previous hop.
    pub(crate) fn answer(&self, status: u16) -> String {
        let first = self.header("From-Path").split(' ').next().unwrap_or_default();
        self.answer_to(first, status, "")
    }

    pub(crate) fn answer_whole(&self, status: u16, headers: &str) -> String {
        self.answer_to(self.header("From-Path"), status, headers)
    }

    fn answer_to(&self, to: &str, status: u16, headers: &str) -> String {
        let own = self.header("To-Path").split(' ').next().unwrap_or_default();
        let id = self.id();
        format!(
            "MSRP {id} {status} comment\r\nTo-Path: {to}\r\nFrom-Path: {own}\r\n{headers}-------{id}$\r\n"
        )
    }
}

pub(crate) struct World {
    pub(crate) relay: Relay,
    pub(crate) now: Instant,
    pub(crate) opens: Vec<(OpenId, String, Option<u16>, bool)>,
    pub(crate) closed: BTreeSet<ConnectionId>,
    pub(crate) paused: BTreeSet<ConnectionId>,
    pub(crate) events: Vec<Event>,
    pub(crate) effects: Vec<Effect>,
    /// Whether passwords are told at once.
    pub(crate) tells: bool,
    sent: BTreeMap<ConnectionId, Vec<u8>>,
    next: u64,
    /// How many octets came out.
    pub(crate) octets: usize,
    open_message: BTreeSet<ConnectionId>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    pub(crate) fn with(config: Config) -> Self {
        Self {
            relay: Relay::new(config, entropy(1)),
            now: epoch(),
            opens: Vec::new(),
            closed: BTreeSet::new(),
            paused: BTreeSet::new(),
            events: Vec::new(),
            effects: Vec::new(),
            tells: true,
            sent: BTreeMap::new(),
            next: 0,
            octets: 0,
            open_message: BTreeSet::new(),
        }
    }

    pub(crate) fn accept(&mut self) -> ConnectionId {
        self.accept_as(false, Peer::Unknown)
    }

    pub(crate) fn accept_as(&mut self, secure: bool, peer: Peer) -> ConnectionId {
        self.connected(None, secure, peer)
    }

    /// Opens the connection that was asked for last.
    pub(crate) fn open(&mut self) -> ConnectionId {
        let (open, _, _, secure) = self.opens.pop().unwrap();
        self.connected(Some(open), secure, Peer::Unknown)
    }

    fn connected(&mut self, open: Option<OpenId>, secure: bool, peer: Peer) -> ConnectionId {
        self.next += 1;
        let connection = ConnectionId(self.next);
        self.input(Input::Opened {
            connection,
            open,
            secure,
            peer,
        });
        connection
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.relay.handle_input(input, self.now);
        self.drain();
    }

    pub(crate) fn give(&mut self, connection: ConnectionId, octets: impl Into<Bytes>) {
        self.input(Input::Received {
            connection,
            data: octets.into(),
        });
    }

    pub(crate) fn drain(&mut self) {
        loop {
            while let Some(transmit) = self.relay.poll_transmit(self.now) {
                self.transmit(transmit);
            }
            let Some(effect) = self.relay.poll_effect() else {
                break;
            };
            if self.tells {
                self.tell(&effect);
            } else {
                self.effects.push(effect);
            }
        }
        while let Some(event) = self.relay.poll_event() {
            self.events.push(event);
        }
    }

    fn transmit(&mut self, transmit: Transmit) {
        match transmit {
            Transmit::Open {
                open,
                secure,
                host,
                port,
            } => self.opens.push((open, host, port, secure)),
            Transmit::Send {
                connection,
                data,
                ends,
            } => {
                assert!(!self.closed.contains(&connection), "nothing follows a close");
                assert!(data.has_remaining(), "something is sent");
                self.octets += data.remaining();
                if ends {
                    self.open_message.remove(&connection);
                } else {
                    self.open_message.insert(connection);
                }
                let sent = self.sent.entry(connection).or_default();
                let fresh = sent.is_empty();
                let data = data.to_bytes();
                assert!(!fresh || ends || data.starts_with(b"MSRP ") || !data.is_empty());
                sent.extend_from_slice(&data);
            }
            Transmit::Pause { connection } => assert!(self.paused.insert(connection)),
            Transmit::Resume { connection } => assert!(self.paused.remove(&connection)),
            Transmit::Close { connection } => assert!(self.closed.insert(connection)),
        }
    }

    /// Answers a question as a host does that knows alice, bob and, who may not use the relay, mallory.
    pub(crate) fn tell(&mut self, effect: &Effect) {
        let Effect::FindPassword {
            id,
            username,
            realm,
            algorithm,
        } = effect;
        let ha1 = Ha1::of_password(*algorithm, username, realm, PASSWORD);
        let password = match username.as_str() {
            "alice" | "bob" => Password::Known(ha1),
            "mallory" => Password::Forbidden(ha1),
            _ => Password::Unknown,
        };
        let answer = Answer::Password { id: *id, password };
        self.relay.handle_answer(answer, self.now);
    }

    /// Takes what was sent on a connection.
    pub(crate) fn sent(&mut self, connection: ConnectionId) -> Vec<u8> {
        self.sent.remove(&connection).unwrap_or_default()
    }

    /// Takes the messages that were sent on a connection, which have all ended.
    pub(crate) fn messages(&mut self, connection: ConnectionId) -> Vec<Message> {
        assert!(
            !self.open_message.contains(&connection),
            "a message has not ended"
        );
        messages(self.sent(connection))
    }

    /// Takes the only message that was sent on a connection.
    pub(crate) fn message(&mut self, connection: ConnectionId) -> Message {
        let mut messages = self.messages(connection);
        assert_eq!(messages.len(), 1, "{messages:?}");
        messages.remove(0)
    }

    /// Lets time pass; what is due on the way happens.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(due) = self.relay.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.relay.handle_timeout(due);
            self.drain();
            assert!(
                self.relay.poll_timeout().is_none_or(|next| next > due),
                "a host would spin"
            );
        }
        self.now = end;
    }

    pub(crate) fn seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    /// Asks for a challenge.
    pub(crate) fn challenge(&mut self, connection: ConnectionId, client: &str) -> Challenge {
        self.give(connection, auth(client, ""));
        let answer = self.message(connection);
        assert_eq!(answer.start(), "401");
        WwwAuthenticate::parse(answer.header("WWW-Authenticate"))
            .unwrap()
            .0
    }

    /// Authenticates a client, and gives the relay's answer.
    pub(crate) fn authenticate(
        &mut self,
        connection: ConnectionId,
        user: &str,
        client: &str,
        headers: &str,
    ) -> Message {
        let challenge = self.challenge(connection, client);
        let credentials = credentials(&challenge, user, PASSWORD, 1);
        self.give(
            connection,
            auth(client, &format!("Authorization: {credentials}\r\n{headers}")),
        );
        self.message(connection)
    }

    /// Authenticates a client, and gives its URI at the relay.
    pub(crate) fn enlist(&mut self, connection: ConnectionId, user: &str, client: &str) -> String {
        let answer = self.authenticate(connection, user, client, "");
        assert_eq!(answer.start(), "200");
        answer.header("Use-Path").to_owned()
    }

    pub(crate) fn alice(&mut self) -> (ConnectionId, String) {
        let connection = self.accept();
        let uri = self.enlist(connection, "alice", ALICE);
        (connection, uri)
    }

    pub(crate) fn bob(&mut self) -> (ConnectionId, String) {
        let connection = self.accept();
        let uri = self.enlist(connection, "bob", BOB);
        (connection, uri)
    }
}

pub(crate) fn messages(octets: Vec<u8>) -> Vec<Message> {
    let mut decoder = Decoder::new(Limits::default(), Leniency::STRICT);
    decoder.push(octets.into());
    let mut messages: Vec<Message> = Vec::new();
    let mut body = Vec::new();
    let mut head = None;
    while let Some(frame) = decoder.next().unwrap() {
        match frame {
            Frame::Head(new) => {
                assert_eq!(new.defect, None);
                head = Some(new);
            }
            Frame::Body(octets) => body.extend_from_slice(&octets),
            Frame::End(end) => messages.push(Message {
                head: head.take().unwrap(),
                body: std::mem::take(&mut body),
                end,
            }),
            _ => {}
        }
    }
    assert!(!decoder.is_inside(), "whole messages are sent");
    messages
}

pub(crate) fn credentials(challenge: &Challenge, user: &str, password: &str, count: u32) -> String {
    let ha1 = Ha1::of_password(challenge.algorithm, user, &challenge.realm, password);
    challenge
        .answer(user, &ha1, "AUTH", RELAY, "0a4f113b", count, b"")
        .to_string()
}

/// An AUTH of a client.
pub(crate) fn auth(client: &str, headers: &str) -> String {
    format!("MSRP 49fh AUTH\r\nTo-Path: {RELAY}\r\nFrom-Path: {client}\r\n{headers}-------49fh$\r\n")
}

/// A whole SEND.
pub(crate) fn send(to: &str, from: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "MSRP tid1 SEND\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: 12345\r\n{headers}\
         Byte-Range: 1-{length}/{length}\r\nContent-Type: text/plain\r\n\r\n{body}\r\n-------tid1$\r\n"
    )
}

/// Another request, without a body.
pub(crate) fn request(method: &str, to: &str, from: &str, headers: &str) -> String {
    format!("MSRP tid2 {method}\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n{headers}-------tid2$\r\n")
}
