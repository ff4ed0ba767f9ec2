//! Forwarding through a relay, responses and answers of the next hop included, against a copy of the octets.

use std::time::Instant;

use benches::Comparison;
use bytes::{Buf, Bytes, BytesMut};
use msrp::ConnectionId;
use msrp::relay::{Address, Config, Event, Input, Peer, Relay, Transmit};

const ALICE: &str = "msrp://alice.example.com:7654/jshA7weztas;tcp";
const BOB: &str = "msrp://bob.example.com:12763/kjhd37s2s20w2a;tcp";

fn main() {
    for (name, body, wants) in [
        ("small SENDs that are answered", 64, "yes"),
        ("small SENDs that are not", 64, "no"),
        ("2 KiB chunks", 2048, "no"),
        ("64 KiB chunks", 65536, "no"),
    ] {
        let mut hops = Hops::new();
        let count = (1 << 20) / (body + 400) + 1;
        let stream = stream(&hops.uri, count, body, wants);
        let comparison = format!("msrp_relay/{name}");
        let comparison = Comparison::new(&comparison, stream.len(), count);
        comparison.run(|| hops.forward(&stream), "memcpy", || stream.to_vec());
    }
}

/// A relay with a client on one connection and its peer on another.
struct Hops {
    relay: Relay,
    uri: String,
    now: Instant,
}

impl Hops {
    #[expect(clippy::expect_used, reason = "without a URI there is nothing to measure")]
    fn new() -> Self {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let entropy = Box::new(move |octets: &mut [u8]| {
            for octet in octets {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *octet = u8::try_from(state & 0xff).unwrap_or(0);
            }
        });
        let mut config = Config::new(Address::new(false, "relay.example.com", 2855));
        config.plain_auth = true;
        config.chunk_size = std::num::NonZeroUsize::MIN.saturating_add(65535);
        config.interrupt_size = config.chunk_size;
        config.limits.unanswered_per_connection = 100_000;
        let mut relay = Relay::new(config, entropy);
        let now = Instant::now();
        for (number, peer) in [(1, Peer::User("alice".to_owned())), (2, Peer::Unknown)] {
            let opened = Input::Opened {
                connection: ConnectionId(number),
                open: None,
                secure: false,
                peer,
            };
            relay.handle_input(opened, now);
        }
        let auth = format!(
            "MSRP auth AUTH\r\nTo-Path: msrp://relay.example.com;tcp\r\nFrom-Path: {ALICE}\r\n-------auth$\r\n"
        );
        let received = Input::Received {
            connection: ConnectionId(1),
            data: auth.into(),
        };
        relay.handle_input(received, now);
        let uri = std::iter::from_fn(|| relay.poll_event())
            .find_map(|event| match event {
                Event::UriGiven { uri, .. } => Some(uri.to_string()),
                _ => None,
            })
            .expect("a URI is given");
        Self { relay, uri, now }
    }

    /// Forwards what the peer sends to the client, who answers each chunk that is to be answered.
    fn forward(&mut self, stream: &Bytes) -> usize {
        let mut octets = 0;
        let mut rest = stream.clone();
        let mut answers = BytesMut::new();
        while !rest.is_empty() {
            let data = rest.split_to(rest.len().min(65536));
            self.give(2, data);
            while let Some(transmit) = self.relay.poll_transmit(self.now) {
                if let Transmit::Send {
                    connection, mut data, ..
                } = transmit
                {
                    octets += data.remaining();
                    if connection == ConnectionId(1) {
                        self.answer(data.chunk(), &mut answers);
                    }
                    data.advance(data.remaining());
                }
            }
            if !answers.is_empty() {
                self.give(1, answers.split().freeze());
            }
        }
        octets
    }

    /// Writes the answer to a chunk that wants one, if one begins here.
    fn answer(&self, head: &[u8], out: &mut BytesMut) {
        let Some(id) = head
            .strip_prefix(b"MSRP ")
            .and_then(|rest| rest.get(..rest.iter().position(|octet| *octet == b' ')?))
        else {
            return;
        };
        if head.windows(19).any(|window| window == b"Failure-Report: no\r") {
            return;
        }
        for part in [
            b"MSRP ".as_slice(),
            id,
            b" 200 OK\r\nTo-Path: ",
            self.uri.as_bytes(),
            b"\r\nFrom-Path: ",
            ALICE.as_bytes(),
            b"\r\n-------",
            id,
            b"$\r\n",
        ] {
            out.extend_from_slice(part);
        }
    }

    fn give(&mut self, connection: u64, data: Bytes) {
        let connection = ConnectionId(connection);
        self.relay
            .handle_input(Input::Received { connection, data }, self.now);
    }
}

fn stream(uri: &str, count: usize, body: usize, wants: &str) -> Bytes {
    let mut stream = BytesMut::new();
    for number in 0..count {
        let head = format!(
            "MSRP {number:016x} SEND\r\nTo-Path: {uri} {ALICE}\r\nFrom-Path: {BOB}\r\nMessage-ID: 8765{number:08}\r\n\
             Failure-Report: {wants}\r\nByte-Range: 1-{body}/{body}\r\nContent-Type: text/plain\r\n\r\n"
        );
        stream.extend_from_slice(head.as_bytes());
        stream.resize(stream.len() + body, b'x');
        stream.extend_from_slice(format!("\r\n-------{number:016x}$\r\n").as_bytes());
    }
    stream.freeze()
}
