//! Where a request goes, and whether it may.

use std::time::Instant;

use super::answer::uris;
use super::token::{Holder, TokenKey};
use super::{Hop, LinkKey, Peer, Relay};
use crate::{Method, StatusCode, Uri, UriRef};

/// Where a request goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Route {
    pub(super) out: LinkKey,
    /// How many of the first URIs in its `To-Path` are this relay's.
    pub(super) moved: usize,
}

/// Why a request does not go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// It is not addressed to this relay.
    NotAddressed,
    /// It is addressed to this relay and nobody behind it.
    Ends,
    /// The status to answer with.
    Status(StatusCode),
}

impl Relay {
    /// Decides where a request goes that has come on a connection.
    //= https://www.rfc-editor.org/rfc/rfc4976#section-6.4
    //# Before any request is forwarded, the relay MUST check that the first
    //# URI in the To-Path header corresponds to a URI that this relay has
    //# created and handed out in the Use-Path header of an AUTH request.
    //# Next it verifies that either 1) the next hop is the next hop back
    //# toward the client that obtained this URI, or 2) the previous hop was
    //# the correct previous hop coming from the client that obtained this
    //# URI.
    pub(super) fn route(
        &mut self,
        from: LinkKey,
        to: &str,
        sender: &str,
        method: &Method,
        now: Instant,
    ) -> Result<Route, Refusal> {
        let secure = self.links.get(&from).is_some_and(|link| link.nature.secure);
        let mut hops = uris(to);
        let mut moved = 0_usize;
        let mut first = hops.next().ok_or(Refusal::NotAddressed)?;
        loop {
            let Some((key, token)) = self.tokens.find(first).filter(|(_, token)| token.expires > now) else {
                return Err(self.not_found(first, moved));
            };
            //= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
            //# Connections using the "msrps" scheme MUST use TLS.
            if token.uri.is_secure() && !secure {
                return Err(Refusal::Status(StatusCode::FORBIDDEN));
            }
            moved = moved.saturating_add(1);
            let Some(next) = hops.next() else {
                return Err(Refusal::Ends);
            };
            let holder = self.link_of(&token.holder);
            let from_client = self.is_from(&token.holder, from);
            // Clients behind address translators have the same private addresses: what a client sends goes back to it
            // only if it is its own URI that it names.
            if !from_client && token.leads_to(next) || token.client.as_str() == next {
                let out = holder.ok_or(Refusal::Status(StatusCode::NO_SESSION))?;
                if !from_client {
                    self.learn(key, sender, from);
                }
                return Ok(Route { out, moved });
            }
            if !from_client {
                return Err(Refusal::Status(StatusCode::FORBIDDEN));
            }
            if self.tokens.find(next).is_some() {
                // Both ends of the session are this relay's clients: it is its own next hop.
                first = next;
                continue;
            }
            let known = token.route(next).filter(|link| self.is_there(*link));
            let out = match known {
                Some(out) => out,
                None => self.hop(key, next, method, now)?,
            };
            return Ok(Route { out, moved });
        }
    }

    fn not_found(&self, first: &str, moved: usize) -> Refusal {
        let Ok(uri) = UriRef::parse(first) else {
            return Refusal::Status(StatusCode::BAD_REQUEST);
        };
        //= https://www.rfc-editor.org/rfc/rfc4976#section-6.3
        //# If a relay is requested to forward
        //# a message for which the URI is not valid, the relay MUST discard the
        //# message and MAY send a REPORT indicating that the AUTH URI was bad.
        if moved > 0 || self.config.is_own_name(uri.host()) {
            Refusal::Status(StatusCode::NO_SESSION)
        } else {
            Refusal::NotAddressed
        }
    }

    /// Finds or asks for the connection to the next hop of a client's request.
    fn hop(&mut self, key: TokenKey, next: &str, method: &Method, now: Instant) -> Result<LinkKey, Refusal> {
        let uri = UriRef::parse(next).map_err(|_| Refusal::Status(StatusCode::BAD_REQUEST))?;
        //= https://www.rfc-editor.org/rfc/rfc4976#section-8
        //# (The only message in this specification that can have an MSRP URI
        //# without an explicit port number is in the To-Path header in an AUTH
        //# request.)
        if uri.port().is_none() && *method != Method::Auth {
            return Err(Refusal::Status(StatusCode::BAD_REQUEST));
        }
        let hop = Hop {
            secure: uri.is_secure(),
            host: uri.host().to_ascii_lowercase(),
            port: uri.port().unwrap_or(DEFAULT_PORT),
        };
        if self.config.is_own_address(&hop.host, hop.port) {
            // It was handed out once, or never: nobody is there.
            return Err(Refusal::Status(StatusCode::NO_SESSION));
        }
        let out = self.existing(&hop);
        let out = match out {
            Some(out) => out,
            // Nobody can be connected to by WebSocket (RFC 7977 section 5.1).
            None if !uri.transport().eq_ignore_ascii_case("tcp") => {
                return Err(Refusal::Status(StatusCode::NO_SESSION));
            }
            None => self
                .connect(hop, uri.port(), now)
                .ok_or(Refusal::Status(StatusCode::REQUEST_TIMEOUT))?,
        };
        self.learn(key, next, out);
        Ok(out)
    }

    //= https://www.rfc-editor.org/rfc/rfc4976#section-6.4.2
    //# If it already has a connection to the next hop, it SHOULD
    //# use this connection and not form a new connection.
    fn existing(&self, hop: &Hop) -> Option<LinkKey> {
        if let Some(link) = self.by_hop.get(hop) {
            return Some(*link);
        }
        // Only a relay has a name that is proved.
        let links = self.named.get(&hop.host).filter(|_| hop.secure)?;
        links.first().copied()
    }

    fn learn(&mut self, key: TokenKey, peer: &str, link: LinkKey) {
        let most = self.config.limits.routes_per_uri;
        let links = &self.links;
        let is_there = |link: LinkKey| links.get(&link).is_some_and(|link| !link.closing);
        self.tokens.learn(key, peer, link, most, is_there);
    }

    fn is_there(&self, key: LinkKey) -> bool {
        self.links.get(&key).is_some_and(|link| !link.closing)
    }

    fn link_of(&self, holder: &Holder) -> Option<LinkKey> {
        match holder {
            Holder::Link(link) => Some(*link).filter(|link| self.is_there(*link)),
            Holder::Relay(name) => self.named.get(name)?.first().copied(),
        }
    }

    fn is_from(&self, holder: &Holder, from: LinkKey) -> bool {
        match holder {
            Holder::Link(link) => *link == from,
            Holder::Relay(name) => self.named.get(name).is_some_and(|links| links.contains(&from)),
        }
    }

    /// Where the client is that has asked on a connection, by the path that leads to it.
    //= https://www.rfc-editor.org/rfc/rfc4976#section-6.3
    //# If the previous hop was a
    //# relay authenticated by mutual TLS, then the URI MUST be valid to
    //# route across any connection the relay has to the previous hop relay.
    //# If the previous hop is a client, then the URI MUST only be valid to
    //# route across the same connection over which the AUTH request was
    //# received.
    pub(super) fn holder_for(&self, from: LinkKey, first: &Uri) -> Option<Holder> {
        match &self.links.get(&from)?.nature.peer {
            Peer::Relay(names) => {
                //= https://www.rfc-editor.org/rfc/rfc4976#section-6.3
                //# If the TLS client presented a host
                //# certificate, the relay checks that the subjectAltName in the
                //# certificate of the TLS client matches the hostname in the first From-
                //# Path URI.
                let name = names
                    .iter()
                    .find(|name| name.eq_ignore_ascii_case(first.host()))?;
                Some(Holder::Relay(name.to_ascii_lowercase()))
            }
            _ => Some(Holder::Link(from)),
        }
    }

    /// Whether the first URI of a path is this relay's.
    pub(super) fn is_own(&self, text: &str) -> bool {
        self.tokens.find(text).is_some()
            || UriRef::parse(text).is_ok_and(|uri| self.config.is_own_name(uri.host()))
    }
}

/// The port of a relay whose URI has none (RFC 4976 section 8).
const DEFAULT_PORT: u16 = 2855;
