//! A document as it is read: all its elements and texts in one table, mostly borrowed from the input.

use std::borrow::Cow;
use std::sync::Arc;

use super::chars::is_space;
use super::element::{Attribute, Element};
use super::error::{XmlError, XmlErrorKind};
use super::limits::Limits;
use super::name::{Name, XML_NAMESPACE};
use super::parser::{Parser, Token};
use super::scope::{NamespaceId, Namespaces};
use super::tag::is_blank;

/// A document that was read. Its parts are looked at through [`Node`].
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    nodes: Vec<Row<'a>>,
    attributes: Vec<AttributeRow<'a>>,
    /// Texts and values that are not in the input as they are meant.
    owned: Vec<String>,
    namespaces: Namespaces,
}

/// An element or a text, in document order.
#[derive(Debug, Clone, Copy)]
struct Row<'a> {
    /// The local name, or the text unless it is an owned one.
    text: &'a str,
    kind: Kind,
    /// The row after the last one that is inside.
    end: u32,
    offset: u32,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Element {
        namespace: NamespaceId,
        /// The first of its attributes; they end where those of the next element begin.
        attributes: u32,
        count: u32,
    },
    Text,
    Owned(u32),
}

#[derive(Debug, Clone, Copy)]
struct AttributeRow<'a> {
    local: &'a str,
    namespace: NamespaceId,
    value: &'a str,
    owned: Option<u32>,
}

/// An element of a tree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'t> {
    tree: &'t Tree<'t>,
    row: &'t Row<'t>,
    index: usize,
}

/// What stood somewhere in a text.
pub(crate) trait Placed: Copy {
    /// Returns how many octets of the text stood before it.
    fn offset(self) -> usize;
}

impl Placed for Node<'_> {
    fn offset(self) -> usize {
        as_usize(self.row.offset)
    }
}

impl Placed for &Element {
    fn offset(self) -> usize {
        Element::offset(self)
    }
}

/// The expanded name of an element or attribute of a tree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NameRef<'t> {
    namespaces: &'t Namespaces,
    namespace: NamespaceId,
    local: &'t str,
}

/// An attribute of an element of a tree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttributeRef<'t> {
    pub(crate) name: NameRef<'t>,
    pub(crate) value: &'t str,
}

/// A part of the content of an element.
#[derive(Debug, Clone, Copy)]
enum Content<'t> {
    Element(Node<'t>),
    Text(&'t str),
}

impl<'a> Tree<'a> {
    /// Reads a document.
    pub(crate) fn parse(input: &'a [u8], limits: &Limits) -> Result<Self, XmlError> {
        Self::build(Parser::new(input, limits, None)?)
    }

    /// Reads a fragment of one element, with prefixes bound by what surrounds it.
    pub(crate) fn fragment(
        input: &'a [u8],
        limits: &Limits,
        bindings: &[(Box<str>, Arc<str>)],
    ) -> Result<Self, XmlError> {
        Self::build(Parser::new(input, limits, Some(bindings))?)
    }

    fn build(mut parser: Parser<'a>) -> Result<Self, XmlError> {
        let mut tree = Tree {
            // Few documents have more elements and texts than this, so the table need not be moved as it grows.
            nodes: Vec::with_capacity(parser.text.len().saturating_div(12).saturating_add(4)),
            attributes: Vec::new(),
            owned: Vec::new(),
            namespaces: parser.scope.namespaces.clone(),
        };
        let mut open: Vec<usize> = Vec::new();
        // The row of the text that goes on when more text follows at once.
        let mut text: Option<usize> = None;
        while let Some(token) = parser.next()? {
            match token {
                Token::Text(piece) => {
                    if piece.is_empty() {
                        continue;
                    }
                    if let Some(row) = text.and_then(|at| tree.nodes.get_mut(at)) {
                        row.append(&mut tree.owned, &piece);
                    } else {
                        text = Some(tree.nodes.len());
                        tree.push_text(piece);
                    }
                }
                Token::Start(head) => {
                    text = None;
                    open.push(tree.nodes.len());
                    let attributes = as_u32(tree.attributes.len());
                    let count = as_u32(parser.attributes.len());
                    for attribute in parser.attributes.drain(..) {
                        let (value, owned) = tree_text(&mut tree.owned, attribute.value);
                        tree.attributes.push(AttributeRow {
                            local: attribute.local,
                            namespace: attribute.namespace,
                            value,
                            owned,
                        });
                    }
                    tree.nodes.push(Row {
                        text: head.local,
                        kind: Kind::Element {
                            namespace: head.namespace,
                            attributes,
                            count,
                        },
                        end: 0,
                        offset: as_u32(head.span.start),
                    });
                }
                Token::End { .. } => {
                    text = None;
                    let end = as_u32(tree.nodes.len());
                    if let Some(row) = open.pop().and_then(|at| tree.nodes.get_mut(at)) {
                        row.end = end;
                    }
                }
            }
        }
        tree.namespaces = parser.scope.namespaces;
        Ok(tree)
    }

    fn push_text(&mut self, piece: Cow<'a, str>) {
        let end = as_u32(self.nodes.len()).saturating_add(1);
        let (text, owned) = tree_text(&mut self.owned, piece);
        self.nodes.push(Row {
            text,
            kind: owned.map_or(Kind::Text, Kind::Owned),
            end,
            offset: 0,
        });
    }

    /// The root element.
    pub(crate) fn root(&'a self) -> Result<Node<'a>, XmlError> {
        self.nodes
            .first()
            .map(|row| Node {
                tree: self,
                row,
                index: 0,
            })
            .ok_or(XmlError::new(XmlErrorKind::NoRoot, 0))
    }

    fn owned(&self, at: u32) -> &str {
        self.owned
            .get(as_usize(at))
            .map(String::as_str)
            .unwrap_or_default()
    }
}

impl Row<'_> {
    fn append(&mut self, owned: &mut Vec<String>, piece: &str) {
        let at = if let Kind::Owned(at) = self.kind {
            at
        } else {
            owned.push(self.text.to_owned());
            as_u32(owned.len()).saturating_sub(1)
        };
        self.kind = Kind::Owned(at);
        if let Some(text) = owned.get_mut(as_usize(at)) {
            text.push_str(piece);
        }
    }
}

fn tree_text<'a>(owned: &mut Vec<String>, text: Cow<'a, str>) -> (&'a str, Option<u32>) {
    match text {
        Cow::Borrowed(text) => (text, None),
        Cow::Owned(text) => {
            let at = as_u32(owned.len());
            owned.push(text);
            ("", Some(at))
        }
    }
}

/// Lengths below those of the input, which the parser holds below 2^31.
fn as_u32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn as_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl<'t> Node<'t> {
    /// Returns the expanded name.
    pub(crate) fn name(self) -> NameRef<'t> {
        let namespace = match self.row.kind {
            Kind::Element { namespace, .. } => namespace,
            Kind::Text | Kind::Owned(_) => NamespaceId::NONE,
        };
        NameRef {
            namespaces: &self.tree.namespaces,
            namespace,
            local: self.row.text,
        }
    }

    /// Tells whether this is the given element.
    pub(crate) fn is(self, namespace: &str, local: &str) -> bool {
        self.name().is(namespace, local)
    }

    /// Iterates over the attributes in order.
    pub(crate) fn attributes(self) -> impl Iterator<Item = AttributeRef<'t>> {
        let (start, count) = match self.row.kind {
            Kind::Element {
                attributes, count, ..
            } => (as_usize(attributes), as_usize(count)),
            Kind::Text | Kind::Owned(_) => (0, 0),
        };
        let rows = self.tree.attributes.get(start..start.saturating_add(count));
        rows.unwrap_or_default().iter().map(move |row| AttributeRef {
            name: NameRef {
                namespaces: &self.tree.namespaces,
                namespace: row.namespace,
                local: row.local,
            },
            value: row.owned.map_or(row.value, |at| self.tree.owned(at)),
        })
    }

    /// Returns the value of the attribute that is in no namespace.
    pub(crate) fn attribute(self, local: &str) -> Option<&'t str> {
        self.qualified("", local)
    }

    /// Returns the value of the attribute in a namespace; an empty namespace means none.
    pub(crate) fn qualified(self, namespace: &str, local: &str) -> Option<&'t str> {
        self.attributes()
            .find(|attribute| attribute.name.is(namespace, local))
            .map(|attribute| attribute.value)
    }

    /// Returns `xml:lang`.
    pub(crate) fn lang(self) -> Option<&'t str> {
        self.qualified(XML_NAMESPACE, "lang")
    }

    /// Iterates over the content in order.
    fn content(self) -> impl Iterator<Item = Content<'t>> {
        let tree = self.tree;
        let end = as_usize(self.row.end);
        let mut next = self.index.saturating_add(1);
        std::iter::from_fn(move || {
            let index = next;
            let row = (index < end).then(|| tree.nodes.get(index)).flatten()?;
            next = as_usize(row.end);
            Some(match row.kind {
                Kind::Element { .. } => Content::Element(Node { tree, row, index }),
                Kind::Text => Content::Text(row.text),
                Kind::Owned(at) => Content::Text(tree.owned(at)),
            })
        })
    }

    /// Iterates over the child elements.
    pub(crate) fn elements(self) -> impl Iterator<Item = Node<'t>> {
        self.content().filter_map(|content| match content {
            Content::Element(node) => Some(node),
            Content::Text(_) => None,
        })
    }

    /// Returns the first child element of a name.
    pub(crate) fn child(self, namespace: &str, local: &str) -> Option<Node<'t>> {
        self.elements().find(|e| e.is(namespace, local))
    }

    fn texts(self) -> impl Iterator<Item = &'t str> {
        self.content().filter_map(|content| match content {
            Content::Text(text) => Some(text),
            Content::Element(_) => None,
        })
    }

    /// Returns the character data directly inside the element.
    pub(crate) fn text(self) -> Cow<'t, str> {
        let mut texts = self.texts();
        match (texts.next(), texts.next()) {
            (None, _) => Cow::Borrowed(""),
            (Some(only), None) => Cow::Borrowed(only),
            (Some(first), Some(second)) => Cow::Owned([first, second].into_iter().chain(texts).collect()),
        }
    }

    /// Returns the character data without the white space around it.
    pub(crate) fn trimmed_text(self) -> String {
        self.text().trim_matches(is_space).to_owned()
    }

    /// Tells whether there is character data other than white space directly inside.
    pub(crate) fn has_text(self) -> bool {
        self.texts().any(|text| !is_blank(text))
    }

    /// Makes an element of its own, of this and all that is inside.
    pub(crate) fn to_element(self) -> Element {
        let mut open: Vec<(Element, usize)> = Vec::new();
        let end = as_usize(self.row.end);
        let mut index = self.index;
        loop {
            // Elements that end here go into the one around them.
            while open.last().is_some_and(|(_, end)| *end <= index) {
                let Some((done, _)) = open.pop() else { break };
                match open.last_mut() {
                    Some((parent, _)) => parent.push(done),
                    None => return done,
                }
            }
            let Some(row) = (index < end).then(|| self.tree.nodes.get(index)).flatten() else {
                // A row always ends inside the one around it, so the root has been returned before.
                return open
                    .pop()
                    .map_or_else(|| Element::known("", "none"), |(element, _)| element);
            };
            let node = Node {
                tree: self.tree,
                row,
                index,
            };
            match row.kind {
                Kind::Element { .. } => {
                    let end = as_usize(row.end);
                    open.push((node.shallow(), end));
                }
                Kind::Text | Kind::Owned(_) => {
                    let text = match row.kind {
                        Kind::Owned(at) => self.tree.owned(at),
                        _ => row.text,
                    };
                    if let Some((parent, _)) = open.last_mut() {
                        parent.push_text(text);
                    }
                }
            }
            index = index.saturating_add(1);
        }
    }

    /// Makes an element without content.
    fn shallow(self) -> Element {
        Element::read(
            self.name().to_owned(),
            self.attributes().map(AttributeRef::to_owned).collect(),
            Placed::offset(self),
        )
    }
}

impl<'t> NameRef<'t> {
    /// Returns the namespace, if the name is in one.
    pub(crate) fn namespace(self) -> Option<&'t str> {
        (self.namespace != NamespaceId::NONE).then(|| self.namespaces.name(self.namespace))
    }

    /// Returns the part after the prefix.
    pub(crate) fn local(self) -> &'t str {
        self.local
    }

    /// Tells whether this is the given name; an empty namespace means none.
    pub(crate) fn is(self, namespace: &str, local: &str) -> bool {
        self.local == local && self.is_in(namespace)
    }

    /// Tells whether this name is in the given namespace; an empty namespace means none.
    pub(crate) fn is_in(self, namespace: &str) -> bool {
        // Most names are in the namespace that is asked for or in none, which its number tells.
        if self.namespace == NamespaceId::NONE {
            return namespace.is_empty();
        }
        self.namespaces.name(self.namespace) == namespace
    }

    /// Makes a name of its own.
    pub(crate) fn to_owned(self) -> Name {
        Name::resolved(self.namespaces.shared(self.namespace), self.local)
    }
}

impl AttributeRef<'_> {
    /// Makes an attribute of its own.
    pub(crate) fn to_owned(self) -> Attribute {
        Attribute::new(self.name.to_owned(), self.value)
    }
}
