//! Events as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use im_roles::client::{
    CommandId, Event, Failure, Party, ReceivedMessage, RosterEntry, SessionKey, WatchNotice,
};
use im_xdm_model::document::pidf::Presence;
use serde_json::{Map, Value, json};

/// Writes an event; gives the command that it answers.
pub(super) fn write(event: &Event, values: &mut Vec<Value>) -> Option<CommandId> {
    let (value, command) = match event {
        Event::Registered { command, expires } => (
            json!({ "event": "registered", "expires": expires.as_secs() }),
            *command,
        ),
        Event::Unregistered { command } => (json!({ "event": "unregistered" }), *command),
        Event::Sent {
            command,
            session,
            message_id,
            status,
        } => {
            let mut value = json!({ "event": "sent", "status": status });
            put(&mut value, "session", session.map(name));
            put_text(&mut value, "message_id", message_id.as_deref());
            (value, Some(*command))
        }
        Event::Failed {
            command,
            session,
            message_id,
            failure,
        } => {
            let mut value = json!({ "event": "failed" });
            put(&mut value, "session", session.map(name));
            put_text(&mut value, "message_id", message_id.as_deref());
            fail(&mut value, failure);
            (value, *command)
        }
        Event::MessageReceived(message) => (received(message), None),
        Event::Notification {
            from,
            message_id,
            command,
            recipient,
            status,
            datetime,
        } => {
            let mut value = json!({ "event": "imdn", "message_id": message_id, "status": status });
            party(&mut value, from.as_ref());
            put_text(&mut value, "to", recipient.as_deref());
            put_text(&mut value, "datetime", datetime.as_deref());
            (value, *command)
        }
        Event::Composing {
            session,
            from,
            active,
        } => {
            let mut value =
                json!({ "event": "composing", "status": if *active { "active" } else { "idle" } });
            put(&mut value, "session", session.map(name));
            party(&mut value, from.as_ref());
            (value, None)
        }
        Event::Notified(notice) => (notified(notice), None),
        Event::Presence(document) => (presence(document), None),
        Event::WatchEnded { package, to, reason } => {
            let mut value = json!({ "event": "notify", "package": package, "from": to.to_string(), "status": "terminated" });
            put_text(&mut value, "reason", reason.as_deref());
            (value, None)
        }
        Event::Connected => (json!({ "event": "connected" }), None),
        Event::Disconnected => (json!({ "event": "disconnected" }), None),
        other => return write_of_session(other, values),
    };
    values.push(value);
    command
}

/// The events that only sessions have.
fn write_of_session(event: &Event, values: &mut Vec<Value>) -> Option<CommandId> {
    let (value, command) = match event {
        Event::Invited {
            session,
            from,
            conference,
            subject,
            recipients,
        } => {
            let mut value =
                json!({ "event": "invited", "session": name(*session), "conference": conference.is_some() });
            party(&mut value, Some(from));
            put(
                &mut value,
                "uri",
                conference.as_ref().map(|uri| json!(uri.to_string())),
            );
            put_text(&mut value, "subject", subject.as_deref());
            put(
                &mut value,
                "to",
                (!recipients.is_empty()).then(|| json!(recipients)),
            );
            (value, None)
        }
        Event::SessionStarted {
            session,
            command,
            peer,
            conference,
        } => {
            let (session, uri) = (name(*session), peer.to_string());
            let value =
                json!({ "event": "session", "session": session, "conference": conference, "uri": uri });
            if *conference {
                values.push(value);
                (
                    json!({ "event": "joined", "session": session, "uri": uri }),
                    *command,
                )
            } else {
                (value, *command)
            }
        }
        Event::Roster {
            session,
            command,
            users,
        } => {
            let users: Vec<Value> = users.iter().map(participant).collect();
            (
                json!({ "event": "roster", "session": name(*session), "users": users }),
                *command,
            )
        }
        Event::Nickname {
            session,
            command,
            name: nickname,
            status,
        } => {
            let value =
                json!({ "event": "nickname", "session": name(*session), "name": nickname, "status": status });
            (value, Some(*command))
        }
        Event::Left {
            session,
            command,
            reason,
        } => {
            let mut value = json!({ "event": "left", "session": name(*session) });
            put_text(&mut value, "reason", reason.as_deref());
            (value, *command)
        }
        Event::Report {
            session,
            command,
            message_id,
            range,
            status,
        } => {
            let value = json!({
                "event": "report", "session": name(*session), "message_id": message_id,
                "range": [range.0, range.1, range.2], "status": status,
            });
            (value, *command)
        }
        // What a later version of the library tells has no form here yet.
        _ => return None,
    };
    values.push(value);
    command
}

fn received(message: &ReceivedMessage) -> Value {
    let mut value = json!({
        "event": "message",
        "to": message.to,
        "private": message.private,
        "content_type": message.content_type.to_string(),
        "imdn": message.display_wanted,
    });
    party(&mut value, message.from.as_ref());
    put(&mut value, "session", message.session.map(name));
    put(
        &mut value,
        "message_id",
        message.message_id.as_ref().map(|id| json!(id)),
    );
    put(
        &mut value,
        "datetime",
        message.datetime.as_ref().map(|datetime| json!(datetime)),
    );
    put(
        &mut value,
        "subject",
        message.subject.as_ref().map(|subject| json!(subject)),
    );
    put(
        &mut value,
        "recipients",
        (!message.recipients.is_empty()).then(|| json!(message.recipients)),
    );
    put(&mut value, "expired", message.expired.then_some(json!(true)));
    let key = if message.content_type.is("text", "plain") {
        "text"
    } else {
        "body"
    };
    match std::str::from_utf8(&message.body) {
        Ok(text) => put(&mut value, key, Some(json!(text))),
        Err(_) => put(
            &mut value,
            &format!("{key}_b64"),
            Some(json!(STANDARD.encode(&message.body))),
        ),
    }
    value
}

fn notified(notice: &WatchNotice) -> Value {
    let mut value = json!({
        "event": "notify", "package": notice.package, "from": notice.of.to_string(), "status": notice.state,
    });
    put_text(&mut value, "reason", notice.reason.as_deref());
    put_text(&mut value, "content_type", notice.content_type.as_deref());
    match std::str::from_utf8(&notice.body) {
        Ok(text) => put_text(&mut value, "body", Some(text)),
        Err(_) => put(&mut value, "body_b64", Some(json!(STANDARD.encode(&notice.body)))),
    }
    value
}

/// Who can be reached somehow is open.
fn presence(document: &Presence) -> Value {
    let status = if document.is_open() { "open" } else { "closed" };
    let mut value =
        json!({ "event": "presence", "package": "presence", "from": document.entity, "status": status });
    let notes = document.tuples.iter().flat_map(|tuple| &tuple.notes);
    let notes = notes
        .chain(&document.notes)
        .chain(document.persons.iter().flat_map(|person| &person.notes));
    let notes: Vec<&str> = notes.map(|note| note.text.as_str()).collect();
    put_text(&mut value, "text", notes.first().copied());
    put(&mut value, "notes", (!notes.is_empty()).then(|| json!(notes)));
    value
}

fn participant(entry: &RosterEntry) -> Value {
    json!({
        "uri": entry.uri, "nickname": entry.nickname, "status": entry.status, "own": entry.own,
        "anonymous": entry.anonymous, "display": entry.display,
    })
}

fn party(value: &mut Value, party: Option<&Party>) {
    put_text(value, "from", party.map(|party| party.uri.as_str()));
    put(
        value,
        "from_name",
        party
            .and_then(|party| party.name.as_ref())
            .map(|name| json!(name)),
    );
}

fn fail(value: &mut Value, failure: &Failure) {
    put(value, "status", failure.status.map(|status| json!(status)));
    put_text(value, "reason", Some(&failure.reason));
    put(
        value,
        "warning",
        failure.warning.as_ref().map(|warning| json!(warning)),
    );
    put(
        value,
        "retry_after",
        failure.retry_after.map(|after| json!(after.as_secs())),
    );
}

fn name(session: SessionKey) -> Value {
    json!(format!("s{}", session.number()))
}

fn put_text(value: &mut Value, key: &str, text: Option<&str>) {
    put(value, key, text.map(|text| json!(text)));
}

/// Adds a member, unless there is nothing to add.
pub(super) fn put(value: &mut Value, key: &str, member: Option<Value>) {
    let object: Option<&mut Map<String, Value>> = value.as_object_mut();
    if let (Some(object), Some(member)) = (object, member) {
        object.insert(key.to_owned(), member);
    }
}
