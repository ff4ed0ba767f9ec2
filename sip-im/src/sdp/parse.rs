//! Reading a description line by line.

use ::msrp::header::content::is_token;
use bytes::Bytes;

use super::{Limits, Line, Media, Origin, SdpError, SdpErrorKind, Session};
use crate::ByteStr;
use crate::header::cursor::{decimal, decimal_as};

/// The letters that may come before the first medium after `v=` and `o=`, and those of a medium, in the order of the grammar.
const SESSION_LETTERS: &str = "siuepcbtrzka";
const MEDIA_LETTERS: &str = "icbka";

pub(super) fn session(text: &Bytes, limits: &Limits) -> Result<Session, SdpError> {
    let fail = |kind, offset| SdpError { kind, offset };
    if text.len() > limits.octets {
        return Err(fail(SdpErrorKind::TooLarge, limits.octets));
    }
    let text = match ByteStr::try_from(text.clone()) {
        Ok(text) => text,
        Err(error) => return Err(fail(SdpErrorKind::Encoding, error.valid_up_to())),
    };
    let mut lines = Lines {
        text: &text,
        offset: 0,
    };
    match lines.next()? {
        Some((_, Line { letter: 'v', value })) if value == "0" => {}
        Some((_, Line { letter: 'v', .. })) => return Err(fail(SdpErrorKind::Version, 2)),
        _ => return Err(fail(SdpErrorKind::Line, 0)),
    }
    let origin = match lines.next()? {
        Some((at, Line { letter: 'o', value })) => origin(&value).ok_or(fail(SdpErrorKind::Origin, at))?,
        Some((at, _)) => return Err(fail(SdpErrorKind::Missing, at)),
        None => return Err(fail(SdpErrorKind::Missing, text.len())),
    };
    let mut session = Session {
        origin,
        lines: Vec::new(),
        media: Vec::new(),
    };
    let mut count = 2usize;
    let mut place = 0usize;
    while let Some((at, line)) = lines.next()? {
        count = count.saturating_add(1);
        if count > limits.lines || session.media.len() > limits.media {
            return Err(fail(SdpErrorKind::TooLarge, at));
        }
        if line.letter == 'm' {
            place = 0;
            session
                .media
                .push(media(&line.value).ok_or(fail(SdpErrorKind::Media, at))?);
            continue;
        }
        let (letters, into) = match session.media.last_mut() {
            Some(media) => (MEDIA_LETTERS, &mut media.lines),
            None => (SESSION_LETTERS, &mut session.lines),
        };
        let own = letters.find(line.letter).ok_or(fail(SdpErrorKind::Order, at))?;
        // Times repeat with the repetitions after each; and many peers write c= and b= of a medium in either order.
        let is_free = matches!(line.letter, 'r' | 't' | 'c' | 'b' | 'i' | 'k');
        if own < place && !is_free {
            return Err(fail(SdpErrorKind::Order, at));
        }
        place = place.max(own);
        if !is_well_formed(&line) {
            return Err(fail(SdpErrorKind::Line, at));
        }
        into.push(line);
    }
    //= https://www.rfc-editor.org/rfc/rfc8866#section-5
    //# Some lines in each description are required and some are optional,
    if ['s', 't']
        .iter()
        .any(|letter| !session.lines.iter().any(|line| line.letter == *letter))
    {
        return Err(fail(SdpErrorKind::Missing, text.len()));
    }
    Ok(session)
}

struct Lines<'a> {
    text: &'a ByteStr,
    offset: usize,
}

impl Lines<'_> {
    /// The next line and where it begins.
    fn next(&mut self) -> Result<Option<(usize, Line)>, SdpError> {
        let rest = self.text.as_bytes().get(self.offset..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let start = self.offset;
        //= https://www.rfc-editor.org/rfc/rfc8866#section-5
        //# The sequence CRLF
        //# (0x0d0a) is used to end a line, although parsers SHOULD be tolerant
        //# and also accept lines terminated with a single newline character.
        let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        self.offset = start.saturating_add(len).saturating_add(1);
        let line = rest.get(..len).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let fail = SdpError {
            kind: SdpErrorKind::Line,
            offset: start,
        };
        let value = line.get(2..).ok_or(fail)?;
        let (Some(letter), Some(b'=')) = (
            line.first().filter(|letter| letter.is_ascii_lowercase()),
            line.get(1),
        ) else {
            return Err(fail);
        };
        if value.iter().any(|octet| matches!(octet, 0 | b'\r')) {
            return Err(fail);
        }
        let end = start.saturating_add(line.len());
        let value = self
            .text
            .as_str()
            .get(start.saturating_add(2)..end)
            .map(|part| self.text.slice_of(part));
        Ok(Some((
            start,
            Line {
                letter: char::from(*letter),
                value: value.ok_or(fail)?,
            },
        )))
    }
}

/// Whether a line of fixed form has that form (RFC 8866 5.7, 5.8, 5.9); what attributes say is judged by their readers.
fn is_well_formed(line: &Line) -> bool {
    let fields = || line.value.split(' ');
    match line.letter {
        'c' => fields().count() == 3 && fields().all(|field| !field.is_empty()),
        't' => {
            let is_time = |field: &str| decimal(field).is_ok();
            fields().count() == 2 && fields().all(is_time)
        }
        'b' => line
            .value
            .split_once(':')
            .is_some_and(|(kind, bandwidth)| is_token(kind) && decimal(bandwidth).is_ok()),
        'a' => is_token(line.value.split(':').next().unwrap_or_default()),
        _ => true,
    }
}

fn origin(value: &ByteStr) -> Option<Origin> {
    let fields: Vec<&str> = value.split(' ').collect();
    let [username, session_id, version, "IN", address_type, address] = fields.as_slice() else {
        return None;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    if username.is_empty() || address.is_empty() || !is_number(session_id) || !is_number(version) {
        return None;
    }
    Some(Origin {
        username: value.slice_of(username),
        session_id: value.slice_of(session_id),
        version: value.slice_of(version),
        address_type: value.slice_of(address_type),
        address: value.slice_of(address),
    })
}

fn media(value: &ByteStr) -> Option<Media> {
    let mut fields = value.splitn(4, ' ');
    let (media, port, protocol, formats) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let is_protocol = protocol.split('/').all(is_token);
    if !is_token(media) || !is_protocol || formats.trim().is_empty() {
        return None;
    }
    let (port, ports) = port
        .split_once('/')
        .map_or((port, None), |(port, ports)| (port, Some(ports)));
    Some(Media {
        media: value.slice_of(media),
        port: decimal_as(port).ok()?,
        ports: ports.map(decimal_as).transpose().ok()?,
        protocol: value.slice_of(protocol),
        formats: value.slice_of(formats),
        lines: Vec::new(),
    })
}
