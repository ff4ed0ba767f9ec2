//! Registering, being asked for the password, staying registered.

use std::time::Duration;

use im_roles::client::{CommandError, Event};
use im_roles::flow::{Protocol, Transport};
use sip_im::digest::{Algorithm, Challenge, Ha1, Qop};
use sip_im::header::{
    Authorization, Contact, Expires, MinExpires, PAssertedIdentity, RetryAfter, WwwAuthenticate,
};
use sip_im::{Method, Request, ResponseBuilder, StatusCode};

use super::world::{World, uri};

fn challenge(realm: &str, algorithm: Algorithm) -> Challenge {
    let mut challenge = Challenge::new(realm, "nonce-of-the-server", algorithm);
    challenge.qop = vec![Qop::Auth];
    challenge
}

fn asking(request: &Request, challenges: &[Challenge]) -> ResponseBuilder {
    let response = request.response(StatusCode::UNAUTHORIZED);
    challenges.iter().fold(response, |response, challenge| {
        response.header_typed(&WwwAuthenticate::digest_of(challenge.clone()))
    })
}

fn verified(request: &Request, password: &str) -> Option<Algorithm> {
    let authorization: Authorization = request.headers().get().unwrap()?;
    let credentials = authorization.digest()?;
    let algorithm = credentials.algorithm.unwrap_or(Algorithm::Md5);
    let ha1 = Ha1::of_password(algorithm, "alice", "example.com", password);
    credentials
        .verify(&ha1, request.method().as_str(), request.body())
        .then_some(algorithm)
}

fn granted(request: &Request, seconds: u32) -> ResponseBuilder {
    let contact: Contact = request.headers().get().unwrap().unwrap();
    request
        .response(StatusCode::OK)
        .contact(&contact)
        .header_typed(&Expires(seconds))
}

//= R-5.3.1-02
//= type=test
#[test]
fn a_user_registers_with_his_password() {
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        let mut world = World::new();
        let command = world.client.register(world.now).unwrap();
        let (transaction, first) = world.request(&Method::Register);
        assert_eq!(first.uri().as_str(), "sip:example.com");
        assert_eq!(first.to().unwrap().uri().as_str(), "sip:alice@example.com");
        let contact: Contact = first.headers().get().unwrap().unwrap();
        assert!(contact.has_feature("+g.oma.sip-im"));
        assert_eq!(verified(&first, "secret"), None);

        let asked = asking(&first, &[challenge("example.com", algorithm)]);
        world.answer(transaction, asked);
        let (transaction, second) = world.request(&Method::Register);
        //= R-5.3.1-03
        //= type=test
        assert_eq!(verified(&second, "secret"), Some(algorithm));
        assert_eq!(second.call_id().unwrap(), first.call_id().unwrap());
        assert_eq!(second.cseq().unwrap().seq, first.cseq().unwrap().seq + 1);

        let response = granted(&second, 600);
        world.answer(transaction, response);
        assert!(matches!(
            world.events[..],
            [Event::Connected, Event::Registered { command: Some(of), expires }]
                if of == command && expires == Duration::from_secs(600)
        ));
        assert!(world.client.is_registered());
        assert_eq!(
            world.opened,
            [(Protocol::Sip, Transport::Tcp, "192.0.2.1".to_owned(), 5060)]
        );
    }
}

#[test]
fn an_algorithm_that_is_not_wanted_is_passed_over() {
    let mut world = World::with(|config| config.algorithms = vec![Algorithm::Sha256]);
    world.client.register(world.now).unwrap();
    let (transaction, request) = world.request(&Method::Register);
    let both = [
        challenge("example.com", Algorithm::Md5),
        challenge("example.com", Algorithm::Sha256),
    ];
    let asked = asking(&request, &both);
    world.answer(transaction, asked);
    let (_, request) = world.request(&Method::Register);
    assert_eq!(verified(&request, "secret"), Some(Algorithm::Sha256));
}

#[test]
fn nobody_else_gets_an_answer_to_his_challenge() {
    let mut world = World::new();
    world.client.register(world.now).unwrap();
    let (transaction, request) = world.request(&Method::Register);
    let asked = asking(&request, &[challenge("elsewhere.example", Algorithm::Md5)]);
    world.answer(transaction, asked);
    assert!(world.requests.is_empty());
    assert!(
        matches!(world.events.last(), Some(Event::Failed { failure, .. }) if failure.status == Some(401))
    );
    assert!(!world.client.is_registered());
}

#[test]
fn a_wrong_password_is_not_tried_for_ever() {
    let mut world = World::new();
    let command = world.client.register(world.now).unwrap();
    for _ in 0..2 {
        let (transaction, request) = world.request(&Method::Register);
        let asked = asking(&request, &[challenge("example.com", Algorithm::Md5)]);
        world.answer(transaction, asked);
    }
    assert!(world.requests.is_empty());
    assert!(matches!(world.events.last(), Some(Event::Failed { command: Some(of), .. }) if *of == command));
    world.pass(Duration::from_secs(100));
    assert!(world.requests.is_empty());
}

#[test]
fn a_registration_is_renewed_before_it_ends() {
    let mut world = World::new();
    world.client.register(world.now).unwrap();
    let (transaction, request) = world.request(&Method::Register);
    let response = granted(&request, 3_600);
    world.answer(transaction, response);
    world.pass(Duration::from_secs(2_999));
    assert!(world.requests.is_empty());
    world.pass(Duration::from_secs(2));
    let (transaction, again) = world.request(&Method::Register);
    assert_eq!(again.call_id().unwrap(), request.call_id().unwrap());
    assert!(again.cseq().unwrap().seq > request.cseq().unwrap().seq);
    let response = granted(&again, 3_600);
    world.answer(transaction, response);
    assert!(matches!(
        world.events.last(),
        Some(Event::Registered { command: None, .. })
    ));
}

//= https://www.rfc-editor.org/rfc/rfc3261#section-21.5.4
//= type=test
//# It SHOULD NOT forward any other requests to that server for
//# the duration specified in the Retry-After header field, if present.
#[test]
fn an_overloaded_server_is_left_alone_for_as_long_as_it_asks() {
    let mut world = World::new();
    world.client.register(world.now).unwrap();
    let (transaction, request) = world.request(&Method::Register);
    let response = granted(&request, 3_600);
    world.answer(transaction, response);
    world.pass(Duration::from_secs(3_001));
    let (transaction, request) = world.request(&Method::Register);
    let response = request
        .response(StatusCode::SERVICE_UNAVAILABLE)
        .header_typed(&RetryAfter::new(120));
    world.answer(transaction, response);
    world.pass(Duration::from_secs(119));
    assert!(world.requests.is_empty());
    world.pass(Duration::from_secs(2));
    let (transaction, request) = world.request(&Method::Register);
    let response = granted(&request, 3_600);
    world.answer(transaction, response);
    assert!(world.client.is_registered());
}

//= https://www.rfc-editor.org/rfc/rfc3261#section-10.2.8
//= type=test
#[test]
fn an_interval_that_is_too_brief_is_made_longer() {
    let mut world = World::with(|config| config.register_expires = Duration::from_secs(10));
    world.client.register(world.now).unwrap();
    let (transaction, request) = world.request(&Method::Register);
    let response = request
        .response(StatusCode::INTERVAL_TOO_BRIEF)
        .header_typed(&MinExpires(60));
    world.answer(transaction, response);
    let (_, request) = world.request(&Method::Register);
    assert_eq!(request.headers().get::<Expires>().unwrap().unwrap().0, 60);
}

#[test]
fn a_lost_connection_is_opened_again_and_the_user_registered_on_it() {
    let mut world = World::new();
    world.register();
    world.refusing = true;
    let link = world.link;
    world.close(link);
    world.run();
    assert!(matches!(world.events[..], [Event::Disconnected]));
    world.pass(Duration::from_secs(20));
    let tries = world.opened.len();
    assert!((4..8).contains(&tries), "{tries} tries");
    world.refusing = false;
    world.pass(Duration::from_secs(40));
    let (transaction, request) = world.request(&Method::Register);
    let response = granted(&request, 600);
    world.answer(transaction, response);
    assert!(matches!(
        world.events.last(),
        Some(Event::Registered { command: None, .. })
    ));
}

//= https://www.rfc-editor.org/rfc/rfc5626#section-4.4.1
//= type=test
#[test]
fn a_quiet_connection_is_kept_alive() {
    let mut world = World::new();
    world.register();
    world.sent.clear();
    world.pass(Duration::from_secs(94));
    assert!(world.sent.is_empty());
    world.pass(Duration::from_secs(2));
    assert_eq!(world.sent, b"\r\n\r\n");
}

#[test]
fn unregistering_ends_it() {
    let mut world = World::new();
    world.register();
    let command = world.client.unregister(world.now).unwrap();
    let request = world.answer_next(&Method::Register, StatusCode::OK);
    assert_eq!(request.headers().get::<Expires>().unwrap().unwrap().0, 0);
    assert!(matches!(world.events[..], [Event::Unregistered { command: Some(of) }] if of == command));
    world.pass(Duration::from_secs(10_000));
    assert!(world.requests.is_empty());
}

#[test]
fn a_client_that_is_trusted_asserts_its_identity() {
    let mut world = World::with(|config| config.asserted = Some(uri("sip:alice@example.com")));
    world.client.chat(uri("sip:bob@example.com"), world.now).unwrap();
    let (_, request) = world.request(&Method::Invite);
    let asserted: PAssertedIdentity = request.headers().get().unwrap().unwrap();
    assert_eq!(asserted.uri().as_str(), "sip:alice@example.com");
    assert!(
        !request
            .headers()
            .contains(&sip_im::header::HeaderName::AUTHORIZATION)
    );
}

#[test]
fn shutting_down_ends_the_registration_and_drains() {
    let mut world = World::new();
    world.register();
    world.client.shut_down(world.now);
    assert!(!world.client.is_drained());
    world.answer_next(&Method::Register, StatusCode::OK);
    assert!(world.client.is_drained());
    assert_eq!(world.client.register(world.now), Err(CommandError::ShuttingDown));
    assert_eq!(world.client.poll_timeout(), None);
}

#[test]
fn a_server_that_is_not_there_is_told_of() {
    let mut world = World::new();
    world.refusing = true;
    let command = world.client.register(world.now).unwrap();
    world.run();
    assert!(matches!(
        &world.events[..],
        [Event::Disconnected, Event::Failed { command: Some(of), failure, .. }]
            if *of == command && failure.status == Some(503)
    ));
}

#[test]
fn secrets_do_not_show() {
    let world = World::new();
    let shown = format!("{:?} {:?}", world.client, world.client.config());
    assert!(!shown.contains("secret"));
}
