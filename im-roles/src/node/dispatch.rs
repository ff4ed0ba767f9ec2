//! Carrying what the endpoints and the roles say to each other, until nobody says anything more.

use std::time::Instant;

use sip_im::endpoint::{Event as SipEvent, RequestFailure, Target};
use sip_im::header::HeaderName;
use sip_im::identity::{self, Trust};
use sip_im::proxy;
use sip_im::{FlowId, Method, Request, Response};

use super::exchanges::{AnsweredBy, Callee, Caller, dialog_key};
use super::routing::Hop;
use super::{Event, Node};
use crate::effect::Answer;
use crate::message;
use crate::signal::{self, Destination, Input, Origin, OutgoingId, RoleKind, SessionCase, Transmit};

impl Node {
    /// Ends when nothing moves any more. Each step consumes something that an input or a timer gave, and requests between
    /// roles lose a hop each time, so it ends.
    pub(super) fn settle(&mut self, now: Instant) {
        loop {
            let mut moved = false;
            while let Some(event) = self.sip.poll_event() {
                self.take_sip_event(event, now);
                moved = true;
            }
            while let Some(event) = self.msrp.poll_event() {
                self.take_msrp_event(event);
                moved = true;
            }
            while let Some((role, input)) = self.bus.pop_front() {
                self.give(role, input, now);
                moved = true;
            }
            moved |= self.drain_roles(now);
            if !moved {
                return;
            }
        }
    }

    fn give(&mut self, role: RoleKind, input: Input, now: Instant) {
        match role {
            RoleKind::Participating => self.participating.handle_input(input, now),
            RoleKind::Controlling => self.controlling.handle_input(input, now),
            RoleKind::Deferred => self.deferred.handle_input(input, now),
            RoleKind::Presence => self.presence.handle_input(input, now),
            RoleKind::Xdms | RoleKind::Client => {}
        }
    }

    fn drain_roles(&mut self, now: Instant) -> bool {
        let mut moved = false;
        while let Some(transmit) = self.participating.poll_transmit(now) {
            self.carry(RoleKind::Participating, transmit, now);
            moved = true;
        }
        while let Some(transmit) = self.controlling.poll_transmit(now) {
            self.carry(RoleKind::Controlling, transmit, now);
            moved = true;
        }
        while let Some(transmit) = self.deferred.poll_transmit(now) {
            self.carry(RoleKind::Deferred, transmit, now);
            moved = true;
        }
        while let Some(transmit) = self.presence.poll_transmit(now) {
            self.carry(RoleKind::Presence, transmit, now);
            moved = true;
        }
        moved |= self.drain_xdms(now);
        while let Some(effect) = self
            .participating
            .poll_effect()
            .or_else(|| self.controlling.poll_effect())
            .or_else(|| self.deferred.poll_effect())
            .or_else(|| self.presence.poll_effect())
        {
            self.effects.push_back(effect);
            moved = true;
        }
        while let Some(event) = self.participating.poll_event() {
            self.events.push_back(Event::Participating(event));
        }
        while let Some(event) = self.controlling.poll_event() {
            self.events.push_back(Event::Controlling(event));
        }
        while let Some(event) = self.deferred.poll_event() {
            self.events.push_back(Event::Deferred(event));
        }
        while let Some(event) = self.presence.poll_event() {
            self.events.push_back(Event::Presence(event));
        }
        moved
    }

    pub(super) fn answer_role(&mut self, answer: Answer, now: Instant) {
        match answer.id().role() {
            RoleKind::Participating => self.participating.handle_answer(answer, now),
            RoleKind::Controlling => self.controlling.handle_answer(answer, now),
            RoleKind::Deferred => self.deferred.handle_answer(answer, now),
            RoleKind::Presence => self.presence.handle_answer(answer, now),
            RoleKind::Xdms => self.xdms.handle_answer(answer, now),
            RoleKind::Client => {}
        }
    }

    fn take_sip_event(&mut self, event: SipEvent, now: Instant) {
        match event {
            SipEvent::RequestReceived {
                transaction,
                request,
                flow,
                trusted,
            } => {
                self.take_request(transaction, request, flow, trusted, now);
            }
            SipEvent::AckReceived { request, flow, .. } => self.take_ack(request, flow, now),
            SipEvent::CancelReceived { transaction } => {
                if let Some((id, incoming)) = self.exchanges.by_server(transaction) {
                    self.bus.push_back((incoming.role, Input::Cancel { id }));
                }
            }
            SipEvent::TransactionFailed { transaction } => {
                // Nobody waits for the answer any more; what was started for it is stopped.
                if let Some((id, incoming)) = self.exchanges.by_server(transaction)
                    && incoming.method == Method::Invite
                {
                    self.bus.push_back((incoming.role, Input::Cancel { id }));
                }
            }
            SipEvent::AckTimedOut { transaction } => {
                let for_other = self.exchanges.retransmitted_for(transaction);
                let owner = for_other.or_else(|| {
                    self.exchanges
                        .by_server(transaction)
                        .map(|(id, incoming)| (id, incoming.role))
                });
                if let Some((id, role)) = owner {
                    self.bus.push_back((role, Input::AckTimedOut { id }));
                }
            }
            SipEvent::ResponseReceived {
                transaction,
                response,
            } => {
                let Some((id, callee)) = self.exchanges.by_client(transaction) else {
                    return;
                };
                let mut response = response;
                if !matches!(callee, Callee::Wire(_, true)) {
                    // Who answers is for this domain to say, not for the client.
                    response.headers_mut().remove(&HeaderName::P_ASSERTED_IDENTITY);
                }
                self.take_response(id, response, Some(transaction), now);
            }
            SipEvent::RequestFailed { transaction, reason } => {
                if let Some((id, _)) = self.exchanges.by_client(transaction) {
                    self.exchanges.drop_outgoing(id);
                    self.bus.push_back((id.role, Input::Failed { id, reason }));
                }
            }
            SipEvent::FlowClosed { flow } => self.registrations_lost(flow),
            _ => {}
        }
    }

    fn take_response(
        &mut self,
        id: OutgoingId,
        response: Response,
        wire: Option<sip_im::endpoint::ClientTransaction>,
        now: Instant,
    ) {
        if response.status().is_final() {
            let invite = is_invite_response(&response);
            if let (true, true, Some(transaction)) = (invite, response.status().is_success(), wire)
                && let Some(dialog) = dialog_key(response.headers())
            {
                self.exchanges
                    .note_answer(dialog, AnsweredBy::Wire(transaction), now);
            }
            self.exchanges
                .finish_outgoing(id, response.status().is_success(), invite, now);
        }
        self.bus.push_back((id.role, Input::Response { id, response }));
    }

    fn carry(&mut self, role: RoleKind, transmit: Transmit, now: Instant) {
        match transmit {
            Transmit::Respond { id, response } | Transmit::PassOn { id, response } => {
                self.carry_response(id, response, now);
            }
            Transmit::Request {
                id,
                request,
                destination,
            } => self.carry_request(role, id, request, destination, now),
            Transmit::Acknowledge { id, request, .. } => self.acknowledge(id, request, now),
            Transmit::PassOnAck { request, .. } => self.pass_on_ack(&request, None, now),
            Transmit::Cancel { id } => match self.exchanges.callee(id) {
                Some(Callee::Wire(transaction, _)) => {
                    // An answered INVITE is not cancelled any more; its answer is on its way to the role.
                    let _ = self.sip.cancel(transaction, now);
                }
                Some(Callee::Role(incoming)) => {
                    if let Some(entry) = self.exchanges.incoming(incoming) {
                        self.bus.push_back((entry.role, Input::Cancel { id: incoming }));
                    }
                }
                None => {}
            },
            Transmit::Locate { id, user } => {
                let contacts = self.locate(&user, now);
                self.bus.push_back((role, Input::Located { id, contacts }));
            }
            Transmit::Media { media, command } => self.command_media(media, command, now),
        }
    }

    fn carry_response(&mut self, id: signal::IncomingId, mut response: Response, now: Instant) {
        let Some(incoming) = self.exchanges.incoming(id).cloned() else {
            return;
        };
        let (is_final, success) = (response.status().is_final(), response.status().is_success());
        let invite = incoming.method == Method::Invite;
        let dialog = if success && invite {
            dialog_key(response.headers())
        } else {
            None
        };
        if let Some(dialog) = &dialog {
            self.exchanges
                .note_answer(dialog.clone(), AnsweredBy::Role(id, incoming.role), now);
        }
        match incoming.caller {
            Caller::Role(caller) => self.take_response(caller, response, None, now),
            Caller::Wire(transaction, trusted) => {
                if !trusted {
                    hide_identity(&mut response);
                }
                self.tag(&mut response);
                let answered_by = dialog.and_then(|dialog| self.exchanges.answered_by(&dialog));
                // A 2xx of a role of this server is sent again here; a peer's comes again by itself.
                let result = match answered_by {
                    Some(AnsweredBy::Role(owner, role)) => {
                        self.exchanges
                            .note_retransmission(transaction, (owner, role), now);
                        self.sip.respond(transaction, response, now)
                    }
                    Some(AnsweredBy::Wire(_)) | None => self.sip.forward_response(transaction, response, now),
                };
                // The peer may have gone; there is nobody else to tell.
                let _ = result;
            }
        }
        if is_final {
            self.exchanges.finish_incoming(id, success, now);
        }
    }

    fn carry_request(
        &mut self,
        role: RoleKind,
        id: OutgoingId,
        request: Request,
        to: Destination,
        now: Instant,
    ) {
        let mut request = request;
        match to {
            Destination::Flow(flow) => self.send_on_flow(id, request, flow, now),
            Destination::Function(to) => {
                self.send_to_role(role, id, request, to, None, SessionCase::Terminating);
            }
            Destination::Address {
                transport,
                host,
                port,
            } => {
                let trusted = self.trusts_address(&host, port);
                self.send_to(
                    id,
                    request,
                    Target::Address {
                        transport,
                        host,
                        port,
                    },
                    trusted,
                    now,
                );
            }
            Destination::Contact => match self.contact_hop(&request) {
                Hop::Address(hop, _) => {
                    let target = Target::Address {
                        transport: hop.transport,
                        host: hop.host,
                        port: hop.port,
                    };
                    self.send_to(id, request, target, false, now);
                }
                Hop::Role(_) | Hop::Refuse(_) => self.fail(id),
            },
            Destination::Route { case } => {
                let next = self
                    .pop_own_routes(&mut request)
                    .filter(|_| !self.controlling.serves(request.uri()));
                match next {
                    // A dialog with a user of this server passes his service point, which has seen it begin.
                    Some(flow) if role == RoleKind::Participating || !self.participating.knows(&request) => {
                        self.send_on_flow(id, request, flow, now);
                        return;
                    }
                    Some(_) => {
                        self.send_to_role(role, id, request, RoleKind::Participating, next, case);
                        return;
                    }
                    None => {}
                }
                match self.hop(&request) {
                    Hop::Role(to) => {
                        self.fold_target(&mut request, to);
                        self.send_to_role(role, id, request, to, None, case);
                    }
                    Hop::Address(hop, trusted) => {
                        let target = Target::Address {
                            transport: hop.transport,
                            host: hop.host,
                            port: hop.port,
                        };
                        self.send_to(id, request, target, trusted, now);
                    }
                    Hop::Refuse(status) => {
                        match message::refusal(&request, status, None, &self.config.domain) {
                            Some(response) => self.bus.push_back((role, Input::Response { id, response })),
                            None => self.fail(id),
                        }
                    }
                }
            }
        }
    }

    fn send_to_role(
        &mut self,
        from: RoleKind,
        id: OutgoingId,
        request: Request,
        to: RoleKind,
        next: Option<FlowId>,
        case: SessionCase,
    ) {
        if self.exchanges.open() >= self.config.limits.max_pending_requests {
            self.fail(id);
            return;
        }
        // What a role of this server sends is as good as what comes from inside the trust domain.
        let Ok(originator) = identity::asserted_identity(&request, Trust::Trusted) else {
            self.fail(id);
            return;
        };
        let user = originator
            .identities
            .iter()
            .find_map(|uri| self.users.find(uri))
            .cloned();
        let mut origin = Origin::new(originator, user, None, Some(from), case);
        origin.next = next;
        let incoming = self
            .exchanges
            .take_in(Caller::Role(id), to, request.method().clone());
        self.exchanges.send_out(id, Callee::Role(incoming));
        self.bus.push_back((
            to,
            Input::Request {
                id: incoming,
                request,
                origin,
            },
        ));
    }

    fn send_on_flow(&mut self, id: OutgoingId, mut request: Request, flow: FlowId, now: Instant) {
        let Some(trusted) = self.flows.get(flow).map(|flow| flow.trusted) else {
            self.fail(id);
            return;
        };
        if message::takes_record_route(&request) {
            let recorded = self
                .own_route(flow)
                .is_some_and(|route| proxy::add_record_route(&mut request, &route).is_ok());
            if !recorded {
                self.fail(id);
                return;
            }
        }
        self.send_to(id, request, Target::Flow(flow), trusted, now);
    }

    fn send_to(&mut self, id: OutgoingId, mut request: Request, target: Target, trusted: bool, now: Instant) {
        //= https://www.rfc-editor.org/rfc/rfc3325#section-5
        //# If it
        //# does not trust the element, then the proxy MUST examine the Privacy
        //# header field (if present) to determine if the user requested that
        //# asserted identity information be kept private.
        identity::cross_boundary(
            &mut request,
            Trust::Trusted,
            if trusted { Trust::Trusted } else { Trust::Untrusted },
        );
        //= R-5.3.2.3.1-05
        if !trusted
            && identity::wants_anonymity(request.headers())
            && identity::anonymise(&mut request).is_err()
        {
            self.fail(id);
            return;
        }
        match self.sip.send(request, target, now) {
            Ok(transaction) => self.exchanges.send_out(id, Callee::Wire(transaction, trusted)),
            Err(_) => self.fail(id),
        }
    }

    /// Tells a role that its request could not be sent.
    fn fail(&mut self, id: OutgoingId) {
        self.bus.push_back((
            id.role,
            Input::Failed {
                id,
                reason: RequestFailure::TransportFailed,
            },
        ));
    }
}

fn is_invite_response(response: &Response) -> bool {
    matches!(response.headers().get::<sip_im::header::CSeq>(), Ok(Some(cseq)) if cseq.method == Method::Invite)
}

/// RFC 3325 7 for responses: what stays inside the trust domain is not told outside it, and who asked not to be named is not.
fn hide_identity(response: &mut Response) {
    identity::cross_boundary_response(response, Trust::Trusted, Trust::Untrusted);
    if identity::wants_anonymity(response.headers()) {
        response.headers_mut().remove(&HeaderName::P_ASSERTED_IDENTITY);
    }
}
