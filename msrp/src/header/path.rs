//! `To-Path` and `From-Path` (RFC 4975 section 7.1).

use std::fmt;

use super::{Header, ParseError, ParseErrorKind};
use crate::uri::{self, Parts};
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
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct PathRef<'a> {
    /// Begins with the first URI; known to be URIs and spaces.
    text: &'a [u8],
    parts: PathParts,
}

/// What is known of a path that was read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct PathParts {
    first: Parts,
    first_length: u16,
    /// How many URIs; 0 if nothing is known.
    length: u16,
}

impl PathParts {
    /// Reads the path at the beginning of `octets` that a line end follows, and says how long it is. A head is read in
    /// one go that way; whatever is not so plain is left to [`PathRef::parse`].
    #[inline]
    pub(crate) fn read_in_line(&mut self, octets: &[u8]) -> Option<usize> {
        self.length = 0;
        let mut at = uri::read_in_line(octets, &mut self.first)?;
        self.first_length = u16::try_from(at).ok()?;
        let mut length = 1_u16;
        while octets.get(at) == Some(&b' ') {
            at = at.checked_add(1)?;
            let more = uri::read_in_line(octets.get(at..)?, &mut Parts::default())?;
            at = at.checked_add(more)?;
            length = length.checked_add(1)?;
        }
        let is_plain = usize::from(length) <= MAX && octets.get(at..)?.starts_with(b"\r\n");
        if is_plain {
            self.length = length;
        }
        is_plain.then_some(at)
    }

    pub(crate) fn is_known(&self) -> bool {
        self.length > 0
    }

    pub(crate) fn forget(&mut self) {
        self.length = 0;
    }
}

impl<'a> PathRef<'a> {
    /// Reads a path.
    ///
    /// # Errors
    ///
    /// Fails, saying where, when the text is not a list of one to 32 URIs.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        let mut path: Option<PathRef<'a>> = None;
        let mut offset = 0_usize;
        for part in text.split(' ') {
            // One space parts URIs; a few peers write more, or one at the end.
            if !part.is_empty() {
                let before = path.map_or(0, PathRef::len);
                if before >= MAX {
                    return Err(ParseError::new(ParseErrorKind::TooLarge, offset));
                }
                let uri = UriRef::parse(part).map_err(|error| {
                    ParseError::new(ParseErrorKind::Uri, offset.saturating_add(error.offset))
                })?;
                match &mut path {
                    Some(path) => path.parts.length = path.parts.length.saturating_add(1),
                    None => {
                        path = Some(Self {
                            text: text.as_bytes().get(offset..).unwrap_or_default(),
                            parts: PathParts {
                                first: uri.parts(),
                                first_length: u16::try_from(part.len()).unwrap_or(u16::MAX),
                                length: 1,
                            },
                        });
                    }
                }
            }
            offset = offset.saturating_add(part.len()).saturating_add(1);
        }
        path.ok_or(ParseError::new(ParseErrorKind::Unexpected, 0))
    }

    /// The path of which all is known already.
    pub(super) fn of_parts(text: &'a [u8], parts: PathParts) -> Self {
        Self { text, parts }
    }

    /// Returns the first URI: of a `To-Path` the next hop, of a `From-Path` the last one.
    pub fn first(self) -> UriRef<'a> {
        let text = self.text.get(..usize::from(self.parts.first_length));
        UriRef::of_parts(text.unwrap_or_default(), self.parts.first)
    }

    /// Iterates over the URIs.
    pub fn uris(self) -> impl Iterator<Item = UriRef<'a>> {
        let rest = self.text.get(usize::from(self.parts.first_length)..);
        let rest = rest.unwrap_or_default().split(|&octet| octet == b' ');
        let rest = rest.filter(|part| !part.is_empty());
        std::iter::once(self.first())
            .chain(rest.filter_map(|part| UriRef::parse(std::str::from_utf8(part).ok()?).ok()))
    }

    /// Returns the number of URIs, one at least.
    #[expect(clippy::len_without_is_empty, reason = "a path has one URI at least")]
    pub fn len(self) -> usize {
        usize::from(self.parts.length)
    }

    /// Returns the path as it was written, from its first URI on.
    pub fn as_str(self) -> &'a str {
        std::str::from_utf8(self.text).unwrap_or_default()
    }
}

impl fmt::Debug for PathRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.uris()).finish()
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
