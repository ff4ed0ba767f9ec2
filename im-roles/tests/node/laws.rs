//! The laws of every machine, on the node.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use im_roles::effect::{Answer, Effect, StoreError};
use im_roles::flow::{Input, Protocol, Transmit};
use proptest::prelude::*;
use sip_im::{FlowId, Message, Request, Transport};

use crate::world::World;

const USERS: [&str; 3] = ["alice", "bob", "carol"];

/// Something that happens to a node.
#[derive(Clone, Debug)]
enum Step {
    Register(usize),
    Message(usize, usize),
    Invite(usize, usize),
    Publish(usize, bool),
    Watch(usize, usize, bool),
    /// The newest unanswered request on a flow gets this answer.
    Reply(usize, u16),
    Pass(u64),
    /// The oldest unanswered effect is answered: 0 well, 1 badly, 2 twice.
    Answer(u8),
    /// The oldest unanswered effect is never answered.
    Lose,
    Garbage(usize, Vec<u8>),
    Close(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let user = 0..USERS.len();
    let step = prop_oneof![
        3 => user.clone().prop_map(Step::Register),
        4 => (user.clone(), user.clone()).prop_map(|(a, b)| Step::Message(a, b)),
        2 => (user.clone(), user.clone()).prop_map(|(a, b)| Step::Invite(a, b)),
        2 => (user.clone(), any::<bool>()).prop_map(|(a, well)| Step::Publish(a, well)),
        2 => (user.clone(), user.clone(), any::<bool>()).prop_map(|(a, b, winfo)| Step::Watch(a, b, winfo)),
        4 => (user.clone(), prop::sample::select(vec![100, 180, 200, 302, 404, 408, 480, 486, 487, 503, 603]))
            .prop_map(|(a, code)| Step::Reply(a, code)),
        2 => (0_u64..40_000).prop_map(Step::Pass),
        4 => (0_u8..3).prop_map(Step::Answer),
        1 => Just(Step::Lose),
        1 => (user.clone(), prop::collection::vec(any::<u8>(), 0..60)).prop_map(|(a, octets)| Step::Garbage(a, octets)),
        1 => user.prop_map(Step::Close),
    ];
    prop::collection::vec(step, 0..25)
}

/// What a run has shown.
#[derive(Debug, PartialEq)]
struct Trace {
    sent: Vec<(u64, Vec<Bytes>)>,
    events: Vec<String>,
    effects: Vec<String>,
}

fn run(steps: &[Step]) -> Trace {
    let mut world = World::new();
    world.answering = false;
    let mut open = [true; USERS.len()];
    let mut requests: Vec<Vec<Request>> = vec![Vec::new(); USERS.len()];
    let mut effects = Vec::new();
    for flow in 1..=3 {
        world.open(flow, false);
    }
    for step in steps {
        match step {
            Step::Register(user) => {
                let name = USERS[*user];
                let contact = format!("Contact: <sip:{name}@127.0.0.1:{}>\r\n", 6001 + user);
                let uri = format!("sip:{name}@example.com");
                let text = world.text(flow(*user), "REGISTER", &uri, &uri, &contact, "");
                let text = text.replacen(&format!("REGISTER {uri}"), "REGISTER sip:example.com", 1);
                attempt(&mut world, &mut requests, *user, &text);
            }
            Step::Message(from, to) => {
                let text = world.message(flow(*from), USERS[*from], USERS[*to], "hi");
                attempt(&mut world, &mut requests, *from, &text);
            }
            Step::Invite(from, to) => {
                let (from_uri, to_uri) = (
                    format!("sip:{}@example.com", USERS[*from]),
                    format!("sip:{}@example.com", USERS[*to]),
                );
                let contact = format!("Contact: <sip:{}@127.0.0.1:{}>\r\n", USERS[*from], 6001 + from);
                let text = world.text(flow(*from), "INVITE", &to_uri, &from_uri, &contact, "");
                attempt(&mut world, &mut requests, *from, &text);
            }
            Step::Publish(user, well) => {
                let text = publish(&mut world, *user, *well);
                attempt(&mut world, &mut requests, *user, &text);
            }
            Step::Watch(from, to, winfo) => {
                let text = watch(&mut world, *from, *to, *winfo);
                attempt(&mut world, &mut requests, *from, &text);
            }
            Step::Reply(user, code) => {
                collect(&mut world, &mut requests);
                if let Some(request) = requests[*user].pop()
                    && request.method().as_str() != "ACK"
                {
                    world.reply(flow(*user), &request, *code, &[]);
                }
            }
            Step::Pass(time) => world.pass(Duration::from_millis(*time)),
            Step::Answer(how) => {
                if let Some(effect) = world.effects.pop_front() {
                    effects.push(format!("{effect:?}"));
                    let answer = answer(&effect, *how == 1);
                    world.answer(answer.clone());
                    if *how == 2 {
                        world.answer(answer);
                    }
                }
            }
            Step::Lose => {
                if let Some(effect) = world.effects.pop_front() {
                    effects.push(format!("{effect:?}"));
                }
            }
            Step::Garbage(user, octets) => world.send_octets(flow(*user), octets.clone().into()),
            Step::Close(user) => {
                if std::mem::take(&mut open[*user]) {
                    world.input(Input::Closed {
                        flow: FlowId(flow(*user)),
                    });
                }
            }
        }
        // A call before the deadline changes nothing.
        if world.node.poll_timeout().is_none_or(|at| at > world.now) {
            let before = world.node.poll_timeout();
            world.node.handle_timeout(world.now);
            assert_eq!(world.node.poll_timeout(), before);
            assert!(world.node.poll_transmit(world.now).is_none());
            assert!(world.node.poll_event().is_none());
            assert!(world.node.poll_effect().is_none());
        }
    }
    let trace = Trace {
        sent: world.sent.clone().into_iter().collect(),
        events: world.events.iter().map(|event| format!("{event:?}")).collect(),
        effects,
    };
    wind_up(&mut world, open);
    trace
}

/// Whatever happened, in the end nothing is left of it.
fn wind_up(world: &mut World, open: [bool; 3]) {
    while let Some(effect) = world.effects.pop_front() {
        world.answer(answer(&effect, true));
    }
    for (user, open) in open.into_iter().enumerate() {
        if open {
            world.input(Input::Closed {
                flow: FlowId(flow(user)),
            });
        }
    }
    for _ in 0..10 {
        for open in std::mem::take(&mut world.opens) {
            if let Transmit::Open { open, .. } = open {
                world.input(Input::OpenFailed { open });
            }
        }
        world.pass(Duration::from_secs(100));
        while let Some(effect) = world.effects.pop_front() {
            world.answer(answer(&effect, true));
        }
    }
    world.events.clear();
    assert!(
        world.node.is_quiet(),
        "left over: {:?} {:?}",
        world.node.load(),
        world.opens
    );
}

fn publish(world: &mut World, user: usize, well: bool) -> String {
    let uri = format!("sip:{}@example.com", USERS[user]);
    let extra = "Event: presence\r\nContent-Type: application/pidf+xml\r\nExpires: 60\r\n";
    let body = if well {
        "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:x@example.com\"/>"
    } else {
        "<presence"
    };
    world.text(flow(user), "PUBLISH", &uri, &uri, extra, body)
}

fn watch(world: &mut World, from: usize, to: usize, winfo: bool) -> String {
    let (from_uri, to_uri) = (
        format!("sip:{}@example.com", USERS[from]),
        format!("sip:{}@example.com", USERS[to]),
    );
    let package = if winfo { "presence.winfo" } else { "presence" };
    let extra = format!(
        "Event: {package}\r\nContact: <sip:{}@127.0.0.1:{}>\r\nExpires: 60\r\n",
        USERS[from],
        6001 + from
    );
    world.text(flow(from), "SUBSCRIBE", &to_uri, &from_uri, &extra, "")
}

fn flow(user: usize) -> u64 {
    u64::try_from(user).unwrap() + 1
}

fn answer(effect: &Effect, fail: bool) -> Answer {
    let id = effect.id();
    let error = StoreError::Unavailable;
    match effect {
        Effect::FetchDocument { .. } => Answer::Document {
            id,
            result: if fail { Err(error) } else { Ok(None) },
        },
        Effect::FindGroups { .. } => Answer::Groups {
            id,
            result: if fail { Err(error) } else { Ok(Vec::new()) },
        },
        Effect::ListDocuments { .. } => Answer::Documents {
            id,
            result: if fail { Err(error) } else { Ok(Vec::new()) },
        },
        Effect::ListMessages { .. } => Answer::Messages {
            id,
            result: if fail { Err(error) } else { Ok(Vec::new()) },
        },
        Effect::StoreDocument { .. }
        | Effect::DeleteDocument { .. }
        | Effect::StoreMessage { .. }
        | Effect::DeleteMessage { .. } => Answer::Written {
            id,
            result: if fail { Err(error) } else { Ok(()) },
        },
    }
}

/// Sends a request, and once more with credentials when it is challenged.
fn attempt(world: &mut World, requests: &mut [Vec<Request>], user: usize, text: &str) {
    collect(world, requests);
    world.send(flow(user), text);
    while let Some(message) = world.get(flow(user)) {
        match message {
            Message::Response(response) if matches!(response.status().code(), 401 | 407) => {
                let text = crate::world::authorized(text, USERS[user], &response);
                world.send(flow(user), &text);
                return;
            }
            Message::Request(request) => requests[user].push(request),
            Message::Response(_) => {}
        }
    }
}

fn collect(world: &mut World, requests: &mut [Vec<Request>]) {
    for (user, list) in requests.iter_mut().enumerate() {
        while let Some(message) = world.get(flow(user)) {
            if let Message::Request(request) = message {
                list.push(request);
            }
        }
    }
}

proptest! {
    #[test]
    fn the_same_inputs_give_the_same_outputs_and_nothing_is_left_over(steps in steps()) {
        prop_assert_eq!(run(&steps), run(&steps));
    }

    #[test]
    fn a_stream_may_be_cut_anywhere(cuts in prop::collection::vec(1_usize..200, 0..60)) {
        prop_assert_eq!(stream(&cuts), stream(&[]));
    }

    #[test]
    fn inputs_may_come_without_polling_in_between(order in prop::collection::vec(0_usize..3, 1..12)) {
        prop_assert_eq!(burst(&order, false), burst(&order, true));
    }
}

/// Several requests on one connection, in pieces of the given lengths.
fn stream(cuts: &[usize]) -> Vec<u8> {
    let mut world = World::new();
    world.input(Input::Opened {
        flow: FlowId(1),
        protocol: Protocol::Sip,
        transport: Transport::Tcp,
        local: SocketAddr::from(([127, 0, 0, 1], 5060)),
        remote: SocketAddr::from(([127, 0, 0, 1], 6001)),
        open: None,
        trusted: false,
    });
    let mut octets = Vec::new();
    for method in ["MESSAGE", "OPTIONS", "INVITE"] {
        let text = world.text(
            1,
            method,
            "sip:bob@example.com",
            "sip:alice@example.com",
            "Subject: x\r\n",
            "body",
        );
        octets.extend_from_slice(text.replace("SIP/2.0/UDP", "SIP/2.0/TCP").as_bytes());
        octets.extend_from_slice(b"\r\n");
    }
    let mut rest = octets.as_slice();
    for cut in cuts {
        let (piece, more) = rest.split_at((*cut).min(rest.len()));
        if !piece.is_empty() {
            world.send_octets(1, Bytes::copy_from_slice(piece));
        }
        rest = more;
    }
    if !rest.is_empty() {
        world.send_octets(1, Bytes::copy_from_slice(rest));
    }
    world.sent.remove(&1).unwrap_or_default().concat()
}

/// Requests from several flows, with and without polling after each.
fn burst(order: &[usize], polled: bool) -> Vec<(u64, Vec<Bytes>)> {
    let mut world = World::new();
    for flow in 1..=3 {
        world.open(flow, false);
    }
    for user in order {
        let text = world.message(flow(*user), USERS[*user], "bob", "hi");
        let input = Input::Received {
            flow: FlowId(flow(*user)),
            data: text.into(),
        };
        world.node.handle_input(input, world.now);
        if polled {
            world.drain();
        }
    }
    world.drain();
    world.sent.into_iter().collect()
}
