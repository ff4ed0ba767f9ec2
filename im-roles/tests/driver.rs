//! The driver loses nothing, wherever its future is dropped.
#![cfg(feature = "driver")]
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; one reading of the clock is the epoch of virtual time"
)]

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use im_roles::WallClock;
use im_roles::config::{Config, User};
use im_roles::driver::{DocumentSource, Driver, Host, MessageStore, Stores, Wake};
use im_roles::effect::{
    DeferredMessage, DocumentListing, DocumentSelector, MailboxQuota, StoreError, StoredDocument,
};
use im_roles::flow::{Input, Protocol, Transmit};
use im_roles::node::Node;
use sip_im::{FlowId, Identity, Transport, Uri};

/// Gives its inputs one by one, each after a wait that a dropped future does not make longer.
struct Script {
    now: Instant,
    inputs: VecDeque<Input>,
    waited: bool,
    sent: Arc<Mutex<Vec<Bytes>>>,
}

#[async_trait]
impl Host for Script {
    fn now(&self) -> Instant {
        self.now
    }

    fn has_room(&self) -> bool {
        true
    }

    fn transmit(&mut self, transmit: Transmit) {
        if let Transmit::Send { mut data, .. } = transmit {
            self.sent
                .lock()
                .unwrap()
                .push(data.copy_to_bytes(data.remaining()));
        }
    }

    async fn next(&mut self, deadline: Option<Instant>) -> Wake {
        std::future::poll_fn(|_| {
            self.waited = !self.waited;
            if self.waited {
                return Poll::Pending;
            }
            if let Some(input) = self.inputs.pop_front() {
                return Poll::Ready(Wake::Input(input));
            }
            if deadline.is_some() {
                self.now += Duration::from_millis(1);
            }
            Poll::Ready(Wake::Timeout)
        })
        .await
    }
}

/// Keeps what it is given, after a few rounds of waiting.
#[derive(Default)]
struct Memory {
    messages: Mutex<Vec<DeferredMessage>>,
}

async fn linger(rounds: usize) {
    let mut left = rounds;
    std::future::poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[async_trait]
impl DocumentSource for Memory {
    async fn fetch_document(&self, _: DocumentSelector) -> Result<Option<StoredDocument>, StoreError> {
        linger(3).await;
        Ok(None)
    }

    async fn store_document(
        &self,
        _: DocumentSelector,
        _: Option<String>,
        _: StoredDocument,
        _: Vec<Identity>,
    ) -> Result<(), StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn delete_document(&self, _: DocumentSelector, _: String) -> Result<(), StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn find_groups(&self, _: Vec<Identity>) -> Result<Vec<(Identity, StoredDocument)>, StoreError> {
        Ok(Vec::new())
    }

    async fn list_documents(&self, _: Identity, _: usize) -> Result<Vec<DocumentListing>, StoreError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl MessageStore for Memory {
    async fn store_message(&self, message: DeferredMessage, _: MailboxQuota) -> Result<(), StoreError> {
        linger(2).await;
        self.messages.lock().unwrap().push(message);
        Ok(())
    }

    async fn list_messages(&self, _: Identity, _: usize) -> Result<Vec<DeferredMessage>, StoreError> {
        Ok(Vec::new())
    }

    async fn delete_message(&self, _: Identity, _: String) -> Result<(), StoreError> {
        Ok(())
    }
}

fn message(number: u32) -> Input {
    let text = format!(
        "MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:6001;branch=z9hG4bK{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:x@b.test>;tag=f\r\nTo: <sip:bob@example.com>\r\nCall-ID: c{number}\r\n\
         CSeq: {number} MESSAGE\r\nP-Asserted-Identity: <sip:x@b.test>\r\nContent-Type: text/plain\r\n\
         Content-Length: 2\r\n\r\nhi"
    );
    Input::Received {
        flow: FlowId(1),
        data: text.into(),
    }
}

/// Runs a server through three messages for someone who is away, dropping the future after `patience` polls.
fn run(patience: usize) -> (Vec<Bytes>, Vec<String>, usize) {
    let now = Instant::now();
    let mut config = Config::new("example.com").unwrap();
    config
        .users
        .push(User::new(Uri::parse("sip:bob@example.com").unwrap(), "secret"));
    let mut state = 7_u8;
    let entropy = Box::new(move |octets: &mut [u8]| {
        for octet in octets {
            state = state.wrapping_mul(29).wrapping_add(17);
            *octet = state;
        }
    });
    let node = Node::new(
        config,
        WallClock::new(now, Duration::from_secs(1_700_000_000)),
        entropy,
    );
    let opened = Input::Opened {
        flow: FlowId(1),
        protocol: Protocol::Sip,
        transport: Transport::Udp,
        local: SocketAddr::from(([127, 0, 0, 1], 5060)),
        remote: SocketAddr::from(([127, 0, 0, 1], 6001)),
        open: None,
        trusted: true,
    };
    let sent = Arc::new(Mutex::new(Vec::new()));
    let inputs = VecDeque::from([opened, message(1), message(2), message(3)]);
    let script = Script {
        now,
        inputs,
        waited: false,
        sent: Arc::clone(&sent),
    };
    let memory = Arc::new(Memory::default());
    let mut driver = Driver::new(
        node,
        script,
        Stores::new(Arc::clone(&memory), Arc::clone(&memory)),
    );
    let mut context = Context::from_waker(Waker::noop());
    let mut events = Vec::new();
    let mut polls = 0;
    while memory.messages.lock().unwrap().len() < 3 || sent.lock().unwrap().len() < 3 {
        let mut next = pin!(driver.next_event());
        for _ in 0..patience {
            polls += 1;
            assert!(polls < 100_000, "no progress");
            if let Poll::Ready(event) = next.as_mut().poll(&mut context) {
                events.push(format!("{:?}", event.expect("the server goes on")));
                break;
            }
        }
    }
    let sent = sent.lock().unwrap().clone();
    let stored = memory.messages.lock().unwrap().len();
    (sent, events, stored)
}

#[test]
fn dropping_the_future_at_every_await_loses_nothing() {
    let (sent, events, stored) = run(usize::MAX);
    assert_eq!(stored, 3);
    let accepted = sent
        .iter()
        .filter(|octets| octets.starts_with(b"SIP/2.0 202"))
        .count();
    assert_eq!(accepted, 3);
    for patience in 1..6 {
        let (other, other_events, stored) = run(patience);
        assert_eq!(stored, 3, "dropped after {patience} polls");
        assert_eq!(other, sent, "dropped after {patience} polls");
        // The last piece of news may still wait to be polled.
        assert!(events.starts_with(&other_events) || other_events.starts_with(&events));
    }
}
