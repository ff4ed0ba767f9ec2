//! Writing an envelope that cannot come out malformed.

use std::fmt::Write as _;

use bytes::Bytes;

use super::value::escape;
use super::{
    Address, CpimError, CpimErrorKind, DateTime, DispositionNotification, Head, IMDN_NAMESPACE, Message,
    Subject,
};
use crate::header::content::{ContentDisposition, ContentType, is_token};

/// Builds an envelope; what is wrong with a part is told by [`build`](Self::build).
#[derive(Debug, Default)]
pub struct Builder {
    from: Option<Result<Address, CpimErrorKind>>,
    to: Vec<Result<Address, CpimErrorKind>>,
    cc: Vec<Result<Address, CpimErrorKind>>,
    date_time: Option<DateTime>,
    subjects: Vec<Subject>,
    imdn_message_id: Option<String>,
    disposition_notification: Vec<DispositionNotification>,
    original_to: Option<Result<Address, CpimErrorKind>>,
    record_routes: Vec<Result<Address, CpimErrorKind>>,
    routes: Vec<Result<Address, CpimErrorKind>>,
    content_type: Option<ContentType>,
    content_disposition: Option<ContentDisposition>,
    content: Bytes,
}

impl Builder {
    /// The sender.
    #[must_use]
    pub fn from(mut self, name: Option<&str>, uri: &str) -> Self {
        self.from = Some(Address::new(name, uri));
        self
    }

    /// One more recipient.
    #[must_use]
    pub fn to(mut self, name: Option<&str>, uri: &str) -> Self {
        self.to.push(Address::new(name, uri));
        self
    }

    /// One more who gets a copy.
    #[must_use]
    pub fn cc(mut self, name: Option<&str>, uri: &str) -> Self {
        self.cc.push(Address::new(name, uri));
        self
    }

    /// When it is sent.
    #[must_use]
    pub fn date_time(mut self, date_time: DateTime) -> Self {
        self.date_time = Some(date_time);
        self
    }

    /// One more subject.
    #[must_use]
    pub fn subject(mut self, language: Option<&str>, text: &str) -> Self {
        self.subjects.push(Subject::new(language, text));
        self
    }

    /// `imdn.Message-ID`, a token.
    #[must_use]
    pub fn imdn_message_id(mut self, id: &str) -> Self {
        self.imdn_message_id = Some(id.to_owned());
        self
    }

    /// One more notification to ask for.
    #[must_use]
    pub fn disposition_notification(mut self, notification: DispositionNotification) -> Self {
        self.disposition_notification.push(notification);
        self
    }

    /// `imdn.Original-To`, which a URI-list service adds (RFC 5438 6.4).
    #[must_use]
    pub fn original_to(mut self, name: Option<&str>, uri: &str) -> Self {
        self.original_to = Some(Address::new(name, uri));
        self
    }

    /// One more `imdn.IMDN-Record-Route`, behind those that are there (RFC 5438 6.5).
    #[must_use]
    pub fn imdn_record_route(mut self, name: Option<&str>, uri: &str) -> Self {
        self.record_routes.push(Address::new(name, uri));
        self
    }

    /// One more `imdn.IMDN-Route`, behind those that are there: a notification has those that the message had as
    /// `IMDN-Record-Route` (RFC 5438 6.6).
    #[must_use]
    pub fn imdn_route(mut self, name: Option<&str>, uri: &str) -> Self {
        self.routes.push(Address::new(name, uri));
        self
    }

    /// The content and its media type.
    #[must_use]
    pub fn content(mut self, content_type: ContentType, content: Bytes) -> Self {
        self.content_type = Some(content_type);
        self.content = content;
        self
    }

    /// The content's disposition.
    #[must_use]
    pub fn content_disposition(mut self, disposition: ContentDisposition) -> Self {
        self.content_disposition = Some(disposition);
        self
    }

    /// Puts the envelope together.
    ///
    /// # Errors
    ///
    /// Fails when an address or an id is malformed, or there is no content type.
    pub fn build(self) -> Result<Message, CpimError> {
        let fail = |kind| CpimError { kind, offset: 0 };
        let mut lines = String::new();
        let mut tagged = |name: &str, parameters: &str, value: &str| {
            for part in [name, ":", parameters, " ", value, "\r\n"] {
                lines.push_str(part);
            }
        };
        let addresses = |name: &'static str, all: Vec<Result<Address, CpimErrorKind>>| {
            all.into_iter()
                .map(move |address| address.map(|address| (name, address.to_string())))
        };
        let known = addresses("From", self.from.into_iter().collect())
            .chain(addresses("To", self.to))
            .chain(addresses("cc", self.cc));
        for address in known {
            let (name, value) = address.map_err(fail)?;
            tagged(name, "", &value);
        }
        if let Some(date_time) = self.date_time {
            tagged("DateTime", "", &date_time.to_string());
        }
        for subject in &self.subjects {
            match &subject.language {
                Some(language) if is_token(language) => {
                    tagged("Subject", &format!(";lang={language}"), &escape(&subject.text));
                }
                Some(_) => return Err(fail(CpimErrorKind::Value)),
                None => tagged("Subject", "", &escape(&subject.text)),
            }
        }
        if self.imdn_message_id.is_some()
            || !self.disposition_notification.is_empty()
            || self.original_to.is_some()
            || !self.record_routes.is_empty()
            || !self.routes.is_empty()
        {
            tagged("NS", "", &format!("imdn <{IMDN_NAMESPACE}>"));
        }
        if let Some(id) = &self.imdn_message_id {
            if !is_token(id) {
                return Err(fail(CpimErrorKind::Value));
            }
            tagged("imdn.Message-ID", "", id);
        }
        if !self.disposition_notification.is_empty() {
            let tokens: Vec<&str> = self
                .disposition_notification
                .iter()
                .map(DispositionNotification::as_str)
                .collect();
            if !tokens.iter().all(|token| is_token(token)) {
                return Err(fail(CpimErrorKind::Value));
            }
            tagged("imdn.Disposition-Notification", "", &tokens.join(", "));
        }
        if let Some(address) = self.original_to {
            tagged("imdn.Original-To", "", &address.map_err(fail)?.to_string());
        }
        let routes = addresses("imdn.IMDN-Record-Route", self.record_routes)
            .chain(addresses("imdn.IMDN-Route", self.routes));
        for address in routes {
            let (name, value) = address.map_err(fail)?;
            tagged(name, "", &value);
        }
        let content_type = self.content_type.ok_or(fail(CpimErrorKind::NoContentType))?;
        let mut block = format!("Content-Type: {content_type}\r\n");
        if let Some(disposition) = &self.content_disposition {
            let _ = write!(block, "Content-Disposition: {disposition}\r\n");
        }
        Ok(Message::new(Head::built(&lines, &block)?, self.content))
    }
}
