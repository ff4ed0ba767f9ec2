//! How connections and sessions come and go, and what the timers do.

use std::time::Instant;

use super::relay::RelayLink;
use super::session::{Link, Verdict};
use super::{
    Acknowledge, CloseReason, EndReason, Endpoint, Event, OpenId, Opening, Route, SessionConfig, SessionKey,
    Transmit,
};
use crate::connection::outgoing::OutgoingState;
use crate::connection::shared::Timer;
use crate::connection::transaction::Asked;
use crate::connection::{Authority, Connection};
use crate::tls::{ExpectedCertificate, Fingerprint};
use crate::{ConnectionId, Uri};

fn plain(host: &str) -> String {
    host.trim_matches(['[', ']']).to_ascii_lowercase()
}

impl Authority {
    /// What the connection of an active session goes to.
    pub(super) fn of(config: &SessionConfig) -> Option<Self> {
        let first = config.remote_path.first()?;
        let (host, port) = match &config.connect_to {
            Some((host, port)) => (plain(host), *port),
            None => (plain(first.host()), first.port()?),
        };
        Some(Self::of_hop(first, host, port, config.fingerprints.clone()))
    }

    /// What the connection to a relay goes to, by its port or the one of all relays (RFC 4976 section 8).
    pub(super) fn of_relay(relay: &Uri) -> Self {
        let port = relay.port().unwrap_or(2855);
        Self::of_hop(relay, plain(relay.host()), port, Vec::new())
    }

    fn of_hop(hop: &Uri, host: String, port: u16, fingerprints: Vec<Fingerprint>) -> Self {
        let secure = hop.is_secure();
        Self {
            secure,
            host,
            port,
            websocket: hop.transport().eq_ignore_ascii_case("ws"),
            // Sessions that go to one place by different names may share what has no certificate.
            name: if secure { plain(hop.host()) } else { String::new() },
            fingerprints,
        }
    }
}

impl Endpoint {
    /// Finds or asks for a connection for an active session.
    pub(super) fn connect_to(&mut self, key: SessionKey, authority: Authority, now: Instant) {
        match self.by_authority.get(&authority) {
            Some(Route::Open(connection)) => {
                let connection = *connection;
                self.bind(key, connection, now);
            }
            Some(Route::Opening(open)) => {
                if let Some(opening) = self.opening.get_mut(open) {
                    opening.sessions.push(key);
                }
            }
            None => {
                self.open(authority, vec![key]);
            }
        }
    }

    /// Asks for a connection.
    fn open(&mut self, authority: Authority, sessions: Vec<SessionKey>) -> OpenId {
        let open = OpenId(self.shared.number());
        let certificate = ExpectedCertificate {
            name: authority.name.clone(),
            fingerprints: authority.fingerprints.clone(),
        };
        self.transmits.push_back(Transmit::Open {
            open,
            secure: authority.secure,
            host: authority.host.clone(),
            port: authority.port,
            websocket: authority.websocket,
            certificate: authority.secure.then_some(certificate),
        });
        self.by_authority.insert(authority.clone(), Route::Opening(open));
        self.opening.insert(open, Opening { authority, sessions });
        open
    }

    /// Finds or asks for a connection to a relay.
    pub(super) fn connect_relay(&mut self, authority: Authority) -> RelayLink {
        match self.by_authority.get(&authority) {
            Some(Route::Open(connection)) => RelayLink::Open(*connection),
            Some(Route::Opening(open)) => RelayLink::Opening(*open),
            None => RelayLink::Opening(self.open(authority, Vec::new())),
        }
    }

    pub(super) fn opened(
        &mut self,
        id: ConnectionId,
        open: Option<OpenId>,
        (secure, websocket): (bool, bool),
        now: Instant,
    ) {
        if self.connections.contains_key(&id) {
            return;
        }
        let opening = open.and_then(|open| self.opening.remove(&open));
        let for_relay = open.filter(|open| self.relays_wait_for(*open));
        // A connection that was asked for counts already.
        if opening.is_none() && self.connections() >= self.shared.config.limits.connections {
            self.transmits.push_back(Transmit::Close { connection: id });
            self.shared.events.push_back(Event::ConnectionClosed {
                connection: id,
                reason: CloseReason::TooMany,
            });
            return;
        }
        //= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
        //# Connections using the "msrps" scheme MUST use TLS.
        if let Some(opening) = opening
            .as_ref()
            .filter(|opening| opening.authority.secure && !secure)
        {
            // Nothing may be said on it, not even to whom its sessions talk.
            self.transmits.push_back(Transmit::Close { connection: id });
            self.by_authority.remove(&opening.authority);
            for key in opening.sessions.clone() {
                self.end_session(key, EndReason::OpenFailed, now);
            }
            if let Some(open) = for_relay {
                self.relays_not_opened(open, now);
            }
            return;
        }
        let authority = opening.as_ref().map(|opening| opening.authority.clone());
        let connection = Connection::new(id, (secure, websocket), authority.clone(), &self.shared, now);
        self.connections.insert(id, Box::new(connection));
        if let Some(authority) = authority {
            self.by_authority.insert(authority, Route::Open(id));
        }
        if let Some(open) = for_relay {
            self.relays_opened(open, id);
        }
        for key in opening.map(|opening| opening.sessions).unwrap_or_default() {
            self.bind(key, id, now);
        }
        self.watch_unused(id, now);
    }

    pub(super) fn open_failed(&mut self, open: OpenId, now: Instant) {
        let Some(opening) = self.opening.remove(&open) else {
            return;
        };
        self.by_authority.remove(&opening.authority);
        for key in opening.sessions {
            self.end_session(key, EndReason::OpenFailed, now);
        }
        self.relays_not_opened(open, now);
    }

    /// Asks the peer to bind an active session, with a SEND that has no body.
    //= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
    //# Likewise, the active endpoint MUST immediately issue a SEND request.
    //# This initial SEND request MAY have a body if the sender has content
    //# to send, or it MAY have no body at all.
    pub(super) fn bind(&mut self, key: SessionKey, id: ConnectionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if session.link != Link::Opening {
            // The peer has connected in the meantime.
            return;
        }
        session.link = Link::Binding(id);
        connection.sessions.insert(key);
        self.empty_send(key, id, Asked::Bind(key));
        self.watch_unused(id, now);
    }

    /// A session is usable.
    pub(super) fn bound(&mut self, key: SessionKey, id: ConnectionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        if session.link == Link::Bound(id) {
            return;
        }
        session.link = Link::Bound(id);
        self.shared.unset(session.bind_deadline.take(), Timer::Bind(key));
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.sessions.insert(key);
            self.shared.unset(connection.unbound.take(), Timer::Unbound(id));
            if let (Some(interval), None) = (self.shared.config.keep_alive, connection.keep_alive) {
                let at = now + interval;
                connection.keep_alive = Some(at);
                self.shared.set(at, Timer::KeepAlive(id));
            }
        }
        self.shared.events.push_back(Event::SessionBound {
            session: key,
            connection: id,
        });
        self.wake(key);
    }

    pub(super) fn start_bind_timer(&mut self, key: SessionKey, now: Instant) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        let at = now + self.shared.config.bind_timeout;
        self.shared
            .unset(session.bind_deadline.replace(at), Timer::Bind(key));
        self.shared.set(at, Timer::Bind(key));
    }

    /// Starts or stops the time for which a connection may be without a session. One that this end has opened is closed
    /// at once, since nobody but this end opens sessions on it.
    pub(super) fn watch_unused(&mut self, id: ConnectionId, now: Instant) {
        let for_relay = self.is_for_relay(id);
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let unused = connection.sessions.is_empty() && !for_relay;
        if unused && connection.authority.is_some() {
            connection.closing = true;
            self.forget_route(id);
            self.list(id);
        }
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        match (unused, connection.unbound) {
            (true, None) => {
                let at = now + self.shared.config.bind_timeout;
                connection.unbound = Some(at);
                self.shared.set(at, Timer::Unbound(id));
            }
            (false, Some(_)) => self.shared.unset(connection.unbound.take(), Timer::Unbound(id)),
            _ => {}
        }
    }

    /// Ends a session that is being closed and has nothing left to do.
    pub(super) fn end_if_idle(&mut self, key: SessionKey, now: Instant) {
        let Some(session) = self.sessions.get(&key).filter(|session| session.closing) else {
            return;
        };
        // Nobody knows whether the peer of a passive session will ever come.
        if session.is_idle() || session.link == Link::Awaited {
            self.end_session(key, EndReason::Closed, now);
        }
    }

    pub(super) fn end_session(&mut self, key: SessionKey, reason: EndReason, now: Instant) {
        let Some(mut session) = self.sessions.remove(&key) else {
            return;
        };
        if let Some(id) = session.config.local.session_id() {
            self.by_id.remove(id);
        }
        self.shared.unset(session.bind_deadline.take(), Timer::Bind(key));
        self.shared.unset(session.owed_timer.take(), Timer::Owed(key));
        let keeps = session.config.resumable && reason == EndReason::ConnectionLost;
        if keeps {
            self.interrupt(key, std::mem::take(&mut session.inbox), now);
        } else {
            self.abandon(key, &mut session.inbox);
        }
        for outgoing in session.outbox.drain() {
            // The parent knows already of one that it has given up, or that was sent.
            if matches!(outgoing.state, OutgoingState::Open | OutgoingState::Ended) {
                self.shared.events.push_back(Event::MessageFailed {
                    session: key,
                    acknowledged: outgoing.acknowledged(),
                    message: outgoing.id,
                    status: None,
                });
            }
        }
        self.shared
            .events
            .push_back(Event::SessionEnded { session: key, reason });
        if let Some(id) = session.link.connection()
            && let Some(connection) = self.connections.get_mut(&id)
        {
            connection.sessions.remove(&key);
            self.watch_unused(id, now);
            // Its chunk that is going out has to end.
            self.list(id);
        }
    }

    /// Lets no more sessions share a connection.
    fn forget_route(&mut self, id: ConnectionId) {
        let Some(authority) = self
            .connections
            .get(&id)
            .and_then(|connection| connection.authority.as_ref())
        else {
            return;
        };
        if matches!(self.by_authority.get(authority), Some(Route::Open(own)) if *own == id) {
            self.by_authority.remove(authority);
        }
    }

    /// Forgets a connection that is gone, and ends its sessions.
    pub(super) fn drop_connection(&mut self, id: ConnectionId, now: Instant) {
        self.take_down(id, false, now);
    }

    /// Closes a connection for what its peer did. What was due before goes out before, unless the peer does not read.
    pub(super) fn close_connection(&mut self, id: ConnectionId, reason: CloseReason, now: Instant) {
        self.take_down(id, reason != CloseReason::NotReading, now);
        self.transmits.push_back(Transmit::Close { connection: id });
        self.shared.events.push_back(Event::ConnectionClosed {
            connection: id,
            reason,
        });
    }

    fn take_down(&mut self, id: ConnectionId, flush: bool, now: Instant) {
        self.forget_route(id);
        let Some(mut connection) = self.connections.remove(&id) else {
            return;
        };
        for key in std::mem::take(&mut connection.sessions) {
            self.end_session(key, EndReason::ConnectionLost, now);
        }
        // Without sessions this is the end of the chunk that is going out, and responses and reports.
        while flush && let Some(produced) = connection.produce(&mut self.sessions, &mut self.shared, now) {
            self.transmits.push_back(Transmit::Send {
                connection: id,
                data: produced.octets,
            });
        }
        connection.clear_timers(&mut self.shared);
        self.relays_lost(id, now);
    }

    /// Lets go of a message that arrives, and remembers what became of it, if anything is to be remembered.
    pub(super) fn forget_incoming(&mut self, key: SessionKey, digest: u64, verdict: Option<Verdict>) {
        let most = self.shared.config.limits.remembered_messages;
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        let held = session.inbox.remove(digest);
        self.shared.gathered = self.shared.gathered.saturating_sub(held);
        if let Some(verdict) = verdict {
            session.inbox.received.insert(digest, verdict, most);
        }
    }

    /// A message is here and acknowledged: it is reported, if that is wanted.
    pub(super) fn settle_incoming(&mut self, key: SessionKey, digest: u64) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        let Some(incoming) = session.inbox.get(digest) else {
            return;
        };
        let reports = incoming.wants.success && session.config.success_reports == Acknowledge::Automatic;
        let report = reports.then(|| {
            let total = incoming.fixed.unwrap_or(0);
            (incoming.report.clone(), incoming.id.clone(), total)
        });
        let verdict = Verdict::Complete(incoming.wants);
        self.forget_incoming(key, digest, Some(verdict));
        if let Some((paths, message, total)) = report {
            self.report_success(key, &paths, &message, total);
        }
    }
}
