//! What a rule grants.

use super::super::{boolean, boolean_of, truth};
use super::{
    EXTENSIONS_NAMESPACE, INVITE_NAMESPACE, LIST_SERVICE_NAMESPACE, NAMESPACE, PRESENCE_RULES_NAMESPACE,
};
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{Element, Name, TreeNode};

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
    /// Finds the permission that an element of this local name grants.
    pub fn from_name(local: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.as_str() == local)
    }

    /// A bit of its own, for sets of permissions.
    pub(crate) const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// Returns the name of the element that grants it.
    pub const fn as_str(self) -> &'static str {
        self.name().1
    }
}

impl Action {
    pub(super) fn from_element(element: TreeNode<'_>) -> Result<Self, DocumentError> {
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
            _ => Self::Other(element.to_element()),
        })
    }

    pub(super) fn to_element(&self) -> Element {
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
