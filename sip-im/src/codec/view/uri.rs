//! URIs that are borrowed from the text they stand in.

use core::fmt;

use crate::uri::Layout;
use crate::{ByteStr, Scheme, Uri};

/// A URI that was read and not copied; [`Uri`] in all but the ownership.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UriView<'a> {
    text: &'a str,
    layout: Layout,
}

impl<'a> UriView<'a> {
    /// A view of `text`, to be told its layout.
    #[inline]
    pub(crate) fn unread(text: &'a str) -> Self {
        Self {
            text,
            layout: Layout::default(),
        }
    }

    #[inline]
    pub(crate) fn layout_mut(&mut self) -> &mut Layout {
        &mut self.layout
    }

    #[inline]
    pub(crate) fn set_text(&mut self, text: &'a str) {
        self.text = text;
    }

    pub(crate) fn new(text: &'a str, layout: Layout) -> Self {
        Self { text, layout }
    }

    /// The text, as it was written.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.layout.scheme
    }

    /// Is it a `sip` or `sips` URI?
    pub fn is_sip(&self) -> bool {
        matches!(self.layout.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// As [`Uri::user`].
    pub fn user(&self) -> Option<&'a str> {
        self.layout.parts.user.and_then(|span| span.of(self.text))
    }

    /// As [`Uri::password`].
    pub fn password(&self) -> Option<&'a str> {
        self.layout.parts.password.and_then(|span| span.of(self.text))
    }

    /// As [`Uri::host`].
    pub fn host(&self) -> Option<&'a str> {
        self.layout.parts.host.and_then(|span| span.of(self.text))
    }

    /// As [`Uri::port`].
    pub fn port(&self) -> Option<u16> {
        self.layout.parts.port
    }

    /// As [`Uri::parameter`].
    pub fn parameter(&self, name: &str) -> Option<Option<&'a str>> {
        self.parameters()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// As [`Uri::parameters`].
    pub fn parameters(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        let span = self.layout.parts.parameters;
        let text = span.and_then(|span| span.of(self.text)).unwrap_or_default();
        text.split(';')
            .filter(|piece| !piece.is_empty())
            .map(|piece| match piece.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (piece, None),
            })
    }

    /// As [`Uri::headers`].
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let span = self.layout.parts.headers;
        let text = span.and_then(|span| span.of(self.text)).unwrap_or_default();
        text.split('&').filter_map(|piece| piece.split_once('='))
    }

    /// A copy that owns its text.
    pub fn to_uri(&self) -> Uri {
        Uri::read(ByteStr::from(self.text), self.layout)
    }
}

impl fmt::Display for UriView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl fmt::Debug for UriView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layout.parts.password.and_then(|span| span.around(self.text)) {
            Some((before, after)) => write!(f, "{before}[redacted]{after}"),
            None => f.write_str(self.text),
        }
    }
}
