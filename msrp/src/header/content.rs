//! Content-Type and its kin: the one grammar of MIME header fields, which SIP uses too (RFC 2045 5.1, RFC 2183 2).
//!
//! Tokens, quoted strings and parameters are read here and nowhere else. Values are kept as they were written, so that
//! what nobody changes is written back as it came.

use std::borrow::Cow;
use std::fmt;

use crate::ByteStr;

/// Why a media type, disposition or parameter list could not be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
#[non_exhaustive]
pub struct ContentError {
    /// What is wrong.
    pub kind: ContentErrorKind,
    /// Where, in octets from the start of the value.
    pub offset: usize,
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentErrorKind {
    /// A token was expected.
    #[error("expected a token")]
    Token,
    /// A slash between type and subtype was expected.
    #[error("expected a slash")]
    Slash,
    /// A parameter value was expected.
    #[error("expected a parameter value")]
    Value,
    /// A quoted string does not end, or holds a control character.
    #[error("malformed quoted string")]
    QuotedString,
    /// Something follows where a semicolon or the end was expected.
    #[error("unexpected text")]
    Unexpected,
    /// A parameter is there twice.
    #[error("repeated parameter")]
    Repeated,
    /// There are more parameters than anyone needs.
    #[error("too many parameters")]
    TooMany,
}

/// The most parameters a value may have.
pub const MAX_PARAMETERS: usize = 64;

/// A media type with its parameters: `text/plain;charset=utf-8`.
///
/// Types, subtypes and parameter names are compared without regard to case; a range such as `text/*` is a media type
/// with `*` in it.
///
/// ```
/// use msrp::header::content::ContentType;
///
/// let content_type = ContentType::parse(r#"multipart/mixed; boundary="a b""#)?;
/// assert!(content_type.is("multipart", "mixed"));
/// assert_eq!(content_type.parameter("boundary").as_deref(), Some("a b"));
/// # Ok::<(), msrp::header::content::ContentError>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ContentType {
    type_: ByteStr,
    subtype: ByteStr,
    parameters: Parameters,
}

impl ContentType {
    /// A media type without parameters.
    ///
    /// # Errors
    ///
    /// Fails when either name is not a token.
    pub fn new(type_: &str, subtype: &str) -> Result<Self, ContentError> {
        for name in [type_, subtype] {
            if !is_token(name) {
                return Err(ContentError {
                    kind: ContentErrorKind::Token,
                    offset: 0,
                });
            }
        }
        Ok(Self {
            type_: type_.into(),
            subtype: subtype.into(),
            parameters: Parameters::default(),
        })
    }

    /// `text/plain`.
    pub fn text_plain() -> Self {
        Self::of("text", "plain")
    }

    /// `message/cpim`.
    pub fn message_cpim() -> Self {
        Self::of("message", "cpim")
    }

    /// `application/sdp`.
    pub fn application_sdp() -> Self {
        Self::of("application", "sdp")
    }

    fn of(type_: &'static str, subtype: &'static str) -> Self {
        Self {
            type_: ByteStr::from_static(type_),
            subtype: ByteStr::from_static(subtype),
            parameters: Parameters::default(),
        }
    }

    /// Reads a whole header field value.
    ///
    /// # Errors
    ///
    /// Fails when it is not a media type, or something follows it.
    pub fn parse(value: &str) -> Result<Self, ContentError> {
        let mut scanner = Scanner::new(value);
        scanner.space();
        let type_ = scanner.token()?;
        scanner.space();
        scanner.expect(b'/', ContentErrorKind::Slash)?;
        scanner.space();
        let subtype = scanner.token()?;
        let parameters = Parameters::scan(&mut scanner)?;
        Ok(Self {
            type_: type_.into(),
            subtype: subtype.into(),
            parameters,
        })
    }

    /// The type, as written.
    pub fn type_(&self) -> &str {
        &self.type_
    }

    /// The subtype, as written.
    pub fn subtype(&self) -> &str {
        &self.subtype
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// A parameter's value without quotes.
    pub fn parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        self.parameters.get(name)
    }

    /// The same media type with one more parameter, or another value for it.
    ///
    /// # Errors
    ///
    /// Fails when `name` is not a token or `value` holds a control character.
    pub fn with_parameter(mut self, name: &str, value: &str) -> Result<Self, ContentError> {
        self.parameters.set(name, value)?;
        Ok(self)
    }

    /// Whether this is the media type `type_/subtype`, whatever its parameters.
    pub fn is(&self, type_: &str, subtype: &str) -> bool {
        self.type_.eq_ignore_ascii_case(type_) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// Whether this media type falls within `range`: `*`, `*/*`, `text/*` or `text/plain`.
    ///
    /// Parameters of the range are not compared: in `a=accept-types` there are none.
    pub fn matches(&self, range: &str) -> bool {
        let range = range.split(';').next().unwrap_or_default().trim();
        if range == "*" {
            return true;
        }
        let Some((type_, subtype)) = range.split_once('/') else {
            return false;
        };
        (type_ == "*" || self.type_.eq_ignore_ascii_case(type_))
            && (subtype == "*" || self.subtype.eq_ignore_ascii_case(subtype))
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.type_, self.subtype, self.parameters)
    }
}

impl std::str::FromStr for ContentType {
    type Err = ContentError;
    fn from_str(value: &str) -> Result<Self, ContentError> {
        Self::parse(value)
    }
}

/// A disposition with its parameters: `recipient-list;handling=required` (RFC 2183, RFC 3261 20.11).
///
/// ```
/// use msrp::header::content::ContentDisposition;
///
/// let disposition = ContentDisposition::parse("notification")?;
/// assert!(disposition.is("Notification"));
/// # Ok::<(), msrp::header::content::ContentError>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ContentDisposition {
    disposition: ByteStr,
    parameters: Parameters,
}

impl ContentDisposition {
    /// A disposition without parameters.
    ///
    /// # Errors
    ///
    /// Fails when `disposition` is not a token.
    pub fn new(disposition: &str) -> Result<Self, ContentError> {
        if !is_token(disposition) {
            return Err(ContentError {
                kind: ContentErrorKind::Token,
                offset: 0,
            });
        }
        Ok(Self {
            disposition: disposition.into(),
            parameters: Parameters::default(),
        })
    }

    /// Reads a whole header field value.
    ///
    /// # Errors
    ///
    /// Fails when it is not a disposition, or something follows it.
    pub fn parse(value: &str) -> Result<Self, ContentError> {
        let mut scanner = Scanner::new(value);
        scanner.space();
        let disposition = scanner.token()?;
        let parameters = Parameters::scan(&mut scanner)?;
        Ok(Self {
            disposition: disposition.into(),
            parameters,
        })
    }

    /// The disposition, as written.
    pub fn disposition(&self) -> &str {
        &self.disposition
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// A parameter's value without quotes.
    pub fn parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        self.parameters.get(name)
    }

    /// The same disposition with one more parameter, or another value for it.
    ///
    /// # Errors
    ///
    /// Fails when `name` is not a token or `value` holds a control character.
    pub fn with_parameter(mut self, name: &str, value: &str) -> Result<Self, ContentError> {
        self.parameters.set(name, value)?;
        Ok(self)
    }

    /// Whether this is the disposition `name`, without regard to case.
    pub fn is(&self, name: &str) -> bool {
        self.disposition.eq_ignore_ascii_case(name)
    }

    /// Whether a receiver that does not understand the part may ignore it (`handling=optional`, RFC 3204 6).
    pub fn is_optional(&self) -> bool {
        self.parameter("handling")
            .is_some_and(|value| value.eq_ignore_ascii_case("optional"))
    }
}

impl fmt::Display for ContentDisposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.disposition, self.parameters)
    }
}

/// Parameters in order, each value as it was written.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Parameters(Vec<(ByteStr, ByteStr)>);

impl Parameters {
    /// A parameter's value without quotes.
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.0
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| unquote(value))
    }

    /// Names and values, the values without quotes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), unquote(value)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets a parameter; its value is quoted where it has to be.
    ///
    /// # Errors
    ///
    /// Fails when `name` is not a token, `value` holds a control character, or there are too many parameters.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ContentError> {
        if !is_token(name) {
            return Err(ContentError {
                kind: ContentErrorKind::Token,
                offset: 0,
            });
        }
        let written = quote(value)?;
        if let Some((_, own)) = self.0.iter_mut().find(|(own, _)| own.eq_ignore_ascii_case(name)) {
            *own = written;
            return Ok(());
        }
        if self.0.len() >= MAX_PARAMETERS {
            return Err(ContentError {
                kind: ContentErrorKind::TooMany,
                offset: 0,
            });
        }
        self.0.push((name.into(), written));
        Ok(())
    }

    fn scan(scanner: &mut Scanner<'_>) -> Result<Self, ContentError> {
        let mut parameters = Self::default();
        loop {
            scanner.space();
            if scanner.at_end() {
                return Ok(parameters);
            }
            scanner.expect(b';', ContentErrorKind::Unexpected)?;
            scanner.space();
            if scanner.at_end() {
                // A trailing semicolon names nothing; mail software writes it.
                return Ok(parameters);
            }
            let start = scanner.offset;
            let name = scanner.token()?;
            scanner.space();
            scanner.expect(b'=', ContentErrorKind::Value)?;
            scanner.space();
            let value = scanner.value()?;
            if parameters.0.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)) {
                return Err(ContentError {
                    kind: ContentErrorKind::Repeated,
                    offset: start,
                });
            }
            if parameters.0.len() >= MAX_PARAMETERS {
                return Err(ContentError {
                    kind: ContentErrorKind::TooMany,
                    offset: start,
                });
            }
            parameters.0.push((name.into(), value.into()));
        }
    }
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|(name, value)| write!(f, ";{name}={value}"))
    }
}

/// Whether `text` is a token of RFC 2045, which is also one of RFC 3261 where both matter.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_octet)
}

pub(crate) const fn is_token_octet(octet: u8) -> bool {
    // A table, since this is asked for each octet of the name of each header.
    const TOKEN: u128 = {
        let mut set = 0_u128;
        let mut octet = 0_u8;
        while octet < 128 {
            if octet.is_ascii_alphanumeric()
                || matches!(
                    octet,
                    b'!' | b'#'
                        | b'$'
                        | b'%'
                        | b'&'
                        | b'\''
                        | b'*'
                        | b'+'
                        | b'-'
                        | b'.'
                        | b'^'
                        | b'_'
                        | b'`'
                        | b'{'
                        | b'|'
                        | b'}'
                        | b'~'
                )
            {
                set |= 1 << octet;
            }
            octet += 1;
        }
        set
    };
    octet < 128 && TOKEN >> octet & 1 == 1
}

/// Says whether a value has a control character other than a tab, which would break the line that it is in.
pub(crate) fn has_control(value: &[u8]) -> bool {
    // All octets are looked at, which the compiler turns into a few wide comparisons.
    value.iter().fold(false, |found, octet| {
        found | (*octet != b'\t') & octet.is_ascii_control()
    })
}

/// The text of a quoted string; a token stays as it is.
pub fn unquote(written: &str) -> Cow<'_, str> {
    let Some(inner) = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(written);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut escaped = false;
    for character in inner.chars() {
        if character == '\\' && !escaped {
            escaped = true;
        } else {
            text.push(character);
            escaped = false;
        }
    }
    Cow::Owned(text)
}

/// A token as it is, anything else as a quoted string.
///
/// # Errors
///
/// Fails when `text` holds a control character other than a tab.
pub fn quote(text: &str) -> Result<ByteStr, ContentError> {
    if is_token(text) {
        return Ok(text.into());
    }
    quoted_string(text).map(ByteStr::from)
}

/// The text as a quoted string, always with quotes.
///
/// # Errors
///
/// Fails when `text` holds a control character other than a tab.
pub fn quoted_string(text: &str) -> Result<String, ContentError> {
    let mut written = String::with_capacity(text.len().saturating_add(2));
    written.push('"');
    for (offset, character) in text.char_indices() {
        if character.is_ascii_control() && character != '\t' {
            return Err(ContentError {
                kind: ContentErrorKind::QuotedString,
                offset,
            });
        }
        if character == '"' || character == '\\' {
            written.push('\\');
        }
        written.push(character);
    }
    written.push('"');
    Ok(written)
}

/// Reads tokens, quoted strings and separators from a value.
struct Scanner<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, offset: 0 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    fn at_end(&self) -> bool {
        self.offset >= self.text.len()
    }

    fn take(&mut self, len: usize) -> &'a str {
        let taken = self.rest().get(..len).unwrap_or_default();
        self.offset = self.offset.saturating_add(taken.len());
        taken
    }

    fn space(&mut self) {
        let len = self
            .rest()
            .bytes()
            .take_while(|octet| matches!(octet, b' ' | b'\t' | b'\r' | b'\n'))
            .count();
        self.take(len);
    }

    fn fail<T>(&self, kind: ContentErrorKind) -> Result<T, ContentError> {
        Err(ContentError {
            kind,
            offset: self.offset,
        })
    }

    fn expect(&mut self, octet: u8, kind: ContentErrorKind) -> Result<(), ContentError> {
        if self.rest().as_bytes().first() == Some(&octet) {
            self.take(1);
            return Ok(());
        }
        self.fail(kind)
    }

    fn token(&mut self) -> Result<&'a str, ContentError> {
        let len = self
            .rest()
            .bytes()
            .take_while(|&octet| is_token_octet(octet))
            .count();
        if len == 0 {
            return self.fail(ContentErrorKind::Token);
        }
        Ok(self.take(len))
    }

    fn value(&mut self) -> Result<&'a str, ContentError> {
        if self.rest().starts_with('"') {
            return self.quoted();
        }
        // Some senders leave a boundary or an address unquoted that is not a token; all but separators is taken.
        let len = self
            .rest()
            .bytes()
            .take_while(|&octet| is_token_octet(octet) || b"/:?=@".contains(&octet))
            .count();
        if len == 0 {
            return self.fail(ContentErrorKind::Value);
        }
        Ok(self.take(len))
    }

    fn quoted(&mut self) -> Result<&'a str, ContentError> {
        let mut escaped = false;
        for (index, octet) in self.rest().bytes().enumerate().skip(1) {
            match octet {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => return Ok(self.take(index.saturating_add(1))),
                0..=8 | 10..=31 | 127 => return self.fail(ContentErrorKind::QuotedString),
                _ => {}
            }
        }
        self.fail(ContentErrorKind::QuotedString)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_written_as_it_was_read() {
        for value in [
            "text/plain",
            "text/plain;charset=UTF-8",
            "multipart/mixed;boundary=\"a;b\\\"c\"",
        ] {
            assert_eq!(ContentType::parse(value).unwrap().to_string(), value);
        }
    }

    #[test]
    fn what_is_not_a_media_type_is_refused_with_its_place() {
        for (value, kind, offset) in [
            ("", ContentErrorKind::Token, 0),
            ("text", ContentErrorKind::Slash, 4),
            ("text/", ContentErrorKind::Token, 5),
            ("text/plain charset", ContentErrorKind::Unexpected, 11),
            ("text/plain;a", ContentErrorKind::Value, 12),
            ("text/plain;a=\"b", ContentErrorKind::QuotedString, 13),
            ("text/plain;a=b;A=c", ContentErrorKind::Repeated, 15),
        ] {
            assert_eq!(
                ContentType::parse(value),
                Err(ContentError { kind, offset }),
                "{value}"
            );
        }
    }

    #[test]
    fn ranges_match_what_they_cover() {
        let plain = ContentType::parse("Text/Plain;charset=utf-8").unwrap();
        assert!(
            plain.matches("*")
                && plain.matches("text/*")
                && plain.matches("text/plain")
                && plain.matches("*/*")
        );
        assert!(!plain.matches("text/html") && !plain.matches("image/*") && !plain.matches("text"));
    }

    #[test]
    fn a_value_that_is_not_a_token_is_quoted_and_read_back() {
        let written = ContentType::text_plain()
            .with_parameter("name", "a \"b\" \\c")
            .unwrap()
            .to_string();
        let read = ContentType::parse(&written).unwrap();
        assert_eq!(read.parameter("NAME").as_deref(), Some("a \"b\" \\c"));
        assert!(
            ContentType::text_plain()
                .with_parameter("name", "a\r\nX: y")
                .is_err()
        );
    }

    #[test]
    fn parameters_are_bounded() {
        let parameters: Vec<String> = (0..=MAX_PARAMETERS)
            .map(|number| format!(";p{number}=1"))
            .collect();
        let value = format!("text/plain{}", parameters.concat());
        assert_eq!(
            ContentType::parse(&value).unwrap_err().kind,
            ContentErrorKind::TooMany
        );
    }
}
