//! Route, Record-Route (RFC 3261 20.30, 20.34), Path (RFC 3327), Service-Route (RFC 3608).

use core::fmt;

use super::cursor::Cursor;
use super::{Header, HeaderName, NameAddr, Shape};
use crate::codec::view::read_route;
use crate::error::ParseError;
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

fn parse(value: &ByteStr) -> Result<NameAddr, ParseError> {
    let mut cursor = Cursor::new(value);
    cursor.space();
    let view = read_route(&mut cursor)?;
    let name_addr = NameAddr::of(&cursor, view);
    cursor.finish()?;
    Ok(name_addr)
}
