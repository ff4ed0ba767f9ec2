//! What is to be compressed (RFC 3486), and who does it.

use bytes::Bytes;
use thiserror::Error;

use crate::error::ParseError;
use crate::flow::FlowId;
use crate::uri::Uri;

/// A compressor and decompressor of the host's (RFC 3320, RFC 5049): it sees each message of a flow that is
/// [marked](crate::endpoint::Endpoint::compress) between the socket and the endpoint.
pub trait Compressor {
    /// Compresses a message that goes out on a flow, and frames it if the flow is a stream; gives it back as it is if it can't.
    fn compress(&mut self, flow: FlowId, message: Bytes) -> Bytes;

    /// Decompresses what came in on a flow: one datagram, or the next piece of a stream, of which the compressor keeps what is no
    /// whole message yet. What is not compressed it gives back as it is.
    ///
    /// # Errors
    ///
    /// Fails when that can't be done, or when the result would have more than `most` octets; it must not hold more than that.
    fn decompress(&mut self, flow: FlowId, octets: Bytes, most: usize) -> Result<Bytes, DecompressError>;

    /// A flow is gone, and what is kept of it of no use any more.
    fn forget(&mut self, flow: FlowId) {
        let _ = flow;
    }
}

/// Why something that came in can't be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecompressError {
    /// It is not what a compressor makes.
    #[error("not what a compressor makes")]
    Malformed,
    /// It refers to state that is not there (RFC 3320 section 6.2).
    #[error("the state that it refers to is not there")]
    NoState,
    /// The result would be larger than allowed.
    #[error("too large when decompressed")]
    TooLarge,
}

/// Whether requests to a URI are to be compressed.
///
//= https://www.rfc-editor.org/rfc/rfc3486#section-4
//# If the next-hop URI contains the parameter comp=sigcomp, the client
//# SHOULD compress the request using SigComp as defined in [2].
pub fn asks_for_compression(uri: &Uri) -> bool {
    uri.parameter("comp")
        .flatten()
        .is_some_and(|method| method.eq_ignore_ascii_case("sigcomp"))
}

/// A URI of this host, for Contact or Record-Route, that asks others to compress what they send to it.
///
/// # Errors
///
/// Fails when the URI takes no parameter.
///
//= https://www.rfc-editor.org/rfc/rfc3486#section-4
//# If a user agent client sends a compressed request, it SHOULD add the
//# parameter comp=sigcomp to the URI in the Contact header field.
pub fn ask_for_compression(uri: &Uri) -> Result<Uri, ParseError> {
    uri.with_parameter("comp", Some("sigcomp"))
}
