//! What a server transaction sends: the user's responses, their repetitions, and the way that they take.

use core::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;

use super::{Address, Octets, State};
use crate::StatusCode;
use crate::codec;
use crate::endpoint::client::LARGEST_DATAGRAM;
use crate::endpoint::error::RespondError;
use crate::endpoint::event::{Event, ServerTransaction};
use crate::endpoint::flows::{Place, Waiting};
use crate::endpoint::schedule::{Key, ServerTimer};
use crate::endpoint::{Endpoint, SHORTEST, via};
use crate::flow::{FlowId, Transport};
use crate::header::HeaderName;
use crate::message::{Message, Response};
use crate::transaction::{
    Action, DialogKey, InviteServer, InviteServerInput, NonInviteServer, NonInviteServerInput,
};

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
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a response is given away, as it is to respond"
    )]
    pub fn forward_response(
        &mut self,
        transaction: ServerTransaction,
        response: Response,
        now: Instant,
    ) -> Result<(), RespondError> {
        self.answer(transaction, &response, false, now)
    }

    fn answer(
        &mut self,
        id: ServerTransaction,
        response: &Response,
        own: bool,
        now: Instant,
    ) -> Result<(), RespondError> {
        let server = self.servers.get(id.0).ok_or(RespondError::UnknownTransaction)?;
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
        let tag = server.call.as_ref().and_then(|_| via::to_tag(response.headers()));
        let call = server.call.as_ref().filter(|_| first_success && own);
        let dialog = call.map(|call| DialogKey {
            call_id: call.id.clone(),
            local_tag: tag.clone().unwrap_or_default(),
            remote_tag: call.from_tag.clone().unwrap_or_default(),
            sequence: call.sequence,
        });
        let Some(server) = self.servers.get_mut(id.0) else {
            return Err(RespondError::UnknownTransaction);
        };
        server.state = state;
        server.octets = Octets::Response(bytes.clone());
        if code > 100
            && let Some(call) = &mut server.call
        {
            if let Some(legacy) = &mut server.legacy {
                let key = legacy.request.acknowledging(tag.as_deref());
                if let Some(old) = legacy.ack.replace(key.clone()) {
                    self.legacy.remove(&old);
                }
                self.legacy.insert(key, id);
            }
            call.to_tag = tag;
        }
        if let Some(dialog) = dialog
            && let Some(call) = &mut server.call
        {
            call.dialog = Some(dialog.clone());
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
        let Some(server) = self.servers.get_mut(id.0) else {
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
                if own {
                    // Before the timer below, which ends at the same instant.
                    self.schedule
                        .arm(key(ServerTimer::Acknowledge), now, timers.transaction());
                }
                self.schedule
                    .arm(key(ServerTimer::Linger), now, timers.transaction());
                if own {
                    //= https://www.rfc-editor.org/rfc/rfc6026#section-8.1
                    //# The
                    //# 2xx response is passed to the transport with an interval that
                    //# starts at T1 seconds and doubles for each retransmission until it
                    //# reaches T2 seconds (T1 and T2 are defined in Section 17).
                    self.schedule.arm(key(ServerTimer::Repeat), now, server.interval);
                } else {
                    server.octets = Octets::None;
                }
            }
            State::Invite(InviteServer::Accepted) if !own => server.octets = Octets::None,
            State::Other(NonInviteServer::Completed) => {
                self.schedule
                    .arm(key(ServerTimer::Linger), now, timers.j(server.reliable));
            }
            State::Invite(_) | State::Other(_) => {}
        }
    }

    fn finish_server(&mut self, id: ServerTransaction) {
        let Some(server) = self.servers.get(id.0) else {
            return;
        };
        if matches!(server.state, State::Other(NonInviteServer::Completed))
            && self.config.timers.j(server.reliable).is_zero()
        {
            self.forget_server(id);
        }
    }

    pub(in crate::endpoint) fn server_timeout(
        &mut self,
        id: ServerTransaction,
        timer: ServerTimer,
        now: Instant,
    ) {
        let Some(server) = self.servers.get_mut(id.0) else {
            return;
        };
        match timer {
            ServerTimer::Trying => self.send_trying(id, now),
            ServerTimer::Repeat => {
                let Some(latest) = server.latest().cloned() else {
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
                        server.octets = Octets::None;
                        self.emit(Event::AckTimedOut { transaction: id });
                    }
                    State::Invite(state) => {
                        if state.arrow(InviteServerInput::TimerH).is_some() {
                            self.emit(Event::TransactionFailed { transaction: id });
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
                    self.emit(Event::TransactionFailed { transaction: id });
                }
                self.forget_server(id);
            }
        }
    }

    pub(super) fn send_trying(&mut self, id: ServerTransaction, now: Instant) {
        let Some(server) = self.servers.get(id.0) else {
            return;
        };
        let Octets::Request(octets) = &server.octets else {
            return;
        };
        let remote = SocketAddr::new(server.address.host, server.address.source_port);
        // They were read before, and are so again.
        let Ok(Message::Request(mut request)) = codec::parse_datagram(octets.clone(), &self.config.limits)
        else {
            return;
        };
        let _ = via::Hop::receive(&mut request, &via::Source::new(remote), &self.servers);
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
    pub(super) fn deliver(&mut self, id: ServerTransaction, response: Bytes, now: Instant) {
        let Some(server) = self.servers.get(id.0) else {
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
            ..
        } = server.address.clone();
        let limits = self.limits();
        let place = match transport {
            // Nobody can open a WebSocket to a client.
            Transport::Ws | Transport::Wss => None,
            _ => self
                .flows
                .reach((transport, host.to_string(), port, None), limits)
                .ok(),
        };
        match place {
            Some(Place::Open(flow)) => self.response_opened(id, response, flow, now),
            Some(Place::Opening(open)) => self.flows.wait(open, Waiting::Response(id, response)),
            Some(Place::Resolving(_)) | None => self.response_failed(id),
        }
    }

    /// Sends a response that a flow had to be opened for.
    pub(in crate::endpoint) fn response_opened(
        &mut self,
        id: ServerTransaction,
        response: Bytes,
        flow: FlowId,
        now: Instant,
    ) {
        self.move_server(id, flow);
        self.transmit(flow, response, now);
    }

    pub(super) fn move_server(&mut self, id: ServerTransaction, flow: FlowId) {
        let Some(server) = self.servers.get_mut(id.0) else {
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
    pub(in crate::endpoint) fn response_failed(&mut self, id: ServerTransaction) {
        let Some(server) = self.servers.get_mut(id.0) else {
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
            self.emit(Event::TransactionFailed { transaction: id });
        }
        if ends {
            self.forget_server(id);
        }
    }
}
