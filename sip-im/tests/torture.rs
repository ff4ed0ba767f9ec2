//! The torture messages of RFC 4475 and RFC 5118, each with its verdict.
//!
//! A `.expect` file holds `accepted` or `refused STATUS`, and after it a line for each header field that is there and not
//! acceptable while the message is: `unacceptable NAME`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sip_im::codec::{Limits, StreamDecoder, StreamItem, parse_datagram};
use sip_im::error::HeaderError;
use sip_im::header::{
    Accept, AcceptContact, Allow, AllowEvents, Authorization, Contact, Date, Event, Expires, Header, MinExpires,
    PAssertedIdentity, Path as PathHeader, Privacy, ProxyAuthenticate, ProxyAuthorization, ProxyRequire, RecordRoute,
    ReferTo, ReferredBy, Replaces, Require, RetryAfter, Route, ServiceRoute, SubscriptionState, Supported, Unsupported,
    Via, Warning, WwwAuthenticate,
};
use sip_im::mime::ContentDisposition;
use sip_im::Message;

fn vectors() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut files: Vec<PathBuf> = ["rfc4475", "rfc5118"]
        .iter()
        .flat_map(|folder| fs::read_dir(root.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "dat"))
        .collect();
    files.sort();
    assert!(files.len() > 60);
    files
}

fn verdict(octets: &Bytes) -> String {
    match parse_datagram(octets.clone(), &Limits::default()) {
        Ok(message) => {
            let mut out = "accepted\n".to_owned();
            for name in unacceptable(&message) {
                writeln!(out, "unacceptable {name}").unwrap();
            }
            out
        }
        Err(error) => format!("refused {}\n", error.status()),
    }
}

fn unacceptable(message: &Message) -> Vec<String> {
    fn ask<H: Header>(message: &Message, into: &mut Vec<String>) {
        let first: Result<Option<H>, HeaderError> = message.headers().get();
        if first.is_err() || message.headers().all::<H>().any(|value| value.is_err()) {
            into.push(H::NAME.to_string());
        }
    }
    let mut names = Vec::new();
    macro_rules! ask { ($($type:ty)*) => { $( ask::<$type>(message, &mut names); )* } }
    ask! {
        Via Route RecordRoute PathHeader ServiceRoute Contact Accept Allow AllowEvents Supported Require ProxyRequire
        Unsupported Date Event SubscriptionState Expires MinExpires RetryAfter Warning ReferTo ReferredBy Replaces
        Authorization ProxyAuthorization WwwAuthenticate ProxyAuthenticate PAssertedIdentity Privacy AcceptContact
        ContentDisposition
    }
    names
}

#[test]
fn every_message_gets_its_verdict() {
    let mut wrong = String::new();
    for path in vectors() {
        let octets = Bytes::from(fs::read(&path).unwrap());
        let expected = fs::read_to_string(path.with_extension("expect")).unwrap_or_default();
        let found = verdict(&octets);
        if found != expected {
            writeln!(wrong, "{}: {found:?} instead of {expected:?}", path.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn an_accepted_message_is_written_back_octet_for_octet() {
    for path in vectors() {
        let octets = Bytes::from(fs::read(&path).unwrap());
        if let Ok(message) = parse_datagram(octets.clone(), &Limits::default()) {
            let written = message.to_bytes();
            // Only octets after the body may be missing.
            assert!(octets.starts_with(&written), "{}", path.display());
            let again = parse_datagram(written.clone(), &Limits::default()).unwrap();
            assert_eq!(again.to_bytes(), written);
        }
    }
}

#[test]
fn every_truncation_is_read_or_refused() {
    for path in vectors() {
        let octets = Bytes::from(fs::read(&path).unwrap());
        for end in 0..octets.len() {
            if let Ok(message) = parse_datagram(octets.slice(..end), &Limits::default()) {
                let _ = unacceptable(&message);
            }
        }
    }
}

fn read_stream(pieces: impl Iterator<Item = Bytes>) -> Vec<String> {
    let mut decoder = StreamDecoder::new(Limits::default());
    let mut seen = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next() {
                Ok(Some(StreamItem::Message(message))) => seen.push(format!("{:?}", message.to_bytes())),
                Ok(Some(StreamItem::Malformed { error, .. })) => seen.push(format!("malformed: {error}")),
                Ok(Some(item)) => seen.push(format!("{item:?}")),
                Ok(None) => break,
                Err(error) => {
                    seen.push(format!("closed: {error}"));
                    return seen;
                }
            }
        }
    }
    seen.push(format!("incomplete: {}", decoder.is_incomplete()));
    seen
}

#[test]
fn a_stream_is_the_same_however_it_is_cut() {
    let mut everything: Vec<u8> = b"\r\n\r\n".to_vec();
    for path in vectors() {
        let octets = Bytes::from(fs::read(&path).unwrap());
        let whole = read_stream(std::iter::once(octets.clone()));
        for step in [1, 2, 3, 7, 64, 1000] {
            let cut = read_stream(octets.chunks(step).map(Bytes::copy_from_slice));
            assert_eq!(whole, cut, "{} in pieces of {step}", path.display());
        }
        if whole.len() == 2 && whole[1] == "incomplete: false" {
            everything.extend_from_slice(&octets);
        }
    }
    let whole = read_stream(std::iter::once(Bytes::from(everything.clone())));
    assert!(whole.len() > 20);
    assert_eq!(whole.last().map(String::as_str), Some("incomplete: false"));
    assert_eq!(whole, read_stream(everything.chunks(5).map(Bytes::copy_from_slice)));
}
