//! Addresses: From, To, Contact and the routes (RFC 3261 20, RFC 8217).

use super::{UriView, Viewed, value};
use crate::error::{ParseError, ParseErrorKind};
use crate::header::cursor::Cursor;
use crate::header::octets::is_token_byte;
use crate::header::params::{self, Iter, Value, is_named};
use crate::header::{Contact, From, RecordRoute, Route, To, parse_q};
use crate::uri;

/// The parameters of a value; [`Params`](crate::header::Params) in all but the ownership.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParamsView<'a> {
    /// Without the separator before the first.
    text: &'a str,
}

/// An address with display name and parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddressView<'a> {
    /// The display name as it is written, a quoted string with its quotes.
    pub display: Option<&'a str>,
    /// The address.
    pub uri: UriView<'a>,
    /// All parameters of the header field.
    pub params: ParamsView<'a>,
}

/// From or To.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConveyedView<'a> {
    /// The address; the tag is among its parameters.
    pub address: AddressView<'a>,
    /// The tag.
    pub tag: Option<&'a str>,
}

/// A Contact value: an address, or the star that removes all bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContactView<'a> {
    /// `*`.
    Star,
    /// An address.
    Address(AddressView<'a>),
}

impl<'a> ParamsView<'a> {
    /// Parameters that were checked when they were read.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text }
    }

    pub(crate) fn as_str(self) -> &'a str {
        self.text
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The value as it is written: `Some(None)` for a parameter without value. Names compare without case.
    pub fn get(&self, name: &str) -> Option<Option<&'a str>> {
        self.iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// All, in order: name, and value as it is written.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        Iter::new(self.text)
    }
}

impl<'a> AddressView<'a> {
    /// Reads an address with its parameters. `visit` is told each of them, and where its value is.
    #[inline]
    pub(crate) fn read(
        cursor: &mut Cursor<'a>,
        visit: impl FnMut(&[u8], Option<Value<'a>>, usize) -> Result<(), ParseError>,
    ) -> Result<Self, ParseError> {
        let mut address = Self::empty();
        address.read_plain(cursor)?;
        if cursor.separator(b';') {
            address.params = ParamsView::new(params::read(cursor, b';', visit)?);
        }
        Ok(address)
    }

    /// Reads up to the parameters.
    #[inline]
    pub(crate) fn read_plain(&mut self, cursor: &mut Cursor<'a>) -> Result<(), ParseError> {
        self.display = read_display(cursor)?;
        if cursor.peek() == Some(b'<') {
            read_bracketed(cursor, &mut self.uri)
        } else if self.display.is_some() {
            cursor.unexpected()
        } else {
            read_bare(cursor, &mut self.uri)
        }
    }

    #[inline]
    pub(crate) fn empty() -> Self {
        Self {
            display: None,
            uri: UriView::unread(""),
            params: ParamsView::default(),
        }
    }
}

// display-name = *( token LWS ) / quoted-string. Leaves the cursor at the `<`, or where it was.
#[inline]
fn read_display<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a str>, ParseError> {
    match cursor.peek() {
        Some(b'<') => return Ok(None),
        Some(b'"') => {
            let text = cursor.quoted_string()?;
            cursor.space();
            return Ok(Some(text));
        }
        _ => {}
    }
    let start = cursor.position();
    let mut end = start;
    while !cursor.take_while(is_token_byte).is_empty() {
        end = cursor.position();
        cursor.space();
    }
    if cursor.peek() == Some(b'<') && end > start {
        return Ok(Some(cursor.text_between(start, end)));
    }
    cursor.move_to(start);
    Ok(None)
}

#[inline]
fn read_bracketed<'a>(cursor: &mut Cursor<'a>, uri: &mut UriView<'a>) -> Result<(), ParseError> {
    let open = cursor.position();
    cursor.expect(b'<')?;
    let start = cursor.position();
    let rest = cursor.rest();
    match uri::read(rest, uri.layout_mut()) {
        Ok(end) if rest.as_bytes().get(end) == Some(&b'>') => {
            uri.set_text(rest.get(..end).unwrap_or_default());
            cursor.move_to(start.saturating_add(end).saturating_add(1));
            Ok(())
        }
        _ => Err(bracketed_fault(cursor, open)),
    }
}

/// What is wrong with a URI is told of the text up to the bracket, as if it stood alone.
#[cold]
fn bracketed_fault(cursor: &mut Cursor<'_>, open: usize) -> ParseError {
    let start = cursor.position();
    let text = cursor.take_while(|byte| byte != b'>');
    if cursor.is_at_end() {
        return ParseError::new(ParseErrorKind::Unbalanced, open);
    }
    match uri::read_whole(text) {
        Err(error) => error.shifted(start),
        Ok(_) => ParseError::new(ParseErrorKind::UnexpectedText, start),
    }
}

//= https://www.rfc-editor.org/rfc/rfc8217#section-3
//# When constructing the value of any SIP header field whose grammar
//# allows choosing between name-addr and addr-spec, such as those
//# that use the form '(name-addr / addr-spec)', the addr-spec form
//# MUST NOT be used if its value would contain a comma, semicolon,
//# or question mark.
fn read_bare<'a>(cursor: &mut Cursor<'a>, uri: &mut UriView<'a>) -> Result<(), ParseError> {
    let start = cursor.position();
    let text = cursor.take_while(|byte| !matches!(byte, b';' | b',' | b'?' | b' ' | b'\t'));
    if cursor.peek() == Some(b'?') || (cursor.peek() == Some(b',') && !cursor.is_list()) {
        // Without a scheme it is no URI but a name, which needs quotes and not brackets.
        return cursor.fail(if text.contains(':') {
            ParseErrorKind::NeedsBrackets
        } else {
            ParseErrorKind::UnexpectedText
        });
    }
    let layout = uri::read_whole(text).map_err(|error| error.shifted(start))?;
    *uri = UriView::new(text, layout);
    Ok(())
}

impl<'a> ConveyedView<'a> {
    #[inline]
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        let mut tag = None;
        let address = AddressView::read(cursor, |name, value, at| {
            if is_named(name, "tag") {
                tag = value.and_then(Value::token);
                if tag.is_none() {
                    return Err(ParseError::new(ParseErrorKind::UnexpectedText, at));
                }
            }
            Ok(())
        })?;
        Ok(Self { address, tag })
    }
}

impl<'a> ContactView<'a> {
    #[inline]
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        let start = cursor.position();
        if cursor.eat(b'*') {
            let end = cursor.position();
            cursor.space();
            if cursor.is_at_end() || (cursor.is_list() && cursor.peek() == Some(b',')) {
                cursor.move_to(end);
                return Ok(Self::Star);
            }
            cursor.move_to(start);
        }
        let check = |name: &[u8], value: Option<Value<'_>>, at| {
            if is_named(name, "q") {
                parse_q(value.map_or("", Value::text), at)?;
            }
            Ok(())
        };
        AddressView::read(cursor, check).map(Self::Address)
    }
}

/// Reads a route: the brackets are not optional.
#[inline]
// route-param = name-addr *( SEMI rr-param )
pub(crate) fn read_route<'a>(cursor: &mut Cursor<'a>) -> Result<AddressView<'a>, ParseError> {
    let start = cursor.position();
    let address = AddressView::read(cursor, |_, _, _| Ok(()))?;
    let before = cursor.text_between(start, cursor.position());
    if address.display.is_some() || before.starts_with('<') {
        Ok(address)
    } else {
        Err(ParseError::new(ParseErrorKind::NeedsBrackets, start))
    }
}

macro_rules! viewed {
    ($($type:ident => $view:ident by $read:path;)+) => {
        $(
            impl Viewed for $type {
                type View<'a> = $view<'a>;

                #[inline]
                fn view(text: &str, at: usize) -> Result<($view<'_>, usize), ParseError> {
                    value::<Self, _>(text, at, $read)
                }
            }
        )+
    };
}

viewed! {
    From => ConveyedView by ConveyedView::read;
    To => ConveyedView by ConveyedView::read;
    Contact => ContactView by ContactView::read;
    Route => AddressView by read_route;
    RecordRoute => AddressView by read_route;
}
