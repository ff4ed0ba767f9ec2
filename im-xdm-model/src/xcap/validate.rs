//! What the documents of each application usage must look like: schema, unique values, other rules.

use std::borrow::Cow;
use std::collections::HashSet;

use super::error::Exists;
use super::uri::{ResourceUri, Tree, encode};
use super::usage::Violation;
use crate::document::rls_services::Resources;
use crate::document::{
    DeferredList, Group, HistoryList, Item, List, ResourceLists, RlsServices, Ruleset, UserProfile,
    access_rules as rules,
};
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{self, Limits};

/// How many values that are there twice are told at once.
const TOLD: usize = 16;

type Check = Result<(), Violation>;

impl From<DocumentError> for Violation {
    fn from(error: DocumentError) -> Self {
        match error.kind {
            DocumentErrorKind::Xml(kind) => Self::Xml(kind),
            _ => Self::Schema,
        }
    }
}

impl From<xml::XmlError> for Violation {
    fn from(error: xml::XmlError) -> Self {
        Self::Xml(error.kind)
    }
}

/// Anything well-formed.
pub(crate) fn anything(_: &ResourceUri, text: &[u8], limits: &Limits) -> Check {
    Ok(xml::check(text, limits)?)
}

//= https://www.rfc-editor.org/rfc/rfc4826#section-3.4.5
//# The "name" attribute in a <list> element MUST be unique amongst
//# all other "name" attributes of <list> elements within the same
//# parent element.
/// RFC 4826 section 3.4.5.
pub(crate) fn resource_lists(_: &ResourceUri, text: &[u8], limits: &Limits) -> Check {
    let document = ResourceLists::parse(text, limits)?;
    let top: Vec<&List> = document.lists.iter().collect();
    lists_below(&top, "resource-lists")
}

//= https://www.rfc-editor.org/rfc/rfc4826#section-4.4.5
//# The URI in a <resource-list> element MUST be an absolute URI.  The
//# server MUST verify that the URI path contains "resource-lists" in
//# the path segment corresponding to the AUID.
/// RFC 4826 section 4.4.5.
pub(crate) fn rls_services(uri: &ResourceUri, text: &[u8], limits: &Limits) -> Check {
    let document = RlsServices::parse(text, limits)?;
    let mut uris = Unique::of(document.services.len(), Some(suggest_uri));
    for (at, service) in (1_usize..).zip(&document.services) {
        let path = format!("rls-services/service%5B{at}%5D");
        match &service.resources {
            Resources::List(list) => list_content(list, &format!("{path}/list"))?,
            Resources::Reference(reference) => own_resource_list(uri, reference)?,
        }
        uris.add(&service.uri, || format!("{path}/@uri"));
    }
    uris.check()
}

/// Checks what a service refers to: a list on an XCAP server, of the same user when the services are a user's.
fn own_resource_list(document: &ResourceUri, reference: &str) -> Check {
    absolute_http(Some(reference))?;
    // The root may be another server's, so the usage is looked for where a tree comes after it.
    let Some(list) = ResourceUri::parse_anywhere(reference, "resource-lists") else {
        return Err(Violation::Constraint(
            "a resource list is a document of resource-lists",
        ));
    };
    match (document.tree(), list.tree()) {
        (Tree::User(own), Tree::User(other)) if own == other => Ok(()),
        (Tree::User(_), _) => Err(Violation::Constraint(
            "the resource list of a service belongs to the same user",
        )),
        (Tree::Global, _) => Ok(()),
    }
}

pub(crate) fn access_rules(_: &ResourceUri, text: &[u8], limits: &Limits) -> Check {
    unique_rules(&Ruleset::parse(text, limits)?, "ruleset", "")
}

pub(crate) fn group(_: &ResourceUri, text: &[u8], limits: &Limits) -> Check {
    let group = Group::parse(text, limits)?;
    if let Some(ruleset) = &group.ruleset {
        let query = format!("?xmlns(cr={})", rules::NAMESPACE);
        unique_rules(ruleset, "group/list-service/cr:ruleset", &query)?;
    }
    let mut uris = Unique::new(None);
    for (at, member) in (1_usize..).zip(&group.members) {
        uris.add(&member.uri, || {
            format!("group/list-service/list/entry%5B{at}%5D/@uri")
        });
    }
    uris.check()?;
    for external in &group.externals {
        absolute_http(external.anchor.as_deref())?;
    }
    Ok(())
}

pub(crate) fn deferred_list(_: &ResourceUri, text: &[u8], limits: &Limits) -> Check {
    let list = DeferredList::parse(text, limits)?;
    let mut references = Unique::new(None);
    for (at, message) in (1_usize..).zip(&list.messages) {
        references.add(&message.reference, || {
            format!("deferred-list/history%5B{at}%5D/@history-reference")
        });
    }
    references.check()
}

pub(crate) fn history_list(_: &ResourceUri, text: &[u8], limits: &Limits) -> Check {
    let list = HistoryList::parse(text, limits)?;
    let mut references = Unique::new(None);
    for (at, history) in (1_usize..).zip(&list.histories) {
        references.add(&history.reference, || {
            format!("history-list/history%5B{at}%5D/@history-reference")
        });
    }
    references.check()
}

pub(crate) fn user_profile(_: &ResourceUri, text: &[u8], limits: &Limits) -> Check {
    UserProfile::parse(text, limits)?;
    Ok(())
}

fn unique_rules(ruleset: &Ruleset, path: &str, query: &str) -> Check {
    let prefix = if query.is_empty() { "" } else { "cr:" };
    let mut ids = Unique::new(Some(suggest_name));
    for (at, rule) in (1_usize..).zip(&ruleset.rules) {
        ids.add(&rule.id, || format!("{path}/{prefix}rule%5B{at}%5D/@id{query}"));
    }
    ids.check()
}

/// Checks lists beside each other and all that is in them, on a stack of its own.
fn lists_below(top: &[&List], path: &str) -> Check {
    let mut names = Unique::new(Some(suggest_name));
    let mut pending = Vec::new();
    for (at, list) in (1_usize..).zip(top) {
        let below = position(path, "list", at);
        if let Some(name) = &list.name {
            names.add(name, || format!("{below}/@name"));
        }
        pending.push((*list, below));
    }
    names.check()?;
    pending.reverse();
    while let Some((list, path)) = pending.pop() {
        let before = pending.len();
        list_children(list, &path, &mut pending)?;
        if let Some(added) = pending.get_mut(before..) {
            added.reverse();
        }
    }
    Ok(())
}

/// Checks the content of one list.
fn list_content(list: &List, path: &str) -> Check {
    let mut pending = vec![(list, path.to_owned())];
    while let Some((list, path)) = pending.pop() {
        list_children(list, &path, &mut pending)?;
    }
    Ok(())
}

/// The rules on the children of one list; those that are lists are left to be checked in their turn.
fn list_children<'l>(list: &'l List, path: &str, pending: &mut Vec<(&'l List, String)>) -> Check {
    let mut names = Unique::new(Some(suggest_name));
    let (mut uris, mut references, mut anchors) = (Unique::new(None), Unique::new(None), Unique::new(None));
    let (mut lists, mut entries, mut refs, mut externals) = (0_usize, 0_usize, 0_usize, 0_usize);
    let mut foreign = false;
    for child in &list.children {
        // The schema lets foreign elements come only after all others.
        if foreign && !matches!(child, Item::Other(_)) {
            return Err(Violation::Schema);
        }
        match child {
            Item::List(inner) => {
                lists = lists.saturating_add(1);
                let below = position(path, "list", lists);
                if let Some(name) = &inner.name {
                    names.add(name, || format!("{below}/@name"));
                }
                pending.push((inner, below));
            }
            Item::Entry(entry) => {
                entries = entries.saturating_add(1);
                uris.add(&entry.uri, || {
                    format!("{}/@uri", position(path, "entry", entries))
                });
            }
            Item::EntryRef(entry) => {
                refs = refs.saturating_add(1);
                let reference = &entry.reference;
                references.add(reference, || {
                    format!("{}/@ref", position(path, "entry-ref", refs))
                });
                if has_scheme(reference) || reference.starts_with('/') {
                    return Err(Violation::Constraint(
                        "a reference to an entry is a relative path",
                    ));
                }
            }
            Item::External(external) => {
                externals = externals.saturating_add(1);
                if let Some(anchor) = &external.anchor {
                    anchors.add(anchor, || {
                        format!("{}/@anchor", position(path, "external", externals))
                    });
                }
                absolute_http(external.anchor.as_deref())?;
            }
            Item::Other(_) => foreign = true,
        }
    }
    names.check()?;
    uris.check()?;
    references.check()?;
    anchors.check()
}

/// Writes the path of a child by its position.
fn position(path: &str, name: &str, at: usize) -> String {
    let mut below = path.to_owned();
    below.push('/');
    encode(&format!("{name}[{at}]"), &mut below);
    below
}

/// Tells whether a reference begins with a scheme (RFC 3986 section 3.1).
fn has_scheme(reference: &str) -> bool {
    let before = reference.find(['/', '?', '#']).unwrap_or(reference.len());
    reference.get(..before).is_some_and(|first| {
        first.split_once(':').is_some_and(|(scheme, _)| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        })
    })
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

/// How another value is made of one that is taken, given a number.
type Suggest = fn(&str, usize) -> String;

/// Values that must differ from each other, compared as text.
struct Unique<'v> {
    seen: HashSet<Cow<'v, str>>,
    suggest: Option<Suggest>,
    /// Where a value is there again, and which.
    again: Vec<(String, Cow<'v, str>)>,
}

impl<'v> Unique<'v> {
    fn new(suggest: Option<Suggest>) -> Self {
        Self::of(0, suggest)
    }

    /// Makes room for so many values.
    fn of(count: usize, suggest: Option<Suggest>) -> Self {
        Self {
            seen: HashSet::with_capacity(count),
            suggest,
            again: Vec::new(),
        }
    }

    fn add(&mut self, value: impl Into<Cow<'v, str>>, field: impl FnOnce() -> String) {
        if let Some(known) = self.seen.replace(value.into())
            && self.again.len() < TOLD
        {
            self.again.push((field(), known));
        }
    }

    fn check(self) -> Check {
        if self.again.is_empty() {
            return Ok(());
        }
        let exists = self.again.iter().map(|(field, value)| {
            let is_free = |other: &String| !self.seen.contains(other.as_str());
            let free = self
                .suggest
                .and_then(|suggest| (2..TOLD).map(|number| suggest(value, number)).find(is_free));
            let mut exists = Exists::new(field);
            exists.alternatives.extend(free);
            exists
        });
        Err(Violation::Unique(exists.collect()))
    }
}

fn suggest_name(name: &str, number: usize) -> String {
    format!("{name}-{number}")
}

/// Puts the number behind the user part.
pub(crate) fn suggest_uri(uri: &str, number: usize) -> String {
    match uri.split_once('@') {
        Some((user, host)) => format!("{user}-{number}@{host}"),
        None => suggest_name(uri, number),
    }
}
