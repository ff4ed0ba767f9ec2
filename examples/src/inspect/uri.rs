//! The kinds `sip-uri`, `msrp-uri` and the two comparisons.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Accepted, Query, Refusal, code_of, text_of};

pub(super) fn sip(_: &Query, octets: &Bytes) -> Result<Accepted, Refusal> {
    let uri = parse_sip(text_of(octets, 400)?)?;
    let params: Map<String, Value> = uri
        .parameters()
        .map(|(name, value)| (name.to_owned(), value.map_or(Value::Bool(true), Value::from)))
        .collect();
    let headers: Map<String, Value> = uri
        .headers()
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect();
    let mut value = json!({
        "scheme": uri.scheme_str().to_ascii_lowercase(),
        "user": uri.user(),
        "password": uri.password(),
        "host": uri.host(),
        "port": uri.port(),
        "params": params,
        "headers": headers,
    });
    if let (Some(digits), Some(object)) = (uri.digits(), value.as_object_mut()) {
        let parameter = |name: &str| uri.parameter(name).flatten().map(str::to_owned);
        object.insert("digits".to_owned(), Value::from(digits));
        object.insert("ext".to_owned(), Value::from(parameter("ext")));
        object.insert(
            "phone_context".to_owned(),
            Value::from(parameter("phone-context")),
        );
    }
    Ok(value.into())
}

pub(super) fn compare_sip(query: &Query, _: &Bytes) -> Result<Accepted, Refusal> {
    let (a, b) = pair(query)?;
    let (a, b) = (
        parse_sip(a).map_err(|refusal| refusal.at("a"))?,
        parse_sip(b).map_err(|refusal| refusal.at("b"))?,
    );
    Ok(compared(a.equivalent(&b), b.equivalent(&a)))
}

pub(super) fn msrp(_: &Query, octets: &Bytes) -> Result<Accepted, Refusal> {
    let uri = parse_msrp(text_of(octets, 400)?)?;
    let params: Map<String, Value> = uri
        .parameters()
        .map(|(name, value)| (name.to_owned(), value.map_or(Value::Bool(true), Value::from)))
        .collect();
    Ok(json!({
        "secure": uri.is_secure(),
        "user": uri.user(),
        "host": uri.host(),
        "port": uri.port(),
        "session_id": uri.session_id(),
        "transport": uri.transport(),
        "params": params,
    })
    .into())
}

pub(super) fn compare_msrp(query: &Query, _: &Bytes) -> Result<Accepted, Refusal> {
    let (a, b) = pair(query)?;
    let (a, b) = (
        parse_msrp(a).map_err(|refusal| refusal.at("a"))?,
        parse_msrp(b).map_err(|refusal| refusal.at("b"))?,
    );
    Ok(compared(a.equivalent(&b), b.equivalent(&a)))
}

fn compared(equal: bool, reverse: bool) -> Accepted {
    json!({"equal": equal, "symmetric": equal == reverse}).into()
}

fn pair(query: &Query) -> Result<(&str, &str), Refusal> {
    match (&query.a, &query.b) {
        (Some(a), Some(b)) => Ok((a, b)),
        _ => Err(Refusal::new("query", "a comparison takes a and b")),
    }
}

fn parse_sip(text: &str) -> Result<sip_im::Uri, Refusal> {
    sip_im::Uri::parse(text).map_err(|error| {
        Refusal::new(code_of(&error.kind), error.to_string())
            .offset(error.offset)
            .status(400)
    })
}

fn parse_msrp(text: &str) -> Result<::msrp::Uri, Refusal> {
    ::msrp::Uri::parse(text).map_err(|error| {
        Refusal::new(code_of(&error.kind), error.to_string())
            .offset(error.offset)
            .status(400)
    })
}
