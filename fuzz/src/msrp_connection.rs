//! An endpoint and a peer that does as it likes, or two endpoints and a network that does: what holds for every machine
//! holds, each message ends once, and nothing stays behind.

mod pair;
mod peer;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use bytes::Bytes;
use msrp::endpoint::{Acknowledge, Config, Delivery, Endpoint, Event};
use msrp::{Entropy, MessageId, TransactionId};

/// The first octet chooses what the endpoint talks to, the rest is what happens.
pub fn msrp_connection(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else {
        return;
    };
    let script = Script { rest };
    if choice & 1 == 0 {
        peer::run(choice, script);
    } else {
        pair::run(choice, script);
    }
}

/// What happens, octet by octet.
struct Script<'a> {
    rest: &'a [u8],
}

impl Script<'_> {
    fn octet(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// A number up to [`MOST`], small ones more often.
    fn number(&mut self) -> usize {
        let first = usize::from(self.octet().unwrap_or(0));
        if first < 128 {
            first
        } else {
            (first - 128) * 32 + usize::from(self.octet().unwrap_or(0))
        }
    }

    fn octets(&mut self, count: usize) -> Vec<u8> {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken.to_vec()
    }
}

/// The most that [`Script::number`] gives.
const MOST: usize = 127 * 32 + 255;

/// The octets that messages are made of: those an end-line begins with, and others.
static BODIES: [[u8; MOST]; 2] = [[b'-'; MOST], [b'y'; MOST]];

/// A body of a length, without a copy.
fn body(which: bool, length: usize) -> Bytes {
    let [dashes, others] = &BODIES;
    let octets: &'static [u8] = if which { others } else { dashes };
    Bytes::from_static(octets.get(..length).unwrap_or(octets))
}

/// Small limits and short chunks, so that they are met with few octets: what counts is how many things happen, and each
/// run is to be short.
fn config() -> Config {
    let mut config = Config::default();
    let size = |octets| NonZeroUsize::new(octets).unwrap_or(NonZeroUsize::MIN);
    (config.chunk_size, config.interrupt_size) = (size(1024), size(256));
    config.limits.open_messages = 4;
    config.limits.islands = 8;
    config.limits.gathered_octets = 8 << 10;
    config.limits.remembered_messages = 4;
    config.limits.owed_responses = 8;
    config.limits.urgent_octets = 4 << 10;
    config.limits.queued_messages = 8;
    config.limits.queued_octets = QUEUED;
    config.limits.unanswered_chunks = 8;
    config
}

fn kind(choice: u8) -> (Delivery, Acknowledge) {
    let delivery = if choice & 2 == 0 {
        Delivery::Streaming
    } else {
        Delivery::Whole { max: 5000 }
    };
    let acknowledge = if choice & 4 == 0 {
        Acknowledge::Automatic
    } else {
        Acknowledge::Manual
    };
    (delivery, acknowledge)
}

fn entropy(seed: u64) -> Entropy {
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

/// Acts on what is due up to an instant, and sees that no host would spin.
fn pass(endpoint: &mut Endpoint, now: Instant) {
    for _ in 0..1000 {
        let Some(due) = endpoint.poll_timeout().filter(|due| *due <= now) else {
            return;
        };
        endpoint.handle_timeout(due);
        assert!(
            endpoint.poll_timeout().is_none_or(|next| next > due),
            "a host would spin"
        );
    }
    panic!("there is no end of deadlines");
}

/// Octets that may wait to be sent.
const QUEUED: u64 = 8 << 10;

const LONG: Duration = Duration::from_secs(1000);

/// What one end has said of messages.
#[derive(Default)]
struct Account {
    /// Whether a message that is sent has ended, by identifier.
    sent: BTreeMap<MessageId, bool>,
    /// Messages that have begun to arrive and have not ended.
    open: BTreeMap<MessageId, u64>,
    owed: Vec<TransactionId>,
}

impl Account {
    fn take(&mut self, event: Event) {
        match event {
            Event::MessageSent { message, .. } | Event::MessageFailed { message, .. } => {
                // One that was given up by command need not be told of.
                if let Some(ended) = self.sent.get_mut(&message) {
                    assert!(!*ended, "{message} ends twice");
                    *ended = true;
                }
            }
            Event::MessageStarted { message, .. } => {
                assert!(self.open.insert(message, 0).is_none(), "a message begins twice");
            }
            Event::BodyReceived { message, data, .. } => {
                assert!(self.open.contains_key(&message) && !data.is_empty());
            }
            Event::MessageCompleted { message, .. } => {
                assert!(
                    self.open.remove(&message).is_some(),
                    "{message} ends, but did not begin"
                );
            }
            Event::MessageAborted { message, .. } => {
                self.open.remove(&message);
            }
            Event::ChunkReceived { transaction, .. } | Event::NicknameRequested { transaction, .. } => {
                self.owed.push(transaction);
            }
            _ => {}
        }
    }

    fn is_settled(&self) {
        assert!(
            self.sent.values().all(|ended| *ended),
            "a message does not end: {:?}",
            self.sent
        );
        assert!(
            self.open.is_empty(),
            "a message that began to arrive does not end: {:?}",
            self.open
        );
    }
}
