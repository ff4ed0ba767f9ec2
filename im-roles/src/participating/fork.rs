//! One request on its way to one or several targets, and the choice of the response (RFC 3261 16.6, 16.7).

use std::collections::BTreeMap;

use sip_im::header::Route;
use sip_im::proxy::{self, ProxyError};
use sip_im::{Method, Request, Response, StatusCode, Uri};

use crate::signal::OutgoingId;

/// Another Request-URI, and the proxies on the way to it.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) uri: Uri,
    pub(super) path: Vec<Uri>,
}

/// What a fork is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// To wherever the request leads.
    Onwards,
    /// To the contacts of the user it is for.
    Delivery,
}

/// What is known of one branch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Branch {
    Open,
    Cancelling,
    Done,
}

/// What a response means for the exchange.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Nothing is passed on yet.
    Wait,
    /// This response is passed on; more may come. The branches named are to be cancelled.
    PassOn(Response, Vec<OutgoingId>),
    /// All branches have ended, with this as the best response, or with this status if none sent one.
    Ended(Result<Response, StatusCode>),
}

/// The branches of one exchange.
#[derive(Debug)]
pub(super) struct Fork {
    invite: bool,
    purpose: Purpose,
    branches: BTreeMap<OutgoingId, Branch>,
    best: Option<Result<Response, StatusCode>>,
    answered: bool,
    /// Whether the dialog that the request forms was not known before, and is nothing if the request comes to nothing.
    pub(super) opened_dialog: bool,
}

impl Fork {
    pub(super) fn new(method: &Method, purpose: Purpose) -> Self {
        Self {
            invite: *method == Method::Invite,
            purpose,
            branches: BTreeMap::new(),
            best: None,
            answered: false,
            opened_dialog: false,
        }
    }

    pub(super) fn add(&mut self, branch: OutgoingId) {
        self.branches.insert(branch, Branch::Open);
    }

    pub(super) fn is_invite(&self) -> bool {
        self.invite
    }

    /// Whether a 2xx has been passed on.
    pub(super) fn is_answered(&self) -> bool {
        self.answered
    }

    pub(super) fn branches(&self) -> impl Iterator<Item = OutgoingId> + '_ {
        self.branches.keys().copied()
    }

    /// Gives the branches to cancel, each once; only an INVITE is ever cancelled (RFC 3261 9.1).
    pub(super) fn cancel(&mut self) -> Vec<OutgoingId> {
        if !self.invite {
            return Vec::new();
        }
        let mut cancelled = Vec::new();
        for (id, branch) in &mut self.branches {
            if *branch == Branch::Open {
                *branch = Branch::Cancelling;
                cancelled.push(*id);
            }
        }
        cancelled
    }

    pub(super) fn take_response(&mut self, id: OutgoingId, response: Response) -> Outcome {
        let code = response.status().code();
        if code < 200 {
            // RFC 3261 16.7: 100 is for one hop only.
            return if code == 100 || self.answered {
                Outcome::Wait
            } else {
                Outcome::PassOn(response, Vec::new())
            };
        }
        if code < 300 {
            if self.answered && !self.invite {
                return Outcome::Wait;
            }
            //= https://www.rfc-editor.org/rfc/rfc3261#section-16.7
            //# After a final response has been sent on the server transaction,
            //# the following responses MUST be forwarded immediately:
            //#
            //# -  Any 2xx response to an INVITE request
            self.answered = true;
            self.branches.insert(id, Branch::Done);
            return Outcome::PassOn(response, self.cancel());
        }
        self.end(id, Ok(response))
    }

    pub(super) fn take_failure(&mut self, id: OutgoingId, status: StatusCode) -> Outcome {
        self.end(id, Err(status))
    }

    /// Whether a 6xx has come, which speaks for the user: what still rings is to be cancelled.
    pub(super) fn is_declined(&self) -> bool {
        matches!(&self.best, Some(Ok(response)) if response.status().code() >= 600)
    }

    fn end(&mut self, id: OutgoingId, result: Result<Response, StatusCode>) -> Outcome {
        if self.branches.insert(id, Branch::Done).is_none() {
            self.branches.remove(&id);
            return Outcome::Wait;
        }
        if self.answered {
            return Outcome::Wait;
        }
        let better = self.best.as_ref().is_none_or(|best| rank(&result) < rank(best));
        if better {
            self.best = Some(result);
        }
        if self.branches.values().any(|branch| *branch != Branch::Done) {
            return Outcome::Wait;
        }
        self.best.take().map_or(Outcome::Wait, Outcome::Ended)
    }

    pub(super) fn is_delivery(&self) -> bool {
        self.purpose == Purpose::Delivery
    }
}

/// RFC 3261 16.7, step 6: any 6xx, else the lowest class, in it those that tell the sender what to change.
fn rank(result: &Result<Response, StatusCode>) -> u16 {
    let (code, sent) = match result {
        Ok(response) => (response.status().code(), true),
        Err(status) => (status.code(), false),
    };
    let class = match code {
        600.. => 0,
        300..400 => 1,
        400..500 => 2,
        _ => 3,
    };
    let detail = match code {
        401 | 407 | 415 | 420 | 484 => 0,
        503 => 3,
        _ if sent => 1,
        _ => 2,
    };
    class * 4 + detail
}

/// The request as it goes to one target: one hop fewer to go, and addressed to it.
pub(super) fn branch_request(request: &Request, target: Option<&Target>) -> Result<Request, ProxyError> {
    let mut copy = proxy::forward_request(request)?;
    if let Some(target) = target {
        copy.set_uri(target.uri.clone());
        for proxy in target.path.iter().rev() {
            copy.headers_mut().push_front_typed(&Route::new(proxy.clone()))?;
        }
    }
    Ok(copy)
}
