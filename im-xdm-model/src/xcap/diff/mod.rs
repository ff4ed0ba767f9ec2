//! What has changed on an XCAP server: `xcap-diff` documents (RFC 5874).
//!
//! The XML that such a document carries, and the selectors in it, depend on the prefixes around them, so it is kept as
//! text with the bindings that it needs.

mod read;
mod write;

use bytes::Bytes;

use super::ETag;
use super::patch::{self, Operation, PatchError};
use crate::error::DocumentError;
use crate::xml::{Attribute, Element, Limits};

/// The namespace of `xcap-diff` documents.
pub(in crate::xcap) const NAMESPACE: &str = "urn:ietf:params:xml:ns:xcap-diff";

/// The media type of `xcap-diff` documents.
pub const MEDIA_TYPE: &str = "application/xcap-diff+xml";

/// A report of changes below one XCAP root.
///
/// # Examples
///
/// ```
/// use im_xdm_model::xcap::diff::{DocumentChange, XcapDiff};
/// use im_xdm_model::xcap::{ETag, patch};
/// use im_xdm_model::xml::Limits;
///
/// let (old, new) = ("<doc/>", "<doc><foo/></doc>");
/// let mut diff = XcapDiff::new("http://xcap.example.com/root/");
/// let mut change = DocumentChange::changed("tests/users/sip:joe@example.com/index", &ETag::new("1"), &ETag::new("2"));
/// change.patch = patch::diff(old, new, &patch::Limits::default());
/// diff.components.push(change.into());
/// assert_eq!(XcapDiff::parse(&diff.write(), &Limits::default())?, diff);
/// # Ok::<(), im_xdm_model::DocumentError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct XcapDiff {
    /// The XCAP root that all selectors are relative to.
    pub xcap_root: String,
    /// What has changed, or is there, in the order in which it happened.
    pub components: Vec<Component>,
    /// Attributes of other namespaces.
    #[cfg_attr(feature = "serde", serde(default))]
    pub attributes: Vec<Attribute>,
    /// Elements of other namespaces.
    #[cfg_attr(feature = "serde", serde(default))]
    pub elements: Vec<Element>,
}

/// A part of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Component {
    /// A document.
    Document(DocumentChange),
    /// The content of an element.
    Element(ElementState),
    /// The value of an attribute.
    Attribute(AttributeState),
}

/// What became of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DocumentChange {
    /// The document, relative to the root.
    pub selector: String,
    /// The entity tag before, without quotes; none for a document that is new or only listed.
    pub previous_etag: Option<String>,
    /// The entity tag after, without quotes; none for a document that is gone.
    pub new_etag: Option<String>,
    /// Whether the content is the same under another tag.
    #[cfg_attr(feature = "serde", serde(default))]
    pub body_not_changed: bool,
    /// What turns the document before into the one after; `None` when it has to be fetched.
    #[cfg_attr(feature = "serde", serde(default))]
    pub patch: Option<Vec<Operation>>,
    /// Attributes of other namespaces.
    #[cfg_attr(feature = "serde", serde(default))]
    pub attributes: Vec<Attribute>,
    /// Elements of other namespaces.
    #[cfg_attr(feature = "serde", serde(default))]
    pub elements: Vec<Element>,
}

/// The content of an element as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ElementState {
    /// The element, relative to the root.
    pub selector: String,
    /// Whether the element is there; without it, it is.
    pub exists: Option<bool>,
    /// The element as XML text; `None` when it is not there or too large to be told.
    pub content: Option<String>,
    /// What the prefixes in the content mean: prefix, empty for the default, and namespace.
    #[cfg_attr(feature = "serde", serde(default))]
    pub bindings: Vec<(String, String)>,
    /// Attributes of other namespaces.
    #[cfg_attr(feature = "serde", serde(default))]
    pub attributes: Vec<Attribute>,
}

/// The value of an attribute as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct AttributeState {
    /// The attribute, relative to the root.
    pub selector: String,
    /// Whether the attribute is there; without it, it is.
    pub exists: Option<bool>,
    /// The value.
    pub value: String,
    /// Attributes of other namespaces.
    #[cfg_attr(feature = "serde", serde(default))]
    pub attributes: Vec<Attribute>,
}

impl From<DocumentChange> for Component {
    fn from(change: DocumentChange) -> Self {
        Self::Document(change)
    }
}

impl XcapDiff {
    /// Makes a report that tells nothing yet.
    pub fn new(xcap_root: impl Into<String>) -> Self {
        Self {
            xcap_root: xcap_root.into(),
            components: Vec::new(),
            attributes: Vec::new(),
            elements: Vec::new(),
        }
    }

    /// Reads a report.
    ///
    /// # Errors
    ///
    /// Fails when the text is not well-formed, or not an `xcap-diff` document.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        read::parse(input, limits)
    }

    /// Writes the report.
    pub fn write(&self) -> Bytes {
        write::write(self)
    }
}

impl DocumentChange {
    /// Tells that a document is there, or is new.
    pub fn exists(selector: impl Into<String>, etag: &ETag) -> Self {
        Self {
            selector: selector.into(),
            new_etag: Some(etag.as_str().to_owned()),
            ..Self::default()
        }
    }

    /// Tells that a document is another one now.
    pub fn changed(selector: impl Into<String>, previous: &ETag, etag: &ETag) -> Self {
        Self {
            previous_etag: Some(previous.as_str().to_owned()),
            ..Self::exists(selector, etag)
        }
    }

    /// Tells that a document is gone.
    pub fn removed(selector: impl Into<String>, previous: &ETag) -> Self {
        Self {
            selector: selector.into(),
            previous_etag: Some(previous.as_str().to_owned()),
            ..Self::default()
        }
    }

    /// Brings a cached document up to date.
    ///
    /// # Errors
    ///
    /// Fails when the document is another version than the change starts from, has to be fetched, is gone, or the patch
    /// cannot be applied.
    pub fn update(&self, etag: &str, document: &str, limits: &patch::Limits) -> Result<String, UpdateError> {
        //= https://www.rfc-editor.org/rfc/rfc5874#section-6
        //# When a diff client applies XCAP diff document
        //# changes, it MUST apply a resource state change only if entity tag
        //# values match with octet-by-octet equivalence according to the table
        //# defined in Figure 1.
        let Some(previous) = &self.previous_etag else {
            return Err(UpdateError::Fetch);
        };
        if previous != etag {
            return Err(UpdateError::OtherVersion);
        }
        match (&self.new_etag, &self.patch) {
            (None, _) => Err(UpdateError::Removed),
            (Some(_), _) if self.body_not_changed => Ok(document.to_owned()),
            (Some(_), Some(operations)) => Ok(patch::apply(document, operations, limits)?),
            (Some(_), None) => Err(UpdateError::Fetch),
        }
    }
}

/// Why a cached document was not brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The change does not start from the version that is cached.
    #[error("another version of the document")]
    OtherVersion,
    /// The change is not told; the document has to be fetched.
    #[error("the change is not told")]
    Fetch,
    /// The document is gone.
    #[error("the document is gone")]
    Removed,
    /// The patch cannot be applied.
    #[error("{0}")]
    Patch(#[from] PatchError),
}
