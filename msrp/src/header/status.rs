//! `Status` (RFC 4975 section 7.1.2).

use std::fmt;

use super::{Header, ParseError, ParseErrorKind, decimal};
use crate::StatusCode;
use crate::text::ByteStr;

/// What became of a message, in a REPORT.
///
/// ```
/// use msrp::StatusCode;
/// use msrp::header::Status;
///
/// assert_eq!(Status::of(StatusCode::OK).to_string(), "000 200 OK");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// Whose codes they are; 0 for those of MSRP, the only ones defined.
    pub namespace: u16,
    /// The code.
    pub code: StatusCode,
    /// Words for a person.
    pub comment: Option<ByteStr>,
}

impl Status {
    /// Makes a status of MSRP's own code, with its usual comment.
    pub fn of(code: StatusCode) -> Self {
        let comment = code.default_comment();
        let comment = if comment.is_empty() {
            None
        } else {
            Some(ByteStr::from_static(comment))
        };
        Self {
            namespace: 0,
            code,
            comment,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {}", self.namespace, self.code)?;
        match &self.comment {
            Some(comment) => write!(f, " {}", comment.as_str()),
            None => Ok(()),
        }
    }
}

impl Header for Status {
    const NAME: &'static str = "Status";

    fn parse(value: &str) -> Result<Self, ParseError> {
        let mut parts = value.splitn(3, ' ');
        let namespace = three_digits(parts.next().unwrap_or_default(), 0)?;
        let code = three_digits(parts.next().unwrap_or_default(), 4)?;
        let code = StatusCode::new(code).ok_or(ParseError::new(ParseErrorKind::TooLarge, 4))?;
        let comment = parts.next().filter(|comment| !comment.is_empty());
        let usual = code.default_comment();
        let comment = comment.map(|comment| match comment {
            // The usual comment need not be copied.
            _ if comment == usual => ByteStr::from_static(usual),
            _ => comment.into(),
        });
        Ok(Self {
            namespace,
            code,
            comment,
        })
    }

    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        write!(out, "{self}")
    }
}

pub(crate) fn three_digits(text: &str, offset: usize) -> Result<u16, ParseError> {
    let number = decimal(text, offset)?;
    if text.len() != 3 {
        return Err(ParseError::new(ParseErrorKind::Unexpected, offset));
    }
    u16::try_from(number).map_err(|_| ParseError::new(ParseErrorKind::TooLarge, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comment_is_optional() {
        for text in ["000 200 OK", "000 413", "000 481 no such session here"] {
            assert_eq!(Status::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn malformed_statuses_are_refused() {
        for (text, offset) in [
            ("", 0),
            ("000", 4),
            ("00 200", 0),
            ("000 20", 4),
            ("000 999999", 4),
            ("x 200", 0),
        ] {
            assert_eq!(Status::parse(text).unwrap_err().offset, offset, "{text}");
        }
    }
}
