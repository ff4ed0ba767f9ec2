//! How a request is passed on (RFC 3261 section 16.6, RFC 5393).

use core::fmt;
use std::time::Instant;

use sha2::{Digest as _, Sha256};

use super::config::ForwardError;
use super::context::{Branch, Steps, shares};
use super::stateful::Proxy;
use super::{ProxyError, forward_request, next_hop, prepare_strict_route};
use crate::endpoint::{MARK, ServerTransaction, Target};
use crate::header::{CSeq, HeaderName, MaxBreadth, Route, Via};
use crate::message::Request;
use crate::{FlowId, Method, StatusCode};

impl Proxy {
    /// Passes a request on: to the branches of the first group at once, and to those of the next if none of these took it.
    ///
    /// # Errors
    ///
    /// Fails when the request must not be passed on; it is still to be answered, as the error says.
    pub fn forward(
        &mut self,
        transaction: ServerTransaction,
        groups: Vec<Vec<Branch>>,
        now: Instant,
    ) -> Result<(), ForwardError> {
        let context = self
            .contexts
            .get_mut(&transaction)
            .ok_or(ForwardError::UnknownTransaction)?;
        if context.is_answered() || context.branches() > 0 {
            return Err(ForwardError::UnknownTransaction);
        }
        let count = groups.iter().map(Vec::len).fold(0, usize::saturating_add);
        if count == 0 || count > self.config.max_targets {
            return Err(ForwardError::Targets);
        }
        //= https://www.rfc-editor.org/rfc/rfc5393#section-4.2.2
        //# If these values are equal,
        //# the request has looped and the proxy MUST reject the request with a
        //# 482 (Loop Detected) response.
        let looped = context.request.headers().all::<Via>().flatten().any(|via| {
            via.branch()
                .and_then(|branch| branch.split_once(MARK))
                .is_some_and(|(_, mark)| mark == context.mark)
        });
        if looped {
            return Err(ForwardError::Loop);
        }
        forward_request(&context.request)?;
        let breadth = usize::try_from(context.breadth).unwrap_or(usize::MAX);
        let widest = groups.iter().map(Vec::len).max().unwrap_or(0);
        //= https://www.rfc-editor.org/rfc/rfc5393#section-5.3.3
        //# If a SIP proxy determines a response context has insufficient
        //# Incoming Max-Breadth to carry out a desired parallel fork, and the
        //# proxy is unwilling/unable to compensate by forking serially or
        //# sending a redirect, that proxy MUST return a 440 (Max-Breadth
        //# Exceeded) response.
        if breadth == 0 || (widest > breadth && !self.config.serialise) {
            return Err(ForwardError::TooBroad);
        }
        for group in groups {
            let mut rest = group;
            while rest.len() > breadth {
                let next = rest.split_off(breadth);
                context.add_groups([rest]);
                rest = next;
            }
            context.add_groups([rest]);
        }
        self.begin_next(transaction, now);
        self.drain(now);
        Ok(())
    }

    /// Begins the next branches of a request, until some could be begun or none are left.
    pub(super) fn begin_next(&mut self, transaction: ServerTransaction, now: Instant) {
        loop {
            let Some(context) = self.contexts.get_mut(&transaction) else {
                return;
            };
            let Some(group) = context.next_group() else { break };
            let shares = shares(context.breadth, group.len());
            let (request, mark) = (context.request.clone(), context.mark.clone());
            let source = context.flow;
            for (branch, share) in group.into_iter().zip(shares) {
                let sent = self
                    .copy(&request, source, &branch, share)
                    .map_err(|error| error.status())
                    .and_then(|(copy, target)| {
                        let sent = self.endpoint.send_marked(copy, target, &mark, now);
                        sent.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
                    });
                let Some(context) = self.contexts.get_mut(&transaction) else {
                    return;
                };
                match sent {
                    Ok(id) => {
                        context.begin(id);
                        self.branches.insert(id, transaction);
                    }
                    Err(status) => context.not_begun(status),
                }
            }
            if self
                .contexts
                .get(&transaction)
                .is_some_and(|context| context.branches() > 0)
            {
                return;
            }
        }
        let mut steps = Steps::default();
        if let Some(context) = self.contexts.get_mut(&transaction) {
            context.settle(&mut steps);
        }
        self.perform(transaction, steps, now);
    }

    /// The copy of a request for one branch, and where it goes (section 16.6).
    fn copy(
        &self,
        request: &Request,
        source: FlowId,
        branch: &Branch,
        share: MaxBreadth,
    ) -> Result<(Request, Target), ProxyError> {
        let mut copy = forward_request(request)?;
        //= https://www.rfc-editor.org/rfc/rfc3261#section-16.6
        //# If the URI contains any parameters
        //# not allowed in a Request-URI, they MUST be removed.
        copy.set_uri(branch.uri.without_parameter("method"));
        copy.headers_mut().set_typed(&share)?;
        self.record(&mut copy, source, branch)?;
        for route in branch.routes.iter().rev() {
            copy.headers_mut().push_front_typed(&Route::new(route.clone()))?;
        }
        //= https://www.rfc-editor.org/rfc/rfc3261#section-16.6
        //# If the proxy has reformatted the
        //# request to send to a strict-routing element as described in
        //# step 6 above, the proxy MUST apply those procedures to the
        //# Request-URI of the request.
        let strict = copy
            .headers()
            .get::<Route>()?
            .is_some_and(|first| first.uri().parameter("lr").is_none());
        prepare_strict_route(&mut copy)?;
        let hop = if strict {
            copy.uri().clone()
        } else {
            next_hop(&copy)?
        };
        let target = branch.next.clone().unwrap_or(Target::Uri(hop));
        Ok((copy, target))
    }

    /// What tells a request that has come back unchanged from one that is on its way through once more.
    ///
    //= https://www.rfc-editor.org/rfc/rfc5393#section-4.2.1
    //# Hence, the
    //# second part MUST depend at least on the received Request-URI and any
    //# Route header field values used when processing the received request.
    //= https://www.rfc-editor.org/rfc/rfc5393#section-4.2.1
    //# This second part MUST NOT vary with the request method.
    pub(super) fn mark(&self, request: &Request) -> String {
        use fmt::Write as _;
        let headers = request.headers();
        let mut hash = Sha256::new_with_prefix(self.secret);
        let mut add = |text: &str| {
            hash.update(text.as_bytes());
            hash.update([0]);
        };
        add(request.uri().as_str());
        for name in [HeaderName::ROUTE, HeaderName::PROXY_REQUIRE, HeaderName::CALL_ID] {
            for value in headers.values(&name) {
                add(value.as_str());
            }
        }
        if let Ok(Some(cseq)) = headers.get::<CSeq>() {
            add(&cseq.seq.to_string());
        }
        let mut mark = String::with_capacity(16);
        for octet in hash.finalize().iter().take(8) {
            let _ = write!(mark, "{octet:02x}");
        }
        mark
    }
}

pub(super) fn makes_dialog(method: &Method) -> bool {
    matches!(
        method,
        Method::Invite | Method::Subscribe | Method::Refer | Method::Notify
    )
}
