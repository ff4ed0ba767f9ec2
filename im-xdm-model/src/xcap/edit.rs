//! Changing one element or attribute of a stored text, octet for octet the same around it (RFC 4825 section 8.2).

use std::ops::Range;

use super::error::{Condition, XcapError};
use super::index::{Index, IndexNode, Matched, Selected};
use super::selector::{NameTest, NodeSelector, SelectorName, Step, Terminal};
use crate::xml::{Event, Limits, Reader, XmlErrorKind, attribute_value, is_space};

/// A changed text, and whether something new is in it.
#[derive(Debug)]
pub(crate) struct Edited {
    pub(crate) text: String,
    pub(crate) index: Index,
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
    pub(crate) index: &'a Index,
    /// The default document namespace.
    pub(crate) default: &'a str,
    pub(crate) limits: &'a Limits,
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
        let element = self.fragment(parent, body)?;
        let (range, replacement, start, created) = match self.index.step(parent, target, self.default) {
            Matched::One(index) => {
                let node = self.index.node(index).ok_or(EditError::NotFound)?;
                (node.span.clone(), element.to_owned(), node.span.start, false)
            }
            // After the insertion the selector would still find more than one.
            Matched::Many => return Err(Condition::CannotInsert.into()),
            Matched::None => {
                let parent = parent.ok_or(Condition::CannotInsert)?;
                let (range, replacement, start) = self.place(parent, target, element)?;
                (range, replacement, start, true)
            }
        };
        let edited = self.splice(range, &replacement, created)?;
        //= https://www.rfc-editor.org/rfc/rfc4825#section-8.2.3
        //# If this happens, the server MUST NOT perform the
        //# insertion, and MUST reject the request with a 409 response.
        let inserted = start..start.saturating_add(element.len());
        let selected = edited.index.select(selector, self.default);
        match selected {
            Ok(Selected::Element(index)) if edited.index.node(index).is_some_and(|n| n.span == inserted) => {
                Ok(edited)
            }
            _ => Err(Condition::CannotInsert.into()),
        }
    }

    /// Finds where a new child goes: the octets to replace, what with, and where the element then begins.
    fn place(
        &self,
        parent: usize,
        target: &Step,
        element: &str,
    ) -> Result<(Range<usize>, String, usize), EditError> {
        let node = self.index.node(parent).ok_or(EditError::NotFound)?;
        let siblings = self.index.candidates(Some(parent), &target.test, self.default);
        let named = matches!(target.test, NameTest::Named(_));
        let at = match target.position {
            Some(0) => return Err(Condition::CannotInsert.into()),
            _ if siblings.is_empty() && target.position.unwrap_or(1) > 1 => {
                return Err(Condition::CannotInsert.into());
            }
            _ if siblings.is_empty() => None,
            // With a wildcard and no position it goes last of all; with a name, directly after its kind.
            None if named => siblings
                .last()
                .and_then(|last| self.index.node(*last))
                .map(|last| last.span.end),
            None => None,
            Some(1) => siblings
                .first()
                .and_then(|first| self.index.node(*first))
                .map(|first| first.span.start),
            Some(position) => {
                let before = position
                    .checked_sub(2)
                    .and_then(|at| siblings.get(at))
                    .and_then(|before| self.index.node(*before))
                    .ok_or(Condition::CannotInsert)?;
                Some(before.span.end)
            }
        };
        let at = match at {
            Some(at) => at,
            None if node.tag.empty => return self.open_up(node, element),
            None => node.content_end,
        };
        Ok((at..at, element.to_owned(), at))
    }

    /// Turns an empty-element tag into a pair of tags around the new element.
    fn open_up(&self, node: &IndexNode, element: &str) -> Result<(Range<usize>, String, usize), EditError> {
        let tag = self.text.get(node.tag.span.clone()).ok_or(EditError::NotFound)?;
        let name = tag
            .trim_start_matches('<')
            .split(|c: char| is_space(c) || c == '/')
            .next()
            .unwrap_or_default();
        let slash = node.tag.span.end.saturating_sub(2);
        Ok((
            slash..node.tag.span.end,
            format!(">{element}</{name}>"),
            slash.saturating_add(1),
        ))
    }

    /// Checks that a body is one element, given the bindings of where it goes.
    fn fragment<'b>(&self, parent: Option<usize>, body: &'b [u8]) -> Result<&'b str, EditError> {
        let text = std::str::from_utf8(body).map_err(|_| Condition::NotUtf8)?;
        let text = text.trim_matches(is_space);
        let scope = self.index.scope(parent);
        let kind_of = |kind| match kind {
            XmlErrorKind::TooLarge => EditError::TooLarge,
            XmlErrorKind::TooDeep | XmlErrorKind::TooManyElements | XmlErrorKind::TooManyNamespaces => {
                Condition::ConstraintFailure.into()
            }
            _ => Condition::NotXmlFrag.into(),
        };
        let mut reader =
            Reader::fragment(text.as_bytes(), self.limits, &scope).map_err(|e| kind_of(e.kind))?;
        let (mut depth, mut start, mut end) = (0_usize, None, 0);
        while let Some(event) = reader.next_event().map_err(|e| kind_of(e.kind))? {
            match event {
                Event::Start(tag) => {
                    depth = depth.saturating_add(1);
                    start = start.or(Some(tag.span.start));
                }
                Event::End { span } => {
                    depth = depth.saturating_sub(1);
                    end = span.end;
                }
                Event::Text(_) => {}
            }
        }
        // Comments and instructions around the element are no part of it.
        if start == Some(0) && end == text.len() {
            Ok(text)
        } else {
            Err(Condition::NotXmlFrag.into())
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
        let known = self
            .index
            .attribute(element, name)
            .and_then(|at| node.tag.attributes.get(at));
        let (range, replacement) = match known {
            Some(attribute) => (attribute.value_span.clone(), text.to_owned()),
            None => self.new_attribute(element, node, name, text)?,
        };
        let edited = self.splice(range, &replacement, known.is_none())?;
        match edited.index.select(selector, self.default) {
            Ok(Selected::Attribute(element, at))
                if edited
                    .index
                    .node(element)
                    .and_then(|n| n.tag.attributes.get(at))
                    .is_some_and(|a| a.value == value) =>
            {
                Ok(edited)
            }
            _ => Err(Condition::CannotInsert.into()),
        }
    }

    fn new_attribute(
        &self,
        element: usize,
        node: &IndexNode,
        name: &SelectorName,
        value: &str,
    ) -> Result<(Range<usize>, String), EditError> {
        if name.prefix.is_none() && name.local == "xmlns" {
            return Err(Condition::CannotInsert.into());
        }
        let written = match &name.namespace {
            None => format!(" {}={value}", name.local),
            Some(namespace) if namespace == crate::xml::XML_NAMESPACE => {
                format!(" xml:{}={value}", name.local)
            }
            Some(namespace) => {
                let scope = self.index.scope(Some(element));
                let bound = scope
                    .iter()
                    .find(|(prefix, known)| !prefix.is_empty() && **known == **namespace);
                match (bound, &name.prefix) {
                    (Some((prefix, _)), _) => format!(" {prefix}:{}={value}", name.local),
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
                        format!(" xmlns:{prefix}=\"{quoted}\" {prefix}:{}={value}", name.local)
                    }
                    // The prefix means something else here, and a PUT of an attribute cannot choose another.
                    _ => return Err(Condition::CannotInsert.into()),
                }
            }
        };
        let tag = self.text.get(node.tag.span.clone()).ok_or(EditError::NotFound)?;
        let inner = tag.trim_end_matches('>');
        let inner = if node.tag.empty {
            inner.trim_end_matches('/')
        } else {
            inner
        };
        let at = node
            .tag
            .span
            .start
            .saturating_add(inner.trim_end_matches(is_space).len());
        Ok((at..at, written))
    }

    /// Removes what the selector names.
    pub(crate) fn delete(&self, selector: &NodeSelector) -> Result<Edited, EditError> {
        let range = match self.index.select(selector, self.default) {
            Ok(Selected::Element(index)) => self.index.node(index).map(|n| n.span.clone()),
            Ok(Selected::Attribute(index, at)) => self
                .index
                .node(index)
                .and_then(|n| n.tag.attributes.get(at))
                .map(|a| a.span.clone()),
            Ok(Selected::Namespaces(_)) | Err(_) => None,
        };
        let edited = self.splice(range.ok_or(EditError::NotFound)?, "", false)?;
        //= https://www.rfc-editor.org/rfc/rfc4825#section-8.4
        //# It is possible
        //# that, after deletion, the request URI selects another element in the
        //# document.  If this happens, the server MUST NOT perform the deletion,
        //# and MUST reject the request with a 409 response.
        match edited.index.select(selector, self.default) {
            Ok(_) => Err(Condition::CannotDelete.into()),
            Err(_) => Ok(edited),
        }
    }

    fn splice(&self, range: Range<usize>, replacement: &str, created: bool) -> Result<Edited, EditError> {
        let before = self.text.get(..range.start).ok_or(EditError::NotFound)?;
        let after = self.text.get(range.end..).ok_or(EditError::NotFound)?;
        let text = [before, replacement, after].concat();
        match Index::build(text.as_bytes(), self.limits) {
            Ok(index) => Ok(Edited { text, index, created }),
            Err(error) => Err(match error.kind {
                XmlErrorKind::TooLarge => EditError::TooLarge,
                XmlErrorKind::NoRoot => Condition::SchemaValidationError.into(),
                _ => Condition::ConstraintFailure.into(),
            }),
        }
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
