//! Publishing the user's state, and watching others'.

use std::time::Duration;

use bytes::Bytes;
use im_roles::client::{CommandError, Content, Event, WatchNotice};
use im_xdm_model::document::pidf::Presence;
use sip_im::header::{
    Contact, Event as EventHeader, Expires, MinExpires, SipEtag, SipIfMatch, SubscriptionState,
};
use sip_im::{ContentType, Method, Request, StatusCode};

use super::world::{World, uri};

/// A registered client.
fn world() -> World {
    let mut world = World::new();
    world.register();
    world
}

/// Takes the next PUBLISH and answers it with a tag.
#[track_caller]
fn published(world: &mut World, tag: &str) -> Request {
    let (transaction, request) = world.request(&Method::Publish);
    let expires = request.headers().get::<Expires>().unwrap().unwrap();
    let response = request
        .response(StatusCode::OK)
        .header_typed(&SipEtag::new(tag))
        .header_typed(&expires);
    world.answer(transaction, response);
    request
}

fn expires(request: &Request) -> u32 {
    request.headers().get::<Expires>().unwrap().unwrap().0
}

fn condition(request: &Request) -> Option<String> {
    let tag = request.headers().get::<SipIfMatch>().unwrap();
    tag.map(|tag| tag.as_str().to_owned())
}

/// Takes the next SUBSCRIBE and accepts it.
#[track_caller]
fn subscribed(world: &mut World) -> Request {
    let (transaction, request) = world.request(&Method::Subscribe);
    let wished = request.headers().get::<Expires>().unwrap().unwrap();
    let contact = Contact::new(uri("sip:presence@192.0.2.1"));
    let response = request
        .response(StatusCode::OK)
        .contact(&contact)
        .header_typed(&wished);
    world.answer(transaction, response);
    request
}

/// A NOTIFY for a SUBSCRIBE.
fn notify(world: &mut World, subscribe: &Request, state: &SubscriptionState, body: &str, seq: u32) {
    let contact: Contact = subscribe.headers().get().unwrap().unwrap();
    let Contact::Addr(address) = contact else {
        panic!("no contact")
    };
    let own = subscribe.from().unwrap();
    let event: EventHeader = subscribe.headers().get().unwrap().unwrap();
    let mut builder = Request::builder(Method::Notify, address.uri)
        .from(subscribe.uri(), None, "notifier")
        .to(own.uri(), own.tag())
        .call_id(subscribe.call_id().unwrap().as_str())
        .cseq(seq)
        .contact(&Contact::new(uri("sip:presence@192.0.2.1")))
        .header_typed(&event)
        .header_typed(state);
    if !body.is_empty() {
        let kind = ContentType::parse("application/pidf+xml").unwrap();
        builder = builder.body(&kind, body.to_owned().into());
    }
    world.send(builder.build().unwrap());
}

fn notices(world: &mut World) -> Vec<WatchNotice> {
    let events = std::mem::take(&mut world.events);
    let notices = events.into_iter().filter_map(|event| match event {
        Event::Notified(notice) => Some(notice),
        _ => None,
    });
    notices.collect()
}

const OPEN: &str = "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:bob@example.com\"><tuple id=\"a\"><status>\
                    <basic>open</basic></status></tuple></presence>";

//= R-5.3.1-10
//= type=test
#[test]
fn presence_is_published_renewed_changed_and_taken_back() {
    let mut world = world();
    let command = world.client.presence(true, Some("here"), world.now).unwrap();
    let first = published(&mut world, "one");
    assert_eq!(first.uri().as_str(), "sip:alice@example.com");
    assert_eq!((condition(&first), expires(&first)), (None, 3600));
    let document = Presence::parse(first.body(), &im_xdm_model::xml::Limits::default()).unwrap();
    assert!(document.is_open());
    assert_eq!(
        document.tuples.first().unwrap().notes.first().unwrap().text,
        "here"
    );
    assert!(
        matches!(world.events.last(), Some(Event::Sent { command: of, status: 200, .. }) if *of == command)
    );

    world.pass(Duration::from_secs(3400));
    let (_, renewal) = std::iter::from_fn(|| world.requests.pop_front())
        .find(|(_, request)| *request.method() == Method::Publish)
        .unwrap();
    assert_eq!(
        (condition(&renewal).as_deref(), renewal.body().len()),
        (Some("one"), 0)
    );
}

#[test]
fn a_change_replaces_what_is_published_and_the_end_takes_it_back() {
    let mut world = world();
    world.client.presence(true, None, world.now).unwrap();
    published(&mut world, "one");
    world.client.presence(false, None, world.now).unwrap();
    let second = published(&mut world, "two");
    assert_eq!(condition(&second).as_deref(), Some("one"));
    world.client.publish("presence", None, world.now).unwrap();
    let third = published(&mut world, "three");
    assert_eq!((condition(&third).as_deref(), expires(&third)), (Some("two"), 0));
    // There is nothing to take back any more.
    world.events.clear();
    let command = world.client.publish("presence", None, world.now).unwrap();
    world.run();
    assert!(world.requests.is_empty());
    assert!(matches!(world.events.last(), Some(Event::Sent { command: of, .. }) if *of == command));

    world.client.presence(true, None, world.now).unwrap();
    published(&mut world, "four");
    world.client.shut_down(world.now);
    let last = published(&mut world, "none");
    assert_eq!((condition(&last).as_deref(), expires(&last)), (Some("four"), 0));
}

#[test]
fn a_server_that_has_forgotten_what_was_published_is_told_again() {
    let mut world = world();
    world.client.presence(true, None, world.now).unwrap();
    published(&mut world, "one");
    let command = world.client.presence(false, None, world.now).unwrap();
    world.answer_next(&Method::Publish, StatusCode::CONDITIONAL_REQUEST_FAILED);
    let again = published(&mut world, "two");
    assert_eq!(condition(&again), None);
    assert!(!again.body().is_empty());
    assert!(matches!(world.events.last(), Some(Event::Sent { command: of, .. }) if *of == command));
}

#[test]
fn a_refusal_ends_the_command_unless_it_can_be_done_better() {
    let mut world = world();
    let command = world.client.presence(true, None, world.now).unwrap();
    let (transaction, request) = world.request(&Method::Publish);
    let brief = request
        .response(StatusCode::INTERVAL_TOO_BRIEF)
        .header_typed(&MinExpires(7200));
    world.answer(transaction, brief);
    let again = published(&mut world, "one");
    assert_eq!(expires(&again), 7200);
    assert!(matches!(world.events.last(), Some(Event::Sent { command: of, .. }) if *of == command));

    let kind = ContentType::parse("text/plain").unwrap();
    let content = Content::new(kind, Bytes::from_static(b"sunny"));
    let command = world.client.publish("weather", Some(content), world.now).unwrap();
    world.answer_next(&Method::Publish, StatusCode::BAD_EVENT);
    assert!(matches!(
        world.events.last(),
        Some(Event::Failed { command: Some(of), failure, .. }) if *of == command && failure.status == Some(489)
    ));
}

#[test]
fn what_others_publish_is_told() {
    let mut world = world();
    let to = uri("sip:bob@example.com");
    let command = world.client.subscribe("presence", &to, None, world.now).unwrap();
    let request = subscribed(&mut world);
    assert_eq!(
        request
            .headers()
            .get::<EventHeader>()
            .unwrap()
            .unwrap()
            .package
            .as_str(),
        "presence"
    );
    assert!(matches!(world.events.last(), Some(Event::Sent { command: of, .. }) if *of == command));
    notify(&mut world, &request, &SubscriptionState::active(3600), OPEN, 1);
    assert_eq!(world.status(), 200);
    assert!(matches!(world.events.last(), Some(Event::Presence(document)) if document.is_open()));
    let told = notices(&mut world);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].state, &told[0].body[..]), ("active", OPEN.as_bytes()));

    // Another command for the same renews it, and one for no time ends it.
    world.client.subscribe("presence", &to, None, world.now).unwrap();
    let renewal = subscribed(&mut world);
    assert_eq!(renewal.call_id().unwrap(), request.call_id().unwrap());
    let ending = world
        .client
        .subscribe("presence", &to, Some(Duration::ZERO), world.now)
        .unwrap();
    let last = subscribed(&mut world);
    assert_eq!(expires(&last), 0);
    assert!(
        world
            .events
            .iter()
            .any(|event| matches!(event, Event::Sent { command, .. } if *command == ending))
    );
    notify(
        &mut world,
        &request,
        &SubscriptionState::terminated("timeout"),
        "",
        2,
    );
    assert_eq!(world.status(), 200);
    notify(&mut world, &request, &SubscriptionState::active(3600), OPEN, 3);
    assert_eq!(world.status(), 481);
}

#[test]
fn a_subscription_is_made_anew_where_that_makes_sense() {
    for (reason, again) in [("deactivated", true), ("rejected", false)] {
        let mut world = world();
        let to = uri("sip:bob@example.com");
        world.client.subscribe("presence", &to, None, world.now).unwrap();
        let request = subscribed(&mut world);
        notify(&mut world, &request, &SubscriptionState::active(3600), OPEN, 1);
        notify(
            &mut world,
            &request,
            &SubscriptionState::terminated(reason),
            "",
            2,
        );
        world.run();
        world.pass(Duration::from_secs(1));
        let ended = world
            .events
            .iter()
            .any(|event| matches!(event, Event::WatchEnded { reason: Some(told), .. } if told == reason));
        assert_eq!(ended, !again, "{reason}");
        if again {
            let anew = subscribed(&mut world);
            assert_ne!(anew.call_id().unwrap(), request.call_id().unwrap());
        } else {
            assert!(world.requests.is_empty());
        }
    }
}

#[test]
fn a_refused_subscription_is_told_and_forgotten() {
    let mut world = world();
    let to = uri("sip:bob@example.com");
    let command = world.client.subscribe("presence", &to, None, world.now).unwrap();
    world.answer_next(&Method::Subscribe, StatusCode::FORBIDDEN);
    assert!(matches!(
        world.events.last(),
        Some(Event::Failed { command: Some(of), failure, .. }) if *of == command && failure.status == Some(403)
    ));
    world.pass(Duration::from_secs(100));
    assert!(world.requests.is_empty());
}

#[test]
fn what_is_watched_is_watched_again_over_another_connection() {
    let mut world = world();
    let to = uri("sip:bob@example.com");
    world.client.subscribe("presence", &to, None, world.now).unwrap();
    let request = subscribed(&mut world);
    notify(&mut world, &request, &SubscriptionState::active(3600), OPEN, 1);
    world.client.drop_connection(world.now);
    world.run();
    world.pass(Duration::from_secs(1));
    let anew = std::iter::from_fn(|| world.requests.pop_front())
        .find(|(_, request)| *request.method() == Method::Subscribe);
    assert_ne!(anew.unwrap().1.call_id().unwrap(), request.call_id().unwrap());
}

#[test]
fn what_is_published_and_watched_is_limited() {
    let mut world = World::with(|config| {
        config.limits.max_publications = 1;
        config.limits.max_watches = 1;
    });
    world.register();
    let content = || Some(Content::text("x"));
    world.client.publish("one", content(), world.now).unwrap();
    let error = world.client.publish("two", content(), world.now);
    assert_eq!(error, Err(CommandError::TooMany));
    let to = uri("sip:bob@example.com");
    world.client.subscribe("one", &to, None, world.now).unwrap();
    let error = world.client.subscribe("two", &to, None, world.now);
    assert_eq!(error, Err(CommandError::TooMany));
    for package in ["", "a b", "a..b", "a\r\nX: y"] {
        let error = world.client.subscribe(package, &to, None, world.now);
        assert_eq!(error, Err(CommandError::Unwritable), "{package}");
        let error = world.client.publish(package, None, world.now);
        assert_eq!(error, Err(CommandError::Unwritable), "{package}");
    }
}
