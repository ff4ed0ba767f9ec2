//! From and To (RFC 3261 20.20, 20.39).

use core::fmt;

use super::cursor::Cursor;
use super::{Header, HeaderName, NameAddr};
use crate::codec::view::ConveyedView;
use crate::error::ParseError;
use crate::{ByteStr, Uri};

macro_rules! conveyed {
    ($(#[$doc:meta])* $type:ident, $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $type {
            /// The address; the tag is not among its parameters.
            pub name_addr: NameAddr,
            /// The tag.
            pub tag: Option<ByteStr>,
        }

        impl $type {
            /// An address without tag.
            pub fn new(uri: Uri) -> Self {
                Self { name_addr: NameAddr::new(uri), tag: None }
            }

            /// Sets the tag.
            #[must_use]
            pub fn with_tag(mut self, tag: &str) -> Self {
                self.tag = Some(ByteStr::from(tag.to_owned()));
                self
            }

            /// Sets the display name.
            #[must_use]
            pub fn with_display(mut self, display: &str) -> Self {
                self.name_addr = self.name_addr.with_display(display);
                self
            }

            /// The address.
            pub fn uri(&self) -> &Uri {
                &self.name_addr.uri
            }

            /// The display name without quotes.
            pub fn display(&self) -> Option<&str> {
                self.name_addr.display.as_ref().map(ByteStr::as_str)
            }

            /// The tag.
            pub fn tag(&self) -> Option<&str> {
                self.tag.as_ref().map(ByteStr::as_str)
            }
        }

        impl Header for $type {
            const NAME: HeaderName = HeaderName::$name;

            fn parse(value: &ByteStr) -> Result<Self, ParseError> {
                let mut cursor = Cursor::new(value);
                cursor.space();
                let view = ConveyedView::read(&mut cursor)?;
                let mut name_addr = NameAddr::of(&cursor, view.address);
                if view.tag.is_some() {
                    name_addr.params.place("tag");
                }
                let tag = view.tag.map(|tag| cursor.share(tag));
                cursor.finish()?;
                Ok(Self { name_addr, tag })
            }

            fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
                self.name_addr.write_address(out)?;
                if let Some(tag) = &self.tag {
                    write!(out, ";tag={}", tag.as_str())?;
                }
                self.name_addr.params.write(out)
            }
        }
    };
}

conveyed! {
    /// Who the request is from, as they say themselves; identity is not taken from it.
    From, FROM
}
conveyed! {
    /// Whom the request is for, as the originator sees it; routing is not taken from it.
    To, TO
}
