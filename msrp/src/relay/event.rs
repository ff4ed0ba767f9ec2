//! What goes in and what comes out.

use std::fmt;

use bytes::Bytes;

use crate::codec::DecodeError;
use crate::digest::{Algorithm, Ha1};
use crate::endpoint::{Octets, OpenId};
use crate::{ConnectionId, Uri};

/// What is known of whoever is at the other end of a connection, from before its first octet.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Peer {
    /// Nothing: a client has to authenticate with AUTH.
    Unknown,
    /// A user whom the host has authenticated itself, such as in a WebSocket's handshake (RFC 7977 section 7); its
    /// AUTH requests are not challenged.
    User(String),
    /// A relay, by the names in the certificate that the host has verified (RFC 4976 section 6.3). The URIs that are
    /// handed out through it are good on any of its connections.
    Relay(Vec<String>),
}

/// What comes from the network.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Input {
    /// A connection is there: accepted, or opened on request.
    Opened {
        /// Its name, which the host chooses and does not use again.
        connection: ConnectionId,
        /// The request to open it, if it was opened on request.
        open: Option<OpenId>,
        /// Whether it is protected with TLS.
        secure: bool,
        /// Who is there.
        peer: Peer,
    },
    /// A connection could not be opened, or the host does not want it.
    OpenFailed {
        /// The request.
        open: OpenId,
    },
    /// Octets have arrived.
    Received {
        /// Where.
        connection: ConnectionId,
        /// What.
        data: Bytes,
    },
    /// The connection takes no more for now.
    Blocked {
        /// Which.
        connection: ConnectionId,
    },
    /// The connection takes more again.
    Writable {
        /// Which.
        connection: ConnectionId,
    },
    /// The connection is gone.
    Closed {
        /// Which.
        connection: ConnectionId,
    },
}

/// What goes to the network.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a host that does not know one of these does not work"
)]
pub enum Transmit {
    /// Open a connection to the next hop; answered by [`Input::Opened`] or [`Input::OpenFailed`] with the same `open`.
    /// Whether the hop may be connected to is the host's to judge.
    Open {
        /// The request's name.
        open: OpenId,
        /// Whether with TLS.
        secure: bool,
        /// A host name or an address, IPv6 without brackets.
        host: String,
        /// The port; none if it is to be found as RFC 4976 section 8 says: by the SRV records of `_msrps._tcp`, else
        /// 2855.
        port: Option<u16>,
    },
    /// Send these octets.
    Send {
        /// Where.
        connection: ConnectionId,
        /// What.
        data: Octets,
        /// Whether an MSRP message ends here. Where each has to be in a message of its own, as in WebSocket (RFC 7977
        /// section 5.1), the host gathers until then: a head and a chunk at the most.
        ends: bool,
    },
    /// Read no more from the connection: what came on it waits for somebody slower.
    Pause {
        /// Which.
        connection: ConnectionId,
    },
    /// Read from the connection again.
    Resume {
        /// Which.
        connection: ConnectionId,
    },
    /// Close the connection after all that was given for it has been sent. [`Input::Closed`] need not follow.
    Close {
        /// Which.
        connection: ConnectionId,
    },
}

/// Names a question to the host; never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct QuestionId(pub(super) u64);

/// What the host owes one answer. An answer that comes late or again is ignored.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a host that does not know one of these does not work"
)]
pub enum Effect {
    /// Tell the hash of a user's password; answered by [`Answer::Password`].
    FindPassword {
        /// The question's name.
        id: QuestionId,
        /// The user's name, as the client wrote it.
        username: String,
        /// The realm.
        realm: String,
        /// The algorithm of the hash.
        algorithm: Algorithm,
    },
}

/// What the host answers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// To [`Effect::FindPassword`].
    Password {
        /// The question's name.
        id: QuestionId,
        /// What is known of the user.
        password: Password,
    },
}

/// What a host knows of a user.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a host says one of these")]
pub enum Password {
    /// The hash of the password.
    Known(Ha1),
    /// The hash of the password of a user who may not use the relay: who proves to be that user is told 403.
    Forbidden(Ha1),
    /// There is no such user.
    Unknown,
}

/// News of a [`Relay`](super::Relay).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A client has been given a URI.
    UriGiven {
        /// The connection of the AUTH request.
        connection: ConnectionId,
        /// Whose it is.
        username: String,
        /// The URI; whoever knows it can send to the client.
        uri: Uri,
    },
    /// A URI is not good any more: its time is over, or its connection is gone.
    UriExpired {
        /// The URI.
        uri: Uri,
    },
    /// A client's credentials were wrong.
    CredentialsRefused {
        /// The connection of the AUTH request.
        connection: ConnectionId,
        /// Whose they were said to be.
        username: String,
    },
    /// The relay closes a connection.
    ConnectionClosed {
        /// Which.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
}

/// Why a relay closes a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CloseReason {
    /// What came was not MSRP.
    Malformed(DecodeError),
    /// A request was for somebody else (RFC 4976 section 6.2).
    NotAddressed,
    /// No request succeeded in time (RFC 4976 section 6.1).
    Probation,
    /// Too many requests failed (RFC 4976 sections 6.1 and 6.3).
    FailedRequests,
    /// It was not used for long (RFC 4976 section 6.5), or had to make room.
    Idle,
    /// There are too many connections.
    TooMany,
    /// The peer does not read what is sent to it.
    NotReading,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(_) => "not MSRP",
            Self::NotAddressed => "a request for somebody else",
            Self::Probation => "no successful request in time",
            Self::FailedRequests => "too many failed requests",
            Self::Idle => "unused",
            Self::TooMany => "too many connections",
            Self::NotReading => "the peer does not read",
        })
    }
}
