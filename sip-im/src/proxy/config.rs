//! What a proxy is told at the start, what it tells, and why it does not pass a request on.

use thiserror::Error;

use super::ProxyError;
use crate::endpoint::{self, ServerTransaction};
use crate::message::{Request, Response};
use crate::uri::Uri;
use crate::{FlowId, StatusCode};

/// What a proxy goes by.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The flows and transactions.
    pub endpoint: endpoint::Config,
    /// The addresses of this proxy: what Route values and Request-URIs that lead here have as host and port, and the first as what
    /// Record-Route gets.
    pub addresses: Vec<Uri>,
    /// Whether dialogs are to come this way as long as they last. Yes.
    pub record_route: bool,
    /// The largest Max-Breadth that a request may have (RFC 5393); a larger one is lowered. 60.
    pub max_breadth: u32,
    /// Whether targets beyond a request's breadth are tried one after the other; otherwise such a request is answered 440. Yes.
    pub serialise: bool,
    /// Targets of one request; more are refused. 60.
    pub max_targets: usize,
    /// Whether this is an edge proxy (RFC 5626 section 5): clients are reached over the flows that they have opened, which Path and
    /// Record-Route name by tokens. No.
    pub edge: bool,
    /// The key of the tokens; without one it is random, and tokens from before a restart are taken for forged. None.
    pub flow_key: Option<[u8; 20]>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: endpoint::Config::default(),
            addresses: Vec::new(),
            record_route: true,
            max_breadth: 60,
            serialise: true,
            max_targets: 60,
            edge: false,
            flow_key: None,
        }
    }
}

/// News of a proxy.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A request came in, the Route values that led here taken off. It is to be [passed on](super::Proxy::forward) or
    /// [answered](super::Proxy::respond).
    RequestReceived {
        /// To pass it on by.
        transaction: ServerTransaction,
        /// The request.
        request: Request,
        /// The Route value that named this proxy, with what was put into it.
        route: Option<Uri>,
        /// The flow that the Route names by its token, if this is an [edge proxy](Config::edge) and the request is for the client
        /// there: it is to go [over](super::Branch::over) that flow.
        next: Option<FlowId>,
        /// Where it came in.
        flow: FlowId,
        /// Whether that flow's peer belongs to the trust domain.
        trusted: bool,
    },
    /// A request that was passed on has got this final response; the first, if it is a 2xx to an INVITE.
    Answered {
        /// Which.
        transaction: ServerTransaction,
        /// What it was.
        status: StatusCode,
    },
    /// News of the endpoint that the proxy has no part in: flows that come and go, ACKs and ends of what was answered here.
    Endpoint(endpoint::Event),
}

/// Why a request was not passed on; it is still to be answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ForwardError {
    /// It is answered, or was never there.
    #[error("the request is not there to be passed on")]
    UnknownTransaction,
    /// It must not be passed on as it is.
    #[error(transparent)]
    Refused(#[from] ProxyError),
    /// It has been here before, and nothing has changed since (RFC 5393 section 4.2.2).
    #[error("the request has come back as it was")]
    Loop,
    /// It may not spread as far as that (RFC 5393 section 5.3.3).
    #[error("the request has too little breadth")]
    TooBroad,
    /// There is nobody to pass it on to, or there are more than [`Config::max_targets`].
    #[error("the targets are none or too many")]
    Targets,
}

impl ForwardError {
    /// What to answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::UnknownTransaction => StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
            Self::Refused(error) => error.status(),
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::TooBroad => StatusCode::MAX_BREADTH_EXCEEDED,
            Self::Targets => StatusCode::TEMPORARILY_UNAVAILABLE,
        }
    }

    /// Makes the response.
    ///
    /// # Errors
    ///
    /// Fails when the request lacks what every response repeats.
    pub fn response(&self, request: &Request, to_tag: &str) -> Result<Response, crate::error::BuildError> {
        match self {
            Self::Refused(error) => error.response(request).to_tag(to_tag).build(),
            _ => request.response(self.status()).to_tag(to_tag).build(),
        }
    }
}
