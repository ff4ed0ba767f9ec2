//! Operations as elements of a document, whose format defines their namespace (RFC 5261 section 8).

use super::tag;
use super::tree::Tree;
use super::{Addition, Change, Operation, WhiteSpace};
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{Attribute, Limits, Name, split_qname};

/// Reads the operations that are children of the root element, in the namespace of the format.
///
/// Other children belong to the format and are left out.
///
/// # Errors
///
/// Fails when the text is not well-formed, or an operation is not as its schema has it.
///
/// # Examples
///
/// ```
/// use im_xdm_model::xcap::patch::{Limits, apply, operations};
///
/// let patch = r#"<diff xmlns:t="urn:t"><replace sel="t:a/@b">2</replace></diff>"#;
/// let patch = operations(patch, "", &im_xdm_model::xml::Limits::default())?;
/// assert_eq!(apply(r#"<a xmlns="urn:t" b="1"/>"#, &patch, &Limits::default())?, r#"<a xmlns="urn:t" b="2"/>"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn operations(text: &str, namespace: &str, limits: &Limits) -> Result<Vec<Operation>, DocumentError> {
    let tree = Tree::parse(text, limits)?;
    let children = tree.root().map(|root| tree.children(root)).unwrap_or_default();
    let read = children
        .iter()
        .filter_map(|child| operation_of(&tree, *child, namespace));
    read.collect::<Result<_, _>>()
        .map_err(|error: DocumentError| error.within(text.as_bytes()))
}

/// Reads an operation; `None` when the node is something else.
pub(in crate::xcap) fn operation_of(
    tree: &Tree<'_>,
    at: usize,
    namespace: &str,
) -> Option<Result<Operation, DocumentError>> {
    let names = ["add", "replace", "remove"];
    let name = names.iter().find(|name| tree.is_element(at, namespace, name))?;
    Some(read(tree, at, namespace, name).map_err(|kind| DocumentError::at(tree.place(at), kind)))
}

fn read(
    tree: &Tree<'_>,
    at: usize,
    namespace: &str,
    name: &'static str,
) -> Result<Operation, DocumentErrorKind> {
    let start = tree.start(at).unwrap_or_default();
    let (mut selector, mut pos, mut kind, mut ws) = (None, None, None, None);
    let mut extensions = Vec::new();
    for read in tag::attributes(start) {
        match (name, read.name) {
            (_, "sel") => selector = Some(read.value),
            ("add", "pos") => pos = Some(read.value),
            ("add", "type") => kind = Some(read.value),
            ("remove", "ws") => ws = Some(read.value),
            (_, qname) => extensions.extend(foreign(tree, at, qname, &read.value)),
        }
    }
    let content = tree.write_content(at);
    let change = match name {
        "add" => Change::Add {
            what: addition(pos.as_deref(), kind.as_deref())?,
            content,
        },
        "replace" => Change::Replace { content },
        _ if !content.is_empty() => return Err(DocumentErrorKind::UnexpectedText("remove")),
        _ => Change::Remove {
            white_space: match ws.as_deref() {
                None => None,
                Some("before") => Some(WhiteSpace::Before),
                Some("after") => Some(WhiteSpace::After),
                Some("both") => Some(WhiteSpace::Both),
                Some(_) => return Err(DocumentErrorKind::BadValue("ws")),
            },
        },
    };
    let selector = selector.ok_or(DocumentErrorKind::MissingAttribute("sel"))?;
    let texts = [
        &selector,
        kind.as_deref().unwrap_or_default(),
        content_of(&change),
    ];
    Ok(Operation {
        bindings: bindings(tree, at, namespace, &texts),
        selector,
        change,
        extensions,
    })
}

fn content_of(change: &Change) -> &str {
    match change {
        Change::Add { content, .. } | Change::Replace { content } => content,
        Change::Remove { .. } => "",
    }
}

/// Lists what prefixes mean at an element, those left out that no text mentions, and that of the format itself.
pub(in crate::xcap) fn bindings(
    tree: &Tree<'_>,
    at: usize,
    format: &str,
    texts: &[&str],
) -> Vec<(String, String)> {
    let mentioned = |prefix: &str| {
        let mark = format!("{prefix}:");
        prefix.is_empty() || texts.iter().any(|text| text.contains(&mark))
    };
    let scope = tree.scope(at).into_iter();
    scope
        .filter(|(prefix, namespace)| namespace != format && mentioned(prefix))
        .collect()
}

fn addition(pos: Option<&str>, kind: Option<&str>) -> Result<Addition, DocumentErrorKind> {
    if let Some(kind) = kind {
        let bad = DocumentErrorKind::BadValue("type");
        if let Some(name) = kind.strip_prefix('@').filter(|name| split_qname(name).is_some()) {
            return Ok(Addition::Attribute(name.to_owned()));
        }
        let prefix = kind.strip_prefix("namespace::").ok_or(bad)?;
        return match split_qname(prefix) {
            Some((None, prefix)) => Ok(Addition::Namespace(prefix.to_owned())),
            _ => Err(bad),
        };
    }
    match pos {
        None => Ok(Addition::Append),
        Some("prepend") => Ok(Addition::Prepend),
        Some("before") => Ok(Addition::Before),
        Some("after") => Ok(Addition::After),
        Some(_) => Err(DocumentErrorKind::BadValue("pos")),
    }
}

/// Reads an attribute that a schema does not know.
pub(in crate::xcap) fn foreign(tree: &Tree<'_>, at: usize, qname: &str, value: &str) -> Option<Attribute> {
    let (prefix, local) = split_qname(qname)?;
    let namespace = prefix.and_then(|prefix| tree.namespace(at, prefix));
    Some(Attribute::new(
        Name::new(namespace.as_deref(), local).ok()?,
        value,
    ))
}
