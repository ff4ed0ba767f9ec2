//! How connections come and go.

use std::sync::Arc;
use std::time::Instant;

use super::flow;
use super::inbound::Inbound;
use super::lane::Item;
use super::outbox::Outbox;
use super::timer::Timer;
use super::token::{Holder, TokenKey};
use super::transaction::Origin;
use super::{CloseReason, Event, Hop, LinkKey, OpenId, Peer, Relay, Transmit};
use crate::codec::Decoder;
use crate::{ConnectionId, StatusCode};

/// A connection, from the moment at which it is asked for.
#[derive(Debug)]
pub(super) struct Link {
    /// None while it is being opened.
    pub(super) connection: Option<ConnectionId>,
    open: Option<OpenId>,
    /// Where it goes to, if it was opened from here.
    hop: Option<Hop>,
    pub(super) nature: Nature,
    pub(super) decoder: Decoder,
    pub(super) inbound: Inbound,
    /// The URIs that were handed out on it and are good on it only.
    pub(super) tokens: Vec<TokenKey>,
    /// Whether a request on it has succeeded.
    pub(super) succeeded: bool,
    /// How many requests have failed.
    pub(super) failed: u32,
    /// AUTH requests that wait for the host.
    pub(super) auths: usize,
    pub(super) used: Instant,
    pub(super) probation: Option<Instant>,
    pub(super) idle: Option<Instant>,
    pub(super) stall: Option<Instant>,
    pub(super) pause_deadline: Option<Instant>,
    pub(super) opening: Option<Instant>,
    /// Octets that have come on it and wait elsewhere.
    pub(super) waiting: usize,
    pub(super) paused: bool,
    /// Where they may wait.
    pub(super) feeds: Vec<LinkKey>,
    /// How many of these there are when they are looked through next.
    pub(super) feeds_swept_at: usize,
    /// Where the last message on it came from, which is where the next is likely to come from.
    pub(super) origin: Option<Arc<Origin>>,
    pub(super) outbox: Outbox,
    /// Whether it is to be closed once everything has gone out. Nothing is read from it any more.
    pub(super) closing: bool,
}

/// What a connection is like.
#[derive(Clone, Debug)]
pub(super) struct Nature {
    pub(super) secure: bool,
    pub(super) peer: Peer,
}

impl Relay {
    pub(super) fn opened(
        &mut self,
        connection: ConnectionId,
        open: Option<OpenId>,
        nature: Nature,
        now: Instant,
    ) {
        if self.by_connection.contains_key(&connection) {
            return;
        }
        let asked = open.and_then(|open| self.by_open.remove(&open));
        if open.is_some() && asked.is_none() {
            // It came too late, for nobody.
            return self.transmits.push_back(Transmit::Close { connection });
        }
        let key = match asked {
            Some(key) => key,
            None if self.has_room(now) => {
                let key = LinkKey(self.number());
                self.links.insert(key, self.link(nature.clone(), now));
                let at = now + self.config.probation;
                if let Some(link) = self.links.get_mut(&key) {
                    link.probation = Some(at);
                }
                //= https://www.rfc-editor.org/rfc/rfc4976#section-6.1
                //# Once a TCP or TLS
                //# channel is negotiated, the server waits for up to 30 seconds to
                //# receive an MSRP request over the channel.
                self.deadlines.insert((at, Timer::Probation(key)));
                key
            }
            None => {
                self.transmits.push_back(Transmit::Close { connection });
                return self.events.push_back(Event::ConnectionClosed {
                    connection,
                    reason: CloseReason::TooMany,
                });
            }
        };
        let Some(link) = self.links.get_mut(&key) else {
            return;
        };
        if let Some(at) = link.opening.take() {
            self.deadlines.remove(&(at, Timer::Opening(key)));
        }
        //= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
        //# Connections using the "msrps" scheme MUST use TLS.
        if link.hop.as_ref().is_some_and(|hop| hop.secure) && !nature.secure {
            self.drop_link(key);
            return self.transmits.push_back(Transmit::Close { connection });
        }
        link.connection = Some(connection);
        link.open = None;
        if let Peer::Relay(names) = &nature.peer {
            for name in names {
                let name = name.to_ascii_lowercase();
                self.named.entry(name).or_default().insert(key);
            }
        }
        link.nature = nature;
        self.by_connection.insert(connection, key);
        self.start_idle(key, now);
        self.wake(key);
    }

    fn link(&self, nature: Nature, now: Instant) -> Link {
        Link {
            connection: None,
            open: None,
            hop: None,
            nature,
            decoder: Decoder::new(self.config.codec, self.config.leniency),
            inbound: Inbound::Skipped,
            tokens: Vec::new(),
            succeeded: false,
            failed: 0,
            auths: 0,
            used: now,
            probation: None,
            idle: None,
            stall: None,
            pause_deadline: None,
            opening: None,
            waiting: 0,
            paused: false,
            feeds: Vec::new(),
            feeds_swept_at: flow::FEEDS,
            origin: None,
            outbox: Outbox::default(),
            closing: false,
        }
    }

    /// Whether one more connection may be there, if need be in place of one that nobody uses.
    //= https://www.rfc-editor.org/rfc/rfc4976#section-6.5
    //# If the relay runs out of resources and can
    //# no longer establish new connections, it SHOULD start closing existing
    //# connections.  It MAY choose to close the connections based on a least
    //# recently used basis.
    pub(super) fn has_room(&mut self, now: Instant) -> bool {
        if self.links.len() < self.config.limits.connections {
            return true;
        }
        // Those that have been there for longest come first; few are looked at, so that a flood costs little.
        let unused = |(at, timer): &(Instant, Timer)| match timer {
            Timer::Idle(key) => {
                let link = self.links.get(key)?;
                let free = link.tokens.is_empty()
                    && link.waiting == 0
                    && !link.outbox.has_waiting()
                    && *at < now + self.config.idle_timeout
                    && link.used + LEAST_IDLE < now;
                free.then_some(*key)
            }
            _ => None,
        };
        match self.deadlines.iter().take(LOOKED_AT).find_map(unused) {
            Some(key) => {
                let connection = self.links.get(&key).and_then(|link| link.connection);
                self.drop_link(key);
                if let Some(connection) = connection {
                    self.transmits.push_back(Transmit::Close { connection });
                    self.events.push_back(Event::ConnectionClosed {
                        connection,
                        reason: CloseReason::Idle,
                    });
                }
                true
            }
            None => false,
        }
    }

    /// Asks for a connection.
    pub(super) fn connect(&mut self, hop: Hop, port: Option<u16>, now: Instant) -> Option<LinkKey> {
        if !self.has_room(now) {
            return None;
        }
        let key = LinkKey(self.number());
        let open = OpenId(self.number());
        let nature = Nature {
            secure: hop.secure,
            peer: Peer::Unknown,
        };
        let mut link = self.link(nature, now);
        let at = now + self.config.response_timeout;
        link.open = Some(open);
        link.hop = Some(hop.clone());
        link.opening = Some(at);
        // It is this end that has asked for it.
        link.succeeded = true;
        self.links.insert(key, link);
        self.by_open.insert(open, key);
        self.deadlines.insert((at, Timer::Opening(key)));
        self.transmits.push_back(Transmit::Open {
            open,
            secure: hop.secure,
            host: hop.host.clone(),
            port,
        });
        self.by_hop.insert(hop, key);
        Some(key)
    }

    /// Closes a connection, once what waits for it has gone out.
    pub(super) fn close(&mut self, key: LinkKey, reason: CloseReason) {
        let Some(link) = self.links.get_mut(&key) else {
            return;
        };
        let Some(connection) = link.connection else {
            return self.drop_link(key);
        };
        if !std::mem::replace(&mut link.closing, true) {
            self.events
                .push_back(Event::ConnectionClosed { connection, reason });
        } else if reason != CloseReason::NotReading {
            return;
        }
        if reason == CloseReason::NotReading {
            self.drop_link(key);
            return self.transmits.push_back(Transmit::Close { connection });
        }
        let lanes = link.outbox.lanes();
        self.leave_message(key);
        self.forget_routes(key);
        for from in lanes {
            self.give_up_lane(key, from, StatusCode::NO_SESSION);
        }
        self.wake(key);
    }

    /// Forgets a connection, and fails what waits for it.
    pub(super) fn drop_link(&mut self, key: LinkKey) {
        self.leave_message(key);
        self.forget_routes(key);
        let Some(mut link) = self.links.remove(&key) else {
            return;
        };
        if let Some(connection) = link.connection {
            self.by_connection.remove(&connection);
        }
        if let Some(open) = link.open {
            self.by_open.remove(&open);
        }
        self.clear_timers(key, &link);
        //= https://www.rfc-editor.org/rfc/rfc4976#section-6.3
        //# If the client's connection is closed and then reopened,
        //# the URI MUST be invalidated.
        for token in std::mem::take(&mut link.tokens) {
            self.end_token(token);
        }
        let drained = link.outbox.drain(&mut self.transactions);
        self.freed(None, drained.own);
        for (from, given_up) in drained.lanes {
            self.freed(Some(from), given_up.freed);
            self.fail(from, key, given_up.parts, StatusCode::REQUEST_TIMEOUT);
        }
        for (from, freed) in drained.requests {
            self.freed(Some(from), freed);
        }
        for forwarded in drained.unsent {
            self.timed_out(forwarded);
        }
        for out in std::mem::take(&mut link.feeds) {
            if let Some(out) = self.links.get_mut(&out) {
                out.outbox.orphan(key);
            }
        }
    }

    fn forget_routes(&mut self, key: LinkKey) {
        let Some(link) = self.links.get_mut(&key) else {
            return;
        };
        if let Some(hop) = &link.hop
            && self.by_hop.get(hop) == Some(&key)
        {
            self.by_hop.remove(hop);
        }
        if let Peer::Relay(names) = &link.nature.peer {
            for name in names {
                let name = name.to_ascii_lowercase();
                if let Some(links) = self.named.get_mut(&name) {
                    links.remove(&key);
                    if links.is_empty() {
                        self.named.remove(&name);
                    }
                }
            }
        }
    }

    /// Ends the message that is arriving, as far as the receiver is concerned: the rest may come another way.
    fn leave_message(&mut self, key: LinkKey) {
        let Some(link) = self.links.get_mut(&key) else {
            return;
        };
        if let Inbound::Forward { out, .. } = std::mem::take(&mut link.inbound) {
            self.enqueue(out, key, Item::End(crate::codec::Continuation::More));
        }
    }

    /// Ends a URI.
    pub(super) fn end_token(&mut self, key: TokenKey) {
        let Some(token) = self.tokens.remove(key) else {
            return;
        };
        self.deadlines.remove(&(token.expires, Timer::Token(key)));
        if let Holder::Link(link) = token.holder
            && let Some(link) = self.links.get_mut(&link)
        {
            link.tokens.retain(|own| *own != key);
        }
        self.events.push_back(Event::UriExpired { uri: token.uri });
    }
}

/// How many deadlines are looked at to find a connection that nobody uses.
const LOOKED_AT: usize = 64;
/// How long a connection has to have been unused before another may take its place.
const LEAST_IDLE: std::time::Duration = std::time::Duration::from_secs(30);
