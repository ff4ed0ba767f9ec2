//! Server transactions: requests that came in, until no repetition of them can come any more (RFC 3261 sections 9.2, 17.2, 18.2).

use core::net::IpAddr;
use core::time::Duration;
use std::time::Instant;

use bytes::Bytes;

use super::error::RespondError;
use super::event::{Event, ServerTransaction};
use super::flows::{Place, Waiting};
use super::schedule::{Key, ServerTimer};
use super::{Endpoint, SHORTEST, client::LARGEST_DATAGRAM, via};
use crate::Method;
use crate::StatusCode;
use crate::flow::{FlowId, Transport};
use crate::header::HeaderName;
use crate::message::{Request, Response};
use crate::transaction::{
    Action, DialogKey, InviteServer, InviteServerInput, NonInviteServer, NonInviteServerInput, ServerKey,
};

#[derive(Clone, Copy, Debug)]
enum State {
    Invite(InviteServer),
    Other(NonInviteServer),
}

/// A server transaction.
#[derive(Debug)]
pub(super) struct Server {
    state: State,
    key: ServerKey,
    /// The key of its ACK, where that is another.
    ack_key: Option<ServerKey>,
    dialog: Option<DialogKey>,
    /// Without body, while a response may have to be made from it.
    request: Option<Box<Request>>,
    call_id: String,
    sequence: u32,
    from_tag: Option<String>,
    to_tag: Option<String>,
    flow: FlowId,
    /// Whether responses go over the flow that the request came in on.
    direct: bool,
    /// Where else responses go.
    address: Address,
    reliable: bool,
    latest: Option<Bytes>,
    interval: Duration,
    cancelled: bool,
    acknowledged: bool,
}

#[derive(Clone, Debug)]
struct Address {
    transport: Transport,
    host: IpAddr,
    port: u16,
}

impl Endpoint {
    /// Answers a request, as the one that it was meant for. A 2xx to an INVITE is sent again until its ACK comes.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when the transaction is over or answered already, when RFC 4320 forbids the status, or when the
    /// response doesn't fit into a datagram.
    pub fn respond(
        &mut self,
        transaction: ServerTransaction,
        response: Response,
        now: Instant,
    ) -> Result<(), RespondError> {
        let mut response = response;
        if let Some(product) = &self.config.user_agent {
            via::name_product(response.headers_mut(), &HeaderName::SERVER, product);
        }
        self.answer(transaction, &response, true, now)
    }

    /// Passes on the response of somebody further on. Only that one sends a 2xx to an INVITE again, and each time it comes it is to
    /// be passed on.
    ///
    /// # Errors
    ///
    /// As [`Self::respond`].
    pub fn forward_response(
        &mut self,
        transaction: ServerTransaction,
        response: Response,
        now: Instant,
    ) -> Result<(), RespondError> {
        self.answer(transaction, &response, false, now)
    }

    pub(super) fn request(&mut self, flow: FlowId, request: Request, now: Instant) {
        let Some(entry) = self.flows.get(flow) else { return };
        let (info, mut request) = (entry.info.clone(), request);
        let facts = match via::Facts::of(&request) {
            Ok(facts) => facts,
            Err(fault) => {
                self.refuse(flow, &request, fault, &[], now);
                return;
            }
        };
        // The key is made from the Via as it was sent, the address from what is known.
        let key = facts.key(&request, None);
        via::complete_via(&mut request, &facts.via, info.remote);
        if *request.method() == Method::Ack {
            self.ack(flow, request, &facts, now);
            return;
        }
        if let Some(id) = self.server_keys.get(&key).copied() {
            self.repeated(id, flow, now);
            return;
        }
        if self.servers.len() >= self.config.max_server_transactions {
            let seconds = self.config.retry_after.as_secs().to_string();
            let extra = [(HeaderName::RETRY_AFTER, seconds)];
            self.refuse(flow, &request, StatusCode::SERVICE_UNAVAILABLE, &extra, now);
            return;
        }
        let invite =
            (*request.method() == Method::Cancel).then(|| facts.key(&request, Some(&Method::Invite)));
        let id = self.admit(flow, &info, key, &request, &facts, now);
        match invite {
            Some(invite) => self.cancel_received(id, &invite, &request, &facts, now),
            None => self.events.push_back(Event::RequestReceived {
                transaction: id,
                request,
                flow,
                trusted: info.trusted,
            }),
        }
    }

    fn admit(
        &mut self,
        flow: FlowId,
        info: &super::FlowInfo,
        key: ServerKey,
        request: &Request,
        facts: &via::Facts,
        now: Instant,
    ) -> ServerTransaction {
        let id = ServerTransaction(self.next_server);
        self.next_server = self.next_server.saturating_add(1);
        let is_invite = *request.method() == Method::Invite;
        let reliable = info.transport.is_reliable();
        //= https://www.rfc-editor.org/rfc/rfc3581#section-4
        //# the response MUST be
        //# sent to the IP address listed in the "received" parameter, and the
        //# port in the "rport" parameter.
        let port = facts.via.port.unwrap_or_else(|| info.transport.default_port());
        let direct = reliable || facts.via.rport.is_some() || port == info.remote.port();
        let mut head = request.clone();
        head.remove_body();
        self.server_keys.insert(key.clone(), id);
        self.servers.insert(
            id,
            Server {
                state: if is_invite {
                    State::Invite(InviteServer::Proceeding)
                } else {
                    State::Other(NonInviteServer::Trying)
                },
                key,
                ack_key: None,
                dialog: None,
                request: Some(Box::new(head)),
                call_id: facts.call_id.clone(),
                sequence: facts.sequence,
                from_tag: facts.from_tag.clone(),
                to_tag: None,
                flow,
                direct,
                address: Address {
                    transport: info.transport,
                    host: info.remote.ip(),
                    port,
                },
                reliable,
                latest: None,
                interval: self.config.timers.t1.max(SHORTEST),
                cancelled: false,
                acknowledged: false,
            },
        );
        if let Some(entry) = self.flows.get_mut(flow) {
            entry.servers = entry.servers.saturating_add(1);
        }
        let timers = &self.config.timers;
        let trying = if is_invite {
            timers.trying
        } else {
            timers.non_invite_trying()
        };
        self.schedule
            .arm(Key::Server(id, ServerTimer::Trying), now, trying);
        if !is_invite {
            // The peer's timer F: from then on nobody waits for a response.
            self.schedule
                .arm(Key::Server(id, ServerTimer::Linger), now, timers.transaction());
        }
        id
    }

    /// Takes a repetition of a request.
    fn repeated(&mut self, id: ServerTransaction, flow: FlowId, now: Instant) {
        let Some(server) = self.servers.get(&id) else {
            return;
        };
        let (old, sends) = match server.state {
            State::Invite(state) => (server.flow, state.arrow(InviteServerInput::Request)),
            State::Other(state) => {
                let arrow = state.arrow(NonInviteServerInput::Request);
                (
                    server.flow,
                    arrow.map(|(_, actions)| (InviteServer::Proceeding, actions)),
                )
            }
        };
        let sends = sends.is_some_and(|(_, actions)| actions.contains(&Action::SendResponse));
        if self.flows.get(old).is_none() {
            self.move_server(id, flow);
        }
        if sends && let Some(latest) = self.servers.get(&id).and_then(|server| server.latest.clone()) {
            self.deliver(id, latest, now);
        }
    }

    /// Takes an ACK.
    fn ack(&mut self, flow: FlowId, request: Request, facts: &via::Facts, now: Instant) {
        let candidates = [
            facts.key(&request, Some(&Method::Invite)),
            facts.key(&request, Some(&Method::Ack)),
        ];
        let found = candidates
            .iter()
            .find_map(|key| self.server_keys.get(key).copied());
        if let Some(id) = found
            && let Some(server) = self.servers.get_mut(&id)
            && let State::Invite(state) = server.state
        {
            let Some((next, actions)) = state.arrow(InviteServerInput::Ack) else {
                return;
            };
            server.state = State::Invite(next);
            if state == InviteServer::Completed {
                server.latest = None;
                let linger = self.config.timers.network(server.reliable);
                self.schedule.disarm_server(id);
                self.schedule
                    .arm(Key::Server(id, ServerTimer::Linger), now, linger);
                if linger.is_zero() {
                    self.forget_server(id);
                }
            }
            if !actions.contains(&Action::Report) {
                return;
            }
        }
        if facts.to_tag.as_deref() == Some(self.stateless_tag.as_str()) {
            return;
        }
        let transaction = self.dialogs.get(&facts.dialog_key()).copied();
        if let Some(id) = transaction
            && let Some(server) = self.servers.get_mut(&id)
        {
            if server.acknowledged {
                return;
            }
            server.acknowledged = true;
            server.latest = None;
            self.schedule.disarm(Key::Server(id, ServerTimer::Repeat));
            self.schedule.disarm(Key::Server(id, ServerTimer::Acknowledge));
        }
        self.events.push_back(Event::AckReceived {
            transaction,
            request,
            flow,
        });
    }

    //= https://www.rfc-editor.org/rfc/rfc3261#section-9.2
    //# If the UAS did not find a matching transaction for the CANCEL
    //# according to the procedure above, it SHOULD respond to the CANCEL
    //# with a 481 (Call Leg/Transaction Does Not Exist).
    fn cancel_received(
        &mut self,
        id: ServerTransaction,
        invite: &ServerKey,
        request: &Request,
        facts: &via::Facts,
        now: Instant,
    ) {
        let target = self
            .server_keys
            .get(invite)
            .copied()
            .and_then(|id| self.servers.get_mut(&id).map(|server| (id, server)));
        let target =
            target.filter(|(_, server)| server.call_id == facts.call_id && server.sequence == facts.sequence);
        let (status, tag, cancelled) = match target {
            None => (StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST, None, None),
            Some((invite, server)) => {
                let open =
                    matches!(server.state, State::Invite(InviteServer::Proceeding)) && !server.cancelled;
                server.cancelled |= open;
                (StatusCode::OK, server.to_tag.clone(), open.then_some(invite))
            }
        };
        let tag = tag.unwrap_or_else(|| self.mint_tag());
        if let Ok(response) = request.response(status).to_tag(&tag).build() {
            // Its own transaction was made a moment ago and has no response yet, so this can't be refused.
            let _ = self.respond(id, response, now);
        }
        if let Some(transaction) = cancelled {
            self.events.push_back(Event::CancelReceived { transaction });
        }
    }

    fn answer(
        &mut self,
        id: ServerTransaction,
        response: &Response,
        own: bool,
        now: Instant,
    ) -> Result<(), RespondError> {
        let server = self.servers.get(&id).ok_or(RespondError::UnknownTransaction)?;
        let code = response.status().code();
        let (state, actions) = match server.state {
            State::Invite(state) => {
                let input = match code {
                    100..=199 => InviteServerInput::Provisional,
                    200..=299 => InviteServerInput::Success,
                    _ => InviteServerInput::Failure,
                };
                let (next, actions) = state.arrow(input).ok_or(RespondError::AlreadyAnswered)?;
                (State::Invite(next), actions)
            }
            State::Other(state) => {
                //= https://www.rfc-editor.org/rfc/rfc4320#section-4.1
                //# An SIP element MUST NOT send any provisional response with a Status-
                //# Code other than 100 to a non-INVITE request.
                //= https://www.rfc-editor.org/rfc/rfc4320#section-4.2
                //# A transaction-stateful SIP element MUST NOT send a response with
                //# Status-Code of 408 to a non-INVITE request.
                if matches!(code, 101..=199 | 408) {
                    return Err(RespondError::StatusNotAllowed);
                }
                let input = if code < 200 {
                    NonInviteServerInput::Provisional
                } else {
                    NonInviteServerInput::Final
                };
                let (next, actions) = state.arrow(input).ok_or(RespondError::AlreadyAnswered)?;
                //= https://www.rfc-editor.org/rfc/rfc4320#section-4.1
                //# An SIP element MUST NOT respond to a non-INVITE request with a
                //# Status-Code of 100 over any unreliable transport, such as UDP, before
                //# the amount of time it takes a client transaction's Timer E to be
                //# reset to T2.
                if code < 200
                    && !server.reliable
                    && self.schedule.is_armed(Key::Server(id, ServerTimer::Trying))
                {
                    return Ok(());
                }
                (State::Other(next), actions)
            }
        };
        let bytes = response.to_bytes();
        if !server.reliable && bytes.len() > LARGEST_DATAGRAM {
            return Err(RespondError::TooLarge);
        }
        let first_success = matches!(
            (server.state, state),
            (
                State::Invite(InviteServer::Proceeding),
                State::Invite(InviteServer::Accepted)
            )
        );
        let tag = via::to_tag(response.headers());
        let dialog = (first_success && own).then(|| DialogKey {
            call_id: server.call_id.clone(),
            local_tag: tag.clone().unwrap_or_default(),
            remote_tag: server.from_tag.clone().unwrap_or_default(),
            sequence: server.sequence,
        });
        let Some(server) = self.servers.get_mut(&id) else {
            return Err(RespondError::UnknownTransaction);
        };
        server.state = state;
        server.latest = Some(bytes.clone());
        if code >= 200 {
            server.request = None;
        }
        if code > 100 {
            if let Some(key) = server.key.acknowledging(tag.as_deref()) {
                if let Some(old) = server.ack_key.replace(key.clone()) {
                    self.server_keys.remove(&old);
                }
                self.server_keys.insert(key, id);
            }
            server.to_tag = tag;
        }
        if let Some(dialog) = dialog {
            server.dialog = Some(dialog.clone());
            self.dialogs.insert(dialog, id);
        }
        self.enter(id, first_success, own, now);
        if actions.contains(&Action::SendResponse) {
            self.deliver(id, bytes, now);
        }
        self.finish_server(id);
        Ok(())
    }

    /// Arms and disarms what the state entered by a response asks for.
    fn enter(&mut self, id: ServerTransaction, first_success: bool, own: bool, now: Instant) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        let timers = &self.config.timers;
        let key = |timer| Key::Server(id, timer);
        self.schedule.disarm(key(ServerTimer::Trying));
        match server.state {
            State::Invite(InviteServer::Completed) => {
                self.schedule
                    .arm(key(ServerTimer::Acknowledge), now, timers.transaction());
                if !server.reliable {
                    self.schedule.arm(key(ServerTimer::Repeat), now, server.interval);
                }
            }
            State::Invite(InviteServer::Accepted) if first_success => {
                self.schedule
                    .arm(key(ServerTimer::Linger), now, timers.transaction());
                if own {
                    //= https://www.rfc-editor.org/rfc/rfc6026#section-8.1
                    //# The
                    //# 2xx response is passed to the transport with an interval that
                    //# starts at T1 seconds and doubles for each retransmission until it
                    //# reaches T2 seconds (T1 and T2 are defined in Section 17).
                    self.schedule.arm(key(ServerTimer::Repeat), now, server.interval);
                    self.schedule
                        .arm(key(ServerTimer::Acknowledge), now, timers.transaction());
                } else {
                    server.latest = None;
                }
            }
            State::Invite(InviteServer::Accepted) if !own => server.latest = None,
            State::Other(NonInviteServer::Completed) => {
                self.schedule
                    .arm(key(ServerTimer::Linger), now, timers.j(server.reliable));
            }
            State::Invite(_) | State::Other(_) => {}
        }
    }

    fn finish_server(&mut self, id: ServerTransaction) {
        let Some(server) = self.servers.get(&id) else {
            return;
        };
        if matches!(server.state, State::Other(NonInviteServer::Completed))
            && self.config.timers.j(server.reliable).is_zero()
        {
            self.forget_server(id);
        }
    }

    pub(super) fn server_timeout(&mut self, id: ServerTransaction, timer: ServerTimer, now: Instant) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        match timer {
            ServerTimer::Trying => self.send_trying(id, now),
            ServerTimer::Repeat => {
                let Some(latest) = server.latest.clone() else {
                    return;
                };
                server.interval = self.config.timers.doubled(server.interval).max(SHORTEST);
                self.schedule
                    .arm(Key::Server(id, ServerTimer::Repeat), now, server.interval);
                self.deliver(id, latest, now);
            }
            ServerTimer::Acknowledge => {
                self.schedule.disarm(Key::Server(id, ServerTimer::Repeat));
                match server.state {
                    State::Invite(InviteServer::Accepted) => {
                        server.latest = None;
                        self.events.push_back(Event::AckTimedOut { transaction: id });
                    }
                    State::Invite(state) => {
                        if state.arrow(InviteServerInput::TimerH).is_some() {
                            self.events
                                .push_back(Event::TransactionFailed { transaction: id });
                            self.forget_server(id);
                        }
                    }
                    State::Other(_) => {}
                }
            }
            ServerTimer::Linger => {
                //= https://www.rfc-editor.org/rfc/rfc4320#section-4.2
                //# As a consequence, an
                //# element that cannot respond before the transaction expires will not
                //# send a final response at all.
                if matches!(
                    server.state,
                    State::Other(NonInviteServer::Trying | NonInviteServer::Proceeding)
                ) {
                    self.events
                        .push_back(Event::TransactionFailed { transaction: id });
                }
                self.forget_server(id);
            }
        }
    }

    fn send_trying(&mut self, id: ServerTransaction, now: Instant) {
        let Some(request) = self.servers.get(&id).and_then(|server| server.request.as_deref()) else {
            return;
        };
        if let Ok(response) = request.response(StatusCode::TRYING).build() {
            // A transaction with a final response has no request any more.
            let _ = self.answer(id, &response, true, now);
        }
    }

    /// Sends a response the way that its request came, or to the address that its Via tells.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-18.2.2
    //# If that
    //# connection is no longer open, the server SHOULD open a
    //# connection to the IP address in the "received" parameter, if
    //# present, using the port in the "sent-by" value, or the default
    //# port for that transport, if no port is specified.
    fn deliver(&mut self, id: ServerTransaction, response: Bytes, now: Instant) {
        let Some(server) = self.servers.get(&id) else {
            return;
        };
        if server.direct && self.flows.get(server.flow).is_some() {
            let flow = server.flow;
            self.transmit(flow, response, now);
            return;
        }
        let Address {
            transport,
            host,
            port,
        } = server.address.clone();
        let limits = self.limits();
        let place = match transport {
            // Nobody can open a WebSocket to a client.
            Transport::Ws | Transport::Wss => None,
            _ => self.flows.reach(transport, &host.to_string(), port, limits).ok(),
        };
        match place {
            Some(Place::Open(flow)) => self.response_opened(id, response, flow, now),
            Some(Place::Opening(open)) => self.flows.wait(open, Waiting::Response(id, response)),
            None => self.response_failed(id),
        }
    }

    /// Sends a response that a flow had to be opened for.
    pub(super) fn response_opened(
        &mut self,
        id: ServerTransaction,
        response: Bytes,
        flow: FlowId,
        now: Instant,
    ) {
        self.move_server(id, flow);
        self.transmit(flow, response, now);
    }

    fn move_server(&mut self, id: ServerTransaction, flow: FlowId) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        let old = core::mem::replace(&mut server.flow, flow);
        server.direct = true;
        if let Some(entry) = self.flows.get_mut(old) {
            entry.servers = entry.servers.saturating_sub(1);
        }
        if let Some(entry) = self.flows.get_mut(flow) {
            entry.servers = entry.servers.saturating_add(1);
        }
    }

    /// A response can't be delivered.
    pub(super) fn response_failed(&mut self, id: ServerTransaction) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        let (ends, tell) = match server.state {
            State::Invite(state) => (false, state.arrow(InviteServerInput::TransportError).is_some()),
            State::Other(state) => {
                let arrow = state.arrow(NonInviteServerInput::TransportError);
                (arrow.is_some(), arrow.is_some())
            }
        };
        // Repetitions of a 2xx fail alike; once is enough.
        self.schedule.disarm(Key::Server(id, ServerTimer::Repeat));
        if tell {
            self.events
                .push_back(Event::TransactionFailed { transaction: id });
        }
        if ends {
            self.forget_server(id);
        }
    }

    fn forget_server(&mut self, id: ServerTransaction) {
        self.schedule.disarm_server(id);
        let Some(server) = self.servers.remove(&id) else {
            return;
        };
        self.server_keys.remove(&server.key);
        if let Some(key) = &server.ack_key {
            self.server_keys.remove(key);
        }
        if let Some(dialog) = &server.dialog
            && self.dialogs.get(dialog) == Some(&id)
        {
            self.dialogs.remove(dialog);
        }
        if let Some(entry) = self.flows.get_mut(server.flow) {
            entry.servers = entry.servers.saturating_sub(1);
        }
    }

    /// Answers a request without keeping anything of it.
    fn refuse(
        &mut self,
        flow: FlowId,
        request: &Request,
        status: StatusCode,
        extra: &[(HeaderName, String)],
        now: Instant,
    ) {
        if *request.method() == Method::Ack {
            return;
        }
        let mut builder = request.response(status).to_tag(&self.stateless_tag);
        for (name, value) in extra {
            match builder.header(name, value) {
                Ok(next) => builder = next,
                Err(_) => return,
            }
        }
        if let Ok(response) = builder.build() {
            self.transmit(flow, response.to_bytes(), now);
        }
    }
}
