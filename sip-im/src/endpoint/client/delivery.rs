//! Requests to a URI: looked up first, and sent to the next destination when one fails (RFC 3263 section 4.3).

use core::time::Duration;
use std::collections::VecDeque;
use std::time::Instant;

use super::{Cancel, Client, Line, State, Way};
use crate::Method;
use crate::endpoint::error::SendError;
use crate::endpoint::event::{ClientTransaction, RequestFailure, Target};
use crate::endpoint::flows::Place;
use crate::endpoint::schedule::{ClientTimer, Key};
use crate::endpoint::{Endpoint, SHORTEST};
use crate::header::RetryAfter;
use crate::message::{Request, Response};
use crate::resolve::{
    Answer, Destination, Event, LookupId, Outcome, Query, Resolution, ResolveError, Resolver,
};
use crate::transaction::{InviteClient, NonInviteClient, client_key};
use crate::uri::Uri;

/// Where else a request can go.
#[derive(Debug)]
pub(in crate::endpoint) struct Delivery {
    /// As it was given, without our Via.
    request: Request,
    current: Option<Destination>,
    rest: VecDeque<Destination>,
}

/// Who waits for a lookup.
#[derive(Debug)]
pub(in crate::endpoint) enum Looking {
    Client(ClientTransaction),
    /// An ACK, and whose 2xx it acknowledges.
    Ack(Box<Request>, Option<(ClientTransaction, String)>),
}

impl Endpoint {
    /// Gives the next question about where a request goes, which only requests to a [`Target::Uri`] lead to.
    pub fn poll_effect(&mut self) -> Option<Query> {
        self.resolver.poll_effect()
    }

    /// Takes the answer to such a question.
    pub fn handle_answer(&mut self, answer: Answer, now: Instant) {
        self.resolver.handle_answer(answer, now);
        self.take_resolved(now);
        self.tell_sessions(now);
    }

    /// What finds out where requests go, to give it next hops.
    pub fn resolver_mut(&mut self) -> &mut Resolver {
        &mut self.resolver
    }

    pub(super) fn send_to_uri(
        &mut self,
        request: Request,
        branch: String,
        uri: &Uri,
        now: Instant,
    ) -> Result<ClientTransaction, SendError> {
        match self.resolver.resolve(uri, now).map_err(SendError::NotResolved)? {
            Resolution::Pending(lookup) => {
                let delivery = Delivery {
                    request: request.clone(),
                    current: None,
                    rest: VecDeque::new(),
                };
                let way = Way {
                    place: Place::Resolving(lookup),
                    fallback: None,
                    delivery: Some(Box::new(delivery)),
                };
                let id = self.start(request, branch, way, false, now);
                self.looking.insert(lookup, Looking::Client(id));
                Ok(id)
            }
            Resolution::Known(destinations) => {
                let mut rest: VecDeque<_> = destinations.into();
                let mut refusal = SendError::NotResolved(ResolveError::NotFound);
                while let Some(destination) = rest.pop_front() {
                    match self.place(&request, Target::Destination(destination.clone())) {
                        Ok((place, fallback)) => {
                            let delivery = Delivery {
                                request: request.clone(),
                                current: Some(destination),
                                rest,
                            };
                            let way = Way {
                                place,
                                fallback,
                                delivery: Some(Box::new(delivery)),
                            };
                            return Ok(self.start(request, branch, way, false, now));
                        }
                        Err(error) => refusal = error,
                    }
                }
                Err(refusal)
            }
        }
    }

    /// Sends an ACK to where its URI leads: to the first destination, since nobody tells whether it arrived.
    pub(super) fn ack_to_uri(
        &mut self,
        ack: Request,
        uri: &Uri,
        remember: Option<(ClientTransaction, String)>,
        now: Instant,
    ) -> Result<(), SendError> {
        match self.resolver.resolve(uri, now).map_err(SendError::NotResolved)? {
            Resolution::Pending(lookup) => {
                self.looking.insert(lookup, Looking::Ack(Box::new(ack), remember));
                Ok(())
            }
            Resolution::Known(destinations) => {
                let first = destinations.into_iter().next();
                let first = first.ok_or(SendError::NotResolved(ResolveError::NotFound))?;
                self.send_ack(ack, Target::Destination(first), remember, now)
            }
        }
    }

    /// Goes on with what waited for the lookups that are over.
    pub(in crate::endpoint) fn take_resolved(&mut self, now: Instant) {
        while let Some(Event::Resolved { lookup, result }) = self.resolver.poll_event() {
            match (self.looking.remove(&lookup), result) {
                (Some(Looking::Client(id)), Ok(found)) => {
                    if let Some(delivery) = self.clients.get_mut(id.0).and_then(|c| c.delivery.as_mut()) {
                        delivery.rest = found.into();
                    }
                    if !self.next_destination(id, now) {
                        self.report_failure(id, RequestFailure::TransportFailed);
                        self.forget_client(id);
                    }
                }
                (Some(Looking::Client(id)), Err(error)) => {
                    self.report_failure(id, RequestFailure::NotResolved(error));
                    self.forget_client(id);
                }
                (Some(Looking::Ack(ack, remember)), Ok(found)) => {
                    if let Some(first) = found.into_iter().next() {
                        // The 2xx comes again, and so does the chance to acknowledge it.
                        let _ = self.send_ack(*ack, Target::Destination(first), remember, now);
                    }
                }
                (Some(Looking::Ack(..)) | None, _) => {}
            }
        }
    }

    /// Tells the resolver how the destination of a request served it.
    pub(super) fn report_destination(&mut self, id: ClientTransaction, outcome: Outcome, now: Instant) {
        let delivery = self.clients.get(id.0).and_then(|client| client.delivery.as_ref());
        if let Some(current) = delivery.and_then(|delivery| delivery.current.clone()) {
            self.resolver.report(&current, outcome, now);
        }
    }

    /// What a response says of the destination that gave it.
    pub(super) fn note_response(&mut self, id: ClientTransaction, response: &Response, now: Instant) {
        if self
            .clients
            .get(id.0)
            .is_none_or(|client| client.delivery.is_none())
        {
            return;
        }
        let outcome = if response.status().code() == 503 {
            let wait = response.headers().get::<RetryAfter>().ok().flatten();
            Outcome::Overloaded(wait.map(|wait| Duration::from_secs(u64::from(wait.seconds))))
        } else {
            Outcome::Served
        };
        self.report_destination(id, outcome, now);
    }

    /// Whether a request can still go elsewhere: nobody has taken it on, and nobody has taken it back.
    pub(super) fn can_fail_over(&self, id: ClientTransaction) -> bool {
        self.clients.get(id.0).is_some_and(|client| {
            client.cancel == Cancel::No
                && client
                    .delivery
                    .as_ref()
                    .is_some_and(|delivery| !delivery.rest.is_empty())
        })
    }

    /// Sends a request to its next destination, as another transaction under the same name. `false` when there is none.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3263#section-4.3
    //# If a failure occurs, the client
    //# SHOULD create a new request, which is identical to the previous, but
    //# has a different value of the Via branch ID than the previous (and
    //# therefore constitutes a new SIP transaction).
    pub(super) fn next_destination(&mut self, id: ClientTransaction, now: Instant) -> bool {
        loop {
            let Some(delivery) = self
                .clients
                .get_mut(id.0)
                .and_then(|client| client.delivery.as_mut())
            else {
                return false;
            };
            let Some(destination) = delivery.rest.pop_front() else {
                return false;
            };
            delivery.current = Some(destination.clone());
            let request = delivery.request.clone();
            let Ok((place, fallback)) = self.place(&request, Target::Destination(destination)) else {
                continue;
            };
            self.restart(id, request, place, fallback, now);
            return true;
        }
    }

    fn restart(
        &mut self,
        id: ClientTransaction,
        request: Request,
        place: Place,
        fallback: Option<crate::endpoint::flows::Authority>,
        now: Instant,
    ) {
        let interval = self.config.timers.t1.max(SHORTEST);
        let Some((old, place_before)) = self
            .clients
            .get(id.0)
            .map(|client| (client.branch.clone(), client.place))
        else {
            return;
        };
        if let Place::Open(flow) = place_before {
            self.unlink(id, flow);
        }
        let branch = self.mint_branch_like(&old);
        let Some(client) = self.clients.get_mut(id.0) else {
            return;
        };
        let key = client_key(&branch, request.method().as_str());
        client.state = match request.method() {
            Method::Invite => State::Invite(InviteClient::Calling),
            _ => State::Other(NonInviteClient::Trying),
        };
        client.branch = branch;
        client.request = None;
        client.sent_by = None;
        client.wire = None;
        client.place = place;
        client.fallback = fallback;
        client.interval = interval;
        self.clients.set_key(id.0, Some(self.clients.hashed(key)));
        self.schedule.disarm_client(id);
        self.schedule.arm(
            Key::Client(id, ClientTimer::Timeout),
            now,
            self.config.timers.transaction(),
        );
        self.set_out(id, request, place, now);
    }

    /// Leaves somebody behind who acknowledges repetitions of a 503 to an INVITE that goes elsewhere.
    pub(super) fn leave_acknowledger(&mut self, id: ClientTransaction, now: Instant) {
        let room = self.clients.len() < self.config.max_client_transactions;
        let Some(client) = self.clients.get_mut(id.0) else {
            return;
        };
        let Place::Open(flow) = client.place else { return };
        if client.reliable || !room || !matches!(client.state, State::Invite(InviteClient::Completed)) {
            return;
        }
        let ghost = Client {
            state: client.state,
            branch: client.branch.clone(),
            request: client.request.take(),
            sent_by: client.sent_by.take(),
            wire: None,
            place: client.place,
            reliable: false,
            fallback: None,
            interval: client.interval,
            cancel: Cancel::No,
            internal: true,
            acks: Vec::new(),
            delivery: None,
            line: Line::default(),
        };
        // The new attempt takes its own key; it is not found under this one any more.
        let key = self.clients.take_key(id.0);
        let Some(left) = self.clients.insert(key, ghost).map(ClientTransaction) else {
            return;
        };
        self.unlink(id, flow);
        self.link(left, flow);
        self.schedule.arm(
            Key::Client(left, ClientTimer::Linger),
            now,
            self.config.timers.d(false),
        );
    }

    /// Nobody waits for a lookup any more.
    pub(super) fn forget_lookup(&mut self, lookup: LookupId) {
        self.looking.remove(&lookup);
        self.resolver.abandon(lookup);
    }
}
