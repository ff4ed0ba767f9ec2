//! The flows there are, and the names by which Record-Route refers to them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use sip_im::{Entropy, FlowId, Transport};

use crate::flow::{OpenId, Protocol};

/// A flow as a node knows it.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) protocol: Protocol,
    pub(super) transport: Transport,
    pub(super) local: SocketAddr,
    pub(super) trusted: bool,
    /// Names the flow in Record-Route. Unguessable, so that nobody is reached by making one up.
    pub(super) token: String,
}

/// For which child a flow is being opened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Opening {
    Sip(sip_im::endpoint::OpenId, bool),
    Msrp(msrp::endpoint::OpenId),
}

/// All flows.
#[derive(Debug, Default)]
pub(super) struct Flows {
    by_id: BTreeMap<FlowId, Flow>,
    tokens: BTreeMap<String, FlowId>,
    /// How many SIP flows have this near end.
    near_ends: BTreeMap<SocketAddr, usize>,
    opening: BTreeMap<u64, Opening>,
    last_open: u64,
}

impl Flows {
    pub(super) fn insert(
        &mut self,
        id: FlowId,
        protocol: Protocol,
        transport: Transport,
        local: SocketAddr,
        trusted: bool,
        entropy: &mut Entropy,
    ) {
        let mut octets = [0_u8; 12];
        entropy(&mut octets);
        let mut token = String::with_capacity(25);
        token.push('f');
        for octet in octets {
            let _ = write!(token, "{octet:02x}");
        }
        self.remove(id);
        if protocol == Protocol::Sip {
            let count = self.near_ends.entry(local).or_default();
            *count = count.saturating_add(1);
        }
        self.tokens.insert(token.clone(), id);
        self.by_id.insert(
            id,
            Flow {
                protocol,
                transport,
                local,
                trusted,
                token,
            },
        );
    }

    pub(super) fn remove(&mut self, id: FlowId) -> Option<Flow> {
        let flow = self.by_id.remove(&id)?;
        self.tokens.remove(&flow.token);
        if flow.protocol == Protocol::Sip
            && let Some(count) = self.near_ends.get_mut(&flow.local)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.near_ends.remove(&flow.local);
            }
        }
        Some(flow)
    }

    pub(super) fn get(&self, id: FlowId) -> Option<&Flow> {
        self.by_id.get(&id)
    }

    pub(super) fn by_token(&self, token: &str) -> Option<FlowId> {
        self.tokens.get(token).copied()
    }

    /// Whether an address is this end of a flow that is open.
    pub(super) fn is_near_end(&self, host: &str, port: u16) -> bool {
        let Ok(address) = host.parse::<IpAddr>() else {
            return false;
        };
        self.near_ends.contains_key(&SocketAddr::new(address, port))
    }

    pub(super) fn start_opening(&mut self, opening: Opening) -> OpenId {
        self.last_open = self.last_open.wrapping_add(1);
        self.opening.insert(self.last_open, opening);
        OpenId(self.last_open)
    }

    pub(super) fn opened(&mut self, open: OpenId) -> Option<Opening> {
        self.opening.remove(&open.0)
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn openings(&self) -> usize {
        self.opening.len()
    }
}
