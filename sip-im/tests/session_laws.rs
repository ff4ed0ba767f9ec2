//! The laws of every machine (see `laws.rs`), on two endpoints whose users do anything with their sessions at any time, over a network
//! that loses, repeats and reorders.
#![cfg(test)]

mod machines;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use machines::calls::{contact, established, invitation, media, untimed};
use machines::talk::received;
use machines::{FINE, Pair, Weather};
use proptest::prelude::*;
use sip_im::endpoint::{Config, Event, Input};
use sip_im::header::HeaderName;
use sip_im::session::{InviteId, OfferPlace, Reply, SessionEvent, SessionId};
use sip_im::{Message, Method, StatusCode, Transport};

/// Something that a user does, or that happens.
#[derive(Clone, Debug)]
enum Operation {
    /// One end calls the other, with an offer or without.
    Invite {
        at: usize,
        offer: bool,
        expires: bool,
    },
    /// Answers an INVITE, the first or a later one.
    Reply {
        which: u8,
        status: u16,
        describes: bool,
        reliable: bool,
    },
    /// Answers the oldest offer as it is to be.
    Obey,
    AnswerOffer {
        which: u8,
        media: usize,
    },
    RefuseOffer {
        which: u8,
    },
    Offer {
        which: u8,
        by_update: bool,
    },
    Solicit {
        which: u8,
    },
    Refresh {
        which: u8,
    },
    Acknowledge {
        which: u8,
        offer: bool,
    },
    Send {
        which: u8,
        method: bool,
    },
    Cancel {
        which: u8,
    },
    End {
        which: u8,
    },
    /// An end forgets a session and goes on with its snapshot.
    Move {
        which: u8,
    },
    /// A datagram of before comes again, changed in one octet or not.
    Replay {
        at: usize,
        which: u8,
        octet: u16,
        with: Option<u8>,
    },
    Wait {
        milliseconds: u32,
    },
}

fn operation() -> impl Strategy<Value = Operation> {
    let status = prop_oneof![
        Just(180_u16),
        Just(183),
        Just(200),
        Just(200),
        Just(200),
        Just(302),
        Just(422),
        Just(486),
        Just(491)
    ];
    let which = any::<u8>();
    prop_oneof![
        12 => Just(Operation::Obey),
        2 => (0..2_usize, any::<bool>(), any::<bool>()).prop_map(|(at, offer, expires)| Operation::Invite { at, offer, expires }),
        6 => (which, status, any::<bool>(), any::<bool>())
            .prop_map(|(which, status, describes, reliable)| Operation::Reply { which, status, describes, reliable }),
        4 => (which, 0..3_usize).prop_map(|(which, media)| Operation::AnswerOffer { which, media }),
        1 => which.prop_map(|which| Operation::RefuseOffer { which }),
        8 => (which, any::<bool>()).prop_map(|(which, by_update)| Operation::Offer { which, by_update }),
        1 => which.prop_map(|which| Operation::Solicit { which }),
        1 => which.prop_map(|which| Operation::Refresh { which }),
        2 => (which, any::<bool>()).prop_map(|(which, offer)| Operation::Acknowledge { which, offer }),
        1 => (which, any::<bool>()).prop_map(|(which, method)| Operation::Send { which, method }),
        1 => which.prop_map(|which| Operation::Cancel { which }),
        2 => which.prop_map(|which| Operation::End { which }),
        1 => which.prop_map(|which| Operation::Move { which }),
        2 => (0..2_usize, which, any::<u16>(), proptest::option::of(any::<u8>()))
            .prop_map(|(at, which, octet, with)| Operation::Replay { at, which, octet, with }),
        10 => prop_oneof![Just(0_u32), 1..200_u32, 200..5000_u32, 5000..70_000_u32].prop_map(|milliseconds| Operation::Wait { milliseconds }),
    ]
}

struct Users {
    pair: Pair,
    sessions: Vec<(usize, SessionId)>,
    invites: Vec<(usize, InviteId)>,
    /// Offers, and wishes for one, that nobody has answered.
    asked: VecDeque<(usize, SessionId, bool)>,
    log: Vec<String>,
    calls: usize,
    next_port: u16,
}

fn pick<T: Copy>(items: &[T], which: u8) -> Option<T> {
    items.get(usize::from(which).checked_rem(items.len())?).copied()
}

impl Users {
    fn new(config: impl Fn() -> Config, seed: u64, loss: u64) -> Self {
        let weather = Weather {
            loss,
            repeat: loss,
            latency: Duration::from_millis(20),
            jitter: Duration::from_millis(loss * 10),
        };
        let mut pair = Pair::with(config, FINE, seed);
        let sessions = established(&mut pair);
        pair.weather = weather;
        Self {
            pair,
            sessions: sessions.into_iter().enumerate().collect(),
            asked: VecDeque::new(),
            invites: Vec::new(),
            log: Vec::new(),
            calls: 0,
            next_port: 1000,
        }
    }

    fn port(&mut self) -> u16 {
        self.next_port += 1;
        self.next_port
    }

    fn apply(&mut self, operation: &Operation) {
        let now = self.pair.now;
        let port = self.port();
        let result = match operation {
            Operation::Invite { at, offer, expires } => {
                self.calls += 1;
                let mut request =
                    invitation(&format!("c{}", self.calls), offer.then(|| media(port)).as_ref());
                if *expires {
                    let _ = request.headers_mut().push(&HeaderName::EXPIRES, "20");
                }
                let target = self.pair.target(1 - at, Transport::Udp);
                let invited = self.pair.ends[*at].endpoint.invite(request, target, now);
                if let Ok(invite) = &invited {
                    self.invites.push((*at, *invite));
                }
                invited.map(|_| ())
            }
            Operation::Obey => {
                let Some((at, session, in_invite)) = self.asked.pop_front() else {
                    return;
                };
                let endpoint = &mut self.pair.ends[at].endpoint;
                if in_invite {
                    let mut reply = Reply::with(StatusCode::OK, media(port));
                    if port.is_multiple_of(3) {
                        reply.status = StatusCode::RINGING;
                        reply.reliable = true;
                    }
                    endpoint.answer_invite(session, reply, now)
                } else {
                    endpoint.answer_offer(session, &media(port), now)
                }
            }
            Operation::Cancel { which } => {
                let Some((at, invite)) = pick(&self.invites, *which) else {
                    return;
                };
                self.pair.ends[at].endpoint.cancel_invite(invite, now)
            }
            Operation::Wait { milliseconds } => {
                self.pair.run_for(Duration::from_millis(u64::from(*milliseconds)));
                self.hear();
                return;
            }
            Operation::Replay {
                at,
                which,
                octet,
                with,
            } => {
                let sent: Vec<Bytes> = self.pair.ends[1 - at]
                    .sent
                    .iter()
                    .map(Message::to_bytes)
                    .collect();
                let Some(data) = sent.get(usize::from(*which).checked_rem(sent.len()).unwrap_or(0)) else {
                    return;
                };
                let mut data = data.to_vec();
                if let Some(with) = with {
                    let place = usize::from(*octet) % data.len().max(1);
                    data[place] = *with;
                }
                let flow = self.pair.datagram_flow(*at);
                let input = Input::Received {
                    flow,
                    data: data.into(),
                };
                self.pair.ends[*at].endpoint.handle_input(input, now);
                return;
            }
            Operation::Reply { which, .. }
            | Operation::AnswerOffer { which, .. }
            | Operation::RefuseOffer { which }
            | Operation::Offer { which, .. }
            | Operation::Solicit { which }
            | Operation::Refresh { which }
            | Operation::Acknowledge { which, .. }
            | Operation::Send { which, .. }
            | Operation::End { which }
            | Operation::Move { which } => {
                let Some((at, session)) = pick(&self.sessions, *which) else {
                    return;
                };
                self.on_session(operation, at, session, port)
            }
        };
        self.log.push(format!("{result:?}"));
    }

    fn on_session(
        &mut self,
        operation: &Operation,
        at: usize,
        session: SessionId,
        port: u16,
    ) -> Result<(), sip_im::session::SessionError> {
        let now = self.pair.now;
        let endpoint = &mut self.pair.ends[at].endpoint;
        match operation {
            Operation::Reply {
                status,
                describes,
                reliable,
                ..
            } => {
                let mut reply = Reply::new(StatusCode::new(*status).expect("a status"));
                reply.description = describes.then(|| media(port));
                reply.reliable = *reliable;
                endpoint.answer_invite(session, reply, now)
            }
            Operation::AnswerOffer { media: count, .. } => {
                let mut answer = media(port);
                let first = answer.media.first().cloned();
                answer.media = first.into_iter().cycle().take(*count).collect();
                endpoint.answer_offer(session, &answer, now)
            }
            Operation::RefuseOffer { .. } => endpoint.refuse_offer(session, StatusCode::DECLINE, now),
            Operation::Offer { by_update, .. } => endpoint.offer(session, &media(port), *by_update, now),
            Operation::Solicit { .. } => endpoint.solicit_offer(session, now),
            Operation::Refresh { .. } => endpoint.refresh_session(session, now),
            Operation::Acknowledge { offer, .. } => {
                let offer = offer.then(|| media(port));
                endpoint.acknowledge_progress(session, offer.as_ref(), now)
            }
            Operation::Send { method, .. } => {
                let method = if *method { Method::Message } else { Method::Info };
                endpoint
                    .send_in_session(session, method, &[], None, now)
                    .map(|_| ())
            }
            Operation::End { .. } => endpoint.end_session(session, None, now),
            Operation::Move { .. } => {
                let snapshot = endpoint.snapshot_session(session, now)?;
                let restored = endpoint.restore_session(&snapshot, now);
                assert!(restored.is_err(), "it is still open here");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Takes what the endpoints tell. The users answer what they have to answer at once.
    fn hear(&mut self) {
        for at in 0..2 {
            for event in std::mem::take(&mut self.pair.ends[at].events) {
                self.log.push(format!("{at}: {event:?}"));
                self.on_event(at, &event);
            }
        }
    }

    fn on_event(&mut self, at: usize, event: &Event) {
        let now = self.pair.now;
        if let Some((transaction, request)) = received(event) {
            let endpoint = &mut self.pair.ends[at].endpoint;
            let taken = (*request.method() == Method::Invite)
                .then(|| endpoint.take_invite(transaction, &request, &contact(at), now));
            let response = match taken {
                Some(Ok(session)) => {
                    self.sessions.push((at, session));
                    return;
                }
                Some(Err(refused)) => refused.response(&request),
                None => request.response(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST),
            };
            let response = response.to_tag("none").build().expect("a response");
            let _ = endpoint.respond(transaction, response, now);
            return;
        }
        match event {
            Event::Session(SessionEvent::Offer { session, place, .. }) => {
                self.asked.push_back((at, *session, *place == OfferPlace::Invite));
            }
            Event::Session(SessionEvent::OfferWanted { session }) => {
                self.asked.push_back((at, *session, true));
            }
            Event::Session(
                SessionEvent::Progress {
                    session: Some(session),
                    ..
                }
                | SessionEvent::Accepted { session, .. },
            ) if !self.sessions.contains(&(at, *session)) => {
                self.sessions.push((at, *session));
            }
            Event::Session(SessionEvent::Request {
                transaction, request, ..
            }) => {
                let response = request.response(StatusCode::OK).build().expect("a response");
                let _ = self.pair.ends[at].endpoint.respond(*transaction, response, now);
            }
            Event::Session(SessionEvent::Ended { session, .. }) => {
                self.sessions.retain(|known| *known != (at, *session));
            }
            _ => {}
        }
    }

    /// Everybody hangs up.
    fn finish(&mut self) {
        for round in 0..4 {
            self.pair.weather = FINE;
            let now = self.pair.now;
            for (at, invite) in self.invites.clone() {
                let _ = self.pair.ends[at].endpoint.cancel_invite(invite, now);
            }
            for (at, session) in self.sessions.clone() {
                let endpoint = &mut self.pair.ends[at].endpoint;
                let _ = endpoint.end_session(session, None, now);
                let _ = endpoint.answer_invite(session, Reply::new(StatusCode::BUSY_HERE), now);
            }
            self.pair.run_for(Duration::from_secs(100 + round));
            self.hear();
        }
    }
}

fn manual() -> Config {
    let mut config = untimed();
    config.sessions.automatic_prack = false;
    config.sessions.max_sessions = 6;
    config.sessions.max_branches = 3;
    config
}

fn timed() -> Config {
    let mut config = Config::default();
    config.sessions.timer.session_expires = Some(90);
    config.sessions.max_sessions = 6;
    config
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn same_inputs_give_same_outputs_and_nothing_is_left(
        operations in proptest::collection::vec(operation(), 0..60),
        seed in any::<u64>(),
        loss in prop_oneof![Just(0_u64), 0..40_u64],
        by_hand in any::<bool>(),
    ) {
        let run = || {
            let mut users = Users::new(if by_hand { manual } else { timed }, seed, loss);
            for operation in &operations {
                users.apply(operation);
                for end in &users.pair.ends {
                    assert!(end.endpoint.sessions() <= 6);
                }
            }
            users.finish();
            users
        };
        let (mut one, two) = (run(), run());
        prop_assert_eq!(&one.log, &two.log);
        for end in &one.pair.ends {
            prop_assert_eq!(end.endpoint.sessions(), 0, "{:#?}", one.log);
        }
        one.pair.assert_nothing_left();
    }

    #[test]
    fn a_timeout_before_its_time_changes_nothing(
        operations in proptest::collection::vec(operation(), 0..40),
        seed in any::<u64>(),
    ) {
        let mut plain = Users::new(timed, seed, 0);
        let mut hasty = Users::new(timed, seed, 0);
        for operation in &operations {
            plain.pair.settle();
            hasty.pair.settle();
            for at in 0..2 {
                let now = hasty.pair.now;
                let endpoint = &mut hasty.pair.ends[at].endpoint;
                let next = endpoint.poll_timeout();
                if next.is_none_or(|next| next > now) {
                    endpoint.handle_timeout(now);
                    prop_assert_eq!(endpoint.poll_timeout(), next);
                    prop_assert!(endpoint.poll_event().is_none());
                }
            }
            plain.apply(operation);
            hasty.apply(operation);
            plain.hear();
            hasty.hear();
        }
        prop_assert_eq!(plain.log, hasty.log);
    }
}
