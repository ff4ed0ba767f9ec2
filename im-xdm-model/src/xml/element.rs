//! An owned tree: what a document is read through, and what keeps the parts a document type does not know.

use std::borrow::Cow;

use bytes::Bytes;

use super::chars::is_space;
use super::error::{XmlError, XmlErrorKind};
use super::limits::Limits;
use super::name::{Name, XML_NAMESPACE};
use super::reader::{Event, Reader, StartTag};
use super::writer::Writer;

/// An element with its attributes and content.
///
/// Comments, processing instructions and prefixes are not kept; names are expanded. Cloning, comparing and dropping a
/// tree recurse as deep as the tree is, which [`Limits::depth`] bounds.
///
/// # Examples
///
/// ```
/// use im_xdm_model::xml::{Element, Limits};
///
/// let root = Element::parse(b"<list xmlns='urn:x'><entry uri='sip:a@b'/></list>", &Limits::default())?;
/// let entry = root.child("urn:x", "entry").ok_or("no entry")?;
/// assert_eq!(entry.attribute("uri"), Some("sip:a@b"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Element {
    name: Name,
    #[cfg_attr(feature = "serde", serde(default))]
    attributes: Vec<Attribute>,
    #[cfg_attr(feature = "serde", serde(default))]
    children: Vec<Node>,
    /// Where the start tag stood in the input; no part of the value.
    #[cfg_attr(feature = "serde", serde(skip))]
    offset: usize,
}

/// A part of an element's content.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Node {
    /// A child element.
    Element(Element),
    /// Character data, references resolved.
    Text(String),
}

/// An attribute with its expanded name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Attribute {
    /// The expanded name.
    pub name: Name,
    /// The normalised value.
    pub value: String,
}

impl Attribute {
    /// Makes an attribute.
    pub fn new(name: Name, value: impl Into<String>) -> Self {
        Self {
            name,
            value: value.into(),
        }
    }
}

/// The attributes and child elements that a document type carries along without knowing them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Extensions {
    /// Attributes in the order they were found.
    pub attributes: Vec<Attribute>,
    /// Child elements in the order they were found; written after the known ones.
    pub elements: Vec<Element>,
}

impl Extensions {
    /// Tells whether there is nothing here.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.elements.is_empty()
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.attributes == other.attributes && self.children == other.children
    }
}

impl Eq for Element {}

impl Element {
    /// Makes an empty element.
    pub fn new(name: Name) -> Self {
        Self {
            name,
            attributes: Vec::new(),
            children: Vec::new(),
            offset: 0,
        }
    }

    pub(crate) fn known(namespace: &'static str, local: &'static str) -> Self {
        Self::new(Name::known(namespace, local))
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// Fails where the document is not well-formed or exceeds a limit.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, XmlError> {
        Self::build(Reader::new(input, limits)?)
    }

    pub(crate) fn build(mut reader: Reader<'_>) -> Result<Self, XmlError> {
        let mut open: Vec<Self> = Vec::new();
        let mut root = None;
        while let Some(event) = reader.next_event()? {
            match event {
                Event::Start(tag) => open.push(Self::from_tag(tag)),
                Event::Text(text) => {
                    if let Some(parent) = open.last_mut() {
                        parent.push_text(&text);
                    }
                }
                Event::End { .. } => {
                    let Some(done) = open.pop() else { continue };
                    match open.last_mut() {
                        Some(parent) => parent.children.push(Node::Element(done)),
                        None => root = Some(done),
                    }
                }
            }
        }
        root.ok_or(XmlError::new(XmlErrorKind::NoRoot, 0))
    }

    fn from_tag(tag: StartTag) -> Self {
        Self {
            name: tag.name,
            attributes: tag
                .attributes
                .into_iter()
                .map(|a| Attribute {
                    name: a.name,
                    value: a.value,
                })
                .collect(),
            children: Vec::new(),
            offset: tag.span.start,
        }
    }

    /// Writes the element as a document with an XML declaration.
    pub fn to_bytes(&self) -> Bytes {
        Writer::new().write(self)
    }

    /// Returns the expanded name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Returns the attributes in order.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// Returns the content in order.
    pub fn children(&self) -> &[Node] {
        &self.children
    }

    /// Returns how many octets of the input stood before the element; 0 for an element that was not read.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Tells whether this is the given element.
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        self.name.is(namespace, local)
    }

    /// Returns the value of the attribute that is in no namespace.
    pub fn attribute(&self, local: &str) -> Option<&str> {
        self.qualified("", local)
    }

    /// Returns the value of the attribute in a namespace; an empty namespace means none.
    pub fn qualified(&self, namespace: &str, local: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|a| a.name.is(namespace, local))
            .map(|a| a.value.as_str())
    }

    /// Returns `xml:lang`.
    pub fn lang(&self) -> Option<&str> {
        self.qualified(XML_NAMESPACE, "lang")
    }

    /// Iterates over the child elements.
    pub fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// Returns the first child element of a name.
    pub fn child(&self, namespace: &str, local: &str) -> Option<&Self> {
        self.elements().find(|e| e.is(namespace, local))
    }

    /// Returns the character data directly inside the element.
    pub fn text(&self) -> Cow<'_, str> {
        let mut texts = self.children.iter().filter_map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            Node::Element(_) => None,
        });
        match (texts.next(), texts.next()) {
            (None, _) => Cow::Borrowed(""),
            (Some(only), None) => Cow::Borrowed(only),
            (Some(first), Some(second)) => Cow::Owned([first, second].into_iter().chain(texts).collect()),
        }
    }

    /// Returns the character data without the white space around it.
    pub fn trimmed_text(&self) -> String {
        self.text().trim_matches(is_space).to_owned()
    }

    /// Tells whether there is character data other than white space directly inside.
    pub fn has_text(&self) -> bool {
        self.children
            .iter()
            .any(|node| matches!(node, Node::Text(text) if !text.chars().all(is_space)))
    }

    pub(crate) fn rename(&mut self, name: Name) {
        self.name = name;
    }

    /// Adds an attribute, or replaces the one of the same name.
    pub fn set_attribute(&mut self, name: Name, value: impl Into<String>) {
        let value = value.into();
        match self.attributes.iter_mut().find(|a| a.name == name) {
            Some(known) => known.value = value,
            None => self.attributes.push(Attribute { name, value }),
        }
    }

    /// Adds a child element at the end.
    pub fn push(&mut self, child: Self) {
        self.children.push(Node::Element(child));
    }

    /// Adds character data at the end.
    pub fn push_text(&mut self, text: &str) {
        match self.children.last_mut() {
            Some(Node::Text(last)) => last.push_str(text),
            _ if text.is_empty() => {}
            _ => self.children.push(Node::Text(text.to_owned())),
        }
    }

    /// Adds a child element that holds only text.
    pub(crate) fn push_leaf(&mut self, namespace: &'static str, local: &'static str, text: &str) {
        let mut child = Self::known(namespace, local);
        child.push_text(text);
        self.push(child);
    }

    pub(crate) fn push_leaf_if(&mut self, namespace: &'static str, local: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.push_leaf(namespace, local, text);
        }
    }

    /// Sets an attribute that is in no namespace.
    pub(crate) fn set(&mut self, local: &'static str, value: impl Into<String>) {
        self.set_attribute(Name::known("", local), value);
    }

    pub(crate) fn set_if(&mut self, local: &'static str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.set(local, value);
        }
    }

    /// Adds what a document type carried along.
    pub(crate) fn extend_attributes(&mut self, extensions: &Extensions) {
        for attribute in &extensions.attributes {
            self.set_attribute(attribute.name.clone(), attribute.value.clone());
        }
    }

    pub(crate) fn extend_elements(&mut self, extensions: &Extensions) {
        for element in &extensions.elements {
            self.push(element.clone());
        }
    }
}
