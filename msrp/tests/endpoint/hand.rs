//! A peer that is written by hand, and does what no endpoint of ours would do.

use std::time::Instant;

use bytes::Bytes;
use msrp::endpoint::{
    Acknowledge, Config, Delivery, Endpoint, Event, Input, OutgoingMessage, Role, SessionConfig, SessionKey,
    Transmit,
};
use msrp::{ConnectionId, MessageId, Uri};

use crate::pair::{entropy, epoch};

pub(crate) const PEER: &str = "msrp://peer.example:7654/theirs;tcp";
pub(crate) const OWN: &str = "msrp://own.example:2855/ours;tcp";

pub(crate) struct Peer {
    pub(crate) endpoint: Endpoint,
    pub(crate) now: Instant,
    pub(crate) session: SessionKey,
    pub(crate) events: Vec<Event>,
    pub(crate) closed: bool,
}

impl Peer {
    pub(crate) fn with(config: Config, delivery: Delivery, acknowledge: Acknowledge) -> Self {
        let mut session = SessionConfig::new(uri(OWN), vec![uri(PEER)], Role::Passive);
        session.delivery = delivery;
        session.acknowledge = acknowledge;
        Self::of(config, session)
    }

    pub(crate) fn of(config: Config, session: SessionConfig) -> Self {
        let now = epoch();
        let mut endpoint = Endpoint::new(config, entropy(3));
        let session = endpoint.open_session(session, now).unwrap();
        endpoint.handle_input(
            Input::Opened {
                connection: ConnectionId(1),
                open: None,
                secure: false,
            },
            now,
        );
        Self {
            endpoint,
            now,
            session,
            events: Vec::new(),
            closed: false,
        }
    }

    pub(crate) fn new() -> Self {
        Self::with(
            Config::default(),
            Delivery::Whole { max: 1 << 20 },
            Acknowledge::Automatic,
        )
    }

    /// Sends octets on a connection; returns what comes back on it.
    pub(crate) fn says_on(&mut self, connection: u64, octets: &str) -> String {
        let connection = ConnectionId(connection);
        let data = Bytes::copy_from_slice(octets.as_bytes());
        self.endpoint
            .handle_input(Input::Received { connection, data }, self.now);
        self.answers()
    }

    pub(crate) fn says(&mut self, octets: &str) -> String {
        self.says_on(1, octets)
    }

    pub(crate) fn answers(&mut self) -> String {
        let mut answers = Vec::new();
        while let Some(transmit) = self.endpoint.poll_transmit(self.now) {
            match transmit {
                Transmit::Send { data, .. } => answers.extend_from_slice(&data.to_bytes()),
                Transmit::Close { .. } => self.closed = true,
                Transmit::Open { .. } => panic!(),
            }
        }
        while let Some(event) = self.endpoint.poll_event() {
            self.events.push(event);
        }
        String::from_utf8(answers).unwrap()
    }

    /// Takes one transmit, which is octets.
    pub(crate) fn pull(&mut self) -> String {
        let Some(Transmit::Send { data, .. }) = self.endpoint.poll_transmit(self.now) else {
            panic!("nothing is sent")
        };
        String::from_utf8(data.to_bytes().to_vec()).unwrap()
    }

    /// Sends a message, and takes its first piece.
    pub(crate) fn begins(&mut self, message: OutgoingMessage) -> (MessageId, String) {
        let id = self.endpoint.send(self.session, message, self.now).unwrap();
        (id, self.pull())
    }

    pub(crate) fn takes_events(&mut self) -> Vec<Event> {
        while let Some(event) = self.endpoint.poll_event() {
            self.events.push(event);
        }
        std::mem::take(&mut self.events)
    }

    pub(crate) fn binds(&mut self) {
        let answer = self.says(&send("bind", "Message-ID: bind1\r\n", None, '$'));
        assert!(answer.starts_with("MSRP bind 200 OK\r\n"));
        self.events.clear();
    }
}

pub(crate) fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

pub(crate) fn request(method: &str, id: &str, headers: &str, body: Option<&str>, flag: char) -> String {
    let body = body
        .map(|body| format!("Content-Type: text/plain\r\n\r\n{body}\r\n"))
        .unwrap_or_default();
    format!(
        "MSRP {id} {method}\r\nTo-Path: {OWN}\r\nFrom-Path: {PEER}\r\n{headers}{body}-------{id}{flag}\r\n"
    )
}

pub(crate) fn send(id: &str, headers: &str, body: Option<&str>, flag: char) -> String {
    request("SEND", id, headers, body, flag)
}

pub(crate) fn chunk(id: &str, range: &str, body: &str, flag: char) -> String {
    send(
        id,
        &format!("Message-ID: 12345678\r\nByte-Range: {range}\r\n"),
        Some(body),
        flag,
    )
}

/// What the peer answers to a request of ours.
pub(crate) fn response(request: &str, status: &str) -> String {
    let id = transaction(request);
    format!("MSRP {id} {status}\r\nTo-Path: {OWN}\r\nFrom-Path: {PEER}\r\n-------{id}$\r\n")
}

pub(crate) fn transaction(request: &str) -> &str {
    request.split(' ').nth(1).unwrap()
}
