//! Evaluating rules (RFC 4745 section 10): may this message be delivered, may this user do that in a group?
//!
//! All rules whose conditions hold are combined, and the most permissive value of each action counts. Who asks is
//! compared by canonical identity, so that no other spelling of an address evades a rule.

mod condition;
mod index;
mod presence;
mod verdict;

use std::time::Duration;

use sip_im::{Aliases, Identity};

use crate::document::AllowInvite;

pub use index::{Index, evaluate, evaluate_group};
pub use presence::View;
pub use verdict::{GroupVerdict, RuleIds, Verdict};

/// What to do with a message or an invitation, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Decision {
    /// Refuse.
    Block,
    /// Refuse, and look as if the user were merely away.
    PoliteBlock,
    /// Keep it for later.
    Defer,
    /// Deliver.
    Deliver,
}

impl Decision {
    /// Reads the name that [`Decision::as_str`] gives.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Block, Self::PoliteBlock, Self::Defer, Self::Deliver]
            .into_iter()
            .find(|decision| decision.as_str() == name)
    }

    /// Returns the name, as logs and tools show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::PoliteBlock => "polite_block",
            Self::Defer => "defer",
            Self::Deliver => "deliver",
        }
    }
}

/// What is asked, and by whom.
///
/// # Examples
///
/// ```
/// use im_xdm_model::document::Ruleset;
/// use im_xdm_model::policy::{Decision, Query, evaluate};
/// use im_xdm_model::xml::Limits;
/// use sip_im::Uri;
/// use std::time::Duration;
///
/// let rules = Ruleset::parse(
///     br#"<cr:ruleset xmlns:cr="urn:ietf:params:xml:ns:common-policy" xmlns:p="urn:oma:xml:poc:poc-rules">
///       <cr:rule id="r1"><cr:conditions><cr:identity><cr:one id="sip:spam@example.com"/></cr:identity></cr:conditions>
///       <cr:actions><p:allow-invite>reject</p:allow-invite></cr:actions></cr:rule></cr:ruleset>"#,
///     &Limits::default(),
/// )?;
/// let who = [Uri::parse("sip:spam@EXAMPLE.com:5060;x=y")?.identity()];
/// let verdict = evaluate(&rules, &Query::new(&who, Duration::from_secs(1_100_000_000)));
/// assert_eq!(verdict.decision, Decision::Block);
/// assert_eq!(verdict.rule_ids, ["r1"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Query<'a> {
    /// The authenticated identities of who asks, aliases not yet folded.
    pub asserted: &'a [Identity],
    /// Whether who asks wants to stay anonymous. Such a request matches no condition on identities, even though the
    /// server knows them.
    pub anonymous: bool,
    /// The time, since 1970.
    pub now: Duration,
    /// Where the owner of the rules is, if known.
    pub sphere: Option<&'a str>,
    /// The service the request is for, such as `+g.oma.sip-im`.
    pub service: Option<&'a str>,
    /// The medium the request is for, by its element name, such as `message-session`.
    pub media: Option<&'a str>,
    /// Which identities name the same user.
    pub aliases: Option<&'a Aliases>,
    /// Tells whether an identity, folded, is a member of the group.
    pub is_member: &'a dyn Fn(&Identity) -> bool,
    /// Tells whether an identity, folded, is on the list with an anchor.
    pub is_on_list: &'a dyn Fn(&str, &Identity) -> bool,
    /// What is decided when no rule says anything; to deliver by default.
    pub default: Decision,
}

impl<'a> Query<'a> {
    /// Asks on behalf of somebody, at a time.
    pub fn new(asserted: &'a [Identity], now: Duration) -> Self {
        Self {
            asserted,
            anonymous: false,
            now,
            sphere: None,
            service: None,
            media: None,
            aliases: None,
            is_member: &nobody,
            is_on_list: &on_no_list,
            default: Decision::Deliver,
        }
    }

    /// Asks on behalf of somebody who wants to stay anonymous.
    pub fn anonymous(now: Duration) -> Self {
        Self {
            anonymous: true,
            ..Self::new(&[], now)
        }
    }
}

impl std::fmt::Debug for Query<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Query")
            .field("asserted", &self.asserted)
            .field("anonymous", &self.anonymous)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

fn nobody(_: &Identity) -> bool {
    false
}

fn on_no_list(_: &str, _: &Identity) -> bool {
    false
}

impl From<AllowInvite> for Decision {
    fn from(handling: AllowInvite) -> Self {
        match handling {
            AllowInvite::Reject => Self::Block,
            AllowInvite::Pass | AllowInvite::Accept => Self::Deliver,
        }
    }
}
