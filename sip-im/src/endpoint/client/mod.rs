//! Client transactions: requests that went out, until nothing more can come back (RFC 3261 sections 9.1, 17.1 and 18.1).

mod delivery;
mod line;
mod place;
mod progress;

use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::error::{CancelError, SendError};
use super::event::OpenId;
use super::event::{ClientTransaction, Event, RequestFailure, Target};
use super::flows::{Authority, Place, Waiting};
use super::random::push_random_hex;
use super::schedule::{ClientTimer, Key};
use super::{Endpoint, SHORTEST, via};
use crate::Method;
use crate::flow::FlowId;
use crate::header::HeaderName;
use crate::message::Request;
use crate::resolve::Outcome;
use crate::transaction::{
    Action, InviteClient, InviteClientInput, MAGIC_COOKIE, NonInviteClient, NonInviteClientInput, client_key,
};

use delivery::Delivery;
pub(super) use delivery::Looking;
pub(super) use line::Ends;
use line::Line;

/// The most that one UDP datagram carries over IPv4.
pub(super) const LARGEST_DATAGRAM: usize = 65_507;

/// What stands before the mark in a branch.
pub(crate) const MARK: char = '.';

#[derive(Clone, Copy, Debug)]
enum State {
    Invite(InviteClient),
    Other(NonInviteClient),
}

/// How far the cancelling of an INVITE has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cancel {
    No,
    /// Asked for, but nothing has come back yet.
    Wanted,
    Sent,
}

/// A client transaction.
#[derive(Debug)]
pub(super) struct Client {
    state: State,
    branch: String,
    /// Until it is sent; of an INVITE then what its ACK and CANCEL are made from, with our Via.
    request: Option<Box<Request>>,
    sent_by: Option<Arc<via::SentBy>>,
    /// As it was sent, while it may have to be sent again.
    wire: Option<Bytes>,
    place: Place,
    reliable: bool,
    /// Where to try datagrams if no stream can be had, which the request went to for its size alone.
    fallback: Option<Authority>,
    interval: Duration,
    cancel: Cancel,
    /// A CANCEL, of whose fate nobody needs to hear.
    internal: bool,
    /// The ACKs for 2xx: whose To tag, where, what.
    acks: Vec<(String, FlowId, Bytes)>,
    /// Where it goes if it fails where it is.
    delivery: Option<Box<Delivery>>,
    line: Line,
}

/// The way that a request takes.
#[derive(Debug)]
struct Way {
    place: Place,
    fallback: Option<Authority>,
    delivery: Option<Box<Delivery>>,
}

impl Endpoint {
    /// Sends a request and follows it until its final response: its Via is added here.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, for an ACK or a CANCEL, when the target's flow is not open, or at the limits of the configuration.
    pub fn send(
        &mut self,
        request: Request,
        target: Target,
        now: Instant,
    ) -> Result<ClientTransaction, SendError> {
        if matches!(request.method(), Method::Ack | Method::Cancel) {
            return Err(SendError::Method);
        }
        if self.clients.len() >= self.config.max_client_transactions {
            return Err(SendError::TableFull);
        }
        let mut request = request;
        if let Some(product) = &self.config.user_agent {
            via::name_product(request.headers_mut(), &HeaderName::USER_AGENT, product);
        }
        let branch = self.mint_branch();
        self.send_on(request, branch, target, now)
    }

    /// Sends on the request of somebody else, with a mark in the branch by which this host knows the request if it comes back: the
    /// "second part" of RFC 5393 section 4.2.1.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub(crate) fn send_marked(
        &mut self,
        request: Request,
        target: Target,
        mark: &str,
        now: Instant,
    ) -> Result<ClientTransaction, SendError> {
        if self.clients.len() >= self.config.max_client_transactions {
            return Err(SendError::TableFull);
        }
        let mut branch = self.mint_branch();
        branch.push(MARK);
        branch.push_str(mark);
        self.send_on(request, branch, target, now)
    }

    fn send_on(
        &mut self,
        request: Request,
        branch: String,
        target: Target,
        now: Instant,
    ) -> Result<ClientTransaction, SendError> {
        if let Target::Uri(uri) = &target {
            return self.send_to_uri(request, branch, uri, now);
        }
        let (place, fallback) = self.place(&request, target)?;
        let way = Way {
            place,
            fallback,
            delivery: None,
        };
        Ok(self.start(request, branch, way, false, now))
    }

    /// Sends the ACK for a 2xx of an INVITE, and sends it again whenever that 2xx comes again.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when the request is not an ACK, when the target's flow is not open, or at the limits of the
    /// configuration.
    pub fn acknowledge(
        &mut self,
        transaction: ClientTransaction,
        ack: Request,
        target: Target,
        now: Instant,
    ) -> Result<(), SendError> {
        let tag = via::to_tag(ack.headers()).unwrap_or_default();
        self.send_ack(ack, target, Some((transaction, tag)), now)
    }

    /// Sends on an ACK that belongs to somebody else's 2xx: its Via is added here.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when the request is not an ACK, when the target's flow is not open, or at the limits of the
    /// configuration.
    pub fn forward(&mut self, ack: Request, target: Target, now: Instant) -> Result<(), SendError> {
        self.send_ack(ack, target, None, now)
    }

    /// Cancels an INVITE: at once if a provisional response has come, otherwise as soon as one does. The final response is still to
    /// be awaited.
    ///
    /// # Errors
    ///
    /// Fails when the transaction is over or answered, or when it isn't one of an INVITE.
    pub fn cancel(&mut self, transaction: ClientTransaction, now: Instant) -> Result<(), CancelError> {
        let client = self
            .clients
            .get_mut(transaction.0)
            .ok_or(CancelError::UnknownTransaction)?;
        match client.state {
            State::Other(_) => Err(CancelError::NotAnInvite),
            //= https://www.rfc-editor.org/rfc/rfc3261#section-9.1
            //# If no provisional response has been received, the CANCEL request MUST
            //# NOT be sent; rather, the client MUST wait for the arrival of a
            //# provisional response before sending the request.
            State::Invite(InviteClient::Calling) => {
                client.cancel = Cancel::Wanted;
                Ok(())
            }
            State::Invite(InviteClient::Proceeding) => {
                self.send_cancel(transaction, now);
                Ok(())
            }
            State::Invite(_) => Err(CancelError::AlreadyAnswered),
        }
    }

    /// Makes a branch with the mark of another.
    fn mint_branch_like(&mut self, old: &str) -> String {
        let mut branch = self.mint_branch();
        if let Some((_, mark)) = old.split_once(MARK) {
            branch.push(MARK);
            branch.push_str(mark);
        }
        branch
    }

    fn mint_branch(&mut self) -> String {
        let mut octets = [0; 10];
        let mut branch = String::with_capacity(MAGIC_COOKIE.len().saturating_add(20));
        branch.push_str(MAGIC_COOKIE);
        push_random_hex(&mut self.entropy, &mut octets, &mut branch);
        branch
    }

    fn start(
        &mut self,
        request: Request,
        branch: String,
        way: Way,
        internal: bool,
        now: Instant,
    ) -> ClientTransaction {
        let Way {
            place,
            fallback,
            delivery,
        } = way;
        let key = client_key(&branch, request.method().as_str());
        let key = self.clients.hashed(key);
        let state = match request.method() {
            Method::Invite => State::Invite(InviteClient::Calling),
            _ => State::Other(NonInviteClient::Trying),
        };
        let id = self.clients.insert(
            Some(key),
            Client {
                state,
                branch,
                request: None,
                sent_by: None,
                wire: None,
                place,
                reliable: true,
                fallback,
                interval: self.config.timers.t1.max(SHORTEST),
                cancel: Cancel::No,
                internal,
                acks: Vec::new(),
                delivery,
                line: Line::default(),
            },
        );
        // There are numbers for more transactions than memory has room for.
        let id = ClientTransaction(id.unwrap_or(u64::MAX));
        // Timer B or F runs from here, so that a host which never answers an open holds nobody up.
        self.schedule.arm(
            Key::Client(id, ClientTimer::Timeout),
            now,
            self.config.timers.transaction(),
        );
        self.set_out(id, request, place, now);
        id
    }

    /// Sends a transaction's request if its flow is there, and keeps it otherwise.
    fn set_out(&mut self, id: ClientTransaction, request: Request, place: Place, now: Instant) {
        match place {
            Place::Open(flow) => {
                self.send_first(id, request, flow, now);
                return;
            }
            Place::Opening(open) => self.flows.wait(open, Waiting::Client(id)),
            Place::Resolving(_) => {}
        }
        if let Some(client) = self.clients.get_mut(id.0) {
            client.request = Some(Box::new(request));
        }
    }

    /// Sends a transaction's request for the first time: its flow is there, perhaps since it was asked for.
    pub(super) fn client_opened(
        &mut self,
        id: ClientTransaction,
        flow: FlowId,
        open: Option<OpenId>,
        now: Instant,
    ) {
        if !self.waits_for(id, open) {
            return;
        }
        let request = self
            .clients
            .get_mut(id.0)
            .and_then(|client| client.request.take());
        if let Some(request) = request {
            self.send_first(id, *request, flow, now);
        } else if self.flows.get(flow).is_none() {
            self.client_failed(id, now);
        }
    }

    fn send_first(&mut self, id: ClientTransaction, request: Request, flow: FlowId, now: Instant) {
        let Some(entry) = self.flows.get(flow) else {
            self.client_failed(id, now);
            return;
        };
        let (transport, sent_by) = (entry.info.transport, &entry.sent_by);
        let Some(client) = self.clients.get_mut(id.0) else {
            return;
        };
        client.place = Place::Open(flow);
        client.reliable = transport.is_reliable();
        let mut request = request;
        if !client.internal {
            via::add_via(&mut request, transport, sent_by, &client.branch);
        }
        client.sent_by = Some(Arc::clone(sent_by));
        let wire = request.to_bytes();
        if matches!(client.state, State::Invite(_)) {
            client.request = via::skeleton(&request).map(Box::new);
        }
        let interval = client.interval;
        if !client.reliable {
            client.wire = Some(wire.clone());
            self.schedule
                .arm(Key::Client(id, ClientTimer::Repeat), now, interval);
        }
        self.link(id, flow);
        self.heed_compression(flow, &request);
        self.transmit(flow, wire, now);
    }

    /// No flow can be had for a transaction.
    pub(super) fn client_unreachable(&mut self, id: ClientTransaction, open: OpenId, now: Instant) {
        if !self.waits_for(id, Some(open)) {
            return;
        }
        let limits = self.limits();
        let fallback = self
            .clients
            .get_mut(id.0)
            .and_then(|client| client.fallback.take());
        //= https://www.rfc-editor.org/rfc/rfc3261#section-18.1.1
        //# if the attempt to establish the connection generates either an
        //# ICMP Protocol Not Supported, or results in a TCP reset, the element
        //# SHOULD retry the request, using UDP.
        if let Some(authority) = fallback
            && let Ok(place) = self.flows.reach(authority, limits)
        {
            if let Some(client) = self.clients.get_mut(id.0) {
                client.place = place;
            }
            match place {
                Place::Open(flow) => self.client_opened(id, flow, None, now),
                Place::Opening(open) => self.flows.wait(open, Waiting::Client(id)),
                Place::Resolving(_) => {}
            }
            return;
        }
        self.client_failed(id, now);
    }

    /// Whether a transaction waits for just that open; it may have gone elsewhere since.
    fn waits_for(&self, id: ClientTransaction, open: Option<OpenId>) -> bool {
        self.clients
            .get(id.0)
            .is_some_and(|client| open.is_none_or(|open| client.place == Place::Opening(open)))
    }

    /// The transport can't deliver what a transaction has to send.
    pub(super) fn client_failed(&mut self, id: ClientTransaction, now: Instant) {
        let Some(client) = self.clients.get(id.0) else {
            return;
        };
        let untouched = matches!(
            client.state,
            State::Invite(InviteClient::Calling) | State::Other(NonInviteClient::Trying)
        );
        if untouched {
            self.report_destination(id, Outcome::Failed, now);
            if self.can_fail_over(id) && self.next_destination(id, now) {
                return;
            }
        }
        let Some(client) = self.clients.get(id.0) else {
            return;
        };
        let arrow = match client.state {
            State::Invite(InviteClient::Proceeding) => {
                // The figure has no arrow here, since a response may come another way; over a stream it won't, but the request may
                // have been answered by a server that will open a connection of its own. Timer C decides.
                None
            }
            State::Invite(state) => state
                .arrow(InviteClientInput::TransportError)
                .map(|(_, actions)| actions),
            State::Other(state) => state
                .arrow(NonInviteClientInput::TransportError)
                .map(|(_, actions)| actions),
        };
        let answered = matches!(client.state, State::Invite(InviteClient::Completed));
        if let Some(actions) = arrow {
            // A user that has its final response is not told that the ACK could not be repeated.
            if actions.contains(&Action::ReportFailure) && !answered {
                self.report_failure(id, RequestFailure::TransportFailed);
            }
            self.forget_client(id);
        } else if let Place::Open(flow) = client.place {
            self.unlink(id, flow);
        }
    }

    fn send_ack(
        &mut self,
        ack: Request,
        target: Target,
        remember: Option<(ClientTransaction, String)>,
        now: Instant,
    ) -> Result<(), SendError> {
        if *ack.method() != Method::Ack {
            return Err(SendError::Method);
        }
        if let Target::Uri(uri) = &target {
            return self.ack_to_uri(ack, uri, remember, now);
        }
        match self.place(&ack, target)?.0 {
            Place::Open(flow) => self.send_stateless(ack, flow, remember, now),
            Place::Opening(open) => self.flows.wait(open, Waiting::Request(Box::new(ack), remember)),
            Place::Resolving(_) => {}
        }
        Ok(())
    }

    /// Sends a request that no transaction follows.
    pub(super) fn send_stateless(
        &mut self,
        request: Request,
        flow: FlowId,
        remember: Option<(ClientTransaction, String)>,
        now: Instant,
    ) {
        let branch = self.mint_branch();
        let Some(entry) = self.flows.get(flow) else { return };
        let mut request = request;
        via::add_via(&mut request, entry.info.transport, &entry.sent_by, &branch);
        let wire = request.to_bytes();
        if let Some((id, tag)) = remember
            && let Some(client) = self.clients.get_mut(id.0)
            && client.acks.len() < self.config.max_forks
        {
            client.acks.retain(|(known, ..)| *known != tag);
            client.acks.push((tag, flow, wire.clone()));
        }
        self.heed_compression(flow, &request);
        self.transmit(flow, wire, now);
    }

    fn is_internal(&self, id: ClientTransaction) -> bool {
        self.clients.get(id.0).is_some_and(|client| client.internal)
    }

    fn report_failure(&mut self, id: ClientTransaction, reason: RequestFailure) {
        if !self.is_internal(id) {
            self.emit(Event::RequestFailed {
                transaction: id,
                reason,
            });
        }
    }

    fn forget_client(&mut self, id: ClientTransaction) {
        self.schedule.disarm_client(id);
        let Some(client) = self.clients.get(id.0) else {
            return;
        };
        match client.place {
            Place::Open(flow) => self.unlink(id, flow),
            Place::Resolving(lookup) => self.forget_lookup(lookup),
            Place::Opening(_) => {}
        }
        self.clients.remove(id.0);
        self.sessions.forget_client(id);
    }
}
