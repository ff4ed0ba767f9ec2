//! Publications, whose compositor answers as it likes, or not at all.

use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use sip_im::header::{Event, Expires, MinExpires, RetryAfter, SipEtag};
use sip_im::publication::{Publication, PublicationEvent, PublicationState};
use sip_im::{ContentType, Request, StatusCode};

use crate::law::{Subject, keep, steps};
use crate::machines::uri;

#[derive(Clone, Debug)]
enum Operation {
    Publish {
        body: u8,
    },
    Remove,
    Send,
    Respond {
        status: u16,
        seconds: u32,
        tag: Option<u8>,
        after: Option<u32>,
    },
    Lose,
}

fn operation() -> impl Strategy<Value = Operation> {
    let status = prop_oneof![
        6 => Just(200_u16), 1 => Just(100), 1 => Just(401), 2 => Just(412), 2 => Just(423), 1 => Just(404), 2 => Just(503)
    ];
    let tag = prop_oneof![1 => Just(None), 5 => any::<u8>().prop_map(Some)];
    let seconds = prop_oneof![Just(0), 1..5_u32, 60..2000_u32, Just(u32::MAX)];
    prop_oneof![
        3 => any::<u8>().prop_map(|body| Operation::Publish { body }),
        1 => Just(Operation::Remove),
        6 => Just(Operation::Send),
        6 => (status, seconds.clone(), tag, proptest::option::weighted(0.3, seconds))
            .prop_map(|(status, seconds, tag, after)| Operation::Respond { status, seconds, tag, after }),
        1 => Just(Operation::Lose),
    ]
}

struct Host {
    publication: Publication,
    /// The request under way.
    sent: Option<Request>,
    sequence: u32,
    told: bool,
    /// What was given and not removed is to be published.
    last: Option<PublicationEvent>,
}

impl Host {
    fn respond(&mut self, status: u16, seconds: u32, tag: Option<u8>, after: Option<u32>, now: Instant) {
        let Some(request) = self.sent.clone() else { return };
        let mut builder = request
            .response(StatusCode::new(status).expect("a status"))
            .to_tag("e")
            .header_typed(&Expires(seconds))
            .header_typed(&MinExpires(seconds));
        if let Some(tag) = tag {
            builder = builder.header_typed(&SipEtag::new(&format!("e{tag}")));
        }
        if let Some(after) = after {
            builder = builder.header_typed(&RetryAfter::new(after));
        }
        let response = builder.build().expect("a response");
        self.publication.handle_response(Some(&response), now);
        if status >= 200 && status != 401 {
            self.sent = None;
        }
    }
}

impl Subject for Host {
    type Operation = Operation;
    // That a request is due is told once for several reasons.
    const SAME_WHEN_LATE: bool = false;

    fn new(_: Instant) -> Self {
        Self {
            publication: Publication::new(uri("sip:alice@a.test"), Event::new("presence"), "c", "t", 600),
            sent: None,
            sequence: 0,
            told: false,
            last: None,
        }
    }

    fn apply(&mut self, operation: &Operation, now: Instant) -> String {
        match operation {
            Operation::Publish { body } => {
                let pidf = ContentType::parse("application/pidf+xml").expect("a type");
                self.publication.publish(&pidf, Bytes::copy_from_slice(&[*body]));
            }
            Operation::Remove => self.publication.remove(),
            Operation::Send => {
                let request = self.publication.next_request().expect("written");
                let Some(request) = request else {
                    return "nothing".to_owned();
                };
                assert!(self.sent.is_none(), "one at a time");
                self.sequence += 1;
                assert_eq!(request.cseq().expect("CSeq").seq, self.sequence);
                self.told = false;
                self.sent = Some(request.clone());
                return String::from_utf8_lossy(&request.to_bytes()).into_owned();
            }
            Operation::Respond {
                status,
                seconds,
                tag,
                after,
            } => self.respond(*status, *seconds, *tag, *after, now),
            Operation::Lose => {
                if self.sent.take().is_some() {
                    self.publication.handle_response(None, now);
                }
            }
        }
        String::new()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.publication.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.publication.poll_timeout()
    }

    fn drain(&mut self, _: Instant) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(event) = self.publication.poll_event() {
            self.told |= event == PublicationEvent::Due;
            if event != PublicationEvent::Due {
                self.last = Some(event);
            }
            told.push(format!("{event:?}"));
        }
        let due = self
            .publication
            .clone()
            .next_request()
            .expect("written")
            .is_some();
        assert!(!due || self.told, "a request is due, and nobody was told");
        told
    }

    fn look(&self) -> String {
        let next = self.publication.clone().next_request().expect("written");
        format!("{:?} {next:?}", self.publication)
    }

    fn check_limits(&self) {
        if self.publication.is_drained() {
            assert_eq!(
                self.publication.poll_timeout(),
                None,
                "drained, with something to come"
            );
        }
        let published = matches!(self.publication.state(), PublicationState::Published { .. });
        assert_eq!(published, self.publication.etag().is_some());
    }

    fn check_after_timeout(&self, now: Instant) {
        if let PublicationState::Published { until } = self.publication.state() {
            assert!(until > now, "what is over is not published");
        }
    }

    fn settle(&mut self, now: Instant) {
        self.publication.remove();
        for _ in 0..5 {
            self.apply(&Operation::Send, now);
            self.respond(200, 600, Some(1), None, now);
        }
    }

    fn account(&mut self, _: Instant) {
        assert!(
            self.publication.is_drained() && self.sent.is_none(),
            "{:?}",
            self.publication
        );
        assert_ne!(self.last, Some(PublicationEvent::Published), "it was removed");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_publication_keeps_the_laws(steps in steps(operation(), Duration::from_secs(900))) {
        keep::<Host>(&steps);
    }
}
