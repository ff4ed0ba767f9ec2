//! Offers of an MSRP medium, and answers to them (RFC 3264, RFC 4975 8, RFC 5547 8, RFC 6135, RFC 6714).

use super::file::refused_lines;
use super::{
    Direction, FileDescription, Fingerprint, Line, Media, MediaError, MessageMedia, Origin, Session, Setup,
    line,
};
use crate::{ByteStr, ContentType, StatusCode};

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
    /// The fingerprints of its certificates, said where the medium is TLS. Default: none.
    pub fingerprints: Vec<Fingerprint>,
    /// Whether it takes part in RFC 6714, so that a middlebox may stand at the address of the connection line. Default: no.
    pub cema: bool,
    /// The file that it offers or asks for; in an answer, the file that it gives to who asks for one. Default: none, and a
    /// file that is offered is taken all the same, where no other medium of the offer is usable.
    pub file: Option<FileDescription>,
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
            fingerprints: Vec::new(),
            cema: false,
            file: None,
            session_id: 1,
            version: 1,
        }
    }

    /// Host and port as they stand in the connection line and the media line, and whether the medium is TLS.
    fn address(&self) -> (String, u16, bool) {
        // RFC 6714 4.2 and 4.3: with a relay in the path they are the relay's, else the endpoint's own.
        let uri = if self.cema {
            self.path.first()
        } else {
            self.path.last()
        };
        uri.map_or_else(
            || ("0.0.0.0".to_owned(), 9, false),
            |uri| {
                let host = uri.host().trim_start_matches('[').trim_end_matches(']');
                // RFC 4145 4.1: 9, the discard port, where nobody can connect.
                (host.to_owned(), uri.port().unwrap_or(9), uri.is_secure())
            },
        )
    }

    fn has_relay(&self) -> bool {
        self.path.len() > 1
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

    fn lines(&self, said: &Said) -> Vec<Line> {
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
        if let Some(setup) = said.setup {
            attribute(format!("setup:{setup}"));
        }
        if said.cema {
            attribute("msrp-cema".to_owned());
        }
        if let Some(size) = self.max_size {
            attribute(format!("max-size:{size}"));
        }
        match &self.chatroom {
            Some(offers) if offers.is_empty() => attribute("chatroom".to_owned()),
            Some(offers) => attribute(format!("chatroom:{}", offers.join(" "))),
            None => {}
        }
        if self.address().2 {
            for fingerprint in &self.fingerprints {
                attribute(format!("fingerprint:{fingerprint}"));
            }
        }
        attribute(said.direction.to_string());
        lines.extend(said.file.iter().flat_map(FileDescription::lines));
        lines
    }
}

/// What is said in one description, where that depends on the other end.
struct Said {
    setup: Option<Setup>,
    direction: Direction,
    cema: bool,
    file: Option<FileDescription>,
}

/// Offers an MSRP medium.
pub fn offer(local: &LocalMedia) -> Session {
    let (_, port, secure) = local.address();
    let mut session = local.session();
    //= https://www.rfc-editor.org/rfc/rfc6714#section-4.2
    //# In addition, it MUST include an SDP 'setup:actpass'
    //# attribute in the MSRP media description of the SDP offer.
    let setup = match local.setup {
        _ if local.cema && local.has_relay() => Some(Setup::ActPass),
        None if local.cema => Some(Setup::ActPass),
        setup => setup,
    };
    session.media.push(Media {
        media: ByteStr::from_static("message"),
        port,
        ports: None,
        protocol: ByteStr::from_static(if secure { "TCP/TLS/MSRP" } else { "TCP/MSRP" }),
        formats: ByteStr::from_static("*"),
        lines: local.lines(&Said {
            setup,
            direction: local.direction,
            cema: local.cema,
            file: local.file.clone(),
        }),
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
    /// Whether RFC 6714 is in use, so that who connects goes by the connection line: see [`MessageMedia::connect_to`].
    pub cema: bool,
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
    /// The file that is asked for is not there.
    #[error("no such file")]
    NoFile,
    /// The address of the connection line is not that of the path, and the offerer knows nothing of RFC 6714: a middlebox has
    /// changed what it does not carry.
    #[error("the connection line is not of the path")]
    Middlebox,
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

/// Answers an offer: its first usable MSRP medium is accepted, one for messages before one for a file, and every other medium
/// refused in its place.
///
/// # Errors
///
/// Fails when no medium can be accepted; the offer is then refused with [`AnswerError::status`].
pub fn answer(offer: &Session, local: &LocalMedia) -> Result<Answer, AnswerError> {
    let mut failure = AnswerError::NoMedia;
    let mut chosen: Option<(usize, MessageMedia, Said)> = None;
    for (index, media) in offer.media.iter().enumerate() {
        match consider(offer, media, local) {
            Ok(Some((remote, said))) => {
                let is_file = remote.transfer().is_some();
                if chosen.is_none() || !is_file {
                    chosen = Some((index, remote, said));
                }
                if !is_file {
                    break;
                }
            }
            Ok(None) => {}
            Err(error) => failure = error,
        }
    }
    let (chosen, remote, said) = chosen.ok_or(failure)?;
    let (_, port, _) = local.address();
    let mut session = local.session();
    //= https://www.rfc-editor.org/rfc/rfc3264#section-6
    //# For each "m=" line in the offer, there MUST be a corresponding "m="
    //# line in the answer.
    for (index, media) in offer.media.iter().enumerate() {
        session.media.push(if index == chosen {
            Media {
                port,
                ports: None,
                lines: local.lines(&said),
                ..media.clone()
            }
        } else {
            media.refused()
        });
    }
    Ok(Answer {
        session,
        chosen,
        remote,
        cema: said.cema,
    })
}

/// What is answered for one medium if it is the one that is accepted; `None` for what is no MSRP of our kind.
fn consider(
    offer: &Session,
    media: &Media,
    local: &LocalMedia,
) -> Result<Option<(MessageMedia, Said)>, AnswerError> {
    let secure = local.address().2;
    let is_of_kind =
        media.port != 0 && media.is_msrp() && media.protocol.eq_ignore_ascii_case("TCP/TLS/MSRP") == secure;
    if !is_of_kind {
        return Ok(None);
    }
    let remote = MessageMedia::read(offer, media).map_err(AnswerError::Malformed)?;
    if !have_type_in_common(&remote, local) {
        return Err(AnswerError::NoCommonType);
    }
    //= https://www.rfc-editor.org/rfc/rfc6714#section-4.3
    //# If the MSRP media description of the SDP offer does not contain an
    //# SDP 'msrp-cema' attribute, and the SDP c/m-line address information
    //# associated with the MSRP media description does not match the
    //# information in the MSRP URI of the 'path' attribute(s), the
    //# answerer MUST either reject the offered MSRP connection
    if local.cema && !remote.cema && remote.is_address_in_path() == Some(false) {
        return Err(AnswerError::Middlebox);
    }
    let cema = local.cema && remote.cema && !falls_back(&remote, local);
    let own = if cema && local.has_relay() {
        Some(Setup::Passive)
    } else {
        local.setup
    };
    let setup = answering_setup(remote.setup, own).ok_or(AnswerError::Setup)?;
    let direction = local.direction.answering(remote.direction);
    let file = match remote.transfer() {
        None => None,
        Some(file) if direction.receives() => Some(file.accepted()),
        Some(file) => match &local.file {
            Some(own) if file.selector.selects(&own.selector) => Some(file.provided(own)),
            _ => return Err(AnswerError::NoFile),
        },
    };
    let said = Said {
        // RFC 4975 has no setup attribute: an offerer without one is not told of it either.
        setup: (remote.setup.is_some() || cema).then_some(setup),
        direction,
        cema,
        file,
    };
    Ok(Some((remote, said)))
}

/// The cases in which both ends know RFC 6714, and RFC 4975 holds all the same.
//= https://www.rfc-editor.org/rfc/rfc6714#section-4.3
//# The answerer MUST NOT insert an SDP 'msrp-cema' attribute in the MSRP media
//# description of the SDP answer.
fn falls_back(remote: &MessageMedia, local: &LocalMedia) -> bool {
    let connects = matches!(remote.setup, None | Some(Setup::Active));
    let remote_falls_back = remote.path.len() > 1 && (local.has_relay() || connects);
    remote_falls_back || (local.has_relay() && remote.setup == Some(Setup::Passive))
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

pub(super) fn refused(media: &Media) -> Media {
    Media {
        port: 0,
        ports: None,
        lines: if media.is_msrp() {
            refused_lines(media)
        } else {
            Vec::new()
        },
        ..media.clone()
    }
}
