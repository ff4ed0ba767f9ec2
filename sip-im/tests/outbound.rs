//! Flows that are registered and kept alive (RFC 5626), instances and their addresses (RFC 5627), at both ends.
#![cfg(test)]

mod machines;

use std::time::{Duration, Instant};

use bytes::Bytes;
use machines::talk::SECOND;
use machines::{FINE, Pair, entropy, epoch, uri};
use sip_im::endpoint::{Endpoint, Event, Input};
use sip_im::header::{Contact, FlowTimer, HeaderName, NameAddr, Require, Supported, Via};
use sip_im::registration::{
    Config, ContactChange, Recovery, RecoveryConfig, Registrar, RegistrarEvent, Registration,
    RegistrationState,
};
use sip_im::{FlowId, Request, Response, StatusCode, Transport};

const URN: &str = "urn:uuid:00000000-0000-1000-8000-000a95a0e128";

fn client(contact: &str, call_id: &str) -> Registration {
    let aor = uri("sip:alice@a.test");
    Registration::new(
        aor,
        uri("sip:a.test"),
        NameAddr::new(uri(contact)),
        call_id,
        "t",
        600,
    )
    .with_instance(URN)
    .expect("a urn")
}

fn registrar(change: impl FnOnce(&mut Config)) -> Registrar {
    let mut config = Config::default();
    change(&mut config);
    Registrar::new(config).with_gruus(entropy(8))
}

fn register(server: &mut Registrar, client: &mut Registration, flow: u64, now: Instant) -> Response {
    let mut request = client.register().expect("a register");
    let via = Via::new("TCP", "192.0.2.1", None, "z9hG4bK1");
    request.headers_mut().push_front_typed(&via).expect("a via");
    let response = answered(server, &request, flow, now);
    client.handle_response(&response, now);
    response
}

fn answered(server: &mut Registrar, request: &Request, flow: u64, now: Instant) -> Response {
    let outcome = server.register(request, &uri("sip:alice@a.test"), FlowId(flow), now);
    outcome.response(request, "r").expect("a response")
}

#[test]
fn an_instance_gets_its_addresses_and_they_lead_to_it() {
    //= https://www.rfc-editor.org/rfc/rfc5627#section-5.1
    //= type=test
    //# The public GRUU MUST be
    //# constructed by adding the "gr" URI parameter, with a value, to the
    //# AOR.
    let now = epoch();
    let mut server = registrar(|_| {});
    let mut one = client("sip:alice@192.0.2.1", "c1");
    register(&mut server, &mut one, 1, now);
    let public = one.public_gruu().expect("a public gruu").clone();
    let temporary = one.temporary_gruu().expect("a temporary gruu").clone();
    assert_eq!(public, uri(&format!("sip:alice@a.test;gr={URN}")));
    assert!(!temporary.as_str().contains("alice") && temporary.parameter("gr") == Some(None));
    let mut other = Registration::new(
        uri("sip:alice@a.test"),
        uri("sip:a.test"),
        NameAddr::new(uri("sip:alice@192.0.2.9")),
        "c9",
        "t",
        600,
    );
    register(&mut server, &mut other, 2, now);
    assert!(other.public_gruu().is_none(), "no instance, no address");
    for gruu in [&public, &temporary] {
        let found = server.dereference(gruu, now).expect("a gruu").expect("found");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].uri(), &uri("sip:alice@192.0.2.1"));
    }
    assert!(server.dereference(&uri("sip:alice@a.test"), now).is_none());
    // Each refresh gives another, and the old ones stay valid up to the limit.
    let mut all = vec![temporary];
    for _ in 0..20 {
        register(&mut server, &mut one, 1, now);
        all.push(one.temporary_gruu().expect("a temporary gruu").clone());
        assert!(server.temporary_gruus() <= 8);
    }
    assert!(
        all.iter()
            .all(|gruu| matches!(server.dereference(gruu, now), Some(Ok(_))))
    );
    //= https://www.rfc-editor.org/rfc/rfc5627#section-5.1
    //= type=test
    //# If it differs from the one in the REGISTER request, the registrar
    //# MUST invalidate all previously generated temporary GRUUs for the AOR
    //# and instance ID.
    let mut again = client("sip:alice@192.0.2.1", "c2");
    register(&mut server, &mut again, 1, now);
    assert!(
        all.iter()
            .all(|gruu| server.dereference(gruu, now) == Some(Err(StatusCode::NOT_FOUND)))
    );
    let temporary = again.temporary_gruu().expect("a temporary gruu").clone();
    assert!(matches!(server.dereference(&temporary, now), Some(Ok(_))));
    //= https://www.rfc-editor.org/rfc/rfc5627#section-5.3
    //= type=test
    //# This means that
    //# all of the accumulated temporary GRUUs get invalidated once the last
    //# contact for a given instance ID expires.
    server.handle_timeout(now + 600 * SECOND);
    assert_eq!(server.temporary_gruus(), 0);
    assert_eq!(
        server.dereference(&public, now + 600 * SECOND),
        Some(Err(StatusCode::TEMPORARILY_UNAVAILABLE))
    );
}

#[test]
fn a_contact_that_would_lead_back_gets_no_address() {
    //= https://www.rfc-editor.org/rfc/rfc5627#section-5.1
    //= type=test
    //# If the contact URI is equivalent (based on URI equivalence in RFC
    //# 3261 [1]) to the AOR, the registrar MUST reject the request with a
    //# 403, since this would cause a routing loop.
    let now = epoch();
    let mut server = registrar(|_| {});
    for contact in ["sip:alice@a.test", "mailto:alice@a.test"] {
        let request = client(contact, "c").register().expect("a register");
        assert_eq!(
            answered(&mut server, &request, 1, now).status(),
            StatusCode::FORBIDDEN
        );
    }
    assert!(server.is_empty() && server.temporary_gruus() == 0);
}

#[test]
fn an_instance_may_have_several_flows_of_which_one_is_used() {
    //= https://www.rfc-editor.org/rfc/rfc5626#section-7
    //= type=test
    //# The proxy MUST NOT populate the target set with more than one contact
    //# with the same AOR and instance-id at a time.
    let now = epoch();
    let mut server = registrar(|c| c.flow_timer = Some(120));
    let mut flows = [1, 2].map(|id| {
        client("sip:alice@192.0.2.1", &format!("c{id}"))
            .with_flow(id)
            .expect("a number")
    });
    for (at, flow) in flows.iter_mut().enumerate() {
        let response = register(&mut server, flow, at as u64 + 1, now);
        assert_eq!(
            response.headers().require::<FlowTimer>().expect("Flow-Timer"),
            FlowTimer(120)
        );
        assert!(
            response
                .headers()
                .require::<Require>()
                .expect("Require")
                .contains("outbound")
        );
        assert!(flow.is_outbound() && flow.flow_timer() == Some(120));
    }
    let mut third = Registration::new(
        uri("sip:alice@a.test"),
        uri("sip:a.test"),
        NameAddr::new(uri("sip:alice@192.0.2.9")),
        "c9",
        "t",
        600,
    );
    register(&mut server, &mut third, 3, now);
    let aor = uri("sip:alice@a.test").identity();
    let targets = server.targets(&aor, now);
    assert_eq!(targets.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(targets[0][0].reg_id(), Some(2), "the latest first");
    register(&mut server, &mut flows[0], 1, now);
    assert_eq!(server.targets(&aor, now)[0][0].reg_id(), Some(1));
    server.flow_closed(FlowId(1));
    let targets = server.targets(&aor, now);
    assert_eq!(targets.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    assert!(matches!(
        server.dereference(flows[1].public_gruu().expect("a gruu"), now),
        Some(Ok(_))
    ));
}

#[test]
fn what_becomes_of_each_contact_is_told() {
    let now = epoch();
    let mut server = registrar(|c| c.report_contacts = true);
    let changes = |server: &mut Registrar| {
        let mut changes = Vec::new();
        while let Some(event) = server.poll_event() {
            if let RegistrarEvent::Contact { id, change, .. } = event {
                changes.push((id, change));
            }
        }
        changes
    };
    let mut one = client("sip:alice@192.0.2.1", "c1")
        .with_flow(1)
        .expect("a number");
    register(&mut server, &mut one, 1, now);
    assert_eq!(changes(&mut server), [(1, ContactChange::Registered)]);
    register(&mut server, &mut one, 1, now + SECOND);
    assert_eq!(changes(&mut server), [(1, ContactChange::Refreshed)]);
    let mut brief = one.register().expect("a register");
    let via = Via::new("TCP", "192.0.2.1", None, "z9hG4bK1");
    brief.headers_mut().push_front_typed(&via).expect("a via");
    brief
        .headers_mut()
        .set(&HeaderName::EXPIRES, "60")
        .expect("a line");
    answered(&mut server, &brief, 1, now + SECOND);
    assert_eq!(changes(&mut server), [(1, ContactChange::Shortened)]);
    server.flow_closed(FlowId(1));
    assert_eq!(changes(&mut server), [(1, ContactChange::Deactivated)]);
    let mut two = client("sip:alice@192.0.2.2", "c2");
    register(&mut server, &mut two, 2, now);
    let id = changes(&mut server)[0].0;
    assert!(id > 1, "numbers are not used again");
    let end = two.unregister().expect("a register");
    answered(&mut server, &end, 2, now);
    assert_eq!(changes(&mut server), [(id, ContactChange::Unregistered)]);
    register(&mut server, &mut two, 2, now);
    server.handle_timeout(now + 600 * SECOND);
    assert_eq!(
        changes(&mut server).last().map(|(_, change)| *change),
        Some(ContactChange::Expired)
    );
}

#[test]
fn a_client_learns_what_the_registrar_tells() {
    //= https://www.rfc-editor.org/rfc/rfc5626#section-4.2.1
    //= type=test
    //# UAs that support this
    //# specification MUST include the outbound option tag in a Supported
    //# header field in a REGISTER request.
    //= https://www.rfc-editor.org/rfc/rfc3608#section-6.1
    //= type=test
    //# The UA MUST preserve the order, in case there is more than one
    //# Service-Route header field or header field value.
    let now = epoch();
    let mut client = client("sip:alice@192.0.2.1", "c1")
        .with_flow(1)
        .expect("a number")
        .with_feature("+g.oma.sip-im", None)
        .expect("a tag")
        .with_routes(vec![uri("sip:edge.a.test;lr")]);
    let request = client.register().expect("a register");
    let supported = request.headers().require::<Supported>().expect("Supported");
    assert!(
        ["path", "gruu", "outbound"]
            .iter()
            .all(|option| supported.contains(option))
    );
    assert_eq!(
        request.headers().value(&HeaderName::ROUTE).as_deref(),
        Some("<sip:edge.a.test;lr>")
    );
    assert!(
        request
            .headers()
            .require::<Contact>()
            .expect("Contact")
            .has_feature("+g.oma.sip-im")
    );
    let text = format!(
        "<sip:alice@10.0.0.1>;+sip.instance=\"<{URN}>\";reg-id=1;expires=300;pub-gruu=\"sip:alice@a.test;gr={URN}\""
    );
    let response = request
        .response(StatusCode::OK)
        .to_tag("r")
        .header(&HeaderName::CONTACT, &text)
        .and_then(|r| r.header(&HeaderName::SERVICE_ROUTE, "<sip:one.test;lr>, <sip:two.test;lr>"))
        .and_then(|r| r.header(&HeaderName::SERVICE_ROUTE, "<sip:three.test;lr>"))
        .and_then(|r| {
            r.header(
                &HeaderName::P_ASSOCIATED_URI,
                "<sip:alice@a.test>, <tel:+15551234>",
            )
        })
        .and_then(sip_im::ResponseBuilder::build)
        .expect("a response");
    let state = client.handle_response(&response, now);
    let until = now + 300 * SECOND;
    assert_eq!(state, RegistrationState::Registered { until });
    let routes: Vec<_> = client.service_route().iter().map(ToString::to_string).collect();
    assert_eq!(
        routes,
        ["sip:one.test;lr", "sip:two.test;lr", "sip:three.test;lr"]
    );
    assert_eq!(client.associated_uris()[1], uri("tel:+15551234"));
    assert!(client.public_gruu().is_some() && client.temporary_gruu().is_none());
    assert!(!client.is_outbound(), "the registrar did not say so");
    // A renewal that is refused ends nothing.
    let refused = client
        .register()
        .expect("a register")
        .response(StatusCode::SERVER_INTERNAL_ERROR)
        .build()
        .expect("a response");
    client.handle_response(&refused, now + SECOND);
    assert_eq!(client.registered_until(), Some(until));
    assert!(client.public_gruu().is_some());
}

#[test]
fn a_first_hop_without_flows_is_registered_through_without_one() {
    //= https://www.rfc-editor.org/rfc/rfc5626#section-4.2.1
    //= type=test
    //# If the registering UA receives a 439 (First Hop Lacks Outbound
    //# Support) response to a REGISTER request, it MAY re-attempt
    //# registration without using the outbound mechanism (subject to local
    //# policy at the client).
    let now = epoch();
    let mut client = client("sip:alice@192.0.2.1", "c1")
        .with_flow(1)
        .expect("a number");
    let state = |client: &mut Registration| {
        let request = client.register().expect("a register");
        let response = request.response(StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT);
        client.handle_response(&response.build().expect("a response"), now)
    };
    assert_eq!(state(&mut client), RegistrationState::NoOutbound);
    let request = client.register().expect("a register");
    assert!(
        !request
            .headers()
            .require::<Contact>()
            .expect("Contact")
            .params()
            .expect("some")
            .contains("reg-id")
    );
    let refused = RegistrationState::Refused(StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT);
    assert_eq!(state(&mut client), refused, "no loop");
}

#[test]
fn a_flow_that_fails_is_formed_again_later_and_later() {
    //= https://www.rfc-editor.org/rfc/rfc5626#section-4.5
    //= type=test
    //# W = min (max-time, (base-time * (2 ^ consecutive-failures)))
    //= https://www.rfc-editor.org/rfc/rfc5626#section-4.5
    //= type=test
    //# The actual amount of time the UA waits before retrying
    //# registration (the retry delay time) is computed by selecting a
    //# uniform random time between 50 and 100% of the upper-bound wait time.
    let mut dice = entropy(3);
    let mut recovery = Recovery::new(RecoveryConfig::default());
    for bound in [60, 120, 240, 480, 960, 1800, 1800, 1800] {
        let wait = recovery.failed(true, None, &mut dice);
        assert!(
            wait >= bound * SECOND / 2 && wait <= bound * SECOND,
            "{bound}: {wait:?}"
        );
    }
    for _ in 0..100 {
        assert!(recovery.failed(true, None, &mut dice) <= 1800 * SECOND);
    }
    recovery.succeeded();
    let wait = recovery.failed(false, None, &mut dice);
    assert!(wait >= 90 * SECOND && wait <= 180 * SECOND);
    assert_eq!(
        recovery.failed(false, Some(3600 * SECOND), &mut dice),
        3600 * SECOND
    );
}

/// An endpoint with one flow, and what it does on it over time: pings, and news.
fn kept(transport: Transport) -> (Endpoint, FlowId, Instant) {
    let now = epoch();
    let mut endpoint = Endpoint::new(sip_im::endpoint::Config::default(), entropy(5));
    let flow = FlowId(1);
    let address = |text: &str| text.parse().expect("an address");
    endpoint.handle_input(
        Input::Opened {
            flow,
            transport,
            local: address("192.0.2.1:5060"),
            remote: address("192.0.2.2:5060"),
            open: None,
            trusted: false,
        },
        now,
    );
    while endpoint.poll_event().is_some() {}
    assert!(endpoint.keep_alive(flow, 120 * SECOND, now));
    (endpoint, flow, now)
}

#[test]
fn a_stream_is_pinged_and_has_failed_without_a_pong() {
    //= https://www.rfc-editor.org/rfc/rfc5626#section-4.4.1
    //= type=test
    //# If a pong is not received within 10 seconds after sending a ping (or
    //# immediately after processing any incoming message being received when
    //# that 10 seconds expires), then the client MUST treat the flow as
    //# failed.
    let (mut endpoint, flow, mut now) = kept(Transport::Tcp);
    let mut waits = Vec::new();
    for round in 0..5 {
        let due = endpoint.poll_timeout().expect("a ping");
        waits.push(due - now);
        now = due;
        endpoint.handle_timeout(now);
        let sent: Vec<_> = std::iter::from_fn(|| endpoint.poll_transmit(now)).collect();
        let Some(sip_im::endpoint::Transmit::Send { data, .. }) = sent.last() else {
            panic!("a ping")
        };
        assert_eq!(data.as_ref(), b"\r\n\r\n");
        if round < 4 {
            let data = Bytes::from_static(b"\r\n");
            endpoint.handle_input(Input::Received { flow, data }, now + SECOND);
        }
    }
    assert!(
        waits
            .iter()
            .all(|wait| (96 * SECOND..=120 * SECOND).contains(wait)),
        "{waits:?}"
    );
    assert!(waits.windows(2).any(|two| two[0] != two[1]));
    assert_eq!(endpoint.poll_timeout(), Some(now + 10 * SECOND));
    assert!(endpoint.poll_event().is_none());
    endpoint.handle_timeout(now + 10 * SECOND);
    assert!(matches!(endpoint.poll_event(), Some(Event::FlowClosed { flow: gone }) if gone == flow));
    assert!(endpoint.poll_transmit(now).is_some(), "it is closed");
    assert!(endpoint.is_drained() && endpoint.poll_timeout().is_none());
    assert!(!endpoint.keep_alive(flow, SECOND, now));
}

#[test]
fn a_message_on_its_way_is_waited_for_before_a_flow_fails() {
    let (mut endpoint, flow, _) = kept(Transport::Tls);
    let now = endpoint.poll_timeout().expect("a ping");
    endpoint.handle_timeout(now);
    let received = |endpoint: &mut Endpoint, data: &'static [u8], at| {
        let data = Bytes::from_static(data);
        endpoint.handle_input(Input::Received { flow, data }, at);
    };
    received(&mut endpoint, b"OPTIONS sip:a SIP/2.0\r\n", now + 9 * SECOND);
    endpoint.handle_timeout(now + 10 * SECOND);
    assert!(endpoint.poll_event().is_none());
    received(&mut endpoint, b"Content-Length: 0\r\n\r\n\r\n", now + 10 * SECOND);
    endpoint.handle_timeout(now + 30 * SECOND);
    let closed =
        std::iter::from_fn(|| endpoint.poll_event()).any(|event| matches!(event, Event::FlowClosed { .. }));
    assert!(!closed, "the pong was behind it");
    endpoint.stop_keep_alive(flow);
    endpoint.handle_timeout(now + 600 * SECOND);
    let pinged = std::iter::from_fn(|| endpoint.poll_transmit(now)).filter(|transmit| {
        matches!(transmit, sip_im::endpoint::Transmit::Send { data, .. } if data.as_ref() == b"\r\n\r\n")
    });
    assert_eq!(pinged.count(), 1, "none after that");
}

#[test]
fn datagrams_are_kept_alive_by_the_host() {
    let (mut endpoint, flow, start) = kept(Transport::Udp);
    assert!(endpoint.keep_alive(flow, 29 * SECOND, start));
    let mut now = start;
    for _ in 0..20 {
        let due = endpoint.poll_timeout().expect("a time");
        assert!((24 * SECOND..=29 * SECOND).contains(&(due - now)));
        now = due;
        endpoint.handle_timeout(now);
        assert!(matches!(endpoint.poll_event(), Some(Event::KeepAliveDue { flow: due }) if due == flow));
        assert!(endpoint.poll_transmit(now).is_none());
    }
}

#[test]
fn two_ends_keep_a_stream_alive() {
    let mut pair = Pair::new(FINE, 3);
    let request = machines::request(sip_im::Method::Options, "c");
    machines::talk::send(&mut pair, request, Transport::Tcp);
    pair.run_for(SECOND);
    let flow = pair.flows(0)[0].0;
    let now = pair.now;
    assert!(pair.ends[0].endpoint.keep_alive(flow, 20 * SECOND, now));
    pair.run_for(Duration::from_secs(3600));
    assert_eq!(pair.flows(0).len(), 1, "still there");
    assert!(
        !pair.ends[0]
            .events
            .iter()
            .any(|event| matches!(event, Event::FlowClosed { .. }))
    );
}
