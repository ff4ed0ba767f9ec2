//! What is said in sessions: in conferences within CPIM (RFC 7701), else as it is.

use std::time::Instant;

use bytes::Bytes;
use im_xdm_model::document::is_composing::{IsComposing, State};
use msrp::cpim;
use msrp::endpoint::{NicknameError, OutgoingBody, OutgoingMessage, SendError};
use sip_im::{ContentType, Uri};

use super::event::{CommandId, Event, Party, ReceivedMessage, SessionKey};
use super::message::Content;
use super::session::Stage;
use super::{Client, CommandError};

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
        let remote = entry.media.remote.as_ref().ok_or(CommandError::WrongState)?;
        let wrapper = ContentType::message_cpim();
        let bare = !entry.conference && remote.accepts(&content.content_type);
        let wrappable = remote.accepts(&wrapper) && remote.accepts_wrapped(&content.content_type);
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
        if remote.max_size.is_some_and(|most| octets > most) {
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

    /// Something was said in a session.
    pub(super) fn on_said(
        &mut self,
        session: SessionKey,
        id: &msrp::MessageId,
        content_type: ContentType,
        body: Bytes,
    ) {
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
            expired: false,
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

/// Requests for a nickname that one session may have under way.
const NICKNAMES: usize = 16;
