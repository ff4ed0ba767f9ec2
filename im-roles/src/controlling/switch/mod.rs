//! The MSRP switch of one conference (RFC 7701 6): takes messages in, and hands copies to the other participants as
//! slices of what arrives, piece by piece.
//!
//! The switch is an endpoint of MSRP: it answers chunks by itself and passes no reports on. It changes nothing in a
//! message, with one exception: an anonymous sender's From in the envelope becomes his pseudonym (R-6.3-07), by which the
//! message's total moves.

mod envelope;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use msrp::cpim::{self, HeadParser, Progress};
use msrp::endpoint::{OutgoingBody, OutgoingMessage};
use msrp::header::FailureReport;
use msrp::{MessageId, StatusCode, TransactionId};
use sip_im::{Aliases, ContentType, Identity, Uri};

use self::envelope::{Envelope, check_from, recipients};
use super::event::Event;
use super::outbox::{Mint, Outbox};
use super::roster::{ParticipantKey, Roster};
use crate::signal::{MediaCommand, MediaId};

/// What the switch knows of its conference.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room<'a> {
    /// The conference's URI.
    pub(super) uri: &'a Uri,
    /// Its identity, by which messages to all are addressed.
    pub(super) identity: &'a Identity,
    /// The alias sets.
    pub(super) aliases: &'a Aliases,
    /// Who is there.
    pub(super) roster: &'a Roster,
    /// Octets of a message.
    pub(super) max_message_size: u64,
    /// How long chunks of one message may be apart.
    pub(super) chunk_timer: Duration,
}

/// The messages under way in one conference.
#[derive(Debug, Default)]
pub(super) struct Switch {
    open: BTreeMap<ParticipantKey, BTreeMap<MessageId, Open>>,
    /// To which message a copy belongs, by the session it goes to.
    copies: BTreeMap<MediaId, BTreeMap<MessageId, (ParticipantKey, MessageId)>>,
    /// The chunk timers.
    deadlines: BTreeSet<(Instant, ParticipantKey, MessageId)>,
}

/// A message that is coming in.
#[derive(Debug)]
struct Open {
    /// Octets that have come, in order and without a gap.
    received: u64,
    /// Octets that the message has, if its sender knows.
    total: Option<u64>,
    /// When it is given up.
    deadline: Instant,
    /// Whether the chunk that ends it has been answered.
    ended: bool,
    state: State,
}

/// How far a message is.
#[derive(Debug)]
enum State {
    /// The envelope's head is not complete; these octets of it have come.
    Head(Box<HeadParser>, Vec<Bytes>),
    /// It goes out to those who were there when its head was complete.
    //= https://www.rfc-editor.org/rfc/rfc7701#section-6.1
    //# The MSRP switch SHOULD
    //# forward subsequent chunks only to those recipients who were sent the
    //# initial chunks
    Forward(Vec<(MediaId, MessageId)>),
    /// It is refused; its remaining chunks are answered so.
    Refused(StatusCode),
    /// Every octet has gone out.
    Done,
}

impl Switch {
    /// The first chunk timer to run out.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, ..)| *at)
    }

    /// The first chunk of a message is there.
    pub(super) fn start(
        &mut self,
        room: &Room<'_>,
        sender: ParticipantKey,
        first: First<'_>,
        out: &mut Outbox,
        now: Instant,
    ) {
        let First {
            message,
            content_type,
            total,
        } = first;
        self.give_up(sender, &message, out);
        // The chunks of a message that is not known are refused.
        if self
            .open
            .get(&sender)
            .is_some_and(|open| open.len() >= MAX_OPEN_MESSAGES)
        {
            return report_refusal(room, sender, StatusCode::PAYLOAD_TOO_LARGE, out);
        }
        let state = if total.is_some_and(|total| total > room.max_message_size) {
            State::Refused(StatusCode::PAYLOAD_TOO_LARGE)
        } else if content_type.is_some_and(|found| !found.is("message", "cpim")) {
            //= https://www.rfc-editor.org/rfc/rfc7701#section-6.3
            //# If the MSRP switch receives an MSRP SEND request that does not
            //# contain a Message/CPIM wrapper, the MSRP switch MUST reject the
            //# request with a 415 response
            State::Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        } else {
            State::Head(Box::new(HeadParser::new(cpim::Limits::default())), Vec::new())
        };
        if let State::Refused(status) = &state {
            report_refusal(room, sender, *status, out);
        }
        let deadline = now + room.chunk_timer;
        self.deadlines.insert((deadline, sender, message.clone()));
        self.open.entry(sender).or_default().insert(
            message,
            Open {
                received: 0,
                total,
                deadline,
                ended: false,
                state,
            },
        );
    }

    /// Octets of a message.
    pub(super) fn body(
        &mut self,
        room: &Room<'_>,
        sender: ParticipantKey,
        piece: Piece<'_>,
        mint: &mut Mint,
        out: &mut Outbox,
    ) {
        let Piece {
            message,
            offset,
            data,
        } = piece;
        let Some(open) = self.open.get_mut(&sender).and_then(|open| open.get_mut(message)) else {
            return;
        };
        if matches!(open.state, State::Refused(_) | State::Done) {
            return;
        }
        // A piece that repeats what is there already is cut to what is new. One that leaves a gap cannot be forwarded,
        // since the copies are streams.
        let data = match open.received.checked_sub(offset) {
            None => return self.refuse(room, sender, message, StatusCode::PAYLOAD_TOO_LARGE, out),
            Some(known) => match usize::try_from(known) {
                Ok(known) if known < data.len() => data.slice(known..),
                _ => return,
            },
        };
        open.received = open
            .received
            .saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        if open.received > room.max_message_size {
            return self.refuse(room, sender, message, StatusCode::PAYLOAD_TOO_LARGE, out);
        }
        match &mut open.state {
            State::Refused(_) | State::Done => {}
            State::Forward(copies) => {
                for (media, id) in copies.iter() {
                    out.media(*media, MediaCommand::Append(id.clone(), data.clone()));
                }
            }
            State::Head(parser, pieces) => match parser.push(&data) {
                Ok(Progress::NeedMore) => pieces.push(data),
                Ok(Progress::Done { head, consumed }) => {
                    let consumed = consumed.min(data.len());
                    let mut pieces = std::mem::take(pieces);
                    pieces.push(data.slice(..consumed));
                    let envelope = Envelope {
                        head: *head,
                        pieces,
                        rest: data.slice(consumed..),
                        total: open.total,
                    };
                    match self.fan_out(room, sender, message, envelope, mint, out) {
                        Ok(()) => {}
                        Err(status) => self.refuse(room, sender, message, status, out),
                    }
                }
                Ok(_) | Err(_) => self.refuse(room, sender, message, StatusCode::BAD_REQUEST, out),
            },
        }
    }

    /// A chunk has ended, and is owed an answer.
    pub(super) fn chunk(
        &mut self,
        room: &Room<'_>,
        sender: ParticipantKey,
        chunk: &Chunk<'_>,
        out: &mut Outbox,
        now: Instant,
    ) {
        let Chunk {
            message,
            transaction,
            empty,
            last,
        } = *chunk;
        let Some(media) = room.roster.get(sender).map(|participant| participant.media) else {
            return;
        };
        // A SEND without a body keeps a session alive, and begins no message. A message that is not known was given up.
        let mut status = if empty {
            StatusCode::OK
        } else {
            StatusCode::PAYLOAD_TOO_LARGE
        };
        let mut over = false;
        if let Some(open) = self.open.get_mut(&sender).and_then(|open| open.get_mut(message)) {
            //= https://www.rfc-editor.org/rfc/rfc7701#section-6.1
            //# This chunk reception timer can be reset every time a new chunk of the
            //# same message is received.
            self.deadlines.remove(&(open.deadline, sender, message.clone()));
            open.deadline = now + room.chunk_timer;
            self.deadlines.insert((open.deadline, sender, message.clone()));
            open.ended |= last;
            (status, over) = match open.state {
                State::Refused(refused) => (refused, last),
                State::Done => (StatusCode::OK, last),
                State::Head(..) | State::Forward(_) => (StatusCode::OK, false),
            };
        }
        if over {
            self.forget(sender, message);
        }
        out.answer(media, transaction, status);
    }

    /// Every octet of a message is there.
    pub(super) fn complete(
        &mut self,
        room: &Room<'_>,
        sender: ParticipantKey,
        message: &MessageId,
        out: &mut Outbox,
    ) {
        let Some(open) = self.open.get_mut(&sender).and_then(|open| open.get_mut(message)) else {
            return;
        };
        let (before, empty, ended) = match open.state {
            State::Head(..) | State::Forward(_) => (
                std::mem::replace(&mut open.state, State::Done),
                open.received == 0,
                open.ended,
            ),
            State::Refused(_) | State::Done => return,
        };
        match &before {
            State::Forward(copies) => {
                for (media, id) in copies {
                    out.media(*media, MediaCommand::Finish(id.clone()));
                }
            }
            // A SEND without a body binds the session, and is nobody's message.
            State::Head(..) if empty => {}
            _ => self.refuse(room, sender, message, StatusCode::BAD_REQUEST, out),
        }
        self.forget_copies(&before);
        if ended {
            self.forget(sender, message);
        }
    }

    /// A message is given up by its sender, or with its sender.
    pub(super) fn give_up(&mut self, sender: ParticipantKey, message: &MessageId, out: &mut Outbox) {
        if let Some(open) = self.open.get(&sender).and_then(|open| open.get(message)) {
            abort(&open.state, out);
            self.forget(sender, message);
        }
    }

    /// Acts on the chunk timers up to `now`.
    //= https://www.rfc-editor.org/rfc/rfc7701#section-6.1
    //# When this timer expires, the MSRP switch
    //# MUST consider that the sending of the message was aborted
    pub(super) fn handle_timeout(&mut self, room: &Room<'_>, out: &mut Outbox, now: Instant) {
        while let Some((at, sender, message)) = self.deadlines.first().cloned() {
            if at > now {
                break;
            }
            let of_sender = self.open.get(&sender).and_then(|open| open.get(&message));
            if of_sender.is_some_and(|open| matches!(open.state, State::Head(..) | State::Forward(_))) {
                report_refusal(room, sender, StatusCode::REQUEST_TIMEOUT, out);
            }
            self.deadlines.remove(&(at, sender, message.clone()));
            self.give_up(sender, &message, out);
        }
    }

    /// A participant has left: his messages are given up, and no copy goes to him any more.
    pub(super) fn leave(&mut self, participant: ParticipantKey, media: MediaId, out: &mut Outbox) {
        let messages: Vec<_> = self
            .open
            .get(&participant)
            .map(|open| open.keys().cloned().collect())
            .unwrap_or_default();
        for message in messages {
            self.give_up(participant, &message, out);
        }
        for (copy, (sender, message)) in self.copies.remove(&media).unwrap_or_default() {
            self.drop_from(sender, &message, media, &copy);
        }
    }

    /// A copy is not going on; the others are. Says whether the copy was known.
    pub(super) fn copy_failed(&mut self, media: MediaId, copy: &MessageId) -> bool {
        let Some((sender, message)) = self.copies.get_mut(&media).and_then(|copies| copies.remove(copy))
        else {
            return false;
        };
        if self.copies.get(&media).is_some_and(BTreeMap::is_empty) {
            self.copies.remove(&media);
        }
        self.drop_from(sender, &message, media, copy);
        true
    }

    fn drop_from(&mut self, sender: ParticipantKey, message: &MessageId, media: MediaId, copy: &MessageId) {
        let open = self.open.get_mut(&sender).and_then(|open| open.get_mut(message));
        if let Some(State::Forward(copies)) = open.map(|open| &mut open.state) {
            copies.retain(|(of, id)| *of != media || id != copy);
        }
    }

    /// Refuses a message, with what of it has gone out already.
    fn refuse(
        &mut self,
        room: &Room<'_>,
        sender: ParticipantKey,
        message: &MessageId,
        status: StatusCode,
        out: &mut Outbox,
    ) {
        let Some(open) = self.open.get_mut(&sender).and_then(|open| open.get_mut(message)) else {
            return;
        };
        let before = std::mem::replace(&mut open.state, State::Refused(status));
        abort(&before, out);
        self.forget_copies(&before);
        report_refusal(room, sender, status, out);
    }

    fn forget(&mut self, sender: ParticipantKey, message: &MessageId) {
        let Some(of_sender) = self.open.get_mut(&sender) else {
            return;
        };
        let Some(open) = of_sender.remove(message) else {
            return;
        };
        if of_sender.is_empty() {
            self.open.remove(&sender);
        }
        self.deadlines.remove(&(open.deadline, sender, message.clone()));
        self.forget_copies(&open.state);
    }

    fn forget_copies(&mut self, state: &State) {
        let State::Forward(copies) = state else { return };
        for (media, copy) in copies {
            if let Some(of_media) = self.copies.get_mut(media) {
                of_media.remove(copy);
                if of_media.is_empty() {
                    self.copies.remove(media);
                }
            }
        }
    }

    /// The envelope's head is there: who gets the message is decided, once.
    fn fan_out(
        &mut self,
        room: &Room<'_>,
        sender: ParticipantKey,
        message: &MessageId,
        envelope: Envelope,
        mint: &mut Mint,
        out: &mut Outbox,
    ) -> Result<(), StatusCode> {
        let participant = room.roster.get(sender).ok_or(StatusCode::FORBIDDEN)?;
        check_from(room, participant, &envelope.head)?;
        let (recipients, private) = recipients(room, sender, &envelope.head)?;
        let rest = envelope.rest.clone();
        let (pieces, total) = envelope.outgoing(participant)?;
        let mut copies = Vec::with_capacity(recipients.len());
        for media in recipients {
            let id = mint.message();
            let mut outgoing =
                OutgoingMessage::new(ContentType::message_cpim(), OutgoingBody::Streamed { total });
            outgoing.message_id = Some(id.clone());
            //= https://www.rfc-editor.org/rfc/rfc7701#section-6.3
            //# When the MSRP switch forwards a SEND request, it MAY use any report
            //# model in the copies intended for the recipients.
            outgoing.failure_report = FailureReport::Partial;
            out.media(media, MediaCommand::Send(outgoing));
            for piece in pieces.iter().chain([&rest]).filter(|piece| !piece.is_empty()) {
                out.media(media, MediaCommand::Append(id.clone(), piece.clone()));
            }
            self.copies
                .entry(media)
                .or_default()
                .insert(id.clone(), (sender, message.clone()));
            copies.push((media, id));
        }
        out.event(Event::MessageSwitched {
            conference: room.uri.clone(),
            sender: participant.identity.clone(),
            copies: copies.len(),
            private,
        });
        if let Some(open) = self.open.get_mut(&sender).and_then(|open| open.get_mut(message)) {
            open.state = State::Forward(copies);
        }
        Ok(())
    }
}

/// The first chunk of a message, as its head describes it.
#[derive(Debug)]
pub(super) struct First<'a> {
    pub(super) message: MessageId,
    pub(super) content_type: Option<&'a ContentType>,
    pub(super) total: Option<u64>,
}

/// Octets of a message.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    pub(super) message: &'a MessageId,
    pub(super) offset: u64,
    pub(super) data: Bytes,
}

/// The end of a chunk.
#[derive(Debug)]
pub(super) struct Chunk<'a> {
    pub(super) message: &'a MessageId,
    pub(super) transaction: TransactionId,
    /// Whether it had no octets.
    pub(super) empty: bool,
    /// Whether no more follows.
    pub(super) last: bool,
}

/// Gives up the copies that are going out.
fn abort(state: &State, out: &mut Outbox) {
    if let State::Forward(copies) = state {
        for (media, id) in copies {
            out.media(*media, MediaCommand::Abort(id.clone()));
        }
    }
}

fn report_refusal(room: &Room<'_>, sender: ParticipantKey, status: StatusCode, out: &mut Outbox) {
    if let Some(participant) = room.roster.get(sender) {
        out.event(Event::MessageRefused {
            conference: room.uri.clone(),
            sender: participant.identity.clone(),
            status: status.code(),
        });
    }
}

/// Messages of one participant that may be under way at a time.
const MAX_OPEN_MESSAGES: usize = 64;
