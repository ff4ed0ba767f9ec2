//! What holds for every machine, whatever happens to it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use msrp::codec::{Decoder, Frame, Leniency, Limits};
use msrp::endpoint::{Acknowledge, Config, Delivery, Endpoint, Event, Input, Role, SessionConfig, Transmit};
use msrp::{ConnectionId, MessageId, StatusCode, Uri};
use proptest::prelude::*;

use crate::pair::{Pair, entropy, epoch, stream, text};

#[derive(Clone, Debug)]
enum Step {
    Send { end: usize, octets: usize, report: bool },
    Stream { end: usize, total: Option<u64> },
    Append { end: usize, octets: usize },
    Finish { end: usize },
    Abort { end: usize },
    Block { end: usize, blocked: bool },
    Pull { end: usize },
    Settle,
    Pass { seconds: u64 },
    Respond { accept: bool },
    Lose,
    Close { end: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let end = 0..2_usize;
    prop_oneof![
        4 => (end.clone(), 0..40_000_usize, any::<bool>()).prop_map(|(end, octets, report)| Step::Send { end, octets, report }),
        2 => (end.clone(), prop::option::of(0..9000_u64)).prop_map(|(end, total)| Step::Stream { end, total }),
        3 => (end.clone(), 0..5000_usize).prop_map(|(end, octets)| Step::Append { end, octets }),
        2 => end.clone().prop_map(|end| Step::Finish { end }),
        1 => end.clone().prop_map(|end| Step::Abort { end }),
        1 => (end.clone(), any::<bool>()).prop_map(|(end, blocked)| Step::Block { end, blocked }),
        3 => end.clone().prop_map(|end| Step::Pull { end }),
        3 => Just(Step::Settle),
        1 => (0..40_u64).prop_map(|seconds| Step::Pass { seconds }),
        2 => prop::bool::weighted(0.8).prop_map(|accept| Step::Respond { accept }),
        1 => prop::bool::weighted(0.3).prop_map(|lose| if lose { Step::Lose } else { Step::Settle }),
        1 => end.prop_map(|end| Step::Close { end }),
    ]
}

fn delivery() -> impl Strategy<Value = (Delivery, Acknowledge)> {
    let delivery = prop_oneof![Just(Delivery::Whole { max: 30_000 }), Just(Delivery::Streaming)];
    (
        delivery,
        prop_oneof![2 => Just(Acknowledge::Automatic), 1 => Just(Acknowledge::Manual)],
    )
}

struct Run {
    pair: Pair,
    /// Everything that has come out, in order.
    trace: String,
    /// What each end was given to send and accepted.
    accepted: [Vec<MessageId>; 2],
    aborted: Vec<MessageId>,
    seen: [Vec<Event>; 2],
}

impl Run {
    fn of(steps: &[Step], (delivery, acknowledge): (Delivery, Acknowledge), pieces: &[usize]) -> Self {
        let mut pair = Pair::new();
        pair.pieces = pieces.to_vec();
        let keys = pair.session(delivery, acknowledge);
        let mut run = Self {
            pair,
            trace: String::new(),
            accepted: [vec![], vec![]],
            aborted: vec![],
            seen: [vec![], vec![]],
        };
        let mut streaming: [Option<MessageId>; 2] = [None, None];
        for step in steps {
            let now = run.pair.now;
            match step.clone() {
                Step::Send { end, octets, report } => {
                    let mut message = text(vec![b'x'; octets]);
                    message.success_report = report;
                    run.accepted[end].extend(run.pair.ends[end].endpoint.send(keys[end], message, now));
                }
                Step::Stream { end, total } => {
                    if let Ok(id) = run.pair.ends[end].endpoint.send(keys[end], stream(total), now) {
                        run.accepted[end].push(id.clone());
                        streaming[end] = Some(id);
                    }
                }
                Step::Append { end, octets } => {
                    if let Some(id) = &streaming[end] {
                        let data = Bytes::from(vec![b'y'; octets]);
                        let _ = run.pair.ends[end].endpoint.append(keys[end], id, data, now);
                    }
                }
                Step::Finish { end } => {
                    if let Some(id) = &streaming[end] {
                        run.pair.ends[end].endpoint.finish(keys[end], id, now);
                    }
                }
                Step::Abort { end } => {
                    if let Some(id) = streaming[end].take() {
                        run.pair.ends[end].endpoint.abort(keys[end], &id, now);
                        run.aborted.push(id);
                    }
                }
                Step::Block { end, blocked } => {
                    let connection = ConnectionId(1);
                    let input = if blocked {
                        Input::Blocked { connection }
                    } else {
                        Input::Writable { connection }
                    };
                    run.pair.input(end, input);
                }
                Step::Pull { end } => {
                    run.pair.pull(end);
                }
                Step::Settle => run.pair.settle(),
                Step::Pass { seconds } => run.pair.pass(Duration::from_secs(seconds)),
                Step::Respond { accept } => run.respond(
                    if accept {
                        StatusCode::OK
                    } else {
                        StatusCode::FORBIDDEN
                    },
                    1,
                ),
                Step::Lose => {
                    for end in 0..2 {
                        run.pair.input(
                            end,
                            Input::Closed {
                                connection: ConnectionId(1),
                            },
                        );
                    }
                }
                Step::Close { end } => run.pair.ends[end].endpoint.close_session(keys[end], now),
            }
            run.note();
        }
        for end in 0..2 {
            run.pair.input(
                end,
                Input::Writable {
                    connection: ConnectionId(1),
                },
            );
            if let Some(id) = streaming[end].take() {
                run.pair.ends[end].endpoint.finish(keys[end], &id, run.pair.now);
            }
        }
        for _ in 0..50 {
            run.pair.settle();
            run.note();
            run.respond(StatusCode::OK, usize::MAX);
        }
        for (end, key) in keys.into_iter().enumerate() {
            run.pair.ends[end].endpoint.close_session(key, run.pair.now);
        }
        run.pair.pass(Duration::from_secs(200));
        run.note();
        run
    }

    /// Answers chunks that wait for it.
    fn respond(&mut self, status: StatusCode, most: usize) {
        for end in 0..2 {
            let owed: Vec<_> = self.seen[end]
                .iter()
                .filter_map(|event| match event {
                    Event::ChunkReceived {
                        session, transaction, ..
                    } => Some((*session, *transaction)),
                    _ => None,
                })
                .collect();
            let endpoint = &mut self.pair.ends[end].endpoint;
            let now = self.pair.now;
            let answered = owed.into_iter().filter(|(session, transaction)| {
                endpoint.respond(*session, transaction, status, now).is_ok()
            });
            answered.take(most).for_each(drop);
        }
    }

    fn note(&mut self) {
        for end in 0..2 {
            let events = self.pair.events(end);
            let sent = self.pair.sent(end);
            let _ = writeln!(
                self.trace,
                "{end} {:?} {events:?} {sent}",
                self.pair.ends[end].endpoint.poll_timeout().is_some()
            );
            self.seen[end].extend(events);
        }
    }
}

fn count(events: &[Event], id: &MessageId, which: impl Fn(&Event) -> bool) -> usize {
    events
        .iter()
        .filter(|event| event.message() == Some(id) && which(event))
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn each_message_is_delivered_once_or_said_to_have_failed(
        steps in prop::collection::vec(step(), 0..40),
        delivery in delivery(),
        pieces in prop::collection::vec(1..3000_usize, 0..4),
    ) {
        let run = Run::of(&steps, delivery, &pieces);
        for end in 0..2 {
            for id in &run.accepted[end] {
                let sent = count(&run.seen[end], id, |event| matches!(event, Event::MessageSent { .. }));
                let failed = count(&run.seen[end], id, |event| matches!(event, Event::MessageFailed { .. }));
                let arrived = |event: &Event| {
                    matches!(event, Event::MessageReceived { .. } | Event::MessageCompleted { .. })
                };
                let arrived = count(&run.seen[1 - end], id, arrived);
                let aborted = usize::from(run.aborted.contains(id));
                prop_assert!(sent + failed + aborted >= 1 && sent + failed <= 1, "{id}: {sent} {failed} {aborted}");
                prop_assert!(arrived <= 1 && arrived >= sent, "{id}: sent {sent}, arrived {arrived}");
                let started = count(&run.seen[1 - end], id, |event| matches!(event, Event::MessageStarted { .. }));
                let ended = count(&run.seen[1 - end], id, |event| matches!(event, Event::MessageAborted { .. }));
                prop_assert!(started <= 1 && (started == 0 || arrived + ended == 1), "{id}: {started} {arrived} {ended}");
            }
            let endpoint = &run.pair.ends[end].endpoint;
            prop_assert!(endpoint.is_drained(), "{endpoint:?}");
            prop_assert_eq!(endpoint.poll_timeout(), None);
        }
    }

    #[test]
    fn the_same_happens_each_time(
        steps in prop::collection::vec(step(), 0..20),
        delivery in delivery(),
        pieces in prop::collection::vec(1..3000_usize, 0..4),
    ) {
        prop_assert!(Run::of(&steps, delivery, &pieces).trace == Run::of(&steps, delivery, &pieces).trace);
    }

    #[test]
    fn inputs_without_polls_in_between_lose_nothing(
        sizes in prop::collection::vec((0..2_usize, 0..30_000_usize), 1..20),
    ) {
        let arrived = |settle: bool| {
            let mut pair = Pair::new();
            let keys = pair.session(Delivery::Whole { max: 1 << 20 }, Acknowledge::Automatic);
            for (end, octets) in &sizes {
                pair.ends[*end].endpoint.send(keys[*end], text(vec![b'x'; *octets]), pair.now).unwrap();
                if settle {
                    pair.settle();
                }
            }
            pair.settle();
            let lengths = |events: Vec<Event>| {
                let mut lengths: Vec<_> = crate::pair::messages(&events).iter().map(Bytes::len).collect();
                lengths.sort_unstable();
                lengths
            };
            [lengths(pair.events(0)), lengths(pair.events(1))]
        };
        prop_assert_eq!(arrived(true), arrived(false));
    }

    #[test]
    fn nothing_happens_before_it_is_due(steps in prop::collection::vec(step(), 0..20), delivery in delivery()) {
        let mut run = Run::of(&steps, delivery, &[]);
        let keys = run.pair.bound(delivery.0, delivery.1);
        run.pair.silent = true;
        run.pair.ends[0].endpoint.send(keys[0], text("hello"), run.pair.now).unwrap();
        run.pair.settle();
        run.pair.ends[0].sent.clear();
        let due = run.pair.ends[0].endpoint.poll_timeout().unwrap();
        let early = due.checked_sub(Duration::from_nanos(1)).unwrap();
        run.pair.ends[0].endpoint.handle_timeout(early);
        run.pair.drain(0);
        prop_assert_eq!(run.pair.ends[0].endpoint.poll_timeout(), Some(due));
        prop_assert_eq!((run.pair.sent(0).len(), run.pair.events(0).len()), (0, 0));
        run.pair.ends[0].endpoint.handle_timeout(due);
        run.pair.drain(0);
        prop_assert!(run.pair.ends[0].endpoint.poll_timeout().is_none_or(|next| next > due));
        prop_assert_eq!(run.pair.events(0).len(), 1);
    }

    #[test]
    fn cuts_do_not_matter(
        requests in prop::collection::vec(request(), 1..12),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
        delivery in delivery(),
    ) {
        let octets = requests.concat().into_bytes();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut % (octets.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(heard(&octets, &cuts, delivery), heard(&octets, &[], delivery));
    }
}

const OWN: &str = "msrp://own.example:2855/ours;tcp";
const PEER: &str = "msrp://peer.example:1/theirs;tcp";

/// Requests and responses of a peer, some of them wrong.
fn request() -> impl Strategy<Value = String> {
    let method = prop_oneof![8 => Just("SEND"), 1 => Just("REPORT"), 1 => Just("NICKNAME"), 1 => Just("200 OK"), 1 => Just("X")];
    let own = prop_oneof![9 => Just(OWN), 1 => Just("msrp://own.example:2855/other;tcp")];
    let id = prop_oneof![Just("aaaa"), Just("bbbb"), Just("cccc")];
    let headers = prop_oneof![
        3 => Just(""),
        1 => Just("Success-Report: yes\r\n"),
        1 => Just("Failure-Report: no\r\n"),
        1 => Just("Use-Nickname: \"x\"\r\n"),
        1 => Just("Status: 000 200 OK\r\n"),
        1 => Just("nonsense\r\n"),
    ];
    let range = (1..30_u64, prop::option::of(0..40_u64)).prop_map(|(start, total)| {
        let total = total.map_or_else(|| "*".to_owned(), |total| total.to_string());
        format!("Byte-Range: {start}-*/{total}\r\n")
    });
    let body = prop_oneof![1 => Just(None), 4 => "[a-z\r\n-]{0,20}".prop_map(Some)];
    let flag = prop_oneof![2 => Just('$'), 2 => Just('+'), 1 => Just('#')];
    (method, own, id, headers, range, body, flag).prop_map(|(method, own, id, headers, range, body, flag)| {
        let body = body.map(|body| format!("Content-Type: text/plain\r\n\r\n{body}\r\n")).unwrap_or_default();
        format!(
            "MSRP tid1 {method}\r\nTo-Path: {own}\r\nFrom-Path: {PEER}\r\nMessage-ID: {id}\r\n{headers}{range}{body}\
             -------tid1{flag}\r\n"
        )
    })
}

/// What an endpoint makes of octets that arrive in pieces: its events, pieces of bodies joined, and its answers.
fn heard(
    octets: &[u8],
    cuts: &[usize],
    (delivery, acknowledge): (Delivery, Acknowledge),
) -> (Vec<String>, Vec<String>) {
    let now = epoch();
    let mut endpoint = Endpoint::new(Config::default(), entropy(4));
    let mut config = SessionConfig::new(
        Uri::parse(OWN).unwrap(),
        vec![Uri::parse(PEER).unwrap()],
        Role::Passive,
    );
    config.delivery = delivery;
    config.acknowledge = acknowledge;
    endpoint.open_session(config, now).unwrap();
    let connection = ConnectionId(1);
    endpoint.handle_input(
        Input::Opened {
            connection,
            open: None,
            secure: false,
        },
        now,
    );
    let mut events: Vec<String> = Vec::new();
    let mut bodies: BTreeMap<MessageId, (u64, Vec<u8>)> = BTreeMap::new();
    let mut answers = Decoder::new(Limits::default(), Leniency::STRICT);
    let mut start = 0;
    for end in cuts.iter().copied().chain([octets.len()]) {
        let data = Bytes::copy_from_slice(&octets[start..end]);
        start = end;
        endpoint.handle_input(Input::Received { connection, data }, now);
        while let Some(event) = endpoint.poll_event() {
            match event {
                Event::BodyReceived {
                    message,
                    offset,
                    data,
                    ..
                } => {
                    let body = bodies.entry(message).or_insert((offset, Vec::new()));
                    body.1.extend_from_slice(&data);
                }
                event => {
                    events.extend(
                        bodies
                            .iter()
                            .map(|(id, (offset, body))| format!("{id} {offset} {body:?}")),
                    );
                    bodies.clear();
                    events.push(format!("{event:?}"));
                }
            }
        }
        while let Some(transmit) = endpoint.poll_transmit(now) {
            if let Transmit::Send { data, .. } = transmit {
                answers.push(data.to_bytes());
            }
        }
    }
    let mut answered = Vec::new();
    while let Some(frame) = answers.next().unwrap() {
        // The identifiers of reports are random.
        if let Frame::Head(head) = frame {
            answered.push(format!(
                "{:?} {:?}",
                head.start,
                head.headers.iter().collect::<Vec<_>>()
            ));
        }
    }
    (events, answered)
}
