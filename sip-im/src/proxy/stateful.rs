//! The stateful proxy: an endpoint, and what it passes on (RFC 3261 sections 16.3 to 16.10).

use core::fmt;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use super::config::{Config, Event};
use super::context::{Context, Steps};
use super::flow_token::FlowTokens;
use super::{forward_request, next_hop, prepare_strict_route};
use crate::endpoint::{
    self, ClientTransaction, Endpoint, Input, RequestFailure, RespondError, ServerTransaction, Target,
    Transmit,
};
use crate::header::MaxBreadth;
use crate::message::{Request, Response};
use crate::resolve::{Answer, Query};
use crate::uri::{Scheme, Uri};
use crate::{Entropy, FlowId, Method, StatusCode};

/// Passes requests on, and their responses back.
///
/// Where a request goes is the host's to say; with an endpoint's events in and its transmits out, the rest happens here.
///
/// ```
/// use std::time::Instant;
/// use sip_im::endpoint::{Input, Target, Transmit};
/// use sip_im::proxy::{Branch, Config, Event, Proxy};
/// use sip_im::{FlowId, Transport, Uri};
///
/// let mut config = Config::default();
/// config.addresses = vec![Uri::parse("sip:proxy.example.com")?];
/// let mut proxy = Proxy::new(config, Box::new(|octets: &mut [u8]| octets.fill(7)));
/// let now = Instant::now();
/// let local = "192.0.2.9:5060".parse()?;
/// for (flow, remote) in [(FlowId(1), "192.0.2.1:5060"), (FlowId(2), "192.0.2.2:5060")] {
///     let remote = remote.parse()?;
///     let transport = Transport::Udp;
///     proxy.handle_input(Input::Opened { flow, transport, local, remote, open: None, trusted: false }, now);
/// }
/// let data = "MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
///             From: <sip:a@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\n\r\n";
/// proxy.handle_input(Input::Received { flow: FlowId(1), data: data.into() }, now);
/// while let Some(event) = proxy.poll_event() {
///     if let Event::RequestReceived { transaction, .. } = event {
///         let bob = Branch::to(Uri::parse("sip:bob@192.0.2.2")?).over(Target::Flow(FlowId(2)));
///         proxy.forward(transaction, vec![vec![bob]], now)?;
///     }
/// }
/// let Some(Transmit::Send { flow, data }) = proxy.poll_transmit(now) else { return Err("nothing sent".into()) };
/// assert_eq!(flow, FlowId(2));
/// assert!(data.starts_with(b"MESSAGE sip:bob@192.0.2.2 SIP/2.0\r\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Proxy {
    pub(super) config: Config,
    pub(super) endpoint: Endpoint,
    pub(super) contexts: BTreeMap<ServerTransaction, Context>,
    pub(super) branches: BTreeMap<ClientTransaction, ServerTransaction>,
    /// When contexts are forgotten that further 2xx may come for.
    deadlines: BTreeSet<(Instant, ServerTransaction)>,
    events: VecDeque<Event>,
    pub(super) secret: [u8; 16],
    pub(super) tokens: FlowTokens,
}

impl Proxy {
    /// Makes a proxy without any flow.
    pub fn new(config: Config, mut entropy: Entropy) -> Self {
        let mut secret = [0; 16];
        entropy(&mut secret);
        let tokens = match config.flow_key {
            Some(key) => FlowTokens::with_key(key),
            None => FlowTokens::new(&mut entropy),
        };
        Self {
            endpoint: Endpoint::new(config.endpoint.clone(), entropy),
            config,
            contexts: BTreeMap::new(),
            branches: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            events: VecDeque::new(),
            secret,
            tokens,
        }
    }

    /// Takes what happened on a socket.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        self.endpoint.handle_input(input, now);
        self.drain(now);
    }

    /// Does what is due. A call that comes early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.drain(now);
        while let Some((at, transaction)) = self.deadlines.first().copied() {
            if at > now {
                return;
            }
            self.deadlines.remove(&(at, transaction));
            self.forget(transaction);
        }
    }

    /// Takes the answer to a question about where a request goes.
    pub fn handle_answer(&mut self, answer: Answer, now: Instant) {
        self.endpoint.handle_answer(answer, now);
        self.drain(now);
    }

    /// Gives the next thing that the host is to do.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        self.endpoint.poll_transmit(now)
    }

    /// Gives the next question about where a request goes.
    pub fn poll_effect(&mut self) -> Option<Query> {
        self.endpoint.poll_effect()
    }

    /// Gives the next piece of news.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let forget = self.deadlines.first().map(|(at, _)| *at);
        [self.endpoint.poll_timeout(), forget].into_iter().flatten().min()
    }

    /// Whether nothing is under way. Flows may be open.
    pub fn is_drained(&self) -> bool {
        self.endpoint.is_drained()
            && self.contexts.is_empty()
            && self.branches.is_empty()
            && self.events.is_empty()
    }

    /// The flows and transactions.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Requests that are passed on and not over.
    pub fn contexts(&self) -> usize {
        self.contexts.len()
    }

    /// Answers a request here, as a user agent server does.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::respond`].
    pub fn respond(
        &mut self,
        transaction: ServerTransaction,
        response: Response,
        now: Instant,
    ) -> Result<(), RespondError> {
        self.endpoint.respond(transaction, response, now)?;
        let withdrawn = self.contexts.get_mut(&transaction).map(Context::withdraw);
        for branch in withdrawn.unwrap_or_default() {
            let _ = self.endpoint.cancel(branch, now);
        }
        self.clean(transaction, now);
        self.drain(now);
        Ok(())
    }

    /// Takes the endpoint's news.
    pub(super) fn drain(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                endpoint::Event::RequestReceived {
                    transaction,
                    request,
                    flow,
                    trusted,
                } => self.request(transaction, request, flow, trusted, now),
                endpoint::Event::AckReceived {
                    transaction: None,
                    request,
                    flow,
                } => self.ack(&request, flow, now),
                endpoint::Event::CancelReceived { transaction } => {
                    if let Some(context) = self.contexts.get_mut(&transaction) {
                        let steps = context.cancelled();
                        self.perform(transaction, steps, now);
                    }
                }
                endpoint::Event::ResponseReceived {
                    transaction: branch,
                    response,
                } => self.response(branch, response, now),
                endpoint::Event::RequestFailed {
                    transaction: branch,
                    reason,
                } => self.branch_failed(branch, reason, now),
                endpoint::Event::TransactionFailed { transaction }
                    if self.contexts.contains_key(&transaction) =>
                {
                    if let Some(context) = self.contexts.get_mut(&transaction) {
                        context.abandon();
                    }
                    self.clean(transaction, now);
                }
                other => self.events.push_back(Event::Endpoint(other)),
            }
        }
    }

    fn request(
        &mut self,
        transaction: ServerTransaction,
        request: Request,
        flow: FlowId,
        trusted: bool,
        now: Instant,
    ) {
        let mark = self.mark(&request);
        let mut request = request;
        let taken = self.take_routes(&mut request, flow);
        let breadth = request.headers().get::<MaxBreadth>();
        let (taken, breadth) = match (taken, breadth) {
            (Ok(taken), Ok(breadth)) => (
                taken,
                breadth.map_or(self.config.max_breadth, |breadth| breadth.0),
            ),
            (Err(status), _) => return self.refuse(transaction, &request, status, now),
            (_, Err(error)) => return self.refuse(transaction, &request, error.status(), now),
        };
        let invite = *request.method() == Method::Invite;
        //= https://www.rfc-editor.org/rfc/rfc5393#section-5.3.3
        //# If this maximum is exceeded in a
        //# received request, the proxy MUST overwrite it with a value that
        //# SHOULD be no greater than its allowable maximum.
        let breadth = breadth.min(self.config.max_breadth);
        self.contexts.insert(
            transaction,
            Context::new(request.clone(), flow, mark, invite, breadth),
        );
        self.events.push_back(Event::RequestReceived {
            transaction,
            request,
            route: taken.route,
            next: taken.next,
            flow,
            trusted,
        });
    }

    fn refuse(
        &mut self,
        transaction: ServerTransaction,
        request: &Request,
        status: StatusCode,
        now: Instant,
    ) {
        let tag = self.endpoint.mint_tag();
        if let Ok(response) = request.response(status).to_tag(&tag).build() {
            // Its transaction is new and has no response yet.
            let _ = self.endpoint.respond(transaction, response, now);
        }
    }

    /// Passes on the ACK of a 2xx, which no transaction follows.
    fn ack(&mut self, request: &Request, flow: FlowId, now: Instant) {
        let mut request = request.clone();
        let Ok(taken) = self.take_routes(&mut request, flow) else {
            return;
        };
        let onward = forward_request(&request).and_then(|mut copy| {
            prepare_strict_route(&mut copy)?;
            let hop = next_hop(&copy)?;
            Ok((copy, hop))
        });
        // One that leads here and no further is of nobody.
        match (onward, taken.next) {
            (Ok((copy, _)), Some(next)) => {
                let _ = self.endpoint.forward(copy, Target::Flow(next), now);
            }
            (Ok((copy, hop)), None) if !self.is_ours(&hop) => {
                let _ = self.endpoint.forward(copy, Target::Uri(hop), now);
            }
            _ => {}
        }
    }

    fn response(&mut self, branch: ClientTransaction, response: Response, now: Instant) {
        let Some(transaction) = self.branches.get(&branch).copied() else {
            return;
        };
        let Some(context) = self.contexts.get_mut(&transaction) else {
            return;
        };
        let steps = context.response(branch, response);
        self.perform(transaction, steps, now);
    }

    fn branch_failed(&mut self, branch: ClientTransaction, reason: RequestFailure, now: Instant) {
        let Some(transaction) = self.branches.get(&branch).copied() else {
            return;
        };
        let status = match reason {
            //= https://www.rfc-editor.org/rfc/rfc3261#section-16.9
            //# If the transport layer notifies a proxy of an error when it tries to
            //# forward a request (see Section 18.4), the proxy MUST behave as if the
            //# forwarded request received a 503 (Service Unavailable) response.
            RequestFailure::TransportFailed => StatusCode::SERVER_INTERNAL_ERROR,
            RequestFailure::NotResolved(error) => error.status(),
            RequestFailure::TimedOut => StatusCode::REQUEST_TIMEOUT,
        };
        let Some(context) = self.contexts.get_mut(&transaction) else {
            return;
        };
        let steps = context.failed(branch, status);
        self.perform(transaction, steps, now);
    }

    pub(super) fn perform(&mut self, transaction: ServerTransaction, steps: Steps, now: Instant) {
        for branch in steps.cancel {
            // One that has its final response meanwhile needs no CANCEL.
            let _ = self.endpoint.cancel(branch, now);
        }
        if let Some(response) = steps.forward {
            let status = response.status();
            let passed = self.endpoint.forward_response(transaction, response, now);
            if status.is_final() && passed.is_ok() {
                self.events.push_back(Event::Answered { transaction, status });
            }
        }
        if let Some(status) = steps.answer {
            let request = self
                .contexts
                .get(&transaction)
                .map(|context| context.request.clone());
            let is_invite = request
                .as_ref()
                .is_some_and(|request| *request.method() == Method::Invite);
            // RFC 4320 forbids a late 408 to anything but an INVITE: the client has given up by itself.
            if let Some(request) = request.filter(|_| is_invite || status != StatusCode::REQUEST_TIMEOUT) {
                self.refuse(transaction, &request, status, now);
            }
            self.events.push_back(Event::Answered { transaction, status });
        }
        if steps.more {
            self.begin_next(transaction, now);
        }
        self.clean(transaction, now);
    }

    /// Forgets what is over, at once or when nothing more can come.
    fn clean(&mut self, transaction: ServerTransaction, now: Instant) {
        let Some(context) = self.contexts.get_mut(&transaction) else {
            return;
        };
        // Each further 2xx would begin the wait anew; the first counts.
        if !context.is_over() || context.lingers {
            return;
        }
        let wait = self.config.endpoint.timers.transaction();
        match now.checked_add(wait).filter(|_| context.expects_more()) {
            Some(at) => {
                context.lingers = true;
                self.deadlines.insert((at, transaction));
            }
            None => self.forget(transaction),
        }
    }

    fn forget(&mut self, transaction: ServerTransaction) {
        if let Some(context) = self.contexts.remove(&transaction) {
            for branch in context.begun() {
                self.branches.remove(branch);
            }
        }
    }

    /// Whether a URI leads here.
    pub(super) fn is_ours(&self, uri: &Uri) -> bool {
        uri.is_sip()
            && self.config.addresses.iter().any(|own| {
                let same = |a: Option<&str>, b: Option<&str>| match (a, b) {
                    (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
                    _ => false,
                };
                same(own.host(), uri.host()) && port(own) == port(uri)
            })
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("endpoint", &self.endpoint)
            .field("contexts", &self.contexts.len())
            .field("branches", &self.branches.len())
            .finish_non_exhaustive()
    }
}

fn port(uri: &Uri) -> u16 {
    uri.port()
        .unwrap_or(if uri.scheme() == Scheme::Sips { 5061 } else { 5060 })
}
