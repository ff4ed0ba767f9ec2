//! One endpoint, and a peer that says anything.

use std::time::{Duration, Instant};

use bytes::Bytes;
use msrp::endpoint::{
    Endpoint, Input, OutgoingBody, OutgoingMessage, Role, SessionConfig, SessionKey, Transmit,
};
use msrp::header::{ByteRange, ContentType, FailureReport};
use msrp::{ConnectionId, MessageId, StatusCode, Uri};

use super::{Account, LONG, MOST, QUEUED, Script, body, config, entropy, kind, pass};

const OWN: &str = "msrp://own.example:2855/ours;tcp";
const PEER: &str = "msrp://peer.example:7654/theirs;tcp";
const CONNECTION: ConnectionId = ConnectionId(1);

struct Run {
    endpoint: Endpoint,
    session: Option<SessionKey>,
    now: Instant,
    account: Account,
    /// The transactions that the endpoint has asked.
    asked: Vec<String>,
    connected: bool,
}

pub(super) fn run(choice: u8, script: Script<'_>) {
    let now = Instant::now();
    let mut endpoint = Endpoint::new(config(), entropy(u64::from(choice)));
    let (delivery, acknowledge) = kind(choice);
    let session = Uri::parse(OWN).ok().and_then(|own| {
        let mut config = SessionConfig::new(own, Uri::parse(PEER).into_iter().collect(), Role::Passive);
        config.delivery = delivery;
        config.acknowledge = acknowledge;
        config.resumable = choice & 8 != 0;
        endpoint.open_session(config, now).ok()
    });
    let (open, secure) = (None, false);
    let opened = Input::Opened {
        connection: CONNECTION,
        open,
        secure,
    };
    endpoint.handle_input(opened, now);
    let mut run = Run {
        endpoint,
        session,
        now,
        account: Account::default(),
        asked: Vec::new(),
        connected: true,
    };
    run.play(script);
    run.finish();
}

impl Run {
    fn play(&mut self, mut script: Script<'_>) {
        for _ in 0..64 {
            let Some(what) = script.octet() else { break };
            self.step(what, &mut script);
            self.drain();
        }
    }

    fn step(&mut self, what: u8, script: &mut Script<'_>) {
        let id = format!("message{}", what >> 6);
        match what & 15 {
            0..=3 => {
                let (start, length) = (script.number(), script.number());
                let flag = one_of(["$", "+", "#", "$"], what >> 4);
                let more = [
                    "",
                    "Success-Report: yes\r\n",
                    "Failure-Report: no\r\n",
                    "Failure-Report: partial\r\n",
                ];
                let more = one_of(more, what);
                let head = format!(
                    "MSRP tid1 SEND\r\nTo-Path: {OWN}\r\nFrom-Path: {PEER}\r\nMessage-ID: {id}\r\n\
                     Byte-Range: {start}-*/*\r\n{more}Content-Type: text/plain\r\n\r\n"
                );
                let end = format!("\r\n-------tid1{flag}\r\n");
                self.hear(&[head.as_bytes(), &*body(true, length), end.as_bytes()].concat());
            }
            4 => {
                let count = script.number();
                let octets = script.octets(count);
                self.hear(&octets);
            }
            5 => self.hear(&request("SEND", "Message-ID: bind\r\n", "$")),
            6 => self.hear(&request("NICKNAME", "Use-Nickname: \"x\"\r\n", "$")),
            7 => {
                let message = self.account.sent.keys().next().map_or(id, ToString::to_string);
                let status = one_of(["200", "413", "481", "999"], what >> 4);
                let report =
                    format!("Message-ID: {message}\r\nByte-Range: 1-9/3\r\nStatus: 000 {status}\r\n");
                self.hear(&request("REPORT", &report, "$"));
            }
            8 if !self.asked.is_empty() => {
                let at = script.number() % self.asked.len();
                let id = self.asked.swap_remove(at);
                let status = one_of(["200 OK", "200 OK", "413", "481"], what >> 4);
                let octets =
                    format!("MSRP {id} {status}\r\nTo-Path: {OWN}\r\nFrom-Path: {PEER}\r\n-------{id}$\r\n");
                self.hear(octets.as_bytes());
            }
            9 => {
                self.now += Duration::from_secs(u64::from(what >> 4) * 4);
                pass(&mut self.endpoint, self.now);
            }
            10 => {
                let connection = CONNECTION;
                let input = if what & 16 == 0 {
                    Input::Blocked { connection }
                } else {
                    Input::Writable { connection }
                };
                self.endpoint.handle_input(input, self.now);
            }
            11 => self.send(what, script.number()),
            _ => self.command(what, script),
        }
    }

    fn send(&mut self, what: u8, octets: usize) {
        let Some(session) = self.session else { return };
        let body = if what & 16 == 0 {
            OutgoingBody::Whole(body(what & 128 != 0, octets))
        } else {
            OutgoingBody::Streamed { total: None }
        };
        let mut message = OutgoingMessage::new(ContentType::text_plain(), body);
        message.success_report = what & 32 != 0;
        if what & 64 != 0 {
            message.failure_report = FailureReport::Partial;
        }
        if let Ok(id) = self.endpoint.send(session, message, self.now) {
            self.account.sent.insert(id, false);
        }
    }

    fn command(&mut self, what: u8, script: &mut Script<'_>) {
        let Some(session) = self.session else { return };
        let latest: Option<MessageId> = self.account.sent.keys().last().cloned();
        match (what >> 4, latest) {
            (0, Some(id)) => {
                let data = body(true, script.number());
                let _ = self.endpoint.append(session, &id, data, self.now);
            }
            (1, Some(id)) => self.endpoint.finish(session, &id, self.now),
            (2, Some(id)) => {
                self.endpoint.abort(session, &id, self.now);
                // One that is given up is not said to have ended, unless it had before.
                self.account.sent.remove(&id);
            }
            (3..=5, _) if !self.account.owed.is_empty() => {
                let transaction = self.account.owed.remove(0);
                let status = if what & 64 == 0 {
                    StatusCode::OK
                } else {
                    StatusCode::FORBIDDEN
                };
                let _ = self.endpoint.respond(session, &transaction, status, self.now);
            }
            (6, _) => {
                if let Ok(id) = MessageId::new("message0") {
                    let range = ByteRange::whole(3);
                    let _ = self
                        .endpoint
                        .report(session, &id, range, StatusCode::REQUEST_TIMEOUT, self.now);
                }
            }
            (7, _) => self.endpoint.close_session(session, self.now),
            (8, _) => {
                let _ = self.endpoint.nickname(session, "x", self.now);
            }
            (9, _) => {
                self.connected = false;
                self.endpoint.handle_input(
                    Input::Closed {
                        connection: CONNECTION,
                    },
                    self.now,
                );
            }
            _ => {}
        }
    }

    fn hear(&mut self, octets: &[u8]) {
        if self.connected {
            let data = Bytes::copy_from_slice(octets);
            let connection = CONNECTION;
            self.endpoint
                .handle_input(Input::Received { connection, data }, self.now);
        }
    }

    fn drain(&mut self) {
        // Events first, so that what is told of a message comes before what is sent of it later.
        for _ in 0..2 {
            while let Some(event) = self.endpoint.poll_event() {
                self.account.take(event);
            }
            let mut transmits = 0;
            while let Some(transmit) = self.endpoint.poll_transmit(self.now) {
                transmits += 1;
                assert!(transmits < 10_000, "there is no end of what is sent");
                match transmit {
                    Transmit::Send { data, .. } => {
                        let data = data.to_bytes();
                        let head =
                            String::from_utf8_lossy(data.get(..data.len().min(60)).unwrap_or_default());
                        let mut words = head.split([' ', '\r']);
                        if let (Some("MSRP"), Some(id), Some("SEND" | "NICKNAME")) =
                            (words.next(), words.next(), words.next())
                        {
                            self.asked.push(id.to_owned());
                        }
                    }
                    Transmit::Close { .. } => self.connected = false,
                    Transmit::Open { .. } => panic!("nobody connects"),
                }
            }
        }
        if let Some(session) = self.session {
            assert!(
                self.endpoint.queued(session) <= QUEUED + MOST as u64,
                "more waits than may"
            );
        }
    }

    fn finish(&mut self) {
        if self.connected {
            self.endpoint.handle_input(
                Input::Closed {
                    connection: CONNECTION,
                },
                self.now,
            );
        }
        if let Some(session) = self.session {
            self.endpoint.close_session(session, self.now);
        }
        self.drain();
        self.now += LONG;
        pass(&mut self.endpoint, self.now);
        self.drain();
        self.account.is_settled();
        assert!(self.endpoint.is_drained(), "{:?}", self.endpoint);
        assert_eq!(self.endpoint.poll_timeout(), None);
    }
}

fn request(method: &str, rest: &str, flag: &str) -> Vec<u8> {
    format!("MSRP tid1 {method}\r\nTo-Path: {OWN}\r\nFrom-Path: {PEER}\r\n{rest}-------tid1{flag}\r\n")
        .into_bytes()
}

fn one_of(choices: [&'static str; 4], number: u8) -> &'static str {
    choices.get(usize::from(number & 3)).copied().unwrap_or_default()
}
