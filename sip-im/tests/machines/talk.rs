//! What tests of the two endpoints say to them and hear from them.

use std::time::Duration;

use bytes::Bytes;
use sip_im::endpoint::{ClientTransaction, Event, RequestFailure, ServerTransaction};
use sip_im::{ContentType, Message, Request, Response, StatusCode, Transport};

use super::{Pair, answer};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn received(event: &Event) -> Option<(ServerTransaction, Request)> {
    match event {
        Event::RequestReceived {
            transaction, request, ..
        } => Some((*transaction, request.clone())),
        _ => None,
    }
}

pub(crate) fn answered(event: &Event) -> Option<(ClientTransaction, Response)> {
    match event {
        Event::ResponseReceived {
            transaction,
            response,
        } if response.status().is_final() => Some((*transaction, response.clone())),
        _ => None,
    }
}

pub(crate) fn failed(event: &Event) -> Option<(ClientTransaction, RequestFailure)> {
    match event {
        Event::RequestFailed { transaction, reason } => Some((*transaction, *reason)),
        _ => None,
    }
}

#[expect(
    clippy::option_option,
    reason = "the event is there or not, and so is its transaction"
)]
pub(crate) fn acked(event: &Event) -> Option<Option<ServerTransaction>> {
    match event {
        Event::AckReceived { transaction, .. } => Some(*transaction),
        _ => None,
    }
}

pub(crate) fn send(pair: &mut Pair, request: Request, transport: Transport) -> ClientTransaction {
    let target = pair.target(1, transport);
    pair.ends[0]
        .endpoint
        .send(request, target, pair.now)
        .expect("sent")
}

pub(crate) fn respond(pair: &mut Pair, id: ServerTransaction, request: &Request, status: StatusCode) {
    pair.ends[1]
        .endpoint
        .respond(id, answer(request, status), pair.now)
        .expect("answered");
}

pub(crate) fn methods(messages: &[Message]) -> Vec<String> {
    messages
        .iter()
        .map(|message| match message {
            Message::Request(request) => request.method().to_string(),
            Message::Response(response) => response.status().code().to_string(),
        })
        .collect()
}

pub(crate) fn with_body(request: Request, octets: usize) -> Request {
    let mut request = request;
    let plain = ContentType::parse("text/plain").expect("a type");
    request
        .set_body(&plain, Bytes::from(vec![b'x'; octets]))
        .expect("a body");
    request
}

/// A request as a peer writes it.
pub(crate) fn wire(method: &str, branch: &str, sent_by: &str) -> Bytes {
    let (host, params) = sent_by
        .split_once(';')
        .map_or((sent_by, String::new()), |(host, params)| {
            (host, format!(";{params}"))
        });
    Bytes::from(format!(
        "{method} sip:bob@b.test SIP/2.0\r\nVia: SIP/2.0/UDP {host};branch={branch}{params}\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@a.test>;tag=a\r\nTo: <sip:bob@b.test>\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:alice@192.0.2.1>\r\nContent-Length: 0\r\n\r\n"
    ))
}
