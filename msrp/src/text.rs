//! Text that is a slice of shared octets.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::str::Utf8Error;

use bytes::Bytes;

/// UTF-8 text in shared octets: cloning and slicing copy nothing.
///
/// The octets are checked once, at construction; [`as_str`](Self::as_str) checks again instead of trusting, which
/// costs some nanoseconds and saves `unsafe` code.
///
/// ```
/// use bytes::Bytes;
/// use msrp::ByteStr;
///
/// let line = ByteStr::try_from(Bytes::from_static(b"Message-ID: 4564dpWd"))?;
/// let (_, id) = line.split_once(": ").unwrap_or_default();
/// let id = line.slice_of(id);
/// assert_eq!(id, "4564dpWd");
/// # Ok::<(), std::str::Utf8Error>(())
/// ```
#[derive(Clone, Default)]
pub struct ByteStr(Bytes);

impl ByteStr {
    /// The empty text.
    pub const fn new() -> Self {
        Self(Bytes::new())
    }

    /// Text that lives as long as the program.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// The text copied out of its buffer, so that it no longer keeps that alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The octets.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The octets, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The shared form of `part`, which is a part of this text; a copy where it is not.
    #[must_use]
    pub fn slice_of(&self, part: &str) -> Self {
        if part.is_empty() {
            return Self::new();
        }
        let start = part.as_ptr().addr().checked_sub(self.0.as_ptr().addr());
        match start.and_then(|start| Some(start..start.checked_add(part.len())?)) {
            Some(range) if range.end <= self.0.len() => Self(self.0.slice(range)),
            _ => Self(Bytes::copy_from_slice(part.as_bytes())),
        }
    }
}

impl Deref for ByteStr {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for ByteStr {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<[u8]> for ByteStr {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<str> for ByteStr {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for ByteStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for ByteStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl PartialEq for ByteStr {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for ByteStr {}

impl PartialEq<str> for ByteStr {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for ByteStr {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialOrd for ByteStr {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByteStr {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

// As for `str`, so that maps keyed by `ByteStr` can be asked with a `&str`.
impl Hash for ByteStr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl From<&str> for ByteStr {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for ByteStr {
    fn from(text: String) -> Self {
        Self(Bytes::from(text.into_bytes()))
    }
}

impl TryFrom<Bytes> for ByteStr {
    type Error = Utf8Error;
    fn try_from(octets: Bytes) -> Result<Self, Utf8Error> {
        std::str::from_utf8(&octets)?;
        Ok(Self(octets))
    }
}

impl From<ByteStr> for Bytes {
    fn from(text: ByteStr) -> Self {
        text.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_shares_the_buffer_and_a_stranger_is_copied() {
        let text = ByteStr::from("one two");
        let two = text.slice_of(text.get(4..).unwrap());
        assert_eq!(two, "two");
        assert_eq!(
            two.as_bytes().as_ptr(),
            text.as_bytes().get(4..).unwrap().as_ptr()
        );
        let stranger = String::from("two");
        assert_eq!(text.slice_of(&stranger), "two");
        assert_eq!(text.slice_of(""), "");
    }

    #[test]
    fn octets_that_are_not_utf8_are_refused() {
        assert!(ByteStr::try_from(Bytes::from_static(b"\xff")).is_err());
    }
}
