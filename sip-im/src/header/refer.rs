//! Refer-To (RFC 3515), Referred-By (RFC 3892), Refer-Sub (RFC 4488), Reply-To (RFC 3261 20.31).

use core::fmt;

use super::cursor::Cursor;
use super::{Header, HeaderName, NameAddr, Params};
use crate::error::{ParseError, ParseErrorKind};
use crate::{ByteStr, Uri};

macro_rules! address {
    ($(#[$doc:meta])* $type:ident, $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $type {
            /// The address with its parameters.
            pub name_addr: NameAddr,
        }

        impl $type {
            /// An address without parameters.
            pub fn new(uri: Uri) -> Self {
                Self { name_addr: NameAddr::new(uri) }
            }

            /// The address.
            pub fn uri(&self) -> &Uri {
                &self.name_addr.uri
            }
        }

        impl Header for $type {
            const NAME: HeaderName = HeaderName::$name;

            fn parse(value: &ByteStr) -> Result<Self, ParseError> {
                NameAddr::parse(value).map(|name_addr| Self { name_addr })
            }

            fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
                self.name_addr.write(out)
            }
        }
    };
}

address! {
    /// Where the recipient of a REFER is to send a request; the URI's `method` and headers say which.
    ReferTo, REFER_TO
}
address! {
    /// Who referred.
    ReferredBy, REFERRED_BY
}
address! {
    /// Where an answer is to go, if not to From.
    ReplyTo, REPLY_TO
}

/// Does the REFER make a subscription? Parameters, of which none is known, are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the header field is true or false")]
pub struct ReferSub(pub bool);

impl Header for ReferSub {
    const NAME: HeaderName = HeaderName::REFER_SUB;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.space();
        let at = cursor.position();
        let token = cursor.token()?;
        let wanted = if token.eq_ignore_ascii_case("true") {
            true
        } else if token.eq_ignore_ascii_case("false") {
            false
        } else {
            return Err(ParseError::new(ParseErrorKind::UnexpectedText, at));
        };
        //= https://www.rfc-editor.org/rfc/rfc4488#section-4
        //# Refer-Sub = "Refer-Sub" HCOLON refer-sub-value *(SEMI exten)
        Params::parse(&mut cursor)?;
        cursor.finish()?;
        Ok(Self(wanted))
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(if self.0 { "true" } else { "false" })
    }
}
