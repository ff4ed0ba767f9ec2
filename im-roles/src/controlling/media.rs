//! The media sessions: what is offered for them, what the peers say of theirs, and the news from them.

use std::time::Instant;

use bytes::Bytes;
use msrp::codec::Continuation;
use msrp::endpoint::Event as MediaEvent;
use msrp::{MessageId, SessionId, StatusCode as MsrpStatusCode, TransactionId};
use sip_im::sdp::{self, LocalMedia, MessageMedia, Setup};
use sip_im::{ContentType, Response, StatusCode, mime};

use super::event::{Departure, Event};
use super::nickname::Nickname;
use super::reply::Refusal;
use super::roster::{Capabilities, ParticipantKey};
use super::switch::{Chunk, First, Piece, Room};
use super::{ConferenceKey, Controlling};
use crate::signal::{MediaId, MediaRefusal};

/// What a peer has said about its media session.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) path: Vec<msrp::Uri>,
    pub(super) max_size: Option<u64>,
    pub(super) capabilities: Capabilities,
}

/// Calls a method of a conference's switch with its room.
macro_rules! with_switch {
    ($self:ident, $key:expr, |$switch:ident, $room:ident| $body:expr) => {
        if let Some(conference) = $self.conferences.get_mut(&$key) {
            let $room = Room {
                uri: &conference.uri,
                identity: &conference.identity,
                aliases: &$self.aliases,
                roster: &conference.roster,
                max_message_size: $self.config.limits.max_message_size,
                chunk_timer: $self.config.limits.chunk_timer,
            };
            let $switch = &mut conference.switch;
            $body
        }
    };
}

impl Controlling {
    /// What this end says of a new media session: it waits for the peer to connect, and takes envelopes only.
    //= https://www.rfc-editor.org/rfc/rfc7701#section-5.2
    //# If the conference focus accepts the participant's SDP offer, when the
    //# conference focus generates the SDP answer, it MUST set the 'accept-
    //# types' attribute for the MSRP message media line to a value of
    //# 'Message/CPIM'.
    pub(super) fn local_media(&mut self, private: bool) -> Option<LocalMedia> {
        let session = SessionId::random(self.mint.entropy());
        let uri = msrp::Uri::new(
            false,
            &self.config.msrp_host,
            self.config.msrp_port,
            Some(&session),
            "tcp",
        )
        .ok()?;
        let mut local = LocalMedia::new(uri);
        local.accept_types = vec!["message/cpim".to_owned()];
        local.accept_wrapped_types = vec!["*".to_owned()];
        local.max_size = Some(self.config.limits.max_message_size);
        local.setup = Some(Setup::Passive);
        let mut tokens = vec!["nickname".to_owned()];
        tokens.extend(private.then(|| PRIVATE_MESSAGES.to_owned()));
        local.chatroom = Some(tokens);
        local.session_id = self.mint.key();
        Some(local)
    }

    /// News of a media session.
    pub(super) fn media_event(&mut self, media: MediaId, event: MediaEvent, now: Instant) {
        let Some(&(key, sender)) = self.media.get(&media) else {
            return;
        };
        match event {
            MediaEvent::MessageStarted {
                message,
                content_type,
                total,
                ..
            } => {
                let first = First {
                    message,
                    content_type: content_type.as_ref(),
                    total,
                };
                with_switch!(self, key, |switch, room| switch.start(
                    &room,
                    sender,
                    first,
                    &mut self.out,
                    now
                ));
            }
            MediaEvent::BodyReceived {
                message,
                offset,
                data,
                ..
            } => {
                let piece = Piece {
                    message: &message,
                    offset,
                    data,
                };
                with_switch!(self, key, |switch, room| {
                    switch.body(&room, sender, piece, &mut self.mint, &mut self.out);
                });
            }
            MediaEvent::ChunkReceived {
                message,
                transaction,
                range,
                continuation,
                ..
            } => {
                let chunk = Chunk {
                    message: &message,
                    transaction,
                    empty: range.end.is_some_and(|end| end < range.start),
                    last: continuation != Continuation::More,
                };
                with_switch!(self, key, |switch, room| switch.chunk(
                    &room,
                    sender,
                    &chunk,
                    &mut self.out,
                    now
                ));
            }
            MediaEvent::MessageCompleted { message, .. } => {
                with_switch!(self, key, |switch, room| switch.complete(
                    &room,
                    sender,
                    &message,
                    &mut self.out
                ));
            }
            MediaEvent::MessageAborted { message, .. } => {
                with_switch!(self, key, |switch, _room| switch.give_up(
                    sender,
                    &message,
                    &mut self.out
                ));
            }
            MediaEvent::MessageFailed { message, .. } => self.copy_failed(key, sender, media, &message),
            MediaEvent::NicknameRequested {
                transaction,
                nickname,
                ..
            } => {
                self.nickname(key, sender, media, transaction, &nickname, now);
            }
            // A session that is gone takes its dialog along, so that the roster shows who can be written to.
            MediaEvent::SessionEnded { .. } => {
                self.drop_participant(key, sender, Departure::Failed, true, now);
            }
            _ => {}
        }
        self.arm(key);
    }

    /// A command for a media session could not be carried out.
    pub(super) fn media_refused(
        &mut self,
        media: MediaId,
        message: Option<&MessageId>,
        reason: MediaRefusal,
        now: Instant,
    ) {
        let Some(&(key, participant)) = self.media.get(&media) else {
            return;
        };
        match (reason, message) {
            (MediaRefusal::CannotOpen | MediaRefusal::Ended, None) => {
                self.drop_participant(key, participant, Departure::Failed, true, now);
            }
            // Only the copy of the one who is slow is lost.
            (_, Some(message)) => self.copy_failed(key, participant, media, message),
            _ => {}
        }
        self.arm(key);
    }

    fn copy_failed(
        &mut self,
        key: ConferenceKey,
        participant: ParticipantKey,
        media: MediaId,
        copy: &MessageId,
    ) {
        let Some(conference) = self.conferences.get_mut(&key) else {
            return;
        };
        let Some(recipient) = conference
            .roster
            .get(participant)
            .map(|found| found.identity.clone())
        else {
            return;
        };
        if conference.switch.copy_failed(media, copy) {
            self.out.event(Event::CopyAborted {
                conference: conference.uri.clone(),
                recipient,
            });
        }
    }

    /// A participant asks for a nickname.
    fn nickname(
        &mut self,
        key: ConferenceKey,
        participant: ParticipantKey,
        media: MediaId,
        transaction: TransactionId,
        text: &str,
        now: Instant,
    ) {
        let Some(conference) = self.conferences.get_mut(&key) else {
            return;
        };
        let result =
            Nickname::prepare(text).and_then(|nickname| conference.roster.rename(participant, nickname));
        let status = result.err().unwrap_or(MsrpStatusCode::OK);
        self.out.answer(media, transaction, status);
        if status == MsrpStatusCode::OK
            && let Some(found) = conference.roster.get(participant)
        {
            self.out.event(Event::NicknameChanged {
                conference: conference.uri.clone(),
                user: found.identity.clone(),
                nickname: found
                    .nickname
                    .as_ref()
                    .map(|nickname| nickname.as_str().to_owned()),
            });
            self.changed(key, now);
        }
    }
}

/// Answers an offer, or makes one where there is none; and what the peer has said.
///
/// # Errors
///
/// Fails with what to answer.
pub(super) fn negotiate(offer: Option<&Bytes>, local: &LocalMedia) -> Result<(Bytes, Option<Peer>), Refusal> {
    let Some(offer) = offer else {
        return Ok((sdp::offer(local).write(), None));
    };
    let offer = sdp::Session::parse(offer).map_err(|_| StatusCode::BAD_REQUEST)?;
    let answer = sdp::answer(&offer, local).map_err(sdp::AnswerError::status)?;
    Ok((answer.session.write(), Some(Peer::of(&answer.remote)?)))
}

impl Peer {
    /// What the session description in a response to an INVITE says.
    pub(super) fn of_response(response: &Response) -> Result<Self, StatusCode> {
        let parts = mime::leaf_parts(response.headers(), response.body(), &mime::Limits::default());
        let parts = parts.map_err(|_| StatusCode::BAD_REQUEST)?;
        let part = parts
            .iter()
            .find(|part| part.content_type().is("application", "sdp"));
        Self::of_answer(part.ok_or(StatusCode::BAD_REQUEST)?.body())
    }

    /// What an answer to an offer of the focus says.
    pub(super) fn of_answer(answer: &Bytes) -> Result<Self, StatusCode> {
        let answer = sdp::Session::parse(answer).map_err(|_| StatusCode::BAD_REQUEST)?;
        let media = answer.message_media().ok_or(StatusCode::NOT_ACCEPTABLE_HERE)?;
        Self::of(&media)
    }

    fn of(media: &MessageMedia) -> Result<Self, StatusCode> {
        //= https://www.rfc-editor.org/rfc/rfc7701#section-5.2
        //# If the 'accept-
        //# types' attribute does not contain the value 'Message/CPIM', the
        //# conference focus will reject the request.
        if media.port == 0 || !media.accepts(&ContentType::message_cpim()) {
            return Err(StatusCode::NOT_ACCEPTABLE_HERE);
        }
        let mut wrapped = media.accept_wrapped_types.clone();
        if !wrapped.is_empty() {
            wrapped.extend_from_slice(&media.accept_types);
        }
        let tokens = media.chatroom.as_deref().unwrap_or_default();
        Ok(Self {
            path: media.path.clone(),
            max_size: media.max_size,
            capabilities: Capabilities {
                wrapped,
                private: tokens
                    .iter()
                    .any(|token| token.eq_ignore_ascii_case(PRIVATE_MESSAGES)),
            },
        })
    }
}

/// The token by which an end says that it tells private messages from others (RFC 7701 8).
const PRIVATE_MESSAGES: &str = "private-messages";
