//! The event state compositor: what has been published, under entity-tags, for as long as it is kept alive.

use core::fmt;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use bytes::Bytes;

use crate::endpoint::random_hex;
use crate::error::BuildError;
use crate::header::{AllowEvents, Event, Expires, HeaderName, MinExpires, RetryAfter, SipEtag, SipIfMatch};
use crate::message::{Request, Response};
use crate::uri::Identity;
use crate::{ByteStr, ContentType, Entropy, StatusCode};

/// An event package that can be published.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Package {
    /// Its name: `presence`, `message-summary` or any other.
    pub name: String,
    /// The types of body that it takes, such as `application/pidf+xml`; any if the list is empty.
    pub types: Vec<String>,
}

impl Package {
    /// A package and the types of body that it takes.
    pub fn new<'a>(name: &str, types: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            name: name.to_owned(),
            types: types.into_iter().map(str::to_owned).collect(),
        }
    }

    fn takes(&self, content_type: &ContentType) -> bool {
        self.types.is_empty() || self.types.iter().any(|one| content_type.matches(one))
    }
}

/// What a [`Compositor`] grants and holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The packages that can be published. None.
    pub packages: Vec<Package>,
    /// The shortest duration granted, in seconds; a shorter wish is answered 423. 60.
    pub min_expires: u32,
    /// The duration granted when none is wished for, in seconds. 3600.
    pub default_expires: u32,
    /// The longest duration granted, in seconds. 7200.
    pub max_expires: u32,
    /// Octets of one body; a longer one is answered 413. 64 KiB.
    pub max_body: usize,
    /// Publications for one resource and package; one more is answered 503. 16.
    pub max_publications: usize,
    /// Publications in all; one more is answered 503. 100 000.
    pub max_total: usize,
    /// Octets of all bodies; what does not fit is answered 503. 256 MiB.
    pub max_octets: usize,
    /// What a 503 asks the source to wait, in seconds. 30.
    pub retry_after: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            packages: Vec::new(),
            min_expires: 60,
            default_expires: 3600,
            max_expires: 7200,
            max_body: 64 << 10,
            max_publications: 16,
            max_total: 100_000,
            max_octets: 256 << 20,
            retry_after: 30,
        }
    }
}

/// What event state is of: whom, and which package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Resource {
    /// Whose state it is.
    pub of: Identity,
    /// The event package.
    pub package: String,
}

impl Resource {
    /// The state of one resource in one package.
    pub fn new(of: Identity, package: &str) -> Self {
        Self {
            of,
            package: package.to_owned(),
        }
    }
}

/// One piece of published state.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The type of the body.
    pub content_type: ContentType,
    /// The state.
    pub body: Bytes,
    /// When it ends.
    pub expires: Instant,
    /// Which change of all it was; the greatest is the latest.
    pub version: u64,
}

impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published")
            .field("content_type", &self.content_type)
            .field("body_octets", &self.body.len())
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// News of a compositor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompositorEvent {
    /// The state of a resource is another, since a request or the end of a publication's time made it so.
    Changed {
        /// Whose state.
        resource: Resource,
    },
}

/// What came of a PUBLISH.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishOutcome {
    /// The status to answer.
    pub status: StatusCode,
    /// The new entity-tag.
    pub etag: Option<String>,
    /// The duration granted, in seconds.
    pub expires: u32,
    min_expires: Option<u32>,
    retry_after: Option<u32>,
    accepts: Vec<String>,
    packages: Vec<String>,
}

impl PublishOutcome {
    /// Makes the response.
    ///
    /// # Errors
    ///
    /// Fails when the configuration has something that can't be written.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3903#section-6
    //# The response MUST contain an
    //# Expires header field indicating the expiration interval chosen by
    //# the ESC.  The response MUST also contain a SIP-ETag header field
    //# that contains a single entity-tag identifying the publication.
    pub fn response(&self, request: &Request, to_tag: &str) -> Result<Response, BuildError> {
        let mut builder = request.response(self.status).to_tag(to_tag);
        if let Some(etag) = &self.etag {
            builder = builder
                .header_typed(&Expires(self.expires))
                .header_typed(&SipEtag::new(etag));
        }
        if let Some(least) = self.min_expires {
            builder = builder.header_typed(&MinExpires(least));
        }
        if let Some(seconds) = self.retry_after {
            builder = builder.header_typed(&RetryAfter::new(seconds));
        }
        if !self.accepts.is_empty() {
            builder = builder.header(&HeaderName::ACCEPT, &self.accepts.join(", "))?;
        }
        if !self.packages.is_empty() {
            builder = builder.header_typed(&AllowEvents::new(self.packages.iter().map(String::as_str)));
        }
        builder.build()
    }

    fn refused(status: StatusCode) -> Self {
        Self {
            status,
            etag: None,
            expires: 0,
            min_expires: None,
            retry_after: None,
            accepts: Vec::new(),
            packages: Vec::new(),
        }
    }
}

/// What is published, and by which tags it is known.
///
/// That the resource is one of this compositor's, and that its source may publish, is for the caller to see before.
///
/// ```
/// use std::time::Instant;
/// use bytes::Bytes;
/// use sip_im::header::{Event, Expires};
/// use sip_im::publication::{Compositor, Config, Package, Publication, Resource};
/// use sip_im::{ContentType, Uri};
///
/// let mut config = Config::default();
/// config.packages = vec![Package::new("presence", ["application/pidf+xml"])];
/// let mut compositor = Compositor::new(config, Box::new(|octets: &mut [u8]| octets.fill(7)));
/// let alice = Uri::parse("sip:alice@example.com")?;
/// let mut publication = Publication::new(alice.clone(), Event::new("presence"), "c1", "t1", 600);
/// publication.publish(&ContentType::parse("application/pidf+xml")?, Bytes::from_static(b"<presence/>"));
/// let request = publication.next_request()?.ok_or("a request")?;
///
/// let now = Instant::now();
/// let outcome = compositor.publish(&request, alice.identity(), now);
/// assert_eq!(outcome.status.code(), 200);
/// publication.handle_response(Some(&outcome.response(&request, "e1")?), now);
/// let resource = Resource::new(alice.identity(), "presence");
/// assert_eq!(compositor.published(&resource).count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Compositor {
    config: Config,
    resources: BTreeMap<Resource, BTreeMap<u64, Published>>,
    deadlines: BTreeSet<(Instant, Resource, u64)>,
    /// What makes the tags of this compositor unlike those of the one that ran before it.
    prefix: String,
    /// The latest tag's number.
    version: u64,
    total: usize,
    octets: usize,
    /// What has changed and was not told yet, in the order in which it changed first, and the same to be looked up.
    changed: VecDeque<Resource>,
    untold: BTreeSet<Resource>,
}

impl Compositor {
    /// Makes a compositor that holds nothing.
    pub fn new(config: Config, mut entropy: Entropy) -> Self {
        Self {
            config,
            resources: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            prefix: random_hex(&mut entropy, 8),
            version: 0,
            total: 0,
            octets: 0,
            changed: VecDeque::new(),
            untold: BTreeSet::new(),
        }
    }

    /// Takes a PUBLISH for the state of a resource, wholly or not at all.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3903#section-6
    //# PUBLISH requests MUST also be
    //# processed atomically, meaning that a particular PUBLISH request is
    //# either processed completely or not at all.
    pub fn publish(&mut self, request: &Request, of: Identity, now: Instant) -> PublishOutcome {
        self.handle_timeout(now);
        match self.processed(request, of, now) {
            Ok(outcome) => outcome,
            Err(refusal) => *refusal,
        }
    }

    /// What is published of a resource, in the order in which it was last changed.
    pub fn published(&self, resource: &Resource) -> impl Iterator<Item = &Published> {
        self.resources
            .get(resource)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// How many publications there are.
    pub fn len(&self) -> usize {
        self.total
    }

    /// Whether nothing is published.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Ends what is due. A call that comes early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, resource, version)) = self.deadlines.first().cloned() {
            if at > now {
                return;
            }
            self.take(&resource, version);
            self.changed(resource);
        }
    }

    /// When [`Self::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, ..)| *at)
    }

    /// Gives the next piece of news.
    pub fn poll_event(&mut self) -> Option<CompositorEvent> {
        let resource = self.changed.pop_front()?;
        self.untold.remove(&resource);
        Some(CompositorEvent::Changed { resource })
    }

    fn processed(
        &mut self,
        request: &Request,
        of: Identity,
        now: Instant,
    ) -> Result<PublishOutcome, Box<PublishOutcome>> {
        let refused = |status| Box::new(PublishOutcome::refused(status));
        let malformed = |error: crate::error::HeaderError| refused(error.status());
        let headers = request.headers();
        //= https://www.rfc-editor.org/rfc/rfc3903#section-6
        //# If the Event header field is missing or contains an event package
        //# which the ESC does not support, the ESC MUST respond to the
        //# PUBLISH request with a 489 (Bad Event) response, and skip the
        //# remaining steps.
        let event = headers.get::<Event>().map_err(malformed)?;
        let package = event.and_then(|event| {
            let mut packages = self.config.packages.iter();
            packages.find(|package| package.name == event.package.as_str())
        });
        let Some(package) = package else {
            let mut refusal = refused(StatusCode::BAD_EVENT);
            refusal.packages = self.config.packages.iter().map(|one| one.name.clone()).collect();
            return Err(refusal);
        };
        let resource = Resource::new(of, &package.name);
        //= https://www.rfc-editor.org/rfc/rfc3903#section-6
        //# If no match is found, the ESC MUST reject the publication with
        //# a response of 412 (Conditional Request Failed), and skip the
        //# remaining steps.
        let known = match headers.get::<SipIfMatch>().map_err(malformed)? {
            None => None,
            Some(tag) => match self
                .version_of(&tag.0)
                .filter(|version| self.has(&resource, *version))
            {
                Some(version) => Some(version),
                None => return Err(refused(StatusCode::CONDITIONAL_REQUEST_FAILED)),
            },
        };
        let wished = headers.get::<Expires>().map_err(malformed)?;
        let wished = wished.map_or(self.config.default_expires, |expires| expires.0);
        if wished > 0 && wished < self.config.min_expires {
            let mut refusal = refused(StatusCode::INTERVAL_TOO_BRIEF);
            refusal.min_expires = Some(self.config.min_expires);
            return Err(refusal);
        }
        let granted = wished.min(self.config.max_expires);
        let content = match (request.body().is_empty(), known) {
            (true, None) => return Err(refused(StatusCode::BAD_REQUEST)),
            (true, Some(_)) => None,
            (false, _) => {
                let content_type = request.content_type().map_err(malformed)?;
                let Some(content_type) = content_type.filter(|one| package.takes(one)) else {
                    let mut refusal = refused(StatusCode::UNSUPPORTED_MEDIA_TYPE);
                    refusal.accepts.clone_from(&package.types);
                    return Err(refusal);
                };
                if request.body().len() > self.config.max_body {
                    return Err(refused(StatusCode::REQUEST_ENTITY_TOO_LARGE));
                }
                // The state outlives the buffer that it came in.
                let content_type = ContentType::parse(&content_type.to_string()).unwrap_or(content_type);
                Some((content_type, Bytes::copy_from_slice(request.body())))
            }
        };
        self.check_room(&resource, known, content.as_ref().map(|(_, body)| body.len()))?;
        Ok(self.commit(resource, known, content, granted, now))
    }

    fn check_room(
        &self,
        resource: &Resource,
        known: Option<u64>,
        octets: Option<usize>,
    ) -> Result<(), Box<PublishOutcome>> {
        let of_resource = self.resources.get(resource);
        let many = of_resource.is_some_and(|all| all.len() >= self.config.max_publications);
        let full = known.is_none() && (many || self.total >= self.config.max_total);
        let held = known
            .and_then(|version| of_resource?.get(&version))
            .map_or(0, |published| published.body.len());
        let after = self
            .octets
            .saturating_sub(held)
            .saturating_add(octets.unwrap_or(held));
        if full || after > self.config.max_octets {
            //= https://www.rfc-editor.org/rfc/rfc3903#section-9
            //# To
            //# push back on publications from a particular source, the ESC MAY
            //# respond to a PUBLISH request with a 503 (Service Unavailable), as
            //# defined in RFC 3261 [4].
            let mut refusal = Box::new(PublishOutcome::refused(StatusCode::SERVICE_UNAVAILABLE));
            refusal.retry_after = Some(self.config.retry_after);
            return Err(refusal);
        }
        Ok(())
    }

    fn commit(
        &mut self,
        resource: Resource,
        known: Option<u64>,
        content: Option<(ContentType, Bytes)>,
        granted: u32,
        now: Instant,
    ) -> PublishOutcome {
        let old = known.and_then(|version| self.take(&resource, version));
        self.version = self.version.saturating_add(1);
        let version = self.version;
        let is_change = content.is_some() || granted == 0;
        let kept = content.or_else(|| {
            old.as_ref()
                .map(|old| (old.content_type.clone(), old.body.clone()))
        });
        let until = now.checked_add(Duration::from_secs(u64::from(granted)));
        //= https://www.rfc-editor.org/rfc/rfc3903#section-6
        //# The ESC MUST NOT store any event state as
        //# a result of such a request.
        if let (Some((content_type, body)), Some(expires), true) = (kept, until, granted > 0) {
            self.total = self.total.saturating_add(1);
            self.octets = self.octets.saturating_add(body.len());
            self.deadlines.insert((expires, resource.clone(), version));
            self.resources.entry(resource.clone()).or_default().insert(
                version,
                Published {
                    content_type,
                    body,
                    expires,
                    version,
                },
            );
        }
        if is_change && (granted > 0 || old.is_some()) {
            self.changed(resource);
        }
        PublishOutcome {
            etag: Some(format!("{}-{version:x}", self.prefix)),
            expires: granted,
            ..PublishOutcome::refused(StatusCode::OK)
        }
    }

    fn take(&mut self, resource: &Resource, version: u64) -> Option<Published> {
        let all = self.resources.get_mut(resource)?;
        let taken = all.remove(&version)?;
        if all.is_empty() {
            self.resources.remove(resource);
        }
        self.total = self.total.saturating_sub(1);
        self.octets = self.octets.saturating_sub(taken.body.len());
        self.deadlines.remove(&(taken.expires, resource.clone(), version));
        Some(taken)
    }

    /// Several changes that nobody has heard of yet are one piece of news.
    fn changed(&mut self, resource: Resource) {
        if self.untold.insert(resource.clone()) {
            self.changed.push_back(resource);
        }
    }

    fn has(&self, resource: &Resource, version: u64) -> bool {
        self.resources
            .get(resource)
            .is_some_and(|all| all.contains_key(&version))
    }

    /// The number in a tag of this compositor.
    fn version_of(&self, tag: &ByteStr) -> Option<u64> {
        let digits = tag
            .as_str()
            .strip_prefix(self.prefix.as_str())?
            .strip_prefix('-')?;
        let version = u64::from_str_radix(digits, 16).ok()?;
        // A tag is what was written, not what reads alike.
        (format!("{version:x}") == digits).then_some(version)
    }
}

impl fmt::Debug for Compositor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compositor")
            .field("publications", &self.total)
            .field("octets", &self.octets)
            .finish_non_exhaustive()
    }
}
