//! The kind `cpim`.

use ::msrp::cpim::{Address, Message};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{Accepted, Query, Refusal, code_of, set_octets};

pub(super) fn inspect(_: &Query, octets: &Bytes) -> Result<Accepted, Refusal> {
    let message = Message::parse(octets).map_err(|error| {
        let refusal = Refusal::new(code_of(&error.kind), error.to_string())
            .offset(error.offset)
            .status(400);
        match field_at(octets, error.offset) {
            Some(name) => refusal.at(name),
            None => refusal,
        }
    })?;
    let uris = |addresses: &[Address]| -> Vec<Value> {
        addresses
            .iter()
            .map(|one| Value::from(one.uri.as_str()))
            .collect()
    };
    let from: Vec<Value> = message
        .from()
        .iter()
        .map(|one| json!({"name": one.name.as_deref(), "uri": one.uri.as_str()}))
        .collect();
    let subjects: Vec<Value> = message
        .subjects()
        .iter()
        .map(|one| json!({"lang": one.language.as_deref(), "text": one.text.as_str()}))
        .collect();
    let headers: Vec<Value> = message
        .fields()
        .iter()
        .map(|field| {
            json!([
                field.namespace.as_str(),
                field.name.as_str(),
                field.value.as_str()
            ])
        })
        .collect();
    let mut value = json!({
        "from": from,
        "to": uris(message.to()),
        "cc": uris(message.cc()),
        "datetime": message.date_time().map(ToString::to_string),
        "subject": subjects,
        "require": message.require(),
        "imdn_message_id": message.imdn_message_id(),
        "headers": headers,
        "content_type": message.content_type().to_string(),
    });
    if let Some(object) = value.as_object_mut() {
        set_octets(object, "content", message.content());
    }
    Ok(value.into())
}

/// The name of the header in the line at that place.
fn field_at(octets: &[u8], offset: usize) -> Option<&str> {
    let line = octets.get(offset..)?.split(|&octet| octet == b'\r').next()?;
    let name = line.split(|&octet| octet == b':').next()?;
    let is_name = !name.is_empty() && name.len() < line.len() && name.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(name).ok().filter(|_| is_name)
}
