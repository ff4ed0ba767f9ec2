//! The laws that every machine obeys, and those of a relay.

use std::fmt::Write as _;

use bytes::Bytes;
use msrp::ConnectionId;
use msrp::relay::Input;
use proptest::prelude::*;

use super::world::{ALICE, BOB, World, messages, request, send};

#[derive(Clone, Debug)]
enum Step {
    Send {
        from: usize,
        path: usize,
        octets: usize,
        wants: usize,
        flag: char,
    },
    Begin {
        from: usize,
        path: usize,
        octets: usize,
    },
    More {
        from: usize,
        octets: usize,
    },
    Finish {
        from: usize,
    },
    Request {
        from: usize,
        path: usize,
        method: usize,
    },
    Answer {
        at: usize,
        status: u16,
    },
    Open {
        works: bool,
    },
    Block {
        at: usize,
        blocked: bool,
    },
    Pass {
        seconds: u64,
    },
    Lose {
        at: usize,
    },
    Garbage {
        from: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..4_usize;
    let path = 0..9_usize;
    let octets = prop_oneof![Just(0), 1..20_usize, 20..20_000_usize];
    let flag = prop_oneof![3 => Just('$'), 1 => Just('+'), 1 => Just('#')];
    prop_oneof![
        6 => (who.clone(), path.clone(), octets.clone(), 0..3_usize, flag)
            .prop_map(|(from, path, octets, wants, flag)| Step::Send { from, path, octets, wants, flag }),
        2 => (who.clone(), path.clone(), octets.clone()).prop_map(|(from, path, octets)| Step::Begin { from, path, octets }),
        3 => (who.clone(), octets).prop_map(|(from, octets)| Step::More { from, octets }),
        2 => who.clone().prop_map(|from| Step::Finish { from }),
        2 => (who.clone(), path, 0..4_usize).prop_map(|(from, path, method)| Step::Request { from, path, method }),
        4 => (who.clone(), prop_oneof![4 => Just(200_u16), 1 => Just(413)]).prop_map(|(at, status)| Step::Answer { at, status }),
        2 => any::<bool>().prop_map(|works| Step::Open { works }),
        2 => (who.clone(), any::<bool>()).prop_map(|(at, blocked)| Step::Block { at, blocked }),
        1 => (0..90_u64).prop_map(|seconds| Step::Pass { seconds }),
        1 => who.clone().prop_map(|at| Step::Lose { at }),
        1 => who.prop_map(|from| Step::Garbage { from }),
    ]
}

const CAROL: &str = "msrp://carol.example:7002/carol;tcp";

struct Run {
    world: World,
    trace: String,
    /// Alice, Bob, a peer and a stranger.
    connections: [ConnectionId; 4],
    urls: [String; 2],
    inside: [bool; 4],
    /// What has arrived, and was not looked at.
    received: [Vec<u8>; 4],
    all: [Vec<u8>; 4],
    gone: [bool; 4],
}

impl Run {
    fn of(steps: &[Step], cut: Option<usize>) -> Self {
        let mut world = World::new();
        let ((alice, a), (bob, b)) = (world.alice(), world.bob());
        let connections = [alice, bob, world.accept(), world.accept()];
        let mut run = Self {
            world,
            trace: String::new(),
            connections,
            urls: [a, b],
            inside: [false; 4],
            received: [const { Vec::new() }; 4],
            all: [const { Vec::new() }; 4],
            gone: [false; 4],
        };
        for step in steps {
            run.step(step, cut);
            run.note();
        }
        run
    }

    fn path(&self, path: usize) -> String {
        let [a, b] = &self.urls;
        match path {
            0 | 1 => format!("{a} {ALICE}"),
            2 => format!("{b} {BOB}"),
            3 => format!("{a} {b} {BOB}"),
            4 => format!("{b} {a} {ALICE}"),
            5 => format!("{a} {CAROL}"),
            6 => format!("{b} {CAROL}"),
            7 => format!("msrp://relay.example:2855/none;tcp {BOB}"),
            _ => a.clone(),
        }
    }

    fn own(from: usize) -> &'static str {
        match from {
            0 => ALICE,
            1 => BOB,
            2 => CAROL,
            _ => "msrp://stranger.example:1/s;tcp",
        }
    }

    fn give(&mut self, from: usize, octets: &str, cut: Option<usize>) {
        let connection = self.connections[from];
        match cut {
            None => self.world.give(connection, octets.to_owned()),
            Some(length) => {
                for piece in octets.as_bytes().chunks(length) {
                    let data = Bytes::copy_from_slice(piece);
                    let now = self.world.now;
                    self.world
                        .relay
                        .handle_input(Input::Received { connection, data }, now);
                }
                self.world.drain();
            }
        }
    }

    fn step(&mut self, step: &Step, cut: Option<usize>) {
        match *step {
            Step::Send {
                from,
                path,
                octets,
                wants,
                flag,
            } => {
                if std::mem::take(&mut self.inside[from]) {
                    self.give(from, "\r\n-------tid1+\r\n", cut);
                }
                let wants = ["", "Failure-Report: no\r\n", "Failure-Report: partial\r\n"][wants];
                let text = send(&self.path(path), Self::own(from), wants, &"x".repeat(octets));
                self.give(from, &text.replace("tid1$", &format!("tid1{flag}")), cut);
            }
            Step::Begin { from, path, octets } => {
                if std::mem::replace(&mut self.inside[from], true) {
                    self.give(from, "\r\n-------tid1+\r\n", cut);
                }
                let text = send(&self.path(path), Self::own(from), "", &"y".repeat(octets));
                self.give(from, text.strip_suffix("\r\n-------tid1$\r\n").unwrap(), cut);
            }
            Step::More { from, octets } => {
                if self.inside[from] {
                    self.give(from, &"z".repeat(octets), cut);
                }
            }
            Step::Finish { from } => {
                if std::mem::take(&mut self.inside[from]) {
                    self.give(from, "\r\n-------tid1$\r\n", cut);
                }
            }
            Step::Request { from, path, method } => {
                if !self.inside[from] {
                    let method = ["REPORT", "AUTH", "NICKNAME", "PING"][method];
                    let headers = "Message-ID: 12345\r\nStatus: 000 200 OK\r\n";
                    self.give(
                        from,
                        &request(method, &self.path(path), Self::own(from), headers),
                        cut,
                    );
                }
            }
            Step::Answer { at, status } => {
                if !self.inside[at] {
                    let end = end_of_whole(&self.received[at]);
                    let octets: Vec<u8> = self.received[at].drain(..end).collect();
                    for message in messages(octets) {
                        if !message.start().starts_with(|first: char| first.is_ascii_digit()) {
                            self.give(at, &message.answer(status), cut);
                        }
                    }
                }
            }
            Step::Open { works } => {
                while let Some((open, _, _, secure)) = self.world.opens.first().cloned() {
                    if works {
                        self.world.opens.truncate(1);
                        assert!(!secure);
                        self.world.open();
                    } else {
                        self.world.opens.remove(0);
                        self.world.input(Input::OpenFailed { open });
                    }
                }
            }
            Step::Block { at, blocked } => {
                let connection = self.connections[at];
                self.world.input(if blocked {
                    Input::Blocked { connection }
                } else {
                    Input::Writable { connection }
                });
            }
            Step::Pass { seconds } => self.world.seconds(seconds),
            Step::Lose { at } => {
                self.gone[at] = true;
                self.world.input(Input::Closed {
                    connection: self.connections[at],
                });
            }
            Step::Garbage { from } => self.give(from, "nothing that means anything\r\n\r\n", cut),
        }
    }

    fn note(&mut self) {
        for (at, connection) in self.connections.into_iter().enumerate() {
            let sent = self.world.sent(connection);
            let _ = writeln!(self.trace, "{at} {}", String::from_utf8_lossy(&sent));
            self.received[at].extend_from_slice(&sent);
            self.all[at].extend_from_slice(&sent);
        }
        let events = std::mem::take(&mut self.world.events);
        let _ = writeln!(self.trace, "{events:?} {:?}", self.world.paused);
    }
}

/// The messages that have ended.
fn whole(octets: &[u8]) -> Vec<super::world::Message> {
    messages(octets[..end_of_whole(octets)].to_vec())
}

/// Where the last message that has ended ends.
fn end_of_whole(octets: &[u8]) -> usize {
    let text = String::from_utf8_lossy(octets);
    let is_end = |at: usize| {
        let line = text
            .get(..at)
            .and_then(|text| text.rsplit("\r\n").next())
            .unwrap_or_default();
        line.starts_with("-------") && line.ends_with(['$', '+', '#'])
    };
    text.rmatch_indices("\r\n")
        .find(|(at, _)| is_end(*at))
        .map_or(0, |(at, _)| at + 2)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_same_happens_each_time(steps in prop::collection::vec(step(), 0..40)) {
        prop_assert!(Run::of(&steps, None).trace == Run::of(&steps, None).trace);
    }

    #[test]
    fn cuts_do_not_matter(steps in prop::collection::vec(step(), 0..30), length in 1..400_usize) {
        let (whole, cut) = (Run::of(&steps, None), Run::of(&steps, Some(length)));
        // Pieces that wait cost something each, so that pauses may differ.
        let strip = |trace: &str| trace.replace("{ConnectionId(3)}", "{}").replace("{ConnectionId(4)}", "{}");
        prop_assert_eq!(strip(&whole.trace), strip(&cut.trace));
    }

    #[test]
    fn everything_ends_and_nothing_is_left(steps in prop::collection::vec(step(), 0..60)) {
        let mut run = Run::of(&steps, None);
        prop_assert!(run.world.relay.waiting() < 8 << 20);
        for connection in run.connections {
            run.world.input(Input::Writable { connection });
        }
        run.note();
        for (at, connection) in run.connections.into_iter().enumerate() {
            if !run.gone[at] && !run.world.closed.contains(&connection) {
                run.world.input(Input::Closed { connection });
            }
        }
        run.world.seconds(100_000);
        prop_assert_eq!((run.world.relay.waiting(), run.world.relay.unanswered(), run.world.relay.uris()), (0, 0, 0));
        while let Some((open, ..)) = run.world.opens.pop() {
            run.world.input(Input::OpenFailed { open });
        }
        prop_assert!(run.world.relay.is_drained(), "{:?}", run.world.relay);
        prop_assert_eq!(run.world.relay.poll_timeout(), None);
    }

    #[test]
    fn nothing_happens_before_it_is_due(steps in prop::collection::vec(step(), 0..30)) {
        let mut run = Run::of(&steps, None);
        run.note();
        if let Some(due) = run.world.relay.poll_timeout() {
            let early = due.checked_sub(std::time::Duration::from_nanos(1)).unwrap();
            run.world.relay.handle_timeout(early);
            run.world.drain();
            run.trace.clear();
            run.note();
            prop_assert_eq!(run.world.relay.poll_timeout(), Some(due));
            prop_assert!(run.trace.lines().all(|line| line.len() < 40), "{}", run.trace);
        }
    }

    #[test]
    fn a_stranger_reaches_clients_by_their_uris_only(steps in prop::collection::vec(step(), 0..60)) {
        let run = Run::of(&steps, None);
        // What came from the peer and the stranger has gone to the clients, or nowhere.
        for at in [2, 3] {
            for message in whole(&run.all[at]) {
                let from = message.header("From-Path").split(' ').next_back().unwrap_or_default().to_owned();
                let last = message.header("To-Path").split(' ').next_back().unwrap_or_default().to_owned();
                prop_assert_eq!(last, Run::own(at), "{:?}", message.head);
                prop_assert!(from != Run::own(5 - at), "{:?}", message.head);
            }
        }
    }

    #[test]
    fn inputs_without_polls_in_between_lose_nothing(
        sizes in prop::collection::vec((0..2_usize, 0..5_000_usize), 1..20),
    ) {
        let arrived = |settle: bool| {
            let mut run = Run::of(&[], None);
            for (from, octets) in &sizes {
                let text = send(&run.path(3 + from), Run::own(*from), "", &"x".repeat(*octets));
                let connection = run.connections[*from];
                let now = run.world.now;
                run.world.relay.handle_input(Input::Received { connection, data: text.into() }, now);
                if settle {
                    run.world.drain();
                }
            }
            run.world.drain();
            [0, 1].map(|at| {
                let all = run.world.messages(run.connections[at]);
                let sends = all.iter().filter(|message| message.start() == "SEND");
                sends.map(|message| message.body.len()).sum::<usize>()
            })
        };
        prop_assert_eq!(arrived(true), arrived(false));
    }
}
