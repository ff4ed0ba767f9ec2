//! MSRP URIs (RFC 4975 sections 6 and 9).

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{UriError, UriErrorKind};
use crate::header::content::is_token_octet;
use crate::id::{SessionId, is_session_id_octet};

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
        Parser {
            octets,
            at: 0,
            in_line: false,
        }
        .uri(&mut parts)?;
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

/// Reads the URI at the beginning of `octets`, which a space or a line end follows, and says how long it is. A header
/// is read in one go that way; whatever is not so plain is left to [`UriRef::parse`].
#[inline]
pub(crate) fn read_in_line(octets: &[u8], parts: &mut Parts) -> Option<usize> {
    let mut parser = Parser {
        octets,
        at: 0,
        in_line: true,
    };
    parser.uri(parts).ok()?;
    (parser.at <= Uri::MAX).then_some(parser.at)
}

struct Parser<'a> {
    octets: &'a [u8],
    at: usize,
    /// Whether the URI may also end with a space or a line end instead of the octets.
    in_line: bool,
}

impl<'a> Parser<'a> {
    #[inline]
    fn uri(&mut self, parts: &mut Parts) -> Result<(), UriError> {
        parts.secure = self.scheme()?;
        let authority = self.at;
        parts.user_end = 0;
        // A user is rare, and what stands before the `@` is looked for only where something is not host and port.
        if let Err(error) = self.host_and_port(parts) {
            self.at = authority;
            if !self.user(parts)? {
                return Err(error);
            }
            self.host_and_port(parts)?;
        }
        self.session_id(parts)?;
        self.parameters(parts)
    }

    #[inline]
    fn host_and_port(&mut self, parts: &mut Parts) -> Result<(), UriError> {
        parts.host = self.host()?;
        parts.port = self.port()?;
        Ok(())
    }

    #[inline]
    fn scheme(&mut self) -> Result<bool, UriError> {
        let Some((scheme, rest)) = self.octets.split_first_chunk::<4>() else {
            return self.fail(UriErrorKind::Scheme);
        };
        let secure = rest
            .first()
            .is_some_and(|octet| octet.eq_ignore_ascii_case(&b's'));
        let rest = rest.get(usize::from(secure)..).unwrap_or_default();
        if !scheme.eq_ignore_ascii_case(b"msrp") || !rest.starts_with(b"://") {
            return self.fail(UriErrorKind::Scheme);
        }
        self.at = scheme.len() + usize::from(secure) + "://".len();
        Ok(secure)
    }

    /// Says whether there is one.
    fn user(&mut self, parts: &mut Parts) -> Result<bool, UriError> {
        let rest = self.rest();
        let authority = rest.get(..memchr::memchr2(b'/', b';', rest).unwrap_or(rest.len()));
        let Some(length) = authority.and_then(|authority| memchr::memrchr(b'@', authority)) else {
            return Ok(false);
        };
        let user = self.rest().get(..length).unwrap_or_default();
        if !user.iter().copied().all(is_user_octet) || !escapes_are_whole(user) {
            return self.fail(UriErrorKind::User);
        }
        (_, parts.user_end) = self.take(length);
        self.at += 1;
        Ok(true)
    }

    #[inline]
    fn host(&mut self) -> Result<Span, UriError> {
        if self.rest().first() == Some(&b'[') {
            let inside = self.rest().get(1..).unwrap_or_default();
            let length = inside.iter().position(|&octet| octet == b']');
            let address = length.and_then(|length| std::str::from_utf8(inside.get(..length)?).ok());
            let Some(address) = address.filter(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
            else {
                return self.fail(UriErrorKind::Host);
            };
            self.at += 1;
            let span = self.take(address.len());
            self.at += 1;
            return Ok(span);
        }
        let mut length = self.run(PLAIN);
        if self.rest().get(length) == Some(&b'%') {
            length = self.run(HOST);
            if !escapes_are_whole(self.rest().get(..length).unwrap_or_default()) {
                return self.fail(UriErrorKind::Host);
            }
        }
        if length == 0 || !self.ends_at(length, b":/;") {
            return self.fail(UriErrorKind::Host);
        }
        Ok(self.take(length))
    }

    /// 0 if there is none.
    #[inline]
    fn port(&mut self) -> Result<u16, UriError> {
        let Some(rest) = self.rest().strip_prefix(b":") else {
            return Ok(0);
        };
        let mut port = 0_u32;
        let mut length = 0_usize;
        for octet in rest {
            match octet {
                // Enough digits to be too many stay too many.
                b'0'..=b'9' => port = port.saturating_mul(10).saturating_add(u32::from(octet - b'0')),
                b'/' | b';' => break,
                _ => return self.fail(UriErrorKind::Port),
            }
            length = length.saturating_add(1);
        }
        match u16::try_from(port) {
            Ok(port) if port > 0 => {
                self.at += 1 + length;
                Ok(port)
            }
            _ => self.fail(UriErrorKind::Port),
        }
    }

    #[inline]
    fn session_id(&mut self, parts: &mut Parts) -> Result<(), UriError> {
        if self.rest().first() != Some(&b'/') {
            parts.session_id = 0;
            return Ok(());
        }
        let slash = self.at;
        self.at += 1;
        let length = self.run(SESSION_ID);
        if length == 0 || !self.ends_at(length, b";") {
            self.at = slash;
            return self.fail(UriErrorKind::SessionId);
        }
        (parts.session_id, _) = self.take(length);
        Ok(())
    }

    #[inline]
    fn parameters(&mut self, parts: &mut Parts) -> Result<(), UriError> {
        if self.rest().first() != Some(&b';') {
            return self.fail(if self.rest().is_empty() {
                UriErrorKind::MissingTransport
            } else {
                UriErrorKind::Parameter
            });
        }
        self.at += 1;
        let length = self.run(TRANSPORT);
        if length == 0 || !self.ends_at(length, b";") {
            self.at -= 1;
            return self.fail(UriErrorKind::MissingTransport);
        }
        parts.transport = self.take(length);
        let rest = self.rest();
        let length = if self.in_line {
            rest.iter()
                .position(|octet| LINE.contains(octet))
                .unwrap_or(rest.len())
        } else {
            rest.len()
        };
        if let Some(parameters) = rest.get(..length).and_then(|rest| rest.strip_prefix(b";")) {
            for parameter in parameters.split(|&octet| octet == b';') {
                let mut parts = parameter.splitn(2, |&octet| octet == b'=');
                let is_token = |part: &[u8]| !part.is_empty() && part.iter().copied().all(is_token_octet);
                if !parts.all(is_token) {
                    return self.fail(UriErrorKind::Parameter);
                }
            }
        }
        (_, parts.end) = self.take(length);
        Ok(())
    }

    /// Returns how many octets of a class come next.
    #[inline]
    fn run(&self, class: u8) -> usize {
        let rest = self.rest();
        let is_of_class = |octet: u8| {
            CLASSES
                .get(usize::from(octet))
                .is_some_and(|classes| classes & class != 0)
        };
        rest.iter()
            .position(|&octet| !is_of_class(octet))
            .unwrap_or(rest.len())
    }

    /// Says whether the URI is over after that many octets, or one of `delimiters` is there.
    #[inline]
    fn ends_at(&self, length: usize, delimiters: &[u8]) -> bool {
        match self.rest().get(length) {
            None => true,
            Some(octet) => delimiters.contains(octet) || (self.in_line && LINE.contains(octet)),
        }
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.octets.get(self.at..).unwrap_or_default()
    }

    #[inline]
    fn take(&mut self, length: usize) -> Span {
        let Range { start, end } = self.at..self.at.saturating_add(length);
        self.at = end;
        (
            u16::try_from(start).unwrap_or(u16::MAX),
            u16::try_from(end).unwrap_or(u16::MAX),
        )
    }

    fn fail<T>(&self, kind: UriErrorKind) -> Result<T, UriError> {
        Err(UriError {
            kind,
            offset: self.at,
        })
    }
}

/// What follows a URI in a header.
const LINE: &[u8] = b" \r";

const HOST: u8 = 1;
const SESSION_ID: u8 = 2;
const TRANSPORT: u8 = 4;
/// Of a host, but not the beginning of an escape.
const PLAIN: u8 = 8;

/// The classes of each octet.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut rest: &mut [u8] = &mut classes;
    let mut octet = 0_u8;
    while let Some((class, others)) = rest.split_first_mut() {
        if is_host_octet(octet) {
            *class |= HOST;
            if octet != b'%' {
                *class |= PLAIN;
            }
        }
        if is_session_id_octet(octet) {
            *class |= SESSION_ID;
        }
        if octet.is_ascii_alphanumeric() {
            *class |= TRANSPORT;
        }
        rest = others;
        octet = octet.wrapping_add(1);
    }
    classes
};

const fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~')
}

const fn is_host_octet(octet: u8) -> bool {
    // `;` is a sub-delimiter of RFC 3986, but ends the authority here.
    is_unreserved(octet)
        || matches!(
            octet,
            b'%' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'='
        )
}

const fn is_user_octet(octet: u8) -> bool {
    is_host_octet(octet) || octet == b':'
}

fn escapes_are_whole(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&octet| octet == b'%') {
        let digits = rest.get(at.saturating_add(1)..at.saturating_add(3));
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return false;
        }
        rest = rest.get(at.saturating_add(3)..).unwrap_or_default();
    }
    true
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
            Some(octet) if is_unreserved(octet) => {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found() {
        let uri = Uri::parse("msrp://host.example.com:8493/asfd34;tcp").unwrap();
        assert!(!uri.is_secure());
        assert_eq!(uri.user(), None);
        assert_eq!(uri.host(), "host.example.com");
        assert_eq!(uri.port(), Some(8493));
        assert_eq!(uri.session_id(), Some("asfd34"));
        assert_eq!(uri.transport(), "tcp");
        assert_eq!(uri.parameters().count(), 0);
        assert_eq!(uri.to_string(), "msrp://host.example.com:8493/asfd34;tcp");
    }

    #[test]
    fn session_ids_may_contain_slashes_and_equals_signs() {
        let uri = Uri::parse("msrp://h:1/a/b+c=;tcp").unwrap();
        assert_eq!(uri.session_id(), Some("a/b+c="));
        assert_eq!(Uri::parse("msrp://u:p@[::1]:1;ws").unwrap().session_id(), None);
    }

    #[test]
    fn malformed_uris_are_refused_with_their_place() {
        for (text, kind, offset) in [
            ("sip:a@b", UriErrorKind::Scheme, 0),
            ("http://a:1/b;tcp", UriErrorKind::Scheme, 0),
            ("msrp://", UriErrorKind::Host, 7),
            ("msrp://a b:1/c;tcp", UriErrorKind::Host, 7),
            ("msrp://[::1:1/c;tcp", UriErrorKind::Host, 7),
            ("msrp://a:+1/c;tcp", UriErrorKind::Port, 8),
            ("msrp://a:65536/c;tcp", UriErrorKind::Port, 8),
            ("msrp://a:0/c;tcp", UriErrorKind::Port, 8),
            ("msrp://a:1/;tcp", UriErrorKind::SessionId, 10),
            ("msrp://a:1/c", UriErrorKind::MissingTransport, 12),
            ("msrp://a:1/c;", UriErrorKind::MissingTransport, 12),
            ("msrp://a:1/c;tcp;", UriErrorKind::Parameter, 16),
            ("msrp://a:1/c;tcp;=x", UriErrorKind::Parameter, 16),
            ("msrp://%zz@a:1/c;tcp", UriErrorKind::User, 7),
        ] {
            assert_eq!(Uri::parse(text), Err(UriError { kind, offset }), "{text}");
        }
        assert_eq!(
            Uri::parse(&"m".repeat(1025)).unwrap_err().kind,
            UriErrorKind::TooLong
        );
    }

    //= https://www.rfc-editor.org/rfc/rfc4975#section-6.1
    //= type=test
    //# A URI with an explicit port is never equivalent to
    //# another with no port specified.
    #[test]
    fn equivalence_follows_the_rules() {
        let equal = |a: &str, b: &str| Uri::parse(a).unwrap().equivalent(&Uri::parse(b).unwrap());
        assert!(equal("msrp://Host:1/a;tcp", "MSRP://u@hOST:1/a;TCP;x=1"));
        assert!(equal("msrp://%68ost:1/a;tcp", "msrp://host:1/a;tcp"));
        assert!(equal(
            "msrp://[::ffff:1]:1/a;tcp",
            "msrp://[0::FFFF:0001]:1/a;tcp"
        ));
        for (a, b) in [
            ("msrp://h:1/a;tcp", "msrps://h:1/a;tcp"),
            ("msrp://h:1/a;tcp", "msrp://h/a;tcp"),
            ("msrp://h:1/a;tcp", "msrp://h:2/a;tcp"),
            ("msrp://h:1/a;tcp", "msrp://h:1/A;tcp"),
            ("msrp://h:1/a;tcp", "msrp://h:1;tcp"),
            ("msrp://h:1/a;tcp", "msrp://h:1/a;sctp"),
            ("msrp://h:1/a;tcp", "msrp://i:1/a;tcp"),
        ] {
            assert!(!equal(a, b) && !equal(b, a), "{a} {b}");
        }
    }

    #[test]
    fn parts_cannot_smuggle_others_in() {
        for host in ["a/b", "a;tcp", "u@h", "h:1/x", "", "a b"] {
            assert!(Uri::new(false, host, 1, None, "tcp").is_err(), "{host}");
        }
        assert!(Uri::new(false, "h", 1, None, "tcp;x").is_err());
        assert!(Uri::new(false, "h", 0, None, "tcp").is_err());
    }
}
