//! Header fields that are one word or free text: Call-ID, In-Reply-To, Contribution-ID, Conversation-ID, SIP-ETag, SIP-If-Match,
//! Subject, Organization, User-Agent, Server, Priority, Timestamp, MIME-Version, Content-ID, Content-Transfer-Encoding.

use core::fmt;

use super::cursor::Cursor;
use super::octets::is_token_byte;
use super::tokens::parse_token;
use super::{Header, HeaderName, Shape};
use crate::ByteStr;
use crate::error::ParseError;

macro_rules! text {
    ($(#[$doc:meta])* $type:ident, $name:ident, $parse:path) => {
        text! { $(#[$doc])* $type, $name, $parse, Single }
    };
    ($(#[$doc:meta])* $type:ident, $name:ident, $parse:path, $shape:ident) => {
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
            const SHAPE: Shape = Shape::$shape;

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

text! {
    /// A Call-ID that the request is about (RFC 3261 20.21).
    InReplyTo, IN_REPLY_TO, parse_call_id, List
}
text! {
    /// The id of a chat or of one of its messages, the same for all that belongs to it.
    ContributionId, CONTRIBUTION_ID, parse_call_id
}
text! {
    /// The id of a conversation, the same over its contributions.
    ConversationId, CONVERSATION_ID, parse_call_id
}
text! {
    /// Where the sender belongs (RFC 3261 20.25).
    Organization, ORGANIZATION, parse_text
}
text! {
    /// How urgent it is (RFC 3261 20.26): `emergency`, `urgent`, `normal`, `non-urgent` or another token.
    Priority, PRIORITY, parse_token
}
text! {
    /// When the request was sent, in seconds by the sender's own clock, and how long the response took (RFC 3261 20.38).
    Timestamp, TIMESTAMP, parse_timestamp
}
text! {
    /// The version of MIME (RFC 3261 20.24).
    MimeVersion, MIME_VERSION, parse_version
}
text! {
    /// The id of a body, with its brackets (RFC 2045 7); a `cid` URI has it without (RFC 2392).
    ContentId, CONTENT_ID, parse_content_id
}
text! {
    /// How a body is encoded (RFC 2045 6): `binary`, `base64` or another token.
    ContentTransferEncoding, CONTENT_TRANSFER_ENCODING, parse_token
}

impl ContentId {
    /// The id without brackets.
    pub fn id(&self) -> &str {
        let text = self.as_str();
        text.strip_prefix('<')
            .and_then(|text| text.strip_suffix('>'))
            .unwrap_or(text)
    }
}

pub(super) fn parse_call_id(value: &ByteStr) -> Result<ByteStr, ParseError> {
    let mut cursor = Cursor::new(value);
    cursor.space();
    let call_id = read_call_id(&mut cursor)?;
    cursor.finish()?;
    Ok(call_id)
}

pub(super) fn read_call_id(cursor: &mut Cursor<'_>) -> Result<ByteStr, ParseError> {
    let call_id = crate::codec::view::read_call_id(cursor)?;
    Ok(cursor.share(call_id))
}

#[expect(clippy::unnecessary_wraps, reason = "one shape for all readers of the macro")]
fn parse_text(value: &ByteStr) -> Result<ByteStr, ParseError> {
    Ok(value.slice_of(value.trim_matches([' ', '\t'])))
}

// Timestamp = 1*DIGIT [ "." *DIGIT ] [ LWS delay ], delay = *DIGIT [ "." *DIGIT ]
fn parse_timestamp(value: &ByteStr) -> Result<ByteStr, ParseError> {
    let mut cursor = Cursor::new(value);
    cursor.space();
    let start = cursor.position();
    let digits = |byte: u8| byte.is_ascii_digit();
    if cursor.take_while(digits).is_empty() {
        return cursor.unexpected();
    }
    if cursor.eat(b'.') {
        cursor.take_while(digits);
    }
    let mut end = cursor.position();
    if cursor.space() && !cursor.is_at_end() {
        cursor.take_while(digits);
        if cursor.eat(b'.') {
            cursor.take_while(digits);
        }
        end = cursor.position();
    }
    let timestamp = cursor.slice(start, end);
    cursor.finish()?;
    Ok(timestamp)
}

// MIME-Version = 1*DIGIT "." 1*DIGIT
fn parse_version(value: &ByteStr) -> Result<ByteStr, ParseError> {
    let mut cursor = Cursor::new(value);
    cursor.space();
    let start = cursor.position();
    let digits = |byte: u8| byte.is_ascii_digit();
    if cursor.take_while(digits).is_empty() || !cursor.eat(b'.') || cursor.take_while(digits).is_empty() {
        return cursor.unexpected();
    }
    let version = cursor.since(start);
    cursor.finish()?;
    Ok(version)
}

// msg-id of RFC 2045, in the form without comments and quotes
fn parse_content_id(value: &ByteStr) -> Result<ByteStr, ParseError> {
    let mut cursor = Cursor::new(value);
    cursor.space();
    let start = cursor.position();
    cursor.expect(b'<')?;
    let is_id = |byte: u8| is_token_byte(byte) || b"@[]:/=$&#?^{}|".contains(&byte);
    if cursor.take_while(is_id).is_empty() {
        return cursor.unexpected();
    }
    cursor.expect(b'>')?;
    let id = cursor.since(start);
    cursor.finish()?;
    Ok(id)
}
