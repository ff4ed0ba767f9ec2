//! A reader of one header field value.
//!
//! It is written by hand and not with a parser combinator because of three things that all values share: white space is
//! allowed round separators, an error tells the octet it is at, and a piece of the value is a slice of it, without a
//! copy. It never goes back further than the start of one token, so reading is linear in the length of the value.

use core::ops::Range;

use super::octets::{is_quoted_byte, is_token_byte, run, skip_blank};
use crate::ByteStr;
use crate::error::{ParseError, ParseErrorKind};

/// A piece of `source`. The ranges come from reading the same text, so they lie inside it.
pub(crate) fn piece(source: &ByteStr, range: Range<usize>) -> ByteStr {
    source.slice_of(source.as_str().get(range).unwrap_or_default())
}

/// Reads an unsigned decimal number that fills `text`: digits only, no sign, no white space, no overflow.
///
/// This is the one routine for numbers of the wire; framing and header fields both use it, so that they cannot differ.
pub(crate) fn decimal(text: &str) -> Result<u64, ParseError> {
    if text.is_empty() {
        return Err(ParseError::new(ParseErrorKind::Empty, 0));
    }
    let mut value: u64 = 0;
    for (offset, byte) in text.bytes().enumerate() {
        if !byte.is_ascii_digit() {
            return Err(ParseError::new(ParseErrorKind::UnexpectedText, offset));
        }
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(u64::from(byte.wrapping_sub(b'0'))))
            .ok_or(ParseError::new(ParseErrorKind::NumberOutOfRange, offset))?;
    }
    Ok(value)
}

/// [`decimal`], for numbers that a type narrower than 64 bits holds.
pub(crate) fn decimal_as<T: TryFrom<u64>>(text: &str) -> Result<T, ParseError> {
    T::try_from(decimal(text)?).map_err(|_| ParseError::new(ParseErrorKind::NumberOutOfRange, 0))
}

#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    /// What slices are taken of; without it they are copies.
    source: Option<&'a ByteStr>,
    text: &'a str,
    at: usize,
    /// A comma ends the value.
    list: bool,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(source: &'a ByteStr) -> Self {
        Self {
            source: Some(source),
            text: source.as_str(),
            at: 0,
            list: false,
        }
    }

    /// A cursor that is read for views, from `at` on; in a list a comma ends the value.
    #[inline]
    pub(crate) fn over(text: &'a str, at: usize, list: bool) -> Self {
        Self {
            source: None,
            text,
            at,
            list,
        }
    }

    #[inline]
    pub(crate) fn is_list(&self) -> bool {
        self.list
    }

    #[inline]
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// Goes on at `at`, which is in the text.
    #[inline]
    pub(crate) fn move_to(&mut self, at: usize) {
        self.at = at;
    }

    /// A piece of the text as a slice of the source.
    pub(crate) fn share(&self, piece: &'a str) -> ByteStr {
        match self.source {
            Some(source) => source.slice_of(piece),
            None => ByteStr::from(piece),
        }
    }

    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    #[inline]
    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn octets_from(&self, at: usize) -> &'a [u8] {
        self.text.as_bytes().get(at..).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    pub(crate) fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    /// The text from `start` to here, as a slice of the source.
    pub(crate) fn since(&self, start: usize) -> ByteStr {
        self.slice(start, self.at)
    }

    pub(crate) fn slice(&self, start: usize, end: usize) -> ByteStr {
        self.share(self.text_between(start, end))
    }

    #[inline]
    pub(crate) fn text_between(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    pub(crate) fn fail<T>(&self, kind: ParseErrorKind) -> Result<T, ParseError> {
        Err(ParseError::new(kind, self.at))
    }

    /// The error for text that does not fit: it ends, or something else stands there.
    pub(crate) fn unexpected<T>(&self) -> Result<T, ParseError> {
        self.fail(if self.is_at_end() {
            ParseErrorKind::UnexpectedEnd
        } else {
            ParseErrorKind::UnexpectedText
        })
    }

    /// Takes the longest run of matching octets. Only for predicates that are false for all, or true for all,
    /// octets above 127: the run then ends between two characters.
    #[inline]
    pub(crate) fn take_while(&mut self, matches: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        self.at = run(self.text.as_bytes(), start, matches);
        self.text_between(start, self.at)
    }

    #[inline]
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at = self.at.saturating_add(1);
        }
        found
    }

    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), ParseError> {
        if self.eat(byte) { Ok(()) } else { self.unexpected() }
    }

    /// Skips white space and tells whether there was any.
    #[inline]
    pub(crate) fn space(&mut self) -> bool {
        if !matches!(self.peek(), Some(b' ' | b'\t')) {
            return false;
        }
        self.at = run(self.text.as_bytes(), self.at, |byte| matches!(byte, b' ' | b'\t'));
        true
    }

    /// Takes `byte` with white space round it; without `byte` nothing is taken.
    #[inline]
    pub(crate) fn separator(&mut self, byte: u8) -> bool {
        let octets = self.text.as_bytes();
        let found = skip_blank(octets, self.at);
        if octets.get(found) != Some(&byte) {
            return false;
        }
        self.at = skip_blank(octets, found.saturating_add(1));
        true
    }

    pub(crate) fn expect_separator(&mut self, byte: u8) -> Result<(), ParseError> {
        if self.separator(byte) {
            return Ok(());
        }
        self.space();
        self.unexpected()
    }

    #[inline]
    pub(crate) fn token(&mut self) -> Result<&'a str, ParseError> {
        let token = self.take_while(is_token_byte);
        if token.is_empty() {
            self.unexpected()
        } else {
            Ok(token)
        }
    }

    pub(crate) fn number<T: TryFrom<u64>>(&mut self) -> Result<T, ParseError> {
        let start = self.at;
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if digits.is_empty() {
            return self.unexpected();
        }
        decimal_as(digits).map_err(|error| error.shifted(start))
    }

    /// Takes a quoted string, quotes and escapes as they stand.
    pub(crate) fn quoted_string(&mut self) -> Result<&'a str, ParseError> {
        let start = self.at;
        self.expect(b'"')?;
        loop {
            self.take_while(is_quoted_byte);
            match self.peek() {
                Some(b'"') => {
                    self.at = self.at.saturating_add(1);
                    return Ok(self.text.get(start..self.at).unwrap_or_default());
                }
                Some(b'\\') => {
                    // quoted-pair = "\" (%x00-09 / %x0B-0C / %x0E-7F)
                    self.at = self.at.saturating_add(1);
                    match self.peek() {
                        Some(byte) if byte.is_ascii() && byte != b'\r' && byte != b'\n' => {
                            self.at = self.at.saturating_add(1);
                        }
                        Some(_) => return self.fail(ParseErrorKind::UnexpectedText),
                        None => return Err(ParseError::new(ParseErrorKind::Unbalanced, start)),
                    }
                }
                Some(_) => return self.fail(ParseErrorKind::ControlCharacter),
                None => return Err(ParseError::new(ParseErrorKind::Unbalanced, start)),
            }
        }
    }

    /// Takes a quoted string and gives what is in it, as a slice of the source if it has no escapes.
    pub(crate) fn unquoted_string(&mut self) -> Result<ByteStr, ParseError> {
        let quoted = self.quoted_string()?;
        Ok(self.share_unquoted(quoted))
    }

    /// What is in a quoted string, or text that is none, as a slice of the source if it has no escapes.
    pub(crate) fn share_unquoted(&self, text: &'a str) -> ByteStr {
        match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            None => self.share(text),
            Some(inner) if inner.as_bytes().contains(&b'\\') => ByteStr::from(unquote(text)),
            Some(inner) => self.share(inner),
        }
    }

    /// Takes a comment with the comments inside it, counted and not by recursion.
    pub(crate) fn comment(&mut self) -> Result<&'a str, ParseError> {
        let start = self.at;
        self.expect(b'(')?;
        let mut depth: usize = 1;
        while depth > 0 {
            self.take_while(|byte| !matches!(byte, b'(' | b')' | b'\\'));
            match self.peek() {
                Some(b'(') => depth = depth.saturating_add(1),
                Some(b')') => depth = depth.saturating_sub(1),
                Some(_) => {
                    self.at = self.at.saturating_add(1);
                    if !self.peek().is_some_and(|byte| byte.is_ascii()) {
                        return self.unexpected();
                    }
                }
                None => return Err(ParseError::new(ParseErrorKind::Unbalanced, start)),
            }
            self.at = self.at.saturating_add(1);
        }
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    /// Checks that nothing but white space is left.
    pub(crate) fn finish(mut self) -> Result<(), ParseError> {
        self.space();
        if self.is_at_end() {
            Ok(())
        } else {
            self.fail(ParseErrorKind::TrailingText)
        }
    }
}

/// Takes the quotes and escapes off a quoted string; other text comes back as it is.
pub(crate) fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return text.to_owned();
    };
    let mut out = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.extend(characters.next()),
            other => out.push(other),
        }
    }
    out
}

/// Writes `text` as a quoted string. Line ends, which a quoted string cannot hold, become spaces; other control
/// characters are escaped.
pub(crate) fn write_quoted(out: &mut dyn core::fmt::Write, text: &str) -> core::fmt::Result {
    out.write_char('"')?;
    for character in text.chars() {
        match character {
            '\r' | '\n' => out.write_char(' ')?,
            '"' | '\\' => {
                out.write_char('\\')?;
                out.write_char(character)?;
            }
            '\t' => out.write_char('\t')?,
            control if control.is_ascii_control() => {
                out.write_char('\\')?;
                out.write_char(control)?;
            }
            other => out.write_char(other)?,
        }
    }
    out.write_char('"')
}

/// Writes `text` with an escape for each octet that `plain` does not allow, so that it cannot end its place.
pub(crate) fn write_escaped(
    out: &mut dyn core::fmt::Write,
    text: &str,
    plain: impl Fn(u8) -> bool,
) -> core::fmt::Result {
    for byte in text.bytes() {
        if plain(byte) {
            out.write_char(char::from(byte))?;
        } else {
            write!(out, "%{byte:02X}")?;
        }
    }
    Ok(())
}

/// Finds the element of a comma-separated value that starts at `start`: its range, and where the next one starts.
/// Commas inside quoted strings and angle brackets do not split, and white space round an element is not part of it.
pub(crate) fn list_element(text: &str, start: usize) -> (Range<usize>, Option<usize>) {
    let rest = text.get(start..).unwrap_or_default();
    let (mut quoted, mut escaped, mut bracket) = (false, false, false);
    let end = rest.bytes().position(|byte| {
        if escaped {
            escaped = false;
            return false;
        }
        match byte {
            b'\\' if quoted => escaped = true,
            b'"' if !bracket => quoted = !quoted,
            b'<' if !quoted => bracket = true,
            b'>' if !quoted => bracket = false,
            b',' => return !quoted && !bracket,
            _ => {}
        }
        false
    });
    #[cfg(test)]
    super::octets::work::add(end.unwrap_or(rest.len()));
    let element = end.map_or(rest, |end| rest.get(..end).unwrap_or_default());
    let next = end.map(|end| start.saturating_add(end).saturating_add(1));
    let blank = element
        .len()
        .saturating_sub(element.trim_start_matches([' ', '\t']).len());
    let begin = start.saturating_add(blank);
    (
        begin..begin.saturating_add(element.trim_matches([' ', '\t']).len()),
        next,
    )
}

/// All elements of a comma-separated value.
pub(crate) fn split_list(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = Some(0);
    core::iter::from_fn(move || {
        let (range, next) = list_element(text, start?);
        start = next;
        Some(range)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_number_has_digits_and_nothing_else() {
        assert_eq!(decimal("0"), Ok(0));
        assert_eq!(decimal("007"), Ok(7));
        assert_eq!(decimal("18446744073709551615"), Ok(u64::MAX));
        for bad in [
            "",
            "+2",
            "-2",
            "2x",
            " 2",
            "2 ",
            "18446744073709551616",
            "99999999999999999999999",
            "٣",
        ] {
            assert!(decimal(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn commas_in_quotes_and_brackets_do_not_split() {
        let text = r#" "a, \", b" <sip:x,y@z> ;p="1,2" , <b> ,c"#;
        let parts: Vec<&str> = split_list(text).filter_map(|range| text.get(range)).collect();
        assert_eq!(parts, [r#""a, \", b" <sip:x,y@z> ;p="1,2""#, "<b>", "c"]);
    }

    #[test]
    fn a_quote_that_is_never_closed_is_refused() {
        for bad in [r#""abc"#, r#""abc\"#, r#""abc\""#, r#"""#] {
            let text = ByteStr::from(bad.to_owned());
            assert!(Cursor::new(&text).quoted_string().is_err(), "{bad}");
        }
    }

    #[test]
    fn unquoting_undoes_quoting() {
        let mut out = String::new();
        write_quoted(&mut out, "a\"b\\c\0d é").unwrap();
        assert_eq!(unquote(&out), "a\"b\\c\0d é");
    }
}
