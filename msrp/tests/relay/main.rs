//! The relay, as clients, peers and a host see it.
#![cfg(test)]

mod auth;
mod forward;
mod laws;
mod limits;
mod world;
