//! The kind `msrp-session`: the octets of one connection, with the receiving side of a session behind it.

use std::time::Instant;

use ::msrp::codec::{Decoder, Frame, Leniency, Limits, StartLine};
use ::msrp::endpoint::{Config, Delivery, Endpoint, Event, Input, Role, SessionConfig, SessionKey, Transmit};
use ::msrp::header::{ContentType, ToPath};
use ::msrp::{ConnectionId, Entropy, MessageId, Method, Uri};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Accepted, Query, base64, pieces, set_octets};

pub(super) fn inspect(query: &Query, octets: &Bytes) -> Accepted {
    let mut seen = Seen::default();
    run(query, octets, |heard| seen.take(heard));
    let open = seen.messages.iter().filter(|message| message.open).count();
    let messages: Vec<Value> = seen.messages.into_iter().map(Message::json).collect();
    Accepted {
        value: json!({"messages": messages, "open_messages": open, "sent": base64(&seen.sent)}),
        refused: seen.refused,
    }
}

/// What comes of the octets: news, and what goes back.
pub(super) enum Heard {
    Event(Event),
    Sent(Bytes),
}

/// Lets a passive session hear the octets.
pub(super) fn run(query: &Query, octets: &Bytes, mut hear: impl FnMut(Heard)) {
    let now = Instant::now();
    let mut endpoint = Endpoint::new(Config::default(), counting());
    let own = own_uri(octets);
    let secure = own.as_ref().is_some_and(Uri::is_secure);
    if let Some(own) = own {
        // Whoever sends first is the peer: there is no session description that tells.
        let mut config = SessionConfig::new(own, Vec::new(), Role::Passive);
        config.delivery = Delivery::Streaming;
        // A URI that names no session is answered like that of a stranger.
        let _: Result<SessionKey, _> = endpoint.open_session(config, now);
    }
    let connection = ConnectionId(1);
    endpoint.handle_input(
        Input::Opened {
            connection,
            open: None,
            secure,
        },
        now,
    );
    for data in pieces(octets, query.cuts.as_deref()) {
        endpoint.handle_input(Input::Received { connection, data }, now);
        while let Some(event) = endpoint.poll_event() {
            hear(Heard::Event(event));
        }
        while let Some(transmit) = endpoint.poll_transmit(now) {
            if let Transmit::Send { data, .. } = transmit {
                hear(Heard::Sent(data.to_bytes()));
            }
        }
    }
}

/// Where the first SEND goes to.
fn own_uri(octets: &Bytes) -> Option<Uri> {
    let mut decoder = Decoder::new(Limits::default(), Leniency::default());
    decoder.push(octets.clone());
    while let Ok(Some(frame)) = decoder.next() {
        if let Frame::Head(head) = frame
            && matches!(head.start, StartLine::Request(Method::Send))
        {
            let path = head.headers.get::<ToPath>().ok().flatten()?;
            return path.into_uris().pop();
        }
    }
    None
}

/// The same numbers each time, so that the same input has the same answer.
fn counting() -> Entropy {
    let mut next = 0_u8;
    Box::new(move |octets| {
        for octet in octets {
            *octet = next;
            next = next.wrapping_add(1);
        }
    })
}

#[derive(Default)]
struct Seen {
    messages: Vec<Message>,
    sent: Vec<u8>,
    refused: Vec<Value>,
}

struct Message {
    id: MessageId,
    content_type: Option<ContentType>,
    /// Where pieces belong; what came later stands behind.
    pieces: Vec<(u64, Bytes)>,
    open: bool,
    complete: bool,
}

impl Seen {
    fn take(&mut self, heard: Heard) {
        let event = match heard {
            Heard::Sent(octets) => return self.sent.extend_from_slice(&octets),
            Heard::Event(event) => event,
        };
        match event {
            Event::MessageStarted {
                message,
                content_type,
                ..
            } => self.messages.push(Message {
                id: message,
                content_type,
                pieces: Vec::new(),
                open: true,
                complete: false,
            }),
            Event::BodyReceived {
                message,
                offset,
                data,
                ..
            } => {
                if let Some(open) = self.open(&message) {
                    open.pieces.push((offset, data));
                }
            }
            Event::MessageCompleted { message, total, .. } => {
                if let Some(open) = self.open(&message) {
                    (open.open, open.complete) = (false, true);
                    open.cut(total);
                }
            }
            Event::MessageAborted { message, reason, .. } => {
                if let Some(open) = self.open(&message) {
                    open.open = false;
                }
                self.refuse("Message-ID", &format!("{message}: {reason:?}"));
            }
            Event::ConnectionClosed { reason, .. } => self.refuse("connection", &format!("{reason:?}")),
            _ => {}
        }
    }

    fn open(&mut self, id: &MessageId) -> Option<&mut Message> {
        self.messages
            .iter_mut()
            .rev()
            .find(|message| message.open && message.id == *id)
    }

    fn refuse(&mut self, place: &str, text: &str) {
        self.refused.push(json!({"where": place, "text": text}));
    }
}

impl Message {
    /// Forgets what came for places behind the end.
    fn cut(&mut self, total: u64) {
        for (offset, data) in &mut self.pieces {
            data.truncate(usize::try_from(total.saturating_sub(*offset)).unwrap_or(usize::MAX));
        }
    }

    /// The octets from the first to the first that is missing.
    fn body(&self) -> Vec<u8> {
        let mut covered: Vec<(u64, u64)> = self
            .pieces
            .iter()
            .map(|(offset, data)| (*offset, offset.saturating_add(data.len() as u64)))
            .collect();
        covered.sort_unstable();
        let end = covered
            .iter()
            .fold(0, |end, &(from, to)| if from <= end { end.max(to) } else { end });
        let mut body = vec![0; usize::try_from(end).unwrap_or_default()];
        for (offset, data) in &self.pieces {
            let place = usize::try_from(*offset)
                .ok()
                .and_then(|offset| body.get_mut(offset..)?.get_mut(..data.len()));
            if let Some(place) = place {
                place.copy_from_slice(data);
            }
        }
        body
    }

    fn json(self) -> Value {
        let mut object = Map::new();
        object.insert("id".to_owned(), json!(self.id.as_str()));
        set_octets(&mut object, "body", &self.body());
        object.insert("complete".to_owned(), json!(self.complete));
        object.insert(
            "content_type".to_owned(),
            json!(self.content_type.map(|one| one.to_string())),
        );
        Value::Object(object)
    }
}
