//! Server transactions: requests that came in, until no repetition of them can come any more (RFC 3261 sections 9.2, 17.2, 18.2).

mod answer;

use core::net::IpAddr;
use core::time::Duration;
use std::time::Instant;

use bytes::Bytes;

use super::event::{Event, ServerTransaction};
use super::schedule::{Key, ServerTimer};
use super::{Endpoint, SHORTEST, via};
use crate::Method;
use crate::StatusCode;
use crate::flow::{FlowId, Transport};
use crate::header::HeaderName;
use crate::message::Request;
use crate::transaction::{
    Action, DialogKey, InviteServer, InviteServerInput, MergeKey, NonInviteServer, NonInviteServerInput,
    ServerKey,
};

#[derive(Clone, Copy, Debug)]
enum State {
    Invite(InviteServer),
    Other(NonInviteServer),
}

/// What an INVITE has met with beside its responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Plain,
    /// A CANCEL has come.
    Cancelled,
    /// The ACK for our 2xx has come.
    Acknowledged,
}

/// By what the CANCEL and the ACK of an INVITE are known.
#[derive(Debug)]
struct Call {
    id: String,
    sequence: u32,
    from_tag: Option<String>,
    /// Of the latest response that had one.
    to_tag: Option<String>,
}

/// A server transaction.
#[derive(Debug)]
pub(super) struct Server {
    state: State,
    key: ServerKey,
    /// The key of its ACK, where that is another.
    ack_key: Option<ServerKey>,
    dialog: Option<DialogKey>,
    merge: Option<Box<MergeKey>>,
    /// Without body, until a response is sent.
    request: Option<Box<Request>>,
    /// Of an INVITE.
    call: Option<Box<Call>>,
    flow: FlowId,
    /// Whether responses go over the flow that the request came in on.
    direct: bool,
    /// Where else responses go.
    address: Address,
    reliable: bool,
    latest: Option<Bytes>,
    interval: Duration,
    progress: Progress,
}

impl Server {
    /// Whether a CANCEL has come for it.
    pub(super) fn is_cancelled(&self) -> bool {
        self.progress == Progress::Cancelled
    }

    /// The stream that the request came in on.
    pub(super) fn stream_flow(&self) -> Option<FlowId> {
        self.reliable.then_some(self.flow)
    }
}

#[derive(Clone, Debug)]
struct Address {
    transport: Transport,
    host: IpAddr,
    port: u16,
}

impl Endpoint {
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
        let of_flow = self.flows.get(flow).map_or(0, |entry| entry.servers);
        let greedy = !info.trusted && of_flow >= self.config.max_flow_transactions;
        if greedy || self.servers.len() >= self.config.max_server_transactions {
            let seconds = self.config.retry_after.as_secs().to_string();
            let extra = [(HeaderName::RETRY_AFTER, seconds)];
            self.refuse(flow, &request, StatusCode::SERVICE_UNAVAILABLE, &extra, now);
            return;
        }
        //= https://www.rfc-editor.org/rfc/rfc3261#section-8.2.2.2
        //# If the From tag,
        //# Call-ID, and CSeq exactly match those associated with an ongoing
        //# transaction, but the request does not match that transaction (based
        //# on the matching rules in Section 17.2.3), the UAS core SHOULD
        //# generate a 482 (Loop Detected) response and pass it to the server
        //# transaction.
        let merge = facts
            .merge_key(request.method())
            .filter(|_| self.config.refuse_merged);
        if merge
            .as_ref()
            .is_some_and(|merge| self.merging.contains_key(merge))
        {
            self.refuse(flow, &request, StatusCode::LOOP_DETECTED, &[], now);
            return;
        }
        let invite =
            (*request.method() == Method::Cancel).then(|| facts.key(&request, Some(&Method::Invite)));
        let id = self.admit(flow, &info, key, &request, &facts, now);
        if let Some(merge) = merge {
            if let Some(server) = self.servers.get_mut(&id) {
                server.merge = Some(Box::new(merge.clone()));
            }
            self.merging.insert(merge, id);
        }
        match invite {
            Some(invite) => self.cancel_received(id, &invite, &request, &facts, now),
            None => self.emit(Event::RequestReceived {
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
        //= https://www.rfc-editor.org/rfc/rfc3261#section-18.2.2
        //= type=exception
        //= reason=no multicast is served, and a request must not direct its response at a third party
        //# Otherwise, if the Via header field value contains a "maddr"
        //# parameter, the response MUST be forwarded to the address listed
        //# there, using the port indicated in "sent-by", or port 5060 if
        //# none is present.
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
                merge: None,
                request: Some(Box::new(head)),
                call: is_invite.then(|| {
                    Box::new(Call {
                        id: facts.call_id.as_str().to_owned(),
                        sequence: facts.sequence,
                        from_tag: facts.from_tag.as_deref().map(str::to_owned),
                        to_tag: None,
                    })
                }),
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
                progress: Progress::Plain,
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
            if server.progress == Progress::Acknowledged {
                return;
            }
            server.progress = Progress::Acknowledged;
            server.latest = None;
            self.schedule.disarm(Key::Server(id, ServerTimer::Repeat));
            self.schedule.disarm(Key::Server(id, ServerTimer::Acknowledge));
        }
        self.emit(Event::AckReceived {
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
        let target = target.filter(|(_, server)| {
            server
                .call
                .as_ref()
                .is_some_and(|call| call.id == facts.call_id.as_str() && call.sequence == facts.sequence)
        });
        let (status, tag, cancelled) = match target {
            None => (StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST, None, None),
            Some((invite, server)) => {
                let waits = matches!(server.state, State::Invite(InviteServer::Proceeding));
                let open = waits && server.progress == Progress::Plain;
                if open {
                    server.progress = Progress::Cancelled;
                }
                (
                    StatusCode::OK,
                    server.call.as_ref().and_then(|call| call.to_tag.clone()),
                    open.then_some(invite),
                )
            }
        };
        let tag = tag.unwrap_or_else(|| self.mint_tag());
        if let Ok(response) = request.response(status).to_tag(&tag).build() {
            // Its own transaction was made a moment ago and has no response yet, so this can't be refused.
            let _ = self.respond(id, response, now);
        }
        if let Some(transaction) = cancelled {
            self.emit(Event::CancelReceived { transaction });
        }
    }

    fn forget_server(&mut self, id: ServerTransaction) {
        self.schedule.disarm_server(id);
        let Some(server) = self.servers.remove(&id) else {
            return;
        };
        self.sessions.forget_server(id);
        self.server_keys.remove(&server.key);
        if let Some(key) = &server.ack_key {
            self.server_keys.remove(key);
        }
        if let Some(merge) = &server.merge {
            self.merging.remove(merge);
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
