//! What is to be compressed (RFC 3486), and who does it.

use bytes::Bytes;

use crate::error::ParseError;
use crate::flow::FlowId;
use crate::uri::Uri;

/// A compressor and decompressor of the host's (RFC 3320, RFC 5049): it sees each message of a flow between the socket and the endpoint.
pub trait Compressor {
    /// Compresses a message that goes out on a flow, if the peer there can decompress; gives it back as it is otherwise.
    fn compress(&mut self, flow: FlowId, message: Bytes) -> Bytes;

    /// Decompresses what came in on a flow; gives back as it is what is not compressed, and nothing for what can't be decompressed.
    fn decompress(&mut self, flow: FlowId, octets: Bytes) -> Option<Bytes>;
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
