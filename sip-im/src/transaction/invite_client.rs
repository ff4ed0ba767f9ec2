//! The INVITE client transaction, figure 5 of RFC 6026 section 8.4.

use super::Action;

//= https://www.rfc-editor.org/rfc/rfc6026#section-8.4
//# When a 2xx response is received while in either the "Calling" or
//# "Proceeding" states, the client transaction MUST transition to the
//# "Accepted" state, and Timer M MUST be started with a value of
//# 64*T1.

/// A state of the INVITE client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum InviteClient {
    /// The request is sent, nothing has come back.
    Calling,
    /// A provisional response has come.
    Proceeding,
    /// A response of 300 to 699 has come; repetitions of it are acknowledged.
    Completed,
    /// A 2xx has come; more of them may.
    Accepted,
    /// Over: the transaction is destroyed.
    Terminated,
}

/// What can happen to an INVITE client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum InviteClientInput {
    /// A 1xx arrives.
    Provisional,
    /// A 2xx arrives.
    Success,
    /// A response of 300 to 699 arrives.
    Failure,
    /// The time to send the request again.
    TimerA,
    /// The time by which a response should have come.
    TimerB,
    /// The end of waiting for repetitions of a final response of 300 to 699.
    TimerD,
    /// The end of waiting for further 2xx.
    TimerM,
    /// The transport can't deliver.
    TransportError,
}

impl InviteClient {
    /// Every state, in the figure's order.
    pub const ALL: [Self; 5] = [
        Self::Calling,
        Self::Proceeding,
        Self::Completed,
        Self::Accepted,
        Self::Terminated,
    ];

    /// The figure's arrow: where it leads and what is to be done, or `None` where there is none.
    pub fn arrow(self, input: InviteClientInput) -> Option<(Self, &'static [Action])> {
        use InviteClientInput as I;
        Some(match (self, input) {
            (Self::Calling, I::TimerA) => (Self::Calling, &[Action::SendRequest]),
            (Self::Calling, I::TimerB | I::TransportError) | (Self::Completed, I::TransportError) => {
                (Self::Terminated, &[Action::ReportFailure])
            }
            (Self::Calling | Self::Proceeding, I::Provisional) => (Self::Proceeding, &[Action::Report]),
            (Self::Calling | Self::Proceeding | Self::Accepted, I::Success) => {
                (Self::Accepted, &[Action::Report])
            }
            (Self::Calling | Self::Proceeding, I::Failure) => {
                (Self::Completed, &[Action::SendAck, Action::Report])
            }
            (Self::Completed, I::Failure) => (Self::Completed, &[Action::SendAck]),
            (Self::Completed, I::TimerD) | (Self::Accepted, I::TimerM) => (Self::Terminated, &[]),
            _ => return None,
        })
    }

    /// The state that the figure's arrow leads to.
    pub fn next(self, input: InviteClientInput) -> Option<Self> {
        self.arrow(input).map(|(state, _)| state)
    }
}

impl InviteClientInput {
    /// Every input.
    pub const ALL: [Self; 8] = [
        Self::Provisional,
        Self::Success,
        Self::Failure,
        Self::TimerA,
        Self::TimerB,
        Self::TimerD,
        Self::TimerM,
        Self::TransportError,
    ];
}
