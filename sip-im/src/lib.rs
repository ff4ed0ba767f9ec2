//! SIP for instant messaging, sans-IO: messages, transactions, dialogs, subscriptions, MIME, SDP for MSRP, identity and privacy.
//!
//! # Messages
//!
//! [`codec`] turns octets into a [`Message`] and refuses what two readers could read differently. A message keeps the lines
//! that it came in: [`Message::to_bytes`] writes an unedited one octet for octet, and an edit touches its own line only.
//! Header fields are read as types on demand:
//!
//! ```
//! use bytes::Bytes;
//! use sip_im::codec::{Limits, parse_datagram};
//! use sip_im::header::{Route, To};
//! use sip_im::{Message, StatusCode};
//!
//! let octets = Bytes::from_static(
//!     b"OPTIONS sip:bob@example.com SIP/2.0\r\nv: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\nRoute: <sip:p1;lr>, <sip:p2;lr>\r\n\
//!       f: <sip:alice@example.com>;tag=1\r\nt: <sip:bob@example.com>\r\ni: x\r\nCSeq: 1 OPTIONS\r\nl: 0\r\n\r\n",
//! );
//! let Message::Request(request) = parse_datagram(octets, &Limits::default())? else { return Ok(()) };
//! assert_eq!(request.headers().all::<Route>().count(), 2);
//! assert_eq!(request.headers().require::<To>()?.uri().user(), Some("bob"));
//! let response = request.response(StatusCode::OK).to_tag("b1").build()?;
//! assert!(response.to_bytes().starts_with(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where what is
//!
//! | RFC | module |
//! |---|---|
//! | 3261 7, 18.3, 25 (messages, framing) | [`codec`], [`message`] |
//! | 3261 20 and its extensions (header fields) | [`header`] |
//! | 3261 19.1, 3966, 3860, 3859 (URIs) | [`uri`] |
//! | 2046, 2183, 3261 7.4 (bodies) | [`mime`] |
//! | 3264, 8866, 4975 8, 6135, 5547, 7701 (SDP for MSRP) | [`sdp`] |
//! | 3323, 3325, 5876 (identity and privacy) | [`mod@identity`] |
//! | 3261 17, 6026, 4320 (transactions) | [`transaction`] |
//! | 3261 8, 9, 18, 3581, 5626 4.4.1 (flows and transactions of a host) | [`endpoint`] |
//! | 3261 12 (dialogs) | [`dialog`] |
//! | 3261 13-15, 3262, 3264, 3311, 4028, 3891, 3911 (sessions) | [`session`] |
//! | dialogs, sessions and subscriptions across restarts | [`snapshot`] |
//! | 3261 10, 3327, 5626 (registration) | [`registration`] |
//! | 3263 (where to send) | [`resolve`] |
//! | 3329, 3310, 4169, 3486, 5502 (IMS) | [`ims`] |
//! | 3261 16 (proxies) | [`proxy`] |
//! | 3261 22, 7616, 8760 (authentication) | [`auth`] |
//! | 6665 (subscriptions) | [`subscription`] |
//! | 3903 (publication) | [`publication`] |
//! | 3515, 4488, 5368 (REFER) | [`refer`] |
//! | 3428 (messages in pager mode) | [`pager`] |
#![forbid(unsafe_code)]

pub mod auth;
pub mod codec;
pub mod dialog;
pub mod endpoint;
pub mod error;
pub mod flow;
pub mod header;
pub mod identity;
pub mod ims;
pub mod message;
mod method;
pub mod mime;
pub mod pager;
pub mod proxy;
pub mod publication;
pub mod refer;
pub mod registration;
pub mod resolve;
pub mod sdp;
pub mod session;
pub mod snapshot;
mod status;
pub mod subscription;
pub mod transaction;
pub mod uri;

pub use flow::{FlowId, Transport};
pub use message::{Message, Request, RequestBuilder, Response, ResponseBuilder};
pub use method::Method;
pub use msrp::header::content::ContentType;
pub use msrp::{ByteStr, Entropy, digest};
pub use status::{StatusClass, StatusCode};
pub use uri::{Aliases, Host, Identity, Scheme, Uri};
