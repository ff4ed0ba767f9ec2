//! The kinds `sdp` and `sdp-answer`.

use bytes::Bytes;
use serde_json::{Value, json};
use sip_im::sdp::{
    self, Direction, FileDescription, Fingerprint, LocalMedia, Media, MessageMedia, Session, Setup,
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
    let refused = offer
        .media
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != answer.chosen)
        .map(|(index, media)| {
            let text = match MessageMedia::read(&offer, media) {
                Err(error) => error.to_string(),
                Ok(_) if media.port == 0 => "not in use".to_owned(),
                Ok(_) => "another medium is taken".to_owned(),
            };
            json!({"where": format!("m={} ({index})", media.media), "text": text})
        })
        .collect();
    Ok(Accepted {
        value: json!({ "written": base64(&answer.session.write()) }),
        refused,
    })
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
        "formats": media.formats.as_str(),
        "address": null,
        "fingerprints": [],
        "file": null,
        "file_transfer_id": null,
        "file_disposition": null,
        "file_date": null,
        "file_icon": null,
        "file_range": null,
    });
    let Ok((read, faults)) = MessageMedia::examine(session, media) else {
        return value;
    };
    refused.extend(
        faults
            .iter()
            .map(|fault| json!({"where": fault.attribute(), "text": fault.to_string()})),
    );
    let path: Vec<String> = read.path.iter().map(ToString::to_string).collect();
    let fingerprints: Vec<String> = read.fingerprints.iter().map(Fingerprint::to_string).collect();
    if let Some(object) = value.as_object_mut() {
        let mut set = |key: &str, value: Value| object.insert(key.to_owned(), value);
        set("path", json!(path));
        set("accept_types", json!(read.accept_types));
        set("accept_wrapped_types", json!(read.accept_wrapped_types));
        set("max_size", json!(read.max_size));
        set("setup", json!(read.setup.map(Setup::as_str)));
        set("chatroom", json!(read.chatroom));
        set("fingerprint", json!(fingerprints.first()));
        set("fingerprints", json!(fingerprints));
        set("address", json!(read.address.as_deref()));
        set("msrp_cema", json!(read.cema));
        set("file_selector", json!(media.attribute("file-selector")));
        if let Some(file) = &read.file {
            describe_file(file, &mut set);
        }
        set("direction", json!(read.direction.as_str()));
    }
    value
}

fn describe_file(file: &FileDescription, set: &mut dyn FnMut(&str, Value) -> Option<Value>) {
    let selector = &file.selector;
    let hashes: Vec<String> = selector.hashes.iter().map(ToString::to_string).collect();
    set(
        "file",
        json!({
            "name": selector.name,
            "local_name": selector.local_name(),
            "size": selector.size,
            "type": selector.media_type.as_ref().map(ToString::to_string),
            "hashes": hashes,
        }),
    );
    set("file_transfer_id", json!(file.transfer_id.as_deref()));
    set("file_disposition", json!(file.disposition.as_deref()));
    if !file.dates.is_empty() {
        set(
            "file_date",
            json!({
                "creation": file.dates.creation.as_deref(),
                "modification": file.dates.modification.as_deref(),
                "read": file.dates.read.as_deref(),
            }),
        );
    }
    set("file_icon", json!(file.icon.as_ref().map(sip_im::Uri::as_str)));
    set(
        "file_range",
        json!(file.range.map(|range| json!([range.start, range.stop]))),
    );
}
