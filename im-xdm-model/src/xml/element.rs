//! An owned tree: what a document is read through, and what keeps the parts a document type does not know.

use std::borrow::Cow;

use bytes::Bytes;

use super::chars::is_space;
use super::error::XmlError;
use super::limits::Limits;
use super::name::{Name, XML_NAMESPACE};
use super::tree::Tree;
use super::writer::Writer;

/// An element with its attributes and content.
///
/// Comments, processing instructions and prefixes are not kept; names are expanded. However deep a tree is, nothing that is
/// done with it needs a stack of that depth. With the feature `serde` an element is the text of its document.
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
pub struct Element {
    name: Name,
    attributes: Vec<Attribute>,
    children: Vec<Node>,
    /// Where the start tag stood in the input; no part of the value.
    offset: usize,
}

/// A part of an element's content.
#[derive(Debug, Clone, PartialEq, Eq)]
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

    /// Makes an empty element of a name that may not be one.
    pub(crate) fn named_like(namespace: &str, local: &str) -> Option<Self> {
        Name::new(Some(namespace), local).ok().map(Self::new)
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// Fails where the document is not well-formed or exceeds a limit.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, XmlError> {
        Ok(Tree::parse(input, limits)?.root()?.to_element())
    }

    /// An element that was read, without its content.
    pub(super) fn read(name: Name, attributes: Vec<Attribute>, offset: usize) -> Self {
        Self {
            name,
            attributes,
            children: Vec::new(),
            offset,
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

impl Drop for Element {
    fn drop(&mut self) {
        let is_shallow = |node: &Node| match node {
            Node::Element(element) => element.children.is_empty(),
            Node::Text(_) => true,
        };
        if self.children.iter().all(is_shallow) {
            return;
        }
        let mut pending = std::mem::take(&mut self.children);
        while let Some(node) = pending.pop() {
            if let Node::Element(mut element) = node {
                pending.append(&mut element.children);
            }
        }
    }
}

impl Clone for Element {
    fn clone(&self) -> Self {
        let shallow = |element: &Self| Self {
            name: element.name.clone(),
            attributes: element.attributes.clone(),
            children: Vec::with_capacity(element.children.len()),
            offset: element.offset,
        };
        let mut open = vec![(shallow(self), self.children.iter())];
        loop {
            let Some((copy, children)) = open.last_mut() else {
                // The first element is returned below, before the stack is empty.
                return shallow(self);
            };
            match children.next() {
                Some(Node::Text(text)) => copy.children.push(Node::Text(text.clone())),
                Some(Node::Element(child)) => open.push((shallow(child), child.children.iter())),
                None => {
                    let Some((done, _)) = open.pop() else { continue };
                    match open.last_mut() {
                        Some((parent, _)) => parent.children.push(Node::Element(done)),
                        None => return done,
                    }
                }
            }
        }
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        let mut pairs = vec![(self, other)];
        while let Some((one, two)) = pairs.pop() {
            if one.name != two.name
                || one.attributes != two.attributes
                || one.children.len() != two.children.len()
            {
                return false;
            }
            for pair in one.children.iter().zip(&two.children) {
                match pair {
                    (Node::Element(one), Node::Element(two)) => pairs.push((one, two)),
                    (Node::Text(one), Node::Text(two)) if one == two => {}
                    _ => return false,
                }
            }
        }
        true
    }
}

impl Eq for Element {}

impl std::fmt::Debug for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = Writer::new().without_declaration().write(self);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

#[cfg(feature = "serde")]
mod serialized {
    use std::borrow::Cow;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

    use super::super::limits::Limits;
    use super::super::writer::Writer;
    use super::Element;

    impl Serialize for Element {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let text = Writer::new().without_declaration().write(self);
            serializer.serialize_str(&String::from_utf8_lossy(&text))
        }
    }

    impl<'de> Deserialize<'de> for Element {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = <Cow<'de, str>>::deserialize(deserializer)?;
            Self::parse(text.as_bytes(), &Limits::default()).map_err(D::Error::custom)
        }
    }
}
