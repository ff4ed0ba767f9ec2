//! Sessions through the user's MSRP relays (RFC 4976): each asks for a path of its own before it is offered or answered.

use std::time::Instant;

use msrp::endpoint::RelayKey;
use msrp::relay::{Access, Failure as RelayFailure};
use sip_im::StatusCode;

use super::Client;
use super::event::{Failure, SessionKey};
use super::session::Stage;
use super::wire::Link;

/// The path of one session through relays.
#[derive(Clone, Debug)]
pub(super) struct Path {
    pub(super) key: RelayKey,
    pub(super) ready: bool,
}

impl Client {
    /// Says whether a session may be offered or answered: at once without relays, else when these have given a path, whereupon
    /// it goes on by itself. None if there will be no path.
    pub(super) fn has_path(&mut self, session: SessionKey, now: Instant) -> Option<bool> {
        if self.config.msrp_relays.is_empty() {
            return Some(true);
        }
        if let Some(path) = &self.sessions.table.get(&session)?.media.relay {
            return Some(path.ready);
        }
        let Link::Up { local, .. } = self.wire.link() else {
            return None;
        };
        let user = self.config.user.user().unwrap_or_default();
        let relays = self.config.msrp_relays.clone();
        // How long the path is good is left to the relays: kamailio's answer to a wish that is too long cannot be read.
        let access = Access::new(relays, user, self.config.password.clone());
        let uri = self.wire.msrp.mint_uri(false, &local.ip().to_string(), 9);
        let key = self.wire.msrp.enlist(access, uri.clone(), now).ok()?;
        self.sessions.by_relay.insert(key, session);
        let entry = self.sessions.table.get_mut(&session)?;
        entry.media.relay = Some(Path { key, ready: false });
        entry.media.local = Some(uri);
        Some(false)
    }

    /// The relays have given a session a path, or renewed it.
    pub(super) fn on_relay_ready(&mut self, relay: RelayKey, now: Instant) {
        let Some(session) = self.sessions.by_relay.get(&relay).copied() else {
            return self.wire.msrp.dismiss(relay, now);
        };
        let Some(entry) = self.sessions.table.get_mut(&session) else {
            return;
        };
        let first = match &mut entry.media.relay {
            Some(path) => !std::mem::replace(&mut path.ready, true),
            None => false,
        };
        match &entry.stage {
            _ if !first => {}
            Stage::Waiting => self.send_invite(session, now),
            // A failure has answered the INVITE and is told as the session's end.
            Stage::Invited { .. } => drop(self.accept_invite(session, now)),
            _ => {}
        }
    }

    /// The relays have given a session no path.
    pub(super) fn on_relay_failed(&mut self, relay: RelayKey, reason: RelayFailure, now: Instant) {
        let Some(session) = self.sessions.by_relay.remove(&relay) else {
            return;
        };
        let Some(entry) = self.sessions.table.get_mut(&session) else {
            return;
        };
        entry.media.relay = None;
        let text = match reason {
            RelayFailure::WrongPassword => "the relay refuses the password",
            RelayFailure::OpenFailed | RelayFailure::ConnectionLost => "the relay cannot be reached",
            RelayFailure::Timeout => "the relay does not answer",
            _ => "the relay gives no path",
        };
        match &entry.stage {
            Stage::Waiting => self.never_came(session, Failure::local(text), now),
            Stage::Invited { transaction, invite } => {
                let (transaction, invite) = (*transaction, invite.clone());
                self.answer(transaction, &invite, StatusCode::TEMPORARILY_UNAVAILABLE, now);
                self.left(session, Some(text.to_owned()), now);
            }
            // What is left of the session ends by itself.
            _ => {}
        }
    }

    /// Lets go of a session's path.
    pub(super) fn dismiss_path(&mut self, path: Option<Path>, now: Instant) {
        if let Some(path) = path {
            self.sessions.by_relay.remove(&path.key);
            self.wire.msrp.dismiss(path.key, now);
        }
    }
}
