//! Content-Type and Content-Disposition (RFC 3261 20.11, 20.15), with the MIME grammar of `msrp`.

use core::fmt;

use msrp::header::content::{ContentDisposition, ContentError, ContentErrorKind, MediaTypeRef};

use super::{Header, HeaderName};
use crate::codec::view::Viewed;
use crate::error::{ParseError, ParseErrorKind};
use crate::{ByteStr, ContentType};

impl Header for ContentType {
    const NAME: HeaderName = HeaderName::CONTENT_TYPE;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        Self::parse(value).map_err(parse_error)
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{self}")
    }
}

impl Viewed for ContentType {
    type View<'a> = MediaTypeRef<'a>;

    fn view(text: &str, at: usize) -> Result<(MediaTypeRef<'_>, usize), ParseError> {
        let value = text.get(at..).unwrap_or_default();
        let media_type = MediaTypeRef::parse(value).map_err(parse_error);
        Ok((media_type.map_err(|error| error.shifted(at))?, text.len()))
    }
}

impl Header for ContentDisposition {
    const NAME: HeaderName = HeaderName::CONTENT_DISPOSITION;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        Self::parse(value).map_err(parse_error)
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{self}")
    }
}

fn parse_error(error: ContentError) -> ParseError {
    let kind = match error.kind {
        ContentErrorKind::QuotedString => ParseErrorKind::Unbalanced,
        ContentErrorKind::Repeated => ParseErrorKind::RepeatedParameter,
        ContentErrorKind::TooMany => ParseErrorKind::LimitExceeded,
        _ => ParseErrorKind::UnexpectedText,
    };
    ParseError::new(kind, error.offset)
}
