//! What a document may cost.

/// Upper bounds on one XML document.
///
/// Every bound is checked while the document is read, before anything is stored for the part that exceeds it.
///
/// # Examples
///
/// ```
/// use im_xdm_model::xml::{Element, Limits};
///
/// let mut limits = Limits::default();
/// limits.depth = 2;
/// assert!(Element::parse(b"<a><b/></a>", &limits).is_ok());
/// assert!(Element::parse(b"<a><b><c/></b></a>", &limits).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Octets of the document; 1 MiB by default, and never more than 2 GiB.
    pub octets: usize,
    /// Elements inside each other, the root included; 64 by default.
    pub depth: usize,
    /// Elements in the document; 50 000 by default.
    pub elements: usize,
    /// Attributes of one element, namespace declarations not included; 64 by default.
    pub attributes: usize,
    /// Namespace declarations in scope at one element, and namespaces in the document; 64 by default.
    pub namespaces: usize,
    /// Octets of one text without markup in it, and of one attribute value; 256 KiB by default.
    pub text_octets: usize,
    /// Octets of a namespace name; 1024 by default.
    pub namespace_octets: usize,
    /// Octets of an element or attribute name; 256 by default.
    pub name_octets: usize,
}

impl Limits {
    /// No limits, for what has been read within limits before.
    pub(crate) const fn unbounded() -> Self {
        Self {
            octets: usize::MAX,
            depth: usize::MAX,
            elements: usize::MAX,
            attributes: usize::MAX,
            namespaces: usize::MAX,
            text_octets: usize::MAX,
            namespace_octets: usize::MAX,
            name_octets: usize::MAX,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            octets: 1024 * 1024,
            depth: 64,
            elements: 50_000,
            attributes: 64,
            namespaces: 64,
            text_octets: 256 * 1024,
            namespace_octets: 1024,
            name_octets: 256,
        }
    }
}
