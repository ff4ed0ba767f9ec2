//! Building one coherent state out of full and partial documents (RFC 4575 section 4.6).

use std::collections::{BTreeMap, BTreeSet};

use super::{ConferenceInfo, Endpoint, Media, State, User};

/// What a document did to the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Merged {
    /// The state was replaced or changed.
    Changed,
    /// The document is not newer than the state and was left aside.
    Stale,
    /// The conference has ended.
    Ended,
}

/// A document could not be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// A document in between is missing: the subscription has to be refreshed, to get the full state.
    #[error("a partial state is missing")]
    Gap,
    /// The document is about another conference.
    #[error("state of another conference")]
    OtherConference,
}

impl ConferenceInfo {
    /// Applies a newer document to this state.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when a document in between is missing or the conference is another one.
    pub fn merge(&mut self, update: &Self) -> Result<Merged, MergeError> {
        if update.entity != self.entity {
            return Err(MergeError::OtherConference);
        }
        //= https://www.rfc-editor.org/rfc/rfc4575#section-4.6
        //# If the value in the document is equal to or
        //# less than the local version, the document is discarded without
        //# processing.
        let (Some(known), Some(new)) = (self.version, update.version) else {
            if update.state == State::Partial {
                return Err(MergeError::Gap);
            }
            *self = update.clone();
            return Ok(if update.state == State::Deleted {
                Merged::Ended
            } else {
                Merged::Changed
            });
        };
        if new <= known {
            return Ok(Merged::Stale);
        }
        match update.state {
            State::Full => {
                *self = update.clone();
                return Ok(Merged::Changed);
            }
            State::Deleted => {
                *self = update.clone();
                return Ok(Merged::Ended);
            }
            State::Partial => {}
        }
        //= https://www.rfc-editor.org/rfc/rfc4575#section-4.6
        //# if the 'version' number in the received document is more than one number
        //# higher than the previous local version number, the subscriber MUST
        //# generate a subscription refresh request to trigger a full state
        //# notification.
        if new.checked_sub(known) != Some(1) {
            return Err(MergeError::Gap);
        }
        self.version = Some(new);
        if update.description.is_some() {
            self.description.clone_from(&update.description);
        }
        if update.host_info.is_some() {
            self.host_info.clone_from(&update.host_info);
        }
        if update.conference_state.is_some() {
            self.conference_state.clone_from(&update.conference_state);
        }
        match update.users_state {
            None => {}
            Some(State::Full) => self.users.clone_from(&update.users),
            Some(State::Deleted) => self.users.clear(),
            Some(State::Partial) => merge_all(&mut self.users, &update.users),
        }
        Ok(Merged::Changed)
    }
}

/// What has a key and a state of its own.
trait Keyed: Clone {
    fn key(&self) -> Option<&str>;
    fn state(&self) -> State;
    fn set_state(&mut self, state: State);
    /// Takes over what a partial update holds.
    fn update(&mut self, update: &Self);
}

/// Applies updates to what is known, in one pass over each.
fn merge_all<T: Keyed>(known: &mut Vec<T>, updates: &[T]) {
    let mut places: BTreeMap<Option<String>, usize> = known
        .iter()
        .enumerate()
        .map(|(at, one)| (one.key().map(str::to_owned), at))
        .collect();
    let mut gone = BTreeSet::new();
    for update in updates {
        let key = update.key().map(str::to_owned);
        let place = places.get(&key).copied();
        let row = place.and_then(|at| known.get_mut(at));
        match (update.state(), row) {
            (State::Deleted, Some(_)) => {
                gone.extend(place);
                places.remove(&key);
            }
            (State::Deleted, None) => {}
            (State::Full, Some(row)) => *row = update.clone(),
            (State::Partial, Some(row)) => row.update(update),
            (_, None) => {
                let mut row = update.clone();
                row.set_state(State::Full);
                places.insert(key, known.len());
                known.push(row);
            }
        }
    }
    let mut at = 0_usize;
    known.retain(|_| {
        let stays = !gone.contains(&at);
        at = at.saturating_add(1);
        stays
    });
}

impl Keyed for User {
    fn key(&self) -> Option<&str> {
        self.entity.as_deref()
    }

    fn state(&self) -> State {
        self.state
    }

    fn set_state(&mut self, state: State) {
        self.state = state;
    }

    fn update(&mut self, update: &Self) {
        replace(&mut self.display_text, update.display_text.as_ref());
        replace(&mut self.nickname, update.nickname.as_ref());
        replace(&mut self.own, update.own.as_ref());
        replace(&mut self.cascaded_focus, update.cascaded_focus.as_ref());
        if !update.roles.is_empty() {
            self.roles.clone_from(&update.roles);
        }
        merge_all(&mut self.endpoints, &update.endpoints);
    }
}

impl Keyed for Endpoint {
    fn key(&self) -> Option<&str> {
        self.entity.as_deref()
    }

    fn state(&self) -> State {
        self.state
    }

    fn set_state(&mut self, state: State) {
        self.state = state;
    }

    fn update(&mut self, update: &Self) {
        replace(&mut self.display_text, update.display_text.as_ref());
        replace(&mut self.referred, update.referred.as_ref());
        replace(&mut self.status, update.status.as_ref());
        replace(&mut self.joining_method, update.joining_method.as_ref());
        replace(&mut self.joining_info, update.joining_info.as_ref());
        replace(
            &mut self.disconnection_method,
            update.disconnection_method.as_ref(),
        );
        replace(&mut self.disconnection_info, update.disconnection_info.as_ref());
        merge_all(&mut self.media, &update.media);
    }
}

impl Keyed for Media {
    fn key(&self) -> Option<&str> {
        Some(&self.id)
    }

    // A medium has no state of its own, so it is always replaced as a whole.
    fn state(&self) -> State {
        State::Full
    }

    fn set_state(&mut self, _: State) {}

    fn update(&mut self, update: &Self) {
        self.clone_from(update);
    }
}

fn replace<T: Clone>(slot: &mut Option<T>, update: Option<&T>) {
    if let Some(value) = update {
        *slot = Some(value.clone());
    }
}
