//! Documents that come in versions, of which some hold only what changed.

use std::collections::BTreeMap;

use super::tokens::tokens;

tokens! {
    /// Whether a document holds everything or what changed.
    DocumentState {
        /// Everything.
        Full = "full",
        /// What changed.
        Partial = "partial",
    }
}

/// What a document did to the state that a subscriber keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Updated {
    /// The state was replaced or changed.
    Changed,
    /// The state was changed, but a document in between is missing: the subscription should be refreshed.
    Gap,
    /// The document is not newer than the state and was left aside.
    Stale,
}

impl Updated {
    /// Compares the version of a document with that of the state.
    pub(super) fn of(known: u64, new: u64, state: DocumentState) -> Self {
        if new <= known {
            Self::Stale
        } else if state == DocumentState::Full || new.checked_sub(known) == Some(1) {
            Self::Changed
        } else {
            Self::Gap
        }
    }
}

/// Replaces the rows that are known by key, and adds the others.
pub(super) fn update_rows<T: Clone>(known: &mut Vec<T>, updates: &[T], key: impl Fn(&T) -> String) {
    let places: BTreeMap<String, usize> = known.iter().enumerate().map(|(at, row)| (key(row), at)).collect();
    for update in updates {
        match places.get(&key(update)).and_then(|at| known.get_mut(*at)) {
            Some(row) => row.clone_from(update),
            None => known.push(update.clone()),
        }
    }
}
