//! Where a request goes next.

use sip_im::header::Route;
use sip_im::proxy;
use sip_im::{FlowId, Request, Scheme, StatusCode, Transport, Uri};

use super::Node;
use crate::config::NextHop;
use crate::message;
use crate::presence::Presence;
use crate::signal::RoleKind;

/// The next hop of a request.
#[derive(Debug)]
pub(super) enum Hop {
    /// A role of this server.
    Role(RoleKind),
    /// An address, and whether the server there is trusted.
    Address(NextHop, bool),
    /// Nowhere.
    Refuse(StatusCode),
}

impl Node {
    /// Takes this server's own entries off the Route, and gives the open flow that the last of them names.
    pub(super) fn pop_own_routes(&self, request: &mut Request) -> Option<FlowId> {
        let mut flow = None;
        // A malformed Route leads nowhere; what follows sees it unchanged.
        while let Ok(Some(own)) = proxy::take_own_route(request, |uri| self.is_own_route(uri)) {
            flow = own.user().and_then(|token| self.flows.by_token(token));
        }
        flow
    }

    pub(super) fn is_own_route(&self, uri: &Uri) -> bool {
        if uri.user().is_some_and(|user| self.flows.by_token(user).is_some()) {
            return true;
        }
        let Some(host) = uri.host() else { return false };
        if host.eq_ignore_ascii_case(&self.config.domain) {
            return true;
        }
        let port = uri.port().unwrap_or(5060);
        self.config
            .addresses
            .iter()
            .any(|own| own.host.eq_ignore_ascii_case(bare(host)) && own.port == port)
            || self.flows.is_near_end(bare(host), port)
    }

    /// The Record-Route entry that leads back to a flow.
    pub(super) fn own_route(&self, id: FlowId) -> Option<Uri> {
        let flow = self.flows.get(id)?;
        let own = self
            .config
            .addresses
            .iter()
            .find(|own| own.transport == flow.transport);
        let (host, port) = own.map_or_else(
            || (flow.local.ip().to_string(), flow.local.port()),
            |own| (own.host.clone(), own.port),
        );
        let host = if host.contains(':') && !host.starts_with('[') {
            format!("[{host}]")
        } else {
            host
        };
        let transport = match flow.transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
            _ => ";transport=ws",
        };
        Uri::parse(&format!("sip:{}@{host}:{port}{transport};lr", flow.token)).ok()
    }

    /// Where a request leads by its Route and Request-URI, once this server's own Route is off.
    pub(super) fn hop(&self, request: &Request) -> Hop {
        let uri = request.uri();
        if self.controlling.serves(uri) {
            return Hop::Role(RoleKind::Controlling);
        }
        if let Some(Ok(route)) = request.headers().all::<Route>().next() {
            return self.address_of(route.uri());
        }
        if uri.identity() == self.config.deferred.identity() {
            return Hop::Role(RoleKind::Deferred);
        }
        if uri.identity() == self.config.history.identity() {
            return Hop::Refuse(StatusCode::NOT_IMPLEMENTED);
        }
        if self.config.presence && uri.identity() == self.config.presence_function.identity() {
            return Hop::Role(RoleKind::Presence);
        }
        if self.users.find(uri).is_some() {
            let begins = message::to_tag(request).is_none();
            return Hop::Role(if self.config.presence && begins && Presence::takes(request) {
                RoleKind::Presence
            } else {
                RoleKind::Participating
            });
        }
        if self.is_own_domain(uri) {
            // It may be a group that a stored document defines.
            return if uri.user().is_some() {
                Hop::Role(RoleKind::Controlling)
            } else {
                Hop::Refuse(StatusCode::NOT_FOUND)
            };
        }
        if message::to_tag(request).is_some() && is_address(uri) {
            return self.address_of(uri);
        }
        //= https://www.rfc-editor.org/rfc/rfc3261#section-16.3
        //# If the Request-URI has a URI whose scheme is not understood by the
        //# proxy, the proxy SHOULD reject the request with a 416 (Unsupported
        //# URI Scheme) response.
        if matches!(uri.scheme(), Scheme::Cid | Scheme::Urn | Scheme::Other) {
            return Hop::Refuse(StatusCode::UNSUPPORTED_URI_SCHEME);
        }
        let Some(domain) = uri.identity().domain().map(str::to_owned) else {
            return Hop::Refuse(StatusCode::NOT_FOUND);
        };
        if let Some(route) = self
            .config
            .routes
            .iter()
            .find(|route| route.domain.eq_ignore_ascii_case(&domain))
        {
            return Hop::Address(route.next_hop.clone(), route.trusted);
        }
        match &self.config.outbound {
            Some(next_hop) => Hop::Address(
                next_hop.clone(),
                self.trusts_address(&next_hop.host, next_hop.port),
            ),
            None => Hop::Refuse(StatusCode::NOT_FOUND),
        }
    }

    pub(super) fn is_own_domain(&self, uri: &Uri) -> bool {
        uri.host()
            .is_some_and(|host| host.eq_ignore_ascii_case(&self.config.domain))
    }

    /// Puts the user's main address in the place of an alias, so that all his addresses lead to the same rules and mailbox.
    pub(super) fn fold_target(&self, request: &mut Request, role: RoleKind) {
        if !matches!(role, RoleKind::Participating | RoleKind::Presence) || message::to_tag(request).is_some()
        {
            return;
        }
        let found = self
            .users
            .find(request.uri())
            .and_then(|identity| self.users.get(identity));
        if let Some(user) = found
            && user.uri.identity() != request.uri().identity()
        {
            let main = user.uri.clone();
            request.set_uri(main);
        }
    }

    pub(super) fn trusts_address(&self, host: &str, port: u16) -> bool {
        self.config.routes.iter().any(|route| {
            route.trusted && route.next_hop.host.eq_ignore_ascii_case(host) && route.next_hop.port == port
        })
    }

    /// Where a registered contact is, whose flow is gone.
    pub(super) fn contact_hop(&self, request: &Request) -> Hop {
        match request.headers().all::<Route>().next() {
            Some(Ok(route)) => self.address_of(route.uri()),
            _ => self.address_of(request.uri()),
        }
    }

    fn address_of(&self, uri: &Uri) -> Hop {
        let Some(host) = uri.host() else {
            return Hop::Refuse(StatusCode::NOT_FOUND);
        };
        let transport = match uri.parameter("transport").flatten() {
            Some(name) if name.eq_ignore_ascii_case("tcp") => Transport::Tcp,
            Some(name) if name.eq_ignore_ascii_case("tls") => Transport::Tls,
            _ => Transport::Udp,
        };
        let port = uri
            .port()
            .unwrap_or(if transport == Transport::Tls { 5061 } else { 5060 });
        let host = bare(host).to_owned();
        let trusted = self.trusts_address(&host, port);
        Hop::Address(NextHop::new(transport, host, port), trusted)
    }
}

/// Whether the host is an address rather than a name.
fn is_address(uri: &Uri) -> bool {
    uri.host()
        .is_some_and(|host| bare(host).parse::<std::net::IpAddr>().is_ok())
}

/// A host without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}
