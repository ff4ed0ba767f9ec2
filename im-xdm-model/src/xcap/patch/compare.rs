//! Whether two texts are the same document.

use std::collections::BTreeMap;

use super::tag;
use super::tree::{DOCUMENT, Kind, Tree, resolve};
use crate::xml::Limits;

/// Tells whether two texts are the same document, as canonical XML with comments is.
///
/// Names, prefixes, attributes, declarations that say something new, text, comments and instructions count. The order
/// of attributes, quotes, white space in tags and beside the root element, references, CDATA sections and the XML
/// declaration do not. What is not well-formed, or exceeds a limit, is equivalent to nothing.
pub fn equivalent(one: &str, other: &str, limits: &Limits) -> bool {
    match (Tree::parse(one, limits), Tree::parse(other, limits)) {
        (Ok(one), Ok(other)) => same(&one, &other),
        _ => false,
    }
}

fn same(one: &Tree<'_>, other: &Tree<'_>) -> bool {
    let mut pending = vec![(DOCUMENT, DOCUMENT)];
    while let Some((left, right)) = pending.pop() {
        let equal = match (one.kind(left), other.kind(right)) {
            (Some(Kind::Document), Some(Kind::Document)) => true,
            (Some(Kind::Element { .. }), Some(Kind::Element { .. })) => said(one, left) == said(other, right),
            (Some(Kind::Text(left)), Some(Kind::Text(right))) => resolve(left) == resolve(right),
            (Some(Kind::Comment(left)), Some(Kind::Comment(right)))
            | (Some(Kind::Instruction(left)), Some(Kind::Instruction(right))) => lines(left) == lines(right),
            _ => false,
        };
        let (left, right) = (nodes(one, left), nodes(other, right));
        if !equal || left.len() != right.len() {
            return false;
        }
        pending.extend(left.into_iter().zip(right));
    }
    true
}

/// What a start tag says: its name, its attributes, and the declarations that are news.
fn said<'t>(
    tree: &'t Tree<'_>,
    at: usize,
) -> (&'t str, BTreeMap<&'t str, String>, BTreeMap<&'t str, String>) {
    let start = tree.start(at).unwrap_or_default();
    let parent = tree.parent(at);
    let attributes = tag::attributes(start).map(|read| (read.name, read.value));
    let declarations = tag::declarations(start)
        .filter(|(prefix, namespace)| tree.namespace(parent, prefix).unwrap_or_default() != *namespace);
    (tag::name(start), attributes.collect(), declarations.collect())
}

/// The children that are nodes.
pub(super) fn nodes(tree: &Tree<'_>, at: usize) -> Vec<usize> {
    let is_node = |child: &usize| !matches!(tree.kind(*child), Some(Kind::Filler(_)));
    tree.children(at).iter().copied().filter(is_node).collect()
}

fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}
