//! Namespace bindings in scope, bounded, with one stack for all depths.

use std::sync::Arc;

use super::name::{XML_NAMESPACE, XMLNS_NAMESPACE};

/// The bindings in scope; innermost last.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    bindings: Vec<Binding>,
    xml: Arc<str>,
}

#[derive(Debug, Clone)]
struct Binding {
    depth: usize,
    /// Empty for the default namespace.
    prefix: Box<str>,
    /// `None` when the default namespace is switched off.
    namespace: Option<Arc<str>>,
}

impl Scope {
    pub(crate) fn new() -> Self {
        Self {
            bindings: Vec::new(),
            xml: Arc::from(XML_NAMESPACE),
        }
    }

    /// Binds a prefix, empty for the default, at the given depth.
    pub(crate) fn bind(&mut self, depth: usize, prefix: &str, namespace: &str) {
        // Documents repeat the same declaration on siblings; the name is then shared only while both are in scope.
        let known = self
            .bindings
            .iter()
            .filter_map(|b| b.namespace.as_ref())
            .find(|n| &***n == namespace)
            .cloned();
        let namespace = (!namespace.is_empty()).then(|| known.unwrap_or_else(|| Arc::from(namespace)));
        self.bindings.push(Binding {
            depth,
            prefix: prefix.into(),
            namespace,
        });
    }

    /// Forgets what was bound at this depth or deeper.
    pub(crate) fn leave(&mut self, depth: usize) {
        while self.bindings.last().is_some_and(|b| b.depth >= depth) {
            self.bindings.pop();
        }
    }

    /// Resolves the prefix of an element; `Err` when it is not bound.
    pub(crate) fn resolve(&self, prefix: Option<&str>) -> Result<Option<Arc<str>>, ()> {
        if prefix == Some("xml") {
            return Ok(Some(Arc::clone(&self.xml)));
        }
        let wanted = prefix.unwrap_or_default();
        match self.bindings.iter().rev().find(|b| &*b.prefix == wanted) {
            Some(binding) => Ok(binding.namespace.clone()),
            None if prefix.is_none() => Ok(None),
            None => Err(()),
        }
    }

    /// Resolves the prefix of an attribute, to which no default applies.
    pub(crate) fn resolve_attribute(&self, prefix: Option<&str>) -> Result<Option<Arc<str>>, ()> {
        match prefix {
            None => Ok(None),
            some => self.resolve(some),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.bindings.len()
    }

    /// Tells whether a declaration is one that Namespaces in XML 1.0 allows.
    pub(crate) fn may_bind(prefix: &str, namespace: &str) -> bool {
        match prefix {
            "xmlns" => false,
            "xml" => namespace == XML_NAMESPACE,
            "" => namespace != XML_NAMESPACE && namespace != XMLNS_NAMESPACE,
            _ => !namespace.is_empty() && namespace != XML_NAMESPACE && namespace != XMLNS_NAMESPACE,
        }
    }
}
