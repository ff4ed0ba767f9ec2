//! Messages outside of a session (RFC 3428): one at a time to each address, and those that come.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use im_xdm_model::document::resource_lists::{Entry, Item, List, ResourceLists};
use msrp::cpim;
use sip_im::header::{Date, Expires, Require, Subject};
use sip_im::identity::anonymous_uri;
use sip_im::mime::{ContentDisposition, Multipart, Part};
use sip_im::{ContentType, Identity, Method, Request, StatusCode, Uri};

use super::delivery::Notice;
use super::event::{CommandId, Event, Failure, Party, ReceivedMessage};
use super::message::{Content, ListEntry, MessageRequest, Notifications};
use super::requests::Purpose;
use super::{Client, CommandError, Job, Work};

/// A message on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) command: CommandId,
    to: Uri,
    list: Vec<ListEntry>,
    request: MessageRequest,
    message_id: Option<String>,
}

/// What waits for the answer to an earlier request to the same address.
#[derive(Debug, Default)]
pub(super) struct Queues {
    /// An entry is there while a request is under way, even with nothing behind it.
    busy: BTreeMap<Identity, VecDeque<Queued>>,
    pub(super) waiting: usize,
}

/// One request that waits.
#[derive(Debug)]
pub(super) enum Queued {
    Message(Box<Outgoing>),
    Notice(Box<Notice>),
}

impl Client {
    /// Sends a message to one user or group.
    ///
    /// # Errors
    ///
    /// Fails when too much waits already, or the client is shutting down.
    pub fn message(&mut self, message: MessageRequest, now: Instant) -> Result<CommandId, CommandError> {
        //= R-5.3.1-07
        self.admit()?;
        let to = message.to.clone();
        let command = self.mint_command();
        Ok(self.send_pager(
            Outgoing {
                command,
                to,
                list: Vec::new(),
                request: message,
                message_id: None,
            },
            now,
        ))
    }

    /// Sends a message to a list of users, through the URI-list service (RFC 5365).
    ///
    /// # Errors
    ///
    /// Fails when the list is empty or longer than [`Limits::max_recipients`](super::Limits::max_recipients), when too
    /// much waits already, or the client is shutting down.
    pub fn explode(
        &mut self,
        recipients: Vec<ListEntry>,
        content: Content,
        now: Instant,
    ) -> Result<CommandId, CommandError> {
        self.admit()?;
        if recipients.is_empty() || recipients.len() > self.config.limits.max_recipients {
            return Err(CommandError::Recipients);
        }
        let to = self.config.exploder.clone();
        let mut request = MessageRequest::text(to.clone(), "");
        request.content = content;
        let command = self.mint_command();
        Ok(self.send_pager(
            Outgoing {
                command,
                to,
                list: recipients,
                request,
                message_id: None,
            },
            now,
        ))
    }

    fn send_pager(&mut self, outgoing: Outgoing, now: Instant) -> CommandId {
        let command = outgoing.command;
        self.start(Job {
            command: Some(command),
            work: Work::Pager(Queued::Message(Box::new(outgoing))),
        });
        self.settle(now);
        command
    }

    /// Sends what has its turn, or puts it behind what is under way to the same address.
    pub(super) fn queue_pager(&mut self, queued: Queued, now: Instant) {
        //= https://www.rfc-editor.org/rfc/rfc3428#section-8
        //# A UAC MUST NOT initiate a new out-of-dialog MESSAGE transaction to a
        //# given URI if there is a previous out-of-dialog transaction pending
        //# for the same URI.
        let to = match &queued {
            Queued::Message(outgoing) => outgoing.to.identity(),
            Queued::Notice(notice) => notice.to().identity(),
        };
        if let Some(queue) = self.pager.busy.get_mut(&to) {
            queue.push_back(queued);
            self.pager.waiting += 1;
            return;
        }
        self.pager.busy.insert(to, VecDeque::new());
        self.send_queued(queued, now);
    }

    pub(super) fn send_queued(&mut self, queued: Queued, now: Instant) {
        match queued {
            Queued::Message(outgoing) => self.send_message(*outgoing, now),
            Queued::Notice(notice) => self.send_notice(*notice, now),
        }
    }

    /// A request is over: the next one to the same address has its turn.
    pub(super) fn next_pager(&mut self, to: &Uri) {
        let to = to.identity();
        let Some(queue) = self.pager.busy.get_mut(&to) else {
            return;
        };
        if let Some(next) = queue.pop_front() {
            self.pager.waiting = self.pager.waiting.saturating_sub(1);
            self.start(Job {
                command: None,
                work: Work::PagerTurn(next),
            });
        } else {
            self.pager.busy.remove(&to);
        }
    }

    fn send_message(&mut self, mut outgoing: Outgoing, now: Instant) {
        let privacy = outgoing.request.privacy || self.privacy;
        let limit = if outgoing.list.is_empty() {
            self.config.max_pager_octets
        } else {
            self.config.max_list_octets
        };
        match self.build_message(&mut outgoing, privacy, now) {
            Some(mut request) => {
                // What the limit is about is the request as it will be sent.
                self.authentication.authorize(&mut request);
                if request.to_bytes().len() > limit {
                    let failure = Failure::local("too large for a MESSAGE request");
                    return self.message_failed(outgoing, failure);
                }
                self.transmit(request, Purpose::Message(Box::new(outgoing)), now);
            }
            None => self.message_failed(outgoing, Failure::local("the message cannot be written")),
        }
    }

    fn build_message(&mut self, outgoing: &mut Outgoing, privacy: bool, now: Instant) -> Option<Request> {
        let unix = self.clock.unix(now);
        let message = &outgoing.request;
        let mut builder = self.fresh(Method::Message, &outgoing.to, privacy);
        builder = Self::accept_contact(builder).header_typed(&Date::from_unix(unix));
        if let Some(expires) = message.expires {
            builder = builder.header_typed(&Expires(u32::try_from(expires.as_secs()).unwrap_or(u32::MAX)));
        }
        let (content_type, body) = if message.notifications.any() {
            let id = self.shared.token();
            let wrapped = self.wrap(message, &outgoing.to, privacy, &id, unix)?;
            outgoing.message_id = Some(id);
            (ContentType::message_cpim(), wrapped)
        } else {
            if let Some(subject) = &message.subject {
                builder = builder.header_typed(&Subject::new(subject));
            }
            (message.content.content_type.clone(), message.content.body.clone())
        };
        if outgoing.list.is_empty() {
            return builder.body(&content_type, body).build().ok();
        }
        //= https://www.rfc-editor.org/rfc/rfc5365#section-6
        //# The UAC MUST also include the 'recipient-list-message'
        //# option-tag, defined in Section 5, in a Require header field.
        let (multipart, body) = self.with_list(Part::new(content_type).with_body(body), &outgoing.list)?;
        builder
            .header_typed(&Require::new(["recipient-list-message"]))
            .body(&multipart, body)
            .build()
            .ok()
    }

    /// A body with a URI list beside it.
    pub(super) fn with_list(&self, part: Part, list: &[ListEntry]) -> Option<(ContentType, Bytes)> {
        let list_type = ContentType::parse("application/resource-lists+xml").ok()?;
        let recipients = Part::new(list_type)
            .with_disposition(ContentDisposition::new("recipient-list").ok()?)
            .with_body(resource_list(list).write());
        Multipart::builder()
            .part(part)
            .part(recipients)
            .build(&mut self.shared.source())
            .ok()
    }

    /// Wraps content so that its sender can be told what becomes of it (RFC 5438 7.1.1).
    fn wrap(
        &self,
        message: &MessageRequest,
        to: &Uri,
        privacy: bool,
        id: &str,
        unix: Duration,
    ) -> Option<Bytes> {
        let (name, from) = self.sender(privacy);
        let mut builder = cpim::Message::builder()
            .from(name.as_deref(), &from)
            .to(None, &to.to_string())
            .date_time(cpim::DateTime::from_unix(unix))
            .imdn_message_id(id)
            .content(message.content.content_type.clone(), message.content.body.clone());
        for notification in wanted(message.notifications) {
            builder = builder.disposition_notification(notification);
        }
        if let Some(subject) = &message.subject {
            builder = builder.subject(None, subject);
        }
        builder.build().ok().map(|message| message.to_bytes())
    }

    /// How the user appears in CPIM.
    pub(super) fn sender(&self, privacy: bool) -> (Option<String>, String) {
        if privacy {
            (Some("Anonymous".to_owned()), anonymous_uri().to_string())
        } else {
            (self.config.display_name.clone(), self.config.user.to_string())
        }
    }

    pub(super) fn message_sent(&mut self, outgoing: Outgoing, status: u16) {
        let Outgoing {
            command,
            to,
            message_id,
            ..
        } = outgoing;
        if let Some(id) = &message_id {
            self.sent.insert(id.clone(), command);
        }
        self.push_event(Event::Sent {
            command,
            session: None,
            message_id,
            status,
        });
        self.next_pager(&to);
    }

    pub(super) fn message_failed(&mut self, outgoing: Outgoing, failure: Failure) {
        let Outgoing {
            command,
            to,
            message_id,
            ..
        } = outgoing;
        self.push_event(Event::Failed {
            command: Some(command),
            session: None,
            message_id,
            failure,
        });
        self.next_pager(&to);
    }

    /// Takes in a MESSAGE request; the status to answer it with.
    pub(super) fn on_message(&mut self, request: &Request) -> StatusCode {
        let Some(mut incoming) = read_message(request) else {
            return StatusCode::UNSUPPORTED_MEDIA_TYPE;
        };
        let key = (incoming.sender.clone(), incoming.key.clone());
        if !self.seen.insert(key, ()) {
            // The same message again: its sender did not get the answer.
            return StatusCode::OK;
        }
        if incoming.content_type.is("message", "imdn+xml") {
            self.on_notification(incoming.from, &incoming.body);
        } else if incoming.content_type.is("application", "im-iscomposing+xml") {
            self.on_composing(None, incoming.from, &incoming.body);
        } else {
            let wanted = incoming.notice.as_ref().map(Notice::wanted).unwrap_or_default();
            if let Some(notice) = incoming.notice.take() {
                self.remember_notice(notice);
            }
            self.push_event(Event::MessageReceived(ReceivedMessage {
                session: None,
                from: incoming.from,
                to: incoming.to,
                private: false,
                message_id: incoming.message_id,
                datetime: incoming.datetime,
                subject: incoming.subject,
                content_type: incoming.content_type,
                body: incoming.body,
                display_wanted: wanted.display,
                recipients: incoming.recipients,
            }));
        }
        StatusCode::OK
    }
}

fn read_message(request: &Request) -> Option<Incoming> {
    let originator = sip_im::identity::asserted_identity(request, sip_im::identity::Trust::Trusted).ok();
    let header = request.from().ok()?;
    let asserted = originator
        .as_ref()
        .filter(|originator| !originator.anonymous)
        .and_then(|originator| {
            let uri = originator.identities.first()?;
            Some(Party::new(
                uri.to_string(),
                originator.display.as_ref().map(ToString::to_string),
            ))
        });
    let from = asserted.unwrap_or_else(|| {
        Party::new(
            header.name_addr.uri.to_string(),
            header.name_addr.display.as_ref().map(ToString::to_string),
        )
    });
    let sender = Uri::parse(&from.uri).ok()?.identity();
    let (content_type, body, recipients) = main_part(request)?;
    let date = request
        .headers()
        .value(&sip_im::header::HeaderName::DATE)
        .map(|date| date.to_string());
    let call = request
        .headers()
        .value(&sip_im::header::HeaderName::CALL_ID)?
        .to_string();
    let sequence = request
        .headers()
        .value(&sip_im::header::HeaderName::CSEQ)?
        .to_string();
    let mut incoming = Incoming {
        sender,
        key: format!("{call} {sequence}"),
        to: vec![request.uri().to_string()],
        from: Some(from),
        message_id: None,
        datetime: date,
        subject: request
            .headers()
            .value(&sip_im::header::HeaderName::SUBJECT)
            .map(|subject| subject.to_string()),
        content_type,
        body,
        recipients,
        notice: None,
    };
    if incoming.content_type.is("message", "cpim") {
        incoming.unwrap_cpim()?;
    }
    Some(incoming)
}

/// A MESSAGE request, taken apart.
struct Incoming {
    sender: Identity,
    key: String,
    from: Option<Party>,
    to: Vec<String>,
    message_id: Option<String>,
    datetime: Option<String>,
    subject: Option<String>,
    content_type: ContentType,
    body: Bytes,
    recipients: Vec<String>,
    notice: Option<Notice>,
}

impl Incoming {
    fn unwrap_cpim(&mut self) -> Option<()> {
        let message = cpim::Message::parse(&self.body).ok()?;
        if let Some(id) = message.head().imdn_message_id() {
            // The same message may come through two servers, in two requests.
            self.key = format!("imdn {id}");
            self.message_id = Some(id.to_string());
        }
        self.datetime = message
            .head()
            .date_time()
            .map(ToString::to_string)
            .or_else(|| self.datetime.take());
        self.to = message
            .head()
            .to()
            .iter()
            .map(|address| address.uri.to_string())
            .collect();
        self.notice = message.head().from().and_then(|from| {
            // A notification goes to the address in the envelope, so that has to be the sender's own.
            let own = Uri::parse(&from.uri)
                .ok()
                .filter(|uri| uri.identity() == self.sender)?;
            Notice::wanted_by(&message, own)
        });
        self.content_type = message.head().content_type().clone();
        self.body = message.content().clone();
        Some(())
    }
}

/// The content of a request, out of the multipart that an exploded one has, and the visible recipients.
fn main_part(request: &Request) -> Option<(ContentType, Bytes, Vec<String>)> {
    let content_type = match request.content_type() {
        Ok(Some(content_type)) => content_type,
        Ok(None) => ContentType::text_plain(),
        Err(_) => return None,
    };
    let body = request.body().clone();
    if content_type.type_() != "multipart" {
        return Some((content_type, body, Vec::new()));
    }
    let multipart = Multipart::parse(&content_type, &body, &sip_im::mime::Limits::default()).ok()?;
    let recipients = multipart
        .parts()
        .iter()
        .find(|part| is_history(part))
        .map(visible)
        .unwrap_or_default();
    let main = multipart.parts().iter().find(|part| !is_history(part))?;
    Some((main.content_type().clone(), main.body().clone(), recipients))
}

fn is_history(part: &Part) -> bool {
    part.disposition().is_some_and(|disposition| {
        disposition.is("recipient-list") || disposition.is("recipient-list-history")
    })
}

/// The recipients that a list shows.
pub(super) fn visible(part: &Part) -> Vec<String> {
    let Ok(lists) = ResourceLists::parse(part.body(), &im_xdm_model::xml::Limits::default()) else {
        return Vec::new();
    };
    let items = lists.lists.iter().flat_map(|list| &list.children);
    items
        .filter_map(|item| {
            if let Item::Entry(entry) = item {
                Some(entry.uri.clone())
            } else {
                None
            }
        })
        .collect()
}

fn resource_list(entries: &[ListEntry]) -> ResourceLists {
    let children = entries.iter().map(|entry| {
        let mut item = Entry::new(entry.uri.to_string());
        item.copy_control = Some(entry.copy_control);
        item.anonymize = entry.anonymize;
        Item::Entry(item)
    });
    let mut list = List::new();
    list.children = children.collect();
    ResourceLists::of(vec![list])
}

fn wanted(notifications: Notifications) -> Vec<cpim::DispositionNotification> {
    let pairs = [
        (
            notifications.positive_delivery,
            cpim::DispositionNotification::PositiveDelivery,
        ),
        (
            notifications.negative_delivery,
            cpim::DispositionNotification::NegativeDelivery,
        ),
        (
            notifications.processing,
            cpim::DispositionNotification::Processing,
        ),
        (notifications.display, cpim::DispositionNotification::Display),
    ];
    pairs
        .into_iter()
        .filter(|(wanted, _)| *wanted)
        .map(|(_, disposition)| disposition)
        .collect()
}
