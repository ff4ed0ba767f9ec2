//! P-Asserted-Service and P-Preferred-Service (RFC 6050).

use core::fmt;

use super::{Header, HeaderName, Shape};
use crate::ByteStr;
use crate::error::{ParseError, ParseErrorKind};

macro_rules! service {
    ($(#[$doc:meta])* $type:ident, $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[expect(clippy::exhaustive_structs, reason = "the header field is this text and no more")]
        pub struct $type(pub ByteStr);

        impl $type {
            /// A service, such as `urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg`; checked when it is put into a message.
            pub fn new(urn: &str) -> Self {
                Self(ByteStr::from(urn.to_owned()))
            }

            /// The URN.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// Is it this service, or a part of it? Names compare without case, label by label.
            pub fn is_within(&self, service: &str) -> bool {
                is_within(&self.0, service)
            }
        }

        impl Header for $type {
            const NAME: HeaderName = HeaderName::$name;
            const SHAPE: Shape = Shape::List;

            fn parse(value: &ByteStr) -> Result<Self, ParseError> {
                check(value)?;
                Ok(Self(value.clone()))
            }

            fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
                out.write_str(self.as_str())
            }
        }
    };
}

service! {
    /// Which service a trusted server says the request is for; believed from inside the trust domain only.
    PAssertedService, P_ASSERTED_SERVICE
}
service! {
    /// Which service the user agent wants.
    PPreferredService, P_PREFERRED_SERVICE
}

const PREFIX: &str = "urn:urn-7:";
/// top-level = let-dig [ *26let-dig ]
const TOP_LEVEL: usize = 27;

fn check(text: &str) -> Result<(), ParseError> {
    let labels = text
        .split_at_checked(PREFIX.len())
        .filter(|(prefix, _)| prefix.eq_ignore_ascii_case(PREFIX))
        .map(|(_, labels)| labels)
        .ok_or(ParseError::new(ParseErrorKind::UnexpectedText, 0))?;
    let mut offset = PREFIX.len();
    for (index, label) in labels.split('.').enumerate() {
        if label.is_empty() {
            return Err(ParseError::new(ParseErrorKind::Empty, offset));
        }
        let is_let_dig = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if let Some(at) = label.bytes().position(|byte| !is_let_dig(byte)) {
            return Err(ParseError::new(
                ParseErrorKind::UnexpectedText,
                offset.saturating_add(at),
            ));
        }
        if index == 0 && label.len() > TOP_LEVEL {
            return Err(ParseError::new(ParseErrorKind::LimitExceeded, offset));
        }
        offset = offset.saturating_add(label.len()).saturating_add(1);
    }
    Ok(())
}

fn is_within(own: &str, service: &str) -> bool {
    own.split_at_checked(service.len()).is_some_and(|(start, rest)| {
        start.eq_ignore_ascii_case(service) && (rest.is_empty() || rest.starts_with('.'))
    })
}
