//! What an `m=message` says, and the offers and answers made of it.

use core::fmt;

use super::{Line, Media, Origin, Session};
use crate::header::cursor::decimal;
use crate::{ByteStr, ContentType, StatusCode};

/// Who connects (RFC 4145 4, RFC 6135 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Setup {
    /// This end connects.
    Active,
    /// This end waits.
    Passive,
    /// This end can do both.
    ActPass,
    /// No connection for now.
    HoldConn,
}

impl Setup {
    /// The attribute's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        }
    }

    fn parse(value: &str) -> Option<Self> {
        [Self::Active, Self::Passive, Self::ActPass, Self::HoldConn]
            .into_iter()
            .find(|setup| setup.as_str() == value)
    }
}

/// Which way messages go (RFC 4975 8.9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// From this end only.
    SendOnly,
    /// To this end only.
    RecvOnly,
    /// Neither way.
    Inactive,
}

impl Direction {
    /// The attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// What the other end does where this end does this.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            other => other,
        }
    }

    fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }
}

/// The fingerprint of a certificate (RFC 8122 5).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fingerprint {
    /// The hash function: `sha-256`.
    pub hash: ByteStr,
    /// The hash: pairs of hexadecimal digits with colons between them.
    pub value: ByteStr,
}

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
    /// The file that is offered or asked for (RFC 5547 6), as written.
    pub file_selector: Option<ByteStr>,
    /// The address of the connection line.
    pub address: Option<ByteStr>,
}

impl MessageMedia {
    /// Reads what `media` of a session says.
    ///
    /// # Errors
    ///
    /// Fails when it is no MSRP, or an attribute that has to be there is missing or malformed.
    pub fn read(session: &Session, media: &Media) -> Result<Self, MediaError> {
        if !media.is_msrp() {
            return Err(MediaError::NotMsrp);
        }
        let list = |name: &str| -> Option<Vec<String>> {
            let value = media.attribute(name).or_else(|| session.attribute(name))?;
            Some(
                value
                    .split(' ')
                    .filter(|entry| !entry.is_empty())
                    .map(str::to_owned)
                    .collect(),
            )
        };
        let mut path = Vec::new();
        for uri in list("path").unwrap_or_default() {
            path.push(::msrp::Uri::parse(&uri).map_err(|_| MediaError::Malformed("path"))?);
        }
        //= https://www.rfc-editor.org/rfc/rfc4975#section-8.2
        //# Each SDP offer or answer that
        //# proposes MSRP MUST contain a "path" attribute containing one or more
        //# MSRP URIs.
        if path.is_empty() && media.port != 0 {
            return Err(MediaError::Missing("path"));
        }
        let accept_types = list("accept-types").unwrap_or_default();
        if accept_types.is_empty() && media.port != 0 {
            return Err(MediaError::Missing("accept-types"));
        }
        let max_size = match media.attribute("max-size") {
            Some(digits) => Some(decimal(digits.trim()).map_err(|_| MediaError::Malformed("max-size"))?),
            None => None,
        };
        let setup = match media.attribute("setup").or_else(|| session.attribute("setup")) {
            Some(value) => Some(Setup::parse(value.trim()).ok_or(MediaError::Malformed("setup"))?),
            None => None,
        };
        let directions = [
            Direction::SendRecv,
            Direction::SendOnly,
            Direction::RecvOnly,
            Direction::Inactive,
        ];
        let stated = |direction: &Direction| media.attribute(direction.as_str()).is_some();
        let stated_outside = |direction: &Direction| session.attribute(direction.as_str()).is_some();
        let direction = directions
            .into_iter()
            .find(stated)
            .or_else(|| directions.into_iter().find(stated_outside))
            .unwrap_or_default();
        let connection = |lines: &[Line]| {
            let line = lines.iter().find(|line| line.letter == 'c')?;
            line.value
                .rsplit(' ')
                .next()
                .map(|address| line.value.slice_of(address))
        };
        Ok(Self {
            port: media.port,
            protocol: media.protocol.clone(),
            path,
            accept_types,
            accept_wrapped_types: list("accept-wrapped-types").unwrap_or_default(),
            max_size,
            setup,
            direction,
            chatroom: list("chatroom"),
            fingerprints: fingerprints(session, media)?,
            cema: media.attribute("msrp-cema").is_some(),
            file_selector: media.attribute("file-selector").map(ByteStr::from),
            address: connection(&media.lines).or_else(|| connection(&session.lines)),
        })
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
}

fn fingerprints(session: &Session, media: &Media) -> Result<Vec<Fingerprint>, MediaError> {
    let values = |lines: &[Line]| -> Vec<ByteStr> {
        lines
            .iter()
            .filter(|line| line.letter == 'a')
            .filter_map(|line| line.value.strip_prefix("fingerprint:").map(ByteStr::from))
            .collect()
    };
    let mut found = values(&media.lines);
    if found.is_empty() {
        found = values(&session.lines);
    }
    let read = |value: ByteStr| {
        let (hash, digits) = value.trim().split_once(' ')?;
        let is_pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|octet| octet.is_ascii_hexdigit());
        digits.split(':').all(is_pair).then(|| Fingerprint {
            hash: ByteStr::from(hash.to_ascii_lowercase()),
            value: ByteStr::from(digits),
        })
    };
    found
        .into_iter()
        .map(|value| read(value).ok_or(MediaError::Malformed("fingerprint")))
        .collect()
}

/// This end of an MSRP medium that is to be offered or answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LocalMedia {
    /// This end's URI, or the relays before it and then it.
    pub path: Vec<::msrp::Uri>,
    /// The media types it takes. Default: `message/cpim`, `text/plain`.
    pub accept_types: Vec<String>,
    /// The media types it takes inside a container only. Default: none.
    pub accept_wrapped_types: Vec<String>,
    /// The largest message it takes, in octets. Default: not said.
    pub max_size: Option<u64>,
    /// Who connects. In an answer it is fitted to the offer. Default: not said, as in RFC 4975.
    pub setup: Option<Setup>,
    /// What a chat room offers. Default: it is none.
    pub chatroom: Option<Vec<String>>,
    /// Which way messages go. Default: both.
    pub direction: Direction,
    /// The session's id for the `o=` line. Default: 1.
    pub session_id: u64,
    /// The description's version. Default: 1.
    pub version: u64,
}

impl LocalMedia {
    /// An end with the defaults.
    pub fn new(uri: ::msrp::Uri) -> Self {
        Self {
            path: vec![uri],
            accept_types: vec!["message/cpim".to_owned(), "text/plain".to_owned()],
            accept_wrapped_types: Vec::new(),
            max_size: None,
            setup: None,
            chatroom: None,
            direction: Direction::SendRecv,
            session_id: 1,
            version: 1,
        }
    }

    /// Host and port as they stand in the connection line and the media line: those of the endpoint's own URI.
    fn address(&self) -> (String, u16, bool) {
        self.path.last().map_or_else(
            || ("0.0.0.0".to_owned(), 9, false),
            |uri| {
                let host = uri.host().trim_start_matches('[').trim_end_matches(']');
                // RFC 4145 4.1: 9, the discard port, where nobody can connect.
                (host.to_owned(), uri.port().unwrap_or(9), uri.is_secure())
            },
        )
    }

    fn lines(&self, setup: Option<Setup>, direction: Direction) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut attribute = |value: String| lines.push(line('a', value));
        attribute(format!("accept-types:{}", self.accept_types.join(" ")));
        if !self.accept_wrapped_types.is_empty() {
            attribute(format!(
                "accept-wrapped-types:{}",
                self.accept_wrapped_types.join(" ")
            ));
        }
        let path: Vec<String> = self.path.iter().map(ToString::to_string).collect();
        attribute(format!("path:{}", path.join(" ")));
        if let Some(setup) = setup {
            attribute(format!("setup:{}", setup.as_str()));
        }
        if let Some(size) = self.max_size {
            attribute(format!("max-size:{size}"));
        }
        match &self.chatroom {
            Some(offers) if offers.is_empty() => attribute("chatroom".to_owned()),
            Some(offers) => attribute(format!("chatroom:{}", offers.join(" "))),
            None => {}
        }
        attribute(direction.as_str().to_owned());
        lines
    }

    fn session(&self) -> Session {
        let (host, ..) = self.address();
        let address_type = if host.contains(':') { "IP6" } else { "IP4" };
        Session {
            origin: Origin {
                username: ByteStr::from_static("-"),
                session_id: ByteStr::from(self.session_id.to_string()),
                version: ByteStr::from(self.version.to_string()),
                address_type: ByteStr::from_static(address_type),
                address: ByteStr::from(host.clone()),
            },
            lines: vec![
                line('s', "-".to_owned()),
                line('c', format!("IN {address_type} {host}")),
                line('t', "0 0".to_owned()),
            ],
            media: Vec::new(),
        }
    }
}

fn line(letter: char, value: String) -> Line {
    // What the values are made of cannot hold a line end, except a media type that a caller has made up.
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

/// Offers an MSRP medium.
pub fn offer(local: &LocalMedia) -> Session {
    let (_, port, secure) = local.address();
    let mut session = local.session();
    session.media.push(Media {
        media: ByteStr::from_static("message"),
        port,
        ports: None,
        protocol: ByteStr::from_static(if secure { "TCP/TLS/MSRP" } else { "TCP/MSRP" }),
        formats: ByteStr::from_static("*"),
        lines: local.lines(local.setup, local.direction),
    });
    session
}

/// An answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The description to send.
    pub session: Session,
    /// Which of the media it accepts.
    pub chosen: usize,
    /// What the offer says of it.
    pub remote: MessageMedia,
}

/// Why an offer cannot be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// There is no MSRP medium that can be used.
    #[error("no usable msrp medium")]
    NoMedia,
    /// The MSRP medium is malformed.
    #[error("{0}")]
    Malformed(MediaError),
    /// The ends take no media type of each other.
    #[error("no media type in common")]
    NoCommonType,
    /// Both ends want to connect, or both want to wait.
    #[error("nobody to connect")]
    Setup,
}

impl AnswerError {
    /// What the offerer is told.
    //= https://www.rfc-editor.org/rfc/rfc4975#section-8.6
    //# in
    //# SIP, it SHOULD return a SIP 488 response.
    pub fn status(self) -> StatusCode {
        StatusCode::NOT_ACCEPTABLE_HERE
    }
}

/// Answers an offer: its first usable MSRP medium is accepted, every other medium refused in its place.
///
/// # Errors
///
/// Fails when no medium can be accepted; the offer is then refused with [`AnswerError::status`].
pub fn answer(offer: &Session, local: &LocalMedia) -> Result<Answer, AnswerError> {
    let (_, port, secure) = local.address();
    let mut failure = AnswerError::NoMedia;
    let mut chosen = None;
    for (index, media) in offer
        .media
        .iter()
        .enumerate()
        .filter(|(_, media)| media.port != 0 && media.is_msrp())
    {
        if media.protocol.eq_ignore_ascii_case("TCP/TLS/MSRP") != secure {
            continue;
        }
        match MessageMedia::read(offer, media) {
            Err(error) => failure = AnswerError::Malformed(error),
            Ok(remote) if !have_type_in_common(&remote, local) => failure = AnswerError::NoCommonType,
            Ok(remote) => match answering_setup(remote.setup, local.setup) {
                Some(setup) => {
                    chosen = Some((index, remote, setup));
                    break;
                }
                None => failure = AnswerError::Setup,
            },
        }
    }
    let (chosen, remote, setup) = chosen.ok_or(failure)?;
    let mut session = local.session();
    //= https://www.rfc-editor.org/rfc/rfc3264#section-6
    //# For each "m=" line in the offer, there MUST be a corresponding "m="
    //# line in the answer.
    for (index, media) in offer.media.iter().enumerate() {
        if index != chosen {
            session.media.push(media.refused());
            continue;
        }
        let theirs = remote.direction.reversed();
        let direction = Direction::of(
            local.direction.sends() && theirs.sends(),
            local.direction.receives() && theirs.receives(),
        );
        // RFC 4975 has no setup attribute: an offerer without one is not told of it either.
        let setup = remote.setup.is_some().then_some(setup);
        session.media.push(Media {
            port,
            ports: None,
            lines: local.lines(setup, direction),
            ..media.clone()
        });
    }
    Ok(Answer {
        session,
        chosen,
        remote,
    })
}

fn have_type_in_common(remote: &MessageMedia, local: &LocalMedia) -> bool {
    let covers = |range: &String, other: &String| {
        range == "*" || other == "*" || ContentType::parse(other).is_ok_and(|other| other.matches(range))
    };
    remote.accept_types.iter().any(|theirs| {
        local
            .accept_types
            .iter()
            .any(|ours| covers(ours, theirs) || covers(theirs, ours))
    })
}

/// What the answerer does: what is left to it by the offer, and by what it can do itself.
fn answering_setup(offered: Option<Setup>, own: Option<Setup>) -> Option<Setup> {
    //= https://www.rfc-editor.org/rfc/rfc6135#section-4.2
    //# If an SDP offer includes an a=setup "actpass" attribute value, the
    //# SDP answerer MAY include an a=setup "active" attribute value in the
    //# SDP answer, but SHOULD include an a=setup "passive" attribute value
    let (can_wait, can_connect) = match own {
        Some(Setup::Active) => (false, true),
        Some(Setup::Passive) => (true, false),
        _ => (true, true),
    };
    match offered {
        // RFC 4975 8.5: the offerer connects.
        None | Some(Setup::Active) => can_wait.then_some(Setup::Passive),
        Some(Setup::Passive) => can_connect.then_some(Setup::Active),
        Some(Setup::ActPass) => Some(if can_wait { Setup::Passive } else { Setup::Active }),
        Some(Setup::HoldConn) => Some(Setup::HoldConn),
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
