//! Messages for users who are away.

use std::time::Duration;

use im_roles::effect::{Answer, DeferredMessage, Effect, EffectId, StoreError};
use im_roles::node::Event;
use sip_im::header::HeaderName;

use crate::world::{EPOCH, World};

/// Alice is there, dave is not.
fn dave_is_away() -> World {
    let mut world = World::new();
    world.open(1, false);
    world.register(1, "alice");
    world
}

fn stored(world: &mut World) -> (EffectId, DeferredMessage) {
    match world.take_effect() {
        Effect::StoreMessage { id, message, .. } => (id, message),
        other => panic!("no message to store but {other:?}"),
    }
}

fn written(id: EffectId, result: Result<(), StoreError>) -> Answer {
    Answer::Written { id, result }
}

//= R-5.3.2.1.2-03
//= type=test
#[test]
fn the_sender_is_told_202_only_once_the_message_is_durable() {
    let mut world = dave_is_away();
    let text = world.message(1, "alice", "dave", "later");
    world.begin(1, "alice", &text);
    let (id, message) = stored(&mut world);
    assert_eq!(message.user.to_string(), "sip:dave@example.com");
    world.pass(Duration::from_secs(5));
    while let Some(sip_im::Message::Response(response)) = world.get(1) {
        assert!(
            response.status().is_provisional(),
            "answered {} before it was durable",
            response.status()
        );
    }
    world.answer(written(id, Ok(())));
    assert_eq!(world.get_response(1).status().code(), 202);
    world.answer(written(id, Ok(())));
    assert!(world.get(1).is_none());
    assert!(
        world
            .events
            .iter()
            .any(|event| matches!(event, Event::Deferred(im_roles::deferred::Event::Deferred { .. })))
    );
    world.assert_quiet();
}

#[test]
fn a_message_that_is_not_stored_is_not_acknowledged() {
    for (error, code) in [(StoreError::QuotaExceeded, 480), (StoreError::Unavailable, 500)] {
        let mut world = dave_is_away();
        let text = world.message(1, "alice", "dave", "later");
        world.begin(1, "alice", &text);
        let (id, _) = stored(&mut world);
        world.answer(written(id, Err(error)));
        assert_eq!(world.get_response(1).status().code(), code);
        world.assert_quiet();
    }
}

#[test]
fn a_store_that_is_silent_costs_504() {
    let mut world = dave_is_away();
    let text = world.message(1, "alice", "dave", "later");
    world.begin(1, "alice", &text);
    let (id, _) = stored(&mut world);
    world.pass(Duration::from_secs(10));
    let codes: Vec<_> = std::iter::from_fn(|| world.get(1))
        .map(|message| match message {
            sip_im::Message::Response(response) => response.status().code(),
            sip_im::Message::Request(_) => 0,
        })
        .filter(|code| *code >= 200)
        .collect();
    assert_eq!(codes, [504]);
    world.answer(written(id, Ok(())));
    assert!(world.get(1).is_none());
    world.assert_quiet();
}

#[test]
fn writes_to_one_mailbox_come_one_after_the_other_in_order() {
    let mut world = dave_is_away();
    for body in ["one", "two", "three"] {
        let text = world.message(1, "alice", "dave", body);
        world.begin(1, "alice", &text);
    }
    let mut references = Vec::new();
    for body in ["one", "two", "three"] {
        assert_eq!(world.effects.len(), 1);
        let (id, message) = stored(&mut world);
        assert!(message.request.ends_with(body.as_bytes()));
        references.push(message.reference);
        world.answer(written(id, Ok(())));
        assert_eq!(world.get_response(1).status().code(), 202);
    }
    assert!(references.is_sorted());
    references.dedup();
    assert_eq!(references.len(), 3);
    world.assert_quiet();
}

//= R-5.3.2.1.2-06
//= type=test
#[test]
fn what_waits_is_pushed_on_registration_oldest_first_with_its_date() {
    let mut world = dave_is_away();
    let mut mailbox = Vec::new();
    for body in ["first", "second"] {
        let text = world.message(1, "alice", "dave", body);
        world.begin(1, "alice", &text);
        let (id, message) = stored(&mut world);
        mailbox.push(message);
        world.answer(written(id, Ok(())));
        assert_eq!(world.get_response(1).status().code(), 202);
        world.pass(Duration::from_secs(60));
    }
    world.answering = false;
    world.open(4, false);
    assert_eq!(world.register(4, "dave").status().code(), 200);
    let Effect::ListMessages { id, user, limit } = world.take_effect() else {
        panic!("no list")
    };
    assert_eq!((user.to_string().as_str(), limit), ("sip:dave@example.com", 20));
    world.answering = true;
    let expected: Vec<_> = mailbox.iter().map(|message| message.reference.clone()).collect();
    mailbox.reverse();
    world.answer(Answer::Messages {
        id,
        result: Ok(mailbox),
    });
    for (number, body) in ["first", "second"].into_iter().enumerate() {
        let request = world.get_request(4);
        assert!(world.get(4).is_none(), "one at a time");
        assert_eq!(request.body().as_ref(), body.as_bytes());
        let date = request.headers().get::<sip_im::header::Date>().unwrap().unwrap();
        assert_eq!(
            date.since_epoch(),
            EPOCH + Duration::from_secs(60) * u32::try_from(number).unwrap()
        );
        assert_eq!(request.from().unwrap().uri().to_string(), "sip:alice@example.com");
        assert!(world.effects.is_empty(), "deleted only once it is delivered");
        world.reply(4, &request, 200, &[]);
        let Effect::DeleteMessage { id, reference, .. } = world.take_effect() else {
            panic!("no delete")
        };
        assert_eq!(reference, expected[number]);
        assert!(world.get(4).is_none(), "the next one only once it is gone");
        world.answer(written(id, Ok(())));
    }
    assert!(world.get(4).is_none());
    assert!(world.get(1).is_none());
    world.assert_quiet();
}

#[test]
fn a_push_that_fails_for_now_stops_and_keeps_the_message() {
    let mut world = dave_is_away();
    let text = world.message(1, "alice", "dave", "later");
    world.begin(1, "alice", &text);
    let (id, message) = stored(&mut world);
    world.answer(written(id, Ok(())));
    world.answering = false;
    world.open(4, false);
    world.register(4, "dave");
    let Effect::ListMessages { id, .. } = world.take_effect() else {
        panic!("no list")
    };
    world.answering = true;
    world.answer(Answer::Messages {
        id,
        result: Ok(vec![message]),
    });
    let request = world.get_request(4);
    world.reply(4, &request, 480, &[]);
    assert!(world.effects.is_empty(), "neither deleted nor stored again");
    world.assert_quiet();
}

#[test]
fn an_expired_message_is_dropped() {
    let mut world = dave_is_away();
    let text =
        world
            .message(1, "alice", "dave", "soon")
            .replacen("Max-Forwards", "Expires: 30\r\nMax-Forwards", 1);
    world.begin(1, "alice", &text);
    let (id, message) = stored(&mut world);
    assert_eq!(
        message.expires.saturating_sub(message.arrived),
        Duration::from_secs(30)
    );
    world.answer(written(id, Ok(())));
    world.pass(Duration::from_secs(31));
    world.answering = false;
    world.open(4, false);
    world.register(4, "dave");
    let Effect::ListMessages { id, .. } = world.take_effect() else {
        panic!("no list")
    };
    world.answer(Answer::Messages {
        id,
        result: Ok(vec![message]),
    });
    let Effect::DeleteMessage { id, .. } = world.take_effect() else {
        panic!("no delete")
    };
    world.answer(written(id, Ok(())));
    assert!(world.get(4).is_none());
    world.assert_quiet();
}

#[test]
fn a_client_that_does_not_answer_has_its_message_deferred() {
    let mut world = dave_is_away();
    world.open(4, false);
    world.register(4, "dave");
    let text = world.message(1, "alice", "dave", "hello?");
    world.begin(1, "alice", &text);
    assert_eq!(world.get_request(4).body().as_ref(), b"hello?");
    world.pass(Duration::from_secs(33));
    let (id, message) = stored(&mut world);
    assert!(message.request.ends_with(b"hello?"));
    assert!(
        !message.request.windows(5).any(|window| window == b":6001"),
        "hops of the past are not kept"
    );
    world.answer(written(id, Ok(())));
    world.assert_quiet();
}

#[test]
fn is_composing_is_not_kept() {
    let mut world = dave_is_away();
    let text = world.text(
        1,
        "MESSAGE",
        "sip:dave@example.com",
        "sip:alice@example.com",
        "Content-Type: application/im-iscomposing+xml\r\n",
        "<isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>active</state></isComposing>",
    );
    assert_eq!(world.ask(1, "alice", &text).status().code(), 480);
    assert!(world.effects.is_empty());
}

#[test]
fn nobody_sends_to_the_deferred_function_past_the_users_rules() {
    let mut world = dave_is_away();
    let text = world.text(
        1,
        "MESSAGE",
        "sip:deferred@example.com",
        "sip:alice@example.com",
        "Content-Type: text/plain\r\n",
        "for me",
    );
    let response = world.ask(1, "alice", &text);
    assert!(response.status().code() >= 400, "{}", response.status());
    assert!(world.effects.is_empty());
    assert!(response.headers().contains(&HeaderName::CALL_ID));
}
