//! Who is in a conference, under which name the others see him, and what has changed since when.

use std::collections::{BTreeMap, BTreeSet};

use sip_im::dialog::Dialog;
use sip_im::identity::is_anonymous_form;
use sip_im::sdp::LocalMedia;
use sip_im::{ContentType, Identity, Uri};

use super::nickname::{Nickname, Nicknames};
use super::timer::Timing;
use crate::signal::{IncomingId, MediaId, OutgoingId};

/// Names one participant's session; minted by the function, never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct ParticipantKey(pub(super) u64);

/// Who a request comes from, as every step behind the door sees him.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The real identity, alias sets folded.
    pub(super) identity: Identity,
    /// Every identity asserted for him, folded.
    pub(super) identities: Vec<Identity>,
    /// The address the others may see.
    pub(super) uri: Uri,
    /// The name the others may see.
    pub(super) display: Option<String>,
    /// Whether he asks that the others see neither.
    pub(super) anonymous: bool,
}

/// One participant's session.
#[derive(Debug)]
pub(super) struct Participant {
    /// The real identity, alias sets folded.
    pub(super) identity: Identity,
    /// Every identity by which he may sign, folded.
    pub(super) identities: Vec<Identity>,
    /// His address.
    pub(super) uri: Uri,
    /// His display name.
    pub(super) display: Option<String>,
    /// The number of his pseudonym, if the others see that only.
    pub(super) pseudonym: Option<u32>,
    /// His nickname in this session.
    pub(super) nickname: Option<Nickname>,
    /// His media session.
    pub(super) media: MediaId,
    /// What this end has said of it.
    pub(super) local: LocalMedia,
    /// The path to his end of it, as far as it is known.
    pub(super) remote: Vec<msrp::Uri>,
    /// Whether he may send to one participant.
    pub(super) may_whisper: bool,
    /// His INVITE whose 200 is not acknowledged yet.
    pub(super) unacknowledged: Option<IncomingId>,
    /// What his end of it can take.
    pub(super) capabilities: Capabilities,
    /// The timer of his session.
    pub(super) timing: Timing,
    /// How far his session is.
    pub(super) phase: Phase,
    /// Whether he came by himself.
    pub(super) dialed_in: bool,
}

/// What a participant's client has said in its session description.
#[derive(Clone, Debug, Default)]
pub(super) struct Capabilities {
    /// The media types that it takes inside the envelope; empty when it did not say, which means any.
    pub(super) wrapped: Vec<String>,
    /// Whether it can tell a private message from one to all (RFC 7701 8).
    pub(super) private: bool,
}

impl Capabilities {
    /// May content of this type be sent to it?
    pub(super) fn accepts(&self, content: &ContentType) -> bool {
        self.wrapped.is_empty() || self.wrapped.iter().any(|range| content.matches(range))
    }
}

/// How far a participant's session is.
#[derive(Debug)]
pub(super) enum Phase {
    /// The focus has sent this INVITE.
    Dialing {
        /// The INVITE.
        invite: OutgoingId,
    },
    /// There is a dialog.
    Connected {
        /// The dialog.
        dialog: Box<Dialog>,
        /// Whether the focus has made the offer in its 200, so that the ACK brings the answer.
        answer_in_ack: bool,
    },
}

impl Participant {
    /// Is his session established?
    pub(super) fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected { .. })
    }

    /// The address by which the others know him.
    pub(super) fn shown_uri(&self) -> String {
        match self.pseudonym {
            Some(number) => pseudonym_uri(number),
            None => self.uri.identity().to_string(),
        }
    }

    /// The name by which the others know him.
    pub(super) fn shown_name(&self) -> Option<String> {
        match self.pseudonym {
            Some(number) => Some(format!("Anonymous {number}")),
            None => self.display.clone(),
        }
    }

    /// May he put this address into the From field of an envelope?
    //= https://www.rfc-editor.org/rfc/rfc7701#section-6.1
    //# An MSRP switch that receives a SEND request from a participant SHOULD
    //# first verify that the From header field of the Message/CPIM wrapper
    //# is correctly populated with a valid URI of a participant.
    pub(super) fn may_sign(&self, from: &Uri, folded: &Identity) -> bool {
        if *folded == self.identity || self.identities.contains(folded) {
            return true;
        }
        self.pseudonym.is_some() && is_anonymous_form(from)
    }
}

/// The pseudonym's address: unique in the conference, and in a domain that nobody can own (RFC 4575 5.6).
pub(super) fn pseudonym_uri(number: u32) -> String {
    format!("sip:anonymous{number}@anonymous.invalid")
}

/// All participants of one conference.
#[derive(Debug, Default)]
pub(super) struct Roster {
    participants: BTreeMap<ParticipantKey, Participant>,
    by_identity: BTreeMap<Identity, BTreeSet<ParticipantKey>>,
    /// By real identity; kept after he has left, so that he is the same when he comes back.
    pseudonyms: BTreeMap<Identity, u32>,
    /// By what the others see.
    by_shown: BTreeMap<String, BTreeSet<ParticipantKey>>,
    last_pseudonym: u32,
    connected: usize,
    /// Invited users who did not come, by what the others see.
    absent: BTreeMap<String, Absence>,
    nicknames: Nicknames,
    pub(super) changes: Changes,
}

/// An invited user who did not come.
#[derive(Clone, Debug)]
pub(super) struct Absence {
    /// His display name.
    pub(super) display: Option<String>,
    /// Whether he is busy or declines, rather than out of reach.
    pub(super) busy: bool,
}

impl Roster {
    /// How many sessions there are, those being established included.
    pub(super) fn len(&self) -> usize {
        self.participants.len()
    }

    /// How many are established.
    pub(super) fn connected(&self) -> usize {
        self.connected
    }

    pub(super) fn get(&self, key: ParticipantKey) -> Option<&Participant> {
        self.participants.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: ParticipantKey) -> Option<&mut Participant> {
        self.participants.get_mut(&key)
    }

    pub(super) fn keys(&self) -> Vec<ParticipantKey> {
        self.participants.keys().copied().collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ParticipantKey, &Participant)> {
        self.participants
            .iter()
            .map(|(key, participant)| (*key, participant))
    }

    /// The sessions of a user, by his real identity.
    pub(super) fn sessions_of(&self, identity: &Identity) -> Vec<ParticipantKey> {
        self.by_identity
            .get(identity)
            .map(|keys| keys.iter().copied().collect())
            .unwrap_or_default()
    }

    /// Is there an established session of this user?
    pub(super) fn is_participant(&self, identity: &Identity) -> bool {
        self.by_identity.get(identity).is_some_and(|keys| {
            keys.iter()
                .any(|key| self.participants.get(key).is_some_and(Participant::is_connected))
        })
    }

    /// The established sessions that the others know by this address. A hidden user is not found by his real one.
    pub(super) fn known_as(&self, uri: &Uri, folded: &Identity) -> Vec<ParticipantKey> {
        if is_anonymous_form(uri) {
            return self.shown(uri.identity().as_str());
        }
        self.sessions_of(folded)
            .into_iter()
            .filter(|key| {
                self.participants
                    .get(key)
                    .is_some_and(|p| p.is_connected() && p.pseudonym.is_none())
            })
            .collect()
    }

    /// The established sessions shown under this address.
    pub(super) fn shown(&self, entity: &str) -> Vec<ParticipantKey> {
        self.by_shown
            .get(entity)
            .map(|keys| keys.iter().copied().collect())
            .unwrap_or_default()
    }

    /// How many users the others see.
    pub(super) fn shown_count(&self) -> usize {
        self.by_shown.len()
    }

    /// The addresses that are shown, each once.
    pub(super) fn entities(&self) -> impl Iterator<Item = &String> {
        let absent = self
            .absent
            .keys()
            .filter(|entity| !self.by_shown.contains_key(*entity));
        self.by_shown.keys().chain(absent)
    }

    /// The invited user shown under this address who did not come.
    pub(super) fn absence(&self, entity: &str) -> Option<&Absence> {
        self.absent.get(entity)
    }

    /// The number of the user's pseudonym, the same for the whole session.
    //= R-6.3-04
    pub(super) fn pseudonym(&mut self, identity: &Identity, limit: usize) -> u32 {
        if let Some(number) = self.pseudonyms.get(identity) {
            return *number;
        }
        if self.pseudonyms.len() >= limit {
            let present = &self.by_identity;
            self.pseudonyms
                .retain(|identity, _| present.contains_key(identity));
        }
        self.last_pseudonym = self.last_pseudonym.saturating_add(1);
        self.pseudonyms.insert(identity.clone(), self.last_pseudonym);
        self.last_pseudonym
    }

    /// Takes a session in.
    pub(super) fn insert(&mut self, key: ParticipantKey, participant: Participant) {
        self.by_identity
            .entry(participant.identity.clone())
            .or_default()
            .insert(key);
        let connected = participant.is_connected();
        self.participants.insert(key, participant);
        if connected {
            self.show(key);
        }
    }

    /// The session being established is established now.
    pub(super) fn connect(&mut self, key: ParticipantKey, dialog: Box<Dialog>) -> Option<&Participant> {
        let participant = self.participants.get_mut(&key)?;
        if participant.is_connected() {
            return None;
        }
        participant.phase = Phase::Connected {
            dialog,
            answer_in_ack: false,
        };
        self.show(key);
        self.participants.get(&key)
    }

    fn show(&mut self, key: ParticipantKey) {
        if let Some(participant) = self.participants.get(&key) {
            let entity = participant.shown_uri();
            self.absent.remove(&entity);
            self.changes.note(&entity);
            self.by_shown.entry(entity).or_default().insert(key);
            self.connected = self.connected.saturating_add(1);
        }
    }

    /// Takes a session out, and returns it.
    pub(super) fn remove(&mut self, key: ParticipantKey) -> Option<Participant> {
        let participant = self.participants.remove(&key)?;
        if let Some(keys) = self.by_identity.get_mut(&participant.identity) {
            keys.remove(&key);
            if keys.is_empty() {
                self.by_identity.remove(&participant.identity);
            }
        }
        if let Some(nickname) = &participant.nickname {
            self.nicknames.release(key, nickname);
        }
        if participant.is_connected() {
            self.connected = self.connected.saturating_sub(1);
            let entity = participant.shown_uri();
            self.changes.note(&entity);
            if let Some(keys) = self.by_shown.get_mut(&entity) {
                keys.remove(&key);
                if keys.is_empty() {
                    self.by_shown.remove(&entity);
                }
            }
        }
        Some(participant)
    }

    /// Remembers that an invited user did not come, so that the others learn of it.
    pub(super) fn note_absence(&mut self, participant: &Participant, busy: bool, limit: usize) {
        if participant.pseudonym.is_some() || self.absent.len() >= limit {
            return;
        }
        let entity = participant.shown_uri();
        if !self.by_shown.contains_key(&entity) {
            self.changes.note(&entity);
            self.absent.insert(
                entity,
                Absence {
                    display: participant.display.clone(),
                    busy,
                },
            );
        }
    }

    /// Gives a session a nickname, or takes it.
    pub(super) fn rename(
        &mut self,
        key: ParticipantKey,
        new: Option<Nickname>,
    ) -> Result<(), msrp::StatusCode> {
        let Some(participant) = self.participants.get_mut(&key) else {
            return Ok(());
        };
        let old = participant.nickname.as_ref();
        self.nicknames.reserve(
            key,
            &participant.identity,
            participant.pseudonym.is_some(),
            old,
            new.as_ref(),
        )?;
        participant.nickname = new;
        self.changes.note(&participant.shown_uri());
        Ok(())
    }
}

/// What has changed, in order, so that a subscriber who has seen everything up to a revision can be told the rest.
#[derive(Debug, Default)]
pub(super) struct Changes {
    revision: u64,
    /// The last change of each entity, by revision.
    log: BTreeMap<u64, String>,
    latest: BTreeMap<String, u64>,
    /// Changes up to here are forgotten.
    forgotten: u64,
}

impl Changes {
    /// The latest revision.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Notes that the entity has changed, come or gone.
    fn note(&mut self, entity: &str) {
        self.revision = self.revision.saturating_add(1);
        if let Some(before) = self.latest.insert(entity.to_owned(), self.revision) {
            self.log.remove(&before);
        }
        self.log.insert(self.revision, entity.to_owned());
    }

    /// The entities that have changed after `seen`, or `None` if that is not known any more.
    pub(super) fn since(&self, seen: u64) -> Option<impl Iterator<Item = &String>> {
        (seen >= self.forgotten).then(|| self.log.range(seen.saturating_add(1)..).map(|(_, entity)| entity))
    }

    /// Forgets what every subscriber has seen, and the oldest changes beyond the limit.
    pub(super) fn forget(&mut self, seen_by_all: u64, limit: usize) {
        while let Some((&revision, _)) = self.log.first_key_value() {
            if revision > seen_by_all && self.log.len() <= limit {
                break;
            }
            if let Some(entity) = self.log.remove(&revision) {
                self.latest.remove(&entity);
            }
            self.forgotten = self.forgotten.max(revision);
        }
    }
}
