//! The laws that hold for every machine, here for the client.

use std::time::Duration;

use bytes::Bytes;
use im_roles::client::{Content, Event, MessageRequest, Notifications};
use proptest::prelude::*;
use sip_im::digest::{Algorithm, Challenge};
use sip_im::header::{Contact, WwwAuthenticate};
use sip_im::{ContentType, Method, StatusCode};

use super::sessions::joined;
use super::world::{World, uri};

/// What can be seen of a run: what went out, and what was told.
fn seen(world: &World) -> (Vec<u8>, Vec<String>) {
    let told = world.events.iter().map(|event| match event {
        Event::MessageReceived(message) => format!("{message:?} {:?}", message.body),
        other => format!("{other:?}"),
    });
    (world.sent.clone(), told.collect())
}

/// A bit of everything.
fn day(cuts: Vec<usize>) -> (Vec<u8>, Vec<String>) {
    let mut world = World::new();
    world.cuts = cuts;
    world.client.register(world.now).unwrap();
    let (transaction, request) = world.request(&Method::Register);
    let challenge = Challenge::new("example.com", "n", Algorithm::Sha256);
    let asked = request
        .response(StatusCode::UNAUTHORIZED)
        .header_typed(&WwwAuthenticate::digest_of(challenge));
    world.answer(transaction, asked);
    let (transaction, request) = world.request(&Method::Register);
    let contact: Contact = request.headers().get().unwrap().unwrap();
    let response = request.response(StatusCode::OK).contact(&contact);
    world.answer(transaction, response);

    let mut message = MessageRequest::text(uri("sip:bob@example.com"), "hello");
    message.notifications = Notifications::delivery_and_display();
    world.client.message(message, world.now).unwrap();
    world.answer_next(&Method::Message, StatusCode::OK);
    for text in ["one", "two"] {
        let request = world
            .incoming(Method::Message, "sip:bob@example.com")
            .body(&ContentType::text_plain(), Bytes::from(text))
            .build()
            .unwrap();
        world.send(request);
    }
    let first = std::mem::take(&mut world.events);
    let (_, session) = joined(&mut world, false);
    world.events.splice(0..0, first);
    world
        .client
        .say(session.key, Content::text("good morning"), None, true, world.now)
        .unwrap();
    world.run();
    world.pass(Duration::from_secs(120));
    world.client.shut_down(world.now);
    world.run();
    while let Some((transaction, request)) = world.requests.pop_front() {
        let response = request.response(StatusCode::OK);
        world.answer(transaction, response);
    }
    assert!(world.client.is_drained());
    seen(&world)
}

#[test]
fn the_same_day_goes_the_same_way() {
    let (sent, told) = day(Vec::new());
    assert!(told.iter().any(|event| event.contains("one")));
    assert_eq!(day(Vec::new()), (sent, told));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn it_does_not_matter_how_the_network_cuts(cuts in prop::collection::vec(1_usize..200, 1..8)) {
        prop_assert_eq!(day(cuts), day(Vec::new()));
    }

    /// Whatever comes on whichever connection, the client goes on, asks for no past deadline, and is well afterwards.
    #[test]
    fn no_octets_do_harm(octets in prop::collection::vec(any::<u8>(), 0..400), sip in any::<bool>()) {
        let mut world = World::new();
        let (_, session) = joined(&mut world, false);
        let flow = if sip { world.link } else { world.media_flow() };
        world.client.handle_input(
            im_roles::flow::Input::Received { flow, data: Bytes::from(octets) },
            world.now,
        );
        world.pass(Duration::from_secs(200));
        let _ = world.client.say(session.key, Content::text("still there?"), None, false, world.now);
        world.run();
    }
}

#[test]
fn several_inputs_and_commands_without_polling_lose_nothing() {
    let mut world = World::new();
    world.register();
    for number in 0..10 {
        let request = world
            .incoming(Method::Message, "sip:bob@example.com")
            .body(&ContentType::text_plain(), Bytes::from(number.to_string()))
            .build()
            .unwrap();
        world.deliver_unheard(request);
        world
            .client
            .message(
                MessageRequest::text(uri(&format!("sip:u{number}@example.com")), "x"),
                world.now,
            )
            .unwrap();
    }
    world.run();
    let received = world
        .events
        .iter()
        .filter(|event| matches!(event, Event::MessageReceived(_)))
        .count();
    assert_eq!((received, world.requests.len()), (10, 10));
}

#[test]
fn a_timeout_before_its_time_changes_nothing() {
    let mut world = World::new();
    world.register();
    let due = world.client.poll_timeout().unwrap();
    for _ in 0..3 {
        world.client.handle_timeout(world.now);
        assert!(world.client.poll_transmit(world.now).is_none());
        assert!(world.client.poll_event().is_none());
        assert_eq!(world.client.poll_timeout(), Some(due));
    }
}

#[test]
fn late_and_repeated_inputs_are_harmless() {
    let mut world = World::new();
    world.register();
    let flow = im_roles::flow::FlowId(999);
    let open = im_roles::flow::OpenId(999);
    for _ in 0..2 {
        world
            .client
            .handle_input(im_roles::flow::Input::Closed { flow }, world.now);
        world
            .client
            .handle_input(im_roles::flow::Input::OpenFailed { open }, world.now);
        world.client.handle_input(
            im_roles::flow::Input::Received {
                flow,
                data: Bytes::from("x"),
            },
            world.now,
        );
        world
            .client
            .handle_input(im_roles::flow::Input::Blocked { flow }, world.now);
        world
            .client
            .handle_input(im_roles::flow::Input::Writable { flow }, world.now);
    }
    assert!(world.client.poll_transmit(world.now).is_none());
    assert!(world.client.poll_event().is_none());
    assert!(world.client.is_registered());
}
