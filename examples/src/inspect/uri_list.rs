//! The kind `uri-list`: a resource-lists body as an exploder reads it.

use bytes::Bytes;
use im_xdm_model::document::ResourceLists;
use im_xdm_model::list::{ListError, Options, recipients};
use im_xdm_model::xml::Limits;
use serde_json::{Value, json};

use super::{Accepted, Query, Refusal, base64, code_of, document};

pub(super) fn inspect(_: &Query, octets: &Bytes) -> Result<Accepted, Refusal> {
    let lists =
        ResourceLists::parse(octets, &Limits::default()).map_err(|error| document::refusal(&error))?;
    let resolved = recipients(&lists, &Options::default()).map_err(|error| {
        let (at, status) = match error {
            ListError::External { .. } => ("external", 400),
            ListError::TooMany => ("list", 486),
            _ => ("entry", 400),
        };
        Refusal::new(code_of(&error), error.to_string())
            .at(at)
            .status(status)
    })?;
    let entries: Vec<Value> = resolved
        .entries
        .iter()
        .map(|entry| {
            json!({
                "uri": entry.uri.as_str(), "copy_control": entry.copy_control.as_str(), "anonymize": entry.anonymize,
                "display_name": entry.display_name,
            })
        })
        .collect();
    let histories: Vec<Value> = (0..resolved.entries.len())
        .map(|index| base64(&resolved.history_for(index)))
        .collect();
    Ok(json!({"recipients": entries, "histories": histories}).into())
}
