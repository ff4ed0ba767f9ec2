//! What is kept of a SUBSCRIBE, to renew its subscription and to subscribe anew.

use bytes::Bytes;

use crate::dialog::exact;
use crate::error::{BuildError, HeaderError};
use crate::header::{Event, Expires, From, Header, HeaderName, NameAddr, To};
use crate::message::Request;
use crate::uri::Uri;
use crate::{ByteStr, ContentType, Method};

/// The lines of a SUBSCRIBE that another one has as well.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) event: Event,
    /// Of the first SUBSCRIBE.
    pub(super) sequence: u32,
    /// The Request-URI, From and To without their tags, and `name:value` of each other line.
    text: ByteStr,
    body: Bytes,
}

impl Template {
    pub(super) fn of(subscribe: &Request) -> Result<Self, HeaderError> {
        let event = subscribe.headers().require::<Event>()?;
        let (from, to) = (subscribe.from()?, subscribe.to()?);
        let mut lines = vec![
            subscribe.uri().to_string(),
            written(&from.name_addr),
            written(&to.name_addr),
        ];
        for (name, value) in subscribe.headers().iter() {
            if let Ok(name) = HeaderName::parse(&name)
                && !MADE_ANEW.contains(&name)
            {
                lines.push(format!("{name}:{value}"));
            }
        }
        Ok(Self {
            event: event.detached(),
            sequence: subscribe.cseq()?.seq,
            text: exact(lines.join("\n")),
            body: subscribe.body().clone(),
        })
    }

    /// What was a template elsewhere.
    pub(super) fn read(event: &str, sequence: u32, text: &str, body: Bytes) -> Option<Self> {
        let template = Self {
            event: Event::parse(&exact(event.to_owned())).ok()?,
            sequence,
            text: exact(text.to_owned()),
            body,
        };
        template.request("x", "x", 0).ok()?;
        Some(template)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn body(&self) -> &Bytes {
        &self.body
    }

    /// The lines beside Request-URI, From and To.
    pub(super) fn fields(&self) -> impl Iterator<Item = (HeaderName, &str)> {
        self.text.as_str().lines().skip(3).filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((HeaderName::parse(name).ok()?, value))
        })
    }

    /// A SUBSCRIBE like the first one, for another subscription.
    pub(super) fn request(&self, call_id: &str, tag: &str, expires: u32) -> Result<Request, BuildError> {
        let mut lines = self.text.as_str().lines();
        let missing = || BuildError::Missing(HeaderName::TO);
        let mut next = || lines.next().ok_or_else(missing);
        let uri = Uri::parse(next()?).map_err(|error| BuildError::Invalid(HeaderName::ROUTE, error))?;
        let (from, to) = (
            address(next()?, &HeaderName::FROM)?,
            address(next()?, &HeaderName::TO)?,
        );
        let mut own = From::new(from.uri.clone());
        own.name_addr = from;
        own.tag = Some(ByteStr::from(tag.to_owned()));
        let mut peer = To::new(to.uri.clone());
        peer.name_addr = to;
        let mut builder = Request::builder(Method::Subscribe, uri)
            .header_typed(&own)
            .header_typed(&peer)
            .call_id(call_id)
            .cseq(1)
            .header_typed(&self.event)
            .header_typed(&Expires(expires));
        let mut content_type = None;
        for (name, value) in self.fields() {
            if name == HeaderName::CONTENT_TYPE {
                content_type = ContentType::parse(value).ok();
            } else {
                builder = builder.header(&name, value)?;
            }
        }
        if let Some(content_type) = content_type {
            builder = builder.body(&content_type, self.body.clone());
        }
        builder.build()
    }
}

fn written(address: &NameAddr) -> String {
    let mut text = String::new();
    // A string takes everything.
    let _ = address.write(&mut text);
    text
}

fn address(text: &str, name: &HeaderName) -> Result<NameAddr, BuildError> {
    NameAddr::parse(&ByteStr::from(text.to_owned())).map_err(|error| BuildError::Invalid(name.clone(), error))
}

/// What each SUBSCRIBE has of its own.
const MADE_ANEW: [HeaderName; 12] = [
    HeaderName::VIA,
    HeaderName::AUTHORIZATION,
    HeaderName::PROXY_AUTHORIZATION,
    HeaderName::FROM,
    HeaderName::TO,
    HeaderName::CALL_ID,
    HeaderName::CSEQ,
    HeaderName::MAX_FORWARDS,
    HeaderName::CONTENT_LENGTH,
    HeaderName::EXPIRES,
    HeaderName::EVENT,
    HeaderName::USER_AGENT,
];
