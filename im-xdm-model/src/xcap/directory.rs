//! Directories: which documents a user has (OMA XDM).
//!
//! No public schema of this document exists. The names are those that servers are known to use; what else there is is
//! carried along.

use bytes::Bytes;

use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{Attribute, DateTime, Element, Extensions, Limits};

/// The namespace of directories.
pub(super) const NAMESPACE: &str = "urn:oma:xml:xdm:xcap-directory";
/// The media type of directories.
pub(super) const MEDIA_TYPE: &str = "application/vnd.oma.xcap-directory+xml";

/// The documents of a user, by application usage.
///
/// # Examples
///
/// ```
/// use im_xdm_model::xcap::{Directory, DirectoryEntry, Folder};
/// use im_xdm_model::xml::Limits;
///
/// let mut folder = Folder::new("resource-lists");
/// folder.entries.push(DirectoryEntry::new("http://xcap.example.com/resource-lists/users/sip:a@b/index", "\"1\""));
/// let directory = Directory::of(vec![folder]);
/// assert_eq!(Directory::parse(&directory.write(), &Limits::default())?, directory);
/// # Ok::<(), im_xdm_model::DocumentError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Directory {
    /// The usages in which the user has, or may have, documents.
    pub folders: Vec<Folder>,
    /// What is not known here.
    pub extensions: Extensions,
}

/// The documents of one application usage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Folder {
    /// The usage.
    pub auid: String,
    /// The documents.
    pub entries: Vec<DirectoryEntry>,
    /// What is not known here.
    pub extensions: Extensions,
}

/// One document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct DirectoryEntry {
    /// Where it is.
    pub uri: String,
    /// Its entity tag, as in the header field.
    pub etag: String,
    /// When it was changed last.
    pub last_modified: Option<DateTime>,
    /// Its octets.
    pub size: Option<u64>,
    /// Attributes that are not known here.
    pub attributes: Vec<Attribute>,
}

impl Directory {
    /// Makes a directory.
    pub fn of(folders: Vec<Folder>) -> Self {
        Self {
            folders,
            extensions: Extensions::default(),
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// Fails when the text is not well-formed, or not a directory.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        let root = Element::parse(input, limits)?;
        Self::read(&root).map_err(|error| error.within(input))
    }

    fn read(root: &Element) -> Result<Self, DocumentError> {
        if !root.is(NAMESPACE, "xcap-directory") {
            return Err(DocumentError::at(
                root,
                DocumentErrorKind::WrongRoot("xcap-directory"),
            ));
        }
        let mut directory = Self::default();
        directory.extensions.attributes = root.attributes().to_vec();
        for child in root.elements() {
            if child.is(NAMESPACE, "folder") {
                directory.folders.push(Folder::read(child)?);
            } else {
                directory.extensions.elements.push(child.clone());
            }
        }
        Ok(directory)
    }

    /// Writes the document.
    pub fn write(&self) -> Bytes {
        let mut root = Element::known(NAMESPACE, "xcap-directory");
        root.extend_attributes(&self.extensions);
        for folder in &self.folders {
            let mut element = Element::known(NAMESPACE, "folder");
            element.set("auid", folder.auid.as_str());
            element.extend_attributes(&folder.extensions);
            for entry in &folder.entries {
                element.push(entry.write());
            }
            element.extend_elements(&folder.extensions);
            root.push(element);
        }
        root.extend_elements(&self.extensions);
        root.to_bytes()
    }
}

impl Folder {
    /// Makes a folder without documents.
    pub fn new(auid: impl Into<String>) -> Self {
        Self {
            auid: auid.into(),
            ..Self::default()
        }
    }

    fn read(element: &Element) -> Result<Self, DocumentError> {
        let mut folder = Self::default();
        for attribute in element.attributes() {
            if attribute.name.is("", "auid") {
                folder.auid.clone_from(&attribute.value);
            } else {
                folder.extensions.attributes.push(attribute.clone());
            }
        }
        if folder.auid.is_empty() {
            return Err(DocumentError::at(
                element,
                DocumentErrorKind::MissingAttribute("auid"),
            ));
        }
        for child in element.elements() {
            if child.is(NAMESPACE, "entry") {
                folder.entries.push(DirectoryEntry::read(child)?);
            } else {
                folder.extensions.elements.push(child.clone());
            }
        }
        Ok(folder)
    }
}

impl DirectoryEntry {
    /// Makes an entry.
    pub fn new(uri: impl Into<String>, etag: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            etag: etag.into(),
            ..Self::default()
        }
    }

    fn read(element: &Element) -> Result<Self, DocumentError> {
        let wrong = |kind| DocumentError::at(element, kind);
        let mut entry = Self::default();
        let mut uri = None;
        for attribute in element.attributes() {
            let value = attribute.value.as_str();
            match attribute.name.local() {
                _ if attribute.name.namespace().is_some() => entry.attributes.push(attribute.clone()),
                "uri" => uri = Some(value.to_owned()),
                "etag" => value.clone_into(&mut entry.etag),
                "size" => {
                    let size = crate::document::number(value);
                    entry.size = Some(size.ok_or_else(|| wrong(DocumentErrorKind::BadValue("size")))?);
                }
                "last-modified" => {
                    let time = value.parse();
                    let time = time.map_err(|_| wrong(DocumentErrorKind::BadValue("last-modified")))?;
                    entry.last_modified = Some(time);
                }
                _ => entry.attributes.push(attribute.clone()),
            }
        }
        entry.uri = uri.ok_or_else(|| wrong(DocumentErrorKind::MissingAttribute("uri")))?;
        Ok(entry)
    }

    fn write(&self) -> Element {
        let mut element = Element::known(NAMESPACE, "entry");
        element.set("uri", self.uri.as_str());
        if !self.etag.is_empty() {
            element.set("etag", self.etag.as_str());
        }
        element.set_if(
            "last-modified",
            self.last_modified.as_ref().map(ToString::to_string),
        );
        element.set_if("size", self.size.map(|size| size.to_string()));
        for attribute in &self.attributes {
            element.set_attribute(attribute.name.clone(), attribute.value.clone());
        }
        element
    }
}
