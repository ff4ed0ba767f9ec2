//! `Content-Type` (RFC 2045 section 5.1).

use std::borrow::Cow;
use std::fmt;

use super::scanner::{Pairs, Scanner};
use super::{ContentError, ContentErrorKind, Parameters, is_token, unquote};
use crate::ByteStr;

/// A media type with its parameters: `text/plain;charset=utf-8`.
///
/// Types, subtypes and parameter names are compared without regard to case; a range such as `text/*` is a media type
/// with `*` in it.
///
/// ```
/// use msrp::header::content::ContentType;
///
/// let content_type = ContentType::parse(r#"multipart/mixed; boundary="a b""#)?;
/// assert!(content_type.is("multipart", "mixed"));
/// assert_eq!(content_type.parameter("boundary").as_deref(), Some("a b"));
/// # Ok::<(), msrp::header::content::ContentError>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ContentType {
    type_: ByteStr,
    subtype: ByteStr,
    parameters: Parameters,
}

impl ContentType {
    /// A media type without parameters.
    ///
    /// # Errors
    ///
    /// Fails when either name is not a token.
    pub fn new(type_: &str, subtype: &str) -> Result<Self, ContentError> {
        for name in [type_, subtype] {
            if !is_token(name) {
                return Err(ContentError {
                    kind: ContentErrorKind::Token,
                    offset: 0,
                });
            }
        }
        Ok(Self {
            type_: type_.into(),
            subtype: subtype.into(),
            parameters: Parameters::default(),
        })
    }

    /// `text/plain`.
    pub fn text_plain() -> Self {
        Self::of("text", "plain")
    }

    /// `message/cpim`.
    pub fn message_cpim() -> Self {
        Self::of("message", "cpim")
    }

    /// `application/sdp`.
    pub fn application_sdp() -> Self {
        Self::of("application", "sdp")
    }

    fn of(type_: &'static str, subtype: &'static str) -> Self {
        Self {
            type_: ByteStr::from_static(type_),
            subtype: ByteStr::from_static(subtype),
            parameters: Parameters::default(),
        }
    }

    /// Reads a whole header field value.
    ///
    /// # Errors
    ///
    /// Fails when it is not a media type, or something follows it.
    pub fn parse(value: &str) -> Result<Self, ContentError> {
        MediaTypeRef::parse(value).map(|media_type| media_type.to_content_type())
    }

    /// The type, as written.
    pub fn type_(&self) -> &str {
        &self.type_
    }

    /// The subtype, as written.
    pub fn subtype(&self) -> &str {
        &self.subtype
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// A parameter's value without quotes.
    pub fn parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        self.parameters.get(name)
    }

    /// The same media type with one more parameter, or another value for it.
    ///
    /// # Errors
    ///
    /// Fails when `name` is not a token or `value` holds a control character.
    pub fn with_parameter(mut self, name: &str, value: &str) -> Result<Self, ContentError> {
        self.parameters.set(name, value)?;
        Ok(self)
    }

    /// Whether this is the media type `type_/subtype`, whatever its parameters.
    pub fn is(&self, type_: &str, subtype: &str) -> bool {
        self.type_.eq_ignore_ascii_case(type_) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// Whether this media type falls within `range`: `*`, `*/*`, `text/*` or `text/plain`.
    ///
    /// Parameters of the range are not compared: in `a=accept-types` there are none.
    pub fn matches(&self, range: &str) -> bool {
        let range = range.split(';').next().unwrap_or_default().trim();
        if range == "*" {
            return true;
        }
        let Some((type_, subtype)) = range.split_once('/') else {
            return false;
        };
        (type_ == "*" || self.type_.eq_ignore_ascii_case(type_))
            && (subtype == "*" || self.subtype.eq_ignore_ascii_case(subtype))
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.type_, self.subtype, self.parameters)
    }
}

impl std::str::FromStr for ContentType {
    type Err = ContentError;
    fn from_str(value: &str) -> Result<Self, ContentError> {
        Self::parse(value)
    }
}

/// A media type that is looked at where it stands; what a [`ContentType`] is before it is kept. Reading one allocates
/// nothing, unless it has more parameters than media types have.
///
/// ```
/// use msrp::header::content::MediaTypeRef;
///
/// let media_type = MediaTypeRef::parse("Text/Plain;charset=utf-8")?;
/// assert!(media_type.is("text", "plain"));
/// assert_eq!(media_type.parameter("Charset").as_deref(), Some("utf-8"));
/// # Ok::<(), msrp::header::content::ContentError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MediaTypeRef<'a> {
    type_: &'a str,
    subtype: &'a str,
    /// Known to be parameters.
    parameters: &'a str,
}

/// Where type and subtype end in a value that begins with `type/subtype` and is a media type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MediaTypeParts {
    type_end: u16,
    subtype_end: u16,
}

impl MediaTypeParts {
    /// Reads a value, if it is a media type without space in front of its parameters.
    pub(crate) fn read(value: &str) -> Option<Self> {
        let media_type = MediaTypeRef::parse(value).ok()?;
        let type_end = media_type.type_.len();
        let subtype_end = value.len().checked_sub(media_type.parameters.len())?;
        let parts = Self {
            type_end: u16::try_from(type_end).ok()?,
            subtype_end: u16::try_from(subtype_end).ok()?,
        };
        (MediaTypeRef::of_parts(value, parts) == Some(media_type)).then_some(parts)
    }
}

impl<'a> MediaTypeRef<'a> {
    /// The media type that a value is known to be.
    pub(crate) fn of_parts(value: &'a str, parts: MediaTypeParts) -> Option<Self> {
        let (type_end, subtype_end) = (usize::from(parts.type_end), usize::from(parts.subtype_end));
        Some(Self {
            type_: value.get(..type_end)?,
            subtype: value.get(type_end.checked_add(1)?..subtype_end)?,
            parameters: value.get(subtype_end..)?,
        })
    }

    /// Reads a whole header field value.
    ///
    /// # Errors
    ///
    /// Fails when it is not a media type, or something follows it.
    pub fn parse(value: &'a str) -> Result<Self, ContentError> {
        let mut scanner = Scanner::new(value);
        scanner.space();
        let type_ = scanner.token()?;
        scanner.space();
        scanner.expect(b'/', ContentErrorKind::Slash)?;
        scanner.space();
        let subtype = scanner.token()?;
        // Kept as text, since few are asked for any.
        let parameters = scanner.rest();
        if !parameters.is_empty() {
            scanner.parameters()?;
        }
        Ok(Self {
            type_,
            subtype,
            parameters,
        })
    }

    /// The type, as written.
    pub fn type_(&self) -> &'a str {
        self.type_
    }

    /// The subtype, as written.
    pub fn subtype(&self) -> &'a str {
        self.subtype
    }

    /// A parameter's value without quotes.
    pub fn parameter(&self, name: &str) -> Option<Cow<'a, str>> {
        let pairs = self.pairs();
        let pair = pairs.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        pair.map(|(_, value)| unquote(value))
    }

    fn pairs(&self) -> Pairs<'a> {
        Scanner::new(self.parameters).parameters().unwrap_or_default()
    }

    /// Whether this is the media type `type_/subtype`, without regard to case and parameters.
    pub fn is(&self, type_: &str, subtype: &str) -> bool {
        self.type_.eq_ignore_ascii_case(type_) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// Copies the media type out of the text that it stands in.
    pub fn to_content_type(&self) -> ContentType {
        // What most messages are need not be copied.
        match (self.type_, self.subtype, self.parameters) {
            ("text", "plain", "") => return ContentType::text_plain(),
            ("message", "cpim", "") => return ContentType::message_cpim(),
            _ => {}
        }
        ContentType {
            type_: self.type_.into(),
            subtype: self.subtype.into(),
            parameters: Parameters::of(&self.pairs()),
        }
    }
}
