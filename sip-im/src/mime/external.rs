//! Content that is somewhere else (RFC 4483): `message/external-body` with a URL.

use core::time::Duration;

use bytes::Bytes;

use super::multipart::read_part;
use super::{ContentDisposition, Limits, MultipartError, Part};
use crate::error::BuildError;
use crate::header::{Date, Header, HeaderName};
use crate::{ByteStr, ContentType, Uri};

/// A reference to content, and what the content will be.
///
/// The library never follows it: whether a URI is fetched, and from where, is for the host to decide.
///
/// ```
/// use std::time::Duration;
/// use sip_im::header::Date;
/// use sip_im::mime::{ContentDisposition, ExternalBody, Limits};
/// use sip_im::{ContentType, Uri};
/// let until = Date::from_unix(Duration::from_secs(1_289_690_940));
/// let mut image = ExternalBody::new(Uri::parse("https://example.com/1.png")?, until, ContentDisposition::parse("render")?);
/// image.content_type = Some(ContentType::parse("image/png")?);
/// let part = image.to_part()?;
/// assert!(part.content_type().is("message", "external-body"));
/// assert_eq!(ExternalBody::read(&part, &Limits::default())?, image);
/// assert!(image.is_expired(Duration::from_secs(1_289_690_941)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExternalBody {
    /// Where the content is.
    pub uri: Uri,
    /// Until when it is there.
    pub expiration: Date,
    /// Its length in octets.
    pub size: Option<u64>,
    /// The SHA-1 of its octets.
    pub hash: Option<Vec<u8>>,
    /// Its type, where the protocol of the URI does not say it.
    pub content_type: Option<ContentType>,
    /// What it is for.
    pub disposition: ContentDisposition,
    /// Which version of the content it is, without angle brackets: another id is another content (RFC 4483 5.6).
    pub content_id: Option<String>,
    /// What a person may be told of it.
    pub description: Option<ByteStr>,
}

/// Why a part is no reference to content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExternalError {
    /// The type is not `message/external-body`.
    #[error("not an external body")]
    OtherType,
    /// The content is not named by a URL.
    #[error("another access type")]
    AccessType,
    /// A parameter or header field is missing.
    #[error("no {0}")]
    Missing(&'static str),
    /// A parameter or header field is malformed.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// The header fields of the content are malformed.
    #[error("{0}")]
    Headers(MultipartError),
}

impl ExternalBody {
    /// A reference, without what need not be said.
    pub fn new(uri: Uri, expiration: Date, disposition: ContentDisposition) -> Self {
        Self {
            uri,
            expiration,
            size: None,
            hash: None,
            content_type: None,
            disposition,
            content_id: None,
            description: None,
        }
    }

    /// Reads a reference.
    ///
    /// # Errors
    ///
    /// Fails when the part is none, or when something that must be there is missing or malformed.
    pub fn read(part: &Part, limits: &Limits) -> Result<Self, ExternalError> {
        let outer = part.content_type();
        if !outer.is("message", "external-body") {
            return Err(ExternalError::OtherType);
        }
        let required = |name: &'static str| outer.parameter(name).ok_or(ExternalError::Missing(name));
        if !required("access-type")?.eq_ignore_ascii_case("URL") {
            return Err(ExternalError::AccessType);
        }
        // RFC 2017 3: a long URL is broken into words, whose spaces are not part of it.
        let uri: String = required("url")?
            .chars()
            .filter(|character| !matches!(character, ' ' | '\t'))
            .collect();
        let uri = Uri::parse(&uri).map_err(|_| ExternalError::Malformed("url"))?;
        //= https://www.rfc-editor.org/rfc/rfc4483#section-5.7
        //# This is a mandatory parameter.
        let expiration = read_date(&required("expiration")?).ok_or(ExternalError::Malformed("expiration"))?;
        let size = match outer.parameter("size") {
            Some(digits) => {
                Some(crate::header::cursor::decimal(&digits).map_err(|_| ExternalError::Malformed("size"))?)
            }
            None => None,
        };
        let hash = match outer.parameter("hash") {
            Some(digits) => Some(read_hash(&digits).ok_or(ExternalError::Malformed("hash"))?),
            None => None,
        };
        let content = read_part(&closed(part.body()), 0, limits).map_err(ExternalError::Headers)?;
        let names_type = content.headers().contains(&HeaderName::CONTENT_TYPE);
        //= https://www.rfc-editor.org/rfc/rfc4483#section-5.10
        //# A Content-Disposition entity header MUST be present for all indirect
        //# content.
        let disposition = content.disposition().or(part.disposition()).cloned();
        let disposition = disposition.ok_or(ExternalError::Missing("Content-Disposition"))?;
        Ok(Self {
            uri,
            expiration,
            size,
            hash,
            content_type: names_type.then(|| content.content_type().clone()),
            disposition,
            content_id: content.content_id(),
            description: content.headers().value(&HeaderName::CONTENT_DESCRIPTION),
        })
    }

    /// Writes the reference.
    ///
    /// # Errors
    ///
    /// Fails when the id or the description cannot stand in a header field.
    pub fn to_part(&self) -> Result<Part, BuildError> {
        let invalid = |_| {
            let kind = crate::error::ParseErrorKind::UnexpectedText;
            BuildError::Invalid(HeaderName::CONTENT_TYPE, crate::error::ParseError::new(kind, 0))
        };
        let mut expiration = String::new();
        // Writing to a String does not fail.
        let _ = self.expiration.write(&mut expiration);
        let mut outer = ContentType::new("message", "external-body")
            .and_then(|outer| outer.with_parameter("access-type", "URL"))
            .and_then(|outer| outer.with_parameter("expiration", &expiration))
            .and_then(|outer| outer.with_parameter("URL", self.uri.as_str()))
            .map_err(invalid)?;
        if let Some(size) = self.size {
            outer = outer.with_parameter("size", &size.to_string()).map_err(invalid)?;
        }
        if let Some(hash) = &self.hash {
            let digits: Vec<String> = hash.iter().map(|octet| format!("{octet:02X}")).collect();
            outer = outer.with_parameter("hash", &digits.concat()).map_err(invalid)?;
        }
        let named = self.content_type.clone().unwrap_or_else(ContentType::text_plain);
        let mut content = Part::new(named).with_disposition(self.disposition.clone());
        if self.content_type.is_none() {
            content = content.untyped();
        }
        if let Some(id) = &self.content_id {
            content = content.with_content_id(id)?;
        }
        if let Some(description) = &self.description {
            content = content.with_header(&HeaderName::CONTENT_DESCRIPTION, description)?;
        }
        let mut body = bytes::BytesMut::new();
        content.write(&mut body);
        Ok(Part::new(outer).with_body(body.freeze()))
    }

    /// Is it past its time? `since_epoch` is the time since 1970.
    pub fn is_expired(&self, since_epoch: Duration) -> bool {
        since_epoch > self.expiration.since_epoch()
    }
}

/// The header fields of the content with their end, which some leave out since no body follows.
fn closed(body: &Bytes) -> Bytes {
    if body.is_empty() || body.ends_with(b"\r\n\r\n") || body.as_ref() == b"\r\n" {
        return body.clone();
    }
    let mut closed = body.to_vec();
    if !body.ends_with(b"\r\n") {
        closed.extend_from_slice(b"\r\n");
    }
    closed.extend_from_slice(b"\r\n");
    Bytes::from(closed)
}

/// A date of SIP. The examples of RFC 4483 write the whole name of the month, so that is read as well.
fn read_date(text: &str) -> Option<Date> {
    let words = text.split(' ').map(|word| {
        let is_month = word.len() > 3 && word.bytes().all(|octet| octet.is_ascii_alphabetic());
        word.get(..3).filter(|_| is_month).unwrap_or(word)
    });
    Date::parse(&ByteStr::from(words.collect::<Vec<_>>().join(" "))).ok()
}

fn read_hash(text: &str) -> Option<Vec<u8>> {
    let octet = |pair: &[u8]| {
        let pair = core::str::from_utf8(pair).ok()?;
        let is_hex = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hex.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
    };
    let octets: Vec<u8> = text.as_bytes().chunks(2).map(octet).collect::<Option<_>>()?;
    (!octets.is_empty()).then_some(octets)
}
