//! The list of messages that wait for a user.
//!
//! No public schema of this document exists. The names are those that clients are known to use; order and place are
//! read tolerantly and written in one way: `history` elements with a `history-reference` attribute.

use bytes::Bytes;

use super::{number_of, once};
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{DateTime, Element, Extensions, Limits, TreeNode};

/// The namespace, which the list shares with that of histories.
pub const NAMESPACE: &str = "urn:oma:xml:im:history-list";

/// The namespace that the document might rather be expected in; read, never written.
const OTHER_NAMESPACE: &str = "urn:oma:xml:im:deferred-list";

/// The deferred messages of a user.
///
/// # Examples
///
/// ```
/// use im_xdm_model::document::deferred::{DeferredList, DeferredMessage};
/// use im_xdm_model::xml::Limits;
///
/// let mut message = DeferredMessage::new("sip:d-1@im.example.com");
/// message.from = Some("sip:bob@example.com".into());
/// message.size = Some(42);
/// let list = DeferredList::of(vec![message]);
/// assert_eq!(DeferredList::parse(&list.write(), &Limits::default())?, list);
/// # Ok::<(), im_xdm_model::DocumentError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct DeferredList {
    /// The messages, oldest first.
    pub messages: Vec<DeferredMessage>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

/// What is known about a message that waits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct DeferredMessage {
    /// What the message is asked for by.
    pub reference: String,
    /// When the sender sent it.
    pub time_stamp: Option<DateTime>,
    /// Who sent it.
    pub from: Option<String>,
    /// Whom it was sent to.
    pub to: Option<String>,
    /// The authenticated sender.
    pub auth_id: Option<String>,
    /// The subject.
    pub subject: Option<String>,
    /// Octets of the content.
    pub size: Option<u64>,
    /// When it was stored.
    pub date: Option<DateTime>,
    /// When it is given up.
    pub expiry: Option<DateTime>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

impl DeferredMessage {
    /// Makes an entry of which only the reference is known.
    pub fn new(reference: impl Into<String>) -> Self {
        Self {
            reference: reference.into(),
            ..Self::default()
        }
    }

    fn from_element(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let mut read = Self::default();
        let mut reference = element.attribute("history-reference").map(str::to_owned);
        for child in element.elements() {
            if !is_own(child) {
                read.extensions.elements.push(child.to_element());
                continue;
            }
            match child.name().local() {
                "pager" => {
                    for detail in child.elements() {
                        read.take(detail)?;
                    }
                }
                "history-reference" => {
                    once(&mut reference, child.trimmed_text(), child, "history-reference")?;
                }
                _ => read.take(child)?,
            }
        }
        let missing = || DocumentError::at(element, DocumentErrorKind::MissingAttribute("history-reference"));
        read.reference = reference.filter(|r| !r.is_empty()).ok_or_else(missing)?;
        Ok(read)
    }

    fn take(&mut self, element: TreeNode<'_>) -> Result<(), DocumentError> {
        let date = |name| {
            element
                .text()
                .parse()
                .map_err(|_| DocumentError::at(element, DocumentErrorKind::BadValue(name)))
        };
        let text = || element.trimmed_text();
        match element.name().local() {
            _ if !is_own(element) => self.extensions.elements.push(element.to_element()),
            "time-stamp" => once(&mut self.time_stamp, date("time-stamp")?, element, "time-stamp")?,
            "from" => once(&mut self.from, text(), element, "from")?,
            "to" => once(&mut self.to, text(), element, "to")?,
            "auth-id" => once(&mut self.auth_id, text(), element, "auth-id")?,
            "subject" => once(&mut self.subject, element.text().into_owned(), element, "subject")?,
            "size" => once(&mut self.size, number_of(element, "size")?, element, "size")?,
            "date" => once(&mut self.date, date("date")?, element, "date")?,
            "expiry" => once(&mut self.expiry, date("expiry")?, element, "expiry")?,
            _ => self.extensions.elements.push(element.to_element()),
        }
        Ok(())
    }

    fn to_element(&self) -> Element {
        let mut element = Element::known(NAMESPACE, "history");
        element.set("history-reference", self.reference.as_str());
        let mut pager = Element::known(NAMESPACE, "pager");
        pager.push_leaf_if(
            NAMESPACE,
            "time-stamp",
            self.time_stamp.map(|date| date.to_string()).as_deref(),
        );
        pager.push_leaf_if(NAMESPACE, "from", self.from.as_deref());
        pager.push_leaf_if(NAMESPACE, "to", self.to.as_deref());
        pager.push_leaf_if(NAMESPACE, "auth-id", self.auth_id.as_deref());
        if !pager.children().is_empty() {
            element.push(pager);
        }
        element.push_leaf_if(NAMESPACE, "subject", self.subject.as_deref());
        element.push_leaf_if(NAMESPACE, "size", self.size.map(|n| n.to_string()).as_deref());
        element.push_leaf_if(
            NAMESPACE,
            "date",
            self.date.map(|date| date.to_string()).as_deref(),
        );
        element.push_leaf_if(
            NAMESPACE,
            "expiry",
            self.expiry.map(|date| date.to_string()).as_deref(),
        );
        element.extend_elements(&self.extensions);
        element
    }
}

impl DeferredList {
    /// Makes a list.
    pub fn of(messages: Vec<DeferredMessage>) -> Self {
        Self {
            messages,
            extensions: Extensions::default(),
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// Fails when the text is not well-formed, or not a list of deferred messages.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        super::read(input, limits, Self::from_node)
    }

    /// Reads a document from its tree.
    ///
    /// # Errors
    ///
    /// Fails when the tree is not that of a list of deferred messages.
    pub fn from_element(root: &Element) -> Result<Self, DocumentError> {
        super::reread(root, Self::parse)
    }

    fn from_node(root: TreeNode<'_>) -> Result<Self, DocumentError> {
        if !is_own(root) || root.name().local() != "deferred-list" {
            return Err(DocumentError::at(
                root,
                DocumentErrorKind::WrongRoot("deferred-list"),
            ));
        }
        let mut read = Self::default();
        for child in root.elements() {
            if !is_own(child) {
                read.extensions.elements.push(child.to_element());
            } else if child.name().local() == "history" {
                read.messages.push(DeferredMessage::from_element(child)?);
            } else {
                return Err(DocumentError::at(
                    child,
                    DocumentErrorKind::UnexpectedElement("deferred-list"),
                ));
            }
        }
        Ok(read)
    }

    /// Writes the document.
    pub fn write(&self) -> Bytes {
        let mut root = Element::known(NAMESPACE, "deferred-list");
        for message in &self.messages {
            root.push(message.to_element());
        }
        root.extend_elements(&self.extensions);
        root.to_bytes()
    }
}

fn is_own(element: TreeNode<'_>) -> bool {
    element.name().is_in(NAMESPACE) || element.name().is_in(OTHER_NAMESPACE)
}
