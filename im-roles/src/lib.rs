//! The behaviour of an instant messaging service, sans-IO: Participating, Controlling, Deferred, XDMS and Client roles,
//! and the node that composes them.
//!
//! A [`node::Node`] is a whole server, a [`client::Client`] what a user's program links. Both are machines: octets on
//! flows in, octets out, and the host owns sockets, clock, randomness and storage. What a server needs of storage it asks
//! for as an [`effect::Effect`] and takes as an [`effect::Answer`]; no role waits for another one's store.
//!
//! The loop that a host writes:
//!
//! ```
//! use std::collections::VecDeque;
//! use std::net::SocketAddr;
//! use std::time::{Duration, Instant};
//!
//! use bytes::{Buf, Bytes};
//! use im_roles::config::{Config, User};
//! use im_roles::effect::{Answer, Effect};
//! use im_roles::flow::{FlowId, Input, Protocol, Transmit, Transport};
//! use im_roles::{WallClock, node::Node};
//! use sip_im::Uri;
//!
//! let mut config = Config::new("example.com")?;
//! config.users.push(User::new(Uri::parse("sip:alice@example.com")?, "secret"));
//! let clock = WallClock::new(Instant::now(), Duration::from_secs(1_700_000_000));
//! let mut state = 1_u64;
//! let entropy = Box::new(move |octets: &mut [u8]| {
//!     for octet in octets {
//!         state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
//!         *octet = state.to_be_bytes()[0];
//!     }
//! });
//! let mut node = Node::new(config, clock, entropy);
//!
//! // What the sockets would bring: a datagram from a new address.
//! let request = "OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
//!                From: <sip:alice@example.com>;tag=1\r\nTo: <sip:example.com>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\
//!                Content-Length: 0\r\n\r\n";
//! let mut inputs = VecDeque::from([
//!     Input::Opened {
//!         flow: FlowId(1),
//!         protocol: Protocol::Sip,
//!         transport: Transport::Udp,
//!         local: SocketAddr::from(([192, 0, 2, 9], 5060)),
//!         remote: SocketAddr::from(([192, 0, 2, 1], 5060)),
//!         open: None,
//!         trusted: false,
//!     },
//!     Input::Received { flow: FlowId(1), data: Bytes::from_static(request.as_bytes()) },
//! ]);
//!
//! let mut sent = Vec::new();
//! loop {
//!     let now = Instant::now();
//!     while let Some(transmit) = node.poll_transmit(now) {
//!         if let Transmit::Send { mut data, .. } = transmit {
//!             sent.push(data.copy_to_bytes(data.remaining()));
//!         }
//!     }
//!     while let Some(effect) = node.poll_effect() {
//!         // A store does this; its answer may come at any time.
//!         if let Effect::FetchDocument { id, .. } = effect {
//!             node.handle_answer(Answer::Document { id, result: Ok(None) }, now);
//!         }
//!     }
//!     while let Some(event) = node.poll_event() {
//!         println!("{event:?}");
//!     }
//!     // One wait: for input, for an answer, or until `node.poll_timeout()`, when `node.handle_timeout` is due.
//!     let Some(input) = inputs.pop_front() else { break };
//!     node.handle_input(input, Instant::now());
//! }
//! assert!(sent[0].starts_with(b"SIP/2.0 407 Proxy Authentication Required\r\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | what | where | specified by |
//! |---|---|---|
//! | registrar, digest, routing, collocation of roles | [`node`] | RFC 3261 10, 16, 22; RFC 3325 |
//! | a user's service point: rules, privacy, delivery | [`participating`] | R-5.3.2.3.1, RFC 3428, RFC 4745 |
//! | conferences, the MSRP switch, the exploder | [`controlling`] | R-5.3.2.3.2, RFC 4579, 4575, 7701, 5363 to 5366 |
//! | messages for users who are away | [`deferred`] | R-5.3.2.3.3, RFC 3428 7 |
//! | presence, and who watches it | [`presence`] | RFC 3856, 3857, 3903, 5025 |
//! | documents | [`xdms`] | R-6.2-04, RFC 4825 |
//! | a user's program | [`client`] | R-5.3.1 |
//! | what roles say to each other | [`signal`] | |
//! | work for stores | [`effect`], and as traits in `driver` (feature `driver`) | |
#![forbid(unsafe_code)]

pub mod client;
pub mod config;
pub mod controlling;
pub mod deferred;
#[cfg(feature = "driver")]
pub mod driver;
pub mod effect;
pub mod flow;
pub mod machine;
mod message;
pub mod node;
pub mod participating;
pub mod presence;
pub mod signal;
mod wall_clock;
mod warning;
pub mod xdms;

pub use wall_clock::WallClock;
pub use warning::ServiceWarning;

/// The README's loop, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
