//! Header fields that name a dialog: Replaces (RFC 3891), Join (RFC 3911), Target-Dialog (RFC 4538).

use core::fmt;

use super::cursor::Cursor;
use super::octets::is_token_byte;
use super::text::read_call_id;
use super::{Header, HeaderName, Params};
use crate::ByteStr;
use crate::error::{ParseError, ParseErrorKind};

macro_rules! dialog {
    ($(#[$doc:meta])* $type:ident, $name:ident, $first:ident $first_name:literal, $second:ident $second_name:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $type {
            /// The Call-ID of the dialog.
            pub call_id: ByteStr,
            #[doc = concat!("The parameter `", $first_name, "`.")]
            pub $first: ByteStr,
            #[doc = concat!("The parameter `", $second_name, "`.")]
            pub $second: ByteStr,
            /// The other parameters.
            pub params: Params,
        }

        impl $type {
            /// A dialog; the texts are checked when the value is put into a message.
            pub fn new(call_id: &str, $first: &str, $second: &str) -> Self {
                Self {
                    call_id: ByteStr::from(call_id.to_owned()),
                    $first: ByteStr::from($first.to_owned()),
                    $second: ByteStr::from($second.to_owned()),
                    params: Params::new(),
                }
            }
        }

        impl Header for $type {
            const NAME: HeaderName = HeaderName::$name;

            fn parse(value: &ByteStr) -> Result<Self, ParseError> {
                let (call_id, mut params) = parse(value)?;
                let $first = take_tag(&mut params, $first_name, value.len())?;
                let $second = take_tag(&mut params, $second_name, value.len())?;
                Ok(Self { call_id, $first, $second, params })
            }

            fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
                let (first, second) = (self.$first.as_str(), self.$second.as_str());
                write!(out, "{};{}={first};{}={second}", self.call_id.as_str(), $first_name, $second_name)?;
                self.params.write(out)
            }
        }
    };
}

dialog! {
    /// The dialog that a new one takes the place of.
    Replaces, REPLACES, to_tag "to-tag", from_tag "from-tag"
}
dialog! {
    /// The dialog that a new one joins.
    Join, JOIN, to_tag "to-tag", from_tag "from-tag"
}
dialog! {
    /// The dialog that a request outside it is about; tags as the recipient has them reversed.
    TargetDialog, TARGET_DIALOG, local_tag "local-tag", remote_tag "remote-tag"
}

impl Replaces {
    /// Is it for an early dialog only?
    pub fn early_only(&self) -> bool {
        self.params.contains("early-only")
    }
}

fn parse(value: &ByteStr) -> Result<(ByteStr, Params), ParseError> {
    let mut cursor = Cursor::new(value);
    cursor.space();
    let call_id = read_call_id(&mut cursor)?;
    let params = Params::parse(&mut cursor)?;
    cursor.finish()?;
    Ok((call_id, params))
}

fn take_tag(params: &mut Params, name: &'static str, offset: usize) -> Result<ByteStr, ParseError> {
    match params.take(name) {
        Some(Some(tag)) if tag.bytes().all(is_token_byte) => Ok(tag),
        Some(_) => Err(ParseError::new(ParseErrorKind::UnexpectedText, offset)),
        None => Err(ParseError::new(ParseErrorKind::MissingParameter, offset)),
    }
}
