//! Entity tags: minting, and the conditions that requests put on them (RFC 4825 section 8.5).

use std::fmt;

use sha2::Digest as _;

/// The entity tag of a document and of everything in it; the text between the quotes.
///
/// # Examples
///
/// ```
/// use im_xdm_model::xcap::ETag;
///
/// let etag = ETag::of(b"<a/>");
/// assert_eq!(etag, ETag::of(b"<a/>"));
/// assert_ne!(etag, ETag::of(b"<b/>"));
/// assert!(etag.to_string().starts_with('"'));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ETag(String);

impl ETag {
    /// Mints the tag of a text, from the text alone.
    ///
    /// The tag is the beginning of the text's SHA-256, so it tells all texts apart, also those made to look alike.
    pub fn of(text: &[u8]) -> Self {
        use std::fmt::Write as _;
        let mut tag = String::with_capacity(32);
        for byte in sha2::Sha256::digest(text).iter().take(16) {
            // Writing to a string does not fail.
            let _ = write!(tag, "{byte:02x}");
        }
        Self(tag)
    }

    /// Takes a tag that a host has kept; quotes around it do not count.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let text = text
            .strip_prefix('"')
            .and_then(|t| t.strip_suffix('"'))
            .map_or(text.clone(), str::to_owned);
        Self(text.chars().filter(|c| *c != '"' && !c.is_control()).collect())
    }

    /// Returns the text between the quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// Tells whether an `If-Match` value holds; weak tags never match.
pub(crate) fn if_match_holds(value: &str, current: Option<&ETag>) -> bool {
    let Some(current) = current else { return false };
    value.trim() == "*" || tags(value).any(|(weak, tag)| !weak && tag == current.as_str())
}

/// Tells whether an `If-None-Match` value holds.
pub(crate) fn if_none_match_holds(value: &str, current: Option<&ETag>) -> bool {
    let Some(current) = current else { return true };
    value.trim() != "*" && !tags(value).any(|(_, tag)| tag == current.as_str())
}

/// Splits a list of tags; a tag without quotes, as some clients send, reads up to the comma.
fn tags(value: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut rest = value;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return None;
        }
        let (weak, tag) = match rest.strip_prefix("W/") {
            Some(tag) => (true, tag),
            None => (false, rest),
        };
        if let Some((tag, after)) = tag.strip_prefix('"').and_then(|t| t.split_once('"')) {
            rest = after;
            return Some((weak, tag));
        }
        let (tag, after) = tag.split_once(',').unwrap_or((tag, ""));
        rest = after;
        Some((weak, tag.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_compare_with_the_current_tag() {
        let tag = ETag::new("\"a,b\"");
        assert!(if_match_holds("\"x\", \"a,b\"", Some(&tag)));
        assert!(if_match_holds("*", Some(&tag)));
        assert!(!if_match_holds("W/\"a,b\"", Some(&tag)));
        assert!(!if_match_holds("*", None));
        assert!(!if_none_match_holds("W/\"a,b\"", Some(&tag)));
        assert!(!if_none_match_holds("*", Some(&tag)));
        assert!(if_none_match_holds("*", None));
        assert!(if_match_holds("plain", Some(&ETag::new("plain"))));
    }
}
