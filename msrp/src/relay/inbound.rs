//! What arrives on a connection.

use std::sync::Arc;
use std::time::Instant;

use bytes::{BufMut, Bytes};

use super::answer::{uris, write_paths};
use super::auth::AuthRequest;
use super::forward::Gathered;
use super::lane::{Item, PartHead};
use super::route::{Refusal, Route};
use super::transaction::{MessageText, Origin};
use super::{CloseReason, LinkKey, Relay, roomy};
use crate::codec::{Continuation, Frame, Head, StartLine, raw_header};
use crate::header::FailureReport;
use crate::{Method, StatusCode, TransactionId};

/// The message that is arriving.
#[derive(Debug, Default)]
pub(super) enum Inbound {
    /// None, or one whose rest means nothing.
    #[default]
    Skipped,
    /// A SEND that goes out while it comes in.
    Forward {
        out: LinkKey,
        transaction: TransactionId,
        wants: FailureReport,
    },
    /// Another request, which goes out as a whole.
    Gather(Box<Gathered>),
    /// An AUTH for this relay.
    Auth(Box<AuthRequest>),
    /// A SEND that this relay itself takes.
    Taken {
        transaction: TransactionId,
        wants: FailureReport,
    },
}

/// The headers that decide where a request goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paths<'a> {
    pub(super) to: &'a str,
    pub(super) from: &'a str,
}

impl<'a> Paths<'a> {
    /// Reads them; none if one is not there, not readable, there twice or too long, so that nobody could be answered.
    pub(super) fn of(head: &'a Head, most: usize) -> Option<Self> {
        let headers = &head.headers;
        let (to, from) = (headers.to_path().ok()?, headers.from_path().ok()?);
        let length = to.len().saturating_add(from.len());
        let paths = Self {
            to: headers.value("To-Path")?,
            from: headers.value("From-Path")?,
        };
        (length <= most).then_some(paths)
    }
}

impl Relay {
    pub(super) fn received(&mut self, key: LinkKey, data: Bytes, now: Instant) {
        let Some(link) = self.links.get_mut(&key).filter(|link| !link.closing) else {
            return;
        };
        link.used = now;
        link.decoder.push(data);
        loop {
            // A frame may have closed the connection.
            let Some(link) = self.links.get_mut(&key).filter(|link| !link.closing) else {
                return;
            };
            match link.decoder.next() {
                Ok(None) => break,
                Ok(Some(Frame::Head(head))) => {
                    let inbound = self.head(key, &head, now);
                    if let Some(link) = self.links.get_mut(&key) {
                        link.inbound = inbound;
                    }
                }
                Ok(Some(Frame::Body(octets))) => self.body(key, octets),
                Ok(Some(Frame::End(continuation))) => self.end(key, continuation, now),
                Err(error) => return self.close(key, CloseReason::Malformed(error)),
            }
        }
        let most = self.config.limits.urgent_octets;
        if self
            .links
            .get(&key)
            .is_some_and(|link| link.outbox.urgent_octets() > most)
        {
            return self.close(key, CloseReason::NotReading);
        }
        self.pause_if_needed(key, now);
    }

    fn head(&mut self, key: LinkKey, head: &Head, now: Instant) -> Inbound {
        let Some(paths) = Paths::of(head, self.config.limits.path) else {
            // There is nobody to answer.
            if matches!(head.start, StartLine::Request(_)) {
                self.request_failed(key);
            }
            return Inbound::Skipped;
        };
        match &head.start {
            StartLine::Response { status, .. } => {
                self.response_received(key, head, paths, *status);
                Inbound::Skipped
            }
            StartLine::Request(method) => self.request(key, method, head, paths, now),
        }
    }

    fn request(
        &mut self,
        key: LinkKey,
        method: &Method,
        head: &Head,
        paths: Paths<'_>,
        now: Instant,
    ) -> Inbound {
        if *method == Method::Auth && uris(paths.to).nth(1).is_none() {
            return self.auth_received(key, head, paths);
        }
        let route = if head.defect.is_some() {
            Err(Refusal::Status(StatusCode::BAD_REQUEST))
        } else {
            self.route(key, paths.to, super::answer::first_of(paths.from), method, now)
        };
        if route.is_ok()
            && let Some(link) = self.links.get_mut(&key)
        {
            link.succeeded = true;
        }
        match method {
            //= https://www.rfc-editor.org/rfc/rfc4976#section-6.2
            //# If
            //# the request is not addressed to the relay, the relay immediately
            //# drops the corresponding connection over which the request was
            //# received.
            _ if route == Err(Refusal::NotAddressed) => {
                self.close(key, CloseReason::NotAddressed);
                Inbound::Skipped
            }
            Method::Send => self.send_received(key, head, paths, route),
            _ => self.other_received(key, method, head, paths, route),
        }
    }

    fn send_received(
        &mut self,
        key: LinkKey,
        head: &Head,
        paths: Paths<'_>,
        route: Result<Route, Refusal>,
    ) -> Inbound {
        let wants = head.headers.get::<FailureReport>();
        let range = head.headers.byte_range();
        let readable = wants.is_ok() && range.is_ok();
        let wants = wants.ok().flatten().unwrap_or_default();
        let origin = self.origin(key, paths);
        let transaction = head.transaction;
        let id = head.headers.message_id().ok().flatten();
        let result = match (route, id) {
            _ if !readable => Err(StatusCode::BAD_REQUEST),
            (_, None) => Err(StatusCode::BAD_REQUEST),
            (Err(Refusal::Status(status)), _) => Err(status),
            // Without a body it keeps the connection alive (RFC 7977 section 6).
            (Err(Refusal::Ends), _) if !head.has_body => {
                return Inbound::Taken { transaction, wants };
            }
            (Err(_), _) => Err(StatusCode::NO_SESSION),
            (Ok(_), _) if self.is_overfull(key) => Err(StatusCode::PAYLOAD_TOO_LARGE),
            (Ok(route), Some(id)) => Ok((route, id)),
        };
        let (route, id) = match result {
            Ok(found) => found,
            Err(status) => {
                // The sender learns at once that there is no use in going on.
                self.answer(&origin, &transaction, wants, status);
                self.request_failed(key);
                return Inbound::Skipped;
            }
        };
        let (text, split) = self.part_text(head, paths, route.moved);
        let part = PartHead {
            text,
            split,
            range: range.ok().flatten(),
            has_body: head.has_body,
            failure_report: wants,
            message: MessageText::new(id),
            origin,
        };
        self.enqueue(route.out, key, Item::Head(part));
        Inbound::Forward {
            out: route.out,
            transaction,
            wants,
        }
    }

    /// The headers of a SEND as they go out, but `Byte-Range`, and where that goes.
    fn part_text(&mut self, head: &Head, paths: Paths<'_>, moved: usize) -> (Bytes, usize) {
        let out = roomy(&mut self.buffer);
        write_paths(out, paths.to, paths.from, moved);
        let mut split = None;
        for (name, value) in head.headers.iter() {
            if name.eq_ignore_ascii_case("To-Path") || name.eq_ignore_ascii_case("From-Path") {
                continue;
            }
            if name.eq_ignore_ascii_case("Byte-Range") {
                split = Some(out.len());
                continue;
            }
            let is_mime = name
                .get(..8)
                .is_some_and(|prefix| prefix.eq_ignore_ascii_case("Content-"));
            if split.is_none() && is_mime {
                split = Some(out.len());
            }
            raw_header(out, name, value);
        }
        let split = split.unwrap_or(out.len());
        (out.split().freeze(), split)
    }

    /// Where a message came from; the same for all messages of a session.
    pub(super) fn origin(&mut self, key: LinkKey, paths: Paths<'_>) -> Arc<Origin> {
        let own = super::answer::first_of(paths.to);
        let link = self.links.get_mut(&key);
        let last = link.as_ref().and_then(|link| link.origin.as_ref());
        if let Some(last) = last.filter(|last| *last.own == *own && *last.from_path == *paths.from) {
            return last.clone();
        }
        let origin = Arc::new(Origin {
            link: key,
            from_path: paths.from.into(),
            own: own.into(),
        });
        if let Some(link) = link {
            link.origin = Some(origin.clone());
        }
        origin
    }

    fn body(&mut self, key: LinkKey, octets: Bytes) {
        let most = self.config.limits.other_body_octets;
        let Some(link) = self.links.get_mut(&key) else {
            return;
        };
        match &mut link.inbound {
            Inbound::Forward { out, .. } => {
                let out = *out;
                if self.is_overfull(key) {
                    // The host reads on although it should not.
                    return self.give_up_lane(out, key, StatusCode::PAYLOAD_TOO_LARGE);
                }
                let backed_up = self
                    .links
                    .get(&out)
                    .is_some_and(|link| link.outbox.is_backed_up(key));
                // What waits for long does not keep alive all that was read with it.
                let octets = if backed_up && octets.len() < SMALL {
                    Bytes::copy_from_slice(&octets)
                } else {
                    octets
                };
                self.enqueue(out, key, Item::Body(octets));
            }
            Inbound::Gather(gathered) => {
                if gathered.body.len().saturating_add(octets.len()) > most {
                    gathered.too_large = true;
                    gathered.body.clear();
                } else {
                    gathered.body.put_slice(&octets);
                }
            }
            Inbound::Skipped | Inbound::Auth(_) | Inbound::Taken { .. } => {}
        }
    }

    fn end(&mut self, key: LinkKey, continuation: Continuation, now: Instant) {
        let Some(link) = self.links.get_mut(&key) else {
            return;
        };
        match std::mem::take(&mut link.inbound) {
            Inbound::Skipped => {}
            Inbound::Forward {
                out,
                transaction,
                wants,
            } => {
                let origin = link.origin.clone();
                self.enqueue(out, key, Item::End(continuation));
                //= https://www.rfc-editor.org/rfc/rfc4976#section-6.4.1
                //# A 200-class response
                //# indicates the successful receipt of a message fragment but does not
                //# mean that the message has been forwarded on to the next hop.
                if let Some(origin) = origin {
                    self.answer(&origin, &transaction, wants, StatusCode::OK);
                }
            }
            Inbound::Taken { transaction, wants } => {
                if let Some(origin) = link.origin.clone() {
                    self.answer(&origin, &transaction, wants, StatusCode::OK);
                }
            }
            Inbound::Gather(gathered) => self.forward_whole(key, &gathered, continuation),
            Inbound::Auth(request) => self.auth_ended(key, *request, now),
        }
    }
}

/// Below how many octets a piece that waits is copied out of what was read with it.
const SMALL: usize = 4096;
