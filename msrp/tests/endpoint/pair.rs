//! Two endpoints and the network between them, in virtual time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use msrp::endpoint::{
    Acknowledge, Config, Delivery, Endpoint, Event, Input, OutgoingBody, OutgoingMessage, Role,
    SessionConfig, SessionKey, Transmit,
};
use msrp::header::content::ContentType;
use msrp::{ConnectionId, Entropy};

/// Randomness that is the same each time.
pub(crate) fn entropy(seed: u64) -> Entropy {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    Box::new(move |octets| {
        for octet in octets {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *octet = state.to_le_bytes()[3];
        }
    })
}

/// An instant to begin at.
#[expect(clippy::disallowed_methods, reason = "instants have no other beginning")]
pub(crate) fn epoch() -> Instant {
    Instant::now()
}

pub(crate) fn text(body: impl Into<Bytes>) -> OutgoingMessage {
    OutgoingMessage::new(ContentType::text_plain(), OutgoingBody::Whole(body.into()))
}

pub(crate) fn stream(total: Option<u64>) -> OutgoingMessage {
    OutgoingMessage::new(ContentType::text_plain(), OutgoingBody::Streamed { total })
}

pub(crate) struct End {
    pub(crate) endpoint: Endpoint,
    pub(crate) events: Vec<Event>,
    /// What it has sent, all connections together.
    pub(crate) sent: Vec<u8>,
}

pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) ends: [End; 2],
    pub(crate) latency: Duration,
    /// The lengths of the pieces in which octets arrive, over and over; whole if there are none.
    pub(crate) pieces: Vec<usize>,
    pub(crate) refuses: bool,
    /// Whether the passive session is resumable, and which one it resumes.
    pub(crate) resumable: bool,
    pub(crate) resumes: Option<SessionKey>,
    /// Octets are lost, but nobody is told.
    pub(crate) silent: bool,
    pub(crate) closed: Vec<ConnectionId>,
    next_connection: u64,
    next_piece: usize,
    wire: VecDeque<(Instant, usize, Input)>,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::with(Config::default(), Config::default())
    }

    pub(crate) fn with(a: Config, b: Config) -> Self {
        let end = |config, seed| End {
            endpoint: Endpoint::new(config, entropy(seed)),
            events: Vec::new(),
            sent: Vec::new(),
        };
        Self {
            now: epoch(),
            ends: [end(a, 1), end(b, 2)],
            latency: Duration::from_millis(10),
            pieces: Vec::new(),
            refuses: false,
            resumable: false,
            resumes: None,
            silent: false,
            closed: Vec::new(),
            next_connection: 0,
            next_piece: 0,
            wire: VecDeque::new(),
        }
    }

    /// Opens a session between the two, 0 active and 1 passive, without running.
    pub(crate) fn session(&mut self, delivery: Delivery, acknowledge: Acknowledge) -> [SessionKey; 2] {
        let a = self.ends[0].endpoint.mint_uri(false, "a.example", 2855);
        let b = self.ends[1].endpoint.mint_uri(false, "b.example", 2855);
        let mut passive = SessionConfig::new(b.clone(), vec![a.clone()], Role::Passive);
        passive.delivery = delivery;
        passive.acknowledge = acknowledge;
        passive.resumable = self.resumable;
        passive.resumes = self.resumes;
        let passive = self.ends[1].endpoint.open_session(passive, self.now).unwrap();
        let active = SessionConfig::new(a, vec![b], Role::Active);
        let active = self.ends[0].endpoint.open_session(active, self.now).unwrap();
        [active, passive]
    }

    /// Opens a session and lets it be bound.
    pub(crate) fn bound(&mut self, delivery: Delivery, acknowledge: Acknowledge) -> [SessionKey; 2] {
        let keys = self.session(delivery, acknowledge);
        self.settle();
        for (end, key) in self.ends.iter_mut().zip(keys) {
            let is_bound =
                |event: &Event| matches!(event, Event::SessionBound { session, .. } if *session == key);
            assert_eq!(end.events.iter().filter(|event| is_bound(event)).count(), 1);
            end.events.clear();
            end.sent.clear();
        }
        keys
    }

    /// Gives an input to one end.
    pub(crate) fn input(&mut self, end: usize, input: Input) {
        self.ends[end].endpoint.handle_input(input, self.now);
    }

    /// Takes what an end has to say, and puts it on its way.
    pub(crate) fn drain(&mut self, from: usize) {
        while self.pull(from) {}
        while let Some(event) = self.ends[from].endpoint.poll_event() {
            self.ends[from].events.push(event);
        }
    }

    /// Takes one transmit.
    pub(crate) fn pull(&mut self, from: usize) -> bool {
        let to = 1 - from;
        let arrival = self.now + self.latency;
        let Some(transmit) = self.ends[from].endpoint.poll_transmit(self.now) else {
            return false;
        };
        match transmit {
            Transmit::Open { open, secure, .. } => {
                if self.refuses {
                    self.wire.push_back((arrival, from, Input::OpenFailed { open }));
                } else {
                    self.next_connection += 1;
                    let connection = ConnectionId(self.next_connection);
                    self.wire.push_back((
                        arrival,
                        to,
                        Input::Opened {
                            connection,
                            open: None,
                            secure,
                        },
                    ));
                    self.wire.push_back((
                        arrival,
                        from,
                        Input::Opened {
                            connection,
                            open: Some(open),
                            secure,
                        },
                    ));
                }
            }
            Transmit::Send { connection, data } => {
                let mut data = data.to_bytes();
                assert!(!data.is_empty());
                self.ends[from].sent.extend_from_slice(&data);
                while !data.is_empty() && !self.silent {
                    let length = match self.pieces.get(self.next_piece % self.pieces.len().max(1)) {
                        Some(length) => (*length).clamp(1, data.len()),
                        None => data.len(),
                    };
                    self.next_piece += 1;
                    let data = data.split_to(length);
                    self.wire
                        .push_back((arrival, to, Input::Received { connection, data }));
                }
            }
            Transmit::Close { connection } => {
                self.closed.push(connection);
                self.wire.push_back((arrival, to, Input::Closed { connection }));
            }
        }
        true
    }

    /// Runs until nothing is on its way; timers do not run out.
    pub(crate) fn settle(&mut self) {
        loop {
            self.drain(0);
            self.drain(1);
            let Some((at, to, input)) = self.wire.pop_front() else {
                return;
            };
            self.now = self.now.max(at);
            self.ends[to].endpoint.handle_input(input, self.now);
        }
    }

    /// Lets everything that is on its way arrive, but takes no answers.
    pub(crate) fn settle_one(&mut self) {
        while let Some((at, to, input)) = self.wire.pop_front() {
            self.now = self.now.max(at);
            self.ends[to].endpoint.handle_input(input, self.now);
            while let Some(event) = self.ends[to].endpoint.poll_event() {
                self.ends[to].events.push(event);
            }
        }
    }

    /// Lets time pass; what is due on the way happens.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.settle();
        while let Some(due) = self
            .ends
            .iter()
            .filter_map(|end| end.endpoint.poll_timeout())
            .min()
        {
            if due > end {
                break;
            }
            self.now = self.now.max(due);
            for end in &mut self.ends {
                end.endpoint.handle_timeout(due);
            }
            self.settle();
            for end in &self.ends {
                assert!(
                    end.endpoint.poll_timeout().is_none_or(|next| next > due),
                    "a host would spin"
                );
            }
        }
        self.now = self.now.max(end);
    }

    /// The events of one end since they were taken last.
    pub(crate) fn events(&mut self, end: usize) -> Vec<Event> {
        std::mem::take(&mut self.ends[end].events)
    }

    /// What one end has sent since it was taken last, as text.
    pub(crate) fn sent(&mut self, end: usize) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.ends[end].sent)).into_owned()
    }
}

/// The messages that were received as a whole.
pub(crate) fn messages(events: &[Event]) -> Vec<Bytes> {
    let body = |event: &Event| match event {
        Event::MessageReceived { body, .. } => Some(body.clone()),
        _ => None,
    };
    events.iter().filter_map(body).collect()
}

/// The octets that were received as a stream, which came in order.
pub(crate) fn streamed(events: &[Event]) -> Vec<u8> {
    let mut whole = Vec::new();
    for event in events {
        if let Event::BodyReceived { offset, data, .. } = event {
            assert_eq!(*offset, whole.len() as u64);
            whole.extend_from_slice(data);
        }
    }
    whole
}
