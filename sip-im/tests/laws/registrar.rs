//! Registrars, whose host keeps a list of who is there from what it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use sip_im::header::{Contact, Expires, HeaderName, Supported};
use sip_im::registration::{Config, Registrar, RegistrarEvent};
use sip_im::{FlowId, Identity, Method, Request};

use crate::law::{Subject, keep, steps};
use crate::machines::{entropy, uri};

const USERS: usize = 3;
const CONTACTS: usize = 2;

#[derive(Clone, Debug)]
enum Operation {
    Register {
        user: u8,
        contacts: Vec<(u8, Option<u32>)>,
        star: bool,
        flow: u64,
        sequence: u32,
        outbound: bool,
    },
    FlowClosed {
        flow: u64,
    },
}

fn operation() -> impl Strategy<Value = Operation> {
    let expires = prop_oneof![1 => Just(Some(0_u32)), 1 => Just(Some(9)), 4 => (60..400_u32).prop_map(Some), 1 => Just(None)];
    let contacts = proptest::collection::vec((0..4_u8, expires), 0..3);
    let register = (
        0..5_u8,
        contacts,
        proptest::bool::weighted(0.1),
        0..3_u64,
        0..40_u32,
        any::<bool>(),
    );
    prop_oneof![
        8 => register.prop_map(|(user, contacts, star, flow, sequence, outbound)| Operation::Register {
            user, contacts, star, flow, sequence, outbound
        }),
        1 => (0..3_u64).prop_map(|flow| Operation::FlowClosed { flow }),
    ]
}

struct Host {
    registrar: Registrar,
    /// How often each user was told to be there, less how often to be gone.
    present: BTreeMap<Identity, i32>,
    /// The contacts that are there, as far as the host was told, by their numbers.
    contacts: BTreeSet<(Identity, u64)>,
    now: Instant,
}

fn user(at: u8) -> sip_im::Uri {
    uri(&format!("sip:u{at}@a.test"))
}

impl Host {
    fn hear(&mut self) -> Vec<String> {
        use sip_im::registration::ContactChange::{Refreshed, Registered, Shortened};
        let mut told = Vec::new();
        while let Some(event) = self.registrar.poll_event() {
            told.push(format!("{event:?}"));
            match event {
                RegistrarEvent::Expired { aor, gone: true } => {
                    *self.present.entry(aor).or_default() -= 1;
                }
                RegistrarEvent::Contact { aor, id, change, .. } => {
                    let known = (aor, id);
                    match change {
                        Registered => assert!(self.contacts.insert(known), "a number is used once"),
                        Refreshed | Shortened => assert!(self.contacts.contains(&known)),
                        _ => assert!(self.contacts.remove(&known), "it was not there"),
                    }
                }
                _ => {}
            }
        }
        told
    }

    fn register(&mut self, aor: &sip_im::Uri, request: &Request, flow: FlowId, now: Instant) -> String {
        let before = self.look();
        let outcome = self.registrar.register(request, aor, flow, now);
        assert!(
            outcome.status.is_success() || before == self.look(),
            "refused, and done"
        );
        *self.present.entry(aor.identity()).or_default() +=
            i32::from(outcome.first) - i32::from(outcome.gone);
        format!(
            "{} {} {} {:?}",
            outcome.status.code(),
            outcome.first,
            outcome.gone,
            outcome.contacts
        )
    }
}

impl Subject for Host {
    type Operation = Operation;
    const SAME_WHEN_LATE: bool = true;

    fn new(start: Instant) -> Self {
        let mut config = Config::default();
        (config.max_aors, config.max_contacts, config.report_contacts) = (USERS, CONTACTS, true);
        config.max_expires = 300;
        Self {
            registrar: Registrar::new(config).with_gruus(entropy(9)),
            present: BTreeMap::new(),
            contacts: BTreeSet::new(),
            now: start,
        }
    }

    fn apply(&mut self, operation: &Operation, now: Instant) -> String {
        self.now = now;
        match operation {
            Operation::Register {
                user: at,
                contacts,
                star,
                flow,
                sequence,
                outbound,
            } => {
                let aor = user(*at);
                let mut builder = Request::builder(Method::Register, uri("sip:a.test"))
                    .from(&aor, None, "f")
                    .to(&aor, None)
                    .call_id("c")
                    .cseq(*sequence)
                    .header_typed(&sip_im::header::Via::new("TCP", "192.0.2.4", None, "z9hG4bK1"))
                    .header_typed(&Supported::new(["gruu", "path", "outbound"]));
                if *star {
                    builder = builder.contact(&Contact::Star).header_typed(&Expires(0));
                }
                for (place, expires) in contacts {
                    let mut text = format!("<sip:u@192.0.2.{place}>");
                    if *outbound {
                        text = format!("{text};+sip.instance=\"<urn:uuid:{place}>\";reg-id=1");
                    }
                    if let Some(seconds) = expires {
                        text = format!("{text};expires={seconds}");
                    }
                    builder = builder.header(&HeaderName::CONTACT, &text).expect("a contact");
                }
                let request = builder.build().expect("a request");
                self.register(&aor, &request, FlowId(*flow), now)
            }
            Operation::FlowClosed { flow } => {
                self.registrar.flow_closed(FlowId(*flow));
                String::new()
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.registrar.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.registrar.poll_timeout()
    }

    fn drain(&mut self, _: Instant) -> Vec<String> {
        let told = self.hear();
        for at in 0..5 {
            let aor = user(at).identity();
            let times = self.present.get(&aor).copied().unwrap_or(0);
            assert!(times == 0 || times == 1, "there and gone by turns");
            let there = self.registrar.is_registered(&aor, self.now);
            assert!(!there || times == 1, "there, and nobody was told");
            assert_eq!(
                times == 1,
                self.contacts.iter().any(|(of, _)| *of == aor),
                "by one of the contacts"
            );
        }
        told
    }

    fn look(&self) -> String {
        format!("{:?}", self.registrar)
    }

    fn check_limits(&self) {
        assert!(self.registrar.len() <= USERS);
        for at in 0..5 {
            assert!(self.registrar.bindings(&user(at).identity(), self.now).len() <= CONTACTS);
        }
    }

    fn check_after_timeout(&self, now: Instant) {
        for at in 0..5 {
            let aor = user(at).identity();
            assert_eq!(
                self.registrar.is_registered(&aor, now),
                self.present.get(&aor) == Some(&1)
            );
        }
    }

    fn settle(&mut self, _: Instant) {}

    fn account(&mut self, _: Instant) {
        assert!(self.registrar.is_empty() && self.contacts.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_registrar_keeps_the_laws(steps in steps(operation(), Duration::from_secs(400))) {
        keep::<Host>(&steps);
    }
}
