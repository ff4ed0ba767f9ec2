//! The models survive the way through a format that is not XML.
#![cfg(feature = "serde")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use im_xdm_model::document::{ConferenceInfo, Group, Imdn, IsComposing, ResourceLists, Ruleset};
use im_xdm_model::xml::{Limits, Name};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn round<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(model: &T) -> serde_json::Value {
    let json = serde_json::to_value(model).unwrap();
    assert_eq!(&serde_json::from_value::<T>(json.clone()).unwrap(), model);
    json
}

#[test]
fn documents_come_back_from_json() {
    let limits = Limits::default();
    let lists = include_bytes!("data/rfc/rfc5364-01-resource-lists.xml");
    let json = round(&ResourceLists::parse(lists, &limits).unwrap());
    assert_eq!(json["lists"][0]["children"][1]["entry"]["copy_control"], "to");
    assert_eq!(json["lists"][0]["children"][1]["entry"]["anonymize"], true);
    round(&Group::parse(include_bytes!("data/authored/group-prearranged.xml"), &limits).unwrap());
    round(&Ruleset::parse(include_bytes!("data/authored/access-rules.xml"), &limits).unwrap());
    let info = include_bytes!("data/rfc/rfc4575-01-conference-info.xml");
    let json = round(&ConferenceInfo::parse(info, &limits).unwrap());
    assert_eq!(
        json["users"][0]["endpoints"][0]["disconnection_method"],
        "departed"
    );
    round(&Imdn::parse(include_bytes!("data/rfc/rfc5438-01-imdn.xml"), &limits).unwrap());
    round(&IsComposing::parse(include_bytes!("data/rfc/rfc3994-01-isComposing.xml"), &limits).unwrap());
}

#[test]
fn a_name_that_is_none_does_not_come_in() {
    assert!(
        serde_json::from_str::<Name>("\"{urn:x}entry\"")
            .unwrap()
            .is("urn:x", "entry")
    );
    for text in ["\"\"", "\"a b\"", "\"{urn:x}1\"", "\"{}a\"", "\"a><b\""] {
        assert!(serde_json::from_str::<Name>(text).is_err(), "{text}");
    }
}
