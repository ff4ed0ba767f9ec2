//! Identity between servers: P-Asserted-Identity, P-Preferred-Identity (RFC 3325), P-Served-User (RFC 5502),
//! P-Charging-Vector (RFC 7315).

use core::fmt;

use super::cursor::Cursor;
use super::{Header, HeaderName, NameAddr, Params, Shape};
use crate::error::{ParseError, ParseErrorKind};
use crate::{ByteStr, Uri};

macro_rules! identity {
    ($(#[$doc:meta])* $type:ident, $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $type {
            /// The address. The grammar has no parameters outside the URI.
            pub name_addr: NameAddr,
        }

        impl $type {
            /// An identity without display name.
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
            const SHAPE: Shape = Shape::List;

            fn parse(value: &ByteStr) -> Result<Self, ParseError> {
                let mut cursor = Cursor::new(value);
                let name_addr = NameAddr::read_address(&mut cursor)?;
                cursor.finish()?;
                Ok(Self { name_addr })
            }

            fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
                self.name_addr.write(out)
            }
        }
    };
}

identity! {
    /// Who a trusted server says the sender is.
    ///
    /// Whether to believe it is not for a caller of this type to decide: the one reader of who sent a request is
    /// [`asserted_identity`](crate::identity::asserted_identity).
    PAssertedIdentity, P_ASSERTED_IDENTITY
}
identity! {
    /// Which of its identities the user agent wants to be asserted.
    PPreferredIdentity, P_PREFERRED_IDENTITY
}

/// The user on whose behalf an application server is asked (RFC 5502 5).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PServedUser {
    /// The address with its parameters.
    pub name_addr: NameAddr,
}

impl PServedUser {
    /// A served user, without session case.
    pub fn new(uri: Uri) -> Self {
        Self {
            name_addr: NameAddr::new(uri),
        }
    }

    /// The address.
    pub fn uri(&self) -> &Uri {
        &self.name_addr.uri
    }

    /// `orig` or `term`.
    pub fn session_case(&self) -> Option<&str> {
        self.name_addr.params.get("sescase").flatten()
    }

    /// `reg` or `unreg`.
    pub fn registration_state(&self) -> Option<&str> {
        self.name_addr.params.get("regstate").flatten()
    }
}

impl Header for PServedUser {
    const NAME: HeaderName = HeaderName::P_SERVED_USER;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        NameAddr::parse(value).map(|name_addr| Self { name_addr })
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        self.name_addr.write(out)
    }
}

/// What ties the charging records of one session together (RFC 7315 4.6).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PChargingVector {
    /// All parameters, `icid-value` first.
    pub params: Params,
}

impl PChargingVector {
    /// A vector with this ICID. A line end in it becomes a space.
    pub fn new(icid: &str) -> Self {
        let mut params = Params::new();
        // The name is a token, and the value has no line end.
        let _ = params.set("icid-value", Some(&icid.replace(['\r', '\n'], " ")));
        Self { params }
    }

    /// The charging id of the session.
    pub fn icid(&self) -> Option<String> {
        self.params.unquoted("icid-value")
    }
}

impl Header for PChargingVector {
    const NAME: HeaderName = HeaderName::P_CHARGING_VECTOR;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.space();
        let params = Params::parse_list(&mut cursor, b';')?;
        cursor.finish()?;
        if params.get("icid-value").flatten().is_none() {
            return Err(ParseError::new(ParseErrorKind::MissingParameter, value.len()));
        }
        Ok(Self { params })
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        self.params.write_separated(out, ";")
    }
}
