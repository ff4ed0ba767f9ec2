//! The Controlling function: focus of conferences, MSRP switch between their participants, and exploder of messages to
//! lists and groups (R-5.3.2.3.2-01 to -09).
//!
//! [`Controlling`] is a role: it takes [`signal::Input`](crate::signal::Input) and gives
//! [`signal::Transmit`](crate::signal::Transmit), and knows neither flows nor transactions. Requests for the conference
//! factory, the exploder, a group or a conference go to it; [`Controlling::owns`] says which addresses are conferences.
//!
//! | what | where | by |
//! |---|---|---|
//! | create, join, re-INVITE, leave | `invite.rs`, `admit.rs`, `bodies.rs`, `dialog.rs` | RFC 4579, RFC 5366 |
//! | invite, expel | `dial_out.rs`, `dial_again.rs`, `sent.rs`, `refer.rs` | RFC 4579 5.5, 5.11, RFC 4488 |
//! | roster, pseudonyms | `roster.rs` | RFC 4575, R-6.3-03 to -07 |
//! | conference state | `notify.rs` | RFC 4575, RFC 6665 |
//! | messages, private messages, nicknames | `switch/`, `nickname.rs` | RFC 7701 |
//! | messages to lists and groups | `exploder.rs` | RFC 5363, 5364, 5365 |
//! | groups do not nest | `nesting.rs` | R-5.3.2.1.3-05 to -09 |
//! | rules of a group | `policy.rs` | RFC 4745, group documents |
//!
//! Nothing is fanned out before all checks are done. A lookup that the store does not answer in time is answered 504.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use im_roles::WallClock;
//! use im_roles::config::Config;
//! use im_roles::controlling::Controlling;
//!
//! let now = Instant::now();
//! let config = Config::new("example.com")?;
//! let entropy = Box::new(|octets: &mut [u8]| octets.fill(7));
//! let mut controlling = Controlling::new(config, WallClock::new(now, Duration::from_secs(1_700_000_000)), entropy);
//! assert!(controlling.poll_transmit(now).is_none());
//! assert_eq!(controlling.conferences(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod admit;
mod bodies;
mod conference;
mod dial_again;
mod dial_out;
mod dialog;
mod event;
mod exploder;
mod invite;
mod media;
mod nesting;
mod nickname;
mod notify;
mod outbox;
mod policy;
mod refer;
mod reply;
mod roster;
mod sent;
mod switch;
mod timer;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use msrp::Entropy;
use sip_im::dialog::DialogId;
use sip_im::{Aliases, Identity, Uri};

pub use event::{ConferenceKind, Departure, Event};

use crate::WallClock;
use crate::config::Config;
use crate::effect::{Answer, Effect, EffectId};
use crate::signal::{IncomingId, Input, MediaId, OutgoingId, Transmit};
use conference::Conference;
use nesting::Waiting;
use outbox::{Mint, Outbox};
use policy::Rules;
use roster::ParticipantKey;
use sent::Sent;

/// Names one conference; never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct ConferenceKey(u64);

/// Names one subscription to conference state; never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct SubscriptionKey(u64);

/// What a dialog is for.
#[derive(Clone, Copy, Debug)]
enum Usage {
    /// A participant's session.
    Session(ConferenceKey, ParticipantKey),
    /// A subscription to conference state.
    Subscription(ConferenceKey, SubscriptionKey),
}

/// What happens when time has come.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Timer {
    /// A store has not answered.
    Effect(EffectId),
    /// An invited user does not answer, or an INVITE's late responses are not waited for any more.
    Sent(OutgoingId),
    /// Something in a conference is due: a notification, a chunk timer, the end of a subscription.
    Conference(ConferenceKey),
}

/// The Controlling function. See the [module's documentation](self).
#[derive(Debug)]
pub struct Controlling {
    config: Config,
    clock: WallClock,
    aliases: Aliases,
    /// Groups of the configuration.
    groups: BTreeMap<Identity, Rules>,
    factory: Identity,
    exploder: Identity,
    mint: Mint,
    out: Outbox,
    conferences: BTreeMap<ConferenceKey, Conference>,
    by_identity: BTreeMap<Identity, ConferenceKey>,
    dialogs: BTreeMap<DialogId, Usage>,
    media: BTreeMap<MediaId, (ConferenceKey, ParticipantKey)>,
    sent: BTreeMap<OutgoingId, Sent>,
    /// INVITEs that were answered with 2xx, until the ACK comes.
    unacknowledged: BTreeMap<IncomingId, DialogId>,
    waiting: BTreeMap<EffectId, Waiting>,
    /// Requests that wait for a store, for CANCEL.
    undecided: BTreeMap<IncomingId, EffectId>,
    timers: BTreeSet<(Instant, Timer)>,
    shutting_down: bool,
}

impl Controlling {
    /// Makes the function of a server.
    pub fn new(config: Config, clock: WallClock, entropy: Entropy) -> Self {
        let mut aliases = Aliases::new();
        for user in &config.users {
            for alias in &user.aliases {
                aliases.insert(alias, &user.uri);
            }
        }
        let mut controlling = Self {
            factory: config.conference_factory.identity(),
            exploder: config.exploder.identity(),
            groups: BTreeMap::new(),
            config,
            clock,
            aliases: Aliases::new(),
            mint: Mint::new(entropy),
            out: Outbox::default(),
            conferences: BTreeMap::new(),
            by_identity: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            media: BTreeMap::new(),
            sent: BTreeMap::new(),
            unacknowledged: BTreeMap::new(),
            waiting: BTreeMap::new(),
            undecided: BTreeMap::new(),
            timers: BTreeSet::new(),
            shutting_down: false,
        };
        controlling.set_aliases(aliases);
        controlling
    }

    /// Takes a new reading of the calendar clock.
    pub fn set_wall_clock(&mut self, clock: WallClock) {
        self.clock = clock;
    }

    /// Takes the alias sets, when users were added or removed. At first they are those of the configuration's users.
    pub fn set_aliases(&mut self, aliases: Aliases) {
        self.aliases = aliases;
        self.groups = self
            .config
            .groups
            .iter()
            .map(|group| {
                (
                    group.uri.identity(),
                    Rules::configured(group, &self.aliases, &self.config.limits),
                )
            })
            .collect();
    }

    /// Is it the address of a conference of this function, which may have ended by now?
    pub fn owns(&self, uri: &Uri) -> bool {
        let identity = uri.identity();
        self.by_identity.contains_key(&identity) || self.is_minted(uri)
    }

    /// Is it an address that this function answers for without asking a store: the conference factory, the exploder, a
    /// configured group or a conference?
    pub fn serves(&self, uri: &Uri) -> bool {
        let identity = uri.identity();
        identity == self.factory
            || identity == self.exploder
            || self.groups.contains_key(&identity)
            || self.owns(uri)
    }

    /// How many conferences there are.
    pub fn conferences(&self) -> usize {
        self.conferences.len()
    }

    /// How many participants the conference has whose session is established.
    pub fn participants(&self, conference: &Uri) -> usize {
        let conference = self
            .by_identity
            .get(&conference.identity())
            .and_then(|key| self.conferences.get(key));
        conference.map_or(0, |conference| conference.roster.connected())
    }

    /// Takes one input.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Request { id, request, origin } => self.request(id, request, &origin, now),
            Input::Ack { request } => self.ack(&request, now),
            Input::Cancel { id } => self.cancel(id),
            Input::AckTimedOut { id } => self.ack_timed_out(id, now),
            Input::Response { id, response } => self.response(id, &response, now),
            Input::Failed { id, reason } => self.failed(id, reason, now),
            Input::Media { media, event } => self.media_event(media, event, now),
            Input::MediaRefused {
                media,
                message,
                reason,
            } => self.media_refused(media, message.as_ref(), reason, now),
            _ => {}
        }
    }

    /// Takes an answer; one that is late, or comes again, is ignored.
    pub fn handle_answer(&mut self, answer: Answer, now: Instant) {
        let Some(waiting) = self.waiting.remove(&answer.id()) else {
            return;
        };
        self.timers
            .remove(&(waiting.deadline, Timer::Effect(answer.id())));
        self.undecided.remove(&waiting.incoming());
        self.found(waiting.step, answer, now);
    }

    /// Acts on every deadline up to `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, timer)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            self.timers.remove(&(at, timer));
            match timer {
                Timer::Effect(id) => self.store_is_silent(id),
                Timer::Sent(id) => self.sent_is_over(id, now),
                Timer::Conference(key) => self.conference_timeout(key, now),
            }
        }
    }

    /// Gives the next thing for the network or the media plane.
    pub fn poll_transmit(&mut self, _now: Instant) -> Option<Transmit> {
        self.out.transmits.pop_front()
    }

    /// Gives the next piece of news.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.out.poll_event()
    }

    /// Gives the next piece of work for the stores.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.out.effects.pop_front()
    }

    /// The instant at which `handle_timeout` wants to be called, if any.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Whether nothing is under way: no conference, no request, nothing to poll.
    pub fn is_drained(&self) -> bool {
        self.conferences.is_empty() && self.sent.is_empty() && self.waiting.is_empty() && self.out.is_empty()
    }

    /// Takes no new sessions and messages, and ends the conferences politely.
    pub fn shut_down(&mut self, now: Instant) {
        self.shutting_down = true;
        for key in self.conferences.keys().copied().collect::<Vec<_>>() {
            self.end_conference(key, now);
        }
    }

    /// Sets the one timer of a conference to the first thing that is due in it.
    fn arm(&mut self, key: ConferenceKey) {
        let Some(conference) = self.conferences.get_mut(&key) else {
            return;
        };
        let next = conference.next_deadline();
        if next != conference.armed {
            if let Some(before) = conference.armed {
                self.timers.remove(&(before, Timer::Conference(key)));
            }
            if let Some(at) = next {
                self.timers.insert((at, Timer::Conference(key)));
            }
            conference.armed = next;
        }
    }
}

crate::impl_machine!(role Controlling: Input => Transmit, Event; Effect => Answer);
