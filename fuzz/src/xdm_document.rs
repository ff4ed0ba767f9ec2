//! What is read of a document, and written, is read again as the same; written again it is the same octets.

use bytes::Bytes;
use im_xdm_model::DocumentError;
use im_xdm_model::document::{
    DeferredList, Group, HistoryList, ImSettings, Imdn, IsComposing, Presence, Reginfo, ResourceLists,
    RlsServices, UserProfile, Watcherinfo,
};
use im_xdm_model::list::{Options, recipients};
use im_xdm_model::xml::{Element, Limits};

/// The first octet picks the type of document, the rest is its text.
pub fn xdm_document(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else {
        return;
    };
    match kind % 13 {
        0 => round(text, ResourceLists::parse, ResourceLists::write),
        1 => round(text, Group::parse, Group::write),
        2 => round(text, DeferredList::parse, DeferredList::write),
        3 => round(text, HistoryList::parse, HistoryList::write),
        4 => round(text, ImSettings::parse, ImSettings::write),
        5 => round(text, Imdn::parse, Imdn::write),
        6 => round(text, IsComposing::parse, IsComposing::write),
        7 => round(text, Presence::parse, Presence::write),
        8 => round(text, Reginfo::parse, Reginfo::write),
        9 => round(text, RlsServices::parse, RlsServices::write),
        10 => round(text, UserProfile::parse, UserProfile::write),
        11 => round(text, Watcherinfo::parse, Watcherinfo::write),
        _ => {
            if let Ok(root) = Element::parse(text, &Limits::default()) {
                assert_eq!(
                    Element::parse(&root.to_bytes(), &Limits::default()).as_ref(),
                    Ok(&root)
                );
            }
        }
    }
    if let Ok(lists) = ResourceLists::parse(text, &Limits::default())
        && let Ok(found) = recipients(&lists, &Options::default())
    {
        let history = found.history_for(0);
        for hidden in found.entries.iter().filter(|one| one.anonymize) {
            let shown = ResourceLists::parse(&history, &Limits::default());
            let shown = shown.map(|lists| recipients(&lists, &Options::default()));
            let Ok(Ok(shown)) = shown else { continue };
            assert!(
                shown
                    .entries
                    .iter()
                    .all(|one| one.identity != hidden.identity || one.uri.as_str().contains("anonymous"))
            );
        }
    }
}

/// Checks that writing loses nothing.
pub(crate) fn round<T: PartialEq + std::fmt::Debug>(
    text: &[u8],
    parse: fn(&[u8], &Limits) -> Result<T, DocumentError>,
    write: fn(&T) -> Bytes,
) {
    let limits = Limits::default();
    let Ok(read) = parse(text, &limits) else { return };
    let written = write(&read);
    let again = match parse(&written, &limits) {
        Ok(again) => again,
        Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&written)),
    };
    assert_eq!(again, read);
    assert_eq!(write(&again), written);
}
