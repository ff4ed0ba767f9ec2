//! Recipients of lists, and what their histories show.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use im_xdm_model::document::{CopyControl, Entry, Item, List, ResourceLists};
use im_xdm_model::list::{ListError, Options, Recipients, recipients};
use im_xdm_model::xml::Limits;
use proptest::prelude::*;
use sip_im::Uri;

fn read(inner: &str) -> ResourceLists {
    let text = format!(
        "<resource-lists xmlns='urn:ietf:params:xml:ns:resource-lists' \
         xmlns:cp='urn:ietf:params:xml:ns:copycontrol'>{inner}</resource-lists>"
    );
    ResourceLists::parse(text.as_bytes(), &Limits::default()).unwrap()
}

fn found(inner: &str) -> Result<Recipients, ListError> {
    recipients(&read(inner), &Options::default())
}

fn shown(history: &[u8]) -> Vec<(String, Option<CopyControl>, Option<u32>)> {
    let lists = ResourceLists::parse(history, &Limits::default()).unwrap();
    let entries = lists.lists.iter().flat_map(|list| &list.children);
    entries
        .map(|item| match item {
            Item::Entry(entry) => (entry.uri.clone(), entry.copy_control, entry.count),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn the_history_of_the_rfc_comes_out() {
    let list = include_bytes!("data/rfc/rfc5364-01-resource-lists.xml");
    let expected = include_bytes!("data/rfc/rfc5364-02-resource-lists.xml");
    let lists = ResourceLists::parse(list, &Limits::default()).unwrap();
    let recipients = recipients(&lists, &Options::default()).unwrap();
    assert_eq!(recipients.entries.len(), 7);
    for index in 0..recipients.entries.len() {
        assert_eq!(shown(&recipients.history_for(index)), shown(expected));
    }
}

#[test]
fn one_user_gets_one_copy_in_the_strongest_role() {
    //= https://www.rfc-editor.org/rfc/rfc5364#section-4
    //= type=test
    //# For
    //# each set of duplicated URI entries, the URI-list server MUST select
    //# the highest precedence value of the 'copyControl' attribute for the
    //# same intended recipient.
    let found = found(
        "<list><entry uri='sip:a@example.com' cp:copyControl='bcc'/><entry uri='sip:a@EXAMPLE.com:5060;x=y' cp:copyControl='to'/>\
         <entry uri='sips:%61@example.com' cp:copyControl='cc'/></list><list><entry uri='im:a@example.com'/></list>",
    )
    .unwrap();
    assert_eq!(found.entries.len(), 1);
    assert_eq!(found.entries[0].copy_control, CopyControl::To);
    assert_eq!(found.entries[0].uri.as_str(), "sip:a@example.com");
}

#[test]
fn aliases_name_one_user_and_do_not_lift_anonymity() {
    let mut options = Options::default();
    options.aliases.insert(
        &Uri::parse("tel:+15551234").unwrap(),
        &Uri::parse("sip:alice@example.com").unwrap(),
    );
    let lists = read(
        "<list><entry uri='tel:+1-555-1234' cp:copyControl='to' cp:anonymize='true'/>\
         <entry uri='sip:alice@example.com' cp:copyControl='to'/></list>",
    );
    let found = recipients(&lists, &options).unwrap();
    assert_eq!(found.entries.len(), 1);
    assert!(found.entries[0].anonymize);
    let history = String::from_utf8(found.history_for(0).to_vec()).unwrap();
    assert!(
        !history.contains("alice") && !history.contains("555"),
        "{history}"
    );
}

#[test]
fn an_entry_without_a_role_is_a_blind_copy() {
    //= https://www.rfc-editor.org/rfc/rfc5364#section-4
    //= type=test
    //# That is, the absence of a 'copyControl' attribute
    //# MUST be treated as if the 'copyControl' was set to "bcc".
    let found = found("<list><entry uri='sip:a@example.com'/></list>").unwrap();
    assert_eq!(found.entries[0].copy_control, CopyControl::Bcc);
    assert!(!found.has_visible());
    assert_eq!(shown(&found.history_for(0)), []);
}

//= R-5.3.2.1.3-01
//= type=test
#[test]
fn nested_lists_are_flattened_and_hand_their_role_down() {
    let found = found(
        "<list><entry uri='sip:a@example.com' cp:copyControl='to'/><list cp:copyControl='cc' cp:anonymize='true'>\
         <entry uri='sip:b@example.com'/><list><entry uri='sip:c@example.com' cp:copyControl='to'/></list></list>\
         <entry uri='sip:d@example.com' cp:copyControl='cc'/></list>",
    )
    .unwrap();
    let roles: Vec<_> = found
        .entries
        .iter()
        .map(|r| (r.uri.as_str(), r.copy_control, r.anonymize))
        .collect();
    assert_eq!(
        roles,
        [
            ("sip:a@example.com", CopyControl::To, false),
            ("sip:b@example.com", CopyControl::Cc, true),
            ("sip:c@example.com", CopyControl::To, true),
            ("sip:d@example.com", CopyControl::Cc, false),
        ]
    );
}

#[test]
fn a_blind_recipient_can_be_told_that_it_is_one() {
    let mut options = Options::default();
    options.inform_blind = true;
    let lists = read(
        "<list><entry uri='sip:a@example.com' cp:copyControl='to'/><entry uri='sip:b@example.com' cp:copyControl='bcc'/>\
         <entry uri='sip:c@example.com' cp:copyControl='bcc'/></list>",
    );
    let found = recipients(&lists, &options).unwrap();
    assert_eq!(shown(&found.history_for(0)).len(), 1);
    assert_eq!(
        shown(&found.history_for(1))[1],
        ("sip:b@example.com".into(), Some(CopyControl::Bcc), None)
    );
    assert_eq!(shown(&found.history_for(2))[1].0, "sip:c@example.com");
}

#[test]
fn header_fields_of_a_uri_are_for_its_recipient_alone() {
    let found =
        found("<list><entry uri='sip:a@example.com;gr=1?Subject=x' cp:copyControl='to'/></list>").unwrap();
    assert_eq!(found.entries[0].uri.as_str(), "sip:a@example.com;gr=1?Subject=x");
    assert_eq!(shown(&found.history_for(0))[0].0, "sip:a@example.com;gr=1");
}

#[test]
fn lists_that_cannot_be_read_as_a_whole_are_refused_as_a_whole() {
    let entry = "<entry uri='sip:a@example.com'/>";
    assert_eq!(
        found(&format!("<list>{entry}<entry uri='nobody'/></list>")).unwrap_err(),
        ListError::InvalidUri { entry: 1 }
    );
    assert_eq!(
        found(&format!("<list>{entry}<external anchor='http://x/y'/></list>")).unwrap_err(),
        ListError::External { entry: 1 }
    );
    assert_eq!(
        found("<list><entry-ref ref='x'/></list>").unwrap_err(),
        ListError::External { entry: 0 }
    );
    let mut options = Options::default();
    options.max_recipients = 2;
    let many = |n: usize| {
        (0..n)
            .map(|i| format!("<entry uri='sip:{i}@example.com'/>"))
            .collect::<Vec<_>>()
            .concat()
    };
    assert!(recipients(&read(&format!("<list>{}</list>", many(2))), &options).is_ok());
    assert_eq!(
        recipients(&read(&format!("<list>{}</list>", many(3))), &options).unwrap_err(),
        ListError::TooMany
    );
    assert!(found("<list/>").unwrap().is_empty());
}

proptest! {
    /// Neither a blind nor an anonymised address occurs anywhere in any history.
    #[test]
    fn hidden_addresses_are_in_no_history(
        users in proptest::collection::vec((0..12_u8, 0..4_u8, any::<bool>()), 1..12), inform in any::<bool>(),
    ) {
        let mut list = List::new();
        for (user, role, anonymize) in &users {
            let mut entry = Entry::new(format!("sip:user-{user}-@example.com"));
            entry.display_name = Some(im_xdm_model::document::DisplayName::new(format!("user-{user}-")));
            entry.copy_control = [None, Some(CopyControl::To), Some(CopyControl::Cc), Some(CopyControl::Bcc)][usize::from(*role)];
            entry.anonymize = *anonymize;
            list.children.push(Item::Entry(entry));
        }
        let mut options = Options::default();
        options.inform_blind = inform;
        let found = recipients(&ResourceLists::of(vec![list]), &options).unwrap();
        for (index, _) in found.entries.iter().enumerate() {
            let history = String::from_utf8(found.history_for(index).to_vec()).unwrap();
            for (other, hidden) in found.entries.iter().enumerate() {
                let is_hidden = hidden.anonymize || hidden.copy_control == CopyControl::Bcc;
                let is_own = inform && other == index && hidden.copy_control == CopyControl::Bcc;
                if is_hidden && !is_own {
                    prop_assert!(!history.contains(hidden.uri.user().unwrap()), "{}", history);
                } else {
                    prop_assert!(history.contains(hidden.uri.as_str()));
                }
            }
        }
    }
}
