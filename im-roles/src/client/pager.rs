//! Messages outside of a session (RFC 3428): those that go out, each in its turn.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use im_xdm_model::document::resource_lists::{Entry, Item, List, ResourceLists};
use msrp::cpim;
use sip_im::header::Require;
use sip_im::identity::anonymous_uri;
use sip_im::mime::{ContentDisposition, Multipart, Part};
use sip_im::pager::{self, Draft, MessageKey, Pager};
use sip_im::{ContentType, Method, Request, Response};

use super::event::{CommandId, Event, Failure};
use super::message::{Content, ListEntry, MessageRequest, Notifications};
use super::requests::{Purpose, failure_of};
use super::{Client, CommandError, Job, Work};

/// What a request of the pager's is.
#[derive(Debug)]
pub(super) enum Page {
    /// A message of the user's.
    Message {
        command: CommandId,
        message_id: Option<String>,
    },
    /// A notification on one that came, of whose fate nobody needs to hear.
    Notice,
}

/// The requests that wait for their turn or their answer.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) pager: Pager,
    kinds: BTreeMap<MessageKey, Page>,
    /// Whether the job that sends what has its turn is queued.
    is_asked: bool,
}

impl Pages {
    pub(super) fn new(config: pager::Config) -> Self {
        Self {
            pager: Pager::new(config),
            kinds: BTreeMap::new(),
            is_asked: false,
        }
    }
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
        let command = self.mint_command();
        self.send_message(command, message, Vec::new(), now);
        Ok(command)
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
        let mut message = MessageRequest::text(self.config.exploder.clone(), "");
        message.content = content;
        let command = self.mint_command();
        self.send_message(command, message, recipients, now);
        Ok(command)
    }

    fn send_message(
        &mut self,
        command: CommandId,
        message: MessageRequest,
        list: Vec<ListEntry>,
        now: Instant,
    ) {
        let known = (!list.is_empty()).then_some(self.config.max_list_octets);
        match self.build_message(message, list, now) {
            Some((request, message_id)) => {
                self.page(request, Page::Message { command, message_id }, known, now);
            }
            None => self.failed(Some(command), Failure::local("the message cannot be written")),
        }
        self.settle(now);
    }

    /// What waits: jobs, and messages that are not sent.
    pub(super) fn waiting(&self) -> usize {
        let jobs = self.jobs.len().saturating_sub(usize::from(self.pages.is_asked));
        jobs.saturating_add(self.pages.pager.unsent())
    }

    /// Gives a request to the pager; `known` is how large it may be on the way that it takes, where that is known.
    pub(super) fn page(&mut self, request: Request, page: Page, known: Option<usize>, now: Instant) {
        let pager = &mut self.pages.pager;
        let taken = match known {
            Some(octets) => pager.send_within(request, octets, now),
            None => pager.send(request, now),
        };
        match taken {
            Ok(key) => {
                self.pages.kinds.insert(key, page);
                self.turn_pages();
            }
            Err(error) => self.page_failed(page, Failure::local(&error.to_string())),
        }
    }

    /// Has what has its turn sent as soon as the link is up.
    pub(super) fn turn_pages(&mut self) {
        if self.pages.pager.has_transmits() && !std::mem::replace(&mut self.pages.is_asked, true) {
            self.start(Job {
                command: None,
                work: Work::Pages,
            });
        }
    }

    /// Sends what has its turn.
    pub(super) fn send_pages(&mut self, now: Instant) {
        self.pages.is_asked = false;
        while let Some(turn) = self.pages.pager.poll_transmit(now) {
            self.transmit(turn.request, Purpose::Page(turn.message), now);
        }
    }

    /// There is no link: what has its turn comes to nothing, and so does what waits behind it.
    pub(super) fn give_up_pages(&mut self, now: Instant) {
        self.pages.is_asked = false;
        while let Some(turn) = self.pages.pager.poll_transmit(now) {
            let failure = pager::Failure::TransportFailed;
            self.pages.pager.handle_failure(turn.message, failure);
        }
    }

    pub(super) fn page_answered(&mut self, key: MessageKey, response: &Response, now: Instant) {
        self.pages.pager.handle_response(key, response, now);
    }

    /// Tells what has become of messages; says whether there was anything to tell.
    pub(super) fn tell_pages(&mut self) -> bool {
        let Some(event) = self.pages.pager.poll_event() else {
            return false;
        };
        let page = self.pages.kinds.remove(&event.message());
        match (page, event) {
            (
                Some(Page::Message { command, message_id }),
                pager::Event::Delivered { response, .. } | pager::Event::Accepted { response, .. },
            ) => {
                if let Some(id) = &message_id {
                    self.sent.insert(id.clone(), command);
                }
                let status = response.status().code();
                self.push_event(Event::Sent {
                    command,
                    session: None,
                    message_id,
                    status,
                });
            }
            (Some(page), pager::Event::Failed { failure, .. }) => self.page_failed(page, told(&failure)),
            _ => {}
        }
        self.turn_pages();
        true
    }

    fn page_failed(&mut self, page: Page, failure: Failure) {
        if let Page::Message { command, message_id } = page {
            self.push_event(Event::Failed {
                command: Some(command),
                session: None,
                message_id,
                failure,
            });
        }
    }

    /// The request that carries a message, and the id by which notifications will name it.
    fn build_message(
        &self,
        message: MessageRequest,
        list: Vec<ListEntry>,
        now: Instant,
    ) -> Option<(Request, Option<String>)> {
        let privacy = message.privacy || self.privacy;
        let unix = self.clock.unix(now);
        let mut begun = Self::accept_contact(self.fresh(Method::Message, &message.to, privacy));
        let mut message_id = None;
        let mut message = message;
        if message.notifications.any() {
            let id = self.shared.token();
            let body = self.wrap(&message, privacy, &id, unix)?;
            message.content = Content::new(ContentType::message_cpim(), body);
            // It is in the envelope.
            message.subject = None;
            message_id = Some(id);
        }
        let Content {
            mut content_type,
            mut body,
        } = message.content;
        if !list.is_empty() {
            //= https://www.rfc-editor.org/rfc/rfc5365#section-6
            //# The UAC MUST also include the 'recipient-list-message'
            //# option-tag, defined in Section 5, in a Require header field.
            begun = begun.header_typed(&Require::new(["recipient-list-message"]));
            (content_type, body) = self.with_list(Part::new(content_type).with_body(body), list)?;
        }
        let mut draft = Draft::new(content_type, body);
        if let Some(subject) = message.subject {
            draft = draft.subject(subject);
        }
        if let Some(expires) = message.expires {
            draft = draft.expires(expires);
        }
        Some((draft.request(begun, unix).ok()?, message_id))
    }

    /// A body with a URI list beside it.
    pub(super) fn with_list(&self, part: Part, list: Vec<ListEntry>) -> Option<(ContentType, Bytes)> {
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
    fn wrap(&self, message: &MessageRequest, privacy: bool, id: &str, unix: Duration) -> Option<Bytes> {
        let (name, from) = self.sender(privacy);
        let mut builder = cpim::Message::builder()
            .from(name.as_deref(), &from)
            .to(None, &message.to.to_string())
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
}

/// How a failure of the pager's is told.
fn told(failure: &pager::Failure) -> Failure {
    match (failure, failure.status()) {
        (pager::Failure::Refused(response), _) => failure_of(response),
        (_, Some(status)) => Failure::status(status.code(), status.default_reason()),
        (_, None) => Failure::local(&failure.to_string()),
    }
}

fn resource_list(entries: Vec<ListEntry>) -> ResourceLists {
    let children = entries.into_iter().map(|entry| {
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
