//! What reading and writing a message allocates.
//!
//! The counting allocator needs `unsafe`; it hands everything on to that of the system.
#![expect(unsafe_code, reason = "an allocator cannot be written without")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::Bytes;
use sip_im::codec::{Limits, parse_datagram};
use sip_im::header::*;
use sip_im::{ContentType, Message};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: each method does what that of the system's allocator does with the same arguments, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps to the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
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
