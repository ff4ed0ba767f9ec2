//! Messages that come outside of a session, and what is read of them.

use std::time::Instant;

use bytes::Bytes;
use im_xdm_model::document::resource_lists::{Item, ResourceLists};
use msrp::cpim;
use sip_im::endpoint::ServerTransaction;
use sip_im::header::HeaderName;
use sip_im::mime::{Multipart, Part};
use sip_im::pager::Validity;
use sip_im::{ContentType, Identity, Request, StatusCode, Uri};

use super::Client;
use super::delivery::Notice;
use super::event::{Event, Party, ReceivedMessage};

impl Client {
    /// Takes in a MESSAGE request, and answers it.
    pub(super) fn on_message(&mut self, transaction: ServerTransaction, request: &Request, now: Instant) {
        let status = self.take_message(request, now);
        self.answer(transaction, request, status, now);
    }

    fn take_message(&mut self, request: &Request, now: Instant) -> StatusCode {
        let Some(mut incoming) = read_message(request) else {
            return StatusCode::BAD_REQUEST;
        };
        let unix = self.clock.unix(now);
        //= https://www.rfc-editor.org/rfc/rfc3428#section-7
        //# If the message is displayed, the UAS SHOULD clearly
        //# indicate to the user that the message has expired.
        let expired = Validity::of(request, unix).is_expired(unix);
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
                self.remember_notice(notice, now);
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
                expired,
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
        .value(&HeaderName::DATE)
        .map(|date| date.to_string());
    let call = request.headers().value(&HeaderName::CALL_ID)?.to_string();
    let sequence = request.headers().value(&HeaderName::CSEQ)?.to_string();
    let mut incoming = Incoming {
        sender,
        key: format!("{call} {sequence}"),
        to: vec![request.uri().to_string()],
        from: Some(from),
        message_id: None,
        datetime: date,
        subject: request
            .headers()
            .value(&HeaderName::SUBJECT)
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
