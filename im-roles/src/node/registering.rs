//! REGISTER, and where users can be reached.

use std::time::Instant;

use sip_im::endpoint::ServerTransaction;
use sip_im::header::To;
use sip_im::registration::{Binding, RegistrarEvent};
use sip_im::{FlowId, Identity, Request, StatusCode};

use super::{Event, Node};
use crate::message;
use crate::signal::{Input, Location, RoleKind};

impl Node {
    /// Takes a REGISTER of an authenticated user, or one that a trusted peer vouches for.
    pub(super) fn take_register(
        &mut self,
        transaction: ServerTransaction,
        request: &Request,
        flow: FlowId,
        user: Option<Identity>,
        now: Instant,
    ) {
        // The registrar answers for its own domain only.
        if !self.is_own_domain(request.uri()) {
            self.turn_away(transaction, request, flow, user, StatusCode::NOT_FOUND, None, now);
            return;
        }
        let registered = user.or_else(|| {
            let to = request.headers().get::<To>().ok().flatten()?;
            self.users.find(to.uri()).cloned()
        });
        let Some(user) = registered else {
            self.turn_away(transaction, request, flow, None, StatusCode::NOT_FOUND, None, now);
            return;
        };
        let outcome = self.registrar.register_as(request, user.clone(), flow, now);
        let tag = self.sip.mint_tag();
        let mut response = outcome.response(request, &tag).ok();
        if let Some(response) = &mut response
            && outcome.status.is_success()
        {
            let _ = response
                .headers_mut()
                .push_typed(&message::date(self.clock.unix(now)));
        }
        self.answer(transaction, response, now);
        if !outcome.status.is_success() {
            return;
        }
        if outcome.gone {
            self.events.push_back(Event::Unregistered { user });
        } else if !outcome.contacts.is_empty() {
            self.events.push_back(Event::Registered { user: user.clone() });
            // Also when the contact was there before: what could not be delivered to it may get through now.
            self.bus
                .push_back((RoleKind::Deferred, Input::UserAvailable { user }));
        }
    }

    pub(super) fn locate(&self, user: &Identity, now: Instant) -> Vec<Location> {
        if self.users.get(user).is_none() {
            return Vec::new();
        }
        self.registrar
            .bindings(user, now)
            .into_iter()
            .map(|binding| {
                let flow = binding.flow.filter(|flow| self.is_way_to(*flow, &binding));
                let path = binding.path.iter().map(|proxy| proxy.uri.clone()).collect();
                Location::new(binding.uri().clone(), flow, path)
            })
            .collect()
    }

    /// Whether requests for a contact go over the flow that it was registered on: it is registered as a flow (RFC 5626),
    /// it names the far end of that flow, or it names a host that the REGISTER does not come from, so that the client is
    /// behind a translator of addresses. A contact elsewhere on the host that it comes from is reached by its address.
    fn is_way_to(&self, flow: FlowId, binding: &Binding) -> bool {
        if self.flows.get(flow).is_none() {
            return false;
        }
        let Some(info) = self.sip.flow_info(flow) else {
            return false;
        };
        let contact = binding.uri();
        let host = contact
            .host()
            .map(|host| host.trim_start_matches('[').trim_end_matches(']'));
        let is_there = host.and_then(|host| host.parse::<std::net::IpAddr>().ok()) == Some(info.remote.ip());
        binding.reg_id().is_some() || !is_there || contact.port() == Some(info.remote.port())
    }

    pub(super) fn registrations_lost(&mut self, flow: FlowId) {
        self.registrar.flow_closed(flow);
        self.report_registrar();
    }

    pub(super) fn expire_registrations(&mut self, now: Instant) {
        self.registrar.handle_timeout(now);
        self.report_registrar();
    }

    fn report_registrar(&mut self) {
        while let Some(event) = self.registrar.poll_event() {
            if let RegistrarEvent::Expired { aor, gone: true } = event {
                self.events.push_back(Event::Unregistered { user: aor });
            }
        }
    }
}
