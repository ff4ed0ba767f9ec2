//! The kind `multipart`: the parts of a body, whose type comes with the query.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use sip_im::ContentType;
use sip_im::mime::{Limits, Multipart, MultipartErrorKind, Part};

use super::{Accepted, Query, Refusal, code_of, set_octets};

pub(super) fn inspect(query: &Query, octets: &Bytes) -> Result<Accepted, Refusal> {
    let Some(content_type) = &query.content_type else {
        return Err(Refusal::new("query", "no content_type").at("content_type"));
    };
    let content_type = ContentType::parse(content_type).map_err(|error| {
        Refusal::new(code_of(&error.kind), error.to_string())
            .at("Content-Type")
            .offset(error.offset)
            .status(400)
    })?;
    let body = Multipart::parse(&content_type, octets, &Limits::default()).map_err(|error| {
        let status = match error.kind {
            MultipartErrorKind::NotMultipart => 415,
            MultipartErrorKind::LimitExceeded => 413,
            _ => 400,
        };
        Refusal::new(code_of(&error.kind), error.to_string())
            .offset(error.offset)
            .status(status)
    })?;
    let parts: Vec<Value> = body.parts().iter().map(describe).collect();
    Ok(json!({ "parts": parts }).into())
}

fn describe(part: &Part) -> Value {
    let mut object = Map::new();
    object.insert("content_type".to_owned(), json!(part.content_type().to_string()));
    object.insert(
        "disposition".to_owned(),
        json!(part.disposition().map(ToString::to_string)),
    );
    object.insert("content_id".to_owned(), json!(part.content_id()));
    object.insert("length".to_owned(), json!(part.body().len()));
    set_octets(&mut object, "body", part.body());
    Value::Object(object)
}
