//! Where to send a request: RFC 3263 as a machine whose questions the host asks.
//!
//! [`Resolver::resolve`] takes a URI; the machine says what to look up ([`Resolver::poll_effect`]), takes the answers, and gives the
//! destinations in the order in which they are to be tried. [`Resolver::report`] tells it how each served: one that asked to be left
//! alone (503 with Retry-After) is, and one that failed is tried after the others for a while, longer each time.
//!
//! The [endpoint](crate::endpoint) does all of it for a request whose target is a URI.
//!
//! | file | what |
//! |---|---|
//! | `question` | questions, records and answers |
//! | `lookup` | the steps from a URI to its destinations |
//! | `order` | which record comes first |
//! | `availability` | who is left alone for a while |

mod availability;
mod error;
mod lookup;
mod order;
mod question;

use core::fmt;
use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use self::availability::{Availability, Standing};
use self::lookup::{Lookup, Need, Start};
use crate::Entropy;
use crate::flow::Transport;
use crate::uri::Uri;

pub use error::ResolveError;
pub use question::{Answer, Naptr, Query, QueryError, QueryId, Question, Record, RecordType, Srv};

/// Which addresses a host can reach, and which it would rather.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Families {
    /// Both, version 6 first.
    V6First,
    /// Both, version 4 first.
    V4First,
    /// Version 6 alone.
    V6Only,
    /// Version 4 alone.
    V4Only,
}

impl Families {
    /// The addresses that can be reached, the preferred version first.
    fn sort(self, v4: Vec<IpAddr>, v6: Vec<IpAddr>) -> Vec<IpAddr> {
        match self {
            Self::V6First => v6.into_iter().chain(v4).collect(),
            Self::V4First => v4.into_iter().chain(v6).collect(),
            Self::V6Only => v6,
            Self::V4Only => v4,
        }
    }

    fn asks(self, record: RecordType) -> bool {
        match record {
            RecordType::A => self != Self::V6Only,
            RecordType::Aaaa => self != Self::V4Only,
            RecordType::Naptr | RecordType::Srv => true,
        }
    }
}

/// What a resolver uses, and how much of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The transports that may be used where the URI names none, the preferred one first. TLS, TCP and UDP.
    pub transports: Vec<Transport>,
    /// Which addresses can be reached. Version 4, then version 6.
    pub families: Families,
    /// Where everything goes that has no next hop of its own ([`Resolver::set_next_hops`]), instead of where its URI leads. Empty.
    pub next_hops: Vec<Destination>,
    /// How long a query may take; then it counts as failed. 5 s.
    pub query_timeout: Duration,
    /// Lookups under way; more are refused. 10 000.
    pub max_lookups: usize,
    /// Services of one domain that are looked at. 8.
    pub max_services: usize,
    /// Servers of one domain whose addresses are looked up. 16.
    pub max_servers: usize,
    /// Destinations given for one URI. 16.
    pub max_destinations: usize,
    /// How long a destination that failed comes after the others; doubled each time it fails again. 1 s.
    pub back_off: Duration,
    /// The longest of those times. 5 min.
    pub longest_back_off: Duration,
    /// The longest time that a destination is left alone since it asked for it. 1 h.
    pub longest_retry_after: Duration,
    /// Destinations of which it is remembered that they failed; beyond, those that come back soonest are forgotten. 10 000.
    pub max_marks: usize,
    /// Domains with next hops of their own. 10 000.
    pub max_domains: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            transports: vec![Transport::Tls, Transport::Tcp, Transport::Udp],
            families: Families::V4First,
            next_hops: Vec::new(),
            query_timeout: Duration::from_secs(5),
            max_lookups: 10_000,
            max_services: 8,
            max_servers: 16,
            max_destinations: 16,
            back_off: Duration::from_secs(1),
            longest_back_off: Duration::from_secs(300),
            longest_retry_after: Duration::from_secs(3600),
            max_marks: 10_000,
            max_domains: 10_000,
        }
    }
}

/// One place that a request can be sent to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Destination {
    /// Over which transport.
    pub transport: Transport,
    /// An address as text, without brackets; a host name where the host configured one as next hop.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whom the peer has to prove to be where TLS is spoken: the domain of the URI, not what the DNS made of it (RFC 5922).
    pub domain: Option<String>,
}

impl Destination {
    /// A place that is known without looking it up.
    pub fn new(transport: Transport, host: &str, port: u16) -> Self {
        Self {
            transport,
            host: host.to_owned(),
            port,
            domain: None,
        }
    }
}

/// How a destination served a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It answered, be it with a refusal.
    Served,
    /// It answered 503, and how long it wants to be left alone, if it said so.
    Overloaded(Option<Duration>),
    /// It could not be reached, or did not answer in time.
    Failed,
}

/// A lookup that is under way; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupId(u64);

/// What came of a URI so far.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resolution {
    /// Where to send, best first; there is at least one.
    Known(Vec<Destination>),
    /// It has to be looked up; an [`Event`] tells the end.
    Pending(LookupId),
}

/// News of a resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A lookup is over.
    Resolved {
        /// Which.
        lookup: LookupId,
        /// Where to send, best first, at least one; or why there is nothing.
        result: Result<Vec<Destination>, ResolveError>,
    },
}

/// A query that the host has been given.
#[derive(Debug)]
struct Asked {
    question: Question,
    deadline: Instant,
    waiting: BTreeSet<LookupId>,
}

/// Finds out where requests go.
///
/// ```
/// use std::time::Instant;
/// use sip_im::resolve::{Answer, Config, Event, Record, RecordType, Resolution, Resolver};
/// use sip_im::{Transport, Uri};
///
/// let mut resolver = Resolver::new(Config::default(), Box::new(|octets: &mut [u8]| octets.fill(7)));
/// let now = Instant::now();
/// let Resolution::Pending(lookup) = resolver.resolve(&Uri::parse("sip:proxy.example.com:5070")?, now)? else {
///     return Err("a name is looked up".into());
/// };
/// while let Some(query) = resolver.poll_effect() {
///     let records = match query.question.record {
///         RecordType::A => vec![Record::Address("192.0.2.1".parse()?)],
///         _ => Vec::new(),
///     };
///     resolver.handle_answer(Answer { id: query.id, result: Ok(records) }, now);
/// }
/// let Some(Event::Resolved { lookup: found, result }) = resolver.poll_event() else { return Err("an end".into()) };
/// assert_eq!(found, lookup);
/// let destination = &result?[0];
/// assert_eq!((destination.transport, destination.port), (Transport::Udp, 5070), "a port was given, so that is UDP");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Resolver {
    config: Config,
    entropy: Entropy,
    next_hops: BTreeMap<String, Vec<Destination>>,
    lookups: BTreeMap<LookupId, Lookup>,
    asked: BTreeMap<QueryId, Asked>,
    /// Two lookups that ask the same share the query.
    questions: BTreeMap<Question, QueryId>,
    deadlines: BTreeSet<(Instant, QueryId)>,
    availability: Availability,
    /// Of what is asked, what the host has not been given yet.
    unasked: BTreeSet<QueryId>,
    events: VecDeque<Event>,
    next_lookup: u64,
    next_query: u64,
}

impl Resolver {
    /// Makes a resolver that knows nothing yet.
    pub fn new(config: Config, entropy: Entropy) -> Self {
        Self {
            config,
            entropy,
            next_hops: BTreeMap::new(),
            lookups: BTreeMap::new(),
            asked: BTreeMap::new(),
            questions: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            availability: Availability::default(),
            unasked: BTreeSet::new(),
            events: VecDeque::new(),
            next_lookup: 0,
            next_query: 0,
        }
    }

    /// Sends everything for a domain to these places, in this order, instead of where the DNS leads; to none of them any more if the
    /// list is empty. Says `false`, and changes nothing, beyond [`Config::max_domains`].
    pub fn set_next_hops(&mut self, domain: &str, hops: Vec<Destination>) -> bool {
        let domain = question::canonical(domain);
        if hops.is_empty() {
            self.next_hops.remove(&domain);
            return true;
        }
        if self.next_hops.len() >= self.config.max_domains && !self.next_hops.contains_key(&domain) {
            return false;
        }
        self.next_hops.insert(domain, hops);
        true
    }

    /// Begins to find out where requests for a URI go: the Request-URI, or the first Route.
    ///
    /// # Errors
    ///
    /// Fails when the URI leads nowhere, or at the limits of the configuration.
    pub fn resolve(&mut self, uri: &Uri, now: Instant) -> Result<Resolution, ResolveError> {
        let start = lookup::start(uri, &self.config)?;
        let domain = match &start {
            Start::Known(destination) => destination.host.clone(),
            Start::Named { domain, .. } => domain.clone(),
        };
        let hops = self.next_hops.get(&domain).unwrap_or(&self.config.next_hops);
        if !hops.is_empty() {
            let secure = uri.scheme() == crate::Scheme::Sips;
            let usable = hops
                .iter()
                .filter(|hop| !secure || hop.transport.is_secure())
                .cloned()
                .collect();
            return self.ranked(usable, now).map(Resolution::Known);
        }
        match start {
            Start::Known(destination) => self.ranked(vec![destination], now).map(Resolution::Known),
            Start::Named { domain, lookup } => {
                if self.lookups.len() >= self.config.max_lookups {
                    return Err(ResolveError::TooManyLookups);
                }
                let id = LookupId(self.next_lookup);
                self.next_lookup = self.next_lookup.saturating_add(1);
                let mut lookup = Lookup::new(domain, lookup);
                let questions = lookup.questions(&self.config);
                self.lookups.insert(id, lookup);
                self.ask(id, questions, now);
                Ok(Resolution::Pending(id))
            }
        }
    }

    /// Gives a lookup up; nothing more is heard of it.
    pub fn abandon(&mut self, lookup: LookupId) {
        let Some(gone) = self.lookups.remove(&lookup) else {
            // It has ended, and perhaps nobody has heard of that yet.
            self.events
                .retain(|Event::Resolved { lookup: ended, .. }| *ended != lookup);
            return;
        };
        for id in gone.queries {
            if let Some(asked) = self.asked.get_mut(&id) {
                asked.waiting.remove(&lookup);
                if asked.waiting.is_empty() {
                    self.forget_query(id);
                }
            }
        }
    }

    /// Takes note of how a destination served.
    pub fn report(&mut self, destination: &Destination, outcome: Outcome, now: Instant) {
        self.availability.expire(self.config.longest_back_off, now);
        self.availability
            .report(destination, outcome, &self.config, &mut self.entropy, now);
    }

    /// Takes the answer to a query. One that comes late or twice is of no use.
    pub fn handle_answer(&mut self, answer: Answer, now: Instant) {
        let Answer { id: query, result } = answer;
        let Some(asked) = self.forget_query(query) else {
            return;
        };
        for id in asked.waiting {
            let Some(lookup) = self.lookups.get_mut(&id) else {
                continue;
            };
            lookup.queries.remove(&query);
            let need = lookup.take(&asked.question, &result, &self.config, &mut self.entropy);
            self.go_on(id, need, now);
        }
    }

    /// Gives up the queries that took too long. A call that comes early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, id)) = self.deadlines.first().copied() {
            if at > now {
                return;
            }
            let result = Err(QueryError::TimedOut);
            self.handle_answer(Answer { id, result }, now);
        }
    }

    /// When [`Self::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Gives the next question that the host is to ask.
    pub fn poll_effect(&mut self) -> Option<Query> {
        let id = self.unasked.pop_first()?;
        let question = self.asked.get(&id)?.question.clone();
        Some(Query { id, question })
    }

    /// Gives the next piece of news.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether nothing is under way.
    pub fn is_drained(&self) -> bool {
        self.lookups.is_empty()
            && self.asked.is_empty()
            && self.events.is_empty()
            && self.deadlines.is_empty()
    }

    /// Lookups that are under way.
    pub fn lookups(&self) -> usize {
        self.lookups.len()
    }

    /// Queries that are not answered, those included that the host has not been given yet.
    pub fn queries(&self) -> usize {
        self.asked.len()
    }

    /// Queries that [`Self::poll_effect`] has still to give.
    pub fn unasked(&self) -> usize {
        self.unasked.len()
    }

    /// Destinations of which it is remembered that they did not serve.
    pub fn marks(&self) -> usize {
        self.availability.len()
    }

    fn go_on(&mut self, id: LookupId, need: Need, now: Instant) {
        match need {
            Need::Nothing => {}
            Need::Questions(questions) => self.ask(id, questions, now),
            Need::End(result) => {
                self.lookups.remove(&id);
                let result = result.and_then(|found| self.ranked(found, now));
                self.events.push_back(Event::Resolved { lookup: id, result });
            }
        }
    }

    fn ask(&mut self, lookup: LookupId, questions: Vec<Question>, now: Instant) {
        for question in questions {
            let known = self.questions.get(&question).copied();
            if let Some((id, asked)) = known.and_then(|id| Some((id, self.asked.get_mut(&id)?))) {
                asked.waiting.insert(lookup);
                self.note(lookup, id);
                continue;
            }
            let id = QueryId(self.next_query);
            self.next_query = self.next_query.saturating_add(1);
            // A timeout beyond what an instant can tell is due at once rather than never.
            let deadline = now.checked_add(self.config.query_timeout).unwrap_or(now);
            self.note(lookup, id);
            self.questions.insert(question.clone(), id);
            self.deadlines.insert((deadline, id));
            self.unasked.insert(id);
            self.asked.insert(
                id,
                Asked {
                    question,
                    deadline,
                    waiting: BTreeSet::from([lookup]),
                },
            );
        }
    }

    fn note(&mut self, lookup: LookupId, query: QueryId) {
        if let Some(lookup) = self.lookups.get_mut(&lookup) {
            lookup.queries.insert(query);
        }
    }

    fn forget_query(&mut self, id: QueryId) -> Option<Asked> {
        let asked = self.asked.remove(&id)?;
        self.questions.remove(&asked.question);
        self.deadlines.remove(&(asked.deadline, id));
        // One that nobody waits for any more is not asked.
        self.unasked.remove(&id);
        Some(asked)
    }

    /// Destinations as they are to be tried now: those that failed lately after the others, without those that asked for peace.
    fn ranked(&self, found: Vec<Destination>, now: Instant) -> Result<Vec<Destination>, ResolveError> {
        if found.is_empty() {
            return Err(ResolveError::NotFound);
        }
        let mut closed: Option<Instant> = None;
        let mut usable: Vec<(Standing, Destination)> = Vec::new();
        for destination in found.into_iter().take(self.config.max_destinations) {
            match self.availability.standing(&destination, now) {
                Standing::Closed(until) => closed = Some(closed.map_or(until, |first| first.min(until))),
                standing => usable.push((standing, destination)),
            }
        }
        usable.sort_by_key(|(standing, _)| *standing);
        match closed {
            Some(until) if usable.is_empty() => Err(ResolveError::Overloaded {
                retry_after: until.saturating_duration_since(now),
            }),
            _ if usable.is_empty() => Err(ResolveError::NotFound),
            _ => Ok(usable.into_iter().map(|(_, destination)| destination).collect()),
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("lookups", &self.lookups.len())
            .field("queries", &self.asked.len())
            .field("marks", &self.availability.len())
            .finish_non_exhaustive()
    }
}
