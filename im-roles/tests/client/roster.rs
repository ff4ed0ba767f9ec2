//! Who takes part: the subscription and the roster made of its notifications.

use std::time::Duration;

use bytes::Bytes;
use im_roles::client::{Event, RosterEntry};
use im_xdm_model::document::conference_info::{ConferenceInfo, Endpoint, EndpointStatus, State, User};
use sip_im::dialog::Dialog;
use sip_im::header::{Accept, Contact, Event as EventHeader, Expires, SubscriptionState};
use sip_im::{ContentType, Method, Request, StatusCode};

use super::sessions::{CONFERENCE, Session, joined};
use super::world::{World, uri};

fn user(entity: &str, status: EndpointStatus) -> User {
    let mut endpoint = Endpoint::new(entity);
    endpoint.status = Some(status);
    let mut user = User::new(entity);
    user.endpoints.push(endpoint);
    user
}

fn document(version: u32, state: State, users: Vec<User>) -> Bytes {
    let mut document = ConferenceInfo::new(CONFERENCE, version);
    document.state = state;
    document.users_state = Some(state);
    document.users = users;
    document.write()
}

fn notify(world: &mut World, dialog: &mut Dialog, state: &SubscriptionState, body: Bytes) -> u16 {
    let mut builder = dialog
        .request(Method::Notify)
        .contact(&Contact::new(uri(CONFERENCE)))
        .header_typed(&EventHeader::new("conference"))
        .header_typed(state);
    if !body.is_empty() {
        builder = builder.body(
            &ContentType::parse("application/conference-info+xml").unwrap(),
            body,
        );
    }
    world.send(builder.build().unwrap());
    world.status()
}

fn active(world: &mut World, dialog: &mut Dialog, body: Bytes) -> u16 {
    notify(world, dialog, &SubscriptionState::active(3_600), body)
}

/// Subscribes, with the NOTIFY after the 200.
fn subscribed(world: &mut World, session: &Session) -> (Request, Dialog) {
    world.client.roster(session.key, world.now).unwrap();
    let (transaction, request) = world.request(&Method::Subscribe);
    let response = request
        .response(StatusCode::OK)
        .contact(&Contact::new(uri(CONFERENCE)))
        .header_typed(&Expires(3_600))
        .to_tag("notifier")
        .build()
        .unwrap();
    let dialog = Dialog::from_uas(&request, &response).unwrap();
    world.sip.respond(transaction, response, world.now).unwrap();
    world.run();
    (request, dialog)
}

fn roster(world: &World) -> &[RosterEntry] {
    let found = world.events.iter().rev().find_map(|event| match event {
        Event::Roster { users, .. } => Some(users),
        _ => None,
    });
    found.expect("a roster")
}

fn names(world: &World) -> Vec<(&str, Option<&str>)> {
    roster(world)
        .iter()
        .map(|entry| (entry.uri.as_str(), entry.status.as_deref()))
        .collect()
}

//= https://www.rfc-editor.org/rfc/rfc4575#section-4.6
//= type=test
#[test]
fn full_and_partial_documents_make_one_roster() {
    let mut world = World::new();
    let (_, session) = joined(&mut world, false);
    let (request, mut dialog) = subscribed(&mut world, &session);
    assert_eq!(request.uri().as_str(), CONFERENCE);
    assert_eq!(
        request
            .headers()
            .get::<EventHeader>()
            .unwrap()
            .unwrap()
            .package
            .as_str(),
        "conference"
    );
    assert!(
        request
            .headers()
            .get::<Accept>()
            .unwrap()
            .unwrap()
            .accepts_type("application", "conference-info+xml")
    );

    let mut bob = user("sip:bob@example.com", EndpointStatus::Pending);
    bob.nickname = Some("Bobby".to_owned());
    let users = vec![user("sip:alice@example.com", EndpointStatus::Connected), bob];
    assert_eq!(
        active(&mut world, &mut dialog, document(1, State::Full, users)),
        200
    );
    assert_eq!(
        names(&world),
        [
            ("sip:alice@example.com", Some("connected")),
            ("sip:bob@example.com", Some("pending"))
        ]
    );
    assert!(roster(&world)[0].own && !roster(&world)[1].own);
    assert_eq!(roster(&world)[1].nickname.as_deref(), Some("Bobby"));

    let mut update = user("sip:bob@example.com", EndpointStatus::Connected);
    update.state = State::Partial;
    let anonymous = user("sip:anonymous1@anonymous.invalid", EndpointStatus::Connected);
    let body = document(2, State::Partial, vec![update, anonymous]);
    assert_eq!(active(&mut world, &mut dialog, body), 200);
    assert_eq!(
        names(&world),
        [
            ("sip:alice@example.com", Some("connected")),
            ("sip:bob@example.com", Some("connected")),
            ("sip:anonymous1@anonymous.invalid", Some("connected"))
        ]
    );
    assert!(roster(&world)[2].anonymous && !roster(&world)[1].anonymous);
    assert_eq!(roster(&world)[1].nickname.as_deref(), Some("Bobby"));

    let mut gone = User::new("sip:bob@example.com");
    gone.state = State::Deleted;
    assert_eq!(
        active(&mut world, &mut dialog, document(3, State::Partial, vec![gone])),
        200
    );
    assert_eq!(names(&world).len(), 2);
    // Asking again needs nobody else.
    let command = world.client.roster(session.key, world.now).unwrap();
    world.run();
    assert!(matches!(world.events.last(), Some(Event::Roster { command: Some(of), .. }) if *of == command));
    assert!(world.requests.is_empty());
}

#[test]
fn an_old_document_changes_nothing_and_a_gap_asks_for_the_whole() {
    let mut world = World::new();
    let (_, session) = joined(&mut world, false);
    let (_, mut dialog) = subscribed(&mut world, &session);
    let alice = || user("sip:alice@example.com", EndpointStatus::Connected);
    active(&mut world, &mut dialog, document(5, State::Full, vec![alice()]));
    world.events.clear();
    active(&mut world, &mut dialog, document(5, State::Full, Vec::new()));
    active(&mut world, &mut dialog, document(4, State::Full, Vec::new()));
    assert!(world.events.is_empty());

    let bob = user("sip:bob@example.com", EndpointStatus::Connected);
    active(&mut world, &mut dialog, document(7, State::Partial, vec![bob]));
    assert!(world.events.is_empty());
    let (transaction, request) = world.request(&Method::Subscribe);
    assert_eq!(request.uri().as_str(), CONFERENCE);
    assert!(request.to().unwrap().tag().is_some());
    dialog.accept_request(&request).unwrap();
    let response = request.response(StatusCode::OK).header_typed(&Expires(3_600));
    world.answer(transaction, response.contact(&Contact::new(uri(CONFERENCE))));
    let both = vec![alice(), user("sip:bob@example.com", EndpointStatus::Connected)];
    active(&mut world, &mut dialog, document(8, State::Full, both));
    assert_eq!(names(&world).len(), 2);
}

//= https://www.rfc-editor.org/rfc/rfc6665#section-4.4.1
//= type=test
#[test]
fn a_notification_may_come_before_the_answer() {
    let mut world = World::new();
    let (_, session) = joined(&mut world, false);
    let command = world.client.roster(session.key, world.now).unwrap();
    let (transaction, request) = world.request(&Method::Subscribe);
    let response = request
        .response(StatusCode::OK)
        .contact(&Contact::new(uri(CONFERENCE)))
        .header_typed(&Expires(3_600))
        .to_tag("notifier")
        .build()
        .unwrap();
    let mut dialog = Dialog::from_uas(&request, &response).unwrap();
    let users = vec![user("sip:alice@example.com", EndpointStatus::Connected)];
    assert_eq!(
        active(&mut world, &mut dialog, document(1, State::Full, users)),
        200
    );
    assert!(matches!(world.events.last(), Some(Event::Roster { command: Some(of), .. }) if *of == command));
    world.sip.respond(transaction, response, world.now).unwrap();
    world.run();
    assert_eq!(
        active(&mut world, &mut dialog, document(2, State::Partial, Vec::new())),
        200
    );
}

#[test]
fn a_subscription_is_renewed_and_made_again_when_the_focus_asks() {
    let mut world = World::with(|config| config.register_expires = Duration::from_secs(80_000));
    let (_, session) = joined(&mut world, false);
    let (_, mut dialog) = subscribed(&mut world, &session);
    let users = || vec![user("sip:alice@example.com", EndpointStatus::Connected)];
    active(&mut world, &mut dialog, document(1, State::Full, users()));
    world.pass(Duration::from_secs(3_301));
    let (transaction, renewal) = world.request(&Method::Subscribe);
    assert!(renewal.to().unwrap().tag().is_some());
    let response = renewal.response(StatusCode::OK).header_typed(&Expires(3_600));
    world.answer(transaction, response.contact(&Contact::new(uri(CONFERENCE))));
    active(&mut world, &mut dialog, document(2, State::Full, users()));

    notify(
        &mut world,
        &mut dialog,
        &SubscriptionState::terminated("deactivated"),
        Bytes::new(),
    );
    assert!(world.requests.is_empty());
    world.pass(Duration::from_secs(2));
    let (_, anew) = world.request(&Method::Subscribe);
    assert!(anew.to().unwrap().tag().is_none());
}

#[test]
fn a_conference_without_state_for_this_user_is_told_and_not_asked_again() {
    let mut world = World::new();
    let (_, session) = joined(&mut world, false);
    let command = world.client.roster(session.key, world.now).unwrap();
    world.answer_next(&Method::Subscribe, StatusCode::FORBIDDEN);
    assert!(matches!(
        world.events.last(),
        Some(Event::Failed { command: Some(of), failure, .. }) if *of == command && failure.status == Some(403)
    ));
    world.pass(Duration::from_secs(7_200));
    assert!(
        world
            .requests
            .iter()
            .all(|(_, request)| *request.method() != Method::Subscribe)
    );
}

#[test]
fn notifications_that_belong_to_nothing_are_refused() {
    let mut world = World::new();
    let (_, session) = joined(&mut world, false);
    let (_, mut dialog) = subscribed(&mut world, &session);
    active(&mut world, &mut dialog, document(1, State::Full, Vec::new()));
    let stray = world
        .incoming(Method::Notify, CONFERENCE)
        .header_typed(&EventHeader::new("conference"))
        .header_typed(&SubscriptionState::active(60))
        .build()
        .unwrap();
    world.send(stray);
    assert_eq!(world.status(), 481);
    let other = dialog
        .request(Method::Notify)
        .contact(&Contact::new(uri(CONFERENCE)))
        .header_typed(&EventHeader::new("presence"))
        .header_typed(&SubscriptionState::active(60))
        .build()
        .unwrap();
    world.send(other);
    assert_ne!(world.status(), 200);
}

#[test]
fn a_roster_has_a_size() {
    let mut world = World::with(|config| config.limits.max_roster = 3);
    let (_, session) = joined(&mut world, false);
    let (_, mut dialog) = subscribed(&mut world, &session);
    let users = |from: u32| {
        (from..from + 2).map(|number| user(&format!("sip:u{number}@example.com"), EndpointStatus::Connected))
    };
    active(
        &mut world,
        &mut dialog,
        document(1, State::Full, users(0).collect()),
    );
    active(
        &mut world,
        &mut dialog,
        document(2, State::Partial, users(2).collect()),
    );
    assert_eq!(roster(&world).len(), 3);
}
