//! Deterministic writing: the same tree gives the same octets.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::chars::{is_char, is_ncname};
use super::element::{Element, Node};
use super::name::{Name, XML_NAMESPACE};

/// Writes trees as documents.
///
/// All namespaces are declared at the root: the root's own as the default one, the others with the prefixes they are
/// known by. A character that no document may hold is written as U+FFFD, so that the output is always well-formed.
///
/// # Examples
///
/// ```
/// use im_xdm_model::xml::{Element, Name, Writer};
///
/// let mut root = Element::new(Name::new(Some("urn:x"), "a")?);
/// root.push_text("1 < 2");
/// let octets = Writer::new().without_declaration().write(&root);
/// assert_eq!(octets, r#"<a xmlns="urn:x">1 &lt; 2</a>"#);
/// # Ok::<(), im_xdm_model::xml::NameError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Writer {
    without_declaration: bool,
    prefixes: Vec<(String, String)>,
}

impl Writer {
    /// Makes a writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves the XML declaration out.
    #[must_use]
    pub fn without_declaration(mut self) -> Self {
        self.without_declaration = true;
        self
    }

    /// Prefers a prefix for a namespace; one that is no name, is reserved or is taken is not used.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>, namespace: impl Into<String>) -> Self {
        self.prefixes.push((prefix.into(), namespace.into()));
        self
    }

    /// Writes a tree.
    pub fn write(&self, root: &Element) -> Bytes {
        let names = self.bindings(root);
        let mut out = String::new();
        if !self.without_declaration {
            out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        }
        names.open(root, true, &mut out);
        let mut open = vec![(root, root.children().iter())];
        while let Some((element, children)) = open.last_mut() {
            match children.next() {
                Some(Node::Text(text)) => escape(text, false, &mut out),
                Some(Node::Element(child)) => {
                    names.open(child, false, &mut out);
                    if !child.children().is_empty() {
                        open.push((child, child.children().iter()));
                    }
                }
                None => {
                    if !element.children().is_empty() {
                        out.push_str("</");
                        names.name(element.name(), true, &mut out);
                        out.push('>');
                    }
                    open.pop();
                }
            }
        }
        Bytes::from(out)
    }

    /// Chooses the prefixes of all namespaces of a tree, in the order in which the tree names them.
    fn bindings(&self, root: &Element) -> Bindings {
        let mut bindings = Bindings {
            default: root.name().namespace().map(str::to_owned),
            ..Bindings::default()
        };
        let mut elements_without = false;
        let mut wanted: Vec<&str> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut pending = vec![root];
        while let Some(element) = pending.pop() {
            match element.name().namespace() {
                None => elements_without = true,
                Some(namespace)
                    if Some(namespace) != bindings.default.as_deref() && seen.insert(namespace) =>
                {
                    wanted.push(namespace);
                }
                Some(_) => {}
            }
            for attribute in element.attributes() {
                if let Some(namespace) = attribute.name.namespace()
                    && seen.insert(namespace)
                {
                    wanted.push(namespace);
                }
            }
            let children: Vec<_> = element.elements().collect();
            pending.extend(children.into_iter().rev());
        }
        // An element in no namespace cannot stand below a default namespace.
        if elements_without && let Some(namespace) = bindings.default.take() {
            if let Some(namespace) = root.name().namespace()
                && seen.insert(namespace)
            {
                wanted.insert(0, namespace);
            }
            drop(namespace);
        }
        for namespace in wanted {
            self.bind(namespace, &mut bindings);
        }
        bindings
    }

    fn bind(&self, namespace: &str, bindings: &mut Bindings) {
        if namespace == XML_NAMESPACE {
            return;
        }
        let preferred = self.prefixes.iter().map(|(p, n)| (p.as_str(), n.as_str()));
        let known = preferred.chain(KNOWN.iter().copied()).find(|(prefix, known)| {
            *known == namespace
                && is_ncname(prefix)
                && !prefix.get(..3).is_some_and(|p| p.eq_ignore_ascii_case("xml"))
                && !bindings.taken.contains(*prefix)
        });
        let prefix = if let Some((prefix, _)) = known {
            prefix.to_owned()
        } else {
            let mut number = bindings.order.len().saturating_add(1);
            loop {
                let prefix = format!("ns{number}");
                if !bindings.taken.contains(&prefix) {
                    break prefix;
                }
                number = number.saturating_add(1);
            }
        };
        bindings.taken.insert(prefix.clone());
        bindings.prefixes.insert(namespace.to_owned(), prefix.clone());
        bindings.order.push((prefix, namespace.to_owned()));
    }
}

#[derive(Debug, Default)]
struct Bindings {
    default: Option<String>,
    prefixes: BTreeMap<String, String>,
    taken: BTreeSet<String>,
    order: Vec<(String, String)>,
}

impl Bindings {
    fn open(&self, element: &Element, root: bool, out: &mut String) {
        out.push('<');
        self.name(element.name(), true, out);
        if root {
            if let Some(default) = &self.default {
                attribute("xmlns", default, out);
            }
            for (prefix, namespace) in &self.order {
                attribute(&format!("xmlns:{prefix}"), namespace, out);
            }
        }
        for known in element.attributes() {
            out.push(' ');
            self.name(&known.name, false, out);
            out.push_str("=\"");
            escape(&known.value, true, out);
            out.push('"');
        }
        out.push_str(if element.children().is_empty() { "/>" } else { ">" });
    }

    fn name(&self, name: &Name, element: bool, out: &mut String) {
        let prefix = match name.namespace() {
            None => None,
            Some(XML_NAMESPACE) => Some("xml"),
            Some(namespace) if element && self.default.as_deref() == Some(namespace) => None,
            Some(namespace) => self.prefixes.get(namespace).map(String::as_str),
        };
        if let Some(prefix) = prefix {
            out.push_str(prefix);
            out.push(':');
        }
        out.push_str(name.local());
    }
}

fn attribute(name: &str, value: &str, out: &mut String) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escape(value, true, out);
    out.push('"');
}

/// Writes text so that reading gives it back, white space included.
fn escape(text: &str, attribute: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            '"' if attribute => out.push_str("&quot;"),
            '\t' if attribute => out.push_str("&#9;"),
            '\n' if attribute => out.push_str("&#10;"),
            c if is_char(c) => out.push(c),
            _ => out.push('\u{FFFD}'),
        }
    }
}

/// The prefixes that the documents of this crate are usually written with.
const KNOWN: &[(&str, &str)] = &[
    ("rl", "urn:ietf:params:xml:ns:resource-lists"),
    ("cp", "urn:ietf:params:xml:ns:copycontrol"),
    ("cr", "urn:ietf:params:xml:ns:common-policy"),
    ("ocr", "urn:oma:xml:xdm:common-policy"),
    ("oxe", "urn:oma:xml:xdm:extensions"),
    ("ls", "urn:oma:xml:poc:list-service"),
    ("poc", "urn:oma:xml:poc:poc-rules"),
    ("pr", "urn:ietf:params:xml:ns:pres-rules"),
    ("ci", "urn:ietf:params:xml:ns:conference-info"),
    ("xcon", "urn:ietf:params:xml:ns:xcon-conference-info"),
    ("im", "urn:oma:xml:im:history-list"),
    ("ims", "urn:oma:xml:im:service-settings"),
    ("dm", "urn:ietf:params:xml:ns:pidf:data-model"),
    ("rpid", "urn:ietf:params:xml:ns:pidf:rpid"),
    ("gr", "urn:ietf:params:xml:ns:gruuinfo"),
    ("xsi", "http://www.w3.org/2001/XMLSchema-instance"),
];
