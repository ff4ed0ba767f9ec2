//! What the documents of each application usage must look like: schema, unique values, other rules.

use std::collections::BTreeSet;

use super::uri::encode;
use super::usage::Violation;
use crate::document::{
    DeferredList, Group, ResourceLists, Ruleset, access_rules as rules, deferred, resource_lists as lists,
};
use crate::error::DocumentError;
use crate::xml::Element;

/// The namespace of services of resource lists.
pub(crate) const RLS_NAMESPACE: &str = "urn:ietf:params:xml:ns:rls-services";

type Check = Result<(), Violation>;

impl From<DocumentError> for Violation {
    fn from(_: DocumentError) -> Self {
        Self::Schema
    }
}

/// RFC 4826 section 3.4.5.
pub(crate) fn resource_lists(root: &Element) -> Check {
    ResourceLists::from_element(root)?;
    walk(root, "resource-lists", list_children)
}

/// RFC 4826 section 4.4.5.
pub(crate) fn rls_services(root: &Element) -> Check {
    if !root.is(RLS_NAMESPACE, "rls-services") || root.has_text() || !root.attributes().is_empty() {
        return Err(Violation::Schema);
    }
    let mut uris = BTreeSet::new();
    for (at, service) in (1_usize..).zip(root.elements()) {
        let uri = service.attribute("uri").ok_or(Violation::Schema)?;
        if !service.is(RLS_NAMESPACE, "service") || service.has_text() {
            return Err(Violation::Schema);
        }
        // The element decides what comes next: one list or a reference to one, then packages, then what others add.
        let mut last = 0;
        for child in service.elements() {
            let place = match child.name().local() {
                _ if !child.name().is_in(RLS_NAMESPACE) && child.name().namespace().is_some() => 3,
                "resource-list" | "list" if last == 0 => 1,
                "packages" if last == 1 => 2,
                _ => return Err(Violation::Schema),
            };
            if place < last || (last == 0 && place != 1) {
                return Err(Violation::Schema);
            }
            last = place;
            if child.is(RLS_NAMESPACE, "list") {
                // The content of the list has the type that resource lists define.
                let mut inner = child.clone();
                inner.rename(crate::xml::Name::known(lists::NAMESPACE, "list"));
                let mut wrapper = Element::known(lists::NAMESPACE, "resource-lists");
                wrapper.push(inner);
                resource_lists(&wrapper).map_err(|violation| match violation {
                    Violation::Unique(_) => Violation::Unique(format!("rls-services/service%5B{at}%5D/list")),
                    other => other,
                })?;
            }
        }
        if last == 0 {
            return Err(Violation::Schema);
        }
        if !uris.insert(uri) {
            return Err(Violation::Unique(format!("rls-services/service%5B{at}%5D/@uri")));
        }
    }
    Ok(())
}

pub(crate) fn access_rules(root: &Element) -> Check {
    unique_rules(&Ruleset::from_element(root)?, "ruleset", "")
}

pub(crate) fn group(root: &Element) -> Check {
    let group = Group::from_element(root)?;
    if let Some(ruleset) = &group.ruleset {
        let query = format!("?xmlns(cr={})", rules::NAMESPACE);
        unique_rules(ruleset, "group/list-service/cr:ruleset", &query)?;
    }
    let mut uris = BTreeSet::new();
    for (at, member) in (1_usize..).zip(&group.members) {
        if !uris.insert(member.uri.as_str()) {
            return Err(Violation::Unique(format!(
                "group/list-service/list/entry%5B{at}%5D/@uri"
            )));
        }
    }
    for external in &group.externals {
        absolute_http(external.anchor.as_deref())?;
    }
    Ok(())
}

pub(crate) fn deferred_list(root: &Element) -> Check {
    let list = DeferredList::from_element(root)?;
    let mut references = BTreeSet::new();
    for (at, message) in (1_usize..).zip(&list.messages) {
        if !references.insert(message.reference.as_str()) {
            return Err(Violation::Unique(format!(
                "deferred-list/history%5B{at}%5D/@history-reference"
            )));
        }
    }
    Ok(())
}

pub(crate) fn history_list(root: &Element) -> Check {
    if !root.is(deferred::NAMESPACE, "history-list") || root.has_text() {
        return Err(Violation::Schema);
    }
    let mut references = BTreeSet::new();
    for (at, history) in (1_usize..).zip(root.elements().filter(|e| e.name().is_in(deferred::NAMESPACE))) {
        if history.name().local() != "history" || history.has_text() {
            return Err(Violation::Schema);
        }
        let child = history
            .child(deferred::NAMESPACE, "history-reference")
            .map(Element::trimmed_text);
        let reference = history
            .attribute("history-reference")
            .map(str::to_owned)
            .or(child);
        if !references.insert(reference.ok_or(Violation::Schema)?) {
            return Err(Violation::Unique(format!(
                "history-list/history%5B{at}%5D/@history-reference"
            )));
        }
    }
    Ok(())
}

fn unique_rules(ruleset: &Ruleset, path: &str, query: &str) -> Check {
    let prefix = if query.is_empty() { "" } else { "cr:" };
    let mut ids = BTreeSet::new();
    for (at, rule) in (1_usize..).zip(&ruleset.rules) {
        if !ids.insert(rule.id.as_str()) {
            return Err(Violation::Unique(format!(
                "{path}/{prefix}rule%5B{at}%5D/@id{query}"
            )));
        }
    }
    Ok(())
}

/// Checks the elements of a tree, each with its path, on a stack of its own.
fn walk(root: &Element, name: &str, check: impl Fn(&Element, &str) -> Check) -> Check {
    let mut pending = vec![(root, name.to_owned())];
    while let Some((element, path)) = pending.pop() {
        check(element, &path)?;
        let inner = element.elements().filter(|e| e.is(lists::NAMESPACE, "list"));
        for (at, list) in (1_usize..).zip(inner) {
            let mut below = path.clone();
            below.push('/');
            encode(&format!("list[{at}]"), &mut below);
            pending.push((list, below));
        }
    }
    Ok(())
}

/// The rules on the children of one list.
fn list_children(list: &Element, path: &str) -> Check {
    let keys = [
        ("list", "name"),
        ("entry", "uri"),
        ("entry-ref", "ref"),
        ("external", "anchor"),
    ];
    for (name, key) in keys {
        let mut seen = BTreeSet::new();
        let children = list.elements().filter(|e| e.is(lists::NAMESPACE, name));
        for (at, child) in (1_usize..).zip(children) {
            let Some(value) = child.attribute(key) else {
                continue;
            };
            if !seen.insert(value) {
                let mut field = path.to_owned();
                field.push('/');
                encode(&format!("{name}[{at}]"), &mut field);
                return Err(Violation::Unique(format!("{field}/@{key}")));
            }
            match name {
                "entry-ref" if value.contains("://") || value.starts_with('/') => {
                    return Err(Violation::Constraint(
                        "a reference to an entry is a relative path",
                    ));
                }
                "external" => absolute_http(Some(value))?,
                _ => {}
            }
        }
    }
    // The schema lets foreign elements come only after all others.
    let mut foreign = false;
    for child in list.elements() {
        let own = child.name().is_in(lists::NAMESPACE);
        if own && foreign {
            return Err(Violation::Schema);
        }
        foreign |= !own;
    }
    Ok(())
}

fn absolute_http(anchor: Option<&str>) -> Check {
    let Some(anchor) = anchor else { return Ok(()) };
    match anchor.split_once("://") {
        Some((scheme, rest))
            if !rest.is_empty()
                && (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")) =>
        {
            Ok(())
        }
        _ => Err(Violation::Constraint("an anchor is an absolute http uri")),
    }
}
