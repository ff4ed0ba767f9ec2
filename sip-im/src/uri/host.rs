//! Hosts (RFC 3261 25.1): host names, IPv4 addresses, IPv6 references.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::{ParseError, ParseErrorKind};
use crate::header::octets::run;

/// A host: a name, or an address.
///
/// ```
/// use sip_im::Host;
/// assert!(Host::parse("[2001:db8::10]")?.address().is_some());
/// assert_eq!(Host::parse("Example.COM.")?.canonical(), "example.com");
/// assert!(Host::parse("[2001:db8::g]").is_err());
/// # Ok::<(), sip_im::error::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Host {
    /// A host name as it was written.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl Host {
    /// Reads a host; an IPv6 address stands in brackets.
    ///
    /// # Errors
    ///
    /// Fails with [`ParseErrorKind::InvalidHost`], or with what is wrong with a host name.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let invalid = ParseError::new(ParseErrorKind::InvalidHost, 0);
        if let Some(rest) = text.strip_prefix('[') {
            let inner = rest
                .strip_suffix(']')
                .ok_or(ParseError::new(ParseErrorKind::Unbalanced, 0))?;
            let address = parse_v6(inner).ok_or(invalid)?;
            return Ok(Self::Address(IpAddr::V6(address)));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Address(IpAddr::V4(address)));
        }
        check_name(text)?;
        Ok(Self::Name(text.to_owned()))
    }

    /// The address, if it is one.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::Address(address) => Some(*address),
        }
    }

    /// One spelling for all hosts that are the same: lower case, no dot at the end, an IPv6 address in its short form,
    /// an IPv4 address inside IPv6 as IPv4.
    pub fn canonical(&self) -> String {
        match self {
            Self::Name(name) => name.trim_end_matches('.').to_ascii_lowercase(),
            Self::Address(IpAddr::V4(address)) => address.to_string(),
            Self::Address(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
                Some(mapped) => mapped.to_string(),
                None => format!("[{address}]"),
            },
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

//= https://www.rfc-editor.org/rfc/rfc5118#section-4.10
//# However, following the
//# Robustness Principle [RFC1122], an implementation must tolerate both
//# of the above constructs.
fn parse_v6(text: &str) -> Option<Ipv6Addr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    // The grammar of RFC 3261 puts a colon too many before the IPv4 address at the end.
    let (start, end) = text.split_once(":::")?;
    let v4: Ipv4Addr = end.parse().ok()?;
    format!("{start}::{v4}").parse().ok()
}

/// Is it an IPv6 address of hexadecimal groups? That is told sooner than which one it is, and most are. One with an IPv4 address
/// at its end is not found here.
fn is_v6(text: &[u8]) -> bool {
    let (mut groups, mut digits, mut gap): (usize, usize, Option<usize>) = (0, 0, None);
    for (at, byte) in text.iter().enumerate() {
        if *byte != b':' {
            digits = digits.saturating_add(1);
            // A single colon at the start is no gap.
            let is_misplaced = at == 1 && text.first() == Some(&b':');
            if digits > 4 || is_misplaced || !byte.is_ascii_hexdigit() {
                return false;
            }
        } else if digits > 0 {
            groups = groups.saturating_add(1);
            digits = 0;
        } else if at > 0 && gap.replace(at).is_some() {
            return false;
        }
    }
    if digits > 0 {
        groups = groups.saturating_add(1);
    } else if gap.map(|at| at.saturating_add(1)) != Some(text.len()) {
        return false;
    }
    // A gap stands for a group at least.
    if gap.is_some() { groups < 8 } else { groups == 8 }
}

/// Reads the host at `start`, and gives where it ends.
pub(crate) fn read(text: &str, start: usize) -> Result<usize, ParseError> {
    let octets = text.as_bytes();
    if octets.get(start) == Some(&b'[') {
        let inner = start.saturating_add(1);
        let close = run(octets, inner, |byte| byte != b']');
        if octets.get(close).is_none() {
            return Err(ParseError::new(ParseErrorKind::Unbalanced, start));
        }
        let address = text.get(inner..close).unwrap_or_default();
        return if is_v6(address.as_bytes()) || parse_v6(address).is_some() {
            Ok(close.saturating_add(1))
        } else {
            Err(ParseError::new(ParseErrorKind::InvalidHost, start))
        };
    }
    let (end, is_name) = scan_name(octets, start);
    if end == start {
        return Err(super::sip::missing(octets, start, b":;?"));
    }
    if is_name {
        return Ok(end);
    }
    let name = text.get(start..end).unwrap_or_default();
    if name.parse::<Ipv4Addr>().is_ok() {
        return Ok(end);
    }
    let error = check_name(name).err();
    let invalid = ParseError::new(ParseErrorKind::InvalidHost, 0);
    Err(error.unwrap_or(invalid).shifted(start))
}

/// Where the run of letters, digits, hyphens and dots that starts at `start` ends, and whether it is a host name.
#[inline]
pub(super) fn scan_name(octets: &[u8], start: usize) -> (usize, bool) {
    let mut label = start;
    loop {
        // A label has an octet, and neither starts nor ends with a hyphen.
        let first = octets.get(label).copied().unwrap_or_default();
        let end = run(octets, label, is_label_byte);
        if !first.is_ascii_alphanumeric() || octets.get(end.saturating_sub(1)) == Some(&b'-') {
            return scan_odd_name(octets, start);
        }
        if octets.get(end) != Some(&b'.') {
            // A top label begins with a letter, so that no name looks like an address.
            return (end, first.is_ascii_alphabetic());
        }
        label = end.saturating_add(1);
    }
}

/// As `scan_name`, for what may be no name, or one with a dot at its end.
#[cold]
fn scan_odd_name(octets: &[u8], start: usize) -> (usize, bool) {
    let end = run(octets, start, |byte| byte == b'.' || is_label_byte(byte));
    let name = octets.get(start..end).unwrap_or_default();
    let name = core::str::from_utf8(name).unwrap_or_default();
    (end, check_name(name).is_ok())
}

#[inline]
fn is_label_byte(byte: u8) -> bool {
    const LABEL: [bool; 256] = {
        let mut label = [false; 256];
        let mut byte: u8 = 0;
        while byte < 128 {
            #[expect(clippy::indexing_slicing, reason = "an octet is less than 256")]
            {
                label[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'-';
            }
            byte += 1;
        }
        label
    };
    LABEL.get(usize::from(byte)).is_some_and(|is_in| *is_in)
}

// hostname = *( domainlabel "." ) toplabel [ "." ]
pub(super) fn check_name(text: &str) -> Result<(), ParseError> {
    if text.is_empty() {
        return Err(ParseError::new(ParseErrorKind::Empty, 0));
    }
    if let Some(offset) = text
        .bytes()
        .position(|byte| !(byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.'))
    {
        return Err(ParseError::new(ParseErrorKind::UnexpectedText, offset));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let mut offset: usize = 0;
    let mut top = "";
    for label in name.split('.') {
        if label.is_empty() || label.starts_with('-') || label.ends_with('-') {
            return Err(ParseError::new(ParseErrorKind::InvalidHost, offset));
        }
        offset = offset.saturating_add(label.len()).saturating_add(1);
        top = label;
    }
    // A top label begins with a letter, so that no name looks like an address.
    if top.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic()) {
        Ok(())
    } else {
        Err(ParseError::new(ParseErrorKind::InvalidHost, 0))
    }
}
