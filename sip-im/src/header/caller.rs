//! Accept-Contact and Reject-Contact (RFC 3841 9.2).

use core::fmt;

use super::cursor::Cursor;
use super::{Header, HeaderName, Params, Shape};
use crate::ByteStr;
use crate::error::ParseError;

macro_rules! caller {
    ($(#[$doc:meta])* $type:ident, $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $type {
            /// The feature tags, with `require` and `explicit`.
            pub params: Params,
        }

        impl $type {
            /// Asks for these feature tags, without values. Names that are not tokens are left out.
            pub fn features<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
                let mut params = Params::new();
                for name in names {
                    let _ = params.set(name, None);
                }
                Self { params }
            }

            /// Is this feature tag in it? Names compare without case (RFC 3840).
            pub fn has_feature(&self, name: &str) -> bool {
                self.params.contains(name)
            }
        }

        impl Header for $type {
            const NAME: HeaderName = HeaderName::$name;
            const SHAPE: Shape = Shape::List;

            fn parse(value: &ByteStr) -> Result<Self, ParseError> {
                let mut cursor = Cursor::new(value);
                cursor.space();
                cursor.expect(b'*')?;
                let params = Params::parse(&mut cursor)?;
                cursor.finish()?;
                Ok(Self { params })
            }

            fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
                out.write_char('*')?;
                self.params.write(out)
            }
        }
    };
}

caller! {
    /// Which features the user agent that is reached is to have.
    AcceptContact, ACCEPT_CONTACT
}
caller! {
    /// Which features the user agent that is reached must not have.
    RejectContact, REJECT_CONTACT
}
