//! Patches: changes of a document, one node after the other (RFC 5261).
//!
//! [`operations`] reads those of a document, whichever format they are part of. [`apply()`] makes them in the text, so
//! that all octets around a change stay as they are; [`diff`] finds those that turn one version of a document into
//! another; [`equivalent`] tells whether two texts are the same document, which is what the two agree on: as canonical
//! XML with comments, where white space in tags, quotes and the XML declaration do not
//! count.

mod align;
mod apply;
mod compare;
mod compute;
mod names;
mod read;
mod report;
mod selector;
pub(super) mod tag;
pub(super) mod tree;
mod write;

pub use apply::apply;
pub use compare::equivalent;
pub use compute::diff;
pub use read::operations;
pub(super) use read::{bindings, foreign, operation_of};
pub use report::{MEDIA_TYPE as ERROR_MEDIA_TYPE, PatchReport};
pub(super) use write::{with_attributes, with_bindings};

use crate::xml::{self, Attribute};

/// One change.
///
/// # Examples
///
/// ```
/// use im_xdm_model::xcap::patch::{Addition, Change, Limits, Operation, apply};
///
/// let add = Operation::new("doc", Change::Add { what: Addition::Append, content: "<foo id=\"1\"/>".into() });
/// let remove = Operation::new("doc/note", Change::Remove { white_space: None });
/// let patched = apply("<doc><note/></doc>", &[add, remove], &Limits::default())?;
/// assert_eq!(patched, "<doc><foo id=\"1\"/></doc>");
/// # Ok::<(), im_xdm_model::xcap::patch::PatchError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Operation {
    /// Which node is changed: the restricted `XPath` of `sel`.
    pub selector: String,
    /// What the names in the selector and the content mean: prefix, empty for the default, and namespace.
    pub bindings: Vec<(String, String)>,
    /// What becomes of the node.
    pub change: Change,
    /// Attributes of other namespaces.
    #[cfg_attr(feature = "serde", serde(default))]
    pub extensions: Vec<Attribute>,
}

/// What becomes of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Change {
    /// Something is added to it or beside it.
    Add {
        /// What, and where.
        what: Addition,
        /// The nodes as XML text; for attributes and namespaces the value, as character data.
        content: String,
    },
    /// It is replaced.
    Replace {
        /// The new node as XML text; for attributes and namespaces the value, as character data.
        content: String,
    },
    /// It is removed.
    Remove {
        /// The white space that goes with it.
        white_space: Option<WhiteSpace>,
    },
}

/// What is added, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Addition {
    /// Nodes behind all children of the element.
    Append,
    /// Nodes before all children of the element.
    Prepend,
    /// Nodes directly before the node.
    Before,
    /// Nodes directly after the node.
    After,
    /// An attribute with this qualified name.
    Attribute(String),
    /// The declaration of this prefix.
    Namespace(String),
}

/// Text nodes of white space that go with what they stand beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum WhiteSpace {
    /// The one before.
    Before,
    /// The one after.
    After,
    /// Both.
    Both,
}

impl Operation {
    /// Makes a change of which all names are in no namespace.
    pub fn new(selector: impl Into<String>, change: Change) -> Self {
        Self {
            selector: selector.into(),
            bindings: Vec::new(),
            change,
            extensions: Vec::new(),
        }
    }

    /// Binds a prefix, empty for the default.
    #[must_use]
    pub fn binding(mut self, prefix: impl Into<String>, namespace: impl Into<String>) -> Self {
        self.bindings.push((prefix.into(), namespace.into()));
        self
    }
}

/// What a patch, or the search for one, may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bounds on the document before and after, and on what is added.
    pub xml: xml::Limits,
    /// Operations in a patch; 1024 by default.
    pub operations: usize,
    /// Steps of one selector; 64 by default.
    pub steps: usize,
    /// Nodes looked at to find what all selectors of a patch select; 4 000 000 by default.
    pub visits: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            xml: xml::Limits::default(),
            operations: 1024,
            steps: 64,
            visits: 4_000_000,
        }
    }
}

/// Why a patch was not applied, and which of its operations could not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("operation {operation}: {kind}")]
#[non_exhaustive]
pub struct PatchError {
    /// What is wrong.
    pub kind: PatchErrorKind,
    /// The operation, counted from 0.
    pub operation: usize,
}

/// The errors of RFC 5261 section 5.1, and that a limit is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum PatchErrorKind {
    /// The selector, the place or the value of an attribute is not acceptable.
    #[error("invalid attribute value")]
    InvalidAttributeValue,
    /// The patch and the document have different encodings.
    #[error("invalid character set")]
    InvalidCharacterSet,
    /// The content of an operation, or the whole patch, is not well-formed or not of its schema.
    #[error("invalid diff format")]
    InvalidDiffFormat,
    /// A reference to an entity that is not declared.
    #[error("invalid entity declaration")]
    InvalidEntityDeclaration,
    /// A prefix is not bound, or cannot be added or removed here.
    #[error("invalid namespace prefix")]
    InvalidNamespacePrefix,
    /// A namespace is none, or the document does not declare it where it is needed.
    #[error("invalid namespace uri")]
    InvalidNamespaceUri,
    /// The new node is of another type than the one that it replaces, or there are several.
    #[error("invalid node types")]
    InvalidNodeTypes,
    /// What is asked for cannot be done with this node.
    #[error("invalid patch directive")]
    InvalidPatchDirective,
    /// The root element would be removed, or get an element beside it.
    #[error("invalid root element operation")]
    InvalidRootElementOperation,
    /// What stands beside the root element cannot be text.
    #[error("invalid xml prolog operation")]
    InvalidXmlPrologOperation,
    /// The white space that should go is not there.
    #[error("invalid whitespace directive")]
    InvalidWhitespaceDirective,
    /// The selector finds nothing, or more than one node.
    #[error("unlocated node")]
    UnlocatedNode,
    /// An identifier that no `xml:id` gives; other attributes are not known to be identifiers.
    #[error("unsupported id function")]
    UnsupportedIdFunction,
    /// `xml:id` is not understood.
    #[error("unsupported xml:id")]
    UnsupportedXmlId,
    /// A limit is exceeded.
    #[error("too large")]
    TooLarge,
}
