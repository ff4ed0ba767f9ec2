//! The capabilities document that every server has (RFC 4825 section 12).

use bytes::Bytes;

use super::usage::Usages;
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{Element, Limits};

/// The namespace of the capabilities document.
pub(super) const NAMESPACE: &str = "urn:ietf:params:xml:ns:xcap-caps";
/// The media type of the capabilities document.
pub(super) const MEDIA_TYPE: &str = "application/xcap-caps+xml";

/// What a server supports.
///
/// # Examples
///
/// ```
/// use im_xdm_model::xcap::{Capabilities, Usages};
///
/// let capabilities = Capabilities::of(&Usages::standard());
/// assert!(capabilities.auids.iter().any(|auid| auid == "xcap-caps"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Capabilities {
    /// The application usages.
    pub auids: Vec<String>,
    /// Extensions of the protocol.
    pub extensions: Vec<String>,
    /// The namespaces whose elements are checked.
    pub namespaces: Vec<String>,
}

impl Capabilities {
    /// Tells what a server with these usages supports.
    pub fn of(usages: &Usages) -> Self {
        let mut namespaces: Vec<String> = Vec::new();
        for usage in usages.iter() {
            if !namespaces.contains(&usage.namespace) {
                namespaces.push(usage.namespace.clone());
            }
        }
        Self {
            auids: usages.iter().map(|u| u.auid.clone()).collect(),
            extensions: Vec::new(),
            namespaces,
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// Fails when the text is not well-formed, or not a capabilities document.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        let root = Element::parse(input, limits)?;
        if !root.is(NAMESPACE, "xcap-caps") {
            return Err(DocumentError::at(
                &root,
                DocumentErrorKind::WrongRoot("xcap-caps"),
            ));
        }
        let part = |list, item: &str| -> Option<Vec<String>> {
            let list = root.child(NAMESPACE, list)?;
            Some(
                list.elements()
                    .filter(|e| e.is(NAMESPACE, item))
                    .map(Element::trimmed_text)
                    .collect(),
            )
        };
        let missing = |name| DocumentError::at(&root, DocumentErrorKind::MissingElement(name));
        Ok(Self {
            auids: part("auids", "auid").ok_or_else(|| missing("auids"))?,
            extensions: part("extensions", "extension").unwrap_or_default(),
            namespaces: part("namespaces", "namespace").ok_or_else(|| missing("namespaces"))?,
        })
    }

    /// Writes the document.
    pub fn write(&self) -> Bytes {
        let mut root = Element::known(NAMESPACE, "xcap-caps");
        let mut part = |list, item, values: &[String]| {
            let mut element = Element::known(NAMESPACE, list);
            for value in values {
                element.push_leaf(NAMESPACE, item, value);
            }
            root.push(element);
        };
        part("auids", "auid", &self.auids);
        if !self.extensions.is_empty() {
            part("extensions", "extension", &self.extensions);
        }
        part("namespaces", "namespace", &self.namespaces);
        root.to_bytes()
    }
}
