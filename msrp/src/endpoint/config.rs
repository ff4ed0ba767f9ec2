//! What a host decides: sizes, times, and what a session is.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::Uri;
use crate::codec;

/// How an [`Endpoint`](super::Endpoint) behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// What it holds at the most.
    pub limits: Limits,
    /// What it takes on the wire at the most.
    pub codec: codec::Limits,
    /// What it takes on the wire although it should not be there.
    pub leniency: codec::Leniency,
    /// How long the answer to a chunk may take, from its last octet on (RFC 4975 section 7.1.1; default 30 s). It is
    /// also the longest that a parent may take to answer a chunk itself.
    pub response_timeout: Duration,
    /// How long binding may take: of an active session from its opening, of a passive one from the moment at which
    /// its peer's path is known, and how long a connection stays without any session (default 30 s).
    pub bind_timeout: Duration,
    /// Whether the sender of a request has to be the last URI of the path that was told for the session (default yes).
    /// Border controllers that rewrite the path in SDP but not in MSRP need no.
    pub check_sender: bool,
    /// The most octets of a body in one chunk (default 16 KiB, which peers and relays that gather whole chunks take).
    pub chunk_size: NonZeroUsize,
    /// The most octets of a body that go out between two looks for what is more urgent (default 2048, which RFC 4975
    /// section 7.1.1 calls the longest chunk that need not be interruptible).
    pub interrupt_size: NonZeroUsize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            codec: codec::Limits::default(),
            leniency: codec::Leniency::default(),
            response_timeout: Duration::from_secs(30),
            bind_timeout: Duration::from_secs(30),
            check_sender: true,
            chunk_size: const { NonZeroUsize::new(16 * 1024).unwrap() },
            interrupt_size: const { NonZeroUsize::new(2048).unwrap() },
        }
    }
}

/// What an [`Endpoint`](super::Endpoint) holds at the most.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Connections, open or about to be (default 10 000).
    pub connections: usize,
    /// Sessions (default 20 000).
    pub sessions: usize,
    /// Messages of one session that have begun to arrive and are not complete (default 64). One more, and the one that
    /// has been silent longest is given up.
    pub open_messages: usize,
    /// Pieces that one message has arrived in, those in order counted as one (default 256).
    pub islands: usize,
    /// Octets of incomplete messages that one session holds, gathered for whole delivery (default 64 MiB).
    pub gathered_octets: u64,
    /// Octets of incomplete messages that all sessions together hold (default 1 GiB).
    pub total_gathered_octets: u64,
    /// Identifiers of messages that a session remembers to recognise chunks that come again (default 128).
    pub remembered_messages: usize,
    /// Chunks and requests of one session that wait for the parent's answer (default 256).
    pub owed_responses: usize,
    /// Octets of responses and reports of one connection that the peer has not read; beyond it the connection is
    /// closed (default 1 MiB).
    pub urgent_octets: usize,
    /// Messages of one session that wait to be sent (default 1024).
    pub queued_messages: usize,
    /// Octets of one session that wait to be sent, beyond which nothing more is taken (default 1 MiB). What is given
    /// at once may exceed it by itself.
    pub queued_octets: u64,
    /// Chunks of one connection that wait for the peer's answer, beyond which no more chunks go out (default 1024).
    pub unanswered_chunks: usize,
    /// URIs in a path (default 8).
    pub path: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            sessions: 20_000,
            open_messages: 64,
            islands: 256,
            gathered_octets: 64 << 20,
            total_gathered_octets: 1 << 30,
            remembered_messages: 128,
            owed_responses: 256,
            urgent_octets: 1 << 20,
            queued_messages: 1024,
            queued_octets: 1 << 20,
            unanswered_chunks: 1024,
            path: 8,
        }
    }
}

/// What a session is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionConfig {
    /// This end's URI, with a session identifier, as [`Endpoint::mint_uri`](super::Endpoint::mint_uri) makes it.
    pub local: Uri,
    /// The peer's path, first hop first. A passive session may learn it later.
    pub remote_path: Vec<Uri>,
    /// Who connects.
    pub role: Role,
    /// How messages are handed over.
    pub delivery: Delivery,
    /// Who answers chunks.
    pub acknowledge: Acknowledge,
    /// The largest message that the peer takes, its `a=max-size`, in octets.
    pub max_size: Option<u64>,
}

impl SessionConfig {
    /// Makes a session whose messages are handed over whole, up to 1 MiB each, and answered by the endpoint.
    pub fn new(local: Uri, remote_path: Vec<Uri>, role: Role) -> Self {
        Self {
            local,
            remote_path,
            role,
            delivery: Delivery::Whole { max: 1 << 20 },
            acknowledge: Acknowledge::Automatic,
            max_size: None,
        }
    }
}

/// Who connects (RFC 4975 section 5.4, RFC 6135).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Role {
    /// This end connects, and binds the session with its first SEND.
    Active,
    /// The peer connects, and binds the session with its first SEND.
    Passive,
}

/// How messages are handed over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Delivery {
    /// Each as a whole, once all of it is there.
    Whole {
        /// The largest message that is taken, in octets; a larger one is answered with 413.
        max: u64,
    },
    /// Octet by octet as they arrive; nothing is gathered.
    Streaming,
}

/// Who answers chunks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Acknowledge {
    /// The endpoint, with 200.
    Automatic,
    /// The parent, by [`Endpoint::respond`](super::Endpoint::respond).
    Manual,
}
