//! Contact (RFC 3261 20.10).

use core::fmt;

use super::cursor::{Cursor, decimal};
use super::{Header, HeaderName, NameAddr, Params, Shape};
use crate::codec::view::ContactView;
use crate::error::{ParseError, ParseErrorKind};
use crate::{ByteStr, Uri};

/// A Contact value: an address, or the star that removes all bindings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Contact {
    /// `*`, in a REGISTER with `Expires: 0` only (RFC 3261 10.2.2).
    Star,
    /// An address.
    Addr(NameAddr),
}

impl Contact {
    /// An address without parameters.
    pub fn new(uri: Uri) -> Self {
        Self::Addr(NameAddr::new(uri))
    }

    /// The address, unless it is the star.
    pub fn name_addr(&self) -> Option<&NameAddr> {
        match self {
            Self::Star => None,
            Self::Addr(name_addr) => Some(name_addr),
        }
    }

    /// The URI, unless it is the star.
    pub fn uri(&self) -> Option<&Uri> {
        self.name_addr().map(|name_addr| &name_addr.uri)
    }

    /// The parameters, feature tags among them; the star has none.
    pub fn params(&self) -> Option<&Params> {
        self.name_addr().map(|name_addr| &name_addr.params)
    }

    /// Is there a feature tag or another parameter of that name? A value `FALSE` counts as absent (RFC 3840 10).
    pub fn has_feature(&self, name: &str) -> bool {
        self.params()
            .and_then(|params| params.get(name))
            .is_some_and(|value| !value.is_some_and(|value| value.eq_ignore_ascii_case("\"FALSE\"")))
    }

    /// The preference in thousandths.
    pub fn q(&self) -> Option<u16> {
        self.params()?
            .get("q")
            .flatten()
            .and_then(|text| parse_q(text, 0).ok())
    }

    /// The expiration in seconds. A number too large for 32 bits counts as the largest, a malformed one as absent.
    pub fn expires(&self) -> Option<u32> {
        match decimal(self.params()?.get("expires").flatten()?) {
            Ok(seconds) => Some(u32::try_from(seconds).unwrap_or(u32::MAX)),
            Err(error) if error.kind == ParseErrorKind::NumberOutOfRange => Some(u32::MAX),
            Err(_) => None,
        }
    }
}

impl Header for Contact {
    const NAME: HeaderName = HeaderName::CONTACT;
    const SHAPE: Shape = Shape::List;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.space();
        let contact = match ContactView::read(&mut cursor)? {
            ContactView::Star => Self::Star,
            ContactView::Address(view) => Self::Addr(NameAddr::of(&cursor, view)),
        };
        cursor.finish()?;
        Ok(contact)
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        match self {
            Self::Star => out.write_str("*"),
            Self::Addr(name_addr) => name_addr.write(out),
        }
    }
}

// qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ), in thousandths.
pub(crate) fn parse_q(text: &str, offset: usize) -> Result<u16, ParseError> {
    let invalid = ParseError::new(ParseErrorKind::NumberOutOfRange, offset);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid);
    }
    let digits = fraction.bytes().chain([b'0'; 3]).take(3);
    let thousandths = digits.fold(0_u16, |sum, digit| {
        sum.saturating_mul(10)
            .saturating_add(u16::from(digit.saturating_sub(b'0')))
    });
    match whole {
        "0" => Ok(thousandths),
        "1" if thousandths == 0 => Ok(1000),
        _ => Err(invalid),
    }
}
