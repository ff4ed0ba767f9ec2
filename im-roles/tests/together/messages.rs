//! Registration, messages and their notifications, from end to end.

use std::time::Duration;

use im_roles::client::{Event, MessageRequest, Notifications, ReceivedMessage};

use crate::world::{World, uri};

fn messages(events: Vec<Event>) -> Vec<ReceivedMessage> {
    events
        .into_iter()
        .filter_map(|event| match event {
            Event::MessageReceived(message) => Some(message),
            _ => None,
        })
        .collect()
}

fn sent(events: &[Event]) -> Vec<u16> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Sent { status, .. } => Some(*status),
            _ => None,
        })
        .collect()
}

//= R-5.3.1-03
//= type=test
#[test]
fn a_client_registers_with_digest_and_unregisters() {
    let mut world = World::new();
    world.register(0);
    assert_eq!(world.node.load().registered_users, 1);
    let now = world.now;
    world.client(0).unregister(now).unwrap();
    world.run();
    assert_eq!(world.node.load().registered_users, 0);
}

//= R-5.3.1-07
//= type=test
#[test]
fn a_message_arrives_and_its_delivery_is_notified() {
    let mut world = World::new();
    world.register(0);
    world.register(1);
    let mut request = MessageRequest::text(uri("sip:bob@example.com"), "Hello, Bob");
    request.notifications = Notifications::delivery_and_display();
    let now = world.now;
    world.client(0).message(request, now).unwrap();
    world.run();
    let got = messages(world.heard(1));
    let [message] = got.as_slice() else {
        panic!("{} messages", got.len())
    };
    assert_eq!(message.text(), Some("Hello, Bob"));
    assert_eq!(message.from.as_ref().unwrap().uri, "sip:alice@example.com");
    let heard = world.heard(0);
    assert_eq!(sent(&heard), [200]);
    let delivered = heard
        .iter()
        .any(|event| matches!(event, Event::Notification { status, .. } if status == "delivered"));
    assert!(delivered, "{heard:?}");
}

#[test]
fn a_hidden_sender_is_named_in_no_octet() {
    let mut world = World::new();
    world.register(0);
    world.register(1);
    let mut request = MessageRequest::text(uri("sip:bob@example.com"), "guess who");
    request.privacy = true;
    let now = world.now;
    world.client(0).message(request, now).unwrap();
    world.run();
    assert_eq!(messages(world.heard(1)).len(), 1);
    let octets = world.received.get(1).unwrap();
    assert!(
        !octets
            .windows(5)
            .any(|window| window.eq_ignore_ascii_case(b"alice"))
    );
}

//= R-5.3.2-12
//= type=test
#[test]
fn messages_for_someone_away_survive_the_server_and_arrive_once_in_order() {
    let mut world = World::new();
    world.register(0);
    for text in ["one", "two", "three"] {
        let now = world.now;
        world
            .client(0)
            .message(MessageRequest::text(uri("sip:dave@example.com"), text), now)
            .unwrap();
        world.run();
    }
    assert_eq!(sent(&world.heard(0)), [202, 202, 202]);
    world.kill_and_restart();
    world.pass(Duration::from_secs(60));
    world.register(3);
    let texts: Vec<_> = messages(world.heard(3))
        .iter()
        .map(|message| message.text().unwrap().to_owned())
        .collect();
    assert_eq!(texts, ["one", "two", "three"]);
    assert!(world.mailbox.is_empty());
    world.pass(Duration::from_secs(3600));
    assert!(messages(world.heard(3)).is_empty(), "nothing comes twice");
}

#[test]
fn a_client_that_lost_its_connection_gets_its_messages_when_it_is_back() {
    let mut world = World::new();
    world.register(0);
    world.register(1);
    let now = world.now;
    world.client(1).drop_connection(now);
    world
        .client(0)
        .message(
            MessageRequest::text(uri("sip:bob@example.com"), "are you there?"),
            now,
        )
        .unwrap();
    world.run();
    world.pass(Duration::from_secs(120));
    let texts = messages(world.heard(1));
    assert_eq!(texts.len(), 1);
    assert!(world.mailbox.is_empty());
}
