//! Operations as elements of a document.

use super::{Addition, Change, Operation, WhiteSpace, tag};
use crate::xml::XML_NAMESPACE;

impl Operation {
    /// Writes the operation as an element with this prefix, which what is around it must bind.
    pub(in crate::xcap) fn write(&self, prefix: &str, out: &mut String) {
        let (name, content) = match &self.change {
            Change::Add { content, .. } => ("add", content.as_str()),
            Change::Replace { content } => ("replace", content.as_str()),
            Change::Remove { .. } => ("remove", ""),
        };
        let mut start = tag::with(&format!("<{prefix}:{name}>"), "sel", &self.selector);
        let more = match &self.change {
            Change::Add { what, .. } => match what {
                Addition::Append => None,
                Addition::Prepend => Some(("pos", "prepend".to_owned())),
                Addition::Before => Some(("pos", "before".to_owned())),
                Addition::After => Some(("pos", "after".to_owned())),
                Addition::Attribute(name) => Some(("type", format!("@{name}"))),
                Addition::Namespace(prefix) => Some(("type", format!("namespace::{prefix}"))),
            },
            Change::Replace { .. } => None,
            Change::Remove { white_space } => white_space.map(|place| {
                let place = match place {
                    WhiteSpace::Before => "before",
                    WhiteSpace::After => "after",
                    WhiteSpace::Both => "both",
                };
                ("ws", place.to_owned())
            }),
        };
        if let Some((name, value)) = more {
            start = tag::with(&start, name, &value);
        }
        start = with_bindings(&start, &self.bindings);
        start = with_attributes(&start, &self.extensions);
        out.push_str(&start);
        if content.is_empty() {
            out.pop();
            out.push_str("/>");
        } else {
            out.push_str(content);
            out.push_str("</");
            out.push_str(prefix);
            out.push(':');
            out.push_str(name);
            out.push('>');
        }
    }
}

/// Adds declarations to a start tag.
pub(in crate::xcap) fn with_bindings(start: &str, bindings: &[(String, String)]) -> String {
    let mut start = start.to_owned();
    for (prefix, namespace) in bindings.iter().filter(|(prefix, _)| prefix != "xml") {
        let name = if prefix.is_empty() {
            "xmlns".to_owned()
        } else {
            format!("xmlns:{prefix}")
        };
        start = tag::with(&start, &name, namespace);
    }
    start
}

/// Adds attributes of other namespaces to a start tag, each with a prefix of its own where nothing else says what it
/// means.
pub(in crate::xcap) fn with_attributes(start: &str, attributes: &[crate::xml::Attribute]) -> String {
    let mut start = start.to_owned();
    for attribute in attributes {
        let local = attribute.name.local();
        let name = match attribute.name.namespace() {
            None => local.to_owned(),
            Some(XML_NAMESPACE) => format!("xml:{local}"),
            Some(namespace) => {
                let declared: Vec<(String, String)> = tag::declarations(&start)
                    .map(|(prefix, namespace)| (prefix.to_owned(), namespace))
                    .collect();
                let known = declared
                    .iter()
                    .find(|(prefix, bound)| !prefix.is_empty() && bound == namespace);
                let prefix = if let Some((prefix, _)) = known {
                    prefix.clone()
                } else {
                    let taken = |name: &String| declared.iter().any(|(prefix, _)| prefix == name);
                    let mut free = (1_usize..).map(|number| format!("x{number}")).skip_while(taken);
                    let prefix = free.next().unwrap_or_default();
                    start = tag::with(&start, &format!("xmlns:{prefix}"), namespace);
                    prefix
                };
                format!("{prefix}:{local}")
            }
        };
        start = tag::with(&start, &name, &attribute.value);
    }
    start
}
