//! `To-Path` and `From-Path` (RFC 4975 section 7.1).

use std::fmt;

use super::{Header, ParseError, ParseErrorKind};
use crate::Uri;
use crate::text::ByteStr;

/// Where a message goes: the next hop first, the destination last; at least one URI.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ToPath(Vec<Uri>);

/// Where a message came from: the last hop first, the sender last; at least one URI.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FromPath(Vec<Uri>);

macro_rules! path {
    ($type:ident, $name:literal) => {
        impl $type {
            /// Makes a path of URIs, if there is one at least.
            pub fn new(uris: Vec<Uri>) -> Option<Self> {
                if uris.is_empty() {
                    None
                } else {
                    Some(Self(uris))
                }
            }

            /// Returns the URIs.
            pub fn uris(&self) -> &[Uri] {
                &self.0
            }

            /// Returns the URIs.
            pub fn into_uris(self) -> Vec<Uri> {
                self.0
            }
        }

        impl Header for $type {
            const NAME: &'static str = $name;

            fn parse(value: &ByteStr) -> Result<Self, ParseError> {
                parse(value.as_str()).map(Self)
            }

            fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
                write(&self.0, out)
            }
        }
    };
}

path!(ToPath, "To-Path");
path!(FromPath, "From-Path");

/// The most URIs that a path is read with; the limit of an endpoint may be lower.
const MAX: usize = 32;

pub(super) fn parse(text: &str) -> Result<Vec<Uri>, ParseError> {
    let mut uris = Vec::with_capacity(1);
    let mut offset = 0_usize;
    for part in text.split(' ') {
        // One space parts URIs; a few peers write more, or one at the end.
        if !part.is_empty() {
            if uris.len() >= MAX {
                return Err(ParseError::new(ParseErrorKind::TooLarge, offset));
            }
            let uri = Uri::parse(part)
                .map_err(|error| ParseError::new(ParseErrorKind::Uri, offset.saturating_add(error.offset)))?;
            uris.push(uri);
        }
        offset = offset.saturating_add(part.len()).saturating_add(1);
    }
    if uris.is_empty() {
        return Err(ParseError::new(ParseErrorKind::Unexpected, 0));
    }
    Ok(uris)
}

pub(super) fn write(uris: &[Uri], out: &mut impl fmt::Write) -> fmt::Result {
    for (at, uri) in uris.iter().enumerate() {
        if at > 0 {
            out.write_char(' ')?;
        }
        out.write_str(uri.as_str())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_keep_their_order() {
        let text = "msrps://r.example:9000/a;tcp msrp://h:1/b;tcp";
        let path = ToPath::parse(&ByteStr::from_static(text)).unwrap();
        assert_eq!(
            path.uris().iter().map(Uri::host).collect::<Vec<_>>(),
            ["r.example", "h"]
        );
        let mut written = String::new();
        path.write(&mut written).unwrap();
        assert_eq!(written, text);
    }

    #[test]
    fn errors_tell_the_place_in_the_whole_path() {
        let error = FromPath::parse(&ByteStr::from_static("msrp://h:1/b;tcp msrp://h:x/b;tcp")).unwrap_err();
        assert_eq!(error, ParseError::new(ParseErrorKind::Uri, 25));
        assert!(ToPath::parse(&ByteStr::from_static(" ")).is_err());
        assert!(ToPath::parse(&ByteStr::from("msrp://h:1;tcp ".repeat(33))).is_err());
        assert!(ToPath::new(Vec::new()).is_none());
    }
}
