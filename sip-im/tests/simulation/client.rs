//! The user who asks.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use sip_im::auth::Authentication;
use sip_im::dialog::Dialog;
use sip_im::endpoint::{ClientTransaction, Event, ServerTransaction, Target};
use sip_im::header::{self, Contact, Expires, NameAddr};
use sip_im::publication::{Publication, PublicationEvent};
use sip_im::refer::{Issuer, IssuerEvent, Refer};
use sip_im::registration::{Registration, RegistrationState};
use sip_im::subscription::{Subscriber, SubscriberEvent};
use sip_im::{ContentType, Method, Request, Response, StatusCode, Transport};

use super::{Flow, Ledger, respond};
use crate::machines::talk::SECOND;
use crate::machines::{Pair, entropy, request, uri};

pub(crate) struct Client {
    flow: Flow,
    pub(super) ledger: Ledger,
    target: Target,
    authentication: Authentication,
    /// What was sent, until it has ended.
    sent: BTreeMap<ClientTransaction, Request>,
    registration: Registration,
    subscriber: Option<Subscriber>,
    publication: Publication,
    issuer: Option<Issuer>,
    dialog: Option<Dialog>,
    /// Requests that got a 2xx, by their Call-ID and number.
    pub(super) confirmed: Vec<String>,
    pub(super) completed: bool,
    step: u32,
}

impl Client {
    pub(super) fn new(flow: Flow, seed: u64, pair: &mut Pair) -> Self {
        let aor = uri("sip:alice@a.test");
        let contact = NameAddr::new(uri("sip:alice@192.0.2.1"));
        Self {
            flow,
            ledger: Ledger::default(),
            target: pair.target(1, Transport::Udp),
            authentication: Authentication::new("alice", "secret", None, entropy(seed ^ 5)),
            sent: BTreeMap::new(),
            registration: Registration::new(aor.clone(), uri("sip:a.test"), contact, "reg", "t", 600),
            subscriber: None,
            publication: Publication::new(aor, header::Event::new("presence"), "pub", "t", 600),
            issuer: None,
            dialog: None,
            confirmed: Vec::new(),
            completed: false,
            step: 0,
        }
    }

    pub(super) fn begin(&mut self, pair: &mut Pair) {
        match self.flow {
            Flow::Register => {
                let register = self.registration.register().expect("a register");
                self.send(register, pair);
            }
            Flow::Message => self.send(request(Method::Message, "m0"), pair),
            Flow::Session => self.send(request(Method::Invite, "s0"), pair),
            Flow::Subscribe => {
                let mut subscribe = request(Method::Subscribe, "n0");
                let headers = subscribe.headers_mut();
                headers
                    .push_typed(&header::Event::new("conference"))
                    .expect("Event");
                headers.push_typed(&Expires(600)).expect("Expires");
                self.subscriber = Subscriber::new(subscribe.clone(), 32 * SECOND, pair.now).ok();
                self.send(subscribe, pair);
            }
            Flow::Publish => {
                self.publication.publish(&pidf(), Bytes::from_static(b"one"));
                self.publish(pair);
            }
            Flow::Refer => {
                let (alice, room) = (uri("sip:alice@a.test"), uri("sip:room@b.test"));
                let begun = Request::builder(Method::Refer, room.clone())
                    .from(&alice, None, "alice-tag")
                    .to(&room, None)
                    .call_id("r0")
                    .cseq(1);
                let contact = Contact::new(uri("sip:alice@192.0.2.1"));
                let refer = Refer::to(uri("sip:carol@b.test"))
                    .request(begun, &contact)
                    .expect("a refer");
                self.issuer = Issuer::new(refer.clone(), 32 * SECOND, pair.now).ok();
                self.send(refer, pair);
            }
        }
    }

    fn send(&mut self, request: Request, pair: &mut Pair) {
        let id = self.ledger.send(
            &mut pair.ends[0].endpoint,
            request.clone(),
            &self.target,
            pair.now,
        );
        self.sent.insert(id, request);
    }

    fn publish(&mut self, pair: &mut Pair) {
        while let Some(request) = self.publication.next_request().expect("written") {
            self.send(request, pair);
        }
    }

    pub(super) fn on(&mut self, event: &Event, pair: &mut Pair) {
        if let Event::RequestReceived {
            transaction, request, ..
        } = event
        {
            self.asked(*transaction, request, pair);
            return;
        }
        let Some((id, response)) = self.ledger.end(event) else {
            return;
        };
        let request = self.sent.remove(&id).expect("it was sent");
        if let Some(response) = &response {
            if response.status().is_success() {
                let call = request.call_id().expect("Call-ID").as_str().to_owned();
                self.confirmed
                    .push(format!("{call} {}", request.cseq().expect("CSeq").seq));
            }
            if matches!(response.status().code(), 401 | 407)
                && let Ok(again) = self.authentication.answer(&request, response)
            {
                self.registration.sent(&again);
                self.publication.sent(&again);
                self.send(again, pair);
                return;
            }
        }
        self.answered(id, &request, response.as_ref(), pair);
    }

    fn answered(
        &mut self,
        id: ClientTransaction,
        request: &Request,
        response: Option<&Response>,
        pair: &mut Pair,
    ) {
        let now = pair.now;
        match self.flow {
            Flow::Register => {
                let Some(response) = response else { return };
                let state = self.registration.handle_response(response, now);
                if matches!(state, RegistrationState::Registered { .. }) {
                    let end = self.registration.unregister().expect("a register");
                    self.send(end, pair);
                } else {
                    self.completed = state == RegistrationState::Idle;
                }
            }
            Flow::Message => {
                self.step += 1;
                if self.step < 3 {
                    self.send(
                        crate::machines::request(Method::Message, &format!("m{}", self.step)),
                        pair,
                    );
                } else {
                    self.completed = response.is_some();
                }
            }
            Flow::Session => self.in_session(id, request, response, pair),
            Flow::Subscribe => {
                if let Some(subscriber) = &mut self.subscriber {
                    subscriber.handle_response(response, now);
                }
                self.follow(pair);
            }
            Flow::Publish => {
                self.publication.handle_response(response, now);
                self.follow(pair);
            }
            Flow::Refer => {
                if let Some(issuer) = &mut self.issuer {
                    issuer.handle_response(response, now);
                }
                self.follow(pair);
            }
        }
    }

    fn in_session(
        &mut self,
        id: ClientTransaction,
        request: &Request,
        response: Option<&Response>,
        pair: &mut Pair,
    ) {
        match (request.method(), response) {
            (Method::Invite, Some(response)) if response.status().is_success() => {
                let mut dialog = Dialog::from_uac(request, response).expect("a dialog");
                let ack = dialog.ack(1).build().expect("an ack");
                let endpoint = &mut pair.ends[0].endpoint;
                endpoint
                    .acknowledge(id, ack, self.target.clone(), pair.now)
                    .expect("sent");
                let bye = dialog.request(Method::Bye).build().expect("a bye");
                self.dialog = Some(dialog);
                self.send(bye, pair);
            }
            (Method::Bye, Some(_)) => self.completed = true,
            _ => {}
        }
    }

    /// A request of the other end.
    fn asked(&mut self, id: ServerTransaction, request: &Request, pair: &mut Pair) {
        let now = pair.now;
        let status = match (request.method(), &mut self.subscriber, &mut self.issuer) {
            (Method::Notify, Some(subscriber), _) => subscriber.handle_notify(request, now),
            (Method::Notify, _, Some(issuer)) => issuer.handle_notify(request, now),
            (Method::Bye, ..) if self.dialog.is_some() => StatusCode::OK,
            _ => StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
        };
        let response = request
            .response(status)
            .to_tag("alice-tag")
            .build()
            .expect("a response");
        respond(&mut pair.ends[0].endpoint, id, response, now);
        self.follow(pair);
    }

    /// What the usages have to say.
    fn follow(&mut self, pair: &mut Pair) {
        let now = pair.now;
        while let Some(event) = self.subscriber.as_mut().and_then(Subscriber::poll_event) {
            let subscriber = self.subscriber.as_mut().expect("a subscriber");
            match event {
                SubscriberEvent::RefreshDue => {
                    if let Ok(refresh) = subscriber.refresh(now) {
                        self.send(refresh, pair);
                    }
                }
                SubscriberEvent::Terminated { .. } => self.completed = self.step > 0,
                _ => {}
            }
        }
        let active = self
            .subscriber
            .as_ref()
            .is_some_and(|one| *one.state() == sip_im::subscription::SubscriberState::Active);
        if active && self.step == 0 {
            self.step = 1;
            let end = self.subscriber.as_mut().expect("a subscriber").unsubscribe(now);
            self.send(end.expect("a subscribe"), pair);
        }
        while let Some(event) = self.publication.poll_event() {
            match event {
                PublicationEvent::Published if self.step == 0 => {
                    self.step = 1;
                    self.publication.publish(&pidf(), Bytes::from_static(b"two"));
                }
                // The user gives up once something has failed, and removes what there is.
                PublicationEvent::Published | PublicationEvent::Failed { .. } | PublicationEvent::Expired => {
                    self.publication.remove();
                }
                // What never was published is gone, too, but that is not what the user came for.
                PublicationEvent::Removed => self.completed |= self.step > 0,
                _ => {}
            }
        }
        if self.flow == Flow::Publish {
            self.publish(pair);
        }
        while let Some(event) = self.issuer.as_mut().and_then(Issuer::poll_event) {
            self.completed |= matches!(event, IssuerEvent::Finished(_));
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [
            self.subscriber.as_ref().and_then(Subscriber::poll_timeout),
            self.issuer.as_ref().and_then(Issuer::poll_timeout),
            self.publication.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(super) fn handle_timeout(&mut self, pair: &mut Pair) {
        if let Some(subscriber) = &mut self.subscriber {
            subscriber.handle_timeout(pair.now);
        }
        if let Some(issuer) = &mut self.issuer {
            issuer.handle_timeout(pair.now);
        }
        self.publication.handle_timeout(pair.now);
        self.follow(pair);
    }

    pub(super) fn assert_nothing_left(&self, place: &str) {
        assert!(self.sent.is_empty(), "{place}");
        assert!(self.poll_timeout().is_none(), "{place}: a timer of the client");
        assert!(self.issuer.as_ref().is_none_or(Issuer::is_drained), "{place}");
        assert!(
            self.flow != Flow::Publish || self.publication.is_drained(),
            "{place}: {:?}",
            self.publication
        );
    }
}

fn pidf() -> ContentType {
    ContentType::parse("application/pidf+xml").expect("a type")
}
