//! The response context: one request that is passed on, its branches, and which of their responses goes back (RFC 3261 section 16.7).

use std::collections::{BTreeMap, VecDeque};

use super::best_response;
use crate::StatusCode;
use crate::endpoint::{ClientTransaction, Target};
use crate::flow::FlowId;
use crate::header::{HeaderName, MaxBreadth};
use crate::message::{Request, Response};
use crate::uri::Uri;

/// One place that a request is passed on to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Branch {
    /// The Request-URI there.
    pub uri: Uri,
    /// The routes to it, ahead of those in the request: the Path of a binding.
    pub routes: Vec<Uri>,
    /// Where to send it, if not to where its first Route or its Request-URI leads: the flow of a binding.
    pub next: Option<Target>,
}

impl Branch {
    /// To wherever a URI leads.
    pub fn to(uri: Uri) -> Self {
        Self {
            uri,
            routes: Vec::new(),
            next: None,
        }
    }

    /// Through these routes first.
    #[must_use]
    pub fn through(mut self, routes: Vec<Uri>) -> Self {
        self.routes = routes;
        self
    }

    /// Over a flow or to an address.
    #[must_use]
    pub fn over(mut self, next: Target) -> Self {
        self.next = Some(next);
        self
    }
}

/// What is to be done after something has happened to a context.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// To be passed back.
    pub(super) forward: Option<Response>,
    /// To be cancelled.
    pub(super) cancel: Vec<ClientTransaction>,
    /// To be answered, since no branch has a response that could be passed back.
    pub(super) answer: Option<StatusCode>,
    /// The next branches are due.
    pub(super) more: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BranchState {
    Open,
    Cancelled,
}

/// One request that is passed on.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) request: Request,
    /// Where it came in.
    pub(super) flow: FlowId,
    pub(super) mark: String,
    invite: bool,
    /// Of the request as it came, at most what this proxy allows.
    pub(super) breadth: u32,
    branches: BTreeMap<ClientTransaction, BranchState>,
    /// All that were ever begun.
    begun: Vec<ClientTransaction>,
    groups: VecDeque<Vec<Branch>>,
    best: Option<Response>,
    /// The challenges of all branches (section 16.7 step 7).
    challenges: Vec<(HeaderName, String)>,
    /// The worst that branches without a response came to.
    failure: Option<StatusCode>,
    progress: Progress,
    /// It is over, and only further 2xx are waited for.
    pub(super) lingers: bool,
}

/// How far the answering of a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Open,
    /// No new branch is begun: a 6xx has come, or a CANCEL.
    Stopped,
    /// A final response has been passed back.
    Answered,
    /// A 2xx has been passed back, after which others may come.
    Succeeded,
}

impl Context {
    pub(super) fn new(request: Request, flow: FlowId, mark: String, invite: bool, breadth: u32) -> Self {
        Self {
            request,
            flow,
            mark,
            invite,
            breadth,
            branches: BTreeMap::new(),
            begun: Vec::new(),
            groups: VecDeque::new(),
            best: None,
            challenges: Vec::new(),
            failure: None,
            progress: Progress::Open,
            lingers: false,
        }
    }

    pub(super) fn add_groups(&mut self, groups: impl IntoIterator<Item = Vec<Branch>>) {
        self.groups
            .extend(groups.into_iter().filter(|group| !group.is_empty()));
    }

    /// The branches to begin next.
    pub(super) fn next_group(&mut self) -> Option<Vec<Branch>> {
        if self.progress != Progress::Open {
            return None;
        }
        self.groups.pop_front()
    }

    pub(super) fn begin(&mut self, branch: ClientTransaction) {
        self.branches.insert(branch, BranchState::Open);
        self.begun.push(branch);
    }

    /// All branches that were ever begun.
    pub(super) fn begun(&self) -> &[ClientTransaction] {
        &self.begun
    }

    /// Whether further responses may come though all branches have ended: an INVITE may get several 2xx.
    pub(super) fn expects_more(&self) -> bool {
        self.invite && self.progress == Progress::Succeeded
    }

    /// A branch could not even be begun.
    pub(super) fn not_begun(&mut self, status: StatusCode) {
        self.failure = Some(self.failure.map_or(status, |worst| worst.min(status)));
    }

    pub(super) fn branches(&self) -> usize {
        self.branches.len()
    }

    /// Whether all branches have ended and none is to come.
    pub(super) fn is_over(&self) -> bool {
        self.branches.is_empty() && self.is_answered()
    }

    pub(super) fn is_answered(&self) -> bool {
        matches!(self.progress, Progress::Answered | Progress::Succeeded)
    }

    /// Takes a response of a branch.
    pub(super) fn response(&mut self, branch: ClientTransaction, response: Response) -> Steps {
        let mut steps = Steps::default();
        let code = response.status().code();
        //= https://www.rfc-editor.org/rfc/rfc3261#section-16.7
        //# If no Via header field values remain in the response, the
        //# response was meant for this element and MUST NOT be forwarded.
        if !response.headers().contains(&HeaderName::VIA) {
            if code >= 200 {
                self.branches.remove(&branch);
                self.settle(&mut steps);
            }
            return steps;
        }
        match code {
            //= https://www.rfc-editor.org/rfc/rfc3261#section-16.7
            //# In particular, a stateful proxy MUST NOT forward
            //# any 100 (Trying) response.
            101..=199 if self.invite && !self.is_answered() => steps.forward = Some(response),
            100..=199 => {}
            200..=299 => {
                self.branches.remove(&branch);
                //= https://www.rfc-editor.org/rfc/rfc3261#section-16.7
                //# After a final response has been sent on the server transaction,
                //# the following responses MUST be forwarded immediately:
                if !self.is_answered() || self.expects_more() {
                    self.progress = Progress::Succeeded;
                    steps.forward = Some(response);
                }
                steps.cancel = self.pending();
            }
            _ => {
                self.branches.remove(&branch);
                if !self.is_answered() {
                    self.keep(response);
                }
                if code >= 600 {
                    //= https://www.rfc-editor.org/rfc/rfc3261#section-16.7
                    //# If a 6xx response is received, it is not immediately forwarded,
                    //# but the stateful proxy SHOULD cancel all client pending
                    //# transactions as described in Section 10, and it MUST NOT create
                    //# any new branches in this context.
                    self.stop();
                    steps.cancel = self.pending();
                }
                self.settle(&mut steps);
            }
        }
        steps
    }

    /// Takes note that a branch got no final response.
    pub(super) fn failed(&mut self, branch: ClientTransaction, status: StatusCode) -> Steps {
        let mut steps = Steps::default();
        if self.branches.remove(&branch).is_some() {
            self.not_begun(status);
            self.settle(&mut steps);
        }
        steps
    }

    /// Takes a CANCEL.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-16.10
    //# A proxy MUST cancel any
    //# pending client transactions associated with a response context when
    //# it receives a matching CANCEL request.
    pub(super) fn cancelled(&mut self) -> Steps {
        let mut steps = Steps::default();
        self.stop();
        steps.cancel = self.pending();
        if self.branches.is_empty() && !self.is_answered() {
            self.progress = Progress::Answered;
            steps.answer = Some(StatusCode::REQUEST_TERMINATED);
        }
        steps
    }

    /// Nothing is passed back any more.
    pub(super) fn abandon(&mut self) {
        if !self.is_answered() {
            self.progress = Progress::Answered;
        }
        self.groups.clear();
    }

    /// It was answered otherwise; gives what is to be cancelled.
    pub(super) fn withdraw(&mut self) -> Vec<ClientTransaction> {
        self.abandon();
        self.pending()
    }

    /// What is to be done when no branch is left.
    pub(super) fn settle(&mut self, steps: &mut Steps) {
        if !self.branches.is_empty() || self.is_answered() {
            return;
        }
        if self.progress == Progress::Open && !self.groups.is_empty() {
            steps.more = true;
            return;
        }
        self.progress = Progress::Answered;
        match self.best.take() {
            Some(mut best) if best.status() != StatusCode::SERVICE_UNAVAILABLE => {
                self.add_challenges(&mut best);
                steps.forward = Some(best);
            }
            //= https://www.rfc-editor.org/rfc/rfc3261#section-16.7
            //# If the only
            //# response that was received is a 503, the proxy SHOULD generate
            //# a 500 response and forward that upstream.
            Some(_) => steps.answer = Some(StatusCode::SERVER_INTERNAL_ERROR),
            //= https://www.rfc-editor.org/rfc/rfc3261#section-16.7
            //# If there are no final responses in the context, the proxy MUST
            //# send a 408 (Request Timeout) response to the server
            //# transaction.
            None => steps.answer = Some(self.failure.unwrap_or(StatusCode::REQUEST_TIMEOUT)),
        }
    }

    fn stop(&mut self) {
        if self.progress == Progress::Open {
            self.progress = Progress::Stopped;
        }
    }

    /// Keeps a response if it is better than those before, and its challenges in any case.
    fn keep(&mut self, response: Response) {
        if matches!(response.status().code(), 401 | 407) {
            for name in [HeaderName::WWW_AUTHENTICATE, HeaderName::PROXY_AUTHENTICATE] {
                for value in response.headers().values(&name) {
                    if self.challenges.len() < MAX_CHALLENGES {
                        self.challenges.push((name.clone(), value.as_str().to_owned()));
                    }
                }
            }
        }
        let better = match &self.best {
            None => true,
            Some(best) => best_response([best, &response])
                .is_some_and(|better| core::ptr::eq(better, &raw const response)),
        };
        if better {
            self.best = Some(response);
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc3261#section-16.7
    //# If the selected response is a 401 (Unauthorized) or 407 (Proxy
    //# Authentication Required), the proxy MUST collect any WWW-
    //# Authenticate and Proxy-Authenticate header field values from
    //# all other 401 (Unauthorized) and 407 (Proxy Authentication
    //# Required) responses received so far in this response context
    //# and add them to this response without modification before
    //# forwarding.
    fn add_challenges(&self, best: &mut Response) {
        if !matches!(best.status().code(), 401 | 407) {
            return;
        }
        let headers = best.headers_mut();
        for (name, value) in &self.challenges {
            if !headers.values(name).any(|known| known.as_str() == value) {
                // It was read as a header value, and so it can be written as one.
                let _ = headers.push(name, value);
            }
        }
    }

    /// The branches that have not ended and are not cancelled, which they are from now on.
    fn pending(&mut self) -> Vec<ClientTransaction> {
        let mut pending = Vec::new();
        if !self.invite {
            return pending;
        }
        for (branch, state) in &mut self.branches {
            if *state == BranchState::Open {
                *state = BranchState::Cancelled;
                pending.push(*branch);
            }
        }
        pending
    }
}

/// The breadth of each of several branches (RFC 5393 section 5.3.3): the whole is divided among them, the first get the rest.
pub(super) fn shares(breadth: u32, branches: usize) -> impl Iterator<Item = MaxBreadth> {
    let count = u32::try_from(branches).unwrap_or(u32::MAX).max(1);
    let each = breadth.checked_div(count).unwrap_or(0);
    let rest = breadth.checked_rem(count).unwrap_or(0);
    (0..count).map(move |at| MaxBreadth(each.saturating_add(u32::from(at < rest))))
}

/// Challenges that are collected for one request.
const MAX_CHALLENGES: usize = 64;
