//! A document as text in pieces: what can be taken out and put in without touching the octets around it.

use std::borrow::Cow;

use super::tag;
use crate::xml::{self, Limits, Placed, XmlError, is_space, resolve_reference, split_qname};

/// A node of the tree; the first is the document itself.
#[derive(Debug, Clone)]
pub(in crate::xcap) struct Node<'t> {
    pub(in crate::xcap) parent: usize,
    pub(in crate::xcap) kind: Kind<'t>,
    pub(in crate::xcap) children: Vec<usize>,
    /// Octets of the text before the node; 0 for a node that was put in.
    pub(in crate::xcap) offset: usize,
}

/// What a node is, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::xcap) enum Kind<'t> {
    Document,
    Element {
        start: Cow<'t, str>,
        /// Empty for an empty-element tag.
        end: Cow<'t, str>,
    },
    /// Character data and CDATA sections with nothing else between them.
    Text(Cow<'t, str>),
    Comment(Cow<'t, str>),
    Instruction(Cow<'t, str>),
    /// White space beside the root element, or the XML declaration: no node as far as selectors go.
    Filler(Cow<'t, str>),
}

/// Where in the text that was read a node stands.
#[derive(Debug, Clone, Copy)]
pub(in crate::xcap) struct Place(usize);

impl Placed for Place {
    fn offset(self) -> usize {
        self.0
    }
}

/// The document node.
pub(in crate::xcap) const DOCUMENT: usize = 0;

/// The nodes of one document; nodes that were taken out stay, unreachable.
#[derive(Debug, Clone)]
pub(in crate::xcap) struct Tree<'t> {
    nodes: Vec<Node<'t>>,
}

impl<'t> Tree<'t> {
    /// Reads a document.
    pub(in crate::xcap) fn parse(text: &'t str, limits: &Limits) -> Result<Self, XmlError> {
        xml::check(text.as_bytes(), limits)?;
        Ok(Self::of_well_formed(text))
    }

    /// Splits a text that is known to be well-formed.
    fn of_well_formed(text: &'t str) -> Self {
        let document = Node {
            parent: DOCUMENT,
            kind: Kind::Document,
            children: Vec::new(),
            offset: 0,
        };
        let mut tree = Self {
            nodes: vec![document],
        };
        let mut open = DOCUMENT;
        let mut rest = text;
        while let Some((token, after)) = next_token(rest) {
            if token.starts_with("</") {
                let up = tree.node(open).map_or(DOCUMENT, |node| node.parent);
                if let Some(Kind::Element { end, .. }) = tree.nodes.get_mut(open).map(|node| &mut node.kind) {
                    *end = Cow::Borrowed(token);
                }
                open = up;
            } else {
                let kind = Kind::of_token(token, open == DOCUMENT);
                let opens = matches!(kind, Kind::Element { .. }) && !tag::is_empty(token);
                let at = tree.append(open, kind);
                if let Some(node) = tree.nodes.get_mut(at) {
                    node.offset = text.len().saturating_sub(rest.len());
                }
                if opens {
                    open = at;
                }
            }
            rest = after;
        }
        tree
    }

    /// Returns how many nodes there are, those included that were taken out.
    pub(in crate::xcap) fn len(&self) -> usize {
        self.nodes.len()
    }

    fn node(&self, at: usize) -> Option<&Node<'t>> {
        self.nodes.get(at)
    }

    pub(in crate::xcap) fn kind(&self, at: usize) -> Option<&Kind<'t>> {
        self.nodes.get(at).map(|node| &node.kind)
    }

    pub(in crate::xcap) fn kind_mut(&mut self, at: usize) -> Option<&mut Kind<'t>> {
        self.nodes.get_mut(at).map(|node| &mut node.kind)
    }

    pub(in crate::xcap) fn children(&self, at: usize) -> &[usize] {
        self.nodes
            .get(at)
            .map(|node| node.children.as_slice())
            .unwrap_or_default()
    }

    pub(in crate::xcap) fn children_mut(&mut self, at: usize) -> Option<&mut Vec<usize>> {
        self.nodes.get_mut(at).map(|node| &mut node.children)
    }

    /// Returns the element that a node is in, the document for the root element.
    pub(in crate::xcap) fn parent(&self, at: usize) -> usize {
        self.nodes.get(at).map_or(DOCUMENT, |node| node.parent)
    }

    pub(in crate::xcap) fn root(&self) -> Option<usize> {
        let mut children = self.children(DOCUMENT).iter().copied();
        children.find(|at| self.start(*at).is_some())
    }

    /// Returns the start tag of an element.
    pub(in crate::xcap) fn start(&self, at: usize) -> Option<&str> {
        match self.kind(at)? {
            Kind::Element { start, .. } => Some(start),
            _ => None,
        }
    }

    /// Returns where in the text a node stands.
    pub(in crate::xcap) fn place(&self, at: usize) -> Place {
        Place(self.node(at).map_or(0, |node| node.offset))
    }

    /// Tells whether an element has this name.
    pub(in crate::xcap) fn is_element(&self, at: usize, namespace: &str, local: &str) -> bool {
        let name = self.start(at).and_then(|start| split_qname(tag::name(start)));
        name.is_some_and(|(prefix, own)| {
            own == local && self.namespace(at, prefix.unwrap_or_default()).unwrap_or_default() == namespace
        })
    }

    /// Writes what is in an element.
    pub(in crate::xcap) fn write_content(&self, at: usize) -> String {
        self.children(at).iter().map(|child| self.write(*child)).collect()
    }

    /// Returns where among its siblings a node stands.
    pub(in crate::xcap) fn position(&self, at: usize) -> Option<usize> {
        let siblings = self.children(self.parent(at));
        siblings.iter().position(|sibling| *sibling == at)
    }

    fn append(&mut self, parent: usize, kind: Kind<'t>) -> usize {
        let at = self.add(parent, kind);
        if let Some(children) = self.children_mut(parent) {
            children.push(at);
        }
        at
    }

    /// Makes a node that is a child of nobody yet.
    pub(in crate::xcap) fn add(&mut self, parent: usize, kind: Kind<'t>) -> usize {
        let at = self.nodes.len();
        self.nodes.push(Node {
            parent,
            kind,
            children: Vec::new(),
            offset: 0,
        });
        at
    }

    /// Copies a node of another tree with all below it; the copy is a child of nobody yet.
    pub(in crate::xcap) fn adopt(&mut self, parent: usize, from: &Tree<'_>, at: usize) -> Option<usize> {
        let first = self.add(parent, from.kind(at)?.to_owned_kind());
        let mut pending = vec![(at, first)];
        while let Some((source, copy)) = pending.pop() {
            for child in from.children(source) {
                let kind = from.kind(*child)?.to_owned_kind();
                let child_copy = self.append(copy, kind);
                pending.push((*child, child_copy));
            }
        }
        Some(first)
    }

    /// Returns the namespace that a prefix, empty for none, is bound to at an element.
    pub(in crate::xcap) fn namespace(&self, at: usize, prefix: &str) -> Option<String> {
        if prefix == "xml" {
            return Some(xml::XML_NAMESPACE.to_owned());
        }
        let found = self.path(at).find_map(|start| {
            let mut declared = tag::declarations(start);
            declared.find_map(|(known, namespace)| (known == prefix).then_some(namespace))
        });
        found.filter(|namespace| !namespace.is_empty())
    }

    /// Returns the bindings in scope at an element, sorted by prefix.
    pub(in crate::xcap) fn scope(&self, at: usize) -> std::collections::BTreeMap<String, String> {
        let mut scope = std::collections::BTreeMap::new();
        for start in self.path(at) {
            for (prefix, namespace) in tag::declarations(start) {
                // The innermost comes first and wins.
                scope.entry(prefix.to_owned()).or_insert(namespace);
            }
        }
        scope.retain(|_, namespace| !namespace.is_empty());
        scope
    }

    /// The start tags from an element to the root element.
    fn path(&self, at: usize) -> impl Iterator<Item = &str> {
        let up = |at: &usize| (*at != DOCUMENT).then(|| self.parent(*at));
        std::iter::successors(Some(at), up).filter_map(|at| self.start(at))
    }

    /// Writes a node with all below it.
    pub(in crate::xcap) fn write(&self, at: usize) -> String {
        let mut out = String::new();
        let mut pending = vec![(at, false)];
        while let Some((at, done)) = pending.pop() {
            match self.kind(at) {
                Some(Kind::Element { end, .. }) if done => out.push_str(end),
                Some(Kind::Element { start, .. }) => {
                    out.push_str(start);
                    pending.push((at, true));
                    pending.extend(self.children(at).iter().rev().map(|child| (*child, false)));
                }
                Some(Kind::Document) => {
                    pending.extend(self.children(at).iter().rev().map(|child| (*child, false)));
                }
                Some(
                    Kind::Text(text) | Kind::Comment(text) | Kind::Instruction(text) | Kind::Filler(text),
                ) => {
                    out.push_str(text);
                }
                None => {}
            }
        }
        out
    }

    /// Returns all character data below a node, references resolved; `None` when more than a number of nodes were seen.
    pub(in crate::xcap) fn string_value(&self, at: usize, visits: &mut usize) -> Option<String> {
        let mut out = String::new();
        let mut pending = vec![at];
        while let Some(at) = pending.pop() {
            *visits = visits.checked_sub(1)?;
            if let Some(Kind::Text(text)) = self.kind(at) {
                out.push_str(&resolve(text));
            }
            pending.extend(self.children(at).iter().rev());
        }
        Some(out)
    }
}

impl<'t> Kind<'t> {
    fn of_token(token: &'t str, outside: bool) -> Self {
        let text = Cow::Borrowed(token);
        match token {
            _ if token.starts_with("<!--") => Self::Comment(text),
            _ if token.starts_with("<?xml") && token.get(5..).is_some_and(|t| t.starts_with(is_space)) => {
                Self::Filler(text)
            }
            _ if token.starts_with("<?") => Self::Instruction(text),
            _ if token.starts_with('<') && !token.starts_with("<!") => Self::Element {
                start: text,
                end: Cow::Borrowed(""),
            },
            _ if outside => Self::Filler(text),
            _ => Self::Text(text),
        }
    }

    fn to_owned_kind<'o>(&self) -> Kind<'o> {
        let own = |text: &Cow<'_, str>| Cow::Owned(text.clone().into_owned());
        match self {
            Self::Document => Kind::Document,
            Self::Element { start, end } => Kind::Element {
                start: own(start),
                end: own(end),
            },
            Self::Text(text) => Kind::Text(own(text)),
            Self::Comment(text) => Kind::Comment(own(text)),
            Self::Instruction(text) => Kind::Instruction(own(text)),
            Self::Filler(text) => Kind::Filler(own(text)),
        }
    }
}

/// Takes the next piece of a well-formed text; character data comes with the CDATA sections in it.
fn next_token(text: &str) -> Option<(&str, &str)> {
    if text.is_empty() {
        return None;
    }
    let until = |mark: &str| {
        text.find(mark)
            .map_or(text.len(), |at| at.saturating_add(mark.len()))
    };
    let end = if text.starts_with("<!--") {
        until("-->")
    } else if text.starts_with("<?") {
        until("?>")
    } else if text.starts_with('<') && !text.starts_with("<!") {
        end_of_tag(text)
    } else {
        end_of_text(text)
    };
    text.split_at_checked(end)
}

fn end_of_tag(text: &str) -> usize {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at.saturating_add(1),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    text.len()
}

fn end_of_text(text: &str) -> usize {
    let mut at = 0_usize;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        if rest.starts_with("<![CDATA[") {
            let Some(end) = rest.find("]]>") else {
                return text.len();
            };
            at = at.saturating_add(end).saturating_add(3);
        } else if rest.is_empty() || rest.starts_with('<') {
            return at;
        } else {
            at = at.saturating_add(rest.find('<').unwrap_or(rest.len()));
        }
    }
}

/// Resolves the references and CDATA sections of character data, and normalises its line ends.
pub(in crate::xcap) fn resolve(raw: &str) -> Cow<'_, str> {
    if !raw.contains(['&', '<', '\r']) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while !rest.is_empty() {
        if let Some(section) = rest.strip_prefix("<![CDATA[") {
            let (inside, after) = section.split_once("]]>").unwrap_or((section, ""));
            push_lines(inside, &mut out);
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('&').and_then(|r| r.split_once(';')) {
            out.extend(resolve_reference(name));
            rest = after;
        } else {
            let end = rest.find(['&', '<']).filter(|end| *end > 0).unwrap_or(rest.len());
            let (text, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            push_lines(text, &mut out);
            rest = after;
        }
    }
    Cow::Owned(out)
}

fn push_lines(text: &str, out: &mut String) {
    if text.contains('\r') {
        out.push_str(&text.replace("\r\n", "\n").replace('\r', "\n"));
    } else {
        out.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_in_pieces_is_written_back_to_the_octet() {
        for text in [
            "<?xml version='1.0'?>\n<!-- a --><?p?>\n<r a='>'>x<![CDATA[</r>]]>y<!-- </r> --><e/>\r\n<e b=\"'>\"></e ></r>\n<!-- z -->\n",
            "\u{FEFF}<r/>",
            "<r><?xml-stylesheet href='x>'?></r>",
        ] {
            let tree = Tree::parse(text, &Limits::default()).unwrap();
            assert_eq!(tree.write(DOCUMENT), text);
        }
    }

    #[test]
    fn character_data_is_one_node() {
        let tree = Tree::parse(
            "<r>a<![CDATA[b&]]>&#99;&amp;\r\n<!-- -->d</r>",
            &Limits::default(),
        )
        .unwrap();
        let root = tree.root().unwrap();
        assert_eq!(tree.children(root).len(), 3);
        assert_eq!(tree.string_value(root, &mut 10).unwrap(), "ab&c&\nd");
        assert_eq!(tree.string_value(root, &mut 1), None);
    }
}
