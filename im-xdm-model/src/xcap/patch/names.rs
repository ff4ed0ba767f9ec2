//! Prefixes of added content, made those of the document it is added to (RFC 5261 section 4.2.3).

use std::collections::BTreeMap;

use super::PatchErrorKind as Kind;
use super::selector::{Bindings, bound};
use super::tag;
use super::tree::{self, Tree};
use crate::xml::split_qname;

/// Where content goes: the bindings in scope there, and the prefix of the element around it.
pub(super) struct Context {
    pub(super) scope: BTreeMap<String, String>,
    pub(super) prefix: String,
}

impl Context {
    /// Looks around at an element; at the document nothing is bound.
    pub(super) fn at(tree: &Tree<'_>, element: usize) -> Self {
        let name = tree.start(element).map(tag::name).unwrap_or_default();
        let prefix = name.split_once(':').map_or("", |(prefix, _)| prefix);
        Self {
            scope: tree.scope(element),
            prefix: prefix.to_owned(),
        }
    }

    /// Chooses the prefix that a name of the patch has here.
    pub(super) fn choose(&self, prefix: &str, namespace: &str, attribute: bool) -> Option<&str> {
        let fits = |known: &str| {
            !(attribute && known.is_empty()) && self.scope.get(known).is_some_and(|bound| bound == namespace)
        };
        if let Some((same, _)) = self.scope.get_key_value(prefix)
            && fits(same)
        {
            return Some(same);
        }
        //= https://www.rfc-editor.org/rfc/rfc5261#section-4.2.3
        //# Secondly, the prefix (also empty) of the evaluation context node
        //# MUST be chosen if the namespace URIs are equal.
        if fits(&self.prefix) {
            return Some(&self.prefix);
        }
        let candidates = || self.scope.keys().map(String::as_str).filter(|known| fits(known));
        let before = candidates().take_while(|known| *known < prefix).last();
        before.or_else(|| candidates().next())
    }
}

/// Gives the elements and attributes below a node of the content the prefixes that they have in the document.
pub(super) fn adapt(
    content: &mut Tree<'_>,
    top: usize,
    bindings: &Bindings,
    around: &Context,
) -> Result<(), Kind> {
    let mut pending = vec![top];
    while let Some(at) = pending.pop() {
        if content.start(at).is_some() {
            adapt_element(content, top, at, bindings, around)?;
        }
        pending.extend(content.children(at));
    }
    Ok(())
}

fn adapt_element(
    content: &mut Tree<'_>,
    top: usize,
    at: usize,
    bindings: &Bindings,
    around: &Context,
) -> Result<(), Kind> {
    let Some(start) = content.start(at).map(str::to_owned) else {
        return Ok(());
    };
    let mut names = Vec::new();
    let mut declare: Vec<(String, String)> = Vec::new();
    let mut own_name = None;
    let element = tag::name(&start);
    let element_range = 1..element.len().saturating_add(1);
    let attributes = tag::attributes(&start).map(|read| (read.name, read.part.name, true));
    for (qname, range, attribute) in std::iter::once((element, element_range, false)).chain(attributes) {
        let (prefix, local) = split_qname(qname).ok_or(Kind::InvalidDiffFormat)?;
        if prefix == Some("xml") || (attribute && prefix.is_none()) || is_local(content, top, at, prefix) {
            continue;
        }
        let prefix = prefix.unwrap_or_default();
        let Some(namespace) = bound(prefix, bindings).filter(|namespace| !namespace.is_empty()) else {
            if !prefix.is_empty() {
                return Err(Kind::InvalidNamespacePrefix);
            }
            // An element in no namespace stays in none.
            if around.scope.contains_key("") {
                declare.push((String::new(), String::new()));
            }
            continue;
        };
        //= https://www.rfc-editor.org/rfc/rfc5261#section-4.2.3
        //# The
        //# agent processing the diff document MUST ensure that the target
        //# document also contains the same namespace declaration.
        let chosen = around
            .choose(prefix, namespace, attribute)
            .ok_or(Kind::InvalidNamespaceUri)?;
        if chosen == prefix {
            continue;
        }
        if is_local(content, top, at, Some(chosen).filter(|chosen| !chosen.is_empty())) {
            // The content means something else by the prefix, so the name keeps its own.
            declare.push((prefix.to_owned(), namespace.to_owned()));
            continue;
        }
        let renamed = if chosen.is_empty() {
            local.to_owned()
        } else {
            format!("{chosen}:{local}")
        };
        if !attribute {
            own_name = Some(renamed.clone());
        }
        names.push((range, renamed));
    }
    let mut changed = tag::renamed(&start, names);
    declare.dedup();
    for (prefix, namespace) in declare {
        let name = if prefix.is_empty() {
            "xmlns".to_owned()
        } else {
            format!("xmlns:{prefix}")
        };
        changed = tag::with(&changed, &name, &namespace);
    }
    if let Some(tree::Kind::Element { start, end }) = content.kind_mut(at) {
        *start = changed.into();
        if let Some(name) = own_name.filter(|_| !end.is_empty()) {
            let old = tag::name(end).len().saturating_add(2);
            *end = format!("</{name}{}", end.get(old..).unwrap_or(">")).into();
        }
    }
    Ok(())
}

/// Tells whether the content itself declares a prefix, `None` for the default, at a node.
fn is_local(content: &Tree<'_>, top: usize, at: usize, prefix: Option<&str>) -> bool {
    let prefix = prefix.unwrap_or_default();
    let mut next = at;
    loop {
        let declares = content
            .start(next)
            .is_some_and(|start| tag::declarations(start).any(|(known, _)| known == prefix));
        if declares || next == top {
            return declares;
        }
        next = content.parent(next);
    }
}
