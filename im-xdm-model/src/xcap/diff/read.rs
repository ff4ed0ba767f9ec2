//! Reading `xcap-diff` documents.

use super::super::patch::tree::{Kind, Tree, resolve};
use super::super::patch::{bindings, foreign, operation_of, tag, with_bindings};
use super::{AttributeState, Component, DocumentChange, ElementState, NAMESPACE, XcapDiff};
use crate::error::{DocumentError, DocumentErrorKind as Wrong};
use crate::xml::{Attribute, Element, Limits, XmlError, XmlErrorKind, is_space};

pub(super) fn parse(input: &[u8], limits: &Limits) -> Result<XcapDiff, DocumentError> {
    read(input, limits).map_err(|error| error.within(input))
}

fn read(input: &[u8], limits: &Limits) -> Result<XcapDiff, DocumentError> {
    let text = std::str::from_utf8(input)
        .map_err(|error| XmlError::new(XmlErrorKind::NotUtf8, error.valid_up_to()))?;
    let tree = Tree::parse(text, limits)?;
    let root = tree.root().unwrap_or_default();
    let mut document = Document { tree: &tree, limits };
    if !tree.is_element(root, NAMESPACE, "xcap-diff") {
        return Err(document.wrong(root, Wrong::WrongRoot("xcap-diff")));
    }
    let mut diff = XcapDiff::new("");
    let mut found = None;
    diff.attributes = document.attributes(root, |name, value| match name {
        "xcap-root" => {
            found = Some(value.to_owned());
            true
        }
        _ => false,
    });
    diff.xcap_root = found.ok_or_else(|| document.wrong(root, Wrong::MissingAttribute("xcap-root")))?;
    document.check_text(root, "xcap-diff")?;
    for child in document.elements(root) {
        if tree.is_element(child, NAMESPACE, "document") {
            diff.components.push(Component::Document(document.change(child)?));
        } else if tree.is_element(child, NAMESPACE, "element") {
            diff.components.push(Component::Element(document.element(child)?));
        } else if tree.is_element(child, NAMESPACE, "attribute") {
            diff.components
                .push(Component::Attribute(document.attribute(child)?));
        } else {
            diff.elements.push(document.foreign_element(child, "xcap-diff")?);
        }
    }
    Ok(diff)
}

struct Document<'d> {
    tree: &'d Tree<'d>,
    limits: &'d Limits,
}

impl Document<'_> {
    fn wrong(&self, at: usize, kind: Wrong) -> DocumentError {
        DocumentError::at(self.tree.place(at), kind)
    }

    fn elements(&self, at: usize) -> Vec<usize> {
        let is_element = |child: &usize| self.tree.start(*child).is_some();
        self.tree
            .children(at)
            .iter()
            .copied()
            .filter(is_element)
            .collect()
    }

    fn check_text(&self, at: usize, place: &'static str) -> Result<(), DocumentError> {
        let is_text = |child: &usize| matches!(self.tree.kind(*child), Some(Kind::Text(text)) if !text.chars().all(is_space));
        if self.tree.children(at).iter().any(is_text) {
            return Err(self.wrong(at, Wrong::UnexpectedText(place)));
        }
        Ok(())
    }

    /// Hands the attributes in no namespace over, and gives those that nobody takes.
    fn attributes(&self, at: usize, mut take: impl FnMut(&str, &str) -> bool) -> Vec<Attribute> {
        let start = self.tree.start(at).unwrap_or_default();
        let mut others = Vec::new();
        for read in tag::attributes(start) {
            if !take(read.name, &read.value) {
                others.extend(foreign(self.tree, at, read.name, &read.value));
            }
        }
        others
    }

    /// Reads an element of another namespace, which is carried along.
    fn foreign_element(&self, at: usize, place: &'static str) -> Result<Element, DocumentError> {
        // What is declared around it goes with it.
        let start = self.tree.start(at).unwrap_or_default();
        let is_new = |(prefix, _): &(String, String)| !tag::declarations(start).any(|(own, _)| own == prefix);
        let around: Vec<_> = self.tree.scope(at).into_iter().filter(is_new).collect();
        let written = self.tree.write(at);
        let mut text = with_bindings(start, &around);
        text.push_str(written.get(start.len()..).unwrap_or_default());
        let element = Element::parse(text.as_bytes(), self.limits)?;
        if element.name().is_in(NAMESPACE) {
            return Err(self.wrong(at, Wrong::UnexpectedElement(place)));
        }
        Ok(element)
    }

    fn change(&mut self, at: usize) -> Result<DocumentChange, DocumentError> {
        let mut change = DocumentChange::default();
        let mut selector = None;
        change.attributes = self.attributes(at, |name, value| {
            match name {
                "sel" => selector = Some(value.to_owned()),
                "new-etag" => change.new_etag = Some(value.to_owned()),
                "previous-etag" => change.previous_etag = Some(value.to_owned()),
                _ => return false,
            }
            true
        });
        change.selector = selector.ok_or_else(|| self.wrong(at, Wrong::MissingAttribute("sel")))?;
        self.check_text(at, "document")?;
        let mut operations = Vec::new();
        for child in self.elements(at) {
            if let Some(operation) = operation_of(self.tree, child, NAMESPACE) {
                operations.push(operation?);
            } else if self.tree.is_element(child, NAMESPACE, "body-not-changed") {
                change.body_not_changed = true;
            } else {
                change.elements.push(self.foreign_element(child, "document")?);
            }
        }
        //= https://www.rfc-editor.org/rfc/rfc5874#section-3
        //# Each <document> element contains either a sequence of patching
        //# instructions or an indication that the body hasn't semantically
        //# changed.
        if change.body_not_changed && !operations.is_empty() {
            return Err(self.wrong(at, Wrong::UnexpectedElement("document")));
        }
        change.patch = Some(operations).filter(|operations| !operations.is_empty());
        Ok(change)
    }

    fn element(&mut self, at: usize) -> Result<ElementState, DocumentError> {
        let mut state = ElementState::default();
        let (mut selector, mut exists) = (None, None);
        state.attributes = self.attributes(at, |name, value| {
            match name {
                "sel" => selector = Some(value.to_owned()),
                "exists" => exists = Some(crate::document::boolean(value)),
                _ => return false,
            }
            true
        });
        state.selector = selector.ok_or_else(|| self.wrong(at, Wrong::MissingAttribute("sel")))?;
        state.exists = match exists {
            Some(None) => return Err(self.wrong(at, Wrong::BadValue("exists"))),
            Some(value) => value,
            None => None,
        };
        self.check_text(at, "element")?;
        match self.elements(at).as_slice() {
            [] => {}
            [only] => {
                let content = self.tree.write(*only);
                state.bindings = bindings(self.tree, at, NAMESPACE, &[&content]);
                state.content = Some(content);
            }
            _ => return Err(self.wrong(at, Wrong::RepeatedElement("element"))),
        }
        Ok(state)
    }

    fn attribute(&mut self, at: usize) -> Result<AttributeState, DocumentError> {
        let mut state = AttributeState::default();
        let (mut selector, mut exists) = (None, None);
        state.attributes = self.attributes(at, |name, value| {
            match name {
                "sel" => selector = Some(value.to_owned()),
                "exists" => exists = Some(crate::document::boolean(value)),
                _ => return false,
            }
            true
        });
        state.selector = selector.ok_or_else(|| self.wrong(at, Wrong::MissingAttribute("sel")))?;
        state.exists = match exists {
            Some(None) => return Err(self.wrong(at, Wrong::BadValue("exists"))),
            Some(value) => value,
            None => None,
        };
        for child in self.tree.children(at) {
            match self.tree.kind(*child) {
                Some(Kind::Text(text)) => state.value.push_str(&resolve(text)),
                Some(Kind::Element { .. }) => {
                    return Err(self.wrong(*child, Wrong::UnexpectedElement("attribute")));
                }
                _ => {}
            }
        }
        Ok(state)
    }
}
