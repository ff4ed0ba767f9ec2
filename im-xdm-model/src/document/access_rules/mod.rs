//! Rules: common policy (RFC 4745) with the conditions and actions that OMA adds.

mod action;
mod condition;

use bytes::Bytes;

pub use action::{Action, AllowInvite, Permission, SubHandling};
pub use condition::{Condition, Except, IdentityMatch, Validity};

use super::{elements_only, once, other_attributes, required};
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{Element, Limits, TreeNode};

/// The namespace of common policy.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:common-policy";

/// OMA's conditions.
pub const OMA_NAMESPACE: &str = "urn:oma:xml:xdm:common-policy";

/// OMA's extensions of XDM 2.0.
pub const EXTENSIONS_NAMESPACE: &str = "urn:oma:xml:xdm:extensions";

/// Actions on invitations.
pub const INVITE_NAMESPACE: &str = "urn:oma:xml:poc:poc-rules";

/// Conditions and actions of groups.
pub const LIST_SERVICE_NAMESPACE: &str = "urn:oma:xml:poc:list-service";

/// The graded handling of presence rules (RFC 5025), which is the only one that can say "politely".
pub const PRESENCE_RULES_NAMESPACE: &str = "urn:ietf:params:xml:ns:pres-rules";

/// A rule set: a user's access rules, or the rules of a group.
///
/// # Examples
///
/// ```
/// use im_xdm_model::document::{Action, AllowInvite, Condition, Rule, Ruleset};
/// use im_xdm_model::xml::Limits;
///
/// let mut rule = Rule::new("anonymous");
/// rule.conditions.push(Condition::AnonymousRequest);
/// rule.actions.push(Action::AllowInvite(AllowInvite::Reject));
/// let rules = Ruleset::of(vec![rule]);
/// assert_eq!(Ruleset::parse(&rules.write(), &Limits::default())?, rules);
/// # Ok::<(), im_xdm_model::DocumentError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Ruleset {
    /// The rules in order; their order has no meaning.
    pub rules: Vec<Rule>,
}

/// One rule: when all conditions hold, the actions are granted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Rule {
    /// The identifier, unique in the document.
    pub id: String,
    /// All of them must hold; none at all means always.
    pub conditions: Vec<Condition>,
    /// What is granted.
    pub actions: Vec<Action>,
    /// Transformations, carried along.
    pub transformations: Vec<Element>,
}

impl Rule {
    /// Makes a rule without conditions and actions.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            ..Self::default()
        }
    }

    fn from_element(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        elements_only(element, "rule")?;
        other_attributes(element, "rule", |name| name.is("", "id"))?;
        let (mut conditions, mut actions, mut transformations) = (None, None, None);
        for child in element.elements() {
            let place = child.name().local();
            if !child.name().is_in(NAMESPACE) {
                return Err(DocumentError::at(
                    child,
                    DocumentErrorKind::UnexpectedElement("rule"),
                ));
            }
            // The three parts have a fixed order.
            match place {
                "conditions" if actions.is_none() && transformations.is_none() => {
                    elements_only(child, "conditions")?;
                    let read = child
                        .elements()
                        .map(Condition::from_element)
                        .collect::<Result<_, _>>()?;
                    once(&mut conditions, read, child, "conditions")?;
                }
                "actions" if transformations.is_none() => {
                    elements_only(child, "actions")?;
                    let read = child
                        .elements()
                        .map(Action::from_element)
                        .collect::<Result<_, _>>()?;
                    once(&mut actions, read, child, "actions")?;
                }
                "transformations" => {
                    elements_only(child, "transformations")?;
                    once(
                        &mut transformations,
                        child.elements().map(TreeNode::to_element).collect(),
                        child,
                        "transformations",
                    )?;
                }
                _ => {
                    return Err(DocumentError::at(
                        child,
                        DocumentErrorKind::UnexpectedElement("rule"),
                    ));
                }
            }
        }
        Ok(Self {
            id: required(element, "id")?,
            conditions: conditions.unwrap_or_default(),
            actions: actions.unwrap_or_default(),
            transformations: transformations.unwrap_or_default(),
        })
    }

    fn to_element(&self) -> Element {
        let mut element = Element::known(NAMESPACE, "rule");
        element.set("id", self.id.as_str());
        let parts = [
            (
                "conditions",
                self.conditions
                    .iter()
                    .map(Condition::to_element)
                    .collect::<Vec<_>>(),
            ),
            ("actions", self.actions.iter().map(Action::to_element).collect()),
            ("transformations", self.transformations.clone()),
        ];
        for (name, children) in parts {
            if children.is_empty() {
                continue;
            }
            let mut part = Element::known(NAMESPACE, name);
            for child in children {
                part.push(child);
            }
            element.push(part);
        }
        element
    }
}

impl Ruleset {
    /// Makes a rule set.
    pub fn of(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// Fails when the text is not well-formed, or not a rule set.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        super::read(input, limits, Self::from_node)
    }

    /// Reads a rule set from its tree.
    ///
    /// # Errors
    ///
    /// Fails when the tree is not that of a rule set.
    pub fn from_element(root: &Element) -> Result<Self, DocumentError> {
        super::reread(root, Self::parse)
    }

    pub(crate) fn from_node(root: TreeNode<'_>) -> Result<Self, DocumentError> {
        super::expect(root, NAMESPACE, "ruleset")?;
        elements_only(root, "ruleset")?;
        other_attributes(root, "ruleset", |_| false)?;
        let mut rules = Vec::new();
        for child in root.elements() {
            if !child.is(NAMESPACE, "rule") {
                return Err(DocumentError::at(
                    child,
                    DocumentErrorKind::UnexpectedElement("ruleset"),
                ));
            }
            rules.push(Rule::from_element(child)?);
        }
        Ok(Self { rules })
    }

    pub(crate) fn to_element(&self) -> Element {
        let mut root = Element::known(NAMESPACE, "ruleset");
        for rule in &self.rules {
            root.push(rule.to_element());
        }
        root
    }

    /// Writes the document.
    pub fn write(&self) -> Bytes {
        self.to_element().to_bytes()
    }
}
