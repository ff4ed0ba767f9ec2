//! The XDM server: XCAP requests in, as values.
//!
//! Users do as they like with their own documents and read the global ones. Requests for one document are served one
//! after the other, and a write says which version it replaces, so nothing is overwritten unseen.

mod authorise;
mod directory;
mod job;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use im_xdm_model::xcap::{ResourceUri, Usages};
use sip_im::{Identity, Uri};

use self::job::Job;
use crate::config::Config;
use crate::effect::{Answer, DocumentSelector, Effect, EffectId, StoredDocument};
use crate::signal::{Ids, RoleKind};

/// The host's name for an XCAP request.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_structs, reason = "a plain number of the host's")]
pub struct XcapId(pub u64);

/// An XCAP request as an HTTP server takes it in (RFC 4825 7, 8).
#[derive(Clone)]
#[non_exhaustive]
pub struct XcapRequest {
    /// The HTTP method.
    pub method: String,
    /// The request target, path and query, still percent-encoded: `/xcap-root/resource-lists/users/...`.
    pub target: String,
    /// The `Authorization` header field's value.
    pub authorization: Option<String>,
    /// Who makes the request, as a trusted proxy in front of this server has found out; the host fills it in only for
    /// such a proxy.
    pub asserted: Option<String>,
    /// The `Content-Type` header field's value.
    pub content_type: Option<String>,
    /// The `If-Match` header field's value.
    pub if_match: Option<String>,
    /// The `If-None-Match` header field's value.
    pub if_none_match: Option<String>,
    /// The body.
    pub body: Bytes,
}

impl XcapRequest {
    /// A request without body and conditions.
    pub fn new(method: impl Into<String>, target: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            authorization: None,
            asserted: None,
            content_type: None,
            if_match: None,
            if_none_match: None,
            body: Bytes::new(),
        }
    }
}

impl std::fmt::Debug for XcapRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("XcapRequest")
            .field("method", &self.method)
            .field("target", &self.target)
            .field("octets", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The answer for the HTTP client.
#[derive(Clone)]
#[non_exhaustive]
pub struct XcapResponse {
    /// The HTTP status.
    pub status: u16,
    /// Header fields: `ETag`, `Content-Type`, `Allow`, `WWW-Authenticate` as they apply.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
}

impl std::fmt::Debug for XcapResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("XcapResponse")
            .field("status", &self.status)
            .field("octets", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What the XDM server takes in.
#[derive(Debug)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "the small one is the answer to a question, one for each group"
)]
pub enum Input {
    /// A request of an authenticated user.
    Request {
        /// The host's name for it.
        id: XcapId,
        /// The request.
        request: XcapRequest,
        /// Who makes it, alias sets folded.
        user: Identity,
        /// Whose document it is about, alias sets folded; see [`Xdms::owner`].
        owner: Option<Identity>,
    },
    /// Whether the address of [`Transmit::Claim`] may name a group.
    Claimed {
        /// The request.
        id: XcapId,
        /// Whether it may.
        allowed: bool,
    },
}

/// What the XDM server gives.
#[derive(Debug)]
#[non_exhaustive]
pub enum Transmit {
    /// The answer to a request.
    Response {
        /// The request.
        id: XcapId,
        /// The answer.
        response: XcapResponse,
    },
    /// Ask whether an address may name a group, because it lies in this domain and is nobody's; answered by
    /// [`Input::Claimed`].
    Claim {
        /// The request.
        id: XcapId,
        /// The address.
        address: Identity,
    },
}

/// News of the XDM server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A document has changed, durably.
    Changed {
        /// Which.
        selector: DocumentSelector,
        /// Who did it.
        by: Identity,
        /// What it was before; `None` for a document that is new.
        before: Option<StoredDocument>,
        /// What it is now; `None` for a document that is gone. With the two, [`im_xdm_model::xcap::patch::diff`] tells
        /// watchers what has changed.
        after: Option<StoredDocument>,
    },
}

/// The XDM server of all users of a server.
#[derive(Debug)]
pub struct Xdms {
    config: Arc<Config>,
    usages: Usages,
    ids: Ids,
    jobs: BTreeMap<XcapId, Job>,
    /// The requests for each document, the first of them being served.
    queues: BTreeMap<DocumentSelector, VecDeque<XcapId>>,
    questions: BTreeMap<EffectId, XcapId>,
    deadlines: BTreeSet<(Instant, XcapId)>,
    transmits: VecDeque<Transmit>,
    effects: VecDeque<Effect>,
    events: VecDeque<Event>,
}

crate::impl_machine!(role Xdms: Input => Transmit, Event; Effect => Answer);

impl Xdms {
    /// A server of the standard application usages.
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            usages: Usages::standard(),
            ids: Ids::new(RoleKind::Xdms),
            jobs: BTreeMap::new(),
            queues: BTreeMap::new(),
            questions: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            transmits: VecDeque::new(),
            effects: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Whether a user has documents here that others may know to be there: the one who asks, or one that `is_user` knows.
    pub(crate) fn has_home(owner: Option<&Identity>, user: &Identity, is_user: bool) -> bool {
        owner.is_none_or(|owner| owner == user || is_user)
    }

    /// Whose document a request is about, as the request spells it; `None` for the global tree or what is no resource.
    pub fn owner(&self, request: &XcapRequest) -> Option<Identity> {
        let uri = ResourceUri::parse(&self.config.xcap_root, &request.target).ok()?;
        Some(Uri::parse(uri.user()?).ok()?.identity())
    }

    /// Takes one input.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Request {
                id,
                request,
                user,
                owner,
            } => self.take_request(id, request, user, owner, now),
            Input::Claimed { id, allowed } => self.take_claim(id, allowed, now),
        }
    }

    /// Acts on every deadline up to `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(at, id)) = self.deadlines.first() {
            if at > now {
                break;
            }
            self.deadlines.pop_first();
            self.finish(id, XcapResponse::status(504), now);
        }
    }

    /// Gives the next answer or question.
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
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Whether no request is open and nothing waits to be polled.
    pub fn is_drained(&self) -> bool {
        self.jobs.is_empty() && self.transmits.is_empty() && self.effects.is_empty() && self.events.is_empty()
    }

    /// Takes an answer; one that is late, or comes again, is ignored.
    pub fn handle_answer(&mut self, answer: Answer, now: Instant) {
        let Some(id) = self.questions.remove(&answer.id()) else {
            return;
        };
        match answer {
            Answer::Document { result, .. } => self.take_document(id, result, now),
            Answer::Groups { result, .. } => self.take_groups(id, result, now),
            Answer::Documents { result, .. } => self.take_listing(id, result, now),
            Answer::Written { result, .. } => self.take_written(id, result, now),
            Answer::Messages { .. } => self.finish(id, XcapResponse::status(500), now),
        }
    }
}

impl XcapResponse {
    /// An answer without body.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// The same answer with another header field.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
