//! `Content-Disposition` (RFC 2183 section 2).

use std::borrow::Cow;
use std::fmt;

use super::scanner::Scanner;
use super::{ContentError, ContentErrorKind, Parameters, is_token};
use crate::ByteStr;

/// A disposition with its parameters: `recipient-list;handling=required` (RFC 2183, RFC 3261 20.11).
///
/// ```
/// use msrp::header::content::ContentDisposition;
///
/// let disposition = ContentDisposition::parse("notification")?;
/// assert!(disposition.is("Notification"));
/// # Ok::<(), msrp::header::content::ContentError>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ContentDisposition {
    disposition: ByteStr,
    parameters: Parameters,
}

impl ContentDisposition {
    /// A disposition without parameters.
    ///
    /// # Errors
    ///
    /// Fails when `disposition` is not a token.
    pub fn new(disposition: &str) -> Result<Self, ContentError> {
        if !is_token(disposition) {
            return Err(ContentError {
                kind: ContentErrorKind::Token,
                offset: 0,
            });
        }
        Ok(Self {
            disposition: disposition.into(),
            parameters: Parameters::default(),
        })
    }

    /// Reads a whole header field value.
    ///
    /// # Errors
    ///
    /// Fails when it is not a disposition, or something follows it.
    pub fn parse(value: &str) -> Result<Self, ContentError> {
        let mut scanner = Scanner::new(value);
        scanner.space();
        let disposition = scanner.token()?;
        let parameters = Parameters::of(&scanner.parameters()?);
        Ok(Self {
            disposition: disposition.into(),
            parameters,
        })
    }

    /// The disposition, as written.
    pub fn disposition(&self) -> &str {
        &self.disposition
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// A parameter's value without quotes.
    pub fn parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        self.parameters.get(name)
    }

    /// The same disposition with one more parameter, or another value for it.
    ///
    /// # Errors
    ///
    /// Fails when `name` is not a token or `value` holds a control character.
    pub fn with_parameter(mut self, name: &str, value: &str) -> Result<Self, ContentError> {
        self.parameters.set(name, value)?;
        Ok(self)
    }

    /// Whether this is the disposition `name`, without regard to case.
    pub fn is(&self, name: &str) -> bool {
        self.disposition.eq_ignore_ascii_case(name)
    }

    /// Whether a receiver that does not understand the part may ignore it (`handling=optional`, RFC 3204 6).
    pub fn is_optional(&self) -> bool {
        self.parameter("handling")
            .is_some_and(|value| value.eq_ignore_ascii_case("optional"))
    }
}

impl fmt::Display for ContentDisposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.disposition, self.parameters)
    }
}
