//! Combining the rules that apply.

use super::condition::Asked;
use super::{Decision, GroupVerdict, Query, Verdict};
use crate::document::{Action, AllowInvite, Permission, Rule, Ruleset, SubHandling};

/// Decides what happens to a message or an invitation.
///
/// The strongest handling of all rules that apply counts. A rule that only lets messages be kept, and says nothing about
/// letting them through, defers.
pub fn evaluate(rules: &Ruleset, query: &Query<'_>) -> Verdict {
    //= R-5.3.3-06
    let (matching, rule_ids) = matching(rules, query);
    let mut handling: Option<Decision> = None;
    let mut automatic = false;
    let mut offline_storage: Option<bool> = None;
    for action in matching.iter().flat_map(|rule| &rule.actions) {
        let said = match action {
            Action::AllowInvite(invite) => {
                automatic |= *invite == AllowInvite::Accept;
                Decision::from(*invite)
            }
            Action::SubHandling(SubHandling::Allow) => Decision::Deliver,
            Action::SubHandling(SubHandling::PoliteBlock) => Decision::PoliteBlock,
            // Until the owner has confirmed, nothing is let through.
            Action::SubHandling(SubHandling::Block | SubHandling::Confirm) => Decision::Block,
            Action::AllowOfflineStorage(allow) => {
                //= https://www.rfc-editor.org/rfc/rfc4745#section-10.2
                //# For boolean permissions, the resulting permission is TRUE if and only
                //# if at least one permission in the matching rule set has a value of
                //# TRUE and FALSE otherwise.
                offline_storage = Some(offline_storage.unwrap_or_default() || *allow);
                continue;
            }
            Action::Permission(..) | Action::Other(_) => continue,
        };
        handling = handling.max(Some(said));
    }
    let said = handling.or((offline_storage == Some(true)).then_some(Decision::Defer));
    Verdict {
        decision: said.unwrap_or(query.default),
        default: said.is_none(),
        automatic,
        offline_storage,
        rule_ids,
    }
}

/// Decides what a user may do in a group.
///
/// # Examples
///
/// ```
/// use im_xdm_model::document::Ruleset;
/// use im_xdm_model::policy::{Query, evaluate_group};
/// use std::time::Duration;
///
/// let verdict = evaluate_group(&Ruleset::default(), &Query::anonymous(Duration::ZERO));
/// assert!(!verdict.join);
/// ```
pub fn evaluate_group(rules: &Ruleset, query: &Query<'_>) -> GroupVerdict {
    let (matching, rule_ids) = matching(rules, query);
    let granted = |wanted: Permission| {
        matching
            .iter()
            .any(|rule| rule.actions.contains(&Action::Permission(wanted, true)))
    };
    GroupVerdict {
        join: granted(Permission::JoinHandling),
        initiate: granted(Permission::AllowInitiateConference),
        conference_state: granted(Permission::AllowConferenceState),
        invite_dynamically: granted(Permission::AllowInviteUsersDynamically),
        anonymity: granted(Permission::AllowAnonymity),
        expel: granted(Permission::AllowExpelling),
        private: granted(Permission::AllowPrivateMessage),
        key_participant: granted(Permission::IsKeyParticipant),
        rule_ids,
    }
}

/// Finds the rules that apply.
fn matching<'r>(rules: &'r Ruleset, query: &Query<'_>) -> (Vec<&'r Rule>, Vec<String>) {
    let asked = Asked::new(rules, query);
    let matching: Vec<&Rule> = rules.rules.iter().filter(|rule| asked.matches(rule)).collect();
    let ids = matching.iter().map(|rule| rule.id.clone()).collect();
    (matching, ids)
}
