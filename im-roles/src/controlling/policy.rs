//! What a conference lets whom do: by the group's document, by configuration, or by the rules of an ad hoc group.

use std::collections::BTreeSet;
use std::time::Duration;

use im_xdm_model::document::{Group, Ruleset};
use im_xdm_model::list::Recipient;
use im_xdm_model::policy::{Query, evaluate_group};
use im_xdm_model::xml;
use sip_im::{Aliases, Identity, StatusCode, Uri};

use super::event::ConferenceKind;
use super::reply::{IM_FEATURE, Refusal};
use crate::ServiceWarning;
use crate::config::{GroupConfig, GroupKind, Limits};
use crate::effect::StoredDocument;

/// Somebody whom a group's document or a list names.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// His address, as it is called.
    pub(super) uri: Uri,
    /// Who that is, alias sets folded.
    pub(super) identity: Identity,
    /// His display name.
    pub(super) display: Option<String>,
    /// Whether the one who named him wants his address hidden from the others (RFC 5364).
    pub(super) hidden: bool,
    /// His place in the list that a request brought.
    pub(super) entry: Option<usize>,
}

impl Member {
    /// Somebody who is named without more.
    pub(super) fn new(uri: Uri, aliases: &Aliases) -> Self {
        let identity = aliases.fold(&uri.identity());
        Self {
            uri,
            identity,
            display: None,
            hidden: false,
            entry: None,
        }
    }

    /// Somebody whom a list names.
    ///
    /// A blind recipient is to be known to nobody, so he takes part under a pseudonym as well: nobody listens unseen
    /// (R-B-04).
    pub(super) fn of_list(entry: usize, recipient: &Recipient) -> Self {
        Self {
            uri: recipient.uri.clone(),
            identity: recipient.identity.clone(),
            display: recipient.display_name.clone(),
            hidden: recipient.anonymize || recipient.copy_control == im_xdm_model::document::CopyControl::Bcc,
            entry: Some(entry),
        }
    }
}

/// The rules of one group, as they were when its conference began.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) kind: ConferenceKind,
    pub(super) members: Vec<Member>,
    pub(super) max_participants: usize,
    /// The name that participants see.
    pub(super) display: Option<String>,
    owner: Option<Identity>,
    /// Those of `members`.
    member_set: BTreeSet<Identity>,
    /// Whom participants have invited.
    invited: BTreeSet<Identity>,
    /// Who was expelled, and is kept out while the conference lasts.
    barred: BTreeSet<Identity>,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    AdHoc {
        open: bool,
    },
    Configured {
        anonymity: bool,
        private: bool,
        expel: bool,
    },
    /// A document; one without a ruleset lets its members do what members of a configured group may.
    Document(Option<Box<Ruleset>>),
}

/// What one user may do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the actions of the group document, each granted by itself"
)]
pub(super) struct Permissions {
    /// Join the session that is going on.
    pub(super) join: bool,
    /// Begin one.
    pub(super) initiate: bool,
    /// Learn who is in it.
    pub(super) state: bool,
    /// Have the focus invite somebody.
    pub(super) add: bool,
    /// Have the focus expel somebody.
    pub(super) expel: bool,
    /// Take part without being known.
    pub(super) anonymity: bool,
    /// Send to one participant.
    pub(super) private: bool,
}

impl Rules {
    fn new(kind: ConferenceKind, members: Vec<Member>, max_participants: usize, source: Source) -> Self {
        Self {
            kind,
            member_set: members.iter().map(|member| member.identity.clone()).collect(),
            members,
            max_participants,
            display: None,
            owner: None,
            invited: BTreeSet::new(),
            barred: BTreeSet::new(),
            source,
        }
    }

    /// An ad hoc group: its creator may expel, and whom a participant has invited may join, or everybody if it is `open`.
    pub(super) fn ad_hoc(owner: &Identity, members: Vec<Member>, open: bool, limits: &Limits) -> Self {
        // The list itself is checked against the limit, so there is room for all of it and its sender.
        let room = limits
            .max_adhoc_group_size
            .max(members.len().saturating_add(1))
            .min(limits.max_participants);
        let mut rules = Self::new(ConferenceKind::AdHoc, members, room, Source::AdHoc { open });
        rules.owner = Some(owner.clone());
        rules
    }

    /// A group of the configuration.
    pub(super) fn configured(group: &GroupConfig, aliases: &Aliases, limits: &Limits) -> Self {
        let kind = match group.kind {
            GroupKind::Chat => ConferenceKind::Chat,
            GroupKind::Prearranged => ConferenceKind::Prearranged,
        };
        let members = group
            .members
            .iter()
            .map(|uri| Member::new(uri.clone(), aliases))
            .collect();
        let source = Source::Configured {
            anonymity: group.allow_anonymity,
            private: group.allow_private,
            expel: group.allow_expel,
        };
        let mut rules = Self::new(kind, members, limits.max_participants, source);
        rules.owner = group.owner.as_ref().map(|owner| aliases.fold(&owner.identity()));
        rules
    }

    /// A group of a stored document.
    ///
    /// # Errors
    ///
    /// Fails with what to answer: 404 when the document is not that group's, 500 when it cannot be read, 403 when
    /// members stand in lists elsewhere, which are not resolved: half a group is not invited.
    pub(super) fn of_document(
        document: &StoredDocument,
        group: &Identity,
        aliases: &Aliases,
        limits: &Limits,
    ) -> Result<Self, Refusal> {
        let broken = Refusal::new(StatusCode::SERVER_INTERNAL_ERROR);
        let parsed = Group::parse(&document.text, &xml::Limits::default()).map_err(|_| broken.clone())?;
        if Uri::parse(&parsed.uri).map_or(true, |uri| uri.identity() != *group) {
            return Err(StatusCode::NOT_FOUND.into());
        }
        if !parsed.externals.is_empty() {
            return Err(Refusal::forbidden(ServiceWarning::FunctionNotAllowed));
        }
        let mut members: Vec<Member> = Vec::with_capacity(parsed.members.len());
        let mut seen = BTreeSet::new();
        for entry in &parsed.members {
            let uri = Uri::parse(entry.uri.trim()).map_err(|_| broken.clone())?;
            let mut member = Member::new(uri, aliases);
            member.display = entry.display_name.as_ref().map(|name| name.text.clone());
            if seen.insert(member.identity.clone()) {
                members.push(member);
            }
        }
        let kind = if parsed.invite_members {
            ConferenceKind::Prearranged
        } else {
            ConferenceKind::Chat
        };
        let own = parsed
            .max_participants
            .and_then(|most| usize::try_from(most).ok());
        let most = own
            .unwrap_or(limits.max_participants)
            .min(limits.max_participants);
        let mut rules = Self::new(
            kind,
            members,
            most,
            Source::Document(parsed.ruleset.map(Box::new)),
        );
        rules.display = parsed.display_name.map(|name| name.text);
        Ok(rules)
    }

    /// What a user may do, of whom all identities are given.
    ///
    /// The rules of a document are evaluated for who he really is, also when he hides: whether he may is one of the
    /// actions that they grant (`allow-anonymity`), and the focus knows him anyway.
    //= R-5.3.2.3.2-06
    pub(super) fn permissions(&self, identities: &[Identity], now: Duration) -> Permissions {
        let is = |known: &BTreeSet<Identity>| identities.iter().any(|identity| known.contains(identity));
        let owner = self
            .owner
            .as_ref()
            .is_some_and(|owner| identities.contains(owner));
        let member = is(&self.member_set);
        let invited = is(&self.invited);
        let mut granted = match &self.source {
            Source::AdHoc { open } => Permissions {
                join: *open || owner || member,
                initiate: true,
                state: true,
                add: true,
                expel: owner,
                anonymity: true,
                private: true,
            },
            Source::Configured {
                anonymity,
                private,
                expel,
            } => {
                let open = self.members.is_empty();
                Permissions {
                    join: open || owner || member,
                    initiate: open || owner || member,
                    state: true,
                    add: open || owner,
                    expel: owner || *expel,
                    anonymity: *anonymity,
                    private: *private,
                }
            }
            Source::Document(None) => Permissions {
                join: member,
                initiate: member,
                state: true,
                add: false,
                expel: false,
                anonymity: false,
                private: false,
            },
            Source::Document(Some(ruleset)) => {
                let is_member = |identity: &Identity| self.member_set.contains(identity);
                let mut query = Query::new(identities, now);
                query.service = Some(IM_FEATURE);
                query.media = Some("message-session");
                query.is_member = &is_member;
                let verdict = evaluate_group(ruleset, &query);
                Permissions {
                    join: verdict.join,
                    initiate: verdict.initiate,
                    state: verdict.conference_state,
                    add: verdict.invite_dynamically,
                    expel: verdict.expel,
                    anonymity: verdict.anonymity,
                    private: verdict.private,
                }
            }
        };
        granted.join = (granted.join || invited) && !is(&self.barred);
        granted
    }

    /// Lets a user in whom a participant has invited.
    pub(super) fn invite(&mut self, user: &Identity) {
        self.barred.remove(user);
        if self.invited.len() < self.max_participants.saturating_mul(2) {
            self.invited.insert(user.clone());
        }
    }

    /// Keeps a user out who was expelled.
    pub(super) fn bar(&mut self, user: &Identity) {
        self.invited.remove(user);
        if self.barred.len() < self.max_participants.saturating_mul(2) {
            self.barred.insert(user.clone());
        }
    }
}
