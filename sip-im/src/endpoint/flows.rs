//! The flows of an endpoint: which are open, which are asked for, and what waits to be sent on each.
//!
//! Each flow has a queue of its own, and flows with something to send stand in one line, so that a peer that does not read keeps
//! nobody else waiting and an idle poll costs nothing.

use core::hash::BuildHasherDefault;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::event::{ClientTransaction, FlowInfo, OpenId, ServerTransaction, Transmit};
use super::via::{SentBy, Source};
use crate::codec::StreamDecoder;
use crate::flow::{FlowId, Transport};
use crate::message::Request;
use crate::resolve::LookupId;
use crate::transaction::NumberHasher;

/// An address that requests are sent to: transport, host in lower case, port, and whom the peer has to prove to be.
pub(super) type Authority = (Transport, String, u16, Option<String>);

/// Where something goes that has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The flow is open.
    Open(FlowId),
    /// The flow is asked for.
    Opening(OpenId),
    /// Where it is to lead is looked up.
    Resolving(LookupId),
}

/// What waits for a flow to open.
#[derive(Debug)]
pub(super) enum Waiting {
    /// The request of a transaction.
    Client(ClientTransaction),
    /// A request without a transaction, and whose 2xx it acknowledges.
    Request(Box<Request>, Option<(ClientTransaction, String)>),
    /// A response.
    Response(ServerTransaction, Bytes),
}

/// Why there is no way to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreachable {
    WaitingFull,
    TooManyFlows,
}

/// One flow.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) info: FlowInfo,
    /// How its requests came.
    pub(super) source: Source,
    /// What our Via says of it.
    pub(super) sent_by: Arc<SentBy>,
    /// On a stream.
    pub(super) decoder: Option<StreamDecoder>,
    /// When octets last came or went.
    pub(super) active: Instant,
    /// Server transactions that answer here.
    pub(super) servers: usize,
    /// The longest time between keep-alives, if any are sent.
    pub(super) keep_alive: Option<Duration>,
    authority: Option<Authority>,
    queue: VecDeque<Bytes>,
    queued_octets: usize,
    blocked: bool,
    closing: bool,
    in_line: bool,
}

#[derive(Debug)]
struct Opening {
    authority: Authority,
    waiting: Vec<Waiting>,
}

/// All flows of an endpoint.
#[derive(Debug, Default)]
pub(super) struct Flows {
    /// Never walked through, so that their order does not matter.
    open: HashMap<FlowId, Box<Flow>, BuildHasherDefault<NumberHasher>>,
    by_remote: BTreeMap<(Transport, SocketAddr), FlowId>,
    by_authority: BTreeMap<Authority, Place>,
    opening: BTreeMap<OpenId, Opening>,
    waiting: usize,
    next_open: u64,
    /// Opens, and closes of flows that hold nothing back.
    control: VecDeque<Transmit>,
    line: VecDeque<FlowId>,
    /// Messages queued on all flows.
    queued: usize,
}

impl Flows {
    pub(super) fn get(&self, id: FlowId) -> Option<&Flow> {
        self.open.get(&id).map(Box::as_ref).filter(|flow| !flow.closing)
    }

    pub(super) fn get_mut(&mut self, id: FlowId) -> Option<&mut Flow> {
        self.open
            .get_mut(&id)
            .map(Box::as_mut)
            .filter(|flow| !flow.closing)
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Flows that are open or asked for.
    pub(super) fn committed(&self) -> usize {
        self.open.len().saturating_add(self.opening.len())
    }

    pub(super) fn is_asked_for(&self, open: OpenId) -> bool {
        self.opening.contains_key(&open)
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether nothing is asked for and nothing is left to send.
    pub(super) fn is_quiet(&self) -> bool {
        self.control.is_empty() && self.opening.is_empty() && self.line.is_empty() && self.queued == 0
    }

    /// Adds a flow that the host has opened, and gives what waited for it.
    pub(super) fn insert(
        &mut self,
        id: FlowId,
        info: FlowInfo,
        sent_by: SentBy,
        decoder: Option<StreamDecoder>,
        open: Option<OpenId>,
        now: Instant,
    ) -> Vec<Waiting> {
        let opening = open.and_then(|open| self.opening.remove(&open));
        let (authority, waiting) = match opening {
            Some(Opening { authority, waiting }) => (Some(authority), waiting),
            None => (None, Vec::new()),
        };
        self.waiting = self.waiting.saturating_sub(waiting.len());
        if let Some(authority) = &authority {
            self.by_authority.insert(authority.clone(), Place::Open(id));
        }
        self.by_remote.insert((info.transport, info.remote), id);
        self.open.insert(
            id,
            Box::new(Flow {
                source: Source::new(info.remote),
                sent_by: Arc::new(sent_by),
                info,
                decoder,
                active: now,
                servers: 0,
                keep_alive: None,
                authority,
                queue: VecDeque::new(),
                queued_octets: 0,
                blocked: false,
                closing: false,
                in_line: false,
            }),
        );
        waiting
    }

    /// Closes a flow that was never added.
    pub(super) fn refuse(&mut self, id: FlowId) {
        self.control.push_back(Transmit::Close { flow: id });
    }

    /// Gives up an open, and gives what waited for it.
    pub(super) fn fail(&mut self, open: OpenId) -> Option<Vec<Waiting>> {
        let Opening { authority, waiting } = self.opening.remove(&open)?;
        self.waiting = self.waiting.saturating_sub(waiting.len());
        if self.by_authority.get(&authority) == Some(&Place::Opening(open)) {
            self.by_authority.remove(&authority);
        }
        Some(waiting)
    }

    /// Finds the flow to an address, or asks for one.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-18.1.1
    //# If a request is destined to an IP address, port, and transport to
    //# which an existing connection is open, it is RECOMMENDED that this
    //# connection be used to send the request, but another connection MAY be
    //# opened and used.
    pub(super) fn reach(&mut self, authority: Authority, limits: Limits) -> Result<Place, Unreachable> {
        let (transport, mut host, port, domain) = authority;
        host.make_ascii_lowercase();
        let authority = (transport, host.clone(), port, domain.clone());
        if let Some(place) = self.by_authority.get(&authority) {
            if matches!(place, Place::Opening(_)) && self.waiting >= limits.waiting {
                return Err(Unreachable::WaitingFull);
            }
            return Ok(*place);
        }
        // A connection whose peer has proved to be somebody else, or nobody, does not do for a domain.
        if domain.is_none()
            && let Ok(address) = host.parse::<IpAddr>()
            && let Some(flow) = self.by_remote.get(&(transport, SocketAddr::new(address, port)))
        {
            return Ok(Place::Open(*flow));
        }
        if self.waiting >= limits.waiting {
            return Err(Unreachable::WaitingFull);
        }
        if self.committed() >= limits.flows {
            return Err(Unreachable::TooManyFlows);
        }
        let open = OpenId(self.next_open);
        self.next_open = self.next_open.saturating_add(1);
        self.control.push_back(Transmit::Open {
            open,
            transport,
            host,
            port,
            domain,
        });
        self.by_authority.insert(authority.clone(), Place::Opening(open));
        self.opening.insert(
            open,
            Opening {
                authority,
                waiting: Vec::new(),
            },
        );
        Ok(Place::Opening(open))
    }

    /// Leaves something with an open that [`Self::reach`] has just given.
    pub(super) fn wait(&mut self, open: OpenId, what: Waiting) {
        if let Some(opening) = self.opening.get_mut(&open) {
            opening.waiting.push(what);
            self.waiting = self.waiting.saturating_add(1);
        }
    }

    /// Queues octets; says `false` when the flow has to be closed, since its peer does not read.
    pub(super) fn enqueue(&mut self, id: FlowId, data: Bytes, max_queued: usize, now: Instant) -> bool {
        let Some(flow) = self.get_mut(id) else { return true };
        let queued = flow.queued_octets.saturating_add(cost(&data));
        if queued > max_queued {
            return !flow.info.transport.is_reliable();
        }
        flow.queued_octets = queued;
        flow.active = now;
        flow.queue.push_back(data);
        let joins = !core::mem::replace(&mut flow.in_line, true);
        self.queued = self.queued.saturating_add(1);
        if joins {
            self.line.push_back(id);
        }
        true
    }

    pub(super) fn block(&mut self, id: FlowId) {
        if let Some(flow) = self.open.get_mut(&id) {
            flow.blocked = true;
        }
    }

    pub(super) fn unblock(&mut self, id: FlowId) {
        if let Some(flow) = self.open.get_mut(&id) {
            flow.blocked = false;
            self.line_up(id);
        }
    }

    /// Closes a flow once its queue is sent; says whether it was open.
    pub(super) fn close(&mut self, id: FlowId) -> bool {
        let Some(flow) = self.get_mut(id) else {
            return false;
        };
        flow.closing = true;
        flow.decoder = None;
        self.forget_names(id);
        self.line_up(id);
        true
    }

    /// Drops what a flow that is being closed still has to send.
    pub(super) fn abandon(&mut self, id: FlowId) {
        if let Some(flow) = self.open.get_mut(&id) {
            self.queued = self.queued.saturating_sub(flow.queue.len());
            flow.queue.clear();
            flow.queued_octets = 0;
            self.line_up(id);
        }
    }

    /// Removes a flow that the host has closed; says whether anybody had to be told.
    pub(super) fn remove(&mut self, id: FlowId) -> bool {
        self.forget_names(id);
        let Some(flow) = self.open.remove(&id) else {
            return false;
        };
        self.queued = self.queued.saturating_sub(flow.queue.len());
        !flow.closing
    }

    pub(super) fn poll(&mut self) -> Option<Transmit> {
        if let Some(control) = self.control.pop_front() {
            return Some(control);
        }
        while let Some(id) = self.line.pop_front() {
            let Some(flow) = self.open.get_mut(&id) else {
                continue;
            };
            flow.in_line = false;
            if flow.queue.is_empty() {
                if flow.closing {
                    self.open.remove(&id);
                    return Some(Transmit::Close { flow: id });
                }
                continue;
            }
            if flow.blocked {
                continue;
            }
            let Some(data) = flow.queue.pop_front() else {
                continue;
            };
            flow.queued_octets = flow.queued_octets.saturating_sub(cost(&data));
            flow.in_line = !flow.queue.is_empty() || flow.closing;
            if flow.in_line {
                self.line.push_back(id);
            }
            self.queued = self.queued.saturating_sub(1);
            return Some(Transmit::Send { flow: id, data });
        }
        None
    }

    fn line_up(&mut self, id: FlowId) {
        let Some(flow) = self.open.get_mut(&id) else {
            return;
        };
        if !flow.in_line && (!flow.queue.is_empty() || flow.closing) {
            flow.in_line = true;
            self.line.push_back(id);
        }
    }

    /// Makes sure that nobody finds the flow any more.
    fn forget_names(&mut self, id: FlowId) {
        let Some(flow) = self.open.get_mut(&id) else {
            return;
        };
        let remote = (flow.info.transport, flow.info.remote);
        if self.by_remote.get(&remote) == Some(&id) {
            self.by_remote.remove(&remote);
        }
        if let Some(authority) = flow.authority.take()
            && self.by_authority.get(&authority) == Some(&Place::Open(id))
        {
            self.by_authority.remove(&authority);
        }
    }
}

/// What a queued message is charged: its octets and its place in the queue, so that tiny ones aren't free.
fn cost(data: &Bytes) -> usize {
    data.len().saturating_add(64)
}

/// The bounds that opening a flow has to respect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) waiting: usize,
    pub(super) flows: usize,
}
