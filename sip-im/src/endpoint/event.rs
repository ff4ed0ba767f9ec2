//! What goes into an endpoint and what comes out of it.

use core::fmt;
use core::net::SocketAddr;

use bytes::Bytes;

use crate::flow::{FlowId, Transport};
use crate::ims::DecompressError;
use crate::message::{Request, Response};
use crate::resolve::{Destination, ResolveError};
use crate::session::SessionEvent;
use crate::transaction::parts;
use crate::uri::Uri;

/// An open that the endpoint asks of the host; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a plain number that the host hands back"
)]
pub struct OpenId(pub u64);

/// A request that came in and is owed a final response; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerTransaction(pub(super) u64);

/// A request that went out; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientTransaction(pub(super) u64);

impl ServerTransaction {
    /// Its place in the table.
    pub(super) fn place(self) -> usize {
        usize::try_from(parts(self.0).0).unwrap_or(usize::MAX)
    }

    /// How many had the place before it.
    pub(super) fn generation(self) -> u32 {
        parts(self.0).1
    }
}

impl ClientTransaction {
    /// Its place in the table.
    pub(super) fn place(self) -> usize {
        usize::try_from(parts(self.0).0).unwrap_or(usize::MAX)
    }

    /// How many had the place before it.
    pub(super) fn generation(self) -> u32 {
        parts(self.0).1
    }
}

impl fmt::Display for ServerTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server transaction {}", self.0)
    }
}

impl fmt::Display for ClientTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client transaction {}", self.0)
    }
}

/// What the host tells the endpoint.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a host has to be able to say each of these, and only these"
)]
pub enum Input {
    /// A flow exists from now on: a connection was accepted or established, or a first datagram came from a remote address.
    Opened {
        /// The host's number for it.
        flow: FlowId,
        /// Its transport.
        transport: Transport,
        /// Our end.
        local: SocketAddr,
        /// The peer's end.
        remote: SocketAddr,
        /// The [`Transmit::Open`] that asked for it, if one did.
        open: Option<OpenId>,
        /// Whether the peer belongs to the trust domain (RFC 3325).
        trusted: bool,
    },
    /// An open that was asked for can't be had.
    OpenFailed {
        /// The [`Transmit::Open`] that asked for it.
        open: OpenId,
    },
    /// Octets came in; on a datagram flow or a WebSocket, one whole message.
    Received {
        /// Where.
        flow: FlowId,
        /// What.
        data: Bytes,
    },
    /// The flow takes nothing for now.
    Blocked {
        /// Which.
        flow: FlowId,
    },
    /// The flow takes octets again.
    Writable {
        /// Which.
        flow: FlowId,
    },
    /// The flow is gone.
    Closed {
        /// Which.
        flow: FlowId,
    },
}

/// What the host does for the endpoint, in the order given.
#[derive(Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new one has to stop the build of a host"
)]
pub enum Transmit {
    /// Open a flow, and answer with [`Input::Opened`] or [`Input::OpenFailed`].
    Open {
        /// To be handed back with the answer.
        open: OpenId,
        /// Over which transport.
        transport: Transport,
        /// A host name, or an address as text, without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Whom the peer's certificate has to be for, where that is not the host: the domain of the URI that the DNS led here from
        /// (RFC 5922).
        domain: Option<String>,
    },
    /// Send octets; on a datagram flow or a WebSocket, as one message.
    Send {
        /// Where.
        flow: FlowId,
        /// What.
        data: Bytes,
    },
    /// Close a flow once everything handed over before is sent. The flow's number is not used again.
    Close {
        /// Which.
        flow: FlowId,
    },
}

impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open {
                open,
                transport,
                host,
                port,
                ..
            } => {
                write!(f, "Open {{ {open:?}, {transport} {host}:{port} }}")
            }
            // Octets hold bodies and credentials.
            Self::Send { flow, data } => write!(f, "Send {{ {flow}, {} octets }}", data.len()),
            Self::Close { flow } => write!(f, "Close {{ {flow} }}"),
        }
    }
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// Over a flow that is open.
    Flow(FlowId),
    /// To an address, over a flow that is open to it or that is opened for it.
    Address {
        /// The transport; a request too large for a datagram goes over TCP instead of UDP.
        transport: Transport,
        /// A host name, or an address as text, without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// To a place that a [`Resolver`](crate::resolve::Resolver) has given.
    Destination(Destination),
    /// To where a URI leads (RFC 3263): the first Route, or the Request-URI. What has to be looked up for it comes out of
    /// [`poll_effect`](super::Endpoint::poll_effect); a request that fails at one destination goes to the next.
    Uri(Uri),
}

/// What an endpoint knows of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlowInfo {
    /// The transport.
    pub transport: Transport,
    /// Our end.
    pub local: SocketAddr,
    /// The peer's end.
    pub remote: SocketAddr,
    /// Whether the peer belongs to the trust domain.
    pub trusted: bool,
}

/// Why a request got no final response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestFailure {
    /// None came in time; to be treated as a 408 (RFC 3261 section 8.1.3.1).
    TimedOut,
    /// It could not be sent; to be treated as a 503.
    TransportFailed,
    /// Its URI leads nowhere.
    NotResolved(ResolveError),
}

/// News for the transaction user.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A request came in that is neither ACK nor CANCEL nor a repetition. A response is owed.
    RequestReceived {
        /// To answer with.
        transaction: ServerTransaction,
        /// The request, its top Via completed with `received` and `rport`.
        request: Request,
        /// Where it came in.
        flow: FlowId,
        /// Whether that flow's peer belongs to the trust domain.
        trusted: bool,
    },
    /// An ACK for a 2xx came in.
    AckReceived {
        /// The INVITE it acknowledges, if that was answered by this endpoint's [`respond`](super::Endpoint::respond); the 2xx is not
        /// sent again from now on, and further ACKs are not reported. Without it the ACK is one to be proxied, or stray.
        transaction: Option<ServerTransaction>,
        /// The ACK.
        request: Request,
        /// Where it came in.
        flow: FlowId,
    },
    /// A CANCEL came in for an INVITE that has no final response yet, and was answered; the INVITE is to be answered with 487.
    CancelReceived {
        /// The INVITE.
        transaction: ServerTransaction,
    },
    /// A response came in, this endpoint's own Via removed. Every 2xx of an INVITE is reported, unless
    /// [`acknowledge`](super::Endpoint::acknowledge) knows its dialog: then its ACK goes out again without a word.
    ResponseReceived {
        /// The request.
        transaction: ClientTransaction,
        /// The response.
        response: Response,
    },
    /// A request got no final response and won't get one.
    RequestFailed {
        /// The request.
        transaction: ClientTransaction,
        /// Why.
        reason: RequestFailure,
    },
    /// No ACK came for a 2xx of ours within 64*T1; the session is to be ended with a BYE (RFC 3261 section 13.3.1.4).
    AckTimedOut {
        /// The INVITE.
        transaction: ServerTransaction,
    },
    /// A request can't be answered any more: its peer is out of reach, or did not acknowledge in time, or no response was given
    /// while the peer was still waiting for one.
    TransactionFailed {
        /// The request.
        transaction: ServerTransaction,
    },
    /// News of a session that this endpoint keeps.
    Session(SessionEvent),
    /// What came in on a flow could not be decompressed; a datagram is dropped, a stream is closed.
    NotDecompressed {
        /// Which.
        flow: FlowId,
        /// Why.
        error: DecompressError,
    },
    /// A flow was opened, by a peer or on request.
    FlowOpened {
        /// Which.
        flow: FlowId,
    },
    /// A datagram flow or a WebSocket that is [kept alive](super::Endpoint::keep_alive) is due for a keep-alive of the host's: a STUN
    /// Binding request, or a WebSocket ping. If that fails, the host [closes](super::Endpoint::close) the flow.
    KeepAliveDue {
        /// Which.
        flow: FlowId,
    },
    /// A flow is gone.
    FlowClosed {
        /// Which.
        flow: FlowId,
    },
}
