//! The relay, as clients, peers and a host see it.
#![cfg(test)]

mod auth;
mod client;
mod forward;
mod laws;
mod limits;
mod net;
mod world;
