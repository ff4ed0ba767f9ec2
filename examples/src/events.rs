//! What a node reports, as JSON.

use std::time::Duration;

use im_roles::node::Event;
use serde_json::{Value, json};

/// One event as one JSON object, with the time in seconds since 1970-01-01T00:00:00Z.
pub fn json(event: &Event, at: Duration) -> Value {
    let mut value = match event {
        Event::Registered { user } => json!({ "event": "registered", "user": user.to_string() }),
        Event::Unregistered { user } => json!({ "event": "unregistered", "user": user.to_string() }),
        other => json!({ "event": "other", "text": format!("{other:?}") }),
    };
    if let Some(object) = value.as_object_mut() {
        object.insert("ts".to_owned(), json!(at.as_secs_f64()));
    }
    value
}
