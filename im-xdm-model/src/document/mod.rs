//! The documents, each a type of its own with `parse` and `write`.
//!
//! Documents that users store (lists, groups, rules) refuse an element of their own namespace that has no place in
//! them. Notifications (conference state, disposition notifications, composing indications) are read tolerantly. What
//! comes from other namespaces is carried along by both.

mod state;
mod tokens;

pub mod access_rules;
pub mod conference_info;
pub mod deferred;
pub mod group;
pub mod history;
pub mod im_settings;
pub mod imdn;
pub mod is_composing;
pub mod pidf;
pub mod reginfo;
pub mod resource_lists;
pub mod rls_services;
pub mod user_profile;
pub mod watcherinfo;

pub use access_rules::{
    Action, AllowInvite, Condition, Except, IdentityMatch, Permission, Rule, Ruleset, SubHandling, Validity,
};
pub use conference_info::ConferenceInfo;
pub use deferred::DeferredList;
pub use group::Group;
pub use history::HistoryList;
pub use im_settings::ImSettings;
pub use imdn::Imdn;
pub use is_composing::IsComposing;
pub use pidf::Presence;
pub use reginfo::Reginfo;
pub use resource_lists::{CopyControl, DisplayName, Entry, EntryRef, External, Item, List, ResourceLists};

pub use rls_services::RlsServices;
pub use state::{DocumentState, Updated};
pub use user_profile::UserProfile;
pub use watcherinfo::Watcherinfo;

use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{Attribute, AttributeRef, DateTime, Element, Limits, NameRef, Tree, TreeNode, is_space};

/// Reads a document: its text becomes a tree, and the tree what `read` makes of it.
pub(crate) fn read<T>(
    input: &[u8],
    limits: &Limits,
    read: impl FnOnce(TreeNode<'_>) -> Result<T, DocumentError>,
) -> Result<T, DocumentError> {
    let tree = Tree::parse(input, limits)?;
    read(tree.root()?).map_err(|error| error.within(input))
}

/// Reads a document that is there as a tree of its own.
pub(crate) fn reread<T>(
    root: &Element,
    parse: fn(&[u8], &Limits) -> Result<T, DocumentError>,
) -> Result<T, DocumentError> {
    parse(&root.to_bytes(), &Limits::unbounded())
}

pub(crate) fn expect(root: TreeNode<'_>, namespace: &str, local: &'static str) -> Result<(), DocumentError> {
    if root.is(namespace, local) {
        Ok(())
    } else {
        Err(DocumentError::at(root, DocumentErrorKind::WrongRoot(local)))
    }
}

/// Checks that an element holds no character data.
pub(crate) fn elements_only(element: TreeNode<'_>, place: &'static str) -> Result<(), DocumentError> {
    if element.has_text() {
        Err(DocumentError::at(
            element,
            DocumentErrorKind::UnexpectedText(place),
        ))
    } else {
        Ok(())
    }
}

/// Returns the attributes of other namespaces, and refuses those in no namespace that are not known here.
pub(crate) fn other_attributes(
    element: TreeNode<'_>,
    place: &'static str,
    is_known: impl Fn(NameRef<'_>) -> bool,
) -> Result<Vec<Attribute>, DocumentError> {
    let mut others = Vec::new();
    for attribute in element.attributes() {
        if is_known(attribute.name) {
            continue;
        }
        if attribute.name.namespace().is_none() {
            return Err(DocumentError::at(
                element,
                DocumentErrorKind::UnexpectedAttribute(place),
            ));
        }
        others.push(attribute.to_owned());
    }
    Ok(others)
}

pub(crate) fn required(element: TreeNode<'_>, name: &'static str) -> Result<String, DocumentError> {
    element
        .attribute(name)
        .map(str::to_owned)
        .ok_or_else(|| DocumentError::at(element, DocumentErrorKind::MissingAttribute(name)))
}

/// Stores the only value of an element that may be there once.
pub(crate) fn once<T>(
    slot: &mut Option<T>,
    value: T,
    element: TreeNode<'_>,
    name: &'static str,
) -> Result<(), DocumentError> {
    if slot.is_some() {
        return Err(DocumentError::at(
            element,
            DocumentErrorKind::RepeatedElement(name),
        ));
    }
    *slot = Some(value);
    Ok(())
}

/// Reads `xs:boolean`.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.trim_matches(is_space) {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// Reads `xs:nonNegativeInteger` as far as the type holds it.
pub(crate) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = text.trim_matches(is_space);
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

pub(crate) fn boolean_of(element: TreeNode<'_>, place: &'static str) -> Result<bool, DocumentError> {
    boolean(&element.text()).ok_or_else(|| DocumentError::at(element, DocumentErrorKind::BadValue(place)))
}

pub(crate) fn number_of<T: std::str::FromStr>(
    element: TreeNode<'_>,
    place: &'static str,
) -> Result<T, DocumentError> {
    number(&element.text()).ok_or_else(|| DocumentError::at(element, DocumentErrorKind::BadValue(place)))
}

pub(crate) const fn truth(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// Returns the attributes other than the named ones, which are in no namespace.
pub(crate) fn other_than(element: TreeNode<'_>, known: &[&str]) -> Vec<Attribute> {
    element
        .attributes()
        .filter(|a| a.name.namespace().is_some() || !known.contains(&a.name.local()))
        .map(AttributeRef::to_owned)
        .collect()
}

/// Reads an attribute that need not be there.
pub(crate) fn optional<T>(
    element: TreeNode<'_>,
    name: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, DocumentError> {
    let bad = || DocumentError::at(element, DocumentErrorKind::BadValue(name));
    element
        .attribute(name)
        .map(|text| read(text).ok_or_else(bad))
        .transpose()
}

/// Reads an attribute that must be there.
pub(crate) fn required_as<T>(
    element: TreeNode<'_>,
    name: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, DocumentError> {
    let missing = || DocumentError::at(element, DocumentErrorKind::MissingAttribute(name));
    optional(element, name, read)?.ok_or_else(missing)
}

/// Reads an `xs:dateTime`.
pub(crate) fn date(text: &str) -> Option<DateTime> {
    text.parse().ok()
}

/// Reads the content of an element as a value.
pub(crate) fn content_of<T>(
    element: TreeNode<'_>,
    place: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, DocumentError> {
    read(&element.text()).ok_or_else(|| DocumentError::at(element, DocumentErrorKind::BadValue(place)))
}
