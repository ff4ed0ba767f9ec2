//! The flows.

mod access;
mod conference;
mod list;
mod nesting;
mod pager;
mod registration;
mod session;

use std::time::Duration;

use im_roles::client::{Event, Failure, ReceivedMessage};

use super::{Failed, Party, World};

/// A flow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Flow {
    /// Users register with digest.
    Registration,
    /// A message, and notice of its delivery and display.
    Message,
    /// A message for a user who is away, over a stop and a crash of the server.
    Deferred,
    /// A conference of four, one of whom nobody may know.
    Conference,
    /// A message to a list.
    List,
    /// What groups within groups come to.
    Nesting,
    /// Access rules by XCAP.
    AccessRules,
    /// A session of two.
    Session,
    /// A room with nicknames and private messages.
    Room,
}

impl Flow {
    /// All of them, in an order in which each finds what it needs.
    pub const ALL: [Self; 9] = [
        Self::Registration,
        Self::Message,
        Self::Deferred,
        Self::Conference,
        Self::List,
        Self::Nesting,
        Self::AccessRules,
        Self::Session,
        Self::Room,
    ];

    /// A name for files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Message => "message",
            Self::Deferred => "deferred",
            Self::Conference => "conference",
            Self::List => "list",
            Self::Nesting => "nesting",
            Self::AccessRules => "access-rules",
            Self::Session => "session",
            Self::Room => "room",
        }
    }

    /// What it shows.
    pub fn title(self) -> &'static str {
        match self {
            Self::Registration => "Four users register with digest; a wrong password is refused",
            Self::Message => "A message, and notice of its delivery and display",
            Self::Deferred => "Messages for a user who is away survive a stop and a crash of the server",
            Self::Conference => "An ad hoc conference with an anonymous participant, and messages up to 5 MB",
            Self::List => "A message to a list with a duplicate and a blind copy",
            Self::Nesting => "Groups within groups are refused",
            Self::AccessRules => "Access rules put by XCAP block a sender until they are deleted",
            Self::Session => "A session of two, straight from one to the other",
            Self::Room => "A room with nicknames and a private message",
        }
    }
}

pub(super) async fn run(flow: Flow, world: &mut World) -> Result<(), Failed> {
    match flow {
        Flow::Registration => registration::run(world).await,
        Flow::Message => pager::message(world).await,
        Flow::Deferred => pager::deferred(world).await,
        Flow::Conference => conference::adhoc(world).await,
        Flow::List => list::run(world).await,
        Flow::Nesting => nesting::run(world).await,
        Flow::AccessRules => access::run(world).await,
        Flow::Session => session::run(world).await,
        Flow::Room => conference::room(world).await,
    }
}

/// How long to wait for what must not come.
const QUIET: Duration = Duration::from_millis(250);

fn check(holds: bool, what: &str) -> Result<(), Failed> {
    if holds {
        Ok(())
    } else {
        Err(Failed(format!("not so: {what}")))
    }
}

/// The status with which the next command ends.
async fn status(party: &mut Party) -> Result<u16, Failed> {
    match outcome(party).await? {
        Ok(status) => Ok(status),
        Err(failure) => Err(Failed(format!(
            "refused: {:?} {} {:?}",
            failure.status, failure.reason, failure.warning
        ))),
    }
}

async fn outcome(party: &mut Party) -> Result<Result<u16, Failure>, Failed> {
    party
        .wait("answer", |event| match event {
            Event::Sent { status, .. } => Some(Ok(*status)),
            Event::Failed { failure, .. } => Some(Err(failure.clone())),
            _ => None,
        })
        .await
}

async fn message(party: &mut Party, what: &str) -> Result<ReceivedMessage, Failed> {
    party
        .wait(what, |event| match event {
            Event::MessageReceived(message) => Some(message.clone()),
            _ => None,
        })
        .await
}

/// Waits for a message with this text.
async fn text(party: &mut Party, text: &str) -> Result<ReceivedMessage, Failed> {
    party
        .wait(text, |event| match event {
            Event::MessageReceived(message) if message.text() == Some(text) => Some(message.clone()),
            _ => None,
        })
        .await
}

async fn no_message(party: &mut Party) -> Result<(), Failed> {
    party
        .none("a message", QUIET, |event| {
            matches!(event, Event::MessageReceived(_))
        })
        .await
}

fn contains(octets: &[Vec<u8>], needle: &str) -> bool {
    octets
        .iter()
        .any(|octets| memchr::memmem::find(octets, needle.as_bytes()).is_some())
}
