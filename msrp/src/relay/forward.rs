//! Requests other than SEND, which go on as a whole, and the responses to what was forwarded.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memmem;

use super::answer::{first_of, range_of, uris, write_paths};
use super::inbound::{Inbound, Paths};
use super::route::{Refusal, Route};
use super::transaction::{Forwarded, Origin};
use super::{CloseReason, LinkKey, Peer, Relay, roomy};
use crate::codec::{self, Continuation, Head, StartLine};
use crate::header::{FailureReport, WwwAuthenticate};
use crate::{Method, StatusCode, TransactionId};

/// A request that is gathered before it goes on.
#[derive(Debug)]
pub(super) struct Gathered {
    /// Its headers as they go out, with the blank line if there is a body.
    text: Bytes,
    method: Method,
    transaction: TransactionId,
    out: LinkKey,
    has_body: bool,
    credentials: bool,
    origin: Arc<Origin>,
    pub(super) body: BytesMut,
    pub(super) too_large: bool,
}

impl Relay {
    /// A request with another method has begun.
    //= https://www.rfc-editor.org/rfc/rfc4976#section-6.4.2
    //# Requests with an unknown method are forwarded as if they were REPORT
    //# requests.  An MSRP node MAY be configured to block unknown methods
    //# for security reasons.
    pub(super) fn other_received(
        &mut self,
        key: LinkKey,
        method: &Method,
        head: &Head,
        paths: Paths<'_>,
        route: Result<Route, Refusal>,
    ) -> Inbound {
        let blocked = matches!(method, Method::Other(_)) && !self.config.unknown_methods;
        let route = match route {
            Ok(_) if blocked => Err(StatusCode::UNKNOWN_METHOD),
            Ok(_) if self.is_overfull(key) => Err(StatusCode::REQUEST_TIMEOUT),
            Ok(route) => Ok(route),
            Err(Refusal::Status(status)) => Err(status),
            Err(Refusal::Ends | Refusal::NotAddressed) => Err(StatusCode::NO_SESSION),
        };
        let origin = self.origin(key, paths);
        let route = match route {
            Ok(route) => route,
            Err(status) => {
                //= https://www.rfc-editor.org/rfc/rfc4975#section-7.1.2
                //# An endpoint MUST NOT send a response to a REPORT request.
                if *method != Method::Report {
                    self.answer_whole(&origin, &head.transaction, status);
                }
                self.request_failed(key);
                return Inbound::Skipped;
            }
        };
        let out = roomy(&mut self.buffer);
        write_paths(out, paths.to, paths.from, route.moved);
        for (name, value) in head.headers.iter() {
            if !name.eq_ignore_ascii_case("To-Path") && !name.eq_ignore_ascii_case("From-Path") {
                codec::raw_header(out, name, value);
            }
        }
        if head.has_body {
            out.put_slice(b"\r\n");
        }
        Inbound::Gather(Box::new(Gathered {
            text: out.split().freeze(),
            method: method.clone(),
            transaction: head.transaction,
            out: route.out,
            has_body: head.has_body,
            credentials: head.headers.value("Authorization").is_some(),
            origin,
            body: BytesMut::new(),
            too_large: false,
        }))
    }

    /// A request with another method is here.
    pub(super) fn forward_whole(&mut self, key: LinkKey, gathered: &Gathered, continuation: Continuation) {
        if gathered.too_large {
            if gathered.method != Method::Report {
                self.answer_whole(
                    &gathered.origin,
                    &gathered.transaction,
                    StatusCode::PAYLOAD_TOO_LARGE,
                );
            }
            return self.request_failed(key);
        }
        // Whether anyone answers an unknown method nobody knows, but an answer finds its way.
        let answered = matches!(gathered.method, Method::Auth | Method::Nickname);
        let forwarded = (gathered.method != Method::Report).then(|| Forwarded::Request {
            back: key,
            original: gathered.transaction,
            credentials: gathered.credentials && gathered.method == Method::Auth,
            on_timeout: answered.then(|| gathered.origin.clone()),
        });
        let Some(link) = self.links.get_mut(&gathered.out) else {
            if answered {
                self.answer_whole(
                    &gathered.origin,
                    &gathered.transaction,
                    StatusCode::REQUEST_TIMEOUT,
                );
            }
            return;
        };
        let (mut transaction, mut watched) =
            self.transactions
                .begin(forwarded.clone(), gathered.out, &mut self.entropy);
        for _ in 0..TRIES {
            if memmem::find(&gathered.body, transaction.as_bytes()).is_none() {
                break;
            }
            self.transactions.give_up(&transaction);
            (transaction, watched) =
                self.transactions
                    .begin(forwarded.clone(), gathered.out, &mut self.entropy);
        }
        let out = roomy(&mut self.buffer);
        codec::request_line(out, &transaction, &gathered.method);
        out.put_slice(&gathered.text);
        if gathered.has_body {
            out.put_slice(&gathered.body);
            out.put_slice(b"\r\n");
        }
        codec::end_line(out, &transaction, continuation);
        let octets = out.split().freeze();
        let asks = watched.then_some(transaction);
        let cost = link.outbox.push_urgent(octets, Some(key), asks);
        self.charge(key, cost);
        self.wake(gathered.out);
    }

    /// A response has come.
    //= https://www.rfc-editor.org/rfc/rfc4976#section-6.4.3
    //# Relays receiving a response first verify that the first URI in the
    //# To-Path corresponds to itself; if not, the response SHOULD be
    //# dropped.
    pub(super) fn response_received(
        &mut self,
        key: LinkKey,
        head: &Head,
        paths: Paths<'_>,
        status: StatusCode,
    ) {
        if head.defect.is_some() || !self.is_own(first_of(paths.to)) {
            return;
        }
        let Some((forwarded, counted)) = self.transactions.answered(&head.transaction, key) else {
            return;
        };
        if counted {
            self.settled(&forwarded, key);
        }
        match forwarded {
            //= https://www.rfc-editor.org/rfc/rfc4976#section-6.4.3
            //# If the response is a non 200 response, and the original request was a
            //# SEND request that had a Failure-Report header with a value other than
            //# "no", then the relay MUST send a REPORT indicating the nature of the
            //# failure.
            Forwarded::Chunk {
                origin,
                message,
                failure_report,
                start,
                octets,
                total,
            } => {
                if !status.is_success() && failure_report != FailureReport::No {
                    self.report(
                        &origin,
                        message.as_str(),
                        Some(range_of(start, octets, total)),
                        status,
                    );
                }
            }
            Forwarded::Request {
                back,
                original,
                credentials,
                ..
            } => {
                self.pass_response(back, &original, head, paths, status);
                if credentials && status == StatusCode::UNAUTHORIZED {
                    self.remote_auth_failed(back, head);
                }
            }
        }
    }

    /// Passes a response back to where its request came from.
    //= https://www.rfc-editor.org/rfc/rfc4976#section-6.4.3
    //# If there are additional URIs in the To-Path header, the relay MUST
    //# then move its URI from the To-Path header, insert its URI in front of
    //# any other URIs in the From-Path header, and forward the response to
    //# the next URI in the To-Path header.
    fn pass_response(
        &mut self,
        back: LinkKey,
        original: &TransactionId,
        head: &Head,
        paths: Paths<'_>,
        status: StatusCode,
    ) {
        let moved = uris(paths.to)
            .take_while(|uri| self.tokens.find(uri).is_some())
            .count()
            .max(1);
        //= https://www.rfc-editor.org/rfc/rfc4976#section-6.4.3
        //# If this connection has closed, then the response is silently
        //# discarded.
        if uris(paths.to).nth(moved).is_none() || !self.links.contains_key(&back) {
            return;
        }
        let out = roomy(&mut self.buffer);
        out.put_slice(b"MSRP ");
        out.put_slice(original.as_bytes());
        out.put_slice(b" ");
        match &head.start {
            StartLine::Response {
                comment: Some(comment),
                ..
            } => out.put_slice(format!("{status} {}", comment.as_str()).as_bytes()),
            _ => out.put_slice(status.to_string().as_bytes()),
        }
        out.put_slice(b"\r\n");
        write_paths(out, paths.to, paths.from, moved);
        for (name, value) in head.headers.iter() {
            if !name.eq_ignore_ascii_case("To-Path") && !name.eq_ignore_ascii_case("From-Path") {
                codec::raw_header(out, name, value);
            }
        }
        codec::end_line(out, original, Continuation::Complete);
        let octets = out.split().freeze();
        self.push_own(back, octets);
    }

    /// Another relay has refused the credentials that a client has sent through this one.
    //= https://www.rfc-editor.org/rfc/rfc4976#section-6.3
    //# Determination of a remote
    //# AUTH failure can be made by observing an AUTH request containing an
    //# Authorization header that triggers a 401 response without a
    //# "stale=TRUE" indication.
    fn remote_auth_failed(&mut self, back: LinkKey, head: &Head) {
        let stale = head
            .headers
            .get::<WwwAuthenticate>()
            .is_ok_and(|challenge| challenge.is_some_and(|challenge| challenge.0.stale));
        let most = self.config.failed_requests;
        let Some(link) = self.links.get_mut(&back).filter(|_| !stale) else {
            return;
        };
        //= https://www.rfc-editor.org/rfc/rfc4976#section-6.3
        //# a relay SHOULD NOT use
        //# excessive AUTH request failures as a reason to terminate a connection
        //# with another relay.
        if matches!(link.nature.peer, Peer::Relay(_)) {
            return;
        }
        link.failed = link.failed.saturating_add(1);
        if link.failed >= most {
            self.close(back, CloseReason::FailedRequests);
        }
    }
}

/// How often an identifier is drawn that may be in a body.
const TRIES: usize = 4;
