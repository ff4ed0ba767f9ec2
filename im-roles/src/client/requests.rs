//! Requests out and what answers them: identity, authentication, and whose answer it is.

use std::time::{Duration, Instant};

use sip_im::digest::Challenge;
use sip_im::endpoint::{ClientTransaction, RequestFailure, ServerTransaction, Target};
use sip_im::header::{
    AcceptContact, Contact, HeaderName, NameAddr, PAssertedIdentity, PPreferredIdentity, Privacy,
    PrivacyValue, Require, RetryAfter, Unsupported, Warning,
};
use sip_im::identity::anonymous_uri;
use sip_im::pager::{self, MessageKey};
use sip_im::{Method, Request, RequestBuilder, Response, ResponseBuilder, StatusCode, Transport, Uri};

use super::Client;
use super::event::{CommandId, Failure, SessionKey};
use super::invite::allow;
use super::publishing::PublicationKey;
use super::session::Session;
use super::watching::WatchKey;
use super::wire::Link;

/// What a request is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Register {
        command: Option<CommandId>,
        ending: bool,
    },
    /// A message outside of a session, or a notification on one.
    Page(MessageKey),
    Invite {
        session: SessionKey,
    },
    Bye {
        session: SessionKey,
        command: Option<CommandId>,
    },
    Refer {
        session: SessionKey,
        command: CommandId,
    },
    Subscribe {
        session: SessionKey,
    },
    Publish(PublicationKey),
    Watch(WatchKey),
    /// Nobody waits for it.
    Nothing,
}

/// A request without a final response.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) request: Request,
    pub(super) purpose: Purpose,
    /// How often it has been sent again with credentials.
    pub(super) answered: u8,
}

impl Client {
    /// A request that begins something: fresh tag and Call-ID, the user's identity, or none if he wants none.
    pub(super) fn fresh(&self, method: Method, to: &Uri, privacy: bool) -> RequestBuilder {
        let tag = self.shared.token();
        let builder = Request::builder(method, to.clone())
            .to(to, None)
            .call_id(&self.shared.token())
            .cseq(1);
        self.identified(builder, &tag, privacy)
    }

    /// Adds From and what else says, or hides, who the user is.
    fn identified(&self, builder: RequestBuilder, tag: &str, privacy: bool) -> RequestBuilder {
        let user = self.config.user.clone();
        if privacy {
            //= R-6.3-02
            //= https://www.rfc-editor.org/rfc/rfc3323#section-4.1.1.1
            //# It is RECOMMENDED that user agents seeking anonymity use a display-
            //# name of "Anonymous".
            builder
                .from(&anonymous_uri(), Some("Anonymous"), tag)
                .header_typed(&Privacy(vec![PrivacyValue::Id]))
                .header_typed(&PPreferredIdentity::new(user.clone()))
        } else {
            builder.from(&user, self.config.display_name.as_deref(), tag)
        }
    }

    /// The caller wishes to reach clients that can do this service (RFC 3841).
    pub(super) fn accept_contact(builder: RequestBuilder) -> RequestBuilder {
        builder.header_typed(&AcceptContact::features([FEATURE]))
    }

    /// Where this client is reached, while the link is up.
    pub(super) fn contact(&self, privacy: bool) -> Option<Contact> {
        let Link::Up { local, transport, .. } = self.wire.link() else {
            return None;
        };
        let user = if privacy {
            "anonymous"
        } else {
            self.config.user.user().unwrap_or("user")
        };
        let host = match local.ip() {
            std::net::IpAddr::V4(address) => address.to_string(),
            std::net::IpAddr::V6(address) => format!("[{address}]"),
        };
        let transport = match transport {
            Transport::Udp => "udp",
            Transport::Tls => "tls",
            Transport::Ws | Transport::Wss => "ws",
            _ => "tcp",
        };
        let uri = Uri::parse(&format!(
            "sip:{user}@{host}:{};transport={transport}",
            local.port()
        ))
        .ok()?;
        let mut address = NameAddr::new(uri);
        address.params.set(FEATURE, None).ok()?;
        if let Some(instance) = &self.config.instance
            && !privacy
        {
            address
                .params
                .set("+sip.instance", Some(&format!("<{instance}>")))
                .ok()?;
        }
        Some(Contact::Addr(address))
    }

    /// The registrar: the domain of the address of record.
    pub(super) fn registrar(&self) -> Uri {
        let domain = self.config.user.host().unwrap_or_default();
        Uri::parse(&format!("sip:{domain}")).unwrap_or_else(|_| self.config.user.clone())
    }

    /// Sends a request over the link.
    pub(super) fn transmit(&mut self, mut request: Request, purpose: Purpose, now: Instant) {
        match &self.config.asserted {
            Some(asserted) => {
                let asserted = PAssertedIdentity::new(asserted.clone());
                if request.headers_mut().set_typed(&asserted).is_err() {
                    return self.ended(purpose, Failure::local("the identity cannot be written"), now);
                }
            }
            None => self.authentication.authorize(&mut request),
        }
        self.transmit_again(request, purpose, 0, now);
    }

    fn transmit_again(&mut self, request: Request, purpose: Purpose, answered: u8, now: Instant) {
        if self.pending.len() >= self.config.limits.max_pending {
            return self.ended(purpose, Failure::local("too many requests are under way"), now);
        }
        if let Purpose::Page(key) = purpose
            && let Err(error) = self.pages.pager.check_size(key, &request)
        {
            return self.pages.pager.handle_failure(key, error);
        }
        let Link::Up { flow, .. } = self.wire.link() else {
            return self.ended(purpose, Failure::local("no connection to the server"), now);
        };
        match self.wire.sip.send(request.clone(), Target::Flow(flow), now) {
            Ok(transaction) => {
                if let Purpose::Invite { session } = purpose {
                    self.calling(session, transaction);
                }
                self.pending.insert(
                    transaction,
                    Pending {
                        request,
                        purpose,
                        answered,
                    },
                );
            }
            Err(_) => self.ended(purpose, Failure::local("the request cannot be sent"), now),
        }
    }

    pub(super) fn on_response(&mut self, transaction: ClientTransaction, response: &Response, now: Instant) {
        if response.status().code() < 200 {
            if let Some(Pending {
                purpose: Purpose::Invite { session },
                ..
            }) = self.pending.get(&transaction)
            {
                let session = *session;
                self.provisional(session, now);
            }
            return;
        }
        let Some(pending) = self.pending.remove(&transaction) else {
            return self.on_stray_response(transaction, response, now);
        };
        let Pending {
            request,
            purpose,
            answered,
        } = pending;
        let challenged = matches!(
            response.status(),
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        );
        // Twice, since the second challenge may say that the first one's nonce was stale.
        if challenged && answered < 2 && self.config.asserted.is_none() {
            //= R-5.3.1-03
            let mut response = response.clone();
            for name in [HeaderName::WWW_AUTHENTICATE, HeaderName::PROXY_AUTHENTICATE] {
                response
                    .headers_mut()
                    .remove_values(&name, |challenge| !self.answers(challenge));
            }
            if let Ok(again) = self.authentication.answer(&request, &response) {
                self.note_sequence(purpose, &again, now);
                return self.transmit_again(again, purpose, answered + 1, now);
            }
        }
        self.authentication.note(&request, response);
        self.finished(transaction, purpose, &request, response, now);
    }

    /// Whether a challenge asks for an algorithm that may be used.
    fn answers(&self, challenge: &str) -> bool {
        Challenge::parse(challenge)
            .is_ok_and(|challenge| self.config.algorithms.contains(&challenge.algorithm))
    }

    pub(super) fn on_failure(
        &mut self,
        transaction: ClientTransaction,
        reason: RequestFailure,
        now: Instant,
    ) {
        let Some(pending) = self.pending.remove(&transaction) else {
            return;
        };
        //= https://www.rfc-editor.org/rfc/rfc3261#section-8.1.3.1
        //# When a
        //# timeout error is received from the transaction layer, it MUST be
        //# treated as if a 408 (Request Timeout) status code has been received.
        if let Purpose::Page(key) = pending.purpose {
            return self.pages.pager.handle_failure(key, reason);
        }
        let failure = match reason {
            RequestFailure::TimedOut => Failure::status(408, "Request Timeout"),
            _ => Failure::status(503, "Service Unavailable"),
        };
        self.ended(pending.purpose, failure, now);
    }

    /// A final response has come.
    fn finished(
        &mut self,
        transaction: ClientTransaction,
        purpose: Purpose,
        request: &Request,
        response: &Response,
        now: Instant,
    ) {
        let accepted = (200..300).contains(&response.status().code());
        match purpose {
            Purpose::Register { command, ending } => self.register_answered(command, ending, response, now),
            Purpose::Invite { session } => self.invite_answered(session, transaction, request, response, now),
            Purpose::Subscribe { session } => self.subscribe_answered(session, response, now),
            Purpose::Page(key) => self.page_answered(key, response, now),
            Purpose::Publish(key) => self.publish_answered(key, response, now),
            Purpose::Watch(key) => self.watch_answered(key, response, now),
            Purpose::Refer { session, command } if accepted => {
                self.refer_accepted(session, command, response);
            }
            Purpose::Bye { session, command } => self.bye_done(session, command, now),
            Purpose::Nothing => {}
            Purpose::Refer { .. } => self.ended(purpose, failure_of(response), now),
        }
    }

    /// A request has come to nothing.
    pub(super) fn ended(&mut self, purpose: Purpose, failure: Failure, now: Instant) {
        match purpose {
            Purpose::Register { command, .. } => self.register_failed(command, failure, now),
            Purpose::Page(key) => self
                .pages
                .pager
                .handle_failure(key, pager::Failure::TransportFailed),
            Purpose::Invite { session } => self.invite_failed(session, failure, now),
            Purpose::Bye { session, command } => self.bye_done(session, command, now),
            Purpose::Refer { session, command } => self.failed_in(session, command, None, failure),
            Purpose::Subscribe { session } => self.subscribe_failed(session, failure, now),
            Purpose::Publish(key) => self.publish_failed(key, failure, now),
            Purpose::Watch(key) => self.watch_failed(key, failure, now),
            Purpose::Nothing => {}
        }
    }
}

impl Client {
    /// Answers a request without more to say.
    pub(super) fn answer(
        &mut self,
        transaction: ServerTransaction,
        request: &Request,
        status: StatusCode,
        now: Instant,
    ) {
        self.respond(transaction, request.response(status), now);
    }

    /// Answers a request; the tag is added if it is outside of a dialog.
    pub(super) fn respond(
        &mut self,
        transaction: ServerTransaction,
        response: ResponseBuilder,
        now: Instant,
    ) {
        if let Ok(response) = response.to_tag(&self.shared.token()).build() {
            // The peer may be gone: then there is nobody to answer.
            let _ = self.wire.sip.respond(transaction, response, now);
        }
    }

    pub(super) fn refuse_method(&mut self, transaction: ServerTransaction, request: &Request, now: Instant) {
        //= https://www.rfc-editor.org/rfc/rfc3261#section-8.2.1
        //# If the UAS recognizes
        //# but does not support the method of a request, it MUST generate a 405
        //# (Method Not Allowed) response.
        let response = request
            .response(StatusCode::METHOD_NOT_ALLOWED)
            .header_typed(&allow());
        self.respond(transaction, response, now);
    }

    pub(super) fn refuse_options(
        &mut self,
        transaction: ServerTransaction,
        request: &Request,
        options: &Require,
        now: Instant,
    ) {
        //= https://www.rfc-editor.org/rfc/rfc3261#section-8.2.2.3
        //# If a UAS does not understand an option-tag listed in a
        //# Require header field, it MUST respond by generating a response with
        //# status code 420 (Bad Extension).
        let unsupported = Unsupported::new(options.iter());
        let response = request
            .response(StatusCode::BAD_EXTENSION)
            .header_typed(&unsupported);
        self.respond(transaction, response, now);
    }

    /// A request within a dialog was sent again with credentials: the dialog counts on from there.
    fn note_sequence(&mut self, purpose: Purpose, again: &Request, now: Instant) {
        match purpose {
            Purpose::Register { .. } => self.register_sent(again),
            Purpose::Subscribe { session } => self.subscribe_sent(session, again, now),
            Purpose::Publish(key) => self.publish_sent(key, again),
            Purpose::Watch(key) => self.watch_sent(key, again, now),
            Purpose::Refer { session, .. } => {
                let dialog = self.sessions.table.get_mut(&session).and_then(Session::dialog);
                if let (Some(dialog), Ok(sequence)) = (dialog, again.cseq()) {
                    dialog.advance(sequence.seq);
                }
            }
            _ => {}
        }
    }
}

/// The extensions that a request requires; this client has none.
pub(super) fn required(request: &Request) -> Option<Require> {
    let options = request
        .headers()
        .all::<Require>()
        .filter_map(Result::ok)
        .flat_map(|require| require.0);
    let options: Vec<_> = options.collect();
    (!options.is_empty()).then_some(Require(options))
}

/// Whether a request claims to belong to a dialog.
pub(super) fn in_dialog(request: &Request) -> bool {
    request.to().is_ok_and(|to| to.tag.is_some())
}

/// What a refusal says.
pub(super) fn failure_of(response: &Response) -> Failure {
    let warning = response
        .headers()
        .all::<Warning>()
        .filter_map(Result::ok)
        .map(|warning| warning.text.to_string())
        .next();
    let retry_after = response.headers().get::<RetryAfter>().ok().flatten();
    Failure {
        status: Some(response.status().code()),
        reason: response.reason().to_string(),
        warning,
        retry_after: retry_after.map(|after| Duration::from_secs(u64::from(after.seconds))),
    }
}

/// The media feature tag of the service.
pub(super) const FEATURE: &str = "+g.oma.sip-im";
