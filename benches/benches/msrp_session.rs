//! What sessions cost on top of the wire format: receiving against decoding alone, and sending against a copy of the
//! octets. The volumes are larger than a cache; what is received arrives in reads of 64 KiB as from a socket.
//!
//! A body that is sent is neither in a cache when its end-lines are looked for, nor when it is copied for comparison. In the
//! time for sending is all that the endpoint does meanwhile: it reads what the peer says, which are messages that are
//! reported on and, where the message wants them, the answers to all its chunks. A message asks for answers unless it
//! says otherwise, so that "with answers" is the usual case. What the peer says is written beforehand, and the randomness is as
//! cheap as can be, since neither is of the endpoint.

use std::cell::RefCell;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::Instant;

use benches::{Comparison, is_wanted};
use bytes::{Buf, Bytes, BytesMut};
use msrp::codec::{Decoder, Frame, Leniency, Limits};
use msrp::endpoint::{
    Config, Delivery, Endpoint, Event, Input, OutgoingBody, OutgoingMessage, Role, SessionConfig, SessionKey,
    Transmit,
};
use msrp::header::{ByteRange, ContentType, FailureReport, SuccessReport};
use msrp::{ConnectionId, Entropy, Uri};

const OWN: &str = "msrp://biloxi.example.com:12763/kjhd37s2s20w2a;tcp";
const PEER: &str = "msrp://atlanta.example.com:7654/jshA7weztas;tcp";
const VOLUME: usize = 64 << 20;
const SENT: usize = 100 << 20;
const READ: usize = 64 << 10;
const CONNECTION: ConnectionId = ConnectionId(1);

/// Makes the octets that arrive, and says how many messages or chunks they are.
type Make = fn() -> (Bytes, usize);

fn main() {
    let now = Instant::now();
    let streaming = Delivery::Streaming;
    let whole = Delivery::Whole { max: 1 << 20 };
    let inputs: [(&str, Make, Delivery); 5] = [
        ("small messages, whole", || messages(64), whole),
        ("small messages, streaming", || messages(64), streaming),
        ("2 KiB chunks, streaming", || chunks(2048, VOLUME), streaming),
        ("64 KiB chunks, streaming", || chunks(65536, VOLUME), streaming),
        (
            "messages of 512 KiB in 2 KiB chunks, whole",
            || chunks(2048, 512 << 10),
            whole,
        ),
    ];
    for (name, input, delivery) in inputs {
        let name = format!("msrp_session/receive {name}");
        if !is_wanted(&name) {
            continue;
        }
        let (stream, count) = input();
        Comparison::new(&name, stream.len(), count).run(
            || receive(&stream, delivery, now),
            "decoding alone",
            || decode(&stream),
        );
    }
    let body = Bytes::from(vec![b'x'; SENT]);
    let mut target = vec![0; SENT];
    for (name, failure_report) in [
        ("without answers", FailureReport::No),
        ("with answers", FailureReport::Yes),
    ] {
        let name = format!("msrp_session/send 100 MiB in 2 KiB chunks, reports in between, {name}");
        if !is_wanted(&name) {
            continue;
        }
        let peer = rehearse(&body, failure_report, now);
        Comparison::new(&name, SENT, SENT / 2048).run(
            || {
                let mut said = peer.iter();
                send(&body, failure_report, now, || said.next().cloned(), |_| {})
            },
            "memcpy",
            || black_box(&mut target).copy_from_slice(black_box(&body)),
        );
    }
}

fn head(number: usize, message: usize, range: &str, more: &str) -> String {
    format!(
        "MSRP {number:016x} SEND\r\nTo-Path: {OWN}\r\nFrom-Path: {PEER}\r\nMessage-ID: 8765{message:08}\r\n\
         Byte-Range: {range}\r\n{more}Content-Type: text/plain\r\n\r\n"
    )
}

fn put(stream: &mut BytesMut, number: usize, head: &str, body: usize, flag: char) {
    stream.extend_from_slice(head.as_bytes());
    stream.resize(stream.len() + body, b'x');
    stream.extend_from_slice(format!("\r\n-------{number:016x}{flag}\r\n").as_bytes());
}

/// Messages of one chunk each.
fn messages(body: usize) -> (Bytes, usize) {
    let mut stream = BytesMut::with_capacity(VOLUME + 1024);
    let mut count = 0;
    while stream.len() < VOLUME / 4 {
        let head = head(count, count, &format!("1-{body}/{body}"), "");
        put(&mut stream, count, &head, body, '$');
        count += 1;
    }
    (stream.freeze(), count)
}

/// Messages of many chunks.
fn chunks(body: usize, total: usize) -> (Bytes, usize) {
    let mut stream = BytesMut::with_capacity(VOLUME * 2);
    let (mut count, mut message) = (0, 0);
    while stream.len() < VOLUME {
        for at in (0..total).step_by(body) {
            let end = at + body;
            let head = head(count, message, &format!("{}-*/{total}", at + 1), "");
            put(
                &mut stream,
                count,
                &head,
                body,
                if end < total { '+' } else { '$' },
            );
            count += 1;
        }
        message += 1;
    }
    (stream.freeze(), count)
}

fn reads(stream: &Bytes) -> impl Iterator<Item = Bytes> {
    let mut rest = stream.clone();
    std::iter::from_fn(move || (!rest.is_empty()).then(|| rest.split_to(rest.len().min(READ))))
}

fn decode(stream: &Bytes) -> usize {
    let mut decoder = Decoder::new(Limits::default(), Leniency::default());
    let mut sum = 0;
    for read in reads(stream) {
        decoder.push(read);
        while let Ok(Some(frame)) = decoder.next() {
            match frame {
                Frame::Head(head) => {
                    let headers = &head.headers;
                    sum += headers.to_path().map_or(0, msrp::header::PathRef::len);
                    sum += headers.from_path().map_or(0, msrp::header::PathRef::len);
                    sum += headers.message_id().ok().flatten().map_or(0, str::len);
                    sum += usize::from(headers.get::<ByteRange>().is_ok_and(|range| range.is_some()));
                    sum += usize::from(headers.get::<SuccessReport>().is_ok());
                    sum += usize::from(headers.get::<FailureReport>().is_ok());
                    sum += usize::from(headers.get::<ContentType>().is_ok());
                }
                Frame::Body(octets) => sum += octets.len(),
                _ => {}
            }
        }
    }
    sum
}

fn entropy() -> Entropy {
    let mut state = 88_172_645_463_325_252_u64;
    Box::new(move |octets| {
        for octets in octets.chunks_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            for (octet, random) in octets.iter_mut().zip(state.to_le_bytes()) {
                *octet = random;
            }
        }
    })
}

fn endpoint(config: Config, delivery: Delivery, now: Instant) -> (Endpoint, Option<SessionKey>) {
    let mut endpoint = Endpoint::new(config, entropy());
    let session = Uri::parse(OWN)
        .ok()
        .zip(Uri::parse(PEER).ok())
        .and_then(|(own, peer)| {
            let mut session = SessionConfig::new(own, vec![peer], Role::Passive);
            session.delivery = delivery;
            endpoint.open_session(session, now).ok()
        });
    let opened = Input::Opened {
        connection: CONNECTION,
        open: None,
        secure: false,
    };
    endpoint.handle_input(opened, now);
    (endpoint, session)
}

fn receive(stream: &Bytes, delivery: Delivery, now: Instant) -> usize {
    let (mut endpoint, _) = endpoint(Config::default(), delivery, now);
    let mut sum = 0;
    for data in reads(stream) {
        let connection = CONNECTION;
        endpoint.handle_input(Input::Received { connection, data }, now);
        while let Some(event) = endpoint.poll_event() {
            sum += match event {
                Event::BodyReceived { data, .. } | Event::MessageReceived { body: data, .. } => data.len(),
                _ => 1,
            };
        }
        while let Some(Transmit::Send { data, .. }) = endpoint.poll_transmit(now) {
            sum += data.remaining();
        }
    }
    sum
}

/// Finds out what a peer says while a body is sent to it: a message to report on before each 64 transmissions, behind the
/// answers to the chunks so far if they want any. Since the entropy is always the same, the chunks are, too, so that what
/// is measured later is what an endpoint does, and not what its peer does.
fn rehearse(body: &Bytes, failure_report: FailureReport, now: Instant) -> Vec<Bytes> {
    let answers = RefCell::new(BytesMut::new());
    let mut said: Vec<Bytes> = Vec::new();
    let say = || {
        let mut answers = answers.borrow_mut();
        let number = said.len() + 1;
        let head = head(number, number, "1-4/4", "Success-Report: yes\r\n");
        put(&mut answers, number, &head, 4, '$');
        said.push(answers.split().freeze());
        said.last().cloned()
    };
    let hear = |octets: &[u8]| {
        if failure_report == FailureReport::Yes {
            answer(octets, &mut answers.borrow_mut());
        }
    };
    send(body, failure_report, now, say, hear);
    said
}

/// Sends a body to a peer that says something before each 64 transmissions.
fn send(
    body: &Bytes,
    failure_report: FailureReport,
    now: Instant,
    mut say: impl FnMut() -> Option<Bytes>,
    mut hear: impl FnMut(&[u8]),
) -> usize {
    let mut config = Config::default();
    config.chunk_size = NonZeroUsize::new(2048).unwrap_or(config.chunk_size);
    let (mut endpoint, session) = endpoint(config, Delivery::Streaming, now);
    let connection = CONNECTION;
    let mut sum = 0;
    let data = say().unwrap_or_default();
    endpoint.handle_input(Input::Received { connection, data }, now);
    let mut message = OutgoingMessage::new(ContentType::text_plain(), OutgoingBody::Whole(body.clone()));
    message.failure_report = failure_report;
    if let Some(session) = session {
        let _ = endpoint.send(session, message, now);
    }
    loop {
        let mut sent = 0;
        while let Some(Transmit::Send { data, .. }) = endpoint.poll_transmit(now) {
            sum += data.remaining();
            sent += 1;
            hear(data.chunk());
            if sent == 64 {
                break;
            }
        }
        while endpoint.poll_event().is_some() {}
        if sent < 64 && session.is_none_or(|session| endpoint.queued(session) == 0) {
            return sum;
        }
        let data = say().unwrap_or_default();
        endpoint.handle_input(Input::Received { connection, data }, now);
    }
}

/// Answers a SEND with 200.
fn answer(head: &[u8], answers: &mut BytesMut) {
    let mut words = head.get(5..).unwrap_or_default().split(|&octet| octet == b' ');
    if let (Some(id), Some(method)) = (words.next(), words.next())
        && method.starts_with(b"SEND")
    {
        let rest = format!(" 200 OK\r\nTo-Path: {OWN}\r\nFrom-Path: {PEER}\r\n-------");
        for part in [b"MSRP ", id, rest.as_bytes(), id, b"$\r\n"] {
            answers.extend_from_slice(part);
        }
    }
}
