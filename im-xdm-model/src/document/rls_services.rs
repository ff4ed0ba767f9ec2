//! Services of resource lists (RFC 4826 section 4): URIs that stand for a list, and what may be subscribed to there.

use bytes::Bytes;

use super::resource_lists::List;
use super::{elements_only, other_attributes, required};
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{Element, Extensions, Limits, TreeNode};

/// The namespace of services of resource lists.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:rls-services";

/// The services of a user.
///
/// # Examples
///
/// ```
/// use im_xdm_model::document::rls_services::{Packages, Resources, RlsServices, Service};
/// use im_xdm_model::xml::Limits;
///
/// let list = "http://xcap.example.com/resource-lists/users/sip:joe@example.com/index/~~/resource-lists/list%5b1%5d";
/// let mut service = Service::new("sip:friends@example.com", Resources::Reference(list.into()));
/// service.packages = Some(Packages::of(vec!["presence".into()]));
/// let services = RlsServices::of(vec![service]);
/// assert_eq!(RlsServices::parse(&services.write(), &Limits::default())?, services);
/// # Ok::<(), im_xdm_model::DocumentError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RlsServices {
    /// The services.
    pub services: Vec<Service>,
}

/// A URI that stands for a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Service {
    /// The URI that is subscribed to.
    pub uri: String,
    /// The list that it stands for.
    pub resources: Resources,
    /// The event packages that it may be subscribed to for; all of them without.
    pub packages: Option<Packages>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

/// The event packages of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Packages {
    /// The names.
    pub names: Vec<String>,
    /// What other namespaces add, which the schema wants to stand after a name.
    pub others: Vec<Element>,
}

/// The list that a service stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Resources {
    /// The absolute HTTP URI of a list of another document (`resource-list`).
    Reference(String),
    /// The list itself.
    List(List),
}

impl Service {
    /// Makes a service for all packages.
    pub fn new(uri: impl Into<String>, resources: Resources) -> Self {
        Self {
            uri: uri.into(),
            resources,
            packages: None,
            extensions: Extensions::default(),
        }
    }

    /// Tells whether the service may be subscribed to for an event package.
    pub fn offers(&self, package: &str) -> bool {
        //= https://www.rfc-editor.org/rfc/rfc4826#section-4.1
        //# When it is not present, it means
        //# that the RLS service will accept subscriptions for any event package.
        self.packages
            .as_ref()
            .is_none_or(|packages| packages.names.iter().any(|known| known == package))
    }

    fn from_node(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        elements_only(element, "service")?;
        let unexpected = |child| DocumentError::at(child, DocumentErrorKind::UnexpectedElement("service"));
        let attributes = other_attributes(element, "service", |name| name.is("", "uri"))?;
        let mut children = element.elements().peekable();
        let missing = || DocumentError::at(element, DocumentErrorKind::MissingElement("list"));
        let first = children.next().ok_or_else(missing)?;
        let resources = match first.name().local() {
            "resource-list" if first.name().is_in(NAMESPACE) => Resources::Reference(first.trimmed_text()),
            "list" if first.name().is_in(NAMESPACE) => Resources::List(List::from_node(first)?),
            _ => return Err(unexpected(first)),
        };
        let mut service = Self::new(required(element, "uri")?, resources);
        service.extensions.attributes = attributes;
        if let Some(packages) = children.next_if(|child| child.is(NAMESPACE, "packages")) {
            service.packages = Some(Packages::from_node(packages)?);
        }
        for child in children {
            if child.name().is_in(NAMESPACE) || child.name().namespace().is_none() {
                return Err(unexpected(child));
            }
            service.extensions.elements.push(child.to_element());
        }
        Ok(service)
    }

    fn to_element(&self) -> Element {
        let mut element = Element::known(NAMESPACE, "service");
        element.set("uri", self.uri.as_str());
        element.extend_attributes(&self.extensions);
        match &self.resources {
            Resources::Reference(uri) => element.push_leaf(NAMESPACE, "resource-list", uri),
            Resources::List(list) => element.push(list.to_element(NAMESPACE)),
        }
        if let Some(packages) = &self.packages {
            element.push(packages.to_element());
        }
        element.extend_elements(&self.extensions);
        element
    }
}

impl Packages {
    /// Makes a set of packages.
    pub fn of(names: Vec<String>) -> Self {
        Self {
            names,
            others: Vec::new(),
        }
    }

    fn from_node(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        elements_only(element, "packages")?;
        let mut read = Self::default();
        for child in element.elements() {
            if child.is(NAMESPACE, "package") {
                read.names.push(child.trimmed_text());
            } else if child.name().is_in(NAMESPACE) || child.name().namespace().is_none() {
                return Err(DocumentError::at(
                    child,
                    DocumentErrorKind::UnexpectedElement("packages"),
                ));
            } else {
                read.others.push(child.to_element());
            }
        }
        Ok(read)
    }

    fn to_element(&self) -> Element {
        let mut element = Element::known(NAMESPACE, "packages");
        for name in &self.names {
            element.push_leaf(NAMESPACE, "package", name);
        }
        for other in &self.others {
            element.push(other.clone());
        }
        element
    }
}

impl RlsServices {
    /// Makes a document of services.
    pub fn of(services: Vec<Service>) -> Self {
        Self { services }
    }

    /// Finds the service of a URI, as it was written.
    pub fn service(&self, uri: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.uri == uri)
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// Fails when the text is not well-formed, or not an `rls-services` document.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        super::read(input, limits, Self::from_node)
    }

    fn from_node(root: TreeNode<'_>) -> Result<Self, DocumentError> {
        super::expect(root, NAMESPACE, "rls-services")?;
        elements_only(root, "rls-services")?;
        other_attributes(root, "rls-services", |_| false)?;
        let mut services = Vec::new();
        for child in root.elements() {
            if !child.is(NAMESPACE, "service") {
                return Err(DocumentError::at(
                    child,
                    DocumentErrorKind::UnexpectedElement("rls-services"),
                ));
            }
            services.push(Service::from_node(child)?);
        }
        Ok(Self { services })
    }

    /// Writes the document.
    pub fn write(&self) -> Bytes {
        let mut root = Element::known(NAMESPACE, "rls-services");
        for service in &self.services {
            root.push(service.to_element());
        }
        root.to_bytes()
    }
}
