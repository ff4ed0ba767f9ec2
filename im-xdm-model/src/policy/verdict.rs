//! What rules say, alone and together (RFC 4745 section 10.2).

use std::fmt;
use std::sync::Arc;

use super::Decision;
use crate::document::{Action, AllowInvite, Permission, Rule, SubHandling};

/// The rules of an index by number.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) ids: Vec<Arc<str>>,
    pub(super) summaries: Vec<Summary>,
}

impl Table {
    fn summary(&self, rule: u32) -> Summary {
        let found = usize::try_from(rule).ok().and_then(|at| self.summaries.get(at));
        found.copied().unwrap_or_default()
    }

    fn id(&self, rule: u32) -> &str {
        let found = usize::try_from(rule).ok().and_then(|at| self.ids.get(at));
        found.map(|id| &**id).unwrap_or_default()
    }

    /// What several rules say together.
    pub(super) fn combined(&self, rules: &[u32]) -> Summary {
        rules
            .iter()
            .fold(Summary::default(), |all, rule| all.and(self.summary(*rule)))
    }
}

/// What a rule says, or several do together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Summary {
    handling: Option<Decision>,
    pub(super) subscription: Option<SubHandling>,
    pub(super) automatic: bool,
    pub(super) offline_storage: Option<bool>,
    /// A bit for each permission.
    granted: u32,
}

impl Summary {
    pub(super) fn of(rule: &Rule) -> Self {
        let mut summary = Self::default();
        for action in &rule.actions {
            if let Action::SubHandling(handling) = action {
                summary.subscription = summary.subscription.max(Some(*handling));
            }
            let said = match action {
                Action::AllowInvite(invite) => {
                    summary.automatic |= *invite == AllowInvite::Accept;
                    Decision::from(*invite)
                }
                Action::SubHandling(SubHandling::Allow) => Decision::Deliver,
                Action::SubHandling(SubHandling::PoliteBlock) => Decision::PoliteBlock,
                // Until the owner has confirmed, nothing is let through.
                Action::SubHandling(SubHandling::Block | SubHandling::Confirm) => Decision::Block,
                Action::AllowOfflineStorage(allow) => {
                    summary.offline_storage = summary.offline_storage.max(Some(*allow));
                    continue;
                }
                Action::Permission(permission, true) => {
                    summary.granted |= permission.bit();
                    continue;
                }
                Action::Permission(_, false) | Action::Other(_) => continue,
            };
            summary.handling = summary.handling.max(Some(said));
        }
        summary
    }

    /// Combines what two sets of rules say.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            handling: self.handling.max(other.handling),
            subscription: self.subscription.max(other.subscription),
            automatic: self.automatic || other.automatic,
            //= https://www.rfc-editor.org/rfc/rfc4745#section-10.2
            //# For boolean permissions, the resulting permission is TRUE if and only
            //# if at least one permission in the matching rule set has a value of
            //# TRUE and FALSE otherwise.
            offline_storage: self.offline_storage.max(other.offline_storage),
            granted: self.granted | other.granted,
        }
    }

    /// What to do; `None` when nothing is said about it.
    pub(super) fn decision(self) -> Option<Decision> {
        self.handling
            .or((self.offline_storage == Some(true)).then_some(Decision::Defer))
    }

    fn grants(self, permission: Permission) -> bool {
        self.granted & permission.bit() != 0
    }
}

/// What the rules say about a message or an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Verdict {
    /// What to do.
    pub decision: Decision,
    /// Whether no rule said anything, so that the default was taken.
    pub default: bool,
    /// Whether an invitation is to be accepted automatically.
    pub automatic: bool,
    /// Whether the message may be kept when it cannot be delivered; `None` when no rule says so.
    pub offline_storage: Option<bool>,
    /// What presence rules say of a subscription; `None` when no rule that applies says anything, which blocks it.
    pub subscription: Option<SubHandling>,
    /// The rules whose conditions hold.
    pub rule_ids: RuleIds,
}

impl Verdict {
    /// Iterates over the rules that say what was decided; the others that apply say something weaker, or nothing.
    pub fn deciding(&self) -> impl Iterator<Item = &str> {
        let ids = &self.rule_ids;
        let decides = |rule: &u32| {
            let said = ids.table.summary(*rule);
            let defers = self.decision == Decision::Defer && said.offline_storage == Some(true);
            !self.default && (said.handling == Some(self.decision) || defers)
        };
        ids.numbers().filter(decides).map(|rule| ids.table.id(rule))
    }
}

/// What a user may do in a group; nothing unless a rule grants it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the rules grant independent permissions"
)]
#[non_exhaustive]
pub struct GroupVerdict {
    /// Join the session.
    pub join: bool,
    /// Start the session.
    pub initiate: bool,
    /// Subscribe to who takes part.
    pub conference_state: bool,
    /// Bring others in.
    pub invite_dynamically: bool,
    /// Take part anonymously.
    pub anonymity: bool,
    /// Remove others.
    pub expel: bool,
    /// Send to a single participant.
    pub private: bool,
    /// Be one without whom the session ends.
    pub key_participant: bool,
    /// The rules whose conditions hold.
    pub rule_ids: RuleIds,
    granted: u32,
}

impl GroupVerdict {
    /// Tells whether a permission is granted.
    pub fn grants(&self, permission: Permission) -> bool {
        self.granted & permission.bit() != 0
    }
}

impl From<Summary> for GroupVerdict {
    fn from(summary: Summary) -> Self {
        Self {
            join: summary.grants(Permission::JoinHandling),
            initiate: summary.grants(Permission::AllowInitiateConference),
            conference_state: summary.grants(Permission::AllowConferenceState),
            invite_dynamically: summary.grants(Permission::AllowInviteUsersDynamically),
            anonymity: summary.grants(Permission::AllowAnonymity),
            expel: summary.grants(Permission::AllowExpelling),
            private: summary.grants(Permission::AllowPrivateMessage),
            key_participant: summary.grants(Permission::IsKeyParticipant),
            rule_ids: RuleIds::default(),
            granted: summary.granted,
        }
    }
}

/// The identifiers of rules, in the order of the document. To take them costs nothing until they are looked at.
#[derive(Clone, Default)]
pub struct RuleIds {
    table: Arc<Table>,
    sure: Arc<[u32]>,
    others: Vec<u32>,
}

impl RuleIds {
    /// Both sets of numbers are sorted, and have none in common.
    pub(super) fn new(table: &Arc<Table>, sure: Arc<[u32]>, others: Vec<u32>) -> Self {
        Self {
            table: Arc::clone(table),
            sure,
            others,
        }
    }

    fn numbers(&self) -> impl Iterator<Item = u32> {
        let (mut sure, mut others) = (self.sure.iter().peekable(), self.others.iter().peekable());
        std::iter::from_fn(move || match (sure.peek(), others.peek()) {
            (Some(one), Some(two)) if one < two => sure.next().copied(),
            (_, Some(_)) => others.next().copied(),
            (_, None) => sure.next().copied(),
        })
    }

    /// Iterates over the identifiers.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.numbers().map(|rule| self.table.id(rule))
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.sure.len().saturating_add(self.others.len())
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tells whether a rule is among them.
    pub fn contains(&self, id: &str) -> bool {
        self.iter().any(|known| known == id)
    }
}

impl fmt::Debug for RuleIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl PartialEq for RuleIds {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for RuleIds {}

impl<S: AsRef<str>, const N: usize> PartialEq<[S; N]> for RuleIds {
    fn eq(&self, other: &[S; N]) -> bool {
        self.iter().eq(other.iter().map(AsRef::as_ref))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for RuleIds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}
