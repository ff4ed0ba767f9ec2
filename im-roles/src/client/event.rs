//! What a client tells its application.

use std::time::Duration;

use bytes::Bytes;
use im_xdm_model::document::pidf::Presence;
use sip_im::{ContentType, Uri};

/// Names a command; the events that it leads to carry it. Never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CommandId(pub(crate) u64);

/// Names a session. Never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionKey(pub(crate) u64);

impl SessionKey {
    /// The session's number, for hosts that hand it to scripts; [`from_number`](Self::from_number) takes it back.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The key with a number; a number that was never given is the key of no session.
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }
}

/// News of a client. Addresses are as the peer wrote them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The user is registered, or still is.
    Registered {
        /// The command, unless the client has renewed the registration by itself.
        command: Option<CommandId>,
        /// For how long.
        expires: Duration,
    },
    /// The user is not registered any more.
    Unregistered {
        /// The command, if there was one.
        command: Option<CommandId>,
    },
    /// A request or a message was accepted.
    Sent {
        /// The command.
        command: CommandId,
        /// The session it was sent in.
        session: Option<SessionKey>,
        /// The message's id: its imdn.Message-ID, or the Message-ID of MSRP.
        message_id: Option<String>,
        /// The status of the answer: 200, or 202 when a server has taken the message for later.
        status: u16,
    },
    /// A command came to nothing, or a session could not be set up.
    Failed {
        /// The command, if there was one.
        command: Option<CommandId>,
        /// The session it was about.
        session: Option<SessionKey>,
        /// The message it was about.
        message_id: Option<String>,
        /// Why.
        failure: Failure,
    },
    /// A message has come.
    MessageReceived(ReceivedMessage),
    /// Somebody invites the user to a session.
    Invited {
        /// The new session, to be accepted or declined.
        session: SessionKey,
        /// Who invites.
        from: Party,
        /// The conference, if it is one.
        conference: Option<Uri>,
        /// What it is to be about.
        subject: Option<String>,
        /// Who else is invited, as far as the invitation says.
        recipients: Vec<String>,
    },
    /// A session is there.
    SessionStarted {
        /// The session.
        session: SessionKey,
        /// The command that asked for it.
        command: Option<CommandId>,
        /// The other side: a user or a conference.
        peer: Uri,
        /// Whether the other side is a conference.
        conference: bool,
    },
    /// The participants of a conference, after a change.
    Roster {
        /// The session.
        session: SessionKey,
        /// The command that asked for it, if this answers one.
        command: Option<CommandId>,
        /// All participants.
        users: Vec<RosterEntry>,
    },
    /// A nickname was answered.
    Nickname {
        /// The session.
        session: SessionKey,
        /// The command.
        command: CommandId,
        /// The name that was asked for.
        name: String,
        /// 200, or why not: 403, 423 to 425.
        status: u16,
    },
    /// A session is over.
    Left {
        /// The session.
        session: SessionKey,
        /// The command that ended it.
        command: Option<CommandId>,
        /// Why, if the other side or the network has ended it.
        reason: Option<String>,
    },
    /// A report on a message sent in a session (RFC 4975 7.1.2).
    Report {
        /// The session.
        session: SessionKey,
        /// The command that sent the message.
        command: Option<CommandId>,
        /// The message.
        message_id: String,
        /// Which of its octets: first, last and total, as far as known.
        range: (u64, Option<u64>, Option<u64>),
        /// The status, 200 for success.
        status: u16,
    },
    /// A notification on a message (RFC 5438).
    Notification {
        /// Who notifies.
        from: Option<Party>,
        /// The message.
        message_id: String,
        /// The command that sent it.
        command: Option<CommandId>,
        /// Whose copy it is about.
        recipient: Option<String>,
        /// What became of it: `delivered`, `failed`, `displayed`, `stored` ... as the notification words it.
        status: String,
        /// When the message was sent.
        datetime: Option<String>,
    },
    /// Somebody is writing, or not any more (RFC 3994).
    Composing {
        /// The session, unless it came by MESSAGE.
        session: Option<SessionKey>,
        /// Who.
        from: Option<Party>,
        /// Whether he is.
        active: bool,
    },
    /// A notification of what is watched (RFC 6665).
    Notified(WatchNotice),
    /// The presence that a notification held, as a document.
    Presence(Box<Presence>),
    /// A subscription is over without being asked for, and is not made again.
    WatchEnded {
        /// The event package.
        package: String,
        /// What was watched.
        to: Uri,
        /// Why, in the words of RFC 6665 4.1.3, if the notifier said so.
        reason: Option<String>,
    },
    /// The connection to the server is there.
    Connected,
    /// The connection to the server is lost, or could not be opened.
    Disconnected,
}

/// A notification of what is watched.
#[derive(Clone)]
#[non_exhaustive]
pub struct WatchNotice {
    /// The event package.
    pub package: String,
    /// What is watched.
    pub of: Uri,
    /// How far the subscription is: `pending`, `active` or `terminated`.
    pub state: &'static str,
    /// Why it is over, if it is and the notifier says so.
    pub reason: Option<String>,
    /// The type of the document.
    pub content_type: Option<String>,
    /// The document; nothing if there is nothing to tell.
    pub body: Bytes,
}

impl std::fmt::Debug for WatchNotice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchNotice")
            .field("package", &self.package)
            .field("of", &self.of)
            .field("state", &self.state)
            .field("octets", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// An address and the name shown with it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Party {
    /// The address.
    pub uri: String,
    /// The name.
    pub name: Option<String>,
}

impl Party {
    /// Puts the parts together.
    pub fn new(uri: impl Into<String>, name: Option<String>) -> Self {
        Self {
            uri: uri.into(),
            name,
        }
    }
}

/// Why something came to nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Failure {
    /// The status of the answer: SIP's, or MSRP's for what was sent in a session. None if no answer is the reason.
    pub status: Option<u16>,
    /// The reason phrase, or a sentence of the client's own.
    pub reason: String,
    /// The text of the Warning header field.
    pub warning: Option<String>,
    /// When to try again, if the answer says so (RFC 3261 20.33).
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure that no answer has told.
    pub(crate) fn local(reason: &str) -> Self {
        Self {
            status: None,
            reason: reason.to_owned(),
            warning: None,
            retry_after: None,
        }
    }

    pub(crate) fn status(status: u16, reason: &str) -> Self {
        Self {
            status: Some(status),
            reason: reason.to_owned(),
            warning: None,
            retry_after: None,
        }
    }
}

/// A message that has come, by MESSAGE or in a session.
#[derive(Clone)]
#[non_exhaustive]
pub struct ReceivedMessage {
    /// The session, unless it came by MESSAGE.
    pub session: Option<SessionKey>,
    /// Who has sent it, as far as it is told.
    pub from: Option<Party>,
    /// To whom it is addressed.
    pub to: Vec<String>,
    /// Whether it is for this participant of a conference alone.
    pub private: bool,
    /// The id of the sender's choice: imdn.Message-ID, or the Message-ID of MSRP.
    pub message_id: Option<String>,
    /// When it was sent, as written: the CPIM `DateTime`, or the Date header field.
    pub datetime: Option<String>,
    /// What it is about.
    pub subject: Option<String>,
    /// The type of `body`.
    pub content_type: ContentType,
    /// The content, wrappers taken off.
    pub body: Bytes,
    /// Whether the sender wants to know when it is displayed: see [`Client::displayed`](super::Client::displayed).
    pub display_wanted: bool,
    /// The other visible recipients of a message to a URI list.
    pub recipients: Vec<String>,
    /// Whether it has come after its time (RFC 3428 7).
    pub expired: bool,
}

impl ReceivedMessage {
    /// The text, if the content is text in UTF-8.
    pub fn text(&self) -> Option<&str> {
        if self.content_type.is("text", "plain") {
            std::str::from_utf8(&self.body).ok()
        } else {
            None
        }
    }
}

impl std::fmt::Debug for ReceivedMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceivedMessage")
            .field("session", &self.session)
            .field("from", &self.from)
            .field("message_id", &self.message_id)
            .field("content_type", &self.content_type)
            .field("octets", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A participant of a conference.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RosterEntry {
    /// The address, a pseudonym if he hides his own.
    pub uri: String,
    /// The name shown.
    pub display: Option<String>,
    /// The nickname.
    pub nickname: Option<String>,
    /// The state of his endpoint: `connected`, `pending`, `disconnected` ...
    pub status: Option<String>,
    /// Whether it is the user himself.
    pub own: bool,
    /// Whether the address is a pseudonym.
    pub anonymous: bool,
}
