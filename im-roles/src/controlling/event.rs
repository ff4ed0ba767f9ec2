//! What the Controlling function reports.

use sip_im::{Identity, StatusCode, Uri};

use crate::ServiceWarning;

/// How a conference came to be.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum ConferenceKind {
    /// Created through the conference factory; exists until the last participant leaves.
    AdHoc,
    /// The session of a group whose members join by themselves.
    Chat,
    /// The session of a group whose members the focus invites.
    Prearranged,
}

/// Why a participant is gone.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Departure {
    /// He left.
    Departed,
    /// He was expelled, or the conference has ended.
    Booted,
    /// His signalling or media session failed.
    Failed,
}

/// News of the Controlling function; ignoring it is safe.
///
/// The identities here are the real ones: events are the host's, never a participant's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A conference has begun.
    ConferenceStarted {
        /// Its URI.
        conference: Uri,
        /// How it came to be.
        kind: ConferenceKind,
        /// Who began it.
        initiator: Identity,
    },
    /// A conference has ended.
    ConferenceEnded {
        /// Its URI.
        conference: Uri,
    },
    /// A participant is connected.
    ParticipantJoined {
        /// The conference.
        conference: Uri,
        /// Who.
        user: Identity,
        /// Whether the others see a pseudonym only.
        anonymous: bool,
    },
    /// A participant is gone.
    ParticipantLeft {
        /// The conference.
        conference: Uri,
        /// Who.
        user: Identity,
        /// Why.
        departure: Departure,
    },
    /// An invited user was not brought in.
    InvitationFailed {
        /// The conference.
        conference: Uri,
        /// Who.
        user: Identity,
        /// The final response; 408 when there was none.
        status: StatusCode,
    },
    /// A participant has taken, changed or dropped a nickname.
    NicknameChanged {
        /// The conference.
        conference: Uri,
        /// Who.
        user: Identity,
        /// The nickname, if he has one now.
        nickname: Option<String>,
    },
    /// A message goes from one participant to others, as soon as its envelope has been read.
    MessageSwitched {
        /// The conference.
        conference: Uri,
        /// Who sends it.
        sender: Identity,
        /// How many copies are made.
        copies: usize,
        /// Whether it is for one participant only.
        private: bool,
    },
    /// A message in a conference was refused, or given up before it was complete.
    MessageRefused {
        /// The conference.
        conference: Uri,
        /// Who sent it.
        sender: Identity,
        /// The MSRP status; 408 for one whose chunks stopped coming.
        status: u16,
    },
    /// One participant's copy of a message was given up, because too much waits for him or he cannot be reached.
    CopyAborted {
        /// The conference.
        conference: Uri,
        /// Whose copy.
        recipient: Identity,
    },
    /// A MESSAGE was accepted for fan-out.
    MessageExploded {
        /// Who sent it.
        sender: Identity,
        /// How many requests are made of it.
        recipients: usize,
    },
    /// One recipient of an exploded MESSAGE has it, as far as his server says.
    ExplodedDelivered {
        /// Who sent it.
        sender: Identity,
        /// Whom it was for.
        recipient: Identity,
    },
    /// One recipient of an exploded MESSAGE cannot be reached.
    ExplodedFailed {
        /// Who sent it.
        sender: Identity,
        /// Whom it was for.
        recipient: Identity,
        /// The final response; 408 when there was none.
        status: StatusCode,
    },
    /// A request was refused.
    Refused {
        /// Who sent it, if that is known.
        user: Option<Identity>,
        /// The status.
        status: StatusCode,
        /// The service's reason, if the response gives one.
        warning: Option<ServiceWarning>,
    },
}
