//! URIs: `sip`, `sips` (RFC 3261 19.1), `tel` (RFC 3966), `im` (RFC 3860), `pres` (RFC 3859), `cid`, `urn`, and any other by
//! its scheme and text.
//!
//! Two relations between URIs are kept apart: [`Uri::equivalent`] is the equality of RFC 3261 19.1.4, which is not
//! transitive and so no lookup key; [`Identity`] is the canonical identity for policy, rosters and lists.

mod compare;
mod escape;
mod gruu;
mod host;
mod identity;
mod sip;
mod tel;

use core::fmt;
use core::str::FromStr;

pub use host::Host;
pub use identity::{Aliases, Identity};

use crate::ByteStr;
use crate::codec::view::UriView;
use crate::error::{ParseError, ParseErrorKind};
use crate::header::cursor::write_escaped;
use crate::header::octets::run;
pub(crate) use host::read as read_host;
use sip::Parts;

/// A URI, as it was written and with its parts known.
///
/// ```
/// use sip_im::{Scheme, Uri};
/// let uri = Uri::parse("sip:alice@Example.COM:5070;transport=tcp")?;
/// assert_eq!(uri.scheme(), Scheme::Sip);
/// assert_eq!((uri.user(), uri.host(), uri.port()), (Some("alice"), Some("Example.COM"), Some(5070)));
/// assert_eq!(uri.parameter("Transport"), Some(Some("tcp")));
/// assert!(uri.equivalent(&Uri::parse("sip:%61lice@example.com:5070;TRANSPORT=TCP")?));
/// assert_eq!(uri.identity().to_string(), "sip:alice@example.com");
/// # Ok::<(), sip_im::error::ParseError>(())
/// ```
///
/// `==` compares the text; it is for tests and for noticing change.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uri {
    text: ByteStr,
    layout: Layout,
}

/// What reading the text of a URI has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Layout {
    pub(crate) scheme: Scheme,
    pub(crate) parts: Parts,
}

/// The scheme of a URI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scheme {
    /// `sip`.
    #[default]
    Sip,
    /// `sips`.
    Sips,
    /// `tel`.
    Tel,
    /// `im`.
    Im,
    /// `pres`.
    Pres,
    /// `cid`.
    Cid,
    /// `urn`.
    Urn,
    /// Another one; [`Uri::scheme_str`] has its name.
    Other,
}

impl Scheme {
    fn of(text: &str) -> Self {
        const KNOWN: [(&str, Scheme); 7] = [
            ("sip", Scheme::Sip),
            ("sips", Scheme::Sips),
            ("tel", Scheme::Tel),
            ("im", Scheme::Im),
            ("pres", Scheme::Pres),
            ("cid", Scheme::Cid),
            ("urn", Scheme::Urn),
        ];
        KNOWN
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text))
            .map_or(Self::Other, |(_, scheme)| *scheme)
    }
}

impl Uri {
    /// Reads a URI that fills the text.
    ///
    /// # Errors
    ///
    /// Fails with the offset of the first octet that RFC 3261 25.1 (for `tel`, RFC 3966 3) does not allow.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Self::from_text(ByteStr::from(text.to_owned()))
    }

    /// Reads a URI from text that is already shared, without a copy.
    ///
    /// # Errors
    ///
    /// As [`Uri::parse`].
    pub fn from_text(text: ByteStr) -> Result<Self, ParseError> {
        let layout = read_whole(text.as_str())?;
        Ok(Self { text, layout })
    }

    /// A URI that was read: `text` is what `layout` belongs to.
    pub(crate) fn read(text: ByteStr, layout: Layout) -> Self {
        Self { text, layout }
    }

    /// The URI, borrowed.
    pub fn view(&self) -> UriView<'_> {
        UriView::new(self.as_str(), self.layout)
    }

    /// Makes `sip:user@host`, with escapes in the user part where they are needed.
    ///
    /// # Errors
    ///
    /// Fails when the user is empty or the host is neither a host name nor an address (an IPv6 address is in brackets).
    pub fn sip(user: &str, host: &str) -> Result<Self, ParseError> {
        if user.is_empty() {
            return Err(ParseError::new(ParseErrorKind::Empty, 0));
        }
        let mut text = String::from("sip:");
        // Writing to a String does not fail.
        let _ = write_escaped(&mut text, user, escape::is_user);
        text.push('@');
        let start = text.len();
        text.push_str(host);
        Host::parse(host).map_err(|error| error.shifted(start))?;
        Self::from_text(ByteStr::from(text))
    }

    /// Makes `sip:host`, the URI of a domain or of a server.
    ///
    /// # Errors
    ///
    /// Fails when the host is neither a host name nor an address.
    pub fn domain(host: &str) -> Result<Self, ParseError> {
        Host::parse(host)?;
        Self::from_text(ByteStr::from(format!("sip:{host}")))
    }

    /// The text, as it was written.
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.layout.scheme
    }

    /// The scheme as it was written.
    pub fn scheme_str(&self) -> &str {
        self.as_str().split(':').next().unwrap_or_default()
    }

    /// Is it a `sip` or `sips` URI?
    pub fn is_sip(&self) -> bool {
        matches!(self.layout.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The user part with its escapes; for `tel` the number as it was written.
    pub fn user(&self) -> Option<&str> {
        self.view().user()
    }

    /// The password, which RFC 3261 19.1.1 discourages.
    pub fn password(&self) -> Option<&str> {
        self.view().password()
    }

    /// The host as it was written, an IPv6 address with its brackets; schemes without a host have none.
    pub fn host(&self) -> Option<&str> {
        self.view().host()
    }

    /// The port, if it was written.
    pub fn port(&self) -> Option<u16> {
        self.layout.parts.port
    }

    /// What follows the scheme and its colon.
    pub fn opaque(&self) -> &str {
        self.as_str().split_once(':').map_or("", |(_, rest)| rest)
    }

    /// A parameter's value, with its escapes; `Some(None)` for a parameter without value. Names compare without case.
    pub fn parameter(&self, name: &str) -> Option<Option<&str>> {
        self.view().parameter(name)
    }

    /// The parameters, in order and with their escapes.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.view().parameters()
    }

    /// The headers after `?`, in order and with their escapes.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.view().headers()
    }

    /// The digits of a `tel` URI without visual separators, `+` included; `None` for other schemes.
    pub fn digits(&self) -> Option<String> {
        if self.layout.scheme != Scheme::Tel {
            return None;
        }
        self.user().map(tel::without_separators)
    }

    /// The same URI with this parameter set. The value is plain text, and is escaped where it must be.
    ///
    /// # Errors
    ///
    /// Fails when the scheme has no parameters or the name is empty.
    pub fn with_parameter(&self, name: &str, value: Option<&str>) -> Result<Self, ParseError> {
        if name.is_empty() {
            return Err(ParseError::new(ParseErrorKind::Empty, 0));
        }
        if self.layout.parts.host.is_none() && self.layout.scheme != Scheme::Tel {
            return Err(ParseError::new(ParseErrorKind::UnexpectedText, 0));
        }
        let mut text = self.text_without(|found| found.eq_ignore_ascii_case(name));
        let headers = self.text_of_headers();
        text.push(';');
        // Writing to a String does not fail.
        let _ = write_escaped(&mut text, name, escape::is_parameter);
        if let Some(value) = value {
            if value.is_empty() {
                return Err(ParseError::new(ParseErrorKind::Empty, 0));
            }
            text.push('=');
            let _ = write_escaped(&mut text, value, escape::is_parameter);
        }
        text.push_str(&headers);
        Self::from_text(ByteStr::from(text))
    }

    /// The same URI without the parameter of this name; what would be no URI without it (the `phone-context` of a local
    /// number) stays.
    #[must_use]
    pub fn without_parameter(&self, name: &str) -> Self {
        if self.parameter(name).is_none() {
            return self.clone();
        }
        let mut text = self.text_without(|found| found.eq_ignore_ascii_case(name));
        text.push_str(&self.text_of_headers());
        Self::from_text(ByteStr::from(text)).unwrap_or_else(|_| self.clone())
    }

    /// The same URI without parameters and headers.
    #[must_use]
    pub fn without_parameters(&self) -> Self {
        if self.layout.parts.parameters.is_none() && self.layout.parts.headers.is_none() {
            return self.clone();
        }
        Self::from_text(ByteStr::from(self.text_without(|_| true))).unwrap_or_else(|_| self.clone())
    }

    /// The same URI with those of its headers for which `keep` holds, given name and value with their escapes.
    #[must_use]
    pub fn with_headers_that(&self, keep: impl Fn(&str, &str) -> bool) -> Self {
        let mut text = self.text_without(|_| false);
        let mut separator = '?';
        for (name, value) in self.headers().filter(|(name, value)| keep(name, value)) {
            text.push(separator);
            text.push_str(name);
            text.push('=');
            text.push_str(value);
            separator = '&';
        }
        Self::from_text(ByteStr::from(text)).unwrap_or_else(|_| self.clone())
    }

    /// Are they equivalent by RFC 3261 19.1.4 (for `tel`: RFC 3966 4)?
    ///
    /// The relation is not transitive, so it never decides where something is looked up.
    pub fn equivalent(&self, other: &Self) -> bool {
        compare::equivalent(self, other)
    }

    /// The canonical identity that the URI names.
    pub fn identity(&self) -> Identity {
        Identity::of(self)
    }

    /// Everything up to the parameters, then the parameters that are not dropped.
    fn text_without(&self, drop: impl Fn(&str) -> bool) -> String {
        let whole = self.as_str();
        let end = self
            .layout
            .parts
            .parameters
            .or(self.layout.parts.headers)
            .map_or(whole.len(), |span| span.start().saturating_sub(1));
        let mut text = whole.get(..end).unwrap_or(whole).to_owned();
        for (name, value) in self.parameters().filter(|(name, _)| !drop(name)) {
            text.push(';');
            text.push_str(name);
            if let Some(value) = value {
                text.push('=');
                text.push_str(value);
            }
        }
        text
    }

    fn text_of_headers(&self) -> String {
        match self.layout.parts.headers.and_then(|span| span.of(self.as_str())) {
            Some(headers) => format!("?{headers}"),
            None => String::new(),
        }
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self
            .layout
            .parts
            .password
            .and_then(|span| span.around(self.as_str()))
        {
            Some((before, after)) => write!(f, "{before}[redacted]{after}"),
            None => f.write_str(self.as_str()),
        }
    }
}

impl FromStr for Uri {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

/// Reads the URI at the start of the text into `layout`, which is empty, and gives where it ends: at the first octet that is no
/// part of it.
// The result is written to its place, since moving it costs as much as reading a short URI.
#[inline]
pub(crate) fn read(text: &str, layout: &mut Layout) -> Result<usize, ParseError> {
    match text.as_bytes() {
        [b's' | b'S', b'i' | b'I', b'p' | b'P', b':', ..] => sip::read(text, 4, &mut layout.parts),
        _ => read_other(text, layout),
    }
}

// scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
fn read_other(text: &str, layout: &mut Layout) -> Result<usize, ParseError> {
    let octets = text.as_bytes();
    let colon = run(octets, 0, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
    });
    if colon == 0 || octets.get(colon) != Some(&b':') {
        let has_scheme = octets.get(colon) != Some(&b':') && octets.contains(&b':');
        return Err(if has_scheme {
            ParseError::new(ParseErrorKind::UnexpectedText, colon)
        } else {
            ParseError::new(ParseErrorKind::MissingScheme, 0)
        });
    }
    if !octets.first().is_some_and(u8::is_ascii_alphabetic) {
        return Err(ParseError::new(ParseErrorKind::UnexpectedText, 0));
    }
    layout.scheme = Scheme::of(text.get(..colon).unwrap_or_default());
    let start = colon.saturating_add(1);
    match layout.scheme {
        Scheme::Sip | Scheme::Sips | Scheme::Im | Scheme::Pres => sip::read(text, start, &mut layout.parts),
        Scheme::Tel => tel::read(text, start, &mut layout.parts),
        _ => {
            let end = escape::run(octets, start, escape::URIC)?;
            if end > start {
                return Ok(end);
            }
            let kind = if end == octets.len() {
                ParseErrorKind::UnexpectedEnd
            } else {
                ParseErrorKind::UnexpectedText
            };
            Err(ParseError::new(kind, start))
        }
    }
}

/// Reads a URI that fills the text.
pub(crate) fn read_whole(text: &str) -> Result<Layout, ParseError> {
    let mut layout = Layout::default();
    let end = read(text, &mut layout)?;
    if end == text.len() {
        Ok(layout)
    } else {
        Err(ParseError::new(ParseErrorKind::UnexpectedText, end))
    }
}

#[cfg(test)]
mod tests;
