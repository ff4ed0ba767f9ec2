//! Subscriptions as values that survive a restart.

use core::time::Duration;
use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::notifier::{News, interval_of};
use super::template::Template;
use super::{Notifier, NotifierConfig, NotifierState, Subscriber, SubscriberState};
use crate::ByteStr;
use crate::dialog::{Dialog, DialogSnapshot};
use crate::header::{Event, Header};
use crate::snapshot::{Reader, SnapshotError, Writer};
use crate::uri::Uri;

/// A subscription at the notifier that is not over.
///
/// ```
/// use std::time::Instant;
/// use sip_im::header::{Contact, Event};
/// use sip_im::subscription::{Notifier, NotifierConfig, NotifierSnapshot};
/// use sip_im::{Method, Request, Uri};
///
/// let room = Uri::parse("sip:room@example.com")?;
/// let subscribe = Request::builder(Method::Subscribe, room.clone())
///     .from(&Uri::parse("sip:alice@example.com")?, None, "a1")
///     .to(&room, None)
///     .call_id("c1")
///     .cseq(1)
///     .contact(&Contact::new(Uri::parse("sip:alice@192.0.2.1")?))
///     .header_typed(&Event::new("conference"))
///     .build()?;
/// let (now, config) = (Instant::now(), NotifierConfig::default());
/// let (mut notifier, _) = Notifier::accept(&subscribe, "r1", &room, &config, now)?;
/// notifier.notify(None, now)?;
/// let text = notifier.snapshot(now).ok_or("over")?.write();
///
/// let mut restored = Notifier::restore(&NotifierSnapshot::read(&text)?, &config, now)?;
/// assert_eq!(restored.notify(None, now)?.cseq()?.seq, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotifierSnapshot {
    /// Its dialog.
    pub dialog: DialogSnapshot,
    /// The Event, as written.
    pub event: String,
    /// The Contact URI of this end.
    pub contact: String,
    /// Whether somebody has yet to allow it.
    pub pending: bool,
    /// Whether there is something to be told.
    pub untold: bool,
    /// In how many milliseconds it ends.
    pub expires_in: u64,
}

impl NotifierSnapshot {
    /// The text form, as [`crate::snapshot`] describes it.
    pub fn write(&self) -> String {
        let mut writer = Writer::new("sip-im-notifier");
        self.dialog.write_to(&mut writer);
        writer.text("event", &self.event);
        writer.text("contact", &self.contact);
        writer.flag("pending", self.pending);
        writer.flag("untold", self.untold);
        writer.number("expires-in", self.expires_in);
        writer.finish()
    }

    /// Reads the text form.
    ///
    /// # Errors
    ///
    /// Fails when it is not one.
    pub fn read(text: &str) -> Result<Self, SnapshotError> {
        let mut reader = Reader::new(text, "sip-im-notifier")?;
        let snapshot = Self {
            dialog: DialogSnapshot::read_from(&mut reader)?,
            event: reader.text("event")?.to_owned(),
            contact: reader.text("contact")?.to_owned(),
            pending: reader.flag("pending")?,
            untold: reader.flag("untold")?,
            expires_in: reader.number("expires-in")?,
        };
        reader.finish()?;
        Ok(snapshot)
    }
}

impl Notifier {
    /// What to keep of the subscription; `None` when it is over, and its last NOTIFY better sent.
    pub fn snapshot(&self, now: Instant) -> Option<NotifierSnapshot> {
        let pending = match self.state {
            NotifierState::Pending => true,
            NotifierState::Active => false,
            _ => return None,
        };
        Some(NotifierSnapshot {
            dialog: self.dialog.snapshot(),
            event: written(&self.event),
            contact: self.contact.to_string(),
            pending,
            untold: self.news != News::None,
            expires_in: left(self.expires?, now),
        })
    }

    /// The subscription of a snapshot.
    ///
    /// # Errors
    ///
    /// Fails with the first value that no subscription can have.
    pub fn restore(
        snapshot: &NotifierSnapshot,
        config: &NotifierConfig,
        now: Instant,
    ) -> Result<Self, SnapshotError> {
        let event = Event::parse(&ByteStr::from(snapshot.event.clone()))
            .map_err(|_| SnapshotError::Value("event"))?;
        Ok(Self {
            dialog: Dialog::restore(&snapshot.dialog)?,
            asked_interval: interval_of(&event),
            event,
            contact: Uri::parse(&snapshot.contact).map_err(|_| SnapshotError::Value("contact"))?,
            config: *config,
            expires: Some(at(snapshot.expires_in, now).ok_or(SnapshotError::Value("expires-in"))?),
            state: if snapshot.pending {
                NotifierState::Pending
            } else {
                NotifierState::Active
            },
            said_so: false,
            news: if snapshot.untold { News::Now } else { News::None },
            last: None,
        })
    }
}

/// A subscription at the subscriber that has been notified and is not over.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriberSnapshot {
    /// Its dialog.
    pub dialog: DialogSnapshot,
    /// The Event, as written.
    pub event: String,
    /// What another SUBSCRIBE has as well: Request-URI, From, To, and `name:value` of other header fields, a line each.
    pub template: String,
    /// The body of a SUBSCRIBE.
    pub body: String,
    /// Whether somebody has yet to allow it.
    pub pending: bool,
    /// The duration asked for, in seconds.
    pub expires: u32,
    /// Timer N in milliseconds.
    pub timer_n: u64,
    /// In how many milliseconds it is to be renewed.
    pub refresh_in: Option<u64>,
    /// In how many milliseconds it ends.
    pub ends_in: Option<u64>,
}

impl SubscriberSnapshot {
    /// The text form, as [`crate::snapshot`] describes it.
    pub fn write(&self) -> String {
        let mut writer = Writer::new("sip-im-subscriber");
        self.dialog.write_to(&mut writer);
        writer.text("event", &self.event);
        writer.text("template", &self.template);
        writer.text("body", &self.body);
        writer.flag("pending", self.pending);
        writer.number("expires", self.expires);
        writer.number("timer-n", self.timer_n);
        writer.optional("refresh-in", self.refresh_in);
        writer.optional("ends-in", self.ends_in);
        writer.finish()
    }

    /// Reads the text form.
    ///
    /// # Errors
    ///
    /// Fails when it is not one.
    pub fn read(text: &str) -> Result<Self, SnapshotError> {
        let mut reader = Reader::new(text, "sip-im-subscriber")?;
        let snapshot = Self {
            dialog: DialogSnapshot::read_from(&mut reader)?,
            event: reader.text("event")?.to_owned(),
            template: reader.text("template")?.to_owned(),
            body: reader.text("body")?.to_owned(),
            pending: reader.flag("pending")?,
            expires: reader.number("expires")?,
            timer_n: reader.number("timer-n")?,
            refresh_in: reader.maybe_number("refresh-in")?,
            ends_in: reader.maybe_number("ends-in")?,
        };
        reader.finish()?;
        Ok(snapshot)
    }
}

impl core::fmt::Debug for SubscriberSnapshot {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The body is one.
        f.debug_struct("SubscriberSnapshot")
            .field("dialog", &self.dialog)
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

impl Subscriber {
    /// What to keep of the subscription; `None` before its first NOTIFY, when it is over, and when its body is not text.
    pub fn snapshot(&self, now: Instant) -> Option<SubscriberSnapshot> {
        let pending = match self.state {
            SubscriberState::Pending => true,
            SubscriberState::Active => false,
            _ => return None,
        };
        Some(SubscriberSnapshot {
            dialog: self.dialog.as_ref()?.snapshot(),
            event: written(&self.template.event),
            template: self.template.text().to_owned(),
            body: String::from_utf8(self.template.body().to_vec()).ok()?,
            pending,
            expires: self.expires,
            timer_n: u64::try_from(self.timer_n.as_millis()).unwrap_or(u64::MAX),
            refresh_in: self.refresh_at.map(|at| left(at, now)),
            ends_in: self.ends_at.map(|at| left(at, now)),
        })
    }

    /// The subscription of a snapshot. A renewal that was under way is made again when it is due; one that came too late is due now.
    ///
    /// # Errors
    ///
    /// Fails with the first value that no subscription can have.
    pub fn restore(snapshot: &SubscriberSnapshot, now: Instant) -> Result<Self, SnapshotError> {
        let sequence = snapshot.dialog.local_sequence.unwrap_or(0);
        let body = Bytes::from(snapshot.body.clone());
        let template = Template::read(&snapshot.event, sequence, &snapshot.template, body)
            .ok_or(SnapshotError::Value("template"))?;
        let ends_at = snapshot.ends_in.and_then(|left| at(left, now));
        Ok(Self {
            template,
            call: None,
            dialog: Some(Dialog::restore(&snapshot.dialog)?),
            state: if snapshot.pending {
                SubscriberState::Pending
            } else {
                SubscriberState::Active
            },
            timer_n: Duration::from_millis(snapshot.timer_n),
            expires: snapshot.expires,
            notify_by: None,
            refresh_at: snapshot.refresh_in.map_or(Some(now), |left| at(left, now)),
            ends_at,
            events: VecDeque::new(),
            forks_until: None,
        })
    }
}

fn written(event: &Event) -> String {
    let mut text = String::new();
    // A string takes everything.
    let _ = event.write(&mut text);
    text
}

fn left(at: Instant, now: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(now).as_millis()).unwrap_or(u64::MAX)
}

fn at(left: u64, now: Instant) -> Option<Instant> {
    now.checked_add(Duration::from_millis(left))
}
