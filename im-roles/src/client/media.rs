//! What is said in sessions: MSRP (RFC 4975), in conferences within CPIM (RFC 7701).

use std::time::Instant;

use bytes::Bytes;
use im_xdm_model::document::is_composing::{IsComposing, State};
use msrp::cpim;
use msrp::endpoint::{
    Acknowledge, Delivery, EndReason, Event as MediaEvent, NicknameError, OutgoingBody, OutgoingMessage,
    Role, SendError, SessionConfig,
};
use sip_im::sdp::{self, LocalMedia, Setup};
use sip_im::{ContentType, Uri};

use super::event::{CommandId, Event, Failure, Party, ReceivedMessage, SessionKey};
use super::message::Content;
use super::session::Stage;
use super::wire::Link;
use super::{Client, CommandError};

/// The media of one session.
#[derive(Debug, Default)]
pub(super) struct Media {
    /// The session of MSRP, once it is open.
    pub(super) session: Option<msrp::endpoint::SessionKey>,
    /// This end's path.
    local: Option<msrp::Uri>,
    /// What the peer takes.
    accept_types: Vec<String>,
    accept_wrapped_types: Vec<String>,
    max_size: Option<u64>,
    /// The description that was sent, to be repeated in answer to a re-INVITE.
    pub(super) local_sdp: Option<Bytes>,
    /// Whether it is bound to its connection.
    pub(super) bound: bool,
    /// Whether it is to end once what waits has gone out.
    pub(super) closing: bool,
}

impl Client {
    /// Says something in a session: to all, or with `to` to one participant of a conference alone. Large content is
    /// fine; it goes out in pieces, between those of other messages.
    ///
    /// # Errors
    ///
    /// Fails when the session is not there, its peer does not take such content, or too much waits.
    pub fn say(
        &mut self,
        session: SessionKey,
        content: Content,
        to: Option<&str>,
        report: bool,
        now: Instant,
    ) -> Result<CommandId, CommandError> {
        //= R-5.3.1-05
        let id = self.send_content(session, content, to, report, now)?;
        let command = self.mint_command();
        if let Some(entry) = self.sessions.table.get_mut(&session) {
            entry.sending.insert(id, command);
        }
        self.settle(now);
        Ok(command)
    }

    /// Tells the others in a session that the user is writing, or has stopped (RFC 3994).
    ///
    /// # Errors
    ///
    /// As for [`say`](Self::say).
    pub fn composing(&mut self, session: SessionKey, active: bool, now: Instant) -> Result<(), CommandError> {
        let state = if active { State::Active } else { State::Idle };
        let mut document = IsComposing::new(state);
        document.content_type = Some("text/plain".to_owned());
        let content_type =
            ContentType::parse("application/im-iscomposing+xml").map_err(|_| CommandError::Unwritable)?;
        self.send_content(
            session,
            Content::new(content_type, document.write()),
            None,
            false,
            now,
        )?;
        self.settle(now);
        Ok(())
    }

    /// Asks a conference for a nickname (RFC 7701 7).
    ///
    /// # Errors
    ///
    /// Fails when the session is not there or not a conference, or the name cannot be asked for.
    pub fn nickname(
        &mut self,
        session: SessionKey,
        name: &str,
        now: Instant,
    ) -> Result<CommandId, CommandError> {
        let entry = self.sessions.table.get(&session).ok_or(CommandError::NoSession)?;
        if !entry.conference {
            return Err(CommandError::NotAConference);
        }
        let media = entry.media.session.ok_or(CommandError::WrongState)?;
        if entry.nicknames.len() >= NICKNAMES {
            return Err(CommandError::TooMany);
        }
        let transaction = self
            .wire
            .msrp
            .nickname(media, name, now)
            .map_err(|error| match error {
                NicknameError::Malformed => CommandError::Unwritable,
                _ => CommandError::WrongState,
            })?;
        let command = self.mint_command();
        if let Some(entry) = self.sessions.table.get_mut(&session) {
            entry.nicknames.insert(transaction, (command, name.to_owned()));
        }
        self.settle(now);
        Ok(command)
    }

    fn send_content(
        &mut self,
        session: SessionKey,
        content: Content,
        to: Option<&str>,
        report: bool,
        now: Instant,
    ) -> Result<msrp::MessageId, CommandError> {
        let entry = self.sessions.table.get(&session).ok_or(CommandError::NoSession)?;
        let (Stage::Up { .. }, false, Some(media)) = (&entry.stage, entry.media.closing, entry.media.session)
        else {
            return Err(CommandError::WrongState);
        };
        let bare = !entry.conference && takes(&entry.media.accept_types, &content.content_type);
        let wrapper = ContentType::message_cpim();
        let wrappable = takes(&entry.media.accept_types, &wrapper)
            && takes(&entry.media.accept_wrapped_types, &content.content_type);
        if !bare && !wrappable {
            return Err(CommandError::NotAccepted);
        }
        let (content_type, body) = if bare {
            (content.content_type, content.body)
        } else {
            let (name, from) = self.sender(entry.privacy);
            let to = to.map_or_else(|| entry.peer.to_string(), ToOwned::to_owned);
            let message = cpim::Message::builder()
                .from(name.as_deref(), &from)
                .to(None, &to)
                .date_time(cpim::DateTime::from_unix(self.clock.unix(now)))
                .content(content.content_type, content.body)
                .build()
                .map_err(|_| CommandError::Unwritable)?;
            (wrapper, message.to_bytes())
        };
        let octets = u64::try_from(body.len()).unwrap_or(u64::MAX);
        if entry.media.max_size.is_some_and(|most| octets > most) {
            return Err(CommandError::NotAccepted);
        }
        let mut message = OutgoingMessage::new(content_type, OutgoingBody::Whole(body));
        message.success_report = report;
        self.wire
            .msrp
            .send(media, message, now)
            .map_err(|error| match error {
                SendError::QueueFull => CommandError::TooMany,
                SendError::TooLarge => CommandError::NotAccepted,
                _ => CommandError::WrongState,
            })
    }

    /// This end of a session that is to be offered. Where the host takes connections, the peer may choose who connects.
    pub(super) fn offer_media(
        &mut self,
        session: SessionKey,
        conference: bool,
        now: Instant,
    ) -> Option<(Media, LocalMedia)> {
        let listening = self.config.media_listen.is_some() && !conference;
        let path = self.mint_path(listening)?;
        let setup = if listening { Setup::ActPass } else { Setup::Active };
        let local = self.local_media(path.clone(), setup, conference);
        let mut media = Media {
            local: Some(path),
            ..Media::default()
        };
        media.local_sdp = Some(Bytes::from(sdp::offer(&local).to_string()));
        if listening {
            // The peer may connect before its answer arrives.
            self.open_media(session, &mut media, Vec::new(), Role::Passive, now)?;
        }
        Some((media, local))
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
        media.learn(&remote);
        //= https://www.rfc-editor.org/rfc/rfc6135#section-4.2
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
        let remote = offer.message_media()?;
        let conference = self.sessions.table.get(&session)?.conference;
        // Who connects: the one that is able to, the answerer rather than the offerer (RFC 4145 4.1, RFC 6135 4.2).
        let active = match remote.setup {
            Some(Setup::Active) => {
                self.config.media_listen.as_ref()?;
                false
            }
            _ => true,
        };
        let path = self.mint_path(!active)?;
        let local = self.local_media(
            path.clone(),
            if active { Setup::Active } else { Setup::Passive },
            conference,
        );
        let answer = sdp::answer(offer, &local).ok()?;
        let mut media = Media {
            local: Some(path),
            ..Media::default()
        };
        media.learn(&remote);
        let role = if active { Role::Active } else { Role::Passive };
        self.open_media(session, &mut media, remote.path.clone(), role, now)?;
        let text = Bytes::from(answer.session.to_string());
        media.local_sdp = Some(text.clone());
        self.sessions.table.get_mut(&session)?.media = media;
        Some(text)
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

    fn local_media(&self, path: msrp::Uri, setup: Setup, conference: bool) -> LocalMedia {
        let mut local = LocalMedia::new(path);
        let types: &[&str] = if conference {
            &["message/cpim"]
        } else {
            &["text/plain", "message/cpim", "*"]
        };
        local.accept_types = types.iter().map(|name| (*name).to_owned()).collect();
        local.accept_wrapped_types = vec!["*".to_owned()];
        local.max_size = Some(self.config.limits.max_message_size);
        local.setup = Some(setup);
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
        config.max_size = media.max_size;
        let opened = self.wire.msrp.open_session(config, now).ok()?;
        media.session = Some(opened);
        self.sessions.by_media.insert(opened, session);
        Some(())
    }

    /// News of a session's media.
    pub(super) fn on_media(&mut self, event: MediaEvent, now: Instant) {
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

    /// Something was said in a session.
    fn on_said(&mut self, session: SessionKey, id: &msrp::MessageId, content_type: ContentType, body: Bytes) {
        let Some(entry) = self.sessions.table.get(&session) else {
            return;
        };
        let peer = entry.peer.clone();
        let conference = entry.conference;
        let mut said = Said {
            from: (!conference).then(|| Party::new(peer.to_string(), None)),
            to: Vec::new(),
            message_id: id.to_string(),
            datetime: None,
            subject: None,
            content_type,
            body,
        };
        if said.content_type.is("message", "cpim") && said.open(conference).is_none() {
            return;
        }
        if said.content_type.is("application", "im-iscomposing+xml") {
            return self.on_composing(Some(session), said.from, &said.body);
        }
        if said.content_type.is("message", "imdn+xml") {
            return self.on_notification(said.from, &said.body);
        }
        let to_all = |to: &String| Uri::parse(to).is_ok_and(|to| to.identity() == peer.identity());
        let private = conference && !said.to.is_empty() && !said.to.iter().any(to_all);
        self.tell(Event::MessageReceived(ReceivedMessage {
            session: Some(session),
            from: said.from,
            to: said.to,
            private,
            message_id: Some(said.message_id),
            datetime: said.datetime,
            subject: said.subject,
            content_type: said.content_type,
            body: said.body,
            display_wanted: false,
            recipients: Vec::new(),
        }));
    }

    pub(super) fn on_composing(&mut self, session: Option<SessionKey>, from: Option<Party>, body: &Bytes) {
        let Ok(document) = IsComposing::parse(body, &im_xdm_model::xml::Limits::default()) else {
            return;
        };
        self.tell(Event::Composing {
            session,
            from,
            active: document.state == State::Active,
        });
    }
}

impl Media {
    fn learn(&mut self, remote: &sdp::MessageMedia) {
        self.accept_types.clone_from(&remote.accept_types);
        self.accept_wrapped_types.clone_from(&remote.accept_wrapped_types);
        self.max_size = remote.max_size;
    }
}

/// A message of a session, its envelope opened.
struct Said {
    from: Option<Party>,
    to: Vec<String>,
    message_id: String,
    datetime: Option<String>,
    subject: Option<String>,
    content_type: ContentType,
    body: Bytes,
}

impl Said {
    /// Takes the envelope off. In a conference the focus has seen to it that its From is true; elsewhere it is the
    /// session that tells who speaks.
    fn open(&mut self, conference: bool) -> Option<()> {
        let message = cpim::Message::parse(&self.body).ok()?;
        if conference {
            let from = message.head().from()?;
            self.from = Some(Party::new(
                from.uri.to_string(),
                from.name.as_ref().map(ToString::to_string),
            ));
        }
        self.to = message
            .head()
            .to()
            .iter()
            .map(|address| address.uri.to_string())
            .collect();
        self.datetime = message.head().date_time().map(ToString::to_string);
        self.subject = message
            .head()
            .subjects()
            .first()
            .map(|subject| subject.text.to_string());
        self.content_type = message.head().content_type().clone();
        self.body = message.content().clone();
        Some(())
    }
}

/// Whether a list of media ranges takes a type.
fn takes(ranges: &[String], content_type: &ContentType) -> bool {
    ranges.iter().any(|range| content_type.matches(range))
}

/// Requests for a nickname that one session may have under way.
const NICKNAMES: usize = 16;
