//! The kind `xcap`: a request on a document, and what becomes of both.

use bytes::Bytes;
use im_xdm_model::xcap::{Change, ETag, Method, Outcome, Request, ResourceUri, Stored, Usages, apply};
use serde_json::{Map, Value};

use super::{Accepted, Query, Refusal, decoded, set_octets};

pub(super) fn inspect(query: &Query, octets: &Bytes) -> Result<Accepted, Refusal> {
    let (stored, outcome) = run(query, octets)?;
    let mut value = Map::new();
    value.insert("status".to_owned(), outcome.status.into());
    let after = match outcome.change {
        Change::Put(text) => Some(text),
        Change::Delete => None,
        _ => stored.map(|stored| stored.text),
    };
    match after {
        Some(text) => set_octets(&mut value, "document", &text),
        None => {
            value.insert("document".to_owned(), Value::Null);
        }
    }
    value.insert(
        "etag".to_owned(),
        outcome.etag.map(|etag| etag.to_string()).into(),
    );
    value.insert("content_type".to_owned(), outcome.content_type.into());
    value.insert("allow".to_owned(), outcome.allow.into());
    let head = query.method.as_deref() == Some("HEAD");
    set_octets(&mut value, "response", if head { &[] } else { &outcome.body });
    Ok(Value::Object(value).into())
}

/// Answers the request; the document is what is stored, under the tag that is minted from it unless one is given.
pub(super) fn run(query: &Query, octets: &Bytes) -> Result<(Option<Stored>, Outcome), Refusal> {
    let missing = |key: &str| Refusal::new("query", "missing").at(key);
    let method = query.method.as_deref().ok_or_else(|| missing("method"))?;
    let target = query.uri.as_deref().ok_or_else(|| missing("uri"))?;
    let document = match (&query.document, &query.document_b64) {
        (_, Some(text)) => Some(decoded(text, "document_b64")?),
        (Some(text), None) => Some(markup(text)),
        (None, None) => None,
    };
    let stored = document.map(|text| match &query.etag {
        Some(etag) => Stored::with_etag(ETag::new(etag.as_str()), text),
        None => Stored::new(text),
    });
    let uri = match ResourceUri::parse(root_of(target), target) {
        Ok(uri) => uri,
        Err(error) => return Ok((stored, Outcome::of_status(error.status()))),
    };
    let mut request = Request::new(Method::from_name(method), uri);
    request.body = match (&query.body, &query.body_b64) {
        (_, Some(text)) => decoded(text, "body_b64")?,
        (Some(text), None) => markup(text),
        (None, None) => octets.clone(),
    };
    request.content_type.clone_from(&query.content_type);
    request.if_match.clone_from(&query.if_match);
    request.if_none_match.clone_from(&query.if_none_match);
    let outcome = apply(&request, stored.as_ref(), &Usages::standard());
    Ok((stored, outcome))
}

/// Returns what comes before the application usage: the segment before the tree.
fn root_of(target: &str) -> &str {
    let end = target.find("/~~").unwrap_or(target.len());
    let path = target.get(..end).unwrap_or(target);
    let trees = ["/users/", "/global/"];
    let before_tree = trees.iter().filter_map(|tree| path.find(tree)).min();
    let before_usage = before_tree.and_then(|at| path.get(..at)?.rfind('/'));
    before_usage.and_then(|at| path.get(..at)).unwrap_or_default()
}

/// Takes XML, or a value in quotes, as it is or in base64.
fn markup(text: &str) -> Bytes {
    let is_markup = |octets: &[u8]| matches!(octets.trim_ascii_start(), [b'<' | b'"' | b'\'', ..]);
    if is_markup(text.as_bytes()) {
        return Bytes::copy_from_slice(text.as_bytes());
    }
    decoded(text, "document")
        .ok()
        .filter(|octets| is_markup(octets))
        .unwrap_or_else(|| Bytes::copy_from_slice(text.as_bytes()))
}
