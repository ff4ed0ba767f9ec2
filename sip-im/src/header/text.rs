//! Header fields that are one word or free text: Call-ID, SIP-ETag, SIP-If-Match, Subject, User-Agent, Server.

use core::fmt;

use super::cursor::{Cursor, is_word_byte};
use super::tokens::parse_token;
use super::{Header, HeaderName};
use crate::ByteStr;
use crate::error::ParseError;

macro_rules! text {
    ($(#[$doc:meta])* $type:ident, $name:ident, $parse:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(clippy::exhaustive_structs, reason = "the header field is this text and no more")]
        pub struct $type(pub ByteStr);

        impl $type {
            /// Takes the text; it is checked when it is put into a message.
            pub fn new(text: &str) -> Self {
                Self(ByteStr::from(text.to_owned()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl Header for $type {
            const NAME: HeaderName = HeaderName::$name;

            fn parse(value: &ByteStr) -> Result<Self, ParseError> {
                $parse(value).map(Self)
            }

            fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
                out.write_str(self.as_str())
            }
        }
    };
}

text! {
    /// The id of the dialog, or of the registrations of one user agent (RFC 3261 20.8). It compares octet for octet.
    CallId, CALL_ID, parse_call_id
}
text! {
    /// The version of a published document (RFC 3903 11.3.1).
    SipEtag, SIP_ETAG, parse_token
}
text! {
    /// The version of the published document that is refreshed, changed or removed (RFC 3903 11.3.2).
    SipIfMatch, SIP_IF_MATCH, parse_token
}
text! {
    /// What it is about (RFC 3261 20.36).
    Subject, SUBJECT, parse_text
}
text! {
    /// The software of the client (RFC 3261 20.41).
    UserAgent, USER_AGENT, parse_text
}
text! {
    /// The software of the server (RFC 3261 20.35).
    Server, SERVER, parse_text
}

// callid = word [ "@" word ]
pub(super) fn parse_call_id(value: &ByteStr) -> Result<ByteStr, ParseError> {
    let mut cursor = Cursor::new(value);
    cursor.space();
    let call_id = read_call_id(&mut cursor)?;
    cursor.finish()?;
    Ok(call_id)
}

pub(super) fn read_call_id(cursor: &mut Cursor<'_>) -> Result<ByteStr, ParseError> {
    let start = cursor.position();
    if cursor.take_while(is_word_byte).is_empty() {
        return cursor.unexpected();
    }
    if cursor.eat(b'@') && cursor.take_while(is_word_byte).is_empty() {
        return cursor.unexpected();
    }
    Ok(cursor.since(start))
}

#[expect(clippy::unnecessary_wraps, reason = "one shape for all readers of the macro")]
fn parse_text(value: &ByteStr) -> Result<ByteStr, ParseError> {
    Ok(value.clone())
}
