//! What an endpoint is told at the start: timers, limits, and the names it goes by.

use core::time::Duration;

use crate::codec;
use crate::resolve;
use crate::session;
use crate::transaction::Timers;

/// Timers, limits and names of an [`Endpoint`](super::Endpoint).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The base timers of RFC 3261 table 4.
    pub timers: Timers,
    /// What the codec accepts of one message.
    pub limits: codec::Limits,
    /// Open server transactions; a request beyond them is answered 503 without any state. 100 000.
    pub max_server_transactions: usize,
    /// Open server transactions of one flow whose peer is not trusted; a request beyond them is answered 503, so that one peer alone
    /// does not fill the table. 50 000.
    pub max_flow_transactions: usize,
    /// Open client transactions; `send` refuses beyond them. 100 000.
    pub max_client_transactions: usize,
    /// Open flows; one beyond them is closed at once. 100 000.
    pub max_flows: usize,
    /// Messages that wait for a flow to open, over all flows. 10 000.
    pub max_waiting: usize,
    /// Octets queued for one flow. Beyond them a datagram is dropped, as the network would, and a stream, whose peer evidently does
    /// not read, is closed. 4 MiB.
    pub max_queued_octets: usize,
    /// 2xx of different dialogs whose ACK one INVITE client transaction remembers, so as to repeat it by itself. 64.
    pub max_forks: usize,
    /// The largest request, in octets, that goes out in a datagram when the destination is an address; larger ones go over a
    /// stream. A host that knows its path's MTU to be greater sets it to that MTU less 200. 1300.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-18.1.1
    //# If a request is within 200 bytes of the path MTU, or if it is larger
    //# than 1300 bytes and the path MTU is unknown, the request MUST be sent
    //# using an RFC 2914 [43] congestion controlled transport protocol, such
    //# as TCP.
    pub max_datagram: usize,
    /// What a 503 for want of transactions asks the peer to wait; written as whole seconds. 5 s.
    pub retry_after: Duration,
    /// Octets that what came in at once, or one datagram, may have when it is decompressed. 65 536.
    pub max_decompressed: usize,
    /// How long a flow may be silent before it is closed, as long as no transaction needs it. 2 h, which is more than the hour that
    /// a registration usually lasts.
    pub flow_idle: Duration,
    /// How long the rest of a message that has begun on a stream may take. 10 s.
    pub message_timeout: Duration,
    /// How long the answer to a keep-alive on a stream may take; then the flow has failed. 10 s.
    ///
    //= https://www.rfc-editor.org/rfc/rfc5626#section-4.4.1
    //# If a pong is not received within 10 seconds after sending a ping (or
    //# immediately after processing any incoming message being received when
    //# that 10 seconds expires), then the client MUST treat the flow as
    //# failed.
    pub pong_timeout: Duration,
    /// The host name for the sent-by of our Via; without one it is the address that the flow is bound to.
    ///
    /// The host has to accept messages that arrive for this name.
    pub host_name: Option<String>,
    /// Whether a request that came on two ways is refused the second time with 482 (RFC 3261 section 8.2.2.2), as a user agent
    /// does and a proxy must not. No.
    pub refuse_merged: bool,
    /// How the destination of a request to a URI is found.
    pub resolve: resolve::Config,
    /// Sessions.
    pub sessions: session::Config,
    /// The product in `User-Agent` and `Server`, where the message has none and did not come from elsewhere.
    pub user_agent: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timers: Timers::default(),
            limits: codec::Limits::default(),
            max_server_transactions: 100_000,
            max_flow_transactions: 50_000,
            max_client_transactions: 100_000,
            max_flows: 100_000,
            max_waiting: 10_000,
            max_queued_octets: 4 << 20,
            max_forks: 64,
            max_datagram: 1300,
            retry_after: Duration::from_secs(5),
            max_decompressed: 65_536,
            flow_idle: Duration::from_secs(7200),
            message_timeout: Duration::from_secs(10),
            pong_timeout: Duration::from_secs(10),
            host_name: None,
            refuse_merged: false,
            resolve: resolve::Config::default(),
            sessions: session::Config::default(),
            user_agent: None,
        }
    }
}
