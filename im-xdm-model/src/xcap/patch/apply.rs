//! Applying the operations of a patch, one after the other (RFC 5261 section 4).

use super::names::{self, Context};
use super::selector::{Expanded, Located, Selector};
use super::tree::{self, DOCUMENT, Tree};
use super::{Addition, Change, Limits, Operation, PatchError, PatchErrorKind as Kind, WhiteSpace, tag};
use crate::xml::{self, XML_NAMESPACE, XMLNS_NAMESPACE, XmlErrorKind, is_space, split_qname};

/// Applies a patch to a document, all of it or nothing.
///
/// What no operation touches stays as it is, to the octet.
///
/// # Errors
///
/// Fails at the first operation that cannot be fulfilled, and when a limit is exceeded.
pub fn apply(document: &str, operations: &[Operation], limits: &Limits) -> Result<String, PatchError> {
    let at = |operation: usize| move |kind: Kind| PatchError { kind, operation };
    if operations.len() > limits.operations {
        return Err(at(limits.operations)(Kind::TooLarge));
    }
    let tree = Tree::parse(document, &limits.xml).map_err(|error| at(0)(kind_of(error.kind)))?;
    let mut patcher = Patcher {
        tree,
        limits,
        visits: limits.visits,
    };
    for (number, operation) in operations.iter().enumerate() {
        patcher.operate(operation).map_err(at(number))?;
    }
    let last = operations.len().saturating_sub(1);
    let text = patcher.tree.write(DOCUMENT);
    // Whatever the operations did together, what comes out is a document within the limits.
    xml::check(text.as_bytes(), &limits.xml).map_err(|error| {
        let kind = match kind_of(error.kind) {
            Kind::TooLarge => Kind::TooLarge,
            _ => Kind::InvalidPatchDirective,
        };
        at(last)(kind)
    })?;
    Ok(text)
}

fn kind_of(kind: XmlErrorKind) -> Kind {
    match kind {
        kind if kind.is_limit() => Kind::TooLarge,
        XmlErrorKind::NotUtf8 | XmlErrorKind::UnsupportedEncoding => Kind::InvalidCharacterSet,
        XmlErrorKind::BadReference => Kind::InvalidEntityDeclaration,
        XmlErrorKind::UnboundPrefix => Kind::InvalidNamespacePrefix,
        _ => Kind::InvalidDiffFormat,
    }
}

struct Patcher<'t> {
    tree: Tree<'t>,
    limits: &'t Limits,
    visits: usize,
}

impl Patcher<'_> {
    fn operate(&mut self, operation: &Operation) -> Result<(), Kind> {
        let selector = Selector::parse(&operation.selector, &operation.bindings, self.limits.steps)?;
        let located = selector.locate(&self.tree, &mut self.visits)?;
        match &operation.change {
            Change::Add { what, content } => {
                let Located::Node(at) = located else {
                    return Err(Kind::InvalidAttributeValue);
                };
                let wrapper = wrapped(content, operation)?;
                let content = self.content(&wrapper)?;
                match what {
                    Addition::Attribute(name) => self.add_attribute(at, name, &content, operation),
                    Addition::Namespace(prefix) => self.add_namespace(at, prefix, &content),
                    place => self.add_nodes(at, place, content, operation),
                }
            }
            Change::Replace { content } => {
                let wrapper = wrapped(content, operation)?;
                let content = self.content(&wrapper)?;
                match located {
                    Located::Node(at) => self.replace_node(at, content, operation),
                    Located::Attribute(at, part) => self.set_value(at, &part, &text_of(&content)?),
                    Located::Namespace(at, part) => {
                        let namespace = namespace_of(&content)?;
                        self.set_value(at, &part.ok_or(Kind::InvalidNamespaceUri)?, &namespace)
                    }
                }
            }
            Change::Remove { white_space } => match (located, white_space) {
                (Located::Node(at), _) => self.remove_node(at, *white_space),
                (_, Some(_)) => Err(Kind::InvalidPatchDirective),
                (Located::Attribute(at, part), None) => self.remove_part(at, &part),
                (Located::Namespace(at, part), None) => {
                    let part = part.ok_or(Kind::InvalidNamespaceUri)?;
                    self.check_unused(at, &part)?;
                    self.remove_part(at, &part)
                }
            },
        }
    }

    /// Reads the content of an operation, which is wrapped into an element that binds its prefixes.
    fn content<'c>(&self, wrapper: &'c str) -> Result<Tree<'c>, Kind> {
        Tree::parse(wrapper, &self.limits.xml).map_err(|error| kind_of(error.kind))
    }

    fn add_attribute(
        &mut self,
        at: usize,
        qname: &str,
        content: &Tree<'_>,
        operation: &Operation,
    ) -> Result<(), Kind> {
        let value = text_of(content)?;
        let name = Expanded::attribute(qname, &operation.bindings)?;
        if tag::declared_prefix(qname).is_some() {
            return Err(Kind::InvalidAttributeValue);
        }
        if name.attribute_of(&self.tree, at).is_some() {
            return Err(Kind::InvalidPatchDirective);
        }
        let written = match (&name.namespace, split_qname(qname)) {
            (Some(namespace), Some((Some(prefix), local))) if namespace != XML_NAMESPACE => {
                let around = Context::at(&self.tree, at);
                let chosen = around.choose(prefix, namespace, true);
                format!("{}:{local}", chosen.ok_or(Kind::InvalidNamespaceUri)?)
            }
            _ => qname.to_owned(),
        };
        self.change_start(at, |start| Ok(tag::with(start, &written, &value)))
    }

    fn add_namespace(&mut self, at: usize, prefix: &str, content: &Tree<'_>) -> Result<(), Kind> {
        let namespace = namespace_of(content)?;
        let reserved = matches!(prefix, "xml" | "xmlns");
        if reserved || !matches!(split_qname(prefix), Some((None, _))) {
            return Err(Kind::InvalidNamespacePrefix);
        }
        // Names below that use the prefix would mean something else.
        let known = self.tree.namespace(at, prefix);
        if known.is_some_and(|known| known != namespace) {
            return Err(Kind::InvalidNamespacePrefix);
        }
        self.change_start(at, |start| {
            if tag::declarations(start).any(|(known, _)| known == prefix) {
                return Err(Kind::InvalidPatchDirective);
            }
            Ok(tag::with(start, &format!("xmlns:{prefix}"), &namespace))
        })
    }

    fn add_nodes(
        &mut self,
        at: usize,
        place: &Addition,
        mut content: Tree<'_>,
        operation: &Operation,
    ) -> Result<(), Kind> {
        let inside = matches!(place, Addition::Append | Addition::Prepend);
        if inside && self.tree.start(at).is_none() {
            return Err(Kind::InvalidNodeTypes);
        }
        let parent = if inside { at } else { self.tree.parent(at) };
        let index = match place {
            Addition::Prepend => Some(0),
            Addition::Before => self.tree.position(at),
            Addition::After => self.tree.position(at).map(|at| at.saturating_add(1)),
            _ => Some(self.tree.children(at).len()),
        };
        let nodes = self.adopt(parent, &mut content, operation)?;
        if parent == DOCUMENT {
            for node in &nodes {
                self.settle_outside(*node)?;
            }
        }
        self.splice(parent, index.ok_or(Kind::UnlocatedNode)?, 0, nodes)
    }

    /// Takes the content over, with the prefixes that it has where it goes; its nodes are nobody's children yet.
    fn adopt(
        &mut self,
        parent: usize,
        content: &mut Tree<'_>,
        operation: &Operation,
    ) -> Result<Vec<usize>, Kind> {
        let around = Context::at(&self.tree, parent);
        let top: Vec<usize> = content
            .root()
            .map(|root| content.children(root).to_vec())
            .unwrap_or_default();
        let mut nodes = Vec::new();
        for node in top {
            names::adapt(content, node, &operation.bindings, &around)?;
            nodes.extend(self.tree.adopt(parent, content, node));
        }
        Ok(nodes)
    }

    /// Beside the root element there are comments and instructions, and white space that is no node.
    fn settle_outside(&mut self, at: usize) -> Result<(), Kind> {
        let kind = self.tree.kind_mut(at).ok_or(Kind::UnlocatedNode)?;
        match kind {
            tree::Kind::Element { .. } => Err(Kind::InvalidRootElementOperation),
            tree::Kind::Text(text) if text.chars().all(is_space) => {
                *kind = tree::Kind::Filler(std::mem::take(text));
                Ok(())
            }
            tree::Kind::Text(_) => Err(Kind::InvalidXmlPrologOperation),
            _ => Ok(()),
        }
    }

    fn replace_node(&mut self, at: usize, mut content: Tree<'_>, operation: &Operation) -> Result<(), Kind> {
        let parent = self.tree.parent(at);
        let old = self.tree.kind(at).cloned().ok_or(Kind::UnlocatedNode)?;
        let index = self.tree.position(at).ok_or(Kind::UnlocatedNode)?;
        if let tree::Kind::Text(_) = old {
            let nodes = self.adopt(parent, &mut content, operation)?;
            let is_text = |node: &usize| matches!(self.tree.kind(*node), Some(tree::Kind::Text(_)));
            if nodes.len() > 1 || !nodes.iter().all(is_text) {
                return Err(Kind::InvalidNodeTypes);
            }
            return self.splice(parent, index, 1, nodes);
        }
        let mut nodes = self.adopt(parent, &mut content, operation)?;
        // White space around the one node comes from pretty printing.
        nodes.retain(|node| !matches!(self.tree.kind(*node), Some(tree::Kind::Text(text)) if text.chars().all(is_space)));
        let &[new] = nodes.as_slice() else {
            return Err(Kind::InvalidNodeTypes);
        };
        match (&old, self.tree.kind(new)) {
            (tree::Kind::Element { .. }, Some(tree::Kind::Element { .. }))
            | (tree::Kind::Comment(_), Some(tree::Kind::Comment(_)))
            | (tree::Kind::Instruction(_), Some(tree::Kind::Instruction(_))) => {
                self.splice(parent, index, 1, nodes)
            }
            _ => Err(Kind::InvalidNodeTypes),
        }
    }

    fn remove_node(&mut self, at: usize, white_space: Option<WhiteSpace>) -> Result<(), Kind> {
        let parent = self.tree.parent(at);
        let index = self.tree.position(at).ok_or(Kind::UnlocatedNode)?;
        match self.tree.kind(at) {
            Some(tree::Kind::Element { .. }) if parent == DOCUMENT => {
                return Err(Kind::InvalidRootElementOperation);
            }
            Some(tree::Kind::Text(_)) if white_space.is_some() => return Err(Kind::InvalidPatchDirective),
            _ => {}
        }
        let is_space_at = |index: Option<usize>| {
            let sibling = index.and_then(|index| self.tree.children(parent).get(index));
            matches!(
                sibling.and_then(|sibling| self.tree.kind(*sibling)),
                Some(tree::Kind::Text(text)) if tree::resolve(text).chars().all(is_space)
            )
        };
        let before = matches!(white_space, Some(WhiteSpace::Before | WhiteSpace::Both));
        let after = matches!(white_space, Some(WhiteSpace::After | WhiteSpace::Both));
        //= https://www.rfc-editor.org/rfc/rfc5261#section-4.5.1
        //# If the immediate following
        //# sibling node is not a white space text node, an error
        //# occurs.
        if before && !is_space_at(index.checked_sub(1)) || after && !is_space_at(index.checked_add(1)) {
            return Err(Kind::InvalidWhitespaceDirective);
        }
        let first = if before { index.saturating_sub(1) } else { index };
        let count = 1_usize
            .saturating_add(usize::from(before))
            .saturating_add(usize::from(after));
        self.splice(parent, first, count, Vec::new())
    }

    /// Takes children out, puts others in, and joins the texts that then stand beside each other.
    fn splice(&mut self, parent: usize, index: usize, out: usize, nodes: Vec<usize>) -> Result<(), Kind> {
        let added = nodes.len();
        let children = self.tree.children_mut(parent).ok_or(Kind::UnlocatedNode)?;
        let end = index.saturating_add(out);
        if end > children.len() {
            return Err(Kind::UnlocatedNode);
        }
        children.splice(index..end, nodes);
        self.join(parent, index.saturating_add(added));
        self.join(parent, index);
        if !self.tree.children(parent).is_empty()
            && let Some(tree::Kind::Element { start, end }) = self.tree.kind_mut(parent)
            && tag::is_empty(start)
        {
            let (opened, closing) = tag::opened(start);
            *start = opened.into();
            *end = closing.into();
        }
        Ok(())
    }

    /// Joins the child at an index to the one before it, if both are text.
    fn join(&mut self, parent: usize, index: usize) {
        let children = self.tree.children(parent);
        let before = index
            .checked_sub(1)
            .and_then(|before| children.get(before))
            .copied();
        let (Some(before), Some(after)) = (before, children.get(index).copied()) else {
            return;
        };
        let (Some(tree::Kind::Text(left)), Some(tree::Kind::Text(right))) =
            (self.tree.kind(before), self.tree.kind(after))
        else {
            return;
        };
        let joined = joined(left, right);
        if let Some(kind) = self.tree.kind_mut(before) {
            *kind = tree::Kind::Text(joined.into());
        }
        if let Some(children) = self.tree.children_mut(parent) {
            children.retain(|child| *child != after);
        }
    }

    fn set_value(&mut self, at: usize, part: &tag::Part, value: &str) -> Result<(), Kind> {
        self.change_start(at, |start| Ok(tag::with_value(start, part, value)))
    }

    fn remove_part(&mut self, at: usize, part: &tag::Part) -> Result<(), Kind> {
        self.change_start(at, |start| Ok(tag::without(start, part)))
    }

    fn change_start(
        &mut self,
        at: usize,
        change: impl FnOnce(&str) -> Result<String, Kind>,
    ) -> Result<(), Kind> {
        match self.tree.kind_mut(at) {
            Some(tree::Kind::Element { start, .. }) => {
                *start = change(start)?.into();
                Ok(())
            }
            _ => Err(Kind::InvalidNodeTypes),
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc5261#section-4.5.3
    //# Naturally, this prefix MUST NOT be associated with any node
    //# prior to the removal of this namespace node.
    fn check_unused(&mut self, at: usize, part: &tag::Part) -> Result<(), Kind> {
        let name = self.tree.start(at).and_then(|start| start.get(part.name.clone()));
        let prefix = name.and_then(tag::declared_prefix).map(str::to_owned);
        let mut pending = vec![at];
        while let Some(next) = pending.pop() {
            self.visits = self.visits.checked_sub(1).ok_or(Kind::TooLarge)?;
            let Some(start) = self.tree.start(next) else {
                continue;
            };
            let declares = |(known, _): (&str, String)| Some(known) == prefix.as_deref();
            if next != at && tag::declarations(start).any(declares) {
                continue;
            }
            let uses = |qname: &str| {
                let (used, _) = qname.split_once(':').unwrap_or(("", qname));
                Some(used) == prefix.as_deref()
            };
            if uses(tag::name(start)) || tag::attributes(start).any(|read| uses(read.name)) {
                return Err(Kind::InvalidNamespacePrefix);
            }
            pending.extend(self.tree.children(next));
        }
        Ok(())
    }
}

/// Puts the content of an operation into an element that binds its prefixes.
fn wrapped(content: &str, operation: &Operation) -> Result<String, Kind> {
    let mut tag = String::from("<content>");
    for (prefix, namespace) in &operation.bindings {
        let name = match prefix.as_str() {
            "xml" => continue,
            "" => "xmlns".to_owned(),
            prefix if matches!(split_qname(prefix), Some((None, _))) => format!("xmlns:{prefix}"),
            _ => return Err(Kind::InvalidNamespacePrefix),
        };
        tag = tag::with(&tag, &name, namespace);
    }
    Ok(format!("{tag}{content}</content>"))
}

/// Reads content that is a value: character data, without CDATA sections.
fn text_of(content: &Tree<'_>) -> Result<String, Kind> {
    let children = content
        .root()
        .map(|root| content.children(root))
        .unwrap_or_default();
    match children {
        [] => Ok(String::new()),
        [only] => match content.kind(*only) {
            Some(tree::Kind::Text(text)) if !text.contains("<![CDATA[") => {
                Ok(tree::resolve(text).into_owned())
            }
            Some(tree::Kind::Text(_)) => Err(Kind::InvalidAttributeValue),
            _ => Err(Kind::InvalidNodeTypes),
        },
        _ => Err(Kind::InvalidNodeTypes),
    }
}

fn namespace_of(content: &Tree<'_>) -> Result<String, Kind> {
    let namespace = text_of(content)?;
    if matches!(namespace.as_str(), "" | XML_NAMESPACE | XMLNS_NAMESPACE) {
        return Err(Kind::InvalidNamespaceUri);
    }
    Ok(namespace)
}

/// Joins two pieces of character data to one that says the same.
fn joined(left: &str, right: &str) -> String {
    let mut out = left.to_owned();
    // A line end that is written in two characters is one.
    if left.ends_with('\r') && right.starts_with('\n') {
        out.pop();
        out.push('\n');
    }
    // What closes a section may not come about, unless it does close one.
    let brackets = left.len().saturating_sub(left.trim_end_matches(']').len());
    let (more, rest) = right
        .split_at_checked(right.len().saturating_sub(right.trim_start_matches(']').len()))
        .unwrap_or(("", right));
    if brackets.saturating_add(more.len()) >= 2 && more.len() < 2 && rest.starts_with('>') {
        out.push_str(more);
        out.push_str("&gt;");
        out.push_str(rest.get(1..).unwrap_or_default());
    } else {
        out.push_str(right);
    }
    out
}
