//! The non-INVITE server transaction, figure 8 of RFC 3261 section 17.2.2.

use super::Action;

/// A state of the non-INVITE server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum NonInviteServer {
    /// The request is with the transaction user.
    Trying,
    /// A provisional response is sent.
    Proceeding,
    /// The final response is sent, and sent again when the request is repeated.
    Completed,
    /// Over: the transaction is destroyed.
    Terminated,
}

/// What can happen to a non-INVITE server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum NonInviteServerInput {
    /// The request arrives again.
    Request,
    /// The transaction user gives a 1xx.
    Provisional,
    /// The transaction user gives a response of 200 to 699.
    Final,
    /// The end of waiting for repetitions of the request.
    TimerJ,
    /// The transport can't deliver.
    TransportError,
}

impl NonInviteServer {
    /// Every state, in the figure's order.
    pub const ALL: [Self; 4] = [Self::Trying, Self::Proceeding, Self::Completed, Self::Terminated];

    /// The figure's arrow: where it leads and what is to be done, or `None` where there is none.
    pub fn arrow(self, input: NonInviteServerInput) -> Option<(Self, &'static [Action])> {
        use NonInviteServerInput as I;
        Some(match (self, input) {
            (Self::Trying | Self::Proceeding, I::Provisional) => (Self::Proceeding, &[Action::SendResponse]),
            (Self::Trying | Self::Proceeding, I::Final) => (Self::Completed, &[Action::SendResponse]),
            (Self::Proceeding | Self::Completed, I::Request) => (self, &[Action::SendResponse]),
            (Self::Proceeding | Self::Completed, I::TransportError) => {
                (Self::Terminated, &[Action::ReportFailure])
            }
            (Self::Completed, I::TimerJ) => (Self::Terminated, &[]),
            _ => return None,
        })
    }

    /// The state that the figure's arrow leads to.
    pub fn next(self, input: NonInviteServerInput) -> Option<Self> {
        self.arrow(input).map(|(state, _)| state)
    }
}

impl NonInviteServerInput {
    /// Every input.
    pub const ALL: [Self; 5] = [
        Self::Request,
        Self::Provisional,
        Self::Final,
        Self::TimerJ,
        Self::TransportError,
    ];
}
