//! What the hosts share: sockets, stores, XCAP over HTTP, configuration, traces.
//!
//! The protocol crates own the behaviour; everything that blocks, sleeps, spawns or reads a clock is here.
//! A server is an [`im_roles::node::Node`] driven on a [`net::Network`] with a [`store::Store`]; a client is an
//! [`im_roles::client::Client`] driven by a [`net::ClientHost`].
#![forbid(unsafe_code)]

pub mod client_json;
pub mod clock;
pub mod command;
pub mod config;
pub mod decode;
pub mod demo;
pub mod entropy;
pub mod events;
pub mod inspect;
pub mod net;
pub mod relay;
pub mod server;
pub mod store;
pub mod trace;
pub mod xcap_http;
