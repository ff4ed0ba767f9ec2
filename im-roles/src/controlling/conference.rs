//! One conference, from its first participant to its last.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use sip_im::header::Subject;
use sip_im::{Identity, Method, Uri};

use super::event::{Departure, Event};
use super::notify::Subscription;
use super::policy::Rules;
use super::roster::{ParticipantKey, Phase, Roster};
use super::switch::{Room, Switch};
use super::{ConferenceKey, Controlling, SubscriptionKey, Timer};
use crate::signal::MediaCommand;

/// A conference.
#[derive(Debug)]
pub(super) struct Conference {
    pub(super) uri: Uri,
    pub(super) identity: Identity,
    pub(super) rules: Rules,
    pub(super) subject: Option<Subject>,
    pub(super) roster: Roster,
    pub(super) switch: Switch,
    pub(super) subscriptions: BTreeMap<SubscriptionKey, Subscription>,
    /// When subscriptions end.
    pub(super) expiries: BTreeSet<(Instant, SubscriptionKey)>,
    /// When sessions of participants are refreshed, or over.
    pub(super) sessions: BTreeSet<(Instant, ParticipantKey)>,
    /// When subscribers are told what has changed.
    pub(super) notify_at: Option<Instant>,
    /// When the conference's timer is set to.
    pub(super) armed: Option<Instant>,
}

impl Conference {
    /// The first thing that is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let expiry = self.expiries.first().map(|(at, _)| *at);
        let session = self.sessions.first().map(|(at, _)| *at);
        [self.notify_at, self.switch.next_deadline(), expiry, session]
            .into_iter()
            .flatten()
            .min()
    }
}

impl Controlling {
    /// Is it a conference URI of the form that this function makes?
    pub(super) fn is_minted(&self, uri: &Uri) -> bool {
        let token = uri.user().and_then(|user| user.strip_prefix(PREFIX));
        token.is_some_and(|token| token.len() == TOKEN && token.bytes().all(|byte| byte.is_ascii_hexdigit()))
            && uri
                .host()
                .is_some_and(|host| host.eq_ignore_ascii_case(&self.config.domain))
    }

    /// A conference URI that nobody has had before.
    pub(super) fn mint_conference(&mut self) -> Option<Uri> {
        let token = self.mint.token();
        Uri::sip(&format!("{PREFIX}{token}"), &self.config.domain).ok()
    }

    /// Begins a conference, without participants yet.
    pub(super) fn begin_conference(
        &mut self,
        uri: Uri,
        rules: Rules,
        subject: Option<Subject>,
        initiator: &Identity,
    ) -> ConferenceKey {
        let key = ConferenceKey(self.mint.key());
        let identity = uri.identity();
        self.out.event(Event::ConferenceStarted {
            conference: uri.clone(),
            kind: rules.kind,
            initiator: initiator.clone(),
        });
        self.by_identity.insert(identity.clone(), key);
        self.conferences.insert(
            key,
            Conference {
                uri,
                identity,
                rules,
                subject,
                roster: Roster::default(),
                switch: Switch::default(),
                subscriptions: BTreeMap::new(),
                expiries: BTreeSet::new(),
                sessions: BTreeSet::new(),
                notify_at: None,
                armed: None,
            },
        );
        key
    }

    /// A participant goes, or is made to go: `bye` says whether his client is still to be told.
    pub(super) fn drop_participant(
        &mut self,
        key: ConferenceKey,
        participant: ParticipantKey,
        departure: Departure,
        bye: bool,
        now: Instant,
    ) {
        let Some(user) = self.take_out(key, participant, departure, bye, now) else {
            return;
        };
        let Some(conference) = self.conferences.get(&key) else {
            return;
        };
        if conference.roster.connected() == 0 {
            return self.end_conference(key, now);
        }
        self.end_subscriptions_of(key, &user, now);
        self.changed(key, now);
    }

    /// Takes a session out of everything that knows it.
    fn take_out(
        &mut self,
        key: ConferenceKey,
        participant: ParticipantKey,
        departure: Departure,
        bye: bool,
        now: Instant,
    ) -> Option<Identity> {
        let conference = self.conferences.get_mut(&key)?;
        let gone = conference.roster.remove(participant)?;
        conference.switch.leave(participant, gone.media, &mut self.out);
        if let Some(at) = gone.timing.armed {
            conference.sessions.remove(&(at, participant));
        }
        self.media.remove(&gone.media);
        if let Some(id) = gone.unacknowledged {
            self.unacknowledged.remove(&id);
        }
        self.out.media(gone.media, MediaCommand::Close);
        match gone.phase {
            Phase::Connected { mut dialog, .. } => {
                self.out.event(Event::ParticipantLeft {
                    conference: conference.uri.clone(),
                    user: gone.identity.clone(),
                    departure,
                });
                self.dialogs.remove(dialog.id());
                if bye {
                    self.send_in_dialog(&mut dialog, Method::Bye);
                }
            }
            Phase::Dialing { invite } => self.give_up_invite(invite, now),
        }
        Some(gone.identity)
    }

    /// Ends a conference: everybody is told, and nothing of it is left.
    //= https://www.rfc-editor.org/rfc/rfc4579#section-5.12
    pub(super) fn end_conference(&mut self, key: ConferenceKey, now: Instant) {
        let Some(conference) = self.conferences.get(&key) else {
            return;
        };
        for participant in conference.roster.keys() {
            self.take_out(key, participant, Departure::Booted, true, now);
        }
        self.end_subscriptions(key, now);
        let Some(conference) = self.conferences.remove(&key) else {
            return;
        };
        if let Some(at) = conference.armed {
            self.timers.remove(&(at, Timer::Conference(key)));
        }
        self.by_identity.remove(&conference.identity);
        self.out.event(Event::ConferenceEnded {
            conference: conference.uri,
        });
    }

    /// Something in a conference is due.
    pub(super) fn conference_timeout(&mut self, key: ConferenceKey, now: Instant) {
        let Some(conference) = self.conferences.get_mut(&key) else {
            return;
        };
        conference.armed = None;
        let room = Room {
            uri: &conference.uri,
            identity: &conference.identity,
            aliases: &self.aliases,
            roster: &conference.roster,
            max_message_size: self.config.limits.max_message_size,
            chunk_timer: self.config.limits.chunk_timer,
        };
        conference.switch.handle_timeout(&room, &mut self.out, now);
        self.expire_subscriptions(key, now);
        self.sessions_due(key, now);
        self.flush(key, now);
        self.arm(key);
    }
}

/// How the user part of a conference URI begins.
const PREFIX: &str = "conf-";
/// How many hexadecimal digits follow.
const TOKEN: usize = 32;
