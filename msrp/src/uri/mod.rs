//! MSRP URIs (RFC 4975 sections 6 and 9).

mod parse;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

pub(crate) use parse::read_in_line;

use crate::SessionId;
use crate::error::{UriError, UriErrorKind};

/// A URI of an MSRP session, host or relay, such as `msrp://host.example.com:8493/asfd34;tcp`.
///
/// `==` and hashing go by the text as it was written; whether two URIs name the same thing is told by
/// [`Uri::equivalent`].
///
/// ```
/// use msrp::Uri;
///
/// let uri = Uri::parse("msrps://alice@relay.example.com:9000/hjdhfha/x;tcp;new=1")?;
/// assert!(uri.is_secure());
/// assert_eq!((uri.user(), uri.host(), uri.port()), (Some("alice"), "relay.example.com", Some(9000)));
/// assert_eq!((uri.session_id(), uri.transport()), (Some("hjdhfha/x"), "tcp"));
/// assert_eq!(uri.parameters().collect::<Vec<_>>(), [("new", Some("1"))]);
/// # Ok::<(), msrp::UriError>(())
/// ```
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Uri {
    text: Arc<str>,
    parts: Parts,
}

/// A URI that is looked at where it stands; what a [`Uri`] is before it is kept. Reading one allocates nothing.
///
/// ```
/// use msrp::{Uri, UriRef};
///
/// let head = String::from("msrp://host.example.com:8493/asfd34;tcp");
/// let uri = UriRef::parse(&head)?;
/// assert_eq!(uri.session_id(), Some("asfd34"));
/// assert!(uri.equivalent(Uri::parse("msrp://HOST.example.com:8493/asfd34;TCP")?.as_uri_ref()));
/// # Ok::<(), msrp::UriError>(())
/// ```
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct UriRef<'a> {
    /// ASCII, as the grammar has it.
    text: &'a [u8],
    parts: Parts,
}

/// Where the parts of a URI are in its text. Offsets one after the other instead of options of ranges: a head has two of
/// them at least, and they are written once and not copied before they are read.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Parts {
    secure: bool,
    /// 0 if there is none; it begins behind the scheme.
    user_end: u16,
    host: Span,
    /// 0 if there is none.
    port: u16,
    /// It ends where the transport's semicolon is; 0 if there is none.
    session_id: u16,
    transport: Span,
    end: u16,
}

/// Octets of the text; `u16` bounds a URI's length.
type Span = (u16, u16);

impl Uri {
    /// The longest URI that is taken, in octets.
    pub const MAX: usize = 1024;

    /// Reads a URI.
    ///
    /// # Errors
    ///
    /// Fails, saying where, when the text is not an MSRP URI.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        UriRef::parse(text).map(UriRef::to_uri)
    }

    /// Lends the URI.
    pub fn as_uri_ref(&self) -> UriRef<'_> {
        UriRef {
            text: self.text.as_bytes(),
            parts: self.parts,
        }
    }

    /// Makes a URI of its parts. An IPv6 address may be given with brackets or without.
    ///
    /// ```
    /// use msrp::{SessionId, Uri};
    ///
    /// let uri = Uri::new(false, "2001:db8::1", 2855, Some(&SessionId::new("s1")?), "tcp")?;
    /// assert_eq!(uri.to_string(), "msrp://[2001:db8::1]:2855/s1;tcp");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails when the host or the transport is not well formed, or the port is 0.
    pub fn new(
        secure: bool,
        host: &str,
        port: u16,
        session_id: Option<&SessionId>,
        transport: &str,
    ) -> Result<Self, UriError> {
        let scheme = if secure { "msrps" } else { "msrp" };
        let (open, close) = if host.contains(':') && !host.starts_with('[') {
            ("[", "]")
        } else {
            ("", "")
        };
        let (slash, id) = session_id.map_or(("", ""), |id| ("/", id.as_str()));
        let text = format!("{scheme}://{open}{host}{close}:{port}{slash}{id};{transport}");
        let uri = Self::parse(&text)?;
        // A part that ends early, such as a host that contains `/`, would otherwise move the others.
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if uri.host() != bare || uri.port() != Some(port) || uri.user().is_some() {
            return Err(UriError {
                kind: UriErrorKind::Host,
                offset: 0,
            });
        }
        if uri.transport() != transport || uri.session_id() != session_id.map(SessionId::as_str) {
            return Err(UriError {
                kind: UriErrorKind::Parameter,
                offset: 0,
            });
        }
        Ok(uri)
    }

    /// Makes the URI of a session over TCP, of whatever host and port is given.
    pub(crate) fn of_session(secure: bool, host: &str, port: u16, session_id: &SessionId) -> Self {
        let port = if port == 0 { 2855 } else { port };
        match Self::new(secure, host, port, Some(session_id), "tcp") {
            Ok(uri) => uri,
            Err(_) => Self::of_session(secure, "invalid.invalid", port, session_id),
        }
    }

    /// Says whether the scheme is `msrps`, that is, whether the connection is protected with TLS.
    pub fn is_secure(&self) -> bool {
        self.parts.secure
    }

    /// Returns the part before `@`, as written.
    pub fn user(&self) -> Option<&str> {
        self.as_uri_ref().user()
    }

    /// Returns the host, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        self.as_uri_ref().host()
    }

    /// Returns the port, if it is explicit. There is no default port.
    pub fn port(&self) -> Option<u16> {
        self.as_uri_ref().port()
    }

    /// Returns the session identifier; a URI without one names a host or a relay.
    pub fn session_id(&self) -> Option<&str> {
        self.as_uri_ref().session_id()
    }

    /// Returns the transport, `tcp` or a later invention, as written.
    pub fn transport(&self) -> &str {
        self.as_uri_ref().transport()
    }

    /// Iterates over the parameters after the transport.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.as_uri_ref().parameters()
    }

    /// Returns the text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Says whether two URIs name the same thing.
    ///
    /// Scheme, host and transport are compared without case, ports and session identifiers exactly; user and other
    /// parameters play no part. Addresses are compared as addresses.
    ///
    /// ```
    /// use msrp::Uri;
    ///
    /// let a = Uri::parse("msrp://[2001:db8::1]:8493/asfd34;tcp")?;
    /// assert!(a.equivalent(&Uri::parse("MSRP://bob@[2001:DB8:0::1]:8493/asfd34;TCP;x=y")?));
    /// assert!(!a.equivalent(&Uri::parse("msrp://[2001:db8::1]:8493/ASFD34;tcp")?));
    /// # Ok::<(), msrp::UriError>(())
    /// ```
    pub fn equivalent(&self, other: &Self) -> bool {
        self.as_uri_ref().equivalent(other.as_uri_ref())
    }
}

impl<'a> UriRef<'a> {
    /// Reads a URI.
    ///
    /// # Errors
    ///
    /// Fails, saying where, when the text is not an MSRP URI.
    pub fn parse(text: &'a str) -> Result<Self, UriError> {
        let octets = text.as_bytes();
        if octets.len() > Uri::MAX {
            return Err(UriError {
                kind: UriErrorKind::TooLong,
                offset: Uri::MAX,
            });
        }
        let mut parts = Parts::default();
        parse::read_whole(octets, &mut parts)?;
        Ok(Self { text: octets, parts })
    }

    /// The URI whose parts [`read_in_line`] found.
    pub(crate) fn of_parts(text: &'a [u8], parts: Parts) -> Self {
        Self { text, parts }
    }

    pub(crate) fn parts(self) -> Parts {
        self.parts
    }

    /// Copies the URI out of the text that it stands in.
    pub fn to_uri(self) -> Uri {
        Uri {
            text: self.as_str().into(),
            parts: self.parts,
        }
    }

    /// Says whether the scheme is `msrps`, that is, whether the connection is protected with TLS.
    pub fn is_secure(self) -> bool {
        self.parts.secure
    }

    /// Returns the part before `@`, as written.
    pub fn user(self) -> Option<&'a str> {
        let start = if self.parts.secure { "msrps://" } else { "msrp://" };
        let start = u16::try_from(start.len()).unwrap_or_default();
        (self.parts.user_end > 0).then(|| self.part((start, self.parts.user_end)))
    }

    /// Returns the host, an IPv6 address without its brackets.
    pub fn host(self) -> &'a str {
        self.part(self.parts.host)
    }

    /// Returns the port, if it is explicit. There is no default port.
    pub fn port(self) -> Option<u16> {
        (self.parts.port > 0).then_some(self.parts.port)
    }

    /// Returns the session identifier; a URI without one names a host or a relay.
    pub fn session_id(self) -> Option<&'a str> {
        self.session_id_octets()
            .map(|id| std::str::from_utf8(id).unwrap_or_default())
    }

    /// Returns the transport, `tcp` or a later invention, as written.
    pub fn transport(self) -> &'a str {
        self.part(self.parts.transport)
    }

    /// Iterates over the parameters after the transport.
    pub fn parameters(self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        self.part((self.parts.transport.1, self.parts.end))
            .split(';')
            .filter(|parameter| !parameter.is_empty())
            .map(|parameter| match parameter.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (parameter, None),
            })
    }

    /// Says whether this is written exactly like another.
    pub(crate) fn is_written_like(self, other: &Uri) -> bool {
        self.text == other.text.as_bytes()
    }

    /// Returns the text as it was written.
    pub fn as_str(self) -> &'a str {
        std::str::from_utf8(self.text).unwrap_or_default()
    }

    /// Says whether two URIs name the same thing; see [`Uri::equivalent`].
    //= https://www.rfc-editor.org/rfc/rfc4975#section-6.1
    //# A URI with an explicit port is never equivalent to
    //# another with no port specified.
    pub fn equivalent(self, other: UriRef<'_>) -> bool {
        // What is written alike is alike; this is how nearly all that are equivalent are written.
        self.text == other.text
            || (self.parts.secure == other.parts.secure
                && self.parts.port == other.parts.port
                && self.session_id_octets() == other.session_id_octets()
                && self.transport().eq_ignore_ascii_case(other.transport())
                && same_host(self.host(), other.host()))
    }

    fn session_id_octets(self) -> Option<&'a [u8]> {
        let (start, end) = (self.parts.session_id, self.parts.transport.0.saturating_sub(1));
        (start > 0).then(|| self.octets((start, end)))
    }

    fn octets(self, (start, end): Span) -> &'a [u8] {
        self.text
            .get(usize::from(start)..usize::from(end))
            .unwrap_or_default()
    }

    fn part(self, span: Span) -> &'a str {
        std::str::from_utf8(self.octets(span)).unwrap_or_default()
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

/// Writes the URI as it was read.
impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({})", self.text)
    }
}

/// Writes the URI as it was read.
impl fmt::Display for UriRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for UriRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UriRef({self})")
    }
}

fn same_host(a: &str, b: &str) -> bool {
    let (a, b) = (unescaped(a), unescaped(b));
    match (a.parse::<IpAddr>(), b.parse::<IpAddr>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a.eq_ignore_ascii_case(&b),
    }
}

/// Decodes what need not be escaped.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut decoded = String::with_capacity(text.len());
    let mut parts = text.split('%');
    decoded.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let octet = part
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match octet {
            Some(octet) if parse::is_unreserved(octet) => {
                decoded.push(char::from(octet));
                decoded.push_str(part.get(2..).unwrap_or_default());
            }
            _ => {
                decoded.push('%');
                decoded.push_str(part);
            }
        }
    }
    Cow::Owned(decoded)
}
