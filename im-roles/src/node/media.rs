//! The media sessions of the roles, on the one MSRP endpoint.

use std::collections::BTreeMap;
use std::time::Instant;

use msrp::MessageId;
use msrp::endpoint::{AppendError, Event as MsrpEvent, SendError, SessionKey};

use super::Node;
use crate::signal::{Input, MediaCommand, MediaId, MediaRefusal};

/// Which session is whose.
#[derive(Debug, Default)]
pub(super) struct Media {
    sessions: BTreeMap<MediaId, SessionKey>,
    owners: BTreeMap<SessionKey, MediaId>,
}

impl Media {
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    fn insert(&mut self, media: MediaId, session: SessionKey) {
        self.sessions.insert(media, session);
        self.owners.insert(session, media);
    }

    fn remove(&mut self, session: SessionKey) {
        if let Some(media) = self.owners.remove(&session) {
            self.sessions.remove(&media);
        }
    }
}

impl Node {
    pub(super) fn take_msrp_event(&mut self, event: MsrpEvent) {
        let Some(session) = event.session() else { return };
        let Some(media) = self.media.owners.get(&session).copied() else {
            return;
        };
        if matches!(event, MsrpEvent::SessionEnded { .. }) {
            self.media.remove(session);
        }
        self.bus.push_back((media.role, Input::Media { media, event }));
    }

    pub(super) fn command_media(&mut self, media: MediaId, command: MediaCommand, now: Instant) {
        if let MediaCommand::Open(config) = command {
            match self.msrp.open_session(config, now) {
                Ok(session) => self.media.insert(media, session),
                Err(_) => self.refuse_media(media, None, MediaRefusal::CannotOpen),
            }
            return;
        }
        let Some(session) = self.media.sessions.get(&media).copied() else {
            self.refuse_media(media, None, MediaRefusal::Ended);
            return;
        };
        match command {
            MediaCommand::Open(_) => {}
            MediaCommand::SetRemotePath(path) => {
                if self.msrp.set_remote_path(session, path, now).is_err() {
                    self.refuse_media(media, None, MediaRefusal::CannotOpen);
                }
            }
            MediaCommand::Send(message) => {
                let id = message.message_id.clone();
                if let Err(error) = self.msrp.send(session, message, now) {
                    let reason = match error {
                        SendError::TooLarge => MediaRefusal::TooLarge,
                        SendError::QueueFull => MediaRefusal::QueueFull,
                        _ => MediaRefusal::Ended,
                    };
                    self.refuse_media(media, id, reason);
                }
            }
            MediaCommand::Append(id, octets) => {
                if let Err(error) = self.msrp.append(session, &id, octets, now) {
                    // The peer is told with `#` that no more of it follows.
                    self.msrp.abort(session, &id, now);
                    let reason = match error {
                        AppendError::QueueFull => MediaRefusal::QueueFull,
                        AppendError::TooLong => MediaRefusal::TooLarge,
                        _ => MediaRefusal::Ended,
                    };
                    self.refuse_media(media, Some(id), reason);
                }
            }
            MediaCommand::Finish(id) => self.msrp.finish(session, &id, now),
            MediaCommand::Abort(id) => self.msrp.abort(session, &id, now),
            MediaCommand::Respond(transaction, status) => {
                // The chunk's session may have lost its connection meanwhile; then nobody waits.
                let _ = self.msrp.respond(session, &transaction, status, now);
            }
            MediaCommand::Close => self.msrp.close_session(session, now),
        }
    }

    fn refuse_media(&mut self, media: MediaId, message: Option<MessageId>, reason: MediaRefusal) {
        self.bus.push_back((
            media.role,
            Input::MediaRefused {
                media,
                message,
                reason,
            },
        ));
    }
}
