//! The kinds that are XML documents: the model as its serde form, and the document written back.

use bytes::Bytes;
use im_xdm_model::document::{
    ConferenceInfo, DeferredList, Group, HistoryList, ImSettings, Imdn, IsComposing, Presence, Reginfo,
    ResourceLists, RlsServices, Ruleset, UserProfile, Watcherinfo,
};
use im_xdm_model::error::{DocumentError, DocumentErrorKind};
use im_xdm_model::xcap::diff::XcapDiff;
use im_xdm_model::xcap::{Capabilities, Directory, XcapError};
use im_xdm_model::xml::Limits;
use serde::Serialize;
use serde_json::Value;

use super::{Accepted, Query, Refusal, base64, code_of};

/// A type of document: how it is read with everything told of it, and how it is only read.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) inspect: fn(&Query, &Bytes) -> Result<Accepted, Refusal>,
    pub(super) parse: fn(&[u8]),
}

macro_rules! kinds {
    ($($name:literal => $document:ty,)*) => {
        &[$(Kind {
            name: $name,
            inspect: |_, octets| inspect(octets, <$document>::parse, <$document>::write),
            parse: |octets| {
                let _ = std::hint::black_box(<$document>::parse(octets, &Limits::default()));
            },
        },)*]
    };
}

/// All of them; a line makes a kind of a type that has `parse` and `write`.
pub(super) const KINDS: &[Kind] = kinds! {
    "access-rules" => Ruleset,
    "conference-info" => ConferenceInfo,
    "deferred-list" => DeferredList,
    "group" => Group,
    "history-list" => HistoryList,
    "im-settings" => ImSettings,
    "imdn" => Imdn,
    "is-composing" => IsComposing,
    "pidf" => Presence,
    "reginfo" => Reginfo,
    "resource-lists" => ResourceLists,
    "rls-services" => RlsServices,
    "user-profile" => UserProfile,
    "watcherinfo" => Watcherinfo,
    "xcap-caps" => Capabilities,
    "xcap-diff" => XcapDiff,
    "xcap-directory" => Directory,
    "xcap-error" => XcapError,
};

fn inspect<T: Serialize>(
    octets: &[u8],
    parse: fn(&[u8], &Limits) -> Result<T, DocumentError>,
    write: fn(&T) -> Bytes,
) -> Result<Accepted, Refusal> {
    let document = parse(octets, &Limits::default()).map_err(|error| refusal(&error))?;
    let mut value =
        serde_json::to_value(&document).map_err(|error| Refusal::new("serde", error.to_string()))?;
    let written = base64(&write(&document));
    match value.as_object_mut() {
        Some(object) => {
            object.insert("written".to_owned(), written);
        }
        None => value = serde_json::json!({"value": value, "written": written}),
    }
    Ok(Value::into(value))
}

/// Says why a document is not acceptable.
pub(super) fn refusal(error: &DocumentError) -> Refusal {
    let (code, status) = match &error.kind {
        DocumentErrorKind::Xml(kind) => (code_of(kind), 400),
        kind => (code_of(kind), 400),
    };
    Refusal::new(code, error.to_string())
        .at(error.place())
        .offset(error.offset)
        .status(status)
}
