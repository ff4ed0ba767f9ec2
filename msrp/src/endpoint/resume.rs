//! What a session leaves behind when its connection is lost, and one that goes on with it (RFC 4975 section 5.4).

use std::time::Instant;

use super::session::Inbox;
use super::{AbortReason, EndReason, Endpoint, Event, OpenSessionError, SessionKey};
use crate::connection::shared::Timer;

/// What a session has left behind.
#[derive(Debug)]
pub(super) struct Interrupted {
    inbox: Inbox,
    until: Instant,
}

impl Endpoint {
    /// Keeps what a session has left behind for a while.
    pub(super) fn interrupt(&mut self, key: SessionKey, mut inbox: Inbox, now: Instant) {
        if self.interrupted.len() >= self.shared.config.limits.interrupted_sessions {
            // The one that has waited longest gives way; keys are given in order, and times do not matter much here.
            let Some(oldest) = self.interrupted.keys().next().copied() else {
                return self.abandon(key, &mut inbox);
            };
            self.not_resumed(oldest);
        }
        inbox.interrupt(self.shared.config.limits.remembered_messages);
        let until = now + self.shared.config.resume_timeout;
        self.shared.set(until, Timer::Interrupted(key));
        self.interrupted.insert(key, Interrupted { inbox, until });
    }

    /// No session has come in the place of one that was interrupted.
    pub(super) fn not_resumed(&mut self, key: SessionKey) {
        if let Some(Interrupted { mut inbox, until }) = self.interrupted.remove(&key) {
            self.shared.unset(Some(until), Timer::Interrupted(key));
            self.abandon(key, &mut inbox);
        }
    }

    /// Gives up what a session has begun to receive.
    pub(super) fn abandon(&mut self, key: SessionKey, inbox: &mut Inbox) {
        self.shared.gathered = self.shared.gathered.saturating_sub(inbox.gathered);
        for message in inbox.drain() {
            self.shared.events.push_back(Event::MessageAborted {
                session: key,
                message,
                reason: AbortReason::SessionEnded,
            });
        }
    }

    /// Says whether there is something to go on with, without changing anything.
    pub(super) fn may_resume(&self, key: Option<SessionKey>) -> Result<(), OpenSessionError> {
        let Some(key) = key else { return Ok(()) };
        let is_there = self.interrupted.contains_key(&key)
            || self
                .sessions
                .get(&key)
                .is_some_and(|session| session.config.resumable);
        if is_there {
            Ok(())
        } else {
            Err(OpenSessionError::NothingToResume)
        }
    }

    /// Takes what a session has left behind, or still has: one whose loss was not noticed yet ends.
    pub(super) fn resume(&mut self, key: Option<SessionKey>, now: Instant) -> Inbox {
        let Some(key) = key else {
            return Inbox::default();
        };
        if let Some(Interrupted { inbox, until }) = self.interrupted.remove(&key) {
            self.shared.unset(Some(until), Timer::Interrupted(key));
            return inbox;
        }
        let session = self.sessions.get_mut(&key);
        let mut inbox = session
            .map(|session| std::mem::take(&mut session.inbox))
            .unwrap_or_default();
        inbox.interrupt(self.shared.config.limits.remembered_messages);
        self.end_session(key, EndReason::Resumed, now);
        inbox
    }
}
