//! The registrar and the client's registration (RFC 3261 section 10).
#![cfg(test)]

mod machines;

use std::time::{Duration, Instant};

use machines::{epoch, uri};
use proptest::prelude::*;
use sip_im::header::{Contact, Expires, MinExpires, NameAddr, Path, Require, Supported, Via};
use sip_im::registration::{
    Config, RegisterOutcome, Registrar, RegistrarEvent, Registration, RegistrationState,
};
use sip_im::{FlowId, Identity, Method, Request, StatusCode, Uri};

const SECOND: Duration = Duration::from_secs(1);

/// A REGISTER with these contacts, written as they stand in the header field.
fn register(call: &str, sequence: u32, contacts: &[&str], expires: Option<u32>) -> Request {
    let aor = uri("sip:alice@example.com");
    let mut builder = Request::builder(Method::Register, uri("sip:example.com"))
        .from(&aor, None, "f")
        .to(&aor, None)
        .call_id(call)
        .cseq(sequence)
        .header_typed(&Via::new("UDP", "192.0.2.4", None, "z9hG4bK1"));
    if let Some(seconds) = expires {
        builder = builder.header_typed(&Expires(seconds));
    }
    for contact in contacts {
        builder = builder
            .header(&sip_im::header::HeaderName::CONTACT, contact)
            .expect("a contact");
    }
    builder.build().expect("a request")
}

struct Fixture {
    registrar: Registrar,
    now: Instant,
}

impl Fixture {
    fn new(config: Config) -> Self {
        Self {
            registrar: Registrar::new(config),
            now: epoch(),
        }
    }

    fn give(&mut self, request: &Request) -> RegisterOutcome {
        self.registrar
            .register(request, &uri("sip:alice@example.com"), FlowId(1), self.now)
    }

    fn contacts(&self) -> Vec<String> {
        let bindings = self.registrar.bindings(&alice(), self.now);
        bindings.iter().map(|binding| binding.uri().to_string()).collect()
    }

    fn pass(&mut self, time: Duration) -> Vec<RegistrarEvent> {
        self.now += time;
        self.registrar.handle_timeout(self.now);
        assert!(self.registrar.poll_timeout().is_none_or(|next| next > self.now));
        std::iter::from_fn(|| self.registrar.poll_event()).collect()
    }
}

fn alice() -> Identity {
    uri("sip:alice@example.com").identity()
}

#[test]
fn a_binding_is_made_renewed_and_removed() {
    let mut fixture = Fixture::new(Config::default());
    let outcome = fixture.give(&register("c", 1, &["<sip:a@192.0.2.4>"], Some(100)));
    assert_eq!(
        (outcome.status, outcome.first, outcome.gone),
        (StatusCode::OK, true, false)
    );
    let outcome = fixture.give(&register("c", 2, &["<sip:a@192.0.2.4>"], Some(200)));
    assert_eq!((outcome.first, outcome.gone), (false, false));
    assert_eq!(fixture.contacts(), ["sip:a@192.0.2.4"]);
    assert_eq!(fixture.pass(150 * SECOND), []);
    let request = register("c", 3, &[], None);
    let outcome = fixture.give(&request);
    //= https://www.rfc-editor.org/rfc/rfc3261#section-10.3
    //= type=test
    //# Each Contact value MUST feature an "expires"
    //# parameter indicating its expiration interval chosen by the
    //# registrar.
    let response = outcome.response(&request, "t").expect("a response");
    let contact = response.headers().require::<Contact>().expect("Contact");
    assert_eq!(contact.expires(), Some(50), "a query tells what is left");
    let outcome = fixture.give(&register("c", 4, &["<sip:a@192.0.2.4>;expires=0"], None));
    assert_eq!((outcome.first, outcome.gone), (false, true));
    assert!(fixture.registrar.is_empty() && fixture.registrar.poll_timeout().is_none());
}

#[test]
fn a_binding_ends_with_its_time() {
    let mut fixture = Fixture::new(Config::default());
    fixture.give(&register(
        "c",
        1,
        &["<sip:a@192.0.2.4>;expires=100", "<sip:b@192.0.2.5>;expires=200"],
        None,
    ));
    assert_eq!(fixture.pass(99 * SECOND), []);
    assert_eq!(
        fixture.pass(SECOND),
        [RegistrarEvent::Expired {
            aor: alice(),
            gone: false
        }]
    );
    assert_eq!(fixture.contacts(), ["sip:b@192.0.2.5"]);
    assert_eq!(
        fixture.pass(100 * SECOND),
        [RegistrarEvent::Expired {
            aor: alice(),
            gone: true
        }]
    );
    assert!(fixture.registrar.is_empty() && fixture.registrar.poll_timeout().is_none());
}

#[test]
fn an_overtaken_request_changes_nothing() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-10.3
    //= type=test
    //# REGISTER requests MUST
    //# also be processed atomically, meaning that a
    //# particular REGISTER request is either processed completely or not at
    //# all.
    let mut fixture = Fixture::new(Config::default());
    fixture.give(&register("c", 5, &["<sip:a@192.0.2.4>"], None));
    for late in [4, 5] {
        let outcome = fixture.give(&register(
            "c",
            late,
            &["<sip:new@192.0.2.9>", "<sip:a@192.0.2.4>;expires=0"],
            None,
        ));
        assert_eq!(outcome.status, StatusCode::SERVER_INTERNAL_ERROR);
        let outcome = fixture.give(&register("c", late, &["*"], Some(0)));
        assert_eq!(outcome.status, StatusCode::SERVER_INTERNAL_ERROR);
    }
    assert_eq!(fixture.contacts(), ["sip:a@192.0.2.4"]);
    let outcome = fixture.give(&register("other", 1, &["<sip:a@192.0.2.4>;expires=0"], None));
    assert_eq!(
        (outcome.status, outcome.gone),
        (StatusCode::OK, true),
        "another client decides anew"
    );
}

#[test]
fn the_star_removes_everything_and_stands_alone() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-10.3
    //= type=test
    //# If the request has additional Contact
    //# fields or an expiration time other than zero, the request is
    //# invalid, and the server MUST return a 400 (Invalid Request) and
    //# skip the remaining steps.
    let mut fixture = Fixture::new(Config::default());
    fixture.give(&register(
        "c",
        1,
        &["<sip:a@192.0.2.4>", "<sip:b@192.0.2.5>"],
        None,
    ));
    for (contacts, expires) in [
        (&["*"][..], None),
        (&["*"], Some(60)),
        (&["*", "<sip:a@192.0.2.4>"], Some(0)),
    ] {
        assert_eq!(
            fixture.give(&register("c", 2, contacts, expires)).status,
            StatusCode::BAD_REQUEST
        );
    }
    assert_eq!(fixture.contacts().len(), 2);
    assert!(fixture.give(&register("c", 3, &["*"], Some(0))).gone);
}

#[test]
fn durations_are_bounded() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-10.3
    //= type=test
    //# If and only if the requested expiration
    //# interval is greater than zero AND smaller than one hour AND
    //# less than a registrar-configured minimum, the registrar MAY
    //# reject the registration with a response of 423 (Interval Too
    //# Brief).
    let mut fixture = Fixture::new(Config::default());
    let request = register("c", 1, &["<sip:a@192.0.2.4>"], Some(59));
    let response = fixture
        .give(&request)
        .response(&request, "t")
        .expect("a response");
    assert_eq!(response.status(), StatusCode::INTERVAL_TOO_BRIEF);
    assert_eq!(
        response.headers().get::<MinExpires>().expect("Min-Expires"),
        Some(MinExpires(60))
    );
    let outcome = fixture.give(&register("c", 2, &["<sip:a@192.0.2.4>"], Some(4_000_000_000)));
    assert_eq!(outcome.contacts.first().map(|(_, seconds)| *seconds), Some(7200));
    let outcome = fixture.give(&register("c", 3, &["<sip:a@192.0.2.4>"], None));
    assert_eq!(outcome.contacts.first().map(|(_, seconds)| *seconds), Some(3600));
}

#[test]
fn what_is_held_is_bounded() {
    let mut config = Config::default();
    config.max_contacts = 3;
    config.max_aors = 2;
    config.max_contact_octets = 200;
    let mut fixture = Fixture::new(config);
    for at in 0..5 {
        let contact = format!("<sip:a{at}@192.0.2.4>");
        let outcome = fixture.give(&register(&format!("c{at}"), 1, &[&contact], None));
        assert_eq!(
            outcome.status,
            if at < 3 {
                StatusCode::OK
            } else {
                StatusCode::FORBIDDEN
            }
        );
    }
    let long = format!("<sip:{}@192.0.2.4>", "a".repeat(200));
    assert_eq!(
        fixture.give(&register("long", 1, &[&long], None)).status,
        StatusCode::FORBIDDEN
    );
    for (user, status) in [
        ("bob", StatusCode::OK),
        ("carol", StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let aor = uri(&format!("sip:{user}@example.com"));
        let request = register("c", 1, &["<sip:x@192.0.2.7>"], None);
        assert_eq!(
            fixture
                .registrar
                .register(&request, &aor, FlowId(1), fixture.now)
                .status,
            status
        );
    }
    assert_eq!(fixture.registrar.len(), 2);
}

#[test]
fn the_path_is_kept_and_repeated() {
    //= https://www.rfc-editor.org/rfc/rfc3327#section-5.3
    //= type=test
    //# The recommended
    //# policy is for the registrar to reject the request with a 420 "Bad
    //# Extension" response indicating the Path extension.
    let mut fixture = Fixture::new(Config::default());
    let mut request = register("c", 1, &["<sip:a@192.0.2.4>"], None);
    request
        .headers_mut()
        .push_typed(&Path::new(uri("sip:p1.example.com;lr")))
        .expect("Path");
    request
        .headers_mut()
        .push_typed(&Path::new(uri("sip:p2.example.com;lr")))
        .expect("Path");
    assert_eq!(fixture.give(&request).status, StatusCode::BAD_EXTENSION);
    request
        .headers_mut()
        .push_typed(&Supported::new(["path"]))
        .expect("Supported");
    let response = fixture
        .give(&request)
        .response(&request, "t")
        .expect("a response");
    let path: Vec<_> = response
        .headers()
        .all::<Path>()
        .map(|path| path.expect("Path").uri().to_string())
        .collect();
    assert_eq!(path, ["sip:p1.example.com;lr", "sip:p2.example.com;lr"]);
    let binding = fixture.registrar.bindings(&alice(), fixture.now).remove(0);
    assert_eq!(
        binding
            .path
            .iter()
            .map(|path| path.uri.to_string())
            .collect::<Vec<_>>(),
        path
    );
}

#[test]
fn flows_of_an_instance_are_told_apart_and_end_with_their_connection() {
    //= https://www.rfc-editor.org/rfc/rfc5626#section-6
    //= type=test
    //# When a "+sip.instance" Contact header field parameter and a "reg-id"
    //# Contact header field parameter are present in a Contact header field
    //# of a REGISTER request (after the Contact header validation as
    //# described above), the corresponding binding is between an AOR and the
    //# combination of the instance-id (from the "+sip.instance" Contact
    //# header parameter) and the value of "reg-id" Contact header field
    //# parameter parameter.
    let mut fixture = Fixture::new(Config::default());
    let aor = uri("sip:alice@example.com");
    for (flow, call, reg, port) in [(1, "c1", 1, 1000), (2, "c2", 2, 1001), (3, "c3", 1, 1002)] {
        let contact = format!("<sip:a@192.0.2.4:{port}>;+sip.instance=\"<urn:uuid:x>\";reg-id={reg}");
        let mut request = register(call, 1, &[&contact], None);
        request
            .headers_mut()
            .push_typed(&Supported::new(["outbound", "path"]))
            .expect("Supported");
        let outcome = fixture
            .registrar
            .register(&request, &aor, FlowId(flow), fixture.now);
        let response = outcome.response(&request, "t").expect("a response");
        assert!(
            response
                .headers()
                .require::<Require>()
                .expect("Require")
                .contains("outbound")
        );
    }
    let plain = register("c4", 1, &["<sip:b@192.0.2.5>"], None);
    fixture.registrar.register(&plain, &aor, FlowId(2), fixture.now);
    assert_eq!(
        fixture.contacts(),
        ["sip:a@192.0.2.4:1002", "sip:a@192.0.2.4:1001", "sip:b@192.0.2.5"]
    );
    fixture.registrar.flow_closed(FlowId(1));
    assert_eq!(fixture.contacts().len(), 3, "that flow has been replaced");
    fixture.registrar.flow_closed(FlowId(2));
    assert_eq!(fixture.contacts(), ["sip:a@192.0.2.4:1002", "sip:b@192.0.2.5"]);
    let plain = fixture.registrar.bindings(&alice(), fixture.now).remove(1);
    assert_eq!(plain.flow, None, "to be reached by its address");
    assert_eq!(
        fixture.pass(Duration::ZERO),
        [RegistrarEvent::Expired {
            aor: alice(),
            gone: false
        }]
    );
}

#[test]
fn a_client_registers_renews_and_gives_up() {
    let mut fixture = Fixture::new(Config::default());
    let contact = NameAddr::new(uri("sip:alice@192.0.2.4:5060"));
    let aor = uri("sip:alice@example.com");
    let mut client = Registration::new(aor, uri("sip:example.com"), contact, "call", "tag", 30);

    let round = |client: &mut Registration, fixture: &mut Fixture, mut request: Request| {
        request
            .headers_mut()
            .push_front_typed(&Via::new("UDP", "192.0.2.4", None, "z9hG4bK1"))
            .expect("Via");
        let response = fixture
            .give(&request)
            .response(&request, "t")
            .expect("a response");
        client.handle_response(&response, fixture.now)
    };
    //= https://www.rfc-editor.org/rfc/rfc3261#section-10.2.8
    //= type=test
    //# If a UA receives a 423 (Interval Too Brief) response, it MAY retry
    //# the registration after making the expiration interval of all contact
    //# addresses in the REGISTER request equal to or greater than the
    //# expiration interval within the Min-Expires header field of the 423
    //# (Interval Too Brief) response.
    let request = client.register().expect("a request");
    assert_eq!(
        round(&mut client, &mut fixture, request),
        RegistrationState::TooBrief
    );
    let request = client.register().expect("a request");
    let until = fixture.now + 60 * SECOND;
    assert_eq!(
        round(&mut client, &mut fixture, request),
        RegistrationState::Registered { until }
    );
    assert_eq!(client.poll_timeout(), Some(fixture.now + 30 * SECOND));
    fixture.pass(30 * SECOND);
    let request = client.register().expect("a request");
    assert_eq!(request.cseq().expect("CSeq").seq, 3);
    assert_eq!(request.call_id().expect("Call-ID").as_str(), "call");
    assert!(matches!(
        round(&mut client, &mut fixture, request),
        RegistrationState::Registered { .. }
    ));
    let request = client.unregister().expect("a request");
    assert_eq!(round(&mut client, &mut fixture, request), RegistrationState::Idle);
    assert!(fixture.registrar.is_empty() && client.poll_timeout().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Beside a model that is a plain list.
    #[test]
    fn the_registrar_does_what_a_list_does(
        steps in proptest::collection::vec((0..4_usize, 0..3_usize, prop_oneof![Just(0_u32), 60..200_u32], 0..120_u64), 0..40)
    ) {
        let mut fixture = Fixture::new(Config::default());
        let mut model: Vec<(Uri, Instant)> = Vec::new();
        for (at, (contact, call, expires, wait)) in steps.into_iter().enumerate() {
            let sequence = u32::try_from(at).unwrap_or(0) + 1;
            let address = format!("sip:a@192.0.2.{contact}");
            let before = model.iter().any(|(_, end)| *end > fixture.now);
            let outcome = fixture.give(&register(&format!("c{call}"), sequence, &[&format!("<{address}>")], Some(expires)));
            prop_assert_eq!(outcome.status, StatusCode::OK);
            let address = uri(&address);
            model.retain(|(known, end)| *known != address && *end > fixture.now);
            if expires > 0 {
                model.push((address, fixture.now + Duration::from_secs(u64::from(expires))));
            }
            prop_assert_eq!(outcome.first, !before && !model.is_empty());
            prop_assert_eq!(outcome.gone, before && model.is_empty());
            fixture.pass(Duration::from_secs(wait));
            model.retain(|(_, end)| *end > fixture.now);
            let mut ours = fixture.contacts();
            let mut theirs: Vec<_> = model.iter().map(|(address, _)| address.to_string()).collect();
            ours.sort();
            theirs.sort();
            prop_assert_eq!(ours, theirs);
            prop_assert_eq!(fixture.registrar.poll_timeout(), model.iter().map(|(_, end)| *end).min());
        }
    }
}
