//! The non-INVITE client transaction, figure 6 of RFC 3261 section 17.1.2.

use super::Action;

/// A state of the non-INVITE client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum NonInviteClient {
    /// The request is sent, nothing has come back.
    Trying,
    /// A provisional response has come.
    Proceeding,
    /// The final response has come; repetitions of it are swallowed.
    Completed,
    /// Over: the transaction is destroyed.
    Terminated,
}

/// What can happen to a non-INVITE client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum NonInviteClientInput {
    /// A 1xx arrives.
    Provisional,
    /// A response of 200 to 699 arrives.
    Final,
    /// The time to send the request again.
    TimerE,
    /// The time by which the final response should have come.
    TimerF,
    /// The end of waiting for repetitions of the final response.
    TimerK,
    /// The transport can't deliver.
    TransportError,
}

impl NonInviteClient {
    /// Every state, in the figure's order.
    pub const ALL: [Self; 4] = [Self::Trying, Self::Proceeding, Self::Completed, Self::Terminated];

    /// The figure's arrow: where it leads and what is to be done, or `None` where there is none.
    pub fn arrow(self, input: NonInviteClientInput) -> Option<(Self, &'static [Action])> {
        use NonInviteClientInput as I;
        Some(match (self, input) {
            (Self::Trying | Self::Proceeding, I::TimerE) => (self, &[Action::SendRequest]),
            (Self::Trying | Self::Proceeding, I::Provisional) => (Self::Proceeding, &[Action::Report]),
            (Self::Trying | Self::Proceeding, I::Final) => (Self::Completed, &[Action::Report]),
            (Self::Trying | Self::Proceeding, I::TimerF | I::TransportError) => {
                (Self::Terminated, &[Action::ReportFailure])
            }
            // The figure's arrow at "Completed": another final response leads back to it, and says nothing to the user.
            (Self::Completed, I::Final) => (Self::Completed, &[]),
            (Self::Completed, I::TimerK) => (Self::Terminated, &[]),
            _ => return None,
        })
    }

    /// The state that the figure's arrow leads to.
    pub fn next(self, input: NonInviteClientInput) -> Option<Self> {
        self.arrow(input).map(|(state, _)| state)
    }
}

impl NonInviteClientInput {
    /// Every input.
    pub const ALL: [Self; 6] = [
        Self::Provisional,
        Self::Final,
        Self::TimerE,
        Self::TimerF,
        Self::TimerK,
        Self::TransportError,
    ];
}
