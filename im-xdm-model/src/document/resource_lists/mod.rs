//! Resource lists (RFC 4826 section 3), with the copy control of RFC 5364.

mod copy_control;

use bytes::Bytes;

pub use copy_control::{CopyControl, NAMESPACE as COPY_CONTROL_NAMESPACE};
use copy_control::{is_copy_control, read_copy_control, read_count, write_copy_control, write_count};

use super::{elements_only, once, other_attributes, required};
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{Element, Extensions, Limits, Name, TreeNode, XML_NAMESPACE};

/// The namespace of resource lists.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:resource-lists";

/// A `resource-lists` document: a buddy list, a block list, or the recipients of one request.
///
/// # Examples
///
/// ```
/// use im_xdm_model::document::{CopyControl, Entry, Item, List, ResourceLists};
/// use im_xdm_model::xml::Limits;
///
/// let mut entry = Entry::new("sip:bill@example.com");
/// entry.copy_control = Some(CopyControl::To);
/// let mut list = List::new();
/// list.children.push(Item::Entry(entry));
/// let document = ResourceLists::of(vec![list]);
/// assert_eq!(ResourceLists::parse(&document.write(), &Limits::default())?, document);
/// # Ok::<(), im_xdm_model::DocumentError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ResourceLists {
    /// The lists on the first level.
    pub lists: Vec<List>,
}

/// A list, which may hold further lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct List {
    /// The name, unique among the lists beside this one.
    pub name: Option<String>,
    /// What a person is shown.
    pub display_name: Option<DisplayName>,
    /// The role of the recipients in this list that have none of their own.
    pub copy_control: Option<CopyControl>,
    /// Whether the recipients in this list are shown to nobody.
    pub anonymize: bool,
    /// The content in order.
    pub children: Vec<Item>,
    /// Attributes of other namespaces; foreign elements are [`Item::Other`].
    pub extensions: Extensions,
}

/// What may stand in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Item {
    /// A resource.
    Entry(Entry),
    /// A reference to an entry of another document of this server.
    EntryRef(EntryRef),
    /// A reference to a list, on any server.
    External(External),
    /// A list inside the list.
    List(List),
    /// An element of another namespace.
    Other(Element),
}

/// A resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Entry {
    /// The URI as it was written.
    pub uri: String,
    /// What a person is shown.
    pub display_name: Option<DisplayName>,
    /// The role of this recipient; without one it is a blind copy (RFC 5364 section 4).
    pub copy_control: Option<CopyControl>,
    /// Whether other recipients may not learn this URI.
    pub anonymize: bool,
    /// How many recipients the entry stands for; more than one only with an anonymous URI.
    pub count: Option<u32>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

/// A reference to an entry of another document below the same XCAP root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct EntryRef {
    /// The relative path reference.
    pub reference: String,
    /// What a person is shown.
    pub display_name: Option<DisplayName>,
    /// The role of this recipient.
    pub copy_control: Option<CopyControl>,
    /// Whether other recipients may not learn its URI.
    pub anonymize: bool,
    /// What other namespaces add.
    pub extensions: Extensions,
}

/// A reference to a list somewhere else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct External {
    /// The absolute HTTP URI of a list.
    pub anchor: Option<String>,
    /// What a person is shown.
    pub display_name: Option<DisplayName>,
    /// The role of the recipients in the list.
    pub copy_control: Option<CopyControl>,
    /// Whether other recipients may not learn their URIs.
    pub anonymize: bool,
    /// What other namespaces add.
    pub extensions: Extensions,
}

/// A text for a person, with its language.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DisplayName {
    /// The language (`xml:lang`).
    pub lang: Option<String>,
    /// The text.
    pub text: String,
}

impl DisplayName {
    /// Makes a display name without language.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            lang: None,
            text: text.into(),
        }
    }

    pub(crate) fn from_element(element: TreeNode<'_>) -> Self {
        Self {
            lang: element.lang().map(str::to_owned),
            text: element.text().into_owned(),
        }
    }

    /// Reads a text that a document carries along as an extension.
    pub(crate) fn of_extension(element: &Element) -> Self {
        Self {
            lang: element.lang().map(str::to_owned),
            text: element.text().into_owned(),
        }
    }

    pub(crate) fn to_element(&self, namespace: &'static str) -> Element {
        self.to_named(namespace, "display-name")
    }

    pub(crate) fn to_named(&self, namespace: &'static str, local: &'static str) -> Element {
        let mut element = Element::known(namespace, local);
        if let Some(lang) = &self.lang {
            element.set_attribute(Name::known(XML_NAMESPACE, "lang"), lang);
        }
        element.push_text(&self.text);
        element
    }
}

impl Entry {
    /// Makes an entry of a URI.
    pub fn new(uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            ..Self::default()
        }
    }

    pub(crate) fn from_element(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let shared = Shared::read(element, "entry", "uri")?;
        Ok(Self {
            uri: required(element, "uri")?,
            display_name: shared.display_name,
            copy_control: shared.copy_control,
            anonymize: shared.anonymize,
            count: read_count(element)?,
            extensions: shared.extensions,
        })
    }

    /// Writes the entry with the element name in one namespace and its display name in that of resource lists.
    pub(crate) fn to_element(&self, namespace: &'static str) -> Element {
        let mut element = Element::known(namespace, "entry");
        element.set("uri", self.uri.as_str());
        write_copy_control(&mut element, self.copy_control, self.anonymize);
        write_count(&mut element, self.count);
        finish(element, self.display_name.as_ref(), &self.extensions)
    }
}

impl EntryRef {
    /// Makes a reference.
    pub fn new(reference: impl Into<String>) -> Self {
        Self {
            reference: reference.into(),
            ..Self::default()
        }
    }

    fn from_element(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let shared = Shared::read(element, "entry-ref", "ref")?;
        Ok(Self {
            reference: required(element, "ref")?,
            display_name: shared.display_name,
            copy_control: shared.copy_control,
            anonymize: shared.anonymize,
            extensions: shared.extensions,
        })
    }

    fn to_element(&self) -> Element {
        let mut element = Element::known(NAMESPACE, "entry-ref");
        element.set("ref", self.reference.as_str());
        write_copy_control(&mut element, self.copy_control, self.anonymize);
        finish(element, self.display_name.as_ref(), &self.extensions)
    }
}

impl External {
    /// Makes a reference to a list.
    pub fn new(anchor: impl Into<String>) -> Self {
        Self {
            anchor: Some(anchor.into()),
            ..Self::default()
        }
    }

    pub(crate) fn from_element(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let shared = Shared::read(element, "external", "anchor")?;
        Ok(Self {
            anchor: element.attribute("anchor").map(str::to_owned),
            display_name: shared.display_name,
            copy_control: shared.copy_control,
            anonymize: shared.anonymize,
            extensions: shared.extensions,
        })
    }

    pub(crate) fn to_element(&self, namespace: &'static str) -> Element {
        let mut element = Element::known(namespace, "external");
        element.set_if("anchor", self.anchor.as_deref());
        write_copy_control(&mut element, self.copy_control, self.anonymize);
        finish(element, self.display_name.as_ref(), &self.extensions)
    }
}

impl List {
    /// Makes an empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a list of a name.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::default()
        }
    }

    /// Reads the attributes of a list; its content follows.
    fn begin(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        elements_only(element, "list")?;
        let (copy_control, anonymize) = read_copy_control(element)?;
        let attributes = other_attributes(element, "list", |name| {
            name.is("", "name") || is_copy_control(name)
        })?;
        Ok(Self {
            name: element.attribute("name").map(str::to_owned),
            // Entries are large, and a list of many should not be moved as it grows.
            children: Vec::with_capacity(element.elements().count()),
            copy_control,
            anonymize,
            extensions: Extensions {
                attributes,
                ..Extensions::default()
            },
            ..Self::default()
        })
    }

    fn take(&mut self, child: TreeNode<'_>) -> Result<(), DocumentError> {
        let item = match child.name().local() {
            _ if !child.name().is_in(NAMESPACE) => Item::Other(foreign(child, "list")?),
            "entry" => Item::Entry(Entry::from_element(child)?),
            "entry-ref" => Item::EntryRef(EntryRef::from_element(child)?),
            "external" => Item::External(External::from_element(child)?),
            "display-name" if self.children.is_empty() => {
                return once(
                    &mut self.display_name,
                    DisplayName::from_element(child),
                    child,
                    "display-name",
                );
            }
            _ => {
                return Err(DocumentError::at(
                    child,
                    DocumentErrorKind::UnexpectedElement("list"),
                ));
            }
        };
        self.children.push(item);
        Ok(())
    }

    /// Reads a list, whatever namespace its own element is in.
    pub(crate) fn from_node(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        // Lists nest by input, so the ones that are open are on a stack of their own.
        let mut open = vec![(Self::begin(element)?, element.elements())];
        let mut read = Self::default();
        while let Some((list, children)) = open.last_mut() {
            match children.next() {
                Some(child) if child.is(NAMESPACE, "list") => {
                    let inner = Self::begin(child)?;
                    open.push((inner, child.elements()));
                }
                Some(child) => list.take(child)?,
                None => {
                    let Some((done, _)) = open.pop() else { break };
                    match open.last_mut() {
                        Some((parent, _)) => parent.children.push(Item::List(done)),
                        None => read = done,
                    }
                }
            }
        }
        Ok(read)
    }

    fn head(&self) -> Element {
        let mut element = Element::known(NAMESPACE, "list");
        element.set_if("name", self.name.as_deref());
        write_copy_control(&mut element, self.copy_control, self.anonymize);
        element.extend_attributes(&self.extensions);
        if let Some(name) = &self.display_name {
            element.push(name.to_element(NAMESPACE));
        }
        element
    }

    /// Writes the list with the name of its own element in one namespace, and what is inside in that of resource lists.
    pub(crate) fn to_element(&self, namespace: &'static str) -> Element {
        let mut open = vec![(self.head(), self.children.iter(), &self.extensions)];
        let mut written = Element::known(NAMESPACE, "list");
        while let Some((element, children, extensions)) = open.last_mut() {
            match children.next() {
                Some(Item::List(list)) => open.push((list.head(), list.children.iter(), &list.extensions)),
                Some(Item::Entry(entry)) => element.push(entry.to_element(NAMESPACE)),
                Some(Item::EntryRef(entry)) => element.push(entry.to_element()),
                Some(Item::External(external)) => element.push(external.to_element(NAMESPACE)),
                Some(Item::Other(other)) => element.push(other.clone()),
                None => {
                    element.extend_elements(extensions);
                    let Some((done, ..)) = open.pop() else { break };
                    match open.last_mut() {
                        Some((parent, ..)) => parent.push(done),
                        None => written = done,
                    }
                }
            }
        }
        written.rename(Name::known(namespace, "list"));
        written
    }
}

impl ResourceLists {
    /// Makes a document of lists.
    pub fn of(lists: Vec<List>) -> Self {
        Self { lists }
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// Fails when the text is not well-formed, or not a resource lists document.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        super::read(input, limits, Self::from_node)
    }

    /// Reads a document from its tree.
    ///
    /// # Errors
    ///
    /// Fails when the tree is not that of a resource lists document.
    pub fn from_element(root: &Element) -> Result<Self, DocumentError> {
        super::reread(root, Self::parse)
    }

    fn from_node(root: TreeNode<'_>) -> Result<Self, DocumentError> {
        super::expect(root, NAMESPACE, "resource-lists")?;
        elements_only(root, "resource-lists")?;
        other_attributes(root, "resource-lists", |_| false)?;
        let mut lists = Vec::new();
        for child in root.elements() {
            if !child.is(NAMESPACE, "list") {
                return Err(DocumentError::at(
                    child,
                    DocumentErrorKind::UnexpectedElement("resource-lists"),
                ));
            }
            lists.push(List::from_node(child)?);
        }
        Ok(Self { lists })
    }

    /// Writes the document.
    pub fn write(&self) -> Bytes {
        let mut root = Element::known(NAMESPACE, "resource-lists");
        for list in &self.lists {
            root.push(list.to_element(NAMESPACE));
        }
        root.to_bytes()
    }
}

/// What entries, references and externals have in common.
struct Shared {
    display_name: Option<DisplayName>,
    copy_control: Option<CopyControl>,
    anonymize: bool,
    extensions: Extensions,
}

impl Shared {
    fn read(element: TreeNode<'_>, place: &'static str, key: &'static str) -> Result<Self, DocumentError> {
        elements_only(element, place)?;
        let (copy_control, anonymize) = read_copy_control(element)?;
        let attributes = other_attributes(element, place, |name| name.is("", key) || is_copy_control(name))?;
        let mut display_name = None;
        let mut elements = Vec::new();
        for child in element.elements() {
            if child.is(NAMESPACE, "display-name") && elements.is_empty() {
                once(
                    &mut display_name,
                    DisplayName::from_element(child),
                    child,
                    "display-name",
                )?;
            } else {
                elements.push(foreign(child, place)?);
            }
        }
        Ok(Self {
            display_name,
            copy_control,
            anonymize,
            extensions: Extensions { attributes, elements },
        })
    }
}

/// Accepts an element of another namespace.
fn foreign(element: TreeNode<'_>, place: &'static str) -> Result<Element, DocumentError> {
    match element.name().namespace() {
        Some(namespace) if namespace != NAMESPACE => Ok(element.to_element()),
        _ => Err(DocumentError::at(
            element,
            DocumentErrorKind::UnexpectedElement(place),
        )),
    }
}

fn finish(mut element: Element, display_name: Option<&DisplayName>, extensions: &Extensions) -> Element {
    element.extend_attributes(extensions);
    if let Some(name) = display_name {
        element.push(name.to_element(NAMESPACE));
    }
    element.extend_elements(extensions);
    element
}
