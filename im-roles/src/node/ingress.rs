//! Requests from the wire, until a role has them.

use std::time::Instant;

use sip_im::endpoint::ServerTransaction;
use sip_im::header::{
    Accept, AcceptEncoding, AcceptLanguage, Allow, AllowEvents, MaxForwards, RetryAfter, Supported, To,
};
use sip_im::proxy;
use sip_im::{FlowId, Identity, Method, Request, Response, StatusCode, Uri};

use super::authenticate::{Rejection, Sender};
use super::exchanges::Caller;
use super::routing::Hop;
use super::{Event, Node};
use crate::ServiceWarning;
use crate::message;
use crate::presence::{PRESENCE, WATCHERS};
use crate::signal::{self, Origin, RoleKind, SessionCase};

impl Node {
    pub(super) fn take_request(
        &mut self,
        transaction: ServerTransaction,
        mut request: Request,
        flow: FlowId,
        trusted: bool,
        now: Instant,
    ) {
        let trusted = trusted || self.flows.get(flow).is_some_and(|flow| flow.trusted);
        if self.exchanges.open() >= self.config.limits.max_pending_requests
            || (self.stopping && starts_something(&request))
        {
            self.events.push_back(Event::Overload { flow });
            let later = request
                .response(StatusCode::SERVICE_UNAVAILABLE)
                .header_typed(&RetryAfter::new(5));
            self.answer(transaction, later.build().ok(), now);
            return;
        }
        if let Err(status) = check_hops(&request) {
            self.turn_away(transaction, &request, flow, None, status, None, now);
            return;
        }
        let sender = match self.identify(&mut request, trusted, now) {
            Ok(sender) => sender,
            Err(Rejection::Answer(response)) => {
                self.answer(transaction, Some(*response), now);
                return;
            }
            Err(Rejection::Refusal(status, warning)) => {
                self.turn_away(transaction, &request, flow, None, status, warning, now);
                return;
            }
        };
        if *request.method() == Method::Register {
            self.take_register(transaction, &request, flow, sender.user, now);
            return;
        }
        if self.answers_itself(transaction, &request, now) {
            return;
        }
        self.take_identified(transaction, request, flow, trusted, sender, now);
    }

    fn take_identified(
        &mut self,
        transaction: ServerTransaction,
        mut request: Request,
        flow: FlowId,
        trusted: bool,
        sender: Sender,
        now: Instant,
    ) {
        // A conference is here; and a flow is no way back to itself.
        let next = self
            .pop_own_routes(&mut request)
            .filter(|next| *next != flow && !self.controlling.serves(request.uri()));
        if message::takes_record_route(&request) {
            let Some(route) = self.own_route(flow) else { return };
            if proxy::add_record_route(&mut request, &route).is_err() {
                self.turn_away(
                    transaction,
                    &request,
                    flow,
                    None,
                    StatusCode::SERVER_INTERNAL_ERROR,
                    None,
                    now,
                );
                return;
            }
        }
        let Sender {
            originator,
            user,
            case,
        } = sender;
        let in_dialog = message::to_tag(&request).is_some();
        let served = case == SessionCase::Originating && user.is_some();
        let from = user.clone();
        let mut origin = Origin::new(originator, user, Some(flow), None, case);
        origin.next = next;
        let role = if served || (in_dialog && next.is_some()) {
            // What a user of this server sends is for his own service point first.
            RoleKind::Participating
        } else {
            origin.case = SessionCase::Terminating;
            match self.hop(&request) {
                Hop::Role(role) => role,
                // Passing on for strangers to strangers is what an open relay does.
                Hop::Address(..) if !in_dialog => {
                    let status = StatusCode::NOT_FOUND;
                    self.turn_away(transaction, &request, flow, from, status, None, now);
                    return;
                }
                Hop::Refuse(status) if !in_dialog => {
                    self.turn_away(transaction, &request, flow, from, status, None, now);
                    return;
                }
                _ => RoleKind::Participating,
            }
        };
        if origin.case == SessionCase::Terminating {
            self.fold_target(&mut request, role);
        }
        let id = self
            .exchanges
            .take_in(Caller::Wire(transaction, trusted), role, request.method().clone());
        self.bus
            .push_back((role, signal::Input::Request { id, request, origin }));
    }

    /// OPTIONS to the server itself (RFC 3261 11.2); as such it takes nothing else but REGISTER.
    fn answers_itself(&mut self, transaction: ServerTransaction, request: &Request, now: Instant) -> bool {
        if message::to_tag(request).is_some()
            || request.uri().user().is_some()
            || !self.is_itself(request.uri())
        {
            return false;
        }
        if *request.method() != Method::Options {
            //= https://www.rfc-editor.org/rfc/rfc3261#section-8.2.1
            //# The response MUST also include an Allow header field
            //# listing methods supported by the UAS.
            let response = request
                .response(StatusCode::METHOD_NOT_ALLOWED)
                .header_typed(&Allow::new([Method::Options, Method::Register]));
            self.answer(transaction, response.build().ok(), now);
            return true;
        }
        //= https://www.rfc-editor.org/rfc/rfc3261#section-11.2
        //# Allow, Accept, Accept-Encoding, Accept-Language, and Supported header
        //# fields SHOULD be present in a 200 (OK) response to an OPTIONS
        //# request.
        let mut events = vec![CONFERENCE];
        let mut types = TYPES.to_vec();
        if self.config.presence {
            events.extend([PRESENCE, WATCHERS]);
            types.push("application/pidf+xml");
        }
        let response = request
            .response(StatusCode::OK)
            .header_typed(&Allow::new(self.methods()))
            .header_typed(&Accept::new(types))
            .header_typed(&AcceptEncoding::new(["identity"]))
            .header_typed(&AcceptLanguage::new(["en"]))
            .header_typed(&Supported::new(EXTENSIONS))
            .header_typed(&AllowEvents::new(events));
        self.answer(transaction, response.build().ok(), now);
        true
    }

    /// What this server takes, for itself or for its users.
    fn methods(&self) -> impl Iterator<Item = Method> {
        METHODS
            .into_iter()
            .filter(|method| self.config.presence || *method != Method::Publish)
    }

    /// Whether a request is for the server as such: its domain, or the address where it listens.
    fn is_itself(&self, uri: &Uri) -> bool {
        self.is_own_domain(uri) || self.is_own_route(uri)
    }

    pub(super) fn answer(
        &mut self,
        transaction: ServerTransaction,
        response: Option<Response>,
        now: Instant,
    ) {
        if let Some(mut response) = response {
            self.tag(&mut response);
            // The transaction may be over; then nobody waits.
            let _ = self.sip.respond(transaction, response, now);
        }
    }

    /// Gives a final response that is made here the To tag that it needs.
    pub(super) fn tag(&mut self, response: &mut Response) {
        if !response.status().is_final() {
            return;
        }
        if let Ok(Some(to)) = response.headers().get::<To>()
            && to.tag.is_none()
        {
            let tagged = to.with_tag(&self.sip.mint_tag());
            // What was read as To can be written as To.
            let _ = response.headers_mut().set_typed(&tagged);
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what is refused, to whom, and why, each in a word"
    )]
    pub(super) fn turn_away(
        &mut self,
        transaction: ServerTransaction,
        request: &Request,
        flow: FlowId,
        from: Option<Identity>,
        status: StatusCode,
        warning: Option<ServiceWarning>,
        now: Instant,
    ) {
        self.events.push_back(Event::Refused {
            from,
            flow,
            status,
            warning,
        });
        let response = message::refusal(request, status, warning, &self.config.domain);
        self.answer(transaction, response, now);
    }
}

/// Whether a request asks for more than finishing what is there.
fn starts_something(request: &Request) -> bool {
    message::to_tag(request).is_none()
}

fn check_hops(request: &Request) -> Result<(), StatusCode> {
    match request.headers().get::<MaxForwards>() {
        //= https://www.rfc-editor.org/rfc/rfc3261#section-16.3
        //# If the request contains a Max-Forwards header field with a field
        //# value of zero (0), the element MUST NOT forward the request.
        Ok(Some(hops)) if hops.0 == 0 => Err(StatusCode::TOO_MANY_HOPS),
        Ok(_) => Ok(()),
        Err(_) => Err(StatusCode::BAD_REQUEST),
    }
}

/// What the roles take, and what passes through them between users.
const METHODS: [Method; 14] = [
    Method::Invite,
    Method::Ack,
    Method::Cancel,
    Method::Bye,
    Method::Prack,
    Method::Update,
    Method::Info,
    Method::Message,
    Method::Options,
    Method::Register,
    Method::Subscribe,
    Method::Notify,
    Method::Publish,
    Method::Refer,
];

/// The types of bodies that the roles read.
const TYPES: [&str; 6] = [
    "text/plain",
    "message/cpim",
    "message/imdn+xml",
    "multipart/mixed",
    "application/sdp",
    "application/resource-lists+xml",
];

/// The extensions that the registrar, the focus and the exploder know.
const EXTENSIONS: [&str; 6] = [
    "path",
    "outbound",
    "timer",
    "norefersub",
    "recipient-list-invite",
    "recipient-list-message",
];

/// The package of conference state (RFC 4575).
const CONFERENCE: &str = "conference";
