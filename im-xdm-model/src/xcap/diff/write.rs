//! Writing `xcap-diff` documents.

use bytes::Bytes;

use super::super::patch::{tag, with_attributes, with_bindings};
use super::{AttributeState, Component, DocumentChange, ElementState, NAMESPACE, XcapDiff};
use crate::xml::{Attribute, Element, Writer};

pub(super) fn write(diff: &XcapDiff) -> Bytes {
    // The default namespace is left to what the report carries.
    let prefix = free_prefix(diff);
    let mut start = tag::with(
        &format!("<{prefix}:xcap-diff>"),
        &format!("xmlns:{prefix}"),
        NAMESPACE,
    );
    start = tag::with(&start, "xcap-root", &diff.xcap_root);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out.push_str(&with_attributes(&start, &diff.attributes));
    out.push('\n');
    for component in &diff.components {
        match component {
            Component::Document(change) => write_change(change, &prefix, &mut out),
            Component::Element(state) => write_element(state, &prefix, &mut out),
            Component::Attribute(state) => write_attribute(state, &prefix, &mut out),
        }
        out.push('\n');
    }
    for element in &diff.elements {
        write_foreign(element, &mut out);
        out.push('\n');
    }
    close(&prefix, "xcap-diff", &mut out);
    out.push('\n');
    out.into()
}

/// Finds a prefix that nothing in the report uses for something else.
fn free_prefix(diff: &XcapDiff) -> String {
    let bindings = |component: &Component| -> Vec<String> {
        let prefixes = |bindings: &[(String, String)]| -> Vec<String> {
            bindings.iter().map(|(prefix, _)| prefix.clone()).collect()
        };
        match component {
            Component::Document(change) => {
                let operations = change.patch.iter().flatten();
                operations
                    .flat_map(|operation| prefixes(&operation.bindings))
                    .collect()
            }
            Component::Element(state) => prefixes(&state.bindings),
            Component::Attribute(_) => Vec::new(),
        }
    };
    let taken: std::collections::BTreeSet<String> = diff.components.iter().flat_map(bindings).collect();
    let mut prefix = String::from("d");
    while taken.contains(&prefix) {
        prefix.push('d');
    }
    prefix
}

fn open(
    prefix: &str,
    name: &str,
    selector: &str,
    more: &[(&str, Option<&str>)],
    attributes: &[Attribute],
) -> String {
    let mut start = tag::with(&format!("<{prefix}:{name}>"), "sel", selector);
    for (name, value) in more {
        if let Some(value) = value {
            start = tag::with(&start, name, value);
        }
    }
    with_attributes(&start, attributes)
}

fn close(prefix: &str, name: &str, out: &mut String) {
    out.push_str("</");
    out.push_str(prefix);
    out.push(':');
    out.push_str(name);
    out.push('>');
}

fn write_change(change: &DocumentChange, prefix: &str, out: &mut String) {
    let etags = [
        ("previous-etag", change.previous_etag.as_deref()),
        ("new-etag", change.new_etag.as_deref()),
    ];
    out.push_str(&open(
        prefix,
        "document",
        &change.selector,
        &etags,
        &change.attributes,
    ));
    if change.body_not_changed {
        out.push('<');
        out.push_str(prefix);
        out.push_str(":body-not-changed/>");
    }
    for operation in change.patch.iter().flatten() {
        operation.write(prefix, out);
    }
    for element in &change.elements {
        write_foreign(element, out);
    }
    close(prefix, "document", out);
}

fn write_element(state: &ElementState, prefix: &str, out: &mut String) {
    let exists = [("exists", state.exists.map(crate::document::truth))];
    let start = open(prefix, "element", &state.selector, &exists, &state.attributes);
    out.push_str(&with_bindings(&start, &state.bindings));
    out.push_str(state.content.as_deref().unwrap_or_default());
    close(prefix, "element", out);
}

fn write_attribute(state: &AttributeState, prefix: &str, out: &mut String) {
    let exists = [("exists", state.exists.map(crate::document::truth))];
    out.push_str(&open(
        prefix,
        "attribute",
        &state.selector,
        &exists,
        &state.attributes,
    ));
    for c in state.value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            c => out.push(c),
        }
    }
    close(prefix, "attribute", out);
}

/// Writes an element of another namespace, which declares all that it uses.
fn write_foreign(element: &Element, out: &mut String) {
    let text = Writer::new().without_declaration().write(element);
    out.push_str(&String::from_utf8_lossy(&text));
}
