//! Privacy (RFC 3323 4.2, RFC 3325 9.3, RFC 7044).

use core::fmt;

use super::cursor::Cursor;
use super::{Header, HeaderName, Shape};
use crate::ByteStr;
use crate::error::ParseError;

/// The privacy that the sender asks for.
///
/// Values are separated by semicolons; commas and several fields are read as well, since taking less than was asked for
/// would disclose what was to stay private.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the header field is this list and no more"
)]
pub struct Privacy(pub Vec<PrivacyValue>);

/// One privacy value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrivacyValue {
    /// Obscure header fields that the user agent cannot (RFC 3323).
    Header,
    /// Anonymise the session's media (RFC 3323).
    Session,
    /// Do what a user agent would do itself (RFC 3323).
    User,
    /// Apply no privacy (RFC 3323).
    None,
    /// Fail rather than send without privacy (RFC 3323).
    Critical,
    /// Do not let the asserted identity leave the trust domain (RFC 3325).
    Id,
    /// Do not let the history leave the trust domain (RFC 7044).
    History,
    /// Another one, in lower case.
    Other(ByteStr),
}

impl Privacy {
    /// Is this value asked for?
    pub fn contains(&self, value: &PrivacyValue) -> bool {
        self.0.contains(value)
    }
}

impl PrivacyValue {
    /// The value as it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Header => "header",
            Self::Session => "session",
            Self::User => "user",
            Self::None => "none",
            Self::Critical => "critical",
            Self::Id => "id",
            Self::History => "history",
            Self::Other(token) => token,
        }
    }

    fn of(token: &str) -> Self {
        match token.to_ascii_lowercase().as_str() {
            "header" => Self::Header,
            "session" => Self::Session,
            "user" => Self::User,
            "none" => Self::None,
            "critical" => Self::Critical,
            "id" => Self::Id,
            "history" => Self::History,
            other => Self::Other(ByteStr::from(other.to_owned())),
        }
    }
}

impl Header for Privacy {
    const NAME: HeaderName = HeaderName::PRIVACY;
    const SHAPE: Shape = Shape::Whole;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        let mut values = Vec::new();
        loop {
            cursor.space();
            values.push(PrivacyValue::of(cursor.token()?));
            if !cursor.separator(b';') && !cursor.separator(b',') {
                cursor.finish()?;
                return Ok(Self(values));
            }
        }
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        for (index, value) in self.0.iter().enumerate() {
            let separator = if index > 0 { ";" } else { "" };
            write!(out, "{separator}{}", value.as_str())?;
        }
        Ok(())
    }
}
