//! Telling senders what became of their messages, and hearing it of one's own (RFC 5438).

use std::time::Instant;

use bytes::Bytes;
use im_xdm_model::document::imdn::{DeliveryStatus, DisplayStatus, Imdn, Notification};
use msrp::cpim;
use msrp::header::content::ContentDisposition;
use sip_im::{ContentType, Method, Uri};

use super::event::{Event, Party};
use super::message::Notifications;
use super::pager::Page;
use super::{Client, CommandError};

/// What a message's sender is to be told.
#[derive(Clone, Debug)]
pub(super) struct Notice {
    to: Uri,
    name: Option<String>,
    message_id: String,
    datetime: String,
    original_to: Option<String>,
    wanted: Notifications,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Delivered,
    Displayed,
}

impl Notice {
    /// What `message`, whose sender is `own`, asks to be told.
    pub(super) fn wanted_by(message: &cpim::Message, own: Uri) -> Option<Self> {
        //= https://www.rfc-editor.org/rfc/rfc5438#section-7.2.1
        //# The IM Sender MUST NOT send an IMDN for an IMDN.
        if message.head().content_type().is("message", "imdn+xml") {
            return None;
        }
        let mut wanted = Notifications::none();
        for disposition in message.head().disposition_notification() {
            match disposition {
                cpim::DispositionNotification::PositiveDelivery => wanted.positive_delivery = true,
                cpim::DispositionNotification::NegativeDelivery => wanted.negative_delivery = true,
                cpim::DispositionNotification::Display => wanted.display = true,
                cpim::DispositionNotification::Processing => wanted.processing = true,
                _ => {}
            }
        }
        // Without them there is nothing to copy into a notification, and the sender could not tell what it is about.
        let message_id = message.head().imdn_message_id()?.to_string();
        let datetime = message.head().date_time()?.to_string();
        // A notification would have to go back by the servers named there, with their addresses copied (RFC 5438 7.2.1);
        // none at all is better than one that goes past them.
        if message
            .head()
            .named(cpim::IMDN_NAMESPACE, "IMDN-Record-Route")
            .next()
            .is_some()
        {
            return None;
        }
        if !wanted.any() || own.host().is_some_and(|host| host.ends_with(".invalid")) {
            return None;
        }
        Some(Self {
            to: own,
            name: message
                .head()
                .from()
                .and_then(|from| from.name.as_ref())
                .map(ToString::to_string),
            message_id,
            datetime,
            original_to: message.head().original_to().map(|to| to.uri.to_string()),
            wanted,
            kind: Kind::Delivered,
        })
    }

    pub(super) fn wanted(&self) -> Notifications {
        self.wanted
    }
}

impl Client {
    /// Tells the sender of a message that it has been displayed.
    ///
    /// # Errors
    ///
    /// Fails when no such message is remembered, its sender has not asked, or was told already; when too much waits;
    /// or when the client is shutting down.
    pub fn displayed(&mut self, message_id: &str, now: Instant) -> Result<(), CommandError> {
        self.admit()?;
        let notice = self
            .notices
            .get_mut(&message_id.to_owned())
            .ok_or(CommandError::NoMessage)?;
        if !notice.wanted.display {
            return Err(CommandError::NoMessage);
        }
        //= https://www.rfc-editor.org/rfc/rfc5438#section-7.2.1
        //# An IM Recipient MUST NOT construct
        //# more than one IMDN per disposition type.
        notice.wanted.display = false;
        let mut notice = notice.clone();
        notice.kind = Kind::Displayed;
        self.send_notice(&notice, now);
        self.settle(now);
        Ok(())
    }

    /// Keeps what is needed to tell of the display later, and tells of the delivery.
    pub(super) fn remember_notice(&mut self, notice: Notice, now: Instant) {
        if notice.wanted.positive_delivery && self.config.notify_delivery && self.admit().is_ok() {
            self.send_notice(&notice, now);
        }
        self.notices.insert(notice.message_id.clone(), notice);
    }

    fn send_notice(&mut self, notice: &Notice, now: Instant) {
        if let Some(request) = self.build_notice(notice, now) {
            self.page(request, Page::Notice, None, now);
        }
    }

    fn build_notice(&self, notice: &Notice, now: Instant) -> Option<sip_im::Request> {
        let mut document = Imdn::new(notice.message_id.clone(), notice.datetime.parse().ok()?);
        document.notification = Some(match notice.kind {
            Kind::Delivered => Notification::Delivery(DeliveryStatus::Delivered),
            Kind::Displayed => Notification::Display(DisplayStatus::Displayed),
        });
        document.recipient_uri = Some(self.config.user.to_string());
        document.original_recipient_uri.clone_from(&notice.original_to);
        let (name, from) = self.sender(false);
        let builder = cpim::Message::builder()
            .from(name.as_deref(), &from)
            .to(notice.name.as_deref(), &notice.to.to_string())
            .date_time(cpim::DateTime::from_unix(self.clock.unix(now)))
            .imdn_message_id(&self.shared.token());
        let wrapped = builder
            .content(ContentType::parse("message/imdn+xml").ok()?, document.write())
            //= https://www.rfc-editor.org/rfc/rfc5438#section-7.2.1
            //# IM Recipients MUST insert a
            //# Content-Disposition header field set to the value "notification".
            .content_disposition(ContentDisposition::new("notification").ok()?)
            .build()
            .ok()?;
        let request = Self::accept_contact(self.fresh(Method::Message, &notice.to, false));
        request
            .body(&ContentType::message_cpim(), wrapped.to_bytes())
            .build()
            .ok()
    }

    /// A notification on a message of this user's has come.
    pub(super) fn on_notification(&mut self, from: Option<Party>, body: &Bytes) {
        let Ok(document) = Imdn::parse(body, &im_xdm_model::xml::Limits::default()) else {
            return;
        };
        let command = self.sent.get(&document.message_id).copied();
        self.tell(Event::Notification {
            from,
            message_id: document.message_id,
            command,
            recipient: document.recipient_uri,
            status: document.notification.map(word).unwrap_or_default().to_owned(),
            datetime: Some(document.datetime.to_string()),
        });
    }
}

/// The status, in the notification's own word.
fn word(notification: Notification) -> &'static str {
    match notification {
        Notification::Delivery(status) => status.as_str(),
        Notification::Display(status) => status.as_str(),
        Notification::Processing(status) => status.as_str(),
        _ => "",
    }
}
