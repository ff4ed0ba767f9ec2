//! The answer to a request with a header line that is none.
//!
//! Its lines cannot be cut for sure, so it is no request; but who sent it may be told so, if what an answer needs can be read.

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memmem;

use super::error::{MessageError, MessageErrorKind, Place};
use super::head::Head;
use super::limits::Limits;
use super::lines::Scanner;
use crate::header::{HeaderName, Headers, Known, Table, check_text};

/// Adds the answer to why a datagram is refused, if it has none and there can be one.
pub(super) fn with_reply(datagram: &[u8], error: MessageError, limits: &Limits) -> MessageError {
    let is_malformed = matches!(
        error.kind,
        MessageErrorKind::Syntax(_) | MessageErrorKind::HeadTooLarge
    );
    if error.reply().is_some() || error.place != Place::HeaderLine || !is_malformed {
        return error;
    }
    match head_of(datagram, limits) {
        Some(head) => head.with_reply(error),
        None => error,
    }
}

/// The start line and the fields that an answer is made of, without all the others.
fn head_of(datagram: &[u8], limits: &Limits) -> Option<Head> {
    let bounded = datagram.get(..limits.head_octets).unwrap_or(datagram);
    let end = memmem::find(bounded, b"\r\n\r\n").unwrap_or(bounded.len());
    let mut clean = BytesMut::with_capacity(end.saturating_add(4));
    let mut rest = bounded.get(..end)?;
    let mut seen: [bool; 5] = [false; 5];
    let mut is_start = true;
    while let Some((line, after)) = next_line(rest, !is_start) {
        rest = after;
        if is_start {
            is_start = false;
        } else if !is_needed(line, &mut seen) {
            continue;
        }
        clean.put_slice(line);
        clean.put_slice(b"\r\n");
    }
    if !seen.iter().all(|seen| *seen) {
        return None;
    }
    clean.put_slice(b"\r\n");
    let clean = clean.freeze();
    let mut table = Table::default();
    let mut scanner = Scanner::default();
    let body = scanner.advance(&clean, &mut table, limits).ok().flatten()?;
    Some(Head {
        start: scanner.start(),
        body,
        headers: Headers::received(Bytes::clone(&clean), table),
    })
}

/// The next line, with the lines that are folded into it if it may be folded, and what follows.
fn next_line(rest: &[u8], may_fold: bool) -> Option<(&[u8], &[u8])> {
    if rest.is_empty() {
        return None;
    }
    let breaks = memmem::find_iter(rest, b"\r\n");
    let is_fold = |at: &usize| may_fold && matches!(rest.get(at.saturating_add(2)), Some(b' ' | b'\t'));
    let mut ends = breaks.filter(|at| !is_fold(at));
    match ends.next() {
        Some(end) => Some((rest.get(..end)?, rest.get(end.saturating_add(2)..)?)),
        None => Some((rest, &[])),
    }
}

/// Is it one of the lines that an answer repeats, and well formed? Of those that are there once the first one counts.
fn is_needed(line: &[u8], seen: &mut [bool; 5]) -> bool {
    const NEEDED: [HeaderName; 5] = [
        HeaderName::VIA,
        HeaderName::FROM,
        HeaderName::TO,
        HeaderName::CALL_ID,
        HeaderName::CSEQ,
    ];
    let colon = memchr::memchr(b':', line).unwrap_or(0);
    let Some((name, value)) = line.split_at_checked(colon) else {
        return false;
    };
    let blank = name
        .iter()
        .rev()
        .take_while(|octet| matches!(octet, b' ' | b'\t'))
        .count();
    let name = name.get(..name.len().saturating_sub(blank)).unwrap_or_default();
    let known = Known::find(name);
    let place = NEEDED
        .iter()
        .position(|needed| known.is_some() && needed.known() == known);
    let is_text = core::str::from_utf8(value)
        .is_ok_and(|value| check_text(value.replace("\r\n", "").as_bytes()).is_ok());
    let Some((place, seen)) = place.and_then(|place| Some((place, seen.get_mut(place)?))) else {
        return false;
    };
    let is_new = place == 0 || !*seen;
    let is_needed = is_new && is_text;
    *seen |= is_needed;
    is_needed
}
