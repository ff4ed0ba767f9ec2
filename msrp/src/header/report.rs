//! `Message-ID`, `Success-Report` and `Failure-Report` (RFC 4975 sections 7.1.1 and 7.1.2).

use std::fmt;

use super::{Header, ParseError, ParseErrorKind};
use crate::{IdError, MessageId};

/// Whether success is reported with a REPORT request; without the header it is not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the header has these values")]
pub enum SuccessReport {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// Whether failure is reported; without the header it is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the header has these values")]
pub enum FailureReport {
    /// Each chunk is answered, and each failure reported.
    #[default]
    Yes,
    /// Nothing is answered.
    No,
    /// Only failures are answered.
    Partial,
}

/// The `Message-ID` header.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the header is this")]
pub struct MessageIdHeader(pub MessageId);

impl Header for SuccessReport {
    const NAME: &'static str = "Success-Report";

    fn parse(value: &str) -> Result<Self, ParseError> {
        match value {
            text if text.eq_ignore_ascii_case("yes") => Ok(Self::Yes),
            text if text.eq_ignore_ascii_case("no") => Ok(Self::No),
            _ => Err(ParseError::new(ParseErrorKind::Unexpected, 0)),
        }
    }

    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        out.write_str(match self {
            Self::Yes => "yes",
            Self::No => "no",
        })
    }
}

impl Header for FailureReport {
    const NAME: &'static str = "Failure-Report";

    fn parse(value: &str) -> Result<Self, ParseError> {
        match value {
            text if text.eq_ignore_ascii_case("yes") => Ok(Self::Yes),
            text if text.eq_ignore_ascii_case("no") => Ok(Self::No),
            text if text.eq_ignore_ascii_case("partial") => Ok(Self::Partial),
            _ => Err(ParseError::new(ParseErrorKind::Unexpected, 0)),
        }
    }

    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        out.write_str(match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Partial => "partial",
        })
    }
}

impl Header for MessageIdHeader {
    const NAME: &'static str = "Message-ID";

    fn parse(value: &str) -> Result<Self, ParseError> {
        MessageId::received(value).map(Self).map_err(malformed_message_id)
    }

    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        out.write_str(self.0.as_str())
    }
}

/// Says what is wrong with the text of a `Message-ID`, if anything is.
pub(super) fn check_message_id(text: &str) -> Result<(), ParseError> {
    MessageId::check_received(text).map_err(malformed_message_id)
}

fn malformed_message_id(error: IdError) -> ParseError {
    match error {
        IdError::TooLong => ParseError::new(ParseErrorKind::TooLarge, MessageId::MAX_RECEIVED),
        IdError::Unexpected { offset } => ParseError::new(ParseErrorKind::Unexpected, offset),
        IdError::TooShort => ParseError::new(ParseErrorKind::Unexpected, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_without_case() {
        assert_eq!(SuccessReport::parse("YES"), Ok(SuccessReport::Yes));
        assert_eq!(FailureReport::parse("Partial"), Ok(FailureReport::Partial));
        assert!(SuccessReport::parse("partial").is_err());
        assert!(FailureReport::parse("").is_err());
    }
}
