//! What a node reports, as JSON: one object an event, `event` first in meaning, `ts` in seconds since
//! 1970-01-01T00:00:00Z.

use std::time::Duration;

use im_roles::ServiceWarning;
use im_roles::controlling::{ConferenceKind, Departure, Event as Controlling};
use im_roles::deferred::Event as Deferred;
use im_roles::node::Event;
use im_roles::participating::Event as Participating;
use im_roles::presence::Event as Presence;
use im_roles::xdms::Event as Xdms;
use serde_json::{Value, json};
use sip_im::Identity;

/// One event as one JSON object.
pub fn json(event: &Event, at: Duration) -> Value {
    let mut value = match event {
        Event::Registered { user } => json!({ "event": "registered", "user": text(user) }),
        Event::Unregistered { user } => json!({ "event": "unregistered", "user": text(user) }),
        Event::Refused {
            from,
            flow,
            status,
            warning,
        } => json!({
            "event": "refused", "from": maybe(from.as_ref()), "flow": flow.0, "status": status.code(),
            "warning": said(*warning),
        }),
        Event::Overload { flow } => json!({ "event": "overload", "flow": flow.0 }),
        Event::Participating(event) => participating(event),
        Event::Controlling(event) => controlling(event),
        Event::Deferred(event) => deferred(event),
        Event::Presence(event) => presence(event),
        Event::Xdms(Xdms::Changed {
            selector, by, after, ..
        }) => json!({
            "event": "document_changed", "auid": selector.auid, "user": maybe(selector.user.as_ref()),
            "document": selector.document, "by": text(by), "etag": after.as_ref().map(|document| &document.etag),
        }),
        _ => unknown(event),
    };
    if let Some(object) = value.as_object_mut() {
        object.insert("ts".to_owned(), json!(at.as_secs_f64()));
    }
    value
}

fn participating(event: &Participating) -> Value {
    match event {
        Participating::Refused {
            from,
            to,
            status,
            warning,
        } => json!({
            "event": "refused", "from": maybe(from.as_ref()), "to": text(to), "status": status.code(),
            "warning": said(*warning),
        }),
        Participating::Delivered { from, to } => {
            json!({ "event": "message_delivered", "from": maybe(from.as_ref()), "to": text(to) })
        }
        _ => unknown(event),
    }
}

fn presence(event: &Presence) -> Value {
    match event {
        Presence::Changed { user, publications } => {
            json!({ "event": "presence_changed", "user": text(user), "publications": publications })
        }
        Presence::Watched {
            user,
            watcher,
            package,
            pending,
        } => json!({
            "event": "watched", "user": text(user), "watcher": watcher, "package": package, "pending": pending,
        }),
        Presence::Left {
            user,
            watcher,
            package,
        } => json!({ "event": "watcher_left", "user": text(user), "watcher": watcher, "package": package }),
        Presence::Refused { from, user, status } => json!({
            "event": "refused", "from": maybe(from.as_ref()), "to": text(user), "status": status.code(),
            "warning": null,
        }),
        _ => unknown(event),
    }
}

fn deferred(event: &Deferred) -> Value {
    match event {
        Deferred::Deferred { user, reference } => {
            json!({ "event": "message_deferred", "user": text(user), "reference": reference })
        }
        Deferred::Delivered { user, reference } => {
            json!({ "event": "deferred_delivered", "user": text(user), "reference": reference })
        }
        Deferred::Dropped {
            user,
            reference,
            status,
        } => json!({
            "event": "deferred_dropped", "user": text(user), "reference": reference,
            "status": status.map(sip_im::StatusCode::code),
        }),
        Deferred::NotStored { user, status } => {
            json!({ "event": "message_not_stored", "user": text(user), "status": status.code() })
        }
        _ => unknown(event),
    }
}

fn controlling(event: &Controlling) -> Value {
    match event {
        Controlling::ConferenceStarted {
            conference,
            kind,
            initiator,
        } => {
            let kind = match kind {
                ConferenceKind::AdHoc => "adhoc",
                ConferenceKind::Chat => "chat",
                ConferenceKind::Prearranged => "prearranged",
                _ => "other",
            };
            json!({
                "event": "conference_started", "conference": text(conference), "kind": kind, "user": text(initiator),
            })
        }
        Controlling::ConferenceEnded { conference } => {
            json!({ "event": "conference_ended", "conference": text(conference) })
        }
        Controlling::ParticipantJoined {
            conference,
            user,
            anonymous,
        } => json!({
            "event": "participant_joined", "conference": text(conference), "user": text(user), "anonymous": anonymous,
        }),
        Controlling::ParticipantLeft {
            conference,
            user,
            departure,
        } => {
            let departure = match departure {
                Departure::Departed => "departed",
                Departure::Booted => "booted",
                Departure::Failed => "failed",
                _ => "other",
            };
            json!({
                "event": "participant_left", "conference": text(conference), "user": text(user), "reason": departure,
            })
        }
        Controlling::InvitationFailed {
            conference,
            user,
            status,
        } => json!({
            "event": "invitation_failed", "conference": text(conference), "user": text(user), "status": status.code(),
        }),
        Controlling::NicknameChanged {
            conference,
            user,
            nickname,
        } => json!({
            "event": "nickname_changed", "conference": text(conference), "user": text(user), "nickname": nickname,
        }),
        Controlling::MessageSwitched {
            conference,
            sender,
            copies,
            private,
        } => json!({
            "event": "message_switched", "conference": text(conference), "from": text(sender), "copies": copies,
            "private": private,
        }),
        Controlling::MessageRefused {
            conference,
            sender,
            status,
        } => json!({
            "event": "message_refused", "conference": text(conference), "from": text(sender), "status": status,
        }),
        Controlling::CopyAborted {
            conference,
            recipient,
        } => {
            json!({ "event": "copy_aborted", "conference": text(conference), "to": text(recipient) })
        }
        Controlling::MessageExploded { sender, recipients } => {
            json!({ "event": "message_exploded", "from": text(sender), "recipients": recipients })
        }
        Controlling::ExplodedDelivered { sender, recipient } => {
            json!({ "event": "exploded_delivered", "from": text(sender), "to": text(recipient) })
        }
        Controlling::ExplodedFailed {
            sender,
            recipient,
            status,
        } => json!({
            "event": "exploded_failed", "from": text(sender), "to": text(recipient), "status": status.code(),
        }),
        Controlling::Refused {
            user,
            status,
            warning,
        } => json!({
            "event": "refused", "from": maybe(user.as_ref()), "status": status.code(), "warning": said(*warning),
        }),
        _ => unknown(event),
    }
}

/// An event of a later version of the library.
fn unknown(event: &impl std::fmt::Debug) -> Value {
    json!({ "event": "other", "text": format!("{event:?}") })
}

fn text(value: &impl ToString) -> String {
    value.to_string()
}

fn maybe(identity: Option<&Identity>) -> Option<String> {
    identity.map(ToString::to_string)
}

fn said(warning: Option<ServiceWarning>) -> Option<&'static str> {
    warning.map(ServiceWarning::text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_object_with_its_time() {
        let user = sip_im::Uri::parse("sip:Alice@EXAMPLE.com:5060")
            .unwrap()
            .identity();
        let value = json(
            &Event::Registered { user: user.clone() },
            Duration::from_millis(1_500),
        );
        assert_eq!(
            value,
            json!({ "event": "registered", "user": user.to_string(), "ts": 1.5 })
        );
    }
}
