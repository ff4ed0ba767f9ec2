//! The Controlling function as a host drives it without a node: signals and answers in, signals and effects out.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; one reading of the clock is the epoch of virtual time"
)]

mod conference;
mod exploder;
mod refusals;
mod timers;

use std::time::{Duration, Instant};

use bytes::Bytes;
use im_roles::WallClock;
use im_roles::config::{Config, GroupConfig, GroupKind};
use im_roles::controlling::Controlling;
use im_roles::effect::{Answer, Effect, StoredDocument};
use im_roles::signal::{IncomingId, Input, MediaCommand, MediaId, Origin, OutgoingId, SessionCase, Transmit};
use sip_im::codec::{Limits, parse_datagram};
use sip_im::header::{HeaderName, PAssertedIdentity};
use sip_im::identity::{self, Trust};
use sip_im::{Identity, Message, Request, Response, Uri};

/// The function with a configured chat room, and what it has said.
struct Focus {
    controlling: Controlling,
    now: Instant,
    serial: u64,
    responses: Vec<(IncomingId, Response)>,
    requests: Vec<(OutgoingId, Request)>,
    media: Vec<(MediaId, MediaCommand)>,
    effects: Vec<Effect>,
}

impl Focus {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let now = Instant::now();
        let mut config = Config::new("example.com").unwrap();
        let room = Uri::parse("sip:room@example.com").unwrap();
        let mut group = GroupConfig::new(room, GroupKind::Chat);
        group.allow_anonymity = false;
        config.groups.push(group);
        change(&mut config);
        let mut state = 1_u64;
        let entropy = Box::new(move |octets: &mut [u8]| {
            for octet in octets {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                *octet = state.to_be_bytes()[0];
            }
        });
        Self {
            controlling: Controlling::new(
                config,
                WallClock::new(now, Duration::from_secs(1_700_000_000)),
                entropy,
            ),
            now,
            serial: 0,
            responses: Vec::new(),
            requests: Vec::new(),
            media: Vec::new(),
            effects: Vec::new(),
        }
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.controlling.poll_transmit(self.now) {
            match transmit {
                Transmit::Respond { id, response } => self.responses.push((id, response)),
                Transmit::Request { id, request, .. } => self.requests.push((id, request)),
                Transmit::Media { media, command } => self.media.push((media, command)),
                _ => {}
            }
        }
        while let Some(effect) = self.controlling.poll_effect() {
            self.effects.push(effect);
        }
        while self.controlling.poll_event().is_some() {}
    }

    fn input(&mut self, input: Input) {
        self.controlling.handle_input(input, self.now);
        self.drain();
    }

    fn after(&mut self, time: Duration) {
        self.now += time;
        self.controlling.handle_timeout(self.now);
        self.drain();
    }

    /// A request from a user, as a node hands it over. `fields` are header lines without the last line end.
    fn ask(&mut self, user: &str, start: &str, fields: &str, body: &str) -> IncomingId {
        self.serial += 1;
        let (method, _) = start.split_once(' ').unwrap();
        let lines = if fields.is_empty() {
            String::new()
        } else {
            format!("{}\r\n", fields.replace('\n', "\r\n"))
        };
        let text = format!(
            "{start} SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK{serial}\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@example.com>;tag=f{serial}\r\nTo: <{to}>\r\nCall-ID: c{serial}\r\nCSeq: 1 {method}\r\n\
             {lines}Content-Length: {length}\r\n\r\n{body}",
            serial = self.serial,
            to = start.split_once(' ').unwrap().1,
            length = body.len(),
        );
        let request = match parse_datagram(Bytes::from(text), &Limits::default()).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a request is written"),
        };
        self.hand_over(user, request)
    }

    fn hand_over(&mut self, user: &str, mut request: Request) -> IncomingId {
        let address = Uri::parse(&format!("sip:{user}@example.com")).unwrap();
        request
            .headers_mut()
            .push_typed(&PAssertedIdentity::new(address))
            .unwrap();
        let originator = identity::asserted_identity(&request, Trust::Trusted).unwrap();
        let known = originator.uri().map(Uri::identity);
        let origin = Origin::new(originator, known, None, None, SessionCase::Originating);
        self.serial += 1;
        let id = IncomingId::new(self.serial);
        self.input(Input::Request { id, request, origin });
        id
    }

    /// Answers the one lookup that waits: these addresses are groups.
    fn groups_are(&mut self, groups: &[&str]) {
        let id = self.effects.pop().expect("a lookup waits").id();
        let found = |uri: &&str| -> (Identity, StoredDocument) {
            (
                Uri::parse(uri).unwrap().identity(),
                StoredDocument::new("1", Bytes::new()),
            )
        };
        let answer = Answer::Groups {
            id,
            result: Ok(groups.iter().map(found).collect()),
        };
        self.controlling.handle_answer(answer, self.now);
        self.drain();
    }

    /// The final response to a request.
    fn status(&self, id: IncomingId) -> Option<u16> {
        self.response(id).map(|response| response.status().code())
    }

    fn response(&self, id: IncomingId) -> Option<&Response> {
        self.responses
            .iter()
            .find(|(of, response)| *of == id && response.status().code() >= 200)
            .map(|(_, response)| response)
    }

    fn warning(&self, id: IncomingId) -> String {
        let warning = self
            .response(id)
            .and_then(|response| response.headers().value(&HeaderName::WARNING));
        warning.map(|value| value.to_string()).unwrap_or_default()
    }
}

/// A session description of an end that connects.
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=message 9 TCP/MSRP *\r\na=path:msrp://192.0.2.1:9/abcdefgh01;tcp\r\na=setup:active\r\n\
    a=accept-types:message/cpim\r\na=accept-wrapped-types:*\r\na=chatroom:nickname private-messages\r\n";

/// The fields and the body of a request with a list, and a session description or a text beside it.
fn with_list(extension: &str, kind: &str, content: &str, entries: &str) -> (String, String) {
    let fields = format!(
        "Require: {extension}\nContact: <sip:alice@192.0.2.1;transport=tcp>\nContent-Type: multipart/mixed;boundary=b"
    );
    let body = format!(
        "--b\r\nContent-Type: {kind}\r\n\r\n{content}\r\n--b\r\nContent-Type: application/resource-lists+xml\r\n\
         Content-Disposition: recipient-list\r\n\r\n<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\" \
         xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\"><list>{entries}</list></resource-lists>\r\n--b--\r\n"
    );
    (fields, body)
}

fn contains(octets: &[u8], text: &str) -> bool {
    octets.windows(text.len()).any(|window| window == text.as_bytes())
}
