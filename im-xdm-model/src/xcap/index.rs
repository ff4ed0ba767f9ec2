//! The elements of a stored text with their places in it, and the evaluation of selectors on them.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::selector::{NameTest, NodeSelector, SelectorName, Step, Terminal};
use crate::xml::{Limits, NamespaceId, Namespaces, Parser, Token, XmlError};

/// The elements of a text in document order; the root is the first.
#[derive(Debug)]
pub(crate) struct Index<'t> {
    text: &'t str,
    nodes: Vec<IndexNode<'t>>,
    attributes: Vec<IndexAttribute<'t>>,
    /// Prefixes and namespaces with the element that declares them, in document order.
    declarations: Vec<(u32, &'t str, NamespaceId)>,
    namespaces: Namespaces,
}

/// An element. Large documents have many, so places are kept in half the size.
#[derive(Debug)]
pub(crate) struct IndexNode<'t> {
    local: &'t str,
    namespace: NamespaceId,
    /// The first of its attributes, and how many there are.
    attributes: (u32, u32),
    start: u32,
    tag_end: u32,
    content_end: u32,
    end: u32,
    parent: u32,
    first_child: u32,
    next: u32,
}

#[derive(Debug)]
pub(crate) struct IndexAttribute<'t> {
    local: &'t str,
    namespace: NamespaceId,
    value: Cow<'t, str>,
    /// The white space before the attribute, its opening quote, and what comes after its closing quote.
    places: (u32, u32, u32),
}

/// What a step looks at: an element's name and attributes, as they are or with one of them changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tag<'i> {
    local: &'i str,
    namespace: NamespaceId,
    namespaces: &'i Namespaces,
    attributes: &'i [IndexAttribute<'i>],
    /// An attribute by its place, and the value that it would have.
    changed: Option<(usize, &'i str)>,
}

/// What a selector found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selected {
    Element(usize),
    Attribute(usize, usize),
    Namespaces(usize),
}

/// Nothing, or too much, was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missed {
    /// Steps that selected one element each.
    pub(crate) steps: usize,
}

/// The outcome of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Matched {
    None,
    One(usize),
    Many,
}

/// The bindings in scope at an element: the default first, the others by prefix.
pub(crate) type Bindings = Vec<(Box<str>, Arc<str>)>;

/// Finds the element that a selector names in a text: where it stands, and the namespace bindings in scope around it.
pub(crate) fn locate(
    text: &[u8],
    selector: &NodeSelector,
    default: &str,
    limits: &Limits,
) -> Option<(Range<usize>, Bindings)> {
    let index = Index::build(text, limits, selector).ok()?;
    let Ok(Selected::Element(element)) = index.select(selector, default) else {
        return None;
    };
    let node = index.node(element)?;
    Some((node.span(), index.scope(node.parent())))
}

impl<'t> Index<'t> {
    /// Reads a text; elements deeper than the steps of a selector are checked and left out.
    pub(crate) fn build(text: &'t [u8], limits: &Limits, selector: &NodeSelector) -> Result<Self, XmlError> {
        Self::read(Parser::new(text, limits, None)?, selector.steps().len())
    }

    /// Reads exactly one element, with prefixes bound by what surrounds it.
    pub(crate) fn fragment(text: &'t [u8], limits: &Limits, scope: &Bindings) -> Result<Self, XmlError> {
        Self::read(Parser::new(text, limits, Some(scope))?, 1)
    }

    fn read(mut parser: Parser<'t>, depth: usize) -> Result<Self, XmlError> {
        let text = parser.text();
        let mut index = Self {
            text,
            // A document has about one element in this many octets, and half as many attributes.
            nodes: Vec::with_capacity(text.len().saturating_div(40).saturating_add(4)),
            attributes: Vec::with_capacity(text.len().saturating_div(80).saturating_add(4)),
            declarations: Vec::new(),
            namespaces: Namespaces::default(),
        };
        // The open elements, each with its last child so far.
        let mut open: Vec<(u32, u32)> = Vec::new();
        let mut deeper = 0_usize;
        while let Some(token) = parser.next()? {
            match token {
                Token::Start(_) if open.len() >= depth => {
                    deeper = deeper.saturating_add(1);
                    parser.attributes.clear();
                    parser.declarations.clear();
                }
                Token::End { .. } if deeper > 0 => deeper = deeper.saturating_sub(1),
                Token::Start(head) => {
                    let at = as_u32(index.nodes.len());
                    let mut parent = NONE;
                    if let Some((around, last)) = open.last_mut() {
                        parent = *around;
                        let before = std::mem::replace(last, at);
                        index.link(parent, before, at);
                    }
                    let first = as_u32(index.attributes.len());
                    let count = as_u32(parser.attributes.len());
                    index
                        .attributes
                        .extend(parser.attributes.drain(..).map(|attribute| {
                            let (span, value) = (attribute.span, attribute.value_span);
                            IndexAttribute {
                                local: attribute.local,
                                namespace: attribute.namespace,
                                value: attribute.value,
                                places: (as_u32(span.start), as_u32(value.start), as_u32(span.end)),
                            }
                        }));
                    let declared = parser.declarations.drain(..);
                    index
                        .declarations
                        .extend(declared.map(|(prefix, id)| (at, prefix, id)));
                    let (start, end) = (as_u32(head.span.start), as_u32(head.span.end));
                    index.nodes.push(IndexNode {
                        local: head.local,
                        namespace: head.namespace,
                        attributes: (first, count),
                        start,
                        tag_end: end,
                        content_end: end,
                        end,
                        parent,
                        first_child: NONE,
                        next: NONE,
                    });
                    open.push((at, NONE));
                }
                Token::End { span } => {
                    let ended = open.pop().and_then(|(at, _)| index.nodes.get_mut(as_usize(at)));
                    if let Some(node) = ended {
                        node.content_end = as_u32(span.start);
                        node.end = as_u32(span.end);
                    }
                }
                Token::Text(_) => {}
            }
        }
        index.namespaces = parser.scope.namespaces;
        Ok(index)
    }

    /// Puts an element behind the one before it, or first into the one around it.
    fn link(&mut self, parent: u32, before: u32, at: u32) {
        if let Some(before) = self.nodes.get_mut(as_usize(before)) {
            before.next = at;
        } else if let Some(parent) = self.nodes.get_mut(as_usize(parent)) {
            parent.first_child = at;
        }
    }

    pub(crate) fn node(&self, index: usize) -> Option<&IndexNode<'t>> {
        self.nodes.get(index)
    }

    /// Returns the attributes of an element.
    pub(crate) fn attributes(&self, node: &IndexNode<'t>) -> &[IndexAttribute<'t>] {
        let (first, count) = node.attributes;
        let first = as_usize(first);
        let range = first..first.saturating_add(as_usize(count));
        self.attributes.get(range).unwrap_or_default()
    }

    /// Returns what steps look at.
    pub(crate) fn tag(&self, node: &IndexNode<'t>) -> Tag<'_> {
        Tag {
            local: node.local,
            namespace: node.namespace,
            namespaces: &self.namespaces,
            attributes: self.attributes(node),
            changed: None,
        }
    }

    /// Follows all steps of a selector.
    pub(crate) fn element(&self, steps: &[Step], default: &str) -> Result<usize, Missed> {
        let mut context = None;
        for (done, step) in steps.iter().enumerate() {
            match self.step(context, step, default) {
                Matched::One(index) => context = Some(index),
                Matched::None | Matched::Many => return Err(Missed { steps: done }),
            }
        }
        context.ok_or(Missed { steps: 0 })
    }

    /// Evaluates a whole selector.
    pub(crate) fn select(&self, selector: &NodeSelector, default: &str) -> Result<Selected, Missed> {
        let element = self.element(selector.steps(), default)?;
        match selector.terminal() {
            None => Ok(Selected::Element(element)),
            Some(Terminal::Namespaces) => Ok(Selected::Namespaces(element)),
            Some(Terminal::Attribute(name)) => self
                .node(element)
                .and_then(|node| self.tag(node).attribute(&name.0))
                .map(|found| Selected::Attribute(element, found))
                .ok_or(Missed {
                    steps: selector.steps().len(),
                }),
        }
    }

    /// The elements that a step chooses among, before its name and predicates count.
    pub(crate) fn children(&self, context: Option<usize>) -> impl Iterator<Item = (usize, Tag<'_>)> {
        let first = match context {
            None => Some(0),
            Some(parent) => self.node(parent).map(|node| as_usize(node.first_child)),
        };
        let node = move |at: usize| Some((at, self.node(at)?));
        let next = move |(_, before): &(usize, &IndexNode<'t>)| node(as_usize(before.next));
        std::iter::successors(first.and_then(node), next).map(|(at, node)| (at, self.tag(node)))
    }

    pub(crate) fn step(&self, context: Option<usize>, step: &Step, default: &str) -> Matched {
        choose(self.children(context), step, default)
    }

    /// The namespace bindings in scope at an element.
    pub(crate) fn scope(&self, element: Option<usize>) -> Bindings {
        let mut scope = std::collections::BTreeMap::new();
        let mut next = element;
        // Inner declarations come first and win.
        while let Some(at) = next {
            let Some(node) = self.node(at) else { break };
            let at = as_u32(at);
            let first = self.declarations.partition_point(|(other, _, _)| *other < at);
            let later = self.declarations.get(first..).unwrap_or_default();
            for (_, prefix, namespace) in later.iter().take_while(|(other, _, _)| *other == at) {
                scope.entry(*prefix).or_insert(*namespace);
            }
            next = node.parent();
        }
        scope
            .into_iter()
            .filter_map(|(prefix, namespace)| Some((Box::from(prefix), self.namespaces.shared(namespace)?)))
            .collect()
    }

    /// Writes the bindings in scope as an element without content (RFC 4825 section 10).
    pub(crate) fn bindings(&self, element: usize) -> Option<String> {
        let node = self.node(element)?;
        let tag = self.text.get(node.tag())?;
        let name = tag.split([' ', '\t', '\r', '\n', '/', '>']).next()?;
        let mut out = name.to_owned();
        for (prefix, namespace) in self.scope(Some(element)) {
            out.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
            out.push_str(&prefix);
            out.push_str("=\"");
            out.push_str(
                &namespace
                    .replace('&', "&amp;")
                    .replace('<', "&lt;")
                    .replace('"', "&quot;"),
            );
            out.push('"');
        }
        out.push_str("/>");
        Some(out)
    }
}

impl IndexNode<'_> {
    pub(crate) fn parent(&self) -> Option<usize> {
        (self.parent != NONE).then(|| as_usize(self.parent))
    }

    /// The start tag.
    pub(crate) fn tag(&self) -> Range<usize> {
        as_usize(self.start)..as_usize(self.tag_end)
    }

    /// From the start of the start tag to the end of the end tag.
    pub(crate) fn span(&self) -> Range<usize> {
        as_usize(self.start)..as_usize(self.end)
    }

    /// Where the end tag begins; the end of the start tag for an empty-element tag.
    pub(crate) fn content_end(&self) -> usize {
        as_usize(self.content_end)
    }

    /// Whether the start tag is an empty-element tag.
    pub(crate) fn is_empty(&self) -> bool {
        self.end == self.tag_end
    }
}

impl IndexAttribute<'_> {
    /// From the white space before the attribute to its closing quote.
    pub(crate) fn span(&self) -> Range<usize> {
        as_usize(self.places.0)..as_usize(self.places.2)
    }

    /// The value with its quotes.
    pub(crate) fn value_span(&self) -> Range<usize> {
        as_usize(self.places.1)..as_usize(self.places.2)
    }
}

impl<'i> Tag<'i> {
    /// The same element with another value of one attribute.
    pub(crate) fn with(self, attribute: usize, value: &'i str) -> Self {
        Self {
            changed: Some((attribute, value)),
            ..self
        }
    }

    /// Finds an attribute by its name.
    pub(crate) fn attribute(&self, wanted: &SelectorName) -> Option<usize> {
        let namespace = wanted.namespace.as_deref().unwrap_or_default();
        self.attributes.iter().position(|attribute| {
            attribute.local == wanted.local && self.namespaces.name(attribute.namespace) == namespace
        })
    }

    /// Tells whether an element has the attribute that a step asks for.
    pub(crate) fn has_attribute(&self, step: &Step) -> bool {
        step.attribute.as_ref().is_none_or(|test| {
            let found = self.attribute(&test.name);
            found.and_then(|at| self.value(at)) == Some(test.value.as_str())
        })
    }

    fn value(&self, attribute: usize) -> Option<&str> {
        match self.changed {
            Some((changed, value)) if changed == attribute => Some(value),
            _ => self.attributes.get(attribute).map(|attribute| &*attribute.value),
        }
    }

    /// Tells whether an element is one of those that a step is about.
    pub(crate) fn is_named(&self, test: &NameTest, default: &str) -> bool {
        match test {
            NameTest::Any => true,
            NameTest::Named(wanted) => {
                let namespace = wanted.namespace.as_deref().unwrap_or(default);
                self.local == wanted.local && self.namespaces.name(self.namespace) == namespace
            }
        }
    }
}

/// No element: beyond any document.
const NONE: u32 = u32::MAX;

/// Places in a text and counts of what is in it, which the parser holds below 2^31.
fn as_u32(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(NONE)
}

fn as_usize(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// Evaluates a step among the children of an element, whether these are there or only might be.
pub(crate) fn choose<'t>(
    children: impl Iterator<Item = (usize, Tag<'t>)>,
    step: &Step,
    default: &str,
) -> Matched {
    let mut named = children.filter(|(_, tag)| tag.is_named(&step.test, default));
    let has_attribute = |(_, tag): &(usize, Tag<'t>)| tag.has_attribute(step);
    let found = if let Some(position) = step.position {
        let chosen = position.checked_sub(1).and_then(|before| named.nth(before));
        chosen.filter(has_attribute)
    } else {
        let mut found = named.filter(has_attribute);
        let first = found.next();
        if found.next().is_some() {
            return Matched::Many;
        }
        first
    };
    found.map_or(Matched::None, |(at, _)| Matched::One(at))
}
