//! Accept-Encoding and Accept-Language (RFC 3261 20.2, 20.3).

use core::fmt;

use super::contact::parse_q;
use super::cursor::{Cursor, piece, split_list};
use super::event::token_and_params;
use super::{Header, HeaderName, Params, Shape};
use crate::ByteStr;
use crate::error::ParseError;

/// One coding or language that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preference {
    /// `gzip`, `identity`, `en-gb`, `*` or another one.
    pub value: ByteStr,
    /// All parameters, `q` included.
    pub params: Params,
}

impl Preference {
    /// One without parameters; it is checked when it is put into a message.
    pub fn new(value: &str) -> Self {
        Self {
            value: ByteStr::from(value.to_owned()),
            params: Params::new(),
        }
    }

    /// The preference in thousandths; without the parameter the highest.
    pub fn q(&self) -> u16 {
        let q = self.params.get("q").flatten();
        q.and_then(|text| parse_q(text, 0).ok()).unwrap_or(1000)
    }

    fn parse(value: &ByteStr) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        let (token, params) = token_and_params(&mut cursor)?;
        cursor.finish()?;
        if let Some(q) = params.get("q") {
            parse_q(q.unwrap_or_default(), value.len())?;
        }
        Ok(Self { value: token, params })
    }
}

macro_rules! preferences {
    ($(#[$doc:meta])* $type:ident, $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[expect(clippy::exhaustive_structs, reason = "the header field is this list and no more")]
        pub struct $type(pub Vec<Preference>);

        impl $type {
            /// A list of these, without parameters.
            pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
                Self(values.into_iter().map(Preference::new).collect())
            }
        }

        impl Header for $type {
            const NAME: HeaderName = HeaderName::$name;
            const SHAPE: Shape = Shape::Whole;

            fn parse(value: &ByteStr) -> Result<Self, ParseError> {
                parse(value).map(Self)
            }

            fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
                for (index, preference) in self.0.iter().enumerate() {
                    out.write_str(if index > 0 { ", " } else { "" })?;
                    out.write_str(&preference.value)?;
                    preference.params.write(out)?;
                }
                Ok(())
            }
        }
    };
}

preferences! {
    /// The content codings that are taken in the response; an empty list takes `identity` alone.
    AcceptEncoding, ACCEPT_ENCODING
}
preferences! {
    /// The languages that are preferred for texts in the response.
    AcceptLanguage, ACCEPT_LANGUAGE
}

fn parse(value: &ByteStr) -> Result<Vec<Preference>, ParseError> {
    if value.trim_matches([' ', '\t']).is_empty() {
        return Ok(Vec::new());
    }
    let element = |range: core::ops::Range<usize>| {
        let offset = range.start;
        Preference::parse(&piece(value, range)).map_err(|error| error.shifted(offset))
    };
    split_list(value).map(element).collect()
}
