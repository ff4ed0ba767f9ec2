//! Flows: what the host calls a socket with a peer at its other end.
//!
//! A flow is one connection of a stream transport, or one pair of a datagram socket and a remote address. The host chooses its
//! number and uses each number once; a flow that was closed never comes back under the same one.

use core::fmt;

/// A connection, or a datagram socket together with one remote address; the number is the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a plain number that the host mints")]
pub struct FlowId(pub u64);

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "flow {}", self.0)
    }
}

/// A transport protocol of SIP (RFC 3261 section 18, RFC 7118).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// Datagrams: unreliable, so requests and responses are retransmitted.
    Udp,
    /// A stream.
    Tcp,
    /// A stream inside TLS.
    Tls,
    /// A WebSocket: reliable, one SIP message in each of its messages.
    Ws,
    /// A WebSocket inside TLS.
    Wss,
}

impl Transport {
    /// The name in a Via's sent-protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// Reads the name in a Via's sent-protocol or in a URI's `transport` parameter, in either case of letters.
    ///
    /// ```
    /// use sip_im::flow::Transport;
    /// assert_eq!(Transport::from_name("tcp"), Some(Transport::Tcp));
    /// assert_eq!(Transport::from_name("sctp"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss]
            .into_iter()
            .find(|t| t.as_str().eq_ignore_ascii_case(name))
    }

    /// Whether the transport delivers by itself, so that no transaction retransmits over it.
    pub fn is_reliable(self) -> bool {
        self != Self::Udp
    }

    /// Whether messages arrive as one octet stream and are framed by Content-Length; otherwise each arrives whole.
    pub fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }

    /// Whether the transport is protected by TLS.
    pub fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// The port that is meant where none is written.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-18.1.1
    //# It is 5060 for UDP, TCP and SCTP, 5061 for TLS.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
