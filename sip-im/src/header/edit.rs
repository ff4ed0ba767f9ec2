//! Editing header fields: line by line, and so that no value can end its line.

use super::cursor::{list_element, split_list};
use super::headers::Headers;
use super::line::{Retained, check_text};
use super::{Header, HeaderName, Shape};
use crate::ByteStr;
use crate::error::{BuildError, ParseError, ParseErrorKind};

impl Headers {
    /// Appends a line.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when the value has a line end or another control character in it, or when the field is
    /// `Content-Length`, which the message itself writes.
    pub fn push(&mut self, name: &HeaderName, value: &str) -> Result<(), BuildError> {
        let value = Self::checked(name, value)?;
        self.insert(self.len(), name, value);
        Ok(())
    }

    /// Appends a typed value.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, when the value would not be read back as it is.
    pub fn push_typed<H: Header>(&mut self, header: &H) -> Result<(), BuildError> {
        self.push(&H::NAME, &Self::written(header)?)
    }

    /// Puts a typed value before all others of its name; a first one is put at the top.
    ///
    /// # Errors
    ///
    /// As [`Headers::push_typed`].
    pub fn push_front_typed<H: Header>(&mut self, header: &H) -> Result<(), BuildError> {
        let value = Self::checked(&H::NAME, &Self::written(header)?)?;
        let at = self.first(&H::NAME).unwrap_or(0);
        self.insert(at, &H::NAME, value);
        Ok(())
    }

    /// As [`Headers::push_front_typed`], with a text that the field can have.
    pub(crate) fn push_front_text(&mut self, name: &HeaderName, value: String) {
        let at = self.first(name).unwrap_or(0);
        self.insert(at, name, ByteStr::from(value));
    }

    /// Replaces all fields of that name by this one, in the place of the first.
    ///
    /// # Errors
    ///
    /// As [`Headers::push_typed`].
    pub fn set_typed<H: Header>(&mut self, header: &H) -> Result<(), BuildError> {
        self.set(&H::NAME, &Self::written(header)?)
    }

    /// Replaces all fields of that name by this line, in the place of the first.
    ///
    /// # Errors
    ///
    /// As [`Headers::push`].
    pub fn set(&mut self, name: &HeaderName, value: &str) -> Result<(), BuildError> {
        let value = Self::checked(name, value)?;
        self.replace(name, value);
        Ok(())
    }

    /// Replaces the first value only: of a comma list the first element.
    ///
    /// # Errors
    ///
    /// As [`Headers::push_typed`].
    pub fn set_first_typed<H: Header>(&mut self, header: &H) -> Result<(), BuildError> {
        let value = Self::checked(&H::NAME, &Self::written(header)?)?;
        let at = self.first(&H::NAME).unwrap_or(0);
        self.remove_first(&H::NAME);
        self.insert(at, &H::NAME, value);
        Ok(())
    }

    /// Removes all fields of that name, in whatever spelling, and tells whether there were any.
    pub fn remove(&mut self, name: &HeaderName) -> bool {
        if !self.contains(name) {
            return false;
        }
        let block = &self.block;
        self.table.retain(|table, line| {
            if table.is_named(block, &line, name) {
                Retained::Dropped
            } else {
                Retained::Kept
            }
        });
        self.edited = true;
        true
    }

    /// Removes the first value of that name: the line, or the first element of its comma list.
    pub fn remove_first(&mut self, name: &HeaderName) -> bool {
        let Some((at, line)) = self.first(name).and_then(|at| Some((at, self.table.get(at)?))) else {
            return false;
        };
        let value = self.text_of(line);
        let rest = match list_element(value, 0) {
            (_, Some(next)) if is_comma_list(name) => {
                let rest = value.get(next..).unwrap_or_default();
                Some(ByteStr::from(rest.trim_matches([' ', '\t'])))
            }
            _ => None,
        };
        self.table.remove(at);
        if let Some(rest) = rest {
            self.table.insert(at, name, rest);
        }
        self.edited = true;
        true
    }

    /// Removes each value (of a comma list: each element) for which `drop` holds.
    pub fn remove_values(&mut self, name: &HeaderName, drop: impl Fn(&str) -> bool) -> bool {
        let mut changed = false;
        let block = &self.block;
        self.table.retain(|table, line| {
            if !table.is_named(block, &line, name) {
                return Retained::Kept;
            }
            let text = table.value(block, &line);
            let elements: Vec<&str> = if is_comma_list(name) {
                split_list(text).filter_map(|range| text.get(range)).collect()
            } else {
                vec![text]
            };
            let kept: Vec<&str> = elements
                .iter()
                .copied()
                .filter(|element| !drop(element))
                .collect();
            if kept.len() == elements.len() && !kept.is_empty() {
                return Retained::Kept;
            }
            changed = true;
            if kept.is_empty() {
                Retained::Dropped
            } else {
                Retained::Rewritten(name.clone(), ByteStr::from(kept.join(", ")))
            }
        });
        self.edited |= changed;
        changed
    }

    /// Appends all lines of that name of another message, as they were written there.
    pub(crate) fn copy_from(&mut self, other: &Self, name: &HeaderName) {
        for value in other.values(name) {
            self.insert(self.len(), name, value);
        }
    }

    /// Sets a field that only the library sets, with a value that it made.
    pub(crate) fn set_reserved(&mut self, name: &HeaderName, value: String) {
        self.replace(name, ByteStr::from(value));
    }

    pub(crate) fn written<H: Header>(header: &H) -> Result<String, BuildError> {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = header.write(&mut text);
        let invalid = |error| BuildError::Invalid(H::NAME, error);
        check_text(text.as_bytes()).map_err(invalid)?;
        // As the value is read back: without the white space that the line takes off.
        let value = ByteStr::from(text.trim_matches([' ', '\t']));
        if H::SHAPE == Shape::List
            && let (_, Some(next)) = list_element(&text, 0)
        {
            return Err(invalid(ParseError::new(ParseErrorKind::TrailingText, next)));
        }
        if H::parse(&value).map_err(invalid)? == *header {
            Ok(text)
        } else {
            Err(invalid(ParseError::new(ParseErrorKind::UnexpectedText, 0)))
        }
    }

    fn checked(name: &HeaderName, value: &str) -> Result<ByteStr, BuildError> {
        Self::checked_text(name, value).map(ByteStr::from)
    }

    /// The value as its line has it, if it can stand in one.
    pub(crate) fn checked_text<'a>(name: &HeaderName, value: &'a str) -> Result<&'a str, BuildError> {
        if *name == HeaderName::CONTENT_LENGTH {
            return Err(BuildError::Reserved(name.clone()));
        }
        let value = value.trim_matches([' ', '\t']);
        check_text(value.as_bytes()).map_err(|error| BuildError::Invalid(name.clone(), error))?;
        Ok(value)
    }

    /// Gives the first line of that name another text, which is one that the field can have.
    pub(crate) fn rewrite_first(&mut self, name: &HeaderName, value: String) {
        if let Some(at) = self.first(name) {
            self.table.rewrite(at, ByteStr::from(value));
            self.edited = true;
        }
    }

    fn insert(&mut self, at: usize, name: &HeaderName, value: ByteStr) {
        self.table.insert(at, name, value);
        self.edited = true;
    }

    fn replace(&mut self, name: &HeaderName, value: ByteStr) {
        let at = self.first(name);
        self.remove(name);
        self.insert(at.unwrap_or(self.len()), name, value);
    }
}

/// Does a comma separate values of this field? (RFC 3261 7.3.1 and 20; not in dates, digests and free text.)
fn is_comma_list(name: &HeaderName) -> bool {
    const LISTS: &[HeaderName] = &[
        HeaderName::VIA,
        HeaderName::ROUTE,
        HeaderName::RECORD_ROUTE,
        HeaderName::PATH,
        HeaderName::SERVICE_ROUTE,
        HeaderName::CONTACT,
        HeaderName::P_ASSERTED_IDENTITY,
        HeaderName::P_PREFERRED_IDENTITY,
        HeaderName::P_ASSOCIATED_URI,
        HeaderName::P_ASSERTED_SERVICE,
        HeaderName::P_PREFERRED_SERVICE,
        HeaderName::P_ACCESS_NETWORK_INFO,
        HeaderName::P_VISITED_NETWORK_ID,
        HeaderName::P_REFUSED_URI_LIST,
        HeaderName::HISTORY_INFO,
        HeaderName::SECURITY_CLIENT,
        HeaderName::SECURITY_SERVER,
        HeaderName::SECURITY_VERIFY,
        HeaderName::ALERT_INFO,
        HeaderName::CALL_INFO,
        HeaderName::ERROR_INFO,
        HeaderName::CONTENT_ENCODING,
        HeaderName::CONTENT_LANGUAGE,
        HeaderName::IN_REPLY_TO,
        HeaderName::REQUEST_DISPOSITION,
        HeaderName::ACCEPT,
        HeaderName::ACCEPT_CONTACT,
        HeaderName::REJECT_CONTACT,
        HeaderName::ACCEPT_ENCODING,
        HeaderName::ACCEPT_LANGUAGE,
        HeaderName::ALLOW,
        HeaderName::ALLOW_EVENTS,
        HeaderName::SUPPORTED,
        HeaderName::REQUIRE,
        HeaderName::PROXY_REQUIRE,
        HeaderName::UNSUPPORTED,
        HeaderName::WARNING,
        HeaderName::REASON,
        HeaderName::REMOTE_PARTY_ID,
    ];
    LISTS.contains(name)
}
