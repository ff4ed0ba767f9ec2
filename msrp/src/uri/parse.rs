//! The grammar of a URI (RFC 4975 section 9).

use std::ops::Range;

use super::{Parts, Span, Uri};
use crate::error::{UriError, UriErrorKind};
use crate::header::content::is_token_octet;
use crate::id::is_session_id_octet;

/// Reads the URI that `octets` are.
pub(super) fn read_whole(octets: &[u8], parts: &mut Parts) -> Result<(), UriError> {
    let mut parser = Parser {
        octets,
        at: 0,
        in_line: false,
    };
    parser.uri(parts)
}

/// Reads the URI at the beginning of `octets`, which a space or a line end follows, and says how long it is. A header
/// is read in one go that way; whatever is not so plain is left to [`UriRef::parse`](super::UriRef::parse).
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

pub(super) const fn is_unreserved(octet: u8) -> bool {
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
