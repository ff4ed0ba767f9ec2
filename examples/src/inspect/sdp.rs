//! The kinds `sdp` and `sdp-answer`.

use bytes::Bytes;
use serde_json::{Value, json};
use sip_im::sdp::{
    self, Direction, Fingerprint, LocalMedia, Media, MediaError, MessageMedia, Session, Setup,
};

use super::{Accepted, Query, Refusal, base64, code_of};

pub(super) fn inspect(_: &Query, octets: &Bytes) -> Result<Accepted, Refusal> {
    let session = parse(octets)?;
    let mut refused = Vec::new();
    let media: Vec<Value> = session
        .media
        .iter()
        .map(|media| describe(&session, media, &mut refused))
        .collect();
    Ok(Accepted {
        value: json!({ "media": media }),
        refused,
    })
}

/// What this library answers to an offer of a chat: it takes all types, waits for the connection, and refuses other media.
pub(super) fn answer(_: &Query, octets: &Bytes) -> Result<Accepted, Refusal> {
    let offer = parse(octets)?;
    let own = ::msrp::Uri::parse("msrp://192.0.2.1:2855/s1;tcp")
        .map_err(|error| Refusal::new("query", error.to_string()))?;
    let answer = sdp::answer(&offer, &LocalMedia::new(own))
        .map_err(|error| Refusal::new(code_of(&error), error.to_string()).status(error.status().code()))?;
    Ok(json!({ "written": base64(&answer.session.write()) }).into())
}

fn parse(octets: &Bytes) -> Result<Session, Refusal> {
    Session::parse(octets).map_err(|error| {
        Refusal::new(code_of(&error.kind), error.to_string())
            .offset(error.offset)
            .status(400)
    })
}

fn describe(session: &Session, media: &Media, refused: &mut Vec<Value>) -> Value {
    let mut value = json!({
        "type": media.media.as_str(),
        "port": media.port,
        "proto": media.protocol.as_str(),
        "path": [],
        "accept_types": [],
        "accept_wrapped_types": [],
        "max_size": null,
        "setup": null,
        "chatroom": null,
        "fingerprint": null,
        "msrp_cema": false,
        "file_selector": null,
        "direction": Direction::default().as_str(),
    });
    let read = match MessageMedia::read(session, media) {
        Ok(read) => read,
        Err(MediaError::NotMsrp) => return value,
        Err(error) => {
            let attribute = match error {
                MediaError::Missing(name) | MediaError::Malformed(name) => name,
                _ => "m",
            };
            refused.push(json!({"where": attribute, "text": error.to_string()}));
            return value;
        }
    };
    let path: Vec<String> = read.path.iter().map(ToString::to_string).collect();
    let fingerprint = |one: &Fingerprint| format!("{} {}", one.hash.as_str(), one.value.as_str());
    if let Some(object) = value.as_object_mut() {
        let mut set = |key: &str, value: Value| object.insert(key.to_owned(), value);
        set("path", json!(path));
        set("accept_types", json!(read.accept_types));
        set("accept_wrapped_types", json!(read.accept_wrapped_types));
        set("max_size", json!(read.max_size));
        set("setup", json!(read.setup.map(Setup::as_str)));
        set("chatroom", json!(read.chatroom));
        set("fingerprint", json!(read.fingerprints.first().map(fingerprint)));
        set("msrp_cema", json!(read.cema));
        set("file_selector", json!(read.file_selector.as_deref()));
        set("direction", json!(read.direction.as_str()));
    }
    value
}
