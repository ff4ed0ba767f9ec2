//! An address with its display name and parameters (RFC 3261 20.10, RFC 8217).

use core::fmt;

use super::cursor::{Cursor, write_quoted};
use super::params::Params;
use crate::codec::view::AddressView;
use crate::error::ParseError;
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
    ///
    /// [`ParseErrorKind::NeedsBrackets`]: crate::error::ParseErrorKind::NeedsBrackets
    pub fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        let parsed = Self::read(&mut cursor)?;
        cursor.finish()?;
        Ok(parsed)
    }

    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        cursor.space();
        let view = AddressView::read(cursor, |_, _, _| Ok(()))?;
        Ok(Self::of(cursor, view))
    }

    /// Reads up to the parameters.
    pub(crate) fn read_address(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        cursor.space();
        let mut view = AddressView::empty();
        view.read_plain(cursor)?;
        Ok(Self::of(cursor, view))
    }

    /// What was read, as slices of what it was read from.
    pub(crate) fn of<'a>(cursor: &Cursor<'a>, view: AddressView<'a>) -> Self {
        Self {
            display: view.display.map(|display| cursor.share_unquoted(display)),
            uri: Uri::read(cursor.share(view.uri.as_str()), view.uri.layout()),
            params: Params::read(cursor.share(view.params.as_str())),
        }
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
