//! Transactions: the four state machines of RFC 3261 section 17, as corrected by RFC 6026, and how messages are matched to them.
//!
//! Each machine is one figure of the RFC: an enum of states and a pure function `arrow` which gives, for a state and an input, the
//! state the figure's arrow leads to and what is written beside it, or `None` where the figure has no arrow. What an action
//! *means* (which octets go over which flow) is the [endpoint](crate::endpoint)'s.
//!
//! | machine | figure | type |
//! |---|---|---|
//! | INVITE client | 5 of RFC 6026 | [`InviteClient`] |
//! | non-INVITE client | 6 of RFC 3261 | [`NonInviteClient`] |
//! | INVITE server | 7 of RFC 6026 | [`InviteServer`] |
//! | non-INVITE server | 8 of RFC 3261 | [`NonInviteServer`] |
//!
//! ```
//! use sip_im::transaction::{InviteClient, InviteClientInput};
//! let state = InviteClient::Calling.next(InviteClientInput::Provisional);
//! assert_eq!(state, Some(InviteClient::Proceeding));
//! ```

mod client;
mod index;
mod invite_client;
mod invite_server;
mod key;
mod server;
mod table;
mod text;
mod timer;

pub use client::{NonInviteClient, NonInviteClientInput};
pub use invite_client::{InviteClient, InviteClientInput};
pub use invite_server::{InviteServer, InviteServerInput};
pub(crate) use key::{DialogKey, Legacy, MAGIC_COOKIE, MergeKey, client_key, has_cookie, server_key};
pub use server::{NonInviteServer, NonInviteServerInput};
pub(crate) use table::{Hashed, NumberHasher, Table, parts};
pub(crate) use text::Text;
pub use timer::Timers;

/// What a figure writes beside an arrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Hand the request to the transport once more.
    SendRequest,
    /// Hand an ACK for the response at hand to the transport.
    SendAck,
    /// Hand the latest response to the transport.
    SendResponse,
    /// Pass the message at hand to the transaction user.
    Report,
    /// Tell the transaction user that the transaction failed.
    ReportFailure,
}
