//! Messages to lists and groups: one MESSAGE becomes one for each recipient (RFC 5365; R-5.3.2.1.1-10 to -13).

use std::time::Instant;

use im_xdm_model::list::Recipients;
use msrp::cpim;
use sip_im::header::{From, HeaderName, PAssertedIdentity};
use sip_im::identity::anonymise;
use sip_im::mime::{Multipart, Part};
use sip_im::{Identity, Method, Request, StatusCode};

use super::Controlling;
use super::admit::check_entry;
use super::bodies::Bodies;
use super::dial_out::{history_part, request_uri};
use super::event::Event;
use super::invite::refused_method;
use super::nesting::Step;
use super::policy::{Member, Rules};
use super::reply::{EXPLODER_METHODS, Refusal, requires, unsupported};
use super::roster::Caller;
use super::sent::Sent;
use crate::signal::IncomingId;

/// A MESSAGE is to be fanned out, unless a group is among its recipients.
#[derive(Debug)]
pub(super) struct Explosion {
    pub(super) id: IncomingId,
    pub(super) request: Request,
    pub(super) caller: Caller,
    members: Vec<Member>,
    recipients: Option<Recipients>,
}

impl Controlling {
    /// A request to the exploder.
    pub(super) fn exploder_request(
        &mut self,
        id: IncomingId,
        request: &Request,
        caller: &Caller,
        now: Instant,
    ) {
        let result = match request.method() {
            Method::Message => self.list_message(id, request, caller, now),
            Method::Options => {
                self.options(id, request, EXPLODER_METHODS, &[LIST_EXTENSION], None);
                Ok(())
            }
            method => Err(refused_method(method, EXPLODER_METHODS)),
        };
        if let Err(refusal) = result {
            self.refuse(id, request, Some(&caller.identity), refusal);
        }
    }

    /// A MESSAGE with a list of recipients.
    fn list_message(
        &mut self,
        id: IncomingId,
        request: &Request,
        caller: &Caller,
        now: Instant,
    ) -> Result<(), Refusal> {
        self.check_not_exploded(request)?;
        unsupported(request, &[LIST_EXTENSION])?;
        let bodies = Bodies::of(request)?;
        check_history(&bodies)?;
        let list = bodies.list.as_ref().ok_or(StatusCode::BAD_REQUEST)?;
        //= https://www.rfc-editor.org/rfc/rfc5365#section-6
        //# The UAC MUST also include the 'recipient-list-message'
        //# option-tag, defined in Section 5, in a Require header field.
        if !requires(request, LIST_EXTENSION) {
            return Err(Refusal::needs(LIST_EXTENSION));
        }
        let recipients = self.recipients(list)?;
        let members = self.members(&recipients, &caller.identity)?;
        self.ask_and_explode(id, request, caller, members, Some(recipients), now)
    }

    /// A MESSAGE to a group: its members but the sender get it.
    //= R-5.3.2.1.1-11
    pub(super) fn group_message(
        &mut self,
        id: IncomingId,
        request: &Request,
        caller: &Caller,
        rules: &Rules,
        now: Instant,
    ) -> Result<(), Refusal> {
        self.check_not_exploded(request)?;
        unsupported(request, &[])?;
        check_history(&Bodies::of(request)?)?;
        let permissions = rules.permissions(&caller.identities_with_own(), self.clock.unix(now));
        check_entry(permissions, permissions.join, caller)?;
        if rules.members.len() > rules.max_participants {
            return Err(Refusal::too_many());
        }
        self.check_members(&rules.members)?;
        let members = rules
            .members
            .iter()
            .filter(|member| member.identity != caller.identity)
            .cloned()
            .collect();
        self.ask_and_explode(id, request, caller, members, None, now)
    }

    /// One who explodes does not send to one who explodes.
    //= R-5.3.2.1.3-07
    fn check_not_exploded(&self, request: &Request) -> Result<(), Refusal> {
        let marked = self
            .marker()
            .is_some_and(|marker| request.headers().contains(&marker));
        if marked { Err(Refusal::nested()) } else { Ok(()) }
    }

    fn marker(&self) -> Option<HeaderName> {
        HeaderName::parse(&self.config.controlling_marker).ok()
    }

    fn ask_and_explode(
        &mut self,
        id: IncomingId,
        request: &Request,
        caller: &Caller,
        members: Vec<Member>,
        recipients: Option<Recipients>,
        now: Instant,
    ) -> Result<(), Refusal> {
        let size = u64::try_from(request.body().len()).unwrap_or(u64::MAX);
        if size > self.config.limits.max_message_size {
            return Err(Refusal::forbidden(crate::ServiceWarning::SizeExceeded));
        }
        if members.is_empty() {
            return Err(Self::no_destinations());
        }
        let addresses = members.iter().map(|member| member.identity.clone()).collect();
        let explosion = Explosion {
            id,
            request: request.clone(),
            caller: caller.clone(),
            members,
            recipients,
        };
        self.find_groups(addresses, Step::Explode(Box::new(explosion)), now);
        Ok(())
    }

    /// All checks are done: 202, and one MESSAGE for each.
    pub(super) fn explode(&mut self, explosion: Explosion) {
        let Explosion {
            id,
            request,
            caller,
            members,
            recipients,
        } = explosion;
        if self.sent.len().saturating_add(members.len()) > self.config.limits.max_pending_requests {
            return self.refuse(id, &request, Some(&caller.identity), Refusal::overloaded());
        }
        let outgoing: Option<Vec<_>> = members
            .iter()
            .map(|member| {
                let recipients = recipients.as_ref().filter(|recipients| recipients.has_visible());
                let history = recipients
                    .zip(member.entry)
                    .map(|(recipients, entry)| recipients.history_for(entry));
                Some((
                    member.identity.clone(),
                    self.exploded_request(&request, &caller, member, history)?,
                ))
            })
            .collect();
        let Some(outgoing) = outgoing else {
            return self.refuse(
                id,
                &request,
                Some(&caller.identity),
                StatusCode::BAD_REQUEST.into(),
            );
        };
        //= https://www.rfc-editor.org/rfc/rfc5365#section-7
        //# On reception of a MESSAGE request containing a URI list, the MESSAGE
        //# URI-list service answers to the UAC with a 202 (Accepted) response.
        let builder = self.reply(&request, StatusCode::ACCEPTED);
        self.send_reply(id, builder);
        self.out.event(Event::MessageExploded {
            sender: caller.identity.clone(),
            recipients: outgoing.len(),
        });
        for (recipient, request) in outgoing {
            let id = self.mint.outgoing();
            self.sent.insert(
                id,
                Sent::Exploded {
                    sender: caller.identity.clone(),
                    recipient,
                },
            );
            self.out.request(id, request);
        }
    }

    /// Builds one recipient's MESSAGE. What the sender wants hidden is in no part of it.
    fn exploded_request(
        &mut self,
        request: &Request,
        caller: &Caller,
        member: &Member,
        history: Option<bytes::Bytes>,
    ) -> Option<Request> {
        let from = request.headers().get::<From>().ok()??;
        let target = request_uri(&member.uri);
        let (tag, call_id) = (self.mint.token(), self.mint.token());
        //= https://www.rfc-editor.org/rfc/rfc5365#section-7.2
        //# A MESSAGE URI-list service MUST include a From header field whose
        //# value is the same as the From header field included in the
        //# incoming MESSAGE request, subject to the privacy requirements (see
        //# RFC 3323 [RFC3323] and RFC 3325 [RFC3325]) expressed in the
        //# incoming MESSAGE request.
        let mut builder = Request::builder(Method::Message, target.clone())
            .from(from.uri(), from.display(), &tag)
            .to(&target, None)
            .call_id(&call_id)
            .cseq(1);
        for name in COPIED {
            for value in request.headers().values(name) {
                builder = builder.header(name, value.as_str()).ok()?;
            }
        }
        if let Some(marker) = self.marker() {
            // The value is opaque: it names nobody.
            builder = builder.header(&marker, "1").ok()?;
        }
        if !caller.anonymous {
            builder = builder.header_typed(&PAssertedIdentity::new(caller.uri.clone()));
        }
        let mut parts: Vec<Part> = Bodies::of(request).ok()?.content();
        if caller.anonymous {
            parts = parts.into_iter().map(hide_sender).collect::<Option<_>>()?;
        }
        if let Some(history) = history {
            parts.push(history_part(history)?);
        }
        //= https://www.rfc-editor.org/rfc/rfc5365#section-7.3
        //# If there is only one body left, the MESSAGE URI-list service MUST
        //# remove the multipart/mixed wrapper in the outgoing MESSAGE
        //# request.
        builder = match parts.as_slice() {
            [] => builder,
            [only] => {
                for (name, value) in only.headers().iter() {
                    let name = HeaderName::parse(&name).ok()?;
                    if name != HeaderName::CONTENT_TYPE && name != HeaderName::CONTENT_LENGTH {
                        builder = builder.header(&name, value.as_str()).ok()?;
                    }
                }
                builder.body(only.content_type(), only.body().clone())
            }
            _ => {
                let multipart = parts
                    .into_iter()
                    .fold(Multipart::builder(), sip_im::mime::MultipartBuilder::part);
                let (content_type, body) = multipart.build(self.mint.entropy()).ok()?;
                builder.body(&content_type, body)
            }
        };
        let mut exploded = builder.build().ok()?;
        if caller.anonymous {
            //= R-6.3-05
            anonymise(&mut exploded).ok()?;
        }
        Some(exploded)
    }

    /// What has become of one of the requests.
    pub(super) fn exploded(&mut self, sender: Identity, recipient: Identity, status: StatusCode) {
        self.out.event(if status.is_success() {
            Event::ExplodedDelivered { sender, recipient }
        } else {
            Event::ExplodedFailed {
                sender,
                recipient,
                status,
            }
        });
    }
}

/// A list of those who got it says that the message was exploded already.
fn check_history(bodies: &Bodies) -> Result<(), Refusal> {
    if bodies.has_history {
        Err(Refusal::nested())
    } else {
        Ok(())
    }
}

/// Puts the anonymous address in place of the sender's into an envelope.
fn hide_sender(part: Part) -> Option<Part> {
    if !part.content_type().is("message", "cpim") {
        return Some(part);
    }
    let message = cpim::Message::parse(part.body()).ok()?;
    let from = cpim::Address::new(Some("Anonymous"), ANONYMOUS).ok()?;
    let head = message.head().with_from(&from).to_bytes();
    let mut body = bytes::BytesMut::with_capacity(head.len().saturating_add(message.content().len()));
    body.extend_from_slice(&head);
    body.extend_from_slice(message.content());
    Some(part.with_body(body.freeze()))
}

/// RFC 3323 4.1.
const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";

/// The extension of RFC 5365.
const LIST_EXTENSION: &str = "recipient-list-message";

/// What goes on to each recipient as it came. Everything else is between the sender and the exploder.
const COPIED: &[HeaderName] = &[
    HeaderName::SUBJECT,
    HeaderName::DATE,
    HeaderName::EXPIRES,
    HeaderName::PRIORITY,
    HeaderName::PRIVACY,
    HeaderName::ACCEPT_CONTACT,
    HeaderName::REJECT_CONTACT,
    HeaderName::IN_REPLY_TO,
];
