//! Methods of requests.

use std::fmt;

use crate::text::ByteStr;

/// The method of a request (RFC 4975 section 7, RFC 4976 section 4, RFC 7701 section 7).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Method {
    /// `SEND`: a message, or a chunk of one.
    Send,
    /// `REPORT`: news of a message that was sent earlier.
    Report,
    /// `AUTH`: asks a relay for a URI.
    Auth,
    /// `NICKNAME`: asks a chat room for a nickname.
    Nickname,
    /// A method that this library does not know, in the sender's spelling.
    Other(ByteStr),
}

impl Method {
    /// Returns the method as it is written on the wire.
    ///
    /// ```
    /// assert_eq!(msrp::Method::Send.as_str(), "SEND");
    /// ```
    pub fn as_str(&self) -> &str {
        match self {
            Self::Send => "SEND",
            Self::Report => "REPORT",
            Self::Auth => "AUTH",
            Self::Nickname => "NICKNAME",
            Self::Other(name) => name.as_str(),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
