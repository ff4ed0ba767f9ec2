//! Namespace bindings in scope, bounded, with one stack for all depths.

use std::sync::Arc;

use super::name::{XML_NAMESPACE, XMLNS_NAMESPACE};

/// The bindings in scope; innermost last.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    bindings: Vec<Binding>,
    /// All names that the document has bound, so that each is stored once.
    names: Vec<Arc<str>>,
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
            names: Vec::new(),
            xml: Arc::from(XML_NAMESPACE),
        }
    }

    /// Binds a prefix, empty for the default, at the given depth; `Err` when the document has too many names.
    pub(crate) fn bind(
        &mut self,
        depth: usize,
        prefix: &str,
        namespace: &str,
        limit: usize,
    ) -> Result<(), ()> {
        if self.bindings.len() >= limit {
            return Err(());
        }
        let namespace = match self.names.iter().find(|name| &***name == namespace) {
            Some(known) => Some(Arc::clone(known)),
            None if namespace.is_empty() => None,
            None if self.names.len() >= limit => return Err(()),
            None => {
                let name: Arc<str> = Arc::from(namespace);
                self.names.push(Arc::clone(&name));
                Some(name)
            }
        };
        self.bindings.push(Binding {
            depth,
            prefix: prefix.into(),
            namespace,
        });
        Ok(())
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
