//! What a host exchanges with a [`Node`](crate::node::Node) or a [`Client`](crate::client::Client): octets on flows.

use std::net::SocketAddr;

use bytes::Bytes;
pub use msrp::endpoint::Octets;
pub use sip_im::{FlowId, Transport};

use crate::xdms::{XcapId, XcapRequest, XcapResponse};

/// Which protocol a flow carries.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Protocol {
    /// SIP.
    Sip,
    /// MSRP.
    Msrp,
}

/// Names a flow that the library has asked the host to open; never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a plain number that the host hands back"
)]
pub struct OpenId(pub u64);

/// What comes from the network.
///
/// A flow is a TCP, TLS or WebSocket connection, or, with UDP, a local socket together with a remote address: a host
/// says [`Input::Opened`] once for each before it gives what has arrived there. [`FlowId`]s are the host's choice and
/// are not used again.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input {
    /// A flow is there: accepted, opened on request, or the first datagram from an address.
    Opened {
        /// Its name.
        flow: FlowId,
        /// What it carries.
        protocol: Protocol,
        /// How.
        transport: Transport,
        /// This end.
        local: SocketAddr,
        /// The far end.
        remote: SocketAddr,
        /// The request to open it, if it was opened on request.
        open: Option<OpenId>,
        /// Whether the peer belongs to the trust domain (RFC 3325): its assertions of identity are believed.
        trusted: bool,
    },
    /// A flow could not be opened.
    OpenFailed {
        /// The request.
        open: OpenId,
    },
    /// Octets have arrived; with UDP exactly one datagram, with WebSocket one message.
    Received {
        /// Where.
        flow: FlowId,
        /// What.
        data: Bytes,
    },
    /// The flow takes no more for now; nothing is given for it until [`Input::Writable`].
    Blocked {
        /// Which.
        flow: FlowId,
    },
    /// The flow takes more again.
    Writable {
        /// Which.
        flow: FlowId,
    },
    /// The flow is gone, by the peer's doing or an error.
    Closed {
        /// Which.
        flow: FlowId,
    },
    /// An XCAP request that the host's HTTP server has taken in.
    Xcap {
        /// The host's name for it; not used again.
        id: XcapId,
        /// The request.
        request: XcapRequest,
    },
}

/// What goes to the network.
#[derive(Debug)]
#[non_exhaustive]
pub enum Transmit {
    /// Open a flow; answered by [`Input::Opened`] or [`Input::OpenFailed`] with the same `open`.
    Open {
        /// The request's name.
        open: OpenId,
        /// What it will carry.
        protocol: Protocol,
        /// How.
        transport: Transport,
        /// A host name or an address, IPv6 without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Whom the peer's certificate has to be for, where that is not `host`: the domain that the DNS led here from (RFC 5922).
        domain: Option<String>,
    },
    /// Send these octets; with UDP as one datagram.
    Send {
        /// Where.
        flow: FlowId,
        /// What.
        data: Octets,
    },
    /// Close the flow after all that was given for it has been sent. [`Input::Closed`] need not follow.
    Close {
        /// Which.
        flow: FlowId,
    },
    /// The answer to an XCAP request.
    Xcap {
        /// The host's name for the request.
        id: XcapId,
        /// The answer.
        response: XcapResponse,
    },
}
