//! The way to a target: which flow, and a stream instead of datagrams for what is large (RFC 3261 section 18.1.1).

use core::net::SocketAddr;

use super::LARGEST_DATAGRAM;
use crate::Method;
use crate::endpoint::error::SendError;
use crate::endpoint::event::Target;
use crate::endpoint::flows::{Authority, Limits, Place, Unreachable};
use crate::endpoint::{Endpoint, via};
use crate::flow::Transport;
use crate::message::Request;
use crate::resolve::{Destination, ResolveError};

impl Endpoint {
    /// Finds the way to a target, and the way to try if that one fails.
    pub(super) fn place(
        &mut self,
        request: &Request,
        target: Target,
    ) -> Result<(Place, Option<Authority>), SendError> {
        match target {
            Target::Flow(flow) => {
                let info = self.flow_info(flow).ok_or(SendError::UnknownFlow)?;
                let size = || via::size_with_via(request, &self.local_name(info.local, info.transport));
                if !info.transport.is_reliable() && size() > LARGEST_DATAGRAM {
                    return Err(SendError::TooLarge);
                }
                Ok((Place::Open(flow), None))
            }
            Target::Uri(_) => Err(SendError::NotResolved(ResolveError::NotFound)),
            Target::Destination(Destination {
                transport,
                host,
                port,
                domain,
            }) => self.place_at(request, (transport, host, port, domain)),
            Target::Address {
                transport,
                host,
                port,
            } => self.place_at(request, (transport, host, port, None)),
        }
    }

    fn place_at(
        &mut self,
        request: &Request,
        authority: Authority,
    ) -> Result<(Place, Option<Authority>), SendError> {
        let (transport, host, port, domain) = authority;
        let mut chosen = transport;
        let mut fallback = None;
        if transport == Transport::Udp {
            let size = via::size_with_via(request, &via::SentBy::longest(self.config.host_name.as_deref()));
            if size > self.config.max_datagram {
                chosen = Transport::Tcp;
                //= https://www.rfc-editor.org/rfc/rfc3428#section-8
                //# The size of MESSAGE requests outside of a media session MUST NOT
                //# exceed 1300 bytes, unless the UAC has positive knowledge that the
                //# message will not traverse a congestion-unsafe link at any hop,
                let may_fall_back = *request.method() != Method::Message && size <= LARGEST_DATAGRAM;
                fallback = may_fall_back.then(|| (transport, host.clone(), port, domain.clone()));
            }
        }
        let limits = self.limits();
        let place = self
            .flows
            .reach((chosen, host, port, domain), limits)
            .map_err(|error| match error {
                Unreachable::WaitingFull => SendError::WaitingFull,
                Unreachable::TooManyFlows => SendError::TooManyFlows,
            })?;
        Ok((place, fallback))
    }

    pub(in crate::endpoint) fn limits(&self) -> Limits {
        Limits {
            waiting: self.config.max_waiting,
            flows: self.config.max_flows,
        }
    }

    pub(in crate::endpoint) fn local_name(&self, local: SocketAddr, transport: Transport) -> via::SentBy {
        via::SentBy::new(self.config.host_name.as_deref(), local, transport)
    }
}
