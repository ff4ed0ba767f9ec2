//! Sessions of one endpoint, whose user and whose peer do anything at any time: nothing panics or spins, what is told fits what is
//! there, and when all is over nothing is left. A session's snapshot is read back as it was.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_im::codec::{Limits, parse_datagram};
use sip_im::endpoint::{Config, Endpoint, Event, Input, Target, Transmit};
use sip_im::header::{Contact, RSeq, Require};
use sip_im::sdp;
use sip_im::session::{InviteId, Reply, SessionEvent, SessionId, SessionSnapshot};
use sip_im::{ContentType, FlowId, Message, Method, Request, StatusCode, Transport, Uri};

/// Each pair of octets is a step: what, and of which kind.
pub fn sip_session(data: &[u8]) {
    let mut world = World::new();
    for step in data.chunks_exact(2).take(60) {
        if let [what, how] = step {
            world.step(*what, *how);
            world.drain();
        }
    }
    world.finish();
}

const FLOW: FlowId = FlowId(1);

struct World {
    endpoint: Endpoint,
    now: Instant,
    /// Requests of the endpoint, for the peer to answer.
    sent: Vec<Request>,
    /// What the peer has sent, to be sent again.
    said: Vec<Bytes>,
    /// A dialog as the peer sees it: Call-ID, the endpoint's tag, the peer's tag.
    dialogs: Vec<(String, String, String)>,
    sessions: BTreeSet<SessionId>,
    invites: Vec<InviteId>,
    number: u32,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let mut config = Config::default();
        config.sessions.timer.session_expires = Some(90);
        config.sessions.max_sessions = 8;
        config.sessions.max_branches = 3;
        let mut state = 7_u64;
        let entropy = Box::new(move |octets: &mut [u8]| {
            for octet in octets {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *octet = state.to_be_bytes()[0];
            }
        });
        let mut endpoint = Endpoint::new(config, entropy);
        let address = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text} is an address"));
        let opened = Input::Opened {
            flow: FLOW,
            transport: Transport::Udp,
            local: address("192.0.2.1:5060"),
            remote: address("192.0.2.2:5060"),
            open: None,
            trusted: false,
        };
        endpoint.handle_input(opened, now);
        Self {
            endpoint,
            now,
            sent: Vec::new(),
            said: Vec::new(),
            dialogs: Vec::new(),
            sessions: BTreeSet::new(),
            invites: Vec::new(),
            number: 1,
        }
    }

    fn session(&self, how: u8) -> Option<SessionId> {
        let count = self.sessions.len();
        self.sessions
            .iter()
            .nth(usize::from(how).checked_rem(count)?)
            .copied()
    }

    fn say(&mut self, data: Bytes) {
        self.said.push(data.clone());
        self.endpoint
            .handle_input(Input::Received { flow: FLOW, data }, self.now);
    }

    fn step(&mut self, what: u8, how: u8) {
        let now = self.now;
        match what % 16 {
            0 => self.invite(how),
            1 => self.peer_invites(how),
            2..=4 => self.peer_requests(what / 16, how),
            5..=7 => self.peer_answers(what / 16, how),
            8 => {
                if let Some(data) = self.said.get(usize::from(how)).cloned() {
                    self.say(data);
                }
            }
            9..=11 => self.user(what / 16, how),
            12 => {
                if let Some(invite) = self.invites.get(usize::from(how)).copied() {
                    let _ = self.endpoint.cancel_invite(invite, now);
                }
            }
            13 => self.snapshot(how),
            14 => {
                if let Some(next) = self.endpoint.poll_timeout() {
                    self.pass(next.saturating_duration_since(now));
                }
            }
            _ => self.pass(Duration::from_millis(u64::from(how) * 300)),
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.endpoint.handle_timeout(self.now);
        let next = self.endpoint.poll_timeout();
        assert!(
            next.is_none_or(|next| next > self.now),
            "a timeout that does not go away"
        );
    }

    fn invite(&mut self, how: u8) {
        self.number += 1;
        let (alice, bob) = (uri("sip:alice@a.test"), uri("sip:bob@192.0.2.2"));
        let mut builder = Request::builder(Method::Invite, bob.clone())
            .from(&alice, None, &format!("a{}", self.number))
            .to(&bob, None)
            .call_id(&format!("c{}", self.number))
            .cseq(1)
            .contact(&Contact::new(uri("sip:alice@192.0.2.1")));
        if how.is_multiple_of(2) {
            builder = builder.body(&ContentType::application_sdp(), media(how).write());
        }
        let Ok(request) = builder.build() else { return };
        if let Ok(invite) = self.endpoint.invite(request, Target::Flow(FLOW), self.now) {
            self.invites.push(invite);
        }
    }

    fn peer_invites(&mut self, how: u8) {
        self.number += 1;
        let extra = match how % 5 {
            0 => "Require: 100rel\r\n",
            1 => "Supported: 100rel, timer\r\nSession-Expires: 90;refresher=uas\r\nAllow: UPDATE\r\n",
            2 => "Supported: timer\r\nSession-Expires: 10\r\n",
            3 => "Expires: 5\r\n",
            _ => "",
        };
        let (call, tag) = (format!("p{}", self.number), format!("t{}", self.number));
        let body = (!how.is_multiple_of(3)).then(|| media(how));
        let text = self.request("INVITE", 1, (&call, "", &tag), extra, body.as_ref());
        self.say(text);
    }

    fn request(
        &mut self,
        method: &str,
        sequence: u32,
        (call, to, from): (&str, &str, &str),
        extra: &str,
        body: Option<&sdp::Session>,
    ) -> Bytes {
        self.number += 1;
        let body = body.map(ToString::to_string).unwrap_or_default();
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        let to = if to.is_empty() {
            String::new()
        } else {
            format!(";tag={to}")
        };
        Bytes::from(format!(
            "{method} sip:alice@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKp{number}\r\nMax-Forwards: 70\r\n\
             From: <sip:bob@192.0.2.2>;tag={from}\r\nTo: <sip:alice@192.0.2.1>{to}\r\nCall-ID: {call}\r\n\
             CSeq: {sequence} {method}\r\nContact: <sip:bob@192.0.2.2>\r\n{extra}{kind}Content-Length: {length}\r\n\r\n{body}",
            number = self.number,
            length = body.len(),
        ))
    }

    fn peer_requests(&mut self, kind: u8, how: u8) {
        let count = self.dialogs.len();
        let Some(at) = usize::from(how / 16).checked_rem(count) else {
            return;
        };
        let Some((call, ours, theirs)) = self.dialogs.get(at).cloned() else {
            return;
        };
        let methods = [
            "INVITE", "UPDATE", "PRACK", "BYE", "MESSAGE", "ACK", "INFO", "CANCEL",
        ];
        let method = methods.get(usize::from(kind % 8)).copied().unwrap_or("BYE");
        let sequence = match method {
            "ACK" | "CANCEL" => 1,
            _ => self.number + u32::from(how % 16),
        };
        let extra = if method == "PRACK" {
            "RAck: 1 1 INVITE\r\n"
        } else {
            "Allow: UPDATE\r\n"
        };
        let body = (how.is_multiple_of(2)).then(|| media(how));
        let text = self.request(method, sequence, (&call, &ours, &theirs), extra, body.as_ref());
        self.say(text);
    }

    fn peer_answers(&mut self, kind: u8, how: u8) {
        let count = self.sent.len();
        let back = usize::from(how % 8).checked_rem(count);
        let Some(request) = back.and_then(|back| self.sent.get(count - 1 - back)).cloned() else {
            return;
        };
        let codes = [
            180, 183, 200, 200, 200, 481, 491, 422, 500, 408, 503, 302, 486, 200, 180, 401,
        ];
        let code = codes.get(usize::from(kind % 16)).copied().unwrap_or(200);
        let Some(status) = StatusCode::new(code) else {
            return;
        };
        let tag = format!("b{}", how / 64);
        let mut builder = request
            .response(status)
            .to_tag(&tag)
            .contact(&Contact::new(uri("sip:bob@192.0.2.2")));
        if how.is_multiple_of(3) {
            builder = builder.body(&ContentType::application_sdp(), media(how).write());
        }
        if code < 200 && how.is_multiple_of(2) {
            builder = builder
                .header_typed(&Require::new(["100rel"]))
                .header_typed(&RSeq(u32::from(how / 32) + 1));
        }
        if let Ok(response) = builder.build() {
            self.say(response.to_bytes());
        }
    }

    fn user(&mut self, kind: u8, how: u8) {
        let now = self.now;
        let Some(session) = self.session(how / 16) else {
            return;
        };
        let endpoint = &mut self.endpoint;
        let offer = media(how);
        let _ = match kind % 10 {
            0 => endpoint.answer_invite(session, Reply::with(StatusCode::OK, offer), now),
            1 => endpoint.answer_invite(session, Reply::with(StatusCode::RINGING, offer).reliably(), now),
            2 => endpoint.answer_invite(session, Reply::new(StatusCode::BUSY_HERE), now),
            3 => endpoint.answer_invite(session, Reply::new(StatusCode::RINGING), now),
            4 => endpoint.answer_offer(session, &offer, now),
            5 => endpoint.refuse_offer(session, StatusCode::DECLINE, now),
            6 => endpoint.offer(session, &offer, how.is_multiple_of(2), now),
            7 => endpoint.refresh_session(session, now),
            8 => endpoint.solicit_offer(session, now),
            _ => endpoint.end_session(session, None, now),
        };
    }

    fn snapshot(&mut self, how: u8) {
        let Some(session) = self.session(how) else { return };
        if let Ok(snapshot) = self.endpoint.snapshot_session(session, self.now) {
            let text = snapshot.write();
            match SessionSnapshot::read(&text) {
                Ok(read) => assert_eq!(read, snapshot, "a snapshot is read otherwise"),
                Err(error) => panic!("a snapshot is refused: {error}"),
            }
        }
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.endpoint.poll_transmit(self.now) {
            let Transmit::Send { data, .. } = transmit else {
                continue;
            };
            match parse_datagram(data, &Limits::default()) {
                Ok(Message::Request(request)) => self.sent.push(request),
                Ok(Message::Response(response)) => {
                    let tags = (response.to().ok(), response.from().ok(), response.call_id().ok());
                    if let (Some(to), Some(from), Some(call)) = tags {
                        let (ours, theirs) = (to.tag().unwrap_or_default(), from.tag().unwrap_or_default());
                        self.dialogs
                            .push((call.as_str().to_owned(), ours.to_owned(), theirs.to_owned()));
                    }
                }
                Err(error) => panic!("what is sent cannot be read: {error}"),
            }
        }
        while let Some(event) = self.endpoint.poll_event() {
            self.on(event);
        }
        assert!(self.endpoint.sessions() <= 8);
    }

    fn on(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::RequestReceived {
                transaction, request, ..
            } => {
                let contact = Contact::new(uri("sip:alice@192.0.2.1"));
                let refusal = match self.endpoint.take_invite(transaction, &request, &contact, now) {
                    Ok(session) => {
                        self.sessions.insert(session);
                        return;
                    }
                    Err(refused) => refused.response(&request).to_tag("none").build(),
                };
                if let Ok(response) = refusal {
                    let _ = self.endpoint.respond(transaction, response, now);
                }
            }
            Event::Session(SessionEvent::Request {
                transaction, request, ..
            }) => {
                if let Ok(response) = request.response(StatusCode::OK).build() {
                    let _ = self.endpoint.respond(transaction, response, now);
                }
            }
            Event::Session(
                SessionEvent::Accepted { session, .. }
                | SessionEvent::Progress {
                    session: Some(session),
                    ..
                },
            ) => {
                self.sessions.insert(session);
                if let Some(dialog) = self.endpoint.session_dialog(session) {
                    let id = dialog.id();
                    let known = (
                        id.call_id.to_string(),
                        id.local_tag.to_string(),
                        id.remote_tag.to_string(),
                    );
                    self.dialogs.push(known);
                }
            }
            Event::Session(SessionEvent::Ended { session, .. }) => {
                self.sessions.remove(&session);
            }
            _ => {}
        }
    }

    /// The peer is silent from now on, and the user hangs up.
    fn finish(&mut self) {
        for _ in 0..3 {
            for invite in self.invites.clone() {
                let _ = self.endpoint.cancel_invite(invite, self.now);
            }
            for session in self.sessions.clone() {
                let _ = self
                    .endpoint
                    .answer_invite(session, Reply::new(StatusCode::BUSY_HERE), self.now);
                let _ = self.endpoint.end_session(session, None, self.now);
            }
            for _ in 0..2000 {
                self.drain();
                let Some(next) = self.endpoint.poll_timeout() else {
                    break;
                };
                let wait = next.saturating_duration_since(self.now);
                if wait > Duration::from_secs(400) {
                    break;
                }
                self.pass(wait);
            }
            self.drain();
        }
        assert_eq!(self.endpoint.sessions(), 0, "sessions are left");
        assert!(
            self.endpoint.is_drained(),
            "something is left: {:?}",
            self.endpoint
        );
    }
}

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A description that depends on the octet: its port, and how many media it has.
fn media(how: u8) -> sdp::Session {
    let path = format!("msrp://192.0.2.9:{}/s;tcp", 2000 + u16::from(how % 4));
    let path = msrp::Uri::parse(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut description = sdp::offer(&sdp::LocalMedia::new(path));
    if how.is_multiple_of(7)
        && let Some(first) = description.media.first().cloned()
    {
        description.media.push(first);
    }
    description
}
