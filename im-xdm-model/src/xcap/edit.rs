//! Changing one element or attribute of a stored text, octet for octet the same around it (RFC 4825 section 8.2).
//!
//! The stored text is read once. Whether the selector would find what was put, and nothing once it is deleted, is
//! decided on the children as they would be: a change below the last step cannot change what the steps before it find.
//! Whether the whole is a document of its usage is for the usage to say, which reads the text as it would be.

use std::ops::Range;

use super::error::{Condition, XcapError};
use super::index::{Index, IndexNode, Matched, Selected, Tag, choose};
use super::selector::{NameTest, NodeSelector, SelectorName, Step, Terminal};
use crate::xml::{Limits, XML_NAMESPACE, XmlErrorKind, attribute_value, is_space};

/// A changed text, and whether something new is in it.
#[derive(Debug)]
pub(crate) struct Edited {
    pub(crate) text: String,
    pub(crate) created: bool,
}

/// Why a change was not made.
#[derive(Debug)]
pub(crate) enum EditError {
    Conflict(XcapError),
    /// The parent does not exist; this many steps do.
    NoParent(usize),
    /// The selector finds nothing, or too much.
    NotFound,
    /// The text would be larger than it may be.
    TooLarge,
}

impl From<Condition> for EditError {
    fn from(condition: Condition) -> Self {
        Self::Conflict(condition.into())
    }
}

/// A stored text with what is needed to change it.
pub(crate) struct Target<'a> {
    pub(crate) text: &'a str,
    pub(crate) index: &'a Index<'a>,
    /// The default document namespace.
    pub(crate) default: &'a str,
    pub(crate) limits: &'a Limits,
}

/// Where a new child goes.
#[derive(Clone, Copy)]
enum Place {
    Before(usize),
    After(usize),
    Last,
}

impl Target<'_> {
    /// Creates or replaces what the selector names.
    pub(crate) fn put(&self, selector: &NodeSelector, body: &[u8]) -> Result<Edited, EditError> {
        match selector.terminal() {
            None => self.put_element(selector, body),
            Some(Terminal::Attribute(name)) => self.put_attribute(selector, &name.0, body),
            Some(Terminal::Namespaces) => Err(EditError::NotFound),
        }
    }

    fn put_element(&self, selector: &NodeSelector, body: &[u8]) -> Result<Edited, EditError> {
        let (target, steps) = selector.steps().split_last().ok_or(EditError::NotFound)?;
        let parent = match steps {
            [] => None,
            steps => Some(
                self.index
                    .element(steps, self.default)
                    .map_err(|missed| EditError::NoParent(missed.steps))?,
            ),
        };
        let (element, inner) = self.fragment(parent, body)?;
        let tag = inner
            .node(0)
            .map(|root| inner.tag(root))
            .ok_or(EditError::NotFound)?;
        match self.index.step(parent, target, self.default) {
            Matched::One(known) => {
                self.check_found(tag, target)?;
                let node = self.index.node(known).ok_or(EditError::NotFound)?;
                self.splice(node.span(), &[element], false)
            }
            // After the insertion the selector would still find more than one.
            Matched::Many => Err(Condition::CannotInsert.into()),
            Matched::None => {
                let parent = parent.ok_or(Condition::CannotInsert)?;
                self.insert(parent, target, element, tag)
            }
        }
    }

    fn insert(&self, parent: usize, target: &Step, element: &str, tag: Tag<'_>) -> Result<Edited, EditError> {
        let place = self.place(parent, target)?;
        self.check_found(tag, target)?;
        let node = self.index.node(parent).ok_or(EditError::NotFound)?;
        let span_of = |sibling| self.index.node(sibling).map(IndexNode::span);
        let at = match place {
            Place::Before(next) => span_of(next).map(|span| span.start),
            Place::After(before) => span_of(before).map(|span| span.end),
            Place::Last if node.is_empty() => return self.open_up(node, element),
            Place::Last => Some(node.content_end()),
        };
        let at = at.ok_or(EditError::NotFound)?;
        self.splice(at..at, &[element], true)
    }

    /// Finds where a new child goes (RFC 4825 section 8.2.3).
    fn place(&self, parent: usize, target: &Step) -> Result<Place, EditError> {
        let named = matches!(target.test, NameTest::Named(_));
        let mut siblings = self
            .index
            .children(Some(parent))
            .filter(|(_, tag)| tag.is_named(&target.test, self.default))
            .map(|(at, _)| at);
        let place = match target.position {
            Some(0) => None,
            // With a name it goes directly after its kind; with a wildcard, last of all.
            None if named => siblings.last().map(Place::After).or(Some(Place::Last)),
            None => Some(Place::Last),
            Some(1) => siblings.next().map(Place::Before).or(Some(Place::Last)),
            Some(position) => position
                .checked_sub(2)
                .and_then(|before| siblings.nth(before))
                .map(Place::After),
        };
        place.ok_or_else(|| Condition::CannotInsert.into())
    }

    /// Turns an empty-element tag into a pair of tags around the new element.
    fn open_up(&self, node: &IndexNode<'_>, element: &str) -> Result<Edited, EditError> {
        let tag = self.text.get(node.tag()).ok_or(EditError::NotFound)?;
        let name = tag
            .trim_start_matches('<')
            .split(|c: char| is_space(c) || c == '/')
            .next()
            .unwrap_or_default();
        let slash = node.tag().end.saturating_sub(2);
        self.splice(slash..node.tag().end, &[">", element, "</", name, ">"], true)
    }

    /// Checks that a body is one element, given the bindings of where it goes.
    fn fragment<'b>(&self, parent: Option<usize>, body: &'b [u8]) -> Result<(&'b str, Index<'b>), EditError> {
        let text = std::str::from_utf8(body).map_err(|_| Condition::NotUtf8)?;
        let text = text.trim_matches(is_space);
        let scope = self.index.scope(parent);
        let kind_of = |kind: XmlErrorKind| match kind {
            XmlErrorKind::TooLarge => EditError::TooLarge,
            kind if kind.is_limit() => Condition::ConstraintFailure.into(),
            _ => Condition::NotXmlFrag.into(),
        };
        let index = Index::fragment(text.as_bytes(), self.limits, &scope).map_err(|e| kind_of(e.kind))?;
        // Comments and instructions around the element are no part of it.
        match index.node(0) {
            Some(root) if root.span() == (0..text.len()) => Ok((text, index)),
            _ => Err(Condition::NotXmlFrag.into()),
        }
    }

    fn put_attribute(
        &self,
        selector: &NodeSelector,
        name: &SelectorName,
        body: &[u8],
    ) -> Result<Edited, EditError> {
        let element = self
            .index
            .element(selector.steps(), self.default)
            .map_err(|missed| EditError::NoParent(missed.steps))?;
        let text = std::str::from_utf8(body)
            .map_err(|_| Condition::NotUtf8)?
            .trim_matches(is_space);
        let value = quoted_value(text).ok_or(Condition::NotXmlAttValue)?;
        let node = self.index.node(element).ok_or(EditError::NotFound)?;
        let tag = self.index.tag(node);
        if let Some(known) = tag.attribute(name) {
            let (target, _) = selector.steps().split_last().ok_or(EditError::NotFound)?;
            self.check_found(tag.with(known, &value), target)?;
            let attributes = self.index.attributes(node);
            let known = attributes.get(known).ok_or(EditError::NotFound)?;
            return self.splice(known.value_span(), &[text], false);
        }
        // The step found the element without the attribute, so it is not about it.
        let written = self.new_attribute(element, name, text)?;
        let at = self.end_of_attributes(node)?;
        self.splice(at..at, &[&written], true)
    }

    fn new_attribute(&self, element: usize, name: &SelectorName, value: &str) -> Result<String, EditError> {
        let local = &name.local;
        let Some(namespace) = &name.namespace else {
            // A declaration of a namespace is no attribute.
            return if name.prefix.is_none() && local == "xmlns" {
                Err(Condition::CannotInsert.into())
            } else {
                Ok(format!(" {local}={value}"))
            };
        };
        if namespace == XML_NAMESPACE {
            return Ok(format!(" xml:{local}={value}"));
        }
        let scope = self.index.scope(Some(element));
        let bound = scope
            .iter()
            .find(|(prefix, known)| !prefix.is_empty() && **known == **namespace);
        match (bound, &name.prefix) {
            (Some((prefix, _)), _) => Ok(format!(" {prefix}:{local}={value}")),
            (None, Some(prefix)) if !scope.iter().any(|(taken, _)| **taken == **prefix) => {
                let mut quoted = String::new();
                for c in namespace.chars() {
                    match c {
                        '&' => quoted.push_str("&amp;"),
                        '<' => quoted.push_str("&lt;"),
                        '"' => quoted.push_str("&quot;"),
                        c => quoted.push(c),
                    }
                }
                Ok(format!(" xmlns:{prefix}=\"{quoted}\" {prefix}:{local}={value}"))
            }
            // The prefix means something else here, and a PUT of an attribute cannot choose another.
            _ => Err(Condition::CannotInsert.into()),
        }
    }

    /// Finds the end of the last attribute of a start tag, or of the name.
    fn end_of_attributes(&self, node: &IndexNode<'_>) -> Result<usize, EditError> {
        let tag = self.text.get(node.tag()).ok_or(EditError::NotFound)?;
        let inner = tag.strip_suffix('>').unwrap_or(tag);
        let inner = if node.is_empty() {
            inner.strip_suffix('/').unwrap_or(inner)
        } else {
            inner
        };
        let inner = inner.trim_end_matches(is_space);
        Ok(node.tag().start.saturating_add(inner.len()))
    }

    /// Removes what the selector names.
    pub(crate) fn delete(&self, selector: &NodeSelector) -> Result<Edited, EditError> {
        let (target, _) = selector.steps().split_last().ok_or(EditError::NotFound)?;
        //= https://www.rfc-editor.org/rfc/rfc4825#section-8.4
        //# It is possible
        //# that, after deletion, the request URI selects another element in the
        //# document.  If this happens, the server MUST NOT perform the deletion,
        //# and MUST reject the request with a 409 response.
        let selected = self.index.select(selector, self.default);
        match selected.map_err(|_| EditError::NotFound)? {
            Selected::Element(known) => {
                let node = self.index.node(known).ok_or(EditError::NotFound)?;
                // Without a position nothing else was found; with one, what comes after moves up.
                if target.position.is_some() {
                    let others = self.index.children(node.parent()).filter(|(at, _)| *at != known);
                    if choose(others, target, self.default) != Matched::None {
                        return Err(Condition::CannotDelete.into());
                    }
                }
                self.splice(node.span(), &[], false)
            }
            // The element keeps its name and place, so that the step finds it or, without the attribute, nothing.
            Selected::Attribute(element, at) => {
                let node = self.index.node(element).ok_or(EditError::NotFound)?;
                let removed = self.index.attributes(node).get(at).ok_or(EditError::NotFound)?;
                self.splice(removed.span(), &[], false)
            }
            Selected::Namespaces(_) => Err(EditError::NotFound),
        }
    }

    /// Checks that a step finds the element that is put.
    ///
    /// Nothing else can be found: without a position, nothing or only what is replaced was found before; with one, the
    /// element is put at that position.
    fn check_found(&self, tag: Tag<'_>, target: &Step) -> Result<(), EditError> {
        //= https://www.rfc-editor.org/rfc/rfc4825#section-8.2.3
        //# If this happens, the server MUST NOT perform the
        //# insertion, and MUST reject the request with a 409 response.
        if tag.is_named(&target.test, self.default) && tag.has_attribute(target) {
            Ok(())
        } else {
            Err(Condition::CannotInsert.into())
        }
    }

    fn splice(&self, range: Range<usize>, pieces: &[&str], created: bool) -> Result<Edited, EditError> {
        let before = self.text.get(..range.start).ok_or(EditError::NotFound)?;
        let after = self.text.get(range.end..).ok_or(EditError::NotFound)?;
        let added = pieces
            .iter()
            .fold(0, |sum: usize, piece| sum.saturating_add(piece.len()));
        let length = before.len().saturating_add(added).saturating_add(after.len());
        if length > self.limits.octets {
            return Err(EditError::TooLarge);
        }
        let mut text = String::with_capacity(length);
        text.push_str(before);
        for piece in pieces {
            text.push_str(piece);
        }
        text.push_str(after);
        Ok(Edited { text, created })
    }
}

/// Reads the body of an attribute, which is a value in quotes.
fn quoted_value(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let raw = text.strip_prefix(quote)?.strip_suffix(quote)?;
    if raw.contains(quote) {
        return None;
    }
    attribute_value(raw).ok()
}
