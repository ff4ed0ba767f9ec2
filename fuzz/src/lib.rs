//! The bodies of the fuzz targets. Each takes any octets and panics when something that must hold does not.
//!
//! Under `--cfg fuzzing` the binaries are libFuzzer targets; otherwise they replay the files that they are given, and
//! `tests/replay.rs` replays the corpora.
#![forbid(unsafe_code)]
#![expect(
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a panic is how a fuzz target says that it found something"
)]

mod conference_info;
mod cpim;
mod identity;
mod msrp_connection;
mod msrp_framer;
mod msrp_message;
mod msrp_relay;
mod multipart;
mod policy_evaluate;
mod sdp;
mod sip_endpoint;
mod sip_header;
mod sip_message;
mod sip_session;
mod sip_stream;
mod sip_transaction;
mod sip_uri;
mod xcap_edit;
mod xcap_patch;
mod xcap_request;
mod xdm_document;

pub use conference_info::conference_info;
pub use cpim::cpim;
pub use identity::identity;
pub use msrp_connection::msrp_connection;
pub use msrp_framer::msrp_framer;
pub use msrp_message::msrp_message;
pub use msrp_relay::msrp_relay;
pub use multipart::multipart;
pub use policy_evaluate::policy_evaluate;
pub use sdp::sdp;
pub use sip_endpoint::sip_endpoint;
pub use sip_header::sip_header;
pub use sip_message::sip_message;
pub use sip_session::sip_session;
pub use sip_stream::sip_stream;
pub use sip_transaction::sip_transaction;
pub use sip_uri::sip_uri;
pub use xcap_edit::xcap_edit;
pub use xcap_patch::xcap_patch;
pub use xcap_request::xcap_request;
pub use xdm_document::xdm_document;

use bytes::Bytes;

/// Splits the input in two: one octet says how long the pieces are in which the rest arrives.
fn pieces(data: &[u8]) -> Option<(Bytes, usize)> {
    let (&step, rest) = data.split_first()?;
    Some((Bytes::copy_from_slice(rest), usize::from(step).max(1)))
}

/// Replays the files that are named on the command line.
///
/// # Panics
///
/// Panics when a file cannot be read, or the target does.
#[expect(clippy::print_stdout, reason = "a command-line program")]
pub fn replay(target: fn(&[u8])) {
    for path in std::env::args().skip(1) {
        let data = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        target(&data);
        println!("{path}: no finding");
    }
}
