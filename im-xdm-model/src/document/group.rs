//! Group documents: who belongs to a group, and what its members may do.

use bytes::Bytes;

use super::access_rules::{self, Ruleset};
use super::resource_lists::{self, DisplayName, Entry, External};
use super::{boolean_of, elements_only, number_of, once, other_attributes, required, truth};
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{Element, Extensions, Limits, TreeNode};

/// The namespace of group documents.
pub const NAMESPACE: &str = access_rules::LIST_SERVICE_NAMESPACE;

/// A group: a chat room when members are not invited, a pre-arranged group when they are.
///
/// # Examples
///
/// ```
/// use im_xdm_model::document::{Entry, Group};
/// use im_xdm_model::xml::Limits;
///
/// let mut group = Group::new("sip:hikers@im.example.com");
/// group.members.push(Entry::new("sip:bob@example.com"));
/// group.invite_members = true;
/// assert_eq!(Group::parse(&group.write(), &Limits::default())?, group);
/// # Ok::<(), im_xdm_model::DocumentError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Group {
    /// The URI that stands for the group.
    pub uri: String,
    /// What a person is shown.
    pub display_name: Option<DisplayName>,
    /// The members named here.
    pub members: Vec<Entry>,
    /// The lists whose entries are members too.
    pub externals: Vec<External>,
    /// Whether members are invited when the session starts; without the element they are not.
    pub invite_members: bool,
    /// How many may take part at once.
    pub max_participants: Option<u32>,
    /// Who may do what.
    pub ruleset: Option<Ruleset>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

impl Group {
    /// Makes a group without members.
    pub fn new(uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            ..Self::default()
        }
    }

    /// Reads a document, which describes one group.
    ///
    /// # Errors
    ///
    /// Fails when the text is not well-formed, or not a group document.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        super::read(input, limits, Self::from_node)
    }

    /// Reads a document from its tree.
    ///
    /// # Errors
    ///
    /// Fails when the tree is not that of a group document.
    pub fn from_element(root: &Element) -> Result<Self, DocumentError> {
        super::reread(root, Self::parse)
    }

    fn from_node(root: TreeNode<'_>) -> Result<Self, DocumentError> {
        super::expect(root, NAMESPACE, "group")?;
        elements_only(root, "group")?;
        other_attributes(root, "group", |_| false)?;
        let mut found = None;
        for child in root.elements() {
            if !child.is(NAMESPACE, "list-service") {
                return Err(DocumentError::at(
                    child,
                    DocumentErrorKind::UnexpectedElement("group"),
                ));
            }
            once(&mut found, Self::service(child)?, child, "list-service")?;
        }
        found.ok_or_else(|| DocumentError::at(root, DocumentErrorKind::MissingElement("list-service")))
    }

    fn service(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        elements_only(element, "list-service")?;
        let attributes = other_attributes(element, "list-service", |name| name.is("", "uri"))?;
        let mut group = Self {
            uri: required(element, "uri")?,
            ..Self::default()
        };
        group.extensions.attributes = attributes;
        let (mut lists, mut invite, mut ruleset) = (None, None, None);
        // The schema fixes an order, and each element has its place in it.
        let mut last = 0;
        for child in element.elements() {
            let name = child.name();
            let place = match (name.namespace(), name.local()) {
                (Some(NAMESPACE), "display-name") => {
                    once(
                        &mut group.display_name,
                        DisplayName::from_element(child),
                        child,
                        "display-name",
                    )?;
                    1
                }
                (Some(NAMESPACE), "list") => {
                    once(&mut lists, Self::list(child)?, child, "list")?;
                    2
                }
                (Some(NAMESPACE), "invite-members") => {
                    once(
                        &mut invite,
                        boolean_of(child, "invite-members")?,
                        child,
                        "invite-members",
                    )?;
                    3
                }
                (Some(NAMESPACE), "max-participant-count") => {
                    let count = number_of(child, "max-participant-count")?;
                    once(&mut group.max_participants, count, child, "max-participant-count")?;
                    4
                }
                (Some(access_rules::NAMESPACE), "ruleset") => {
                    once(&mut ruleset, Ruleset::from_node(child)?, child, "ruleset")?;
                    5
                }
                (Some(NAMESPACE) | None, _) => 0,
                _ => {
                    group.extensions.elements.push(child.to_element());
                    6
                }
            };
            if place < last {
                return Err(DocumentError::at(
                    child,
                    DocumentErrorKind::UnexpectedElement("list-service"),
                ));
            }
            last = place;
        }
        (group.members, group.externals) = lists.unwrap_or_default();
        group.invite_members = invite.unwrap_or_default();
        group.ruleset = ruleset;
        Ok(group)
    }

    fn list(element: TreeNode<'_>) -> Result<(Vec<Entry>, Vec<External>), DocumentError> {
        elements_only(element, "list")?;
        let (mut members, mut externals) = (Vec::new(), Vec::new());
        for child in element.elements() {
            let name = child.name();
            // The schema puts these elements in the namespace of groups; those of resource lists are met as well.
            let known = name.is_in(NAMESPACE) || name.is_in(resource_lists::NAMESPACE);
            match name.local() {
                "entry" if known && externals.is_empty() => members.push(Entry::from_element(child)?),
                "external" if known => externals.push(External::from_element(child)?),
                _ => {
                    return Err(DocumentError::at(
                        child,
                        DocumentErrorKind::UnexpectedElement("list"),
                    ));
                }
            }
        }
        Ok((members, externals))
    }

    /// Writes the document.
    pub fn write(&self) -> Bytes {
        let mut service = Element::known(NAMESPACE, "list-service");
        service.set("uri", self.uri.as_str());
        service.extend_attributes(&self.extensions);
        if let Some(name) = &self.display_name {
            service.push(name.to_element(NAMESPACE));
        }
        if !self.members.is_empty() || !self.externals.is_empty() {
            let mut list = Element::known(NAMESPACE, "list");
            for member in &self.members {
                list.push(member.to_element(NAMESPACE));
            }
            for external in &self.externals {
                list.push(external.to_element(NAMESPACE));
            }
            service.push(list);
        }
        service.push_leaf(NAMESPACE, "invite-members", truth(self.invite_members));
        let count = self.max_participants.map(|n| n.to_string());
        service.push_leaf_if(NAMESPACE, "max-participant-count", count.as_deref());
        if let Some(ruleset) = &self.ruleset {
            service.push(ruleset.to_element());
        }
        service.extend_elements(&self.extensions);
        let mut root = Element::known(NAMESPACE, "group");
        root.push(service);
        root.to_bytes()
    }

    /// Returns what sessions of the group are about, if the document says.
    pub fn subject(&self) -> Option<DisplayName> {
        self.extensions
            .elements
            .iter()
            .find(|e| e.is(access_rules::EXTENSIONS_NAMESPACE, "subject"))
            .map(DisplayName::of_extension)
    }
}
