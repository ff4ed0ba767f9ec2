//! The INVITE server transaction, figure 7 of RFC 6026 section 8.6.

use super::Action;

//= https://www.rfc-editor.org/rfc/rfc6026#section-7.1
//# If the SIP element's TU (Transaction User) issues a 2xx response for
//# this transaction while the state machine is in the "Proceeding"
//# state, the state machine MUST transition to the "Accepted" state and
//# set Timer L to 64*T1

/// A state of the INVITE server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum InviteServer {
    /// The request is with the transaction user.
    Proceeding,
    /// A response of 300 to 699 is sent and not yet acknowledged.
    Completed,
    /// The acknowledgement has come; repetitions of it are swallowed.
    Confirmed,
    /// A 2xx is sent; repetitions of the request are swallowed.
    Accepted,
    /// Over: the transaction is destroyed.
    Terminated,
}

/// What can happen to an INVITE server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum InviteServerInput {
    /// The INVITE arrives again.
    Request,
    /// An ACK arrives.
    Ack,
    /// The transaction user gives a 1xx.
    Provisional,
    /// The transaction user gives a 2xx.
    Success,
    /// The transaction user gives a response of 300 to 699.
    Failure,
    /// The time to send the response of 300 to 699 again.
    TimerG,
    /// The time by which the ACK should have come.
    TimerH,
    /// The end of waiting for repetitions of the ACK.
    TimerI,
    /// The end of waiting for repetitions of an accepted INVITE.
    TimerL,
    /// The transport can't deliver.
    TransportError,
}

impl InviteServer {
    /// Every state, in the figure's order.
    pub const ALL: [Self; 5] = [
        Self::Proceeding,
        Self::Completed,
        Self::Confirmed,
        Self::Accepted,
        Self::Terminated,
    ];

    /// The figure's arrow: where it leads and what is to be done, or `None` where there is none.
    pub fn arrow(self, input: InviteServerInput) -> Option<(Self, &'static [Action])> {
        use InviteServerInput as I;
        Some(match (self, input) {
            (Self::Proceeding, I::Request | I::Provisional) => (Self::Proceeding, &[Action::SendResponse]),
            (Self::Proceeding | Self::Accepted, I::Success) => (Self::Accepted, &[Action::SendResponse]),
            //= https://www.rfc-editor.org/rfc/rfc6026#section-7.1
            //# Instead, the associated INVITE server transaction state
            //# machine MUST remain in its current state.
            (Self::Proceeding | Self::Completed | Self::Accepted, I::TransportError) => {
                (self, &[Action::ReportFailure])
            }
            (Self::Proceeding, I::Failure) | (Self::Completed, I::Request | I::TimerG) => {
                (Self::Completed, &[Action::SendResponse])
            }
            // The text asks for the news that the figure leaves out: "MUST indicate to the TU that a transaction failure has
            // occurred" (RFC 3261 section 17.2.1).
            (Self::Completed, I::TimerH) => (Self::Terminated, &[Action::ReportFailure]),
            // The purpose of "Confirmed", by the text: it absorbs further ACKs.
            (Self::Completed | Self::Confirmed, I::Ack) => (Self::Confirmed, &[]),
            (Self::Confirmed, I::TimerI) | (Self::Accepted, I::TimerL) => (Self::Terminated, &[]),
            (Self::Accepted, I::Request) => (Self::Accepted, &[]),
            (Self::Accepted, I::Ack) => (Self::Accepted, &[Action::Report]),
            _ => return None,
        })
    }

    /// The state that the figure's arrow leads to.
    pub fn next(self, input: InviteServerInput) -> Option<Self> {
        self.arrow(input).map(|(state, _)| state)
    }
}

impl InviteServerInput {
    /// Every input.
    pub const ALL: [Self; 10] = [
        Self::Request,
        Self::Ack,
        Self::Provisional,
        Self::Success,
        Self::Failure,
        Self::TimerG,
        Self::TimerH,
        Self::TimerI,
        Self::TimerL,
        Self::TransportError,
    ];
}
