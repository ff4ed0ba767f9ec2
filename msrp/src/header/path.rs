//! `To-Path` and `From-Path` (RFC 4975 section 7.1).

use std::fmt;

use super::{Header, ParseError, ParseErrorKind};
use crate::{Uri, UriRef};

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

            fn parse(value: &str) -> Result<Self, ParseError> {
                parse(value).map(Self)
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
    Ok(PathRef::parse(text)?.uris().map(UriRef::to_uri).collect())
}

/// A path that is looked at where it stands, in either direction. Reading one allocates nothing.
///
/// ```
/// use msrp::header::{Headers, PathRef};
///
/// let mut headers = Headers::default();
/// headers.push("To-Path", "msrps://r.example:9000/a;tcp msrp://h:1/b;tcp")?;
/// let path = headers.to_path()?;
/// assert_eq!((path.first().host(), path.len()), ("r.example", 2));
/// assert_eq!(path.uris().last().map(|uri| uri.host()), Some("h"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PathRef<'a> {
    first: UriRef<'a>,
    /// What follows the first, known to be URIs.
    rest: &'a str,
    length: usize,
}

impl<'a> PathRef<'a> {
    /// Reads a path.
    ///
    /// # Errors
    ///
    /// Fails, saying where, when the text is not a list of one to 32 URIs.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        let mut first = None;
        let mut behind = text.len();
        let mut length = 0_usize;
        let mut offset = 0_usize;
        for part in text.split(' ') {
            // One space parts URIs; a few peers write more, or one at the end.
            if !part.is_empty() {
                if length >= MAX {
                    return Err(ParseError::new(ParseErrorKind::TooLarge, offset));
                }
                let uri = UriRef::parse(part).map_err(|error| {
                    ParseError::new(ParseErrorKind::Uri, offset.saturating_add(error.offset))
                })?;
                length = length.saturating_add(1);
                if first.is_none() {
                    first = Some(uri);
                    behind = offset.saturating_add(part.len());
                }
            }
            offset = offset.saturating_add(part.len()).saturating_add(1);
        }
        Ok(Self {
            first: first.ok_or(ParseError::new(ParseErrorKind::Unexpected, 0))?,
            rest: text.get(behind..).unwrap_or_default(),
            length,
        })
    }

    /// Returns the first URI: of a `To-Path` the next hop, of a `From-Path` the last one.
    pub fn first(self) -> UriRef<'a> {
        self.first
    }

    /// Iterates over the URIs.
    pub fn uris(self) -> impl Iterator<Item = UriRef<'a>> {
        let rest = self.rest.split(' ').filter(|part| !part.is_empty());
        std::iter::once(self.first).chain(rest.filter_map(|part| UriRef::parse(part).ok()))
    }

    /// Returns the number of URIs, one at least.
    #[expect(clippy::len_without_is_empty, reason = "a path has one URI at least")]
    pub fn len(self) -> usize {
        self.length
    }
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
        let path = ToPath::parse(text).unwrap();
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
        let error = FromPath::parse("msrp://h:1/b;tcp msrp://h:x/b;tcp").unwrap_err();
        assert_eq!(error, ParseError::new(ParseErrorKind::Uri, 25));
        assert!(ToPath::parse(" ").is_err());
        assert!(ToPath::parse(&"msrp://h:1;tcp ".repeat(33)).is_err());
        assert!(ToPath::new(Vec::new()).is_none());
    }
}
