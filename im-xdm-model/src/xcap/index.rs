//! The elements of a stored text with their places in it, and the evaluation of selectors on them.

use std::ops::Range;
use std::sync::Arc;

use super::selector::{NameTest, NodeSelector, SelectorName, Step, Terminal};
use crate::xml::{Event, Limits, Reader, StartTag, TagAttribute, XmlError};

/// The elements of a text in document order; the root is the first.
#[derive(Debug)]
pub(crate) struct Index {
    nodes: Vec<IndexNode>,
}

#[derive(Debug)]
pub(crate) struct IndexNode {
    pub(crate) parent: Option<usize>,
    pub(crate) tag: StartTag,
    /// From the start of the start tag to the end of the end tag.
    pub(crate) span: Range<usize>,
    /// Where the end tag begins; the end of the start tag for an empty-element tag.
    pub(crate) content_end: usize,
    first_child: Option<usize>,
    last_child: Option<usize>,
    next: Option<usize>,
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

impl Index {
    pub(crate) fn build(text: &[u8], limits: &Limits) -> Result<Self, XmlError> {
        let mut reader = Reader::new(text, limits)?;
        let mut nodes: Vec<IndexNode> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        while let Some(event) = reader.next_event()? {
            match event {
                Event::Start(tag) => {
                    let index = nodes.len();
                    let parent = open.last().copied();
                    let before = parent.and_then(|p| nodes.get_mut(p)).and_then(|parent| {
                        parent.first_child.get_or_insert(index);
                        parent.last_child.replace(index)
                    });
                    if let Some(before) = before.and_then(|b| nodes.get_mut(b)) {
                        before.next = Some(index);
                    }
                    let span = tag.span.clone();
                    nodes.push(IndexNode {
                        parent,
                        content_end: span.end,
                        span,
                        tag,
                        first_child: None,
                        last_child: None,
                        next: None,
                    });
                    open.push(index);
                }
                Event::End { span } => {
                    if let Some(node) = open.pop().and_then(|index| nodes.get_mut(index)) {
                        node.content_end = span.start;
                        node.span.end = span.end;
                    }
                }
                Event::Text(_) => {}
            }
        }
        Ok(Self { nodes })
    }

    pub(crate) fn node(&self, index: usize) -> Option<&IndexNode> {
        self.nodes.get(index)
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
                .attribute(element, &name.0)
                .map(|found| Selected::Attribute(element, found))
                .ok_or(Missed {
                    steps: selector.steps().len(),
                }),
        }
    }

    /// Finds an attribute by its name.
    pub(crate) fn attribute(&self, element: usize, name: &SelectorName) -> Option<usize> {
        self.node(element)?
            .tag
            .attributes
            .iter()
            .position(|a| is_attribute(a, name))
    }

    /// The elements that a step chooses among, before its name and predicates count.
    pub(crate) fn children(&self, context: Option<usize>) -> impl Iterator<Item = (usize, &StartTag)> {
        let first = match context {
            None => Some(0),
            Some(parent) => self.node(parent).and_then(|node| node.first_child),
        };
        let node = move |at: usize| Some((at, self.node(at)?));
        std::iter::successors(first.and_then(node), move |(_, before)| {
            before.next.and_then(node)
        })
        .map(|(at, node)| (at, &node.tag))
    }

    pub(crate) fn step(&self, context: Option<usize>, step: &Step, default: &str) -> Matched {
        choose(self.children(context), step, default)
    }

    /// The namespace bindings in scope at an element: the default first, the others by prefix.
    pub(crate) fn scope(&self, element: Option<usize>) -> Vec<(Box<str>, Arc<str>)> {
        let mut scope: std::collections::BTreeMap<Box<str>, Arc<str>> = std::collections::BTreeMap::new();
        let mut next = element;
        // Inner declarations come first and win.
        while let Some(node) = next.and_then(|index| self.node(index)) {
            for (prefix, namespace) in &node.tag.declarations {
                scope
                    .entry(prefix.clone())
                    .or_insert_with(|| Arc::from(&**namespace));
            }
            next = node.parent;
        }
        scope.retain(|_, namespace| !namespace.is_empty());
        scope.into_iter().collect()
    }

    /// Writes the bindings in scope as an element without content (RFC 4825 section 10).
    pub(crate) fn bindings(&self, element: usize) -> Option<String> {
        let tag = &self.node(element)?.tag;
        let mut out = String::from("<");
        if let Some(prefix) = &tag.prefix {
            out.push_str(prefix);
            out.push(':');
        }
        out.push_str(tag.name.local());
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

/// Evaluates a step among the children of an element, whether these are there or only might be.
pub(crate) fn choose<'t>(
    children: impl Iterator<Item = (usize, &'t StartTag)>,
    step: &Step,
    default: &str,
) -> Matched {
    let mut named = children.filter(|(_, tag)| is_named(tag, &step.test, default));
    let has_attribute = |(_, tag): &(usize, &StartTag)| {
        step.attribute.as_ref().is_none_or(|test| {
            tag.attributes
                .iter()
                .any(|a| is_attribute(a, &test.name) && a.value == test.value)
        })
    };
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

/// Tells whether an element is one of those that a step is about.
pub(crate) fn is_named(tag: &StartTag, test: &NameTest, default: &str) -> bool {
    match test {
        NameTest::Any => true,
        NameTest::Named(wanted) => tag
            .name
            .is(wanted.namespace.as_deref().unwrap_or(default), &wanted.local),
    }
}

pub(crate) fn is_attribute(attribute: &TagAttribute, wanted: &SelectorName) -> bool {
    attribute
        .name
        .is(wanted.namespace.as_deref().unwrap_or_default(), &wanted.local)
}
