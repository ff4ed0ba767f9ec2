//! What a host decides: sizes, times, and what a session is.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::{RelayKey, SessionKey};
use crate::Uri;
use crate::codec;
use crate::tls::Fingerprint;

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
    /// How long a connection may take nothing at all before it is closed (default 120 s). Time in which it takes nothing
    /// does not count for [`Config::response_timeout`].
    pub blocked_timeout: Duration,
    /// After how long without anything to say on a connection an empty SEND is sent, which keeps the bindings of NATs
    /// and finds out whether the peer is still there (RFC 4975 section 7.1; default never).
    pub keep_alive: Option<Duration>,
    /// How long what a session has received is kept after its connection was lost, for a session that
    /// [resumes](SessionConfig::resumes) it (default 120 s). Only for sessions that are
    /// [resumable](SessionConfig::resumable).
    pub resume_timeout: Duration,
    /// How requests find their session (default by the whole URI).
    pub matching: Matching,
    /// Whether the sender of a request has to be the last URI of the path that was told for the session (default yes).
    /// Border controllers that rewrite the path in SDP but not in MSRP need no.
    pub check_sender: bool,
    /// The most octets of a body in one chunk (default 16 KiB, which peers and relays that gather whole chunks take).
    pub chunk_size: NonZeroUsize,
    /// The most octets of a body in one chunk on a path with relays (default 8 KiB: Kamailio's gathers each message, and
    /// breaks the connection at about 14 KiB).
    pub relayed_chunk_size: NonZeroUsize,
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
            blocked_timeout: Duration::from_secs(120),
            keep_alive: None,
            resume_timeout: Duration::from_secs(120),
            matching: Matching::Uri,
            check_sender: true,
            chunk_size: const { NonZeroUsize::new(16 * 1024).unwrap() },
            relayed_chunk_size: const { NonZeroUsize::new(8 * 1024).unwrap() },
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
    /// Messages that a session remembers to have received, to recognise chunks that come again, or to have sent, to
    /// recognise reports (default 128 of each; 10 octets for one).
    pub remembered_messages: usize,
    /// Sessions whose connection was lost and that wait to be resumed (default 1000).
    pub interrupted_sessions: usize,
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
            interrupted_sessions: 1000,
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
    /// Who reports success, where the peer wants to know.
    pub success_reports: Acknowledge,
    /// The largest message that the peer takes, its `a=max-size`, in octets.
    pub max_size: Option<u64>,
    /// The largest message that this end takes, its `a=max-size`, in octets; a larger one is answered with 413.
    pub own_max_size: Option<u64>,
    /// The media types that this end takes, its `a=accept-types`, as media ranges such as `text/*`; others are answered
    /// with 415. None takes everything.
    pub accept_types: Option<Vec<String>>,
    /// Where an active session connects to, if not to the first URI of its path: the address of the connection line,
    /// behind which a border controller may sit (CEMA, RFC 6714 section 4.2).
    pub connect_to: Option<(String, u16)>,
    /// The fingerprints that the peer has told of its certificate (RFC 4975 section 14.4, RFC 8122).
    pub fingerprints: Vec<Fingerprint>,
    /// Whether what has been received is kept for a while when the connection is lost.
    pub resumable: bool,
    /// The session in whose place this one comes: messages that had begun to arrive there go on here, and those that
    /// had arrived are not delivered again (RFC 4975 section 5.4).
    pub resumes: Option<SessionKey>,
    /// The path through relays that the session uses, as [`Endpoint::enlist`](super::Endpoint::enlist) has given it: this
    /// end's requests take it, and it is the relay's connection that the session goes over, whoever connects.
    pub relay: Option<RelayKey>,
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
            success_reports: Acknowledge::Automatic,
            max_size: None,
            own_max_size: None,
            accept_types: None,
            connect_to: None,
            fingerprints: Vec::new(),
            resumable: false,
            resumes: None,
            relay: None,
        }
    }

    /// The largest message that is taken, as far as it is known before any of it is kept.
    pub(crate) fn largest(&self) -> u64 {
        let own = self.own_max_size.unwrap_or(u64::MAX);
        match self.delivery {
            Delivery::Whole { max } => max.min(own),
            Delivery::Streaming => own,
        }
    }
}

/// How requests find their session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Matching {
    /// By the whole URI (RFC 4975 section 6.1), which is right end to end and behind middleboxes that support CEMA.
    Uri,
    /// By the session identifier alone, for border controllers that write their own address into the paths.
    SessionId,
}

/// Who connects (RFC 4975 section 5.4, RFC 6135).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Role {
    /// This end connects, and binds the session with its first SEND.
    Active,
    /// The peer connects, and binds the session with its first SEND.
    Passive,
    /// Either: the peer connects unless it says that it will not, whereupon
    /// [`Endpoint::connect`](super::Endpoint::connect) is called (`a=setup:actpass`).
    Actpass,
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

/// Who answers chunks, or reports success.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Acknowledge {
    /// The endpoint: each chunk with 200, and a message with a report once all of it is there.
    Automatic,
    /// The parent, by [`Endpoint::respond`](super::Endpoint::respond) or
    /// [`Endpoint::report`](super::Endpoint::report).
    Manual,
}
