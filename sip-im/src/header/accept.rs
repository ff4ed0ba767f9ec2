//! Accept (RFC 3261 20.1).

use core::fmt;

use super::cursor::{Cursor, list_element, piece};
use super::{Header, HeaderName, Params, Shape};
use crate::error::ParseError;
use crate::{ByteStr, ContentType};

/// The body formats that the sender takes. An empty list takes none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the header field is this list and no more"
)]
pub struct Accept(pub Vec<AcceptRange>);

/// One media range: `text/plain`, `text/*` or `*/*`, with parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcceptRange {
    /// The type, or `*`.
    pub type_: ByteStr,
    /// The subtype, or `*`.
    pub subtype: ByteStr,
    /// All parameters, `q` included.
    pub params: Params,
}

impl Accept {
    /// A list of these; what is not `type/subtype` with two tokens fails when it is put into a message.
    pub fn new<'a>(ranges: impl IntoIterator<Item = &'a str>) -> Self {
        let range = |text: &'a str| {
            let (type_, subtype) = text.split_once('/').unwrap_or((text, ""));
            AcceptRange {
                type_: ByteStr::from(type_.to_owned()),
                subtype: ByteStr::from(subtype.to_owned()),
                params: Params::new(),
            }
        };
        Self(ranges.into_iter().map(range).collect())
    }

    /// Is this type taken? A range with `q=0` takes nothing.
    pub fn accepts(&self, content_type: &ContentType) -> bool {
        self.accepts_type(content_type.type_(), content_type.subtype())
    }

    /// Is this type taken?
    pub fn accepts_type(&self, type_: &str, subtype: &str) -> bool {
        // The most specific range decides (RFC 2616 14.1).
        let specificity = |range: &AcceptRange| match (range.type_.as_str(), range.subtype.as_str()) {
            ("*", _) => 0,
            (_, "*") => 1,
            _ => 2,
        };
        self.0
            .iter()
            .filter(|range| {
                (range.type_.as_str() == "*" || range.type_.eq_ignore_ascii_case(type_))
                    && (range.subtype.as_str() == "*" || range.subtype.eq_ignore_ascii_case(subtype))
            })
            .max_by_key(|range| specificity(range))
            .is_some_and(|range| {
                range
                    .params
                    .get("q")
                    .flatten()
                    .is_none_or(|q| super::contact::parse_q(q, 0) != Ok(0))
            })
    }
}

impl Header for Accept {
    const NAME: HeaderName = HeaderName::ACCEPT;
    const SHAPE: Shape = Shape::Whole;

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let mut ranges = Vec::new();
        if value.trim_matches([' ', '\t']).is_empty() {
            return Ok(Self(ranges));
        }
        let mut start = Some(0);
        while let Some(at) = start {
            let (range, next) = list_element(value.as_str(), at);
            let offset = range.start;
            ranges.push(parse_range(&piece(value, range)).map_err(|error| error.shifted(offset))?);
            start = next;
        }
        Ok(Self(ranges))
    }

    fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(out, "{comma}{}/{}", range.type_.as_str(), range.subtype.as_str())?;
            range.params.write(out)?;
        }
        Ok(())
    }
}

fn parse_range(value: &ByteStr) -> Result<AcceptRange, ParseError> {
    let mut cursor = Cursor::new(value);
    let start = cursor.position();
    cursor.token()?;
    let type_ = cursor.since(start);
    cursor.expect_separator(b'/')?;
    let start = cursor.position();
    cursor.token()?;
    let subtype = cursor.since(start);
    let params = Params::parse(&mut cursor)?;
    cursor.finish()?;
    Ok(AcceptRange {
        type_,
        subtype,
        params,
    })
}
