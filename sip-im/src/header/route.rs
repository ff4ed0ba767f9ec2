//! Route, Record-Route (RFC 3261 20.30, 20.34), Path (RFC 3327), Service-Route (RFC 3608).

use core::fmt;

use super::{Header, HeaderName, NameAddr, Shape};
use crate::error::{ParseError, ParseErrorKind};
use crate::{ByteStr, Uri};

macro_rules! route {
    ($(#[$doc:meta])* $type:ident, $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $type {
            /// The address of the hop.
            pub name_addr: NameAddr,
        }

        impl $type {
            /// A hop.
            pub fn new(uri: Uri) -> Self {
                Self { name_addr: NameAddr::new(uri) }
            }

            /// The address of the hop.
            pub fn uri(&self) -> &Uri {
                &self.name_addr.uri
            }
        }

        impl Header for $type {
            const NAME: HeaderName = HeaderName::$name;
            const SHAPE: Shape = Shape::List;

            fn parse(value: &ByteStr) -> Result<Self, ParseError> {
                parse(value).map(|name_addr| Self { name_addr })
            }

            fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
                self.name_addr.write(out)
            }
        }
    };
}

route! {
    /// A proxy that the request still has to visit.
    Route, ROUTE
}
route! {
    /// A proxy that wants to see later requests of the dialog.
    RecordRoute, RECORD_ROUTE
}
route! {
    /// A proxy between a registrar and the registering user agent.
    Path, PATH
}
route! {
    /// A proxy that the registered user agent has to route its requests through.
    ServiceRoute, SERVICE_ROUTE
}

// route-param = name-addr *( SEMI rr-param ): the brackets are not optional.
fn parse(value: &ByteStr) -> Result<NameAddr, ParseError> {
    let name_addr = NameAddr::parse(value)?;
    if value.contains('<') {
        Ok(name_addr)
    } else {
        Err(ParseError::new(ParseErrorKind::NeedsBrackets, 0))
    }
}
