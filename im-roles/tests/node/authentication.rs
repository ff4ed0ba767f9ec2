//! Nobody reaches a role without having said who he is.

use sip_im::header::{HeaderName, PAssertedIdentity};

use crate::world::{World, authorized, config};

//= R-6.1.1-04
//= type=test
#[test]
fn every_method_is_challenged() {
    let mut world = World::new();
    world.open(1, false);
    let methods = [
        "INVITE",
        "BYE",
        "OPTIONS",
        "MESSAGE",
        "SUBSCRIBE",
        "NOTIFY",
        "PUBLISH",
        "REFER",
        "INFO",
        "PRACK",
        "UPDATE",
        "UNHEARD",
    ];
    for method in methods {
        let text = world.text(1, method, "sip:bob@example.com", "sip:alice@example.com", "", "");
        world.send(1, &text);
        let response = std::iter::from_fn(|| world.get(1)).find_map(|message| match message {
            sip_im::Message::Response(response) if response.status().is_final() => Some(response),
            _ => None,
        });
        let response = response.unwrap_or_else(|| panic!("no answer to {method}"));
        assert_eq!(response.status().code(), 407, "{method}");
        assert!(response.headers().contains(&HeaderName::PROXY_AUTHENTICATE));
        assert!(response.to().unwrap().tag().is_some());
    }
    let text = world.text(1, "REGISTER", "sip:example.com", "sip:alice@example.com", "", "");
    world.send(1, &text);
    assert_eq!(world.get_response(1).status().code(), 401);
    assert!(world.effects.is_empty());
}

#[test]
fn a_client_that_cannot_look_past_another_algorithm_is_shown_md5_alone() {
    let mut world = World::new();
    world.open(1, false);
    for (agent, count) in [("baresip v1.0.0 (x86_64/linux)", 1), ("baresip v3.9.0", 2)] {
        let fields = format!("User-Agent: {agent}\r\n");
        let text = world.text(
            1,
            "REGISTER",
            "sip:example.com",
            "sip:alice@example.com",
            &fields,
            "",
        );
        world.send(1, &text);
        let response = world.get_response(1);
        let values: Vec<_> = response.headers().values(&HeaderName::WWW_AUTHENTICATE).collect();
        assert_eq!(values.len(), count, "{agent}");
        assert!(values[0].contains("MD5"));
    }
}

#[test]
fn challenges_come_md5_first() {
    let mut world = World::new();
    world.open(1, false);
    let text = world.message(1, "alice", "bob", "hi");
    world.send(1, &text);
    let response = world.get_response(1);
    let values: Vec<_> = response
        .headers()
        .values(&HeaderName::PROXY_AUTHENTICATE)
        .collect();
    assert_eq!(values.len(), 2);
    assert!(values[0].contains("MD5") && values[1].contains("SHA-256"));
}

#[test]
fn a_wrong_password_is_challenged_again() {
    let mut world = World::new();
    world.open(1, false);
    let text = world.message(1, "alice", "bob", "hi");
    world.send(1, &text);
    let challenge = world.get_response(1);
    let text = authorized(&text, "bob", &challenge).replace("username=\"bob\"", "username=\"alice\"");
    world.send(1, &text);
    assert_eq!(world.get_response(1).status().code(), 407);
}

#[test]
fn credentials_are_good_for_one_request() {
    let mut world = World::new();
    world.open(1, false);
    world.open(2, false);
    assert_eq!(world.register(2, "bob").status().code(), 200);
    let text = world.message(1, "alice", "bob", "hi");
    world.send(1, &text);
    let challenge = world.get_response(1);
    let text = authorized(&text, "alice", &challenge);
    world.send(1, &text);
    let request = world.get_request(2);
    world.reply(2, &request, 200, &[]);
    assert_eq!(world.get_response(1).status().code(), 200);
    let again = text.replacen("branch=z9hG4bKa", "branch=z9hG4bKb", 1);
    world.send(1, &again);
    assert_eq!(world.get_response(1).status().code(), 407);
    assert!(world.get(2).is_none());
}

#[test]
fn nobody_writes_another_name_into_from() {
    let mut world = World::new();
    world.open(1, false);
    let text = world.message(1, "carol", "bob", "hi");
    let response = world.ask(1, "alice", &text);
    assert_eq!(response.status().code(), 403);
    assert!(
        response
            .headers()
            .value(&HeaderName::WARNING)
            .unwrap()
            .contains("127 Service not authorised")
    );
}

#[test]
fn nobody_registers_somebody_else() {
    let mut world = World::new();
    world.open(1, false);
    let uri = "sip:bob@example.com";
    let text = world.text(
        1,
        "REGISTER",
        uri,
        uri,
        "Contact: <sip:mallory@127.0.0.1:6001>\r\n",
        "",
    );
    let text = text.replacen("REGISTER sip:bob@example.com", "REGISTER sip:example.com", 1);
    assert_eq!(world.ask(1, "alice", &text).status().code(), 403);
}

//= R-6.1.3.2-01
//= type=test
#[test]
fn assertions_from_outside_are_replaced() {
    let mut world = World::new();
    world.open(1, false);
    world.open(2, false);
    world.register(2, "bob");
    let text = world.message(1, "alice", "bob", "hi").replacen(
        "Max-Forwards",
        "P-Asserted-Identity: <sip:carol@example.com>\r\nP-Asserted-Identity: <tel:+19998888>\r\nMax-Forwards",
        1,
    );
    world.begin(1, "alice", &text);
    let request = world.get_request(2);
    let asserted: Vec<_> = request
        .headers()
        .all::<PAssertedIdentity>()
        .map(|one| one.unwrap().uri().to_string())
        .collect();
    assert_eq!(asserted, ["sip:alice@example.com"]);
    assert!(!request.headers().contains(&HeaderName::PROXY_AUTHORIZATION));
}

#[test]
fn a_user_of_several_identities_chooses_the_one_that_is_asserted() {
    let mut world = World::new();
    world.open(1, false);
    world.open(2, false);
    world.register(2, "bob");
    for (preferred, expected) in [
        ("tel:+1-555-1234", "tel:+15551234"),
        ("<sip:carol@example.com>", "sip:alice@example.com"),
    ] {
        let fields = format!("P-Preferred-Identity: {preferred}\r\nMax-Forwards");
        let text = world
            .message(1, "alice", "bob", "hi")
            .replacen("Max-Forwards", &fields, 1);
        world.begin(1, "alice", &text);
        let request = world.get_request(2);
        let asserted: Vec<_> = request
            .headers()
            .all::<PAssertedIdentity>()
            .map(|one| one.unwrap().uri().to_string())
            .collect();
        assert_eq!(asserted, [expected]);
        assert!(!request.headers().contains(&HeaderName::P_PREFERRED_IDENTITY));
    }
}

#[test]
fn an_alias_is_one_of_the_users_names() {
    let mut world = World::new();
    world.open(1, false);
    world.open(2, false);
    world.register(2, "bob");
    let text = world.text(
        1,
        "MESSAGE",
        "sip:bob@example.com",
        "tel:+1-555-1234",
        "Content-Type: text/plain\r\n",
        "hi",
    );
    world.begin(1, "alice", &text);
    assert_eq!(world.get_request(2).body().as_ref(), b"hi");
}

#[test]
fn a_trusted_peer_is_believed_and_a_silent_one_is_not() {
    let mut world = World::new();
    world.open(1, true);
    world.open(2, false);
    world.register(2, "bob");
    let text = world.text(
        1,
        "MESSAGE",
        "sip:bob@example.com",
        "sip:x@b.test",
        "Content-Type: text/plain\r\n",
        "hi",
    );
    let with = text.replacen(
        "Max-Forwards",
        "P-Asserted-Identity: <sip:x@b.test>\r\nMax-Forwards",
        1,
    );
    world.send(1, &with);
    assert_eq!(world.get_request(2).body().as_ref(), b"hi");
    let text = world.text(
        1,
        "MESSAGE",
        "sip:bob@example.com",
        "sip:x@b.test",
        "Content-Type: text/plain\r\n",
        "hi",
    );
    world.send(1, &text);
    assert_eq!(world.get_response(1).status().code(), 403);
}

#[test]
fn in_trusted_mode_strangers_are_refused() {
    let mut config = config();
    config.authenticate = false;
    let mut world = World::with(config);
    world.open(1, false);
    let text = world.message(1, "alice", "bob", "hi");
    world.send(1, &text);
    assert_eq!(world.get_response(1).status().code(), 403);
}

#[test]
fn a_trusted_peer_cannot_use_the_server_as_an_open_relay() {
    let mut world = World::new();
    world.open(1, true);
    let text = world.text(
        1,
        "MESSAGE",
        "sip:y@c.test",
        "sip:x@b.test",
        "P-Asserted-Identity: <sip:x@b.test>\r\n",
        "",
    );
    world.send(1, &text);
    assert_eq!(world.get_response(1).status().code(), 404);
}
