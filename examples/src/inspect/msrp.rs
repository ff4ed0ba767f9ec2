//! The kind `msrp`: the frames of one connection.

use ::msrp::codec::{Continuation, Decoder, Frame, Head, Leniency, Limits, StartLine};
use ::msrp::header::{
    ByteRange, FailureReport, FromPath, Header, HeaderError, MessageIdHeader, Status, SuccessReport, ToPath,
};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Accepted, Query, code_of, pieces, set_octets};

pub(super) fn inspect(query: &Query, octets: &Bytes) -> Accepted {
    let mut decoder = Decoder::new(Limits::default(), Leniency::default());
    let mut reading = Reading::default();
    'pieces: for piece in pieces(octets, query.cuts.as_deref()) {
        decoder.push(piece);
        loop {
            match decoder.next() {
                Ok(Some(frame)) => reading.take(frame),
                Ok(None) => break,
                Err(error) => {
                    reading
                        .refused
                        .push(json!({"where": Value::Null, "text": error.to_string()}));
                    reading.close = true;
                    break 'pieces;
                }
            }
        }
    }
    let incomplete = !reading.close && decoder.is_inside();
    let value = json!({"frames": reading.frames, "incomplete": incomplete, "close": reading.close});
    Accepted {
        value,
        refused: reading.refused,
    }
}

#[derive(Default)]
struct Reading {
    frames: Vec<Value>,
    open: Map<String, Value>,
    body: Vec<u8>,
    refused: Vec<Value>,
    close: bool,
}

impl Reading {
    fn take(&mut self, frame: Frame) {
        match frame {
            Frame::Head(head) => {
                self.body.clear();
                self.open = self.describe(&head);
            }
            Frame::Body(octets) => self.body.extend_from_slice(&octets),
            Frame::End(continuation) => {
                let mut open = std::mem::take(&mut self.open);
                set_octets(&mut open, "body", &self.body);
                let flag = match continuation {
                    Continuation::Complete => "$",
                    Continuation::More => "+",
                    Continuation::Aborted => "#",
                };
                open.insert("flag".to_owned(), Value::from(flag));
                self.frames.push(Value::Object(open));
            }
            other => self
                .refused
                .push(json!({"where": Value::Null, "text": format!("{other:?}")})),
        }
    }

    fn keep<T>(&mut self, result: Result<T, HeaderError>) -> Option<T> {
        result
            .map_err(|error| {
                self.refused
                    .push(json!({"where": error.name, "text": error.to_string()}));
            })
            .ok()
    }

    fn one<H: Header>(&mut self, head: &Head) -> Option<H> {
        self.keep(head.headers.get::<H>()).flatten()
    }

    fn describe(&mut self, head: &Head) -> Map<String, Value> {
        if let Some(defect) = head.defect {
            self.refused
                .push(json!({"where": code_of(&defect), "text": defect.to_string(), "status": 400}));
        }
        let mut object = Map::new();
        let mut set = |key: &str, value: Value| {
            object.insert(key.to_owned(), value);
        };
        set("tid", json!(head.transaction.as_str()));
        match &head.start {
            StartLine::Request(method) => set("method", json!(method.as_str())),
            StartLine::Response { status, comment } => {
                set("status_code", json!(status.code()));
                set("comment", json!(comment.as_deref()));
            }
        }
        let to: Vec<String> = self
            .one::<ToPath>(head)
            .map(|path| path.uris().iter().map(ToString::to_string).collect())
            .unwrap_or_default();
        let from: Vec<String> = self
            .one::<FromPath>(head)
            .map(|path| path.uris().iter().map(ToString::to_string).collect())
            .unwrap_or_default();
        set("to_path", json!(to));
        set("from_path", json!(from));
        set(
            "message_id",
            json!(
                self.one::<MessageIdHeader>(head)
                    .map(|id| id.0.as_str().to_owned())
            ),
        );
        let range = self
            .one::<ByteRange>(head)
            .map(|range| json!([range.start, range.end, range.total]));
        set("byte_range", range.unwrap_or_default());
        let yes_no = |yes: bool| if yes { "yes" } else { "no" };
        set(
            "success_report",
            json!(
                self.one::<SuccessReport>(head)
                    .map(|report| yes_no(report == SuccessReport::Yes))
            ),
        );
        let failure = self.one::<FailureReport>(head).map(|report| match report {
            FailureReport::Yes => "yes",
            FailureReport::No => "no",
            FailureReport::Partial => "partial",
        });
        set("failure_report", json!(failure));
        let status = self.one::<Status>(head).map(|status| {
            json!({"namespace": format!("{:03}", status.namespace), "code": status.code.code(), "text": status.comment.as_deref()})
        });
        set("status", status.unwrap_or_default());
        set("content_type", json!(head.headers.value("Content-Type")));
        set(
            "headers",
            json!(
                head.headers
                    .iter()
                    .map(|(name, value)| [name, value])
                    .collect::<Vec<_>>()
            ),
        );
        set("has_body", json!(head.has_body));
        object
    }
}
