//! Where a reference of a list leads: which document of the administrative domain, and which element of it.

use crate::document::resource_lists::NAMESPACE;
use crate::document::{Entry, List};
use crate::xcap::{ResourceUri, locate};
use crate::xml::{Limits, Tree};

use super::resolver::ResolverConfig;

/// A reference that stays within the administrative domain.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    /// The root below which the document is, by its place among the roots.
    pub(super) root: usize,
    pub(super) uri: ResourceUri,
}

/// An element that a reference leads to.
pub(super) enum Found {
    List(List),
    Entry(Entry),
}

impl Reference {
    /// Reads an anchor, which is an absolute HTTP URI below one of the roots.
    pub(super) fn of_anchor(anchor: &str, config: &ResolverConfig) -> Option<Self> {
        let (origin, path) = split(anchor.trim())?;
        let found = config.roots.iter().enumerate().find_map(|(at, root)| {
            let (root_origin, root_path) = split(root)?;
            // A root may have no path of its own.
            let root_path = root_path.trim_end_matches('/');
            let uri = (root_origin == origin).then(|| ResourceUri::parse(root_path, path).ok())??;
            Some((at, uri))
        });
        Self::of_lists(found)
    }

    /// Reads the reference of an `entry-ref`, which is relative to the root that its document is below.
    pub(super) fn of_entry(reference: &str, root: usize, config: &ResolverConfig) -> Option<Self> {
        let reference = reference.trim();
        //= https://www.rfc-editor.org/rfc/rfc4826#section-3.1
        //# Specifically, it MUST be a relative path reference, where the base
        //# URI is equal to the XCAP root URI of the document in which the
        //# <entry-ref> appears.
        if reference.starts_with('/') || reference.contains("://") {
            return None;
        }
        let (_, root_path) = split(config.roots.get(root)?)?;
        let root_path = root_path.trim_end_matches('/');
        let uri = ResourceUri::parse(root_path, &format!("{root_path}/{reference}")).ok()?;
        Self::of_lists(Some((root, uri)))
    }

    fn of_lists(found: Option<(usize, ResourceUri)>) -> Option<Self> {
        let (root, uri) = found?;
        let is_clean = |path: &str| !path.split('/').any(|segment| matches!(segment, "." | ".."));
        (uri.auid() == "resource-lists" && is_clean(uri.document_path())).then_some(Self { root, uri })
    }

    /// Names the document.
    pub(super) fn document(&self) -> (usize, String) {
        (self.root, self.uri.document_path().to_owned())
    }

    /// Finds the element in the text of its document, and tells where it begins.
    pub(super) fn select(&self, text: &[u8], limits: &Limits) -> Option<(usize, Found)> {
        let node = self.uri.node()?;
        let (span, bindings) = locate(text, node, NAMESPACE, limits)?;
        let start = span.start;
        let tree = Tree::fragment(text.get(span)?, limits, &bindings).ok()?;
        let root = tree.root().ok()?;
        let found = match root.name().local() {
            "list" if root.name().is_in(NAMESPACE) => Found::List(List::from_node(root).ok()?),
            "entry" if root.name().is_in(NAMESPACE) => Found::Entry(Entry::from_element(root).ok()?),
            _ => return None,
        };
        Some((start, found))
    }
}

/// Splits an absolute HTTP URI into its origin, in one spelling, and its path.
fn split(uri: &str) -> Option<(String, &str)> {
    let (scheme, rest) = uri.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    let at = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(at)?;
    // Who stands before the host is a trick, a host that is escaped is another one, and a query is no path.
    if authority.is_empty() || authority.contains(['@', '%', '?', '#', '\\']) {
        return None;
    }
    let authority = authority.to_ascii_lowercase();
    let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
    Some((format!("{scheme}://{}", authority.trim_end_matches('.')), path))
}
