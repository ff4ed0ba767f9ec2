//! An address with its display name and parameters (RFC 3261 20.10, RFC 8217).

use core::fmt;

use super::cursor::{Cursor, write_quoted};
use super::params::Params;
use crate::error::{ParseError, ParseErrorKind};
use crate::{ByteStr, Uri};

/// `"Display" <uri>;parameters`, the value of From, To, Contact, Route and more.
///
/// It is always written in angle brackets, so that a parameter of the URI is not taken for one of the header field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameAddr {
    /// The display name without quotes and escapes.
    pub display: Option<ByteStr>,
    /// The address.
    pub uri: Uri,
    /// The parameters of the header field.
    pub params: Params,
}

impl NameAddr {
    /// An address without display name and parameters.
    pub fn new(uri: Uri) -> Self {
        Self {
            display: None,
            uri,
            params: Params::new(),
        }
    }

    /// Adds a display name.
    #[must_use]
    pub fn with_display(mut self, display: &str) -> Self {
        self.display = Some(ByteStr::from(display.to_owned()));
        self
    }

    /// Reads the value that fills the text.
    ///
    /// # Errors
    ///
    /// Fails with the fault and its offset; with [`ParseErrorKind::NeedsBrackets`] when a URI with `,` or `?` stands outside
    /// angle brackets.
    pub fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        let parsed = Self::read(&mut cursor)?;
        cursor.finish()?;
        Ok(parsed)
    }

    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let mut address = Self::read_address(cursor)?;
        address.params = Params::parse(cursor)?;
        Ok(address)
    }

    /// Reads up to the parameters.
    pub(crate) fn read_address(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        cursor.space();
        let display = read_display(cursor)?;
        let uri = if cursor.peek() == Some(b'<') {
            read_bracketed(cursor)?
        } else if display.is_some() {
            return cursor.unexpected();
        } else {
            read_bare(cursor)?
        };
        Ok(Self {
            display,
            uri,
            params: Params::new(),
        })
    }

    /// Writes the value.
    ///
    /// # Errors
    ///
    /// Fails when `out` does.
    pub fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        self.write_address(out)?;
        self.params.write(out)
    }

    pub(crate) fn write_address(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        if let Some(display) = &self.display {
            write_quoted(out, display)?;
            out.write_char(' ')?;
        }
        write!(out, "<{}>", self.uri)
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

// display-name = *( token LWS ) / quoted-string. Leaves the cursor at the `<`, or where it was.
fn read_display(cursor: &mut Cursor<'_>) -> Result<Option<ByteStr>, ParseError> {
    if cursor.peek() == Some(b'"') {
        let text = cursor.unquoted_string()?;
        cursor.space();
        return Ok(Some(text));
    }
    let mut ahead = cursor.clone();
    let start = ahead.position();
    let mut end = start;
    while ahead.token().is_ok() {
        end = ahead.position();
        ahead.space();
    }
    if ahead.peek() != Some(b'<') {
        return Ok(None);
    }
    let display = (end > start).then(|| cursor.slice(start, end));
    *cursor = ahead;
    Ok(display)
}

fn read_bracketed(cursor: &mut Cursor<'_>) -> Result<Uri, ParseError> {
    let open = cursor.position();
    cursor.expect(b'<')?;
    let start = cursor.position();
    cursor.take_while(|byte| byte != b'>');
    let text = cursor.since(start);
    if !cursor.eat(b'>') {
        return Err(ParseError::new(ParseErrorKind::Unbalanced, open));
    }
    Uri::from_text(text).map_err(|error| error.shifted(start))
}

//= https://www.rfc-editor.org/rfc/rfc8217#section-3
//# When constructing the value of any SIP header field whose grammar
//# allows choosing between name-addr and addr-spec, such as those
//# that use the form '(name-addr / addr-spec)', the addr-spec form
//# MUST NOT be used if its value would contain a comma, semicolon,
//# or question mark.
fn read_bare(cursor: &mut Cursor<'_>) -> Result<Uri, ParseError> {
    let start = cursor.position();
    cursor.take_while(|byte| !matches!(byte, b';' | b',' | b'?' | b' ' | b'\t'));
    if matches!(cursor.peek(), Some(b'?' | b',')) {
        return cursor.fail(ParseErrorKind::NeedsBrackets);
    }
    Uri::from_text(cursor.since(start)).map_err(|error| error.shifted(start))
}
