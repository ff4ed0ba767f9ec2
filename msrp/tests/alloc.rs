//! How much is allocated: by heads, by bodies that stream through, and by what a peer leaves unfinished.
#![cfg(test)]
#![expect(unsafe_code, reason = "an allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use msrp::codec::{Decoder, Frame, Leniency, Limits};
use msrp::endpoint::{
    Config, Delivery, Endpoint, Input, OutgoingBody, OutgoingMessage, Role, SessionConfig, Transmit,
};
use msrp::header::ByteRange;
use msrp::header::content::ContentType;
use msrp::{ConnectionId, Entropy};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

fn more(octets: usize) {
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
    let held = HELD.try_with(|held| {
        held.set(held.get().wrapping_add(octets));
        held.get()
    });
    let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.unwrap_or(0))));
}

fn less(octets: usize) {
    let _ = HELD.try_with(|held| held.set(held.get().wrapping_sub(octets)));
}

// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        less(layout.size());
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        less(layout.size());
        more(size);
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The number of allocations of this thread while `run` runs, and the most octets that it held at a time.
fn measured(run: impl FnOnce()) -> (usize, usize) {
    let (allocations, held) = (ALLOCATIONS.get(), HELD.get());
    PEAK.set(held);
    run();
    (ALLOCATIONS.get() - allocations, PEAK.get() - held)
}

const OWN: &str = "msrp://own.example:2855/ours;tcp";
const PEER: &str = "msrp://peer.example:7654/theirs;tcp";

fn chunk(id: &str, range: &str, body: &str, flag: char) -> Bytes {
    Bytes::from(format!(
        "MSRP tid1 SEND\r\nTo-Path: {OWN}\r\nFrom-Path: {PEER}\r\nMessage-ID: {id}\r\nByte-Range: {range}\r\n\
         Content-Type: text/plain\r\n\r\n{body}\r\n-------tid1{flag}\r\n"
    ))
}

#[expect(clippy::disallowed_methods, reason = "instants have no other beginning")]
fn epoch() -> Instant {
    Instant::now()
}

fn entropy(seed: u8) -> Entropy {
    Box::new(move |octets| octets.fill(seed))
}

fn passive(delivery: Delivery) -> (Endpoint, Instant) {
    let now = epoch();
    let mut endpoint = Endpoint::new(Config::default(), entropy(1));
    let mut config = SessionConfig::new(OWN.parse().unwrap(), vec![PEER.parse().unwrap()], Role::Passive);
    config.delivery = delivery;
    endpoint.open_session(config, now).unwrap();
    endpoint.handle_input(
        Input::Opened {
            connection: ConnectionId(1),
            open: None,
            secure: false,
        },
        now,
    );
    (endpoint, now)
}

/// Gives octets, and throws away what comes of them.
fn hear(endpoint: &mut Endpoint, data: Bytes, now: Instant) {
    endpoint.handle_input(
        Input::Received {
            connection: ConnectionId(1),
            data,
        },
        now,
    );
    while endpoint.poll_transmit(now).is_some() {}
    while endpoint.poll_event().is_some() {}
}

#[test]
fn heads_that_are_read_and_bodies_cost_no_allocation() {
    let mut stream = BytesMut::new();
    for _ in 0..1000 {
        stream.extend_from_slice(&chunk("12345678", "1-*/*", &"x".repeat(2048), '+'));
    }
    let mut stream = stream.freeze();
    let mut decoder = Decoder::new(Limits::default(), Leniency::default());
    let (mut heads, mut octets) = (0, 0);
    let (allocations, _) = measured(|| {
        while !stream.is_empty() {
            decoder.push(stream.split_to(stream.len().min(65_536)));
            while let Some(frame) = decoder.next().unwrap() {
                match frame {
                    Frame::Head(head) => {
                        let headers = &head.headers;
                        let paths = headers.to_path().unwrap().len() + headers.from_path().unwrap().len();
                        let id = headers.message_id().unwrap();
                        let range = headers.get::<ByteRange>().unwrap().unwrap();
                        assert_eq!((paths, id, range.start), (2, Some("12345678"), 1));
                        heads += 1;
                    }
                    Frame::Body(body) => octets += body.len(),
                    _ => {}
                }
            }
        }
    });
    assert_eq!((heads, octets), (1000, 1000 * 2048));
    // A head that is cut by the end of a read is copied; there are 37 reads.
    assert!(allocations <= 2 * 37, "{allocations}");
}

#[test]
fn a_body_goes_out_without_being_copied() {
    let now = epoch();
    let mut endpoint = Endpoint::new(Config::default(), entropy(1));
    let config = SessionConfig::new(OWN.parse().unwrap(), vec![PEER.parse().unwrap()], Role::Active);
    let session = endpoint.open_session(config, now).unwrap();
    let Some(Transmit::Open { open, .. }) = endpoint.poll_transmit(now) else {
        panic!()
    };
    let connection = ConnectionId(1);
    endpoint.handle_input(
        Input::Opened {
            connection,
            open: Some(open),
            secure: false,
        },
        now,
    );
    let Some(Transmit::Send { data, .. }) = endpoint.poll_transmit(now) else {
        panic!()
    };
    let bind = String::from_utf8(data.to_bytes().to_vec()).unwrap();
    let id = bind.split(' ').nth(1).unwrap();
    let answer = format!("MSRP {id} 200 OK\r\nTo-Path: {OWN}\r\nFrom-Path: {PEER}\r\n-------{id}$\r\n");
    endpoint.handle_input(
        Input::Received {
            connection,
            data: answer.into(),
        },
        now,
    );
    let body = Bytes::from(vec![b'x'; 8 << 20]);
    let message = OutgoingMessage::new(ContentType::text_plain(), OutgoingBody::Whole(body));
    endpoint.send(session, message, now).unwrap();
    let mut octets = 0;
    let (allocations, peak) = measured(|| {
        while let Some(Transmit::Send { data, .. }) = endpoint.poll_transmit(now) {
            octets += data.remaining();
        }
    });
    assert!(octets > 8 << 20);
    let chunks = (8 << 20) / (16 * 1024);
    assert!(allocations < chunks * 8, "{allocations} in {chunks} chunks");
    assert!(peak < 1 << 20, "{peak}");
}

#[test]
fn what_a_peer_leaves_unfinished_stays_small() {
    for delivery in [Delivery::Whole { max: 64 << 20 }, Delivery::Streaming] {
        // Many messages that begin and do not end.
        let (mut endpoint, now) = passive(delivery);
        let (_, peak) = measured(|| {
            for number in 0..2000 {
                hear(
                    &mut endpoint,
                    chunk(&format!("message{number}"), "1-*/*", "x", '+'),
                    now,
                );
            }
        });
        assert!(peak < 1 << 20, "{delivery:?}: {peak}");
        // One message of many pieces, each of one octet.
        let (mut endpoint, now) = passive(delivery);
        let (_, peak) = measured(|| {
            for at in 1..5000 {
                hear(
                    &mut endpoint,
                    chunk("12345678", &format!("{}-*/*", at * 2), "x", '+'),
                    now,
                );
            }
        });
        assert!(peak < 1 << 20, "{delivery:?}: {peak}");
    }
}

#[test]
fn a_stream_that_passes_through_is_not_held() {
    let (mut endpoint, now) = passive(Delivery::Streaming);
    let head = chunk("12345678", "1-*/*", "|", '$');
    let cut = head.iter().position(|octet| *octet == b'|').unwrap();
    hear(&mut endpoint, head.slice(..cut), now);
    let (_, peak) = measured(|| {
        for _ in 0..1000 {
            hear(&mut endpoint, Bytes::from(vec![b'x'; 16 * 1024]), now);
        }
    });
    assert!(peak < 128 * 1024, "{peak}");
}
