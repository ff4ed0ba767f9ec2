//! What an idle session and an idle subscription hold, in octets of the heap, everything that an endpoint keeps for them included.
//!
//! The counting allocator needs `unsafe`; it hands everything on to that of the system.
#![cfg(test)]
#![expect(unsafe_code, reason = "an allocator cannot be written without")]

mod machines;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use machines::calls::{accept, accepted, acknowledged, invitation, invite, media, taken};
use machines::talk::SECOND;
use machines::{FINE, Pair, epoch, request, uri};
use sip_im::endpoint::Config;
use sip_im::header::{Event, RecordRoute, SubscriptionState};
use sip_im::subscription::{Notifier, NotifierConfig, Subscriber};
use sip_im::{Method, Request};

struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
}

fn count(layout: Layout, sign: isize) {
    let size = isize::try_from(layout.size()).unwrap_or(isize::MAX);
    let _ = HELD.try_with(|held| held.set(held.get() + sign * size));
}

// SAFETY: each method does what that of the system's allocator does with the same arguments, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout, 1);
        // SAFETY: the caller keeps to the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout, -1);
        // SAFETY: the pointer comes from `alloc` above, with the same layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Octets that are held by what `make` makes, of which there are `number`.
fn held_each<T>(number: usize, make: impl FnOnce() -> T) -> isize {
    let before = HELD.get();
    let all = make();
    let held = HELD.get() - before;
    drop(all);
    held / isize::try_from(number).expect("a number")
}

/// An INVITE as it comes from a core network: long ids, one proxy that stays on the way.
fn from_a_core(call: usize) -> Request {
    let mut invite = invitation(
        &format!("{call:08}-3848276298220188511@client.atlanta.example.com"),
        Some(&media(1000)),
    );
    invite
        .headers_mut()
        .push_typed(&RecordRoute::new(uri("sip:192.0.2.2:5060;lr")))
        .expect("Record-Route");
    invite
}

#[test]
fn a_confirmed_dialog_with_its_session_holds_at_most_2_kib() {
    const SESSIONS: usize = 200;
    let mut pair = Pair::with(Config::default, FINE, 1);
    let call = |pair: &mut Pair, number: usize| {
        invite(pair, from_a_core(number));
        let theirs = taken(pair).expect("an invite");
        accept(pair, theirs, &media(2000));
        pair.wait(0, SECOND, accepted).expect("accepted");
        pair.wait(1, SECOND, acknowledged).expect("acknowledged");
    };
    // The first one brings what all share.
    call(&mut pair, 0);
    let quiet = |pair: &mut Pair| {
        pair.run_for(Duration::from_secs(100));
        for end in &mut pair.ends {
            end.events = Vec::new();
            end.sent = Vec::new();
        }
    };
    quiet(&mut pair);
    let before = HELD.get();
    for number in 1..=SESSIONS {
        call(&mut pair, number);
    }
    quiet(&mut pair);
    let each = (HELD.get() - before) / isize::try_from(2 * SESSIONS).expect("a number");
    assert_eq!(pair.ends[0].endpoint.sessions(), SESSIONS + 1);
    println!("a session at one end: {each} octets");
    assert!(each <= 2048, "{each}");
}

#[test]
fn a_subscription_holds_at_most_1_kib() {
    const SUBSCRIPTIONS: usize = 200;
    let now = epoch();
    let subscribe = |number: usize| {
        let mut subscribe = request(
            Method::Subscribe,
            &format!("{number:08}-3848276298@client.example.com"),
        );
        let headers = subscribe.headers_mut();
        headers.push_typed(&Event::new("conference")).expect("Event");
        headers
            .push_typed(&RecordRoute::new(uri("sip:p1.example.com;lr")))
            .expect("Record-Route");
        // As it is read from the wire.
        let mut octets =
            b"SUBSCRIBE sip:bob@b.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n".to_vec();
        let written = subscribe.to_bytes();
        let line = written.iter().position(|octet| *octet == b'\n').expect("a line");
        octets.extend_from_slice(&written[line + 1..]);
        match sip_im::codec::parse_datagram(octets.into(), &sip_im::codec::Limits::default()) {
            Ok(sip_im::Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    };
    let accept = |number: usize| {
        let tag = format!("tag-{number:08}");
        Notifier::accept(
            &subscribe(number),
            &tag,
            &uri("sip:room@192.0.2.2"),
            &NotifierConfig::default(),
            now,
        )
        .expect("accepted")
    };
    let each = held_each(SUBSCRIPTIONS, || {
        (0..SUBSCRIPTIONS)
            .map(|number| accept(number).0)
            .collect::<Vec<_>>()
    });
    println!("a subscription at the notifier: {each} octets");
    assert!(each <= 1024, "{each}");

    let each = held_each(SUBSCRIPTIONS, || {
        let subscribed = (0..SUBSCRIPTIONS).map(|number| {
            let (mut notifier, _) = accept(number);
            let mut subscriber =
                Subscriber::new(subscribe(number), Duration::from_secs(32), now).expect("a subscriber");
            let notify = notifier.notify(None, now).expect("a notify");
            assert!(
                notify
                    .headers()
                    .get::<SubscriptionState>()
                    .expect("a state")
                    .is_some()
            );
            subscriber.handle_notify(&notify, now);
            subscriber
        });
        subscribed.collect::<Vec<_>>()
    });
    println!("a subscription at the subscriber: {each} octets");
    assert!(each <= 1024, "{each}");
}
