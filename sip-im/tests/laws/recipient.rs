//! Recipients of REFER, whose issuers ask for more or less, or can't be told.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use sip_im::dialog::Dialog;
use sip_im::header::{Contact, Event, Expires, SubscriptionState, SubscriptionStateValue};
use sip_im::refer::{Config, Recipient, Refer, sipfrag_status};
use sip_im::{Method, Request, StatusCode};

use crate::law::{Subject, keep, steps};
use crate::machines::uri;

#[derive(Clone, Debug)]
enum Operation {
    Report { status: u16 },
    Answer { status: Option<u16> },
    Subscribe { seconds: u32 },
}

fn operation() -> impl Strategy<Value = Operation> {
    let status =
        prop_oneof![3 => Just(100_u16), 3 => Just(180), 2 => Just(183), 1 => Just(200), 1 => Just(486)];
    let answer = prop_oneof![6 => Just(Some(200_u16)), 1 => Just(Some(481)), 1 => Just(None)];
    let seconds = prop_oneof![1 => Just(0_u32), 4 => 1..400_u32, 1 => Just(u32::MAX)];
    prop_oneof![
        4 => status.prop_map(|status| Operation::Report { status }),
        2 => answer.prop_map(|status| Operation::Answer { status }),
        2 => seconds.prop_map(|seconds| Operation::Subscribe { seconds }),
    ]
}

struct Host {
    recipient: Recipient,
    /// The issuer's side of the dialog.
    issuer: Dialog,
    reported: StatusCode,
    notified: Vec<Request>,
    lost: bool,
}

impl Subject for Host {
    type Operation = Operation;
    // Only the latest state is told.
    const SAME_WHEN_LATE: bool = false;

    fn new(start: Instant) -> Self {
        let (alice, room) = (uri("sip:alice@a.test"), uri("sip:room@b.test"));
        let begun = Request::builder(Method::Refer, room.clone())
            .from(&alice, None, "a")
            .to(&room, None)
            .call_id("c")
            .cseq(7);
        let contact = Contact::new(uri("sip:alice@192.0.2.1"));
        let refer = Refer::to(uri("sip:bob@b.test"))
            .request(begun, &contact)
            .expect("a refer");
        let (mut recipient, _) = Recipient::read(&refer, &Config::default()).expect("read");
        let response = recipient
            .accept(&refer, "r", &uri("sip:room@192.0.2.2"), None, start)
            .expect("accepted");
        Self {
            recipient,
            issuer: Dialog::from_uac(&refer, &response).expect("a dialog"),
            reported: StatusCode::TRYING,
            notified: Vec::new(),
            lost: false,
        }
    }

    fn apply(&mut self, operation: &Operation, now: Instant) -> String {
        match operation {
            Operation::Report { status } => {
                let over = self.reported.is_final() || self.ended();
                let status = StatusCode::new(*status).expect("a status");
                let before = self.recipient.is_notify_due();
                self.recipient.report(status);
                if !over && self.recipient.is_notify_due() != before {
                    assert_ne!(status, self.reported);
                }
                if !over {
                    self.reported = status;
                }
                String::new()
            }
            Operation::Answer { status } => {
                let Some(notify) = self.notified.last() else {
                    return String::new();
                };
                let response = status.map(|status| {
                    let status = StatusCode::new(status).expect("a status");
                    notify.response(status).build().expect("a response")
                });
                self.lost |= *status != Some(200);
                self.recipient.handle_response(response.as_ref());
                String::new()
            }
            Operation::Subscribe { seconds } => {
                let request = self
                    .issuer
                    .request(Method::Subscribe)
                    .header_typed(&Event::new("refer"))
                    .header_typed(&Expires(*seconds))
                    .build()
                    .expect("a request");
                let before = self.look();
                let result = self.recipient.subscribed(&request, now);
                assert!(result.is_ok() || before == self.look(), "refused, and changed");
                format!("{result:?}")
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.recipient.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.recipient.poll_timeout()
    }

    fn drain(&mut self, now: Instant) -> Vec<String> {
        let mut told = Vec::new();
        while self.recipient.is_notify_due() {
            assert!(!self.ended(), "after the last");
            let notify = self.recipient.notify(None, now).expect("a notify");
            told.push(String::from_utf8_lossy(&notify.to_bytes()).into_owned());
            self.notified.push(notify);
        }
        if let (false, Some(last)) = (self.lost, self.notified.last()) {
            assert_eq!(
                sipfrag_status(last.body()),
                Some(self.reported),
                "the latest is told"
            );
        }
        told
    }

    fn look(&self) -> String {
        format!("{:?}", self.recipient)
    }

    fn check_limits(&self) {
        if self.recipient.is_drained() {
            assert!(self.recipient.poll_timeout().is_none() && !self.recipient.is_notify_due());
        }
    }

    fn settle(&mut self, _: Instant) {}

    fn account(&mut self, _: Instant) {
        assert!(self.recipient.is_drained());
        assert!(self.ended() || self.lost, "the issuer was told of the end");
        for notify in self.notified.iter().rev().skip(1) {
            assert!(!is_last(notify), "one is the last");
        }
    }
}

impl Host {
    fn ended(&self) -> bool {
        self.lost || self.notified.last().is_some_and(is_last)
    }
}

fn is_last(notify: &Request) -> bool {
    let state = notify.headers().require::<SubscriptionState>().expect("a state");
    state.state == SubscriptionStateValue::Terminated
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_recipient_keeps_the_laws(steps in steps(operation(), Duration::from_secs(200))) {
        keep::<Host>(&steps);
    }
}
