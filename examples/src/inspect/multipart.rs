//! The kind `multipart`: the parts of a body, whose type comes with the query.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use sip_im::ContentType;
use sip_im::header::HeaderName;
use sip_im::mime::{ExternalBody, Limits, Multipart, MultipartErrorKind, MultipartKind, Part};

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
    let mut reader = Reader {
        limits: Limits::default(),
        left: Limits::default().parts,
        refused: Vec::new(),
    };
    let parts = reader.describe_all(&body, 1);
    let root = body.root().ok().and_then(|root| {
        body.parts()
            .iter()
            .position(|part| std::ptr::eq(part, root))
            .filter(|_| body.kind() == MultipartKind::Related)
    });
    if body.root().is_err() {
        reader
            .refused
            .push(json!({"where": "start", "text": "the root is not among the parts"}));
    }
    Ok(Accepted {
        value: json!({ "parts": parts, "root": root }),
        refused: reader.refused,
    })
}

/// Describes parts and the parts in them; the depth is bounded by the limits.
struct Reader {
    limits: Limits,
    /// How many parts may still be cut out of others.
    left: usize,
    refused: Vec<Value>,
}

impl Reader {
    fn describe_all(&mut self, body: &Multipart, depth: usize) -> Vec<Value> {
        body.parts()
            .iter()
            .map(|part| self.describe(part, depth))
            .collect()
    }

    fn describe(&mut self, part: &Part, depth: usize) -> Value {
        let mut object = Map::new();
        let mut set = |key: &str, value: Value| object.insert(key.to_owned(), value);
        set("content_type", json!(part.content_type().to_string()));
        set("disposition", json!(part.disposition().map(ToString::to_string)));
        set("content_id", json!(part.content_id()));
        set("length", json!(part.body().len()));
        if let Some(encoding) = part.transfer_encoding() {
            set("transfer_encoding", json!(encoding.as_str()));
        }
        if part.is_multipart() {
            set("parts", self.nested(part, depth));
        }
        if part.content_type().is("message", "external-body") {
            set("external", self.external(part));
        }
        if part.content_id().is_none() && part.headers().contains(&HeaderName::CONTENT_ID) {
            self.refuse("Content-ID", "malformed");
        }
        set_octets(&mut object, "body", part.body());
        Value::Object(object)
    }

    fn nested(&mut self, part: &Part, depth: usize) -> Value {
        if depth >= self.limits.depth {
            self.refuse("Content-Type", "nested too deep");
            return Value::Null;
        }
        match part.parts(&self.limits) {
            Ok(inner) if inner.parts().len() <= self.left => {
                self.left -= inner.parts().len();
                Value::from(self.describe_all(&inner, depth + 1))
            }
            Ok(_) => {
                self.refuse("Content-Type", "too many parts");
                Value::Null
            }
            Err(error) => {
                self.refuse("Content-Type", &error.to_string());
                Value::Null
            }
        }
    }

    fn external(&mut self, part: &Part) -> Value {
        match ExternalBody::read(part, &self.limits) {
            Ok(external) => json!({
                "uri": external.uri.as_str(),
                "expiration": external.expiration.since_epoch().as_secs(),
                "size": external.size,
                "hash": external.hash.map(|hash| super::base64(&hash)),
                "content_type": external.content_type.map(|content_type| content_type.to_string()),
                "disposition": external.disposition.to_string(),
                "content_id": external.content_id,
            }),
            Err(error) => {
                self.refuse("message/external-body", &error.to_string());
                Value::Null
            }
        }
    }

    fn refuse(&mut self, place: &str, text: &str) {
        self.refused.push(json!({"where": place, "text": text}));
    }
}
