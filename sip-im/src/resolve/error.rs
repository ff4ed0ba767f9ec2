//! Why a URI leads nowhere.

use core::time::Duration;

use thiserror::Error;

use crate::StatusCode;

/// Why a URI leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// It is neither a SIP nor a SIPS URI, so that it names no host.
    #[error("the uri names no host")]
    NoHost,
    /// It asks for a transport that is not known or not used here, or for one that can't be secured where it has to be.
    #[error("the transport is not available")]
    Transport,
    /// As many lookups are under way as [`Config::max_lookups`](super::Config::max_lookups) allows.
    #[error("too many lookups are under way")]
    TooManyLookups,
    /// The names lead to no address.
    #[error("no address was found")]
    NotFound,
    /// No name server answered in time.
    #[error("the name servers did not answer")]
    TimedOut,
    /// Every destination has asked to be left alone, the first of them for this much longer.
    #[error("every destination is overloaded")]
    Overloaded {
        /// How long to wait.
        retry_after: Duration,
    },
}

impl ResolveError {
    /// What a request that came to this is answered with.
    pub fn status(self) -> StatusCode {
        match self {
            Self::NoHost => StatusCode::UNSUPPORTED_URI_SCHEME,
            Self::NotFound => StatusCode::NOT_FOUND,
            //= https://www.rfc-editor.org/rfc/rfc3261#section-16.7
            //# If the only
            //# response that was received is a 503, the proxy SHOULD generate
            //# a 500 response and forward that upstream.
            _ => StatusCode::SERVER_INTERNAL_ERROR,
        }
    }
}
