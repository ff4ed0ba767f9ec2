//! The history of a request where it must not tell whom it was for (RFC 7044 10.1.2).

use core::fmt::Write as _;

use crate::header::{HeaderName, Headers, HistoryInfo};

/// Whose entries are hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum History {
    /// Of all, also of other domains: which they are is not known here.
    OfAll,
    /// Of those that say so themselves.
    OfThoseWhoAsk,
}

/// Makes entries anonymous, and takes from all of them what they ask themselves. A history that cannot be read goes as a whole.
pub(super) fn hide_history(headers: &mut Headers, whose: History) {
    let entries: Result<Vec<HistoryInfo>, _> = headers.all().collect();
    let Ok(entries) = entries else {
        headers.remove(&HeaderName::HISTORY_INFO);
        return;
    };
    let is_hidden = |entry: &HistoryInfo| whose == History::OfAll || entry.wants_privacy();
    if !entries
        .iter()
        .any(|entry| is_hidden(entry) || entry.has_own_privacy())
    {
        return;
    }
    let mut values = String::new();
    for entry in &entries {
        let separator = if values.is_empty() { "" } else { ", " };
        let shown = if is_hidden(entry) {
            entry.anonymised()
        } else {
            entry.without_own_privacy()
        };
        // Writing to a String does not fail.
        let _ = write!(values, "{separator}{}", shown.name_addr);
    }
    // What was read from a message has no line end in it.
    if headers.set(&HeaderName::HISTORY_INFO, &values).is_err() {
        headers.remove(&HeaderName::HISTORY_INFO);
    }
}
