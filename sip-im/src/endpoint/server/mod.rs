//! Server transactions: requests that came in, until no repetition of them can come any more (RFC 3261 sections 9.2, 17.2, 18.2).

mod answer;

use core::net::IpAddr;
use core::time::Duration;
use std::time::Instant;

use bytes::Bytes;

use super::event::{Event, ServerTransaction};
use super::schedule::{Key, ServerTimer};
use super::via::ServerKey;
use super::{Endpoint, SHORTEST, via};
use crate::Method;
use crate::StatusCode;
use crate::flow::{FlowId, Transport};
use crate::header::HeaderName;
use crate::message::Request;
use crate::transaction::{
    Action, DialogKey, InviteServer, InviteServerInput, Legacy, MergeKey, NonInviteServer,
    NonInviteServerInput,
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
    /// Of the 2xx that an ACK is awaited for.
    dialog: Option<DialogKey>,
}

/// A server transaction.
#[derive(Debug)]
pub(super) struct Server {
    state: State,
    progress: Progress,
    reliable: bool,
    /// Whether responses go over the flow that the request came in on.
    direct: bool,
    flow: FlowId,
    /// Where else responses go.
    address: Address,
    interval: Duration,
    octets: Octets,
    /// Of an INVITE.
    call: Option<Box<Call>>,
    /// Of the request of an RFC 2543 client.
    legacy: Option<Box<LegacyKeys>>,
    merge: Option<Box<MergeKey>>,
}

/// What may have to be sent.
#[derive(Debug)]
enum Octets {
    /// Nothing any more.
    None,
    /// A 100 (Trying), to be made from the request; with it the buffer that it came in is kept alive.
    Request(Bytes),
    /// The latest response.
    Response(Bytes),
}

/// The keys of a transaction with an RFC 2543 client.
#[derive(Debug)]
struct LegacyKeys {
    request: Legacy,
    /// Of its ACK.
    ack: Option<Legacy>,
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

    fn latest(&self) -> Option<&Bytes> {
        match &self.octets {
            Octets::Response(latest) => Some(latest),
            Octets::None | Octets::Request(_) => None,
        }
    }
}

impl Call {
    fn of(facts: &via::Facts<'_>) -> Self {
        Self {
            id: facts.call_id.to_owned(),
            sequence: facts.sequence,
            from_tag: facts.from_tag.map(str::to_owned),
            to_tag: None,
            dialog: None,
        }
    }
}

#[derive(Clone, Debug)]
struct Address {
    transport: Transport,
    host: IpAddr,
    port: u16,
    /// Where the request came from, if not from that port.
    source_port: u16,
}

impl Endpoint {
    pub(super) fn request(&mut self, flow: FlowId, request: Request, now: Instant) {
        let Some(entry) = self.flows.get(flow) else { return };
        let (trusted, of_flow) = (entry.info.trusted, entry.servers);
        let mut request = request;
        let octets = request.to_bytes();
        let hop = match via::Hop::receive(&mut request, &entry.source, &self.servers) {
            Ok(hop) => hop,
            Err(fault) => {
                self.refuse(flow, &request, fault, &[], now);
                return;
            }
        };
        if *request.method() == Method::Ack {
            self.ack(flow, request, &hop.key, now);
            return;
        }
        if let Some(id) = self.find_server(&hop.key) {
            self.repeated(id, flow, now);
            return;
        }
        let greedy = !trusted && of_flow >= self.config.max_flow_transactions;
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
        let merge = if self.config.refuse_merged {
            let facts = via::Facts::of(&request).ok();
            facts.and_then(|facts| facts.merge_key(request.method()))
        } else {
            None
        };
        if merge
            .as_ref()
            .is_some_and(|merge| self.merging.contains_key(merge))
        {
            self.refuse(flow, &request, StatusCode::LOOP_DETECTED, &[], now);
            return;
        }
        // The parser has seen to what could be amiss here.
        let call = match request.method() {
            Method::Invite => via::Facts::of(&request).map(|facts| Some(Box::new(Call::of(&facts)))),
            _ => Ok(None),
        };
        let invite = match request.method() {
            Method::Cancel => hop.key.cancelled(&request, &self.servers).map(Some),
            _ => Ok(None),
        };
        let (call, invite) = match (call, invite) {
            (Ok(call), Ok(invite)) => (call, invite),
            (Err(fault), _) | (_, Err(fault)) => {
                self.refuse(flow, &request, fault, &[], now);
                return;
            }
        };
        let Some(id) = self.admit(flow, hop, call, octets, now) else {
            return;
        };
        if let Some(merge) = merge {
            if let Some(server) = self.servers.get_mut(id.0) {
                server.merge = Some(Box::new(merge.clone()));
            }
            self.merging.insert(merge, id);
        }
        match invite {
            Some(invite) => self.cancel_received(id, &invite, &request, now),
            None => self.emit(Event::RequestReceived {
                transaction: id,
                request,
                flow,
                trusted,
            }),
        }
    }

    fn find_server(&self, key: &ServerKey) -> Option<ServerTransaction> {
        match key {
            ServerKey::Branch(key) => self.servers.find(key).map(ServerTransaction),
            ServerKey::Legacy(key) => self.legacy.get(key.as_ref()).copied(),
        }
    }

    fn admit(
        &mut self,
        flow: FlowId,
        hop: via::Hop,
        call: Option<Box<Call>>,
        octets: Bytes,
        now: Instant,
    ) -> Option<ServerTransaction> {
        let entry = self.flows.get_mut(flow)?;
        let info = &entry.info;
        let is_invite = call.is_some();
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
        let port = hop.port.unwrap_or_else(|| info.transport.default_port());
        let direct = reliable || hop.symmetric || port == info.remote.port();
        let (key, legacy) = match hop.key {
            ServerKey::Branch(key) => (Some(key), None),
            ServerKey::Legacy(key) => (None, Some(*key)),
        };
        let server = Server {
            state: if is_invite {
                State::Invite(InviteServer::Proceeding)
            } else {
                State::Other(NonInviteServer::Trying)
            },
            progress: Progress::Plain,
            reliable,
            direct,
            flow,
            address: Address {
                transport: info.transport,
                host: info.remote.ip(),
                port,
                source_port: info.remote.port(),
            },
            interval: self.config.timers.t1.max(SHORTEST),
            octets: Octets::Request(octets),
            call,
            legacy: legacy
                .clone()
                .map(|request| Box::new(LegacyKeys { request, ack: None })),
            merge: None,
        };
        let id = ServerTransaction(self.servers.insert(key, server)?);
        entry.servers = entry.servers.saturating_add(1);
        if let Some(legacy) = legacy {
            self.legacy.insert(legacy, id);
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
        Some(id)
    }

    /// Takes a repetition of a request.
    fn repeated(&mut self, id: ServerTransaction, flow: FlowId, now: Instant) {
        let Some(server) = self.servers.get(id.0) else {
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
        if sends && let Some(latest) = self.servers.get(id.0).and_then(|server| server.latest().cloned()) {
            self.deliver(id, latest, now);
        }
    }

    /// Takes an ACK.
    fn ack(&mut self, flow: FlowId, request: Request, key: &ServerKey, now: Instant) {
        let found = match key {
            ServerKey::Branch(_) => self.find_server(key),
            ServerKey::Legacy(legacy) => self
                .find_server(key)
                .or_else(|| self.legacy.get(&legacy.of(Method::Ack)).copied()),
        };
        if let Some(id) = found
            && let Some(server) = self.servers.get_mut(id.0)
            && let State::Invite(state) = server.state
        {
            let Some((next, actions)) = state.arrow(InviteServerInput::Ack) else {
                return;
            };
            server.state = State::Invite(next);
            if state == InviteServer::Completed {
                server.octets = Octets::None;
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
        let Ok(facts) = via::Facts::of(&request) else {
            return;
        };
        if facts.to_tag == Some(self.stateless_tag.as_str()) {
            return;
        }
        let transaction = self.dialogs.get(&facts.dialog_key()).copied();
        if let Some(id) = transaction
            && let Some(server) = self.servers.get_mut(id.0)
        {
            if server.progress == Progress::Acknowledged {
                return;
            }
            server.progress = Progress::Acknowledged;
            server.octets = Octets::None;
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
        now: Instant,
    ) {
        let facts = via::Facts::of(request).ok();
        let target = self
            .find_server(invite)
            .and_then(|id| self.servers.get_mut(id.0).map(|server| (id, server)));
        let target = target.filter(|(_, server)| {
            let (call, facts) = (server.call.as_ref(), facts.as_ref());
            call.zip(facts)
                .is_some_and(|(call, facts)| call.id == facts.call_id && call.sequence == facts.sequence)
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
        let Some(server) = self.servers.remove(id.0) else {
            return;
        };
        self.sessions.forget_server(id);
        if let Some(legacy) = &server.legacy {
            self.legacy.remove(&legacy.request);
            if let Some(ack) = &legacy.ack {
                self.legacy.remove(ack);
            }
        }
        if let Some(merge) = &server.merge {
            self.merging.remove(merge);
        }
        if let Some(dialog) = server.call.as_ref().and_then(|call| call.dialog.as_ref())
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
