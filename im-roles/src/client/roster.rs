//! The participants of a conference, as its focus tells them (RFC 4575).

use im_xdm_model::document::conference_info::{ConferenceInfo, Merged, State, User};
use sip_im::{Identity, Uri};

use super::event::RosterEntry;

/// What became of a document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Merge {
    /// It was taken in.
    Changed,
    /// It is older than what is known.
    Stale,
    /// Something between is missing: the whole is to be asked for again.
    Gap,
    /// There is no conference any more.
    Ended,
}

/// The participants, put together from full and partial documents.
#[derive(Debug, Default)]
pub(super) struct Roster {
    known: Option<ConferenceInfo>,
}

impl Roster {
    pub(super) fn is_known(&self) -> bool {
        self.known.is_some()
    }

    /// Forgets everything, so that a new subscription's count is taken up wherever it begins.
    pub(super) fn restart(&mut self) {
        self.known = None;
    }

    /// Takes in a document; users beyond `most` are left out.
    pub(super) fn merge(&mut self, document: ConferenceInfo, most: usize) -> Merge {
        let merged = match &mut self.known {
            Some(known) => match known.merge(&document) {
                Ok(Merged::Changed) => Merge::Changed,
                Ok(Merged::Ended) => Merge::Ended,
                Ok(_) => Merge::Stale,
                Err(_) => Merge::Gap,
            },
            None => match document.state {
                State::Full => {
                    self.known = Some(document);
                    Merge::Changed
                }
                State::Deleted => Merge::Ended,
                _ => Merge::Gap,
            },
        };
        if let Some(known) = &mut self.known {
            known.users.truncate(most);
        }
        merged
    }

    /// The participants as the application sees them.
    pub(super) fn entries(&self, own: &Identity) -> Vec<RosterEntry> {
        let users = self.known.iter().flat_map(|known| &known.users);
        users.filter_map(|user| entry(user, own)).collect()
    }
}

fn entry(user: &User, own: &Identity) -> Option<RosterEntry> {
    let entity = user.entity.clone()?;
    let uri = Uri::parse(&entity).ok();
    Some(RosterEntry {
        display: user.display_text.clone(),
        nickname: user.nickname.clone(),
        status: user
            .endpoints
            .iter()
            .find_map(|endpoint| endpoint.status)
            .map(|status| status.as_str().to_owned()),
        own: user
            .own
            .unwrap_or_else(|| uri.as_ref().is_some_and(|uri| uri.identity() == *own)),
        // The host of a user who hides his address is below `.invalid` (RFC 4575 5.6).
        anonymous: uri
            .as_ref()
            .and_then(Uri::host)
            .is_some_and(|host| host.ends_with(".invalid")),
        uri: entity,
    })
}
