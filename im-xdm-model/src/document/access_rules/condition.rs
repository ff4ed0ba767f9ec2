//! When a rule applies: the conditions of RFC 4745 section 7, and those that OMA adds.

use super::super::{elements_only, other_attributes, required};
use super::{EXTENSIONS_NAMESPACE, LIST_SERVICE_NAMESPACE, NAMESPACE, OMA_NAMESPACE};
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{DateTime, Element, TreeNode};

/// A condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Condition {
    /// Who asks: one of these (RFC 4745 section 7.1).
    Identity(Vec<IdentityMatch>),
    /// Where the owner is: one of these tokens (section 7.3).
    Sphere(String),
    /// When: in one of these intervals (section 7.4).
    Validity(Vec<Validity>),
    /// Who asks is a member of the group.
    IsListMember,
    /// Who asks is matched by no other rule.
    OtherIdentity,
    /// Who asks is on one of the lists with these anchors.
    ExternalList(Vec<String>),
    /// Who asks wants to stay anonymous.
    AnonymousRequest,
    /// The request is about one of these media (`media-list`).
    MediaList(Element),
    /// The request is about one of these services (`service-list`).
    ServiceList(Element),
    /// A condition that is not known, and therefore never holds.
    Other(Element),
}

/// A way in which an identity condition matches.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum IdentityMatch {
    /// Exactly this one.
    One {
        /// The URI as it was written.
        id: String,
    },
    /// Everybody, or everybody of a domain, with exceptions.
    Many {
        /// The domain, if it is restricted to one.
        domain: Option<String>,
        /// Who is not meant.
        except: Vec<Except>,
    },
    /// A match that is not known, and therefore never holds.
    Other(Element),
}

/// An exception from [`IdentityMatch::Many`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Except {
    /// This one.
    pub id: Option<String>,
    /// Everybody of this domain.
    pub domain: Option<String>,
}

/// An interval of time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Validity {
    /// The first instant.
    pub from: DateTime,
    /// The first instant after it.
    pub until: DateTime,
}

impl Condition {
    pub(super) fn from_element(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let name = element.name();
        Ok(match (name.namespace(), name.local()) {
            (Some(NAMESPACE), "identity") => {
                elements_only(element, "identity")?;
                Self::Identity(
                    element
                        .elements()
                        .map(IdentityMatch::from_element)
                        .collect::<Result<_, _>>()?,
                )
            }
            (Some(NAMESPACE), "sphere") => Self::Sphere(required(element, "value")?),
            (Some(NAMESPACE), "validity") => Self::Validity(validity(element)?),
            (Some(NAMESPACE) | None, _) => {
                return Err(DocumentError::at(
                    element,
                    DocumentErrorKind::UnexpectedElement("conditions"),
                ));
            }
            (Some(LIST_SERVICE_NAMESPACE), "is-list-member") => Self::IsListMember,
            (Some(OMA_NAMESPACE), "other-identity") => Self::OtherIdentity,
            (Some(OMA_NAMESPACE), "anonymous-request") => Self::AnonymousRequest,
            (Some(OMA_NAMESPACE), "external-list") => Self::ExternalList(
                element
                    .elements()
                    .filter(|e| e.is(OMA_NAMESPACE, "entry"))
                    .filter_map(|e| e.attribute("anc").map(str::to_owned))
                    .collect(),
            ),
            (Some(EXTENSIONS_NAMESPACE), "media-list") => Self::MediaList(element.to_element()),
            (Some(EXTENSIONS_NAMESPACE), "service-list") => Self::ServiceList(element.to_element()),
            _ => Self::Other(element.to_element()),
        })
    }

    pub(super) fn to_element(&self) -> Element {
        match self {
            Self::Identity(matches) => {
                let mut element = Element::known(NAMESPACE, "identity");
                for one in matches {
                    element.push(one.to_element());
                }
                element
            }
            Self::Sphere(value) => {
                let mut element = Element::known(NAMESPACE, "sphere");
                element.set("value", value.as_str());
                element
            }
            Self::Validity(intervals) => {
                let mut element = Element::known(NAMESPACE, "validity");
                for interval in intervals {
                    element.push_leaf(NAMESPACE, "from", &interval.from.to_string());
                    element.push_leaf(NAMESPACE, "until", &interval.until.to_string());
                }
                element
            }
            Self::IsListMember => Element::known(LIST_SERVICE_NAMESPACE, "is-list-member"),
            Self::OtherIdentity => Element::known(OMA_NAMESPACE, "other-identity"),
            Self::AnonymousRequest => Element::known(OMA_NAMESPACE, "anonymous-request"),
            Self::ExternalList(anchors) => {
                let mut element = Element::known(OMA_NAMESPACE, "external-list");
                for anchor in anchors {
                    let mut entry = Element::known(OMA_NAMESPACE, "entry");
                    entry.set("anc", anchor.as_str());
                    element.push(entry);
                }
                element
            }
            Self::MediaList(element) | Self::ServiceList(element) | Self::Other(element) => element.clone(),
        }
    }
}

impl IdentityMatch {
    fn from_element(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        let name = element.name();
        Ok(match (name.namespace(), name.local()) {
            (Some(NAMESPACE), "one") => {
                // A condition inside that is not understood makes the match narrower than can be told.
                if element.elements().next().is_some() {
                    return Ok(Self::Other(element.to_element()));
                }
                other_attributes(element, "one", |name| name.is("", "id"))?;
                Self::One {
                    id: required(element, "id")?,
                }
            }
            (Some(NAMESPACE), "many") => {
                elements_only(element, "many")?;
                other_attributes(element, "many", |name| name.is("", "domain"))?;
                if element.elements().any(|e| !e.name().is_in(NAMESPACE)) {
                    return Ok(Self::Other(element.to_element()));
                }
                let mut except = Vec::new();
                for child in element.elements() {
                    if child.name().local() != "except" {
                        return Err(DocumentError::at(
                            child,
                            DocumentErrorKind::UnexpectedElement("many"),
                        ));
                    }
                    other_attributes(child, "except", |n| n.is("", "id") || n.is("", "domain"))?;
                    except.push(Except {
                        id: child.attribute("id").map(str::to_owned),
                        domain: child.attribute("domain").map(str::to_owned),
                    });
                }
                Self::Many {
                    domain: element.attribute("domain").map(str::to_owned),
                    except,
                }
            }
            (Some(NAMESPACE) | None, _) => {
                return Err(DocumentError::at(
                    element,
                    DocumentErrorKind::UnexpectedElement("identity"),
                ));
            }
            _ => Self::Other(element.to_element()),
        })
    }

    fn to_element(&self) -> Element {
        match self {
            Self::One { id } => {
                let mut element = Element::known(NAMESPACE, "one");
                element.set("id", id.as_str());
                element
            }
            Self::Many { domain, except } => {
                let mut element = Element::known(NAMESPACE, "many");
                element.set_if("domain", domain.as_deref());
                for one in except {
                    let mut child = Element::known(NAMESPACE, "except");
                    child.set_if("id", one.id.as_deref());
                    child.set_if("domain", one.domain.as_deref());
                    element.push(child);
                }
                element
            }
            Self::Other(element) => element.clone(),
        }
    }
}

impl Except {
    /// Excepts one identity.
    pub fn id(id: impl Into<String>) -> Self {
        Self {
            id: Some(id.into()),
            domain: None,
        }
    }

    /// Excepts a domain.
    pub fn domain(domain: impl Into<String>) -> Self {
        Self {
            id: None,
            domain: Some(domain.into()),
        }
    }
}

impl Validity {
    /// Makes an interval.
    pub fn new(from: DateTime, until: DateTime) -> Self {
        Self { from, until }
    }
}

fn validity(element: TreeNode<'_>) -> Result<Vec<Validity>, DocumentError> {
    let mut intervals = Vec::new();
    let mut children = element.elements();
    while let Some(from) = children.next() {
        let until = children
            .next()
            .ok_or_else(|| DocumentError::at(from, DocumentErrorKind::MissingElement("until")))?;
        if !from.is(NAMESPACE, "from") || !until.is(NAMESPACE, "until") {
            return Err(DocumentError::at(
                from,
                DocumentErrorKind::UnexpectedElement("validity"),
            ));
        }
        let read = |e: TreeNode<'_>, name| {
            e.text()
                .parse()
                .map_err(|_| DocumentError::at(e, DocumentErrorKind::BadValue(name)))
        };
        intervals.push(Validity {
            from: read(from, "from")?,
            until: read(until, "until")?,
        });
    }
    if intervals.is_empty() {
        return Err(DocumentError::at(
            element,
            DocumentErrorKind::MissingElement("from"),
        ));
    }
    Ok(intervals)
}
