//! What an `m=message` says.

use super::attribute::fingerprints;
use super::{Direction, FileDescription, Fingerprint, Line, Media, Session, Setup};
use crate::error::ParseErrorKind;
use crate::header::cursor::decimal;
use crate::{ByteStr, ContentType, Host};

/// Why an MSRP medium cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// It is no MSRP.
    #[error("not an msrp medium")]
    NotMsrp,
    /// An attribute that has to be there is not.
    #[error("no {0} attribute")]
    Missing(&'static str),
    /// An attribute's value is not of its form.
    #[error("malformed {0} attribute")]
    Malformed(&'static str),
    /// An attribute that may be there once is there again, so that two readers could read two things.
    #[error("repeated {0} attribute")]
    Repeated(&'static str),
}

impl MediaError {
    /// The attribute that is at fault; `m` for the medium itself.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::NotMsrp => "m",
            Self::Missing(name) | Self::Malformed(name) | Self::Repeated(name) => name,
        }
    }

    /// Whether the medium can be used all the same: what only describes a file is not needed for it.
    fn is_harmless(self) -> bool {
        matches!(self.attribute(), "file-disposition" | "file-date" | "file-icon")
    }
}

/// What a description says of an MSRP medium.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageMedia {
    /// The port of the media line; 0 when it is refused.
    pub port: u16,
    /// The protocol: `TCP/MSRP` or `TCP/TLS/MSRP`.
    pub protocol: ByteStr,
    /// The hops to the endpoint, the nearest first.
    pub path: Vec<::msrp::Uri>,
    /// The media types it takes.
    pub accept_types: Vec<String>,
    /// The media types it takes inside a container only.
    pub accept_wrapped_types: Vec<String>,
    /// The largest message it takes, in octets.
    pub max_size: Option<u64>,
    /// Who connects.
    pub setup: Option<Setup>,
    /// Which way messages go, seen from the end that made the description.
    pub direction: Direction,
    /// What a chat room offers, if it is one: `nickname`, `private-messages` (RFC 7701 8).
    pub chatroom: Option<Vec<String>>,
    /// The certificates' fingerprints.
    pub fingerprints: Vec<Fingerprint>,
    /// Whether the endpoint takes part in RFC 6714.
    pub cema: bool,
    /// The file that is offered or asked for (RFC 5547).
    pub file: Option<FileDescription>,
    /// The address of the connection line.
    pub address: Option<ByteStr>,
}

/// The attributes that are read here and may be there once.
const ONCE: [&str; 13] = [
    "path",
    "accept-types",
    "accept-wrapped-types",
    "max-size",
    "setup",
    "chatroom",
    "msrp-cema",
    "file-selector",
    "file-transfer-id",
    "file-disposition",
    "file-date",
    "file-icon",
    "file-range",
];

impl MessageMedia {
    /// Reads what `media` of a session says.
    ///
    /// # Errors
    ///
    /// Fails when it is no MSRP, or an attribute that has to be there is missing or malformed. A description of a file that
    /// is not needed for its transfer is left out when it is malformed.
    pub fn read(session: &Session, media: &Media) -> Result<Self, MediaError> {
        let (read, faults) = Self::examine(session, media)?;
        match faults.into_iter().find(|fault| !fault.is_harmless()) {
            Some(fault) => Err(fault),
            None => Ok(read),
        }
    }

    /// Reads as much of `media` as can be read, and tells all that is at fault with the rest.
    ///
    /// # Errors
    ///
    /// Fails when it is no MSRP.
    pub fn examine(session: &Session, media: &Media) -> Result<(Self, Vec<MediaError>), MediaError> {
        if !media.is_msrp() {
            return Err(MediaError::NotMsrp);
        }
        let mut faults = repeated(media);
        let own = |name: &str| media.attribute(name).or_else(|| session.attribute(name));
        let list = |name: &str| -> Option<Vec<String>> {
            Some(
                own(name)?
                    .split(' ')
                    .filter(|entry| !entry.is_empty())
                    .map(str::to_owned)
                    .collect(),
            )
        };
        let mut path = Vec::new();
        for uri in list("path").unwrap_or_default() {
            let Ok(uri) = ::msrp::Uri::parse(&uri) else {
                faults.push(MediaError::Malformed("path"));
                break;
            };
            path.push(uri);
        }
        //= https://www.rfc-editor.org/rfc/rfc4975#section-8.2
        //# Each SDP offer or answer that
        //# proposes MSRP MUST contain a "path" attribute containing one or more
        //# MSRP URIs.
        if path.is_empty() && media.port != 0 && !faults.contains(&MediaError::Malformed("path")) {
            faults.push(MediaError::Missing("path"));
        }
        let types = |name: &'static str, faults: &mut Vec<MediaError>| {
            let ranges = split_ranges(own(name).unwrap_or_default());
            if !ranges.iter().all(|range| is_range(range)) {
                faults.push(MediaError::Malformed(name));
            }
            ranges
        };
        let accept_types = types("accept-types", &mut faults);
        let accept_wrapped_types = types("accept-wrapped-types", &mut faults);
        if accept_types.is_empty() && media.port != 0 {
            faults.push(MediaError::Missing("accept-types"));
        }
        let max_size = own("max-size").and_then(|digits| match decimal(digits.trim()) {
            Ok(size) => Some(size),
            // The grammar has no largest number, and what is larger than all messages is no bound.
            Err(error) if error.kind == ParseErrorKind::NumberOutOfRange => Some(u64::MAX),
            Err(_) => {
                faults.push(MediaError::Malformed("max-size"));
                None
            }
        });
        let setup = own("setup").and_then(|value| {
            let setup = Setup::parse(value.trim());
            if setup.is_none() {
                faults.push(MediaError::Malformed("setup"));
            }
            setup
        });
        let fingerprints = fingerprints(&session.lines, &media.lines).unwrap_or_else(|| {
            faults.push(MediaError::Malformed("fingerprint"));
            Vec::new()
        });
        let file = FileDescription::read(media, &mut faults);
        let read = Self {
            port: media.port,
            protocol: media.protocol.clone(),
            path,
            accept_types,
            accept_wrapped_types,
            max_size,
            setup,
            direction: Direction::among(&media.lines)
                .or_else(|| Direction::among(&session.lines))
                .unwrap_or_default(),
            chatroom: list("chatroom"),
            fingerprints,
            cema: media.attribute("msrp-cema").is_some(),
            file,
            address: connection(&media.lines).or_else(|| connection(&session.lines)),
        };
        Ok((read, faults))
    }

    /// Whether content of this type may be sent to the endpoint as it is.
    pub fn accepts(&self, content_type: &ContentType) -> bool {
        self.accept_types.iter().any(|range| content_type.matches(range))
    }

    /// Whether content of this type may be sent to the endpoint inside a container.
    pub fn accepts_wrapped(&self, content_type: &ContentType) -> bool {
        self.accept_wrapped_types
            .iter()
            .any(|range| content_type.matches(range))
            || self.accepts(content_type)
    }

    /// The file that is to be transferred, and not only that RFC 5547 is known.
    pub fn transfer(&self) -> Option<&FileDescription> {
        self.file.as_ref().filter(|file| !file.is_capability())
    }

    /// Whether the address of the connection line and the port of the media line are those of a hop of the path
    /// (RFC 6714 4.4). `None` where one of them is a name, which only the host can resolve.
    pub fn is_address_in_path(&self) -> Option<bool> {
        let address = |text: &str| {
            let text = text.trim_start_matches('[').trim_end_matches(']');
            text.parse::<core::net::IpAddr>()
                .ok()
                .map(|address| address.to_canonical())
        };
        let own = address(self.address.as_deref()?)?;
        let mut is_known = true;
        for uri in &self.path {
            match Host::parse(uri.host()).ok().and_then(|host| host.address()) {
                Some(hop) if hop.to_canonical() == own && uri.port() == Some(self.port) => return Some(true),
                Some(_) => {}
                None => is_known = false,
            }
        }
        is_known.then_some(false)
    }

    /// Where the end that connects connects to: host, an IPv6 address without brackets, and port.
    ///
    /// Without RFC 6714 that is the first hop of the path; where both ends take part in it, which `cema` says, it is what the
    /// connection line and the media line say, since a middlebox may have put itself there.
    pub fn connect_to(&self, cema: bool) -> Option<(String, u16)> {
        if cema && self.cema {
            return Some((self.address.as_deref()?.to_owned(), self.port));
        }
        let uri = self.path.first()?;
        let host = uri.host().trim_start_matches('[').trim_end_matches(']');
        Some((host.to_owned(), uri.port()?))
    }
}

/// The attributes that are there more than once and must not be; of directions one may be there.
fn repeated(media: &Media) -> Vec<MediaError> {
    let attributes = || {
        media.lines.iter().filter(|line| line.letter == 'a').map(|line| {
            let value = line.value.as_str();
            value.split_once(':').map_or(value, |(name, _)| name)
        })
    };
    let count = |name: &str| {
        attributes()
            .filter(|own| own.eq_ignore_ascii_case(name))
            .take(2)
            .count()
    };
    let mut faults: Vec<MediaError> = ONCE
        .into_iter()
        .filter(|name| count(name) > 1)
        .map(MediaError::Repeated)
        .collect();
    let directions = ["sendrecv", "sendonly", "recvonly", "inactive"];
    if directions.into_iter().map(count).sum::<usize>() > 1 {
        let last = directions.into_iter().rfind(|name| count(name) > 0);
        faults.extend(last.map(MediaError::Repeated));
    }
    faults
}

/// The entries of a format-list; a space between quotes belongs to a parameter.
fn split_ranges(list: &str) -> Vec<String> {
    let mut is_quoted = false;
    list.split(|character| {
        is_quoted ^= character == '"';
        character == ' ' && !is_quoted
    })
    .filter(|entry| !entry.is_empty())
    .map(str::to_owned)
    .collect()
}

/// `*`, or a type and a subtype that may be `*`.
fn is_range(range: &str) -> bool {
    range == "*" || ContentType::parse(range).is_ok_and(|range| range.type_() != "*")
}

/// The address of the connection line.
fn connection(lines: &[Line]) -> Option<ByteStr> {
    let line = lines.iter().find(|line| line.letter == 'c')?;
    line.value
        .rsplit(' ')
        .next()
        .map(|address| line.value.slice_of(address))
}
