//! Messages in pager mode (RFC 3428): each once, in its turn, small enough for every hop, with an outcome.
//!
//! [`Draft`] makes a MESSAGE request, [`Pager`] says when it may be sent and what became of it, [`Validity`] says of one that has come
//! whether it is still worth reading. Sending and repeating are the [endpoint](crate::endpoint)'s, answering challenges is
//! [`Authentication`](crate::auth::Authentication)'s.
//!
//! A message is known by the Request-URI that it goes to, or by the dialog that it belongs to. One at a time is under way to each;
//! others wait, are refused or are let through, as [`Config::overlap`] and [`Config::overlap_in_dialog`] say. While a recipient's
//! server asks to be left alone, its messages wait too.
//!
//! | file | what |
//! |---|---|
//! | `config` | the configuration and the rule of sizes |
//! | `draft` | from content to request |
//! | `event` | turns, outcomes, errors |
//! | `turn` | the lines of messages to one recipient |
//! | `validity` | Date and Expires of what has come |

mod config;
mod draft;
mod event;
mod turn;
mod validity;

use core::fmt;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use crate::dialog::DialogId;
use crate::header::{Expires, HeaderName};
use crate::message::{Request, Response};
use crate::session::ends_dialog;
use crate::uri::Identity;
use crate::{Method, StatusCode};

pub use config::{Config, Overlap, TooLarge};
pub use draft::Draft;
pub use event::{Event, Failure, MessageKey, SendError, Transmit};
pub use validity::Validity;

/// To whom one message at a time is sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Recipient {
    Uri(Identity),
    Dialog(DialogId),
}

/// A message that has no outcome yet.
#[derive(Clone)]
struct Unfinished {
    recipient: Recipient,
    request: Request,
    /// The limit that holds for it instead of the general one.
    known: Option<usize>,
    /// Until when it has to be sent; nothing once it is.
    until: Option<(Instant, Failure)>,
    is_sent: bool,
}

/// What is under way to one recipient, and what waits.
#[derive(Clone, Default)]
struct Line {
    /// Messages that have their turn, sent or not.
    under_way: usize,
    waiting: BTreeSet<MessageKey>,
    /// Until when nothing is to be sent.
    held: Option<Instant>,
}

/// What is due at an instant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// An unsent message is of no use any more.
    Message(MessageKey),
    /// A recipient may be written to again.
    Held(Recipient),
}

/// Sends messages in pager mode, each in its turn.
///
/// ```
/// use std::time::{Duration, Instant};
/// use sip_im::pager::{Config, Draft, Event, Pager};
/// use sip_im::{Method, Request, StatusCode, Uri};
///
/// let (alice, bob) = (Uri::parse("sip:alice@a.test")?, Uri::parse("sip:bob@b.test")?);
/// let draft = |text: &str, call_id: &str| {
///     let begun = Request::builder(Method::Message, bob.clone()).from(&alice, None, "a1").to(&bob, None).call_id(call_id).cseq(1);
///     Draft::text(text).request(begun, Duration::from_secs(1_700_000_000))
/// };
/// let (mut pager, now) = (Pager::new(Config::default()), Instant::now());
/// let first = pager.send(draft("Watson, come here.", "c1")?, now)?;
/// let second = pager.send(draft("I want to see you.", "c2")?, now)?;
///
/// let sent = pager.poll_transmit(now).ok_or("the first")?;
/// assert!(pager.poll_transmit(now).is_none(), "the second waits for its turn");
/// // The endpoint sends it, and has an answer.
/// let response = sent.request.response(StatusCode::OK).to_tag("b1").build()?;
/// pager.handle_response(sent.message, &response, now);
/// assert!(matches!(pager.poll_event(), Some(Event::Delivered { message, .. }) if message == first));
/// assert_eq!(pager.poll_transmit(now).ok_or("the second")?.message, second);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Pager {
    config: Config,
    messages: BTreeMap<MessageKey, Unfinished>,
    lines: BTreeMap<Recipient, Line>,
    /// The messages that have their turn and are not sent.
    ready: BTreeSet<MessageKey>,
    due: BTreeSet<(Instant, Due)>,
    events: VecDeque<Event>,
    unsent: usize,
    last: u64,
}

impl Pager {
    /// A pager with nothing to send.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            messages: BTreeMap::new(),
            lines: BTreeMap::new(),
            ready: BTreeSet::new(),
            due: BTreeSet::new(),
            events: VecDeque::new(),
            unsent: 0,
            last: 0,
        }
    }

    /// How it behaves.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Takes a message for the URI that the request names, outside of dialogs.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when the request is not one or is too large, when it may not go out now nor wait, or at the limits
    /// of the configuration.
    pub fn send(&mut self, request: Request, now: Instant) -> Result<MessageKey, SendError> {
        let recipient = Recipient::Uri(request.uri().identity());
        self.take(request, recipient, None, now)
    }

    /// The same over a way that is known to take requests of up to `octets`.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    //= https://www.rfc-editor.org/rfc/rfc3428#section-8
    //# unless the UAC has positive knowledge that the
    //# message will not traverse a congestion-unsafe link at any hop, or
    //# that the message size is at least 200 bytes less than the lowest MTU
    //# value found en route to the UAS.
    pub fn send_within(
        &mut self,
        request: Request,
        octets: usize,
        now: Instant,
    ) -> Result<MessageKey, SendError> {
        let recipient = Recipient::Uri(request.uri().identity());
        self.take(request, recipient, Some(octets), now)
    }

    /// Takes a message that belongs to a dialog, made by [`Dialog::request`](crate::dialog::Dialog::request).
    ///
    //= https://www.rfc-editor.org/rfc/rfc3428#section-4
    //# A UAC MAY associate a MESSAGE request with an existing dialog.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub fn send_in_dialog(
        &mut self,
        request: Request,
        dialog: DialogId,
        now: Instant,
    ) -> Result<MessageKey, SendError> {
        self.take(request, Recipient::Dialog(dialog), None, now)
    }

    /// Takes back a message that was not sent yet; says whether it was there and unsent.
    pub fn withdraw(&mut self, message: MessageKey) -> bool {
        let unsent = self
            .messages
            .get(&message)
            .is_some_and(|unfinished| !unfinished.is_sent);
        if unsent {
            self.fail(message, Failure::Withdrawn);
        }
        unsent
    }

    /// A dialog is over: what waits to be sent in it fails.
    pub fn dialog_ended(&mut self, dialog: &DialogId) {
        let recipient = Recipient::Dialog(dialog.clone());
        let Some(line) = self.lines.get(&recipient) else {
            return;
        };
        let ready = self.ready.iter().filter(|message| {
            let unfinished = self.messages.get(message);
            unfinished.is_some_and(|unfinished| unfinished.recipient == recipient)
        });
        let unsent: Vec<_> = ready.chain(&line.waiting).copied().collect();
        for message in unsent {
            self.fail(message, Failure::DialogEnded);
        }
    }

    /// Whether a request, with whatever was added since it was taken, is still small enough: credentials count. One that is not
    /// [fails](Self::handle_failure).
    ///
    /// # Errors
    ///
    /// Fails when it has become too large.
    pub fn check_size(&self, message: MessageKey, request: &Request) -> Result<(), TooLarge> {
        let known = self
            .messages
            .get(&message)
            .and_then(|unfinished| unfinished.known);
        self.config.check_size(request, known)
    }

    /// Takes a response to a message's request. A 401 or 407 that its owner answers is not given here; one that can't be answered is.
    pub fn handle_response(&mut self, message: MessageKey, response: &Response, now: Instant) {
        let status = response.status();
        if status.is_provisional() || !self.is_sent(message) {
            return;
        }
        let Some(unfinished) = self.forget(message) else {
            return;
        };
        let response = response.clone();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            self.hold(&unfinished.recipient, &response, now);
        }
        self.events.push_back(match status {
            StatusCode::ACCEPTED => Event::Accepted { message, response },
            _ if status.is_success() => Event::Delivered { message, response },
            _ => Event::Failed {
                message,
                failure: Failure::Refused(Box::new(response)),
            },
        });
        self.next(&unfinished.recipient);
        if let (Recipient::Dialog(dialog), true) = (&unfinished.recipient, ends_dialog(status)) {
            self.dialog_ended(dialog);
        }
    }

    /// A message's request got no final response, or could not be sent with what it needs.
    pub fn handle_failure(&mut self, message: MessageKey, failure: impl Into<Failure>) {
        if !self.is_sent(message) {
            return;
        }
        let failure = failure.into();
        let recipient = self
            .messages
            .get(&message)
            .map(|unfinished| unfinished.recipient.clone());
        let ends = failure.status().is_some_and(ends_dialog);
        self.fail(message, failure);
        if let (Some(Recipient::Dialog(dialog)), true) = (recipient, ends) {
            self.dialog_ended(&dialog);
        }
    }

    /// Does what is due. A call that comes early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, _)) = self.due.first() {
            if *at > now {
                return;
            }
            let Some((_, due)) = self.due.pop_first() else {
                return;
            };
            match due {
                Due::Message(message) => {
                    let until = self
                        .messages
                        .get_mut(&message)
                        .and_then(|unfinished| unfinished.until.take());
                    if let Some((_, failure)) = until {
                        self.fail(message, failure);
                    }
                }
                Due::Held(recipient) => {
                    if let Some(line) = self.lines.get_mut(&recipient) {
                        line.held = None;
                    }
                    self.next(&recipient);
                }
            }
        }
    }

    /// Gives the next request that is to be sent.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        // What should not be sent any more is dropped even if the host is late with its timeout.
        self.handle_timeout(now);
        let message = self.ready.pop_first()?;
        let unfinished = self.messages.get_mut(&message)?;
        unfinished.is_sent = true;
        self.unsent = self.unsent.saturating_sub(1);
        if let Some((at, _)) = unfinished.until.take() {
            self.due.remove(&(at, Due::Message(message)));
        }
        Some(Transmit {
            message,
            request: unfinished.request.clone(),
            dialog: match &unfinished.recipient {
                Recipient::Uri(_) => None,
                Recipient::Dialog(dialog) => Some(dialog.clone()),
            },
        })
    }

    /// Gives the next outcome.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Whether no message is without an outcome and no outcome is to be told.
    pub fn is_drained(&self) -> bool {
        self.messages.is_empty() && self.events.is_empty()
    }

    /// Whether some message has its turn and is to be [sent](Self::poll_transmit).
    pub fn has_transmits(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The messages without an outcome, oldest first, for a host that keeps them over a restart: sent again under the same Call-ID
    /// and number, one that had arrived is known by its recipient.
    pub fn unfinished(&self) -> impl Iterator<Item = (MessageKey, &Request)> {
        self.messages
            .iter()
            .map(|(message, unfinished)| (*message, &unfinished.request))
    }

    /// How many messages were not sent yet.
    pub fn unsent(&self) -> usize {
        self.unsent
    }

    fn take(
        &mut self,
        request: Request,
        recipient: Recipient,
        known: Option<usize>,
        now: Instant,
    ) -> Result<MessageKey, SendError> {
        if *request.method() != Method::Message {
            return Err(SendError::Method);
        }
        //= https://www.rfc-editor.org/rfc/rfc3428#section-4
        //# User Agents MUST NOT
        //# insert Contact header fields into MESSAGE requests.
        if request.headers().contains(&HeaderName::CONTACT) {
            return Err(SendError::Contact);
        }
        let tagged = request.to().is_ok_and(|to| to.tag.is_some());
        // An element of RFC 2543 at the other end of a dialog has no tag.
        let wanted = match &recipient {
            Recipient::Uri(_) => false,
            Recipient::Dialog(dialog) => !dialog.remote_tag.is_empty(),
        };
        if tagged != wanted {
            return Err(SendError::Tag);
        }
        self.config.check_size(&request, known)?;
        if self.messages.len().saturating_add(self.events.len()) >= self.config.max_messages {
            return Err(SendError::TooMany);
        }
        let overlap = match &recipient {
            Recipient::Uri(_) => self.config.overlap,
            Recipient::Dialog(_) => self.config.overlap_in_dialog,
        };
        let line = self.lines.get(&recipient);
        let is_held = line.is_some_and(|line| line.held.is_some());
        let is_busy = line.is_some_and(|line| line.under_way > 0 || !line.waiting.is_empty());
        let has_turn = !is_held && (!is_busy || overlap == Overlap::Allow);
        if !has_turn {
            if overlap == Overlap::Refuse {
                return Err(SendError::Busy);
            }
            if line.map_or(0, |line| line.waiting.len()) >= self.config.max_waiting {
                return Err(SendError::QueueFull);
            }
        }
        self.last = self.last.saturating_add(1);
        self.unsent = self.unsent.saturating_add(1);
        let message = MessageKey(self.last);
        let until = self.usefulness(&request, now);
        if let Some((at, _)) = &until {
            self.due.insert((*at, Due::Message(message)));
        }
        let line = self.lines.entry(recipient.clone()).or_default();
        if has_turn {
            line.under_way = line.under_way.saturating_add(1);
            self.ready.insert(message);
        } else {
            line.waiting.insert(message);
        }
        self.messages.insert(
            message,
            Unfinished {
                recipient,
                request,
                known,
                until,
                is_sent: false,
            },
        );
        Ok(message)
    }

    /// Until when a message has to be sent, and what it comes to otherwise.
    fn usefulness(&self, request: &Request, now: Instant) -> Option<(Instant, Failure)> {
        let patience = now
            .checked_add(self.config.max_wait)
            .map(|at| (at, Failure::WaitedTooLong));
        let expires = request.headers().get::<Expires>().ok().flatten();
        let expiry = expires
            // One that is to expire at once is sent at once or not at all.
            .and_then(|Expires(seconds)| {
                now.checked_add(core::time::Duration::from_secs(u64::from(seconds).max(1)))
            })
            .map(|at| (at, Failure::Expired));
        match (patience, expiry) {
            (Some(patience), Some(expiry)) if expiry.0 <= patience.0 => Some(expiry),
            (Some(patience), _) => Some(patience),
            (None, expiry) => expiry,
        }
    }
}

impl fmt::Debug for Pager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pager")
            .field("messages", &self.messages.len())
            .field("ready", &self.ready.len())
            .field("events", &self.events.len())
            .finish_non_exhaustive()
    }
}
