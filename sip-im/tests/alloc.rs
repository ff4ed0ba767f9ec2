//! What reading and writing a message allocates.
//!
//! The counting allocator needs `unsafe`; it hands everything on to that of the system.
#![expect(unsafe_code, reason = "an allocator cannot be written without")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use sip_im::codec::{Frame, Limits, parse_datagram};
use sip_im::endpoint::{Config, Endpoint, Event as EndpointEvent, Input, Target, Transmit};
use sip_im::header::*;
use sip_im::registration::{self, Registrar};
use sip_im::{ContentType, Message};
use sip_im::{FlowId, Method, Request, StatusCode, Transport, Uri};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: each method does what that of the system's allocator does with the same arguments, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        let _ = LIVE.try_with(|live| live.set(live.get().wrapping_add_unsigned(layout.size())));
        // SAFETY: the caller keeps to the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let _ = LIVE.try_with(|live| live.set(live.get().wrapping_sub_unsigned(layout.size())));
        // SAFETY: the pointer comes from `alloc` above, with the same layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations<T>(work: impl FnOnce() -> T) -> usize {
    let before = COUNT.get();
    let made = work();
    let count = COUNT.get() - before;
    drop(made);
    count
}

/// What something made holds, in octets.
fn held<T>(work: impl FnOnce() -> T) -> (T, isize) {
    let before = LIVE.get();
    let made = work();
    let held = LIVE.get() - before;
    (made, held)
}

const REQUEST: &str = "INVITE sip:bob@example.net;transport=tcp SIP/2.0\r\n\
    Via: SIP/2.0/TCP p1.example.com:5060;branch=z9hG4bK74bf9.1;received=192.0.2.1;rport=5070, SIP/2.0/UDP a.example;branch=z9hG4bK1;x\r\n\
    Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>\r\nRecord-Route: <sip:p3.example.com;lr>\r\nMax-Forwards: 70\r\n\
    From: \"Alice\" <sip:alice@example.com>;tag=9fxced76sl;x=y\r\nTo: Bob <sip:bob@example.net>\r\n\
    Call-ID: 3848276298220188511@client.example.com\r\nCSeq: 1 INVITE\r\n\
    Contact: <sip:alice@192.0.2.1:5060;transport=tcp>;+g.oma.sip-im;expires=60\r\nP-Asserted-Identity: <sip:alice@example.com>\r\n\
    Session-Expires: 1800;refresher=uac\r\nEvent: conference;id=1\r\nExpires: 60\r\nContent-Length: 0\r\n\r\n";

fn read_all(message: &Message) -> usize {
    let headers = message.headers();
    let addresses = headers.all::<Via>().flatten().count()
        + headers.all::<Route>().flatten().count()
        + headers.all::<RecordRoute>().flatten().count()
        + headers.all::<Contact>().flatten().count()
        + headers.all::<PAssertedIdentity>().flatten().count();
    let from: From = headers.require().unwrap();
    let to: To = headers.require().unwrap();
    let event: Event = headers.require().unwrap();
    let contact: Contact = headers.require().unwrap();
    assert_eq!(
        (from.tag(), to.display(), event.id()),
        (Some("9fxced76sl"), Some("Bob"), Some("1"))
    );
    assert_eq!(
        (contact.expires(), contact.has_feature("+g.oma.sip-im")),
        (Some(60), true)
    );
    headers.require::<CallId>().unwrap();
    headers.require::<CSeq>().unwrap();
    headers.require::<MaxForwards>().unwrap();
    headers.require::<SessionExpires>().unwrap();
    headers.require::<Expires>().unwrap();
    assert!(headers.get::<ContentType>().unwrap().is_none());
    addresses
}

#[test]
fn typed_header_fields_are_read_without_allocation() {
    let Ok(message) = parse_datagram(Bytes::from_static(REQUEST.as_bytes()), &Limits::default()) else {
        panic!()
    };
    assert_eq!(read_all(&message), 7);
    assert_eq!(allocations(|| read_all(&message)), 0);
}

#[test]
fn a_message_is_read_with_one_allocation_and_written_with_two() {
    let octets = Bytes::from_static(REQUEST.as_bytes());
    // The list of its lines.
    assert_eq!(
        allocations(|| parse_datagram(octets.clone(), &Limits::default()).unwrap()),
        1
    );
    let message = parse_datagram(octets, &Limits::default()).unwrap();
    // The octets, and what makes them shared.
    let count = allocations(|| message.to_bytes());
    assert!(count <= 2, "{count}");
}

#[test]
fn what_is_refused_allocates_no_more_than_its_answer() {
    let many = format!("{}{}\r\n", REQUEST.trim_end_matches("\r\n"), ";x".repeat(20_000));
    let octets = Bytes::from(many);
    let count = allocations(|| parse_datagram(octets.clone(), &Limits::default()));
    assert!(count < 60, "{count}");
}

#[expect(clippy::disallowed_methods, reason = "an opaque epoch for virtual time")]
fn epoch() -> Instant {
    Instant::now()
}

fn parsed(text: &str) -> Request {
    // Out of a buffer that holds much else, as a socket's does.
    let mut buffer = text.as_bytes().to_vec();
    buffer.resize(65_536, b' ');
    let octets = Bytes::from(buffer).slice(..text.len());
    match parse_datagram(octets, &Limits::default()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a request"),
    }
}

#[test]
fn a_registered_binding_holds_at_most_512_octets() {
    let now = epoch();
    let mut registrar = Registrar::new(registration::Config::default());
    let requests: Vec<_> = (0..1000)
        .map(|user| {
            let aor = Uri::parse(&format!("sip:user{user}@example.com")).unwrap();
            let request = parsed(&format!(
                "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.4;branch=z9hG4bK{user}\r\nMax-Forwards: 70\r\n\
                 From: <sip:user{user}@example.com>;tag=1\r\nTo: <sip:user{user}@example.com>\r\nCall-ID: 3848276298220188511-{user}\r\n\
                 CSeq: 1 REGISTER\r\nSupported: path, outbound\r\nContact: <sip:user{user}@192.0.2.4:5060;transport=tcp>;+g.oma.sip-im;\
                 q=0.5;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\";reg-id=1;expires=3600\r\nContent-Length: 0\r\n\r\n"
            ));
            (request, aor)
        })
        .collect();
    let ((), octets) = held(|| {
        for (at, (request, aor)) in (0..).zip(&requests) {
            let outcome = registrar.register(request, aor, FlowId(at), now);
            assert_eq!(outcome.status, StatusCode::OK);
        }
    });
    assert_eq!(registrar.len(), 1000);
    let each = octets / 1000;
    assert!(
        each <= 768,
        "{each} octets for a user with a binding, and to find it by its end and its flow"
    );
    let aor = &requests[0].1;
    let mut second = requests[0].0.clone();
    let contact = "<sip:user0@192.0.2.5:5060;transport=tcp>;+g.oma.sip-im;q=0.5;\
        +sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e129>\";reg-id=1;expires=3600";
    second.headers_mut().set(&HeaderName::CONTACT, contact).unwrap();
    let ((), octets) = held(|| {
        let outcome = registrar.register(&second, aor, FlowId(0), now);
        assert_eq!(outcome.status, StatusCode::OK);
    });
    assert!(octets <= 512, "{octets} octets for one more");
}

/// An endpoint with a datagram flow.
fn endpoint(change: impl FnOnce(&mut Config), now: Instant) -> Endpoint {
    let mut config = Config::default();
    change(&mut config);
    let mut state = 1_u64;
    let mut endpoint = Endpoint::new(
        config,
        Box::new(move |octets: &mut [u8]| {
            for octet in octets {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                *octet = state.to_be_bytes()[0];
            }
        }),
    );
    for flow in 1..3 {
        let local: SocketAddr = "192.0.2.9:5060".parse().unwrap();
        let remote: SocketAddr = format!("192.0.2.{flow}:5060").parse().unwrap();
        let flow = FlowId(flow);
        let transport = Transport::Udp;
        let input = Input::Opened {
            flow,
            transport,
            local,
            remote,
            open: None,
            trusted: false,
        };
        endpoint.handle_input(input, now);
    }
    while endpoint.poll_event().is_some() {}
    endpoint
}

fn message(branch: usize) -> Bytes {
    Bytes::from(format!(
        "MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@example.com>;tag=9fxced76sl\r\nTo: <sip:bob@example.com>\r\nCall-ID: 3848276298220188511-{branch}\r\n\
         CSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nHi"
    ))
}

#[test]
fn a_flood_of_requests_leaves_memory_flat_and_others_served() {
    let now = epoch();
    let mut endpoint = endpoint(
        |config| {
            config.max_server_transactions = 1000;
            config.max_flow_transactions = 500;
        },
        now,
    );
    let flood = |endpoint: &mut Endpoint, from: usize, to: usize| {
        let ((), octets) = held(|| {
            for branch in from..to {
                endpoint.handle_input(
                    Input::Received {
                        flow: FlowId(1),
                        data: message(branch),
                    },
                    now,
                );
                while endpoint.poll_transmit(now).is_some() {}
                while endpoint.poll_event().is_some() {}
            }
        });
        octets
    };
    flood(&mut endpoint, 0, 2000);
    assert_eq!(
        endpoint.server_transactions(),
        500,
        "one peer alone does not fill the table"
    );
    let more = flood(&mut endpoint, 2000, 40_000);
    assert!(more.abs() < 4096, "{more} octets more");
    // Another peer is served all the same.
    for branch in 50_000..50_100 {
        endpoint.handle_input(
            Input::Received {
                flow: FlowId(2),
                data: message(branch),
            },
            now,
        );
        let Some(EndpointEvent::RequestReceived {
            transaction, request, ..
        }) = endpoint.poll_event()
        else {
            panic!("not served")
        };
        let ok = request.response(StatusCode::OK).to_tag("b").build().unwrap();
        endpoint.respond(transaction, ok, now).unwrap();
        assert!(endpoint.poll_transmit(now).is_some());
    }
    endpoint.handle_timeout(now + Duration::from_secs(32));
    while endpoint.poll_event().is_some() {}
    assert_eq!(endpoint.server_transactions(), 0);
}

/// What a MESSAGE server transaction allocates, from octets to octets to timer J, with a thousand live at a time: as many come as are
/// forgotten, so that the tables do not grow any more.
fn allocations_of_a_server_transaction(hop: &str) -> usize {
    let now = epoch();
    let mut endpoint = endpoint(|_| {}, now);
    let step = Duration::from_millis(32);
    let mut count = 0;
    for branch in 0..4000 {
        let at = now + step * u32::try_from(branch).unwrap();
        let text = String::from_utf8(message(branch).to_vec()).unwrap();
        let data = BytesMut::from(text.replace("192.0.2.1:5060;", hop).as_str()).freeze();
        let of_one = allocations(|| {
            endpoint.handle_timeout(at);
            let flow = FlowId(1);
            endpoint.handle_input(Input::Received { flow, data }, at);
            let Some(EndpointEvent::RequestReceived {
                transaction, request, ..
            }) = endpoint.poll_event()
            else {
                panic!("not received")
            };
            let response = request.response(StatusCode::OK).to_tag("b1b2b3b4").build();
            endpoint.respond(transaction, response.unwrap(), at).unwrap();
            assert!(endpoint.poll_transmit(at).is_some());
        });
        if branch >= 3000 {
            count += of_one;
        }
    }
    assert!((990..1010).contains(&endpoint.server_transactions()));
    count.div_ceil(1000)
}

#[test]
fn a_server_transaction_allocates_at_most_eight_times() {
    // The lines of the request and what makes its octets shared; the octets and lines of the response, and what makes them shared.
    let plain = allocations_of_a_server_transaction("192.0.2.1:5060;");
    assert!(plain <= 5, "{plain}");
    // And its completed Via.
    let completed = allocations_of_a_server_transaction("client.example.com:5060;rport;");
    assert!(completed <= 8, "{completed}");
}

/// What a MESSAGE client transaction allocates, from request to response to timer K, with a thousand live at a time.
#[test]
fn a_client_transaction_allocates_at_most_ten_times() {
    let now = epoch();
    let mut endpoint = endpoint(|_| {}, now);
    let bob = Uri::parse("sip:bob@example.com").unwrap();
    let built = Request::builder(Method::Message, bob.clone())
        .from(&Uri::parse("sip:alice@example.com").unwrap(), None, "9fxced76sl")
        .to(&bob, None)
        .call_id("3848276298220188511")
        .cseq(1)
        .body(&ContentType::text_plain(), Bytes::from_static(b"Hi"))
        .build()
        .unwrap();
    let mut count = 0;
    for at in 0..4000 {
        let when = now + Duration::from_millis(5) * at;
        let request = built.clone();
        let sent = allocations(|| {
            endpoint.handle_timeout(when);
            endpoint.send(request, Target::Flow(FlowId(1)), when).unwrap();
        });
        let Some(Transmit::Send { data, .. }) = endpoint.poll_transmit(when) else {
            panic!("not sent")
        };
        let request = parsed(std::str::from_utf8(&data).unwrap());
        let response = request.response(StatusCode::OK).to_tag("b").build().unwrap();
        let data = response.to_bytes();
        let answered = allocations(|| {
            let flow = FlowId(1);
            endpoint.handle_input(Input::Received { flow, data }, when);
            assert!(matches!(
                endpoint.poll_event(),
                Some(EndpointEvent::ResponseReceived { .. })
            ));
        });
        if at >= 3000 {
            count += sent + answered;
        }
    }
    assert!((990..1010).contains(&endpoint.client_transactions()));
    let each = count.div_ceil(1000);
    assert!(each <= 10, "{each}");
}

#[test]
fn an_answered_server_transaction_holds_at_most_a_kibibyte() {
    let now = epoch();
    let mut endpoint = endpoint(|_| {}, now);
    let serve = |endpoint: &mut Endpoint, branches: core::ops::Range<usize>| {
        for branch in branches {
            // In a large buffer, which is not to be kept.
            let mut buffer = message(branch).to_vec();
            let length = buffer.len();
            buffer.resize(4096, b' ');
            let (flow, data) = (FlowId(1), Bytes::from(buffer).slice(..length));
            endpoint.handle_input(Input::Received { flow, data }, now);
            if let Some(EndpointEvent::RequestReceived {
                transaction, request, ..
            }) = endpoint.poll_event()
            {
                let response = request.response(StatusCode::OK).to_tag("b1b2b3b4").build();
                endpoint.respond(transaction, response.unwrap(), now).unwrap();
            }
            while endpoint.poll_transmit(now).is_some() {}
        }
    };
    let ((), octets) = held(|| serve(&mut endpoint, 0..8192));
    let each = octets / 8192;
    assert!(each <= 1024, "{each} octets each");
    let ((), left) = held(|| {
        endpoint.handle_timeout(now + Duration::from_secs(32));
        serve(&mut endpoint, 0..1);
        endpoint.handle_timeout(now + Duration::from_secs(64));
    });
    assert!(endpoint.is_drained());
    assert!(-left > octets / 5 * 4, "{octets} octets taken, {left} given back");
}

fn view_all(headers: &Headers) -> usize {
    let addresses = headers.views::<Via>().flatten().count()
        + headers.views::<Route>().flatten().count()
        + headers.views::<RecordRoute>().flatten().count()
        + headers.views::<Contact>().flatten().count();
    let from = headers.view::<From>().unwrap().unwrap();
    let to = headers.view::<To>().unwrap().unwrap();
    let cseq = headers.view::<CSeq>().unwrap().unwrap();
    assert_eq!(
        (from.tag, to.address.display, cseq.seq, cseq.method),
        (Some("9fxced76sl"), Some("Bob"), 1, "INVITE")
    );
    headers.view::<CallId>().unwrap().unwrap();
    addresses
}

#[test]
fn a_frame_is_read_viewed_and_written_without_allocation() {
    // As a host has it: octets that came in one buffer, and are shared.
    let shared = BytesMut::from(REQUEST).split().freeze();
    let (mut frame, mut out) = (Frame::new(), BytesMut::with_capacity(2_000));
    let limits = Limits::default();
    frame.read(shared.clone(), &limits).unwrap();
    let count = allocations(|| {
        frame.read(shared.clone(), &limits).unwrap();
        assert_eq!(view_all(frame.headers()), 6);
        frame.write(&mut out);
    });
    assert_eq!(count, 0);
    assert_eq!(out, REQUEST);
}

#[test]
fn a_message_gives_its_room_to_the_next() {
    let shared = BytesMut::from(REQUEST).split().freeze();
    let (mut frame, mut out) = (Frame::new(), BytesMut::with_capacity(4_000));
    let limits = Limits::default();
    let mut round = || {
        let mut scratch = core::mem::take(&mut frame);
        scratch.read(shared.clone(), &limits).unwrap();
        let message = scratch.into_message().unwrap();
        message.write(&mut out);
        frame.reuse(message);
    };
    round();
    assert_eq!(allocations(round), 0);
    assert_eq!(out.len(), REQUEST.len() * 2);
}

/// What reading a head with this many more lines allocates, after one of the same kind.
fn allocations_of_lines(lines: usize) -> usize {
    let more = "Subject: a\r\nX-Other: b;c=d\r\n".repeat(lines / 2);
    let text = REQUEST.replace("Content-Length", &format!("{more}Content-Length"));
    let octets = BytesMut::from(text.as_str()).split().freeze();
    let mut limits = Limits::default();
    (limits.header_lines, limits.head_octets) = (4_000, 100_000);
    let mut frame = Frame::new();
    frame.read(octets.clone(), &limits).unwrap();
    allocations(|| frame.read(octets.clone(), &limits).unwrap())
}

#[test]
fn many_lines_allocate_no_more_than_few() {
    assert_eq!((allocations_of_lines(30), allocations_of_lines(3_000)), (0, 0));
}
