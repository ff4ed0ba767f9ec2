//! Issuers of REFER, that hear of their reference in any order.

use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use sip_im::header::{CSeq, Contact, Event, ReferSub, SubscriptionState};
use sip_im::refer::{Issuer, IssuerEvent, IssuerState, Refer};
use sip_im::{ContentType, Method, Request, StatusCode};

use crate::law::{Subject, keep, steps};
use crate::machines::uri;

#[derive(Clone, Debug)]
enum Operation {
    Respond {
        status: u16,
        followed: bool,
    },
    Lose,
    Notify {
        tag: u8,
        sequence: u32,
        status: Option<u16>,
        seconds: Option<u32>,
    },
    Resend,
}

fn operation() -> impl Strategy<Value = Operation> {
    let status =
        prop_oneof![3 => Just(202_u16), 1 => Just(200), 1 => Just(100), 1 => Just(401), 1 => Just(603)];
    let fragment = prop_oneof![4 => Just(100_u16), 2 => Just(180), 1 => Just(200), 1 => Just(486)];
    let seconds = prop_oneof![2 => Just(None), 4 => (0..200_u32).prop_map(Some), 1 => Just(Some(u32::MAX))];
    prop_oneof![
        2 => (status, proptest::bool::weighted(0.8)).prop_map(|(status, followed)| Operation::Respond { status, followed }),
        1 => Just(Operation::Lose),
        6 => (0..2_u8, 0..9_u32, proptest::option::weighted(0.9, fragment), seconds)
            .prop_map(|(tag, sequence, status, seconds)| Operation::Notify { tag, sequence, status, seconds }),
        1 => Just(Operation::Resend),
    ]
}

struct Host {
    issuer: Issuer,
    refer: Request,
    heard: Vec<IssuerEvent>,
}

fn refer(sequence: u32) -> Request {
    let (alice, room) = (uri("sip:alice@a.test"), uri("sip:room@b.test"));
    let begun = Request::builder(Method::Refer, room.clone())
        .from(&alice, None, "a")
        .to(&room, None)
        .call_id("c")
        .cseq(sequence);
    let contact = Contact::new(uri("sip:alice@192.0.2.1"));
    Refer::to(uri("sip:bob@b.test"))
        .request(begun, &contact)
        .expect("a refer")
}

fn notify(tag: u8, sequence: u32, status: Option<u16>, seconds: Option<u32>) -> Request {
    let (alice, room) = (uri("sip:alice@a.test"), uri("sip:room@b.test"));
    let state = seconds.map_or_else(
        || SubscriptionState::terminated("noresource"),
        SubscriptionState::active,
    );
    let mut builder = Request::builder(Method::Notify, alice.clone())
        .from(&room, None, &format!("r{tag}"))
        .to(&alice, Some("a"))
        .call_id("c")
        .cseq(sequence)
        .contact(&Contact::new(uri("sip:room@192.0.2.2")))
        .header_typed(&Event::new("refer"))
        .header_typed(&state);
    if let Some(status) = status {
        let fragment = ContentType::parse("message/sipfrag").expect("a type");
        builder = builder.body(&fragment, Bytes::from(format!("SIP/2.0 {status} Text\r\n")));
    }
    builder.build().expect("a notify")
}

impl Subject for Host {
    type Operation = Operation;
    const SAME_WHEN_LATE: bool = true;

    fn new(start: Instant) -> Self {
        let refer = refer(7);
        Self {
            issuer: Issuer::new(refer.clone(), Duration::from_secs(32), start).expect("an issuer"),
            refer,
            heard: Vec::new(),
        }
    }

    fn apply(&mut self, operation: &Operation, now: Instant) -> String {
        match operation {
            Operation::Respond { status, followed } => {
                let status = StatusCode::new(*status).expect("a status");
                let mut builder = self.refer.response(status).to_tag("r0");
                if !followed {
                    builder = builder.header_typed(&ReferSub(false));
                }
                let response = builder.build().expect("a response");
                self.issuer.handle_response(Some(&response), now);
            }
            Operation::Lose => self.issuer.handle_response(None, now),
            Operation::Notify {
                tag,
                sequence,
                status,
                seconds,
            } => {
                let notify = notify(*tag, *sequence, *status, *seconds);
                return format!("{:?}", self.issuer.handle_notify(&notify, now));
            }
            Operation::Resend => {
                let sequence = self.refer.headers().require::<CSeq>().expect("CSeq").seq;
                self.refer = refer(sequence + 1);
                self.issuer.resent(self.refer.clone(), now);
            }
        }
        String::new()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.issuer.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.issuer.poll_timeout()
    }

    fn drain(&mut self, _: Instant) -> Vec<String> {
        let told: Vec<_> = std::iter::from_fn(|| self.issuer.poll_event()).collect();
        self.heard.extend(&told);
        told.iter().map(|event| format!("{event:?}")).collect()
    }

    fn look(&self) -> String {
        format!("{:?}", self.issuer)
    }

    fn check_limits(&self) {
        let over = self.issuer.state() == IssuerState::Finished;
        assert_eq!(
            over,
            self.issuer.poll_timeout().is_none(),
            "over, or with an end in sight"
        );
    }

    fn settle(&mut self, _: Instant) {}

    fn account(&mut self, _: Instant) {
        assert!(self.issuer.is_drained());
        let accepted = self
            .heard
            .iter()
            .filter(|event| matches!(event, IssuerEvent::Accepted { .. }));
        assert!(accepted.count() <= 1, "{:?}", self.heard);
        let ends = |event: &IssuerEvent| {
            !matches!(
                event,
                IssuerEvent::Accepted { followed: true } | IssuerEvent::Progress(_)
            )
        };
        let (last, before) = self.heard.split_last().expect("it has ended");
        assert!(
            ends(last) && !before.iter().any(ends),
            "it ends once: {:?}",
            self.heard
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_issuer_keeps_the_laws(steps in steps(operation(), Duration::from_secs(90))) {
        keep::<Host>(&steps);
    }
}
