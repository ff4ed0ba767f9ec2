//! Building one coherent state out of full and partial documents (RFC 4575 section 4.6).

use super::{ConferenceInfo, Endpoint, State, User};

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
            Some(State::Partial) => {
                for user in &update.users {
                    merge_user(&mut self.users, user);
                }
            }
        }
        Ok(Merged::Changed)
    }
}

fn merge_user(users: &mut Vec<User>, update: &User) {
    let known = users.iter_mut().find(|u| u.entity == update.entity);
    match (update.state, known) {
        (State::Deleted, Some(_)) => users.retain(|u| u.entity != update.entity),
        (State::Deleted, None) => {}
        (State::Full, Some(known)) => *known = update.clone(),
        (_, None) => users.push(User {
            state: State::Full,
            ..update.clone()
        }),
        (State::Partial, Some(known)) => {
            replace(&mut known.display_text, update.display_text.as_ref());
            replace(&mut known.nickname, update.nickname.as_ref());
            replace(&mut known.own, update.own.as_ref());
            replace(&mut known.cascaded_focus, update.cascaded_focus.as_ref());
            if !update.roles.is_empty() {
                known.roles.clone_from(&update.roles);
            }
            for endpoint in &update.endpoints {
                merge_endpoint(&mut known.endpoints, endpoint);
            }
        }
    }
}

fn merge_endpoint(endpoints: &mut Vec<Endpoint>, update: &Endpoint) {
    let known = endpoints.iter_mut().find(|e| e.entity == update.entity);
    match (update.state, known) {
        (State::Deleted, Some(_)) => endpoints.retain(|e| e.entity != update.entity),
        (State::Deleted, None) => {}
        (State::Full, Some(known)) => *known = update.clone(),
        (_, None) => endpoints.push(Endpoint {
            state: State::Full,
            ..update.clone()
        }),
        (State::Partial, Some(known)) => {
            replace(&mut known.display_text, update.display_text.as_ref());
            replace(&mut known.referred, update.referred.as_ref());
            replace(&mut known.status, update.status.as_ref());
            replace(&mut known.joining_method, update.joining_method.as_ref());
            replace(&mut known.joining_info, update.joining_info.as_ref());
            replace(
                &mut known.disconnection_method,
                update.disconnection_method.as_ref(),
            );
            replace(&mut known.disconnection_info, update.disconnection_info.as_ref());
            for media in &update.media {
                match known.media.iter_mut().find(|m| m.id == media.id) {
                    Some(found) => *found = media.clone(),
                    None => known.media.push(media.clone()),
                }
            }
        }
    }
}

fn replace<T: Clone>(slot: &mut Option<T>, update: Option<&T>) {
    if let Some(value) = update {
        *slot = Some(value.clone());
    }
}
