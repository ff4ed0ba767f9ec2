//! ACK, which has no response and no transaction of its own.

use std::time::Instant;

use sip_im::endpoint::{ClientTransaction, Target};
use sip_im::identity::{self, Trust};
use sip_im::{FlowId, Request};

use super::Node;
use super::exchanges::{AnsweredBy, Callee, dialog_key};
use super::routing::Hop;
use crate::signal::{Input, OutgoingId};

impl Node {
    /// An ACK from the wire goes to who gave the 2xx, and nowhere if nobody did.
    pub(super) fn take_ack(&mut self, request: Request, flow: FlowId, now: Instant) {
        let mut request = request;
        let trusted = self.flows.get(flow).is_some_and(|flow| flow.trusted);
        let from = if trusted { Trust::Trusted } else { Trust::Untrusted };
        identity::cross_boundary(&mut request, from, Trust::Trusted);
        match dialog_key(request.headers()).and_then(|dialog| self.exchanges.answered_by(&dialog)) {
            Some(AnsweredBy::Role(_, role)) => self.bus.push_back((role, Input::Ack { request })),
            Some(AnsweredBy::Wire(_)) => self.pass_on_ack(&request, Some(flow), now),
            None => {}
        }
    }

    pub(super) fn pass_on_ack(&mut self, request: &Request, from: Option<FlowId>, now: Instant) {
        let Ok(request) = sip_im::proxy::forward_request(request) else {
            return;
        };
        if let Some((request, target)) = self.ack_target(request, from) {
            // A lost ACK is asked for again by the next 2xx.
            let _ = self.sip.forward(request, target, now);
        }
    }

    /// A role acknowledges the 2xx to its INVITE, which another role may have passed on to it from the wire.
    pub(super) fn acknowledge(&mut self, id: OutgoingId, request: Request, now: Instant) {
        let answered_by =
            dialog_key(request.headers()).and_then(|dialog| self.exchanges.answered_by(&dialog));
        match (self.exchanges.callee(id), answered_by) {
            (_, Some(AnsweredBy::Role(_, role))) => self.bus.push_back((role, Input::Ack { request })),
            (_, Some(AnsweredBy::Wire(transaction))) | (Some(Callee::Wire(transaction, _)), None) => {
                self.acknowledge_on_wire(transaction, request, now);
            }
            (Some(Callee::Role(_)) | None, None) => {}
        }
    }

    fn acknowledge_on_wire(&mut self, transaction: ClientTransaction, request: Request, now: Instant) {
        if let Some((request, target)) = self.ack_target(request, None) {
            // As above.
            let _ = self.sip.acknowledge(transaction, request, target, now);
        }
    }

    fn ack_target(&self, mut request: Request, from: Option<FlowId>) -> Option<(Request, Target)> {
        // The route of a dialog names the flow of whoever opened it, and a flow is no way back to itself.
        let next = self
            .pop_own_routes(&mut request)
            .filter(|next| Some(*next) != from);
        let (target, trusted) = match next {
            Some(flow) => (Target::Flow(flow), self.flows.get(flow)?.trusted),
            None => match self.hop(&request) {
                Hop::Address(hop, trusted) => (
                    Target::Address {
                        transport: hop.transport,
                        host: hop.host,
                        port: hop.port,
                    },
                    trusted,
                ),
                Hop::Role(_) | Hop::Refuse(_) => return None,
            },
        };
        let to = if trusted { Trust::Trusted } else { Trust::Untrusted };
        identity::cross_boundary(&mut request, Trust::Trusted, to);
        Some((request, target))
    }
}
