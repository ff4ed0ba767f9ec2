//! What a node tells its host.

use sip_im::{FlowId, Identity, StatusCode};

use crate::{ServiceWarning, controlling, deferred, participating, presence, xdms};

/// News; ignoring it is safe.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A user has registered a contact, for the first time or again.
    Registered {
        /// The user.
        user: Identity,
    },
    /// A user's last contact is gone.
    Unregistered {
        /// The user.
        user: Identity,
    },
    /// A request was refused before any role saw it.
    Refused {
        /// The user it came from, if known.
        from: Option<Identity>,
        /// The flow it came in on.
        flow: FlowId,
        /// The answer.
        status: StatusCode,
        /// The service's reason.
        warning: Option<ServiceWarning>,
    },
    /// More requests came than the limits allow; one was refused with 503.
    Overload {
        /// The flow it came in on.
        flow: FlowId,
    },
    /// News of the Participating function.
    Participating(participating::Event),
    /// News of the Controlling function.
    Controlling(controlling::Event),
    /// News of the Deferred Messaging function.
    Deferred(deferred::Event),
    /// News of the presence function.
    Presence(presence::Event),
    /// News of the XDM server.
    Xdms(xdms::Event),
}
