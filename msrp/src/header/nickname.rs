//! `Use-Nickname` (RFC 7701 section 7).

use std::fmt;

use super::{Header, ParseError, ParseErrorKind, content, unquoted};
use crate::text::ByteStr;

/// The nickname that is asked for; empty to give up the one in use.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the header is this")]
pub struct UseNickname(pub ByteStr);

impl Header for UseNickname {
    const NAME: &'static str = "Use-Nickname";

    /// Takes a quoted string, and leniently also a bare word.
    fn parse(text: &str) -> Result<Self, ParseError> {
        if text.starts_with('"') && (text.len() < 2 || !text.ends_with('"')) {
            return Err(ParseError::new(ParseErrorKind::Unexpected, text.len()));
        }
        Ok(Self(ByteStr::from(unquoted(text).into_owned())))
    }

    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        out.write_str(&content::quoted_string(self.0.as_str()).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nicknames_are_quoted() {
        for name in ["Alice the great", "", "a\"b\\c", "Grün"] {
            let mut written = String::new();
            UseNickname(ByteStr::from(name.to_owned()))
                .write(&mut written)
                .unwrap();
            assert!(written.starts_with('"'));
            assert_eq!(
                UseNickname::parse(&ByteStr::from(written)).unwrap().0.as_str(),
                name
            );
        }
        assert!(UseNickname::parse(&ByteStr::from_static("\"open")).is_err());
        assert!(
            UseNickname(ByteStr::from_static("a\r\nb"))
                .write(&mut String::new())
                .is_err()
        );
    }
}
