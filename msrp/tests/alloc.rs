//! How much is allocated: by heads, by bodies that stream through, and by what a peer leaves unfinished.
#![cfg(test)]
#![expect(unsafe_code, reason = "an allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use msrp::codec::{Decoder, Frame, Leniency, Limits};
use msrp::endpoint::{
    Config, Delivery, Endpoint, Event, Input, OutgoingBody, OutgoingMessage, Role, SessionConfig, SessionKey,
    Transmit,
};
use msrp::header::{ByteRange, ContentType, FailureReport};
use msrp::{ConnectionId, Entropy, relay};

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

/// An endpoint with sessions that its peer has bound, each on a connection of its own.
fn bound(sessions: u64, config: Config, delivery: Delivery) -> (Endpoint, Vec<SessionKey>, Instant) {
    let now = epoch();
    let mut endpoint = Endpoint::new(config, entropy(1));
    let mut keys = Vec::new();
    for number in 0..sessions {
        keys.push(bind(&mut endpoint, number, 1 + number, delivery, now));
    }
    (endpoint, keys, now)
}

/// Opens a session, and lets its peer bind it on a connection, which is opened if it is not there.
fn bind(
    endpoint: &mut Endpoint,
    number: u64,
    connection: u64,
    delivery: Delivery,
    now: Instant,
) -> SessionKey {
    let (own, peer) = (OWN.replace("ours", &format!("ours{number}")), PEER);
    let mut config = SessionConfig::new(own.parse().unwrap(), vec![peer.parse().unwrap()], Role::Passive);
    config.delivery = delivery;
    let key = endpoint.open_session(config, now).unwrap();
    let connection = ConnectionId(connection);
    let opened = Input::Opened {
        connection,
        open: None,
        secure: false,
    };
    endpoint.handle_input(opened, now);
    let data = format!(
        "MSRP bind SEND\r\nTo-Path: {own}\r\nFrom-Path: {peer}\r\nMessage-ID: bind\r\n-------bind$\r\n"
    );
    endpoint.handle_input(
        Input::Received {
            connection,
            data: data.into(),
        },
        now,
    );
    while endpoint.poll_transmit(now).is_some() {}
    while endpoint.poll_event().is_some() {}
    key
}

/// The octets that this thread holds more after `run` than before.
fn kept<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let held = HELD.get();
    let made = run();
    (made, HELD.get().wrapping_sub(held))
}

#[test]
fn idle_sessions_and_connections_are_small() {
    const COUNT: u64 = 4000;
    let mut config = Config::default();
    config.limits.sessions = 2 * 4001;
    let (mut endpoint, _, now) = bound(1, config, Delivery::Streaming);
    let ((), held) = kept(|| {
        for number in 1..=COUNT {
            bind(&mut endpoint, number, 1, Delivery::Streaming, now);
        }
    });
    let each = held / 4000;
    assert!(each <= 1024, "an idle session holds {each} octets");
    let ((), held) = kept(|| {
        for number in 1..=COUNT {
            bind(
                &mut endpoint,
                COUNT + number,
                1 + number,
                Delivery::Streaming,
                now,
            );
        }
    });
    let each = held / 4000;
    assert!(
        each <= 4096,
        "an idle connection with a session holds {each} octets"
    );
    assert_eq!(endpoint.poll_timeout(), None, "nobody has to be woken for them");
}

#[test]
fn sessions_that_have_had_traffic_are_as_small_again() {
    const COUNT: usize = 500;
    let (mut endpoint, keys, now) = bound(500, Config::default(), Delivery::Whole { max: 1 << 20 });
    let ((), held) = kept(|| {
        for (number, key) in keys.iter().enumerate() {
            let connection = ConnectionId(1 + number as u64);
            let own = OWN.replace("ours", &format!("ours{number}"));
            for at in 0..20 {
                let data = chunk(&format!("message{at}"), "1-5/5", "hello", '$');
                let data = String::from_utf8(data.to_vec())
                    .unwrap()
                    .replace(OWN, &own)
                    .into();
                endpoint.handle_input(Input::Received { connection, data }, now);
                let mut message = OutgoingMessage::new(
                    ContentType::text_plain(),
                    OutgoingBody::Whole(Bytes::from(vec![b'x'; 40_000])),
                );
                message.failure_report = FailureReport::No;
                endpoint.send(*key, message, now).unwrap();
                while endpoint.poll_transmit(now).is_some() {}
                while endpoint.poll_event().is_some() {}
            }
        }
    });
    // What is remembered of each message is 10 octets; the rest is what queues keep for the next one.
    let each = held / COUNT;
    assert!(
        each <= 1500,
        "a session that has had traffic holds {each} octets more"
    );
}

#[test]
fn nothing_is_allocated_for_a_chunk_that_is_received() {
    let (mut endpoint, now) = passive(Delivery::Streaming);
    let connection = ConnectionId(1);
    let mut stream = BytesMut::new();
    for number in 0..2000_u64 {
        let range = format!("{}-*/*", number * 2048 + 1);
        stream.extend_from_slice(&chunk("12345678", &range, &"x".repeat(2048), '+'));
    }
    let mut stream = stream.freeze();
    let mut hear = |octets: usize| {
        let mut left = octets;
        while left > 0 {
            let data = stream.split_to(left.min(8192));
            left -= data.len();
            endpoint.handle_input(Input::Received { connection, data }, now);
            while let Some(event) = endpoint.poll_event() {
                drop(event);
            }
            while let Some(transmit) = endpoint.poll_transmit(now) {
                drop(transmit);
            }
        }
    };
    hear(2_000_000);
    let (allocations, _) = measured(|| hear(2_000_000));
    // A head that is cut by the end of a read is put together.
    assert!(
        allocations <= 2_000_000 / 8192,
        "{allocations} for some 880 chunks"
    );
}

#[test]
fn nothing_is_allocated_for_a_chunk_that_is_sent() {
    for failure_report in [FailureReport::No, FailureReport::Yes] {
        let mut config = Config::default();
        config.chunk_size = std::num::NonZeroUsize::new(2048).unwrap();
        config.limits.unanswered_chunks = 100_000;
        let (mut endpoint, keys, now) = bound(1, config, Delivery::Streaming);
        let body = Bytes::from(vec![b'x'; 40 << 20]);
        let mut message = OutgoingMessage::new(ContentType::text_plain(), OutgoingBody::Whole(body));
        message.failure_report = failure_report;
        endpoint.send(keys[0], message, now).unwrap();
        let mut pull = |chunks: usize| {
            for _ in 0..chunks {
                let Some(Transmit::Send { data, .. }) = endpoint.poll_transmit(now) else {
                    panic!()
                };
                assert!(data.remaining() > 2048);
            }
        };
        pull(5000);
        let (allocations, _) = measured(|| pull(1000));
        // The queue of those that wait for an answer grows now and then.
        assert!(allocations <= 1, "{allocations}");
    }
}

#[test]
fn a_large_message_passes_through_in_less_than_a_mebibyte() {
    const PIECE: usize = 256 << 10;
    const TOTAL: u64 = 1 << 30;
    let mut config = Config::default();
    config.limits.unanswered_chunks = 4;
    let (mut to, now) = passive(Delivery::Streaming);
    let (mut from, keys, _) = bound(1, config, Delivery::Streaming);
    let connection = ConnectionId(1);
    let piece = Bytes::from(vec![b'x'; PIECE]);
    let own = OWN.replace("ours", "ours0");
    let mut message = OutgoingMessage::new(
        ContentType::text_plain(),
        OutgoingBody::Streamed { total: Some(TOTAL) },
    );
    message.success_report = true;
    let mut received = 0_u64;
    let mut done = false;
    let (_, peak) = measured(|| {
        let id = from.send(keys[0], message, now).unwrap();
        for _ in 0..TOTAL / (PIECE as u64) {
            from.append(keys[0], &id, piece.clone(), now).unwrap();
            let mut moved = true;
            while moved {
                moved = false;
                while let Some(Transmit::Send { data, .. }) = from.poll_transmit(now) {
                    moved = true;
                    // Between the two sits a relay of ours, as it were: only the paths change.
                    for part in data.into_parts().into_iter().filter(|part| !part.is_empty()) {
                        let data = swapped(part, (&own, PEER), (PEER, OWN));
                        to.handle_input(Input::Received { connection, data }, now);
                    }
                    while let Some(event) = to.poll_event() {
                        match event {
                            Event::BodyReceived { data, .. } => received += data.len() as u64,
                            Event::MessageCompleted { total, .. } => done = total == TOTAL,
                            _ => {}
                        }
                    }
                }
                while let Some(Transmit::Send { data, .. }) = to.poll_transmit(now) {
                    moved = true;
                    let data = swapped(data.to_bytes(), (OWN, PEER), (PEER, &own));
                    from.handle_input(Input::Received { connection, data }, now);
                    while from.poll_event().is_some() {}
                }
            }
        }
    });
    assert_eq!((received, done), (TOTAL, true));
    assert!(peak < 1 << 20, "{peak}");
}

/// A head with its paths turned to the other end; what is no head is left as it is.
fn swapped(octets: Bytes, (own, peer): (&str, &str), (to, from): (&str, &str)) -> Bytes {
    if !octets.starts_with(b"MSRP ") {
        return octets;
    }
    let text = std::str::from_utf8(&octets).unwrap();
    let turned = text.replace(&format!("To-Path: {peer}\r\nFrom-Path: {own}"), "PATHS");
    turned
        .replace("PATHS", &format!("To-Path: {from}\r\nFrom-Path: {to}"))
        .into()
}

#[test]
fn a_relay_forwards_chunks_without_allocating() {
    let now = epoch();
    let mut config = relay::Config::new(relay::Address::new(false, "relay.example", 2855));
    config.plain_auth = true;
    let mut state = 1_u64;
    let mut machine = relay::Relay::new(
        config,
        Box::new(move |octets| {
            for octet in octets {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *octet = state.to_le_bytes()[5];
            }
        }),
    );
    for (number, peer) in [
        (1, relay::Peer::User("alice".to_owned())),
        (2, relay::Peer::Unknown),
    ] {
        let opened = relay::Input::Opened {
            connection: ConnectionId(number),
            open: None,
            secure: false,
            peer,
        };
        machine.handle_input(opened, now);
    }
    let give = |machine: &mut relay::Relay, number, data| {
        let connection = ConnectionId(number);
        machine.handle_input(relay::Input::Received { connection, data }, now);
        while machine.poll_transmit(now).is_some() {}
    };
    let auth = format!(
        "MSRP auth AUTH\r\nTo-Path: msrp://relay.example;tcp\r\nFrom-Path: {OWN}\r\n-------auth$\r\n"
    );
    give(&mut machine, 1, auth.into());
    let Some(relay::Event::UriGiven { uri, .. }) = machine.poll_event() else {
        panic!()
    };
    let chunk = chunk("12345678", "1-*/*", &"x".repeat(2048), '+');
    let chunk = String::from_utf8(chunk.to_vec()).unwrap();
    let chunk = chunk.replace(
        &format!("To-Path: {OWN}"),
        &format!("To-Path: {uri} {OWN}\r\nFailure-Report: no"),
    );
    let mut stream = Bytes::from(chunk.repeat(2000));
    // Reads end between chunks: a head that is cut is carried over, which the decoder's tests count.
    let read = 25 * chunk.len();
    // Tables and buffers grow first.
    give(&mut machine, 2, stream.split_to(400 * chunk.len()));
    let (allocations, peak) = measured(|| {
        while !stream.is_empty() {
            let data = stream.split_to(read);
            give(&mut machine, 2, data);
        }
    });
    assert!(allocations <= 64, "{allocations} in 1600 chunks and 64 reads");
    assert!(peak < 256 * 1024, "{peak}");
}
