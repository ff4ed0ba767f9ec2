//! Work that the library asks its host for, and the answers it takes.
//!
//! Storage is never touched from inside a role: a role emits an [`Effect`] and goes on when its [`Answer`] comes.
//! One slow store then blocks one message, not the server, and "202 only after it is stored" is a line of code.
//! Every effect has a deadline inside the library; an answer that comes later, or twice, is ignored.
//! [`Effect`] is exhaustive on purpose: a new kind of work must stop the build of a host that does not do it.

use std::time::Duration;

use bytes::Bytes;
use sip_im::Identity;

use crate::signal::RoleKind;

/// Names one piece of work; never used again once answered.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EffectId {
    role: RoleKind,
    number: u64,
}

impl EffectId {
    pub(crate) fn new(role: RoleKind, number: u64) -> Self {
        Self { role, number }
    }

    /// The role that asked.
    pub fn role(self) -> RoleKind {
        self.role
    }
}

/// Where a document lives: `auid/tree/document` below the XCAP root (RFC 4825 6.2).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct DocumentSelector {
    /// The application usage.
    pub auid: String,
    /// The user whose document it is, as canonical identity, or `None` for the global tree.
    pub user: Option<Identity>,
    /// The path below the user's home or the global tree, percent-decoded: `index` or `folder/name.xml`.
    pub document: String,
}

impl DocumentSelector {
    /// A document in a user's home.
    pub fn of_user(auid: impl Into<String>, user: Identity, document: impl Into<String>) -> Self {
        Self {
            auid: auid.into(),
            user: Some(user),
            document: document.into(),
        }
    }

    /// A document in the global tree.
    pub fn global(auid: impl Into<String>, document: impl Into<String>) -> Self {
        Self {
            auid: auid.into(),
            user: None,
            document: document.into(),
        }
    }
}

/// A document as it is stored: its text to the octet, and its entity tag without quotes.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct StoredDocument {
    /// The entity tag, without quotes.
    pub etag: String,
    /// The text.
    pub text: Bytes,
}

impl StoredDocument {
    /// Puts the two together.
    pub fn new(etag: impl Into<String>, text: Bytes) -> Self {
        Self {
            etag: etag.into(),
            text,
        }
    }
}

impl std::fmt::Debug for StoredDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredDocument")
            .field("etag", &self.etag)
            .field("octets", &self.text.len())
            .finish()
    }
}

/// A document as a directory tells of it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DocumentListing {
    /// Which document.
    pub selector: DocumentSelector,
    /// Its entity tag, without quotes.
    pub etag: String,
    /// Octets of its text.
    pub octets: u64,
}

impl DocumentListing {
    /// Puts the parts together.
    pub fn new(selector: DocumentSelector, etag: impl Into<String>, octets: u64) -> Self {
        Self {
            selector,
            etag: etag.into(),
            octets,
        }
    }
}

/// A message that waits for its recipient.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct DeferredMessage {
    /// The recipient whose mailbox it lies in.
    pub user: Identity,
    /// Names the message in the mailbox; unique, and in the order of arrival when compared as text.
    pub reference: String,
    /// Octets to put back on the wire: the SIP request as it is to be sent on.
    pub request: Bytes,
    /// When it arrived, since 1970-01-01T00:00:00Z.
    pub arrived: Duration,
    /// When it expires, since 1970-01-01T00:00:00Z.
    pub expires: Duration,
}

impl DeferredMessage {
    /// Puts the parts together.
    pub fn new(
        user: Identity,
        reference: impl Into<String>,
        request: Bytes,
        arrived: Duration,
        expires: Duration,
    ) -> Self {
        Self {
            user,
            reference: reference.into(),
            request,
            arrived,
            expires,
        }
    }
}

impl std::fmt::Debug for DeferredMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeferredMessage")
            .field("user", &self.user)
            .field("reference", &self.reference)
            .field("octets", &self.request.len())
            .field("arrived", &self.arrived)
            .field("expires", &self.expires)
            .finish()
    }
}

/// Bounds on one user's mailbox.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct MailboxQuota {
    /// Messages.
    pub messages: usize,
    /// Octets of [`DeferredMessage::request`], all messages together.
    pub octets: u64,
}

impl MailboxQuota {
    /// Puts the two together.
    pub fn new(messages: usize, octets: u64) -> Self {
        Self { messages, octets }
    }
}

/// Why a store did not do what it was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store cannot be reached or is broken; trying later may help.
    #[error("the store is unavailable")]
    Unavailable,
    /// The document was changed by someone else since it was read.
    #[error("the document has changed")]
    Conflict,
    /// A quota is used up.
    #[error("the quota is used up")]
    QuotaExceeded,
}

/// Work for the host. `id` comes back in the [`Answer`].
///
/// A host may run effects in any order and at the same time: the library never has two writes to one document or
/// mailbox outstanding.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new effect must stop the build of a host that does not serve it"
)]
pub enum Effect {
    /// Read a document. Answer: [`Answer::Document`].
    FetchDocument {
        /// The work's name.
        id: EffectId,
        /// Which document.
        selector: DocumentSelector,
    },
    /// Write a document durably, if it is still what it was. Answer: [`Answer::Written`].
    StoreDocument {
        /// The work's name.
        id: EffectId,
        /// Which document.
        selector: DocumentSelector,
        /// The entity tag that the stored document must have; `None`: there must be none.
        expected: Option<String>,
        /// What to store.
        document: StoredDocument,
        /// The group addresses that the document defines, by which [`Effect::FindGroups`] finds it; they replace those it had.
        groups: Vec<Identity>,
    },
    /// Delete a document durably, if it is still what it was. Answer: [`Answer::Written`].
    DeleteDocument {
        /// The work's name.
        id: EffectId,
        /// Which document.
        selector: DocumentSelector,
        /// The entity tag that the stored document must have.
        expected: String,
    },
    /// Find which of the addresses are groups that a stored document defines. Answer: [`Answer::Groups`].
    FindGroups {
        /// The work's name.
        id: EffectId,
        /// The addresses to look for.
        addresses: Vec<Identity>,
    },
    /// List the documents of a user, in all application usages, without their texts. Answer: [`Answer::Documents`].
    ListDocuments {
        /// The work's name.
        id: EffectId,
        /// Whose documents.
        user: Identity,
        /// How many at the most.
        limit: usize,
    },
    /// Store a message *durably* before answering. Answer: [`Answer::Written`].
    StoreMessage {
        /// The work's name.
        id: EffectId,
        /// The message.
        message: DeferredMessage,
        /// What the mailbox may hold with this message in it; beyond it the answer is [`StoreError::QuotaExceeded`].
        quota: MailboxQuota,
    },
    /// List the oldest messages of a mailbox, in the order of arrival. Answer: [`Answer::Messages`].
    ListMessages {
        /// The work's name.
        id: EffectId,
        /// Whose mailbox.
        user: Identity,
        /// How many at the most.
        limit: usize,
    },
    /// Delete a message durably; one that is not there counts as deleted. Answer: [`Answer::Written`].
    DeleteMessage {
        /// The work's name.
        id: EffectId,
        /// Whose mailbox.
        user: Identity,
        /// Which message.
        reference: String,
    },
}

impl Effect {
    /// The work's name.
    pub fn id(&self) -> EffectId {
        match self {
            Self::FetchDocument { id, .. }
            | Self::StoreDocument { id, .. }
            | Self::DeleteDocument { id, .. }
            | Self::FindGroups { id, .. }
            | Self::ListDocuments { id, .. }
            | Self::StoreMessage { id, .. }
            | Self::ListMessages { id, .. }
            | Self::DeleteMessage { id, .. } => *id,
        }
    }
}

/// What came of an [`Effect`].
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the answers belong to the effects, which are exhaustive"
)]
pub enum Answer {
    /// To [`Effect::FetchDocument`]; `None`: there is no such document.
    Document {
        /// The work's name.
        id: EffectId,
        /// The document, if there is one.
        result: Result<Option<StoredDocument>, StoreError>,
    },
    /// To [`Effect::FindGroups`]: those that are groups, with the document that defines each.
    Groups {
        /// The work's name.
        id: EffectId,
        /// The groups found.
        result: Result<Vec<(Identity, StoredDocument)>, StoreError>,
    },
    /// To [`Effect::ListDocuments`].
    Documents {
        /// The work's name.
        id: EffectId,
        /// The documents, by usage and name.
        result: Result<Vec<DocumentListing>, StoreError>,
    },
    /// To [`Effect::ListMessages`].
    Messages {
        /// The work's name.
        id: EffectId,
        /// The oldest messages.
        result: Result<Vec<DeferredMessage>, StoreError>,
    },
    /// To the effects that write: `Ok` only once the change survives a crash.
    Written {
        /// The work's name.
        id: EffectId,
        /// Whether it is durable.
        result: Result<(), StoreError>,
    },
}

impl Answer {
    /// The name of the work that this answers.
    pub fn id(&self) -> EffectId {
        match self {
            Self::Document { id, .. }
            | Self::Groups { id, .. }
            | Self::Documents { id, .. }
            | Self::Messages { id, .. }
            | Self::Written { id, .. } => *id,
        }
    }
}
