//! Expanded names: a namespace and a local part (Namespaces in XML 1.0).

use std::fmt;
use std::sync::Arc;

use super::chars::is_ncname;

/// The namespace that the prefix `xml` is bound to.
pub const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// The namespace that the prefix `xmlns` is bound to.
pub const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";

/// The expanded name of an element or attribute.
///
/// The prefix is no part of it: two names are equal when namespace and local part are.
///
/// # Examples
///
/// ```
/// use im_xdm_model::xml::Name;
///
/// let name = Name::new(Some("urn:example"), "entry")?;
/// assert!(name.is("urn:example", "entry"));
/// assert!(Name::new(None, "1st").is_err());
/// # Ok::<(), im_xdm_model::xml::NameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    namespace: Option<Arc<str>>,
    local: Arc<str>,
}

/// The text given for a name is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an xml name")]
#[non_exhaustive]
pub struct NameError;

impl Name {
    /// Makes a name of a namespace and a local part.
    ///
    /// # Errors
    ///
    /// Fails when the local part is not an `NCName`, or the namespace is the empty text.
    pub fn new(namespace: Option<&str>, local: &str) -> Result<Self, NameError> {
        if !is_ncname(local) || namespace.is_some_and(str::is_empty) {
            return Err(NameError);
        }
        Ok(Self {
            namespace: namespace.map(Arc::from),
            local: Arc::from(local),
        })
    }

    /// Makes a name of parts that are known to be well-formed.
    pub(crate) fn known(namespace: &'static str, local: &'static str) -> Self {
        let namespace = (!namespace.is_empty()).then(|| Arc::from(namespace));
        Self {
            namespace,
            local: Arc::from(local),
        }
    }

    pub(crate) fn resolved(namespace: Option<Arc<str>>, local: &str) -> Self {
        Self {
            namespace,
            local: Arc::from(local),
        }
    }

    /// Returns the namespace, if the name is in one.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Returns the part after the prefix.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// Tells whether this is the given name; an empty namespace means none.
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        self.is_in(namespace) && &*self.local == local
    }

    /// Tells whether this name is in the given namespace; an empty namespace means none.
    pub fn is_in(&self, namespace: &str) -> bool {
        self.namespace.as_deref().unwrap_or_default() == namespace
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{{{namespace}}}{}", self.local),
            None => f.write_str(&self.local),
        }
    }
}

#[cfg(feature = "serde")]
mod serialized {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

    use super::Name;

    impl Serialize for Name {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(&format_args!("{self:?}"))
        }
    }

    impl<'de> Deserialize<'de> for Name {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            let (namespace, local) = match text.strip_prefix('{').and_then(|rest| rest.rsplit_once('}')) {
                Some((namespace, local)) => (Some(namespace), local),
                None => (None, text.as_str()),
            };
            Self::new(namespace, local).map_err(D::Error::custom)
        }
    }
}
