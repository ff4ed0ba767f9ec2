//! Namespace bindings in scope, bounded, with one stack for all depths.

use std::borrow::Cow;
use std::sync::Arc;

use super::name::{XML_NAMESPACE, XMLNS_NAMESPACE};

/// The namespaces of a document, each stored once and known by its number.
#[derive(Debug, Clone)]
pub(crate) struct Namespaces(Vec<Arc<str>>);

/// A namespace of a document, or that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NamespaceId(u32);

/// The bindings in scope; innermost last.
#[derive(Debug, Clone)]
pub(crate) struct Scope<'a> {
    bindings: Vec<Binding<'a>>,
    pub(crate) namespaces: Namespaces,
}

#[derive(Debug, Clone)]
struct Binding<'a> {
    /// Empty for the default namespace.
    prefix: Cow<'a, str>,
    namespace: NamespaceId,
}

impl NamespaceId {
    /// No namespace.
    pub(crate) const NONE: Self = Self(0);
    const XML: Self = Self(1);
}

impl Default for Namespaces {
    fn default() -> Self {
        Self(vec![Arc::from(""), Arc::from(XML_NAMESPACE)])
    }
}

impl Namespaces {
    /// The name, empty when there is none.
    pub(crate) fn name(&self, id: NamespaceId) -> &str {
        self.get(id).map(|name| &**name).unwrap_or_default()
    }

    /// The name, unless there is none.
    pub(crate) fn shared(&self, id: NamespaceId) -> Option<Arc<str>> {
        (id != NamespaceId::NONE).then(|| self.get(id).map(Arc::clone))?
    }

    fn get(&self, NamespaceId(id): NamespaceId) -> Option<&Arc<str>> {
        self.0.get(usize::try_from(id).ok()?)
    }

    /// Finds or adds a name; `None` when there are too many.
    fn number(&mut self, name: &str, limit: usize) -> Option<NamespaceId> {
        let at = match self.0.iter().position(|known| &**known == name) {
            Some(at) => at,
            // The names of no namespace and of `xml` are always there.
            None if self.0.len() >= limit.saturating_add(2) => return None,
            None => {
                self.0.push(Arc::from(name));
                self.0.len().saturating_sub(1)
            }
        };
        u32::try_from(at).ok().map(NamespaceId)
    }
}

impl<'a> Scope<'a> {
    pub(crate) fn new() -> Self {
        Self {
            bindings: Vec::new(),
            namespaces: Namespaces::default(),
        }
    }

    /// How many bindings there are, to forget the later ones with [`Scope::leave`].
    pub(crate) fn len(&self) -> usize {
        self.bindings.len()
    }

    /// Binds a prefix, empty for the default; `None` when the document has too many bindings or names.
    pub(crate) fn bind(
        &mut self,
        prefix: Cow<'a, str>,
        namespace: &str,
        limit: usize,
    ) -> Option<NamespaceId> {
        if self.bindings.len() >= limit {
            return None;
        }
        let namespace = self.namespaces.number(namespace, limit)?;
        self.bindings.push(Binding { prefix, namespace });
        Some(namespace)
    }

    /// Forgets all bindings after the first ones.
    pub(crate) fn leave(&mut self, len: usize) {
        self.bindings.truncate(len);
    }

    /// Resolves the prefix of an element, empty for none; `None` when it is not bound.
    pub(crate) fn resolve(&self, prefix: &str) -> Option<NamespaceId> {
        match self.bindings.iter().rev().find(|b| b.prefix == prefix) {
            Some(binding) => Some(binding.namespace),
            None if prefix.is_empty() => Some(NamespaceId::NONE),
            None => (prefix == "xml").then_some(NamespaceId::XML),
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
