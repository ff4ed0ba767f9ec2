//! What the function has to say, and the names it gives.

use std::collections::VecDeque;

use msrp::{Entropy, MessageId, StatusCode as MsrpStatusCode, TransactionId};
use sip_im::{Request, Response};

use super::event::Event;
use super::roster::ParticipantKey;
use crate::effect::{Effect, EffectId};
use crate::signal::{
    Destination, Ids, IncomingId, MediaCommand, MediaId, OutgoingId, RoleKind, SessionCase, Transmit,
};

/// What waits to be polled.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) transmits: VecDeque<Transmit>,
    pub(super) effects: VecDeque<Effect>,
    events: VecDeque<Event>,
}

impl Outbox {
    /// A response of the function's own.
    pub(super) fn respond(&mut self, id: IncomingId, response: Response) {
        self.transmits.push_back(Transmit::Respond { id, response });
    }

    /// A request, which goes where its Route and Request-URI lead.
    pub(super) fn request(&mut self, id: OutgoingId, request: Request) {
        self.transmits.push_back(Transmit::Request {
            id,
            request,
            destination: TO_THE_USER,
        });
    }

    /// The ACK to a 2xx.
    pub(super) fn acknowledge(&mut self, id: OutgoingId, request: Request) {
        self.transmits.push_back(Transmit::Acknowledge {
            id,
            request,
            destination: TO_THE_USER,
        });
    }

    /// Cancels an INVITE.
    pub(super) fn cancel(&mut self, id: OutgoingId) {
        self.transmits.push_back(Transmit::Cancel { id });
    }

    /// A command for a media session.
    pub(super) fn media(&mut self, media: MediaId, command: MediaCommand) {
        self.transmits.push_back(Transmit::Media { media, command });
    }

    /// The answer to a chunk or a NICKNAME request.
    pub(super) fn answer(&mut self, media: MediaId, transaction: TransactionId, status: MsrpStatusCode) {
        self.media(media, MediaCommand::Respond(transaction, status));
    }

    /// A piece of news. A host that takes none loses the oldest.
    pub(super) fn event(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.transmits.is_empty() && self.effects.is_empty() && self.events.is_empty()
    }
}

/// Everything that the focus sends goes to a user, so the next server of this domain acts for the one it is addressed to.
const TO_THE_USER: Destination = Destination::Route {
    case: SessionCase::Terminating,
};

/// News that waits at the most.
const MAX_EVENTS: usize = 10_000;

/// Gives names that are not used again, and tokens that cannot be guessed.
pub(super) struct Mint {
    ids: Ids,
    entropy: Entropy,
    last_key: u64,
}

impl std::fmt::Debug for Mint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mint")
            .field("ids", &self.ids)
            .field("last_key", &self.last_key)
            .finish_non_exhaustive()
    }
}

impl Mint {
    pub(super) fn new(entropy: Entropy) -> Self {
        Self {
            ids: Ids::new(RoleKind::Controlling),
            entropy,
            last_key: 0,
        }
    }

    /// 128 random bits as hexadecimal text: a tag, a Call-ID, the user part of a conference URI.
    pub(super) fn token(&mut self) -> String {
        let mut octets = [0; 16];
        (self.entropy)(&mut octets);
        format!("{:032x}", u128::from_be_bytes(octets))
    }

    /// The id of a message that the switch sends: RFC 7701 9.3 sends copies under ids of their own.
    pub(super) fn message(&mut self) -> MessageId {
        MessageId::random(&mut self.entropy)
    }

    /// The entropy, for what mints from it by itself.
    pub(super) fn entropy(&mut self) -> &mut Entropy {
        &mut self.entropy
    }

    pub(super) fn outgoing(&mut self) -> OutgoingId {
        self.ids.outgoing()
    }

    pub(super) fn media(&mut self) -> MediaId {
        self.ids.media()
    }

    pub(super) fn effect(&mut self) -> EffectId {
        self.ids.effect()
    }

    /// A key for a conference or a subscription.
    pub(super) fn key(&mut self) -> u64 {
        self.last_key = self.last_key.wrapping_add(1);
        self.last_key
    }

    /// A key for a participant's session.
    pub(super) fn participant(&mut self) -> ParticipantKey {
        ParticipantKey(self.key())
    }
}
