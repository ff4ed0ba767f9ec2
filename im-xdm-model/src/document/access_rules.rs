//! Rules: common policy (RFC 4745) with the conditions and actions that OMA adds.

use bytes::Bytes;

use super::{boolean, boolean_of, elements_only, once, other_attributes, required, truth};
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{DateTime, Element, Limits, Name};

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

/// What a rule grants.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Action {
    /// How messages and invitations are handled.
    AllowInvite(AllowInvite),
    /// How they are handled, in the graded form of RFC 5025.
    SubHandling(SubHandling),
    /// Whether messages may be kept for later.
    AllowOfflineStorage(bool),
    /// A permission that is granted or not.
    Permission(Permission, bool),
    /// An action that is not known, and grants nothing.
    Other(Element),
}

/// The handling of messages and invitations, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum AllowInvite {
    /// Refuse.
    Reject,
    /// Let through, as the client decides.
    Pass,
    /// Let through, accepted at once.
    Accept,
}

/// The handling of RFC 5025 section 3.2.1, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum SubHandling {
    /// Refuse.
    Block,
    /// Ask the owner.
    Confirm,
    /// Refuse, and look as if the owner were merely away.
    PoliteBlock,
    /// Let through.
    Allow,
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $variant:ident = $namespace:ident, $local:literal;)*) => {
        /// A permission that is granted or not; the lowest value is "not".
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
        #[non_exhaustive]
        pub enum Permission { $($(#[$doc])* $variant,)* }

        impl Permission {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            const fn name(self) -> (&'static str, &'static str) {
                match self { $(Self::$variant => ($namespace, $local),)* }
            }
        }
    };
}

permissions! {
    /// Join the group's session.
    JoinHandling = LIST_SERVICE_NAMESPACE, "join-handling";
    /// Start the group's session.
    AllowInitiateConference = LIST_SERVICE_NAMESPACE, "allow-initiate-conference";
    /// Subscribe to who takes part.
    AllowConferenceState = LIST_SERVICE_NAMESPACE, "allow-conference-state";
    /// Bring others in while the session lasts.
    AllowInviteUsersDynamically = LIST_SERVICE_NAMESPACE, "allow-invite-users-dynamically";
    /// Take part without showing who one is.
    AllowAnonymity = LIST_SERVICE_NAMESPACE, "allow-anonymity";
    /// Be a participant without whom the session ends.
    IsKeyParticipant = LIST_SERVICE_NAMESPACE, "is-key-participant";
    /// Remove others.
    AllowExpelling = EXTENSIONS_NAMESPACE, "allow-expelling";
    /// Send to a single participant.
    AllowPrivateMessage = EXTENSIONS_NAMESPACE, "allow-private-message";
    /// Open a conference inside the conference.
    AllowSubconf = EXTENSIONS_NAMESPACE, "allow-subconf";
    /// Reject invitations on behalf of the owner.
    AllowRejectInvite = EXTENSIONS_NAMESPACE, "allow-reject-invite";
    /// Have invitations accepted automatically.
    AllowAutoAnswermode = EXTENSIONS_NAMESPACE, "allow-auto-answermode";
    /// Override manual acceptance.
    AllowManualAnswerOverride = EXTENSIONS_NAMESPACE, "allow-manual-answer-override";
    /// Be kept from sending group advertisements.
    BlockGroupAdvertisementSending = EXTENSIONS_NAMESPACE, "block-group-advertisement-sending";
    /// Handle media.
    AllowMediaHandling = EXTENSIONS_NAMESPACE, "allow-media-handling";
}

impl Permission {
    /// Returns the name of the element that grants it.
    pub const fn as_str(self) -> &'static str {
        self.name().1
    }
}

impl Rule {
    /// Makes a rule without conditions and actions.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            ..Self::default()
        }
    }

    fn from_element(element: &Element) -> Result<Self, DocumentError> {
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
                        child.elements().cloned().collect(),
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
        Self::from_element(&Element::parse(input, limits)?)
    }

    /// Reads a rule set from its tree.
    ///
    /// # Errors
    ///
    /// Fails when the tree is not that of a rule set.
    pub fn from_element(root: &Element) -> Result<Self, DocumentError> {
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

impl Condition {
    fn from_element(element: &Element) -> Result<Self, DocumentError> {
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
            (Some(EXTENSIONS_NAMESPACE), "media-list") => Self::MediaList(element.clone()),
            (Some(EXTENSIONS_NAMESPACE), "service-list") => Self::ServiceList(element.clone()),
            _ => Self::Other(element.clone()),
        })
    }

    fn to_element(&self) -> Element {
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
                    element.push_leaf(NAMESPACE, "from", interval.from.as_str());
                    element.push_leaf(NAMESPACE, "until", interval.until.as_str());
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
    fn from_element(element: &Element) -> Result<Self, DocumentError> {
        let name = element.name();
        Ok(match (name.namespace(), name.local()) {
            (Some(NAMESPACE), "one") => {
                // A condition inside that is not understood makes the match narrower than can be told.
                if element.elements().next().is_some() {
                    return Ok(Self::Other(element.clone()));
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
                    return Ok(Self::Other(element.clone()));
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
            _ => Self::Other(element.clone()),
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

impl Action {
    fn from_element(element: &Element) -> Result<Self, DocumentError> {
        let name = element.name();
        let bad = |place| DocumentError::at(element, DocumentErrorKind::BadValue(place));
        if let Some(known) = Permission::ALL.iter().find(|p| name.is(p.name().0, p.name().1)) {
            return Ok(Self::Permission(*known, boolean_of(element, known.as_str())?));
        }
        Ok(match (name.namespace(), name.local()) {
            (Some(INVITE_NAMESPACE), "allow-invite") => {
                Self::AllowInvite(match element.trimmed_text().as_str() {
                    "reject" => AllowInvite::Reject,
                    "pass" => AllowInvite::Pass,
                    "accept" => AllowInvite::Accept,
                    _ => return Err(bad("allow-invite")),
                })
            }
            (Some(PRESENCE_RULES_NAMESPACE), "sub-handling") => {
                Self::SubHandling(match element.trimmed_text().as_str() {
                    "block" => SubHandling::Block,
                    "confirm" => SubHandling::Confirm,
                    "polite-block" => SubHandling::PoliteBlock,
                    "allow" => SubHandling::Allow,
                    _ => return Err(bad("sub-handling")),
                })
            }
            (Some(EXTENSIONS_NAMESPACE), "allow-offline-storage") if element.elements().next().is_none() => {
                // The schema puts the attribute in its namespace; documents that leave the prefix out are met too.
                let value = element
                    .qualified(EXTENSIONS_NAMESPACE, "allow")
                    .or_else(|| element.attribute("allow"));
                let value = value.ok_or_else(|| {
                    DocumentError::at(element, DocumentErrorKind::MissingAttribute("allow"))
                })?;
                Self::AllowOfflineStorage(boolean(value).ok_or_else(|| bad("allow-offline-storage"))?)
            }
            (Some(NAMESPACE) | None, _) => {
                return Err(DocumentError::at(
                    element,
                    DocumentErrorKind::UnexpectedElement("actions"),
                ));
            }
            _ => Self::Other(element.clone()),
        })
    }

    fn to_element(&self) -> Element {
        let leaf = |namespace, local, text: &str| {
            let mut element = Element::known(namespace, local);
            element.push_text(text);
            element
        };
        match self {
            Self::AllowInvite(handling) => leaf(
                INVITE_NAMESPACE,
                "allow-invite",
                match handling {
                    AllowInvite::Reject => "reject",
                    AllowInvite::Pass => "pass",
                    AllowInvite::Accept => "accept",
                },
            ),
            Self::SubHandling(handling) => leaf(
                PRESENCE_RULES_NAMESPACE,
                "sub-handling",
                match handling {
                    SubHandling::Block => "block",
                    SubHandling::Confirm => "confirm",
                    SubHandling::PoliteBlock => "polite-block",
                    SubHandling::Allow => "allow",
                },
            ),
            Self::AllowOfflineStorage(allow) => {
                let mut element = Element::known(EXTENSIONS_NAMESPACE, "allow-offline-storage");
                element.set_attribute(Name::known(EXTENSIONS_NAMESPACE, "allow"), truth(*allow));
                element
            }
            Self::Permission(permission, granted) => {
                let (namespace, local) = permission.name();
                leaf(namespace, local, truth(*granted))
            }
            Self::Other(element) => element.clone(),
        }
    }
}

fn validity(element: &Element) -> Result<Vec<Validity>, DocumentError> {
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
        let read = |e: &Element, name| {
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
