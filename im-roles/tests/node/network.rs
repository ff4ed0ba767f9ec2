//! Flows that come and go, other servers, and the end of the server.

use std::net::SocketAddr;
use std::time::Duration;

use im_roles::config::{NextHop, Route};
use im_roles::effect::Effect;
use im_roles::flow::{Input, OpenId, Protocol, Transmit};
use im_roles::node::Event;
use sip_im::header::HeaderName;
use sip_im::{FlowId, Transport};

use crate::world::{World, config};

fn open_tcp(world: &mut World, flow: u64, open: Option<OpenId>) {
    let port = 6000 + u16::try_from(flow).unwrap();
    world.input(Input::Opened {
        flow: FlowId(flow),
        protocol: Protocol::Sip,
        transport: Transport::Tcp,
        local: SocketAddr::from(([127, 0, 0, 1], 5060)),
        remote: SocketAddr::from(([127, 0, 0, 1], port)),
        open,
        trusted: false,
    });
}

fn routed(trusted: bool) -> World {
    let mut config = config();
    config.routes.push(Route::new(
        "b.test",
        NextHop::new(Transport::Tcp, "192.0.2.7", 5070),
        trusted,
    ));
    let mut world = World::with(config);
    world.open(1, false);
    world
}

fn to_b(world: &mut World, privacy: &str) {
    let extra = format!("Content-Type: text/plain\r\n{privacy}");
    let text = world.text(
        1,
        "MESSAGE",
        "sip:x@b.test",
        "sip:alice@example.com",
        &extra,
        "hi",
    );
    world.begin(1, "alice", &text);
    let Some(Transmit::Open {
        open,
        transport,
        host,
        port,
        ..
    }) = world.opens.pop()
    else {
        panic!("no open")
    };
    assert_eq!(
        (transport, host.as_str(), port),
        (Transport::Tcp, "192.0.2.7", 5070)
    );
    open_tcp(world, 9, Some(open));
}

#[test]
fn another_domain_is_reached_by_its_route_and_trusted_with_the_identity() {
    let mut world = routed(true);
    to_b(&mut world, "Privacy: id\r\n");
    let request = world.get_request(9);
    assert!(
        request.headers().contains(&HeaderName::P_ASSERTED_IDENTITY),
        "inside the trust domain it is told"
    );
    assert!(request.headers().contains(&HeaderName::PRIVACY));
    world.reply(9, &request, 202, &[]);
    assert_eq!(world.get_final(1).status().code(), 202);
    world.assert_quiet();
}

#[test]
fn a_domain_that_is_not_trusted_learns_nothing_that_was_to_be_hidden() {
    let mut world = routed(false);
    to_b(&mut world, "Privacy: id\r\n");
    let octets = world.get_request(9).to_bytes();
    assert!(!octets.windows(5).any(|window| window == b"alice"));
}

#[test]
fn a_domain_that_cannot_be_reached_is_503() {
    let mut world = routed(true);
    let text = world.text(
        1,
        "MESSAGE",
        "sip:x@b.test",
        "sip:alice@example.com",
        "Content-Type: text/plain\r\n",
        "hi",
    );
    world.begin(1, "alice", &text);
    let Some(Transmit::Open { open, .. }) = world.opens.pop() else {
        panic!("no open")
    };
    world.input(Input::OpenFailed { open });
    assert_eq!(world.get_final(1).status().code(), 503);
    world.assert_quiet();
}

#[test]
fn a_client_whose_connection_is_gone_has_its_message_deferred() {
    let mut world = World::new();
    world.open(1, false);
    open_tcp(&mut world, 2, None);
    let uri = "sip:bob@example.com";
    let text = world.text(
        2,
        "REGISTER",
        uri,
        uri,
        "Contact: <sip:bob@127.0.0.1:6002;transport=tcp>\r\n",
        "",
    );
    let text = text
        .replacen("REGISTER sip:bob@example.com", "REGISTER sip:example.com", 1)
        .replace("/UDP", "/TCP");
    assert_eq!(world.ask(2, "bob", &text).status().code(), 200);
    world.input(Input::Closed { flow: FlowId(2) });
    let text = world.message(1, "alice", "bob", "hi");
    world.begin(1, "alice", &text);
    let Some(Transmit::Open { open, port, .. }) = world.opens.pop() else {
        panic!("no open")
    };
    assert_eq!(port, 6002, "the contact's address is tried");
    world.input(Input::OpenFailed { open });
    assert!(matches!(world.take_effect(), Effect::StoreMessage { .. }));
}

#[test]
fn octets_on_a_flow_that_was_never_opened_are_ignored() {
    let mut world = World::new();
    let text = world.message(7, "alice", "bob", "hi");
    world.send(7, &text);
    assert!(world.sent.is_empty() && world.events.is_empty());
}

#[test]
fn a_server_that_is_shut_down_takes_nothing_new_and_finishes_what_it_has() {
    let mut world = World::new();
    world.open(1, false);
    world.open(2, false);
    world.register(2, "bob");
    let text = world.message(1, "alice", "bob", "in time");
    world.begin(1, "alice", &text);
    let request = world.get_request(2);
    world.node.shut_down(world.now);
    world.drain();
    assert!(!world.node.is_drained());
    let text = world.message(1, "alice", "bob", "too late");
    world.send(1, &text);
    let refusal = world.get_response(1);
    assert_eq!(refusal.status().code(), 503);
    assert!(refusal.headers().contains(&HeaderName::RETRY_AFTER));
    world.reply(2, &request, 200, &[]);
    assert_eq!(world.get_final(1).status().code(), 200);
    world.pass(Duration::from_secs(40));
    world.events.clear();
    assert!(world.node.is_drained());
}

#[test]
fn users_come_and_go_while_the_server_runs() {
    let mut world = World::new();
    world.open(1, false);
    let erin = sip_im::Uri::parse("sip:erin@example.com").unwrap();
    assert_eq!(world.register(1, "erin").status().code(), 401);
    world
        .node
        .provision_user(im_roles::config::User::new(erin.clone(), "erin-secret"));
    assert_eq!(world.register(1, "erin").status().code(), 200);
    assert!(
        world
            .events
            .iter()
            .any(|event| matches!(event, Event::Registered { .. }))
    );
    world.node.remove_user(&erin.identity());
    assert_eq!(world.register(1, "erin").status().code(), 401);
}
