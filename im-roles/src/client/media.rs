//! The media of sessions: MSRP (RFC 4975), offered and answered in SDP.

use std::time::Instant;

use bytes::Bytes;
use msrp::endpoint::{Acknowledge, Delivery, EndReason, Event as MediaEvent, Role, SessionConfig};
use sip_im::sdp::{self, LocalMedia, MessageMedia, Setup};

use super::Client;
use super::event::{CommandId, Event, Failure, SessionKey};
use super::relay::Path;
use super::session::Stage;
use super::wire::Link;

/// The media of one session.
#[derive(Debug, Default)]
pub(super) struct Media {
    /// The session of MSRP, once it is open.
    pub(super) session: Option<msrp::endpoint::SessionKey>,
    /// This end's path.
    pub(super) local: Option<msrp::Uri>,
    /// The path through relays.
    pub(super) relay: Option<Path>,
    /// What the peer said of its end.
    pub(super) remote: Option<MessageMedia>,
    /// The description that was sent, to be repeated in answer to a re-INVITE.
    pub(super) local_sdp: Option<Bytes>,
    /// Whether it is bound to its connection.
    pub(super) bound: bool,
    /// Whether it is to end once what waits has gone out.
    pub(super) closing: bool,
}

impl Client {
    /// This end of a session that is to be offered. Where the host takes connections, the peer may choose who connects.
    pub(super) fn offer_media(
        &mut self,
        session: SessionKey,
        conference: bool,
        now: Instant,
    ) -> Option<Media> {
        let mut media = self.begun_media(session);
        let reachable = self.config.media_listen.is_some() || media.relay.is_some();
        let listening = reachable && !conference;
        let path = match media.local.take() {
            Some(path) => path,
            None => self.mint_path(listening)?,
        };
        let setup = if listening { Setup::ActPass } else { Setup::Active };
        let local = self.local_media(&path, media.relay.as_ref(), setup, conference);
        media.local = Some(path);
        media.local_sdp = Some(sdp::offer(&local).write());
        if listening {
            // The peer may connect before its answer arrives.
            self.open_media(session, &mut media, Vec::new(), Role::Passive, now)?;
        }
        Some(media)
    }

    /// The answer to this end's offer has come.
    pub(super) fn answered_media(
        &mut self,
        session: SessionKey,
        answer: &sdp::Session,
        now: Instant,
    ) -> bool {
        let Some(remote) = answer.message_media() else {
            return false;
        };
        if remote.port == 0 || remote.path.is_empty() {
            return false;
        }
        let Some(entry) = self.sessions.table.get_mut(&session) else {
            return false;
        };
        let mut media = std::mem::take(&mut entry.media);
        media.remote = Some(remote.clone());
        // Whoever answers `active` connects; without an answer it is the offerer (RFC 4975 5.4).
        let bound = match (media.session, remote.setup) {
            (Some(passive), Some(Setup::Active)) => self
                .wire
                .msrp
                .set_remote_path(passive, remote.path.clone(), now)
                .is_ok(),
            (Some(passive), _) => {
                self.sessions.by_media.remove(&passive);
                self.wire.msrp.close_session(passive, now);
                media.session = None;
                self.open_media(session, &mut media, remote.path.clone(), Role::Active, now)
                    .is_some()
            }
            (None, Some(Setup::Active)) => false,
            (None, _) => self
                .open_media(session, &mut media, remote.path.clone(), Role::Active, now)
                .is_some(),
        };
        if let Some(entry) = self.sessions.table.get_mut(&session) {
            entry.media = media;
        }
        bound
    }

    /// Answers an offer, and opens the session; gives the description.
    pub(super) fn answer_media(
        &mut self,
        session: SessionKey,
        offer: &sdp::Session,
        now: Instant,
    ) -> Option<Bytes> {
        let conference = self.sessions.table.get(&session)?.conference;
        let mut media = self.begun_media(session);
        let active = match offer.message_media()?.setup {
            //= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
            // Without the attribute it is the offerer who connects.
            None | Some(Setup::Active) => {
                if self.config.media_listen.is_none() && media.relay.is_none() {
                    return None;
                }
                false
            }
            // Who is asked to choose chooses what works through an address translator.
            Some(Setup::Passive | Setup::ActPass) => true,
            Some(_) => return None,
        };
        let path = match media.local.take() {
            Some(path) => path,
            None => self.mint_path(!active)?,
        };
        let setup = if active { Setup::Active } else { Setup::Passive };
        let local = self.local_media(&path, media.relay.as_ref(), setup, conference);
        let answer = sdp::answer(offer, &local).ok()?;
        media.local = Some(path);
        media.remote = Some(answer.remote.clone());
        let role = if active { Role::Active } else { Role::Passive };
        self.open_media(session, &mut media, answer.remote.path.clone(), role, now)?;
        let text = answer.session.write();
        media.local_sdp = Some(text.clone());
        self.sessions.table.get_mut(&session)?.media = media;
        Some(text)
    }

    /// What a session's media have been given before they are offered or answered: a path through relays.
    fn begun_media(&self, session: SessionKey) -> Media {
        let begun = self.sessions.table.get(&session).map(|entry| &entry.media);
        Media {
            relay: begun.and_then(|media| media.relay.clone()),
            local: begun.and_then(|media| media.local.clone().filter(|_| media.relay.is_some())),
            ..Media::default()
        }
    }

    /// This end's path as its peer is told it.
    //= https://www.rfc-editor.org/rfc/rfc4976#section-5.1
    //# To
    //# form the SDP path attribute to provide to the peer, the client
    //# reverses the list of URIs in the Use-Path header (after the outermost
    //# authentication), and appends the client's own URI.
    fn described(&self, own: &msrp::Uri, relay: Option<&Path>) -> Vec<msrp::Uri> {
        let relays = relay.map_or(&[][..], |path| self.wire.msrp.relay_path(path.key));
        relays.iter().rev().chain([own]).cloned().collect()
    }

    fn mint_path(&mut self, listening: bool) -> Option<msrp::Uri> {
        let Link::Up { local, .. } = self.wire.link() else {
            return None;
        };
        let (host, port) = match &self.config.media_listen {
            Some((host, port)) if listening => (host.clone(), *port),
            // Nobody connects there (RFC 4145 4.1 has 9, the discard port, for it).
            _ => (local.ip().to_string(), 9),
        };
        Some(self.wire.msrp.mint_uri(false, &host, port))
    }

    fn local_media(
        &self,
        own: &msrp::Uri,
        relay: Option<&Path>,
        setup: Setup,
        conference: bool,
    ) -> LocalMedia {
        let mut local = LocalMedia::new(own.clone());
        local.path = self.described(own, relay);
        let types: &[&str] = if conference {
            &["message/cpim"]
        } else {
            &["text/plain", "message/cpim", "*"]
        };
        local.accept_types = types.iter().map(|name| (*name).to_owned()).collect();
        local.accept_wrapped_types = vec!["*".to_owned()];
        local.max_size = Some(self.config.limits.max_message_size);
        local.setup = Some(setup);
        if conference {
            //= https://www.rfc-editor.org/rfc/rfc7701#section-8
            // Without it the switch would not know that this end can tell private messages from those to all.
            local.chatroom = Some(vec!["nickname".to_owned(), "private-messages".to_owned()]);
        }
        local.session_id = self.shared.number();
        local
    }

    fn open_media(
        &mut self,
        session: SessionKey,
        media: &mut Media,
        remote_path: Vec<msrp::Uri>,
        role: Role,
        now: Instant,
    ) -> Option<()> {
        let mut config = SessionConfig::new(media.local.clone()?, remote_path, role);
        config.delivery = Delivery::Whole {
            max: self.config.limits.max_message_size,
        };
        config.acknowledge = Acknowledge::Automatic;
        config.relay = media.relay.as_ref().map(|path| path.key);
        config.max_size = media.remote.as_ref().and_then(|remote| remote.max_size);
        let opened = self.wire.msrp.open_session(config, now).ok()?;
        media.session = Some(opened);
        self.sessions.by_media.insert(opened, session);
        Some(())
    }

    /// News of a session's media.
    pub(super) fn on_media(&mut self, event: MediaEvent, now: Instant) {
        match event {
            MediaEvent::RelayReady { relay, .. } => return self.on_relay_ready(relay, now),
            MediaEvent::RelayFailed { relay, reason } => return self.on_relay_failed(relay, reason, now),
            _ => {}
        }
        let Some(session) = event
            .session()
            .and_then(|media| self.sessions.by_media.get(&media).copied())
        else {
            return;
        };
        match event {
            MediaEvent::SessionBound { .. } => {
                if let Some(entry) = self.sessions.table.get_mut(&session) {
                    entry.media.bound = true;
                }
                self.started(session);
            }
            MediaEvent::MessageReceived {
                message,
                content_type: Some(content_type),
                body,
                ..
            } => {
                self.on_said(session, &message, content_type, body);
            }
            MediaEvent::MessageSent { message, .. } => {
                if let Some(command) = self.sending(session, &message) {
                    let message_id = Some(message.to_string());
                    self.push_event(Event::Sent {
                        command,
                        session: Some(session),
                        message_id,
                        status: 200,
                    });
                }
            }
            MediaEvent::MessageFailed { message, status, .. } => {
                let command = self.sending(session, &message);
                let failure = match status {
                    Some(status) => Failure::status(status.code(), status.default_comment()),
                    None => Failure::local("no answer"),
                };
                if let Some(command) = command {
                    self.failed_in(session, command, Some(message.to_string()), failure);
                }
            }
            MediaEvent::ReportReceived {
                message,
                range,
                status,
                ..
            } => {
                let command = self
                    .sessions
                    .table
                    .get(&session)
                    .and_then(|entry| entry.reported.get(&message).copied());
                self.tell(Event::Report {
                    session,
                    command,
                    message_id: message.to_string(),
                    range: range.map_or((1, None, None), |range| (range.start, range.end, range.total)),
                    status: status.code.code(),
                });
            }
            MediaEvent::NicknameAnswered {
                transaction, status, ..
            } => {
                let entry = self.sessions.table.get_mut(&session);
                if let Some((command, name)) = entry.and_then(|entry| entry.nicknames.remove(&transaction)) {
                    self.push_event(Event::Nickname {
                        session,
                        command,
                        name,
                        status: status.code(),
                    });
                }
            }
            MediaEvent::NicknameRequested {
                session: media,
                transaction,
                ..
            } => {
                // Only a conference gives names.
                let _ = self
                    .wire
                    .msrp
                    .respond(media, &transaction, msrp::StatusCode::FORBIDDEN, now);
            }
            MediaEvent::SessionEnded {
                session: media,
                reason,
            } => self.on_media_ended(session, media, reason),
            _ => {}
        }
    }

    /// Whose message it was; reports on it may still come.
    fn sending(&mut self, session: SessionKey, message: &msrp::MessageId) -> Option<CommandId> {
        let entry = self.sessions.table.get_mut(&session)?;
        let command = entry.sending.remove(message)?;
        entry.reported.insert(message.clone(), command);
        Some(command)
    }

    fn on_media_ended(&mut self, session: SessionKey, media: msrp::endpoint::SessionKey, reason: EndReason) {
        self.sessions.by_media.remove(&media);
        let Some(entry) = self.sessions.table.get_mut(&session) else {
            return;
        };
        if entry.media.session != Some(media) {
            return;
        }
        entry.media.session = None;
        let lost: Vec<CommandId> = std::mem::take(&mut entry.sending).into_values().collect();
        let nicknames: Vec<CommandId> = std::mem::take(&mut entry.nicknames)
            .into_values()
            .map(|(command, _)| command)
            .collect();
        let (up, ending) = (matches!(entry.stage, Stage::Up { .. }), entry.ending);
        for command in lost.into_iter().chain(nicknames) {
            self.failed_in(session, command, None, Failure::local("the session has ended"));
        }
        if up {
            if ending.is_none() {
                let text = match reason {
                    EndReason::ConnectionLost => "the connection of the session is lost",
                    EndReason::OpenFailed => "the session cannot be connected",
                    EndReason::Timeout => "the session's peer does not answer",
                    EndReason::Refused(_) => "the session's peer has refused",
                    _ => "the session has ended",
                };
                if let Some(entry) = self.sessions.table.get_mut(&session) {
                    entry.lost = Some(text);
                }
            }
            self.start(super::Job {
                command: ending,
                work: super::Work::Bye(session),
            });
        }
    }
}
