//! The torture messages of RFC 4475 and RFC 5118, each with the verdict of its RFC in a file beside it.
//!
//! An expectation has lines `key: value`. `section` and `reason` are for people. `verdict` is `accept`, `refuse` (a request
//! is answered with `status`) or `discard` (a response is dropped). What is refused names `where` and `what`, and `answered`
//! says whether enough can be read to answer. What is accepted lists under `read` how a field is understood, in the library's
//! own writing, one line a value; `unreadable` are fields that do not make the message unreadable, and cannot be read.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use sip_im::Message;
use sip_im::codec::{Limits, StreamDecoder, StreamItem, parse_datagram};
use sip_im::header::{self, Header, Headers};

struct Vector {
    name: String,
    octets: Bytes,
    expected: Vec<(String, String)>,
}

impl Vector {
    fn all(&self, key: &str) -> Vec<&str> {
        let lines = self.expected.iter().filter(|(found, _)| found == key);
        lines.map(|(_, value)| value.as_str()).collect()
    }

    fn one(&self, key: &str) -> &str {
        match self.all(key).as_slice() {
            [value] => value,
            _ => panic!("{}: one line {key} is needed", self.name),
        }
    }
}

fn vectors(folder: &str) -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(folder);
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "dat"))
        .collect();
    files.sort();
    let vector = |path: &PathBuf| {
        let text = std::fs::read_to_string(path.with_extension("expect")).unwrap();
        let line = |line: &str| {
            let (key, value) = line.split_once(": ").unwrap();
            (key.to_owned(), value.to_owned())
        };
        Vector {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            octets: Bytes::from(std::fs::read(path).unwrap()),
            expected: text.lines().map(line).collect(),
        }
    };
    files.iter().map(vector).collect()
}

/// The values of the fields of this type, written by the library.
fn read<H: Header>(headers: &Headers, out: &mut Vec<String>, unreadable: &mut Vec<String>) {
    for value in headers.all::<H>() {
        let mut text = format!("{}: ", H::NAME);
        match value {
            Ok(value) => {
                value.write(&mut text).unwrap();
                out.push(visible(&text));
            }
            Err(error) => unreadable.push(error.to_string()),
        }
    }
}

fn visible(text: &str) -> String {
    let escape = |character: char| match character {
        control if control.is_ascii_control() => control.escape_unicode().to_string(),
        other => other.to_string(),
    };
    text.chars().map(escape).collect()
}

fn read_all(headers: &Headers) -> (Vec<String>, Vec<String>) {
    let (mut out, mut unreadable) = (Vec::new(), Vec::new());
    macro_rules! read_each {
        ($($header:ident)+) => { $(read::<header::$header>(headers, &mut out, &mut unreadable);)+ };
    }
    read_each! {
        Via From To CallId CSeq MaxForwards Contact Route RecordRoute Date Expires Subject Accept Supported Require ProxyRequire
        Authorization Warning RetryAfter ContentLength
    }
    (out, unreadable)
}

fn check(vector: &Vector) {
    let name = &vector.name;
    let result = parse_datagram(vector.octets.clone(), &Limits::default());
    if vector.one("verdict") == "accept" {
        let message = result.unwrap_or_else(|error| panic!("{name}: {error}"));
        let (understood, unreadable) = read_all(message.headers());
        assert_eq!(understood, vector.all("read"), "{name}");
        assert_eq!(unreadable, vector.all("unreadable"), "{name}");
        let start = match &message {
            Message::Request(request) => format!("{} {}", request.method(), request.uri()),
            Message::Response(response) => format!("{} {}", response.status(), response.reason()),
        };
        assert_eq!(start, vector.one("start"), "{name}");
        let written = message.to_bytes();
        assert!(vector.octets.starts_with(&written), "{name} is written as it was");
        let again = parse_datagram(written.clone(), &Limits::default()).unwrap();
        assert_eq!(again.to_bytes(), written, "{name}");
    } else {
        let Err(error) = result else {
            panic!("{name} is accepted")
        };
        assert_eq!(error.place.to_string(), vector.one("where"), "{name}");
        assert_eq!(error.kind.to_string(), vector.one("what"), "{name}");
        let answer = error.reply().map_or("no", |_| "yes");
        if vector.one("verdict") == "discard" {
            assert_eq!(answer, "no", "{name}");
        } else {
            assert_eq!(error.status().to_string(), vector.one("status"), "{name}");
            assert_eq!(answer, vector.one("answered"), "{name}");
        }
        assert!(error.offset <= vector.octets.len(), "{name}: {}", error.offset);
    }
}

#[test]
fn every_message_of_rfc_4475_gets_the_verdict_of_the_rfc() {
    let vectors = vectors("rfc4475");
    assert_eq!(vectors.len(), 49);
    vectors.iter().for_each(check);
}

#[test]
fn every_message_of_rfc_5118_gets_the_verdict_of_the_rfc() {
    let vectors = vectors("rfc5118");
    assert_eq!(vectors.len(), 12);
    vectors.iter().for_each(check);
}

/// Reads a stream that came in at once, then ended: its messages, how many were malformed, and whether it ended inside a
/// message or has to be closed.
fn stream(octets: &Bytes) -> (Vec<Bytes>, usize, bool, bool) {
    let mut decoder = StreamDecoder::new(Limits::default());
    decoder.push(octets.clone());
    let (mut messages, mut malformed) = (Vec::new(), 0);
    loop {
        match decoder.next() {
            Ok(Some(StreamItem::Message(message))) => messages.push(message.to_bytes()),
            Ok(Some(StreamItem::Malformed { .. })) => malformed += 1,
            Ok(Some(_)) => {}
            Ok(None) => return (messages, malformed, decoder.is_incomplete(), false),
            Err(_) => return (messages, malformed, false, true),
        }
    }
}

#[test]
fn a_stream_takes_the_message_that_a_datagram_takes() {
    for vector in vectors("rfc4475").iter().chain(&vectors("rfc5118")) {
        let name = vector.name.as_str();
        let (messages, malformed, incomplete, closed) = stream(&vector.octets);
        match name {
            // On a stream the octets after the first message are the second one, whose length is that of most of its body.
            "dblreq" => assert_eq!((messages.len(), malformed), (2, 0)),
            // Nothing tells where the message ends.
            "ncl" | "mcl01" | "inv2543" => assert!(closed && messages.is_empty(), "{name}"),
            // The rest may still come.
            "clerr" => assert!(incomplete && messages.is_empty(), "{name}"),
            _ if vector.one("verdict") == "accept" => {
                assert_eq!(
                    (messages.len(), malformed, incomplete, closed),
                    (1, 0, false, false),
                    "{name}"
                );
                assert_eq!(messages[0], vector.octets, "{name}");
            }
            _ => assert_eq!((messages.len(), malformed, closed), (0, 1, false), "{name}"),
        }
    }
}

#[test]
fn a_message_that_ends_early_is_incomplete_and_never_another_message() {
    for vector in vectors("rfc4475").iter().chain(&vectors("rfc5118")) {
        if vector.one("verdict") != "accept" {
            continue;
        }
        let name = vector.name.as_str();
        let whole = match parse_datagram(vector.octets.clone(), &Limits::default()) {
            Ok(message) => message.to_bytes(),
            Err(error) => panic!("{name}: {error}"),
        };
        let states_length = !whole.is_empty() && name != "inv2543";
        for end in 0..whole.len() {
            let cut = whole.slice(..end);
            let parsed = parse_datagram(cut.clone(), &Limits::default());
            if states_length {
                let error = parsed.err().map(|error| error.kind.to_string());
                assert_eq!(error.as_deref(), Some("incomplete"), "{name} at {end}");
                let (messages, malformed, incomplete, closed) = stream(&cut);
                assert_eq!(
                    (messages.len(), malformed, closed),
                    (0, 0, false),
                    "{name} at {end}"
                );
                assert_eq!(incomplete, end > 0, "{name} at {end}");
            }
        }
    }
}
