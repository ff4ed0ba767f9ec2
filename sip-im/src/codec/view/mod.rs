//! Views: header fields that every hop reads, read in place.
//!
//! A view has passed every check that its owned form passes, and both come out of the same code. It points into the message
//! and shares, copies and allocates nothing: taking a slice of shared octets and letting go of it again costs more than
//! reading most values. [`Headers::view`](crate::header::Headers::view) gives one of them,
//! [`Headers::views`](crate::header::Headers::views) all.
//!
//! ```
//! use sip_im::header::{From, HeaderName, Headers, Via};
//! let mut headers = Headers::new();
//! headers.push(&HeaderName::FROM, "\"Alice\" <sip:alice@example.com>;tag=1")?;
//! headers.push(&HeaderName::VIA, "SIP/2.0/TCP p.example:5070;branch=z9hG4bK2, SIP/2.0/UDP a.example;branch=z9hG4bK1")?;
//! let from = headers.view::<From>()?.ok_or("no From")?;
//! assert_eq!((from.tag, from.address.uri.user()), (Some("1"), Some("alice")));
//! let hosts: Vec<&str> = headers.views::<Via>().flatten().map(|via| via.host).collect();
//! assert_eq!(hosts, ["p.example", "a.example"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod uri;
mod via;
mod words;

use core::marker::PhantomData;

pub(crate) use address::read_route;
pub use address::{AddressView, ContactView, ConveyedView, ParamsView};
pub use uri::UriView;
pub use via::ViaView;
pub use words::CSeqView;
pub(crate) use words::read_call_id;

use crate::error::{HeaderError, HeaderErrorKind, ParseError, ParseErrorKind};
use crate::header::cursor::{Cursor, list_element};
use crate::header::{Header, Shape, Table};

/// A header field that has a view.
pub trait Viewed: Header {
    /// What is read in place.
    type View<'a>;

    /// Reads the value that starts at `at`, and gives where it ends; in a list that is where the next comma is.
    ///
    /// # Errors
    ///
    /// Fails with what is wrong and the offset into the text.
    fn view(text: &str, at: usize) -> Result<(Self::View<'_>, usize), ParseError>;
}

/// All views of one name; see [`Headers::views`](crate::header::Headers::views).
#[derive(Debug)]
pub struct Views<'a, H> {
    table: &'a Table,
    head: &'a [u8],
    /// The line that is read, and from where on.
    next: Option<(usize, &'a str, usize)>,
    header: PhantomData<fn() -> H>,
}

impl<'a, H: Viewed> Views<'a, H> {
    #[inline]
    pub(crate) fn new(table: &'a Table, head: &'a [u8]) -> Self {
        let mut views = Self {
            table,
            head,
            next: None,
            header: PhantomData,
        };
        views.start(table.first(head, &H::NAME));
        views
    }

    #[inline]
    fn start(&mut self, line: Option<usize>) {
        self.next = line.and_then(|at| {
            let line = self.table.get(at)?;
            Some((at, self.table.value(self.head, line), 0))
        });
    }
}

impl<'a, H: Viewed> Iterator for Views<'a, H> {
    type Item = Result<H::View<'a>, HeaderError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (line, text, at) = self.next?;
        let (view, next) = read::<H>(text, at);
        match next {
            Some(next) => self.next = Some((line, text, next)),
            None => self.start(self.table.after(self.head, &H::NAME, line)),
        }
        Some(view)
    }
}

/// The first view of a name.
#[inline]
pub(crate) fn get<'a, H: Viewed>(
    table: &'a Table,
    head: &'a [u8],
) -> Result<Option<H::View<'a>>, HeaderError> {
    let Some((at, line)) = table
        .first(head, &H::NAME)
        .and_then(|at| Some((at, table.get(at)?)))
    else {
        return Ok(None);
    };
    if H::SHAPE == Shape::Single && table.after(head, &H::NAME, at).is_some() {
        return Err(HeaderError::new(H::NAME, HeaderErrorKind::Repeated));
    }
    read::<H>(table.value(head, line), 0).0.map(Some)
}

/// The value at `at`, and where the next one of the list starts.
#[inline]
fn read<H: Viewed>(text: &str, at: usize) -> (Result<H::View<'_>, HeaderError>, Option<usize>) {
    let error = match H::view(text, at) {
        Ok((view, end)) if end == text.len() => return (Ok(view), None),
        Ok((view, end)) if H::SHAPE == Shape::List && text.as_bytes().get(end) == Some(&b',') => {
            return (Ok(view), Some(end.saturating_add(1)));
        }
        Ok((_, end)) => ParseError::new(ParseErrorKind::TrailingText, end),
        Err(error) => error,
    };
    let next = match H::SHAPE {
        Shape::List => list_element(text, at).1,
        _ => None,
    };
    (Err(HeaderError::malformed(H::NAME, error)), next)
}

/// Reads one value of the text with `read`, with white space round it.
#[inline]
pub(crate) fn value<'a, H: Header, T>(
    text: &'a str,
    at: usize,
    read: impl FnOnce(&mut Cursor<'a>) -> Result<T, ParseError>,
) -> Result<(T, usize), ParseError> {
    let mut cursor = Cursor::over(text, at, H::SHAPE == Shape::List);
    cursor.space();
    let value = read(&mut cursor)?;
    cursor.space();
    Ok((value, cursor.position()))
}
