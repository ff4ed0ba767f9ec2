//! Registrations, whose registrar answers as it likes, or not at all.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use sip_im::header::{Contact, Expires, MinExpires, NameAddr};
use sip_im::registration::{Registration, RegistrationState};
use sip_im::{Request, StatusCode};

use crate::law::{Subject, keep, steps};
use crate::machines::uri;

#[derive(Clone, Debug)]
enum Operation {
    Register,
    Unregister,
    Respond {
        status: u16,
        seconds: u32,
        ours: bool,
        granted: bool,
    },
    Lose,
}

fn operation() -> impl Strategy<Value = Operation> {
    let status = prop_oneof![
        6 => Just(200_u16), 1 => Just(100), 1 => Just(401), 1 => Just(423), 1 => Just(439), 1 => Just(404), 1 => Just(503)
    ];
    let seconds = prop_oneof![Just(0), Just(1), 60..2000_u32, Just(u32::MAX)];
    prop_oneof![
        4 => Just(Operation::Register),
        1 => Just(Operation::Unregister),
        6 => (status, seconds, proptest::bool::weighted(0.8), any::<bool>())
            .prop_map(|(status, seconds, ours, granted)| Operation::Respond { status, seconds, ours, granted }),
        1 => Just(Operation::Lose),
    ]
}

struct Host {
    registration: Registration,
    sent: Option<Request>,
    sequence: u32,
}

impl Host {
    fn send(&mut self, ending: bool) -> String {
        let request = if ending {
            self.registration.unregister()
        } else {
            self.registration.register()
        };
        let request = request.expect("written");
        self.sequence += 1;
        assert_eq!(request.cseq().expect("CSeq").seq, self.sequence);
        let expires = request.headers().require::<Expires>().expect("Expires");
        assert_eq!(expires.0 == 0, ending);
        assert_eq!(
            self.registration.poll_timeout(),
            None,
            "the response says when the next is due"
        );
        let text = String::from_utf8_lossy(&request.to_bytes()).into_owned();
        self.sent = Some(request);
        text
    }
}

impl Subject for Host {
    type Operation = Operation;
    const SAME_WHEN_LATE: bool = true;

    fn new(_: Instant) -> Self {
        let contact = NameAddr::new(uri("sip:alice@192.0.2.4"));
        let registration =
            Registration::new(uri("sip:alice@a.test"), uri("sip:a.test"), contact, "c", "t", 600)
                .with_flow(1);
        Self {
            registration: registration
                .and_then(|one| one.with_instance("urn:uuid:1"))
                .expect("written"),
            sent: None,
            sequence: 0,
        }
    }

    fn apply(&mut self, operation: &Operation, now: Instant) -> String {
        match operation {
            Operation::Register => self.send(false),
            Operation::Unregister => self.send(true),
            Operation::Respond {
                status,
                seconds,
                ours,
                granted,
            } => {
                let Some(request) = &self.sent else {
                    return String::new();
                };
                let host = if *ours { "192.0.2.4" } else { "192.0.2.5" };
                let mut builder = request
                    .response(StatusCode::new(*status).expect("a status"))
                    .to_tag("e")
                    .contact(&Contact::new(uri(&format!("sip:alice@{host}"))))
                    .header_typed(&MinExpires(*seconds));
                if *granted {
                    builder = builder.header_typed(&Expires(*seconds));
                }
                let response = builder.build().expect("a response");
                let state = self.registration.handle_response(&response, now);
                assert_eq!(state, self.registration.state());
                if *status >= 200 {
                    self.sent = None;
                }
                let there = *status >= 200 && matches!(state, RegistrationState::Registered { .. });
                assert!(
                    !there
                        || self
                            .registration
                            .registered_until()
                            .is_some_and(|until| until > now)
                );
                assert!(there || self.registration.poll_timeout().is_none() || *status < 200);
                format!("{state:?}")
            }
            Operation::Lose => {
                self.sent = None;
                String::new()
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.registration.poll_timeout().is_some_and(|at| at <= now) {
            self.send(false);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.registration.poll_timeout()
    }

    fn drain(&mut self, _: Instant) -> Vec<String> {
        Vec::new()
    }

    fn look(&self) -> String {
        format!("{:?}", self.registration)
    }

    fn check_limits(&self) {
        if let Some(renewal) = self.registration.poll_timeout() {
            assert!(
                self.registration
                    .registered_until()
                    .is_some_and(|until| renewal < until),
                "before the end"
            );
        }
    }

    fn settle(&mut self, _: Instant) {
        self.send(true);
    }

    fn account(&mut self, _: Instant) {}
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_registration_keeps_the_laws(steps in steps(operation(), Duration::from_secs(900))) {
        keep::<Host>(&steps);
    }
}
