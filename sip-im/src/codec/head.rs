//! Start line and header lines: from a complete head to raw lines, and from raw lines to a message.

use bytes::Bytes;

use super::error::{MessageError, MessageErrorKind, Place};
use super::limits::Limits;
use crate::error::{HeaderErrorKind, ParseError, ParseErrorKind};
use crate::header::cursor::{decimal, decimal_as};
use crate::header::{
    CSeq, CallId, ContentLength, From, Header, HeaderName, Headers, Known, Line, MaxForwards, To, Via,
    check_text,
};
use crate::message::{Message, Request, Response, ResponseBuilder};
use crate::{ByteStr, ContentType, Method, StatusCode, Uri};

/// A head that was cut into lines and not read further.
#[derive(Debug)]
pub(super) struct Head {
    start: ByteStr,
    headers: Headers,
}

/// Where the empty line after the header fields starts: at the CRLF of the last of them.
pub(super) fn find_end(octets: &[u8]) -> Option<usize> {
    // Heads are short, and a searcher is dearer to make than lines are to skip.
    let mut at = 0;
    loop {
        let end = memchr::memchr(b'\n', octets.get(at..)?)?.checked_add(at)?;
        match end.checked_sub(1) {
            Some(start) if octets.get(start..)?.starts_with(b"\r\n\r\n") => return Some(start),
            _ => {}
        }
        at = end.checked_add(1)?;
    }
}

/// Cuts a head, which ends in an empty line, into its lines.
///
/// Whatever fails here leaves no sure end of the message, since two readers could see different lines.
pub(super) fn scan(head: &Bytes, limits: &Limits) -> Result<Head, MessageError> {
    let syntax = |kind, place, at| MessageError::new(MessageErrorKind::Syntax(kind), place, at);
    if head.len() > limits.head_octets {
        return Err(MessageError::new(
            MessageErrorKind::HeadTooLarge,
            Place::HeaderLine,
            limits.head_octets,
        ));
    }
    let text = core::str::from_utf8(head)
        .map_err(|error| syntax(ParseErrorKind::NotUtf8, Place::HeaderLine, error.valid_up_to()))?;
    let Some((line, first)) = next_line(text, 0)? else {
        return Err(MessageError::new(
            MessageErrorKind::Incomplete,
            Place::StartLine,
            0,
        ));
    };
    check_text(line.as_bytes()).map_err(|error| syntax(error.kind, Place::StartLine, error.offset))?;
    let lines = scan_lines(text, first, limits.header_lines)?;
    let start = ByteStr::try_from(head.slice(..line.len())).unwrap_or_default();
    Ok(Head {
        start,
        headers: Headers::received(head.clone(), lines),
    })
}

/// Cuts header lines without a start line, those of a body part.
pub(crate) fn scan_fields(block: &Bytes, at: usize, limit: usize) -> Result<Vec<Line>, MessageError> {
    let text = core::str::from_utf8(block).map_err(|error| {
        let kind = MessageErrorKind::Syntax(ParseErrorKind::NotUtf8);
        MessageError::new(kind, Place::HeaderLine, error.valid_up_to())
    })?;
    scan_lines(text, at, limit)
}

fn scan_lines(text: &str, start: usize, limit: usize) -> Result<Vec<Line>, MessageError> {
    let mut lines: Vec<Line> = Vec::with_capacity(limit.min(24));
    let mut at = start;
    let mut is_folded = false;
    while let Some((line, next)) = next_line(text, at)? {
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            let Some(Line::Received { end, .. }) = lines.last_mut() else {
                let kind = MessageErrorKind::Syntax(ParseErrorKind::UnexpectedText);
                return Err(MessageError::new(kind, Place::HeaderLine, at));
            };
            *end = to_offset(next, at)?;
            is_folded = true;
        } else {
            if lines.len() >= limit {
                return Err(MessageError::new(
                    MessageErrorKind::HeadTooLarge,
                    Place::HeaderLine,
                    at,
                ));
            }
            finish_fold(&mut lines, text, &mut is_folded)?;
            lines.push(read_line(line, at, next)?);
        }
        at = next;
    }
    finish_fold(&mut lines, text, &mut is_folded)?;
    Ok(lines)
}

/// The line at `at` without its CRLF, and where the next one starts.
fn next_line(text: &str, at: usize) -> Result<Option<(&str, usize)>, MessageError> {
    let Some(rest) = text.get(at..) else {
        return Ok(None);
    };
    let Some(end) = memchr::memchr2(b'\r', b'\n', rest.as_bytes()) else {
        return Ok(None);
    };
    let next = at.saturating_add(end).saturating_add(2);
    match rest.get(..end) {
        Some(line) if rest.get(end..).is_some_and(|rest| rest.starts_with("\r\n")) => Ok(Some((line, next))),
        // A bare CR or LF ends a line for some readers and not for others.
        _ => Err(MessageError::new(
            MessageErrorKind::Syntax(ParseErrorKind::ControlCharacter),
            Place::HeaderLine,
            at.saturating_add(end),
        )),
    }
}

fn read_line(line: &str, at: usize, next: usize) -> Result<Line, MessageError> {
    let syntax = |kind, offset: usize| {
        MessageError::new(
            MessageErrorKind::Syntax(kind),
            Place::HeaderLine,
            at.saturating_add(offset),
        )
    };
    let colon =
        memchr::memchr(b':', line.as_bytes()).ok_or(syntax(ParseErrorKind::UnexpectedEnd, line.len()))?;
    let (name, rest) = line.split_at_checked(colon).unwrap_or_default();
    // HCOLON = *( SP / HTAB ) ":" SWS: white space before the colon is not part of the name.
    let name = name.trim_end_matches([' ', '\t']);
    let known = Known::find(name);
    if known.is_none() {
        HeaderName::parse(name).map_err(|error| syntax(error.kind, error.offset))?;
    }
    let value = rest.get(1..).unwrap_or_default();
    check_text(value.as_bytes())
        .map_err(|error| syntax(error.kind, error.offset.saturating_add(colon).saturating_add(1)))?;
    let blank = value
        .len()
        .saturating_sub(value.trim_start_matches([' ', '\t']).len());
    let value_at = at.saturating_add(colon).saturating_add(1).saturating_add(blank);
    let value = value.trim_matches([' ', '\t']);
    Ok(Line::Received {
        known,
        name: (to_offset(at, at)?, to_offset(at.saturating_add(name.len()), at)?),
        value: (
            to_offset(value_at, at)?,
            to_offset(value_at.saturating_add(value.len()), at)?,
        ),
        end: to_offset(next, at)?,
    })
}

/// Makes the folded lines after the last line part of its value. Once for all of them, so that many folds cost no more each
/// than one.
fn finish_fold(lines: &mut [Line], text: &str, is_folded: &mut bool) -> Result<(), MessageError> {
    if !core::mem::take(is_folded) {
        return Ok(());
    }
    let Some(Line::Received { value, end, .. }) = lines.last_mut() else {
        return Ok(());
    };
    let to_usize = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX);
    let start = to_usize(value.0);
    let whole = text
        .get(start..to_usize(*end).saturating_sub(2))
        .unwrap_or_default();
    // A value whose first line is empty starts in the fold.
    let blank = whole
        .len()
        .saturating_sub(whole.trim_start_matches([' ', '\t', '\r', '\n']).len());
    let start = start.saturating_add(blank);
    let trimmed = whole.trim_matches([' ', '\t', '\r', '\n']);
    // A quoted string goes on over the fold, so the value is checked as one.
    check_text(trimmed.replace("\r\n", "").as_bytes()).map_err(|error| {
        let offset = start.saturating_add(error.offset);
        MessageError::new(MessageErrorKind::Syntax(error.kind), Place::HeaderLine, offset)
    })?;
    *value = (
        to_offset(start, start)?,
        to_offset(start.saturating_add(trimmed.len()), start)?,
    );
    Ok(())
}

/// Offsets are kept in 32 bits, which the limits never reach.
fn to_offset(octets: usize, at: usize) -> Result<u32, MessageError> {
    let kind = MessageErrorKind::Syntax(ParseErrorKind::LimitExceeded);
    u32::try_from(octets).map_err(|_| MessageError::new(kind, Place::HeaderLine, at))
}

impl Head {
    /// The length of the body, if the message says it. One field with one number: whoever takes the first of two lengths sees
    /// another message than whoever takes the last.
    pub(super) fn content_length(&self) -> Result<Option<u64>, MessageError> {
        match self.headers.get::<ContentLength>() {
            Ok(length) => Ok(length.map(|ContentLength(length)| length)),
            Err(error) => Err(self.of_header(error)),
        }
    }

    /// Reads what every message must have, and makes the message.
    pub(super) fn into_message(self, body: Bytes) -> Result<Message, MessageError> {
        match self.check() {
            Ok(Start::Request(method, uri)) => Ok(Message::Request(Request::received(
                method,
                uri,
                self.start,
                self.headers,
                body,
            ))),
            Ok(Start::Response(status, reason)) => Ok(Message::Response(Response::received(
                status,
                reason,
                self.start,
                self.headers,
                body,
            ))),
            Err(error) => Err(self.with_reply(error)),
        }
    }

    /// Adds the answer to an error, if there can be one.
    pub(super) fn with_reply(&self, mut error: MessageError) -> MessageError {
        error.reply = self.reply(error.status()).map(Box::new);
        error
    }

    fn check(&self) -> Result<Start, MessageError> {
        let start = parse_start(&self.start)?;
        let headers = &self.headers;
        if !headers.contains(&HeaderName::VIA) {
            return Err(self.of_header(crate::error::HeaderError::new(
                HeaderName::VIA,
                HeaderErrorKind::Missing,
            )));
        }
        for via in headers.all::<Via>() {
            via.map_err(|error| self.of_header(error))?;
        }
        self.once::<From>()?;
        self.once::<To>()?;
        self.once::<CallId>()?;
        let cseq = self.once::<CSeq>()?;
        headers
            .get::<MaxForwards>()
            .map_err(|error| self.of_header(error))?;
        headers
            .get::<ContentType>()
            .map_err(|error| self.of_header(error))?;
        if let Start::Request(method, _) = &start {
            //= https://www.rfc-editor.org/rfc/rfc3261#section-8.1.1.5
            //# The method MUST match that of the request.
            if cseq.method != *method {
                let at = self.headers.offset_of(&HeaderName::CSEQ).unwrap_or(0);
                let kind = match method {
                    Method::Other(_) => MessageErrorKind::UnknownMethodMismatch,
                    _ => MessageErrorKind::MethodMismatch,
                };
                return Err(MessageError::new(kind, Place::Header(HeaderName::CSEQ), at));
            }
        }
        Ok(start)
    }

    fn once<H: Header>(&self) -> Result<H, MessageError> {
        self.headers.require::<H>().map_err(|error| self.of_header(error))
    }

    fn of_header(&self, error: crate::error::HeaderError) -> MessageError {
        let at = self.headers.offset_of(&error.name);
        MessageError::of_header(error, at)
    }

    fn reply(&self, status: StatusCode) -> Option<Response> {
        let method = self.start.split(' ').next().unwrap_or_default();
        let is_response = method
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("SIP/"));
        if is_response || method.is_empty() || method == "ACK" {
            return None;
        }
        // Without a Via there is no way back.
        self.headers.get::<Via>().ok().flatten()?;
        ResponseBuilder::stateless(&self.headers, status).build().ok()
    }
}

enum Start {
    Request(Method, Uri),
    Response(StatusCode, ByteStr),
}

//= https://www.rfc-editor.org/rfc/rfc3261#section-7.1
//# The Request-Line ends with CRLF.  No CR or LF are allowed except in the
//# end-of-line CRLF sequence.  No linear whitespace (LWS) is allowed in
//# any of the elements.
fn parse_start(line: &ByteStr) -> Result<Start, MessageError> {
    let text = line.as_str();
    let syntax = |kind, offset| MessageError::new(MessageErrorKind::Syntax(kind), Place::StartLine, offset);
    let of = |error: ParseError, at: usize| syntax(error.kind, at.saturating_add(error.offset));
    if text
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("SIP/"))
    {
        let (version, rest) = text
            .split_once(' ')
            .ok_or(syntax(ParseErrorKind::UnexpectedEnd, text.len()))?;
        check_version(version, 0)?;
        let at = version.len().saturating_add(1);
        let (code, reason) = rest
            .split_once(' ')
            .ok_or(syntax(ParseErrorKind::UnexpectedEnd, text.len()))?;
        if code.len() != 3 {
            return Err(syntax(ParseErrorKind::NumberOutOfRange, at));
        }
        let code = decimal_as::<u16>(code).map_err(|error| of(error, at))?;
        let status = StatusCode::new(code).ok_or(syntax(ParseErrorKind::NumberOutOfRange, at))?;
        return Ok(Start::Response(status, line.slice_of(reason)));
    }
    let (method, rest) = text
        .split_once(' ')
        .ok_or(syntax(ParseErrorKind::UnexpectedEnd, text.len()))?;
    let (uri, version) = rest
        .rsplit_once(' ')
        .ok_or(syntax(ParseErrorKind::UnexpectedEnd, text.len()))?;
    let uri_at = method.len().saturating_add(1);
    let version_at = uri_at.saturating_add(uri.len()).saturating_add(1);
    let method = Method::parse(method).map_err(|error| of(error, 0))?;
    check_version(version, version_at)?;
    let parsed = Uri::from_text(line.slice_of(uri)).map_err(|error| of(error, uri_at))?;
    // RFC 3261 19.1.1: the table there allows no headers in a Request-URI.
    if parsed.is_sip() && parsed.headers().next().is_some() {
        return Err(syntax(ParseErrorKind::UnexpectedText, uri_at));
    }
    Ok(Start::Request(method, parsed))
}

fn check_version(text: &str, at: usize) -> Result<(), MessageError> {
    if text.eq_ignore_ascii_case("SIP/2.0") {
        return Ok(());
    }
    let is_other_version = text
        .get(..4)
        .is_some_and(|name| name.eq_ignore_ascii_case("SIP/"))
        && text
            .get(4..)
            .and_then(|version| version.split_once('.'))
            .is_some_and(|(major, minor)| decimal(major).is_ok() && decimal(minor).is_ok());
    let kind = if is_other_version {
        MessageErrorKind::Version
    } else {
        MessageErrorKind::Syntax(ParseErrorKind::UnexpectedText)
    };
    Err(MessageError::new(kind, Place::StartLine, at))
}
