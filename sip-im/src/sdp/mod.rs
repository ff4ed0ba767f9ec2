//! Session descriptions (RFC 8866), and the offers and answers for MSRP media in them (RFC 3264, RFC 4975 8, RFC 5547, RFC 6135,
//! RFC 6714, RFC 7701 8, RFC 8122).
//!
//! A description keeps its lines in order, those it does not know included, and is written back line by line. What an
//! `m=message` says is read on demand as a [`MessageMedia`].
//!
//! ```
//! use sip_im::sdp::{self, LocalMedia, Session, Setup};
//!
//! let mut alice = LocalMedia::new(msrp::Uri::parse("msrp://192.0.2.1:9/a1;tcp")?);
//! alice.setup = Some(Setup::Active);
//! let offer = Session::parse(&sdp::offer(&alice).write())?;
//!
//! let mut focus = LocalMedia::new(msrp::Uri::parse("msrp://192.0.2.2:2855/f1;tcp")?);
//! focus.setup = Some(Setup::Passive);
//! let answer = sdp::answer(&offer, &focus)?;
//! let media = answer.session.message_media().unwrap();
//! assert_eq!((media.port, media.setup), (2855, Some(Setup::Passive)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod attribute;
mod file;
mod msrp;
mod parse;

use core::fmt;

use bytes::Bytes;

use crate::ByteStr;

pub use self::msrp::{MediaError, MessageMedia};
pub use answer::{Answer, AnswerError, LocalMedia, answer, offer};
pub use attribute::{Direction, Fingerprint, Setup};
pub use file::{FileDates, FileDescription, FileHash, FileRange, FileSelector};

/// Bounds on a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Octets of the whole. Default: 64 KiB.
    pub octets: usize,
    /// Lines of the whole. Default: 1,000.
    pub lines: usize,
    /// Media sections. Default: 32.
    pub media: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            octets: 64 * 1024,
            lines: 1_000,
            media: 32,
        }
    }
}

/// Why a description could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
#[non_exhaustive]
pub struct SdpError {
    /// What is wrong.
    pub kind: SdpErrorKind,
    /// Octets from the start of the description.
    pub offset: usize,
}

/// What is wrong with a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SdpErrorKind {
    /// It is not UTF-8.
    #[error("not utf-8")]
    Encoding,
    /// A line is not a letter, an equals sign and a value.
    #[error("malformed line")]
    Line,
    /// A line has no place where it is.
    #[error("line out of order")]
    Order,
    /// The version is not 0.
    #[error("unsupported version")]
    Version,
    /// The `o=`, `s=` or `t=` line is missing.
    #[error("missing line")]
    Missing,
    /// The `o=` line has not its six fields.
    #[error("malformed origin")]
    Origin,
    /// An `m=` line is not media, port, protocol and formats.
    #[error("malformed media line")]
    Media,
    /// It is larger than the limits.
    #[error("too large")]
    TooLarge,
}

/// One line: its letter and what follows the equals sign.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// The letter.
    pub letter: char,
    /// The value.
    pub value: ByteStr,
}

/// Whose description it is, and which version (RFC 8866 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// The user name, or `-`.
    pub username: ByteStr,
    /// The session's id, digits.
    pub session_id: ByteStr,
    /// The version, digits, which grows with every change.
    pub version: ByteStr,
    /// `IP4` or `IP6`.
    pub address_type: ByteStr,
    /// The address of the host that made it.
    pub address: ByteStr,
}

/// A session description.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Session {
    /// Whose it is.
    pub origin: Origin,
    /// The lines before the first medium, `v=` and `o=` left out.
    pub lines: Vec<Line>,
    /// The media, in order.
    pub media: Vec<Media>,
}

impl Session {
    /// Reads a description, with the default [`Limits`].
    ///
    /// # Errors
    ///
    /// Fails when it is not one; what a single attribute says is judged by [`MessageMedia::read`].
    pub fn parse(text: &Bytes) -> Result<Self, SdpError> {
        parse::session(text, &Limits::default())
    }

    /// Reads a description.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse).
    pub fn parse_with(text: &Bytes, limits: &Limits) -> Result<Self, SdpError> {
        parse::session(text, limits)
    }

    /// The description as octets.
    pub fn write(&self) -> Bytes {
        Bytes::from(self.to_string())
    }

    /// A session-level attribute's value; empty for one that has none.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        find_attribute(&self.lines, name)
    }

    /// The first MSRP medium that can be used.
    pub fn message_media(&self) -> Option<MessageMedia> {
        self.media
            .iter()
            .filter(|media| media.port != 0)
            .find_map(|media| MessageMedia::read(self, media).ok())
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin {
            username,
            session_id,
            version,
            address_type,
            address,
        } = &self.origin;
        write!(
            f,
            "v=0\r\no={username} {session_id} {version} IN {address_type} {address}\r\n"
        )?;
        write_lines(&self.lines, f)?;
        self.media
            .iter()
            .try_for_each(|media| fmt::Display::fmt(media, f))
    }
}

/// One medium of a description.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Media {
    /// `message`, `audio` and so on.
    pub media: ByteStr,
    /// The port; 0 when the medium is refused or gone.
    pub port: u16,
    /// How many ports, where more than one.
    pub ports: Option<u16>,
    /// The protocol: `TCP/MSRP`.
    pub protocol: ByteStr,
    /// The formats, as written.
    pub formats: ByteStr,
    /// The lines that belong to it.
    pub lines: Vec<Line>,
}

impl Media {
    /// An attribute's value; empty for one that has none.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        find_attribute(&self.lines, name)
    }

    /// Whether it is MSRP over TCP or TLS.
    pub fn is_msrp(&self) -> bool {
        let protocol = self.protocol.as_str();
        self.media.eq_ignore_ascii_case("message")
            && (protocol.eq_ignore_ascii_case("TCP/MSRP") || protocol.eq_ignore_ascii_case("TCP/TLS/MSRP"))
    }

    /// The same medium refused (RFC 3264 6): port 0 and nothing said of it, but which file it was for (RFC 5547 8.3).
    #[must_use]
    pub fn refused(&self) -> Self {
        answer::refused(self)
    }
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={} {}", self.media, self.port)?;
        if let Some(ports) = self.ports {
            write!(f, "/{ports}")?;
        }
        write!(f, " {} {}\r\n", self.protocol, self.formats)?;
        write_lines(&self.lines, f)
    }
}

/// A line of this end. What the values are made of cannot hold a line end, except a media type that a caller has made up.
fn line(letter: char, value: String) -> Line {
    let value = if value.contains(['\r', '\n', '\0']) {
        value.replace(['\r', '\n', '\0'], "")
    } else {
        value
    };
    Line {
        letter,
        value: ByteStr::from(value),
    }
}

fn write_lines(lines: &[Line], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    lines
        .iter()
        .try_for_each(|line| write!(f, "{}={}\r\n", line.letter, line.value))
}

fn find_attribute<'a>(lines: &'a [Line], name: &str) -> Option<&'a str> {
    lines.iter().filter(|line| line.letter == 'a').find_map(|line| {
        let (own, value) = line
            .value
            .as_str()
            .split_once(':')
            .unwrap_or((line.value.as_str(), ""));
        own.eq_ignore_ascii_case(name).then_some(value)
    })
}

#[cfg(test)]
mod tests;
