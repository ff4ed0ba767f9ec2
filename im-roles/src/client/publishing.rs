//! Publishing the user's own state: presence, or any other package (RFC 3903).

use std::collections::BTreeMap;
use std::time::Instant;

use im_xdm_model::document::DisplayName;
use im_xdm_model::document::pidf::{Basic, Contact, Presence, Tuple};
use sip_im::header::Event as EventHeader;
use sip_im::publication::{Publication, PublicationEvent};
use sip_im::{ContentType, Request, Response};

use super::event::{CommandId, Failure};
use super::message::Content;
use super::requests::{Purpose, failure_of};
use super::timers::Timer;
use super::wire::Link;
use super::{Client, CommandError, Event, Job, Work};

/// What is published, by package.
#[derive(Debug, Default)]
pub(super) struct Publications {
    pub(super) table: BTreeMap<PublicationKey, Published>,
    last: u64,
}

/// Names one publication; never used again.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct PublicationKey(u64);

/// One package's publication.
#[derive(Debug)]
pub(super) struct Published {
    package: String,
    machine: Publication,
    /// The command that has not had its answer.
    command: Option<CommandId>,
    /// What is to be published, also by a server that has forgotten it.
    content: Option<Content>,
    /// The latest answer.
    answer: Failure,
}

impl Client {
    /// Says whether the user can be reached, and a few words about it.
    ///
    /// # Errors
    ///
    /// As [`Self::publish`].
    pub fn presence(
        &mut self,
        open: bool,
        note: Option<&str>,
        now: Instant,
    ) -> Result<CommandId, CommandError> {
        //= R-5.3.1-10
        let user = self.config.user.to_string();
        let mut tuple = Tuple::new("im");
        tuple.basic = Some(if open { Basic::Open } else { Basic::Closed });
        tuple.contact = Some(Contact::new(user.clone()));
        tuple.notes.extend(note.map(DisplayName::new));
        let mut document = Presence::new(user);
        document.tuples.push(tuple);
        let kind = ContentType::parse(PIDF).map_err(|_| CommandError::Unwritable)?;
        let content = Content::new(kind, document.write());
        self.publish("presence", Some(content), now)
    }

    /// Publishes the user's state in an event package in place of what was published before, and keeps it published; without content
    /// it is published no longer.
    ///
    /// # Errors
    ///
    /// Fails when the package's name is none, when more packages would be published than
    /// [`Limits::max_publications`](super::Limits::max_publications), when too much waits already, or when the client is shutting
    /// down.
    pub fn publish(
        &mut self,
        package: &str,
        content: Option<Content>,
        now: Instant,
    ) -> Result<CommandId, CommandError> {
        self.admit()?;
        if !is_package(package) {
            return Err(CommandError::Unwritable);
        }
        let known = self.publications.table.iter();
        let known = known
            .filter(|(_, published)| published.package == package)
            .map(|(key, _)| *key)
            .next();
        let key = match known {
            Some(key) => key,
            None if self.publications.table.len() >= self.config.limits.max_publications => {
                return Err(CommandError::TooMany);
            }
            None => self.add_publication(package),
        };
        let command = self.mint_command();
        let superseded = self.publications.table.get_mut(&key).and_then(|published| {
            match &content {
                Some(content) => published
                    .machine
                    .publish(&content.content_type, content.body.clone()),
                None => published.machine.remove(),
            }
            published.content = content;
            published.command.replace(command)
        });
        if let Some(superseded) = superseded {
            self.failed(Some(superseded), Failure::local("replaced by a later state"));
        }
        if self
            .publications
            .table
            .get(&key)
            .is_some_and(|one| one.machine.is_drained())
        {
            // Nothing is published, so nothing needs to be said to anybody.
            self.publication_done(key);
        }
        self.follow_publication(key, now);
        self.settle(now);
        Ok(command)
    }

    fn add_publication(&mut self, package: &str) -> PublicationKey {
        self.publications.last = self.publications.last.wrapping_add(1);
        let key = PublicationKey(self.publications.last);
        let expires = u32::try_from(self.config.publish_expires.as_secs()).unwrap_or(u32::MAX);
        let machine = Publication::new(
            self.config.user.clone(),
            EventHeader::new(package),
            &self.shared.token(),
            &self.shared.token(),
            expires,
        );
        let published = Published {
            package: package.to_owned(),
            machine,
            command: None,
            content: None,
            answer: Failure::status(200, "OK"),
        };
        self.publications.table.insert(key, published);
        key
    }

    /// Sends the request that is due, if one is.
    pub(super) fn send_publish(&mut self, key: PublicationKey, now: Instant) {
        let Some(published) = self.publications.table.get_mut(&key) else {
            return;
        };
        match published.machine.next_request() {
            Ok(Some(request)) => self.transmit(request, Purpose::Publish(key), now),
            Ok(None) => {}
            Err(_) => self.publication_failed(key, Failure::local("the PUBLISH request cannot be written")),
        }
    }

    /// A PUBLISH was sent again with credentials.
    pub(super) fn publish_sent(&mut self, key: PublicationKey, request: &Request) {
        if let Some(published) = self.publications.table.get_mut(&key) {
            published.machine.sent(request);
        }
    }

    pub(super) fn publish_answered(&mut self, key: PublicationKey, response: &Response, now: Instant) {
        let Some(published) = self.publications.table.get_mut(&key) else {
            return;
        };
        published.answer = failure_of(response);
        // Credentials were given and did not help: for the publication such an answer leads nowhere.
        let refused = matches!(response.status().code(), 401 | 407);
        published
            .machine
            .handle_response(Some(response).filter(|_| !refused), now);
        self.follow_publication(key, now);
    }

    pub(super) fn publish_failed(&mut self, key: PublicationKey, failure: Failure, now: Instant) {
        if let Some(published) = self.publications.table.get_mut(&key) {
            published.answer = failure.clone();
            published.machine.handle_response(None, now);
            // It may not have been under way yet.
            self.publication_failed(key, failure);
            self.follow_publication(key, now);
        }
    }

    /// The connection is there again: what could not be sent is.
    pub(super) fn resume_publications(&mut self) {
        for (key, published) in &mut self.publications.table {
            if let (Some(content), None) = (&published.content, published.machine.etag()) {
                published
                    .machine
                    .publish(&content.content_type, content.body.clone());
            }
            self.jobs.push_back(Job {
                command: None,
                work: Work::Publish(*key),
            });
        }
    }

    /// Takes back what is published.
    pub(super) fn end_publications(&mut self, now: Instant) {
        if self.wire.link() == Link::Down {
            self.publications = Publications::default();
        }
        for key in self.publications.table.keys().copied().collect::<Vec<_>>() {
            if let Some(published) = self.publications.table.get_mut(&key) {
                published.content = None;
                published.machine.remove();
            }
            self.follow_publication(key, now);
        }
    }

    pub(super) fn publication_due(&mut self, key: PublicationKey, now: Instant) {
        if let Some(published) = self.publications.table.get_mut(&key) {
            published.machine.handle_timeout(now);
            self.follow_publication(key, now);
        }
    }

    fn publication_done(&mut self, key: PublicationKey) {
        let Some(published) = self.publications.table.get_mut(&key) else {
            return;
        };
        let status = published.answer.status.unwrap_or(200);
        if let Some(command) = published.command.take() {
            self.push_event(Event::Sent {
                command,
                session: None,
                message_id: None,
                status,
            });
        }
    }

    fn publication_failed(&mut self, key: PublicationKey, failure: Failure) {
        let published = self.publications.table.get_mut(&key);
        let command = published.and_then(|published| published.command.take());
        self.failed(command, failure);
    }

    fn follow_publication(&mut self, key: PublicationKey, now: Instant) {
        while let Some(published) = self.publications.table.get_mut(&key)
            && let Some(event) = published.machine.poll_event()
        {
            let answer = published.answer.clone();
            match event {
                PublicationEvent::Due => self.start(Job {
                    command: None,
                    work: Work::Publish(key),
                }),
                PublicationEvent::Published | PublicationEvent::Removed => self.publication_done(key),
                PublicationEvent::Failed { .. } => self.publication_failed(key, answer),
                _ => {}
            }
        }
        let Some(published) = self.publications.table.get(&key) else {
            return;
        };
        if published.machine.is_drained() && published.command.is_none() {
            self.publications.table.remove(&key);
            self.timers.clear(Timer::Publication(key));
            return;
        }
        match published.machine.poll_timeout() {
            Some(at) => {
                let after = at.saturating_duration_since(now);
                self.timers.set(Timer::Publication(key), after, now);
            }
            None => self.timers.clear(Timer::Publication(key)),
        }
    }
}

/// Whether a text is the name of an event package (RFC 6665 8.4).
pub(super) fn is_package(text: &str) -> bool {
    let is_token = |octet: u8| octet.is_ascii_alphanumeric() || b"-!%*_+`'~".contains(&octet);
    text.split('.')
        .all(|part| !part.is_empty() && part.bytes().all(is_token))
}

/// How presence is written.
pub(super) const PIDF: &str = "application/pidf+xml";
