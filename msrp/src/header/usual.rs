//! The headers that most messages have, looked at where they stand.

use super::{
    ByteRange, ContentType, FromPath, Header, HeaderError, Headers, Known, MediaTypeRef, MessageIdHeader,
    ParseError, ParseErrorKind, PathParts, PathRef, ToPath, report,
};

impl Headers {
    fn path(&self, name: &'static str, known: Known, kept: &PathParts) -> Result<PathRef<'_>, HeaderError> {
        if kept.is_known()
            && let (Some(field), false) = self.fields.known(known)
        {
            return Ok(PathRef::of_parts(self.octets(field.value()), *kept));
        }
        let fail = |source| HeaderError { name, source };
        let value = self.single(name, known).map_err(fail)?;
        PathRef::parse(value.ok_or(fail(ParseError::new(ParseErrorKind::Missing, 0)))?).map_err(fail)
    }

    /// Returns the `To-Path`, without copying it.
    ///
    /// # Errors
    ///
    /// Fails when the header is not there, not readable, or there more than once.
    pub fn to_path(&self) -> Result<PathRef<'_>, HeaderError> {
        self.path(ToPath::NAME, Known::ToPath, &self.fields.to_path)
    }

    /// Returns the `From-Path`, without copying it.
    ///
    /// # Errors
    ///
    /// Fails when the header is not there, not readable, or there more than once.
    pub fn from_path(&self) -> Result<PathRef<'_>, HeaderError> {
        self.path(FromPath::NAME, Known::FromPath, &self.fields.from_path)
    }

    /// Returns the text of the `Message-ID`, without copying it; none if it is not there.
    ///
    /// # Errors
    ///
    /// Fails when the header is not readable, or there more than once.
    pub fn message_id(&self) -> Result<Option<&str>, HeaderError> {
        let text = match self.single(MessageIdHeader::NAME, Known::MessageId) {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(None),
            Err(source) => return Err(HeaderError::of(MessageIdHeader::NAME, source)),
        };
        if !self.fields.message_id
            && let Err(source) = report::check_message_id(text)
        {
            return Err(HeaderError::of(MessageIdHeader::NAME, source));
        }
        Ok(Some(text))
    }

    /// Returns the `Byte-Range`; none if it is not there.
    ///
    /// # Errors
    ///
    /// Fails when the header is not readable, or there more than once.
    pub fn byte_range(&self) -> Result<Option<ByteRange>, HeaderError> {
        let value = match self.single_known(Known::ByteRange) {
            Ok(Some(value)) => value,
            Ok(None) => return Ok(None),
            Err(source) => return Err(HeaderError::of(ByteRange::NAME, source)),
        };
        match ByteRange::of_octets(value) {
            Ok(range) => Ok(Some(range)),
            Err(source) => Err(HeaderError::of(ByteRange::NAME, source)),
        }
    }

    /// Returns the `Content-Type`, without copying it; none if it is not there.
    ///
    /// # Errors
    ///
    /// Fails when the header is not readable, or there more than once.
    pub fn media_type(&self) -> Result<Option<MediaTypeRef<'_>>, HeaderError> {
        let value = match self.single(ContentType::NAME, Known::ContentType) {
            Ok(Some(value)) => value,
            Ok(None) => return Ok(None),
            Err(source) => return Err(HeaderError::of(ContentType::NAME, source)),
        };
        if let Some(parts) = self.fields.media_type
            && let Some(media_type) = MediaTypeRef::of_parts(value, parts)
        {
            return Ok(Some(media_type));
        }
        match MediaTypeRef::parse(value) {
            Ok(media_type) => Ok(Some(media_type)),
            Err(error) => {
                let source = ParseError::new(ParseErrorKind::Unexpected, error.offset);
                Err(HeaderError::of(ContentType::NAME, source))
            }
        }
    }
}
