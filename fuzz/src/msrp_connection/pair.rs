//! Two endpoints, and a network that delays, cuts and breaks.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use msrp::ConnectionId;
use msrp::endpoint::{
    Endpoint, Event, Input, OutgoingBody, OutgoingMessage, Role, SessionConfig, SessionKey, Transmit,
};
use msrp::header::{ContentType, FailureReport};

use super::{Account, LONG, Script, body, config, entropy, kind, pass};

const CONNECTION: ConnectionId = ConnectionId(1);

struct End {
    endpoint: Endpoint,
    session: Option<SessionKey>,
    account: Account,
    /// What is on its way to it.
    incoming: VecDeque<Input>,
}

struct Run {
    ends: [End; 2],
    now: Instant,
    broken: bool,
}

pub(super) fn run(choice: u8, script: Script<'_>) {
    let now = Instant::now();
    let [mut a, mut b] = [1, 2].map(|seed| Endpoint::new(config(), entropy(seed)));
    let (delivery, acknowledge) = kind(choice);
    let (own, peer) = (
        a.mint_uri(false, "a.example", 2855),
        b.mint_uri(false, "b.example", 2855),
    );
    let mut passive = SessionConfig::new(peer.clone(), vec![own.clone()], Role::Passive);
    passive.delivery = delivery;
    passive.acknowledge = acknowledge;
    let passive = b.open_session(passive, now).ok();
    let active = a
        .open_session(SessionConfig::new(own, vec![peer], Role::Active), now)
        .ok();
    let end = |endpoint, session| End {
        endpoint,
        session,
        account: Account::default(),
        incoming: VecDeque::new(),
    };
    let mut run = Run {
        ends: [end(a, active), end(b, passive)],
        now,
        broken: false,
    };
    run.play(script);
    run.finish();
}

impl Run {
    fn play(&mut self, mut script: Script<'_>) {
        for _ in 0..48 {
            let Some(what) = script.octet() else { break };
            let (from, number) = (usize::from(what & 1), script.number());
            match what >> 1 & 15 {
                0..=3 => self.send(from, what, number),
                4 | 5 => self.deliver(from, number),
                6 => {
                    self.pull(from);
                }
                7 => self.settle(),
                8 => self.pass(number.min(100)),
                9 => self.block(from, what & 32 == 0),
                10 => self.respond(from),
                11 => self.append(from, number),
                12 => self.abort(from, what & 32 == 0),
                13 if number > 100 => self.lose(),
                14 => self.close(from),
                _ => {}
            }
            for end in 0..2 {
                self.events(end);
            }
        }
    }

    fn send(&mut self, from: usize, what: u8, octets: usize) {
        let now = self.now;
        let Some(end) = self.ends.get_mut(from) else {
            return;
        };
        let Some(session) = end.session else { return };
        let body = if what & 64 == 0 {
            OutgoingBody::Whole(body(octets % 2 == 1, octets))
        } else {
            OutgoingBody::Streamed { total: None }
        };
        let mut message = OutgoingMessage::new(ContentType::text_plain(), body);
        message.success_report = what & 32 != 0;
        if what & 128 != 0 {
            message.failure_report = FailureReport::No;
        }
        if let Ok(id) = end.endpoint.send(session, message, now) {
            end.account.sent.insert(id, false);
        }
    }

    fn append(&mut self, from: usize, octets: usize) {
        let now = self.now;
        let Some(end) = self.ends.get_mut(from) else {
            return;
        };
        if let (Some(session), Some(id)) = (end.session, end.account.sent.keys().last()) {
            let _ = end.endpoint.append(session, id, body(true, octets), now);
        }
    }

    fn abort(&mut self, from: usize, abort: bool) {
        let now = self.now;
        let Some(end) = self.ends.get_mut(from) else {
            return;
        };
        if let (Some(session), Some(id)) = (end.session, end.account.sent.keys().last().cloned()) {
            if abort {
                end.endpoint.abort(session, &id, now);
                end.account.sent.remove(&id);
            } else {
                end.endpoint.finish(session, &id, now);
            }
        }
    }

    fn respond(&mut self, from: usize) {
        let now = self.now;
        let Some(end) = self.ends.get_mut(from) else {
            return;
        };
        if let Some(session) = end.session
            && !end.account.owed.is_empty()
        {
            let transaction = end.account.owed.remove(0);
            let _ = end
                .endpoint
                .respond(session, &transaction, msrp::StatusCode::OK, now);
        }
    }

    fn block(&mut self, end: usize, blocked: bool) {
        let connection = CONNECTION;
        let input = if blocked {
            Input::Blocked { connection }
        } else {
            Input::Writable { connection }
        };
        let now = self.now;
        if let Some(end) = self.ends.get_mut(end) {
            end.endpoint.handle_input(input, now);
        }
    }

    fn close(&mut self, from: usize) {
        let now = self.now;
        if let Some(end) = self.ends.get_mut(from)
            && let Some(session) = end.session
        {
            end.endpoint.close_session(session, now);
        }
    }

    fn lose(&mut self) {
        self.broken = true;
        for end in &mut self.ends {
            // A host answers each request to connect, if only by saying that it failed.
            for input in std::mem::take(&mut end.incoming) {
                if let Input::Opened { open: Some(open), .. } | Input::OpenFailed { open } = input {
                    end.endpoint.handle_input(Input::OpenFailed { open }, self.now);
                }
            }
            end.endpoint.handle_input(
                Input::Closed {
                    connection: CONNECTION,
                },
                self.now,
            );
        }
    }

    fn pass(&mut self, seconds: usize) {
        self.now += Duration::from_secs(seconds as u64);
        for end in &mut self.ends {
            pass(&mut end.endpoint, self.now);
        }
    }

    /// Takes one transmit, and puts it on its way.
    fn pull(&mut self, from: usize) -> bool {
        let [a, b] = &mut self.ends;
        let (own, other) = if from == 0 { (a, b) } else { (b, a) };
        let Some(transmit) = own.endpoint.poll_transmit(self.now) else {
            return false;
        };
        let (connection, secure) = (CONNECTION, false);
        match transmit {
            Transmit::Open { open, .. } => {
                let opened = |open| Input::Opened {
                    connection,
                    open,
                    secure,
                };
                if self.broken {
                    own.incoming.push_back(Input::OpenFailed { open });
                } else {
                    own.incoming.push_back(opened(Some(open)));
                    other.incoming.push_back(opened(None));
                }
            }
            Transmit::Send { data, .. } if !self.broken => {
                let data = data.to_bytes();
                other.incoming.push_back(Input::Received { connection, data });
            }
            Transmit::Close { .. } => other.incoming.push_back(Input::Closed { connection }),
            Transmit::Send { .. } => {}
        }
        true
    }

    /// Delivers what has been on its way longest, in two pieces if it is octets.
    fn deliver(&mut self, to: usize, cut: usize) {
        let now = self.now;
        let Some(end) = self.ends.get_mut(to) else { return };
        match end.incoming.pop_front() {
            Some(Input::Received { connection, mut data }) => {
                let rest = data.split_off(cut % (data.len() + 1));
                for data in [data, rest] {
                    end.endpoint
                        .handle_input(Input::Received { connection, data }, now);
                }
            }
            Some(input) => end.endpoint.handle_input(input, now),
            None => {}
        }
    }

    fn settle(&mut self) {
        for _ in 0..5_000 {
            let mut moved = false;
            for end in 0..2 {
                moved |= self.pull(end);
                moved |= self.ends.get(end).is_some_and(|end| !end.incoming.is_empty());
                self.deliver(end, usize::MAX);
                self.events(end);
            }
            if !moved {
                return;
            }
        }
        panic!("there is no end of what is said");
    }

    fn events(&mut self, end: usize) {
        let Some(end) = self.ends.get_mut(end) else { return };
        while let Some(event) = end.endpoint.poll_event() {
            if let Event::ConnectionClosed { reason, .. } = &event {
                let harmless = matches!(
                    reason,
                    msrp::endpoint::CloseReason::NotReading | msrp::endpoint::CloseReason::Unbound
                );
                assert!(harmless, "an endpoint does not understand another: {reason:?}");
            }
            end.account.take(event);
        }
    }

    fn finish(&mut self) {
        for end in 0..2 {
            self.block(end, false);
            self.close(end);
        }
        self.settle();
        for _ in 0..4 {
            self.now += LONG;
            for end in &mut self.ends {
                pass(&mut end.endpoint, self.now);
            }
            self.settle();
        }
        for end in &self.ends {
            end.account.is_settled();
            assert!(end.endpoint.is_drained(), "{:?}", end.endpoint);
            assert_eq!(end.endpoint.poll_timeout(), None);
        }
    }
}
