//! The presence function that a stand-alone server needs: what its users publish (RFC 3903), who watches them (RFC 3856) as far
//! as their rules let them (RFC 5025), and who is told of the watchers (RFC 3857).
//!
//! [`Presence`] is a role: PUBLISH and SUBSCRIBE for a served user come to it in place of the user's clients. Where presence is
//! another server's business it is left out, see [`Config::presence`](crate::config::Config::presence).
//!
//! | what | where | by |
//! |---|---|---|
//! | publications | `publish.rs` | RFC 3903 |
//! | subscriptions, and the rules for them | `subscribe.rs`, `rules.rs` | RFC 3856, 3857, 5025, 6665 |
//! | notifications | `notify.rs` | RFC 3857, 3858, 6446 |
//! | one document out of all publications | `compose.rs` | RFC 3863, 4479 |
//!
//! ```
//! use std::sync::Arc;
//! use std::time::{Duration, Instant};
//! use im_roles::WallClock;
//! use im_roles::config::Config;
//! use im_roles::presence::Presence;
//!
//! let now = Instant::now();
//! let config = Arc::new(Config::new("example.com")?);
//! let clock = WallClock::new(now, Duration::from_secs(1_700_000_000));
//! let mut presence = Presence::new(config, clock, || Box::new(|octets: &mut [u8]| octets.fill(7)));
//! assert!(presence.poll_transmit(now).is_none());
//! assert_eq!(presence.subscriptions(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod compose;
mod notify;
mod publish;
mod rules;
mod subscribe;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use sip_im::dialog::DialogId;
use sip_im::header::{AllowEvents, Event as EventHeader, HeaderName};
use sip_im::publication::{self, Compositor, CompositorEvent, Package as Published};
use sip_im::{Aliases, Entropy, Identity, Method, Request, Response, ResponseBuilder, StatusCode, Uri};

use self::rules::Asked;
use self::subscribe::Subscription;
use crate::WallClock;
use crate::config::Config;
use crate::effect::{Answer, Effect, EffectId};
use crate::message;
use crate::signal::{Ids, IncomingId, Input, Origin, OutgoingId, RoleKind, Transmit};

/// News of the presence function.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// What a user has published is another, by a request or because its time was over.
    Changed {
        /// Whose presence.
        user: Identity,
        /// How many publications there are now.
        publications: usize,
    },
    /// Somebody watches a user, is let watch, or is made to wait.
    Watched {
        /// Who is watched.
        user: Identity,
        /// Who watches.
        watcher: String,
        /// The event package: `presence` or `presence.winfo`.
        package: &'static str,
        /// Whether the user has yet to allow it.
        pending: bool,
    },
    /// A subscription is over.
    Left {
        /// Who was watched.
        user: Identity,
        /// Who has watched.
        watcher: String,
        /// The event package.
        package: &'static str,
    },
    /// A request was refused.
    Refused {
        /// Whom it was from, if that is known.
        from: Option<Identity>,
        /// Whose presence it was about.
        user: Identity,
        /// The answer.
        status: StatusCode,
    },
}

/// What is watched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Package {
    /// Presence itself.
    Presence,
    /// Who watches.
    Watchers,
}

impl Package {
    fn of(request: &Request) -> Option<Self> {
        let event = request.headers().get::<EventHeader>().ok().flatten()?;
        match event.package.as_str() {
            PRESENCE => Some(Self::Presence),
            WATCHERS => Some(Self::Watchers),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Presence => PRESENCE,
            Self::Watchers => WATCHERS,
        }
    }
}

/// Names one subscription; never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct Key(u64);

/// What happens when time has come.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Timer {
    /// A store has not answered.
    Effect(EffectId),
    /// A subscription is over, or has something to tell.
    Subscription(Key),
}

/// The presence function of all users of a server. See the [module's documentation](self).
pub struct Presence {
    config: Arc<Config>,
    clock: WallClock,
    aliases: Aliases,
    ids: Ids,
    entropy: Entropy,
    compositor: Compositor,
    last_key: u64,
    subscriptions: BTreeMap<Key, Subscription>,
    dialogs: BTreeMap<DialogId, Key>,
    /// The subscriptions to each user's presence and watchers.
    watched: BTreeMap<Identity, BTreeSet<Key>>,
    /// NOTIFYs without an answer.
    sent: BTreeMap<OutgoingId, Key>,
    asked: BTreeMap<EffectId, Asked>,
    /// Whose changed rules are being asked for, and whether they have changed once more since.
    asking: BTreeMap<Identity, bool>,
    timers: BTreeSet<(Instant, Timer)>,
    transmits: VecDeque<Transmit>,
    effects: VecDeque<Effect>,
    events: VecDeque<Event>,
    shutting_down: bool,
}

crate::impl_machine!(role Presence: Input => Transmit, Event; Effect => Answer);

impl std::fmt::Debug for Presence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presence")
            .field("publications", &self.compositor.len())
            .field("subscriptions", &self.subscriptions.len())
            .finish_non_exhaustive()
    }
}

impl Presence {
    /// A function that knows of nobody's presence. `entropy` gives sources of randomness.
    pub fn new(config: Arc<Config>, clock: WallClock, entropy: impl Fn() -> Entropy) -> Self {
        let mut of_compositor = publication::Config::default();
        of_compositor.packages = vec![Published::new(PRESENCE, [PIDF])];
        of_compositor.max_publications = config.limits.max_publications;
        of_compositor.max_body = config.limits.max_publication_octets;
        Self {
            config,
            clock,
            aliases: Aliases::new(),
            ids: Ids::new(RoleKind::Presence),
            entropy: entropy(),
            compositor: Compositor::new(of_compositor, entropy()),
            last_key: 0,
            subscriptions: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            watched: BTreeMap::new(),
            sent: BTreeMap::new(),
            asked: BTreeMap::new(),
            asking: BTreeMap::new(),
            timers: BTreeSet::new(),
            transmits: VecDeque::new(),
            effects: VecDeque::new(),
            events: VecDeque::new(),
            shutting_down: false,
        }
    }

    /// Takes a new reading of the calendar clock.
    pub fn set_wall_clock(&mut self, clock: WallClock) {
        self.clock = clock;
    }

    /// Takes the alias sets, when users were added or removed.
    pub fn set_aliases(&mut self, aliases: Aliases) {
        self.aliases = aliases;
    }

    /// Whether a request for a user is this function's rather than his clients': it publishes, or watches his presence. One that
    /// does not say what it watches has nobody else to tell it so.
    pub fn takes(request: &Request) -> bool {
        match request.method() {
            Method::Publish => true,
            Method::Subscribe => {
                Package::of(request).is_some()
                    || !matches!(request.headers().get::<EventHeader>(), Ok(Some(_)))
            }
            _ => false,
        }
    }

    /// How many subscriptions there are.
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.len()
    }

    /// How many publications there are.
    pub fn publications(&self) -> usize {
        self.compositor.len()
    }

    /// Takes one input.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Request { id, request, origin } => self.take_request(id, request, &origin, now),
            Input::Response { id, response } if response.status().is_final() => {
                self.notified(id, Some(&response), now);
            }
            Input::Failed { id, .. } => self.notified(id, None, now),
            _ => {}
        }
    }

    fn take_request(&mut self, id: IncomingId, request: Request, origin: &Origin, now: Instant) {
        if message::to_tag(&request).is_some() {
            self.take_in_dialog(id, &request, now);
        } else if request.uri().identity() == self.config.presence_function.identity() {
            // Nobody is watched here.
            self.refuse(id, &request, origin, StatusCode::NOT_FOUND);
        } else {
            match request.method() {
                Method::Publish => self.publish(id, &request, origin, now),
                Method::Subscribe => self.subscribe(id, request, origin, now),
                _ => self.refuse(id, &request, origin, StatusCode::METHOD_NOT_ALLOWED),
            }
        }
    }

    /// Takes an answer; one that is late, or comes again, is ignored.
    pub fn handle_answer(&mut self, answer: Answer, now: Instant) {
        let Some(asked) = self.asked.remove(&answer.id()) else {
            return;
        };
        self.timers.remove(&(asked.deadline, Timer::Effect(answer.id())));
        match answer {
            Answer::Document { result, .. } => self.take_rules(asked, result, now),
            // An answer of another kind is none.
            _ => self.rules_unknown(asked, StatusCode::SERVER_INTERNAL_ERROR, now),
        }
    }

    /// Acts on every deadline up to `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, timer)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            self.timers.remove(&(at, timer));
            match timer {
                Timer::Effect(effect) => {
                    if let Some(asked) = self.asked.remove(&effect) {
                        self.rules_unknown(asked, StatusCode::SERVER_TIMEOUT, now);
                    }
                }
                Timer::Subscription(key) => self.subscription_due(key, now),
            }
        }
        self.compositor.handle_timeout(now);
        self.publications_changed(now);
    }

    /// Gives the next thing to send.
    pub fn poll_transmit(&mut self, _now: Instant) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// Gives the next piece of news.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Gives the next piece of work for the host.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The next deadline.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|(at, _)| *at);
        [timer, self.compositor.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether nothing is outstanding and nothing waits to be polled. Subscriptions and publications do not count.
    pub fn is_drained(&self) -> bool {
        self.sent.is_empty()
            && self.asked.is_empty()
            && self.transmits.is_empty()
            && self.effects.is_empty()
            && self.events.is_empty()
    }

    /// Ends all subscriptions politely; those who watch may watch again at once, wherever somebody answers then.
    pub fn shut_down(&mut self, now: Instant) {
        self.shutting_down = true;
        for key in self.subscriptions.keys().copied().collect::<Vec<_>>() {
            self.end(key, "deactivated", now);
        }
    }

    /// Tells the watchers whose view has changed.
    fn publications_changed(&mut self, now: Instant) {
        while let Some(event) = self.compositor.poll_event() {
            let CompositorEvent::Changed { resource } = event else {
                continue;
            };
            let publications = self.compositor.published(&resource).count();
            self.tell(Event::Changed {
                user: resource.of.clone(),
                publications,
            });
            self.state_changed(&resource.of, Package::Presence, now);
        }
    }

    /// A piece of news. A host that takes none loses the oldest.
    fn tell(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn respond(&mut self, id: IncomingId, response: Option<Response>) {
        if let Some(response) = response {
            self.transmits.push_back(Transmit::Respond { id, response });
        }
    }

    fn refuse(&mut self, id: IncomingId, request: &Request, origin: &Origin, status: StatusCode) {
        self.refuse_with(id, request, origin, status, |builder| builder);
    }

    /// Refuses with more to say.
    fn refuse_with(
        &mut self,
        id: IncomingId,
        request: &Request,
        origin: &Origin,
        status: StatusCode,
        add: impl FnOnce(ResponseBuilder) -> ResponseBuilder,
    ) {
        self.tell(Event::Refused {
            from: origin.user.clone(),
            user: message::target(request),
            status,
        });
        let mut builder = request.response(status);
        //= https://www.rfc-editor.org/rfc/rfc6665#section-8.2.2
        //# If the
        //# "Allow-Events" header field is present in a response, it includes a
        //# comprehensive and inclusive list of token(s) indicating the event
        //# packages supported by that node.
        if status == StatusCode::BAD_EVENT {
            builder = builder.header_typed(&AllowEvents::new([PRESENCE, WATCHERS]));
        }
        self.respond(id, add(builder).build().ok());
    }

    /// 128 random bits as text.
    fn token(&mut self) -> String {
        let mut octets = [0; 16];
        (self.entropy)(&mut octets);
        format!("{:032x}", u128::from_be_bytes(octets))
    }

    fn contact(&self) -> Uri {
        self.config.presence_function.clone()
    }
}

/// Whether a body comes with a content coding; this function undoes none.
fn is_coded(request: &Request) -> bool {
    request
        .headers()
        .values(&HeaderName::CONTENT_ENCODING)
        .any(|coding| !coding.trim().eq_ignore_ascii_case("identity"))
}

/// The package of presence (RFC 3856).
pub(crate) const PRESENCE: &str = "presence";
/// The package of its watchers (RFC 3857).
pub(crate) const WATCHERS: &str = "presence.winfo";
/// How presence is written.
const PIDF: &str = "application/pidf+xml";
/// News that waits at the most.
const MAX_EVENTS: usize = 10_000;
