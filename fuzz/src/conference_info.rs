//! Conference state is written as it was read, and documents applied one after the other never break the state.

use im_xdm_model::document::ConferenceInfo;
use im_xdm_model::document::conference_info::{MergeError, Merged, State};
use im_xdm_model::xml::Limits;

use crate::xdm_document::round;

/// Two documents, the second of which is applied to the first; a NUL ends the first.
pub fn conference_info(data: &[u8]) {
    let mut documents = data.splitn(2, |octet| *octet == 0);
    let (first, second) = (
        documents.next().unwrap_or_default(),
        documents.next().unwrap_or_default(),
    );
    round(first, ConferenceInfo::parse, ConferenceInfo::write);
    let limits = Limits::default();
    let (Ok(first), Ok(second)) = (
        ConferenceInfo::parse(first, &limits),
        ConferenceInfo::parse(second, &limits),
    ) else {
        return;
    };
    let mut state = first.clone();
    match state.merge(&second) {
        Ok(Merged::Stale) | Err(_) => {
            assert_eq!(state, first, "a document that is left aside changes nothing");
        }
        Ok(_) => {
            assert_eq!(state.version, second.version);
            let again = state.clone().merge(&second);
            let is_settled =
                second.version.is_none() || again == Ok(Merged::Stale) || again == Err(MergeError::Gap);
            assert!(is_settled, "the same document twice does nothing: {again:?}");
            if second.state != State::Partial {
                assert_eq!(state, second);
            }
        }
    }
}
