//! The kind `build`: a message is built with a value in the place that `op` names, written, and read back.

use std::fmt::Display;

use ::msrp::codec::{self, Continuation, Decoder, Frame, Leniency};
use ::msrp::header::{FromPath, MessageIdHeader, ToPath};
use ::msrp::{MessageId, TransactionId};
use bytes::{BufMut, Bytes, BytesMut};
use im_xdm_model::document::ResourceLists;
use im_xdm_model::document::resource_lists::{DisplayName, Entry, Item, List};
use serde_json::json;
use sip_im::codec::{Limits, parse_datagram};
use sip_im::digest::{Algorithm, Challenge, Ha1};
use sip_im::header::{Authorization, CSeq, From, HeaderName, To, Via, WwwAuthenticate};
use sip_im::message::RequestBuilder;
use sip_im::mime::{self, Multipart, Part};
use sip_im::{ContentType, Message, Method, Request, StatusCode, Uri};

use super::{Accepted, Query, Refusal, base64};

/// What a builder made, and what is read from it.
struct Built {
    written: Bytes,
    read_back: Option<String>,
    before: usize,
    after: usize,
}

pub(super) fn inspect(query: &Query, _: &Bytes) -> Result<Accepted, Refusal> {
    let op = query
        .op
        .as_deref()
        .ok_or(Refusal::new("query", "no op").at("op"))?;
    let value = query
        .value
        .as_deref()
        .ok_or(Refusal::new("query", "no value").at("value"))?;
    let built = match op {
        "cpim_from_name" => cpim(value)?,
        "msrp_message_id" => msrp(op, value, "Hi")?,
        "msrp_body" => msrp(op, "message1", value)?,
        "multipart_part" => multipart(value)?,
        "resource_list_display_name" => resource_list("sip:bob@example.com", Some(value))?,
        "resource_list_uri" => resource_list(value, None)?,
        "reason_phrase" | "auth_realm" => response(op, value)?,
        _ => request(op, value)?,
    };
    Ok(json!({
        "written": base64(&built.written),
        "read_back": built.read_back,
        "header_count_before": built.before,
        "header_count_after": built.after,
    })
    .into())
}

fn invalid(error: impl Display) -> Refusal {
    Refusal::new("invalid_value", error.to_string()).at("value")
}

fn uri(text: &str) -> Result<Uri, Refusal> {
    Uri::parse(text).map_err(invalid)
}

fn plain(method: Method, target: &Uri) -> Result<RequestBuilder, Refusal> {
    Ok(Request::builder(method, target.clone())
        .from(&uri("sip:alice@example.com")?, Some("Alice"), "a1")
        .to(target, None)
        .call_id("c1@example.com")
        .cseq(1)
        .header_typed(&Via::new("UDP", "192.0.2.1", None, "z9hG4bK1"))
        .body(&ContentType::text_plain(), Bytes::from_static(b"Hi")))
}

fn request(op: &str, value: &str) -> Result<Built, Refusal> {
    let bob = uri("sip:bob@example.com")?;
    let builder = match op {
        "uri_user" => plain(Method::Message, &Uri::sip(value, "example.com").map_err(invalid)?)?,
        "uri_param_value" => plain(
            Method::Message,
            &bob.with_parameter("x", Some(value)).map_err(invalid)?,
        )?,
        "method" => plain(Method::parse(value).map_err(invalid)?, &bob)?,
        "display_name" => {
            plain(Method::Message, &bob)?.from(&uri("sip:alice@example.com")?, Some(value), "a1")
        }
        "from_tag" => plain(Method::Message, &bob)?.from(&uri("sip:alice@example.com")?, None, value),
        "call_id" => plain(Method::Message, &bob)?.call_id(value),
        "branch" => plain(Method::Message, &bob)?.header_typed(&Via::new("UDP", "192.0.2.2", None, value)),
        "header_name" => {
            let name = HeaderName::parse(value).map_err(invalid)?;
            plain(Method::Message, &bob)?
                .header(&name, "1")
                .map_err(invalid)?
        }
        "content_type" => {
            let content_type = ContentType::parse(value).map_err(invalid)?;
            plain(Method::Message, &bob)?.body(&content_type, Bytes::from_static(b"Hi"))
        }
        "auth_username" => {
            let ha1 = Ha1::of_password(Algorithm::Sha256, value, "example.com", "secret");
            let challenge = Challenge::new("example.com", "n1", Algorithm::Sha256);
            let credentials = challenge.answer(value, &ha1, "MESSAGE", "sip:bob@example.com", "c1", 1, b"Hi");
            plain(Method::Message, &bob)?.header_typed(&Authorization::digest_of(credentials))
        }
        _ => return Err(Refusal::new("query", "unknown op").at("op")),
    };
    let built = builder.build().map_err(invalid)?;
    let before = built.headers().len();
    let written = built.to_bytes();
    let Message::Request(read) = read_sip(&written)? else {
        return Err(Refusal::new("other_message", "a response is read back"));
    };
    let headers = read.headers();
    let read_back = match op {
        "uri_user" => read.uri().user().map(unescaped),
        "uri_param_value" => read.uri().parameter("x").flatten().map(unescaped),
        "method" => headers
            .get::<CSeq>()
            .ok()
            .flatten()
            .map(|cseq| cseq.method.to_string()),
        "display_name" => headers
            .get::<From>()
            .ok()
            .flatten()
            .and_then(|from| from.display().map(str::to_owned)),
        "from_tag" => headers
            .get::<From>()
            .ok()
            .flatten()
            .and_then(|from| from.tag().map(str::to_owned)),
        "call_id" => headers.value(&HeaderName::CALL_ID).map(|value| value.to_string()),
        "branch" => headers
            .all::<Via>()
            .last()
            .and_then(Result::ok)
            .and_then(|via| via.branch().map(str::to_owned)),
        "header_name" => headers
            .iter()
            .find(|(_, found)| found == "1")
            .map(|(name, _)| name.to_string()),
        "content_type" => headers
            .value(&HeaderName::CONTENT_TYPE)
            .map(|value| value.to_string()),
        _ => headers
            .get::<Authorization>()
            .ok()
            .flatten()
            .and_then(|header| header.digest().map(|credentials| credentials.username.clone())),
    };
    Ok(Built {
        after: headers.len(),
        written,
        read_back,
        before,
    })
}

fn response(op: &str, value: &str) -> Result<Built, Refusal> {
    let request = plain(Method::Message, &uri("sip:bob@example.com")?)?
        .build()
        .map_err(invalid)?;
    let builder = request.response(StatusCode::UNAUTHORIZED).to_tag("b1");
    let is_reason = op == "reason_phrase";
    let builder = if is_reason {
        builder.reason(value)
    } else {
        let challenge = Challenge::new(value, "n1", Algorithm::Sha256);
        builder.header_typed(&WwwAuthenticate::digest_of(challenge))
    };
    let built = builder.build().map_err(invalid)?;
    let before = built.headers().len();
    let written = built.to_bytes();
    let Message::Response(read) = read_sip(&written)? else {
        return Err(Refusal::new("other_message", "a request is read back"));
    };
    let challenge = read.headers().get::<WwwAuthenticate>().ok().flatten();
    let realm = challenge.and_then(|header| header.digest().map(|challenge| challenge.realm.clone()));
    let read_back = if is_reason {
        Some(read.reason().to_owned())
    } else {
        realm
    };
    // To has its tag in both, or the response is none to the request.
    read.headers().require::<To>().map_err(invalid)?;
    Ok(Built {
        after: read.headers().len(),
        written,
        read_back,
        before,
    })
}

fn read_sip(written: &Bytes) -> Result<Message, Refusal> {
    parse_datagram(written.clone(), &Limits::default())
        .map_err(|error| Refusal::new("not_read_back", error.to_string()))
}

fn cpim(name: &str) -> Result<Built, Refusal> {
    let built = ::msrp::cpim::Message::builder()
        .from(Some(name), "sip:alice@example.com")
        .to(None, "sip:bob@example.com")
        .content(
            ::msrp::header::content::ContentType::text_plain(),
            Bytes::from_static(b"Hi"),
        )
        .build()
        .map_err(invalid)?;
    let written = built.to_bytes();
    let read = ::msrp::cpim::Message::parse(&written)
        .map_err(|error| Refusal::new("not_read_back", error.to_string()))?;
    Ok(Built {
        read_back: read
            .from()
            .and_then(|from| from.name.as_ref().map(ToString::to_string)),
        before: built.fields().len(),
        after: read.fields().len(),
        written,
    })
}

fn msrp(op: &str, message_id: &str, body: &str) -> Result<Built, Refusal> {
    let path = vec![::msrp::Uri::parse("msrp://192.0.2.1:2855/s1;tcp").map_err(invalid)?];
    let (Some(to), Some(from)) = (ToPath::new(path.clone()), FromPath::new(path)) else {
        return Err(Refusal::new("invalid_value", "no path"));
    };
    let message_id = MessageId::new(message_id).map_err(invalid)?;
    let mut entropy = crate::entropy::os();
    let mut transaction = TransactionId::random(&mut entropy);
    // The end-line must not occur in the body (RFC 4975 7.1).
    while memchr::memmem::find(body.as_bytes(), transaction.as_bytes()).is_some() {
        transaction = TransactionId::random(&mut entropy);
    }
    let mut out = BytesMut::new();
    codec::request_line(&mut out, &transaction, &::msrp::Method::Send);
    codec::header(&mut out, &to);
    codec::header(&mut out, &from);
    codec::header(&mut out, &MessageIdHeader(message_id));
    out.put_slice(b"Content-Type: text/plain\r\n\r\n");
    out.put_slice(body.as_bytes());
    out.put_slice(b"\r\n");
    codec::end_line(&mut out, &transaction, Continuation::Complete);
    let written = out.freeze();

    let mut decoder = Decoder::new(codec::Limits::default(), Leniency::default());
    decoder.push(written.clone());
    let (mut after, mut read, mut id) = (0, Vec::new(), None);
    while let Some(frame) = decoder
        .next()
        .map_err(|error| Refusal::new("not_read_back", error.to_string()))?
    {
        match frame {
            Frame::Head(head) => {
                after += head.headers.iter().count();
                id = head.headers.get::<MessageIdHeader>().ok().flatten();
            }
            Frame::Body(octets) => read.extend_from_slice(&octets),
            _ => {}
        }
    }
    let read_back = if op == "msrp_message_id" {
        id.map(|MessageIdHeader(id)| id.as_str().to_owned())
    } else {
        String::from_utf8(read).ok()
    };
    Ok(Built {
        written,
        read_back,
        before: 4,
        after,
    })
}

fn multipart(value: &str) -> Result<Built, Refusal> {
    let part = |body: &str| Part::new(ContentType::text_plain()).with_body(Bytes::from(body.to_owned()));
    let (content_type, written) = Multipart::builder()
        .part(part(value))
        .part(part("the last"))
        .build(&mut crate::entropy::os())
        .map_err(invalid)?;
    let read = Multipart::parse(&content_type, &written, &mime::Limits::default())
        .map_err(|error| Refusal::new("not_read_back", error.to_string()))?;
    let first = read
        .parts()
        .first()
        .map(|part| String::from_utf8_lossy(part.body()).into_owned());
    Ok(Built {
        written,
        read_back: first,
        before: 2,
        after: read.parts().len(),
    })
}

fn resource_list(uri: &str, display_name: Option<&str>) -> Result<Built, Refusal> {
    let mut entry = Entry::new(uri);
    entry.display_name = display_name.map(DisplayName::new);
    let mut list = List::new();
    list.children.push(Item::Entry(entry));
    let written = ResourceLists::of(vec![list]).write();
    let read = ResourceLists::parse(&written, &im_xdm_model::xml::Limits::default())
        .map_err(|error| Refusal::new("not_read_back", error.to_string()))?;
    let entries: Vec<&Entry> = read
        .lists
        .iter()
        .flat_map(|list| &list.children)
        .filter_map(|item| match item {
            Item::Entry(entry) => Some(entry),
            _ => None,
        })
        .collect();
    let read_back = entries.first().and_then(|entry| match display_name {
        Some(_) => entry.display_name.as_ref().map(|name| name.text.clone()),
        None => Some(entry.uri.clone()),
    });
    Ok(Built {
        written,
        read_back,
        before: 1,
        after: entries.len(),
    })
}

/// Undoes the escapes of a URI part.
fn unescaped(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escape = (*first == b'%').then(|| after.split_at_checked(2)).flatten();
        let octet = escape.and_then(|(digits, rest)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, rest))
        });
        let (octet, after) = octet.unwrap_or((*first, after));
        octets.push(octet);
        rest = after;
    }
    String::from_utf8_lossy(&octets).into_owned()
}
