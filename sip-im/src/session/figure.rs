//! The states of a session at either end, figures 1 and 2 of RFC 5407 section 2.

/// Which end of a session this is: who sent the INVITE that began it, and thereby owns the Call-ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "an invitation has two ends")]
pub enum Side {
    /// The end that sent the first INVITE (figure 1).
    Caller,
    /// The end that answered it (figure 2).
    Callee,
}

/// A state of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SessionState {
    /// The INVITE is under way, and no response has made a dialog.
    Preparative,
    /// A provisional response has made a dialog.
    Early,
    /// A 2xx has confirmed the dialog, and is not acknowledged.
    Moratorium,
    /// The 2xx is acknowledged.
    Established,
    /// A BYE has gone out or come in; no new request is sent.
    Mortal,
    /// There is no dialog any more.
    Morgue,
}

/// What moves a session on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SessionInput {
    /// A response of 101 to 199 with a tag.
    Provisional,
    /// A 2xx.
    Success,
    /// A response of 300 to 699.
    Failure,
    /// The ACK for the 2xx.
    Ack,
    /// This end sends a BYE.
    ByeSent,
    /// The other end sends a BYE.
    ByeReceived,
    /// The transaction of the BYE ends.
    Timeout,
}

impl SessionState {
    /// Every state, in the order of the figures.
    pub const ALL: [Self; 6] = [
        Self::Preparative,
        Self::Early,
        Self::Moratorium,
        Self::Established,
        Self::Mortal,
        Self::Morgue,
    ];

    /// Where the figure's arrow leads, or `None` where it has none.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-15
    //# The caller's UA MAY send a BYE for either
    //# confirmed or early dialogs, and the callee's UA MAY send a BYE on
    //# confirmed dialogs, but MUST NOT send a BYE on early dialogs.
    pub fn next(self, side: Side, input: SessionInput) -> Option<Self> {
        use SessionInput as I;
        Some(match (self, input, side) {
            (Self::Preparative, I::Provisional, _) => Self::Early,
            (Self::Preparative | Self::Early, I::Success, _)
            | (Self::Moratorium, I::Success, Side::Callee) => Self::Moratorium,
            (Self::Preparative | Self::Early, I::Failure, _) | (Self::Mortal, I::Timeout, _) => Self::Morgue,
            (Self::Moratorium, I::Ack, _) | (Self::Established, I::Success | I::Ack, Side::Caller) => {
                Self::Established
            }
            (Self::Moratorium | Self::Established, I::ByeSent | I::ByeReceived, _)
            | (Self::Early, I::ByeSent, Side::Caller)
            | (Self::Early, I::ByeReceived, Side::Callee)
            | (Self::Mortal, I::ByeReceived, _)
            | (Self::Mortal, I::Success | I::Ack, Side::Caller) => Self::Mortal,
            _ => return None,
        })
    }

    /// Whether the dialog is there for good.
    pub fn is_confirmed(self) -> bool {
        matches!(self, Self::Moratorium | Self::Established)
    }

    /// Whether a BYE has ended the session.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Mortal | Self::Morgue)
    }
}

impl SessionInput {
    /// Every input.
    pub const ALL: [Self; 7] = [
        Self::Provisional,
        Self::Success,
        Self::Failure,
        Self::Ack,
        Self::ByeSent,
        Self::ByeReceived,
        Self::Timeout,
    ];
}
