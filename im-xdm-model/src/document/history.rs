//! The list of conversations that are kept for a user.
//!
//! No public schema of this document exists. The names are those that clients are known to use; order and place are
//! read tolerantly and written in one way.

use bytes::Bytes;

use super::{content_of, date, number_of, once, other_than, required};
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{DateTime, Element, Extensions, Limits, TreeNode};

/// The namespace of histories.
pub const NAMESPACE: &str = super::deferred::NAMESPACE;

/// The conversations that are kept.
///
/// # Examples
///
/// ```
/// use im_xdm_model::document::history::{Conversation, History, HistoryList, Pager};
/// use im_xdm_model::xml::Limits;
///
/// let mut pager = Pager::default();
/// pager.from = Some("sip:bob@example.com".into());
/// let mut history = History::new("sip:hist-1@im.example.com");
/// history.conversation = Some(Conversation::Pager(pager));
/// let list = HistoryList::of(vec![history]);
/// assert_eq!(HistoryList::parse(&list.write(), &Limits::default())?, list);
/// # Ok::<(), im_xdm_model::DocumentError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct HistoryList {
    /// The conversations, oldest first.
    pub histories: Vec<History>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

/// What is known of a conversation that is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct History {
    /// What the conversation is asked for by.
    pub reference: String,
    /// What kind of conversation it was.
    pub conversation: Option<Conversation>,
    /// What it was about, or what the user calls it.
    pub subject: Option<String>,
    /// Octets of its content.
    pub size: Option<u64>,
    /// When it was stored.
    pub date: Option<DateTime>,
    /// When it is deleted.
    pub expiry: Option<DateTime>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

/// A kind of conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Conversation {
    /// A single message.
    Pager(Pager),
    /// A session.
    Conference(Conference),
}

/// A single message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Pager {
    /// When it was sent.
    pub time_stamp: Option<DateTime>,
    /// Who sent it.
    pub from: Option<String>,
    /// Whom it was sent to.
    pub to: Option<String>,
    /// The authenticated sender.
    pub auth_id: Option<String>,
    /// The recipients of a message to several.
    pub recipients: Option<Participants>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

/// A session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Conference {
    /// When it began.
    pub time_start: Option<DateTime>,
    /// When it ended.
    pub time_end: Option<DateTime>,
    /// What the recording is called.
    pub recording_name: Option<String>,
    /// Who took part.
    pub participants: Option<Participants>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

/// Those who were reached: a group, or each by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Participants {
    /// The URI of the group.
    pub group_uri: Option<String>,
    /// What the group is called.
    pub group_display_name: Option<String>,
    /// Each of them.
    pub entries: Vec<Participant>,
}

/// Somebody who was reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Participant {
    /// The URI.
    pub uri: String,
    /// The name.
    pub display_name: Option<String>,
}

impl Participant {
    /// Makes a participant of whom only the URI is known.
    pub fn new(uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            display_name: None,
        }
    }
}

impl History {
    /// Makes an entry of which only the reference is known.
    pub fn new(reference: impl Into<String>) -> Self {
        Self {
            reference: reference.into(),
            ..Self::default()
        }
    }

    fn from_node(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let mut read = Self::default();
        let mut reference = element.attribute("history-reference").map(str::to_owned);
        read.extensions.attributes = other_than(element, &["history-reference"]);
        for child in element.elements() {
            match own(child) {
                Some("history-reference") => {
                    once(&mut reference, child.trimmed_text(), child, "history-reference")?;
                }
                Some("pager") => {
                    let pager = Conversation::Pager(Pager::from_node(child)?);
                    once(&mut read.conversation, pager, child, "pager")?;
                }
                Some("conference") => {
                    let conference = Conversation::Conference(Conference::from_node(child)?);
                    once(&mut read.conversation, conference, child, "conference")?;
                }
                Some("subject") => once(&mut read.subject, child.text().into_owned(), child, "subject")?,
                Some("size") => once(&mut read.size, number_of(child, "size")?, child, "size")?,
                Some("date") => once(&mut read.date, content_of(child, "date", date)?, child, "date")?,
                Some("expiry") => once(
                    &mut read.expiry,
                    content_of(child, "expiry", date)?,
                    child,
                    "expiry",
                )?,
                _ => read.extensions.elements.push(child.to_element()),
            }
        }
        let missing = || DocumentError::at(element, DocumentErrorKind::MissingAttribute("history-reference"));
        read.reference = reference.filter(|r| !r.is_empty()).ok_or_else(missing)?;
        Ok(read)
    }

    fn to_element(&self) -> Element {
        let mut element = Element::known(NAMESPACE, "history");
        element.set("history-reference", self.reference.as_str());
        element.extend_attributes(&self.extensions);
        match &self.conversation {
            Some(Conversation::Pager(pager)) => element.push(pager.to_element()),
            Some(Conversation::Conference(conference)) => element.push(conference.to_element()),
            None => {}
        }
        element.push_leaf_if(NAMESPACE, "subject", self.subject.as_deref());
        element.push_leaf_if(NAMESPACE, "size", self.size.map(|n| n.to_string()).as_deref());
        push_date(&mut element, "date", self.date);
        push_date(&mut element, "expiry", self.expiry);
        element.extend_elements(&self.extensions);
        element
    }
}

impl Pager {
    fn from_node(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let mut read = Self::default();
        for child in element.elements() {
            match own(child) {
                Some("time-stamp") => {
                    once(
                        &mut read.time_stamp,
                        content_of(child, "time-stamp", date)?,
                        child,
                        "time-stamp",
                    )?;
                }
                Some("from") => once(&mut read.from, child.trimmed_text(), child, "from")?,
                Some("to") => once(&mut read.to, child.trimmed_text(), child, "to")?,
                Some("auth-id") => once(&mut read.auth_id, child.trimmed_text(), child, "auth-id")?,
                Some("recipient-list") => {
                    once(
                        &mut read.recipients,
                        Participants::from_node(child)?,
                        child,
                        "recipient-list",
                    )?;
                }
                _ => read.extensions.elements.push(child.to_element()),
            }
        }
        Ok(read)
    }

    fn to_element(&self) -> Element {
        let mut element = Element::known(NAMESPACE, "pager");
        push_date(&mut element, "time-stamp", self.time_stamp);
        element.push_leaf_if(NAMESPACE, "from", self.from.as_deref());
        element.push_leaf_if(NAMESPACE, "to", self.to.as_deref());
        element.push_leaf_if(NAMESPACE, "auth-id", self.auth_id.as_deref());
        if let Some(recipients) = &self.recipients {
            element.push(recipients.to_element("recipient-list"));
        }
        element.extend_elements(&self.extensions);
        element
    }
}

impl Conference {
    fn from_node(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let mut read = Self::default();
        for child in element.elements() {
            match own(child) {
                Some("time-start") => {
                    once(
                        &mut read.time_start,
                        content_of(child, "time-start", date)?,
                        child,
                        "time-start",
                    )?;
                }
                Some("time-end") => {
                    once(
                        &mut read.time_end,
                        content_of(child, "time-end", date)?,
                        child,
                        "time-end",
                    )?;
                }
                Some("recording-name") => {
                    once(
                        &mut read.recording_name,
                        child.text().into_owned(),
                        child,
                        "recording-name",
                    )?;
                }
                Some("conf-list") => {
                    once(
                        &mut read.participants,
                        Participants::from_node(child)?,
                        child,
                        "conf-list",
                    )?;
                }
                _ => read.extensions.elements.push(child.to_element()),
            }
        }
        Ok(read)
    }

    fn to_element(&self) -> Element {
        let mut element = Element::known(NAMESPACE, "conference");
        push_date(&mut element, "time-start", self.time_start);
        push_date(&mut element, "time-end", self.time_end);
        element.push_leaf_if(NAMESPACE, "recording-name", self.recording_name.as_deref());
        if let Some(participants) = &self.participants {
            element.push(participants.to_element("conf-list"));
        }
        element.extend_elements(&self.extensions);
        element
    }
}

impl Participants {
    fn from_node(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let mut read = Self::default();
        for child in element.elements() {
            match own(child) {
                Some("group-uri") => once(&mut read.group_uri, child.trimmed_text(), child, "group-uri")?,
                Some("group-display-name") => {
                    let name = child.text().into_owned();
                    once(&mut read.group_display_name, name, child, "group-display-name")?;
                }
                Some("entry") => read.entries.push(Participant {
                    uri: required(child, "uri")?,
                    display_name: child
                        .child(NAMESPACE, "display-name")
                        .map(|name| name.text().into_owned()),
                }),
                _ => {}
            }
        }
        Ok(read)
    }

    fn to_element(&self, name: &'static str) -> Element {
        let mut element = Element::known(NAMESPACE, name);
        element.push_leaf_if(NAMESPACE, "group-uri", self.group_uri.as_deref());
        element.push_leaf_if(
            NAMESPACE,
            "group-display-name",
            self.group_display_name.as_deref(),
        );
        for entry in &self.entries {
            let mut child = Element::known(NAMESPACE, "entry");
            child.set("uri", entry.uri.as_str());
            child.push_leaf_if(NAMESPACE, "display-name", entry.display_name.as_deref());
            element.push(child);
        }
        element
    }
}

impl HistoryList {
    /// Makes a list.
    pub fn of(histories: Vec<History>) -> Self {
        Self {
            histories,
            extensions: Extensions::default(),
        }
    }

    /// Finds a conversation by its reference.
    pub fn history(&self, reference: &str) -> Option<&History> {
        self.histories.iter().find(|one| one.reference == reference)
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// Fails when the text is not well-formed, or not a list of histories.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        super::read(input, limits, Self::from_node)
    }

    fn from_node(root: TreeNode<'_>) -> Result<Self, DocumentError> {
        super::expect(root, NAMESPACE, "history-list")?;
        super::elements_only(root, "history-list")?;
        let mut read = Self::default();
        read.extensions.attributes = other_than(root, &[]);
        for child in root.elements() {
            match own(child) {
                Some("history") => read.histories.push(History::from_node(child)?),
                Some(_) => {
                    return Err(DocumentError::at(
                        child,
                        DocumentErrorKind::UnexpectedElement("history-list"),
                    ));
                }
                None => read.extensions.elements.push(child.to_element()),
            }
        }
        Ok(read)
    }

    /// Writes the document.
    pub fn write(&self) -> Bytes {
        let mut root = Element::known(NAMESPACE, "history-list");
        root.extend_attributes(&self.extensions);
        for history in &self.histories {
            root.push(history.to_element());
        }
        root.extend_elements(&self.extensions);
        root.to_bytes()
    }
}

fn own(element: TreeNode<'_>) -> Option<&str> {
    element.name().is_in(NAMESPACE).then(|| element.name().local())
}

fn push_date(element: &mut Element, name: &'static str, date: Option<DateTime>) {
    element.push_leaf_if(NAMESPACE, name, date.map(|date| date.to_string()).as_deref());
}
