//! The request methods (RFC 3261 7.1 and its extensions).

use core::fmt;

use crate::ByteStr;
use crate::error::{ParseError, ParseErrorKind};
use crate::header::octets::is_token_byte;

/// A request method. Methods are case-sensitive.
///
/// ```
/// use sip_im::Method;
/// assert_eq!(Method::parse("MESSAGE")?, Method::Message);
/// assert_ne!(Method::parse("message")?, Method::Message);
/// # Ok::<(), sip_im::error::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Method {
    /// RFC 3261 13.
    Invite,
    /// RFC 3261 13.
    Ack,
    /// RFC 3261 15.
    Bye,
    /// RFC 3261 9.
    Cancel,
    /// RFC 3261 11.
    Options,
    /// RFC 3261 10.
    Register,
    /// RFC 3428.
    Message,
    /// RFC 6665.
    Subscribe,
    /// RFC 6665.
    Notify,
    /// RFC 3903.
    Publish,
    /// RFC 3515.
    Refer,
    /// RFC 6086.
    Info,
    /// RFC 3262.
    Prack,
    /// RFC 3311.
    Update,
    /// A method that this library does not know. Made by [`Method::parse`] only with a token in it.
    Other(ByteStr),
}

impl Method {
    /// Reads a method.
    ///
    /// # Errors
    ///
    /// Fails unless the text is a token (RFC 3261 25.1).
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if let Some(known) = Self::known(text) {
            return Ok(known);
        }
        if text.is_empty() {
            return Err(ParseError::new(ParseErrorKind::Empty, 0));
        }
        match text.bytes().position(|byte| !is_token_byte(byte)) {
            Some(offset) => Err(ParseError::new(ParseErrorKind::UnexpectedText, offset)),
            None => Ok(Self::Other(ByteStr::from(text.to_owned()))),
        }
    }

    /// The method as it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Options => "OPTIONS",
            Self::Register => "REGISTER",
            Self::Message => "MESSAGE",
            Self::Subscribe => "SUBSCRIBE",
            Self::Notify => "NOTIFY",
            Self::Publish => "PUBLISH",
            Self::Refer => "REFER",
            Self::Info => "INFO",
            Self::Prack => "PRACK",
            Self::Update => "UPDATE",
            Self::Other(name) => name,
        }
    }

    /// Is the text of this value a token? Only an [`Method::Other`] made by hand is not.
    pub(crate) fn is_valid(&self) -> bool {
        match self {
            Self::Other(name) => !name.is_empty() && name.bytes().all(is_token_byte),
            _ => true,
        }
    }

    fn known(text: &str) -> Option<Self> {
        Some(match text {
            "INVITE" => Self::Invite,
            "ACK" => Self::Ack,
            "BYE" => Self::Bye,
            "CANCEL" => Self::Cancel,
            "OPTIONS" => Self::Options,
            "REGISTER" => Self::Register,
            "MESSAGE" => Self::Message,
            "SUBSCRIBE" => Self::Subscribe,
            "NOTIFY" => Self::Notify,
            "PUBLISH" => Self::Publish,
            "REFER" => Self::Refer,
            "INFO" => Self::Info,
            "PRACK" => Self::Prack,
            "UPDATE" => Self::Update,
            _ => return None,
        })
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
