//! What the parsers make of octets, as JSON: the library side of `im-inspect`.
//!
//! A [`Query`] names a kind and carries the octets; [`answer`] gives one JSON object for it and never fails: what a
//! parser refuses is told in the answer.

mod build;
mod cpim;
mod document;
mod identity;
mod measure;
mod msrp;
mod msrp_session;
mod multipart;
mod policy;
mod sdp;
mod sip;
mod uri;
mod uri_list;
mod xcap;

use std::io::{BufRead, Write};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Counts what is allocated while a parser runs.
pub trait Meter {
    /// Starts counting.
    fn start(&self);
    /// The most octets that were allocated at one time since then.
    fn peak(&self) -> usize;
}

/// One input for a parser: a line of a batch.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    #[serde(default)]
    id: Value,
    kind: String,
    file: Option<String>,
    data: Option<String>,
    /// Where a stream is cut into the pieces in which it arrives.
    cuts: Option<Vec<usize>>,
    a: Option<String>,
    b: Option<String>,
    /// The type of a multipart body.
    content_type: Option<String>,
    /// The place of a message that a value is built into.
    op: Option<String>,
    value: Option<String>,
    /// Whether the neighbour that a request comes from is trusted.
    trusted: Option<bool>,
    from_trusted: Option<bool>,
    to_trusted: Option<bool>,
    /// A document of rules, as text or base64; it may also come as the octets.
    rules: Option<String>,
    /// Who asks: a URI, or several.
    asserted: Option<policy::Asserted>,
    anonymous: Option<bool>,
    /// Seconds since 1970, or a date of RFC 3339.
    now: Option<policy::Instant>,
    /// A message, an invitation, or a permission in a group.
    action: Option<String>,
    /// Pairs of an alias and the address that it stands for.
    #[serde(default)]
    aliases: Vec<(String, String)>,
    /// Who belongs to the group.
    #[serde(default)]
    members: Vec<String>,
    /// Where the owner of the rules is.
    sphere: Option<String>,
    service: Option<String>,
    media: Option<String>,
    /// What is decided when no rule says anything.
    default: Option<String>,
    /// An XCAP request: its method, what it is about, and its conditions; the body may also come as the octets.
    method: Option<String>,
    uri: Option<String>,
    if_match: Option<String>,
    if_none_match: Option<String>,
    body: Option<String>,
    body_b64: Option<String>,
    /// The document that is stored, and its entity tag unless that is minted.
    document: Option<String>,
    document_b64: Option<String>,
    etag: Option<String>,
}

/// Why a parser refused its input.
#[derive(Debug)]
pub struct Refusal {
    /// A short name of what is wrong, for programs.
    code: String,
    /// The header, attribute or element.
    at: Option<String>,
    /// Octets from the start of the input, or of the value that `at` names.
    offset: Option<usize>,
    /// The parser's own words.
    text: String,
    /// What goes back on the wire.
    status: Option<u16>,
    /// What is said all the same.
    value: Box<Value>,
}

impl Refusal {
    fn new(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            at: None,
            offset: None,
            text: text.into(),
            status: None,
            value: Box::new(Value::Null),
        }
    }

    /// Adds what is said all the same, made from the parser's own words.
    fn with_value(mut self, value: fn(&str) -> Value) -> Self {
        self.value = Box::new(value(&self.text));
        self
    }

    fn at(mut self, at: impl Into<String>) -> Self {
        self.at = Some(at.into());
        self
    }

    fn offset(mut self, offset: usize) -> Self {
        self.offset = Some(offset);
        self
    }

    fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    fn json(&self) -> Value {
        json!({"code": self.code, "where": self.at, "offset": self.offset, "text": self.text, "status": self.status})
    }
}

/// What a parser accepted, with what in it is there but not acceptable.
struct Accepted {
    value: Value,
    refused: Vec<Value>,
}

impl From<Value> for Accepted {
    fn from(value: Value) -> Self {
        Self {
            value,
            refused: Vec::new(),
        }
    }
}

type Inspector = fn(&Query, &Bytes) -> Result<Accepted, Refusal>;

const INSPECTORS: &[(&str, Inspector)] = &[
    ("build", build::inspect),
    ("cpim", cpim::inspect),
    ("identity", identity::inspect),
    ("msrp", |query, octets| Ok(msrp::inspect(query, octets))),
    ("msrp-session", |query, octets| {
        Ok(msrp_session::inspect(query, octets))
    }),
    ("msrp-uri", uri::msrp),
    ("msrp-uri-cmp", uri::compare_msrp),
    ("multipart", multipart::inspect),
    ("policy", policy::inspect),
    ("privacy", identity::privacy),
    ("sdp", sdp::inspect),
    ("sdp-answer", sdp::answer),
    ("sip", sip::datagram),
    ("sip-auth", sip::authorization),
    ("sip-stream", |query, octets| Ok(sip::stream(query, octets))),
    ("sip-uri", uri::sip),
    ("sip-uri-cmp", uri::compare_sip),
    ("uri-list", uri_list::inspect),
    ("xcap", xcap::inspect),
];

/// The kinds of input, in alphabetical order.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    let mut kinds: Vec<_> = INSPECTORS.iter().map(|(kind, _)| *kind).collect();
    kinds.extend(document::KINDS.iter().map(|kind| kind.name));
    kinds.sort_unstable();
    kinds.into_iter()
}

/// Whether there is such a kind.
pub fn is_kind(kind: &str) -> bool {
    kinds().any(|own| own == kind)
}

/// The answer for octets of a kind.
pub fn answer_octets(kind: &str, octets: &Bytes, meter: &dyn Meter) -> Value {
    let query = Query {
        kind: kind.to_owned(),
        ..Query::default()
    };
    inspect(&query, octets, meter)
}

/// The answer for one line of a batch.
pub fn answer(line: &str, meter: &dyn Meter) -> Value {
    let query: Query = match serde_json::from_str(line) {
        Ok(query) => query,
        Err(error) => {
            let id = serde_json::from_str::<Value>(line)
                .ok()
                .and_then(|value| value.get("id").cloned());
            return refused(
                &id.unwrap_or_default(),
                &Refusal::new("query", error.to_string()),
                0,
                0,
            );
        }
    };
    match octets_of(&query) {
        Ok(octets) => inspect(&query, &octets, meter),
        Err(refusal) => refused(&query.id, &refusal, 0, 0),
    }
}

/// Answers line by line, in order, and stops only at the end of the input.
///
/// # Errors
///
/// Fails when the input cannot be read or the output not be written.
pub fn batch(input: &mut dyn BufRead, output: &mut dyn Write, meter: &dyn Meter) -> std::io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        if text.trim().is_empty() {
            continue;
        }
        serde_json::to_writer(&mut *output, &answer(text.trim(), meter))?;
        output.write_all(b"\n")?;
        // Whoever writes a line may wait for its answer before writing the next.
        output.flush()?;
    }
}

fn octets_of(query: &Query) -> Result<Bytes, Refusal> {
    if let Some(data) = &query.data {
        let octets = STANDARD
            .decode(data.trim())
            .map_err(|error| Refusal::new("query", error.to_string()).at("data"))?;
        return Ok(Bytes::from(octets));
    }
    if let Some(rules) = &query.rules {
        return text_or_base64(rules, "rules");
    }
    match &query.file {
        Some(path) => match std::fs::read(path) {
            Ok(octets) => Ok(Bytes::from(octets)),
            Err(error) => Err(Refusal::new("query", error.to_string()).at("file")),
        },
        None if query.a.is_some() && query.b.is_some() => Ok(Bytes::new()),
        None if query.op.is_some() || query.method.is_some() => Ok(Bytes::new()),
        None => Err(Refusal::new("query", "neither data nor file").at("data")),
    }
}

/// A document given as a value of the query: its text, or base64 of it.
fn text_or_base64(value: &str, key: &str) -> Result<Bytes, Refusal> {
    if value.contains('<') {
        return Ok(Bytes::copy_from_slice(value.as_bytes()));
    }
    STANDARD
        .decode(value.trim())
        .map(Bytes::from)
        .map_err(|error| Refusal::new("query", error.to_string()).at(key))
}

fn inspect(query: &Query, octets: &Bytes, meter: &dyn Meter) -> Value {
    let own = INSPECTORS.iter().find(|(kind, _)| *kind == query.kind);
    let document = document::KINDS.iter().find(|kind| kind.name == query.kind);
    let Some(inspector) = own.map(|(_, own)| *own).or(document.map(|kind| kind.inspect)) else {
        return refused(&query.id, &Refusal::new("query", "unknown kind").at("kind"), 0, 0);
    };
    meter.start();
    let started = Instant::now();
    measure::parse(query, octets);
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let peak = meter.peak();
    match inspector(query, octets) {
        Ok(accepted) => json!({
            "id": query.id, "ok": true, "value": accepted.value, "error": null,
            "refused": accepted.refused, "micros": micros, "peak_alloc": peak,
        }),
        Err(refusal) => refused(&query.id, &refusal, micros, peak),
    }
}

fn refused(id: &Value, refusal: &Refusal, micros: u64, peak: usize) -> Value {
    json!({
        "id": id, "ok": false, "value": refusal.value, "error": refusal.json(),
        "refused": [], "micros": micros, "peak_alloc": peak,
    })
}

/// The text of an input that is one value: without the line end that an editor leaves behind it.
fn text_of(octets: &[u8], status: u16) -> Result<&str, Refusal> {
    let octets = octets.strip_suffix(b"\n").unwrap_or(octets);
    let octets = octets.strip_suffix(b"\r").unwrap_or(octets);
    std::str::from_utf8(octets).map_err(|error| {
        Refusal::new("encoding", "not utf-8")
            .offset(error.valid_up_to())
            .status(status)
    })
}

/// Sets `key` to the octets as text, or the twin key `key_b64` where they are not UTF-8.
fn set_octets(object: &mut Map<String, Value>, key: &str, octets: &[u8]) {
    match std::str::from_utf8(octets) {
        Ok(text) => object.insert(key.to_owned(), Value::from(text)),
        Err(_) => object.insert(format!("{key}_b64"), Value::from(STANDARD.encode(octets))),
    };
}

/// Undoes base64.
fn decoded(text: &str, key: &str) -> Result<Bytes, Refusal> {
    let octets = STANDARD.decode(text.trim());
    octets
        .map(Bytes::from)
        .map_err(|error| Refusal::new("query", error.to_string()).at(key))
}

fn base64(octets: &[u8]) -> Value {
    Value::from(STANDARD.encode(octets))
}

/// The octets in the pieces in which they arrive.
fn pieces(octets: &Bytes, cuts: Option<&[usize]>) -> Vec<Bytes> {
    let mut bounds: Vec<usize> = cuts
        .unwrap_or_default()
        .iter()
        .copied()
        .filter(|&cut| cut < octets.len())
        .collect();
    bounds.sort_unstable();
    bounds.push(octets.len());
    let mut start = 0;
    let mut pieces = Vec::with_capacity(bounds.len());
    for end in bounds {
        if start < end {
            pieces.push(octets.slice(start..end));
            start = end;
        }
    }
    pieces
}

/// The variant's name in snake case, from how it is shown for debugging: `UnknownScheme { .. }` is `unknown_scheme`.
fn code_of(kind: &dyn std::fmt::Debug) -> String {
    let shown = format!("{kind:?}");
    let name = shown
        .split(|character: char| !character.is_ascii_alphanumeric())
        .next()
        .unwrap_or_default();
    let mut code = String::with_capacity(name.len().saturating_add(4));
    for character in name.chars() {
        if character.is_ascii_uppercase() && !code.is_empty() {
            code.push('_');
        }
        code.push(character.to_ascii_lowercase());
    }
    code
}
