//! The parameters behind a media type or a disposition.

use std::borrow::Cow;
use std::fmt;

use super::scanner::Pairs;
use super::{ContentError, ContentErrorKind, MAX_PARAMETERS, is_token, quote, unquote};
use crate::ByteStr;

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

    /// Copies what a scanner found.
    pub(super) fn of(pairs: &Pairs<'_>) -> Self {
        let copied = pairs
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        Self(copied.collect())
    }
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|(name, value)| write!(f, ";{name}={value}"))
    }
}
