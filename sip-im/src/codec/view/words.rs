//! Call-ID and `CSeq` (RFC 3261 20.8, 20.16).

use super::{Viewed, value};
use crate::error::{ParseError, ParseErrorKind};
use crate::header::cursor::Cursor;
use crate::header::octets::is_word_byte;
use crate::header::{CSeq, CallId};

/// The sequence number and method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CSeqView<'a> {
    /// Less than 2^31.
    pub seq: u32,
    /// The method as it is written.
    pub method: &'a str,
}

impl<'a> CSeqView<'a> {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-8.1.1.5
    //# The sequence number value MUST be expressible as a 32-bit unsigned
    //# integer and MUST be less than 2**31.
    #[inline]
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        let start = cursor.position();
        let seq: u32 = cursor.number()?;
        if seq >= 1 << 31 {
            return Err(ParseError::new(ParseErrorKind::NumberOutOfRange, start));
        }
        if !cursor.space() {
            return cursor.unexpected();
        }
        let method = cursor.token()?;
        Ok(Self { seq, method })
    }
}

// callid = word [ "@" word ]
#[inline]
pub(crate) fn read_call_id<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, ParseError> {
    let start = cursor.position();
    if cursor.take_while(is_word_byte).is_empty() {
        return cursor.unexpected();
    }
    if cursor.eat(b'@') && cursor.take_while(is_word_byte).is_empty() {
        return cursor.unexpected();
    }
    Ok(cursor.text_between(start, cursor.position()))
}

impl Viewed for CSeq {
    type View<'a> = CSeqView<'a>;

    #[inline]
    fn view(text: &str, at: usize) -> Result<(CSeqView<'_>, usize), ParseError> {
        value::<Self, _>(text, at, CSeqView::read)
    }
}

impl Viewed for CallId {
    type View<'a> = &'a str;

    #[inline]
    fn view(text: &str, at: usize) -> Result<(&str, usize), ParseError> {
        value::<Self, _>(text, at, read_call_id)
    }
}
