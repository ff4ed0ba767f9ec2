//! From a head that was cut into lines to a message: the start line, and what every message must have.

use bytes::Bytes;

use super::error::{MessageError, MessageErrorKind, Place};
use super::limits::Limits;
use super::lines::Scanner;
use super::view::{self, UriView, Viewed};
use crate::error::{HeaderError, HeaderErrorKind, ParseError, ParseErrorKind};
use crate::header::cursor::{decimal, decimal_as};
use crate::header::{CSeq, CallId, ContentLength, From, HeaderName, Headers, MaxForwards, Table, To, Via};
use crate::message::{Message, Request, Response, ResponseBuilder};
use crate::uri::{self, Layout};
use crate::{ByteStr, ContentType, Method, StatusCode, Uri};

/// A message that was cut into lines and not read further.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    /// The length of the start line.
    pub(super) start: usize,
    /// Where the body starts.
    pub(super) body: usize,
    /// With the octets of the whole message.
    pub(super) headers: Headers,
}

/// Cuts header lines without a start line, those of a body part.
pub(crate) fn scan_fields(block: &Bytes, limit: usize) -> Result<Table, MessageError> {
    let mut table = Table::default();
    let limits = Limits {
        head_octets: block.len(),
        header_lines: limit,
        ..Limits::default()
    };
    Scanner::of_fields().read_all(block, &mut table, &limits)?;
    Ok(table)
}

/// The length of the body, if the message says it. One field with one number: whoever takes the first of two lengths sees
/// another message than whoever takes the last. Datagrams, streams and parsed messages all ask here.
pub(super) fn content_length(table: &Table, octets: &[u8]) -> Result<Option<u64>, MessageError> {
    match view::get::<ContentLength>(table, octets) {
        Ok(length) => Ok(length.map(|ContentLength(length)| length)),
        Err(error) => {
            let line = table.first(octets, &error.name).and_then(|at| table.get(at));
            let at = line.map(|line| crate::header::to_usize(line.value));
            Err(MessageError::of_header(error, at))
        }
    }
}

impl Head {
    /// Reads what every message must have, and makes the message.
    pub(super) fn into_message(self) -> Result<Message, MessageError> {
        let start = match self.check() {
            Ok(start) => start,
            Err(error) => return Err(self.with_reply(error)),
        };
        let block = self.headers.block();
        let body = block.slice(self.body.min(block.len())..);
        // The start line was read as text, so its pieces are.
        let share = |start: usize, end: usize| {
            let piece = block.slice(start.min(end)..end.min(block.len()));
            ByteStr::try_from(piece).unwrap_or_default()
        };
        Ok(match start {
            Start::Request(method, uri, layout) => {
                let end = uri.saturating_add(layout.1);
                let uri = Uri::read(share(uri, end), layout.0);
                let start = self.start;
                Message::Request(Request::received(method, uri, start, self.headers, body))
            }
            Start::Response(status, reason) => {
                let reason = share(reason, self.start);
                let start = self.start;
                Message::Response(Response::received(status, reason, start, self.headers, body))
            }
        })
    }

    /// The start line. It was found to be UTF-8.
    pub(super) fn start_line(&self) -> &str {
        let octets = self.headers.block().get(..self.start).unwrap_or_default();
        core::str::from_utf8(octets).unwrap_or_default()
    }

    /// Adds the answer to an error, if there can be one.
    pub(super) fn with_reply(&self, mut error: MessageError) -> MessageError {
        error.reply = self.reply(&error).map(Box::new);
        error
    }

    fn check(&self) -> Result<Start, MessageError> {
        let start = parse_start(self.start_line())?;
        let headers = &self.headers;
        let mut vias = headers.views::<Via>();
        match vias.next() {
            None => return Err(self.of_header(HeaderError::new(HeaderName::VIA, HeaderErrorKind::Missing))),
            Some(via) => via.map_err(|error| self.of_header(error))?,
        };
        for via in vias {
            via.map_err(|error| self.of_header(error))?;
        }
        self.once::<From>()?;
        self.once::<To>()?;
        self.once::<CallId>()?;
        let cseq = self.once::<CSeq>()?;
        headers
            .view::<MaxForwards>()
            .map_err(|error| self.of_header(error))?;
        headers
            .view::<ContentType>()
            .map_err(|error| self.of_header(error))?;
        if let Start::Request(method, ..) = &start {
            //= https://www.rfc-editor.org/rfc/rfc3261#section-8.1.1.5
            //# The method MUST match that of the request.
            if cseq.method != method.as_str() {
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

    fn once<H: Viewed>(&self) -> Result<H::View<'_>, MessageError> {
        match self.headers.view::<H>() {
            Ok(Some(view)) => Ok(view),
            Ok(None) => Err(self.of_header(HeaderError::new(H::NAME, HeaderErrorKind::Missing))),
            Err(error) => Err(self.of_header(error)),
        }
    }

    fn of_header(&self, error: HeaderError) -> MessageError {
        let at = self.headers.offset_of(&error.name);
        MessageError::of_header(error, at)
    }

    //= https://www.rfc-editor.org/rfc/rfc3261#section-21.4.1
    //# The Reason-Phrase SHOULD identify the syntax problem in more
    //# detail, for example, "Missing Call-ID header field".
    fn reply(&self, error: &MessageError) -> Option<Response> {
        let method = self.start_line().split(' ').next().unwrap_or_default();
        let is_response = method
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("SIP/"));
        if is_response || method.is_empty() || method == "ACK" {
            return None;
        }
        // Without a Via there is no way back.
        self.headers.view::<Via>().ok().flatten()?;
        let builder = ResponseBuilder::stateless(&self.headers, error.status());
        let builder = if error.status() == StatusCode::BAD_REQUEST {
            builder.reason(&format!("Bad Request: {} {}", error.place, error.kind))
        } else {
            builder
        };
        builder.build().ok()
    }
}

/// What a start line says, with the offsets of what it is shared of.
enum Start {
    /// The URI starts at the offset, and has that length.
    Request(Method, usize, (Layout, usize)),
    /// The reason phrase starts at the offset.
    Response(StatusCode, usize),
}

//= https://www.rfc-editor.org/rfc/rfc3261#section-7.1
//# The Request-Line ends with CRLF.  No CR or LF are allowed except in the
//# end-of-line CRLF sequence.  No linear whitespace (LWS) is allowed in
//# any of the elements.
fn parse_start(text: &str) -> Result<Start, MessageError> {
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
        return Ok(Start::Response(status, text.len().saturating_sub(reason.len())));
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
    let layout = uri::read_whole(uri).map_err(|error| of(error, uri_at))?;
    // RFC 3261 19.1.1: the table there allows no headers in a Request-URI.
    let parsed = UriView::new(uri, layout);
    if parsed.is_sip() && parsed.headers().next().is_some() {
        return Err(syntax(ParseErrorKind::UnexpectedText, uri_at));
    }
    Ok(Start::Request(method, uri_at, (layout, uri.len())))
}

fn check_version(text: &str, at: usize) -> Result<(), MessageError> {
    if text == "SIP/2.0" || text.eq_ignore_ascii_case("SIP/2.0") {
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
