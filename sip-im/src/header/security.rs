//! Security-Client, Security-Server and Security-Verify (RFC 3329).

use core::fmt;

use super::contact::parse_q;
use super::cursor::Cursor;
use super::event::token_and_params;
use super::{Header, HeaderName, Params, Shape};
use crate::ByteStr;
use crate::error::ParseError;

macro_rules! security {
    ($(#[$doc:meta])* $type:ident, $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $type {
            /// `digest`, `tls`, `ipsec-3gpp` or another one.
            pub mechanism: ByteStr,
            /// All parameters, `q` included.
            pub params: Params,
        }

        impl $type {
            /// A mechanism without parameters; it is checked when the value is put into a message.
            pub fn new(mechanism: &str) -> Self {
                Self { mechanism: ByteStr::from(mechanism.to_owned()), params: Params::new() }
            }

            /// The preference in thousandths.
            pub fn q(&self) -> Option<u16> {
                self.params.get("q").flatten().and_then(|text| parse_q(text, 0).ok())
            }
        }

        impl Header for $type {
            const NAME: HeaderName = HeaderName::$name;
            const SHAPE: Shape = Shape::List;

            fn parse(value: &ByteStr) -> Result<Self, ParseError> {
                let mut cursor = Cursor::new(value);
                let (mechanism, params) = token_and_params(&mut cursor)?;
                cursor.finish()?;
                if let Some(q) = params.get("q") {
                    parse_q(q.unwrap_or_default(), value.len())?;
                }
                Ok(Self { mechanism, params })
            }

            fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
                out.write_str(&self.mechanism)?;
                self.params.write(out)
            }
        }
    };
}

security! {
    /// A security mechanism that the client supports.
    SecurityClient, SECURITY_CLIENT
}
security! {
    /// A security mechanism that the server supports.
    SecurityServer, SECURITY_SERVER
}
security! {
    /// What the client heard from the server, for the server to compare.
    SecurityVerify, SECURITY_VERIFY
}
