//! Alert-Info, Call-Info and Error-Info (RFC 3261 20.4, 20.9, 20.18): URIs of what else there is to show.

use core::fmt;

use super::{Header, HeaderName, NameAddr, Params, Shape};
use crate::error::{ParseError, ParseErrorKind};
use crate::{ByteStr, Uri};

macro_rules! info {
    ($(#[$doc:meta])* $type:ident, $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $type {
            /// Where it is.
            pub uri: Uri,
            /// All parameters, such as `purpose`.
            pub params: Params,
        }

        impl $type {
            /// A URI without parameters.
            pub fn new(uri: Uri) -> Self {
                Self { uri, params: Params::new() }
            }
        }

        impl Header for $type {
            const NAME: HeaderName = HeaderName::$name;
            const SHAPE: Shape = Shape::List;

            fn parse(value: &ByteStr) -> Result<Self, ParseError> {
                let NameAddr { display, uri, params } = NameAddr::parse(value)?;
                if display.is_some() || !value.trim_start_matches([' ', '\t']).starts_with('<') {
                    return Err(ParseError::new(ParseErrorKind::NeedsBrackets, 0));
                }
                Ok(Self { uri, params })
            }

            fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
                write!(out, "<{}>", self.uri)?;
                self.params.write(out)
            }
        }
    };
}

info! {
    /// What to ring with.
    AlertInfo, ALERT_INFO
}
info! {
    /// More about who calls or is called.
    CallInfo, CALL_INFO
}
info! {
    /// More about an error.
    ErrorInfo, ERROR_INFO
}

impl CallInfo {
    /// What it is for: `icon`, `info`, `card` or another token.
    pub fn purpose(&self) -> Option<&str> {
        self.params.get("purpose").flatten()
    }
}
