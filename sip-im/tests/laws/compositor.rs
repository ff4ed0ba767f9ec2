//! Compositors, whose watchers read what has changed when they are told, and not before.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use sip_im::header::{Event, Expires, SipIfMatch};
use sip_im::publication::{Compositor, CompositorEvent, Config, Package, Resource};
use sip_im::{ContentType, Method, Request};

use crate::law::{Subject, keep, steps};
use crate::machines::{entropy, uri};

const OF_ONE: usize = 2;
const TOTAL: usize = 5;
const OCTETS: usize = 40;

#[derive(Clone, Debug)]
struct Operation {
    user: u8,
    /// Which of the tags given before.
    tag: Option<u8>,
    body: Option<(u8, usize)>,
    expires: Option<u32>,
    package: bool,
}

fn operation() -> impl Strategy<Value = Operation> {
    let expires = prop_oneof![1 => Just(Some(0)), 1 => Just(Some(10)), 4 => (60..500_u32).prop_map(Some), 1 => Just(None)];
    (
        0..3_u8,
        proptest::option::of(any::<u8>()),
        proptest::option::weighted(0.8, (any::<u8>(), 1..14_usize)),
        expires,
        proptest::bool::weighted(0.9),
    )
        .prop_map(|(user, tag, body, expires, package)| Operation {
            user,
            tag,
            body,
            expires,
            package,
        })
}

struct Host {
    compositor: Compositor,
    tags: Vec<String>,
    /// What the watchers know.
    known: BTreeMap<Resource, Vec<Bytes>>,
}

impl Host {
    fn published(&self, resource: &Resource) -> Vec<Bytes> {
        let mut bodies: Vec<_> = self
            .compositor
            .published(resource)
            .map(|one| one.body.clone())
            .collect();
        bodies.sort();
        bodies
    }
}

fn resources() -> impl Iterator<Item = Resource> {
    (0..3).map(|user| Resource::new(uri(&format!("sip:u{user}@a.test")).identity(), "presence"))
}

impl Subject for Host {
    type Operation = Operation;
    // Several changes are one piece of news.
    const SAME_WHEN_LATE: bool = false;

    fn new(_: Instant) -> Self {
        let mut config = Config::default();
        config.packages = vec![Package::new("presence", ["text/plain"])];
        (config.max_publications, config.max_total, config.max_octets) = (OF_ONE, TOTAL, OCTETS);
        (config.max_body, config.max_expires) = (12, 300);
        Self {
            compositor: Compositor::new(config, entropy(3)),
            tags: Vec::new(),
            known: BTreeMap::new(),
        }
    }

    fn apply(&mut self, operation: &Operation, now: Instant) -> String {
        let user = uri(&format!("sip:u{}@a.test", operation.user));
        let package = if operation.package { "presence" } else { "other" };
        let mut builder = Request::builder(Method::Publish, user.clone())
            .from(&user, None, "f")
            .to(&user, None)
            .call_id("c")
            .cseq(1)
            .header_typed(&Event::new(package));
        if let Some(seconds) = operation.expires {
            builder = builder.header_typed(&Expires(seconds));
        }
        let tag = operation
            .tag
            .and_then(|which| self.tags.get(usize::from(which).checked_rem(self.tags.len())?));
        if let Some(tag) = tag {
            builder = builder.header_typed(&SipIfMatch(sip_im::ByteStr::from(tag.clone())));
        }
        if let Some((octet, length)) = operation.body {
            let text = ContentType::parse("text/plain").expect("a type");
            builder = builder.body(&text, Bytes::from(vec![octet; length]));
        }
        let request = builder.build().expect("a request");
        let before = self.compositor.len();
        let outcome = self.compositor.publish(&request, user.identity(), now);
        assert!(
            outcome.status.is_success() || self.compositor.len() <= before,
            "refused, and done"
        );
        if let Some(tag) = &outcome.etag {
            assert!(!self.tags.contains(tag), "each has a tag of its own");
            self.tags.push(tag.clone());
        }
        format!("{outcome:?}")
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.compositor.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.compositor.poll_timeout()
    }

    fn drain(&mut self, _: Instant) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(event) = self.compositor.poll_event() {
            let line = format!("{event:?}");
            assert!(!told.contains(&line), "told once for all that happened since");
            told.push(line);
            if let CompositorEvent::Changed { resource } = event {
                let bodies = self.published(&resource);
                self.known.insert(resource, bodies);
            }
        }
        for resource in resources() {
            let known = self.known.get(&resource).cloned().unwrap_or_default();
            assert_eq!(known, self.published(&resource), "what changed is told");
        }
        told
    }

    fn look(&self) -> String {
        let all: Vec<_> = resources().map(|resource| self.published(&resource)).collect();
        format!("{:?} {all:?}", self.compositor)
    }

    fn check_limits(&self) {
        let all: Vec<_> = resources().map(|resource| self.published(&resource)).collect();
        assert!(all.iter().all(|bodies| bodies.len() <= OF_ONE));
        assert_eq!(all.iter().map(Vec::len).sum::<usize>(), self.compositor.len());
        assert!(self.compositor.len() <= TOTAL);
        assert!(all.iter().flatten().map(Bytes::len).sum::<usize>() <= OCTETS);
    }

    fn check_after_timeout(&self, now: Instant) {
        for resource in resources() {
            assert!(self.compositor.published(&resource).all(|one| one.expires > now));
        }
    }

    fn settle(&mut self, _: Instant) {}

    fn account(&mut self, _: Instant) {
        assert!(self.compositor.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_compositor_keeps_the_laws(steps in steps(operation(), Duration::from_secs(400))) {
        keep::<Host>(&steps);
    }
}
