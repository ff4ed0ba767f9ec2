//! Composing indications (RFC 3994).

use std::num::NonZeroU32;

use bytes::Bytes;

use super::{number_of, once};
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{DateTime, Element, Extensions, Limits, TreeNode};

/// The namespace of composing indications.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:im-iscomposing";

/// Whether somebody is writing a message.
///
/// # Examples
///
/// ```
/// use im_xdm_model::document::is_composing::{IsComposing, State};
/// use im_xdm_model::xml::Limits;
///
/// let active = IsComposing::new(State::Active);
/// assert_eq!(IsComposing::parse(&active.write(), &Limits::default())?, active);
/// # Ok::<(), im_xdm_model::DocumentError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct IsComposing {
    /// What is told.
    pub state: State,
    /// When something was written last.
    pub last_active: Option<DateTime>,
    /// The media type being composed.
    pub content_type: Option<String>,
    /// Seconds for which "active" holds without another indication.
    pub refresh: Option<NonZeroU32>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

/// The states of RFC 3994; a state that is not known counts as idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum State {
    /// Somebody is writing.
    Active,
    /// Nobody is.
    Idle,
}

impl IsComposing {
    /// Makes an indication.
    pub fn new(state: State) -> Self {
        Self {
            state,
            last_active: None,
            content_type: None,
            refresh: None,
            extensions: Extensions::default(),
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// Fails when the text is not well-formed, or not a composing indication.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        super::read(input, limits, Self::from_node)
    }

    fn from_node(root: TreeNode<'_>) -> Result<Self, DocumentError> {
        super::expect(root, NAMESPACE, "isComposing")?;
        let mut state = None;
        let mut read = Self::new(State::Idle);
        for child in root.elements() {
            if !child.name().is_in(NAMESPACE) {
                read.extensions.elements.push(child.to_element());
                continue;
            }
            match child.name().local() {
                "state" => {
                    let value = if child.trimmed_text() == "active" {
                        State::Active
                    } else {
                        State::Idle
                    };
                    once(&mut state, value, child, "state")?;
                }
                "lastactive" => {
                    let at = child.text().parse();
                    let at =
                        at.map_err(|_| DocumentError::at(child, DocumentErrorKind::BadValue("lastactive")))?;
                    once(&mut read.last_active, at, child, "lastactive")?;
                }
                "contenttype" => once(&mut read.content_type, child.trimmed_text(), child, "contenttype")?,
                "refresh" => once(&mut read.refresh, number_of(child, "refresh")?, child, "refresh")?,
                _ => {
                    return Err(DocumentError::at(
                        child,
                        DocumentErrorKind::UnexpectedElement("isComposing"),
                    ));
                }
            }
        }
        read.state =
            state.ok_or_else(|| DocumentError::at(root, DocumentErrorKind::MissingElement("state")))?;
        Ok(read)
    }

    /// Writes the document.
    pub fn write(&self) -> Bytes {
        let mut root = Element::known(NAMESPACE, "isComposing");
        let state = match self.state {
            State::Active => "active",
            State::Idle => "idle",
        };
        root.push_leaf(NAMESPACE, "state", state);
        root.push_leaf_if(
            NAMESPACE,
            "lastactive",
            self.last_active.map(|date| date.to_string()).as_deref(),
        );
        root.push_leaf_if(NAMESPACE, "contenttype", self.content_type.as_deref());
        root.push_leaf_if(
            NAMESPACE,
            "refresh",
            self.refresh.map(|n| n.to_string()).as_deref(),
        );
        root.extend_elements(&self.extensions);
        root.to_bytes()
    }
}
