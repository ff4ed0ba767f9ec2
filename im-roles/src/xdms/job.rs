//! One request, from the fetch of the document to the answer.

use std::time::Instant;

use im_xdm_model::xcap::{
    self, Change, Condition, ETag, Exists, Method, Outcome, Request, ResourceUri, Stored, XcapError,
};
use sip_im::Identity;

use super::{Event, Transmit, XcapId, XcapRequest, XcapResponse, Xdms, authorise, directory};
use crate::effect::{DocumentListing, DocumentSelector, Effect, EffectId, StoreError, StoredDocument};
use crate::message;

/// A request that is owed an answer.
#[derive(Debug)]
pub(super) struct Job {
    request: Request,
    head: bool,
    user: Identity,
    selector: DocumentSelector,
    step: Step,
    attempts: u8,
    deadline: Option<Instant>,
}

/// How far a request has come.
#[derive(Debug)]
enum Step {
    /// Others for the same document come first.
    Waiting,
    /// The document is being fetched.
    Fetching(EffectId),
    /// A group's address is being claimed, before the document is written.
    Claiming {
        pending: Pending,
        group: Identity,
        question: Option<EffectId>,
    },
    /// The change is being written.
    Writing { effect: EffectId, pending: Pending },
}

/// A change that is decided but not written.
#[derive(Debug)]
struct Pending {
    outcome: Outcome,
    stored: Option<StoredDocument>,
}

impl Pending {
    /// The document once the change is written.
    fn after(&self) -> Option<StoredDocument> {
        let Change::Put(text) = &self.outcome.change else {
            return None;
        };
        let etag = self.outcome.etag.clone().unwrap_or_else(|| ETag::of(text));
        Some(StoredDocument::new(etag.as_str(), text.clone()))
    }
}

/// How often a request is answered anew because the document changed under it.
const ATTEMPTS: u8 = 3;

impl Xdms {
    pub(super) fn take_request(
        &mut self,
        id: XcapId,
        request: XcapRequest,
        user: Identity,
        owner: Option<Identity>,
        now: Instant,
    ) {
        if self.jobs.len() >= self.config.limits.max_xcap_requests || self.jobs.contains_key(&id) {
            self.answer(id, XcapResponse::status(503).with_header("Retry-After", "5"));
            return;
        }
        if request.body.len() > self.config.limits.max_document_size {
            self.answer(id, XcapResponse::status(413));
            return;
        }
        let uri = match ResourceUri::parse(&self.config.xcap_root, &request.target) {
            Ok(uri) => uri,
            Err(error) => {
                self.answer(id, XcapResponse::status(error.status()));
                return;
            }
        };
        let method = Method::from_name(&request.method);
        let Some(usage) = self.usages.get(uri.auid()) else {
            self.answer(id, XcapResponse::status(404));
            return;
        };
        // What only the server changes is changed by nobody, whoever he is.
        if method != Method::Get && !usage.writable {
            self.answer(id, XcapResponse::status(405).with_header("Allow", "GET, HEAD"));
            return;
        }
        //= R-6.2-04
        if !authorise::may(usage, &uri, &user, owner.as_ref(), method) {
            self.answer(id, XcapResponse::status(403));
            return;
        }
        let selector = match owner {
            Some(owner) => DocumentSelector::of_user(uri.auid(), owner, uri.document()),
            None => DocumentSelector::global(uri.auid(), uri.document()),
        };
        let mut made = Request::new(method, uri);
        made.body = request.body;
        made.content_type = request.content_type;
        made.if_match = request.if_match;
        made.if_none_match = request.if_none_match;
        let head = request.method == "HEAD";
        let job = Job {
            request: made,
            head,
            user,
            selector: selector.clone(),
            step: Step::Waiting,
            attempts: 0,
            deadline: None,
        };
        self.jobs.insert(id, job);
        let queue = self.queues.entry(selector).or_default();
        queue.push_back(id);
        if queue.len() == 1 {
            self.fetch(id, now);
        }
    }

    /// Sets the one deadline of a request, from its turn on.
    fn start_clock(&mut self, id: XcapId, now: Instant) {
        let at = message::after(now, self.config.limits.effect_timeout);
        if let Some(job) = self.jobs.get_mut(&id) {
            if let Some(before) = job.deadline.replace(at) {
                self.deadlines.remove(&(before, id));
            }
            self.deadlines.insert((at, id));
        }
    }

    fn fetch(&mut self, id: XcapId, now: Instant) {
        self.start_clock(id, now);
        let effect = self.ids.effect();
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.attempts = job.attempts.saturating_add(1);
        job.step = Step::Fetching(effect);
        self.questions.insert(effect, id);
        self.effects.push_back(match &job.selector.user {
            Some(user) if directory::is_directory(&job.selector) => Effect::ListDocuments {
                id: effect,
                user: user.clone(),
                limit: self.config.limits.max_listed_documents,
            },
            _ => Effect::FetchDocument {
                id: effect,
                selector: job.selector.clone(),
            },
        });
    }

    /// What a user has, of which his directory is made.
    pub(super) fn take_listing(
        &mut self,
        id: XcapId,
        result: Result<Vec<DocumentListing>, StoreError>,
        now: Instant,
    ) {
        let result = result.map(|documents| {
            let text = directory::write(&self.config.xcap_root, &self.usages, &documents);
            Some(StoredDocument::new(ETag::of(&text).as_str(), text))
        });
        self.take_document(id, result, now);
    }

    pub(super) fn take_document(
        &mut self,
        id: XcapId,
        result: Result<Option<StoredDocument>, StoreError>,
        now: Instant,
    ) {
        let Some(Job {
            step: Step::Fetching(_),
            request,
            ..
        }) = self.jobs.get(&id)
        else {
            return;
        };
        let Ok(stored) = result else {
            self.finish(id, XcapResponse::status(503), now);
            return;
        };
        let before = stored
            .as_ref()
            .map(|one| Stored::with_etag(ETag::new(one.etag.as_str()), one.text.clone()));
        let outcome = xcap::apply(request, before.as_ref(), &self.usages);
        let defines_group = request.uri.auid() == authorise::GROUPS;
        match &outcome.change {
            Change::Put(text) if text.len() > self.config.limits.max_document_size => {
                self.finish(id, XcapResponse::status(413), now);
            }
            Change::Put(text) if defines_group => match authorise::group_address(text) {
                Some(group) => {
                    let address = group.clone();
                    self.set_step(
                        id,
                        Step::Claiming {
                            pending: Pending { outcome, stored },
                            group,
                            question: None,
                        },
                    );
                    self.transmits.push_back(Transmit::Claim { id, address });
                }
                None => self.conflict(id, &Condition::ConstraintFailure.into(), now),
            },
            Change::Put(_) | Change::Delete => self.write(id, Pending { outcome, stored }, Vec::new()),
            _ => self.conclude(id, outcome, now),
        }
    }

    fn set_step(&mut self, id: XcapId, step: Step) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.step = step;
        }
    }

    /// The address is nobody's as far as the configuration goes; other documents may define it too.
    pub(super) fn take_claim(&mut self, id: XcapId, allowed: bool, now: Instant) {
        let effect = self.ids.effect();
        let Some(Job {
            step:
                Step::Claiming {
                    group,
                    question: question @ None,
                    ..
                },
            ..
        }) = self.jobs.get_mut(&id)
        else {
            return;
        };
        if !allowed {
            self.address_taken(id, &[], now);
            return;
        }
        *question = Some(effect);
        let mut addresses = vec![group.clone()];
        addresses.extend(authorise::other_addresses(group));
        self.questions.insert(effect, id);
        self.effects.push_back(Effect::FindGroups {
            id: effect,
            addresses,
        });
    }

    pub(super) fn take_groups(
        &mut self,
        id: XcapId,
        result: Result<Vec<(Identity, StoredDocument)>, StoreError>,
        now: Instant,
    ) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let Step::Claiming { pending, group, .. } = std::mem::replace(&mut job.step, Step::Waiting) else {
            return;
        };
        let Ok(found) = result else {
            self.finish(id, XcapResponse::status(503), now);
            return;
        };
        // The document itself may define it already; its text tells.
        let elsewhere = found
            .iter()
            .any(|(address, other)| *address == group && pending.stored.as_ref() != Some(other));
        if elsewhere {
            let free = |other: &Identity| !found.iter().any(|(address, _)| address == other);
            let free: Vec<Identity> = authorise::other_addresses(&group).filter(free).collect();
            self.address_taken(id, &free, now);
        } else {
            self.write(id, pending, vec![group]);
        }
    }

    fn address_taken(&mut self, id: XcapId, free: &[Identity], now: Instant) {
        let taken = Exists::new("group/list-service/@uri");
        let exists = free
            .iter()
            .fold(taken, |exists, other| exists.with_alternative(other.to_string()));
        let error = XcapError::new(Condition::UniquenessFailure { exists: vec![exists] });
        self.conflict(id, &error, now);
    }

    fn conflict(&mut self, id: XcapId, error: &XcapError, now: Instant) {
        let mut response = XcapResponse::status(409).with_header("Content-Type", xcap::ERROR_MEDIA_TYPE);
        response.body = error.write();
        self.finish(id, response, now);
    }

    fn write(&mut self, id: XcapId, pending: Pending, groups: Vec<Identity>) {
        let effect = self.ids.effect();
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let selector = job.selector.clone();
        let expected = pending.stored.as_ref().map(|stored| stored.etag.clone());
        let work = match (pending.after(), expected) {
            (Some(document), expected) => Effect::StoreDocument {
                id: effect,
                selector,
                expected,
                document,
                groups,
            },
            (None, expected) => Effect::DeleteDocument {
                id: effect,
                selector,
                expected: expected.unwrap_or_default(),
            },
        };
        job.step = Step::Writing { effect, pending };
        self.questions.insert(effect, id);
        self.effects.push_back(work);
    }

    pub(super) fn take_written(&mut self, id: XcapId, result: Result<(), StoreError>, now: Instant) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if !matches!(job.step, Step::Writing { .. }) {
            return;
        }
        match result {
            Ok(()) => {
                let Step::Writing { pending, .. } = std::mem::replace(&mut job.step, Step::Waiting) else {
                    return;
                };
                let after = pending.after();
                self.events.push_back(Event::Changed {
                    selector: job.selector.clone(),
                    by: job.user.clone(),
                    before: pending.stored,
                    after,
                });
                self.conclude(id, pending.outcome, now);
            }
            Err(StoreError::Conflict) if job.attempts < ATTEMPTS => self.fetch(id, now),
            Err(StoreError::QuotaExceeded) => self.finish(id, XcapResponse::status(507), now),
            Err(_) => self.finish(id, XcapResponse::status(503), now),
        }
    }

    fn conclude(&mut self, id: XcapId, outcome: Outcome, now: Instant) {
        let mut response = XcapResponse::status(outcome.status);
        if let Some(etag) = &outcome.etag {
            response = response.with_header("ETag", etag.to_string());
        }
        //= https://www.rfc-editor.org/rfc/rfc4825#section-9
        //# For
        //# application usages containing data that is likely to be dynamic or
        //# written by clients, servers SHOULD indicate a no-cache directive.
        if matches!(outcome.status, 200 | 304) {
            response = response.with_header("Cache-Control", "no-cache");
        }
        if let Some(kind) = outcome.content_type {
            response = response.with_header("Content-Type", kind);
        }
        if let Some(allow) = outcome.allow {
            response = response.with_header("Allow", allow);
        }
        if self.jobs.get(&id).is_some_and(|job| job.head) {
            response = response.with_header("Content-Length", outcome.body.len().to_string());
        } else {
            response.body = outcome.body;
        }
        self.finish(id, response, now);
    }

    /// Answers a request, and serves the next one for the same document.
    pub(super) fn finish(&mut self, id: XcapId, response: XcapResponse, now: Instant) {
        let Some(job) = self.jobs.remove(&id) else { return };
        if let Some(at) = job.deadline {
            self.deadlines.remove(&(at, id));
        }
        match &job.step {
            Step::Fetching(effect)
            | Step::Writing { effect, .. }
            | Step::Claiming {
                question: Some(effect),
                ..
            } => {
                self.questions.remove(effect);
            }
            Step::Waiting | Step::Claiming { question: None, .. } => {}
        }
        self.answer(id, response);
        let Some(queue) = self.queues.get_mut(&job.selector) else {
            return;
        };
        queue.retain(|other| *other != id);
        match queue.front().copied() {
            Some(next) => self.fetch(next, now),
            None => {
                self.queues.remove(&job.selector);
            }
        }
    }

    fn answer(&mut self, id: XcapId, response: XcapResponse) {
        self.transmits.push_back(Transmit::Response { id, response });
    }
}
